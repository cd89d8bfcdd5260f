/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_MACHINE_MEMBERS_H
#define FY_MACHINE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The members of the structs of a machine's description; tables end with a
 * NULL name.  Internal to common/machine*.c.
 */
enum fy_member_type {
	TEXT,
	NUMBER64,
	NUMBER32,
	COUNT64, /* int64_t; -1: unknown */
	BOOL,
	KNOWN, /* enum fy_tristate */
	WORD,
	TEXTS,
	LIST,
	ONE,  /* pointer to one struct; NULL: unknown */
	MANY, /* array of structs */
};

struct fy_member {
	const char *name;
	enum fy_member_type type;
	size_t offset;
	uint64_t max; /* numbers, list lengths */
	size_t count; /* TEXTS, MANY: offset of the length */
	/* WORD: NULL-terminated, by the enum; a first word "" is left out */
	const char *const *words;
	const struct fy_member *sub; /* ONE, MANY */
	size_t size;		     /* ONE, MANY: of the struct */
	bool always;		     /* written even when it is 0 or empty */
};

extern const struct fy_member fy_machine_members[];
extern const struct fy_member fy_machine_smart_members[];

#endif
