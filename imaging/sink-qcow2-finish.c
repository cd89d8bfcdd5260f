/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qcow2's tables, from the journal's places in one pass of ascending units.
 *
 * Behind the data (aligned) follow the refcount table, the refcount blocks, L1,
 * and the L2 tables as the pass fills them.  The number of L2 tables is known
 * only at the end, so there are refcount blocks for as many as L1 could name:
 * at most one block for 32768 tables too many, which is a valid one of zeros.
 *
 * Memory is bounded: L1 (8 bytes for 512 MiB of the disk), one L2 table, and a
 * direct-mapped cache of refcount blocks (each counts 2 GiB of the file), which
 * are written to their place when another one needs the slot.
 *
 * A place that was forgotten, or never got into the journal, leaves clusters
 * that nobody counts: they are free for the image's user, and punched.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "imaging/sink-qcow2.h"
#include "imaging/sink-util.h"

#define CACHE_SLOTS 128u /* 8 MiB, 256 GiB of the file */
#define NO_BLOCK    UINT64_MAX

#define HEADER_BYTES	  104u
#define HEADER_BYTES_ZSTD 112u
#define INCOMPATIBLE_ZSTD (UINT64_C(1) << 3)

struct slot {
	uint64_t block;
	bool dirty;
	unsigned char *counts; /* big-endian 16 bits each */
};

struct tables {
	struct fy_sink *s;
	uint64_t data_end; /* clusters below are data (and the header) */
	uint64_t used;	   /* of them, how many are counted */
	uint64_t end;	   /* where the next L2 table goes */
	uint64_t reft_at, reft_clusters;
	uint64_t blocks_at, n_blocks;
	uint64_t l1_at, l1_entries, l1_clusters;
	unsigned char *l1;
	unsigned char *l2;
	uint64_t l2_index; /* NO_BLOCK: none is begun */
	struct slot slots[CACHE_SLOTS];
};

static uint64_t
clusters_of(uint64_t bytes)
{
	return (bytes + QCOW2_CLUSTER - 1) / QCOW2_CLUSTER;
}

/* --- refcounts ------------------------------------------------------------- */

static int
write_slot(struct tables *t, struct slot *slot, struct fy_error *err)
{
	if (!slot->dirty)
		return 0;
	slot->dirty = false;
	return fy_fd_pwrite_full(t->s->fd, slot->counts, QCOW2_CLUSTER,
				 t->blocks_at + slot->block * QCOW2_CLUSTER,
				 err);
}

/* The slot with that refcount block. */
static struct slot *
load_block(struct tables *t, uint64_t block, struct fy_error *err)
{
	struct slot *slot = &t->slots[block % CACHE_SLOTS];

	assert(block < t->n_blocks);
	if (slot->block == block)
		return slot;
	if (slot->counts == NULL)
		slot->counts = malloc(QCOW2_CLUSTER);
	if (slot->counts == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	if (slot->block != NO_BLOCK && write_slot(t, slot, err) == -1)
		return NULL;
	slot->block = NO_BLOCK;
	if (fy_fd_pread_full(t->s->fd, slot->counts, QCOW2_CLUSTER,
			     t->blocks_at + block * QCOW2_CLUSTER, err) == -1)
		return NULL;
	slot->block = block;
	return slot;
}

/* Count one more user of a host cluster; an aligned one has only one. */
static int
count(struct tables *t, uint64_t cluster, bool alone, struct fy_error *err)
{
	struct slot *slot = load_block(t, cluster / QCOW2_BLOCK_ENTRIES, err);
	unsigned char *p;
	uint16_t n;

	if (slot == NULL)
		return -1;
	p = slot->counts + cluster % QCOW2_BLOCK_ENTRIES * 2;
	n = fy_get_be16(p);
	if (n == UINT16_MAX || (alone && n != 0))
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the journal gives host cluster %llu to "
				    "several units",
				    (unsigned long long)cluster);
	fy_put_be16(p, (uint16_t)(n + 1));
	slot->dirty = true;
	if (n == 0 && cluster < t->data_end / QCOW2_CLUSTER)
		t->used++;
	return 0;
}

