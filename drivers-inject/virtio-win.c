/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The drivers for a Windows, out of a tree of them.
 *
 * Every INF file of the tree is read, whatever its folder is called, and asked
 * which of our devices it serves on that system.  For each device the best
 * one's files are read and looked at; when they are not what the INF says, the
 * next one is tried, and the user told.
 */
#include "drivers-inject/virtio-win-internal.h"

#include <string.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_INFS  5000u
#define MAX_TRIES 4u /* packages for one device */

struct fy_virtio_win {
	struct fy_win_source source;
	bool infs_read;
};

/* The candidates for one system. */
struct pick {
	struct fy_virtio_win *w;
	const struct fy_windows_version *v;
	struct fy_inf_target target;
	struct fy_win_candidate *items; /* by kind, the best first */
	size_t n;
	struct fy_driver_set *ret;
};

int
fy_virtio_win_open(const char *path, struct fy_virtio_win **ret,
		   struct fy_error *err)
{
	struct fy_virtio_win *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return fy_error_nomem(err);
	if (fy_win_source_open(path, &w->source, err) == -1) {
		free(w);
		return -1;
	}
	*ret = w;
	return 0;
}

void
fy_virtio_win_close(struct fy_virtio_win *w)
{
	if (w == NULL)
		return;
	fy_win_source_release(&w->source);
	free(w);
}

const char *
fy_virtio_win_name(const struct fy_virtio_win *w)
{
	return w->source.name;
}

/* --- the INF files --------------------------------------------------------- */

/* Network cards that are passed through have drivers of the same devices. */
static bool
is_left_out(const char *lower)
{
	const char *slash = strrchr(lower, '/');

	return strncmp(lower, "sriov/", 6) == 0 ||
	       strstr(lower, "/sriov/") != NULL ||
	       strncmp(slash == NULL ? lower : slash + 1, "vioprot.", 8) == 0;
}

/* Once for all systems. */
static int
read_infs(struct fy_virtio_win *w, struct fy_error *err)
{
	struct fy_win_source *s = &w->source;
	size_t i, n = 0;

	if (w->infs_read)
		return 0;
	for (i = 0; i < s->n; i++) {
		struct fy_win_entry *e = &s->entries[i];

		if (!fy_win_has_suffix(e->lower, ".inf") ||
		    is_left_out(e->lower))
			continue;
		if (n++ == MAX_INFS)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "more than %u drivers in '%s'",
					    MAX_INFS, s->path);
		e->wanted = true;
	}
	if (fy_win_source_read(s, err) == -1)
		return -1;
	fy_win_source_drop(s); /* nothing is wanted any more */
	w->infs_read = true;
	return 0;
}

/* The kind of device that the INF serves; false: none of ours. */
static bool
kind_of(const struct fy_inf_models *m, size_t *ret_kind, size_t *ret_model)
{
	size_t k, i, j;

	for (k = 0; k < fy_win_n_kinds; k++)
		for (i = 0; i < m->n; i++)
			for (j = 0; j < m->items[i].n_ids; j++)
				if (fy_win_kind_serves(&fy_win_kinds[k],
						       m->items[i].ids[j])) {
					*ret_kind = k;
					*ret_model = i;
					return true;
				}
	return false;
}

/* Whether what the INF installs has no service: a device without a driver. */
static int
look_at_service(struct fy_win_candidate *c, const struct fy_inf_target *t,
		size_t model, struct fy_error *err)
{
	struct fy_inf_install install;

	if (fy_inf_install(c->inf, t, &c->models.items[model], &install, err) ==
	    -1)
		return -1;
	c->null_driver = fy_inf_device_service(&install) == NULL;
	return 0;
}

/* The device that the machine will have, in its first form or that of virtio
 * 1.0: old INFs know the first one only. */
static int
check_defined(const struct pick *p, const struct fy_win_candidate *c,
	      struct fy_error *why)
{
	const struct fy_win_kind *k = &fy_win_kinds[c->kind];
	size_t i, j;

	if (!k->defined)
		return 0;
	for (i = 0; i < c->models.n; i++)
		for (j = 0; j < c->models.items[i].n_ids; j++)
			if (fy_win_id_is(c->models.items[i].ids[j],
					 fy_win_kind_id(k, p->v)))
				return 0;
	return fy_error_set(why, FY_E_UNSUPPORTED, 0,
			    "it does not serve %s, which the virtual machine "
			    "will have; another version of virtio-win may",
			    fy_win_kind_id(k, p->v));
}

