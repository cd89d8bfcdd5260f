/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a machine's systems ask of virtual hardware.
 *
 * virtio has two interfaces: that of version 1.0, and the older one.  A device
 * behind a PCI Express port has the new one only; on plain PCI ("transitional")
 * it has both.  Linux drives the new one since 4.0, RHEL 7's 3.10 since 7.2.
 * Of Windows, drivers for XP and 2003 know the older one alone, those for Vista
 * and 2008 came to an end when the new one came; from 7 on they know both.
 */
#include "v2v-server/emit-hardware.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define EL7	  "3.10.0-"
#define EL7_2	  327 /* the kernel of RHEL 7.2 */
#define NEW_MAJOR 4

/* Whether a kernel of that version ("3.16.0-4-amd64") has virtio 1.0. */
static bool
kernel_has_new_virtio(const char *version)
{
	char *end;
	unsigned long major = strtoul(version, &end, 10);

	if (end == version || *end != '.' || major >= NEW_MAJOR)
		return true;
	return strncmp(version, EL7, strlen(EL7)) == 0 &&
	       strstr(version, ".el7") != NULL &&
	       strtoul(version + strlen(EL7), NULL, 10) >= EL7_2;
}

/* A Windows ("6.1.7601") before MAJOR.MINOR. */
static bool
is_before(const char *version, unsigned long major, unsigned long minor)
{
	char *end;
	unsigned long is = strtoul(version, &end, 10);

	if (end == version || is != major)
		return end != version && is < major;
	return *end == '.' && strtoul(end + 1, NULL, 10) < minor;
}

void
fy_emit_hardware(const struct fy_machine *m, struct fy_emit_hardware *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < m->n_systems; i++) {
		const struct fy_machine_system *s = &m->systems[i];
		bool windows = fy_streq(s->id, "windows");

		if (windows && s->version != NULL) {
			ret->transitional |= is_before(s->version, 6, 1);
			ret->old_windows |= is_before(s->version, 6, 0);
		}
		if (!windows && s->kernel != NULL)
			ret->transitional |= !kernel_has_new_virtio(s->kernel);
	}
}
