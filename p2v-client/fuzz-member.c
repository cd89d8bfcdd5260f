/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzz: LVM2 labels and metadata, md superblocks.  The input is the beginning
 * of a volume; a second round puts it at the end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "p2v-client/member.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *data;
	size_t size, start;
};

static int
memory_pread(void *handle, void *buf, size_t len, uint64_t offset,
	     struct fy_error *err)
{
	const struct memory *m = handle;
	unsigned char *to = buf;
	size_t i;

	(void)err;
	for (i = 0; i < len; i++, offset++)
		to[i] = offset >= m->start && offset - m->start < m->size
				? m->data[offset - m->start]
				: 0;
	return 0;
}

static const struct fy_volume_ops ops = { .pread = memory_pread };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fy_error err = { 0 };
	struct memory m = { data, size, 0 };
	struct fy_member found;
	struct fy_volume *v;
	int round;

	for (round = 0; round < 2; round++) {
		size_t whole = (size + 131072) & ~(size_t)511;

		m.start = round == 0 ? 0 : whole - size;
		v = fy_volume_new(&ops, &m, "fuzz", whole, 512, &err);
		if (v == NULL)
			return 0;
		if (fy_member_read(v, &found, &err) == 0 &&
		    (strlen(found.name) >= sizeof(found.name) ||
		     strlen(found.group) >= sizeof(found.group)))
			abort();
		fy_volume_close(v);
	}
	return 0;
}
