/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of emitters.  A new kind of definition is one file and one row.
 */
#include "v2v-server/emit.h"

#include <stdio.h>
#include <string.h>

#include "v2v-server/emit-libvirt.h"

static const struct fy_emitter *const emitters[] = {
	&fy_emitter_libvirt,
};

#define N_EMITTERS (sizeof(emitters) / sizeof(emitters[0]))

const struct fy_emitter *
fy_emitter_find(const char *name, struct fy_error *err)
{
	char known[128] = "";
	size_t i, used = 0;

	for (i = 0; i < N_EMITTERS; i++) {
		if (strcmp(emitters[i]->name, name) == 0)
			return emitters[i];
		used += (size_t)snprintf(known + used, sizeof(known) - used,
					 "%s%s", i == 0 ? "" : ", ",
					 emitters[i]->name);
	}
	fy_error_set(err, FY_E_UNSUPPORTED, 0,
		     "no definition of kind '%.40s' can be made; there is: %s",
		     name, known);
	return NULL;
}
