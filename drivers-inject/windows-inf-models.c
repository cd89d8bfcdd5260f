/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an INF file is and which devices it serves on a given Windows.
 *
 * Each line of [Manufacturer] names a models section and the decorations that
 * it exists with.  A decoration fits when version and build of Windows are not
 * below what it asks for.  Of those the one with the highest version wins, then
 * the highest build, then one that names the architecture, the product type,
 * the suites.  Without a fitting one an undecorated section serves x86 only:
 * Windows on other architectures wants a decoration since Server 2003 SP1.
 */
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/windows-inf-internal.h"

#define MAX_MANUFACTURERS 256u

const char *
fy_inf_arch_name(enum fy_inf_arch arch)
{
	switch (arch) {
	case FY_INF_X86:
		return "x86";
	case FY_INF_AMD64:
		return "amd64";
	case FY_INF_ARM64:
		return "arm64";
	case FY_INF_ANY:
	case FY_INF_OTHER:
		break;
	}
	return "";
}

/* --- decorations ----------------------------------------------------------- */

static bool
arch_of(const char *s, size_t len, enum fy_inf_arch *ret)
{
	static const struct {
		const char *name;
		enum fy_inf_arch arch;
	} names[] = {
		{ "", FY_INF_ANY },	   { "x86", FY_INF_X86 },
		{ "amd64", FY_INF_AMD64 }, { "arm64", FY_INF_ARM64 },
		{ "ia64", FY_INF_OTHER },  { "arm", FY_INF_OTHER },
		{ "alpha", FY_INF_OTHER }, { "mips", FY_INF_OTHER },
		{ "ppc", FY_INF_OTHER },   { "axp64", FY_INF_OTHER },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i].name) == len &&
		    strncasecmp(names[i].name, s, len) == 0) {
			*ret = names[i].arch;
			return true;
		}
	return false;
}

bool
fy_inf_decoration_parse(const char *s, struct fy_inf_decoration *ret)
{
	struct fy_inf_decoration d = { 0 };
	uint32_t *const fields[] = { &d.major, &d.minor, &d.product, &d.suites,
				     &d.build };
	char number[16];
	size_t i, len;

	if (strncasecmp(s, "nt", 2) != 0)
		return false;
	s += 2;
	len = strcspn(s, ".");
	if (!arch_of(s, len, &d.arch))
		return false;
	s += len;
	for (i = 0; *s == '.'; i++, s += len) {
		s++;
		len = strcspn(s, ".");
		if (i == sizeof(fields) / sizeof(*fields) ||
		    len >= sizeof(number))
			return false;
		memcpy(number, s, len);
		number[len] = '\0';
		if (len > 0 && !fy_inf_number(number, fields[i]))
			return false;
	}
	*ret = d;
	return true;
}

static uint64_t
version_of(uint32_t major, uint32_t minor)
{
	return (uint64_t)major << 32 | minor;
}

bool
fy_inf_decoration_fits(const struct fy_inf_decoration *d,
		       const struct fy_inf_target *t)
{
	uint64_t asks = version_of(d->major, d->minor);
	uint64_t is = version_of(t->major, t->minor);

	if (d->arch != FY_INF_ANY && d->arch != t->arch)
		return false;
	if (asks > is || (asks == is && d->build > t->build))
		return false;
	if (d->product != 0 && d->product != t->product)
		return false;
	return (d->suites & ~t->suites) == 0;
}

static int
compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int
fy_inf_decoration_compare(const struct fy_inf_decoration *a,
			  const struct fy_inf_decoration *b)
{
	int r = compare_u64(version_of(a->major, a->minor),
			    version_of(b->major, b->minor));

	if (r == 0)
		r = compare_u64(a->build, b->build);
	if (r == 0)
		r = (a->arch != FY_INF_ANY) - (b->arch != FY_INF_ANY);
	if (r == 0)
		r = (a->product != 0) - (b->product != 0);
	if (r == 0)
		r = __builtin_popcount(a->suites) -
		    __builtin_popcount(b->suites);
	return r;
}

/* --- [Version] ------------------------------------------------------------- */

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

/* CatalogFile with the suffix that fits best. */
static const char *
catalog(const struct fy_inf *inf, enum fy_inf_arch arch)
{
	const char *s;
	char key[32];

	snprintf(key, sizeof(key), "CatalogFile.NT%s", fy_inf_arch_name(arch));
	s = fy_inf_value(inf, "Version", key);
	if (s == NULL)
		s = fy_inf_value(inf, "Version", "CatalogFile.NT");
	if (s == NULL)
		s = fy_inf_value(inf, "Version", "CatalogFile");
	return or_empty(s);
}

