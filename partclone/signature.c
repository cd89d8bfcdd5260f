/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of signatures, and the search through it.
 *
 * Nearly all lie in a volume's first 132 KiB, which are read once; the rest is
 * looked up one by one, from the start or from the end.  ext, FAT and swap are
 * missing here: their drivers look closer.
 */
#include "partclone/signature.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define HEAD_BYTES (132 * 1024)

struct fy_view {
	struct fy_volume *volume;
	uint64_t size;
	size_t head_len;
	unsigned char *head;
};

int
fy_view_read(struct fy_view *view, uint64_t at, void *ret, size_t len,
	     struct fy_error *err)
{
	uint64_t end;

	if (!fy_add_u64(at, len, &end) || end > view->size)
		return 0;
	if (end <= view->head_len) {
		memcpy(ret, view->head + at, len);
		return 1;
	}
	return fy_volume_pread(view->volume, ret, len, at, err) == -1 ? -1 : 1;
}

uint64_t
fy_view_size(const struct fy_view *view)
{
	return view->size;
}

/* Where the head can't be read as a whole, each place is read by itself. */
static int
view_open(struct fy_view *view, struct fy_volume *v, struct fy_error *err)
{
	struct fy_error why = { 0 };

	view->volume = v;
	view->size = fy_volume_size(v);
	view->head_len = (size_t)fy_min_u64(view->size, HEAD_BYTES);
	view->head = malloc(view->head_len + 1);
	if (view->head == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(v, view->head, view->head_len, 0, &why) == 0)
		return 0;
	view->head_len = 0;
	if (why.code == FY_E_IO)
		return 0;
	*err = why;
	return -1;
}

/* --- places that must be computed ----------------------------------------- */

static bool
is_md_1(const unsigned char *sb, uint64_t at)
{
	return fy_get_le32(sb) == 0xa92b4efc && fy_get_le32(sb + 4) == 1 &&
	       fy_get_le64(sb + 144) == at / 512;
}

/* md 1.1 at the start, 1.2 4 KiB behind it, 1.0 near the end, 0.90 in the last
 * aligned 64 KiB (in either byte order). */
static int
find_md(struct fy_view *view, uint64_t *ret, struct fy_error *err)
{
	uint64_t places[3] = { 0, 4096, 0 };
	unsigned char sb[256];
	size_t i;
	int r;

	if (view->size >= 12 * 1024)
		places[2] = (view->size / 512 - 16) / 8 * 8 * 512;
	for (i = 0; i < 3; i++) {
		r = fy_view_read(view, places[i], sb, sizeof(sb), err);
		if (r == -1)
			return -1;
		*ret = places[i];
		if (r == 1 && is_md_1(sb, places[i]))
			return 1;
	}
	if (view->size < 128 * 1024)
		return 0;
	*ret = fy_align_down(view->size, 65536) - 65536;
	r = fy_view_read(view, *ret, sb, sizeof(sb), err);
	if (r != 1)
		return r;
	return (fy_get_le32(sb) == 0xa92b4efc && fy_get_le32(sb + 4) == 0) ||
	       (fy_get_be32(sb) == 0xa92b4efc && fy_get_be32(sb + 4) == 0);
}

static int
find_lvm2(struct fy_view *view, uint64_t *ret, struct fy_error *err)
{
	unsigned char sector[32];
	uint64_t i;
	int r;

	for (i = 0; i < 4; i++) {
		r = fy_view_read(view, i * 512, sector, sizeof(sector), err);
		if (r != 1)
			return r;
		*ret = i * 512;
		if (memcmp(sector, "LABELONE", 8) == 0 &&
		    memcmp(sector + 24, "LVM2 001", 8) == 0)
			return 1;
	}
	return 0;
}

