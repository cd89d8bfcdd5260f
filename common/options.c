/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options table: parser and setters.  Help, completion and the program's
 * main are in program.c.
 */
#include "common/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"

int
fy_strings_add(struct fy_strings *s, const char *text, struct fy_error *err)
{
	char **grown = realloc(s->items, (s->n + 2) * sizeof(*grown));

	if (grown == NULL)
		return fy_error_nomem(err);
	s->items = grown;
	s->items[s->n] = strdup(text);
	if (s->items[s->n] == NULL)
		return fy_error_nomem(err);
	s->items[++s->n] = NULL;
	return 0;
}

void
fy_strings_release(struct fy_strings *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->items[i]);
	free(s->items);
	memset(s, 0, sizeof(*s));
}

/* --- values ---------------------------------------------------------------- */

static int
parse_number(const char *text, uint64_t *ret, const char **rest)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	*rest = end;
	return errno != 0 ? -1 : 0;
}

/* "K", "KiB", "M" ... to a shift; -1 when it is none. */
static int
unit_shift(const char *unit)
{
	static const char letters[] = "KMGTPE";
	const char *at;

	if (unit[0] == '\0' || fy_streq(unit, "B"))
		return 0;
	at = strchr(letters, unit[0] >= 'a' ? unit[0] - 32 : unit[0]);
	if (at == NULL || *at == '\0')
		return -1;
	if (unit[1] != '\0' && !fy_streq(unit + 1, "B") &&
	    !fy_streq(unit + 1, "iB"))
		return -1;
	return (int)(at - letters + 1) * 10;
}

int
fy_parse_size(const char *text, uint64_t *ret, struct fy_error *err)
{
	uint64_t whole, fraction = 0, scale = 1, factor;
	const char *rest;
	int shift;

	if (parse_number(text, &whole, &rest) == -1)
		goto bad;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
			if (scale >= 1000000)
				goto bad;
			fraction = fraction * 10 + (uint64_t)(*rest - '0');
			scale *= 10;
		}
		if (scale == 1)
			goto bad;
	}
	shift = unit_shift(rest);
	if (shift < 0 || (shift == 0 && scale > 1))
		goto bad;
	factor = UINT64_C(1) << shift;
	if (!fy_mul_u64(whole, factor, &whole))
		goto bad;
	/* factor / scale loses nothing that a size needs. */
	if (!fy_add_u64(whole,
			(uint64_t)((__uint128_t)fraction * factor / scale),
			ret))
		goto bad;
	return 0;
bad:
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%s' is not a size (examples: 4096, 64K, 1.5G)",
			    text);
}

void
fy_format_bytes(uint64_t bytes, char *ret, size_t ret_size)
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB",
					     "TB",    "PB", "EB" };
	double v = (double)bytes;
	unsigned u = 0;

	while (v >= 999.5 && u < 6) {
		v /= 1000;
		u++;
	}
	if (u == 0)
		snprintf(ret, ret_size, "%llu bytes",
			 (unsigned long long)bytes);
	else
		snprintf(ret, ret_size, v < 9.995 ? "%.2f %s" : "%.1f %s", v,
			 units[u]);
}

static int
check_range(const struct fy_option *o, uint64_t v, struct fy_error *err)
{
	if (v >= o->min && (o->max == 0 || v <= o->max))
		return 0;
	if (o->max == 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--%s must be at least %llu", o->name,
				    (unsigned long long)o->min);
	return fy_error_set(err, FY_E_USAGE, 0,
			    "--%s must be between %llu and %llu", o->name,
			    (unsigned long long)o->min,
			    (unsigned long long)o->max);
}

static int
set_choice(const struct fy_option *o, const char *value, int *ret,
	   struct fy_error *err)
{
	char list[256] = "";
	size_t used = 0;
	int i;

