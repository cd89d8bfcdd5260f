/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Screens by the program dialog.
 *
 * It draws on our standard output and reads our terminal; answers come from
 * its standard error.  It is started through env, which sets the locale to
 * what the terminal shows (UTF-8, or plain ASCII with ASCII lines) and tells a
 * failure of its own (254) from the Escape key (255).  Texts are passed as
 * arguments; a secret never is, only typed.  The gauge reads its standard
 * input, a socket (so that writing to a gauge that is gone is an error and no
 * signal), and leaves the keyboard to us.
 */
#include "p2v-client/dialog-ui.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/subprocess.h"

#define MAX_ANSWER   65536
#define WIDTH	     "76"
#define TEXT_WIDTH   70
#define MAX_HEIGHT   22
#define STATUS_EXTRA 3
#define STATUS_ERROR 254
#define STATUS_ESC   255

/* --- arguments ------------------------------------------------------------- */

/* As an argument that is text and no option. */
static int
add_text(struct fy_ui *ui, struct fy_strings *args, const char *text,
	 struct fy_error *err)
{
	fy_autofree char *copy = NULL;
	char *p;

	copy = fy_format(err, "%s%s", text[0] == '-' ? " " : "", text);
	if (copy == NULL)
		return -1;
	for (p = copy; *p != '\0'; p++)
		if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f ||
		    (ui->ascii && (unsigned char)*p >= 0x80))
			*p = '?';
	return fy_strings_add(args, copy, err);
}

static int
add_options(struct fy_strings *args, const char *const *words,
	    struct fy_error *err)
{
	for (; *words != NULL; words++)
		if (fy_strings_add(args, *words, err) == -1)
			return -1;
	return 0;
}

static int
add_labels(struct fy_strings *args, const struct fy_ui_labels *labels,
	   bool yes_no, struct fy_error *err)
{
	const struct {
		const char *option, *value;
	} all[] = {
		{ yes_no ? "--yes-label" : "--ok-label",
		  labels == NULL ? NULL : labels->ok },
		{ yes_no ? "--no-label" : "--cancel-label",
		  labels == NULL ? NULL : labels->cancel },
		{ "--extra-label", labels == NULL ? NULL : labels->extra },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].value == NULL)
			continue;
		if ((i == 2 &&
		     fy_strings_add(args, "--extra-button", err) == -1) ||
		    fy_strings_add(args, all[i].option, err) == -1 ||
		    fy_strings_add(args, all[i].value, err) == -1)
			return -1;
	}
	if (labels != NULL && labels->default_no)
		return fy_strings_add(args, "--defaultno", err);
	return 0;
}

/* What every screen begins with. */
static int
begin(struct fy_ui *ui, struct fy_strings *args, const char *title,
      struct fy_error *err)
{
	const char *const words[] = { "env",
				      ui->ascii ? "LC_ALL=C" : "LC_ALL=C.UTF-8",
				      "DIALOG_ERROR=254",
				      "dialog",
				      "--backtitle",
				      "Ironferry " FY_VERSION
				      ": this machine becomes a virtual one",
				      "--no-nl-expand",
				      "--no-collapse",
				      "--cr-wrap",
				      "--no-mouse",
				      ui->ascii ? "--ascii-lines" : NULL,
				      NULL };

	if (add_options(args, words, err) == -1)
		return -1;
	if (title == NULL)
		return 0;
	if (fy_strings_add(args, "--title", err) == -1)
		return -1;
	return add_text(ui, args, title, err);
}

static size_t
text_rows(const char *text)
{
	size_t rows = 0, column = 0;

	for (; *text != '\0'; text++) {
		column++;
		if (*text == '\n' || column > TEXT_WIDTH) {
			rows++;
			column = 0;
		}
	}
	return rows + (column > 0);
}

/* Height and width of a box with that text and 'more' rows: dialog's own
 * reckoning forgets the rows of input boxes and forms. */
static int
add_size(struct fy_strings *args, const char *text, size_t more,
	 struct fy_error *err)
{
	size_t rows = more + text_rows(text);
	char height[24];

