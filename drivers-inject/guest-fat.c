/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FAT by mtools: the EFI system partition.  The tree's names are listed once
 * (mdir -b -/) and kept; content goes through mtype and mcopy.  The file that
 * was read last is kept too, since a reader asks for its size first.
 *
 * mtools takes * ? [ ] and \ in names for patterns, so such names can be
 * neither read nor written.  Names compare without case.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "common/worker.h"
#include "drivers-inject/guest.h"
#include "drivers-inject/tool-path.h"

#define MAX_LISTING (16u * 1024 * 1024)
#define MAX_FILE    (256u * 1024 * 1024)
#define MAX_ENTRIES 100000u

struct fat {
	struct fy_tool_path *tool;
	char **entries; /* "EFI/debian/", "EFI/debian/shimx64.efi" */
	size_t n_entries;
	char *path; /* of 'data' */
	char *data;
	size_t len;
};

/* A fixed date (1980-01-01, FAT's first): the same disk gives the same image,
 * whenever it is converted. */
static const char *const mtools_env[] = { "MTOOLS_SKIP_CHECK=1",
					  "MTOOLSRC=/dev/null",
					  "SOURCE_DATE_EPOCH=315532800", NULL };

static int
run(const char *const *argv, const void *in, size_t in_len, size_t max,
    uint64_t accept, struct fy_subprocess_result *ret, struct fy_error *err)
{
	struct fy_subprocess_options o = {
		.stdin_data = in,
		.stdin_len = in_len,
		.capture_max = max,
		.env = mtools_env,
		.timeout_s = 600,
		.stop = fy_worker_own_stop(),
		.accept = accept,
	};

	return fy_subprocess_run(argv, &o, ret, err);
}

static int
add_entry(struct fat *f, const char *name, size_t len, struct fy_error *err)
{
	char **grown;

	if (f->n_entries == MAX_ENTRIES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "more than %u files on a FAT filesystem",
				    MAX_ENTRIES);
	grown = reallocarray(f->entries, f->n_entries + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	f->entries = grown;
	grown[f->n_entries] = strndup(name, len);
	if (grown[f->n_entries] == NULL)
		return fy_error_nomem(err);
	f->n_entries++;
	return 0;
}

static int
load(struct fat *f, struct fy_error *err)
{
	const char *argv[] = { "mdir", "-b", "-/",
			       "-a",   "-i", fy_tool_path(f->tool),
			       "::",   NULL };
	struct fy_subprocess_result res = { 0 };
	const char *line, *end;
	int r = 0;

	if (run(argv, NULL, 0, MAX_LISTING, 2, &res, err) == -1)
		return -1;
	/* An empty one is "not found" to mdir. */
	if (res.status == 1 &&
	    (res.out_len > 0 || strstr(res.err_tail, "not found") == NULL))
		r = fy_error_set(err, FY_E_FORMAT, 0, "mdir: %s", res.err_tail);
	for (line = res.out; r == 0 && line != NULL && *line != '\0';
	     line = *end == '\0' ? end : end + 1) {
		end = line + strcspn(line, "\n");
		if (strncmp(line, "::/", 3) == 0 && end > line + 3)
			r = add_entry(f, line + 3, (size_t)(end - line - 3),
				      err);
	}
	fy_subprocess_result_release(&res);
	return r;
}

static void
forget(struct fat *f)
{
	free(f->path);
	free(f->data);
	f->path = f->data = NULL;
	f->len = 0;
}

static int
fat_close(void *h, bool commit, struct fy_error *err)
{
	struct fat *f = h;
	int r;

	(void)commit; /* what is not wanted is dropped with the overlay */
	r = fy_tool_path_close(f->tool, err);
	forget(f);
	while (f->n_entries > 0)
		free(f->entries[--f->n_entries]);
	free(f->entries);
	free(f);
	return r;
}

static int
fat_open(struct fy_volume *v, bool writable, void **ret, struct fy_error *err)
{
	struct fat *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return fy_error_nomem(err);
	if (writable && !fy_volume_is_writable(v)) {
		free(f);
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%s is open for reading only",
				    fy_volume_name(v));
	}
	if (fy_tool_path_open(v, NULL, &f->tool, err) == -1) {
		free(f);
		return -1;
	}
	if (load(f, err) == -1) {
		fat_close(f, false, NULL);
		return fy_error_prefix(err, "%s", fy_volume_name(v));
	}
	*ret = f;
	return 0;
}

