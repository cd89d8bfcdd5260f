/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * used-blocks: what is used on a disk, and images of it.  Data goes to stdout,
 * messages to stderr.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/options.h"
#include "common/stop.h"
#include "partclone/command.h"

static struct fy_stop stop = { .fd = -1 };

static void
on_signal(int number)
{
	(void)number;
	fy_stop_raise(&stop);
}

static int
catch_signals(struct fy_error *err)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (fy_stop_init(&stop, err) == -1)
		return -1;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	/* A reader that went away is an error of write(), not our end. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	return 0;
}

static int
report(const struct fy_error *err)
{
	fprintf(stderr, "used-blocks: %s\n", err->msg);
	return fy_error_exit_status(err->code);
}

static int
run(int (*do_it)(const struct fy_used_options *o,
		 const struct fy_strings *words, struct fy_error *err),
    void *options, const struct fy_strings *arguments)
{
	struct fy_used_options *o = options;
	struct fy_error err = { 0 };
	int r;

	if (catch_signals(&err) == -1)
		return report(&err);
	o->stop = &stop;
	r = do_it(o, arguments, &err);
	fy_stop_release(&stop);
	if (r == 0)
		return FY_EXIT_DONE;
	report(&err);
	/* An image whose checksums don't match is what a verification finds. */
	return err.code == FY_E_CORRUPT ? (int)FY_EXIT_DIFFERENT
					: fy_error_exit_status(err.code);
}

static int
do_save(const struct fy_used_options *o, const struct fy_strings *words,
	struct fy_error *err)
{
	return fy_used_save(o, words->items[0], words->items[1], err);
}

static int
do_restore(const struct fy_used_options *o, const struct fy_strings *words,
	   struct fy_error *err)
{
	return fy_used_restore(o, words->items[0], words->items[1], err);
}

static int
do_check(const struct fy_used_options *o, const struct fy_strings *words,
	 struct fy_error *err)
{
	return fy_used_check(o, words->items[0], err);
}

static int
do_info(const struct fy_used_options *o, const struct fy_strings *words,
	struct fy_error *err)
{
	return fy_used_info(o, words->items[0], err);
}

static int
run_map(const struct fy_command *command, void *options,
	const struct fy_strings *arguments)
{
	(void)command;
	return run(fy_used_map, options, arguments);
}

static int
run_save(const struct fy_command *command, void *options,
	 const struct fy_strings *arguments)
{
	(void)command;
	return run(do_save, options, arguments);
}

static int
run_restore(const struct fy_command *command, void *options,
	    const struct fy_strings *arguments)
{
	(void)command;
	return run(do_restore, options, arguments);
}

static int
run_check(const struct fy_command *command, void *options,
	  const struct fy_strings *arguments)
{
	(void)command;
	return run(do_check, options, arguments);
}

static int
run_info(const struct fy_command *command, void *options,
	 const struct fy_strings *arguments)
{
	(void)command;
	return run(do_info, options, arguments);
}

/* --- the tables ----------------------------------------------------------------- */

static const struct fy_command commands[] = {
	{ .name = "map",
	  .arguments = "SOURCE...",
	  .summary = "print what is used on disks, partitions or images",
	  .options = fy_used_map_table,
	  .common = fy_used_source_table,
	  .min_arguments = 1,
	  .max_arguments = FY_USED_SOURCES,
	  .run = run_map },
	{ .name = "save",
	  .arguments = "SOURCE IMAGE",
	  .summary = "save the used blocks",
	  .options = fy_used_save_table,
	  .common = fy_used_source_table,
	  .min_arguments = 2,
	  .max_arguments = 2,
	  .run = run_save },
	{ .name = "restore",
	  .arguments = "IMAGE TARGET",
	  .summary = "restore an image",
	  .options = fy_used_restore_table,
	  .min_arguments = 2,
	  .max_arguments = 2,
	  .run = run_restore },
	{ .name = "check",
	  .arguments = "IMAGE",
	  .summary = "check an image",
	  .options = fy_used_check_table,
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .run = run_check },
	{ .name = "info",
	  .arguments = "IMAGE",
	  .summary = "tell about an image",
	  .options = fy_used_info_table,
	  .min_arguments = 1,
	  .max_arguments = 1,
	  .run = run_info },
	{ .name = NULL },
};

static void *
options_new(void)
{
	return calloc(1, sizeof(struct fy_used_options));
}

static void
options_free(void *options)
{
	if (options != NULL) {
		fy_options_release(fy_used_map_table, options);
		fy_options_release(fy_used_source_table, options);
		fy_options_release(fy_used_save_table, options);
	}
	free(options);
}

static const struct fy_program program = {
	.name = "used-blocks",
	.summary = "what is used on a disk, and images of it",
	.version = FY_VERSION,
	.commands = commands,
	.options_new = options_new,
	.options_free = options_free,
};

int
main(int argc, char **argv)
{
	return fy_program_main(&program, argc, argv);
}
