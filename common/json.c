/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jansson with our errors.
 */
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/printable.h"

json_t *
fy_json_parse(const char *text, size_t len, const char *what,
	      struct fy_error *err)
{
	json_error_t e;
	json_t *j;

	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (j == NULL)
		fy_error_set(err, FY_E_FORMAT, 0,
			     "%s is not valid JSON: line %d: %s", what, e.line,
			     e.text);
	return j;
}

json_t *
fy_json_read_at(int dirfd, const char *path, size_t max, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	size_t len;

	if (fy_file_read_at(dirfd, path, max, &text, &len, err) == -1)
		return NULL;
	return fy_json_parse(text, len, path, err);
}

/* Takes 'text': what a terminal acts on is escaped, where the library does not
 * (it only stands in strings, so the value stays the same). */
static char *
escape_controls(char *text, struct fy_error *err)
{
	size_t bad = 0, n;
	unsigned code;
	char *ret, *to;
	const char *p;

	for (p = text; *p != '\0'; p += n) {
		n = fy_utf8_next(p, &code);
		bad += code != '\n' && fy_is_control(code);
	}
	if (bad == 0)
		return text;
	ret = to = malloc(strlen(text) + 6 * bad + 1);
	if (ret == NULL)
		fy_error_nomem(err);
	for (p = text; ret != NULL && *p != '\0'; p += n) {
		n = fy_utf8_next(p, &code);
		if (code != '\n' && fy_is_control(code)) {
			to += snprintf(to, 7, "\\u%04X", code);
		} else {
			memcpy(to, p, n);
			to += n;
		}
	}
	if (ret != NULL)
		*to = '\0';
	free(text);
	return ret;
}

char *
fy_json_text(const json_t *j, int indent, struct fy_error *err)
{
	/* Fractions (seconds) are for people: 15 digits are enough. */
	size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
	char *text;

	flags |= indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT;
	text = json_dumps(j, flags);
	if (text == NULL)
		fy_error_nomem(err);
	return text == NULL ? NULL : escape_controls(text, err);
}

int
fy_json_make_printable(json_t *j, struct fy_error *err)
{
	fy_autofree char *copy = NULL;
	const char *key;
	json_t *item;
	size_t i;

	json_array_foreach(j, i, item)
	{
		if (fy_json_make_printable(item, err) == -1)
			return -1;
	}
	json_object_foreach(j, key, item)
	{
		if (fy_json_make_printable(item, err) == -1)
			return -1;
	}
	if (!json_is_string(j))
		return 0;
	copy = strdup(json_string_value(j));
	if (copy == NULL)
		return fy_error_nomem(err);
	fy_make_printable(copy);
	return json_string_set(j, copy) == -1 ? fy_error_nomem(err) : 0;
}

int
fy_json_write_at(int dirfd, const char *path, const json_t *j,
		 struct fy_error *err)
{
	fy_autofree char *text = fy_json_text(j, 2, err);
	fy_autofree char *line = NULL;

	if (text == NULL)
		return -1;
	line = fy_format(err, "%s\n", text);
	if (line == NULL)
		return -1;
	return fy_file_replace_at(dirfd, path, line, strlen(line), 0644, err);
}

static int
wrong(const char *key, const char *what, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "JSON member '%s' is not %s",
			    key, what);
}

int
fy_json_get_string(const json_t *o, const char *key, const char **ret,
		   struct fy_error *err)
{
	const json_t *j = json_object_get(o, key);

	if (!json_is_string(j))
		return wrong(key, "a text", err);
	*ret = json_string_value(j);
	return 0;
}

int
fy_json_get_u64(const json_t *o, const char *key, uint64_t max, uint64_t *ret,
		struct fy_error *err)
{
	const json_t *j = json_object_get(o, key);

	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
	    (uint64_t)json_integer_value(j) > max)
		return wrong(key, "a whole number in range", err);
	*ret = (uint64_t)json_integer_value(j);
	return 0;
}

int
fy_json_get_bool(const json_t *o, const char *key, bool *ret,
		 struct fy_error *err)
{
	const json_t *j = json_object_get(o, key);

	if (!json_is_boolean(j))
		return wrong(key, "true or false", err);
	*ret = json_is_true(j);
	return 0;
}

int
fy_json_get_array(const json_t *o, const char *key, size_t max_items,
		  json_t **ret, struct fy_error *err)
{
	json_t *j = json_object_get(o, key);

	if (!json_is_array(j) || json_array_size(j) > max_items)
		return wrong(key, "a list of bearable length", err);
	*ret = j;
	return 0;
}

const char *
fy_json_string_or(const json_t *o, const char *key, const char *otherwise)
{
	const json_t *j = json_object_get(o, key);

	return json_is_string(j) ? json_string_value(j) : otherwise;
}

uint64_t
fy_json_u64_or(const json_t *o, const char *key, uint64_t otherwise)
{
	const json_t *j = json_object_get(o, key);

	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return otherwise;
	return (uint64_t)json_integer_value(j);
}

bool
fy_json_bool_or(const json_t *o, const char *key, bool otherwise)
{
	const json_t *j = json_object_get(o, key);

	return json_is_boolean(j) ? json_is_true(j) : otherwise;
}
