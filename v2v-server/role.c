/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Roles and the root.
 *
 * The forced command in authorized_keys says what a key may do; whatever the
 * client sends is held against that.  Directories are opened one component
 * after the other by openat2() beneath the root, with no symbolic links and no
 * "..", so that nothing outside can be reached, neither by name nor by
 * exchanging a directory for a link at the right moment.  On a kernel without
 * openat2 (before 5.6) O_NOFOLLOW gives the same for single components.
 */
#include "v2v-server/role.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"

struct fy_role {
	int rootfd;
	char *root; /* real path */
	char *root_as_given;
	char **allow; /* NULL: everything */
	char *machine;
	bool append_only;
};

static const char *const actions[] = { "convert", "inventory", "backup",
				       "restore", NULL };

static bool
in_list(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

bool
fy_name_is_valid(const char *name)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(name);

	if (len == 0 || len > 100 || strchr(first, name[0]) == NULL)
		return false;
	for (; *name != '\0'; name++)
		if (strchr(first, *name) == NULL &&
		    strchr("._-", *name) == NULL)
			return false;
	return true;
}

static int
check_words(const struct fy_role_options *o, struct fy_error *err)
{
	bool allow = o->allow != NULL && o->allow->n > 0;
	size_t i;

	if (o->root == NULL && (allow || o->machine != NULL || o->append_only))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--allow, --machine and --append-only need "
				    "--root: without it a client could reach "
				    "every directory");
	for (i = 0; allow && i < o->allow->n; i++)
		if (!in_list(o->allow->items[i], actions))
			return fy_error_set(err, FY_E_USAGE, 0,
					    "--allow knows convert, inventory, "
					    "backup and restore, not '%s'",
					    o->allow->items[i]);
	if (o->machine != NULL && !fy_name_is_valid(o->machine))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--machine: '%s' is not a name",
				    o->machine);
	return 0;
}

static char *
real_path(int fd, struct fy_error *err)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0) {
		fy_error_set(err, FY_E_IO, errno,
			     "cannot find the path of a directory");
		return NULL;
	}
	path[n] = '\0';
	return fy_format(err, "%s", path);
}

static int
copy_allow(const struct fy_strings *allow, char ***ret, struct fy_error *err)
{
	size_t i;

	if (allow == NULL || allow->n == 0)
		return 0;
	*ret = calloc(allow->n + 1, sizeof(**ret));
	if (*ret == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < allow->n; i++)
		if (((*ret)[i] = strdup(allow->items[i])) == NULL)
			return fy_error_nomem(err);
	return 0;
}

int
fy_role_new(const struct fy_role_options *o, struct fy_role **ret,
	    struct fy_error *err)
{
	FY_AUTO(role) struct fy_role *r = NULL;
	const char *root = o->root != NULL ? o->root : "/";

	if (check_words(o, err) == -1)
		return -1;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return fy_error_nomem(err);
	r->rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->rootfd == -1)
		return fy_error_set(err,
				    errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO,
				    errno, "cannot open the root '%s'", root);
	r->append_only = o->append_only;
	r->root = real_path(r->rootfd, err);
	r->root_as_given = fy_format(err, "%s", root);
	if (o->machine != NULL)
		r->machine = fy_format(err, "%s", o->machine);
	if (copy_allow(o->allow, &r->allow, err) == -1 || r->root == NULL ||
	    r->root_as_given == NULL ||
	    (o->machine != NULL && r->machine == NULL))
		return -1;
	*ret = fy_steal_ptr(&r);
	return 0;
}

void
fy_role_free(struct fy_role *r)
{
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; r->allow != NULL && r->allow[i] != NULL; i++)
		free(r->allow[i]);
	free(r->allow);
	free(r->machine);
	free(r->root);
	free(r->root_as_given);
	if (r->rootfd > 0)
		close(r->rootfd);
	free(r);
}

