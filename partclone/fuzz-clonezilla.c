/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hostile directories of Clonezilla's: the input is the files, each behind a
 * line "=== NAME".  What is believed must be a disk that holds together.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "partclone/clonezilla.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK	  "=== "
#define MAX_FILES 32

static bool
is_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL &&
	       strlen(name) < 128;
}

static void
put_file(int dirfd, const char *name, const uint8_t *data, size_t len)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0600);

	if (fd == -1)
		return;
	if (fy_fd_write_full(fd, data, len, NULL) == -1)
		abort();
	close(fd);
}

/* The next line that begins a file, or 'end'. */
static const uint8_t *
next_mark(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *found;

	while (p < end) {
		found = memmem(p, (size_t)(end - p), "\n" MARK,
			       1 + strlen(MARK));
		if (found == NULL)
			return end;
		return found;
	}
	return end;
}

static void
unpack(int dirfd, const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size, *eol, *stop;
	char name[128];
	int n = 0;

	while (p < end && n++ < MAX_FILES && (size_t)(end - p) > strlen(MARK) &&
	       memcmp(p, MARK, strlen(MARK)) == 0) {
		p += strlen(MARK);
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			return;
		stop = next_mark(eol, end);
		snprintf(name, sizeof(name), "%.*s", (int)(eol - p),
			 (const char *)p);
		/* The line's end before the next mark is not the file's. */
		if (is_name(name))
			put_file(dirfd, name, eol + 1,
				 stop > eol ? (size_t)(stop - eol - 1) : 0);
		p = stop == end ? end : stop + 1;
	}
}

static void
check_table(const struct fy_cz_image *c, uint64_t bytes)
{
	struct fy_cz_table t = { 0 };
	struct fy_error err = { 0 };
	uint64_t end = 0;
	size_t i;

	if (fy_cz_table_make(c, bytes, &t, &err) == -1)
		return;
	for (i = 0; i < t.n_chunks; i++) {
		if (t.chunks[i].offset < end || t.chunks[i].offset > bytes ||
		    t.chunks[i].length > bytes - t.chunks[i].offset)
			abort();
		end = t.chunks[i].offset + t.chunks[i].length;
	}
	fy_cz_table_release(&t);
}

static void
check_pieces(const struct fy_cz_image *c)
{
	uint64_t end, each;
	size_t i, k;
	unsigned n;

	for (i = 0; i < c->lvm.n_lvs; i++) {
		end = 0;
		for (k = 0; k < c->lvm.lvs[i].n_pieces; k++) {
			const struct fy_target_piece *p =
				&c->lvm.lvs[i].pieces[k];

			if (p->start != end || p->n_areas == 0)
				abort();
			end += p->length;
			each = p->length / p->n_areas;
			for (n = 0; n < p->n_areas; n++)
				if (p->areas[n] > c->bytes ||
				    each > c->bytes - p->areas[n])
					abort();
		}
		if (c->lvm.lvs[i].part.length != end)
			abort();
	}
}

static void
read_all(const char *dir)
{
	const struct fy_used_options o = { .quiet = true };
	struct fy_used_result result = { 0 };
	struct fy_cz_image *c = NULL;
	struct fy_error err = { 0 };

	if (fy_cz_open(dir, NULL, &c, &err) == -1)
		return;
	check_pieces(c);
	check_table(c, c->bytes);
	if (c->bytes < UINT64_MAX / 2)
		check_table(c, c->bytes + (1u << 20));
	fy_cz_check(&o, c, NULL, &result, &err);
	fy_cz_close(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/dev/shm/fy-fuzz.XXXXXX";
	struct fy_error err = { 0 };
	int fd;

	if (mkdtemp(dir) == NULL)
		abort();
	fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		abort();
	unpack(fd, data, size);
	read_all(dir);
	if (fy_dir_remove_all_at(AT_FDCWD, dir, &err) == -1)
		abort();
	close(fd);
	return 0;
}
