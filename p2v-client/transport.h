/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TRANSPORT_H
#define FY_TRANSPORT_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "common/stop.h"
#include "imaging/wire.h"
#include "p2v-client/remote.h"

/*
 * Moves frames over a link.  A thread of its own owns the link: it writes what
 * fy_transport_send puts into a bounded ring, reads and checks frames, sends
 * BEATs, notices silence and the stop token.
 */
struct fy_transport;

struct fy_transport_handler {
	/* A checked frame (never BEAT), in the transport's thread.  -1 fails
	 * the transport with 'err'. */
	int (*frame)(void *ctx, const struct fy_wire_header *header,
		     const unsigned char *payload, struct fy_error *err);
	/* The link ended.  0: that is all right (DONE has come). */
	int (*ended)(void *ctx, struct fy_error *err);
	/* Once, in the transport's thread: nothing can be sent any more, and
	 * this is why. */
	void (*failed)(void *ctx, const struct fy_error *why);
	void *ctx;
};

struct fy_transport_options {
	uint64_t limit_rate;	      /* bytes per second, 0: none */
	struct fy_log *log;	      /* gets the server's standard error */
	const struct fy_stop *stop;   /* raised: fails with FY_E_CANCELLED */
	unsigned beat_ms, silence_ms; /* 0: the protocol's */
};

/* Takes the link, on failure too. */
int fy_transport_new(struct fy_remote link,
		     const struct fy_transport_options *o,
		     const struct fy_transport_handler *handler,
		     struct fy_transport **ret, struct fy_error *err);

/*
 * Send a frame: a coded header and its payload in two parts (either may be
 * empty).  Blocks while the ring is full.  Any thread; frames are not mixed.
 * -1: the transport has failed; 'err' is why.
 */
int fy_transport_send(struct fy_transport *t,
		      const unsigned char header[FY_WIRE_HEADER_BYTES],
		      const void *part1, size_t len1, const void *part2,
		      size_t len2, struct fy_error *err);

/* Code a header and send. */
int fy_transport_send_frame(struct fy_transport *t, struct fy_wire_header *h,
			    const void *payload, size_t len,
			    struct fy_error *err);

/*
 * Say why we leave (an ERROR frame), if that is still possible, and wait until
 * it is sent, at most 'ms'.
 */
void fy_transport_goodbye(struct fy_transport *t, const struct fy_error *why,
			  unsigned ms);

/* Bytes given to the link so far. */
uint64_t fy_transport_sent(const struct fy_transport *t);

/* Ends the thread and closes the link.  NULL is fine. */
void fy_transport_free(struct fy_transport *t);
FY_DEFINE_AUTO(transport, struct fy_transport, fy_transport_free)

#endif
