/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a reconnect stands on: when it is tried, which digests are known, and
 * when a disk is known not to have changed.
 */
#include <pthread.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "p2v-client/known.h"
#include "p2v-client/retry.h"
#include "p2v-client/server-memory.h"
#include "p2v-client/test-tree.h"
#include "p2v-client/unchanged.h"
#include "p2v-client/units.h"

/* --- when ------------------------------------------------------------------ */

static void
test_pauses(void)
{
	static const unsigned wanted[] = { 1, 2, 4, 8, 16, 30, 30, 29 };
	struct fy_retry r;
	uint64_t now = 1000000, ms;
	unsigned i;

	fy_retry_init(&r, 120);
	for (i = 0; i < 8; i++) {
		ms = fy_retry_lost(&r, now);
		CHECK(ms == wanted[i] * 1000u);
		now += ms;
	}
	CHECK(fy_retry_lost(&r, now) == 0);
	/* Tries that take long count as well. */
	fy_retry_init(&r, 120);
	CHECK(fy_retry_lost(&r, 500) == 1000);
	CHECK(fy_retry_lost(&r, 500 + 119500) == 500);
	CHECK(fy_retry_lost(&r, 500 + 120000) == 0);
	fy_retry_init(&r, 0);
	CHECK(fy_retry_lost(&r, 500) == 0);
}

static void
test_budget(void)
{
	struct fy_retry r;
	uint64_t now = 1;
	unsigned i;

	fy_retry_init(&r, 60);
	/* The first connection found 10 durable units. */
	fy_retry_connected(&r, now, 10);
	CHECK(fy_retry_lost(&r, now += 1000) == 1000);
	CHECK(fy_retry_lost(&r, now += 21000) == 2000);
	/* More is durable than ever: all the time again, short pauses. */
	fy_retry_connected(&r, now += 2000, 11);
	CHECK(r.left_ms == 60000 && r.lost_ms == 0);
	CHECK(fy_retry_lost(&r, now += 500000) == 1000);
	/* Nothing new: the time that it was away is gone for good. */
	fy_retry_connected(&r, now += 20000, 11);
	CHECK(r.left_ms == 40000);
	CHECK(fy_retry_lost(&r, now += 500000) == 2000);
	fy_retry_connected(&r, now += 40000, 11);
	CHECK(fy_retry_lost(&r, now += 500000) == 0);
	/* A server that fails each time at once is given up, too. */
	fy_retry_init(&r, 60);
	for (i = 0; i < 20; i++) {
		uint64_t ms = fy_retry_lost(&r, now);

		if (ms == 0)
			break;
		fy_retry_connected(&r, now += ms, 0);
	}
	CHECK(i == 6); /* 1 2 4 8 16 29 */
}

static void
test_helps(void)
{
	struct fy_error e = { .code = FY_E_CONNECTION };
	struct fy_retry r;
	unsigned code;

	fy_retry_init(&r, 60);
	for (code = FY_E_NONE + 1; code < FY_E_CODES; code++) {
		e.code = (enum fy_error_code)code;
		CHECK(fy_retry_helps(&r, &e) == (code == FY_E_CONNECTION));
	}
	fy_retry_lost(&r, 1);
	for (code = FY_E_NONE + 1; code < FY_E_CODES; code++) {
		e.code = (enum fy_error_code)code;
		CHECK(fy_retry_helps(&r, &e) ==
		      (code == FY_E_CONNECTION || code == FY_E_BUSY));
	}
	fy_retry_init(&r, 0);
	e.code = FY_E_CONNECTION;
	CHECK(!fy_retry_helps(&r, &e));
}

static void *
raise_soon(void *arg)
{
	usleep(100 * 1000);
	fy_stop_raise(arg);
	return NULL;
}

