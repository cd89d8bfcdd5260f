/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FAT12, FAT16 and FAT32: the boot sector decides the layout, the FAT which
 * clusters are used.
 *
 * Everything before the data area is used: boot sector, FSInfo (never
 * believed), backup boot sector, the other reserved sectors, all FATs, and the
 * fixed root directory.  A cluster is free only when the FAT in use says so,
 * and so does the second copy where the FATs mirror each other; it is left out
 * as bad only when both call it bad.  Clusters for which the FAT is too short
 * are used.  The FATs are read side by side, WINDOW entries at a time, so
 * memory does not depend on the size.
 *
 * A FAT whose dirty mark is set is used whole: a file's newest clusters may
 * not be in the FAT yet, and these volumes (the ESP) are small.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/signature.h"

#define WINDOW	       (24 * 1024) /* entries, even */
#define BUFFER	       (WINDOW * 4)
#define ROOT_SCAN      65536u /* directory entries looked at for the label */
#define FAT12_CLUSTERS 4084u
#define FAT16_CLUSTERS 65524u
#define FAT32_CLUSTERS 0x0ffffff5u

struct fat {
	unsigned bits; /* 12, 16, 32 */
	uint32_t sector_bytes, cluster_bytes, fats, root_cluster;
	uint32_t active; /* the FAT that is used, when they don't mirror */
	bool mirrored, dirty, misnamed;
	uint64_t fat_offset, fat_bytes, root_offset, root_bytes;
	uint64_t data_offset, clusters, total_bytes;
	uint64_t entries; /* that a FAT has room for */
	unsigned char serial[4], label[11];
};

enum state { STATE_FREE, STATE_USED, STATE_BAD };

/* --- the boot sector ------------------------------------------------------ */

static bool
is_other(const unsigned char *b)
{
	static const char *const others[] = { "NTFS    ", "EXFAT   ",
					      "-FVE-FS-", "HPFS    " };
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (memcmp(b + 3, others[i], 8) == 0)
			return true;
	return false;
}

/* Whether it is the start of a FAT: a jump or a name, and a medium. */
static bool
looks_like_fat(const unsigned char *b)
{
	bool named = memcmp(b + 54, "FAT", 3) == 0 ||
		     memcmp(b + 82, "FAT32", 5) == 0 ||
		     memcmp(b + 54, "MSDOS", 5) == 0 ||
		     memcmp(b + 82, "MSWIN", 5) == 0;
	bool jump = b[0] == 0xeb || b[0] == 0xe9;

	if (is_other(b) || (b[21] != 0xf0 && b[21] < 0xf8))
		return false;
	return named || (jump && b[510] == 0x55 && b[511] == 0xaa);
}

static uint64_t
total_sectors(const unsigned char *b)
{
	uint64_t total = fy_get_le16(b + 19);

	return total != 0 ? total : fy_get_le32(b + 32);
}

/* Sizes and places.  All fit: 32-bit sector counts of at most 4096 bytes. */
static bool
decode_layout(const unsigned char *b, struct fat *f)
{
	uint32_t per_cluster = b[13], reserved = fy_get_le16(b + 14);
	uint64_t fat_sectors = fy_get_le16(b + 22), data;
	uint64_t root_entries = fy_get_le16(b + 17);
	bool is_32 = fat_sectors == 0;

	f->sector_bytes = fy_get_le16(b + 11);
	f->fats = b[16];
	if (f->sector_bytes < 512 || f->sector_bytes > 4096 ||
	    !fy_is_power_of_two(f->sector_bytes) ||
	    !fy_is_power_of_two(per_cluster) || reserved == 0 || f->fats == 0 ||
	    f->fats > 4)
		return false;
	if (is_32)
		fat_sectors = fy_get_le32(b + 36);
	if (fat_sectors == 0 || is_32 != (root_entries == 0))
		return false;
	f->cluster_bytes = f->sector_bytes * per_cluster;
	f->fat_offset = (uint64_t)reserved * f->sector_bytes;
	f->fat_bytes = fat_sectors * f->sector_bytes;
	f->root_offset = f->fat_offset + f->fats * f->fat_bytes;
	f->root_bytes = fy_align_up(root_entries * 32, f->sector_bytes);
	f->data_offset = f->root_offset + f->root_bytes;
	f->total_bytes = total_sectors(b) * f->sector_bytes;
	if (f->total_bytes <= f->data_offset)
		return false;
	data = f->total_bytes - f->data_offset;
	f->clusters = data / f->cluster_bytes;
	if (f->clusters == 0 || f->clusters > FAT32_CLUSTERS ||
	    (!is_32 && f->clusters > FAT16_CLUSTERS))
		return false;
	f->bits = is_32 ? 32 : f->clusters <= FAT12_CLUSTERS ? 12 : 16;
	f->entries = f->fat_bytes * 8 / f->bits;
	return true;
}

