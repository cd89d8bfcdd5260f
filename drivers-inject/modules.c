/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index of a guest kernel's modules.
 *
 * The files are found by walking lib/modules/VERSION, not by modules.dep: that
 * may name files that are gone (a DKMS module that was removed) or lack files
 * that are there.  Of several files with one name the guest's "search" order
 * decides, as its depmod would; at a draw the one that modules.dep lists.
 * What a module needs is the union of modules.dep and its own "depends=", so a
 * stale index can't lose a dependency.
 *
 * Tables are sorted arrays of names that are looked up by bsearch.
 */
#include "drivers-inject/modules.h"

#include <ctype.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/modules-internal.h"

#define FILES_MAX  50000
#define DIRS_MAX   20000
#define DEPTH_MAX  24
#define LINES_MAX  100000 /* of modules.dep and the like */
#define TEXT_MAX   (8 * FY_MIB)
#define PACKED_MAX (64 * FY_MIB)
#define PLAIN_MAX  (64 * FY_MIB)

struct index_entry {
	char *name;
	char *path;	  /* of a file; NULL in the other tables */
	const char *text; /* the list behind the name; in the table's text */
	size_t text_len;
	int rank;
};

struct table {
	struct index_entry *items;
	size_t count, room;
};

struct fy_modules {
	struct fy_modules_source source;
	char *version, *base, *search;
	char *builtin_text, *order_text, *modinfo_text;
	size_t builtin_len, order_len, modinfo_len;
	char *dep_text, *softdep_text;
	size_t dirs, files;
	struct table index, builtin, deps, softdeps;
};

static struct index_entry *
table_append(struct table *t, const char *name, struct fy_error *err)
{
	struct index_entry *e;

	if (t->count == LINES_MAX) {
		fy_error_set(err, FY_E_FORMAT, 0, "more than %d entries",
			     LINES_MAX);
		return NULL;
	}
	if (t->count == t->room) {
		size_t room = t->room * 2 + 64;

		e = reallocarray(t->items, room, sizeof(*e));
		if (e == NULL) {
			fy_error_nomem(err);
			return NULL;
		}
		t->items = e;
		t->room = room;
	}
	e = &t->items[t->count];
	memset(e, 0, sizeof(*e));
	e->name = fy_format(err, "%s", name);
	if (e->name == NULL)
		return NULL;
	t->count++;
	return e;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct index_entry *)a)->name,
		      ((const struct index_entry *)b)->name);
}

/* qsort wants no NULL. */
static void
table_sort(struct table *t)
{
	fy_sort(t->items, t->count, sizeof(t->items[0]), compare);
}

static struct index_entry *
table_find(const struct table *t, const char *name)
{
	char wanted[FY_MODULE_NAME_MAX];
	struct index_entry key = { .name = wanted };

	if (strlen(name) >= sizeof(wanted) || t->count == 0)
		return NULL;
	memcpy(wanted, name, strlen(name) + 1);
	fy_module_normalise(wanted);
	return bsearch(&key, t->items, t->count, sizeof(key), compare);
}

static void
table_release(struct table *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		free(t->items[i].name);
		free(t->items[i].path);
	}
	free(t->items);
}

void
fy_modules_free(struct fy_modules *m)
{
	if (m == NULL)
		return;
	table_release(&m->index);
	table_release(&m->builtin);
	table_release(&m->deps);
	table_release(&m->softdeps);
	free(m->version);
	free(m->base);
	free(m->search);
	free(m->builtin_text);
	free(m->order_text);
	free(m->modinfo_text);
	free(m->dep_text);
	free(m->softdep_text);
	free(m);
}

/* A text file of the kernel's directory; a missing one is "" and NULL. */
static int
read_text(struct fy_modules *m, const char *name, char **ret, size_t *ret_len,
	  struct fy_error *err)
{
	fy_autofree char *path = fy_format(err, "%s/%s", m->base, name);
	struct fy_error e = { 0 };

	*ret_len = 0;
	if (path == NULL)
		return -1;
	if (m->source.read_file(m->source.ctx, path, TEXT_MAX, ret, ret_len,
				&e) == 0)
		return 0;
	if (e.code == FY_E_NOTFOUND)
		return 0;
	*err = e;
	return -1;
}

