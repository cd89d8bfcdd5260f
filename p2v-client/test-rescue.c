/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rescue against a disk whose sectors fail as a table says: everything else
 * arrives, what fails is zero and listed exactly; how often a sector is tried;
 * what ends a job; and the list against a model of bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/bytes.h"
#include "common/test.h"
#include "p2v-client/reader.h"
#include "p2v-client/rescue-list.h"

#define SECTOR	512u
#define SECTORS 16384u /* 8 MiB */
#define SIZE	(SECTORS * SECTOR)
#define UNIT	65536u
#define BATCH	(2u << 20)

static unsigned char disk[SIZE];
/* How many more reads of a sector fail; 255: all. */
static unsigned char fails[SECTORS];
static unsigned tries[SECTORS], reads, reopened;
static int fail_errno = EIO, reopen_errno;
static unsigned slow_us;
static bool dead; /* every read fails */

static uint64_t state = 88172645463325252u;

static uint64_t
chance(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static int
disk_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	uint64_t i, first = offset / SECTOR;
	uint64_t end = (offset + len + SECTOR - 1) / SECTOR;
	bool bad = dead;

	(void)handle;
	reads++;
	for (i = first; i < end; i++) {
		if (end - first == 1)
			tries[i]++;
		if (fails[i] == 0)
			continue;
		bad = true;
		/* Only a sector by itself uses its failures up. */
		if (fails[i] != 255 && end - first == 1)
			fails[i]--;
	}
	memset(buf, 0xdd, len); /* a failed read may leave anything */
	if (bad && slow_us > 0)
		nanosleep(&(struct timespec){ .tv_nsec = slow_us * 1000L },
			  NULL);
	if (bad)
		return fy_error_set(err, FY_E_IO, fail_errno, "read");
	memcpy(buf, disk + offset, len);
	return 0;
}

static int
disk_reopen(void *handle, struct fy_error *err)
{
	(void)handle;
	reopened++;
	return reopen_errno == 0
		       ? 0
		       : fy_error_set(err, FY_E_IO, reopen_errno, "reopen");
}

static const struct fy_volume_ops disk_ops = { .pread = disk_pread,
					       .reopen = disk_reopen };

struct fixture {
	struct fy_volume *volume;
	struct fy_extents *used;
	struct fy_rescue *rescue;
	unsigned char *out; /* what the reader made of the disk */
};

static void
begin(struct fixture *f, const struct fy_rescue_options *o)
{
	struct fy_error err = { .code = FY_E_NONE };
	size_t i;

	for (i = 0; i < SIZE; i++)
		disk[i] = (unsigned char)(1 + chance(255));
	memset(fails, 0, sizeof(fails));
	memset(tries, 0, sizeof(tries));
	reads = reopened = slow_us = 0;
	fail_errno = EIO;
	reopen_errno = 0;
	dead = false;
	f->volume = fy_volume_new(&disk_ops, NULL, "disk", SIZE, SECTOR, &err);
	f->used = fy_extents_new(&err);
	f->rescue = fy_rescue_new(o, &err);
	CHECK_OK(fy_extents_append(f->used, 0, SIZE, &err), &err);
	CHECK(posix_memalign((void **)&f->out, 4096, SIZE) == 0);
	fy_rescue_attach(f->rescue, f->volume);
}

static void
end(struct fixture *f)
{
	fy_rescue_free(f->rescue);
	fy_extents_free(f->used);
	fy_volume_close(f->volume);
	free(f->out);
}

static int
read_from(struct fixture *f, uint64_t offset, struct fy_error *err)
{
	uint64_t bad = UINT64_MAX;
	uint32_t used[BATCH / UNIT];
	struct fy_reader r;

	if (fy_reader_init(&r, f->volume, f->used, err) == -1)
		return -1;
	r.rescue = f->rescue;
	memset(f->out + offset, 0xee, SIZE - offset);
	for (; offset < SIZE; offset += BATCH) {
		memset(used, 0, sizeof(used));
		if (fy_reader_fill(&r, offset, f->out + offset, BATCH, UNIT,
				   used, &bad, err) == -1)
			return -1;
	}
	return 0;
}

