/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `p2v-client live`: the program on the consoles of the live system.
 *
 * The first screen must come fast, so nothing is looked at before the menu but
 * the configuration.  With p2v.action one of the instances does the job, and
 * the others show what it says; RUN/result tells that it was done already.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/json.h"
#include "common/subprocess.h"
#include "p2v-client/live.h"
#include "p2v-client/sysfs.h"

#define MAX_RESULT (1 << 20)

static const char *
place(const char *given, const char *otherwise)
{
	return given != NULL ? given : otherwise;
}

static void
log_line(void *ctx, enum fy_log_level level, const char *line)
{
	struct fy_live *l = ctx;

	/* While a screen is shown, messages are for the log alone. */
	if (l->console_fd >= 0)
		fy_live_say(l, "%s%s",
			    level == FY_LOG_ERROR  ? "error: "
			    : level == FY_LOG_WARN ? "warning: "
						   : "",
			    line);
}

static int
set_up(struct fy_live *l, struct fy_error *err)
{
	const struct fy_live_options *lo = &l->o->live;

	l->cmdline = place(lo->cmdline, "/proc/cmdline");
	l->medium = place(lo->medium, "/run/ironferry/medium");
	l->run = place(lo->run, "/run/ironferry");
	l->sysroot = lo->sysroot;
	if (mkdir(l->run, 0755) == -1 && errno != EEXIST)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make the directory '%s'", l->run);
	l->boot_line = fy_sys_text(NULL, "%s", l->cmdline);
	if (l->boot_line == NULL) {
		if (access(l->cmdline, R_OK) == -1)
			return fy_error_set(err, FY_E_NOTFOUND, errno,
					    "cannot read '%s'", l->cmdline);
		l->boot_line = strdup("");
	}
	if (l->boot_line == NULL)
		return fy_error_nomem(err);
	return 0;
}

/* Messages, once it is known how many are wanted. */
static int
open_log(struct fy_live *l, int *ret_fd, struct fy_error *err)
{
	const struct fy_client_options *o = l->o;

	l->log = fy_log_new(o->debug   ? FY_LOG_DEBUG
			    : o->quiet ? FY_LOG_WARN
				       : FY_LOG_INFO,
			    log_line, l, err);
	if (l->log == NULL)
		return -1;
	if (o->log == NULL)
		return 0;
	*ret_fd = open(o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (*ret_fd == -1)
		return fy_error_set(err, FY_E_USAGE, errno,
				    "cannot open the log '%s'", o->log);
	fy_log_also_fd(l->log, *ret_fd);
	return 0;
}

static void
load_keyboard(struct fy_live *l)
{
	const char *const argv[] = { "loadkeys", "--quiet", "--",
				     l->o->live.keyboard, NULL };
	struct fy_error why = { .code = FY_E_NONE };

	if (l->o->live.keyboard != NULL &&
	    fy_subprocess_run(argv, NULL, NULL, &why) == -1) {
		fy_error_prefix(&why, "p2v.keyboard");
		(void)fy_strings_add(&l->problems, why.msg, &why);
	}
}

static bool
was_done(const struct fy_live *l)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *path = fy_live_path(l, "result", &ignored);

	return path != NULL && access(path, F_OK) == 0;
}

/* The exit status in RUN/result. */
static int
past_status(const struct fy_live *l)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *path = fy_live_path(l, "result", &ignored);
	fy_autojson json_t *j = NULL;

	if (path != NULL)
		j = fy_json_read_at(AT_FDCWD, path, MAX_RESULT, &ignored);
	return j == NULL ? FY_EXIT_FAILED
			 : (int)fy_json_u64_or(j, "exit", FY_EXIT_FAILED);
}

/* Begin the job, or show the one that another instance does. */
static int
unattended(struct fy_live *l, int *ret_status, struct fy_error *err)
{
	enum fy_live_then then;
	int mine, r;

	for (;;) {
		if (was_done(l)) {
			*ret_status = past_status(l);
			return 0;
		}
		mine = fy_live_lock(l, err);
		if (mine == -1)
			return -1;
		if (mine == 1)
			break;
		if (fy_live_watch(l, err) == -1)
			return -1;
	}
	/* Another one may have finished in between. */
	if (was_done(l)) {
		fy_live_unlock(l);
		*ret_status = past_status(l);
		return 0;
	}
	r = l->problems.n > 0 ? fy_live_refuse(l, err) : fy_live_run(l, err);
	if (r >= 0) {
		bool good = r == FY_EXIT_DONE || r == FY_EXIT_RESCUED;

		*ret_status = r;
		then = (enum fy_live_then)(good ? l->o->live.then
						: l->o->live.then_failed);
		if (fy_live_power(l, then, err) == -1)
			r = -1;
	}
	fy_live_unlock(l);
	return r == -1 ? -1 : 0;
}

static void
say_problems(struct fy_live *l)
{
	size_t i;

	for (i = 0; i < l->problems.n; i++)
		fy_live_say(l, "%s", l->problems.items[i]);
}

static int
start_ssh(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;

	if (!l->o->live.ssh)
		return 0;
	if (fy_live_start_sshd(l, &text, &why) == -1) {
		fy_error_prefix(&why, "p2v.ssh");
		return fy_strings_add(&l->problems, why.msg, err);
	}
	fy_live_say(l, "%s", text);
	return 0;
}

/* Without a terminal there is no menu; what was unattended is done. */
static int
run(struct fy_live *l, int *log_fd, int *ret_status, struct fy_error *err)
{
	bool acts;

	if (set_up(l, err) == -1 || fy_live_configure(l, err) == -1 ||
	    open_log(l, log_fd, err) == -1)
		return -1;
	load_keyboard(l);
	if (start_ssh(l, err) == -1)
		return -1;
	acts = l->o->live.action != FY_LIVE_NONE;
	if (acts && unattended(l, ret_status, err) == -1)
		return -1;
	if (!isatty(0) || !isatty(1)) {
		if (acts)
			return 0;
		say_problems(l);
		*ret_status = FY_EXIT_USAGE;
		if (l->problems.n == 0)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "the menu needs a terminal");
		return 0;
	}
	return fy_live_menu(l, err);
}

int
fy_client_live(const struct fy_command *command, void *options,
	       const struct fy_strings *arguments)
{
	struct fy_live l = {
		.o = options, .lock_fd = -1, .console_fd = -1, .ui.gauge_fd = -1
	};
	struct fy_error err = { .code = FY_E_NONE };
	fy_autofd int log_fd = -1;
	int status = FY_EXIT_DONE;

	(void)command;
	(void)arguments;
	/* A console that hangs up must not end the job on the others. */
	if (run(&l, &log_fd, &status, &err) == -1) {
		fprintf(stderr, "p2v-client: %s\n", err.msg);
		status = fy_error_exit_status(err.code);
	}
	fy_live_unlock(&l);
	fy_log_free(l.log);
	fy_strings_release(&l.problems);
	free(l.boot_line);
	free(l.remembered);
	return status;
}
