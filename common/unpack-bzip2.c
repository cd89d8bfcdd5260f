/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bzip2, any number of streams.
 */
#include <bzlib.h>
#include <stdlib.h>
#include <string.h>

#include "common/unpack-driver.h"

#define MOST (1u << 30)

struct state {
	bz_stream s;
	bool begun;
};

/* A block of data, or the end of a stream without any. */
static bool
bzip2_is_start(const unsigned char *p, size_t len)
{
	return len >= 10 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' &&
	       p[3] <= '9' &&
	       (memcmp(p + 4, "1AY&SY", 6) == 0 ||
		memcmp(p + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static void *
bzip2_open(struct fy_error *err)
{
	struct state *z = calloc(1, sizeof(*z));

	if (z == NULL)
		fy_error_nomem(err);
	return z;
}

static void
bzip2_close(void *state)
{
	struct state *z = state;

	if (z->begun)
		BZ2_bzDecompressEnd(&z->s);
	free(z);
}

static int
bzip2_begin(void *state, struct fy_error *err)
{
	struct state *z = state;

	if (z->begun)
		BZ2_bzDecompressEnd(&z->s);
	memset(&z->s, 0, sizeof(z->s));
	z->begun = BZ2_bzDecompressInit(&z->s, 0, 0) == BZ_OK;
	return z->begun ? 0 : fy_error_nomem(err);
}

static int
bzip2_step(void *state, struct fy_unpack_step *step, struct fy_error *err)
{
	struct state *z = state;
	unsigned in = step->in_len < MOST ? (unsigned)step->in_len : MOST;
	unsigned out = step->out_len < MOST ? (unsigned)step->out_len : MOST;
	int r;

	z->s.next_in = (char *)(uintptr_t)step->in; /* only read */
	z->s.avail_in = in;
	z->s.next_out = (char *)step->out;
	z->s.avail_out = out;
	r = BZ2_bzDecompress(&z->s);
	step->in += in - z->s.avail_in;
	step->in_len -= in - z->s.avail_in;
	step->out += out - z->s.avail_out;
	step->out_len -= out - z->s.avail_out;
	if (r == BZ_OK)
		return 0;
	if (r == BZ_STREAM_END)
		return 1;
	if (r == BZ_MEM_ERROR)
		return fy_error_nomem(err);
	return fy_error_set(err, FY_E_CORRUPT, 0, "the data is damaged");
}

const struct fy_unpack_driver fy_unpack_bzip2 = {
	.name = "bzip2",
	.is_start = bzip2_is_start,
	.open = bzip2_open,
	.close = bzip2_close,
	.begin = bzip2_begin,
	.step = bzip2_step,
};
