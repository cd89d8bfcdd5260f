/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_FIRSTBOOT_PLAN_H
#define FY_FIRSTBOOT_PLAN_H

/*
 * Which script of the first boot runs next, and when all is over: counted so
 * that it ends whatever happens.  Part of a Windows program without a C
 * library (main.c); it calls nothing, and is tested on any system.
 */
#include <stdbool.h>
#include <stddef.h>

#define FB_SCRIPTS  64u	 /* more than that are not run */
#define FB_NAME_MAX 100u /* bytes of a name */
#define FB_TRIES    3u	 /* of one script */
#define FB_REBOOTS  3u	 /* in all */
#define FB_RUNS	    20u	 /* starts of the program in all */

#define FB_STATUS_REBOOT 3010u /* a script's: done, and wants a reboot */

enum fb_state {
	FB_WAITING,
	FB_DONE,
	FB_FAILED,
};

struct fb_script {
	char name[FB_NAME_MAX + 1];
	enum fb_state state;
	unsigned tries;	 /* begun */
	unsigned status; /* of the last one */
	bool there;	 /* its file is, now */
};

struct fb_plan {
	struct fb_script scripts[FB_SCRIPTS]; /* by name */
	unsigned n;
	unsigned runs, reboots;
	bool known; /* there was a state that could be read */
};

/* What was kept by fb_plan_format; lines that make no sense are passed over.
 * All of the plan is filled. */
void fb_plan_parse(struct fb_plan *p, const char *text, size_t len);
/* The state as text; returns its length, at most 'size'. */
size_t fb_plan_format(const struct fb_plan *p, char *to, size_t size);

/* A script's file is there.  False: too many, or no name for one. */
bool fb_plan_add(struct fb_plan *p, const char *name);
/* A start of the program; 'had_log': one ran before.  False: it was started
 * too often, and must end. */
bool fb_plan_start(struct fb_plan *p, bool had_log);
/* The one to run now; NULL: all is over. */
struct fb_script *fb_plan_next(struct fb_plan *p);

/* Before it runs: the state is to be kept before it does. */
void fb_plan_begin(struct fb_script *s);
/* It was stopped from outside: the try does not count. */
void fb_plan_take_back(struct fb_script *s);
enum fb_verdict {
	FB_GO_ON,     /* to the next one */
	FB_AGAIN,     /* it failed, and may try again */
	FB_REBOOT,    /* the state is to be kept before */
	FB_NO_REBOOT, /* it wants one, but there were enough */
};
enum fb_verdict fb_plan_end(struct fb_plan *p, struct fb_script *s,
			    unsigned status);
unsigned fb_plan_failed(const struct fb_plan *p);

#endif
