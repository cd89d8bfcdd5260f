/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XFS: is the log clean?
 *
 * The log is a ring of sectors of 512 bytes.  Each begins with the number of
 * the cycle in which it was written (a record's header with a magic number,
 * the cycle behind it); the cycle goes up by one when the ring starts over.
 * The head, where the next record goes, is where the cycle drops, and is found
 * by bisection as the kernel finds it.
 *
 *      0            head                  end
 *      | N N N N N N | N-1 N-1 N-1 N-1 ... |
 *
 * The kernel replays nothing when the last record before the head is one with
 * a single operation, an unmount.  It also looks for holes that writes out of
 * order leave, within what may be in flight at once; here a hole anywhere near
 * the head makes the log unclean, which is the safe side.
 */
#include "partclone/xfs-log.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define SECTOR	     512u
#define RECORD_MAGIC 0xfeedbabeu
/* At most 8 buffers of 256 KiB are in flight. */
#define WINDOW	   (8 * 256 * 1024 / SECTOR)
#define MAX_RECORD (256u * 1024)
/* One header sector holds the cycles of so many bytes. */
#define HEADER_COVERS (32u * 1024)

/* Places in a record's header. */
#define REC_CYCLE      4
#define REC_VERSION    8
#define REC_LEN	       12
#define REC_NUM_LOGOPS 40
#define REC_SIZE       320
/* In an operation's. */
#define OP_FLAGS   9
#define OP_UNMOUNT 0x20u

struct ring {
	struct fy_volume *volume;
	const struct fy_xfs *fs;
	const struct fy_stop *stop;
	uint64_t start; /* bytes */
	uint32_t n;	/* sectors */
	/* The head (n stands for 0 when the whole ring is of one cycle), the
	 * cycle before it and the one behind. */
	uint32_t head, now, former;
	const char *why;
};

static int
read_sector(const struct ring *r, uint32_t sector, unsigned char *buf,
	    size_t len, struct fy_error *err)
{
	return fy_volume_pread(r->volume, buf, len,
			       r->start + (uint64_t)sector * SECTOR, err);
}

static int
read_cycle(const struct ring *r, uint32_t sector, uint32_t *ret,
	   bool *ret_is_header, struct fy_error *err)
{
	unsigned char b[8];

	if (read_sector(r, sector, b, sizeof(b), err) == -1)
		return -1;
	*ret_is_header = fy_get_be32(b) == RECORD_MAGIC;
	*ret = fy_get_be32(b + (*ret_is_header ? REC_CYCLE : 0));
	return 0;
}

/* Whether nothing at all was ever written: the kernel replays nothing then. */
static int
is_blank(const struct ring *r, bool *ret, struct fy_error *err)
{
	enum { PIECE = 1024 * 1024 };
	uint64_t end = (uint64_t)r->n * SECTOR, at, len;
	fy_autofree unsigned char *buf = malloc(PIECE);

	*ret = false;
	if (buf == NULL)
		return fy_error_nomem(err);
	for (at = 0; at < end; at += len) {
		len = fy_min_u64(PIECE, end - at);
		if (fy_stop_check(r->stop, err) == -1 ||
		    fy_volume_pread(r->volume, buf, (size_t)len, r->start + at,
				    err) == -1)
			return -1;
		if (!fy_is_zero(buf, (size_t)len))
			return 0;
	}
	*ret = true;
	return 0;
}

/* Set head, now, former; or 'why' when the cycles make no sense. */
static int
find_head(struct ring *r, struct fy_error *err)
{
	uint32_t low = 0, high = r->n - 1, middle, cycle;
	bool ignored;

	if (read_cycle(r, low, &r->now, &ignored, err) == -1 ||
	    read_cycle(r, high, &r->former, &ignored, err) == -1)
		return -1;
	if (r->now == r->former) {
		r->head = r->n;
		return 0;
	}
	if (r->now == 0 || (r->former != 0 && r->former != r->now - 1)) {
		r->why = "is damaged";
		return 0;
	}
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (read_cycle(r, middle, &cycle, &ignored, err) == -1)
			return -1;
		if (cycle == r->former)
			high = middle;
		else
			low = middle;
	}
	r->head = high;
	return 0;
}

/* All sectors of [from, to) must be of this cycle. */
static int
check_cycles(struct ring *r, uint32_t from, uint32_t to, uint32_t want,
	     struct fy_error *err)
{
	uint32_t i, cycle;
	bool ignored;