/* An uberblock in the first or the last of the four labels. */
static int
find_zfs(struct fy_view *view, uint64_t *ret, struct fy_error *err)
{
	enum { RING = 128 * 1024 };
	uint64_t end = fy_align_down(view->size, 2 * RING);
	fy_autofree unsigned char *ring = NULL;
	uint64_t at[2] = { RING, end - RING };
	size_t i, k;
	int r;

	if (end < FY_MIB)
		return 0;
	ring = malloc(RING);
	if (ring == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < 2; i++) {
		r = fy_view_read(view, at[i], ring, RING, err);
		if (r != 1)
			return r;
		for (k = 0; k < RING; k += 1024) {
			*ret = at[i] + k;
			if (fy_get_le64(ring + k) == 0x00bab10c ||
			    fy_get_be64(ring + k) == 0x00bab10c)
				return 1;
		}
	}
	return 0;
}

static int
find_drbd(struct fy_view *view, uint64_t *ret, struct fy_error *err)
{
	unsigned char magic[4];
	uint32_t m;
	int r;

	if (view->size < 8192)
		return 0;
	*ret = fy_align_down(view->size, 4096) - 4096 + 60;
	r = fy_view_read(view, *ret, magic, sizeof(magic), err);
	if (r != 1)
		return r;
	m = fy_get_be32(magic);
	return m == 0x8374026a || m == 0x8374026b || m == 0x8374026c ||
	       m == 0x8374026d;
}

static int
find_minix(struct fy_view *view, uint64_t *ret, struct fy_error *err)
{
	unsigned char sb[32];
	uint16_t m;
	int r;

	r = fy_view_read(view, 1024, sb, sizeof(sb), err);
	if (r != 1)
		return r;
	*ret = 1024 + 16;
	m = fy_get_le16(sb + 16);
	if (m == 0x137f || m == 0x138f || m == 0x2468 || m == 0x2478)
		return 1;
	m = fy_get_be16(sb + 16);
	if (m == 0x137f || m == 0x138f || m == 0x2468 || m == 0x2478)
		return 1;
	*ret = 1024 + 24;
	return fy_get_le16(sb + 24) == 0x4d5a || fy_get_be16(sb + 24) == 0x4d5a;
}

static int
find_ufs(struct fy_view *view, uint64_t *ret, struct fy_error *err)
{
	static const uint32_t places[] = { 0, 8192, 65536, 262144 };
	unsigned char magic[4];
	size_t i;
	uint32_t le, be;
	int r;

	for (i = 0; i < 4; i++) {
		*ret = places[i] + 1372;
		r = fy_view_read(view, *ret, magic, sizeof(magic), err);
		if (r != 1)
			return r;
		le = fy_get_le32(magic);
		be = fy_get_be32(magic);
		if (le == 0x00011954 || le == 0x19540119 || be == 0x00011954 ||
		    be == 0x19540119)
			return 1;
	}
	return 0;
}

/* --- the table -------------------------------------------------------------- */

#define FS     FY_SIGNATURE_FILESYSTEM
#define WEAK   FY_SIGNATURE_WEAK
#define MEMBER FY_SIGNATURE_MEMBER
#define TABLE  FY_SIGNATURE_TABLE
#define COPY   FY_SIGNATURE_COPY

#define AT(name_, class_, at_, magic_, details_)                               \
	{                                                                      \
		.name = name_, .class = class_, .at = at_, .magic = magic_,    \
		.magic_len = sizeof(magic_) - 1, .details = details_           \
	}
#define FIND(name_, class_, find_, details_)                                   \
	{                                                                      \
		.name = name_, .class = class_, .find = find_,                 \
		.details = details_                                            \
	}

