/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server's end of a connection.
 *
 * Reads wait in poll() for the peer, for the wake-up descriptor and for the
 * stop token, never longer than the silence that ends a job.  Writes are
 * non-blocking with the same bound, so a peer that reads nothing can't hold
 * the server.  A peer that is gone is remembered ("broken"), for a job that
 * was received whole goes on without it.
 */
#include "v2v-server/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

#define BUFFER_BYTES (256u * 1024)
#define PIPE_BYTES   (1u << 20)
#define STOP_MS	     2000u
#define SLICE_MS     250u

int
fy_link_init(struct fy_link *l, int in, int out, unsigned beat_ms,
	     unsigned quiet_ms, const struct fy_stop *stop,
	     struct fy_error *err)
{
	memset(l, 0, sizeof(*l));
	l->in = in;
	l->out = out;
	l->beat_ms = beat_ms != 0 ? beat_ms : FY_WIRE_BEAT_MS;
	l->quiet_ms = quiet_ms != 0 ? quiet_ms : FY_WIRE_SILENCE_MS;
	l->stop = stop;
	l->beater_end = -1;
	l->out_flags = -1;
	pthread_mutex_init(&l->lock, NULL);
	atomic_init(&l->sent_ms, fy_clock_ms());
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make an event descriptor");
	/* sshd gives a pipe of 64 KiB: with more, it and this program take
	 * turns less often.  A socket says no, which is as well. */
	(void)fcntl(in, F_SETPIPE_SZ, PIPE_BYTES);
	l->buffer = malloc(BUFFER_BYTES);
	if (l->buffer == NULL)
		return fy_error_nomem(err);
	l->out_flags = fcntl(out, F_GETFL);
	if (l->out_flags == -1 ||
	    fcntl(out, F_SETFL, l->out_flags | O_NONBLOCK) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot set up the connection");
	return 0;
}

static void
signal_event(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) == -1) {
		/* Full means that it is readable already. */
	}
}

void
fy_link_release(struct fy_link *l)
{
	if (l->beating) {
		signal_event(l->beater_end);
		pthread_join(l->beater, NULL);
		l->beating = false;
	}
	if (l->beater_end >= 0)
		close(l->beater_end);
	if (l->wake >= 0)
		close(l->wake);
	if (l->out_flags != -1)
		fcntl(l->out, F_SETFL, l->out_flags);
	free(l->buffer);
	l->buffer = NULL;
	l->beater_end = -1;
	l->wake = -1;
	l->out_flags = -1;
	pthread_mutex_destroy(&l->lock);
}

static void *
beat(void *arg)
{
	struct fy_link *l = arg;
	struct pollfd p = { .fd = l->beater_end, .events = POLLIN };
	int wait = (int)(l->beat_ms / 10 + 1);

	while (poll(&p, 1, wait) <= 0) {
		struct fy_error ignored = { 0 };

		if (fy_clock_ms() - atomic_load(&l->sent_ms) >= l->beat_ms)
			fy_link_send(l, FY_WIRE_BEAT, 0, 0, NULL, 0, &ignored);
	}
	return NULL;
}

int
fy_link_start_beating(struct fy_link *l, struct fy_error *err)
{
	l->beater_end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->beater_end == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make an event descriptor");
	if (pthread_create(&l->beater, NULL, beat, l) != 0)
		return fy_error_set(err, FY_E_NOMEM, 0,
				    "cannot start a thread");
	l->beating = true;
	return 0;
}

void
fy_link_wake(struct fy_link *l)
{
	signal_event(l->wake);
}

/* --- reading -------------------------------------------------------------- */

/* Wait until there is something to read. */
static int
wait_readable(struct fy_link *l, struct fy_error *err)
{
	struct pollfd p[3] = {
		{ .fd = l->in, .events = POLLIN },
		{ .fd = l->wake, .events = POLLIN },
		{ .fd = l->stop != NULL ? l->stop->fd : -1, .events = POLLIN },
	};
	uint64_t end = fy_clock_ms() + l->quiet_ms, now, gone;
	int r;

	for (;;) {
		now = fy_clock_ms();
		r = poll(p, 3, now < end ? (int)(end - now) : 0);
		if (r == -1 && errno != EINTR)
			return fy_error_set(err, FY_E_IO, errno, "poll failed");
		if (fy_stop_check(l->stop, err) == -1)
			return -1;
		if (r > 0 && p[1].revents != 0) {
			if (read(l->wake, &gone, sizeof(gone)) == -1) {
				/* Somebody else took it; still woken. */
			}
			return fy_error_set(err, FY_E_CANCELLED, 0,
					    "reading was ended");
		}
		if (r > 0 && p[0].revents != 0)
			return 0;
		if (now >= end)
			return fy_error_set(err, FY_E_CONNECTION, 0,
					    "nothing was heard from the client "
					    "for %u s",
					    l->quiet_ms / 1000);
	}
}

