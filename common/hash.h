/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_HASH_H
#define FY_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/extents.h"

/* XXH3-128 in canonical (big-endian) form: the digest of convert's units. */
#define FY_DIGEST_BYTES 16
struct fy_digest {
	unsigned char bytes[FY_DIGEST_BYTES];
};

void fy_digest_xxh3(const void *data, size_t len, uint64_t seed,
		    struct fy_digest *ret);
bool fy_digest_equal(const struct fy_digest *a, const struct fy_digest *b);
/* 32 lower-case hex digits and NUL into 'ret'. */
void fy_digest_hex(const struct fy_digest *d, char ret[33]);
/* -1 when it isn't 32 hex digits. */
int fy_digest_from_hex(const char *hex, struct fy_digest *ret);

/* XXH3-128 (seed 0) over the list's (offset, length) as little-endian u64:
 * tells whether two used maps are the same. */
int fy_digest_extents(const struct fy_extents *e, struct fy_digest *ret,
		      struct fy_error *err);

/* CRC-32C (Castagnoli), the usual form: init and final inversion done. */
uint32_t fy_crc32c(const void *data, size_t len);
/* The same in pieces: 'crc' is the result over what came before (0: nothing). */
uint32_t fy_crc32c_more(uint32_t crc, const void *data, size_t len);

/* SHA-256. */
void fy_sha256(const void *data, size_t len, unsigned char ret[32]);

/* Lower-case hex of 'len' bytes and NUL into ret[2 * len + 1]. */
void fy_hex(const void *data, size_t len, char *ret);
/* 'len' bytes from hex digits of either case; -1 when it isn't 2 * len of
 * them. */
int fy_unhex(const char *hex, void *ret, size_t len);

/* 'len' random bytes from the kernel. */
int fy_random(void *ret, size_t len, struct fy_error *err);

#endif
