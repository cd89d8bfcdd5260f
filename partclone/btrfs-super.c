/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Superblocks of Btrfs.  The kernel believes the one at 64 KiB alone; copies
 * lie at 64 MiB and 256 GiB.  A copy of the same filesystem that is newer than
 * the first means that a write was cut or the first one was put back: which of
 * them will be used is then unknown.
 */
#include <inttypes.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/btrfs.h"

#define CSUM_BYTES 32

/* Flags. */
#define SEEDING		    (UINT64_C(1) << 32)
#define METADUMP	    (UINT64_C(3) << 33) /* both versions */
#define CHANGING_FSID	    (UINT64_C(3) << 35) /* both versions */
#define CHANGING_GROUP_TREE (UINT64_C(1) << 38)
#define CHANGING_CSUM	    (UINT64_C(3) << 39) /* of data, of metadata */
#define FLAGS_FINE	    UINT64_C(3)		/* written, relocating */
#define FLAG_ERROR	    UINT64_C(4)

/* Features. */
#define INCOMPAT_MIXED_BACKREF UINT64_C(1)
#define INCOMPAT_METADATA_UUID (UINT64_C(1) << 10)
#define INCOMPAT_EXTENT_V2     (UINT64_C(1) << 13)
#define INCOMPAT_STRIPE_TREE   (UINT64_C(1) << 14)
#define INCOMPAT_SIMPLE_QUOTA  (UINT64_C(1) << 16)
/* All up to RAID1C34, and simple quotas. */
#define INCOMPAT_SAFE  ((UINT64_C(1) << 12) - 1) | INCOMPAT_SIMPLE_QUOTA
#define COMPAT_RO_SAFE UINT64_C(15) /* free space tree, verity, group tree */

static const uint64_t places[] = { FY_BTRFS_SUPER_AT, 64 * FY_MIB,
				   256 * FY_GIB };

uint64_t
fy_btrfs_super_place(unsigned i)
{
	return i < sizeof(places) / sizeof(places[0]) ? places[i] : UINT64_MAX;
}

static void
decode(const unsigned char *b, struct fy_btrfs_super *s)
{
	const unsigned char *dev = b + 0xc9;

	memcpy(s->fsid, b + 0x20, 16);
	s->flags = fy_get_le64(b + 0x38);
	s->generation = fy_get_le64(b + 0x48);
	s->root = (struct fy_btrfs_ref){ fy_get_le64(b + 0x50), s->generation,
					 FY_BTRFS_ROOT_TREE, b[0xc6] };
	s->chunk_root = (struct fy_btrfs_ref){ fy_get_le64(b + 0x58),
					       fy_get_le64(b + 0xa4),
					       FY_BTRFS_CHUNK_TREE, b[0xc7] };
	s->log_root = fy_get_le64(b + 0x60);
	s->devices = fy_get_le64(b + 0x88);
	s->sector_bytes = fy_get_le32(b + 0x90);
	s->node_bytes = fy_get_le32(b + 0x94);
	s->array_bytes = fy_get_le32(b + 0xa0);
	s->compat = fy_get_le64(b + 0xac);
	s->compat_ro = fy_get_le64(b + 0xb4);
	s->incompat = fy_get_le64(b + 0xbc);
	s->csum_type = fy_get_le16(b + 0xc4);
	s->device_id = fy_get_le64(dev);
	s->device_bytes = fy_get_le64(dev + 8);
	memcpy(s->device_uuid, dev + 66, 16);
	memcpy(s->header_fsid,
	       b + ((s->incompat & INCOMPAT_METADATA_UUID) ? 0x23b : 0x20), 16);
	memcpy(s->array, b + 0x32b, sizeof(s->array));
}

static bool
is_sane(const struct fy_btrfs_super *s)
{
	return fy_is_power_of_two(s->sector_bytes) && s->sector_bytes >= 4096 &&
	       s->sector_bytes <= 65536 && fy_is_power_of_two(s->node_bytes) &&
	       s->node_bytes >= s->sector_bytes && s->node_bytes <= 65536 &&
	       s->root.level < FY_BTRFS_LEVELS &&
	       s->chunk_root.level < FY_BTRFS_LEVELS && s->devices > 0 &&
	       s->array_bytes <= sizeof(s->array);
}

/* 1, 0 when there is no superblock there or a damaged one ('why' says which),
 * -1. */
static int
read_at(struct fy_volume *v, uint64_t at, enum fy_btrfs_flags flags,
	struct fy_btrfs_super *ret, const char **why, struct fy_error *err)
{
	unsigned char b[FY_BTRFS_SUPER_BYTES], csum[32];
	size_t len;

