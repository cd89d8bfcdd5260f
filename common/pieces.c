/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that split(1) made, as one stream; and the same written.  The letters
 * are counted on from "aa" ('a' is 0, base 26), and when reading, a further one
 * must not turn up behind the first that is missing: a lost piece in the middle
 * would else look like the end.
 */
#include "common/pieces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_LETTERS 5u
#define LOOK_BEHIND 26u /* how far behind a gap is looked for more */

struct fy_pieces {
	char *base; /* NAME, or the path itself without letters */
	size_t letters;
	uint64_t n, next; /* pieces; the one to be opened next */
	uint64_t total;
	int fd;
	char *open_path;
};

/* 26^letters */
static uint64_t
most_pieces(size_t letters)
{
	uint64_t n = 1;

	while (letters-- > 0)
		n *= 26;
	return n;
}

static void
suffix(char *ret, size_t letters, uint64_t number)
{
	ret[letters] = '\0';
	while (letters-- > 0) {
		ret[letters] = (char)('a' + number % 26);
		number /= 26;
	}
}

static char *
piece_path(const char *base, size_t letters, uint64_t number,
	   struct fy_error *err)
{
	char text[MAX_LETTERS + 1];

	if (letters == 0)
		return fy_format(err, "%s", base);
	suffix(text, letters, number);
	return fy_format(err, "%s.%s", base, text);
}

/* How many letters 'a' a path ends in behind a dot; 0 when it isn't the first
 * piece of a series. */
static size_t
first_letters(const char *path)
{
	const char *dot = strrchr(path, '.');
	size_t n;

	if (dot == NULL || dot == path || dot[-1] == '/')
		return 0;
	n = strspn(dot + 1, "a");
	return dot[1 + n] == '\0' && n >= 2 && n <= MAX_LETTERS ? n : 0;
}

/* 1: it is there; 0; -1. */
static int
look_at(const struct fy_pieces *p, uint64_t number, uint64_t *ret_size,
	struct fy_error *err)
{
	fy_autofree char *path = piece_path(p->base, p->letters, number, err);
	struct stat st;

