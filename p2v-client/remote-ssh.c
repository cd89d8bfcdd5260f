/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SSH link: a channel that runs exactly "v2v-server serve".
 *
 * libssh's own window and output buffer bound what is under way: a write takes
 * at most what the channel's window allows (OpenSSH gives 2 MiB).  After each
 * write libssh waits for POLLOUT before it writes to the socket again; polling
 * the channel lets it look.
 */
#include "p2v-client/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "p2v-client/ssh.h"

#define COMMAND	  "v2v-server serve"
#define OPEN_MS	  60000u
#define STATUS_MS 500u
#define FLUSH_MS  500

static int
ssh_poll_fds(void *handle, bool want_write,
	     struct pollfd fds[FY_REMOTE_POLLFDS])
{
	struct fy_ssh *s = handle;

	fds[0] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
	if ((ssh_get_poll_flags(s->session) & SSH_WRITE_PENDING) != 0 ||
	    (want_write && ssh_channel_window_size(s->channel) > 0))
		fds[0].events |= POLLOUT;
	return 1;
}

static int
lost(struct fy_ssh *s, struct fy_error *err)
{
	const char *why = ssh_get_error(s->session);

	return fy_error_set(err, FY_E_CONNECTION, 0,
			    "the connection to the server is lost%s%s",
			    why[0] != '\0' ? ": " : "", why);
}

static ssize_t
read_channel(struct fy_ssh *s, void *buf, size_t len, int is_stderr,
	     struct fy_error *err)
{
	int r = ssh_channel_read_nonblocking(s->channel, buf, (uint32_t)len,
					     is_stderr);

	if (r > 0)
		return r;
	if (r == SSH_EOF || (r == 0 && ssh_channel_is_eof(s->channel)))
		return FY_REMOTE_EOF;
	if (r == 0 || r == SSH_AGAIN) {
		if (!ssh_is_connected(s->session) ||
		    ssh_channel_is_closed(s->channel))
			return lost(s, err);
		return 0;
	}
	return lost(s, err);
}

static ssize_t
ssh_read(void *handle, void *buf, size_t len, struct fy_error *err)
{
	return read_channel(handle, buf, len, 0, err);
}

static ssize_t
ssh_read_stderr(void *handle, void *buf, size_t len, struct fy_error *err)
{
	return read_channel(handle, buf, len, 1, err);
}

static ssize_t
ssh_write(void *handle, const void *buf, size_t len, struct fy_error *err)
{
	struct fy_ssh *s = handle;
	int r;

	if ((ssh_get_poll_flags(s->session) & SSH_WRITE_PENDING) != 0) {
		(void)ssh_channel_poll(s->channel, 1);
		if ((ssh_get_poll_flags(s->session) & SSH_WRITE_PENDING) != 0)
			return 0;
	}
	if (ssh_channel_window_size(s->channel) == 0)
		return 0;
	r = ssh_channel_write(s->channel, buf, (uint32_t)len);
	if (r >= 0)
		return r;
	if (r == SSH_AGAIN)
		return 0;
	return lost(s, err);
}

static int
ssh_exit_status(void *handle)
{
	struct fy_ssh *s = handle;
	uint64_t deadline = fy_clock_ms() + STATUS_MS;
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int r;

	for (;;) {
		r = ssh_channel_get_exit_status(s->channel);
		if (r >= 0 || !ssh_is_connected(s->session) ||
		    ssh_channel_is_closed(s->channel) ||
		    fy_clock_ms() >= deadline)
			return r;
		poll(&p, 1, 50);
	}
}

static void
ssh_close(void *handle)
{
	struct fy_ssh *s = handle;

	if (s->channel != NULL) {
		if (ssh_is_connected(s->session)) {
			ssh_channel_send_eof(s->channel);
			ssh_blocking_flush(s->session, FLUSH_MS);
			ssh_channel_close(s->channel);
		}
		ssh_channel_free(s->channel);
	}
	if (s->session != NULL) {
		ssh_disconnect(s->session);
		ssh_free(s->session);
	}
	fy_server_name_release(&s->name);
	free(s);
}

static const struct fy_remote_ops ssh_ops = {
	.poll_fds = ssh_poll_fds,
	.read = ssh_read,
	.read_stderr = ssh_read_stderr,
	.write = ssh_write,
	.exit_status = ssh_exit_status,
	.close = ssh_close,
};

static int
start_server(struct fy_ssh *s, struct fy_error *err)
{
	uint64_t deadline = fy_clock_ms() + OPEN_MS;
	int r;

	s->channel = ssh_channel_new(s->session);
	if (s->channel == NULL)
		return fy_error_nomem(err);
	while ((r = ssh_channel_open_session(s->channel)) == SSH_AGAIN)
		if (fy_ssh_wait(s, deadline, err) == -1)
			return -1;
	if (r != SSH_OK)
		return fy_ssh_error(s, FY_E_CONNECTION,
				    "the server opens no session", err);
	while ((r = ssh_channel_request_exec(s->channel, COMMAND)) == SSH_AGAIN)
		if (fy_ssh_wait(s, deadline, err) == -1)
			return -1;
	if (r != SSH_OK)
		return fy_ssh_error(s, fy_ssh_code(s, FY_E_DENIED),
				    "the server does not start '" COMMAND "'",
				    err);
	return 0;
}

int
fy_remote_open_ssh(const struct fy_server_options *options,
		   struct fy_remote *ret, struct fy_error *err)
{
	struct fy_ssh *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return fy_error_nomem(err);
	s->o = options;
	s->fd = -1;
	if (fy_server_name_parse(options->server, &s->name, err) == -1 ||
	    fy_ssh_connect(s, err) == -1 || fy_ssh_login(s, err) == -1 ||
	    start_server(s, err) == -1) {
		ssh_close(s);
		return -1;
	}
	fy_log_debug(options->log, "%s: cipher %s", s->name.host,
		     ssh_get_cipher_out(s->session));
	s->o = NULL;
	ret->ops = &ssh_ops;
	ret->handle = s;
	return 0;
}
