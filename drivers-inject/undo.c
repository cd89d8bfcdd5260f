/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The undo log: the old content of every cluster that an injection changes.
 *
 * The records are made durable before the trailer is written, and the trailer
 * before the first write to a disk.  So a log without a trailer was never
 * applied, and one with a trailer has all its records; a record that is
 * damaged then is an error, and nothing is written.
 *
 * Undoing must not hurt a disk that was written to since, or another disk than
 * the log is about.  So before the first write each sector of each record is
 * looked at: it must hold what it held before, or what the injection wrote, of
 * which the log has the digests.  Both may be found side by side, in a record,
 * too, after an injection, or an undoing, that was cut.  After a power cut an
 * image may also hold zeros: room that was allocated for the new content and
 * that this never reached.  That is allowed until the log is marked as applied,
 * on a disk where more was found that is known.
 *
 * Undoing only writes old content, so it can be repeated at any time.
 */
#include "drivers-inject/undo-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/inject.h"

/* --- opening -------------------------------------------------------------- */

/* 'flags' besides the usual ones. */
static struct fy_undo_log *
open_log(struct fy_volume *const *disks, size_t n_disks, int job_dirfd,
	 int flags, struct fy_error *err)
{
	FY_AUTO(undo_log)
	struct fy_undo_log *l =
		fy_undo_log_new(FY_UNDO_NAME, -1, disks, n_disks, err);

	if (l == NULL)
		return NULL;
	l->owns_fd = true;
	l->fd = openat(job_dirfd, FY_UNDO_NAME,
		       flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->fd == -1) {
		fy_error_set(err, errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO,
			     errno, "cannot %s '%s'",
			     flags & O_CREAT ? "create" : "open", FY_UNDO_NAME);
		return NULL;
	}
	return fy_steal_ptr(&l);
}

