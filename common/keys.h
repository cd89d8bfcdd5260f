/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_KEYS_H
#define FY_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/options.h"

/*
 * Options as keys: "p2v.name=web01" on the kernel command line or in a file
 * fills the same struct from the same tables as --name does.  In a key's name
 * '_' and '-' are the same, as for the kernel's own parameters.
 *
 * A flag is set by its bare key or by =1, =yes, =true, =on, and unset by =0,
 * =no, =false, =off.  A list that an earlier text has filled begins anew with
 * the first such key of a text; within one text the values add up.
 */
struct fy_key_alias {
	const char *key;     /* without the prefix; NULL ends the table */
	const char *option;  /* the option it stands for, or NULL: refused */
	const char *instead; /* of a refused key: what to use */
	/* Of an option that is a list: ',' separates the values here. */
	bool split;
};

struct fy_keys {
	const char *prefix; /* "p2v." */
	/* The tables, those of each command; NULL ends the list. */
	const struct fy_command *const *commands;
	const struct fy_key_alias *aliases; /* or NULL */
};

/* A kernel command line's words, cut as the kernel does: spaces separate,
 * double quotes keep them in, and quotes around a whole word or around the
 * value go away.  "name=value" stays one text. */
int fy_keys_words(const char *text, struct fy_strings *ret,
		  struct fy_error *err);

/*
 * Take all keys with the prefix of a kernel command line; other words are the
 * kernel's.  What is wrong with a key is added to 'problems', a sentence each
 * (at most 20), that names 'where' and the key, and the others are still
 * taken.  -1: FY_E_NOMEM.
 */
int fy_keys_from_command_line(const struct fy_keys *keys, const char *where,
			      const char *text, void *options,
			      struct fy_strings *problems,
			      struct fy_error *err);

/* The same of a file: a key a line, the prefix may be missing, blank lines
 * and those that begin with '#' are skipped, quotes around the value go
 * away.  A line that is no key is a problem. */
int fy_keys_from_lines(const struct fy_keys *keys, const char *where,
		       const char *text, void *options,
		       struct fy_strings *problems, struct fy_error *err);

#endif
