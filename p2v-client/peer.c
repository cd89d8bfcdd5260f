/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The protocol's client side.  The caller's thread sends and waits; the
 * transport's thread hands in the server's frames.  What both touch is under
 * 'lock', each change is broadcast.
 *
 * State: the server's frames are only taken when they are due: WELCOME after
 * HELLO, READY after JOB, as many DURABLE as READY said, ANSWER in the order
 * of the CHECKs, ACK only for what was sent, DONE after FINISH (or JOB).  LOG, PROGRESS
 * and ERROR may come at any time.
 */
#include "p2v-client/peer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "p2v-client/server-memory.h"
#include "p2v-client/transport.h"
#include "p2v-client/window.h"

#define MOST_UNIT_BITMAP (UINT64_C(1) << 33) /* units: 1 GiB of bitmap */
#define MOST_WARNINGS	 256u
#define GOODBYE_MS	 2000u

enum state {
	WANT_WELCOME,
	CONNECTED,
	WANT_READY,
	WANT_DURABLE,
	RUNNING,
	FINISHING,
	FINISHED
};

struct check {
	uint16_t disk;
	uint32_t n;
	uint64_t first;
};

struct fy_peer {
	struct fy_transport *transport;
	struct fy_log *log;
	struct fy_progress *progress;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	enum state state;
	struct fy_error failure;
	json_t *welcome, *done;
	json_t *warnings; /* that came as LOG: an object, text -> true */
	bool resumed;
	uint64_t seed;
	struct fy_peer_disk *disks;
	size_t n_disks;
	uint64_t durable_left[FY_WIRE_MAX_DISKS]; /* frames to come */
	struct check checks[FY_WIRE_CHECK_FRAMES];
	size_t first_check, n_checks;
	struct fy_window window;
};

/* --- frames from the server, in the transport's thread ----------------------- */

static int
not_now(const struct fy_wire_header *h, struct fy_error *err)
{
	return fy_error_set(err, FY_E_PROTOCOL, 0,
			    "the server sent %s when none was due",
			    fy_wire_name(h->type));
}

static json_t *
parse(const struct fy_wire_header *h, const unsigned char *payload,
      struct fy_error *err)
{
	json_t *j = fy_json_parse((const char *)payload, h->length,
				  fy_wire_name(h->type), err);

	if (j != NULL && !json_is_object(j)) {
		json_decref(j);
		fy_error_set(err, FY_E_PROTOCOL, 0,
			     "the server's %s is no object",
			     fy_wire_name(h->type));
		return NULL;
	}
	return j;
}

static int
on_welcome(struct fy_peer *s, json_t *j, struct fy_error *err)
{
	uint64_t version;

	if (fy_json_get_u64(j, "protocol", UINT32_MAX, &version, err) == -1)
		return -1;
	if (version != FY_WIRE_PROTOCOL)
		return fy_error_set(err, FY_E_VERSION, 0,
				    "the server speaks protocol %" PRIu64
				    ", this p2v-client %u",
				    version, FY_WIRE_PROTOCOL);
	s->welcome = json_incref(j);
	s->state = CONNECTED;
	return 0;
}

/* The codec that READY names for a disk. */
static int
read_codec(const json_t *j, struct fy_peer_disk *d, struct fy_error *err)
{
	const char *codec;
	uint64_t bits;

	if (fy_json_get_string(j, "codec", &codec, err) == -1)
		return -1;
	d->any_codec = strcmp(codec, "any") == 0;
	d->codec = FY_CODEC_NONE;
	if (!d->any_codec && fy_codec_from_name(codec, &d->codec, err) == -1)
		return -1;
	d->level = (int)fy_json_u64_or(j, "level", 1);
	bits = fy_json_u64_or(j, "window_bits", 0);
	if (d->level > 22 || bits > 15)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "READY asks for a level or window that "
				    "does not exist");
	d->window_bits = (unsigned)bits;
	return 0;
}

static int
read_ready_disk(const json_t *j, struct fy_peer_disk *d, uint64_t *ret_frames,
		struct fy_error *err)
{
	uint64_t unit, units, wanted;

