/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Thin pools of device-mapper.
 *
 * The metadata are blocks of 4 KiB, little-endian, each with a checksum (that
 * of CRC-32C without the inversion at its end, with a salt for each kind) over
 * all but its first four bytes.
 * Superblock, block 0: 4 flags (bit 0: needs check)  8 own block  32 magic
 *   40 version (u32)  48 transaction  56 held root (u64)  64 space map of the
 *   data (0 blocks)  320 root of the mappings  328 root of the devices' details
 *   336 sectors of a data block  340 sectors of a metadata block (u32)
 *   344 metadata blocks (u64)  352 356 360 compatible, read-only compatible,
 *   incompatible features (u32)
 * Node of a B-tree: 4 flags (1 inner, 2 leaf)  8 own block  16 entries
 *   20 most entries  24 bytes of a value (u32)  32 keys (u64), from
 *   32 + 8 * most on the values
 * The mappings are a tree of devices, whose values are roots of trees of the
 * devices' blocks, whose values are data block << 24 | time.
 *
 * Nodes are visited in the order of keys, which must rise within the bounds
 * that the node above gives, so a walk ends; nodes that several devices share
 * are visited for each.  A few nodes are kept for look-ups.
 */
#include "partclone/thin.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/hash.h"

#define BLOCK	    FY_THIN_BLOCK
#define MAGIC	    27022010u
#define MAX_DEPTH   12u
#define CACHE_SLOTS 64u
#define LEAF	    2u
#define INNER	    1u
#define NEEDS_CHECK 1u
#define MAX_BLOCKS  (UINT64_C(1) << 24) /* 16 GiB of metadata come to 2^22 */
#define TIME_BITS   24
#define BLOCK_64_KIB                                                           \
	128u /* sectors; the smallest and the step of data blocks */

struct slot {
	uint64_t block; /* 0: empty, for that is the superblock */
	unsigned char bytes[BLOCK];
};

struct fy_thin {
	struct fy_volume *meta;
	const struct fy_stop *stop;
	struct fy_thin_info info;
	uint64_t blocks; /* of metadata */
	uint64_t devices_root;
	struct slot *slots;
};

uint32_t
fy_thin_checksum(const unsigned char *block, uint32_t salt)
{
	return ~fy_crc32c(block + 4, BLOCK - 4) ^ salt;
}

static int
bad(struct fy_error *err, const char *what, uint64_t block)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the thin pool's metadata: %s (block %llu)", what,
			    (unsigned long long)block);
}

/* --- the superblock --------------------------------------------------------- */

static int
decode_super(struct fy_thin *t, const unsigned char *sb, struct fy_error *err)
{
	uint32_t sectors = fy_get_le32(sb + 336);
	uint32_t version = fy_get_le32(sb + 40);

	if (fy_get_le64(sb + 32) != MAGIC)
		return bad(err, "there is no superblock", 0);
	if (fy_get_le32(sb) != fy_thin_checksum(sb, FY_THIN_SALT_SUPER) ||
	    fy_get_le64(sb + 8) != 0)
		return bad(err, "the superblock fails its checksum", 0);
	if (version < 1 || version > 2 || fy_get_le32(sb + 340) != BLOCK / 512)
		return bad(err, "they are of an unknown version", 0);
	if (sectors < BLOCK_64_KIB || sectors % BLOCK_64_KIB != 0 ||
	    sectors > (1u << 21))
		return bad(err, "blocks of the data have a senseless size", 0);
	t->devices_root = fy_get_le64(sb + 320);
	t->info = (struct fy_thin_info){
		.transaction = fy_get_le64(sb + 48),
		.block_bytes = (uint64_t)sectors * 512,
		.data_blocks = fy_get_le64(sb + 64),
		.needs_check = (fy_get_le32(sb + 4) & NEEDS_CHECK) != 0,
		.has_held_root = fy_get_le64(sb + 56) != 0,
		.has_unknown = (fy_get_le32(sb + 4) & ~NEEDS_CHECK) != 0 ||
			       fy_get_le32(sb + 352) != 0 ||
			       fy_get_le32(sb + 356) != 0 ||
			       fy_get_le32(sb + 360) != 0,
	};
	return 0;
}

int
fy_thin_open(struct fy_volume *meta, const struct fy_stop *stop,
	     struct fy_thin **ret, struct fy_error *err)
{
	FY_AUTO(thin) struct fy_thin *t = calloc(1, sizeof(*t));
	unsigned char sb[BLOCK];

