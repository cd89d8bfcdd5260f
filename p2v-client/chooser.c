/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Choosing the wire's compression by measuring both ways on the first data,
 * end to end: whatever limits (source, processors here or there, encryption,
 * link) is in the numbers.  The first SKIP_BYTES of each probe are not
 * counted, for they only fill buffers or are slowed by what was sent before.
 *
 * When the link blocks most of the time during the zstd probe, sending plain
 * bytes can't be faster, and is not tried; and when the processors could do
 * SPARE times what the link takes, zstd:3 is worth it.
 */
#include "p2v-client/chooser.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

#define SKIP_BYTES (UINT64_C(16) << 20)
#define GIVE_UP_NS UINT64_C(2000000000)
#define SPARE	   4.0
#define BLOCKED	   0.8
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

/* The link was waited for nearly all the time: no need to try without. */
static void
judge_zstd(struct fy_chooser *c)
{
	const struct fy_probe_measure *m = &c->measures[FY_PROBE_ZSTD];
	double rate = rate_of(m), elapsed, blocked, could;
	int level;

	if (rate <= 0 || (double)m->wire > 0.97 * (double)m->raw)
		return;
	elapsed = (double)(m->end_ns - m->start_ns);
	blocked = (double)(m->blocked_end_ns - m->blocked_start_ns) / elapsed;
	if (blocked < BLOCKED)
		return;
	could = m->cpu_ns == 0
			? 0
			: (double)m->raw * 1e9 * c->workers / (double)m->cpu_ns;
	level = could > SPARE * rate ? 3 : 1;
	choose(c, FY_CODEC_ZSTD, level);
	snprintf(c->why, sizeof(c->why),
		 "compression: zstd:%d, for the link is the bottleneck (%.0f "
		 "MB/s of disk with zstd:1 at %.0f %% of the size; the "
		 "processors could do %.0f MB/s)",
		 level, rate / MB, 100.0 * (double)m->wire / (double)m->raw,
		 could / MB);
}

static void
judge_both(struct fy_chooser *c)
{
	const struct fy_probe_measure *z = &c->measures[FY_PROBE_ZSTD];
	const struct fy_probe_measure *n = &c->measures[FY_PROBE_NONE];
	double with = rate_of(z), without = rate_of(n), least = 1.03;
	bool zstd;

	/* What hardly shrinks is not worth the work. */
	if ((double)z->wire > 0.95 * (double)z->raw)
		least = 0.97;
	zstd = without < least * with;
	choose(c, zstd ? FY_CODEC_ZSTD : FY_CODEC_NONE, 1);
	snprintf(c->why, sizeof(c->why),
		 "compression: %s, for the first data went at %.0f MB/s with "
		 "zstd:1 (%.0f %% of the size) and at %.0f MB/s without",
		 zstd ? "zstd:1" : "none", with / MB,
		 z->raw == 0 ? 100.0 : 100.0 * (double)z->wire / (double)z->raw,
		 without / MB);
}

/* Sending plain bytes turns out so slow that the rest need not be awaited. */
static bool
is_hopeless(const struct fy_chooser *c)
{
	const struct fy_probe_measure *n = &c->measures[FY_PROBE_NONE];

	return n->start_ns != 0 && n->end_ns - n->start_ns > GIVE_UP_NS &&
	       rate_of(n) < rate_of(&c->measures[FY_PROBE_ZSTD]) / 2;
}

void
fy_chooser_sent(struct fy_chooser *c, enum fy_probe probe, uint64_t stamped,
		uint64_t raw, uint64_t wire, uint64_t cpu_ns, uint64_t now_ns,
		uint64_t blocked_ns)
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
		if (m->seen < SKIP_BYTES)
			return;
		m->start_ns = m->end_ns = now_ns;
		m->blocked_start_ns = m->blocked_end_ns = blocked_ns;
		return;
	}
	m->raw += raw;
	m->wire += wire;
	m->cpu_ns += cpu_ns;
	m->end_ns = now_ns;
	m->blocked_end_ns = blocked_ns;
	if (probe == FY_PROBE_ZSTD) {
		if (m->seen >= FY_PROBE_BYTES)
			judge_zstd(c);
	} else if (m->seen >= FY_PROBE_BYTES || is_hopeless(c)) {
		judge_both(c);
	}
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
