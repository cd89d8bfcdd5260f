/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Linux system is: distribution, packages, architecture, SELinux, and
 * which firmware it boots with.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

/* --- the distribution ----------------------------------------------------- */

/* Words of os-release's ID and ID_LIKE, and whose they are. */
static const struct {
	const char *word, *distribution;
} words[] = {
	{ "debian", "debian" },	    { "ubuntu", "debian" },
	{ "rhel", "redhat" },	    { "fedora", "redhat" },
	{ "centos", "redhat" },	    { "rocky", "redhat" },
	{ "almalinux", "redhat" },  { "ol", "redhat" },
	{ "scientific", "redhat" }, { "amzn", "redhat" },
	{ "suse", "suse" },	    { "opensuse", "suse" },
	{ "sles", "suse" },	    { "sled", "suse" },
	{ "arch", "arch" },	    { "altlinux", "alt" },
};

/* Files that say it where os-release is missing, with the id. */
static const struct {
	const char *path, *distribution, *id;
} releases[] = {
	{ "etc/debian_version", "debian", "debian" },
	{ "etc/altlinux-release", "alt", "altlinux" },
	{ "etc/centos-release", "redhat", "centos" },
	{ "etc/oracle-release", "redhat", "ol" },
	{ "etc/fedora-release", "redhat", "fedora" },
	{ "etc/redhat-release", "redhat", "rhel" },
	{ "etc/SuSE-release", "suse", "suse" },
	{ "etc/arch-release", "arch", "arch" },
};
#define N_RELEASES (sizeof(releases) / sizeof(*releases))

bool
fy_linux_has_release(struct fy_guest *g)
{
	size_t i;

	for (i = 0; i < N_RELEASES; i++)
		if (fy_guest_has(g, releases[i].path))
			return true;
	return fy_guest_has(g, "etc/os-release") ||
	       fy_guest_has(g, "usr/lib/os-release");
}

static const char *
by_words(const char *text)
{
	size_t i, n;

	for (; text != NULL && *text != '\0'; text += n) {
		text += strspn(text, " \t");
		n = strcspn(text, " \t");
		for (i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strlen(words[i].word) == n &&
			    strncmp(words[i].word, text, n) == 0)
				return words[i].distribution;
		/* "opensuse-leap" */
		if (strncmp(text, "opensuse", 8) == 0)
			return "suse";
	}
	return NULL;
}

/* "CentOS release 6.10 (Final)": the name, and the first number. */
static void
by_release_text(struct fy_system *s, const char *path)
{
	fy_autofree char *text = fy_linux_text(s->guest, path);
	const char *p;

	if (text == NULL)
		return;
	text[strcspn(text, "\r\n")] = '\0';
	if (strcmp(path, "etc/debian_version") == 0) {
		if (s->version == NULL)
			s->version = strdup(text);
		return;
	}
	if (s->pretty_name == NULL)
		s->pretty_name = strdup(text);
	p = text + strcspn(text, "0123456789");
	if (s->version == NULL && *p != '\0')
		s->version = strndup(p, strspn(p, "0123456789."));
}

static int
read_release(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *text = fy_linux_text(s->guest, "etc/os-release");
	fy_autofree char *like = NULL;
	size_t i;

	if (text == NULL)
		text = fy_linux_text(s->guest, "usr/lib/os-release");
	if (text != NULL) {
		s->id = fy_linux_value(text, "ID");
		s->version = fy_linux_value(text, "VERSION_ID");
		s->pretty_name = fy_linux_value(text, "PRETTY_NAME");
		like = fy_linux_value(text, "ID_LIKE");
	}
	s->distribution = by_words(s->id);
	if (s->distribution == NULL)
		s->distribution = by_words(like);
	for (i = 0; i < N_RELEASES; i++) {
		if (!fy_guest_has(s->guest, releases[i].path))
			continue;
		if (s->distribution == NULL)
			s->distribution = releases[i].distribution;
		if (s->id == NULL) {
			s->id = strdup(releases[i].id);
			by_release_text(s, releases[i].path);
		}
	}
	if (s->distribution == NULL)
		s->distribution = "other";
	if (s->id == NULL)
		s->id = strdup("linux");
	return s->id == NULL ? fy_error_nomem(err) : 0;
}

static void
read_packages(struct fy_system *s)
{
	static const char *const formats[][2] = {
		{ "var/lib/pacman/local", "pacman" },
		{ "usr/lib/sysimage/rpm", "rpm" },
		{ "var/lib/rpm", "rpm" },
		{ "var/lib/dpkg/status", "deb" },
		{ "lib/apk/db/installed", "apk" },
		{ "var/db/pkg", "portage" },
	};
	size_t i;

	/* Debian has an empty /var/lib/rpm where somebody installed rpm. */
	if (fy_streq(s->distribution, "debian"))
		s->package_format = "deb";
	for (i = 0; s->package_format == NULL &&
		    i < sizeof(formats) / sizeof(*formats);
	     i++)
		if (fy_guest_has(s->guest, formats[i][0]))
			s->package_format = formats[i][1];
}

