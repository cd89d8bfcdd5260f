/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The transport over a link that the test holds the other end of: frames in
 * both directions, beats, silence, the stop token, rate limit, servers that
 * talk nonsense, and which of several reasons for an end is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/test.h"
#include "p2v-client/transport.h"

struct fake {
	int fd, err_fd;
	int status;
};

struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned frames, last_type;
	bool failed, done;
	struct fy_error why;
};

struct bench {
	struct fake fake;
	struct seen seen;
	struct fy_transport *t;
	int fd, err_fd; /* the server's ends */
};

static int
fake_poll(void *handle, bool want_write, struct pollfd *fds)
{
	struct fake *f = handle;

	fds[0] = (struct pollfd){ .fd = f->fd, .events = POLLIN };
	if (want_write)
		fds[0].events |= POLLOUT;
	fds[1] = (struct pollfd){ .fd = f->err_fd, .events = POLLIN };
	return 2;
}

static ssize_t
fake_read_fd(int *fd, void *buf, size_t len)
{
	ssize_t r;

	if (*fd == -1)
		return FY_REMOTE_EOF;
	r = recv(*fd, buf, len, MSG_DONTWAIT);
	if (r == -1 && errno == EAGAIN)
		return 0;
	if (r > 0)
		return r;
	return FY_REMOTE_EOF;
}

static ssize_t
fake_read(void *handle, void *buf, size_t len, struct fy_error *err)
{
	struct fake *f = handle;

	(void)err;
	return fake_read_fd(&f->fd, buf, len);
}

static ssize_t
fake_read_stderr(void *handle, void *buf, size_t len, struct fy_error *err)
{
	struct fake *f = handle;

	(void)err;
	return fake_read_fd(&f->err_fd, buf, len);
}

static ssize_t
fake_write(void *handle, const void *buf, size_t len, struct fy_error *err)
{
	struct fake *f = handle;
	ssize_t r = send(f->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (r >= 0)
		return r;
	if (errno == EAGAIN)
		return 0;
	return fy_error_set(err, FY_E_CONNECTION, errno, "write");
}

static int
fake_status(void *handle)
{
	struct fake *f = handle;

	return f->status;
}

static void
fake_close(void *handle)
{
	struct fake *f = handle;

	close(f->fd);
	close(f->err_fd);
}

static const struct fy_remote_ops fake_ops = {
	.poll_fds = fake_poll,
	.read = fake_read,
	.read_stderr = fake_read_stderr,
	.write = fake_write,
	.exit_status = fake_status,
	.close = fake_close,
};

static int
on_frame(void *ctx, const struct fy_wire_header *h,
	 const unsigned char *payload, struct fy_error *err)
{
	struct seen *s = ctx;

	(void)payload;
	FY_LOCK_SCOPE(&s->lock);
	s->frames++;
	s->last_type = h->type;
	s->done |= h->type == FY_WIRE_DONE;
	pthread_cond_broadcast(&s->changed);
	if (h->type == FY_WIRE_ERROR)
		return fy_error_set(err, FY_E_NOSPACE, 0, "the server: full");
	return 0;
}

static int
on_ended(void *ctx, struct fy_error *err)
{
	struct seen *s = ctx;

	FY_LOCK_SCOPE(&s->lock);
	if (s->done)
		return 0;
	return fy_error_set(err, FY_E_CONNECTION, 0, "hung up");
}

static void
on_failed(void *ctx, const struct fy_error *why)
{
	struct seen *s = ctx;

	FY_LOCK_SCOPE(&s->lock);
	CHECK(!s->failed);
	s->failed = true;
	s->why = *why;
	pthread_cond_broadcast(&s->changed);
}

static void
begin(struct bench *b, const struct fy_transport_options *o)
{
	struct fy_transport_handler handler = { on_frame, on_ended, on_failed,
						&b->seen };
	struct fy_remote link = { &fake_ops, &b->fake };
	struct fy_error err = { .code = FY_E_NONE };
	int a[2], c[2];

	memset(b, 0, sizeof(*b));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, c) == 0);
	b->fake = (struct fake){ a[0], c[0], -1 };
	b->fd = a[1];
	b->err_fd = c[1];
	pthread_mutex_init(&b->seen.lock, NULL);
	pthread_cond_init(&b->seen.changed, NULL);
	CHECK_OK(fy_transport_new(link, o, &handler, &b->t, &err), &err);
}

