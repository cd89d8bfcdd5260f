/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A volume as a regular file, by FUSE's low-level interface: one directory
 * with the one file "volume", served by one thread.
 *
 * Once mounted, the file is opened and the mount detached and its directory
 * removed; the path handed out is /proc/PID/fd/N, which children can open as
 * long as we hold the descriptor.  So no mount can outlive this process, not
 * even a killed one.  Where detaching fails the mount stays until the close.
 *
 * The thread's loop is our own: it polls the FUSE device and an eventfd, so
 * that it can be ended without a request and without closing a descriptor
 * under it.  An I/O error of the volume becomes EIO for the tool and is kept:
 * fy_exposed_close reports the first one.
 */
#include "common/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"

#define FILE_INO      2
#define FILE_NAME     "volume"
#define CACHE_SECONDS 60.0

struct fy_exposed {
	struct fy_volume *volume;
	struct fuse_session *session;
	bool mounted; /* the session has a kernel connection */
	bool has_dir;
	char *dir;
	char *path; /* what fy_exposed_path returns */
	int fd;	    /* keeps a detached mount alive; -1 */
	int stop;   /* eventfd */
	bool running;
	pthread_t thread;
	struct fy_error failed; /* thread's; read after the join */
};

/* --- requests (in the thread) -------------------------------------------- */

static void
fill_stat(const struct fy_exposed *e, fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = geteuid();
	st->st_gid = getegid();
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
		return;
	}
	st->st_mode =
		S_IFREG | (fy_volume_is_writable(e->volume) ? 0600 : 0400);
	st->st_nlink = 1;
	st->st_size = (off_t)fy_volume_size(e->volume);
	st->st_blksize = 4096;
	st->st_blocks = st->st_size / 512;
}

static void
do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fy_exposed *e = fuse_req_userdata(req);
	struct fuse_entry_param p = { 0 };

	if (parent != FUSE_ROOT_ID || strcmp(name, FILE_NAME) != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	p.ino = FILE_INO;
	p.attr_timeout = p.entry_timeout = CACHE_SECONDS;
	fill_stat(e, FILE_INO, &p.attr);
	fuse_reply_entry(req, &p);
}

static void
do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_stat(fuse_req_userdata(req), ino, &st);
	fuse_reply_attr(req, &st, CACHE_SECONDS);
}

/* utimens and the like do nothing; a change of size is refused. */
static void
do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
	   struct fuse_file_info *fi)
{
	(void)attr;
	if (to_set & FUSE_SET_ATTR_SIZE)
		fuse_reply_err(req, EPERM);
	else
		do_getattr(req, ino, fi);
}

static void
do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fy_exposed *e = fuse_req_userdata(req);

	if (ino != FILE_INO)
		fuse_reply_err(req, EISDIR);
	else if ((fi->flags & O_ACCMODE) != O_RDONLY &&
		 !fy_volume_is_writable(e->volume))
		fuse_reply_err(req, EROFS);
	else if (fi->flags & O_TRUNC)
		fuse_reply_err(req, EPERM);
	else
		fuse_reply_open(req, fi);
}

static int
errno_of(struct fy_exposed *e, const struct fy_error *err)
{
	if (e->failed.code == FY_E_NONE)
		e->failed = *err;
	return err->code == FY_E_NOSPACE ? ENOSPC
	       : err->code == FY_E_NOMEM ? ENOMEM
					 : EIO;
}

static void
do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	struct fuse_file_info *fi)
{
	struct fy_exposed *e = fuse_req_userdata(req);
	uint64_t total = fy_volume_size(e->volume);
	fy_autofree char *buf = NULL;
	struct fy_error err = { 0 };

	(void)ino;
	(void)fi;
	if (off < 0 || (uint64_t)off >= total) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	size = (size_t)fy_min_u64(size, total - (uint64_t)off);
	buf = malloc(size);
	if (buf == NULL)
		fuse_reply_err(req, ENOMEM);
	else if (fy_volume_pread(e->volume, buf, size, (uint64_t)off, &err))
		fuse_reply_err(req, errno_of(e, &err));
	else
		fuse_reply_buf(req, buf, size);
}

static void
do_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
	 off_t off, struct fuse_file_info *fi)
{
	struct fy_exposed *e = fuse_req_userdata(req);
	uint64_t total = fy_volume_size(e->volume);
	struct fy_error err = { 0 };

	(void)ino;
	(void)fi;
	if (off < 0 || (uint64_t)off > total || size > total - (uint64_t)off)
		fuse_reply_err(req, ENOSPC);
	else if (fy_volume_pwrite(e->volume, buf, size, (uint64_t)off, &err))
		fuse_reply_err(req, errno_of(e, &err));
	else
		fuse_reply_write(req, size);
}

static void
do_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	 struct fuse_file_info *fi)
{
	struct fy_exposed *e = fuse_req_userdata(req);
	struct fy_error err = { 0 };

	(void)ino;
	(void)datasync;
	(void)fi;
	if (fy_volume_flush(e->volume, &err) == -1)
		fuse_reply_err(req, errno_of(e, &err));
	else
		fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = do_lookup,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.fsync = do_fsync,
};

/* --- the thread ----------------------------------------------------------- */

static void *
serve(void *arg)
{
	struct fy_exposed *e = arg;
	struct fuse_buf buf = { 0 };
	struct pollfd fds[2];
	int n;

	fds[0].fd = fuse_session_fd(e->session);
	fds[1].fd = e->stop;
	fds[0].events = fds[1].events = POLLIN;
	while (!fuse_session_exited(e->session)) {
		if (poll(fds, 2, -1) == -1 && errno != EINTR)
			break;
		if (fds[1].revents != 0)
			break;
		if (fds[0].revents == 0)
			continue;
		n = fuse_session_receive_buf(e->session, &buf);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			break;
		fuse_session_process_buf(e->session, &buf);
	}
	free(buf.mem);
	return NULL;
}