static void
read_hostname(struct fy_system *s)
{
	static const char *const files[] = { "etc/hostname", "etc/HOSTNAME" };
	fy_autofree char *text = NULL;
	size_t i;

	for (i = 0; i < 2 && text == NULL; i++)
		text = fy_linux_text(s->guest, files[i]);
	if (text == NULL) { /* Red Hat before systemd */
		text = fy_linux_text(s->guest, "etc/sysconfig/network");
		if (text != NULL)
			s->hostname = fy_linux_value(text, "HOSTNAME");
		return;
	}
	text[strcspn(text, "\r\n \t")] = '\0';
	s->hostname = fy_steal_ptr(&text);
}

static const char *
elf_arch(const unsigned char *h)
{
	if (memcmp(h, "\177ELF", 4) != 0 || h[5] != 1)
		return h[5] == 2 && h[19] == 22 ? "s390x" : NULL;
	switch (fy_get_le16(h + 18)) {
	case 3:
		return "i686";
	case 62:
		return h[4] == 2 ? "x86_64" : "x32";
	case 40:
		return "armv7l";
	case 183:
		return "aarch64";
	case 243:
		return "riscv64";
	case 21:
		return "ppc64le";
	default:
		return NULL;
	}
}

static void
read_arch(struct fy_system *s)
{
	static const char *const programs[] = { "bin/sh", "usr/bin/env",
						"bin/ls", "sbin/init" };
	unsigned char h[20];
	const char *arch;
	size_t i;

	for (i = 0; i < 4 && s->arch == NULL; i++) {
		if (fy_guest_pread(s->guest, programs[i], h, sizeof(h), 0,
				   NULL) == -1)
			continue;
		arch = elf_arch(h);
		if (arch != NULL)
			s->arch = strdup(arch);
	}
}

static void
read_initramfs(struct fy_system *s)
{
	static const char *const tools[][2] = {
		{ "usr/sbin/mkinitramfs", "initramfs-tools" },
		{ "usr/sbin/update-initramfs", "initramfs-tools" },
		{ "usr/bin/dracut", "dracut" },
		{ "usr/sbin/dracut", "dracut" },
		{ "sbin/dracut", "dracut" },
		{ "usr/bin/mkinitcpio", "mkinitcpio" },
		{ "usr/sbin/make-initrd", "make-initrd" },
		{ "usr/bin/booster", "booster" },
		{ "sbin/mkinitrd", "mkinitrd" },
		{ "usr/sbin/mkinitfs", "mkinitfs" },
		{ "sbin/mkinitfs", "mkinitfs" },
	};
	size_t i;

	for (i = 0; s->initramfs == NULL && i < sizeof(tools) / sizeof(*tools);
	     i++)
		if (fy_guest_has(s->guest, tools[i][0]))
			s->initramfs = tools[i][1];
}

static const char *
esp_of_fstab(const struct fy_system *s)
{
	static const char *const places[] = { "/boot/efi", "/efi", "/esp" };
	size_t i, k;

	for (i = 0; i < s->n_fstab; i++)
		for (k = 0; k < 3; k++)
			if (strcmp(s->fstab[i].fields[1], places[k]) == 0)
				return s->fstab[i].fields[1];
	/* The ESP at /boot. */
	for (i = 0; i < s->n_fstab; i++)
		if (strcmp(s->fstab[i].fields[1], "/boot") == 0 &&
		    strcmp(s->fstab[i].fields[2], "vfat") == 0)
			return s->fstab[i].fields[1];
	return NULL;
}

static void
read_firmware(struct fy_system *s)
{
	static const char *const uefi_dirs[] = {
		"boot/grub/x86_64-efi", "boot/grub/arm64-efi",
		"boot/grub/i386-efi",	"boot/grub2/x86_64-efi",
		"boot/grub2/arm64-efi",
	};
	struct fy_guest *g = s->guest;
	const char *esp = esp_of_fstab(s);
	bool uefi = false, bios;
	size_t i;

	for (i = 0; i < sizeof(uefi_dirs) / sizeof(*uefi_dirs); i++)
		uefi = uefi || fy_guest_is_dir(g, uefi_dirs[i]);
	uefi = uefi || fy_string_set_has(&s->bootloaders, "systemd-boot") ||
	       fy_string_set_has(&s->bootloaders, "uki");
	bios = fy_guest_is_dir(g, "boot/grub/i386-pc") ||
	       fy_guest_is_dir(g, "boot/grub2/i386-pc") ||
	       fy_guest_has(g, "boot/grub/menu.lst") ||
	       fy_guest_has(g, "boot/grub/stage2") ||
	       fy_guest_has(g, "etc/lilo.conf");
	if (esp != NULL)
		uefi = uefi || !bios;
	for (i = 0; i < s->disks->n; i++)
		if (!bios && !uefi &&
		    fy_disks_esp(s->disks, (unsigned)i) != NULL)
			uefi = true;
	/* GRUB's files of both kinds: an ESP in use decides. */
	if (uefi && bios)
		uefi = esp != NULL;
	s->firmware = uefi ? FY_FIRMWARE_UEFI : FY_FIRMWARE_BIOS;
}

