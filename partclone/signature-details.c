/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * uuid and label of what has no driver, in the form that blkid shows them.
 *
 * Only what stands in a header is read (and NTFS's $Volume record and exFAT's
 * root directory): a damaged header gives no label, never an error.
 */
#include "partclone/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/utf16.h"

void
fy_put_uuid(char ret[64], const unsigned char *b)
{
	if (fy_is_zero(b, 16))
		return;
	snprintf(ret, 64,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
}

void
fy_put_serial(char ret[64], const unsigned char *b)
{
	snprintf(ret, 64, "%02X%02X-%02X%02X", b[3], b[2], b[1], b[0]);
}

/* Length of the valid UTF-8 character at 'p', 0 when it isn't one. */
static size_t
utf8_length(const unsigned char *p, size_t len)
{
	uint32_t c, least;
	size_t n, i;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] >= 0xc2 && p[0] < 0xe0) {
		n = 2;
		c = p[0] & 0x1fu;
		least = 0x80;
	} else if (p[0] >= 0xe0 && p[0] < 0xf0) {
		n = 3;
		c = p[0] & 0x0fu;
		least = 0x800;
	} else if (p[0] >= 0xf0 && p[0] < 0xf5) {
		n = 4;
		c = p[0] & 0x07u;
		least = 0x10000;
	} else {
		return 0;
	}
	if (n > len)
		return 0;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

void
fy_put_label(struct fy_fs_info *ret, const void *field, size_t len)
{
	const unsigned char *p = field;
	size_t i, n, out = 0;

	len = strnlen(field, len);
	while (len > 0 && p[len - 1] == ' ')
		len--;
	for (i = 0; i < len && out + 4 < sizeof(ret->label); i += n) {
		n = utf8_length(p + i, len - i);
		if (n == 0) {
			ret->label[out++] = '?';
			n = 1;
			continue;
		}
		memcpy(ret->label + out, p + i, n);
		out += n;
	}
	ret->label[out] = '\0';
}

void
fy_put_label_utf16(struct fy_fs_info *ret, const unsigned char *field,
		   size_t units)
{
	char text[520];

	fy_put_label(ret, text,
		     fy_utf16le_to_utf8(field, units, text, sizeof(text)));
}

/* uuid (16 bytes) and label at these places, when they are in the volume. */
static int
plain(struct fy_view *view, uint64_t uuid_at, uint64_t label_at,
      size_t label_len, struct fy_fs_info *ret, struct fy_error *err)
{
	unsigned char uuid[16], label[256];
	int r;

	r = fy_view_read(view, uuid_at, uuid, sizeof(uuid), err);
	if (r != 1)
		return r;
	fy_put_uuid(ret->uuid, uuid);
	r = label_len == 0
		    ? 0
		    : fy_view_read(view, label_at, label, label_len, err);
	if (r == 1)
		fy_put_label(ret, label, label_len);
	return r == -1 ? -1 : 0;
}

FY_DETAILS(fy_details_xfs)
{
	return plain(view, at + 32, at + 108, 12, ret, err);
}

FY_DETAILS(fy_details_btrfs)
{
	return plain(view, at - 64 + 0x20, at - 64 + 0x12b, 256, ret, err);
}

FY_DETAILS(fy_details_jfs)
{
	return plain(view, at + 136, at + 152, 16, ret, err);
}

FY_DETAILS(fy_details_reiserfs)
{
	return plain(view, at - 52 + 84, at - 52 + 100, 16, ret, err);
}

/* The time of its making and a random number; UFS2 has a name, too. */
FY_DETAILS(fy_details_ufs)
{
	unsigned char magic[4], id[8], name[32];
	bool big, second;
	int r;

	r = fy_view_read(view, at, magic, sizeof(magic), err);
	if (r == 1)
		r = fy_view_read(view, at - 1372 + 144, id, sizeof(id), err);
	if (r == 1)
		r = fy_view_read(view, at - 1372 + 680, name, sizeof(name),
				 err);
	if (r != 1)
		return r;
	second = fy_get_le32(magic) == 0x19540119 ||
		 fy_get_be32(magic) == 0x19540119;
	big = fy_get_be32(magic) == 0x00011954 ||
	      fy_get_be32(magic) == 0x19540119;
	if (!fy_is_zero(id, sizeof(id)))
		snprintf(ret->uuid, sizeof(ret->uuid), "%08x%08x",
			 big ? fy_get_be32(id) : fy_get_le32(id),
			 big ? fy_get_be32(id + 4) : fy_get_le32(id + 4));
	if (second)
		fy_put_label(ret, name, sizeof(name));
	return 0;
}

FY_DETAILS(fy_details_nilfs2)
{
	return plain(view, at - 6 + 152, at - 6 + 168, 80, ret, err);
}

FY_DETAILS(fy_details_apfs)
{
	return plain(view, at - 32 + 72, 0, 0, ret, err);
}

FY_DETAILS(fy_details_f2fs)
{
	unsigned char name[1024];
	int r;

	if (plain(view, at + 0x6c, 0, 0, ret, err) == -1)
		return -1;
	r = fy_view_read(view, at + 0x7c, name, sizeof(name), err);
	if (r == 1)
		fy_put_label_utf16(ret, name, 256);
	return r == -1 ? -1 : 0;
}

FY_DETAILS(fy_details_lvm2)
{
	static const unsigned char groups[] = { 6, 4, 4, 4, 4, 4, 6 };
	unsigned char id[32];
	size_t i, k, from = 0, to = 0;
	int r;

	r = fy_view_read(view, at + 32, id, sizeof(id), err);
	if (r != 1)
		return r;
	for (i = 0; i < sizeof(id); i++)
		if (id[i] <= ' ' || id[i] >= 0x7f)
			return 0;
	for (i = 0; i < sizeof(groups); i++) {
		if (i > 0)
			ret->uuid[to++] = '-';
		for (k = 0; k < groups[i]; k++)
			ret->uuid[to++] = (char)id[from++];
	}
	ret->uuid[to] = '\0';
	return 0;
}

