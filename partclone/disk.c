/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The maps of a set of disks: each table's partitions in order, with the map of
 * what lies on them, and the gaps between.  The set is read together, for what
 * lies on one disk may reach to others.
 */
#include "partclone/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/disk-build.h"
#include "partclone/gap.h"

/* --- gaps ---------------------------------------------------------------------- */

static struct fy_gap
make_gap(const struct fy_disk_build *b, uint64_t start, uint64_t length)
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
append_gap(struct fy_disk_build *b, struct fy_gap *gap, uint64_t *ret_skipped,
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
do_gap(struct fy_disk_build *b, uint64_t start, uint64_t length,
       struct fy_error *err)
{
	struct fy_gap gap = make_gap(b, start, length);
	struct fy_disk_volume *v;
	uint64_t skipped;

	if (length == 0 || b->probe_only)
		return 0;
	v = fy_disk_add_row(b, start, length, "gap", err);
	if (v == NULL || append_gap(b, &gap, &skipped, err) == -1)
		return -1;
	v->used_bytes = length - skipped;
	v->how = skipped > 0 ? FY_HOW_SKIPPED : FY_HOW_WHOLE;
	fy_progress_add(b->options->progress, length, 0);
	if (skipped == 0)
		return 0;
	return fy_disk_set_text(
		&v->note,
		"in no volume; its ends and known signatures are "
		"copied",
		err);
}

/* What lies behind a filesystem's end in its partition.  Counted to the
 * partition, unless something is left out. */
static int
do_tail(struct fy_disk_build *b, size_t index, uint64_t fs_bytes,
	struct fy_error *err)
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
	tail = fy_disk_add_row(b, start, length, "gap", err);
	if (tail == NULL)
		return -1;
	tail->used_bytes = length - skipped;
	tail->how = FY_HOW_SKIPPED;
	return fy_disk_set_text(
		&tail->note,
		"behind the end of a filesystem, inside its "
		"partition; its ends and known signatures are copied",
		err);
}

/* --- places --------------------------------------------------------------------- */

static int
add_names(struct fy_disk_build *b, struct fy_disk_volume *v, size_t index,
	  struct fy_error *err)
{
	const struct fy_partition *p;

	if (b->is_one)
		return 0;
	p = &b->table->partitions[index];
	v->number = p->number;
	v->boot = p->boot;
	if (fy_disk_set_text(&v->type, p->type, err) == -1 ||
	    fy_disk_set_text(&v->partuuid, p->partuuid, err) == -1)
		return -1;
	return fy_disk_set_text(&v->part_label, p->name, err);
}

/* Map the node, and place it on the disk. */
static int
take_node(struct fy_disk_build *b, struct fy_stack *s, struct fy_node *n,
	  size_t row, struct fy_error *err)
{
	struct fy_disk_volume *v = &b->map->volumes[row];

	if (fy_node_map(s, n, err) == -1)
		return -1;
	v->how = n->result.whole ? FY_HOW_WHOLE : FY_HOW_MAP;
	v->used_bytes = fy_extents_bytes(n->used);
	if (fy_disk_set_text(&v->note, n->result.note, err) == -1)
		return -1;
	fy_progress_add(b->options->progress, v->length, 0);
	if (n->closed)
		return 0; /* the whole disk is appended at the end */
	if (fy_extents_append_shifted(b->map->used, n->used, v->start,
				      v->length, err) == -1)
		return -1;
	fy_extents_free(n->used);
	n->used = NULL;
	return do_tail(b, row, n->result.bytes, err);
}

/* Of a set that is not mapped: a member's note is why it shows nothing. */
static int
tell_closed(struct fy_disk_volume *v, struct fy_stack *s,
	    const struct fy_node *n, struct fy_error *err)
{
	if (n->layer == NULL || n->layer->closed == NULL)
		return 0;
	return fy_disk_set_text(&v->note, n->layer->closed(s, n), err);
}

static int
do_place(struct fy_disk_build *b, struct fy_stack *s, size_t index,
	 struct fy_error *err)
{
	struct fy_node *n = b->places[index];
	uint64_t length = fy_volume_size(n->volume);
	struct fy_disk_volume *v;

