/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CHOOSER_H
#define FY_CHOOSER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/codec.h"
#include "p2v-client/convert.h"

/*
 * Chooses the compression of the wire.  --compress auto begins with zstd:1,
 * compares it with sending plain, keeps the faster, and compares again from
 * time to time: a machine, a link and data change on the way.
 */
struct fy_choice {
	enum fy_codec codec;
	int level;
	unsigned round; /* which measure it belongs to; 0: none */
};

/* What a comparison is made of, in this order; then FY_CHOOSER_STEADY. */
enum fy_chooser_stage {
	FY_CHOOSER_BEFORE, /* as now */
	FY_CHOOSER_TRIAL,  /* the other way */
	FY_CHOOSER_AFTER,  /* as now, again */
	FY_CHOOSER_STEADY, /* until it is time for another */
	FY_CHOOSER_FIXED   /* the user has chosen */
};

struct fy_chooser_measure {
	uint64_t stamped;	    /* raw bytes given out for it */
	uint64_t seen;		    /* of them came back */
	uint64_t skipped_wire;	    /* before it began to count */
	uint64_t first_ns;	    /* 0: nothing has come */
	uint64_t start_ns, end_ns;  /* 0: does not count yet */
	uint64_t raw, wire, cpu_ns; /* since 'start_ns' */
};

struct fy_chooser {
	pthread_mutex_t lock; /* guards all below */
	unsigned workers;
	enum fy_chooser_stage stage;
	unsigned round;
	enum fy_codec codec;
	int level;
	uint64_t steady, interval; /* raw bytes since, and until the next */
	bool news;		   /* 'why' has not been told */
	char why[200];
	struct fy_chooser_measure measures[3]; /* BEFORE, TRIAL, AFTER */
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
void fy_chooser_sent(struct fy_chooser *c, const struct fy_choice *choice,
		     uint64_t stamped, uint64_t raw, uint64_t wire,
		     uint64_t cpu_ns, uint64_t now_ns);

/* After the first choice and after each change: a sentence for the log; else
 * NULL. */
const char *fy_chooser_tell(struct fy_chooser *c);

#endif
