/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v-client/unpacked.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "partclone/clonezilla.h"

static int
unpack(const char *image, size_t number, struct fy_log *log,
       const struct fy_stop *stop, struct fy_unpacked *u, struct fy_error *err)
{
	fy_autofree char *path = NULL;

	if (u->dir == NULL &&
	    fy_dir_temporary("ironferry-disks", &u->dir, err) == -1)
		return -1;
	path = fy_format(err, "%s/disk%zu.raw", u->dir, number);
	if (path == NULL)
		return -1;
	fy_log_info(log, "unpacking the Clonezilla image '%s' to '%s'", image,
		    path);
	if (fy_cz_to_file(image, path, stop, NULL, err) == -1)
		return -1;
	return fy_strings_add(&u->disks, path, err);
}

int
fy_unpacked_make(const struct fy_strings *disks, struct fy_log *log,
		 const struct fy_stop *stop, struct fy_unpacked *ret,
		 struct fy_error *err)
{
	struct fy_unpacked u = { .dir = NULL };
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < disks->n; i++)
		r = fy_cz_is_image(disks->items[i])
			    ? unpack(disks->items[i], i + 1, log, stop, &u, err)
			    : fy_strings_add(&u.disks, disks->items[i], err);
	if (r == -1) {
		fy_unpacked_release(&u);
		return -1;
	}
	*ret = u;
	return 0;
}

void
fy_unpacked_release(struct fy_unpacked *u)
{
	struct fy_error why = { .code = FY_E_NONE };

	if (u->dir != NULL &&
	    fy_dir_remove_all_at(AT_FDCWD, u->dir, &why) == -1)
		fprintf(stderr, "p2v-client: cannot remove '%s': %s\n", u->dir,
			why.msg);
	free(u->dir);
	fy_strings_release(&u->disks);
	*u = (struct fy_unpacked){ .dir = NULL };
}
