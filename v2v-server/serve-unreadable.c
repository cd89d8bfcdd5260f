/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the client could not read of its disks: gathered from UNREADABLE frames,
 * told in the report, and kept as a map that ddrescue and its tools take.
 *
 * The map is of the disk: '-' is a bad sector, '*' was not tried sector by
 * sector, '+' is all else, what is not used and was never read, too; so that a
 * ddrescue that is given map and raw image tries what is missing only.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/session.h"

#define FILE_TEXT_BYTES 2048u /* of a file's name */
#define NAMED_FILES	10u   /* in the warning */

struct lost_range {
	uint64_t offset, length;
	bool skipped;
};

struct fy_session_lost {
	struct lost_range *ranges;
	size_t n, room;
	uint64_t bytes, end;
	json_t *files;
	uint64_t more_files;
};

void
fy_session_lost_free(struct fy_session_lost *l)
{
	if (l == NULL)
		return;
	free(l->ranges);
	json_decref(l->files);
	free(l);
}

static int
refuse(unsigned disk, const char *why, struct fy_error *err)
{
	return fy_error_set(err, FY_E_PROTOCOL, 0,
			    "the client sent an UNREADABLE frame for disk %u: "
			    "%s",
			    disk + 1, why);
}

/* --- the frame ---------------------------------------------------------------- */

static struct fy_session_lost *
lost_of(struct fy_session_disk *d, struct fy_error *err)
{
	if (d->lost != NULL)
		return d->lost;
	d->lost = calloc(1, sizeof(*d->lost));
	if (d->lost != NULL)
		d->lost->files = json_array();
	if (d->lost == NULL || d->lost->files == NULL)
		fy_error_nomem(err);
	return d->lost != NULL && d->lost->files != NULL ? d->lost : NULL;
}

/* One [offset, length, skipped]; behind those before it. */
static int
add_range(struct fy_session *s, unsigned disk, const json_t *item,
	  struct fy_error *err)
{
	struct fy_session_lost *l = s->disks[disk].lost;
	uint64_t size = s->disks[disk].params.disk_bytes, end;
	const json_t *o = json_array_get(item, 0), *n = json_array_get(item, 1);
	struct lost_range x, *grown;

	if (!json_is_integer(o) || !json_is_integer(n) ||
	    !json_is_integer(json_array_get(item, 2)) ||
	    json_integer_value(o) < 0 || json_integer_value(n) <= 0)
		return refuse(disk, "a range is no range", err);
	x.offset = (uint64_t)json_integer_value(o);
	x.length = (uint64_t)json_integer_value(n);
	x.skipped = json_integer_value(json_array_get(item, 2)) != 0;
	if (!fy_add_u64(x.offset, x.length, &end) || end > size ||
	    x.offset < l->end)
		return refuse(disk, "a range is not in its place", err);
	if (l->n == FY_WIRE_BAD_RANGES)
		return refuse(disk, "there are too many ranges", err);
	if (l->n == l->room) {
		l->room = l->room == 0 ? 64 : l->room * 2;
		grown = realloc(l->ranges, l->room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		l->ranges = grown;
	}
	l->ranges[l->n++] = x;
	l->bytes += x.length;
	l->end = end;
	return 0;
}

static int
add_file(struct fy_session_lost *l, unsigned disk, const json_t *item,
	 struct fy_error *err)
{
	const unsigned char *p;

