/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing a guest's files: the original goes to "originals/DISK/VOLUME/PATH"
 * in the job's directory, then the change is made, then it is reported.  In a
 * dry run no original is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/system.h"

#define PIECE	    (1024u * 1024)
#define MAX_CHANGES 4096u /* each is looked for among all; real guests: 100 */

/* Make the directories above the last component, and open that directory. */
static int
open_parent(int dirfd, char *path, const char **ret_last, struct fy_error *err)
{
	/* A confined process may open what is below, but not this one. */
	fy_autofd int at = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	char *slash;
	int next;

	while (at != -1 && (slash = strchr(path, '/')) != NULL) {
		*slash = '\0';
		/* Names of volumes are the guest's, too. */
		if (strcmp(path, "..") == 0)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "a volume's name leads out of the "
					    "job's directory");
		if (mkdirat(at, path, 0700) == -1 && errno != EEXIST)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot create '%s'", path);
		next = openat(at, path, O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		close(at);
		at = next;
		path = slash + 1;
	}
	if (at == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	*ret_last = path;
	return fy_steal_fd(&at);
}

static int
copy_file(struct fy_guest *g, const char *path, int fd, struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc(PIECE);
	struct fy_guest_stat st;
	uint64_t at = 0;
	size_t n;

	if (buf == NULL)
		return fy_error_nomem(err);
	if (fy_guest_stat(g, path, &st, err) == -1)
		return -1;
	while (at < st.size) {
		n = (size_t)fy_min_u64(PIECE, st.size - at);
		if (fy_guest_pread(g, path, buf, n, at, err) == -1 ||
		    fy_fd_write_full(fd, buf, n, err) == -1)
			return -1;
		at += n;
	}
	return 0;
}

/* Keep the file as it is now; '*ret' is its place in the job's directory. */
static int
keep_original(struct fy_disks *d, struct fy_guest *g, const char *real,
	      const struct fy_guest_mount *m, char **ret, struct fy_error *err)
{
	fy_autofree char *place =
		fy_format(err, "originals/%u/%s%s", m->disk, m->name, real);
	fy_autofree char *walk = NULL;
	const char *last = NULL;
	fy_autofd int dir = -1;
	fy_autofd int fd = -1;

	if (place == NULL || (walk = strdup(place)) == NULL)
		return fy_error_nomem(err);
	dir = open_parent(d->options->job_dirfd, walk, &last, err);
	if (dir == -1)
		return -1;
	fd = openat(dir, last,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 && errno == EEXIST) { /* changed before: keep the first */
		*ret = fy_steal_ptr(&place);
		return 0;
	}
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot create '%s'",
				    place);
	if (copy_file(g, real, fd, err) == -1 || fy_fd_sync(fd, err) == -1 ||
	    fy_fd_close(fy_steal_fd(&fd), err) == -1 ||
	    fy_dir_sync(dir, err) == -1)
		return fy_error_prefix(err, "keeping '%s'", place);
	*ret = fy_steal_ptr(&place);
	return 0;
}

static int
report_change(struct fy_disks *d, const struct fy_guest_mount *m,
	      const char *path, const char *action, const char *why,
	      const char *original, json_t *extra, struct fy_error *err)
{
	json_t *changes = json_object_get(d->report, "changes"), *o;

	if (json_array_size(changes) == MAX_CHANGES)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "more than %u files would be changed",
				    MAX_CHANGES);
	o = json_pack("{s:i,s:s,s:o,s:s,s:s,s:o}", "disk", (int)m->disk,
		      "volume", m->name, "path", fy_json_foreign(path),
		      "action", action, "why", why, "original",
		      fy_json_foreign(original));

	if (o == NULL ||
	    (extra != NULL && json_object_update(o, extra) == -1) ||
	    json_array_append_new(changes, o))
		return fy_error_nomem(err);
	fy_log_info(d->log, "%s '%s': %s", action, path, why);
	return 0;
}

int
fy_disks_changed(struct fy_disks *d, unsigned disk, const char *volume,
		 const char *path, const char *action, const char *why,
		 struct fy_error *err)
{
	fy_autofree char *name = strdup(volume);
	struct fy_guest_mount m = { .disk = disk, .name = name };

	if (name == NULL)
		return fy_error_nomem(err);
	return report_change(d, &m, path, action, why, NULL, NULL, err);
}

/* The change is reported already: only the reason is added. */
static bool
amend_change(struct fy_disks *d, const struct fy_guest_mount *m,
	     const char *path, const char *why)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(d->report, "changes"), i, o)
	{
		fy_autofree char *both = NULL;
		const char *was = json_string_value(json_object_get(o, "why"));

		if (json_integer_value(json_object_get(o, "disk")) !=
			    (json_int_t)m->disk ||
		    !fy_streq(json_string_value(json_object_get(o, "volume")),
			      m->name) ||
		    !fy_streq(json_string_value(json_object_get(o, "path")),
			      path))
			continue;
		if (asprintf(&both, "%s; %s", was == NULL ? "" : was, why) ==
		    -1) {
			both = NULL;
			return true;
		}
		if (was == NULL || strstr(was, why) == NULL)
			json_object_set_new(o, "why", json_string(both));
		return true;
	}
	return false;
}

