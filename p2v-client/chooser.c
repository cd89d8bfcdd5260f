/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Choosing the wire's compression by measuring both ways, end to end: whatever
 * limits (source, processors here or there, encryption, link) is in the
 * numbers.  A comparison measures as now, the other way, and as now again; of
 * the two of now the better counts, so that a slow moment (a start, a sync on
 * the server) does not speak for the other way.  The first SKIP_WIRE bytes of
 * each measure are not counted: they only fill buffers, or are slowed by what
 * was sent before.  A trial that is hopeless ends early.  Comparisons come at
 * growing distances, sooner again after a change.
 *
 * How long the link blocks says nothing by itself: the cause may be the
 * server's processors just as well.  But a link that carries as few bytes a
 * second either way is slow, and a higher level is worth it if the processors
 * could do so much more.
 */
#include "p2v-client/chooser.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"

#define SKIP_WIRE      (UINT64_C(16) << 20)
#define SKIP_RAW       (UINT64_C(64) << 20)
#define SKIP_NS	       UINT64_C(2000000000)
#define MEASURE_BYTES  (UINT64_C(32) << 20)
#define MEASURE_NS     UINT64_C(2000000000)
#define LEAST_BYTES    (UINT64_C(2) << 20) /* a measure of less says nothing */
#define HOPELESS_NS    UINT64_C(100000000)
#define HOPELESS       0.6
#define GAIN	       1.03 /* what sending plain has to bring */
#define FIRST_INTERVAL (UINT64_C(1) << 30)
#define LAST_INTERVAL  (UINT64_C(64) << 30)
#define SLOW_LINK      30e6 /* bytes a second */
#define MB	       1e6

void
fy_chooser_init(struct fy_chooser *c, enum fy_compress_mode mode, int level,
		unsigned workers)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->workers = workers;
	c->codec = mode == FY_COMPRESS_NONE ? FY_CODEC_NONE : FY_CODEC_ZSTD;
	c->level = level > 0 ? level : 1;
	c->interval = FIRST_INTERVAL;
	c->round = 1;
	if (mode != FY_COMPRESS_AUTO)
		c->stage = FY_CHOOSER_FIXED;
}

void
fy_chooser_release(struct fy_chooser *c)
{
	pthread_mutex_destroy(&c->lock);
}

struct fy_choice
fy_chooser_next(struct fy_chooser *c, uint64_t raw)
{
	struct fy_choice choice;
	struct fy_chooser_measure *m;

	FY_LOCK_SCOPE(&c->lock);
	choice.codec = c->codec;
	choice.level = c->level;
	choice.round = 0;
	if (c->stage == FY_CHOOSER_FIXED)
		return choice;
	if (c->stage == FY_CHOOSER_STEADY) {
		choice.round = c->round;
		return choice;
	}
	m = &c->measures[c->stage];
	/* Enough of a trial is under way: until it has been judged, as
	 * before, and uncounted. */
	if (c->stage == FY_CHOOSER_TRIAL &&
	    m->stamped >= SKIP_RAW + MEASURE_BYTES)
		return choice;
	m->stamped += raw;
	choice.round = c->round;
	if (c->stage != FY_CHOOSER_TRIAL)
		return choice;
	choice.codec =
		c->codec == FY_CODEC_NONE ? FY_CODEC_ZSTD : FY_CODEC_NONE;
	choice.level = 1;
	return choice;
}

static double
rate_of(const struct fy_chooser_measure *m)
{
	if (m->end_ns <= m->start_ns || m->raw < LEAST_BYTES)
		return 0;
	return (double)m->raw * 1e9 / (double)(m->end_ns - m->start_ns);
}

/* The measure of the present way that speaks. */
static const struct fy_chooser_measure *
better_of_now(const struct fy_chooser *c)
{
	const struct fy_chooser_measure *a = &c->measures[FY_CHOOSER_BEFORE];
	const struct fy_chooser_measure *b = &c->measures[FY_CHOOSER_AFTER];

	return rate_of(b) > rate_of(a) ? b : a;
}

/* What a level costs, zstd:1 being 1, from measuring files of Linux. */
static double
cost_of_level(int level)
{
	return level >= 9 ? 7 : level >= 6 ? 4 : level >= 3 ? 1.5 : 1;
}

/*
 * The level that a slow link is worth: as many bytes a second went over it
 * with zstd as without, they are few, and the processors could do much more.
 */
static int
choose_level(const struct fy_chooser *c, const struct fy_chooser_measure *z,
	     const struct fy_chooser_measure *n)
{
	static const int levels[] = { 9, 6, 3 };
	double with = rate_of(z), without = rate_of(n), could, wire, cost = 1;
	size_t i;

	if (z->cpu_ns == 0 || z->raw == 0)
		return 1;
	if (c->codec == FY_CODEC_ZSTD)
		cost = cost_of_level(c->level);
	could = (double)z->raw * 1e9 * c->workers / (double)z->cpu_ns * cost;
	wire = with * (double)z->wire / (double)z->raw;
	if (without >= SLOW_LINK || wire >= 1.5 * without)
		return 1;
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (could > 2.6 * cost_of_level(levels[i]) * with)
			return levels[i];
	return 1;
}

