/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A module with all that it needs, in loading order.
 *
 * Depth first over the union of modules.dep and the files' own "depends=".
 * Softdeps are wishes: what can't be had of them is left out.  A cycle, which
 * depmod would refuse, ends at its first repetition.  Wishes that fail late are
 * read again for the next one who wishes them, so reads are counted.
 */
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/modules-internal.h"

#define LIST_MAX       400 /* modules; virtio with its helpers are about 20 */
#define LIST_BYTES_MAX (96 * FY_MIB)
#define READS_MAX      (10 * LIST_MAX)
#define DEPTH_MAX      40

struct collect {
	struct fy_modules *m;
	fy_modules_have have;
	void *have_ctx;
	struct fy_module_list *list;
	const char *busy[DEPTH_MAX];
	unsigned depth, reads;
};

static int collect_one(struct collect *c, const char *name,
		       struct fy_error *err);

static void
cut(struct fy_module_list *l, size_t count)
{
	while (l->count > count)
		fy_module_release(&l->items[--l->count]);
}

void
fy_module_list_release(struct fy_module_list *l)
{
	cut(l, 0);
	free(l->items);
	l->items = NULL;
}

/* Takes 'mod', also when it fails. */
static int
append(struct fy_module_list *l, struct fy_module *mod, struct fy_error *err)
{
	struct fy_module *grown;
	uint64_t bytes = mod->len;
	size_t i;

	for (i = 0; i < l->count; i++)
		bytes += l->items[i].len;
	if (bytes > LIST_BYTES_MAX) {
		fy_module_release(mod);
		return fy_error_set(
			err, FY_E_UNSUPPORTED, 0,
			"more than %llu MiB of modules are wanted",
			(unsigned long long)(LIST_BYTES_MAX / FY_MIB));
	}
	if (l->count >= LIST_MAX) {
		fy_module_release(mod);
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "more than %d modules are wanted",
				    LIST_MAX);
	}
	grown = reallocarray(l->items, l->count + 1, sizeof(*grown));
	if (grown == NULL) {
		fy_module_release(mod);
		return fy_error_nomem(err);
	}
	l->items = grown;
	l->items[l->count++] = *mod;
	return 0;
}

/* For each word of a list, 'soft' ones as far as they can be had. */
static int
collect_words(struct collect *c, const char *p, size_t len,
	      const char *separators, bool soft, struct fy_error *err)
{
	char word[512], name[FY_MODULE_NAME_MAX];
	const char *end = p + len;
	size_t n, mark;

	for (; p < end; p += n) {
		struct fy_error e = { 0 };

		n = 0;
		while (p + n < end && strchr(separators, p[n]) == NULL)
			n++;
		if (n == 0 || n >= sizeof(word)) {
			n += n == 0;
			continue;
		}
		memcpy(word, p, n);
		word[n] = '\0';
		if (soft && word[n - 1] == ':')
			continue; /* "pre:", "post:" */
		if (!fy_module_name_of(word, name, NULL)) {
			if (n >= sizeof(name))
				continue;
			memcpy(name, word, n + 1);
			fy_module_normalise(name);
		}
		mark = c->list->count;
		if (collect_one(c, name, &e) == 0)
			continue;
		if (!soft || (e.code != FY_E_NOTFOUND && e.code != FY_E_FORMAT))
			return *err = e, -1;
		cut(c->list, mark);
	}
	return 0;
}

static int
collect_needs(struct collect *c, const struct fy_module *mod,
	      struct fy_error *err)
{
	const char *line;
	size_t len;

	line = fy_modules_dep_line(c->m, mod->name, &len);
	if (line != NULL &&
	    collect_words(c, line, len, " \t\r", false, err) == -1)
		return -1;
	if (mod->depends == NULL)
		return 0;
	return collect_words(c, mod->depends, strlen(mod->depends), ", \n",
			     false, err);
}

static int
collect_wishes(struct collect *c, const char *name, const char *softdeps,
	       struct fy_error *err)
{
	const char *line;
	size_t len;

	line = fy_modules_softdep_line(c->m, name, &len);
	if (line != NULL &&
	    collect_words(c, line, len, " \t\r", true, err) == -1)
		return -1;
	if (softdeps == NULL)
		return 0;
	return collect_words(c, softdeps, strlen(softdeps), " \t\n", true, err);
}

/* Whether 'name' needs no work: it is there, will be, or is being done. */
static bool
is_done(const struct collect *c, const char *name)
{
	size_t i;

	if (fy_modules_is_builtin(c->m, name) ||
	    (c->have != NULL && c->have(c->have_ctx, name)))
		return true;
	for (i = 0; i < c->depth; i++)
		if (strcmp(c->busy[i], name) == 0)
			return true;
	for (i = 0; i < c->list->count; i++)
		if (strcmp(c->list->items[i].name, name) == 0)
			return true;
	return false;
}

static int
collect_one(struct collect *c, const char *name, struct fy_error *err)
{
	fy_autofree char *softdeps = NULL;
	struct fy_module mod = { 0 };
	int r;

	if (is_done(c, name))
		return 0;
	if (c->depth == DEPTH_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the dependencies of modules are too deep");
	/* No FY_E_FORMAT, which would let wishes go on. */
	if (c->reads++ == READS_MAX)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the dependencies of modules don't come to "
				    "an end");
	if (fy_modules_read(c->m, name, &mod, err) == -1)
		return -1;
	c->busy[c->depth++] = name;
	r = collect_needs(c, &mod, err);
	if (r == -1) {
		fy_error_prefix(err, "module '%s'", mod.name);
		c->depth--;
		fy_module_release(&mod);
		return -1;
	}
	softdeps = fy_steal_ptr(&mod.softdeps);
	r = append(c->list, &mod, err);
	if (r == 0)
		r = collect_wishes(c, name, softdeps, err);
	c->depth--;
	return r;
}

int
fy_modules_collect(struct fy_modules *m, const char *name, fy_modules_have have,
		   void *have_ctx, struct fy_module_list *list,
		   struct fy_error *err)
{
	struct collect c = {
		.m = m, .have = have, .have_ctx = have_ctx, .list = list
	};
	char wanted[FY_MODULE_NAME_MAX];
	size_t mark = list->count;

	if (strlen(name) >= sizeof(wanted))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "no module has such a long name");
	memcpy(wanted, name, strlen(name) + 1);
	fy_module_normalise(wanted);
	if (collect_one(&c, wanted, err) == 0)
		return 0;
	cut(list, mark);
	return -1;
}
