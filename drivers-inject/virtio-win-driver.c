/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One driver package out of its INF and the files beside it: copied, so that
 * it stays when the source is closed.  All the files that the INF installs
 * must be there, and a driver's program must be one for this architecture.
 */
#include "drivers-inject/virtio-win-internal.h"

#include <ctype.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_FILES 256u

/* --- programs -------------------------------------------------------------- */

int
fy_win_check_program(const char *data, size_t len, enum fy_inf_arch arch,
		     uint32_t newest, struct fy_error *err)
{
	static const uint16_t machines[] = { [FY_INF_X86] = 0x014c,
					     [FY_INF_AMD64] = 0x8664,
					     [FY_INF_ARM64] = 0xaa64 };
	uint32_t at, needs;
	uint16_t machine;

	if (len < 0x40 || memcmp(data, "MZ", 2) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0, "is no program");
	at = fy_get_le32(data + 0x3c);
	/* Signature, COFF header, and the optional one up to the version of
	 * the subsystem. */
	if (len < 76 || at > len - 76 || memcmp(data + at, "PE\0\0", 4) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "is no program of Windows'");
	machine = fy_get_le16(data + at + 4);
	if (arch > FY_INF_ARM64 || machine != machines[arch])
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "is for another architecture (0x%04x), not "
				    "for %s",
				    machine, fy_inf_arch_name(arch));
	needs = (uint32_t)fy_get_le16(data + at + 72) << 16 |
		fy_get_le16(data + at + 74);
	if (newest != 0 && needs > newest)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "is built for Windows %u.%u", needs >> 16,
				    needs & 0xffff);
	return 0;
}

/* --- which files ----------------------------------------------------------- */

struct package {
	const struct fy_win_candidate *c;
	struct fy_inf_install *installs; /* of each model */
	size_t n;
};

/* What each model of the INF installs; free 'installs'. */
static int
open_package(const struct fy_win_candidate *c,
	     const struct fy_inf_target *target, struct package *ret,
	     struct fy_error *err)
{
	size_t i;

	ret->c = c;
	ret->n = c->models.n;
	ret->installs = calloc(ret->n, sizeof(*ret->installs));
	if (ret->installs == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < ret->n; i++)
		if (fy_inf_install(c->inf, target, &c->models.items[i],
				   &ret->installs[i], err) == -1)
			return -1;
	return 0;
}

/* The entry of a file beside the INF; NULL: not there. */
static struct fy_win_entry *
beside(const struct fy_win_source *s, const struct fy_win_candidate *c,
       const char *name)
{
	const char *slash = strrchr(c->entry->lower, '/');
	size_t dir = slash == NULL ? 0 : (size_t)(slash - c->entry->lower) + 1;
	char path[1024];
	size_t n = strlen(name), i;

	if (dir + n >= sizeof(path))
		return NULL;
	memcpy(path, c->entry->lower, dir);
	for (i = 0; i <= n; i++)
		path[dir + i] = (char)tolower((unsigned char)name[i]);
	return fy_win_source_find(s, path);
}

static const char *
inf_name(const struct fy_win_candidate *c)
{
	const char *slash = strrchr(c->entry->lower, '/');

	return slash == NULL ? c->entry->lower : slash + 1;
}

static int
want_one(const struct fy_win_source *s, const struct package *p,
	 const char *name, struct fy_error *err)
{
	struct fy_win_entry *e = beside(s, p->c, name);

	if (strchr(name, '/') != NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "its file '%s' is in a folder of its own",
				    name);
	if (e == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "its file '%s' is not there", name);
	e->wanted = true;
	return 0;
}

