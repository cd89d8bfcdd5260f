/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The headers of partclone's images and its checksums.
 *
 * Everything that is read here decides what is written to a disk later: a
 * header is taken only if its numbers agree with each other, and what is not
 * known is refused.
 */
#include <inttypes.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/bytes.h"
#include "partclone/ptcl.h"

#define MAGIC	     "partclone-image"
#define MAGIC_BYTES  15u
#define VERSION_AT   30u
#define ENDIAN_AT    34u
#define ENDIAN	     0xc0deu
#define OPTION_BYTES 18u /* of the part with the options */
#define CRC_AT	     106u
/* What can be counted in bytes without a sign. */
#define MOST_BYTES (UINT64_C(1) << 62)

bool
fy_ptcl_is_image(const void *p, size_t len)
{
	return len >= MAGIC_BYTES && memcmp(p, MAGIC, MAGIC_BYTES) == 0;
}

const char *
fy_ptcl_sum_name(enum fy_ptcl_sum_kind kind)
{
	switch (kind) {
	case FY_PTCL_SUM_NONE:
		return "none";
	case FY_PTCL_SUM_CRC32:
		return "crc32";
	case FY_PTCL_SUM_XXH64:
		return "xxh64";
	case FY_PTCL_SUM_XXH128:
		return "xxh128";
	}
	return "unknown";
}

unsigned
fy_ptcl_sum_bytes(enum fy_ptcl_sum_kind kind)
{
	switch (kind) {
	case FY_PTCL_SUM_NONE:
		return 0;
	case FY_PTCL_SUM_CRC32:
		return 4;
	case FY_PTCL_SUM_XXH64:
		return 8;
	case FY_PTCL_SUM_XXH128:
		return 16;
	}
	return 0;
}

/* --- numbers in the writer's byte order --------------------------------------- */

static uint16_t
get16(const unsigned char *p, bool big)
{
	return big ? fy_get_be16(p) : fy_get_le16(p);
}

static uint32_t
get32(const unsigned char *p, bool big)
{
	return big ? fy_get_be32(p) : fy_get_le32(p);
}

static uint64_t
get64(const unsigned char *p, bool big)
{
	return big ? fy_get_be64(p) : fy_get_le64(p);
}

/* --- format 2 ------------------------------------------------------------------- */

static int
check_sum(const struct fy_ptcl_header *h, unsigned size, struct fy_error *err)
{
	switch (h->sum) {
	case FY_PTCL_SUM_NONE:
	case FY_PTCL_SUM_CRC32:
	case FY_PTCL_SUM_XXH64:
	case FY_PTCL_SUM_XXH128:
		break;
	default:
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the image has checksums of an unknown "
				    "kind (0x%x)",
				    (unsigned)h->sum);
	}
	if (size != fy_ptcl_sum_bytes(h->sum))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "checksums of kind %s have %u bytes in the "
				    "header",
				    fy_ptcl_sum_name(h->sum), size);
	if (h->sum != FY_PTCL_SUM_NONE && h->strip_blocks == 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the header says that a checksum covers 0 "
				    "blocks");
	return 0;
}

static int
check_size(const struct fy_ptcl_header *h, uint32_t most, struct fy_error *err)
{
	uint64_t bytes;

	if (h->block_bytes == 0 || h->block_bytes > most)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "blocks of %" PRIu32 " bytes (there are 1 "
				    "to %" PRIu32 ")",
				    h->block_bytes, most);
	if (!fy_mul_u64(h->blocks, h->block_bytes, &bytes) ||
	    bytes > MOST_BYTES || h->device_bytes > MOST_BYTES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%" PRIu64 " blocks of %" PRIu32 " bytes "
				    "on %" PRIu64 " bytes",
				    h->blocks, h->block_bytes, h->device_bytes);
	return 0;
}

static int
check_v2(const struct fy_ptcl_header *h, struct fy_error *err)
{
	if (check_size(h, FY_PTCL_BLOCK_MAX, err) == -1)
		return -1;
	if (h->blocks * h->block_bytes > h->device_bytes)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%" PRIu64 " blocks of %" PRIu32 " bytes "
				    "are more than the device's %" PRIu64
				    " bytes",
				    h->blocks, h->block_bytes, h->device_bytes);
	if (h->used_blocks > h->blocks)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%" PRIu64 " of %" PRIu64 " blocks are "
				    "used",
				    h->used_blocks, h->blocks);
	if (h->cpu_bits != 32 && h->cpu_bits != 64)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "written by a processor of %u bits",
				    h->cpu_bits);
	if (h->bitmap != FY_PTCL_BITMAP_NONE &&
	    h->bitmap != FY_PTCL_BITMAP_BIT && h->bitmap != FY_PTCL_BITMAP_BYTE)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the image has a bitmap of an unknown kind "
				    "(%u)",
				    (unsigned)h->bitmap);
	return 0;
}

