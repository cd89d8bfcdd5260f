/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PTCL_H
#define FY_PTCL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/extents.h"
#include "common/pack.h"
#include "common/progress.h"
#include "common/stop.h"
#include "common/unpack.h"
#include "common/volume.h"

/*
 * partclone's images: a header, a bitmap with a bit (or byte) for each block,
 * and the used blocks in order with a checksum after every so many of them (a
 * strip).  docs/partclone.md has the layouts byte by byte, with their
 * source.
 *
 * Format 2 is read and written, format 1 (partclone before 0.3.0) read.  Both
 * have the byte order of the machine that wrote them; either is read, little
 * endian is written.
 */
#define FY_PTCL_HEADER_BYTES	110u
#define FY_PTCL_V1_HEADER_BYTES 4160u
#define FY_PTCL_BLOCK_MAX	(64u << 20)
#define FY_PTCL_V1_BLOCK_MAX	(16u << 20)

/* Numbers of the format. */
enum fy_ptcl_sum_kind {
	FY_PTCL_SUM_NONE = 0,
	FY_PTCL_SUM_CRC32 = 0x20,
	FY_PTCL_SUM_XXH64 = 0x30,
	FY_PTCL_SUM_XXH128 = 0x31,
};

enum fy_ptcl_bitmap {
	FY_PTCL_BITMAP_NONE = 0, /* all blocks are there */
	FY_PTCL_BITMAP_BIT = 1,
	FY_PTCL_BITMAP_BYTE = 8,
};

struct fy_ptcl_header {
	unsigned version; /* of the format: 1 or 2 */
	bool big_endian;
	unsigned cpu_bits;	/* of the writer: 32 or 64; format 1: 0 */
	char creator[15];	/* partclone's version; "" */
	char filesystem[17];	/* "EXTFS", "NTFS", "raw", ... */
	uint64_t device_bytes;	/* of the source; at least all blocks */
	uint64_t blocks;	/* that the bitmap speaks of */
	uint64_t used_in_super; /* as the filesystem counts them */
	uint64_t used_blocks;	/* as the writer counted them */
	uint32_t block_bytes;
	enum fy_ptcl_sum_kind sum;
	uint32_t strip_blocks; /* blocks for a checksum; 0 without any */
	bool reseed;	       /* each checksum starts afresh */
	enum fy_ptcl_bitmap bitmap;
};

/* Whether the first bytes (16 suffice) are a partclone image's. */
bool fy_ptcl_is_image(const void *p, size_t len);
/* "none", "crc32", "xxh64", "xxh128". */
const char *fy_ptcl_sum_name(enum fy_ptcl_sum_kind kind);
unsigned fy_ptcl_sum_bytes(enum fy_ptcl_sum_kind kind);

/* From and to the bytes on the disk.  FY_E_FORMAT, FY_E_CORRUPT (the header's
 * checksum), FY_E_UNSUPPORTED. */
int fy_ptcl_header_parse(const unsigned char *p, struct fy_ptcl_header *ret,
			 struct fy_error *err);
int fy_ptcl_v1_header_parse(const unsigned char *p, struct fy_ptcl_header *ret,
			    struct fy_error *err);
void fy_ptcl_header_encode(const struct fy_ptcl_header *h, unsigned char *ret);

/* CRC-32 as partclone has it: without the last inversion.  'crc' is what came
 * before; begin with FY_PTCL_CRC_BEGIN. */
#define FY_PTCL_CRC_BEGIN 0xffffffffu
uint32_t fy_ptcl_crc(uint32_t crc, const void *data, size_t len);

/* A running checksum. */
struct fy_ptcl_sum;
struct fy_ptcl_sum *fy_ptcl_sum_new(enum fy_ptcl_sum_kind kind,
				    struct fy_error *err);
