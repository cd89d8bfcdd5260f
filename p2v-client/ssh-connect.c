/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SSH up to a checked host key.  The TCP connection is made here rather than
 * by libssh, so that it can be cancelled and its errors are clear.  The user's
 * ~/.ssh/config is not read: what happens follows from the options alone.
 *
 * With --fingerprint the server may show a key of another type than the
 * fingerprint's first; then the other types are asked for, each on a new
 * connection, for a server has one key of each.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "p2v-client/ssh.h"

#define CONNECT_MS  20000u
#define EXCHANGE_MS 60000u

/* AES-GCM first: with the processor's help the fastest by far. */
#define CIPHERS                                                                \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,"                       \
	"chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"

static const char *const key_types[] = {
	"ssh-ed25519",
	"ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
	"rsa-sha2-512,rsa-sha2-256",
	NULL,
};

int
fy_ssh_error(struct fy_ssh *s, enum fy_error_code code, const char *what,
	     struct fy_error *err)
{
	return fy_error_set(err, code, 0, "%s: %s", what,
			    ssh_get_error(s->session));
}

bool
fy_ssh_is_again(const struct fy_ssh *s)
{
	return s->o->memory != NULL && s->o->memory->reached;
}

enum fy_error_code
fy_ssh_code(const struct fy_ssh *s, enum fy_error_code code)
{
	const char *why = ssh_get_error(s->session);

	/* A server that ends it with a reason ("too many failures") means
	 * it. */
	if (!fy_ssh_is_again(s) || ssh_is_connected(s->session) ||
	    strstr(why, "SSH_MSG_DISCONNECT") != NULL)
		return code;
	return FY_E_CONNECTION;
}

int
fy_ssh_wait(struct fy_ssh *s, uint64_t deadline_ms, struct fy_error *err)
{
	struct pollfd fds[2] = { { .fd = s->fd, .events = POLLIN },
				 { .fd = -1, .events = POLLIN } };

	if (fy_stop_check(s->o->stop, err) == -1)
		return -1;
	if (fy_clock_ms() >= deadline_ms)
		return fy_error_set(err, FY_E_CONNECTION, 0,
				    "%s does not answer", s->name.host);
	if ((ssh_get_poll_flags(s->session) & SSH_WRITE_PENDING) != 0)
		fds[0].events |= POLLOUT;
	if (s->o->stop != NULL)
		fds[1].fd = s->o->stop->fd;
	/* libssh may have work left that no descriptor tells of. */
	poll(fds, 2, 100);
	return 0;
}

/* --- TCP --------------------------------------------------------------------- */

static void
set_socket_options(int fd)
{
	int on = 1, idle = 30, every = 10, times = 3;

	/* Helps; nothing depends on it. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

/* Wait for a connect() under way.  0, or an errno; -1: 'err' is filled. */
static int
finish_connect(struct fy_ssh *s, int fd, struct fy_error *err)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLOUT },
				 { .fd = -1, .events = POLLIN } };
	uint64_t deadline = fy_clock_ms() + CONNECT_MS, now;
	socklen_t len = sizeof(int);
	int failure = 0;

	if (s->o->stop != NULL)
		fds[1].fd = s->o->stop->fd;
	for (;;) {
		if (fy_stop_check(s->o->stop, err) == -1)
			return -1;
		now = fy_clock_ms();
		if (now >= deadline)
			return ETIMEDOUT;
		poll(fds, 2, (int)(deadline - now));
		if ((fds[0].revents & (POLLOUT | POLLERR | POLLHUP)) == 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == -1)
			return errno;
		return failure;
	}
}

/* One address.  1: connected; 0: not, '*failure' says why; -1. */
static int
try_address(struct fy_ssh *s, const struct addrinfo *a, int *ret_fd,
	    int *failure, struct fy_error *err)
{
	fy_autofd int fd = -1;

	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd == -1) {
		*failure = errno;
		return 0;
	}
	if (connect(fd, a->ai_addr, a->ai_addrlen) == -1) {
		*failure = errno;
		if (errno == EINPROGRESS)
			*failure = finish_connect(s, fd, err);
		if (*failure == -1)
			return -1;
		if (*failure != 0)
			return 0;
	}
	set_socket_options(fd);
	*ret_fd = fy_steal_fd(&fd);
	return 1;
}

/* Where it was reached before: a name server that is out of reach, too, would
 * only hold us up. */
static int
connect_again(struct fy_ssh *s, int *ret_fd, struct fy_error *err)
{
	struct fy_server_memory *m = s->o->memory;
	struct addrinfo a = { .ai_family = m->address.ss_family,
			      .ai_addr = (struct sockaddr *)&m->address,
			      .ai_addrlen = m->address_len };
	int failure = 0, r = try_address(s, &a, ret_fd, &failure, err);

	if (r == 0)
		return fy_error_set(err, FY_E_CONNECTION, failure,
				    "cannot connect to %s port %u",
				    s->name.host, s->name.port);
	return r == 1 ? 0 : -1;
}

static void
remember_address(struct fy_ssh *s, int fd)
{
	struct fy_server_memory *m = s->o->memory;

	if (m == NULL)
		return;
	m->address_len = sizeof(m->address);
	if (getpeername(fd, (struct sockaddr *)&m->address, &m->address_len) ==
	    -1)
		m->address_len = 0;
}

