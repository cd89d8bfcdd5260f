/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Edits of what LVM and md know their members by. */
#include "drivers-inject/linux-edit-internal.h"
#include "drivers-inject/linux-edit-state.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- LVM's list of devices ------------------------------------------------ */

/* The value of "KEY=VALUE" among the words of a line. */
static bool
value_of(const struct field *f, size_t n, const char *key, struct field *ret)
{
	size_t i, len = strlen(key);

	for (i = 0; i < n; i++)
		if (f[i].len > len && memcmp(f[i].at, key, len) == 0) {
			ret->at = f[i].at + len;
			ret->len = f[i].len - len;
			return true;
		}
	return false;
}

/* Whether a PV is known by what the virtual machine doesn't have: not by an
 * array, a LUKS header or an LV that it lies on. */
static bool
is_by_hardware(const struct field *type)
{
	static const char *const types[] = { "sys_wwid",   "sys_serial",
					     "wwid_naa",   "wwid_eui",
					     "wwid_t10",   "devname",
					     "mpath_uuid", "nvme_uuid",
					     "nvme_nguid", "nvme_eui64" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (field_is(type, types[i]))
			return true;
	return false;
}

/* "IDTYPE=sys_wwid IDNAME=naa.5 DEVNAME=/dev/sda2 PVID=... PART=2" */
void
fy_edit_lvm_devices(struct fy_editing *e, const char *line, const char *end)
{
	struct field f[16], type, pv = { 0 }, old;
	size_t n = split(line, end, f, 16), i;
	fy_autofree char *name = NULL;

	if (n == 0 || f[0].at[0] == '#' || !value_of(f, n, "IDTYPE=", &type) ||
	    !is_by_hardware(&type)) {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	if (value_of(f, n, "PVID=", &pv))
		name = fy_devices_pv_name(e->ctx->devices, pv.at, pv.len);
	if (name == NULL && value_of(f, n, "DEVNAME=", &old)) {
		fy_autofree char *what = strndup(old.at, old.len);

		if (what != NULL)
			fy_editing_unknown(e, what);
	}
	for (i = 0; name != NULL && i < n; i++) {
		fy_text_put(&e->out, line, (size_t)(f[i].at - line));
		line = f[i].at + f[i].len;
		if (strncmp(f[i].at, "IDTYPE=", 7) == 0)
			fy_text_add(&e->out, "IDTYPE=devname");
		else if (strncmp(f[i].at, "IDNAME=", 7) == 0)
			fy_text_printf(&e->out, "IDNAME=%s", name);
		else if (strncmp(f[i].at, "DEVNAME=", 8) == 0)
			fy_text_printf(&e->out, "DEVNAME=%s", name);
		else
			fy_text_put(&e->out, f[i].at, f[i].len);
	}
	fy_text_put(&e->out, line, (size_t)(end - line));
}

/* --- lvm.conf's filters --------------------------------------------------- */

#define MAX_PATTERNS 64u   /* of one filter */
#define MAX_TRIED    1024u /* of one text: compiling them takes time */
#define MAX_PATTERN  255u

struct filter {
	struct field patterns[MAX_PATTERNS];
	size_t n;
	const char *open, *close; /* its brackets */
};

/* Behind blanks, newlines, commas and comments. */
static const char *
skip_space(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '#')
			while (p + 1 < end && *p != '\n')
				p++;
		else if (!is_blank(*p) && *p != '\n' && *p != '\r' && *p != ',')
			break;
	}
	return p;
}

/* Behind a string that begins here; 'ret' is what is in it, as it is. */
static const char *
take_string(const char *p, const char *end, struct field *ret)
{
	char quote = *p++;

	ret->at = p;
	for (; p < end && *p != quote; p++)
		if (*p == '\\' && quote == '"' && p + 1 < end)
			p++;
	ret->len = (size_t)(p - ret->at);
	return p < end ? p + 1 : end;
}

