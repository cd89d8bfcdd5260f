/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PACK_H
#define FY_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * Writing a stream that may be compressed, by several threads.
 *
 * Each MiB becomes a gzip member, each 4 MiB a zstd frame (with its checksum)
 * of its own: gzip -d, pigz -d, zstd -d and everything that reads such files
 * take them one after the other, and a damaged one costs itself only.
 */
enum fy_packing { FY_PACK_NONE, FY_PACK_GZIP, FY_PACK_ZSTD };

struct fy_pack_options {
	enum fy_packing kind;
	int level;	  /* 0: the default.  gzip 1 to 3, zstd 1 to 22 */
	unsigned threads; /* 0: one for each processor */
};

/* "none", "gzip", "gzip:LEVEL", "zstd", "zstd:LEVEL".  FY_E_USAGE. */
int fy_pack_parse(const char *text, struct fy_pack_options *ret,
		  struct fy_error *err);

/* "", "gz", "zst": what such files' names end in. */
const char *fy_pack_suffix(enum fy_packing kind);

/* All of 'buf' is written. */
typedef int fy_pack_output(void *ctx, const void *buf, size_t len,
			   struct fy_error *err);
/* The output for a file: 'ctx' is an int *. */
int fy_pack_to_fd(void *ctx, const void *buf, size_t len, struct fy_error *err);

/* 'output' is called by the thread that writes; 'ctx' is borrowed. */
struct fy_pack;
int fy_pack_new(const struct fy_pack_options *options, fy_pack_output *output,
		void *ctx, struct fy_pack **ret, struct fy_error *err);
void fy_pack_free(struct fy_pack *p);
FY_DEFINE_AUTO(pack, struct fy_pack, fy_pack_free)

/* After an error every further call fails too. */
int fy_pack_write(struct fy_pack *p, const void *buf, size_t len,
		  struct fy_error *err);
/* All that is left goes to the output. */
int fy_pack_finish(struct fy_pack *p, struct fy_error *err);
/* Packed bytes that went to the output. */
uint64_t fy_pack_stored(const struct fy_pack *p);

#endif
