/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker: fork, and frames (common/worker-frames.h) over a socket pair.  The stop token's flag lies in a page that both see, its
 * descriptor is inherited.
 *
 * A fork without exec keeps what the parent prepared (options, keys, scripts)
 * without a second format for it.  In a parent with other threads it relies on
 * the C library, whose own locks are whole after a fork; the worker has a log
 * and a token of its own.
 *
 * One that does not end when it is told to is killed.  What it runs dies with it
 * (common/subprocess.h), and QEMU by libguestfs's own process for that.
 */
#include "common/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/worker-frames.h"

#define PATIENCE_S 15
/* So much more of it before it is confined: nothing foreign was read by then,
 * and a kill while libguestfs's appliance starts leaves a mount behind. */
#define STARTING 8

struct fy_worker {
	int socket;
	struct fy_log *log;
	struct fy_stop *stop;
};

/* --- the worker's side ------------------------------------------------------ */

static void
log_sink(void *ctx, enum fy_log_level level, const char *line)
{
	unsigned char number[4];
	size_t len = strlen(line);

	fy_put_le32(number, level);
	fy_frame_send(((struct fy_worker *)ctx)->socket, FY_FRAME_LOG, number,
		      4, line,
		      len < FY_FRAME_MAX_LINE ? len : FY_FRAME_MAX_LINE, NULL);
}

struct fy_log *
fy_worker_log(struct fy_worker *w)
{
	return w->log;
}

const struct fy_stop *
fy_worker_stop(const struct fy_worker *w)
{
	return w->stop;
}

/* Of this process, as its confinement is. */
static const struct fy_stop *own_stop;

const struct fy_stop *
fy_worker_own_stop(void)
{
	return own_stop;
}

int
fy_worker_leaves(struct fy_worker *w, const char *path, struct fy_error *err)
{
	return fy_frame_send(w->socket, FY_FRAME_LEAVES, path, strlen(path),
			     NULL, 0, err);
}

int
fy_worker_confined(struct fy_worker *w, struct fy_error *err)
{
	return fy_frame_send(w->socket, FY_FRAME_CONFINED, NULL, 0, NULL, 0,
			     err);
}

static int
compare_ints(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Close all but 'keep' (sorted here), from 3 on. */
static int
close_others(int *keep, size_t n)
{
	unsigned from = 3;
	size_t i;

	fy_sort(keep, n, sizeof(*keep), compare_ints);
	for (i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from &&
		    syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0))
			return -1;
		from = (unsigned)keep[i] + 1;
	}
	return (int)syscall(SYS_close_range, from, ~0U, 0);
}

/* Nothing of the parent's but what is kept: not even its standard input and
 * output, which may be a client's connection. */
static int
leave_parent(struct fy_worker *w, const struct fy_worker_options *o,
	     pid_t parent, struct fy_error *err)
{
	struct sigaction ign = { .sa_handler = SIG_IGN };
	fy_autofree int *keep = calloc(o->n_keep + 2, sizeof(*keep));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t i, n = 0;

	if (keep == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < o->n_keep; i++)
		if (o->keep[i] != -1)
			keep[n++] = o->keep[i];
	keep[n++] = w->socket;
	if (w->stop->fd != -1)
		keep[n++] = w->stop->fd;
	/* The parent is told, and tells. */
	sigaction(SIGINT, &ign, NULL);
	sigaction(SIGTERM, &ign, NULL);
	sigaction(SIGHUP, &ign, NULL);
	sigaction(SIGPIPE, &ign, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent ||
	    null == -1 || dup2(null, 0) == -1 || dup2(null, 1) == -1 ||
	    close_others(keep, n) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "a worker can't be set up");
	return 0;
}

static int
send_error(struct fy_worker *w, const struct fy_error *e)
{
	unsigned char numbers[8];

	fy_put_le32(numbers, e->code);
	fy_put_le32(numbers + 4, (uint32_t)e->sys_errno);
	return fy_frame_send(w->socket, FY_FRAME_ERROR, numbers, 8, e->msg,
			     strlen(e->msg), NULL);
}

static int
send_result(struct fy_worker *w, const json_t *result, struct fy_error *err)
{
	fy_autofree char *text = fy_json_text(result, 0, err);

	if (text == NULL)
		return -1;
	if (strlen(text) > FY_FRAME_MAX_RESULT)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "there is too much to tell");
	return fy_frame_send(w->socket, FY_FRAME_RESULT, text, strlen(text),
			     NULL, 0, err);
}

static void __attribute__((noreturn))
child_main(struct fy_worker *w, const struct fy_worker_options *o, pid_t parent)
{
	struct fy_error err = { 0 };
	json_t *result = NULL;
	int r = -1;

	own_stop = w->stop;
	if (leave_parent(w, o, parent, &err) == 0) {
		w->log = fy_log_new(FY_LOG_DEBUG, log_sink, w, &err);
		if (w->log != NULL)
			r = o->work(o->ctx, w, &result, &err);
	}
	if (r == 0)
		r = send_result(w, result, &err);
	if (r == -1)
		r = send_error(w, &err);
	_exit(r == 0 ? 0 : 1);
}

/* --- the parent's side -------------------------------------------------------- */

struct run {
	const struct fy_worker_options *o;
	struct fy_stop *stop; /* the worker's */
	int socket;
	int process;	     /* becomes readable when it ends */
	bool told_to_end;    /* (what the page says, the worker can write) */
	uint64_t limit_ms;   /* when it is killed; 0: it may go on */
	bool limit_confined; /* it was confined when that was set */
	struct fy_frames told;
};

static unsigned
patience(const struct run *r)
{
	return r->o->patience_s != 0 ? r->o->patience_s : PATIENCE_S;
}

