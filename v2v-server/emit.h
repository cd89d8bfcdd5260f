/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EMIT_H
#define FY_EMIT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/machine.h"

/*
 * Definitions of a virtual machine from its description.  machine->disks[i]
 * .image and .format are set; nics[i].network/.bridge tell the wiring.
 */
struct fy_emit_options {
	const char *name;      /* of the VM */
	const char *virt_type; /* "kvm" or "qemu" */
	bool new_uuid;
	const char *default_network; /* "default" */
	const char *bridge;	     /* for all NICs without one of their own */
};

struct fy_emitter {
	const char *name;   /* "libvirt" */
	const char *suffix; /* ".xml" */
	/* '*ret' is malloc'd text.  FY_E_UNSUPPORTED for what the kind can't
	 * express. */
	int (*emit)(const struct fy_machine *m,
		    const struct fy_emit_options *options, char **ret,
		    struct fy_error *err);
};
/* NULL and FY_E_UNSUPPORTED naming those that there are. */
const struct fy_emitter *fy_emitter_find(const char *name,
					 struct fy_error *err);

#endif