	if (!json_is_object(j))
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "a disk in READY is no object");
	if (fy_json_get_u64(j, "unit_bytes", FY_WIRE_MAX_UNIT, &unit, err) ==
		    -1 ||
	    fy_json_get_u64(j, "units", UINT64_MAX >> 1, &units, err) == -1 ||
	    fy_json_get_u64(j, "durable", units, &d->durable_units, err) ==
		    -1 ||
	    fy_json_get_u64(j, "durable_frames", UINT32_MAX, ret_frames, err) ==
		    -1 ||
	    read_codec(j, d, err) == -1)
		return -1;
	if (unit < 64 * FY_KIB || !fy_is_power_of_two(unit))
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "READY has units of %" PRIu64 " bytes",
				    unit);
	wanted = d->size_bytes / unit + (d->size_bytes % unit != 0);
	if (units != wanted)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "READY has %" PRIu64 " units, the disk "
				    "%" PRIu64,
				    units, wanted);
	if (units > MOST_UNIT_BITMAP)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a disk of %" PRIu64 " bytes is too large "
				    "for units of %" PRIu64,
				    d->size_bytes, unit);
	d->unit_bytes = (uint32_t)unit;
	d->units = units;
	if (fy_unit_set_init(&d->durable, units, err) == -1)
		return -1;
	return fy_unit_set_init(&d->rejected, *ret_frames > 0 ? units : 0, err);
}

static int
read_seed(const json_t *j, uint64_t *ret, struct fy_error *err)
{
	const char *text, *digest;
	uint64_t v = 0;
	size_t i;

	if (fy_json_get_string(j, "digest", &digest, err) == -1 ||
	    fy_json_get_string(j, "seed", &text, err) == -1)
		return -1;
	if (strcmp(digest, "xxh3-128") != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the server wants the digest '%.40s'",
				    digest);
	for (i = 0; i < 16 && text[i] != '\0'; i++) {
		const char *hex = "0123456789abcdef";
		const char *at = strchr(hex, text[i]);

		if (at == NULL)
			break;
		v = v << 4 | (uint64_t)(at - hex);
	}
	if (i != 16 || text[16] != '\0')
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "READY's seed is not 16 hex digits");
	*ret = v;
	return 0;
}

static int
on_ready(struct fy_peer *s, json_t *j, struct fy_error *err)
{
	uint64_t left = 0, frames;
	uint32_t least = FY_WIRE_MAX_UNIT;
	json_t *list;
	size_t i;

	if (read_seed(j, &s->seed, err) == -1 ||
	    fy_json_get_bool(j, "resumed", &s->resumed, err) == -1 ||
	    fy_json_get_array(j, "disks", FY_WIRE_MAX_DISKS, &list, err) == -1)
		return -1;
	if (json_array_size(list) != s->n_disks)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "READY has %zu disks, the job %zu",
				    json_array_size(list), s->n_disks);
	for (i = 0; i < s->n_disks; i++) {
		if (read_ready_disk(json_array_get(list, i), &s->disks[i],
				    &frames, err) == -1)
			return fy_error_prefix(err, "disk %zu", i);
		s->durable_left[i] = frames;
		left += frames;
		if (s->disks[i].unit_bytes < least)
			least = s->disks[i].unit_bytes;
	}
	if (fy_window_init(&s->window, FY_WIRE_WINDOW_BYTES, least, err) == -1)
		return -1;
	s->state = left > 0 ? WANT_DURABLE : RUNNING;
	return 0;
}

static int
on_durable(struct fy_peer *s, const struct fy_wire_header *h,
	   const unsigned char *payload, struct fy_error *err)
{
	size_t i;

	if (h->disk >= s->n_disks || s->durable_left[h->disk] == 0)
		return not_now(h, err);
	if (fy_unit_set_load(&s->disks[h->disk].durable, h->number, payload,
			     h->length, err) == -1)
		return -1;
	s->durable_left[h->disk]--;
	for (i = 0; i < s->n_disks; i++)
		if (s->durable_left[i] > 0)
			return 0;
	s->state = RUNNING;
	return 0;
}