static bool
in_key(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A filter's patterns, if one begins here.  False: none, or another value. */
static bool
take_filter(const char *p, const char *end, struct filter *ret)
{
	size_t n = begins(p, end, "filter") ? 6 : 13;
	struct field f;

	if (n == 13 && !begins(p, end, "global_filter"))
		return false;
	p = skip_space(p + n, end);
	if (p == end || *p != '=')
		return false;
	p = skip_space(p + 1, end);
	if (p == end || *p != '[')
		return false;
	ret->open = p;
	ret->n = 0;
	for (p = skip_space(p + 1, end); p < end && (*p == '"' || *p == '\'');
	     p = skip_space(p, end)) {
		p = take_string(p, end, &f);
		if (ret->n == MAX_PATTERNS)
			return false;
		ret->patterns[ret->n++] = f;
	}
	ret->close = p;
	return p < end && *p == ']';
}

/* The next filter, outside of strings and comments. */
static bool
next_filter(const char *from, const char *end, struct filter *ret)
{
	const char *p = from;
	struct field f;

	while ((p = skip_space(p, end)) < end) {
		if (*p == '"' || *p == '\'') {
			p = take_string(p, end, &f);
		} else if (in_key(*p)) {
			if (take_filter(p, end, ret))
				return true;
			while (p < end && in_key(*p))
				p++;
		} else {
			p++;
		}
	}
	return false;
}

/* "a|regex|": 'ret' is the regex.  False: what LVM would refuse, or what is
 * written or taken otherwise by the C library, or may take it long. */
static bool
take_pattern(const struct field *f, char ret[MAX_PATTERN + 1])
{
	static const char opening[] = "([{", closing[] = ")]}";
	const char *bracket;
	size_t i, repeats = 0;

	if (f->len < 3 || f->len > MAX_PATTERN ||
	    strchr("ar", f->at[0]) == NULL)
		return false;
	bracket = strchr(opening, f->at[1]);
	if (f->at[f->len - 1] !=
	    (bracket == NULL ? f->at[1] : closing[bracket - opening]))
		return false;
	memcpy(ret, f->at + 2, f->len - 3);
	ret[f->len - 3] = '\0';
	if (strlen(ret) != f->len - 3)
		return false;
	for (i = 0; ret[i] != '\0'; i++) {
		repeats += ret[i] == '+' || ret[i] == '?' || ret[i] == '(';
		if (ret[i] == '{' || repeats > 8 ||
		    (ret[i] == '\\' && isalnum((unsigned char)ret[i + 1])))
			return false;
	}
	return true;
}

/* What LVM does: the first pattern counts that matches one of a device's names,
 * and none is a yes.  '*ret_odd' is a pattern that can't be told. */
static bool
rejects(struct fy_editing *e, const struct filter *f, const char *name,
	const struct field **ret_odd)
{
	char regex[MAX_PATTERN + 1];
	bool matches;
	regex_t r;
	size_t i;

	for (i = 0; i < f->n; i++) {
		if (e->n_tried++ >= MAX_TRIED ||
		    !take_pattern(&f->patterns[i], regex) ||
		    regcomp(&r, regex, REG_EXTENDED | REG_NOSUB) != 0) {
			*ret_odd = &f->patterns[i];
			return true;
		}
		matches = regexec(&r, name, 0, NULL, 0) == 0;
		regfree(&r);
		if (matches)
			return f->patterns[i].at[0] == 'r';
	}
	return false;
}

static bool
field_has(const struct field *f, const char *const *words)
{
	for (; *words != NULL; words++)
		if (memmem(f->at, f->len, *words, strlen(*words)) != NULL)
			return true;
	return false;
}

/* Whether it has to accept virtio's disks, since it accepts the old machine's.
 * One that shall only see DRBD's devices must not see what they lie on.  A
 * pattern that a person has to look at is '*ret_odd'. */
static bool
wants_virtio(struct fy_editing *e, const struct filter *f,
	     const struct field **ret_odd)
{
	static const char *const disks[] = { "sd",	 "hd",	    "]d",
					     "nvme",	 "cciss",   "mmcblk",
					     "mpath",	 "by-id",   "mapper",
					     "emcpower", "by-path", NULL };
	static const char *const upper[] = { "drbd", NULL };
	static const char *const others[] = { "md", "loop", NULL };
	const struct field *other = NULL;
	bool wanted = false;
	size_t i;

	if (!rejects(e, f, "/dev/vda", ret_odd) &&
	    !rejects(e, f, "/dev/vda2", ret_odd) &&
	    !rejects(e, f, "/dev/vdb1", ret_odd))
		return false;
	for (i = 0; i < f->n && *ret_odd == NULL; i++) {
		const struct field *p = &f->patterns[i];

		if (p->len == 0 || p->at[0] != 'a')
			continue;
		if (field_has(p, upper))
			*ret_odd = p;
		else if (field_has(p, disks))
			wanted = true;
		else if (!field_has(p, others))
			other = p;
	}
	if (*ret_odd == NULL && !wanted)
		*ret_odd = other;
	return *ret_odd == NULL && wanted;
}

static void
list_lines(struct fy_editing *e, const char *line, const char *end)
{
	const char *nl;

	for (; line < end; line = nl) {
		nl = memchr(line, '\n', (size_t)(end - line));
		nl = nl == NULL ? end : nl + 1;
		fy_edit_list_paths(e, line, nl);
	}
}

/* Gets the whole text, as one line. */
void
fy_edit_lvm_conf(struct fy_editing *e, const char *line, const char *end)
{
	struct filter f;

	for (; next_filter(line, end, &f); line = f.close) {
		const struct field *odd = NULL;

		list_lines(e, line, f.open);
		fy_text_put(&e->out, f.open, 1);
		if (wants_virtio(e, &f, &odd))
			fy_text_add(&e->out, " \"" FY_LVM_VIRTIO "\",");
		if (odd != NULL) {
			fy_autofree char *name = strndup(odd->at, odd->len);

			if (name != NULL)
				fy_editing_unknown(e, name);
		}
		fy_text_put(&e->out, f.open + 1,
			    (size_t)(f.close - f.open) - 1);
	}
	list_lines(e, line, end);
}

/* --- mdadm.conf ----------------------------------------------------------- */

static bool
begins_any_case(const struct field *f, const char *with)
{
	size_t len = strlen(with);

	return f->len >= len && strncasecmp(f->at, with, len) == 0;
}

/* Whether the entry that goes on at 'line' tells an array by more than its
 * members' names.  It ends at a line that begins with a word. */
static bool
has_identity(const char *line, const char *end)
{
	static const char *const keys_of_arrays[] = { "uuid=", "name=",
						      "super-minor=" };
	struct field f[1];
	const char *p = line;
	size_t i;

	while (p < end) {
		if (*p == '\n' || *p == '\r') {
			p++;
			if (p < end && !is_blank(*p) && *p != '#' && *p != '\n')
				return false;
		} else if (split(p, end, f, 1) == 0) {
			p += blanks(p, end);
		} else if (*f[0].at == '#') {
			p = memchr(p, '\n', (size_t)(end - p));
			p = p == NULL ? end : p;
		} else {
			for (i = 0; i < 3; i++)
				if (begins_any_case(f, keys_of_arrays[i]))
					return true;
			p = f[0].at + f[0].len;
		}
	}
	return false;
}

/* mdadm takes keywords in any case, and three letters of one suffice. */
static void
begin_mdadm(struct fy_editing *e, const struct field *f)
{
	e->mdadm = OTHER;
	if (f->len >= 3 && f->len <= 6 &&
	    strncasecmp(f->at, "device", f->len) == 0)
		e->mdadm = DEVICE;
	else if (f->len >= 3 && f->len <= 5 &&
		 strncasecmp(f->at, "array", f->len) == 0)
		e->mdadm = has_identity(f->at, e->end) ? ARRAY : NAMELESS_ARRAY;
	e->all_partitions = false;
}

/* A name that only the old machine has, or a pattern for such names. */
static bool
is_old_member(struct fy_editing *e, const char *name, size_t len)
{
	static const char *const kinds[] = {
		"sd",		"hd",	  "xvd",	 "vd",
		"nvme",		"cciss",  "disk/by-id",	 "mmcblk",
		"disk/by-path", "mpath/", "mapper/mpath"
	};
	fy_autofree char *old = strndup(name, len);
	fy_autofree char *new = NULL;
	size_t i;

	if (old == NULL || strncmp(old, "/dev/", 5) != 0)
		return false;
	if (strpbrk(old, "*?[") == NULL)
		return fy_devices_translate(e->ctx->devices, old, NULL,
					    FY_DEVICE_VIRTIO,
					    &new) != FY_DEVICE_OTHER;
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(old + 5, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

/* "devices=/dev/sda1,/dev/sdb1", which goes when the array is known without. */
static void
edit_members(struct fy_editing *e, const char *line, const struct field *f)
{
	const char *p = f->at + 8, *end = f->at + f->len;
	size_t n;

	for (; p < end; p += n) {
		for (n = 0; p + n < end && p[n] != ','; n++)
			;
		if (is_old_member(e, p, n))
			break;
		n += p + n < end;
	}
	if (p < end && e->mdadm == ARRAY)
		return;
	p = f->at + 8;
	fy_text_put(&e->out, line, (size_t)(p - line));
	while (p < end) {
		for (n = 0; p + n < end && p[n] != ','; n++)
			;
		fy_editing_put_name(e, p, n, NULL, FY_DEVICE_VIRTIO);
		p += n;
		if (p < end)
			fy_text_put(&e->out, p++, 1);
	}
}

/* A word of an entry, with the blanks before it at 'line'. */
static void
edit_mdadm_word(struct fy_editing *e, const char *line, const struct field *f)
{
	if (e->mdadm == DEVICE && is_old_member(e, f->at, f->len)) {
		if (!e->all_partitions) {
			fy_text_put(&e->out, line, (size_t)(f->at - line));
			fy_text_add(&e->out, "partitions");
		}
		e->all_partitions = true;
		return;
	}
	if (e->mdadm >= ARRAY && begins_any_case(f, "devices=")) {
		edit_members(e, line, f);
		return;
	}
	if (e->mdadm == DEVICE && field_is(f, "partitions"))
		e->all_partitions = true;
	fy_text_put(&e->out, line, (size_t)(f->at + f->len - line));
}

void
fy_edit_mdadm(struct fy_editing *e, const char *line, const char *end)
{
	struct field f[1];

	if (!is_blank(*line) && split(line, end, f, 1) == 1 && *line != '#') {
		begin_mdadm(e, f);
		fy_text_put(&e->out, line, f[0].len);
		line += f[0].len;
	}
	while (split(line, end, f, 1) == 1 && *f[0].at != '#') {
		edit_mdadm_word(e, line, f);
		line = f[0].at + f[0].len;
	}
	fy_text_put(&e->out, line, (size_t)(end - line));
}
