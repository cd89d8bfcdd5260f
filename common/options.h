/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_OPTIONS_H
#define FY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/error.h"

/*
 * One table per command yields the parser, --help, shell completion,
 * --long-options and (in the live image) the kernel command line's keys.
 *
 * Each option fills a member of the program's own options struct, named by its
 * offset.  Types and the member that they fill:
 */
enum fy_option_type {
	FY_OPT_FLAG,   /* bool; --name sets true, --no-name (only where
			   'negatable') false */
	FY_OPT_STRING, /* char *: malloc'd copy; the last one wins */
	FY_OPT_LIST,   /* struct fy_strings: --name may be repeated; with
			   'split' also "a,b,c" in one */
	FY_OPT_NUMBER, /* uint64_t in [min, max], whole decimal number */
	FY_OPT_SIZE,   /* uint64_t bytes: 123, 64K, 1.5G, 2T (powers of 1024),
			   in [min, max] */
	FY_OPT_CHOICE, /* int: index into 'choices' */
};

struct fy_strings {
	char **items; /* malloc'd, NULL-terminated when n > 0 */
	size_t n;
};
int fy_strings_add(struct fy_strings *s, const char *text,
		   struct fy_error *err);
void fy_strings_release(struct fy_strings *s);

struct fy_option {
	const char *name; /* long name without "--"; NULL ends the table */
	enum fy_option_type type;
	size_t offset;	   /* offsetof(struct ..., member) */
	const char *value; /* placeholder in help, "PATH"; NULL for flags */
	const char *help;  /* one sentence */
	const char *const *choices; /* NULL-terminated, for FY_OPT_CHOICE */
	uint64_t min, max;	    /* max 0: no limit */
	bool negatable, split, hidden;
	char letter; /* short option or 0 */
	/* "--name[=VALUE]": the text used when no value is given, only with
	 * '='; NULL: the value is required.  (--compressed[=zstd|deflate]) */
	const char *implied;
};

struct fy_command {
	const char *name;      /* "convert"; NULL ends the table of commands */
	const char *arguments; /* "INPUT..." for the usage line, or "" */
	const char *summary;   /* one line */
	const struct fy_option *options; /* its own */
	const struct fy_option *common;	 /* shared with others, or NULL */
	size_t min_arguments, max_arguments;
	/* NULL, or why this command can't be used yet ("this version only
	 * maps"): --help lists it as not there yet, and whatever it is called
	 * with, it is refused.  'options' and 'run' may then be NULL. */
	const char *not_yet;
	/* The exit status.  'options' is the filled struct. */
	int (*run)(const struct fy_command *command, void *options,
		   const struct fy_strings *arguments);
};

struct fy_program {
	const char *name; /* "p2v-client" */
	const char *summary;
	const char *version;
	const struct fy_command *commands; /* NULL-name-terminated */
	/* Make (zeroed, defaults set) and free the options struct. */
	void *(*options_new)(void);
	void (*options_free)(void *options);
	/* Run when there is no command at all; NULL: usage error.  'bare' has
	 * the options that may then be given (its name is ""); NULL: none. */
	int (*run_bare)(void *options);
	const struct fy_command *bare;
};

/*
 * Parse and run: --help, --version, --long-options (a line each) and
 * --completion (a bash script) are answered here, wrong use with a message on
 * stderr and FY_EXIT_USAGE.  Returns the exit status for main.
 */
int fy_program_main(const struct fy_program *program, int argc, char **argv);

/* The parser alone (for tests, the kernel command line and job files): fills
 * 'options', collects the rest.  FY_E_USAGE on wrong words. */
int fy_options_parse(const struct fy_command *command, int argc,
		     char *const *argv, void *options,
		     struct fy_strings *arguments, struct fy_error *err);

/* Set one option by name, as "name" "value" (value NULL for a flag). */
int fy_options_set(const struct fy_command *command, void *options,
		   const char *name, const char *value, struct fy_error *err);

/* The option of that name (or, of a negatable flag, "no-" and its name), or
 * NULL. */
const struct fy_option *fy_options_find(const struct fy_command *command,
					const char *name);

/* Free what the table's options hold (strings, lists) and zero them. */
void fy_options_release(const struct fy_option *table, void *options);

void fy_command_help(const struct fy_program *program,
		     const struct fy_command *command, FILE *to);

/* "123", "64K", "1.5G" -> bytes.  FY_E_USAGE. */
int fy_parse_size(const char *text, uint64_t *ret, struct fy_error *err);
/* Bytes for people, e.g. "4.3 GB" (powers of 1000), into ret. */
void fy_format_bytes(uint64_t bytes, char *ret, size_t ret_size);

#endif