/* For each line: its start and length; 'at' moves on. */
static bool
next_line(const char **at, const char **line, size_t *len)
{
	if (*at == NULL || **at == '\0')
		return false;
	*line = *at;
	*len = strcspn(*at, "\n");
	*at += *len + ((*at)[*len] == '\n');
	return true;
}

/* Append the module that the path in 'p', 'len' bytes, stands for. */
static int
append_by_path(struct table *t, const char *p, size_t len,
	       struct index_entry **ret, struct fy_error *err)
{
	char path[512], name[FY_MODULE_NAME_MAX];

	*ret = NULL;
	if (len >= sizeof(path))
		return 0;
	memcpy(path, p, len);
	path[len] = '\0';
	if (!fy_module_name_of(path, name, NULL))
		return 0;
	*ret = table_append(t, name, err);
	return *ret != NULL ? 0 : -1;
}

static int
parse_builtin(struct fy_modules *m, struct fy_error *err)
{
	const char *at = m->builtin_text, *line;
	struct index_entry *e;
	size_t len;

	while (next_line(&at, &line, &len))
		if (append_by_path(&m->builtin, line, len, &e, err) == -1)
			return -1;
	table_sort(&m->builtin);
	return 0;
}

/* "path: path path" */
static int
parse_dep(struct fy_modules *m, struct fy_error *err)
{
	const char *at = m->dep_text, *line, *colon;
	struct index_entry *e;
	size_t len;

	while (next_line(&at, &line, &len)) {
		colon = memchr(line, ':', len);
		if (colon == NULL)
			continue;
		if (append_by_path(&m->deps, line, (size_t)(colon - line), &e,
				   err) == -1)
			return -1;
		if (e == NULL)
			continue;
		e->text = colon + 1;
		e->text_len = len - (size_t)(colon + 1 - line);
		e->path = strndup(line, (size_t)(colon - line));
		if (e->path == NULL)
			return fy_error_nomem(err);
	}
	table_sort(&m->deps);
	return 0;
}

/* "softdep NAME pre: a b post: c" */
static int
parse_softdep(struct fy_modules *m, struct fy_error *err)
{
	const char *at = m->softdep_text, *line, *p;
	char name[FY_MODULE_NAME_MAX];
	struct index_entry *e;
	size_t len, n;

	while (next_line(&at, &line, &len)) {
		if (len < 8 || memcmp(line, "softdep ", 8) != 0)
			continue;
		p = line + 8 + strspn(line + 8, " ");
		n = strcspn(p, " \n");
		if (n == 0 || n >= sizeof(name))
			continue;
		memcpy(name, p, n);
		name[n] = '\0';
		fy_module_normalise(name);
		e = table_append(&m->softdeps, name, err);
		if (e == NULL)
			return -1;
		e->text = p + n;
		e->text_len = len - (size_t)(p + n - line);
	}
	table_sort(&m->softdeps);
	return 0;
}

static bool
is_plain_token(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr("_./-", p[i]))
			return false;
	return len > 0 && len < 200;
}

/* Take the first "search" line of a depmod.d file. */
static int
parse_search(struct fy_modules *m, const char *text, struct fy_error *err)
{
	const char *at = text, *line;
	size_t len, n, i;

	while (next_line(&at, &line, &len)) {
		fy_autofree char *search = NULL;

		if (len < 7 || memcmp(line, "search", 6) != 0 ||
		    !isblank((unsigned char)line[6]))
			continue;
		for (i = 6; i < len; i += n) {
			char *longer;

			i += strspn(line + i, " \t\r");
			if (i >= len)
				break;
			n = strcspn(line + i, " \t\r\n");
			if (!is_plain_token(line + i, n))
				return 0;
			longer = fy_format(
				err, "%s%s%.*s", search != NULL ? search : "",
				search != NULL ? " " : "", (int)n, line + i);
			if (longer == NULL)
				return -1;
			free(search);
			search = longer;
		}
		if (search != NULL) {
			m->search = fy_steal_ptr(&search);
			return 0;
		}
	}
	return 0;
}

struct conf_list {
	struct table names;
	size_t seen;
};

static int
conf_name(void *ctx, const char *name, enum fy_modules_type type,
	  struct fy_error *err)
{
	struct conf_list *l = ctx;
	size_t len = strlen(name);

