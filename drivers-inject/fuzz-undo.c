/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The undo log, and what a confined process wants changed, which has the same
 * bytes: as they are, and with their checksums put right, for else nothing
 * behind these would ever be reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/hash.h"
#include "drivers-inject/undo.h"

#define SIZE  (1u << 20)
#define DISKS 2u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
nothing(void *h, void *buf, size_t len, uint64_t offset, struct fy_error *err)
{
	(void)h;
	(void)err;
	if (offset > SIZE || len > SIZE - offset)
		abort();
	memset(buf, 0, len);
	return 0;
}

static int
drop(void *h, const void *buf, size_t len, uint64_t offset,
     struct fy_error *err)
{
	(void)h;
	(void)buf;
	(void)err;
	if (offset > SIZE || len > SIZE - offset)
		abort();
	return 0;
}

static const struct fy_volume_ops ops = { .pread = nothing, .pwrite = drop };

static void
put_right(unsigned char *p, size_t size)
{
	size_t head = 16 + 8 * DISKS + 4, at = head, len;
	unsigned char both[8];
	uint32_t chain = 0;
	uint64_t n = 0;

	if (size < head + 32)
		return;
	memcpy(p, "FYUNDO1\n", 8);
	fy_put_le32(p + 8, 1);
	fy_put_le32(p + 12, DISKS);
	fy_put_le64(p + 16, SIZE);
	fy_put_le64(p + 24, SIZE);
	fy_put_le32(p + head - 4, fy_crc32c(p, head - 4));
	for (; size - at >= 32 + 32; n++) {
		fy_put_le32(p + at, 0x52555946);
		len = fy_get_le32(p + at + 20) == 1 ? 0
						    : fy_get_le32(p + at + 16);
		if (len > size - at - 64)
			break;
		if (len > 0)
			fy_put_le32(p + at + 24, fy_crc32c(p + at + 32, len));
		fy_put_le32(p + at + 28, fy_crc32c(p + at, 28));
		fy_put_le32(both, chain);
		memcpy(both + 4, p + at + 28, 4);
		chain = fy_crc32c(both, 8);
		at += 32 + len;
	}
	p += size - 32;
	fy_put_le32(p, 0x54555946);
	fy_put_le64(p + 8, n);
	fy_put_le64(p + 16, size);
	fy_put_le32(p + 24, chain);
	fy_put_le32(p + 28, fy_crc32c(p, 28));
}

static void
read_it(struct fy_volume *const *v, const unsigned char *data, size_t size)
{
	struct fy_extents *x[DISKS] = { fy_extents_new(NULL),
					fy_extents_new(NULL) };
	fy_autofd int fd = fy_file_temporary("/dev/shm", NULL);

	if (x[0] != NULL && x[1] != NULL && fd != -1 &&
	    fy_fd_write_full(fd, data, size, NULL) == 0 &&
	    fy_changes_read(v, DISKS, fd, x, NULL) == 0 &&
	    fy_changes_apply(v, DISKS, fd, x, NULL, NULL) == -1)
		abort();
	fy_extents_free(x[0]);
	fy_extents_free(x[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fy_volume *v[DISKS] = {
		fy_volume_new(&ops, NULL, "a", SIZE, 512, NULL),
		fy_volume_new(&ops, NULL, "b", SIZE, 512, NULL),
	};
	fy_autofree unsigned char *copy = malloc(size + 1);

	if (copy != NULL && v[0] != NULL && v[1] != NULL) {
		memcpy(copy, data, size);
		read_it(v, copy, size);
		put_right(copy, size);
		read_it(v, copy, size);
	}
	fy_volume_close(v[0]);
	fy_volume_close(v[1]);
	return 0;
}
