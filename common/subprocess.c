/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Subprocesses by argument vector.  fork + exec with a close-on-exec pipe that
 * carries errno back when exec fails; PR_SET_PDEATHSIG makes the child die with
 * the thread that started it.  Descriptors other than 0, 1, 2 are close-on-exec
 * in all of our code, and closed here once more by close_range.
 */
#include "common/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"

extern char **environ;

void
fy_subprocess_result_release(struct fy_subprocess_result *r)
{
	free(r->out);
	r->out = NULL;
	r->out_len = 0;
}

/* --- the child's side: only async-signal-safe calls ---------------------- */

struct child_setup {
	const char *path;
	const char *const *argv;
	char **env;
	int fds[3];
	int listener;	  /* becomes 3; -1: none */
	char *listen_pid; /* where LISTEN_PID's ten digits go */
	int ruleset;	  /* Landlock's; -1: none */
	int report;	  /* write end of the exec-error pipe */
	pid_t parent;
};

static void
child_fail(int report)
{
	int e = errno;

	if (write(report, &e, sizeof(e)) == -1) {
		/* Nobody is left to tell. */
	}
	_exit(127);
}

/* Socket activation: the listener becomes 3, and we tell that it is ours. */
static int
child_listener(const struct child_setup *c)
{
	long pid = getpid();
	int i, fd;

	for (i = 9; i >= 0; i--, pid /= 10)
		c->listen_pid[i] = (char)('0' + pid % 10);
	fd = fcntl(c->listener, F_DUPFD_CLOEXEC, 10);
	return fd == -1 ? -1 : dup2(fd, 3);
}

static void
child_main(const struct child_setup *c)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int kept[3], report = c->report, i, sig;
	unsigned first = 3;
	sigset_t none;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != c->parent)
		child_fail(report);
	for (sig = 1; sig < 32; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Move all sources out of the way of 0 to 2 first. */
	report = fcntl(report, F_DUPFD_CLOEXEC, 10);
	if (report == -1)
		_exit(127);
	for (i = 0; i < 3; i++) {
		kept[i] = fcntl(c->fds[i], F_DUPFD_CLOEXEC, 10);
		if (kept[i] == -1)
			child_fail(report);
	}
	if (c->listener != -1) {
		if (child_listener(c) == -1)
			child_fail(report);
		first = 4;
	}
	for (i = 0; i < 3; i++)
		if (dup2(kept[i], i) == -1)
			child_fail(report);
	if (c->ruleset != -1 &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	     syscall(SYS_landlock_restrict_self, c->ruleset, 0) == -1))
		child_fail(report);
	syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(c->path, (char *const *)(uintptr_t)c->argv, c->env);
	child_fail(report);
}

/* --- the parent's side ---------------------------------------------------- */

int
fy_subprocess_find(const char *name, char *ret, size_t ret_size)
{
	const char *path = getenv("PATH"), *end;
	/* What administration needs is often not in a user's PATH. */
	static const char extra[] = ":/usr/sbin:/sbin:/usr/bin:/bin";
	fy_autofree char *all = NULL;

	if (strchr(name, '/') != NULL) {
		snprintf(ret, ret_size, "%s", name);
		return access(ret, X_OK);
	}
	if (asprintf(&all, "%s%s", path != NULL ? path : "", extra) == -1) {
		all = NULL;
		return -1;
	}
	for (path = all; *path != '\0'; path = *end == ':' ? end + 1 : end) {
		end = strchrnul(path, ':');
		if (end == path)
			continue;
		snprintf(ret, ret_size, "%.*s/%s", (int)(end - path), path,
			 name);
		if (access(ret, X_OK) == 0)
			return 0;
	}
	return -1;
}

/* The environment for a child: ours, LC_ALL=C, and 'more'.  Only the array is
 * allocated. */
