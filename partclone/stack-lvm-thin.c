/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Thin pools and snapshots.
 *
 * A block of a pool's data is used if any device's filesystem uses a byte of
 * what the device maps it to; of a device that LVM doesn't know, or whose
 * filesystem isn't known, all that it maps is used.  The granularity is the
 * pool's block, so a bitmap of them is all the memory that it takes.
 *
 * A snapshot reads from its origin what was not written since, so of an origin
 * is used what its own filesystem uses and what each snapshot's does.  The
 * stores of snapshots, and the metadata of pools, are used whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/cow.h"
#include "partclone/disk-build.h"
#include "partclone/stack-lvm.h"
#include "partclone/thin.h"

#define MAX_DEVICES	65536u
#define MAX_DATA_BLOCKS (UINT64_C(1) << 30) /* 128 MiB of bitmap */

struct fy_lvm_pool {
	struct fy_thin *thin;
};

void
fy_lvm_pool_free(struct fy_lvm_pool *p)
{
	if (p == NULL)
		return;
	fy_thin_free(p->thin);
	free(p);
}

static bool
is_of_kind(const struct fy_lvm_lv *lv, enum fy_lvm_kind kind)
{
	return lv->n_segments == 1 && lv->segments[0].kind == kind;
}

/* --- opening -------------------------------------------------------------------- */

/* What of the pool's metadata isn't as it must be; NULL. */
static const char *
check_pool(const struct fy_lvm_group *g, const struct fy_lvm_segment *s,
	   const struct fy_thin_info *i)
{
	uint64_t bytes;

	if (i->needs_check)
		return "the pool's metadata need a check (lvconvert --repair)";
	if (i->has_held_root)
		return "a snapshot of the pool's metadata is held";
	if (i->has_unknown)
		return "the pool has features that are not known";
	if (i->transaction != s->transaction)
		return "the pool's metadata and LVM's are not of the same age";
	if (i->block_bytes != s->chunk_bytes)
		return "the pool's metadata and LVM's differ";
	if (!fy_mul_u64(i->data_blocks, i->block_bytes, &bytes) ||
	    bytes > g->vg.lvs[s->pool_data].extents * g->vg.extent_bytes)
		return "the pool is larger than its data";
	return i->data_blocks > MAX_DATA_BLOCKS ? "the pool has too many blocks"
						: NULL;
}

static int
read_pool(struct fy_lvm_group *g, const struct fy_lvm_segment *s,
	  struct fy_lvm_pool **ret, struct fy_error *err)
{
	const struct fy_stop *stop = g->pvs[0]->node->build->options->stop;
	struct fy_lvm_pool *p;
	struct fy_volume *meta;
	const char *wrong;

	if (fy_lvm_volume(g, s->pool_meta, &meta, err) == -1)
		return -1;
	if (meta == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the pool's metadata can't be read");
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return fy_error_nomem(err);
	if (fy_thin_open(meta, stop, &p->thin, err) == -1) {
		free(p);
		return -1;
	}
	wrong = check_pool(g, s, fy_thin_info(p->thin));
	if (wrong != NULL) {
		fy_lvm_pool_free(p);
		return fy_error_set(err, FY_E_FORMAT, 0, "%s", wrong);
	}
	*ret = p;
	return 0;
}

/* A pool that can't be read for sure has its data used whole. */
static int
open_pool(struct fy_lvm_group *g, uint32_t index, struct fy_error *err)
{
	struct fy_lvm_lv *lv = &g->vg.lvs[index];
	const struct fy_lvm_segment *s = &lv->segments[0];
	struct fy_lvm_lv *data = &g->vg.lvs[s->pool_data];
	struct fy_error why = { 0 };

	if (g->lvs[s->pool_data].pool_of != FY_LVM_NONE)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "two thin pools have the same data");
	g->lvs[s->pool_data].pool_of = index;
	fy_lvm_set_whole(g->vg.lvs[s->pool_meta].whole,
			 "the metadata of thin pool %.60s", lv->name);
	if (lv->whole[0] == '\0' && data->visible)
		fy_lvm_set_whole(lv->whole, "its data can be seen");
	if (lv->whole[0] != '\0') {
		fy_lvm_set_whole(data->whole, "%.120s", lv->whole);
		return 0;
	}
	if (read_pool(g, s, &g->lvs[index].pool, &why) == 0)
		return 0;
	if (why.code != FY_E_FORMAT && why.code != FY_E_UNSUPPORTED) {
		*err = why;
		return fy_error_prefix(err, "thin pool %.60s", lv->name);
	}
	fy_lvm_set_whole(lv->whole, "%.150s", why.msg);
	fy_lvm_set_whole(data->whole, "%.150s", why.msg);
	return 0;
}

