/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_JOB_H
#define FY_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/codec.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/machine.h"
#include "drivers-inject/custom.h"
#include "drivers-inject/luks-keys.h"
#include "imaging/wire.h"
#include "v2v-server/emit.h"

/*
 * A convert job as a client describes it (docs/protocol.md, JOB), checked: no
 * number is out of range, no text too long or with control characters, no word
 * unknown.  What it may do is asked elsewhere (role.h).
 */
struct fy_job_disk {
	char *path;   /* on the client; "" when not told */
	char *serial; /* "" when not told */
	char *wwn;
	uint64_t size_bytes, used_bytes;
	uint32_t sector_bytes;
	struct fy_digest map_digest;
};

struct fy_job_pair { /* a MAC and a network, or a NIC's name and a MAC */
	char *key, *value;
};

struct fy_job {
	char *action, *name, *to;
	char *client; /* 32 hex digits that name the client's process, or NULL */
	char *format;
	enum fy_codec compressed;
	const struct fy_emitter *emitters[8]; /* libvirt is always among them */
	size_t n_emitters;
	bool inject, force, verify, new_uuid;
	char *virt_type; /* "kvm", "qemu" */
	unsigned vcpus;	 /* 0: the machine's */
	uint64_t memory_bytes;
	struct fy_job_pair *networks, *nics;
	size_t n_networks, n_nics;
	char *bridge;		  /* NULL: none */
	struct fy_custom *custom; /* NULL: nothing */
	struct fy_luks_keys *luks_keys;
	struct fy_machine *machine; /* as the client described it, or NULL */
	struct fy_job_disk disks[FY_WIRE_MAX_DISKS];
	unsigned n_disks;
};

/* FY_E_FORMAT for what is malformed, FY_E_UNSUPPORTED for actions, emitters
 * and options that this server does not have, naming them, FY_E_USAGE for a
 * name that is none. */
int fy_job_parse(const json_t *j, struct fy_job **ret, struct fy_error *err);
void fy_job_free(struct fy_job *job);
FY_DEFINE_AUTO(job, struct fy_job, fy_job_free)

/* "NAME.qcow2" for the first disk, "NAME-2.qcow2" and so on; malloc'd. */
char *fy_job_image_name(const struct fy_job *job, unsigned disk,
			struct fy_error *err);

/*
 * The machine to be defined: the client's description reduced to the job's
 * disks in the job's order, with the job's wishes (CPUs, memory, networks)
 * put in.  What the client did not describe is made from the job.
 */
int fy_job_machine(const struct fy_job *job, struct fy_machine **ret,
		   struct fy_error *err);

#endif