static void
finish(struct bench *b)
{
	fy_transport_free(b->t);
	if (b->fd >= 0)
		close(b->fd);
	if (b->err_fd >= 0)
		close(b->err_fd);
	pthread_cond_destroy(&b->seen.changed);
	pthread_mutex_destroy(&b->seen.lock);
}

static void
hang_up(struct bench *b)
{
	close(b->fd);
	close(b->err_fd);
	b->fd = b->err_fd = -1;
}

static void
await_failure(struct bench *b, enum fy_error_code code, const char *words)
{
	FY_LOCK_SCOPE(&b->seen.lock);
	while (!b->seen.failed)
		pthread_cond_wait(&b->seen.changed, &b->seen.lock);
	if (b->seen.why.code != code ||
	    (words != NULL && strstr(b->seen.why.msg, words) == NULL))
		fprintf(stderr, "%s: %s\n", fy_error_name(b->seen.why.code),
			b->seen.why.msg);
	CHECK(b->seen.why.code == code);
	CHECK(words == NULL || strstr(b->seen.why.msg, words) != NULL);
}

static bool
take(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

/* Take a frame as the server; false at the end. */
static bool
take_frame(int fd, struct fy_wire_header *h, unsigned char *payload)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	struct fy_error err = { .code = FY_E_NONE };

	if (!take(fd, bytes, sizeof(bytes)))
		return false;
	CHECK_OK(fy_wire_decode(bytes, h, &err), &err);
	if (err.code != FY_E_NONE)
		return false;
	if (h->length > 0 && !take(fd, payload, h->length))
		return false;
	CHECK_OK(fy_wire_check_payload(h, payload, &err), &err);
	return true;
}

