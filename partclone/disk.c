/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The map of a disk: the table's partitions in order, each with the map of
 * what lies on it, and the gaps between them.
 *
 * A disk without a table is one volume.  A disk whose table can't be believed,
 * or that carries both a table and something that owns the whole disk (a RAID
 * member, a filesystem from sector 0 on), is copied whole: its partitions are
 * shown, but no map of theirs is used, for they may be no partitions at all.
 */
#include "partclone/disk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/filesystem.h"
#include "partclone/gap.h"
#include "partclone/signature.h"
#include "partclone/table.h"
#include "partclone/tolerant.h"

struct build {
	struct fy_volume *disk;
	struct fy_volume *look; /* for tables and signatures: 'disk', or a view
				   of it that reads on where it can't */
	struct fy_lost_sectors lost;
	const struct fy_disk_map_options *options;
	struct fy_table *table;
	struct fy_disk_map *map;
	bool probe_only;
	uint64_t at; /* everything before is accounted for */
};

static void
volume_release(struct fy_disk_volume *v)
{
	free(v->path);
	free(v->type);
	free(v->partuuid);
	free(v->part_label);
	free(v->filesystem);
	free(v->uuid);
	free(v->label);
	free(v->note);
}

void
fy_disk_map_free(struct fy_disk_map *m)
{
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->n_volumes; i++)
		volume_release(&m->volumes[i]);
	for (i = 0; i < m->n_warnings; i++)
		free(m->warnings[i]);
	free(m->volumes);
	free(m->warnings);
	free(m->table);
	free(m->table_uuid);
	fy_extents_free(m->used);
	free(m);
}

/* --- small things ------------------------------------------------------------ */

/* A copy, or NULL for an empty text; -1 when out of memory. */
static int
set_text(char **ret, const char *text, struct fy_error *err)
{
	char *copy = NULL;

	if (text != NULL && *text != '\0') {
		copy = strdup(text);
		if (copy == NULL)
			return fy_error_nomem(err);
	}
	free(*ret);
	*ret = copy;
	return 0;
}

