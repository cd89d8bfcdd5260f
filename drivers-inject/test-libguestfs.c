/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The injection through libguestfs, with a stand-in for the library
 * (test-libguestfs.h).  So the appliance's life, the choice of subvolumes and of
 * drivers, and the driver's verbs are tested without a virtual machine; what the
 * real one does is tested by full/inject-xfs-btrfs.
 */
#include "drivers-inject/test-libguestfs.h"

#include "common/overlay.h"
#include "common/subprocess.h"
#include "drivers-inject/guest.h"

/* --- the machine -------------------------------------------------------------- */

static char image[300];

static void
put(const char *path, const char *text)
{
	fy_autofree char *full = fy_format(&err, "%s/%s", dir, path);
	fy_autofree char *up = strdup(full);
	char *slash;

	for (slash = strchr(up + strlen(dir) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(up, 0755);
		*slash = '/';
	}
	CHECK_OK(fy_file_replace_at(AT_FDCWD, full, text, strlen(text), 0644,
				    &err),
		 &err);
}

static char *
get(const char *path)
{
	fy_autofree char *full = fy_format(&err, "%s/%s", dir, path);
	char *text = NULL;
	size_t len;

	CHECK_OK(fy_file_read_at(AT_FDCWD, full, MIB, &text, &len, &err), &err);
	return text == NULL ? strdup("") : text;
}

static void
run(const char *const *argv)
{
	CHECK_OK(fy_subprocess_run(argv, NULL, NULL, &err), &err);
}

/* Copied into the disk at 'at' MiB. */
static void
fill(const char *const *mkfs, const char *from, unsigned at)
{
	fy_autofd int in = -1, out = open(image, O_WRONLY | O_CLOEXEC);
	static char buf[MIB];
	off_t to = (off_t)at * MIB;
	ssize_t n;

	run(mkfs);
	in = open(from, O_RDONLY | O_CLOEXEC);
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		if (!fy_is_zero(buf, (size_t)n))
			CHECK(pwrite(out, buf, (size_t)n, to) == n);
		to += n;
	}
}

/* MBR: 1 XFS, 2 Btrfs, 3 LUKS (its header's magic and UUID only). */
static void
make_disk(void)
{
	static const struct {
		unsigned start, mib;
	} parts[] = { { 1, 320 }, { 321, 128 }, { 449, 8 } };
	char xfs[300], btrfs[300], file[340];
	unsigned char mbr[512] = { 0 }, luks[512] = "LUKS\xba\xbe";
	const char *xfs_argv[] = { "mkfs.xfs", "-q", "-f", "-d", file, NULL };
	const char *btrfs_argv[] = { "mkfs.btrfs", "-q", btrfs, NULL };
	fy_autofd int fd = -1;
	int i;

	snprintf(image, sizeof(image), "%s/disk", dir);
	snprintf(xfs, sizeof(xfs), "%s/xfs", dir);
	snprintf(btrfs, sizeof(btrfs), "%s/btrfs", dir);
	snprintf(file, sizeof(file), "file,name=%s,size=320m", xfs);
	fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 460 * (off_t)MIB) == 0);
	for (i = 0; i < 3; i++) {
		unsigned char *e = mbr + 446 + 16 * i;

		e[4] = 0x83;
		fy_put_le32(e + 8, parts[i].start * 2048);
		fy_put_le32(e + 12, parts[i].mib * 2048);
	}
	memcpy(mbr + 510, "\x55\xaa", 2);
	CHECK(pwrite(fd, mbr, 512, 0) == 512);
	fill(xfs_argv, xfs, 1);
	{
		fy_autofd int b =
			open(btrfs, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

		CHECK(b >= 0 && ftruncate(b, 128 * (off_t)MIB) == 0);
	}
	fill(btrfs_argv, btrfs, 321);
	fy_put_be16(luks + 6, 1);
	memcpy(luks + 168, "11111111-2222-3333-4444-555555555555", 36);
	CHECK(pwrite(fd, luks, sizeof(luks), 449 * (off_t)MIB) == 512);
}

