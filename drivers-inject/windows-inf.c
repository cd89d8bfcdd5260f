/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text of an INF file: sections of lines, lines of fields.
 *
 * A field's blanks at its ends go, unless quoted; "" in quotes is a quote; a
 * backslash at the end of a line joins the next one; a semicolon begins a
 * comment.  '=' ends a key where no comma came before.  Sections of one name
 * are one.  %name% becomes what [Strings] says, of the language 0409 first;
 * %% is a percent sign, and a name that is not there stays (%12% is for whom
 * it concerns).  All is in one memory with a limit, for a small file can
 * unfold to much.
 */
#include "drivers-inject/windows-inf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/windows-inf-internal.h"

#define MAX_MEMORY   (16u * 1024 * 1024)
#define MAX_SECTIONS 4096u
#define MAX_HEADERS  16384u /* of sections, which may come again */
#define CHUNK	     (64u * 1024)

struct chunk {
	struct chunk *next;
	size_t used, size;
	char data[] __attribute__((aligned(16)));
};

struct string {
	const char *name, *value;
	unsigned rank; /* the language's; 0 is the best */
	size_t order;
};

struct fy_inf {
	struct chunk *chunks;
	size_t total;
	struct fy_inf_section *sections;
	size_t n_sections;
	struct string *strings;
	size_t n_strings;
};

/* --- memory ---------------------------------------------------------------- */

void *
fy_inf_alloc(struct fy_inf *inf, size_t len, struct fy_error *err)
{
	struct chunk *c = inf->chunks;
	size_t want = fy_align_up(len, 16), size;
	void *p;

	if (len > MAX_MEMORY || inf->total + want > MAX_MEMORY) {
		fy_error_set(err, FY_E_FORMAT, 0,
			     "the INF file unfolds to more than %u MiB",
			     MAX_MEMORY >> 20);
		return NULL;
	}
	if (c == NULL || c->size - c->used < want) {
		size = want > CHUNK ? want : CHUNK;
		c = calloc(1, sizeof(*c) + size);
		if (c == NULL) {
			fy_error_nomem(err);
			return NULL;
		}
		c->size = size;
		c->next = inf->chunks;
		inf->chunks = c;
	}
	p = c->data + c->used;
	c->used += want;
	inf->total += want;
	return p;
}

char *
fy_inf_strndup(struct fy_inf *inf, const char *s, size_t len,
	       struct fy_error *err)
{
	char *to = fy_inf_alloc(inf, len + 1, err);

	if (to != NULL && len > 0)
		memcpy(to, s, len);
	return to;
}

const char *
fy_inf_format(struct fy_inf *inf, struct fy_error *err, const char *fmt, ...)
{
	char *s = NULL;
	const char *kept;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1)
		s = NULL;
	va_end(ap);
	if (s == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	kept = fy_inf_strndup(inf, s, strlen(s), err);
	free(s);
	return kept;
}

int
fy_inf_grow(struct fy_inf *inf, void *items, size_t n, size_t item_size,
	    struct fy_error *err)
{
	void **array = items;
	void *grown;

	if ((n & (n - 1)) != 0) /* full only at powers of two */
		return 0;
	grown = fy_inf_alloc(inf, (n == 0 ? 1 : 2 * n) * item_size, err);
	if (grown == NULL)
		return -1;
	if (n > 0)
		memcpy(grown, *array, n * item_size);
	*array = grown;
	return 0;
}