/* Sectors are the disk's, or zero and listed, as 'bad' says. */
static void
check_sectors(const struct fixture *f, const bool *bad)
{
	const struct fy_bad_range *x;
	size_t n = fy_rescue_ranges(f->rescue, &x), i, k;
	static const unsigned char zero[SECTOR];
	uint64_t bytes = 0, wrong = 0;

	for (i = 0; i < SECTORS; i++)
		wrong += memcmp(f->out + i * SECTOR,
				bad[i] ? zero : disk + i * SECTOR, SECTOR) != 0;
	CHECK(wrong == 0);
	for (k = 0; k < n; k++) {
		CHECK(k == 0 ||
		      x[k - 1].offset + x[k - 1].length <= x[k].offset);
		for (i = x[k].offset / SECTOR;
		     i < (x[k].offset + x[k].length) / SECTOR; i++)
			wrong += !bad[i];
		bytes += x[k].length;
	}
	CHECK(wrong == 0);
	for (i = 0; i < SECTORS; i++)
		bytes -= bad[i] ? SECTOR : 0;
	CHECK(bytes == 0);
}

static const struct fy_rescue_options plain = { .tries = 1, .max_bytes = SIZE };

static void
test_exact(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	static bool bad[SECTORS];
	struct fixture f;
	size_t i, round;

	for (round = 0; round < 20; round++) {
		begin(&f, &plain);
		memset(bad, 0, sizeof(bad));
		for (i = 0; i < 1 + round * 3; i++) {
			size_t at = chance(SECTORS - 64), n = 1 + chance(40);

			for (; n > 0; n--, at++) {
				bad[at] = true;
				fails[at] = 255;
			}
		}
		bad[0] = bad[SECTORS - 1] = round % 2 == 0;
		fails[0] = fails[SECTORS - 1] = round % 2 == 0 ? 255 : 0;
		CHECK_OK(read_from(&f, 0, &err), &err);
		check_sectors(&f, bad);
		CHECK(reopened > 0);
		/* Once by the halving, once by the retry; no good one twice
		 * without need. */
		for (i = 0; i < SECTORS; i++)
			CHECK(tries[i] == 2 || !bad[i]);
		end(&f);
	}
}

/* One bad sector costs about two reads for each halving. */
static void
test_few_reads(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	static bool bad[SECTORS];
	struct fixture f;

	begin(&f, &plain);
	memset(bad, 0, sizeof(bad));
	bad[5000] = true;
	fails[5000] = 255;
	CHECK_OK(read_from(&f, 0, &err), &err);
	check_sectors(&f, bad);
	CHECK(reads <= SIZE / BATCH + 1 + 2 * 12 + 1);
	end(&f);
}

/* What is not used is not read by the rescue. */
static void
test_unused(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	static bool bad[SECTORS];
	struct fixture f;

	begin(&f, &plain);
	fy_extents_free(f.used);
	f.used = fy_extents_new(&err);
	CHECK_OK(fy_extents_append(f.used, 0, 100 * SECTOR, &err), &err);
	CHECK_OK(fy_extents_append(f.used, 110 * SECTOR, SECTOR, &err), &err);
	memset(bad, 0, sizeof(bad));
	memset(disk + 100 * SECTOR, 0, 10 * SECTOR);
	memset(disk + 111 * SECTOR, 0, SIZE - 111 * SECTOR);
	memset(fails + 100, 255, 10);
	CHECK_OK(read_from(&f, 0, &err), &err);
	check_sectors(&f, bad);
	CHECK(tries[105] == 0);
	/* A used sector by itself. */
	bad[110] = true;
	fails[110] = 255;
	CHECK_OK(read_from(&f, 0, &err), &err);
	check_sectors(&f, bad);
	end(&f);
}

