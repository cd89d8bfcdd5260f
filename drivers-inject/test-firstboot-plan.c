/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first boot's bookkeeping: order, tries, reboots, what a crash leaves, and
 * that it comes to an end whatever the scripts do.
 */
#include "common/test.h"

#include <stdlib.h>

#include "drivers-inject/firstboot/plan.h"

static struct fb_plan plan;

static void
start(const char *state, bool had_log, const char *const *names)
{
	fb_plan_parse(&plan, state, strlen(state));
	for (; *names != NULL; names++)
		CHECK(fb_plan_add(&plan, *names));
	CHECK(fb_plan_start(&plan, had_log));
}
#define START(state, had_log, ...)                                             \
	start(state, had_log, (const char *const[]){ __VA_ARGS__, NULL })

/* The next script's name. */
static const char *
next(void)
{
	struct fb_script *s = fb_plan_next(&plan);

	return s == NULL ? "(none)" : s->name;
}

static enum fb_verdict
try_it(unsigned status)
{
	struct fb_script *s = fb_plan_next(&plan);

	if (s == NULL)
		exit(1);
	fb_plan_begin(s);
	return fb_plan_end(&plan, s, status);
}

/* Kept and read again, as by a reboot. */
static void
keep(void)
{
	static char text[16384];
	size_t n = fb_plan_format(&plan, text, sizeof(text));
	static struct fb_plan was;
	unsigned i;

	was = plan;
	fb_plan_parse(&plan, text, n);
	CHECK(plan.n == was.n && plan.reboots == was.reboots &&
	      plan.runs == was.runs);
	for (i = 0; i < was.n; i++)
		CHECK(fb_plan_add(&plan, was.scripts[i].name));
	CHECK(plan.n == was.n);
}

static void
test_order(void)
{
	START("", false, "20-b.cmd", "05-A.cmd", "10-c.ps1", "10-C.CMD");
	CHECK_STR(next(), "05-A.cmd");
	CHECK(try_it(0) == FB_GO_ON);
	CHECK_STR(next(), "10-C.CMD");
	keep();
	CHECK_STR(next(), "10-C.CMD");
	CHECK(try_it(7) == FB_AGAIN);
	keep();
	CHECK(plan.scripts[1].tries == 1 && plan.scripts[1].status == 7);
	CHECK(try_it(0) == FB_GO_ON);
	CHECK(try_it(0) == FB_GO_ON);
	CHECK_STR(next(), "20-b.cmd");
	CHECK(try_it(1) == FB_AGAIN);
	CHECK(try_it(2) == FB_AGAIN);
	CHECK(try_it(3) == FB_GO_ON);
	CHECK_STR(next(), "(none)");
	CHECK(fb_plan_failed(&plan) == 1);
	keep();
	CHECK_STR(next(), "(none)");
	CHECK(fb_plan_failed(&plan) == 1);
}

static void
test_reboots(void)
{
	static const char *const names[] = { "1.cmd", "2.cmd", "3.cmd",
					     "4.cmd", "5.cmd", NULL };
	unsigned i;

	start("", false, names);
	for (i = 0; i < FB_REBOOTS; i++) {
		CHECK(try_it(3010) == FB_REBOOT);
		keep();
		CHECK(plan.reboots == i + 1);
		CHECK(fb_plan_start(&plan, true));
	}
	CHECK_STR(next(), "4.cmd");
	CHECK(try_it(3010) == FB_NO_REBOOT);
	CHECK_STR(next(), "5.cmd");
	CHECK(try_it(0) == FB_GO_ON);
	CHECK(fb_plan_failed(&plan) == 0);
}

/* The machine goes down in each try: counted before, so it ends. */
static void
test_crashes(void)
{
	unsigned i;

	START("", false, "1-down.cmd", "2-good.cmd");
	for (i = 0; i < FB_TRIES; i++) {
		CHECK_STR(next(), "1-down.cmd");
		fb_plan_begin(fb_plan_next(&plan));
		keep();
		CHECK(fb_plan_start(&plan, true));
	}
	CHECK_STR(next(), "2-good.cmd");
	CHECK(fb_plan_failed(&plan) == 1);
	/* An orderly stop takes nothing. */
	fb_plan_begin(fb_plan_next(&plan));
	fb_plan_take_back(&plan.scripts[1]);
	keep();
	CHECK(plan.scripts[1].tries == 0);
}

static void
test_states(void)
{
	char many[64];
	unsigned i;

	/* A damaged state: what can be read counts. */
	START("runs 4\r\nreboots 9999999999999\nwaiting 2 1 b.cmd\n\n"
	      "done x 1 c.cmd\nnonsense\ndone 1 0 gone.cmd\nfailed 3 5 f.cmd\n"
	      "waiting 1 1 ../evil.cmd\ndone 1 0 ",
	      true, "a.cmd", "b.cmd", "c.cmd", "f.cmd");
	CHECK(plan.runs == 5 && plan.reboots == 0 && plan.n == 5);
	CHECK_STR(next(), "a.cmd");
	CHECK(try_it(0) == FB_GO_ON);
	CHECK(try_it(1) == FB_GO_ON); /* its third */
	CHECK_STR(next(), "c.cmd");
	CHECK(try_it(0) == FB_GO_ON);
	CHECK_STR(next(), "(none)");
	CHECK(fb_plan_failed(&plan) == 2);

	/* A lost one, though it ran before: two runs more. */
	START("", true, "a.cmd");
	CHECK(plan.runs == FB_RUNS - 1);
	CHECK(fb_plan_start(&plan, true));
	CHECK(!fb_plan_start(&plan, true));
	START("runs 19\n", true, "a.cmd");
	CHECK(!fb_plan_start(&plan, true));

	fb_plan_parse(&plan, "", 0);
	for (i = 0; i < FB_SCRIPTS; i++) {
		snprintf(many, sizeof(many), "%u.cmd", i);
		CHECK(fb_plan_add(&plan, many));
	}
	CHECK(!fb_plan_add(&plan, "more.cmd"));
	CHECK(!fb_plan_add(&plan, ""));
	CHECK(!fb_plan_add(&plan, "a\"b.cmd"));
	CHECK(!fb_plan_add(&plan, "%PATH%.cmd"));
	CHECK(!fb_plan_add(&plan, ".hidden.cmd"));
}

/* Any scripts, any statuses, any crashes: it ends, and runs none too often. */
static void
test_ends(void)
{
	static const unsigned statuses[] = { 0, 1, 3010, 5 };
	unsigned seed = 42;
	unsigned round, i, tries, runs;
	struct fb_script *s;

	for (round = 0; round < 500; round++) {
		fb_plan_parse(&plan, "", 0);
		for (i = 0; i < 6; i++) {
			char name[16];

			snprintf(name, sizeof(name), "%u.cmd", i);
			fb_plan_add(&plan, name);
		}
		tries = 0;
		runs = 0;
		while (fb_plan_start(&plan, runs++ > 0)) {
			while ((s = fb_plan_next(&plan)) != NULL) {
				fb_plan_begin(s);
				tries++;
				if (rand_r(&seed) % 4 == 0)
					break; /* a crash */
				if (fb_plan_end(&plan, s,
						statuses[rand_r(&seed) % 4]) ==
				    FB_REBOOT)
					break;
			}
			if (s == NULL && fb_plan_next(&plan) == NULL)
				break;
			keep();
		}
		CHECK(runs <= FB_RUNS + 1);
		CHECK(tries <= 6 * FB_TRIES);
	}
}

int
main(void)
{
	test_order();
	test_reboots();
	test_crashes();
	test_states();
	test_ends();
	return test_result();
}
