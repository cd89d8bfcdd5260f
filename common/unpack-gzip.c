/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gzip (RFC 1952) by ISA-L, which checks each member's CRC and length.
 */
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#include "common/unpack-driver.h"

#define MOST (UINT32_C(1) << 30)

static bool
gzip_is_start(const unsigned char *p, size_t len)
{
	return len >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

static void *
gzip_open(struct fy_error *err)
{
	struct inflate_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fy_error_nomem(err);
	return s;
}

static int
gzip_begin(void *state, struct fy_error *err)
{
	struct inflate_state *s = state;

	(void)err;
	isal_inflate_init(s);
	s->crc_flag = ISAL_GZIP;
	return 0;
}

static const char *
reason(int r)
{
	switch (r) {
	case ISAL_INCORRECT_CHECKSUM:
		return "a checksum or length does not match";
	case ISAL_INVALID_WRAPPER:
	case ISAL_UNSUPPORTED_METHOD:
		return "a member's header is damaged";
	default:
		return "the data is damaged";
	}
}

static int
gzip_step(void *state, struct fy_unpack_step *step, struct fy_error *err)
{
	struct inflate_state *s = state;
	uint32_t in = step->in_len < MOST ? (uint32_t)step->in_len : MOST;
	uint32_t out = step->out_len < MOST ? (uint32_t)step->out_len : MOST;
	int r;

	s->next_in = (uint8_t *)(uintptr_t)step->in; /* only read */
	s->avail_in = in;
	s->next_out = step->out;
	s->avail_out = out;
	r = isal_inflate(s);
	step->in += in - s->avail_in;
	step->in_len -= in - s->avail_in;
	step->out += out - s->avail_out;
	step->out_len -= out - s->avail_out;
	if (r < 0)
		return fy_error_set(err, FY_E_CORRUPT, 0, "%s", reason(r));
	return s->block_state == ISAL_BLOCK_FINISH ? 1 : 0;
}

const struct fy_unpack_driver fy_unpack_gzip = {
	.name = "gzip",
	.is_start = gzip_is_start,
	.open = gzip_open,
	.close = free,
	.begin = gzip_begin,
	.step = gzip_step,
};
