/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TRANSPORT_IN_H
#define FY_TRANSPORT_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imaging/wire.h"
#include "p2v-client/transport.h"

/*
 * The transport's receiving side: bytes to frames, the server's standard error
 * to the log, and words for a server that says something else.  Used by the
 * transport's thread only.
 */
struct fy_transport_in {
	struct fy_log *log;
	unsigned char header[FY_WIRE_HEADER_BYTES];
	size_t header_have;
	struct fy_wire_header h;
	unsigned char *payload;
	size_t payload_have, payload_room;
	bool in_payload;
	bool any_frame; /* at least one whole frame has come */
	bool stdout_ended, stderr_ended;
	uint64_t ended_at; /* ms, of stdout */
	/* What came instead of the first frame. */
	char noise[400];
	size_t noise_len;
	uint64_t noise_at; /* ms; 0: none */
	struct fy_error noise_error;
	/* standard error: the line so far, and the end of it all */
	char line[512];
	size_t line_len;
	char tail[300];
	size_t tail_len;
};

enum fy_in_result { FY_IN_NONE, FY_IN_SOME, FY_IN_ENDED, FY_IN_FAILED };

void fy_transport_in_init(struct fy_transport_in *in, struct fy_log *log);
void fy_transport_in_release(struct fy_transport_in *in);

/* Read what is there, hand over whole frames. */
enum fy_in_result fy_transport_in_read(
	struct fy_transport_in *in, struct fy_remote *link,
	const struct fy_transport_handler *handler, struct fy_error *err);

/* Whether to look again soon, though nothing may be readable. */
bool fy_transport_in_hurries(const struct fy_transport_in *in);

/* Make 'err' (filled: why the end is too early) say what is known of the
 * server's end: its last words, its exit status. */
void fy_transport_in_explain_end(const struct fy_transport_in *in,
				 struct fy_remote *link, struct fy_error *err);

/* Text of a stranger made fit for a message: one line, printable. */
void fy_clean_text(const void *text, size_t len, char *ret, size_t ret_size);

#endif
