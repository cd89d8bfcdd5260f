/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `serve` and UNREADABLE: what came is in DONE, the report and the map; what
 * makes no sense is refused; an earlier connection's frames are forgotten with
 * it.
 */
#include "v2v-server/testing-client.h"

static void
begin(struct client *c)
{
	start(c, &plain);
	send_job(c, &raw_job);
	ready(c, 1);
}

static void
refused(const char *text, const char *code, const char *words)
{
	struct client c;

	begin(&c);
	send_text(&c, FY_WIRE_UNREADABLE, text);
	expect_error(&c, code, words, 1);
}

/* A frame with n files, and one with n ranges of a byte from 2 * first on. */
static void
files_text(char *to, size_t size, unsigned n)
{
	size_t len = (size_t)snprintf(to, size, "{\"files\":[");
	unsigned i;

	for (i = 0; i < n; i++)
		len += (size_t)snprintf(to + len, size - len, "%s\"f%u\"",
					i == 0 ? "" : ",", i);
	snprintf(to + len, size - len, "]}");
}

static void
ranges_text(char *to, size_t size, uint64_t first, unsigned n)
{
	size_t len = (size_t)snprintf(to, size, "{\"ranges\":[");
	unsigned i;

	for (i = 0; i < n; i++)
		len += (size_t)snprintf(to + len, size - len, "%s[%llu,1,0]",
					i == 0 ? "" : ",",
					(unsigned long long)(first + i) * 2);
	snprintf(to + len, size - len, "]}");
}

static void
test_refused(void)
{
	struct fy_wire_header h = { .type = FY_WIRE_UNREADABLE, .disk = 1 };
	static char text[65536];
	fy_autofree char *far = NULL;
	struct fy_error err = { 0 };
	struct client c;
	size_t i;

	refused("no JSON", "format", "UNREADABLE");
	refused("{\"ranges\":[[0,512]]}", "protocol", "no range");
	refused("{\"ranges\":[[-512,512,0]]}", "protocol", "no range");
	refused("{\"ranges\":[[0,0,0]]}", "protocol", "no range");
	refused("{\"ranges\":[[0,\"512\",0]]}", "protocol", "no range");
	refused("{\"ranges\":[[512,512,0],[0,512,0]]}", "protocol",
		"not in its place");
	refused("{\"ranges\":[[0,1024,0],[512,512,0]]}", "protocol",
		"not in its place");
	far = fy_format(&err, "{\"ranges\":[[%llu,512,0]]}",
			(unsigned long long)DISK_BYTES);
	refused(far, "protocol", "not in its place");
	refused("{\"ranges\":[[512,9223372036854775807,0]]}", "protocol",
		"not in its place");
	refused("{\"files\":[7]}", "protocol", "no text");
	refused("{\"files\":[\"a\\u001b[2Jb\"]}", "protocol", "control");
	refused("{\"more_files\":9999999999}", "protocol", "out of range");
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"files\":[\"", 11);
	memcpy(text + 4000, "\"]}", 4);
	refused(text, "protocol", "too long");
	files_text(text, sizeof(text), 2 * FY_WIRE_BAD_FILES + 1);
	refused(text, "protocol", "too many files");

	/* More ranges than there may be, in order. */
	begin(&c);
	for (i = 0; i <= FY_WIRE_BAD_RANGES / 2048; i++) {
		ranges_text(text, sizeof(text), i * 2048, 2048);
		send_text(&c, FY_WIRE_UNREADABLE, text);
	}
	expect_error(&c, "protocol", "too many ranges", 1);

	begin(&c);
	send_frame(&c, h, "{}", 2, NULL, 0);
	expect_error(&c, "protocol", "no such disk", 1);
	nothing_finished(true);
	clean();
}

static json_t *
read_json(const char *path)
{
	struct fy_error err = { 0 };
	json_t *j = fy_json_read_at(topfd, path, 1 << 20, &err);

	if (j == NULL)
		fprintf(stderr, "%s: %s\n", path, err.msg);
	CHECK(j != NULL);
	return j;
}

static const char map[] = "0x00000000  0x00000200  -\n"
			  "0x00000200  0x00000E00  +\n"
			  "0x00001000  0x00001000  *\n"
			  "0x00002000  0x";

static void
test_kept(void)
{
	fy_autojson json_t *report = NULL;
	fy_autofree char *text = calloc(1, 65536);
	const json_t *u;
	struct client c;
	int fd;

	begin(&c);
	send_text(&c, FY_WIRE_UNREADABLE, "{\"ranges\":[[0,512,0]]}");
	send_units(&c, 0, 0, c.units);
	send_text(&c, FY_WIRE_UNREADABLE,
		  "{\"ranges\":[[4096,4096,1]],\"files\":[\"p1: /a\"],"
		  "\"more_files\":3}");
	send_text(&c, FY_WIRE_FINISH, "{}");
	expect(&c, FY_WIRE_DONE);
	CHECK(strstr((char *)c.payload, "\"unreadable_bytes\":4608") != NULL);
	CHECK(strstr((char *)c.payload, "could not be read") != NULL);
	CHECK(end(&c) == 0);
	report = read_json("vm.job/report.json");
	u = json_array_get(json_object_get(report, "unreadable"), 0);
	CHECK(fy_json_u64_or(u, "bytes", 0) == 4608);
	CHECK(fy_json_u64_or(u, "ranges", 0) == 2);
	CHECK(fy_json_u64_or(u, "more_files", 0) == 3);
	CHECK(strcmp(json_string_value(
			     json_array_get(json_object_get(u, "files"), 0)),
		     "p1: /a") == 0);
	fd = openat(topfd, "vm.job/disk1.map", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, 65535) > 0);
	close(fd);
	CHECK(strstr(text, map) != NULL);
	clean();
}

/* What a connection said that was lost counts no more. */
static void
test_forgotten(void)
{
	fy_autojson json_t *report = NULL;
	struct client c;

	begin(&c);
	send_text(&c, FY_WIRE_UNREADABLE, "{\"ranges\":[[0,512,0]]}");
	send_text(&c, FY_WIRE_ERROR,
		  "{\"code\":\"cancelled\",\"message\":\"by hand\"}");
	expect_error(&c, "cancelled", "by hand", 5);
	begin(&c);
	send_units(&c, 0, 0, c.units);
	send_text(&c, FY_WIRE_FINISH, "{}");
	expect(&c, FY_WIRE_DONE);
	CHECK(strstr((char *)c.payload, "\"unreadable_bytes\":0") != NULL);
	CHECK(end(&c) == 0);
	report = read_json("vm.job/report.json");
	CHECK(json_array_size(json_object_get(report, "unreadable")) == 0);
	CHECK(faccessat(topfd, "vm.job/disk1.map", F_OK, 0) == -1);
	clean();
}

int
main(void)
{
	set_up();
	test_refused();
	test_kept();
	test_forgotten();
	tear_down();
	return 0;
}
