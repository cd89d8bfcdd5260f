/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk put together from a Clonezilla image, from front to back: table and
 * boot records, what lay between them and the first partition, each partition,
 * the second GPT; then what lies in LVM's LVs, each through a view of the disk.  A
 * partition that the image has nothing of stays as the target
 * has it, and is named.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/clonezilla.h"
#include "partclone/lvm.h"
#include "partclone/restore.h"

#define PIECE_BYTES (1u << 20)
#define SKIP_BYTES  (64u << 10)
#define SWAP_PAGE   4096u

struct piece {
	uint64_t offset;
	const struct fy_cz_chunk *chunk; /* or */
	const struct fy_cz_part *part;	 /* or what lay behind the MBR */
};

struct assembly {
	const struct fy_used_options *o;
	const struct fy_cz_image *c;
	struct fy_target *t;
	struct fy_progress *progress;
	struct fy_used_result *result;
	uint64_t damage;
};

static char *
path_of(const struct fy_cz_image *c, const char *name, struct fy_error *err)
{
	return fy_format(err, "%s/%s", c->dir, name);
}

/* --- bytes as they are -------------------------------------------------------- */

/* What 'in' yields to [start, start + length), which it must not exceed. */
static int
copy_plain(struct assembly *a, struct fy_unpack *in, uint64_t start,
	   uint64_t length, bool cut, struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc(PIECE_BYTES);
	uint64_t at = 0, i;
	size_t n, k;

	if (buf == NULL)
		return fy_error_nomem(err);
	do {
		if (fy_stop_check(a->o->stop, err) == -1 ||
		    fy_unpack_read(in, buf, PIECE_BYTES, &n, err) == -1)
			return -1;
		if (n > length - at) {
			if (!cut)
				return fy_error_set(err, FY_E_FORMAT, 0,
						    "%s has more bytes than "
						    "its place on the disk",
						    fy_unpack_name(in));
			n = (size_t)(length - at);
		}
		for (i = 0; i < n; i += k) {
			k = (size_t)fy_min_u64(n - i, SKIP_BYTES);
			if ((!fy_target_is_new(a->t) ||
			     !fy_is_zero(buf + i, k)) &&
			    fy_target_write(a->t, buf + i, k, start + at + i,
					    err) == -1)
				return -1;
		}
		at += n;
		fy_progress_add(a->progress, n, 0);
	} while (n == PIECE_BYTES);
	a->result->used_bytes += at;
	a->result->stored_bytes += fy_unpack_packed(in);
	return 0;
}

/* --- partitions ------------------------------------------------------------------ */

static int
restore_partclone(struct assembly *a, const struct fy_cz_part *p,
		  struct fy_unpack *in, struct fy_error *err)
{
	FY_AUTO(ptcl_reader) struct fy_ptcl_reader *r = NULL;
	struct fy_damage damage = { 0 };
	const struct fy_ptcl_header *h;

	if (fy_ptcl_open(in, a->o->stop, &r, err) == -1)
		return -1;
	h = fy_ptcl_header(r);
	if (h->blocks * h->block_bytes > p->length)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s: the image is of %" PRIu64
				    " bytes, the partition has %" PRIu64,
				    fy_unpack_name(in),
				    h->blocks * h->block_bytes, p->length);
	if (fy_restore_image(a->o, r, a->t, p->start, &damage, a->progress,
			     err) == -1 ||
	    (h->device_bytes <= p->length &&
	     fy_restore_ntfs_copy(r, &damage, a->t, p->start, err) == -1))
		return -1;
	a->damage += damage.n;
	a->result->used_bytes += fy_extents_bytes(fy_ptcl_used(r));
	a->result->stored_bytes += fy_unpack_packed(in);
	return 0;
}

/* 16 bytes of "6cd8a1f0-..."; false when it is something else. */
static bool
parse_uuid(const char *text, unsigned char ret[16])
{
	unsigned v;
	size_t i, n = 0;

	for (i = 0; text[i] != '\0' && n < 32; i++) {
		if (text[i] == '-')
			continue;
		if (strchr("0123456789abcdefABCDEF", text[i]) == NULL)
			return false;
		v = (unsigned)strtoul((char[]){ text[i], '\0' }, NULL, 16);
		ret[n / 2] =
			(unsigned char)(n % 2 == 0 ? v << 4 : ret[n / 2] | v);
		n++;
	}
	return n == 32 && text[i] == '\0';
}