	snprintf(height, sizeof(height), "%zu",
		 rows > MAX_HEIGHT ? MAX_HEIGHT : rows);
	if (fy_strings_add(args, height, err) == -1)
		return -1;
	return fy_strings_add(args, WIDTH, err);
}

/* Rows of a list of 'n'; dialog's own choice (0) fills the screen with empty
 * ones, so it is for lists that must scroll. */
static int
add_list_rows(struct fy_strings *args, const char *text, size_t n,
	      struct fy_error *err)
{
	char rows[24];

	snprintf(rows, sizeof(rows), "%zu",
		 n + 6 + text_rows(text) <= MAX_HEIGHT ? n : 0);
	return fy_strings_add(args, rows, err);
}

/* What most screens are: a box of a kind, with a text and 'rows' more rows. */
struct screen {
	const char *title, *text;
	const struct fy_ui_labels *labels;
	const char *kind[4]; /* "--menu", and what goes right before it */
	const char *item;    /* the one that is marked at first; or NULL */
	size_t rows;
};

static int
open_screen(struct fy_ui *ui, struct fy_strings *args, const struct screen *s,
	    struct fy_error *err)
{
	if (begin(ui, args, s->title, err) == -1 ||
	    add_labels(args, s->labels, fy_streq(s->kind[0], "--yesno"), err))
		return -1;
	if (s->item != NULL &&
	    (fy_strings_add(args, "--default-item", err) == -1 ||
	     add_text(ui, args, s->item, err) == -1))
		return -1;
	if (add_options(args, s->kind, err) == -1 ||
	    add_text(ui, args, s->text, err) == -1)
		return -1;
	return add_size(args, s->text, s->rows, err);
}

/* --- running --------------------------------------------------------------- */

/* All that comes from 'fd', at most MAX_ANSWER bytes. */
static char *
read_answer(int fd, struct fy_error *err)
{
	char *text = malloc(MAX_ANSWER + 1);
	size_t used = 0;
	ssize_t n;

	if (text == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	for (;;) {
		n = read(fd, text + used, MAX_ANSWER - used);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	return text;
}

static enum fy_ui_answer
answer_of(int status, const char *text, struct fy_error *err)
{
	if (WIFSIGNALED(status)) {
		fy_error_set(err, FY_E_CANCELLED, 0, "interrupted");
		return FY_UI_FAILED;
	}
	switch (WEXITSTATUS(status)) {
	case 0:
		return FY_UI_OK;
	case 1:
		return FY_UI_CANCEL;
	case STATUS_EXTRA:
		return FY_UI_EXTRA;
	case STATUS_ESC:
		return FY_UI_ESCAPE;
	default:
		fy_error_set(err, FY_E_CHILD, 0,
			     "the program dialog failed: %.300s", text);
		return FY_UI_FAILED;
	}
}

/* Run the screen; '*ret' (may be NULL) gets the answer's text. */
static enum fy_ui_answer
run(struct fy_ui *ui, const struct fy_strings *args, char **ret,
    struct fy_error *err)
{
	struct fy_subprocess child = { 0 };
	fy_autofd int in = -1, out = -1;
	char *text;
	enum fy_ui_answer answer;
	int fds[2], status = 0;

	fy_ui_gauge_end(ui);
	if (pipe2(fds, O_CLOEXEC) == -1) {
		fy_error_set(err, FY_E_IO, errno, "cannot make a pipe");
		return FY_UI_FAILED;
	}
	in = fds[0];
	out = fds[1];
	if (fy_subprocess_start((const char *const *)args->items, 0, 1, out,
				&child, err) == -1)
		return FY_UI_FAILED;
	close(fy_steal_fd(&out));
	text = read_answer(in, err);
	while (waitpid(child.pid, &status, 0) == -1 && errno == EINTR)
		;
	if (text == NULL)
		return FY_UI_FAILED;
	answer = answer_of(status, text, err);
	if (ret != NULL && answer != FY_UI_FAILED) {
		*ret = text;
		return answer;
	}
	explicit_bzero(text, strlen(text));
	free(text);
	return answer;
}

int
fy_ui_init(struct fy_ui *ui, struct fy_error *err)
{
	const char *term = getenv("TERM");
	char path[256];

	memset(ui, 0, sizeof(*ui));
	ui->gauge_fd = -1;
	if (!isatty(0) || !isatty(1) || term == NULL || fy_streq(term, "dumb"))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "the dialog needs a terminal; without one "
				    "use a command, see p2v-client --help");
	if (fy_subprocess_find("dialog", path, sizeof(path)) == -1)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the program 'dialog' is not installed; "
				    "install it, or use `p2v-client convert`");
	setlocale(LC_CTYPE, "");
	ui->ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	return 0;
}

