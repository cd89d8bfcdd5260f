/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GPT: a header in sector 1 and its copy, by default in the last sector, each
 * with its own array of entries.  A copy counts only when the CRCs of header
 * and entries are right and the header lies where it says.  The primary wins;
 * when it is damaged the copy is used; where both are right and differ, the
 * primary is used, as every system does, and what lies outside its partitions
 * is kept.
 *
 * Limits: entries of 128 to 4096 bytes, at most 4 MiB of them.
 */
#include "partclone/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/utf16.h"

#define HEADER_MIN	  92
#define ENTRY_MIN	  128
#define ENTRY_MAX	  4096
#define ENTRIES_BYTES_MAX (4 * FY_MIB)
#define SECTOR_MAX	  4096

struct gpt {
	uint64_t lba, alternate, first_usable, last_usable, entries_lba;
	unsigned char guid[16];
	uint32_t count, entry_bytes, entries_crc;
	size_t entries_bytes;
	unsigned char *entries;
};

static void
gpt_free(struct gpt *g)
{
	free(g->entries);
	free(g);
}
FY_DEFINE_AUTO(gpt, struct gpt, gpt_free)

uint32_t
fy_gpt_crc32(const void *data, size_t len)
{
	static const uint32_t nibbles[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const unsigned char *p = data;
	uint32_t crc = UINT32_MAX;
	size_t i;

	for (i = 0; i < len; i++) {
		crc = nibbles[(crc ^ p[i]) & 15] ^ crc >> 4;
		crc = nibbles[(crc ^ (uint32_t)(p[i] >> 4)) & 15] ^ crc >> 4;
	}
	return ~crc;
}

static void
guid_text(const unsigned char *g, char ret[FY_GUID_TEXT])
{
	snprintf(ret, FY_GUID_TEXT,
		 "%08" PRIx32 "-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 fy_get_le32(g), fy_get_le16(g + 4), fy_get_le16(g + 6), g[8],
		 g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

/* Decode and check a header.  False: it is none, or a damaged one. */
static bool
decode_header(unsigned char *sector, uint32_t sector_bytes, uint64_t lba,
	      uint64_t sectors, struct gpt *g)
{
	uint32_t header_bytes = fy_get_le32(sector + 12);
	uint32_t crc = fy_get_le32(sector + 16);
	uint64_t entries_bytes, entries_sectors, end;

	if (memcmp(sector, "EFI PART", 8) != 0 || header_bytes < HEADER_MIN ||
	    header_bytes > sector_bytes)
		return false;
	fy_put_le32(sector + 16, 0);
	if (fy_gpt_crc32(sector, header_bytes) != crc)
		return false;
	g->lba = fy_get_le64(sector + 24);
	g->alternate = fy_get_le64(sector + 32);
	g->first_usable = fy_get_le64(sector + 40);
	g->last_usable = fy_get_le64(sector + 48);
	memcpy(g->guid, sector + 56, sizeof(g->guid));
	g->entries_lba = fy_get_le64(sector + 72);
	g->count = fy_get_le32(sector + 80);
	g->entry_bytes = fy_get_le32(sector + 84);
	g->entries_crc = fy_get_le32(sector + 88);
	if (g->lba != lba || g->entry_bytes < ENTRY_MIN ||
	    g->entry_bytes > ENTRY_MAX || g->entry_bytes % 8 != 0)
		return false;
	entries_bytes = (uint64_t)g->count * g->entry_bytes;
	if (entries_bytes == 0 || entries_bytes > ENTRIES_BYTES_MAX)
		return false;
	g->entries_bytes = (size_t)entries_bytes;
	entries_sectors = (entries_bytes + sector_bytes - 1) / sector_bytes;
	return fy_add_u64(g->entries_lba, entries_sectors, &end) &&
	       end <= sectors;
}

/* The copy whose header is in sector 'lba'.  1, 0 (not there or damaged),
 * -1. */
static int
load(struct fy_volume *disk, uint32_t sector_bytes, uint64_t lba,
     struct gpt **ret, struct fy_error *err)
{
	uint64_t sectors = fy_volume_size(disk) / sector_bytes;
	unsigned char sector[SECTOR_MAX];
	FY_AUTO(gpt) struct gpt *g = NULL;

	if (lba == 0 || lba >= sectors)
		return 0;
	if (fy_volume_pread(disk, sector, sector_bytes, lba * sector_bytes,
			    err) == -1)
		return -1;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return fy_error_nomem(err);
	if (!decode_header(sector, sector_bytes, lba, sectors, g))
		return 0;
	g->entries = malloc(g->entries_bytes);
	if (g->entries == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(disk, g->entries, g->entries_bytes,
			    g->entries_lba * sector_bytes, err) == -1)
		return -1;
	if (fy_gpt_crc32(g->entries, g->entries_bytes) != g->entries_crc)
		return 0;
	*ret = fy_steal_ptr(&g);
	return 1;
}

static int
add_must(struct fy_table *t, const struct gpt *g, struct fy_error *err)
{
	uint64_t sector = t->sector_bytes;

	if (fy_table_add_must(t, g->lba * sector, sector, err) == -1)
		return -1;
	return fy_table_add_must(t, g->entries_lba * sector,
				 fy_align_up(g->entries_bytes, sector), err);
}

static int
add_entry(struct fy_volume *disk, struct fy_table *t, const struct gpt *g,
	  uint32_t index, struct fy_error *err)
{
	const unsigned char *e = g->entries + (size_t)index * g->entry_bytes;
	uint64_t sectors = fy_volume_size(disk) / t->sector_bytes;
	uint64_t first = fy_get_le64(e + 32), last = fy_get_le64(e + 40);
	unsigned number = index + 1;
	struct fy_partition *p;

	if (fy_is_zero(e, 16))
		return 0;
	if (last < first || first >= sectors)
		return fy_table_distrust(
			t, err, "partition %u is outside the disk", number);
	p = fy_table_add_partition(t, err);
	if (p == NULL)
		return -1;
	p->number = number;
	guid_text(e, p->type);
	guid_text(e + 16, p->partuuid);
	fy_utf16le_to_utf8(e + 56, 36, p->name, sizeof(p->name));
	p->boot = (fy_get_le64(e + 48) & 4) != 0;
	p->start = first * t->sector_bytes;
	if (last >= sectors) {
		p->length = (sectors - first) * t->sector_bytes;
		return fy_table_distrust(t, err,
					 "partition %u reaches behind the end "
					 "of the disk",
					 number);
	}
	p->length = (last - first + 1) * t->sector_bytes;
	if (first < g->first_usable || last > g->last_usable)
		return fy_table_warn(t, err,
				     "partition %u lies outside the area that "
				     "the GPT gives to partitions",
				     number);
	return 0;
}

/* What 'primary' and 'backup' (NULL: damaged or missing) say together. */
static int
compare(struct fy_volume *disk, struct fy_table *t, const struct gpt *primary,
	const struct gpt *backup, struct fy_error *err)
{
	uint64_t last = fy_volume_size(disk) / t->sector_bytes - 1;

	if (primary == NULL)
		return fy_table_warn(t, err,
				     "the primary GPT is damaged; its backup "
				     "in sector %" PRIu64 " is used",
				     backup->lba);
	if (backup == NULL)
		return fy_table_warn(t, err,
				     "the backup GPT is damaged or missing");
	if (backup->lba != last &&
	    fy_table_warn(t, err,
			  "the backup GPT is in sector %" PRIu64
			  ", not in the last one, %" PRIu64,
			  backup->lba, last) == -1)
		return -1;
	if (memcmp(primary->guid, backup->guid, sizeof(primary->guid)) == 0 &&
	    primary->entries_bytes == backup->entries_bytes &&
	    memcmp(primary->entries, backup->entries, primary->entries_bytes) ==
		    0)
		return 0;
	t->keep_gaps = true;
	return fy_table_warn(t, err,
			     "the two copies of the GPT are both intact but "
			     "differ; the primary is used");
}

int
fy_gpt_read(struct fy_volume *disk, uint32_t sector_bytes, bool backup_too,
	    struct fy_table *t, struct fy_error *err)
{
	uint64_t sectors = fy_volume_size(disk) / sector_bytes;
	FY_AUTO(gpt) struct gpt *primary = NULL;
	FY_AUTO(gpt) struct gpt *backup = NULL;
	const struct gpt *g;
	uint32_t i;

	if (sectors < 3)
		return 0;
	if (load(disk, sector_bytes, 1, &primary, err) == -1)
		return -1;
	if (primary != NULL && primary->alternate != 1 &&
	    load(disk, sector_bytes, primary->alternate, &backup, err) == -1)
		return -1;
	if (backup == NULL &&
	    load(disk, sector_bytes, sectors - 1, &backup, err) == -1)
		return -1;
	if (primary == NULL && (backup == NULL || !backup_too))
		return 0;
	g = primary != NULL ? primary : backup;
	t->kind = FY_TABLE_GPT;
	t->sector_bytes = sector_bytes;
	guid_text(g->guid, t->uuid);
	if (fy_table_add_must(t, 0, sector_bytes, err) == -1 ||
	    fy_table_add_must(t, sector_bytes, sector_bytes, err) == -1 ||
	    fy_table_add_must(t, (sectors - 1) * sector_bytes, sector_bytes,
			      err) == -1)
		return -1;
	if ((primary != NULL && add_must(t, primary, err) == -1) ||
	    (backup != NULL && add_must(t, backup, err) == -1))
		return -1;
	if (compare(disk, t, primary, backup, err) == -1)
		return -1;
	for (i = 0; i < g->count; i++)
		if (add_entry(disk, t, g, i, err) == -1)
			return -1;
	return 1;
}
