/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The unattended action: p2v.pre, wait for the server, look at the machine,
 * convert (or send the inventory), write RUN/result, p2v.post or p2v.fail.
 *
 * Nobody is there to answer, so no question is asked: an unknown host key or a
 * refused password is a failure.  A failure before the job is known to the
 * server is sent there as the protocol's ERROR where it can be reached.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "common/subprocess.h"
#include "p2v-client/live.h"
#include "p2v-client/peer.h"

#define LINE_EVERY_S 10.0
#define PAUSE_MS     3000

/* --- progress -------------------------------------------------------------- */

struct ticker {
	struct fy_live *l;
	const char *phase;
	double told;  /* seconds since the start */
	bool waiting; /* for a new connection */
};

static void
time_words(uint64_t s, char *ret, size_t size)
{
	if (s == UINT64_MAX)
		snprintf(ret, size, "time left not known yet");
	else
		snprintf(ret, size,
			 "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left",
			 s / 3600, s / 60 % 60, s % 60);
}

/* A line when the phase changes, and every few seconds. */
static void
tell_progress(void *ctx, const struct fy_progress_view *v)
{
	struct ticker *t = ctx;
	char done[24], total[24], rate[24], left[48];

	if (v->phase == NULL || v->phase[0] == '\0' ||
	    (t->phase != NULL && strcmp(t->phase, v->phase) == 0 &&
	     t->waiting == (v->retry_in > 0) &&
	     v->seconds - t->told < LINE_EVERY_S))
		return;
	t->phase = v->phase;
	t->told = v->seconds;
	t->waiting = v->retry_in > 0;
	if (t->waiting) {
		fy_live_say(t->l, "%s: no connection; the next try is in %u s",
			    v->phase, v->retry_in);
		return;
	}
	if (v->total == 0) {
		fy_live_say(t->l, "%s ...", v->phase);
		return;
	}
	fy_format_bytes(v->done, done, sizeof(done));
	fy_format_bytes(v->total, total, sizeof(total));
	fy_format_bytes(v->rate, rate, sizeof(rate));
	time_words(v->seconds_left, left, sizeof(left));
	fy_live_say(t->l, "%s: %u %%, %s of %s, %s/s, %s", v->phase,
		    (unsigned)(v->done >= v->total ? 100
						   : (double)v->done * 100 /
							     (double)v->total),
		    done, total, rate, left);
}

/* --- the job --------------------------------------------------------------- */

struct job {
	struct fy_live *l;
	struct fy_convert_options c;
	struct fy_inventory *inventory;
	struct fy_strings words; /* of p2v.disks */
	struct fy_convert_result result;
	char *sent; /* where machine.json is */
	bool server_knows;
};

static bool
may_come(enum fy_error_code code)
{
	return code == FY_E_CONNECTION || code == FY_E_NOTFOUND;
}

/* Until the server answers; a refused login is believed at once. */
static int
wait_for_server(struct job *j, struct fy_error *err)
{
	struct fy_live *l = j->l;
	uint64_t wait =
		l->o->live.wait_s != 0 ? l->o->live.wait_s : FY_LIVE_WAIT_S;
	uint64_t end = fy_clock_ms() + wait * 1000;
	fy_autofree char *about = NULL;
	char told[sizeof(err->msg)] = "";

	fy_live_say(l, "Connecting to %s", j->c.server.server);
	for (;;) {
		struct fy_error why = { .code = FY_E_NONE };

		if (fy_connection_test(&j->c.server, &about, &why) == 0) {
			fy_live_say(l, "Connected: %s", about);
			return 0;
		}
		if (fy_stop_is_raised(&fy_client_stop) || !may_come(why.code) ||
		    fy_clock_ms() >= end) {
			*err = why;
			return -1;
		}
		if (strcmp(told, why.msg) != 0)
			fy_live_say(l, "%s; trying again, for %" PRIu64 " s",
				    why.msg, (end - fy_clock_ms()) / 1000);
		memcpy(told, why.msg, sizeof(told));
		fy_live_pause(PAUSE_MS);
	}
}

/* Disks that are named by path are the only ones that are looked into. */
static bool
are_paths(const struct fy_strings *words)
{
	size_t i;

	for (i = 0; i < words->n; i++)
		if (strchr(words->items[i], '/') == NULL)
			return false;
	return words->n > 0;
}

