/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk's map as JSON: as one object in memory, or written out piece by
 * piece, for the extents of a large disk are too many for a tree.
 */
#include "partclone/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const how_names[] = { "map", "whole", "skipped" };

/* A text as JSON: null for NULL, and bytes that are no UTF-8 replaced (error
 * texts may quote a foreign path). */
static json_t *
text(const char *s)
{
	fy_autofree char *copy = NULL;
	json_t *j;
	char *p;

	if (s == NULL)
		return json_null();
	j = json_string(s);
	if (j != NULL)
		return j;
	copy = strdup(s);
	if (copy == NULL)
		return NULL;
	for (p = copy; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(copy);
}

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
volume_json(const struct fy_disk_volume *v)
{
	fy_autojson json_t *o = json_object();
	int bad = 0;

	bad |= json_object_set_new(o, "path", text(v->path));
	if (v->number != 0)
		bad |= json_object_set_new(o, "number", number(v->number));
	bad |= json_object_set_new(o, "start", number(v->start));
	bad |= json_object_set_new(o, "length", number(v->length));
	bad |= json_object_set_new(o, "type", text(v->type));
	bad |= json_object_set_new(o, "partuuid", text(v->partuuid));
	bad |= json_object_set_new(o, "part_label", text(v->part_label));
	bad |= json_object_set_new(o, "filesystem", text(v->filesystem));
	bad |= json_object_set_new(o, "uuid", text(v->uuid));
	bad |= json_object_set_new(o, "label", text(v->label));
	bad |= json_object_set_new(o, "used_bytes", number(v->used_bytes));
	bad |= json_object_set_new(o, "how", text(how_names[v->how]));
	bad |= json_object_set_new(o, "note", text(v->note));
	bad |= json_object_set_new(o, "boot", json_boolean(v->boot));
	if (v->layer != NULL) {
		bad |= json_object_set_new(o, "layer", text(v->layer));
		bad |= json_object_set_new(o, "on", text(v->on));
	}
	return bad ? NULL : fy_steal_ptr(&o);
}

static json_t *
volumes_json(const struct fy_disk_map *m)
{
	fy_autojson json_t *list = json_array();
	size_t i;

	for (i = 0; i < m->n_volumes; i++)
		if (json_array_append_new(list, volume_json(&m->volumes[i])))
			return NULL;
	for (i = 0; i < m->n_upper; i++)
		if (json_array_append_new(list, volume_json(&m->upper[i])))
			return NULL;
	return fy_steal_ptr(&list);
}

static json_t *
warnings_json(const struct fy_disk_map *m)
{
	fy_autojson json_t *list = json_array();
	size_t i;

	for (i = 0; i < m->n_warnings; i++)
		if (json_array_append_new(list, text(m->warnings[i])))
			return NULL;
	return fy_steal_ptr(&list);
}

static json_t *
extents_json(const struct fy_disk_map *m, struct fy_error *err)
{
	fy_autojson json_t *list = json_array();
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	fy_extents_cursor_init(&c, m->used);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		if (json_array_append_new(
			    list, json_pack("[I, I]", (json_int_t)x.offset,
					    (json_int_t)x.length))) {
			fy_error_nomem(err);
			return NULL;
		}
	}
	return r == -1 ? NULL : fy_steal_ptr(&list);
}

json_t *
fy_disk_map_json(const struct fy_disk_map *m, bool with_extents,
		 struct fy_error *err)
{
	fy_autojson json_t *o = json_object();
	json_t *extents;
	int bad = 0;

	bad |= json_object_set_new(o, "disk_bytes", number(m->disk_bytes));
	bad |= json_object_set_new(o, "used_bytes", number(m->used_bytes));
	bad |= json_object_set_new(o, "sector_bytes", number(m->sector_bytes));
	bad |= json_object_set_new(o, "table", text(m->table));
	bad |= json_object_set_new(o, "table_uuid", text(m->table_uuid));
	if (with_extents) {
		extents = extents_json(m, err);
		if (extents == NULL)
			return NULL;
		bad |= json_object_set_new(o, "extents", extents);
	}
	bad |= json_object_set_new(o, "volumes", volumes_json(m));
	bad |= json_object_set_new(o, "warnings", warnings_json(m));
	if (bad) {
		fy_error_nomem(err);
		return NULL;
	}
	return fy_steal_ptr(&o);
}

int
fy_disk_map_write_json(const struct fy_disk_map *m, FILE *to,
		       struct fy_error *err)
{
	fy_autojson json_t *rest = fy_disk_map_json(m, false, err);
	fy_autofree char *tail = NULL;
	struct fy_extents_cursor c;
	struct fy_extent x;
	const char *comma = "";
	int r;

	if (rest == NULL)
		return -1;
	json_object_del(rest, "disk_bytes");
	json_object_del(rest, "used_bytes");
	tail = fy_json_text(rest, 0, err);
	if (tail == NULL)
		return -1;
	fprintf(to,
		"{\"disk_bytes\":%" PRIu64 ",\"used_bytes\":%" PRIu64
		",\"extents\":[",
		m->disk_bytes, m->used_bytes);
	fy_extents_cursor_init(&c, m->used);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		fprintf(to, "%s[%" PRIu64 ",%" PRIu64 "]", comma, x.offset,
			x.length);
		comma = ",";
	}
	if (r == -1)
		return -1;
	/* The rest without its opening brace. */
	fprintf(to, "],%s\n", tail + 1);
	if (fflush(to) != 0 || ferror(to))
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}
