/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hostile partclone images.  The checksums of header and bitmap are put right
 * first, for nothing would get behind them else.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/ptcl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *p;
	size_t len, at;
};

static int
give(void *ctx, void *buf, size_t len, size_t *ret_len, struct fy_error *err)
{
	struct memory *m = ctx;

	(void)err;
	*ret_len = fy_min_u64(len, m->len - m->at);
	memcpy(buf, m->p + m->at, *ret_len);
	m->at += *ret_len;
	return 0;
}

static void
put_right(uint8_t *p, size_t size)
{
	struct fy_ptcl_header h;
	struct fy_error err = { 0 };
	bool big = size > 36 && p[34] == 0xc0;
	uint32_t crc;
	uint64_t n;

	if (size < FY_PTCL_HEADER_BYTES || p[33] != '2')
		return;
	crc = fy_ptcl_crc(FY_PTCL_CRC_BEGIN, p, 106);
	if (big)
		fy_put_be32(p + 106, crc);
	else
		fy_put_le32(p + 106, crc);
	if (fy_ptcl_header_parse(p, &h, &err) == -1 ||
	    h.bitmap != FY_PTCL_BITMAP_BIT)
		return;
	n = h.blocks / 8 + (h.blocks % 8 != 0);
	if (n > size - 110 || size - 110 - n < 4)
		return;
	crc = fy_ptcl_crc(FY_PTCL_CRC_BEGIN, p + 110, n);
	if (big)
		fy_put_be32(p + 110 + n, crc);
	else
		fy_put_le32(p + 110 + n, crc);
}

static int
ignore(void *ctx, uint64_t from, uint64_t to, struct fy_error *err)
{
	(void)ctx;
	(void)err;
	if (from >= to)
		abort();
	return 0;
}

static void
read_all(struct fy_ptcl_reader *r)
{
	const struct fy_ptcl_header *h = fy_ptcl_header(r);
	uint64_t offset, end = 0, total = 0;
	struct fy_error err = { 0 };
	const unsigned char *data;
	unsigned char sum = 0;
	size_t n;
	int status;

	fy_ptcl_tolerate(r, ignore, NULL);
	while ((status = fy_ptcl_next(r, &offset, &data, &n, &err)) == 1) {
		if (n == 0 || offset < end || offset > h->device_bytes ||
		    n > h->device_bytes - offset)
			abort();
		end = offset + n;
		total += n;
		sum ^= data[0] ^ data[n - 1];
	}
	if (status == 0 && total != fy_extents_bytes(fy_ptcl_used(r)))
		abort();
	(void)sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fy_ptcl_reader *r = NULL;
	struct fy_unpack *u = NULL;
	struct fy_error err = { 0 };
	uint8_t *copy = malloc(size + 1);
	struct memory m = { .p = copy, .len = size };

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	put_right(copy, size);
	if (fy_unpack_new(give, &m, "fuzz", &u, &err) == 0 &&
	    fy_ptcl_open(u, NULL, &r, &err) == 0)
		read_all(r);
	fy_ptcl_close(r);
	fy_unpack_close(u);
	free(copy);
	return 0;
}