static int
look(struct job *j, struct fy_error *err)
{
	struct fy_inventory_options io = { .read_disks = true,
					   .allow_dirty = j->c.allow_dirty,
					   .rescue = j->c.rescue,
					   .log = j->l->log,
					   .stop = &fy_client_stop };

	static const char *const settle[] = { "udevadm", "settle",
					      "--timeout=60", NULL };
	struct fy_subprocess_options so = { .timeout_s = 70,
					    .stop = &fy_client_stop };
	struct fy_error ignored = { .code = FY_E_NONE };

	fy_live_say(j->l, "Looking at this machine and its disks");
	/* Soon after the boot drivers may still be finding disks. */
	(void)fy_subprocess_run(settle, &so, NULL, &ignored);
	if (are_paths(&j->words)) {
		io.disks = (const char *const *)j->words.items;
		io.n_disks = j->words.n;
	}
	return fy_inventory_read(&io, &j->inventory, err);
}

static int
choose(struct job *j, struct fy_error *err)
{
	struct fy_client_options *o = j->l->o;
	size_t i;

	fy_strings_release(&o->disks);
	if (fy_live_choose_disks(j->l, j->inventory, &j->words, &o->disks,
				 err) == -1)
		return -1;
	for (i = 0; i < o->disks.n; i++)
		fy_live_say(j->l, "Disk %zu: %s", i + 1, o->disks.items[i]);
	j->c.disks = (const char *const *)o->disks.items;
	j->c.n_disks = o->disks.n;
	return fy_disks_check(NULL, j->c.disks, j->c.n_disks, j->l->log, err);
}

static int
set_name(struct job *j, struct fy_error *err)
{
	struct fy_client_options *o = j->l->o;

	if (o->name == NULL)
		o->name = fy_live_name(j->inventory->machine, err);
	if (o->name == NULL)
		return -1;
	j->c.name = o->name;
	fy_live_say(j->l, "Name: %s", o->name);
	return fy_convert_check_name(o->name, err);
}

static int
convert(struct job *j, struct fy_error *err)
{
	struct fy_client_options *o = j->l->o;
	struct ticker ticker = { .l = j->l };
	struct fy_progress progress = { .phase = NULL };
	bool lines = o->progress == FY_PROGRESS_AUTO;
	int r;

	if (choose(j, err) == -1 || set_name(j, err) == -1)
		return -1;
	j->c.progress = &progress;
	if (fy_progress_start(&progress,
			      lines ? FY_PROGRESS_NONE
				    : (enum fy_progress_mode)o->progress,
			      lines ? tell_progress : NULL, &ticker, 1000,
			      err) == -1)
		return -1;
	j->server_knows = true;
	r = fy_convert_run(&j->c, j->inventory->machine, &j->result, err);
	fy_progress_stop(&progress);
	return r;
}

static int
send_inventory(struct job *j, struct fy_error *err)
{
	if (set_name(j, err) == -1)
		return -1;
	j->server_knows = true;
	return fy_live_send_inventory(&j->c.server, j->inventory->machine,
				      j->c.name, j->c.to, j->c.force, &j->sent,
				      err);
}

static int
steps(struct job *j, struct fy_error *err)
{
	struct fy_client_options *o = j->l->o;

	if (o->server == NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "p2v.server is missing");
	if (fy_client_convert_options(o, j->l->log, &j->c, err) == -1)
		return -1;
	j->c.server.ask_host_key = NULL;
	j->c.server.ask_password = NULL;
	j->c.server.password = o->live.password;
	if (fy_live_hook(j->l, o->live.pre, "", 0, o->name, err) == -1)
		return fy_error_prefix(err, "p2v.pre");
	if (fy_live_mount_target(j->l, err) == -1)
		return -1;
	if (wait_for_server(j, err) == -1 || look(j, err) == -1)
		return -1;
	if ((o->live.action == FY_LIVE_INVENTORY ? send_inventory(j, err)
						 : convert(j, err)) == -1)
		return -1;
	return fy_live_sync_target(j->l, err);
}

/* --- the end --------------------------------------------------------------- */

/* The server hears of a failure that came before any job. */
static void
tell_server(struct job *j, const struct fy_error *failure)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	struct fy_peer *peer = NULL;

	if (j->server_knows || j->c.server.server == NULL ||
	    may_come(failure->code) || failure->code == FY_E_AUTH ||
	    failure->code == FY_E_HOSTKEY || failure->code == FY_E_CANCELLED)
		return;
	if (fy_peer_open(&j->c.server, &peer, NULL, &ignored) == 0)
		fy_peer_close(peer, failure);
}