static void
make_root(const char *where, const char *fstab)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/etc/os-release", where);
	put(path, "ID=debian\nPRETTY_NAME=\"Test\"\n");
	snprintf(path, sizeof(path), "%s/etc/debian_version", where);
	put(path, "12.0\n");
	snprintf(path, sizeof(path), "%s/etc/fstab", where);
	put(path, fstab);
}

#define OLD "/dev/sda2 /old btrfs noauto 0 0\n"

static void
make_trees(void)
{
	make_root("dev_sda1", "UUID=x / xfs defaults 0 0\n" OLD);
	/* A top level without a root, an old root, the root; and the LUKS. */
	put("dev_sda2/readme", "top\n");
	put("dev_sda2/home/x", "x\n");
	make_root("dev_sda2/@old", "LABEL=b / btrfs subvol=@ 0 0\n" OLD);
	make_root("dev_sda2/@", "LABEL=b / btrfs compress,subvol=/@ 0 0\n" OLD);
	put("dev_sda2/snap/1/etc/fstab", "LABEL=b / btrfs subvol=@ 0 0\n");
	put("dev_sda2/snap/1/etc/os-release", "ID=debian\n");
	make_root("dev_mapper_luks-11111111-2222-3333-4444-555555555555",
		  "UUID=y / ext4 defaults 0 0\n" OLD);
}

/* The report of an injection; NULL when it fails, with 'why'. */
static json_t *
inject(bool dry_run, const char *key, struct fy_error *why)
{
	const struct fy_inject_key keys[] = { { NULL, "wrong" },
					      { NULL, key } };
	struct fy_inject_options o = { .dry_run = dry_run,
				       .job_dirfd = -1,
				       .keys = keys,
				       .n_keys = key == NULL ? 0 : 2 };
	fy_autovolume struct fy_volume *v = NULL;
	fy_autofree char *job = fy_format(&err, "%s/job", dir);
	fy_autofd int fd = -1;
	json_t *report = NULL;

	said[0] = '\0';
	n_mounts = n_mounted = n_checked = 0;
	mkdir(job, 0700);
	if (!dry_run)
		o.job_dirfd = fd = open(job, O_RDONLY | O_CLOEXEC);
	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v, &err),
		 &err);
	fy_inject(&v, 1, &o, &report, why);
	return report;
}

static bool
has_text(const json_t *report, const char *list, const char *volume,
	 const char *key, const char *words)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(report, list), i, o)
	{
		const char *is = json_string_value(json_object_get(o, key));

		if (fy_streq(json_string_value(json_object_get(o, "volume")),
			     volume) &&
		    is != NULL && strstr(is, words) != NULL)
			return true;
	}
	return false;
}

/* --- tests ---------------------------------------------------------------------- */

static void
test_missing(void)
{
	struct fy_error why = { 0 };
	json_t *r;

	missing = true;
	r = inject(true, NULL, &why);
	/* One of them has the system: what to do is said. */
	CHECK(r == NULL && why.code == FY_E_UNSUPPORTED);
	CHECK(strstr(why.msg, "disk 0, p1: ") != NULL &&
	      strstr(why.msg, "not installed") != NULL &&
	      strstr(why.msg, "--no-inject") != NULL);
	json_decref(r);
	fy_error_clear(&why);
	missing = false;
	no_launch = true;
	r = inject(true, NULL, &why);
	CHECK(r == NULL && strstr(why.msg, "does not start") != NULL);
	/* Once is enough. */
	CHECK_STR(said, "create drive launch close ");
	json_decref(r);
	no_launch = false;
}

