/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_EDIT_INTERNAL_H
#define FY_LINUX_EDIT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The words of a line: what both the edits and the readers take apart. */

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline size_t
blanks(const char *s, const char *end)
{
	const char *p = s;

	while (p < end && is_blank(*p))
		p++;
	return (size_t)(p - s);
}

static inline size_t
word(const char *s, const char *end)
{
	const char *p = s;

	while (p < end && !is_blank(*p) && *p != '\n' && *p != '\r')
		p++;
	return (size_t)(p - s);
}

struct field {
	const char *at;
	size_t len;
};

static inline bool
field_is(const struct field *f, const char *s)
{
	return f->len == strlen(s) && memcmp(f->at, s, f->len) == 0;
}

static inline bool
begins(const char *line, const char *end, const char *with)
{
	size_t len = strlen(with);

	return (size_t)(end - line) >= len && memcmp(line, with, len) == 0;
}

/* At most 'max' words; returns their number. */
static inline size_t
split(const char *line, const char *end, struct field *ret, size_t max)
{
	size_t n = 0;

	while (n < max) {
		line += blanks(line, end);
		ret[n].at = line;
		ret[n].len = word(line, end);
		if (ret[n].len == 0)
			break;
		line += ret[n++].len;
	}
	return n;
}

#endif
