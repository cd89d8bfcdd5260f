/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal: against a model that replays the same operations; cut at every
 * byte; every byte changed; torn batches; damage in the middle with and without
 * forgotten units behind it; pins that differ.
 */
#include "imaging/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/testing.h"

#define DISKS  2
#define UNITS  50
#define RECORD 64

static struct fy_error err;
static uint64_t seed = 7;
static char *dir;
static int dirfd_;
static json_t *pins;
static const struct fy_journal_shape shape = { .units = { UNITS, 37 },
					       .n_disks = DISKS };

struct model {
	bool has[DISKS][UNITS];
	struct fy_digest digest[DISKS][UNITS];
	struct fy_place place[DISKS][UNITS];
	char stage[20];
};

static struct fy_journal *
open_journal(bool want_resumed)
{
	struct fy_journal *j = NULL;
	bool resumed;

	CHECK_OK(fy_journal_open(dirfd_, pins, &shape, &j, &resumed, &err));
	CHECK(resumed == want_resumed);
	return j;
}

static void
append(struct fy_journal *j, struct model *m, unsigned disk, unsigned unit)
{
	struct fy_place *p = &m->place[disk][unit];

	test_fill_random(&seed, m->digest[disk][unit].bytes, 16);
	p->offset = test_random(&seed) >> 20;
	p->stored = (uint32_t)(test_random(&seed) >> 40);
	p->codec = (uint8_t)(test_random(&seed) % 3);
	p->mask = test_random(&seed);
	m->has[disk][unit] = true;
	if (j != NULL)
		CHECK_OK(fy_journal_append(j, disk, unit,
					   &m->digest[disk][unit], p, &err));
}

static void
check_unit(struct fy_journal *j, const struct model *m, unsigned disk,
	   unsigned unit)
{
	struct fy_digest digest;
	struct fy_place place;

	CHECK(fy_journal_has(j, disk, unit) == m->has[disk][unit]);
	if (!m->has[disk][unit]) {
		CHECK(fy_journal_get(j, disk, unit, &digest, &place, &err) ==
		      -1);
		CHECK_ERROR(FY_E_NOTFOUND);
		return;
	}
	CHECK_OK(fy_journal_get(j, disk, unit, &digest, &place, &err));
	CHECK(fy_digest_equal(&digest, &m->digest[disk][unit]));
	CHECK(place.offset == m->place[disk][unit].offset);
	CHECK(place.stored == m->place[disk][unit].stored);
	CHECK(place.codec == m->place[disk][unit].codec);
	CHECK(place.mask == m->place[disk][unit].mask);
}

static void
check_model(struct fy_journal *j, const struct model *m)
{
	unsigned char bits[16];
	unsigned disk, unit, n;
	uint64_t u;

	for (disk = 0; disk < DISKS; disk++) {
		n = 0;
		u = 0;
		fy_journal_bitmap(j, disk, 0, bits, sizeof(bits));
		for (unit = 0; unit < shape.units[disk]; unit++) {
			bool has = m->has[disk][unit];

			check_unit(j, m, disk, unit);
			CHECK((bits[unit / 8] >> unit % 8 & 1) == has);
			if (!has)
				continue;
			CHECK(fy_journal_next(j, disk, &u) && u == unit);
			u++;
			n++;
		}
		CHECK(!fy_journal_next(j, disk, &u));
		CHECK(fy_journal_count(j, disk) == n);
		CHECK(bits[15] == 0);
	}
	CHECK(strcmp(fy_journal_stage(j), m->stage) == 0);
}

static char *
slurp(size_t *len)
{
	char *data;

	CHECK_OK(
		fy_file_read_at(dirfd_, "journal", 1u << 20, &data, len, &err));
	return data;
}

static void
spit(const void *data, size_t len)
{
	/* No fsync: thousands of them are slow, and nothing crashes here. */
	int fd = openat(dirfd_, "journal", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd != -1);
	CHECK_OK(fy_fd_write_full(fd, data, len, &err));
	close(fd);
}

static void
remove_journal(void)
{
	CHECK(unlinkat(dirfd_, "journal", 0) == 0);
}

