/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Superblocks of md.
 *
 * 0.90, 4 KiB in the last aligned 64 KiB of the member but one, in the byte
 * order of the machine that made it; words of 32 bits:
 *   0 magic  1 major 0  2 minor 90 (91: being reshaped)  5 13 14 15 uuid
 *   7 level  8 KiB of each member  10 disks  11 number of the device
 *   33 state (bit 0 clean)  38 checksum  39-40 events (64 bits, native)
 *   992 the member's own entry: 3 place in the array, 4 state (1 active,
 *   2 in sync)
 * 1.x, little-endian, at the start (1.1), 4 KiB behind it (1.2), near the end
 * (1.0); bytes:
 *   0 magic  4 major 1  8 features  16 uuid  32 name[32]  72 level  80 sectors
 *   of each member (u64)  92 disks  96 place of the bitmap, in sectors from the
 *   superblock (signed)  128 start and 136 number of the data's sectors
 *   144 own sector (u64)  160 number of the device  184 flags  186 sectors of
 *   the list of bad blocks (u16)  188 its place (signed)  200 events  208 how
 *   far it is in sync (u64)  216 checksum  220 number of roles  256 roles (u16)
 */
#include "partclone/md.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"

#define MAGIC	      0xa92b4efcu
#define SB0_BYTES     4096u
#define SB0_ROOM      65536u
#define SB1_BYTES     256u
#define SB1_DEVICES   1920u
#define MAX_SECTORS   (UINT64_C(1) << 52)
#define BITMAP	      0x001u
#define BAD_BLOCKS    0x008u
#define KNOWN	      (BITMAP | BAD_BLOCKS)
#define BITMAP_SUPER  256u
#define BAD_BLOCK_MAX 4096u /* of the list, bytes */

