/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What sinks share: which clusters of a unit hold data, and holes.
 */
#include "imaging/sink-util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"

uint64_t
fy_sink_data_mask(const void *raw, size_t len)
{
	const unsigned char *p = raw;
	uint64_t mask = 0;
	size_t i;

	assert(len % FY_SINK_CLUSTER_BYTES == 0 &&
	       len / FY_SINK_CLUSTER_BYTES <= 64);
	for (i = 0; i < len / FY_SINK_CLUSTER_BYTES; i++)
		if (!fy_is_zero(p + i * FY_SINK_CLUSTER_BYTES,
				FY_SINK_CLUSTER_BYTES))
			mask |= UINT64_C(1) << i;
	return mask;
}

bool
fy_sink_mask_run(uint64_t mask, unsigned *first, unsigned *count)
{
	unsigned i = *first;

	while (i < 64 && (mask >> i & 1) == 0)
		i++;
	if (i >= 64)
		return false;
	*first = i;
	while (i < 64 && (mask >> i & 1) != 0)
		i++;
	*count = i - *first;
	return true;
}

static int
write_zeros(int fd, uint64_t offset, uint64_t length, struct fy_error *err)
{
	static const unsigned char zeros[FY_SINK_CLUSTER_BYTES];

	while (length > 0) {
		size_t n = (size_t)fy_min_u64(length, sizeof(zeros));

		if (fy_fd_pwrite_full(fd, zeros, n, offset, err) == -1)
			return -1;
		offset += n;
		length -= n;
	}
	return 0;
}

int
fy_sink_punch(int fd, uint64_t offset, uint64_t length, struct fy_error *err)
{
	uint64_t end = offset + length;
	off_t at, stop;

	while (offset < end) {
		at = lseek(fd, (off_t)offset, SEEK_DATA);
		if (at == -1 && errno == ENXIO)
			return 0;
		if (at == -1)
			at = (off_t)offset; /* it doesn't know holes */
		if ((uint64_t)at >= end)
			return 0;
		stop = lseek(fd, at, SEEK_HOLE);
		if (stop == -1 || (uint64_t)stop > end)
			stop = (off_t)end;
		length = (uint64_t)(stop - at);
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      at, (off_t)length) == -1) {
			if (errno != EOPNOTSUPP && errno != ENOSYS)
				return fy_error_set(err, FY_E_IO, errno,
						    "cannot punch a hole");
			if (write_zeros(fd, (uint64_t)at, length, err) == -1)
				return -1;
		}
		offset = (uint64_t)stop;
	}
	return 0;
}
