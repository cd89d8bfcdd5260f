/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest's files on filesystems of many features: made by mke2fs, edited by
 * us, checked by e2fsck, read back by debugfs.  Symlinks must stay inside.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/overlay.h"
#include "common/subprocess.h"
#include "drivers-inject/guest.h"

static struct fy_error err;
static char *dir;

static char *
at(const char *name)
{
	char *p = fy_format(&err, "%s/%s", dir, name);

	CHECK(p != NULL);
	return p;
}

static void
put(const char *name, const char *data, size_t len)
{
	fy_autofree char *p = at(name);

	CHECK_OK(fy_file_replace_at(AT_FDCWD, p, data, len, 0640, &err), &err);
}

static char big[700000];

static void
make_tree(void)
{
	static const char *const dirs[] = { "t",	 "t/etc",  "t/usr",
					    "t/usr/lib", "t/boot", "t/deep" };
	fy_autofree char *from = NULL;
	size_t i;

	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7919 >> 5);
	for (i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		fy_autofree char *p = at(dirs[i]);

		CHECK(mkdir(p, 0755) == 0);
	}
	put("t/etc/fstab", "tiny\n", 5);
	put("t/etc/other", "other\n", 6);
	put("t/etc/sealed", "sealed\n", 7);
	put("t/etc/gone", "gone\n", 5);
	put("t/boot/initrd", big, sizeof(big));
	put("t/usr/lib/file", "in usr\n", 7);
	for (i = 0; i < 300; i++) { /* so that the directory is indexed */
		char name[64];

		snprintf(name, sizeof(name), "t/deep/a-rather-long-name-%zu",
			 i);
		put(name, "x", 1);
	}
	from = at("t/lib");
	CHECK(symlink("usr/lib", from) == 0);
	free(from);
	from = at("t/abs");
	CHECK(symlink("/etc/fstab", from) == 0);
	free(from);
	from = at("t/up");
	CHECK(symlink("../../../../etc/fstab", from) == 0);
	free(from);
	from = at("t/loop");
	CHECK(symlink("loop", from) == 0);
}

static int
run(const char *const *argv, char **ret)
{
	struct fy_subprocess_options o = { .capture_max = 4 << 20,
					   .accept = 0 };
	struct fy_subprocess_result r = { 0 };
	int status = fy_subprocess_run(argv, &o, &r, &err);

	if (ret != NULL) {
		*ret = r.out;
		r.out = NULL;
	}
	fy_subprocess_result_release(&r);
	return status;
}

static int
mke2fs(const char *image, const char *const *options)
{
	fy_autofree char *tree = at("t");
	const char *argv[32] = { "mke2fs", "-q", "-F", "-d", tree };
	size_t n = 5;

	while (*options != NULL)
		argv[n++] = *options++;
	argv[n++] = image;
	argv[n] = NULL;
	/* 24 MiB. */
	unlink(image);
	CHECK(truncate(image, 0) == -1);
	{
		fy_autofd int fd = open(image, O_CREAT | O_RDWR, 0600);

		CHECK(fd >= 0 && ftruncate(fd, 24 << 20) == 0);
	}
	return run(argv, NULL);
}

static char *
cat(const char *image, const char *path)
{
	fy_autofree char *command = fy_format(&err, "cat %s", path);
	const char *argv[] = { "debugfs", "-R", command, image, NULL };
	char *out = NULL;

	CHECK_OK(run(argv, &out), &err);
	return out == NULL ? strdup("") : out;
}

static void
check_text(struct fy_guest *g, const char *path, const char *want)
{
	fy_autofree char *is = NULL;
	size_t len;

	CHECK_OK(fy_guest_read(g, path, 1 << 20, &is, &len, &err), &err);
	CHECK_STR(is, want);
}

