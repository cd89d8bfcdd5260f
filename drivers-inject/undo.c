/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The undo log: the old content of every cluster that an injection changes.
 *
 * The records are made durable before the trailer is written, and the trailer
 * before the first write to a disk.  So a log without a trailer was never
 * applied, and one with a trailer has all its records; a record that is
 * damaged then is an error, and nothing is written.
 *
 * Applying only writes old content, so it can be repeated at any time; all
 * records are checked before the first write.
 */
#include "drivers-inject/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/hash.h"
#include "drivers-inject/inject.h"

#define MAGIC	      "FYUNDO1\n"
#define VERSION	      1u
#define MAX_DISKS     64u
#define RECORD_MAGIC  0x52555946u /* "FYUR" */
#define TRAILER_MAGIC 0x54555946u /* "FYUT" */
#define RECORD_BYTES  32u
#define TRAILER_BYTES 32u
#define MAX_DATA      (64u * 1024)
#define FLAG_ZERO     1u

struct log {
	const char *name;
	int fd;
	uint64_t length; /* written or read so far */
	uint64_t count;
	uint32_t chain;	     /* over the records' checksums */
	unsigned char *data; /* MAX_DATA */
};

static uint32_t
chain_next(uint32_t chain, uint32_t crc)
{
	unsigned char both[8];

	fy_put_le32(both, chain);
	fy_put_le32(both + 4, crc);
	return fy_crc32c(both, sizeof(both));
}

/* --- writing -------------------------------------------------------------- */

static int
put(struct log *l, const void *data, size_t len, struct fy_error *err)
{
	if (fy_fd_pwrite_full(l->fd, data, len, l->length, err) == -1)
		return fy_error_prefix(err, "%s", l->name);
	l->length += len;
	return 0;
}

static size_t
header_bytes(size_t n_disks)
{
	return 16 + 8 * n_disks + 4;
}

static void
make_header(struct fy_volume *const *disks, size_t n_disks, unsigned char *ret)
{
	size_t i, len = header_bytes(n_disks);

	memcpy(ret, MAGIC, 8);
	fy_put_le32(ret + 8, VERSION);
	fy_put_le32(ret + 12, (uint32_t)n_disks);
	for (i = 0; i < n_disks; i++)
		fy_put_le64(ret + 16 + 8 * i, fy_volume_size(disks[i]));
	fy_put_le32(ret + len - 4, fy_crc32c(ret, len - 4));
}

static int
put_record(struct log *l, struct fy_volume *disk, size_t number,
	   uint64_t offset, size_t len, struct fy_error *err)
{
	unsigned char head[RECORD_BYTES];
	bool zero;

	if (fy_volume_pread(disk, l->data, len, offset, err) == -1)
		return -1;
	zero = fy_is_zero(l->data, len);
	fy_put_le32(head, RECORD_MAGIC);
	fy_put_le32(head + 4, (uint32_t)number);
	fy_put_le64(head + 8, offset);
	fy_put_le32(head + 16, (uint32_t)len);
	fy_put_le32(head + 20, zero ? FLAG_ZERO : 0);
	fy_put_le32(head + 24, zero ? 0 : fy_crc32c(l->data, len));
	fy_put_le32(head + 28, fy_crc32c(head, 28));
	l->chain = chain_next(l->chain, fy_get_le32(head + 28));
	l->count++;
	if (put(l, head, sizeof(head), err) == -1)
		return -1;
	return zero ? 0 : put(l, l->data, len, err);
}

static int
put_disk(struct log *l, struct fy_volume *disk, size_t number,
	 const struct fy_extents *changed, const struct fy_stop *stop,
	 struct fy_error *err)
{
	struct fy_extents_cursor c;
	struct fy_extent x;
	size_t n;
	int r;

	fy_extents_cursor_init(&c, changed);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		if (fy_stop_check(stop, err) == -1)
			return -1;
		while (x.length > 0) {
			n = (size_t)fy_min_u64(x.length, MAX_DATA);
			if (put_record(l, disk, number, x.offset, n, err))
				return -1;
			x.offset += n;
			x.length -= n;
		}
	}
	return r;
}

static int
put_trailer(struct log *l, struct fy_error *err)
{
	unsigned char t[TRAILER_BYTES];

	fy_put_le32(t, TRAILER_MAGIC);
	fy_put_le32(t + 4, 0);
	fy_put_le64(t + 8, l->count);
	fy_put_le64(t + 16, l->length + TRAILER_BYTES);
	fy_put_le32(t + 24, l->chain);
	fy_put_le32(t + 28, fy_crc32c(t, 28));
	return put(l, t, sizeof(t), err);
}

