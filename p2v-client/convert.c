/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine: reach the server (so that a wrong password shows at once), read
 * the used maps, offer the job, copy in two passes, finish.  A failure that
 * is ours is told to the server before the connection is closed.
 *
 * A connection that is lost is replaced, and the steps are taken once more.  A
 * disk that is known not to have changed (unchanged.h) keeps its used map, and
 * the digests that this process made of it are told to the server instead of
 * being made again.  Every other disk is treated as a new process would: its
 * map is read again (the server compares it with the job's), and so is all that
 * is durable.  The server compares each digest with its journal either way.
 */
#include "p2v-client/convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/pipeline.h"
#include "p2v-client/client-job.h"
#include "p2v-client/copy.h"
#include "p2v-client/rescue-report.h"
#include "p2v-client/retry.h"
#include "p2v-client/server-memory.h"

struct run {
	const struct fy_convert_options *o;
	struct fy_server_options server; /* the caller's, with 'memory' */
	struct fy_server_memory memory;
	struct fy_retry retry;
	char client[33]; /* this process, for the server */
	size_t known_room;
	uint64_t sent_bytes;  /* on the connections before this one */
	uint64_t units_sent;  /* on this one */
	uint64_t total_bytes; /* of the copy */
	struct fy_convert_result *ret;
	struct fy_machine *machine;
	struct fy_machine *own_machine; /* when the caller has none */
	struct fy_client_disk *disks;
	struct fy_peer *peer;
	struct fy_peer_disk *wire;
	struct fy_copy_disk *copy;
};

static int
check_options(const struct fy_convert_options *o, struct fy_error *err)
{
	if (o->server.server == NULL)
		return fy_error_set(err, FY_E_USAGE, 0, "no server was named");
	if (o->n_disks == 0)
		return fy_error_set(err, FY_E_USAGE, 0, "no disk was named");
	if (o->n_disks > FY_WIRE_MAX_DISKS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "more than %u disks in one job",
				    FY_WIRE_MAX_DISKS);
	if (o->name == NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "the machine has no name");
	return fy_convert_check_name(o->name, err);
}

/* --- used maps ------------------------------------------------------------------ */

/* Those of --whole that are for this disk: "p2", or "DISK:p2". */
static int
select_whole(const struct fy_convert_options *o, const char *disk,
	     const char ***ret, size_t *ret_n, struct fy_error *err)
{
	size_t i, n = 0, len = strlen(disk);
	const char **list = calloc(o->n_whole + 1, sizeof(*list));

	if (list == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < o->n_whole; i++) {
		const char *w = o->whole[i];

		if (strncmp(w, disk, len) == 0 && w[len] == ':')
			list[n++] = w + len + 1;
		else if (strchr(w, ':') == NULL)
			list[n++] = w;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static void
log_map(const struct run *r, const struct fy_client_disk *d)
{
	char used[24], all[24];
	size_t i;

	fy_format_bytes(d->map->used_bytes, used, sizeof(used));
	fy_format_bytes(d->map->disk_bytes, all, sizeof(all));
	fy_log_info(r->o->server.log, "%s: %s of %s in use", d->path, used,
		    all);
	for (i = 0; i < d->map->n_warnings; i++)
		fy_log_warn(r->o->server.log, "%s: %s", d->path,
			    d->map->warnings[i]);
	for (i = 0; i < d->map->n_volumes; i++) {
		const struct fy_disk_volume *v = &d->map->volumes[i];

		if (v->note != NULL)
			fy_log_info(r->o->server.log, "%s %s: %s", d->path,
				    v->path, v->note);
	}
	for (i = 0; i < d->map->n_upper; i++) {
		const struct fy_disk_volume *v = &d->map->upper[i];

		if (v->note != NULL)
			fy_log_info(r->o->server.log, "%s %s: %s", d->path,
				    v->path, v->note);
	}
}

/* What the reading of the maps works on: one of each for a disk. */
struct scan {
	struct fy_disk_map_options *options;
	struct fy_volume **cached;
	struct fy_disk_map **maps;
	const char ***whole;
	bool *still; /* the disk is as it was when it was read last */
};

static int
scan_init(struct scan *s, size_t n, struct fy_error *err)
{
	s->options = calloc(n, sizeof(*s->options));
	s->cached = calloc(n, sizeof(*s->cached));
	s->maps = calloc(n, sizeof(*s->maps));
	s->whole = calloc(n, sizeof(*s->whole));
	s->still = calloc(n, sizeof(*s->still));
	if (s->options == NULL || s->cached == NULL || s->maps == NULL ||
	    s->whole == NULL || s->still == NULL)
		return fy_error_nomem(err);
	return 0;
}

static void
scan_release(struct scan *s, size_t n)
{
	size_t i;

	for (i = 0; s->maps != NULL && i < n; i++)
		fy_disk_map_free(s->maps[i]);
	for (i = 0; s->cached != NULL && i < n; i++)
		fy_volume_close(s->cached[i]);
	for (i = 0; s->whole != NULL && i < n; i++)
		free(s->whole[i]);
	free(s->options);
	free(s->cached);
	free(s->maps);
	free(s->whole);
	free(s->still);
}

/* Metadata are small reads, better through the cache; the copy then goes past
 * it. */
static int
prepare_map(struct run *r, size_t i, struct scan *s, struct fy_error *err)
{
	const struct fy_client_disk *d = &r->disks[i];
	struct fy_disk_map_options *o = &s->options[i];

	*o = (struct fy_disk_map_options){
		.allow_dirty = r->o->allow_dirty,
		.all_gaps = r->o->all_gaps,
		.rescue = r->o->rescue ? d->volume : NULL,
		.log = r->o->server.log,
		.progress = r->o->progress,
		.stop = r->o->server.stop,
	};
	if (select_whole(r->o, d->path, &s->whole[i], &o->n_whole, err) == -1)
		return -1;
	o->whole = s->whole[i];
	return fy_volume_open_path(d->path, 0, 0, &s->cached[i], err);
}

/* What is known of a disk's units holds for its map only, which may depend on
 * other disks. */
static int
take_map(struct fy_client_disk *d, struct fy_disk_map **map, bool still,
	 struct fy_error *err)
{
	struct fy_digest before, now;

	if (still && (fy_digest_extents(d->map->used, &before, err) == -1 ||
		      fy_digest_extents((*map)->used, &now, err) == -1))
		return -1;
	if (still && !fy_digest_equal(&before, &now))
		fy_known_forget(&d->known);
	fy_disk_map_free(d->map);
	d->map = fy_steal_ptr(map);
	return 0;
}

static int
read_maps(struct run *r, struct scan *s, struct fy_error *err)
{
	size_t i, at = 0, n = r->o->n_disks;
	int got;

	for (i = 0; i < n; i++)
		if (prepare_map(r, i, s, err) == -1)
			return -1;
	got = fy_disk_set_read(s->cached, n, s->options, s->maps, &at, err);
	if (got == -1 && err->code == FY_E_IO) {
		err->code = FY_E_UNREADABLE;
		fy_error_prefix(err, "cannot read the map of %s",
				r->disks[at].path);
	}
	if (got == -1)
		return -1;
	for (i = 0; i < n; i++) {
		if (take_map(&r->disks[i], &s->maps[i], s->still[i], err) == -1)
			return -1;
		log_map(r, &r->disks[i]);
	}
	return 0;
}

/* Open the disk (anew), and forget what was known of it. */
static int
open_disk(struct run *r, struct fy_client_disk *d, struct fy_error *err)
{
	bool first = d->volume == NULL;

	d->unchanged.sure = false;
	fy_known_forget(&d->known);
	if (d->rescue != NULL &&
	    fy_rescue_forget(d->rescue, 0, UINT64_MAX, err) == -1)
		return -1;
	fy_disk_map_free(d->map);
	d->map = NULL;
	fy_volume_close(d->volume);
	d->volume = NULL;
	if (fy_volume_open_path(d->path, FY_VOLUME_DIRECT, 0, &d->volume,
				err) == -1)
		return -1;
	if (first)
		fy_unchanged_begin(&d->unchanged, d->volume);
	else
		fy_log_info(r->o->server.log,
			    "%s: it may have changed meanwhile, so it is "
			    "looked at again",
			    d->path);
	return 0;
}

/* The disks are read as a set, for volumes may lie on several. */
static int
scan_set(struct run *r, struct scan *s, struct fy_error *err)
{
	size_t i, unchanged = 0;

	for (i = 0; i < r->o->n_disks; i++) {
		struct fy_client_disk *d = &r->disks[i];

		s->still[i] = d->map != NULL &&
			      fy_unchanged_still(&d->unchanged, d->volume);
		unchanged += s->still[i];
	}
	if (unchanged == r->o->n_disks)
		return 0;
	for (i = 0; i < r->o->n_disks; i++)
		if (!s->still[i] && open_disk(r, &r->disks[i], err) == -1)
			return -1;
	fy_progress_phase(r->o->progress, "scan", 0);
	return read_maps(r, s, err);
}

static int
scan_disks(struct run *r, struct fy_error *err)
{
	struct scan s = { 0 };
	size_t i;
	int got;

	got = scan_init(&s, r->o->n_disks, err);
	if (got == 0)
		got = scan_set(r, &s, err);
	scan_release(&s, r->o->n_disks);
	if (got == -1 || fy_peer_error(r->peer, err) == -1)
		return -1;
	r->ret->disk_bytes = r->ret->used_bytes = 0;
	for (i = 0; i < r->o->n_disks; i++) {
		r->ret->disk_bytes += r->disks[i].map->disk_bytes;
		r->ret->used_bytes += r->disks[i].map->used_bytes;
	}
	return 0;
}

/* --- the job ---------------------------------------------------------------------- */

/* So much of a disk may be unreadable when nothing else was said: more of it
 * means that it isn't some sectors that are bad. */
static uint64_t
rescue_max(const struct run *r, const struct fy_client_disk *d)
{
	if (r->o->rescue_max_bytes != 0)
		return r->o->rescue_max_bytes;
	return fy_min_u64(FY_GIB, fy_max_u64(d->map->used_bytes / 10, FY_MIB));
}

/* READY: what the copy works on. */
static int
prepare_copy(struct run *r, size_t i, struct fy_error *err)
{
	struct fy_client_disk *d = &r->disks[i];
	struct fy_peer_disk *w = &r->wire[i];

	if (d->sent.n != w->units) {
		fy_unit_set_release(&d->sent);
		if (fy_unit_set_init(&d->sent, w->units, err) == -1)
			return -1;
	}
	if (d->unchanged.sure)
		fy_known_measure(&d->known, w->units, w->unit_bytes,
				 fy_peer_seed(r->peer));
	if (d->rescue != NULL) {
		fy_rescue_attach(d->rescue, d->volume);
		fy_rescue_set_max(d->rescue, rescue_max(r, d));
	}
	r->copy[i] = (struct fy_copy_disk){
		.volume = d->volume,
		.map = d->map,
		.wire = w,
		.known = d->unchanged.sure ? &d->known : NULL,
		.sent = &d->sent,
		.rescue = d->rescue,
	};
	return 0;
}

static int
accept_ready(struct run *r, struct fy_error *err)
{
	bool first = !r->ret->server_reached;
	uint64_t durable = 0;
	size_t i;

	r->ret->server_reached = true;
	if (!fy_peer_is_finished(r->peer)) {
		for (i = 0; i < r->o->n_disks; i++) {
			if (prepare_copy(r, i, err) == -1)
				return -1;
			durable += r->wire[i].durable_units;
		}
	}
	fy_retry_connected(&r->retry, fy_clock_ms(), durable);
	if (!first) {
		r->ret->reconnects++;
		fy_log_info(r->o->server.log,
			    "the connection is there again; %" PRIu64
			    " units are durable on the server",
			    durable);
		return 0;
	}
	r->ret->resumed = fy_peer_is_resumed(r->peer);
	if (r->ret->resumed)
		fy_log_info(r->o->server.log,
			    "an earlier run of this job is continued");
	return 0;
}

static int
offer_job(struct run *r, struct fy_error *err)
{
	fy_autojson json_t *job = NULL;
	size_t i, n = r->o->n_disks;

	if (r->machine == NULL) {
		r->own_machine = fy_machine_new(err);
		if (r->own_machine == NULL)
			return -1;
		r->machine = r->own_machine;
	}
	if (fy_client_job_fill(r->machine, r->disks, n, err) == -1)
		return -1;
	job = fy_client_job_json(r->o, r->machine, r->disks, r->client, err);
	if (job == NULL)
		return -1;
	for (i = 0; i < n; i++)
		r->wire[i].size_bytes = fy_volume_size(r->disks[i].volume);
	if (!r->ret->server_reached)
		fy_progress_phase(r->o->progress, "wait", 0);
	if (fy_peer_job(r->peer, job, r->wire, n, err) == -1)
		return -1;
	return accept_ready(r, err);
}

static int
copy_disks(struct run *r, struct fy_error *err)
{
	struct fy_copy c = { .peer = r->peer,
			     .disks = r->copy,
			     .n_disks = r->o->n_disks,
			     .workers = r->o->threads,
			     .progress = r->o->progress,
			     .log = r->o->server.log,
			     .stop = r->o->server.stop,
			     .sent_before = r->sent_bytes,
			     .total_bytes = r->total_bytes };
	struct fy_chooser chooser;
	int result;

	if (c.workers == 0)
		c.workers = fy_processors();
	fy_chooser_init(&chooser, r->o->compress, r->o->compress_level,
			c.workers);
	c.chooser = &chooser;
	fy_peer_set_progress(r->peer, NULL);
	result = fy_copy_check(&c, err);
	if (result == 0) {
		fy_peer_set_progress(r->peer, r->o->progress);
		result = fy_copy_send(&c, err);
	}
	fy_chooser_release(&chooser);
	r->units_sent = c.units_sent;
	r->ret->units_sent += c.units_sent;
	/* Known once pass two has begun. */
	if (c.total_bytes > 0 || result == 0) {
		r->total_bytes = c.total_bytes;
		r->ret->units_total = c.units_total;
		r->ret->units_reused = c.units_reused;
	}
	return result;
}

static int
finish(struct run *r, struct fy_error *err)
{
	const char *result;

	/* A job that the server had brought to its end knows it already. */
	if (fy_rescue_report(r->disks, r->o->n_disks,
			     fy_peer_is_finished(r->peer) ? NULL : r->peer,
			     r->o->server.log, r->o->server.stop, r->ret,
			     err) == -1)
		return -1;
	if (fy_peer_finish(r->peer, r->units_sent, &r->ret->done, err) == -1)
		return -1;
	r->ret->stored_bytes = fy_json_u64_or(r->ret->done, "stored_bytes", 0);
	result = fy_json_string_or(r->ret->done, "result", "");
	if (strcmp(result, "done") == 0)
		return 0;
	if (strcmp(result, "different") == 0)
		return fy_error_set(err, FY_E_DIFFERENT, 0,
				    "the server read the image back and found "
				    "a difference");
	return fy_error_set(err, FY_E_PROTOCOL, 0,
			    "the server's DONE has the result '%.40s'", result);
}

/* One connection, from its beginning to DONE. */
static int
run_connection(struct run *r, struct fy_error *err)
{
	if (!r->memory.reached)
		fy_progress_phase(r->o->progress, "connect", 0);
	r->units_sent = 0;
	if (fy_peer_open(&r->server, &r->peer, NULL, err) == -1 ||
	    scan_disks(r, err) == -1 || offer_job(r, err) == -1)
		return -1;
	if (!fy_peer_is_finished(r->peer) && copy_disks(r, err) == -1)
		return -1;
	return finish(r, err);
}

/* --- reconnecting ----------------------------------------------------------------- */

static void
close_peer(struct run *r, const struct fy_error *why)
{
	size_t i;

	if (r->peer != NULL)
		r->sent_bytes += fy_peer_sent_bytes(r->peer);
	fy_peer_close(r->peer, why);
	r->peer = NULL;
	for (i = 0; i < r->o->n_disks; i++) {
		fy_unit_set_release(&r->wire[i].durable);
		fy_unit_set_release(&r->wire[i].rejected);
		memset(&r->wire[i], 0, sizeof(r->wire[i]));
	}
}

/* Wait for the next try, if there is to be one; -1: no, and 'err' is why. */
static int
prepare_again(struct run *r, const struct fy_error *why, struct fy_error *err)
{
	bool again = r->retry.lost_ms != 0;
	uint64_t ms;

	if (!r->memory.reached || !fy_retry_helps(&r->retry, why)) {
		*err = *why;
		return again ? fy_error_prefix(err, "while reconnecting") : -1;
	}
	close_peer(r, why->code == FY_E_CONNECTION ? NULL : why);
	ms = fy_retry_lost(&r->retry, fy_clock_ms());
	if (ms == 0)
		return fy_error_set(err, FY_E_CONNECTION, 0,
				    "%s; it was tried again for %" PRIu64 " s",
				    why->msg, r->o->retry_s);
	fy_log_warn(r->o->server.log, "%s: %s; trying again in %" PRIu64 " s",
		    again ? "no connection" : "the connection is lost",
		    why->msg, (ms + 999) / 1000);
	/* What is done stays in sight. */
	if (r->o->progress != NULL)
		atomic_store(&r->o->progress->phase, "reconnect");
	return fy_retry_wait(ms, r->o->progress, r->o->server.stop, err);
}

static int
run_job(struct run *r, struct fy_error *err)
{
	struct fy_error failure = { .code = FY_E_NONE };

	while (run_connection(r, &failure) == -1) {
		/* A child that died of the same Ctrl-C is no lost
		 * connection. */
		if (failure.code == FY_E_CONNECTION &&
		    fy_stop_is_raised(r->o->server.stop)) {
			fy_error_clear(&failure);
			fy_stop_check(r->o->server.stop, &failure);
		}
		if (prepare_again(r, &failure, err) == -1)
			return -1;
		fy_error_clear(&failure);
	}
	return 0;
}

/* --- all of it -------------------------------------------------------------------- */

static int
prepare(struct run *r, struct fy_error *err)
{
	const struct fy_rescue_options rescue = {
		.tries = r->o->rescue_tries,
		.area_s = r->o->rescue_time_s,
		.log = r->o->server.log,
		.stop = r->o->server.stop,
	};
	size_t i, n = r->o->n_disks;
	unsigned char token[16];

	r->server = r->o->server;
	r->server.memory = &r->memory;
	r->known_room = FY_KNOWN_ROOM;
	fy_retry_init(&r->retry, r->o->retry_s);
	if (fy_random(token, sizeof(token), err) == -1)
		return -1;
	for (i = 0; i < sizeof(token); i++)
		snprintf(r->client + 2 * i, 3, "%02x", token[i]);
	r->disks = calloc(n, sizeof(*r->disks));
	r->wire = calloc(n, sizeof(*r->wire));
	r->copy = calloc(n, sizeof(*r->copy));
	if (r->disks == NULL || r->wire == NULL || r->copy == NULL) {
		free(r->disks);
		r->disks = NULL;
		return fy_error_nomem(err);
	}
	for (i = 0; i < n; i++) {
		r->disks[i].path = r->o->disks[i];
		fy_known_init(&r->disks[i].known, &r->known_room);
		if (!r->o->rescue)
			continue;
		r->disks[i].rescue = fy_rescue_new(&rescue, err);
		if (r->disks[i].rescue == NULL)
			return -1;
	}
	return 0;
}

static void
release(struct run *r)
{
	size_t i;

	for (i = 0; r->disks != NULL && i < r->o->n_disks; i++) {
		fy_disk_map_free(r->disks[i].map);
		fy_volume_close(r->disks[i].volume);
		fy_known_release(&r->disks[i].known);
		fy_unit_set_release(&r->disks[i].sent);
		fy_rescue_free(r->disks[i].rescue);
	}
	free(r->disks);
	free(r->wire);
	free(r->copy);
	fy_machine_free(r->own_machine);
	fy_server_memory_release(&r->memory);
}

/* However it ended; and what the server knows is in the image counts, too. */
static void
count_unreadable(struct run *r)
{
	struct fy_error ignored = { .code = FY_E_NONE };

	(void)fy_rescue_sum_up(r->disks, r->o->n_disks, r->ret, &ignored);
	r->ret->unreadable_bytes =
		fy_max_u64(r->ret->unreadable_bytes,
			   fy_json_u64_or(r->ret->done, "unreadable_bytes", 0));
}

int
fy_convert_run(const struct fy_convert_options *options,
	       struct fy_machine *machine, struct fy_convert_result *ret,
	       struct fy_error *err)
{
	struct run r = { .o = options, .ret = ret, .machine = machine };
	struct fy_error failure = { .code = FY_E_NONE };
	uint64_t start = fy_clock_ns();
	int result;

	memset(ret, 0, sizeof(*ret));
	if (check_options(options, err) == -1)
		return -1;
	result = prepare(&r, &failure);
	if (result == 0) {
		result = run_job(&r, &failure);
		close_peer(&r,
			   result == -1 && ret->done == NULL ? &failure : NULL);
		ret->sent_bytes = r.sent_bytes;
		count_unreadable(&r);
	}
	release(&r);
	ret->seconds = (double)(fy_clock_ns() - start) / 1e9;
	if (result == -1 && err != NULL && err->code == FY_E_NONE)
		*err = failure;
	return result;
}

int
fy_connection_test(const struct fy_server_options *options, char **ret_about,
		   struct fy_error *err)
{
	struct fy_error goodbye = { .code = FY_E_NONE };
	struct fy_peer *s = NULL;

	if (fy_peer_open(options, &s, ret_about, err) == -1)
		return -1;
	fy_error_set(&goodbye, FY_E_CANCELLED, 0, "only a test");
	fy_peer_close(s, &goodbye);
	return 0;
}
