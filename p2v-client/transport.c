/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The transport: one thread that owns the link, polls, and never blocks in it.
 *
 * Out: senders copy whole frames into a ring of RING_BYTES ('frame_lock' is
 * held over one frame, so that frames are not mixed); the thread writes from
 * the ring.  'lock' guards the ring's numbers only: its bytes are copied
 * outside, for senders touch only the free part and the thread the full one.
 * In: bytes are gathered to frames, checked, and handed to the handler.
 *
 * Two ways down.  'failed': senders are told why and nothing more is read, but
 * the thread still writes, so that an ERROR frame can say good-bye.  'dead':
 * the link is of no more use.  When writing fails, what the server had to say
 * is read first, for its ERROR is a better reason than a broken pipe.
 */
#include "p2v-client/transport.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/json.h"
#include "p2v-client/transport-in.h"

#define RING_BYTES    (2u << 20)
#define WRITE_AT_ONCE (256u << 10)
#define DRAIN_MS      3000u

struct fy_transport {
	struct fy_remote link;
	struct fy_transport_options o;
	struct fy_transport_handler handler;
	pthread_t thread;
	int wake; /* eventfd: look at the ring */

	pthread_mutex_t frame_lock; /* a sender's, over one frame */
	pthread_mutex_t lock;	    /* guards all down to 'err' */
	pthread_cond_t changed;
	unsigned char *ring;
	size_t head, fill;
	bool cut;		 /* a frame is in the ring without its end */
	bool closing;		 /* leave when the ring is empty */
	bool failed, dead, gone; /* gone: the thread has left */
	struct fy_error err;

	/* the thread's own */
	struct fy_transport_in in;
	uint64_t last_in, last_out; /* ms */
	bool stop_seen;
	uint64_t write_failed_at; /* ms; 0: it has not */
	struct fy_error write_error;
	double allowance;      /* bytes, when the rate is limited */
	uint64_t allowance_at; /* ns */

	_Atomic uint64_t sent;
};

static void
wake_up(struct fy_transport *t)
{
	uint64_t one = 1;

	if (write(t->wake, &one, sizeof(one)) == -1) {
		/* Full means that it is readable already. */
	}
}

/* Tell everybody; the first reason wins. */
static void
fail(struct fy_transport *t, const struct fy_error *why, bool dead)
{
	bool first;

	pthread_mutex_lock(&t->lock);
	first = !t->failed;
	if (first)
		t->err = *why;
	t->failed = true;
	t->dead |= dead;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	if (first)
		t->handler.failed(t->handler.ctx, why);
}

/* --- sending, any thread -------------------------------------------------- */

/* Copy into the ring as room comes.  Under 'frame_lock'. */
static int
put(struct fy_transport *t, const void *data, size_t len, bool started,
    struct fy_error *err)
{
	const unsigned char *from = data;
	size_t at, n;
	bool was_empty;

	while (len > 0) {
		pthread_mutex_lock(&t->lock);
		while (t->fill == RING_BYTES && !t->failed)
			pthread_cond_wait(&t->changed, &t->lock);
		if (t->failed) {
			t->cut |= started;
			fy_error_copy(err, &t->err);
			pthread_mutex_unlock(&t->lock);
			return -1;
		}
		at = (t->head + t->fill) % RING_BYTES;
		n = RING_BYTES - t->fill;
		pthread_mutex_unlock(&t->lock);
		if (n > RING_BYTES - at)
			n = RING_BYTES - at;
		if (n > len)
			n = len;
		memcpy(t->ring + at, from, n);
		pthread_mutex_lock(&t->lock);
		was_empty = t->fill == 0;
		t->fill += n;
		pthread_mutex_unlock(&t->lock);
		if (was_empty)
			wake_up(t);
		started = true;
		from += n;
		len -= n;
	}
	return 0;
}

int
fy_transport_send(struct fy_transport *t,
		  const unsigned char header[FY_WIRE_HEADER_BYTES],
		  const void *part1, size_t len1, const void *part2,
		  size_t len2, struct fy_error *err)
{
	FY_LOCK_SCOPE(&t->frame_lock);
	if (put(t, header, FY_WIRE_HEADER_BYTES, false, err) == -1 ||
	    put(t, part1, len1, true, err) == -1 ||
	    put(t, part2, len2, true, err) == -1)
		return -1;
	return 0;
}

int
fy_transport_send_frame(struct fy_transport *t, struct fy_wire_header *h,
			const void *payload, size_t len, struct fy_error *err)
{
	unsigned char header[FY_WIRE_HEADER_BYTES];

	fy_wire_encode(h, payload, len, NULL, 0, header);
	return fy_transport_send(t, header, payload, len, NULL, 0, err);
}