static int
bind_snapshot(struct fy_lvm_group *g, uint32_t index, struct fy_error *err)
{
	struct fy_lvm_lv *lv = &g->vg.lvs[index];
	const struct fy_lvm_segment *s = &lv->segments[0];
	struct fy_lvm_lv_work *cow = &g->lvs[s->cow];
	struct fy_lvm_lv_work *origin = &g->lvs[s->origin];

	if (cow->cow_of != FY_LVM_NONE || cow->uses.n > 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the store of a snapshot has two uses");
	cow->cow_of = s->origin;
	cow->next_snapshot = origin->first_snapshot;
	origin->first_snapshot = s->cow;
	/* Being merged, or of an odd kind. */
	if (lv->whole[0] != '\0')
		fy_lvm_set_whole(g->vg.lvs[s->origin].whole, "%.120s",
				 lv->whole);
	return 0;
}

int
fy_lvm_open_special(struct fy_lvm_group *g, struct fy_error *err)
{
	uint32_t i;

	for (i = 0; i < g->vg.n_lvs; i++) {
		const struct fy_lvm_lv *lv = &g->vg.lvs[i];

		if (is_of_kind(lv, FY_LVM_SNAPSHOT) &&
		    bind_snapshot(g, i, err) == -1)
			return -1;
		if (is_of_kind(lv, FY_LVM_POOL) && open_pool(g, i, err) == -1)
			return -1;
	}
	return 0;
}

/* --- volumes --------------------------------------------------------------------- */

int
fy_lvm_thin_volume(struct fy_lvm_group *g, uint32_t index,
		   struct fy_volume **ret, struct fy_error *err)
{
	struct fy_lvm_lv *lv = &g->vg.lvs[index];
	const struct fy_lvm_segment *s = &lv->segments[0];
	const struct fy_lvm_pool *p = g->lvs[s->pool].pool;
	struct fy_volume *data = NULL;
	struct fy_error why = { 0 };
	uint64_t root;
	int r;

	if (s->outside != FY_LVM_NONE)
		fy_lvm_set_whole(lv->whole, "it has an external origin");
	if (p == NULL) {
		fy_lvm_set_whole(lv->whole, "its pool: %.120s",
				 g->vg.lvs[s->pool].whole);
		return 0;
	}
	r = fy_thin_find_device(p->thin, s->device, &root, &why);
	if (r == -1 && why.code != FY_E_FORMAT) {
		*err = why;
		return -1;
	}
	if (r == -1)
		fy_lvm_set_whole(lv->whole, "%.150s", why.msg);
	else if (r == 0)
		fy_lvm_set_whole(lv->whole, "its pool does not have it");
	if (lv->whole[0] != '\0')
		return 0;
	if (fy_lvm_volume(g, g->vg.lvs[s->pool].segments[0].pool_data, &data,
			  err) == -1)
		return -1;
	if (data == NULL) {
		fy_lvm_set_whole(lv->whole, "its pool's data can't be read");
		return 0;
	}
	return fy_thin_volume(p->thin, root, data,
			      lv->extents * g->vg.extent_bytes, lv->name, ret,
			      err);
}

int
fy_lvm_snapshot_volume(struct fy_lvm_group *g, uint32_t index,
		       struct fy_volume **ret, struct fy_error *err)
{
	struct fy_lvm_lv *lv = &g->vg.lvs[index];
	struct fy_lvm_lv_work *w = &g->lvs[index];
	struct fy_volume *origin = g->lvs[w->cow_of].volume;
	struct fy_cow_info info = { 0 };
	struct fy_error why = { 0 };

	*ret = NULL;
	if (origin == NULL || w->volume == NULL) {
		fy_lvm_set_whole(lv->whole, "its origin can't be read");
		return 0;
	}
	if (fy_cow_open(w->volume, origin, lv->name, &info, ret, &why) == -1) {
		if (why.code != FY_E_FORMAT && why.code != FY_E_UNSUPPORTED) {
			*err = why;
			return -1;
		}
		fy_lvm_set_whole(lv->whole, "%.150s", why.msg);
		return 0;
	}
	w->is_dead = !info.valid;
	if (w->is_dead)
		fy_lvm_set_whole(lv->whole, "the snapshot has overflowed");
	return 0;
}

/* --- what is used of a pool's data --------------------------------------------------- */

struct marks {
	struct fy_stack *stack;
	struct fy_lvm_group *group;
	uint32_t pool; /* LV */
	struct fy_thin *thin;
	uint64_t unit;
	uint64_t *bits;
	uint32_t n_devices;
	/* of the device that is walked */
	bool all;
	struct fy_extents_cursor cursor;
	struct fy_extent next;
	bool has_next;
};

static int
next_extent(struct marks *m, struct fy_error *err)
{
	int r = fy_extents_next(&m->cursor, &m->next, err);

	m->has_next = r == 1;
	return r == -1 ? -1 : 0;
}

static int
mark_mapping(void *ctx, uint64_t key, uint64_t block, struct fy_error *err)
{
	struct marks *m = ctx;
	uint64_t from, to;

	if (!m->all) {
		/* Behind the device's end nothing is read; but what is mapped
		 * there may come back when it grows. */
		if (!fy_mul_u64(key, m->unit, &from) ||
		    !fy_add_u64(from, m->unit, &to))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "a thin LV's block has a senseless "
					    "number");
		while (m->has_next && m->next.offset + m->next.length <= from)
			if (next_extent(m, err) == -1)
				return -1;
		if (!m->has_next || m->next.offset >= to)
			return 0;
	}
	m->bits[block / 64] |= UINT64_C(1) << (block % 64);
	return 0;
}

