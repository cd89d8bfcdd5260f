/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commit: from NAME.partial to NAME.qcow2, NAME.job and NAME.xml.
 *
 * Several renames can't be one, so what is to be renamed is written down first,
 * in commit.json.  Each step looks at what is there and does what is missing;
 * so the whole may be cut anywhere and done again.  An old NAME.xml that is to
 * be replaced goes first and the new one comes last: a NAME.xml that is there
 * always belongs to images that are whole.
 *
 *   1. everything in NAME.partial is synced; commit.json is written
 *   2. with replace: the old NAME.xml goes to NAME.partial/.old.xml
 *   3. the images, then job -> NAME.job, then other definitions; DIR synced
 *   4. NAME.xml; DIR synced: the job is done
 *   5. NAME.partial is emptied, commit.json as the last
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/jobdir.h"

#define INTENT	   "commit.json"
#define INTENT_MAX 65536u
#define AGAIN_MS   500u
#define AGAIN_MAX  20u

/* fsync of everything in a directory, and of itself.  Takes 'fd'. */
static int
sync_tree(int fd, unsigned depth, struct fy_error *err)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (dir == NULL) {
		close(fd);
		return fy_error_nomem(err);
	}
	while (r == 0 && (e = readdir(dir)) != NULL) {
		bool is_dir = e->d_type == DT_DIR;
		fy_autofd int sub = -1;

		if (fy_streq(e->d_name, ".") || fy_streq(e->d_name, "..") ||
		    (e->d_type != DT_REG && !is_dir))
			continue;
		sub = openat(dirfd(dir), e->d_name,
			     O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		/* On SMB, the journal's index, which was deleted while it is
		 * open, is listed until it is closed. */
		if (sub == -1 && errno == ENOENT)
			continue;
		if (sub == -1)
			r = fy_error_set(err, FY_E_IO, errno,
					 "cannot open '%s'", e->d_name);
		else if (!is_dir)
			r = fy_fd_sync(sub, err);
		else if (depth > 0)
			r = sync_tree(fy_steal_fd(&sub), depth - 1, err);
	}
	if (r == 0)
		r = fy_dir_sync(dirfd(dir), err);
	closedir(dir);
	return r;
}

int
fy_commit_write(struct fy_jobdir *d, const json_t *images, const json_t *others,
		bool replace, struct fy_error *err)
{
	fy_autojson json_t *j = json_object();
	fy_autofd int fd = -1;

	if (j == NULL ||
	    json_object_set(j, "images", (json_t *)(uintptr_t)images) == -1 ||
	    (others != NULL &&
	     json_object_set(j, "others", (json_t *)(uintptr_t)others) == -1) ||
	    json_object_set_new(j, "replace", json_boolean(replace)) == -1)
		return fy_error_nomem(err);
	fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    d->path);
	if (sync_tree(fy_steal_fd(&fd), 4, err) == -1)
		return -1;
	return fy_json_write_at(d->fd, INTENT, j, err);
}

bool
fy_commit_is_pending(const struct fy_jobdir *d)
{
	return fy_jobdir_has(d->fd, INTENT);
}

/*
 * renameat2; on SMB, what was closed a moment ago is still open for the server
 * (the kernel closes it late), and a directory with an open file in it can't be
 * renamed: tried again for some seconds.
 */
static int
rename_patiently(int fromfd, const char *from, int tofd, const char *to,
		 unsigned flags)
{
	const struct timespec pause = { .tv_nsec = AGAIN_MS * 1000000L };
	unsigned i;

	for (i = 0;; i++) {
		if (renameat2(fromfd, from, tofd, to, flags) == 0)
			return 0;
		if ((errno != EACCES && errno != EBUSY) || i == AGAIN_MAX)
			return -1;
		nanosleep(&pause, NULL);
	}
}

static int
rename_in(int fromfd, const char *from, int tofd, const char *to, bool replace,
	  struct fy_error *err)
{
	unsigned flags = replace ? 0 : RENAME_NOREPLACE;