FY_DETAILS(fy_details_luks)
{
	unsigned char h[208];
	int r;

	r = fy_view_read(view, at, h, sizeof(h), err);
	if (r != 1)
		return r;
	fy_copy_field(ret->uuid, 41, h + 168, 40);
	if (fy_get_be16(h + 6) == 2)
		fy_put_label(ret, h + 24, 48);
	return 0;
}

FY_DETAILS(fy_details_md)
{
	unsigned char sb[256], uuid[16];
	int i, r;

	r = fy_view_read(view, at, sb, sizeof(sb), err);
	if (r != 1)
		return r;
	if (fy_get_le32(sb + 4) == 1) {
		fy_put_uuid(ret->uuid, sb + 16);
		fy_put_label(ret, sb + 32, 32);
		return 0;
	}
	for (i = 0; i < 4; i++) {
		const unsigned char *word = sb + (i == 0 ? 20 : 48 + 4 * i);

		if (fy_get_le32(sb) == 0xa92b4efc)
			fy_put_be32(uuid + 4 * i, fy_get_le32(word));
		else
			memcpy(uuid + 4 * i, word, 4);
	}
	fy_put_uuid(ret->uuid, uuid);
	return 0;
}

FY_DETAILS(fy_details_iso9660)
{
	unsigned char pvd[1024];
	const unsigned char *date = pvd + 830;
	int r;

	r = fy_view_read(view, at - 1, pvd, sizeof(pvd), err);
	if (r != 1)
		return r;
	fy_put_label(ret, pvd + 40, 32);
	if (memcmp(date, "0000000000000000", 16) == 0)
		date = pvd + 813;
	if (memcmp(date, "0000000000000000", 16) != 0 && date[0] >= '0' &&
	    date[0] <= '9')
		snprintf(ret->uuid, sizeof(ret->uuid),
			 "%.4s-%.2s-%.2s-%.2s-%.2s-%.2s-%.2s",
			 (const char *)date, (const char *)date + 4,
			 (const char *)date + 6, (const char *)date + 8,
			 (const char *)date + 10, (const char *)date + 12,
			 (const char *)date + 14);
	return 0;
}

/* The label in NTFS's $Volume, record 3 of the MFT. */
static int
ntfs_label(struct fy_view *view, const unsigned char *boot,
	   struct fy_fs_info *ret, struct fy_error *err)
{
	uint64_t cluster, record_bytes, mft;
	uint64_t sectors = boot[13] > 128
				   ? UINT64_C(1) << ((256 - boot[13]) & 31)
				   : boot[13];
	int8_t per = (int8_t)boot[64];
	unsigned char record[4096];
	size_t at, value, length;
	uint32_t attr_len;
	int r;

	cluster = fy_get_le16(boot + 11) * sectors;
	record_bytes = per > 0	   ? (uint64_t)per * cluster
		       : per > -32 ? UINT64_C(1) << -per
				   : 0;
	if (cluster == 0 || record_bytes < 256 ||
	    record_bytes > sizeof(record) ||
	    !fy_mul_u64(fy_get_le64(boot + 48), cluster, &mft) ||
	    !fy_add_u64(mft, 3 * record_bytes, &mft))
		return 0;
	r = fy_view_read(view, mft, record, record_bytes, err);
	if (r != 1 || memcmp(record, "FILE", 4) != 0)
		return r == -1 ? -1 : 0;
	at = fy_get_le16(record + 20);
	while (at + 24 <= record_bytes) {
		attr_len = fy_get_le32(record + at + 4);
		if (attr_len < 24 || attr_len > record_bytes - at)
			return 0;
		if (fy_get_le32(record + at) == 0x60) {
			length = fy_get_le32(record + at + 16);
			value = fy_get_le16(record + at + 20);
			if (value + length <= attr_len && length <= 256)
				fy_put_label_utf16(ret, record + at + value,
						   length / 2);
			return 0;
		}
		at += attr_len;
	}
	return 0;
}

FY_DETAILS(fy_details_ntfs)
{
	unsigned char boot[512];
	int r;

	r = fy_view_read(view, at - 3, boot, sizeof(boot), err);
	if (r != 1)
		return r;
	snprintf(ret->uuid, sizeof(ret->uuid), "%016" PRIX64,
		 fy_get_le64(boot + 72));
	return ntfs_label(view, boot, ret, err);
}

FY_DETAILS(fy_details_exfat)
{
	unsigned char boot[512], entry[32];
	uint64_t root, i;
	int r;

	r = fy_view_read(view, at - 3, boot, sizeof(boot), err);
	if (r != 1)
		return r;
	fy_put_serial(ret->uuid, boot + 100);
	if (boot[108] < 9 || boot[108] > 12 || boot[109] > 25 - boot[108] ||
	    fy_get_le32(boot + 96) < 2)
		return 0;
	root = (uint64_t)(fy_get_le32(boot + 96) - 2) << boot[109];
	root = (root + fy_get_le32(boot + 88)) << boot[108];
	for (i = 0;
	     i < (UINT64_C(1) << (boot[108] + boot[109])) / 32 && i < 1024;
	     i++) {
		r = fy_view_read(view, root + i * 32, entry, sizeof(entry),
				 err);
		if (r != 1 || entry[0] == 0)
			return r == -1 ? -1 : 0;
		if (entry[0] != 0x83)
			continue;
		fy_put_label_utf16(ret, entry + 2, fy_min_u64(entry[1], 11));
		return 0;
	}
	return 0;
}