void
fy_inf_free(struct fy_inf *inf)
{
	struct chunk *c, *next;

	if (inf == NULL)
		return;
	for (c = inf->chunks; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(inf);
}

/* --- text to lines --------------------------------------------------------- */

struct scan {
	struct fy_inf *inf;
	const char *at, *end;
	unsigned line;
	char *field; /* room for all that is left */
	size_t n;    /* characters in it */
	size_t firm; /* of these, not to be trimmed: up to the last that is
			quoted or no blank */
	bool any;    /* quotes were seen: "" is a field too */
	unsigned headers;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static bool
at_eol(const struct scan *s)
{
	return s->at >= s->end || *s->at == '\n' || *s->at == '\r' ||
	       *s->at == '\x1a';
}

static void
skip_to_eol(struct scan *s)
{
	while (!at_eol(s))
		s->at++;
}

/* Over the end of a line; false at the end of the text. */
static bool
next_line(struct scan *s)
{
	if (s->at >= s->end || *s->at == '\x1a') {
		s->at = s->end;
		return false;
	}
	if (*s->at == '\r' && s->at + 1 < s->end && s->at[1] == '\n')
		s->at++;
	s->at++;
	s->line++;
	return true;
}

/* A backslash is at 's->at': whether only blanks or a comment follow. */
static bool
joins_next(const struct scan *s)
{
	struct scan look = *s;

	look.at++;
	while (!at_eol(&look) && is_blank(*look.at))
		look.at++;
	return at_eol(&look) || *look.at == ';';
}

static void
put(struct scan *s, char c, bool firm)
{
	if (!firm && s->n == 0)
		return; /* blanks before the field */
	s->field[s->n++] = c;
	if (firm)
		s->firm = s->n;
}

/* Quoted text; 's->at' is behind the first quote. */
static void
scan_quoted(struct scan *s)
{
	s->any = true;
	while (!at_eol(s)) {
		if (*s->at != '"') {
			put(s, *s->at++, true);
		} else if (s->at + 1 < s->end && s->at[1] == '"') {
			put(s, '"', true);
			s->at += 2;
		} else {
			s->at++;
			return;
		}
	}
}

/* One field, up to a comma, an equals sign if 'key', or the end of the line;
 * '*ret_end' says which ('\n' for the last). */
static char *
scan_field(struct scan *s, bool key, char *ret_end, struct fy_error *err)
{
	char c;

	s->n = s->firm = 0;
	s->any = false;
	*ret_end = '\n';
	while (!at_eol(s)) {
		c = *s->at;
		if (c == ';') {
			skip_to_eol(s);
			break;
		}
		if (c == ',' || (key && c == '=')) {
			s->at++;
			*ret_end = c;
			break;
		}
		if (c == '\\' && joins_next(s)) {
			skip_to_eol(s);
			if (!next_line(s))
				break;
			continue;
		}
		s->at++;
		if (c == '"')
			scan_quoted(s);
		else
			put(s, c, !is_blank(c));
	}
	return fy_inf_strndup(s->inf, s->field, s->firm, err);
}

static struct fy_inf_section *
find_section(const struct fy_inf *inf, const char *name)
{
	size_t i;

	for (i = 0; i < inf->n_sections; i++)
		if (strcasecmp(inf->sections[i].name, name) == 0)
			return &inf->sections[i];
	return NULL;
}

/* "[name]"; 's->at' is behind the bracket. */
static int
scan_section(struct scan *s, struct fy_inf_section **ret, struct fy_error *err)
{
	struct fy_inf *inf = s->inf;
	const char *from = s->at, *to;
	char *name;

	while (!at_eol(s) && *s->at != ']')
		s->at++;
	if (at_eol(s))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "line %u: ']' is missing", s->line);
	to = s->at;
	skip_to_eol(s);
	while (from < to && is_blank(*from))
		from++;
	while (from < to && is_blank(to[-1]))
		to--;
	if (to - from >= 2 && *from == '"' && to[-1] == '"') {
		from++;
		to--;
	}
	name = fy_inf_strndup(inf, from, (size_t)(to - from), err);
	if (name == NULL)
		return -1;
	if (inf->n_sections == MAX_SECTIONS || s->headers++ == MAX_HEADERS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "line %u: too many sections", s->line);
	*ret = find_section(inf, name);
	if (*ret != NULL)
		return 0;
	if (fy_inf_grow(inf, &inf->sections, inf->n_sections,
			sizeof(*inf->sections), err) == -1)
		return -1;
	*ret = &inf->sections[inf->n_sections++];
	(*ret)->name = name;
	return 0;
}

static int
scan_line(struct scan *s, struct fy_inf_section *section, struct fy_error *err)
{
	struct fy_inf_line line = { 0 };
	bool first = true;
	char end = ',';
	char *field;

	while (end != '\n') {
		field = scan_field(s, first, &end, err);
		if (field == NULL)
			return -1;
		if (first && end == '=') {
			line.key = field;
			first = false;
			continue;
		}
		if (first && end == '\n' && *field == '\0' && !s->any)
			return 0; /* a blank line */
		first = false;
		if (fy_inf_grow(s->inf, &line.values, line.n,
				sizeof(*line.values), err) == -1)
			return -1;
		line.values[line.n++] = field;
	}
	if (section == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "line %u: no INF file: text before the "
				    "first section",
				    s->line);
	if (fy_inf_grow(s->inf, &section->lines, section->n,
			sizeof(*section->lines), err) == -1)
		return -1;
	section->lines[section->n++] = line;
	return 0;
}

static int
scan_text(struct scan *s, struct fy_error *err)
{
	struct fy_inf_section *section = NULL;

	do {
		while (!at_eol(s) && is_blank(*s->at))
			s->at++;
		if (!at_eol(s) && *s->at == '[') {
			s->at++;
			if (scan_section(s, &section, err) == -1)
				return -1;
		} else if (scan_line(s, section, err) == -1) {
			return -1;
		}
	} while (next_line(s));
	return 0;
}

/* --- strings --------------------------------------------------------------- */

static int
compare_strings(const void *pa, const void *pb)
{
	const struct string *a = pa, *b = pb;
	int r = strcasecmp(a->name, b->name);

	if (r != 0)
		return r;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static int
compare_names(const void *pa, const void *pb)
{
	const struct string *a = pa, *b = pb;

	return strcasecmp(a->name, b->name);
}

static int
collect_strings(struct fy_inf *inf, const struct fy_inf_section *s,
		unsigned rank, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->lines[i].key == NULL)
			continue;
		if (fy_inf_grow(inf, &inf->strings, inf->n_strings,
				sizeof(*inf->strings), err) == -1)
			return -1;
		inf->strings[inf->n_strings] = (struct string){
			.name = s->lines[i].key,
			.value = fy_inf_field(&s->lines[i], 0),
			.rank = rank,
			.order = inf->n_strings,
		};
		inf->n_strings++;
	}
	return 0;
}

