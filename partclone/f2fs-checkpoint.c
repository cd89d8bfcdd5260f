/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * F2FS's superblocks and checkpoints: what is where, and which state of it
 * counts.
 *
 * There are two checkpoint packs; the valid one with the higher version counts.
 * A pack is valid when its first and its last block have right checksums and
 * the same version.  Its bitmap says which of the two copies of each block of
 * the SIT counts, and the newest entries of the SIT are in a journal in the
 * pack's summaries.
 *
 * The mark of a clean unmount stays until the first checkpoint after the next
 * mount; what was fsynced by then lies in blocks that the SIT calls free, and
 * is found by a chain of nodes that begins where the log of warm nodes goes
 * on.  So a node of this checkpoint at that place means unclean, too.
 */
#include "partclone/f2fs.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/crc32.h"

#define SUPER_BYTES 3072u
#define SUPER_CRC   3068u
#define DEVICES	    8u

#define FEATURE_ZONED	 0x0002u
#define FEATURE_SB_CRC	 0x0800u
#define FEATURES_KNOWN	 0x3fffu /* up to compression; zoned apart */
#define CP_HEADER	 192u	 /* bytes before the bitmaps */
#define CP_CRC_AT	 4092u
#define CP_CLEAN	 0x0001u
#define CP_COMPACT	 0x0004u
#define CP_ERROR	 0x0008u
#define CP_FSCK		 0x0010u
#define CP_CRC_RECOVERY	 0x0040u
#define CP_NOCRC_RECOVER 0x0200u
#define CP_LARGE_NAT	 0x0400u
/* orphans, fastboot, NAT bits, trimmed, quota to be checked */
#define CP_HARMLESS 0x09a2u
#define CP_KNOWN                                                               \
	(CP_CLEAN | CP_COMPACT | CP_ERROR | CP_FSCK | CP_CRC_RECOVERY |        \
	 CP_NOCRC_RECOVER | CP_LARGE_NAT | CP_HARMLESS)

#define SUMMARY_JOURNAL 507u  /* bytes of a journal in a summary */
#define SUMMARY_ENTRIES 3584u /* bytes before it */
#define COLD_DATA	2u
#define WARM_NODE	4u

/* --- the superblocks ------------------------------------------------------------ */

static bool
is_super(const unsigned char *b)
{
	uint32_t crc_at = fy_get_le32(b + 32);

	if (fy_get_le32(b) != FY_F2FS_MAGIC)
		return false;
	if ((fy_get_le32(b + 2180) & FEATURE_SB_CRC) == 0)
		return true;
	return crc_at == SUPER_CRC &&
	       fy_crc32_raw(FY_F2FS_MAGIC, b, SUPER_CRC) ==
		       fy_get_le32(b + SUPER_CRC);
}

/* NULL, or why this is nothing for us. */
static const char *
check_kind(const unsigned char *b)
{
	uint32_t features = fy_get_le32(b + 2180);
	unsigned i;

	if (fy_get_le32(b + 16) != 12)
		return "has blocks that are not of 4 KiB";
	if (fy_get_le32(b + 20) != 9)
		return "has segments that are not of 2 MiB";
	for (i = 0; i < DEVICES; i++)
		if (b[2201 + 68 * i] != 0)
			return "spreads over several devices";
	if ((features & FEATURE_ZONED) != 0)
		return "is one for zoned devices";
	if ((features & ~FEATURES_KNOWN) != 0)
		return "has features that are not known here";
	return NULL;
}