static void
decode_rest(const unsigned char *b, struct fat *f)
{
	const unsigned char *ext = f->bits == 32 ? b + 64 : b + 36;
	uint16_t flags = f->bits == 32 ? fy_get_le16(b + 40) : 0;

	f->mirrored = (flags & 0x80) == 0;
	f->active = f->mirrored ? 0 : (flags & 15);
	f->root_cluster = f->bits == 32 ? fy_get_le32(b + 44) : 0;
	if (ext[2] == 0x29 || ext[2] == 0x28) {
		memcpy(f->serial, ext + 3, sizeof(f->serial));
		/* Linux and Windows mark it here too. */
		f->dirty = (ext[1] & 3) != 0;
	}
	f->misnamed = (f->bits == 12 && memcmp(b + 54, "FAT16", 5) == 0) ||
		      (f->bits == 16 && memcmp(b + 54, "FAT12", 5) == 0);
	if (ext[2] == 0x29)
		memcpy(f->label, ext + 7, sizeof(f->label));
}

/* 1, 0 (no FAT), -1. */
static int
open_fat(struct fy_volume *v, struct fat *f, struct fy_error *err)
{
	unsigned char boot[512];

	memset(f, 0, sizeof(*f));
	if (fy_volume_size(v) < sizeof(boot))
		return 0;
	if (fy_volume_pread(v, boot, sizeof(boot), 0, err) == -1)
		return -1;
	if (!looks_like_fat(boot) || !decode_layout(boot, f))
		return 0;
	decode_rest(boot, f);
	return 1;
}

/* --- the FAT --------------------------------------------------------------- */

/* Entry 'i' of the window that begins with an even entry. */
static uint32_t
get_entry(const struct fat *f, const unsigned char *window, size_t i)
{
	uint32_t pair;

	switch (f->bits) {
	case 12:
		pair = fy_get_le16(window + i + i / 2);
		return i % 2 == 0 ? pair & 0xfff : pair >> 4;
	case 16:
		return fy_get_le16(window + i * 2);
	default:
		return fy_get_le32(window + i * 4) & 0x0fffffff;
	}
}

static enum state
entry_state(const struct fat *f, uint32_t entry)
{
	uint32_t bad = f->bits == 12   ? 0xff7
		       : f->bits == 16 ? 0xfff7
				       : 0x0ffffff7;

	return entry == 0 ? STATE_FREE : entry == bad ? STATE_BAD : STATE_USED;
}

/* Read 'n' entries from 'first' (even) of FAT number 'which'. */
static int
read_window(struct fy_volume *v, const struct fat *f, uint32_t which,
	    uint64_t first, size_t n, unsigned char *ret, struct fy_error *err)
{
	uint64_t at = f->fat_offset + which * f->fat_bytes;
	uint64_t from = first * f->bits / 8;
	uint64_t to = ((first + n) * f->bits + 7) / 8;

	memset(ret, 0xff, BUFFER);
	return fy_volume_pread(v, ret, (size_t)(to - from), at + from, err);
}