/* The entry of that path, in its own spelling; a directory's ends in "/". */
static const char *
find(const struct fat *f, const char *path)
{
	size_t len = strlen(path), i;

	for (i = 0; i < f->n_entries; i++) {
		const char *e = f->entries[i];
		size_t elen = strlen(e);

		if (elen > 0 && e[elen - 1] == '/')
			elen--;
		if (elen == len && strncasecmp(e, path, len) == 0)
			return e;
	}
	return NULL;
}

static bool
is_dir_entry(const char *e)
{
	size_t len = strlen(e);

	return len > 0 && e[len - 1] == '/';
}

/* "::/PATH" for mtools, malloc'd. */
static char *
mtools_name(const char *path, struct fy_error *err)
{
	const char *p;

	for (p = path; *p != '\0'; p++)
		if (strchr("*?[]\\:", *p) != NULL || iscntrl((unsigned char)*p))
			break;
	if (*p != '\0') {
		fy_error_set(err, FY_E_UNSUPPORTED, 0, "mtools can't name '%s'",
			     path);
		return NULL;
	}
	return fy_format(err, "::/%s", path);
}

static int
read_whole(struct fat *f, const char *path, struct fy_error *err)
{
	fy_autofree char *name = mtools_name(path, err);
	const char *argv[] = { "mtype", "-i", fy_tool_path(f->tool), name,
			       NULL };
	struct fy_subprocess_result res = { 0 };

	if (name == NULL)
		return -1;
	if (f->path != NULL && strcasecmp(f->path, path) == 0)
		return 0;
	forget(f);
	if (run(argv, NULL, 0, MAX_FILE, 0, &res, err) == -1)
		return -1;
	f->data = res.out;
	f->len = res.out_len;
	res.out = NULL;
	fy_subprocess_result_release(&res);
	f->path = strdup(path);
	return f->path == NULL ? fy_error_nomem(err) : 0;
}

static int
fat_stat(void *h, const char *path, struct fy_guest_stat *ret,
	 struct fy_error *err)
{
	struct fat *f = h;
	const char *e;

	memset(ret, 0, sizeof(*ret));
	ret->mode = 0700;
	ret->type = FY_GUEST_DIR;
	if (*path == '\0')
		return 0;
	e = find(f, path);
	if (e == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0, "no '%s'", path);
	if (is_dir_entry(e))
		return 0;
	ret->type = FY_GUEST_FILE;
	if (read_whole(f, e, err) == -1)
		return -1;
	ret->size = f->len;
	return 0;
}

static int
fat_readlink(void *h, const char *path, char **ret, struct fy_error *err)
{
	(void)h;
	(void)ret;
	return fy_error_set(err, FY_E_NOTFOUND, 0, "'%s' is no symlink", path);
}

static int
fat_pread(void *h, const char *path, void *buf, size_t len, uint64_t offset,
	  struct fy_error *err)
{
	struct fat *f = h;

	if (read_whole(f, path, err) == -1)
		return -1;
	if (offset > f->len || len > f->len - offset)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' ends too early",
				    path);
	if (len > 0)
		memcpy(buf, f->data + offset, len);
	return 0;
}

static int
fat_list(void *h, const char *path, fy_guest_each each, void *ctx,
	 struct fy_error *err)
{
	struct fat *f = h;
	size_t len = strlen(path), i, nlen;
	char name[256];

	for (i = 0; i < f->n_entries; i++) {
		const char *e = f->entries[i];

		if (strncasecmp(e, path, len) != 0)
			continue;
		e += len;
		if (len > 0 && *e++ != '/')
			continue;
		nlen = strcspn(e, "/");
		if (nlen == 0 || nlen >= sizeof(name) ||
		    (e[nlen] == '/' && e[nlen + 1] != '\0'))
			continue;
		memcpy(name, e, nlen);
		name[nlen] = '\0';
		if (each(ctx, name,
			 e[nlen] == '/' ? FY_GUEST_DIR : FY_GUEST_FILE,
			 err) == -1)
			return -1;
	}
	return 0;
}

static int
put_file(struct fat *f, const char *path, const void *data, size_t len,
	 struct fy_error *err)
{
	fy_autofree char *name = mtools_name(path, err);
	const char *argv[] = { "mcopy", "-o", "-i", fy_tool_path(f->tool),
			       "-",	name, NULL };

	if (name == NULL)
		return -1;
	forget(f);
	if (run(argv, data, len, 0, 0, NULL, err) == -1)
		return -1;
	/* mcopy says little about a full disk: believe what can be read. */
	if (read_whole(f, path, err) == -1)
		return -1;
	if (f->len != len || (len > 0 && memcmp(f->data, data, len) != 0))
		return fy_error_set(err, FY_E_NOSPACE, 0,
				    "'%s' could not be written whole", path);
	return 0;
}