void fy_ptcl_sum_free(struct fy_ptcl_sum *s);
void fy_ptcl_sum_begin(struct fy_ptcl_sum *s);
void fy_ptcl_sum_add(struct fy_ptcl_sum *s, const void *data, size_t len);
/* As it stands in an image; 'ret' has 16 bytes. */
void fy_ptcl_sum_get(const struct fy_ptcl_sum *s, bool big_endian,
		     unsigned char *ret);

/*
 * The bitmap of format 2 (with its checksum) as used extents in bytes, and back.
 * FY_E_CORRUPT: it is damaged; FY_E_UNSUPPORTED: a big-endian writer has lost
 * its last bits.
 */
int fy_ptcl_bitmap_read(struct fy_unpack *in, const struct fy_ptcl_header *h,
			struct fy_extents *ret, const struct fy_stop *stop,
			struct fy_error *err);
int fy_ptcl_bitmap_write(const struct fy_extents *used,
			 const struct fy_ptcl_header *h, struct fy_pack *out,
			 const struct fy_stop *stop, struct fy_error *err);
/* Format 1's. */
int fy_ptcl_v1_bitmap_read(struct fy_unpack *in, const struct fy_ptcl_header *h,
			   struct fy_extents *ret, const struct fy_stop *stop,
			   struct fy_error *err);

/* --- reading ------------------------------------------------------------------ */

/* Something that failed its checksum: at least one byte of [from, to) on the
 * volume (the used ones of it). */
typedef int fy_ptcl_damage(void *ctx, uint64_t from, uint64_t to,
			   struct fy_error *err);

struct fy_ptcl_reader;
/* Header and bitmap are read and checked.  'in' is borrowed and stands at its
 * beginning.  FY_E_FORMAT: it is no such image. */
int fy_ptcl_open(struct fy_unpack *in, const struct fy_stop *stop,
		 struct fy_ptcl_reader **ret, struct fy_error *err);
void fy_ptcl_close(struct fy_ptcl_reader *r);
FY_DEFINE_AUTO(ptcl_reader, struct fy_ptcl_reader, fy_ptcl_close)

const struct fy_ptcl_header *fy_ptcl_header(const struct fy_ptcl_reader *r);
/* The used extents, in bytes on the volume, by the bitmap. */
const struct fy_extents *fy_ptcl_used(const struct fy_ptcl_reader *r);

/* Without this the first damaged strip is FY_E_CORRUPT; with it 'damage' is
 * told and reading goes on (when it returns 0). */
void fy_ptcl_tolerate(struct fy_ptcl_reader *r, fy_ptcl_damage *damage,
		      void *ctx);

/*
 * The next piece of used data, in order.  1: '*ret_data' (the reader's, until
 * the next call) has '*ret_len' bytes for '*ret_offset'; 0: that was all, every
 * checksum was right, and nothing follows; -1.  A piece is given out before the
 * checksum behind its strip is read.
 */
int fy_ptcl_next(struct fy_ptcl_reader *r, uint64_t *ret_offset,
		 const unsigned char **ret_data, size_t *ret_len,
		 struct fy_error *err);

/* --- writing ------------------------------------------------------------------ */

/* 'used' rounded outwards to whole blocks; 'ret' is empty before. */
int fy_ptcl_round(const struct fy_extents *used, uint32_t block_bytes,
		  struct fy_extents *ret, struct fy_error *err);

/* What partclone calls a filesystem that blkid calls 'name' (NULL: nothing was
 * recognised); 'v' tells the FATs apart. */
int fy_ptcl_filesystem(struct fy_volume *v, const char *name, char ret[17],
		       struct fy_error *err);

/*
 * A whole image: header, bitmap, the 'used' blocks (whole ones) of 'v'.  'h' has
 * everything but the counts of used blocks, which are set here.  Progress is
 * counted in used bytes.
 */
int fy_ptcl_write(struct fy_volume *v, const struct fy_extents *used,
		  struct fy_ptcl_header *h, struct fy_pack *out,
		  struct fy_progress *progress, const struct fy_stop *stop,
		  struct fy_error *err);

#endif
