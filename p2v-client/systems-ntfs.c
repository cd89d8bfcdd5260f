/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether there is a Windows on an NTFS: by the files of its registry.  By our
 * own reader, which writes nothing and takes little; what Windows it is the
 * server finds out.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "drivers-inject/windows-root.h"
#include "p2v-client/systems.h"
#include "partclone/ntfs-io.h"

/* Its bytes, malloc'd; NULL: none, or none to be read. */
static char *
read_boot_ini(struct fy_ntfs *nt, size_t *ret_len)
{
	fy_autofree unsigned char *record = NULL;
	fy_autofree char *text = NULL;
	struct fy_ntfs_stream s = { 0 };
	uint64_t number;
	bool ok;

	if (fy_ntfs_find(nt, FY_WINDOWS_BOOT_INI, &number, NULL) != 1)
		return NULL;
	record = fy_ntfs_record_buffer(nt, NULL);
	if (record == NULL ||
	    fy_ntfs_read_record(nt, number, record, NULL) != 1)
		return NULL;
	ok = fy_ntfs_open_stream(nt, number, record, FY_NTFS_DATA, "", &s,
				 NULL) == 1 &&
	     s.size <= FY_WINDOWS_BOOT_INI_MAX;
	if (ok)
		text = malloc(s.size + 1);
	ok = text != NULL &&
	     fy_ntfs_stream_read(nt, &s, 0, text, s.size, NULL) == 0;
	*ret_len = s.size;
	fy_ntfs_stream_release(&s);
	return ok ? fy_steal_ptr(&text) : NULL;
}

static bool
has_hive(struct fy_ntfs *nt, const char *folder, const char *name)
{
	fy_autofree char *path =
		fy_format(NULL, "%s/system32/config/%s", folder, name);
	uint64_t number;
	char *p;

	for (p = path; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return path != NULL && fy_ntfs_find(nt, path, &number, NULL) == 1;
}

static bool
is_windows(struct fy_ntfs *nt)
{
	struct fy_string_set folders = { 0 };
	size_t len = 0, i;
	fy_autofree char *text = read_boot_ini(nt, &len);
	bool is = false;

	if (fy_windows_folders(text, len, false, &folders, NULL) == 0)
		for (i = 0; i < folders.n && !is; i++)
			is = has_hive(nt, folders.items[i], "system") &&
			     has_hive(nt, folders.items[i], "software");
	fy_string_set_release(&folders);
	return is;
}

int
fy_systems_look_ntfs(struct fy_volume *v, unsigned disk, const char *path,
		     struct fy_machine *m, struct fy_error *err)
{
	struct fy_machine_system *s;
	struct fy_ntfs nt;
	bool is;

	is = fy_ntfs_open(v, NULL, &nt, NULL) == 0 && is_windows(&nt);
	fy_ntfs_release(&nt);
	if (!is)
		return 0;
	s = fy_machine_add_system(m, err);
	if (s == NULL)
		return -1;
	s->id = strdup("windows");
	s->pretty_name = strdup("Windows");
	s->volume = strdup(path);
	s->disk = disk;
	if (s->id == NULL || s->pretty_name == NULL || s->volume == NULL)
		return fy_error_nomem(err);
	return 0;
}
