/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Linux guest of Debian's family: which files get which edit.  The edits
 * themselves are pure functions of text (linux-edit.c); network names, the
 * ESP and the kernels have files of their own.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/family.h"
#include "drivers-inject/linux-edit.h"
#include "drivers-inject/system.h"

#define MAX_CONFIG (8u * 1024 * 1024)

struct rule {
	const char *dir;
	const char *pattern; /* of names in 'dir' */
	enum fy_edit_kind kind;
	const char *why;
};

#define WHY_FSTAB "device names become names that stay"
#define WHY_ARGS  "kernel arguments name devices by UUID"
#define WHY_GRUB  "update-grub shall not bring old device names back"
#define WHY_DISKS "the disk's name on virtio"

static const struct rule rules[] = {
	{ "etc", "fstab", FY_EDIT_FSTAB, WHY_FSTAB },
	{ "etc", "crypttab", FY_EDIT_CRYPTTAB, WHY_FSTAB },
	{ "boot/grub", "grub.cfg", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "boot/grub2", "grub.cfg", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "boot/grub", "custom.cfg", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "boot/grub", "menu.lst", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "boot/grub", "grub.conf", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "boot/extlinux", "extlinux.conf", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "boot/loader/entries", "*.conf", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "etc/kernel", "cmdline", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "etc/default", "grub", FY_EDIT_DEFAULT_GRUB, WHY_GRUB },
	{ "etc/default/grub.d", "*.cfg", FY_EDIT_DEFAULT_GRUB, WHY_GRUB },
	{ "etc/default", "extlinux", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "etc/grub.d", "4*_custom", FY_EDIT_ARGUMENTS, WHY_GRUB },
	{ "boot/grub", "device.map", FY_EDIT_DEVICE_MAP, WHY_DISKS },
	{ "boot/grub2", "device.map", FY_EDIT_DEVICE_MAP, WHY_DISKS },
	{ "var/cache/debconf", "config.dat", FY_EDIT_DEBCONF, WHY_DISKS },
	{ "etc/initramfs-tools", "initramfs.conf", FY_EDIT_ARGUMENTS,
	  WHY_FSTAB },
	{ "etc/initramfs-tools/conf.d", "*", FY_EDIT_ARGUMENTS, WHY_FSTAB },
	{ "etc", "dracut.conf", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "etc/dracut.conf.d", "*.conf", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "etc/cmdline.d", "*.conf", FY_EDIT_ARGUMENTS, WHY_ARGS },
	{ "etc/systemd/system", "*.mount", FY_EDIT_PATHS, WHY_FSTAB },
	{ "etc/lvm/devices", "*.devices", FY_EDIT_LVM_DEVICES,
	  "LVM looks for its PVs under their names on virtio" },
	/* Only looked at. */
	{ "etc", "lilo.conf", FY_EDIT_LIST, NULL },
	{ "etc", "uswsusp.conf", FY_EDIT_LIST, NULL },
	{ "etc/lvm", "lvm.conf", FY_EDIT_LIST, NULL },
	{ "etc/mdadm", "mdadm.conf", FY_EDIT_LIST, NULL },
	{ "etc/systemd/system", "*.swap", FY_EDIT_LIST, NULL },
};

static int
warn_unknown(struct fy_system *s, const char *path, enum fy_edit_kind kind,
	     const struct fy_string_set *unknown, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < unknown->n; i++)
		if (fy_disks_warn(s->disks, err,
				  kind == FY_EDIT_LIST
					  ? "'%s' names '%s', which will have "
					    "another name; edit it by hand"
					  : "'%s' names '%s', and it is not "
					    "known what that is; it was left",
				  path, unknown->items[i]) == -1)
			return -1;
	return 0;
}

static int
edit_file(struct fy_system *s, const char *path, const struct rule *rule,
	  const struct fy_edit_context *ctx, struct fy_error *err)
{
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
	r = fy_edit_text(rule->kind, ctx, text, len, &new, &new_len, &unknown,
			 err);
	if (r == 0)
		r = warn_unknown(s, path, rule->kind, &unknown, err);
	fy_string_set_release(&unknown);
	if (r == 0 && new != NULL && rule->kind != FY_EDIT_LIST)
		r = fy_system_write(s->disks, s->guest, path, 0, new, new_len,
				    rule->why, NULL, err);
	return r;
}

static bool
is_backup(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && (name[len - 1] == '~' ||
			   strstr(name, ".dpkg-") != NULL || name[0] == '.');
}

static int
edit_matching(struct fy_system *s, const struct rule *rule,
	      const struct fy_edit_context *ctx, struct fy_error *err)
{
	char **names = NULL;
	size_t n = 0, i;
	int r;

	if (strpbrk(rule->pattern, "*") == NULL) {
		fy_autofree char *path =
			fy_format(err, "/%s/%s", rule->dir, rule->pattern);

		return path == NULL ? -1 : edit_file(s, path, rule, ctx, err);
	}
	r = fy_guest_names(s->guest, rule->dir, &names, &n, err);
	for (i = 0; r == 0 && i < n; i++) {
		fy_autofree char *path = NULL;

		if (fnmatch(rule->pattern, names[i], 0) != 0 ||
		    is_backup(names[i]))
			continue;
		path = fy_format(err, "/%s/%s", rule->dir, names[i]);
		r = path == NULL ? -1 : edit_file(s, path, rule, ctx, err);
	}
	fy_guest_names_free(names, n);
	return r;
}