	for (i = 0; o->choices[i] != NULL; i++) {
		if (fy_streq(o->choices[i], value)) {
			*ret = i;
			return 0;
		}
		if (used < sizeof(list))
			used += (size_t)snprintf(
				list + used, sizeof(list) - used, "%s%s",
				i > 0 ? ", " : "", o->choices[i]);
	}
	return fy_error_set(err, FY_E_USAGE, 0,
			    "--%s can't be '%s'; it takes one of: %s", o->name,
			    value, list);
}

static int
add_list(const struct fy_option *o, const char *value, struct fy_strings *to,
	 struct fy_error *err)
{
	fy_autofree char *copy = NULL;
	char *item, *next;

	if (!o->split)
		return fy_strings_add(to, value, err);
	copy = strdup(value);
	if (copy == NULL)
		return fy_error_nomem(err);
	for (item = copy; item != NULL; item = next) {
		next = strchr(item, ',');
		if (next != NULL)
			*next++ = '\0';
		if (item[0] == '\0')
			return fy_error_set(err, FY_E_USAGE, 0,
					    "--%s has an empty item in '%s'",
					    o->name, value);
		if (fy_strings_add(to, item, err) == -1)
			return -1;
	}
	return 0;
}

/* 'value' is NULL only for flags. */
static int
set_value(const struct fy_option *o, void *options, const char *value,
	  bool flag, struct fy_error *err)
{
	void *member = (char *)options + o->offset;
	const char *rest;
	uint64_t v;
	char *copy;

	switch (o->type) {
	case FY_OPT_FLAG:
		*(bool *)member = flag;
		return 0;
	case FY_OPT_STRING:
		copy = strdup(value);
		if (copy == NULL)
			return fy_error_nomem(err);
		free(*(char **)member);
		*(char **)member = copy;
		return 0;
	case FY_OPT_LIST:
		return add_list(o, value, member, err);
	case FY_OPT_NUMBER:
		if (parse_number(value, &v, &rest) == -1 || *rest != '\0')
			return fy_error_set(err, FY_E_USAGE, 0,
					    "--%s: '%s' is not a whole number",
					    o->name, value);
		if (check_range(o, v, err) == -1)
			return -1;
		*(uint64_t *)member = v;
		return 0;
	case FY_OPT_SIZE:
		if (fy_parse_size(value, &v, err) == -1)
			return fy_error_prefix(err, "--%s", o->name);
		if (check_range(o, v, err) == -1)
			return -1;
		*(uint64_t *)member = v;
		return 0;
	case FY_OPT_CHOICE:
		return set_choice(o, value, member, err);
	}
	return fy_error_set(err, FY_E_USAGE, 0, "--%s", o->name);
}

/* --- looking up -------------------------------------------------------------- */

static bool
name_is(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && strncmp(name, text, len) == 0;
}

static const struct fy_option *
find_in(const struct fy_option *table, const char *name, size_t len, bool *no)
{
	const struct fy_option *o;

	for (o = table; o != NULL && o->name != NULL; o++) {
		if (name_is(o->name, name, len)) {
			*no = false;
			return o;
		}
		if (o->type == FY_OPT_FLAG && o->negatable && len > 3 &&
		    strncmp(name, "no-", 3) == 0 &&
		    name_is(o->name, name + 3, len - 3)) {
			*no = true;
			return o;
		}
	}
	return NULL;
}

static const struct fy_option *
find_long(const struct fy_command *c, const char *name, size_t len, bool *no)
{
	const struct fy_option *o = find_in(c->options, name, len, no);

	return o != NULL ? o : find_in(c->common, name, len, no);
}

const struct fy_option *
fy_options_find(const struct fy_command *command, const char *name)
{
	bool no;

	return find_long(command, name, strlen(name), &no);
}

static const struct fy_option *
find_letter(const struct fy_command *c, char letter)
{
	const struct fy_option *tables[2] = { c->options, c->common };
	const struct fy_option *o;
	int i;

	for (i = 0; i < 2; i++)
		for (o = tables[i]; o != NULL && o->name != NULL; o++)
			if (o->letter == letter)
				return o;
	return NULL;
}