int
fy_win_driver_want(struct fy_win_source *s, const struct fy_win_candidate *c,
		   const struct fy_inf_target *target, struct fy_error *err)
{
	struct package p = { 0 };
	struct fy_win_entry *e;
	size_t i, j, files = 0;
	int r = open_package(c, target, &p, err);

	for (i = 0; r == 0 && i < p.n; i++) {
		files += p.installs[i].n_files;
		if (files > MAX_FILES)
			r = fy_error_set(err, FY_E_FORMAT, 0,
					 "it has more than %u files",
					 MAX_FILES);
		for (j = 0; r == 0 && j < p.installs[i].n_files; j++)
			r = want_one(s, &p, p.installs[i].files[j].source, err);
	}
	if (r == 0 && *c->version.catalog != '\0') {
		e = beside(s, c, c->version.catalog);
		if (e != NULL)
			e->wanted = true;
	}
	free(p.installs);
	return r;
}

/* --- copying --------------------------------------------------------------- */

/* NULL for what is empty. */
static int
copy_text(char **to, const char *s, struct fy_error *err)
{
	if (s == NULL || *s == '\0')
		return 0;
	*to = strdup(s);
	return *to == NULL ? fy_error_nomem(err) : 0;
}

/* "" stays "". */
static int
copy_full(char **to, const char *s, struct fy_error *err)
{
	*to = strdup(s);
	return *to == NULL ? fy_error_nomem(err) : 0;
}

static void
lower(char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		*s = (char)tolower((unsigned char)*s);
}

static int
copy_file(const struct fy_win_entry *e, struct fy_driver *d,
	  struct fy_error *err)
{
	const char *slash = strrchr(e->lower, '/');
	const char *name = slash == NULL ? e->lower : slash + 1;
	struct fy_driver_file *grown, *f;

	if (fy_driver_file_find(d, name) != NULL)
		return 0;
	if (e->data == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "its file '%s' can't be read", name);
	grown = reallocarray(d->files, d->n_files + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	d->files = grown;
	f = &grown[d->n_files];
	memset(f, 0, sizeof(*f));
	f->name = strdup(name);
	f->data = malloc(e->len + 1);
	d->n_files++;
	if (f->name == NULL || f->data == NULL)
		return fy_error_nomem(err);
	memcpy(f->data, e->data, e->len + 1);
	f->len = e->len;
	return 0;
}

static int
copy_files(const struct fy_win_source *s, const struct package *p,
	   struct fy_driver *d, struct fy_string_set *notes,
	   struct fy_error *err)
{
	const struct fy_win_entry *e;
	size_t i, j;

	if (copy_file(p->c->entry, d, err) == -1)
		return -1;
	for (i = 0; i < p->n; i++)
		for (j = 0; j < p->installs[i].n_files; j++) {
			e = beside(s, p->c, p->installs[i].files[j].source);
			if (e == NULL)
				return fy_error_set(
					err, FY_E_FORMAT, 0,
					"its file '%s' is not there",
					p->installs[i].files[j].source);
			if (copy_file(e, d, err) == -1)
				return -1;
		}
	if (*p->c->version.catalog == '\0')
		return 0;
	e = beside(s, p->c, p->c->version.catalog);
	if (e == NULL || e->data == NULL)
		return fy_win_note(notes, err,
				   "'%s': the catalog '%s' is not there: "
				   "Windows will take the driver for unsigned",
				   p->c->entry->path, p->c->version.catalog);
	return copy_file(e, d, err);
}

/* The values that HKR has in the list. */
static int
copy_values(const struct fy_inf_regs *regs, struct fy_driver_value **ret,
	    size_t *ret_n, struct fy_error *err)
{
	size_t i;

	*ret = calloc(regs->n == 0 ? 1 : regs->n, sizeof(**ret));
	if (*ret == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < regs->n; i++) {
		const struct fy_inf_reg *r = &regs->items[i];
		struct fy_driver_value *v = &(*ret)[*ret_n];

		/* 0x4 deletes a value. */
		if (r->key_only || (r->flags & 0x4u) != 0 ||
		    strcasecmp(r->root, "HKR") != 0)
			continue;
		(*ret_n)++;
		v->type = (enum fy_driver_value_type)r->type;
		v->len = r->len;
		if ((v->type == FY_DRIVER_SZ ||
		     v->type == FY_DRIVER_EXPAND_SZ) &&
		    v->len > 0)
			v->len--;
		v->data = malloc(r->len + 1);
		if (v->data == NULL)
			return fy_error_nomem(err);
		if (r->len > 0)
			memcpy(v->data, r->data, r->len);
		v->data[r->len] = '\0';
		if (copy_full(&v->key, r->subkey, err) == -1 ||
		    copy_full(&v->name, r->name, err) == -1)
			return -1;
	}
	return 0;
}

static int
copy_service(const struct fy_inf_service *s, struct fy_driver *d,
	     struct fy_error *err)
{
	const char *p = strrchr(s->binary_tail, '\\');