static void
look(struct fy_guest *g)
{
	fy_autofree char *is = NULL;
	fy_autofree char *to = NULL;
	struct fy_guest_stat st;
	struct fy_error e = { 0 };
	char **names = NULL;
	size_t len = 0, n = 0;

	check_text(g, "/etc/fstab", "tiny\n");
	check_text(g, "abs", "tiny\n");
	check_text(g, "/up", "tiny\n");
	check_text(g, "/lib/../lib/file", "in usr\n");
	CHECK(fy_guest_stat(g, "/loop", &st, &e) == -1 &&
	      e.code == FY_E_FORMAT);
	fy_error_clear(&e);
	CHECK(fy_guest_stat(g, "/etc/fstab/x", &st, &e) == -1 &&
	      e.code == FY_E_NOTFOUND);
	fy_error_clear(&e);
	CHECK(fy_guest_read(g, "/boot/initrd", 100, &is, &len, &e) == -1 &&
	      e.code == FY_E_FORMAT);
	CHECK_OK(fy_guest_readlink(g, "/lib", &to, &err), &err);
	CHECK_STR(to, "usr/lib");
	CHECK_OK(fy_guest_names(g, "/deep", &names, &n, &err), &err);
	CHECK(n == 300);
	fy_guest_names_free(names, n);
	CHECK_OK(fy_guest_stat(g, "/boot/initrd", &st, &err), &err);
	CHECK(st.size == sizeof(big) && st.mode == 0640 &&
	      st.type == FY_GUEST_FILE);
	CHECK_OK(fy_guest_read(g, "/boot/initrd", 1 << 20, &is, &len, &err),
		 &err);
	CHECK(is != NULL && memcmp(is, big, sizeof(big)) == 0);
}

static void
edit(struct fy_guest *g)
{
	static const char longer[] =
		"a line that is longer than before, and "
		"too long for the inode itself, so that "
		"it has to move out of there ............."
		"........................................\n";
	struct fy_error e = { 0 };
	uint64_t before = 0, after = 0;

	CHECK_OK(fy_guest_free_bytes(g, "/", &before, &err), &err);
	CHECK_OK(fy_guest_write(g, "/up", 0, longer, sizeof(longer) - 1, &err),
		 &err);
	CHECK_OK(fy_guest_write(g, "/etc/other", 0, "", 0, &err), &err);
	CHECK_OK(fy_guest_write(g, "/boot/initrd", 500001, big, 300000, &err),
		 &err);
	CHECK_OK(fy_guest_mkdir(g, "/etc/systemd/network", &err), &err);
	CHECK_OK(fy_guest_create(g, "/etc/systemd/network/a.link", 0644,
				 "[Match]\n", 8, &err),
		 &err);
	CHECK_OK(fy_guest_create(g, "/deep/a-rather-long-name-new", 0600, big,
				 100000, &err),
		 &err);
	CHECK(fy_guest_create(g, "/etc/fstab", 0644, "", 0, &e) == -1 &&
	      e.code == FY_E_EXISTS);
	fy_error_clear(&e);
	CHECK(fy_guest_write(g, "/etc/sealed", 0, "", 0, &e) == -1 &&
	      e.code == FY_E_UNSUPPORTED);
	CHECK(strstr(e.msg, "immutable") != NULL);
	fy_error_clear(&e);
	CHECK(fy_guest_write(g, "/etc", 0, "", 0, &e) == -1 &&
	      e.code == FY_E_UNSUPPORTED);
	check_text(g, "/etc/fstab", longer);
	CHECK_OK(fy_guest_free_bytes(g, "/", &after, &err), &err);
	CHECK(after < before);
}

static char label[] = "system_u:object_r:etc_t:s0";

static void
check_xattr(struct fy_guest *g, const char *path, const char *name,
	    const char *want, size_t want_len)
{
	fy_autofree char *is = NULL;
	size_t len = 0;

	CHECK_OK(fy_guest_get_xattr(g, path, name, &is, &len, &err), &err);
	CHECK(len == want_len && is != NULL && memcmp(is, want, len) == 0 &&
	      is[len] == '\0');
}