static void
set_limit(struct run *r)
{
	r->limit_confined = r->told.confined;
	r->limit_ms =
		fy_clock_ms() + UINT64_C(1000) * patience(r) *
					(r->limit_confined ? 1 : STARTING);
}

/* Pass the stop on, and see whether the time is over that it has from then on. */
static int
check_stop(struct run *r, struct fy_error *err)
{
	if (fy_stop_is_raised(r->o->stop) && !r->told_to_end) {
		atomic_store(&r->stop->raised, true);
		r->told_to_end = true;
		set_limit(r);
	}
	if (r->limit_ms != 0 && r->told.confined && !r->limit_confined)
		set_limit(r);
	if (r->limit_ms == 0 || fy_clock_ms() < r->limit_ms)
		return 0;
	if (r->told_to_end)
		return fy_error_set(err, FY_E_CANCELLED, 0,
				    "%s: cancelled; its process did not end "
				    "within %u seconds and was killed",
				    r->o->what,
				    patience(r) *
					    (r->limit_confined ? 1 : STARTING));
	return fy_frames_broken(&r->told, "it does not end", err);
}

/* Until something is there to read (1), or will never be (0), whoever else may
 * hold the other end. */
static int
wait_for(struct run *r, struct fy_error *err)
{
	const struct fy_stop *stop = r->o->stop;

	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = r->socket, .events = POLLIN },
			{ .fd = r->process, .events = POLLIN },
			{ .fd = stop != NULL && !r->told_to_end ? stop->fd : -1,
			  .events = POLLIN },
		};
		/* A token without a descriptor is looked at now and then. */
		int n = poll(fds, 3, 500);

		if (n == -1 && errno != EINTR)
			return fy_error_set(err, FY_E_IO, errno, "poll");
		if (check_stop(r, err) == -1)
			return -1;
		if (n > 0 && fds[0].revents != 0)
			return 1;
		if (n > 0 && fds[1].revents != 0)
			return 0;
	}
}

/* 1: all of it, 0: the end comes before; the worker's status tells more. */
static int
receive(void *ctx, void *buf, size_t len, struct fy_error *err)
{
	struct run *r = ctx;
	size_t have = 0;
	ssize_t n;
	int there;

	while (have < len) {
		there = wait_for(r, err);
		if (there != 1)
			return there;
		n = read(r->socket, (char *)buf + have, len - have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		have += (size_t)n;
	}
	return 1;
}

/* What became of it, when its frames have been read. */
static int
judge(struct run *r, int status, struct fy_error *err)
{
	if (WIFSIGNALED(status))
		return fy_error_set(err, FY_E_CHILD, 0,
				    "%s: its process was ended by signal %d "
				    "(%s)",
				    r->o->what, WTERMSIG(status),
				    strsignal(WTERMSIG(status)));
	if (r->told.error.code != FY_E_NONE)
		return fy_error_copy(err, &r->told.error);
	if (r->told.result == NULL || WEXITSTATUS(status) != 0)
		return fy_frames_broken(&r->told, "it ended without a word",
					err);
	return 0;
}

static void
release(struct run *r)
{
	size_t i;

	for (i = 0; i < r->told.n_left; i++)
		fy_dir_remove_all_at(AT_FDCWD, r->told.left[i], NULL);
	fy_frames_release(&r->told);
}

/* It has said all, and so it ends: at once, if it behaves. */
static int
wait_for_end(struct run *r, pid_t pid, int *ret_status, struct fy_error *err)
{
	struct pollfd fd = { .fd = r->process, .events = POLLIN };
	pid_t ended;

	if (r->limit_ms == 0)
		set_limit(r);
	for (;;) {
		ended = waitpid(pid, ret_status, WNOHANG);
		if (ended == -1 && errno != EINTR)
			return fy_error_set(err, FY_E_CHILD, errno,
					    "cannot wait for a worker");
		if (ended == pid)
			return 0;
		if (check_stop(r, err) == -1)
			return -1;
		poll(&fd, 1, 500);
	}
}

/* Runs in the parent: 'pid' is the worker. */
static int
attend(struct run *r, pid_t pid, struct fy_error *err)
{
	fy_autofd int process = (int)syscall(SYS_pidfd_open, pid, 0);
	int status = 0;

	r->process = process;
	if (fy_frames_read(&r->told, err) == 0 &&
	    wait_for_end(r, pid, &status, err) == 0)
		return judge(r, status, err);
	/* It can't write to the disks: nothing is half done. */
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	return -1;
}

int
fy_worker_run(const struct fy_worker_options *o, json_t **ret,
	      struct fy_error *err)
{
	struct fy_stop *stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct run r = { .o = o,
			 .stop = stop,
			 .told = { .what = o->what,
				   .log = o->log,
				   .receive = receive,
				   .ctx = &r } };
	struct fy_worker w = { .stop = stop };
	pid_t parent = getpid(), pid;
	int pair[2], result;

	if (stop == MAP_FAILED)
		return fy_error_nomem(err);
	atomic_init(&stop->raised, fy_stop_is_raised(o->stop));
	stop->fd = o->stop != NULL ? o->stop->fd : -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		munmap(stop, sizeof(*stop));
		return fy_error_set(err, FY_E_IO, errno, "socketpair");
	}
	r.socket = pair[0];
	w.socket = pair[1];
	pid = fork();
	if (pid == 0)
		child_main(&w, o, parent);
	close(pair[1]);
	if (pid == -1)
		result = fy_error_set(err, FY_E_NOMEM, errno, "cannot fork");
	else
		result = attend(&r, pid, err);
	close(pair[0]);
	munmap(stop, sizeof(*stop));
	if (result == 0)
		*ret = fy_steal_ptr(&r.told.result);
	release(&r);
	return result;
}
