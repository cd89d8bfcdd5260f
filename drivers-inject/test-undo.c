/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The undo log: what it restores, after a cut at any write, too; that a cut log
 * writes nothing whatever the cut; that damage in a complete one, and a disk
 * that holds something else than it should, are errors before any write.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/inject.h"
#include "drivers-inject/undo-internal.h"

#define SIZE (1u << 20)

static unsigned char disks_now[2][SIZE], original[2][SIZE], changed_to[2][SIZE];
static unsigned writes;
static unsigned tear_at; /* this write comes to every other sector, and fails */
static bool tear_to_zeros; /* to no sector, and zeros are there */
static struct fy_error err;

static int
mem_pread(void *h, void *buf, size_t len, uint64_t offset, struct fy_error *e)
{
	(void)e;
	memcpy(buf, (unsigned char *)h + offset, len);
	return 0;
}

static int
mem_pwrite(void *h, const void *buf, size_t len, uint64_t offset,
	   struct fy_error *e)
{
	unsigned char *to = (unsigned char *)h + offset;
	size_t at;

	if (++writes != tear_at) {
		memcpy(to, buf, len);
		return 0;
	}
	if (tear_to_zeros)
		memset(to, 0, len);
	else
		for (at = 0; at < len; at += 1024)
			memcpy(to + at, (const char *)buf + at, 512);
	return fy_error_set(e, FY_E_IO, 0, "torn");
}

static const struct fy_volume_ops mem_ops = { .pread = mem_pread,
					      .pwrite = mem_pwrite };

static void
fill(void)
{
	uint32_t s = 7;
	size_t d, i;

	for (d = 0; d < 2; d++)
		for (i = 0; i < SIZE; i++) {
			s = s * 1664525 + 1013904223;
			original[d][i] = (unsigned char)(s >> 24);
		}
	memset(original[1] + 40960, 0, 8192); /* a zero record */
	memcpy(changed_to, original, sizeof(original));
	memset(changed_to[0] + 4096, 1, 4096);
	memset(changed_to[0] + 200000 / 4096 * 4096, 2, 150000 / 4096 * 4096);
	memset(changed_to[1] + 40960, 3, 8192);
	memset(changed_to[1] + SIZE - 4096, 4, 4096);
}

static void
diff(size_t d, struct fy_extents *ret)
{
	uint64_t at;

	for (at = 0; at < SIZE; at += 4096)
		if (memcmp(original[d] + at, changed_to[d] + at, 4096) != 0)
			CHECK_OK(fy_extents_append(ret, at, 4096, &err), &err);
}

static char *
read_log(int dir, size_t *ret_len)
{
	char *log = NULL;

	CHECK_OK(fy_file_read_at(dir, FY_UNDO_NAME, 64 * FY_MIB, &log, ret_len,
				 &err),
		 &err);
	return log;
}

