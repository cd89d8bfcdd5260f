/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: the boot sector, and the records of the MFT.
 *
 * The MFT is a file that its own first record describes, so its runs are
 * collected as they become readable: those in record 0 first, then those in the
 * extension records, which lie in what is known by then.  The first four
 * records have a copy ($MFTMirr), which serves when one of them is damaged or
 * can't be read.
 */
#include "partclone/ntfs-io.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"

#define STRIDE	    512u /* bytes that a fixup guards, whatever the sector */
#define CLUSTER_MAX (2 * FY_MIB)
#define RECORD_MIN  512u
#define MIRRORED    4u /* records, at least */

/* --- the boot sector ------------------------------------------------------------ */

/* A size that is given in clusters, or when negative as a power of two. */
static uint64_t
decode_size(unsigned char b, uint64_t cluster)
{
	if (b < 0x80)
		return b * cluster;
	return b > 256 - 32 ? UINT64_C(1) << (256 - b) : 0;
}

static uint64_t
decode_cluster(const unsigned char *b, uint64_t sector)
{
	if (b[13] <= 0x80)
		return fy_is_power_of_two(b[13]) ? b[13] * sector : 0;
	return b[13] > 256 - 32 ? sector << (256 - b[13]) : 0;
}

static int
bad_boot(const char *what, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the boot sector makes no sense (%s)", what);
}

static int
decode_boot(const unsigned char *b, struct fy_ntfs *nt, struct fy_error *err)
{
	uint64_t sector = fy_get_le16(b + 11), cluster, record;
	uint64_t sectors = fy_get_le64(b + 40);

	if (memcmp(b + 3, "NTFS    ", 8) != 0)
		return bad_boot("no name", err);
	if (sector < 256 || sector > 4096 || !fy_is_power_of_two(sector))
		return bad_boot("bytes per sector", err);
	cluster = decode_cluster(b, sector);
	if (cluster == 0 || cluster > CLUSTER_MAX)
		return bad_boot("sectors per cluster", err);
	if (!fy_is_zero(b + 14, 7) || fy_get_le16(b + 22) != 0 ||
	    fy_get_le32(b + 32) != 0)
		return bad_boot("fields of a FAT are set", err);
	record = decode_size(b[64], cluster);
	if (record < RECORD_MIN || record > FY_NTFS_RECORD_MAX ||
	    !fy_is_power_of_two(record))
		return bad_boot("size of a record", err);
	if (sectors == 0 || sectors > INT64_MAX / sector)
		return bad_boot("number of sectors", err);
	nt->sector_bytes = (uint32_t)sector;
	nt->cluster_bytes = (uint32_t)cluster;
	nt->record_bytes = (uint32_t)record;
	nt->total_bytes = sectors * sector;
	nt->clusters = nt->total_bytes / cluster;
	if (fy_get_le64(b + 48) >= nt->clusters ||
	    fy_get_le64(b + 56) >= nt->clusters)
		return bad_boot("place of the MFT", err);
	nt->mft_at = fy_get_le64(b + 48) * cluster;
	nt->mirror_at = fy_get_le64(b + 56) * cluster;
	return 0;
}

static int
read_boot(struct fy_ntfs *nt, struct fy_error *err)
{
	unsigned char boot[512];

	if (fy_volume_size(nt->volume) < sizeof(boot))
		return bad_boot("no room for it", err);
	if (fy_volume_pread(nt->volume, boot, sizeof(boot), 0, err) == -1 ||
	    decode_boot(boot, nt, err) == -1)
		return -1;
	if (nt->total_bytes > fy_volume_size(nt->volume))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "it claims to reach behind the end of its "
				    "partition");
	return 0;
}

/* --- records --------------------------------------------------------------------- */

bool
fy_ntfs_fixup(unsigned char *record, uint32_t len, const char *magic)
{
	uint32_t at = fy_get_le16(record + 4), n = fy_get_le16(record + 6);
	uint32_t i;

	if (memcmp(record, magic, 4) != 0 || len < STRIDE ||
	    len % STRIDE != 0 || n != len / STRIDE + 1 || at % 2 != 0 ||
	    at < 8 || at + 2 * n > STRIDE - 2)
		return false;
	for (i = 1; i < n; i++)
		if (memcmp(record + i * STRIDE - 2, record + at, 2) != 0)
			return false;
	for (i = 1; i < n; i++)
		memcpy(record + i * STRIDE - 2, record + at + 2 * i, 2);
	return true;
}

bool
fy_ntfs_is_record(const struct fy_ntfs *nt, const unsigned char *record,
		  uint64_t number)
{
	uint32_t used = fy_get_le32(record + 24);
	uint32_t first = fy_get_le16(record + 20);

	if (used > nt->record_bytes || used < 48 || first < 42 ||
	    first % 8 != 0 || first + 8 > used)
		return false;
	/* Since 3.1 a record tells its number. */
	return fy_get_le16(record + 4) < 48 ||
	       fy_get_le32(record + 44) == (uint32_t)number;
}