/* 1 with at least a byte at 'to', 0 at the end. */
static int
read_some(struct fy_link *l, void *to, size_t len, size_t *ret,
	  struct fy_error *err)
{
	ssize_t n;

	do {
		if (wait_readable(l, err) == -1)
			return -1;
		n = read(l->in, to, len);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n == -1 && errno == ECONNRESET)
		n = 0;
	if (n == -1)
		return fy_error_set(err, FY_E_CONNECTION, errno,
				    "cannot read from the client");
	*ret = (size_t)n;
	return n > 0;
}

/* 1, or 0 at the end before the first byte, or -1. */
static int
read_full(struct fy_link *l, void *ret, size_t len, struct fy_error *err)
{
	unsigned char *to = ret;
	size_t done = 0, n;
	int r;

	while (done < len) {
		n = l->have - l->used;
		if (n > 0) {
			n = n < len - done ? n : len - done;
			memcpy(to + done, l->buffer + l->used, n);
			l->used += n;
			done += n;
			continue;
		}
		if (len - done >= BUFFER_BYTES) {
			r = read_some(l, to + done, len - done, &n, err);
			done += r == 1 ? n : 0;
		} else {
			l->used = l->have = 0;
			r = read_some(l, l->buffer, BUFFER_BYTES, &l->have,
				      err);
		}
		if (r == -1)
			return -1;
		if (r == 0 && done == 0)
			return 0;
		if (r == 0)
			return fy_error_set(err, FY_E_CONNECTION, 0,
					    "the client went away within a "
					    "frame");
	}
	return 1;
}

/* The peer says that it ends the job: its words become our error. */
static int
peer_error(struct fy_link *l, const struct fy_wire_header *h,
	   struct fy_error *err)
{
	fy_autojson json_t *j = NULL;
	enum fy_error_code code;

	if (fy_link_json(l, h, &j, err) == -1)
		return -1;
	code = fy_error_code_of_name(fy_json_string_or(j, "code", "protocol"));
	if (code == FY_E_NONE)
		code = FY_E_PROTOCOL;
	return fy_error_set(err, code, 0, "the client ended the job: %s",
			    fy_json_string_or(j, "message", "no reason given"));
}

int
fy_link_next(struct fy_link *l, struct fy_wire_header *ret,
	     struct fy_error *err)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	int r;

	do {
		r = read_full(l, bytes, sizeof(bytes), err);
		if (r != 1)
			return r;
		if (fy_wire_decode(bytes, ret, err) == -1)
			return -1;
	} while (ret->type == FY_WIRE_BEAT);
	if (ret->type == FY_WIRE_ERROR)
		return peer_error(l, ret, err);
	return 1;
}

int
fy_link_payload(struct fy_link *l, const struct fy_wire_header *h, void *ret,
		struct fy_error *err)
{
	int r = h->length == 0 ? 1 : read_full(l, ret, h->length, err);

	if (r == 0)
		return fy_error_set(err, FY_E_CONNECTION, 0,
				    "the client went away within a frame");
	return r == 1 ? 0 : -1;
}

int
fy_link_json(struct fy_link *l, const struct fy_wire_header *h, json_t **ret,
	     struct fy_error *err)
{
	fy_autofree char *text = malloc((size_t)h->length + 1);

	if (text == NULL)
		return fy_error_nomem(err);
	if (fy_link_payload(l, h, text, err) == -1 ||
	    fy_wire_check_payload(h, text, err) == -1)
		return -1;
	*ret = fy_json_parse(text, h->length, fy_wire_name(h->type), err);
	return *ret == NULL ? -1 : 0;
}

bool
fy_link_drain(struct fy_link *l, unsigned ms)
{
	uint64_t end = fy_clock_ms() + ms, now;
	struct pollfd p = { .fd = l->in, .events = POLLIN };
	ssize_t n = 1;

	l->have = l->used = 0;
	while ((now = fy_clock_ms()) < end) {
		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		n = read(l->in, l->buffer, BUFFER_BYTES);
		if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
			break;
	}
	return n == 0;
}

