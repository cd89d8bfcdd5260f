/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TEST_LIBGUESTFS_H
#define FY_TEST_LIBGUESTFS_H

/*
 * A stand-in for libguestfs: its devices are directories of this machine, in
 * 'dir' ("dev_sda2").  What a test wants to know is noted.
 */
#include "common/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/appliance-internal.h"

#define MIB (1024u * 1024)

static struct fy_error err;
static char *dir;

struct mount {
	char at[32], of[400];
};
static struct mount mounts[64];
static size_t n_mounts, n_mounted, n_checked;
static char said[4096]; /* calls of interest, in order */
static char label[64];	/* security.selinux of all directories */
static char labelled[512];
static int failed; /* errno of the last call */
static bool missing, no_launch, xfs_is_bad, no_subvolumes;

static void
say(const char *what)
{
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%s ", what);
}

static int
result(int r)
{
	failed = r == -1 ? errno : 0;
	return r;
}

static void
host_of_device(const char *device, char *ret, size_t size)
{
	char *p;

	snprintf(ret, size, "%s/%s", dir, device + 1);
	for (p = ret + strlen(dir) + 1; *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
}

/* "/m1/etc/fstab" on this machine. */
static char *
host(const char *path)
{
	size_t i, len;

	for (i = 0; i < n_mounts; i++) {
		len = strlen(mounts[i].at);
		if (strncmp(path, mounts[i].at, len) == 0 &&
		    (path[len] == '/' || path[len] == '\0')) {
			static char ret[8][1024];
			static unsigned next;
			char *to = ret[next++ % 8];

			snprintf(to, 1024, "%s%s", mounts[i].of, path + len);
			return to;
		}
	}
	fprintf(stderr, "'%s' is not mounted\n", path);
	exit(1);
}

static guestfs_h *
f_create(unsigned flags, ...)
{
	static int handle;

	(void)flags;
	say("create");
	return (guestfs_h *)&handle;
}

static void
f_close(guestfs_h *g)
{
	(void)g;
	say("close");
}

static const char *
f_last_error(guestfs_h *g)
{
	(void)g;
	return strerror(failed);
}

static int
f_last_errno(guestfs_h *g)
{
	(void)g;
	return failed;
}

static void
f_set_error_handler(guestfs_h *g, guestfs_error_handler_cb cb, void *opaque)
{
	(void)g;
	(void)cb;
	(void)opaque;
}

static int
f_set_backend(guestfs_h *g, const char *backend)
{
	(void)g;
	return strcmp(backend, "direct") == 0 ? 0 : -1;
}

static int
f_set_backend_setting(guestfs_h *g, const char *name, const char *val)
{
	(void)g;
	(void)name;
	(void)val;
	return 0;
}

/* The file must be there by a path that realpath(3) knows, and be the disk. */
static int
f_add_drive(guestfs_h *g, const char *file,
	    const struct guestfs_add_drive_opts_argv *o)
{
	fy_autofree char *real = realpath(file, NULL);
	fy_autofd int fd = open(file, O_RDWR | O_CLOEXEC);
	char magic[2] = "";

	(void)g;
	CHECK(real != NULL && strcmp(real, file) == 0);
	CHECK(strcmp(o->format, "raw") == 0);
	CHECK(fd >= 0 && pread(fd, magic, 2, 510) == 2 &&
	      memcmp(magic, "\x55\xaa", 2) == 0);
	/* As mounting does: something is written. */
	CHECK(pwrite(fd, "replayed", 8, 600 * 1024) == 8);
	say("drive");
	return 0;
}

static int
f_launch(guestfs_h *g)
{
	(void)g;
	say("launch");
	failed = EIO;
	return no_launch ? -1 : 0;
}

static int
f_zero(guestfs_h *g)
{
	(void)g;
	return 0;
}

static int
f_umount_all(guestfs_h *g)
{
	(void)g;
	CHECK(n_mounted == 0);
	say("umount-all");
	return 0;
}

static int
f_shutdown(guestfs_h *g)
{
	(void)g;
	say("shutdown");
	return 0;
}

static int
f_number(guestfs_h *g, int n)
{
	(void)g;
	(void)n;
	return 0;
}

static int
f_string(guestfs_h *g, const char *s)
{
	(void)g;
	(void)s;
	return 0;
}

static char **
f_no_list(guestfs_h *g)
{
	(void)g;
	return calloc(1, sizeof(char *));
}

static int
f_cryptsetup_open(guestfs_h *g, const char *device, const char *key,
		  const char *name,
		  const struct guestfs_cryptsetup_open_argv *o)
{
	(void)g;
	(void)o;
	(void)name;
	CHECK(strcmp(device, "/dev/sda3") == 0);
	say("luks");
	errno = EPERM;
	return result(strcmp(key, "right") == 0 ? 0 : -1);
}

static char *
f_vfs_type(guestfs_h *g, const char *device)
{
	(void)g;
	return strdup(strncmp(device, "/dev/mapper/luks-", 17) == 0 ? "ext4"
								    : "");
}

static char *
f_vfs_text(guestfs_h *g, const char *device)
{
	(void)g;
	(void)device;
	return strdup("");
}

static int
f_mount(guestfs_h *g, const char *options, const char *device, const char *at)
{
	struct mount *m = &mounts[n_mounts % 64];
	const char *sub = strstr(options, "subvol=");
	size_t len;

	(void)g;
	CHECK(strstr(options, "noatime") != NULL);
	host_of_device(device, m->of, sizeof(m->of));
	if (strstr(device, "sda2") != NULL) { /* the Btrfs: all is in there */
		CHECK(strstr(options, "nouuid") == NULL);
		len = strlen(m->of);
		if (sub != NULL)
			snprintf(m->of + len, sizeof(m->of) - len, "/%s",
				 sub + 7);
	}
	if (access(m->of, F_OK) == -1) {
		failed = EINVAL;
		return -1;
	}
	snprintf(m->at, sizeof(m->at), "%s", at);
	n_mounts++;
	n_mounted++;
	return 0;
}

static int
f_umount(guestfs_h *g, const char *at)
{
	(void)g;
	(void)at;
	n_mounted--;
	return 0;
}

static struct guestfs_statns *
f_lstat(guestfs_h *g, const char *path)
{
	struct guestfs_statns *s = calloc(1, sizeof(*s));
	struct stat st;

	(void)g;
	if (result(lstat(host(path), &st)) == -1) {
		free(s);
		return NULL;
	}
	s->st_mode = st.st_mode;
	s->st_uid = st.st_uid;
	s->st_gid = st.st_gid;
	s->st_size = st.st_size;
	return s;
}

static void
f_free_statns(struct guestfs_statns *s)
{
	free(s);
}

static char *
f_readlink(guestfs_h *g, const char *path)
{
	char to[4096] = "";

	(void)g;
	return result((int)readlink(host(path), to, sizeof(to) - 1)) == -1
		       ? NULL
		       : strdup(to);
}

static char *
f_pread(guestfs_h *g, const char *path, int count, int64_t offset, size_t *ret)
{
	fy_autofd int fd = open(host(path), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char *buf = malloc((size_t)count + 1);
	ssize_t n = pread(fd, buf, (size_t)count, offset);
	struct stat st;

	(void)g;
	/* The daemon opens it without O_NONBLOCK: a FIFO would hang. */
	CHECK(fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	CHECK(count > 0 && count <= 4 * (int)MIB);
	failed = errno;
	*ret = (size_t)n;
	return buf;
}

static int
f_pwrite(guestfs_h *g, const char *path, const char *data, size_t len,
	 int64_t offset)
{
	fy_autofd int fd = open(host(path), O_WRONLY | O_CLOEXEC);

	(void)g;
	CHECK(len <= 4 * MIB);
	return result((int)pwrite(fd, data, len, offset));
}

static int
f_truncate(guestfs_h *g, const char *path, int64_t size)
{
	(void)g;
	return result(truncate(host(path), size));
}

static struct guestfs_dirent_list *
f_readdir(guestfs_h *g, const char *path)
{
	struct guestfs_dirent_list *l = calloc(1, sizeof(*l));
	DIR *d = opendir(host(path));
	struct dirent *e;

	(void)g;
	failed = errno;
	l->val = calloc(1000, sizeof(*l->val));
	while (d != NULL && (e = readdir(d)) != NULL && l->len < 1000) {
		l->val[l->len].name = strdup(e->d_name);
		l->val[l->len++].ftyp = e->d_type == DT_REG   ? 'r'
					: e->d_type == DT_DIR ? 'd'
					: e->d_type == DT_LNK ? 'l'
							      : 'u';
	}
	closedir(d);
	return l;
}

static void
f_free_dirents(struct guestfs_dirent_list *l)
{
	uint32_t i;

	for (i = 0; i < l->len; i++)
		free(l->val[i].name);
	free(l->val);
	free(l);
}

static struct guestfs_statvfs *
f_statvfs(guestfs_h *g, const char *path)
{
	struct guestfs_statvfs *s = calloc(1, sizeof(*s));

	(void)g;
	(void)path;
	s->bavail = 1 << 20;
	s->frsize = 4096;
	return s;
}

static void
f_free_statvfs(struct guestfs_statvfs *s)
{
	free(s);
}

static int
f_touch(guestfs_h *g, const char *path)
{
	fy_autofd int fd =
		open(host(path), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)g;
	return result(fd == -1 ? -1 : 0);
}

static int
f_mkdir(guestfs_h *g, const char *path, int mode)
{
	(void)g;
	return result(mkdir(host(path), (mode_t)mode));
}

static int
f_ln_s(guestfs_h *g, const char *target, const char *path)
{
	(void)g;
	return result(symlink(target, host(path)));
}

static int
f_rm(guestfs_h *g, const char *path)
{
	(void)g;
	return result(unlink(host(path)));
}

static int
f_rmdir(guestfs_h *g, const char *path)
{
	(void)g;
	return result(rmdir(host(path)));
}

static int
f_rename(guestfs_h *g, const char *path, const char *to)
{
	(void)g;
	return result(rename(host(path), host(to)));
}

static int
f_chmod(guestfs_h *g, int mode, const char *path)
{
	(void)g;
	return result(chmod(host(path), (mode_t)mode));
}

/* The test need not be root. */
static int
f_lchown(guestfs_h *g, int uid, int gid, const char *path)
{
	(void)g;
	(void)uid;
	(void)gid;
	return result(access(host(path), F_OK) == -1 && errno != ENOENT ? -1
									: 0);
}

static char *
f_lgetxattr(guestfs_h *g, const char *path, const char *name, size_t *ret)
{
	(void)g;
	(void)path;
	failed = ENODATA;
	if (label[0] == '\0' || strcmp(name, "security.selinux") != 0)
		return NULL;
	*ret = strlen(label) + 1;
	return strdup(label);
}

static int
f_lsetxattr(guestfs_h *g, const char *name, const char *value, int len,
	    const char *path)
{
	(void)g;
	CHECK(strcmp(name, "security.selinux") == 0 && len > 1);
	CHECK(strcmp(value, label) == 0);
	snprintf(labelled, sizeof(labelled), "%s", host(path));
	return 0;
}

static struct guestfs_btrfssubvolume_list *
f_subvolumes(guestfs_h *g, const char *path)
{
	static const char *const names[] = { "home", "snap/1", "@old", "@" };
	struct guestfs_btrfssubvolume_list *l = calloc(1, sizeof(*l));
	size_t i;

	(void)g;
	(void)path;
	if (no_subvolumes) {
		free(l);
		failed = EIO;
		return NULL;
	}
	l->len = 4;
	l->val = calloc(4, sizeof(*l->val));
	for (i = 0; i < 4; i++)
		l->val[i].btrfssubvolume_path = strdup(names[i]);
	return l;
}

static void
f_free_subvolumes(struct guestfs_btrfssubvolume_list *l)
{
	uint32_t i;

	for (i = 0; i < l->len; i++)
		free(l->val[i].btrfssubvolume_path);
	free(l->val);
	free(l);
}

static int
f_xfs_repair(guestfs_h *g, const char *device,
	     const struct guestfs_xfs_repair_argv *o)
{
	(void)g;
	CHECK(o->nomodify == 1 &&
	      o->bitmask == GUESTFS_XFS_REPAIR_NOMODIFY_BITMASK);
	CHECK(strcmp(device, "/dev/sda1") == 0);
	n_checked++;
	return xfs_is_bad ? 1 : 0;
}

static int
f_btrfs_fsck(guestfs_h *g, const char *device,
	     const struct guestfs_btrfs_fsck_argv *o)
{
	(void)g;
	CHECK(o->bitmask == 0 && strcmp(device, "/dev/sda2") == 0);
	n_checked++;
	return 0;
}

static int
f_e2fsck(guestfs_h *g, const char *device, const struct guestfs_e2fsck_argv *o)
{
	(void)g;
	/* Without it e2fsck asks. */
	CHECK(o->bitmask == GUESTFS_E2FSCK_CORRECT_BITMASK && o->correct == 1);
	CHECK(strncmp(device, "/dev/mapper/luks-", 17) == 0);
	n_checked++;
	return 0;
}

static int
f_available(guestfs_h *g, char *const *groups)
{
	(void)g;
	(void)groups;
	return 1;
}

static const struct fy_guestfs table = {
	.add_drive_opts_argv = f_add_drive,
	.btrfs_fsck_argv = f_btrfs_fsck,
	.btrfs_subvolume_list = f_subvolumes,
	.chmod = f_chmod,
	.close = f_close,
	.create_flags = f_create,
	.cryptsetup_close = f_string,
	.cryptsetup_open_argv = f_cryptsetup_open,
	.e2fsck_argv = f_e2fsck,
	.feature_available = f_available,
	.free_btrfssubvolume_list = f_free_subvolumes,
	.free_dirent_list = f_free_dirents,
	.free_statns = f_free_statns,
	.free_statvfs = f_free_statvfs,
	.last_errno = f_last_errno,
	.last_error = f_last_error,
	.launch = f_launch,
	.lchown = f_lchown,
	.lgetxattr = f_lgetxattr,
	.list_md_devices = f_no_list,
	.ln_s = f_ln_s,
	.lsetxattr = f_lsetxattr,
	.lstatns = f_lstat,
	.lvm_scan = f_number,
	.lvs = f_no_list,
	.md_stop = f_string,
	.mkdir_mode = f_mkdir,
	.mkmountpoint = f_string,
	.mount_options = f_mount,
	.pread = f_pread,
	.pwrite = f_pwrite,
	.readdir = f_readdir,
	.readlink = f_readlink,
	.rename = f_rename,
	.rm = f_rm,
	.rmdir = f_rmdir,
	.rmmountpoint = f_string,
	.set_backend = f_set_backend,
	.set_backend_setting = f_set_backend_setting,
	.set_error_handler = f_set_error_handler,
	.shutdown = f_shutdown,
	.statvfs = f_statvfs,
	.sync = f_zero,
	.touch = f_touch,
	.truncate_size = f_truncate,
	.umount = f_umount,
	.umount_all = f_umount_all,
	.vfs_label = f_vfs_text,
	.vfs_type = f_vfs_type,
	.vfs_uuid = f_vfs_text,
	.vg_activate_all = f_number,
	.xfs_repair_argv = f_xfs_repair,
};

/* Instead of the library's. */
const struct fy_guestfs *
fy_guestfs_load(struct fy_error *e)
{
	if (!missing)
		return &table;
	fy_error_set(e, FY_E_NOTFOUND, 0, "it is not installed");
	return NULL;
}

#endif
