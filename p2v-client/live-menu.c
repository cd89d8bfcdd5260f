/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first screen.  Only what can be done here is in it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/json.h"
#include "common/subprocess.h"
#include "p2v-client/dialog.h"
#include "p2v-client/live.h"

#define MAX_RESULT   (1 << 20)
#define MAX_EXCLUDED 32

int
fy_live_tell(struct fy_live *l, const char *title,
	     const struct fy_error *failure, struct fy_error *err)
{
	return fy_ui_message(&l->ui, title, failure->msg, err) == FY_UI_FAILED
		       ? -1
		       : 0;
}

/* --- entries --------------------------------------------------------------- */

/* What p2v.disks names by path is all that the dialog offers. */
static int
only_paths(const struct fy_strings *words, struct fy_strings *ret,
	   struct fy_error *err)
{
	size_t i;

	for (i = 0; i < words->n; i++)
		if (strchr(words->items[i], '/') != NULL &&
		    fy_strings_add(ret, words->items[i], err) == -1)
			return -1;
	return 0;
}

/* The dialog puts the chosen disks into the options; they are for once. */
static void
course(struct fy_live *l, struct fy_error *err)
{
	struct fy_live_excluded out[MAX_EXCLUDED];
	struct fy_strings words = l->o->disks;
	size_t n;

	memset(&l->o->disks, 0, sizeof(l->o->disks));
	/* What a terminal has no use for is for the unattended run. */
	l->o->json = l->o->quiet = false;
	l->o->progress = 0;
	if (fy_live_mount_target(l, err) == 0 &&
	    only_paths(&words, &l->o->disks, err) == 0 &&
	    fy_live_excluded(l, out, MAX_EXCLUDED, &n, err) == 0)
		(void)fy_dialog_course(l->o, out, n, l->o->live.password, err);
	fy_strings_release(&l->o->disks);
	l->o->disks = words;
}

static int
do_convert(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	int r;

	r = fy_live_lock(l, &why);
	if (r == 0)
		fy_error_set(&why, FY_E_BUSY, 0,
			     "A job is running on another console.");
	if (r != 1)
		return fy_live_tell(l, "Convert", &why, err);
	course(l, &why);
	fy_live_unlock(l);
	if (why.code == FY_E_NONE)
		return 0;
	if (fy_stop_check(&fy_client_stop, err) == -1)
		return -1;
	return fy_live_tell(l, "Convert", &why, err);
}

static int
do_ssh(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;
	enum fy_ui_answer answer;

	if (fy_ui_notice(&l->ui, "Starting the SSH server ...", err) ==
	    FY_UI_FAILED)
		return -1;
	if (fy_live_start_sshd(l, &text, &why) == -1)
		return fy_live_tell(l, "SSH", &why, err);
	answer = fy_ui_message(&l->ui, "SSH", text, err);
	explicit_bzero(text, strlen(text));
	return answer == FY_UI_FAILED ? -1 : 0;
}

static int
do_keyboard(struct fy_live *l, struct fy_error *err)
{
	static const struct fy_ui_item items[] = {
		{ "us", "English (US)", NULL, false },
		{ "uk", "English (UK)", NULL, false },
		{ "be-latin1", "Belgian", NULL, false },
		{ "br-abnt2", "Brazilian", NULL, false },
		{ "croat", "Croatian", NULL, false },
		{ "cz", "Czech", NULL, false },
		{ "dk-latin1", "Danish", NULL, false },
		{ "nl", "Dutch", NULL, false },
		{ "et", "Estonian", NULL, false },
		{ "fi", "Finnish", NULL, false },
		{ "fr", "French", NULL, false },
		{ "de", "German", NULL, false },
		{ "gr", "Greek", NULL, false },
		{ "hu", "Hungarian", NULL, false },
		{ "it", "Italian", NULL, false },
		{ "jp106", "Japanese", NULL, false },
		{ "no-latin1", "Norwegian", NULL, false },
		{ "pl", "Polish", NULL, false },
		{ "pt-latin1", "Portuguese", NULL, false },
		{ "ru", "Russian", NULL, false },
		{ "es", "Spanish", NULL, false },
		{ "sv-latin1", "Swedish", NULL, false },
		{ "sg", "Swiss German", NULL, false },
		{ "fr_CH", "Swiss French", NULL, false },
		{ "trq", "Turkish", NULL, false },
		{ "ua", "Ukrainian", NULL, false },
	};
	struct fy_error why = { .code = FY_E_NONE };
	enum fy_ui_answer answer;
	size_t choice = 0;

	answer = fy_ui_menu(&l->ui, "Keyboard", "Which layout?", items,
			    sizeof(items) / sizeof(items[0]), NULL, &choice,
			    err);
	if (answer != FY_UI_OK)
		return answer == FY_UI_FAILED ? -1 : 0;
	{
		const char *const argv[] = { "loadkeys", "--quiet",
					     items[choice].tag, NULL };

		if (fy_subprocess_run(argv, NULL, NULL, &why) == -1)
			return fy_live_tell(l, "Keyboard", &why, err);
	}
	return 0;
}

