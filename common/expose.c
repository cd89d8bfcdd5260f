/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Volumes as regular files, by FUSE's low-level interface: a mount is one
 * directory, in which each volume is a file named by its number, served by one
 * thread.  Each volume gets a mount of its own, unless one was prepared.
 *
 * Once mounted, the file is opened and the mount detached and its directory
 * removed; the path handed out is /proc/PID/fd/N, which children can open as
 * long as we hold the descriptor.  So no mount can outlive this process, not
 * even a killed one.  Where detaching fails the mount stays until the close.
 *
 * The thread's loop is our own: it polls the FUSE device and an eventfd, so
 * that it can be ended without a request and without closing a descriptor
 * under it; and started again, for a thread must not be there when the process
 * confines itself.  An I/O error of the volume becomes EIO for the tool and is
 * kept: fy_exposed_close reports the first one.
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

#define CACHE_SECONDS 60.0

struct mount {
	struct fuse_session *session;
	bool mounted; /* the session has a kernel connection */
	bool has_dir;
	char *dir;
	int root; /* keeps a prepared mount alive once it is detached; -1 */
	int stop; /* eventfd */
	bool running;
	pthread_t thread;
	pthread_mutex_t lock;	 /* held while a request is served; guards: */
	struct fy_exposed *list; /* its files */
	fuse_ino_t last;	 /* numbers are not used again */
};

struct fy_exposed {
	struct mount *mount;
	bool own; /* the mount has no other file */
	struct fy_exposed *next;
	fuse_ino_t ino;
	struct fy_volume *volume;
	char *path; /* what fy_exposed_path returns */
	int fd;	    /* keeps a detached mount alive; -1 */
	struct fy_error
		failed; /* thread's; read when it has no more requests */
};

/* Of this process, as its confinement is: see fy_expose_prepare. */
static struct mount *prepared;

/* --- requests (in the thread) -------------------------------------------- */

static struct fy_exposed *
find(const struct mount *m, fuse_ino_t ino)
{
	struct fy_exposed *e = m->list;

	while (e != NULL && e->ino != ino)
		e = e->next;
	return e;
}

/* 'e' NULL: the directory. */
static void
fill_stat(const struct fy_exposed *e, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = e == NULL ? FUSE_ROOT_ID : e->ino;
	st->st_uid = geteuid();
	st->st_gid = getegid();
	if (e == NULL) {
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
	const struct mount *m = fuse_req_userdata(req);
	const struct fy_exposed *e = find(m, strtoull(name, NULL, 10));
	struct fuse_entry_param p = { 0 };

	if (parent != FUSE_ROOT_ID || e == NULL) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	p.ino = e->ino;
	p.attr_timeout = p.entry_timeout = CACHE_SECONDS;
	fill_stat(e, &p.attr);
	fuse_reply_entry(req, &p);
}

static void
do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct fy_exposed *e = find(fuse_req_userdata(req), ino);
	struct stat st;

	(void)fi;
	if (e == NULL && ino != FUSE_ROOT_ID) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_stat(e, &st);
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
	const struct fy_exposed *e = find(fuse_req_userdata(req), ino);

	if (e == NULL)
		fuse_reply_err(req, ino == FUSE_ROOT_ID ? EISDIR : ENOENT);
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
	struct fy_exposed *e = find(fuse_req_userdata(req), ino);
	uint64_t total = e == NULL ? 0 : fy_volume_size(e->volume);
	fy_autofree char *buf = NULL;
	struct fy_error err = { 0 };

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
	struct fy_exposed *e = find(fuse_req_userdata(req), ino);
	uint64_t total = e == NULL ? 0 : fy_volume_size(e->volume);
	struct fy_error err = { 0 };

	(void)fi;
	if (off < 0 || (uint64_t)off >= total || size > total - (uint64_t)off)
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
	struct fy_exposed *e = find(fuse_req_userdata(req), ino);
	struct fy_error err = { 0 };

	(void)datasync;
	(void)fi;
	if (e == NULL)
		fuse_reply_err(req, ENOENT);
	else if (fy_volume_flush(e->volume, &err) == -1)
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
	struct mount *m = arg;
	struct fuse_buf buf = { 0 };
	struct pollfd fds[2];
	int n;

	fds[0].fd = fuse_session_fd(m->session);
	fds[1].fd = m->stop;
	fds[0].events = fds[1].events = POLLIN;
	while (!fuse_session_exited(m->session)) {
		if (poll(fds, 2, -1) == -1 && errno != EINTR)
			break;
		if (fds[1].revents != 0)
			break;
		if (fds[0].revents == 0)
			continue;
		n = fuse_session_receive_buf(m->session, &buf);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			break;
		FY_LOCK_SCOPE(&m->lock);
		fuse_session_process_buf(m->session, &buf);
	}
	free(buf.mem);
	return NULL;
}