/* Areas touch each other, in order; false when they don't. */
static bool
decode_areas(const unsigned char *b, struct fy_f2fs_super *s)
{
	uint64_t cp_segments = fy_get_le32(b + 52);
	uint64_t sit_segments = fy_get_le32(b + 56);
	uint64_t nat_segments = fy_get_le32(b + 60);
	uint64_t ssa_segments = fy_get_le32(b + 64);
	uint64_t all = fy_get_le32(b + 48), end;

	s->blocks = fy_get_le64(b + 36);
	s->segments = fy_get_le32(b + 68);
	s->cp = fy_get_le32(b + 76);
	s->sit = fy_get_le32(b + 80);
	s->nat = fy_get_le32(b + 84);
	s->ssa = fy_get_le32(b + 88);
	s->main = fy_get_le32(b + 92);
	s->payload = fy_get_le32(b + 1664);
	end = (uint64_t)s->main + (uint64_t)s->segments * FY_F2FS_SEGMENT;
	if (s->cp < 2 || fy_get_le32(b + 72) != s->cp || cp_segments != 2 ||
	    sit_segments == 0 || sit_segments % 2 != 0 || nat_segments == 0 ||
	    nat_segments % 2 != 0 || s->segments == 0 ||
	    s->cp + cp_segments * FY_F2FS_SEGMENT != s->sit ||
	    s->sit + sit_segments * FY_F2FS_SEGMENT != s->nat ||
	    s->nat + nat_segments * FY_F2FS_SEGMENT != s->ssa ||
	    s->ssa + ssa_segments * FY_F2FS_SEGMENT != s->main ||
	    end > s->cp + all * FY_F2FS_SEGMENT || end > s->blocks ||
	    all > s->blocks / FY_F2FS_SEGMENT)
		return false;
	s->sit_blocks = (uint32_t)(sit_segments / 2 * FY_F2FS_SEGMENT);
	s->nat_blocks = (uint32_t)(nat_segments / 2 * FY_F2FS_SEGMENT);
	return s->segments <= ssa_segments * FY_F2FS_SEGMENT &&
	       s->segments <= (uint64_t)s->sit_blocks * FY_F2FS_SIT_ENTRIES &&
	       s->payload < FY_F2FS_SEGMENT - 16;
}

/* Whether both describe the same: all but names, versions and error logs. */
static bool
is_same(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a, b, 108) == 0 &&
	       fy_get_le32(a + 1664) == fy_get_le32(b + 1664) &&
	       fy_get_le32(a + 2180) == fy_get_le32(b + 2180) &&
	       memcmp(a + 2201, b + 2201, 68 * DEVICES) == 0;
}

int
fy_f2fs_read_super(struct fy_volume *v, struct fy_f2fs_super *ret,
		   struct fy_fs_result *result, struct fy_error *err)
{
	fy_autofree unsigned char *b = NULL;
	const unsigned char *first, *second;
	const char *wrong;

	memset(ret, 0, sizeof(*ret));
	if (fy_volume_size(v) < 2 * FY_F2FS_BLOCK)
		return fy_fs_whole(result, true, "F2FS's volume is cut off");
	b = malloc(2 * FY_F2FS_BLOCK);
	if (b == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(v, b, 2 * FY_F2FS_BLOCK, 0, err) == -1)
		return -1;
	first = b + 1024;
	second = first + FY_F2FS_BLOCK;
	if (!is_super(first))
		return fy_fs_whole(result, true,
				   "F2FS's first superblock is damaged");
	ret->lone = !is_super(second);
	wrong = check_kind(first);
	if (wrong != NULL)
		return fy_fs_whole(result, true, "the F2FS %s", wrong);
	if (!ret->lone && !is_same(first, second))
		return fy_fs_whole(result, true,
				   "F2FS's superblocks describe different "
				   "layouts");
	if (!decode_areas(first, ret))
		return fy_fs_whole(result, true,
				   "F2FS's superblock contradicts itself");
	if (ret->blocks > fy_volume_size(v) / FY_F2FS_BLOCK)
		return fy_fs_whole(result, true,
				   "F2FS claims to reach behind the end of its "
				   "partition");
	return 0;
}

/* --- the checkpoint packs --------------------------------------------------------- */

static int
read_block(struct fy_volume *v, uint64_t block, unsigned char *ret,
	   struct fy_error *err)
{
	return fy_volume_pread(v, ret, FY_F2FS_BLOCK, block * FY_F2FS_BLOCK,
			       err);
}

/* The checksum may stand before the bitmaps; then what follows it counts. */
static bool
is_checkpoint(const unsigned char *b)
{
	uint32_t at = fy_get_le32(b + 164), crc;

	if (at < CP_HEADER || at > CP_CRC_AT || at % 4 != 0)
		return false;
	crc = fy_crc32_raw(FY_F2FS_MAGIC, b, at);
	if (at < CP_CRC_AT)
		crc = fy_crc32_raw(crc, b + at + 4, FY_F2FS_BLOCK - at - 4);
	return crc == fy_get_le32(b + at);
}

/* The pack at 'at': its first block in 'ret'.  1, 0 (it is not valid), -1. */
static int
read_pack(struct fy_volume *v, uint32_t at, unsigned char *ret,
	  struct fy_error *err)
{
	fy_autofree unsigned char *last = malloc(FY_F2FS_BLOCK);
	uint32_t total;