	if (rename_patiently(fromfd, from, tofd, to, flags) == 0)
		return 0;
	if (errno == EINVAL && !replace && !fy_jobdir_has(tofd, to) &&
	    rename_patiently(fromfd, from, tofd, to, 0) == 0)
		return 0; /* a filesystem that knows no flags (NFS) */
	if (errno == EEXIST || (errno == EINVAL && !replace))
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "'%s' is there already and may not be "
				    "replaced: move it away, then give the "
				    "same command again",
				    to);
	return fy_error_set(err, FY_E_IO, errno, "cannot rename '%s' to '%s'",
			    from, to);
}

/* Move a file to the target directory unless that was done before. */
static int
move_file(struct fy_jobdir *d, const char *name, bool replace,
	  struct fy_error *err)
{
	if (!fy_jobdir_has(d->fd, name)) {
		if (fy_jobdir_has(d->dirfd, name))
			return 0;
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "'%s' is neither in '%s' nor in '%s': "
				    "somebody removed it",
				    name, d->path, d->dir);
	}
	return rename_in(d->fd, name, d->dirfd, name, replace, err);
}

static int
move_list(struct fy_jobdir *d, const json_t *list, bool replace,
	  struct fy_error *err)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (name == NULL || strchr(name, '/') != NULL || name[0] == '.')
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%s/" INTENT "' is damaged",
					    d->path);
		if (move_file(d, name, replace, err) == -1)
			return -1;
	}
	return 0;
}

/* job -> NAME.job; an old one is put aside first, for a directory that is not
 * empty can't be replaced by a rename. */
static int
move_job(struct fy_jobdir *d, const char *final, bool replace,
	 struct fy_error *err)
{
	static const char *const kept[] = { "journal", "undo.log", "originals",
					    "log" };
	fy_autofd int jobfd = -1;
	size_t i;

	if (!fy_jobdir_has(d->fd, "job"))
		return 0; /* done before */
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		fy_autofree char *to = fy_format(err, "job/%s", kept[i]);

		if (to == NULL ||
		    (fy_jobdir_has(d->fd, kept[i]) &&
		     rename_in(d->fd, kept[i], d->fd, to, true, err) == -1))
			return -1;
	}
	jobfd = openat(d->fd, "job", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (jobfd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s/job'",
				    d->path);
	if (fy_dir_sync(jobfd, err) == -1 || fy_dir_sync(d->fd, err) == -1)
		return -1;
	if (replace && fy_jobdir_has(d->dirfd, final)) {
		if (fy_dir_remove_all_at(d->fd, ".old.job", err) == -1 ||
		    rename_in(d->dirfd, final, d->fd, ".old.job", true, err) ==
			    -1)
			return -1;
	}
	return rename_in(d->fd, "job", d->dirfd, final, replace, err);
}

/* An old definition must not name images that are being replaced. */
static int
put_old_xml_aside(struct fy_jobdir *d, const char *xml, struct fy_error *err)
{
	/* When the new one has gone already, the one there is the new one. */
	if (!fy_jobdir_has(d->fd, xml) || !fy_jobdir_has(d->dirfd, xml))
		return 0;
	if (rename_in(d->dirfd, xml, d->fd, ".old.xml", true, err) == -1)
		return -1;
	return fy_dir_sync(d->dirfd, err);
}

int
fy_commit_roll(struct fy_jobdir *d, struct fy_error *err)
{
	fy_autofree char *xml = fy_format(err, "%s.xml", d->name);
	fy_autofree char *job = fy_format(err, "%s.job", d->name);
	fy_autojson json_t *j = NULL;
	bool replace;

	if (xml == NULL || job == NULL)
		return -1;
	j = fy_json_read_at(d->fd, INTENT, INTENT_MAX, err);
	if (j == NULL)
		return -1;
	replace = fy_json_bool_or(j, "replace", false);
	if (replace && put_old_xml_aside(d, xml, err) == -1)
		return -1;
	if (move_list(d, json_object_get(j, "images"), replace, err) == -1 ||
	    move_job(d, job, replace, err) == -1 ||
	    move_list(d, json_object_get(j, "others"), replace, err) == -1 ||
	    fy_dir_sync(d->dirfd, err) == -1 ||
	    move_file(d, xml, replace, err) == -1 ||
	    fy_dir_sync(d->dirfd, err) == -1)
		return -1;
	return fy_jobdir_clear(d, err);
}