struct scan {
	struct fy_volume *volume;
	const struct fat *fat;
	struct fy_extents *used;
	uint64_t bad, differing;
	unsigned char first[BUFFER + 1], second[BUFFER + 1];
};

static enum state
state_of(struct scan *s, size_t i)
{
	enum state a, b;

	a = entry_state(s->fat, get_entry(s->fat, s->first, i));
	if (!s->fat->mirrored || s->fat->fats < 2)
		return a;
	b = entry_state(s->fat, get_entry(s->fat, s->second, i));
	if (a == b)
		return a;
	s->differing++;
	return STATE_USED;
}

static int
scan_window(struct scan *s, uint64_t first, size_t n, struct fy_error *err)
{
	const struct fat *f = s->fat;
	size_t i;

	if (read_window(s->volume, f, f->active, first, n, s->first, err) == -1)
		return -1;
	if (f->mirrored && f->fats > 1 &&
	    read_window(s->volume, f, 1, first, n, s->second, err) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		enum state state;

		if (first + i < 2)
			continue;
		state = state_of(s, i);
		s->bad += state == STATE_BAD;
		if (state == STATE_USED &&
		    fy_extents_append(s->used,
				      f->data_offset + (first + i - 2) *
							       f->cluster_bytes,
				      f->cluster_bytes, err) == -1)
			return -1;
	}
	return 0;
}

/* What the FAT has no entries for, and the rest behind the last cluster. */
static int
add_tail(const struct fat *f, uint64_t known, struct fy_extents *used,
	 struct fy_error *err)
{
	uint64_t end = f->data_offset + f->clusters * f->cluster_bytes;
	uint64_t mapped = f->data_offset + known * f->cluster_bytes;

	if (mapped < end &&
	    fy_extents_append(used, mapped, end - mapped, err) == -1)
		return -1;
	return fy_extents_append(used, end, f->total_bytes - end, err);
}

static int
scan_fat(struct fy_volume *v, const struct fat *f,
	 const struct fy_fs_map_options *options, struct fy_extents *used,
	 struct fy_fs_result *ret, struct fy_error *err)
{
	uint64_t entries = fy_min_u64(f->entries, f->clusters + 2), at;
	fy_autofree struct scan *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return fy_error_nomem(err);
	s->volume = v;
	s->fat = f;
	s->used = used;
	if (fy_extents_append(used, 0, f->data_offset, err) == -1)
		return -1;
	for (at = 0; at < entries; at += WINDOW) {
		if (fy_stop_check(options->stop, err) == -1 ||
		    scan_window(s, at, (size_t)fy_min_u64(WINDOW, entries - at),
				err) == -1)
			return -1;
	}
	if (add_tail(f, entries < 2 ? 0 : entries - 2, used, err) == -1)
		return -1;
	if (s->differing > 0) {
		ret->warn = true;
		snprintf(ret->note, sizeof(ret->note),
			 "the copies of the FAT differ in %" PRIu64
			 " entries; those clusters are copied",
			 s->differing);
	} else if (s->bad > 0) {
		snprintf(ret->note, sizeof(ret->note),
			 "%" PRIu64 " bad clusters are not read", s->bad);
	}
	return 0;
}

/* The marks in entry 1: a clear "clean" bit means dirty, a clear "no errors"
 * bit that a write failed. */
static int
is_dirty(struct fy_volume *v, const struct fat *f, bool *ret,
	 struct fy_error *err)
{
	uint64_t at = f->fat_offset + f->active * f->fat_bytes;
	unsigned char entry[4];

	*ret = f->dirty;
	if (f->bits == 12 || f->entries < 2)
		return 0;
	at += f->bits / 8;
	if (fy_volume_pread(v, entry, f->bits / 8, at, err) == -1)
		return -1;
	if (f->bits == 16 && (fy_get_le16(entry) & 0xc000) != 0xc000)
		*ret = true;
	if (f->bits == 32 && (fy_get_le32(entry) & 0x0c000000) != 0x0c000000)
		*ret = true;
	return 0;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct fat f;
	bool dirty;
	int r;

