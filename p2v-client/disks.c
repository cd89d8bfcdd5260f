/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether disks may be converted together: none in use by the running system,
 * none named twice by whatever path, and a warning where a volume group or an
 * array would come over in part.
 *
 * What sysfs doesn't tell (another mount namespace, ZFS, a program that holds
 * the device) the kernel does: opening a device with O_EXCL fails when
 * somebody has claimed it or one of its partitions.
 */
#include "p2v-client/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/volume.h"
#include "p2v-client/block.h"
#include "p2v-client/member.h"
#include "p2v-client/sysfs.h"
#include "partclone/disk.h"

#define MAX_GROUPS  64
#define MAX_MEMBERS 64

struct chosen {
	const char *path;
	char *name; /* of the block device, or NULL */
	char *disk; /* that it is or lies on */
	dev_t dev;  /* of an image file */
	ino_t ino;
	struct fy_machine *machine; /* with one disk: the description */
};

struct group {
	struct fy_member member;
	char seen[MAX_MEMBERS][40];
	unsigned n_seen;
};

struct groups {
	struct group items[MAX_GROUPS];
	unsigned n;
};

/* --- in use ---------------------------------------------------------------- */

static int
refuse_busy(const char *path, const char *use, struct fy_error *err)
{
	return fy_error_set(err, FY_E_BUSY, 0,
			    "'%s' is in use: %s; its content would change "
			    "while it is read",
			    path, use);
}

/* An image file that a loop device shows to the running system. */
static int
check_loops(const char *root, const char *path, struct fy_error *err)
{
	fy_autofree char *real = realpath(path, NULL);
	struct fy_strings all = { 0 };
	size_t i;
	int r;

	r = fy_sys_list(root, "/sys/block", &all, err);
	for (i = 0; r == 0 && real != NULL && i < all.n; i++) {
		const char *name = all.items[i];
		fy_autofree char *file = NULL, *use = NULL;

		if (strncmp(name, "loop", 4) != 0)
			continue;
		file = fy_sys_line(root, "/sys/block/%s/loop/backing_file",
				   name);
		if (!fy_streq(file, real))
			continue;
		use = fy_block_in_use(root, name);
		if (use != NULL)
			r = refuse_busy(path, use, err);
	}
	fy_strings_release(&all);
	return r;
}

static int
check_use(const char *root, const struct chosen *c, struct fy_error *err)
{
	fy_autofree char *use = NULL;
	fy_autofd int fd = -1;

	if (c->name == NULL)
		return check_loops(root, c->path, err);
	use = fy_block_in_use(root, c->name);
	if (use != NULL)
		return refuse_busy(c->path, use, err);
	if (root != NULL)
		return 0;
	fd = open(c->path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd == -1 && errno == EBUSY)
		return refuse_busy(c->path,
				   "another program or device has claimed it",
				   err);
	return 0;
}

/* --- twice ----------------------------------------------------------------- */

static int
choose(const char *root, const char *path, struct chosen *ret,
       struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_machine_disk *d;
	struct stat st;

	real = fy_format(err, "%s%s", root == NULL ? "" : root, path);
	if (real == NULL)
		return -1;
	if (stat(real, &st) == -1)
		return fy_error_set(err,
				    errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO,
				    errno, "cannot use '%s' as a disk", path);
	ret->path = path;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->machine = fy_machine_new(err);
	d = ret->machine == NULL ? NULL
				 : fy_machine_add_disk(ret->machine, err);
	if (d == NULL)
		return -1;
	ret->name = fy_block_name(root, path);
	if (ret->name == NULL) {
		if (S_ISREG(st.st_mode))
			return 0;
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is neither a block device nor a file",
				    path);
	}
	ret->disk = fy_block_disk(root, ret->name);
	if (ret->disk == NULL)
		return fy_error_nomem(err);
	return fy_block_describe(root, ret->disk, d, err);
}

static void
release_chosen(struct chosen *c)
{
	free(c->name);
	free(c->disk);
	fy_machine_free(c->machine);
}

static int
check_pair(const struct chosen *a, const struct chosen *b, struct fy_error *err)
{
	if ((a->name == NULL) != (b->name == NULL))
		return 0;
	if (a->name == NULL ? a->dev == b->dev && a->ino == b->ino
			    : strcmp(a->disk, b->disk) == 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' and '%s' are the same disk", a->path,
				    b->path);
	if (a->name != NULL &&
	    fy_block_same_disk(&a->machine->disks[0], &b->machine->disks[0]))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' and '%s' are two paths to the same "
				    "disk; choose one of them",
				    a->path, b->path);
	return 0;
}