/* The LV that is this device of the pool. */
static uint32_t
find_device(const struct fy_lvm_group *g, uint32_t pool, uint64_t device)
{
	uint32_t i;

	for (i = 0; i < g->vg.n_lvs; i++) {
		const struct fy_lvm_lv *lv = &g->vg.lvs[i];

		if (is_of_kind(lv, FY_LVM_THIN) &&
		    lv->segments[0].pool == pool &&
		    lv->segments[0].device == device)
			return i;
	}
	return FY_LVM_NONE;
}

/* What the LV uses of its blocks; NULL: all of them.  That a snapshot isn't
 * clean is nobody's fault. */
static int
device_used(struct marks *m, uint32_t index, const struct fy_extents **ret,
	    struct fy_error *err)
{
	struct fy_lvm_group *g = m->group;
	struct fy_lvm_lv_work *w;

	*ret = NULL;
	if (index == FY_LVM_NONE)
		return 0;
	w = &g->lvs[index];
	if (w->node == NULL || w->node->closed != NULL || w->uses.n > 0 ||
	    g->vg.lvs[index].whole[0] != '\0')
		return 0;
	if (g->vg.lvs[index].segments[0].is_snapshot &&
	    fy_node_map_any(m->stack, w->node, err) == -1)
		return -1;
	if (fy_lvm_used(m->stack, g, index, err) == -1)
		return -1;
	if (w->node->state == FY_NODE_DONE && !w->node->result.whole)
		*ret = w->used;
	return 0;
}