static char **
make_environment(const char *const *more)
{
	static char locale[] = "LC_ALL=C";
	size_t n = 0, m = 0, i;
	char **env;

	while (environ != NULL && environ[n] != NULL)
		n++;
	while (more != NULL && more[m] != NULL)
		m++;
	env = calloc(n + m + 2, sizeof(*env));
	if (env == NULL)
		return NULL;
	m = 0;
	for (i = 0; i < n; i++)
		if (strncmp(environ[i], "LC_ALL=", 7) != 0)
			env[m++] = environ[i];
	env[m++] = locale;
	for (i = 0; more != NULL && more[i] != NULL; i++)
		env[m++] = (char *)(uintptr_t)more[i];
	return env;
}

static int
start(const char *const *argv, const char *const *more_env,
      struct child_setup *c, pid_t *ret, struct fy_error *err)
{
	fy_autofree char **env = NULL;
	int report[2], e = 0;
	char path[1024];
	ssize_t n;
	pid_t pid;

	if (fy_subprocess_find(argv[0], path, sizeof(path)) == -1)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the program '%s' is not installed",
				    argv[0]);
	env = make_environment(more_env);
	if (env == NULL)
		return fy_error_nomem(err);
	if (pipe2(report, O_CLOEXEC) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot make a pipe");
	c->argv = argv;
	c->parent = getpid();
	c->path = path;
	c->env = env;
	c->report = report[1];
	pid = fork();
	if (pid == 0)
		child_main(c);
	close(report[1]);
	if (pid == -1) {
		close(report[0]);
		return fy_error_set(err, FY_E_NOMEM, errno, "cannot fork");
	}
	do
		n = read(report[0], &e, sizeof(e));
	while (n == -1 && errno == EINTR);
	close(report[0]);
	if (n == sizeof(e)) {
		waitpid(pid, NULL, 0);
		return fy_error_set(err, FY_E_CHILD, e, "cannot run '%s'",
				    path);
	}
	*ret = pid;
	return 0;
}

static int
start_long(const char *const *argv, const char *const *more_env,
	   struct child_setup *c, struct fy_subprocess *ret,
	   struct fy_error *err)
{
	fy_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int *fds = c->fds;

	if (null == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot open /dev/null");
	if (fds[0] == -1)
		fds[0] = null;
	if (fds[1] == -1)
		fds[1] = null;
	if (fds[2] == -1)
		fds[2] = STDERR_FILENO;
	return start(argv, more_env, c, &ret->pid, err);
}

int
fy_subprocess_start(const char *const *argv, int in, int out, int errfd,
		    struct fy_subprocess *ret, struct fy_error *err)
{
	struct child_setup c = { .fds = { in, out, errfd },
				 .listener = -1,
				 .ruleset = -1 };

	return start_long(argv, NULL, &c, ret, err);
}

int
fy_subprocess_start_listening(const char *const *argv, int listener, int errfd,
			      int ruleset, struct fy_subprocess *ret,
			      struct fy_error *err)
{
	/* The child writes its own number over the zeros. */
	char listen_pid[] = "LISTEN_PID=0000000000";
	const char *env[] = { "LISTEN_FDS=1", listen_pid, NULL };

	struct child_setup c = { .fds = { -1, -1, errfd },
				 .listener = listener,
				 .listen_pid =
					 listen_pid + strlen("LISTEN_PID="),
				 .ruleset = ruleset };

	return start_long(argv, env, &c, ret, err);
}

static int
status_error(const char *name, int status, uint64_t accept, const char *tail,
	     struct fy_error *err)
{
	const char *colon = tail != NULL && tail[0] != '\0' ? ": " : "";