	if (last == NULL)
		return fy_error_nomem(err);
	if (read_block(v, at, ret, err) == -1)
		return -1;
	total = fy_get_le32(ret + 136);
	if (!is_checkpoint(ret) || total < 2 || total > FY_F2FS_SEGMENT)
		return 0;
	if (read_block(v, (uint64_t)at + total - 1, last, err) == -1)
		return -1;
	return is_checkpoint(last) && fy_get_le64(last) == fy_get_le64(ret);
}

/* The one that counts, with its payload.  1, 0 (none), -1. */
static int
choose_pack(struct fy_volume *v, const struct fy_f2fs_super *s,
	    struct fy_f2fs_checkpoint *c, struct fy_error *err)
{
	fy_autofree unsigned char *other = malloc(FY_F2FS_BLOCK);
	uint32_t i;
	int a, b;

	c->blocks = calloc(s->payload + 1, FY_F2FS_BLOCK);
	if (other == NULL || c->blocks == NULL)
		return fy_error_nomem(err);
	a = read_pack(v, s->cp, c->blocks, err);
	b = a == -1 ? -1 : read_pack(v, s->cp + FY_F2FS_SEGMENT, other, err);
	if (b == -1)
		return -1;
	if (a == 0 && b == 0)
		return 0;
	c->lone = a != b;
	c->at = s->cp;
	/* Versions wrap around. */
	if (a == 0 || (b == 1 && (int64_t)(fy_get_le64(other) -
					   fy_get_le64(c->blocks)) > 0)) {
		c->at += FY_F2FS_SEGMENT;
		memcpy(c->blocks, other, FY_F2FS_BLOCK);
	}
	for (i = 1; i <= s->payload; i++)
		if (read_block(v, (uint64_t)c->at + i,
			       c->blocks + (size_t)i * FY_F2FS_BLOCK,
			       err) == -1)
			return -1;
	return 1;
}

/* Where in the pack the SIT's version bitmap is; false when it can't be. */
static bool
find_bitmap(const struct fy_f2fs_super *s, struct fy_f2fs_checkpoint *c)
{
	const unsigned char *b = c->blocks;
	uint64_t sit = fy_get_le32(b + 156), nat = fy_get_le32(b + 160);
	uint64_t all = ((uint64_t)s->payload + 1) * FY_F2FS_BLOCK;
	uint64_t crc_at = fy_get_le32(b + 164);

	if (sit != s->sit_blocks / 8 || nat != s->nat_blocks / 8)
		return false;
	if ((c->flags & CP_LARGE_NAT) != 0) {
		/* Both behind the checksum, the NAT's first. */
		c->sit_bitmap = b + CP_HEADER + 4 + nat;
		return crc_at == CP_HEADER && CP_HEADER + 4 + nat + sit <= all;
	}
	if (crc_at != CP_CRC_AT)
		return false;
	if (s->payload > 0) {
		c->sit_bitmap = b + FY_F2FS_BLOCK;
		return FY_F2FS_BLOCK + sit <= all;
	}
	c->sit_bitmap = b + CP_HEADER;
	return CP_HEADER + sit + nat <= CP_CRC_AT;
}

/* Data logs first: hot, warm and cold of each. */
static bool
decode_logs(const struct fy_f2fs_super *s, struct fy_f2fs_checkpoint *c)
{
	const unsigned char *b = c->blocks;
	unsigned i, k;

	for (i = 0; i < FY_F2FS_LOGS; i++) {
		struct fy_f2fs_log *log = &c->logs[i];

		k = i % 3;
		log->segment = fy_get_le32(b + (i < 3 ? 84 : 36) + 4 * k);
		log->block = fy_get_le16(b + (i < 3 ? 116 : 68) + 2 * k);
		if (log->segment >= s->segments ||
		    log->block >= FY_F2FS_SEGMENT)
			return false;
	}
	return true;
}

/* --- the journal ---------------------------------------------------------------------- */

/* Where the SIT's journal is: block of the pack and byte in it.  0: nowhere. */
static uint32_t
find_journal(const struct fy_f2fs_super *s, const struct fy_f2fs_checkpoint *c,
	     size_t *ret_byte)
{
	uint32_t total = fy_get_le32(c->blocks + 136);
	uint32_t start = fy_get_le32(c->blocks + 140);

	if (start <= s->payload || start >= total)
		return 0;
	if ((c->flags & CP_COMPACT) != 0) {
		*ret_byte = SUMMARY_JOURNAL;
		/* One to three of data, three of nodes, the last block. */
		return total - start >= 5 && total - start <= 7 ? start : 0;
	}
	*ret_byte = SUMMARY_ENTRIES;
	return total - start == FY_F2FS_LOGS + 1 ? start + COLD_DATA : 0;
}

