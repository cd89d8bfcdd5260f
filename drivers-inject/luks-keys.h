/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LUKS_KEYS_H
#define FY_LUKS_KEYS_H

#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/json.h"
#include "drivers-inject/inject.h"

/*
 * Passphrases of LUKS volumes: from the files that --luks-key names, over the
 * wire, to the injection.  They are in no log and in no file of a job, and are
 * wiped when they are freed.
 */
struct fy_luks_keys {
	struct fy_inject_key *items;
	size_t n;
};

/* 'given' are "UUID=FILE" or "FILE"; a newline at a file's end is not a part of
 * the passphrase.  FY_E_USAGE for a file that holds none, and for one that is
 * no text in UTF-8. */
int fy_luks_keys_load(const char *const *given, size_t n,
		      struct fy_luks_keys **ret, struct fy_error *err);

/* For a job; 'k' may be NULL.  Returns NULL without memory. */
json_t *fy_luks_keys_to_json(const struct fy_luks_keys *k,
			     struct fy_error *err);
/* 'j' may be NULL or null: no keys.  Foreign text: FY_E_FORMAT, which does not
 * show what was there. */
int fy_luks_keys_from_json(const json_t *j, struct fy_luks_keys **ret,
			   struct fy_error *err);

void fy_luks_keys_free(struct fy_luks_keys *k);
FY_DEFINE_AUTO(luks_keys, struct fy_luks_keys, fy_luks_keys_free)

#endif