	*why = "is not there";
	if (fy_volume_size(v) < at + sizeof(b))
		return 0;
	if (fy_volume_pread(v, b, sizeof(b), at, err) == -1)
		return -1;
	if (memcmp(b + 0x40, "_BHRfS_M", 8) != 0 || fy_get_le64(b + 0x30) != at)
		return 0;
	decode(b, ret);
	*why = "has a checksum of an unknown kind";
	len = fy_btrfs_csum(ret->csum_type, b + CSUM_BYTES,
			    sizeof(b) - CSUM_BYTES, csum);
	if (len == 0)
		return 0;
	*why = "fails its checksum";
	if (memcmp(csum, b, len) != 0 && !(flags & FY_BTRFS_IGNORE_CHECKSUMS))
		return 0;
	*why = "makes no sense";
	return is_sane(ret);
}

int
fy_btrfs_read_super(struct fy_volume *v, enum fy_btrfs_flags flags,
		    struct fy_btrfs_super *ret, struct fy_error *err)
{
	const char *why;
	int r = read_at(v, FY_BTRFS_SUPER_AT, flags, ret, &why, err);

	if (r == -1)
		return -1;
	if (r == 1)
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the superblock at 64 KiB %s (a copy can be put "
			    "in its place by 'btrfs rescue super-recover')",
			    why);
}

/* A copy that can't be read, or is no superblock, says nothing. */
static int
compare_copies(struct fy_volume *v, const struct fy_btrfs_super *s,
	       enum fy_btrfs_flags flags, struct fy_error *err)
{
	struct fy_btrfs_super copy;
	struct fy_error failure = { 0 };
	const char *why;
	unsigned i;
	int r;

	for (i = 1; fy_btrfs_super_place(i) != UINT64_MAX; i++) {
		if (fy_btrfs_super_place(i) >= s->device_bytes)
			break;
		r = read_at(v, fy_btrfs_super_place(i), flags, &copy, &why,
			    &failure);
		if (r == -1 && failure.code != FY_E_IO) {
			*err = failure;
			return -1;
		}
		fy_error_clear(&failure);
		if (r == 1 && memcmp(copy.fsid, s->fsid, 16) == 0 &&
		    copy.device_id == s->device_id &&
		    copy.generation > s->generation)
			return fy_error_set(
				err, FY_E_UNSUPPORTED, 0,
				"its superblock at %" PRIu64
				" MiB is newer than the one at 64 KiB",
				fy_btrfs_super_place(i) / FY_MIB);
	}
	return 0;
}

/* Flags and features of which there is no map, each with its reason. */
static const char *
refused_by(const struct fy_btrfs_super *s)
{
	if (s->flags & SEEDING)
		return "it is a seed for other filesystems";
	if (s->flags & METADUMP)
		return "it is a dump of metadata without its data";
	if (s->flags & (CHANGING_FSID | CHANGING_GROUP_TREE | CHANGING_CSUM))
		return "a conversion by btrfstune was not finished";
	if (s->flags & FLAG_ERROR)
		return "an error is marked in it";
	if (s->incompat & FY_BTRFS_ZONED)
		return "it is made for zones";
	if (s->incompat & INCOMPAT_STRIPE_TREE)
		return "it has a RAID stripe tree";
	if (s->incompat & INCOMPAT_EXTENT_V2)
		return "it has extent trees of version 2";
	if (!(s->incompat & INCOMPAT_MIXED_BACKREF))
		return "its extents are of the first format, before Linux "
		       "2.6.31";
	if (s->device_id == 0)
		return "it is the target of a replacement that was not "
		       "finished";
	return NULL;
}

int
fy_btrfs_judge_super(struct fy_volume *v, const struct fy_btrfs_super *s,
		     enum fy_btrfs_flags flags, struct fy_error *err)
{
	uint64_t incompat = s->incompat & ~(INCOMPAT_SAFE);
	uint64_t ro = s->compat_ro & ~COMPAT_RO_SAFE;
	const char *why = refused_by(s);

	if (why != NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0, "%s", why);
	if (incompat != 0 || ro != 0 || s->compat != 0 ||
	    (s->flags & ~FLAGS_FINE) != 0)
		return fy_error_set(
			err, FY_E_UNSUPPORTED, 0,
			"features that this program does not know "
			"(compat 0x%" PRIx64 ", incompat 0x%" PRIx64
			", ro_compat 0x%" PRIx64 ", flags 0x%" PRIx64 ")",
			s->compat, incompat, ro, s->flags & ~FLAGS_FINE);
	if (s->device_bytes > fy_volume_size(v))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "it claims to reach behind the end of its "
				    "partition");
	if (compare_copies(v, s, flags, err) == -1)
		return -1;
	if (s->log_root != 0)
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "its log waits for a replay");
	return 0;
}
