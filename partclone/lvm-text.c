/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parser of LVM's configuration syntax, in one pass, over the text in
 * memory: names and texts are ended by a NUL where their end was.  Sections
 * nest to a fixed depth, and an item takes at least two bytes of text, so
 * memory is bounded by the text's length.
 */
#include "partclone/lvm-text.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 8

struct parser {
	struct fy_lvm_text *text;
	char *at, *end;
	struct fy_error *err;
};

static int
bad(const struct parser *p, const char *what)
{
	return fy_error_set(p->err, FY_E_FORMAT, 0,
			    "LVM's metadata make no sense at their byte %zu: "
			    "%s",
			    (size_t)(p->at - p->text->buffer), what);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next character that counts, 0 at the end. */
static char
peek(struct parser *p)
{
	while (p->at < p->end && *p->at != '\0') {
		if (*p->at == '#') {
			while (p->at < p->end && *p->at != '\n')
				p->at++;
		} else if (is_blank(*p->at)) {
			p->at++;
		} else {
			return *p->at;
		}
	}
	return '\0';
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' ||
	       c == '.' || c == '/';
}

/* A new item behind '*last' among the children of 'parent' (places, for the
 * array moves); 0 on failure. */
static size_t
add_item(struct parser *p, size_t parent, size_t *last)
{
	struct fy_lvm_text *t = p->text;
	struct fy_lvm_item *grown;
	size_t room;

	if (t->n == t->room) {
		room = t->room == 0 ? 256 : t->room * 2;
		grown = reallocarray(t->items, room, sizeof(*grown));
		if (grown == NULL) {
			fy_error_nomem(p->err);
			return 0;
		}
		t->items = grown;
		t->room = room;
	}
	memset(&t->items[t->n], 0, sizeof(*t->items));
	t->items[t->n].name = "";
	if (t->n > 0 && *last == 0)
		t->items[parent].child = t->n;
	else if (t->n > 0)
		t->items[*last].next = t->n;
	*last = t->n;
	return t->n++;
}

/* A text in quotes, '\' before a quote or itself taken away. */
static int
read_text(struct parser *p, struct fy_lvm_item *item)
{
	char *to = ++p->at;

	item->type = FY_LVM_TEXT;
	item->text = to;
	while (p->at < p->end && *p->at != '"' && *p->at != '\0') {
		if (*p->at == '\\' && p->end - p->at > 1)
			p->at++;
		*to++ = *p->at++;
	}
	if (p->at == p->end || *p->at != '"')
		return bad(p, "a text has no end");
	p->at++;
	*to = '\0';
	return 0;
}

static int
read_number(struct parser *p, struct fy_lvm_item *item)
{
	bool minus = *p->at == '-';
	int64_t n = 0;

	item->type = FY_LVM_NUMBER;
	p->at += minus;
	if (p->at == p->end || *p->at < '0' || *p->at > '9')
		return bad(p, "a number was expected");
	for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *p->at - '0', &n))
			return bad(p, "a number is too large");
	if (p->at < p->end && *p->at == '.') /* none of those that count */
		for (p->at++; p->at < p->end && *p->at >= '0' && *p->at <= '9';
		     p->at++)
			;
	item->number = minus ? -n : n;
	return 0;
}

static int
read_scalar(struct parser *p, size_t item)
{
	return peek(p) == '"' ? read_text(p, &p->text->items[item])
			      : read_number(p, &p->text->items[item]);
}

static int
read_list(struct parser *p, size_t list)
{
	size_t last = 0, item;

	p->text->items[list].type = FY_LVM_LIST;
	p->at++;
	while (peek(p) != ']') {
		item = add_item(p, list, &last);
		if (item == 0 || read_scalar(p, item) == -1)
			return -1;
		if (peek(p) == ',')
			p->at++;
		else if (peek(p) != ']')
			return bad(p, "a list has no end");
	}
	p->at++;
	return 0;
}

static int read_section(struct parser *p, size_t section, unsigned depth);

