/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening a Btrfs on one or several volumes: their superblocks must be of one
 * filesystem and of one age; the system chunks in the superblock lead to the
 * chunk tree, which has all devices and all chunks.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/btrfs.h"

#define DEV_ITEM_BYTES 98

void
fy_btrfs_release(struct fy_btrfs *fs)
{
	unsigned i;

	fy_btrfs_release_chunks(&fs->chunks);
	for (i = 0; i < FY_BTRFS_LEVELS; i++)
		free(fs->nodes[i]);
	free(fs->devices);
	free(fs->seen);
	memset(fs, 0, sizeof(*fs));
}

/* --- superblocks ---------------------------------------------------------------- */

static bool
is_same_state(const struct fy_btrfs_super *a, const struct fy_btrfs_super *b)
{
	return a->generation == b->generation &&
	       a->root.bytenr == b->root.bytenr &&
	       a->chunk_root.bytenr == b->chunk_root.bytenr &&
	       a->log_root == b->log_root && a->flags == b->flags &&
	       a->incompat == b->incompat && a->devices == b->devices &&
	       a->node_bytes == b->node_bytes && a->csum_type == b->csum_type &&
	       memcmp(a->fsid, b->fsid, 16) == 0;
}

static int
add_device(struct fy_btrfs *fs, struct fy_volume *v,
	   const struct fy_btrfs_super *s, struct fy_error *err)
{
	struct fy_btrfs_device *d = &fs->devices[fs->n_devices];
	size_t i;

	for (i = 0; i < fs->n_devices; i++)
		if (fs->devices[i].id == s->device_id)
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "device %" PRIu64
					    " of it is here twice",
					    s->device_id);
	*d = (struct fy_btrfs_device){ .volume = v,
				       .id = s->device_id,
				       .bytes = s->device_bytes };
	memcpy(d->uuid, s->device_uuid, 16);
	fs->n_devices++;
	return 0;
}

static int
read_supers(struct fy_btrfs *fs, struct fy_volume *const *v, size_t n,
	    struct fy_error *err)
{
	struct fy_btrfs_super s;
	size_t i;

	for (i = 0; i < n; i++) {
		if (fy_btrfs_read_super(v[i], fs->flags, &s, err) == -1)
			return -1;
		if (s.devices != n)
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "it is on %" PRIu64
					    " devices, of which %zu %s here",
					    s.devices, n,
					    n == 1 ? "is" : "are");
		if (i == 0)
			fs->super = s;
		else if (!is_same_state(&fs->super, &s))
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "the states of its devices are of "
					    "different ages");
		if (fy_btrfs_judge_super(v[i], &s, fs->flags, err) == -1 ||
		    add_device(fs, v[i], &s, err) == -1)
			return -1;
	}
	return 0;
}

/* --- chunks --------------------------------------------------------------------- */

/* The array in the superblock: keys, each with its chunk item. */
static int
read_array(struct fy_btrfs *fs, struct fy_error *err)
{
	const unsigned char *b = fs->super.array;
	size_t left = fs->super.array_bytes, len;

	while (left > 0) {
		if (left < 17 + 48)
			break;
		len = 48 + 32 * (size_t)fy_get_le16(b + 17 + 44);
		if (b[8] != FY_BTRFS_CHUNK_ITEM || left - 17 < len)
			break;
		if (fy_btrfs_add_chunk(fs, &fs->chunks, fy_get_le64(b + 9),
				       b + 17, len, err) == -1)
			return -1;
		b += 17 + len;
		left -= 17 + len;
	}
	if (left > 0 || fs->chunks.n == 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the superblock's list of chunks is "
				    "damaged");
	return fy_btrfs_sort_chunks(&fs->chunks, err);
}

struct chunk_walk {
	struct fy_btrfs *fs;
	struct fy_btrfs_chunks *to;
};

