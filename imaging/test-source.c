/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Images as volumes: probing, refusing what leads to other files, reading,
 * writing, flushing and holes through qemu-nbd, errors with its words, no
 * process and no file left behind.  And verification: an image that is right,
 * one with each kind of difference.
 */
#include "imaging/source.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/subprocess.h"
#include "common/testing.h"
#include "imaging/verify.h"

static struct fy_error err;
static uint64_t seed = 5;
static char *dir;

static char *
in_dir(const char *name)
{
	char *path = fy_format(&err, "%s/%s", dir, name);

	CHECK(path != NULL);
	return path;
}

static void
put(const char *path, const void *data, size_t len)
{
	CHECK_OK(fy_file_replace_at(AT_FDCWD, path, data, len, 0600, &err));
}

static void
run(const char *const *argv)
{
	CHECK_OK(fy_subprocess_run(argv, NULL, NULL, &err));
}
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static void
no_children(void)
{
	CHECK(waitpid(-1, NULL, WNOHANG) == -1);
}

static void
expect_probe(const char *path, const char *want)
{
	const char *format = NULL;

	CHECK_OK(fy_image_probe_format(path, &format, &err));
	CHECK(fy_streq(format, want));
}

static void
expect_refused(const char *path, const char *format, enum fy_error_code code,
	       const char *words)
{
	struct fy_volume *v = NULL;

	CHECK(fy_image_open(path, format, false, &v, &err) == -1);
	CHECK(v == NULL);
	if (strstr(err.msg, words) == NULL)
		fprintf(stderr, "'%s' lacks '%s'\n", err.msg, words);
	CHECK(strstr(err.msg, words) != NULL);
	CHECK_ERROR(code);
	no_children();
}

static void
test_raw(void)
{
	fy_autofree char *path = in_dir("raw");
	fy_autovolume struct fy_volume *v = NULL;
	unsigned char data[3072], back[3072];

	test_fill_random(&seed, data, sizeof(data));
	put(path, data, sizeof(data));
	expect_probe(path, "raw");
	CHECK_OK(fy_image_open(path, NULL, true, &v, &err));
	CHECK(fy_volume_size(v) == 3072 && fy_volume_fd(v) != -1);
	data[2000] ^= 1;
	CHECK_OK(fy_volume_pwrite(v, data, sizeof(data), 0, &err));
	CHECK_OK(fy_volume_flush(v, &err));
	CHECK_OK(fy_volume_pread(v, back, sizeof(back), 0, &err));
	CHECK(memcmp(data, back, sizeof(back)) == 0);
	unlink(path);
	expect_refused(path, NULL, FY_E_NOTFOUND, "raw");
}

/* Whatever leads elsewhere is opened by its name only. */
static void
test_probing(void)
{
	static const char *const formats[] = { "qcow2", "vmdk", "vhdx", "vdi",
					       "vpc" };
	fy_autofree char *image = in_dir("image"), *base = in_dir("base");
	fy_autofree char *flat = in_dir("image-flat");
	struct fy_volume *v = NULL;
	unsigned i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		RUN("qemu-img", "create", "-q", "-f", formats[i], image, "8M");
		expect_probe(image, formats[i]);
		CHECK_OK(fy_image_open(image, NULL, false, &v, &err));
		CHECK(fy_volume_size(v) >= 8 * FY_MIB);
		fy_volume_close(v);
		v = NULL;
		no_children();
		/* Named raw, it is its own bytes. */
		CHECK_OK(fy_image_open(image, "raw", false, &v, &err));
		CHECK(fy_volume_fd(v) != -1);
		fy_volume_close(v);
		v = NULL;
	}
	RUN("qemu-img", "create", "-q", "-f", "raw", base, "8M");
	RUN("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base,
	    image);
	expect_refused(image, NULL, FY_E_DENIED, base);
	CHECK_OK(fy_image_open(image, "qcow2", false, &v, &err));
	fy_volume_close(v);
	v = NULL;
	unlink(base);
	RUN("qemu-img", "create", "-q", "-f", "vmdk", "-o",
	    "subformat=monolithicFlat", image, "8M");
	expect_refused(image, NULL, FY_E_DENIED, "extents");
	unlink(flat);
	RUN("qemu-img", "create", "-q", "-f", "qed", image, "8M");
	expect_refused(image, NULL, FY_E_UNSUPPORTED, "qed");
	RUN("qemu-img", "create", "-q", "-f", "qcow", image, "8M");
	expect_refused(image, NULL, FY_E_UNSUPPORTED, "qcow");
	expect_refused(image, "qcow2 -x", FY_E_FORMAT, "qcow2 -x");
	expect_refused(image, "-r", FY_E_FORMAT, "-r");
	unlink(image);
}

