/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_JSON_H
#define FY_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * jansson with our errors.  A json_t is reference-counted; fy_autojson drops
 * one reference.  Foreign JSON is bounded by its text's length before it gets
 * here, and jansson bounds the depth.
 */
FY_DEFINE_AUTO(json, json_t, json_decref)
#define fy_autojson FY_AUTO(json)

/* Parse 'len' bytes; 'what' names it in errors (FY_E_FORMAT). */
json_t *fy_json_parse(const char *text, size_t len, const char *what,
		      struct fy_error *err);
/* A file of at most 'max' bytes. */
json_t *fy_json_read_at(int dirfd, const char *path, size_t max,
			struct fy_error *err);
/* Compact (indent 0) or indented text, malloc'd; nothing in it makes a terminal
 * act (that is escaped). */
char *fy_json_text(const json_t *j, int indent, struct fy_error *err);
/* All strings in 'j' (not its keys) as fy_make_printable has them, for those
 * that are printed as they are. */
int fy_json_make_printable(json_t *j, struct fy_error *err);
/* Replaces the file (crash-safe), indented by 2, newline at the end. */
int fy_json_write_at(int dirfd, const char *path, const json_t *j,
		     struct fy_error *err);

/* Members of an object.  Wrong type or missing is FY_E_FORMAT naming the key.
 * Strings are borrowed. */
int fy_json_get_string(const json_t *o, const char *key, const char **ret,
		       struct fy_error *err);
int fy_json_get_u64(const json_t *o, const char *key, uint64_t max,
		    uint64_t *ret, struct fy_error *err);
int fy_json_get_bool(const json_t *o, const char *key, bool *ret,
		     struct fy_error *err);
int fy_json_get_array(const json_t *o, const char *key, size_t max_items,
		      json_t **ret, struct fy_error *err);

/* The same with a default for a missing (or null, or wrongly typed) member. */
const char *fy_json_string_or(const json_t *o, const char *key,
			      const char *otherwise);
uint64_t fy_json_u64_or(const json_t *o, const char *key, uint64_t otherwise);
bool fy_json_bool_or(const json_t *o, const char *key, bool otherwise);

#endif
