/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Digests and checksums by libraries: xxHash, ISA-L, OpenSSL.
 */
#include "common/hash.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "common/bytes.h"

static void
put_canonical(XXH128_hash_t h, struct fy_digest *ret)
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, h);
	memcpy(ret->bytes, c.digest, FY_DIGEST_BYTES);
}

void
fy_digest_xxh3(const void *data, size_t len, uint64_t seed,
	       struct fy_digest *ret)
{
	put_canonical(XXH3_128bits_withSeed(data, len, seed), ret);
}

bool
fy_digest_equal(const struct fy_digest *a, const struct fy_digest *b)
{
	return memcmp(a->bytes, b->bytes, FY_DIGEST_BYTES) == 0;
}

void
fy_digest_hex(const struct fy_digest *d, char ret[33])
{
	fy_hex(d->bytes, FY_DIGEST_BYTES, ret);
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
fy_unhex(const char *hex, void *ret, size_t len)
{
	unsigned char *out = ret;
	size_t i;

	if (strlen(hex) != 2 * len)
		return -1;
	for (i = 0; i < len; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

int
fy_digest_from_hex(const char *hex, struct fy_digest *ret)
{
	return fy_unhex(hex, ret->bytes, FY_DIGEST_BYTES);
}

int
fy_digest_extents(const struct fy_extents *e, struct fy_digest *ret,
		  struct fy_error *err)
{
	struct fy_extents_cursor c;
	unsigned char pair[16];
	XXH3_state_t *state;
	struct fy_extent x;
	int r;

	state = XXH3_createState();
	if (state == NULL)
		return fy_error_nomem(err);
	XXH3_128bits_reset(state);
	fy_extents_cursor_init(&c, e);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		fy_put_le64(pair, x.offset);
		fy_put_le64(pair + 8, x.length);
		XXH3_128bits_update(state, pair, sizeof(pair));
	}
	put_canonical(XXH3_128bits_digest(state), ret);
	XXH3_freeState(state);
	return r;
}

uint32_t
fy_crc32c_more(uint32_t crc, const void *data, size_t len)
{
	/* ISA-L takes a non-const pointer and an int length. */
	unsigned char *p = (unsigned char *)(uintptr_t)data;

	crc = ~crc;
	while (len > 0) {
		int n = len > INT32_MAX ? INT32_MAX : (int)len;

		crc = crc32_iscsi(p, n, crc);
		p += n;
		len -= (size_t)n;
	}
	return ~crc;
}

uint32_t
fy_crc32c(const void *data, size_t len)
{
	return fy_crc32c_more(0, data, len);
}

void
fy_sha256(const void *data, size_t len, unsigned char ret[32])
{
	SHA256(data, len, ret);
}

void
fy_hex(const void *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < len; i++) {
		ret[2 * i] = digits[p[i] >> 4];
		ret[2 * i + 1] = digits[p[i] & 15];
	}
	ret[2 * len] = '\0';
}

int
fy_random(void *ret, size_t len, struct fy_error *err)
{
	unsigned char *p = ret;
	ssize_t n;

	while (len > 0) {
		n = getrandom(p, len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "no random bytes");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
