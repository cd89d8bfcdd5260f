/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker: fork, and frames of a head (type, length) and a payload over a
 * socket pair.  The stop token's flag lies in a page that both see, its
 * descriptor is inherited.
 *
 * A fork without exec keeps what the parent prepared (options, keys, scripts)
 * without a second format for it.  In a parent with other threads it relies on
 * the C library, whose own locks are whole after a fork; the worker has a log
 * and a token of its own.
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
#include "common/file.h"

#define HEAD	   8u
#define MAX_LINE   4096u
#define MAX_LINES  100000u
#define MAX_RESULT (64u << 20)
#define MAX_LEFT   8u

enum frame {
	FRAME_LOG = 1,	/* level (4 bytes), line */
	FRAME_LEAVES,	/* path */
	FRAME_CONFINED, /* - */
	FRAME_RESULT,	/* JSON text */
	FRAME_ERROR,	/* code, errno (4 bytes each), message */
};

static const uint32_t most[] = {
	[FRAME_LOG] = 4 + MAX_LINE,
	[FRAME_LEAVES] = 1024,
	[FRAME_RESULT] = MAX_RESULT,
	[FRAME_ERROR] = 8 + sizeof(((struct fy_error *)0)->msg) - 1,
};

struct fy_worker {
	int socket;
	struct fy_log *log;
	struct fy_stop *stop;
};

/* --- the worker's side ------------------------------------------------------ */

static int
send_frame(struct fy_worker *w, enum frame type, const void *a, size_t a_len,
	   const void *b, size_t b_len, struct fy_error *err)
{
	unsigned char head[HEAD];

	fy_put_le32(head, type);
	fy_put_le32(head + 4, (uint32_t)(a_len + b_len));
	if (fy_fd_write_full(w->socket, head, HEAD, err) == -1 ||
	    fy_fd_write_full(w->socket, a, a_len, err) == -1 ||
	    fy_fd_write_full(w->socket, b, b_len, err) == -1)
		return -1;
	return 0;
}

static void
log_sink(void *ctx, enum fy_log_level level, const char *line)
{
	unsigned char number[4];
	size_t len = strlen(line);

	fy_put_le32(number, level);
	send_frame(ctx, FRAME_LOG, number, 4, line,
		   len < MAX_LINE ? len : MAX_LINE, NULL);
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

int
fy_worker_leaves(struct fy_worker *w, const char *path, struct fy_error *err)
{
	return send_frame(w, FRAME_LEAVES, path, strlen(path), NULL, 0, err);
}

int
fy_worker_confined(struct fy_worker *w, struct fy_error *err)
{
	return send_frame(w, FRAME_CONFINED, NULL, 0, NULL, 0, err);
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
	return send_frame(w, FRAME_ERROR, numbers, 8, e->msg, strlen(e->msg),
			  NULL);
}

static int
send_result(struct fy_worker *w, const json_t *result, struct fy_error *err)
{
	fy_autofree char *text = fy_json_text(result, 0, err);

	if (text == NULL)
		return -1;
	if (strlen(text) > MAX_RESULT)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "there is too much to tell");
	return send_frame(w, FRAME_RESULT, text, strlen(text), NULL, 0, err);
}

static void __attribute__((noreturn))
child_main(struct fy_worker *w, const struct fy_worker_options *o, pid_t parent)
{
	struct fy_error err = { 0 };
	json_t *result = NULL;
	int r = -1;

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
	int process; /* becomes readable when it ends */
	bool confined;
	unsigned n_lines;
	char *left[MAX_LEFT];
	size_t n_left;
	json_t *result;
	struct fy_error error; /* the worker's */
};

static int
broken(const struct run *r, const char *how, struct fy_error *err)
{
	return fy_error_set(err, FY_E_CHILD, 0,
			    "%s: its process does not behave (%s)", r->o->what,
			    how);
}

/* Until something is there to read (1), or will never be (0), whoever else may
 * hold the other end; passes the stop on. */
static int
wait_for(struct run *r, struct fy_error *err)
{
	const struct fy_stop *stop = r->o->stop;
	bool told = false;

	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = r->socket, .events = POLLIN },
			{ .fd = r->process, .events = POLLIN },
			{ .fd = stop != NULL && !told ? stop->fd : -1,
			  .events = POLLIN },
		};
		/* A token without a descriptor is looked at now and then. */
		int n = poll(fds, 3, 500);

		if (n == -1 && errno != EINTR)
			return fy_error_set(err, FY_E_IO, errno, "poll");
		if (!told && fy_stop_is_raised(stop)) {
			atomic_store(&r->stop->raised, true);
			told = true;
		}
		if (n > 0 && fds[0].revents != 0)
			return 1;
		if (n > 0 && fds[1].revents != 0)
			return 0;
	}
}

