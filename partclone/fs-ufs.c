/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * UFS1 and UFS2 (FFS) of the BSDs, in either byte order: each cylinder group
 * has a map of its free fragments.
 *
 * Used whatever the maps say: what lies before the first group's data, in each
 * group the copy of the superblock, the group's descriptor and the inodes, and
 * the summaries.  A group whose descriptor contradicts the superblock or its
 * own counts is used whole.
 *
 * Unclean is all that does not have exactly the mark "clean": NetBSD and
 * OpenBSD have a second one for "was clean when it was mounted".  What keeps a
 * journal behind the filesystem is used up to the volume's end; under GEOM's
 * journal, or with Sun's fields, all is used.  Format: ffs/fs.h of the BSDs.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "partclone/block-map.h"

#define SUPER_BYTES   1376u
#define MAGIC_1	      0x00011954u
#define MAGIC_2	      0x19540119u
#define GROUP_MAGIC   0x00090255u
#define GROUP_HEAD    168u
#define MAX_BLOCK     65536u
#define MIN_BLOCK     4096u
#define FORMAT_44     2 /* of the inodes; Sun has a spare there */
#define CLEAN	      1
#define FLAGS_MOVED   0x80u /* in the old flags: there are new ones */
#define FLAG_UNCLEAN  0x0001u
#define FLAG_FSCK     0x0004u
#define FLAG_GJOURNAL 0x0040u
#define FLAG_WAPBL    0x0100u /* of NetBSD; in FreeBSD it is about ACLs */
/* soft updates and their journal, ACLs, labels, check-hashes, TRIM */
#define FLAGS_KNOWN 0x07bfu

struct ufs {
	struct fy_volume *volume;
	unsigned char super[SUPER_BYTES];
	bool big, second; /* byte order; UFS2 */
	uint32_t block_bytes, fragment_bytes, per_block, flags;
	uint32_t groups, group_bytes; /* of a group's descriptor */
	uint64_t per_group;	      /* fragments */
	uint64_t super_at, group_at, inodes_at, data_at;
	uint64_t fragments;    /* of the filesystem */
	uint32_t offset, mask; /* where in a group of UFS1 its own begin */
	struct fy_block_map *map;
	uint64_t damaged; /* groups */
};

/* --- the superblock ------------------------------------------------------------ */

static uint32_t
get32(const struct ufs *u, const unsigned char *p)
{
	return u->big ? fy_get_be32(p) : fy_get_le32(p);
}

static uint64_t
get64(const struct ufs *u, const unsigned char *p)
{
	return u->big ? fy_get_be64(p) : fy_get_le64(p);
}

/* Whether it is a superblock, and not another one's copy: UFS2 says where it
 * is, and UFS1 has it in one of two places only. */
static bool
is_super(struct ufs *u, const unsigned char *b, uint64_t at)
{
	uint32_t le = fy_get_le32(b + 1372), be = fy_get_be32(b + 1372);

	u->big = be == MAGIC_1 || be == MAGIC_2;
	u->second = le == MAGIC_2 || be == MAGIC_2;
	if (!u->big && le != MAGIC_1 && le != MAGIC_2)
		return false;
	return u->second ? get64(u, b + 1000) == at : at <= 8192;
}

/* How many there are (of two, which is the right one?), or -1. */
static int
find_super(struct ufs *u, struct fy_error *err)
{
	static const uint32_t places[] = { 65536, 8192, 0, 262144 };
	struct ufs found = *u;
	size_t i;
	int n = 0;

	for (i = 0; i < 4; i++) {
		if (places[i] + SUPER_BYTES > fy_volume_size(u->volume))
			continue;
		if (fy_volume_pread(u->volume, found.super, SUPER_BYTES,
				    places[i], err) == -1)
			return -1;
		if (is_super(&found, found.super, places[i]) && n++ == 0)
			*u = found;
	}
	return n;
}

static bool
has_block_sizes(struct ufs *u)
{
	const unsigned char *b = u->super;

	u->block_bytes = get32(u, b + 48);
	u->fragment_bytes = get32(u, b + 52);
	u->per_block = get32(u, b + 56);
	return u->block_bytes >= MIN_BLOCK && u->block_bytes <= MAX_BLOCK &&
	       fy_is_power_of_two(u->block_bytes) && u->fragment_bytes >= 512 &&
	       fy_is_power_of_two(u->fragment_bytes) && u->per_block >= 1 &&
	       u->per_block <= 8 &&
	       u->block_bytes == u->fragment_bytes * u->per_block;
}