/* Symlinks, removing, renaming, owners, attributes. */
static void
change_names(struct fy_guest *g)
{
	static const struct fy_guest_stat st = { .mode = 02751,
						 .uid = 100000,
						 .gid = 7 };
	char long_target[300];
	struct fy_guest_stat is;
	struct fy_error e = { 0 };
	fy_autofree char *to = NULL;
	fy_autofree char *again = NULL;
	size_t i, len;

	memset(long_target, 'z', sizeof(long_target) - 1);
	long_target[sizeof(long_target) - 1] = '\0';
	CHECK_OK(fy_guest_symlink(g, "/etc/new-link", "../usr/lib", &err),
		 &err);
	CHECK_OK(fy_guest_symlink(g, "/etc/long-link", long_target, &err),
		 &err);
	check_text(g, "/etc/new-link/file", "in usr\n");
	CHECK_OK(fy_guest_readlink(g, "/etc/long-link", &to, &err), &err);
	CHECK_STR(to, long_target);
	CHECK(fy_guest_symlink(g, "/lib", "x", &e) == -1 &&
	      e.code == FY_E_EXISTS);
	fy_error_clear(&e);

	for (i = 0; i < 300; i += 3) {
		char name[64];

		snprintf(name, sizeof(name), "/deep/a-rather-long-name-%zu", i);
		CHECK_OK(fy_guest_remove(g, name, &err), &err);
		CHECK(!fy_guest_has(g, name));
	}
	/* The link itself, not what it leads to. */
	CHECK_OK(fy_guest_remove(g, "/abs", &err), &err);
	CHECK(fy_guest_has(g, "/etc/fstab"));
	CHECK(fy_guest_remove(g, "/usr", &e) == -1 &&
	      e.code == FY_E_UNSUPPORTED);
	fy_error_clear(&e);
	CHECK(fy_guest_remove(g, "/etc/sealed", &e) == -1 &&
	      e.code == FY_E_UNSUPPORTED);
	fy_error_clear(&e);
	CHECK(fy_guest_remove(g, "/nothing", &e) == -1 &&
	      e.code == FY_E_NOTFOUND);
	fy_error_clear(&e);
	CHECK_OK(fy_guest_mkdir(g, "/empty/er", &err), &err);
	CHECK_OK(fy_guest_remove(g, "/empty/er", &err), &err);
	CHECK_OK(fy_guest_mkdir(g, "/empty/dir", &err), &err);
	/* It takes its directory along, to another parent. */
	CHECK_OK(fy_guest_create(g, "/empty/dir/file", 0644, "x\n", 2, &err),
		 &err);
	CHECK_OK(fy_guest_rename(g, "/empty/dir", "/usr/moved", &err), &err);
	CHECK_OK(fy_guest_remove(g, "/empty", &err), &err);
	check_text(g, "/usr/moved/../moved/file", "x\n");
	CHECK(fy_guest_rename(g, "/usr", "/usr/moved/usr", &e) == -1);
	fy_error_clear(&e);
	CHECK(fy_guest_rename(g, "/usr", "/etc/fstab", &e) == -1 &&
	      e.code == FY_E_EXISTS);
	fy_error_clear(&e);
	CHECK_OK(fy_guest_rename(g, "/boot/initrd", "/boot/initrd.old", &err),
		 &err);
	CHECK_OK(fy_guest_rename(g, "/boot/initrd.old", "/boot/initrd", &err),
		 &err);

	CHECK_OK(fy_guest_set_stat(g, "/usr/lib/file", &st, &err), &err);
	CHECK_OK(fy_guest_stat(g, "/usr/lib/file", &is, &err), &err);
	CHECK(is.mode == 02751 && is.uid == 100000 && is.gid == 7 &&
	      is.type == FY_GUEST_FILE && is.size == 7);
	CHECK(fy_guest_get_xattr(g, "/etc/fstab", "security.selinux", &again,
				 &len, &e) == -1 &&
	      e.code == FY_E_NOTFOUND);
	fy_error_clear(&e);
	CHECK_OK(fy_guest_set_xattr(g, "/etc/fstab", "security.selinux", label,
				    sizeof(label), &err),
		 &err);
	check_xattr(g, "/etc/fstab", "security.selinux", label, sizeof(label));
	CHECK_OK(fy_guest_set_xattr(g, "/etc/fstab", "user.two", "2", 1, &err),
		 &err);
	CHECK_OK(fy_guest_set_xattr(g, "/etc", "security.selinux", label,
				    sizeof(label), &err),
		 &err);
	/* What is made there gets it. */
	CHECK_OK(fy_guest_create(g, "/etc/labelled", 0640, "l\n", 2, &err),
		 &err);
	CHECK_OK(fy_guest_symlink(g, "/etc/labelled-link", "labelled", &err),
		 &err);
	check_xattr(g, "/etc/labelled", "security.selinux", label,
		    sizeof(label));
	check_xattr(g, "/etc/labelled-link", "security.selinux", label,
		    sizeof(label));
	CHECK_OK(fy_guest_remove(g, "/etc/gone", &err), &err);
	CHECK(fy_guest_set_xattr(g, "/etc/labelled", "user.large", big, 20000,
				 &e) == -1 &&
	      e.code == FY_E_NOSPACE);
}

