/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The choice of compression, played through with simulated machines: what is
 * chosen is never much slower than the better of none and zstd:1.
 */
#include "common/test.h"
#include "p2v-client/chooser.h"

#define MB    1000000.0
#define BATCH (UINT64_C(2) << 20)

struct machine {
	double source, link; /* bytes a second */
	double zstd;	     /* of all workers together */
	double ratio;	     /* size after / before */
};

/* Seconds for one batch. */
static double
batch_seconds(const struct machine *m, bool zstd)
{
	double bytes = (double)BATCH, read = bytes / m->source;
	double link = bytes * (zstd ? m->ratio : 1) / m->link;
	double cpu = zstd ? bytes / m->zstd : 0, most = read;

	if (cpu > most)
		most = cpu;
	return link > most ? link : most;
}

struct play {
	unsigned batches;
	double slow_until;   /* seconds in which zstd gets nowhere */
	enum fy_codec codec; /* at the end, and the level */
	int level;
	unsigned plain; /* batches that went without compression */
	unsigned told;
};

static void
play(const struct machine *m, struct play *p)
{
	double now = 1;
	struct fy_choice queue[8], c = { .codec = FY_CODEC_NONE };
	struct fy_chooser chooser;
	unsigned i;

	fy_chooser_init(&chooser, FY_COMPRESS_AUTO, 0, 2);
	for (i = 0; i < p->batches + 8; i++) {
		c = queue[i % 8];
		if (i >= 8) {
			bool zstd = c.codec == FY_CODEC_ZSTD;

			now += batch_seconds(m, zstd);
			if (now < 1 + p->slow_until)
				now += (double)BATCH / (40 * MB);
			p->plain += !zstd;
			fy_chooser_sent(
				&chooser, &c, BATCH, BATCH,
				(uint64_t)((double)BATCH *
					   (zstd ? m->ratio : 1)),
				(uint64_t)(zstd ? (double)BATCH * 2e9 / m->zstd
						: 0),
				(uint64_t)(now * 1e9));
			p->told += fy_chooser_tell(&chooser) != NULL;
		}
		queue[i % 8] = fy_chooser_next(&chooser, BATCH);
	}
	c = fy_chooser_next(&chooser, BATCH);
	p->codec = chooser.codec;
	p->level = chooser.level;
	fy_chooser_release(&chooser);
}

static void
test_machines(void)
{
	static const struct {
		struct machine m;
		bool zstd, deeper;
	} cases[] = {
		/* 10 GbE, two cores: none */
		{ { 2000 * MB, 1100 * MB, 700 * MB, 0.4 }, false, false },
		/* 1 Gb/s */
		{ { 2000 * MB, 117 * MB, 800 * MB, 0.4 }, true, false },
		/* 100 Mb/s: time enough for higher levels */
		{ { 2000 * MB, 11 * MB, 800 * MB, 0.4 }, true, true },
		/* a slow disk: fewer bytes for nothing */
		{ { 120 * MB, 1100 * MB, 700 * MB, 0.4 }, true, false },
		/* what does not shrink */
		{ { 2000 * MB, 117 * MB, 1500 * MB, 1.0 }, false, false },
		{ { 2000 * MB, 1100 * MB, 900 * MB, 0.99 }, false, false },
		/* a slow link that shows only without compression */
		{ { 500 * MB, 20 * MB, 900 * MB, 0.02 }, true, false },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct play p = { .batches = 400 };

		play(&cases[i].m, &p);
		if ((p.codec == FY_CODEC_ZSTD) != cases[i].zstd)
			fprintf(stderr, "machine %zu\n", i);
		CHECK((p.codec == FY_CODEC_ZSTD) == cases[i].zstd);
		CHECK(p.told == 1);
		if (cases[i].zstd)
			CHECK((p.level >= 3) == cases[i].deeper);
	}
}

/* A start that is slow for other reasons does not speak against zstd. */
static void
test_slow_start(void)
{
	struct machine m = { 2000 * MB, 117 * MB, 800 * MB, 0.32 };
	struct play p = { .batches = 1000, .slow_until = 1.5 };

	play(&m, &p);
	CHECK(p.codec == FY_CODEC_ZSTD);
	/* The trial cost little: 64 MiB are 32 batches. */
	CHECK(p.plain > 8 && p.plain < 32);
}

/* A machine that changes on the way: found out, and within the interval. */
static void
test_change(void)
{
	struct machine fast = { 2000 * MB, 1100 * MB, 700 * MB, 0.4 };
	struct machine slow = { 2000 * MB, 117 * MB, 800 * MB, 0.4 };
	struct fy_chooser chooser;
	double now = 1;
	unsigned i;

	fy_chooser_init(&chooser, FY_COMPRESS_AUTO, 0, 2);
	for (i = 0; i < 6000; i++) {
		const struct machine *m = i < 1000 ? &fast : &slow;
		struct fy_choice c = fy_chooser_next(&chooser, BATCH);
		bool zstd = c.codec == FY_CODEC_ZSTD;

		if (i == 1000)
			CHECK(chooser.codec == FY_CODEC_NONE);
		now += batch_seconds(m, zstd);
		fy_chooser_sent(
			&chooser, &c, BATCH, BATCH,
			(uint64_t)((double)BATCH * (zstd ? m->ratio : 1)),
			1000000, (uint64_t)(now * 1e9));
	}
	CHECK(chooser.codec == FY_CODEC_ZSTD);
	fy_chooser_release(&chooser);
}

static void
test_fixed(void)
{
	struct fy_chooser chooser;
	struct fy_choice c;

	fy_chooser_init(&chooser, FY_COMPRESS_ZSTD, 7, 2);
	c = fy_chooser_next(&chooser, BATCH);
	CHECK(c.codec == FY_CODEC_ZSTD && c.level == 7);
	CHECK(fy_chooser_tell(&chooser) == NULL);
	fy_chooser_release(&chooser);
	fy_chooser_init(&chooser, FY_COMPRESS_NONE, 0, 2);
	c = fy_chooser_next(&chooser, BATCH);
	CHECK(c.codec == FY_CODEC_NONE);
	fy_chooser_release(&chooser);
}

int
main(void)
{
	test_machines();
	test_slow_start();
	test_change();
	test_fixed();
	return test_result();
}
