/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `used-blocks check` and `used-blocks info`.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "partclone/clonezilla.h"
#include "partclone/restore.h"

#define MAX_RANGES 1000u

static void
warn_of_little(const struct fy_ptcl_header *h)
{
	if (h->version == 1)
		fy_used_warn("the checksums of format 0001 cover the first "
			     "byte of each block only: other damage is not "
			     "found");
	else if (h->sum == FY_PTCL_SUM_NONE)
		fy_used_warn("the image has no checksums: only its header, "
			     "bitmap and length can be checked");
}

static int
write_json(json_t *j, struct fy_error *err)
{
	int r;

	if (j == NULL)
		return fy_error_nomem(err);
	r = json_dumpf(j, stdout, JSON_INDENT(2));
	json_decref(j);
	if (r == -1 || putchar('\n') == EOF || fflush(stdout) == EOF)
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}

/* Text with foreign parts: what is no plain character becomes '?'. */
static void
tame(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

/* --- check ------------------------------------------------------------------------ */

static int
add_ranges(json_t *j, const struct fy_extents *ranges, struct fy_error *err)
{
	json_t *list = json_array();
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r = 0;

	fy_extents_cursor_init(&c, ranges);
	while (json_array_size(list) < MAX_RANGES &&
	       (r = fy_extents_next(&c, &x, err)) == 1)
		json_array_append_new(list,
				      json_pack("[I,I]", (json_int_t)x.offset,
						(json_int_t)x.length));
	json_object_set_new(j, "damaged", list);
	return r == -1 ? -1 : 0;
}

static int
tell_check(const struct fy_used_options *o, const struct fy_ptcl_header *h,
	   const struct fy_used_result *result, const struct fy_damage *d,
	   char *why, struct fy_error *err)
{
	bool whole = d->n == 0 && why == NULL;
	json_t *j;

	if (!o->json)
		return whole ? fy_used_tell(o, "checked", h->filesystem, result,
					    err)
			     : 0;
	if (why != NULL)
		tame(why);
	j = json_pack("{s:s,s:I,s:I,s:I,s:f,s:s,s:I,s:s*}", "result",
		      whole ? "whole" : "damaged", "disk_bytes",
		      (json_int_t)result->disk_bytes, "used_bytes",
		      (json_int_t)result->used_bytes, "stored_bytes",
		      (json_int_t)result->stored_bytes, "seconds",
		      result->seconds, "checksum", fy_ptcl_sum_name(h->sum),
		      "damaged_strips", (json_int_t)d->n, "error", why);
	if (j == NULL)
		return fy_error_nomem(err);
	if (add_ranges(j, d->ranges, err) == -1) {
		json_decref(j);
		return -1;
	}
	return write_json(j, err);
}

static int
read_through(struct fy_ptcl_reader *r, struct fy_progress *progress,
	     struct fy_error *err)
{
	const unsigned char *data;
	uint64_t offset;
	size_t n;
	int status;

	while ((status = fy_ptcl_next(r, &offset, &data, &n, err)) == 1)
		fy_progress_add(progress, n, 0);
	return status;
}

static int
check(const struct fy_used_options *o, const char *image,
      struct fy_progress *progress, struct fy_error *err)
{
	FY_AUTO(unpack) struct fy_unpack *in = NULL;
	FY_AUTO(ptcl_reader) struct fy_ptcl_reader *r = NULL;
	fy_autoextents struct fy_extents *ranges = fy_extents_new(err);
	struct fy_damage damage = { .ranges = ranges };
	struct fy_error why = { 0 };
	struct fy_used_result result = { 0 };
	double begin = fy_used_now();

	if (ranges == NULL || fy_unpack_open(image, &in, err) == -1 ||
	    fy_ptcl_open(in, o->stop, &r, err) == -1)
		return -1;
	result.disk_bytes = fy_ptcl_header(r)->device_bytes;
	result.used_bytes = fy_extents_bytes(fy_ptcl_used(r));
	fy_progress_phase(progress, "check", result.used_bytes);
	fy_ptcl_tolerate(r, fy_damage_add, &damage);
	if (read_through(r, progress, &why) == -1 && why.code != FY_E_CORRUPT) {
		*err = why;
		return -1;
	}
	fy_progress_stop(progress);
	result.stored_bytes = fy_unpack_packed(in);
	result.seconds = fy_used_now() - begin;
	warn_of_little(fy_ptcl_header(r));
	if (tell_check(o, fy_ptcl_header(r), &result, &damage,
		       why.code != FY_E_NONE ? why.msg : NULL, err) == -1)
		return -1;
	if (why.code != FY_E_NONE) {
		*err = why;
		return -1;
	}
	return damage.n == 0 ? 0
			     : fy_error_set(err, FY_E_CORRUPT, 0,
					    "%s is damaged: %" PRIu64
					    " checksums do not match",
					    image, damage.n);
}

static int
check_disk(const struct fy_used_options *o, const char *image,
	   struct fy_progress *progress, struct fy_error *err)
{
	FY_AUTO(cz_image) struct fy_cz_image *c = NULL;
	struct fy_used_result result = { 0 };
	double begin = fy_used_now();

	if (fy_cz_open(image, o->only, &c, err) == -1 ||
	    fy_cz_check(o, c, progress, &result, err) == -1)
		return -1;
	fy_progress_stop(progress);
	result.seconds = fy_used_now() - begin;
	return fy_used_tell(o, "checked", c->disk, &result, err);
}

int
fy_used_check(const struct fy_used_options *o, const char *image,
	      struct fy_error *err)
{
	struct fy_progress progress = { 0 };
	int r;

	if (fy_progress_start(&progress, (enum fy_progress_mode)o->progress,
			      NULL, NULL, 500, err) == -1)
		return -1;
	r = fy_cz_is_image(image) ? check_disk(o, image, &progress, err)
				  : check(o, image, &progress, err);
	fy_progress_stop(&progress);
	return r;
}

/* --- info ------------------------------------------------------------------------- */

static const char *
bitmap_name(enum fy_ptcl_bitmap kind)
{
	switch (kind) {
	case FY_PTCL_BITMAP_NONE:
		return "none";
	case FY_PTCL_BITMAP_BIT:
		return "bit";
	case FY_PTCL_BITMAP_BYTE:
		return "byte";
	}
	return "unknown";
}

static json_t *
info_json(const struct fy_ptcl_header *h, uint64_t used, const char *packed)
{
	return json_pack(
		"{s:s,s:i,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:I,s:b,s:s,"
		"s:s,s:i}",
		"format", "partclone", "version", (int)h->version, "packed",
		packed, "creator", h->creator, "filesystem", h->filesystem,
		"device_bytes", (json_int_t)h->device_bytes, "block_bytes",
		(json_int_t)h->block_bytes, "blocks", (json_int_t)h->blocks,
		"used_blocks", (json_int_t)(used / h->block_bytes),
		"used_bytes", (json_int_t)used, "used_blocks_in_header",
		(json_int_t)h->used_blocks, "checksum",
		fy_ptcl_sum_name(h->sum), "blocks_per_checksum",
		(json_int_t)h->strip_blocks, "reseed", h->reseed, "bitmap",
		bitmap_name(h->bitmap), "endian",
		h->big_endian ? "big" : "little", "cpu_bits", (int)h->cpu_bits);
}

static int
print_info(const struct fy_ptcl_header *h, uint64_t used, const char *packed,
	   struct fy_error *err)
{
	char size[32], used_text[32];

	fy_format_bytes(h->device_bytes, size, sizeof(size));
	fy_format_bytes(used, used_text, sizeof(used_text));
	printf("format:      partclone %04u, %s endian, packed by %s\n",
	       h->version, h->big_endian ? "big" : "little", packed);
	if (h->creator[0] != '\0')
		printf("written by:  %s\n", h->creator);
	printf("filesystem:  %s\n", h->filesystem);
	printf("device:      %s (%" PRIu64 " bytes)\n", size, h->device_bytes);
	printf("blocks:      %" PRIu64 " of %" PRIu32 " bytes\n", h->blocks,
	       h->block_bytes);
	printf("used:        %s (%" PRIu64 " blocks)\n", used_text,
	       used / h->block_bytes);
	if (h->sum == FY_PTCL_SUM_NONE)
		printf("checksums:   none\n");
	else
		printf("checksums:   %s, each over %" PRIu32 " blocks%s\n",
		       fy_ptcl_sum_name(h->sum), h->strip_blocks,
		       h->reseed ? "" : " and all before them");
	printf("bitmap:      %s\n", bitmap_name(h->bitmap));
	if (fflush(stdout) != 0)
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}

static const char *const kind_names[] = { "nothing", "partclone", "raw", "swap",
					  "lvm" };

static json_t *
parts_json(const struct fy_cz_image *c)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < c->n_parts; i++) {
		const struct fy_cz_part *p = &c->parts[i];

		json_array_append_new(
			list,
			json_pack("{s:s,s:i,s:I,s:I,s:b,s:s,s:s*}", "name",
				  p->name, "number", (int)p->number, "start",
				  (json_int_t)p->start, "length",
				  (json_int_t)p->length, "extended",
				  p->extended, "kind", kind_names[p->kind],
				  "file", p->file));
	}
	return list;
}

