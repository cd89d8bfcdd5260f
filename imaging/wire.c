/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frame headers of docs/protocol.md.  One table holds each type's name and the
 * bounds of its payload; a header that passes fy_wire_decode has a length that
 * may be allocated, and fields that make sense for its type.
 */
#include "imaging/wire.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/codec.h"
#include "common/hash.h"

#define MAGIC	     "FYW1"
#define MAGIC_BYTES  4u
#define DIGEST_BYTES FY_DIGEST_BYTES
#define MIN_UNIT     (64u << 10)

struct type_rule {
	const char *name;
	uint32_t min, max; /* payload bytes */
	uint32_t step;	   /* the payload is a multiple of this */
};

static const struct type_rule rules[FY_WIRE_TYPES] = {
	[FY_WIRE_HELLO] = { "HELLO", 2, 64u << 10, 1 },
	[FY_WIRE_WELCOME] = { "WELCOME", 2, 64u << 10, 1 },
	[FY_WIRE_JOB] = { "JOB", 2, 8u << 20, 1 },
	[FY_WIRE_READY] = { "READY", 2, 1u << 20, 1 },
	[FY_WIRE_DURABLE] = { "DURABLE", 1, 1u << 20, 1 },
	[FY_WIRE_CHECK] = { "CHECK", DIGEST_BYTES,
			    FY_WIRE_CHECK_UNITS *DIGEST_BYTES, DIGEST_BYTES },
	[FY_WIRE_ANSWER] = { "ANSWER", 1, FY_WIRE_CHECK_UNITS / 8, 1 },
	[FY_WIRE_UNIT] = { "UNIT", DIGEST_BYTES + 1,
			   DIGEST_BYTES + FY_WIRE_MAX_UNIT, 1 },
	[FY_WIRE_ZERO] = { "ZERO", 8, 8, 8 },
	[FY_WIRE_ACK] = { "ACK", 16, 64u << 10, 16 },
	[FY_WIRE_FINISH] = { "FINISH", 2, 64u << 10, 1 },
	[FY_WIRE_PROGRESS] = { "PROGRESS", 2, 64u << 10, 1 },
	[FY_WIRE_LOG] = { "LOG", 2, 64u << 10, 1 },
	[FY_WIRE_DONE] = { "DONE", 2, 8u << 20, 1 },
	[FY_WIRE_ERROR] = { "ERROR", 2, 64u << 10, 1 },
	[FY_WIRE_BEAT] = { "BEAT", 0, 0, 1 },
	[FY_WIRE_UNREADABLE] = { "UNREADABLE", 2, 64u << 10, 1 },
};

void
fy_wire_encode(struct fy_wire_header *h, const void *part1, size_t len1,
	       const void *part2, size_t len2,
	       unsigned char ret[FY_WIRE_HEADER_BYTES])
{
	assert(len1 <= FY_WIRE_MAX_PAYLOAD && len2 <= FY_WIRE_MAX_PAYLOAD &&
	       len1 + len2 <= FY_WIRE_MAX_PAYLOAD);

	h->length = (uint32_t)(len1 + len2);
	h->payload_crc = fy_crc32c_more(fy_crc32c(part1, len1), part2, len2);
	memcpy(ret, MAGIC, MAGIC_BYTES);
	ret[4] = (unsigned char)h->type;
	ret[5] = h->codec;
	fy_put_le16(ret + 6, h->disk);
	fy_put_le32(ret + 8, h->length);
	fy_put_le32(ret + 12, h->raw_length);
	fy_put_le64(ret + 16, h->number);
	fy_put_le32(ret + 24, h->payload_crc);
	fy_put_le32(ret + 28, fy_crc32c(ret, 28));
}

/* Not our magic.  A login shell that greets is the usual reason, so text is
 * shown: at least three quarters of the bytes printable. */
static int
refuse_magic(const unsigned char bytes[FY_WIRE_HEADER_BYTES],
	     struct fy_error *err)
{
	char shown[FY_WIRE_HEADER_BYTES + 1], hex[2 * MAGIC_BYTES + 1];
	unsigned i, n = 0, printable = 0;