static void
check_names(const char *image)
{
	static const char *const wants[][2] = {
		{ "stat /etc/new-link", "\"../usr/lib\"" },
		{ "stat /etc/new-link", "Mode:  0777" },
		{ "stat /usr/lib/file", "Mode:  02751" },
		{ "stat /usr/lib/file", "User: 100000   Group:     7" },
		{ "ea_get /etc/fstab security.selinux",
		  "system_u:object_r:etc_t:s0" },
		{ "ea_get /etc/labelled security.selinux",
		  "system_u:object_r:etc_t:s0" },
		{ "ea_get /etc/fstab user.two", "2" },
		{ "cat /usr/moved/file", "x\n" },
		{ "ls -l /deep", "a-rather-long-name-298" },
	};
	size_t i;

	for (i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		const char *argv[] = { "debugfs", "-R", wants[i][0], image,
				       NULL };
		fy_autofree char *out = NULL;

		CHECK_OK(run(argv, &out), &err);
		CHECK(out != NULL && strstr(out, wants[i][1]) != NULL);
		if (out != NULL && strstr(out, wants[i][1]) == NULL)
			fprintf(stderr, "%s: %s\n", wants[i][0], out);
	}
	{
		/* ls shows a removed entry that is the first of its block. */
		const char *argv[] = { "debugfs", "-R",
				       "stat /deep/a-rather-long-name-297",
				       image, NULL };
		fy_autofree char *out = NULL;

		CHECK_OK(run(argv, &out), &err);
		CHECK(out == NULL || strstr(out, "Inode:") == NULL);
	}
}

static void
check_result(const char *image)
{
	fy_autofree char *fstab = cat(image, "/etc/fstab");
	fy_autofree char *other = cat(image, "/etc/other");
	fy_autofree char *file = cat(image, "/usr/lib/file");
	fy_autofree char *initrd = cat(image, "/boot/initrd");
	fy_autofree char *new = cat(image, "/deep/a-rather-long-name-new");
	fy_autofree char *x = cat(image, "/deep/a-rather-long-name-299");
	fy_autofree char *st = NULL;
	const char *argv[] = { "debugfs", "-R", "stat /etc/fstab", image,
			       NULL };

	CHECK(fstab != NULL && strncmp(fstab, "a line that", 11) == 0);
	CHECK_STR(other, "");
	CHECK_STR(file, "in usr\n");
	CHECK_STR(x, "x");
	CHECK(initrd != NULL && memcmp(initrd, big, 500001) == 0 &&
	      memcmp(initrd + 500001, big, 300000) == 0);
	CHECK(new != NULL &&memcmp(new, big, 100000) == 0);
	CHECK_OK(run(argv, &st), &err);
	CHECK(st != NULL && strstr(st, "Mode:  0640") != NULL);
}

/* chattr +i */
static void
seal(const char *image)
{
	const char *look_at[] = { "debugfs", "-R", "stat /etc/sealed", image,
				  NULL };
	const char *set[] = { "debugfs", "-w", "-R", NULL, image, NULL };
	fy_autofree char *out = NULL;
	fy_autofree char *command = NULL;
	const char *flags;

	CHECK_OK(run(look_at, &out), &err);
	flags = out == NULL ? NULL : strstr(out, "Flags: 0x");
	CHECK(flags != NULL);
	command = fy_format(&err, "set_inode_field /etc/sealed flags 0x%lx",
			    strtoul(flags == NULL ? "0" : flags + 9, NULL, 16) |
				    0x10);
	set[3] = command;
	CHECK_OK(run(set, NULL), &err);
}