static json_t *
lvs_json(const struct fy_cz_image *c)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < c->lvm.n_lvs; i++) {
		const struct fy_cz_lv *lv = &c->lvm.lvs[i];

		json_array_append_new(
			list, json_pack("{s:s,s:s,s:I,s:s,s:s*}", "group",
					c->lvm.vgs[lv->vg].name, "name", lv->lv,
					"length", (json_int_t)lv->part.length,
					"kind", kind_names[lv->part.kind],
					"file", lv->part.file));
	}
	return list;
}

static void
print_disk(const struct fy_cz_image *c)
{
	static const char *const kinds[] = { "nothing", "partclone image",
					     "bytes", "swap", "PV of LVM" };
	char size[32];
	size_t i;

	fy_format_bytes(c->bytes, size, sizeof(size));
	printf("format:      Clonezilla\ndisk:        %s, %s (%" PRIu64
	       " bytes), %s\n",
	       c->disk, size, c->bytes, c->gpt ? "GPT" : "MBR");
	for (i = 0; i < c->n_parts; i++) {
		fy_format_bytes(c->parts[i].length, size, sizeof(size));
		printf("%-12s %10s  %s\n", c->parts[i].name, size,
		       c->parts[i].extended ? "extended"
					    : kinds[c->parts[i].kind]);
	}
	for (i = 0; i < c->lvm.n_lvs; i++) {
		const struct fy_cz_lv *lv = &c->lvm.lvs[i];

		fy_format_bytes(lv->part.length, size, sizeof(size));
		printf("%s/%s %*s  %s\n", c->lvm.vgs[lv->vg].name, lv->lv, 10,
		       size, kinds[lv->part.kind]);
	}
}