static int warn(struct build *b, struct fy_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int
warn(struct build *b, struct fy_error *err, const char *fmt, ...)
{
	struct fy_disk_map *m = b->map;
	char text[600];
	char **grown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	grown = realloc(m->warnings, (m->n_warnings + 2) * sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	m->warnings = grown;
	grown[m->n_warnings] = strdup(text);
	if (grown[m->n_warnings] == NULL)
		return fy_error_nomem(err);
	grown[++m->n_warnings] = NULL;
	fy_log_warn(b->options->log, "%s", text);
	return 0;
}

static struct fy_disk_volume *
add_volume(struct build *b, uint64_t start, uint64_t length, const char *path,
	   struct fy_error *err)
{
	struct fy_disk_map *m = b->map;
	struct fy_disk_volume *grown;

	grown = realloc(m->volumes, (m->n_volumes + 1) * sizeof(*grown));
	if (grown == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	m->volumes = grown;
	grown = &m->volumes[m->n_volumes++];
	memset(grown, 0, sizeof(*grown));
	grown->start = start;
	grown->length = length;
	grown->how = FY_HOW_WHOLE;
	if (set_text(&grown->path, path, err) == -1)
		return NULL;
	return grown;
}

static bool
wants_whole(const struct build *b, const char *path)
{
	size_t i;

	for (i = 0; i < b->options->n_whole; i++)
		if (strcmp(b->options->whole[i], path) == 0)
			return true;
	return false;
}

/* --- gaps ---------------------------------------------------------------------- */

static struct fy_gap
make_gap(const struct build *b, uint64_t start, uint64_t length)
{
	return (struct fy_gap){
		.start = start,
		.length = length,
		.whole = b->options->all_gaps || b->table->keep_gaps ||
			 b->table->distrust != NULL,
		.must = b->table->must,
		.n_must = b->table->n_must,
	};
}

/* A signature that can't be looked for is no reason to leave anything out. */
static int
append_gap(struct build *b, struct fy_gap *gap, uint64_t *ret_skipped,
	   struct fy_error *err)
{
	uint64_t lost = b->lost.n;
	struct fy_extents_mark mark;

	fy_extents_take_mark(b->map->used, &mark);
	if (fy_gap_append(b->look, gap, b->map->used, ret_skipped, err) == -1)
		return -1;
	if (b->lost.n == lost)
		return 0;
	fy_extents_cut(b->map->used, &mark);
	gap->whole = true;
	return fy_gap_append(b->look, gap, b->map->used, ret_skipped, err);
}

/* Account for [start, start + length), which lies in no volume. */
static int
do_gap(struct build *b, uint64_t start, uint64_t length, struct fy_error *err)
{
	struct fy_gap gap = make_gap(b, start, length);
	struct fy_disk_volume *v;
	uint64_t skipped;

	if (length == 0 || b->probe_only)
		return 0;
	v = add_volume(b, start, length, "gap", err);
	if (v == NULL || append_gap(b, &gap, &skipped, err) == -1)
		return -1;
	v->used_bytes = length - skipped;
	v->how = skipped > 0 ? FY_HOW_SKIPPED : FY_HOW_WHOLE;
	fy_progress_add(b->options->progress, length, 0);
	if (skipped == 0)
		return 0;
	return set_text(&v->note,
			"in no volume; its ends and known signatures are "
			"copied",
			err);
}

/* What lies behind a filesystem's end in its partition.  Counted to the
 * partition, unless something is left out. */
static int
do_tail(struct build *b, size_t index, uint64_t fs_bytes, struct fy_error *err)
{
	struct fy_disk_volume *v = &b->map->volumes[index], *tail;
	uint64_t start = v->start + fs_bytes, length = v->length - fs_bytes;
	struct fy_gap gap = make_gap(b, start, length);
	uint64_t skipped;

	if (length == 0)
		return 0;
	if (append_gap(b, &gap, &skipped, err) == -1)
		return -1;
	if (skipped == 0) {
		v->used_bytes += length;
		return 0;
	}
	tail = add_volume(b, start, length, "gap", err);
	if (tail == NULL)
		return -1;
	tail->used_bytes = length - skipped;
	tail->how = FY_HOW_SKIPPED;
	return set_text(&tail->note,
			"behind the end of a filesystem, inside its "
			"partition; its ends and known signatures are copied",
			err);
}

/* --- volumes --------------------------------------------------------------------- */

/* Why the content of a partition of this type is never mapped; NULL. */
static const char *
reason_by_type(const char *type)
{
	static const struct {
		const char *type, *reason;
	} types[] = {
		{ "0x42", "a dynamic disk of Windows (LDM)" },
		{ "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
		  "the database of a dynamic disk (LDM)" },
		{ "af9b60a0-1431-4f62-bc68-3311714a69ad",
		  "a dynamic disk of Windows (LDM)" },
		{ "e75caf8f-f680-4cee-afa3-b001e56efc2d",
		  "a member of Storage Spaces" },
	};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i].type) == 0)
			return types[i].reason;
	return NULL;
}

static int
describe(struct fy_disk_volume *v, const struct fy_fs_info *info,
	 struct fy_error *err)
{
	v->how = info->driver != NULL ? FY_HOW_MAP : FY_HOW_WHOLE;
	v->driver = info->driver;
	if (set_text(&v->filesystem, info->name, err) == -1 ||
	    set_text(&v->uuid, info->uuid, err) == -1 ||
	    set_text(&v->label, info->label, err) == -1)
		return -1;
	return set_text(&v->note, info->note, err);
}

/* All of the volume is used. */
static int
take_whole(struct build *b, size_t index, const char *note,
	   struct fy_error *err)
{
	struct fy_disk_volume *v = &b->map->volumes[index];

	v->how = FY_HOW_WHOLE;
	v->used_bytes = v->length;
	if (note != NULL && set_text(&v->note, note, err) == -1)
		return -1;
	if (b->table->distrust != NULL)
		return 0; /* the whole disk is appended at the end */
	return fy_extents_append(b->map->used, v->start, v->length, err);
}