static void
test_systems(void)
{
	static const char luks[] = "luks/11111111-2222-3333-4444-555555555555";
	struct fy_error why = { 0 };
	json_t *r = inject(false, "right", &why);
	fy_autofree char *root = NULL;
	fy_autofree char *old = NULL;

	CHECK_OK(r == NULL ? -1 : 0, &why);
	CHECK(json_array_size(json_object_get(r, "systems")) == 3);
	CHECK(has_text(r, "systems", "p2", "subvolume", "@"));
	CHECK(has_text(r, "changes", "p1", "path", "/etc/fstab"));
	CHECK(has_text(r, "changes", "p2", "path", "/etc/fstab"));
	CHECK(has_text(r, "changes", luks, "path", "/etc/fstab"));
	CHECK(n_checked == 3 && n_mounted == 0);
	CHECK_STR(said, "create drive launch luks luks umount-all shutdown "
			"close ");
	root = get("dev_sda2/@/etc/fstab");
	CHECK(strstr(root, "compress,subvol=/@ 0 0\nUUID=") != NULL);
	old = get("dev_sda2/@old/etc/fstab");
	CHECK(strstr(old, OLD) != NULL);
	json_decref(r);
	{
		/* What the appliance wrote to the disk is undone, too. */
		fy_autovolume struct fy_volume *v = NULL;
		fy_autofree char *job = fy_format(&err, "%s/job", dir);
		fy_autofd int fd = open(job, O_RDONLY | O_CLOEXEC);
		char is[9] = "";
		uint64_t bytes;

		CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v,
					     &err),
			 &err);
		CHECK_OK(fy_volume_pread(v, is, 8, 600 * 1024, &err), &err);
		CHECK_STR(is, "replayed");
		CHECK_OK(fy_undo_apply(&v, 1, fd, NULL, &bytes, &err), &err);
		CHECK_OK(fy_volume_pread(v, is, 8, 600 * 1024, &err), &err);
		CHECK(fy_is_zero(is, 8));
	}
}

static void
test_wrong_key(void)
{
	struct fy_error why = { 0 };
	json_t *r = inject(true, "another", &why);

	CHECK(has_text(r, "skipped", "p3", "why", "no key"));
	CHECK(json_array_size(json_object_get(r, "systems")) == 2);
	json_decref(r);
}

/* An error of the check fails all, and the disk stays as it is. */
static void
test_bad_check(void)
{
	struct fy_error why = { 0 };
	fy_autovolume struct fy_volume *v = NULL;
	char is[8] = "";

	make_trees();
	xfs_is_bad = true;
	CHECK(inject(false, NULL, &why) == NULL);
	CHECK(why.code == FY_E_CORRUPT && strstr(why.msg, "p1") != NULL);
	xfs_is_bad = false;
	CHECK_OK(fy_volume_open_path(image, 0, 0, &v, &err), &err);
	CHECK_OK(fy_volume_pread(v, is, 8, 600 * 1024, &err), &err);
	CHECK(fy_is_zero(is, 8));
}

/* A FIFO where a program is looked for; and no list of subvolumes, so that the
 * top level, which has no root, is all there is of the Btrfs. */
static void
test_strange(void)
{
	fy_autofree char *fifo = fy_format(&err, "%s/dev_sda1/bin/sh", dir);
	struct fy_error why = { 0 };
	json_t *r;

	make_trees();
	put("dev_sda1/bin/sh", "");
	CHECK(unlink(fifo) == 0 && mkfifo(fifo, 0755) == 0);
	no_subvolumes = true;
	r = inject(true, "right", &why);
	CHECK_OK(r == NULL ? -1 : 0, &why);
	CHECK(json_array_size(json_object_get(r, "systems")) == 2);
	CHECK(has_text(r, "changes", "p1", "path", "/etc/fstab"));
	CHECK(n_mounted == 0);
	json_decref(r);
	no_subvolumes = false;
}

static char big[5 * MIB];