static int
do_shell(struct fy_live *l, struct fy_error *err)
{
	static const char *const argv[] = { "/bin/bash", "-l", NULL };
	static const char hint[] = "`exit` leads back to the menu.\n";
	struct sigaction ignore = { .sa_handler = SIG_IGN }, was;
	struct fy_error why = { .code = FY_E_NONE };
	struct fy_subprocess child = { 0 };

	fy_ui_release(&l->ui);
	if (write(1, hint, sizeof(hint) - 1) == -1)
		why.code = FY_E_NONE;
	/* Ctrl-C is the shell's. */
	sigaction(SIGINT, &ignore, &was);
	if (fy_subprocess_start(argv, 0, 1, -1, &child, &why) == 0) {
		struct fy_error ignored = { .code = FY_E_NONE };

		(void)fy_subprocess_wait(&child, &ignored);
	}
	sigaction(SIGINT, &was, NULL);
	return why.code == FY_E_NONE ? 0 : fy_live_tell(l, "Shell", &why, err);
}

static int
do_power(struct fy_live *l, enum fy_live_then then, struct fy_error *err)
{
	bool off = then == FY_LIVE_POWEROFF;
	struct fy_ui_labels labels = { .ok = off ? "Power off" : "Reboot",
				       .cancel = "Back",
				       .default_no = fy_live_is_locked(l) };
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;
	enum fy_ui_answer answer;

	text = fy_format(err, "%s%s this machine now?",
			 labels.default_no ? "A job is running on another "
					     "console; it would be cut, and "
					     "could be resumed.\n\n"
					   : "",
			 off ? "Switch off" : "Reboot");
	if (text == NULL)
		return -1;
	answer = fy_ui_question(&l->ui, labels.ok, text, &labels, err);
	if (answer != FY_UI_OK)
		return answer == FY_UI_FAILED ? -1 : 0;
	if (fy_live_power(l, then, &why) == -1)
		return fy_live_tell(l, labels.ok, &why, err);
	return 0;
}

static int
do_reboot(struct fy_live *l, struct fy_error *err)
{
	return do_power(l, FY_LIVE_REBOOT, err);
}

static int
do_poweroff(struct fy_live *l, struct fy_error *err)
{
	return do_power(l, FY_LIVE_POWEROFF, err);
}

/* --- the menu -------------------------------------------------------------- */

static bool
always(void)
{
	return true;
}

static bool
has(const char *program)
{
	char path[256];

	return fy_subprocess_find(program, path, sizeof(path)) == 0;
}

/* Layouts are the virtual terminals'; a serial line has the other end's. */
static bool
has_keyboard(void)
{
	const char *tty = ttyname(0);

	return tty != NULL && strncmp(tty, "/dev/tty", 8) == 0 &&
	       tty[8] >= '0' && tty[8] <= '9' && has("loadkeys");
}

static bool
has_sshd(void)
{
	return access("/usr/sbin/sshd", X_OK) == 0 && has("systemctl");
}

struct entry {
	const char *tag, *text;
	bool (*is_there)(void);
	int (*run)(struct fy_live *l, struct fy_error *err);
};