static void
put_log(int dir, const char *log, size_t len)
{
	fy_autofd int fd =
		openat(dir, FY_UNDO_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_OK(fy_fd_write_full(fd, log, len, &err), &err);
}

/* Undo, whatever comes of it: the bytes, or -1. */
static int64_t
undo(struct fy_volume *const *v, size_t n, int dir, struct fy_error *e)
{
	uint64_t bytes = 0;

	writes = 0;
	fy_error_clear(e);
	return fy_undo_apply(v, n, dir, NULL, &bytes, e) == -1 ? -1
							       : (int64_t)bytes;
}

/* Each cut, some garbage behind it too: success, and nothing is written.  When
 * the log was applied (its header says so) that is an error. */
static void
test_cut(struct fy_volume *const *v, int dir, const char *log, size_t len,
	 bool applied)
{
	fy_autofree char *torn = malloc(len);
	const size_t head = 16 + 16 + 4 + 4;
	struct fy_error e = { 0 };
	bool pending;
	size_t cut;

	for (cut = 0; cut < len; cut += cut < 200 || len - cut < 80 ? 1 : 997) {
		int64_t want = applied && cut >= head ? -1 : 0;

		put_log(dir, log, cut);
		CHECK(undo(v, 2, dir, &e) == want && writes == 0);
		CHECK(want == 0 || e.code == FY_E_CORRUPT);
		CHECK_OK(fy_undo_is_pending(dir, &pending, &err), &err);
		CHECK(pending == (want == -1));
		memcpy(torn, log, cut);
		memset(torn + cut, 0, len - cut);
		put_log(dir, torn, len);
		CHECK((undo(v, 2, dir, &e) == 0 || applied) && writes == 0);
	}
}

/* The trailer is there: a flipped byte is an error, and nothing is written. */
static void
test_damage(struct fy_volume *const *v, int dir, char *log, size_t len)
{
	struct fy_error e = { 0 };
	size_t at;

	for (at = 0; at < len - 32; at += at < 200 ? 1 : 991) {
		log[at] ^= 0x10;
		put_log(dir, log, len);
		CHECK(undo(v, 2, dir, &e) == -1 && writes == 0);
		log[at] ^= 0x10;
	}
}

static bool
disks_are(unsigned char (*want)[SIZE])
{
	return memcmp(disks_now, want, sizeof(disks_now)) == 0;
}

/* Refused, with that word in the message, and nothing is written. */
static void
must_refuse(struct fy_volume *const *v, int dir, const char *word)
{
	fy_autofree unsigned char *was = malloc(sizeof(disks_now));
	struct fy_error e = { 0 };

	memcpy(was, disks_now, sizeof(disks_now));
	CHECK(undo(v, 2, dir, &e) == -1 && e.code == FY_E_DIRTY);
	CHECK(strstr(e.msg, word) != NULL);
	CHECK(writes == 0 && memcmp(was, disks_now, sizeof(disks_now)) == 0);
}

/* Inject for real: the log, the changes, and the mark when all went well. */
static int
inject(struct fy_volume *const *v, int dir, int fd, struct fy_error *e)
{
	FY_AUTO(undo_log) struct fy_undo_log *l = NULL;
	bool pending = false;

	memcpy(disks_now, original, sizeof(original));
	unlinkat(dir, FY_UNDO_NAME, 0);
	CHECK_OK(fy_undo_write(v, 2, fd, dir, NULL, &l, &err), &err);
	/* It is locked. */
	CHECK_OK(fy_undo_is_pending(dir, &pending, &err), &err);
	CHECK(pending && undo(v, 2, dir, e) == -1 && e->code == FY_E_BUSY);
	writes = 0;
	fy_error_clear(e);
	if (fy_changes_apply(v, 2, fd, l, NULL, e) == -1)
		return -1;
	CHECK_OK(fy_undo_mark_applied(l, &err), &err);
	return 0;
}

/* After a whole injection each disk must be what it was made. */
static void
test_written_since(struct fy_volume *const *v, int dir, int fd)
{
	struct fy_volume *const swapped[2] = { v[1], v[0] };
	struct fy_error e = { 0 };

	CHECK(inject(v, dir, fd, &e) == 0 && disks_are(changed_to));
	disks_now[1][SIZE - 600]++; /* as a boot does */
	must_refuse(v, dir, "disk 2");
	memset(disks_now[1] + SIZE - 1024, 0, 512);
	must_refuse(v, dir, "disk 2");
	memcpy(disks_now, changed_to, sizeof(disks_now));
	disks_now[0][4096 + 512]++;
	must_refuse(v, dir, "byte 4608");
	memcpy(disks_now, changed_to, sizeof(disks_now));
	must_refuse(swapped, dir, "disk 1");
	memset(disks_now, 0, sizeof(disks_now)); /* another, empty one */
	must_refuse(v, dir, "disk 1");
	/* What is not in the log is nobody's business. */
	memcpy(disks_now, changed_to, sizeof(disks_now));
	disks_now[0][0]++;
	CHECK(undo(v, 2, dir, &e) > 0);
	disks_now[0][0]--;
	CHECK(disks_are(original));
	CHECK(undo(v, 2, dir, &e) > 0 && disks_are(original));
}

/* An injection that is cut at each of its writes, in the midst of that, and an
 * undoing that is. */
static void
test_torn(struct fy_volume *const *v, int dir, int fd)
{
	struct fy_volume *const swapped[2] = { v[1], v[0] };
	struct fy_error e = { 0 };
	unsigned all, n;

	CHECK(inject(v, dir, fd, &e) == 0);
	all = writes;
	for (n = 1; n <= all; n++) {
		tear_at = n;
		CHECK(inject(v, dir, fd, &e) == -1 && e.code == FY_E_IO);
		tear_at = 0;
		must_refuse(swapped, dir, "disk 1");
		CHECK(undo(v, 2, dir, &e) > 0 && disks_are(original));

		CHECK(inject(v, dir, fd, &e) == 0 && disks_are(changed_to));
		tear_at = n;
		CHECK(undo(v, 2, dir, &e) == -1 && e.code == FY_E_IO);
		tear_at = 0;
		must_refuse(swapped, dir, "disk 1");
		CHECK(undo(v, 2, dir, &e) > 0 && disks_are(original));
	}
	CHECK(all > 3);
}

/* A place whose new content was lost with the power: undone, unless nothing
 * tells that it is this disk. */
static void
test_lost(struct fy_volume *const *v, int dir, int fd)
{
	struct fy_error e = { 0 };

	tear_at = 1;
	tear_to_zeros = true;
	CHECK(inject(v, dir, fd, &e) == -1);
	tear_at = 0;
	CHECK(undo(v, 2, dir, &e) > 0 && disks_are(original));
	tear_at = 1;
	CHECK(inject(v, dir, fd, &e) == -1);
	tear_at = 0;
	tear_to_zeros = false;
	memset(disks_now[1], 0, SIZE);
	must_refuse(v, dir, "disk 2");
	disks_now[0][4096] = 1;
	must_refuse(v, dir, "disk 1");
}

/* The log of a program that knew no digests: undone without a look. */
static void
test_plain(struct fy_volume *const *v, struct fy_extents *const *x, int dir)
{
	fy_autofd int fd =
		openat(dir, FY_UNDO_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct fy_error e = { 0 };

	memcpy(disks_now, original, sizeof(original));
	CHECK_OK(fy_changes_write(v, x, 2, fd, NULL, &err), &err);
	memcpy(disks_now, changed_to, sizeof(original));
	disks_now[1][SIZE - 600]++;
	CHECK(undo(v, 2, dir, &e) > 0 && disks_are(original));
	CHECK(unlinkat(dir, FY_UNDO_NAME, 0) == 0);
}

/* A log that fails is gone; one that was left cut is replaced. */
static void
test_fails(struct fy_volume *const *v, int dir, int fd, const char *log,
	   size_t len)
{
	FY_AUTO(undo_log) struct fy_undo_log *l = NULL;
	struct fy_stop stop = { .fd = -1 };
	struct fy_error e = { 0 };
	bool pending = true;

	memcpy(disks_now, original, sizeof(original));
	CHECK_OK(fy_stop_init(&stop, &err), &err);
	fy_stop_raise(&stop);
	put_log(dir, log, len / 2);
	CHECK(fy_undo_write(v, 2, fd, dir, &stop, &l, &e) == -1 &&
	      e.code == FY_E_CANCELLED && l == NULL);
	CHECK(faccessat(dir, FY_UNDO_NAME, F_OK, 0) == -1);
	CHECK_OK(fy_undo_is_pending(dir, &pending, &err), &err);
	CHECK(!pending);
	fy_stop_release(&stop);
	put_log(dir, log, len / 2);
	CHECK_OK(fy_undo_write(v, 2, fd, dir, NULL, &l, &err), &err);
}

/* What to change, from a process that is not trusted: as it was meant, and cut
 * or damaged, which writes nothing. */
static void
test_changes(struct fy_volume *const *v, struct fy_extents *const *x, int fd)
{
	FY_AUTO(undo_log) struct fy_undo_log *undo_log = NULL;
	fy_autofd int undo_fd = fy_file_temporary(NULL, &err);
	struct fy_extents *is[2] = { NULL, NULL };
	struct fy_error e = { 0 };
	off_t len, at;
	char byte;
	size_t i;

	for (i = 0; i < 2; i++)
		is[i] = fy_extents_new(&err);
	memcpy(disks_now, original, sizeof(original));
	CHECK_OK(fy_changes_read(v, 2, fd, is, &err), &err);
	for (i = 0; i < 2; i++)
		CHECK(fy_extents_bytes(is[i]) == fy_extents_bytes(x[i]) &&
		      fy_extents_count(is[i]) == fy_extents_count(x[i]) &&
		      fy_extents_end(is[i]) == fy_extents_end(x[i]));
	undo_log = fy_undo_log_new("undo", undo_fd, v, 2, &err);
	CHECK_OK(fy_undo_fill(undo_log, fd, NULL, &err), &err);
	CHECK_OK(fy_undo_put_trailer(undo_log, &err), &err);
	writes = 0;
	CHECK_OK(fy_changes_apply(v, 2, fd, undo_log, NULL, &err), &err);
	CHECK(writes > 0 && disks_are(changed_to));
	/* Another process has other changes by now: they are not written. */
	memcpy(disks_now, original, sizeof(original));
	changed_to[1][SIZE - 1]++;
	for (i = 0; i < 2; i++) /* what else but the new content */
		memcpy(disks_now[i], changed_to[i], SIZE);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK_OK(fy_changes_write(v, x, 2, fd, NULL, &err), &err);
	memcpy(disks_now, original, sizeof(original));
	CHECK(fy_changes_apply(v, 2, fd, undo_log, NULL, &e) == -1 &&
	      e.code == FY_E_CORRUPT);
	CHECK(memcmp(disks_now[0], changed_to[0], SIZE) == 0 &&
	      memcmp(disks_now[1] + SIZE - 4096, original[1] + SIZE - 4096,
		     4096) == 0);
	changed_to[1][SIZE - 1]--;
	len = lseek(fd, 0, SEEK_END);
	for (at = 0; at < len; at += at < 200 || len - at < 80 ? 1 : 991) {
		CHECK(pread(fd, &byte, 1, at) == 1);
		byte ^= 0x10;
		CHECK(pwrite(fd, &byte, 1, at) == 1);
		fy_error_clear(&e);
		CHECK(fy_changes_read(v, 2, fd, is, &e) == -1);
		byte ^= 0x10;
		CHECK(pwrite(fd, &byte, 1, at) == 1);
	}
	writes = 0;
	fy_error_clear(&e);
	CHECK(fy_changes_read(v, 1, fd, is, &e) == -1);
	CHECK(ftruncate(fd, len - 1) == 0);
	fy_error_clear(&e);
	CHECK(fy_changes_read(v, 2, fd, is, &e) == -1 &&
	      e.code == FY_E_CORRUPT);
	CHECK(ftruncate(fd, 0) == 0);
	fy_error_clear(&e);
	CHECK(fy_changes_read(v, 2, fd, is, &e) == -1 &&
	      e.code == FY_E_CORRUPT);
	CHECK(writes == 0);
	for (i = 0; i < 2; i++)
		fy_extents_free(is[i]);
}

/* The log itself: written, applied twice, replaced, cut, damaged. */
static void
test_log(struct fy_volume *const *v, int dir, int fd)
{
	FY_AUTO(undo_log) struct fy_undo_log *l = NULL;
	fy_autofree char *log = NULL;
	struct fy_error e = { 0 };
	size_t i, len = 0;

	memcpy(disks_now, original, sizeof(original));
	CHECK(undo(v, 2, dir, &e) == -1 && e.code == FY_E_NOTFOUND);
	CHECK_OK(fy_undo_write(v, 2, fd, dir, NULL, &l, &err), &err);
	CHECK(writes == 0);
	fy_undo_log_free(fy_steal_ptr(&l));
	log = read_log(dir, &len);
	/* Half of the changes are there: undone; and again. */
	memcpy(disks_now[0], changed_to[0], SIZE);
	for (i = 0; i < 2; i++)
		CHECK(undo(v, 2, dir, &e) > 0 && disks_are(original));
	/* An undone log may be replaced, one that holds may not. */
	CHECK_OK(fy_undo_write(v, 2, fd, dir, NULL, &l, &err), &err);
	fy_undo_log_free(fy_steal_ptr(&l));
	memcpy(disks_now, changed_to, sizeof(original));
	fy_error_clear(&e);
	CHECK(fy_undo_write(v, 2, fd, dir, NULL, &l, &e) == -1 &&
	      e.code == FY_E_EXISTS);
	test_cut(v, dir, log, len, false);
	test_damage(v, dir, log, len);
	log[16 + 16 + 4] = 1;
	test_cut(v, dir, log, len, true);
	test_damage(v, dir, log, len);
	put_log(dir, log, len);
	CHECK(undo(v, 1, dir, &e) == -1 && e.code == FY_E_USAGE);
	CHECK(undo(v, 2, dir, &e) > 0 && disks_are(original));
	log[16 + 16 + 4] = 0;
	test_fails(v, dir, fd, log, len);
}

int
main(void)
{
	fy_autofd int fd = fy_file_temporary(NULL, &err);
	struct fy_volume *v[2] = { NULL, NULL };
	struct fy_extents *x[2] = { NULL, NULL };
	fy_autofree char *path = NULL;
	fy_autofd int dir = -1;
	size_t i;

	fill();
	CHECK_OK(fy_dir_temporary("test-undo", &path, &err), &err);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	memcpy(disks_now, changed_to, sizeof(original));
	for (i = 0; i < 2; i++) {
		v[i] = fy_volume_new(&mem_ops, disks_now[i], "mem", SIZE, 512,
				     &err);
		x[i] = fy_extents_new(&err);
		diff(i, x[i]);
	}
	CHECK_OK(fy_changes_write(v, x, 2, fd, NULL, &err), &err);
	test_log(v, dir, fd);
	test_written_since(v, dir, fd);
	test_torn(v, dir, fd);
	test_lost(v, dir, fd);
	test_plain(v, x, dir);
	test_changes(v, x, fd);
	for (i = 0; i < 2; i++) {
		fy_volume_close(v[i]);
		fy_extents_free(x[i]);
	}
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, path, &err), &err);
	return test_result();
}