static void
explain(struct fy_chooser *c, double with, double without, double percent)
{
	char how[16] = "none";

	if (c->codec != FY_CODEC_NONE)
		snprintf(how, sizeof(how), "zstd:%d", c->level);
	snprintf(c->why, sizeof(c->why),
		 "compression: %s, for data went at %.0f MB/s with zstd "
		 "(%.0f %% of the size) and at %.0f MB/s without",
		 how, with / MB, percent, without / MB);
	c->news = true;
}

static void
begin(struct fy_chooser *c, enum fy_chooser_stage stage)
{
	c->stage = stage;
	c->round++;
	c->steady = 0;
	if (stage == FY_CHOOSER_BEFORE)
		memset(c->measures, 0, sizeof(c->measures));
}

/* Both ways have been measured. */
static void
judge(struct fy_chooser *c)
{
	const struct fy_chooser_measure *now = better_of_now(c);
	const struct fy_chooser_measure *trial = &c->measures[FY_CHOOSER_TRIAL];
	bool is_zstd = c->codec == FY_CODEC_ZSTD, first = c->why[0] == '\0';
	const struct fy_chooser_measure *z = is_zstd ? now : trial;
	const struct fy_chooser_measure *n = is_zstd ? trial : now;
	double with = rate_of(z), without = rate_of(n), gain = GAIN;
	enum fy_codec codec;
	int level;

	begin(c, FY_CHOOSER_STEADY);
	/* Too little came to tell (a disk full of zeros). */
	if (with == 0 || without == 0)
		return;
	/* What hardly shrinks is not worth the work. */
	if ((double)z->wire > 0.95 * (double)z->raw)
		gain = 1 / GAIN;
	codec = without < gain * with ? FY_CODEC_ZSTD : FY_CODEC_NONE;
	level = codec == FY_CODEC_ZSTD ? choose_level(c, z, n) : 1;
	if (codec == c->codec && level == c->level)
		c->interval = fy_min_u64(4 * c->interval, LAST_INTERVAL);
	else
		c->interval = FIRST_INTERVAL;
	if (!first && codec == c->codec && level == c->level)
		return;
	c->codec = codec;
	c->level = level;
	explain(c, with, without, 100.0 * (double)z->wire / (double)z->raw);
}

/* Whether a trial turns out so slow that the rest need not be awaited. */
static bool
is_hopeless(const struct fy_chooser *c)
{
	const struct fy_chooser_measure *t = &c->measures[FY_CHOOSER_TRIAL];

	return t->end_ns - t->start_ns > HOPELESS_NS && t->raw >= LEAST_BYTES &&
	       rate_of(t) < HOPELESS * rate_of(&c->measures[FY_CHOOSER_BEFORE]);
}

static bool
is_enough(const struct fy_chooser *c, const struct fy_chooser_measure *m)
{
	if (m->raw >= MEASURE_BYTES)
		return true;
	if (m->end_ns - m->start_ns >= MEASURE_NS && m->raw >= LEAST_BYTES)
		return true;
	return c->stage == FY_CHOOSER_TRIAL && is_hopeless(c);
}

/* Add to the measure; true when it is complete. */
static bool
measure(struct fy_chooser *c, struct fy_chooser_measure *m, uint64_t raw,
	uint64_t wire, uint64_t cpu_ns, uint64_t now_ns)
{
	if (m->first_ns == 0)
		m->first_ns = now_ns;
	if (m->start_ns == 0) {
		/* Until the buffers hold nothing else. */
		m->skipped_wire += wire;
		if (m->skipped_wire >= SKIP_WIRE || m->seen >= SKIP_RAW ||
		    now_ns - m->first_ns >= SKIP_NS)
			m->start_ns = m->end_ns = now_ns;
		return false;
	}
	m->raw += raw;
	m->wire += wire;
	m->cpu_ns += cpu_ns;
	m->end_ns = now_ns;
	return is_enough(c, m);
}

void
fy_chooser_sent(struct fy_chooser *c, const struct fy_choice *choice,
		uint64_t stamped, uint64_t raw, uint64_t wire, uint64_t cpu_ns,
		uint64_t now_ns)
{
	struct fy_chooser_measure *m;

	FY_LOCK_SCOPE(&c->lock);
	if (choice->round != c->round || c->stage == FY_CHOOSER_FIXED)
		return;
	if (c->stage == FY_CHOOSER_STEADY) {
		c->steady += raw;
		if (c->steady >= c->interval)
			begin(c, FY_CHOOSER_BEFORE);
		return;
	}
	m = &c->measures[c->stage];
	m->seen += stamped;
	/* A trial also ends when all that was given out for it has come. */
	if (!measure(c, m, raw, wire, cpu_ns, now_ns) &&
	    (c->stage != FY_CHOOSER_TRIAL ||
	     m->seen < SKIP_RAW + MEASURE_BYTES))
		return;
	if (c->stage == FY_CHOOSER_AFTER)
		judge(c);
	else
		begin(c, c->stage + 1);
}

const char *
fy_chooser_tell(struct fy_chooser *c)
{
	FY_LOCK_SCOPE(&c->lock);
	if (!c->news)
		return NULL;
	c->news = false;
	return c->why;
}
