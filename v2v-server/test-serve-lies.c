/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `serve` with clients that break the protocol, ask for what they may not have,
 * or fall silent: each gets a clear error, and nothing is finished.
 */
#include "v2v-server/testing-client.h"

/* A started raw job of one disk, after READY. */
static void
begin(struct client *c)
{
	start(c, &plain);
	send_job(c, &raw_job);
	ready(c, 1);
}

/* The unit as it should be, in parts that can be spoiled. */
struct good_unit {
	struct fy_wire_header h;
	struct fy_digest digest;
	unsigned char raw[1 << 20];
};

static void
make_unit(const struct client *c, struct good_unit *u, uint64_t unit)
{
	CHECK(c->unit_bytes <= sizeof(u->raw));
	memset(u, 0, sizeof(*u));
	unit_of(c, unit, u->raw);
	u->h = (struct fy_wire_header){ .type = FY_WIRE_UNIT,
					.number = unit,
					.raw_length = c->unit_bytes };
	fy_digest_xxh3(u->raw, c->unit_bytes, c->seed, &u->digest);
}

static void
put_unit(struct client *c, const struct good_unit *u, size_t len)
{
	send_frame(c, u->h, u->digest.bytes, 16, u->raw, len);
}

static void
lying_units(void)
{
	fy_autofree struct good_unit *u = malloc(sizeof(*u));
	struct client c;

	begin(&c);
	make_unit(&c, u, 0);
	u->digest.bytes[3] ^= 1;
	put_unit(&c, u, c.unit_bytes);
	expect_error(&c, "corrupt", "unit 0", 1);

	begin(&c);
	make_unit(&c, u, 1);
	u->raw[77] ^= 1;
	put_unit(&c, u, c.unit_bytes);
	expect_error(&c, "corrupt", "unit 1", 1);

	begin(&c);
	make_unit(&c, u, 0);
	u->h.raw_length = c.unit_bytes / 2;
	put_unit(&c, u, c.unit_bytes / 2);
	expect_error(&c, "protocol", "UNIT", 1);

	begin(&c);
	make_unit(&c, u, 0);
	put_unit(&c, u, c.unit_bytes / 2);
	expect_error(&c, "protocol", "UNIT", 1);

	begin(&c);
	make_unit(&c, u, 0);
	u->h.codec = FY_CODEC_ZSTD;
	put_unit(&c, u, c.unit_bytes / 2); /* not zstd at all */
	expect_error(&c, "corrupt", "", 1);

	begin(&c);
	make_unit(&c, u, 0);
	u->h.codec = FY_CODEC_DEFLATE;
	put_unit(&c, u, 100);
	expect_error(&c, "protocol", "not asked for", 1);

	begin(&c);
	make_unit(&c, u, 0);
	u->h.number = c.units;
	put_unit(&c, u, c.unit_bytes);
	expect_error(&c, "protocol", "behind the disk's end", 1);

	begin(&c);
	make_unit(&c, u, 0);
	u->h.disk = 1;
	put_unit(&c, u, c.unit_bytes);
	expect_error(&c, "protocol", "no such disk", 1);

	begin(&c);
	send_unit(&c, 0, 0);
	send_unit(&c, 0, 0);
	expect_error(&c, "protocol", "not asked for", 1);
	nothing_finished(true);
	clean();
}

/* The last unit's padding must be zero: it lies behind the disk's end. */
static void
lying_padding(void)
{
	fy_autofree struct good_unit *u = malloc(sizeof(*u));
	struct client c;

	begin(&c);
	make_unit(&c, u, c.units - 1);
	memset(u->raw, 0x55, c.unit_bytes);
	fy_digest_xxh3(u->raw, c.unit_bytes, c.seed, &u->digest);
	put_unit(&c, u, c.unit_bytes);
	expect_error(&c, "protocol", "behind the disk's end", 1);
	clean();
}

static void
lying_zeros(void)
{
	struct fy_wire_header h = { .type = FY_WIRE_ZERO };
	unsigned char count[8];
	struct client c;

	begin(&c);
	fy_put_le64(count, 0);
	send_frame(&c, h, count, 8, NULL, 0);
	expect_error(&c, "protocol", "count", 1);

	begin(&c);
	fy_put_le64(count, c.units + 1);
	send_frame(&c, h, count, 8, NULL, 0);
	expect_error(&c, "protocol", "count", 1);

	begin(&c);
	fy_put_le64(count, UINT64_MAX);
	h.number = 3;
	send_frame(&c, h, count, 8, NULL, 0);
	expect_error(&c, "protocol", "count", 1);

	begin(&c);
	send_unit(&c, 0, 2);
	fy_put_le64(count, 3);
	h.number = 1;
	send_frame(&c, h, count, 8, NULL, 0);
	expect_error(&c, "protocol", "covered", 1);
	clean();
}

