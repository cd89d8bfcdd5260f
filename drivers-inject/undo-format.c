/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bytes of the undo log and of the list of changes: docs/undo.md.
 *
 * Whatever is read is checked: each record by its checksums, and that there are
 * just these records by the trailer.  A list of changes comes from a process
 * that is not trusted; it has no digests.
 */
#include "drivers-inject/undo-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAGIC	      "FYUNDO1\n"
#define RECORD_MAGIC  0x52555946u /* "FYUR" */
#define TRAILER_MAGIC 0x54555946u /* "FYUT" */
#define RECORD_BYTES  32u
#define TRAILER_BYTES 32u
#define FLAG_ZERO     1u
#define MAX_HEADER    (16 + 8 * FY_UNDO_MAX_DISKS + 4 + 4)

struct fy_undo_log *
fy_undo_log_new(const char *name, int fd, struct fy_volume *const *disks,
		size_t n_disks, struct fy_error *err)
{
	struct fy_undo_log *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	l->name = name;
	l->fd = fd;
	l->disks = disks;
	l->n_disks = n_disks;
	return l;
}

void
fy_undo_log_free(struct fy_undo_log *l)
{
	if (l != NULL && l->owns_fd && l->fd >= 0)
		close(l->fd);
	free(l);
}

size_t
fy_undo_n_digests(const struct fy_undo_record *r)
{
	return (r->length + FY_UNDO_PIECE - 1) / FY_UNDO_PIECE;
}

void
fy_undo_digest(const struct fy_undo_record *r, const void *data,
	       struct fy_digest *ret)
{
	const unsigned char *p = data;
	uint32_t at;

	for (at = 0; at < r->length; at += FY_UNDO_PIECE)
		fy_digest_xxh3(
			p + at,
			(size_t)fy_min_u64(r->length - at, FY_UNDO_PIECE), 0,
			ret++);
}

static uint32_t
chain_next(uint32_t chain, uint32_t crc)
{
	unsigned char both[8];

	fy_put_le32(both, chain);
	fy_put_le32(both + 4, crc);
	return fy_crc32c(both, sizeof(both));
}

/* With its checksum, without the state that follows it in FY_UNDO_DIGESTS. */
static size_t
header_bytes(size_t n_disks)
{
	return 16 + 8 * n_disks + 4;
}

static void
rewind_to_start(struct fy_undo_log *l)
{
	l->at = l->count = l->last_end = 0;
	l->chain = l->last_disk = 0;
}

static int
check_n_disks(const struct fy_undo_log *l, struct fy_error *err)
{
	if (l->n_disks <= FY_UNDO_MAX_DISKS)
		return 0;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0, "more than %u disks",
			    FY_UNDO_MAX_DISKS);
}

/* --- writing -------------------------------------------------------------- */

static int
put(struct fy_undo_log *l, const void *data, size_t len, struct fy_error *err)
{
	if (fy_fd_pwrite_full(l->fd, data, len, l->at, err) == -1)
		return fy_error_prefix(err, "%s", l->name);
	l->at += len;
	return 0;
}

static void
make_header(const struct fy_undo_log *l, unsigned char *ret)
{
	size_t i, len = header_bytes(l->n_disks);

	memcpy(ret, MAGIC, 8);
	fy_put_le32(ret + 8, l->version);
	fy_put_le32(ret + 12, (uint32_t)l->n_disks);
	for (i = 0; i < l->n_disks; i++)
		fy_put_le64(ret + 16 + 8 * i, fy_volume_size(l->disks[i]));
	fy_put_le32(ret + len - 4, fy_crc32c(ret, len - 4));
}

int
fy_undo_put_header(struct fy_undo_log *l, uint32_t version,
		   struct fy_error *err)
{
	unsigned char header[MAX_HEADER] = { 0 };
	size_t len = header_bytes(l->n_disks);

	if (check_n_disks(l, err) == -1)
		return -1;
	rewind_to_start(l);
	l->version = version;
	make_header(l, header);
	/* The state is 0. */
	return put(l, header, version == FY_UNDO_PLAIN ? len : len + 4, err);
}

int
fy_undo_put_record(struct fy_undo_log *l, const struct fy_undo_record *r,
		   const void *data, const struct fy_digest *digests,
		   struct fy_error *err)
{
	unsigned char head[RECORD_BYTES + sizeof(l->digests)];
	bool zero = fy_is_zero(data, r->length);
	size_t more =
		digests == NULL ? 0 : fy_undo_n_digests(r) * FY_DIGEST_BYTES;
	uint32_t crc;