/* Whether the INF serves the system; '*ret->inf' is freed when not. */
static int
examine(struct pick *p, const struct fy_win_entry *e,
	struct fy_win_candidate *ret, bool *ret_serves, struct fy_error *why)
{
	fy_autoinf struct fy_inf *inf = NULL;
	size_t model;

	*ret_serves = false;
	if (fy_inf_parse(e->data, e->len, &inf, why) == -1 ||
	    fy_inf_version(inf, p->target.arch, &ret->version, why) == -1 ||
	    fy_inf_models(inf, &p->target, &ret->models, why) == -1)
		return -1;
	ret->entry = e;
	ret->inf = inf;
	if (!kind_of(&ret->models, &ret->kind, &model))
		return 0;
	ret->decoration = ret->models.items[model].decoration;
	ret->release = fy_win_release_in(e->lower);
	if (fy_win_kinds[ret->kind].below != 0 &&
	    p->v->major >= fy_win_kinds[ret->kind].below)
		return 0;
	if (!fy_win_suits(ret, p->v))
		return 0;
	if (check_defined(p, ret, why) == -1 ||
	    look_at_service(ret, &p->target, model, why) == -1)
		return -1;
	*ret_serves = true;
	ret->inf = fy_steal_ptr(&inf);
	return 0;
}

static int
find_candidates(struct pick *p, struct fy_error *err)
{
	struct fy_win_source *s = &p->w->source;
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct fy_win_entry *e = &s->entries[i];
		struct fy_win_candidate c = { 0 }, *grown;
		struct fy_error why = { 0 };
		bool serves = false;

		if (e->data == NULL)
			continue;
		if (examine(p, e, &c, &serves, &why) == -1) {
			if (why.code == FY_E_NOMEM)
				return fy_error_nomem(err);
			if (fy_win_note(&p->ret->warnings, err,
					"'%s' is left out: %s", e->path,
					why.msg) == -1)
				return -1;
			continue;
		}
		if (!serves)
			continue;
		grown = reallocarray(p->items, p->n + 1, sizeof(*grown));
		if (grown == NULL) {
			fy_inf_free(c.inf);
			return fy_error_nomem(err);
		}
		p->items = grown;
		p->items[p->n++] = c;
	}
	return 0;
}

static int
compare_candidates(const void *pa, const void *pb, void *ctx)
{
	const struct fy_win_candidate *a = pa, *b = pb;
	const struct pick *p = ctx;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return fy_win_compare(a, b, p->v);
}

/* --- the packages ---------------------------------------------------------- */

static int
left_out(struct pick *p, const struct fy_win_candidate *c,
	 const struct fy_error *why, struct fy_error *err)
{
	if (why->code == FY_E_NOMEM)
		return fy_error_nomem(err);
	return fy_win_note(&p->ret->warnings, err, "'%s' is left out: %s",
			   c->entry->path, why->msg);
}

/* The package of a candidate; 1 when it is none, which is told. */
static int
try_one(struct pick *p, const struct fy_win_candidate *c, struct fy_error *err)
{
	struct fy_win_source *s = &p->w->source;
	struct fy_driver_set *set = p->ret;
	struct fy_driver d, *grown;
	struct fy_error why = { 0 };

	if (fy_win_driver_want(s, c, &p->target, &why) == -1)
		return left_out(p, c, &why, err) == -1 ? -1 : 1;
	if (fy_win_source_read(s, err) == -1)
		return -1;
	if (fy_win_driver_make(s, c, &p->target, &d, &set->warnings, &why) ==
	    -1)
		return left_out(p, c, &why, err) == -1 ? -1 : 1;
	if (fy_driver_set_find(set, d.name) != NULL) {
		fy_win_driver_release(&d);
		fy_error_set(&why, FY_E_FORMAT, 0,
			     "another driver has its name already");
		return left_out(p, c, &why, err) == -1 ? -1 : 1;
	}
	grown = reallocarray(set->drivers, set->n + 1, sizeof(*grown));
	if (grown == NULL) {
		fy_win_driver_release(&d);
		return fy_error_nomem(err);
	}
	set->drivers = grown;
	set->drivers[set->n++] = d;
	return 0;
}

/* Read what the best one of each kind needs in one pass. */
static int
read_best(struct pick *p, struct fy_error *err)
{
	struct fy_error why;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (i == 0 || p->items[i].kind != p->items[i - 1].kind) {
			fy_error_clear(&why);
			(void)fy_win_driver_want(&p->w->source, &p->items[i],
						 &p->target, &why);
		}
	return fy_win_source_read(&p->w->source, err);
}

/* Drivers that come from an older system's folder, or a newer one's: one
 * sentence for each folder. */
