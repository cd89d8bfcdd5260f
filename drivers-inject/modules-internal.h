/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_MODULES_INTERNAL_H
#define FY_MODULES_INTERNAL_H

#include "drivers-inject/modules.h"

#define FY_MODULE_NAME_MAX 128

/*
 * The name of the module that a file name or path stands for: the last part
 * without .ko, .ko.xz, .ko.zst or .ko.gz, with '_' for '-'.  false when it is
 * no module's.  '*ret_stem' (may be NULL): the length of 'path' up to and with
 * ".ko".
 */
bool fy_module_name_of(const char *path, char ret[FY_MODULE_NAME_MAX],
		       size_t *ret_stem);

/* What modules.dep lists behind a module (paths between spaces), and what
 * modules.softdep says of it ("pre: a b post: c"): not terminated, NULL when
 * there is nothing. */
const char *fy_modules_dep_line(const struct fy_modules *m, const char *name,
				size_t *ret_len);
const char *fy_modules_softdep_line(const struct fy_modules *m,
				    const char *name, size_t *ret_len);

/* '-' to '_', in place. */
void fy_module_normalise(char *name);

/*
 * Every "KEY=value" of an ELF module's .modinfo section: 'each' gets the value
 * (terminated).  FY_E_FORMAT when it is no ELF file or has no such section.
 */
typedef int (*fy_modinfo_each)(void *ctx, const char *key, size_t key_len,
			       const char *value, struct fy_error *err);
int fy_modinfo_read(const unsigned char *elf, size_t len, fy_modinfo_each each,
		    void *ctx, struct fy_error *err);

#endif
