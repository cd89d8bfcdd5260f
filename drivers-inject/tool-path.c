/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A path for tools.  FUSE is tried first, since it costs nothing; the copy is
 * for places without /dev/fuse (containers), and reads only what may hold
 * data.  The copy is unlinked at once and reached by /proc/PID/fd, so nothing
 * is left behind by a kill.
 */
#include "drivers-inject/tool-path.h"

#include <errno.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/overlay.h"

#define PIECE (256u * 1024)
#define BLOCK 4096u

struct fy_tool_path {
	struct fy_volume *volume;
	struct fy_exposed *exposed; /* NULL: a copy */
	int fd;
	char *path;
};

static int
copy_range(struct fy_tool_path *t, uint64_t offset, uint64_t length,
	   unsigned char *buf, struct fy_error *err)
{
	size_t n;

	while (length > 0) {
		n = (size_t)fy_min_u64(length, PIECE);
		if (fy_volume_pread(t->volume, buf, n, offset, err) == -1)
			return -1;
		if (!fy_is_zero(buf, n) &&
		    fy_fd_pwrite_full(t->fd, buf, n, offset, err) == -1)
			return -1;
		offset += n;
		length -= n;
	}
	return 0;
}

static int
copy_out(struct fy_tool_path *t, struct fy_error *err)
{
	fy_autoextents struct fy_extents *data = fy_extents_new(err);
	fy_autofree unsigned char *buf = malloc(PIECE);
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	if (buf == NULL)
		return fy_error_nomem(err);
	if (data == NULL || fy_volume_data(t->volume, data, err) == -1)
		return -1;
	if (ftruncate(t->fd, (off_t)fy_volume_size(t->volume)) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot size a temporary file");
	fy_extents_cursor_init(&c, data);
	while ((r = fy_extents_next(&c, &x, err)) == 1)
		if (copy_range(t, x.offset, x.length, buf, err) == -1)
			return -1;
	return r;
}

static int
write_piece_back(struct fy_tool_path *t, const unsigned char *is,
		 const unsigned char *was, size_t len, uint64_t offset,
		 struct fy_error *err)
{
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = (size_t)fy_min_u64(BLOCK, len - at);
		if (memcmp(is + at, was + at, n) != 0 &&
		    fy_volume_pwrite(t->volume, is + at, n, offset + at, err))
			return -1;
	}
	return 0;
}

/* Compare all of the copy's data; what the tool freed reads as zeros, which
 * matters only where the volume isn't zero, so the volume's data count too. */
static int
write_back(struct fy_tool_path *t, struct fy_error *err)
{
	uint64_t size = fy_volume_size(t->volume), at;
	fy_autofree unsigned char *is = malloc(PIECE);
	fy_autofree unsigned char *was = malloc(PIECE);
	size_t n;

	if (is == NULL || was == NULL)
		return fy_error_nomem(err);
	for (at = 0; at < size; at += n) {
		n = (size_t)fy_min_u64(PIECE, size - at);
		if (fy_fd_pread_full(t->fd, is, n, at, err) == -1 ||
		    fy_volume_pread(t->volume, was, n, at, err) == -1 ||
		    write_piece_back(t, is, was, n, at, err) == -1)
			return -1;
	}
	return 0;
}

static void
release(struct fy_tool_path *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	free(t);
}

int
fy_tool_path_open(struct fy_volume *v, const char *tmpdir,
		  struct fy_tool_path **ret, struct fy_error *err)
{
	struct fy_tool_path *t = calloc(1, sizeof(*t));
	struct fy_error e = { 0 };

	if (t == NULL)
		return fy_error_nomem(err);
	t->volume = v;
	t->fd = -1;
	if (fy_volume_expose(v, &t->exposed, &e) == 0) {
		*ret = t;
		return 0;
	}
	if (e.code != FY_E_UNSUPPORTED) {
		release(t);
		return fy_error_copy(err, &e);
	}
	t->fd = fy_file_temporary(tmpdir, err);
	if (t->fd == -1 || copy_out(t, err) == -1 ||
	    (t->path = fy_format(err, "/proc/%ld/fd/%d", (long)getpid(),
				 t->fd)) == NULL) {
		release(t);
		return fy_error_prefix(err, "copying %s", fy_volume_name(v));
	}
	*ret = t;
	return 0;
}

const char *
fy_tool_path(const struct fy_tool_path *t)
{
	return t->exposed != NULL ? fy_exposed_path(t->exposed) : t->path;
}

int
fy_tool_path_close(struct fy_tool_path *t, struct fy_error *err)
{
	int r = 0;

	if (t == NULL)
		return 0;
	if (t->exposed != NULL)
		r = fy_exposed_close(t->exposed, err);
	else if (fy_volume_is_writable(t->volume))
		r = write_back(t, err);
	release(t);
	return r;
}
