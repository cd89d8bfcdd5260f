/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Edits of text files, line by line: each kind has a function that gets a line
 * and puts its new form.  Bytes that are not part of an old device name are
 * copied as they are, spaces, comments and missing newlines included.  Those of
 * LVM and md are in linux-edit-storage.c.
 */
#include "drivers-inject/linux-edit.h"
#include "drivers-inject/linux-edit-internal.h"
#include "drivers-inject/linux-edit-state.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONSOLE	    "ttyS0" /* the virtual machine's */
#define MAX_UNKNOWN 100u    /* names that are told of, of one text */
#define MAX_NAME    512u    /* longer ones are none */

void
fy_editing_unknown(struct fy_editing *e, const char *name)
{
	if (e->unknown->n > MAX_UNKNOWN)
		return;
	if (e->unknown->n == MAX_UNKNOWN)
		name = "(and others)";
	if (fy_string_set_add(e->unknown, name, e->err) == -1)
		e->failed = true;
}

/* Put the name, translated when it is an old one. */
void
fy_editing_put_name(struct fy_editing *e, const char *name, size_t len,
		    const char *type, enum fy_device_form form)
{
	fy_autofree char *old = strndup(name, len);
	fy_autofree char *new = NULL;

	if (old == NULL) {
		e->failed = true;
		fy_error_nomem(e->err);
		return;
	}
	switch (fy_devices_translate(e->ctx->devices, old, type, form, &new)) {
	case FY_DEVICE_KNOWN:
		fy_text_add(&e->out, new);
		return;
	case FY_DEVICE_UNKNOWN:
		fy_editing_unknown(e, old);
		break;
	case FY_DEVICE_OTHER:
		break;
	}
	fy_text_put(&e->out, name, len);
}

/* --- fstab and crypttab --------------------------------------------------- */

static bool
in_path(char c)
{
	return isalnum((unsigned char)c) || strchr("/._:+-", c) != NULL;
}

/* How much of a path begins here. */
static size_t
path_len(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && p[n] != '\0' && in_path(p[n]))
		n++;
	return n;
}

/* Tell of the old name in these bytes, a path: with what follows a colon, or
 * without. */
static void
list_name(struct fy_editing *e, const char *at, size_t n)
{
	fy_autofree char *name = n > MAX_NAME ? NULL : strndup(at, n);
	fy_autofree char *to = NULL;
	char *colon;

	while (name != NULL) {
		if (fy_devices_translate(e->ctx->devices, name, NULL,
					 FY_DEVICE_PATH,
					 &to) != FY_DEVICE_OTHER) {
			fy_editing_unknown(e, name);
			return;
		}
		colon = strrchr(name, ':');
		if (colon == NULL)
			return;
		*colon = '\0';
	}
}

/* Tell of the old names in what was put from 'start' on, as values or as words
 * ('words'; else a title, "Windows (on /dev/sda1)", is one). */
static void
list_rest(struct fy_editing *e, size_t start, bool words)
{
	const char *p, *end;
	size_t n;

	if (e->out.failed || e->out.len <= start)
		return;
	p = e->out.data + start;
	end = e->out.data + e->out.len;
	while ((p = memmem(p, (size_t)(end - p), "/dev/", 5)) != NULL) {
		char before = p == e->out.data + start ? ' ' : p[-1];

		n = path_len(p, end);
		if ((before != '\0' && strchr("=:,\"'", before) != NULL) ||
		    (words && is_blank(before)))
			list_name(e, p, n);
		p += n;
	}
}

/* Options that name another device, by its path: nobody else looks into them
 * before the kernel does. */
static const char *const device_options[] = {
	"logdev=",	   "rtdev=", "device=",
	"journal_path=",   "jdev=",  "x-systemd.requires=",
	"x-systemd.after="
};

static void
edit_options(struct fy_editing *e, const struct field *f)
{
	const char *p = f->at, *end = f->at + f->len;
	size_t i, n, key;

	for (; p < end; p += n) {
		const char *comma = memchr(p, ',', (size_t)(end - p));

		n = (size_t)((comma == NULL ? end : comma) - p);
		for (i = 0, key = 0;
		     i < sizeof(device_options) / sizeof(*device_options); i++)
			if (begins(p, p + n, device_options[i]))
				key = strlen(device_options[i]);
		fy_text_put(&e->out, p, key);
		if (key > 0)
			fy_editing_put_name(e, p + key, n - key, NULL,
					    FY_DEVICE_PATH);
		else
			fy_text_put(&e->out, p, n);
		if (p + n < end)
			fy_text_put(&e->out, p + n++, 1);
	}
}

