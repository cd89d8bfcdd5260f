/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The description of a machine, and machine.json.
 *
 * One table per struct (machine-members.c) names each member, its place, its
 * type and its bound; writing, reading and freeing walk these tables, so that a member can't be
 * written and forgotten in the reader.  What is unknown (NULL, 0) is left out
 * of the JSON.  The reader takes JSON from outside: a member of a wrong type,
 * a number out of its range, a text with control characters or one that is
 * too long, and a list that is too long are refused; unknown members are
 * ignored.  The writer takes texts from hardware, which may hold any bytes:
 * what is not printable UTF-8 becomes '?'.
 */
#include "common/machine.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/machine-members.h"

#define MAX_TEXT 4096

/* The place of a member in the struct at 'base'. */
static void *
place(void *base, size_t offset)
{
	return (unsigned char *)base + offset;
}

static const void *
const_place(const void *base, size_t offset)
{
	return (const unsigned char *)base + offset;
}

static void
release_members(const struct fy_member *table, void *base)
{
	for (; table->name != NULL; table++) {
		void *p = place(base, table->offset);
		size_t n = table->count == 0
				   ? 0
				   : *(size_t *)place(base, table->count);

		if (table->type == TEXT) {
			free(*(char **)p);
		} else if (table->type == LIST) {
			if (*(json_t **)p != NULL)
				json_decref(*(json_t **)p);
		} else if (table->type == TEXTS) {
			char **items = *(char ***)p;

			while (n > 0)
				free(items[--n]);
			free(items);
		} else if (table->type == MANY) {
			while (n > 0)
				release_members(
					table->sub,
					place(*(void **)p, --n * table->size));
			free(*(void **)p);
		} else if (table->type == ONE) {
			if (*(void **)p != NULL)
				release_members(table->sub, *(void **)p);
			free(*(void **)p);
		}
	}
}

struct fy_machine *
fy_machine_new(struct fy_error *err)
{
	struct fy_machine *m = calloc(1, sizeof(*m));

	if (m == NULL)
		fy_error_nomem(err);
	return m;
}

void
fy_machine_free(struct fy_machine *m)
{
	if (m == NULL)
		return;
	release_members(fy_machine_members, m);
	free(m);
}

