/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JOB: the client's description of a convert job, from hostile JSON.
 *
 * Members that are missing or null take their default; known members of the
 * wrong type or out of range are errors, never guessed at.  A member that is
 * unknown, of a later version ("sync"), is refused if it asks for something.
 */
#include "v2v-server/job.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/role.h"

#define MAX_TEXT  256u
#define MAX_PATH  4095u
#define MAX_PAIRS 256u
#define MAX_DISK  (UINT64_C(1) << 60)

static int
malformed(const char *key, const char *what, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "the job's '%s' %s", key,
			    what);
}

/* No control characters: these texts come into logs and definitions. */
static int
check_text(const char *key, const char *text, size_t max, struct fy_error *err)
{
	const char *p;

	if (strlen(text) > max)
		return malformed(key, "is too long", err);
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return malformed(key, "has control characters", err);
	return 0;
}

/* A text, or 'otherwise' (may be NULL); '*ret' is malloc'd. */
static int
get_text(const json_t *j, const char *key, size_t max, const char *otherwise,
	 char **ret, struct fy_error *err)
{
	const json_t *v = json_object_get(j, key);
	const char *text = otherwise;

	if (v != NULL && !json_is_null(v)) {
		if (!json_is_string(v))
			return malformed(key, "is not a text", err);
		text = json_string_value(v);
	}
	if (text == NULL)
		return 0;
	if (check_text(key, text, max, err) == -1)
		return -1;
	*ret = strdup(text);
	return *ret == NULL ? fy_error_nomem(err) : 0;
}

static int
get_bool(const json_t *j, const char *key, bool otherwise, bool *ret,
	 struct fy_error *err)
{
	const json_t *v = json_object_get(j, key);

	*ret = otherwise;
	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_boolean(v))
		return malformed(key, "is not true or false", err);
	*ret = json_is_true(v);
	return 0;
}

static int
get_number(const json_t *j, const char *key, uint64_t max, uint64_t *ret,
	   struct fy_error *err)
{
	const json_t *v = json_object_get(j, key);

	*ret = 0;
	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return malformed(key, "is not a whole number in range", err);
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int
get_pairs(const json_t *j, const char *key, struct fy_job_pair **ret,
	  size_t *ret_n, struct fy_error *err)
{
	json_t *v = json_object_get(j, key), *item;
	const char *name;

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_object(v) || json_object_size(v) > MAX_PAIRS)
		return malformed(key, "is not an object of bearable size", err);
	*ret = calloc(json_object_size(v) + 1, sizeof(**ret));
	if (*ret == NULL)
		return fy_error_nomem(err);
	json_object_foreach(v, name, item)
	{
		struct fy_job_pair *p = &(*ret)[*ret_n];

		if (!json_is_string(item))
			return malformed(key, "has a value that is no text",
					 err);
		if (check_text(key, name, MAX_TEXT, err) == -1 ||
		    check_text(key, json_string_value(item), MAX_TEXT, err) ==
			    -1)
			return -1;
		(*ret_n)++;
		p->key = strdup(name);
		p->value = strdup(json_string_value(item));
		if (p->key == NULL || p->value == NULL)
			return fy_error_nomem(err);
	}
	return 0;
}

static int
get_emitters(const json_t *j, struct fy_job *job, struct fy_error *err)
{
	const size_t max = sizeof(job->emitters) / sizeof(job->emitters[0]);
	const json_t *v = json_object_get(j, "emit");
	size_t i, k;

	/* NAME.xml is the commit point, so it is always made, and first. */
	job->emitters[0] = fy_emitter_find("libvirt", err);
	if (job->emitters[0] == NULL)
		return -1;
	job->n_emitters = 1;
	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_array(v) || json_array_size(v) >= max)
		return malformed("emit", "is not a list of bearable length",
				 err);
	for (i = 0; i < json_array_size(v); i++) {
		const char *name = json_string_value(json_array_get(v, i));
		const struct fy_emitter *e;

		if (name == NULL)
			return malformed("emit", "has an entry that is no text",
					 err);
		e = fy_emitter_find(name, err);
		if (e == NULL)
			return -1;
		for (k = 0; k < job->n_emitters && job->emitters[k] != e; k++)
			;
		if (k == job->n_emitters)
			job->emitters[job->n_emitters++] = e;
	}
	return 0;
}

