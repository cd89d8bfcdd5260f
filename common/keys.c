/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Options from a kernel command line or from lines of a file.
 *
 * The words are cut as next_arg() of the kernel's lib/cmdline.c describes it:
 * a quote anywhere in a word keeps spaces in; only a quote that begins the
 * word, or the value, is taken away, together with the one at the end.
 */
#include "common/keys.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"

#define MAX_PROBLEMS 20u
#define MAX_KEY	     64u
#define MAX_LISTS    64u

/* --- words ----------------------------------------------------------------- */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' ||
	       c == '\f';
}

/* The word from 'text' on, of 'len' characters, without its quotes. */
static int
add_word(const char *text, size_t len, struct fy_strings *ret,
	 struct fy_error *err)
{
	bool quoted = text[0] == '"', ends = len > 1 && text[len - 1] == '"';
	fy_autofree char *word = NULL;
	char *value;
	size_t n;

	if (quoted) {
		text++;
		len -= ends ? 2 : 1;
		ends = false;
	}
	word = strndup(text, len);
	if (word == NULL)
		return fy_error_nomem(err);
	value = strchr(word, '=');
	if (value != NULL && value[1] == '"') {
		n = strlen(value + 2);
		memmove(value + 1, value + 2, n + 1);
		if (ends && n > 0 && value[n] == '"')
			value[n] = '\0';
	}
	return fy_strings_add(ret, word, err);
}

int
fy_keys_words(const char *text, struct fy_strings *ret, struct fy_error *err)
{
	bool in_quotes;
	size_t len;

	for (;;) {
		while (is_space(*text))
			text++;
		if (*text == '\0')
			return 0;
		in_quotes = false;
		for (len = 0; text[len] != '\0'; len++) {
			if (is_space(text[len]) && !in_quotes)
				break;
			if (text[len] == '"')
				in_quotes = !in_quotes;
		}
		if (add_word(text, len, ret, err) == -1)
			return -1;
		text += len;
	}
}

/* --- one key --------------------------------------------------------------- */

struct source {
	const struct fy_keys *keys;
	const char *where;
	void *options;
	struct fy_strings *problems;
	/* Lists that this text has begun. */
	const struct fy_option *begun[MAX_LISTS];
	size_t n_begun;
};

static int
add_problem(struct source *s, const char *key, const char *why,
	    struct fy_error *err)
{
	fy_autofree char *text = NULL;

	if (s->problems->n >= MAX_PROBLEMS)
		return 0;
	text = fy_format(err, "%s: %s%s: %s", s->where, s->keys->prefix, key,
			 why);
	return text == NULL ? -1 : fy_strings_add(s->problems, text, err);
}

static const struct fy_option *
find_option(const struct fy_keys *keys, const char *name,
	    const struct fy_command **ret)
{
	const struct fy_command *const *c;
	const struct fy_option *o;

	for (c = keys->commands; *c != NULL; c++) {
		o = fy_options_find(*c, name);
		if (o != NULL) {
			*ret = *c;
			return o;
		}
	}
	return NULL;
}

/* A flag's value: 1, 0, or -1 for what is neither. */
static int
truth(const char *value)
{
	static const char *const words[] = { "0",     "1",    "no",  "yes",
					     "false", "true", "off", "on" };
	size_t i;

	if (value == NULL)
		return 1;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(value, words[i]) == 0)
			return (int)(i % 2);
	return -1;
}

/* What an earlier text put into the list gives way. */
static void
begin_list(struct source *s, const struct fy_option *o)
{
	size_t i;

	for (i = 0; i < s->n_begun; i++)
		if (s->begun[i] == o)
			return;
	if (s->n_begun < MAX_LISTS)
		s->begun[s->n_begun++] = o;
	fy_strings_release(
		(struct fy_strings *)((char *)s->options + o->offset));
}

static int
set_flag(struct source *s, const struct fy_option *o, const char *name,
	 const char *value, struct fy_error *err)
{
	int yes = truth(value);
	bool *member = (bool *)((char *)s->options + o->offset);

	if (yes == -1)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.60s' is neither yes nor no", value);
	/* "no-X" of a negatable X. */
	*member = strcmp(o->name, name) == 0 ? yes == 1 : yes == 0;
	return 0;
}

/* Each of "a,b,c". */
static int
set_split(struct source *s, const struct fy_command *c, const char *name,
	  const char *value, struct fy_error *err)
{
	fy_autofree char *copy = strdup(value);
	char *item, *next;

	if (copy == NULL)
		return fy_error_nomem(err);
	for (item = copy; item != NULL; item = next) {
		next = strchr(item, ',');
		if (next != NULL)
			*next++ = '\0';
		if (item[0] == '\0')
			return fy_error_set(err, FY_E_USAGE, 0,
					    "an empty item in '%.100s'", value);
		if (fy_options_set(c, s->options, name, item, err) == -1)
			return -1;
	}
	return 0;
}

