/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_NEWFILE_H
#define FY_NEWFILE_H

#include <stdbool.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * A file that gets its name when it is finished: until then it lies beside its
 * place as NAME.partial-XXXXXX, and when it is given up it goes away.  Where the
 * path is a link, what it points to is replaced.
 */
struct fy_newfile;

/* A file that is there and not empty is FY_E_EXISTS unless 'overwrite'; what is
 * no file FY_E_USAGE. */
int fy_newfile_open(const char *path, bool overwrite, struct fy_newfile **ret,
		    struct fy_error *err);
int fy_newfile_fd(const struct fy_newfile *f);
/* fsync, name, fsync of the directory. */
int fy_newfile_finish(struct fy_newfile *f, struct fy_error *err);
void fy_newfile_free(struct fy_newfile *f);
FY_DEFINE_AUTO(newfile, struct fy_newfile, fy_newfile_free)

#endif