static int
fat_write(void *h, const char *path, uint64_t keep, const void *data,
	  size_t len, struct fy_error *err)
{
	struct fat *f = h;
	const char *e = find(f, path);
	fy_autofree char *all = NULL;

	if (e == NULL || is_dir_entry(e))
		return fy_error_set(err, FY_E_NOTFOUND, 0, "no file '%s'",
				    path);
	if (keep == 0)
		return put_file(f, e, data, len, err);
	if (read_whole(f, e, err) == -1)
		return -1;
	if (keep > f->len)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' is too short",
				    path);
	all = malloc((size_t)keep + len + 1);
	if (all == NULL)
		return fy_error_nomem(err);
	memcpy(all, f->data, (size_t)keep);
	if (len > 0)
		memcpy(all + keep, data, len);
	return put_file(f, e, all, (size_t)keep + len, err);
}

static int
fat_create(void *h, const char *path, const struct fy_guest_stat *st,
	   const void *data, size_t len, struct fy_error *err)
{
	struct fat *f = h;
	fy_autofree char *name = mtools_name(path, err);
	fy_autofree char *entry = NULL;
	const char *argv[] = { "mmd", "-i", fy_tool_path(f->tool), name, NULL };

	if (name == NULL)
		return -1;
	entry = fy_format(err, "%s%s", path,
			  st->type == FY_GUEST_DIR ? "/" : "");
	if (entry == NULL)
		return -1;
	if (st->type == FY_GUEST_DIR) {
		if (run(argv, NULL, 0, 0, 0, NULL, err) == -1)
			return -1;
	} else if (put_file(f, path, data, len, err) == -1) {
		return -1;
	}
	return add_entry(f, entry, strlen(entry), err);
}

static int
fat_free_bytes(void *h, uint64_t *ret, struct fy_error *err)
{
	struct fat *f = h;
	const char *argv[] = { "mdir", "-i", fy_tool_path(f->tool),
			       "::", NULL };
	struct fy_subprocess_result res = { 0 };
	const char *p, *line;
	uint64_t n = 0;

	if (run(argv, NULL, 0, MAX_LISTING, 0, &res, err) == -1)
		return -1;
	p = res.out == NULL ? NULL : strstr(res.out, " bytes free");
	if (p == NULL) {
		fy_subprocess_result_release(&res);
		return fy_error_set(err, FY_E_CHILD, 0,
				    "mdir does not tell the free space");
	}
	for (line = p; line > res.out && line[-1] != '\n'; line--)
		;
	/* Digits in groups: "    31 459 328 bytes free". */
	for (; line < p; line++)
		if (isdigit((unsigned char)*line) && n < UINT64_MAX / 20)
			n = n * 10 + (uint64_t)(*line - '0');
	fy_subprocess_result_release(&res);
	*ret = n;
	return 0;
}

/* --- verify --------------------------------------------------------------- */

static int
fsck(struct fy_volume *v, bool *ret_clean, struct fy_error *err)
{
	struct fy_subprocess_options o = { .capture_max = MAX_LISTING,
					   .timeout_s = 3600,
					   .stop = fy_worker_own_stop(),
					   .accept = 0x2 };
	struct fy_subprocess_result res = { 0 };
	struct fy_tool_path *t = NULL;
	const char *argv[] = { "fsck.fat", "-n", NULL, NULL };
	int r;

	if (fy_tool_path_open(v, NULL, &t, err) == -1)
		return -1;
	argv[2] = fy_tool_path(t);
	r = fy_subprocess_run(argv, &o, &res, err);
	*ret_clean = r == 0 && res.status == 0;
	fy_subprocess_result_release(&res);
	if (fy_tool_path_close(t, r == 0 ? err : NULL) == -1)
		r = -1;
	return r;
}

static int
fat_verify(struct fy_volume *v, struct fy_volume *before, char **ret_note,
	   struct fy_error *err)
{
	bool clean, was_clean;

	if (fsck(v, &clean, err) == -1)
		return -1;
	if (clean)
		return 0;
	if (fsck(before, &was_clean, err) == -1)
		return -1;
	if (was_clean)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "%s is not consistent after the edits",
				    fy_volume_name(v));
	*ret_note = fy_format(NULL,
			      "fsck.fat complains about %s, as it did "
			      "before the edits",
			      fy_volume_name(v));
	return 0;
}

const struct fy_guest_driver fy_guest_fat = {
	.name = "fat",
	.caseless = true,
	.open = fat_open,
	.verify = fat_verify,
	.close = fat_close,
	.stat = fat_stat,
	.readlink = fat_readlink,
	.pread = fat_pread,
	.list = fat_list,
	.write = fat_write,
	.create = fat_create,
	.free_bytes = fat_free_bytes,
};