static int
take_device(struct fy_btrfs *fs, uint64_t id, const unsigned char *item,
	    uint32_t len, struct fy_error *err)
{
	struct fy_btrfs_device *d = NULL;
	size_t i;

	for (i = 0; i < fs->n_devices; i++)
		if (fs->devices[i].id == id)
			d = &fs->devices[i];
	if (d == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "its device %" PRIu64 " is not here", id);
	if (len != DEV_ITEM_BYTES || fy_get_le64(item) != id ||
	    memcmp(item + 66, d->uuid, 16) != 0 ||
	    memcmp(item + 82, fs->super.header_fsid, 16) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "device %" PRIu64
				    " is not the one in its chunk tree",
				    id);
	d->bytes = fy_get_le64(item + 8);
	d->listed = true;
	if (d->bytes > fy_volume_size(d->volume))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "it claims to reach behind the end of its "
				    "partition");
	return 0;
}

static int
take_chunk_item(void *arg, const struct fy_btrfs_key *key,
		const unsigned char *item, uint32_t len, struct fy_error *err)
{
	const struct chunk_walk *w = arg;

	if (key->type == FY_BTRFS_DEV_ITEM)
		return take_device(w->fs, key->offset, item, len, err);
	if (key->type == FY_BTRFS_CHUNK_ITEM)
		return fy_btrfs_add_chunk(w->fs, w->to, key->offset, item, len,
					  err);
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "its chunk tree has items that this program does "
			    "not know (type %u)",
			    key->type);
}

/* Each chunk of the superblock is in the tree, too. */
static int
check_array(const struct fy_btrfs_chunks *array,
	    const struct fy_btrfs_chunks *all, struct fy_error *err)
{
	size_t i, k;

	for (i = 0; i < array->n; i++) {
		const struct fy_btrfs_chunk *a = &array->items[i];
		const struct fy_btrfs_chunk *b =
			fy_btrfs_find_chunk(all, a->start);
		bool same = b != NULL && b->start == a->start &&
			    b->length == a->length && b->flags == a->flags &&
			    b->stripes == a->stripes;

		for (k = 0; same && k < a->stripes; k++) {
			const struct fy_btrfs_stripe *x =
				&array->stripes[a->first_stripe + k];
			const struct fy_btrfs_stripe *y =
				&all->stripes[b->first_stripe + k];

			same = x->at == y->at && x->device == y->device;
		}
		if (!same)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "chunk %" PRIu64
					    " in the superblock is not as in "
					    "the chunk tree",
					    a->start);
	}
	return 0;
}

static int
read_chunk_tree(struct fy_btrfs *fs, struct fy_error *err)
{
	struct fy_btrfs_chunks all = { 0 };
	struct chunk_walk w = { fs, &all };
	size_t i;

	if (fy_btrfs_walk(fs, &fs->super.chunk_root, NULL, take_chunk_item, &w,
			  err) == -1 ||
	    fy_btrfs_sort_chunks(&all, err) == -1 ||
	    check_array(&fs->chunks, &all, err) == -1) {
		fy_btrfs_release_chunks(&all);
		return -1;
	}
	fy_btrfs_release_chunks(&fs->chunks);
	fs->chunks = all;
	for (i = 0; i < fs->n_devices; i++)
		if (!fs->devices[i].listed)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "device %" PRIu64
					    " is not in its chunk tree",
					    fs->devices[i].id);
	return 0;
}

int
fy_btrfs_open(struct fy_volume *const *v, size_t n, enum fy_btrfs_flags flags,
	      const struct fy_stop *stop, struct fy_btrfs *ret,
	      struct fy_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->flags = flags;
	ret->stop = stop;
	ret->devices = calloc(n, sizeof(*ret->devices));
	if (ret->devices == NULL)
		return fy_error_nomem(err);
	if (read_supers(ret, v, n, err) == -1 || read_array(ret, err) == -1)
		return -1;
	return read_chunk_tree(ret, err);
}