static int
on_answer(struct fy_peer *s, const struct fy_wire_header *h,
	  const unsigned char *payload, struct fy_error *err)
{
	const struct check *c = &s->checks[s->first_check];
	uint32_t i;

	if (s->n_checks == 0)
		return not_now(h, err);
	if (h->disk != c->disk || h->number != c->first ||
	    h->length != (c->n + 7) / 8)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the server's ANSWER is to another CHECK");
	for (i = 0; i < c->n; i++)
		if (((payload[i / 8] >> (i % 8)) & 1) == 0)
			fy_unit_set_put(&s->disks[c->disk].rejected,
					c->first + i, true);
	s->first_check = (s->first_check + 1) % FY_WIRE_CHECK_FRAMES;
	s->n_checks--;
	return 0;
}

static int
on_ack(struct fy_peer *s, const struct fy_wire_header *h,
       const unsigned char *payload, struct fy_error *err)
{
	uint64_t first, count, end, units = 0, used = 0;
	uint32_t at;

	if (h->disk >= s->n_disks || h->length % 16 != 0)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the server's ACK makes no sense");
	for (at = 0; at < h->length; at += 16) {
		first = fy_get_le64(payload + at);
		count = fy_get_le64(payload + at + 8);
		if (!fy_add_u64(first, count, &end) ||
		    end > s->disks[h->disk].units)
			return fy_error_set(err, FY_E_PROTOCOL, 0,
					    "the server's ACK names units "
					    "that the disk has not");
		fy_window_acknowledge(&s->window, h->disk, first, count, &units,
				      &used);
	}
	fy_progress_add(s->progress, used, 0);
	return 0;
}

/* The server's ERROR becomes ours, with its code. */
static int
on_error(json_t *j, struct fy_error *err)
{
	const char *name = fy_json_string_or(j, "code", "io");
	const char *text = fy_json_string_or(j, "message", "");
	enum fy_error_code code = fy_error_code_of_name(name);

	if (code == FY_E_NONE || code == FY_E_CANCELLED)
		code = FY_E_CONNECTION;
	return fy_error_set(err, code, 0, "the server: %.400s",
			    text[0] != '\0' ? text : name);
}

/* Remember a warning, so that the same one in DONE is not shown again. */
static void
note_warning(struct fy_peer *s, const char *text)
{
	if (s->warnings == NULL)
		s->warnings = json_object();
	if (json_object_size(s->warnings) < MOST_WARNINGS)
		json_object_set_new(s->warnings, text, json_true());
}

static int
on_log(struct fy_peer *s, json_t *j)
{
	const char *level = fy_json_string_or(j, "level", "info");
	const char *text = fy_json_string_or(j, "message", "");

	if (strcmp(level, "error") == 0)
		fy_log_error(s->log, "server: %s", text);
	else if (strcmp(level, "warning") == 0) {
		fy_log_warn(s->log, "server: %s", text);
		note_warning(s, text);
	} else
		fy_log_info(s->log, "server: %s", text);
	return 0;
}

static int
on_progress(struct fy_peer *s, json_t *j)
{
	static const char *const phases[] = { "finish", "verify", "inject",
					      "commit" };
	const char *phase = fy_json_string_or(j, "phase", "");
	uint64_t done = fy_json_u64_or(j, "done", 0);
	uint64_t total = fy_json_u64_or(j, "total", 0);
	size_t i;

	if (s->state != FINISHING)
		return 0;
	for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		if (s->progress == NULL || strcmp(phase, phases[i]) != 0)
			continue;
		if (atomic_load(&s->progress->phase) != phases[i])
			fy_progress_phase(s->progress, phases[i], total);
		atomic_store(&s->progress->total, total);
		atomic_store(&s->progress->done, done);
	}
	return 0;
}

