/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest's files on NTFS: volumes that mkntfs made, edited by us, judged by
 * ntfs-3g's own tools; and those that must not be edited.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "drivers-inject/guest-ntfs.h"
#include "drivers-inject/guest.h"
#include "partclone/ntfs-io.h"

static struct fy_error err;
static char *dir;
static char big[3000000];

static char *
at(const char *name)
{
	char *p = fy_format(&err, "%s/%s", dir, name);

	CHECK(p != NULL);
	return p;
}

static int
run(const char *const *argv, char **ret, size_t *ret_len)
{
	struct fy_subprocess_options o = { .capture_max = 8 << 20,
					   .accept = 0 };
	struct fy_subprocess_result r = { 0 };
	struct fy_error e = { 0 };
	int status = fy_subprocess_run(argv, &o, &r, &e);

	if (ret != NULL) {
		*ret = r.out;
		*ret_len = r.out_len;
		r.out = NULL;
	}
	fy_subprocess_result_release(&r);
	return status;
}

static void
make(const char *image, const char *cluster)
{
	const char *argv[] = { "mkntfs", "-q", "-F", "-p",    "0",   "-H", "16",
			       "-S",	 "63", "-c", cluster, image, NULL };
	fy_autofd int fd = -1;

	unlink(image);
	fd = open(image, O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 40 << 20) == 0);
	CHECK(run(argv, NULL, NULL) == 0);
}

/* The file is exactly this, says ntfscat. */
static void
check_cat(const char *image, const char *path, const char *want, size_t len)
{
	const char *argv[] = { "ntfscat", image, path, NULL };
	char *out = NULL;
	size_t out_len = 0;

	CHECK(run(argv, &out, &out_len) == 0);
	CHECK(out_len == len);
	CHECK(out_len == len && (len == 0 || memcmp(out, want, len) == 0));
	free(out);
}

static bool
listed(const char *image, const char *path, const char *name)
{
	const char *argv[] = { "ntfsls", "-p", path, image, NULL };
	fy_autofree char *line = fy_format(&err, "%s\n", name);
	char *out = NULL;
	size_t len = 0;
	bool is;

	CHECK(run(argv, &out, &len) == 0);
	is = out != NULL && line != NULL && strstr(out, line) != NULL;
	free(out);
	return is;
}

static void
check_clean(const char *image)
{
	const char *argv[] = { "ntfsfix", "-n", image, NULL };
	const char *info[] = { "ntfsresize", "-i", "-f", image, NULL };

	CHECK(run(argv, NULL, NULL) == 0);
	/* Goes through all records and the bitmap. */
	CHECK(run(info, NULL, NULL) == 0);
}

static void
put(struct fy_guest *g, const char *path, const void *data, size_t len)
{
	CHECK_OK(fy_guest_create(g, path, 0644, data, len, &err), &err);
}

