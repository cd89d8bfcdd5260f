/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DIALOG_UI_H
#define FY_DIALOG_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/options.h"

/*
 * Screens, each one run of the program dialog.  Texts are shown as they are,
 * with their newlines; what a terminal can't show becomes '?'.
 * Threads: one.
 */
struct fy_ui {
	bool ascii;   /* the terminal is not UTF-8 */
	pid_t gauge;  /* 0: none */
	int gauge_fd; /* its standard input */
	bool raw;     /* the terminal's modes are changed for the gauge */
	void *saved;  /* them; private */
};

enum fy_ui_answer {
	FY_UI_OK,     /* OK, Yes */
	FY_UI_CANCEL, /* Cancel, No, Back */
	FY_UI_ESCAPE, /* Escape: leave */
	FY_UI_EXTRA,  /* the third button */
	FY_UI_FAILED, /* 'err' is filled; FY_E_CANCELLED: interrupted */
};

/* FY_E_USAGE without a terminal, FY_E_NOTFOUND without dialog. */
int fy_ui_init(struct fy_ui *ui, struct fy_error *err);
void fy_ui_release(struct fy_ui *ui); /* clears the screen */

struct fy_ui_labels { /* NULL: dialog's own */
	const char *ok, *cancel, *extra;
	bool default_no; /* of yes-or-no questions */
};

enum fy_ui_answer fy_ui_message(struct fy_ui *ui, const char *title,
				const char *text, struct fy_error *err);
enum fy_ui_answer fy_ui_question(struct fy_ui *ui, const char *title,
				 const char *text,
				 const struct fy_ui_labels *labels,
				 struct fy_error *err);
/* Shown until the next screen. */
enum fy_ui_answer fy_ui_notice(struct fy_ui *ui, const char *text,
			       struct fy_error *err);
/* A file, in a box that scrolls. */
enum fy_ui_answer fy_ui_text(struct fy_ui *ui, const char *title,
			     const char *path, struct fy_error *err);
/* '*ret' is malloc'd; 'hidden' shows nothing of what is typed. */
enum fy_ui_answer fy_ui_input(struct fy_ui *ui, const char *title,
			      const char *text, const char *initial,
			      bool hidden, const struct fy_ui_labels *labels,
			      char **ret, struct fy_error *err);

struct fy_ui_item {
	const char *tag, *text, *help;
	bool on;
};
/* Any number of items; 'ret' gets their tags. */
enum fy_ui_answer fy_ui_check(struct fy_ui *ui, const char *title,
			      const char *text, const struct fy_ui_item *items,
			      size_t n, const struct fy_ui_labels *labels,
			      struct fy_strings *ret, struct fy_error *err);
/* One item; '*ret' is its index, and on entry that of the selected one. */
enum fy_ui_answer fy_ui_menu(struct fy_ui *ui, const char *title,
			     const char *text, const struct fy_ui_item *items,
			     size_t n, const struct fy_ui_labels *labels,
			     size_t *ret, struct fy_error *err);

struct fy_ui_field {
	const char *label;
	char *value; /* malloc'd, replaced by what is typed */
	size_t max;
};
enum fy_ui_answer fy_ui_form(struct fy_ui *ui, const char *title,
			     const char *text, struct fy_ui_field *fields,
			     size_t n, const struct fy_ui_labels *labels,
			     struct fy_error *err);

/* A gauge that stays until fy_ui_gauge_end; started by the first call.  Keys
 * are read by fy_ui_key meanwhile, Ctrl-C as '\3'. */
int fy_ui_gauge(struct fy_ui *ui, const char *title, unsigned percent,
		const char *text, struct fy_error *err);
void fy_ui_gauge_end(struct fy_ui *ui);
/* A key pressed within 'ms'; 0: none. */
int fy_ui_key(struct fy_ui *ui, int ms);

#endif
