/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SELinux labels of new files: by the guest's own file_contexts, read with
 * libselinux from copies.  Files that were changed in place keep theirs.  Where
 * a label can't be had, the guest is asked to relabel itself at its next boot
 * (/.autorelabel).
 */
#include <fcntl.h>
#include <selinux/label.h>
#include <selinux/selinux.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

#define MAX_CONTEXTS (32u * 1024 * 1024)

struct labels {
	struct selabel_handle *h;
	char *dir;
};

/* libselinux would write to standard error. */
static int __attribute__((format(printf, 2, 3)))
be_quiet(int type, const char *fmt, ...)
{
	(void)type;
	(void)fmt;
	return 0;
}

static void
labels_close(struct labels *l)
{
	if (l->h != NULL)
		selabel_close(l->h);
	if (l->dir != NULL)
		fy_dir_remove_all_at(AT_FDCWD, l->dir, NULL);
	free(l->dir);
}

/* Copies of the policy's files of that name; false without the main one. */
static bool
copy_contexts(struct fy_system *s, const char *dir, int fd,
	      struct fy_error *err)
{
	static const char *const ends[] = { "", ".local", ".homedirs", ".subs",
					    ".subs_dist" };
	size_t i, len;

	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		fy_autofree char *from =
			fy_format(err, "%s/file_contexts%s", dir, ends[i]);
		fy_autofree char *to =
			fy_format(err, "file_contexts%s", ends[i]);
		fy_autofree char *text = NULL;

		if (from == NULL || to == NULL)
			return false;
		if (fy_guest_read(s->guest, from, MAX_CONTEXTS, &text, &len,
				  NULL) == -1) {
			if (i == 0)
				return false;
			continue;
		}
		if (fy_file_replace_at(fd, to, text, len, 0600, err) == -1)
			return false;
	}
	return true;
}

static int
labels_open(struct fy_system *s, struct labels *ret, struct fy_error *err)
{
	const struct fy_linux *l = fy_linux_of(s);
	union selinux_callback quiet = { .func_log = be_quiet };
	fy_autofree char *dir = NULL;
	fy_autofree char *path = NULL;
	struct selinux_opt opts[1];
	fy_autofd int fd = -1;

	if (l->selinux_type == NULL || l->selinux_type[0] == '\0' ||
	    strchr(l->selinux_type, '/') != NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "its configuration names no policy");
	dir = fy_format(err, "etc/selinux/%s/contexts/files", l->selinux_type);
	if (dir == NULL || fy_dir_temporary("ironferry", &ret->dir, err) == -1)
		return -1;
	fd = open(ret->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path = fy_format(err, "%s/file_contexts", ret->dir);
	if (fd == -1 || path == NULL || !copy_contexts(s, dir, fd, err))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "its policy '%s' has no file_contexts",
				    l->selinux_type);
	selinux_set_callback(SELINUX_CB_LOG, quiet);
	opts[0].type = SELABEL_OPT_PATH;
	opts[0].value = path;
	ret->h = selabel_open(SELABEL_CTX_FILE, opts, 1);
	if (ret->h == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "its file_contexts can't be understood");
	return 0;
}

/* What 'path' is itself. */
static int
mode_of(struct fy_guest *g, const char *path)
{
	fy_autofree char *to = NULL;

	if (fy_guest_readlink(g, path, &to, NULL) == 0)
		return S_IFLNK;
	return fy_guest_is_dir(g, path) ? S_IFDIR : S_IFREG;
}

static int
label_one(struct fy_system *s, struct labels *l, const char *path,
	  struct fy_error *err)
{
	char *context = NULL;
	int r;

	/* Nothing is said of it: it keeps its directory's. */
	if (selabel_lookup_raw(l->h, &context, path, mode_of(s->guest, path)) ==
	    -1)
		return 0;
	r = fy_guest_set_xattr(s->guest, path, "security.selinux", context,
			       strlen(context) + 1, err);
	freecon(context);
	return r;
}

/* Whether the change is one to this system's files, on a filesystem that has
 * labels. */
static bool
is_ours(const struct fy_system *s, const json_t *o)
{
	const char *volume = json_string_value(json_object_get(o, "volume"));
	json_int_t disk = json_integer_value(json_object_get(o, "disk"));
	const struct fy_guest_mount *m;
	size_t n, i;

	if (!fy_streq(json_string_value(json_object_get(o, "action")), "added"))
		return false;
	m = fy_guest_mounts(s->guest, &n);
	for (i = 0; i < n; i++)
		if ((json_int_t)m[i].disk == disk &&
		    fy_streq(m[i].name, volume))
			return !m[i].driver->caseless;
	return false;
}

static int
label_all(struct fy_system *s, struct labels *l, struct fy_error *err)
{
	json_t *changes = json_object_get(s->disks->report, "changes"), *o;
	size_t i;

	json_array_foreach(changes, i, o)
	{
		const char *path =
			json_string_value(json_object_get(o, "path"));

		if (path != NULL && is_ours(s, o) &&
		    label_one(s, l, path, err) == -1)
			return -1;
	}
	return 0;
}

static bool
added_any(const struct fy_system *s)
{
	json_t *changes = json_object_get(s->disks->report, "changes"), *o;
	size_t i;

	json_array_foreach(changes, i, o)
	{
		if (is_ours(s, o))
			return true;
	}
	return false;
}

int
fy_linux_label(struct fy_system *s, struct fy_error *err)
{
	struct labels labels = { 0 };
	struct fy_error e = { 0 };
	int r;

	if (fy_linux_of(s)->selinux == NULL || !added_any(s))
		return 0;
	r = labels_open(s, &labels, &e);
	if (r == 0)
		r = label_all(s, &labels, &e);
	labels_close(&labels);
	if (r == 0)
		return 0;
	if (e.code != FY_E_NOTFOUND && e.code != FY_E_FORMAT &&
	    e.code != FY_E_UNSUPPORTED)
		return fy_error_copy(err, &e);
	if (fy_disks_warn(s->disks, err,
			  "the SELinux labels of new files can't be set (%s); "
			  "the guest will relabel itself at its first boot",
			  e.msg) == -1)
		return -1;
	return fy_system_create(s->disks, s->guest, "/.autorelabel", "", 0,
				"SELinux labels are set anew at the next boot",
				err);
}