/* The driver's verbs, on the XFS. */
static void
test_verbs(void)
{
	fy_autovolume struct fy_volume *v = NULL;
	fy_autovolume struct fy_volume *o = NULL;
	fy_autovolume struct fy_volume *place = NULL;
	FY_AUTO(disk_set) struct fy_disk_set *set = NULL;
	struct fy_disk_map *map;
	struct fy_appliance *a = NULL;
	struct fy_error e = { 0 };
	fy_autofree char *is = NULL;
	fy_autofree char *to = NULL;
	struct fy_guest_stat st;
	struct fy_guest *g;
	size_t len = 0, i;

	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7919 >> 5);
	CHECK_OK(fy_volume_open_path(image, 0, 0, &v, &err), &err);
	CHECK_OK(fy_overlay_new(v, 4096, NULL, &o, &err), &err);
	CHECK_OK(fy_disk_set_open(&o, 1, &set, &err), &err);
	map = fy_disk_set_map(set, 0);
	n_mounts = 0;
	CHECK_OK(fy_appliance_launch(&o, 1, NULL, NULL, &a, &err), &err);
	CHECK_OK(fy_appliance_look(a, &map, NULL, 0, &err), &err);
	fy_appliance_pause(a);
	CHECK_OK(fy_appliance_resume(a, &err), &err);
	CHECK_OK(fy_appliance_place(a, 0, fy_disk_map_row(map, 0), NULL, &place,
				    &err),
		 &err);
	g = fy_guest_new(&err);
	CHECK_OK(fy_guest_mount(g, "/", &fy_guest_libguestfs, place, true, 0,
				"p1", &err),
		 &err);
	snprintf(label, sizeof(label), "system_u:object_r:etc_t:s0");
	CHECK_OK(fy_guest_create(g, "/etc/big", 0640, big, sizeof(big), &err),
		 &err);
	CHECK(strstr(labelled, "/dev_sda1/etc/big") != NULL);
	CHECK_OK(fy_guest_read(g, "/etc/big", 2 * sizeof(big), &is, &len, &err),
		 &err);
	CHECK(len == sizeof(big) && memcmp(is, big, len) == 0);
	CHECK_OK(fy_guest_write(g, "/etc/big", 3, "xyz", 3, &err), &err);
	CHECK_OK(fy_guest_stat(g, "/etc/big", &st, &err), &err);
	CHECK(st.size == 6 && st.mode == 0640 && st.type == FY_GUEST_FILE);
	CHECK(fy_guest_write(g, "/etc/big", 7, "", 0, &e) == -1 &&
	      e.code == FY_E_FORMAT);
	fy_error_clear(&e);
	CHECK_OK(fy_guest_mkdir(g, "/a/b", &err), &err);
	CHECK_OK(fy_guest_symlink(g, "/a/link", "../etc/big", &err), &err);
	CHECK_OK(fy_guest_readlink(g, "/a/link", &to, &err), &err);
	CHECK_STR(to, "../etc/big");
	CHECK_OK(fy_guest_rename(g, "/a/b", "/c", &err), &err);
	CHECK(fy_guest_is_dir(g, "/c") && !fy_guest_has(g, "/a/b"));
	CHECK_OK(fy_guest_remove(g, "/c", &err), &err);
	CHECK(fy_guest_remove(g, "/a", &e) == -1 && e.code == FY_E_UNSUPPORTED);
	fy_error_clear(&e);
	CHECK(fy_guest_stat(g, "/nothing", &st, &e) == -1 &&
	      e.code == FY_E_NOTFOUND);
	fy_error_clear(&e);
	CHECK(fy_guest_pread(g, "/bin/sh", big, 1, 0, &e) == -1 &&
	      e.code == FY_E_FORMAT);
	fy_error_clear(&e);
	CHECK(fy_guest_read(g, "/bin/sh", MIB, &is, &len, &e) == -1 &&
	      e.code == FY_E_FORMAT);
	fy_error_clear(&e);
	CHECK(fy_guest_write(g, "/bin/sh", 0, "x", 1, &e) == -1 &&
	      e.code == FY_E_UNSUPPORTED);
	fy_guest_free(g);
	CHECK(n_mounted == 0);
	CHECK_OK(fy_appliance_stop(a, &err), &err);
}

int
main(void)
{
	static const char *const needs[] = { "mkfs.xfs", "mkfs.btrfs" };
	char found[4096];
	size_t i;

	for (i = 0; i < 2; i++)
		if (fy_subprocess_find(needs[i], found, sizeof(found)) == -1) {
			fprintf(stderr, "needs %s\n", needs[i]);
			return 77;
		}
	if (access("/dev/fuse", R_OK | W_OK) == -1) {
		fprintf(stderr, "needs /dev/fuse\n");
		return 77;
	}
	setenv("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg", 1);
	CHECK_OK(fy_dir_temporary("test-libguestfs", &dir, &err), &err);
	make_disk();
	make_trees();
	test_missing();
	test_systems();
	make_trees();
	test_wrong_key();
	test_bad_check();
	test_strange();
	test_verbs();
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	free(dir);
	return test_result();
}