static void set_whole(struct fy_md_super *ret, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
set_whole(struct fy_md_super *ret, const char *fmt, ...)
{
	va_list ap;

	if (ret->whole[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(ret->whole, sizeof(ret->whole), fmt, ap);
	va_end(ap);
}

static int
bad(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

/* --- 0.90 ------------------------------------------------------------------- */

static uint32_t
word(const unsigned char *sb, unsigned n, bool big)
{
	return big ? fy_get_be32(sb + 4 * n) : fy_get_le32(sb + 4 * n);
}

static uint32_t
fold(uint64_t sum)
{
	return (uint32_t)((sum & 0xffffffff) + (sum >> 32));
}

uint32_t
fy_md_checksum_0(const unsigned char *sb, bool big_endian)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < SB0_BYTES / 4; i++)
		if (i != 38)
			sum += word(sb, i, big_endian);
	return fold(sum);
}

static void
fill_uuid_0(const unsigned char *sb, bool big, unsigned char *ret)
{
	static const unsigned places[] = { 5, 13, 14, 15 };
	unsigned i;

	for (i = 0; i < 4; i++)
		fy_put_be32(ret + 4 * (size_t)i, word(sb, places[i], big));
}

static int
decode_0(const unsigned char *sb, bool big, uint64_t end,
	 struct fy_md_super *ret, struct fy_error *err)
{
	unsigned me = 992;

	if (word(sb, 38, big) != fy_md_checksum_0(sb, big))
		return bad(err, "md's superblock fails its checksum");
	snprintf(ret->version, sizeof(ret->version), "0.90");
	fill_uuid_0(sb, big, ret->uuid);
	snprintf(ret->name, sizeof(ret->name), "%u", word(sb, 11, big));
	ret->level = (int32_t)word(sb, 7, big);
	ret->disks = word(sb, 10, big);
	ret->events =
		big ? (uint64_t)word(sb, 39, big) << 32 | word(sb, 40, big)
		    : (uint64_t)word(sb, 40, big) << 32 | word(sb, 39, big);
	ret->data_bytes = (uint64_t)word(sb, 8, big) * 1024;
	ret->role = word(sb, me + 3, big);
	if (word(sb, 2, big) != 90)
		set_whole(ret, "the array is being reshaped");
	if ((word(sb, 33, big) & 1) == 0)
		set_whole(ret, "the array was not stopped, or is not in sync");
	if ((word(sb, me + 4, big) & 7) != 6 || ret->role >= ret->disks)
		set_whole(ret, "it is a spare, or not in sync");
	return ret->data_bytes == 0 || ret->data_bytes > end
		       ? bad(err, "md's superblock has a senseless size")
		       : 0;
}

/* 1: it is there, 0, -1. */
static int
read_0(struct fy_volume *v, struct fy_md_super *ret, struct fy_error *err)
{
	uint64_t at = fy_align_down(fy_volume_size(v), SB0_ROOM);
	unsigned char sb[SB0_BYTES];
	bool big;

	if (at < 2 * SB0_ROOM)
		return 0;
	at -= SB0_ROOM;
	if (fy_volume_pread(v, sb, sizeof(sb), at, err) == -1)
		return -1;
	big = fy_get_be32(sb) == MAGIC;
	if (word(sb, 0, big) != MAGIC || word(sb, 1, big) != 0)
		return 0;
	return decode_0(sb, big, at, ret, err) == -1 ? -1 : 1;
}

/* --- 1.x -------------------------------------------------------------------- */

uint32_t
fy_md_checksum_1(const unsigned char *sb, uint32_t devices)
{
	size_t size = SB1_BYTES + 2 * (size_t)devices, i;
	uint64_t sum = 0;

	for (i = 0; i + 4 <= size; i += 4)
		if (i != 216)
			sum += fy_get_le32(sb + i);
	if (i + 2 <= size)
		sum += fy_get_le16(sb + i);
	return fold(sum);
}

/* "host:name" without the host, as one part of a path; what isn't plain is
 * replaced. */
static void
fill_name_1(const unsigned char *sb, struct fy_md_super *ret)
{
	char text[33];
	const char *from;
	size_t i;

	fy_copy_field(text, sizeof(text), sb + 32, 32);
	from = strchr(text, ':');
	from = from == NULL ? text : from + 1;
	for (i = 0; from[i] != '\0'; i++)
		ret->name[i] = from[i] > ' ' && from[i] < 0x7f && from[i] != '/'
				       ? from[i]
				       : '?';
	ret->name[i] = '\0';
	if (strcmp(ret->name, ".") == 0 || strcmp(ret->name, "..") == 0)
		ret->name[0] = '\0';
}

/* Nothing of md's own may lie in the data: 'at' and 'bytes' of it. */
static void
check_clear(struct fy_md_super *ret, uint64_t at, uint64_t bytes)
{
	if (at < ret->data_start + ret->data_bytes &&
	    at + bytes > ret->data_start)
		set_whole(ret, "its metadata lie in its data");
}

/* A place 'sectors' (signed) from the superblock; false: outside. */
static bool
find_near(uint64_t super, int32_t sectors, uint64_t bytes, uint64_t size,
	  uint64_t *ret)
{
	int64_t at = (int64_t)super + (int64_t)sectors * 512;

	if (at < 0 || (uint64_t)at > size || bytes > size - (uint64_t)at)
		return false;
	*ret = (uint64_t)at;
	return true;
}

/* Blocks on the list are not in sync. */
static int
check_bad_blocks(struct fy_volume *v, const unsigned char *sb, uint64_t super,
		 struct fy_md_super *ret, struct fy_error *err)
{
	uint64_t bytes = (uint64_t)fy_get_le16(sb + 186) * 512, at, i;
	fy_autofree unsigned char *list = NULL;

	if (!find_near(super, (int32_t)fy_get_le32(sb + 188), bytes,
		       fy_volume_size(v), &at) ||
	    bytes > BAD_BLOCK_MAX) {
		set_whole(ret, "its list of bad blocks makes no sense");
		return 0;
	}
	check_clear(ret, at, bytes);
	list = malloc(BAD_BLOCK_MAX);
	if (list == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(v, list, (size_t)bytes, at, err) == -1)
		return -1;
	for (i = 0; i < bytes; i++)
		if (list[i] != 0xff) {
			set_whole(ret, "it has bad blocks on its list");
			break;
		}
	return 0;
}

/* The data, and that nothing else lies in it. */
static int
check_places(struct fy_volume *v, const unsigned char *sb, uint64_t super,
	     uint32_t bytes, struct fy_md_super *ret, struct fy_error *err)
{
	uint32_t features = fy_get_le32(sb + 8);
	uint64_t size = fy_volume_size(v), start, sectors, at;

	start = fy_get_le64(sb + 128);
	sectors = fy_get_le64(sb + 80);
	if (start > MAX_SECTORS || sectors > MAX_SECTORS || sectors == 0 ||
	    start * 512 > size || sectors * 512 > size - start * 512 ||
	    sectors > fy_get_le64(sb + 136))
		return bad(err, "md's superblock has a senseless size");
	ret->data_start = start * 512;
	ret->data_bytes = sectors * 512;
	check_clear(ret, super, bytes);
	if ((features & BITMAP) != 0) {
		if (!find_near(super, (int32_t)fy_get_le32(sb + 96),
			       BITMAP_SUPER, size, &at))
			set_whole(ret, "its bitmap makes no sense");
		else
			check_clear(ret, at, BITMAP_SUPER);
	}
	return (features & BAD_BLOCKS) != 0
		       ? check_bad_blocks(v, sb, super, ret, err)
		       : 0;
}

static void
check_state(const unsigned char *sb, uint32_t devices, struct fy_md_super *ret)
{
	uint32_t features = fy_get_le32(sb + 8), me = fy_get_le32(sb + 160);

	if ((features & ~KNOWN) != 0)
		set_whole(ret,
			  "it is being rebuilt or reshaped, or has features "
			  "that are not known (0x%x)",
			  features & ~KNOWN);
	if (fy_get_le64(sb + 208) != UINT64_MAX)
		set_whole(ret, "the array was not stopped, or is not in sync");
	ret->role = me < devices ? fy_get_le16(sb + SB1_BYTES + 2 * (size_t)me)
				 : UINT32_MAX;
	if (ret->role >= ret->disks)
		set_whole(ret, "it is a spare, a journal, or was put out of "
			       "the array");
}

static int
decode_1(struct fy_volume *v, const unsigned char *sb, uint64_t super,
	 unsigned minor, struct fy_md_super *ret, struct fy_error *err)
{
	uint32_t devices = fy_get_le32(sb + 220);

	if (devices > SB1_DEVICES ||
	    fy_get_le32(sb + 216) != fy_md_checksum_1(sb, devices))
		return bad(err, "md's superblock fails its checksum");
	snprintf(ret->version, sizeof(ret->version), "1.%u", minor);
	memcpy(ret->uuid, sb + 16, 16);
	fill_name_1(sb, ret);
	ret->level = (int32_t)fy_get_le32(sb + 72);
	ret->disks = fy_get_le32(sb + 92);
	ret->events = fy_get_le64(sb + 200);
	check_state(sb, devices, ret);
	return check_places(v, sb, super, SB1_BYTES + 2 * devices, ret, err);
}

static int
read_1(struct fy_volume *v, struct fy_md_super *ret, struct fy_error *err)
{
	uint64_t size = fy_volume_size(v), at;
	uint64_t places[3] = { 0, 0, 4096 };
	unsigned char sb[SB1_BYTES + 2 * SB1_DEVICES];
	unsigned i;

	if (size < 12 * 1024)
		return 0;
	places[0] = (size / 512 - 16) / 8 * 8 * 512;
	for (i = 0; i < 3; i++) {
		at = places[(i + 1) % 3]; /* 1.1, 1.2, 1.0 */
		if (size - at < sizeof(sb))
			continue;
		if (fy_volume_pread(v, sb, sizeof(sb), at, err) == -1)
			return -1;
		if (fy_get_le32(sb) != MAGIC || fy_get_le32(sb + 4) != 1 ||
		    fy_get_le64(sb + 144) != at / 512)
			continue;
		return decode_1(v, sb, at, (i + 1) % 3, ret, err) == -1 ? -1
									: 1;
	}
	return 0;
}

int
fy_md_read(struct fy_volume *v, struct fy_md_super *ret, struct fy_error *err)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = read_1(v, ret, err);
	if (r == 0)
		r = read_0(v, ret, err);
	if (r == 0)
		return bad(err, "there is no superblock of md");
	return r == -1 ? -1 : 0;
}
