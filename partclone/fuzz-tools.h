/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PARTCLONE_FUZZ_TOOLS_H
#define FY_PARTCLONE_FUZZ_TOOLS_H

/*
 * A disk out of a fuzzer's input: 'head' at its start, 'tail' at its end,
 * zeros between them, so that small inputs make large disks.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/volume.h"
#include "partclone/filesystem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_disk {
	const uint8_t *head, *tail;
	size_t head_len, tail_len;
	uint64_t size;
};

static inline int
fuzz_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	const struct fuzz_disk *d = handle;
	uint64_t tail_at = d->size - d->tail_len, from, to;

	(void)err;
	memset(buf, 0, len);
	if (offset < d->head_len)
		memcpy(buf, d->head + offset,
		       (size_t)fy_min_u64(len, d->head_len - offset));
	from = fy_max_u64(offset, tail_at);
	to = offset + len;
	if (from < to)
		memcpy((uint8_t *)buf + (from - offset),
		       d->tail + (from - tail_at), (size_t)(to - from));
	return 0;
}

static inline struct fy_volume *
fuzz_volume(struct fuzz_disk *d, uint32_t sector_bytes)
{
	static const struct fy_volume_ops ops = { .pread = fuzz_pread };
	struct fy_error err = { 0 };
	struct fy_volume *v;

	v = fy_volume_new(&ops, d, "fuzz", d->size, sector_bytes, &err);
	if (v == NULL)
		abort();
	return v;
}

/*
 * Another one: blocks of 4096 bytes by their numbers, zeros elsewhere.  An input
 * is a list of them: 2 bytes of number (little-endian), then the block.
 */
#define FUZZ_BLOCK  4096u
#define FUZZ_RECORD (2 + FUZZ_BLOCK)
#define FUZZ_BLOCKS (1u << 16)

struct fuzz_blocks {
	const uint8_t *blocks[FUZZ_BLOCKS];
};

static inline int
fuzz_blocks_pread(void *handle, void *buf, size_t len, uint64_t offset,
		  struct fy_error *err)
{
	const struct fuzz_blocks *d = handle;
	uint8_t *to = buf;
	size_t skip, n;

	(void)err;
	for (; len > 0; to += n, offset += n, len -= n) {
		const uint8_t *from = NULL;

		if (offset / FUZZ_BLOCK < FUZZ_BLOCKS)
			from = d->blocks[offset / FUZZ_BLOCK];
		skip = offset % FUZZ_BLOCK;
		n = (size_t)fy_min_u64(len, FUZZ_BLOCK - skip);
		if (from != NULL)
			memcpy(to, from + skip, n);
		else
			memset(to, 0, n);
	}
	return 0;
}

static inline struct fy_volume *
fuzz_blocks_volume(struct fuzz_blocks *d, uint64_t size)
{
	static const struct fy_volume_ops ops = { .pread = fuzz_blocks_pread };
	struct fy_error err = { 0 };
	struct fy_volume *v = fy_volume_new(&ops, d, "fuzz", size, 512, &err);

	if (v == NULL)
		abort();
	return v;
}

/* What every map must be, whatever the input. */
static inline void
fuzz_check_extents(const struct fy_extents *e, uint64_t size)
{
	struct fy_extents_cursor c;
	struct fy_error err = { 0 };
	struct fy_extent x;
	uint64_t end = 0, sum = 0;

	fy_extents_cursor_init(&c, e);
	while (fy_extents_next(&c, &x, &err) == 1) {
		if (x.length == 0 || x.offset < end || x.offset > size ||
		    x.length > size - x.offset)
			abort();
		end = x.offset + x.length;
		sum += x.length;
	}
	if (sum != fy_extents_bytes(e))
		abort();
}

/* A map by 'driver' of a volume of 'volume_bytes' that begins (and ends) with
 * the input: it may fail, but what it yields is well-formed. */
static inline int
fuzz_driver(const struct fy_fs_driver *driver, const uint8_t *data, size_t size,
	    uint64_t volume_bytes)
{
	const struct fy_fs_map_options options = { .allow_dirty = true };
	struct fuzz_disk d = {
		.head = data,
		.head_len = size,
		.tail = data,
		.size = volume_bytes,
	};
	struct fy_fs_info info = { .driver = driver, .name = driver->name };
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	struct fy_volume *v;
	int r = 1;

	if (size > FY_MIB)
		return 0;
	v = fuzz_volume(&d, 512);
	used = fy_extents_new(&err);
	if (used == NULL)
		abort();
	if (driver->probe != NULL)
		r = driver->probe(v, &info, &err);
	if (r == 1 && fy_fs_map(v, &info, &options, used, &result, &err) == 0) {
		fuzz_check_extents(used, d.size);
		if (result.bytes > d.size)
			abort();
	}
	fy_extents_free(used);
	fy_volume_close(v);
	return 0;
}

#endif