/* With MODULES=list a later update-initramfs takes only what is named. */
static int
name_modules(struct fy_system *s, struct fy_error *err)
{
	static const char add[] = "virtio_pci\nvirtio_blk\nvirtio_scsi\n"
				  "virtio_net\n";
	static const char *const places[] = {
		"etc/initramfs-tools/initramfs.conf",
		"etc/initramfs-tools/conf.d/driver-policy",
	};
	fy_autofree char *text = NULL;
	struct fy_text out = { 0 };
	size_t len = 0, i;
	bool list = false;
	int r;

	for (i = 0; i < 2; i++) {
		fy_autofree char *conf = NULL;
		const char *line;

		if (fy_guest_read(s->guest, places[i], MAX_CONFIG, &conf, &len,
				  NULL) == -1)
			continue;
		line = strncmp(conf, "MODULES=", 8) == 0
			       ? conf - 1
			       : strstr(conf, "\nMODULES=");
		if (line != NULL)
			list = strncmp(line + 9, "list", 4) == 0;
	}
	if (!list ||
	    fy_guest_read(s->guest, "etc/initramfs-tools/modules", MAX_CONFIG,
			  &text, &len, NULL) == -1 ||
	    strstr(text, "virtio_blk") != NULL)
		return 0;
	fy_text_put(&out, text, len);
	if (len > 0 && text[len - 1] != '\n')
		fy_text_add(&out, "\n");
	fy_text_add(&out, add);
	r = fy_text_check(&out, err);
	if (r == 0)
		r = fy_system_write(s->disks, s->guest,
				    "/etc/initramfs-tools/modules", 0, out.data,
				    out.len,
				    "update-initramfs with MODULES=list shall "
				    "keep virtio",
				    NULL, err);
	fy_text_release(&out);
	return r;
}

/* A LUKS volume that the TPM opens will ask for its passphrase. */
static int
warn_tpm(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	size_t len;

	if (fy_guest_read(s->guest, "etc/crypttab", MAX_CONFIG, &text, &len,
			  NULL) == 0 &&
	    strstr(text, "tpm2-device") != NULL)
		return fy_disks_warn(s->disks, err,
				     "a volume in /etc/crypttab is opened by "
				     "the machine's TPM; the virtual machine "
				     "will ask for its passphrase");
	return 0;
}

void
fy_linux_extras_release(struct fy_linux_extras *e)
{
	while (e->n > 0) {
		free(e->items[--e->n].path);
		free(e->items[e->n].data);
	}
	free(e->items);
	e->items = NULL;
}

/* When fstab knows the root by its UUID, the first root= of grub.cfg may still
 * tell which disk was /dev/sda. */
static int
anchor_by_grub(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	fy_autofree char *name = NULL;
	const char *p;
	size_t len;

	if (fy_guest_read(s->guest, "boot/grub/grub.cfg", MAX_CONFIG, &text,
			  &len, NULL) == -1 ||
	    (p = strstr(text, " root=/dev/")) == NULL)
		return 0;
	p += 6;
	name = strndup(p, strcspn(p, " \t\r\n\"'"));
	if (name == NULL)
		return fy_error_nomem(err);
	return fy_devices_anchor(s->disks->devices, name, s->disk,
				 s->root->number, err);
}

static int
inject(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *root = fy_devices_name(s->disks->devices, s->disk,
						 s->root, FY_DEVICE_SPEC);
	/* update-grub names an LV as it is. */
	const struct fy_edit_context ctx = {
		.devices = s->disks->devices,
		.root_spec = s->root->layer == NULL ? root : NULL,
	};
	struct fy_linux_extras extras = { 0 };
	size_t i;
	int r = anchor_by_grub(s, err);

	for (i = 0; r == 0 && i < sizeof(rules) / sizeof(*rules); i++)
		r = edit_matching(s, &rules[i], &ctx, err);
	if (r == 0)
		r = name_modules(s, err);
	if (r == 0)
		r = warn_tpm(s, err);
	if (r == 0)
		r = fy_linux_network(s, &extras, err);
	if (r == 0)
		r = fy_linux_kernels(s, &extras, err);
	fy_linux_extras_release(&extras);
	return r;
}

/* Outside of its filesystems: what boots without boot variables. */
static int
finish(struct fy_system *s, struct fy_error *err)
{
	return s->firmware == FY_FIRMWARE_UEFI ? fy_linux_esp(s, err) : 0;
}

const struct fy_family fy_family_linux = {
	.name = "linux",
	.is_root = fy_linux_is_root,
	.open = fy_linux_open,
	.inject = inject,
	.finish = finish,
};
