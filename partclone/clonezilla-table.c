/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The partition table of a Clonezilla image, as sectors.
 *
 * Of an MBR the directory has the sector itself, of a GPT the first copy (or
 * sgdisk's backup of it); its second copy is made anew for the place where the
 * target ends, since the directory's own lacks a sector.  Of logical partitions
 * only start and size are known, so the chain of extended boot records is made
 * anew too, each a MiB (or what room there is) before its partition.
 *
 * What comes out is read by our own reader of tables, and has to have just the
 * partitions that DISK-pt.sf lists.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/clonezilla.h"
#include "partclone/table.h"

#define SECTOR	     512u
#define GPT_SECTORS  34u
#define GPT_BYTES    (GPT_SECTORS * SECTOR)
#define BOOT_BYTES   446u
#define EBR_DISTANCE 2048u /* sectors before its partition, where free */

void
fy_cz_table_release(struct fy_cz_table *t)
{
	size_t i;

	for (i = 0; i < t->n_chunks; i++)
		free(t->chunks[i].bytes);
	free(t->chunks);
	*t = (struct fy_cz_table){ 0 };
}

/* A zeroed chunk of its own. */
static unsigned char *
add_chunk(struct fy_cz_table *t, uint64_t offset, size_t length,
	  struct fy_error *err)
{
	struct fy_cz_chunk *grown;
	unsigned char *p = calloc(1, length);

	grown = realloc(t->chunks, (t->n_chunks + 1) * sizeof(*grown));
	if (grown != NULL)
		t->chunks = grown;
	if (p == NULL || grown == NULL) {
		free(p);
		fy_error_nomem(err);
		return NULL;
	}
	grown[t->n_chunks++] = (struct fy_cz_chunk){ offset, length, p };
	return p;
}

/* A file of the directory, at most 'max' bytes; '*ret' NULL: not there. */
static int
read_file(const struct fy_cz_image *c, const char *prefix, const char *ending,
	  size_t max, char **ret, size_t *ret_len, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "%s-%s", prefix, ending);
	struct fy_error why = { 0 };

	*ret = NULL;
	*ret_len = 0;
	if (name == NULL)
		return -1;
	if (fy_file_read_at(c->dirfd, name, max, ret, ret_len, &why) == 0 ||
	    why.code == FY_E_NOTFOUND)
		return 0;
	*err = why;
	return fy_error_prefix(err, "%s/%s", c->dir, name);
}

/* --- MBR --------------------------------------------------------------------------- */

static void
put_entry(unsigned char *p, uint8_t type, uint64_t start, uint64_t count)
{
	/* No cylinders, heads and sectors: behind what they can tell. */
	memcpy(p, "\0\xfe\xff\xff\0\xfe\xff\xff", 8);
	p[4] = type;
	fy_put_le32(p + 8, (uint32_t)start);
	fy_put_le32(p + 12, (uint32_t)count);
}

/* The sector for the EBR of a partition: free, and as far before it as usual. */
static int
place_ebr(const struct fy_cz_image *c, const struct fy_cz_part *extended,
	  const struct fy_cz_part *p, uint64_t *ret, struct fy_error *err)
{
	uint64_t from = extended->start / SECTOR + 1, start = p->start / SECTOR;
	size_t i;

	for (i = 0; i < c->n_parts; i++) {
		const struct fy_cz_part *q = &c->parts[i];

		if (q->number >= 5 && q->start < p->start)
			from = fy_max_u64(from,
					  (q->start + q->length) / SECTOR);
	}
	if (from >= start)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "there is no room for the boot record of "
				    "%s",
				    p->name);
	*ret = start - from > EBR_DISTANCE ? start - EBR_DISTANCE : from;
	return 0;
}

static int
make_ebrs(const struct fy_cz_image *c, const struct fy_cz_part *extended,
	  struct fy_cz_table *t, struct fy_error *err)
{
	uint64_t base = extended->start / SECTOR, at = base, next;
	fy_autofree char *boot = NULL;
	unsigned char *sector, *before = NULL;
	size_t i, n;

	if (read_file(c, extended->name, "ebr", 1u << 20, &boot, &n, err) == -1)
		return -1;
	for (i = 0; i < c->n_parts; i++) {
		const struct fy_cz_part *p = &c->parts[i];

		if (p->number < 5)
			continue;
		next = base;
		if (before != NULL &&
		    place_ebr(c, extended, p, &next, err) == -1)
			return -1;
		if (before != NULL)
			put_entry(before + BOOT_BYTES + 16, 5, next - base,
				  (p->start + p->length) / SECTOR - next);
		at = next;
		sector = add_chunk(t, at * SECTOR, SECTOR, err);
		if (sector == NULL)
			return -1;
		if (before == NULL && boot != NULL)
			memcpy(sector, boot, n < BOOT_BYTES ? n : BOOT_BYTES);
		put_entry(sector + BOOT_BYTES, p->mbr_type,
			  p->start / SECTOR - at, p->length / SECTOR);
		sector[510] = 0x55;
		sector[511] = 0xaa;
		before = sector;
	}
	return 0;
}

