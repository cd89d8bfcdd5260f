/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An installation section: the files that it copies and where they lie, the
 * services that it adds, and the registry values of both.
 *
 * Of SECTION.ntARCH, SECTION.nt and SECTION the first that exists is taken;
 * .Services, .HW and .CoInstallers are asked for behind that name.  Include
 * and Needs are not followed, only told.
 */
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/windows-inf-internal.h"

#define MAX_FILES    1024u
#define MAX_SERVICES 64u
#define MAX_REGS     4096u
#define MAX_LISTS    1024u

enum {
	REG_SZ = 1,
	REG_EXPAND_SZ = 2,
	REG_BINARY = 3,
	REG_DWORD = 4,
	REG_MULTI_SZ = 7,
};

/* FLG_ADDREG_* */
#define BINARY_TYPE 0x00000001u
#define KEY_ONLY    0x00000010u
#define TYPE_MASK   0xffff0001u

struct install {
	struct fy_inf *inf;
	const struct fy_inf_target *target;
	struct fy_inf_install *ret;
	struct fy_inf_file *files;
	struct fy_inf_service *services;
	unsigned lists; /* of files and registry values that were named */
};

/* --- places ---------------------------------------------------------------- */

/* "12" or "%12%"... the number of a directory. */
static uint32_t
dirid_of(const char *s)
{
	uint32_t id;

	return fy_inf_number(s, &id) ? id : 0;
}

/* A relative path of Windows' that stays below where it begins; '*s' moves
 * over backslashes before it. */
static bool
stays_below(const char **s)
{
	const char *p;
	size_t len;

	while (**s == '\\' || **s == '/')
		(*s)++;
	if (strchr(*s, ':') != NULL)
		return false;
	for (p = *s; *p != '\0'; p += len + (p[len] != '\0')) {
		len = strcspn(p, "\\/");
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return false;
	}
	return true;
}

/* The section NAME.SUFFIX. */
static const struct fy_inf_section *
section_with(const struct fy_inf *inf, const char *name, const char *suffix)
{
	char full[320];
	int n = snprintf(full, sizeof(full), "%s.%s", name, suffix);

	if (n < 0 || (size_t)n >= sizeof(full))
		return NULL; /* longer than Windows lets a name be */
	return fy_inf_section(inf, full);
}

/* The line about 'name' in SECTION.ARCH, else in SECTION. */
static const struct fy_inf_line *
line_for_arch(const struct install *in, const char *section, const char *name)
{
	const struct fy_inf_line *line;
	size_t at = 0;

	line = fy_inf_next(section_with(in->inf, section,
					fy_inf_arch_name(in->target->arch)),
			   name, &at);
	at = 0;
	if (line == NULL)
		line = fy_inf_next(fy_inf_section(in->inf, section), name, &at);
	return line;
}

/* Where a source file lies beside the INF: the path of its disk, its
 * directory there, and its name. */
static const char *
source_path(const struct install *in, const char *name, struct fy_error *err)
{
	const struct fy_inf_line *file, *disk = NULL;
	const char *disk_path = "", *dir = "", *path;
	char *p, *to;

	file = line_for_arch(in, "SourceDisksFiles", name);
	if (file != NULL) {
		dir = fy_inf_field(file, 1);
		disk = line_for_arch(in, "SourceDisksNames",
				     fy_inf_field(file, 0));
	}
	if (disk != NULL)
		disk_path = fy_inf_field(disk, 3);
	if (!stays_below(&disk_path) || !stays_below(&dir) ||
	    !stays_below(&name) || *name == '\0') {
		fy_error_set(err, FY_E_FORMAT, 0,
			     "the place of '%.80s' leads out of the package",
			     name);
		return NULL;
	}
	path = fy_inf_format(in->inf, err, "%s\\%s\\%s", disk_path, dir, name);
	if (path == NULL)
		return NULL;
	/* One slash between components, none before and none behind. */
	p = to = (char *)(uintptr_t)path;
	for (; *p != '\0'; p++) {
		char c = *p == '\\' ? '/' : *p;

		if (c == '/' && (to == path || to[-1] == '/'))
			continue;
		*to++ = c;
	}
	*to = '\0';
	return path;
}

/* Where the files of a list go. */
static void
destination(const struct install *in, const char *list, uint32_t *ret_dirid,
	    const char **ret_subdir)
{
	const struct fy_inf_section *s =
		fy_inf_section(in->inf, "DestinationDirs");
	const struct fy_inf_line *line = NULL;
	size_t at = 0;

	if (list != NULL)
		line = fy_inf_next(s, list, &at);
	at = 0;
	if (line == NULL)
		line = fy_inf_next(s, "DefaultDestDir", &at);
	*ret_dirid = line == NULL ? 0 : dirid_of(fy_inf_field(line, 0));
	*ret_subdir = line == NULL ? "" : fy_inf_field(line, 1);
}

