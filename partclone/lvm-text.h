/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LVM_TEXT_H
#define FY_LVM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * LVM's configuration syntax: sections "name { ... }" in each other, and
 * "name = value", where a value is a number, a text in quotes, or a list of
 * them in brackets; comments from '#' to the line's end.
 */
enum fy_lvm_item_type {
	FY_LVM_SECTION, /* its items are the children */
	FY_LVM_LIST,	/* its values are the children, without names */
	FY_LVM_NUMBER,
	FY_LVM_TEXT,
};

struct fy_lvm_item {
	enum fy_lvm_item_type type;
	const char *name; /* "" in a list */
	const char *text;
	int64_t number;
	size_t child, next; /* places in 'items'; 0: none */
};

struct fy_lvm_text {
	char *buffer;
	struct fy_lvm_item *items; /* the first is the section of all */
	size_t n, room;
	size_t first_end; /* the bytes up to the end of the first section */
};

#define FY_LVM_TEXT_BYTES ((size_t)16 << 20)

/* Takes 'buffer' (malloc'd, with room for a NUL at 'len').  FY_E_FORMAT. */
int fy_lvm_text_parse(char *buffer, size_t len, struct fy_lvm_text **ret,
		      struct fy_error *err);
void fy_lvm_text_free(struct fy_lvm_text *t);
FY_DEFINE_AUTO(lvm_text, struct fy_lvm_text, fy_lvm_text_free)

/* The children of 'of' one after the other: NULL begins, NULL at the end. */
const struct fy_lvm_item *fy_lvm_next(const struct fy_lvm_text *t,
				      const struct fy_lvm_item *of,
				      const struct fy_lvm_item *after);

/* The child of that name, of that type; NULL when there is none. */
const struct fy_lvm_item *fy_lvm_find(const struct fy_lvm_text *t,
				      const struct fy_lvm_item *of,
				      const char *name,
				      enum fy_lvm_item_type type);

/* Its text, or NULL; its number if it is from 0 to 'max'. */
const char *fy_lvm_get_text(const struct fy_lvm_text *t,
			    const struct fy_lvm_item *of, const char *name);
bool fy_lvm_get_number(const struct fy_lvm_text *t,
		       const struct fy_lvm_item *of, const char *name,
		       uint64_t max, uint64_t *ret);

/* Whether the list 'name' holds the text 'word'. */
bool fy_lvm_list_has(const struct fy_lvm_text *t, const struct fy_lvm_item *of,
		     const char *name, const char *word);

#endif