	d->start = s->start;
	d->type = s->type;
	d->error = s->error_control;
	if (copy_text(&d->service, s->name, err) == -1 ||
	    copy_text(&d->service_name, s->display_name, err) == -1 ||
	    copy_text(&d->group, s->group, err) == -1 ||
	    copy_text(&d->binary, p == NULL ? s->binary_tail : p + 1, err) ==
		    -1)
		return -1;
	lower(d->binary);
	return copy_values(&s->regs, &d->values, &d->n_values, err);
}

static int
copy_devices(const struct package *p, struct fy_driver *d, struct fy_error *err)
{
	struct fy_driver_device *dev;
	size_t i, j, n = 0;

	for (i = 0; i < p->n; i++)
		n += p->c->models.items[i].n_ids;
	d->devices = calloc(n == 0 ? 1 : n, sizeof(*d->devices));
	if (d->devices == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < p->n; i++) {
		const struct fy_inf_model *m = &p->c->models.items[i];

		for (j = 0; j < m->n_ids; j++) {
			if (*m->ids[j] == '\0')
				continue;
			dev = &d->devices[d->n_devices++];
			if (copy_full(&dev->hardware_id, m->ids[j], err) ||
			    copy_full(&dev->description, m->description, err) ||
			    copy_full(&dev->section, p->installs[i].section,
				      err))
				return -1;
		}
	}
	return 0;
}

static int
copy_names(const struct fy_win_candidate *c, struct fy_driver *d,
	   struct fy_error *err)
{
	const struct fy_inf_version *v = &c->version;
	char *end;

	if (copy_full(&d->inf_name, inf_name(c), err) ||
	    copy_full(&d->name, inf_name(c), err) ||
	    copy_full(&d->origin, c->entry->path, err) ||
	    copy_full(&d->class_name, v->class_name, err) ||
	    copy_full(&d->class_guid, v->class_guid, err) ||
	    copy_full(&d->provider, v->provider, err) ||
	    copy_full(&d->date, v->date, err) ||
	    copy_full(&d->version, v->version, err) ||
	    copy_text(&d->catalog, v->catalog, err))
		return -1;
	lower(d->catalog);
	d->name[strlen(d->name) - 4] = '\0'; /* ".inf" */
	end = strrchr(d->origin, '/');
	if (end != NULL)
		*end = '\0';
	d->boot = strcasecmp(d->class_name, "SCSIAdapter") == 0 ||
		  strcasecmp(d->class_name, "HDC") == 0;
	return 0;
}

/* The program of the service: there, and what it should be.  A folder's name
 * that is the system's own is trusted about the version. */
static int
check_binary(const struct fy_win_candidate *c,
	     const struct fy_inf_target *target, const struct fy_driver *d,
	     struct fy_error *err)
{
	const struct fy_windows_version v = {
		.major = target->major,
		.minor = target->minor,
		.build = target->build,
		.server = target->product != 1,
		.arch = fy_inf_arch_name(target->arch),
	};
	const struct fy_driver_file *f;
	uint32_t newest = target->major << 16 | target->minor;