/* --- files ----------------------------------------------------------------- */

static int
add_file(struct install *in, const char *list, const char *name,
	 const char *source, struct fy_error *err)
{
	struct fy_inf_file f = { .name = name };

	if (*name == '\0')
		return 0;
	if (in->ret->n_files == MAX_FILES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "more than %u files to copy", MAX_FILES);
	destination(in, list, &f.dirid, &f.subdir);
	f.source = source_path(in, source, err);
	if (f.source == NULL)
		return -1;
	if (!stays_below(&f.name) || !stays_below(&f.subdir) ||
	    strpbrk(f.name, "\\/") != NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%.80s' is no name of a file", name);
	if (fy_inf_grow(in->inf, &in->files, in->ret->n_files,
			sizeof(*in->files), err) == -1)
		return -1;
	in->files[in->ret->n_files++] = f;
	in->ret->files = in->files;
	return 0;
}

/* A list that 'directive' names; NULL with 'err' when it is missing. */
static const struct fy_inf_section *
find_list(struct install *in, const char *directive, const char *name,
	  struct fy_error *err)
{
	const struct fy_inf_section *s;

	if (in->lists++ == MAX_LISTS) {
		fy_error_set(err, FY_E_FORMAT, 0, "more than %u lists",
			     MAX_LISTS);
		return NULL;
	}
	s = fy_inf_section(in->inf, name);
	if (s == NULL)
		fy_error_set(err, FY_E_FORMAT, 0,
			     "%s names [%.80s], which is missing", directive,
			     name);
	return s;
}

/* The files of one list. */
static int
copy_list(struct install *in, const char *list, struct fy_error *err)
{
	const struct fy_inf_section *s = find_list(in, "CopyFiles", list, err);
	size_t i;

	if (s == NULL)
		return -1;
	for (i = 0; i < s->n; i++) {
		const char *name = fy_inf_field(&s->lines[i], 0);
		const char *source = fy_inf_field(&s->lines[i], 1);

		if (add_file(in, list, name, *source == '\0' ? name : source,
			     err) == -1)
			return -1;
	}
	return 0;
}

static int
copy_files(struct install *in, const struct fy_inf_section *s,
	   struct fy_error *err)
{
	const struct fy_inf_line *line;
	size_t at = 0, i;

	while ((line = fy_inf_next(s, "CopyFiles", &at)) != NULL)
		for (i = 0; i < line->n; i++) {
			const char *v = line->values[i];

			if (*v == '\0')
				continue;
			if (*v == '@' ? add_file(in, NULL, v + 1, v + 1, err)
				      : copy_list(in, v, err))
				return -1;
		}
	return 0;
}

/* --- registry values ------------------------------------------------------- */

static uint32_t
type_of(uint32_t flags)
{
	switch (flags & TYPE_MASK) {
	case 0x00000000:
		return REG_SZ;
	case 0x00010000:
		return REG_MULTI_SZ;
	case 0x00020000:
		return REG_EXPAND_SZ;
	case 0x00000001:
		return REG_BINARY;
	case 0x00010001:
		return REG_DWORD;
	case 0x00020001:
		return 0; /* REG_NONE */
	default:	  /* any other type, in the upper half */
		return flags >> 16;
	}
}

/* Values from 'first' on as the strings of a REG_SZ or REG_MULTI_SZ. */
static int
reg_strings(struct fy_inf *inf, const struct fy_inf_line *line, size_t first,
	    struct fy_inf_reg *reg, struct fy_error *err)
{
	size_t i, len, max = 1;
	char *all;

	for (i = first; i < line->n; i++)
		max += strlen(line->values[i]) + 1;
	all = fy_inf_alloc(inf, max, err);
	if (all == NULL)
		return -1;
	reg->data = all;
	if (reg->type != REG_MULTI_SZ) {
		reg->len = strlen(fy_inf_field(line, first)) + 1;
		memcpy(all, fy_inf_field(line, first), reg->len);
		return 0;
	}
	for (i = first; i < line->n; i++) {
		len = strlen(line->values[i]) + 1;
		if (len == 1)
			continue; /* would end the list */
		memcpy(all + reg->len, line->values[i], len);
		reg->len += len;
	}
	return 0;
}

/* A number of a REG_DWORD may be written as four bytes too. */
static int
reg_bytes(struct fy_inf *inf, const struct fy_inf_line *line, size_t first,
	  struct fy_inf_reg *reg, struct fy_error *err)
{
	size_t n = first < line->n ? line->n - first : 0, i;
	char *data = fy_inf_alloc(inf, n + 4, err);
	unsigned long byte;
	uint32_t number = 0;
	char *end;

	if (data == NULL)
		return -1;
	reg->data = data;
	if (reg->type == REG_DWORD && n <= 1) {
		const char *s = fy_inf_field(line, first);

		if (*s == '-' && fy_inf_number(s + 1, &number))
			number = 0u - number;
		else if (*s != '\0' && !fy_inf_number(s, &number))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%.40s' is no number", s);
		fy_put_le32(data, number);
		reg->len = 4;
		return 0;
	}
	for (i = 0; i < n; i++) {
		const char *s = line->values[first + i];

		byte = strtoul(s, &end, 16);
		if ((*s == '\0' && n > 1) || *end != '\0' || byte > 0xff)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%.40s' is no byte", s);
		data[i] = (char)byte;
	}
	if (n == 1 && *line->values[first] == '\0')
		n = 0;
	reg->len = n;
	return 0;
}

/* ROOT,[SUBKEY],[NAME],[FLAGS],[VALUE]... */
static int
add_reg(struct fy_inf *inf, const struct fy_inf_line *line,
	struct fy_inf_regs *regs, struct fy_error *err)
{
	struct fy_inf_reg *items = (struct fy_inf_reg *)(uintptr_t)regs->items;
	const char *flags = fy_inf_field(line, 3);
	struct fy_inf_reg reg = {
		.root = fy_inf_field(line, 0),
		.subkey = fy_inf_field(line, 1),
		.name = fy_inf_field(line, 2),
	};

	if (*flags != '\0' && !fy_inf_number(flags, &reg.flags))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "AddReg: '%.40s' are no flags", flags);
	reg.type = type_of(reg.flags);
	reg.key_only = (reg.flags & KEY_ONLY) != 0 ||
		       (line->n <= 3 && *reg.name == '\0');
	if (!reg.key_only &&
	    ((reg.flags & BINARY_TYPE) != 0
		     ? reg_bytes(inf, line, 4, &reg, err)
		     : reg_strings(inf, line, 4, &reg, err)) == -1)
		return -1;
	if (regs->n == MAX_REGS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "more than %u registry values", MAX_REGS);
	if (fy_inf_grow(inf, &items, regs->n, sizeof(*items), err) == -1)
		return -1;
	items[regs->n++] = reg;
	regs->items = items;
	return 0;
}

