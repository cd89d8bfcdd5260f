/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nodes of a set of disks, and what is used of each.
 */
#include "partclone/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/gather.h"
#include "partclone/disk-build.h"
#include "partclone/gap.h"

#define MAX_DEPTH 8
#define MAX_NODES 200000

static const struct fy_layer *const layers[] = {
	&fy_layer_lvm,
	&fy_layer_md,
	&fy_layer_sets,
};

#define N_LAYERS (sizeof(layers) / sizeof(layers[0]))

static void
node_free(struct fy_node *n)
{
	if (n == NULL)
		return;
	free(n->path);
	fy_volume_close(n->volume);
	fy_extents_free(n->used);
	free(n);
}

void
fy_stack_release(struct fy_stack *s)
{
	size_t i;

	for (i = 0; i < N_LAYERS; i++)
		layers[i]->release(s);
	while (s->n_nodes > 0)
		node_free(s->nodes[--s->n_nodes]);
	free(s->nodes);
	s->nodes = NULL;
}

struct fy_node *
fy_stack_add(struct fy_stack *s, struct fy_disk_build *b, const char *path,
	     struct fy_volume *volume, struct fy_error *err)
{
	struct fy_node *n = calloc(1, sizeof(*n));
	struct fy_node **grown;

	if (n == NULL) {
		fy_volume_close(volume);
		fy_error_nomem(err);
		return NULL;
	}
	n->build = b;
	n->volume = volume;
	n->path = strdup(path);
	grown = realloc(s->nodes, (s->n_nodes + 1) * sizeof(*grown));
	if (grown != NULL)
		s->nodes = grown;
	if (n->path == NULL || grown == NULL) {
		node_free(n);
		fy_error_nomem(err);
		return NULL;
	}
	s->nodes[s->n_nodes++] = n;
	return n;
}

/* Something that was partitioned begins with a table, and what else is seen on
 * it may be older. */
static int
look_for_table(struct fy_node *n, struct fy_error *err)
{
	FY_AUTO(table) struct fy_table *t = NULL;

	if (fy_volume_size(n->volume) == 0)
		return 0;
	if (fy_table_read(n->volume, &t, err) == -1)
		return -1;
	if (t->n_partitions > 0 || t->distrust != NULL)
		n->closed = "it holds a partition table of its own";
	return 0;
}

struct fy_node *
fy_stack_add_upper(struct fy_stack *s, struct fy_node *base, uint64_t at,
		   const char *path, const char *type, const char *closed,
		   struct fy_volume *volume, struct fy_error *err)
{
	struct fy_error why = { 0 };
	struct fy_node *n;

	if (s->n_nodes >= MAX_NODES) {
		fy_volume_close(volume);
		fy_error_set(err, FY_E_FORMAT, 0,
			     "there are more than %d volumes", MAX_NODES);
		return NULL;
	}
	n = fy_stack_add(s, base->build, path, volume, err);
	if (n == NULL)
		return NULL;
	n->base = base;
	n->start = base->start + at;
	n->type = type;
	n->closed = closed;
	n->sealed = base->sealed;
	n->depth = base->depth + 1;
	if (n->depth > MAX_DEPTH && closed == NULL)
		n->closed = "it lies on too many layers";
	if (n->closed != NULL)
		return n;
	if (fy_fs_identify(volume, &n->info, &why) == 0 &&
	    (n->info.name == NULL || n->info.driver != NULL) &&
	    look_for_table(n, &why) == 0)
		return n;
	if (why.code == FY_E_NONE)
		return n;
	if (fy_node_may_go_on(n, &why)) {
		n->closed = "what lies on it can't be read";
		return n;
	}
	*err = why;
	fy_error_prefix(err, "%s", path);
	return NULL;
}

int
fy_stack_grow(struct fy_stack *s, struct fy_error *err)
{
	size_t done = 0, before, i;

	do {
		for (; done < s->n_nodes; done++) {
			struct fy_node *n = s->nodes[done];

			for (i = 0; i < N_LAYERS && n->closed == NULL &&
				    n->layer == NULL;
			     i++)
				if (layers[i]->join(s, n, err) == -1)
					return fy_error_prefix(err, "%s",
							       n->path);
		}
		before = s->n_nodes;
		for (i = 0; i < N_LAYERS; i++)
			if (layers[i]->open(s, err) == -1)
				return -1;
	} while (s->n_nodes > before);
	return 0;
}