int
fy_role_check(const struct fy_role *r, const char *action, const char *name,
	      bool force, struct fy_error *err)
{
	if (r->allow != NULL && !in_list(action, (const char *const *)r->allow))
		return fy_error_set(err, FY_E_DENIED, 0,
				    "this key may not do '%.40s' here "
				    "(--allow)",
				    action);
	if (r->machine != NULL && strcmp(r->machine, name) != 0)
		return fy_error_set(err, FY_E_DENIED, 0,
				    "this key may work for '%s' only, not for "
				    "'%.100s' (--machine)",
				    r->machine, name);
	if (r->append_only && force)
		return fy_error_set(err, FY_E_DENIED, 0,
				    "this key may not replace what is there "
				    "(--append-only), so --force is refused");
	return 0;
}

/* 'path' without 'root' in front, or NULL. */
static const char *
strip_root(const char *path, const char *root)
{
	size_t len = strlen(root);

	while (len > 0 && root[len - 1] == '/')
		len--;
	if (strncmp(path, root, len) != 0)
		return NULL;
	if (path[len] != '/' && path[len] != '\0')
		return NULL;
	return path + len;
}

static int
open_component(int dirfd, const char *name, struct fy_error *err)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd;

	fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	if (fd == -1 && (errno == ENOSYS || errno == EPERM))
		fd = openat(dirfd, name, (int)how.flags);
	if (fd == -1 && (errno == ELOOP || errno == EXDEV))
		return fy_error_set(err, FY_E_DENIED, 0,
				    "'%.100s' is a symbolic link; name the "
				    "directory that it leads to",
				    name);
	if (fd == -1 && errno == ENOTDIR) {
		struct stat st;

		/* O_NOFOLLOW with O_DIRECTORY says ENOTDIR for a link. */
		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISLNK(st.st_mode))
			return fy_error_set(err, FY_E_DENIED, 0,
					    "'%.100s' is a symbolic link; name "
					    "the directory that it leads to",
					    name);
		errno = ENOTDIR;
	}
	return fd;
}

/* One step down, made when it is missing. */
static int
step(int dirfd, const char *name, int *ret, struct fy_error *err)
{
	bool made = false;
	int fd;

	fd = open_component(dirfd, name, err);
	if (fd == -1 && err->code == FY_E_NONE && errno == ENOENT) {
		if (mkdirat(dirfd, name, 0755) == -1 && errno != EEXIST)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot create the directory "
					    "'%.100s'",
					    name);
		made = true;
		fd = open_component(dirfd, name, err);
	}
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot open the directory '%.100s'", name);
	if (made) {
		fy_autofd int parent = openat(dirfd, ".", O_RDONLY | O_CLOEXEC);

		if (parent >= 0 && fy_dir_sync(parent, err) == -1) {
			close(fd);
			return -1;
		}
	}
	*ret = fd;
	return 0;
}

int
fy_role_open_dir(const struct fy_role *r, const char *to, int *ret_fd,
		 char **ret_path, struct fy_error *err)
{
	fy_autofree char *copy = NULL;
	fy_autofd int fd = -1;
	const char *rest = to;
	char *word, *save = NULL;

	if (to[0] == '/') {
		rest = strip_root(to, r->root);
		if (rest == NULL)
			rest = strip_root(to, r->root_as_given);
		if (rest == NULL)
			return fy_error_set(err, FY_E_DENIED, 0,
					    "'%.200s' is outside this server's "
					    "root",
					    to);
	}
	copy = fy_format(err, "%s", rest);
	fd = openat(r->rootfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy == NULL || fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot open the root");
	for (word = strtok_r(copy, "/", &save); word != NULL;
	     word = strtok_r(NULL, "/", &save)) {
		int next = -1;

		if (fy_streq(word, "."))
			continue;
		if (fy_streq(word, ".."))
			return fy_error_set(err, FY_E_DENIED, 0,
					    "'..' is not allowed in '%.200s'",
					    to);
		if (step(fd, word, &next, err) == -1)
			return fy_error_prefix(err, "%.200s", to);
		close(fd);
		fd = next;
	}
	*ret_path = real_path(fd, err);
	if (*ret_path == NULL)
		return -1;
	*ret_fd = fy_steal_fd(&fd);
	return 0;
}
