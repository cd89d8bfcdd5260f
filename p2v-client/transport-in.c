/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The receiving side.  A frame's length is checked against its type's limit
 * (by fy_wire_decode) before anything is allocated.
 *
 * When the first bytes are no frame, the other side is most likely a login
 * shell that talks, or one that has no v2v-server to start.  Then a little
 * more is read (NOISE_MS), so that the message can show what it said.  After
 * the end of its standard output the server's standard error gets END_MS to
 * end, too: the reason is often there.
 */
#include "p2v-client/transport-in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/clock.h"

#define NOISE_MS 700u
#define END_MS	 2000u

void
fy_transport_in_init(struct fy_transport_in *in, struct fy_log *log)
{
	memset(in, 0, sizeof(*in));
	in->log = log;
}

void
fy_transport_in_release(struct fy_transport_in *in)
{
	free(in->payload);
	in->payload = NULL;
}

void
fy_clean_text(const void *text, size_t len, char *ret, size_t ret_size)
{
	const unsigned char *p = text;
	size_t i, n = 0;

	for (i = 0; i < len && n + 1 < ret_size; i++) {
		if (p[i] == '\n' && i + 1 < len)
			ret[n++] = ' ';
		else if (p[i] >= 0x20 && p[i] != 0x7f)
			ret[n++] = (char)p[i];
	}
	ret[n] = '\0';
}

/* --- standard error --------------------------------------------------------- */

static void
flush_line(struct fy_transport_in *in)
{
	char clean[sizeof(in->line) + 1];

	if (in->line_len == 0)
		return;
	fy_clean_text(in->line, in->line_len, clean, sizeof(clean));
	fy_log_info(in->log, "server: %s", clean);
	in->line_len = 0;
}

static void
take_stderr(struct fy_transport_in *in, const char *buf, size_t len)
{
	size_t i, drop;

	for (i = 0; i < len; i++) {
		if (buf[i] == '\n' || in->line_len == sizeof(in->line))
			flush_line(in);
		if (buf[i] != '\n')
			in->line[in->line_len++] = buf[i];
	}
	if (len > sizeof(in->tail)) {
		buf += len - sizeof(in->tail);
		len = sizeof(in->tail);
	}
	if (in->tail_len + len > sizeof(in->tail)) {
		drop = in->tail_len + len - sizeof(in->tail);
		memmove(in->tail, in->tail + drop, in->tail_len - drop);
		in->tail_len -= drop;
	}
	memcpy(in->tail + in->tail_len, buf, len);
	in->tail_len += len;
}

/* True when something came. */
static bool
read_stderr(struct fy_transport_in *in, struct fy_remote *link)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	char buf[1024];
	ssize_t r;

	if (in->stderr_ended)
		return false;
	r = link->ops->read_stderr(link->handle, buf, sizeof(buf), &ignored);
	if (r > 0)
		take_stderr(in, buf, (size_t)r);
	if (r >= 0)
		return r > 0;
	flush_line(in);
	in->stderr_ended = true;
	return false;
}

/* --- frames ------------------------------------------------------------------ */

static int
take_header(struct fy_transport_in *in, struct fy_error *err)
{
	if (fy_wire_decode(in->header, &in->h, err) == -1)
		return -1;
	in->header_have = 0;
	in->payload_have = 0;
	in->in_payload = true;
	if (in->h.length <= in->payload_room)
		return 0;
	free(in->payload);
	in->payload_room = 0;
	in->payload = malloc(in->h.length);
	if (in->payload == NULL)
		return fy_error_nomem(err);
	in->payload_room = in->h.length;
	return 0;
}

static int
take_payload(struct fy_transport_in *in,
	     const struct fy_transport_handler *handler, struct fy_error *err)
{
	in->in_payload = false;
	if (fy_wire_check_payload(&in->h, in->payload, err) == -1)
		return -1;
	in->any_frame = true;
	if (in->h.type == FY_WIRE_BEAT)
		return 0;
	return handler->frame(handler->ctx, &in->h, in->payload, err);
}

static void
take_noise(struct fy_transport_in *in, const unsigned char *buf, size_t len)
{
	size_t room = sizeof(in->noise) - in->noise_len;

	if (len > room)
		len = room;
	memcpy(in->noise + in->noise_len, buf, len);
	in->noise_len += len;
}