/* --- what is used -------------------------------------------------------------- */

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

	for (i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i].type) == 0)
			return types[i].reason;
	return NULL;
}

static bool
names(const struct fy_disk_map_options *o, const char *path)
{
	size_t i;

	for (i = 0; i < o->n_whole; i++)
		if (strcmp(o->whole[i], path) == 0)
			return true;
	return false;
}

/* An LV may be named with any of the disks. */
static bool
wants_whole(const struct fy_stack *s, const struct fy_node *n)
{
	size_t i;

	if (n->base == NULL)
		return names(n->build->options, n->path);
	for (i = 0; i < s->n_builds; i++)
		if (names(s->builds[i].options, n->path))
			return true;
	return false;
}

int
fy_node_whole(struct fy_node *n, const char *note, struct fy_error *err)
{
	uint64_t size = fy_volume_size(n->volume);

	if (note != n->result.note)
		snprintf(n->result.note, sizeof(n->result.note), "%s", note);
	n->result.whole = true;
	n->result.bytes = size;
	fy_extents_free(n->used);
	n->used = fy_extents_new(err);
	return n->used == NULL ? -1 : fy_extents_append(n->used, 0, size, err);
}

int
fy_node_whole_warn(struct fy_node *n, const char *note, struct fy_error *err)
{
	if (fy_disk_warn(n->build, err, "%s%s%s%s: %s", n->path,
			 n->info.name != NULL ? " (" : "",
			 n->info.name != NULL ? n->info.name : "",
			 n->info.name != NULL ? ")" : "", note) == -1)
		return -1;
	return fy_node_whole(n, note, err);
}

bool
fy_node_may_go_on(const struct fy_node *n, const struct fy_error *why)
{
	if (why->code == FY_E_IO)
		return n->build->options->rescue != NULL;
	return why->code == FY_E_FORMAT || why->code == FY_E_UNSUPPORTED ||
	       why->code == FY_E_CORRUPT;
}

static int
take_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	const struct fy_fs_map_options options = {
		.allow_dirty = n->build->options->allow_dirty,
		.log = n->build->options->log,
		.stop = n->build->options->stop,
	};

	if (n->layer != NULL)
		return n->layer->map(s, n, err);
	n->used = fy_extents_new(err);
	if (n->used == NULL || fy_fs_map(n->volume, &n->info, &options, n->used,
					 &n->result, err) == -1)
		return -1;
	if (n->result.warn &&
	    fy_disk_warn(n->build, err, "%s (%s): %s", n->path, n->info.name,
			 n->result.note) == -1)
		return -1;
	return 0;
}

/* All of it, for what would say more can't be read. */
static int
take_unsure(struct fy_node *n, const char *what, const char *why,
	    struct fy_error *err)
{
	char note[FY_FS_NOTE];

	snprintf(note, sizeof(note),
		 "%s can't be read, so all of it is copied%s%.140s", what,
		 why[0] != '\0' ? ": " : "", why);
	if (fy_disk_warn(n->build, err, "%s: %s", n->path, note) == -1)
		return -1;
	return fy_node_whole(n, note, err);
}

static int
take_readable_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct fy_error why = { 0 };

	if (take_map(s, n, &why) == 0)
		return 0;
	if (n->build->options->rescue == NULL || why.code != FY_E_IO) {
		*err = why;
		return -1;
	}
	s->failed = NULL;
	return take_unsure(n, "its map of used blocks", why.msg, err);
}

static int
map_node(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	const char *by_type = reason_by_type(n->type);

	if (n->closed != NULL)
		return fy_node_whole(n, n->closed, err);
	if (wants_whole(s, n))
		return fy_node_whole(n, "asked for", err);
	if (by_type != NULL)
		return fy_node_whole(n, by_type, err);
	if (n->lost)
		return take_unsure(n, "a sector that tells what it is", "",
				   err);
	return take_readable_map(s, n, err);
}