/* Read the map and place it on the disk. */
static int
take_map(struct build *b, size_t index, struct fy_volume *part,
	 const struct fy_fs_info *info, struct fy_error *err)
{
	fy_autoextents struct fy_extents *used = fy_extents_new(err);
	struct fy_disk_volume *v = &b->map->volumes[index];
	struct fy_fs_result result;
	const struct fy_fs_map_options options = {
		.allow_dirty = b->options->allow_dirty,
		.log = b->options->log,
		.stop = b->options->stop,
	};

	if (used == NULL ||
	    fy_fs_map(part, info, &options, used, &result, err) == -1)
		return -1;
	if (result.warn &&
	    warn(b, err, "%s (%s): %s", v->path, info->name, result.note) == -1)
		return -1;
	if (result.whole)
		return take_whole(b, index, result.note, err);
	v->how = FY_HOW_MAP;
	v->used_bytes = fy_extents_bytes(used);
	if (set_text(&v->note, result.note, err) == -1 ||
	    fy_extents_append_shifted(b->map->used, used, v->start, v->length,
				      err) == -1)
		return -1;
	return do_tail(b, index, result.bytes, err);
}

/* All of it, for what would say more can't be read. */
static int
take_unsure(struct build *b, size_t index, const char *what, const char *why,
	    struct fy_error *err)
{
	char note[400];

	snprintf(note, sizeof(note),
		 "%s can't be read, so all of it is copied%s%s", what,
		 why[0] != '\0' ? ": " : "", why);
	if (warn(b, err, "%s: %s", b->map->volumes[index].path, note) == -1)
		return -1;
	return take_whole(b, index, note, err);
}

static int
take_readable_map(struct build *b, size_t index, struct fy_volume *part,
		  const struct fy_fs_info *info, struct fy_error *err)
{
	struct fy_error why = { 0 };
	struct fy_extents_mark mark;

	fy_extents_take_mark(b->map->used, &mark);
	if (take_map(b, index, part, info, &why) == 0)
		return 0;
	if (b->options->rescue == NULL || why.code != FY_E_IO) {
		*err = why;
		return -1;
	}
	fy_extents_cut(b->map->used, &mark);
	return take_unsure(b, index, "its map of used blocks", why.msg, err);
}

/* 'lost': what lies there may be more than 'info' knows. */
static int
take_volume(struct build *b, size_t index, struct fy_volume *part,
	    const struct fy_fs_info *info, bool lost, struct fy_error *err)
{
	struct fy_disk_volume *v = &b->map->volumes[index];
	const char *by_type = v->type != NULL ? reason_by_type(v->type) : NULL;
	uint64_t length = v->length;
	int r;

	if (b->table->distrust != NULL)
		r = take_whole(b, index, b->table->distrust, err);
	else if (wants_whole(b, v->path))
		r = take_whole(b, index, "asked for", err);
	else if (by_type != NULL)
		r = take_whole(b, index, by_type, err);
	else if (lost)
		r = take_unsure(b, index, "a sector that tells what it is", "",
				err);
	else
		r = take_readable_map(b, index, part, info, err);
	if (r == 0)
		fy_progress_add(b->options->progress, length, 0);
	return r;
}

/* Identify and map what lies at volume number 'index' of the map. */
static int
do_volume(struct build *b, size_t index, struct fy_error *err)
{
	struct fy_disk_volume *v = &b->map->volumes[index];
	fy_autovolume struct fy_volume *part = NULL;
	fy_autovolume struct fy_volume *look = NULL;
	struct fy_error failure = { 0 };
	uint64_t lost = b->lost.n;
	char path[32];
	struct fy_fs_info info;

	snprintf(path, sizeof(path), "%s", v->path);
	if (fy_volume_slice(b->disk, v->start, v->length, path, &part, err) ==
		    -1 ||
	    fy_volume_slice(b->look, v->start, v->length, path, &look, err) ==
		    -1 ||
	    fy_fs_identify(look, &info, err) == -1 ||
	    describe(v, &info, err) == -1)
		return -1;
	if (b->probe_only)
		return 0;
	if (take_volume(b, index, part, &info, b->lost.n > lost, &failure) == 0)
		return 0;
	*err = failure;
	if (failure.code == FY_E_DIRTY || failure.code == FY_E_UNSUPPORTED)
		return fy_error_prefix(err, "%s (%s)", path, info.name);
	return fy_error_prefix(err, "%s", path);
}

static int
do_partition(struct build *b, const struct fy_partition *p,
	     struct fy_error *err)
{
	struct fy_disk_volume *v;
	char path[16];

