/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partclone/target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/newfile.h"
#include "common/volume.h"
#include "partclone/filesystem.h"

#define BUFFER_BYTES (4u << 20)
#define BUFFER_ALIGN 4096u
#define LOOK_BYTES   (1u << 20)

enum kind { TARGET_DEVICE, TARGET_FILE, TARGET_STREAM, TARGET_VIEW };

struct fy_target {
	enum kind kind;
	char *path;
	struct fy_newfile *file; /* else NULL */
	int fd;			 /* the file's belongs to it */
	uint64_t bytes;		 /* may be written to */
	uint64_t at;		 /* a stream's place */
	unsigned char *buffer;
	size_t have;	     /* in the buffer */
	uint64_t have_begin; /* its place */
	/* A view: nothing of the above but path and bytes. */
	struct fy_target *of;
	const struct fy_target_piece *pieces;
	size_t n_pieces;
};

/* --- devices -------------------------------------------------------------------- */

static int
refuse_content(const char *path, struct fy_error *err)
{
	fy_autovolume struct fy_volume *v = NULL;
	struct fy_error why = { 0 };
	struct fy_fs_info info;

	if (fy_volume_open_path(path, 0, 0, &v, &why) == 0 &&
	    fy_fs_identify(v, &info, &why) == 0 && info.name != NULL)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "'%s' is not empty (%s %s): --force "
				    "overwrites it",
				    path, info.name, info.label);
	return fy_error_set(err, FY_E_EXISTS, 0,
			    "'%s' is not empty: --force overwrites it", path);
}

static int
check_empty(struct fy_target *t, uint64_t size, struct fy_error *err)
{
	size_t n = (size_t)fy_min_u64(size, LOOK_BYTES);

	if (fy_fd_pread_full(t->fd, t->buffer, n, 0, err) == -1)
		return -1;
	if (!fy_is_zero(t->buffer, n))
		return refuse_content(t->path, err);
	if (fy_fd_pread_full(t->fd, t->buffer, n, size - n, err) == -1)
		return -1;
	return fy_is_zero(t->buffer, n) ? 0 : refuse_content(t->path, err);
}

