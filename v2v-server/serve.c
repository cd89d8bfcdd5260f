/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `v2v-server serve`: one client, one job, over two descriptors.
 *
 * HELLO and JOB are read here; then the parts do their share (session.h).  Any
 * error ends the job: the client gets an ERROR frame, NAME.partial stays, and
 * the same command goes on from what is durable.
 */
#include "v2v-server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/session.h"

/* After DONE the client is given this long to close. */
#define GOODBYE_MS 10000

#define BITMAP_BYTES (1u << 20)

static void
session_log(void *ctx, enum fy_log_level level, const char *line)
{
	struct fy_session *s = ctx;
	const char *word = level == FY_LOG_ERROR  ? "error"
			   : level == FY_LOG_WARN ? "warning"
						  : "info";

	if (s->connected && !fy_link_is_broken(&s->link))
		fy_link_send_log(&s->link, word, line);
	else
		fy_log_to_stderr((void *)(uintptr_t) "v2v-server", level, line);
}

void
fy_session_warn(struct fy_session *s, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fy_log_warn(s->log, "%s", line);
	json_array_append_new(s->warnings, json_string(line));
}

void
fy_session_close_log(struct fy_session *s)
{
	fy_log_also_fd(s->log, -1);
	if (s->log_fd >= 0)
		close(s->log_fd);
	s->log_fd = -1;
}

/* The next frame must be of this type. */
static int
expect_json(struct fy_session *s, enum fy_wire_type type, json_t **ret,
	    struct fy_error *err)
{
	struct fy_wire_header h;
	int r = fy_link_next(&s->link, &h, err);

	if (r == 0)
		return fy_error_set(err, FY_E_CONNECTION, 0,
				    "the client went away before %s",
				    fy_wire_name(type));
	if (r == -1)
		return -1;
	if (h.type != type)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the client sent %s where %s must be",
				    fy_wire_name(h.type), fy_wire_name(type));
	return fy_link_json(&s->link, &h, ret, err);
}

static int
greet(struct fy_session *s, struct fy_error *err)
{
	fy_autojson json_t *hello = NULL;
	fy_autojson json_t *welcome = NULL;
	uint64_t version;

	if (expect_json(s, FY_WIRE_HELLO, &hello, err) == -1)
		return -1;
	s->connected = true;
	if (fy_json_get_u64(hello, "protocol", UINT32_MAX, &version, err) == -1)
		return -1;
	if (version != FY_WIRE_PROTOCOL)
		return fy_error_set(err, FY_E_VERSION, 0,
				    "the client speaks version %" PRIu64
				    " of the protocol (program %.40s), this "
				    "server (v2v-server %s) version %u",
				    version,
				    fy_json_string_or(hello, "version", "?"),
				    FY_VERSION, FY_WIRE_PROTOCOL);
	welcome =
		json_pack("{s:i, s:s, s:s}", "protocol", (int)FY_WIRE_PROTOCOL,
			  "program", "v2v-server", "version", FY_VERSION);
	if (welcome == NULL)
		return fy_error_nomem(err);
	if (fy_link_send_json(&s->link, FY_WIRE_WELCOME, welcome, err) == -1)
		return -1;
	return fy_link_start_beating(&s->link, err);
}

/* --- READY and DURABLE ----------------------------------------------------- */

static uint64_t
durable_frames(const struct fy_session *s, unsigned disk)
{
	uint64_t bytes = (s->disks[disk].units + 7) / 8;

	if (fy_journal_count(s->journal, disk) == 0)
		return 0;
	return (bytes - 1) / BITMAP_BYTES + 1;
}

static int
send_ready(struct fy_session *s, struct fy_error *err)
{
	fy_autojson json_t *disks = json_array();
	fy_autojson json_t *ready = NULL;
	char seed[17];
	unsigned i;
	int r = 0;

	for (i = 0; i < s->n_disks && r == 0; i++) {
		const struct fy_session_disk *d = &s->disks[i];

		r = json_array_append_new(
			disks,
			json_pack("{s:I, s:I, s:s, s:i, s:i, s:I, s:I}",
				  "unit_bytes", (json_int_t)d->unit_bytes,
				  "units", (json_int_t)d->units, "codec",
				  d->codec == FY_CODEC_NONE
					  ? "any"
					  : fy_codec_name(d->codec),
				  "level", d->level, "window_bits",
				  (int)d->window_bits, "durable",
				  (json_int_t)fy_journal_count(s->journal, i),
				  "durable_frames",
				  (json_int_t)durable_frames(s, i)));
	}
	snprintf(seed, sizeof(seed), "%016" PRIx64, s->seed);
	ready = json_pack("{s:b, s:s, s:s, s:O}", "resumed", (int)s->resumed,
			  "digest", "xxh3-128", "seed", seed, "disks", disks);
	if (r == -1 || ready == NULL)
		return fy_error_nomem(err);
	return fy_link_send_json(&s->link, FY_WIRE_READY, ready, err);
}

