/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The undo log: what it restores, that a cut log writes nothing whatever the
 * cut, and that damage in a complete one is an error before any write.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/inject.h"
#include "drivers-inject/undo.h"

#define SIZE (1u << 20)

static unsigned char disks_now[2][SIZE], original[2][SIZE], changed_to[2][SIZE];
static unsigned writes;
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
	(void)e;
	writes++;
	memcpy((unsigned char *)h + offset, buf, len);
	return 0;
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

/* Each cut, some garbage behind it too: success, and nothing is written. */
static void
test_cut(struct fy_volume *const *v, int dir, const char *log, size_t len)
{
	fy_autofree char *torn = malloc(len);
	size_t cut;

	for (cut = 0; cut < len; cut += cut < 200 || len - cut < 80 ? 1 : 997) {
		writes = 0;
		put_log(dir, log, cut);
		CHECK_OK(fy_undo_apply(v, 2, dir, &err), &err);
		CHECK(writes == 0);
		memcpy(torn, log, cut);
		memset(torn + cut, 0, len - cut);
		put_log(dir, torn, len);
		CHECK_OK(fy_undo_apply(v, 2, dir, &err), &err);
		CHECK(writes == 0);
	}
}

/* The trailer is there: a flipped byte is an error, and nothing is written. */
static void
test_damage(struct fy_volume *const *v, int dir, char *log, size_t len)
{
	struct fy_error e = { 0 };
	size_t at;

	for (at = 0; at < len - 32; at += at < 200 ? 1 : 991) {
		writes = 0;
		log[at] ^= 0x10;
		put_log(dir, log, len);
		fy_error_clear(&e);
		CHECK(fy_undo_apply(v, 2, dir, &e) == -1);
		CHECK(writes == 0);
		log[at] ^= 0x10;
	}
}

/* What to change, from a process that is not trusted: as it was meant, and cut
 * or damaged, which writes nothing. */
static void
test_changes(struct fy_volume *const *v, struct fy_extents *const *x)
{
	fy_autofd int fd = fy_file_temporary(NULL, &err);
	struct fy_volume *to[2] = { NULL, NULL };
	struct fy_extents *is[2] = { NULL, NULL };
	struct fy_extents *const known[2] = { x[0], fy_extents_new(&err) };
	struct fy_error e = { 0 };
	off_t len, at;
	char byte;
	size_t i;

	for (i = 0; i < 2; i++) {
		to[i] = fy_volume_new(&mem_ops, changed_to[i], "mem", SIZE, 512,
				      &err);
		is[i] = fy_extents_new(&err);
	}
	memcpy(disks_now, original, sizeof(original));
	CHECK_OK(fy_changes_write(to, x, 2, fd, NULL, &err), &err);
	CHECK_OK(fy_changes_read(v, 2, fd, is, &err), &err);
	for (i = 0; i < 2; i++)
		CHECK(fy_extents_bytes(is[i]) == fy_extents_bytes(x[i]) &&
		      fy_extents_count(is[i]) == fy_extents_count(x[i]) &&
		      fy_extents_end(is[i]) == fy_extents_end(x[i]));
	writes = 0;
	CHECK_OK(fy_changes_apply(v, 2, fd, is, NULL, &err), &err);
	CHECK(writes > 0 &&
	      memcmp(disks_now, changed_to, sizeof(changed_to)) == 0);
	/* It has more than was read: that is not written. */
	memcpy(disks_now, original, sizeof(original));
	CHECK(fy_changes_apply(v, 2, fd, known, NULL, &e) == -1 &&
	      e.code == FY_E_CORRUPT);
	CHECK(memcmp(disks_now[0], changed_to[0], SIZE) == 0 &&
	      memcmp(disks_now[1], original[1], SIZE) == 0);
	fy_extents_free(known[1]);
	writes = 0;
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
	for (i = 0; i < 2; i++) {
		fy_volume_close(to[i]);
		fy_extents_free(is[i]);
	}
}

int
main(void)
{
	struct fy_volume *v[2] = { NULL, NULL };
	struct fy_extents *x[2] = { NULL, NULL };
	fy_autofree char *path = NULL;
	fy_autofree char *log = NULL;
	struct fy_error e = { 0 };
	fy_autofd int dir = -1;
	size_t i, len = 0;

	fill();
	CHECK_OK(fy_dir_temporary("test-undo", &path, &err), &err);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	memcpy(disks_now, original, sizeof(original));
	for (i = 0; i < 2; i++) {
		v[i] = fy_volume_new(&mem_ops, disks_now[i], "mem", SIZE, 512,
				     &err);
		x[i] = fy_extents_new(&err);
		diff(i, x[i]);
	}
	CHECK(fy_undo_apply(v, 2, dir, &e) == -1 && e.code == FY_E_NOTFOUND);
	CHECK_OK(fy_undo_write(v, x, 2, dir, NULL, &err), &err);
	CHECK(writes == 0);
	log = read_log(dir, &len);
	/* Half of the changes are there: undone; and again. */
	memcpy(disks_now[0], changed_to[0], SIZE);
	for (i = 0; i < 2; i++) {
		CHECK_OK(fy_undo_apply(v, 2, dir, &err), &err);
		CHECK(memcmp(disks_now, original, sizeof(original)) == 0);
	}
	/* An undone log may be replaced, one that holds may not. */
	CHECK_OK(fy_undo_write(v, x, 2, dir, NULL, &err), &err);
	memcpy(disks_now, changed_to, sizeof(original));
	fy_error_clear(&e);
	CHECK(fy_undo_write(v, x, 2, dir, NULL, &e) == -1 &&
	      e.code == FY_E_EXISTS);
	test_cut(v, dir, log, len);
	test_damage(v, dir, log, len);
	put_log(dir, log, len);
	fy_error_clear(&e);
	CHECK(fy_undo_apply(v, 1, dir, &e) == -1 && e.code == FY_E_USAGE);
	CHECK_OK(fy_undo_apply(v, 2, dir, &err), &err);
	CHECK(memcmp(disks_now, original, sizeof(original)) == 0);
	test_changes(v, x);
	for (i = 0; i < 2; i++) {
		fy_volume_close(v[i]);
		fy_extents_free(x[i]);
	}
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, path, &err), &err);
	return test_result();
}