int
fy_options_set(const struct fy_command *command, void *options,
	       const char *name, const char *value, struct fy_error *err)
{
	const struct fy_option *o;
	bool no;

	o = find_long(command, name, strlen(name), &no);
	if (o == NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "there is no option '%s'", name);
	if (o->type == FY_OPT_FLAG) {
		if (value != NULL)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "'%s' takes no value", name);
		return set_value(o, options, NULL, !no, err);
	}
	if (value == NULL)
		value = o->implied;
	if (value == NULL)
		return fy_error_set(err, FY_E_USAGE, 0, "'%s' needs a value",
				    name);
	return set_value(o, options, value, false, err);
}

/* --- the parser -------------------------------------------------------------- */

struct parser {
	const struct fy_command *command;
	void *options;
	int argc, at;
	char *const *argv;
};

static int
parse_long(struct parser *p, const char *word, struct fy_error *err)
{
	const char *equals = strchr(word, '=');
	size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
	const char *value = equals != NULL ? equals + 1 : NULL;
	const struct fy_option *o;
	bool no;

	o = find_long(p->command, word, len, &no);
	if (o == NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "unknown option '--%.*s'", (int)len, word);
	if (o->type == FY_OPT_FLAG) {
		if (value != NULL)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "--%s takes no value", o->name);
		return set_value(o, p->options, NULL, !no, err);
	}
	if (value == NULL)
		value = o->implied;
	if (value == NULL && p->at < p->argc)
		value = p->argv[p->at++];
	if (value == NULL)
		return fy_error_set(err, FY_E_USAGE, 0, "--%s needs %s",
				    o->name,
				    o->value != NULL ? o->value : "a value");
	return set_value(o, p->options, value, false, err);
}

static int
parse_letters(struct parser *p, const char *word, struct fy_error *err)
{
	const struct fy_option *o;
	const char *value;

	for (; *word != '\0'; word++) {
		o = find_letter(p->command, *word);
		if (o == NULL)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "unknown option '-%c'", *word);
		if (o->type == FY_OPT_FLAG) {
			if (set_value(o, p->options, NULL, true, err) == -1)
				return -1;
			continue;
		}
		value = word[1] != '\0' ? word + 1 : NULL;
		if (value == NULL && p->at < p->argc)
			value = p->argv[p->at++];
		if (value == NULL)
			return fy_error_set(
				err, FY_E_USAGE, 0, "-%c needs %s", *word,
				o->value != NULL ? o->value : "a value");
		return set_value(o, p->options, value, false, err);
	}
	return 0;
}

int
fy_options_parse(const struct fy_command *command, int argc, char *const *argv,
		 void *options, struct fy_strings *arguments,
		 struct fy_error *err)
{
	struct parser p = { command, options, argc, 0, argv };
	bool only_arguments = false;
	const char *word;
	int r;

	while (p.at < argc) {
		word = argv[p.at++];
		if (only_arguments || word[0] != '-' || word[1] == '\0')
			r = fy_strings_add(arguments, word, err);
		else if (fy_streq(word, "--")) {
			only_arguments = true;
			r = 0;
		} else if (word[1] == '-')
			r = parse_long(&p, word + 2, err);
		else
			r = parse_letters(&p, word + 1, err);
		if (r == -1)
			return -1;
	}
	if (arguments->n < command->min_arguments)
		return fy_error_set(err, FY_E_USAGE, 0, "%s is missing",
				    command->arguments);
	if (arguments->n > command->max_arguments)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is one argument too many",
				    arguments->items[command->max_arguments]);
	return 0;
}

void
fy_options_release(const struct fy_option *table, void *options)
{
	const struct fy_option *o;

	for (o = table; o != NULL && o->name != NULL; o++) {
		void *member = (char *)options + o->offset;

		if (o->type == FY_OPT_STRING) {
			free(*(char **)member);
			*(char **)member = NULL;
		} else if (o->type == FY_OPT_LIST) {
			fy_strings_release(member);
		}
	}
}
