/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernels of a Linux guest, with their modules and initramfs, and its boot
 * loaders.
 *
 * A kernel's file tells its version by its name (vmlinuz-VERSION), by the
 * package that its modules name (Arch: vmlinuz-linux, modules with a file
 * "pkgbase" that says "linux"), or by its own header.  A loader entry
 * (loader/entries/NAME.conf) or elilo.conf names the files wherever they are; an
 * image in EFI/Linux has all of it inside.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

#define MAX_KERNELS 64u
#define MAX_ENTRY   65536u

/* --- what an image says --------------------------------------------------- */

char *
fy_linux_image_version(struct fy_guest *g, const char *path)
{
	unsigned char h[0x220];
	char text[128] = "";
	uint64_t at;

	if (fy_guest_pread(g, path, h, sizeof(h), 0, NULL) == -1 ||
	    memcmp(h + 0x202, "HdrS", 4) != 0)
		return NULL;
	at = (uint64_t)fy_get_le16(h + 0x20e) + 0x200;
	if (at == 0x200 ||
	    fy_guest_pread(g, path, text, sizeof(text) - 1, at, NULL) == -1)
		return NULL;
	text[strcspn(text, " \t\n")] = '\0';
	/* It names a directory below. */
	if (text[0] == '\0' || text[0] == '.' || strchr(text, '/') != NULL)
		return NULL;
	return strdup(text);
}

/* The version in the section of a unified image. */
static char *
unified_version(struct fy_guest *g, const char *path, uint64_t size)
{
	unsigned char head[FY_UKI_HEAD];
	size_t n = (size_t)fy_min_u64(size, sizeof(head));
	char text[128] = "";
	struct fy_uki u;

	if (fy_guest_pread(g, path, head, n, 0, NULL) == -1 ||
	    !fy_uki_parse(head, n, size, &u))
		return NULL;
	if (u.uname_len == 0 || u.uname_len >= sizeof(text) ||
	    fy_guest_pread(g, path, text, (size_t)u.uname_len, u.uname, NULL))
		return strdup("unknown");
	text[strcspn(text, " \t\r\n/")] = '\0';
	return strdup(text[0] == '\0' || text[0] == '.' ? "unknown" : text);
}

/* --- the list ------------------------------------------------------------- */

static int
new_kernel(struct fy_linux *l, const char *version, const char *image,
	   struct fy_error *err)
{
	struct fy_linux_kernel *grown, *k;

	grown = reallocarray(l->kernels, l->n_kernels + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	l->kernels = grown;
	k = &grown[l->n_kernels];
	memset(k, 0, sizeof(*k));
	k->version = strdup(version);
	k->image = image == NULL ? NULL : strdup(image);
	if (k->version == NULL || (image != NULL && k->image == NULL)) {
		free(k->version);
		free(k->image);
		return fy_error_nomem(err);
	}
	l->n_kernels++;
	return 0;
}

static int
too_many(struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "more than %u kernels; remove old ones before the "
			    "conversion",
			    MAX_KERNELS);
}

/* '*ret' is the kernel of that version, made when it is new. */
static int
get_kernel(struct fy_linux *l, const char *version, const char *image,
	   struct fy_linux_kernel **ret, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < l->n_kernels; i++)
		if (strcmp(l->kernels[i].version, version) == 0 &&
		    !l->kernels[i].unified)
			break;
	if (i == MAX_KERNELS)
		return too_many(err);
	if (i == l->n_kernels && new_kernel(l, version, image, err) == -1)
		return -1;
	*ret = &l->kernels[i];
	return 0;
}

static int
add_initramfs(struct fy_guest *g, struct fy_linux_kernel *k, const char *path,
	      struct fy_error *err)
{
	struct fy_guest_stat st;

	if (fy_guest_stat(g, path, &st, NULL) == -1 ||
	    st.type != FY_GUEST_FILE || st.size == 0)
		return 0;
	return fy_string_set_add(&k->initramfs, path, err);
}