static int
count_range(struct tables *t, uint64_t offset, uint64_t clusters,
	    struct fy_error *err)
{
	uint64_t i;

	for (i = 0; i < clusters; i++)
		if (count(t, offset / QCOW2_CLUSTER + i, true, err) == -1)
			return -1;
	return 0;
}

/* --- L2 -------------------------------------------------------------------- */

static int
write_l2(struct tables *t, struct fy_error *err)
{
	if (t->l2_index == NO_BLOCK)
		return 0;
	if (fy_fd_pwrite_full(t->s->fd, t->l2, QCOW2_CLUSTER, t->end, err) ==
		    -1 ||
	    count_range(t, t->end, 1, err) == -1)
		return -1;
	fy_put_be64(t->l1 + t->l2_index * 8, t->end | QCOW2_COPIED);
	t->end += QCOW2_CLUSTER;
	t->l2_index = NO_BLOCK;
	return 0;
}

/* Set the entry of a guest cluster; they come in ascending order. */
static int
set_entry(struct tables *t, uint64_t cluster, uint64_t entry,
	  struct fy_error *err)
{
	uint64_t index = cluster / QCOW2_L2_ENTRIES;

	if (index != t->l2_index) {
		if (write_l2(t, err) == -1)
			return -1;
		memset(t->l2, 0, QCOW2_CLUSTER);
		t->l2_index = index;
	}
	fy_put_be64(t->l2 + cluster % QCOW2_L2_ENTRIES * 8, entry);
	return 0;
}

static int
add_plain(struct tables *t, uint64_t first, const struct fy_place *place,
	  struct fy_error *err)
{
	uint64_t at = place->offset;
	unsigned i;

	for (i = 0; i < 64; i++) {
		if ((place->mask >> i & 1) == 0)
			continue;
		if (count_range(t, at, 1, err) == -1 ||
		    set_entry(t, first + i, at | QCOW2_COPIED, err) == -1)
			return -1;
		at += QCOW2_CLUSTER;
	}
	return 0;
}

static int
add_compressed(struct tables *t, uint64_t cluster, const struct fy_place *place,
	       struct fy_error *err)
{
	uint64_t last = place->offset + place->stored - 1;
	uint64_t sectors = last / QCOW2_SECTOR - place->offset / QCOW2_SECTOR;
	uint64_t c;

	for (c = place->offset / QCOW2_CLUSTER; c <= last / QCOW2_CLUSTER; c++)
		if (count(t, c, false, err) == -1)
			return -1;
	return set_entry(t, cluster,
			 place->offset | sectors << QCOW2_CSIZE_SHIFT |
				 QCOW2_COMPRESSED,
			 err);
}

/* A place comes from a file: it is believed only if it can be right. */
static bool
is_possible(const struct tables *t, const struct fy_place *p)
{
	const struct fy_sink *s = t->s;
	unsigned clusters = s->unit_bytes / (unsigned)QCOW2_CLUSTER;
	uint64_t end;

	if (p->mask >> (clusters - 1) >> 1 != 0)
		return false;
	if (p->mask == 0)
		return p->stored == 0 && p->codec == FY_CODEC_NONE;
	if (p->offset < QCOW2_CLUSTER ||
	    !fy_add_u64(p->offset, p->stored, &end) || end > s->end)
		return false;
	if (p->codec != FY_CODEC_NONE)
		return p->codec == s->params.compressed && p->stored > 0 &&
		       p->stored < QCOW2_CLUSTER;
	return p->offset % QCOW2_CLUSTER == 0 &&
	       p->stored ==
		       QCOW2_CLUSTER * (uint64_t)__builtin_popcountll(p->mask);
}

