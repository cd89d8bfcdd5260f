/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small files below a root, read whole.
 */
#include "p2v-client/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"

#define MAX_TEXT (UINT32_C(32) << 20)

static char *path_of(const char *root, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static char *
path_of(const char *root, const char *fmt, va_list ap)
{
	fy_autofree char *path = NULL;
	struct fy_error err = { 0 };

	if (vasprintf(&path, fmt, ap) == -1) {
		path = NULL;
		return NULL;
	}
	return fy_format(&err, "%s%s", root == NULL ? "" : root, path);
}

static char *
read_path(const char *path, size_t *ret_len)
{
	struct fy_error err = { 0 };
	char *text = NULL;

	if (path == NULL || fy_file_read_at(AT_FDCWD, path, MAX_TEXT, &text,
					    ret_len, &err) == -1)
		return NULL;
	return text;
}

#define WITH_PATH(path)                                                        \
	fy_autofree char *path = NULL;                                         \
	va_list ap;                                                            \
	va_start(ap, fmt);                                                     \
	path = path_of(root, fmt, ap);                                         \
	va_end(ap)

char *
fy_sys_text(const char *root, const char *fmt, ...)
{
	WITH_PATH(path);
	return read_path(path, NULL);
}

char *
fy_sys_bytes(const char *root, size_t *ret_len, const char *fmt, ...)
{
	WITH_PATH(path);
	*ret_len = 0;
	return read_path(path, ret_len);
}

/* Cut to the first line, without spaces around it; NULL when empty. */
static char *
first_line(char *text)
{
	size_t start, end;

	if (text == NULL)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	start = strspn(text, " \t");
	end = strlen(text);
	while (end > start && strchr(" \t\r", text[end - 1]) != NULL)
		end--;
	memmove(text, text + start, end - start);
	text[end - start] = '\0';
	if (text[0] != '\0')
		return text;
	free(text);
	return NULL;
}

char *
fy_sys_line(const char *root, const char *fmt, ...)
{
	WITH_PATH(path);
	return first_line(read_path(path, NULL));
}

uint64_t
fy_sys_number(const char *root, uint64_t otherwise, const char *fmt, ...)
{
	fy_autofree char *line = NULL;
	uint64_t v;
	char *end;

	WITH_PATH(path);
	line = first_line(read_path(path, NULL));
	if (line == NULL || line[0] < '0' || line[0] > '9')
		return otherwise;
	errno = 0;
	v = strtoull(line, &end, line[1] == 'x' ? 16 : 10);
	return errno != 0 || *end != '\0' ? otherwise : v;
}

bool
fy_sys_exists(const char *root, const char *fmt, ...)
{
	WITH_PATH(path);
	return path != NULL && access(path, F_OK) == 0;
}

char *
fy_sys_link(const char *root, const char *fmt, ...)
{
	char target[PATH_MAX];
	const char *slash;
	ssize_t n;

	WITH_PATH(path);
	if (path == NULL)
		return NULL;
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return NULL;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return strdup(slash == NULL ? target : slash + 1);
}

char *
fy_sys_real(const char *root, const char *fmt, ...)
{
	WITH_PATH(path);
	return path == NULL ? NULL : realpath(path, NULL);
}

/* Shorter names with the same letters first, numbers by value: sdb before
 * sdaa, nvme2n1 before nvme10n1. */
static int
by_name(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	size_t i = strspn(x, "abcdefghijklmnopqrstuvwxyz");
	size_t j = strspn(y, "abcdefghijklmnopqrstuvwxyz");

	if (i != j && i > 2 && j > 2 && strncmp(x, y, 2) == 0)
		return i < j ? -1 : 1;
	return strverscmp(x, y);
}

int
fy_sys_list(const char *root, const char *path, struct fy_strings *ret,
	    struct fy_error *err)
{
	fy_autofree char *full = NULL;
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	full = fy_format(err, "%s%s", root == NULL ? "" : root, path);
	if (full == NULL)
		return -1;
	dir = opendir(full);
	if (dir == NULL)
		return 0;
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			r = fy_strings_add(ret, entry->d_name, err);
	closedir(dir);
	fy_sort(ret->items, ret->n, sizeof(*ret->items), by_name);
	return r;
}
