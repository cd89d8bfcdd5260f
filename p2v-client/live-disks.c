/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks named without a person who looks at them, and those that are never
 * a source: the medium that we run from, and what was made a target.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/block.h"
#include "p2v-client/live.h"
#include "p2v-client/sysfs.h"

#define MAX_EXCLUDED 32

/* --- excluded -------------------------------------------------------------- */

static void
exclude(struct fy_live_excluded *ret, size_t max, size_t *ret_n,
	const char *name, const char *why)
{
	if (*ret_n >= max || name[0] == '\0')
		return;
	snprintf(ret[*ret_n].name, sizeof(ret[0].name), "%s", name);
	ret[*ret_n].why = why;
	(*ret_n)++;
}

/* The disk that the mount at 'path' lies on, or NULL. */
static char *
disk_of_mount(const struct fy_live *l, const char *path)
{
	fy_autofree char *name = NULL;
	struct stat st, up;
	fy_autofree char *parent = NULL;
	struct fy_error ignored = { .code = FY_E_NONE };

	parent = fy_format(&ignored, "%s/..", path);
	if (parent == NULL || stat(path, &st) == -1 ||
	    stat(parent, &up) == -1 || st.st_dev == up.st_dev)
		return NULL;
	name = fy_sys_link(l->sysroot, "/sys/dev/block/%u:%u", major(st.st_dev),
			   minor(st.st_dev));
	return name == NULL ? NULL : fy_block_disk(l->sysroot, name);
}

/* Names, a line each, in a file of RUN. */
static int
exclude_lines(const struct fy_live *l, const char *file, const char *why,
	      struct fy_live_excluded *ret, size_t max, size_t *ret_n,
	      struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, file, err);
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;
	char *line, *rest = NULL;
	size_t len;

	if (path == NULL)
		return -1;
	if (fy_file_read_at(AT_FDCWD, path, 65536, &text, &len, &ignored) == -1)
		return 0;
	for (line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		fy_autofree char *disk = NULL;

		if (strncmp(line, "/dev/", 5) == 0)
			line += 5;
		disk = fy_block_disk(l->sysroot, line);
		exclude(ret, max, ret_n, disk != NULL ? disk : line, why);
	}
	return 0;
}

int
fy_live_excluded(const struct fy_live *l, struct fy_live_excluded *ret,
		 size_t max, size_t *ret_n, struct fy_error *err)
{
	static const char medium[] = "this system was booted from it";
	static const char target[] = "it is the target";
	fy_autofree char *disk = disk_of_mount(l, l->medium);

	*ret_n = 0;
	if (disk != NULL)
		exclude(ret, max, ret_n, disk, medium);
	if (exclude_lines(l, "medium-device", medium, ret, max, ret_n, err) ==
		    -1 ||
	    exclude_lines(l, "targets", target, ret, max, ret_n, err) == -1)
		return -1;
	return 0;
}

static const char *
why_excluded(const struct fy_live_excluded *list, size_t n, const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].why;
	return NULL;
}

/* --- by words -------------------------------------------------------------- */

/* A WWN without what tools put before it. */
static const char *
bare_wwn(const char *w)
{
	static const char *const before[] = { "wwn-", "nvme-", "naa.", "eui.",
					      "0x" };
	size_t i;

	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (strncasecmp(w, before[i], strlen(before[i])) == 0)
			w += strlen(before[i]);
	return w;
}

static bool
is_meant(const struct fy_machine_disk *d, const char *name, const char *word)
{
	return fy_streq(name, word) || fy_streq(d->serial, word) ||
	       (d->wwn != NULL &&
		strcasecmp(bare_wwn(d->wwn), bare_wwn(word)) == 0);
}

/* The path that one word means; malloc'd. */
static char *
find_word(const struct fy_live *l, const struct fy_inventory *inv,
	  const char *word, struct fy_error *err)
{
	const struct fy_machine *m = inv->machine;
	fy_autofree char *by_id = NULL, *name = NULL;
	const char *found = NULL;
	size_t i;

	if (strchr(word, '/') != NULL)
		return fy_format(err, "%s", word);
	for (i = 0; i < m->n_disks; i++) {
		if (!is_meant(&m->disks[i], inv->disks[i].kernel_name, word))
			continue;
		if (found != NULL) {
			fy_error_set(err, FY_E_USAGE, 0,
				     "p2v.disks: '%s' may be %s or %s", word,
				     found, m->disks[i].path);
			return NULL;
		}
		found = m->disks[i].path;
	}
	if (found != NULL)
		return fy_format(err, "%s", found);
	by_id = fy_format(err, "/dev/disk/by-id/%s", word);
	if (by_id == NULL)
		return NULL;
	name = fy_block_name(l->sysroot, by_id);
	if (name != NULL)
		return fy_format(err, "/dev/%s", name);
	fy_error_set(err, FY_E_NOTFOUND, 0,
		     "p2v.disks: no disk of this machine is '%s' (by name, "
		     "serial number, WWN or /dev/disk/by-id)",
		     word);
	return NULL;
}

