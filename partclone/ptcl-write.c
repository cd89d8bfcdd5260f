/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing partclone's images (format 2, little endian): what Debian's partclone
 * and Clonezilla restore.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/ptcl.h"

#define READ_BYTES (4u << 20)
#define READ_ALIGN 4096u

int
fy_ptcl_round(const struct fy_extents *used, uint32_t block_bytes,
	      struct fy_extents *ret, struct fy_error *err)
{
	struct fy_extents_cursor c;
	struct fy_extent x;
	uint64_t from, to;
	int r;

	fy_extents_cursor_init(&c, used);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		from = x.offset / block_bytes * block_bytes;
		to = x.offset + x.length;
		to += (block_bytes - to % block_bytes) % block_bytes;
		if (fy_extents_append(ret, from, to - from, err) == -1)
			return -1;
	}
	return r;
}

/* --- names ----------------------------------------------------------------------- */

/* By the number of clusters, as Microsoft's specification tells them apart. */
static int
fat_name(struct fy_volume *v, char ret[17], struct fy_error *err)
{
	uint64_t sectors, reserved, fats, fat_sectors, root, bytes, per;
	unsigned char p[512];
	unsigned bits = 32;

	memcpy(ret, "raw", 4);
	if (fy_volume_size(v) < sizeof(p))
		return 0;
	if (fy_volume_pread(v, p, sizeof(p), 0, err) == -1)
		return -1;
	bytes = fy_get_le16(p + 11);
	per = p[13];
	reserved = fy_get_le16(p + 14);
	fats = p[16];
	root = (uint64_t)fy_get_le16(p + 17) * 32;
	sectors = fy_get_le16(p + 19) != 0 ? fy_get_le16(p + 19)
					   : fy_get_le32(p + 32);
	fat_sectors = fy_get_le16(p + 22) != 0 ? fy_get_le16(p + 22)
					       : fy_get_le32(p + 36);
	if (bytes == 0 || per == 0)
		return 0;
	reserved += fats * fat_sectors + (root + bytes - 1) / bytes;
	if (reserved > sectors)
		return 0;
	if ((sectors - reserved) / per < 4085)
		bits = 12;
	else if ((sectors - reserved) / per < 65525)
		bits = 16;
	snprintf(ret, 17, "FAT%u", bits);
	return 0;
}

int
fy_ptcl_filesystem(struct fy_volume *v, const char *name, char ret[17],
		   struct fy_error *err)
{
	static const struct {
		const char *blkid, *partclone;
	} names[] = {
		{ "ext2", "EXTFS" },
		{ "ext3", "EXTFS" },
		{ "ext4", "EXTFS" },
		{ "ext4dev", "EXTFS" },
		{ "ntfs", "NTFS" },
		{ "exfat", "EXFAT" },
		{ "xfs", "XFS" },
		{ "btrfs", "BTRFS" },
		{ "f2fs", "F2FS" },
		{ "hfsplus", "HFS Plus" },
		{ "jfs", "JFS" },
		{ "reiserfs", "REISERFS" },
		{ "reiser4", "REISER4" },
		{ "ufs", "UFS" },
		{ "nilfs2", "NILFS" },
		{ "apfs", "APFS" },
		{ "minix", "MINIX" },
		{ "VMFS", "VMFS" },
		{ "VMFS_volume_member", "VMFS" },
	};
	size_t i;

	if (fy_streq(name, "vfat"))
		return fat_name(v, ret, err);
	snprintf(ret, 17, "raw");
	for (i = 0; name != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].blkid, name) == 0)
			snprintf(ret, 17, "%s", names[i].partclone);
	return 0;
}

/* --- the image -------------------------------------------------------------------- */

struct writer {
	struct fy_volume *v;
	const struct fy_ptcl_header *h;
	struct fy_pack *out;
	struct fy_ptcl_sum *sum;
	uint64_t strip_left, strip_bytes;
	unsigned char *buf;
	struct fy_progress *progress;
	const struct fy_stop *stop;
};