static void
lying_checks(void)
{
	fy_autofree unsigned char *digests = calloc(1, 65536);
	struct fy_wire_header h = { .type = FY_WIRE_CHECK };
	struct client c;

	begin(&c);
	send_frame(&c, h, digests, (size_t)(c.units + 1) * 16, NULL, 0);
	expect_error(&c, "protocol", "behind the disk's end", 1);

	/* About nothing durable: the answer is no, and is no coverage. */
	begin(&c);
	send_frame(&c, h, digests, (size_t)c.units * 16, NULL, 0);
	expect(&c, FY_WIRE_ANSWER);
	CHECK(c.h.length == 1 && c.payload[0] == 0);
	send_text(&c, FY_WIRE_FINISH, "{}");
	expect_error(&c, "protocol", "never came", 1);
	clean();
}

static void
early_finish(void)
{
	struct client c;

	begin(&c);
	send_text(&c, FY_WIRE_FINISH, "{}");
	expect_error(&c, "protocol", "never came", 1);
	begin(&c);
	send_units(&c, 0, 0, c.units - 1);
	send_text(&c, FY_WIRE_FINISH, "{}");
	expect_error(&c, "protocol", "never came", 1);
	begin(&c);
	send_units(&c, 0, 0, c.units);
	send_text(&c, FY_WIRE_FINISH, "{\"units_sent\":1}");
	expect_error(&c, "protocol", "units", 1);
	begin(&c);
	send_text(&c, FY_WIRE_JOB, "{}");
	expect_error(&c, "protocol", "not allowed", 1);
	begin(&c);
	send_text(&c, FY_WIRE_ERROR,
		  "{\"code\":\"cancelled\",\"message\":\"by hand\"}");
	expect_error(&c, "cancelled", "by hand", 5);
	nothing_finished(true);
	clean();
}

/* Headers that are no headers, and lengths over the limit. */
static void
bad_headers(void)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	struct fy_wire_header h = { .type = FY_WIRE_UNIT };
	struct client c;

	start(&c, &plain);
	send_raw(&c, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n", 34);
	expect_error(&c, "protocol", "", 1);

	start(&c, &plain);
	send_text(&c, FY_WIRE_HELLO, "{\"protocol\":7,\"version\":\"9.9\"}");
	expect_error(&c, "version", "7", 1);

	start(&c, &plain);
	send_text(&c, FY_WIRE_HELLO, "{\"protocol\":\"1\"}");
	expect_error(&c, "format", "protocol", 1);

	start(&c, &plain);
	send_text(&c, FY_WIRE_HELLO, "this is no JSON");
	expect_error(&c, "format", "HELLO", 1);

	start(&c, &plain);
	send_text(&c, FY_WIRE_JOB, "{}");
	expect_error(&c, "protocol", "HELLO", 1);

	/* A length over the type's limit, with CRCs that are right. */
	begin(&c);
	fy_wire_encode(&h, NULL, 0, NULL, 0, bytes);
	fy_put_le32(bytes + 8, 0xffffffff);
	fy_put_le32(bytes + 28, fy_crc32c(bytes, 28));
	send_raw(&c, bytes, sizeof(bytes));
	expect_error(&c, "protocol", "", 1);

	/* A bit that flipped on the wire: in the header, in the payload. */
	begin(&c);
	fy_wire_encode(&h, "0123456789abcdefX", 17, NULL, 0, bytes);
	bytes[17] ^= 4;
	send_raw(&c, bytes, sizeof(bytes));
	expect_error(&c, "corrupt", "", 1);
	begin(&c);
	h = (struct fy_wire_header){ .type = FY_WIRE_FINISH };
	fy_wire_encode(&h, "{\"units_sent\":0}", 16, NULL, 0, bytes);
	send_raw(&c, bytes, sizeof(bytes));
	send_raw(&c, "{\"units_sent\":1}", 16);
	expect_error(&c, "corrupt", "", 1);
	nothing_finished(true);
	clean();
}

