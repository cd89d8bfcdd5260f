/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The finish: tables, verification, injection, commit.
 *
 * The job is whole on this side, so it goes on even when the client is gone: a
 * thread reads the connection meanwhile, and an end of it only stops the
 * frames.  A client that says "cancelled" does stop the work, up to the moment
 * when the commit is written down; the same command goes on from there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/confined.h"
#include "v2v-server/session.h"

/* --- the client meanwhile --------------------------------------------------- */

struct watcher {
	struct fy_session *s;
	pthread_t thread;
	atomic_bool ending;
};

static void *
watch(void *arg)
{
	struct watcher *w = arg;
	struct fy_link *l = &w->s->link;
	struct fy_wire_header h;
	struct fy_error err = { 0 };
	int r;

	r = fy_link_next(l, &h, &err);
	if (atomic_load(&w->ending) || fy_stop_is_raised(w->s->stop))
		return NULL;
	if (r == -1 && err.code == FY_E_CANCELLED) {
		fy_log_info(w->s->log, "the client cancels");
		fy_stop_raise(w->s->stop);
		return NULL;
	}
	/* Gone, or it says something that it may not: nobody to talk to. */
	fy_link_break(l);
	fy_log_info(w->s->log,
		    "the client is gone; the job goes on without it");
	return NULL;
}

static int
watcher_start(struct watcher *w, struct fy_session *s, struct fy_error *err)
{
	w->s = s;
	atomic_init(&w->ending, false);
	if (pthread_create(&w->thread, NULL, watch, w) != 0)
		return fy_error_set(err, FY_E_NOMEM, 0,
				    "cannot start a thread");
	return 0;
}

static void
watcher_stop(struct watcher *w)
{
	atomic_store(&w->ending, true);
	fy_link_wake(&w->s->link);
	pthread_join(w->thread, NULL);
}

static void
show_progress(void *ctx, const struct fy_progress_view *v)
{
	struct fy_session *s = ctx;
	struct fy_error ignored = { 0 };
	fy_autojson json_t *j = NULL;
	const char *phase = v->phase != NULL ? v->phase : "finish";

	/* What the injection calls its parts is no word of the protocol. */
	if (!fy_streq(phase, "finish") && !fy_streq(phase, "verify") &&
	    !fy_streq(phase, "commit"))
		phase = "inject";
	j = json_pack("{s:s, s:I, s:I}", "phase", phase, "done",
		      (json_int_t)v->done, "total", (json_int_t)v->total);
	if (j != NULL)
		fy_link_send_json(&s->link, FY_WIRE_PROGRESS, j, &ignored);
}

/* --- tables ------------------------------------------------------------------ */

struct next_place {
	struct fy_session *s;
	unsigned disk;
	uint64_t unit;
};

static int
next_place(void *ctx, uint64_t *index, struct fy_place *place,
	   struct fy_error *err)
{
	struct next_place *n = ctx;
	struct fy_digest digest;

	if (!fy_journal_next(n->s->journal, n->disk, &n->unit))
		return 0;
	if (fy_stop_check(n->s->stop, err) == -1 ||
	    fy_journal_get(n->s->journal, n->disk, n->unit, &digest, place,
			   err) == -1)
		return -1;
	*index = n->unit++;
	fy_progress_add(&n->s->progress, n->s->disks[n->disk].unit_bytes, 0);
	return 1;
}

static int
finish_images(struct fy_session *s, struct fy_error *err)
{
	uint64_t total = 0;
	unsigned i;

	for (i = 0; i < s->n_disks; i++)
		total += fy_journal_count(s->journal, i) *
			 s->disks[i].unit_bytes;
	fy_progress_phase(&s->progress, "finish", total);
	for (i = 0; i < s->n_disks; i++) {
		struct next_place n = { .s = s, .disk = i };

		if (fy_sink_finish(s->disks[i].sink, next_place, &n, err) == -1)
			return fy_error_prefix(err, "'%s/%s'", s->dir->path,
					       s->disks[i].file);
		fy_sink_free(s->disks[i].sink);
		s->disks[i].sink = NULL;
	}
	return fy_journal_set_stage(s->journal, "written", err);
}

/* --- injection --------------------------------------------------------------- */

/* Temporary files of the injection lie in NAME.partial, so that a server that
 * was killed leaves none elsewhere: the next one clears the place. */
static int
make_scratch(struct fy_session *s, char **ret, struct fy_error *err)
{
	if (fy_dir_remove_all_at(s->dir->fd, "tmp", err) == -1)
		return -1;
	if (mkdirat(s->dir->fd, "tmp", 0700) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make the directory '%s/tmp'",
				    s->dir->path);
	*ret = fy_format(err, "%s/tmp", s->dir->path);
	return *ret == NULL ? -1 : 0;
}

