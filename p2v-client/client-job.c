/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The JOB object, and the machine's description that goes with it.
 */
#include "p2v-client/client-job.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/hash.h"
#include "drivers-inject/luks-keys.h"

static int
set_text(char **field, const char *text, struct fy_error *err)
{
	if (*field != NULL || text == NULL)
		return 0;
	*field = strdup(text);
	return *field == NULL ? fy_error_nomem(err) : 0;
}

/* --- machine.json ---------------------------------------------------------------- */

static void
swap_disks(struct fy_machine *m, size_t a, size_t b)
{
	struct fy_machine_disk tmp = m->disks[a];

	m->disks[a] = m->disks[b];
	m->disks[b] = tmp;
}

/* Put the description of 'path' at 'place'; a new one if there is none. */
static int
bring_disk(struct fy_machine *m, const char *path, size_t place,
	   struct fy_error *err)
{
	struct fy_machine_disk *d;
	size_t i;

	for (i = place; i < m->n_disks; i++)
		if (fy_streq(m->disks[i].path, path))
			break;
	if (i == m->n_disks) {
		d = fy_machine_add_disk(m, err);
		if (d == NULL || set_text(&d->path, path, err) == -1)
			return -1;
	}
	swap_disks(m, place, i);
	return 0;
}

static int
fill_disk(struct fy_machine_disk *d, const struct fy_client_disk *j,
	  struct fy_error *err)
{
	fy_autojson json_t *map = fy_disk_map_json(j->map, false, err);

	if (map == NULL)
		return -1;
	json_decref(d->volumes);
	d->volumes = json_incref(json_object_get(map, "volumes"));
	d->size_bytes = fy_volume_size(j->volume);
	d->used_bytes = j->map->used_bytes;
	/* An image file has the sector size that its table was made for. */
	d->sector_bytes = j->map->sector_bytes != 0
				  ? j->map->sector_bytes
				  : fy_volume_sector_bytes(j->volume);
	free(d->table);
	free(d->table_uuid);
	d->table = d->table_uuid = NULL;
	if (set_text(&d->table, j->map->table, err) == -1)
		return -1;
	return set_text(&d->table_uuid, j->map->table_uuid, err);
}

/* Systems that were found on disks which stay behind are left out, the
 * others' disk numbers follow. */
static void
renumber_systems(struct fy_machine *m, char *const *old_paths, size_t n_old,
		 size_t n)
{
	size_t i, k, kept = 0;

	for (i = 0; i < m->n_systems; i++) {
		struct fy_machine_system *s = &m->systems[i];

		for (k = 0; s->disk < n_old && k < n; k++)
			if (fy_streq(m->disks[k].path, old_paths[s->disk]))
				break;
		if (s->disk >= n_old || k == n) {
			free(s->id);
			free(s->version);
			free(s->pretty_name);
			free(s->arch);
			free(s->hostname);
			free(s->volume);
			continue;
		}
		s->disk = (unsigned)k;
		if (kept != i)
			m->systems[kept] = *s;
		kept++;
	}
	m->n_systems = kept;
}

static void
drop_disk(struct fy_machine_disk *d)
{
	free(d->path);
	free(d->model);
	free(d->serial);
	free(d->wwn);
	free(d->bus);
	free(d->table);
	free(d->table_uuid);
	free(d->image);
	free(d->format);
	json_decref(d->volumes);
}

static int
arrange_disks(struct fy_machine *m, const struct fy_client_disk *disks,
	      size_t n, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (bring_disk(m, disks[i].path, i, err) == -1 ||
		    fill_disk(&m->disks[i], &disks[i], err) == -1)
			return -1;
	while (m->n_disks > n)
		drop_disk(&m->disks[--m->n_disks]);
	return 0;
}

int
fy_client_job_fill(struct fy_machine *machine,
		   const struct fy_client_disk *disks, size_t n,
		   struct fy_error *err)
{
	size_t n_old = machine->n_disks, i;
	char **old = calloc(n_old + 1, sizeof(*old));
	int r = 0;

	if (old == NULL)
		return fy_error_nomem(err);
	for (i = 0; r == 0 && i < n_old; i++)
		r = set_text(&old[i], machine->disks[i].path, err);
	if (r == 0)
		r = arrange_disks(machine, disks, n, err);
	if (r == 0)
		renumber_systems(machine, old, n_old, n);
	for (i = 0; i < n_old; i++)
		free(old[i]);
	free(old);
	return r;
}

/* --- JOB --------------------------------------------------------------------------- */

/* {"left": "right"} of "left=right" texts; 'what' is for messages. */
static json_t *
pairs_json(const char *const *list, size_t n, const char *what, bool mac_left,
	   struct fy_error *err)
{
	fy_autojson json_t *o = json_object();
	size_t i;