/*
 * The operations of the tests of damage, with a snapshot of the model after
 * each record; synced after each record in 'syncs'.  'forget_at' 0: none.
 */
#define OPS 24
static struct model states[OPS + 1];

static void
write_ops(unsigned forget_at, uint64_t syncs)
{
	struct fy_journal *j = open_journal(false);
	struct model m = { 0 };
	unsigned i;

	states[0] = m;
	for (i = 0; i < OPS; i++) {
		if (forget_at != 0 && i == forget_at) {
			m.has[0][2 * 3] = false;
			CHECK_OK(fy_journal_forget(j, 0, 2 * 3, &err));
		} else if (i == OPS - 1) {
			CHECK_OK(fy_journal_set_stage(j, "written", &err));
			snprintf(m.stage, sizeof(m.stage), "written");
		} else {
			append(j, &m, i % 5 == 4, i * 2 % 37);
		}
		if (syncs >> i & 1)
			CHECK_OK(fy_journal_sync(j, &err));
		states[i + 1] = m;
	}
	check_model(j, &m);
	CHECK_OK(fy_journal_sync(j, &err));
	fy_journal_close(j);
}

static void
test_whole(void)
{
	struct fy_journal *j;
	struct model m;
	unsigned i;

	write_ops(10, 0x111111);
	m = states[OPS];
	j = open_journal(true);
	CHECK(fy_journal_note(j) == NULL);
	check_model(j, &m);
	/* Not twice, not what isn't there. */
	CHECK(fy_journal_append(j, 0, 0, &m.digest[0][0], &m.place[0][0],
				&err) == -1);
	CHECK_ERROR(FY_E_EXISTS);
	CHECK(fy_journal_append(j, 0, UNITS, &m.digest[0][0], &m.place[0][0],
				&err) == -1);
	CHECK_ERROR(FY_E_PROTOCOL);
	CHECK(fy_journal_forget(j, 1, 36, &err) == -1);
	CHECK_ERROR(FY_E_NOTFOUND);
	/* Forgotten and written anew, over several sessions. */
	for (i = 0; i < 5; i++) {
		m.has[0][0] = false;
		CHECK_OK(fy_journal_forget(j, 0, 0, &err));
		check_unit(j, &m, 0, 0);
		append(j, &m, 0, 0);
		check_model(j, &m);
		CHECK_OK(fy_journal_sync(j, &err));
		fy_journal_close(j);
		j = open_journal(true);
		check_model(j, &m);
	}
	fy_journal_close(j);
	remove_journal();
}

static void
test_cut_everywhere(void)
{
	fy_autofree char *data = NULL;
	struct fy_journal *j;
	fy_autofree char *text = fy_json_text(pins, 0, &err);
	size_t len, n, header, whole;
	struct model m;

	write_ops(10, 0xf0f0f0);
	data = slurp(&len);
	header = len - OPS * RECORD;
	whole = 32 + 8 * DISKS + strlen(text); /* its padding may be missing */
	for (n = 0; n <= len; n++) {
		spit(data, n);
		j = open_journal(n >= whole);
		m = states[n < header ? 0 : (n - header) / RECORD];
		check_model(j, &m);
		CHECK((fy_journal_note(j) == NULL) == (n >= whole));
		/* It goes on from there. */
		if (!m.has[1][36]) {
			append(j, &m, 1, 36);
			CHECK_OK(fy_journal_sync(j, &err));
			fy_journal_close(j);
			j = open_journal(true);
			check_model(j, &m);
		}
		fy_journal_close(j);
	}
	remove_journal();
}