	if (p->start > b->at && do_gap(b, b->at, p->start - b->at, err) == -1)
		return -1;
	b->at = fy_max_u64(b->at, p->start + p->length);
	snprintf(path, sizeof(path), "p%u", p->number);
	v = add_volume(b, p->start, p->length, path, err);
	if (v == NULL)
		return -1;
	v->number = p->number;
	v->boot = p->boot;
	if (set_text(&v->type, p->type, err) == -1 ||
	    set_text(&v->partuuid, p->partuuid, err) == -1 ||
	    set_text(&v->part_label, p->name, err) == -1)
		return -1;
	return do_volume(b, b->map->n_volumes - 1, err);
}

/* --- the disk ----------------------------------------------------------------------- */

static bool
lies_in_partition(const struct fy_table *t, uint64_t at)
{
	size_t i;

	for (i = 0; i < t->n_partitions; i++)
		if (at >= t->partitions[i].start &&
		    at - t->partitions[i].start < t->partitions[i].length)
			return true;
	return false;
}

/*
 * What owns the disk besides its table: '*ret' is its name, or NULL.  With a
 * GPT only members of arrays count, for its own sectors lie where filesystems
 * have theirs.  A swap's old signature costs nobody anything.
 */
static int
find_owner(struct build *b, const struct fy_fs_info *info, const char **ret,
	   struct fy_error *err)
{
	struct fy_signature_hit hits[FY_SIGNATURE_HITS];
	bool gpt = b->table->kind == FY_TABLE_GPT;
	size_t i, n;

	*ret = NULL;
	if (fy_signatures_find(b->look, hits, &n, err) == -1)
		return -1;
	for (i = 0; i < n && *ret == NULL; i++) {
		const struct fy_signature *s = hits[i].signature;

		if (lies_in_partition(b->table, hits[i].at))
			continue;
		if (s->class == FY_SIGNATURE_MEMBER ||
		    (s->class == FY_SIGNATURE_FILESYSTEM && !gpt))
			*ret = s->name;
	}
	if (*ret == NULL && !gpt && info->driver != NULL &&
	    info->driver != &fy_fs_swap)
		*ret = info->name;
	return 0;
}

static int
distrust_lost(struct build *b, const char *what, struct fy_error *err)
{
	return fy_table_distrust(b->table, err,
				 "a sector that may hold a %s can't be read "
				 "(at byte %llu)",
				 what, (unsigned long long)b->lost.first);
}

/* Decide whether the table holds, or the disk is one volume. */
static int
settle_table(struct build *b, bool *ret_is_one, struct fy_error *err)
{
	struct fy_table *t = b->table;
	struct fy_fs_info info;
	uint64_t lost = b->lost.n;
	const char *owner;

	*ret_is_one = t->kind == FY_TABLE_NONE;
	/* A GPT has two copies with checksums; nothing else has. */
	if (lost > 0 && t->kind != FY_TABLE_GPT &&
	    distrust_lost(b, "partition table", err) == -1)
		return -1;
	if (*ret_is_one)
		return 0;
	/* The sector of the primary header holds nothing else. */
	if (t->kind == FY_TABLE_GPT) {
		b->lost.fine_from = t->sector_bytes;
		b->lost.fine_to = 2 * t->sector_bytes;
	}
	lost = b->lost.n;
	if (fy_fs_identify(b->look, &info, err) == -1 ||
	    find_owner(b, &info, &owner, err) == -1)
		return -1;
	if (t->n_partitions == 0 && t->kind == FY_TABLE_MBR && owner != NULL &&
	    t->distrust == NULL) {
		*ret_is_one = true;
		return 0;
	}
	if (owner == NULL)
		return b->lost.n == lost ? 0
					 : distrust_lost(b, "signature", err);
	return fy_table_distrust(t, err,
				 "the disk carries a partition table and the "
				 "signature of %s on the whole disk",
				 owner);
}

static int
do_table(struct build *b, struct fy_error *err)
{
	uint64_t size = fy_volume_size(b->disk);
	size_t i;

	for (i = 0; i < b->table->n_partitions; i++) {
		if (fy_stop_check(b->options->stop, err) == -1 ||
		    do_partition(b, &b->table->partitions[i], err) == -1)
			return -1;
	}
	return b->at < size ? do_gap(b, b->at, size - b->at, err) : 0;
}

