/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TEST_TREE_H
#define FY_TEST_TREE_H

/*
 * A tree of files for tests: what would be sys, proc, dev, etc and run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/test.h"

static char *tree;

static inline void
tree_new(void)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_dir_temporary("fy-tree", &tree, &err), &err);
	if (tree == NULL)
		exit(1);
}

static inline void
tree_free(void)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, tree, &err), &err);
	free(tree);
	tree = NULL;
}

/* The path in the tree, with its directories made; a static buffer. */
static inline const char *
tree_path(const char *path)
{
	static char full[4096];
	char *p;

	snprintf(full, sizeof(full), "%s%s", tree, path);
	for (p = full + strlen(tree) + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		CHECK(mkdir(full, 0755) == 0 || errno == EEXIST);
		*p = '/';
	}
	return full;
}

static inline void
tree_bytes(const char *path, const void *data, size_t len)
{
	int fd = open(tree_path(path), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static inline void
tree_text(const char *path, const char *text)
{
	tree_bytes(path, text, strlen(text));
}

static inline void
tree_link(const char *path, const char *target)
{
	CHECK(symlink(target, tree_path(path)) == 0);
}

static inline void
tree_dir(const char *path)
{
	CHECK(mkdir(tree_path(path), 0755) == 0);
}

/* A file of that size without content. */
static inline void
tree_sparse(const char *path, off_t size)
{
	tree_bytes(path, "", 0);
	CHECK(truncate(tree_path(path), size) == 0);
}

#endif
