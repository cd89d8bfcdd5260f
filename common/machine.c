/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The description of a machine, and machine.json.
 *
 * One table per struct names each member, its place, its type and its bound;
 * writing, reading and freeing walk these tables, so that a member can't be
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

#define MAX_DISKS     64
#define MAX_NICS      256
#define MAX_SYSTEMS   64
#define MAX_NAMES     64
#define MAX_VOLUMES   4096
#define MAX_TEXT      4096
#define MAX_BYTES     (UINT64_C(1) << 60)
#define MAX_MEMORY    (UINT64_C(1) << 50)
#define MAX_PROCESSOR 8192

enum type { TEXT, NUMBER64, NUMBER32, BOOL, WORD, TEXTS, LIST };

struct member {
	const char *name;
	enum type type;
	size_t offset;
	uint64_t max;		  /* numbers, list lengths */
	size_t count;		  /* TEXTS: offset of the length */
	const char *const *words; /* WORD: NULL-terminated, by the enum */
};

static const char *const firmware_words[] = { "unknown", "bios", "uefi", NULL };
static const char *const clock_words[] = { "utc", "localtime", NULL };

#define D(m) offsetof(struct fy_machine_disk, m)
#define N(m) offsetof(struct fy_machine_nic, m)
#define S(m) offsetof(struct fy_machine_system, m)
#define M(m) offsetof(struct fy_machine, m)

static const struct member disk_members[] = {
	{ "path", TEXT, D(path), 0, 0, NULL },
	{ "model", TEXT, D(model), 0, 0, NULL },
	{ "serial", TEXT, D(serial), 0, 0, NULL },
	{ "wwn", TEXT, D(wwn), 0, 0, NULL },
	{ "bus", TEXT, D(bus), 0, 0, NULL },
	{ "size_bytes", NUMBER64, D(size_bytes), MAX_BYTES, 0, NULL },
	{ "used_bytes", NUMBER64, D(used_bytes), MAX_BYTES, 0, NULL },
	{ "sector_bytes", NUMBER32, D(sector_bytes), 65536, 0, NULL },
	{ "physical_sector_bytes", NUMBER32, D(physical_sector_bytes),
	  UINT32_C(1) << 24, 0, NULL },
	{ "table", TEXT, D(table), 0, 0, NULL },
	{ "table_uuid", TEXT, D(table_uuid), 0, 0, NULL },
	{ "boot", BOOL, D(boot), 0, 0, NULL },
	{ "volumes", LIST, D(volumes), MAX_VOLUMES, 0, NULL },
	{ "image", TEXT, D(image), 0, 0, NULL },
	{ "format", TEXT, D(format), 0, 0, NULL },
	{ NULL, TEXT, 0, 0, 0, NULL },
};

static const struct member nic_members[] = {
	{ "name", TEXT, N(name), 0, 0, NULL },
	{ "kind", TEXT, N(kind), 0, 0, NULL },
	{ "mac", TEXT, N(mac), 0, 0, NULL },
	{ "permanent_mac", TEXT, N(permanent_mac), 0, 0, NULL },
	{ "driver", TEXT, N(driver), 0, 0, NULL },
	{ "pci", TEXT, N(pci), 0, 0, NULL },
	{ "names", TEXTS, N(names), MAX_NAMES, N(n_names), NULL },
	{ "addresses", TEXTS, N(addresses), MAX_NAMES, N(n_addresses), NULL },
	{ "master", TEXT, N(master), 0, 0, NULL },
	{ "parent", TEXT, N(parent), 0, 0, NULL },
	{ "vlan", NUMBER32, N(vlan), 4094, 0, NULL },
	{ "speed_mbit", NUMBER64, N(speed_mbit), 100000000, 0, NULL },
	{ "link", BOOL, N(link), 0, 0, NULL },
	{ "network", TEXT, N(network), 0, 0, NULL },
	{ "bridge", TEXT, N(bridge), 0, 0, NULL },
	{ NULL, TEXT, 0, 0, 0, NULL },
};

static const struct member system_members[] = {
	{ "id", TEXT, S(id), 0, 0, NULL },
	{ "version", TEXT, S(version), 0, 0, NULL },
	{ "pretty_name", TEXT, S(pretty_name), 0, 0, NULL },
	{ "arch", TEXT, S(arch), 0, 0, NULL },
	{ "hostname", TEXT, S(hostname), 0, 0, NULL },
	{ "disk", NUMBER32, S(disk), MAX_DISKS - 1, 0, NULL },
	{ "volume", TEXT, S(volume), 0, 0, NULL },
	{ NULL, TEXT, 0, 0, 0, NULL },
};

