/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which text files of a Linux guest get which edit.  The edits themselves are
 * pure functions of text (linux-edit.c).
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

#define MAX_CONFIG (8u * 1024 * 1024)
#define MAX_BOOT   (32u * 1024 * 1024) /* all that holds kernel arguments */
#define MAX_FILES  2048u	       /* of one rule, in one directory */

struct rule {
	struct fy_linux_place at;
	enum fy_edit_kind kind;
	const char *why;
};

#define WHY_FSTAB   "device names become names that stay"
#define WHY_ARGS    "kernel arguments name devices by UUID"
#define WHY_GRUB    "later updates shall not bring old device names back"
#define WHY_LVM	    "LVM's filter accepts the disks on virtio"
#define WHY_MDADM   "arrays are put together of whatever name the members have"
#define WHY_CONSOLE "the virtual machine's console instead of Xen's"
#define WHY_DISKS   "the disk's name on virtio"

#define ARGS FY_EDIT_ARGUMENTS

/* What holds kernel arguments.  The ESP is below boot/efi or efi. */
static const struct rule boot_rules[] = {
	{ { "boot/grub", "grub.cfg" }, ARGS, WHY_ARGS },
	{ { "boot/grub2", "grub.cfg" }, ARGS, WHY_ARGS },
	{ { "boot/efi/EFI/*", "grub.cfg" }, ARGS, WHY_ARGS },
	{ { "boot/EFI/*", "grub.cfg" }, ARGS, WHY_ARGS },
	{ { "efi/EFI/*", "grub.cfg" }, ARGS, WHY_ARGS },
	{ { "boot/grub", "custom.cfg" }, ARGS, WHY_ARGS },
	{ { "boot/grub2", "custom.cfg" }, ARGS, WHY_ARGS },
	{ { "boot/grub", "menu.lst" }, ARGS, WHY_ARGS },
	{ { "boot/grub", "grub.conf" }, ARGS, WHY_ARGS },
	{ { "boot/efi/EFI/*", "grub.conf" }, ARGS, WHY_ARGS },
	{ { "boot/efi/EFI/*", "elilo.conf" }, ARGS, WHY_ARGS },
	{ { "boot/grub", "grubenv" }, FY_EDIT_GRUBENV, WHY_ARGS },
	{ { "boot/grub2", "grubenv" }, FY_EDIT_GRUBENV, WHY_ARGS },
	{ { "boot/efi/EFI/*", "grubenv" }, FY_EDIT_GRUBENV, WHY_ARGS },
	{ { "boot/extlinux", "extlinux.conf" }, ARGS, WHY_ARGS },
	{ { "boot/syslinux", "syslinux.cfg" }, ARGS, WHY_ARGS },
	{ { "boot", "extlinux.conf" }, ARGS, WHY_ARGS },
	{ { "boot", "refind_linux.conf" }, ARGS, WHY_ARGS },
	{ { "boot/loader/entries", "*.conf" }, ARGS, WHY_ARGS },
	{ { "boot/efi/loader/entries", "*.conf" }, ARGS, WHY_ARGS },
	{ { "efi/loader/entries", "*.conf" }, ARGS, WHY_ARGS },
	{ { "etc/kernel", "cmdline" }, ARGS, WHY_GRUB },
	{ { "etc/cmdline.d", "*.conf" }, ARGS, WHY_GRUB },
	{ { "etc/default", "grub" }, FY_EDIT_DEFAULT_GRUB, WHY_GRUB },
	{ { "etc/default/grub.d", "*.cfg" }, FY_EDIT_DEFAULT_GRUB, WHY_GRUB },
	{ { "etc/sysconfig", "grub2" }, FY_EDIT_DEFAULT_GRUB, WHY_GRUB },
	{ { "etc/default", "extlinux" }, ARGS, WHY_GRUB },
	{ { "etc/default", "u-boot" }, ARGS, WHY_GRUB },
	{ { "etc/default", "flash-kernel" }, ARGS, WHY_GRUB },
	{ { "etc/sysconfig", "bootloader" }, ARGS, WHY_GRUB },
	{ { "etc/grub.d", "4*_custom" }, ARGS, WHY_GRUB },
};