static int
write_result(struct job *j, const struct fy_error *failure, int status,
	     struct fy_error *err)
{
	fy_autojson json_t *o = NULL;
	fy_autofree char *path = NULL, *text = NULL;

	path = fy_live_path(j->l, "result", err);
	o = fy_convert_result_json(&j->result, failure, err);
	if (path == NULL || o == NULL)
		return -1;
	json_object_set_new(o, "exit", json_integer(status));
	if (j->l->o->name != NULL)
		json_object_set_new(o, "name", json_string(j->l->o->name));
	if (j->l->o->json) {
		text = fy_json_text(o, 0, err);
		if (text != NULL)
			fy_live_say(j->l, "%s", text);
	}
	return fy_json_write_at(AT_FDCWD, path, o, err);
}

static void
say_end(struct job *j, const struct fy_error *failure, int status)
{
	const char *advice = fy_convert_advice(failure->code);
	const char *xml = fy_json_string_or(j->result.done, "xml", "");
	char line[256];

	if (failure->code != FY_E_NONE) {
		fy_live_say(j->l, "FAILED (exit status %d): %s%s%s", status,
			    failure->msg, advice[0] != '\0' ? "\n" : "",
			    advice);
		return;
	}
	if (j->sent != NULL) {
		fy_live_say(j->l, "DONE: %s", j->sent);
		return;
	}
	fy_convert_summary(&j->result, line, sizeof(line));
	fy_live_say(j->l, "DONE%s: %s\n%s",
		    status == FY_EXIT_RESCUED
			    ? ", WITH UNREADABLE SECTORS (exit status 3)"
			    : "",
		    line, xml);
}

/* p2v.post only after success. */
static void
run_hook(struct job *j, bool failed, int status)
{
	const struct fy_live_options *lo = &j->l->o->live;
	struct fy_error why = { .code = FY_E_NONE };

	if (fy_live_hook(j->l, failed ? lo->fail : lo->post,
			 failed ? "failed" : "done", status, j->l->o->name,
			 &why) == -1)
		fy_live_say(j->l, "%s: %s", failed ? "p2v.fail" : "p2v.post",
			    why.msg);
}

/* Unmounted and read-only again; returns the exit status. */
static int
let_target_go(struct job *j, bool failed, int status, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };

	if (fy_live_release_target(j->l, &why) == 0)
		return status;
	if (failed) {
		fy_live_say(j->l, "%s", why.msg);
		return status;
	}
	status = fy_error_exit_status(why.code);
	say_end(j, &why, status);
	return write_result(j, &why, status, err) == -1 ? -1 : status;
}

/* Say, write down and follow up how it ended. */
static int
end(struct job *j, const struct fy_error *failure, struct fy_error *err)
{
	int status = fy_convert_exit_status(&j->result, failure->code);
	bool failed = status != FY_EXIT_DONE && status != FY_EXIT_RESCUED;
	int r;

	if (failed)
		tell_server(j, failure);
	say_end(j, failure, status);
	r = write_result(j, failure, status, err);
	run_hook(j, failed, status);
	status = let_target_go(j, failed, status, err);
	return r == -1 ? -1 : status;
}

int
fy_live_refuse(struct fy_live *l, struct fy_error *err)
{
	struct job j = { .l = l };
	struct fy_error failure = { .code = FY_E_NONE };
	size_t i;

	for (i = 1; i < l->problems.n; i++)
		fy_live_say(l, "%s", l->problems.items[i]);
	fy_error_set(&failure, FY_E_USAGE, 0, "%s", l->problems.items[0]);
	return end(&j, &failure, err);
}

int
fy_live_run(struct fy_live *l, struct fy_error *err)
{
	struct job j = { .l = l };
	struct fy_error failure = { .code = FY_E_NONE };
	struct fy_strings words = l->o->disks;
	int r;

	/* The words stay what was asked for; the options get the paths. */
	j.words = words;
	memset(&l->o->disks, 0, sizeof(l->o->disks));
	(void)steps(&j, &failure);
	r = end(&j, &failure, err);
	fy_convert_result_release(&j.result);
	fy_inventory_free(j.inventory);
	fy_strings_release(&j.words);
	free(j.sent);
	return r;
}
