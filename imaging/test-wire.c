/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frame headers: exact bytes, round trips of all types, every single flipped
 * bit found, lengths and fields out of bounds refused, text recognised.
 */
#include "imaging/wire.h"

#include <string.h>

#include "common/codec.h"
#include "common/hash.h"
#include "common/testing.h"

static struct fy_error err;

/* Encode with the given length without having the payload. */
static void
make(unsigned char *bytes, unsigned type, uint8_t codec, uint16_t disk,
     uint32_t length, uint32_t raw)
{
	memcpy(bytes, "FYW1", 4);
	bytes[4] = (unsigned char)type;
	bytes[5] = codec;
	fy_put_le16(bytes + 6, disk);
	fy_put_le32(bytes + 8, length);
	fy_put_le32(bytes + 12, raw);
	fy_put_le64(bytes + 16, 7);
	fy_put_le32(bytes + 24, 0x12345678);
	fy_put_le32(bytes + 28, fy_crc32c(bytes, 28));
}

static void
expect(enum fy_error_code code, unsigned type, uint8_t codec, uint16_t disk,
       uint32_t length, uint32_t raw)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	struct fy_wire_header h;

	make(bytes, type, codec, disk, length, raw);
	if (code == FY_E_NONE) {
		CHECK_OK(fy_wire_decode(bytes, &h, &err));
		CHECK(h.length == length && h.raw_length == raw);
		CHECK(h.disk == disk && h.codec == codec && h.number == 7);
		CHECK(h.payload_crc == 0x12345678);
		return;
	}
	CHECK(fy_wire_decode(bytes, &h, &err) == -1);
	CHECK_ERROR(code);
}

static void
test_exact_bytes(void)
{
	/* CRC-32C of "123456789" is e3069283 by its definition. */
	static const unsigned char want[28] = {
		'F', 'Y', 'W', '1', 9,	  0,	3, 0, 8, 0, 0, 0,
		0,   0,	  0,   0,   0x15, 0xcd, 5, 0, 0, 0, 0, 0,
	};
	struct fy_wire_header h = { .type = FY_WIRE_ZERO,
				    .disk = 3,
				    .number = 97557 };
	unsigned char got[FY_WIRE_HEADER_BYTES], payload[8] = { 0 };

	h.number = 0x5cd15;
	fy_wire_encode(&h, payload, 8, NULL, 0, got);
	CHECK(memcmp(got, want, 16) == 0);
	CHECK(fy_get_le64(got + 16) == 0x5cd15);
	CHECK(fy_get_le32(got + 24) == fy_crc32c(payload, 8));
	CHECK(fy_get_le32(got + 28) == fy_crc32c(got, 28));
	CHECK(fy_crc32c("123456789", 9) == 0xe3069283);
	CHECK(fy_crc32c_more(fy_crc32c("1234", 4), "56789", 5) == 0xe3069283);
}

static void
test_two_parts(void)
{
	struct fy_wire_header h = { .type = FY_WIRE_UNIT,
				    .codec = FY_CODEC_ZSTD,
				    .disk = 63,
				    .raw_length = 65536,
				    .number = UINT64_MAX };
	unsigned char bytes[FY_WIRE_HEADER_BYTES], payload[16 + 1000];
	struct fy_wire_header back;
	uint64_t seed = 1;

	test_fill_random(&seed, payload, sizeof(payload));
	fy_wire_encode(&h, payload, 16, payload + 16, 1000, bytes);
	CHECK(h.length == sizeof(payload));
	CHECK_OK(fy_wire_decode(bytes, &back, &err));
	CHECK(back.type == FY_WIRE_UNIT && back.codec == FY_CODEC_ZSTD);
	CHECK(back.disk == 63 && back.number == UINT64_MAX);
	CHECK(back.length == 1016 && back.raw_length == 65536);
	CHECK_OK(fy_wire_check_payload(&back, payload, &err));
	payload[500] ^= 1;
	CHECK(fy_wire_check_payload(&back, payload, &err) == -1);
	CHECK_ERROR(FY_E_CORRUPT);
}

static void
test_flipped_bits(void)
{
	struct fy_wire_header h = { .type = FY_WIRE_BEAT };
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	unsigned i;

	fy_wire_encode(&h, NULL, 0, NULL, 0, bytes);
	CHECK(fy_get_le32(bytes + 24) == 0);
	CHECK_OK(fy_wire_decode(bytes, &h, &err));
	for (i = 0; i < 8 * sizeof(bytes); i++) {
		bytes[i / 8] ^= (unsigned char)(1u << i % 8);
		CHECK(fy_wire_decode(bytes, &h, &err) == -1);
		CHECK_ERROR(i < 32 ? FY_E_PROTOCOL : FY_E_CORRUPT);
		bytes[i / 8] ^= (unsigned char)(1u << i % 8);
	}
}