/* --- sending -------------------------------------------------------------- */

/* Wait a little for room.  Who was told to end waits for a client's last words
 * no longer than STOP_MS. */
static int
wait_writable(struct fy_link *l, uint64_t *end, struct fy_error *err)
{
	struct pollfd p = { .fd = l->out, .events = POLLOUT };
	uint64_t now = fy_clock_ms(), left;

	if (fy_stop_is_raised(l->stop) && *end > now + STOP_MS)
		*end = now + STOP_MS;
	left = now < *end ? *end - now : 0;
	if (left > SLICE_MS)
		left = SLICE_MS;
	if (left > 0 && (poll(&p, 1, (int)left) >= 0 || errno == EINTR))
		return 0;
	return fy_error_set(err, FY_E_CONNECTION, 0,
			    "the client takes nothing for %u s",
			    l->quiet_ms / 1000);
}

static int
write_all(struct fy_link *l, struct iovec *v, int n, struct fy_error *err)
{
	uint64_t end = fy_clock_ms() + l->quiet_ms;
	ssize_t w;

	while (n > 0) {
		w = writev(l->out, v, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1 && errno == EAGAIN) {
			if (wait_writable(l, &end, err) == -1)
				return -1;
			continue;
		}
		if (w == -1)
			return fy_error_set(err, FY_E_CONNECTION, errno,
					    "cannot write to the client");
		if (w > 0)
			end = fy_clock_ms() + l->quiet_ms;
		while (n > 0 && (size_t)w >= v->iov_len) {
			w -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + w;
			v->iov_len -= (size_t)w;
		}
	}
	return 0;
}

int
fy_link_send(struct fy_link *l, enum fy_wire_type type, uint16_t disk,
	     uint64_t number, const void *payload, size_t len,
	     struct fy_error *err)
{
	struct fy_wire_header h = { .type = type,
				    .disk = disk,
				    .number = number };
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	struct iovec v[2] = {
		{ .iov_base = bytes, .iov_len = sizeof(bytes) },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = len },
	};
	int r;

	FY_LOCK_SCOPE(&l->lock);
	if (l->broken)
		return fy_error_set(err, FY_E_CONNECTION, 0,
				    "the client is gone");
	fy_wire_encode(&h, payload, len, NULL, 0, bytes);
	r = write_all(l, v, len > 0 ? 2 : 1, err);
	if (r == -1)
		l->broken = true; /* maybe within a frame */
	atomic_store(&l->sent_ms, fy_clock_ms());
	return r;
}

int
fy_link_send_json(struct fy_link *l, enum fy_wire_type type, const json_t *j,
		  struct fy_error *err)
{
	fy_autofree char *text = fy_json_text(j, 0, err);

	if (text == NULL)
		return -1;
	if (strlen(text) > fy_wire_limit(type))
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "a %s of %zu bytes is too long for a frame",
				    fy_wire_name(type), strlen(text));
	return fy_link_send(l, type, 0, 0, text, strlen(text), err);
}

static void
send_pair(struct fy_link *l, enum fy_wire_type type, const char *key1,
	  const char *text1, const char *text2)
{
	struct fy_error ignored = { 0 };
	fy_autojson json_t *j = json_object();

	/* A text that is not UTF-8 is refused by jansson: say so instead. */
	json_object_set_new(j, key1, json_string(text1));
	if (json_object_set_new(j, "message", json_string(text2)) == -1)
		json_object_set_new(j, "message",
				    json_string("(not valid text)"));
	if (j != NULL)
		fy_link_send_json(l, type, j, &ignored);
}

void
fy_link_send_log(struct fy_link *l, const char *level, const char *line)
{
	send_pair(l, FY_WIRE_LOG, "level", level, line);
}

void
fy_link_send_error(struct fy_link *l, const struct fy_error *what)
{
	send_pair(l, FY_WIRE_ERROR, "code", fy_error_name(what->code),
		  what->msg);
}

void
fy_link_break(struct fy_link *l)
{
	FY_LOCK_SCOPE(&l->lock);
	l->broken = true;
}

bool
fy_link_is_broken(struct fy_link *l)
{
	FY_LOCK_SCOPE(&l->lock);
	return l->broken;
}
