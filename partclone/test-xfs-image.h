/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PARTCLONE_TEST_XFS_IMAGE_H
#define FY_PARTCLONE_TEST_XFS_IMAGE_H

/*
 * Tiny XFS filesystems made byte by byte: superblocks, AGFs, btrees of free
 * space, a log.  Checksums are computed a bit at a time, so that the reader is
 * not tested against itself.
 */
#include "partclone/test-image.h"

#define XFS_NONE UINT32_MAX

struct xfs_shape {
	unsigned version;
	uint32_t block, sector, ag_blocks, ag_count;
	uint64_t blocks;
	uint32_t log_ag, log_block, log_blocks;
};

static inline void
put_be16(const struct image *m, uint64_t at, uint32_t v)
{
	unsigned char b[2];

	fy_put_be16(b, (uint16_t)v);
	put(m, at, b, sizeof(b));
}

static inline void
put_be32(const struct image *m, uint64_t at, uint64_t v)
{
	unsigned char b[4];

	fy_put_be32(b, (uint32_t)v);
	put(m, at, b, sizeof(b));
}

static inline void
put_be64(const struct image *m, uint64_t at, uint64_t v)
{
	unsigned char b[8];

	fy_put_be64(b, v);
	put(m, at, b, sizeof(b));
}

static inline unsigned
xfs_log2(uint64_t v)
{
	unsigned n = 0;

	while (UINT64_C(1) << n < v)
		n++;
	return n;
}

static inline uint64_t
xfs_at(const struct xfs_shape *s, uint32_t ag, uint32_t block)
{
	return ((uint64_t)ag * s->ag_blocks + block) * s->block;
}

static inline uint32_t
xfs_length(const struct xfs_shape *s, uint32_t ag)
{
	return ag + 1 < s->ag_count
		       ? s->ag_blocks
		       : (uint32_t)(s->blocks - (uint64_t)ag * s->ag_blocks);
}

static inline uint32_t
xfs_header(const struct xfs_shape *s)
{
	return (4 * s->sector + s->block - 1) / s->block;
}

static inline size_t
xfs_tree_header(const struct xfs_shape *s)
{
	return s->version == 5 ? 56 : 16;
}