int
fy_inf_version(const struct fy_inf *inf, enum fy_inf_arch arch,
	       struct fy_inf_version *ret, struct fy_error *err)
{
	const char *signature =
		or_empty(fy_inf_value(inf, "Version", "Signature"));
	const struct fy_inf_line *ver;
	size_t at = 0;

	if (strcasecmp(signature, "$Windows NT$") != 0 &&
	    strcasecmp(signature, "$Chicago$") != 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "no INF file of Windows' (its signature "
				    "is '%.40s')",
				    signature);
	ret->class_name = or_empty(fy_inf_value(inf, "Version", "Class"));
	ret->class_guid = or_empty(fy_inf_value(inf, "Version", "ClassGUID"));
	ret->provider = or_empty(fy_inf_value(inf, "Version", "Provider"));
	ret->package_type =
		or_empty(fy_inf_value(inf, "Version", "DriverPackageType"));
	ret->catalog = catalog(inf, arch);
	ver = fy_inf_next(fy_inf_section(inf, "Version"), "DriverVer", &at);
	ret->date = ver == NULL ? "" : fy_inf_field(ver, 0);
	ret->version = ver == NULL ? "" : fy_inf_field(ver, 1);
	return 0;
}

uint64_t
fy_inf_version_number(const char *version)
{
	uint64_t number = 0;
	unsigned long part;
	unsigned i;
	char *end;

	for (i = 0; i < 4; i++) {
		part = 0;
		if (*version >= '0' && *version <= '9') {
			part = strtoul(version, &end, 10);
			version = *end == '.' ? end + 1 : "";
		}
		number = number << 16 | (part > 0xffff ? 0xffff : part);
	}
	return number;
}

/* --- [Manufacturer] -------------------------------------------------------- */

static int
add_model(struct fy_inf *inf, const struct fy_inf_line *line,
	  const struct fy_inf_model *like, struct fy_inf_models *ret,
	  struct fy_error *err)
{
	struct fy_inf_model *items =
		(struct fy_inf_model *)(uintptr_t)ret->items;
	struct fy_inf_model *m;

	if (line->n < 2) /* no id: installs nothing */
		return 0;
	if (fy_inf_grow(inf, &items, ret->n, sizeof(*items), err) == -1)
		return -1;
	m = &items[ret->n++];
	*m = *like;
	m->description = or_empty(line->key);
	m->install = line->values[0];
	m->ids = line->values + 1;
	m->n_ids = line->n - 1;
	ret->items = items;
	return 0;
}

/* The best of the decorations on a line of [Manufacturer]; false when none
 * fits. */
static bool
choose(const struct fy_inf_line *line, const struct fy_inf_target *target,
       struct fy_inf_decoration *ret, const char **ret_text)
{
	struct fy_inf_decoration d;
	bool found = false;
	size_t i;

	for (i = 1; i < line->n; i++) {
		if (!fy_inf_decoration_parse(line->values[i], &d) ||
		    !fy_inf_decoration_fits(&d, target))
			continue;
		if (found && fy_inf_decoration_compare(&d, ret) <= 0)
			continue;
		found = true;
		*ret = d;
		*ret_text = line->values[i];
	}
	return found;
}

static int
one_manufacturer(struct fy_inf *inf, const struct fy_inf_line *line,
		 const struct fy_inf_target *target, struct fy_inf_models *ret,
		 struct fy_error *err)
{
	struct fy_inf_model like = { 0 };
	const char *base = fy_inf_field(line, 0), *text = NULL;
	const struct fy_inf_section *s;
	size_t i;

	/* Without '=' the manufacturer's name is the section's too. */
	like.manufacturer = line->key == NULL ? base : line->key;
	if (choose(line, target, &like.decoration, &text)) {
		base = fy_inf_format(inf, err, "%s.%s", base, text);
		if (base == NULL)
			return -1;
	} else if (target->arch != FY_INF_X86) {
		return 0;
	}
	s = fy_inf_section(inf, base);
	for (i = 0; s != NULL && i < s->n; i++)
		if (add_model(inf, &s->lines[i], &like, ret, err) == -1)
			return -1;
	return 0;
}

int
fy_inf_models(struct fy_inf *inf, const struct fy_inf_target *target,
	      struct fy_inf_models *ret, struct fy_error *err)
{
	const struct fy_inf_section *s = fy_inf_section(inf, "Manufacturer");
	struct fy_inf_models models = { 0 };
	size_t i;

	if (s != NULL && s->n > MAX_MANUFACTURERS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the INF file has %zu manufacturers", s->n);
	for (i = 0; s != NULL && i < s->n; i++)
		if (one_manufacturer(inf, &s->lines[i], target, &models, err) ==
		    -1)
			return -1;
	*ret = models;
	return 0;
}