/* 1: all of it, 0: the end comes before; the worker's status tells more. */
static int
receive(struct run *r, void *buf, size_t len, struct fy_error *err)
{
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

static int
take_log(struct run *r, const char *data, size_t len, struct fy_error *err)
{
	int n = (int)(len - 4);

	if (len < 4 || memchr(data + 4, '\0', len - 4) != NULL)
		return broken(r, "a line that is none", err);
	if (r->n_lines++ == MAX_LINES)
		return broken(r, "it talks too much", err);
	switch (fy_get_le32(data)) {
	case FY_LOG_ERROR:
		fy_log_error(r->o->log, "%.*s", n, data + 4);
		break;
	case FY_LOG_WARN:
		fy_log_warn(r->o->log, "%.*s", n, data + 4);
		break;
	case FY_LOG_INFO:
		fy_log_info(r->o->log, "%.*s", n, data + 4);
		break;
	default:
		fy_log_debug(r->o->log, "%.*s", n, data + 4);
	}
	return 0;
}

static int
take_error(struct run *r, const char *data, size_t len, struct fy_error *err)
{
	uint32_t code = len < 8 ? 0 : fy_get_le32(data);

	if (code == FY_E_NONE || code >= FY_E_CODES ||
	    memchr(data + 8, '\0', len - 8) != NULL)
		return broken(r, "an error that is none", err);
	fy_error_clear(&r->error);
	r->error.code = (enum fy_error_code)code;
	r->error.sys_errno = (int)fy_get_le32(data + 4);
	memcpy(r->error.msg, data + 8, len - 8);
	r->error.msg[len - 8] = '\0';
	return 0;
}

static int
take_frame(struct run *r, uint32_t type, const char *data, size_t len,
	   struct fy_error *err)
{
	switch (type) {
	case FRAME_LOG:
		return take_log(r, data, len, err);
	case FRAME_LEAVES:
		if (r->confined || r->n_left == MAX_LEFT || data[0] != '/' ||
		    strlen(data) != len)
			return broken(r, "it leaves something behind", err);
		r->left[r->n_left] = strdup(data);
		if (r->left[r->n_left] == NULL)
			return fy_error_nomem(err);
		r->n_left++;
		return 0;
	case FRAME_CONFINED:
		r->confined = true;
		return 0;
	case FRAME_RESULT:
		if (r->result != NULL)
			return broken(r, "two results", err);
		r->result = fy_json_parse(data, len, r->o->what, err);
		return r->result == NULL ? -1 : 0;
	default:
		return take_error(r, data, len, err);
	}
}

/* All frames, to the end of the stream. */
static int
read_frames(struct run *r, struct fy_error *err)
{
	unsigned char head[HEAD];
	uint32_t type, len;
	int n;

	while ((n = receive(r, head, HEAD, err)) == 1) {
		fy_autofree char *data = NULL;

		type = fy_get_le32(head);
		len = fy_get_le32(head + 4);
		if (type == 0 || type >= sizeof(most) / sizeof(*most) ||
		    len > most[type])
			return broken(r, "frames that are none", err);
		data = malloc((size_t)len + 1);
		if (data == NULL)
			return fy_error_nomem(err);
		n = len == 0 ? 1 : receive(r, data, len, err);
		if (n != 1)
			break;
		data[len] = '\0';
		if (take_frame(r, type, data, len, err) == -1)
			return -1;
	}
	return n;
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
	if (r->error.code != FY_E_NONE)
		return fy_error_set(err, r->error.code, 0, "%s", r->error.msg);
	if (r->result == NULL || WEXITSTATUS(status) != 0)
		return broken(r, "it ended without a word", err);
	return 0;
}

static void
release(struct run *r)
{
	size_t i;

	for (i = 0; i < r->n_left; i++) {
		fy_dir_remove_all_at(AT_FDCWD, r->left[i], NULL);
		free(r->left[i]);
	}
	json_decref(r->result);
}

/* Runs in the parent: 'pid' is the worker. */
static int
attend(struct run *r, pid_t pid, struct fy_error *err)
{
	fy_autofd int process = (int)syscall(SYS_pidfd_open, pid, 0);
	int status = 0, result;

	r->process = process;
	result = read_frames(r, err);
	if (result == -1)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return fy_error_set(err, FY_E_CHILD, errno,
					    "cannot wait for a worker");
	return result == -1 ? -1 : judge(r, status, err);
}

int
fy_worker_run(const struct fy_worker_options *o, json_t **ret,
	      struct fy_error *err)
{
	struct fy_stop *stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct run r = { .o = o, .stop = stop };
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
		*ret = fy_steal_ptr(&r.result);
	release(&r);
	return result;
}