static const struct fy_signature table[] = {
	FIND("linux_raid_member", MEMBER, find_md, fy_details_md),
	AT("ddf_raid_member", MEMBER, -512, "\xde\x11\xde\x11", NULL),
	AT("ddf_raid_member", MEMBER, -257 * 512, "\xde\x11\xde\x11", NULL),
	AT("isw_raid_member", MEMBER, -1024, "Intel Raid ISM Cfg Sig. ", NULL),
	AT("lsi_mega_raid_member", MEMBER, -512, "$XIDE$", NULL),
	AT("nvidia_raid_member", MEMBER, -1024, "NVIDIA", NULL),
	AT("promise_fasttrack_raid_member", MEMBER, -63 * 512,
	   "Promise Technology, Inc.", NULL),
	AT("hpt37x_raid_member", MEMBER, 4608 + 32, "\xf0\x16\x78\x5a", NULL),
	AT("hpt45x_raid_member", MEMBER, -11 * 512, "\xf0\x16\x78\x5a", NULL),
	AT("LVM1_member", MEMBER, 0, "HM\1\0", NULL),
	AT("LVM1_member", MEMBER, 0, "HM\2\0", NULL),
	FIND("LVM2_member", MEMBER, find_lvm2, fy_details_lvm2),
	AT("crypto_LUKS", MEMBER, 0, "LUKS\xba\xbe", fy_details_luks),
	AT("crypto_LUKS", COPY, 16384, "SKUL\xba\xbe", NULL),
	AT("BitLocker", MEMBER, 3, "-FVE-FS-", NULL),
	AT("BitLocker", MEMBER, 0x1a8,
	   "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01",
	   NULL),
	AT("LDM_member", MEMBER, 3072, "PRIVHEAD", NULL),
	AT("LDM_member", MEMBER, -512, "PRIVHEAD", NULL),
	AT("bcache", MEMBER, 4096 + 24,
	   "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
	   NULL),
	AT("bcachefs", FS, 4096 + 24,
	   "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
	   NULL),
	FIND("drbd", MEMBER, find_drbd, NULL),
	FIND("zfs_member", MEMBER, find_zfs, NULL),
	AT("VMFS_volume_member", MEMBER, 0x100000, "\x0d\xd0\x01\xc0", NULL),
	AT("VMFS", FS, 0x200000, "\x5e\xf1\xab\x2f", NULL),
	AT("ceph_bluestore", MEMBER, 0, "bluestore block device", NULL),
	AT("stratis", MEMBER, 512 + 4, "!Stra0tis\x86\xff\x02^\x41rh", NULL),
	AT("stratis", MEMBER, 9 * 512 + 4, "!Stra0tis\x86\xff\x02^\x41rh",
	   NULL),
	AT("vdo", MEMBER, 0, "dmvdo001", NULL),
	AT("DM_snapshot_cow", MEMBER, 0, "SnAp", NULL),
	AT("DM_verity_hash", MEMBER, 0, "verity\0\0", NULL),
	AT("jbd", MEMBER, 0, "\xc0\x3b\x39\x98", NULL),

	AT("xfs", FS, 0, "XFSB", fy_details_xfs),
	AT("xfs_external_log", MEMBER, 0, "\xfe\xed\xba\xbe", NULL),
	AT("btrfs", FS, 65536 + 64, "_BHRfS_M", fy_details_btrfs),
	AT("btrfs", COPY, 64 * 1024 * 1024 + 64, "_BHRfS_M", NULL),
	AT("ntfs", FS, 3, "NTFS    ", fy_details_ntfs),
	AT("exfat", FS, 3, "EXFAT   ", fy_details_exfat),
	AT("ReFS", FS, 0, "\0\0\0ReFS\0", NULL),
	AT("f2fs", FS, 1024, "\x10\x20\xf5\xf2", fy_details_f2fs),
	AT("iso9660", FS, 32769, "CD001", fy_details_iso9660),
	AT("udf", FS, 32769, "BEA01", NULL),
	AT("udf", FS, 32769, "NSR02", NULL),
	AT("udf", FS, 32769, "NSR03", NULL),
	AT("udf", FS, 34817, "BEA01", NULL),
	AT("udf", FS, 36865, "BEA01", NULL),
	AT("hfsplus", FS, 1024, "H+\0\4", NULL),
	AT("hfsplus", FS, 1024, "HX\0\5", NULL),
	AT("hfs", WEAK, 1024, "BD", NULL),
	AT("jfs", FS, 32768, "JFS1", fy_details_jfs),
	AT("reiserfs", FS, 65536 + 52, "ReIsErFs", fy_details_reiserfs),
	AT("reiserfs", FS, 65536 + 52, "ReIsEr2Fs", fy_details_reiserfs),
	AT("reiserfs", FS, 65536 + 52, "ReIsEr3Fs", fy_details_reiserfs),
	AT("reiserfs", FS, 8192 + 52, "ReIsErFs", fy_details_reiserfs),
	AT("reiser4", FS, 65536, "ReIsEr4", NULL),
	AT("nilfs2", WEAK, 1024 + 6, "\x34\x34", fy_details_nilfs2),
	AT("apfs", FS, 32, "NXSB", fy_details_apfs),
	AT("squashfs", FS, 0, "hsqs", NULL),
	AT("squashfs", FS, 0, "sqsh", NULL),
	AT("erofs", FS, 1024, "\xe2\xe1\xf5\xe0", NULL),
	AT("cramfs", FS, 0, "\x45\x3d\xcd\x28", NULL),
	AT("romfs", FS, 0, "-rom1fs-", NULL),
	AT("gfs2", FS, 65536, "\x01\x16\x19\x70", NULL),
	AT("ocfs2", FS, 1024, "OCFSV2", NULL),
	AT("ocfs2", FS, 2048, "OCFSV2", NULL),
	AT("ocfs2", FS, 4096, "OCFSV2", NULL),
	AT("hpfs", FS, 8192, "\x49\xe8\x95\xf9", NULL),
	AT("vxfs", FS, 1024, "\xf5\xfc\x01\xa5", NULL),
	AT("befs", FS, 32, "1SFB", NULL),
	AT("befs", FS, 512 + 32, "1SFB", NULL),
	AT("bfs", WEAK, 0, "\xce\xfa\xad\x1b", NULL),
	AT("zonefs", FS, 0, "SFOZ", NULL),
	FIND("ufs", FS, find_ufs, fy_details_ufs),
	FIND("minix", WEAK, find_minix, NULL),

	AT("mac", TABLE, 512, "PM\0\0", NULL),
	AT("sun", TABLE, 508, "\xda\xbe", NULL),
	AT("sgi", TABLE, 0, "\x0b\xe5\xa9\x41", NULL),
	AT("bsd", TABLE, 512, "\x57\x45\x56\x82", NULL),
	AT("bsd", TABLE, 64, "\x57\x45\x56\x82", NULL),
};