static int
get_digest(const json_t *j, struct fy_digest *ret, struct fy_error *err)
{
	const char *hex = json_string_value(json_object_get(j, "map_digest"));

	if (hex == NULL || fy_digest_from_hex(hex, ret) == -1)
		return malformed("map_digest", "is not 32 hex digits", err);
	return 0;
}

static int
get_disk(const json_t *j, struct fy_job_disk *d, struct fy_error *err)
{
	uint64_t sector;

	if (!json_is_object(j))
		return malformed("disks", "has an entry that is no object",
				 err);
	if (get_text(j, "path", MAX_PATH, "", &d->path, err) == -1 ||
	    get_text(j, "serial", MAX_TEXT, "", &d->serial, err) == -1 ||
	    get_text(j, "wwn", MAX_TEXT, "", &d->wwn, err) == -1 ||
	    get_number(j, "size_bytes", MAX_DISK, &d->size_bytes, err) == -1 ||
	    get_number(j, "used_bytes", MAX_DISK, &d->used_bytes, err) == -1 ||
	    get_number(j, "sector_bytes", 4096, &sector, err) == -1 ||
	    get_digest(j, &d->map_digest, err) == -1)
		return -1;
	if (sector == 0)
		sector = 512;
	if (sector != 512 && sector != 4096)
		return malformed("sector_bytes", "is neither 512 nor 4096",
				 err);
	d->sector_bytes = (uint32_t)sector;
	if (d->size_bytes == 0 || d->size_bytes % 512 != 0)
		return malformed("size_bytes",
				 "is not a multiple of 512 above zero", err);
	if (d->used_bytes > d->size_bytes)
		return malformed("used_bytes", "is more than the disk has",
				 err);
	return 0;
}

static int
get_disks(const json_t *j, struct fy_job *job, struct fy_error *err)
{
	const json_t *v = json_object_get(j, "disks");
	size_t i;

	if (!json_is_array(v) || json_array_size(v) == 0 ||
	    json_array_size(v) > FY_WIRE_MAX_DISKS)
		return malformed("disks", "is not a list of 1 to 64 disks",
				 err);
	for (i = 0; i < json_array_size(v); i++) {
		job->n_disks = (unsigned)i + 1;
		if (get_disk(json_array_get(v, i), &job->disks[i], err) == -1)
			return fy_error_prefix(err, "disk %zu", i + 1);
	}
	return 0;
}

static int
get_shape(const json_t *j, struct fy_job *job, struct fy_error *err)
{
	const json_t *machine = json_object_get(j, "machine");
	uint64_t vcpus;

	if (get_text(j, "virt_type", 16, "kvm", &job->virt_type, err) == -1 ||
	    get_text(j, "bridge", MAX_TEXT, NULL, &job->bridge, err) == -1 ||
	    get_number(j, "vcpus", 4096, &vcpus, err) == -1 ||
	    get_number(j, "memory_bytes", UINT64_C(1) << 50, &job->memory_bytes,
		       err) == -1 ||
	    get_pairs(j, "networks", &job->networks, &job->n_networks, err) ==
		    -1 ||
	    get_pairs(j, "nics", &job->nics, &job->n_nics, err) == -1 ||
	    fy_custom_from_json(json_object_get(j, "custom"), &job->custom,
				err) == -1 ||
	    fy_luks_keys_from_json(json_object_get(j, "luks_keys"),
				   &job->luks_keys, err) == -1)
		return -1;
	job->vcpus = (unsigned)vcpus;
	if (!fy_streq(job->virt_type, "kvm") &&
	    !fy_streq(job->virt_type, "qemu"))
		return malformed("virt_type", "is neither kvm nor qemu", err);
	if (machine == NULL || json_is_null(machine))
		return 0;
	if (fy_machine_from_json(machine, &job->machine, err) == -1)
		return fy_error_prefix(err, "the job's 'machine'");
	return 0;
}