static void
edit(struct fy_guest *g)
{
	struct fy_guest_stat st;
	fy_autofree char *is = NULL;
	char **names = NULL;
	size_t n = 0, i, len = 0;
	struct fy_error e = { 0 };
	uint64_t left = 0;

	CHECK_OK(fy_guest_mkdir(g, "/Windows/System32/drivers", &err), &err);
	put(g, "/Windows/System32/drivers/small.sys", "MZ\n", 3);
	put(g, "/Windows/System32/Ünï.txt", big, 70000);
	put(g, "/big.bin", big, sizeof(big));
	put(g, "/gone.bin", big, 100000);
	/* In any case. */
	CHECK_OK(fy_guest_stat(g, "/WINDOWS/system32/DRIVERS/SMALL.SYS", &st,
			       &err),
		 &err);
	CHECK(st.type == FY_GUEST_FILE && st.size == 3);
	CHECK(fy_guest_is_dir(g, "/windows/SYSTEM32"));
	CHECK(fy_guest_has(g, "/windows/system32/üNÏ.TXT"));
	CHECK(fy_guest_create(g, "/BIG.BIN", 0644, "x", 1, &e) == -1);
	CHECK(e.code == FY_E_EXISTS);
	fy_error_clear(&e);
	CHECK(fy_guest_create(g, "/no|name", 0644, "x", 1, &e) == -1);
	CHECK(e.code == FY_E_UNSUPPORTED);
	fy_error_clear(&e);
	CHECK(fy_guest_stat(g, "/$MFT", &st, &e) == -1);
	CHECK(e.code == FY_E_NOTFOUND);
	fy_error_clear(&e);
	CHECK_OK(fy_guest_write(g, "/big.bin", 1000, "tail", 4, &err), &err);
	CHECK_OK(fy_guest_write(g, "/windows/system32/drivers/SMALL.sys", 0,
				big, 200000, &err),
		 &err);
	CHECK_OK(fy_guest_remove(g, "/gone.bin", &err), &err);
	CHECK(!fy_guest_has(g, "/gone.bin"));
	CHECK_OK(fy_guest_rename(g, "/big.bin", "/Windows/moved.bin", &err),
		 &err);
	CHECK(!fy_guest_has(g, "/big.bin"));
	CHECK(fy_guest_remove(g, "/Windows", &e) == -1);
	CHECK(e.code == FY_E_UNSUPPORTED);
	fy_error_clear(&e);
	for (i = 0; i < 400; i++) { /* an index of more than one block */
		fy_autofree char *p = fy_format(
			&err, "/Windows/a-rather-long-name-%zu.txt", i);

		put(g, p, "x", 1);
	}
	CHECK_OK(fy_guest_names(g, "/WINDOWS", &names, &n, &err), &err);
	CHECK(n == 402);
	CHECK_STR(n == 402 ? names[0] : NULL, "System32");
	fy_guest_names_free(names, n);
	CHECK_OK(fy_guest_read(g, "/windows/moved.bin", 1 << 20, &is, &len,
			       &err),
		 &err);
	CHECK(len == 1004 && memcmp(is, big, 1000) == 0 &&
	      memcmp(is + 1000, "tail", 4) == 0);
	CHECK_OK(fy_guest_free_bytes(g, "/", &left, &err), &err);
	CHECK(left > 20 << 20 && left < 40 << 20);
	/* More than there is. */
	CHECK(fy_guest_stat(g, "/nowhere/at all", &st, &e) == -1);
	CHECK(e.code == FY_E_NOTFOUND);
}

static struct fy_volume *
open_image(const char *image)
{
	struct fy_volume *v = NULL;

	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 512, &v, &err),
		 &err);
	return v;
}

static struct fy_guest *
mount_image(struct fy_volume *v, bool writable)
{
	struct fy_guest *g = fy_guest_new(&err);

	CHECK(g != NULL);
	CHECK_OK(fy_guest_mount(g, "/", &fy_guest_ntfs, v, writable, 0, "p1",
				&err),
		 &err);
	return g;
}

static void
check_bytes(const char *image, const char *other, bool same)
{
	fy_autofree char *a = NULL;
	fy_autofree char *b = NULL;
	size_t al = 0, bl = 0;

	CHECK_OK(fy_file_read_at(AT_FDCWD, image, 64 << 20, &a, &al, &err),
		 &err);
	CHECK_OK(fy_file_read_at(AT_FDCWD, other, 64 << 20, &b, &bl, &err),
		 &err);
	CHECK((al == bl && memcmp(a, b, al) == 0) == same);
}

static void
copy(const char *from, const char *to)
{
	const char *argv[] = { "cp", from, to, NULL };

	CHECK(run(argv, NULL, NULL) == 0);
}

static void
test_edit(const char *cluster)
{
	fy_autofree char *image = at("image");
	fy_autofree char *was = at("was");
	fy_autofree char *note = NULL;
	fy_autofree char *expect = malloc(1004);
	fy_autovolume struct fy_volume *v = NULL;
	fy_autovolume struct fy_volume *before = NULL;
	struct fy_ntfs_check c;
	struct fy_guest *g;

	make(image, cluster);
	copy(image, was);
	v = open_image(image);
	before = open_image(was);
	/* Given up: nothing of it is on the volume. */
	g = mount_image(v, true);
	put(g, "/never", "x", 1);
	fy_guest_free(g);
	check_bytes(image, was, true);

	g = mount_image(v, true);
	edit(g);
	CHECK_OK(fy_guest_commit(g, &err), &err);
	fy_guest_free(g);
	check_bytes(image, was, false);
	CHECK_OK(fy_guest_ntfs.verify(v, before, &note, &err), &err);
	CHECK(note == NULL);
	CHECK_OK(fy_ntfs_check(v, &c, &err), &err);
	CHECK(c.shared == 0 && c.unmarked == 0 && c.lost == 0);

	check_clean(image);
	check_cat(image, "/Windows/System32/drivers/small.sys", big, 200000);
	check_cat(image, "/Windows/System32/Ünï.txt", big, 70000);
	memcpy(expect, big, 1000);
	memcpy(expect + 1000, "tail", 4);
	check_cat(image, "/Windows/moved.bin", expect, 1004);
	CHECK(listed(image, "/Windows", "a-rather-long-name-399.txt"));
	CHECK(!listed(image, "/", "gone.bin"));
	CHECK(!listed(image, "/", "big.bin"));
	CHECK(!listed(image, "/", "never"));
}

