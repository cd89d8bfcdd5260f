/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LVM2 labels with their metadata, and md superblocks 0.90 and 1.x: only what
 * tells which group a volume belongs to and how many belong to it.
 *
 * All lengths and places come from the disk: each is checked against the
 * volume and a limit before it is read.  Checksums are verified, so that old
 * remains are not taken for a group.  The metadata's text is a tree of
 * "name { ... }" and "name = value"; of the texts only those at the depth of
 * the volume group and of its physical volumes are looked at.
 */
#include "p2v-client/member.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/hash.h"

#define LVM_SECTORS	 4
#define LVM_SEED	 0xf597a6cfU
#define LVM_MAX_METADATA (UINT64_C(4) << 20)
#define LVM_MDA_MAGIC	 "\x20LVM2\x20x[5A%r0N*>"
#define LVM_IGNORED	 1U
#define MD_MAGIC	 0xa92b4efcU
#define MD0_BYTES	 4096
#define MD1_FIXED	 256
#define MD1_MAX_DEVICES	 1920

/* --- LVM2 ------------------------------------------------------------------ */

static uint32_t
lvm_crc(const unsigned char *p, size_t len)
{
	uint32_t crc = LVM_SEED;
	int bit;

	while (len-- > 0) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320U : 0);
	}
	return crc;
}

/* A scanner over the metadata's text. */
struct scanner {
	const char *at, *end;
	unsigned depth;
};

enum token { TOKEN_END, TOKEN_WORD, TOKEN_TEXT, TOKEN_OPEN, TOKEN_CLOSE };

/* Pass over spaces, separators and comments. */
static void
skip_blanks(struct scanner *s)
{
	bool comment = false;

	for (; s->at < s->end && *s->at != '\0'; s->at++) {
		if (*s->at == '#')
			comment = true;
		else if (*s->at == '\n')
			comment = false;
		else if (!comment && !isspace((unsigned char)*s->at) &&
			 strchr("=[],", *s->at) == NULL)
			return;
	}
}

/* The next word, quoted text or brace; text goes to 'ret', cut if too long. */
static enum token
next_token(struct scanner *s, char *ret, size_t size)
{
	size_t n = 0;
	bool quoted;

	skip_blanks(s);
	if (s->at >= s->end || *s->at == '\0')
		return TOKEN_END;
	if (*s->at == '{' || *s->at == '}')
		return *s->at++ == '{' ? TOKEN_OPEN : TOKEN_CLOSE;
	quoted = *s->at == '"';
	s->at += quoted;
	while (s->at < s->end && *s->at != '\0') {
		if (quoted ? *s->at == '"'
			   : isspace((unsigned char)*s->at) ||
				     strchr("={}[],\"", *s->at) != NULL)
			break;
		if (n + 1 < size)
			ret[n++] = *s->at;
		s->at++;
	}
	if (quoted && s->at < s->end)
		s->at++;
	ret[n] = '\0';
	return quoted ? TOKEN_TEXT : TOKEN_WORD;
}

/* Read "NAME { id = "..." ... physical_volumes { pv0 { ... } } }". */
static void
read_metadata(const char *text, size_t len, struct fy_member *ret)
{
	struct scanner s = { text, text + len, 0 };
	char word[130], key[130] = "";
	bool in_volumes = false;
	enum token t;

	while ((t = next_token(&s, word, sizeof(word))) != TOKEN_END) {
		if (t == TOKEN_OPEN) {
			s.depth++;
			if (s.depth == 1)
				snprintf(ret->name, sizeof(ret->name), "%s",
					 key);
			else if (s.depth == 2)
				in_volumes =
					strcmp(key, "physical_volumes") == 0;
			else if (s.depth == 3 && in_volumes)
				ret->members++;
		} else if (t == TOKEN_CLOSE) {
			/* The rest is about the text itself. */
			if (s.depth <= 1)
				return;
			s.depth--;
		} else if (t == TOKEN_WORD) {
			memcpy(key, word, sizeof(key));
		} else if (s.depth == 1 && strcmp(key, "id") == 0) {
			snprintf(ret->group, sizeof(ret->group), "%.39s", word);
		}
	}
}

/* Read 'size' bytes of metadata at 'offset' of the area; the area's first
 * sector is its header, and the text wraps around behind it. */