/* All that is built in and not in use, the boot disk first. */
static int
choose_all(const struct fy_inventory *inv, const struct fy_live_excluded *list,
	   size_t n, struct fy_strings *ret, struct fy_error *err)
{
	const struct fy_machine *m = inv->machine;
	size_t round, i;

	for (round = 0; round < 2; round++)
		for (i = 0; i < m->n_disks; i++) {
			const struct fy_inventory_disk *d = &inv->disks[i];

			if (m->disks[i].boot != (round == 0) || d->removable ||
			    d->in_use != NULL ||
			    fy_streq(m->disks[i].bus, "usb") ||
			    why_excluded(list, n, d->kernel_name) != NULL)
				continue;
			if (fy_strings_add(ret, m->disks[i].path, err) == -1)
				return -1;
		}
	if (ret->n > 0)
		return 0;
	return fy_error_set(err, FY_E_NOTFOUND, 0,
			    "p2v.disks=all: this machine has no disk that can "
			    "be converted (USB and removable disks, disks in "
			    "use and targets are left out; name them if they "
			    "are meant)");
}

int
fy_live_choose_disks(const struct fy_live *l, const struct fy_inventory *inv,
		     const struct fy_strings *words, struct fy_strings *ret,
		     struct fy_error *err)
{
	struct fy_live_excluded list[MAX_EXCLUDED];
	size_t i, n;

	if (fy_live_excluded(l, list, MAX_EXCLUDED, &n, err) == -1)
		return -1;
	if (words->n == 0 ||
	    (words->n == 1 && fy_streq(words->items[0], "all")))
		return choose_all(inv, list, n, ret, err);
	for (i = 0; i < words->n; i++) {
		fy_autofree char *path = NULL, *name = NULL, *disk = NULL;
		const char *why;

		if (fy_streq(words->items[i], "all"))
			return fy_error_set(err, FY_E_USAGE, 0,
					    "p2v.disks: 'all' stands alone");
		path = find_word(l, inv, words->items[i], err);
		if (path == NULL)
			return -1;
		name = fy_block_name(l->sysroot, path);
		disk = name == NULL ? NULL : fy_block_disk(l->sysroot, name);
		why = why_excluded(list, n, disk);
		if (why != NULL)
			return fy_error_set(err, FY_E_BUSY, 0,
					    "'%s' can't be converted: %s", path,
					    why);
		if (fy_strings_add(ret, path, err) == -1)
			return -1;
	}
	return 0;
}

/* --- the name -------------------------------------------------------------- */

/* Up to the first dot when 'cut', other characters as '-'; NULL when nothing
 * is left. */
static char *
fit(const char *text, bool cut)
{
	char name[101];
	size_t n = 0;

	for (; *text != '\0' && n < sizeof(name) - 1; text++) {
		bool plain = isalnum((unsigned char)*text) != 0 &&
			     (unsigned char)*text < 0x80;

		if (cut && *text == '.')
			break;
		if (n == 0 && !plain)
			continue;
		name[n++] = plain || strchr("._-", *text) != NULL ? *text : '-';
	}
	while (n > 0 && name[n - 1] == '-')
		n--;
	name[n] = '\0';
	return n == 0 ? NULL : strdup(name);
}

char *
fy_live_name(const struct fy_machine *m, struct fy_error *err)
{
	char *name = NULL;
	size_t i;

	for (i = 0; i < m->n_systems && name == NULL; i++)
		if (m->systems[i].hostname != NULL &&
		    strncmp(m->systems[i].hostname, "localhost", 9) != 0)
			name = fit(m->systems[i].hostname, true);
	if (name == NULL && m->serial != NULL)
		name = fit(m->serial, false);
	if (name == NULL)
		fy_error_set(err, FY_E_USAGE, 0,
			     "p2v.name is missing, and neither a host name nor "
			     "a serial number was found");
	return name;
}
