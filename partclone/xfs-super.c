/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XFS: the superblock.
 *
 * Layout as in the kernel's documentation of XFS's disk structures.  Nothing
 * is believed before the checksum (version 5) or a copy in another AG (version
 * 4) confirms it, and the geometry must be one that the kernel would mount.
 */
#include "partclone/xfs-super.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/hash.h"

/* Places in the superblock. */
#define SB_BLOCKSIZE	 4
#define SB_DBLOCKS	 8
#define SB_RBLOCKS	 16
#define SB_REXTENTS	 24
#define SB_UUID		 32
#define SB_LOGSTART	 48
#define SB_AGBLOCKS	 84
#define SB_AGCOUNT	 88
#define SB_LOGBLOCKS	 96
#define SB_VERSIONNUM	 100
#define SB_SECTSIZE	 102
#define SB_BLOCKLOG	 120
#define SB_SECTLOG	 121
#define SB_AGBLKLOG	 124
#define SB_INPROGRESS	 126
#define SB_FEATURES2	 200
#define SB_BAD_FEATURES2 204
#define SB_COMPAT	 208
#define SB_RO_COMPAT	 212
#define SB_INCOMPAT	 216
#define SB_LOG_INCOMPAT	 220
#define SB_CRC		 224
#define SB_META_UUID	 248
#define SB_RTSTART	 288 /* with INCOMPAT_ZONED */
#define SB_LEAST	 512 /* bytes that are always there */

/* sb_versionnum: the version, and bits. */
#define VERSION_MASK  0x000fu
#define VERSION_LOGV2 0x0400u
#define VERSION_DIRV2 0x2000u
/* Attributes, nlink, quota, alignment twice, log v2, sectors, unwritten
 * extents, directories v2, ASCII-only case, more bits.  Not: shared. */
#define VERSION_KNOWN 0xfdffu
/* Lazy counters, attr2, 32-bit projects, CRCs, types in directories. */
#define FEATURES2_KNOWN 0x038au

/* None is defined. */
#define COMPAT_KNOWN 0u
/* finobt, rmapbt, reflink, inobtcount. */
#define RO_COMPAT_RMAPBT  0x02u
#define RO_COMPAT_REFLINK 0x04u
#define RO_COMPAT_KNOWN	  0x0fu
/* ftype, sparse inodes, meta_uuid, bigtime, needsrepair, nrext64, exchrange,
 * parent pointers, metadir, zoned, zone gaps: up to Linux 6.18.  None of them
 * changes how free space of the AGs is kept. */
#define INCOMPAT_META_UUID   0x004u
#define INCOMPAT_NEEDSREPAIR 0x010u
#define INCOMPAT_ZONED	     0x200u
#define INCOMPAT_KNOWN	     0x7ffu
/* Logged extended attributes. */
#define LOG_INCOMPAT_KNOWN 1u

#define MIN_AG_BLOCKS 64u
#define MAX_AG_BYTES  FY_TIB
#define MAX_LOG_BYTES (2 * FY_GIB)

/* --- for all metadata ------------------------------------------------------- */

uint64_t
fy_xfs_place(const struct fy_xfs *fs, uint32_t ag, uint32_t block)
{
	return ((uint64_t)ag * fs->ag_blocks + block) * fs->block_bytes;
}

uint32_t
fy_xfs_ag_length(const struct fy_xfs *fs, uint32_t ag)
{
	if (ag + 1 < fs->ag_count)
		return fs->ag_blocks;
	return (uint32_t)(fs->blocks - (uint64_t)ag * fs->ag_blocks);
}

uint64_t
fy_xfs_bytes(const struct fy_xfs *fs)
{
	return fs->blocks * fs->block_bytes;
}

bool
fy_xfs_checksum_is_right(const struct fy_xfs *fs, const unsigned char *data,
			 size_t len, size_t at)
{
	static const unsigned char zeros[4];
	uint32_t crc;

	if (fs->version < 5 || fs->ignore_checksums)
		return true;
	crc = fy_crc32c_more(0, data, at);
	crc = fy_crc32c_more(crc, zeros, sizeof(zeros));
	crc = fy_crc32c_more(crc, data + at + 4, len - at - 4);
	return crc == fy_get_le32(data + at);
}