	if (t != NULL)
		t->slots = calloc(CACHE_SLOTS, sizeof(*t->slots));
	if (t == NULL || t->slots == NULL)
		return fy_error_nomem(err);
	t->meta = meta;
	t->stop = stop;
	t->blocks = fy_min_u64(fy_volume_size(meta) / BLOCK, MAX_BLOCKS);
	if (t->blocks == 0)
		return bad(err, "they have no room", 0);
	if (fy_volume_pread(meta, sb, BLOCK, 0, err) == -1 ||
	    decode_super(t, sb, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&t);
	return 0;
}

void
fy_thin_free(struct fy_thin *t)
{
	if (t == NULL)
		return;
	free(t->slots);
	free(t);
}

const struct fy_thin_info *
fy_thin_info(const struct fy_thin *t)
{
	return &t->info;
}

/* --- nodes ------------------------------------------------------------------ */

struct node {
	unsigned char bytes[BLOCK];
	uint32_t n, most;
	bool is_leaf;
};

static uint64_t
key_of(const struct node *n, uint32_t i)
{
	return fy_get_le64(n->bytes + 32 + 8 * (size_t)i);
}

static uint64_t
value_of(const struct node *n, uint32_t i)
{
	return fy_get_le64(n->bytes + 32 + 8 * ((size_t)n->most + i));
}

/* The keys rise, from 'low' to 'high' (included). */
static bool
keys_are_sound(const struct node *n, uint64_t low, uint64_t high)
{
	uint32_t i;

	for (i = 0; i < n->n; i++) {
		if (key_of(n, i) < low || key_of(n, i) > high)
			return false;
		if (i > 0 && key_of(n, i) <= key_of(n, i - 1))
			return false;
	}
	return true;
}

static int
fetch(struct fy_thin *t, uint64_t block, unsigned char *ret,
      struct fy_error *err)
{
	struct slot *s = &t->slots[block % CACHE_SLOTS];

	if (block == 0 || block >= t->blocks)
		return bad(err, "a node lies outside", block);
	if (s->block != block) {
		s->block = 0;
		if (fy_volume_pread(t->meta, s->bytes, BLOCK, block * BLOCK,
				    err) == -1)
			return -1;
		if (fy_get_le32(s->bytes) !=
			    fy_thin_checksum(s->bytes, FY_THIN_SALT_NODE) ||
		    fy_get_le64(s->bytes + 8) != block)
			return bad(err, "a node fails its checksum", block);
		s->block = block;
	}
	memcpy(ret, s->bytes, BLOCK);
	return 0;
}

static int
read_node(struct fy_thin *t, uint64_t block, uint64_t low, uint64_t high,
	  struct node *ret, struct fy_error *err)
{
	uint32_t flags;

	if (fetch(t, block, ret->bytes, err) == -1)
		return -1;
	flags = fy_get_le32(ret->bytes + 4);
	ret->n = fy_get_le32(ret->bytes + 16);
	ret->most = fy_get_le32(ret->bytes + 20);
	ret->is_leaf = (flags & LEAF) != 0;
	if (flags != LEAF && flags != INNER)
		return bad(err, "a node is of an unknown kind", block);
	if (fy_get_le32(ret->bytes + 24) != 8 ||
	    ret->most > (BLOCK - 32) / 16 || ret->n > ret->most ||
	    (ret->n == 0 && !ret->is_leaf))
		return bad(err, "a node has a senseless size", block);
	if (!keys_are_sound(ret, low, high))
		return bad(err, "a node's keys are out of order", block);
	return 0;
}

/* --- walks ------------------------------------------------------------------ */

struct walk {
	struct fy_thin *t;
	fy_thin_visit visit;
	void *ctx;
	uint64_t nodes; /* visited */
};

static int
walk(struct walk *w, uint64_t block, uint64_t low, uint64_t high,
     unsigned depth, struct fy_error *err)
{
	fy_autofree struct node *n = malloc(sizeof(*n));
	uint64_t last;
	uint32_t i;
	int r = 0;

	if (n == NULL)
		return fy_error_nomem(err);
	if (depth > MAX_DEPTH || ++w->nodes > w->t->blocks)
		return bad(err, "a tree has no end", block);
	if (fy_stop_check(w->t->stop, err) == -1 ||
	    read_node(w->t, block, low, high, n, err) == -1)
		return -1;
	for (i = 0; r == 0 && i < n->n; i++) {
		last = i + 1 < n->n ? key_of(n, i + 1) - 1 : high;
		r = n->is_leaf ? w->visit(w->ctx, key_of(n, i), value_of(n, i),
					  err)
			       : walk(w, value_of(n, i), key_of(n, i), last,
				      depth + 1, err);
	}
	return r;
}

int
fy_thin_devices(struct fy_thin *t, fy_thin_visit visit, void *ctx,
		struct fy_error *err)
{
	struct walk w = { .t = t, .visit = visit, .ctx = ctx };

