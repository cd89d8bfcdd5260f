/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LVs as volumes, and what is used of them.
 *
 * An LV is made of parts of PVs and of other LVs (images of a mirror).  Read it
 * is from above: the first of equal images.  What is used of it is what its
 * content uses when it can be seen, else what the LVs above it use of it.  An LV
 * of which neither is known for sure is used whole: the data and metadata of a
 * cache, dm-raid's superblocks, the logs of mirrors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/gather.h"
#include "partclone/disk-build.h"
#include "partclone/stack-lvm.h"

#define MAX_LEVELS    32u
#define DM_RAID_MAGIC 0x64526d44u /* "DmRd" */

/* --- who uses what ------------------------------------------------------------- */

static int
add_use(struct fy_lvm_uses *uses, const struct fy_lvm_use *u,
	struct fy_error *err)
{
	struct fy_lvm_use *grown;
	size_t room;

	if (uses->n == uses->room) {
		room = uses->room == 0 ? 4 : uses->room * 2;
		grown = reallocarray(uses->items, room, sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		uses->items = grown;
		uses->room = room;
	}
	uses->items[uses->n++] = *u;
	return 0;
}

static uint64_t
area_extents(const struct fy_lvm_segment *g)
{
	return g->kind == FY_LVM_STRIPED ? g->count / g->n_areas : g->count;
}

static int
note_segment(struct fy_lvm_group *g, uint32_t lv, uint32_t segment,
	     struct fy_error *err)
{
	const struct fy_lvm_segment *s = &g->vg.lvs[lv].segments[segment];
	uint32_t k;

	if (s->kind != FY_LVM_STRIPED && s->kind != FY_LVM_MIRRORED)
		return 0;
	for (k = 0; k < s->n_areas; k++) {
		const struct fy_lvm_area *a = &s->areas[k];
		const struct fy_lvm_use u = {
			.start = a->extent,
			.count = area_extents(s),
			.lv = lv,
			.segment = segment,
			.k = k,
		};

		if (add_use(a->is_lv ? &g->lvs[a->index].uses
				     : &g->pv_uses[a->index],
			    &u, err) == -1)
			return -1;
	}
	return 0;
}

static int
use_by_start(const void *a, const void *b)
{
	const struct fy_lvm_use *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

bool
fy_lvm_sort_uses(struct fy_lvm_uses *uses, uint64_t extents)
{
	uint64_t end = 0;
	size_t i;

	if (uses->n == 0)
		return true;
	fy_sort(uses->items, uses->n, sizeof(*uses->items), use_by_start);
	for (i = 0; i < uses->n; i++) {
		const struct fy_lvm_use *u = &uses->items[i];

		if (u->start < end || u->start > extents ||
		    u->count > extents - u->start)
			return false;
		end = u->start + u->count;
	}
	return true;
}

static int
note_uses(struct fy_lvm_group *g, struct fy_error *err)
{
	uint32_t i, k;

	for (i = 0; i < g->vg.n_lvs; i++)
		for (k = 0; k < g->vg.lvs[i].n_segments; k++)
			if (note_segment(g, i, k, err) == -1)
				return -1;
	for (i = 0; i < g->vg.n_pvs; i++)
		if (!fy_lvm_sort_uses(&g->pv_uses[i], g->vg.pvs[i].extents))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "extents of %s are used twice, or "
					    "lie outside",
					    g->vg.pvs[i].name);
	for (i = 0; i < g->vg.n_lvs; i++) {
		struct fy_lvm_lv *lv = &g->vg.lvs[i];

		if (!fy_lvm_sort_uses(&g->lvs[i].uses, lv->extents))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "extents of %.60s are used twice, "
					    "or lie outside",
					    lv->name);
		if (g->lvs[i].uses.n > 0 && lv->visible)
			fy_lvm_set_whole(lv->whole,
					 "it can be seen and is a part of "
					 "another one");
	}
	return 0;
}

/* --- volumes --------------------------------------------------------------------- */