	if (more > 0)
		memcpy(head + RECORD_BYTES, digests, more);
	crc = fy_crc32c_more(0, head + RECORD_BYTES, more);
	if (!zero)
		crc = fy_crc32c_more(crc, data, r->length);
	fy_put_le32(head, RECORD_MAGIC);
	fy_put_le32(head + 4, r->disk);
	fy_put_le64(head + 8, r->offset);
	fy_put_le32(head + 16, r->length);
	fy_put_le32(head + 20, zero ? FLAG_ZERO : 0);
	fy_put_le32(head + 24, crc);
	fy_put_le32(head + 28, fy_crc32c(head, 28));
	l->chain = chain_next(l->chain, fy_get_le32(head + 28));
	l->count++;
	if (put(l, head, RECORD_BYTES + more, err) == -1)
		return -1;
	return zero ? 0 : put(l, data, r->length, err);
}

int
fy_undo_put_trailer(struct fy_undo_log *l, struct fy_error *err)
{
	unsigned char t[TRAILER_BYTES];

	fy_put_le32(t, TRAILER_MAGIC);
	fy_put_le32(t + 4, 0);
	fy_put_le64(t + 8, l->count);
	fy_put_le64(t + 16, l->at + TRAILER_BYTES);
	fy_put_le32(t + 24, l->chain);
	fy_put_le32(t + 28, fy_crc32c(t, 28));
	return put(l, t, sizeof(t), err);
}

/* One byte, which can't be torn. */
int
fy_undo_put_state(struct fy_undo_log *l, enum fy_undo_state state,
		  struct fy_error *err)
{
	unsigned char byte = state == FY_UNDO_APPLIED;

	if (l->version == FY_UNDO_PLAIN)
		return 0;
	if (fy_fd_pwrite_full(l->fd, &byte, 1, header_bytes(l->n_disks), err) ==
		    -1 ||
	    fy_fd_sync(l->fd, err) == -1)
		return fy_error_prefix(err, "%s", l->name);
	return 0;
}

/* --- reading -------------------------------------------------------------- */

static int
corrupt(const struct fy_undo_log *l, struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "%s is damaged (%s); nothing was written", l->name,
			    what);
}

static int
get(struct fy_undo_log *l, void *buf, size_t len, struct fy_error *err)
{
	if (fy_fd_pread_full(l->fd, buf, len, l->at, err) == -1)
		return fy_error_prefix(err, "%s", l->name);
	l->at += len;
	return 0;
}

/* Whether the header, which need not be whole, says that all was applied. */
static bool
says_applied(const struct fy_undo_log *l)
{
	unsigned char h[MAX_HEADER];
	size_t n, len;

	if (fy_fd_pread_full(l->fd, h, 16, 0, NULL) == -1 ||
	    memcmp(h, MAGIC, 8) != 0 || fy_get_le32(h + 8) != FY_UNDO_DIGESTS)
		return false;
	n = fy_get_le32(h + 12);
	if (n > FY_UNDO_MAX_DISKS)
		return false;
	len = header_bytes(n);
	return fy_fd_pread_full(l->fd, h, len + 4, 0, NULL) == 0 &&
	       fy_get_le32(h + len - 4) == fy_crc32c(h, len - 4) &&
	       fy_get_le32(h + len) == 1;
}

int
fy_undo_read_trailer(struct fy_undo_log *l, enum fy_undo_state *ret,
		     struct fy_error *err)
{
	unsigned char *t = l->trailer;
	bool applied, sealed = false;
	struct stat st;

