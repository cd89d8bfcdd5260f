/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * zstd frames (RFC 8878), skippable ones included.
 */
#include <zstd.h>
#include <zstd_errors.h>

#include "common/bytes.h"
#include "common/unpack-driver.h"

#define FRAME	  0xfd2fb528u
#define SKIPPABLE 0x184d2a50u

static bool
zstd_is_start(const unsigned char *p, size_t len)
{
	return len >= 4 && (fy_get_le32(p) == FRAME ||
			    (fy_get_le32(p) & ~15u) == SKIPPABLE);
}

static void
zstd_close(void *state)
{
	ZSTD_freeDCtx(state);
}

static void *
zstd_open(struct fy_error *err)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();

	if (d == NULL ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax,
						(int)FY_UNPACK_WINDOW_LOG))) {
		ZSTD_freeDCtx(d);
		fy_error_nomem(err);
		return NULL;
	}
	return d;
}

static int
zstd_begin(void *state, struct fy_error *err)
{
	(void)err;
	ZSTD_DCtx_reset(state, ZSTD_reset_session_only);
	return 0;
}

static int
zstd_step(void *state, struct fy_unpack_step *s, struct fy_error *err)
{
	ZSTD_inBuffer in = { s->in, s->in_len, 0 };
	ZSTD_outBuffer out = { s->out, s->out_len, 0 };
	size_t r = ZSTD_decompressStream(state, &out, &in);

	s->in += in.pos;
	s->in_len -= in.pos;
	s->out += out.pos;
	s->out_len -= out.pos;
	if (!ZSTD_isError(r))
		return r == 0 ? 1 : 0;
	switch (ZSTD_getErrorCode(r)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a frame asks for a window of more than "
				    "2^%u bytes (zstd --long)",
				    FY_UNPACK_WINDOW_LOG);
	case ZSTD_error_memory_allocation:
		return fy_error_nomem(err);
	default:
		return fy_error_set(err, FY_E_CORRUPT, 0, "%s",
				    ZSTD_getErrorName(r));
	}
}

const struct fy_unpack_driver fy_unpack_zstd = {
	.name = "zstd",
	.is_start = zstd_is_start,
	.open = zstd_open,
	.close = zstd_close,
	.begin = zstd_begin,
	.step = zstd_step,
};