/* One more zeroed element at the end of the array in '*items'. */
static void *
grow(void *items, size_t *n, size_t size, struct fy_error *err)
{
	void *grown = reallocarray(*(void **)items, *n + 1, size), *last;

	if (grown == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	*(void **)items = grown;
	last = place(grown, (*n)++ * size);
	memset(last, 0, size);
	return last;
}

#define DEFINE_ADD(what, of, list)                                             \
	struct fy_machine_##what *fy_machine_add_##what(struct of *o,          \
							struct fy_error *err)  \
	{                                                                      \
		return grow(&o->list, &o->n_##list, sizeof(*o->list), err);    \
	}
DEFINE_ADD(disk, fy_machine, disks)
DEFINE_ADD(nic, fy_machine, nics)
DEFINE_ADD(system, fy_machine, systems)
DEFINE_ADD(module, fy_machine, memory_modules)
DEFINE_ADD(controller, fy_machine, controllers)
DEFINE_ADD(interface, fy_machine_system, interfaces)

int
fy_machine_add_text(char ***items, size_t *n, const char *text,
		    struct fy_error *err)
{
	char **grown;
	size_t i;

	for (i = 0; i < *n; i++)
		if (strcmp((*items)[i], text) == 0)
			return 0;
	grown = reallocarray(*items, *n + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	*items = grown;
	grown[*n] = strdup(text);
	if (grown[*n] == NULL)
		return fy_error_nomem(err);
	(*n)++;
	return 0;
}

/* What "unknown" is for the struct's counts is not 0. */
static void
unknown_counts(const struct fy_member *table, void *base)
{
	for (; table->name != NULL; table++)
		if (table->type == COUNT64)
			*(int64_t *)place(base, table->offset) = -1;
}

struct fy_machine_smart *
fy_machine_smart_new(struct fy_error *err)
{
	struct fy_machine_smart *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fy_error_nomem(err);
	else
		unknown_counts(fy_machine_smart_members, s);
	return s;
}

/* What can't be shown becomes '?', what is too long is cut. */
static void
clean_text(char *s)
{
	json_t *j;
	size_t i;

	for (i = 0; s[i] != '\0' && i < MAX_TEXT; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			s[i] = '?';
	s[i] = '\0';
	j = json_string(s);
	/* Not UTF-8 (or no memory): keep what is ASCII. */
	for (i = 0; j == NULL && s[i] != '\0'; i++)
		if ((unsigned char)s[i] >= 0x80)
			s[i] = '?';
	if (j != NULL)
		json_decref(j);
}

static void
clean_members(const struct fy_member *table, void *base)
{
	for (; table->name != NULL; table++) {
		void *p = place(base, table->offset);
		size_t n = table->count == 0
				   ? 0
				   : *(size_t *)place(base, table->count);

		if (table->type == TEXT && *(char **)p != NULL)
			clean_text(*(char **)p);
		else if (table->type == ONE && *(void **)p != NULL)
			clean_members(table->sub, *(void **)p);
		while (n > 0 && table->type == TEXTS)
			clean_text((*(char ***)p)[--n]);
		while (n > 0 && table->type == MANY)
			clean_members(table->sub,
				      place(*(void **)p, --n * table->size));
	}
}

void
fy_machine_clean(struct fy_machine *m)
{
	clean_members(fy_machine_members, m);
}

static json_t *
json_of_text(const char *s)
{
	fy_autofree char *copy = strdup(s);

	if (copy == NULL)
		return NULL;
	clean_text(copy);
	return json_string(copy);
}

static json_t *
json_of_texts(char *const *items, size_t n)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list != NULL && i < n; i++) {
		if (json_array_append_new(list, json_of_text(items[i])) == -1) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *json_of_struct(const struct fy_member *table, const void *base);

static json_t *
json_of_structs(const struct fy_member *t, const void *items, size_t n)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list != NULL && i < n; i++) {
		const void *item = const_place(items, i * t->size);

		if (json_array_append_new(list, json_of_struct(t->sub, item)) ==
		    -1) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *
json_of_number(const struct fy_member *t, const void *p)
{
	return json_integer(t->type == NUMBER64
				    ? (json_int_t) * (const uint64_t *)p
				    : (json_int_t) * (const uint32_t *)p);
}

/* Whether there is something to write. */
static bool
is_known(const struct fy_member *t, const void *base)
{
	const void *p = const_place(base, t->offset);

	switch (t->type) {
	case TEXT:
	case LIST:
	case ONE:
		return *(void *const *)p != NULL;
	case NUMBER64:
		return t->always || *(const uint64_t *)p != 0;
	case NUMBER32:
		return t->always || *(const uint32_t *)p != 0;
	case COUNT64:
		return *(const int64_t *)p >= 0;
	case BOOL:
		return true;
	case KNOWN:
		return *(const enum fy_tristate *)p != FY_UNKNOWN;
	case WORD:
		return t->words[*(const unsigned *)p][0] != '\0';
	case TEXTS:
	case MANY:
		return t->always ||
		       *(const size_t *)const_place(base, t->count) > 0;
	}
	return false;
}

static json_t *
json_of_member(const struct fy_member *t, const void *base)
{
	const void *p = const_place(base, t->offset);
	size_t n = t->count == 0 ? 0
				 : *(const size_t *)const_place(base, t->count);

	switch (t->type) {
	case TEXT:
		return json_of_text(*(char *const *)p);
	case NUMBER64:
	case NUMBER32:
		return json_of_number(t, p);
	case COUNT64:
		return json_integer(*(const int64_t *)p);
	case BOOL:
		return json_boolean(*(const bool *)p);
	case KNOWN:
		return json_boolean(*(const enum fy_tristate *)p == FY_YES);
	case WORD:
		return json_string(t->words[*(const unsigned *)p]);
	case TEXTS:
		return json_of_texts(*(char **const *)p, n);
	case LIST:
		return json_incref(*(json_t *const *)p);
	case ONE:
		return json_of_struct(t->sub, *(void *const *)p);
	case MANY:
		return json_of_structs(t, *(void *const *)p, n);
	}
	return NULL;
}

static json_t *
json_of_struct(const struct fy_member *table, const void *base)
{
	json_t *o = json_object();

	for (; o != NULL && table->name != NULL; table++) {
		if (is_known(table, base) &&
		    json_object_set_new(o, table->name,
					json_of_member(table, base)) == -1) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

json_t *
fy_machine_to_json(const struct fy_machine *m, struct fy_error *err)
{
	json_t *o = json_of_struct(fy_machine_members, m);

	if (o == NULL)
		fy_error_nomem(err);
	return o;
}

static int
refuse(const struct fy_member *t, const char *why, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "machine description: member '%s' %s", t->name,
			    why);
}

static int
take_text(const json_t *j, const struct fy_member *t, char **ret,
	  struct fy_error *err)
{
	const char *s;
	size_t i, len;

	if (!json_is_string(j))
		return refuse(t, "is not a text", err);
	s = json_string_value(j);
	len = json_string_length(j);
	if (len > MAX_TEXT || strlen(s) != len)
		return refuse(t, "is too long", err);
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return refuse(t, "holds control characters", err);
	*ret = strdup(s);
	return *ret == NULL ? fy_error_nomem(err) : 0;
}

static int
take_texts(const json_t *j, const struct fy_member *t, void *base,
	   struct fy_error *err)
{
	size_t i, *n = place(base, t->count);
	char **items;

	if (!json_is_array(j) || json_array_size(j) > t->max)
		return refuse(t, "is not a list of bearable length", err);
	items = calloc(json_array_size(j) + 1, sizeof(*items));
	if (items == NULL)
		return fy_error_nomem(err);
	*(char ***)place(base, t->offset) = items;
	for (i = 0; i < json_array_size(j); i++) {
		if (take_text(json_array_get(j, i), t, &items[i], err) == -1)
			return -1;
		*n = i + 1;
	}
	return 0;
}

static int
take_word(const json_t *j, const struct fy_member *t, unsigned *ret,
	  struct fy_error *err)
{
	unsigned i;

	for (i = 0; json_is_string(j) && t->words[i] != NULL; i++) {
		if (t->words[i][0] != '\0' &&
		    strcmp(json_string_value(j), t->words[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return refuse(t, "has an unknown value", err);
}

static int
take_number(const json_t *j, const struct fy_member *t, void *p,
	    struct fy_error *err)
{
	uint64_t max = t->type == COUNT64 ? INT64_MAX : t->max;

	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
	    (uint64_t)json_integer_value(j) > max)
		return refuse(t, "is not a whole number in its range", err);
	if (t->type == NUMBER64)
		*(uint64_t *)p = (uint64_t)json_integer_value(j);
	else if (t->type == COUNT64)
		*(int64_t *)p = json_integer_value(j);
	else
		*(uint32_t *)p = (uint32_t)json_integer_value(j);
	return 0;
}

static int
take_list(const json_t *j, const struct fy_member *t, json_t **ret,
	  struct fy_error *err)
{
	size_t i;

	if (!json_is_array(j) || json_array_size(j) > t->max)
		return refuse(t, "is not a list of bearable length", err);
	for (i = 0; i < json_array_size(j); i++)
		if (!json_is_object(json_array_get(j, i)))
			return refuse(t, "holds something else than objects",
				      err);
	*ret = json_deep_copy(j);
	return *ret == NULL ? fy_error_nomem(err) : 0;
}

static int take_struct(const json_t *o, const struct fy_member *table,
		       void *base, struct fy_error *err);

static int
take_one(const json_t *j, const struct fy_member *t, void **ret,
	 struct fy_error *err)
{
	*ret = calloc(1, t->size);
	if (*ret == NULL)
		return fy_error_nomem(err);
	unknown_counts(t->sub, *ret);
	return take_struct(j, t->sub, *ret, err);
}

static int
take_many(const json_t *j, const struct fy_member *t, void *base,
	  struct fy_error *err)
{
	size_t i, *n = place(base, t->count);

	if (!json_is_array(j) || json_array_size(j) > t->max)
		return refuse(t, "is not a list of bearable length", err);
	for (i = 0; i < json_array_size(j); i++) {
		void *item = grow(place(base, t->offset), n, t->size, err);

		if (item == NULL ||
		    take_struct(json_array_get(j, i), t->sub, item, err) == -1)
			return -1;
	}
	return 0;
}

static int
take_member(const json_t *j, const struct fy_member *t, void *base,
	    struct fy_error *err)
{
	void *p = place(base, t->offset);

	switch (t->type) {
	case TEXT:
		return take_text(j, t, p, err);
	case NUMBER64:
	case NUMBER32:
	case COUNT64:
		return take_number(j, t, p, err);
	case BOOL:
	case KNOWN:
		if (!json_is_boolean(j))
			return refuse(t, "is neither true nor false", err);
		if (t->type == BOOL)
			*(bool *)p = json_is_true(j);
		else
			*(enum fy_tristate *)p =
				json_is_true(j) ? FY_YES : FY_NO;
		return 0;
	case WORD:
		return take_word(j, t, p, err);
	case TEXTS:
		return take_texts(j, t, base, err);
	case LIST:
		return take_list(j, t, p, err);
	case ONE:
		return take_one(j, t, p, err);
	case MANY:
		return take_many(j, t, base, err);
	}
	return -1;
}

static int
take_struct(const json_t *o, const struct fy_member *table, void *base,
	    struct fy_error *err)
{
	if (!json_is_object(o))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "machine description: not an object");
	for (; table->name != NULL; table++) {
		const json_t *j = json_object_get(o, table->name);

		if (j == NULL || json_is_null(j))
			continue;
		if (take_member(j, table, base, err) == -1)
			return -1;
	}
	return 0;
}

/* What the tables can't say about one disk. */
static int
check_disk(const struct fy_machine_disk *d, struct fy_error *err)
{
	if ((d->sector_bytes != 0 &&
	     (d->sector_bytes < 512 || !fy_is_power_of_two(d->sector_bytes))) ||
	    (d->physical_sector_bytes != 0 &&
	     (d->physical_sector_bytes < 512 ||
	      !fy_is_power_of_two(d->physical_sector_bytes))))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "machine description: impossible sector "
				    "size of disk '%s'",
				    d->path == NULL ? "?" : d->path);
	return 0;
}

int
fy_machine_from_json(const json_t *j, struct fy_machine **ret,
		     struct fy_error *err)
{
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(err);
	size_t i;

	if (m == NULL || take_struct(j, fy_machine_members, m, err) == -1)
		return -1;
	for (i = 0; i < m->n_disks; i++)
		if (check_disk(&m->disks[i], err) == -1)
			return -1;
	*ret = fy_steal_ptr(&m);
	return 0;
}