static int
tell_folder(struct pick *p, const struct fy_win_release *r,
	    const struct fy_win_candidate *const *chosen, size_t n,
	    struct fy_error *err)
{
	const struct fy_win_release *is = fy_win_release_of(p->v);
	struct fy_text names = { 0 };
	bool newer = false, any = false;
	int ret = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		enum fy_win_nearness near =
			fy_win_nearness(chosen[i]->release, p->v);

		if (chosen[i]->release != r || near <= FY_WIN_SAME_KERNEL ||
		    near == FY_WIN_UNTOLD)
			continue;
		newer = near == FY_WIN_NEWER;
		fy_text_printf(&names, "%s%s", any ? ", " : "",
			       fy_win_kinds[chosen[i]->kind].name);
		any = true;
	}
	if (fy_text_check(&names, err) == -1)
		ret = -1;
	else if (any)
		ret = fy_win_note(&p->ret->warnings, err,
				  "there are no drivers for %s (%s) in '%s': "
				  "those for %s (%s)%s are taken: %s",
				  is->title, is->folder, p->w->source.path,
				  r->title, r->folder,
				  newer ? ", whose INF files allow it," : "",
				  names.data);
	fy_text_release(&names);
	return ret;
}

static int
choose(struct pick *p, struct fy_error *err)
{
	const struct fy_win_candidate *chosen[32];
	size_t i, j, tries = 0, n = 0;
	bool have = false;
	int r;

	if (read_best(p, err) == -1)
		return -1;
	for (i = 0; i < p->n; i++) {
		if (i > 0 && p->items[i].kind != p->items[i - 1].kind) {
			have = false;
			tries = 0;
		}
		if (have || tries++ == MAX_TRIES)
			continue;
		r = try_one(p, &p->items[i], err);
		if (r == -1)
			return -1;
		have = r == 0;
		if (have && n < sizeof(chosen) / sizeof(*chosen))
			chosen[n++] = &p->items[i];
	}
	for (i = 0; i < n; i++) {
		for (j = 0; j < i; j++)
			if (chosen[j]->release == chosen[i]->release)
				break;
		if (j == i && chosen[i]->release != NULL &&
		    tell_folder(p, chosen[i]->release, chosen, n, err) == -1)
			return -1;
	}
	return 0;
}

/* --- the guest agent ------------------------------------------------------- */

/* The first one of these names, wherever it is. */
static struct fy_win_entry *
find_agent(const struct fy_win_source *s, const char *const *names)
{
	size_t i, k;

	for (k = 0; names[k] != NULL; k++)
		for (i = 0; i < s->n; i++) {
			const char *slash = strrchr(s->entries[i].lower, '/');

			if (strcmp(slash == NULL ? s->entries[i].lower
						 : slash + 1,
				   names[k]) == 0)
				return &s->entries[i];
		}
	return NULL;
}

static int
take_agent(struct pick *p, struct fy_error *err)
{
	static const char *const x86[] = { "qemu-ga-i386.msi",
					   "qemu-ga-x86.msi", "rhev-qga.msi",
					   NULL };
	static const char *const amd64[] = { "qemu-ga-x86_64.msi",
					     "qemu-ga-x64.msi",
					     "rhev-qga64.msi", NULL };
	struct fy_driver_file *f = &p->ret->guest_agent;
	struct fy_win_entry *e;

	if (p->target.arch != FY_INF_X86 && p->target.arch != FY_INF_AMD64)
		return 0;
	e = find_agent(&p->w->source,
		       p->target.arch == FY_INF_X86 ? x86 : amd64);
	if (e == NULL)
		return 0;
	/* Its program wants what Windows has since Vista. */
	if (p->v->major < 6)
		return fy_win_note(&p->ret->warnings, err,
				   "the guest agent is left out: it does not "
				   "run on a Windows this old");
	e->wanted = true;
	if (fy_win_source_read(&p->w->source, err) == -1)
		return -1;
	if (e->data == NULL)
		return 0; /* told by a note */
	f->name = strdup(strrchr(e->lower, '/') == NULL
				 ? e->lower
				 : strrchr(e->lower, '/') + 1);
	if (f->name == NULL)
		return fy_error_nomem(err);
	f->data = fy_steal_ptr(&e->data);
	f->len = e->len;
	return 0;
}

/* --- all of it ------------------------------------------------------------- */

static int
compare_drivers(const void *pa, const void *pb)
{
	return strcmp(((const struct fy_driver *)pa)->name,
		      ((const struct fy_driver *)pb)->name);
}