	for (i = 0; i < FY_WIRE_HEADER_BYTES; i++) {
		unsigned char c = bytes[i];
		bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
		bool visible = c > ' ' && c < 0x7f;

		printable += visible || space;
		if (space && (n == 0 || shown[n - 1] == ' '))
			continue;
		shown[n++] = visible ? (char)c : space ? ' ' : '?';
	}
	shown[n] = '\0';
	if (printable * 4 >= FY_WIRE_HEADER_BYTES * 3)
		return fy_error_set(
			err, FY_E_PROTOCOL, 0,
			"the peer sent text instead of a frame: \"%s\" (does "
			"the login shell print something?)",
			shown);
	fy_hex(bytes, MAGIC_BYTES, hex);
	return fy_error_set(err, FY_E_PROTOCOL, 0,
			    "the peer sent something that is no frame (it "
			    "begins with %s)",
			    hex);
}

/* What only UNIT has, and how its lengths belong together. */
static int
check_unit(const struct fy_wire_header *h, struct fy_error *err)
{
	uint32_t data = h->length - DIGEST_BYTES;

	if (h->codec > FY_CODEC_DEFLATE)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "UNIT frame with unknown codec %u",
				    h->codec);
	if (h->raw_length < MIN_UNIT || h->raw_length > FY_WIRE_MAX_UNIT ||
	    !fy_is_power_of_two(h->raw_length))
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "UNIT frame for a unit of %u bytes",
				    h->raw_length);
	if (h->codec == FY_CODEC_NONE ? data != h->raw_length
				      : data >= h->raw_length)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "UNIT frame with %u bytes of codec %u for "
				    "a unit of %u bytes",
				    data, h->codec, h->raw_length);
	return 0;
}

static int
check_fields(const struct fy_wire_header *h, struct fy_error *err)
{
	const struct type_rule *rule = &rules[h->type];

	if (h->length < rule->min || h->length > rule->max ||
	    h->length % rule->step != 0)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "%s frame with a payload of %u bytes "
				    "(allowed: %u to %u)",
				    rule->name, h->length, rule->min,
				    rule->max);
	if (h->disk >= FY_WIRE_MAX_DISKS)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "%s frame for disk %u", rule->name,
				    h->disk);
	if (h->type == FY_WIRE_UNIT)
		return check_unit(h, err);
	if (h->codec != 0 || h->raw_length != 0)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "%s frame with a codec or a raw length",
				    rule->name);
	return 0;
}

int
fy_wire_decode(const unsigned char bytes[FY_WIRE_HEADER_BYTES],
	       struct fy_wire_header *ret, struct fy_error *err)
{
	struct fy_wire_header h;
	unsigned type = bytes[4];

	if (memcmp(bytes, MAGIC, MAGIC_BYTES) != 0)
		return refuse_magic(bytes, err);
	if (fy_crc32c(bytes, 28) != fy_get_le32(bytes + 28))
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "a frame's header was changed on the way "
				    "(its checksum does not match)");
	if (type == 0 || type >= FY_WIRE_TYPES)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "frame of unknown type %u", type);
	h.type = (enum fy_wire_type)type;
	h.codec = bytes[5];
	h.disk = fy_get_le16(bytes + 6);
	h.length = fy_get_le32(bytes + 8);
	h.raw_length = fy_get_le32(bytes + 12);
	h.number = fy_get_le64(bytes + 16);
	h.payload_crc = fy_get_le32(bytes + 24);
	if (check_fields(&h, err) == -1)
		return -1;
	*ret = h;
	return 0;
}

int
fy_wire_check_payload(const struct fy_wire_header *h, const void *payload,
		      struct fy_error *err)
{
	if (fy_crc32c(payload, h->length) == h->payload_crc)
		return 0;
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "the payload of a %s frame was changed on the way "
			    "(its checksum does not match)",
			    fy_wire_name(h->type));
}

uint32_t
fy_wire_limit(enum fy_wire_type type)
{
	if ((unsigned)type >= FY_WIRE_TYPES)
		return 0;
	return rules[type].max;
}

const char *
fy_wire_name(enum fy_wire_type type)
{
	if ((unsigned)type >= FY_WIRE_TYPES || rules[type].name == NULL)
		return "unknown";
	return rules[type].name;
}
