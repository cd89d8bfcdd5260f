/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Progress: stages bump atomic counters, a ticker thread looks at them at a
 * fixed interval (a timed wait, so that stopping is prompt) and shows a view.
 * The rate is that of the last RATE_SECONDS, from a ring of samples, so that a
 * stalled link shows within seconds.  A new phase empties the ring.  The
 * ticker's fields are its thread's own, but for 'end' (under the lock).
 */
#include "common/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/options.h"

#define SAMPLES	     64
#define RATE_SECONDS 5.0
#define BAR_MS	     250u
#define JSON_MS	     1000u

const char *const fy_progress_choices[] = { "auto", "bar", "json", "none",
					    NULL };

struct sample {
	double at;
	uint64_t done;
};

struct fy_progress_ticker {
	struct fy_progress *progress;
	void (*view)(void *ctx, const struct fy_progress_view *v);
	void *ctx;
	unsigned ms;
	enum fy_progress_mode mode;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool end; /* under 'lock' */

	struct timespec start;
	const char *phase; /* that the samples are of */
	struct sample samples[SAMPLES];
	size_t n_samples; /* ever taken in this phase */
	size_t shown;	  /* columns of the bar's last line */
};

static double
seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) +
	       (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Take a sample and tell the rate over the last seconds. */
static uint64_t
measure_rate(struct fy_progress_ticker *t, double now, uint64_t done)
{
	const struct sample *old;
	size_t i, have;

	t->samples[t->n_samples % SAMPLES] = (struct sample){ now, done };
	t->n_samples++;
	have = t->n_samples < SAMPLES ? t->n_samples : SAMPLES;
	old = &t->samples[(t->n_samples - 1) % SAMPLES];
	for (i = 1; i < have; i++) {
		const struct sample *s;

		s = &t->samples[(t->n_samples - 1 - i) % SAMPLES];
		if (now - s->at > RATE_SECONDS)
			break;
		old = s;
	}
	if (now - old->at < 0.01 || done < old->done)
		return 0;
	return (uint64_t)((double)(done - old->done) / (now - old->at));
}

static void
take_view(struct fy_progress_ticker *t, struct fy_progress_view *v)
{
	struct fy_progress *p = t->progress;

	memset(v, 0, sizeof(*v));
	v->phase = atomic_load(&p->phase);
	if (v->phase == NULL)
		v->phase = "";
	if (v->phase != t->phase) {
		t->phase = v->phase;
		t->n_samples = 0;
	}
	v->done = atomic_load(&p->done);
	v->total = atomic_load(&p->total);
	v->sent = atomic_load(&p->sent);
	v->retry_in = atomic_load(&p->retry_in);
	v->seconds = seconds_since(&t->start);
	v->rate = measure_rate(t, v->seconds, v->done);
	v->seconds_left = UINT64_MAX;
	if (v->total != 0 && v->done >= v->total)
		v->seconds_left = 0;
	else if (v->total != 0 && v->rate != 0)
		v->seconds_left = (v->total - v->done) / v->rate;
}

static void
format_left(uint64_t seconds, char *ret, size_t ret_size)
{
	if (seconds == UINT64_MAX)
		snprintf(ret, ret_size, "--:--");
	else if (seconds < 3600)
		snprintf(ret, ret_size, "%02" PRIu64 ":%02" PRIu64,
			 seconds / 60, seconds % 60);
	else
		snprintf(ret, ret_size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
			 seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static unsigned
percent_of(uint64_t done, uint64_t total)
{
	if (total == 0)
		return 0;
	if (done >= total)
		return 100;
	return (unsigned)((double)done * 100.0 / (double)total);
}

static size_t
terminal_columns(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 20)
		return w.ws_col;
	return 80;
}

/* "copy  42% [####      ] 1.8 GB of 4.3 GB  410.2 MB/s  00:06 left" */
static void
show_bar(struct fy_progress_ticker *t, const struct fy_progress_view *v)
{
	char done[24], total[24], rate[24], left[24], line[256], bar[64];
	size_t columns = terminal_columns() - 1, width = 20, n;
	unsigned percent = percent_of(v->done, v->total);

	if (columns > sizeof(line) - 1)
		columns = sizeof(line) - 1;
	fy_format_bytes(v->done, done, sizeof(done));
	fy_format_bytes(v->total, total, sizeof(total));
	fy_format_bytes(v->rate, rate, sizeof(rate));
	format_left(v->seconds_left, left, sizeof(left));
	memset(bar, ' ', width);
	memset(bar, '#', width * percent / 100);
	bar[width] = '\0';
	if (v->total == 0)
		snprintf(line, sizeof(line), "%s  %s  %s/s", v->phase, done,
			 rate);
	else
		snprintf(line, sizeof(line),
			 "%s %3u%% [%s] %s of %s  %s/s  %s left", v->phase,
			 percent, bar, done, total, rate, left);
	if (v->retry_in != 0)
		snprintf(line, sizeof(line),
			 "%s  the connection is lost, trying again in %u s",
			 v->phase, v->retry_in);
	line[columns] = '\0';
	n = strlen(line);
	/* Blanks wipe what a longer line left behind. */
	fprintf(stderr, "\r%s%*s", line, t->shown > n ? (int)(t->shown - n) : 0,
		"");
	fflush(stderr);
	t->shown = n;
}

static void
show_json(const struct fy_progress_view *v)
{
	char left[24] = "null", retry[40] = "";

	if (v->retry_in != 0)
		snprintf(retry, sizeof(retry), ",\"retry_in\":%u", v->retry_in);
	if (v->seconds_left != UINT64_MAX)
		snprintf(left, sizeof(left), "%" PRIu64, v->seconds_left);
	fprintf(stderr,
		"{\"phase\":\"%s\",\"done\":%" PRIu64 ",\"total\":%" PRIu64
		",\"rate\":%" PRIu64 ",\"seconds_left\":%s,\"sent\":%" PRIu64
		"%s}\n",
		v->phase, v->done, v->total, v->rate, left, v->sent, retry);
}

static void
show(struct fy_progress_ticker *t)
{
	struct fy_progress_view v;

	take_view(t, &v);
	if (t->view != NULL)
		t->view(t->ctx, &v);
	else if (t->mode == FY_PROGRESS_JSON)
		show_json(&v);
	else
		show_bar(t, &v);
}

static void
add_ms(struct timespec *at, unsigned ms)
{
	at->tv_sec += ms / 1000;
	at->tv_nsec += (long)(ms % 1000) * 1000000;
	if (at->tv_nsec >= 1000000000) {
		at->tv_nsec -= 1000000000;
		at->tv_sec++;
	}
}

static void *
ticker_main(void *arg)
{
	struct fy_progress_ticker *t = arg;
	struct timespec at;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &at);
	pthread_mutex_lock(&t->lock);
	while (!t->end) {
		add_ms(&at, t->ms);
		r = 0;
		while (!t->end && r != ETIMEDOUT)
			r = pthread_cond_timedwait(&t->wake, &t->lock, &at);
		if (t->end)
			break;
		pthread_mutex_unlock(&t->lock);
		show(t);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	show(t);
	if (t->view == NULL && t->mode == FY_PROGRESS_BAR)
		fputc('\n', stderr);
	return NULL;
}

static struct fy_progress_ticker *
ticker_new(struct fy_progress *p, unsigned ms)
{
	struct fy_progress_ticker *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (t == NULL)
		return NULL;
	t->progress = p;
	t->ms = ms;
	clock_gettime(CLOCK_MONOTONIC, &t->start);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	return t;
}

static void
ticker_free(struct fy_progress_ticker *t)
{
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int
fy_progress_start(struct fy_progress *p, enum fy_progress_mode mode,
		  void (*view)(void *ctx, const struct fy_progress_view *v),
		  void *ctx, unsigned ms, struct fy_error *err)
{
	struct fy_progress_ticker *t;
	int r;

	p->ticker = NULL;
	if (mode == FY_PROGRESS_AUTO)
		mode = isatty(STDERR_FILENO) ? FY_PROGRESS_BAR
					     : FY_PROGRESS_NONE;
	if (view == NULL && mode == FY_PROGRESS_NONE)
		return 0;
	if (ms == 0)
		ms = mode == FY_PROGRESS_JSON ? JSON_MS : BAR_MS;
	t = ticker_new(p, ms);
	if (t == NULL)
		return fy_error_nomem(err);
	t->mode = mode;
	t->view = view;
	t->ctx = ctx;
	r = pthread_create(&t->thread, NULL, ticker_main, t);
	if (r != 0) {
		ticker_free(t);
		return fy_error_set(err, FY_E_NOMEM, r,
				    "cannot start the progress thread");
	}
	p->ticker = t;
	return 0;
}

void
fy_progress_stop(struct fy_progress *p)
{
	struct fy_progress_ticker *t;

	if (p == NULL || p->ticker == NULL)
		return;
	t = p->ticker;
	pthread_mutex_lock(&t->lock);
	t->end = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	p->ticker = NULL;
	ticker_free(t);
}

void
fy_progress_phase_at(struct fy_progress *p, const char *phase, uint64_t done,
		     uint64_t total)
{
	if (p == NULL)
		return;
	atomic_store(&p->done, done);
	atomic_store(&p->total, total);
	atomic_store(&p->phase, phase);
}

void
fy_progress_phase(struct fy_progress *p, const char *phase, uint64_t total)
{
	fy_progress_phase_at(p, phase, 0, total);
}