	if (fstat(l->fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot look at '%s'",
				    l->name);
	l->size = (uint64_t)st.st_size;
	if (l->size >= header_bytes(0) + TRAILER_BYTES) {
		if (fy_fd_pread_full(l->fd, t, TRAILER_BYTES,
				     l->size - TRAILER_BYTES, err) == -1)
			return fy_error_prefix(err, "%s", l->name);
		sealed = fy_get_le32(t) == TRAILER_MAGIC &&
			 fy_get_le32(t + 28) == fy_crc32c(t, 28) &&
			 fy_get_le64(t + 16) == l->size;
	}
	applied = says_applied(l);
	if (applied && !sealed)
		return corrupt(l, err, "its end is missing");
	*ret = !sealed ? FY_UNDO_CUT
		       : (applied ? FY_UNDO_APPLIED : FY_UNDO_SEALED);
	return 0;
}

int
fy_undo_read_header(struct fy_undo_log *l, struct fy_error *err)
{
	unsigned char is[MAX_HEADER], wants[MAX_HEADER];
	size_t n, len = header_bytes(l->n_disks);

	if (check_n_disks(l, err) == -1)
		return -1;
	rewind_to_start(l);
	if (get(l, is, 16, err) == -1)
		return -1;
	if (memcmp(is, MAGIC, 8) != 0)
		return corrupt(l, err, "its magic");
	l->version = fy_get_le32(is + 8);
	if (l->version != FY_UNDO_PLAIN && l->version != FY_UNDO_DIGESTS)
		return fy_error_set(err, FY_E_VERSION, 0,
				    "%s has version %u, this program knows %u",
				    l->name, l->version, FY_UNDO_DIGESTS);
	n = fy_get_le32(is + 12);
	if (n != l->n_disks)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "%s is about %zu disks, %zu were given",
				    l->name, n, l->n_disks);
	if (get(l, is + 16, len - 16, err) == -1)
		return -1;
	make_header(l, wants);
	if (fy_get_le32(is + len - 4) != fy_crc32c(is, len - 4))
		return corrupt(l, err, "its header");
	if (memcmp(is, wants, len) != 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "%s is about disks of other sizes",
				    l->name);
	if (l->version == FY_UNDO_PLAIN)
		return 0;
	if (get(l, is, 4, err) == -1)
		return -1;
	return fy_get_le32(is) > 1 ? corrupt(l, err, "its state") : 0;
}

/* Where a record is on the disks: inside of one, and behind the last. */
static int
check_place(struct fy_undo_log *l, const struct fy_undo_record *r,
	    struct fy_error *err)
{
	uint64_t end;

	if (r->disk >= l->n_disks || r->length == 0 ||
	    r->length > FY_UNDO_MAX_DATA ||
	    !fy_add_u64(r->offset, r->length, &end) ||
	    end > fy_volume_size(l->disks[r->disk]))
		return corrupt(l, err, "a record's place");
	if (r->disk < l->last_disk ||
	    (r->disk == l->last_disk && r->offset < l->last_end))
		return corrupt(l, err, "it is not sorted");
	l->last_disk = r->disk;
	l->last_end = end;
	return 0;
}

static int
check_end(struct fy_undo_log *l, uint64_t end, struct fy_error *err)
{
	if (l->at != end || l->count != fy_get_le64(l->trailer + 8) ||
	    l->chain != fy_get_le32(l->trailer + 24))
		return corrupt(l, err, "its records and trailer disagree");
	return 0;
}

/* What follows the head of a record, whose checksum is 'want'. */
static int
read_content(struct fy_undo_log *l, const struct fy_undo_record *r, bool zero,
	     uint32_t want, struct fy_error *err)
{
	size_t len = fy_undo_n_digests(r) * FY_DIGEST_BYTES;
	uint32_t crc = 0;

	if (l->version == FY_UNDO_DIGESTS) {
		if (get(l, l->digests, len, err) == -1)
			return -1;
		crc = fy_crc32c(l->digests, len);
	}
	if (zero) {
		memset(l->data, 0, r->length);
	} else {
		if (get(l, l->data, r->length, err) == -1)
			return -1;
		crc = fy_crc32c_more(crc, l->data, r->length);
	}
	return crc == want ? 0 : corrupt(l, err, "a record's content");
}

int
fy_undo_read_record(struct fy_undo_log *l, struct fy_undo_record *ret,
		    struct fy_error *err)
{
	uint64_t end = l->size - TRAILER_BYTES;
	unsigned char h[RECORD_BYTES];
	uint32_t flags;

	if (l->at >= end)
		return check_end(l, end, err);
	if (get(l, h, sizeof(h), err) == -1)
		return -1;
	if (fy_get_le32(h) != RECORD_MAGIC ||
	    fy_get_le32(h + 28) != fy_crc32c(h, 28))
		return corrupt(l, err, "a record");
	ret->disk = fy_get_le32(h + 4);
	ret->offset = fy_get_le64(h + 8);
	ret->length = fy_get_le32(h + 16);
	flags = fy_get_le32(h + 20);
	if (flags > FLAG_ZERO)
		return corrupt(l, err, "a record's kind");
	if (check_place(l, ret, err) == -1 ||
	    read_content(l, ret, flags == FLAG_ZERO, fy_get_le32(h + 24),
			 err) == -1)
		return -1;
	l->count++;
	l->chain = chain_next(l->chain, fy_get_le32(h + 28));
	return 1;
}
