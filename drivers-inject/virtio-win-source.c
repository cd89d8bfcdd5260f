/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The files of a tree of drivers: a directory, whose paths the kernel resolves
 * beneath it (a symlink that leads out is passed over, with a note), or an ISO
 * 9660 image, read by libarchive without a mount.  Opening lists the names;
 * reading takes all that is wanted in one pass, as an image is read from its
 * beginning to its end.
 */
#include "drivers-inject/virtio-win-internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_ENTRIES 50000u
#define MAX_DEPTH   12u
#define MAX_PATH    512u
#define MAX_NOTES   50u
#define VOLUME_AT   (16u * 2048) /* the image's first descriptor */

int
fy_win_note(struct fy_string_set *notes, struct fy_error *err, const char *fmt,
	    ...)
{
	fy_autofree char *s = NULL;
	va_list ap;

	if (notes->n >= MAX_NOTES)
		return 0;
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1)
		s = NULL;
	va_end(ap);
	if (s == NULL)
		return fy_error_nomem(err);
	return fy_string_set_add(notes, s, err);
}

bool
fy_win_has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n >= k && strcasecmp(name + n - k, suffix) == 0;
}

static void
to_lower(char *s)
{
	for (; *s != '\0'; s++)
		*s = (char)tolower((unsigned char)*s);
}

