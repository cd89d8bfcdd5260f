/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * md as a layer.  A RAID 1 is what its newest member in sync holds, so each
 * member by itself shows the array (what is written goes to all of them), and what is used of the array is used of
 * each member in sync; what lies before and behind the data is used.  Members
 * of other arrays, and those that are not in sync, are used whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/gather.h"
#include "partclone/disk-build.h"
#include "partclone/md.h"

struct member {
	struct fy_node *node;
	struct fy_md_super sb;
	char problem[FY_MD_NOTE];
	struct array *array;
};

struct array {
	unsigned char uuid[16];
	struct member *first; /* that it was opened by; NULL: it can't be */
	struct fy_node *node;
	struct fy_pull pull;
	uint64_t newest;
	struct array *next;
};

struct fy_md_layer {
	struct member **members;
	size_t n_members;
	struct array *arrays;
	size_t opened; /* so many members were known then */
};

static void
md_release(struct fy_stack *s)
{
	struct fy_md_layer *l = s->md;
	struct array *a;

	if (l == NULL)
		return;
	while (l->n_members > 0)
		free(l->members[--l->n_members]);
	while ((a = l->arrays) != NULL) {
		l->arrays = a->next;
		fy_pull_release(&a->pull);
		free(a);
	}
	free(l->members);
	free(l);
	s->md = NULL;
}

