/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading an image back.  Durable units that follow each other are read with
 * one request of up to 4 MiB (qemu-nbd then decompresses their clusters side by
 * side), and digested one by one.  What isn't durable is looked at only where
 * the image says that it has data.
 */
#include "imaging/verify.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define BATCH_BYTES (4u << 20)

static int
compare_unit(const struct fy_verify *v, uint64_t unit, const void *data,
	     struct fy_error *err)
{
	struct fy_digest want, is;
	struct fy_place place;

	if (fy_journal_get(v->journal, v->disk, unit, &want, &place, err) == -1)
		return -1;
	fy_digest_xxh3(data, v->unit_bytes, v->seed, &is);
	if (fy_digest_equal(&want, &is))
		return 0;
	return fy_error_set(err, FY_E_DIFFERENT, 0,
			    "%s differs from what was received, in the %u "
			    "bytes at byte %llu (unit %llu of disk %u)",
			    fy_volume_name(v->image), v->unit_bytes,
			    (unsigned long long)(unit * v->unit_bytes),
			    (unsigned long long)unit, v->disk);
}

/* Read and compare 'n' units from 'first'. */
static int
compare_batch(const struct fy_verify *v, uint64_t first, unsigned n,
	      unsigned char *buf, struct fy_error *err)
{
	size_t bytes = (size_t)n * v->unit_bytes, have;
	uint64_t at = first * v->unit_bytes;
	unsigned i;

	have = (size_t)fy_min_u64(bytes, v->disk_bytes - at);
	if (fy_volume_pread(v->image, buf, have, at, err) == -1)
		return -1;
	memset(buf + have, 0, bytes - have);
	for (i = 0; i < n; i++)
		if (compare_unit(v, first + i, buf + (size_t)i * v->unit_bytes,
				 err) == -1)
			return -1;
	fy_progress_add(v->progress, have, 0);
	return 0;
}

static int
compare_durable(const struct fy_verify *v, unsigned char *buf,
		struct fy_error *err)
{
	uint64_t units = (v->disk_bytes - 1) / v->unit_bytes + 1, unit = 0;
	unsigned n, most = BATCH_BYTES / v->unit_bytes;

	while (fy_journal_next(v->journal, v->disk, &unit)) {
		if (fy_stop_check(v->stop, err) == -1)
			return -1;
		if (unit >= units)
			return fy_error_set(err, FY_E_CORRUPT, 0,
					    "the journal has unit %llu of a "
					    "disk of %llu",
					    (unsigned long long)unit,
					    (unsigned long long)units);
		for (n = 1;
		     n < most && fy_journal_has(v->journal, v->disk, unit + n);
		     n++)
			;
		if (compare_batch(v, unit, n, buf, err) == -1)
			return -1;
		unit += n;
	}
	return 0;
}

/* [at, end) must be zero, but for durable units. */
static int
check_zero(const struct fy_verify *v, uint64_t at, uint64_t end,
	   unsigned char *buf, struct fy_error *err)
{
	uint64_t unit, stop;

	for (; at < end; at = stop) {
		unit = at / v->unit_bytes;
		stop = fy_min_u64((unit + 1) * v->unit_bytes, end);
		if (fy_journal_has(v->journal, v->disk, unit))
			continue;
		if (fy_stop_check(v->stop, err) == -1 ||
		    fy_volume_pread(v->image, buf, (size_t)(stop - at), at,
				    err) == -1)
			return -1;
		if (!fy_is_zero(buf, (size_t)(stop - at)))
			return fy_error_set(
				err, FY_E_DIFFERENT, 0,
				"%s has data that was never received, in the "
				"%llu bytes at byte %llu (unit %llu of disk "
				"%u)",
				fy_volume_name(v->image),
				(unsigned long long)(stop - at),
				(unsigned long long)at,
				(unsigned long long)unit, v->disk);
	}
	return 0;
}

static int
check_others(const struct fy_verify *v, unsigned char *buf,
	     struct fy_error *err)
{
	fy_autoextents struct fy_extents *data = fy_extents_new(err);
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	if (data == NULL || fy_volume_data(v->image, data, err) == -1)
		return -1;
	fy_extents_cursor_init(&c, data);
	while ((r = fy_extents_next(&c, &x, err)) == 1)
		if (check_zero(v, x.offset, x.offset + x.length, buf, err) ==
		    -1)
			return -1;
	return r;
}

int
fy_image_verify(const struct fy_verify *v, struct fy_error *err)
{
	fy_autofree unsigned char *buf = NULL;
	uint64_t size = fy_volume_size(v->image);

	if (!fy_is_power_of_two(v->unit_bytes) || v->unit_bytes > BATCH_BYTES ||
	    v->disk_bytes == 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a disk of %llu bytes in units of %u",
				    (unsigned long long)v->disk_bytes,
				    v->unit_bytes);
	if (size != v->disk_bytes)
		return fy_error_set(err, FY_E_DIFFERENT, 0,
				    "%s has %llu bytes where the disk has %llu",
				    fy_volume_name(v->image),
				    (unsigned long long)size,
				    (unsigned long long)v->disk_bytes);
	buf = malloc(BATCH_BYTES);
	if (buf == NULL)
		return fy_error_nomem(err);
	if (compare_durable(v, buf, err) == -1)
		return -1;
	return check_others(v, buf, err);
}