	if (path == NULL)
		return -1;
	if (stat(path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		return fy_error_set(err, FY_E_IO, errno, "cannot look at '%s'",
				    path);
	}
	if (S_ISDIR(st.st_mode))
		return fy_error_set(err, FY_E_USAGE, 0, "'%s' is a directory",
				    path);
	*ret_size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 1;
}

static int
missing(const struct fy_pieces *p, uint64_t number, struct fy_error *err)
{
	fy_autofree char *path = piece_path(p->base, p->letters, number, err);

	if (path == NULL)
		return -1;
	return fy_error_set(err, FY_E_NOTFOUND, 0,
			    "'%s' is missing, but pieces behind it are there",
			    path);
}

static int
count_pieces(struct fy_pieces *p, struct fy_error *err)
{
	uint64_t most = most_pieces(p->letters), size, i;
	int r;

	while (p->n < most && (r = look_at(p, p->n, &size, err)) != 0) {
		if (r == -1)
			return -1;
		p->n++;
		p->total += size;
	}
	for (i = 1; i <= LOOK_BEHIND && p->n + i < most; i++) {
		r = look_at(p, p->n + i, &size, err);
		if (r == -1)
			return -1;
		if (r == 1)
			return missing(p, p->n, err);
	}
	return 0;
}

/* Find out whether 'path' is a file or the name of a series. */
static int
settle(struct fy_pieces *p, const char *path, struct fy_error *err)
{
	uint64_t size;
	size_t letters;
	int r;

	p->base = strdup(path);
	if (p->base == NULL)
		return fy_error_nomem(err);
	r = look_at(p, 0, &size, err);
	if (r == -1)
		return -1;
	if (r == 1) {
		p->letters = first_letters(path);
		if (p->letters > 0)
			p->base[strlen(path) - p->letters - 1] = '\0';
		return count_pieces(p, err);
	}
	for (letters = 2; letters <= MAX_LETTERS; letters++) {
		p->letters = letters;
		r = look_at(p, 0, &size, err);
		if (r == -1)
			return -1;
		if (r == 1)
			return count_pieces(p, err);
	}
	return fy_error_set(err, FY_E_NOTFOUND, ENOENT, "cannot open '%s'",
			    path);
}

int
fy_pieces_open(const char *path, struct fy_pieces **ret, struct fy_error *err)
{
	FY_AUTO(pieces) struct fy_pieces *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return fy_error_nomem(err);
	p->fd = -1;
	if (fy_streq(path, "-")) {
		p->open_path = strdup("standard input");
		if (p->open_path == NULL)
			return fy_error_nomem(err);
		p->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		if (p->fd == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot use standard input");
	} else if (settle(p, path, err) == -1) {
		return -1;
	}
	*ret = fy_steal_ptr(&p);
	return 0;
}

/* 1: a file is open; 0: there are no more. */
static int
open_next(struct fy_pieces *p, struct fy_error *err)
{
	if (p->next == p->n)
		return 0;
	free(p->open_path);
	p->open_path = piece_path(p->base, p->letters, p->next, err);
	if (p->open_path == NULL)
		return -1;
	p->fd = open(p->open_path, O_RDONLY | O_CLOEXEC);
	if (p->fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    p->open_path);
	posix_fadvise(p->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	p->next++;
	return 1;
}

int
fy_pieces_read(void *pieces, void *buf, size_t len, size_t *ret_len,
	       struct fy_error *err)
{
	struct fy_pieces *p = pieces;
	ssize_t n;
	int r;

	for (;;) {
		if (p->fd == -1) {
			r = open_next(p, err);
			*ret_len = 0;
			if (r != 1)
				return r;
		}
		n = read(p->fd, buf, len);
		if (n > 0) {
			*ret_len = (size_t)n;
			return 0;
		}
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot read '%s'", p->open_path);
		close(p->fd);
		p->fd = -1;
	}
}

uint64_t
fy_pieces_total(const struct fy_pieces *p)
{
	return p->total;
}

void
fy_pieces_close(struct fy_pieces *p)
{
	if (p == NULL)
		return;
	if (p->fd != -1)
		close(p->fd);
	free(p->base);
	free(p->open_path);
	free(p);
}

/* --- writing ----------------------------------------------------------------- */

struct fy_pieces_out {
	int dirfd, fd;
	char *base;
	char *name; /* of the open one */
	uint64_t piece_bytes, in_piece, number;
};

int
fy_pieces_create(int dirfd, const char *base, uint64_t piece_bytes,
		 struct fy_pieces_out **ret, struct fy_error *err)
{
	struct fy_pieces_out *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return fy_error_nomem(err);
	p->dirfd = dirfd;
	p->fd = -1;
	p->piece_bytes = piece_bytes;
	p->base = strdup(base);
	if (p->base == NULL) {
		free(p);
		return fy_error_nomem(err);
	}
	*ret = p;
	return 0;
}

static int
close_piece(struct fy_pieces_out *p, struct fy_error *err)
{
	if (p->fd == -1)
		return 0;
	if (fy_fd_sync(p->fd, err) == -1 ||
	    fy_fd_close(fy_steal_fd(&p->fd), err) == -1)
		return fy_error_prefix(err, "'%s'", p->name);
	return 0;
}

static int
begin_piece(struct fy_pieces_out *p, struct fy_error *err)
{
	size_t letters = p->piece_bytes != 0 ? 2 : 0;

	if (p->number == most_pieces(letters))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' needs more than %llu pieces: choose "
				    "larger ones",
				    p->base, (unsigned long long)p->number);
	free(p->name);
	p->name = piece_path(p->base, letters, p->number, err);
	if (p->name == NULL)
		return -1;
	p->fd = openat(p->dirfd, p->name,
		       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		       0600);
	if (p->fd == -1)
		return fy_error_set(err,
				    errno == EEXIST ? FY_E_EXISTS : FY_E_IO,
				    errno, "cannot create '%s'", p->name);
	p->number++;
	p->in_piece = 0;
	return 0;
}

int
fy_pieces_write(void *pieces, const void *buf, size_t len, struct fy_error *err)
{
	struct fy_pieces_out *p = pieces;
	const unsigned char *from = buf;
	size_t n;

	while (len > 0) {
		if (p->fd != -1 && p->piece_bytes != 0 &&
		    p->in_piece == p->piece_bytes && close_piece(p, err) == -1)
			return -1;
		if (p->fd == -1 && begin_piece(p, err) == -1)
			return -1;
		n = len;
		if (p->piece_bytes != 0)
			n = (size_t)fy_min_u64(n, p->piece_bytes - p->in_piece);
		if (fy_fd_write_full(p->fd, from, n, err) == -1)
			return fy_error_prefix(err, "'%s'", p->name);
		p->in_piece += n;
		from += n;
		len -= n;
	}
	return 0;
}

int
fy_pieces_finish(struct fy_pieces_out *p, struct fy_error *err)
{
	/* An empty stream is an empty file. */
	if (p->number == 0 && begin_piece(p, err) == -1)
		return -1;
	return close_piece(p, err);
}

void
fy_pieces_out_free(struct fy_pieces_out *p)
{
	if (p == NULL)
		return;
	if (p->fd != -1)
		close(p->fd);
	free(p->base);
	free(p->name);
	free(p);
}
