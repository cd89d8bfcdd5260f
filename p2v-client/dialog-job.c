/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job behind a gauge.
 *
 * The engine runs in a thread of its own with a stop token of its own; this
 * thread alone draws and reads keys.  It wakes four times a second, shows the
 * latest progress, looks for a key, and answers the questions that the engine
 * may have (a host key, a password after a reconnect): the engine's thread
 * leaves the question in the struct and waits for the answer.
 *
 * Every way out of a failed job is offered that makes sense for the failure:
 * again (which resumes), overwrite, copy an unclean filesystem whole, change
 * the answers, leave.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/dialog.h"

#define TICK_MS 250
#define ESCAPE	27
#define CTRL_C	3

enum question { NO_QUESTION, HOST_KEY, PASSWORD };

struct job {
	struct fy_dialog *d;
	struct fy_convert_options options;
	struct fy_machine *machine;
	struct fy_stop stop;
	struct fy_progress progress;

	/* Written by the engine's thread before 'done'. */
	struct fy_convert_result result;
	struct fy_error failure;

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t answered;
	bool done;
	struct fy_progress_view view; /* by the progress ticker */
	enum question question;	      /* by the engine, cleared by us */
	const char *text[3];
	bool echo, yes;
	char *answer;
};

/* --- the engine's thread --------------------------------------------------- */

/* Leave the question and wait. */
static void
pose(struct job *j, enum question question)
{
	j->question = question;
	while (j->question != NO_QUESTION)
		pthread_cond_wait(&j->answered, &j->lock);
}

static bool
pose_host_key(void *ctx, const char *host, const char *type,
	      const char *fingerprint)
{
	struct job *j = ctx;
	FY_LOCK_SCOPE(&j->lock);

	j->text[0] = host;
	j->text[1] = type;
	j->text[2] = fingerprint;
	pose(j, HOST_KEY);
	return j->yes;
}

static char *
pose_password(void *ctx, const char *prompt, bool echo)
{
	struct job *j = ctx;
	FY_LOCK_SCOPE(&j->lock);

	j->text[0] = prompt;
	j->echo = echo;
	pose(j, PASSWORD);
	return fy_steal_ptr(&j->answer);
}

static void
keep_view(void *ctx, const struct fy_progress_view *v)
{
	struct job *j = ctx;
	FY_LOCK_SCOPE(&j->lock);

	j->view = *v;
}

