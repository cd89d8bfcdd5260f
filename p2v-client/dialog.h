/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DIALOG_H
#define FY_DIALOG_H

#include <stdbool.h>

#include "common/error.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/options.h"
#include "p2v-client/client.h"
#include "p2v-client/convert.h"
#include "p2v-client/dialog-ui.h"
#include "p2v-client/inventory.h"

/* A disk that is never offered. */
struct fy_live_excluded {
	char name[64];	 /* the kernel's */
	const char *why; /* static */
};

/*
 * The dialog's state: the options that the screens fill, and what was found
 * out on the way.
 */
struct fy_dialog {
	struct fy_ui ui;
	struct fy_client_options *o;
	struct fy_log *log;
	struct fy_strings warnings; /* from 'log', for the next screen */
	struct fy_strings offered;  /* disks given on the command line */
	const struct fy_live_excluded *excluded; /* borrowed */
	size_t n_excluded;
	struct fy_inventory *inventory;
	char *password;	 /* that the server took, or NULL */
	char *asked_for; /* the prompt that was answered last */
	char *network;	 /* typed for all interfaces, or NULL */
	bool going_back; /* to a screen, from a later one */
	bool on_server;	 /* a job was begun, so it can be resumed */
	int status;	 /* exit status so far */
};

/* What a screen leads to. */
enum fy_move {
	FY_MOVE_NEXT,
	FY_MOVE_BACK,
	FY_MOVE_AGAIN, /* the same screen once more */
	FY_MOVE_LEAVE,
	FY_MOVE_FAILED, /* 'err' is filled */
};

/*
 * The whole course, from the server's name to the finished job, in a terminal
 * of its own.  'excluded' are no sources; 'password' (may be NULL) is tried
 * first.  Returns the exit status; 'err' has what made it fail besides the
 * job's own end.
 */
int fy_dialog_course(struct fy_client_options *o,
		     const struct fy_live_excluded *excluded, size_t n_excluded,
		     const char *password, struct fy_error *err);

/* Screens.  Each blocks until it is answered. */
enum fy_move fy_dialog_disks(struct fy_dialog *d, struct fy_error *err);
enum fy_move fy_dialog_shape(struct fy_dialog *d, struct fy_error *err);
enum fy_move fy_dialog_format(struct fy_dialog *d, struct fy_error *err);
enum fy_move fy_dialog_summary(struct fy_dialog *d, struct fy_error *err);
enum fy_move fy_dialog_run(struct fy_dialog *d, struct fy_error *err);

/* Cancel is BACK, Escape asks whether to leave. */
enum fy_move fy_dialog_move(struct fy_dialog *d, enum fy_ui_answer answer,
			    struct fy_error *err);
/* Say in words what failed and what to do; then AGAIN. */
enum fy_move fy_dialog_tell(struct fy_dialog *d, const char *title,
			    const struct fy_error *failure,
			    struct fy_error *err);

/* For struct fy_server_options; 'ctx' is the dialog. */
bool fy_dialog_ask_host_key(void *ctx, const char *host, const char *type,
			    const char *fingerprint);
char *fy_dialog_ask_password(void *ctx, const char *prompt, bool echo);

/* The finished job in words; malloc'd. */
char *fy_dialog_result_text(const struct fy_client_options *o,
			    const struct fy_convert_result *r,
			    struct fy_error *err);

/* Set '*to' to a copy of 'text' (NULL or "": NULL). */
int fy_dialog_set(char **to, const char *text, struct fy_error *err);

#endif