bool
fy_ntfs_is_in_use(const unsigned char *record)
{
	return (fy_get_le16(record + 22) & 1) != 0;
}

bool
fy_ntfs_is_directory(const unsigned char *record)
{
	return (fy_get_le16(record + 22) & 2) != 0;
}

uint64_t
fy_ntfs_ref_number(uint64_t ref)
{
	return ref & 0xffffffffffff;
}

uint16_t
fy_ntfs_ref_sequence(uint64_t ref)
{
	return (uint16_t)(ref >> 48);
}

uint16_t
fy_ntfs_sequence(const unsigned char *record)
{
	return fy_get_le16(record + 16);
}

uint64_t
fy_ntfs_base_of(const unsigned char *record)
{
	return fy_ntfs_ref_number(fy_get_le64(record + 32));
}

unsigned char *
fy_ntfs_record_buffer(const struct fy_ntfs *nt, struct fy_error *err)
{
	unsigned char *p = malloc(nt->record_bytes);

	if (p == NULL)
		fy_error_nomem(err);
	return p;
}

/* A record at a place on the volume.  1, 0, -1. */
static int
read_record_at(struct fy_ntfs *nt, uint64_t number, uint64_t at,
	       unsigned char *ret, struct fy_error *err)
{
	if (at > nt->total_bytes || nt->total_bytes - at < nt->record_bytes)
		return 0;
	if (fy_volume_pread(nt->volume, ret, nt->record_bytes, at, err) == -1)
		return -1;
	return fy_ntfs_fixup(ret, nt->record_bytes, "FILE") &&
	       fy_ntfs_is_record(nt, ret, number);
}

/* A record in the MFT, as far as its runs are known. */
static int
read_primary(struct fy_ntfs *nt, uint64_t number, unsigned char *ret,
	     struct fy_error *err)
{
	uint64_t at, valid;

	if (!fy_mul_u64(number, nt->record_bytes, &at))
		return 0;
	if (nt->mft.n == 0)
		return number != 0
			       ? 0
			       : read_record_at(nt, 0, nt->mft_at, ret, err);
	valid = fy_min_u64(nt->mft.size, nt->mft.initialized);
	if (at > valid || valid - at < nt->record_bytes)
		return 0;
	if (fy_ntfs_stream_read(nt, &nt->mft, at, ret, nt->record_bytes, err) ==
	    -1)
		return -1;
	return fy_ntfs_fixup(ret, nt->record_bytes, "FILE") &&
	       fy_ntfs_is_record(nt, ret, number);
}

int
fy_ntfs_read_record(struct fy_ntfs *nt, uint64_t number, unsigned char *ret,
		    struct fy_error *err)
{
	struct fy_error first = { 0 };
	uint64_t at = nt->mirror_at + number * nt->record_bytes;
	int r = read_primary(nt, number, ret, &first);

	if (r != 1 && number < MIRRORED &&
	    (r == 0 || first.code == FY_E_IO || first.code == FY_E_FORMAT)) {
		struct fy_error second = { 0 };

		if (read_record_at(nt, number, at, ret, &second) == 1 &&
		    fy_ntfs_is_in_use(ret)) {
			nt->used_mirror = true;
			return 1;
		}
	}
	if (r == -1)
		*err = first;
	return r;
}

/* --- opening ----------------------------------------------------------------------- */

static int
open_mft(struct fy_ntfs *nt, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(nt, err);
	int r;

	if (record == NULL)
		return -1;
	r = fy_ntfs_read_record(nt, FY_NTFS_MFT, record, err);
	if (r == -1)
		return -1;
	if (r == 0 || !fy_ntfs_is_in_use(record))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "neither the MFT's first record nor its "
				    "copy can be used");
	r = fy_ntfs_open_stream(nt, FY_NTFS_MFT, record, FY_NTFS_DATA, "",
				&nt->mft, err);
	if (r == -1)
		return -1;
	if (r == 0 || nt->mft.value != NULL || !nt->mft.plain)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the MFT's first record is not one");
	nt->records = fy_min_u64(fy_min_u64(nt->mft.size, nt->mft.initialized),
				 nt->total_bytes) /
		      nt->record_bytes;
	return 0;
}

int
fy_ntfs_open(struct fy_volume *v, const struct fy_stop *stop,
	     struct fy_ntfs *ret, struct fy_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->volume = v;
	ret->stop = stop;
	return read_boot(ret, err) == -1 ? -1 : open_mft(ret, err);
}

void
fy_ntfs_release(struct fy_ntfs *nt)
{
	fy_ntfs_stream_release(&nt->mft);
}