/* As mkswap makes it: version 1, pages of 4 KiB. */
static int
make_swap(struct assembly *a, const struct fy_cz_part *p, struct fy_error *err)
{
	unsigned char page[SWAP_PAGE] = { 0 };
	uint64_t pages = p->length / SWAP_PAGE;

	if (pages < 10)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s is too small for a swap", p->name);
	fy_put_le32(page + 1024, 1);
	fy_put_le32(page + 1028, (uint32_t)(fy_min_u64(pages, UINT32_MAX) - 1));
	if (p->uuid[0] != '\0' && !parse_uuid(p->uuid, page + 1036))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "swappt-%s.info has a senseless UUID",
				    p->name);
	memcpy(page + 1052, p->label, strnlen(p->label, 16));
	memcpy(page + SWAP_PAGE - 10, "SWAPSPACE2", 10);
	a->result->used_bytes += SWAP_PAGE;
	return fy_target_write(a->t, page, sizeof(page), p->start, err);
}

/* --- LVM ------------------------------------------------------------------------- */

#define TAIL_BYTES (128u << 10)

/* Zeros on a device, where something else may have left what LVM or the kernel
 * would take for a sign. */
static int
wipe(struct assembly *a, uint64_t from, uint64_t to, struct fy_error *err)
{
	fy_autofree unsigned char *zeros = NULL;
	size_t n;

	if (fy_target_is_new(a->t) || from >= to)
		return 0;
	zeros = calloc(1, PIECE_BYTES);
	if (zeros == NULL)
		return fy_error_nomem(err);
	for (; from < to; from += n) {
		n = (size_t)fy_min_u64(to - from, PIECE_BYTES);
		if (fy_stop_check(a->o->stop, err) == -1 ||
		    fy_target_write(a->t, zeros, n, from, err) == -1)
			return -1;
	}
	return 0;
}

static int
make_pv(struct assembly *a, const struct fy_cz_part *part, struct fy_error *err)
{
	const struct fy_cz_lvm *l = &a->c->lvm;
	const struct fy_cz_pv *p = l->pvs;
	fy_autofree unsigned char *head = NULL;
	struct fy_lvm_head h;
	uint64_t end, tail;
	size_t len;

	while (p->start != part->start) /* there is one for each such part */
		p++;
	h = (struct fy_lvm_head){ .id = p->id,
				  .device_bytes = p->length,
				  .data_start = p->data_start,
				  .text = l->vgs[p->vg].text,
				  .text_len = l->vgs[p->vg].text_len };
	end = p->start + p->length;
	tail = fy_min_u64(p->length, TAIL_BYTES);
	if (fy_lvm_head_make(&h, &head, &len, err) == -1 ||
	    wipe(a, p->start, p->start + fy_lvm_head_end(p->data_start), err) ==
		    -1 ||
	    wipe(a, end - tail, end, err) == -1)
		return -1;
	a->result->used_bytes += len;
	return fy_target_write(a->t, head, len, p->start, err);
}

static int
restore_part(struct assembly *a, const struct fy_cz_part *p,
	     struct fy_error *err)
{
	FY_AUTO(unpack) struct fy_unpack *in = NULL;
	fy_autofree char *path = NULL;

	if (p->kind == FY_CZ_NOTHING) {
		fy_used_warn("the image has nothing of %s: it is left as it is",
			     p->name);
		return 0;
	}
	if (p->kind == FY_CZ_SWAP)
		return make_swap(a, p, err);
	if (p->kind == FY_CZ_PV)
		return make_pv(a, p, err);
	path = path_of(a->c, p->file, err);
	if (path == NULL || fy_unpack_open(path, &in, err) == -1)
		return -1;
	return p->kind == FY_CZ_RAW
		       ? copy_plain(a, in, p->start, p->length, false, err)
		       : restore_partclone(a, p, in, err);
}

/* --- between the table and the first partition --------------------------------------- */

static uint64_t
first_start(const struct fy_cz_image *c)
{
	uint64_t first = c->bytes;
	size_t i;

	for (i = 0; i < c->n_parts; i++)
		first = fy_min_u64(first, c->parts[i].start);
	return first;
}

