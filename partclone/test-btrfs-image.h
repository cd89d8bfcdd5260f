/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PARTCLONE_TEST_BTRFS_IMAGE_H
#define FY_PARTCLONE_TEST_BTRFS_IMAGE_H

/*
 * A small Btrfs, written byte by byte on one to six devices of 16 MiB: all
 * tree blocks in one chunk that is not striped, one leaf a tree (the extent
 * tree may have two), data extents where the test wants them.
 */
#include "partclone/btrfs.h"
#include "partclone/test-image.h"

#define NODE   4096u
#define SIZE   (16 * FY_MIB)
#define STRIPE 65536u
#define META   0x1000000u /* logical; the chunk of all tree blocks */
#define DATA   0x2000000u

#define F_DATA	1u
#define F_META	6u /* and system */
#define RAID0	(1u << 3)
#define RAID1	(1u << 4)
#define DUP	(1u << 5)
#define RAID10	(1u << 6)
#define RAID5	(1u << 7)
#define RAID6	(1u << 8)
#define RAID1C3 (1u << 9)

struct chunk {
	uint64_t start, length, flags;
	unsigned n, device[6];
	uint64_t at[6];
	int64_t lie; /* added to what the block group counts */
	bool no_group;
};

struct spec {
	unsigned devices;
	struct chunk chunks[4];
	unsigned n_chunks;
	uint64_t extents[16][2]; /* of data, logical */
	unsigned n_extents;
	bool group_tree, split; /* the extent tree in two leaves */
	unsigned csum, replace;
	uint64_t cut;	     /* bytes that it ends before its device */
	uint64_t lost_range; /* a place that is not in the device tree */
	uint64_t incompat, lost_block; /* a tree block without its extent */
};

struct fs {
	struct spec spec;
	struct image m[6];
};

enum { CHUNK, ROOT, EXTENT, DEV, GROUP, LEAF1, LEAF2, BLOCKS };

/* --- writing --------------------------------------------------------------------- */

static const unsigned char fsid[17] = "fsid of the test";
static const uint64_t owners[BLOCKS] = { 3, 1, 2, 4, 11, 2, 2 };

struct block {
	unsigned char b[NODE];
	unsigned n;
	uint32_t end;
};

static inline void
block_new(struct block *k, uint64_t bytenr, unsigned which, unsigned level)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->b + 32, fsid, 16);
	fy_put_le64(k->b + 48, bytenr);
	fy_put_le64(k->b + 80, 7);
	fy_put_le64(k->b + 88, owners[which]);
	k->b[100] = (unsigned char)level;
	k->end = NODE - 101;
}

static inline void
put_key(unsigned char *b, uint64_t objectid, unsigned type, uint64_t offset)
{
	fy_put_le64(b, objectid);
	b[8] = (unsigned char)type;
	fy_put_le64(b + 9, offset);
}

static inline unsigned char *
add(struct block *k, uint64_t objectid, unsigned type, uint64_t offset,
    uint32_t len)
{
	unsigned char *item = k->b + 101 + 25 * k->n++;

	k->end -= len;
	put_key(item, objectid, type, offset);
	fy_put_le32(item + 17, k->end);
	fy_put_le32(item + 21, len);
	fy_put_le32(k->b + 96, k->n);
	return k->b + 101 + k->end;
}

static inline void
add_child(struct block *k, const struct block *child)
{
	unsigned char *ptr = k->b + 101 + 33 * k->n++;

	memcpy(ptr, child->b + 101, 17);
	memcpy(ptr + 17, child->b + 48, 8);
	fy_put_le64(ptr + 25, 7);
	fy_put_le32(k->b + 96, k->n);
}

static inline void
set_csum(const struct fs *f, unsigned char *b)
{
	fy_btrfs_csum(f->spec.csum, b + 32, NODE - 32, b);
}

/* All copies of a tree block (its chunk is not striped). */
static inline void
put_block(struct fs *f, struct block *k)
{
	const struct chunk *c = &f->spec.chunks[0];
	uint64_t at = fy_get_le64(k->b + 48) - c->start;
	unsigned i;

	set_csum(f, k->b);
	for (i = 0; i < c->n; i++)
		put(&f->m[c->device[i]], c->at[i] + at, k->b, NODE);
}

static inline void
device_uuid(unsigned device, unsigned char ret[16])
{
	memset(ret, (int)device + 0x40, 16);
}

static inline void
fill_chunk(const struct chunk *c, unsigned char *b)
{
	unsigned i;

	memset(b, 0, 48 + 32 * c->n);
	fy_put_le64(b, c->length);
	fy_put_le64(b + 8, 2);
	fy_put_le64(b + 16, STRIPE);
	fy_put_le64(b + 24, c->flags);
	fy_put_le16(b + 44, (uint16_t)c->n);
	fy_put_le16(b + 46, c->flags & RAID10 ? 2 : 1);
	for (i = 0; i < c->n; i++) {
		fy_put_le64(b + 48 + 32 * i, c->device[i] + 1);
		fy_put_le64(b + 56 + 32 * i, c->at[i]);
		device_uuid(c->device[i], b + 64 + 32 * i);
	}
}