/* The usual names, by version and by package. */
static int
add_usual(struct fy_guest *g, struct fy_linux_kernel *k, const char *name,
	  struct fy_error *err)
{
	static const char *const forms[][2] = {
		{ "initrd.img-", "" },
		{ "initramfs-", ".img" },
		{ "initrd-", "" },
		{ "initrd-", ".img" },
		{ "initramfs-", "" },
		{ "booster-", ".img" },
		{ "initramfs-", "-fallback.img" },
	};
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		fy_autofree char *path = fy_format(
			err, "/boot/%s%s%s", forms[i][0], name, forms[i][1]);

		/* One that boots, and its fallback. */
		if (path == NULL || ((k->initramfs.n == 0 || i == 6) &&
				     add_initramfs(g, k, path, err) == -1))
			return -1;
	}
	return 0;
}

/* --- /boot ---------------------------------------------------------------- */

struct names {
	char **items;
	size_t n;
};

/* The directory of modules whose package is called so, or NULL. */
static const char *
by_package(struct fy_guest *g, const struct names *modules, const char *name)
{
	size_t i;

	for (i = 0; i < modules->n; i++) {
		fy_autofree char *path = fy_format(
			NULL, "/lib/modules/%s/pkgbase", modules->items[i]);
		fy_autofree char *text =
			path == NULL ? NULL : fy_linux_text(g, path);

		if (text == NULL)
			continue;
		text[strcspn(text, " \t\r\n")] = '\0';
		if (strcmp(text, name) == 0)
			return modules->items[i];
	}
	return NULL;
}

static bool
has_name(const struct names *n, const char *name)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		if (strcmp(n->items[i], name) == 0)
			return true;
	return false;
}

/* What follows "vmlinuz-", as it names a kernel; false for what is none. */
static bool
take_name(const char *file, char ret[256])
{
	static const char *const starts[] = { "vmlinuz-", "vmlinux-", "kernel-",
					      "Image-" };
	size_t i, len;

	for (i = 0; i < 4; i++) {
		len = strlen(starts[i]);
		if (strncmp(file, starts[i], len) == 0)
			break;
	}
	if (i == 4 || file[len] == '\0' || strlen(file + len) > 250)
		return false;
	memcpy(ret, file + len, strlen(file + len) + 1);
	len = strlen(ret);
	if (len > 3 && strcmp(ret + len - 3, ".gz") == 0)
		ret[len - 3] = '\0';
	/* Red Hat's rescue kernel has an initramfs with all drivers; kdump's
	 * is none that boots. */
	return strncmp(ret, "0-rescue", 8) != 0 && ret[0] != '.';
}

static int
add_image(struct fy_system *s, const struct names *modules, const char *file,
	  struct fy_error *err)
{
	struct fy_linux *l = fy_linux_of(s);
	fy_autofree char *path = fy_format(err, "/boot/%s", file);
	fy_autofree char *inside = NULL;
	struct fy_linux_kernel *k;
	const char *version;
	char name[256];

	if (path == NULL)
		return -1;
	if (!take_name(file, name))
		return 0;
	version = has_name(modules, name) ? name : NULL;
	/* Modules of an older package of that name may be left. */
	if (version == NULL) {
		inside = fy_linux_image_version(s->guest, path);
		if (inside != NULL && has_name(modules, inside))
			version = inside;
	}
	if (version == NULL)
		version = by_package(s->guest, modules, name);
	if (version == NULL)
		version = name;
	if (get_kernel(l, version, path, &k, err) == -1 ||
	    add_usual(s->guest, k, version, err) == -1)
		return -1;
	return strcmp(version, name) == 0 ? 0
					  : add_usual(s->guest, k, name, err);
}

/* A kernel beside its modules, which nothing in /boot shows: for systems that
 * boot it by a loader entry. */
static int
add_beside_modules(struct fy_system *s, const struct names *modules,
		   struct fy_error *err)
{
	struct fy_linux *l = fy_linux_of(s);
	size_t i;

	for (i = 0; i < modules->n; i++) {
		fy_autofree char *path = fy_format(
			err, "/lib/modules/%s/vmlinuz", modules->items[i]);
		struct fy_linux_kernel *k = NULL;

		if (path == NULL)
			return -1;
		if (!fy_guest_has(s->guest, path))
			continue;
		if (get_kernel(l, modules->items[i], NULL, &k, err) == -1 ||
		    add_usual(s->guest, k, modules->items[i], err) == -1)
			return -1;
	}
	return 0;
}