static void
edit_fstab(struct fy_editing *e, const char *line, const char *end)
{
	struct field f[4];
	size_t n = split(line, end, f, 4), start = e->out.len;
	fy_autofree char *type = NULL;

	if (n < 3 || f[0].at[0] == '#') {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	type = strndup(f[2].at, f[2].len);
	if (type == NULL)
		e->failed = true;
	fy_text_put(&e->out, line, (size_t)(f[0].at - line));
	fy_editing_put_name(e, f[0].at, f[0].len, type, FY_DEVICE_SPEC);
	line = f[0].at + f[0].len;
	if (n > 3) {
		fy_text_put(&e->out, line, (size_t)(f[3].at - line));
		edit_options(e, &f[3]);
		line = f[3].at + f[3].len;
	}
	fy_text_put(&e->out, line, (size_t)(end - line));
	list_rest(e, start, true);
}

/* Whether a comma-separated option is there. */
static bool
has_option(const struct field *f, const char *name)
{
	const char *p = f->at, *end = f->at + f->len;
	size_t len = strlen(name), n;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));

		n = (size_t)((comma == NULL ? end : comma) - p);
		if (n >= len && memcmp(p, name, len) == 0 &&
		    (n == len || p[len] == '='))
			return true;
		p += n + 1;
	}
	return false;
}