/* An attribute in an inode of its own; e2fsck counts its blocks. */
static void
make_large(const char *image, const char *const *options)
{
	fy_autofree char *value = at("value");
	fy_autofree char *command = NULL;
	const char *set[] = { "debugfs", "-w", "-R", NULL, image, NULL };
	const char *mend[] = { "e2fsck", "-fy", image, NULL };
	bool large = false;

	for (; *options != NULL; options++)
		large = large || strstr(*options, "ea_inode") != NULL;
	if (!large)
		return;
	put("value", big, 20000);
	command = fy_format(&err, "ea_set -f %s /etc/gone user.large", value);
	set[3] = command;
	CHECK_OK(run(set, NULL), &err);
	run(mend, NULL);
	fy_error_clear(&err);
}

static void
test_features(const char *const *options)
{
	fy_autofree char *image = at("image");
	fy_autovolume struct fy_volume *v = NULL;
	fy_autovolume struct fy_volume *o = NULL;
	fy_autofree char *note = NULL;
	struct fy_guest *g;
	unsigned failed = test_failures;

	CHECK_OK(mke2fs(image, options), &err);
	seal(image);
	make_large(image, options);
	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v, &err),
		 &err);
	/* The check afterwards compares with what was before. */
	CHECK_OK(fy_overlay_new(v, 4096, NULL, &o, &err), &err);
	g = fy_guest_new(&err);
	CHECK_OK(fy_guest_mount(g, "/", &fy_guest_ext, o, true, 0, "p1", &err),
		 &err);
	if (test_failures == failed) {
		look(g);
		edit(g);
		change_names(g);
	}
	CHECK_OK(fy_guest_commit(g, &err), &err);
	fy_guest_free(g);
	CHECK_OK(fy_guest_ext.verify(o, v, &note, &err), &err);
	CHECK(note == NULL);
	{
		fy_autoextents struct fy_extents *x = fy_extents_new(&err);
		struct fy_extents_cursor c;
		struct fy_extent e;
		static char buf[1 << 16];

		CHECK_OK(fy_overlay_changed(o, x, &err), &err);
		fy_extents_cursor_init(&c, x);
		while (fy_extents_next(&c, &e, &err) == 1)
			for (; e.length > 0; e.offset += 4096, e.length -= 4096)
				CHECK(fy_volume_pread(o, buf, 4096, e.offset,
						      &err) == 0 &&
				      fy_volume_pwrite(v, buf, 4096, e.offset,
						       &err) == 0);
	}
	check_result(image);
	check_names(image);
	if (test_failures != failed)
		fprintf(stderr, "with mke2fs %s %s %s\n",
			options[0] ? options[0] : "",
			options[0] ? options[1] : "",
			options[0] && options[2] ? options[3] : "");
	memset(&err, 0, sizeof(err));
}

/* A journal to replay, an error flag: made clean; real damage: refused. */
static void
test_dirty(void)
{
	static const char *const none[] = { NULL };
	fy_autofree char *image = at("image");
	const char *dirty[] = { "debugfs", "-w",
				"-R",	   "set_super_value state 2",
				image,	   NULL };
	const char *orphan[] = { "debugfs", "-w",
				 "-R",	    "set_super_value last_orphan 12",
				 image,	    NULL };
	const char *broken[] = {
		"debugfs", "-w", "-R", "clri /usr", image, NULL
	};
	struct fy_error e = { 0 };
	void *h = NULL;
	int round;

	for (round = 0; round < 3; round++) {
		fy_autovolume struct fy_volume *v = NULL;

		CHECK_OK(mke2fs(image, none), &err);
		CHECK_OK(run(round == 1 ? orphan : dirty, NULL), &err);
		if (round == 2)
			CHECK_OK(run(broken, NULL), &err);
		CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v,
					     &err),
			 &err);
		fy_error_clear(&e);
		CHECK(fy_guest_ext.open(v, true, &h, &e) == -1 &&
		      e.code == FY_E_DIRTY);
		fy_error_clear(&e);
		if (round == 2) {
			CHECK(fy_guest_ext.repair(v, &e) == -1 &&
			      e.code == FY_E_DIRTY);
			continue;
		}
		CHECK_OK(fy_guest_ext.repair(v, &err), &err);
		CHECK_OK(fy_guest_ext.open(v, true, &h, &err), &err);
		CHECK_OK(fy_guest_ext.close(h, false, &err), &err);
	}
}