/* All lists that the AddReg lines of a section name. */
static int
add_regs(struct install *in, const struct fy_inf_section *s,
	 struct fy_inf_regs *regs, struct fy_error *err)
{
	const struct fy_inf_section *list;
	const struct fy_inf_line *line;
	size_t at = 0, i, j;

	while ((line = fy_inf_next(s, "AddReg", &at)) != NULL)
		for (i = 0; i < line->n; i++) {
			if (*line->values[i] == '\0')
				continue;
			list = find_list(in, "AddReg", line->values[i], err);
			if (list == NULL)
				return -1;
			for (j = 0; j < list->n; j++)
				if (add_reg(in->inf, &list->lines[j], regs,
					    err) == -1)
					return -1;
		}
	return 0;
}

/* --- services -------------------------------------------------------------- */

/* "%12%\viostor.sys" */
static void
split_binary(struct fy_inf_service *s)
{
	const char *p = s->binary;
	uint32_t id = 0;

	s->binary_tail = p;
	if (*p != '%')
		return;
	for (p++; *p >= '0' && *p <= '9' && id < 100000; p++)
		id = id * 10 + (uint32_t)(*p - '0');
	if (*p != '%' || p == s->binary + 1)
		return;
	p++;
	if (!stays_below(&p))
		return;
	s->binary_dirid = id;
	s->binary_tail = p;
}

static int
number_of(const struct fy_inf_section *s, const char *key, uint32_t *ret,
	  struct fy_error *err)
{
	size_t at = 0;
	const struct fy_inf_line *line = fy_inf_next(s, key, &at);

	if (line == NULL || fy_inf_number(fy_inf_field(line, 0), ret))
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0, "[%.80s]: '%.40s' is no %s",
			    s->name, fy_inf_field(line, 0), key);
}

static const char *
text_of(const struct fy_inf_section *s, const char *key)
{
	size_t at = 0;
	const struct fy_inf_line *line = fy_inf_next(s, key, &at);

	return line == NULL ? "" : fy_inf_field(line, 0);
}

static int
describe_service(struct install *in, const char *section,
		 struct fy_inf_service *ret, struct fy_error *err)
{
	const struct fy_inf_section *s = fy_inf_section(in->inf, section);
	const struct fy_inf_line *line;
	size_t at = 0;