/* --- features --------------------------------------------------------------- */

static bool
check_known(const unsigned char *sb, struct fy_xfs *fs)
{
	uint32_t version = fy_get_be16(sb + SB_VERSIONNUM);
	uint32_t more = fy_get_be32(sb + SB_FEATURES2) |
			fy_get_be32(sb + SB_BAD_FEATURES2);
	uint32_t compat = 0, ro = 0, incompat = 0, log = 0;

	fs->version = version & VERSION_MASK;
	if (fs->version != 4 && fs->version != 5) {
		snprintf(fs->unknown, sizeof(fs->unknown), "version %u",
			 fs->version);
		return false;
	}
	if (!(version & VERSION_DIRV2)) {
		snprintf(fs->unknown, sizeof(fs->unknown),
			 "directories of version 1");
		return false;
	}
	if (fs->version == 5) {
		compat = fy_get_be32(sb + SB_COMPAT) & ~COMPAT_KNOWN;
		ro = fy_get_be32(sb + SB_RO_COMPAT) & ~RO_COMPAT_KNOWN;
		incompat = fy_get_be32(sb + SB_INCOMPAT) & ~INCOMPAT_KNOWN;
		log = fy_get_be32(sb + SB_LOG_INCOMPAT) & ~LOG_INCOMPAT_KNOWN;
	}
	version &= ~VERSION_KNOWN;
	more &= ~FEATURES2_KNOWN;
	if ((version | more | compat | ro | incompat | log) == 0)
		return true;
	snprintf(fs->unknown, sizeof(fs->unknown),
		 "versionnum 0x%x, features2 0x%x, compat 0x%x, ro_compat "
		 "0x%x, incompat 0x%x, log_incompat 0x%x",
		 version, more, compat, ro, incompat, log);
	return false;
}

static void
decode_features(const unsigned char *sb, struct fy_xfs *fs)
{
	uint32_t ro = 0, incompat = 0;

	if (fs->version == 5) {
		ro = fy_get_be32(sb + SB_RO_COMPAT);
		incompat = fy_get_be32(sb + SB_INCOMPAT);
	}
	fs->in_progress = sb[SB_INPROGRESS] != 0;
	fs->needs_repair = (incompat & INCOMPAT_NEEDSREPAIR) != 0;
	fs->has_rmap = (ro & RO_COMPAT_RMAPBT) != 0;
	fs->has_reflink = (ro & RO_COMPAT_REFLINK) != 0;
	fs->has_realtime = fy_get_be64(sb + SB_RBLOCKS) != 0 ||
			   fy_get_be64(sb + SB_REXTENTS) != 0 ||
			   (incompat & INCOMPAT_ZONED) != 0;
	fs->inner_realtime = (incompat & INCOMPAT_ZONED) != 0 &&
			     fy_get_be64(sb + SB_RTSTART) != 0;
	fs->log_v2 = fs->version == 5 ||
		     (fy_get_be16(sb + SB_VERSIONNUM) & VERSION_LOGV2) != 0;
	memcpy(fs->uuid,
	       sb + ((incompat & INCOMPAT_META_UUID) ? SB_META_UUID : SB_UUID),
	       sizeof(fs->uuid));
}

/* --- geometry ---------------------------------------------------------------- */

/* Whether 'size' is 2 to the power of 'log', within the bounds. */
static bool
is_size(uint32_t size, unsigned log, uint32_t least, uint32_t most)
{
	return size >= least && size <= most && log < 32 &&
	       size == UINT32_C(1) << log;
}