/* --- what must not be edited ----------------------------------------------- */

static void
refused(const char *image, enum fy_error_code code, const char *words)
{
	fy_autovolume struct fy_volume *v = open_image(image);
	struct fy_error e = { 0 };
	void *h = NULL;

	CHECK(fy_guest_ntfs.open(v, true, &h, &e) == -1);
	CHECK(e.code == code);
	CHECK(strstr(e.msg, words) != NULL);
}

static void
patch(const char *image, uint64_t offset, const void *data, size_t len)
{
	fy_autovolume struct fy_volume *v = open_image(image);

	CHECK_OK(fy_volume_pwrite(v, data, len, offset, &err), &err);
}

/* Where a resident attribute's value lies in a record on the volume. */
static uint64_t
value_at(const char *image, uint64_t record, uint32_t type)
{
	fy_autovolume struct fy_volume *v = open_image(image);
	unsigned char *buf;
	struct fy_ntfs_attribute a;
	struct fy_ntfs nt;
	uint64_t place = 0;
	uint32_t pos = 0;

	CHECK_OK(fy_ntfs_open(v, NULL, &nt, &err), &err);
	buf = fy_ntfs_record_buffer(&nt, &err);
	CHECK(fy_ntfs_read_record(&nt, record, buf, &err) == 1);
	while (fy_ntfs_next_attribute(buf, &pos, &a, &err) == 1)
		if (a.type == type && a.is_resident)
			place = nt.mft_at + record * nt.record_bytes +
				(uint64_t)(a.value - buf);
	free(buf);
	fy_ntfs_release(&nt);
	CHECK(place != 0);
	return place;
}

static void
test_refused(void)
{
	fy_autofree char *image = at("image");
	fy_autovolume struct fy_volume *v = NULL;
	struct fy_guest *g;
	uint64_t flags;

	make(image, "4096");
	v = open_image(image);
	g = mount_image(v, true);
	put(g, "/hiberfil.sys", big, 0);
	CHECK_OK(fy_guest_write(g, "/hiberfil.sys", 0, "hibr\0\0\0\0", 8, &err),
		 &err);
	CHECK_OK(fy_guest_commit(g, &err), &err);
	fy_guest_free(g);
	refused(image, FY_E_DIRTY, "hibernated");
	/* For reading it is fine. */
	g = mount_image(v, false);
	CHECK(fy_guest_has(g, "/HIBERFIL.SYS"));
	fy_guest_free(g);

	make(image, "4096");
	flags = value_at(image, FY_NTFS_VOLUME, FY_NTFS_VOLUME_INFORMATION);
	patch(image, flags + 10, "\x01", 1);
	refused(image, FY_E_DIRTY, "dirty");
	patch(image, flags + 10, "\x00", 1);
	patch(image, flags + 8, "\x04", 1);
	refused(image, FY_E_UNSUPPORTED, "version 4.1");

	make(image, "4096");
	patch(image, 3, "-FVE-FS-", 8);
	refused(image, FY_E_FORMAT, "");
}

static void
set_flags(const char *image, const char *path, uint32_t add)
{
	fy_autovolume struct fy_volume *v = open_image(image);
	struct fy_guest *g = mount_image(v, true);
	unsigned char b[4];
	uint64_t i;

	put(g, path, big, 20000);
	CHECK_OK(fy_guest_commit(g, &err), &err);
	fy_guest_free(g);
	/* The first file's record is number 64 on what mkntfs makes. */
	i = value_at(image, 64, 0x10);
	CHECK_OK(fy_volume_pread(v, b, 4, i + 32, &err), &err);
	fy_put_le32(b, fy_get_le32(b) | add);
	patch(image, i + 32, b, 4);
}

static void
test_sealed(uint32_t flag, bool readable)
{
	fy_autofree char *image = at("image");
	fy_autovolume struct fy_volume *v = NULL;
	struct fy_guest *g;
	struct fy_error e = { 0 };
	char *data = NULL;
	size_t len = 0;

	make(image, "4096");
	set_flags(image, "/sealed", flag);
	v = open_image(image);
	g = mount_image(v, true);
	CHECK(fy_guest_write(g, "/sealed", 0, "x", 1, &e) == -1);
	CHECK(e.code == FY_E_UNSUPPORTED && strstr(e.msg, "sealed") != NULL);
	CHECK((fy_guest_read(g, "/sealed", 1 << 20, &data, &len, NULL) == 0) ==
	      readable);
	free(data);
	fy_guest_free(g);
}

