/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The label of a PV and its metadata areas.
 *
 * In one of the first four sectors, checksummed:
 *   0 "LABELONE"  8 sector (u64)  16 CRC of the rest (u32)  20 where the PV's
 *   header begins (u32)  24 "LVM2 001"
 * PV header: 0 id[32]  32 bytes of the device (u64)  40 data areas, then
 *   metadata areas: pairs (offset, size), each list ended by zeros; then, if
 *   not 0, a version and flags (u32), and such a list of boot loaders' areas
 * Metadata area, its first sector checksummed:
 *   0 CRC of the rest  4 magic  20 version (u32)  24 start (u64)  32 size (u64)
 *   40 places of texts, 24 bytes each: offset, size (u64), CRC, flags (u32);
 *      the first is the one in force
 * A text that reaches behind the area's end goes on behind its first sector.
 * All is little-endian.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/lvm.h"

#define SECTOR	   512u
#define AREA_MAGIC "\x20LVM2\x20x[5A%r0N*>"
#define IGNORED	   1u

uint32_t
fy_lvm_crc(const void *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const unsigned char *p = data;
	uint32_t crc = 0xf597a6cf;

	while (len-- > 0) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

static int
bad(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

/* --- the label -------------------------------------------------------------- */

/* A pair of the lists; 0 at a list's end. */
static int
read_pair(const unsigned char *sector, size_t *at, uint64_t size,
	  struct fy_extent *ret, struct fy_error *err)
{
	uint64_t end;

	if (*at + 16 > SECTOR)
		return bad(err, "the PV's list of areas has no end");
	*ret = (struct fy_extent){ fy_get_le64(sector + *at),
				   fy_get_le64(sector + *at + 8) };
	*at += 16;
	if (ret->offset == 0)
		return 0;
	if (!fy_add_u64(ret->offset, ret->length, &end) || end > size)
		return bad(err, "an area is outside the PV");
	return 1;
}

/* Append a list to the areas. */
static int
read_list(const unsigned char *sector, size_t *at, uint64_t size,
	  struct fy_lvm_label *ret, struct fy_error *err)
{
	struct fy_extent x = { 0 };
	int r;

	while ((r = read_pair(sector, at, size, &x, err)) == 1) {
		if (ret->n_kept == FY_LVM_AREAS)
			return bad(err, "the PV has too many areas");
		ret->areas[ret->n_kept++] = x;
	}
	return r;
}

/* The lists of areas from 'at' on. */
static int
read_lists(const unsigned char *sector, size_t at, uint64_t size,
	   struct fy_lvm_label *ret, struct fy_error *err)
{
	struct fy_extent x = { 0 };
	unsigned i;
	int r;

	while ((r = read_pair(sector, &at, size, &x, err)) == 1)
		if (ret->data_start == 0)
			ret->data_start = x.offset;
	if (r == -1 || read_list(sector, &at, size, ret, err) == -1)
		return -1;
	ret->n_areas = ret->n_kept;
	for (i = 0; i < ret->n_areas; i++)
		if (ret->areas[i].length <= SECTOR)
			return bad(err, "an area of metadata has no room");
	if (at + 8 > SECTOR || fy_get_le32(sector + at) == 0)
		return 0;
	at += 8;
	return read_list(sector, &at, size, ret, err);
}

static int
read_header(const unsigned char *sector, size_t at, uint64_t size,
	    struct fy_lvm_label *ret, struct fy_error *err)
{
	if (at < 32 || at > SECTOR - 40)
		return bad(err, "the PV's header is outside its sector");
	memcpy(ret->id, sector + at, FY_LVM_ID);
	ret->device_bytes = fy_get_le64(sector + at + 32);
	if (memchr(ret->id, '\0', FY_LVM_ID) != NULL)
		return bad(err, "the PV has no id");
	return read_lists(sector, at + 40, size, ret, err);
}

int
fy_lvm_label_read(struct fy_volume *v, struct fy_lvm_label *ret,
		  struct fy_error *err)
{
	uint64_t size = fy_volume_size(v);
	unsigned char sectors[4 * SECTOR];
	unsigned i;

	memset(ret, 0, sizeof(*ret));
	if (size < sizeof(sectors))
		return bad(err, "the PV is too small");
	if (fy_volume_pread(v, sectors, sizeof(sectors), 0, err) == -1)
		return -1;
	for (i = 0; i < 4; i++) {
		const unsigned char *s = sectors + (size_t)i * SECTOR;

		if (memcmp(s, "LABELONE", 8) != 0 ||
		    memcmp(s + 24, "LVM2 001", 8) != 0)
			continue;
		if (fy_get_le64(s + 8) != i ||
		    fy_get_le32(s + 16) != fy_lvm_crc(s + 20, SECTOR - 20))
			return bad(err, "the PV's label fails its checksum");
		return read_header(s, fy_get_le32(s + 20), size, ret, err);
	}
	return bad(err, "there is no label of LVM");
}

/* --- the metadata ----------------------------------------------------------- */

bool
fy_lvm_text_head(const struct fy_lvm_text *t,
		 const struct fy_lvm_item **ret_group, const char **ret_id,
		 uint64_t *ret_seqno)
{
	const struct fy_lvm_item *i = NULL, *group = NULL;

	while ((i = fy_lvm_next(t, &t->items[0], i)) != NULL)
		if (i->type == FY_LVM_SECTION) {
			if (group != NULL)
				return false;
			group = i;
		}
	if (group == NULL)
		return false;
	*ret_group = group;
	*ret_id = fy_lvm_get_text(t, group, "id");
	return *ret_id != NULL &&
	       fy_lvm_get_number(t, group, "seqno", UINT32_MAX, ret_seqno);
}

/* The text at a place of the area, which may wrap around. */
static int
read_text(struct fy_volume *v, const struct fy_extent *area,
	  const unsigned char *place, struct fy_lvm_text **ret,
	  struct fy_error *err)
{
	uint64_t offset = fy_get_le64(place), size = fy_get_le64(place + 8);
	fy_autofree char *text = NULL;
	size_t first;

	if (offset < SECTOR || offset >= area->length || size == 0 ||
	    size > area->length - SECTOR || size > FY_LVM_TEXT_BYTES)
		return bad(err, "the metadata's place makes no sense");
	text = malloc(size + 1);
	if (text == NULL)
		return fy_error_nomem(err);
	first = (size_t)fy_min_u64(size, area->length - offset);
	if (fy_volume_pread(v, text, first, area->offset + offset, err) == -1 ||
	    fy_volume_pread(v, text + first, size - first,
			    area->offset + SECTOR, err) == -1)
		return -1;
	if (fy_lvm_crc(text, size) != fy_get_le32(place + 16))
		return bad(err, "the metadata fail their checksum");
	return fy_lvm_text_parse(fy_steal_ptr(&text), size, ret, err);
}

/* Of one area: '*ret' stays NULL when it holds none in force. */
static int
read_area(struct fy_volume *v, const struct fy_extent *area,
	  struct fy_lvm_text **ret, bool *ret_empty, struct fy_error *err)
{
	unsigned char h[SECTOR];

	if (fy_volume_pread(v, h, sizeof(h), area->offset, err) == -1)
		return -1;
	if (memcmp(h + 4, AREA_MAGIC, 16) != 0 ||
	    fy_get_le32(h) != fy_lvm_crc(h + 4, SECTOR - 4) ||
	    fy_get_le64(h + 24) != area->offset)
		return bad(err, "an area of metadata fails its checksum");
	if (fy_get_le32(h + 20) != 1 || fy_get_le64(h + 32) != area->length)
		return bad(err, "an area of metadata is of an unknown kind");
	if (fy_get_le32(h + 60) & IGNORED)
		return 0;
	if (fy_get_le64(h + 40) == 0) {
		*ret_empty = true;
		return 0;
	}
	return read_text(v, area, h + 40, ret, err);
}

int
fy_lvm_metadata_read(struct fy_volume *v, const struct fy_lvm_label *label,
		     struct fy_lvm_text **ret, bool *ret_empty,
		     struct fy_error *err)
{
	FY_AUTO(lvm_text) struct fy_lvm_text *best = NULL;
	const struct fy_lvm_item *group;
	uint64_t newest = 0, seqno;
	const char *id;
	unsigned i;

	*ret_empty = false;
	for (i = 0; i < label->n_areas; i++) {
		FY_AUTO(lvm_text) struct fy_lvm_text *t = NULL;

		if (read_area(v, &label->areas[i], &t, ret_empty, err) == -1)
			return -1;
		if (t == NULL)
			continue;
		if (!fy_lvm_text_head(t, &group, &id, &seqno))
			return bad(err, "the metadata describe no group");
		if (best != NULL && seqno <= newest)
			continue;
		newest = seqno;
		fy_lvm_text_free(best);
		best = fy_steal_ptr(&t);
	}
	*ret = fy_steal_ptr(&best);
	return 0;
}