static void
test_retries(void)
{
	struct fy_rescue_options o = { .tries = 3, .max_bytes = SIZE };
	struct fy_error err = { .code = FY_E_NONE };
	static bool bad[SECTORS];
	struct fixture f;

	begin(&f, &o);
	memset(bad, 0, sizeof(bad));
	fails[100] = 3; /* the fourth read succeeds */
	fails[101] = 4; /* the fifth would */
	fails[9000] = 1;
	bad[101] = true;
	CHECK_OK(read_from(&f, 0, &err), &err);
	check_sectors(&f, bad);
	CHECK(tries[100] == 4 && tries[101] == 4);
	/* Read again, it is good, and the list forgets it. */
	CHECK(fy_rescue_bytes(f.rescue) == SECTOR);
	fails[101] = 0;
	bad[101] = false;
	CHECK_OK(read_from(&f, 0, &err), &err);
	check_sectors(&f, bad);
	CHECK(fy_rescue_bytes(f.rescue) == 0);
	end(&f);
	/* No tries: once. */
	o.tries = 0;
	begin(&f, &o);
	fails[100] = 1;
	bad[100] = true;
	CHECK_OK(read_from(&f, 0, &err), &err);
	check_sectors(&f, bad);
	end(&f);
}

/* Which errors are a bad sector's, and which end the job. */
static void
test_errors(void)
{
	static const struct {
		int number;
		bool bad_sector;
	} all[] = { { EIO, true },     { ENODATA, true }, { EREMOTEIO, true },
		    { EILSEQ, true },  { ENXIO, false },  { ENODEV, false },
		    { ENOMEM, false }, { ENOLINK, false } };
	struct fixture f;
	size_t i;
	int r;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct fy_error err = { .code = FY_E_NONE };

		begin(&f, &plain);
		fails[77] = 255;
		fail_errno = all[i].number;
		r = read_from(&f, 0, &err);
		CHECK(r == (all[i].bad_sector ? 0 : -1));
		CHECK(all[i].bad_sector || err.code == FY_E_IO);
		end(&f);
	}
}

/* A disk that goes away in the middle is no disk full of zeros. */
static void
test_gone(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fixture f;

	begin(&f, &plain);
	CHECK_OK(read_from(&f, SIZE / 2, &err), &err);
	dead = true;
	reads = 0;
	CHECK(read_from(&f, 0, &err) == -1);
	CHECK(err.code == FY_E_IO);
	CHECK(strstr(err.msg, "nothing of it can be read") != NULL);
	CHECK(reads < 1000);
	end(&f);

	fy_error_clear(&err);
	begin(&f, &plain);
	memset(fails + 1000, 255, 10);
	reopen_errno = ENXIO;
	CHECK(read_from(&f, 0, &err) == -1);
	CHECK(err.code == FY_E_IO && strstr(err.msg, "gone") != NULL);
	end(&f);

	/* Bad for long, but not everywhere: that goes on. */
	fy_error_clear(&err);
	begin(&f, &plain);
	memset(fails, 255, 3000);
	CHECK_OK(read_from(&f, 0, &err), &err);
	CHECK(fy_rescue_bytes(f.rescue) == 3000 * SECTOR);
	end(&f);
}

static void
test_limit(void)
{
	struct fy_rescue_options o = { .tries = 0, .max_bytes = 20 * SECTOR };
	struct fy_error err = { .code = FY_E_NONE };
	struct fixture f;

	begin(&f, &o);
	memset(fails + 100, 255, 20);
	CHECK_OK(read_from(&f, 0, &err), &err);
	fails[9000] = 255;
	CHECK(read_from(&f, 0, &err) == -1);
	CHECK(err.code == FY_E_UNREADABLE);
	CHECK(strstr(err.msg, "--rescue-max") != NULL);
	end(&f);
}

/* 4 MiB of slow bad sectors are left after the time, in growing steps, and
 * what is behind them is read. */
static void
test_time(void)
{
	struct fy_rescue_options o = { .tries = 5,
				       .area_s = 1,
				       .max_bytes = SIZE };
	struct fy_error err = { .code = FY_E_NONE };
	const struct fy_bad_range *x;
	struct fixture f;
	size_t n, i, skipped = 0, wrong = 0;

	begin(&f, &o);
	memset(fails + 1000, 255, 8192);
	slow_us = 20000;
	CHECK_OK(read_from(&f, 0, &err), &err);
	CHECK(reads < 300);
	n = fy_rescue_ranges(f.rescue, &x);
	CHECK(n >= 2);
	for (i = 0; i < n; i++)
		skipped += x[i].skipped;
	CHECK(skipped > 0 && !x[0].skipped && x[0].offset == 1000 * SECTOR);
	/* At most the last step's size behind the area is lost with it. */
	CHECK(x[n - 1].offset + x[n - 1].length >= (1000 + 8192) * SECTOR);
	CHECK(x[n - 1].offset + x[n - 1].length <=
	      (1000 + 8192) * SECTOR + BATCH);
	for (i = 0; i < SIZE; i++)
		wrong += i < 1000 * SECTOR && f.out[i] != disk[i];
	i = (size_t)(x[n - 1].offset + x[n - 1].length);
	wrong += memcmp(f.out + i, disk + i, SIZE - i) != 0;
	CHECK(wrong == 0);
	end(&f);
}