/* "name {", "name = value". */
static int
read_item(struct parser *p, size_t item, unsigned depth)
{
	char *name = p->at, *end;
	char c;

	while (p->at < p->end && is_name(*p->at))
		p->at++;
	end = p->at;
	if (end == name)
		return bad(p, "a name was expected");
	c = peek(p);
	if (c != '{' && c != '=')
		return bad(p, "a name has no value");
	p->at++;
	*end = '\0'; /* at the latest on what was just read */
	p->text->items[item].name = name;
	if (c == '{')
		return read_section(p, item, depth + 1);
	return peek(p) == '[' ? read_list(p, item) : read_scalar(p, item);
}

static int
read_section(struct parser *p, size_t section, unsigned depth)
{
	size_t last = 0, item;
	char c;

	p->text->items[section].type = FY_LVM_SECTION;
	if (depth > MAX_DEPTH)
		return bad(p, "sections lie too deep in each other");
	for (;;) {
		c = peek(p);
		if (c == '\0' || c == '}')
			break;
		item = add_item(p, section, &last);
		if (item == 0 || read_item(p, item, depth) == -1)
			return -1;
		if (depth == 0 && p->text->first_end == 0 &&
		    p->text->items[item].type == FY_LVM_SECTION)
			p->text->first_end = (size_t)(p->at - p->text->buffer);
	}
	if ((c == '}') != (depth > 0))
		return bad(p, "braces don't match");
	if (c == '}')
		p->at++;
	return 0;
}

int
fy_lvm_text_parse(char *buffer, size_t len, struct fy_lvm_text **ret,
		  struct fy_error *err)
{
	FY_AUTO(lvm_text) struct fy_lvm_text *t = calloc(1, sizeof(*t));
	struct parser p = { .text = t, .err = err };
	size_t last = 0;

	if (t == NULL) {
		free(buffer);
		return fy_error_nomem(err);
	}
	t->buffer = buffer;
	if (len > FY_LVM_TEXT_BYTES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "LVM's metadata have %zu bytes", len);
	buffer[len] = '\0';
	p.at = buffer;
	p.end = buffer + len;
	add_item(&p, 0, &last);
	if (t->n == 0 || read_section(&p, 0, 0) == -1)
		return -1;
	*ret = fy_steal_ptr(&t);
	return 0;
}

void
fy_lvm_text_free(struct fy_lvm_text *t)
{
	if (t == NULL)
		return;
	free(t->buffer);
	free(t->items);
	free(t);
}

/* --- looking up ------------------------------------------------------------------ */

const struct fy_lvm_item *
fy_lvm_next(const struct fy_lvm_text *t, const struct fy_lvm_item *of,
	    const struct fy_lvm_item *after)
{
	size_t at = after == NULL ? of->child : after->next;

	return at == 0 ? NULL : &t->items[at];
}

const struct fy_lvm_item *
fy_lvm_find(const struct fy_lvm_text *t, const struct fy_lvm_item *of,
	    const char *name, enum fy_lvm_item_type type)
{
	const struct fy_lvm_item *i = NULL;

	while ((i = fy_lvm_next(t, of, i)) != NULL)
		if (strcmp(i->name, name) == 0)
			return i->type == type ? i : NULL;
	return NULL;
}

const char *
fy_lvm_get_text(const struct fy_lvm_text *t, const struct fy_lvm_item *of,
		const char *name)
{
	const struct fy_lvm_item *i = fy_lvm_find(t, of, name, FY_LVM_TEXT);

	return i == NULL ? NULL : i->text;
}

bool
fy_lvm_get_number(const struct fy_lvm_text *t, const struct fy_lvm_item *of,
		  const char *name, uint64_t max, uint64_t *ret)
{
	const struct fy_lvm_item *i = fy_lvm_find(t, of, name, FY_LVM_NUMBER);

	if (i == NULL || i->number < 0 || (uint64_t)i->number > max)
		return false;
	*ret = (uint64_t)i->number;
	return true;
}

bool
fy_lvm_list_has(const struct fy_lvm_text *t, const struct fy_lvm_item *of,
		const char *name, const char *word)
{
	const struct fy_lvm_item *list = fy_lvm_find(t, of, name, FY_LVM_LIST);
	const struct fy_lvm_item *i = NULL;

	while (list != NULL && (i = fy_lvm_next(t, list, i)) != NULL)
		if (i->type == FY_LVM_TEXT && strcmp(i->text, word) == 0)
			return true;
	return false;
}
