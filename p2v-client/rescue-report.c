/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of what could not be read, with what lies there: the files
 * where the filesystem's driver can tell them, else the volume and the place on
 * it.
 */
#include "p2v-client/rescue-report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/filesystem.h"

#define SHOWN_RANGES 1000u /* in the result's JSON */
#define SHOWN_LINES  50u   /* in the log */
#define FRAME_RANGES 1000u
#define FRAME_BYTES  (48u << 10) /* of file names */

static size_t
ranges_of(const struct fy_client_disk *d, const struct fy_bad_range **ret)
{
	*ret = NULL;
	return d->rescue == NULL ? 0 : fy_rescue_ranges(d->rescue, ret);
}

int
fy_rescue_sum_up(const struct fy_client_disk *disks, size_t n,
		 struct fy_convert_result *ret, struct fy_error *err)
{
	const struct fy_bad_range *x;
	json_t *list = json_array();
	uint64_t bytes = 0;
	size_t i, k, many;

	for (i = 0; list != NULL && i < n; i++) {
		many = ranges_of(&disks[i], &x);
		for (k = 0; k < many; k++) {
			bytes += x[k].length;
			if (json_array_size(list) < SHOWN_RANGES)
				json_array_append_new(
					list,
					json_pack("[s, I, I]", disks[i].path,
						  (json_int_t)x[k].offset,
						  (json_int_t)x[k].length));
		}
	}
	if (list == NULL)
		return fy_error_nomem(err);
	json_decref(ret->unreadable);
	ret->unreadable = list;
	ret->unreadable_bytes = bytes;
	return 0;
}

/* --- what lies there --------------------------------------------------------------- */

/* The bad ranges within a volume, as bytes on it. */
static int
clip_ranges(const struct fy_client_disk *d, const struct fy_disk_volume *v,
	    struct fy_extent **ret, size_t *ret_n, struct fy_error *err)
{
	const struct fy_bad_range *x;
	size_t many = ranges_of(d, &x), i, n = 0;
	struct fy_extent *list = calloc(many + 1, sizeof(*list));
	uint64_t from, to;