/* --- mounting ------------------------------------------------------------- */

static void
quiet(enum fuse_log_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
}

static int
mount_session(struct fy_exposed *e, struct fy_error *err)
{
	char name[] = "ironferry";
	char dash_o[] = "-o";
	char rw[] = "fsname=ironferry,subtype=ironferry";
	char *argv[] = { name, dash_o, rw, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int fd;

	/* Library code does not print; errors come back by return value. */
	fuse_set_log_func(quiet);
	e->session =
		fuse_session_new(&args, &operations, sizeof(operations), e);
	fuse_opt_free_args(&args);
	if (e->session == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "cannot start a FUSE session");
	errno = 0;
	if (fuse_session_mount(e->session, e->dir) != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "cannot mount by FUSE at '%s' (is "
				    "/dev/fuse there, and fusermount3 for "
				    "users other than root?)",
				    e->dir);
	e->mounted = true;
	fd = fuse_session_fd(e->session);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot set up the FUSE device");
	return 0;
}

/* Take the mount out of the tree; it lives on in e->fd. */
static bool
detach(struct fy_exposed *e)
{
	const char *argv[] = { "fusermount3", "-u", "-z", "-q", e->dir, NULL };

	if (umount2(e->dir, MNT_DETACH) == -1 &&
	    fy_subprocess_run(argv, NULL, NULL, NULL) == -1)
		return false;
	e->has_dir = rmdir(e->dir) != 0;
	return true;
}

static int
find_path(struct fy_exposed *e, struct fy_error *err)
{
	int mode = fy_volume_is_writable(e->volume) ? O_RDWR : O_RDONLY;
	int flushed;

	e->path = fy_format(err, "%s/" FILE_NAME, e->dir);
	if (e->path == NULL)
		return -1;
	e->fd = open(e->path, mode | O_CLOEXEC);
	if (e->fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    e->path);
	/* One FLUSH is answered (with ENOSYS) now, so that the last close needs
	 * no thread any more. */
	flushed = dup(e->fd);
	if (flushed != -1)
		close(flushed);
	return 0;
}

/* From the tree to /proc, where the kernel and fusermount3 let us. */
int
fy_exposed_detach(struct fy_exposed *e, struct fy_error *err)
{
	char *path;

	if (e->fd == -1)
		return 0;
	if (!detach(e)) {
		close(fy_steal_fd(&e->fd));
		return 0;
	}
	path = fy_format(err, "/proc/%ld/fd/%d", (long)getpid(), e->fd);
	if (path == NULL)
		return -1;
	free(e->path);
	e->path = path;
	return 0;
}

static void
end_thread(struct fy_exposed *e)
{
	uint64_t one = 1;

	if (!e->running)
		return;
	/* Cannot fail: the counter is 0. */
	if (write(e->stop, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(e->thread, NULL);
	e->running = false;
}

static void
dismantle(struct fy_exposed *e)
{
	end_thread(e);
	if (e->fd >= 0)
		close(e->fd);
	if (e->mounted)
		fuse_session_unmount(e->session);
	if (e->session != NULL)
		fuse_session_destroy(e->session);
	if (e->has_dir)
		rmdir(e->dir);
	if (e->stop >= 0)
		close(e->stop);
	free(e->dir);
	free(e->path);
	free(e);
}

int
fy_volume_expose_in_tree(struct fy_volume *v, struct fy_exposed **ret,
			 struct fy_error *err)
{
	struct fy_exposed *e = calloc(1, sizeof(*e));
	int r;

	if (e == NULL)
		return fy_error_nomem(err);
	e->volume = v;
	e->fd = -1;
	e->stop = eventfd(0, EFD_CLOEXEC);
	if (e->stop == -1) {
		fy_error_set(err, FY_E_IO, errno, "cannot make an eventfd");
		goto undo;
	}
	if (fy_dir_temporary("ironferry", &e->dir, err) == -1)
		goto undo;
	e->has_dir = true;
	if (mount_session(e, err) == -1)
		goto undo;
	r = pthread_create(&e->thread, NULL, serve, e);
	if (r != 0) {
		fy_error_set(err, FY_E_IO, r, "cannot start a thread");
		goto undo;
	}
	e->running = true;
	if (find_path(e, err) == -1)
		goto undo;
	*ret = e;
	return 0;

undo:
	dismantle(e);
	return fy_error_prefix(err, "showing %s as a file", fy_volume_name(v));
}

int
fy_volume_expose(struct fy_volume *v, struct fy_exposed **ret,
		 struct fy_error *err)
{
	struct fy_exposed *e = NULL;

	if (fy_volume_expose_in_tree(v, &e, err) == -1)
		return -1;
	if (fy_exposed_detach(e, err) == -1) {
		fy_exposed_close(e, NULL);
		return -1;
	}
	*ret = e;
	return 0;
}

const char *
fy_exposed_path(const struct fy_exposed *e)
{
	return e->path;
}

int
fy_exposed_close(struct fy_exposed *e, struct fy_error *err)
{
	struct fy_error failed;

	if (e == NULL)
		return 0;
	end_thread(e);
	failed = e->failed;
	dismantle(e);
	if (failed.code == FY_E_NONE)
		return 0;
	return fy_error_set(err, failed.code, failed.sys_errno, "%s",
			    failed.msg);
}