/* --- parts of groups ------------------------------------------------------- */

static void
note_member(struct groups *all, const struct fy_member *m)
{
	struct group *g = NULL;
	unsigned i;

	for (i = 0; i < all->n && g == NULL; i++)
		if (all->items[i].member.kind == m->kind &&
		    strcmp(all->items[i].member.group, m->group) == 0)
			g = &all->items[i];
	if (g == NULL) {
		if (all->n == MAX_GROUPS)
			return;
		g = &all->items[all->n++];
		g->member = *m;
		g->n_seen = 0;
	}
	for (i = 0; i < g->n_seen; i++)
		if (strcmp(g->seen[i], m->member) == 0)
			return;
	if (!m->spare && g->n_seen < MAX_MEMBERS)
		memcpy(g->seen[g->n_seen++], m->member, sizeof(g->seen[0]));
}

static int
note_volume(struct fy_volume *v, struct groups *all, struct fy_error *err)
{
	struct fy_member m;

	if (fy_member_read(v, &m, err) == -1)
		return -1;
	if (m.kind != FY_MEMBER_NONE && m.group[0] != '\0' && m.members > 0)
		note_member(all, &m);
	return 0;
}

static int
note_disk(const char *root, const char *path, struct groups *all,
	  struct fy_error *err)
{
	FY_AUTO(disk_map) struct fy_disk_map *map = NULL;
	fy_autovolume struct fy_volume *disk = NULL;
	fy_autofree char *real = NULL;
	size_t i;

	real = fy_format(err, "%s%s", root == NULL ? "" : root, path);
	if (real == NULL || fy_volume_open_path(real, 0, 0, &disk, err) == -1 ||
	    note_volume(disk, all, err) == -1 ||
	    fy_disk_probe(disk, &map, err) == -1)
		return -1;
	for (i = 0; i < map->n_volumes; i++) {
		const struct fy_disk_volume *v = &map->volumes[i];
		fy_autovolume struct fy_volume *part = NULL;

		if (v->number == 0)
			continue;
		if (fy_volume_slice(disk, v->start, v->length, v->path, &part,
				    err) == -1 ||
		    note_volume(part, all, err) == -1)
			return -1;
	}
	return 0;
}

static void
warn_of_parts(const struct groups *all, struct fy_log *log)
{
	unsigned i;

	for (i = 0; i < all->n; i++) {
		const struct group *g = &all->items[i];
		bool lvm = g->member.kind == FY_MEMBER_LVM;

		if (g->n_seen >= g->member.members)
			continue;
		fy_log_warn(log,
			    "only %u of %u parts of the %s '%s' are on the "
			    "chosen disks: choose its other disks too, or the "
			    "virtual machine may not find its data",
			    g->n_seen, g->member.members,
			    lvm ? "volume group" : "array",
			    g->member.name[0] != '\0' ? g->member.name
						      : g->member.group);
	}
}

static int
check_groups(const char *root, const char *const *paths, size_t n,
	     struct fy_log *log, struct fy_error *err)
{
	fy_autofree struct groups *all = calloc(1, sizeof(*all));
	size_t i;

	if (all == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n; i++) {
		struct fy_error why = { 0 };

		/* What can't be read is the conversion's to report. */
		if (note_disk(root, paths[i], all, &why) == -1)
			fy_log_debug(log, "%s: %s", paths[i], why.msg);
	}
	warn_of_parts(all, log);
	return 0;
}

/* --- all ------------------------------------------------------------------- */

static int
check_all(const char *root, const char *const *paths, size_t n,
	  struct chosen *chosen, struct fy_error *err)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		if (choose(root, paths[i], &chosen[i], err) == -1)
			return -1;
		for (j = 0; j < i; j++)
			if (check_pair(&chosen[j], &chosen[i], err) == -1)
				return -1;
	}
	for (i = 0; i < n; i++)
		if (check_use(root, &chosen[i], err) == -1)
			return -1;
	return 0;
}

int
fy_disks_check(const char *sysroot, const char *const *paths, size_t n,
	       struct fy_log *log, struct fy_error *err)
{
	struct chosen *chosen = calloc(n + 1, sizeof(*chosen));
	size_t i;
	int r;

	if (chosen == NULL)
		return fy_error_nomem(err);
	r = check_all(sysroot, paths, n, chosen, err);
	for (i = 0; i < n; i++)
		release_chosen(&chosen[i]);
	free(chosen);
	return r == -1 ? -1 : check_groups(sysroot, paths, n, log, err);
}