/* What lies behind a filesystem's end in an LV or an array: as in a
 * partition. */
static int
map_tail(struct fy_node *n, struct fy_error *err)
{
	uint64_t size = fy_volume_size(n->volume), skipped;
	const struct fy_gap gap = {
		.start = n->result.bytes,
		.length = size - n->result.bytes,
		.whole = n->build->options->all_gaps ||
			 n->build->options->rescue != NULL,
	};

	if (n->base == NULL || n->result.whole || gap.length == 0)
		return 0;
	n->result.bytes = size;
	return fy_gap_append(n->volume, &gap, n->used, &skipped, err);
}

int
fy_node_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct fy_error failure = { 0 };

	if (n->state == FY_NODE_DONE)
		return 0;
	if (n->state == FY_NODE_BUSY)
		return fy_error_set(err, FY_E_FORMAT, 0, "%s lies on itself",
				    n->path);
	n->state = FY_NODE_BUSY;
	if (fy_stop_check(n->build->options->stop, &failure) == 0 &&
	    map_node(s, n, &failure) == 0 && map_tail(n, &failure) == 0) {
		n->used_bytes = fy_extents_bytes(n->used);
		n->state = FY_NODE_DONE;
		return 0;
	}
	n->state = FY_NODE_NEW;
	if (s->failed == NULL)
		s->failed = n;
	fy_extents_free(n->used);
	n->used = NULL;
	*err = failure;
	if (failure.code == FY_E_DIRTY || failure.code == FY_E_UNSUPPORTED)
		return fy_error_prefix(err, "%s (%s)", n->path, n->info.name);
	return fy_error_prefix(err, "%s", n->path);
}

int
fy_node_map_any(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct fy_error why = { 0 };
	char note[FY_FS_NOTE];

	if (fy_node_map(s, n, &why) == 0)
		return 0;
	if (why.code != FY_E_DIRTY && why.code != FY_E_UNSUPPORTED) {
		*err = why;
		return -1;
	}
	s->failed = NULL;
	snprintf(note, sizeof(note), "a snapshot that can't be mapped: %.180s",
		 why.msg);
	if (fy_node_whole_warn(n, note, err) == -1)
		return -1;
	n->used_bytes = fy_extents_bytes(n->used);
	n->state = FY_NODE_DONE;
	return 0;
}

/* --- down to the members -------------------------------------------------------- */

/* The next range, into p->next. */
static int
step(struct fy_pull *p, struct fy_error *err)
{
	int r = fy_extents_next(p->cursor, &p->next, err);

	p->has_next = r == 1;
	return r == -1 ? -1 : 0;
}

static int
start(struct fy_pull *p, const struct fy_extents *used, uint64_t from,
      struct fy_error *err)
{
	if (p->cursor != NULL && from >= p->done)
		return 0;
	if (p->cursor == NULL)
		p->cursor = malloc(sizeof(*p->cursor));
	if (p->cursor == NULL)
		return fy_error_nomem(err);
	fy_extents_cursor_init(p->cursor, used);
	return step(p, err);
}

int
fy_pull(struct fy_pull *p, const struct fy_extents *used, uint64_t from,
	uint64_t to, unsigned k, unsigned n, uint64_t stripe_bytes,
	uint64_t shift, struct fy_extents *ret, struct fy_error *err)
{
	uint64_t a, b;

	if (start(p, used, from, err) == -1)
		return -1;
	p->done = to;
	while (p->has_next && p->next.offset < to) {
		a = fy_max_u64(p->next.offset, from);
		b = fy_min_u64(p->next.offset + p->next.length, to);
		if (a < b) {
			a = fy_gather_share(a - from, n, stripe_bytes, k);
			b = fy_gather_share(b - from, n, stripe_bytes, k);
			if (fy_extents_append(ret, shift + a, b - a, err) == -1)
				return -1;
		}
		if (p->next.offset + p->next.length > to)
			break;
		if (step(p, err) == -1)
			return -1;
	}
	return 0;
}

void
fy_pull_release(struct fy_pull *p)
{
	free(p->cursor);
	memset(p, 0, sizeof(*p));
}
