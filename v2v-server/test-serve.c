/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `serve` with clients that keep the protocol: whole jobs in each format, jobs
 * that are cut and resumed, and ends that nobody heard of.
 */
#include "v2v-server/testing-client.h"

/* --- whole jobs -------------------------------------------------------------- */

static void
whole(const char *format, const char *compressed, unsigned disks, bool verify)
{
	struct job j = raw_job;
	fy_autofree char *one = NULL, *two = NULL;
	struct fy_error err = { 0 };
	struct client c;
	unsigned i;

	j.format = format;
	j.compressed = compressed;
	j.disks = disks;
	j.verify = verify;
	one = fy_format(&err, "vm.%s", format);
	two = fy_format(&err, "vm-2.%s", format);
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, disks);
	CHECK(!c.resumed && c.durable == 0);
	for (i = 0; i < disks; i++)
		send_units(&c, i, 0, c.units);
	finish(&c);
	image_is_disk(one, format);
	if (disks == 2)
		image_is_disk(two, format);
	CHECK(faccessat(topfd, "vm.xml", F_OK, 0) == 0);
	CHECK(faccessat(topfd, "vm.job/report.json", F_OK, 0) == 0);
	CHECK(faccessat(topfd, "vm.job/machine.json", F_OK, 0) == 0);
	CHECK(faccessat(topfd, "vm.job/journal", F_OK, 0) == 0);
	CHECK(faccessat(topfd, "vm.job/log", F_OK, 0) == 0);
	CHECK(faccessat(topfd, "vm.job/unheard", F_OK, 0) == -1);
	CHECK(faccessat(topfd, "vm.partial", F_OK, 0) == -1);

	/* The next one must not write over it, nor leave anything. */
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "exists", "--force", 1);
	CHECK(faccessat(topfd, "vm.partial", F_OK, 0) == -1);
	image_is_disk(one, format);
}

static void
forced(void)
{
	struct job j = raw_job;
	struct client c;

	j.force = true;
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	/* Until the commit the old one stays. */
	CHECK(faccessat(topfd, "vm.xml", F_OK, 0) == 0);
	send_units(&c, 0, 0, c.units);
	finish(&c);
	image_is_disk("vm.raw", "raw");
	CHECK(faccessat(topfd, "vm.partial", F_OK, 0) == -1);
	clean();
}

/* --- cut and resumed ---------------------------------------------------------- */

static void
send_check(struct client *c, uint64_t unit)
{
	fy_autofree unsigned char *raw = malloc(c->unit_bytes);
	struct fy_wire_header h = { .type = FY_WIRE_CHECK, .number = unit };
	struct fy_digest digest;

	unit_of(c, unit, raw);
	fy_digest_xxh3(raw, c->unit_bytes, c->seed, &digest);
	send_frame(c, h, digest.bytes, 16, NULL, 0);
}

/* CHECK all units that the bitmap names; 'expect_same' of them agree. */
static void
check_units(struct client *c, uint64_t expect_same, uint64_t *ret_differs)
{
	uint64_t unit, same = 0;

	*ret_differs = UINT64_MAX;
	for (unit = 0; unit < c->units; unit++) {
		if ((c->bitmap[unit / 8] & (1u << unit % 8)) == 0)
			continue;
		send_check(c, unit);
		expect(c, FY_WIRE_ANSWER);
		CHECK(c->h.number == unit && c->h.length == 1);
		if (c->payload[0] == 1) {
			same++;
		} else {
			CHECK(c->payload[0] == 0);
			*ret_differs = unit;
			c->bitmap[unit / 8] &= (unsigned char)~(1u << unit % 8);
		}
	}
	if (same != expect_same) {
		fprintf(stderr, "%llu units agree, not %llu\n",
			(unsigned long long)same,
			(unsigned long long)expect_same);
		exit(1);
	}
}

