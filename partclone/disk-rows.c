/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rows and the warnings of a disk's map.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partclone/disk-build.h"

static void
row_release(struct fy_disk_volume *v)
{
	free(v->path);
	free(v->type);
	free(v->partuuid);
	free(v->part_label);
	free(v->filesystem);
	free(v->uuid);
	free(v->label);
	free(v->note);
	free(v->layer);
	free(v->on);
	free(v->sealed);
}

void
fy_disk_map_free(struct fy_disk_map *m)
{
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->n_volumes; i++)
		row_release(&m->volumes[i]);
	for (i = 0; i < m->n_upper; i++)
		row_release(&m->upper[i]);
	for (i = 0; i < m->n_more; i++) {
		row_release(m->more[i]);
		free(m->more[i]);
	}
	for (i = 0; i < m->n_warnings; i++)
		free(m->warnings[i]);
	free(m->volumes);
	free(m->upper);
	free(m->more);
	free(m->warnings);
	free(m->table);
	free(m->table_uuid);
	fy_extents_free(m->used);
	free(m);
}

int
fy_disk_set_text(char **ret, const char *text, struct fy_error *err)
{
	char *copy = NULL;

	if (text != NULL && *text != '\0') {
		copy = strdup(text);
		if (copy == NULL)
			return fy_error_nomem(err);
	}
	free(*ret);
	*ret = copy;
	return 0;
}

int
fy_disk_warn(struct fy_disk_build *b, struct fy_error *err, const char *fmt,
	     ...)
{
	struct fy_disk_map *m = b->map;
	char text[600];
	char **grown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	grown = realloc(m->warnings, (m->n_warnings + 2) * sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	m->warnings = grown;
	grown[m->n_warnings] = strdup(text);
	if (grown[m->n_warnings] == NULL)
		return fy_error_nomem(err);
	grown[++m->n_warnings] = NULL;
	fy_log_warn(b->options->log, "%s", text);
	return 0;
}

static struct fy_disk_volume *
add_row(struct fy_disk_volume **rows, size_t *n, uint64_t start,
	uint64_t length, const char *path, struct fy_error *err)
{
	struct fy_disk_volume *grown;

	grown = reallocarray(*rows, *n + 1, sizeof(*grown));
	if (grown == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	*rows = grown;
	grown = &grown[(*n)++];
	memset(grown, 0, sizeof(*grown));
	grown->start = start;
	grown->length = length;
	grown->how = FY_HOW_WHOLE;
	if (fy_disk_set_text(&grown->path, path, err) == -1)
		return NULL;
	return grown;
}

struct fy_disk_volume *
fy_disk_add_row(struct fy_disk_build *b, uint64_t start, uint64_t length,
		const char *path, struct fy_error *err)
{
	return add_row(&b->map->volumes, &b->map->n_volumes, start, length,
		       path, err);
}

int
fy_disk_add_upper(struct fy_disk_build *b, const struct fy_node *n,
		  struct fy_error *err)
{
	struct fy_disk_volume *v;

	v = add_row(&b->map->upper, &b->map->n_upper, n->start,
		    fy_volume_size(n->volume), n->path, err);
	if (v == NULL || fy_disk_describe(v, &n->info, err) == -1 ||
	    fy_disk_set_text(&v->layer, n->type, err) == -1 ||
	    fy_disk_set_text(&v->on, n->base->path, err) == -1)
		return -1;
	if (b->probe_only)
		return fy_disk_set_text(&v->note, n->closed, err) == -1
			       ? -1
			       : fy_disk_set_text(&v->sealed, n->sealed, err);
	v->used_bytes = n->used_bytes;
	v->how = n->result.whole ? FY_HOW_WHOLE : FY_HOW_MAP;
	return fy_disk_set_text(&v->note, n->result.note, err);
}

struct fy_disk_volume *
fy_disk_map_add_upper(struct fy_disk_map *m, const char *path,
		      const char *layer, const char *on, struct fy_error *err)
{
	struct fy_disk_volume **grown =
		reallocarray(m->more, m->n_more + 1, sizeof(*grown));
	struct fy_disk_volume *v = calloc(1, sizeof(*v));

	if (grown != NULL)
		m->more = grown;
	if (grown == NULL || v == NULL) {
		free(v);
		fy_error_nomem(err);
		return NULL;
	}
	m->more[m->n_more++] = v;
	v->how = FY_HOW_WHOLE;
	if (fy_disk_set_text(&v->path, path, err) == -1 ||
	    fy_disk_set_text(&v->layer, layer, err) == -1 ||
	    fy_disk_set_text(&v->on, on, err) == -1)
		return NULL;
	return v;
}

size_t
fy_disk_map_rows(const struct fy_disk_map *m)
{
	return m->n_volumes + m->n_upper + m->n_more;
}

struct fy_disk_volume *
fy_disk_map_row(const struct fy_disk_map *m, size_t i)
{
	if (i < m->n_volumes)
		return &m->volumes[i];
	i -= m->n_volumes;
	return i < m->n_upper ? &m->upper[i] : m->more[i - m->n_upper];
}

int
fy_disk_describe(struct fy_disk_volume *v, const struct fy_fs_info *info,
		 struct fy_error *err)
{
	v->how = info->driver != NULL ? FY_HOW_MAP : FY_HOW_WHOLE;
	v->driver = info->driver;
	if (fy_disk_set_text(&v->filesystem, info->name, err) == -1 ||
	    fy_disk_set_text(&v->uuid, info->uuid, err) == -1 ||
	    fy_disk_set_text(&v->label, info->label, err) == -1)
		return -1;
	return fy_disk_set_text(&v->note, info->note, err);
}
