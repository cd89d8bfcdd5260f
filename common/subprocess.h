/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SUBPROCESS_H
#define FY_SUBPROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/stop.h"

/*
 * Programs by argument vector, never through a shell.  A child gets only the
 * descriptors that are named here, dies with us (PR_SET_PDEATHSIG SIGKILL),
 * has default signal handlers and LC_ALL=C.
 */
struct fy_subprocess_options {
	const char *stdin_data; /* NULL: /dev/null */
	size_t stdin_len;
	size_t capture_max;	/* bytes of stdout kept; more is FY_E_FORMAT;
				   0: stdout goes to /dev/null */
	unsigned timeout_s;	/* 0: none; then killed and FY_E_CHILD */
	const char *const *env; /* NAME=VALUE added; NULL-terminated or NULL */
	const struct fy_stop *stop;
	/* Exit statuses besides 0 that are no error: bit N for status N. */
	uint64_t accept;
};

struct fy_subprocess_result {
	int status; /* exit status */
	char *out;  /* stdout, NUL-terminated; malloc'd or NULL */
	size_t out_len;
	char err_tail[1024]; /* the end of stderr */
};
void fy_subprocess_result_release(struct fy_subprocess_result *r);

/*
 * Run to the end.  'argv' is NULL-terminated; argv[0] is looked for in PATH.
 * A missing program is FY_E_NOTFOUND (and names it), a status that isn't
 * accepted or a signal FY_E_CHILD with stderr's end in the message.
 * 'ret' may be NULL.  'options' may be NULL.
 */
int fy_subprocess_run(const char *const *argv,
		      const struct fy_subprocess_options *options,
		      struct fy_subprocess_result *ret, struct fy_error *err);

/* Long-lived children; they die when the thread that started them ends.  fds
 * are what the child gets as 0, 1 and 2 (-1:
 * /dev/null for 0 and 1, inherited for 2); borrowed. */
struct fy_subprocess {
	pid_t pid; /* 0: none */
};
int fy_subprocess_start(const char *const *argv, int in, int out, int errfd,
			struct fy_subprocess *ret, struct fy_error *err);
/* The same with socket activation (LISTEN_FDS, LISTEN_PID): the child gets the
 * listening socket (borrowed) as 3.  'ruleset': of fy_confine_ruleset
 * (borrowed), for the child alone; -1: none. */
int fy_subprocess_start_listening(const char *const *argv, int listener,
				  int errfd, int ruleset,
				  struct fy_subprocess *ret,
				  struct fy_error *err);
/* Wait; a bad status is FY_E_CHILD. */
int fy_subprocess_wait(struct fy_subprocess *p, struct fy_error *err);
/* SIGTERM, 5 s, SIGKILL, reaped.  Nothing when there is none. */
void fy_subprocess_kill(struct fy_subprocess *p);

/* Whether a program of that name is in PATH. */
int fy_subprocess_find(const char *name, char *ret, size_t ret_size);

#endif