static int
read_text(struct fy_volume *v, uint64_t area, uint64_t area_size,
	  uint64_t offset, uint64_t size, char **ret, struct fy_error *err)
{
	fy_autofree char *text = malloc(size + 1);
	uint64_t first;

	if (text == NULL)
		return fy_error_nomem(err);
	first = fy_min_u64(size, area_size - offset);
	if (fy_volume_pread(v, text, first, area + offset, err) == -1)
		return -1;
	if (first < size && fy_volume_pread(v, text + first, size - first,
					    area + 512, err) == -1)
		return -1;
	text[size] = '\0';
	*ret = fy_steal_ptr(&text);
	return 0;
}

/* One metadata area; what does not hold together is passed over. */
static int
read_area(struct fy_volume *v, uint64_t area, uint64_t area_size,
	  struct fy_member *ret, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	unsigned char header[512];
	uint64_t offset, size, end;

	if (!fy_add_u64(area, area_size, &end) || end > fy_volume_size(v) ||
	    area_size <= 512)
		return 0;
	if (fy_volume_pread(v, header, sizeof(header), area, err) == -1)
		return -1;
	if (memcmp(header + 4, LVM_MDA_MAGIC, 16) != 0 ||
	    fy_get_le32(header) != lvm_crc(header + 4, 508) ||
	    (fy_get_le32(header + 60) & LVM_IGNORED) != 0)
		return 0;
	offset = fy_get_le64(header + 40);
	size = fy_get_le64(header + 48);
	if (size == 0 || size > LVM_MAX_METADATA || offset < 512 ||
	    offset >= area_size || size > area_size - 512)
		return 0;
	if (read_text(v, area, area_size, offset, size, &text, err) == -1)
		return -1;
	if (lvm_crc((unsigned char *)text, size) == fy_get_le32(header + 56))
		read_metadata(text, size, ret);
	return 0;
}

/* "8bT2lb..." as LVM shows it: 6-4-4-4-4-4-6. */
static void
format_pv(const unsigned char *id, char *ret, size_t size)
{
	static const unsigned groups[] = { 6, 4, 4, 4, 4, 4, 6 };
	size_t i, j, from = 0, used = 0;

	for (i = 0; i < 7; i++) {
		if (i > 0 && used + 1 < size)
			ret[used++] = '-';
		for (j = 0; j < groups[i] && used + 1 < size; j++, from++)
			ret[used++] = isalnum(id[from]) ? (char)id[from] : '?';
	}
	ret[used] = '\0';
}

/* The PV header: UUID, size, data areas, metadata areas. */
static int
read_pv(struct fy_volume *v, const unsigned char *sector, size_t at,
	struct fy_member *ret, struct fy_error *err)
{
	bool in_metadata = false;
	uint64_t offset, size;

	ret->kind = FY_MEMBER_LVM;
	format_pv(sector + at, ret->member, sizeof(ret->member));
	for (at += 40; at + 16 <= 512; at += 16) {
		offset = fy_get_le64(sector + at);
		size = fy_get_le64(sector + at + 8);
		if (offset == 0) {
			if (in_metadata)
				break;
			in_metadata = true;
		} else if (in_metadata && ret->group[0] == '\0' &&
			   read_area(v, offset, size, ret, err) == -1) {
			return -1;
		}
	}
	return 0;
}

static int
read_lvm(struct fy_volume *v, struct fy_member *ret, struct fy_error *err)
{
	unsigned char sectors[LVM_SECTORS * 512];
	unsigned i;

	if (fy_volume_size(v) < sizeof(sectors))
		return 0;
	if (fy_volume_pread(v, sectors, sizeof(sectors), 0, err) == -1)
		return -1;
	for (i = 0; i < LVM_SECTORS; i++) {
		const unsigned char *s = sectors + i * 512;
		uint32_t at = fy_get_le32(s + 20);

		if (memcmp(s, "LABELONE", 8) != 0 || fy_get_le64(s + 8) != i ||
		    memcmp(s + 24, "LVM2 001", 8) != 0 ||
		    fy_get_le32(s + 16) != lvm_crc(s + 20, 492) || at < 32 ||
		    at > 512 - 40)
			continue;
		return read_pv(v, s, at, ret, err);
	}
	return 0;
}

/* --- md -------------------------------------------------------------------- */

static void
format_md(const unsigned char *id, char *ret, size_t size)
{
	char hex[33];

	fy_hex(id, 16, hex);
	snprintf(ret, size, "%.8s:%.8s:%.8s:%.8s", hex, hex + 8, hex + 16,
		 hex + 24);
}

static uint32_t
md_fold(uint64_t sum)
{
	return (uint32_t)((sum & 0xffffffff) + (sum >> 32));
}