static void
test_external_data(void)
{
	fy_autofree char *image = in_dir("image"), *data = in_dir("data");
	fy_autofree char *option = fy_format(&err, "data_file=%s", data);

	RUN("qemu-img", "create", "-q", "-f", "qcow2", "-o", option, image,
	    "8M");
	expect_refused(image, NULL, FY_E_DENIED, "external data");
	unlink(image);
	unlink(data);
}

/* Texts that QEMU would follow, wherever they are. */
static void
test_hostile_vmdk(void)
{
	static const char hint[] = "parentCID=FFFFFFFF\n\0"
				   "parentFileNameHint=\"/etc/shadow\"\n";
	fy_autofree char *image = in_dir("image");
	fy_autofree unsigned char *head = calloc(1, 16384);

	memcpy(head, "KDMV\1", 5);

	fy_put_le64(head + 12, 2048);
	fy_put_le64(head + 28, 20);
	fy_put_le64(head + 36, 2);
	memcpy(head + 20 * 512, hint, sizeof(hint));
	put(image, head, 16384);
	expect_refused(image, NULL, FY_E_DENIED, "parentFileNameHint");
	memset(head + 20 * 512, 0, 512);
	memcpy(head + 600, hint, sizeof(hint));
	put(image, head, 16384);
	expect_refused(image, NULL, FY_E_DENIED, "parentFileNameHint");
	memcpy(head + 600, "parentCID=1234abcd", 18);
	memset(head + 620, 0, 512);
	put(image, head, 16384);
	expect_refused(image, NULL, FY_E_DENIED, "parentCID");
	memset(head + 600, 0, 512);
	fy_put_le64(head + 12, 0);
	put(image, head, 16384);
	expect_refused(image, NULL, FY_E_DENIED, "extents");
	fy_put_le64(head + 12, 2048);
	fy_put_le64(head + 28, UINT64_MAX);
	put(image, head, 16384);
	expect_refused(image, NULL, FY_E_FORMAT, "contradicts");
	unlink(image);
}

static void
test_locked(void)
{
	fy_autofree char *image = in_dir("image");
	struct fy_volume *v = NULL, *other = NULL;

	RUN("qemu-img", "create", "-q", "-f", "qcow2", image, "8M");
	CHECK_OK(fy_image_open(image, "qcow2", true, &v, &err));
	CHECK(fy_image_open(image, "qcow2", true, &other, &err) == -1);
	CHECK_ERROR(FY_E_BUSY);
	fy_volume_close(v);
	no_children();
	unlink(image);
}

/* Whoever opened an image is killed: qemu-nbd must not outlive it, which its
 * lock on the image tells. */