static bool
decode_sizes(const unsigned char *sb, struct fy_xfs *fs)
{
	fs->block_bytes = fy_get_be32(sb + SB_BLOCKSIZE);
	fs->sector_bytes = fy_get_be16(sb + SB_SECTSIZE);
	if (!is_size(fs->block_bytes, sb[SB_BLOCKLOG],
		     fs->version == 5 ? 1024 : 512, 65536) ||
	    !is_size(fs->sector_bytes, sb[SB_SECTLOG], 512, 32768) ||
	    fs->sector_bytes > fs->block_bytes)
		return false;
	fs->header_blocks =
		(4 * fs->sector_bytes + fs->block_bytes - 1) / fs->block_bytes;
	return true;
}

/* The AGs, and that the last one is no less than MIN_AG_BLOCKS long. */
static bool
decode_groups(const unsigned char *sb, struct fy_xfs *fs)
{
	unsigned shift = sb[SB_AGBLKLOG];
	uint64_t all;

	fs->blocks = fy_get_be64(sb + SB_DBLOCKS);
	fs->ag_blocks = fy_get_be32(sb + SB_AGBLOCKS);
	fs->ag_count = fy_get_be32(sb + SB_AGCOUNT);
	if (fs->ag_blocks < MIN_AG_BLOCKS || fs->ag_count == 0 ||
	    (uint64_t)fs->ag_blocks * fs->block_bytes > MAX_AG_BYTES ||
	    shift == 0 || shift > 31 || fs->ag_blocks > UINT32_C(1) << shift ||
	    fs->ag_blocks <= UINT32_C(1) << (shift - 1))
		return false;
	all = (uint64_t)fs->ag_count * fs->ag_blocks;
	return fs->blocks <= all &&
	       fs->blocks >= all - fs->ag_blocks + MIN_AG_BLOCKS;
}

/* The log: inside one AG, behind its header. */
static bool
decode_log(const unsigned char *sb, struct fy_xfs *fs)
{
	uint64_t start = fy_get_be64(sb + SB_LOGSTART);
	unsigned shift = sb[SB_AGBLKLOG];
	uint64_t ag = start >> shift;
	uint32_t length;

	fs->log_blocks = fy_get_be32(sb + SB_LOGBLOCKS);
	fs->has_log = start != 0;
	if (!fs->has_log)
		return true;
	if (ag >= fs->ag_count)
		return false;
	fs->log_ag = (uint32_t)ag;
	fs->log_block = (uint32_t)(start & ((UINT64_C(1) << shift) - 1));
	length = fy_xfs_ag_length(fs, fs->log_ag);
	return fs->log_block >= fs->header_blocks && fs->log_block < length &&
	       fs->log_blocks <= length - fs->log_block &&
	       (uint64_t)fs->log_blocks * fs->block_bytes >= 1024 &&
	       (uint64_t)fs->log_blocks * fs->block_bytes <= MAX_LOG_BYTES;
}

static int
check_size(struct fy_volume *v, const struct fy_xfs *fs, struct fy_error *err)
{
	uint64_t bytes;

	if (fy_mul_u64(fs->blocks, fs->block_bytes, &bytes) &&
	    bytes <= fy_volume_size(v))
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "it reaches behind the end of its volume (%" PRIu64
			    " blocks of %u bytes)",
			    fs->blocks, fs->block_bytes);
}

/* Read one whole sector, whose length the first bytes of it tell.  0, or -1
 * (FY_E_FORMAT: not a superblock). */
static int
read_sector(struct fy_volume *v, uint64_t at, const struct fy_xfs *fs,
	    unsigned char *buf, size_t *ret_len, struct fy_error *err)
{
	uint64_t size = fy_volume_size(v);
	struct fy_xfs seen = { 0 };

	if (at > size || size - at < SB_LEAST)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the volume is too short");
	if (fy_volume_pread(v, buf, SB_LEAST, at, err) == -1)
		return -1;
	if (memcmp(buf, "XFSB", 4) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0, "not a superblock");
	seen.version =
		fs != NULL ? fs->version
			   : fy_get_be16(buf + SB_VERSIONNUM) & VERSION_MASK;
	if (!decode_sizes(buf, &seen) || seen.sector_bytes > size - at ||
	    (fs != NULL && seen.sector_bytes != fs->sector_bytes))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the superblock contradicts itself");
	*ret_len = seen.sector_bytes;
	return fy_volume_pread(v, buf, seen.sector_bytes, at, err);
}

