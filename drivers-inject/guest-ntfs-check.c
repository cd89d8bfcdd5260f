/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: whether $Bitmap and the MFT agree.  By our own reader, so that what
 * libntfs-3g wrote is judged by other code.
 *
 * Each run stands in one record, so all records in use are gone through, base
 * and extension records alike, and each cluster of their runs gets its bit.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "drivers-inject/guest-ntfs.h"
#include "partclone/ntfs-io.h"

#define WINDOW (256u << 10)

struct check {
	struct fy_ntfs *nt;
	unsigned char *owned; /* a bit a cluster */
	struct fy_ntfs_check *ret;
};

static void
own(struct check *c, uint64_t lcn, uint64_t clusters)
{
	for (; clusters > 0; lcn++, clusters--) {
		unsigned char bit = (unsigned char)(1u << (lcn % 8));

		if (c->owned[lcn / 8] & bit)
			c->ret->shared++;
		c->owned[lcn / 8] |= bit;
	}
}

static int
own_runs(struct check *c, const struct fy_ntfs_attribute *a,
	 struct fy_error *err)
{
	struct fy_ntfs_pairs p;
	struct fy_ntfs_run run;
	uint64_t end;
	int r;

	fy_ntfs_pairs_init(&p, c->nt, a);
	while ((r = fy_ntfs_next_run(&p, &run, err)) == 1) {
		if (run.lcn == FY_NTFS_SPARSE)
			continue;
		if (!fy_add_u64(run.lcn, run.clusters, &end) ||
		    end > c->nt->clusters)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "a run leaves the volume");
		/* A run that lies in another is counted once a cluster; more
		 * than the volume has means that it makes no sense. */
		if (c->ret->shared > c->nt->clusters)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "its files lie in one another");
		own(c, run.lcn, run.clusters);
	}
	return r;
}

static int
own_record(struct check *c, const unsigned char *record, struct fy_error *err)
{
	struct fy_ntfs_attribute a;
	uint32_t at = 0;
	int r;

	while ((r = fy_ntfs_next_attribute(record, &at, &a, err)) == 1)
		if (!a.is_resident && own_runs(c, &a, err) == -1)
			return -1;
	return r;
}

static int
own_all(struct check *c, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(c->nt, err);
	uint64_t i;
	int r;

	if (record == NULL)
		return -1;
	for (i = 0; i < c->nt->records; i++) {
		r = fy_ntfs_read_record(c->nt, i, record, err);
		if (r == 1 && fy_ntfs_is_in_use(record))
			r = own_record(c, record, err);
		if (r == -1)
			return fy_error_prefix(err, "record %llu of the MFT",
					       (unsigned long long)i);
	}
	return 0;
}

static void
compare(struct check *c, uint64_t first, const unsigned char *marked,
	uint64_t clusters)
{
	uint64_t i;

	for (i = 0; i < clusters; i++) {
		bool is = (marked[i / 8] >> (i % 8)) & 1;
		bool has = (c->owned[(first + i) / 8] >> (i % 8)) & 1;

		c->ret->unmarked += has && !is;
		c->ret->lost += is && !has;
	}
}

static int
compare_bitmap(struct check *c, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(c->nt, err);
	fy_autofree unsigned char *window = malloc(WINDOW);
	struct fy_ntfs_stream s = { 0 };
	uint64_t at, bytes = (c->nt->clusters + 7) / 8, n;
	int r;

	if (record == NULL || window == NULL)
		return fy_error_nomem(err);
	r = fy_ntfs_read_record(c->nt, FY_NTFS_BITMAP, record, err);
	if (r == 1)
		r = fy_ntfs_open_stream(c->nt, FY_NTFS_BITMAP, record,
					FY_NTFS_DATA, "", &s, err);
	if (r == 0 || (r == 1 && s.size < bytes))
		r = fy_error_set(err, FY_E_FORMAT, 0,
				 "$Bitmap is missing or too short");
	for (at = 0; r == 1 && at < bytes; at += n) {
		n = fy_min_u64(WINDOW, bytes - at);
		if (fy_ntfs_stream_read(c->nt, &s, at, window, (size_t)n, err))
			r = -1;
		else
			compare(c, at * 8, window,
				fy_min_u64(n * 8, c->nt->clusters - at * 8));
	}
	fy_ntfs_stream_release(&s);
	return r == 1 ? 0 : -1;
}

int
fy_ntfs_check(struct fy_volume *v, struct fy_ntfs_check *ret,
	      struct fy_error *err)
{
	struct fy_ntfs nt;
	struct check c = { .nt = &nt, .ret = ret };
	int r;

	memset(ret, 0, sizeof(*ret));
	r = fy_ntfs_open(v, NULL, &nt, err);
	if (r == 0) {
		c.owned = calloc(nt.clusters / 8 + 1, 1);
		r = c.owned == NULL ? fy_error_nomem(err) : own_all(&c, err);
	}
	if (r == 0)
		r = compare_bitmap(&c, err);
	free(c.owned);
	fy_ntfs_release(&nt);
	return r;
}