static void
test_view(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	static unsigned char got[SIZE];
	struct fy_volume *v = NULL;
	struct fixture f;
	size_t i, round, wrong = 0;

	begin(&f, &plain);
	memset(fails + 10, 255, 5);
	memset(fails + 4000, 255, 300);
	CHECK_OK(read_from(&f, 0, &err), &err);
	CHECK_OK(fy_rescue_view(f.rescue, f.volume, &v, &err), &err);
	for (round = 0; round < 500; round++) {
		uint64_t at = chance(SIZE), n = chance(SIZE - at) + 1;

		if (round % 2 == 0)
			at = 9 * SECTOR + chance(8 * SECTOR), n = chance(5000);
		memset(got, 0xee, n);
		CHECK_OK(fy_volume_pread(v, got, n, at, &err), &err);
		for (i = 0; i < n; i++)
			wrong += got[i] != f.out[at + i];
	}
	CHECK(wrong == 0);
	fy_volume_close(v);
	end(&f);
}

/* --- the list alone --------------------------------------------------------------- */

#define BYTES 400

static void
compare_list(const struct fy_bad_list *l, const char *model)
{
	uint64_t bytes = 0;
	size_t i, k, wrong = 0;
	char is[BYTES];

	memset(is, '.', sizeof(is));
	for (i = 0; i < l->n; i++) {
		CHECK(l->items[i].length > 0);
		CHECK(i == 0 ||
		      l->items[i - 1].offset + l->items[i - 1].length <=
			      l->items[i].offset);
		for (k = 0; k < l->items[i].length; k++)
			is[l->items[i].offset + k] =
				l->items[i].skipped ? '*' : '-';
		bytes += l->items[i].length;
	}
	for (i = 0; i < BYTES; i++)
		wrong += is[i] != model[i];
	CHECK(wrong == 0);
	CHECK(bytes == l->bytes);
}

static void
test_list(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_bad_list l = { .most = 1000 };
	struct fy_bad_range x;
	char model[BYTES];
	size_t round, from, to;

	memset(model, '.', sizeof(model));
	for (round = 0; round < 3000; round++) {
		from = chance(BYTES);
		to = from + 1 + chance(20);
		to = fy_min_u64(to, BYTES);
		CHECK_OK(fy_bad_list_cut(&l, from, to, &err), &err);
		memset(model + from, '.', to - from);
		if (round % 3 != 0) {
			x = (struct fy_bad_range){ from, to - from,
						   chance(4) == 0 };
			CHECK_OK(fy_bad_list_add(&l, &x, &err), &err);
			memset(model + from, x.skipped ? '*' : '-', to - from);
		}
		compare_list(&l, model);
	}
	fy_bad_list_release(&l);
	/* Full: the nearest become one, and nothing bad is forgotten. */
	l.most = 4;
	memset(model, '.', sizeof(model));
	for (round = 0; round < 20; round++) {
		x = (struct fy_bad_range){ round * 20 + round, 1, false };
		CHECK_OK(fy_bad_list_add(&l, &x, &err), &err);
		CHECK(l.n <= 4);
		for (from = 0; from <= round; from++) {
			size_t i = fy_bad_list_find(&l, from * 21);

			CHECK(i < l.n && l.items[i].offset <= from * 21);
		}
	}
	CHECK(l.items[0].skipped);
	fy_bad_list_release(&l);
}

int
main(void)
{
	test_exact();
	test_few_reads();
	test_unused();
	test_retries();
	test_errors();
	test_gone();
	test_limit();
	test_time();
	test_view();
	test_list();
	return test_result();
}
