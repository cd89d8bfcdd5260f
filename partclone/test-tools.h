/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PARTCLONE_TEST_TOOLS_H
#define FY_PARTCLONE_TEST_TOOLS_H

/*
 * What this room's unit tests share: checks that name the line, and tools run
 * by argument vector.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"

extern char **environ;

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__,     \
				__LINE__, #cond);                              \
			exit(1);                                               \
		}                                                              \
	} while (0)

#define CHECK_OK(call, e)                                                      \
	do {                                                                   \
		if ((call) != 0) {                                             \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, \
				#call, (e)->msg);                              \
			exit(1);                                               \
		}                                                              \
	} while (0)

/* Run a tool, its output thrown away; its exit status, -1 when it can't be
 * started. */
static inline int
run(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int status = 0, r;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv,
			 environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static inline void
run_ok(const char *const *argv)
{
	int status = run(argv);

	if (status != 0) {
		fprintf(stderr, "%s ended with status %d\n", argv[0], status);
		exit(1);
	}
}

/* Skip the test unless the tool can be started. */
static inline void
need(const char *tool)
{
	const char *path = getenv("PATH");

	setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", path == NULL);
	if (run((const char *[]){ tool, "-V", NULL }) == -1 ||
	    run((const char *[]){ tool, "-V", NULL }) == 127) {
		printf("skipped: needs %s\n", tool);
		exit(77);
	}
}

#endif