static int
restore_hidden(struct assembly *a, struct fy_error *err)
{
	FY_AUTO(unpack) struct fy_unpack *in = NULL;
	fy_autofree char *name = NULL, *path = NULL;
	uint64_t first = first_start(a->c), start = a->c->sector_bytes;
	struct fy_error why = { 0 };

	name = fy_format(err, "%s-hidden-data-after-mbr", a->c->disk);
	path = name == NULL ? NULL : path_of(a->c, name, err);
	if (path == NULL)
		return -1;
	if (fy_unpack_open(path, &in, &why) == -1) {
		if (why.code == FY_E_NOTFOUND)
			return 0;
		*err = why;
		return -1;
	}
	return first <= start
		       ? 0
		       : copy_plain(a, in, start, first - start, true, err);
}

/* --- all ---------------------------------------------------------------------------- */

static int
by_offset(const void *x, const void *y)
{
	const struct piece *p = x, *q = y;

	return p->offset < q->offset ? -1 : p->offset > q->offset;
}

/* All pieces in order; what lay behind the MBR is one with neither chunk nor
 * partition. */
static struct piece *
list_pieces(const struct assembly *a, const struct fy_cz_table *table,
	    size_t *ret_n, struct fy_error *err)
{
	const struct fy_cz_image *c = a->c;
	struct piece *list;
	size_t i, n = 0;

	list = calloc(table->n_chunks + c->n_parts + 1, sizeof(*list));
	if (list == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	for (i = 0; i < table->n_chunks; i++)
		list[n++] = (struct piece){ .offset = table->chunks[i].offset,
					    .chunk = &table->chunks[i] };
	for (i = 0; i < c->n_parts; i++)
		if (!c->parts[i].extended)
			list[n++] = (struct piece){ .offset = c->parts[i].start,
						    .part = &c->parts[i] };
	if (!c->gpt)
		list[n++] = (struct piece){ .offset = c->sector_bytes };
	fy_sort(list, n, sizeof(*list), by_offset);
	*ret_n = n;
	return list;
}

static int
restore_piece(struct assembly *a, const struct piece *p, struct fy_error *err)
{
	if (p->chunk != NULL)
		return fy_target_write(a->t, p->chunk->bytes, p->chunk->length,
				       p->offset, err);
	if (p->part == NULL)
		return restore_hidden(a, err);
	if (restore_part(a, p->part, err) == -1)
		return fy_error_prefix(err, "%s", p->part->name);
	return 0;
}

/* An LV of bytes must have all of them. */
static int
check_whole(const struct fy_cz_lv *lv, uint64_t had, struct fy_error *err)
{
	if (lv->part.kind != FY_CZ_RAW || had == lv->part.length)
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the image has %" PRIu64 " bytes, the LV %" PRIu64,
			    had, lv->part.length);
}

/* After the PVs. */
static int
restore_lvs(struct assembly *a, struct fy_error *err)
{
	struct fy_target *disk = a->t;
	const struct fy_cz_lv *lv;
	uint64_t before;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < a->c->lvm.n_lvs; i++) {
		FY_AUTO(target) struct fy_target *view = NULL;

		lv = &a->c->lvm.lvs[i];
		before = a->result->used_bytes;
		r = fy_target_view(disk, lv->pieces, lv->n_pieces,
				   lv->part.name, &view, err);
		if (r == 0) {
			a->t = view;
			r = restore_part(a, &lv->part, err);
			a->t = disk;
		}
		if (r == 0)
			r = check_whole(lv, a->result->used_bytes - before,
					err);
		if (r == -1)
			fy_error_prefix(err, "LV %s", lv->part.name);
	}
	return r;
}

int
fy_cz_restore(const struct fy_used_options *o, const struct fy_cz_image *c,
	      struct fy_target *t, struct fy_progress *progress,
	      struct fy_used_result *result, uint64_t *ret_damage,
	      struct fy_error *err)
{
	struct assembly a = {
		.o = o, .c = c, .t = t, .progress = progress, .result = result
	};
	fy_autofree struct piece *list = NULL;
	struct fy_cz_table table;
	size_t i, n = 0;
	int r = 0;

	result->disk_bytes = c->bytes;
	if (c->lvm.n_lvs > 0 && fy_target_is_stream(t))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' has LVM volumes, which are not "
				    "written in order: restore it to a file or "
				    "a device",
				    c->dir);
	if (fy_cz_table_make(c, fy_target_bytes(t), &table, err) == -1)
		return -1;
	fy_progress_phase(progress, "restore", 0);
	list = list_pieces(&a, &table, &n, err);
	if (list == NULL)
		r = -1;
	for (i = 0; r == 0 && i < n; i++)
		r = restore_piece(&a, &list[i], err);
	if (r == 0)
		r = restore_lvs(&a, err);
	fy_cz_table_release(&table);
	*ret_damage = a.damage;
	return r;
}