	if (tail == NULL)
		tail = "";
	if (WIFSIGNALED(status))
		return fy_error_set(err, FY_E_CHILD, 0,
				    "%s was ended by signal %d%s%s", name,
				    WTERMSIG(status), colon, tail);
	status = WEXITSTATUS(status);
	if (status == 0 || (status < 64 && (accept >> status & 1) != 0))
		return 0;
	return fy_error_set(err, FY_E_CHILD, 0, "%s failed with status %d%s%s",
			    name, status, colon, tail);
}

static int
wait_for(pid_t pid, int *ret_status, struct fy_error *err)
{
	pid_t r;

	do
		r = waitpid(pid, ret_status, 0);
	while (r == -1 && errno == EINTR);
	if (r == -1)
		return fy_error_set(err, FY_E_CHILD, errno,
				    "cannot wait for a child");
	return 0;
}

int
fy_subprocess_wait(struct fy_subprocess *p, struct fy_error *err)
{
	int status;

	if (p->pid == 0)
		return 0;
	if (wait_for(p->pid, &status, err) == -1)
		return -1;
	p->pid = 0;
	return status_error("a child", status, 0, NULL, err);
}

void
fy_subprocess_kill(struct fy_subprocess *p)
{
	struct timespec pause = { .tv_nsec = 20 * 1000000L };
	int i;

	if (p->pid == 0)
		return;
	kill(p->pid, SIGTERM);
	for (i = 0; i < 250; i++) {
		if (waitpid(p->pid, NULL, WNOHANG) != 0) {
			p->pid = 0;
			return;
		}
		nanosleep(&pause, NULL);
	}
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

/* --- run to the end -------------------------------------------------------- */

struct pump {
	const struct fy_subprocess_options *options;
	struct fy_subprocess_result *result;
	int in, out, errfd; /* our ends; -1 when done */
	size_t fed;
	struct timespec deadline;
};

static int
pump_feed(struct pump *p)
{
	ssize_t n;

	n = write(p->in, p->options->stdin_data + p->fed,
		  p->options->stdin_len - p->fed);
	if (n > 0)
		p->fed += (size_t)n;
	if (p->fed == p->options->stdin_len ||
	    (n == -1 && errno != EAGAIN && errno != EINTR)) {
		/* A child that doesn't read to the end is its own affair: its
		 * status tells. */
		close(p->in);
		p->in = -1;
	}
	return 0;
}

static int
pump_out(struct pump *p, struct fy_error *err)
{
	struct fy_subprocess_result *r = p->result;
	char buf[4096];
	char *grown;
	ssize_t n;

	n = read(p->out, buf, sizeof(buf));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		close(p->out);
		p->out = -1;
		return 0;
	}
	if (r->out_len + (size_t)n > p->options->capture_max)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "it printed more than %zu bytes",
				    p->options->capture_max);
	grown = realloc(r->out, r->out_len + (size_t)n + 1);
	if (grown == NULL)
		return fy_error_nomem(err);
	memcpy(grown + r->out_len, buf, (size_t)n);
	r->out = grown;
	r->out_len += (size_t)n;
	r->out[r->out_len] = '\0';
	return 0;
}

static void
pump_err(struct pump *p)
{
	char *tail = p->result->err_tail;
	size_t room = sizeof(p->result->err_tail) - 1, have = strlen(tail);
	char buf[512];
	ssize_t n;
	size_t i;

	n = read(p->errfd, buf, sizeof(buf));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(p->errfd);
		p->errfd = -1;
		return;
	}
	for (i = 0; i < (size_t)n; i++)
		if (buf[i] == '\0')
			buf[i] = '?';
	if (have + (size_t)n > room) {
		size_t drop = have + (size_t)n - room;

		memmove(tail, tail + drop, have - drop + 1);
		have -= drop;
	}
	memcpy(tail + have, buf, (size_t)n);
	tail[have + (size_t)n] = '\0';
}