static int
on_json(struct fy_peer *s, const struct fy_wire_header *h,
	const unsigned char *payload, struct fy_error *err)
{
	fy_autojson json_t *j = parse(h, payload, err);

	if (j == NULL)
		return -1;
	switch (h->type) {
	case FY_WIRE_WELCOME:
		return on_welcome(s, j, err);
	case FY_WIRE_READY:
		return on_ready(s, j, err);
	case FY_WIRE_PROGRESS:
		return on_progress(s, j);
	case FY_WIRE_LOG:
		return on_log(s, j);
	case FY_WIRE_DONE:
		s->done = json_incref(j);
		s->state = FINISHED;
		return 0;
	default:
		return on_error(j, err);
	}
}

/* Whether a frame of that type may come in this state. */
static bool
is_due(const struct fy_peer *s, enum fy_wire_type type)
{
	switch (type) {
	case FY_WIRE_WELCOME:
		return s->state == WANT_WELCOME;
	case FY_WIRE_READY:
		return s->state == WANT_READY;
	case FY_WIRE_DURABLE:
		return s->state == WANT_DURABLE;
	case FY_WIRE_ANSWER:
		return s->state == RUNNING;
	case FY_WIRE_ACK:
		return s->state == RUNNING || s->state == FINISHING;
	case FY_WIRE_DONE:
		return s->state == FINISHING || s->state == WANT_READY;
	case FY_WIRE_PROGRESS:
	case FY_WIRE_LOG:
		return s->state != WANT_WELCOME;
	case FY_WIRE_ERROR:
		return true;
	default:
		return false;
	}
}

static int
on_frame(void *ctx, const struct fy_wire_header *h,
	 const unsigned char *payload, struct fy_error *err)
{
	struct fy_peer *s = ctx;
	int r;

	FY_LOCK_SCOPE(&s->lock);
	if (!is_due(s, h->type))
		return not_now(h, err);
	if (h->type == FY_WIRE_DURABLE)
		r = on_durable(s, h, payload, err);
	else if (h->type == FY_WIRE_ANSWER)
		r = on_answer(s, h, payload, err);
	else if (h->type == FY_WIRE_ACK)
		r = on_ack(s, h, payload, err);
	else
		r = on_json(s, h, payload, err);
	/* What the JSON helpers call a format error is the protocol's here. */
	if (r == -1 && err->code == FY_E_FORMAT)
		err->code = FY_E_PROTOCOL;
	pthread_cond_broadcast(&s->changed);
	return r;
}

static int
on_ended(void *ctx, struct fy_error *err)
{
	struct fy_peer *s = ctx;

	FY_LOCK_SCOPE(&s->lock);
	if (s->state == FINISHED)
		return 0;
	return fy_error_set(err, FY_E_CONNECTION, 0,
			    "the server has hung up before the job was done");
}

static void
on_failed(void *ctx, const struct fy_error *why)
{
	struct fy_peer *s = ctx;

	FY_LOCK_SCOPE(&s->lock);
	/* The end after DONE is no failure. */
	if (s->state != FINISHED && s->failure.code == FY_E_NONE)
		s->failure = *why;
	pthread_cond_broadcast(&s->changed);
}

/* --- the caller's side --------------------------------------------------------- */

static int
copy_failure(const struct fy_peer *s, struct fy_error *err)
{
	if (err != NULL && err->code == FY_E_NONE)
		*err = s->failure;
	return -1;
}

/* Lock held.  Wait for a change; -1 when the session has failed. */
static int
wait_change(struct fy_peer *s, struct fy_error *err)
{
	if (s->failure.code != FY_E_NONE)
		return copy_failure(s, err);
	pthread_cond_wait(&s->changed, &s->lock);
	if (s->failure.code != FY_E_NONE)
		return copy_failure(s, err);
	return 0;
}

static int
wait_state(struct fy_peer *s, enum state wanted, struct fy_error *err)
{
	FY_LOCK_SCOPE(&s->lock);
	while (s->state != wanted && s->state != FINISHED)
		if (wait_change(s, err) == -1)
			return -1;
	return 0;
}

static void
set_state(struct fy_peer *s, enum state state)
{
	FY_LOCK_SCOPE(&s->lock);
	s->state = state;
}

