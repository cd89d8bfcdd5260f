/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TEXT_H
#define FY_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"

/* A text that grows; running out of memory is kept in 'failed' and asked for
 * once at the end (fy_text_check). */
struct fy_text {
	char *data; /* NUL behind it, unless NULL */
	size_t len, size;
	bool failed;
};

void fy_text_put(struct fy_text *t, const char *data, size_t len);
void fy_text_add(struct fy_text *t, const char *s);
void fy_text_printf(struct fy_text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* FY_E_NOMEM when it failed. */
int fy_text_check(const struct fy_text *t, struct fy_error *err);
void fy_text_release(struct fy_text *t);

/* A set of strings, each once, in the order in which they came. */
struct fy_string_set {
	char **items;
	size_t n;
};

bool fy_string_set_has(const struct fy_string_set *s, const char *item);
int fy_string_set_add(struct fy_string_set *s, const char *item,
		      struct fy_error *err);
/* The same, and it may be there already: for lists whose items are known to be
 * different, however long, and for those whose places count. */
int fy_string_set_append(struct fy_string_set *s, const char *item,
			 struct fy_error *err);
void fy_string_set_release(struct fy_string_set *s);

#endif
