/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hostile packed streams: the first byte says in what pieces they come and are
 * asked for.  What comes out is bounded here, as its readers do.
 */
#include <stdlib.h>
#include <string.h>

#include "common/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *p;
	size_t len, at, step;
};

static int
give(void *ctx, void *buf, size_t len, size_t *ret_len, struct fy_error *err)
{
	struct memory *m = ctx;
	size_t n = m->len - m->at;

	(void)err;
	if (n > len)
		n = len;
	if (n > m->step)
		n = m->step;
	memcpy(buf, m->p + m->at, n);
	m->at += n;
	*ret_len = n;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char out[1u << 16];
	struct fy_error err = { 0 };
	struct fy_unpack *u = NULL;
	struct memory m;
	size_t n, want, total = 0;

	if (size < 1)
		return 0;
	m = (struct memory){ .p = data + 1,
			     .len = size - 1,
			     .step = (data[0] & 1) != 0 ? 13 : size };
	want = (data[0] & 2) != 0 ? 1001 : sizeof(out);
	if (fy_unpack_new(give, &m, "fuzz", &u, &err) == -1)
		return 0;
	while (total < (16u << 20) &&
	       fy_unpack_read(u, out, want, &n, &err) == 0 && n > 0)
		total += n;
	if (fy_unpack_packed(u) > size)
		abort();
	fy_unpack_close(u);
	return 0;
}
