/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine to be defined: what the client described, reduced to the disks
 * that the job carries, with the job's wishes put in.  It goes through JSON,
 * which is the deep copy of a machine, and through its reader, which checks.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/job.h"

/* The client's words on a disk of that path, or NULL. */
static json_t *
described(json_t *disks, const char *path)
{
	json_t *d;
	size_t i;

	json_array_foreach(disks, i,
			   d) if (path[0] != '\0' &&
				  fy_streq(fy_json_string_or(d, "path", ""),
					   path)) return d;
	return NULL;
}

static int
set_text(json_t *o, const char *key, const char *text)
{
	if (text[0] == '\0')
		return 0;
	return json_object_set_new(o, key, json_string(text));
}

/* The job's disk as a member of machine.json. */
static json_t *
disk_json(const struct fy_job_disk *d, json_t *disks, struct fy_error *err)
{
	json_t *known = described(disks, d->path);
	fy_autojson json_t *o = NULL;

	o = known != NULL ? json_deep_copy(known) : json_object();
	if (o == NULL || set_text(o, "path", d->path) == -1 ||
	    set_text(o, "serial", d->serial) == -1 ||
	    set_text(o, "wwn", d->wwn) == -1 ||
	    json_object_set_new(o, "size_bytes",
				json_integer((json_int_t)d->size_bytes)) ==
		    -1 ||
	    json_object_set_new(o, "used_bytes",
				json_integer((json_int_t)d->used_bytes)) ==
		    -1 ||
	    json_object_set_new(o, "sector_bytes",
				json_integer((json_int_t)d->sector_bytes)) ==
		    -1) {
		fy_error_nomem(err);
		return NULL;
	}
	return fy_steal_ptr(&o);
}

static json_t *
machine_json(const struct fy_job *job, struct fy_error *err)
{
	fy_autojson json_t *m = NULL;
	fy_autojson json_t *chosen = json_array();
	json_t *disks, *d;
	unsigned i;

	m = job->machine != NULL ? fy_machine_to_json(job->machine, err)
				 : json_object();
	if (m == NULL || chosen == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	disks = json_object_get(m, "disks");
	for (i = 0; i < job->n_disks; i++) {
		d = disk_json(&job->disks[i], disks, err);
		if (d == NULL)
			return NULL;
		if (json_array_append_new(chosen, d) == -1) {
			fy_error_nomem(err);
			return NULL;
		}
	}
	if (json_object_set(m, "disks", chosen) == -1 ||
	    json_object_set_new(m, "name", json_string(job->name)) == -1) {
		fy_error_nomem(err);
		return NULL;
	}
	return fy_steal_ptr(&m);
}

static bool
same_mac(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcasecmp(a, b) == 0;
}

static int
apply_networks(const struct fy_job *job, struct fy_machine *m,
	       struct fy_error *err)
{
	size_t i, k, hits;

	for (i = 0; i < job->n_networks; i++) {
		const struct fy_job_pair *p = &job->networks[i];

		for (k = 0, hits = 0; k < m->n_nics; k++) {
			struct fy_machine_nic *nic = &m->nics[k];

			if (!same_mac(nic->mac, p->key) &&
			    !same_mac(nic->permanent_mac, p->key))
				continue;
			free(nic->network);
			nic->network = strdup(p->value);
			if (nic->network == NULL)
				return fy_error_nomem(err);
			hits++;
		}
		if (hits == 0)
			return fy_error_set(err, FY_E_NOTFOUND, 0,
					    "--network %s=%s: the machine has "
					    "no NIC with that MAC",
					    p->key, p->value);
	}
	return 0;
}

static bool
has_mac(const struct fy_machine *m, const char *mac)
{
	size_t i;

	for (i = 0; i < m->n_nics; i++)
		if (same_mac(m->nics[i].mac, mac) ||
		    same_mac(m->nics[i].permanent_mac, mac))
			return true;
	return false;
}

static bool
is_mac(const char *s)
{
	size_t i;

	for (i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return s[17] == '\0';
}

/*
 * A machine of which only the disks are known has the NICs that --nic names;
 * else the guest would wait for addresses that its virtual NICs don't have.
 */
static int
add_nics(const struct fy_job *job, struct fy_machine *m, struct fy_error *err)
{
	bool known = m->n_nics > 0;
	struct fy_machine_nic *nic;
	size_t i;

	for (i = 0; i < job->n_nics; i++) {
		const struct fy_job_pair *p = &job->nics[i];

		if (!is_mac(p->value))
			return fy_error_set(err, FY_E_USAGE, 0,
					    "--nic %s=%s: that is no MAC",
					    p->key, p->value);
		if (known || has_mac(m, p->value))
			continue;
		nic = fy_machine_add_nic(m, err);
		if (nic == NULL)
			return -1;
		nic->name = strdup(p->key);
		nic->kind = strdup("ethernet");
		nic->mac = strdup(p->value);
		nic->permanent_mac = strdup(p->value);
		if (nic->name == NULL || nic->kind == NULL ||
		    nic->mac == NULL || nic->permanent_mac == NULL)
			return fy_error_nomem(err);
	}
	return 0;
}

int
fy_job_machine(const struct fy_job *job, struct fy_machine **ret,
	       struct fy_error *err)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	fy_autojson json_t *j = machine_json(job, err);

	if (j == NULL || fy_machine_from_json(j, &m, err) == -1)
		return -1;
	if (job->vcpus != 0) {
		m->vcpus = job->vcpus;
		/* The real topology is of another number. */
		m->sockets = m->cores = m->threads = 0;
	}
	if (job->memory_bytes != 0)
		m->memory_bytes = job->memory_bytes;
	if (add_nics(job, m, err) == -1 || apply_networks(job, m, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&m);
	return 0;
}