/* Put a CRC-32C over [at, at + len) at 'crc_at' of it. */
static inline void
xfs_seal(const struct image *m, const struct xfs_shape *s, uint64_t at,
	 size_t len, uint64_t crc_at)
{
	static unsigned char b[65536];
	uint32_t crc = UINT32_MAX;
	size_t i;
	int k;

	if (s->version < 5)
		return;
	put_le32(m, at + crc_at, 0);
	CHECK(pread(m->fd, b, len, (off_t)at) == (ssize_t)len);
	for (i = 0; i < len; i++) {
		crc ^= b[i];
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	put_le32(m, at + crc_at, ~crc);
}

static inline void
xfs_seal_super(const struct image *m, const struct xfs_shape *s, uint32_t ag)
{
	xfs_seal(m, s, xfs_at(s, ag, 0), s->sector, 224);
}

static inline void
xfs_seal_agf(const struct image *m, const struct xfs_shape *s, uint32_t ag)
{
	xfs_seal(m, s, xfs_at(s, ag, 0) + s->sector, s->sector, 216);
}

static inline void
xfs_seal_tree(const struct image *m, const struct xfs_shape *s, uint32_t ag,
	      uint32_t block)
{
	xfs_seal(m, s, xfs_at(s, ag, block), s->block, 52);
}

static inline void
xfs_put_super(const struct image *m, const struct xfs_shape *s, uint32_t ag)
{
	uint64_t at = xfs_at(s, ag, 0);
	unsigned shift = xfs_log2(s->ag_blocks);

	put_text(m, at, "XFSB");
	put_be32(m, at + 4, s->block);
	put_be64(m, at + 8, s->blocks);
	put_text(m, at + 32, "a filesystem's !");
	put_be64(m, at + 48, ((uint64_t)s->log_ag << shift) | s->log_block);
	put_be32(m, at + 84, s->ag_blocks);
	put_be32(m, at + 88, s->ag_count);
	put_be32(m, at + 96, s->log_blocks);
	put_be16(m, at + 100, 0xb4a0 | s->version); /* log v2 and more */
	put_be16(m, at + 102, s->sector);
	put_text(m, at + 108, "a label");
	put_byte(m, at + 120, xfs_log2(s->block));
	put_byte(m, at + 121, xfs_log2(s->sector));
	put_byte(m, at + 124, shift);
	put_be32(m, at + 200, 0x28a | (s->version == 5 ? 0x100 : 0));
	if (s->version == 5) {
		put_be32(m, at + 212, 0xf);
		put_be32(m, at + 216, 0xb);
	}
	xfs_seal_super(m, s, ag);
}

/* The AGF; the roots besides bnobt's are the three blocks behind the header,
 * counted from the second. */
static inline void
xfs_put_agf(const struct image *m, const struct xfs_shape *s, uint32_t ag,
	    uint32_t root, uint32_t depth, uint32_t sum, uint32_t longest)
{
	uint64_t at = xfs_at(s, ag, 0) + s->sector;

	put_text(m, at, "XAGF");
	put_be32(m, at + 4, 1);
	put_be32(m, at + 8, ag);
	put_be32(m, at + 12, xfs_length(s, ag));
	put_be32(m, at + 16, root);
	put_be32(m, at + 20, xfs_header(s) + 1);
	put_be32(m, at + 28, depth);
	put_be32(m, at + 32, depth);
	put_be32(m, at + 52, sum);
	put_be32(m, at + 56, longest);
	if (s->version == 5) {
		put_be32(m, at + 24, xfs_header(s) + 2);
		put_be32(m, at + 88, xfs_header(s) + 3);
		put_text(m, at + 64, "a filesystem's !");
	}
	xfs_seal_agf(m, s, ag);
}

/* One block of a bnobt: 'pairs' of (start, count); above the leaves with
 * 'pointers'. */
static inline void
xfs_put_tree(const struct image *m, const struct xfs_shape *s, uint32_t ag,
	     uint32_t block, unsigned level, uint32_t left, uint32_t right,
	     const uint32_t *pairs, const uint32_t *pointers, uint32_t n)
{
	uint64_t at = xfs_at(s, ag, block);
	uint64_t room = s->block - xfs_tree_header(s);
	uint64_t keys = at + xfs_tree_header(s);
	uint32_t i;

	put_text(m, at, s->version == 5 ? "AB3B" : "ABTB");
	put_be16(m, at + 4, level);
	put_be16(m, at + 6, n);
	put_be32(m, at + 8, left);
	put_be32(m, at + 12, right);
	if (s->version == 5) {
		put_be64(m, at + 16, at / 512);
		put_text(m, at + 32, "a filesystem's !");
		put_be32(m, at + 48, ag);
	}
	for (i = 0; i < n; i++) {
		put_be32(m, keys + 8 * i, pairs[2 * i]);
		put_be32(m, keys + 8 * i + 4, pairs[2 * i + 1]);
		if (level > 0)
			put_be32(m, keys + room / 12 * 8 + 4 * i, pointers[i]);
	}
	xfs_seal_tree(m, s, ag, block);
}

/* An AG whose free extents fit into one block, 0 0 at their end. */
static inline void
xfs_put_ag(const struct image *m, const struct xfs_shape *s, uint32_t ag,
	   const uint32_t *pairs)
{
	uint32_t n = 0, sum = 0, longest = 0;

	for (; pairs[2 * n + 1] != 0; n++) {
		sum += pairs[2 * n + 1];
		if (pairs[2 * n + 1] > longest)
			longest = pairs[2 * n + 1];
	}
	xfs_put_super(m, s, ag);
	xfs_put_tree(m, s, ag, xfs_header(s), 0, XFS_NONE, XFS_NONE, pairs,
		     NULL, n);
	xfs_put_agf(m, s, ag, xfs_header(s), 1, sum, longest);
}

/* --- the log, in sectors of 512 bytes ----------------------------------------- */

static inline uint64_t
xfs_log_at(const struct xfs_shape *s, uint32_t sector)
{
	return xfs_at(s, s->log_ag, s->log_block) + sector * 512ull;
}

static inline uint32_t
xfs_log_sectors(const struct xfs_shape *s)
{
	return s->log_blocks * (s->block / 512);
}

/* The cycle numbers of [from, to); no headers there. */
static inline void
xfs_put_cycles(const struct image *m, const struct xfs_shape *s, uint32_t from,
	       uint32_t to, uint32_t cycle)
{
	for (; from < to; from++)
		put_be32(m, xfs_log_at(s, from), cycle);
}

struct xfs_record {
	uint32_t at, cycle, version, len, size, ops;
	unsigned flags; /* of its first operation; 0x20 is an unmount */
};

/* A record; its data go on at the ring's start when they reach its end. */
static inline void
xfs_put_record(const struct image *m, const struct xfs_shape *s,
	       const struct xfs_record *r)
{
	uint32_t n = xfs_log_sectors(s), i, heads = 1;
	uint32_t all;

	if (r->version == 2 && r->size > 32768)
		heads = (r->size + 32767) / 32768;
	all = heads + (r->len + 511) / 512;
	for (i = 1; i < all; i++)
		put_be32(m, xfs_log_at(s, (r->at + i) % n),
			 r->cycle + (r->at + i >= n));
	put_be32(m, xfs_log_at(s, r->at), 0xfeedbabe);
	put_be32(m, xfs_log_at(s, r->at) + 4, r->cycle);
	put_be32(m, xfs_log_at(s, r->at) + 8, r->version);
	put_be32(m, xfs_log_at(s, r->at) + 12, r->len);
	put_be32(m, xfs_log_at(s, r->at) + 40, r->ops);
	put_be32(m, xfs_log_at(s, r->at) + 320, r->size);
	put_byte(m, xfs_log_at(s, (r->at + heads) % n) + 8, 0xaa);
	put_byte(m, xfs_log_at(s, (r->at + heads) % n) + 9, r->flags);
}

/* A log in cycle 5 with an unmount before the head at 'head'. */
static inline void
xfs_put_clean_log(const struct image *m, const struct xfs_shape *s,
		  uint32_t head)
{
	const struct xfs_record r = { head - 2, 5, 2, 20, 32768, 1, 0x20 };

	xfs_put_cycles(m, s, 0, head, 5);
	xfs_put_cycles(m, s, head, xfs_log_sectors(s), 4);
	xfs_put_record(m, s, &r);
}

#endif