static const struct rule rules[] = {
	{ { "etc", "fstab" }, FY_EDIT_FSTAB, WHY_FSTAB },
	{ { "etc", "crypttab" }, FY_EDIT_CRYPTTAB, WHY_FSTAB },
	{ { "boot/grub", "device.map" }, FY_EDIT_DEVICE_MAP, WHY_DISKS },
	{ { "boot/grub2", "device.map" }, FY_EDIT_DEVICE_MAP, WHY_DISKS },
	{ { "etc/default", "grub_installdevice" },
	  FY_EDIT_DEVICE_LINES,
	  WHY_DISKS },
	{ { "etc", "grub.conf" }, ARGS, WHY_ARGS },
	{ { "var/cache/debconf", "config.dat" }, FY_EDIT_DEBCONF, WHY_DISKS },
	{ { "etc/initramfs-tools", "initramfs.conf" }, ARGS, WHY_FSTAB },
	{ { "etc/initramfs-tools/conf.d", "*" }, ARGS, WHY_FSTAB },
	{ { "etc", "dracut.conf" }, ARGS, WHY_GRUB },
	{ { "etc/dracut.conf.d", "*.conf" }, ARGS, WHY_GRUB },
	{ { "etc/systemd/system", "*.mount" }, FY_EDIT_PATHS, WHY_FSTAB },
	{ { "etc/lvm/devices", "*.devices" },
	  FY_EDIT_LVM_DEVICES,
	  "LVM looks for its PVs under their names on virtio" },
	{ { "etc/lvm", "lvm.conf" }, FY_EDIT_LVM_CONF, WHY_LVM },
	{ { "etc/lvm", "lvmlocal.conf" }, FY_EDIT_LVM_CONF, WHY_LVM },
	{ { "etc/mdadm", "mdadm.conf" }, FY_EDIT_MDADM, WHY_MDADM },
	{ { "etc", "mdadm.conf" }, FY_EDIT_MDADM, WHY_MDADM },
	{ { "etc", "inittab" }, FY_EDIT_CONSOLES, WHY_CONSOLE },
	{ { "etc", "securetty" }, FY_EDIT_CONSOLES, WHY_CONSOLE },
	/* Only looked at. */
	{ { "etc", "lilo.conf" }, FY_EDIT_LIST, NULL },
	{ { "etc", "uswsusp.conf" }, FY_EDIT_LIST, NULL },
	{ { "etc", "suspend.conf" }, FY_EDIT_LIST, NULL },
	{ { "etc", "multipath.conf" }, FY_EDIT_LIST, NULL },
	{ { "etc", "mkinitcpio.conf" }, FY_EDIT_LIST, NULL },
	{ { "etc", "initrd.mk" }, FY_EDIT_LIST, NULL },
	{ { "etc/systemd/system", "*.swap" }, FY_EDIT_LIST, NULL },
};

/* --- finding files -------------------------------------------------------- */

static bool
is_backup(const char *name)
{
	size_t len = strlen(name);

	return len > 0 &&
	       (name[len - 1] == '~' || strstr(name, ".dpkg-") != NULL ||
		strstr(name, ".rpm") != NULL || name[0] == '.');
}

static int
each_in(struct fy_guest *g, const char *dir, const char *pattern,
	fy_linux_each each, void *ctx, struct fy_error *err)
{
	char **names = NULL;
	size_t n = 0, found = 0, i;
	int r;

	if (strchr(pattern, '*') == NULL) {
		fy_autofree char *path = fy_format(err, "/%s/%s", dir, pattern);

		return path == NULL ? -1 : each(ctx, path, err);
	}
	r = fy_guest_names(g, dir, &names, &n, err);
	for (i = 0; r == 0 && i < n; i++) {
		fy_autofree char *path = NULL;

		if (fnmatch(pattern, names[i], 0) != 0 || is_backup(names[i]))
			continue;
		if (found++ == MAX_FILES) {
			r = fy_error_set(err, FY_E_FORMAT, 0,
					 "more than %u files '/%s/%s'",
					 MAX_FILES, dir, pattern);
			break;
		}
		path = fy_format(err, "/%s/%s", dir, names[i]);
		r = path == NULL ? -1 : each(ctx, path, err);
	}
	fy_guest_names_free(names, n);
	return r;
}

