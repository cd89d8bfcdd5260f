/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WORKER_FRAMES_H
#define FY_WORKER_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/json.h"
#include "common/log.h"

/*
 * What a worker (common/worker.h) tells its parent.  A frame is its type and
 * the length of its payload (u32 each, little-endian), and the payload.
 */
enum fy_frame {
	FY_FRAME_LOG = 1,  /* level (4 bytes), line */
	FY_FRAME_LEAVES,   /* path */
	FY_FRAME_CONFINED, /* - */
	FY_FRAME_RESULT,   /* JSON text */
	FY_FRAME_ERROR,	   /* code, errno (4 bytes each), message */
};

#define FY_FRAME_MAX_LINE   4096u
#define FY_FRAME_MAX_RESULT (64u << 20)
#define FY_FRAME_MAX_LEFT   8u

/* The payload is 'a' and then 'b'. */
int fy_frame_send(int fd, enum fy_frame type, const void *a, size_t a_len,
		  const void *b, size_t b_len, struct fy_error *err);

/* What a worker has told.  The worker may be somebody else's by now: all of it
 * is bounded, and none of it is believed. */
struct fy_frames {
	/* Who reads sets these; 'receive' returns 1 with 'len' bytes, 0 when the
	 * stream ends before, -1 with 'err' set. */
	const char *what; /* "the injection", for messages */
	struct fy_log *log;
	int (*receive)(void *ctx, void *buf, size_t len, struct fy_error *err);
	void *ctx;

	bool confined;
	unsigned n_lines;
	char *left[FY_FRAME_MAX_LEFT]; /* absolute paths */
	size_t n_left;
	json_t *result;	       /* NULL: none was told */
	struct fy_error error; /* FY_E_NONE: none was told */
};

/* All frames, to the end of the stream: 0, or -1:
 *   FY_E_CHILD  they are none, or more than there may be
 *   FY_E_NOMEM, FY_E_FORMAT (the result is no JSON), what 'receive' says. */
int fy_frames_read(struct fy_frames *f, struct fy_error *err);
/* FY_E_CHILD: it does not behave. */
int fy_frames_broken(const struct fy_frames *f, const char *how,
		     struct fy_error *err);
void fy_frames_release(struct fy_frames *f);

#endif