static int
set_key(struct source *s, const char *name, const char *value, bool split,
	struct fy_error *err)
{
	const struct fy_command *c = NULL;
	const struct fy_option *o = find_option(s->keys, name, &c);

	if (o == NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "there is no such key; see the section "
				    "LIVE SYSTEM of p2v-client(1)");
	if (o->type == FY_OPT_FLAG)
		return set_flag(s, o, name, value, err);
	if (value != NULL && value[0] == '\0')
		return fy_error_set(err, FY_E_USAGE, 0, "its value is empty");
	if (o->type == FY_OPT_LIST)
		begin_list(s, o);
	if (split && value != NULL && o->type == FY_OPT_LIST)
		return set_split(s, c, name, value, err);
	return fy_options_set(c, s->options, name, value, err);
}

static const struct fy_key_alias *
find_alias(const struct fy_keys *keys, const char *name)
{
	const struct fy_key_alias *a;

	for (a = keys->aliases; a != NULL && a->key != NULL; a++)
		if (strcmp(a->key, name) == 0)
			return a;
	return NULL;
}

/* 'key' is NAME or NAME=VALUE, without the prefix. */
static int
take_key(struct source *s, const char *key, struct fy_error *err)
{
	size_t i, len = strcspn(key, "=");
	const char *value = key[len] == '=' ? key + len + 1 : NULL;
	const struct fy_key_alias *alias;
	struct fy_error why = { .code = FY_E_NONE };
	char name[MAX_KEY];
	int r;

	snprintf(name, sizeof(name), "%.*s", (int)(len < MAX_KEY ? len : 60),
		 key);
	for (i = 0; name[i] != '\0'; i++) {
		if (name[i] == '_')
			name[i] = '-';
		if ((unsigned char)name[i] < 0x20)
			name[i] = '?';
	}
	alias = find_alias(s->keys, name);
	if (alias != NULL && alias->option == NULL)
		r = fy_error_set(&why, FY_E_USAGE, 0, "%s", alias->instead);
	else
		r = set_key(s, alias != NULL ? alias->option : name, value,
			    alias != NULL && alias->split, &why);
	if (r == 0)
		return 0;
	if (why.code == FY_E_NOMEM)
		return fy_error_nomem(err);
	return add_problem(s, name, why.msg, err);
}

/* --- texts ----------------------------------------------------------------- */

int
fy_keys_from_command_line(const struct fy_keys *keys, const char *where,
			  const char *text, void *options,
			  struct fy_strings *problems, struct fy_error *err)
{
	struct source s = { .keys = keys,
			    .where = where,
			    .options = options,
			    .problems = problems };
	struct fy_strings words = { 0 };
	size_t i, len = strlen(keys->prefix);
	int r;

	r = fy_keys_words(text, &words, err);
	for (i = 0; r == 0 && i < words.n; i++)
		if (strncmp(words.items[i], keys->prefix, len) == 0)
			r = take_key(&s, words.items[i] + len, err);
	fy_strings_release(&words);
	return r;
}

/* Without spaces around it. */
static char *
trim(char *line)
{
	size_t len;

	while (is_space(*line))
		line++;
	len = strlen(line);
	while (len > 0 && is_space(line[len - 1]))
		line[--len] = '\0';
	return line;
}

/* "NAME = "VALUE"" to "NAME=VALUE", in place. */
static void
tidy_line(char *line)
{
	char *equals = strchr(line, '='), *end, *value;
	size_t len;

	if (equals == NULL)
		return;
	for (end = equals; end > line && is_space(end[-1]); end--)
		;
	value = trim(equals + 1);
	len = strlen(value);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		value++;
	}
	*end = '=';
	memmove(end + 1, value, strlen(value) + 1);
}

static int
take_line(struct source *s, char *line, struct fy_error *err)
{
	size_t len = strlen(s->keys->prefix);

	line = trim(line);
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	tidy_line(line);
	if (strncmp(line, s->keys->prefix, len) == 0)
		line += len;
	return take_key(s, line, err);
}

int
fy_keys_from_lines(const struct fy_keys *keys, const char *where,
		   const char *text, void *options, struct fy_strings *problems,
		   struct fy_error *err)
{
	struct source s = { .keys = keys,
			    .where = where,
			    .options = options,
			    .problems = problems };
	fy_autofree char *copy = strdup(text);
	char *line, *rest = NULL;

	if (copy == NULL)
		return fy_error_nomem(err);
	for (line = strtok_r(copy, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		if (take_line(&s, line, err) == -1)
			return -1;
	return 0;
}
