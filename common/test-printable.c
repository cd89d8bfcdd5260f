/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is shown of foreign bytes, alone, in errors, in the log and as JSON.
 */
#include "common/printable.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/test.h"

static void
shows(const char *is, const char *want)
{
	char s[200];

	snprintf(s, sizeof(s), "%s", is);
	fy_make_printable(s);
	if (strcmp(s, want) != 0)
		fprintf(stderr, "'%s', not '%s'\n", s, want);
	CHECK(strcmp(s, want) == 0);
}

static void
test_text(void)
{
	shows("", "");
	shows("plain ~", "plain ~");
	shows("Gr\xc3\xb6\xc3\x9f"
	      "e \xe2\x82\xac \xf0\x9f\x90\xa7",
	      "Gr\xc3\xb6\xc3\x9f"
	      "e \xe2\x82\xac \xf0\x9f\x90\xa7");
	shows("a\nb\tc", "a b c");
	shows("\x1b[31m\r\x7f\x01", "?[31m???");
	shows("\xc2\x9b"
	      "2J\xc2\xa0",
	      "??2J\xc2\xa0");
	shows("\xe2\x80\xae"
	      "x\xe2\x81\xa6\xe2\x80\xa8",
	      "???x??????");
	/* Bytes alone, too long, surrogates, too large, cut. */
	shows("\xff\x80\xc0\x80\xc1\xbf", "??????");
	shows("\xed\xa0\x80\xf4\x90\x80\x80", "???????");
	shows("\xe0\x80\x80\xe2\x82", "?????");
	shows("\xf5\x80\x80\x80", "????");
}

static char seen[2048];

static void
sink(void *ctx, enum fy_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	snprintf(seen, sizeof(seen), "%s", line);
}

static void
test_messages(void)
{
	struct fy_error err = { 0 };
	struct fy_log *log = fy_log_new(FY_LOG_WARN, sink, NULL, &err);
	char longest[600];
	size_t i;

	CHECK_OK(log != NULL ? 0 : -1, &err);
	fy_log_warn(log, "%s", "a\x1b\nb\xff");
	CHECK(strcmp(seen, "a? b?") == 0);
	fy_log_free(log);
	fy_error_set(&err, FY_E_IO, 0, "'%s'", "\x1b]0;x\x07");
	fy_error_prefix(&err, "%s", "\xc2\x9b");
	CHECK(strcmp(err.msg, "??: '?]0;x?'") == 0);
	/* A message that is cut stays UTF-8. */
	fy_error_clear(&err);
	for (i = 0; i + 2 < sizeof(longest); i += 2)
		memcpy(longest + i, "\xc3\xb6", 3);
	fy_error_set(&err, FY_E_IO, 0, "%s", longest);
	CHECK(strlen(err.msg) == sizeof(err.msg) - 1);
	CHECK(err.msg[sizeof(err.msg) - 2] == '?');
}

static void
test_json(void)
{
	struct fy_error err = { 0 };
	json_t *j = json_pack("{s:[s,s]}", "a", "\x1b\x7f\xc2\x9b\xc3\xb6",
			      "\xe2\x80\xae\n");
	json_t *back;
	char *text = fy_json_text(j, 0, &err);

	CHECK(text != NULL &&
	      strcmp(text, "{\"a\":[\"\\u001B\\u007F\\u009B\xc3\xb6\","
			   "\"\\u202E\\n\"]}") == 0);
	back = json_loads(text, 0, NULL);
	CHECK(back != NULL && json_equal(back, j));
	CHECK_OK(fy_json_make_printable(back, &err), &err);
	CHECK(strcmp(json_string_value(
			     json_array_get(json_object_get(back, "a"), 0)),
		     "????\xc3\xb6") == 0);
	free(text);
	json_decref(back);
	json_decref(j);
}

int
main(void)
{
	test_text();
	test_messages();
	test_json();
	return 0;
}
