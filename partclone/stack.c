/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is used of each node.
 */
#include "partclone/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partclone/disk-build.h"

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
wants_whole(const struct fy_node *n)
{
	const struct fy_disk_map_options *o = n->build->options;
	size_t i;

	for (i = 0; i < o->n_whole; i++)
		if (strcmp(o->whole[i], n->path) == 0)
			return true;
	return false;
}

/* All of the node is used. */
static int
take_whole(struct fy_node *n, const char *note, struct fy_error *err)
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

static int
take_map(struct fy_node *n, struct fy_error *err)
{
	const struct fy_fs_map_options options = {
		.allow_dirty = n->build->options->allow_dirty,
		.log = n->build->options->log,
		.stop = n->build->options->stop,
	};

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
	return take_whole(n, note, err);
}

static int
take_readable_map(struct fy_node *n, struct fy_error *err)
{
	struct fy_error why = { 0 };

	if (take_map(n, &why) == 0)
		return 0;
	if (n->build->options->rescue == NULL || why.code != FY_E_IO) {
		*err = why;
		return -1;
	}
	return take_unsure(n, "its map of used blocks", why.msg, err);
}

static int
map_node(struct fy_node *n, struct fy_error *err)
{
	const char *by_type = reason_by_type(n->type);

	if (n->closed)
		return take_whole(n, n->build->table->distrust, err);
	if (wants_whole(n))
		return take_whole(n, "asked for", err);
	if (by_type != NULL)
		return take_whole(n, by_type, err);
	if (n->lost)
		return take_unsure(n, "a sector that tells what it is", "",
				   err);
	return take_readable_map(n, err);
}

int
fy_node_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err)
{
	struct fy_error failure = { 0 };

	(void)s;
	if (n->state == FY_NODE_DONE)
		return 0;
	if (map_node(n, &failure) == 0) {
		n->state = FY_NODE_DONE;
		return 0;
	}
	*err = failure;
	if (failure.code == FY_E_DIRTY || failure.code == FY_E_UNSUPPORTED)
		return fy_error_prefix(err, "%s (%s)", n->path, n->info.name);
	return fy_error_prefix(err, "%s", n->path);
}
