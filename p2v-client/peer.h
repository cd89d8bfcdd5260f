/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PEER_H
#define FY_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/codec.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/progress.h"
#include "imaging/wire.h"
#include "p2v-client/convert.h"
#include "p2v-client/units.h"

/*
 * The client's side of docs/protocol.md: one convert job with a server.  The
 * calls below block until the server has answered; -1 when it said ERROR, the
 * connection went away, or the stop token was raised.  One thread at a time,
 * except for fy_peer_error.
 */
struct fy_peer;

struct fy_peer_disk {
	uint64_t size_bytes; /* in */
	/* by READY */
	uint64_t units;
	uint32_t unit_bytes;
	bool any_codec;	     /* the client chooses none or zstd */
	enum fy_codec codec; /* else this one */
	int level;
	unsigned window_bits;
	/* by DURABLE; less what ANSWER said once _wait_answers is through */
	struct fy_unit_set durable;
	struct fy_unit_set rejected; /* the transport's thread's until then */
	uint64_t durable_units;	     /* that READY and DURABLE named */
};

/* Connect, log in, HELLO, WELCOME.  '*ret_about' (may be NULL): as in
 * fy_connection_test. */
int fy_peer_open(const struct fy_server_options *options, struct fy_peer **ret,
		 char **ret_about, struct fy_error *err);

/*
 * Send JOB; wait for READY and DURABLE, or for DONE, when the server had
 * brought this very job to its end alone: then fy_peer_finish gives it at once.  'disks' (n of them, size_bytes
 * filled) is borrowed until fy_peer_free and gets what READY says; its
 * sets are to be released by the caller, on failure too.
 */
int fy_peer_job(struct fy_peer *s, const json_t *job,
		struct fy_peer_disk *disks, size_t n, struct fy_error *err);
bool fy_peer_is_finished(const struct fy_peer *s);
bool fy_peer_is_resumed(const struct fy_peer *s);
uint64_t fy_peer_seed(const struct fy_peer *s);

/*
 * Pass one: digests of n units from 'first' on; waits while too many are
 * unanswered.  Units that the server does not have like that are taken out of
 * disk's 'durable' once it has answered: read the set after
 * fy_peer_wait_answers.
 */
int fy_peer_check(struct fy_peer *s, uint16_t disk, uint64_t first, uint32_t n,
		  const struct fy_digest *digests, struct fy_error *err);
int fy_peer_wait_answers(struct fy_peer *s, struct fy_error *err);

/* Pass two.  'header' is coded already; 'used_bytes' of the unit count as
 * progress when the server has acknowledged it. */
struct fy_peer_unit {
	uint16_t disk;
	uint64_t unit;
	uint32_t raw_bytes, used_bytes;
	const unsigned char *header;
	const struct fy_digest *digest;
	const void *payload;
	size_t len;
};
int fy_peer_unit(struct fy_peer *s, const struct fy_peer_unit *u,
		 struct fy_error *err);
int fy_peer_zero(struct fy_peer *s, uint16_t disk, uint64_t first,
		 uint64_t count, struct fy_error *err);

/* UNREADABLE, before FINISH. */
int fy_peer_unreadable(struct fy_peer *s, uint16_t disk, const json_t *frame,
		       struct fy_error *err);

/* FINISH; wait for DONE, whose object is the caller's then. */
int fy_peer_finish(struct fy_peer *s, uint64_t units_sent, json_t **ret_done,
		   struct fy_error *err);

/* -1 with why, if the session has failed.  Any thread. */
int fy_peer_error(struct fy_peer *s, struct fy_error *err);

void fy_peer_set_progress(struct fy_peer *s, struct fy_progress *p);
uint64_t fy_peer_sent_bytes(const struct fy_peer *s);

/* Say why it ends ('why' NULL: it is done), close.  NULL is fine. */
void fy_peer_close(struct fy_peer *s, const struct fy_error *why);
static inline void
fy_peer_free(struct fy_peer *s)
{
	fy_peer_close(s, NULL);
}
FY_DEFINE_AUTO(peer, struct fy_peer, fy_peer_free)

#endif