void
fy_ui_release(struct fy_ui *ui)
{
	fy_ui_gauge_end(ui);
	/* Where the terminal understands it: leave a clean screen. */
	if (write(1, "\033[H\033[2J", 7) == -1)
		return;
}

/* --- screens --------------------------------------------------------------- */

/* One without an answer but the button. */
static enum fy_ui_answer
show(struct fy_ui *ui, const struct screen *s, struct fy_error *err)
{
	struct fy_strings args = { 0 };
	enum fy_ui_answer answer = FY_UI_FAILED;

	if (open_screen(ui, &args, s, err) == 0)
		answer = run(ui, &args, NULL, err);
	fy_strings_release(&args);
	return answer;
}

enum fy_ui_answer
fy_ui_message(struct fy_ui *ui, const char *title, const char *text,
	      struct fy_error *err)
{
	const struct screen s = {
		.title = title, .text = text, .kind = { "--msgbox" }, .rows = 4
	};

	return show(ui, &s, err);
}

enum fy_ui_answer
fy_ui_question(struct fy_ui *ui, const char *title, const char *text,
	       const struct fy_ui_labels *labels, struct fy_error *err)
{
	const struct screen s = { .title = title,
				  .text = text,
				  .labels = labels,
				  .kind = { "--yesno" },
				  .rows = 4 };

	return show(ui, &s, err);
}

enum fy_ui_answer
fy_ui_notice(struct fy_ui *ui, const char *text, struct fy_error *err)
{
	static const char *const size[] = { "5", "70", NULL };
	struct fy_strings args = { 0 };
	enum fy_ui_answer answer = FY_UI_FAILED;

	if (begin(ui, &args, NULL, err) == 0 &&
	    fy_strings_add(&args, "--infobox", err) == 0 &&
	    add_text(ui, &args, text, err) == 0 &&
	    add_options(&args, size, err) == 0)
		answer = run(ui, &args, NULL, err);
	fy_strings_release(&args);
	return answer;
}

enum fy_ui_answer
fy_ui_text(struct fy_ui *ui, const char *title, const char *path,
	   struct fy_error *err)
{
	static const char *const size[] = { "22", WIDTH, NULL };
	struct fy_strings args = { 0 };
	enum fy_ui_answer answer = FY_UI_FAILED;

	if (begin(ui, &args, title, err) == 0 &&
	    fy_strings_add(&args, "--textbox", err) == 0 &&
	    fy_strings_add(&args, path, err) == 0 &&
	    add_options(&args, size, err) == 0)
		answer = run(ui, &args, NULL, err);
	fy_strings_release(&args);
	return answer;
}

enum fy_ui_answer
fy_ui_input(struct fy_ui *ui, const char *title, const char *text,
	    const char *initial, bool hidden, const struct fy_ui_labels *labels,
	    char **ret, struct fy_error *err)
{
	const struct screen s = { .title = title,
				  .text = text,
				  .labels = labels,
				  .kind = { hidden ? "--passwordbox"
						   : "--inputbox" },
				  .rows = 7 };
	struct fy_strings args = { 0 };
	enum fy_ui_answer answer = FY_UI_FAILED;

	if (open_screen(ui, &args, &s, err) == 0 &&
	    (initial == NULL || hidden ||
	     add_text(ui, &args, initial, err) == 0))
		answer = run(ui, &args, ret, err);
	fy_strings_release(&args);
	return answer;
}

/* "TAG TEXT [on|off] [HELP]" of each item. */
static int
add_items(struct fy_ui *ui, struct fy_strings *args,
	  const struct fy_ui_item *items, size_t n, bool check,
	  struct fy_error *err)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (add_text(ui, args, items[i].tag, err) == -1 ||
		    add_text(ui, args, items[i].text, err) == -1 ||
		    (check && fy_strings_add(args, items[i].on ? "on" : "off",
					     err) == -1) ||
		    (check &&
		     add_text(ui, args,
			      items[i].help == NULL ? "" : items[i].help,
			      err) == -1))
			return -1;
	}
	return 0;
}