static int
send_json_of(struct fy_peer *s, enum fy_wire_type type, uint16_t disk,
	     const json_t *j, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	struct fy_wire_header h = { .type = type, .disk = disk };
	size_t len;

	if (j == NULL)
		return fy_error_nomem(err);
	text = fy_json_text(j, 0, err);
	if (text == NULL)
		return -1;
	len = strlen(text);
	if (len > fy_wire_limit(type))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the %s of %zu bytes is longer than the "
				    "protocol allows",
				    fy_wire_name(type), len);
	return fy_transport_send_frame(s->transport, &h, text, len, err);
}

static int
send_json(struct fy_peer *s, enum fy_wire_type type, const json_t *j,
	  struct fy_error *err)
{
	return send_json_of(s, type, 0, j, err);
}

static int
say_hello(struct fy_peer *s, char **ret_about, struct fy_error *err)
{
	fy_autojson json_t *j =
		json_pack("{s:i, s:s, s:s}", "protocol", (int)FY_WIRE_PROTOCOL,
			  "program", "p2v-client", "version", FY_VERSION);

	if (send_json(s, FY_WIRE_HELLO, j, err) == -1 ||
	    wait_state(s, CONNECTED, err) == -1)
		return -1;
	if (ret_about == NULL)
		return 0;
	*ret_about = fy_format(err, "%.40s %.40s",
			       fy_json_string_or(s->welcome, "program", "?"),
			       fy_json_string_or(s->welcome, "version", "?"));
	return *ret_about == NULL ? -1 : 0;
}

int
fy_peer_open(const struct fy_server_options *options, struct fy_peer **ret,
	     char **ret_about, struct fy_error *err)
{
	FY_AUTO(peer) struct fy_peer *s = NULL;
	struct fy_transport_handler handler = { .frame = on_frame,
						.ended = on_ended,
						.failed = on_failed };
	struct fy_transport_options o = { .limit_rate = options->limit_rate,
					  .log = options->log,
					  .stop = options->stop };
	struct fy_remote link;

	if (fy_remote_open(options, &link, err) == -1)
		return -1;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		link.ops->close(link.handle);
		return fy_error_nomem(err);
	}
	s->log = options->log;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	handler.ctx = s;
	if (fy_transport_new(link, &o, &handler, &s->transport, err) == -1 ||
	    say_hello(s, ret_about, err) == -1)
		return -1;
	if (options->memory != NULL)
		options->memory->reached = true;
	*ret = fy_steal_ptr(&s);
	return 0;
}

int
fy_peer_job(struct fy_peer *s, const json_t *job, struct fy_peer_disk *disks,
	    size_t n, struct fy_error *err)
{
	{
		FY_LOCK_SCOPE(&s->lock);
		s->disks = disks;
		s->n_disks = n;
		s->state = WANT_READY;
	}
	if (send_json(s, FY_WIRE_JOB, job, err) == -1)
		return -1;
	return wait_state(s, RUNNING, err);
}

bool
fy_peer_is_finished(const struct fy_peer *s)
{
	return s->done != NULL;
}

bool
fy_peer_is_resumed(const struct fy_peer *s)
{
	return s->resumed;
}

uint64_t
fy_peer_seed(const struct fy_peer *s)
{
	return s->seed;
}

int
fy_peer_check(struct fy_peer *s, uint16_t disk, uint64_t first, uint32_t n,
	      const struct fy_digest *digests, struct fy_error *err)
{
	struct fy_wire_header h = { .type = FY_WIRE_CHECK,
				    .disk = disk,
				    .number = first };
	size_t at;

	pthread_mutex_lock(&s->lock);
	while (s->n_checks == FY_WIRE_CHECK_FRAMES) {
		if (wait_change(s, err) == -1) {
			pthread_mutex_unlock(&s->lock);
			return -1;
		}
	}
	at = (s->first_check + s->n_checks) % FY_WIRE_CHECK_FRAMES;
	s->checks[at] = (struct check){ disk, n, first };
	s->n_checks++;
	pthread_mutex_unlock(&s->lock);
	return fy_transport_send_frame(s->transport, &h, digests,
				       (size_t)n * FY_DIGEST_BYTES, err);
}