static inline void
fill_device(const struct fs *f, unsigned device, unsigned char b[98])
{
	memset(b, 0, 98);
	fy_put_le64(b, device + 1);
	fy_put_le64(b + 8, SIZE - f->spec.cut);
	device_uuid(device, b + 66);
	memcpy(b + 82, fsid, 16);
}

static inline void
put_chunk_tree(struct fs *f)
{
	struct block k;
	unsigned i;

	block_new(&k, META + CHUNK * NODE, CHUNK, 0);
	for (i = 0; i < f->spec.devices; i++)
		fill_device(f, i, add(&k, 1, 216, i + 1, 98));
	for (i = 0; i < f->spec.n_chunks; i++) {
		const struct chunk *c = &f->spec.chunks[i];

		fill_chunk(c, add(&k, 256, 228, c->start, 48 + 32 * c->n));
	}
	put_block(f, &k);
}

static inline void
add_root(struct block *k, unsigned which, unsigned level)
{
	unsigned char *b = add(k, owners[which], 132, 0, 439);

	fy_put_le64(b + 160, 7);
	fy_put_le64(b + 176, META + which * NODE);
	fy_put_le32(b + 216, 1);
	b[238] = (unsigned char)level;
}

static inline void
put_root_tree(struct fs *f)
{
	struct block k;

	block_new(&k, META + ROOT * NODE, ROOT, 0);
	add_root(&k, EXTENT, f->spec.split);
	add_root(&k, DEV, 0);
	if (f->spec.group_tree)
		add_root(&k, GROUP, 0);
	put_block(f, &k);
}

static inline uint64_t
stripe_bytes(const struct chunk *c)
{
	return c->length / (c->flags & RAID0	? c->n
			    : c->flags & RAID10 ? c->n / 2
			    : c->flags & RAID5	? c->n - 1
			    : c->flags & RAID6	? c->n - 2
						: 1);
}

/* By device and place: what there is of each device is put in order. */
static inline void
put_dev_tree(struct fs *f)
{
	uint64_t at, next;
	struct block k;
	unsigned d, i, s;

	block_new(&k, META + DEV * NODE, DEV, 0);
	fy_put_le64(add(&k, 0, 250, 0, 72) + 32, f->spec.replace);
	for (d = 0; d < f->spec.devices; d++)
		for (at = 0; at < SIZE; at = next) {
			next = SIZE;
			for (i = 0; i < f->spec.n_chunks; i++)
				for (s = 0; s < f->spec.chunks[i].n; s++) {
					const struct chunk *c =
						&f->spec.chunks[i];
					unsigned char *b;

					if (c->device[s] != d)
						continue;
					if (c->at[s] > at)
						next = fy_min_u64(next,
								  c->at[s]);
					if (c->at[s] != at ||
					    at == f->spec.lost_range)
						continue;
					b = add(&k, d + 1, 204, at, 48);
					memset(b, 0, 48);
					fy_put_le64(b + 16, c->start);
					fy_put_le64(b + 24, stripe_bytes(c));
				}
		}
	put_block(f, &k);
}

static inline bool
is_block_used(const struct fs *f, unsigned which)
{
	if (which == GROUP)
		return f->spec.group_tree;
	return which < LEAF1 || f->spec.split;
}

static inline uint64_t
count_used(const struct fs *f, const struct chunk *c)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; c->start == META && i < BLOCKS; i++)
		if (is_block_used(f, i) && i != f->spec.lost_block)
			sum += NODE;
	for (i = 0; i < f->spec.n_extents; i++)
		if (f->spec.extents[i][0] >= c->start &&
		    f->spec.extents[i][0] < c->start + c->length)
			sum += f->spec.extents[i][1];
	return sum + (uint64_t)c->lie;
}

static inline void
add_group(const struct fs *f, const struct chunk *c, struct block *k)
{
	unsigned char *b;

	if (c->no_group)
		return;
	b = add(k, c->start, 192, c->length, 24);
	fy_put_le64(b, count_used(f, c));
	fy_put_le64(b + 8, 256);
	fy_put_le64(b + 16, c->flags);
}

static inline void
add_extents(const struct fs *f, const struct chunk *c, struct block *k)
{
	bool done = f->spec.group_tree;
	unsigned i;

	for (i = 0; c->start == META && i < BLOCKS; i++) {
		if (is_block_used(f, i) && i != f->spec.lost_block)
			memset(add(k, META + i * NODE, 169, 0, 33), 0, 33);
		if (!done)
			add_group(f, c, k);
		done = true;
	}
	if (!done)
		add_group(f, c, k);
	for (i = 0; i < f->spec.n_extents; i++)
		if (f->spec.extents[i][0] >= c->start &&
		    f->spec.extents[i][0] < c->start + c->length)
			memset(add(k, f->spec.extents[i][0], 168,
				   f->spec.extents[i][1], 53),
			       0, 53);
}

