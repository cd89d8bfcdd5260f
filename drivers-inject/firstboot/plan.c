/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The state is a text of lines: "runs N", "reboots N", and for each script
 * "STATE TRIES STATUS NAME".  A try is counted before it begins, so that a
 * script that takes the machine down is not tried for ever.
 */
#include "drivers-inject/firstboot/plan.h"

/* --- text ------------------------------------------------------------------ */

static size_t
length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Without case, as the file system compares names. */
static int
compare(const char *a, const char *b)
{
	while (*a != '\0' && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return (unsigned char)fold(*a) - (unsigned char)fold(*b);
}

struct cursor {
	const char *at, *end;
};

/* A word and the blank behind it; false at the end of the line. */
static bool
take_word(struct cursor *c, const char **ret, size_t *ret_len)
{
	*ret = c->at;
	while (c->at < c->end && *c->at != ' ')
		c->at++;
	*ret_len = (size_t)(c->at - *ret);
	if (c->at < c->end)
		c->at++;
	return *ret_len > 0;
}

static bool
take_number(struct cursor *c, unsigned *ret)
{
	const char *w;
	size_t len, i;
	unsigned long long v = 0;

	if (!take_word(c, &w, &len) || len > 10)
		return false;
	for (i = 0; i < len; i++) {
		if (w[i] < '0' || w[i] > '9')
			return false;
		v = v * 10 + (unsigned)(w[i] - '0');
	}
	if (v > 0xffffffffu)
		return false;
	*ret = (unsigned)v;
	return true;
}

static bool
word_is(const char *w, size_t len, const char *s)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] == '\0' || w[i] != s[i])
			return false;
	return s[len] == '\0';
}

static void
put(char *to, size_t size, size_t *at, const char *s)
{
	for (; *s != '\0' && *at < size; s++)
		to[(*at)++] = *s;
}

static void
put_number(char *to, size_t size, size_t *at, unsigned v)
{
	char digits[12];
	size_t n = sizeof(digits) - 1;

	digits[n] = '\0';
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put(to, size, at, digits + n);
}

/* --- the plan -------------------------------------------------------------- */

/* A name that a script may have; what begins with a point is a temporary. */
static bool
is_name(const char *s, size_t len)
{
	size_t i;

	if (len == 0 || len > FB_NAME_MAX || s[0] == '.')
		return false;
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == '/' || s[i] == '\\' ||
		    s[i] == '"' || s[i] == '%')
			return false;
	return true;
}

static struct fb_script *
find_or_add(struct fb_plan *p, const char *name, size_t len)
{
	struct fb_script made;
	unsigned i, at;
	size_t k;

	if (!is_name(name, len))
		return NULL;
	for (k = 0; k < len; k++)
		made.name[k] = name[k];
	made.name[len] = '\0';
	made.state = FB_WAITING;
	made.tries = made.status = 0;
	made.there = false;
	for (at = 0; at < p->n; at++) {
		int r = compare(p->scripts[at].name, made.name);

		if (r == 0)
			return &p->scripts[at];
		if (r > 0)
			break;
	}
	if (p->n == FB_SCRIPTS)
		return NULL;
	for (i = p->n; i > at; i--)
		p->scripts[i] = p->scripts[i - 1];
	p->scripts[at] = made;
	p->n++;
	return &p->scripts[at];
}

static void
parse_script(struct fb_plan *p, struct cursor *c, enum fb_state state)
{
	unsigned tries, status;
	struct fb_script *s;

	if (!take_number(c, &tries) || !take_number(c, &status))
		return;
	s = find_or_add(p, c->at, (size_t)(c->end - c->at));
	if (s == NULL)
		return;
	s->state = state;
	s->tries = tries;
	s->status = status;
}

static void
parse_line(struct fb_plan *p, struct cursor c)
{
	const char *w;
	size_t len;

	if (!take_word(&c, &w, &len))
		return;
	if (word_is(w, len, "runs"))
		p->known |= take_number(&c, &p->runs);
	else if (word_is(w, len, "reboots"))
		(void)take_number(&c, &p->reboots);
	else if (word_is(w, len, "waiting"))
		parse_script(p, &c, FB_WAITING);
	else if (word_is(w, len, "done"))
		parse_script(p, &c, FB_DONE);
	else if (word_is(w, len, "failed"))
		parse_script(p, &c, FB_FAILED);
}

void
fb_plan_parse(struct fb_plan *p, const char *text, size_t len)
{
	const char *end = text + len;
	struct cursor c;

	p->n = p->runs = p->reboots = 0;
	p->known = false;
	while (text < end) {
		c.at = text;
		while (text < end && *text != '\n' && *text != '\r')
			text++;
		c.end = text;
		parse_line(p, c);
		while (text < end && (*text == '\n' || *text == '\r'))
			text++;
	}
}

size_t
fb_plan_format(const struct fb_plan *p, char *to, size_t size)
{
	static const char *const states[] = { "waiting ", "done ", "failed " };
	size_t at = 0;
	unsigned i;

	put(to, size, &at, "runs ");
	put_number(to, size, &at, p->runs);
	put(to, size, &at, "\r\nreboots ");
	put_number(to, size, &at, p->reboots);
	put(to, size, &at, "\r\n");
	for (i = 0; i < p->n; i++) {
		const struct fb_script *s = &p->scripts[i];

		put(to, size, &at, states[s->state]);
		put_number(to, size, &at, s->tries);
		put(to, size, &at, " ");
		put_number(to, size, &at, s->status);
		put(to, size, &at, " ");
		put(to, size, &at, s->name);
		put(to, size, &at, "\r\n");
	}
	return at;
}

bool
fb_plan_add(struct fb_plan *p, const char *name)
{
	struct fb_script *s = find_or_add(p, name, length(name));

	if (s == NULL)
		return false;
	s->there = true;
	return true;
}

bool
fb_plan_start(struct fb_plan *p, bool had_log)
{
	/* A state that was lost: not from the beginning again and again. */
	if (!p->known && had_log)
		p->runs = FB_RUNS - 2;
	p->known = true;
	p->runs++;
	return p->runs <= FB_RUNS;
}

struct fb_script *
fb_plan_next(struct fb_plan *p)
{
	unsigned i;

	for (i = 0; i < p->n; i++) {
		struct fb_script *s = &p->scripts[i];

		if (s->state != FB_WAITING || !s->there)
			continue;
		if (s->tries < FB_TRIES)
			return s;
		/* The machine or the program ended in its last try. */
		s->state = FB_FAILED;
	}
	return NULL;
}

void
fb_plan_begin(struct fb_script *s)
{
	s->tries++;
}

void
fb_plan_take_back(struct fb_script *s)
{
	if (s->tries > 0)
		s->tries--;
}

enum fb_verdict
fb_plan_end(struct fb_plan *p, struct fb_script *s, unsigned status)
{
	s->status = status;
	if (status == 0) {
		s->state = FB_DONE;
		return FB_GO_ON;
	}
	if (status == FB_STATUS_REBOOT) {
		s->state = FB_DONE;
		if (p->reboots >= FB_REBOOTS)
			return FB_NO_REBOOT;
		p->reboots++;
		return FB_REBOOT;
	}
	if (s->tries < FB_TRIES)
		return FB_AGAIN;
	s->state = FB_FAILED;
	return FB_GO_ON;
}

unsigned
fb_plan_failed(const struct fb_plan *p)
{
	unsigned i, n = 0;

	for (i = 0; i < p->n; i++)
		n += p->scripts[i].state == FB_FAILED;
	return n;
}