static int
open_device(struct fy_target *t, bool overwrite, struct fy_error *err)
{
	uint64_t size = 0;

	t->kind = TARGET_DEVICE;
	t->fd = open(t->path, O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	if (t->fd == -1 && errno == EBUSY)
		return fy_error_set(err, FY_E_BUSY, 0,
				    "'%s' is in use: mounted, swap, or part "
				    "of something that is",
				    t->path);
	if (t->fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    t->path);
	if (ioctl(t->fd, BLKGETSIZE64, &size) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot ask for the size of '%s'", t->path);
	if (size < t->bytes)
		return fy_error_set(err, FY_E_NOSPACE, 0,
				    "'%s' is too small: it has %" PRIu64
				    " bytes, %" PRIu64 " are needed",
				    t->path, size, t->bytes);
	t->bytes = size;
	return overwrite ? 0 : check_empty(t, size, err);
}

/* --- files ----------------------------------------------------------------------- */

static int
open_file(struct fy_target *t, bool overwrite, struct fy_error *err)
{
	t->kind = TARGET_FILE;
	if (fy_newfile_open(t->path, overwrite, &t->file, err) == -1)
		return -1;
	t->fd = fy_newfile_fd(t->file);
	if (ftruncate(t->fd, (off_t)t->bytes) == -1)
		return fy_error_set(
			err, errno == EFBIG ? FY_E_NOSPACE : FY_E_IO, errno,
			"cannot make '%s' of %" PRIu64 " bytes", t->path,
			t->bytes);
	return 0;
}

/* --- opening --------------------------------------------------------------------- */

static int
open_path(struct fy_target *t, const char *path, bool overwrite,
	  struct fy_error *err)
{
	struct stat st;

	t->path = strdup(path);
	if (t->path == NULL)
		return fy_error_nomem(err);
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		return open_device(t, overwrite, err);
	return open_file(t, overwrite, err);
}

int
fy_target_open(const char *path, uint64_t bytes, bool overwrite,
	       struct fy_target **ret, struct fy_error *err)
{
	FY_AUTO(target) struct fy_target *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return fy_error_nomem(err);
	t->fd = -1;
	t->bytes = bytes;
	if (posix_memalign((void **)&t->buffer, BUFFER_ALIGN, BUFFER_BYTES) !=
	    0) {
		t->buffer = NULL;
		return fy_error_nomem(err);
	}
	if (fy_streq(path, "-")) {
		t->kind = TARGET_STREAM;
		t->path = strdup("standard output");
		if (t->path == NULL)
			return fy_error_nomem(err);
		t->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		if (t->fd == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot use standard output");
	} else if (open_path(t, path, overwrite, err) == -1) {
		return -1;
	}
	*ret = fy_steal_ptr(&t);
	return 0;
}

void
fy_target_free(struct fy_target *t)
{
	if (t == NULL)
		return;
	if (t->fd != -1 && t->file == NULL)
		close(t->fd);
	fy_newfile_free(t->file);
	free(t->path);
	free(t->buffer);
	free(t);
}

/* --- views ---------------------------------------------------------------------- */

int
fy_target_view(struct fy_target *of, const struct fy_target_piece *pieces,
	       size_t n, const char *name, struct fy_target **ret,
	       struct fy_error *err)
{
	FY_AUTO(target) struct fy_target *t = calloc(1, sizeof(*t));
	size_t i;

	if (t == NULL)
		return fy_error_nomem(err);
	t->kind = TARGET_VIEW;
	t->fd = -1;
	t->of = of;
	t->pieces = pieces;
	t->n_pieces = n;
	t->path = strdup(name);
	if (t->path == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n; i++) {
		const struct fy_target_piece *p = &pieces[i];

		if (p->start != t->bytes || p->length == 0 || p->n_areas == 0 ||
		    (p->n_areas > 1 && p->stripe_bytes == 0) ||
		    !fy_add_u64(p->start, p->length, &t->bytes))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the pieces of '%s' make no sense",
					    name);
	}
	*ret = fy_steal_ptr(&t);
	return 0;
}

/* Where 'offset' lies, and how many bytes follow it there. */
static uint64_t
locate(const struct fy_target *t, uint64_t offset, uint64_t *ret_run)
{
	size_t low = 0, high = t->n_pieces, middle;
	const struct fy_target_piece *p;
	uint64_t in, stripe;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (t->pieces[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	p = &t->pieces[low];
	in = offset - p->start;
	*ret_run = p->length - in;
	if (p->n_areas == 1)
		return p->areas[0] + in;
	stripe = in / p->stripe_bytes;
	*ret_run = fy_min_u64(*ret_run, p->stripe_bytes - in % p->stripe_bytes);
	return p->areas[stripe % p->n_areas] +
	       stripe / p->n_areas * p->stripe_bytes + in % p->stripe_bytes;
}

/* 'len' bytes from 'offset' on are inside. */
static int
view_write(struct fy_target *t, const unsigned char *from, size_t len,
	   uint64_t offset, struct fy_error *err)
{
	uint64_t at, run;
	size_t n;

	for (; len > 0; from += n, offset += n, len -= n) {
		at = locate(t, offset, &run);
		n = (size_t)fy_min_u64(len, run);
		if (fy_target_write(t->of, from, n, at, err) == -1)
			return -1;
	}
	return 0;
}

static int
view_read(struct fy_target *t, unsigned char *to, size_t len, uint64_t offset,
	  struct fy_error *err)
{
	uint64_t at, run;
	size_t n;

	if (offset > t->bytes || len > t->bytes - offset)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%zu bytes at byte %" PRIu64
				    " lie outside of '%s'",
				    len, offset, t->path);
	for (; len > 0; to += n, offset += n, len -= n) {
		at = locate(t, offset, &run);
		n = (size_t)fy_min_u64(len, run);
		if (fy_target_read(t->of, to, n, at, err) == -1)
			return -1;
	}
	return 0;
}

/* --- writing --------------------------------------------------------------------- */

/* A stream's zeros up to 'offset'. */
static int
skip_to(struct fy_target *t, uint64_t offset, struct fy_error *err)
{
	static const unsigned char zeros[1u << 16];
	size_t n;

	if (offset < t->at)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "standard output can't be written to out "
				    "of order");
	for (; t->at < offset; t->at += n) {
		n = (size_t)fy_min_u64(offset - t->at, sizeof(zeros));
		if (fy_fd_write_full(t->fd, zeros, n, err) == -1)
			return -1;
	}
	return 0;
}

static int
flush(struct fy_target *t, struct fy_error *err)
{
	size_t n = t->have;
	int r;

	t->have = 0;
	if (n == 0)
		return 0;
	if (t->kind == TARGET_STREAM) {
		r = skip_to(t, t->have_begin, err);
		if (r == 0)
			r = fy_fd_write_full(t->fd, t->buffer, n, err);
		t->at += n;
	} else {
		r = fy_fd_pwrite_full(t->fd, t->buffer, n, t->have_begin, err);
	}
	return r == -1 ? fy_error_prefix(err, "'%s', at byte %" PRIu64, t->path,
					 t->have_begin)
		       : 0;
}

int
fy_target_write(struct fy_target *t, const void *buf, size_t len,
		uint64_t offset, struct fy_error *err)
{
	const unsigned char *from = buf;
	uint64_t end;
	size_t n;

	if (!fy_add_u64(offset, len, &end) || end > t->bytes)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%zu bytes at byte %" PRIu64
				    " lie outside of '%s'",
				    len, offset, t->path);
	if (t->kind == TARGET_VIEW)
		return view_write(t, from, len, offset, err);
	if (t->have > 0 && offset != t->have_begin + t->have &&
	    flush(t, err) == -1)
		return -1;
	while (len > 0) {
		if (t->have == 0)
			t->have_begin = offset;
		/* Up to a round offset. */
		n = (size_t)fy_min_u64(
			len,
			BUFFER_BYTES - t->have_begin % BUFFER_BYTES - t->have);
		memcpy(t->buffer + t->have, from, n);
		t->have += n;
		from += n;
		offset += n;
		len -= n;
		if ((t->have_begin + t->have) % BUFFER_BYTES == 0 &&
		    flush(t, err) == -1)
			return -1;
	}
	return 0;
}

int
fy_target_sync(struct fy_target *t, struct fy_error *err)
{
	if (t->kind == TARGET_VIEW)
		return fy_target_sync(t->of, err);
	if (flush(t, err) == -1)
		return -1;
	if (t->kind == TARGET_STREAM)
		return skip_to(t, t->bytes, err);
	if (fy_fd_sync(t->fd, err) == -1)
		return fy_error_prefix(err, "'%s'", t->path);
	posix_fadvise(t->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

int
fy_target_read(struct fy_target *t, void *buf, size_t len, uint64_t offset,
	       struct fy_error *err)
{
	if (t->kind == TARGET_VIEW)
		return view_read(t, buf, len, offset, err);
	if (t->kind == TARGET_STREAM)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "standard output can't be read back");
	if (fy_fd_pread_full(t->fd, buf, len, offset, err) == -1)
		return fy_error_prefix(err, "'%s'", t->path);
	return 0;
}

int
fy_target_finish(struct fy_target *t, struct fy_error *err)
{
	if (fy_target_sync(t, err) == -1)
		return -1;
	return t->file != NULL ? fy_newfile_finish(t->file, err) : 0;
}

uint64_t
fy_target_bytes(const struct fy_target *t)
{
	return t->bytes;
}

bool
fy_target_is_new(const struct fy_target *t)
{
	return t->kind == TARGET_VIEW ? fy_target_is_new(t->of)
				      : t->kind != TARGET_DEVICE;
}

bool
fy_target_is_stream(const struct fy_target *t)
{
	return t->kind == TARGET_STREAM;
}

bool
fy_target_reread_table(struct fy_target *t)
{
	return t->kind != TARGET_DEVICE || ioctl(t->fd, BLKRRPART) == 0;
}