static int
check_version(const unsigned char *p, struct fy_error *err)
{
	if (!fy_ptcl_is_image(p, FY_PTCL_HEADER_BYTES))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "this is no partclone image");
	if (memcmp(p + VERSION_AT, "0002", 4) != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a partclone image of an unknown format "
				    "(there are 0001 and 0002)");
	return 0;
}

int
fy_ptcl_header_parse(const unsigned char *p, struct fy_ptcl_header *ret,
		     struct fy_error *err)
{
	struct fy_ptcl_header h = { .version = 2 };
	bool big;

	if (check_version(p, err) == -1)
		return -1;
	big = fy_get_be16(p + ENDIAN_AT) == ENDIAN;
	if (!big && fy_get_le16(p + ENDIAN_AT) != ENDIAN)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the header does not tell the byte order");
	if (get32(p + CRC_AT, big) != fy_ptcl_crc(FY_PTCL_CRC_BEGIN, p, CRC_AT))
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the header's checksum does not match");
	h.big_endian = big;
	fy_copy_field(h.creator, sizeof(h.creator), p + 16, 14);
	fy_copy_field(h.filesystem, sizeof(h.filesystem), p + 36, 16);
	h.device_bytes = get64(p + 52, big);
	h.blocks = get64(p + 60, big);
	h.used_in_super = get64(p + 68, big);
	h.used_blocks = get64(p + 76, big);
	h.block_bytes = get32(p + 84, big);
	if (get32(p + 88, big) != OPTION_BYTES || get16(p + 92, big) != 2)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the header has parts that are not known "
				    "(%" PRIu32 " bytes of options, version "
				    "%u)",
				    get32(p + 88, big), get16(p + 92, big));
	h.cpu_bits = get16(p + 94, big);
	h.sum = (enum fy_ptcl_sum_kind)get16(p + 96, big);
	h.strip_blocks = get32(p + 100, big);
	h.reseed = p[104] != 0;
	h.bitmap = (enum fy_ptcl_bitmap)p[105];
	if (check_sum(&h, get16(p + 98, big), err) == -1 ||
	    check_v2(&h, err) == -1)
		return -1;
	*ret = h;
	return 0;
}

void
fy_ptcl_header_encode(const struct fy_ptcl_header *h, unsigned char *p)
{
	memset(p, 0, FY_PTCL_HEADER_BYTES);
	memcpy(p, MAGIC, MAGIC_BYTES);
	memcpy(p + 16, h->creator, strnlen(h->creator, 14));
	memcpy(p + VERSION_AT, "0002", 4);
	fy_put_le16(p + ENDIAN_AT, ENDIAN);
	memcpy(p + 36, h->filesystem, strnlen(h->filesystem, 16));
	fy_put_le64(p + 52, h->device_bytes);
	fy_put_le64(p + 60, h->blocks);
	fy_put_le64(p + 68, h->used_in_super);
	fy_put_le64(p + 76, h->used_blocks);
	fy_put_le32(p + 84, h->block_bytes);
	fy_put_le32(p + 88, OPTION_BYTES);
	fy_put_le16(p + 92, 2);
	fy_put_le16(p + 94, 64);
	fy_put_le16(p + 96, (uint16_t)h->sum);
	fy_put_le16(p + 98, (uint16_t)fy_ptcl_sum_bytes(h->sum));
	fy_put_le32(p + 100, h->strip_blocks);
	p[104] = h->reseed;
	p[105] = (unsigned char)h->bitmap;
	fy_put_le32(p + CRC_AT, fy_ptcl_crc(FY_PTCL_CRC_BEGIN, p, CRC_AT));
}

/* --- format 1 ------------------------------------------------------------------- */

static int
parse_v1(const unsigned char *p, bool big, struct fy_ptcl_header *ret,
	 struct fy_error *err)
{
	struct fy_ptcl_header h = { .version = 1, .big_endian = big };

