/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Filesystems on several volumes (Btrfs) as a layer.  When all volumes of one
 * are there, its driver maps them together; else each is used whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/disk-build.h"

struct volume {
	struct fy_node *node;
	struct fy_fs_member member;
	bool done; /* node->used is there */
};

struct fy_sets_layer {
	struct volume **volumes;
	size_t n;
};

static void
sets_release(struct fy_stack *s)
{
	if (s->sets == NULL)
		return;
	while (s->sets->n > 0)
		free(s->sets->volumes[--s->sets->n]);
	free(s->sets->volumes);
	free(s->sets);
	s->sets = NULL;
}

static int
add_volume(struct fy_stack *s, struct fy_node *n,
	   const struct fy_fs_member *member, struct fy_error *err)
{
	struct volume **grown, *v;

	if (s->sets == NULL)
		s->sets = calloc(1, sizeof(*s->sets));
	if (s->sets == NULL)
		return fy_error_nomem(err);
	grown = reallocarray(s->sets->volumes, s->sets->n + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	s->sets->volumes = grown;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return fy_error_nomem(err);
	grown[s->sets->n++] = v;
	v->node = n;
	v->member = *member;
	v->member.set[sizeof(v->member.set) - 1] = '\0';
	n->layer = &fy_layer_sets;
	n->member = v;
	return 0;
}

static int
sets_join(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	const struct fy_fs_driver *d = n->info.driver;
	struct fy_fs_member member = { .n = 1 };
	struct fy_error why = { 0 };

	if (d == NULL || d->member == NULL || d->read_map_set == NULL)
		return 0;
	if (s->sets != NULL && s->sets->n >= FY_LAYER_MEMBERS)
		return 0;
	if (d->member(n->volume, &member, &why) == -1) {
		/* Its map will say more of it. */
		if (fy_node_may_go_on(n, &why))
			return 0;
		*err = why;
		return -1;
	}
	return member.n > 1 ? add_volume(s, n, &member, err) : 0;
}

static int
sets_open(struct fy_stack *s, struct fy_error *err)
{
	(void)s;
	(void)err;
	return 0;
}

/* The volumes of the set of 'v'; '*ret_twice': one of them is there twice. */
static size_t
find_set(const struct fy_sets_layer *l, const struct volume *v,
	 struct volume **ret, bool *ret_twice)
{
	size_t i, k, n = 0;

	*ret_twice = false;
	for (i = 0; i < l->n; i++) {
		struct volume *w = l->volumes[i];

		if (w->node->info.driver != v->node->info.driver ||
		    strcmp(w->member.set, v->member.set) != 0)
			continue;
		for (k = 0; k < n; k++)
			if (ret[k]->member.id == w->member.id)
				*ret_twice = true;
		ret[n++] = w;
	}
	return n;
}

/* All members at once; each node gets its part. */
static int
map_set(struct volume **set, size_t n, struct fy_error *err)
{
	const struct fy_disk_map_options *o = set[0]->node->build->options;
	struct fy_fs_map_options options = { .log = o->log, .stop = o->stop };
	fy_autofree struct fy_volume **v = calloc(n, sizeof(*v));
	fy_autofree struct fy_extents **used = calloc(n, sizeof(*used));
	struct fy_fs_result result = { 0 };
	size_t i;
	int r = 0;

	if (v == NULL || used == NULL)
		return fy_error_nomem(err);
	for (i = 0; r == 0 && i < n; i++) {
		v[i] = set[i]->node->volume;
		if (set[i]->node->build->options->allow_dirty)
			options.allow_dirty = true;
		used[i] = fy_extents_new(err);
		r = used[i] == NULL ? -1 : 0;
	}
	if (r == 0)
		r = set[0]->node->info.driver->read_map_set(v, n, &options,
							    used, &result, err);
	for (i = 0; i < n; i++) {
		struct fy_node *m = set[i]->node;

		if (r == 0 && !result.whole) {
			fy_extents_free(m->used);
			m->used = fy_steal_ptr(&used[i]);
		}
		if (r == 0) {
			m->result = result;
			m->result.bytes = fy_volume_size(m->volume);
			set[i]->done = true;
		}
		fy_extents_free(used[i]);
	}
	return r;
}

static int
finish(struct fy_node *n, struct fy_error *err)
{
	if (!n->result.whole) {
		if (n->result.warn)
			return fy_disk_warn(n->build, err, "%s (%s): %s",
					    n->path, n->info.name,
					    n->result.note);
		return 0;
	}
	return n->result.warn ? fy_node_whole_warn(n, n->result.note, err)
			      : fy_node_whole(n, n->result.note, err);
}

static int
sets_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct volume *v = n->member;
	fy_autofree struct volume **set = calloc(s->sets->n, sizeof(*set));
	char note[FY_FS_NOTE];
	bool twice;
	size_t many;

	if (set == NULL)
		return fy_error_nomem(err);
	if (v->done)
		return finish(n, err);
	many = find_set(s->sets, v, set, &twice);
	if (twice || many != v->member.n) {
		snprintf(
			note, sizeof(note),
			twice ? "two of the chosen disks carry the same part "
				"of it"
			: many < v->member.n
				? "only %zu of its %llu volumes are on the "
				  "chosen disks"
				: "%zu volumes are part of it, and it knows of "
				  "%llu: is one of them being replaced?",
			many, (unsigned long long)v->member.n);
		return fy_node_whole_warn(n, note, err);
	}
	return map_set(set, many, err) == -1 ? -1 : finish(n, err);
}

const struct fy_layer fy_layer_sets = {
	.join = sets_join,
	.open = sets_open,
	.map = sets_map,
	.release = sets_release,
};