	if (s == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the service '%.80s' wants [%.80s], which "
				    "is missing",
				    ret->name, section);
	ret->display_name = text_of(s, "DisplayName");
	ret->group = text_of(s, "LoadOrderGroup");
	ret->description = text_of(s, "Description");
	ret->binary = text_of(s, "ServiceBinary");
	split_binary(ret);
	line = fy_inf_next(s, "Dependencies", &at);
	if (line != NULL) {
		ret->dependencies = line->values;
		ret->n_dependencies = line->n;
	}
	if (number_of(s, "ServiceType", &ret->type, err) == -1 ||
	    number_of(s, "StartType", &ret->start, err) == -1 ||
	    number_of(s, "ErrorControl", &ret->error_control, err) == -1)
		return -1;
	return add_regs(in, s, &ret->regs, err);
}

/* AddService=NAME,[FLAGS],SECTION... */
static int
add_service(struct install *in, const struct fy_inf_line *line,
	    struct fy_error *err)
{
	const char *flags = fy_inf_field(line, 1);
	struct fy_inf_service s = {
		.name = fy_inf_field(line, 0),
		.display_name = "",
		.group = "",
		.description = "",
		.binary = "",
		.binary_tail = "",
		.start = 3,
		.type = 1,
		.error_control = 1,
	};

	if (in->ret->n_services == MAX_SERVICES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "more than %u services", MAX_SERVICES);
	if (*flags != '\0' && !fy_inf_number(flags, &s.flags))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "AddService: '%.40s' are no flags", flags);
	if (strpbrk(s.name, "\\/") != NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%.80s' is no name of a service", s.name);
	if (*s.name != '\0' &&
	    describe_service(in, fy_inf_field(line, 2), &s, err) == -1)
		return -1;
	if (fy_inf_grow(in->inf, &in->services, in->ret->n_services,
			sizeof(*in->services), err) == -1)
		return -1;
	in->services[in->ret->n_services++] = s;
	in->ret->services = in->services;
	return 0;
}

/* --- the section ----------------------------------------------------------- */

static const struct fy_inf_section *
find_install(const struct install *in, const char *name, struct fy_error *err)
{
	const struct fy_inf_section *s;
	char suffix[16];

	snprintf(suffix, sizeof(suffix), "NT%s",
		 fy_inf_arch_name(in->target->arch));
	s = section_with(in->inf, name, suffix);
	if (s == NULL)
		s = section_with(in->inf, name, "NT");
	if (s == NULL)
		s = fy_inf_section(in->inf, name);
	if (s == NULL)
		fy_error_set(err, FY_E_FORMAT, 0,
			     "the section [%.80s] is missing", name);
	return s;
}

static int
note_includes(struct install *in, const struct fy_inf_section *s,
	      struct fy_error *err)
{
	const struct fy_inf_line *line;
	size_t at = 0, i;

	while ((line = fy_inf_next(s, "Include", &at)) != NULL)
		for (i = 0; i < line->n; i++) {
			if (fy_inf_grow(in->inf, &in->ret->includes,
					in->ret->n_includes,
					sizeof(*in->ret->includes), err) == -1)
				return -1;
			in->ret->includes[in->ret->n_includes++] =
				line->values[i];
		}
	return 0;
}

int
fy_inf_install(struct fy_inf *inf, const struct fy_inf_target *target,
	       const struct fy_inf_model *model, struct fy_inf_install *ret,
	       struct fy_error *err)
{
	struct install in = { .inf = inf, .target = target, .ret = ret };
	const struct fy_inf_section *s, *services;
	const struct fy_inf_line *line;
	size_t at = 0;

	memset(ret, 0, sizeof(*ret));
	s = find_install(&in, model->install, err);
	if (s == NULL)
		return -1;
	ret->section = s->name;
	services = section_with(inf, s->name, "Services");
	while ((line = fy_inf_next(services, "AddService", &at)) != NULL)
		if (add_service(&in, line, err) == -1)
			return -1;
	if (copy_files(&in, s, err) == -1 ||
	    copy_files(&in, section_with(inf, s->name, "CoInstallers"), err) ==
		    -1 ||
	    add_regs(&in, section_with(inf, s->name, "HW"), &ret->hardware,
		     err) == -1 ||
	    note_includes(&in, s, err) == -1 ||
	    note_includes(&in, services, err) == -1)
		return fy_error_prefix(err, "[%.80s]", s->name);
	return 0;
}

const struct fy_inf_service *
fy_inf_device_service(const struct fy_inf_install *install)
{
	size_t i;

	for (i = 0; i < install->n_services; i++)
		if (*install->services[i].name != '\0' &&
		    (install->services[i].flags & FY_INF_SERVICE_ASSOCIATED))
			return &install->services[i];
	return NULL;
}
