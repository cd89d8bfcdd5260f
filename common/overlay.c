/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy-on-write volume.  Clusters that were written to lie one behind the
 * other in an unlinked temporary file; an open-addressing hash table maps a
 * cluster's number to its slot there.  A write to a part of a cluster copies
 * the rest up from the base first, so a slot always holds a whole cluster
 * (the volume's last one is padded with zeros in its slot).
 *
 * Memory: 16 bytes for each changed cluster, at most three quarters full.  A
 * mutex makes each call whole, for the volume may be shown by FUSE's thread
 * while its owner still holds it.
 *
 * A write that failed is kept in mind: libraries above (libext2fs, libntfs-3g)
 * pass over some of their own failed writes, and then what is here is not what
 * they believe.
 */
#include "common/overlay.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"

#define NO_SLOT	      UINT32_MAX
#define FIRST_ENTRIES 256u
#define MAX_SLOTS     (UINT32_C(1) << 28)

struct entry {
	uint64_t cluster;
	uint32_t slot; /* NO_SLOT: free */
};

struct overlay {
	struct fy_volume *base;
	uint64_t size_bytes;
	uint32_t cluster_bytes;
	int fd;
	pthread_mutex_t lock; /* guards all below */
	struct entry *entries;
	size_t n_entries; /* a power of two */
	uint32_t n_slots;
	unsigned char *scratch; /* one cluster */
	struct fy_error lost;	/* the first write that failed */
};

static void
clear_entries(struct entry *e, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		e[i].slot = NO_SLOT;
}

/* The entry of 'cluster', or the free one where it would go. */
static struct entry *
find_entry(const struct overlay *o, uint64_t cluster)
{
	uint64_t h = cluster * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(h >> 20) & (o->n_entries - 1);

	while (o->entries[i].slot != NO_SLOT &&
	       o->entries[i].cluster != cluster)
		i = (i + 1) & (o->n_entries - 1);
	return &o->entries[i];
}

static int
grow(struct overlay *o, struct fy_error *err)
{
	struct entry *old = o->entries, *grown;
	size_t n = o->n_entries, i;

	if (o->n_slots >= MAX_SLOTS)
		return fy_error_set(err, FY_E_NOSPACE, 0,
				    "too many changes for an overlay");
	grown = reallocarray(NULL, n * 2, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	clear_entries(grown, n * 2);
	o->entries = grown;
	o->n_entries = n * 2;
	for (i = 0; i < n; i++)
		if (old[i].slot != NO_SLOT)
			*find_entry(o, old[i].cluster) = old[i];
	free(old);
	return 0;
}

static uint64_t
slot_offset(const struct overlay *o, uint32_t slot)
{
	return (uint64_t)slot * o->cluster_bytes;
}

/* Bytes of the volume in 'cluster'. */
static size_t
cluster_length(const struct overlay *o, uint64_t cluster)
{
	uint64_t start = cluster * o->cluster_bytes;

	return (size_t)fy_min_u64(o->cluster_bytes, o->size_bytes - start);
}

static int
read_piece(struct overlay *o, unsigned char *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	const struct entry *e = find_entry(o, offset / o->cluster_bytes);

	if (e->slot == NO_SLOT)
		return fy_volume_pread(o->base, buf, len, offset, err);
	return fy_fd_pread_full(
		o->fd, buf, len,
		slot_offset(o, e->slot) + offset % o->cluster_bytes, err);
}

static int
overlay_pread(void *handle, void *buf, size_t len, uint64_t offset,
	      struct fy_error *err)
{
	struct overlay *o = handle;
	unsigned char *to = buf;
	uint64_t end;
	size_t n;

	FY_LOCK_SCOPE(&o->lock);
	while (len > 0) {
		n = 0;
		/* One read of the base for all clusters it still has. */
		do {
			end = fy_align_down(offset + n, o->cluster_bytes) +
			      o->cluster_bytes;
			n = (size_t)fy_min_u64(len, end - offset);
		} while (n < len &&
			 find_entry(o, offset / o->cluster_bytes)->slot ==
				 NO_SLOT &&
			 find_entry(o, (offset + n) / o->cluster_bytes)->slot ==
				 NO_SLOT);
		if (read_piece(o, to, n, offset, err) == -1)
			return -1;
		to += n;
		len -= n;
		offset += n;
	}
	return 0;
}

/* Give 'cluster' a slot that holds its present content (not when the caller
 * is about to overwrite 'whole' of it). */
static int
copy_up(struct overlay *o, uint64_t cluster, bool whole, uint32_t *ret_slot,
	struct fy_error *err)
{
	struct entry *e = find_entry(o, cluster);
	size_t len = cluster_length(o, cluster);

	if (e->slot != NO_SLOT) {
		*ret_slot = e->slot;
		return 0;
	}
	if (o->n_slots >= o->n_entries / 4 * 3) {
		if (grow(o, err) == -1)
			return -1;
		e = find_entry(o, cluster);
	}
	if (!whole) {
		memset(o->scratch, 0, o->cluster_bytes);
		if (fy_volume_pread(o->base, o->scratch, len,
				    cluster * o->cluster_bytes, err) == -1 ||
		    fy_fd_pwrite_full(o->fd, o->scratch, o->cluster_bytes,
				      slot_offset(o, o->n_slots), err) == -1)
			return -1;
	}
	e->cluster = cluster;
	e->slot = *ret_slot = o->n_slots++;
	return 0;
}

static int
write_clusters(struct overlay *o, const unsigned char *from, size_t len,
	       uint64_t offset, struct fy_error *err)
{
	uint64_t cluster;
	uint32_t slot;
	size_t n, at;

	while (len > 0) {
		cluster = offset / o->cluster_bytes;
		at = (size_t)(offset % o->cluster_bytes);
		n = (size_t)fy_min_u64(len, o->cluster_bytes - at);
		/* Only a full slot is never read before it was written. */
		if (copy_up(o, cluster, n == o->cluster_bytes, &slot, err) ==
			    -1 ||
		    fy_fd_pwrite_full(o->fd, from, n, slot_offset(o, slot) + at,
				      err) == -1)
			return -1;
		from += n;
		len -= n;
		offset += n;
	}
	return 0;
}

static int
overlay_pwrite(void *handle, const void *buf, size_t len, uint64_t offset,
	       struct fy_error *err)
{
	struct overlay *o = handle;
	struct fy_error e = { 0 };

	FY_LOCK_SCOPE(&o->lock);
	if (write_clusters(o, buf, len, offset, &e) == 0)
		return 0;
	if (o->lost.code == FY_E_NONE)
		o->lost = e;
	return fy_error_copy(err, &e);
}

static int
compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The numbers of the clusters with a slot, sorted; malloc'd. */
static uint64_t *
sorted_clusters(const struct overlay *o, struct fy_error *err)
{
	uint64_t *list;
	size_t i, n = 0;

	list = reallocarray(NULL, o->n_slots + 1u, sizeof(*list));
	if (list == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	for (i = 0; i < o->n_entries; i++)
		if (o->entries[i].slot != NO_SLOT)
			list[n++] = o->entries[i].cluster;
	fy_sort(list, n, sizeof(*list), compare_u64);
	return list;
}

static int
overlay_data(void *handle, struct fy_extents *ret, struct fy_error *err)
{
	struct overlay *o = handle;
	fy_autoextents struct fy_extents *below = fy_extents_new(err);
	fy_autoextents struct fy_extents *mine = fy_extents_new(err);
	fy_autofree uint64_t *list = NULL;
	uint32_t i;

	FY_LOCK_SCOPE(&o->lock);
	if (below == NULL || mine == NULL ||
	    fy_volume_data(o->base, below, err) == -1)
		return -1;
	list = sorted_clusters(o, err);
	if (list == NULL)
		return -1;
	for (i = 0; i < o->n_slots; i++)
		if (fy_extents_append(mine, list[i] * o->cluster_bytes,
				      cluster_length(o, list[i]), err) == -1)
			return -1;
	return fy_extents_union(below, mine, ret, err);
}

static void
overlay_close(void *handle)
{
	struct overlay *o = handle;

	if (o->fd >= 0)
		close(o->fd);
	pthread_mutex_destroy(&o->lock);
	free(o->entries);
	free(o->scratch);
	free(o);
}

static const struct fy_volume_ops overlay_ops = {
	.pread = overlay_pread,
	.pwrite = overlay_pwrite,
	.data = overlay_data,
	.close = overlay_close,
};

int
fy_overlay_new(struct fy_volume *base, uint32_t cluster_bytes,
	       const char *tmpdir, struct fy_volume **ret, struct fy_error *err)
{
	struct overlay *o;

	if (!fy_is_power_of_two(cluster_bytes) || cluster_bytes < 4096 ||
	    cluster_bytes > 65536)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "an overlay can't have clusters of %u "
				    "bytes",
				    cluster_bytes);
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return fy_error_nomem(err);
	pthread_mutex_init(&o->lock, NULL);
	o->base = base;
	o->size_bytes = fy_volume_size(base);
	o->cluster_bytes = cluster_bytes;
	o->n_entries = FIRST_ENTRIES;
	o->entries = reallocarray(NULL, o->n_entries, sizeof(*o->entries));
	/* Room for two clusters: ours and the base's in comparisons. */
	o->scratch = malloc(2 * (size_t)cluster_bytes);
	o->fd = fy_file_temporary(tmpdir, err);
	if (o->entries == NULL || o->scratch == NULL || o->fd == -1) {
		if (o->fd != -1)
			fy_error_nomem(err);
		overlay_close(o);
		return -1;
	}
	clear_entries(o->entries, o->n_entries);
	*ret = fy_volume_new(&overlay_ops, o, fy_volume_name(base),
			     o->size_bytes, fy_volume_sector_bytes(base), err);
	return *ret == NULL ? -1 : 0;
}

int
fy_overlay_changed(struct fy_volume *overlay, struct fy_extents *ret,
		   struct fy_error *err)
{
	struct overlay *o = fy_volume_handle(overlay, &overlay_ops);
	fy_autofree uint64_t *list = NULL;
	struct fy_extents_mark mark;
	uint64_t at;
	size_t len;
	uint32_t i;

	if (o == NULL)
		return fy_error_set(err, FY_E_USAGE, 0, "%s is no overlay",
				    fy_volume_name(overlay));
	FY_LOCK_SCOPE(&o->lock);
	if (o->lost.code != FY_E_NONE)
		return fy_error_set(err, o->lost.code, 0,
				    "%s: a change was lost: %s",
				    fy_volume_name(overlay), o->lost.msg);
	list = sorted_clusters(o, err);
	if (list == NULL)
		return -1;
	fy_extents_take_mark(ret, &mark);
	for (i = 0; i < o->n_slots; i++) {
		unsigned char *mine = o->scratch;
		unsigned char *other = o->scratch + o->cluster_bytes;

		at = list[i] * o->cluster_bytes;
		len = cluster_length(o, list[i]);
		if (read_piece(o, mine, len, at, err) == -1 ||
		    fy_volume_pread(o->base, other, len, at, err) == -1 ||
		    (memcmp(mine, other, len) != 0 &&
		     fy_extents_append(ret, at, len, err) == -1)) {
			fy_extents_cut(ret, &mark);
			return -1;
		}
	}
	return 0;
}
