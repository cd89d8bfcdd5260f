/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is to be changed: the bytes of an undo log, with the new content.
 *
 * A process that is not trusted writes it, and may still hold the file when it
 * is read.  So it is read with suspicion, and what is applied is compared with
 * the undo log, which has the digests of what was read when that was made.
 */
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/undo-internal.h"

#define CHANGES "the list of changes"

static int
put_disk(struct fy_undo_log *l, size_t number, const struct fy_extents *changed,
	 const struct fy_stop *stop, struct fy_error *err)
{
	struct fy_undo_record now = { .disk = (uint32_t)number };
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	fy_extents_cursor_init(&c, changed);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		if (fy_stop_check(stop, err) == -1)
			return -1;
		for (; x.length > 0; x.length -= now.length) {
			now.offset = x.offset;
			now.length = (uint32_t)fy_min_u64(x.length,
							  FY_UNDO_MAX_DATA);
			if (fy_volume_pread(l->disks[number], l->data,
					    now.length, now.offset,
					    err) == -1 ||
			    fy_undo_put_record(l, &now, l->data, NULL, err) ==
				    -1)
				return -1;
			x.offset += now.length;
		}
	}
	return r;
}

int
fy_changes_write(struct fy_volume *const *disks,
		 struct fy_extents *const *changed, size_t n_disks, int fd,
		 const struct fy_stop *stop, struct fy_error *err)
{
	FY_AUTO(undo_log)
	struct fy_undo_log *l =
		fy_undo_log_new(CHANGES, fd, disks, n_disks, err);
	size_t i;

	if (l == NULL || fy_undo_put_header(l, FY_UNDO_PLAIN, err) == -1)
		return -1;
	for (i = 0; i < n_disks; i++)
		if (put_disk(l, i, changed[i], stop, err) == -1)
			return -1;
	return fy_undo_put_trailer(l, err);
}

/* Up to the first record. */
static int
begin(struct fy_undo_log *l, struct fy_error *err)
{
	enum fy_undo_state state;

	if (fy_undo_read_trailer(l, &state, err) == -1)
		return -1;
	if (state == FY_UNDO_CUT)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    CHANGES " is damaged (its end is missing); "
					    "nothing was written");
	return fy_undo_read_header(l, err);
}

int
fy_changes_read(struct fy_volume *const *disks, size_t n_disks, int fd,
		struct fy_extents *const *ret, struct fy_error *err)
{
	FY_AUTO(undo_log)
	struct fy_undo_log *l =
		fy_undo_log_new(CHANGES, fd, disks, n_disks, err);
	struct fy_undo_record now;
	int r;

	if (l == NULL || begin(l, err) == -1)
		return -1;
	while ((r = fy_undo_read_record(l, &now, err)) == 1)
		if (fy_extents_append(ret[now.disk], now.offset, now.length,
				      err) == -1)
			return -1;
	return r;
}

int
fy_undo_fill(struct fy_undo_log *l, int changes_fd, const struct fy_stop *stop,
	     struct fy_error *err)
{
	FY_AUTO(undo_log)
	struct fy_undo_log *c =
		fy_undo_log_new(CHANGES, changes_fd, l->disks, l->n_disks, err);
	struct fy_undo_record now;
	int r;

	if (c == NULL || begin(c, err) == -1 ||
	    fy_undo_put_header(l, FY_UNDO_DIGESTS, err) == -1)
		return -1;
	while ((r = fy_undo_read_record(c, &now, err)) == 1) {
		fy_undo_digest(&now, c->data, l->digests);
		if (fy_stop_check(stop, err) == -1 ||
		    fy_volume_pread(l->disks[now.disk], l->data, now.length,
				    now.offset, err) == -1 ||
		    fy_undo_put_record(l, &now, l->data, l->digests, err) == -1)
			return -1;
	}
	return r;
}

/* That 'now', which was read from 'c' (NULL: its end), is what the undo log has
 * next. */
static int
check_known(struct fy_undo_log *undo, struct fy_undo_log *c,
	    const struct fy_undo_record *now, struct fy_error *err)
{
	struct fy_undo_record known;
	int r = fy_undo_read_record(undo, &known, err);

	if (r == -1 || (r == 0 && now == NULL))
		return r;
	if (r == 1 && now != NULL && known.disk == now->disk &&
	    known.offset == now->offset && known.length == now->length) {
		fy_undo_digest(now, c->data, c->digests);
		if (memcmp(c->digests, undo->digests,
			   fy_undo_n_digests(now) * FY_DIGEST_BYTES) == 0)
			return 0;
	}
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    CHANGES " is another one than it was");
}

int
fy_changes_apply(struct fy_volume *const *disks, size_t n_disks, int fd,
		 struct fy_undo_log *undo, struct fy_progress *progress,
		 struct fy_error *err)
{
	FY_AUTO(undo_log)
	struct fy_undo_log *c =
		fy_undo_log_new(CHANGES, fd, disks, n_disks, err);
	enum fy_undo_state state;
	struct fy_undo_record now;
	size_t i;
	int r;

	if (c == NULL || begin(c, err) == -1 ||
	    fy_undo_read_trailer(undo, &state, err) == -1 ||
	    fy_undo_read_header(undo, err) == -1)
		return -1;
	while ((r = fy_undo_read_record(c, &now, err)) == 1) {
		if (check_known(undo, c, &now, err) == -1 ||
		    fy_volume_pwrite(disks[now.disk], c->data, now.length,
				     now.offset, err) == -1)
			return -1;
		fy_progress_add(progress, now.length, 0);
	}
	if (r == -1 || check_known(undo, c, NULL, err) == -1)
		return -1;
	for (i = 0; i < n_disks; i++)
		if (fy_volume_flush(disks[i], err) == -1)
			return -1;
	return 0;
}
