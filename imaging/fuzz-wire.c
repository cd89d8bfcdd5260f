/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A peer's byte stream: frame after frame as a receiver takes them, with the
 * header's checksum mended for every other input, so that the checks behind it
 * are reached.  UNIT payloads go on to the decompressors.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/codec.h"
#include "common/hash.h"
#include "imaging/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
unit(const struct fy_wire_header *h, const unsigned char *payload)
{
	fy_autofree unsigned char *raw = malloc(h->raw_length);
	FY_AUTO(decompressor) struct fy_decompressor *d = NULL;
	struct fy_error err = { 0 };

	d = fy_decompressor_new(&err);
	if (raw == NULL || d == NULL)
		return;
	if (h->number & 1)
		fy_decompressor_limit_window(d, 12);
	fy_decompress(d, (enum fy_codec)h->codec, payload + FY_DIGEST_BYTES,
		      h->length - FY_DIGEST_BYTES, raw, h->raw_length, &err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	struct fy_error err = { 0 };
	struct fy_wire_header h;
	bool mend;

	if (size == 0)
		return 0;
	mend = data[0] & 1;
	data++;
	size--;
	while (size >= sizeof(bytes)) {
		memcpy(bytes, data, sizeof(bytes));
		data += sizeof(bytes);
		size -= sizeof(bytes);
		if (mend)
			fy_put_le32(bytes + 28, fy_crc32c(bytes, 28));
		if (fy_wire_decode(bytes, &h, &err) == -1)
			return 0;
		if (h.length > fy_wire_limit(h.type))
			abort();
		if (h.length > size)
			return 0;
		if (h.type == FY_WIRE_UNIT)
			unit(&h, data);
		if (fy_wire_check_payload(&h, data, &err) == -1 && !mend)
			return 0;
		fy_error_clear(&err);
		data += h.length;
		size -= h.length;
	}
	return 0;
}