	if (!json_is_string(item) || json_string_length(item) > FILE_TEXT_BYTES)
		return refuse(disk, "a file is no text, or too long", err);
	for (p = (const unsigned char *)json_string_value(item); *p != '\0';
	     p++)
		if (*p < 0x20 || *p == 0x7f)
			return refuse(disk, "a file has control characters",
				      err);
	if (json_array_size(l->files) >= 2 * FY_WIRE_BAD_FILES)
		return refuse(disk, "there are too many files", err);
	return json_array_append(l->files, (json_t *)(uintptr_t)item) == -1
		       ? fy_error_nomem(err)
		       : 0;
}

int
fy_session_unreadable(struct fy_session *s, unsigned disk, const char *text,
		      size_t len, struct fy_error *err)
{
	fy_autojson json_t *o = fy_json_parse(text, len, "UNREADABLE", err);
	struct fy_session_lost *l = lost_of(&s->disks[disk], err);
	const json_t *item;
	uint64_t more;
	size_t i;

	if (o == NULL || l == NULL)
		return -1;
	json_array_foreach(json_object_get(o, "ranges"), i,
			   item) if (add_range(s, disk, item, err) ==
				     -1) return -1;
	json_array_foreach(json_object_get(o, "files"), i,
			   item) if (add_file(l, disk, item, err) ==
				     -1) return -1;
	more = fy_json_u64_or(o, "more_files", 0);
	if (more > UINT32_MAX || l->more_files + more > UINT32_MAX)
		return refuse(disk, "a number is out of range", err);
	l->more_files += more;
	return 0;
}

/* --- the report ------------------------------------------------------------------ */

static void
write_line(FILE *f, uint64_t from, uint64_t to, char status)
{
	if (from < to)
		fprintf(f, "0x%08" PRIX64 "  0x%08" PRIX64 "  %c\n", from,
			to - from, status);
}

static int
write_map(struct fy_session *s, unsigned disk, const char *name,
	  struct fy_error *err)
{
	const struct fy_session_lost *l = s->disks[disk].lost;
	uint64_t at = 0, size = s->disks[disk].params.disk_bytes;
	fy_autofree char *text = NULL;
	size_t len = 0, i;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return fy_error_nomem(err);
	fprintf(f,
		"# Mapfile. Created by v2v-server " FY_VERSION "\n"
		"# Disk %u of '%s'; what is not used counts as finished\n"
		"# current_pos  current_status  current_pass\n"
		"0x00000000     +               1\n"
		"#      pos        size  status\n",
		disk + 1, s->job->name);
	for (i = 0; i < l->n; i++) {
		const struct lost_range *x = &l->ranges[i];

		write_line(f, at, x->offset, '+');
		write_line(f, x->offset, x->offset + x->length,
			   x->skipped ? '*' : '-');
		at = x->offset + x->length;
	}
	write_line(f, at, size, '+');
	if (fclose(f) != 0)
		return fy_error_nomem(err);
	return fy_file_replace_at(s->dir->jobfd, name, text, len, 0600, err);
}

static void
warn_of(struct fy_session *s, unsigned disk, const char *map)
{
	const struct fy_session_lost *l = s->disks[disk].lost;
	size_t i, n = json_array_size(l->files);

	fy_session_warn(s,
			"disk %u (%.200s): %" PRIu64 " bytes in %zu place%s "
			"could not be read and are zeros in the image; "
			"'%s.job/%s' lists the places, report.json there the "
			"files",
			disk + 1, s->job->disks[disk].path, l->bytes, l->n,
			l->n == 1 ? "" : "s", s->job->name, map);
	for (i = 0; i < n && i < NAMED_FILES; i++)
		fy_session_warn(s, "disk %u: unreadable in part: %s", disk + 1,
				json_string_value(json_array_get(l->files, i)));
	if (n + l->more_files > i)
		fy_session_warn(s, "disk %u: and %" PRIu64 " more", disk + 1,
				n + l->more_files - i);
}

static int
report_disk(struct fy_session *s, unsigned disk, json_t *list,
	    struct fy_error *err)
{
	const struct fy_session_lost *l = s->disks[disk].lost;
	fy_autofree char *name = fy_format(err, "disk%u.map", disk + 1);
	json_t *o;

	if (name == NULL)
		return -1;
	if (l == NULL || l->n == 0) {
		/* Of an earlier try to finish this job. */
		if (unlinkat(s->dir->jobfd, name, 0) == -1 && errno != ENOENT)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot remove '%s'", name);
		return 0;
	}
	if (write_map(s, disk, name, err) == -1)
		return -1;
	warn_of(s, disk, name);
	o = json_pack("{s:i, s:s, s:I, s:I, s:s, s:O, s:I}", "disk",
		      (int)disk + 1, "source", s->job->disks[disk].path,
		      "bytes", (json_int_t)l->bytes, "ranges", (json_int_t)l->n,
		      "map", name, "files", l->files, "more_files",
		      (json_int_t)l->more_files);
	return o == NULL || json_array_append_new(list, o) == -1
		       ? fy_error_nomem(err)
		       : 0;
}

int
fy_session_report_lost(struct fy_session *s, json_t **ret, uint64_t *ret_bytes,
		       struct fy_error *err)
{
	fy_autojson json_t *list = json_array();
	unsigned i;

	if (list == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < s->n_disks; i++) {
		if (report_disk(s, i, list, err) == -1)
			return -1;
		if (s->disks[i].lost != NULL)
			*ret_bytes += s->disks[i].lost->bytes;
	}
	*ret = fy_steal_ptr(&list);
	return 0;
}