static void
test_wait(void)
{
	struct fy_progress p = { .phase = "reconnect" };
	struct fy_error err = { 0 };
	struct fy_stop stop;
	uint64_t start = fy_clock_ms();
	pthread_t thread;

	CHECK_OK(fy_stop_init(&stop, &err), &err);
	CHECK_OK(fy_retry_wait(300, &p, &stop, &err), &err);
	CHECK(fy_clock_ms() - start >= 300);
	CHECK_OK(fy_retry_wait(10, NULL, NULL, &err), &err);
	CHECK(pthread_create(&thread, NULL, raise_soon, &stop) == 0);
	start = fy_clock_ms();
	CHECK(fy_retry_wait(60000, &p, &stop, &err) == -1);
	CHECK(err.code == FY_E_CANCELLED && fy_clock_ms() - start < 5000);
	CHECK(atomic_load(&p.retry_in) == 0);
	pthread_join(thread, NULL);
	fy_stop_release(&stop);
}

/* --- which digests --------------------------------------------------------- */

static void
test_known(void)
{
	size_t room = 300000, full = room;
	struct fy_digest a = { .bytes = { 1 } }, b = { .bytes = { 2 } }, got;
	struct fy_known one, two;

	fy_known_init(&one, &room);
	fy_known_init(&two, &room);
	CHECK(!fy_known_get(&one, 0, &got));
	fy_known_put(&one, 0, &a); /* not measured: nowhere to put it */
	CHECK(!fy_known_get(&one, 0, &got));
	fy_known_measure(&one, 100000, 65536, 7);
	fy_known_measure(&two, 1000, 65536, 7);
	fy_known_put(&one, 3, &a);
	fy_known_put(&one, 99999, &b);
	CHECK(fy_known_get(&one, 3, &got) && got.bytes[0] == 1);
	CHECK(fy_known_get(&one, 99999, &got) && got.bytes[0] == 2);
	CHECK(!fy_known_get(&one, 2, &got) && !fy_known_get(&two, 3, &got));
	CHECK(!fy_known_get(&one, 100000000, &got));
	fy_known_put(&one, 3, &b);
	CHECK(fy_known_get(&one, 3, &got) && got.bytes[0] == 2);
	/* The same measure keeps them, another seed or size does not. */
	fy_known_measure(&one, 100000, 65536, 7);
	CHECK(fy_known_get(&one, 3, &got));
	fy_known_measure(&one, 100000, 65536, 8);
	CHECK(!fy_known_get(&one, 3, &got));
	fy_known_put(&one, 3, &a);
	fy_known_measure(&one, 50000, 131072, 8);
	CHECK(!fy_known_get(&one, 3, &got));
	fy_known_forget(&one);
	fy_known_release(&two);
	CHECK(room == full);

	/* Where there is no room, nothing is known; the rest is. */
	room = 1 << 15;
	fy_known_measure(&one, 100000, 65536, 7);
	fy_known_put(&one, 1, &a);
	fy_known_put(&one, 50000, &a);
	CHECK(fy_known_get(&one, 1, &got));
	CHECK(!fy_known_get(&one, 50000, &got));
	fy_known_release(&one);
	CHECK(room == 1 << 15);
}

static void
test_counts(void)
{
	struct fy_unit_set a = { .n = 0 }, b = { .n = 0 };
	struct fy_error err = { 0 };

	CHECK_OK(fy_unit_set_init(&a, 130, &err), &err);
	CHECK_OK(fy_unit_set_init(&b, 130, &err), &err);
	fy_unit_set_put(&a, 1, true);
	fy_unit_set_put(&a, 64, true);
	fy_unit_set_put(&a, 129, true);
	fy_unit_set_put(&b, 64, true);
	fy_unit_set_put(&b, 100, true);
	CHECK(fy_unit_set_count_without(&a, &b) == 2);
	CHECK(fy_unit_set_count_without(&b, &a) == 1);
	fy_unit_set_release(&b);
	CHECK(fy_unit_set_count_without(&a, &b) == 3);
	fy_unit_set_release(&a);
}

/* --- which disks ------------------------------------------------------------ */

#define SYS "/sys/dev/block/8:16"

static void
disk_stat(const char *writes, const char *discards)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "  10 0 80 5 %s 0 24 2 0 7 7 %s 0 0 0 1 1\n", writes,
		 discards);
	tree_text(SYS "/stat", text);
}

