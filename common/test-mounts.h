/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TEST_MOUNTS_H
#define FY_TEST_MOUNTS_H

/*
 * For unit tests: mounts of their own, which nobody else sees and which end
 * with the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"

static inline void
test_write_proc(const char *path, const char *text)
{
	fy_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) == -1)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
}

/* -1 when that takes root or a user namespace, and neither can be had. */
static inline int
test_own_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	if (uid == 0) {
		if (unshare(CLONE_NEWNS) == -1)
			return -1;
	} else {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
			return -1;
		snprintf(map, sizeof(map), "0 %u 1\n", uid);
		test_write_proc("/proc/self/setgroups", "deny");
		test_write_proc("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1\n", gid);
		test_write_proc("/proc/self/gid_map", map);
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

#endif