static int
md_join(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct fy_error why = { 0 };
	struct member **grown, *m;

	if (!fy_streq(n->info.name, "linux_raid_member"))
		return 0;
	if (s->md != NULL && s->md->n_members >= FY_LAYER_MEMBERS)
		return 0;
	if (s->md == NULL)
		s->md = calloc(1, sizeof(*s->md));
	if (s->md == NULL)
		return fy_error_nomem(err);
	grown = reallocarray(s->md->members, s->md->n_members + 1,
			     sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	s->md->members = grown;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return fy_error_nomem(err);
	grown[s->md->n_members++] = m;
	m->node = n;
	n->layer = &fy_layer_md;
	n->member = m;
	if (fy_md_read(n->volume, &m->sb, &why) == 0)
		return 0;
	if (!fy_node_may_go_on(n, &why)) {
		*err = why;
		return -1;
	}
	snprintf(m->problem, sizeof(m->problem), "%.100s", why.msg);
	return 0;
}

/* --- arrays -------------------------------------------------------------------- */

static struct array *
find_array(const struct fy_md_layer *l, const unsigned char *uuid)
{
	struct array *a;

	for (a = l->arrays; a != NULL; a = a->next)
		if (memcmp(a->uuid, uuid, 16) == 0)
			return a;
	return NULL;
}

static int
bind_member(struct fy_md_layer *l, struct member *m, struct fy_error *err)
{
	m->array = find_array(l, m->sb.uuid);
	if (m->array == NULL) {
		m->array = calloc(1, sizeof(*m->array));
		if (m->array == NULL)
			return fy_error_nomem(err);
		memcpy(m->array->uuid, m->sb.uuid, 16);
		m->array->next = l->arrays;
		l->arrays = m->array;
	}
	m->array->newest = fy_max_u64(m->array->newest, m->sb.events);
	return 0;
}

/* Why the member is used whole; NULL: the array's map holds for it. */
static const char *
reason_of(const struct member *m)
{
	if (m->problem[0] != '\0')
		return m->problem;
	if (m->sb.level != 1)
		return "its RAID level is not looked into";
	if (m->sb.whole[0] != '\0')
		return m->sb.whole;
	if (m->sb.events != m->array->newest)
		return "it is older than another member of its array";
	return NULL;
}

/* Two members with the same place, or which don't agree on the array's shape:
 * it can't be told which is right. */
static const char *
check_pair(const struct member *a, const struct member *b)
{
	if (a->array != b->array || a == b)
		return NULL;
	if (a->sb.role == b->sb.role)
		return "another member has the same place in the array";
	if (a->sb.data_bytes != b->sb.data_bytes ||
	    a->sb.disks != b->sb.disks || a->sb.level != b->sb.level)
		return "the array's members do not agree";
	return NULL;
}

static void
check_members(struct fy_md_layer *l)
{
	size_t i, k;

	for (i = 0; i < l->n_members; i++)
		for (k = 0; k < l->n_members; k++) {
			struct member *a = l->members[i], *b = l->members[k];
			const char *wrong = NULL;

			if (reason_of(a) == NULL && reason_of(b) == NULL)
				wrong = check_pair(a, b);
			if (wrong == NULL)
				continue;
			snprintf(a->problem, sizeof(a->problem), "%s", wrong);
			snprintf(b->problem, sizeof(b->problem), "%s", wrong);
		}
}

static bool
name_is_taken(const struct fy_stack *s, const char *path)
{
	size_t i;

	for (i = 0; i < s->n_nodes; i++)
		if (strcmp(s->nodes[i]->path, path) == 0)
			return true;
	return false;
}

/* The members that the array is opened with: all in sync.  '*ret_sealed': why
 * that is not enough to write to it. */
static size_t
list_members(const struct fy_md_layer *l, const struct array *a,
	     struct fy_gather_area *ret, const char **ret_sealed)
{
	size_t i, n = 0;

	*ret_sealed = NULL;
	for (i = 0; i < l->n_members; i++) {
		const struct member *m = l->members[i];

		if (memcmp(m->sb.uuid, a->uuid, 16) != 0)
			continue;
		if (m->array != a || reason_of(m) != NULL) {
			*ret_sealed = "a member of it is not in sync";
			continue;
		}
		if (m->node->sealed != NULL)
			*ret_sealed = m->node->sealed;
		ret[n++] = (struct fy_gather_area){ m->node->volume,
						    m->sb.data_start };
	}
	if (n < a->first->sb.disks && *ret_sealed == NULL)
		*ret_sealed = "a member of it is not among the disks";
	return n;
}

static int
open_array(struct fy_stack *s, struct member *m, struct fy_error *err)
{
	fy_autofree struct fy_gather_area *areas =
		calloc(s->md->n_members, sizeof(*areas));
	struct fy_gather_piece piece = { .length = m->sb.data_bytes,
					 .areas = areas,
					 .mirrored = true };
	struct array *a = m->array;
	struct fy_volume *v = NULL;
	const char *sealed;
	char path[64];

	if (areas == NULL)
		return fy_error_nomem(err);
	snprintf(path, sizeof(path), "md/%.36s", m->sb.name);
	if (m->sb.name[0] == '\0' || name_is_taken(s, path))
		snprintf(path, sizeof(path), "md/%08x-%08x",
			 fy_get_be32(a->uuid), fy_get_be32(a->uuid + 4));
	a->first = m;
	piece.n_areas = (unsigned)list_members(s->md, a, areas, &sealed);
	if (fy_gather_new(&piece, piece.length > 0 ? 1 : 0, path,
			  fy_volume_sector_bytes(m->node->volume), &v,
			  err) == -1)
		return -1;
	a->node = fy_stack_add_upper(s, m->node, m->sb.data_start, path, "md",
				     NULL, v, err);
	if (a->node == NULL)
		return -1;
	a->node->sealed = sealed;
	return 0;
}

/* Members are all found in the first round, but for those on other layers:
 * these come too late for an array that is there already. */
static int
md_open(struct fy_stack *s, struct fy_error *err)
{
	struct fy_md_layer *l = s->md;
	size_t i, from;

	if (l == NULL || l->opened == l->n_members)
		return 0;
	from = l->opened;
	l->opened = l->n_members;
	for (i = from; i < l->n_members; i++) {
		struct member *m = l->members[i];
		struct array *a = m->problem[0] != '\0'
					  ? NULL
					  : find_array(l, m->sb.uuid);

		if (m->problem[0] != '\0')
			continue;
		if (a != NULL && a->node != NULL) {
			m->array = a;
			snprintf(m->problem, sizeof(m->problem),
				 "its array lies on several layers");
			continue;
		}
		if (bind_member(l, m, err) == -1)
			return -1;
	}
	check_members(l);
	for (i = from; i < l->n_members; i++)
		if (reason_of(l->members[i]) == NULL &&
		    l->members[i]->array->node == NULL &&
		    open_array(s, l->members[i], err) == -1)
			return -1;
	return 0;
}

/* --- what is used ----------------------------------------------------------------- */

static const char *
md_closed(struct fy_stack *s, const struct fy_node *n)
{
	const struct member *m = n->member;
	const char *why = reason_of(m);

	(void)s;
	if (why == NULL && (m->array == NULL || m->array->node == NULL))
		why = "its array can't be read";
	return why;
}

static int
md_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct member *m = n->member;
	const char *why = md_closed(s, n);
	uint64_t size = fy_volume_size(n->volume);
	uint64_t end = m->sb.data_start + m->sb.data_bytes;
	struct array *a = m->array;
	char note[FY_FS_NOTE];

	if (why != NULL) {
		snprintf(note, sizeof(note), "a member of md's array %.40s: %s",
			 m->sb.name, why);
		/* What costs much, and could be mended. */
		return m->sb.level == 1 ? fy_node_whole_warn(n, note, err)
					: fy_node_whole(n, note, err);
	}
	if (fy_node_map(s, a->node, err) == -1)
		return -1;
	n->used = fy_extents_new(err);
	if (n->used == NULL ||
	    fy_extents_append(n->used, 0, m->sb.data_start, err) == -1 ||
	    fy_pull(&a->pull, a->node->used, 0, m->sb.data_bytes, 0, 1, 0,
		    m->sb.data_start, n->used, err) == -1)
		return -1;
	n->result.bytes = size;
	return fy_extents_append(n->used, end, size - end, err);
}

const struct fy_layer fy_layer_md = {
	.join = md_join,
	.open = md_open,
	.map = md_map,
	.closed = md_closed,
	.release = md_release,
};