/* Sizes and places in fragments.  All fit: 31 bits each, and the volume's. */
static bool
has_groups(struct ufs *u)
{
	const unsigned char *b = u->super;
	uint64_t limit = fy_volume_size(u->volume) / u->fragment_bytes;

	u->super_at = get32(u, b + 8);
	u->group_at = get32(u, b + 12);
	u->inodes_at = get32(u, b + 16);
	u->data_at = get32(u, b + 20);
	u->groups = get32(u, b + 44);
	u->group_bytes = get32(u, b + 160);
	u->per_group = get32(u, b + 188);
	u->fragments = u->second ? get64(u, b + 1080) : get32(u, b + 36);
	if (u->second) {
		u->mask = UINT32_MAX;
	} else {
		u->offset = get32(u, b + 24);
		u->mask = get32(u, b + 28);
	}
	return u->per_group > 0 && u->per_group <= INT32_MAX &&
	       u->fragments > 0 && u->fragments <= limit &&
	       u->groups == (u->fragments + u->per_group - 1) / u->per_group &&
	       u->super_at < u->group_at && u->group_at < u->inodes_at &&
	       u->inodes_at < u->data_at && u->data_at <= u->per_group &&
	       u->group_bytes >= GROUP_HEAD && u->group_bytes <= u->block_bytes;
}

/* NULL, or why there can be no map. */
static const char *
decode_super(struct ufs *u)
{
	const unsigned char *b = u->super;
	uint64_t fragments = u->second ? get64(u, b + 1080) : get32(u, b + 36);

	u->flags = b[211] & FLAGS_MOVED ? get32(u, b + 1312) : b[211];
	if (!u->second && get32(u, b + 1324) != FORMAT_44)
		return "it is of a kind that is not known (Sun's, or older "
		       "than 4.4BSD)";
	if ((u->flags & FLAG_GJOURNAL) != 0)
		return "GEOM journals it";
	if ((u->flags & ~FLAGS_KNOWN) != 0)
		return "it has a feature that is not known";
	if (!has_block_sizes(u))
		return "the superblock is damaged";
	if (fragments > fy_volume_size(u->volume) / u->fragment_bytes)
		return "it claims to reach behind the end of its partition";
	if (!has_groups(u))
		return "the superblock is damaged";
	return NULL;
}

static int
judge(const struct ufs *u, const struct fy_fs_map_options *options,
      struct fy_fs_result *ret, struct fy_error *err)
{
	const char *why;

	if ((u->flags & FLAG_FSCK) != 0)
		why = "it is marked as in need of fsck";
	else if (u->super[209] != CLEAN || (u->flags & FLAG_UNCLEAN) != 0)
		why = "not cleanly unmounted";
	else
		return 0;
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "unclean: %s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; run fsck_ffs on it in the system that "
			    "it belongs to, or allow it to be copied whole "
			    "(--allow-dirty)",
			    why);
}

/* --- cylinder groups -------------------------------------------------------------- */

/* Where a group's own blocks are counted from. */
static uint64_t
group_start(const struct ufs *u, uint64_t group)
{
	return group * u->per_group +
	       (uint64_t)u->offset * ((uint32_t)group & ~u->mask);
}

/* What 'group' uses for itself, as far as the filesystem goes. */
static int
name_group(const struct ufs *u, uint64_t group, struct fy_error *err)
{
	uint64_t start = group_start(u, group), end = start + u->data_at;

	if (group == 0)
		return fy_block_map_name(u->map, 0, end, err);
	return fy_block_map_name(u->map, start + u->super_at,
				 end - (start + u->super_at), err);
}

static int
name_metadata(const struct ufs *u, const struct fy_fs_map_options *options,
	      struct fy_error *err)
{
	const unsigned char *b = u->super;
	uint64_t group, bytes = get32(u, b + 156);
	uint64_t at = u->second ? get64(u, b + 1096) : get32(u, b + 152);

	if (fy_block_map_name(u->map, at,
			      (bytes + u->fragment_bytes - 1) /
				      u->fragment_bytes,
			      err) == -1)
		return -1;
	for (group = 0; group < u->groups; group++) {
		if (group % 4096 == 0 &&
		    fy_stop_check(options->stop, err) == -1)
			return -1;
		if (name_group(u, group, err) == -1)
			return -1;
	}
	return 0;
}