static int
add_entry(struct fy_win_source *s, const char *path, struct fy_error *err)
{
	struct fy_win_entry *e, *grown;

	if (s->n == MAX_ENTRIES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "more than %u files in '%s'", MAX_ENTRIES,
				    s->path);
	if ((s->n & (s->n - 1)) == 0) {
		grown = reallocarray(s->entries, s->n == 0 ? 1 : 2 * s->n,
				     sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		s->entries = grown;
	}
	e = &s->entries[s->n];
	memset(e, 0, sizeof(*e));
	e->same_as = SIZE_MAX;
	e->path = strdup(path);
	e->lower = strdup(path);
	s->n++;
	if (e->path == NULL || e->lower == NULL)
		return fy_error_nomem(err);
	to_lower(e->lower);
	return 0;
}

static int
compare_entries(const void *pa, const void *pb)
{
	const struct fy_win_entry *a = pa, *b = pb;
	int r = strcmp(a->lower, b->lower);

	return r != 0 ? r : strcmp(a->path, b->path);
}

static void
sort_entries(struct fy_win_source *s)
{
	fy_sort(s->entries, s->n, sizeof(*s->entries), compare_entries);
}

static int
compare_lower(const void *key, const void *p)
{
	return strcmp(key, ((const struct fy_win_entry *)p)->lower);
}

struct fy_win_entry *
fy_win_source_find(const struct fy_win_source *s, const char *lower)
{
	return s->n == 0 ? NULL
			 : bsearch(lower, s->entries, s->n, sizeof(*s->entries),
				   compare_lower);
}

/* The one of exactly that path; others may differ in case. */
static struct fy_win_entry *
find_exact(const struct fy_win_source *s, const char *path)
{
	fy_autofree char *lower = strdup(path);
	const struct fy_win_entry *end = s->entries + s->n;
	struct fy_win_entry *e = NULL;

	if (lower != NULL) {
		to_lower(lower);
		e = fy_win_source_find(s, lower);
	}
	while (e != NULL && e > s->entries && fy_streq(e[-1].lower, lower))
		e--;
	for (; e != NULL && e < end && fy_streq(e->lower, lower); e++)
		if (strcmp(e->path, path) == 0)
			return e;
	return NULL;
}

/* --- a directory ----------------------------------------------------------- */

static int
open_beneath(int dirfd, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH |
					   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

static int walk(struct fy_win_source *s, const char *path, unsigned depth,
		struct fy_error *err);

/* What an entry is; a symlink counts as what it leads to. */
static int
one_name(struct fy_win_source *s, const char *path, unsigned depth,
	 unsigned char type, struct fy_error *err)
{
	struct stat st;
	fy_autofd int fd = -1;

	if (type == DT_REG)
		return add_entry(s, path, err);
	if (type == DT_DIR)
		return walk(s, path, depth + 1, err);
	if (type != DT_LNK && type != DT_UNKNOWN)
		return 0;
	fd = open_beneath(s->dirfd, path, O_PATH);
	if (fd == -1)
		return fy_win_note(&s->notes, err,
				   "'%s' is left out: a link that leads out of "
				   "the directory, or nowhere",
				   path);
	if (fstat(fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot stat '%s'",
				    path);
	if (S_ISREG(st.st_mode))
		return add_entry(s, path, err);
	/* Links to directories: each file is reached once without them. */
	if (S_ISDIR(st.st_mode) && type != DT_LNK)
		return walk(s, path, depth + 1, err);
	return 0;
}

static int
walk(struct fy_win_source *s, const char *path, unsigned depth,
     struct fy_error *err)
{
	int fd = open_beneath(s->dirfd, path, O_DIRECTORY);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (dir == NULL) {
		fy_error_set(err, FY_E_IO, errno, "cannot open '%s' in '%s'",
			     path, s->path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	while (r == 0 && (e = readdir(dir)) != NULL) {
		fy_autofree char *below = NULL;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		below = strcmp(path, ".") == 0
				? strdup(e->d_name)
				: fy_format(err, "%s/%s", path, e->d_name);
		if (below == NULL)
			r = fy_error_nomem(err);
		else if (depth == MAX_DEPTH || strlen(below) > MAX_PATH)
			r = fy_win_note(&s->notes, err,
					"what is below '%s' is left out: too "
					"deep",
					path);
		else
			r = one_name(s, below, depth, e->d_type, err);
	}
	closedir(dir);
	return r;
}

static int
read_from_directory(struct fy_win_source *s, struct fy_win_entry *e,
		    struct fy_error *err)
{
	struct fy_error why = { 0 };
	char self[64];
	fy_autofd int fd =
		open_beneath(s->dirfd, e->path, O_RDONLY | O_NONBLOCK);

	if (fd == -1)
		return fy_win_note(&s->notes, err, "cannot open '%s': %s",
				   e->path, strerror(errno));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fy_file_read_at(AT_FDCWD, self, FY_WIN_FILE_MAX, &e->data, &e->len,
			    &why) == -1)
		return fy_win_note(&s->notes, err, "'%s': %s", e->path,
				   why.msg);
	return 0;
}

/* --- an ISO image ---------------------------------------------------------- */

static void
free_archive(struct archive *a)
{
	archive_read_free(a);
}
FY_DEFINE_AUTO(archive, struct archive, free_archive)

static int
open_image(const struct fy_win_source *s, struct archive **ret,
	   struct fy_error *err)
{
	FY_AUTO(archive) struct archive *a = archive_read_new();

	if (a == NULL || archive_read_support_format_iso9660(a) != ARCHIVE_OK)
		return fy_error_nomem(err);
	if (archive_read_open_filename(a, s->path, 64 * 1024) != ARCHIVE_OK)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s': %s", s->path,
				    archive_error_string(a));
	*ret = fy_steal_ptr(&a);
	return 0;
}

/* 1: '*ret' is the next regular file; 0: the end. */
static int
next_file(const struct fy_win_source *s, struct archive *a,
	  struct archive_entry **ret, struct fy_error *err)
{
	int r;

	for (;;) {
		r = archive_read_next_header(a, ret);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%s' is damaged: %s", s->path,
					    archive_error_string(a));
		if (archive_entry_filetype(*ret) == AE_IFREG &&
		    archive_entry_pathname(*ret) != NULL &&
		    strlen(archive_entry_pathname(*ret)) <= MAX_PATH)
			return 1;
	}
}

/* Its content is another file's: an image names the first one. */
static int
note_link(struct fy_win_source *s, const char *link, struct fy_error *err)
{
	struct fy_win_entry *e = &s->entries[s->n - 1];

	if (link == NULL || strcmp(link, e->path) == 0)
		return 0;
	e->link = strdup(link);
	return e->link == NULL ? fy_error_nomem(err) : 0;
}

/* Places are known after sorting only. */
static void
resolve_links(struct fy_win_source *s)
{
	struct fy_win_entry *to;
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->entries[i].link == NULL)
			continue;
		to = find_exact(s, s->entries[i].link);
		if (to != NULL && to != &s->entries[i])
			s->entries[i].same_as = (size_t)(to - s->entries);
	}
}