	return walk(&w, t->devices_root, 0, UINT64_MAX, 0, err);
}

struct mappings {
	struct fy_thin *t;
	fy_thin_visit visit;
	void *ctx;
};

static int
check_mapping(const struct fy_thin *t, uint64_t value, uint64_t *ret,
	      struct fy_error *err)
{
	*ret = value >> TIME_BITS;
	return *ret < t->info.data_blocks
		       ? 0
		       : bad(err, "a mapping leads out of the pool", *ret);
}

static int
visit_mapping(void *ctx, uint64_t key, uint64_t value, struct fy_error *err)
{
	struct mappings *m = ctx;
	uint64_t block;

	if (check_mapping(m->t, value, &block, err) == -1)
		return -1;
	return m->visit(m->ctx, key, block, err);
}

int
fy_thin_mappings(struct fy_thin *t, uint64_t root, fy_thin_visit visit,
		 void *ctx, struct fy_error *err)
{
	struct mappings m = { t, visit, ctx };
	struct walk w = { .t = t, .visit = visit_mapping, .ctx = &m };

	w.visit = visit_mapping;
	w.ctx = &m;
	return walk(&w, root, 0, UINT64_MAX, 0, err);
}

/* --- look-ups --------------------------------------------------------------- */

/* The last entry whose key is not above 'key'; -1: none. */
static int
find_entry(const struct node *n, uint64_t key)
{
	int low = -1, high = (int)n->n - 1, middle;

	while (low < high) {
		middle = low + (high - low + 1) / 2;
		if (key_of(n, (uint32_t)middle) <= key)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* 1, 0, -1. */
static int
look_up(struct fy_thin *t, uint64_t root, uint64_t key, uint64_t *ret,
	struct fy_error *err)
{
	fy_autofree struct node *n = malloc(sizeof(*n));
	unsigned depth;
	int i;

	if (n == NULL)
		return fy_error_nomem(err);
	for (depth = 0; depth <= MAX_DEPTH; depth++) {
		if (read_node(t, root, 0, UINT64_MAX, n, err) == -1)
			return -1;
		i = find_entry(n, key);
		if (i == -1)
			return 0;
		*ret = value_of(n, (uint32_t)i);
		if (n->is_leaf)
			return key_of(n, (uint32_t)i) == key;
		root = *ret;
	}
	return bad(err, "a tree has no end", root);
}

int
fy_thin_find_device(struct fy_thin *t, uint64_t device, uint64_t *ret_root,
		    struct fy_error *err)
{
	return look_up(t, t->devices_root, device, ret_root, err);
}

/* --- a device as a volume ---------------------------------------------------- */

struct device {
	struct fy_thin *t;
	struct fy_volume *data;
	uint64_t root;
};

static int
device_pread(void *handle, void *buf, size_t len, uint64_t offset,
	     struct fy_error *err)
{
	struct device *d = handle;
	uint64_t unit = d->t->info.block_bytes, value, block;
	unsigned char *to = buf;
	size_t part;
	int r;

	while (len > 0) {
		part = (size_t)fy_min_u64(len, unit - offset % unit);
		r = look_up(d->t, d->root, offset / unit, &value, err);
		if (r == -1)
			return -1;
		if (r == 0)
			memset(to, 0, part);
		else if (check_mapping(d->t, value, &block, err) == -1 ||
			 fy_volume_pread(d->data, to, part,
					 block * unit + offset % unit,
					 err) == -1)
			return -1;
		to += part;
		offset += part;
		len -= part;
	}
	return 0;
}

static const struct fy_volume_ops device_ops = {
	.pread = device_pread,
	.close = free,
};

int
fy_thin_volume(struct fy_thin *t, uint64_t root, struct fy_volume *data,
	       uint64_t size, const char *name, struct fy_volume **ret,
	       struct fy_error *err)
{
	struct device *d = malloc(sizeof(*d));

	if (d == NULL)
		return fy_error_nomem(err);
	*d = (struct device){ t, data, root };
	*ret = fy_volume_new(&device_ops, d, name, size,
			     fy_volume_sector_bytes(data), err);
	return *ret == NULL ? -1 : 0;
}