/* Header and records. */
static int
put_all(struct log *l, struct fy_volume *const *disks,
	struct fy_extents *const *changed, size_t n_disks,
	const struct fy_stop *stop, struct fy_error *err)
{
	unsigned char header[16 + 8 * MAX_DISKS + 4];
	size_t i;

	if (n_disks > MAX_DISKS)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "more than %u disks", MAX_DISKS);
	make_header(disks, n_disks, header);
	if (put(l, header, header_bytes(n_disks), err) == -1)
		return -1;
	for (i = 0; i < n_disks; i++)
		if (put_disk(l, disks[i], i, changed[i], stop, err) == -1)
			return -1;
	return 0;
}

static int refuse_applied(struct fy_volume *const *disks, size_t n_disks,
			  int job_dirfd, struct fy_error *err);

int
fy_undo_write(struct fy_volume *const *disks, struct fy_extents *const *changed,
	      size_t n_disks, int job_dirfd, const struct fy_stop *stop,
	      struct fy_error *err)
{
	fy_autofree unsigned char *data = malloc(MAX_DATA);
	fy_autofd int fd = -1;
	struct log l = { .name = FY_UNDO_NAME, .data = data };

	if (data == NULL)
		return fy_error_nomem(err);
	if (refuse_applied(disks, n_disks, job_dirfd, err) == -1)
		return -1;
	fd = openat(job_dirfd, FY_UNDO_NAME,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot create '%s'",
				    FY_UNDO_NAME);
	l.fd = fd;
	if (put_all(&l, disks, changed, n_disks, stop, err) == -1)
		return -1;
	if (fy_fd_sync(fd, err) == -1 || put_trailer(&l, err) == -1 ||
	    fy_fd_sync(fd, err) == -1 ||
	    fy_fd_close(fy_steal_fd(&fd), err) == -1)
		return -1;
	return fy_dir_sync(job_dirfd, err);
}

/* --- reading -------------------------------------------------------------- */

struct record {
	uint32_t disk;
	uint64_t offset;
	uint32_t length;
	uint32_t crc; /* of the header */
};

static int
corrupt(const struct log *l, struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "%s is damaged (%s); nothing was written", l->name,
			    what);
}

static int
get(struct log *l, void *buf, size_t len, struct fy_error *err)
{
	if (fy_fd_pread_full(l->fd, buf, len, l->length, err) == -1)
		return fy_error_prefix(err, "%s", l->name);
	l->length += len;
	return 0;
}

/* The trailer: 1 when the log is complete, 0 when it is cut. */
static int
read_trailer(struct log *l, unsigned char trailer[TRAILER_BYTES],
	     uint64_t *ret_size, struct fy_error *err)
{
	struct stat st;

	if (fstat(l->fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot look at '%s'",
				    l->name);
	*ret_size = (uint64_t)st.st_size;
	if (*ret_size < header_bytes(0) + TRAILER_BYTES)
		return 0;
	if (fy_fd_pread_full(l->fd, trailer, TRAILER_BYTES,
			     *ret_size - TRAILER_BYTES, err) == -1)
		return -1;
	return fy_get_le32(trailer) == TRAILER_MAGIC &&
	       fy_get_le32(trailer + 28) == fy_crc32c(trailer, 28) &&
	       fy_get_le64(trailer + 16) == *ret_size;
}

static int
open_log(int job_dirfd, struct log *l, unsigned char trailer[TRAILER_BYTES],
	 uint64_t *ret_size, struct fy_error *err)
{
	l->fd = openat(job_dirfd, FY_UNDO_NAME,
		       O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (l->fd == -1)
		return fy_error_set(err,
				    errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO,
				    errno, "cannot open '%s'", FY_UNDO_NAME);
	return read_trailer(l, trailer, ret_size, err);
}

static int
check_header(struct log *l, struct fy_volume *const *disks, size_t n_disks,
	     struct fy_error *err)
{
	unsigned char is[16 + 8 * MAX_DISKS + 4];
	unsigned char wants[16 + 8 * MAX_DISKS + 4];
	size_t n;

	if (n_disks > MAX_DISKS)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "more than %u disks", MAX_DISKS);
	if (get(l, is, 16, err) == -1)
		return -1;
	if (memcmp(is, MAGIC, 8) != 0)
		return corrupt(l, err, "its magic");
	if (fy_get_le32(is + 8) != VERSION)
		return fy_error_set(err, FY_E_VERSION, 0,
				    "%s has version %u, this program knows %u",
				    l->name, fy_get_le32(is + 8), VERSION);
	n = fy_get_le32(is + 12);
	if (n != n_disks)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "%s is about %zu disks, %zu were given",
				    l->name, n, n_disks);
	if (get(l, is + 16, header_bytes(n) - 16, err) == -1)
		return -1;
	make_header(disks, n_disks, wants);
	if (fy_get_le32(is + header_bytes(n) - 4) !=
	    fy_crc32c(is, header_bytes(n) - 4))
		return corrupt(l, err, "its header");
	if (memcmp(is, wants, header_bytes(n)) != 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "%s is about disks of other sizes",
				    l->name);
	return 0;
}

