/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_MODULES_H
#define FY_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * The kernel modules of a Linux guest, read from its own
 * /lib/modules/VERSION without running any of its code.
 */

/* What the entry of a directory is itself; symlinks are not followed here. */
enum fy_modules_type {
	FY_MODULES_FILE,
	FY_MODULES_DIR,
	FY_MODULES_LINK,
	FY_MODULES_OTHER,
};

/* Called for each entry, not for "." and ".."; 'name' lives for the call.
 * -1 ends the listing, which then fails with what is in 'err'. */
typedef int (*fy_modules_each)(void *ctx, const char *name,
			       enum fy_modules_type type, struct fy_error *err);

/*
 * How the guest's files are reached: paths are below the guest's root, with or
 * without a leading "/", and symlinks on the way (lib -> usr/lib) and at the
 * end are followed inside that root by the implementation.
 */
struct fy_modules_source {
	void *ctx;
	/* As fy_file_read_at: malloc'd, a NUL behind it that isn't counted;
	 * more than 'max' bytes is FY_E_FORMAT, missing is FY_E_NOTFOUND. */
	int (*read_file)(void *ctx, const char *path, size_t max, char **ret,
			 size_t *ret_len, struct fy_error *err);
	/* A missing directory is FY_E_NOTFOUND. */
	int (*list_dir)(void *ctx, const char *path, fy_modules_each each,
			void *each_ctx, struct fy_error *err);
};

/* A source that reads a directory tree of this machine (a mounted guest, a
 * test's tree).  '*dirfd' is borrowed for as long as 'ret' is used. */
void fy_modules_source_of_dir(const int *dirfd, struct fy_modules_source *ret);

struct fy_modules;

/*
 * Index the modules of one kernel: every *.ko, *.ko.xz, *.ko.zst and *.ko.gz
 * below lib/modules/VERSION, of several with one name the one that the guest's
 * depmod would choose ("search" in its depmod.d, updates/ first by default),
 * the names that are built in, and the dependencies that modules.dep and
 * modules.softdep list.
 *
 * Borrows: 'source', until _free.
 * Returns: 0, or -1: FY_E_NOTFOUND when there is no such directory,
 *          FY_E_USAGE when 'version' can't be a version, FY_E_FORMAT when the
 *          tree is beyond all measure, or what the source says.
 */
int fy_modules_open(const struct fy_modules_source *source, const char *version,
		    struct fy_modules **ret, struct fy_error *err);
void fy_modules_free(struct fy_modules *m);
FY_DEFINE_AUTO(modules, struct fy_modules, fy_modules_free)

const char *fy_modules_version(const struct fy_modules *m);

/* Names are compared as modprobe does, '-' the same as '_'. */
bool fy_modules_is_builtin(const struct fy_modules *m, const char *name);
/* Its path below lib/modules/VERSION, e.g. "kernel/fs/fat/fat.ko.xz", or NULL
 * when there is no such file. */
const char *fy_modules_path(const struct fy_modules *m, const char *name);

/* One module's file, decompressed. */
struct fy_module {
	char *name; /* with '_' */
	char *path; /* below lib/modules/VERSION, ending in ".ko" */
	unsigned char *data;
	size_t len;
	char *depends;	/* the ELF's "depends=", comma-separated */
	char *softdeps; /* "softdep=" values, one a line */
};
void fy_module_release(struct fy_module *mod);

/*
 * Read one module and check it: it must be ELF, and its vermagic must name
 * this kernel.  FY_E_NOTFOUND: no such file; FY_E_FORMAT: not such a module;
 * FY_E_UNSUPPORTED: an unknown compression.
 */
int fy_modules_read(struct fy_modules *m, const char *name,
		    struct fy_module *ret, struct fy_error *err);

/* A list of modules, dependencies before those that need them. */
struct fy_module_list {
	struct fy_module *items;
	size_t count;
};
void fy_module_list_release(struct fy_module_list *l);

/* Says which modules (by name, with '_') need not be read. */
typedef bool (*fy_modules_have)(void *ctx, const char *name);

/*
 * Append to 'list' the module 'name' and all that it needs (modules.dep and
 * the ELF's own "depends=" together, then softdeps where they exist), except
 * what is built in, in the list already, or what 'have' says is there.
 * FY_E_NOTFOUND: it, or what it needs, is neither a file nor built in; 'list'
 * is then as it was.
 */
int fy_modules_collect(struct fy_modules *m, const char *name,
		       fy_modules_have have, void *have_ctx,
		       struct fy_module_list *list, struct fy_error *err);

/* The "search" order of the guest's depmod, e.g. "updates built-in", and the
 * text of modules.builtin and modules.order ("" when missing).  The module's
 * own; live until _free. */
const char *fy_modules_search(const struct fy_modules *m);
const char *fy_modules_builtin_text(const struct fy_modules *m,
				    size_t *ret_len);
const char *fy_modules_order_text(const struct fy_modules *m, size_t *ret_len);
/* modules.builtin.modinfo, NULL when missing. */
const char *fy_modules_builtin_modinfo(const struct fy_modules *m,
				       size_t *ret_len);

/*
 * Decompress a whole .ko.xz, .ko.zst or .ko.gz, recognised by its first bytes;
 * plain data is copied.  More than 'max' bytes is FY_E_FORMAT.
 */
int fy_module_decompress(const void *data, size_t len, size_t max,
			 unsigned char **ret, size_t *ret_len,
			 struct fy_error *err);

#endif
