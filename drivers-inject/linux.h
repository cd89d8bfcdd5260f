/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_H
#define FY_LINUX_H

#include "drivers-inject/linux-edit.h"
#include "drivers-inject/system.h"

/*
 * What the sources of the Linux family share.
 */

/* A kernel that a boot loader can start. */
struct fy_linux_kernel {
	char *version; /* of its modules, "5.14.0-362.el9.x86_64" */
	char *image;   /* "/boot/vmlinuz-linux"; NULL: only its modules lie
			  below /usr/lib/modules */
	/* Its initramfs files; the first is the one that boots, the others are
	 * fallbacks. */
	struct fy_string_set initramfs;
	/* The last one is a loader entry's and another one than that in /boot:
	 * which of the two boots is the firmware's choice. */
	bool two_ways;
	/* A unified kernel image: the initramfs is inside of 'image'. */
	bool unified;
};

/* 'own' of a system of this family. */
struct fy_linux {
	struct fy_linux_kernel *kernels; /* newest first */
	size_t n_kernels;
	/* "/boot", "/usr", ... that are filesystems of their own. */
	struct fy_string_set separate;
	char *selinux;	    /* "enforcing", "permissive", or NULL */
	char *selinux_type; /* "targeted" */
	bool systemd;
};

static inline struct fy_linux *
fy_linux_of(const struct fy_system *s)
{
	return s->own;
}

/* Whether a file says which distribution this is. */
bool fy_linux_has_release(struct fy_guest *g);
void fy_linux_release(struct fy_system *s);
int fy_linux_json(const struct fy_system *s, json_t *o, struct fy_error *err);

/* --- text files (linux-files.c) ------------------------------------------- */

/* Files of a guest: all of 'dir' whose name fits 'pattern'.  Both may hold
 * '*', in 'dir' as a whole component. */
struct fy_linux_place {
	const char *dir, *pattern;
};
typedef int (*fy_linux_each)(void *ctx, const char *path, struct fy_error *err);
int fy_linux_each_file(struct fy_guest *g, const struct fy_linux_place *p,
		       fy_linux_each each, void *ctx, struct fy_error *err);

/* All edits of text files. */
int fy_linux_edit_files(struct fy_system *s, struct fy_error *err);

/* The text of everything that holds kernel arguments, one after the other, NUL
 * behind it; NULL without memory. */
char *fy_linux_boot_text(struct fy_system *s, struct fy_error *err);

/* A word of a text file like "NAME=value" (quotes taken off), malloc'd, or
 * NULL. */
char *fy_linux_value(const char *text, const char *name);

/* Read a text file of at most 8 MiB; NULL when there is none (or it can't be
 * read). */
char *fy_linux_text(struct fy_guest *g, const char *path);

/* --- kernels and boot loaders (linux-boot.c) ------------------------------ */

int fy_linux_find_kernels(struct fy_system *s, struct fy_error *err);
int fy_linux_find_loaders(struct fy_system *s, struct fy_error *err);

/* The version that a bzImage names, malloc'd, or NULL. */
char *fy_linux_image_version(struct fy_guest *g, const char *path);

/* --- SELinux (linux-labels.c) ---------------------------------------------- */

/* Give all that was added to the system its label; once, at the end. */
int fy_linux_label(struct fy_system *s, struct fy_error *err);

/* --- what a person wants (linux-custom.c) ---------------------------------- */

/* Hostname, root's password, keys, scripts of the first boot. */
int fy_linux_customise(struct fy_system *s, struct fy_error *err);

/* The text of a hosts file with the old name's entries changed, malloc'd; NULL
 * when nothing changes (as always when the old name is localhost or one of its
 * domain) or without memory. */
char *fy_linux_edit_hosts(const char *text, const char *old, const char *new);
/* The text of shadow with root's password replaced; NULL without such a line
 * or memory. */
char *fy_linux_edit_shadow(const char *text, const char *hash);

/* --- the EFI system partition (linux-esp.c) ------------------------------- */

struct fy_esp;
/* What firmware without boot variables starts, where it is missing. */
int fy_linux_esp_fallback(struct fy_esp *on, struct fy_error *err);
/* The text of elilo.conf for another directory than 'dir' ("EFI/SuSE"), where
 * its files are: malloc'd, NULL without memory. */
char *fy_linux_edit_elilo(const char *text, const char *dir);
/* How much of a line of it is KEY=, with the spaces and the quote before what
 * is said; 0 when it is another line. */
size_t fy_linux_elilo_key(const char *line, const char *key);

/* --- services of the old hardware (linux-services.c) ----------------------- */

int fy_linux_services(struct fy_system *s, struct fy_error *err);

/* --- unified kernel images (linux-uki.c) ---------------------------------- */

struct fy_uki {
	uint64_t cmdline, cmdline_len; /* 0: none */
	uint64_t initrd, initrd_len;
	uint64_t uname, uname_len;
	uint64_t kernel, kernel_len; /* without one it is no UKI */
};
#define FY_UKI_HEAD 4096u
/* From the first bytes of the file (up to FY_UKI_HEAD); 'size' is the file's.
 * False when it is no unified kernel image. */
bool fy_uki_parse(const unsigned char *head, size_t len, uint64_t size,
		  struct fy_uki *ret);
/* Warn of the old device names in the arguments that the images hold. */
int fy_linux_look_at_ukis(struct fy_system *s, struct fy_error *err);

#endif
