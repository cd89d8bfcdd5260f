/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TESTING_H
#define FY_TESTING_H

/*
 * For unit tests: a small generator of repeatable numbers and bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/check.h"

/* xorshift64*: the same numbers in each run. */
static inline uint64_t
test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static inline void
test_fill_random(uint64_t *state, void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len > 0) {
		uint64_t r = test_random(state);
		size_t n = len < 8 ? len : 8;

		memcpy(p, &r, n);
		p += n;
		len -= n;
	}
}

/* Something that compresses, but not to nothing. */
static inline void
test_fill_text(uint64_t *state, void *buf, size_t len)
{
	static const char words[8][9] = { "server  ",	 "disk/dev",
					  "ext4 \n\n\n", "cluster,",
					  "0000000 ",	 "virtio-p",
					  "grub.cfg",	 "\1\2\3\4\0\0\0\0" };
	unsigned char *p = buf;

	while (len > 0) {
		uint64_t r = test_random(state) >> 33;
		size_t n = len < 8 ? len : 8;

		memcpy(p, words[r & 7], n);
		if ((r >> 3) % 16 == 0)
			p[0] = (unsigned char)(r >> 8);
		p += n;
		len -= n;
	}
}

#endif
