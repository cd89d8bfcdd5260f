/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dialog: server, connection, disks, shape, format, summary, the job.
 *
 * The screens fill the same options struct as the command line, so that what
 * was given there is what they propose, and all other options hold.  Cancel
 * goes one screen back, Escape asks whether to leave.  Nothing on the machine
 * is changed by any of it.
 */
#include "p2v-client/dialog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"

int
fy_dialog_set(char **to, const char *text, struct fy_error *err)
{
	char *copy = NULL;

	if (text != NULL && text[0] != '\0') {
		copy = strdup(text);
		if (copy == NULL)
			return fy_error_nomem(err);
	}
	free(*to);
	*to = copy;
	return 0;
}

enum fy_move
fy_dialog_move(struct fy_dialog *d, enum fy_ui_answer answer,
	       struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Leave",
						    .cancel = "Stay" };
	enum fy_ui_answer leave;

	switch (answer) {
	case FY_UI_OK:
		return FY_MOVE_NEXT;
	case FY_UI_CANCEL:
		return FY_MOVE_BACK;
	case FY_UI_FAILED:
		return FY_MOVE_FAILED;
	default:
		break;
	}
	leave = fy_ui_question(
		&d->ui, "Leave?",
		d->on_server
			? "The conversion is not finished. What has arrived "
			  "stays on the server, and the same answers resume "
			  "it later. Nothing on this machine was changed.\n\n"
			  "Leave now?"
			: "Nothing has been converted, and nothing on this "
			  "machine was changed.\n\nLeave now?",
		&labels, err);
	if (leave == FY_UI_FAILED)
		return FY_MOVE_FAILED;
	return leave == FY_UI_OK ? FY_MOVE_LEAVE : FY_MOVE_AGAIN;
}

enum fy_move
fy_dialog_tell(struct fy_dialog *d, const char *title,
	       const struct fy_error *failure, struct fy_error *err)
{
	const char *advice = fy_convert_advice(failure->code);
	fy_autofree char *text = NULL;

	text = fy_format(err, "%s%s%s", failure->msg,
			 advice[0] != '\0' ? "\n\n" : "", advice);
	if (text == NULL ||
	    fy_ui_message(&d->ui, title, text, err) == FY_UI_FAILED)
		return FY_MOVE_FAILED;
	return FY_MOVE_AGAIN;
}

/* --- the server ------------------------------------------------------------ */

bool
fy_dialog_ask_host_key(void *ctx, const char *host, const char *type,
		       const char *fingerprint)
{
	static const struct fy_ui_labels labels = { .ok = "Trust",
						    .cancel = "Refuse",
						    .default_no = true };
	struct fy_dialog *d = ctx;
	struct fy_error err = { 0 };
	fy_autofree char *text = NULL;

	text = fy_format(&err,
			 "This machine does not know the server yet.\n\n"
			 "Server:       %s\n"
			 "Kind of key:  %s\n"
			 "Fingerprint:  %s\n\n"
			 "Compare the fingerprint with the server's own, "
			 "shown there by\n"
			 "  ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub\n\n"
			 "Is it the same?",
			 host, type, fingerprint,
			 strcasestr(type, "ed25519") != NULL ? "ed25519"
			 : strcasestr(type, "rsa") != NULL   ? "rsa"
							     : "ecdsa");
	return text != NULL && fy_ui_question(&d->ui, "Unknown host key", text,
					      &labels, &err) == FY_UI_OK;
}

char *
fy_dialog_ask_password(void *ctx, const char *prompt, bool echo)
{
	struct fy_dialog *d = ctx;
	struct fy_error err = { 0 };
	fy_autofree char *text = NULL;
	char *answer = NULL;
	bool again = fy_streq(d->asked_for, prompt);

	text = fy_format(&err, "%s%s\n%s",
			 again ? "The server did not take it. Please try "
				 "again.\n\n"
			       : "",
			 prompt, echo ? "" : "(what you type is not shown)");
	if (text == NULL ||
	    fy_ui_input(&d->ui, again ? "Login refused" : "Login", text, NULL,
			!echo, NULL, &answer, &err) != FY_UI_OK) {
		free(answer);
		return NULL;
	}
	if (fy_dialog_set(&d->asked_for, prompt, &err) == -1) {
		free(answer);
		return NULL;
	}
	if (!echo && strcasestr(prompt, "password") != NULL) {
		if (d->password != NULL)
			explicit_bzero(d->password, strlen(d->password));
		free(d->password);
		d->password = strdup(answer);
	}
	return answer;
}

static void
forget_password(struct fy_dialog *d)
{
	if (d->password != NULL)
		explicit_bzero(d->password, strlen(d->password));
	free(d->password);
	d->password = NULL;
	free(d->asked_for);
	d->asked_for = NULL;
}

static enum fy_move
ask_server(struct fy_dialog *d, struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .cancel = "Leave" };
	fy_autofree char *server = NULL;
	struct fy_server_name name = { 0 };
	struct fy_error wrong = { 0 };
	enum fy_ui_answer answer;

	answer = fy_ui_input(&d->ui, "Conversion server",
			     "Where shall the virtual machine go?\n\n"
			     "  [user@]host[:port]  a server with v2v-server, "
			     "reached by SSH\n"
			     "  local               this machine itself\n",
			     d->o->server, false, &labels, &server, err);
	if (answer == FY_UI_CANCEL)
		answer = FY_UI_ESCAPE;
	if (answer != FY_UI_OK)
		return fy_dialog_move(d, answer, err);
	if (!fy_streq(server, d->o->server))
		forget_password(d);
	if (fy_dialog_set(&d->o->server, server, err) == -1)
		return FY_MOVE_FAILED;
	if (d->o->server == NULL)
		return FY_MOVE_AGAIN;
	if (strcmp(d->o->server, "local") != 0 &&
	    fy_server_name_parse(d->o->server, &name, &wrong) == -1)
		return fy_dialog_tell(d, "Conversion server", &wrong, err);
	fy_server_name_release(&name);
	return FY_MOVE_NEXT;
}

