/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EXFAT_H
#define FY_EXFAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/stop.h"
#include "common/volume.h"
#include "partclone/filesystem.h"

/*
 * exFAT on a volume, as Microsoft's published specification (revision 1.00)
 * lays it out.  All sizes are in bytes; a cluster is named by its number, the
 * first one is 2.  Shared by fs-exfat.c, exfat-io.c and exfat-bad.c.
 */
#define FY_EXFAT_FIRST	   2u
#define FY_EXFAT_BAD	   0xfffffff7u
#define FY_EXFAT_END	   0xffffffffu
#define FY_EXFAT_CACHE	   (16 * 1024)
#define FY_EXFAT_DIRECTORY (256u << 20) /* a directory is never longer */
#define FY_EXFAT_ENTRY	   32u

struct fy_exfat_cache {
	uint64_t at; /* in the FAT */
	size_t len;  /* 0: empty */
	unsigned char bytes[FY_EXFAT_CACHE];
};

struct fy_exfat {
	struct fy_volume *volume; /* borrowed */
	uint32_t sector_bytes, cluster_bytes;
	uint32_t fats, active; /* 1 or 2; which one counts */
	uint32_t clusters;     /* numbered 2 ... clusters + 1 */
	uint32_t root;
	uint64_t fat_offset, fat_bytes; /* of the first; of each */
	uint64_t heap_offset, total_bytes;
	bool dirty, failed; /* not cleanly unmounted; a write failed */
	bool lone;	    /* the backup boot region is damaged */
	struct fy_exfat_cache cache[2];
};

struct fy_exfat_run {
	uint32_t first, count; /* clusters */
	uint32_t before;       /* clusters of the chain before this run */
};

struct fy_exfat_chain {
	struct fy_exfat_run *runs;
	size_t n;
	uint32_t clusters;
};

void fy_exfat_chain_release(struct fy_exfat_chain *c);

/*
 * Read and check the boot regions.  0, and 'result' is whole when they
 * contradict themselves or are of a kind that is not known; -1: FY_E_IO.
 */
int fy_exfat_open(struct fy_volume *v, struct fy_exfat *ret,
		  struct fy_fs_result *result, struct fy_error *err);

static inline bool
fy_exfat_is_cluster(const struct fy_exfat *e, uint32_t cluster)
{
	return cluster >= FY_EXFAT_FIRST &&
	       cluster - FY_EXFAT_FIRST < e->clusters;
}

/* Where a cluster (that is one) lies. */
static inline uint64_t
fy_exfat_offset(const struct fy_exfat *e, uint32_t cluster)
{
	return e->heap_offset +
	       (uint64_t)(cluster - FY_EXFAT_FIRST) * e->cluster_bytes;
}

/*
 * The chain that begins with 'first', of at most 'max' clusters.  1 and 'ret'
 * (empty before) filled; 0 when it leaves the heap, is longer, is in too many
 * pieces, or differs between two FATs; -1: FY_E_IO, FY_E_NOMEM.
 */
int fy_exfat_follow(struct fy_exfat *e, uint32_t first, uint32_t max,
		    struct fy_exfat_chain *ret, struct fy_error *err);

/* Read from the clusters of a chain; the range is inside it. */
int fy_exfat_chain_read(const struct fy_exfat *e,
			const struct fy_exfat_chain *c, uint64_t at, void *buf,
			size_t len, struct fy_error *err);

/*
 * Call 'fn' with each entry of the directory in 'c' up to its end mark.  'fn'
 * returns 0 to go on; anything else ends the walk and is returned.
 */
int fy_exfat_each_entry(const struct fy_exfat *e,
			const struct fy_exfat_chain *c,
			int (*fn)(void *arg, const unsigned char *entry,
				  struct fy_error *err),
			void *arg, struct fy_error *err);

/* --- the allocation bitmap (fs-exfat.c) -------------------------------------- */

#define FY_EXFAT_WINDOW 32768u /* clusters looked at together */

struct fy_exfat_map {
	struct fy_exfat *fs;
	const struct fy_stop *stop;
	struct fy_exfat_chain bitmap[2]; /* of each FAT */
};

/*
 * The bits of 'n' clusters (at most FY_EXFAT_WINDOW) from index 'first' (0 is
 * cluster 2; a multiple of 8) into 'ret': set when a bitmap calls it used.
 */
int fy_exfat_read_bits(const struct fy_exfat_map *m, uint32_t first, size_t n,
		       unsigned char ret[FY_EXFAT_WINDOW / 8],
		       struct fy_error *err);

/* --- bad clusters (exfat-bad.c) ------------------------------------------------ */

struct fy_exfat_bad {
	uint32_t *clusters; /* ascending */
	bool *owned;	    /* something may lie there all the same */
	size_t n;
};

void fy_exfat_bad_release(struct fy_exfat_bad *b);

/*
 * The clusters that the FAT calls bad, among those that the bitmap calls used.
 * The FAT says nothing true of a file that is stored in one piece, so a
 * cluster is 'owned' unless no entry of any directory covers it and no chain
 * leads to it.  None at all when that would take too much.
 */
int fy_exfat_find_bad(const struct fy_exfat_map *m, struct fy_exfat_bad *ret,
		      struct fy_error *err);

#endif