/*
 * Zeros where the target may have the copies of an older GPT: at its end, and
 * behind the MBR where the image has no bytes of its own.
 */
static int
wipe_gpt(const struct fy_cz_image *c, uint64_t target_bytes,
	 struct fy_cz_table *t, struct fy_error *err)
{
	fy_autofree char *hidden = NULL;
	uint64_t tail = target_bytes - 33 * SECTOR, first = c->bytes, end = 0;
	size_t i;

	hidden = fy_format(err, "%s-hidden-data-after-mbr", c->disk);
	if (hidden == NULL)
		return -1;
	for (i = 0; i < c->n_parts; i++) {
		const struct fy_cz_part *p = &c->parts[i];

		first = fy_min_u64(first, p->start);
		end = fy_max_u64(end, p->start + p->length);
	}
	if (target_bytes < 128 * SECTOR)
		return 0;
	if (end <= tail && add_chunk(t, tail, (size_t)33 * SECTOR, err) == NULL)
		return -1;
	if (first >= 34 * SECTOR &&
	    faccessat(c->dirfd, hidden, F_OK, 0) == -1 &&
	    add_chunk(t, SECTOR, (size_t)33 * SECTOR, err) == NULL)
		return -1;
	return 0;
}

static int
make_mbr(const struct fy_cz_image *c, uint64_t target_bytes,
	 struct fy_cz_table *t, struct fy_error *err)
{
	fy_autofree char *mbr = NULL;
	unsigned char *sector;
	size_t n, i;

	if (read_file(c, c->disk, "mbr", 1u << 20, &mbr, &n, err) == -1)
		return -1;
	if (mbr == NULL || n < SECTOR)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' lacks %s-mbr, or it is short", c->dir,
				    c->disk);
	sector = add_chunk(t, 0, SECTOR, err);
	if (sector == NULL)
		return -1;
	memcpy(sector, mbr, SECTOR);
	if (wipe_gpt(c, target_bytes, t, err) == -1)
		return -1;
	for (i = 0; i < c->n_parts; i++)
		if (c->parts[i].extended &&
		    make_ebrs(c, &c->parts[i], t, err) == -1)
			return -1;
	return 0;
}

/* --- GPT --------------------------------------------------------------------------- */

/* From sgdisk's backup: protective MBR, both headers, entries. */
static int
from_gdisk(const struct fy_cz_image *c, unsigned char *head,
	   struct fy_error *err)
{
	fy_autofree char *file = NULL;
	size_t n;

	if (read_file(c, c->disk, "gpt.gdisk", 1u << 20, &file, &n, err) == -1)
		return -1;
	if (file == NULL || n < 3 * SECTOR)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' has neither a whole %s-gpt-1st nor a "
				    "%s-gpt.gdisk",
				    c->dir, c->disk, c->disk);
	memcpy(head, file, (size_t)2 * SECTOR);
	memcpy(head + 2 * SECTOR, file + 3 * SECTOR,
	       fy_min_u64(n - 3 * SECTOR, GPT_BYTES - 2 * SECTOR));
	return 0;
}

static bool
is_whole(const unsigned char *head)
{
	const unsigned char *h = head + SECTOR;
	unsigned char copy[SECTOR];
	uint64_t bytes = (uint64_t)fy_get_le32(h + 80) * fy_get_le32(h + 84);
	uint32_t len = fy_get_le32(h + 12);

	if (memcmp(h, "EFI PART", 8) != 0 || len < 92 || len > SECTOR ||
	    fy_get_le64(h + 24) != 1 || fy_get_le64(h + 72) != 2 ||
	    bytes == 0 || bytes > GPT_BYTES - 2 * SECTOR)
		return false;
	memcpy(copy, h, SECTOR);
	memset(copy + 16, 0, 4);
	return fy_gpt_crc32(copy, len) == fy_get_le32(h + 16) &&
	       fy_gpt_crc32(head + 2 * SECTOR, (size_t)bytes) ==
		       fy_get_le32(h + 88);
}

static void
seal(unsigned char *h)
{
	memset(h + 16, 0, 4);
	fy_put_le32(h + 16, fy_gpt_crc32(h, fy_get_le32(h + 12)));
}

static int
make_gpt(const struct fy_cz_image *c, uint64_t target_bytes,
	 struct fy_cz_table *t, struct fy_error *err)
{
	uint64_t last = target_bytes / SECTOR - 1, n;
	unsigned char *head = add_chunk(t, 0, GPT_BYTES, err), *tail, *h;
	fy_autofree char *file = NULL;
	size_t len;

