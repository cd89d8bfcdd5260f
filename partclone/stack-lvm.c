/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LVM2 as a layer: the PVs that are found make groups; a group all of whose
 * PVs are there, and which makes sense, becomes volumes.  The newest metadata
 * count.  Of a PV the head, the areas of metadata, and what its LVs use are
 * used; extents of no LV are not.  Whatever is in doubt uses the PVs whole.
 */
#include "partclone/stack-lvm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/disk-build.h"

static void
found_free(struct fy_lvm_pv_found *f)
{
	if (f == NULL)
		return;
	fy_lvm_text_free(f->text);
	free(f);
}

static void
group_close(struct fy_lvm_group *g)
{
	uint32_t i;

	fy_lvm_release_lvs(g);
	for (i = 0; g->pv_uses != NULL && i < g->vg.n_pvs; i++)
		free(g->pv_uses[i].items);
	free(g->pv_uses);
	free(g->pvs);
	g->pv_uses = NULL;
	g->pvs = NULL;
	fy_lvm_vg_release(&g->vg);
}

static void
lvm_release(struct fy_stack *s)
{
	struct fy_lvm_layer *l = s->lvm;

	if (l == NULL)
		return;
	while (l->n_groups > 0) {
		group_close(l->groups[--l->n_groups]);
		free(l->groups[l->n_groups]);
	}
	while (l->n_found > 0)
		found_free(l->found[--l->n_found]);
	free(l->groups);
	free(l->found);
	free(l);
	s->lvm = NULL;
}

/* --- PVs ------------------------------------------------------------------------ */

static int
read_pv(struct fy_lvm_pv_found *f, struct fy_error *err)
{
	struct fy_volume *v = f->node->volume;
	bool empty;

	if (fy_lvm_label_read(v, &f->label, err) == -1 ||
	    fy_lvm_metadata_read(v, &f->label, &f->text, &empty, err) == -1)
		return -1;
	if (f->text == NULL)
		return 0;
	if (!fy_lvm_text_head(f->text, &f->head, &f->vg_id, &f->seqno))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the metadata describe no group");
	return 0;
}