static const struct entry entries[] = {
	{ "convert", "make a virtual machine of this machine", always,
	  do_convert },
	{ "hardware", "inspect this machine, save machine.json", always,
	  fy_live_hardware_screen },
	{ "network", "addresses, VLAN, bond, find a port", always,
	  fy_live_network_screen },
	{ "target", "where images go: SSH, local disk, NFS, SMB", always,
	  fy_live_target_screen },
	{ "keyboard", "choose the keyboard's layout", has_keyboard,
	  do_keyboard },
	{ "ssh", "let this machine be logged in to by SSH", has_sshd, do_ssh },
	{ "shell", "a root shell", always, do_shell },
	{ "reboot", "reboot this machine", always, do_reboot },
	{ "poweroff", "switch this machine off", always, do_poweroff },
};

#define N_ENTRIES (sizeof(entries) / sizeof(entries[0]))

/* What was wrong with the configuration, once. */
static int
show_problems(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *text = fy_format(
		err, "Nothing was begun, for there is something wrong with the "
		     "configuration:\n");
	size_t i;

	if (l->problems.n == 0)
		return 0;
	for (i = 0; text != NULL && i < l->problems.n; i++) {
		char *more =
			fy_format(err, "%s\n- %s", text, l->problems.items[i]);

		free(text);
		text = more;
	}
	if (text == NULL ||
	    fy_ui_message(&l->ui, "Please note", text, err) == FY_UI_FAILED)
		return -1;
	return 0;
}

/* How the unattended job ended: a line for the menu, or "". */
static char *
result_words(struct fy_live *l, struct fy_error *err)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *path = fy_live_path(l, "result", err);
	fy_autojson json_t *j = NULL;
	const char *message, *xml;

	if (path == NULL)
		return NULL;
	j = fy_json_read_at(AT_FDCWD, path, MAX_RESULT, &ignored);
	if (j == NULL)
		return fy_format(err, "%s", "");
	message = fy_json_string_or(j, "message", NULL);
	xml = fy_json_string_or(j, "xml", "");
	return fy_format(err, "The unattended run of '%s': %s%s%.300s\n\n",
			 fy_json_string_or(j, "name", "?"),
			 fy_json_string_or(j, "result", "?"),
			 message != NULL || xml[0] != '\0' ? ": " : "",
			 message != NULL ? message : xml);
}

static char *
menu_text(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *result = result_words(l, err);
	fy_autofree char *ssh = fy_live_ssh_words(l, err);
	const char *server = l->o->server;
	bool local = fy_streq(server, "local");

	if (result == NULL || ssh == NULL)
		return NULL;
	return fy_format(
		err, "%s%s%s%s%sThis machine's disks are only read.", result,
		server != NULL ? "Images go to " : "",
		server == NULL ? ""
		: local	       ? (l->o->to != NULL ? l->o->to : "this machine")
			       : server,
		server != NULL ? ".\n" : "", ssh);
}

int
fy_live_menu(struct fy_live *l, struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Choose",
						    .cancel = "Refresh" };
	struct fy_ui_item items[N_ENTRIES];
	const struct entry *shown[N_ENTRIES];
	size_t i, n = 0, choice = 0;
	int r;

	if (fy_ui_init(&l->ui, err) == -1)
		return -1;
	for (i = 0; i < N_ENTRIES; i++) {
		if (!entries[i].is_there())
			continue;
		shown[n] = &entries[i];
		items[n++] =
			(struct fy_ui_item){ entries[i].tag, entries[i].text,
					     NULL, false };
	}
	r = show_problems(l, err);
	while (r == 0 && fy_stop_check(&fy_client_stop, err) == 0) {
		fy_autofree char *text = menu_text(l, err);
		enum fy_ui_answer answer = FY_UI_FAILED;

		if (text != NULL)
			answer = fy_ui_menu(&l->ui, "Ironferry", text, items, n,
					    &labels, &choice, err);
		if (answer == FY_UI_FAILED)
			r = -1;
		else if (answer == FY_UI_OK)
			r = shown[choice]->run(l, err);
	}
	fy_ui_release(&l->ui);
	return err->code == FY_E_NONE ? 0 : -1;
}
