/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The hardware on the screen, and machine.json to a server or the target.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "p2v-client/dialog.h"
#include "p2v-client/live.h"

static const char looking[] = "Looking at this machine and its disks ...";

/* What `p2v-client inventory` says, in a box that scrolls. */
static int
show(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *path = fy_live_path(l, "inventory.txt", err);
	struct fy_subprocess child = { 0 };
	struct fy_strings args = { 0 };
	fy_autofd int fd = -1;
	size_t i;
	int r = -1;

	if (path == NULL)
		return -1;
	if (fy_ui_notice(&l->ui, looking, err) == FY_UI_FAILED)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fy_strings_add(&args, "/proc/self/exe", err) == 0 &&
	    fy_strings_add(&args, "inventory", err) == 0)
		r = 0;
	for (i = 0; r == 0 && i < l->o->disks.n; i++)
		if (fy_strings_add(&args, "--disk", err) == -1 ||
		    fy_strings_add(&args, l->o->disks.items[i], err) == -1)
			r = -1;
	if (r == 0 && (fy_subprocess_start((const char *const *)args.items, -1,
					   fd, fd, &child, &why) == -1 ||
		       fy_subprocess_wait(&child, &why) == -1))
		r = fy_live_tell(l, "Hardware", &why, err);
	fy_strings_release(&args);
	if (r == -1)
		return -1;
	return fy_ui_text(&l->ui, "Hardware", path, err) == FY_UI_FAILED ? -1
									 : 0;
}

/* The server's questions are the dialog's. */
static int
send(struct fy_live *l, const struct fy_machine *m, const char *name,
     bool force, char **ret_path, struct fy_error *err)
{
	struct fy_dialog d = { .o = l->o, .ui = l->ui };
	struct fy_convert_options c;
	int r;

	if (fy_client_convert_options(l->o, l->log, &c, err) == -1)
		return -1;
	c.server.ask_host_key = fy_dialog_ask_host_key;
	c.server.ask_password = fy_dialog_ask_password;
	c.server.ask_ctx = &d;
	c.server.password = l->o->live.password;
	if (fy_live_mount_target(l, err) == -1)
		return -1;
	r = fy_live_send_inventory(&c.server, m, name, c.to, force, ret_path,
				   err);
	if (d.password != NULL)
		explicit_bzero(d.password, strlen(d.password));
	free(d.password);
	free(d.asked_for);
	return r;
}

/* Once more with the user's word when it is there already. */
static int
send_or_replace(struct fy_live *l, const struct fy_machine *m, const char *name,
		struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Replace",
						    .cancel = "Keep",
						    .default_no = true };
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *path = NULL, *text = NULL;
	enum fy_ui_answer answer;

	if (send(l, m, name, l->o->force, &path, &why) == -1) {
		if (why.code != FY_E_EXISTS)
			return fy_live_tell(l, "machine.json", &why, err);
		answer = fy_ui_question(&l->ui, "machine.json", why.msg,
					&labels, err);
		if (answer != FY_UI_OK)
			return answer == FY_UI_FAILED ? -1 : 0;
		fy_error_clear(&why);
		if (send(l, m, name, true, &path, &why) == -1)
			return fy_live_tell(l, "machine.json", &why, err);
	}
	text = fy_format(err, "Saved as\n%s\non %s.", path,
			 fy_streq(l->o->server, "local") ? "the target"
							 : l->o->server);
	if (text == NULL ||
	    fy_ui_message(&l->ui, "machine.json", text, err) == FY_UI_FAILED)
		return -1;
	return 0;
}

static int
save(struct fy_live *l, struct fy_error *err)
{
	struct fy_inventory_options io = {
		.disks = (const char *const *)l->o->disks.items,
		.n_disks = l->o->disks.n,
		.read_disks = true,
		.allow_dirty = true,
		.stop = &fy_client_stop,
	};
	FY_AUTO(inventory) struct fy_inventory *inv = NULL;
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *found = NULL, *name = NULL;
	enum fy_ui_answer answer;

	if (fy_ui_notice(&l->ui, looking, err) == FY_UI_FAILED)
		return -1;
	if (fy_inventory_read(&io, &inv, &why) == -1)
		return fy_live_tell(l, "machine.json", &why, err);
	found = l->o->name != NULL ? strdup(l->o->name)
				   : fy_live_name(inv->machine, &why);
	fy_error_clear(&why);
	answer = fy_ui_input(&l->ui, "machine.json",
			     "Name of the machine; the file is "
			     "NAME.machine.json:",
			     found, false, NULL, &name, err);
	if (answer != FY_UI_OK)
		return answer == FY_UI_FAILED ? -1 : 0;
	if (fy_convert_check_name(name, &why) == -1)
		return fy_live_tell(l, "machine.json", &why, err);
	return send_or_replace(l, inv->machine, name, err);
}

int
fy_live_hardware_screen(struct fy_live *l, struct fy_error *err)
{
	static const struct fy_ui_item items[] = {
		{ "show", "show what is in this machine", NULL, false },
		{ "save", "save machine.json to the target", NULL, false },
	};
	fy_autofree char *text = NULL;
	enum fy_ui_answer answer;
	size_t choice = 0;

	if (l->o->server == NULL)
		return show(l, err);
	text = fy_format(err, "The target is %s.",
			 fy_streq(l->o->server, "local") && l->o->to != NULL
				 ? l->o->to
				 : l->o->server);
	if (text == NULL)
		return -1;
	answer = fy_ui_menu(&l->ui, "Hardware", text, items, 2, NULL, &choice,
			    err);
	if (answer != FY_UI_OK)
		return answer == FY_UI_FAILED ? -1 : 0;
	return choice == 0 ? show(l, err) : save(l, err);
}