	if (type == FY_MODULES_DIR || len < 6 || len > 200 ||
	    strcmp(name + len - 5, ".conf") != 0 || l->seen++ > 1000)
		return 0;
	return table_append(&l->names, name, err) != NULL ? 0 : -1;
}

/* NOTFOUND is fine. */
static int
forgive_missing(int r, struct fy_error *e, struct fy_error *err)
{
	if (r == 0 || e->code == FY_E_NOTFOUND)
		return 0;
	*err = *e;
	return -1;
}

static int
read_search_of(struct fy_modules *m, const char *dir, const struct conf_list *l,
	       struct fy_error *err)
{
	size_t i;

	for (i = 0; i < l->names.count && m->search == NULL; i++) {
		fy_autofree char *path = NULL;
		fy_autofree char *text = NULL;
		struct fy_error e = { 0 };
		size_t len;
		int r;

		path = fy_format(err, "%s/%s", dir, l->names.items[i].name);
		if (path == NULL)
			return -1;
		r = m->source.read_file(m->source.ctx, path, FY_MIB, &text,
					&len, &e);
		if (forgive_missing(r, &e, err) == -1 ||
		    (r == 0 && parse_search(m, text, err) == -1))
			return -1;
	}
	return 0;
}

static int
read_search(struct fy_modules *m, struct fy_error *err)
{
	static const char *const dirs[] = { "etc/depmod.d",
					    "usr/local/lib/depmod.d",
					    "usr/lib/depmod.d",
					    "lib/depmod.d" };
	size_t i;
	int r;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		struct conf_list l = { 0 };
		struct fy_error e = { 0 };

		r = m->source.list_dir(m->source.ctx, dirs[i], conf_name, &l,
				       &e);
		r = forgive_missing(r, &e, err);
		table_sort(&l.names);
		if (r == 0 && m->search == NULL)
			r = read_search_of(m, dirs[i], &l, err);
		table_release(&l.names);
		if (r == -1)
			return -1;
	}
	if (m->search == NULL)
		m->search = fy_format(err, "updates built-in");
	return m->search != NULL ? 0 : -1;
}

/* The place of a path in the search order: lower is preferred. */
static int
rank_of(const char *search, const char *path)
{
	int i = 0, found = -1, builtin = 1000;
	size_t n;

	for (; *search != '\0'; search += n, i++) {
		search += strspn(search, " ");
		n = strcspn(search, " ");
		if (n == 8 && memcmp(search, "built-in", 8) == 0)
			builtin = i;
		else if (strncmp(path, search, n) == 0 && path[n] == '/' &&
			 found == -1)
			found = i;
	}
	return found != -1 ? found : builtin;
}

struct walk {
	struct fy_modules *m;
	const char *dir; /* below the kernel's directory; "" at the top */
	unsigned depth;
	struct table below; /* directories to visit */
};

static int walk_dir(struct fy_modules *m, const char *dir, unsigned depth,
		    struct fy_error *err);

static int
walk_entry(void *ctx, const char *entry, enum fy_modules_type type,
	   struct fy_error *err)
{
	struct walk *w = ctx;
	char name[FY_MODULE_NAME_MAX];
	fy_autofree char *path = NULL;
	struct index_entry *e;

	if (type == FY_MODULES_OTHER || strlen(entry) > 255)
		return 0;
	path = fy_format(err, "%s%s%s", w->dir, *w->dir ? "/" : "", entry);
	if (path == NULL)
		return -1;
	if (type == FY_MODULES_DIR)
		return table_append(&w->below, path, err) != NULL ? 0 : -1;
	if (!fy_module_name_of(path, name, NULL))
		return 0;
	if (w->m->files++ >= FILES_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' has too many modules", w->m->base);
	e = table_append(&w->m->index, name, err);
	if (e == NULL)
		return -1;
	e->rank = rank_of(w->m->search, path);
	e->path = fy_steal_ptr(&path);
	return 0;
}

static int
walk_dir(struct fy_modules *m, const char *dir, unsigned depth,
	 struct fy_error *err)
{
	struct walk w = { .m = m, .dir = dir, .depth = depth };
	fy_autofree char *path = NULL;
	size_t i;
	int r;

