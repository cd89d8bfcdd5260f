/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SINK_H
#define FY_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/codec.h"
#include "common/error.h"

/*
 * An image that is being written, unit by unit, in any order, maybe over
 * several sessions.  The sink decides where a unit goes and says so (struct
 * fy_place); the journal keeps it; at the finish the sink builds its tables
 * from the journal's places.  What has no place reads as zero.
 *
 * Threads: one caller at a time.
 */
struct fy_sink_params {
	const char *format;	  /* "raw", "qcow2" */
	enum fy_codec compressed; /* of the image; FY_CODEC_NONE: plain */
	uint64_t disk_bytes;	  /* exact */
	uint32_t sector_bytes;
};

/* Where a unit lies in the image file. */
struct fy_place {
	uint64_t offset; /* of its first stored byte */
	uint32_t stored; /* bytes, of the payload or of the present clusters */
	uint8_t codec;	 /* enum fy_codec of what is stored */
	uint64_t mask;	 /* plain: bit i = 64 KiB cluster i is stored; the
			    others are zero */
};

/* One unit as the server has it: decompressed, verified, and as it came. */
struct fy_sink_unit {
	uint64_t index;
	const void *raw;     /* unit_bytes, zero-padded at the disk's end */
	const void *payload; /* as it came; == raw for FY_CODEC_NONE */
	uint32_t payload_bytes;
	enum fy_codec codec; /* of the payload */
};

struct fy_sink;

struct fy_sink_driver {
	const char *format;
	/* What this sink asks of the client. */
	int (*plan)(const struct fy_sink_params *params, uint32_t *unit_bytes,
		    enum fy_codec *codec /* NONE: any */, int *level,
		    unsigned *window_bits, struct fy_error *err);
	/* 'fd' is the image file, open for reading and writing, empty or from
	 * an earlier session; 'end' is the end of what the journal knows of
	 * (0 at the first time): bytes behind it are discarded. */
	int (*open)(struct fy_sink *s, uint64_t end, struct fy_error *err);
	int (*write)(struct fy_sink *s, const struct fy_sink_unit *u,
		     struct fy_place *ret, struct fy_error *err);
	/* Make what was there for this unit read as zero again (raw: punch a
	 * hole; others may do nothing, for the place is forgotten). */
	int (*forget)(struct fy_sink *s, uint64_t index,
		      const struct fy_place *old, struct fy_error *err);
	/* Build header and tables from the places, in unit order. */
	int (*finish)(struct fy_sink *s,
		      int (*next)(void *ctx, uint64_t *index,
				  struct fy_place *place, struct fy_error *err),
		      void *ctx, struct fy_error *err);
	void (*free)(struct fy_sink *s);
};

struct fy_sink {
	const struct fy_sink_driver *driver;
	struct fy_sink_params params;
	uint32_t unit_bytes;
	int fd;	      /* owned */
	uint64_t end; /* where the next unit goes (append-only sinks) */
	void *state;
};

extern const struct fy_sink_driver fy_sink_driver_raw;
extern const struct fy_sink_driver fy_sink_driver_qcow2;

/* The granularity of struct fy_place's mask. */
#define FY_SINK_CLUSTER_BYTES (64u << 10)

/* By name; NULL and FY_E_UNSUPPORTED naming what there is. */
const struct fy_sink_driver *fy_sink_driver_find(const char *format,
						 struct fy_error *err);

/*
 * Check 'params' and ask the driver for its plan: fy_sink_driver's 'plan' with
 * the checks that all formats share (FY_E_UNSUPPORTED, FY_E_USAGE).
 */
int fy_sink_plan(const struct fy_sink_params *params, uint32_t *unit_bytes,
		 enum fy_codec *codec, int *level, unsigned *window_bits,
		 struct fy_error *err);

/*
 * Takes 'fd', on failure too.  Cuts what lies behind 'end' and takes away a
 * header that an earlier finish wrote, so an image that is not finished is never
 * mistaken for a whole one (raw has no header: there its place tells).
 * FY_E_CORRUPT: the file is shorter than 'end'.
 */
struct fy_sink *fy_sink_open(const struct fy_sink_params *params, int fd,
			     uint64_t end, struct fy_error *err);
/* A unit twice in one session without a forget between is allowed (the later
 * one counts, when its place is the one that is kept). */
int fy_sink_write(struct fy_sink *s, const struct fy_sink_unit *u,
		  struct fy_place *ret, struct fy_error *err);
int fy_sink_forget(struct fy_sink *s, uint64_t index,
		   const struct fy_place *old, struct fy_error *err);
/* fdatasync of the image: what was written before is durable after. */
int fy_sink_sync(struct fy_sink *s, struct fy_error *err);
/* Tables, length, fsync.  'next' returns 1 with the next unit that has a place
 * (ascending index), 0 at the end, -1.  A place that can't be right is
 * FY_E_CORRUPT.  After a failure the sink may be freed and the image opened and
 * finished again; after success only freed. */
int fy_sink_finish(struct fy_sink *s,
		   int (*next)(void *ctx, uint64_t *index,
			       struct fy_place *place, struct fy_error *err),
		   void *ctx, struct fy_error *err);
void fy_sink_free(struct fy_sink *s);
FY_DEFINE_AUTO(sink, struct fy_sink, fy_sink_free)

#endif