/* What the names of files come from. */
static int
get_identity(const json_t *j, struct fy_job *job, struct fy_error *err)
{
	if (!json_is_object(j))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the job is not a JSON object");
	if (get_text(j, "action", 32, NULL, &job->action, err) == -1 ||
	    get_text(j, "name", MAX_TEXT, NULL, &job->name, err) == -1)
		return -1;
	if (job->action == NULL)
		return malformed("action", "is missing", err);
	if (fy_streq(job->action, "backup") || fy_streq(job->action, "restore"))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "this version of the server can't do '%s' "
				    "yet, only 'convert'",
				    job->action);
	if (!fy_streq(job->action, "convert"))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "this server knows no action '%s'",
				    job->action);
	if (job->name == NULL || !fy_name_is_valid(job->name))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.100s' is not a name: letters, digits, "
				    "'.', '_' and '-', at most 100, the first "
				    "a letter or digit",
				    job->name != NULL ? job->name : "");
	if (get_text(j, "client", 32, NULL, &job->client, err) == -1)
		return -1;
	if (job->client != NULL &&
	    (strlen(job->client) != 32 ||
	     strspn(job->client, "0123456789abcdef") != 32))
		return malformed("client", "is not 32 hex digits", err);
	return get_text(j, "to", MAX_PATH, ".", &job->to, err);
}

/* Does a member's value ask for anything? */
static bool
asks(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return json_object_size(value) > 0;
	case JSON_ARRAY:
		return json_array_size(value) > 0;
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	default:
		return true;
	}
}

/* What a later client asks for must not be dropped without a word. */
static int
check_known(const json_t *j, struct fy_error *err)
{
	static const char *const known[] = {
		"action",	"name",	     "to",     "format",  "compressed",
		"emit",		"inject",    "force",  "verify",  "virt_type",
		"vcpus",	"networks",  "bridge", "nics",	  "new_uuid",
		"custom",	"luks_keys", "client", "machine", "disks",
		"memory_bytes", NULL,
	};
	const char *const *k, *key;
	json_t *value;

	/* jansson's loop only reads. */
	json_object_foreach((json_t *)j, key, value)
	{
		for (k = known; *k != NULL && !fy_streq(*k, key);)
			k++;
		if (*k == NULL && asks(value))
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "the client asks for \"%.40s\", "
					    "which this v2v-server (%s) does "
					    "not know; install the client's "
					    "version on the server",
					    key, FY_VERSION);
	}
	return 0;
}

int
fy_job_parse(const json_t *j, struct fy_job **ret, struct fy_error *err)
{
	FY_AUTO(job) struct fy_job *job = calloc(1, sizeof(*job));
	fy_autofree char *codec = NULL;

	if (job == NULL)
		return fy_error_nomem(err);
	if (get_identity(j, job, err) == -1 || check_known(j, err) == -1 ||
	    get_text(j, "format", 16, "qcow2", &job->format, err) == -1 ||
	    get_text(j, "compressed", 16, "none", &codec, err) == -1 ||
	    fy_codec_from_name(codec, &job->compressed, err) == -1 ||
	    get_bool(j, "inject", true, &job->inject, err) == -1 ||
	    get_bool(j, "force", false, &job->force, err) == -1 ||
	    get_bool(j, "verify", false, &job->verify, err) == -1 ||
	    get_bool(j, "new_uuid", false, &job->new_uuid, err) == -1 ||
	    get_shape(j, job, err) == -1 || get_emitters(j, job, err) == -1 ||
	    get_disks(j, job, err) == -1)
		return -1;
	/* It becomes a file name's end, so it must be a plain word. */
	if (strspn(job->format, "abcdefghijklmnopqrstuvwxyz0123456789") !=
		    strlen(job->format) ||
	    job->format[0] == '\0')
		return malformed("format", "is not a format's name", err);
	*ret = fy_steal_ptr(&job);
	return 0;
}

static void
free_pairs(struct fy_job_pair *pairs, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

void
fy_job_free(struct fy_job *job)
{
	unsigned i;

	if (job == NULL)
		return;
	free(job->action);
	free(job->client);
	free(job->name);
	free(job->to);
	free(job->format);
	free(job->virt_type);
	free(job->bridge);
	free_pairs(job->networks, job->n_networks);
	free_pairs(job->nics, job->n_nics);
	fy_custom_free(job->custom);
	fy_luks_keys_free(job->luks_keys);
	fy_machine_free(job->machine);
	for (i = 0; i < job->n_disks; i++) {
		free(job->disks[i].path);
		free(job->disks[i].serial);
		free(job->disks[i].wwn);
	}
	free(job);
}

char *
fy_job_image_name(const struct fy_job *job, unsigned disk, struct fy_error *err)
{
	if (disk == 0)
		return fy_format(err, "%s.%s", job->name, job->format);
	return fy_format(err, "%s-%u.%s", job->name, disk + 1, job->format);
}