static int
info_disk(const struct fy_used_options *o, const char *image,
	  struct fy_error *err)
{
	FY_AUTO(cz_image) struct fy_cz_image *c = NULL;

	if (fy_cz_open(image, o->only, &c, err) == -1)
		return -1;
	if (o->json)
		return write_json(
			json_pack("{s:s,s:s,s:s,s:I,s:o,s:o}", "format",
				  "clonezilla", "disk", c->disk, "table",
				  c->gpt ? "gpt" : "mbr", "disk_bytes",
				  (json_int_t)c->bytes, "parts", parts_json(c),
				  "logical_volumes", lvs_json(c)),
			err);
	print_disk(c);
	if (fflush(stdout) != 0)
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}

int
fy_used_info(const struct fy_used_options *o, const char *image,
	     struct fy_error *err)
{
	FY_AUTO(unpack) struct fy_unpack *in = NULL;
	FY_AUTO(ptcl_reader) struct fy_ptcl_reader *r = NULL;
	struct fy_ptcl_header h;
	uint64_t used;

	if (fy_cz_is_image(image))
		return info_disk(o, image, err);
	if (fy_unpack_open(image, &in, err) == -1 ||
	    fy_ptcl_open(in, o->stop, &r, err) == -1)
		return -1;
	h = *fy_ptcl_header(r);
	tame(h.creator);
	tame(h.filesystem);
	used = fy_extents_bytes(fy_ptcl_used(r));
	if (o->json)
		return write_json(info_json(&h, used, fy_unpack_kind(in)), err);
	return print_info(&h, used, fy_unpack_kind(in), err);
}