static void
send_rest(struct client *c)
{
	uint64_t unit;

	for (unit = 0; unit < c->units; unit++)
		if ((c->bitmap[unit / 8] & (1u << unit % 8)) == 0)
			send_unit(c, 0, unit);
}

static void
resumed(const char *format, const char *compressed)
{
	struct job j = raw_job;
	fy_autofree char *file = NULL;
	struct fy_error err = { 0 };
	uint64_t half, differs, acked;
	struct client c;

	j.format = format;
	j.compressed = compressed;
	file = fy_format(&err, "vm.%s", format);
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	half = c.units / 2;
	send_units(&c, 0, 0, half);
	/* A second without a frame: what came is acknowledged. */
	while (c.acked == 0) {
		CHECK(next_any(&c));
		if (c.h.type == FY_WIRE_ACK)
			count_acks(&c);
	}
	acked = c.acked;
	kill_server(&c);
	nothing_finished(true);

	/* Cut once more, in the middle of the second half, by the client. */
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.resumed && c.durable >= acked);
	check_units(&c, c.durable, &differs);
	send_unit(&c, 0, c.units - 1);
	CHECK(end(&c) == 5);
	nothing_finished(true);

	/* Meanwhile a byte of a durable unit has changed, and a unit that was
	 * not durable has become zero. */
	disk[0] ^= 0xff;
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.resumed && c.durable > acked);
	check_units(&c, c.durable - 1, &differs);
	CHECK(differs == 0);
	send_rest(&c);
	finish(&c);
	image_is_disk(file, format);
	clean();
}

/* Durable units that become zero, without a CHECK. */
static void
zeroed(const char *format, const char *compressed)
{
	fy_autofree unsigned char *saved = malloc(DISK_BYTES);
	struct job j = raw_job;
	fy_autofree char *file = NULL;
	struct fy_error err = { 0 };
	struct client c;

	j.format = format;
	j.compressed = compressed;
	file = fy_format(&err, "vm.%s", format);
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	send_units(&c, 0, 0, c.units);
	CHECK(end(&c) == 5);
	memcpy(saved, disk, DISK_BYTES);
	memset(disk, 0, 2 * FY_MIB);
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.resumed && c.durable > 0);
	/* All again: durable ones are written anew, or zeroed. */
	send_units(&c, 0, 0, c.units);
	finish(&c);
	image_is_disk(file, format);
	memcpy(disk, saved, DISK_BYTES);
	clean();
}

/* A byte of the image flips behind the server's back: --verify finds it,
 * nothing is finished, and the next run sends that unit again. */
static void
verify_differs(void)
{
	struct job j = raw_job;
	uint64_t differs;
	struct client c;
	fy_autofd int fd = -1;

	j.verify = true;
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	send_units(&c, 0, 0, c.units);
	while (c.acked == 0) {
		CHECK(next_any(&c));
		if (c.h.type == FY_WIRE_ACK)
			count_acks(&c);
	}
	fd = openat(topfd, "vm.partial/vm.raw", O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && pwrite(fd, "\xaa\x55", 2, 4097) == 2);
	send_text(&c, FY_WIRE_FINISH, "{}");
	expect(&c, FY_WIRE_DONE);
	CHECK(strstr((char *)c.payload, "\"result\":\"different\"") != NULL);
	CHECK(end(&c) == 4);
	nothing_finished(true);

	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.resumed && (c.bitmap[0] & 1) == 0);
	check_units(&c, c.durable, &differs);
	send_rest(&c);
	finish(&c);
	image_is_disk("vm.raw", "raw");
	clean();
}