static const struct member machine_members[] = {
	{ "name", TEXT, M(name), 0, 0, NULL },
	{ "from_hardware", BOOL, M(from_hardware), 0, 0, NULL },
	{ "firmware", WORD, M(firmware), 0, 0, firmware_words },
	{ "secure_boot", BOOL, M(secure_boot), 0, 0, NULL },
	{ "tpm", BOOL, M(tpm), 0, 0, NULL },
	{ "uuid", TEXT, M(uuid), 0, 0, NULL },
	{ "serial", TEXT, M(serial), 0, 0, NULL },
	{ "manufacturer", TEXT, M(manufacturer), 0, 0, NULL },
	{ "product", TEXT, M(product), 0, 0, NULL },
	{ "arch", TEXT, M(arch), 0, 0, NULL },
	{ "cpu_vendor", TEXT, M(cpu_vendor), 0, 0, NULL },
	{ "cpu_model", TEXT, M(cpu_model), 0, 0, NULL },
	{ "vcpus", NUMBER32, M(vcpus), MAX_PROCESSOR, 0, NULL },
	{ "sockets", NUMBER32, M(sockets), MAX_PROCESSOR, 0, NULL },
	{ "cores", NUMBER32, M(cores), MAX_PROCESSOR, 0, NULL },
	{ "threads", NUMBER32, M(threads), MAX_PROCESSOR, 0, NULL },
	{ "memory_bytes", NUMBER64, M(memory_bytes), MAX_MEMORY, 0, NULL },
	{ "clock", WORD, M(clock), 0, 0, clock_words },
	{ "graphics", TEXT, M(graphics), 0, 0, NULL },
	{ NULL, TEXT, 0, 0, 0, NULL },
};

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
release_members(const struct member *table, void *base)
{
	for (; table->name != NULL; table++) {
		void *p = place(base, table->offset);

		if (table->type == TEXT) {
			free(*(char **)p);
		} else if (table->type == LIST) {
			if (*(json_t **)p != NULL)
				json_decref(*(json_t **)p);
		} else if (table->type == TEXTS) {
			size_t n = *(size_t *)place(base, table->count);
			char **items = *(char ***)p;

			while (n > 0)
				free(items[--n]);
			free(items);
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
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->n_disks; i++)
		release_members(disk_members, &m->disks[i]);
	for (i = 0; i < m->n_nics; i++)
		release_members(nic_members, &m->nics[i]);
	for (i = 0; i < m->n_systems; i++)
		release_members(system_members, &m->systems[i]);
	free(m->disks);
	free(m->nics);
	free(m->systems);
	release_members(machine_members, m);
	free(m);
}

#define DEFINE_ADD(what)                                                       \
	struct fy_machine_##what *fy_machine_add_##what(struct fy_machine *m,  \
							struct fy_error *err)  \
	{                                                                      \
		struct fy_machine_##what *grown;                               \
                                                                               \
		grown = reallocarray(m->what##s, m->n_##what##s + 1,           \
				     sizeof(*grown));                          \
		if (grown == NULL) {                                           \
			fy_error_nomem(err);                                   \
			return NULL;                                           \
		}                                                              \
		m->what##s = grown;                                            \
		grown += m->n_##what##s++;                                     \
		memset(grown, 0, sizeof(*grown));                              \
		return grown;                                                  \
	}
DEFINE_ADD(disk)
DEFINE_ADD(nic)
DEFINE_ADD(system)

/* A JSON text; what can't be shown becomes '?'. */
static json_t *
json_of_text(const char *s)
{
	fy_autofree char *copy = strdup(s);
	size_t i;
	json_t *j;

	if (copy == NULL)
		return NULL;
	for (i = 0; copy[i] != '\0'; i++)
		if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = '?';
	j = json_string(copy);
	if (j != NULL)
		return j;
	/* Not UTF-8 (or no memory): keep what is ASCII. */
	for (i = 0; copy[i] != '\0'; i++)
		if ((unsigned char)copy[i] >= 0x80)
			copy[i] = '?';
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

/* Set one member of 'o'; nothing when it is unknown. */
static int
put_member(json_t *o, const struct member *t, const void *base)
{
	const void *p = const_place(base, t->offset);
	const char *text;
	uint64_t number;
	size_t n;

	switch (t->type) {
	case TEXT:
		text = *(char *const *)p;
		return text == NULL ? 0
				    : json_object_set_new(o, t->name,
							  json_of_text(text));
	case NUMBER64:
	case NUMBER32:
		number = t->type == NUMBER64 ? *(const uint64_t *)p
					     : *(const uint32_t *)p;
		return number == 0 && strcmp(t->name, "disk") != 0
			       ? 0
			       : json_object_set_new(
					 o, t->name,
					 json_integer((json_int_t)number));
	case BOOL:
		return json_object_set_new(o, t->name,
					   json_boolean(*(const bool *)p));
	case WORD:
		return json_object_set_new(
			o, t->name,
			json_string(t->words[*(const unsigned *)p]));
	case TEXTS:
		n = *(const size_t *)const_place(base, t->count);
		return n == 0 ? 0
			      : json_object_set_new(
					o, t->name,
					json_of_texts(*(char **const *)p, n));
	case LIST:
		return *(json_t *const *)p == NULL
			       ? 0
			       : json_object_set(o, t->name,
						 *(json_t *const *)p);
	}
	return -1;
}

static json_t *
json_of_struct(const struct member *table, const void *base)
{
	json_t *o = json_object();

	for (; o != NULL && table->name != NULL; table++) {
		if (put_member(o, table, base) == -1) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

static int
put_list(json_t *o, const char *name, const struct member *table,
	 const void *items, size_t n, size_t size)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; list != NULL && i < n; i++) {
		const void *item = const_place(items, i * size);

		if (json_array_append_new(list, json_of_struct(table, item)) ==
		    -1) {
			json_decref(list);
			return -1;
		}
	}
	return json_object_set_new(o, name, list);
}

json_t *
fy_machine_to_json(const struct fy_machine *m, struct fy_error *err)
{
	json_t *o = json_of_struct(machine_members, m);

	if (o == NULL ||
	    put_list(o, "disks", disk_members, m->disks, m->n_disks,
		     sizeof(*m->disks)) == -1 ||
	    put_list(o, "nics", nic_members, m->nics, m->n_nics,
		     sizeof(*m->nics)) == -1 ||
	    put_list(o, "systems", system_members, m->systems, m->n_systems,
		     sizeof(*m->systems)) == -1) {
		if (o != NULL)
			json_decref(o);
		fy_error_nomem(err);
		return NULL;
	}
	return o;
}

static int
refuse(const struct member *t, const char *why, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "machine description: member '%s' %s", t->name,
			    why);
}

