/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PARTCLONE_TEST_NTFS_H
#define FY_PARTCLONE_TEST_NTFS_H

/*
 * NTFS volumes made by the unit tests.  The volume is cut into REGIONS regions
 * of at least 64 KiB: boot area, MFT, its mirror, $LogFile, $Bitmap, the root
 * directory's index, and free ones.  A region is one run of clusters.
 */
#include "partclone/filesystem.h"
#include "partclone/test-image.h"

#define REGIONS	     128u
#define REGION_BYTES 65536u
#define RECORDS	     48u /* in the MFT; those from 24 on are free at first */

enum region { R_BOOT, R_MFT, R_MIRROR, R_LOG, R_BITMAP, R_ROOT, R_FREE };

struct layout {
	uint32_t sector, cluster, record;
};

struct ntfs {
	struct image m;
	struct layout l;
	uint64_t region; /* bytes */
	uint32_t per;	 /* clusters in a region */
	uint64_t clusters;
};

/* A record that is being written. */
struct record {
	unsigned char b[1024]; /* zeros behind */
	uint32_t number, at;
};

static inline uint64_t
lcn_of(const struct ntfs *n, unsigned region)
{
	return (uint64_t)region * n->per;
}

static inline void
set_fixups(unsigned char *b, uint32_t len, uint32_t usa)
{
	uint32_t i, n = len / 512;

	fy_put_le16(b + 4, (uint16_t)usa);
	fy_put_le16(b + 6, (uint16_t)(n + 1));
	fy_put_le16(b + usa, 0x0a0b);
	for (i = 0; i < n; i++) {
		memcpy(b + usa + 2 + 2 * i, b + i * 512 + 510, 2);
		memcpy(b + i * 512 + 510, b + usa, 2);
	}
}

static inline struct record
begin(const struct ntfs *n, uint32_t number, unsigned flags)
{
	struct record r = { .number = number, .at = 72 };

	memcpy(r.b, "FILE", 4);
	fy_put_le16(r.b + 16, 1); /* sequence */
	fy_put_le16(r.b + 20, 72);
	fy_put_le16(r.b + 22, (uint16_t)flags);
	fy_put_le32(r.b + 28, n->l.record);
	fy_put_le32(r.b + 44, number);
	return r;
}

/* The head of an attribute, with its name; returns where its body goes. */
static inline unsigned char *
attribute(struct record *r, uint32_t type, const char *name, uint32_t head,
	  uint32_t body)
{
	unsigned char *p = r->b + r->at;
	uint32_t units = (uint32_t)strlen(name), i;
	uint32_t value = (head + 2 * units + 7) / 8 * 8;
	uint32_t len = (value + body + 7) / 8 * 8;

	CHECK(r->at + len + 8 <= sizeof(r->b));
	fy_put_le32(p, type);
	fy_put_le32(p + 4, len);
	p[8] = head == 64;
	p[9] = (unsigned char)units;
	fy_put_le16(p + 10, (uint16_t)head);
	for (i = 0; i < units; i++)
		p[head + 2 * i] = (unsigned char)name[i];
	fy_put_le16(p + (head == 64 ? 32 : 20), (uint16_t)value);
	r->at += len;
	return p;
}

static inline void
resident(struct record *r, uint32_t type, const char *name, const void *value,
	 uint32_t len)
{
	unsigned char *p = attribute(r, type, name, 24, len);

	fy_put_le32(p + 16, len);
	memcpy(p + fy_get_le16(p + 20), value, len);
}

/* A piece of an attribute with these coded runs. */
static inline void
piece(struct record *r, uint32_t type, const char *name, uint64_t first_vcn,
      const void *pairs, uint32_t pairs_len, uint64_t size)
{
	unsigned char *p = attribute(r, type, name, 64, pairs_len + 1);

	fy_put_le64(p + 16, first_vcn);
	fy_put_le64(p + 40, size);
	fy_put_le64(p + 48, size);
	fy_put_le64(p + 56, size);
	memcpy(p + fy_get_le16(p + 32), pairs, pairs_len);
}

/* One run as it is coded: 'delta' in 4 bytes, 'clusters' in 4 bytes. */
static inline uint32_t
code_run(unsigned char *to, uint64_t clusters, int64_t delta)
{
	to[0] = 0x44;
	fy_put_le32(to + 1, (uint32_t)clusters);
	fy_put_le32(to + 5, (uint32_t)delta);
	return 9;
}

/* An attribute that is 'n' regions from this one on. */
static inline void
regions(struct record *r, const struct ntfs *n, uint32_t type, const char *name,
	unsigned region, unsigned count, uint64_t size)
{
	unsigned char pairs[9];

	piece(r, type, name, 0, pairs,
	      code_run(pairs, (uint64_t)count * n->per,
		       (int64_t)lcn_of(n, region)),
	      size);
}