static int
read_md0(struct fy_volume *v, struct fy_member *ret, struct fy_error *err)
{
	fy_autofree unsigned char *s = NULL;
	unsigned char id[16];
	uint64_t at, sum = 0;
	size_t i;

	if (fy_volume_size(v) < 2 * 65536)
		return 0;
	at = fy_align_down(fy_volume_size(v), 65536) - 65536;
	s = malloc(MD0_BYTES);
	if (s == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(v, s, MD0_BYTES, at, err) == -1)
		return -1;
	if (fy_get_le32(s) != MD_MAGIC || fy_get_le32(s + 4) != 0)
		return 0;
	for (i = 0; i < MD0_BYTES; i += 4)
		if (i != 152)
			sum += fy_get_le32(s + i);
	if (md_fold(sum) != fy_get_le32(s + 152))
		return 0;
	memcpy(id, s + 20, 4);
	memcpy(id + 4, s + 52, 12);
	ret->kind = FY_MEMBER_MD;
	format_md(id, ret->group, sizeof(ret->group));
	ret->members = fy_get_le32(s + 40);
	/* This disk's own descriptor: number, major, minor, role, state. */
	snprintf(ret->member, sizeof(ret->member), "%u", fy_get_le32(s + 3968));
	ret->spare = fy_get_le32(s + 3968 + 12) >= ret->members;
	return 0;
}

static int
read_md1_at(struct fy_volume *v, uint64_t at, struct fy_member *ret,
	    struct fy_error *err)
{
	fy_autofree unsigned char *s = NULL;
	size_t i, devices, len, number;
	uint64_t sum = 0;

	s = malloc(MD1_FIXED + 2 * MD1_MAX_DEVICES + 4);
	if (s == NULL)
		return fy_error_nomem(err);
	if (fy_volume_size(v) < MD1_FIXED || at > fy_volume_size(v) - MD1_FIXED)
		return 0;
	if (fy_volume_pread(v, s, MD1_FIXED, at, err) == -1)
		return -1;
	devices = fy_get_le32(s + 220);
	number = fy_get_le32(s + 160);
	len = MD1_FIXED + 2 * devices;
	if (fy_get_le32(s) != MD_MAGIC || fy_get_le32(s + 4) != 1 ||
	    fy_get_le64(s + 144) != at / 512 || devices > MD1_MAX_DEVICES ||
	    number >= devices || len > fy_volume_size(v) - at)
		return 0;
	if (fy_volume_pread(v, s + MD1_FIXED, 2 * devices, at + MD1_FIXED,
			    err) == -1)
		return -1;
	for (i = 0; i + 4 <= len; i += 4)
		if (i != 216)
			sum += fy_get_le32(s + i);
	if (len % 4 != 0)
		sum += fy_get_le16(s + i);
	if (md_fold(sum) != fy_get_le32(s + 216))
		return 0;
	ret->kind = FY_MEMBER_MD;
	format_md(s + 16, ret->group, sizeof(ret->group));
	format_md(s + 168, ret->member, sizeof(ret->member));
	fy_copy_field(ret->name, sizeof(ret->name), s + 32, 32);
	ret->members = fy_get_le32(s + 92);
	ret->spare = fy_get_le16(s + MD1_FIXED + 2 * number) >= ret->members;
	return 0;
}

static int
read_md1(struct fy_volume *v, struct fy_member *ret, struct fy_error *err)
{
	uint64_t sectors = fy_volume_size(v) / 512;
	uint64_t places[3] = { 0, 4096, 0 };
	size_t i, n = 2;

	if (sectors >= 24)
		places[n++] = fy_align_down(sectors - 16, 8) * 512;
	for (i = 0; i < n && ret->kind == FY_MEMBER_NONE; i++)
		if (read_md1_at(v, places[i], ret, err) == -1)
			return -1;
	return 0;
}

int
fy_member_read(struct fy_volume *v, struct fy_member *ret, struct fy_error *err)
{
	char *p;

	memset(ret, 0, sizeof(*ret));
	/* md first: at its end a member may hold a whole PV. */
	if (read_md1(v, ret, err) == -1)
		return -1;
	if (ret->kind == FY_MEMBER_NONE && read_md0(v, ret, err) == -1)
		return -1;
	if (ret->kind == FY_MEMBER_NONE && read_lvm(v, ret, err) == -1)
		return -1;
	/* Names are shown to people. */
	for (p = ret->name; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	for (p = ret->group; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	return 0;
}