	if (depth > DEPTH_MAX || m->dirs++ >= DIRS_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' has too many directories", m->base);
	path = fy_format(err, "%s%s%s", m->base, *dir ? "/" : "", dir);
	if (path == NULL)
		return -1;
	r = m->source.list_dir(m->source.ctx, path, walk_entry, &w, err);
	for (i = 0; i < w.below.count && r == 0; i++)
		r = walk_dir(m, w.below.items[i].name, depth + 1, err);
	table_release(&w.below);
	return r;
}

/* Whether 'a' is chosen before 'b', which has the same name. */
static bool
is_preferred(const struct fy_modules *m, const struct index_entry *a,
	     const struct index_entry *b)
{
	const struct index_entry *dep;

	if (a->rank != b->rank)
		return a->rank < b->rank;
	dep = table_find(&m->deps, a->name);
	if (dep != NULL && strcmp(dep->path, a->path) == 0)
		return true;
	if (dep != NULL && strcmp(dep->path, b->path) == 0)
		return false;
	return strcmp(a->path, b->path) < 0;
}

/* Sort by name and keep one of each. */
static void
settle_index(struct fy_modules *m)
{
	struct index_entry *items = m->index.items, loser;
	size_t i, kept = 0;

	table_sort(&m->index);
	for (i = 0; i < m->index.count; i++) {
		if (kept == 0 ||
		    strcmp(items[kept - 1].name, items[i].name) != 0) {
			items[kept++] = items[i];
			continue;
		}
		loser = items[i];
		if (is_preferred(m, &items[i], &items[kept - 1])) {
			loser = items[kept - 1];
			items[kept - 1] = items[i];
		}
		free(loser.name);
		free(loser.path);
	}
	m->index.count = kept;
}

static int
check_version(const char *version, struct fy_error *err)
{
	size_t i, len = strlen(version);

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)version[i]) &&
		    !strchr("_.+~:-", version[i]))
			len = 0;
	if (len == 0 || len > 128 || version[0] == '.' || version[0] == '-')
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.100s' is no kernel version", version);
	return 0;
}

static int
read_all(struct fy_modules *m, struct fy_error *err)
{
	size_t len;

	if (read_search(m, err) == -1 ||
	    read_text(m, "modules.builtin", &m->builtin_text, &m->builtin_len,
		      err) == -1 ||
	    read_text(m, "modules.order", &m->order_text, &m->order_len, err) ==
		    -1 ||
	    read_text(m, "modules.builtin.modinfo", &m->modinfo_text,
		      &m->modinfo_len, err) == -1 ||
	    read_text(m, "modules.dep", &m->dep_text, &len, err) == -1 ||
	    read_text(m, "modules.softdep", &m->softdep_text, &len, err) == -1)
		return -1;
	if (parse_builtin(m, err) == -1 || parse_dep(m, err) == -1 ||
	    parse_softdep(m, err) == -1)
		return -1;
	return walk_dir(m, "", 0, err);
}

int
fy_modules_open(const struct fy_modules_source *source, const char *version,
		struct fy_modules **ret, struct fy_error *err)
{
	FY_AUTO(modules) struct fy_modules *m = NULL;

	if (check_version(version, err) == -1)
		return -1;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return fy_error_nomem(err);
	m->source = *source;
	m->version = fy_format(err, "%s", version);
	m->base = fy_format(err, "lib/modules/%s", version);
	if (m->version == NULL || m->base == NULL)
		return -1;
	if (read_all(m, err) == -1)
		return fy_error_prefix(err, "modules of Linux %s", version);
	settle_index(m);
	*ret = fy_steal_ptr(&m);
	return 0;
}

const char *
fy_modules_version(const struct fy_modules *m)
{
	return m->version;
}

bool
fy_modules_is_builtin(const struct fy_modules *m, const char *name)
{
	return table_find(&m->builtin, name) != NULL;
}

const char *
fy_modules_path(const struct fy_modules *m, const char *name)
{
	const struct index_entry *e = table_find(&m->index, name);

	return e != NULL ? e->path : NULL;
}

const char *
fy_modules_search(const struct fy_modules *m)
{
	return m->search;
}