	if (n->start > b->at && do_gap(b, b->at, n->start - b->at, err) == -1)
		return -1;
	b->at = fy_max_u64(b->at, n->start + length);
	v = fy_disk_add_row(b, n->start, length, n->path, err);
	if (v == NULL || add_names(b, v, index, err) == -1 ||
	    fy_disk_describe(v, &n->info, err) == -1)
		return -1;
	if (b->probe_only)
		return tell_closed(v, s, n, err);
	return take_node(b, s, n, b->map->n_volumes - 1, err);
}

/* --- the disk ----------------------------------------------------------------------- */

static bool
has_volume(const struct fy_disk_build *b, const struct fy_stack *s,
	   const char *path)
{
	size_t i;

	for (i = 0; i < s->n_nodes; i++)
		if ((s->nodes[i]->build == b || s->nodes[i]->base != NULL) &&
		    strcmp(s->nodes[i]->path, path) == 0)
			return true;
	return false;
}

/* Every volume that --whole names must be there. */
static int
check_whole(const struct fy_disk_build *b, const struct fy_stack *s,
	    struct fy_error *err)
{
	size_t i;

	for (i = 0; i < b->options->n_whole; i++)
		if (!has_volume(b, s, b->options->whole[i]))
			return fy_error_set(err, FY_E_NOTFOUND, 0,
					    "there is no volume '%s' on %s",
					    b->options->whole[i],
					    fy_volume_name(b->disk));
	return 0;
}

static int
build_map(struct fy_disk_build *b, struct fy_stack *s, struct fy_error *err)
{
	uint64_t size = fy_volume_size(b->disk);
	size_t i;

	for (i = 0; i < b->n_places; i++)
		if (fy_stop_check(b->options->stop, err) == -1 ||
		    do_place(b, s, i, err) == -1)
			return -1;
	if (b->at < size && do_gap(b, b->at, size - b->at, err) == -1)
		return -1;
	if (b->table->distrust != NULL && !b->probe_only) {
		fy_extents_free(b->map->used);
		b->map->used = fy_extents_new(err);
		if (b->map->used == NULL ||
		    fy_extents_append(b->map->used, 0, size, err) == -1)
			return -1;
	}
	b->map->used_bytes = fy_extents_bytes(b->map->used);
	return 0;
}

/* --- the set ------------------------------------------------------------------------- */

static int
prepare(struct fy_disk_build *b, struct fy_error *err)
{
	b->look = b->disk;
	b->map = calloc(1, sizeof(*b->map));
	if (b->map == NULL)
		return fy_error_nomem(err);
	b->map->used = fy_extents_new(err);
	if (b->map->used == NULL)
		return -1;
	if (b->options->rescue == NULL)
		return 0;
	if (fy_tolerant_view(b->disk, b->options->rescue, &b->lost, &b->view,
			     err) == -1)
		return -1;
	b->look = b->view;
	return 0;
}

static void
release(struct fy_disk_build *b)
{
	fy_disk_map_free(b->map);
	fy_table_free(b->table);
	fy_volume_close(b->view);
	free(b->places);
}

/* A report has no more rows than that of volumes on others. */
#define MAX_UPPER 1024

static int
add_upper(struct fy_disk_build *b, const struct fy_node *n,
	  struct fy_error *err)
{
	if (b->map->n_upper < MAX_UPPER)
		return fy_disk_add_upper(b, n, err);
	if (b->more_uppers++ > 0)
		return 0;
	return fy_disk_warn(b, err,
			    "there are more than %d volumes on others; the "
			    "rest of them is not listed",
			    MAX_UPPER);
}

/* Rows for what lies on the places. */
static int
add_uppers(struct fy_stack *s, size_t *ret_at, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < s->n_nodes; i++) {
		struct fy_node *n = s->nodes[i];

		if (n->base == NULL)
			continue;
		*ret_at = n->build->index;
		if ((!n->build->probe_only && fy_node_map(s, n, err) == -1) ||
		    add_upper(n->build, n, err) == -1)
			return -1;
	}
	return 0;
}

/* '*ret_at': the disk that it is about, when it fails. */
static int
read_set(struct fy_disk_build *builds, size_t n, struct fy_stack *s,
	 size_t *ret_at, struct fy_error *err)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		*ret_at = i;
		if (prepare(&builds[i], err) == -1 ||
		    fy_disk_scan(&builds[i], s, err) == -1)
			return -1;
		total += builds[i].map->disk_bytes;
	}
	if (builds[0].layers && fy_stack_grow(s, err) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		*ret_at = i;
		if (check_whole(&builds[i], s, err) == -1)
			return -1;
	}
	fy_progress_phase(builds[0].options->progress, "scan", total);
	for (i = 0; i < n; i++) {
		*ret_at = i;
		if (build_map(&builds[i], s, err) == -1)
			return -1;
	}
	return add_uppers(s, ret_at, err);
}

