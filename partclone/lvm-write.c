/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The head of a PV, as lvm-label.c describes it: a label in the second sector,
 * with one area of data and one of metadata, and the PV's header as it has been
 * since LVM 2.03 (version 2, in use by a group); the area of metadata, its text
 * right behind its first sector.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/lvm.h"

#define SECTOR	     512u
#define AREA_MAGIC   "\x20LVM2\x20x[5A%r0N*>"
#define AREA_START   4096u
#define AREA_MOST    ((uint64_t)64 << 20)
#define CONTENTS     "Text Format Volume Group"
#define HEADER_AT    32u
#define EXT_VERSION  2u
#define EXT_USED     1u
#define TRAILER_ROOM 200u

/* --- the text ----------------------------------------------------------------- */

static int
no_backup(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "this is no backup of a volume group: %s", what);
}

int
fy_lvm_text_from_backup(const char *backup, size_t len, char **ret,
			size_t *ret_len, struct fy_error *err)
{
	FY_AUTO(lvm_text) struct fy_lvm_text *t = NULL;
	const struct fy_lvm_item *group, *top;
	const char *contents, *id;
	uint64_t seqno, version = 0, created = 0;
	size_t from, n;
	char *copy, *text;
	int more;

	if (memchr(backup, '\0', len) != NULL)
		return no_backup(err, "it has a NUL in it");
	copy = malloc(len + 1);
	if (copy == NULL)
		return fy_error_nomem(err);
	memcpy(copy, backup, len);
	if (fy_lvm_text_parse(copy, len, &t, err) == -1)
		return -1;
	top = &t->items[0];
	contents = fy_lvm_get_text(t, top, "contents");
	if (contents == NULL || strcmp(contents, CONTENTS) != 0 ||
	    !fy_lvm_get_number(t, top, "version", 1, &version) || version != 1)
		return no_backup(err, "contents or version are others");
	if (!fy_lvm_text_head(t, &group, &id, &seqno))
		return no_backup(err, "it has no group, or several");
	fy_lvm_get_number(t, top, "creation_time", INT64_MAX, &created);
	from = (size_t)(group->name - t->buffer);
	n = t->first_end - from;
	text = malloc(n + TRAILER_ROOM);
	if (text == NULL)
		return fy_error_nomem(err);
	memcpy(text, backup + from, n);
	more = snprintf(
		text + n, TRAILER_ROOM,
		"\n# From a backup, by used-blocks\n\ncontents = \"%s\"\n"
		"version = 1\n\ndescription = \"\"\n\n"
		"creation_host = \"\"\ncreation_time = %llu\n\n",
		CONTENTS, (unsigned long long)created);
	*ret = text;
	*ret_len = n + (size_t)more + 1; /* LVM counts the NUL */
	return 0;
}

/* --- the head ------------------------------------------------------------------- */

uint64_t
fy_lvm_head_end(uint64_t data_start)
{
	return fy_min_u64(data_start, AREA_MOST);
}

static void
put_label(unsigned char *s, const struct fy_lvm_head *h, uint64_t area_bytes)
{
	unsigned char *p = s + HEADER_AT;

	memcpy(s, "LABELONE", 8);
	fy_put_le64(s + 8, 1);
	fy_put_le32(s + 20, HEADER_AT);
	memcpy(s + 24, "LVM2 001", 8);
	memcpy(p, h->id, FY_LVM_ID);
	fy_put_le64(p + 32, h->device_bytes);
	fy_put_le64(p + 40, h->data_start); /* size 0: up to the end */
	fy_put_le64(p + 72, AREA_START);
	fy_put_le64(p + 80, area_bytes);
	fy_put_le32(p + 104, EXT_VERSION);
	fy_put_le32(p + 108, EXT_USED);
	fy_put_le32(s + 16, fy_lvm_crc(s + 20, SECTOR - 20));
}

static void
put_area(unsigned char *s, const struct fy_lvm_head *h, uint64_t area_bytes)
{
	memcpy(s + 4, AREA_MAGIC, 16);
	fy_put_le32(s + 20, 1);
	fy_put_le64(s + 24, AREA_START);
	fy_put_le64(s + 32, area_bytes);
	fy_put_le64(s + 40, SECTOR);
	fy_put_le64(s + 48, h->text_len);
	fy_put_le32(s + 56, fy_lvm_crc(h->text, h->text_len));
	fy_put_le32(s, fy_lvm_crc(s + 4, SECTOR - 4));
	memcpy(s + SECTOR, h->text, h->text_len);
}

int
fy_lvm_head_check(const struct fy_lvm_head *h, struct fy_error *err)
{
	uint64_t end = fy_lvm_head_end(h->data_start);

	/* LVM writes the next text before it gives up the one in force. */
	if (end < AREA_START + SECTOR ||
	    h->text_len > (end - AREA_START - SECTOR) / 2)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "there is no room for LVM's metadata (%zu "
				    "bytes) before the PV's extents",
				    h->text_len);
	return 0;
}

int
fy_lvm_head_make(const struct fy_lvm_head *h, unsigned char **ret,
		 size_t *ret_len, struct fy_error *err)
{
	uint64_t area_bytes = fy_lvm_head_end(h->data_start) - AREA_START;
	unsigned char *p;

	if (fy_lvm_head_check(h, err) == -1)
		return -1;
	*ret_len = AREA_START + SECTOR + h->text_len;
	p = calloc(1, *ret_len);
	if (p == NULL)
		return fy_error_nomem(err);
	put_label(p + SECTOR, h, area_bytes);
	put_area(p + AREA_START, h, area_bytes);
	*ret = p;
	return 0;
}