int
fy_peer_wait_answers(struct fy_peer *s, struct fy_error *err)
{
	size_t i;

	FY_LOCK_SCOPE(&s->lock);
	while (s->n_checks > 0)
		if (wait_change(s, err) == -1)
			return -1;
	for (i = 0; i < s->n_disks; i++)
		if (s->disks[i].rejected.n > 0)
			fy_unit_set_subtract(&s->disks[i].durable,
					     &s->disks[i].rejected);
	return 0;
}

int
fy_peer_unit(struct fy_peer *s, const struct fy_peer_unit *u,
	     struct fy_error *err)
{
	struct fy_window_entry e = { .unit = u->unit,
				     .raw_bytes = u->raw_bytes,
				     .used_bytes = u->used_bytes,
				     .disk = u->disk };

	pthread_mutex_lock(&s->lock);
	while (!fy_window_has_room(&s->window, u->raw_bytes)) {
		if (wait_change(s, err) == -1) {
			pthread_mutex_unlock(&s->lock);
			return -1;
		}
	}
	fy_window_push(&s->window, &e);
	pthread_mutex_unlock(&s->lock);
	return fy_transport_send(s->transport, u->header, u->digest->bytes,
				 FY_DIGEST_BYTES, u->payload, u->len, err);
}

int
fy_peer_zero(struct fy_peer *s, uint16_t disk, uint64_t first, uint64_t count,
	     struct fy_error *err)
{
	struct fy_wire_header h = { .type = FY_WIRE_ZERO,
				    .disk = disk,
				    .number = first };
	unsigned char payload[8];

	fy_put_le64(payload, count);
	return fy_transport_send_frame(s->transport, &h, payload,
				       sizeof(payload), err);
}

int
fy_peer_unreadable(struct fy_peer *s, uint16_t disk, const json_t *frame,
		   struct fy_error *err)
{
	return send_json_of(s, FY_WIRE_UNREADABLE, disk, frame, err);
}

/* What DONE warns of and no LOG has said. */
static void
tell_warnings(struct fy_peer *s)
{
	const json_t *list = json_object_get(s->done, "warnings"), *w;
	size_t i;

	json_array_foreach(list, i, w)
	{
		if (json_is_string(w) &&
		    json_object_get(s->warnings, json_string_value(w)) == NULL)
			fy_log_warn(s->log, "server: %s", json_string_value(w));
	}
}

int
fy_peer_finish(struct fy_peer *s, uint64_t units_sent, json_t **ret_done,
	       struct fy_error *err)
{
	fy_autojson json_t *j =
		json_pack("{s:I}", "units_sent", (json_int_t)units_sent);

	if (!fy_peer_is_finished(s)) {
		set_state(s, FINISHING);
		if (send_json(s, FY_WIRE_FINISH, j, err) == -1 ||
		    wait_state(s, FINISHED, err) == -1)
			return -1;
	}
	*ret_done = json_incref(s->done);
	tell_warnings(s);
	return 0;
}

int
fy_peer_error(struct fy_peer *s, struct fy_error *err)
{
	FY_LOCK_SCOPE(&s->lock);
	if (s->failure.code == FY_E_NONE)
		return 0;
	return copy_failure(s, err);
}

void
fy_peer_set_progress(struct fy_peer *s, struct fy_progress *p)
{
	FY_LOCK_SCOPE(&s->lock);
	s->progress = p;
}

uint64_t
fy_peer_sent_bytes(const struct fy_peer *s)
{
	return fy_transport_sent(s->transport);
}

void
fy_peer_close(struct fy_peer *s, const struct fy_error *why)
{
	if (s == NULL)
		return;
	if (why != NULL && s->transport != NULL)
		fy_transport_goodbye(s->transport, why, GOODBYE_MS);
	fy_transport_free(s->transport);
	fy_window_release(&s->window);
	json_decref(s->welcome);
	json_decref(s->done);
	json_decref(s->warnings);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
