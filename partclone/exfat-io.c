/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading exFAT: the boot regions, chains of the FAT, directories.
 *
 * The main boot region decides.  Its checksum must be right and every number
 * in it must fit the others and the volume; the backup, when it is intact,
 * must describe the same layout.  Anything else makes the volume whole: a
 * layout that is guessed could leave out what is used.
 */
#include "partclone/exfat.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define BOOT_SECTORS 12u
#define MAX_RUNS     65536u
#define MAX_CLUSTERS 0xfffffff5u
#define PIECE	     (64u * 1024)

#define FLAG_ACTIVE 1u
#define FLAG_DIRTY  2u
#define FLAG_FAILED 4u

/* --- the boot regions ------------------------------------------------------- */

/* Over the first 11 sectors, without the flags and the percentage in use. */
static uint32_t
boot_checksum(const unsigned char *region, uint32_t sector_bytes)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < (size_t)(BOOT_SECTORS - 1) * sector_bytes; i++) {
		if (i == 106 || i == 107 || i == 112)
			continue;
		sum = (sum << 31 | sum >> 1) + region[i];
	}
	return sum;
}

/* The last sector is nothing but the checksum, over and over. */
static bool
is_region_intact(const unsigned char *region, uint32_t sector_bytes)
{
	const unsigned char *last = region + 11 * (size_t)sector_bytes;
	uint32_t sum = boot_checksum(region, sector_bytes);
	size_t i;

	for (i = 0; i < sector_bytes; i += 4)
		if (fy_get_le32(last + i) != sum)
			return false;
	return region[510] == 0x55 && region[511] == 0xaa;
}

/* NULL, or what is wrong with the numbers of the boot sector. */
static const char *
decode(const unsigned char *b, struct fy_exfat *e)
{
	unsigned sector_shift = b[108], cluster_shift = b[109];
	uint64_t volume_sectors = fy_get_le64(b + 72), heap, fats_end;
	uint16_t flags = fy_get_le16(b + 106);

	if (memcmp(b + 3, "EXFAT   ", 8) != 0 || !fy_is_zero(b + 11, 53))
		return "is not one of exFAT";
	if (fy_get_le16(b + 104) != 0x0100)
		return "is of an unknown revision";
	if (sector_shift < 9 || sector_shift > 12 ||
	    cluster_shift > 25 - sector_shift)
		return "has impossible sizes";
	e->sector_bytes = 1u << sector_shift;
	e->cluster_bytes = 1u << (sector_shift + cluster_shift);
	e->fats = b[110];
	e->active = flags & FLAG_ACTIVE;
	e->dirty = (flags & FLAG_DIRTY) != 0;
	e->failed = (flags & FLAG_FAILED) != 0;
	if (e->fats < 1 || e->fats > 2 || e->active >= e->fats)
		return "names a FAT that is not there";
	e->clusters = fy_get_le32(b + 92);
	e->root = fy_get_le32(b + 96);
	if (volume_sectors > UINT64_MAX >> sector_shift)
		return "has impossible sizes";
	e->total_bytes = volume_sectors << sector_shift;
	e->fat_offset = (uint64_t)fy_get_le32(b + 80) << sector_shift;
	e->fat_bytes = (uint64_t)fy_get_le32(b + 84) << sector_shift;
	e->heap_offset = (uint64_t)fy_get_le32(b + 88) << sector_shift;
	fats_end = e->fat_offset + e->fats * e->fat_bytes;
	if (e->clusters == 0 || e->clusters > MAX_CLUSTERS ||
	    fy_get_le32(b + 80) < 2 * BOOT_SECTORS ||
	    fats_end > e->heap_offset ||
	    e->fat_bytes / 4 < (uint64_t)e->clusters + 2 ||
	    e->heap_offset >= e->total_bytes)
		return "contradicts itself";
	heap = (e->total_bytes - e->heap_offset) / e->cluster_bytes;
	if (e->clusters > heap || !fy_exfat_is_cluster(e, e->root))
		return "contradicts itself";
	return NULL;
}

/* Whether both describe the same places and sizes. */
static bool
is_same_layout(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a + 72, b + 72, 28) == 0 &&
	       memcmp(a + 108, b + 108, 3) == 0;
}

static int
check_regions(struct fy_exfat *e, const unsigned char *regions,
	      struct fy_fs_result *result)
{
	const unsigned char *backup =
		regions + BOOT_SECTORS * (size_t)e->sector_bytes;

	if (!is_region_intact(regions, e->sector_bytes))
		return fy_fs_whole(result, true,
				   "the checksum of exFAT's boot region is "
				   "wrong");
	e->lone = !is_region_intact(backup, e->sector_bytes);
	if (!e->lone && !is_same_layout(regions, backup))
		return fy_fs_whole(result, true,
				   "exFAT's boot region and its backup "
				   "describe different layouts");
	return 0;
}

int
fy_exfat_open(struct fy_volume *v, struct fy_exfat *ret,
	      struct fy_fs_result *result, struct fy_error *err)
{
	fy_autofree unsigned char *regions = NULL;
	unsigned char boot[512];
	const char *wrong;
	size_t len;

	memset(ret, 0, sizeof(*ret));
	ret->volume = v;
	if (fy_volume_size(v) < sizeof(boot))
		return fy_fs_whole(result, true, "exFAT's volume is cut off");
	if (fy_volume_pread(v, boot, sizeof(boot), 0, err) == -1)
		return -1;
	wrong = decode(boot, ret);
	if (wrong != NULL)
		return fy_fs_whole(result, true, "exFAT's boot sector %s",
				   wrong);
	if (ret->total_bytes > fy_volume_size(v))
		return fy_fs_whole(result, true,
				   "exFAT claims to reach behind the end of "
				   "its partition");
	len = 2 * BOOT_SECTORS * (size_t)ret->sector_bytes;
	regions = malloc(len);
	if (regions == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(v, regions, len, 0, err) == -1)
		return -1;
	return check_regions(ret, regions, result);
}

