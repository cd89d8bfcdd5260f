/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNPACK_DRIVER_H
#define FY_UNPACK_DRIVER_H

#include "common/unpack.h"

/* The largest window or dictionary, and what a decoder may take for it. */
#define FY_UNPACK_WINDOW_LOG 27u
#define FY_UNPACK_MEMORY     (UINT64_C(192) << 20)

/* Bytes that are enough for every magic number. */
#define FY_UNPACK_MAGIC 13u

struct fy_unpack_step {
	const unsigned char *in; /* moved on by what was used */
	size_t in_len;
	unsigned char *out; /* moved on by what was made */
	size_t out_len;
	bool last; /* nothing comes behind 'in' */
};

struct fy_unpack_driver {
	const char *name;
	/* Whether a member (frame, stream) begins here. */
	bool (*is_start)(const unsigned char *p, size_t len);
	void *(*open)(struct fy_error *err);
	void (*close)(void *state);
	/* A member begins (the first too). */
	int (*begin)(void *state, struct fy_error *err);
	/* Do some.  1: the member has ended and all of it was given out; 0: go
	 * on; -1: FY_E_CORRUPT with what is wrong, FY_E_UNSUPPORTED,
	 * FY_E_NOMEM. */
	int (*step)(void *state, struct fy_unpack_step *s,
		    struct fy_error *err);
};

extern const struct fy_unpack_driver fy_unpack_gzip;
extern const struct fy_unpack_driver fy_unpack_zstd;
extern const struct fy_unpack_driver fy_unpack_lz4;
extern const struct fy_unpack_driver fy_unpack_xz;
extern const struct fy_unpack_driver fy_unpack_lzip;
extern const struct fy_unpack_driver fy_unpack_bzip2;

#endif
