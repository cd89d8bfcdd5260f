/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CONFINE_H
#define FY_CONFINE_H

#include <stddef.h>

#include "common/error.h"

/*
 * Give up what a process that works on foreign bytes does not need: files
 * (Landlock), system calls (seccomp), capabilities.  What it had open stays
 * open, and there is no way back, for programs that it runs neither.
 * docs/sandbox.md says what is left.
 */
enum fy_confine_rights {
	FY_CONFINE_READ = 1,	/* files, and listing directories */
	FY_CONFINE_EXECUTE = 2, /* running programs */
	FY_CONFINE_WRITE = 4,	/* writing to files that are there */
	FY_CONFINE_MAKE = 8,	/* making, renaming, removing */
	FY_CONFINE_DEVICE = 16, /* asking devices for their size and the like */
};

/* A path and all that is below it; or what 'fd' is, when 'path' is NULL.
 * Everything that no rule names is out of reach. */
struct fy_confine_rule {
	const char *path;
	int fd;
	unsigned rights;
};

enum fy_confine_flags {
	/* It has helpers from before, which it must be able to end. */
	FY_CONFINE_MAY_SIGNAL = 1,
};

/* NULL when this machine can confine a process; else what it lacks, in words
 * that follow "without". */
const char *fy_confine_missing(void);

/*
 * The rules for programs: running them and reading their libraries and
 * settings, /dev/null and its like.  'n' of them.
 */
extern const struct fy_confine_rule fy_confine_programs[];
extern const size_t fy_confine_n_programs;

/*
 * A Landlock ruleset with these rules, for fy_subprocess_start_listening.  A
 * path that is not there is passed over.  '*ret' is a descriptor, or -1 where
 * there is no Landlock.
 */
int fy_confine_ruleset(const struct fy_confine_rule *rules, size_t n,
		       enum fy_confine_flags flags, int *ret,
		       struct fy_error *err);

/*
 * Confine this process, as far as this machine can: see fy_confine_missing.
 * FY_E_BUSY when it has other threads, which would go free.  On failure some of
 * it may be in force.
 */
int fy_confine(const struct fy_confine_rule *rules, size_t n,
	       enum fy_confine_flags flags, struct fy_error *err);

#endif