static int
send_durable(struct fy_session *s, unsigned disk, struct fy_error *err)
{
	uint64_t bytes = (s->disks[disk].units + 7) / 8, at;
	fy_autofree unsigned char *bits = NULL;

	if (durable_frames(s, disk) == 0)
		return 0;
	bits = malloc(BITMAP_BYTES);
	if (bits == NULL)
		return fy_error_nomem(err);
	for (at = 0; at < bytes; at += BITMAP_BYTES) {
		size_t len = (size_t)fy_min_u64(bytes - at, BITMAP_BYTES);

		fy_journal_bitmap(s->journal, disk, at * 8, bits, len);
		if (fy_link_send(&s->link, FY_WIRE_DURABLE, (uint16_t)disk,
				 at * 8, bits, len, err) == -1)
			return -1;
	}
	return 0;
}

/* --- the end ---------------------------------------------------------------- */

static int
say_done(struct fy_session *s, struct fy_error *err)
{
	fy_autofree char *marker = NULL;

	/* Nothing is left to be resumed when the client hears of the end. */
	fy_jobdir_retire(s->dir);
	if (fy_link_is_broken(&s->link)) {
		fy_log_info(s->log, "'%s' is done", s->job->name);
		return 0;
	}
	if (fy_link_send_json(&s->link, FY_WIRE_DONE, s->done, err) == -1)
		return -1;
	/* Closed by the client, so it is known to have read. */
	if (!fy_link_drain(&s->link, GOODBYE_MS))
		return 0;
	marker = fy_format(err, "%s.job/" FY_UNHEARD, s->job->name);
	if (marker == NULL)
		return -1;
	unlinkat(s->dir->dirfd, marker, 0);
	return 0;
}

static int
run_job(struct fy_session *s, struct fy_error *err)
{
	fy_autojson json_t *job = NULL;
	unsigned i;

	if (greet(s, err) == -1 || expect_json(s, FY_WIRE_JOB, &job, err) == -1)
		return -1;
	if (fy_session_is_inventory(job)) {
		if (fy_session_inventory(s, job, err) == -1)
			return -1;
		fy_link_drain(&s->link, GOODBYE_MS);
		return 0;
	}
	if (fy_session_prepare(s, job, err) == -1 || send_ready(s, err) == -1)
		return -1;
	for (i = 0; i < s->n_disks; i++)
		if (send_durable(s, i, err) == -1)
			return -1;
	if (fy_session_receive(s, err) == -1 ||
	    (!s->repeat && fy_session_finish(s, err) == -1))
		return -1;
	return say_done(s, err);
}

/* Verification found a difference: that is an answer, not a failure. */
static void
say_different(struct fy_session *s, const struct fy_error *why)
{
	struct fy_error ignored = { 0 };
	fy_autojson json_t *j = NULL;

	fy_session_warn(s, "%s", why->msg);
	j = json_pack("{s:s, s:[], s:i, s:O, s:n, s:n}", "result", "different",
		      "files", "stored_bytes", 0, "warnings", s->warnings,
		      "report", "xml");
	if (j != NULL)
		fy_link_send_json(&s->link, FY_WIRE_DONE, j, &ignored);
}

static void
report_error(struct fy_session *s, const struct fy_error *err)
{
	if (err->code == FY_E_DIFFERENT) {
		say_different(s, err);
		return;
	}
	if (s->link.buffer != NULL && !fy_link_is_broken(&s->link))
		fy_link_send_error(&s->link, err);
	s->connected = false;
	fy_log_error(s->log, "%s", err->msg);
}

static void
session_release(struct fy_session *s)
{
	unsigned i;

	fy_session_close_log(s);
	for (i = 0; i < s->n_disks; i++) {
		fy_sink_free(s->disks[i].sink);
		free(s->disks[i].file);
		fy_session_lost_free(s->disks[i].lost);
	}
	fy_journal_close(s->journal);
	json_decref(s->pins);
	json_decref(s->warnings);
	json_decref(s->done);
	fy_jobdir_close(s->dir);
	fy_job_free(s->job);
	fy_role_free(s->role);
	fy_log_free(s->log);
	pthread_mutex_destroy(&s->journal_lock);
}

int
fy_serve(const struct fy_serve_options *options, int in, int out,
	 struct fy_stop *stop)
{
	struct fy_error err = { 0 };
	struct fy_session *s = calloc(1, sizeof(*s));
	int status;

	if (s == NULL)
		return FY_EXIT_FAILED;
	s->options = options;
	s->stop = stop;
	s->log_fd = -1;
	pthread_mutex_init(&s->journal_lock, NULL);
	s->warnings = json_array();
	s->log = fy_log_new(FY_LOG_INFO, session_log, s, &err);
	/* Wrong options are told before a word is spoken. */
	if (s->log == NULL ||
	    fy_role_new(&options->role, &s->role, &err) == -1) {
		fprintf(stderr, "v2v-server: %s\n", err.msg);
		session_release(s);
		free(s);
		return fy_error_exit_status(err.code);
	}
	if (fy_link_init(&s->link, in, out, options->beat_ms, options->quiet_ms,
			 stop, &err) == -1 ||
	    run_job(s, &err) == -1)
		report_error(s, &err);
	status = fy_error_exit_status(err.code);
	s->connected = false;
	/* The lock goes before the connection does. */
	session_release(s);
	fy_link_release(&s->link);
	free(s);
	return status;
}