	for (i = from; i < to && r->why == NULL; i++) {
		if (read_cycle(r, i, &cycle, &ignored, err) == -1)
			return -1;
		if (cycle != want)
			r->why = "ends in writes that were cut short";
	}
	return 0;
}

static int
check_holes(struct ring *r, struct fy_error *err)
{
	uint32_t before = r->head < WINDOW ? r->head : WINDOW;
	uint32_t behind = r->n - r->head < WINDOW ? r->n - r->head : WINDOW;
	uint32_t wrapped = WINDOW - before;

	if (wrapped > r->n - r->head - behind)
		wrapped = r->n - r->head - behind;
	if (check_cycles(r, r->head - before, r->head, r->now, err) == -1 ||
	    check_cycles(r, r->head, r->head + behind, r->former, err) == -1)
		return -1;
	return check_cycles(r, r->n - wrapped, r->n, r->former, err);
}

/* The header of the last record before the head: 1 with '*ret' its sector,
 * 0 when there is none near, -1. */
static int
find_last_record(const struct ring *r, uint32_t *ret, struct fy_error *err)
{
	uint32_t i, at = r->head, cycle;
	bool is_header;

	for (i = 0; i < r->n && i < WINDOW; i++) {
		at = at == 0 ? r->n - 1 : at - 1;
		if (read_cycle(r, at, &cycle, &is_header, err) == -1)
			return -1;
		if (is_header) {
			*ret = at;
			return 1;
		}
	}
	return 0;
}

/* Sectors that a record's header takes, 0 when it makes no sense. */
static uint32_t
header_sectors(const struct ring *r, const unsigned char *header)
{
	uint32_t version = fy_get_be32(header + REC_VERSION);
	uint32_t size = fy_get_be32(header + REC_SIZE);

	if (version != 1 && version != 2)
		return 0;
	if (!r->fs->log_v2 || version == 1 || size <= HEADER_COVERS)
		return 1;
	if (size > MAX_RECORD)
		return 0;
	return (size + HEADER_COVERS - 1) / HEADER_COVERS;
}

/* The last record must end at the head, and be an unmount and nothing else. */
static int
check_last_record(struct ring *r, struct fy_error *err)
{
	unsigned char header[SECTOR], op[16];
	uint32_t at = 0, skip, len;
	int found = find_last_record(r, &at, err);

	r->why = "holds changes that are not in place yet (there was no clean "
		 "unmount)";
	if (found != 1)
		return found;
	if (read_sector(r, at, header, sizeof(header), err) == -1)
		return -1;
	skip = header_sectors(r, header);
	len = fy_get_be32(header + REC_LEN);
	if (skip == 0 || len == 0 || len > MAX_RECORD ||
	    fy_get_be32(header + REC_NUM_LOGOPS) != 1)
		return 0;
	len = (len + SECTOR - 1) / SECTOR;
	if (((uint64_t)at + skip + len) % r->n != r->head % r->n)
		return 0;
	at = (uint32_t)(((uint64_t)at + skip) % r->n);
	if (read_sector(r, at, op, sizeof(op), err) == -1)
		return -1;
	if (op[OP_FLAGS] & OP_UNMOUNT)
		r->why = NULL;
	return 0;
}

int
fy_xfs_log_check(struct fy_volume *v, const struct fy_xfs *fs,
		 const struct fy_stop *stop, const char **ret_why,
		 struct fy_error *err)
{
	struct ring r = {
		.volume = v,
		.fs = fs,
		.stop = stop,
		.start = fy_xfs_place(fs, fs->log_ag, fs->log_block),
		.n = (uint32_t)((uint64_t)fs->log_blocks * fs->block_bytes /
				SECTOR),
	};
	bool blank = false;

	*ret_why = NULL;
	if (find_head(&r, err) == -1)
		return -1;
	if (r.why == NULL && r.now == 0 && is_blank(&r, &blank, err) == -1)
		return -1;
	if (blank)
		return 0;
	if (r.why == NULL && r.now == 0)
		r.why = "is damaged";
	if (r.why == NULL && check_holes(&r, err) == -1)
		return -1;
	if (r.why == NULL && check_last_record(&r, err) == -1)
		return -1;
	*ret_why = r.why;
	return 0;
}