int
fy_linux_each_file(struct fy_guest *g, const struct fy_linux_place *p,
		   fy_linux_each each, void *ctx, struct fy_error *err)
{
	const char *star = strstr(p->dir, "/*");
	fy_autofree char *top = NULL;
	char **names = NULL;
	size_t n = 0, i;
	int r;

	if (star == NULL)
		return each_in(g, p->dir, p->pattern, each, ctx, err);
	top = strndup(p->dir, (size_t)(star - p->dir));
	if (top == NULL)
		return fy_error_nomem(err);
	r = fy_guest_names(g, top, &names, &n, err);
	for (i = 0; r == 0 && i < n; i++) {
		fy_autofree char *dir =
			fy_format(err, "%s/%s%s", top, names[i], star + 2);

		if (dir == NULL)
			r = -1;
		else if (fy_guest_is_dir(g, dir))
			r = each_in(g, dir, p->pattern, each, ctx, err);
	}
	fy_guest_names_free(names, n);
	return r;
}

char *
fy_linux_text(struct fy_guest *g, const char *path)
{
	struct fy_guest_stat st;
	char *text = NULL;
	size_t len;

	if (fy_guest_stat(g, path, &st, NULL) == -1 ||
	    st.type != FY_GUEST_FILE || st.size > MAX_CONFIG ||
	    fy_guest_read(g, path, MAX_CONFIG, &text, &len, NULL) == -1)
		return NULL;
	return text;
}

char *
fy_linux_value(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *line = text, *end;
	char quote;

	while (line != NULL && *line != '\0') {
		line += strspn(line, " \t");
		if (strncmp(line, name, len) == 0 && line[len] == '=') {
			line += len + 1;
			quote = *line == '"' || *line == '\'' ? *line++ : '\n';
			end = line;
			while (*end != '\0' && *end != '\n' && *end != quote)
				end++;
			while (quote == '\n' && end > line &&
			       (end[-1] == ' ' || end[-1] == '\r' ||
				end[-1] == '\t'))
				end--;
			return strndup(line, (size_t)(end - line));
		}
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return NULL;
}

/* --- what is said about booting ------------------------------------------- */

struct gathering {
	struct fy_guest *guest;
	struct fy_text text;
};

static int
gather(void *ctx, const char *path, struct fy_error *err)
{
	struct gathering *g = ctx;
	fy_autofree char *text = fy_linux_text(g->guest, path);

	(void)err;
	if (text != NULL && g->text.len + strlen(text) < MAX_BOOT) {
		fy_text_add(&g->text, text);
		fy_text_add(&g->text, "\n");
	}
	return 0;
}

char *
fy_linux_boot_text(struct fy_system *s, struct fy_error *err)
{
	struct gathering g = { .guest = s->guest };
	size_t i;

	fy_text_put(&g.text, "", 0);
	for (i = 0; i < sizeof(boot_rules) / sizeof(*boot_rules); i++)
		if (fy_linux_each_file(s->guest, &boot_rules[i].at, gather, &g,
				       err) == -1) {
			fy_text_release(&g.text);
			return NULL;
		}
	if (fy_text_check(&g.text, err) == -1) {
		fy_text_release(&g.text);
		return NULL;
	}
	return g.text.data;
}

/* When fstab knows the root by its UUID, the first root= of a boot loader may
 * still tell which disk was /dev/sda. */
static int
anchor_by_loader(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *text = fy_linux_boot_text(s, err);
	fy_autofree char *name = NULL;
	const char *p;

	if (text == NULL)
		return -1;
	for (p = text; (p = strstr(p, "root=/dev/")) != NULL; p++)
		if (p > text && strchr(" \t\"'=", p[-1]) != NULL)
			break;
	if (p == NULL)
		return 0;
	p += 5;
	name = strndup(p, strcspn(p, " \t\r\n\"'"));
	if (name == NULL)
		return fy_error_nomem(err);
	return fy_devices_anchor(s->disks->devices, name, s->disk,
				 s->root->number, err);
}

/* --- editing -------------------------------------------------------------- */

struct editing {
	struct fy_system *s;
	const struct rule *rule;
	const struct fy_edit_context *ctx;
};

/* What a person is told of a name that stays. */
static const char *
about_unknown(enum fy_edit_kind kind)
{
	if (kind == FY_EDIT_LIST)
		return "which will have another name; edit it by hand";
	if (kind == FY_EDIT_LVM_CONF)
		return "with which LVM may not find its volumes on virtio; "
		       "edit it by hand";
	if (kind == FY_EDIT_FSTAB)
		return "and it is not known what that is, or how to name it "
		       "there; it was left, and without it the system may stop "
		       "as it starts, unless "
		       "the line says 'nofail'";
	return "and it is not known what that is, or how to name it there; it "
	       "was left";
}

static int
warn_unknown(struct fy_system *s, const char *path, enum fy_edit_kind kind,
	     const struct fy_string_set *unknown, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < unknown->n; i++)
		if (fy_disks_warn(s->disks, err, "'%s' names '%s', %s", path,
				  unknown->items[i], about_unknown(kind)) == -1)
			return -1;
	return 0;
}