/* Every byte of a journal whose records were all synced one by one. */
static void
test_flips(unsigned forget_at)
{
	fy_autofree char *data = NULL;
	size_t len, header, i, record;
	struct fy_journal *j;
	bool lost;

	write_ops(forget_at, UINT64_MAX);
	data = slurp(&len);
	header = len - OPS * RECORD;
	for (i = 0; i < len; i++) {
		data[i] ^= (char)(1 << i % 8);
		spit(data, len);
		data[i] ^= (char)(1 << i % 8);
		if (i < header) {
			/* The padding behind the pins means nothing. */
			bool padding = i >= 32 + 8 * DISKS && data[i] == '\0';

			j = open_journal(padding);
			check_model(j, &states[padding ? OPS : 0]);
			CHECK((fy_journal_note(j) == NULL) == padding);
			fy_journal_close(j);
			continue;
		}
		record = (i - header) / RECORD;
		/* Behind the last record nobody can tell. */
		lost = forget_at >= record && forget_at != 0 &&
		       record < OPS - 1;
		j = open_journal(!lost);
		check_model(j, &states[lost ? 0 : record]);
		CHECK((fy_journal_note(j) == NULL) == (record == OPS - 1));
		fy_journal_close(j);
	}
	remove_journal();
}

/* An unsynced batch of which some records did not reach the medium: what was
 * synced stays, forget records in the batch or not. */
static void
test_torn_batch(void)
{
	static const uint64_t synced_after = 7; /* record 7 is the last */
	fy_autofree char *data = NULL;
	struct fy_journal *j;
	size_t len, header, i;
	unsigned lost;

	write_ops(10, UINT64_C(1) << synced_after);
	data = slurp(&len);
	len -= RECORD; /* set_stage syncs; it was not reached */
	header = len - (OPS - 1) * RECORD;
	for (lost = 1; lost < 1u << 15; lost += 77) {
		fy_autofree char *torn = malloc(len);
		size_t first = 0;

		memcpy(torn, data, len);
		for (i = 15; i-- > 0;) {
			if ((lost >> i & 1) == 0)
				continue;
			first = synced_after + 1 + i;
			memset(torn + header + first * RECORD, 0, RECORD);
		}
		spit(torn, len);
		j = open_journal(true);
		CHECK(fy_journal_note(j) == NULL);
		check_model(j, &states[first]);
		fy_journal_close(j);
	}
	remove_journal();
}

/* More records than the batch and the scratch index's cache hold. */
static void
test_many(void)
{
	static struct fy_journal_shape big = { .units = { 3000000, 900000 },
					       .n_disks = 2 };
	struct fy_place place = { .stored = 65536, .mask = 1 };
	struct fy_journal *j = NULL;
	struct fy_digest digest = { { 0 } }, d;
	struct fy_place p;
	uint64_t i, u, state;
	bool resumed;
	int session;

	CHECK_OK(fy_journal_open(dirfd_, pins, &big, &j, &resumed, &err));
	for (i = 0; i < 150000; i++) {
		u = i * 7919 % 3000000;
		fy_put_le64(digest.bytes, u);
		place.offset = i << 16;
		CHECK_OK(fy_journal_append(j, 0, u, &digest, &place, &err));
		if (i % 3 == 0)
			CHECK_OK(fy_journal_append(j, 1, i, &digest, &place,
						   &err));
	}
	CHECK_OK(fy_journal_sync(j, &err));
	for (session = 0; session < 2; session++) {
		state = 3;
		for (i = 0; i < 50000; i++) {
			uint64_t k = test_random(&state) % 150000;

			u = k * 7919 % 3000000;
			CHECK_OK(fy_journal_get(j, 0, u, &d, &p, &err));
			CHECK(fy_get_le64(d.bytes) == u);
			CHECK(p.offset == k << 16 && p.stored == 65536);
		}
		CHECK(fy_journal_count(j, 0) == 150000);
		CHECK(fy_journal_count(j, 1) == 50000);
		CHECK(fy_journal_end(j, 0) == UINT64_C(150000) << 16);
		fy_journal_close(j);
		CHECK_OK(fy_journal_open(dirfd_, pins, &big, &j, &resumed,
					 &err));
		CHECK(resumed);
	}
	fy_journal_close(j);
	remove_journal();
}

