/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * raw: each unit at its own offset, 64 KiB clusters of zeros left out as holes.
 *
 * An earlier session may have left bytes of units that never got into the
 * journal, and the disk may have changed since: so zero clusters of a written
 * unit are punched, and at the finish everything that has no place.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "imaging/sink-util.h"
#include "imaging/sink.h"

#define UNIT_BYTES (1u << 20)
#define CLUSTER	   FY_SINK_CLUSTER_BYTES

static int
raw_plan(const struct fy_sink_params *params, uint32_t *unit_bytes,
	 enum fy_codec *codec, int *level, unsigned *window_bits,
	 struct fy_error *err)
{
	if (params->compressed != FY_CODEC_NONE)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "raw images cannot be compressed");
	*unit_bytes = UNIT_BYTES;
	*codec = FY_CODEC_NONE;
	*level = 1;
	*window_bits = 0;
	return 0;
}

static int
set_length(struct fy_sink *s, uint64_t length, struct fy_error *err)
{
	if (ftruncate(s->fd, (off_t)length) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot set the image's length to %llu",
				    (unsigned long long)length);
	return 0;
}

static int
raw_open(struct fy_sink *s, uint64_t end, struct fy_error *err)
{
	struct stat st;

	if (fstat(s->fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot look at the image");
	if (end == 0) {
		/* Nothing of what is there counts. */
		if (set_length(s, 0, err) == -1)
			return -1;
	} else if ((uint64_t)st.st_size != s->params.disk_bytes ||
		   end > s->params.disk_bytes) {
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the image has %llu bytes, the disk %llu",
				    (unsigned long long)st.st_size,
				    (unsigned long long)s->params.disk_bytes);
	}
	s->end = s->params.disk_bytes;
	return set_length(s, s->params.disk_bytes, err);
}

static int
raw_write(struct fy_sink *s, const struct fy_sink_unit *u, struct fy_place *ret,
	  struct fy_error *err)
{
	uint64_t mask = fy_sink_data_mask(u->raw, UNIT_BYTES), holes;
	uint64_t base = u->index * UNIT_BYTES, stored = 0;
	uint64_t room = s->params.disk_bytes - base, from, n;
	const unsigned char *raw = u->raw;
	unsigned first, count;

	for (first = 0; fy_sink_mask_run(mask, &first, &count);
	     first += count) {
		from = (uint64_t)first * CLUSTER;
		n = fy_min_u64((uint64_t)count * CLUSTER, room - from);
		if (fy_fd_pwrite_full(s->fd, raw + from, (size_t)n, base + from,
				      err) == -1)
			return -1;
		stored += n;
	}
	holes = ~mask & 0xffff;
	for (first = 0; fy_sink_mask_run(holes, &first, &count);
	     first += count) {
		from = (uint64_t)first * CLUSTER;
		if (from >= room)
			break;
		n = fy_min_u64((uint64_t)count * CLUSTER, room - from);
		if (fy_sink_punch(s->fd, base + from, n, err) == -1)
			return -1;
	}
	*ret = (struct fy_place){ .offset = base,
				  .stored = (uint32_t)stored,
				  .codec = FY_CODEC_NONE,
				  .mask = mask };
	return 0;
}

/* Punch the units [from, to). */
static int
punch_units(struct fy_sink *s, uint64_t from, uint64_t to, struct fy_error *err)
{
	uint64_t start = from * UNIT_BYTES;
	uint64_t end = fy_min_u64(to * UNIT_BYTES, s->params.disk_bytes);

	if (start >= end)
		return 0;
	return fy_sink_punch(s->fd, start, end - start, err);
}

static int
raw_forget(struct fy_sink *s, uint64_t index, const struct fy_place *old,
	   struct fy_error *err)
{
	(void)old;
	return punch_units(s, index, index + 1, err);
}

static int
raw_finish(struct fy_sink *s,
	   int (*next)(void *ctx, uint64_t *index, struct fy_place *place,
		       struct fy_error *err),
	   void *ctx, struct fy_error *err)
{
	uint64_t units = (s->params.disk_bytes - 1) / UNIT_BYTES + 1;
	uint64_t index, expected = 0;
	struct fy_place place;
	int r;

	while ((r = next(ctx, &index, &place, err)) == 1) {
		if (index < expected || index >= units ||
		    place.offset != index * UNIT_BYTES)
			return fy_error_set(err, FY_E_CORRUPT, 0,
					    "unit %llu has an impossible place",
					    (unsigned long long)index);
		if (punch_units(s, expected, index, err) == -1)
			return -1;
		expected = index + 1;
	}
	if (r == -1 || punch_units(s, expected, units, err) == -1 ||
	    set_length(s, s->params.disk_bytes, err) == -1)
		return -1;
	return fy_fd_sync(s->fd, err);
}

const struct fy_sink_driver fy_sink_driver_raw = {
	.format = "raw",
	.plan = raw_plan,
	.open = raw_open,
	.write = raw_write,
	.forget = raw_forget,
	.finish = raw_finish,
};
