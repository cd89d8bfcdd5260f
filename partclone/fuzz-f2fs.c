/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An F2FS of hostile bytes.  The input is two superblocks (3 KiB), then pieces
 * that are put where the first of them says that things are: the checkpoint
 * packs (sealed here, since a fuzzer does not guess checksums) and the SIT.
 */
#include "partclone/crc32.h"
#include "partclone/f2fs.h"
#include "partclone/fuzz-tools.h"

#define PACK  16384u /* bytes of a pack: header, payload or summaries */
#define TABLE 4096u  /* of each copy of the SIT */

struct disk {
	const uint8_t *super;
	uint8_t pack[2][PACK], sit[2][TABLE];
	uint64_t pack_at[2], last_at[2], sit_at[2], size;
};

static void
overlay(uint8_t *buf, size_t len, uint64_t offset, const uint8_t *piece,
	size_t piece_len, uint64_t at)
{
	uint64_t from = fy_max_u64(offset, at);
	uint64_t to = fy_min_u64(offset + len, at + piece_len);

	if (from < to)
		memcpy(buf + (from - offset), piece + (from - at),
		       (size_t)(to - from));
}

static int
disk_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	const struct disk *d = handle;
	unsigned i;

	(void)err;
	memset(buf, 0, len);
	for (i = 0; i < 2; i++) {
		overlay(buf, len, offset, d->sit[i], TABLE, d->sit_at[i]);
		overlay(buf, len, offset, d->pack[i], PACK, d->pack_at[i]);
		overlay(buf, len, offset, d->pack[i], 4096, d->last_at[i]);
	}
	for (i = 0; i < 2; i++)
		overlay(buf, len, offset, d->super, 3072, 1024 + 4096 * i);
	return 0;
}

static void
seal(uint8_t *b)
{
	uint32_t at = fy_get_le32(b + 164), crc;

	if (at < 192 || at > 4092)
		return;
	crc = fy_crc32_raw(FY_F2FS_MAGIC, b, at);
	if (at < 4092)
		crc = fy_crc32_raw(crc, b + at + 4, 4096 - at - 4);
	fy_put_le32(b + at, crc);
}

/* The pack's last block is its first one. */
static void
place_pack(struct disk *d, unsigned i, uint64_t block)
{
	uint64_t total = fy_get_le32(d->pack[i] + 136);

	d->pack_at[i] = block * 4096;
	d->last_at[i] = (block + total - 1) * 4096;
	seal(d->pack[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fy_volume_ops ops = { .pread = disk_pread };
	const struct fy_fs_map_options options = { .allow_dirty = true };
	struct fy_fs_info info = { .driver = &fy_fs_f2fs, .name = "f2fs" };
	struct disk *d = calloc(1, sizeof(*d));
	struct fy_error err = { 0 };
	struct fy_fs_result result;
	struct fy_extents *used;
	struct fy_volume *v;
	unsigned i;

	if (d == NULL)
		abort();
	if (size < 3072 + 2 * (PACK + TABLE)) {
		free(d);
		return 0;
	}
	d->super = data;
	d->size = 256 * FY_MIB;
	for (i = 0; i < 2; i++) {
		memcpy(d->pack[i], data + 3072 + i * PACK, PACK);
		memcpy(d->sit[i], data + 3072 + 2 * PACK + i * TABLE, TABLE);
		place_pack(d, i, fy_get_le32(data + 76) + 512ull * i);
		d->sit_at[i] = (fy_get_le32(data + 80) +
				fy_get_le32(data + 56) / 2 * 512ull * i) *
			       4096;
	}
	v = fy_volume_new(&ops, d, "fuzz", d->size, 512, &err);
	used = fy_extents_new(&err);
	if (v == NULL || used == NULL)
		abort();
	if (fy_fs_map(v, &info, &options, used, &result, &err) == 0) {
		fuzz_check_extents(used, d->size);
		if (result.bytes > d->size)
			abort();
	}
	fy_extents_free(used);
	fy_volume_close(v);
	free(d);
	return 0;
}