/* Milliseconds left, -1 for no limit. */
static int
pump_left(const struct pump *p)
{
	struct timespec now;
	long long ms;

	if (p->options->timeout_s == 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (long long)(p->deadline.tv_sec - now.tv_sec) * 1000 +
	     (p->deadline.tv_nsec - now.tv_nsec) / 1000000;
	return ms < 0 ? 0 : (int)(ms > 100000 ? 100000 : ms);
}

static int
pump_run(struct pump *p, struct fy_error *err)
{
	const struct fy_stop *stop = p->options->stop;
	int left, r;

	while (p->out != -1 || p->errfd != -1) {
		struct pollfd fds[4] = {
			{ .fd = p->in, .events = POLLOUT },
			{ .fd = p->out, .events = POLLIN },
			{ .fd = p->errfd, .events = POLLIN },
			{ .fd = stop != NULL ? stop->fd : -1,
			  .events = POLLIN },
		};

		if (fy_stop_check(stop, err) == -1)
			return -1;
		left = pump_left(p);
		if (left == 0)
			return fy_error_set(err, FY_E_CHILD, 0,
					    "it took longer than %u seconds",
					    p->options->timeout_s);
		r = poll(fds, 4, left);
		if (r == -1 && errno != EINTR)
			return fy_error_set(err, FY_E_IO, errno, "poll");
		if (r <= 0)
			continue;
		if (fds[0].revents != 0)
			pump_feed(p);
		if (fds[1].revents != 0 && pump_out(p, err) == -1)
			return -1;
		if (fds[2].revents != 0)
			pump_err(p);
	}
	return 0;
}

static void
trim_tail(char *tail)
{
	size_t n = strlen(tail);

	while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
		tail[--n] = '\0';
}

/* Make the pipes and start the child; 'p' gets our ends. */
static int
run_start(const char *const *argv, struct pump *p, pid_t *pid,
	  struct fy_error *err)
{
	const struct fy_subprocess_options *o = p->options;
	fy_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errp[2] = { -1, -1 };
	struct child_setup c = { .listener = -1, .ruleset = -1 };
	int r = -1;

	if (null == -1 || pipe2(errp, O_CLOEXEC) == -1 ||
	    (o->stdin_data != NULL && pipe2(in, O_CLOEXEC) == -1) ||
	    (o->capture_max > 0 && pipe2(out, O_CLOEXEC) == -1)) {
		fy_error_set(err, FY_E_IO, errno, "cannot make a pipe");
	} else {
		c.fds[0] = in[0] != -1 ? in[0] : null;
		c.fds[1] = out[1] != -1 ? out[1] : null;
		c.fds[2] = errp[1];
		r = start(argv, o->env, &c, pid, err);
	}
	if (in[0] != -1)
		close(in[0]);
	if (out[1] != -1)
		close(out[1]);
	if (errp[1] != -1)
		close(errp[1]);
	p->in = in[1];
	p->out = out[0];
	p->errfd = errp[0];
	if (p->in != -1)
		fcntl(p->in, F_SETFL, O_NONBLOCK);
	return r;
}

int
fy_subprocess_run(const char *const *argv,
		  const struct fy_subprocess_options *options,
		  struct fy_subprocess_result *ret, struct fy_error *err)
{
	static const struct fy_subprocess_options none = { 0 };
	struct fy_subprocess_result result = { 0 };
	struct pump p = { .result = &result };
	struct sigaction ign = { .sa_handler = SIG_IGN }, old;
	int status = 0, r;
	pid_t pid = 0;

	p.options = options != NULL ? options : &none;
	clock_gettime(CLOCK_MONOTONIC, &p.deadline);
	p.deadline.tv_sec += p.options->timeout_s;
	/* A child that closes its input early must not end us. */
	sigaction(SIGPIPE, &ign, &old);
	r = run_start(argv, &p, &pid, err);
	if (r == 0)
		r = pump_run(&p, err);
	if (p.in != -1)
		close(p.in);
	if (p.out != -1)
		close(p.out);
	if (p.errfd != -1)
		close(p.errfd);
	if (pid != 0) {
		struct fy_subprocess child = { .pid = pid };

		if (r == -1)
			fy_subprocess_kill(&child);
		else
			r = wait_for(pid, &status, err);
	}
	sigaction(SIGPIPE, &old, NULL);
	trim_tail(result.err_tail);
	if (r == 0)
		r = status_error(argv[0], status, p.options->accept,
				 result.err_tail, err);
	else if (pid != 0)
		fy_error_prefix(err, "%s", argv[0]);
	result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (ret != NULL)
		*ret = result;
	else
		fy_subprocess_result_release(&result);
	return r;
}