static void
bad_jobs(void)
{
	struct fy_serve_options o = plain;
	struct job j = raw_job;
	struct client c;

	j.to = "..";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "denied", "..", 1);
	j.to = "/etc";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "denied", "root", 1);
	CHECK(symlinkat("/tmp", topfd, "link") == 0);
	j.to = "link/x";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "denied", "symbolic link", 1);
	CHECK(unlinkat(topfd, "link", 0) == 0);

	j = raw_job;
	j.name = "../vm";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "usage", "name", 2);
	j = raw_job;
	j.format = "vmdk";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "unsupported", "vmdk", 1);
	j = raw_job;
	j.compressed = "zstd";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "unsupported", "raw", 1);
	j = raw_job;
	j.extra = "\"sync\":true,";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "unsupported", "asks for \\\"sync\\\"", 1);
	j.extra = "\"networks\":{\"52:54:00:00:00:01\":\"lan\"},";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "notfound", "NIC", 1);

	o.role.machine = "web01";
	start(&c, &o);
	send_job(&c, &raw_job);
	expect_error(&c, "denied", "web01", 1);
	o = plain;
	o.role.append_only = true;
	j = raw_job;
	j.force = true;
	start(&c, &o);
	send_job(&c, &j);
	expect_error(&c, "denied", "--append-only", 1);
	o.role.root = NULL;
	start(&c, &o);
	CHECK(end(&c) == 2);
	nothing_finished(false);
}

static void
too_big(void)
{
	struct job j = raw_job;
	struct client c;

	/* Nobody has an exbibyte free; a raw image may not even be that long. */
	j.extra = "\"disks\":[{\"path\":\"/dev/sda\",\"size_bytes\":"
		  "1152921504606846976,\"used_bytes\":1152921504606846976,"
		  "\"map_digest\":\"00112233445566778899aabbccddeeff\"}],";
	start(&c, &plain);
	hello(&c);
	{
		fy_autofree char *text = NULL;
		struct fy_error err = { 0 };

		text = fy_format(&err,
				 "{\"action\":\"convert\",\"name\":\"vm\","
				 "\"format\":\"raw\",%s\"inject\":false}",
				 j.extra);
		send_text(&c, FY_WIRE_JOB, text);
	}
	expect_error(&c, "unsupported", "units", 1);

	/* 16 TiB used. */
	start(&c, &plain);
	hello(&c);
	send_text(&c, FY_WIRE_JOB,
		  "{\"action\":\"convert\",\"name\":\"vm\",\"format\":\"raw\","
		  "\"inject\":false,\"disks\":[{\"path\":\"/dev/sda\","
		  "\"size_bytes\":9007199254740992,"
		  "\"used_bytes\":9007199254740992,"
		  "\"map_digest\":\"00112233445566778899aabbccddeeff\"}]}");
	CHECK(next(&c) && c.h.type == FY_WIRE_ERROR);
	CHECK(strstr((char *)c.payload, "9007199254740992") != NULL ||
	      strstr((char *)c.payload, "units") != NULL);
	CHECK(end(&c) == 1);
	nothing_finished(false);
}

static void
locked(void)
{
	struct fy_serve_options o = plain;
	struct client a, b;

	begin(&a);
	o.lock_wait_ms = 600;
	start(&b, &o);
	send_job(&b, &raw_job);
	expect_error(&b, "busy", "process", 1);
	CHECK(b.logs >= 1 && strstr(b.last_log, "waiting") != NULL);

	/* The first dies while the second waits. */
	o.lock_wait_ms = 20000;
	start(&b, &o);
	send_job(&b, &raw_job);
	usleep(400 * 1000);
	kill_server(&a);
	ready(&b, 1);
	send_units(&b, 0, 0, b.units);
	finish(&b);
	image_is_disk("vm.raw", "raw");
	clean();
}

static void
silence(void)
{
	struct fy_serve_options o = plain;
	struct client c;

	/* The server says that it lives, and ends a client that does not. */
	o.beat_ms = 100;
	o.quiet_ms = 1000;
	start(&c, &o);
	send_job(&c, &raw_job);
	ready(&c, 1);
	expect_error(&c, "connection", "heard", 5);
	CHECK(c.beats >= 3);

	/* Beats keep it. */
	start(&c, &o);
	send_job(&c, &raw_job);
	ready(&c, 1);
	for (unsigned i = 0; i < 8; i++) {
		struct fy_wire_header h = { .type = FY_WIRE_BEAT };

		usleep(250 * 1000);
		send_frame(&c, h, NULL, 0, NULL, 0);
	}
	send_units(&c, 0, 0, c.units);
	finish(&c);
	clean();

	/* Gone in the middle of a frame. */
	begin(&c);
	send_raw(&c, "FYW1", 4);
	CHECK(end(&c) == 5);
	clean();
}

int
main(void)
{
	set_up();
	lying_units();
	lying_padding();
	lying_zeros();
	lying_checks();
	early_finish();
	bad_headers();
	bad_jobs();
	too_big();
	locked();
	silence();
	tear_down();
	return 0;
}