/* Cut bytes into frames.  0, or -1 with 'err'. */
static int
take_bytes(struct fy_transport_in *in, const unsigned char *buf, size_t len,
	   const struct fy_transport_handler *handler, struct fy_error *err)
{
	size_t n;

	while (len > 0 && in->noise_at == 0) {
		if (!in->in_payload) {
			n = FY_WIRE_HEADER_BYTES - in->header_have;
			if (n > len)
				n = len;
			memcpy(in->header + in->header_have, buf, n);
			in->header_have += n;
		} else {
			n = in->h.length - in->payload_have;
			if (n > len)
				n = len;
			memcpy(in->payload + in->payload_have, buf, n);
			in->payload_have += n;
		}
		buf += n;
		len -= n;
		if (!in->in_payload) {
			if (in->header_have < FY_WIRE_HEADER_BYTES)
				return 0;
			if (take_header(in, err) == -1) {
				if (in->any_frame)
					return -1;
				in->noise_error = *err;
				fy_error_clear(err);
				in->noise_at = fy_clock_ms();
				take_noise(in, in->header,
					   FY_WIRE_HEADER_BYTES);
				break;
			}
		}
		if (in->in_payload && in->payload_have == in->h.length &&
		    take_payload(in, handler, err) == -1)
			return -1;
	}
	if (in->noise_at != 0)
		take_noise(in, buf, len);
	return 0;
}

static bool
looks_like_text(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)p[i] < 0x20 &&
		    strchr("\r\n\t\033\b", p[i]) == NULL)
			return false;
	return len > 0;
}

static int
tell_noise(const struct fy_transport_in *in, struct fy_error *err)
{
	char said[sizeof(in->noise) + 1];

	if (!looks_like_text(in->noise, in->noise_len)) {
		*err = in->noise_error;
		return -1;
	}
	fy_clean_text(in->noise, in->noise_len, said, sizeof(said));
	return fy_error_set(err, FY_E_PROTOCOL, 0,
			    "the server's login printed text where v2v-server "
			    "should speak: \"%.300s\"; its shell's start-up "
			    "files must print nothing",
			    said);
}

/* What stands where the frames should: wait a little for the rest of it. */
static enum fy_in_result
judge_noise(struct fy_transport_in *in, struct fy_error *err)
{
	if (!in->stdout_ended && in->noise_len < sizeof(in->noise) &&
	    fy_clock_ms() - in->noise_at < NOISE_MS)
		return FY_IN_NONE;
	tell_noise(in, err);
	return FY_IN_FAILED;
}

enum fy_in_result
fy_transport_in_read(struct fy_transport_in *in, struct fy_remote *link,
		     const struct fy_transport_handler *handler,
		     struct fy_error *err)
{
	unsigned char buf[4096];
	bool some = false;
	unsigned i;
	ssize_t r = 0;

	for (i = 0; i < 64 && !in->stdout_ended; i++) {
		r = link->ops->read(link->handle, buf, sizeof(buf), err);
		if (r == -1)
			return FY_IN_FAILED;
		if (r == FY_REMOTE_EOF) {
			in->stdout_ended = true;
			in->ended_at = fy_clock_ms();
		}
		if (r <= 0)
			break;
		some = true;
		if (take_bytes(in, buf, (size_t)r, handler, err) == -1)
			return FY_IN_FAILED;
	}
	some |= read_stderr(in, link);
	if (in->noise_at != 0)
		return judge_noise(in, err);
	if (!in->stdout_ended)
		return some ? FY_IN_SOME : FY_IN_NONE;
	if (!in->stderr_ended && fy_clock_ms() - in->ended_at < END_MS)
		return FY_IN_NONE;
	return FY_IN_ENDED;
}

bool
fy_transport_in_hurries(const struct fy_transport_in *in)
{
	return in->noise_at != 0 || in->stdout_ended;
}

void
fy_transport_in_explain_end(const struct fy_transport_in *in,
			    struct fy_remote *link, struct fy_error *err)
{
	char said[sizeof(in->tail) + 1], ended[64] = "";
	int status = link->ops->exit_status(link->handle);
	enum fy_error_code code = err->code;
	const char *text = said;
	struct fy_error made = { .code = FY_E_NONE };

	fy_clean_text(in->tail, in->tail_len, said, sizeof(said));
	if (status > 0)
		snprintf(ended, sizeof(ended), " with status %d", status);
	if (!in->any_frame && in->header_have > 0 && said[0] == '\0')
		fy_clean_text(in->header, in->header_have, said, sizeof(said));
	if (!in->any_frame && (status == 127 || status == 126))
		fy_error_set(&made, FY_E_NOTFOUND, 0,
			     "v2v-server could not be started on the server: "
			     "%s",
			     *text != '\0' ? text : "command not found");
	else if (!in->any_frame && (status > 0 || *text != '\0'))
		fy_error_set(&made, FY_E_CHILD, 0,
			     "the server ended%s before it said WELCOME%s%s",
			     ended, *text != '\0' ? ": " : "", text);
	else
		fy_error_set(&made, code, 0, "%s%s%s%s", err->msg, ended,
			     *text != '\0' ? "; its last words: " : "", text);
	*err = made;
}
