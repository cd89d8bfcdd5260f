/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_ROLE_H
#define FY_ROLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/options.h"

/*
 * What a client of this server may do, and where: the options of the forced
 * command, checked once and then asked for each job.
 */
struct fy_role_options {
	const char *root;		/* --root; NULL: not given */
	const struct fy_strings *allow; /* --allow; NULL or empty: not given */
	const char *machine;		/* --machine; NULL: any */
	bool append_only;
};

struct fy_role;

/* FY_E_USAGE for words that are wrong or that need --root, FY_E_NOTFOUND or
 * FY_E_IO for a root that can't be opened. */
int fy_role_new(const struct fy_role_options *o, struct fy_role **ret,
		struct fy_error *err);
void fy_role_free(struct fy_role *r);
FY_DEFINE_AUTO(role, struct fy_role, fy_role_free)

/* Whether 'name' matches [A-Za-z0-9][A-Za-z0-9._-]{0,99}. */
bool fy_name_is_valid(const char *name);

/* May the client do 'action' ("convert") to 'name', replacing what is there
 * when 'force'?  FY_E_DENIED saying which option forbids it. */
int fy_role_check(const struct fy_role *r, const char *action, const char *name,
		  bool force, struct fy_error *err);

/*
 * Open the directory 'to': relative to the root, or absolute inside it; what is
 * missing is created (mode 0755 less the umask) and synced.  '*ret_path' is its
 * real absolute path, malloc'd.  FY_E_DENIED for ".." and for symbolic links,
 * and for an absolute path outside the root.
 */
int fy_role_open_dir(const struct fy_role *r, const char *to, int *ret_fd,
		     char **ret_path, struct fy_error *err);

#endif