	for (i = 0; o != NULL && i < n; i++) {
		const char *equals = strchr(list[i], '=');
		fy_autofree char *left = NULL;
		char *p;

		if (equals == NULL || equals == list[i] || equals[1] == '\0') {
			fy_error_set(err, FY_E_USAGE, 0, "%s: '%s' is not %s",
				     what, list[i],
				     mac_left ? "MAC=NAME" : "NAME=MAC");
			return NULL;
		}
		left = strndup(list[i], (size_t)(equals - list[i]));
		if (left == NULL) {
			fy_error_nomem(err);
			return NULL;
		}
		for (p = left; mac_left && *p != '\0'; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
		if (json_object_set_new(o, left, json_string(equals + 1)) ==
		    -1) {
			fy_error_set(err, FY_E_USAGE, 0,
				     "%s: '%s' is no UTF-8 text", what,
				     list[i]);
			return NULL;
		}
	}
	if (o == NULL)
		fy_error_nomem(err);
	return json_incref(o);
}

static json_t *
emit_json(const struct fy_convert_options *o)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < o->n_emit; i++)
		json_array_append_new(a, json_string(o->emit[i]));
	if (o->n_emit == 0)
		json_array_append_new(a, json_string("libvirt"));
	return a;
}

static json_t *
disk_json(const struct fy_client_disk *j, const struct fy_machine_disk *d,
	  struct fy_error *err)
{
	struct fy_digest digest;
	char hex[33];
	json_t *o;

	if (fy_digest_extents(j->map->used, &digest, err) == -1)
		return NULL;
	fy_digest_hex(&digest, hex);
	o = json_pack("{s:s, s:I, s:I, s:s, s:s, s:I, s:s, s:s}", "path",
		      d->path, "size_bytes", (json_int_t)d->size_bytes,
		      "sector_bytes", (json_int_t)d->sector_bytes, "serial",
		      d->serial != NULL ? d->serial : "", "wwn",
		      d->wwn != NULL ? d->wwn : "", "used_bytes",
		      (json_int_t)d->used_bytes, "map_digest", hex, "table",
		      d->table != NULL ? d->table : "none");
	if (o == NULL)
		fy_error_set(err, FY_E_USAGE, 0,
			     "the disk's path or serial is no UTF-8 text");
	return o;
}

static json_t *
disks_json(const struct fy_machine *m, const struct fy_client_disk *disks,
	   struct fy_error *err)
{
	fy_autojson json_t *a = json_array();
	size_t i;

	for (i = 0; a != NULL && i < m->n_disks; i++) {
		json_t *o = disk_json(&disks[i], &m->disks[i], err);

		if (o == NULL)
			return NULL;
		json_array_append_new(a, o);
	}
	if (a == NULL)
		fy_error_nomem(err);
	return json_incref(a);
}

static const char *
text_or(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

/* The files are read only now; that they can be was looked at before. */
static json_t *
custom_json(const struct fy_convert_options *o, struct fy_error *err)
{
	FY_AUTO(custom) struct fy_custom *c = NULL;

	if (o->custom != NULL && fy_custom_load(o->custom, &c, err) == -1)
		return NULL;
	return fy_custom_to_json(c, err);
}

/* As above. */
static json_t *
keys_json(const struct fy_convert_options *o, struct fy_error *err)
{
	FY_AUTO(luks_keys) struct fy_luks_keys *k = NULL;

	if (fy_luks_keys_load(o->luks_keys, o->n_luks_keys, &k, err) == -1)
		return NULL;
	return fy_luks_keys_to_json(k, err);
}

json_t *
fy_client_job_json(const struct fy_convert_options *o,
		   const struct fy_machine *machine,
		   const struct fy_client_disk *disks, const char *client,
		   struct fy_error *err)
{
	fy_autojson json_t *m = fy_machine_to_json(machine, err);
	fy_autojson json_t *d = NULL, *networks = NULL, *nics = NULL;
	fy_autojson json_t *wanted = NULL, *keys = NULL;
	fy_autojson json_t *emit = emit_json(o);
	json_t *job;

	d = disks_json(machine, disks, err);
	networks =
		pairs_json(o->networks, o->n_networks, "--network", true, err);
	nics = pairs_json(o->nics, o->n_nics, "--nic", false, err);
	if (m == NULL || d == NULL || networks == NULL || nics == NULL)
		return NULL;
	wanted = custom_json(o, err);
	keys = wanted == NULL ? NULL : keys_json(o, err);
	if (keys == NULL)
		return NULL;
	job = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:O, s:b, s:b, s:b, s:s, s:I, s:I, "
		"s:O, s:s?, s:O, s:b, s:s, s:O, s:O, s:O, s:O}",
		"action", "convert", "name", o->name, "to", text_or(o->to, "."),
		"format", text_or(o->format, "qcow2"), "compressed",
		text_or(o->compressed, "none"), "emit", emit, "inject",
		(int)o->inject, "force", (int)o->force, "verify",
		(int)o->verify, "virt_type", text_or(o->virt_type, "kvm"),
		"vcpus", (json_int_t)o->vcpus, "memory_bytes",
		(json_int_t)o->memory_bytes, "networks", networks, "bridge",
		o->bridge, "nics", nics, "new_uuid", (int)o->new_uuid, "client",
		client, "machine", m, "disks", d, "custom", wanted, "luks_keys",
		keys);
	if (job == NULL)
		fy_error_set(err, FY_E_USAGE, 0,
			     "an option's value is no UTF-8 text");
	return job;
}