struct fy_disk_set {
	struct fy_disk_build *builds;
	size_t n;
	struct fy_stack stack;
};

void
fy_disk_set_free(struct fy_disk_set *set)
{
	size_t i;

	if (set == NULL)
		return;
	fy_stack_release(&set->stack);
	for (i = 0; i < set->n; i++)
		release(&set->builds[i]);
	free(set->builds);
	free(set);
}

/* '*ret_at' as for read_set. */
static int
open_set(struct fy_volume *const *disks, size_t n,
	 const struct fy_disk_map_options *options, bool probe_only,
	 bool layers, struct fy_disk_set **ret, size_t *ret_at,
	 struct fy_error *err)
{
	static const struct fy_disk_map_options defaults;
	FY_AUTO(disk_set) struct fy_disk_set *set = calloc(1, sizeof(*set));
	size_t i;

	*ret_at = 0;
	if (set != NULL)
		set->builds = calloc(n + 1, sizeof(*set->builds));
	if (set == NULL || set->builds == NULL)
		return fy_error_nomem(err);
	set->n = n;
	for (i = 0; i < n; i++) {
		set->builds[i].index = i;
		set->builds[i].disk = disks[i];
		set->builds[i].options =
			options != NULL ? &options[i] : &defaults;
		set->builds[i].probe_only = probe_only;
		set->builds[i].layers = layers;
	}
	set->stack.builds = set->builds;
	set->stack.n_builds = n;
	if (n > 0 && read_set(set->builds, n, &set->stack, ret_at, err) == -1) {
		if (set->stack.failed != NULL)
			*ret_at = set->stack.failed->build->index;
		return -1;
	}
	*ret = fy_steal_ptr(&set);
	return 0;
}

static int
run(struct fy_volume *const *disks, size_t n,
    const struct fy_disk_map_options *options, bool probe_only,
    struct fy_disk_map **ret, size_t *ret_at, struct fy_error *err)
{
	FY_AUTO(disk_set) struct fy_disk_set *set = NULL;
	size_t i, at;

	if (open_set(disks, n, options, probe_only, !probe_only, &set, &at,
		     err) == -1) {
		if (ret_at != NULL)
			*ret_at = at;
		return -1;
	}
	for (i = 0; i < n; i++)
		ret[i] = fy_steal_ptr(&set->builds[i].map);
	return 0;
}

int
fy_disk_set_read(struct fy_volume *const *disks, size_t n,
		 const struct fy_disk_map_options *options,
		 struct fy_disk_map **ret, size_t *ret_at, struct fy_error *err)
{
	return run(disks, n, options, false, ret, ret_at, err);
}

int
fy_disk_map_read(struct fy_volume *disk,
		 const struct fy_disk_map_options *options,
		 struct fy_disk_map **ret, struct fy_error *err)
{
	return run(&disk, 1, options, false, ret, NULL, err);
}

int
fy_disk_probe(struct fy_volume *disk, struct fy_disk_map **ret,
	      struct fy_error *err)
{
	return run(&disk, 1, NULL, true, ret, NULL, err);
}

int
fy_disk_set_open(struct fy_volume *const *disks, size_t n,
		 struct fy_disk_set **ret, struct fy_error *err)
{
	size_t at;

	if (open_set(disks, n, NULL, true, true, ret, &at, err) == -1)
		return fy_error_prefix(err, "disk %zu", at);
	return 0;
}

struct fy_disk_map *
fy_disk_set_map(const struct fy_disk_set *s, size_t i)
{
	return s->builds[i].map;
}

struct fy_volume *
fy_disk_set_volume(const struct fy_disk_set *s, size_t disk,
		   const struct fy_disk_volume *v)
{
	size_t i;

	for (i = 0; i < s->stack.n_nodes; i++) {
		const struct fy_node *n = s->stack.nodes[i];

		if (n->build->index == disk && n->start == v->start &&
		    strcmp(n->path, v->path) == 0 &&
		    fy_volume_size(n->volume) == v->length &&
		    (n->base == NULL || n->closed == NULL))
			return n->volume;
	}
	return NULL;
}
