/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The four checksums of Btrfs.  Three come from libraries.  BLAKE2b with a
 * digest of 32 bytes is computed here after RFC 7693: OpenSSL 3.0 has it with
 * 64 bytes only (another digest, not a longer one), and libb2 would bring
 * OpenMP's runtime along.
 */
#include <string.h>
#include <xxhash.h>

#include "common/bytes.h"
#include "common/hash.h"
#include "partclone/btrfs.h"

enum { CRC32C, XXHASH64, SHA256, BLAKE2 };

/* --- BLAKE2b-256 ------------------------------------------------------------- */

#define BLOCK 128

static const uint64_t iv[8] = {
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
	0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
	0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const unsigned char sigma[10][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static inline uint64_t
rotate(uint64_t v, unsigned n)
{
	return v >> n | v << (64 - n);
}

static inline void
mix(uint64_t v[16], unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x,
    uint64_t y)
{
	v[a] += v[b] + x;
	v[d] = rotate(v[d] ^ v[a], 32);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 24);
	v[a] += v[b] + y;
	v[d] = rotate(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 63);
}

/* 'done': bytes hashed, this block's included. */
static void
compress(uint64_t h[8], const unsigned char block[BLOCK], uint64_t done,
	 bool last)
{
	uint64_t v[16], m[16];
	unsigned i, r;

	for (i = 0; i < 8; i++) {
		v[i] = h[i];
		v[i + 8] = iv[i];
	}
	v[12] ^= done;
	if (last)
		v[14] = ~v[14];
	for (i = 0; i < 16; i++)
		m[i] = fy_get_le64(block + (size_t)8 * i);
	for (r = 0; r < 12; r++) {
		const unsigned char *s = sigma[r % 10];

		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (i = 0; i < 8; i++)
		h[i] ^= v[i] ^ v[i + 8];
}

static void
blake2b_256(const unsigned char *p, size_t len, unsigned char ret[32])
{
	unsigned char last[BLOCK] = { 0 };
	uint64_t h[8], done = 0;
	unsigned i;

	memcpy(h, iv, sizeof(h));
	h[0] ^= 0x01010000 ^ 32;
	while (len > BLOCK) {
		done += BLOCK;
		compress(h, p, done, false);
		p += BLOCK;
		len -= BLOCK;
	}
	memcpy(last, p, len);
	compress(h, last, done + len, true);
	for (i = 0; i < 4; i++)
		fy_put_le64(ret + (size_t)8 * i, h[i]);
}

/* --- all ----------------------------------------------------------------------- */

size_t
fy_btrfs_csum(unsigned type, const void *data, size_t len,
	      unsigned char ret[32])
{
	memset(ret, 0, 32);
	switch (type) {
	case CRC32C:
		fy_put_le32(ret, fy_crc32c(data, len));
		return 4;
	case XXHASH64:
		fy_put_le64(ret, XXH64(data, len, 0));
		return 8;
	case SHA256:
		fy_sha256(data, len, ret);
		return 32;
	case BLAKE2:
		blake2b_256(data, len, ret);
		return 32;
	default:
		return 0;
	}
}