static int
put_sum(struct writer *w, struct fy_error *err)
{
	unsigned char p[16];

	fy_ptcl_sum_get(w->sum, false, p);
	w->strip_left = w->strip_bytes;
	if (w->h->reseed)
		fy_ptcl_sum_begin(w->sum);
	return fy_pack_write(w->out, p, fy_ptcl_sum_bytes(w->h->sum), err);
}

/* Blocks that were read, with the checksums that come between them. */
static int
put_blocks(struct writer *w, const unsigned char *p, size_t len,
	   struct fy_error *err)
{
	size_t n;

	if (w->h->sum == FY_PTCL_SUM_NONE)
		return fy_pack_write(w->out, p, len, err);
	while (len > 0) {
		n = (size_t)fy_min_u64(len, w->strip_left);
		fy_ptcl_sum_add(w->sum, p, n);
		if (fy_pack_write(w->out, p, n, err) == -1)
			return -1;
		p += n;
		len -= n;
		w->strip_left -= n;
		if (w->strip_left == 0 && put_sum(w, err) == -1)
			return -1;
	}
	return 0;
}

static int
put_extent(struct writer *w, const struct fy_extent *x, struct fy_error *err)
{
	uint64_t at, end = x->offset + x->length;
	size_t n;

	for (at = x->offset; at < end; at += n) {
		/* Up to a round offset: the disk reads best so. */
		n = (size_t)fy_min_u64(end - at, READ_BYTES - at % READ_BYTES);
		if (fy_stop_check(w->stop, err) == -1 ||
		    fy_volume_pread(w->v, w->buf, n, at, err) == -1 ||
		    put_blocks(w, w->buf, n, err) == -1)
			return -1;
		fy_progress_add(w->progress, n, 0);
	}
	return 0;
}

static int
put_data(struct writer *w, const struct fy_extents *used, struct fy_error *err)
{
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	fy_extents_cursor_init(&c, used);
	while ((r = fy_extents_next(&c, &x, err)) == 1)
		if (put_extent(w, &x, err) == -1)
			return -1;
	if (r == -1)
		return -1;
	return w->strip_left == w->strip_bytes ? 0 : put_sum(w, err);
}

static int
put_head(struct writer *w, const struct fy_extents *used, struct fy_error *err)
{
	unsigned char p[FY_PTCL_HEADER_BYTES];

	fy_ptcl_header_encode(w->h, p);
	if (fy_pack_write(w->out, p, sizeof(p), err) == -1)
		return -1;
	if (w->h->bitmap == FY_PTCL_BITMAP_NONE)
		return 0;
	return fy_ptcl_bitmap_write(used, w->h, w->out, w->stop, err);
}

int
fy_ptcl_write(struct fy_volume *v, const struct fy_extents *used,
	      struct fy_ptcl_header *h, struct fy_pack *out,
	      struct fy_progress *progress, const struct fy_stop *stop,
	      struct fy_error *err)
{
	struct writer w = {
		.v = v, .h = h, .out = out, .progress = progress, .stop = stop
	};
	int r = -1;

	h->version = 2;
	h->bitmap = FY_PTCL_BITMAP_BIT;
	h->used_blocks = fy_extents_bytes(used) / h->block_bytes;
	h->used_in_super = h->used_blocks;
	w.strip_bytes = h->sum == FY_PTCL_SUM_NONE
				? UINT64_MAX
				: (uint64_t)h->strip_blocks * h->block_bytes;
	w.strip_left = w.strip_bytes;
	w.sum = fy_ptcl_sum_new(h->sum, err);
	if (w.sum == NULL)
		return -1;
	if (posix_memalign((void **)&w.buf, READ_ALIGN, READ_BYTES) != 0)
		fy_error_nomem(err);
	else if (put_head(&w, used, err) == 0 && put_data(&w, used, err) == 0)
		r = 0;
	free(w.buf);
	fy_ptcl_sum_free(w.sum);
	return r;
}
