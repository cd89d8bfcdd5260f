/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WIRE_H
#define FY_WIRE_H

/*
 * Frames of docs/protocol.md: coding and decoding of headers, and their
 * limits.  Moving the bytes is the business of client and server.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define FY_WIRE_HEADER_BYTES 32u
#define FY_WIRE_PROTOCOL     1u
#define FY_WIRE_MAX_PAYLOAD  (8u << 20)
#define FY_WIRE_MAX_UNIT     (4u << 20)
#define FY_WIRE_MAX_DISKS    64u
#define FY_WIRE_WINDOW_BYTES (256u << 20) /* raw, unacknowledged */
#define FY_WIRE_CHECK_UNITS  4096u
#define FY_WIRE_CHECK_FRAMES 16u
#define FY_WIRE_BAD_RANGES   65536u /* of a disk, in all its UNREADABLE */
#define FY_WIRE_BAD_FILES    1000u  /* of a disk */
#define FY_WIRE_BEAT_MS	     10000
#define FY_WIRE_SILENCE_MS   60000

enum fy_wire_type {
	FY_WIRE_HELLO = 1,
	FY_WIRE_WELCOME,
	FY_WIRE_JOB,
	FY_WIRE_READY,
	FY_WIRE_DURABLE,
	FY_WIRE_CHECK,
	FY_WIRE_ANSWER,
	FY_WIRE_UNIT,
	FY_WIRE_ZERO,
	FY_WIRE_ACK,
	FY_WIRE_FINISH,
	FY_WIRE_PROGRESS,
	FY_WIRE_LOG,
	FY_WIRE_DONE,
	FY_WIRE_ERROR,
	FY_WIRE_BEAT,
	FY_WIRE_UNREADABLE,
	FY_WIRE_TYPES
};

struct fy_wire_header {
	enum fy_wire_type type;
	uint8_t codec;
	uint16_t disk;
	uint32_t length; /* of the payload */
	uint32_t raw_length;
	uint64_t number;
	uint32_t payload_crc;
};

/* Code a header.  'payload' may be in two parts (UNIT: digest, data): the CRC
 * is over the one after the other; 'length' and 'payload_crc' are set from
 * them.  Both together have at most FY_WIRE_MAX_PAYLOAD bytes (the caller's
 * business; what is longer than the type's limit is refused by the peer). */
void fy_wire_encode(struct fy_wire_header *h, const void *part1, size_t len1,
		    const void *part2, size_t len2,
		    unsigned char ret[FY_WIRE_HEADER_BYTES]);

/* Decode and check a header: magic, CRC, type, length limit, and that the other
 * fields make sense for the type (codec and raw length are 0 but for UNIT, whose
 * raw length is a power of two from 64 KiB to 4 MiB and not below its data's
 * length).  FY_E_PROTOCOL; a CRC mismatch is FY_E_CORRUPT.  When the bytes look like text (a login
 * shell that prints something), the message shows them. */
int fy_wire_decode(const unsigned char bytes[FY_WIRE_HEADER_BYTES],
		   struct fy_wire_header *ret, struct fy_error *err);

/* Check the payload against the header: FY_E_CORRUPT. */
int fy_wire_check_payload(const struct fy_wire_header *h, const void *payload,
			  struct fy_error *err);

/* The payload limit of a type, and its name for messages. */
uint32_t fy_wire_limit(enum fy_wire_type type);
const char *fy_wire_name(enum fy_wire_type type);

#endif