/* 1 with '*ret' the place, 0, -1. */
static int
match(struct fy_view *view, const struct fy_signature *s, uint64_t *ret,
      struct fy_error *err)
{
	unsigned char found[32];
	uint64_t back;
	int r;

	if (s->find != NULL)
		return s->find(view, ret, err);
	if (s->at >= 0) {
		*ret = (uint64_t)s->at;
	} else {
		back = (uint64_t)-s->at;
		if (view->size < back)
			return 0;
		*ret = fy_align_down(view->size, 512) - back;
		if (view->size % 512 != 0 && view->size < back + 512)
			return 0;
	}
	r = fy_view_read(view, *ret, found, s->magic_len, err);
	if (r != 1)
		return r;
	return memcmp(found, s->magic, s->magic_len) == 0;
}

int
fy_signatures_find(struct fy_volume *v,
		   struct fy_signature_hit ret[FY_SIGNATURE_HITS],
		   size_t *ret_n, struct fy_error *err)
{
	struct fy_view view;
	fy_autofree unsigned char *head = NULL;
	size_t i, n = 0;
	uint64_t at;
	int r;

	r = view_open(&view, v, err);
	head = view.head;
	if (r == -1)
		return -1;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		r = match(&view, &table[i], &at, err);
		if (r == -1)
			return -1;
		if (r == 1 && n < FY_SIGNATURE_HITS)
			ret[n++] = (struct fy_signature_hit){ &table[i], at };
	}
	*ret_n = n;
	return 0;
}

int
fy_signature_details(struct fy_volume *v, const struct fy_signature_hit *hit,
		     struct fy_fs_info *ret, struct fy_error *err)
{
	struct fy_view view = { .volume = v, .size = fy_volume_size(v) };

	if (hit->signature->details == NULL)
		return 0;
	return hit->signature->details(&view, hit->at, ret, err);
}
