/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk that did not change.
 *
 * The kernel must hold it read-only (BLKROSET, as the live image does), at the
 * beginning and now, its partitions too (older kernels keep a flag of their
 * own for each).  That keeps new writers away, but one that had it open before
 * could still write: so the kernel's count of writes must stand still as well.
 * A device built on others (device-mapper, md) can change from below, and a
 * partition by way of its disk: never sure.  Neither is a loop device, unless
 * the file behind it has kept the time of its last change, which must be older
 * than the clock's grain.
 */
#include "p2v-client/unchanged.h"

#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "p2v-client/sysfs.h"

#define GRAIN_S 2

static bool
all_partitions_read_only(const char *root, const char *dir)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	struct fy_strings names = { .n = 0 };
	bool all = true;
	size_t i;

	if (fy_sys_list(root, dir, &names, &ignored) == -1)
		return false;
	for (i = 0; i < names.n && all; i++)
		if (fy_sys_exists(root, "%s/%s/partition", dir, names.items[i]))
			all = fy_sys_number(root, 0, "%s/%s/ro", dir,
					    names.items[i]) == 1;
	fy_strings_release(&names);
	return all;
}

static bool
has_slaves(const char *root, const char *dir)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	struct fy_strings names = { .n = 0 };
	char path[128];
	bool some;

	snprintf(path, sizeof(path), "%s/slaves", dir);
	some = !fy_sys_exists(root, "%s", path) ||
	       fy_sys_list(root, path, &names, &ignored) == -1 || names.n > 0;
	fy_strings_release(&names);
	return some;
}

/* Writes are the 5th number of "stat", discards the 12th (Linux 4.18). */
static bool
read_counts(const char *root, const char *dir, struct fy_unchanged *ret)
{
	fy_autofree char *text = fy_sys_line(root, "%s/stat", dir);
	uint64_t v[12] = { 0 };
	unsigned n = 0;
	char *p = text, *end;

	if (text == NULL ||
	    fy_sys_number(root, 0, "%s/queue/iostats", dir) != 1)
		return false;
	for (; n < 12; n++, p = end) {
		v[n] = strtoull(p, &end, 10);
		if (end == p)
			break;
	}
	if (n < 11)
		return false;
	ret->writes = v[4];
	ret->discards = v[11];
	return true;
}

/* The file behind a loop device. */
static bool
look_at_file(const char *path, struct fy_unchanged *ret)
{
	struct timespec now;
	struct stat st;

	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - st.st_ctim.tv_sec < GRAIN_S)
		return false;
	ret->has_file = true;
	ret->file_dev = st.st_dev;
	ret->file_ino = st.st_ino;
	ret->file_size = st.st_size;
	ret->file_changed = st.st_ctim;
	return true;
}

bool
fy_unchanged_look(const char *root, dev_t device, struct fy_unchanged *ret)
{
	fy_autofree char *file = NULL;
	char dir[64];

	memset(ret, 0, sizeof(*ret));
	ret->device = device;
	snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u", major(device),
		 minor(device));
	if (fy_sys_exists(root, "%s/partition", dir) ||
	    fy_sys_number(root, 0, "%s/ro", dir) != 1 ||
	    has_slaves(root, dir) || !all_partitions_read_only(root, dir) ||
	    !read_counts(root, dir, ret))
		return false;
	if (fy_sys_exists(root, "%s/loop", dir)) {
		file = fy_sys_line(root, "%s/loop/backing_file", dir);
		if (file == NULL || !look_at_file(file, ret))
			return false;
	}
	ret->sure = true;
	return true;
}

static bool
look(const struct fy_volume *disk, struct fy_unchanged *ret)
{
	int fd = fy_volume_fd(disk), read_only = 0;
	struct stat st;

	memset(ret, 0, sizeof(*ret));
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) &&
	       ioctl(fd, BLKROGET, &read_only) == 0 && read_only != 0 &&
	       fy_unchanged_look(NULL, st.st_rdev, ret);
}

void
fy_unchanged_begin(struct fy_unchanged *u, const struct fy_volume *disk)
{
	u->sure = look(disk, u);
}

bool
fy_unchanged_still(struct fy_unchanged *u, const struct fy_volume *disk)
{
	struct fy_unchanged now;

	u->sure = u->sure && look(disk, &now) && now.device == u->device &&
		  now.writes == u->writes && now.discards == u->discards &&
		  now.has_file == u->has_file && now.file_dev == u->file_dev &&
		  now.file_ino == u->file_ino &&
		  now.file_size == u->file_size &&
		  now.file_changed.tv_sec == u->file_changed.tv_sec &&
		  now.file_changed.tv_nsec == u->file_changed.tv_nsec;
	return u->sure;
}
