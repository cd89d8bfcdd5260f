/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CHOOSER_H
#define FY_CHOOSER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "imaging/codec.h"
#include "p2v-client/convert.h"

/*
 * Chooses the compression of the wire.  --compress auto: the first
 * FY_PROBE_BYTES of used data go with zstd:1, the next with none, and the
 * faster of the two stays.
 */
#define FY_PROBE_BYTES (UINT64_C(64) << 20)

enum fy_probe { FY_PROBE_ZSTD, FY_PROBE_NONE, FY_PROBE_OVER };

struct fy_probe_measure {
	uint64_t stamped;	    /* raw bytes given out with this probe */
	uint64_t seen;		    /* raw bytes that came back */
	uint64_t raw, wire, cpu_ns; /* since 'start_ns' */
	uint64_t start_ns, end_ns;  /* 0: not begun */
	bool skipped;		    /* the first of it is out of the measure */
};

struct fy_chooser {
	pthread_mutex_t lock; /* guards all below */
	unsigned workers;
	enum fy_probe probe; /* that is being stamped */
	enum fy_codec codec; /* once it is over */
	int level;
	bool told;
	char why[200];
	struct fy_probe_measure measures[2];
};

struct fy_choice {
	enum fy_codec codec;
	int level;
	enum fy_probe probe;
};

void fy_chooser_init(struct fy_chooser *c, enum fy_compress_mode mode,
		     int level, unsigned workers);
void fy_chooser_release(struct fy_chooser *c);

/* How to compress the next 'raw' bytes.  The producer's thread. */
struct fy_choice fy_chooser_next(struct fy_chooser *c, uint64_t raw);

/*
 * They came out: of 'stamped' bytes (as given to fy_chooser_next) 'raw' were
 * not zero, and were sent as 'wire' bytes, compressed in 'cpu_ns' of
 * processor time; now it is 'now_ns'.  The consumer's thread.
 */
void fy_chooser_sent(struct fy_chooser *c, enum fy_probe probe,
		     uint64_t stamped, uint64_t raw, uint64_t wire,
		     uint64_t cpu_ns, uint64_t now_ns);

/* Once, when the choice has been made: a sentence for the log; else NULL. */
const char *fy_chooser_tell(struct fy_chooser *c);

#endif
