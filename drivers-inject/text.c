/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Growing texts and sets of strings.
 */
#include "drivers-inject/text.h"

void
fy_text_put(struct fy_text *t, const char *data, size_t len)
{
	size_t want = t->len + len + 1;

	if (t->failed)
		return;
	if (want > t->size) {
		size_t size = want < 4096 ? 4096 : want * 2;
		char *grown = realloc(t->data, size);

		if (grown == NULL) {
			t->failed = true;
			return;
		}
		t->data = grown;
		t->size = size;
	}
	if (len > 0)
		memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void
fy_text_add(struct fy_text *t, const char *s)
{
	fy_text_put(t, s, strlen(s));
}

void
fy_text_printf(struct fy_text *t, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1) {
		s = NULL;
		t->failed = true;
	}
	va_end(ap);
	if (s != NULL)
		fy_text_add(t, s);
	free(s);
}

int
fy_text_check(const struct fy_text *t, struct fy_error *err)
{
	return t->failed ? fy_error_nomem(err) : 0;
}

void
fy_text_release(struct fy_text *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

bool
fy_string_set_has(const struct fy_string_set *s, const char *item)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->items[i], item) == 0)
			return true;
	return false;
}

int
fy_string_set_add(struct fy_string_set *s, const char *item,
		  struct fy_error *err)
{
	return fy_string_set_has(s, item) ? 0
					  : fy_string_set_append(s, item, err);
}

int
fy_string_set_append(struct fy_string_set *s, const char *item,
		     struct fy_error *err)
{
	char **grown = reallocarray(s->items, s->n + 1, sizeof(*grown));

	if (grown == NULL)
		return fy_error_nomem(err);
	s->items = grown;
	grown[s->n] = strdup(item);
	if (grown[s->n] == NULL)
		return fy_error_nomem(err);
	s->n++;
	return 0;
}

void
fy_string_set_release(struct fy_string_set *s)
{
	while (s->n > 0)
		free(s->items[--s->n]);
	free(s->items);
	s->items = NULL;
}
