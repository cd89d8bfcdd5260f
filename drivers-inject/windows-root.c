/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where on its volume a Windows is.  What came as an upgrade of 2000 is in
 * \WINNT, and the loader of XP and 2003 starts whatever folder boot.ini names:
 *
 *     [boot loader]
 *     default=multi(0)disk(0)rdisk(0)partition(1)\WINNT
 *     [operating systems]
 *     multi(0)disk(0)rdisk(0)partition(1)\WINNT="Windows XP" /fastdetect
 *
 * Which volume such a line means is not looked at: a folder with a registry is
 * a Windows of the volume that it is on.
 */
#include "drivers-inject/windows-root.h"

#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/guest.h"

#define MAX_FOLDERS 32

/* What is behind ")\" in a line: one plain name. */
static int
add_line(const char *line, size_t len, struct fy_string_set *ret,
	 struct fy_error *err)
{
	const char *p = memmem(line, len, ")\\", 2), *end;
	fy_autofree char *name = NULL;
	size_t i, n;

	if (p == NULL)
		return 0;
	p += 2;
	len -= (size_t)(p - line);
	end = memchr(p, '=', len);
	n = end == NULL ? len : (size_t)(end - p);
	while (n > 0 && p[n - 1] == ' ')
		n--;
	for (i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~' || p[i] == '\\' || p[i] == '/')
			return 0;
	if (n == 0 || n > 255 || p[0] == '.' || ret->n >= MAX_FOLDERS)
		return 0;
	name = strndup(p, n);
	return name == NULL ? fy_error_nomem(err)
			    : fy_string_set_add(ret, name, err);
}

/* The lines that are, or are not, the default. */
static int
add_lines(const char *text, size_t len, bool defaults,
	  struct fy_string_set *ret, struct fy_error *err)
{
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end == NULL ? len : (size_t)(end - text);
		size_t k = n > 0 && text[n - 1] == '\r' ? n - 1 : n;
		bool is = k > 8 && strncasecmp(text, "default=", 8) == 0;

		if (is == defaults &&
		    add_line(text + (is ? 8 : 0), k - (is ? 8 : 0), ret, err) ==
			    -1)
			return -1;
		n += end != NULL;
		text += n;
		len -= n;
	}
	return 0;
}

int
fy_windows_folders(const char *text, size_t len, bool bootmgr,
		   struct fy_string_set *ret, struct fy_error *err)
{
	if (text == NULL)
		len = 0;
	if (!bootmgr && add_lines(text, len, true, ret, err) == -1)
		return -1;
	if (fy_string_set_add(ret, "Windows", err) == -1 ||
	    fy_string_set_add(ret, "WINNT", err) == -1 ||
	    (bootmgr && add_lines(text, len, true, ret, err) == -1))
		return -1;
	return add_lines(text, len, false, ret, err);
}

static bool
has_hives(struct fy_guest *g, const char *folder)
{
	static const char *const hives[] = { "SYSTEM", "SOFTWARE" };
	size_t i;

	for (i = 0; i < 2; i++) {
		fy_autofree char *path = fy_format(
			NULL, "%s/System32/config/%s", folder, hives[i]);

		if (path == NULL || !fy_guest_has(g, path))
			return false;
	}
	return true;
}

char *
fy_windows_folder(struct fy_guest *g, struct fy_error *err)
{
	struct fy_string_set folders = { 0 };
	fy_autofree char *text = NULL;
	char *ret = NULL;
	size_t len = 0, i;

	/* One that can't be read names nothing. */
	if (fy_guest_has(g, FY_WINDOWS_BOOT_INI))
		(void)fy_guest_read(g, FY_WINDOWS_BOOT_INI,
				    FY_WINDOWS_BOOT_INI_MAX, &text, &len, NULL);
	if (fy_windows_folders(text, len, fy_guest_has(g, FY_WINDOWS_BOOTMGR),
			       &folders, err) == -1) {
		fy_string_set_release(&folders);
		return NULL;
	}
	for (i = 0; i < folders.n && ret == NULL; i++)
		if (has_hives(g, folders.items[i])) {
			ret = folders.items[i];
			folders.items[i] = NULL;
		}
	fy_string_set_release(&folders);
	if (ret == NULL)
		fy_error_set(err, FY_E_NOTFOUND, 0,
			     "the guest has no folder with a registry");
	return ret;
}
