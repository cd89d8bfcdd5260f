/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNPACK_H
#define FY_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * Reading a stream that may be compressed, and may lie in several files.
 *
 * The compression is told by the first bytes, never by a name: gzip (any number
 * of members, as pigz and gzip -c >> write them), zstd (any number of frames,
 * skippable ones too), xz, lz4 frames, bzip2, lzip; what is none of these is
 * plain.  All of it is checked by the checksums that it carries.  Memory is
 * bounded: a window of more than 128 MiB (zstd --long=28 and up, xz with such a
 * dictionary) is refused.
 *
 * What ends early, is damaged, or is followed by bytes that are no further
 * member, is FY_E_CORRUPT with the place in the packed and the unpacked bytes.
 * lzop, lrzip and the old lz4 format are FY_E_UNSUPPORTED by name.
 *
 * Threads: one at a time.
 */
struct fy_unpack;

/* 'len' bytes at most into 'buf': '*ret_len' 0 is the end. */
typedef int fy_unpack_input(void *ctx, void *buf, size_t len, size_t *ret_len,
			    struct fy_error *err);

/*
 * A file, or "-" for standard input.  NAME.aa (NAME.aaa ...) is the first of
 * the pieces that split(1) makes, and so is NAME when only NAME.aa is there:
 * all of them are one stream.  One that is missing between others is
 * FY_E_NOTFOUND.
 */
int fy_unpack_open(const char *path, struct fy_unpack **ret,
		   struct fy_error *err);

/* What 'input' yields; 'ctx' is borrowed.  'name' is for messages. */
int fy_unpack_new(fy_unpack_input *input, void *ctx, const char *name,
		  struct fy_unpack **ret, struct fy_error *err);

void fy_unpack_close(struct fy_unpack *u);
FY_DEFINE_AUTO(unpack, struct fy_unpack, fy_unpack_close)

/* Fill 'buf'; '*ret_len' is less than 'len' only at the end. */
int fy_unpack_read(struct fy_unpack *u, void *buf, size_t len, size_t *ret_len,
		   struct fy_error *err);

/* The same, and the end before 'len' bytes is FY_E_CORRUPT; 'what' is what is
 * being read ("the bitmap"). */
int fy_unpack_read_full(struct fy_unpack *u, void *buf, size_t len,
			const char *what, struct fy_error *err);

/* "gzip", "zstd", ..., "none". */
const char *fy_unpack_kind(const struct fy_unpack *u);
const char *fy_unpack_name(const struct fy_unpack *u);
uint64_t fy_unpack_bytes(const struct fy_unpack *u);  /* given out so far */
uint64_t fy_unpack_packed(const struct fy_unpack *u); /* used so far */
uint64_t fy_unpack_packed_total(const struct fy_unpack *u); /* 0: unknown */

#endif