/* The place of an area's first byte. */
static int
place_area(struct fy_lvm_group *g, const struct fy_lvm_area *a,
	   struct fy_gather_area *ret, unsigned *ret_level,
	   struct fy_error *err)
{
	ret->offset = a->extent * g->vg.extent_bytes;
	if (a->is_lv) {
		if (fy_lvm_volume(g, a->index, &ret->volume, err) == -1)
			return -1;
		if (*ret_level <= g->lvs[a->index].level)
			*ret_level = g->lvs[a->index].level + 1;
		return 0;
	}
	ret->offset += g->vg.pvs[a->index].start;
	ret->volume = g->pvs[a->index]->node->volume;
	return 0;
}

/* One segment as a piece; '*areas' moves on. */
static int
make_piece(struct fy_lvm_group *g, const struct fy_lvm_segment *s,
	   struct fy_gather_area **areas, struct fy_gather_piece *ret,
	   bool *ret_readable, unsigned *ret_level, struct fy_error *err)
{
	uint32_t k;

	*ret = (struct fy_gather_piece){
		.start = s->start * g->vg.extent_bytes,
		.length = s->count * g->vg.extent_bytes,
		.areas = *areas,
		.n_areas = s->n_areas,
		.stripe_bytes = s->stripe_bytes,
		.mirrored = s->kind == FY_LVM_MIRRORED,
	};
	for (k = 0; k < s->n_areas; k++) {
		if (place_area(g, &s->areas[k], *areas, ret_level, err) == -1)
			return -1;
		*ret_readable = *ret_readable && (*areas)->volume != NULL;
		(*areas)++;
	}
	return 0;
}

static int
make_volume(struct fy_lvm_group *g, uint32_t index, struct fy_volume **ret,
	    struct fy_error *err)
{
	struct fy_lvm_lv *lv = &g->vg.lvs[index];
	fy_autofree struct fy_gather_piece *pieces = NULL;
	fy_autofree struct fy_gather_area *areas = NULL;
	struct fy_gather_area *at;
	bool readable = true;
	size_t n = 1;
	uint32_t i;

	for (i = 0; i < lv->n_segments; i++)
		n += lv->segments[i].n_areas;
	pieces = calloc((size_t)lv->n_segments + 1, sizeof(*pieces));
	at = areas = calloc(n, sizeof(*areas));
	if (pieces == NULL || areas == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < lv->n_segments; i++)
		if (make_piece(g, &lv->segments[i], &at, &pieces[i], &readable,
			       &g->lvs[index].level, err) == -1)
			return -1;
	if (g->lvs[index].level > MAX_LEVELS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%.60s lies on too many other LVs",
				    lv->name);
	if (!readable) {
		fy_lvm_set_whole(lv->whole, "a part of it can't be read");
		return 0;
	}
	return fy_gather_new(pieces, lv->n_segments, lv->name,
			     fy_volume_sector_bytes(g->pvs[0]->node->volume),
			     ret, err);
}

static bool
is_mapped(const struct fy_lvm_lv *lv)
{
	uint32_t i;

	for (i = 0; i < lv->n_segments; i++)
		if (lv->segments[i].kind != FY_LVM_STRIPED &&
		    lv->segments[i].kind != FY_LVM_MIRRORED)
			return false;
	return lv->n_segments > 0;
}

int
fy_lvm_volume(struct fy_lvm_group *g, uint32_t index, struct fy_volume **ret,
	      struct fy_error *err)
{
	struct fy_lvm_lv_work *w = &g->lvs[index];
	struct fy_lvm_lv *lv = &g->vg.lvs[index];
	int r = 0;

	if (w->volume_state == FY_LVM_LV_BUSY)
		return fy_error_set(err, FY_E_FORMAT, 0, "%.60s lies on itself",
				    lv->name);
	if (w->volume_state == FY_LVM_LV_NEW) {
		if (g->depth++ > MAX_LEVELS)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "%.60s lies on too many other LVs",
					    lv->name);
		w->volume_state = FY_LVM_LV_BUSY;
		if (is_mapped(lv))
			r = make_volume(g, index, &w->volume, err);
		else if (lv->n_segments == 1 &&
			 lv->segments[0].kind == FY_LVM_THIN)
			r = fy_lvm_thin_volume(g, index, &w->volume, err);
		w->volume_state = FY_LVM_LV_DONE;
		g->depth--;
	}
	*ret = w->volume;
	return r;
}