static inline void
file_name(struct record *r, uint64_t parent, const char *name, unsigned space)
{
	unsigned char v[600] = { 0 };
	uint32_t i;

	fy_put_le64(v, parent);
	v[64] = (unsigned char)strlen(name);
	v[65] = (unsigned char)space;
	for (i = 0; name[i] != '\0'; i++)
		v[66 + 2 * i] = (unsigned char)name[i];
	resident(r, 0x30, "", v, 66 + 2 * i);
}

static inline void
finish(struct ntfs *n, struct record *r)
{
	static unsigned char copy[4096];
	uint64_t at = R_MFT * n->region + (uint64_t)r->number * n->l.record;

	fy_put_le32(r->b + r->at, UINT32_MAX);
	fy_put_le32(r->b + 24, r->at + 8);
	CHECK(r->at + 8 <= sizeof(r->b));
	memset(copy, 0, sizeof(copy));
	memcpy(copy, r->b, sizeof(r->b));
	set_fixups(copy, n->l.record, 48);
	put(&n->m, at, copy, n->l.record);
	if (r->number < 4)
		put(&n->m,
		    R_MIRROR * n->region + (uint64_t)r->number * n->l.record,
		    copy, n->l.record);
}

/* Mark clusters in the bitmap. */
static inline void
mark(struct ntfs *n, uint64_t from, uint64_t count, bool used)
{
	uint64_t at = R_BITMAP * n->region, i;
	unsigned char b;

	for (i = from; i < from + count; i++) {
		CHECK(pread(n->m.fd, &b, 1, (off_t)(at + i / 8)) == 1);
		if (used)
			b = (unsigned char)(b | 1u << i % 8);
		else
			b = (unsigned char)(b & ~(1u << i % 8));
		put(&n->m, at + i / 8, &b, 1);
	}
}

static inline uint64_t
ref(uint64_t number)
{
	return number | UINT64_C(1) << 48;
}

/* One index entry; returns its length. */
static inline uint32_t
index_entry(unsigned char *p, uint64_t what, uint64_t parent, const char *name,
	    unsigned space)
{
	uint32_t units = (uint32_t)strlen(name), i, key = 66 + 2 * units;
	uint32_t len = (16 + key + 7) / 8 * 8;

	memset(p, 0, len);
	fy_put_le64(p, what);
	fy_put_le16(p + 8, (uint16_t)len);
	fy_put_le16(p + 10, (uint16_t)key);
	fy_put_le64(p + 16, parent);
	p[16 + 64] = (unsigned char)units;
	p[16 + 65] = (unsigned char)space;
	for (i = 0; i < units; i++)
		p[16 + 66 + 2 * i] = (unsigned char)name[i];
	return len;
}

/* A directory's index in blocks of 4096 bytes: 'entries' (coded) in the first
 * block of this region. */
static inline void
index_block(struct ntfs *n, unsigned region, const unsigned char *entries,
	    uint32_t len)
{
	unsigned char b[4096] = "INDX";

	fy_put_le32(b + 24, 40);
	fy_put_le32(b + 28, 40 + len + 16);
	fy_put_le32(b + 32, sizeof(b) - 24);
	if (len > 0)
		memcpy(b + 64, entries, len);
	fy_put_le16(b + 64 + len + 8, 16);
	fy_put_le16(b + 64 + len + 12, 2);
	set_fixups(b, sizeof(b), 40);
	put(&n->m, region * n->region, b, sizeof(b));
}

static inline void
directory(struct record *r, const struct ntfs *n, unsigned region)
{
	unsigned char root[16 + 16 + 16] = { 0x30 };

	fy_put_le32(root + 8, 4096);
	fy_put_le32(root + 16, 16);
	fy_put_le32(root + 20, 32);
	root[28] = 1;
	fy_put_le16(root + 32 + 8, 16);
	fy_put_le16(root + 32 + 12, 2);
	resident(r, 0x90, "$I30", root, sizeof(root));
	regions(r, n, 0xa0, "$I30", region, 1, 4096);
}

/* A restart page of 4096 bytes. */
static inline void
restart_page(struct ntfs *n, unsigned which, uint64_t lsn, unsigned client,
	     unsigned flags)
{
	unsigned char b[4096] = "RSTR";

	fy_put_le32(b + 16, sizeof(b));
	fy_put_le32(b + 20, sizeof(b));
	fy_put_le16(b + 24, 64);
	fy_put_le16(b + 26, 1);
	fy_put_le16(b + 28, 1);
	fy_put_le64(b + 64, lsn);
	fy_put_le16(b + 64 + 12, (uint16_t)client);
	fy_put_le16(b + 64 + 14, (uint16_t)flags);
	set_fixups(b, sizeof(b), 30);
	put(&n->m, R_LOG * n->region + which * 4096ull, b, sizeof(b));
}

