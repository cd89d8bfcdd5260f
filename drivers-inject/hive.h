/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_HIVE_H
#define FY_HIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "drivers-inject/guest.h"
#include "drivers-inject/text.h"

/*
 * Registry hives of Windows.  Keys are named from the hive's root, with "\"
 * between ("ControlSet001\Services\viostor"), in any case; texts are UTF-8.
 *
 * Threads: one caller at a time.
 */
#define FY_HIVE_MAX (512u * 1024 * 1024)

struct fy_hive;

/* A transaction log beside a hive (LOG1, LOG2, or LOG before Vista). */
struct fy_hive_log {
	const char *data;
	size_t len;
};

/*
 * What lies behind a hive that was not written whole is in its logs: put it in
 * ('*data' is malloc'd and may be another one afterwards).  '*ret_replayed'
 * when that was necessary; a hive that is whole is left alone, whatever the
 * logs say.
 * Returns: 0, or -1:
 *            FY_E_FORMAT  it is no hive, or contradicts itself
 *            FY_E_DIRTY   the logs don't have what is missing
 *            FY_E_NOMEM
 */
int fy_hive_recover(char **data, size_t *len, const struct fy_hive_log *logs,
		    size_t n_logs, bool *ret_replayed, struct fy_error *err);

/* Marvin32 with the registry's seed: what a log's entries are signed with. */
uint64_t fy_hive_hash(const char *data, size_t len);

/* Whether everything that is reached in it lies where it may; 'len' is 8192 at
 * least, and the base block has been looked at.  Values of no bytes are written in the one way of two that
 * hivex can bear.  FY_E_FORMAT, FY_E_NOMEM. */
int fy_hive_check(char *data, size_t len, struct fy_error *err);

/* From bytes (borrowed); FY_E_FORMAT, FY_E_DIRTY, FY_E_NOMEM, FY_E_IO. */
int fy_hive_parse(const char *data, size_t len, const struct fy_hive_log *logs,
		  size_t n_logs, struct fy_hive **ret, struct fy_error *err);
/* The file of a guest with its logs; FY_E_NOTFOUND, and what reading says. */
int fy_hive_open(struct fy_guest *g, const char *path, struct fy_hive **ret,
		 struct fy_error *err);
void fy_hive_free(struct fy_hive *h); /* NULL is fine */
FY_DEFINE_AUTO(hive, struct fy_hive, fy_hive_free)
#define fy_autohive FY_AUTO(hive)
/* Its logs had to be replayed. */
bool fy_hive_was_dirty(const struct fy_hive *h);
/* Something was set or deleted. */
bool fy_hive_changed(const struct fy_hive *h);
/* As it is to be written; malloc'd. */
int fy_hive_bytes(struct fy_hive *h, char **ret, size_t *ret_len,
		  struct fy_error *err);

struct fy_disks;
/* Write it where it came from, if it changed or its logs were replayed, and
 * empty its logs, so that no old one is replayed over it. */
int fy_hive_save(struct fy_hive *h, struct fy_disks *d, struct fy_guest *g,
		 const char *why, struct fy_error *err);

/* --- reading ---------------------------------------------------------------- */

bool fy_hive_has(struct fy_hive *h, const char *key);
bool fy_hive_has_value(struct fy_hive *h, const char *key, const char *name);
/* FY_E_NOTFOUND when the key or the value isn't there, FY_E_FORMAT when it is
 * of another type. */
int fy_hive_get_dword(struct fy_hive *h, const char *key, const char *name,
		      uint32_t *ret, struct fy_error *err);
/* SZ or EXPAND_SZ; malloc'd. */
int fy_hive_get_string(struct fy_hive *h, const char *key, const char *name,
		       char **ret, struct fy_error *err);
/* The same, or NULL. */
char *fy_hive_text(struct fy_hive *h, const char *key, const char *name);
/* MULTI_SZ: appended. */
int fy_hive_get_strings(struct fy_hive *h, const char *key, const char *name,
			struct fy_string_set *ret, struct fy_error *err);
/* Bytes of any type; malloc'd, a NUL behind them. */
int fy_hive_get_bytes(struct fy_hive *h, const char *key, const char *name,
		      uint32_t *ret_type, char **ret, size_t *ret_len,
		      struct fy_error *err);
/* The names of the keys below; none when it is missing. */
int fy_hive_keys(struct fy_hive *h, const char *key, struct fy_string_set *ret,
		 struct fy_error *err);
int fy_hive_values(struct fy_hive *h, const char *key,
		   struct fy_string_set *ret, struct fy_error *err);

/* --- writing: keys are created on the way ------------------------------------ */

int fy_hive_create(struct fy_hive *h, const char *key, struct fy_error *err);
int fy_hive_set_dword(struct fy_hive *h, const char *key, const char *name,
		      uint32_t value, struct fy_error *err);
int fy_hive_set_string(struct fy_hive *h, const char *key, const char *name,
		       const char *text, struct fy_error *err);
int fy_hive_set_expand(struct fy_hive *h, const char *key, const char *name,
		       const char *text, struct fy_error *err);
int fy_hive_set_strings(struct fy_hive *h, const char *key, const char *name,
			const struct fy_string_set *texts,
			struct fy_error *err);
int fy_hive_set_bytes(struct fy_hive *h, const char *key, const char *name,
		      uint32_t type, const void *data, size_t len,
		      struct fy_error *err);
/* What isn't there is fine. */
int fy_hive_delete(struct fy_hive *h, const char *key, struct fy_error *err);
int fy_hive_delete_value(struct fy_hive *h, const char *key, const char *name,
			 struct fy_error *err);

#endif