	if (list == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < many; i++) {
		from = fy_max_u64(x[i].offset, v->start);
		to = fy_min_u64(x[i].offset + x[i].length,
				v->start + v->length);
		if (from < to)
			list[n++] = (struct fy_extent){ from - v->start,
							to - from };
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static int add_line(struct fy_strings *to, struct fy_error *err,
		    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int
add_line(struct fy_strings *to, struct fy_error *err, const char *fmt, ...)
{
	char line[1280];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return fy_strings_add(to, line, err);
}

/* "p1 (ext4)" */
static void
name_volume(const struct fy_disk_volume *v, char *ret, size_t ret_size)
{
	if (strcmp(v->path, "gap") == 0)
		snprintf(ret, ret_size, "in no volume");
	else if (v->filesystem == NULL)
		snprintf(ret, ret_size, "%s", v->path);
	else
		snprintf(ret, ret_size, "%s (%s)", v->path, v->filesystem);
}

static int
tell_place(const struct fy_disk_volume *v, const struct fy_extent *x, size_t n,
	   const char *why, struct fy_strings *to, struct fy_error *err)
{
	uint64_t bytes = 0;
	char name[96];
	size_t i;

	for (i = 0; i < n; i++)
		bytes += x[i].length;
	name_volume(v, name, sizeof(name));
	return add_line(to, err,
			"%s: %" PRIu64 " bytes in %zu place%s, the first at "
			"its byte %" PRIu64 "%s",
			name, bytes, n, n == 1 ? "" : "s", x[0].offset, why);
}

static int
tell_files(const struct fy_client_disk *d, const struct fy_disk_volume *v,
	   const struct fy_extent *x, size_t n, const struct fy_stop *stop,
	   struct fy_strings *to, uint64_t *more, struct fy_error *err)
{
	fy_autovolume struct fy_volume *view = NULL;
	fy_autovolume struct fy_volume *part = NULL;
	struct fy_error why = { .code = FY_E_NONE };
	struct fy_fs_hits hits = { .more = 0 };
	char name[96], text[300];
	size_t i;
	int r;

	name_volume(v, name, sizeof(name));
	if (fy_rescue_view(d->rescue, d->volume, &view, err) == -1 ||
	    fy_volume_slice(view, v->start, v->length, v->path, &part, err) ==
		    -1)
		return -1;
	r = v->driver->files(
		part, x, n,
		to->n < FY_WIRE_BAD_FILES ? FY_WIRE_BAD_FILES - to->n : 0, stop,
		&hits, &why);
	for (i = 0; r == 0 && i < hits.paths.n; i++)
		if (add_line(to, err, "%s: %s", name, hits.paths.items[i]) ==
		    -1) {
			fy_strings_release(&hits.paths);
			return -1;
		}
	fy_strings_release(&hits.paths);
	if (r == -1 && why.code == FY_E_CANCELLED) {
		*err = why;
		return -1;
	}
	*more += hits.more;
	if (r == -1) {
		snprintf(text, sizeof(text),
			 "; which files are hit can't be told: %.200s",
			 why.msg);
		return tell_place(v, x, n, text, to, err);
	}
	if (hits.other_blocks == 0)
		return 0;
	return add_line(to, err,
			"%s: %" PRIu64 " block%s of no file (the filesystem's "
			"own)",
			name, hits.other_blocks,
			hits.other_blocks == 1 ? "" : "s");
}

static int
tell_volumes(const struct fy_client_disk *d, const struct fy_stop *stop,
	     struct fy_strings *to, uint64_t *more, struct fy_error *err)
{
	size_t i, n = 0;
	int r = 0;

	for (i = 0; r == 0 && i < d->map->n_volumes; i++) {
		const struct fy_disk_volume *v = &d->map->volumes[i];
		fy_autofree struct fy_extent *x = NULL;

		if (clip_ranges(d, v, &x, &n, err) == -1)
			return -1;
		if (n == 0)
			continue;
		if (v->driver != NULL && v->driver->files != NULL)
			r = tell_files(d, v, x, n, stop, to, more, err);
		else if (to->n < FY_WIRE_BAD_FILES)
			r = tell_place(v, x, n, "", to, err);
	}
	return r;
}

/* --- the server ----------------------------------------------------------------------- */

static int
send_ranges(const struct fy_client_disk *d, uint16_t disk, struct fy_peer *peer,
	    struct fy_error *err)
{
	const struct fy_bad_range *x;
	size_t n = ranges_of(d, &x), i, k;

	for (i = 0; i < n; i = k) {
		fy_autojson json_t *frame = NULL;
		json_t *list = json_array();

		for (k = i; k < n && k < i + FRAME_RANGES; k++)
			json_array_append_new(list,
					      json_pack("[I, I, i]",
							(json_int_t)x[k].offset,
							(json_int_t)x[k].length,
							(int)x[k].skipped));
		frame = json_pack("{s:o}", "ranges", list);
		if (fy_peer_unreadable(peer, disk, frame, err) == -1)
			return -1;
	}
	return 0;
}

static int
send_files(const struct fy_strings *lines, uint64_t more, uint16_t disk,
	   struct fy_peer *peer, struct fy_error *err)
{
	size_t i, k, bytes;

	for (i = 0; i < lines->n; i = k) {
		fy_autojson json_t *frame = NULL;
		json_t *list = json_array();

		/* In JSON a byte may become two. */
		for (k = i, bytes = 0; k < lines->n && bytes < FRAME_BYTES / 2;
		     k++) {
			bytes += strlen(lines->items[k]) + 3;
			json_array_append_new(list,
					      json_string(lines->items[k]));
		}
		frame = json_pack("{s:o, s:I}", "files", list, "more_files",
				  k == lines->n ? (json_int_t)more
						: (json_int_t)0);
		if (fy_peer_unreadable(peer, disk, frame, err) == -1)
			return -1;
	}
	return 0;
}

/* --- all of it ------------------------------------------------------------------------- */

static void
log_disk(const struct fy_client_disk *d, const struct fy_strings *lines,
	 uint64_t more, struct fy_log *log)
{
	const struct fy_bad_range *x;
	size_t n = ranges_of(d, &x), i;

	fy_log_warn(log,
		    "%s: %" PRIu64
		    " bytes in %zu place%s could not be read and "
		    "are zeros in the image",
		    d->path, fy_rescue_bytes(d->rescue), n, n == 1 ? "" : "s");
	for (i = 0; i < n && i < SHOWN_LINES; i++)
		fy_log_warn(log,
			    "%s: unreadable: %" PRIu64 " bytes at byte %" PRIu64
			    "%s",
			    d->path, x[i].length, x[i].offset,
			    x[i].skipped ? " (skipped)" : "");
	for (i = 0; i < lines->n && i < SHOWN_LINES; i++)
		fy_log_warn(log, "%s: hit: %s", d->path, lines->items[i]);
	if (n > SHOWN_LINES || lines->n > SHOWN_LINES || more > 0)
		fy_log_warn(log, "%s: the server's report has more of these",
			    d->path);
}

static int
report_disk(const struct fy_client_disk *d, uint16_t disk, struct fy_peer *peer,
	    struct fy_log *log, const struct fy_stop *stop,
	    struct fy_convert_result *ret, struct fy_error *err)
{
	struct fy_strings lines = { .n = 0 };
	uint64_t more = 0;
	size_t i;
	int r;

	r = tell_volumes(d, stop, &lines, &more, err);
	if (r == 0)
		log_disk(d, &lines, more, log);
	for (i = 0; r == 0 && i < lines.n; i++) {
		char *text = fy_format(err, "%s %s", d->path, lines.items[i]);

		if (text == NULL)
			r = -1;
		else if (json_array_size(ret->unreadable_files) < SHOWN_RANGES)
			json_array_append_new(ret->unreadable_files,
					      json_string(text));
		free(text);
	}
	if (r == 0 && peer != NULL &&
	    (send_ranges(d, disk, peer, err) == -1 ||
	     send_files(&lines, more, disk, peer, err) == -1))
		r = -1;
	fy_strings_release(&lines);
	return r;
}

int
fy_rescue_report(const struct fy_client_disk *disks, size_t n,
		 struct fy_peer *peer, struct fy_log *log,
		 const struct fy_stop *stop, struct fy_convert_result *ret,
		 struct fy_error *err)
{
	size_t i;

	if (fy_rescue_sum_up(disks, n, ret, err) == -1)
		return -1;
	if (ret->unreadable_bytes == 0)
		return 0;
	json_decref(ret->unreadable_files);
	ret->unreadable_files = json_array();
	for (i = 0; i < n; i++)
		if (fy_rescue_bytes(disks[i].rescue) > 0 &&
		    report_disk(&disks[i], (uint16_t)i, peer, log, stop, ret,
				err) == -1)
			return -1;
	return 0;
}