static int
start_thread(struct mount *m, struct fy_error *err)
{
	int r;

	if (m->running)
		return 0;
	r = pthread_create(&m->thread, NULL, serve, m);
	if (r != 0)
		return fy_error_set(err, FY_E_IO, r, "cannot start a thread");
	m->running = true;
	return 0;
}

static void
end_thread(struct mount *m)
{
	uint64_t one = 1;

	if (!m->running)
		return;
	/* Neither can fail: the counter is 0, then 1. */
	if (write(m->stop, &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		pthread_join(m->thread, NULL);
		if (read(m->stop, &one, sizeof(one)) == (ssize_t)sizeof(one))
			m->running = false;
	}
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
mount_session(struct mount *m, struct fy_error *err)
{
	char name[] = "ironferry";
	char dash_o[] = "-o";
	char rw[] = "fsname=ironferry,subtype=ironferry";
	char *argv[] = { name, dash_o, rw, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int fd;

	/* Library code does not print; errors come back by return value. */
	fuse_set_log_func(quiet);
	m->session =
		fuse_session_new(&args, &operations, sizeof(operations), m);
	fuse_opt_free_args(&args);
	if (m->session == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "cannot start a FUSE session");
	errno = 0;
	if (fuse_session_mount(m->session, m->dir) != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "cannot mount by FUSE at '%s' (is "
				    "/dev/fuse there, and fusermount3 for "
				    "users other than root?)",
				    m->dir);
	m->mounted = true;
	fd = fuse_session_fd(m->session);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot set up the FUSE device");
	return 0;
}

static void
free_mount(struct mount *m)
{
	if (m == NULL)
		return;
	end_thread(m);
	if (m->root != -1)
		close(m->root);
	if (m->mounted)
		fuse_session_unmount(m->session);
	if (m->session != NULL)
		fuse_session_destroy(m->session);
	if (m->has_dir)
		rmdir(m->dir);
	if (m->stop != -1)
		close(m->stop);
	pthread_mutex_destroy(&m->lock);
	free(m->dir);
	free(m);
}

static struct mount *
new_mount(struct fy_error *err)
{
	struct mount *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&m->lock, NULL);
	m->last = FUSE_ROOT_ID;
	m->root = -1;
	m->stop = eventfd(0, EFD_CLOEXEC);
	if (m->stop == -1)
		fy_error_set(err, FY_E_IO, errno, "cannot make an eventfd");
	else if (fy_dir_temporary("ironferry", &m->dir, err) == 0)
		m->has_dir = true;
	if (!m->has_dir || mount_session(m, err) == -1) {
		free_mount(m);
		return NULL;
	}
	return m;
}

/* Take the mount out of the tree; it lives on by what is open in it. */
static bool
detach(struct mount *m)
{
	const char *argv[] = { "fusermount3", "-u", "-z", "-q", m->dir, NULL };

	if (umount2(m->dir, MNT_DETACH) == -1 &&
	    fy_subprocess_run(argv, NULL, NULL, NULL) == -1)
		return false;
	m->has_dir = rmdir(m->dir) != 0;
	return true;
}

int
fy_expose_prepare(int *ret_root, struct fy_error *err)
{
	struct mount *m;

	if (prepared != NULL)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "a place for volumes is prepared already");
	m = new_mount(err);
	if (m == NULL)
		return -1;
	/* Neither asks for anything that the thread would have to answer. */
	m->root = open(m->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->root == -1 || !detach(m)) {
		free_mount(m);
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "cannot detach what FUSE has mounted");
	}
	prepared = m;
	*ret_root = m->root;
	return 0;
}

