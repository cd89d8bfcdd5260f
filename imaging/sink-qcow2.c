/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qcow2 version 3, clusters of 64 KiB: plain, or compressed with zstd or
 * deflate.
 *
 * The first cluster is kept zero for the header, which the finish writes last;
 * until then no tool takes the file for an image.  Units are appended: the data
 * clusters of a plain unit one after the other and aligned, a compressed one as
 * it came, byte after byte.  A cluster that didn't shrink is stored plain in a
 * compressed image, aligned; the tail of the host cluster that was being packed
 * is kept for the next payloads that fit.
 */
#include "imaging/sink-qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "imaging/sink-util.h"

#define PLAIN_UNIT_BYTES (1u << 20)

/* Room for payloads below s->end: [at, limit). */
struct qcow2_state {
	uint64_t at, limit;
};

static int
qcow2_plan(const struct fy_sink_params *params, uint32_t *unit_bytes,
	   enum fy_codec *codec, int *level, unsigned *window_bits,
	   struct fy_error *err)
{
	if (params->disk_bytes % QCOW2_SECTOR != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "qcow2 cannot hold a disk of %llu bytes, "
				    "which is no multiple of 512",
				    (unsigned long long)params->disk_bytes);
	if (params->disk_bytes > QCOW2_MAX_DISK)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "qcow2 cannot hold a disk of %llu bytes",
				    (unsigned long long)params->disk_bytes);
	*codec = params->compressed;
	*unit_bytes = *codec == FY_CODEC_NONE ? PLAIN_UNIT_BYTES
					      : (uint32_t)QCOW2_CLUSTER;
	/* Clusters of 64 KiB shrink less than a stream does; the next level
	 * makes up for half of that, at an eighth more of the client's time. */
	*level = *codec == FY_CODEC_ZSTD ? 2 : 1;
	*window_bits = *codec == FY_CODEC_DEFLATE ? 12 : 0;
	return 0;
}

/* The header's cluster is zero and durably so before anything else changes. */
static int
clear_header(struct fy_sink *s, struct fy_error *err)
{
	fy_autofree unsigned char *buf = calloc(1, QCOW2_CLUSTER);

	if (buf == NULL)
		return fy_error_nomem(err);
	if (fy_fd_pread_full(s->fd, buf, QCOW2_CLUSTER, 0, err) == -1)
		return -1;
	if (fy_is_zero(buf, QCOW2_CLUSTER))
		return 0;
	memset(buf, 0, QCOW2_CLUSTER);
	if (fy_fd_pwrite_full(s->fd, buf, QCOW2_CLUSTER, 0, err) == -1)
		return -1;
	return fy_fd_datasync(s->fd, err);
}

static int
qcow2_open(struct fy_sink *s, uint64_t end, struct fy_error *err)
{
	struct qcow2_state *state;
	off_t length = lseek(s->fd, 0, SEEK_END);

	if (length == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot look at the image");
	/* Nothing is stored below the first cluster, not even by a journal
	 * that knows zero units only. */
	if (end < QCOW2_CLUSTER)
		end = 0;
	if ((uint64_t)length < end)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the image has %llu bytes where the "
				    "journal knows of %llu",
				    (unsigned long long)length,
				    (unsigned long long)end);
	if ((uint64_t)length >= QCOW2_CLUSTER && clear_header(s, err) == -1)
		return -1;
	if ((end == 0 && ftruncate(s->fd, 0) == -1) ||
	    ftruncate(s->fd, (off_t)fy_max_u64(end, QCOW2_CLUSTER)) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot set the image's length");
	state = calloc(1, sizeof(*state));
	if (state == NULL)
		return fy_error_nomem(err);
	s->state = state;
	s->end = fy_max_u64(end, QCOW2_CLUSTER);
	state->at = s->end;
	state->limit = fy_align_up(s->end, QCOW2_CLUSTER);
	return 0;
}

/* Where the next aligned clusters go; keeps the tail of a packed one. */
static uint64_t
take_clusters(struct fy_sink *s, uint64_t n)
{
	uint64_t offset = fy_align_up(s->end, QCOW2_CLUSTER);

	s->end = offset + n * QCOW2_CLUSTER;
	return offset;
}

/* Where a payload goes: behind the last one, if need be into the next host
 * cluster as long as that is free. */
static uint64_t
take_bytes(struct fy_sink *s, uint64_t n)
{
	struct qcow2_state *state = s->state;
	uint64_t offset;

	/* limit >= s->end: the packed cluster is the file's last one. */
	if (state->limit < s->end && state->limit - state->at < n)
		state->at = s->end;
	offset = state->at;
	state->at += n;
	if (state->at > s->end) {
		s->end = state->at;
		state->limit = fy_align_up(s->end, QCOW2_CLUSTER);
	}
	return offset;
}

static int
write_plain(struct fy_sink *s, const struct fy_sink_unit *u,
	    struct fy_place *ret, struct fy_error *err)
{
	uint64_t mask = fy_sink_data_mask(u->raw, s->unit_bytes);
	uint64_t n = (uint64_t)__builtin_popcountll(mask), at;
	const unsigned char *raw = u->raw;
	unsigned first, count;

	*ret = (struct fy_place){ .codec = FY_CODEC_NONE, .mask = mask };
	if (n == 0)
		return 0;
	ret->offset = at = take_clusters(s, n);
	ret->stored = (uint32_t)(n * QCOW2_CLUSTER);
	for (first = 0; fy_sink_mask_run(mask, &first, &count);
	     first += count) {
		size_t len = (size_t)count * QCOW2_CLUSTER;

		if (fy_fd_pwrite_full(s->fd, raw + first * QCOW2_CLUSTER, len,
				      at, err) == -1)
			return -1;
		at += len;
	}
	return 0;
}

static int
qcow2_write(struct fy_sink *s, const struct fy_sink_unit *u,
	    struct fy_place *ret, struct fy_error *err)
{
	/* Far more than any file; entries have 54 bits for a place. */
	if (s->end > QCOW2_OFFSET_LIMIT / 2)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the image grows too large for qcow2");
	if (u->codec == FY_CODEC_NONE || u->codec != s->params.compressed ||
	    u->payload_bytes == 0 || u->payload_bytes >= QCOW2_CLUSTER)
		return write_plain(s, u, ret, err);
	*ret = (struct fy_place){ .codec = (uint8_t)u->codec };
	if (fy_is_zero(u->raw, s->unit_bytes)) {
		ret->codec = FY_CODEC_NONE;
		return 0;
	}
	ret->mask = 1;
	ret->stored = u->payload_bytes;
	ret->offset = take_bytes(s, u->payload_bytes);
	return fy_fd_pwrite_full(s->fd, u->payload, u->payload_bytes,
				 ret->offset, err);
}

static int
qcow2_forget(struct fy_sink *s, uint64_t index, const struct fy_place *old,
	     struct fy_error *err)
{
	/* The tables come from the places; the finish frees the room. */
	(void)s;
	(void)index;
	(void)old;
	(void)err;
	return 0;
}

static void
qcow2_free(struct fy_sink *s)
{
	free(s->state);
}

const struct fy_sink_driver fy_sink_driver_qcow2 = {
	.format = "qcow2",
	.plan = qcow2_plan,
	.open = qcow2_open,
	.write = qcow2_write,
	.forget = qcow2_forget,
	.finish = fy_sink_qcow2_finish,
	.free = qcow2_free,
};