	fy_copy_field(h.filesystem, sizeof(h.filesystem), p + 15, 15);
	h.block_bytes = get32(p + 36, big);
	h.device_bytes = get64(p + 40, big);
	h.blocks = get64(p + 48, big);
	h.used_in_super = get64(p + 56, big);
	h.used_blocks = h.used_in_super;
	h.sum = FY_PTCL_SUM_CRC32;
	h.strip_blocks = 1;
	h.bitmap = FY_PTCL_BITMAP_BYTE;
	if (check_size(&h, FY_PTCL_V1_BLOCK_MAX, err) == -1)
		return -1;
	/* The size of the device was not always there. */
	h.device_bytes = fy_max_u64(h.device_bytes, h.blocks * h.block_bytes);
	*ret = h;
	return 0;
}

/* The header names no byte order: the one in which it makes sense. */
int
fy_ptcl_v1_header_parse(const unsigned char *p, struct fy_ptcl_header *ret,
			struct fy_error *err)
{
	struct fy_error why = { 0 };

	if (parse_v1(p, false, ret, &why) == 0)
		return 0;
	if (parse_v1(p, true, ret, err) == 0)
		return 0;
	fy_error_clear(err);
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the header (of format 0001) makes no sense: %s",
			    why.msg);
}

/* --- checksums -------------------------------------------------------------------- */

/* ISA-L's function inverts before and after. */
uint32_t
fy_ptcl_crc(uint32_t crc, const void *data, size_t len)
{
	return ~crc32_gzip_refl(~crc, data, len);
}

struct fy_ptcl_sum {
	enum fy_ptcl_sum_kind kind;
	uint32_t crc;
	XXH64_state_t *xxh64;
	XXH3_state_t *xxh3;
};

struct fy_ptcl_sum *
fy_ptcl_sum_new(enum fy_ptcl_sum_kind kind, struct fy_error *err)
{
	struct fy_ptcl_sum *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		s->kind = kind;
		if (kind == FY_PTCL_SUM_XXH64)
			s->xxh64 = XXH64_createState();
		if (kind == FY_PTCL_SUM_XXH128)
			s->xxh3 = XXH3_createState();
	}
	if (s == NULL || (kind == FY_PTCL_SUM_XXH64 && s->xxh64 == NULL) ||
	    (kind == FY_PTCL_SUM_XXH128 && s->xxh3 == NULL)) {
		free(s);
		fy_error_nomem(err);
		return NULL;
	}
	fy_ptcl_sum_begin(s);
	return s;
}

void
fy_ptcl_sum_free(struct fy_ptcl_sum *s)
{
	if (s == NULL)
		return;
	XXH64_freeState(s->xxh64);
	XXH3_freeState(s->xxh3);
	free(s);
}

void
fy_ptcl_sum_begin(struct fy_ptcl_sum *s)
{
	s->crc = FY_PTCL_CRC_BEGIN;
	if (s->xxh64 != NULL)
		XXH64_reset(s->xxh64, 0);
	if (s->xxh3 != NULL)
		XXH3_128bits_reset(s->xxh3);
}

void
fy_ptcl_sum_add(struct fy_ptcl_sum *s, const void *data, size_t len)
{
	switch (s->kind) {
	case FY_PTCL_SUM_NONE:
		break;
	case FY_PTCL_SUM_CRC32:
		s->crc = fy_ptcl_crc(s->crc, data, len);
		break;
	case FY_PTCL_SUM_XXH64:
		XXH64_update(s->xxh64, data, len);
		break;
	case FY_PTCL_SUM_XXH128:
		XXH3_128bits_update(s->xxh3, data, len);
		break;
	}
}

static void
put64(unsigned char *p, uint64_t v, bool big)
{
	if (big)
		fy_put_be64(p, v);
	else
		fy_put_le64(p, v);
}

void
fy_ptcl_sum_get(const struct fy_ptcl_sum *s, bool big, unsigned char *ret)
{
	XXH128_hash_t h;

	switch (s->kind) {
	case FY_PTCL_SUM_NONE:
		break;
	case FY_PTCL_SUM_CRC32:
		if (big)
			fy_put_be32(ret, s->crc);
		else
			fy_put_le32(ret, s->crc);
		break;
	case FY_PTCL_SUM_XXH64:
		put64(ret, XXH64_digest(s->xxh64), big);
		break;
	case FY_PTCL_SUM_XXH128:
		h = XXH3_128bits_digest(s->xxh3);
		put64(ret, h.low64, big);
		put64(ret + 8, h.high64, big);
		break;
	}
}