/* The map of the 'n' fragments of a group in 'bits', turned to one bit for
 * each that is used; false when the descriptor 'cg' can't be believed. */
static bool
get_group_map(const struct ufs *u, uint64_t group, const unsigned char *cg,
	      uint64_t n, unsigned char *bits)
{
	uint64_t map_bytes = (n + 7) / 8, at = get32(u, cg + 96), i;
	uint64_t told =
		(uint64_t)get32(u, cg + 28) * u->per_block + get32(u, cg + 36);

	if (get32(u, cg + 4) != GROUP_MAGIC || get32(u, cg + 12) != group ||
	    get32(u, cg + 20) != n || at < GROUP_HEAD || at > u->group_bytes ||
	    map_bytes > u->group_bytes - at)
		return false;
	for (i = 0; i < map_bytes; i++)
		bits[i] = (unsigned char)~cg[at + i];
	return fy_count_zero_bits(bits, n) == told;
}

static int
scan_groups(struct ufs *u, const struct fy_fs_map_options *options,
	    struct fy_error *err)
{
	fy_autofree unsigned char *cg = malloc(u->group_bytes);
	fy_autofree unsigned char *bits = calloc(1, u->group_bytes + 8);
	uint64_t group, n, at;
	int r;

	if (cg == NULL || bits == NULL)
		return fy_error_nomem(err);
	for (group = 0; group < u->groups; group++) {
		n = fy_min_u64(u->per_group,
			       u->fragments - group * u->per_group);
		at = group_start(u, group) + u->group_at;
		if (fy_stop_check(options->stop, err) == -1 ||
		    fy_volume_pread(u->volume, cg, u->group_bytes,
				    at * u->fragment_bytes, err) == -1)
			return -1;
		if (get_group_map(u, group, cg, n, bits)) {
			r = fy_block_map_window(u->map, bits, n, err);
		} else {
			u->damaged++;
			r = fy_block_map_all(u->map, n, err);
		}
		if (r == -1)
			return -1;
	}
	return 0;
}

/* --- the driver --------------------------------------------------------------------- */

static void
describe(const struct ufs *u, struct fy_fs_result *ret)
{
	uint64_t denied = fy_block_map_denied(u->map);

	if (u->damaged == 0 && denied == 0)
		return;
	ret->warn = true;
	if (u->damaged > 0)
		snprintf(ret->note, sizeof(ret->note),
			 "%" PRIu64 " cylinder groups contradict themselves; "
			 "they are copied whole",
			 u->damaged);
	else
		snprintf(ret->note, sizeof(ret->note),
			 "the cylinder groups call %" PRIu64 " fragments of "
			 "the filesystem's own free; they are copied",
			 denied);
}

static int
map_ufs(struct ufs *u, const struct fy_fs_map_options *options,
	struct fy_extents *used, struct fy_fs_result *ret, struct fy_error *err)
{
	uint64_t size = fy_volume_size(u->volume);

	if (name_metadata(u, options, err) == -1 ||
	    scan_groups(u, options, err) == -1)
		return -1;
	ret->bytes = u->fragments * u->fragment_bytes;
	if ((u->flags & FLAG_WAPBL) != 0) {
		if (fy_extents_append(used, ret->bytes, size - ret->bytes,
				      err) == -1)
			return -1;
		ret->bytes = size;
	}
	describe(u, ret);
	return 0;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct fy_error failure = { 0 };
	struct ufs u = { .volume = v };
	const char *why;
	int r = find_super(&u, err);

	if (r == -1)
		return -1;
	if (r != 1)
		return fy_fs_whole(ret, true, "it has no superblock, or two");
	why = decode_super(&u);
	if (why != NULL)
		return fy_fs_whole(ret, true, "%s", why);
	if (judge(&u, options, ret, err) == -1)
		return -1;
	if (ret->whole)
		return 0;
	u.map = fy_block_map_new(used, u.fragment_bytes, u.fragments, err);
	if (u.map == NULL)
		return -1;
	r = map_ufs(&u, options, used, ret, &failure);
	fy_block_map_free(u.map);
	if (r == 0)
		return 0;
	if (failure.code == FY_E_FORMAT)
		return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
	*err = failure;
	return -1;
}

const struct fy_fs_driver fy_fs_ufs = {
	.name = "ufs",
	.read_map = read_map,
};