/* --- the FAT ------------------------------------------------------------------- */

static int
fat_entry(struct fy_exfat *e, uint32_t which, uint32_t cluster, uint32_t *ret,
	  struct fy_error *err)
{
	struct fy_exfat_cache *c = &e->cache[which];
	uint64_t at = (uint64_t)cluster * 4;
	uint64_t from = fy_align_down(at, FY_EXFAT_CACHE);

	if (c->len == 0 || c->at != from) {
		c->len = 0;
		c->at = from;
		if (fy_volume_pread(
			    e->volume, c->bytes,
			    fy_min_u64(FY_EXFAT_CACHE, e->fat_bytes - from),
			    e->fat_offset + which * e->fat_bytes + from,
			    err) == -1)
			return -1;
		c->len = fy_min_u64(FY_EXFAT_CACHE, e->fat_bytes - from);
	}
	*ret = fy_get_le32(c->bytes + (at - from));
	return 0;
}

/* 1, 0 (the FATs don't agree), -1. */
static int
next_cluster(struct fy_exfat *e, uint32_t cluster, uint32_t *ret,
	     struct fy_error *err)
{
	uint32_t other;

	if (fat_entry(e, e->active, cluster, ret, err) == -1)
		return -1;
	if (e->fats < 2)
		return 1;
	if (fat_entry(e, 1 - e->active, cluster, &other, err) == -1)
		return -1;
	return other == *ret;
}

/* 1, 0 (too many pieces), -1. */
static int
chain_add(struct fy_exfat_chain *c, uint32_t cluster, struct fy_error *err)
{
	struct fy_exfat_run *last = c->n > 0 ? &c->runs[c->n - 1] : NULL;
	struct fy_exfat_run *more;

	if (last != NULL && cluster == last->first + last->count) {
		last->count++;
		c->clusters++;
		return 1;
	}
	if (c->n == MAX_RUNS)
		return 0;
	if ((c->n & (c->n - 1)) == 0) {
		more = realloc(c->runs,
			       (c->n == 0 ? 1 : 2 * c->n) * sizeof(*more));
		if (more == NULL)
			return fy_error_nomem(err);
		c->runs = more;
	}
	c->runs[c->n++] = (struct fy_exfat_run){ cluster, 1, c->clusters++ };
	return 1;
}

void
fy_exfat_chain_release(struct fy_exfat_chain *c)
{
	free(c->runs);
	*c = (struct fy_exfat_chain){ 0 };
}

int
fy_exfat_follow(struct fy_exfat *e, uint32_t first, uint32_t max,
		struct fy_exfat_chain *ret, struct fy_error *err)
{
	uint32_t cluster = first;
	int r;

	while (ret->clusters < max) {
		if (!fy_exfat_is_cluster(e, cluster))
			return 0;
		r = chain_add(ret, cluster, err);
		if (r == 1)
			r = next_cluster(e, cluster, &cluster, err);
		if (r != 1)
			return r;
		if (cluster == FY_EXFAT_END)
			return 1;
	}
	return 0;
}

/* --- what lies in a chain ------------------------------------------------------- */

static const struct fy_exfat_run *
run_at(const struct fy_exfat_chain *c, uint64_t cluster)
{
	size_t low = 0, high = c->n, middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (c->runs[middle].before <= cluster)
			low = middle;
		else
			high = middle;
	}
	return &c->runs[low];
}

int
fy_exfat_chain_read(const struct fy_exfat *e, const struct fy_exfat_chain *c,
		    uint64_t at, void *buf, size_t len, struct fy_error *err)
{
	const struct fy_exfat_run *r;
	unsigned char *to = buf;
	uint64_t skip, n;

	while (len > 0) {
		r = run_at(c, at / e->cluster_bytes);
		skip = at - (uint64_t)r->before * e->cluster_bytes;
		n = (uint64_t)r->count * e->cluster_bytes;
		if (skip >= n)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "%s: exFAT: read behind the end "
					    "of a chain",
					    fy_volume_name(e->volume));
		n = fy_min_u64(n - skip, len);
		if (fy_volume_pread(e->volume, to, n,
				    fy_exfat_offset(e, r->first) + skip,
				    err) == -1)
			return -1;
		to += n;
		at += n;
		len -= n;
	}
	return 0;
}

int
fy_exfat_each_entry(const struct fy_exfat *e, const struct fy_exfat_chain *c,
		    int (*fn)(void *arg, const unsigned char *entry,
			      struct fy_error *err),
		    void *arg, struct fy_error *err)
{
	uint64_t end = (uint64_t)c->clusters * e->cluster_bytes, at;
	fy_autofree unsigned char *piece = malloc(PIECE);
	size_t n, i;
	int r;

	if (piece == NULL)
		return fy_error_nomem(err);
	for (at = 0; at < end; at += n) {
		n = fy_min_u64(fy_min_u64(PIECE, e->cluster_bytes), end - at);
		if (fy_exfat_chain_read(e, c, at, piece, n, err) == -1)
			return -1;
		for (i = 0; i < n; i += FY_EXFAT_ENTRY) {
			if (piece[i] == 0)
				return 0;
			r = fn(arg, piece + i, err);
			if (r != 0)
				return r;
		}
	}
	return 0;
}