/* SELINUX= of its configuration; a system without the policy has none. */
static void
read_selinux(struct fy_system *s)
{
	struct fy_linux *l = fy_linux_of(s);
	fy_autofree char *text = fy_linux_text(s->guest, "etc/selinux/config");
	fy_autofree char *mode = NULL;

	if (text == NULL)
		return;
	mode = fy_linux_value(text, "SELINUX");
	if (!fy_streq(mode, "enforcing") && !fy_streq(mode, "permissive"))
		return;
	l->selinux_type = fy_linux_value(text, "SELINUXTYPE");
	l->selinux = fy_steal_ptr(&mode);
}

static int
read_separate(struct fy_system *s, struct fy_error *err)
{
	struct fy_linux *l = fy_linux_of(s);
	const struct fy_guest_mount *m;
	size_t n, i;

	m = fy_guest_mounts(s->guest, &n);
	for (i = 0; i < n; i++)
		if (m[i].path[0] != '\0' &&
		    fy_string_set_add(&l->separate, m[i].path, err) == -1)
			return -1;
	return 0;
}

/* What is edited in another way than any of the known ones. */
static int
judge(struct fy_system *s, struct fy_error *err)
{
	if (fy_streq(s->id, "nixos") || fy_streq(s->id, "guix"))
		return fy_system_refuse(
			s,
			"its configuration and boot entries are generated; put "
			"virtio_pci and virtio_blk into the initramfs of its "
			"configuration and build it anew before the conversion",
			err);
	if (s->disks->options == NULL || !fy_streq(s->distribution, "other"))
		return 0;
	return fy_disks_warn(s->disks, err,
			     "the distribution '%s' is not known here; what is "
			     "where other distributions have it is edited",
			     s->id);
}

int
fy_linux_describe(struct fy_system *s, struct fy_error *err)
{
	struct fy_linux *l = fy_linux_of(s);

	if (read_release(s, err) == -1)
		return -1;
	read_packages(s);
	read_hostname(s);
	read_arch(s);
	read_initramfs(s);
	l->systemd = fy_guest_has(s->guest, "usr/lib/systemd/systemd") ||
		     fy_guest_has(s->guest, "lib/systemd/systemd");
	if (fy_linux_find_kernels(s, err) == -1 ||
	    fy_linux_find_loaders(s, err) == -1)
		return -1;
	read_firmware(s);
	read_selinux(s);
	if (read_separate(s, err) == -1)
		return -1;
	return judge(s, err);
}

void
fy_linux_release(struct fy_system *s)
{
	struct fy_linux *l = fy_linux_of(s);
	size_t i;

	if (l == NULL)
		return;
	for (i = 0; i < l->n_kernels; i++) {
		free(l->kernels[i].version);
		free(l->kernels[i].image);
		fy_string_set_release(&l->kernels[i].initramfs);
	}
	free(l->kernels);
	fy_string_set_release(&l->separate);
	free(l->selinux);
	free(l->selinux_type);
	free(l);
}

/* What only this family has to tell. */
int
fy_linux_json(const struct fy_system *s, json_t *o, struct fy_error *err)
{
	const struct fy_linux *l = fy_linux_of(s);
	json_t *images = json_array();
	size_t i;

	for (i = 0; i < l->n_kernels; i++) {
		const struct fy_linux_kernel *k = &l->kernels[i];
		fy_autofree char *modules =
			fy_format(err, "lib/modules/%s", k->version);

		if (modules == NULL)
			break;
		json_array_append_new(
			images,
			json_pack("{s:o,s:o,s:o,s:b,s:b}", "version",
				  fy_json_foreign(k->version), "image",
				  fy_json_foreign(k->image), "initramfs",
				  fy_json_foreign_list(&k->initramfs),
				  "modules",
				  (int)fy_guest_is_dir(s->guest, modules),
				  "unified", (int)k->unified));
	}
	if (json_array_size(images) != l->n_kernels ||
	    json_object_set_new(o, "distribution",
				json_string(s->distribution)) == -1 ||
	    json_object_set_new(o, "package_format",
				s->package_format == NULL
					? json_null()
					: json_string(s->package_format)) ==
		    -1 ||
	    json_object_set(o, "kernel_images", images) == -1 ||
	    json_object_set_new(o, "separate",
				fy_json_foreign_list(&l->separate)) == -1 ||
	    json_object_set_new(o, "selinux", fy_json_foreign(l->selinux)) ==
		    -1) {
		json_decref(images);
		return fy_error_nomem(err);
	}
	json_decref(images);
	return 0;
}