static int
take_text(const json_t *j, const struct member *t, char **ret,
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
take_texts(const json_t *j, const struct member *t, void *base,
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
take_word(const json_t *j, const struct member *t, unsigned *ret,
	  struct fy_error *err)
{
	unsigned i;

	for (i = 0; json_is_string(j) && t->words[i] != NULL; i++) {
		if (strcmp(json_string_value(j), t->words[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return refuse(t, "has an unknown value", err);
}

static int
take_number(const json_t *j, const struct member *t, void *p,
	    struct fy_error *err)
{
	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
	    (uint64_t)json_integer_value(j) > t->max)
		return refuse(t, "is not a whole number in its range", err);
	if (t->type == NUMBER64)
		*(uint64_t *)p = (uint64_t)json_integer_value(j);
	else
		*(uint32_t *)p = (uint32_t)json_integer_value(j);
	return 0;
}

static int
take_list(const json_t *j, const struct member *t, json_t **ret,
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

static int
take_member(const json_t *j, const struct member *t, void *base,
	    struct fy_error *err)
{
	void *p = place(base, t->offset);

	switch (t->type) {
	case TEXT:
		return take_text(j, t, p, err);
	case NUMBER64:
	case NUMBER32:
		return take_number(j, t, p, err);
	case BOOL:
		if (!json_is_boolean(j))
			return refuse(t, "is neither true nor false", err);
		*(bool *)p = json_is_true(j);
		return 0;
	case WORD:
		return take_word(j, t, p, err);
	case TEXTS:
		return take_texts(j, t, base, err);
	case LIST:
		return take_list(j, t, p, err);
	}
	return -1;
}

static int
take_struct(const json_t *o, const struct member *table, void *base,
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

/* The list 'name' of 'o', or NULL in '*ret' when there is none. */
static int
sublist(const json_t *o, const char *name, size_t max, const json_t **ret,
	struct fy_error *err)
{
	const json_t *j = json_object_get(o, name);

	*ret = NULL;
	if (j == NULL || json_is_null(j))
		return 0;
	if (!json_is_array(j) || json_array_size(j) > max)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "machine description: '%s' is not a list "
				    "of at most %zu",
				    name, max);
	*ret = j;
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

static int
take_lists(const json_t *j, struct fy_machine *m, struct fy_error *err)
{
	const json_t *disks, *nics, *systems;
	size_t i;

	if (sublist(j, "disks", MAX_DISKS, &disks, err) == -1 ||
	    sublist(j, "nics", MAX_NICS, &nics, err) == -1 ||
	    sublist(j, "systems", MAX_SYSTEMS, &systems, err) == -1)
		return -1;
	for (i = 0; i < json_array_size(disks); i++) {
		struct fy_machine_disk *d = fy_machine_add_disk(m, err);

		if (d == NULL ||
		    take_struct(json_array_get(disks, i), disk_members, d,
				err) == -1 ||
		    check_disk(d, err) == -1)
			return -1;
	}
	for (i = 0; i < json_array_size(nics); i++) {
		struct fy_machine_nic *n = fy_machine_add_nic(m, err);

		if (n == NULL || take_struct(json_array_get(nics, i),
					     nic_members, n, err) == -1)
			return -1;
	}
	for (i = 0; i < json_array_size(systems); i++) {
		struct fy_machine_system *s = fy_machine_add_system(m, err);

		if (s == NULL || take_struct(json_array_get(systems, i),
					     system_members, s, err) == -1)
			return -1;
	}
	return 0;
}

int
fy_machine_from_json(const json_t *j, struct fy_machine **ret,
		     struct fy_error *err)
{
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(err);

	if (m == NULL || take_struct(j, machine_members, m, err) == -1 ||
	    take_lists(j, m, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&m);
	return 0;
}
