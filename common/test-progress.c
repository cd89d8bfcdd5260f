/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Progress: the ticker shows phases, counters and a rate that is near the
 * truth; it stops promptly; the JSON lines are JSON.
 */
#undef NDEBUG
#include "common/progress.h"

#include <assert.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct seen {
	unsigned views;
	struct fy_progress_view last;
	uint64_t best_rate;
};

static void
on_view(void *ctx, const struct fy_progress_view *v)
{
	struct seen *s = ctx;

	s->views++;
	s->last = *v;
	if (v->rate > s->best_rate)
		s->best_rate = v->rate;
}

static void
nap(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
test_views(void)
{
	struct fy_progress p = { .phase = NULL };
	struct fy_error err = { .code = FY_E_NONE };
	struct seen s = { .views = 0 };
	double start;
	unsigned i;

	assert(fy_progress_start(&p, FY_PROGRESS_NONE, on_view, &s, 20, &err) ==
	       0);
	start = now();
	fy_progress_phase(&p, "copy", 1000000);
	for (i = 0; i < 20; i++) {
		fy_progress_add(&p, 10000, 4000);
		nap(10);
	}
	fy_progress_stop(&p);
	assert(s.views >= 3);
	assert(strcmp(s.last.phase, "copy") == 0);
	assert(s.last.done == 200000 && s.last.sent == 80000);
	assert(s.last.total == 1000000);
	/* 200000 in at least 0.2 s; loaded machines are slower, never
	 * faster than one burst allows. */
	assert(s.best_rate > 0 && s.best_rate < 20000000);
	assert(s.last.rate == 0 || s.last.seconds_left < 1000);
	assert(now() - start < 5.0);
}

static void
test_stops_promptly(void)
{
	struct fy_progress p = { .phase = NULL };
	struct fy_error err = { .code = FY_E_NONE };
	struct seen s = { .views = 0 };
	double start = now();

	assert(fy_progress_start(&p, FY_PROGRESS_NONE, on_view, &s, 60000,
				 &err) == 0);
	fy_progress_phase(&p, "scan", 7);
	fy_progress_add(&p, 7, 0);
	fy_progress_stop(&p);
	assert(now() - start < 5.0);
	/* The last state is shown all the same. */
	assert(s.views == 1 && s.last.done == 7);
	assert(s.last.seconds_left == 0);
	fy_progress_stop(&p);
	fy_progress_add(NULL, 1, 1);
	fy_progress_phase(NULL, "x", 1);
}

static void
test_json(void)
{
	char path[] = "/tmp/fy-progress.XXXXXX", text[4096];
	struct fy_progress p = { .phase = NULL };
	struct fy_error err = { .code = FY_E_NONE };
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	json_t *j;
	ssize_t n;
	char *end;

	assert(fd >= 0 && saved >= 0);
	unlink(path);
	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	assert(fy_progress_start(&p, FY_PROGRESS_JSON, NULL, NULL, 30000,
				 &err) == 0);
	fy_progress_phase(&p, "inject", 10);
	fy_progress_add(&p, 3, 5);
	fy_progress_stop(&p);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert(n > 0);
	text[n] = '\0';
	end = strchr(text, '\n');
	assert(end != NULL && end[1] == '\0');
	j = json_loads(text, 0, NULL);
	assert(j != NULL);
	assert(strcmp(json_string_value(json_object_get(j, "phase")),
		      "inject") == 0);
	assert(json_integer_value(json_object_get(j, "done")) == 3);
	assert(json_integer_value(json_object_get(j, "sent")) == 5);
	assert(json_object_get(j, "seconds_left") != NULL);
	json_decref(j);
	close(fd);
	close(saved);
}

int
main(void)
{
	test_views();
	test_stops_promptly();
	test_json();
	return 0;
}