/* Put a small frame into the ring if it fits there now; also after failure. */
static bool
put_small(struct fy_transport *t, enum fy_wire_type type, const char *text)
{
	struct fy_wire_header h = { .type = type };
	unsigned char frame[FY_WIRE_HEADER_BYTES + 2048];
	size_t len = strlen(text), i, at;
	bool ok;

	if (len > sizeof(frame) - FY_WIRE_HEADER_BYTES)
		return false;
	fy_wire_encode(&h, text, len, NULL, 0, frame);
	memcpy(frame + FY_WIRE_HEADER_BYTES, text, len);
	len += FY_WIRE_HEADER_BYTES;
	pthread_mutex_lock(&t->lock);
	ok = !t->dead && !t->cut && RING_BYTES - t->fill >= len;
	at = (t->head + t->fill) % RING_BYTES;
	for (i = 0; ok && i < len; i++)
		t->ring[(at + i) % RING_BYTES] = frame[i];
	if (ok)
		t->fill += len;
	pthread_mutex_unlock(&t->lock);
	return ok;
}

void
fy_transport_goodbye(struct fy_transport *t, const struct fy_error *why,
		     unsigned ms)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;
	fy_autojson json_t *j = NULL;
	struct timespec until;

	j = json_pack("{s:s, s:s}", "code", fy_error_name(why->code), "message",
		      why->msg);
	if (j != NULL)
		text = fy_json_text(j, 0, &ignored);
	fy_deadline_after(ms, &until);
	pthread_mutex_lock(&t->frame_lock);
	if (text != NULL)
		put_small(t, FY_WIRE_ERROR, text);
	pthread_mutex_unlock(&t->frame_lock);

	pthread_mutex_lock(&t->lock);
	t->closing = true;
	wake_up(t);
	while (!t->gone && !t->dead && t->fill > 0)
		if (pthread_cond_timedwait(&t->changed, &t->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&t->lock);
}

/* --- the thread ------------------------------------------------------------ */

static void
take_allowance(struct fy_transport *t)
{
	uint64_t now = fy_clock_ns();
	double rate = (double)t->o.limit_rate, most = rate / 8;

	t->allowance += rate * (double)(now - t->allowance_at) / 1e9;
	t->allowance_at = now;
	if (most < 4096)
		most = 4096;
	if (t->allowance > most)
		t->allowance = most;
}

/* How much may be written now, at most 'n'. */
static size_t
allowed(struct fy_transport *t, size_t n)
{
	if (n > WRITE_AT_ONCE)
		n = WRITE_AT_ONCE;
	if (t->o.limit_rate == 0)
		return n;
	if (t->allowance < 1)
		return 0;
	return (double)n <= t->allowance ? n : (size_t)t->allowance;
}

/* Write what the link takes.  True: it takes no more at present. */
static bool
write_some(struct fy_transport *t)
{
	size_t at, n;
	unsigned i;
	ssize_t r;

	if (t->o.limit_rate != 0)
		take_allowance(t);
	for (i = 0; i < 8 && t->write_failed_at == 0; i++) {
		pthread_mutex_lock(&t->lock);
		at = t->head;
		n = t->fill;
		pthread_mutex_unlock(&t->lock);
		if (n == 0)
			return false;
		if (n > RING_BYTES - at)
			n = RING_BYTES - at;
		n = allowed(t, n);
		if (n == 0)
			return true;
		r = t->link.ops->write(t->link.handle, t->ring + at, n,
				       &t->write_error);
		if (r == 0)
			return true;
		if (r < 0) {
			t->write_failed_at = fy_clock_ms();
			return false;
		}
		t->allowance -= (double)r;
		t->last_out = fy_clock_ms();
		atomic_fetch_add(&t->sent, (uint64_t)r);
		pthread_mutex_lock(&t->lock);
		t->head = (t->head + (size_t)r) % RING_BYTES;
		t->fill -= (size_t)r;
		pthread_cond_broadcast(&t->changed);
		pthread_mutex_unlock(&t->lock);
	}
	return false;
}

static void
read_some(struct fy_transport *t)
{
	struct fy_error err = { .code = FY_E_NONE };
	enum fy_in_result r;

	r = fy_transport_in_read(&t->in, &t->link, &t->handler, &err);
	if (r == FY_IN_SOME)
		t->last_in = fy_clock_ms();
	else if (r == FY_IN_FAILED)
		fail(t, &err, false);
	else if (r == FY_IN_ENDED &&
		 t->handler.ended(t->handler.ctx, &err) == -1) {
		/* The reason that the server's last words give is better. */
		fy_transport_in_explain_end(&t->in, &t->link, &err);
		fail(t, &err, true);
	} else if (r == FY_IN_ENDED) {
		fy_error_set(&err, FY_E_CONNECTION, 0, "the job has ended");
		fail(t, &err, true);
	}
}

/* Timers: the stop token, silence, a failed write that nobody explained, and
 * our own sign of life. */