int
fy_xfs_read_super(struct fy_volume *v, enum fy_xfs_flags flags,
		  struct fy_xfs *ret, struct fy_error *err)
{
	fy_autofree unsigned char *sb = malloc(32768);
	size_t len = 0;

	memset(ret, 0, sizeof(*ret));
	ret->ignore_checksums = (flags & FY_XFS_IGNORE_CHECKSUMS) != 0;
	if (sb == NULL)
		return fy_error_nomem(err);
	if (read_sector(v, 0, NULL, sb, &len, err) == -1)
		return -1;
	ret->version = fy_get_be16(sb + SB_VERSIONNUM) & VERSION_MASK;
	/* Of later versions not even the checksum's place is known. */
	if (ret->version <= 5 &&
	    !fy_xfs_checksum_is_right(ret, sb, len, SB_CRC))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the superblock's checksum is wrong");
	if (!check_known(sb, ret))
		return 0;
	decode_features(sb, ret);
	if (!decode_sizes(sb, ret) || !decode_groups(sb, ret))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the superblock contradicts itself");
	if (check_size(v, ret, err) == -1)
		return -1;
	if (!decode_log(sb, ret))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the superblock tells of an impossible "
				    "log");
	return 0;
}

/* --- copies ------------------------------------------------------------------- */

static bool
has_same_geometry(const unsigned char *a, const unsigned char *b)
{
	static const struct {
		uint8_t at, len;
	} fields[] = {
		{ SB_BLOCKSIZE, 4 }, { SB_DBLOCKS, 8 },	 { SB_LOGSTART, 8 },
		{ SB_AGBLOCKS, 4 },  { SB_AGCOUNT, 4 },	 { SB_LOGBLOCKS, 4 },
		{ SB_SECTSIZE, 2 },  { SB_BLOCKLOG, 1 }, { SB_SECTLOG, 1 },
		{ SB_AGBLKLOG, 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (memcmp(a + fields[i].at, b + fields[i].at, fields[i].len) !=
		    0)
			return false;
	return true;
}

/* 1: the copy in 'ag' says the same as 'primary'; 0: there is none; -1:
 * FY_E_FORMAT when it says something else. */
static int
check_copy(struct fy_volume *v, const struct fy_xfs *fs, uint32_t ag,
	   const unsigned char *primary, unsigned char *buf,
	   struct fy_error *err)
{
	struct fy_error failure = { 0 };
	size_t len = 0;

	if (read_sector(v, fy_xfs_place(fs, ag, 0), fs, buf, &len, &failure) ==
	    -1) {
		if (failure.code == FY_E_FORMAT)
			return 0;
		*err = failure;
		return -1;
	}
	if (!fy_xfs_checksum_is_right(fs, buf, len, SB_CRC))
		return 0;
	if (has_same_geometry(primary, buf))
		return 1;
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the superblock and its copy in allocation group "
			    "%u contradict each other",
			    ag);
}

int
fy_xfs_check_copies(struct fy_volume *v, const struct fy_xfs *fs,
		    struct fy_error *err)
{
	unsigned char primary[SB_LEAST];
	fy_autofree unsigned char *buf = malloc(32768);
	int second, last;

	if (buf == NULL)
		return fy_error_nomem(err);
	if (fs->ag_count < 2)
		return 0;
	if (fy_volume_pread(v, primary, sizeof(primary), 0, err) == -1)
		return -1;
	second = check_copy(v, fs, 1, primary, buf, err);
	if (second == -1)
		return -1;
	last = check_copy(v, fs, fs->ag_count - 1, primary, buf, err);
	if (last == -1)
		return -1;
	if (fs->version >= 5 || second == 1 || last == 1)
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "no copy confirms the superblock");
}
