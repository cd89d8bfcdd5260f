/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exFAT's bad clusters: which of them nobody owns.
 *
 * A file in one piece (NoFatChain) leaves its entries of the FAT as they were,
 * so "bad" may be years old: a repair that rebuilds the bitmap frees the bad
 * clusters, and the next file may lie there.  So, only when there are any, all
 * directories are read; a cluster counts as bad when no entry's range covers
 * it and no entry of the FAT leads to it.  Bounded: at most MAX_BAD clusters,
 * MAX_DIRECTORIES, MAX_BYTES of directories; beyond that all are read.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/exfat.h"

#define MAX_BAD		65536u
#define MAX_DIRECTORIES (1u << 20)
#define MAX_BYTES	(1024 * FY_MIB)
#define MAX_STEPS	(1u << 24)

#define TYPE_BITMAP    0x81
#define TYPE_UPCASE    0x82
#define TYPE_LABEL     0x83
#define TYPE_FILE      0x85
#define TYPE_GUID      0xa0
#define TYPE_STREAM    0xc0
#define IN_USE	       0x80
#define SECONDARY      0x40
#define ALLOCATED      1u
#define ONE_PIECE      2u
#define ATTR_DIRECTORY 0x10u

struct directory {
	uint32_t first, clusters; /* 0 clusters: by the FAT */
};

struct walk {
	struct fy_exfat *fs;
	struct fy_exfat_bad *bad;
	struct directory *queue;
	size_t n, room;
	bool is_directory; /* the file entry seen last */
	uint64_t steps;	   /* marks set, maybe many times over */
};

void
fy_exfat_bad_release(struct fy_exfat_bad *b)
{
	free(b->clusters);
	free(b->owned);
	*b = (struct fy_exfat_bad){ 0 };
}

