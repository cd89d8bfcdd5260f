/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Linux swap: only the first page, with header, uuid, label and signature, is
 * used.
 *
 * The signature ends the first page, whose size the machine decides (4 KiB to
 * 64 KiB).  A swap that holds a hibernated system carries another signature
 * and is used whole, as is one whose header makes no sense.  The header is
 * written in the byte order of its machine.
 */
#include "partclone/filesystem.h"

#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/signature.h"

#define HEADER_OFFSET 1024
#define PAGE_MAX      65536
#define LABEL_BYTES   16

struct swap {
	uint32_t page_bytes;
	bool hibernated, old, foreign_order;
	unsigned char header[48]; /* version, last page, bad pages, uuid,
				     label */
};

static const char hibernated[][11] = {
	"S1SUSPEND\0",
	"S2SUSPEND\0",
	"ULSUSPEND\0",
	"LINHIB0001",
	"\xed\xc3\x02\xe9\x98\x56\xe5\x0c\0",
};

static bool
is_hibernated(const unsigned char *magic)
{
	size_t i;

	for (i = 0; i < 3; i++)
		if (memcmp(magic, hibernated[i], 9) == 0)
			return true;
	return memcmp(magic, hibernated[3], 10) == 0 ||
	       memcmp(magic, hibernated[4], 8) == 0;
}

/* 1, 0 or -1. */
static int
find(struct fy_volume *v, struct swap *ret, struct fy_error *err)
{
	uint64_t size = fy_volume_size(v);
	unsigned char magic[10];
	uint32_t page;

	memset(ret, 0, sizeof(*ret));
	for (page = 4096; page <= PAGE_MAX && page <= size; page *= 2) {
		if (fy_volume_pread(v, magic, sizeof(magic), page - 10, err) ==
		    -1)
			return -1;
		ret->hibernated = is_hibernated(magic);
		ret->old = memcmp(magic, "SWAP-SPACE", 10) == 0;
		if (!ret->hibernated && !ret->old &&
		    memcmp(magic, "SWAPSPACE2", 10) != 0)
			continue;
		ret->page_bytes = page;
		if (fy_volume_pread(v, ret->header, sizeof(ret->header),
				    HEADER_OFFSET, err) == -1)
			return -1;
		ret->foreign_order = fy_get_le32(ret->header) == 0x01000000;
		return 1;
	}
	return 0;
}

static int
probe(struct fy_volume *v, struct fy_fs_info *ret, struct fy_error *err)
{
	struct swap s;
	int r = find(v, &s, err);

	if (r != 1)
		return r;
	ret->name = s.hibernated ? "swsuspend" : "swap";
	if (!s.old && (fy_get_le32(s.header) == 1 || s.foreign_order)) {
		fy_put_uuid(ret->uuid, s.header + 12);
		fy_put_label(ret, s.header + 28, LABEL_BYTES);
	}
	return 1;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	uint64_t pages;
	struct swap s;
	int r;

	(void)options;
	r = find(v, &s, err);
	if (r == -1)
		return -1;
	if (r == 0)
		return fy_fs_whole(ret, true, "the swap signature is gone");
	if (s.hibernated)
		return fy_fs_whole(
			ret, true,
			"holds a hibernated system, which will not resume "
			"on other hardware");
	if (s.old)
		return fy_fs_whole(ret, false, "swap of the oldest version");
	pages = s.foreign_order ? fy_get_be32(s.header + 4)
				: fy_get_le32(s.header + 4);
	if ((fy_get_le32(s.header) != 1 && !s.foreign_order) || pages == 0 ||
	    (pages + 1) * s.page_bytes > fy_volume_size(v))
		return fy_fs_whole(ret, true, "the swap's header is damaged");
	ret->bytes = (pages + 1) * s.page_bytes;
	snprintf(ret->note, sizeof(ret->note), "only the header is copied");
	return fy_extents_append(used, 0, s.page_bytes, err);
}

const struct fy_fs_driver fy_fs_swap = {
	.name = "swap",
	.probe = probe,
	.read_map = read_map,
};
