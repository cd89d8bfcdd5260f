/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The screen of the disks, with a program that stands in for dialog: a disk
 * that fails is named first, marked in the list, and asked about when chosen.
 */
#include "common/stop.h"
#include "p2v-client/dialog.h"
#include "p2v-client/test-tree.h"

struct fy_stop fy_client_stop = { .fd = -1 };

static void
keep(void *ctx, enum fy_log_level level, const char *line)
{
	struct fy_dialog *d = ctx;
	struct fy_error err = { 0 };

	if (level <= FY_LOG_WARN)
		(void)fy_strings_add(&d->warnings, line, &err);
}

/* Answers the list with the disk, questions with yes; notes all words. */
static void
make_dialog(const char *chosen)
{
	char script[512];
	const char *path = getenv("PATH");
	fy_autofree char *longer = NULL;

	snprintf(script, sizeof(script),
		 "#!/bin/sh\nprintf '%%s\\n' \"$@\" >>%s/words\n"
		 "case \" $* \" in *--checklist*) echo %s >&2 ;; esac\n",
		 tree, chosen);
	tree_text("/bin/dialog", script);
	CHECK(chmod(tree_path("/bin/dialog"), 0755) == 0);
	CHECK(asprintf(&longer, "%s/bin:%s", tree, path) > 0);
	setenv("PATH", longer, 1);
}

static void
add_disk(struct fy_machine *m, const char *path, enum fy_health health)
{
	struct fy_error err = { 0 };
	struct fy_machine_disk *d = fy_machine_add_disk(m, &err);

	tree_sparse(path, 1 << 20);
	d->path = strdup(tree_path(path));
	d->health = health;
	if (health >= FY_HEALTH_SUSPECT)
		CHECK_OK(fy_machine_add_text(&d->health_reasons,
					     &d->n_health_reasons,
					     "it is a test", &err),
			 &err);
}

/* The words that dialog got when that disk was chosen; '*ret_move' is what
 * came of it. */
static char *
words_of(const char *chosen, enum fy_move *ret_move)
{
	struct fy_error err = { 0 };
	struct fy_client_options o = { .json = false };
	struct fy_dialog d = { .o = &o,
			       .ui = { .ascii = true, .gauge_fd = -1 } };
	struct fy_inventory inventory = { .machine = fy_machine_new(&err) };
	struct fy_inventory_disk extra[3] = { 0 };
	char *words = NULL;

	tree_new();
	add_disk(inventory.machine, "/good", FY_HEALTH_GOOD);
	add_disk(inventory.machine, "/old", FY_HEALTH_SUSPECT);
	add_disk(inventory.machine, "/bad", FY_HEALTH_FAILING);
	inventory.disks = extra;
	d.inventory = &inventory;
	d.log = fy_log_new(FY_LOG_DEBUG, keep, &d, &err);
	make_dialog(tree_path(chosen));
	*ret_move = fy_dialog_disks(&d, &err);
	CHECK_STR(err.msg, "");
	CHECK(o.disks.n == 1);
	CHECK_OK(fy_file_read_at(AT_FDCWD, tree_path("/words"), 65536, &words,
				 NULL, &err),
		 &err);
	fy_log_free(d.log);
	fy_strings_release(&o.disks);
	fy_strings_release(&d.warnings);
	fy_machine_free(inventory.machine);
	tree_free();
	return words;
}

int
main(void)
{
	fy_autofree char *path = strdup(getenv("PATH"));
	enum fy_move move;
	char *words, *failing, *intro;

	words = words_of("/bad", &move);
	CHECK(move == FY_MOVE_NEXT);
	failing = strstr(words, "/bad is failing!");
	intro = strstr(words, "Choose the disks");
	CHECK(failing != NULL && intro != NULL && failing < intro);
	CHECK(strstr(words, "/old is failing") == NULL);
	CHECK(strstr(words, "\nFAILING: 0 bytes") != NULL);
	CHECK(strstr(words, "\nsuspect: 0 bytes") != NULL);
	CHECK(strstr(words, "\nit is a test\n") != NULL);
	CHECK(strstr(words, "/bad is failing: it is a test\n") != NULL);
	free(words);
	setenv("PATH", path, 1);

	words = words_of("/old", &move);
	CHECK(move == FY_MOVE_NEXT);
	CHECK(strstr(words, "/old is not healthy: it is a test\n") != NULL);
	CHECK(strstr(words, "/bad is failing: it") == NULL);
	free(words);
	setenv("PATH", path, 1);

	/* Nothing is asked about a good one. */
	words = words_of("/good", &move);
	CHECK(move == FY_MOVE_NEXT && strstr(words, "Please note") == NULL);
	free(words);
	return test_result();
}
