/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LIVE_OPTIONS_H
#define FY_LIVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/options.h"

/* What only the live system has: the options of `p2v-client live`, and the
 * keys of the kernel command line that are no options of a command. */
enum fy_live_action {
	FY_LIVE_NONE,
	FY_LIVE_CONVERT,
	FY_LIVE_INVENTORY,
};
enum fy_live_then { FY_LIVE_SHELL, FY_LIVE_POWEROFF, FY_LIVE_REBOOT };

struct fy_live_options {
	/* The live system's places; NULL: as in fy_live_place. */
	char *cmdline, *medium, *run;
	char *sysroot;	     /* in front of /sys, /proc and /dev, for tests */
	char *power_command; /* run with "poweroff" or "reboot" */
	char *allow_write, *network_dir, *unit_dir;

	int action, then, then_failed;
	char *config, *pre, *post, *fail;
	uint64_t wait_s; /* for network and server; 0: FY_LIVE_WAIT_S */
	bool ssh;
	char *ssh_key, *keyboard;
	char *target, *target_password_file;
	/* The live system's own network. */
	char *interface;
	struct fy_strings addresses, gateways, dns;
	uint64_t vlan;
	/* virt-p2v's way to name a server. */
	char *username, *password;
	uint64_t port;
};

#define FY_LIVE_WAIT_S 180u

extern const struct fy_option fy_live_table[];	   /* of the command */
extern const struct fy_option fy_live_key_table[]; /* keys only */

/* All keys with the prefix "p2v.". */
extern const struct fy_keys fy_live_keys;

#endif