static void
test_killed(void)
{
	const struct timespec wait = { .tv_nsec = 20 * 1000000L };
	fy_autofree char *image = in_dir("image");
	struct fy_volume *v = NULL;
	int ready[2], i, r = -1;
	char byte;
	pid_t pid;

	RUN("qemu-img", "create", "-q", "-f", "qcow2", image, "8M");
	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid != -1);
	if (pid == 0) {
		CHECK_OK(fy_image_open(image, "qcow2", true, &v, &err));
		CHECK(write(ready[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	CHECK(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	CHECK(fy_image_open(image, "qcow2", true, &v, &err) == -1);
	CHECK_ERROR(FY_E_BUSY);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	/* Its end is asked for at once, but it is nobody's to wait for. */
	for (i = 0; i < 250 && r == -1; i++) {
		fy_error_clear(&err);
		r = fy_image_open(image, "qcow2", true, &v, &err);
		if (r == -1)
			nanosleep(&wait, NULL);
	}
	CHECK(r == 0);
	fy_error_clear(&err);
	fy_volume_close(v);
	unlink(image);
}

static void
test_broken(void)
{
	unsigned char head[4096] = "QFI\xfb\0\0\0\3";
	fy_autofree char *image = in_dir("image");

	put(image, head, sizeof(head));
	expect_refused(image, NULL, FY_E_CHILD, "qemu-nbd");
	expect_refused(image, "nosuchformat", FY_E_CHILD, "nosuchformat");
	put(image, head, 3);
	expect_probe(image, "raw");
	put(image, head, 0);
	expect_probe(image, "raw");
	unlink(image);
}

/* Random writes and reads against memory, then qemu-img's opinion. */
static void
test_writing(void)
{
	const size_t size = 20 * FY_MIB;
	fy_autofree char *image = in_dir("image");
	fy_autofree unsigned char *want = calloc(1, size), *is = malloc(size);
	struct fy_extents *data = fy_extents_new(&err);
	struct fy_volume *v = NULL;
	size_t at, len;
	unsigned i;

	RUN("qemu-img", "create", "-q", "-f", "qcow2", image, "20M");
	CHECK_OK(fy_image_open_sectors(image, "qcow2", true, 4096, &v, &err));
	CHECK(fy_volume_is_writable(v) && fy_volume_size(v) == size);
	CHECK(fy_volume_sector_bytes(v) == 4096);
	CHECK_OK(fy_volume_data(v, data, &err));
	CHECK(fy_extents_count(data) == 0);
	for (i = 0; i < 40; i++) {
		at = test_random(&seed) % (size / 2);
		len = test_random(&seed) % (i == 0 ? 9 * FY_MIB : 70000) + 1;
		test_fill_random(&seed, want + at, len);
		CHECK_OK(fy_volume_pwrite(v, want + at, len, at, &err));
		at = test_random(&seed) % (size / 2);
		CHECK_OK(fy_volume_pread(v, is, len, at, &err));
		CHECK(memcmp(is, want + at, len) == 0);
	}
	CHECK_OK(fy_volume_flush(v, &err));
	CHECK_OK(fy_volume_pread(v, is, size, 0, &err));
	CHECK(memcmp(is, want, size) == 0);
	CHECK(fy_volume_pread(v, is, 2, size - 1, &err) == -1);
	CHECK_ERROR(FY_E_FORMAT);
	/* Flushed is durable: whatever happens to the process now. */
	RUN("qemu-img", "check", "-q", "-U", "-f", "qcow2", image);
	fy_volume_close(v);
	v = NULL;
	no_children();
	RUN("qemu-img", "check", "-q", "-f", "qcow2", image);
	CHECK_OK(fy_image_open(image, NULL, false, &v, &err));
	CHECK(!fy_volume_is_writable(v));
	CHECK(fy_volume_pwrite(v, is, 1, 0, &err) == -1);
	CHECK_ERROR(FY_E_UNSUPPORTED);
	CHECK_OK(fy_volume_data(v, data, &err));
	CHECK(fy_extents_end(data) <= size && fy_extents_count(data) > 0);
	/* Behind its end all is zero, and said to be. */
	at = (size_t)fy_extents_end(data);
	CHECK(at < size && fy_is_zero(want + at, size - at));
	CHECK_OK(fy_volume_pread(v, is, size, 0, &err));
	CHECK(memcmp(is, want, size) == 0);
	fy_volume_close(v);
	fy_extents_free(data);
	no_children();
	unlink(image);
}

/* --- verification ----------------------------------------------------------- */

#define UNIT	65536u
#define N_UNITS 21u
#define DISK	(20u * UNIT + 1024)

static void
expect_verdict(struct fy_journal *j, const char *image, uint64_t disk_bytes,
	       enum fy_error_code code, const char *words)
{
	struct fy_progress progress = { 0 };
	struct fy_verify v = { .journal = j,
			       .disk_bytes = disk_bytes,
			       .unit_bytes = UNIT,
			       .seed = 99,
			       .progress = &progress };

	fy_image_drop_cache(image);
	CHECK_OK(fy_image_open(image, NULL, false, &v.image, &err));
	if (code == FY_E_NONE) {
		CHECK_OK(fy_image_verify(&v, &err));
		CHECK(progress.done ==
		      fy_journal_count(j, 0) * UNIT - (UNIT - 1024));
	} else {
		CHECK(fy_image_verify(&v, &err) == -1);
		if (strstr(err.msg, words) == NULL)
			fprintf(stderr, "'%s' lacks '%s'\n", err.msg, words);
		CHECK(strstr(err.msg, words) != NULL);
		CHECK_ERROR(code);
	}
	fy_volume_close(v.image);
}

/* A byte of the disk changed, on the image, and back. */
static void
expect_found(struct fy_journal *j, const char *image, uint64_t at,
	     const char *words)
{
	struct fy_volume *v = NULL;
	unsigned char old, new;

	CHECK_OK(fy_image_open(image, NULL, true, &v, &err));
	CHECK_OK(fy_volume_pread(v, &old, 1, at, &err));
	new = old ^ 0x10;
	CHECK_OK(fy_volume_pwrite(v, &new, 1, at, &err));
	CHECK_OK(fy_volume_flush(v, &err));
	fy_volume_close(v);
	expect_verdict(j, image, DISK, FY_E_DIFFERENT, words);
	v = NULL;
	CHECK_OK(fy_image_open(image, NULL, true, &v, &err));
	CHECK_OK(fy_volume_pwrite(v, &old, 1, at, &err));
	CHECK_OK(fy_volume_flush(v, &err));
	fy_volume_close(v);
}

/* Units 0, 3, 4, 5 and the last one (of 1024 bytes) are durable. */
static struct fy_journal *
make_journal(int dirfd, const unsigned char *disk)
{
	static const unsigned durable[] = { 0, 3, 4, 5, 20 };
	struct fy_journal_shape shape = { .units = { N_UNITS }, .n_disks = 1 };
	struct fy_place place = { .mask = 1 };
	fy_autojson json_t *pins = json_object();
	struct fy_journal *j = NULL;
	struct fy_digest digest;
	bool resumed;
	unsigned i;

	CHECK_OK(fy_journal_open(dirfd, pins, &shape, &j, &resumed, &err));
	for (i = 0; i < 5; i++) {
		fy_digest_xxh3(disk + durable[i] * UNIT, UNIT, 99, &digest);
		CHECK_OK(fy_journal_append(j, 0, durable[i], &digest, &place,
					   &err));
	}
	return j;
}

static void
test_verify(const char *format)
{
	fy_autofree unsigned char *disk = calloc(N_UNITS, UNIT);
	fy_autofree char *raw = in_dir("raw"), *image = in_dir("image");
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fy_journal *j;

	test_fill_text(&seed, disk, UNIT);
	test_fill_random(&seed, disk + 3 * UNIT, 3 * UNIT);
	test_fill_random(&seed, disk + 20 * UNIT, 1024);
	put(raw, disk, DISK);
	RUN("qemu-img", "convert", "-f", "raw", "-O", format, raw, image);
	j = make_journal(dirfd, disk);
	expect_verdict(j, image, DISK, FY_E_NONE, NULL);
	expect_verdict(j, image, DISK + 512, FY_E_DIFFERENT,
		       "disk has 1312256");
	expect_found(j, image, 0, "at byte 0 (unit 0");
	expect_found(j, image, 5 * UNIT - 1, "(unit 4 ");
	expect_found(j, image, DISK - 1, "(unit 20 ");
	expect_found(j, image, UNIT, "(unit 1 ");
	expect_found(j, image, 20 * UNIT - 1, "(unit 19 ");
	expect_verdict(j, image, DISK, FY_E_NONE, NULL);
	fy_journal_close(j);
	unlinkat(dirfd, "journal", 0);
	close(dirfd);
	unlink(raw);
	unlink(image);
}

int
main(void)
{
	static const char *const needs[] = { "qemu-img", "qemu-nbd" };
	char path[200];
	unsigned i;

	CHECK_OK(fy_dir_temporary("test-source", &dir, &err));
	CHECK(setenv("TMPDIR", dir, 1) == 0);
	test_raw();
	test_verify("raw");
	for (i = 0; i < 2; i++) {
		if (fy_subprocess_find(needs[i], path, sizeof(path)) == 0)
			continue;
		fprintf(stderr, "skipped: %s is missing\n", needs[i]);
		rmdir(dir);
		return 77;
	}
	test_probing();
	test_external_data();
	test_hostile_vmdk();
	test_locked();
	test_killed();
	test_broken();
	test_writing();
	test_verify("qcow2");
	CHECK(rmdir(dir) == 0); /* no socket, no temporary file */
	free(dir);
	return 0;
}
