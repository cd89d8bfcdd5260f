/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NAME.partial and its lock.
 *
 * The lock is flock() on NAME.partial/lock, so that it ends with its process,
 * however that ends; what it holds is only for those who wait.  The file goes
 * with the directory when a job is done; so whoever gets the lock looks whether
 * the file is still the one in the tree, and begins again if it isn't.
 */
#include "v2v-server/jobdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/holder.h"

#define LOCK	  "lock"
#define RETRY_MS  250
#define GONE_MS	  10
#define SAY_EVERY 20 /* retries */

bool
fy_jobdir_has(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int
open_partial(struct fy_jobdir *d, struct fy_error *err)
{
	if (mkdirat(d->dirfd, d->partial_name, 0700) == -1 && errno != EEXIST)
		return fy_error_set(
			err, errno == ENOSPC ? FY_E_NOSPACE : FY_E_IO, errno,
			"cannot create '%s/%s'", d->dir, d->partial_name);
	d->fd = openat(d->dirfd, d->partial_name,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->fd == -1 && errno == ENOENT)
		return 0; /* gone again: another job has just ended */
	if (d->fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    d->path);
	d->lockfd = openat(d->fd, LOCK,
			   O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->lockfd == -1 && errno == ENOENT)
		return 0;
	if (d->lockfd == -1)
		return fy_error_set(
			err, errno == ENOSPC ? FY_E_NOSPACE : FY_E_IO, errno,
			"cannot open '%s/%s'", d->path, LOCK);
	return 0;
}

static void
close_fds(struct fy_jobdir *d)
{
	if (d->jobfd >= 0)
		close(d->jobfd);
	if (d->lockfd >= 0)
		close(d->lockfd);
	if (d->fd >= 0)
		close(d->fd);
	d->jobfd = d->lockfd = d->fd = -1;
}

static bool
same_file(int fd, int dirfd, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	       fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Whether what is locked is what others will find. */
static bool
is_current(const struct fy_jobdir *d)
{
	return same_file(d->fd, d->dirfd, d->partial_name) &&
	       same_file(d->lockfd, d->fd, LOCK);
}

/* 1 locked, 0 somebody else has it or it was replaced, -1. */
static int
try_lock(struct fy_jobdir *d, bool *ret_busy, struct fy_error *err)
{
	*ret_busy = false;
	if (d->fd == -1 && open_partial(d, err) == -1)
		return -1;
	if (d->fd == -1 || d->lockfd == -1) {
		close_fds(d);
		return 0;
	}
	if (flock(d->lockfd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot lock '%s'", d->path);
		*ret_busy = true;
		return 0;
	}
	if (is_current(d))
		return 1;
	close_fds(d);
	return 0;
}

struct waiting {
	const struct fy_jobdir_wait *how;
	unsigned waited_ms, tries;
	struct fy_holder holder; /* as it was last seen */
	pid_t told;		 /* to end */
	unsigned long long told_start;
};

/* Whether the holder is at work for an earlier connection of our client. */
static bool
is_ours(const struct waiting *w)
{
	return w->holder.pid != 0 && w->how->client != NULL &&
	       fy_streq(w->holder.client, w->how->client);
}

/* The lost connection of our own client: what it has received is made durable
 * when it ends.  Once for each holder. */
static void
tell_to_end(struct fy_jobdir *d, struct waiting *w)
{
	struct fy_holder *h = &w->holder;

	if (h->finishing || (w->told == h->pid && w->told_start == h->start))
		return;
	w->told = h->pid;
	w->told_start = h->start;
	if (fy_holder_end(h, d->lockfd))
		fy_log_info(w->how->log,
			    "an earlier connection of this client still works "
			    "on '%s' (%s); it is ended",
			    d->path, h->words);
}

static bool
client_is_gone(const struct waiting *w)
{
	struct pollfd p = { .fd = w->how->peer, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 &&
	       (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* The lock is somebody's: tell it, and wait a little. */
static int
wait_for_holder(struct fy_jobdir *d, struct waiting *w, struct fy_error *err)
{
	bool patient;

	fy_holder_read(d->lockfd, &w->holder);
	patient = is_ours(w) && w->holder.finishing;
	if (is_ours(w))
		tell_to_end(d, w);
	if (w->tries++ % SAY_EVERY == 0 && patient)
		fy_log_info(w->how->log,
			    "'%s' has been received whole and is being "
			    "finished (%s); waiting for its end",
			    d->path, w->holder.words);
	else if ((w->tries - 1) % SAY_EVERY == 0)
		fy_log_info(w->how->log,
			    "'%s' is being worked on by another v2v-server "
			    "(%s); waiting, %u s at most",
			    d->path, w->holder.words,
			    (w->how->ms - w->waited_ms + 999) / 1000);
	if (!patient && w->waited_ms >= w->how->ms)
		return fy_error_set(err, FY_E_BUSY, 0,
				    "'%s' is still being worked on by another "
				    "v2v-server (%s); try again when it has "
				    "ended",
				    d->path, w->holder.words);
	if (client_is_gone(w))
		return fy_error_set(err, FY_E_CONNECTION, 0,
				    "the client went away while '%s' was being "
				    "waited for",
				    d->path);
	if (!patient)
		w->waited_ms += RETRY_MS;
	poll(NULL, 0, RETRY_MS);
	return 0;
}

static int
take_lock(struct fy_jobdir *d, const struct fy_jobdir_wait *how,
	  struct fy_error *err)
{
	struct waiting w = { .how = how };
	bool busy;
	int r;

	while ((r = try_lock(d, &busy, err)) == 0) {
		if (fy_stop_check(how->stop, err) == -1 ||
		    (busy && wait_for_holder(d, &w, err) == -1))
			return -1;
		/* It went with its holder: once more, with the new one. */
		if (!busy)
			poll(NULL, 0, GONE_MS);
	}
	if (r == -1)
		return -1;
	return fy_holder_write(d->lockfd, how->client, err);
}

int
fy_jobdir_say_finishing(struct fy_jobdir *d, struct fy_error *err)
{
	return fy_holder_say_finishing(d->lockfd, err);
}

static int
open_job(struct fy_jobdir *d, struct fy_error *err)
{
	if (mkdirat(d->fd, "job", 0700) == -1 && errno != EEXIST)
		return fy_error_set(err,
				    errno == ENOSPC ? FY_E_NOSPACE : FY_E_IO,
				    errno, "cannot create '%s/job'", d->path);
	d->jobfd = openat(d->fd, "job",
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->jobfd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s/job'",
				    d->path);
	return 0;
}

int
fy_jobdir_open(int dirfd, const char *dir, const char *name,
	       const struct fy_jobdir_wait *wait, struct fy_jobdir **ret,
	       struct fy_error *err)
{
	FY_AUTO(jobdir) struct fy_jobdir *d = calloc(1, sizeof(*d));
	const char *slash = fy_streq(dir, "/") ? "" : "/";

	if (d == NULL) {
		close(dirfd);
		return fy_error_nomem(err);
	}
	d->dirfd = dirfd;
	d->fd = d->lockfd = d->jobfd = -1;
	d->name = fy_format(err, "%s", name);
	d->dir = fy_format(err, "%s", dir);
	d->partial_name = fy_format(err, "%s.partial", name);
	d->path = fy_format(err, "%s%s%s.partial", dir, slash, name);
	if (d->name == NULL || d->dir == NULL || d->partial_name == NULL ||
	    d->path == NULL)
		return -1;
	if (take_lock(d, wait, err) == -1) {
		close_fds(d); /* not ours: nothing is to be removed */
		return -1;
	}
	if (fy_dir_sync(d->dirfd, err) == -1)
		return -1;
	/* A commit that was cut may have moved it to its place already. */
	if (!fy_commit_is_pending(d) && open_job(d, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&d);
	return 0;
}

/* Remove all but 'keep1' and 'keep2'. */
static int
remove_entries(struct fy_jobdir *d, const char *keep1, const char *keep2,
	       struct fy_error *err)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return fy_error_set(err, FY_E_IO, errno, "cannot read '%s'",
				    d->path);
	}
	while (r == 0 && (e = readdir(dir)) != NULL) {
		if (fy_streq(e->d_name, ".") || fy_streq(e->d_name, "..") ||
		    fy_streq(e->d_name, keep1) || fy_streq(e->d_name, keep2))
			continue;
		if (unlinkat(d->fd, e->d_name, 0) == 0)
			continue;
		if (errno == EISDIR || errno == EPERM)
			r = fy_dir_remove_all_at(d->fd, e->d_name, err);
		else
			r = fy_error_set(err, FY_E_IO, errno,
					 "cannot remove '%s/%s'", d->path,
					 e->d_name);
	}
	closedir(dir);
	return r;
}

int
fy_jobdir_clear(struct fy_jobdir *d, struct fy_error *err)
{
	if (d->jobfd >= 0)
		close(d->jobfd);
	d->jobfd = -1;
	/* First the journal: without the undo log, which goes with "job", it
	 * would speak of an image that is not there any more. */
	if (unlinkat(d->fd, "journal", 0) == 0) {
		if (fy_dir_sync(d->fd, err) == -1)
			return -1;
	} else if (errno != ENOENT) {
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot remove '%s/journal'", d->path);
	}
	if (remove_entries(d, LOCK, "commit.json", err) == -1)
		return -1;
	/* Only now, for as long as it was there the commit could go on. */
	if (unlinkat(d->fd, "commit.json", 0) == -1 && errno != ENOENT)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot remove '%s/commit.json'", d->path);
	if (fy_dir_sync(d->fd, err) == -1)
		return -1;
	return open_job(d, err);
}

static bool
is_empty(int dirfd, const char *const *ignore)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool empty = true;
	size_t i;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (empty && (e = readdir(dir)) != NULL) {
		empty = fy_streq(e->d_name, ".") || fy_streq(e->d_name, "..");
		for (i = 0; !empty && ignore[i] != NULL; i++)
			empty = fy_streq(e->d_name, ignore[i]);
	}
	closedir(dir);
	return empty;
}

void
fy_jobdir_retire(struct fy_jobdir *d)
{
	static const char *const nothing[] = { NULL };
	static const char *const little[] = { LOCK, "job", "log", NULL };

	if (d->lockfd >= 0 && is_empty(d->fd, little) &&
	    (d->jobfd == -1 || is_empty(d->jobfd, nothing))) {
		/* Nobody has to come back to this. */
		unlinkat(d->fd, "log", 0);
		if (d->jobfd >= 0)
			unlinkat(d->fd, "job", AT_REMOVEDIR);
		unlinkat(d->fd, LOCK, 0);
		unlinkat(d->dirfd, d->partial_name, AT_REMOVEDIR);
		fsync(d->dirfd);
	}
	close_fds(d);
}

void
fy_jobdir_close(struct fy_jobdir *d)
{
	if (d == NULL)
		return;
	fy_jobdir_retire(d);
	close(d->dirfd);
	free(d->name);
	free(d->dir);
	free(d->partial_name);
	free(d->path);
	free(d);
}