static inline void
volume_record(struct ntfs *n, unsigned major, unsigned minor, unsigned flags)
{
	unsigned char info[12] = { 0 };
	struct record r = begin(n, 3, 1);

	info[8] = (unsigned char)major;
	info[9] = (unsigned char)minor;
	fy_put_le16(info + 10, (uint16_t)flags);
	resident(&r, 0x60, "", "v\0o\0l", 6);
	resident(&r, 0x70, "", info, sizeof(info));
	finish(n, &r);
}

static inline uint64_t
bitmap_bytes(const struct ntfs *n)
{
	return (n->clusters + 63) / 64 * 8;
}

static inline void
mft_record(struct ntfs *n)
{
	struct record r = begin(n, 0, 1);
	unsigned char in_use[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	file_name(&r, ref(5), "$MFT", 3);
	regions(&r, n, 0x80, "", R_MFT, 1, RECORDS * (uint64_t)n->l.record);
	resident(&r, 0xb0, "", in_use, sizeof(in_use));
	finish(n, &r);
}

/* $BadClus with these coded runs. */
static inline void
bad_record(struct ntfs *n, const void *pairs, uint32_t len)
{
	struct record r = begin(n, 8, 1);

	resident(&r, 0x80, "", "", 0);
	piece(&r, 0x80, "$Bad", 0, pairs, len, n->clusters * n->l.cluster);
	finish(n, &r);
}

static inline void
own_records(struct ntfs *n)
{
	static const unsigned region_of[] = {
		[1] = R_MIRROR, [2] = R_LOG, [6] = R_BITMAP, [7] = R_BOOT
	};
	unsigned char hole[5] = { 0x04 };
	unsigned i;

	mft_record(n);
	volume_record(n, 3, 1, 0);
	for (i = 1; i < 12; i++) {
		struct record r = begin(n, i, i == 5 || i == 11 ? 3 : 1);

		if (i == 3 || i == 8)
			continue;
		if (i == 5)
			directory(&r, n, R_ROOT);
		else if (i == 1 || i == 2 || i == 7)
			regions(&r, n, 0x80, "", region_of[i], 1,
				i == 2 ? n->region : 8192);
		else if (i == 6)
			regions(&r, n, 0x80, "", R_BITMAP, 1, bitmap_bytes(n));
		else
			resident(&r, 0x80, "", "x", 1);
		finish(n, &r);
	}
	fy_put_le32(hole + 1, (uint32_t)n->clusters);
	bad_record(n, hole, sizeof(hole));
}

static inline unsigned
code_size(uint64_t bytes, uint64_t unit)
{
	unsigned shift = 0;

	if (bytes >= unit && bytes / unit < 128)
		return (unsigned)(bytes / unit);
	while (UINT64_C(1) << shift < bytes)
		shift++;
	return 256 - shift;
}

static inline void
boot_sector(struct ntfs *n)
{
	unsigned char b[512] = "\xeb\x52\x90NTFS    ";
	uint64_t per = n->l.cluster / n->l.sector;
	uint64_t total = n->m.size / n->l.sector - 1;

	fy_put_le16(b + 11, (uint16_t)n->l.sector);
	b[13] = (unsigned char)(per <= 128
					? per
					: 256 - (uint64_t)__builtin_ctzll(per));
	b[21] = 0xf8;
	fy_put_le64(b + 40, total);
	fy_put_le64(b + 48, lcn_of(n, R_MFT));
	fy_put_le64(b + 56, lcn_of(n, R_MIRROR));
	b[64] = (unsigned char)code_size(n->l.record, n->l.cluster);
	b[68] = (unsigned char)code_size(4096, n->l.cluster);
	fy_put_le64(b + 72, 0x123456789abcdef0);
	b[510] = 0x55;
	b[511] = 0xaa;
	put(&n->m, 0, b, sizeof(b));
	put(&n->m, total * n->l.sector, b, sizeof(b));
}

/* A clean volume, with nothing on it.  A sector lies between the last cluster
 * and the boot sector's backup. */
static inline struct ntfs
ntfs_new(const struct layout *l)
{
	struct ntfs n = { .l = *l };

	n.region = fy_max_u64(l->cluster, REGION_BYTES);
	n.per = (uint32_t)(n.region / l->cluster);
	n.clusters = (uint64_t)REGIONS * n.per;
	n.m = image_new(REGIONS * n.region + 2ull * l->sector, l->sector);
	if (l->cluster == l->sector)
		n.clusters++;
	boot_sector(&n);
	mark(&n, 0, lcn_of(&n, R_FREE), true);
	restart_page(&n, 0, 100, 0xffff, 2);
	restart_page(&n, 1, 90, 0, 0);
	own_records(&n);
	index_block(&n, R_ROOT, NULL, 0);
	return n;
}

#endif