static void
edit_crypttab(struct fy_editing *e, const char *line, const char *end)
{
	enum fy_device_form form = FY_DEVICE_CRYPT;
	struct field f[4];
	size_t n = split(line, end, f, 4), start = e->out.len;

	if (n < 2 || f[0].at[0] == '#') {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	/* Plain dm-crypt formats whatever it is given, so it gets the one name
	 * that cannot come to mean another partition's content. */
	if ((n > 2 && (field_is(&f[2], "/dev/urandom") ||
		       field_is(&f[2], "/dev/random") ||
		       field_is(&f[2], "/dev/hwrng"))) ||
	    (n > 3 &&
	     (has_option(&f[3], "plain") ||
	      (has_option(&f[3], "swap") && !has_option(&f[3], "luks")))))
		form = FY_DEVICE_PARTUUID;
	fy_text_put(&e->out, line, (size_t)(f[1].at - line));
	fy_editing_put_name(e, f[1].at, f[1].len, NULL, form);
	line = f[1].at + f[1].len;
	if (n > 2) { /* the key may be on a device: /dev/sdb1 */
		fy_text_put(&e->out, line, (size_t)(f[2].at - line));
		fy_editing_put_name(e, f[2].at, f[2].len, NULL, FY_DEVICE_PATH);
		line = f[2].at + f[2].len;
	}
	fy_text_put(&e->out, line, (size_t)(end - line));
	list_rest(e, start, true);
}

/* --- kernel arguments ----------------------------------------------------- */

static const struct {
	const char *key;
	const char *type;
	enum fy_device_form form;
} keys[] = {
	{ "root=", NULL, FY_DEVICE_SPEC },
	{ "ROOT=", NULL, FY_DEVICE_SPEC },
	{ "resume=", "swap", FY_DEVICE_SPEC },
	{ "RESUME=", "swap", FY_DEVICE_SPEC },
	{ "boot=", NULL, FY_DEVICE_SPEC }, /* of FIPS in dracut */
	{ "real_root=", NULL, FY_DEVICE_SPEC },
	{ "real_resume=", "swap", FY_DEVICE_SPEC },
	{ "crypt_root=", NULL, FY_DEVICE_CRYPT },
	{ "crypt_swap=", NULL, FY_DEVICE_CRYPT },
	{ "cryptdevice=", NULL, FY_DEVICE_CRYPT }, /* mkinitcpio: NAME:... */
	{ "cryptkey=", NULL, FY_DEVICE_SPEC },
	/* In rootflags=: of XFS, Btrfs, ext4. */
	{ "logdev=", NULL, FY_DEVICE_PATH },
	{ "rtdev=", NULL, FY_DEVICE_PATH },
	{ "device=", NULL, FY_DEVICE_PATH },
	{ "journal_path=", NULL, FY_DEVICE_PATH },
	{ "systemd.machine_root=", NULL, FY_DEVICE_SPEC },
	{ "source=", NULL, FY_DEVICE_CRYPT }, /* in cryptopts= */
};

static bool
ends_value(char c)
{
	return is_blank(c) || c == '\n' || c == '\r' || c == '"' || c == '\'' ||
	       c == ',' || c == ';' || c == '\\';
}

/* What mkinitcpio's values go on behind; names by path have it inside. */
static bool
ends_at_colon(const char *key)
{
	return strncmp(key, "crypt", 5) == 0 && key[5] != '_';
}

/* Whether a key may begin behind 'c'. */
static bool
begins_key(char c)
{
	return is_blank(c) || c == '"' || c == '\'' || c == ',' || c == '=';
}

/* The key at 's', or NULL. */
static size_t
find_key(const char *s, const char *end)
{
	size_t i, n = sizeof(keys) / sizeof(*keys), len;

	for (i = 0; i < n; i++) {
		len = strlen(keys[i].key);
		if ((size_t)(end - s) > len && memcmp(s, keys[i].key, len) == 0)
			return i;
	}
	return n;
}

/* "# kopt=" and the like: update-grub of GRUB 1 reads these comments. */
static bool
is_comment(const char *line, const char *end)
{
	line += blanks(line, end);
	if (line == end || *line != '#')
		return false;
	return !(end - line > 7 && strncmp(line, "# kopt", 6) == 0);
}

/* Consoles that only Xen (and a virtio console, which our definitions have
 * not) brings.  The length of such a name at 's', or 0. */
static size_t
xen_console(const char *s, const char *end)
{
	if (end - s < 4 ||
	    (memcmp(s, "hvc0", 4) != 0 && memcmp(s, "xvc0", 4) != 0) ||
	    (end - s > 4 && isalnum((unsigned char)s[4])))
		return 0;
	return 4;
}

static void
edit_arguments(struct fy_editing *e, const char *line, const char *end)
{
	static const char console[] = "console=";
	const size_t console_len = sizeof(console) - 1;
	const char *p = line, *value;
	size_t key, n, start = e->out.len;

	if (is_comment(line, end)) {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	while (p < end) {
		bool here = p == line || begins_key(p[-1]);

		if (here && (size_t)(end - p) > console_len &&
		    memcmp(p, console, console_len) == 0 &&
		    xen_console(p + console_len, end) > 0) {
			fy_text_add(&e->out, "console=" CONSOLE);
			p += console_len + 4;
			continue;
		}
		key = here ? find_key(p, end) : sizeof(keys);
		if (key >= sizeof(keys) / sizeof(*keys)) {
			fy_text_put(&e->out, p++, 1);
			continue;
		}
		value = p + strlen(keys[key].key);
		if (value < end && (*value == '"' || *value == '\''))
			value++;
		fy_text_put(&e->out, p, (size_t)(value - p));
		for (n = 0; value + n < end && !ends_value(value[n]) &&
			    !(value[n] == ':' && ends_at_colon(keys[key].key));
		     n++)
			;
		fy_editing_put_name(e, value, n, keys[key].type,
				    keys[key].form);
		p = value + n;
	}
	list_rest(e, start, false);
}

/* A shell assignment NAME=true, quoted or not. */
static bool
is_true(const char *line, const char *end, const char *name)
{
	size_t len = strlen(name);

	line += blanks(line, end);
	if ((size_t)(end - line) < len || memcmp(line, name, len) != 0)
		return false;
	line += len;
	if (line < end && (*line == '"' || *line == '\''))
		line++;
	return end - line >= 4 && strncmp(line, "true", 4) == 0;
}

static void
edit_default_grub(struct fy_editing *e, const char *line, const char *end)
{
	const char *spec = e->ctx->root_spec;
	const char *value;

	if (spec == NULL || !is_true(line, end, "GRUB_DISABLE_LINUX_UUID=")) {
		edit_arguments(e, line, end);
		return;
	}
	if (strncmp(spec, "UUID=", 5) == 0) {
		value = memchr(line, '=', (size_t)(end - line));
		value += value[1] == '"' || value[1] == '\'' ? 2 : 1;
		fy_text_put(&e->out, line, (size_t)(value - line));
		fy_text_add(&e->out, "false");
		line = value + 4;
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	/* The UUID is not unique: GRUB shall take the PARTUUID. */
	fy_text_put(&e->out, line, (size_t)(end - line));
	if (end[-1] != '\n')
		fy_text_add(&e->out, "\n");
	fy_text_add(&e->out, "GRUB_DISABLE_LINUX_PARTUUID=false\n");
}

/* --- GRUB's device lists -------------------------------------------------- */

static void
edit_device_map(struct fy_editing *e, const char *line, const char *end)
{
	struct field f[2];
	size_t n = split(line, end, f, 2);

	if (n < 2 || f[0].at[0] != '(') {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	fy_text_put(&e->out, line, (size_t)(f[1].at - line));
	fy_editing_put_name(e, f[1].at, f[1].len, NULL, FY_DEVICE_VIRTIO);
	line = f[1].at + f[1].len;
	fy_text_put(&e->out, line, (size_t)(end - line));
}

static void
edit_debconf(struct fy_editing *e, const char *line, const char *end)
{
	size_t n;

	if (begins(line, end, "Name:"))
		e->debconf_devices =
			begins(line, end, "Name: grub-pc/install_devices\n") ||
			begins(line, end, "Name: grub-efi/install_devices\n");
	if (!e->debconf_devices || !begins(line, end, "Value:")) {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	fy_text_add(&e->out, "Value:");
	line += 6;
	while (line < end) {
		for (n = 0; line + n < end && !ends_value(line[n]); n++)
			;
		if (n > 0)
			fy_editing_put_name(e, line, n, NULL, FY_DEVICE_VIRTIO);
		else
			fy_text_put(&e->out, line, 1);
		line += n > 0 ? n : 1;
	}
}

/* (hd0) of SUSE's /etc/default/grub_installdevice, and its other words, are
 * left. */
static void
edit_device_lines(struct fy_editing *e, const char *line, const char *end)
{
	struct field f[2];

	if (split(line, end, f, 2) != 1 || f[0].at[0] != '/') {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	fy_text_put(&e->out, line, (size_t)(f[0].at - line));
	fy_editing_put_name(e, f[0].at, f[0].len, NULL, FY_DEVICE_VIRTIO);
	line = f[0].at + f[0].len;
	fy_text_put(&e->out, line, (size_t)(end - line));
}

/* GRUB finds the block by its size and first line, and wants '#' up to the
 * end: the filling is the last line, without a newline. */
static void
edit_grubenv(struct fy_editing *e, const char *line, const char *end)
{
	if (*line != '#' || end[-1] == '\n') {
		edit_arguments(e, line, end);
		return;
	}
	while (e->out.len < e->size && !e->out.failed)
		fy_text_add(&e->out, "#");
}

/* --- any path ------------------------------------------------------------- */

static void
edit_paths_as(struct fy_editing *e, const char *line, const char *end,
	      bool list_only)
{
	const char *p = line;
	size_t n;

	if (is_comment(line, end)) {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	while (p < end) {
		if (!begins(p, end, "/dev/") || (p > line && in_path(p[-1]))) {
			fy_text_put(&e->out, p++, 1);
			continue;
		}
		n = path_len(p, end);
		if (list_only) {
			list_name(e, p, n);
			fy_text_put(&e->out, p, n);
		} else {
			fy_editing_put_name(e, p, n, NULL, FY_DEVICE_PATH);
		}
		p += n;
	}
}

static void
edit_paths(struct fy_editing *e, const char *line, const char *end)
{
	edit_paths_as(e, line, end, false);
}

void
fy_edit_list_paths(struct fy_editing *e, const char *line, const char *end)
{
	edit_paths_as(e, line, end, true);
}

/* --- logins on consoles --------------------------------------------------- */

/* Whether a line of the whole text that is no comment speaks of the console:
 * asked once, for a text may have many lines. */
static bool
has_console(struct fy_editing *e)
{
	const char *line = e->end - e->size, *nl;

	if (e->console != NOT_ASKED)
		return e->console == TAKEN;
	e->console = NONE;
	for (; line < e->end && e->console == NONE; line = nl) {
		nl = memchr(line, '\n', (size_t)(e->end - line));
		nl = nl == NULL ? e->end : nl + 1;
		if (!is_comment(line, nl) &&
		    memmem(line, (size_t)(nl - line), CONSOLE,
			   sizeof(CONSOLE) - 1) != NULL)
			e->console = TAKEN;
	}
	return e->console == TAKEN;
}

/* inittab: id:levels:action:process, where only the last one changes, for an id
 * has at most four characters.  securetty: the name alone. */
static void
edit_consoles(struct fy_editing *e, const char *line, const char *end)
{
	const char *p = line;
	size_t colons = 0;

	if (is_comment(line, end) || has_console(e)) {
		fy_text_put(&e->out, line, (size_t)(end - line));
		return;
	}
	if (memchr(line, ':', (size_t)(end - line)) == NULL)
		colons = 3;
	for (; p < end; p++) {
		colons += *p == ':';
		if (colons < 3 || xen_console(p, end) == 0 ||
		    (p > line && isalnum((unsigned char)p[-1]))) {
			fy_text_put(&e->out, p, 1);
			continue;
		}
		fy_text_add(&e->out, CONSOLE);
		p += 3;
	}
}

/* --- all ------------------------------------------------------------------ */

static void (*const editors[])(struct fy_editing *e, const char *line,
			       const char *end) = {
	[FY_EDIT_FSTAB] = edit_fstab,
	[FY_EDIT_CRYPTTAB] = edit_crypttab,
	[FY_EDIT_ARGUMENTS] = edit_arguments,
	[FY_EDIT_DEFAULT_GRUB] = edit_default_grub,
	[FY_EDIT_DEVICE_MAP] = edit_device_map,
	[FY_EDIT_GRUBENV] = edit_grubenv,
	[FY_EDIT_DEVICE_LINES] = edit_device_lines,
	[FY_EDIT_DEBCONF] = edit_debconf,
	[FY_EDIT_PATHS] = edit_paths,
	[FY_EDIT_LVM_DEVICES] = fy_edit_lvm_devices,
	[FY_EDIT_MDADM] = fy_edit_mdadm,
	[FY_EDIT_CONSOLES] = edit_consoles,
	[FY_EDIT_LVM_CONF] = fy_edit_lvm_conf,
	[FY_EDIT_LIST] = fy_edit_list_paths,
};

/* An environment block that is full has no filling to take from. */
static int
check_size(const struct fy_editing *e, enum fy_edit_kind kind,
	   struct fy_error *err)
{
	if (kind != FY_EDIT_GRUBENV || e->out.len == e->size)
		return 0;
	return fy_error_set(err, FY_E_NOSPACE, 0,
			    "GRUB's environment block has no room for the new "
			    "names (%zu bytes instead of %zu)",
			    e->out.len, e->size);
}

int
fy_edit_text(enum fy_edit_kind kind, const struct fy_edit_context *ctx,
	     const char *text, size_t len, char **ret, size_t *ret_len,
	     struct fy_string_set *unknown, struct fy_error *err)
{
	struct fy_editing e = { .ctx = ctx,
				.unknown = unknown,
				.err = err,
				.size = len,
				.end = text + len };
	const char *line, *end = text + len, *nl;

	for (line = text; line < end; line = nl) {
		/* A filter of lvm.conf may have several lines. */
		nl = kind == FY_EDIT_LVM_CONF
			     ? NULL
			     : memchr(line, '\n', (size_t)(end - line));
		nl = nl == NULL ? end : nl + 1;
		editors[kind](&e, line, nl);
	}
	if (e.failed || fy_text_check(&e.out, err) == -1 ||
	    check_size(&e, kind, err) == -1) {
		fy_text_release(&e.out);
		return -1;
	}
	if (e.out.len == len &&
	    (len == 0 || memcmp(e.out.data, text, len) == 0)) {
		fy_text_release(&e.out);
		*ret = NULL;
		return 0;
	}
	*ret = e.out.data;
	*ret_len = e.out.len;
	return 0;
}