/* [Strings] and [Strings.LANGUAGE], sorted, the best one of each name. */
static int
find_strings(struct fy_inf *inf, struct fy_error *err)
{
	size_t i, n = 0;

	for (i = 0; i < inf->n_sections; i++) {
		const char *name = inf->sections[i].name;
		unsigned rank = 0;

		if (strcasecmp(name, "strings") == 0)
			rank = 2;
		else if (strcasecmp(name, "strings.0409") == 0)
			rank = 1;
		else if (strncasecmp(name, "strings.", 8) == 0)
			rank = 3;
		if (rank != 0 &&
		    collect_strings(inf, &inf->sections[i], rank, err) == -1)
			return -1;
	}
	if (inf->n_strings == 0)
		return 0;
	fy_sort(inf->strings, inf->n_strings, sizeof(*inf->strings),
		compare_strings);
	for (i = 0; i < inf->n_strings; i++)
		if (n == 0 ||
		    compare_names(&inf->strings[i], &inf->strings[n - 1]) != 0)
			inf->strings[n++] = inf->strings[i];
	inf->n_strings = n;
	return 0;
}

static const char *
look_up(const struct fy_inf *inf, const char *name)
{
	struct string key = { .name = name };
	const struct string *found = NULL;

	if (inf->n_strings > 0)
		found = bsearch(&key, inf->strings, inf->n_strings, sizeof(key),
				compare_names);
	return found == NULL ? NULL : found->value;
}

/* A run of the text in which a name stands: what it becomes, of '*ret_len',
 * and how long the run is. */
static const char *
piece(struct fy_inf *inf, const char *s, size_t *ret_run, size_t *ret_len,
      struct fy_error *err)
{
	const char *end, *value;
	char *name;