/* --- dm-raid ----------------------------------------------------------------------- */

/*
 * dm-raid's superblock, little-endian: 0 magic  8 number of devices  12 place
 * in the array (u32)  16 events  24 failed devices  32 how far it is rebuilt
 * 40 how far the array is in sync (u64; all ones: wholly).  NULL, or what is
 * wrong.
 */
static const char *
check_superblock(const unsigned char *sb, uint32_t k, uint32_t n,
		 uint64_t *events)
{
	if (fy_get_le32(sb) != DM_RAID_MAGIC || fy_get_le32(sb + 8) != n ||
	    fy_get_le32(sb + 12) != k)
		return "a superblock of its images makes no sense";
	if (fy_get_le64(sb + 24) != 0)
		return "an image of it has failed";
	if (fy_get_le64(sb + 32) != UINT64_MAX ||
	    fy_get_le64(sb + 40) != UINT64_MAX)
		return "its images are not in sync";
	if (k > 0 && fy_get_le64(sb + 16) != *events)
		return "its images are not of the same age";
	*events = fy_get_le64(sb + 16);
	return NULL;
}

/* Images that are not known to be the same are used whole, each. */
static int
check_raid1(struct fy_lvm_group *g, struct fy_lvm_lv *lv,
	    const struct fy_lvm_segment *s, struct fy_error *err)
{
	struct fy_volume *meta = NULL;
	unsigned char sb[512];
	const char *wrong = NULL;
	uint64_t events = 0;
	uint32_t k;

	for (k = 0; k < s->n_meta && wrong == NULL; k++) {
		if (fy_lvm_volume(g, s->meta[k], &meta, err) == -1)
			return -1;
		if (meta == NULL || fy_volume_size(meta) < sizeof(sb)) {
			wrong = "a superblock of its images can't be read";
			break;
		}
		if (fy_volume_pread(meta, sb, sizeof(sb), 0, err) == -1)
			return -1;
		wrong = check_superblock(sb, k, s->n_areas, &events);
	}
	if (wrong != NULL)
		fy_lvm_set_whole(lv->whole, "%s", wrong);
	return 0;
}

static int
check_mirrors(struct fy_lvm_group *g, struct fy_error *err)
{
	uint32_t i, k;

	for (i = 0; i < g->vg.n_lvs; i++)
		for (k = 0; k < g->vg.lvs[i].n_segments; k++) {
			const struct fy_lvm_segment *s =
				&g->vg.lvs[i].segments[k];

			if (s->kind == FY_LVM_MIRRORED && s->n_meta > 0 &&
			    check_raid1(g, &g->vg.lvs[i], s, err) == -1)
				return -1;
		}
	return 0;
}

/* --- nodes --------------------------------------------------------------------------- */

int
fy_lvm_prepare_lvs(struct fy_lvm_group *g, struct fy_error *err)
{
	struct fy_volume *v;
	uint32_t i;

	g->lvs = calloc((size_t)g->vg.n_lvs + 1, sizeof(*g->lvs));
	if (g->lvs == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < g->vg.n_lvs; i++)
		g->lvs[i].cow_of = g->lvs[i].first_snapshot =
			g->lvs[i].next_snapshot = g->lvs[i].pool_of =
				FY_LVM_NONE;
	if (note_uses(g, err) == -1 || check_mirrors(g, err) == -1 ||
	    fy_lvm_open_special(g, err) == -1)
		return -1;
	for (i = 0; i < g->vg.n_lvs; i++)
		if (fy_lvm_volume(g, i, &v, err) == -1)
			return -1;
	return 0;
}