/* The client dies after FINISH: the job ends, and the next one hears of it. */
static void
unheard(void)
{
	struct job j = raw_job;
	uint64_t differs, unit;
	struct client c;
	int status;

	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	send_units(&c, 0, 0, c.units);
	send_text(&c, FY_WIRE_FINISH, "{}");
	status = end(&c);
	CHECK(status == 0);
	image_is_disk("vm.raw", "raw");
	CHECK(faccessat(topfd, "vm.job/unheard", F_OK, 0) == 0);

	/* Another job of that name does not get this answer. */
	j.serial = "S2";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "exists", "vm.xml", 1);
	/* Nor one whose disk has changed: by a byte, by zeros. */
	j.serial = "S1";
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.resumed);
	disk[5] ^= 1;
	send_unit(&c, 0, 0);
	expect_error(&c, "exists", "has changed since", 1);
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	send_check(&c, 0);
	expect_error(&c, "exists", "has changed since", 1);
	disk[5] ^= 1;
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	send_text(&c, FY_WIRE_FINISH, "{}");
	expect_error(&c, "protocol", "never came", 1);
	image_is_disk("vm.raw", "raw");

	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	check_units(&c, c.durable, &differs);
	for (unit = 0; unit < c.units; unit++)
		if ((c.bitmap[unit / 8] & (1u << unit % 8)) == 0)
			send_unit(&c, 0, unit);
	finish(&c);
	CHECK(faccessat(topfd, "vm.partial", F_OK, 0) == -1);
	CHECK(faccessat(topfd, "vm.job/unheard", F_OK, 0) == -1);
	image_is_disk("vm.raw", "raw");
	/* Once is enough. */
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "exists", "vm.xml", 1);
	clean();
}

/* The same client comes again while its lost connection is still served: what
 * had arrived is kept, and nothing has to be waited for. */
static void
same_client(const char *format, const char *compressed)
{
	struct job j = raw_job;
	fy_autofree char *file = NULL;
	struct fy_error err = { 0 };
	struct client a, b, c;
	uint64_t differs;
	int status;

	j.format = format;
	j.compressed = compressed;
	j.extra = "\"client\":\"00112233445566778899aabbccddeeff\",";
	file = fy_format(&err, "vm.%s", format);
	start(&a, &plain);
	send_job(&a, &j);
	ready(&a, 1);
	/* Not waited for: some is durable, some is not even a batch yet. */
	send_units(&a, 0, 0, a.units / 2);
	usleep(300 * 1000);
	start(&b, &plain);
	send_job(&b, &j);
	ready(&b, 1);
	CHECK(b.resumed && b.durable > 0);
	CHECK(waitpid(a.pid, &status, 0) == a.pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	close(a.fd);
	free(a.payload);
	/* A third time, from the middle. */
	check_units(&b, b.durable, &differs);
	send_unit(&b, 0, b.units - 1);
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.resumed && c.durable >= b.durable);
	CHECK(waitpid(b.pid, &status, 0) == b.pid);
	close(b.fd);
	free(b.payload);
	check_units(&c, c.durable, &differs);
	send_rest(&c);
	finish(&c);
	image_is_disk(file, format);
	clean();
	j.extra = "\"client\":\"x\",";
	start(&a, &plain);
	send_job(&a, &j);
	expect_error(&a, "format", "client", 1);
}

static void
other_pins(void)
{
	struct job j = raw_job;
	struct client c;

	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	send_units(&c, 0, 0, 2);
	CHECK(end(&c) == 5);
	j.serial = "S2";
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "exists", "serial", 1);
	nothing_finished(true);
	j.force = true;
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(!c.resumed && c.durable == 0);
	send_units(&c, 0, 0, c.units);
	finish(&c);
	image_is_disk("vm.raw", "raw");
	clean();
}

int
main(void)
{
	set_up();
	whole("raw", "none", 2, true);
	forced();
	whole("qcow2", "none", 1, true);
	clean();
	whole("qcow2", "zstd", 2, true);
	clean();
	whole("qcow2", "deflate", 1, false);
	clean();
	resumed("raw", "none");
	resumed("qcow2", "none");
	resumed("qcow2", "zstd");
	zeroed("raw", "none");
	zeroed("qcow2", "none");
	zeroed("qcow2", "zstd");
	verify_differs();
	unheard();
	same_client("raw", "none");
	same_client("qcow2", "zstd");
	other_pins();
	tear_down();
	return 0;
}
