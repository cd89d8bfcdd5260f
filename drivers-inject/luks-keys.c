/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passphrases: text of one to 4096 bytes without a zero byte, for they are given
 * to libguestfs as C strings and travel as JSON.
 */
#include "drivers-inject/luks-keys.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_SECRET   4096u
#define MAX_KEYS     64u
#define UUID_LETTERS 36u

static void
wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void
fy_luks_keys_free(struct fy_luks_keys *k)
{
	if (k == NULL)
		return;
	while (k->n > 0) {
		k->n--;
		free((void *)(uintptr_t)k->items[k->n].uuid);
		wipe((void *)(uintptr_t)k->items[k->n].secret);
	}
	free(k->items);
	free(k);
}

static bool
is_uuid(const char *s, size_t len)
{
	return len == UUID_LETTERS &&
	       strspn(s, "0123456789abcdefABCDEF-") >= UUID_LETTERS;
}

/* Takes 'secret', whatever becomes of it; 'uuid' (may be NULL) is copied. */
static int
add(struct fy_luks_keys *k, const char *uuid, char *secret,
    struct fy_error *err)
{
	struct fy_inject_key *grown = NULL;
	char *own = NULL;

	if (k->n == MAX_KEYS) {
		wipe(secret);
		return fy_error_set(err, FY_E_USAGE, 0,
				    "more than %u keys of LUKS volumes",
				    MAX_KEYS);
	}
	if (uuid != NULL)
		own = strndup(uuid, UUID_LETTERS);
	if (secret != NULL && (uuid == NULL || own != NULL))
		grown = reallocarray(k->items, k->n + 1, sizeof(*grown));
	if (grown == NULL) {
		free(own);
		wipe(secret);
		return fy_error_nomem(err);
	}
	k->items = grown;
	grown[k->n].uuid = own;
	grown[k->n++].secret = secret;
	return 0;
}

/* "UUID=FILE" or "FILE". */
static int
load_one(struct fy_luks_keys *k, const char *given, struct fy_error *err)
{
	const char *file = given, *uuid = NULL;
	fy_autojson json_t *text = NULL;
	char *secret = NULL;
	size_t len = 0;

	if (strlen(given) > UUID_LETTERS && given[UUID_LETTERS] == '=' &&
	    is_uuid(given, UUID_LETTERS)) {
		uuid = given;
		file = given + UUID_LETTERS + 1;
	}
	if (fy_file_read_at(AT_FDCWD, file, MAX_SECRET, &secret, &len, err) ==
	    -1)
		return fy_error_prefix(err, "--luks-key");
	if (len > 0 && secret[len - 1] == '\n')
		secret[--len] = '\0';
	text = json_stringn(secret, len);
	if (len > 0 && strlen(secret) == len && text != NULL)
		return add(k, uuid, secret, err);
	explicit_bzero(secret, len);
	free(secret);
	return fy_error_set(err, FY_E_USAGE, 0,
			    "--luks-key: '%s' holds no passphrase%s", file,
			    len > 0 ? " that is text in UTF-8" : "");
}

int
fy_luks_keys_load(const char *const *given, size_t n, struct fy_luks_keys **ret,
		  struct fy_error *err)
{
	FY_AUTO(luks_keys) struct fy_luks_keys *k = calloc(1, sizeof(*k));
	size_t i;

	if (k == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n; i++)
		if (load_one(k, given[i], err) == -1)
			return -1;
	*ret = fy_steal_ptr(&k);
	return 0;
}

json_t *
fy_luks_keys_to_json(const struct fy_luks_keys *k, struct fy_error *err)
{
	fy_autojson json_t *a = json_array();
	size_t i;

	for (i = 0; a != NULL && k != NULL && i < k->n; i++)
		if (json_array_append_new(
			    a, json_pack("{s:s?, s:s}", "uuid",
					 k->items[i].uuid, "passphrase",
					 k->items[i].secret)) == -1) {
			fy_error_nomem(err);
			return NULL;
		}
	if (a == NULL)
		fy_error_nomem(err);
	return json_incref(a);
}

static int
malformed(const char *what, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "the job's 'luks_keys' %s",
			    what);
}

int
fy_luks_keys_from_json(const json_t *j, struct fy_luks_keys **ret,
		       struct fy_error *err)
{
	FY_AUTO(luks_keys) struct fy_luks_keys *k = calloc(1, sizeof(*k));
	size_t i;

	if (k == NULL)
		return fy_error_nomem(err);
	if (j != NULL && !json_is_null(j) && !json_is_array(j))
		return malformed("is not a list", err);
	for (i = 0; i < json_array_size(j); i++) {
		const json_t *item = json_array_get(j, i);
		const json_t *uuid = json_object_get(item, "uuid");
		const json_t *text = json_object_get(item, "passphrase");
		size_t len = json_string_length(text);

		if (!json_is_string(text) || len == 0 || len > MAX_SECRET ||
		    strlen(json_string_value(text)) != len)
			return malformed("has an item without a passphrase",
					 err);
		if (uuid != NULL && !json_is_null(uuid) &&
		    (!json_is_string(uuid) ||
		     !is_uuid(json_string_value(uuid),
			      json_string_length(uuid))))
			return malformed("has an item that names no volume",
					 err);
		if (add(k, json_string_value(uuid),
			strdup(json_string_value(text)), err) == -1)
			return -1;
	}
	*ret = fy_steal_ptr(&k);
	return 0;
}