static enum fy_move
test_connection(struct fy_dialog *d, struct fy_error *err)
{
	struct fy_convert_options c;
	struct fy_error failure = { 0 };
	fy_autofree char *about = NULL, *text = NULL;

	text = fy_format(err, "Connecting to %s ...", d->o->server);
	if (text == NULL || fy_ui_notice(&d->ui, text, err) == FY_UI_FAILED ||
	    fy_client_convert_options(d->o, d->log, &c, err) == -1)
		return FY_MOVE_FAILED;
	c.server.ask_host_key = fy_dialog_ask_host_key;
	c.server.ask_password = fy_dialog_ask_password;
	c.server.ask_ctx = d;
	c.server.password = d->password;
	free(d->asked_for);
	d->asked_for = NULL;
	if (fy_connection_test(&c.server, &about, &failure) == 0)
		return FY_MOVE_NEXT;
	if (fy_stop_is_raised(&fy_client_stop)) {
		*err = failure;
		return FY_MOVE_FAILED;
	}
	forget_password(d);
	if (fy_dialog_tell(d, "No connection", &failure, err) == FY_MOVE_FAILED)
		return FY_MOVE_FAILED;
	return FY_MOVE_BACK;
}

/* --- the course ------------------------------------------------------------ */

typedef enum fy_move (*screen)(struct fy_dialog *d, struct fy_error *err);

/* test_connection asks nothing when all is well, so going back jumps over
 * it. */
static const screen screens[] = {
	ask_server,	  test_connection,   fy_dialog_disks, fy_dialog_shape,
	fy_dialog_format, fy_dialog_summary, fy_dialog_run,
};

static int
walk(struct fy_dialog *d, struct fy_error *err)
{
	size_t at = 0;

	while (at < sizeof(screens) / sizeof(screens[0])) {
		if (fy_stop_check(&fy_client_stop, err) == -1)
			return -1;
		switch (screens[at](d, err)) {
		case FY_MOVE_NEXT:
			at++;
			d->going_back = false;
			break;
		case FY_MOVE_BACK:
			d->going_back = true;
			at -= at > 0;
			at -= screens[at] == test_connection;
			break;
		case FY_MOVE_AGAIN:
			d->going_back = false;
			break;
		case FY_MOVE_LEAVE:
			if (d->on_server && d->status == FY_EXIT_DONE)
				d->status = FY_EXIT_INTERRUPTED;
			return 0;
		case FY_MOVE_FAILED:
			return -1;
		}
	}
	return 0;
}

/* Warnings wait for the next screen; a log file gets everything. */
static void
keep_warning(void *ctx, enum fy_log_level level, const char *line)
{
	struct fy_dialog *d = ctx;
	struct fy_error err = { 0 };

	if (level <= FY_LOG_WARN && d->warnings.n < 50)
		(void)fy_strings_add(&d->warnings, line, &err);
}

/* Options that make no sense here are refused before anything is shown. */
static int
check_options(const struct fy_client_options *o, struct fy_error *err)
{
	struct fy_convert_options c;

	if (o->json || o->quiet || o->progress != FY_PROGRESS_AUTO)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--json, --quiet and --progress mean "
				    "nothing to the dialog; see `p2v-client "
				    "convert --help`");
	return fy_client_convert_options(o, NULL, &c, err);
}

static int
set_up(struct fy_dialog *d, int *ret_log_fd, struct fy_error *err)
{
	size_t i;

	if (check_options(d->o, err) == -1 || fy_ui_init(&d->ui, err) == -1)
		return -1;
	d->log = fy_log_new(d->o->debug ? FY_LOG_DEBUG : FY_LOG_INFO,
			    keep_warning, d, err);
	if (d->log == NULL)
		return -1;
	if (d->o->log != NULL) {
		*ret_log_fd =
			open(d->o->log,
			     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (*ret_log_fd == -1)
			return fy_error_set(err, FY_E_USAGE, errno,
					    "cannot open the log '%s'",
					    d->o->log);
		fy_log_also_fd(d->log, *ret_log_fd);
	}
	for (i = 0; i < d->o->disks.n; i++)
		if (fy_strings_add(&d->offered, d->o->disks.items[i], err) ==
		    -1)
			return -1;
	return 0;
}

int
fy_dialog_course(struct fy_client_options *o,
		 const struct fy_live_excluded *excluded, size_t n_excluded,
		 const char *password, struct fy_error *err)
{
	struct fy_dialog d = { .o = o,
			       .ui.gauge_fd = -1,
			       .excluded = excluded,
			       .n_excluded = n_excluded };
	fy_autofd int log_fd = -1;

	if (fy_dialog_set(&d.password, password, err) == 0 &&
	    set_up(&d, &log_fd, err) == 0) {
		(void)walk(&d, err);
		fy_ui_release(&d.ui);
	}
	if (err->code != FY_E_NONE)
		d.status = fy_error_exit_status(err->code);
	forget_password(&d);
	free(d.network);
	fy_inventory_free(d.inventory);
	fy_strings_release(&d.warnings);
	fy_strings_release(&d.offered);
	fy_log_free(d.log);
	return d.status;
}

int
fy_client_dialog(void *options)
{
	struct fy_error err = { 0 };
	int status = fy_dialog_course(options, NULL, 0, NULL, &err);

	if (err.code != FY_E_NONE)
		fprintf(stderr, "p2v-client: %s\n", err.msg);
	return status;
}