	if (d->service == NULL)
		return 0;
	f = d->binary == NULL ? NULL : fy_driver_file_find(d, d->binary);
	if (f == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the program '%s' of its service is not "
				    "among its files",
				    d->binary == NULL ? "" : d->binary);
	if (fy_win_nearness(c->release, &v) <= FY_WIN_SAME_KERNEL)
		newest = 0;
	if (fy_win_check_program(f->data, f->len, target->arch, newest, err) ==
	    -1)
		return fy_error_prefix(err, "'%s'", f->name);
	return 0;
}

int
fy_win_driver_make(const struct fy_win_source *s,
		   const struct fy_win_candidate *c,
		   const struct fy_inf_target *target, struct fy_driver *ret,
		   struct fy_string_set *notes, struct fy_error *err)
{
	const struct fy_inf_service *service = NULL;
	const struct fy_inf_install *install = NULL;
	struct package p = { 0 };
	size_t i;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = open_package(c, target, &p, err);
	for (i = 0; r == 0 && i < p.n && service == NULL; i++) {
		install = &p.installs[i];
		service = fy_inf_device_service(install);
	}
	if (r == 0)
		r = copy_names(c, ret, err);
	if (r == 0)
		r = copy_files(s, &p, ret, notes, err);
	if (r == 0)
		r = copy_devices(&p, ret, err);
	if (r == 0 && service != NULL)
		r = copy_service(service, ret, err);
	if (r == 0 && install != NULL)
		r = copy_values(&install->hardware, &ret->device_values,
				&ret->n_device_values, err);
	if (r == 0)
		r = check_binary(c, target, ret, err);
	free(p.installs);
	if (r == -1)
		fy_win_driver_release(ret);
	return r;
}

/* --- the set --------------------------------------------------------------- */

static void
free_values(struct fy_driver_value *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(v[i].key);
		free(v[i].name);
		free(v[i].data);
	}
	free(v);
}

void
fy_win_driver_release(struct fy_driver *d)
{
	char *const texts[] = { d->name,	 d->inf_name, d->class_name,
				d->class_guid,	 d->provider, d->date,
				d->version,	 d->catalog,  d->service,
				d->service_name, d->binary,   d->group,
				d->origin };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	free_values(d->values, d->n_values);
	free_values(d->device_values, d->n_device_values);
	for (i = 0; i < d->n_devices; i++) {
		free(d->devices[i].hardware_id);
		free(d->devices[i].description);
		free(d->devices[i].section);
	}
	free(d->devices);
	for (i = 0; i < d->n_files; i++) {
		free(d->files[i].name);
		free(d->files[i].data);
	}
	free(d->files);
	memset(d, 0, sizeof(*d));
}

void
fy_driver_set_release(struct fy_driver_set *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		fy_win_driver_release(&s->drivers[i]);
	free(s->drivers);
	free(s->guest_agent.name);
	free(s->guest_agent.data);
	fy_string_set_release(&s->warnings);
	memset(s, 0, sizeof(*s));
}

const struct fy_driver *
fy_driver_set_find(const struct fy_driver_set *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcasecmp(s->drivers[i].name, name) == 0)
			return &s->drivers[i];
	return NULL;
}

const struct fy_driver_file *
fy_driver_file_find(const struct fy_driver *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->n_files; i++)
		if (strcasecmp(d->files[i].name, name) == 0)
			return &d->files[i];
	return NULL;
}

static bool
names_publisher(const struct fy_driver_file *f)
{
	static const char publisher[] =
		"Microsoft Windows Hardware Compatibility Publisher";

	return f != NULL && memmem(f->data, f->len, publisher,
				   sizeof(publisher) - 1) != NULL;
}

bool
fy_driver_is_whql(const struct fy_driver *d)
{
	return (d->catalog != NULL &&
		names_publisher(fy_driver_file_find(d, d->catalog))) ||
	       (d->binary != NULL &&
		names_publisher(fy_driver_file_find(d, d->binary)));
}