int
fy_system_write(struct fy_disks *d, struct fy_guest *g, const char *path,
		uint64_t keep, const void *data, size_t len, const char *why,
		json_t *extra, struct fy_error *err)
{
	const struct fy_guest_mount *m = NULL;
	fy_autofree char *real = NULL;
	fy_autofree char *original = NULL;

	if (fy_guest_real_path(g, path, &real, &m, err) == -1)
		return -1;
	if (!d->options->dry_run &&
	    keep_original(d, g, real, m, &original, err) == -1)
		return -1;
	if (fy_guest_write(g, real, keep, data, len, err) == -1)
		return -1;
	if (amend_change(d, m, real, why))
		return 0;
	return report_change(d, m, real, "modified", why, original, extra, err);
}

/* Directories that are not there yet are changes too. */
static int
make_parents(struct fy_disks *d, struct fy_guest *g, const char *path,
	     const char *why, struct fy_error *err)
{
	const struct fy_guest_mount *m = NULL;
	fy_autofree char *up = strdup(path);
	fy_autofree char *real = NULL;
	char *slash;

	if (up == NULL)
		return fy_error_nomem(err);
	slash = strrchr(up, '/');
	if (slash == NULL || slash == up)
		return 0;
	*slash = '\0';
	if (fy_guest_is_dir(g, up))
		return 0;
	if (make_parents(d, g, up, why, err) == -1 ||
	    fy_guest_mkdir(g, up, err) == -1 ||
	    fy_guest_real_path(g, up, &real, &m, err) == -1)
		return -1;
	return report_change(d, m, real, "added", why, NULL, NULL, err);
}

int
fy_system_create_as(struct fy_disks *d, struct fy_guest *g, const char *path,
		    uint32_t mode, const void *data, size_t len,
		    const char *why, struct fy_error *err)
{
	const struct fy_guest_mount *m = NULL;
	fy_autofree char *real = NULL;

	if (fy_guest_has(g, path))
		return fy_system_write(d, g, path, 0, data, len, why, NULL,
				       err);
	if (make_parents(d, g, path, why, err) == -1 ||
	    fy_guest_create(g, path, mode, data, len, err) == -1 ||
	    fy_guest_real_path(g, path, &real, &m, err) == -1)
		return -1;
	return report_change(d, m, real, "added", why, NULL, NULL, err);
}

int
fy_system_create(struct fy_disks *d, struct fy_guest *g, const char *path,
		 const void *data, size_t len, const char *why,
		 struct fy_error *err)
{
	return fy_system_create_as(d, g, path, 0644, data, len, why, err);
}

int
fy_system_mkdir(struct fy_disks *d, struct fy_guest *g, const char *path,
		uint32_t mode, const char *why, struct fy_error *err)
{
	const struct fy_guest_stat st = { .type = FY_GUEST_DIR, .mode = mode };
	const struct fy_guest_mount *m = NULL;
	fy_autofree char *real = NULL;

	if (fy_guest_is_dir(g, path))
		return 0;
	if (make_parents(d, g, path, why, err) == -1 ||
	    fy_guest_mkdir(g, path, err) == -1 ||
	    (mode != 0755 && fy_guest_set_stat(g, path, &st, err) == -1) ||
	    fy_guest_real_path(g, path, &real, &m, err) == -1)
		return -1;
	return report_change(d, m, real, "added", why, NULL, NULL, err);
}

/* The real path of what need not be followed: its directory's, and the name. */
static int
own_path(struct fy_guest *g, const char *path, char **ret,
	 const struct fy_guest_mount **ret_mount, struct fy_error *err)
{
	const char *slash = strrchr(path, '/');
	fy_autofree char *up = NULL;
	fy_autofree char *real = NULL;

	up = slash == NULL || slash == path
		     ? strdup("/")
		     : strndup(path, (size_t)(slash - path));
	if (up == NULL)
		return fy_error_nomem(err);
	if (fy_guest_real_path(g, up, &real, ret_mount, err) == -1)
		return -1;
	*ret = fy_format(err, "%s/%s", strcmp(real, "/") == 0 ? "" : real,
			 slash == NULL ? path : slash + 1);
	return *ret == NULL ? -1 : 0;
}

int
fy_system_symlink(struct fy_disks *d, struct fy_guest *g, const char *path,
		  const char *target, const char *why, struct fy_error *err)
{
	const struct fy_guest_mount *m = NULL;
	fy_autofree char *real = NULL;

	if (make_parents(d, g, path, why, err) == -1 ||
	    fy_guest_symlink(g, path, target, err) == -1 ||
	    own_path(g, path, &real, &m, err) == -1)
		return -1;
	return report_change(d, m, real, "added", why, NULL, NULL, err);
}

int
fy_system_rename(struct fy_disks *d, struct fy_guest *g, const char *path,
		 const char *to, const char *why, struct fy_error *err)
{
	const struct fy_guest_mount *m = NULL;
	fy_autofree char *real = NULL;
	fy_autofree char *real_to = NULL;

	if (own_path(g, path, &real, &m, err) == -1 ||
	    own_path(g, to, &real_to, &m, err) == -1 ||
	    fy_guest_rename(g, path, to, err) == -1 ||
	    report_change(d, m, real, "removed", why, NULL, NULL, err) == -1)
		return -1;
	return report_change(d, m, real_to, "added", why, NULL, NULL, err);
}
