/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v2v-server: the program's commands and options.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"
#include "v2v-server/confined.h"
#include "v2v-server/serve.h"
#include "v2v-server/server.h"

struct fy_stop fy_server_stop = { .fd = -1 };

#define O(member) offsetof(struct fy_server_options, member)

#define REQUIRE_SANDBOX                                                        \
	{                                                                      \
		.name = "require-sandbox", .type = FY_OPT_FLAG,                \
		.offset = O(require_sandbox),                                  \
		.help = "Refuse to work where what reads the disks can't be "  \
			"confined."                                            \
	}

static const struct fy_option serve_options[] = {
	{ .name = "root",
	  .type = FY_OPT_STRING,
	  .offset = O(root),
	  .value = "DIR",
	  .help = "Directory that clients can't leave (default: /)." },
	{ .name = "allow",
	  .type = FY_OPT_LIST,
	  .offset = O(allow),
	  .value = "ACTION,...",
	  .split = true,
	  .help = "Only these of convert, inventory, backup, restore; needs "
		  "--root." },
	{ .name = "machine",
	  .type = FY_OPT_STRING,
	  .offset = O(machine),
	  .value = "NAME",
	  .help = "Only jobs of that name; needs --root." },
	{ .name = "append-only",
	  .type = FY_OPT_FLAG,
	  .offset = O(append_only),
	  .help = "Refuse to replace what is there; needs --root." },
	{ .name = "virtio-win",
	  .type = FY_OPT_STRING,
	  .offset = O(virtio_win),
	  .value = "PATH",
	  .help = "ISO image or directory with virtio drivers for Windows "
		  "(default: /usr/share/virtio-win, if that is there)." },
	REQUIRE_SANDBOX,
	{ 0 },
};

static const struct fy_option inject_options[] = {
	{ .name = "dry-run",
	  .type = FY_OPT_FLAG,
	  .offset = O(dry_run),
	  .help = "Show what would be changed, and change nothing." },
	{ .name = "undo",
	  .type = FY_OPT_FLAG,
	  .offset = O(undo),
	  .help = "Put back what an injection changed." },
	{ .name = "job-dir",
	  .type = FY_OPT_STRING,
	  .offset = O(job_dir),
	  .value = "DIR",
	  .help = "Where undo log, originals and report go (default: "
		  "DISK.job; a block device has none)." },
	{ .name = "machine-json",
	  .type = FY_OPT_STRING,
	  .offset = O(machine_json),
	  .value = "FILE",
	  .help = "Description of the machine that the disks come from." },
	{ .name = "nic",
	  .type = FY_OPT_LIST,
	  .offset = O(nics),
	  .value = "NAME=MAC",
	  .help = "MAC of an interface that the guest's files name." },
	FY_CUSTOM_ROWS(O(custom)),
	{ .name = "virtio-win",
	  .type = FY_OPT_STRING,
	  .offset = O(virtio_win),
	  .value = "PATH",
	  .help = "ISO image or directory with virtio drivers for Windows "
		  "(default: /usr/share/virtio-win, if that is there)." },
	{ 0 },
};

static const struct fy_option disk_options[] = {
	{ .name = "format",
	  .type = FY_OPT_STRING,
	  .offset = O(format),
	  .value = "FORMAT",
	  .help = "raw or qcow2 (default: what the file says it is)." },
	{ .name = "luks-key",
	  .type = FY_OPT_LIST,
	  .offset = O(luks_keys),
	  .value = "[UUID=]FILE",
	  .help = "File with the passphrase of a LUKS volume (of that one, or "
		  "of any)." },
	REQUIRE_SANDBOX,
	{ .name = "json",
	  .type = FY_OPT_FLAG,
	  .offset = O(json),
	  .help = "Write the report as JSON on standard output." },
	{ .name = "quiet",
	  .type = FY_OPT_FLAG,
	  .offset = O(quiet),
	  .help = "Only warnings and errors." },
	{ .name = "debug",
	  .type = FY_OPT_FLAG,
	  .offset = O(debug),
	  .help = "Tell more." },
	{ 0 },
};

static const struct fy_option no_options[] = { { 0 } };

#define VIRTIO_WIN "/usr/share/virtio-win"

const char *
fy_server_virtio_win(const struct fy_server_options *o)
{
	if (o->virtio_win != NULL)
		return o->virtio_win;
	return access(VIRTIO_WIN, F_OK) == 0 ? VIRTIO_WIN : NULL;
}