/* A write that fails is reported, and nothing is appended behind it. */
static void
test_full(void)
{
	struct fy_journal *j = open_journal(false);
	struct rlimit limit, old;
	static struct model m, kept;
	struct stat st;

	append(j, &m, 0, 1);
	CHECK_OK(fy_journal_sync(j, &err));
	kept = m;
	CHECK(fstatat(dirfd_, "journal", &st, 0) == 0);
	CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
	limit = old;
	limit.rlim_cur = (rlim_t)st.st_size + 100;
	append(j, &m, 0, 2);
	append(j, &m, 0, 3);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK(fy_journal_sync(j, &err) == -1);
	CHECK_ERROR(FY_E_IO);
	CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
	CHECK(fy_journal_sync(j, &err) == -1);
	CHECK_ERROR(FY_E_IO);
	CHECK(fy_journal_forget(j, 0, 1, &err) == -1);
	CHECK_ERROR(FY_E_IO);
	CHECK(fy_journal_set_stage(j, "written", &err) == -1);
	CHECK_ERROR(FY_E_IO);
	fy_journal_close(j);
	/* What went through before the end of the room counts. */
	kept.has[0][2] = true;
	kept.digest[0][2] = m.digest[0][2];
	kept.place[0][2] = m.place[0][2];
	j = open_journal(true);
	check_model(j, &kept);
	fy_journal_close(j);
	remove_journal();
}

static void
expect_difference(const char *member, json_t *other, const char *was,
		  const char *is)
{
	struct fy_journal *j = NULL;
	bool resumed;

	CHECK(fy_journal_open(dirfd_, other, &shape, &j, &resumed, &err) == -1);
	CHECK(j == NULL && strstr(err.msg, member) != NULL);
	CHECK(strstr(err.msg, was) != NULL && strstr(err.msg, is) != NULL);
	CHECK_ERROR(FY_E_EXISTS);
	json_decref(other);
}

static void
test_pins(void)
{
	struct fy_journal_shape other = shape;
	struct fy_journal *j = open_journal(false);
	fy_autojson json_t *back = NULL;
	json_t *p;
	bool resumed;

	fy_journal_close(j);
	back = fy_journal_read_pins(dirfd_, &err);
	CHECK(back != NULL && json_equal(back, pins));
	p = json_deep_copy(pins);
	json_object_set_new(p, "format", json_string("raw"));
	expect_difference("'format'", p, "\"qcow2\"", "\"raw\"");
	p = json_deep_copy(pins);
	json_object_set_new(json_array_get(json_object_get(p, "disks"), 1),
			    "size_bytes", json_integer(5));
	expect_difference("'disks[1].size_bytes'", p, "2424832", "5");
	p = json_deep_copy(pins);
	json_object_del(p, "name");
	expect_difference("'name'", p, "\"web01\"", "nothing");
	p = json_deep_copy(pins);
	json_object_set_new(p, "more", json_true());
	expect_difference("'more'", p, "nothing", "true");
	other.units[1]--;
	CHECK(fy_journal_open(dirfd_, pins, &other, &j, &resumed, &err) == -1);
	CHECK_ERROR(FY_E_EXISTS);
	/* An unlike one is not touched by all that. */
	fy_journal_close(open_journal(true));
	remove_journal();
	CHECK(fy_journal_read_pins(dirfd_, &err) == NULL);
	CHECK_ERROR(FY_E_NOTFOUND);
	spit("FYJRNL1\n torn", 13);
	CHECK(fy_journal_read_pins(dirfd_, &err) == NULL);
	CHECK_ERROR(FY_E_NOTFOUND);
	remove_journal();
}

int
main(void)
{
	signal(SIGXFSZ, SIG_IGN);
	CHECK_OK(fy_dir_temporary("test-journal", &dir, &err));
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dirfd_ != -1);
	pins = json_pack("{s:s,s:s,s:[{s:I},{s:I}]}", "name", "web01", "format",
			 "qcow2", "disks", "size_bytes",
			 (json_int_t)UNITS * 65536, "size_bytes",
			 (json_int_t)37 * 65536);
	CHECK(pins != NULL);
	test_whole();
	test_cut_everywhere();
	test_flips(0);
	test_flips(10);
	test_torn_batch();
	test_many();
	test_full();
	test_pins();
	json_decref(pins);
	close(dirfd_);
	/* Nothing else was left there. */
	CHECK(rmdir(dir) == 0);
	free(dir);
	return 0;
}