static int
add_units(struct tables *t,
	  int (*next)(void *ctx, uint64_t *index, struct fy_place *place,
		      struct fy_error *err),
	  void *ctx, struct fy_error *err)
{
	const struct fy_sink *s = t->s;
	uint64_t units = (s->params.disk_bytes - 1) / s->unit_bytes + 1;
	uint64_t guest = clusters_of(s->params.disk_bytes);
	uint64_t index, expected = 0, first;
	struct fy_place place;
	int r;

	while ((r = next(ctx, &index, &place, err)) == 1) {
		if (index < expected || index >= units ||
		    !is_possible(t, &place))
			return fy_error_set(err, FY_E_CORRUPT, 0,
					    "unit %llu has an impossible place",
					    (unsigned long long)index);
		expected = index + 1;
		first = index * (s->unit_bytes / QCOW2_CLUSTER);
		if (place.mask != 0 &&
		    first + 63 - (unsigned)__builtin_clzll(place.mask) >= guest)
			return fy_error_set(err, FY_E_CORRUPT, 0,
					    "unit %llu reaches behind the "
					    "disk's end",
					    (unsigned long long)index);
		r = place.codec == FY_CODEC_NONE
			    ? add_plain(t, first, &place, err)
			    : add_compressed(t, first, &place, err);
		if (r == -1)
			return -1;
	}
	return r == -1 ? -1 : write_l2(t, err);
}

/* --- the whole ------------------------------------------------------------- */

/* Where everything goes.  The refcount blocks count themselves, too. */
static void
lay_out(struct tables *t)
{
	const struct fy_sink *s = t->s;
	uint64_t others, total;

	t->data_end = fy_align_up(s->end, QCOW2_CLUSTER);
	t->l1_entries = (s->params.disk_bytes - 1) / QCOW2_L2_SPAN + 1;
	t->l1_clusters = clusters_of(t->l1_entries * 8);
	others = t->data_end / QCOW2_CLUSTER + t->l1_clusters + t->l1_entries;
	t->n_blocks = 1;
	t->reft_clusters = 1;
	for (;;) {
		total = others + t->n_blocks + t->reft_clusters;
		if (total <= t->n_blocks * QCOW2_BLOCK_ENTRIES &&
		    t->n_blocks * 8 <= t->reft_clusters * QCOW2_CLUSTER)
			break;
		t->n_blocks = (total - 1) / QCOW2_BLOCK_ENTRIES + 1;
		t->reft_clusters = clusters_of(t->n_blocks * 8);
	}
	t->reft_at = t->data_end;
	t->blocks_at = t->reft_at + t->reft_clusters * QCOW2_CLUSTER;
	t->l1_at = t->blocks_at + t->n_blocks * QCOW2_CLUSTER;
	t->end = t->l1_at + t->l1_clusters * QCOW2_CLUSTER;
	t->l2_index = NO_BLOCK;
}

static int
prepare(struct tables *t, struct fy_error *err)
{
	unsigned i;

	lay_out(t);
	for (i = 0; i < CACHE_SLOTS; i++)
		t->slots[i].block = NO_BLOCK;
	t->l1 = calloc(t->l1_clusters, QCOW2_CLUSTER);
	t->l2 = calloc(1, QCOW2_CLUSTER);
	if (t->l1 == NULL || t->l2 == NULL)
		return fy_error_nomem(err);
	/* What an earlier, cut finish left goes; what was left out reads as
	 * zeros, the end of the last payload's sector too. */
	if (ftruncate(t->s->fd, (off_t)t->s->end) == -1 ||
	    ftruncate(t->s->fd, (off_t)t->end) == -1)
		return fy_error_set(err,
				    errno == ENOSPC ? FY_E_NOSPACE : FY_E_IO,
				    errno, "cannot set the image's length");
	return count_range(t, 0, 1, err) == -1 ||
			       count_range(t, t->reft_at, t->reft_clusters,
					   err) == -1 ||
			       count_range(t, t->blocks_at, t->n_blocks, err) ==
				       -1 ||
			       count_range(t, t->l1_at, t->l1_clusters, err) ==
				       -1
		       ? -1
		       : 0;
}