	r = open_fat(v, &f, err);
	if (r == -1)
		return -1;
	if (r == 0)
		return fy_fs_whole(ret, true, "the FAT's boot sector is gone");
	if (f.total_bytes > fy_volume_size(v))
		return fy_fs_whole(ret, true,
				   "the FAT claims to reach behind the end of "
				   "its partition");
	if (f.misnamed)
		return fy_fs_whole(ret, true,
				   "the FAT's name and its number of clusters "
				   "contradict each other");
	if (f.active >= f.fats)
		return fy_fs_whole(ret, true, "the FAT in use is not there");
	if (is_dirty(v, &f, &dirty, err) == -1)
		return -1;
	if (dirty)
		return fy_fs_whole(ret, true,
				   "the FAT is marked dirty (not cleanly "
				   "unmounted)");
	ret->bytes = f.total_bytes;
	return scan_fat(v, &f, options, used, ret, err);
}

/* --- uuid and label --------------------------------------------------------- */

/* Look for the volume label among 'n' entries at 'at'.  1: found or the end of
 * the directory, 0: go on, -1. */
static int
scan_directory(struct fy_volume *v, uint64_t at, uint64_t n,
	       struct fy_fs_info *ret, struct fy_error *err)
{
	unsigned char entry[32];
	uint64_t i;

	for (i = 0; i < n; i++) {
		if (at + 32 > fy_volume_size(v))
			return 1;
		if (fy_volume_pread(v, entry, 32, at + i * 32, err) == -1)
			return -1;
		if (entry[0] == 0)
			return 1;
		if (entry[0] == 0xe5 || (entry[11] & 0x3f) == 0x0f ||
		    (entry[11] & 0x18) != 0x08 ||
		    fy_get_le16(entry + 20) != 0 ||
		    fy_get_le16(entry + 26) != 0)
			continue;
		if (entry[0] == 0x05)
			entry[0] = 0xe5;
		fy_put_label(ret, entry, 11);
		return 1;
	}
	return 0;
}

static int
read_label(struct fy_volume *v, const struct fat *f, struct fy_fs_info *ret,
	   struct fy_error *err)
{
	uint64_t per_cluster = f->cluster_bytes / 32, left = ROOT_SCAN;
	uint32_t cluster = f->root_cluster;
	unsigned char entry[4];
	int r;

	if (f->bits != 32) {
		r = scan_directory(v, f->root_offset, f->root_bytes / 32, ret,
				   err);
		return r == -1 ? -1 : 0;
	}
	while (cluster >= 2 && cluster < f->clusters + 2 &&
	       cluster < f->entries && left >= per_cluster) {
		left -= per_cluster;
		r = scan_directory(v,
				   f->data_offset + (uint64_t)(cluster - 2) *
							    f->cluster_bytes,
				   per_cluster, ret, err);
		if (r != 0)
			return r == -1 ? -1 : 0;
		if (fy_volume_pread(v, entry, 4,
				    f->fat_offset + (uint64_t)cluster * 4,
				    err) == -1)
			return -1;
		cluster = fy_get_le32(entry) & 0x0fffffff;
	}
	return 0;
}

static int
probe(struct fy_volume *v, struct fy_fs_info *ret, struct fy_error *err)
{
	struct fat f;
	int r;

	r = open_fat(v, &f, err);
	if (r != 1)
		return r;
	ret->name = "vfat";
	if (!fy_is_zero(f.serial, 4))
		fy_put_serial(ret->uuid, f.serial);
	if (f.total_bytes <= fy_volume_size(v) &&
	    read_label(v, &f, ret, err) == -1)
		return -1;
	if (strcmp(ret->label, "NO NAME") == 0)
		ret->label[0] = '\0';
	return 1;
}

const struct fy_fs_driver fy_fs_fat = {
	.name = "fat",
	.probe = probe,
	.read_map = read_map,
};