static size_t
lower_bound(const struct fy_exfat_bad *b, uint64_t cluster)
{
	size_t low = 0, high = b->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (b->clusters[middle] < cluster)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Returns how many they are. */
static size_t
own(struct fy_exfat_bad *b, uint64_t first, uint64_t count)
{
	size_t from = lower_bound(b, first), i;

	for (i = from; i < b->n && b->clusters[i] - first < count; i++)
		b->owned[i] = true;
	return i - from;
}

/* --- the FAT ------------------------------------------------------------------- */

struct window {
	unsigned char bits[FY_EXFAT_WINDOW / 8];
	unsigned char fat[2][FY_EXFAT_WINDOW * 4];
};

/* Both FATs' entries of the window; 0 when nothing is used there, 1, -1. */
static int
read_window(const struct fy_exfat_map *m, uint32_t first, size_t n,
	    struct window *w, struct fy_error *err)
{
	const struct fy_exfat *e = m->fs;
	uint32_t i;

	if (fy_stop_check(m->stop, err) == -1 ||
	    fy_exfat_read_bits(m, first, n, w->bits, err) == -1)
		return -1;
	if (fy_is_zero(w->bits, sizeof(w->bits)))
		return 0;
	for (i = 0; i < e->fats; i++)
		if (fy_volume_pread(e->volume, w->fat[i], n * 4,
				    e->fat_offset + i * e->fat_bytes +
					    ((uint64_t)first + 2) * 4,
				    err) == -1)
			return -1;
	return 1;
}

/* 1, 0 (too many), -1. */
static int
add_bad(struct fy_exfat_bad *b, uint32_t cluster, struct fy_error *err)
{
	uint32_t *more;

	if (b->n == MAX_BAD)
		return 0;
	if ((b->n & (b->n - 1)) == 0) {
		more = realloc(b->clusters,
			       (b->n == 0 ? 1 : 2 * b->n) * sizeof(*more));
		if (more == NULL)
			return fy_error_nomem(err);
		b->clusters = more;
	}
	b->clusters[b->n++] = cluster;
	return 1;
}

static bool
is_bad(const struct fy_exfat *e, const struct window *w, size_t i)
{
	return (w->bits[i / 8] >> (i % 8) & 1) != 0 &&
	       fy_get_le32(w->fat[0] + 4 * i) == FY_EXFAT_BAD &&
	       (e->fats < 2 || fy_get_le32(w->fat[1] + 4 * i) == FY_EXFAT_BAD);
}

/* 1, 0 (too many), -1. */
static int
collect(const struct fy_exfat_map *m, struct fy_exfat_bad *b, struct window *w,
	struct fy_error *err)
{
	uint32_t first;
	size_t i, n;
	int r;

	for (first = 0; first < m->fs->clusters; first += (uint32_t)n) {
		n = fy_min_u64(FY_EXFAT_WINDOW, m->fs->clusters - first);
		r = read_window(m, first, n, w, err);
		if (r == -1)
			return -1;
		for (i = 0; r == 1 && i < n; i++) {
			if (!is_bad(m->fs, w, i))
				continue;
			r = add_bad(b, first + (uint32_t)i + FY_EXFAT_FIRST,
				    err);
			if (r != 1)
				return r;
		}
	}
	return 1;
}

/* What an entry of the FAT leads to is owned. */
static int
find_chained(const struct fy_exfat_map *m, struct fy_exfat_bad *b,
	     struct window *w, struct fy_error *err)
{
	uint32_t first, k;
	size_t i, n;
	int r;

	for (first = 0; first < m->fs->clusters; first += (uint32_t)n) {
		n = fy_min_u64(FY_EXFAT_WINDOW, m->fs->clusters - first);
		r = read_window(m, first, n, w, err);
		if (r == -1)
			return -1;
		if (r == 0)
			continue;
		for (k = 0; k < m->fs->fats; k++)
			for (i = 0; i < n; i++)
				own(b, fy_get_le32(w->fat[k] + 4 * i), 1);
	}
	return 0;
}

/* --- the directories ---------------------------------------------------------- */

/* 0; 1 when there are too many. */
static int
enqueue(struct walk *w, uint32_t first, uint32_t clusters, struct fy_error *err)
{
	struct directory *more;

	if (w->n == MAX_DIRECTORIES)
		return 1;
	if (w->n == w->room) {
		w->room = w->room == 0 ? 64 : 2 * w->room;
		more = realloc(w->queue, w->room * sizeof(*more));
		if (more == NULL)
			return fy_error_nomem(err);
		w->queue = more;
	}
	w->queue[w->n++] = (struct directory){ first, clusters };
	return 0;
}

/* An entry with an allocation; 0, 1 (makes no sense, or too many), -1. */
static int
use_allocation(struct walk *w, const unsigned char *entry, unsigned flags,
	       bool is_directory, struct fy_error *err)
{
	uint32_t first = fy_get_le32(entry + 20);
	uint64_t bytes = fy_get_le64(entry + 24), count;
	const struct fy_exfat *e = w->fs;

	if (first == 0 && bytes == 0)
		return 0;
	if (!fy_exfat_is_cluster(e, first))
		return 1;
	count = fy_div_up(bytes, e->cluster_bytes);
	if ((flags & ONE_PIECE) == 0) {
		own(w->bad, first, 1);
		return is_directory ? enqueue(w, first, 0, err) : 0;
	}
	if (count > e->clusters - (first - FY_EXFAT_FIRST))
		return 1;
	w->steps += own(w->bad, first, fy_max_u64(count, 1));
	if (w->steps > MAX_STEPS)
		return 1;
	if (!is_directory || count == 0)
		return 0;
	return enqueue(w, first, (uint32_t)count, err);
}

static int
use_entry(void *arg, const unsigned char *entry, struct fy_error *err)
{
	struct walk *w = arg;
	unsigned type = entry[0];
	bool is_directory;

	if ((type & IN_USE) == 0)
		return 0;
	if (type == TYPE_FILE) {
		w->is_directory =
			(fy_get_le16(entry + 4) & ATTR_DIRECTORY) != 0;
		return 0;
	}
	if (type == TYPE_BITMAP || type == TYPE_UPCASE) {
		own(w->bad, fy_get_le32(entry + 20), 1);
		return 0;
	}
	if (type == TYPE_LABEL || type == TYPE_GUID)
		return 0;
	if ((type & SECONDARY) == 0)
		return 1; /* of a kind that nobody knows */
	if ((entry[1] & ALLOCATED) == 0)
		return 0;
	is_directory = type == TYPE_STREAM && w->is_directory;
	return use_allocation(w, entry, entry[1], is_directory, err);
}

/* 0, 1 (can't be told), -1; '*left' is what may still be read. */
static int
walk_one(struct walk *w, struct directory d, uint64_t *left,
	 struct fy_error *err)
{
	struct fy_exfat *e = w->fs;
	struct fy_exfat_run run = { d.first, d.clusters, 0 };
	struct fy_exfat_chain c = { 0 };
	uint64_t bytes;
	int r;

	if (d.clusters != 0) {
		c = (struct fy_exfat_chain){ &run, 1, d.clusters };
	} else {
		r = fy_exfat_follow(
			e, d.first,
			(uint32_t)fy_max_u64(
				FY_EXFAT_DIRECTORY / e->cluster_bytes, 1),
			&c, err);
		if (r != 1) {
			fy_exfat_chain_release(&c);
			return r == 0 ? 1 : -1;
		}
	}
	bytes = (uint64_t)c.clusters * e->cluster_bytes;
	r = 1;
	if (bytes <= *left) {
		*left -= bytes;
		w->is_directory = false;
		r = fy_exfat_each_entry(e, &c, use_entry, w, err);
	}
	if (d.clusters == 0)
		fy_exfat_chain_release(&c);
	return r;
}

/* 1 when all directories have been read, 0 when that can't be, -1. */
static int
walk_tree(const struct fy_exfat_map *m, struct fy_exfat_bad *b,
	  struct fy_error *err)
{
	struct walk w = { .fs = m->fs, .bad = b };
	struct fy_error why = { 0 };
	uint64_t left = MAX_BYTES;
	size_t i;
	int r;

	r = enqueue(&w, m->fs->root, 0, &why);
	for (i = 0; r == 0 && i < w.n; i++) {
		r = fy_stop_check(m->stop, &why);
		if (r == 0)
			r = walk_one(&w, w.queue[i], &left, &why);
	}
	free(w.queue);
	if (r == -1 && why.code == FY_E_IO)
		return 0; /* an unreadable directory tells nothing */
	if (r == -1)
		*err = why;
	return r == -1 ? -1 : r == 0;
}

int
fy_exfat_find_bad(const struct fy_exfat_map *m, struct fy_exfat_bad *ret,
		  struct fy_error *err)
{
	fy_autofree struct window *w = malloc(sizeof(*w));
	int r;

	if (w == NULL)
		return fy_error_nomem(err);
	r = collect(m, ret, w, err);
	if (r == 1 && ret->n > 0) {
		ret->owned = calloc(ret->n, sizeof(*ret->owned));
		if (ret->owned == NULL)
			return fy_error_nomem(err);
		r = find_chained(m, ret, w, err) == -1 ? -1
						       : walk_tree(m, ret, err);
	}
	if (r == 0)
		fy_exfat_bad_release(ret);
	return r == -1 ? -1 : 0;
}
