/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The window of unacknowledged units against a plain list, and sets of units
 * against an array of flags.
 */
#include <stdlib.h>

#include "common/test.h"
#include "p2v-client/units.h"
#include "p2v-client/window.h"

#define UNIT  65536u
#define LIMIT (64 * UNIT)

static uint64_t state = 88172645463325252u;

static uint64_t
chance(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static void
test_window_bounds(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_window_entry e = { .raw_bytes = UNIT, .used_bytes = 7 };
	uint64_t units = 0, used = 0;
	struct fy_window w;
	unsigned i;

	CHECK_OK(fy_window_init(&w, LIMIT, UNIT, &err), &err);
	for (i = 0; i < 64; i++) {
		CHECK(fy_window_has_room(&w, UNIT));
		e.unit = i;
		fy_window_push(&w, &e);
	}
	CHECK(!fy_window_has_room(&w, UNIT));
	CHECK(w.outstanding == LIMIT);
	/* Another disk, units never sent: nothing of ours. */
	fy_window_acknowledge(&w, 1, 0, 64, &units, &used);
	fy_window_acknowledge(&w, 0, 64, 1000, &units, &used);
	CHECK(units == 0 && used == 0 && w.outstanding == LIMIT);
	/* From the middle: the place is free at once. */
	fy_window_acknowledge(&w, 0, 10, 5, &units, &used);
	CHECK(units == 5 && used == 35);
	CHECK(w.outstanding == LIMIT - 5 * UNIT);
	/* Twice is once. */
	fy_window_acknowledge(&w, 0, 10, 5, &units, &used);
	CHECK(units == 5);
	fy_window_acknowledge(&w, 0, 0, UINT64_MAX, &units, &used);
	CHECK(units == 64 && w.outstanding == 0 && w.n == 0);
	fy_window_release(&w);
}

static void
test_window_random(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	static bool out[2][4096];
	uint64_t next[2] = { 0, 0 }, model = 0, units, used, n;
	struct fy_window w;
	unsigned step, i;

	CHECK_OK(fy_window_init(&w, LIMIT, UNIT, &err), &err);
	for (step = 0; step < 20000; step++) {
		uint16_t disk = (uint16_t)chance(2);
		uint64_t first = chance(4096), count = chance(200);

		if (chance(3) > 0 && next[disk] < 4096) {
			struct fy_window_entry e = { .disk = disk,
						     .unit = next[disk],
						     .raw_bytes = UNIT };

			if (!fy_window_has_room(&w, UNIT))
				goto acknowledge;
			fy_window_push(&w, &e);
			out[disk][next[disk]++] = true;
			model++;
			continue;
		}
	acknowledge:
		units = used = n = 0;
		fy_window_acknowledge(&w, disk, first, count, &units, &used);
		for (i = 0; i < count && first + i < 4096; i++) {
			n += out[disk][first + i];
			out[disk][first + i] = false;
		}
		model -= n;
		CHECK(units == n);
		CHECK(w.outstanding == model * UNIT);
	}
	fy_window_release(&w);
}

static void
test_unit_sets(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	static bool model[1000];
	struct fy_unit_set s, other;
	uint64_t n, i, from, want, count = 0;
	bool in;

	for (n = 1; n <= 1000; n = n * 3 + 1) {
		CHECK_OK(fy_unit_set_init(&s, n, &err), &err);
		memset(model, 0, sizeof(model));
		CHECK(fy_unit_set_next(&s, 0, true) == n);
		for (i = 0; i < n; i++) {
			model[i] = chance(5) == 0;
			fy_unit_set_put(&s, i, model[i]);
			count += model[i];
		}
		fy_unit_set_put(&s, n, true); /* outside: nothing */
		CHECK(fy_unit_set_count(&s) == count);
		for (i = 0; i < 200; i++) {
			from = chance(n + 2);
			in = chance(2) == 0;
			for (want = from; want < n && model[want] != in;)
				want++;
			want = want > n ? n : want;
			CHECK(fy_unit_set_next(&s, from, in) == want);
			CHECK(fy_unit_set_has(&s, from) ==
			      (from < n && model[from]));
		}
		CHECK_OK(fy_unit_set_init(&other, n, &err), &err);
		fy_unit_set_put(&other, n / 2, true);
		fy_unit_set_put(&s, n / 2, true);
		fy_unit_set_subtract(&s, &other);
		CHECK(!fy_unit_set_has(&s, n / 2));
		fy_unit_set_release(&other);
		fy_unit_set_release(&s);
		count = 0;
	}
}

static void
test_durable_frames(void)
{
	unsigned char bits[3] = { 0x81, 0x00, 0x02 };
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_unit_set s;

	CHECK_OK(fy_unit_set_init(&s, 34, &err), &err);
	CHECK_OK(fy_unit_set_load(&s, 8, bits, 3, &err), &err);
	CHECK(fy_unit_set_count(&s) == 3);
	CHECK(fy_unit_set_has(&s, 8) && fy_unit_set_has(&s, 15) &&
	      fy_unit_set_has(&s, 25));
	/* Bits behind the end, and places that are none. */
	CHECK(fy_unit_set_load(&s, 16, bits, 3, &err) == 0);
	CHECK(fy_unit_set_load(&s, 24, bits, 3, &err) == -1);
	CHECK(err.code == FY_E_PROTOCOL);
	CHECK(fy_unit_set_load(&s, 4, bits, 1, NULL) == -1);
	CHECK(fy_unit_set_load(&s, UINT64_MAX - 7, bits, 1, NULL) == -1);
	fy_unit_set_release(&s);
}

int
main(void)
{
	test_window_bounds();
	test_window_random();
	test_unit_sets();
	test_durable_frames();
	return test_result();
}