/* Where the first byte of an LV lies: on this PV's node, '*ret_at'. */
static struct fy_node *
find_base(const struct fy_lvm_group *g, uint32_t lv, unsigned depth,
	  uint64_t *ret_at)
{
	const struct fy_lvm_segment *s;

	*ret_at = 0;
	if (depth > 16 || g->vg.lvs[lv].n_segments == 0)
		return g->pvs[0]->node;
	s = &g->vg.lvs[lv].segments[0];
	if (s->kind == FY_LVM_THIN)
		return find_base(g, s->pool, depth + 1, ret_at);
	if (s->kind == FY_LVM_POOL)
		return find_base(g, s->pool_data, depth + 1, ret_at);
	if (s->n_areas == 0)
		return g->pvs[0]->node;
	if (s->areas[0].is_lv)
		return find_base(g, s->areas[0].index, depth + 1, ret_at);
	*ret_at = g->vg.pvs[s->areas[0].index].start +
		  s->areas[0].extent * g->vg.extent_bytes;
	return g->pvs[s->areas[0].index]->node;
}

/* What stands for an LV that isn't looked into: so many zeros. */
static int
make_blank(const struct fy_lvm_group *g, const struct fy_lvm_lv *lv,
	   struct fy_volume **ret, struct fy_error *err)
{
	const struct fy_gather_piece p = {
		.length = lv->extents * g->vg.extent_bytes,
	};

	return fy_gather_new(&p, lv->extents > 0 ? 1 : 0, lv->name, 512, ret,
			     err);
}

/* Why an LV must not be written to, or NULL. */
static const char *
seal_of(const struct fy_lvm_group *g, uint32_t index)
{
	const struct fy_lvm_lv_work *w = &g->lvs[index];
	uint32_t i;

	if (w->cow_of != FY_LVM_NONE)
		return "it is a snapshot of another LV";
	if (w->first_snapshot != FY_LVM_NONE)
		return "it has snapshots, which would change with it; remove "
		       "them first (lvremove)";
	if (w->volume != NULL && g->vg.lvs[index].n_segments == 1 &&
	    g->vg.lvs[index].segments[0].kind == FY_LVM_THIN)
		return "it is a thin volume, which is not written to here";
	for (i = 0; i < g->vg.n_pvs; i++)
		if (g->pvs[i]->node->sealed != NULL)
			return g->pvs[i]->node->sealed;
	return NULL;
}

static int
add_node(struct fy_stack *s, struct fy_lvm_group *g, uint32_t index,
	 struct fy_error *err)
{
	struct fy_lvm_lv_work *w = &g->lvs[index];
	struct fy_lvm_lv *lv = &g->vg.lvs[index];
	const char *closed = NULL;
	struct fy_volume *v = w->volume;
	struct fy_node *base;
	char path[280];
	uint64_t at;

	if (w->cow_of != FY_LVM_NONE) {
		v = NULL;
		if (lv->whole[0] == '\0' &&
		    fy_lvm_snapshot_volume(g, index, &v, err) == -1)
			return -1;
	}
	if (v == NULL)
		fy_lvm_set_whole(lv->whole, "it can't be read");
	if (lv->whole[0] != '\0')
		closed = lv->whole;
	if (v == NULL && make_blank(g, lv, &v, err) == -1)
		return -1;
	w->volume_is_nodes = v == w->volume;
	snprintf(path, sizeof(path), "%.130s/%.130s", g->vg.name, lv->name);
	base = find_base(g, index, 0, &at);
	w->node = fy_stack_add_upper(s, base, at, path, "lvm", closed, v, err);
	if (w->node == NULL)
		return -1;
	w->node->sealed = seal_of(g, index);
	return 0;
}

int
fy_lvm_add_nodes(struct fy_stack *s, struct fy_lvm_group *g,
		 struct fy_error *err)
{
	uint32_t i;

	for (i = 0; i < g->vg.n_lvs; i++) {
		const struct fy_lvm_lv *lv = &g->vg.lvs[i];

		if (!lv->visible && g->lvs[i].cow_of == FY_LVM_NONE)
			continue;
		if (lv->n_segments > 0 &&
		    (lv->segments[0].kind == FY_LVM_SNAPSHOT ||
		     lv->segments[0].kind == FY_LVM_POOL))
			continue;
		if (add_node(s, g, i, err) == -1)
			return -1;
	}
	return 0;
}

