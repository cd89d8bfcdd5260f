/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partclone/tolerant.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

struct tolerant {
	struct fy_volume *volume, *direct;
	struct fy_lost_sectors *lost;
	uint32_t sector;
};

static int
tolerant_pread(void *handle, void *buf, size_t len, uint64_t offset,
	       struct fy_error *err)
{
	struct tolerant *t = handle;
	struct fy_error why = { .code = FY_E_NONE };
	uint64_t at, next, end = offset + len;
	unsigned char *to = buf;

	if (fy_volume_pread(t->volume, buf, len, offset, &why) == 0)
		return 0;
	if (len > FY_TOLERANT_BYTES) {
		*err = why;
		return -1;
	}
	for (at = offset; at < end; at = next) {
		next = fy_min_u64(end,
				  fy_align_down(at, t->sector) + t->sector);
		fy_error_clear(&why);
		if (fy_volume_pread(t->direct, to + (at - offset),
				    (size_t)(next - at), at, &why) == 0)
			continue;
		if (why.code != FY_E_IO) {
			*err = why;
			return -1;
		}
		memset(to + (at - offset), 0, (size_t)(next - at));
		if (len <= FY_TOLERANT_SURE &&
		    (at < t->lost->fine_from || at >= t->lost->fine_to) &&
		    t->lost->n++ == 0)
			t->lost->first = at;
	}
	return 0;
}

static const struct fy_volume_ops tolerant_ops = {
	.pread = tolerant_pread,
	.close = free,
};

int
fy_tolerant_view(struct fy_volume *v, struct fy_volume *direct,
		 struct fy_lost_sectors *lost, struct fy_volume **ret,
		 struct fy_error *err)
{
	struct tolerant *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return fy_error_nomem(err);
	t->volume = v;
	t->direct = direct;
	t->lost = lost;
	t->sector = fy_volume_sector_bytes(v);
	memset(lost, 0, sizeof(*lost));
	*ret = fy_volume_new(&tolerant_ops, t, fy_volume_name(v),
			     fy_volume_size(v), t->sector, err);
	return *ret == NULL ? -1 : 0;
}
