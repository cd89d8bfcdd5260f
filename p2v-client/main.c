/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v-client: the commands, and the signals that end them.  The first SIGINT or
 * SIGTERM raises the stop token, so that the job ends in good order and can be
 * resumed; a second one ends the program at once.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <libssh/libssh.h>

#include "p2v-client/client.h"
#include "p2v-client/options.h"

struct fy_stop fy_client_stop = { .fd = -1 };

static void
on_signal(int number)
{
	(void)number;
	fy_stop_raise(&fy_client_stop);
}

static void
set_signals(void)
{
	struct sigaction stop = { .sa_handler = on_signal,
				  .sa_flags = (int)SA_RESETHAND };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	/* A server that went away is an error of write(), not our end. */
	sigaction(SIGPIPE, &ignore, NULL);
}

static void *
options_new(void)
{
	struct fy_client_options *o = calloc(1, sizeof(*o));

	if (o != NULL) {
		o->retry = FY_CLIENT_RETRY_S;
		o->rescue_tries = FY_CLIENT_RESCUE_TRIES;
	}
	return o;
}

static void
options_free(void *options)
{
	fy_options_release(fy_client_convert_table, options);
	fy_options_release(fy_client_common_table, options);
	fy_options_release(fy_live_table, options);
	fy_options_release(fy_live_key_table, options);
	free(options);
}

#define NOT_YET "this version only converts"

static const struct fy_command commands[] = {
	{ .name = "convert",
	  .arguments = "",
	  .summary = "make a virtual machine of disks",
	  .options = fy_client_convert_table,
	  .common = fy_client_common_table,
	  .run = fy_client_convert },
	{ .name = "inventory",
	  .arguments = "",
	  .summary = "show hardware, disks and systems of this machine",
	  .options = fy_client_inventory_table,
	  .run = fy_client_inventory },
	{ .name = "live",
	  .arguments = "",
	  .summary = "the live system's menu and unattended runs",
	  .options = fy_live_table,
	  .run = fy_client_live },
	{ .name = "backup",
	  .arguments = "",
	  .summary = "back this machine up into a repository",
	  .not_yet = NOT_YET },
	{ .name = "restore",
	  .arguments = "",
	  .summary = "restore a machine from a repository",
	  .not_yet = NOT_YET },
	{ .name = "schedule",
	  .arguments = "add|list|remove",
	  .summary = "back this machine up at set times",
	  .not_yet = NOT_YET },
	{ .name = NULL },
};

/* Without a command: the dialog, which proposes what is given here. */
static const struct fy_command bare = {
	.name = "",
	.arguments = "",
	.summary = "",
	.options = fy_client_convert_table,
	.common = fy_client_common_table,
};

static const struct fy_program program = {
	.name = "p2v-client",
	.summary = "carry a machine from iron to a virtual machine",
	.version = FY_VERSION,
	.commands = commands,
	.options_new = options_new,
	.options_free = options_free,
	.run_bare = fy_client_dialog,
	.bare = &bare,
};

int
main(int argc, char **argv)
{
	struct fy_error err = { .code = FY_E_NONE };
	int status;

	if (fy_stop_init(&fy_client_stop, &err) == -1) {
		fprintf(stderr, "p2v-client: %s\n", err.msg);
		return FY_EXIT_FAILED;
	}
	set_signals();
	if (ssh_init() != SSH_OK) {
		fprintf(stderr, "p2v-client: libssh does not start\n");
		return FY_EXIT_FAILED;
	}
	status = fy_program_main(&program, argc, argv);
	ssh_finalize();
	fy_stop_release(&fy_client_stop);
	return status;
}