/* The folders of storage drivers that there are, for the message. */
static void
list_folders(const struct pick *p, struct fy_text *ret)
{
	const struct fy_win_source *s = &p->w->source;
	struct fy_string_set seen = { 0 };
	const struct fy_win_release *r;
	size_t i;

	for (i = 0; i < s->n; i++) {
		r = s->entries[i].data == NULL
			    ? NULL
			    : fy_win_release_in(s->entries[i].lower);
		if (r == NULL || fy_string_set_has(&seen, r->folder))
			continue;
		fy_text_printf(ret, "%s%s", seen.n == 0 ? "" : ", ", r->folder);
		if (fy_string_set_add(&seen, r->folder, NULL) == -1)
			break;
	}
	fy_string_set_release(&seen);
}

/* What was told of storage drivers that are there. */
static const char *
why_none(const struct pick *p)
{
	const struct fy_string_set *w = &p->ret->warnings;
	size_t i;

	for (i = 0; i < w->n; i++)
		if (strstr(w->items[i], "viostor") != NULL)
			return w->items[i];
	return NULL;
}

static int
no_storage(const struct pick *p, struct fy_error *err)
{
	const char *why = why_none(p);
	const struct fy_win_release *is = fy_win_release_of(p->v);
	struct fy_text folders = { 0 };

	list_folders(p, &folders);
	fy_error_set(err, FY_E_NOTFOUND, 0,
		     "'%s' has no storage driver (viostor) for %s %s "
		     "(%u.%u.%u%s%s); it has folders for: %s%s%s",
		     p->w->source.path, is == NULL ? "Windows" : is->title,
		     p->v->arch, p->v->major, p->v->minor, p->v->build,
		     is == NULL ? "" : ", folder ",
		     is == NULL ? "" : is->folder,
		     folders.data == NULL ? "none" : folders.data,
		     why == NULL ? "" : "; ", why == NULL ? "" : why);
	fy_text_release(&folders);
	return -1;
}

/* Whether one of the set serves the device of the definition. */
static bool
serves(const struct pick *p, const struct fy_driver *d, const char *kind)
{
	size_t k = 0, i;

	while (strcmp(fy_win_kinds[k].name, kind) != 0)
		k++;
	for (i = 0; d->service != NULL && i < d->n_devices; i++)
		if (fy_win_id_is(d->devices[i].hardware_id,
				 fy_win_kind_id(&fy_win_kinds[k], p->v)))
			return true;
	return false;
}

/* The disk must be reached; a NIC without a driver can be helped. */
static int
check_set(struct pick *p, struct fy_error *err)
{
	struct fy_driver_set *set = p->ret;
	bool storage = false, network = false;
	size_t i;

	for (i = 0; i < set->n; i++) {
		const struct fy_driver *d = &set->drivers[i];

		storage |= d->boot && serves(p, d, "viostor");
		network |= serves(p, d, "netkvm");
	}
	if (!storage)
		return no_storage(p, err);
	if (network)
		return 0;
	return fy_win_note(&set->warnings, err,
			   "'%s' has no network driver (netkvm) for this "
			   "Windows: it has no network until there is one, or "
			   "until the definition's NIC is of a model that "
			   "Windows knows (%s instead of virtio)",
			   p->w->source.path,
			   p->v->major < 6 ? "rtl8139" : "e1000");
}

static int
pick_all(struct pick *p, struct fy_error *err)
{
	struct fy_driver_set *set = p->ret;
	size_t i;

	if (read_infs(p->w, err) == -1)
		return -1;
	for (i = 0; i < p->w->source.notes.n; i++)
		if (fy_string_set_add(&set->warnings,
				      p->w->source.notes.items[i], err) == -1)
			return -1;
	if (find_candidates(p, err) == -1)
		return -1;
	if (p->n > 0)
		qsort_r(p->items, p->n, sizeof(*p->items), compare_candidates,
			p);
	if (choose(p, err) == -1 || check_set(p, err) == -1)
		return -1;
	fy_sort(set->drivers, set->n, sizeof(*set->drivers), compare_drivers);
	return take_agent(p, err);
}

int
fy_virtio_win_pick(struct fy_virtio_win *w, const struct fy_windows_version *v,
		   struct fy_driver_set *ret, struct fy_error *err)
{
	struct pick p = { .w = w, .v = v, .ret = ret };
	size_t i;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!fy_win_target(v, &p.target))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "no drivers for Windows on the "
				    "architecture '%s'",
				    v->arch);
	r = pick_all(&p, err);
	fy_win_source_drop(&w->source);
	for (i = 0; i < p.n; i++)
		fy_inf_free(p.items[i].inf);
	free(p.items);
	if (r == -1)
		fy_driver_set_release(ret);
	return r;
}