/* As long as the log is open.  Where files can't be locked they aren't. */
static int
lock_log(const struct fy_undo_log *l, struct fy_error *err)
{
	struct stat st;

	if ((flock(l->fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) ||
	    (fstat(l->fd, &st) == 0 && st.st_nlink == 0))
		return fy_error_set(err, FY_E_BUSY, 0,
				    "another injection is at work with '%s'",
				    FY_UNDO_NAME);
	return 0;
}

int
fy_undo_is_pending(int job_dirfd, bool *ret, struct fy_error *err)
{
	FY_AUTO(undo_log) struct fy_undo_log *l = NULL;
	enum fy_undo_state state;
	struct fy_error why = { 0 };

	*ret = false;
	l = open_log(NULL, 0, job_dirfd, 0, &why);
	if (l == NULL)
		return why.code == FY_E_NOTFOUND ? 0 : fy_error_copy(err, &why);
	/* A damaged one is not to be replaced. */
	*ret = lock_log(l, NULL) == -1 ||
	       fy_undo_read_trailer(l, &state, NULL) == -1 ||
	       state != FY_UNDO_CUT;
	return 0;
}

/* --- writing -------------------------------------------------------------- */

/* A complete log may only be replaced when it has been undone. */
static int
refuse_applied(struct fy_undo_log *l, struct fy_error *err)
{
	fy_autofree unsigned char *is = malloc(FY_UNDO_MAX_DATA);
	enum fy_undo_state state;
	struct fy_undo_record now;
	int r;

	if (is == NULL)
		return fy_error_nomem(err);
	if (fy_undo_read_trailer(l, &state, err) == -1)
		return -1;
	if (state == FY_UNDO_CUT)
		return 0;
	if (fy_undo_read_header(l, err) == -1)
		return -1;
	while ((r = fy_undo_read_record(l, &now, err)) == 1) {
		if (fy_volume_pread(l->disks[now.disk], is, now.length,
				    now.offset, err) == -1)
			return -1;
		if (memcmp(is, l->data, now.length) != 0)
			return fy_error_set(err, FY_E_EXISTS, 0,
					    "the disks have been injected "
					    "already; undo that first");
	}
	return r;
}

/* Instead of what is there: records, sync, trailer, sync. */
static int
seal(struct fy_undo_log *l, int changes_fd, int job_dirfd,
     const struct fy_stop *stop, struct fy_error *err)
{
	if (ftruncate(l->fd, 0) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot empty '%s'",
				    FY_UNDO_NAME);
	if (fy_undo_fill(l, changes_fd, stop, err) == -1 ||
	    fy_fd_sync(l->fd, err) == -1 || fy_undo_put_trailer(l, err) == -1 ||
	    fy_fd_sync(l->fd, err) == -1)
		return -1;
	return fy_dir_sync(job_dirfd, err);
}

int
fy_undo_write(struct fy_volume *const *disks, size_t n_disks, int changes_fd,
	      int job_dirfd, const struct fy_stop *stop,
	      struct fy_undo_log **ret, struct fy_error *err)
{
	FY_AUTO(undo_log) struct fy_undo_log *l = NULL;

	l = open_log(disks, n_disks, job_dirfd, O_CREAT, err);
	if (l == NULL || lock_log(l, err) == -1 || refuse_applied(l, err) == -1)
		return -1;
	if (seal(l, changes_fd, job_dirfd, stop, err) == -1) {
		unlinkat(job_dirfd, FY_UNDO_NAME, 0);
		return -1;
	}
	*ret = fy_steal_ptr(&l);
	return 0;
}

int
fy_undo_mark_applied(struct fy_undo_log *l, struct fy_error *err)
{
	return fy_undo_put_state(l, FY_UNDO_APPLIED, err);
}

/* --- what the disks hold --------------------------------------------------- */

/* Of a disk's sectors in the log, zeros that were zeros left out. */
struct found {
	uint64_t known; /* old or new content */
	uint64_t lost;	/* zeros, which are neither */
	uint64_t other;
	uint64_t lost_at, other_at; /* the first of them */
};

static void
look_at_record(const struct fy_undo_log *l, const struct fy_undo_record *r,
	       const unsigned char *is, struct found *f)
{
	struct fy_digest d;
	uint32_t at;

	for (at = 0; at < r->length; at += FY_UNDO_PIECE) {
		size_t len = (size_t)fy_min_u64(r->length - at, FY_UNDO_PIECE);
		bool zero = fy_is_zero(is + at, len);

		if (memcmp(is + at, l->data + at, len) == 0) {
			f->known += !zero;
			continue;
		}
		fy_digest_xxh3(is + at, len, 0, &d);
		if (fy_digest_equal(&d, &l->digests[at / FY_UNDO_PIECE])) {
			f->known += !zero;
		} else if (zero) {
			if (f->lost++ == 0)
				f->lost_at = r->offset + at;
		} else if (f->other++ == 0) {
			f->other_at = r->offset + at;
		}
	}
}

static int
judge(const struct fy_undo_log *l, size_t disk, const struct found *f,
      enum fy_undo_state state, struct fy_error *err)
{
	bool good = f->other == 0 &&
		    (f->lost == 0 ||
		     (state == FY_UNDO_SEALED && f->lost < f->known));

	if (good)
		return 0;
	return fy_error_set(
		err, FY_E_DIRTY, 0,
		"disk %zu (%s) has at byte %llu neither what was there before "
		"the injection nor what that wrote: it was written to since, "
		"or isn't that disk. Nothing was written. Give the injection's "
		"disks, in its order; where a machine has run since, it can't "
		"be undone",
		disk + 1, fy_volume_name(l->disks[disk]),
		(unsigned long long)(f->other > 0 ? f->other_at : f->lost_at));
}

/* All of the log, and all of its places. */
static int
check_all(struct fy_undo_log *l, enum fy_undo_state state, struct fy_error *err)
{
	fy_autofree unsigned char *is = malloc(FY_UNDO_MAX_DATA);
	struct found found[FY_UNDO_MAX_DISKS] = { 0 };
	struct fy_undo_record now;
	size_t i;
	int r;

	if (is == NULL)
		return fy_error_nomem(err);
	if (fy_undo_read_header(l, err) == -1)
		return -1;
	while ((r = fy_undo_read_record(l, &now, err)) == 1) {
		if (l->version == FY_UNDO_PLAIN)
			continue;
		if (fy_volume_pread(l->disks[now.disk], is, now.length,
				    now.offset, err) == -1)
			return -1;
		look_at_record(l, &now, is, &found[now.disk]);
	}
	for (i = 0; r == 0 && i < l->n_disks; i++)
		r = judge(l, i, &found[i], state, err);
	return r;
}

/* --- undoing -------------------------------------------------------------- */

static int
write_all(struct fy_undo_log *l, uint64_t *ret_bytes, struct fy_error *err)
{
	struct fy_undo_record now;
	size_t i;
	int r;

	if (fy_undo_read_header(l, err) == -1)
		return -1;
	while ((r = fy_undo_read_record(l, &now, err)) == 1) {
		if (fy_volume_pwrite(l->disks[now.disk], l->data, now.length,
				     now.offset, err) == -1)
			return -1;
		*ret_bytes += now.length;
	}
	for (i = 0; r == 0 && i < l->n_disks; i++)
		r = fy_volume_flush(l->disks[i], err);
	return r;
}

int
fy_undo_log_apply(struct fy_undo_log *l, struct fy_log *log,
		  uint64_t *ret_bytes, struct fy_error *err)
{
	enum fy_undo_state state;

	*ret_bytes = 0;
	if (fy_undo_read_trailer(l, &state, err) == -1)
		return -1;
	if (state == FY_UNDO_CUT)
		return 0;
	if (check_all(l, state, err) == -1)
		return -1;
	if (l->version == FY_UNDO_PLAIN)
		fy_log_warn(log,
			    "%s is an older program's, which does not tell "
			    "whether the disks were written to since",
			    l->name);
	/* A power cut from here on is one in the midst of the changes. */
	if (state == FY_UNDO_APPLIED &&
	    fy_undo_put_state(l, FY_UNDO_SEALED, err) == -1)
		return -1;
	return write_all(l, ret_bytes, err);
}

int
fy_undo_apply(struct fy_volume *const *disks, size_t n_disks, int job_dirfd,
	      struct fy_log *log, uint64_t *ret_bytes, struct fy_error *err)
{
	FY_AUTO(undo_log) struct fy_undo_log *l = NULL;

	l = open_log(disks, n_disks, job_dirfd, 0, err);
	if (l == NULL || lock_log(l, err) == -1)
		return -1;
	return fy_undo_log_apply(l, log, ret_bytes, err);
}
