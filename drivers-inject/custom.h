/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CUSTOM_H
#define FY_CUSTOM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/json.h"
#include "common/options.h"

/*
 * What a person wants changed in the systems of a machine, beyond what makes
 * them boot: the same for all families, which do of it what they can and
 * refuse the rest by name.
 */
struct fy_custom_script {
	char *name; /* a plain file name */
	char *text; /* UTF-8 */
};

struct fy_custom {
	char *hostname; /* NULL: it stays */
	/* Of crypt(3), so that the password itself is in no job; NULL: root's
	 * stays. */
	char *root_password;
	struct fy_string_list {
		char **items;
		size_t n;
	} ssh_keys; /* lines for root's authorized_keys */
	struct fy_custom_script *first_boot;
	size_t n_first_boot;
	bool agent; /* qemu-guest-agent by the first boot */
};

void fy_custom_free(struct fy_custom *c);
FY_DEFINE_AUTO(custom, struct fy_custom, fy_custom_free)

/* The members that the programs' options fill; rows of their tables below. */
struct fy_custom_options {
	bool keep_hostname, install_agent;
	char *set_hostname, *root_password_file;
	struct fy_strings first_boot, ssh_keys;
};

/* Rows of a table; 'base' is the offset of a struct fy_custom_options. */
#define FY_CUSTOM_ROWS(base)                                                   \
	{ .name = "keep-hostname",                                             \
	  .type = FY_OPT_FLAG,                                                 \
	  .offset =                                                            \
		  (base) + offsetof(struct fy_custom_options, keep_hostname),  \
	  .help = "Leave the guest's hostname as it is (the default)." },      \
		{ .name = "set-hostname",                                      \
		  .type = FY_OPT_STRING,                                       \
		  .offset = (base) +                                           \
			    offsetof(struct fy_custom_options, set_hostname),  \
		  .value = "NAME",                                             \
		  .help = "Give the guest this hostname." },                   \
		{ .name = "first-boot",                                        \
		  .type = FY_OPT_LIST,                                         \
		  .offset = (base) +                                           \
			    offsetof(struct fy_custom_options, first_boot),    \
		  .value = "SCRIPT",                                           \
		  .help = "Run this script once when the guest boots: "        \
			  "*.cmd, *.bat and *.ps1 on Windows, all others on "  \
			  "Linux; may be repeated." },                         \
		{ .name = "root-password-file",                                \
		  .type = FY_OPT_STRING,                                       \
		  .offset = (base) + offsetof(struct fy_custom_options,        \
					      root_password_file),             \
		  .value = "FILE",                                             \
		  .help = "Give the guest's root the password in this file's " \
			  "first "                                             \
			  "line." },                                           \
		{ .name = "ssh-key",                                           \
		  .type = FY_OPT_LIST,                                         \
		  .offset = (base) +                                           \
			    offsetof(struct fy_custom_options, ssh_keys),      \
		  .value = "FILE",                                             \
		  .help = "Let this public key log in as the guest's root; "   \
			  "may be "                                            \
			  "repeated." },                                       \
	{                                                                      \
		.name = "install-agent", .type = FY_OPT_FLAG,                  \
		.offset = (base) +                                             \
			  offsetof(struct fy_custom_options, install_agent),   \
		.help = "Have the guest install qemu-guest-agent when it "     \
			"boots, "                                              \
			"from its own package sources."                        \
	}

/*
 * Read the files that the options name.  '*ret' is NULL when there is nothing
 * to do.  FY_E_USAGE for what can't be a hostname, a key or a script.
 */
int fy_custom_load(const struct fy_custom_options *o, struct fy_custom **ret,
		   struct fy_error *err);

/* For a job; 'c' may be NULL.  Returns NULL without memory. */
json_t *fy_custom_to_json(const struct fy_custom *c, struct fy_error *err);
/* 'j' may be NULL or null: '*ret' is NULL then.  Checked as foreign text:
 * FY_E_FORMAT. */
int fy_custom_from_json(const json_t *j, struct fy_custom **ret,
			struct fy_error *err);

/* Letters, digits and '-', with dots between; at most 253. */
bool fy_custom_is_hostname(const char *s);

/* Whether a script of that name is one for Windows guests: "*.cmd", "*.bat",
 * "*.ps1", in any case; all others are for Linux guests. */
bool fy_custom_is_for_windows(const char *name);

#endif