	if (head == NULL ||
	    read_file(c, c->disk, "gpt-1st", 1u << 20, &file, &len, err) == -1)
		return -1;
	if (file != NULL && len >= GPT_BYTES)
		memcpy(head, file, GPT_BYTES);
	if (!is_whole(head) && from_gdisk(c, head, err) == -1)
		return -1;
	if (!is_whole(head))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s': the GPT of %s is damaged, or larger "
				    "than 128 entries",
				    c->dir, c->disk);
	h = head + SECTOR;
	n = ((uint64_t)fy_get_le32(h + 80) * fy_get_le32(h + 84) + SECTOR - 1) /
	    SECTOR;
	if (last <= fy_get_le64(h + 48) + n)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s': the GPT of %s is for a larger disk",
				    c->dir, c->disk);
	fy_put_le64(h + 32, last);
	seal(h);
	tail = add_chunk(t, (last - n) * SECTOR, (size_t)(n + 1) * SECTOR, err);
	if (tail == NULL)
		return -1;
	head = t->chunks[0].bytes;
	h = head + SECTOR;
	memcpy(tail, head + 2 * SECTOR, (size_t)n * SECTOR);
	tail += n * SECTOR;
	memcpy(tail, h, SECTOR);
	fy_put_le64(tail + 24, last);
	fy_put_le64(tail + 32, 1);
	fy_put_le64(tail + 72, last - n);
	seal(tail);
	return 0;
}

/* --- the check ------------------------------------------------------------------------ */

struct view {
	const struct fy_cz_table *t;
};

static int
view_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	const struct view *v = handle;
	size_t i;

	(void)err;
	memset(buf, 0, len);
	for (i = 0; i < v->t->n_chunks; i++) {
		const struct fy_cz_chunk *k = &v->t->chunks[i];
		uint64_t from = fy_max_u64(offset, k->offset);
		uint64_t to = fy_min_u64(offset + len, k->offset + k->length);

		if (from < to)
			memcpy((unsigned char *)buf + (from - offset),
			       k->bytes + (from - k->offset),
			       (size_t)(to - from));
	}
	return 0;
}

static int
compare(const struct fy_cz_image *c, const struct fy_table *is,
	struct fy_error *err)
{
	size_t i, k, n = 0;

	if (is->kind != (c->gpt ? FY_TABLE_GPT : FY_TABLE_MBR) ||
	    is->distrust != NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s': the partition table of %s can't be "
				    "used: %s",
				    c->dir, c->disk,
				    is->distrust != NULL
					    ? is->distrust
					    : "it is of another kind");
	for (i = 0; i < c->n_parts; i++) {
		const struct fy_cz_part *p = &c->parts[i];

		if (p->extended)
			continue;
		n++;
		for (k = 0; k < is->n_partitions; k++)
			if (is->partitions[k].number == p->number &&
			    is->partitions[k].start == p->start &&
			    is->partitions[k].length == p->length)
				break;
		if (k == is->n_partitions)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%s': %s lies elsewhere in the "
					    "table's sectors than in "
					    "%s-pt.sf",
					    c->dir, p->name, c->disk);
	}
	if (n != is->n_partitions)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s': the table's sectors have %zu "
				    "partitions, %s-pt.sf has %zu",
				    c->dir, is->n_partitions, c->disk, n);
	return 0;
}

static int
check(const struct fy_cz_image *c, uint64_t target_bytes,
      const struct fy_cz_table *t, struct fy_error *err)
{
	static const struct fy_volume_ops ops = { .pread = view_pread };
	FY_AUTO(table) struct fy_table *table = NULL;
	fy_autovolume struct fy_volume *v = NULL;
	struct view view = { t };

	v = fy_volume_new(&ops, &view, c->disk, target_bytes, SECTOR, err);
	if (v == NULL || fy_table_read(v, &table, err) == -1)
		return -1;
	return compare(c, table, err);
}

static int
by_offset(const void *a, const void *b)
{
	const struct fy_cz_chunk *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int
fy_cz_table_make(const struct fy_cz_image *c, uint64_t target_bytes,
		 struct fy_cz_table *ret, struct fy_error *err)
{
	*ret = (struct fy_cz_table){ 0 };
	if ((c->gpt ? make_gpt(c, target_bytes, ret, err)
		    : make_mbr(c, target_bytes, ret, err)) == -1 ||
	    check(c, target_bytes, ret, err) == -1) {
		fy_cz_table_release(ret);
		return -1;
	}
	fy_sort(ret->chunks, ret->n_chunks, sizeof(*ret->chunks), by_offset);
	return 0;
}