static int
list_image(struct fy_win_source *s, struct fy_error *err)
{
	FY_AUTO(archive) struct archive *a = NULL;
	struct archive_entry *e;
	int r;

	if (open_image(s, &a, err) == -1)
		return -1;
	while ((r = next_file(s, a, &e, err)) == 1)
		if (add_entry(s, archive_entry_pathname(e), err) == -1 ||
		    note_link(s, archive_entry_hardlink(e), err) == -1)
			return -1;
	if (r == -1)
		return -1;
	sort_entries(s);
	resolve_links(s);
	return 0;
}

static int
read_data(struct fy_win_source *s, struct archive *a, struct archive_entry *ae,
	  struct fy_win_entry *e, struct fy_error *err)
{
	int64_t size = archive_entry_size(ae);
	fy_autofree char *data = NULL;
	size_t at = 0;
	ssize_t n = 1;

	if (size < 0 || size > FY_WIN_FILE_MAX)
		return fy_win_note(&s->notes, err,
				   "'%s' is left out: larger than %u MiB",
				   e->path, FY_WIN_FILE_MAX >> 20);
	data = malloc((size_t)size + 1);
	if (data == NULL)
		return fy_error_nomem(err);
	while (at < (size_t)size && n > 0) {
		n = archive_read_data(a, data + at, (size_t)size - at);
		if (n > 0)
			at += (size_t)n;
	}
	if (n < 0 || at < (size_t)size)
		return fy_error_set(
			err, FY_E_FORMAT, 0, "'%s' is damaged at '%s': %s",
			s->path, e->path,
			n < 0 ? archive_error_string(a) : "it ends too early");
	data[at] = '\0';
	e->data = fy_steal_ptr(&data);
	e->len = at;
	return 0;
}

static int
read_from_image(struct fy_win_source *s, struct fy_error *err)
{
	FY_AUTO(archive) struct archive *a = NULL;
	struct archive_entry *ae;
	uint64_t total = 0;
	int r;

	if (open_image(s, &a, err) == -1)
		return -1;
	while ((r = next_file(s, a, &ae, err)) == 1) {
		struct fy_win_entry *e =
			find_exact(s, archive_entry_pathname(ae));

		if (e == NULL || !e->wanted || e->data != NULL ||
		    archive_entry_hardlink(ae) != NULL)
			continue;
		if (read_data(s, a, ae, e, err) == -1)
			return -1;
		total += e->len;
		if (total > FY_WIN_READ_MAX)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the drivers in '%s' are more than "
					    "%u MiB",
					    s->path, FY_WIN_READ_MAX >> 20);
	}
	return r;
}

/* The image's name as it says itself: "virtio-win-0.1.240". */
static int
name_image(struct fy_win_source *s, int fd, struct fy_error *err)
{
	unsigned char d[96];
	char label[33];
	size_t n;

	if (pread(fd, d, sizeof(d), VOLUME_AT) != (ssize_t)sizeof(d) ||
	    memcmp(d + 1, "CD001", 5) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' is neither a directory nor an ISO "
				    "9660 image",
				    s->path);
	fy_copy_field(label, sizeof(label), d + 40, 32);
	for (n = strlen(label); n > 0 && label[n - 1] == ' '; n--)
		label[n - 1] = '\0';
	for (n = 0; label[n] != '\0'; n++)
		if (!isgraph((unsigned char)label[n]))
			label[n] = '_';
	s->name = *label == '\0' ? strdup(s->path)
				 : fy_format(err, "%s (%s)", label, s->path);
	return s->name == NULL ? fy_error_nomem(err) : 0;
}

/* --- both ------------------------------------------------------------------ */

static bool
has_infs(const struct fy_win_source *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (fy_win_has_suffix(s->entries[i].lower, ".inf"))
			return true;
	return false;
}