/* Punch the data clusters that nobody counted. */
static int
punch_unused(struct tables *t, struct fy_error *err)
{
	uint64_t n = t->data_end / QCOW2_CLUSTER, c, start = NO_BLOCK;
	const struct slot *slot;

	if (t->used == n)
		return 0;
	for (c = 0; c <= n; c++) {
		bool is_free = false;

		if (c < n) {
			slot = load_block(t, c / QCOW2_BLOCK_ENTRIES, err);
			if (slot == NULL)
				return -1;
			is_free = fy_get_be16(slot->counts +
					      c % QCOW2_BLOCK_ENTRIES * 2) == 0;
		}
		if (is_free && start == NO_BLOCK)
			start = c;
		if (is_free || start == NO_BLOCK)
			continue;
		if (fy_sink_punch(t->s->fd, start * QCOW2_CLUSTER,
				  (c - start) * QCOW2_CLUSTER, err) == -1)
			return -1;
		start = NO_BLOCK;
	}
	return 0;
}

static int
write_tables(struct tables *t, struct fy_error *err)
{
	fy_autofree unsigned char *reft = NULL;
	size_t bytes = (size_t)(t->reft_clusters * QCOW2_CLUSTER);
	uint64_t i;

	for (i = 0; i < CACHE_SLOTS; i++)
		if (t->slots[i].block != NO_BLOCK &&
		    write_slot(t, &t->slots[i], err) == -1)
			return -1;
	reft = calloc(1, bytes);
	if (reft == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < t->n_blocks; i++)
		fy_put_be64(reft + i * 8, t->blocks_at + i * QCOW2_CLUSTER);
	if (fy_fd_pwrite_full(t->s->fd, reft, bytes, t->reft_at, err) == -1)
		return -1;
	return fy_fd_pwrite_full(t->s->fd, t->l1,
				 (size_t)(t->l1_clusters * QCOW2_CLUSTER),
				 t->l1_at, err);
}

static int
write_header(const struct tables *t, struct fy_error *err)
{
	bool zstd = t->s->params.compressed == FY_CODEC_ZSTD;
	/* Behind the header the end of the extensions: eight zeros. */
	unsigned char h[HEADER_BYTES_ZSTD + 8] = { 'Q', 'F', 'I', 0xfb };

	fy_put_be32(h + 4, 3); /* version */
	fy_put_be32(h + 20, QCOW2_CLUSTER_BITS);
	fy_put_be64(h + 24, t->s->params.disk_bytes);
	fy_put_be32(h + 36, (uint32_t)t->l1_entries);
	fy_put_be64(h + 40, t->l1_at);
	fy_put_be64(h + 48, t->reft_at);
	fy_put_be32(h + 56, (uint32_t)t->reft_clusters);
	fy_put_be64(h + 72, zstd ? INCOMPATIBLE_ZSTD : 0);
	fy_put_be32(h + 96, 4); /* 2^4 bits for each count */
	fy_put_be32(h + 100, zstd ? HEADER_BYTES_ZSTD : HEADER_BYTES);
	h[104] = zstd ? 1 : 0; /* the way of compression */
	return fy_fd_pwrite_full(t->s->fd, h, sizeof(h), 0, err);
}

static int
finish(struct tables *t,
       int (*next)(void *ctx, uint64_t *index, struct fy_place *place,
		   struct fy_error *err),
       void *ctx, struct fy_error *err)
{
	if (prepare(t, err) == -1 || add_units(t, next, ctx, err) == -1 ||
	    punch_unused(t, err) == -1 || write_tables(t, err) == -1)
		return -1;
	/* All that the header leads to is durable before the header. */
	if (fy_fd_sync(t->s->fd, err) == -1 || write_header(t, err) == -1)
		return -1;
	return fy_fd_sync(t->s->fd, err);
}

int
fy_sink_qcow2_finish(struct fy_sink *s,
		     int (*next)(void *ctx, uint64_t *index,
				 struct fy_place *place, struct fy_error *err),
		     void *ctx, struct fy_error *err)
{
	struct tables *t = calloc(1, sizeof(*t));
	unsigned i;
	int r;

	if (t == NULL)
		return fy_error_nomem(err);
	t->s = s;
	r = finish(t, next, ctx, err);
	for (i = 0; i < CACHE_SLOTS; i++)
		free(t->slots[i].counts);
	free(t->l1);
	free(t->l2);
	free(t);
	return r;
}
