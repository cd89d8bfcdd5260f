/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The volume group that LVM's metadata describe.
 *
 * Looked into are the kinds of segments that are known to the last bit: linear
 * and striped, mirror, raid0 and raid1, thin pools and thin LVs, snapshots.
 * Whatever else an LV is made of (any name of an LV that stands in a segment)
 * is used whole, and a PV that such a segment names makes that of the whole
 * group, for how much of it is meant is not known.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/lvm.h"

#define MAX_PVS	    1024u
#define MAX_LVS	    100000u
#define MAX_AREAS   1024u
#define MAX_EXTENTS (UINT64_C(1) << 32)
#define MAX_SECTORS (UINT64_C(1) << 50)

struct parse {
	const struct fy_lvm_text *t;
	struct fy_lvm_vg *vg;
	uint32_t *by_name; /* the LVs' indexes, sorted by name */
	struct fy_error *err;
};

void
fy_lvm_set_whole(char *whole, const char *fmt, ...)
{
	va_list ap;

	if (whole[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(whole, FY_LVM_NOTE, fmt, ap);
	va_end(ap);
}

static int
bad(const struct parse *p, const char *what, const char *name)
{
	return fy_error_set(p->err, FY_E_FORMAT, 0,
			    "LVM's metadata make no sense: %s%s%.60s", what,
			    name[0] != '\0' ? " of " : "", name);
}

/* --- names --------------------------------------------------------------------- */

bool
fy_lvm_is_name(const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("+_.-", *p) == NULL)
			return false;
	return p != name && p - name <= (ptrdiff_t)FY_LVM_NAME &&
	       name[0] != '-' && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static uint32_t
find_pv(const struct parse *p, const char *name)
{
	uint32_t i;

	for (i = 0; i < p->vg->n_pvs; i++)
		if (strcmp(p->vg->pvs[i].name, name) == 0)
			return i;
	return FY_LVM_NONE;
}

static int
compare_names(const void *a, const void *b, void *ctx)
{
	const struct fy_lvm_lv *lvs = ctx;

	return strcmp(lvs[*(const uint32_t *)a].name,
		      lvs[*(const uint32_t *)b].name);
}

static uint32_t
find_lv(const struct parse *p, const char *name)
{
	uint32_t low = 0, high = p->vg->n_lvs, middle;
	int c;

	while (name != NULL && low < high) {
		middle = low + (high - low) / 2;
		c = strcmp(name, p->vg->lvs[p->by_name[middle]].name);
		if (c == 0)
			return p->by_name[middle];
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return FY_LVM_NONE;
}

static uint32_t
lv_in(const struct parse *p, const struct fy_lvm_item *of, const char *name)
{
	return find_lv(p, fy_lvm_get_text(p->t, of, name));
}

static uint32_t
count_sections(const struct parse *p, const struct fy_lvm_item *of)
{
	const struct fy_lvm_item *i = NULL;
	uint32_t n = 0;

	while ((i = fy_lvm_next(p->t, of, i)) != NULL)
		n += i->type == FY_LVM_SECTION;
	return n;
}

/* --- PVs ------------------------------------------------------------------------- */

/* An id is shown with dashes, and without them in the label. */
static bool
copy_id(char ret[FY_LVM_ID + 1], const char *shown)
{
	size_t n = 0;

	for (; shown != NULL && *shown != '\0'; shown++) {
		if (*shown == '-')
			continue;
		if (n == FY_LVM_ID)
			return false;
		ret[n++] = *shown;
	}
	ret[n] = '\0';
	return n == FY_LVM_ID;
}

static int
parse_pv(struct parse *p, const struct fy_lvm_item *s, struct fy_lvm_pv *pv)
{
	uint64_t sectors, bytes;

	pv->name = s->name;
	if (!copy_id(pv->id, fy_lvm_get_text(p->t, s, "id")))
		return bad(p, "the id", s->name);
	if (!fy_lvm_get_number(p->t, s, "pe_start", MAX_SECTORS, &sectors) ||
	    !fy_lvm_get_number(p->t, s, "pe_count", MAX_EXTENTS, &pv->extents))
		return bad(p, "the extents", s->name);
	pv->start = sectors * 512;
	if (!fy_mul_u64(pv->extents, p->vg->extent_bytes, &bytes) ||
	    !fy_add_u64(bytes, pv->start, &bytes))
		return bad(p, "the extents", s->name);
	pv->missing = fy_lvm_list_has(p->t, s, "flags", "MISSING") ||
		      fy_lvm_list_has(p->t, s, "status", "MISSING");
	return 0;
}

static int
parse_pvs(struct parse *p, const struct fy_lvm_item *group)
{
	const struct fy_lvm_item *list, *i = NULL;
	uint32_t n;

	list = fy_lvm_find(p->t, group, "physical_volumes", FY_LVM_SECTION);
	if (list == NULL)
		return bad(p, "there are no PVs", "");
	n = count_sections(p, list);
	if (n > MAX_PVS)
		return bad(p, "there are too many PVs", "");
	p->vg->pvs = calloc(n + 1, sizeof(*p->vg->pvs));
	if (p->vg->pvs == NULL)
		return fy_error_nomem(p->err);
	while ((i = fy_lvm_next(p->t, list, i)) != NULL) {
		if (i->type != FY_LVM_SECTION)
			continue;
		if (find_pv(p, i->name) != FY_LVM_NONE)
			return bad(p, "there are two", i->name);
		if (parse_pv(p, i, &p->vg->pvs[p->vg->n_pvs++]) == -1)
			return -1;
		if (p->vg->pvs[p->vg->n_pvs - 1].missing)
			fy_lvm_set_whole(p->vg->whole,
					 "a PV of the group is missing");
	}
	return 0;
}

/* --- segments ---------------------------------------------------------------------- */

static void
touch_lv(struct parse *p, uint32_t index, const struct fy_lvm_lv *by,
	 const char *type)
{
	if (index != FY_LVM_NONE)
		fy_lvm_set_whole(p->vg->lvs[index].whole,
				 "part of %.60s, which is of type %.30s",
				 by->name, type);
}

static void
touch_text(struct parse *p, const struct fy_lvm_item *i,
	   const struct fy_lvm_lv *by, const char *type)
{
	uint32_t lv = find_lv(p, i->text);

	touch_lv(p, lv, by, type);
	if (lv == FY_LVM_NONE && find_pv(p, i->text) != FY_LVM_NONE)
		fy_lvm_set_whole(p->vg->whole,
				 "%.60s is of type %.30s, of which it is not "
				 "known where it lies",
				 by->name, type);
}

/* Whatever a segment names is used whole. */
static void
touch_all(struct parse *p, const struct fy_lvm_item *s, unsigned depth,
	  const struct fy_lvm_lv *by, const char *type)
{
	const struct fy_lvm_item *i = NULL;

	while ((i = fy_lvm_next(p->t, s, i)) != NULL) {
		if (i->type == FY_LVM_TEXT)
			touch_text(p, i, by, type);
		else if (i->type != FY_LVM_NUMBER && depth < 8)
			touch_all(p, i, depth + 1, by, type);
	}
}

/* A list of pairs (PV or LV, extent) to the segment's areas. */
static bool
parse_areas(struct parse *p, const struct fy_lvm_item *s, const char *key,
	    struct fy_lvm_segment *g)
{
	const struct fy_lvm_item *list, *i = NULL, *at;
	struct fy_lvm_area *a;

	list = fy_lvm_find(p->t, s, key, FY_LVM_LIST);
	if (list == NULL || g->areas == NULL)
		return false;
	while ((i = fy_lvm_next(p->t, list, i)) != NULL) {
		at = fy_lvm_next(p->t, list, i);
		if (i->type != FY_LVM_TEXT || at == NULL ||
		    at->type != FY_LVM_NUMBER || at->number < 0 ||
		    (uint64_t)at->number > MAX_EXTENTS ||
		    g->n_areas == MAX_AREAS)
			return false;
		a = &g->areas[g->n_areas++];
		a->index = find_pv(p, i->text);
		a->is_lv = a->index == FY_LVM_NONE;
		if (a->is_lv)
			a->index = find_lv(p, i->text);
		if (a->index == FY_LVM_NONE)
			return false;
		a->extent = (uint64_t)at->number;
		i = at;
	}
	return g->n_areas > 0;
}

/* raids = ["meta", "image", ...], raid0_lvs = ["image", ...]. */
static bool
parse_images(struct parse *p, const struct fy_lvm_item *s, const char *key,
	     bool with_meta, struct fy_lvm_segment *g)
{
	const struct fy_lvm_item *list, *i = NULL;
	struct fy_lvm_area *a;

	list = fy_lvm_find(p->t, s, key, FY_LVM_LIST);
	if (list == NULL || g->areas == NULL || g->meta == NULL)
		return false;
	while ((i = fy_lvm_next(p->t, list, i)) != NULL) {
		if (with_meta) {
			if (i->type != FY_LVM_TEXT || g->n_meta == MAX_AREAS)
				return false;
			g->meta[g->n_meta] = find_lv(p, i->text);
			if (g->meta[g->n_meta++] == FY_LVM_NONE)
				return false;
			i = fy_lvm_next(p->t, list, i);
		}
		if (i == NULL || i->type != FY_LVM_TEXT ||
		    g->n_areas == MAX_AREAS)
			return false;
		a = &g->areas[g->n_areas++];
		*a = (struct fy_lvm_area){ true, find_lv(p, i->text), 0 };
		if (a->index == FY_LVM_NONE)
			return false;
	}
	return g->n_areas > 0;
}

/* How many values a list can have at most. */
static bool
make_areas(struct parse *p, const struct fy_lvm_item *s,
	   struct fy_lvm_segment *g)
{
	const struct fy_lvm_item *i = NULL, *k;
	size_t most = 1, n;

	while ((i = fy_lvm_next(p->t, s, i)) != NULL) {
		if (i->type != FY_LVM_LIST)
			continue;
		n = 0;
		for (k = NULL; (k = fy_lvm_next(p->t, i, k)) != NULL;)
			n++;
		most = n > most ? n : most;
	}
	if (most > 2 * MAX_AREAS)
		return false;
	g->areas = calloc(most, sizeof(*g->areas));
	g->meta = calloc(most, sizeof(*g->meta));
	return g->areas != NULL && g->meta != NULL;
}

static bool
parse_stripes(struct parse *p, const struct fy_lvm_item *s, const char *key,
	      struct fy_lvm_segment *g)
{
	uint64_t sectors = 0, count = 0;
	bool images = strcmp(key, "stripes") != 0;
	bool ok;

	ok = !images ? parse_areas(p, s, key, g)
		     : parse_images(p, s, key, strcmp(key, "raids") == 0, g);
	g->kind = FY_LVM_STRIPED;
	if (!ok || g->count % g->n_areas != 0)
		return false;
	if (fy_lvm_get_number(p->t, s, images ? "device_count" : "stripe_count",
			      MAX_AREAS, &count) &&
	    count != g->n_areas)
		return false;
	if (g->n_areas == 1)
		return true;
	if (!fy_lvm_get_number(p->t, s, "stripe_size", UINT32_MAX, &sectors) ||
	    !fy_is_power_of_two(sectors))
		return false;
	g->stripe_bytes = sectors * 512;
	return p->vg->extent_bytes % g->stripe_bytes == 0;
}

static bool
parse_mirror(struct parse *p, const struct fy_lvm_item *s,
	     const struct fy_lvm_lv *lv, struct fy_lvm_segment *g)
{
	const char *log = fy_lvm_get_text(p->t, s, "mirror_log");

	g->kind = FY_LVM_MIRRORED;
	if (fy_lvm_find(p->t, s, "extents_moved", FY_LVM_NUMBER) != NULL)
		return false;
	if (log != NULL)
		touch_lv(p, find_lv(p, log), lv, g->type);
	return parse_areas(p, s, "mirrors", g);
}

static bool
parse_pool(struct parse *p, const struct fy_lvm_item *s,
	   struct fy_lvm_segment *g)
{
	const struct fy_lvm_item *i = NULL;
	uint64_t sectors;

	/* A message waits to be told to the kernel. */
	while ((i = fy_lvm_next(p->t, s, i)) != NULL)
		if (i->type == FY_LVM_SECTION)
			return false;
	g->kind = FY_LVM_POOL;
	g->pool_meta = lv_in(p, s, "metadata");
	g->pool_data = lv_in(p, s, "pool");
	if (!fy_lvm_get_number(p->t, s, "chunk_size", UINT32_MAX, &sectors) ||
	    sectors == 0)
		return false;
	g->chunk_bytes = sectors * 512;
	return g->pool_meta != FY_LVM_NONE && g->pool_data != FY_LVM_NONE &&
	       g->pool_meta != g->pool_data &&
	       fy_lvm_get_number(p->t, s, "transaction_id", INT64_MAX,
				 &g->transaction);
}

static bool
parse_thin(struct parse *p, const struct fy_lvm_item *s,
	   const struct fy_lvm_lv *lv, struct fy_lvm_segment *g)
{
	const char *outside = fy_lvm_get_text(p->t, s, "external_origin");

	g->kind = FY_LVM_THIN;
	g->pool = lv_in(p, s, "thin_pool");
	g->is_snapshot = fy_lvm_get_text(p->t, s, "origin") != NULL;
	g->outside = FY_LVM_NONE;
	if (outside != NULL) {
		g->outside = find_lv(p, outside);
		touch_lv(p, g->outside, lv, g->type);
		if (g->outside == FY_LVM_NONE)
			return false;
	}
	if (fy_lvm_get_text(p->t, s, "merge") != NULL)
		return false;
	return g->pool != FY_LVM_NONE &&
	       fy_lvm_get_number(p->t, s, "device_id", UINT32_MAX, &g->device);
}

static bool
parse_snapshot(struct parse *p, const struct fy_lvm_item *s,
	       struct fy_lvm_segment *g)
{
	uint64_t sectors;

	g->kind = FY_LVM_SNAPSHOT;
	g->origin = lv_in(p, s, "origin");
	g->cow = lv_in(p, s, "cow_store"); /* not when it is being merged */
	if (!fy_lvm_get_number(p->t, s, "chunk_size", UINT32_MAX, &sectors))
		return false;
	g->chunk_bytes = sectors * 512;
	return g->origin != FY_LVM_NONE && g->cow != FY_LVM_NONE &&
	       g->origin != g->cow;
}

/* False: it is of a kind that is not looked into. */
static bool
parse_kind(struct parse *p, const struct fy_lvm_item *s,
	   const struct fy_lvm_lv *lv, struct fy_lvm_segment *g)
{
	if (!make_areas(p, s, g))
		return false;
	if (strcmp(g->type, "striped") == 0 || strcmp(g->type, "linear") == 0)
		return parse_stripes(p, s, "stripes", g);
	if (strcmp(g->type, "mirror") == 0)
		return parse_mirror(p, s, lv, g);
	if (strcmp(g->type, "raid0") == 0)
		return parse_stripes(p, s, "raid0_lvs", g);
	if (strcmp(g->type, "raid0_meta") == 0)
		return parse_stripes(p, s, "raids", g);
	if (strcmp(g->type, "raid1") == 0) {
		g->kind = FY_LVM_MIRRORED;
		return parse_images(p, s, "raids", true, g);
	}
	if (strcmp(g->type, "thin-pool") == 0)
		return parse_pool(p, s, g);
	if (strcmp(g->type, "thin") == 0)
		return parse_thin(p, s, lv, g);
	if (strcmp(g->type, "snapshot") == 0)
		return parse_snapshot(p, s, g);
	return false;
}

static int
parse_segment(struct parse *p, const struct fy_lvm_item *s,
	      struct fy_lvm_lv *lv, struct fy_lvm_segment *g)
{
	uint32_t i;

	g->type = fy_lvm_get_text(p->t, s, "type");
	if (g->type == NULL ||
	    !fy_lvm_get_number(p->t, s, "start_extent", MAX_EXTENTS,
			       &g->start) ||
	    !fy_lvm_get_number(p->t, s, "extent_count", MAX_EXTENTS,
			       &g->count) ||
	    g->count == 0)
		return bad(p, "a segment", lv->name);
	if (!parse_kind(p, s, lv, g)) {
		g->kind = FY_LVM_OTHER;
		g->n_areas = g->n_meta = 0;
		fy_lvm_set_whole(lv->whole,
				 "it is of type %.30s, which is not looked "
				 "into",
				 g->type);
		touch_all(p, s, 0, lv, g->type);
	}
	/* dm-raid's superblocks and bitmaps */
	for (i = 0; i < g->n_meta; i++)
		touch_lv(p, g->meta[i], lv, g->type);
	return 0;
}

/* --- LVs ------------------------------------------------------------------------------ */

/* Flags that change nothing of where an LV's bytes are. */
static bool
is_plain_flag(const char *flag)
{
	static const char *const plain[] = {
		"READ",
		"WRITE",
		"VISIBLE",
		"FIXED_MINOR",
		"NOTSYNCED",
		"ACTIVATION_SKIP",
		"ERROR_WHEN_FULL",
		"NOAUTOACTIVATE",
		"LV_NOSCAN",
		"POOL_METADATA_SPARE",
		"CROP_METADATA",
	};
	size_t i;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(plain[i], flag) == 0)
			return true;
	return false;
}

static void
parse_flags(struct parse *p, const struct fy_lvm_item *s, const char *key,
	    struct fy_lvm_lv *lv)
{
	const struct fy_lvm_item *list, *i = NULL;

	list = fy_lvm_find(p->t, s, key, FY_LVM_LIST);
	while (list != NULL && (i = fy_lvm_next(p->t, list, i)) != NULL) {
		if (i->type != FY_LVM_TEXT || is_plain_flag(i->text))
			continue;
		fy_lvm_set_whole(lv->whole, "it is marked %.40s", i->text);
		if (strcmp(i->text, "PVMOVE") == 0)
			fy_lvm_set_whole(p->vg->whole,
					 "extents of the group are being "
					 "moved (pvmove)");
	}
}

static int
by_start(const void *a, const void *b)
{
	const struct fy_lvm_segment *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int
parse_segments(struct parse *p, const struct fy_lvm_item *s,
	       struct fy_lvm_lv *lv)
{
	const struct fy_lvm_item *i = NULL;
	uint64_t count = 0;
	uint32_t n = count_sections(p, s), k;

	lv->segments = calloc((size_t)n + 1, sizeof(*lv->segments));
	if (lv->segments == NULL)
		return fy_error_nomem(p->err);
	if (!fy_lvm_get_number(p->t, s, "segment_count", UINT32_MAX, &count) ||
	    count != n)
		return bad(p, "the number of segments", lv->name);
	while ((i = fy_lvm_next(p->t, s, i)) != NULL)
		if (i->type == FY_LVM_SECTION &&
		    parse_segment(p, i, lv, &lv->segments[lv->n_segments++]) ==
			    -1)
			return -1;
	fy_sort(lv->segments, n, sizeof(*lv->segments), by_start);
	for (k = 0; k < n; k++) {
		if (lv->segments[k].start != lv->extents)
			return bad(p, "the segments", lv->name);
		lv->extents += lv->segments[k].count;
	}
	if (lv->extents > MAX_EXTENTS)
		return bad(p, "the size", lv->name);
	if (n > 1)
		for (k = 0; k < n; k++)
			if (lv->segments[k].kind > FY_LVM_MIRRORED)
				fy_lvm_set_whole(lv->whole,
						 "its segments are of several "
						 "kinds");
	return 0;
}

static int
name_lvs(struct parse *p, const struct fy_lvm_item *list)
{
	const struct fy_lvm_item *i = NULL;
	struct fy_lvm_vg *vg = p->vg;
	uint32_t n = list == NULL ? 0 : count_sections(p, list), k;

	if (n > MAX_LVS)
		return bad(p, "there are too many LVs", "");
	vg->lvs = calloc((size_t)n + 1, sizeof(*vg->lvs));
	p->by_name = calloc((size_t)n + 1, sizeof(*p->by_name));
	if (vg->lvs == NULL || p->by_name == NULL)
		return fy_error_nomem(p->err);
	while (list != NULL && (i = fy_lvm_next(p->t, list, i)) != NULL)
		if (i->type == FY_LVM_SECTION) {
			if (!fy_lvm_is_name(i->name))
				return bad(p, "the name", i->name);
			p->by_name[vg->n_lvs] = vg->n_lvs;
			vg->lvs[vg->n_lvs++].name = i->name;
		}
	qsort_r(p->by_name, n, sizeof(*p->by_name), compare_names, vg->lvs);
	for (k = 1; k < n; k++)
		if (strcmp(vg->lvs[p->by_name[k - 1]].name,
			   vg->lvs[p->by_name[k]].name) == 0)
			return bad(p, "there are two",
				   vg->lvs[p->by_name[k]].name);
	return 0;
}

static int
parse_lvs(struct parse *p, const struct fy_lvm_item *group)
{
	const struct fy_lvm_item *list, *i = NULL;
	uint32_t n = 0;

	list = fy_lvm_find(p->t, group, "logical_volumes", FY_LVM_SECTION);
	if (name_lvs(p, list) == -1)
		return -1;
	while (list != NULL && (i = fy_lvm_next(p->t, list, i)) != NULL) {
		struct fy_lvm_lv *lv = &p->vg->lvs[n];

		if (i->type != FY_LVM_SECTION)
			continue;
		n++;
		lv->visible = fy_lvm_list_has(p->t, i, "status", "VISIBLE");
		parse_flags(p, i, "status", lv);
		parse_flags(p, i, "flags", lv);
		if (parse_segments(p, i, lv) == -1)
			return -1;
	}
	return 0;
}

/* --- all ------------------------------------------------------------------------------ */

static int
parse_group(struct parse *p)
{
	const struct fy_lvm_item *g;
	struct fy_lvm_vg *vg = p->vg;
	const char *format;
	uint64_t sectors;

	if (!fy_lvm_text_head(p->t, &g, &vg->id, &vg->seqno))
		return bad(p, "there is no group", "");
	if (!fy_lvm_is_name(g->name))
		return bad(p, "the name", g->name);
	vg->name = g->name;
	format = fy_lvm_get_text(p->t, g, "format");
	if (format != NULL && strcmp(format, "lvm2") != 0)
		fy_lvm_set_whole(vg->whole, "the group is of format %.30s",
				 format);
	if (fy_lvm_list_has(p->t, g, "status", "EXPORTED"))
		fy_lvm_set_whole(vg->whole, "the group is exported");
	if (!fy_lvm_get_number(p->t, g, "extent_size", UINT32_MAX, &sectors) ||
	    sectors == 0)
		return bad(p, "the extent size", g->name);
	vg->extent_bytes = sectors * 512;
	return parse_pvs(p, g) == -1 ? -1 : parse_lvs(p, g);
}

int
fy_lvm_vg_parse(const struct fy_lvm_text *t, struct fy_lvm_vg *ret,
		struct fy_error *err)
{
	struct parse p = { .t = t, .vg = ret, .err = err };
	int r;

	memset(ret, 0, sizeof(*ret));
	r = parse_group(&p);
	free(p.by_name);
	if (r == -1)
		fy_lvm_vg_release(ret);
	return r;
}

void
fy_lvm_vg_release(struct fy_lvm_vg *vg)
{
	uint32_t i, k;

	for (i = 0; vg->lvs != NULL && i < vg->n_lvs; i++) {
		for (k = 0; k < vg->lvs[i].n_segments; k++) {
			free(vg->lvs[i].segments[k].areas);
			free(vg->lvs[i].segments[k].meta);
		}
		free(vg->lvs[i].segments);
	}
	free(vg->lvs);
	free(vg->pvs);
	memset(vg, 0, sizeof(*vg));
}
