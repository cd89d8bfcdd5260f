/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SYSFS_H
#define FY_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/options.h"

/*
 * Small files of sys, proc, etc and run, below a root ("" or NULL: the real
 * ones).  What is not there, can't be read or is empty is NULL or 0: hardware
 * tells what it likes.  Paths are formatted; results are malloc'd.
 */
/* The whole text (at most 32 MiB). */
char *fy_sys_text(const char *root, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The first line without spaces around it; NULL when empty. */
char *fy_sys_line(const char *root, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Bytes, '*ret_len' of them. */
char *fy_sys_bytes(const char *root, size_t *ret_len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A number in decimal or (0x...) hexadecimal; 'otherwise' when there is none.
 */
uint64_t fy_sys_number(const char *root, uint64_t otherwise, const char *fmt,
		       ...) __attribute__((format(printf, 3, 4)));
bool fy_sys_exists(const char *root, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The last part of where a symlink points to. */
char *fy_sys_link(const char *root, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The path with all symlinks followed. */
char *fy_sys_real(const char *root, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The names in a directory, in natural order (sda sdb sdaa; nvme2 nvme10);
 * none when it is not there. */
int fy_sys_list(const char *root, const char *path, struct fy_strings *ret,
		struct fy_error *err);

#endif