static void
look_at_time(struct fy_transport *t)
{
	struct fy_error err = { .code = FY_E_NONE };
	uint64_t now = fy_clock_ms();

	if (!t->stop_seen && fy_stop_check(t->o.stop, &err) == -1) {
		t->stop_seen = true;
		fail(t, &err, false);
		return;
	}
	if (now - t->last_in >= t->o.silence_ms) {
		fy_error_set(&err, FY_E_CONNECTION, 0,
			     "the server has been silent for %u s",
			     t->o.silence_ms / 1000);
		fail(t, &err, true);
		return;
	}
	if (t->write_failed_at != 0 && now - t->write_failed_at >= DRAIN_MS) {
		fail(t, &t->write_error, true);
		return;
	}
	if (now - t->last_out >= t->o.beat_ms &&
	    pthread_mutex_trylock(&t->frame_lock) == 0) {
		put_small(t, FY_WIRE_BEAT, "");
		t->last_out = now;
		pthread_mutex_unlock(&t->frame_lock);
	}
}

static int
next_timeout(const struct fy_transport *t, bool limited)
{
	uint64_t now = fy_clock_ms(), next = 1000, quiet = now - t->last_out;

	if (quiet < t->o.beat_ms)
		next = fy_min_u64(next, t->o.beat_ms - quiet);
	next = fy_min_u64(next, t->o.silence_ms);
	if (limited || fy_transport_in_hurries(&t->in))
		next = fy_min_u64(next, 20);
	return (int)(next == 0 ? 1 : next);
}

/* Sleep until there is something to do. */
static void
wait_for_work(struct fy_transport *t, bool want_write, bool limited)
{
	struct pollfd fds[FY_REMOTE_POLLFDS + 2];
	uint64_t drain;
	int n;

	fds[0] = (struct pollfd){ .fd = t->wake, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = -1 };
	if (t->o.stop != NULL && !t->stop_seen)
		fds[1] = (struct pollfd){ .fd = t->o.stop->fd,
					  .events = POLLIN };
	n = t->link.ops->poll_fds(t->link.handle, want_write && !limited,
				  fds + 2);
	poll(fds, (nfds_t)n + 2, next_timeout(t, limited));
	if ((fds[0].revents & POLLIN) != 0 &&
	    read(t->wake, &drain, sizeof(drain)) == -1) {
		/* Somebody else's wake-up was counted together with it. */
	}
}

static void *
transport_main(void *arg)
{
	struct fy_transport *t = arg;
	bool leave = false, full, limited, failed;
	size_t fill;

	while (!leave) {
		full = write_some(t);
		pthread_mutex_lock(&t->lock);
		failed = t->failed;
		pthread_mutex_unlock(&t->lock);
		if (!failed) {
			read_some(t);
			look_at_time(t);
		}
		pthread_mutex_lock(&t->lock);
		leave = t->dead || (t->closing &&
				    (t->fill == 0 || t->write_failed_at != 0));
		fill = t->write_failed_at == 0 ? t->fill : 0;
		pthread_mutex_unlock(&t->lock);
		limited = t->o.limit_rate != 0 && t->allowance < 1;
		if (!leave && (full || fill == 0))
			wait_for_work(t, fill > 0, limited && fill > 0);
	}
	pthread_mutex_lock(&t->lock);
	t->gone = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* --- making and freeing ---------------------------------------------------- */

static void
release(struct fy_transport *t)
{
	t->link.ops->close(t->link.handle);
	fy_transport_in_release(&t->in);
	if (t->wake >= 0)
		close(t->wake);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->frame_lock);
	free(t->ring);
	free(t);
}

static struct fy_transport *
transport_alloc(struct fy_remote link, const struct fy_transport_options *o)
{
	struct fy_transport *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (t == NULL)
		return NULL;
	t->link = link;
	t->o = *o;
	if (t->o.beat_ms == 0)
		t->o.beat_ms = FY_WIRE_BEAT_MS;
	if (t->o.silence_ms == 0)
		t->o.silence_ms = FY_WIRE_SILENCE_MS;
	pthread_mutex_init(&t->frame_lock, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->ring = malloc(RING_BYTES);
	t->last_in = t->last_out = fy_clock_ms();
	t->allowance_at = fy_clock_ns();
	fy_transport_in_init(&t->in, o->log);
	return t;
}

int
fy_transport_new(struct fy_remote link, const struct fy_transport_options *o,
		 const struct fy_transport_handler *handler,
		 struct fy_transport **ret, struct fy_error *err)
{
	struct fy_transport *t = transport_alloc(link, o);
	int r;

	if (t == NULL) {
		link.ops->close(link.handle);
		return fy_error_nomem(err);
	}
	t->handler = *handler;
	if (t->wake == -1 || t->ring == NULL) {
		release(t);
		return fy_error_nomem(err);
	}
	r = pthread_create(&t->thread, NULL, transport_main, t);
	if (r != 0) {
		release(t);
		return fy_error_set(err, FY_E_NOMEM, r,
				    "cannot start the transport's thread");
	}
	*ret = t;
	return 0;
}

uint64_t
fy_transport_sent(const struct fy_transport *t)
{
	return atomic_load(&t->sent);
}

void
fy_transport_free(struct fy_transport *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->dead = true;
	pthread_mutex_unlock(&t->lock);
	wake_up(t);
	pthread_join(t->thread, NULL);
	release(t);
}
