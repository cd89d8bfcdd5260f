/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The screen that lists the disks.
 *
 * Only what may be converted can be chosen; disks in use are named with the
 * reason.  The chosen ones are put in the job's order: the boot disk first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/dialog.h"

#define MAX_DISKS 64

/* Append text to a malloc'd one. */
static int append(char **to, struct fy_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int
append(char **to, struct fy_error *err, const char *fmt, ...)
{
	fy_autofree char *more = NULL;
	char *whole;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&more, fmt, ap);
	va_end(ap);
	if (r == -1) {
		more = NULL;
		return fy_error_nomem(err);
	}
	whole = fy_format(err, "%s%s", *to == NULL ? "" : *to, more);
	if (whole == NULL)
		return -1;
	free(*to);
	*to = whole;
	return 0;
}

/* "1.0 TB  WDC WD10EZEX  WD-12345  123 GB used" */
static char *
describe(const struct fy_machine_disk *disk,
	 const struct fy_inventory_disk *extra, struct fy_error *err)
{
	char size[32], used[32];

	fy_format_bytes(disk->size_bytes, size, sizeof(size));
	fy_format_bytes(disk->used_bytes, used, sizeof(used));
	return fy_format(err, "%s%s, %s used%s%.24s%s%.20s%s",
			 disk->health == FY_HEALTH_FAILING   ? "FAILING: "
			 : disk->health == FY_HEALTH_SUSPECT ? "suspect: "
							     : "",
			 size, used, disk->model == NULL ? "" : "  ",
			 disk->model == NULL ? "" : disk->model,
			 disk->serial == NULL ? "" : "  ",
			 disk->serial == NULL ? "" : disk->serial,
			 extra->removable ? "  removable" : "");
}

/* "Debian GNU/Linux 12; p1 vfat, p2 ext4, p3 swap" for the line at the
 * bottom. */
static char *
describe_content(const struct fy_machine *m, size_t index,
		 const struct fy_inventory_disk *extra, struct fy_error *err)
{
	const struct fy_machine_disk *disk = &m->disks[index];
	char *text = NULL;
	const json_t *v;
	size_t i;

	if (extra->problem != NULL && append(&text, err, "%s", extra->problem))
		goto failed;
	for (i = 0; i < disk->n_health_reasons; i++)
		if (append(&text, err, "%s%s", text == NULL ? "" : "; ",
			   disk->health_reasons[i]) == -1)
			goto failed;
	for (i = 0; i < m->n_systems; i++)
		if (m->systems[i].disk == index &&
		    append(&text, err, "%s%s", text == NULL ? "" : "; ",
			   m->systems[i].pretty_name == NULL
				   ? "a system"
				   : m->systems[i].pretty_name) == -1)
			goto failed;
	json_array_foreach(disk->volumes, i, v)
	{
		const char *path = fy_json_string_or(v, "path", "?");

		if (strcmp(path, "gap") != 0 &&
		    append(&text, err, "%s%s %s", text == NULL ? "" : ", ",
			   path,
			   fy_json_string_or(v, "filesystem", "unknown")) == -1)
			goto failed;
	}
	if (text == NULL)
		return fy_format(err, "nothing was recognised on it");
	return text;
failed:
	free(text);
	return NULL;
}

static int
read_inventory(struct fy_dialog *d, struct fy_error *err)
{
	struct fy_inventory_options options = {
		.disks = (const char *const *)d->offered.items,
		.n_disks = d->offered.n,
		.read_disks = true,
		.allow_dirty = d->o->allow_dirty,
		.rescue = d->o->rescue,
		.log = d->log,
		.stop = &fy_client_stop,
	};

	if (d->inventory != NULL)
		return 0;
	return fy_inventory_read(&options, &d->inventory, err);
}

static bool
was_chosen(const struct fy_dialog *d, const char *path)
{
	size_t i;

	for (i = 0; i < d->o->disks.n; i++)
		if (strcmp(d->o->disks.items[i], path) == 0)
			return true;
	return false;
}

/* Why this disk is no source besides being in use, or NULL. */
static const char *
why_excluded(const struct fy_dialog *d, const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < d->n_excluded; i++)
		if (strcmp(d->excluded[i].name, name) == 0)
			return d->excluded[i].why;
	return NULL;
}

/* Disks that may soon be gone come first. */
static int
append_failing(char **text, const struct fy_machine *m, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < m->n_disks; i++)
		if (m->disks[i].health == FY_HEALTH_FAILING &&
		    append(text, err, "WARNING: %s is failing!\n",
			   m->disks[i].path) == -1)
			return -1;
	return 0;
}