static int
lvm_join(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct fy_lvm_pv_found *f, **grown;
	struct fy_error why = { 0 };

	if (!fy_streq(n->info.name, "LVM2_member"))
		return 0;
	if (s->lvm != NULL && s->lvm->n_found >= FY_LAYER_MEMBERS)
		return 0;
	if (s->lvm == NULL)
		s->lvm = calloc(1, sizeof(*s->lvm));
	if (s->lvm == NULL)
		return fy_error_nomem(err);
	grown = reallocarray(s->lvm->found, s->lvm->n_found + 1,
			     sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	s->lvm->found = grown;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return fy_error_nomem(err);
	grown[s->lvm->n_found++] = f;
	f->node = n;
	n->layer = &fy_layer_lvm;
	n->member = f;
	if (read_pv(f, &why) == 0)
		return 0;
	if (!fy_node_may_go_on(n, &why)) {
		*err = why;
		return -1;
	}
	fy_lvm_set_whole(f->problem, "%s", why.msg);
	return 0;
}

static struct fy_lvm_pv_found *
find_pv(const struct fy_lvm_layer *l, const char *id, bool *ret_twice)
{
	struct fy_lvm_pv_found *f = NULL;
	size_t i;

	*ret_twice = false;
	for (i = 0; i < l->n_found; i++) {
		if (strcmp(l->found[i]->label.id, id) != 0)
			continue;
		*ret_twice = f != NULL;
		f = l->found[i];
	}
	return f;
}

/* --- groups ----------------------------------------------------------------------- */

static struct fy_lvm_group *
find_group(const struct fy_lvm_layer *l, const char *id)
{
	size_t i;

	for (i = 0; i < l->n_groups; i++)
		if (strcmp(l->groups[i]->id, id) == 0)
			return l->groups[i];
	return NULL;
}

static int
make_groups(struct fy_lvm_layer *l, struct fy_error *err)
{
	struct fy_lvm_group **grown;
	size_t i;

	for (i = 0; i < l->n_found; i++) {
		const struct fy_lvm_pv_found *f = l->found[i];

		if (f->text == NULL || f->problem[0] != '\0' ||
		    find_group(l, f->vg_id) != NULL)
			continue;
		grown = reallocarray(l->groups, l->n_groups + 1,
				     sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		l->groups = grown;
		grown[l->n_groups] = calloc(1, sizeof(**grown));
		if (grown[l->n_groups] == NULL)
			return fy_error_nomem(err);
		grown[l->n_groups++]->id = f->vg_id;
	}
	return 0;
}

/* Whether two texts of the same age say the same of the group. */
static bool
same_text(const struct fy_lvm_text *a, const struct fy_lvm_text *b)
{
	return a->first_end == b->first_end &&
	       memcmp(a->buffer, b->buffer, a->first_end) == 0;
}

static const struct fy_lvm_text *
newest_text(const struct fy_lvm_layer *l, const struct fy_lvm_group *g,
	    bool *ret_differ)
{
	const struct fy_lvm_pv_found *best = NULL;
	size_t i;

	*ret_differ = false;
	for (i = 0; i < l->n_found; i++) {
		const struct fy_lvm_pv_found *f = l->found[i];

		if (f->text == NULL || f->problem[0] != '\0' ||
		    strcmp(f->vg_id, g->id) != 0)
			continue;
		if (best == NULL || f->seqno > best->seqno) {
			best = f;
			*ret_differ = false;
		} else if (f->seqno == best->seqno &&
			   !same_text(f->text, best->text)) {
			*ret_differ = true;
		}
	}
	return best == NULL ? NULL : best->text;
}

static void set_problem(struct fy_lvm_group *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
set_problem(struct fy_lvm_group *g, const char *fmt, ...)
{
	va_list ap;

	if (g->problem[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(g->problem, sizeof(g->problem), fmt, ap);
	va_end(ap);
}

/* Each PV of the group: is it there, once, sound, and large enough? */
static bool
check_pv(const struct fy_lvm_layer *l, struct fy_lvm_group *g, uint32_t i)
{
	const struct fy_lvm_pv *pv = &g->vg.pvs[i];
	struct fy_lvm_pv_found *f;
	uint64_t size;
	bool twice;

	f = g->pvs[i] = find_pv(l, pv->id, &twice);
	if (f == NULL)
		return false;
	size = fy_volume_size(f->node->volume);
	if (twice)
		set_problem(g,
			    "volume group '%.60s': two of the chosen disks "
			    "carry the same PV",
			    g->vg.name);
	else if (f->problem[0] != '\0')
		set_problem(g, "volume group '%.60s': %s: %.100s", g->vg.name,
			    f->node->path, f->problem);
	else if (pv->start + pv->extents * g->vg.extent_bytes > size ||
		 f->label.device_bytes > size)
		set_problem(g,
			    "volume group '%.60s': %s is smaller than its "
			    "metadata say",
			    g->vg.name, f->node->path);
	return true;
}

static int
check_pvs(const struct fy_lvm_layer *l, struct fy_lvm_group *g,
	  struct fy_error *err)
{
	uint32_t i, there = 0;

	g->pvs = calloc((size_t)g->vg.n_pvs + 1, sizeof(*g->pvs));
	g->pv_uses = calloc((size_t)g->vg.n_pvs + 1, sizeof(*g->pv_uses));
	if (g->pvs == NULL || g->pv_uses == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < g->vg.n_pvs; i++)
		there += check_pv(l, g, i);
	if (g->vg.whole[0] != '\0')
		set_problem(g, "volume group '%.60s': %s", g->vg.name,
			    g->vg.whole);
	if (g->vg.n_pvs == 0)
		set_problem(g, "volume group '%.60s' has no PVs", g->vg.name);
	if (there < g->vg.n_pvs)
		set_problem(g,
			    "volume group '%.60s': only %u of its %u PVs are "
			    "on the chosen disks",
			    g->vg.name, there, g->vg.n_pvs);
	return 0;
}

static struct fy_node *
first_node(const struct fy_lvm_group *g)
{
	uint32_t i;

	for (i = 0; i < g->vg.n_pvs; i++)
		if (g->pvs[i] != NULL)
			return g->pvs[i]->node;
	return NULL;
}

static int
read_group(struct fy_stack *s, struct fy_lvm_group *g, struct fy_error *err)
{
	const struct fy_lvm_text *t;
	bool differ;

	t = newest_text(s->lvm, g, &differ);
	if (fy_lvm_vg_parse(t, &g->vg, err) == -1 ||
	    check_pvs(s->lvm, g, err) == -1)
		return -1;
	if (differ)
		set_problem(g,
			    "volume group '%.60s': its PVs' metadata are of "
			    "the same age and differ",
			    g->vg.name);
	if (g->problem[0] != '\0')
		return 0;
	if (fy_lvm_prepare_lvs(g, err) == -1)
		return -1;
	g->opened = true;
	return fy_lvm_add_nodes(s, g, err);
}

/* Look at a group (again, when there are more PVs than before). */
static int
open_group(struct fy_stack *s, struct fy_lvm_group *g, struct fy_error *err)
{
	struct fy_error why = { 0 };
	struct fy_node *n;

	if (g->opened || g->seen == s->lvm->n_found)
		return 0;
	g->seen = s->lvm->n_found;
	g->problem[0] = '\0';
	group_close(g);
	if (read_group(s, g, &why) == 0)
		return 0;
	n = g->pvs == NULL ? NULL : first_node(g);
	if (g->opened || why.code == FY_E_NOMEM || why.code == FY_E_CANCELLED ||
	    (n != NULL && !fy_node_may_go_on(n, &why))) {
		*err = why;
		return -1;
	}
	set_problem(g, "volume group '%.60s': %.160s",
		    g->vg.name != NULL ? g->vg.name : g->id, why.msg);
	return 0;
}

static int
lvm_open(struct fy_stack *s, struct fy_error *err)
{
	size_t i;

	if (s->lvm == NULL)
		return 0;
	if (make_groups(s->lvm, err) == -1)
		return -1;
	for (i = 0; i < s->lvm->n_groups; i++)
		if (open_group(s, s->lvm->groups[i], err) == -1)
			return -1;
	return 0;
}

/* --- what is used of a PV ------------------------------------------------------------ */

struct piece {
	uint64_t start, end;	      /* bytes on the PV */
	const struct fy_lvm_use *use; /* NULL: all of it */
};

static int
by_start(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* The head, the areas of metadata, the uses of a PV, and what lies behind its
 * end, sorted. */
static struct piece *
list_pieces(const struct fy_lvm_group *g, uint32_t index, size_t *ret_n,
	    struct fy_error *err)
{
	const struct fy_lvm_pv *pv = &g->vg.pvs[index];
	const struct fy_lvm_label *label = &g->pvs[index]->label;
	const struct fy_lvm_uses *uses = &g->pv_uses[index];
	uint64_t unit = g->vg.extent_bytes;
	uint64_t size = fy_volume_size(g->pvs[index]->node->volume);
	struct piece *p = calloc(2 + label->n_kept + uses->n, sizeof(*p));
	size_t i, n = 0;

	if (p == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	p[n++] = (struct piece){ 0, pv->start, NULL };
	/* Something else may have its metadata there (DRBD). */
	if (label->device_bytes > 0 && label->device_bytes < size)
		p[n++] = (struct piece){ label->device_bytes, size, NULL };
	for (i = 0; i < label->n_kept; i++)
		p[n++] = (struct piece){ label->areas[i].offset,
					 label->areas[i].offset +
						 label->areas[i].length,
					 NULL };
	for (i = 0; i < uses->n; i++)
		p[n++] =
			(struct piece){ pv->start + uses->items[i].start * unit,
					pv->start + (uses->items[i].start +
						     uses->items[i].count) *
							    unit,
					&uses->items[i] };
	fy_sort(p, n, sizeof(*p), by_start);
	*ret_n = n;
	return p;
}

static int
map_pv(struct fy_stack *s, struct fy_lvm_group *g, uint32_t index,
       struct fy_node *n, struct fy_error *err)
{
	fy_autofree struct piece *p = NULL;
	uint64_t end = 0;
	size_t i, many = 0;

	p = list_pieces(g, index, &many, err);
	n->used = fy_extents_new(err);
	if (p == NULL || n->used == NULL)
		return -1;
	for (i = 0; i < many; i++) {
		/* Metadata lie in the head, as a rule; nothing else may lie on
		 * anything. */
		if (p[i].use != NULL && p[i].start < end)
			return fy_node_whole_warn(n,
						  "its extents lie on its "
						  "metadata",
						  err);
		if (p[i].use == NULL && p[i].start < end)
			p[i].start = end;
		if (p[i].start >= p[i].end)
			continue;
		end = p[i].end;
		if ((p[i].use == NULL
			     ? fy_extents_append(n->used, p[i].start,
						 p[i].end - p[i].start, err)
			     : fy_lvm_pull_use(s, g, p[i].use, p[i].start,
					       n->used, err)) == -1)
			return -1;
		/* A piece of metadata in the middle of a used one was seen
		 * above: the use began before it, so look behind, too. */
		if (i + 1 < many && p[i].use != NULL && p[i + 1].start < end)
			return fy_node_whole_warn(n,
						  "its metadata lie in its "
						  "extents",
						  err);
	}
	n->result.bytes = fy_volume_size(n->volume);
	return 0;
}

/* The group that a PV without metadata of its own belongs to. */
static struct fy_lvm_group *
group_of(const struct fy_lvm_layer *l, const struct fy_lvm_pv_found *f,
	 uint32_t *ret_index)
{
	size_t i;
	uint32_t k;

	for (i = 0; i < l->n_groups; i++)
		for (k = 0; k < l->groups[i]->vg.n_pvs; k++)
			if (strcmp(l->groups[i]->vg.pvs[k].id, f->label.id) ==
			    0) {
				*ret_index = k;
				return l->groups[i];
			}
	return NULL;
}

/* Why a PV is used whole; '*ret' its group, where there is one to blame. */
static const char *
problem_of(const struct fy_lvm_layer *l, const struct fy_lvm_pv_found *f,
	   struct fy_lvm_group **ret)
{
	uint32_t index;

	*ret = group_of(l, f, &index);
	if (*ret != NULL && (*ret)->problem[0] != '\0')
		return (*ret)->problem;
	*ret = NULL;
	if (f->problem[0] != '\0')
		return f->problem;
	*ret = f->text == NULL ? NULL : find_group(l, f->vg_id);
	if (*ret != NULL && (*ret)->problem[0] != '\0')
		return (*ret)->problem;
	*ret = NULL;
	return "a PV of no volume group that is known here";
}

/* The group that is open and has this PV, or NULL. */
static struct fy_lvm_group *
open_group_of(const struct fy_lvm_layer *l, const struct fy_lvm_pv_found *f,
	      uint32_t *ret_index)
{
	struct fy_lvm_group *g = group_of(l, f, ret_index);

	return g != NULL && g->opened && g->pvs[*ret_index] == f ? g : NULL;
}

static int
lvm_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct fy_lvm_pv_found *f = n->member;
	struct fy_lvm_group *g;
	const char *why;
	uint32_t index;
	bool warn;

	g = open_group_of(s->lvm, f, &index);
	if (g != NULL)
		return map_pv(s, g, index, n, err);
	why = problem_of(s->lvm, f, &g);
	/* One warning for a group. */
	warn = g != NULL ? !g->warned : f->problem[0] != '\0';
	if (g != NULL)
		g->warned = true;
	return warn ? fy_node_whole_warn(n, why, err)
		    : fy_node_whole(n, why, err);
}

static const char *
lvm_closed(struct fy_stack *s, const struct fy_node *n)
{
	struct fy_lvm_group *g;
	uint32_t index;

	return open_group_of(s->lvm, n->member, &index) != NULL
		       ? NULL
		       : problem_of(s->lvm, n->member, &g);
}

const struct fy_layer fy_layer_lvm = {
	.join = lvm_join,
	.open = lvm_open,
	.map = lvm_map,
	.closed = lvm_closed,
	.release = lvm_release,
};