static int
do_whole_disk(struct build *b, struct fy_error *err)
{
	uint64_t size = fy_volume_size(b->disk);

	if (size == 0)
		return 0;
	if (add_volume(b, 0, size, "disk", err) == NULL)
		return -1;
	return do_volume(b, b->map->n_volumes - 1, err);
}

static int
fill_header(struct build *b, bool is_one, struct fy_error *err)
{
	static const char *const names[] = { "none", "mbr", "gpt" };
	struct fy_table *t = b->table;
	size_t i;

	for (i = 0; i < t->n_warnings; i++)
		if (warn(b, err, "%s", t->warnings[i]) == -1)
			return -1;
	if (t->distrust != NULL &&
	    warn(b, err, "the whole disk is copied: %s", t->distrust) == -1)
		return -1;
	b->map->disk_bytes = fy_volume_size(b->disk);
	b->map->sector_bytes = t->sector_bytes;
	if (set_text(&b->map->table, names[is_one ? FY_TABLE_NONE : t->kind],
		     err) == -1)
		return -1;
	return is_one ? 0 : set_text(&b->map->table_uuid, t->uuid, err);
}

/* Every volume that --whole names must be there. */
static int
check_whole(const struct build *b, struct fy_error *err)
{
	size_t i, k;

	for (i = 0; i < b->options->n_whole; i++) {
		const char *name = b->options->whole[i];

		for (k = 0; k < b->map->n_volumes; k++)
			if (strcmp(b->map->volumes[k].path, name) == 0 &&
			    strcmp(name, "gap") != 0)
				break;
		if (k == b->map->n_volumes)
			return fy_error_set(err, FY_E_NOTFOUND, 0,
					    "there is no volume '%s' on %s",
					    name, fy_volume_name(b->disk));
	}
	return 0;
}

static int
build(struct build *b, struct fy_error *err)
{
	bool is_one;

	if (fy_table_read(b->look, &b->table, err) == -1 ||
	    settle_table(b, &is_one, err) == -1 ||
	    fill_header(b, is_one, err) == -1)
		return -1;
	fy_progress_phase(b->options->progress, "scan", b->map->disk_bytes);
	if ((is_one ? do_whole_disk(b, err) : do_table(b, err)) == -1 ||
	    check_whole(b, err) == -1)
		return -1;
	if (b->table->distrust != NULL && !b->probe_only) {
		fy_extents_free(b->map->used);
		b->map->used = fy_extents_new(err);
		if (b->map->used == NULL ||
		    fy_extents_append(b->map->used, 0, b->map->disk_bytes,
				      err) == -1)
			return -1;
	}
	b->map->used_bytes = fy_extents_bytes(b->map->used);
	return 0;
}

static int
run(struct fy_volume *disk, const struct fy_disk_map_options *options,
    bool probe_only, struct fy_disk_map **ret, struct fy_error *err)
{
	static const struct fy_disk_map_options defaults;
	FY_AUTO(disk_map) struct fy_disk_map *m = calloc(1, sizeof(*m));
	fy_autovolume struct fy_volume *view = NULL;
	struct build b = {
		.disk = disk,
		.look = disk,
		.options = options != NULL ? options : &defaults,
		.map = m,
		.probe_only = probe_only,
	};
	int r;

	if (m == NULL)
		return fy_error_nomem(err);
	m->used = fy_extents_new(err);
	if (m->used == NULL)
		return -1;
	if (b.options->rescue != NULL) {
		if (fy_tolerant_view(disk, b.options->rescue, &b.lost, &view,
				     err) == -1)
			return -1;
		b.look = view;
	}
	r = build(&b, err);
	fy_table_free(b.table);
	if (r == -1)
		return -1;
	*ret = fy_steal_ptr(&m);
	return 0;
}

int
fy_disk_map_read(struct fy_volume *disk,
		 const struct fy_disk_map_options *options,
		 struct fy_disk_map **ret, struct fy_error *err)
{
	return run(disk, options, false, ret, err);
}

int
fy_disk_probe(struct fy_volume *disk, struct fy_disk_map **ret,
	      struct fy_error *err)
{
	return run(disk, NULL, true, ret, err);
}