static inline void
put_extent_tree(struct fs *f)
{
	static struct block k, second, root;
	unsigned i;

	block_new(&k, META + (f->spec.split ? LEAF1 : EXTENT) * NODE, EXTENT,
		  0);
	add_extents(f, &f->spec.chunks[0], &k);
	block_new(&second, META + LEAF2 * NODE, EXTENT, 0);
	for (i = 1; i < f->spec.n_chunks; i++)
		add_extents(f, &f->spec.chunks[i],
			    f->spec.split ? &second : &k);
	put_block(f, &k);
	if (!f->spec.split)
		return;
	put_block(f, &second);
	block_new(&root, META + EXTENT * NODE, EXTENT, 1);
	add_child(&root, &k);
	add_child(&root, &second);
	put_block(f, &root);
}

static inline void
put_group_tree(struct fs *f)
{
	struct block k;
	unsigned i;

	block_new(&k, META + GROUP * NODE, GROUP, 0);
	for (i = 0; i < f->spec.n_chunks; i++)
		add_group(f, &f->spec.chunks[i], &k);
	put_block(f, &k);
}

static inline void
put_super(struct fs *f, unsigned device, uint64_t at)
{
	const struct chunk *c = &f->spec.chunks[0];
	unsigned char b[4096] = { 0 };

	memcpy(b + 0x20, fsid, 16);
	fy_put_le64(b + 0x30, at);
	memcpy(b + 0x40, "_BHRfS_M", 8);
	fy_put_le64(b + 0x48, 7);
	fy_put_le64(b + 0x50, META + ROOT * NODE);
	fy_put_le64(b + 0x58, META + CHUNK * NODE);
	fy_put_le64(b + 0x70, f->spec.devices * SIZE);
	fy_put_le64(b + 0x88, f->spec.devices);
	fy_put_le32(b + 0x90, 4096);
	fy_put_le32(b + 0x94, NODE);
	fy_put_le32(b + 0xa0, 17 + 48 + 32 * c->n);
	fy_put_le64(b + 0xa4, 7);
	fy_put_le64(b + 0xb4, f->spec.group_tree ? 8 : 0);
	fy_put_le64(b + 0xbc, f->spec.incompat);
	fy_put_le16(b + 0xc4, (uint16_t)f->spec.csum);
	fill_device(f, device, b + 0xc9);
	memcpy(b + 0x12b, "a label", 7);
	put_key(b + 0x32b, 256, 228, c->start);
	fill_chunk(c, b + 0x32b + 17);
	set_csum(f, b);
	put(&f->m[device], at, b, sizeof(b));
}

static inline void
build(struct fs *f)
{
	unsigned i;

	put_chunk_tree(f);
	put_root_tree(f);
	put_extent_tree(f);
	put_dev_tree(f);
	if (f->spec.group_tree)
		put_group_tree(f);
	for (i = 0; i < f->spec.devices; i++)
		put_super(f, i, 65536);
}

static inline struct fs
make(const struct spec *s)
{
	struct fs f = { .spec = *s };
	unsigned i;

	if (f.spec.incompat == 0)
		f.spec.incompat = 0x141;
	if (f.spec.lost_block == 0)
		f.spec.lost_block = BLOCKS;
	for (i = 0; i < s->devices; i++)
		f.m[i] = image_new(SIZE, 512);
	build(&f);
	return f;
}

static inline void
drop(struct fs *f)
{
	unsigned i;

	for (i = 0; i < f->spec.devices; i++)
		image_free(&f->m[i]);
}

/* Change bytes of a superblock or tree block at a place of device 0, and
 * correct its checksum. */
static inline void
poke(struct fs *f, uint64_t block_at, unsigned offset, const void *data,
     size_t len)
{
	unsigned char b[NODE];

	CHECK(pread(f->m[0].fd, b, sizeof(b), (off_t)block_at) == NODE);
	memcpy(b + offset, data, len);
	set_csum(f, b);
	put(&f->m[0], block_at, b, sizeof(b));
}

static inline void
poke64(struct fs *f, uint64_t block_at, unsigned offset, uint64_t value)
{
	unsigned char b[8];

	fy_put_le64(b, value);
	poke(f, block_at, offset, b, sizeof(b));
}

#define SUPER 65536

/* --- examples ----------------------------------------------------------------- */

/* One device; metadata at 2 MiB, data at 4 MiB. */
static const struct spec plain = {
	.devices = 1,
	.n_chunks = 2,
	.chunks = { { META,
		      FY_MIB,
		      F_META,
		      1,
		      { 0 },
		      { 2 * FY_MIB },
		      0,
		      false },
		    { DATA,
		      2 * FY_MIB,
		      F_DATA,
		      1,
		      { 0 },
		      { 4 * FY_MIB },
		      0,
		      false } },
	.n_extents = 2,
	.extents = { { DATA + 8192, 4096 }, { DATA + FY_MIB, FY_MIB } },
};

#define M_AT (2 * FY_MIB)
#define D_AT (4 * FY_MIB)

/* Two copies on one device, out of order. */
static const struct chunk twice = { META, FY_MIB,   F_META | DUP,
				    2,	  { 0, 0 }, { 8 * FY_MIB, 2 * FY_MIB },
				    0,	  false };

#endif