/* --- checking -------------------------------------------------------------------- */

/* 'all': bytes that are kept as they are must be as many as it has. */
static int
check_part(struct assembly *a, const struct fy_cz_part *p, bool all,
	   struct fy_error *err)
{
	FY_AUTO(ptcl_reader) struct fy_ptcl_reader *r = NULL;
	FY_AUTO(unpack) struct fy_unpack *in = NULL;
	fy_autofree unsigned char *buf = malloc(PIECE_BYTES);
	fy_autofree char *path = path_of(a->c, p->file, err);
	struct fy_damage damage = { 0 };
	const unsigned char *data;
	uint64_t offset, total = 0;
	size_t n = PIECE_BYTES;
	int status = 0;

	if (path == NULL || buf == NULL || fy_unpack_open(path, &in, err) == -1)
		return buf == NULL ? fy_error_nomem(err) : -1;
	while (p->kind == FY_CZ_RAW && n == PIECE_BYTES) {
		if (fy_stop_check(a->o->stop, err) == -1 ||
		    fy_unpack_read(in, buf, PIECE_BYTES, &n, err) == -1)
			return -1;
		total += n;
	}
	if (p->kind == FY_CZ_PARTCLONE) {
		if (fy_ptcl_open(in, a->o->stop, &r, err) == -1)
			return -1;
		fy_ptcl_tolerate(r, fy_damage_add, &damage);
		while ((status = fy_ptcl_next(r, &offset, &data, &n, err)) == 1)
			fy_progress_add(a->progress, n, 0);
		total = fy_ptcl_header(r)->blocks *
			fy_ptcl_header(r)->block_bytes;
		a->result->used_bytes += fy_extents_bytes(fy_ptcl_used(r));
	} else {
		a->result->used_bytes += total;
	}
	a->result->stored_bytes += fy_unpack_packed(in);
	a->damage += damage.n;
	if (status == 0 && total > p->length)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "%s is larger than its partition", path);
	if (status == 0 && all && p->kind == FY_CZ_RAW && total != p->length)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "%s is shorter than its LV", path);
	return status;
}

int
fy_cz_check(const struct fy_used_options *o, const struct fy_cz_image *c,
	    struct fy_progress *progress, struct fy_used_result *result,
	    struct fy_error *err)
{
	struct assembly a = {
		.o = o, .c = c, .progress = progress, .result = result
	};
	struct fy_cz_table table;
	size_t i;

	result->disk_bytes = c->bytes;
	if (fy_cz_table_make(c, c->bytes, &table, err) == -1)
		return -1;
	fy_cz_table_release(&table);
	fy_progress_phase(progress, "check", 0);
	for (i = 0; i < c->n_parts; i++)
		if (c->parts[i].file != NULL &&
		    check_part(&a, &c->parts[i], false, err) == -1)
			return fy_error_prefix(err, "%s", c->parts[i].name);
	for (i = 0; i < c->lvm.n_lvs; i++)
		if (c->lvm.lvs[i].part.file != NULL &&
		    check_part(&a, &c->lvm.lvs[i].part, true, err) == -1)
			return fy_error_prefix(err, "LV %s",
					       c->lvm.lvs[i].part.name);
	return a.damage == 0 ? 0
			     : fy_error_set(err, FY_E_CORRUPT, 0,
					    "%s is damaged: %" PRIu64
					    " checksums do not match",
					    c->dir, a.damage);
}

int
fy_cz_to_file(const char *dir, const char *path, const struct fy_stop *stop,
	      struct fy_progress *progress, struct fy_error *err)
{
	const struct fy_used_options o = { .stop = stop };
	FY_AUTO(cz_image) struct fy_cz_image *c = NULL;
	FY_AUTO(target) struct fy_target *t = NULL;
	struct fy_used_result result = { 0 };
	uint64_t damage;

	if (fy_cz_open(dir, NULL, &c, err) == -1 ||
	    fy_target_open(path, c->bytes, false, &t, err) == -1 ||
	    fy_cz_restore(&o, c, t, progress, &result, &damage, err) == -1)
		return -1;
	return fy_target_finish(t, err);
}
