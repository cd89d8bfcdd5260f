/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The job "inventory": kept, not replaced unasked, and within the role. */
#include "v2v-server/testing-client.h"

static const char machine[] = "{\"manufacturer\":\"Iron\",\"vcpus\":4}";

static void
ask(struct client *c, const struct fy_serve_options *options, const char *name,
    const char *to, bool force, const char *what)
{
	struct fy_error err = { 0 };
	fy_autofree char *text = NULL;

	text = fy_format(&err,
			 "{\"action\":\"inventory\",\"name\":\"%s\","
			 "\"to\":\"%s\",\"force\":%s,\"machine\":%s}",
			 name, to, force ? "true" : "false", what);
	CHECK(text != NULL);
	start(c, options);
	hello(c);
	send_text(c, FY_WIRE_JOB, text);
}

static void
is_kept(const char *to, const char *file, bool force)
{
	struct fy_error err = { 0 };
	fy_autojson json_t *done = NULL;
	fy_autojson json_t *kept = NULL;
	fy_autofree char *path = NULL;
	struct client c;

	ask(&c, &plain, "web01", to, force, machine);
	expect(&c, FY_WIRE_DONE);
	done = fy_json_parse((char *)c.payload, c.h.length, "DONE", &err);
	CHECK(done != NULL);
	CHECK(fy_streq(fy_json_string_or(done, "result", ""), "done"));
	path = fy_format(&err, "%s/%s", top, file);
	CHECK(fy_streq(json_string_value(json_array_get(
			       json_object_get(done, "files"), 0)),
		       path));
	CHECK(end(&c) == 0);
	kept = fy_json_read_at(topfd, file, 65536, &err);
	CHECK(kept != NULL && fy_json_u64_or(kept, "vcpus", 0) == 4);
	CHECK(fy_streq(fy_json_string_or(kept, "manufacturer", ""), "Iron"));
}

static void
is_refused(const struct fy_serve_options *options, const char *name,
	   const char *to, const char *what, const char *code,
	   const char *words, int status)
{
	struct client c;

	ask(&c, options, name, to, false, what);
	expect_error(&c, code, words, status);
}

int
main(void)
{
	struct fy_strings convert = { 0 }, inventory = { 0 };
	struct fy_error err = { 0 };
	struct fy_serve_options o = plain;
	struct client c;

	set_up();
	CHECK_OK(fy_strings_add(&convert, "convert", &err));
	CHECK_OK(fy_strings_add(&inventory, "inventory", &err));
	is_kept(".", "web01.machine.json", false);
	is_kept("a/b", "a/b/web01.machine.json", false);
	is_refused(&plain, "web01", "a/b", machine, "exists", "--force", 1);
	is_kept("a/b", "a/b/web01.machine.json", true);

	is_refused(&plain, "../x", ".", machine, "usage", "not a name", 2);
	is_refused(&plain, "x", "../y", machine, "denied", "'..'", 1);
	is_refused(&plain, "x", ".", "[]", "format", "machine", 1);
	is_refused(&plain, "x", ".", "{\"vcpus\":\"many\"}", "format",
		   "machine", 1);
	is_refused(&plain, "x", ".", "null", "format", "machine", 1);
	CHECK(faccessat(topfd, "x.machine.json", F_OK, 0) == -1);

	o.role.allow = &convert;
	is_refused(&o, "x", ".", machine, "denied", "--allow", 1);
	o.role.allow = &inventory;
	o.role.machine = "other";
	is_refused(&o, "x", ".", machine, "denied", "--machine", 1);
	o.role.machine = "x";
	o.role.append_only = true;
	ask(&c, &o, "x", ".", false, machine);
	expect(&c, FY_WIRE_DONE);
	CHECK(end(&c) == 0);
	ask(&c, &o, "x", ".", true, machine);
	expect_error(&c, "denied", "--append-only", 1);
	/* A key for inventories only converts nothing. */
	start(&c, &o);
	send_job(&c, &(struct job){ "x", ".", "raw", "none", "", "S1",
				    DISK_BYTES, 1, false, false });
	expect_error(&c, "denied", "--allow", 1);
	fy_strings_release(&convert);
	fy_strings_release(&inventory);
	tear_down();
	return 0;
}