/* The items of the list, and the disks that are not in it. */
static int
make_items(struct fy_dialog *d, struct fy_ui_item *items, size_t *ret_n,
	   char **ret_text, struct fy_error *err)
{
	const struct fy_machine *m = d->inventory->machine;
	size_t i;

	*ret_n = 0;
	if (append_failing(ret_text, m, err) == -1 ||
	    append(ret_text, err,
		   "Choose the disks of the virtual machine (space bar).\n"
		   "They are only read, never written to.\n") == -1)
		return -1;
	for (i = 0; i < m->n_disks && *ret_n < MAX_DISKS; i++) {
		const struct fy_inventory_disk *extra = &d->inventory->disks[i];
		const char *why = why_excluded(d, extra->kernel_name);
		struct fy_ui_item *item = &items[*ret_n];

		if (why == NULL)
			why = extra->in_use;
		if (why != NULL) {
			if (append(ret_text, err, "Not %s: %s\n",
				   m->disks[i].path, why) == -1)
				return -1;
			continue;
		}
		item->tag = m->disks[i].path;
		item->text = describe(&m->disks[i], extra, err);
		item->help = describe_content(m, i, extra, err);
		item->on = d->o->disks.n > 0 ? was_chosen(d, m->disks[i].path)
					     : !extra->removable;
		(*ret_n)++;
		if (item->text == NULL || item->help == NULL)
			return -1;
	}
	return 0;
}

/* Put the chosen paths into the job's order. */
static int
take_choice(struct fy_dialog *d, const struct fy_strings *chosen,
	    struct fy_error *err)
{
	const struct fy_machine *m = d->inventory->machine;
	size_t round, i, j;

	fy_strings_release(&d->o->disks);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < chosen->n; i++) {
			bool boot = false;

			for (j = 0; j < m->n_disks; j++)
				if (strcmp(m->disks[j].path,
					   chosen->items[i]) == 0)
					boot = m->disks[j].boot;
			if (boot == (round == 0) &&
			    fy_strings_add(&d->o->disks, chosen->items[i],
					   err) == -1)
				return -1;
		}
	}
	return 0;
}

/* What the check of the disks has to say; NEXT when the user goes on. */
static enum fy_move
check_choice(struct fy_dialog *d, struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Continue",
						    .cancel = "Back" };
	struct fy_error failure = { 0 };
	fy_autofree char *text = NULL;
	enum fy_ui_answer answer;
	size_t i;

	fy_strings_release(&d->warnings);
	if (fy_disks_check(NULL, (const char *const *)d->o->disks.items,
			   d->o->disks.n, d->log, &failure) == -1)
		return fy_dialog_tell(d, "Disks", &failure, err);
	if (fy_inventory_health_warnings(d->inventory,
					 (const char *const *)d->o->disks.items,
					 d->o->disks.n, d->log, err) == -1)
		return FY_MOVE_FAILED;
	for (i = 0; i < d->warnings.n; i++)
		if (append(&text, err, "%s%s", i == 0 ? "" : "\n\n",
			   d->warnings.items[i]) == -1)
			return FY_MOVE_FAILED;
	fy_strings_release(&d->warnings);
	if (text == NULL)
		return FY_MOVE_NEXT;
	answer = fy_ui_question(&d->ui, "Please note", text, &labels, err);
	if (answer == FY_UI_CANCEL)
		return FY_MOVE_AGAIN;
	return fy_dialog_move(d, answer, err);
}

static enum fy_move
show_list(struct fy_dialog *d, const struct fy_ui_item *items, size_t n,
	  const char *text, struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Next",
						    .cancel = "Back" };
	struct fy_strings chosen = { 0 };
	enum fy_ui_answer answer;
	enum fy_move move;

	answer = fy_ui_check(&d->ui, "Disks", text, items, n, &labels, &chosen,
			     err);
	if (answer != FY_UI_OK) {
		move = fy_dialog_move(d, answer, err);
	} else if (chosen.n == 0) {
		move = fy_ui_message(&d->ui, "Disks",
				     "No disk is chosen. Mark at least one "
				     "with the space bar.",
				     err) == FY_UI_FAILED
			       ? FY_MOVE_FAILED
			       : FY_MOVE_AGAIN;
	} else if (take_choice(d, &chosen, err) == -1) {
		move = FY_MOVE_FAILED;
	} else {
		move = check_choice(d, err);
	}
	fy_strings_release(&chosen);
	return move;
}

enum fy_move
fy_dialog_disks(struct fy_dialog *d, struct fy_error *err)
{
	struct fy_ui_item items[MAX_DISKS] = { 0 };
	struct fy_error failure = { 0 };
	fy_autofree char *text = NULL;
	enum fy_move move = FY_MOVE_FAILED;
	size_t i, n = 0;

	if (d->inventory == NULL &&
	    fy_ui_notice(&d->ui, "Looking at this machine and its disks ...",
			 err) == FY_UI_FAILED)
		return FY_MOVE_FAILED;
	if (read_inventory(d, &failure) == -1) {
		*err = failure;
		return FY_MOVE_FAILED;
	}
	if (make_items(d, items, &n, &text, err) == 0) {
		if (n > 0) {
			move = show_list(d, items, n, text, err);
		} else {
			const char *why = strstr(text, "\nNot ");

			fy_error_set(&failure, FY_E_NOTFOUND, 0,
				     "There is no disk that can be converted."
				     "\n%s",
				     why == NULL ? "" : why + 1);
			move = fy_dialog_tell(d, "Disks", &failure, err);
			if (move == FY_MOVE_AGAIN)
				move = FY_MOVE_LEAVE;
			d->status = FY_EXIT_FAILED;
		}
	}
	for (i = 0; i < n; i++) {
		free((char *)(uintptr_t)items[i].text);
		free((char *)(uintptr_t)items[i].help);
	}
	return move;
}
