/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINK_H
#define FY_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/json.h"
#include "common/stop.h"
#include "imaging/wire.h"

/*
 * The server's end of a connection: frames in, frames out, heartbeats, and the
 * end by silence.
 *
 * Threads: one reader at a time; senders from any thread.  A thread of the
 * link's own sends BEAT when nothing else was sent for 'beat_ms'.
 */
struct fy_link {
	int in, out;	   /* borrowed */
	int out_flags;	   /* to be put back; -1: nothing to put back */
	unsigned beat_ms;  /* own silence before a BEAT */
	unsigned quiet_ms; /* the peer's silence that ends the job */
	const struct fy_stop *stop;
	int wake; /* eventfd: makes a blocked reader return */

	pthread_mutex_t lock; /* sending; guards 'broken' */
	bool broken;	      /* the peer is gone: frames are dropped */
	_Atomic uint64_t sent_ms;

	bool beating; /* the thread runs */
	pthread_t beater;
	int beater_end; /* eventfd */

	unsigned char *buffer; /* the reader's */
	size_t have, used;
};

/* 'in' and 'out' are borrowed; 0 for the times means the protocol's. */
int fy_link_init(struct fy_link *l, int in, int out, unsigned beat_ms,
		 unsigned quiet_ms, const struct fy_stop *stop,
		 struct fy_error *err);
void fy_link_release(struct fy_link *l);

/* Begin to send heartbeats. */
int fy_link_start_beating(struct fy_link *l, struct fy_error *err);

/*
 * The next frame's header; BEAT frames are swallowed.  1, or 0 when the peer
 * closed between two frames, or -1: FY_E_CONNECTION (cut in a frame, silence),
 * FY_E_PROTOCOL, FY_E_CORRUPT, FY_E_CANCELLED (fy_link_wake or the stop
 * token), and for an ERROR frame the code and message that the peer sent.
 */
int fy_link_next(struct fy_link *l, struct fy_wire_header *ret,
		 struct fy_error *err);
/* The payload, all of it, of the header that came last. */
int fy_link_payload(struct fy_link *l, const struct fy_wire_header *h,
		    void *ret, struct fy_error *err);
/* Read and parse a JSON payload of that header; its CRC is checked. */
int fy_link_json(struct fy_link *l, const struct fy_wire_header *h,
		 json_t **ret, struct fy_error *err);
/* Throw away what comes until the peer closes, 'ms' at most: whether it did. */
bool fy_link_drain(struct fy_link *l, unsigned ms);
/* Make a reader that waits return with FY_E_CANCELLED, once. */
void fy_link_wake(struct fy_link *l);

/* Send a frame; after the peer is gone it is dropped, and that is FY_E_CONNECTION. */
int fy_link_send(struct fy_link *l, enum fy_wire_type type, uint16_t disk,
		 uint64_t number, const void *payload, size_t len,
		 struct fy_error *err);
int fy_link_send_json(struct fy_link *l, enum fy_wire_type type,
		      const json_t *j, struct fy_error *err);
/* {"level","message"}; failures are forgotten. */
void fy_link_send_log(struct fy_link *l, const char *level, const char *line);
/* {"code","message"}; failures are forgotten. */
void fy_link_send_error(struct fy_link *l, const struct fy_error *what);

/* From now on drop all frames. */
void fy_link_break(struct fy_link *l);
bool fy_link_is_broken(struct fy_link *l);

#endif
