/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether there is a Windows on an NTFS: by the files of its registry.  By our
 * own reader, which writes nothing and takes little; what Windows it is the
 * server finds out.
 */
#include <string.h>

#include "p2v-client/systems.h"
#include "partclone/ntfs-io.h"

static bool
is_windows(struct fy_ntfs *nt)
{
	uint64_t number;

	return fy_ntfs_find(nt, "windows/system32/config/system", &number,
			    NULL) == 1 &&
	       fy_ntfs_find(nt, "windows/system32/config/software", &number,
			    NULL) == 1;
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
