/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLIENT_H
#define FY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/options.h"
#include "common/stop.h"
#include "drivers-inject/custom.h"
#include "p2v-client/convert.h"
#include "p2v-client/live-options.h"

/* Of --retry and --rescue-tries, when they are not given. */
#define FY_CLIENT_RETRY_S      600u
#define FY_CLIENT_RESCUE_TRIES 1u

/*
 * The program's options, filled by main.c's tables (and in the live image from
 * the kernel command line), and what its commands share.
 */
struct fy_client_options {
	/* the server */
	char *server, *identity, *known_hosts, *fingerprint, *password_file;
	uint64_t limit_rate;

	/* the job */
	struct fy_strings disks;
	char *name, *to;
	int format;	  /* index into the choices of --format */
	char *compressed; /* NULL, "zstd", "deflate" */
	struct fy_strings emit;
	bool no_inject, force, verify, new_uuid, sync;
	uint64_t vcpus, memory_bytes;
	struct fy_strings networks, nics;
	struct fy_custom_options custom;
	struct fy_strings luks_keys;
	char *bridge;
	int virt_type; /* 0 kvm, 1 qemu */
	bool allow_dirty, all_gaps, rescue;
	uint64_t rescue_tries, rescue_time, rescue_max;
	struct fy_strings whole;

	/* how */
	uint64_t threads, connections;
	uint64_t retry; /* seconds */
	char *compress;
	int progress; /* enum fy_progress_mode */
	bool json, quiet, debug;
	char *log;

	struct fy_live_options live;
};

/* Raised by SIGINT and SIGTERM; set up by main before any command runs. */
extern struct fy_stop fy_client_stop;

/*
 * Set 'ret' to what 'o' says (borrowing its texts), with questions asked on
 * the terminal when there is one.  FY_E_USAGE, FY_E_UNSUPPORTED.
 */
int fy_client_convert_options(const struct fy_client_options *o,
			      struct fy_log *log,
			      struct fy_convert_options *ret,
			      struct fy_error *err);

/* Commands.  Each returns the exit status. */
int fy_client_convert(const struct fy_command *command, void *options,
		      const struct fy_strings *arguments);
/* inventory.c */
int fy_client_inventory(const struct fy_command *command, void *options,
			const struct fy_strings *arguments);
/* live.c */
int fy_client_live(const struct fy_command *command, void *options,
		   const struct fy_strings *arguments);
/* dialog.c: no command given */
int fy_client_dialog(void *options);

#endif