/* The lines of 'text' into 'ret'. */
static int
split_lines(char *text, struct fy_strings *ret, struct fy_error *err)
{
	char *line, *rest = NULL;

	for (line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		if (fy_strings_add(ret, line, err) == -1)
			return -1;
	return 0;
}

enum fy_ui_answer
fy_ui_check(struct fy_ui *ui, const char *title, const char *text,
	    const struct fy_ui_item *items, size_t n,
	    const struct fy_ui_labels *labels, struct fy_strings *ret,
	    struct fy_error *err)
{
	const struct screen s = { .title = title,
				  .text = text,
				  .labels = labels,
				  .kind = { "--separate-output", "--item-help",
					    "--checklist" },
				  .rows = n + 6 };
	struct fy_strings args = { 0 };
	fy_autofree char *chosen = NULL;
	enum fy_ui_answer answer = FY_UI_FAILED;

	if (open_screen(ui, &args, &s, err) == 0 &&
	    fy_strings_add(&args, "0", err) == 0 &&
	    add_items(ui, &args, items, n, true, err) == 0)
		answer = run(ui, &args, &chosen, err);
	fy_strings_release(&args);
	if (answer == FY_UI_OK && split_lines(chosen, ret, err) == -1)
		return FY_UI_FAILED;
	return answer;
}

enum fy_ui_answer
fy_ui_menu(struct fy_ui *ui, const char *title, const char *text,
	   const struct fy_ui_item *items, size_t n,
	   const struct fy_ui_labels *labels, size_t *ret, struct fy_error *err)
{
	const struct screen s = { .title = title,
				  .text = text,
				  .labels = labels,
				  .kind = { "--menu" },
				  .item = items[*ret].tag,
				  .rows = n + 6 };
	struct fy_strings args = { 0 };
	fy_autofree char *chosen = NULL;
	enum fy_ui_answer answer = FY_UI_FAILED;
	size_t i;

	if (open_screen(ui, &args, &s, err) == 0 &&
	    add_list_rows(&args, text, n, err) == 0 &&
	    add_items(ui, &args, items, n, false, err) == 0)
		answer = run(ui, &args, &chosen, err);
	fy_strings_release(&args);
	for (i = 0; answer == FY_UI_OK && i < n; i++)
		if (strcmp(chosen, items[i].tag) == 0)
			*ret = i;
	return answer;
}

/* "LABEL y x VALUE y x shown max" of each field. */
static int
add_fields(struct fy_ui *ui, struct fy_strings *args,
	   const struct fy_ui_field *fields, size_t n, struct fy_error *err)
{
	char row[24], max[24];
	size_t i;

	for (i = 0; i < n; i++) {
		const char *const at[] = { row, "1", NULL };
		const char *const value_at[] = { row, "26", "42", max, NULL };

		snprintf(row, sizeof(row), "%zu", i + 1);
		snprintf(max, sizeof(max), "%zu", fields[i].max);
		if (add_text(ui, args, fields[i].label, err) == -1 ||
		    add_options(args, at, err) == -1 ||
		    add_text(ui, args, fields[i].value, err) == -1 ||
		    add_options(args, value_at, err) == -1)
			return -1;
	}
	return 0;
}

/* The answer's lines become the values; an empty field is an empty line. */
static int
take_fields(const char *text, struct fy_ui_field *fields, size_t n,
	    struct fy_error *err)
{
	size_t i, len;
	char *copy;

	for (i = 0; i < n; i++) {
		len = strcspn(text, "\n");
		copy = strndup(text, len);
		if (copy == NULL)
			return fy_error_nomem(err);
		free(fields[i].value);
		fields[i].value = copy;
		text += len;
		text += *text == '\n';
	}
	return 0;
}

enum fy_ui_answer
fy_ui_form(struct fy_ui *ui, const char *title, const char *text,
	   struct fy_ui_field *fields, size_t n,
	   const struct fy_ui_labels *labels, struct fy_error *err)
{
	const struct screen s = { .title = title,
				  .text = text,
				  .labels = labels,
				  .kind = { "--form" },
				  .rows = n + 6 };
	struct fy_strings args = { 0 };
	fy_autofree char *answers = NULL;
	enum fy_ui_answer answer = FY_UI_FAILED;
	char rows[24];

	snprintf(rows, sizeof(rows), "%zu", n);
	if (open_screen(ui, &args, &s, err) == 0 &&
	    fy_strings_add(&args, rows, err) == 0 &&
	    add_fields(ui, &args, fields, n, err) == 0)
		answer = run(ui, &args, &answers, err);
	fy_strings_release(&args);
	if (answer == FY_UI_OK && take_fields(answers, fields, n, err) == -1)
		return FY_UI_FAILED;
	return answer;
}

/* --- the gauge ------------------------------------------------------------- */

/* Keys at once and unseen, Ctrl-C as a key. */
static void
set_raw(struct fy_ui *ui)
{
	struct termios *saved = malloc(sizeof(*saved)), t;

	if (saved == NULL || tcgetattr(0, saved) == -1) {
		free(saved);
		return;
	}
	t = *saved;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(0, TCSANOW, &t);
	ui->saved = saved;
	ui->raw = true;
}

static void
end_raw(struct fy_ui *ui)
{
	if (!ui->raw)
		return;
	tcsetattr(0, TCSANOW, ui->saved);
	free(ui->saved);
	ui->saved = NULL;
	ui->raw = false;
}

static int
start_gauge(struct fy_ui *ui, const char *title, struct fy_error *err)
{
	static const char *const kind[] = { "--gauge", "",  "12",
					    WIDTH,     "0", NULL };
	struct fy_subprocess child = { 0 };
	struct fy_strings args = { 0 };
	fy_autofd int mine = -1, its = -1;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot make a pipe");
	mine = fds[0];
	its = fds[1];
	set_raw(ui);
	r = begin(ui, &args, title, err);
	if (r == 0)
		r = add_options(&args, kind, err);
	if (r == 0)
		r = fy_subprocess_start((const char *const *)args.items, its, 1,
					-1, &child, err);
	fy_strings_release(&args);
	if (r == -1) {
		end_raw(ui);
		return -1;
	}
	ui->gauge = child.pid;
	ui->gauge_fd = fy_steal_fd(&mine);
	return 0;
}

int
fy_ui_gauge(struct fy_ui *ui, const char *title, unsigned percent,
	    const char *text, struct fy_error *err)
{
	char frame[1024];
	int len;

	/* One that was ended from outside is started again. */
	if (ui->gauge != 0 && waitpid(ui->gauge, NULL, WNOHANG) == ui->gauge) {
		ui->gauge = 0;
		fy_ui_gauge_end(ui);
	}
	if (ui->gauge == 0 && start_gauge(ui, title, err) == -1)
		return -1;
	len = snprintf(frame, sizeof(frame), "XXX\n%u\n%s\nXXX\n",
		       percent > 100 ? 100 : percent, text);
	if (len > 0 && (size_t)len < sizeof(frame) &&
	    send(ui->gauge_fd, frame, (size_t)len, MSG_NOSIGNAL) == -1 &&
	    errno != EPIPE)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot draw the gauge");
	return 0;
}

void
fy_ui_gauge_end(struct fy_ui *ui)
{
	if (ui->gauge_fd >= 0)
		close(ui->gauge_fd);
	ui->gauge_fd = -1;
	/* The end of its input ends it. */
	while (ui->gauge > 0 && waitpid(ui->gauge, NULL, 0) == -1 &&
	       errno == EINTR)
		;
	ui->gauge = 0;
	end_raw(ui);
}

int
fy_ui_key(struct fy_ui *ui, int ms)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	unsigned char keys[64];
	ssize_t n;

	(void)ui;
	if (poll(&p, 1, ms) != 1 || (p.revents & POLLIN) == 0)
		return 0;
	n = read(0, keys, sizeof(keys));
	/* A sequence (an arrow key) begins with Escape but isn't it. */
	if (n == 1 || (n > 1 && keys[0] != 27))
		return keys[0];
	return 0;
}