static int
edit_file(void *ctx, const char *path, struct fy_error *err)
{
	const struct editing *e = ctx;
	struct fy_system *s = e->s;
	enum fy_edit_kind kind = e->rule->kind;
	fy_autofree char *text = NULL;
	fy_autofree char *new = NULL;
	struct fy_string_set unknown = { 0 };
	size_t len = 0, new_len = 0;
	struct fy_guest_stat st;
	int r;

	if (fy_guest_stat(s->guest, path, &st, NULL) == -1 ||
	    st.type != FY_GUEST_FILE)
		return 0;
	if (st.size > MAX_CONFIG)
		return fy_disks_warn(s->disks, err,
				     "'%s' is too large to be edited", path);
	if (fy_guest_read(s->guest, path, MAX_CONFIG, &text, &len, err) == -1)
		return -1;
	r = fy_edit_text(kind, e->ctx, text, len, &new, &new_len, &unknown,
			 err);
	if (r == 0)
		r = warn_unknown(s, path, kind, &unknown, err);
	fy_string_set_release(&unknown);
	if (r == -1)
		return fy_error_prefix(err, "'%s'", path);
	if (new != NULL && kind != FY_EDIT_LIST)
		r = fy_system_write(s->disks, s->guest, path, 0, new, new_len,
				    e->rule->why, NULL, err);
	return r;
}

static int
edit_by(struct fy_system *s, const struct rule *list, size_t n,
	const struct fy_edit_context *ctx, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct editing e = { .s = s, .rule = &list[i], .ctx = ctx };

		if (fy_linux_each_file(s->guest, &list[i].at, edit_file, &e,
				       err) == -1)
			return -1;
	}
	return 0;
}

int
fy_linux_edit_files(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *root = fy_devices_name(s->disks->devices, s->disk,
						 s->root, FY_DEVICE_SPEC);
	/* update-grub names an LV as it is. */
	const struct fy_edit_context ctx = {
		.devices = s->disks->devices,
		.root_spec = s->root->layer == NULL ? root : NULL,
	};

	if (anchor_by_loader(s, err) == -1 ||
	    edit_by(s, rules, sizeof(rules) / sizeof(*rules), &ctx, err) == -1)
		return -1;
	return edit_by(s, boot_rules, sizeof(boot_rules) / sizeof(*boot_rules),
		       &ctx, err);
}
