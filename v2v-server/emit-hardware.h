/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EMIT_HARDWARE_H
#define FY_EMIT_HARDWARE_H

#include <stdbool.h>

#include "common/machine.h"

/* What its systems ask of a virtual machine. */
struct fy_emit_hardware {
	/* virtio devices must have the interface from before virtio 1.0, which
	 * they have on plain PCI only. */
	bool transitional;
	bool old_windows; /* XP or 2003: no xHCI, no driver for VGA */
};

/* Of all systems; what is not known counts as new.  Threads: any. */
void fy_emit_hardware(const struct fy_machine *m, struct fy_emit_hardware *ret);

#endif
