/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `serve` on a file system that is small, full, or read-only: a tmpfs in a
 * mount namespace of our own, so that nothing outside sees it and it ends with
 * the test.
 */
#include "common/test-mounts.h"
#include "v2v-server/testing-client.h"

static void
mount_small(const char *size)
{
	fy_autofree char *o = NULL;
	struct fy_error err = { 0 };

	o = fy_format(&err, "size=%s,mode=0755", size);
	CHECK(mount("tmpfs", top, "tmpfs", MS_NOSUID | MS_NODEV, o) == 0);
	close(topfd);
	topfd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(topfd >= 0);
}

static void
remount(unsigned long flags, const char *size)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000L };
	fy_autofree char *o = NULL;
	struct fy_error err = { 0 };
	int r = -1, i;

	o = fy_format(&err, "size=%s", size);
	/* The kernel lets go of a removed file that Landlock had a rule for
	 * (qemu-nbd's image) a moment after the process has ended. */
	for (i = 0; i < 250; i++) {
		r = mount("tmpfs", top, "tmpfs",
			  MS_REMOUNT | MS_NOSUID | MS_NODEV | flags, o);
		if (r == 0)
			break;
		nanosleep(&pause, NULL);
	}
	CHECK(r == 0);
}

/* Known before the start: both numbers are told. */
static void
too_little(void)
{
	struct client c;

	start(&c, &plain);
	send_job(&c, &raw_job);
	expect_error(&c, "nospace", "6292992", 1);
	nothing_finished(false);
}

/* Compressed images may fit into less: that is tried down to a third, and the
 * warning is told at once. */
static void
little_for_compressed(void)
{
	struct job j = raw_job;
	struct client c;

	j.format = "qcow2";
	j.used = 5 * FY_MIB;
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "nospace", "5242880", 1);
	nothing_finished(false);

	j.compressed = "zstd";
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.logs > 0 && strstr(c.last_log, "compress") != NULL);
	end(&c);
	clean();

	j.used = DISK_BYTES;
	start(&c, &plain);
	send_job(&c, &j);
	expect_error(&c, "nospace", "a third", 1);
	nothing_finished(false);
}

/* Found out on the way: what is durable stays, and the job can go on. */
static void
full_on_the_way(const char *format, const char *compressed)
{
	struct job j = raw_job;
	fy_autofree char *file = NULL;
	struct fy_error err = { 0 };
	struct client c;
	uint64_t unit;

	j.format = format;
	j.compressed = compressed;
	j.used = 1; /* a lie */
	file = fy_format(&err, "vm.%s", format);
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	send_units(&c, 0, 0, 1);
	/* Let the first ones become durable. */
	while (c.acked == 0) {
		CHECK(next_any(&c));
		if (c.h.type == FY_WIRE_ACK)
			count_acks(&c);
	}
	send_units(&c, 0, 1, c.units);
	expect_error(&c, "nospace", "", 1);
	nothing_finished(true);

	remount(0, "64m");
	start(&c, &plain);
	send_job(&c, &j);
	ready(&c, 1);
	CHECK(c.resumed && c.durable > 0);
	for (unit = 0; unit < c.units; unit++)
		send_unit(&c, 0, unit);
	finish(&c);
	image_is_disk(file, format);
	clean();
	remount(0, "2m");
}

static void
read_only(void)
{
	struct client c;

	remount(MS_RDONLY, "64m");
	start(&c, &plain);
	send_job(&c, &raw_job);
	expect_error(&c, "io", "Read-only", 1);
	remount(0, "64m");
	nothing_finished(false);
}

int
main(void)
{
	set_up();
	if (test_own_mounts() == -1) {
		printf("needs root or user namespaces\n");
		tear_down();
		return 77;
	}
	mount_small("2m");
	too_little();
	little_for_compressed();
	full_on_the_way("raw", "none");
	full_on_the_way("qcow2", "none");
	full_on_the_way("qcow2", "zstd");
	read_only();
	close(topfd);
	CHECK(umount2(top, MNT_DETACH) == 0);
	tear_down();
	return 0;
}
