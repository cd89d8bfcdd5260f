/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Choosing the wire's compression by measuring both ways on the first data,
 * end to end: whatever limits (source, processors here or there, encryption,
 * link) is in the numbers.  The first SKIP_BYTES of each probe are not
 * counted, for they only fill buffers or are slowed by what was sent before.
 *
 * How long the link blocks says nothing by itself: the cause may be the
 * server's processors just as well.  But a link that carries as few bytes a
 * second either way is slow, and zstd:3 is worth it if the processors could do
 * SPARE times as much.
 */
#include "p2v-client/chooser.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

#define SKIP_BYTES (UINT64_C(16) << 20)
#define GIVE_UP_NS UINT64_C(2000000000)
#define SPARE	   4.0
#define SLOW_LINK  30e6 /* bytes a second */
#define MB	   1e6

void
fy_chooser_init(struct fy_chooser *c, enum fy_compress_mode mode, int level,
		unsigned workers)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->workers = workers;
	if (mode == FY_COMPRESS_AUTO)
		return;
	c->probe = FY_PROBE_OVER;
	c->told = true;
	c->codec = mode == FY_COMPRESS_ZSTD ? FY_CODEC_ZSTD : FY_CODEC_NONE;
	c->level = level > 0 ? level : 1;
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

	FY_LOCK_SCOPE(&c->lock);
	choice.probe = c->probe;
	choice.codec = c->codec;
	choice.level = c->level;
	if (c->probe == FY_PROBE_OVER)
		return choice;
	c->measures[c->probe].stamped += raw;
	choice.codec = FY_CODEC_ZSTD;
	choice.level = 1;
	if (c->probe == FY_PROBE_ZSTD) {
		if (c->measures[FY_PROBE_ZSTD].stamped >= FY_PROBE_BYTES)
			c->probe = FY_PROBE_NONE;
	} else if (c->measures[FY_PROBE_NONE].stamped <= FY_PROBE_BYTES + raw) {
		choice.codec = FY_CODEC_NONE;
	} else {
		/* Enough is under way: until it has been judged, as before,
		 * and uncounted. */
		choice.probe = FY_PROBE_OVER;
	}
	return choice;
}

static double
rate_of(const struct fy_probe_measure *m)
{
	if (m->end_ns <= m->start_ns)
		return 0;
	return (double)m->raw * 1e9 / (double)(m->end_ns - m->start_ns);
}

static void
choose(struct fy_chooser *c, enum fy_codec codec, int level)
{
	c->codec = codec;
	c->level = level;
	c->probe = FY_PROBE_OVER;
}

/*
 * Whether the link alone is the limit: as many bytes a second went over it
 * with zstd:1 as without, they are few, and the processors could do much more.
 */
static bool
is_slow_link(const struct fy_chooser *c)
{
	const struct fy_probe_measure *z = &c->measures[FY_PROBE_ZSTD];
	const struct fy_probe_measure *n = &c->measures[FY_PROBE_NONE];
	double with = rate_of(z), without = rate_of(n), could, wire;

	if (z->cpu_ns == 0 || z->raw == 0)
		return false;
	could = (double)z->raw * 1e9 * c->workers / (double)z->cpu_ns;
	wire = with * (double)z->wire / (double)z->raw;
	return without < SLOW_LINK && wire < 1.5 * without &&
	       could > SPARE * with;
}

static void
judge_both(struct fy_chooser *c)
{
	const struct fy_probe_measure *z = &c->measures[FY_PROBE_ZSTD];
	const struct fy_probe_measure *n = &c->measures[FY_PROBE_NONE];
	double with = rate_of(z), without = rate_of(n), least = 1.03;
	bool zstd;
	int level;

	/* What hardly shrinks is not worth the work. */
	if ((double)z->wire > 0.95 * (double)z->raw)
		least = 0.97;
	zstd = without < least * with;
	level = zstd && is_slow_link(c) ? 3 : 1;
	choose(c, zstd ? FY_CODEC_ZSTD : FY_CODEC_NONE, level);
	snprintf(c->why, sizeof(c->why),
		 "compression: %s, for the first data went at %.0f MB/s with "
		 "zstd:1 (%.0f %% of the size) and at %.0f MB/s without",
		 !zstd	      ? "none"
		 : level == 3 ? "zstd:3"
			      : "zstd:1",
		 with / MB,
		 z->raw == 0 ? 100.0 : 100.0 * (double)z->wire / (double)z->raw,
		 without / MB);
}

/* Sending plain bytes turns out so slow that the rest need not be awaited. */
static bool
is_hopeless(const struct fy_chooser *c)
{
	const struct fy_probe_measure *n = &c->measures[FY_PROBE_NONE];

	return n->end_ns - n->start_ns > GIVE_UP_NS &&
	       rate_of(n) < rate_of(&c->measures[FY_PROBE_ZSTD]) / 2;
}

void
fy_chooser_sent(struct fy_chooser *c, enum fy_probe probe, uint64_t stamped,
		uint64_t raw, uint64_t wire, uint64_t cpu_ns, uint64_t now_ns)
{
	struct fy_probe_measure *m;

	if (probe == FY_PROBE_OVER)
		return;
	FY_LOCK_SCOPE(&c->lock);
	if (c->probe == FY_PROBE_OVER)
		return;
	m = &c->measures[probe];
	m->seen += stamped;
	if (m->start_ns == 0) {
		m->start_ns = m->end_ns = now_ns;
		return;
	}
	m->raw += raw;
	m->wire += wire;
	m->cpu_ns += cpu_ns;
	m->end_ns = now_ns;
	if (!m->skipped && m->seen >= SKIP_BYTES) {
		/* The buffers are full: measure from here. */
		m->skipped = true;
		if (probe == FY_PROBE_ZSTD || !is_hopeless(c)) {
			m->raw = m->wire = m->cpu_ns = 0;
			m->start_ns = now_ns;
		}
	}
	if (probe == FY_PROBE_NONE &&
	    (m->seen >= FY_PROBE_BYTES || is_hopeless(c)))
		judge_both(c);
}

const char *
fy_chooser_tell(struct fy_chooser *c)
{
	FY_LOCK_SCOPE(&c->lock);
	if (c->told || c->probe != FY_PROBE_OVER)
		return NULL;
	c->told = true;
	return c->why;
}