const char *
fy_modules_builtin_text(const struct fy_modules *m, size_t *ret_len)
{
	*ret_len = m->builtin_len;
	return m->builtin_text != NULL ? m->builtin_text : "";
}

const char *
fy_modules_order_text(const struct fy_modules *m, size_t *ret_len)
{
	*ret_len = m->order_len;
	return m->order_text != NULL ? m->order_text : "";
}

const char *
fy_modules_builtin_modinfo(const struct fy_modules *m, size_t *ret_len)
{
	*ret_len = m->modinfo_len;
	return m->modinfo_text;
}

static const char *
line_of(const struct table *t, const char *name, size_t *ret_len)
{
	const struct index_entry *e = table_find(t, name);

	*ret_len = e != NULL ? e->text_len : 0;
	return e != NULL ? e->text : NULL;
}

const char *
fy_modules_dep_line(const struct fy_modules *m, const char *name,
		    size_t *ret_len)
{
	return line_of(&m->deps, name, ret_len);
}

const char *
fy_modules_softdep_line(const struct fy_modules *m, const char *name,
			size_t *ret_len)
{
	return line_of(&m->softdeps, name, ret_len);
}

void
fy_module_release(struct fy_module *mod)
{
	free(mod->name);
	free(mod->path);
	free(mod->data);
	free(mod->depends);
	free(mod->softdeps);
	memset(mod, 0, sizeof(*mod));
}

struct info {
	const char *version;
	struct fy_module *mod;
	bool vermagic_seen, vermagic_ok;
};

static int
take_info(void *ctx, const char *key, size_t key_len, const char *value,
	  struct fy_error *err)
{
	struct info *info = ctx;
	size_t len = strlen(info->version);
	char **text, *longer;

	if (key_len == 8 && memcmp(key, "vermagic", 8) == 0) {
		info->vermagic_seen = true;
		info->vermagic_ok = strncmp(value, info->version, len) == 0 &&
				    (value[len] == ' ' || value[len] == '\0');
		return 0;
	}
	if (key_len == 7 && memcmp(key, "depends", 7) == 0)
		text = &info->mod->depends;
	else if (key_len == 7 && memcmp(key, "softdep", 7) == 0)
		text = &info->mod->softdeps;
	else
		return 0;
	if (strlen(value) > 8192 || (*text != NULL && strlen(*text) > FY_MIB))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a list of dependencies is too long");
	longer = fy_format(err, "%s%s%s", *text != NULL ? *text : "",
			   *text != NULL ? "\n" : "", value);
	if (longer == NULL)
		return -1;
	free(*text);
	*text = longer;
	return 0;
}

static int
check_module(struct fy_modules *m, struct fy_module *mod, struct fy_error *err)
{
	struct info info = { .version = m->version, .mod = mod };

	if (fy_modinfo_read(mod->data, mod->len, take_info, &info, err) == -1)
		return -1;
	if (!info.vermagic_seen || !info.vermagic_ok)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "not made for Linux %s", m->version);
	return 0;
}

int
fy_modules_read(struct fy_modules *m, const char *name, struct fy_module *ret,
		struct fy_error *err)
{
	const struct index_entry *e = table_find(&m->index, name);
	struct fy_module mod = { 0 };
	fy_autofree char *path = NULL;
	fy_autofree char *packed = NULL;
	char unused[FY_MODULE_NAME_MAX];
	size_t len, stem;

	if (e == NULL || !fy_module_name_of(e->path, unused, &stem))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "Linux %s has no module '%.100s'",
				    m->version, name);
	path = fy_format(err, "%s/%s", m->base, e->path);
	if (path == NULL || m->source.read_file(m->source.ctx, path, PACKED_MAX,
						&packed, &len, err) == -1)
		return -1;
	mod.name = fy_format(err, "%s", e->name);
	mod.path = fy_format(err, "%.*s", (int)stem, e->path);
	if (mod.name == NULL || mod.path == NULL ||
	    fy_module_decompress(packed, len, PLAIN_MAX, &mod.data, &mod.len,
				 err) == -1 ||
	    check_module(m, &mod, err) == -1) {
		fy_module_release(&mod);
		return fy_error_prefix(err, "'%s'", path);
	}
	*ret = mod;
	return 0;
}