static void
give_frame(int fd, enum fy_wire_type type, const char *text)
{
	struct fy_wire_header h = { .type = type };
	unsigned char bytes[FY_WIRE_HEADER_BYTES];

	fy_wire_encode(&h, text, strlen(text), NULL, 0, bytes);
	CHECK(send(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	CHECK(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
}

/* --- the tests -------------------------------------------------------------------
 */

struct sender {
	struct fy_transport *t;
	uint64_t disk;
};

static void *
send_many(void *arg)
{
	struct sender *s = arg;
	struct fy_error err = { .code = FY_E_NONE };
	unsigned char *data = malloc(3u << 20);
	size_t i, len;

	for (i = 0; i < 40; i++) {
		struct fy_wire_header h = { .type = FY_WIRE_JOB,
					    .disk = (uint16_t)s->disk,
					    .number = i };

		len = 2 + i * 70001 % (3u << 20) / 2;
		memset(data, (int)(i + s->disk), len);
		CHECK_OK(fy_transport_send_frame(s->t, &h, data, len, &err),
			 &err);
	}
	free(data);
	return NULL;
}

/* Two senders, frames beyond the ring's size: whole and unmixed. */
static void
test_frames(void)
{
	const struct fy_transport_options o = { .limit_rate = 0 };
	unsigned char *payload = malloc(FY_WIRE_MAX_PAYLOAD);
	uint64_t next[2] = { 0, 0 };
	struct fy_wire_header h;
	struct sender senders[2];
	pthread_t threads[2];
	struct bench b;
	size_t i, n;

	begin(&b, &o);
	for (i = 0; i < 2; i++) {
		senders[i] = (struct sender){ b.t, i };
		pthread_create(&threads[i], NULL, send_many, &senders[i]);
	}
	for (n = 0; n < 80; n++) {
		if (!take_frame(b.fd, &h, payload))
			break;
		if (h.type == FY_WIRE_BEAT) {
			n--;
			continue;
		}
		CHECK(h.disk < 2 && h.number == next[h.disk & 1]);
		CHECK(h.length == 2 + h.number * 70001 % (3u << 20) / 2);
		for (i = 0; i < h.length; i++)
			if (payload[i] != (unsigned char)(h.number + h.disk))
				break;
		CHECK(i == h.length);
		next[h.disk & 1]++;
	}
	CHECK(n == 80);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	give_frame(b.fd, FY_WIRE_BEAT, "");
	give_frame(b.fd, FY_WIRE_LOG, "{}");
	pthread_mutex_lock(&b.seen.lock);
	while (b.seen.frames == 0)
		pthread_cond_wait(&b.seen.changed, &b.seen.lock);
	CHECK(b.seen.frames == 1 && b.seen.last_type == FY_WIRE_LOG);
	pthread_mutex_unlock(&b.seen.lock);
	finish(&b);
	free(payload);
}

static void
test_beats_and_silence(void)
{
	const struct fy_transport_options o = { .beat_ms = 50,
						.silence_ms = 700 };
	unsigned char payload[16];
	struct fy_wire_header h;
	uint64_t start = fy_clock_ms();
	struct bench b;
	unsigned i;

	begin(&b, &o);
	for (i = 0; i < 3; i++) {
		CHECK(take_frame(b.fd, &h, payload));
		CHECK(h.type == FY_WIRE_BEAT && h.length == 0);
	}
	await_failure(&b, FY_E_CONNECTION, "silent");
	CHECK(fy_clock_ms() - start >= 700);
	finish(&b);
}

static void
test_stop(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_stop stop;
	const struct fy_transport_options o = { .stop = &stop };
	struct fy_wire_header h = { .type = FY_WIRE_JOB };
	unsigned char payload[4096];
	struct bench b;

	CHECK_OK(fy_stop_init(&stop, &err), &err);
	begin(&b, &o);
	fy_stop_raise(&stop);
	await_failure(&b, FY_E_CANCELLED, NULL);
	CHECK(fy_transport_send_frame(b.t, &h, "x", 1, &err) == -1);
	CHECK(err.code == FY_E_CANCELLED);
	/* The server is told all the same. */
	fy_transport_goodbye(b.t, &err, 2000);
	CHECK(take_frame(b.fd, &h, payload));
	CHECK(h.type == FY_WIRE_ERROR);
	CHECK(memmem(payload, h.length, "cancelled", 9) != NULL);
	finish(&b);
	fy_stop_release(&stop);
}

/* A sender that is stuck in the middle of a frame is let go; then there is no
 * good-bye, for it would be taken for the frame's rest. */
static void *
send_stuck(void *arg)
{
	struct bench *b = arg;
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_wire_header h = { .type = FY_WIRE_JOB };
	unsigned char *data = calloc(1, 8u << 20);

	CHECK(fy_transport_send_frame(b->t, &h, data, 8u << 20, &err) == -1);
	free(data);
	return NULL;
}

static void
test_stuck_sender(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_stop stop;
	const struct fy_transport_options o = { .stop = &stop };
	unsigned char *rest = malloc(16u << 20);
	struct timespec nap = { 0, 200000000 };
	size_t n = 0;
	ssize_t r;
	pthread_t thread;
	struct bench b;

	CHECK_OK(fy_stop_init(&stop, &err), &err);
	begin(&b, &o);
	pthread_create(&thread, NULL, send_stuck, &b);
	nanosleep(&nap, NULL);
	fy_stop_raise(&stop);
	pthread_join(thread, NULL);
	await_failure(&b, FY_E_CANCELLED, NULL);
	fy_error_set(&err, FY_E_CANCELLED, 0, "cancelled");
	fy_transport_goodbye(b.t, &err, 100);
	fy_transport_free(b.t);
	b.t = NULL;
	while ((r = recv(b.fd, rest + n, (16u << 20) - n, 0)) > 0)
		n += (size_t)r;
	CHECK(n < (8u << 20));
	CHECK(memmem(rest, n, "cancelled", 9) == NULL);
	free(rest);
	finish(&b);
	fy_stop_release(&stop);
}

static void
test_nonsense(void)
{
	const struct fy_transport_options o = { .limit_rate = 0 };
	static const char motd[] = "Welcome to debian!\nLast login: today, "
				   "from somewhere.\n";
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	struct fy_wire_header h = { .type = FY_WIRE_LOG };
	struct bench b;

	begin(&b, &o); /* a shell that talks */
	CHECK(send(b.fd, motd, strlen(motd), 0) > 0);
	await_failure(&b, FY_E_PROTOCOL, "Welcome to debian! Last login");
	finish(&b);

	begin(&b, &o); /* a short word, and the end */
	CHECK(send(b.fd, "bye\n", 4, 0) == 4);
	b.fake.status = 3;
	hang_up(&b);
	await_failure(&b, FY_E_CHILD, "bye");
	finish(&b);

	begin(&b, &o); /* not installed */
	b.fake.status = 127;
	CHECK(send(b.err_fd, "sh: v2v-server: not found\n", 26, 0) == 26);
	hang_up(&b);
	await_failure(&b, FY_E_NOTFOUND, "sh: v2v-server: not found");
	finish(&b);

	begin(&b, &o); /* a changed payload */
	give_frame(b.fd, FY_WIRE_LOG, "{}");
	fy_wire_encode(&h, "{}", 2, NULL, 0, bytes);
	CHECK(send(b.fd, bytes, sizeof(bytes), 0) > 0);
	CHECK(send(b.fd, "[]", 2, 0) == 2);
	await_failure(&b, FY_E_CORRUPT, NULL);
	finish(&b);

	begin(&b, &o); /* a changed header */
	bytes[9] ^= 1;
	CHECK(send(b.fd, bytes, sizeof(bytes), 0) > 0);
	await_failure(&b, FY_E_CORRUPT, NULL);
	finish(&b);
}

static void
test_ends(void)
{
	const struct fy_transport_options o = { .limit_rate = 0 };
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_wire_header h = { .type = FY_WIRE_JOB };
	struct bench b;

	begin(&b, &o); /* in the middle of things */
	give_frame(b.fd, FY_WIRE_LOG, "{}");
	CHECK(send(b.err_fd, "killed by the night\n", 20, 0) == 20);
	hang_up(&b);
	await_failure(&b, FY_E_CONNECTION, "killed by the night");
	finish(&b);

	/* The server says why, and goes while we still write: its reason
	 * counts, not the broken pipe. */
	begin(&b, &o);
	give_frame(b.fd, FY_WIRE_ERROR, "{}");
	shutdown(b.fd, SHUT_RD);
	while (fy_transport_send_frame(b.t, &h, "xyz", 3, &err) == 0)
		;
	CHECK(err.code == FY_E_NOSPACE);
	await_failure(&b, FY_E_NOSPACE, "full");
	finish(&b);

	begin(&b, &o); /* after DONE it is as it should be */
	give_frame(b.fd, FY_WIRE_DONE, "{}");
	hang_up(&b);
	await_failure(&b, FY_E_CONNECTION, "the job has ended");
	finish(&b);
}

static void
test_rate(void)
{
	const struct fy_transport_options o = { .limit_rate = 1000000 };
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_wire_header h = { .type = FY_WIRE_JOB };
	unsigned char *data = calloc(1, 700000);
	uint64_t start = fy_clock_ms();
	struct bench b;

	begin(&b, &o);
	CHECK_OK(fy_transport_send_frame(b.t, &h, data, 700000, &err), &err);
	CHECK(take_frame(b.fd, &h, data));
	/* An eighth of a second may go at once. */
	CHECK(fy_clock_ms() - start >= 500);
	/* Counted when the write has returned, maybe after we have read. */
	while (fy_transport_sent(b.t) < 700000 + FY_WIRE_HEADER_BYTES &&
	       fy_clock_ms() - start < 30000)
		usleep(1000);
	CHECK(fy_transport_sent(b.t) == 700000 + FY_WIRE_HEADER_BYTES);
	finish(&b);
	free(data);
}

int
main(void)
{
	test_frames();
	test_beats_and_silence();
	test_stop();
	test_stuck_sender();
	test_nonsense();
	test_ends();
	test_rate();
	return test_result();
}