/* Read and check a record; its content goes to l->data. */
static int
get_record(struct log *l, struct fy_volume *const *disks, size_t n_disks,
	   struct record *ret, struct fy_error *err)
{
	unsigned char h[RECORD_BYTES];
	uint64_t end;

	if (get(l, h, sizeof(h), err) == -1)
		return -1;
	ret->crc = fy_get_le32(h + 28);
	if (fy_get_le32(h) != RECORD_MAGIC || ret->crc != fy_crc32c(h, 28))
		return corrupt(l, err, "a record");
	ret->disk = fy_get_le32(h + 4);
	ret->offset = fy_get_le64(h + 8);
	ret->length = fy_get_le32(h + 16);
	if (ret->disk >= n_disks || ret->length == 0 ||
	    ret->length > MAX_DATA || fy_get_le32(h + 20) > FLAG_ZERO ||
	    !fy_add_u64(ret->offset, ret->length, &end) ||
	    end > fy_volume_size(disks[ret->disk]))
		return corrupt(l, err, "a record's place");
	if (fy_get_le32(h + 20) == FLAG_ZERO) {
		memset(l->data, 0, ret->length);
		return 0;
	}
	if (get(l, l->data, ret->length, err) == -1)
		return -1;
	if (fy_crc32c(l->data, ret->length) != fy_get_le32(h + 24))
		return corrupt(l, err, "a record's content");
	return 0;
}

/* What to do with a record whose content is in 'data'. */
typedef int (*visit)(void *ctx, const struct record *r, const void *data,
		     struct fy_error *err);

static int
walk(struct log *l, struct fy_volume *const *disks, size_t n_disks,
     const unsigned char trailer[TRAILER_BYTES], uint64_t size, visit each,
     void *ctx, struct fy_error *err)
{
	uint64_t end = size - TRAILER_BYTES;
	struct record r;

	l->length = l->count = 0;
	l->chain = 0;
	if (check_header(l, disks, n_disks, err) == -1)
		return -1;
	while (l->length < end) {
		if (get_record(l, disks, n_disks, &r, err) == -1)
			return -1;
		l->count++;
		l->chain = chain_next(l->chain, r.crc);
		if (each != NULL && each(ctx, &r, l->data, err) == -1)
			return -1;
	}
	if (l->length != end || l->count != fy_get_le64(trailer + 8) ||
	    l->chain != fy_get_le32(trailer + 24))
		return corrupt(l, err, "its records and trailer disagree");
	return 0;
}

static int
write_one(void *ctx, const struct record *r, const void *data,
	  struct fy_error *err)
{
	struct fy_volume *const *disks = ctx;

	return fy_volume_pwrite(disks[r->disk], data, r->length, r->offset,
				err);
}

int
fy_undo_apply(struct fy_volume *const *disks, size_t n_disks, int job_dirfd,
	      struct fy_error *err)
{
	fy_autofree unsigned char *data = malloc(MAX_DATA);
	unsigned char trailer[TRAILER_BYTES];
	struct log l = { .name = FY_UNDO_NAME, .fd = -1, .data = data };
	uint64_t size = 0;
	size_t i;
	int r;

	if (data == NULL)
		return fy_error_nomem(err);
	r = open_log(job_dirfd, &l, trailer, &size, err);
	if (r == 1) {
		r = walk(&l, disks, n_disks, trailer, size, NULL, NULL, err);
		if (r == 0)
			r = walk(&l, disks, n_disks, trailer, size, write_one,
				 (void *)(uintptr_t)disks, err);
		for (i = 0; r == 0 && i < n_disks; i++)
			r = fy_volume_flush(disks[i], err);
	}
	if (l.fd >= 0)
		close(l.fd);
	return r;
}

static int
compare_old(void *ctx, const struct record *r, const void *data,
	    struct fy_error *err)
{
	struct fy_volume *const *disks = ctx;
	fy_autofree void *is = malloc(r->length);

	if (is == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(disks[r->disk], is, r->length, r->offset, err))
		return -1;
	if (memcmp(is, data, r->length) != 0)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "the disks have been injected already; "
				    "undo that first");
	return 0;
}

/* A complete log may only be replaced when it has been undone. */
static int
refuse_applied(struct fy_volume *const *disks, size_t n_disks, int job_dirfd,
	       struct fy_error *err)
{
	fy_autofree unsigned char *data = malloc(MAX_DATA);
	unsigned char trailer[TRAILER_BYTES];
	struct log l = { .name = FY_UNDO_NAME, .fd = -1, .data = data };
	struct fy_error e = { 0 };
	uint64_t size = 0;
	int r;

