/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys: the kernel's quotes, flags, aliases, what is refused, precedence. */
#include <stddef.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/keys.h"
#include "common/test.h"

struct opts {
	bool verify, inject;
	char *name, *post;
	struct fy_strings disks;
	uint64_t vcpus;
	int then;
};

static const char *const thens[] = { "shell", "poweroff", NULL };
#define AT(m) .offset = offsetof(struct opts, m)
static const struct fy_option table[] = {
	{ .name = "verify", .type = FY_OPT_FLAG, AT(verify) },
	{ .name = "inject",
	  .type = FY_OPT_FLAG,
	  AT(inject),
	  .negatable = true },
	{ .name = "name", .type = FY_OPT_STRING, AT(name) },
	{ .name = "post-run", .type = FY_OPT_STRING, AT(post) },
	{ .name = "disk", .type = FY_OPT_LIST, AT(disks) },
	{ .name = "vcpus",
	  .type = FY_OPT_NUMBER,
	  AT(vcpus),
	  .min = 1,
	  .max = 64 },
	{ .name = "then", .type = FY_OPT_CHOICE, AT(then), .choices = thens },
	{ .name = NULL },
};
static const struct fy_command command = { .name = "", .options = table };
static const struct fy_command *const commands[] = { &command, NULL };
static const struct fy_key_alias aliases[] = {
	{ .key = "disks", .option = "disk", .split = true },
	{ .key = "guestname", .option = "name" },
	{ .key = "auth.sudo", .instead = "not needed" },
	{ .key = NULL },
};
static const struct fy_keys keys = { "p2v.", commands, aliases };

static struct opts o;
static struct fy_strings problems;

static void
reset(void)
{
	fy_options_release(table, &o);
	fy_strings_release(&problems);
	memset(&o, 0, sizeof(o));
}

static void
line(const char *text)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_keys_from_command_line(&keys, "line", text, &o, &problems,
					   &err),
		 &err);
}

static void
file(const char *text)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_keys_from_lines(&keys, "file", text, &o, &problems, &err),
		 &err);
}

static void
words_are(const char *text, size_t n, const char *first, const char *last)
{
	struct fy_strings w = { 0 };
	struct fy_error err = { 0 };

	CHECK_OK(fy_keys_words(text, &w, &err), &err);
	CHECK(w.n == n);
	if (n > 0 && w.n == n) {
		CHECK_STR(w.items[0], first);
		CHECK_STR(w.items[n - 1], last);
	}
	fy_strings_release(&w);
}

static void
words(void)
{
	words_are("", 0, "", "");
	words_are("  \n ", 0, "", "");
	words_are("quiet a=b\n", 2, "quiet", "a=b");
	/* quotes around the value, around the word, in the middle */
	words_are("a=\"b c\" d", 2, "a=b c", "d");
	words_are("\"a=b c\" d", 2, "a=b c", "d");
	words_are("a=b\"c d\"e f", 2, "a=b\"c d\"e", "f");
	words_are("\"a=\"b c\"\"", 2, "a=b", "c\"\"");
	words_are("x=\"", 1, "x=", "x=");
	words_are("\"", 1, "", "");
	words_are("x=\"never ends", 1, "x=never ends", "x=never ends");
	words_are("a=\"\" b", 2, "a=", "b");
}

static void
values(void)
{
	line("root=/dev/sda1 p2v.name=web01 quiet p2v.disk=/dev/sda "
	     "p2v.disk=/dev/sdb p2v.verify p2v.no-inject p2v.vcpus=4 "
	     "p2v.then=poweroff p2v.post_run=\"echo a; echo b\" xp2v.name=no");
	CHECK(problems.n == 0);
	CHECK_STR(o.name, "web01");
	CHECK(o.disks.n == 2);
	CHECK(o.verify && !o.inject && o.vcpus == 4 && o.then == 1);
	CHECK_STR(o.post, "echo a; echo b");
	line("p2v.verify=no p2v.inject=1");
	CHECK(!o.verify && o.inject);
	line("p2v.verify=on p2v.inject=false");
	CHECK(o.verify && !o.inject);
	line("p2v.verify=0 p2v.no-inject=0");
	CHECK(!o.verify && o.inject && problems.n == 0);
	reset();
}

static void
other_names(void)
{
	line("p2v.disks=sda,sdb,sdc p2v.guestname=a");
	CHECK(problems.n == 0 && o.disks.n == 3);
	CHECK_STR(o.disks.items[2], "sdc");
	CHECK_STR(o.name, "a");
	reset();
}

static void
wrong(void)
{
	size_t i;
	static const struct {
		const char *text, *says;
	} all[] = {
		{ "p2v.auth.sudo=1", "line: p2v.auth.sudo: not needed" },
		{ "p2v.foo", "p2v.foo: there is no such key" },
		{ "p2v.", "p2v.: there is no such key" },
		{ "p2v.name", "needs a value" },
		{ "p2v.name=", "its value is empty" },
		{ "p2v.vcpus=many", "not a whole number" },
		{ "p2v.vcpus=65", "between 1 and 64" },
		{ "p2v.then=sleep", "shell, poweroff" },
		{ "p2v.verify=perhaps", "neither yes nor no" },
		{ "p2v.disks=a,,b", "empty item" },
	};

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		line(all[i].text);
		CHECK(problems.n == 1);
		if (problems.n == 1 &&
		    strstr(problems.items[0], all[i].says) == NULL)
			CHECK_STR(problems.items[0], all[i].says);
		reset();
	}
	/* What is wrong doesn't hide the rest. */
	line("p2v.foo p2v.name=a p2v.bar p2v.vcpus=2");
	CHECK(problems.n == 2 && o.vcpus == 2);
	CHECK_STR(o.name, "a");
	reset();
	for (i = 0; i < 30; i++)
		line("p2v.foo");
	CHECK(problems.n == 20);
	reset();
}

static void
lines(void)
{
	file("# a comment\n\n p2v.name = \"two words\" \r\nverify\n"
	     "disk=/dev/sda\ndisk=/dev/sdb\n\tpost-run=a \"b\" c=d\n");
	CHECK(problems.n == 0);
	CHECK_STR(o.name, "two words");
	CHECK_STR(o.post, "a \"b\" c=d");
	CHECK(o.verify && o.disks.n == 2);
	/* the later text wins, its list is the list */
	line("p2v.name=b p2v.disk=/dev/vda p2v.disk=/dev/vdb p2v.disk=/c");
	CHECK_STR(o.name, "b");
	CHECK(o.disks.n == 3 && o.verify);
	CHECK_STR(o.disks.items[0], "/dev/vda");
	/* twice the same changes nothing */
	line("p2v.name=b p2v.disk=/dev/vda p2v.disk=/dev/vdb p2v.disk=/c");
	CHECK(o.disks.n == 3 && problems.n == 0);
	file("a line of prose");
	CHECK(problems.n == 1);
	reset();
}

int
main(void)
{
	words();
	values();
	other_names();
	wrong();
	lines();
	reset();
	return test_result();
}