/* --- files ---------------------------------------------------------------- */

static int
open_file(struct fy_exposed *e, struct fy_error *err)
{
	int mode = fy_volume_is_writable(e->volume) ? O_RDWR : O_RDONLY;
	char name[32];
	int flushed;

	snprintf(name, sizeof(name), "%llu", (unsigned long long)e->ino);
	if (e->own)
		e->path = fy_format(err, "%s/%s", e->mount->dir, name);
	else
		e->path = fy_format(err, "%s", name);
	if (e->path == NULL)
		return -1;
	e->fd = openat(e->mount->root, e->path, mode | O_CLOEXEC);
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

static int
path_in_proc(struct fy_exposed *e, struct fy_error *err)
{
	char *path = fy_format(err, "/proc/%ld/fd/%d", (long)getpid(), e->fd);

	if (path == NULL)
		return -1;
	free(e->path);
	e->path = path;
	return 0;
}

/* From the tree to /proc, where the kernel and fusermount3 let us. */
int
fy_exposed_detach(struct fy_exposed *e, struct fy_error *err)
{
	if (!e->own || e->fd == -1)
		return 0;
	if (!detach(e->mount)) {
		close(fy_steal_fd(&e->fd));
		return 0;
	}
	return path_in_proc(e, err);
}

void
fy_exposed_pause(struct fy_exposed *e)
{
	end_thread(e->mount);
}

int
fy_exposed_resume(struct fy_exposed *e, struct fy_error *err)
{
	return start_thread(e->mount, err);
}

static void
add_file(struct fy_exposed *e, struct mount *m)
{
	FY_LOCK_SCOPE(&m->lock);
	e->mount = m;
	e->ino = ++m->last;
	e->next = m->list;
	m->list = e;
}

/* No request reaches the volume any more. */
static void
remove_file(struct fy_exposed *e)
{
	struct fy_exposed **at = &e->mount->list;

	FY_LOCK_SCOPE(&e->mount->lock);
	while (*at != NULL && *at != e)
		at = &(*at)->next;
	if (*at != NULL)
		*at = e->next;
}

static void
dismantle(struct fy_exposed *e)
{
	if (e->mount != NULL && e->own)
		end_thread(e->mount);
	if (e->fd != -1)
		close(e->fd);
	if (e->mount != NULL)
		remove_file(e);
	if (e->own)
		free_mount(e->mount);
	free(e->path);
	free(e);
}

static int
expose(struct fy_volume *v, bool own, struct fy_exposed **ret,
       struct fy_error *err)
{
	struct fy_exposed *e = calloc(1, sizeof(*e));
	struct mount *m;

	if (e == NULL)
		return fy_error_nomem(err);
	e->volume = v;
	e->own = own;
	e->fd = -1;
	m = own ? new_mount(err) : prepared;
	if (m != NULL)
		add_file(e, m);
	if (m == NULL || start_thread(m, err) == -1 ||
	    open_file(e, err) == -1 || (!own && path_in_proc(e, err) == -1)) {
		dismantle(e);
		return fy_error_prefix(err, "showing %s as a file",
				       fy_volume_name(v));
	}
	*ret = e;
	return 0;
}

int
fy_volume_expose_in_tree(struct fy_volume *v, struct fy_exposed **ret,
			 struct fy_error *err)
{
	return expose(v, true, ret, err);
}

int
fy_volume_expose(struct fy_volume *v, struct fy_exposed **ret,
		 struct fy_error *err)
{
	struct fy_exposed *e = NULL;

	if (expose(v, prepared == NULL, &e, err) == -1)
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
	if (e->own)
		end_thread(e->mount);
	remove_file(e);
	failed = e->failed;
	dismantle(e);
	if (failed.code == FY_E_NONE)
		return 0;
	return fy_error_copy(err, &failed);
}