	if (data == NULL)
		return fy_error_nomem(err);
	r = open_log(job_dirfd, &l, trailer, &size, &e);
	if (r == -1 && e.code == FY_E_NOTFOUND)
		r = 0;
	else if (r == -1)
		fy_error_copy(err, &e);
	else if (r == 1)
		r = walk(&l, disks, n_disks, trailer, size, compare_old,
			 (void *)(uintptr_t)disks, err);
	if (l.fd >= 0)
		close(l.fd);
	return r;
}

/* --- what is to be changed ------------------------------------------------ */

#define CHANGES "the list of changes"

int
fy_changes_write(struct fy_volume *const *disks,
		 struct fy_extents *const *changed, size_t n_disks, int fd,
		 const struct fy_stop *stop, struct fy_error *err)
{
	fy_autofree unsigned char *data = malloc(MAX_DATA);
	struct log l = { .name = CHANGES, .fd = fd, .data = data };

	if (data == NULL)
		return fy_error_nomem(err);
	if (put_all(&l, disks, changed, n_disks, stop, err) == -1)
		return -1;
	return put_trailer(&l, err);
}

struct collect {
	struct fy_extents *const *ret;
	uint32_t disk;
	uint64_t end; /* of the last record */
};

static int
collect_one(void *ctx, const struct record *r, const void *data,
	    struct fy_error *err)
{
	struct collect *c = ctx;

	(void)data;
	if (r->disk < c->disk || (r->disk == c->disk && r->offset < c->end))
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    CHANGES " is not sorted");
	c->disk = r->disk;
	c->end = r->offset + r->length;
	return fy_extents_append(c->ret[r->disk], r->offset, r->length, err);
}

int
fy_changes_read(struct fy_volume *const *disks, size_t n_disks, int fd,
		struct fy_extents *const *ret, struct fy_error *err)
{
	fy_autofree unsigned char *data = malloc(MAX_DATA);
	unsigned char trailer[TRAILER_BYTES];
	struct log l = { .name = CHANGES, .fd = fd, .data = data };
	struct collect c = { .ret = ret };
	uint64_t size = 0;
	int r;

	if (data == NULL)
		return fy_error_nomem(err);
	r = read_trailer(&l, trailer, &size, err);
	if (r == 0)
		return corrupt(&l, err, "its end is missing");
	if (r == -1)
		return -1;
	return walk(&l, disks, n_disks, trailer, size, collect_one, &c, err);
}

struct apply {
	struct fy_volume *const *disks;
	struct fy_extents *const *changed;
	struct fy_progress *progress;
	bool begun;
	uint32_t disk;			 /* which the cursor goes through */
	struct fy_extents_cursor cursor; /* of its changes */
	struct fy_extent now;		 /* the one it has come to */
};

/* That a record is one of those that were read before. */
static int
check_known(struct apply *a, const struct record *r, struct fy_error *err)
{
	uint64_t skip;
	int more = 1;

	if (!a->begun || a->disk != r->disk) {
		fy_extents_cursor_init(&a->cursor, a->changed[r->disk]);
		a->now = (struct fy_extent){ 0 };
		a->disk = r->disk;
		a->begun = true;
	}
	while (more == 1 && r->offset >= a->now.offset + a->now.length)
		more = fy_extents_next(&a->cursor, &a->now, err);
	if (more == -1)
		return -1;
	skip = r->offset - a->now.offset;
	if (more == 1 && r->offset >= a->now.offset &&
	    r->length <= a->now.length - skip)
		return 0;
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    CHANGES " is another one than it was");
}

static int
apply_one(void *ctx, const struct record *r, const void *data,
	  struct fy_error *err)
{
	struct apply *a = ctx;

	if (check_known(a, r, err) == -1 ||
	    fy_volume_pwrite(a->disks[r->disk], data, r->length, r->offset,
			     err) == -1)
		return -1;
	fy_progress_add(a->progress, r->length, 0);
	return 0;
}

int
fy_changes_apply(struct fy_volume *const *disks, size_t n_disks, int fd,
		 struct fy_extents *const *changed,
		 struct fy_progress *progress, struct fy_error *err)
{
	fy_autofree unsigned char *data = malloc(MAX_DATA);
	unsigned char trailer[TRAILER_BYTES];
	struct log l = { .name = CHANGES, .fd = fd, .data = data };
	struct apply a = { .disks = disks,
			   .changed = changed,
			   .progress = progress };
	uint64_t size = 0;
	size_t i;

	if (data == NULL)
		return fy_error_nomem(err);
	if (read_trailer(&l, trailer, &size, err) == -1 ||
	    walk(&l, disks, n_disks, trailer, size, apply_one, &a, err) == -1)
		return -1;
	for (i = 0; i < n_disks; i++)
		if (fy_volume_flush(disks[i], err) == -1)
			return -1;
	return 0;
}
