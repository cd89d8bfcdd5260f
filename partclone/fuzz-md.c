/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Members of md arrays: the first byte of the input says which version and
 * byte order, 4 KiB are the superblock, whose checksum is put right, and the
 * rest begins the disk (behind the superblock's place).
 */
#include "partclone/disk.h"
#include "partclone/fuzz-tools.h"
#include "partclone/md.h"

#define DISK_BYTES (32 * FY_MIB)
#define SB_BYTES   4096u
#define TAIL_BYTES 65536u

static void
repair(uint8_t *sb, unsigned kind)
{
	uint32_t devices;

	if (kind < 3) {
		devices = fy_get_le32(sb + 220);
		if (devices <= 1920)
			fy_put_le32(sb + 216, fy_md_checksum_1(sb, devices));
	} else if (kind == 3) {
		fy_put_le32(sb + 152, fy_md_checksum_0(sb, false));
	} else {
		fy_put_be32(sb + 152, fy_md_checksum_0(sb, true));
	}
}

static void
map(struct fuzz_disk *d)
{
	const struct fy_disk_map_options options = { .allow_dirty = true };
	struct fy_volume *v = fuzz_volume(d, 512);
	struct fy_disk_map *m = NULL;
	struct fy_error err = { 0 };

	if (fy_disk_map_read(v, &options, &m, &err) == 0) {
		fuzz_check_extents(m->used, DISK_BYTES);
		fy_disk_map_free(m);
	}
	fy_volume_close(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t head[FY_MIB + SB_BYTES + 65536], tail[TAIL_BYTES];
	struct fuzz_disk d = { .head = head,
			       .tail = tail,
			       .tail_len = sizeof(tail),
			       .size = DISK_BYTES };
	uint8_t *sb;
	size_t i;
	unsigned kind;

	if (size < 1 + 256 || size > 65536)
		return 0;
	/* A map of an ext could start e2fsck. */
	for (i = 0; i + 1 < size; i++)
		if (data[i] == 0x53 && data[i + 1] == 0xef)
			return 0;
	kind = data[0] % 5;
	memset(head, 0, sizeof(head));
	memset(tail, 0, sizeof(tail));
	sb = kind == 0	 ? head
	     : kind == 1 ? head + 4096
	     : kind == 2 ? tail + TAIL_BYTES - 8192
			 : tail;
	memcpy(sb, data + 1, fy_min_u64(size - 1, SB_BYTES));
	if (size - 1 > SB_BYTES) {
		memcpy(head + (kind < 2 ? FY_MIB : 0) + SB_BYTES,
		       data + 1 + SB_BYTES, size - 1 - SB_BYTES);
	}
	d.head_len = sizeof(head);
	repair(sb, kind);
	map(&d);
	return 0;
}