void
fy_lvm_release_lvs(struct fy_lvm_group *g)
{
	uint32_t i;

	for (i = 0; g->lvs != NULL && i < g->vg.n_lvs; i++) {
		struct fy_lvm_lv_work *w = &g->lvs[i];

		/* A node closes what is its own; it may be there longer. */
		if (!w->volume_is_nodes)
			fy_volume_close(w->volume);
		fy_lvm_pool_free(w->pool);
		fy_extents_free(w->own);
		fy_pull_release(&w->pull);
		free(w->uses.items);
	}
	free(g->lvs);
	g->lvs = NULL;
}

/* --- what is used ---------------------------------------------------------------------- */

int
fy_lvm_pull_use(struct fy_stack *s, struct fy_lvm_group *g,
		const struct fy_lvm_use *u, uint64_t shift,
		struct fy_extents *ret, struct fy_error *err)
{
	const struct fy_lvm_segment *seg =
		&g->vg.lvs[u->lv].segments[u->segment];
	uint64_t unit = g->vg.extent_bytes;
	struct fy_lvm_lv_work *w = &g->lvs[u->lv];
	bool striped = seg->kind == FY_LVM_STRIPED;

	if (fy_lvm_used(s, g, u->lv, err) == -1)
		return -1;
	if (w->used == NULL)
		return fy_extents_append(ret, shift, u->count * unit, err);
	return fy_pull(&w->pull, w->used, seg->start * unit,
		       (seg->start + seg->count) * unit, striped ? u->k : 0,
		       striped ? seg->n_areas : 1, seg->stripe_bytes, shift,
		       ret, err);
}

/* What the LVs above use of it; what none of them has is used. */
static int
used_by_uses(struct fy_stack *s, struct fy_lvm_group *g, uint32_t index,
	     struct fy_error *err)
{
	struct fy_lvm_lv_work *w = &g->lvs[index];
	uint64_t unit = g->vg.extent_bytes, at = 0;
	size_t i;

	w->own = fy_extents_new(err);
	if (w->own == NULL)
		return -1;
	for (i = 0; i < w->uses.n; i++) {
		const struct fy_lvm_use *u = &w->uses.items[i];

		if (fy_extents_append(w->own, at, u->start * unit - at, err) ==
			    -1 ||
		    fy_lvm_pull_use(s, g, u, u->start * unit, w->own, err) ==
			    -1)
			return -1;
		at = (u->start + u->count) * unit;
	}
	if (fy_extents_append(w->own, at, g->vg.lvs[index].extents * unit - at,
			      err) == -1)
		return -1;
	w->used = w->own;
	return 0;
}

static int
find_used(struct fy_stack *s, struct fy_lvm_group *g, uint32_t index,
	  struct fy_error *err)
{
	struct fy_lvm_lv_work *w = &g->lvs[index];

	if (g->vg.lvs[index].whole[0] != '\0')
		return 0;
	if (w->uses.n > 0)
		return used_by_uses(s, g, index, err);
	if (w->pool_of != FY_LVM_NONE) {
		if (fy_lvm_pool_used(s, g, index, &w->own, err) == -1)
			return -1;
		w->used = w->own;
		return 0;
	}
	if (w->node == NULL || w->cow_of != FY_LVM_NONE)
		return 0;
	if (w->first_snapshot != FY_LVM_NONE) {
		if (fy_lvm_origin_used(s, g, index, &w->own, err) == -1)
			return -1;
		w->used = w->own;
		return 0;
	}
	if (fy_node_map(s, w->node, err) == -1)
		return -1;
	w->used = w->node->used;
	return 0;
}

int
fy_lvm_used(struct fy_stack *s, struct fy_lvm_group *g, uint32_t index,
	    struct fy_error *err)
{
	struct fy_lvm_lv_work *w = &g->lvs[index];

	if (w->used_state == FY_LVM_LV_DONE)
		return 0;
	if (w->used_state == FY_LVM_LV_BUSY)
		return fy_error_set(err, FY_E_FORMAT, 0, "%.60s lies on itself",
				    g->vg.lvs[index].name);
	w->used_state = FY_LVM_LV_BUSY;
	if (find_used(s, g, index, err) == -1) {
		/* With --rescue it may be asked for again. */
		w->used_state = FY_LVM_LV_NEW;
		fy_extents_free(w->own);
		w->own = NULL;
		return -1;
	}
	w->used_state = FY_LVM_LV_DONE;
	return 0;
}