/* --- loader entries ------------------------------------------------------- */

/* Where the boot loader's "/" is: the filesystem that holds the entry. */
static char *
entry_path(struct fy_guest *g, const char *entry, const char *name,
	   struct fy_error *err)
{
	const struct fy_guest_mount *m = NULL;
	fy_autofree char *real = NULL;

	if (fy_guest_real_path(g, entry, &real, &m, err) == -1 || m == NULL)
		return NULL;
	return fy_format(err, "%s/%s", m->path, name + strspn(name, "/"));
}

struct entry {
	char *image, *version;
	char *initrd; /* the last one: microcode comes before it */
};

static void
entry_release(struct entry *e)
{
	free(e->image);
	free(e->version);
	free(e->initrd);
}

static void
entry_line(struct entry *e, const char *line, size_t len)
{
	const struct {
		const char *key;
		char **to;
	} keys[] = { { "linux", &e->image },
		     { "version", &e->version },
		     { "initrd", &e->initrd } };
	const char *end = line + len;
	size_t i, n;

	line += strspn(line, " \t");
	for (i = 0; i < 3; i++) {
		n = strlen(keys[i].key);
		if ((size_t)(end - line) <= n ||
		    strncmp(line, keys[i].key, n) != 0 ||
		    strchr(" \t", line[n]) == NULL)
			continue;
		line += n;
		line += strspn(line, " \t");
		while (end > line && strchr(" \t\r", end[-1]) != NULL)
			end--;
		/* "initrd A B" of GRUB: the last one, too; "$tuned_initrd" is
		 * none. */
		for (n = (size_t)(end - line); i == 2 && n > 0; n--)
			if (line[n - 1] == ' ' && line[n] != '$')
				break;
		if (i == 2) {
			line += n;
			end = line + strcspn(line, " \t\r\n");
		}
		free(*keys[i].to);
		*keys[i].to = strndup(line, (size_t)(end - line));
		return;
	}
}

static void
entry_parse(const char *text, struct entry *ret)
{
	size_t n;

	memset(ret, 0, sizeof(*ret));
	for (; *text != '\0'; text += n, text += *text == '\n') {
		n = strcspn(text, "\n");
		entry_line(ret, text, n);
	}
}

/* Files that a loader starts; 'says' is the version by its own words, for an
 * image that says nothing.  Each but 'image' may be NULL. */
static int
add_pair(struct fy_system *s, const char *image, const char *initrd,
	 const char *says, struct fy_error *err)
{
	struct fy_linux *l = fy_linux_of(s);
	fy_autofree char *version = NULL;
	struct fy_linux_kernel *k;
	size_t i;

	if (fy_guest_has(s->guest, image)) {
		version = fy_linux_image_version(s->guest, image);
		if (version == NULL && says != NULL &&
		    strchr(says, '/') == NULL && says[0] != '.')
			version = strdup(says);
	}
	if (version == NULL || strstr(image, "/vmlinuz-0-rescue") != NULL)
		return 0;
	for (i = 0; i < l->n_kernels; i++)
		if (fy_streq(l->kernels[i].image, image))
			break;
	if (i < l->n_kernels)
		k = &l->kernels[i];
	else if (get_kernel(l, version, image, &k, err) == -1)
		return -1;
	if (initrd == NULL || k->initramfs.n > 1)
		return 0;
	i = k->initramfs.n;
	if (add_initramfs(s->guest, k, initrd, err) == -1)
		return -1;
	k->two_ways = i == 1 && k->initramfs.n == 2;
	return 0;
}

static int
add_entry(void *ctx, const char *path, struct fy_error *err)
{
	struct fy_system *s = ctx;
	fy_autofree char *text = fy_linux_text(s->guest, path);
	fy_autofree char *image = NULL;
	fy_autofree char *initrd = NULL;
	struct entry e;
	int r = 0;

	if (text == NULL || strlen(text) > MAX_ENTRY)
		return 0;
	entry_parse(text, &e);
	if (e.image != NULL)
		image = entry_path(s->guest, path, e.image, NULL);
	if (e.initrd != NULL)
		initrd = entry_path(s->guest, path, e.initrd, NULL);
	if (image != NULL)
		r = add_pair(s, image, initrd, e.version, err);
	entry_release(&e);
	return r;
}

