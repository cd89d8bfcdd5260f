/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Linux system is: distribution, architecture, kernels, boot loader, and
 * which firmware it boots with.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/linux-edit.h"
#include "drivers-inject/system.h"

#define MAX_KERNELS 64u

/* NAME=value of os-release, unquoted; malloc'd or NULL. */
static char *
release_value(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *line = text, *end;
	char quote;

	while (line != NULL && *line != '\0') {
		if (strncmp(line, name, len) == 0 && line[len] == '=') {
			line += len + 1;
			quote = *line == '"' || *line == '\'' ? *line++ : '\n';
			end = line;
			while (*end != '\0' && *end != '\n' && *end != quote)
				end++;
			return strndup(line, (size_t)(end - line));
		}
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return NULL;
}

static void
read_release(struct fy_system *s)
{
	fy_autofree char *text = NULL;
	fy_autofree char *like = NULL;
	size_t len;

	if (fy_guest_read(s->guest, "etc/os-release", 65536, &text, &len,
			  NULL) == 0 ||
	    fy_guest_read(s->guest, "usr/lib/os-release", 65536, &text, &len,
			  NULL) == 0) {
		s->id = release_value(text, "ID");
		s->version = release_value(text, "VERSION_ID");
		s->pretty_name = release_value(text, "PRETTY_NAME");
		like = release_value(text, "ID_LIKE");
	}
	s->debian = fy_streq(s->id, "debian") || fy_streq(s->id, "ubuntu") ||
		    (like != NULL && (strstr(like, "debian") != NULL ||
				      strstr(like, "ubuntu") != NULL)) ||
		    fy_guest_has(s->guest, "etc/debian_version");
	if (s->id == NULL)
		s->id = strdup(s->debian ? "debian" : "linux");
}

static void
read_hostname(struct fy_system *s)
{
	fy_autofree char *text = NULL;
	size_t len;

	if (fy_guest_read(s->guest, "etc/hostname", 4096, &text, &len, NULL))
		return;
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
	static const char *const programs[] = { "bin/sh", "usr/bin/dpkg",
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

static int
newest_first(const void *a, const void *b)
{
	return strverscmp(*(char *const *)b, *(char *const *)a);
}

static int
read_kernels(struct fy_system *s, struct fy_error *err)
{
	char **names = NULL;
	size_t n = 0, i;
	int r;

	r = fy_guest_names(s->guest, "boot", &names, &n, err);
	for (i = 0; r == 0 && i < n; i++)
		if ((strncmp(names[i], "vmlinuz-", 8) == 0 ||
		     strncmp(names[i], "vmlinux-", 8) == 0) &&
		    names[i][8] != '\0' && s->kernels.n < MAX_KERNELS)
			r = fy_string_set_add(&s->kernels, names[i] + 8, err);
	fy_guest_names_free(names, n);
	fy_sort(s->kernels.items, s->kernels.n, sizeof(char *), newest_first);
	return r;
}

static int
read_boot(struct fy_system *s, struct fy_error *err)
{
	static const char *const loaders[][2] = {
		{ "boot/grub/grub.cfg", "grub2" },
		{ "boot/grub2/grub.cfg", "grub2" },
		{ "boot/grub/menu.lst", "grub1" },
		{ "boot/extlinux/extlinux.conf", "extlinux" },
		{ "etc/lilo.conf", "lilo" },
	};
	struct fy_guest *g = s->guest;
	bool uefi, bios;
	size_t i;

	for (i = 0; i < sizeof(loaders) / sizeof(*loaders); i++)
		if (fy_guest_has(g, loaders[i][0]) &&
		    fy_string_set_add(&s->bootloaders, loaders[i][1], err) ==
			    -1)
			return -1;
	s->initramfs = fy_guest_has(g, "usr/sbin/mkinitramfs") ||
				       fy_guest_has(g, "usr/sbin/"
						       "update-initramfs")
			       ? "initramfs-tools"
		       : fy_guest_has(g, "usr/bin/dracut") ||
				       fy_guest_has(g, "usr/sbin/dracut")
			       ? "dracut"
			       : NULL;
	uefi = fy_guest_is_dir(g, "boot/grub/x86_64-efi") ||
	       fy_guest_is_dir(g, "boot/grub/arm64-efi") ||
	       fy_guest_is_dir(g, "boot/grub/i386-efi");
	bios = fy_guest_is_dir(g, "boot/grub/i386-pc") ||
	       fy_guest_has(g, "boot/grub/menu.lst") ||
	       fy_guest_has(g, "etc/lilo.conf");
	for (i = 0; i < s->n_fstab; i++)
		if (strcmp(s->fstab[i].fields[1], "/boot/efi") == 0)
			uefi = uefi || !bios;
	for (i = 0; i < s->disks->n; i++)
		if (!bios && !uefi &&
		    fy_disks_esp(s->disks, (unsigned)i) != NULL)
			uefi = true;
	/* GRUB's files of both kinds: an ESP in use decides. */
	if (uefi && bios) {
		uefi = false;
		for (i = 0; i < s->n_fstab; i++)
			if (strcmp(s->fstab[i].fields[1], "/boot/efi") == 0)
				uefi = true;
	}
	s->firmware = uefi ? FY_FIRMWARE_UEFI : FY_FIRMWARE_BIOS;
	return 0;
}

int
fy_linux_describe(struct fy_system *s, struct fy_error *err)
{
	read_release(s);
	read_hostname(s);
	read_arch(s);
	if (read_kernels(s, err) == -1)
		return -1;
	return read_boot(s, err);
}