static void *
engine(void *ctx)
{
	struct job *j = ctx;

	fy_convert_run(&j->options, j->machine, &j->result, &j->failure);
	pthread_mutex_lock(&j->lock);
	j->done = true;
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

/* --- our thread ------------------------------------------------------------ */

static void
answer_question(struct job *j)
{
	enum question question;
	char *answer = NULL;
	bool yes = false;

	pthread_mutex_lock(&j->lock);
	question = j->question;
	pthread_mutex_unlock(&j->lock);
	if (question == NO_QUESTION)
		return;
	/* The engine waits, so the texts stay what they are. */
	if (question == HOST_KEY)
		yes = fy_dialog_ask_host_key(j->d, j->text[0], j->text[1],
					     j->text[2]);
	else
		answer = fy_dialog_ask_password(j->d, j->text[0], j->echo);
	pthread_mutex_lock(&j->lock);
	j->yes = yes;
	j->answer = answer;
	j->question = NO_QUESTION;
	pthread_cond_signal(&j->answered);
	pthread_mutex_unlock(&j->lock);
}

static const char *
phase_words(const char *phase)
{
	static const char *const words[][2] = {
		{ "reconnect", "The connection is lost; reconnecting" },
		{ "scan", "Finding out which blocks are used" },
		{ "check", "Comparing with what is on the server already" },
		{ "copy", "Copying" },
		{ "finish", "Writing the images' tables" },
		{ "verify", "Reading the images back" },
		{ "inject", "Making the system boot on virtual hardware" },
		{ "commit", "Finishing" },
	};
	size_t i;

	for (i = 0; phase != NULL && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(phase, words[i][0]) == 0)
			return words[i][1];
	return phase == NULL ? "Starting" : phase;
}

static void
time_words(uint64_t seconds, char *ret, size_t size)
{
	if (seconds == UINT64_MAX)
		snprintf(ret, size, "not known yet");
	else if (seconds >= 3600)
		snprintf(ret, size, "%" PRIu64 " h %02" PRIu64 " min",
			 seconds / 3600, seconds / 60 % 60);
	else
		snprintf(ret, size, "%" PRIu64 ":%02" PRIu64, seconds / 60,
			 seconds % 60);
}

static int
draw(struct job *j, struct fy_error *err)
{
	char done[32], total[32], rate[32], sent[32], left[32], text[512];
	char what[96];
	struct fy_progress_view v;
	unsigned percent = 0;

	pthread_mutex_lock(&j->lock);
	v = j->view;
	pthread_mutex_unlock(&j->lock);
	fy_format_bytes(v.done, done, sizeof(done));
	fy_format_bytes(v.total, total, sizeof(total));
	fy_format_bytes(v.rate, rate, sizeof(rate));
	fy_format_bytes(v.sent, sent, sizeof(sent));
	time_words(v.seconds == 0 ? UINT64_MAX : v.seconds_left, left,
		   sizeof(left));
	if (v.total > 0)
		percent = (unsigned)((double)fy_min_u64(v.done, v.total) *
				     100.0 / (double)v.total);
	snprintf(what, sizeof(what), "%s", phase_words(v.phase));
	if (v.retry_in != 0)
		snprintf(what, sizeof(what),
			 "The connection is lost, trying again in %u s",
			 v.retry_in);
	snprintf(text, sizeof(text),
		 "%s: %s\n\n"
		 "Done       %s of %s\n"
		 "Rate       %s/s\n"
		 "Sent       %s\n"
		 "Time left  %s        (Esc: cancel)",
		 j->options.name, what, done, total, rate, sent, left);
	return fy_ui_gauge(&j->d->ui, "Converting", percent, text, err);
}

/* Escape and Ctrl-C ask; a second signal or SIGTERM does not. */
static void
look_for_cancel(struct job *j)
{
	static const struct fy_ui_labels labels = { .ok = "Cancel it",
						    .cancel = "Continue",
						    .default_no = true };
	struct fy_error err = { 0 };
	int key = fy_ui_key(&j->d->ui, TICK_MS);

	if (fy_stop_is_raised(&fy_client_stop)) {
		fy_stop_raise(&j->stop);
		return;
	}
	if (key != ESCAPE && key != CTRL_C)
		return;
	if (fy_ui_question(&j->d->ui, "Cancel?",
			   "Cancel the conversion? (It goes on while you "
			   "think.)\n\nWhat has arrived stays on the server: "
			   "the same answers resume it later.",
			   &labels, &err) == FY_UI_OK)
		fy_stop_raise(&j->stop);
}

static bool
is_done(struct job *j)
{
	FY_LOCK_SCOPE(&j->lock);

	return j->done;
}

static int
watch(struct job *j, struct fy_error *err)
{
	pthread_t thread;
	int r = 0;

	if (fy_progress_start(&j->progress, FY_PROGRESS_NONE, keep_view, j,
			      TICK_MS, err) == -1)
		return -1;
	r = pthread_create(&thread, NULL, engine, j);
	if (r != 0) {
		fy_progress_stop(&j->progress);
		return fy_error_set(err, FY_E_NOMEM, r,
				    "cannot start a thread");
	}
	while (!is_done(j)) {
		answer_question(j);
		/* Without a gauge the job goes on all the same. */
		if (r == 0)
			r = draw(j, err);
		look_for_cancel(j);
	}
	pthread_join(thread, NULL);
	fy_progress_stop(&j->progress);
	fy_ui_gauge_end(&j->d->ui);
	return r;
}

/* --- what follows ---------------------------------------------------------- */

struct way {
	const char *tag, *text;
	enum fy_error_code code; /* only for this failure; NONE: always */
};

static const struct way ways[] = {
	{ "overwrite", "replace the earlier results of this name",
	  FY_E_EXISTS },
	{ "whole", "copy the unclean filesystem as it is, all of it",
	  FY_E_DIRTY },
	{ "rescue", "go on without what can't be read, and list it",
	  FY_E_UNREADABLE },
	{ "again", "try again; what has arrived is not sent again", FY_E_NONE },
	{ "change", "go back to the answers", FY_E_NONE },
	{ "leave", "leave; the same answers resume later", FY_E_NONE },
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static enum fy_move
take_way(struct fy_dialog *d, const char *tag)
{
	if (strcmp(tag, "overwrite") == 0)
		d->o->force = true;
	else if (strcmp(tag, "whole") == 0)
		d->o->allow_dirty = true;
	else if (strcmp(tag, "rescue") == 0)
		d->o->rescue = true;
	else if (strcmp(tag, "change") == 0)
		return FY_MOVE_BACK;
	else if (strcmp(tag, "leave") == 0)
		return FY_MOVE_LEAVE;
	return FY_MOVE_AGAIN;
}

static enum fy_move
after_failure(struct job *j, struct fy_error *err)
{
	struct fy_dialog *d = j->d;
	const char *advice = fy_convert_advice(j->failure.code);
	struct fy_ui_item items[N_WAYS];
	fy_autofree char *text = NULL;
	enum fy_ui_answer answer;
	size_t i, n = 0, choice = 0;

	d->status = fy_error_exit_status(j->failure.code);
	d->on_server = d->on_server || j->result.server_reached;
	if (fy_stop_is_raised(&fy_client_stop)) {
		*err = j->failure;
		return FY_MOVE_FAILED;
	}
	for (i = 0; i < N_WAYS; i++)
		if (ways[i].code == FY_E_NONE ||
		    ways[i].code == j->failure.code)
			items[n++] =
				(struct fy_ui_item){ ways[i].tag, ways[i].text,
						     NULL, false };
	text = fy_format(err, "%s%s%s", j->failure.msg,
			 advice[0] != '\0' ? "\n\n" : "", advice);
	if (text == NULL)
		return FY_MOVE_FAILED;
	answer = fy_ui_menu(&d->ui,
			    j->failure.code == FY_E_CANCELLED
				    ? "Cancelled"
				    : "The conversion failed",
			    text, items, n, NULL, &choice, err);
	if (answer == FY_UI_FAILED)
		return FY_MOVE_FAILED;
	return answer == FY_UI_OK ? take_way(d, items[choice].tag)
				  : FY_MOVE_LEAVE;
}

static enum fy_move
after_success(struct job *j, struct fy_error *err)
{
	fy_autofree char *text = NULL;

	j->d->status = fy_convert_exit_status(&j->result, j->failure.code);
	j->d->on_server = false;
	text = fy_dialog_result_text(j->d->o, &j->result, err);
	if (text == NULL ||
	    fy_ui_message(&j->d->ui,
			  j->failure.code == FY_E_DIFFERENT
				  ? "Done, but verification found a difference"
			  : j->d->status == FY_EXIT_RESCUED
				  ? "Done, but with unreadable sectors"
				  : "Done",
			  text, err) == FY_UI_FAILED)
		return FY_MOVE_FAILED;
	return FY_MOVE_NEXT;
}

/* The description of the machine, for the engine to change. */
static int
copy_machine(const struct fy_machine *m, struct fy_machine **ret,
	     struct fy_error *err)
{
	fy_autojson json_t *json = fy_machine_to_json(m, err);

	return json == NULL ? -1 : fy_machine_from_json(json, ret, err);
}

static int
prepare(struct fy_dialog *d, struct job *j, struct fy_error *err)
{
	if (fy_client_convert_options(d->o, d->log, &j->options, err) == -1 ||
	    copy_machine(d->inventory->machine, &j->machine, err) == -1)
		return -1;
	j->options.progress = &j->progress;
	j->options.server.stop = &j->stop;
	j->options.server.password = d->password;
	j->options.server.ask_host_key = pose_host_key;
	j->options.server.ask_password = pose_password;
	j->options.server.ask_ctx = j;
	free(d->asked_for);
	d->asked_for = NULL;
	return 0;
}

enum fy_move
fy_dialog_run(struct fy_dialog *d, struct fy_error *err)
{
	struct job j = { .d = d,
			 .lock = PTHREAD_MUTEX_INITIALIZER,
			 .answered = PTHREAD_COND_INITIALIZER };
	enum fy_move move = FY_MOVE_FAILED;

	if (fy_stop_init(&j.stop, err) == -1)
		return FY_MOVE_FAILED;
	if (prepare(d, &j, err) == 0 && watch(&j, err) == 0) {
		if (j.result.done != NULL)
			move = after_success(&j, err);
		else
			move = after_failure(&j, err);
	}
	fy_convert_result_release(&j.result);
	fy_machine_free(j.machine);
	fy_stop_release(&j.stop);
	return move;
}
