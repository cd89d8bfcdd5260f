/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_IMAGING_TESTING_H
#define FY_IMAGING_TESTING_H

/*
 * For this room's unit tests: checks that say where and what, then end the
 * test; a small generator of repeatable numbers; temporary folders.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/error.h"

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__,       \
				__LINE__, #cond);                              \
			exit(1);                                               \
		}                                                              \
	} while (0)

/* The call returns 0 (or what is true); else shows 'err'. */
#define CHECK_OK(call)                                                         \
	do {                                                                   \
		if ((call) == -1) {                                            \
			fprintf(stderr, "%s:%d: failed: %s: %s\n", __FILE__,   \
				__LINE__, #call, err.msg);                     \
			exit(1);                                               \
		}                                                              \
	} while (0)

/* 'err' holds this code, with a message; it is cleared. */
#define CHECK_ERROR(want)                                                      \
	do {                                                                   \
		if (err.code != (want) || err.msg[0] == '\0') {                \
			fprintf(stderr, "%s:%d: error is %s (%s), not %s\n",   \
				__FILE__, __LINE__, fy_error_name(err.code),   \
				err.msg, #want);                               \
			exit(1);                                               \
		}                                                              \
		fy_error_clear(&err);                                          \
	} while (0)

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