/* 1, 0 (it makes no sense), -1. */
static int
read_journal(struct fy_volume *v, const struct fy_f2fs_super *s,
	     struct fy_f2fs_checkpoint *c, struct fy_error *err)
{
	fy_autofree unsigned char *b = malloc(FY_F2FS_BLOCK);
	const unsigned char *entry;
	size_t at = 0, i;
	uint32_t block;

	if (b == NULL)
		return fy_error_nomem(err);
	block = find_journal(s, c, &at);
	if (block == 0)
		return 0;
	if (read_block(v, (uint64_t)c->at + block, b, err) == -1)
		return -1;
	c->n_journal = fy_get_le16(b + at);
	if (c->n_journal > FY_F2FS_JOURNAL)
		return 0;
	for (i = 0; i < c->n_journal; i++) {
		entry = b + at + 2 + i * (4 + FY_F2FS_SIT_ENTRY);
		c->journal_segment[i] = fy_get_le32(entry);
		memcpy(c->journal[i], entry + 4, FY_F2FS_SIT_ENTRY);
		if (c->journal_segment[i] >= s->segments)
			return 0;
	}
	return 1;
}

/* --- clean or not ------------------------------------------------------------------------ */

/* A node that was fsynced after this checkpoint: '*ret'. */
static int
has_later_node(struct fy_volume *v, const struct fy_f2fs_super *s,
	       const struct fy_f2fs_checkpoint *c, bool *ret,
	       struct fy_error *err)
{
	const struct fy_f2fs_log *log = &c->logs[WARM_NODE];
	fy_autofree unsigned char *b = malloc(FY_F2FS_BLOCK);
	uint64_t version = fy_get_le64(c->blocks), of_node;
	uint64_t crc = fy_get_le32(c->blocks + fy_get_le32(c->blocks + 164));

	if (b == NULL)
		return fy_error_nomem(err);
	if (read_block(v,
		       s->main + (uint64_t)log->segment * FY_F2FS_SEGMENT +
			       log->block,
		       b, err) == -1)
		return -1;
	of_node = fy_get_le64(b + FY_F2FS_BLOCK - 12);
	if ((c->flags & CP_NOCRC_RECOVER) != 0)
		*ret = (version ^ of_node) << 32 == 0;
	else if ((c->flags & CP_CRC_RECOVERY) != 0)
		*ret = (version | crc << 32) == of_node;
	else
		*ret = version == of_node;
	return 0;
}

static const char *
why_unclean(uint32_t flags)
{
	if ((flags & CP_ERROR) != 0)
		return "it is marked to have errors";
	if ((flags & CP_FSCK) != 0)
		return "it is marked to need a check";
	if ((flags & CP_CLEAN) == 0)
		return "it was not unmounted";
	return NULL;
}

int
fy_f2fs_read_checkpoint(struct fy_volume *v, const struct fy_f2fs_super *s,
			struct fy_f2fs_checkpoint *ret,
			const char **ret_unclean, struct fy_fs_result *result,
			struct fy_error *err)
{
	bool later = false;
	int r;

	*ret_unclean = NULL;
	r = choose_pack(v, s, ret, err);
	if (r == 0)
		return fy_fs_whole(result, true,
				   "both checkpoints of the F2FS are damaged");
	if (r == -1)
		return -1;
	ret->flags = fy_get_le32(ret->blocks + 132);
	ret->valid_blocks = fy_get_le64(ret->blocks + 16);
	ret->free_segments = fy_get_le32(ret->blocks + 32);
	ret->valid_nodes = fy_get_le32(ret->blocks + 144);
	if ((ret->flags & ~CP_KNOWN) != 0)
		return fy_fs_whole(result, true,
				   "F2FS's checkpoint has flags that are not "
				   "known here (0x%x)",
				   ret->flags & ~CP_KNOWN);
	if (!find_bitmap(s, ret) || !decode_logs(s, ret))
		return fy_fs_whole(result, true,
				   "F2FS's checkpoint contradicts the "
				   "superblock");
	*ret_unclean = why_unclean(ret->flags);
	if (*ret_unclean != NULL)
		return 0;
	if (has_later_node(v, s, ret, &later, err) == -1)
		return -1;
	if (later) {
		*ret_unclean = "it holds what was synced after its last "
			       "checkpoint";
		return 0;
	}
	r = read_journal(v, s, ret, err);
	if (r == 0)
		fy_fs_whole(result, true,
			    "the journal in F2FS's checkpoint makes no sense");
	return r == -1 ? -1 : 0;
}