static int
connect_tcp(struct fy_ssh *s, int *ret_fd, struct fy_error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL, *a;
	int r, failure = 0;
	char port[8];

	if (fy_ssh_is_again(s) && s->o->memory->address_len > 0)
		return connect_again(s, ret_fd, err);
	snprintf(port, sizeof(port), "%u", s->name.port);
	r = getaddrinfo(s->name.host, port, &hints, &list);
	if (r == EAI_NONAME || r == EAI_ADDRFAMILY) {
		/* Loopback alone is no "configured address". */
		hints.ai_flags = 0;
		r = getaddrinfo(s->name.host, port, &hints, &list);
	}
	if (r != 0)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "cannot find the server '%s': %s",
				    s->name.host, gai_strerror(r));
	r = 0;
	for (a = list; a != NULL && r == 0; a = a->ai_next)
		r = try_address(s, a, ret_fd, &failure, err);
	freeaddrinfo(list);
	if (r == 1) {
		remember_address(s, *ret_fd);
		return 0;
	}
	if (r == -1)
		return -1;
	/* Nothing has been begun: not the code that means "continues". */
	return fy_error_set(err, FY_E_NOTFOUND, failure,
			    "cannot connect to %s port %u", s->name.host,
			    s->name.port);
}

/* --- key exchange --------------------------------------------------------------
 */

static int
set_options(struct fy_ssh *s, const char *types, struct fy_error *err)
{
	ssh_session ss = s->session;
	bool no_config = false;
	int port = (int)s->name.port, r = 0;

	r |= ssh_options_set(ss, SSH_OPTIONS_PROCESS_CONFIG, &no_config);
	r |= ssh_options_set(ss, SSH_OPTIONS_HOST, s->name.host);
	r |= ssh_options_set(ss, SSH_OPTIONS_PORT, &port);
	/* NULL: the name of the user who runs this. */
	r |= ssh_options_set(ss, SSH_OPTIONS_USER, s->name.user);
	r |= ssh_options_set(ss, SSH_OPTIONS_CIPHERS_C_S, CIPHERS);
	r |= ssh_options_set(ss, SSH_OPTIONS_CIPHERS_S_C, CIPHERS);
	r |= ssh_options_set(ss, SSH_OPTIONS_COMPRESSION, "no");
	if (s->o->known_hosts != NULL)
		r |= ssh_options_set(ss, SSH_OPTIONS_KNOWNHOSTS,
				     s->o->known_hosts);
	if (types != NULL)
		r |= ssh_options_set(ss, SSH_OPTIONS_HOSTKEYS, types);
	r |= ssh_options_set(ss, SSH_OPTIONS_FD, &s->fd);
	if (r != 0)
		return fy_ssh_error(s, FY_E_UNSUPPORTED,
				    "libssh refuses its settings", err);
	return 0;
}

static void
drop_session(struct fy_ssh *s)
{
	if (s->session == NULL)
		return;
	ssh_disconnect(s->session);
	ssh_free(s->session);
	s->session = NULL;
	s->fd = -1;
}

/* A new connection with its keys exchanged. */
static int
exchange(struct fy_ssh *s, const char *types, struct fy_error *err)
{
	uint64_t deadline = fy_clock_ms() + EXCHANGE_MS;
	fy_autofd int fd = -1;
	int r;

	if (connect_tcp(s, &fd, err) == -1)
		return -1;
	s->session = ssh_new();
	if (s->session == NULL)
		return fy_error_nomem(err);
	s->fd = fd;
	if (set_options(s, types, err) == -1)
		return -1;
	ssh_set_blocking(s->session, 0);
	while ((r = ssh_connect(s->session)) == SSH_AGAIN)
		if (fy_ssh_wait(s, deadline, err) == -1)
			break;
	/* From ssh_connect on the descriptor is libssh's, which closes it. */
	fd = -1;
	if (r == SSH_AGAIN)
		return -1;
	if (r != SSH_OK)
		return fy_ssh_error(s, FY_E_CONNECTION,
				    "no SSH connection came about", err);
	return 0;
}

int
fy_ssh_connect(struct fy_ssh *s, struct fy_error *err)
{
	struct fy_error mismatch = { .code = FY_E_NONE };
	struct fy_error other = { .code = FY_E_NONE };
	unsigned i;
	int r;

	if (s->o->fingerprint != NULL &&
	    fy_fingerprint_check(s->o->fingerprint, err) == -1)
		return -1;
	if (exchange(s, NULL, err) == -1)
		return -1;
	r = fy_ssh_check_host_key(s, s->o->fingerprint ? &mismatch : err);
	for (i = 0; r == 1 && key_types[i] != NULL; i++) {
		drop_session(s);
		fy_error_clear(&other);
		if (exchange(s, key_types[i], &other) == -1) {
			/* The server has no key of this type, most likely. */
			if (other.code == FY_E_CANCELLED) {
				*err = other;
				return -1;
			}
			continue;
		}
		r = fy_ssh_check_host_key(s, &other);
	}
	if (r == 0)
		return 0;
	if (s->o->fingerprint != NULL)
		*err = mismatch;
	return -1;
}
