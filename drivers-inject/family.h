/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_FAMILY_H
#define FY_FAMILY_H

#include <stdbool.h>

#include "common/error.h"
#include "common/json.h"
#include "drivers-inject/guest.h"
#include "drivers-inject/system.h"

/* A family of guest systems: what is done in its own way. */
struct fy_family {
	const char *name; /* "linux" */
	/* Whether a root of it is mounted at "/" of 'g' (for reading). */
	bool (*is_root)(struct fy_guest *g);
	/*
	 * The root is mounted: mount the rest (fy_system_mount), and find out
	 * what it is.  What can't be edited: fy_system_refuse.  '*ret_other'
	 * when it is no system of its own, after saying why (fy_disks_skip).
	 */
	int (*open)(struct fy_system *s, bool *ret_other, struct fy_error *err);
	/* Add what only this family has to the report's entry; may be NULL. */
	int (*json)(const struct fy_system *s, json_t *o, struct fy_error *err);
	/* Edit everything; not called for what is refused. */
	int (*inject)(struct fy_system *s, struct fy_error *err);
	/* After that, with the system's filesystems written and closed: what
	 * lies outside of them (the ESP); may be NULL. */
	int (*finish)(struct fy_system *s, struct fy_error *err);
	/* Free 'own' of the system; may be NULL. */
	void (*release)(struct fy_system *s);
};

/* All of them, NULL at the end. */
extern const struct fy_family *const fy_families[];

extern const struct fy_family fy_family_linux;
extern const struct fy_family fy_family_windows;

#endif