/* A new file gets what its directory hands down, not "everybody". */
static void
test_security(void)
{
	fy_autofree char *image = at("image");
	fy_autovolume struct fy_volume *v = NULL;
	struct fy_guest *g;
	unsigned char id[4];

	make(image, "4096");
	v = open_image(image);
	g = mount_image(v, true);
	put(g, "/new", "x", 1);
	CHECK_OK(fy_guest_commit(g, &err), &err);
	fy_guest_free(g);
	/* $STANDARD_INFORMATION of version 3 with a security id. */
	CHECK_OK(
		fy_volume_pread(v, id, 4, value_at(image, 64, 0x10) + 52, &err),
		&err);
	CHECK(fy_get_le32(id) >= 256);
}

/* The check itself can fail. */
static void
test_check(void)
{
	fy_autofree char *image = at("image");
	fy_autofree char *was = at("was");
	fy_autofree char *note = NULL;
	fy_autovolume struct fy_volume *v = NULL;
	fy_autovolume struct fy_volume *before = NULL;
	struct fy_ntfs_stream s = { 0 };
	struct fy_error e = { 0 };
	struct fy_ntfs_check c;
	struct fy_ntfs nt;
	unsigned char *buf;
	unsigned char b;
	uint64_t place = 0, room = 0;

	make(image, "4096");
	copy(image, was);
	v = open_image(image);
	before = open_image(was);
	CHECK_OK(fy_ntfs_open(v, NULL, &nt, &err), &err);
	buf = fy_ntfs_record_buffer(&nt, &err);
	CHECK(fy_ntfs_read_record(&nt, FY_NTFS_BITMAP, buf, &err) == 1);
	CHECK(fy_ntfs_open_stream(&nt, FY_NTFS_BITMAP, buf, FY_NTFS_DATA, "",
				  &s, &err) == 1);
	CHECK(fy_ntfs_stream_place(&nt, &s, 0, &place, &room));
	fy_ntfs_stream_release(&s);
	fy_ntfs_release(&nt);
	free(buf);
	CHECK_OK(fy_volume_pread(v, &b, 1, place, &err), &err);
	b ^= 1; /* the boot sector's cluster */
	patch(image, place, &b, 1);
	CHECK_OK(fy_ntfs_check(v, &c, &err), &err);
	CHECK(c.unmarked == 1 && c.lost == 0 && c.shared == 0);
	CHECK(fy_guest_ntfs.verify(v, before, &note, &e) == -1);
	CHECK(e.code == FY_E_CORRUPT);
	/* It was so before: a note. */
	patch(was, place, &b, 1);
	CHECK_OK(fy_guest_ntfs.verify(v, before, &note, &err), &err);
	CHECK(note != NULL && strstr(note, "chkdsk") != NULL);
	b ^= 1;
	patch(image, place, &b, 1);
	patch(image, place + 1000, "\x10", 1);
	CHECK_OK(fy_ntfs_check(v, &c, &err), &err);
	CHECK(c.lost == 1 && c.unmarked == 0);
}

static void
test_full(void)
{
	fy_autofree char *image = at("image");
	fy_autovolume struct fy_volume *v = NULL;
	fy_autofree char *lots = calloc(1, 50 << 20);
	struct fy_error e = { 0 };
	struct fy_guest *g;

	make(image, "4096");
	v = open_image(image);
	g = mount_image(v, true);
	CHECK(fy_guest_create(g, "/lots", 0644, lots, 50 << 20, &e) == -1);
	CHECK(e.code == FY_E_NOSPACE);
	fy_guest_free(g);
	check_clean(image);
}

int
main(void)
{
	static const char *const clusters[] = { "512", "4096", "65536" };
	size_t i;

	CHECK_OK(fy_dir_temporary("test-guest-ntfs", &dir, &err), &err);
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7919 >> 5);
	for (i = 0; i < 3; i++)
		test_edit(clusters[i]);
	test_refused();
	test_sealed(0x4000, false); /* encrypted */
	test_sealed(0x0400, false); /* reparse point */
	test_sealed(0x0800, true);  /* compressed */
	test_security();
	test_check();
	test_full();
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	free(dir);
	return test_result();
}