	if (*s != '%') {
		*ret_run = *ret_len = strcspn(s, "%");
		return s;
	}
	end = strchr(s + 1, '%');
	*ret_run = *ret_len = end == NULL ? strlen(s) : (size_t)(end - s) + 1;
	if (end == NULL)
		return s;
	if (end == s + 1) {
		*ret_len = 1;
		return s;
	}
	name = fy_inf_strndup(inf, s + 1, (size_t)(end - s) - 1, err);
	if (name == NULL)
		return NULL;
	value = look_up(inf, name);
	if (value == NULL)
		return s;
	*ret_len = strlen(value);
	return value;
}

static int
expand(struct fy_inf *inf, const char **field, struct fy_error *err)
{
	const char *s, *p;
	size_t run, len, total = 0;
	char *to;

	if (*field == NULL || strchr(*field, '%') == NULL)
		return 0;
	for (s = *field; *s != '\0'; s += run) {
		p = piece(inf, s, &run, &len, err);
		if (p == NULL)
			return -1;
		total += len;
	}
	to = fy_inf_alloc(inf, total + 1, err);
	if (to == NULL)
		return -1;
	total = 0;
	for (s = *field; *s != '\0'; s += run) {
		p = piece(inf, s, &run, &len, err);
		if (p == NULL)
			return -1;
		memcpy(to + total, p, len);
		total += len;
	}
	*field = to;
	return 0;
}

static int
expand_all(struct fy_inf *inf, struct fy_error *err)
{
	size_t i, j, k;

	for (i = 0; i < inf->n_sections; i++) {
		struct fy_inf_section *s = &inf->sections[i];

		if (strncasecmp(s->name, "strings", 7) == 0)
			continue;
		if (expand(inf, &s->name, err) == -1)
			return -1;
		for (j = 0; j < s->n; j++) {
			if (expand(inf, &s->lines[j].key, err) == -1)
				return -1;
			for (k = 0; k < s->lines[j].n; k++)
				if (expand(inf, &s->lines[j].values[k], err) ==
				    -1)
					return -1;
		}
	}
	return 0;
}

int
fy_inf_parse(const void *data, size_t len, struct fy_inf **ret,
	     struct fy_error *err)
{
	fy_autoinf struct fy_inf *inf = calloc(1, sizeof(*inf));
	fy_autofree char *text = NULL;
	fy_autofree char *field = NULL;
	struct scan scan = { .line = 1 };
	size_t text_len;

	if (inf == NULL)
		return fy_error_nomem(err);
	if (len > FY_INF_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "an INF file of more than %u MiB",
				    FY_INF_MAX >> 20);
	if (fy_inf_decode(data, len, &text, &text_len, err) == -1)
		return -1;
	field = malloc(text_len + 1);
	if (field == NULL)
		return fy_error_nomem(err);
	scan.inf = inf;
	scan.at = text;
	scan.end = text + text_len;
	scan.field = field;
	if (scan_text(&scan, err) == -1 || find_strings(inf, err) == -1 ||
	    expand_all(inf, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&inf);
	return 0;
}

/* --- asking ---------------------------------------------------------------- */

const struct fy_inf_section *
fy_inf_section(const struct fy_inf *inf, const char *name)
{
	return find_section(inf, name);
}

const struct fy_inf_line *
fy_inf_next(const struct fy_inf_section *s, const char *key, size_t *at)
{
	const struct fy_inf_line *line;

	while (s != NULL && *at < s->n) {
		line = &s->lines[(*at)++];
		if (line->key != NULL && strcasecmp(line->key, key) == 0)
			return line;
	}
	return NULL;
}

const char *
fy_inf_value(const struct fy_inf *inf, const char *section, const char *key)
{
	size_t at = 0;
	const struct fy_inf_line *line =
		fy_inf_next(find_section(inf, section), key, &at);

	return line == NULL ? NULL : fy_inf_field(line, 0);
}

const char *
fy_inf_field(const struct fy_inf_line *line, size_t i)
{
	return i < line->n ? line->values[i] : "";
}

bool
fy_inf_number(const char *s, uint32_t *ret)
{
	unsigned long v;
	char *end = NULL;
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');

	if (*s < '0' || *s > '9')
		return false;
	v = strtoul(s, &end, hex ? 16 : 10);
	if (*end != '\0' || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}
