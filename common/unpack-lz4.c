/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lz4 frames, with the checksums that they carry.
 */
#include <lz4frame.h>

#include "common/bytes.h"
#include "common/unpack-driver.h"

#define FRAME	  0x184d2204u
#define SKIPPABLE 0x184d2a50u

static bool
lz4_is_start(const unsigned char *p, size_t len)
{
	return len >= 4 && (fy_get_le32(p) == FRAME ||
			    (fy_get_le32(p) & ~15u) == SKIPPABLE);
}

static void
lz4_close(void *state)
{
	LZ4F_freeDecompressionContext(state);
}

static void *
lz4_open(struct fy_error *err)
{
	LZ4F_dctx *d = NULL;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION))) {
		fy_error_nomem(err);
		return NULL;
	}
	return d;
}

static int
lz4_begin(void *state, struct fy_error *err)
{
	(void)err;
	LZ4F_resetDecompressionContext(state);
	return 0;
}

static int
lz4_step(void *state, struct fy_unpack_step *s, struct fy_error *err)
{
	size_t in = s->in_len, out = s->out_len, r;

	r = LZ4F_decompress(state, s->out, &out, s->in, &in, NULL);
	if (LZ4F_isError(r))
		return fy_error_set(err, FY_E_CORRUPT, 0, "%s",
				    LZ4F_getErrorName(r));
	s->in += in;
	s->in_len -= in;
	s->out += out;
	s->out_len -= out;
	return r == 0 ? 1 : 0;
}

const struct fy_unpack_driver fy_unpack_lz4 = {
	.name = "lz4",
	.is_start = lz4_is_start,
	.open = lz4_open,
	.close = lz4_close,
	.begin = lz4_begin,
	.step = lz4_step,
};