static int
open_images(void *ctx, bool writable, struct fy_images **ret,
	    struct fy_error *err)
{
	return fy_session_open_images(ctx, writable, ret, err);
}

static int
inject(struct fy_session *s, json_t **ret, struct fy_error *err)
{
	const struct fy_confined c = { .open = open_images, .ctx = s };
	FY_AUTO(machine) struct fy_machine *m = NULL;
	fy_autofree struct fy_inject_nic *nics = NULL;
	fy_autofree char *scratch = NULL;
	struct fy_inject_options o = {
		.job_dirfd = s->dir->fd,
		.log = s->log,
		.progress = &s->progress,
		.stop = s->stop,
		.virtio_win = s->options->virtio_win,
	};
	size_t i;

	fy_progress_phase(&s->progress, "inject", 0);
	nics = calloc(s->job->n_nics + 1, sizeof(*nics));
	if (nics == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < s->job->n_nics; i++)
		nics[i] =
			(struct fy_inject_nic){ .name = s->job->nics[i].key,
						.mac = s->job->nics[i].value };
	o.nics = nics;
	o.n_nics = s->job->n_nics;
	o.custom = s->job->custom;
	o.keys = s->job->luks_keys->items;
	o.n_keys = s->job->luks_keys->n;
	if (fy_job_machine(s->job, &m, err) == -1)
		return -1;
	/* Without a description there is nothing but the disks. */
	o.machine = s->job->machine != NULL ? m : NULL;
	if (make_scratch(s, &scratch, err) == -1)
		return -1;
	o.tmpdir = scratch;
	if (fy_confined_inject(&c, &o, ret, err) == -1 ||
	    fy_dir_remove_all_at(s->dir->fd, "tmp", err) == -1)
		return -1;
	fy_log_debug(s->log, "injected: %zu changes",
		     json_array_size(json_object_get(*ret, "changes")));
	return fy_journal_set_stage(s->journal, "injected", err);
}

/* The systems, for the definition; that they can't be told is no failure. */
static json_t *
inspect(struct fy_session *s)
{
	const struct fy_confined c = { .open = open_images, .ctx = s };
	struct fy_inject_options o = { .job_dirfd = -1, .log = s->log };
	fy_autofree char *scratch = NULL;
	struct fy_error why = { 0 };
	fy_autojson json_t *found = NULL;

	if (make_scratch(s, &scratch, &why) == 0) {
		o.tmpdir = scratch;
		fy_confined_inspect(&c, &o, &found, &why);
		fy_dir_remove_all_at(s->dir->fd, "tmp", NULL);
	}
	if (found != NULL)
		return json_incref(json_object_get(found, "systems"));
	fy_session_warn(s, "the systems on the disks could not be told: %s",
			why.msg);
	return json_array();
}

static int
inject_or_inspect(struct fy_session *s, json_t **ret_report,
		  json_t **ret_systems, struct fy_error *err)
{
	if (!s->job->inject) {
		*ret_systems = inspect(s);
		return *ret_systems == NULL ? fy_error_nomem(err) : 0;
	}
	if (inject(s, ret_report, err) == -1)
		return fy_error_prefix(err, "injection");
	*ret_systems = json_incref(json_object_get(*ret_report, "systems"));
	return 0;
}

/* --- all of it ---------------------------------------------------------------- */

static int
finish_steps(struct fy_session *s, struct fy_error *err)
{
	fy_autojson json_t *report = NULL;
	fy_autojson json_t *systems = NULL;

	fy_log_debug(s->log, "%" PRIu64 " units were received, all is covered",
		     s->n_units);
	if (finish_images(s, err) == -1)
		return -1;
	fy_log_debug(s->log, "the images' tables are written");
	if (s->job->verify && fy_session_verify(s, err) == -1)
		return -1;
	if (s->job->verify)
		fy_log_debug(s->log, "the images have been read back: as sent");
	if (fy_stop_check(s->stop, err) == -1 ||
	    inject_or_inspect(s, &report, &systems, err) == -1)
		return -1;
	return fy_session_commit(s, report, systems, err);
}

int
fy_session_finish(struct fy_session *s, struct fy_error *err)
{
	struct watcher w;
	int r;

	if (fy_jobdir_say_finishing(s->dir, err) == -1 ||
	    watcher_start(&w, s, err) == -1)
		return -1;
	if (fy_progress_start(&s->progress, FY_PROGRESS_NONE, show_progress, s,
			      1000, err) == -1) {
		watcher_stop(&w);
		return -1;
	}
	r = finish_steps(s, err);
	fy_progress_stop(&s->progress);
	watcher_stop(&w);
	return r;
}