/* What is not there: files that options name, and a sandbox that is asked for.
 * FY_EXIT_DONE when all is. */
static int
check_ready(const struct fy_server_options *o)
{
	struct fy_error err = { 0 };

	if (o->virtio_win != NULL && access(o->virtio_win, R_OK) == -1) {
		fprintf(stderr,
			"v2v-server: --virtio-win: '%s', for drivers for "
			"Windows: %s\n",
			o->virtio_win, strerror(errno));
		return FY_EXIT_USAGE;
	}
	if (o->require_sandbox && fy_confined_require(&err) == -1) {
		fprintf(stderr, "v2v-server: %s\n", err.msg);
		return FY_EXIT_FAILED;
	}
	return FY_EXIT_DONE;
}

static int
serve(const struct fy_command *command, void *options,
      const struct fy_strings *arguments)
{
	const struct fy_server_options *o = options;
	struct fy_serve_options so = {
		.role = { .root = o->root,
			  .allow = &o->allow,
			  .machine = o->machine,
			  .append_only = o->append_only },
		.virtio_win = fy_server_virtio_win(o),
	};
	int ready = check_ready(o);

	(void)command;
	(void)arguments;
	if (ready != FY_EXIT_DONE)
		return ready;
	return fy_serve(&so, STDIN_FILENO, STDOUT_FILENO, &fy_server_stop);
}

static int
inject(const struct fy_command *command, void *options,
       const struct fy_strings *arguments)
{
	int ready = check_ready(options);

	return ready != FY_EXIT_DONE
		       ? ready
		       : fy_server_inject(command, options, arguments);
}

static int
inspect(const struct fy_command *command, void *options,
	const struct fy_strings *arguments)
{
	int ready = check_ready(options);

	return ready != FY_EXIT_DONE
		       ? ready
		       : fy_server_inspect(command, options, arguments);
}

#define NOT_YET "it is not in this version, which serves and injects"

static const struct fy_command commands[] = {
	{ .name = "serve",
	  .arguments = "",
	  .summary = "Serve one client on standard input and output.",
	  .options = serve_options,
	  .run = serve },
	{ .name = "inject",
	  .arguments = "DISK...",
	  .summary = "Make the systems on disk images boot on virtio.",
	  .options = inject_options,
	  .common = disk_options,
	  .min_arguments = 1,
	  .max_arguments = 64,
	  .run = inject },
	{ .name = "inspect",
	  .arguments = "DISK...",
	  .summary = "Show the systems on disk images.",
	  .options = no_options,
	  .common = disk_options,
	  .min_arguments = 1,
	  .max_arguments = 64,
	  .run = inspect },
	{ .name = "convert",
	  .arguments = "INPUT...",
	  .summary = "Convert virtual machines.",
	  .not_yet = NOT_YET },
	{ .name = "batch",
	  .arguments = "JOBS",
	  .summary = "Convert many virtual machines.",
	  .not_yet = NOT_YET },
	{ .name = "repository",
	  .arguments = "ACTION NAME",
	  .summary = "Manage backups.",
	  .not_yet = NOT_YET },
	{ 0 },
};

static void *
options_new(void)
{
	return calloc(1, sizeof(struct fy_server_options));
}

static void
options_free(void *options)
{
	fy_options_release(serve_options, options);
	fy_options_release(inject_options, options);
	fy_options_release(disk_options, options);
	free(options);
}

static const struct fy_program program = {
	.name = "v2v-server",
	.summary = "the server's side of Ironferry: images and definitions",
	.version = FY_VERSION,
	.commands = commands,
	.options_new = options_new,
	.options_free = options_free,
};

static void
on_signal(int number)
{
	(void)number;
	fy_stop_raise(&fy_server_stop);
}

/* No socket or image of ours may become standard input, output or error, which
 * children get: open what the caller had closed. */
static void
open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	if (fd >= 3)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct sigaction ign = { .sa_handler = SIG_IGN };
	struct fy_error err = { 0 };
	int status;

	open_standard();
	if (fy_stop_init(&fy_server_stop, &err) == -1) {
		fprintf(stderr, "v2v-server: %s\n", err.msg);
		return FY_EXIT_FAILED;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	sigaction(SIGPIPE, &ign, NULL);
	status = fy_program_main(&program, argc, argv);
	fy_stop_release(&fy_server_stop);
	return status;
}