static void
test_limits(void)
{
	unsigned type;

	for (type = 1; type < FY_WIRE_TYPES; type++) {
		uint32_t max = fy_wire_limit((enum fy_wire_type)type);

		CHECK(max <= FY_WIRE_MAX_PAYLOAD);
		CHECK(strcmp(fy_wire_name((enum fy_wire_type)type),
			     "unknown") != 0);
		if (type == FY_WIRE_UNIT)
			continue;
		expect(FY_E_NONE, type, 0, 0, max, 0);
		expect(FY_E_PROTOCOL, type, 0, 0, max + 1, 0);
		expect(FY_E_PROTOCOL, type, 0, 0, max + 16, 0);
		expect(FY_E_PROTOCOL, type, 0, 0, UINT32_MAX, 0);
		expect(FY_E_PROTOCOL, type, 1, 0, max, 0);
		expect(FY_E_PROTOCOL, type, 0, 0, max, 65536);
		expect(FY_E_NONE, type, 0, 63, max, 0);
		expect(FY_E_PROTOCOL, type, 0, 64, max, 0);
	}
	expect(FY_E_PROTOCOL, 0, 0, 0, 0, 0);
	expect(FY_E_PROTOCOL, FY_WIRE_TYPES, 0, 0, 0, 0);
	expect(FY_E_PROTOCOL, 255, 0, 0, 0, 0);
	expect(FY_E_PROTOCOL, FY_WIRE_HELLO, 0, 0, 0, 0);
	expect(FY_E_PROTOCOL, FY_WIRE_CHECK, 0, 0, 24, 0);
	expect(FY_E_PROTOCOL, FY_WIRE_ACK, 0, 0, 40, 0);
	CHECK(fy_wire_limit(FY_WIRE_JOB) == 8u << 20);
	CHECK(fy_wire_limit(FY_WIRE_UNIT) == 16 + (4u << 20));
	CHECK(fy_wire_limit(FY_WIRE_ANSWER) == 512);
	CHECK(fy_wire_limit(FY_WIRE_TYPES) == 0);
	CHECK(strcmp(fy_wire_name(FY_WIRE_TYPES), "unknown") == 0);
}

static void
test_units(void)
{
	const unsigned u = FY_WIRE_UNIT;

	expect(FY_E_NONE, u, 0, 0, 16 + 65536, 65536);
	expect(FY_E_NONE, u, 0, 0, 16 + (4u << 20), 4u << 20);
	expect(FY_E_NONE, u, 1, 0, 17, 65536);
	expect(FY_E_NONE, u, 2, 0, 16 + 65535, 65536);
	expect(FY_E_PROTOCOL, u, 3, 0, 17, 65536);
	expect(FY_E_PROTOCOL, u, 1, 0, 16, 65536);
	expect(FY_E_PROTOCOL, u, 1, 0, 0, 65536);
	expect(FY_E_PROTOCOL, u, 1, 0, 16 + 65536, 65536);
	expect(FY_E_PROTOCOL, u, 0, 0, 16 + 65535, 65536);
	expect(FY_E_PROTOCOL, u, 0, 0, 16 + 32768, 32768);
	expect(FY_E_PROTOCOL, u, 1, 0, 100, 65537);
	expect(FY_E_PROTOCOL, u, 1, 0, 100, 8u << 20);
	expect(FY_E_PROTOCOL, u, 1, 0, 100, 0);
	expect(FY_E_PROTOCOL, u, 0, 0, 17 + (4u << 20), 4u << 20);
}

static void
test_text(void)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES] =
		"Welcome to web01\r\n\r\nLast login:";
	struct fy_wire_header h;

	CHECK(fy_wire_decode(bytes, &h, &err) == -1);
	CHECK(strstr(err.msg, "\"Welcome to web01 Last login:") != NULL);
	CHECK_ERROR(FY_E_PROTOCOL);
	memset(bytes, 0xe0, sizeof(bytes));
	CHECK(fy_wire_decode(bytes, &h, &err) == -1);
	CHECK(strstr(err.msg, "e0e0e0e0") != NULL);
	CHECK_ERROR(FY_E_PROTOCOL);
}

int
main(void)
{
	test_exact_bytes();
	test_two_parts();
	test_flipped_bits();
	test_limits();
	test_units();
	test_text();
	return 0;
}
