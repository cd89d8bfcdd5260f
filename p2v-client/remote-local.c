/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local link: `v2v-server serve` as a child, three pipes.  The program is
 * looked for beside this one, so that a build tree and any prefix work as they
 * are, then in PATH.  On closing, the child sees the end of its input and gets
 * CLOSE_MS to put its things in order before it is told to end.
 */
#include "p2v-client/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/subprocess.h"

#define PIPE_BYTES (1 << 20)
#define CLOSE_MS   5000

struct local {
	struct fy_subprocess child;
	int in, out, err; /* our ends: its stdin, stdout, stderr */
	int status;	  /* -1: not known */
};

static int
local_poll_fds(void *handle, bool want_write,
	       struct pollfd fds[FY_REMOTE_POLLFDS])
{
	struct local *l = handle;

	/* A negative descriptor is one that poll() leaves out. */
	fds[0] = (struct pollfd){ .fd = l->out, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = l->err, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = want_write ? l->in : -1,
				  .events = POLLOUT };
	return 3;
}

/* Read; at the end the descriptor is closed. */
static ssize_t
read_pipe(int *fd, void *buf, size_t len, struct fy_error *err)
{
	ssize_t r;

	if (*fd == -1)
		return FY_REMOTE_EOF;
	do
		r = read(*fd, buf, len);
	while (r == -1 && errno == EINTR);
	if (r > 0)
		return r;
	if (r == -1 && errno == EAGAIN)
		return 0;
	if (r == -1)
		return fy_error_set(err, FY_E_CONNECTION, errno,
				    "cannot read from the local v2v-server");
	close(*fd);
	*fd = -1;
	return FY_REMOTE_EOF;
}

static ssize_t
local_read(void *handle, void *buf, size_t len, struct fy_error *err)
{
	struct local *l = handle;

	return read_pipe(&l->out, buf, len, err);
}

static ssize_t
local_read_stderr(void *handle, void *buf, size_t len, struct fy_error *err)
{
	struct local *l = handle;

	return read_pipe(&l->err, buf, len, err);
}

static ssize_t
local_write(void *handle, const void *buf, size_t len, struct fy_error *err)
{
	struct local *l = handle;
	ssize_t r;

	do
		r = write(l->in, buf, len);
	while (r == -1 && errno == EINTR);
	if (r >= 0)
		return r;
	if (errno == EAGAIN)
		return 0;
	return fy_error_set(err, FY_E_CONNECTION, errno,
			    "cannot write to the local v2v-server");
}

/* Wait at most 'ms' for the child's end, and reap it. */
static void
reap(struct local *l, int ms)
{
	fy_autofd int pidfd = -1;
	struct pollfd p;
	int status;

	if (l->child.pid == 0)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, l->child.pid, 0);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (pidfd >= 0 && poll(&p, 1, ms) != 1)
		return;
	if (waitpid(l->child.pid, &status, WNOHANG) != l->child.pid)
		return;
	l->child.pid = 0;
	l->status = WIFEXITED(status) ? WEXITSTATUS(status)
				      : 128 + WTERMSIG(status);
}

static int
local_exit_status(void *handle)
{
	struct local *l = handle;

	reap(l, 500);
	return l->status;
}

static void
local_close(void *handle)
{
	struct local *l = handle;

	if (l->in >= 0)
		close(l->in);
	if (l->out >= 0)
		close(l->out);
	reap(l, CLOSE_MS);
	fy_subprocess_kill(&l->child);
	if (l->err >= 0)
		close(l->err);
	free(l);
}

static const struct fy_remote_ops local_ops = {
	.poll_fds = local_poll_fds,
	.read = local_read,
	.read_stderr = local_read_stderr,
	.write = local_write,
	.exit_status = local_exit_status,
	.close = local_close,
};

/* The server's program: beside ours, or in PATH. */
static int
find_server(char *ret, size_t ret_size, struct fy_error *err)
{
	ssize_t n = readlink("/proc/self/exe", ret, ret_size - 1);
	char *slash;

	if (n > 0) {
		ret[n] = '\0';
		slash = strrchr(ret, '/');
		if (slash != NULL &&
		    (size_t)(slash - ret) + sizeof("/v2v-server") < ret_size) {
			memcpy(slash, "/v2v-server", sizeof("/v2v-server"));
			if (access(ret, X_OK) == 0)
				return 0;
		}
	}
	if (fy_subprocess_find("v2v-server", ret, ret_size) == 0)
		return 0;
	return fy_error_set(err, FY_E_NOTFOUND, 0,
			    "v2v-server is neither beside p2v-client nor in "
			    "PATH; --server local needs it on this machine");
}

static int
make_pipe(int *ret_read, int *ret_write, struct fy_error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int
set_nonblocking(int fd, struct fy_error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make a pipe non-blocking");
	return 0;
}

static int
start(struct local *l, struct fy_error *err)
{
	fy_autofd int in = -1, out = -1, errfd = -1;
	char path[PATH_MAX];
	const char *const argv[] = { path, "serve", NULL };

	if (find_server(path, sizeof(path), err) == -1 ||
	    make_pipe(&in, &l->in, err) == -1 ||
	    make_pipe(&l->out, &out, err) == -1 ||
	    make_pipe(&l->err, &errfd, err) == -1 ||
	    set_nonblocking(l->in, err) == -1 ||
	    set_nonblocking(l->out, err) == -1 ||
	    set_nonblocking(l->err, err) == -1)
		return -1;
	/* A larger pipe means fewer turns; the default works as well. */
	(void)fcntl(l->in, F_SETPIPE_SZ, PIPE_BYTES);
	return fy_subprocess_start(argv, in, out, errfd, &l->child, err);
}

int
fy_remote_open_local(const struct fy_server_options *options,
		     struct fy_remote *ret, struct fy_error *err)
{
	struct local *l = calloc(1, sizeof(*l));

	(void)options;
	if (l == NULL)
		return fy_error_nomem(err);
	l->in = l->out = l->err = l->status = -1;
	if (start(l, err) == -1) {
		local_close(l);
		return -1;
	}
	ret->ops = &local_ops;
	ret->handle = l;
	return 0;
}

int
fy_remote_open(const struct fy_server_options *options, struct fy_remote *ret,
	       struct fy_error *err)
{
	if (strcmp(options->server, "local") == 0)
		return fy_remote_open_local(options, ret, err);
	return fy_remote_open_ssh(options, ret, err);
}