/* An image in a directory without drivers (as packages of distributions
 * install it): the first one at its top. */
static const char *
image_in(const struct fy_win_source *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strchr(s->entries[i].path, '/') == NULL &&
		    fy_win_has_suffix(s->entries[i].lower, ".iso"))
			return s->entries[i].path;
	return NULL;
}

static int
open_at(const char *path, struct fy_win_source *s, struct fy_error *err)
{
	struct stat st;
	fy_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	s->path = strdup(path);
	if (s->path == NULL)
		return fy_error_nomem(err);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "there is no '%s' to take drivers from",
				    path);
	if (fd == -1 || fstat(fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	if (!S_ISDIR(st.st_mode))
		return name_image(s, fd, err) == -1 ? -1 : list_image(s, err);
	s->name = strdup(path);
	if (s->name == NULL)
		return fy_error_nomem(err);
	s->dirfd = fy_steal_fd(&fd);
	if (walk(s, ".", 0, err) == -1)
		return -1;
	sort_entries(s);
	return 0;
}

int
fy_win_source_open(const char *path, struct fy_win_source *ret,
		   struct fy_error *err)
{
	fy_autofree char *image = NULL;

	memset(ret, 0, sizeof(*ret));
	ret->dirfd = -1;
	if (open_at(path, ret, err) == -1)
		goto release;
	if (ret->dirfd != -1 && !has_infs(ret) && image_in(ret) != NULL) {
		image = fy_format(err, "%s/%s", path, image_in(ret));
		if (image == NULL)
			goto release;
		fy_win_source_release(ret);
		if (open_at(image, ret, err) == -1)
			goto release;
	}
	if (has_infs(ret))
		return 0;
	fy_error_set(err, FY_E_UNSUPPORTED, 0,
		     "'%s' has no drivers (no .inf file)", path);
release:
	fy_win_source_release(ret);
	return -1;
}

static int
read_from_walk(struct fy_win_source *s, struct fy_error *err)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < s->n; i++) {
		struct fy_win_entry *e = &s->entries[i];

		if (!e->wanted || e->data != NULL)
			continue;
		if (read_from_directory(s, e, err) == -1)
			return -1;
		total += e->len;
		if (total > FY_WIN_READ_MAX)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the drivers in '%s' are more than "
					    "%u MiB",
					    s->path, FY_WIN_READ_MAX >> 20);
	}
	return 0;
}

int
fy_win_source_read(struct fy_win_source *s, struct fy_error *err)
{
	size_t i;

	if (s->dirfd != -1)
		return read_from_walk(s, err);
	for (i = 0; i < s->n; i++)
		if (s->entries[i].wanted && s->entries[i].same_as != SIZE_MAX)
			s->entries[s->entries[i].same_as].wanted = true;
	if (read_from_image(s, err) == -1)
		return -1;
	for (i = 0; i < s->n; i++) {
		struct fy_win_entry *e = &s->entries[i];
		const struct fy_win_entry *same;

		if (!e->wanted || e->data != NULL || e->same_as == SIZE_MAX)
			continue;
		same = &s->entries[e->same_as];
		if (same->data == NULL)
			continue;
		e->data = malloc(same->len + 1);
		if (e->data == NULL)
			return fy_error_nomem(err);
		memcpy(e->data, same->data, same->len + 1);
		e->len = same->len;
	}
	return 0;
}

void
fy_win_source_drop(struct fy_win_source *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		struct fy_win_entry *e = &s->entries[i];

		e->wanted = false;
		if (fy_win_has_suffix(e->lower, ".inf"))
			continue;
		free(e->data);
		e->data = NULL;
		e->len = 0;
	}
}

void
fy_win_source_release(struct fy_win_source *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		free(s->entries[i].path);
		free(s->entries[i].lower);
		free(s->entries[i].link);
		free(s->entries[i].data);
	}
	free(s->entries);
	free(s->path);
	free(s->name);
	if (s->dirfd >= 0)
		close(s->dirfd);
	fy_string_set_release(&s->notes);
	memset(s, 0, sizeof(*s));
	s->dirfd = -1;
}
