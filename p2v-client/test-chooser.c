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

/* Send 'batches'; returns the bytes a second at the end. */
static enum fy_codec
play(const struct machine *m, unsigned batches, int *ret_level)
{
	double now = 1;
	struct fy_choice queue[8], c = { .codec = FY_CODEC_NONE };
	struct fy_chooser chooser;
	unsigned i, told = 0;
	const char *why;

	fy_chooser_init(&chooser, FY_COMPRESS_AUTO, 0, 2);
	for (i = 0; i < batches + 8; i++) {
		bool zstd;

		c = queue[i % 8];
		zstd = c.codec == FY_CODEC_ZSTD;
		if (i >= 8) {
			now += batch_seconds(m, zstd);
			fy_chooser_sent(
				&chooser, c.probe, BATCH, BATCH,
				(uint64_t)((double)BATCH *
					   (zstd ? m->ratio : 1)),
				(uint64_t)(zstd ? (double)BATCH * 2e9 / m->zstd
						: 0),
				(uint64_t)(now * 1e9));
			why = fy_chooser_tell(&chooser);
			told += why != NULL;
		}
		queue[i % 8] = fy_chooser_next(&chooser, BATCH);
	}
	CHECK(told == 1);
	c = fy_chooser_next(&chooser, BATCH);
	CHECK(c.probe == FY_PROBE_OVER);
	*ret_level = c.level;
	fy_chooser_release(&chooser);
	return c.codec;
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
		/* 100 Mb/s: time enough for zstd:3 */
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
	int level;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum fy_codec codec = play(&cases[i].m, 400, &level);

		if ((codec == FY_CODEC_ZSTD) != cases[i].zstd)
			fprintf(stderr, "machine %zu\n", i);
		CHECK((codec == FY_CODEC_ZSTD) == cases[i].zstd);
		if (cases[i].zstd)
			CHECK((level == 3) == cases[i].deeper);
	}
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
	test_fixed();
	return test_result();
}
