/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SERVER_H
#define FY_SERVER_H

#include <stdbool.h>

#include "common/options.h"
#include "common/stop.h"
#include "drivers-inject/custom.h"

/* The program's options, filled by main.c's tables. */
struct fy_server_options {
	/* serve */
	char *root, *machine, *virtio_win;
	struct fy_strings allow;
	bool append_only, require_sandbox;

	/* inject, inspect */
	char *job_dir, *machine_json, *format;
	struct fy_strings nics;
	struct fy_strings luks_keys;
	bool dry_run, undo, json;
	struct fy_custom_options custom;

	/* all */
	bool quiet, debug;
};

/* Raised by SIGINT, SIGTERM and SIGHUP; set up by main. */
extern struct fy_stop fy_server_stop;

/* The drivers for Windows: as the option says, else where a package of them
 * puts them; NULL: none. */
const char *fy_server_virtio_win(const struct fy_server_options *o);

/* Commands.  Each returns the exit status. */
int fy_server_inject(const struct fy_command *command, void *options,
		     const struct fy_strings *arguments);
int fy_server_inspect(const struct fy_command *command, void *options,
		      const struct fy_strings *arguments);

#endif