static bool
is_sure(struct fy_unchanged *ret)
{
	return fy_unchanged_look(tree, makedev(8, 16), ret);
}

static void
test_unchanged(void)
{
	struct fy_unchanged u;

	tree_new();
	CHECK(!is_sure(&u));
	tree_text(SYS "/ro", "1\n");
	CHECK(!is_sure(&u));
	tree_text(SYS "/queue/iostats", "1\n");
	disk_stat("6", "3");
	CHECK(!is_sure(&u)); /* no "slaves": what is this? */
	tree_dir(SYS "/slaves");
	CHECK(is_sure(&u) && u.sure && u.writes == 6 && u.discards == 3);
	CHECK(!u.has_file);
	/* A partition that can be written to. */
	tree_text(SYS "/sdb1/partition", "1\n");
	tree_text(SYS "/sdb1/ro", "1\n");
	CHECK(is_sure(&u));
	tree_text(SYS "/sdb2/partition", "2\n");
	tree_text(SYS "/sdb2/ro", "0\n");
	CHECK(!is_sure(&u));
	tree_text(SYS "/sdb2/ro", "1\n");
	CHECK(is_sure(&u));
	tree_text(SYS "/ro", "0\n");
	CHECK(!is_sure(&u));
	tree_text(SYS "/ro", "1\n");
	/* Counts that are not kept, or not understood. */
	tree_text(SYS "/queue/iostats", "0\n");
	CHECK(!is_sure(&u));
	tree_text(SYS "/queue/iostats", "1\n");
	tree_text(SYS "/stat", "1 2 3\n");
	CHECK(!is_sure(&u));
	disk_stat("7", "4");
	CHECK(is_sure(&u) && u.writes == 7 && u.discards == 4);
	/* A partition; a device on others. */
	tree_text(SYS "/partition", "1\n");
	CHECK(!is_sure(&u));
	CHECK(unlink(tree_path(SYS "/partition")) == 0 && is_sure(&u));
	tree_link(SYS "/slaves/sda", "../../sda");
	CHECK(!is_sure(&u));
	tree_free();
}

static void
test_loop(void)
{
	struct fy_unchanged u, later;
	char text[512];

	tree_new();
	tree_text(SYS "/ro", "1\n");
	tree_text(SYS "/queue/iostats", "1\n");
	tree_dir(SYS "/slaves");
	disk_stat("0", "0");
	tree_text("/image", "1234");
	snprintf(text, sizeof(text), "%s\n", tree_path("/image"));
	tree_text(SYS "/loop/backing_file", text);
	/* Changed just now: another change might get the same time. */
	CHECK(!is_sure(&u));
	sleep(3);
	CHECK(is_sure(&u) && u.has_file && u.file_size == 4);
	tree_text("/image", "1235");
	sleep(3);
	CHECK(is_sure(&later));
	CHECK(later.file_changed.tv_sec != u.file_changed.tv_sec);
	tree_text(SYS "/loop/backing_file", "/nonexistent (deleted)\n");
	CHECK(!is_sure(&u));
	tree_free();
}

/* An image file is never sure, whatever its mode. */
static void
test_file(void)
{
	struct fy_volume *v = NULL;
	struct fy_error err = { 0 };
	struct fy_unchanged u;

	tree_new();
	tree_sparse("/image", 1 << 20);
	CHECK(chmod(tree_path("/image"), 0400) == 0);
	CHECK_OK(fy_volume_open_path(tree_path("/image"), 0, 0, &v, &err),
		 &err);
	fy_unchanged_begin(&u, v);
	CHECK(!u.sure && !fy_unchanged_still(&u, v));
	fy_volume_close(v);
	tree_free();
}

int
main(void)
{
	struct fy_server_memory m = { .reached = true };

	test_pauses();
	test_budget();
	test_helps();
	test_wait();
	test_known();
	test_counts();
	test_unchanged();
	test_loop();
	test_file();
	m.password = strdup("secret");
	fy_server_memory_release(&m);
	CHECK(m.password == NULL && !m.reached);
	return test_result();
}