/* --- ELILO ---------------------------------------------------------------- */

/* SUSE's copies kernel and initramfs to its folder on the ESP: those in /boot
 * are not what boots.  A path that starts with "/" is from the volume's root.
 */
static char *
elilo_path(struct fy_guest *g, const char *conf, const char *value)
{
	size_t len = strcspn(value, "\"\r\n");
	fy_autofree char *name = NULL;
	const char *slash = strrchr(conf, '/');

	while (len > 0 && strchr(" \t", value[len - 1]) != NULL)
		len--;
	name = strndup(value, len);
	if (len == 0 || name == NULL || slash == NULL)
		return NULL;
	if (name[0] == '/')
		return entry_path(g, conf, name, NULL);
	return fy_format(NULL, "%.*s%s", (int)(slash - conf + 1), conf, name);
}

static int
add_elilo(void *ctx, const char *path, struct fy_error *err)
{
	struct fy_system *s = ctx;
	fy_autofree char *text = fy_linux_text(s->guest, path);
	fy_autofree char *image = NULL;
	fy_autofree char *initrd = NULL;
	const char *line = text;
	size_t at;

	if (text == NULL || strlen(text) > MAX_ENTRY)
		return 0;
	while (*line != '\0') {
		if ((at = fy_linux_elilo_key(line, "image")) > 0) {
			if (image != NULL &&
			    add_pair(s, image, initrd, NULL, err) == -1)
				return -1;
			free(image);
			free(fy_steal_ptr(&initrd));
			image = elilo_path(s->guest, path, line + at);
		} else if ((at = fy_linux_elilo_key(line, "initrd")) > 0) {
			free(initrd);
			initrd = elilo_path(s->guest, path, line + at);
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return image == NULL ? 0 : add_pair(s, image, initrd, NULL, err);
}

/* --- unified images ------------------------------------------------------- */

static int
add_unified(void *ctx, const char *path, struct fy_error *err)
{
	struct fy_system *s = ctx;
	struct fy_linux *l = fy_linux_of(s);
	fy_autofree char *version = NULL;
	struct fy_guest_stat st;

	if (fy_guest_stat(s->guest, path, &st, NULL) == -1 ||
	    st.type != FY_GUEST_FILE)
		return 0;
	if (l->n_kernels == MAX_KERNELS)
		return too_many(err);
	version = unified_version(s->guest, path, st.size);
	if (version == NULL)
		return 0;
	if (new_kernel(l, version, path, err) == -1)
		return -1;
	l->kernels[l->n_kernels - 1].unified = true;
	return fy_string_set_add(&s->bootloaders, "uki", err);
}

static int
newest_first(const void *a, const void *b)
{
	const struct fy_linux_kernel *x = a, *y = b;

	return strverscmp(y->version, x->version);
}

int
fy_linux_find_kernels(struct fy_system *s, struct fy_error *err)
{
	static const struct fy_linux_place entries[] = {
		{ "boot/loader/entries", "*.conf" },
		{ "boot/efi/loader/entries", "*.conf" },
		{ "efi/loader/entries", "*.conf" },
	};
	static const struct fy_linux_place images[] = {
		{ "boot/EFI/Linux", "*.efi" },
		{ "boot/efi/EFI/Linux", "*.efi" },
		{ "efi/EFI/Linux", "*.efi" },
	};
	static const struct fy_linux_place elilo = { "boot/efi/EFI/*",
						     "elilo.conf" };
	struct fy_linux *l = fy_linux_of(s);
	struct names modules = { 0 }, boot = { 0 };
	size_t i;
	int r;

	r = fy_guest_names(s->guest, "lib/modules", &modules.items, &modules.n,
			   err);
	if (r == 0)
		r = fy_guest_names(s->guest, "boot", &boot.items, &boot.n, err);
	for (i = 0; r == 0 && i < boot.n; i++)
		r = add_image(s, &modules, boot.items[i], err);
	for (i = 0; r == 0 && i < 3; i++)
		r = fy_linux_each_file(s->guest, &entries[i], add_entry, s,
				       err);
	if (r == 0)
		r = fy_linux_each_file(s->guest, &elilo, add_elilo, s, err);
	for (i = 0; r == 0 && i < 3; i++)
		r = fy_linux_each_file(s->guest, &images[i], add_unified, s,
				       err);
	if (r == 0 && l->n_kernels == 0)
		r = add_beside_modules(s, &modules, err);
	fy_guest_names_free(modules.items, modules.n);
	fy_guest_names_free(boot.items, boot.n);
	fy_sort(l->kernels, l->n_kernels, sizeof(*l->kernels), newest_first);
	for (i = 0; r == 0 && i < l->n_kernels; i++)
		r = fy_string_set_add(&s->kernels, l->kernels[i].version, err);
	return r;
}

/* --- boot loaders --------------------------------------------------------- */

static bool
has_entries(struct fy_guest *g, const char *dir)
{
	char **names = NULL;
	size_t n = 0;

	fy_guest_names(g, dir, &names, &n, NULL);
	fy_guest_names_free(names, n);
	return n > 0;
}

int
fy_linux_find_loaders(struct fy_system *s, struct fy_error *err)
{
	static const char *const loaders[][2] = {
		{ "boot/grub/grub.cfg", "grub2" },
		{ "boot/grub2/grub.cfg", "grub2" },
		{ "boot/grub/menu.lst", "grub1" },
		{ "boot/grub/grub.conf", "grub1" },
		{ "boot/extlinux/extlinux.conf", "extlinux" },
		{ "boot/extlinux.conf", "extlinux" },
		{ "boot/syslinux/syslinux.cfg", "extlinux" },
		{ "boot/loader/loader.conf", "systemd-boot" },
		{ "boot/efi/loader/loader.conf", "systemd-boot" },
		{ "efi/loader/loader.conf", "systemd-boot" },
		{ "boot/efi/EFI/systemd/systemd-bootx64.efi", "systemd-boot" },
		{ "efi/EFI/systemd/systemd-bootx64.efi", "systemd-boot" },
		{ "boot/EFI/systemd/systemd-bootx64.efi", "systemd-boot" },
		{ "boot/refind_linux.conf", "refind" },
		{ "boot/efi/EFI/SuSE/elilo.conf", "elilo" },
		{ "etc/lilo.conf", "lilo" },
	};
	static const char *const vendors[] = {
		"redhat",   "centos", "fedora", "rocky",    "almalinux",
		"opensuse", "sles",   "sle",	"altlinux", "ol"
	};
	struct fy_guest *g = s->guest;
	size_t i;

	for (i = 0; i < sizeof(loaders) / sizeof(*loaders); i++)
		if (fy_guest_has(g, loaders[i][0]) &&
		    fy_string_set_add(&s->bootloaders, loaders[i][1], err) ==
			    -1)
			return -1;
	for (i = 0; i < sizeof(vendors) / sizeof(*vendors); i++) {
		fy_autofree char *path =
			fy_format(err, "boot/efi/EFI/%s/grub.cfg", vendors[i]);
		fy_autofree char *old =
			fy_format(err, "boot/efi/EFI/%s/grub.conf", vendors[i]);

		if (path == NULL || old == NULL ||
		    (fy_guest_has(g, path) &&
		     fy_string_set_add(&s->bootloaders, "grub2", err) == -1) ||
		    (fy_guest_has(g, old) &&
		     fy_string_set_add(&s->bootloaders, "grub1", err) == -1))
			return -1;
	}
	if (fy_string_set_has(&s->bootloaders, "grub2") &&
	    has_entries(g, "boot/loader/entries") &&
	    fy_string_set_add(&s->bootloaders, "bls", err) == -1)
		return -1;
	/* Its map has the places of the blocks, not the names of files. */
	if (s->bootloaders.n == 1 &&
	    strcmp(s->bootloaders.items[0], "lilo") == 0)
		return fy_system_refuse(
			s,
			"it boots by LILO, which finds kernel and initramfs by "
			"a map of blocks that only lilo itself, run inside of "
			"the guest, can make: install GRUB before the "
			"conversion",
			err);
	return 0;
}
