/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Feeds files (and every file of a folder) to a fuzz target, for compilers
 * without a fuzzing engine and for `make check`.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned fed;

static int
feed(const char *path)
{
	fy_autofree char *data = NULL;
	struct fy_error err = { 0 };
	size_t len;

	if (fy_file_read_at(AT_FDCWD, path, 64 * FY_MIB, &data, &len, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)data, len);
	fed++;
	return 0;
}

static int
feed_folder(const char *path, DIR *dir)
{
	struct dirent *entry;
	int r = 0;

	while (r == 0 && (entry = readdir(dir)) != NULL) {
		fy_autofree char *file = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) == -1)
			return -1;
		r = feed(file);
	}
	return r;
}

int
main(int argc, char **argv)
{
	int i, r = 0;

	for (i = 1; i < argc && r == 0; i++) {
		DIR *dir = opendir(argv[i]);

		r = dir != NULL ? feed_folder(argv[i], dir) : feed(argv[i]);
		if (dir != NULL)
			closedir(dir);
	}
	if (r == 0 && fed == 0) {
		fprintf(stderr, "no seeds were given\n");
		return 1;
	}
	printf("%u inputs\n", fed);
	return r == 0 ? 0 : 1;
}