static int
mark_device(void *ctx, uint64_t key, uint64_t value, struct fy_error *err)
{
	struct marks *m = ctx;
	const struct fy_extents *used = NULL;

	if (m->n_devices++ == MAX_DEVICES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the pool has too many devices");
	if (device_used(m, find_device(m->group, m->pool, key), &used, err) ==
	    -1)
		return -1;
	m->all = used == NULL;
	if (!m->all) {
		fy_extents_cursor_init(&m->cursor, used);
		if (next_extent(m, err) == -1)
			return -1;
	}
	return fy_thin_mappings(m->thin, value, mark_mapping, m, err);
}

/* The marked blocks as ranges, and what lies behind the last one. */
static int
collect(const struct marks *m, uint64_t size, struct fy_extents *ret,
	struct fy_error *err)
{
	uint64_t n = fy_thin_info(m->thin)->data_blocks, i;

	for (i = 0; i < n; i++) {
		if (m->bits[i / 64] == 0) {
			i |= 63;
			continue;
		}
		if ((m->bits[i / 64] >> (i % 64) & 1) != 0 &&
		    fy_extents_append(ret, i * m->unit, m->unit, err) == -1)
			return -1;
	}
	return fy_extents_append(ret, n * m->unit, size - n * m->unit, err);
}

/* All of the pool's data, for its mappings make no sense. */
static int
doubt_pool(struct fy_lvm_group *g, uint32_t pool, const struct fy_error *why,
	   struct fy_error *err)
{
	return fy_disk_warn(g->pvs[0]->node->build, err,
			    "%.130s/%.130s: %.200s: all of the pool is copied",
			    g->vg.name, g->vg.lvs[pool].name, why->msg);
}

int
fy_lvm_pool_used(struct fy_stack *s, struct fy_lvm_group *g, uint32_t data,
		 struct fy_extents **ret, struct fy_error *err)
{
	uint32_t pool = g->lvs[data].pool_of;
	fy_autoextents struct fy_extents *used = fy_extents_new(err);
	fy_autofree uint64_t *bits = NULL;
	struct fy_error why = { 0 };
	struct marks m = { .stack = s, .group = g, .pool = pool };

	if (used == NULL)
		return -1;
	if (g->lvs[pool].pool == NULL)
		return 0;
	m.thin = g->lvs[pool].pool->thin;
	m.unit = fy_thin_info(m.thin)->block_bytes;
	m.bits = bits = calloc(fy_thin_info(m.thin)->data_blocks / 64 + 1,
			       sizeof(*bits));
	if (bits == NULL)
		return fy_error_nomem(err);
	if (fy_thin_devices(m.thin, mark_device, &m, &why) == -1) {
		if (why.code == FY_E_FORMAT)
			return doubt_pool(g, pool, &why, err);
		*err = why;
		return -1;
	}
	if (collect(&m, g->vg.lvs[data].extents * g->vg.extent_bytes, used,
		    err) == -1)
		return -1;
	*ret = fy_steal_ptr(&used);
	return 0;
}

/* --- what is used of an origin ---------------------------------------------------------- */

static int
add_snapshot(struct fy_stack *s, struct fy_node *n, struct fy_extents **used,
	     struct fy_error *err)
{
	fy_autoextents struct fy_extents *both = NULL;

	if (fy_node_map_any(s, n, err) == -1)
		return -1;
	both = fy_extents_new(err);
	if (both == NULL || fy_extents_union(*used, n->used, both, err) == -1)
		return -1;
	fy_extents_free(*used);
	*used = fy_steal_ptr(&both);
	return 0;
}

int
fy_lvm_origin_used(struct fy_stack *s, struct fy_lvm_group *g, uint32_t index,
		   struct fy_extents **ret, struct fy_error *err)
{
	fy_autoextents struct fy_extents *used = fy_extents_new(err);
	struct fy_lvm_lv_work *w = &g->lvs[index];
	uint32_t i;

	if (used == NULL || fy_node_map(s, w->node, err) == -1 ||
	    fy_extents_append_shifted(used, w->node->used, 0, UINT64_MAX,
				      err) == -1)
		return -1;
	for (i = w->first_snapshot; i != FY_LVM_NONE;
	     i = g->lvs[i].next_snapshot) {
		if (g->lvs[i].is_dead)
			continue;
		if (g->lvs[i].node == NULL || g->lvs[i].node->closed != NULL)
			return 0;
		if (add_snapshot(s, g->lvs[i].node, &used, err) == -1)
			return -1;
	}
	*ret = fy_steal_ptr(&used);
	return 0;
}