static void
test_fat(void)
{
	fy_autofree char *image = at("fat");
	const char *mkfs[] = { "mkfs.vfat", "-C", image, "8192", NULL };
	fy_autovolume struct fy_volume *v = NULL;
	fy_autofree char *is = NULL;
	struct fy_error e = { 0 };
	struct fy_guest *g;
	uint64_t left = 0;
	size_t len;

	CHECK_OK(run(mkfs, NULL), &err);
	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v, &err),
		 &err);
	g = fy_guest_new(&err);
	CHECK_OK(fy_guest_mount(g, "/", &fy_guest_fat, v, true, 0, "p1", &err),
		 &err);
	CHECK_OK(fy_guest_mkdir(g, "/EFI/Some long name", &err), &err);
	CHECK_OK(fy_guest_create(g, "/EFI/Some long name/GRUBX64.efi", 0, big,
				 sizeof(big), &err),
		 &err);
	CHECK_OK(fy_guest_free_bytes(g, "/", &left, &err), &err);
	CHECK(left > 4000000 && left < 8192 * 1024 - sizeof(big));
	CHECK_OK(fy_guest_write(g, "/efi/some LONG name/grubx64.EFI", 600000,
				"end", 3, &err),
		 &err);
	CHECK_OK(fy_guest_create(g, "/empty", 0, "", 0, &err), &err);
	CHECK(fy_guest_create(g, "/a*b", 0, "", 0, &e) == -1);
	CHECK(!fy_guest_has(g, "/nothing"));
	fy_error_clear(&e);
	{ /* Too much for it: an error, not half a file. */
		fy_autofree char *huge = calloc(1, 9000000);

		CHECK(fy_guest_create(g, "/huge", 0, huge, 9000000, &e) == -1);
	}
	CHECK_OK(fy_guest_commit(g, &err), &err);
	fy_guest_free(g);
	g = fy_guest_new(&err);
	CHECK_OK(fy_guest_mount(g, "/", &fy_guest_fat, v, false, 0, "p1", &err),
		 &err);
	CHECK_OK(fy_guest_read(g, "/EFI/SOME LONG NAME/grubx64.efi", 1 << 20,
			       &is, &len, &err),
		 &err);
	CHECK(len == 600003 && memcmp(is, big, 600000) == 0 &&
	      memcmp(is + 600000, "end", 3) == 0);
	fy_guest_free(g);
}

int
main(void)
{
	static const char *const features[][8] = {
		{ NULL },
		{ "-t", "ext4", NULL },
		{ "-t", "ext4", "-O", "inline_data", NULL },
		{ "-t", "ext4", "-O", "inline_data,^metadata_csum", "-I", "512",
		  NULL },
		{ "-t", "ext2", NULL },
		{ "-t", "ext3", "-I", "128", NULL },
		{ "-t", "ext4", "-b", "1024", NULL },
		{ "-t", "ext4", "-O", "bigalloc", NULL },
		{ "-t", "ext4", "-O", "quota,project", NULL },
		{ "-t", "ext4", "-O", "^metadata_csum,uninit_bg", NULL },
		{ "-t", "ext4", "-O", "meta_bg,^resize_inode", NULL },
		{ "-t", "ext4", "-O", "ea_inode,large_dir,metadata_csum_seed",
		  NULL },
		{ "-t", "ext4", "-O", "orphan_file", NULL },
	};
	static const char *const needs[] = {
		"mke2fs", "e2fsck", "debugfs", "mcopy", "mkfs.vfat", "fsck.fat"
	};
	char found[4096];
	size_t i;

	for (i = 0; i < sizeof(needs) / sizeof(*needs); i++)
		if (fy_subprocess_find(needs[i], found, sizeof(found)) == -1) {
			fprintf(stderr, "needs %s\n", needs[i]);
			return 77;
		}
	CHECK_OK(fy_dir_temporary("test-guest", &dir, &err), &err);
	make_tree();
	for (i = 0; i < sizeof(features) / sizeof(*features); i++)
		test_features(features[i]);
	test_dirty();
	test_fat();
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	free(dir);
	return test_result();
}
