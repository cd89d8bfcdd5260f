/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: the entries of a directory.  All of its index is gone through, in the
 * order in which it lies there: no collation, no tree that might loop.
 */
#include <inttypes.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "partclone/ntfs-io.h"

#define FIND_BUDGET FY_GIB /* of indexes */

#define INDEX	    "$I30"
#define INDEX_MAX   65536u
#define ENTRY_BYTES 16u
#define NAME_BYTES  66u /* of a file name, besides the name */
#define LAST_ENTRY  2u

struct walk {
	struct fy_ntfs *nt;
	uint64_t *budget;
	int (*each)(const struct fy_ntfs_entry *e, void *ctx,
		    struct fy_error *err);
	void *ctx;
};

/* The entries of an index header of 'len' bytes.  What is damaged ends it. */
static int
walk_entries(const struct walk *w, const unsigned char *header, size_t len,
	     struct fy_error *err)
{
	size_t at, end, n, key;
	const unsigned char *p;
	int r;

	if (len < 16)
		return 0;
	at = fy_get_le32(header);
	end = fy_min_u64(fy_get_le32(header + 4), len);
	while (at <= end && end - at >= ENTRY_BYTES) {
		struct fy_ntfs_entry e;

		p = header + at;
		n = fy_get_le16(p + 8);
		key = fy_get_le16(p + 10);
		if (n < ENTRY_BYTES || n > end - at || n % 8 != 0 ||
		    (fy_get_le16(p + 12) & LAST_ENTRY) != 0)
			return 0;
		at += n;
		if (key < NAME_BYTES || key > n - ENTRY_BYTES)
			continue;
		e.ref = fy_get_le64(p);
		e.name_units = p[ENTRY_BYTES + 64];
		e.space = p[ENTRY_BYTES + 65];
		e.name = p + ENTRY_BYTES + NAME_BYTES;
		if (2 * e.name_units > key - NAME_BYTES)
			continue;
		r = w->each(&e, w->ctx, err);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
walk_blocks(const struct walk *w, const struct fy_ntfs_stream *s,
	    uint32_t block_bytes, struct fy_error *err)
{
	fy_autofree unsigned char *block = malloc(block_bytes);
	uint64_t at, end = fy_min_u64(s->size, s->initialized);
	int r;

	if (block == NULL)
		return fy_error_nomem(err);
	for (at = 0; end - at >= block_bytes; at += block_bytes) {
		if (*w->budget < block_bytes)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "a directory is larger than any");
		*w->budget -= block_bytes;
		if (fy_stop_check(w->nt->stop, err) == -1 ||
		    fy_ntfs_stream_read(w->nt, s, at, block, block_bytes,
					err) == -1)
			return -1;
		if (!fy_ntfs_fixup(block, block_bytes, "INDX"))
			continue;
		r = walk_entries(w, block + 24, block_bytes - 24, err);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
no_directory(uint64_t number, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "MFT record %" PRIu64 " is no directory", number);
}

/* 'root' is the index's root: the head of its value is 16 bytes. */
static int
walk_index(const struct walk *w, uint64_t number, const unsigned char *record,
	   const struct fy_ntfs_stream *root, struct fy_error *err)
{
	struct fy_ntfs_stream blocks = { 0 };
	uint32_t block_bytes;
	int r;

	if (root->value == NULL || root->size < 32)
		return no_directory(number, err);
	block_bytes = fy_get_le32(root->value + 8);
	if (!fy_is_power_of_two(block_bytes) || block_bytes < 512 ||
	    block_bytes > INDEX_MAX)
		return no_directory(number, err);
	r = walk_entries(w, root->value + 16, (size_t)root->size - 16, err);
	if (r != 0)
		return r;
	r = fy_ntfs_open_stream(w->nt, number, record, FY_NTFS_INDEX_ALLOCATION,
				INDEX, &blocks, err);
	if (r == 1)
		r = blocks.value != NULL
			    ? no_directory(number, err)
			    : walk_blocks(w, &blocks, block_bytes, err);
	fy_ntfs_stream_release(&blocks);
	return r;
}

int
fy_ntfs_each_entry(struct fy_ntfs *nt, uint64_t number, uint64_t *budget,
		   int (*each)(const struct fy_ntfs_entry *e, void *ctx,
			       struct fy_error *err),
		   void *ctx, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(nt, err);
	const struct walk w = {
		.nt = nt, .budget = budget, .each = each, .ctx = ctx
	};
	struct fy_ntfs_stream root = { 0 };
	int r;

	if (record == NULL)
		return -1;
	r = fy_ntfs_read_record(nt, number, record, err);
	if (r == -1)
		return -1;
	if (r == 0 || !fy_ntfs_is_in_use(record) ||
	    !fy_ntfs_is_directory(record))
		return no_directory(number, err);
	r = fy_ntfs_open_stream(nt, number, record, FY_NTFS_INDEX_ROOT, INDEX,
				&root, err);
	if (r == 0)
		r = no_directory(number, err);
	else if (r == 1)
		r = walk_index(&w, number, record, &root, err);
	fy_ntfs_stream_release(&root);
	return r;
}

bool
fy_ntfs_same_name(const unsigned char *name, size_t units, const char *ascii)
{
	uint16_t c;
	size_t i;

	if (strlen(ascii) != units)
		return false;
	for (i = 0; i < units; i++) {
		c = fy_get_le16(name + 2 * i);
		if (c >= 'A' && c <= 'Z')
			c = (uint16_t)(c - 'A' + 'a');
		if (c != (unsigned char)ascii[i])
			return false;
	}
	return true;
}

struct wanted {
	char name[64];
	uint64_t ref;
};

static int
compare_entry(const struct fy_ntfs_entry *e, void *ctx, struct fy_error *err)
{
	struct wanted *w = ctx;

	(void)err;
	if (!fy_ntfs_same_name(e->name, e->name_units, w->name))
		return 0;
	w->ref = e->ref;
	return 1;
}

int
fy_ntfs_find(struct fy_ntfs *nt, const char *path, uint64_t *ret,
	     struct fy_error *err)
{
	uint64_t budget = fy_min_u64(nt->total_bytes, FIND_BUDGET);
	uint64_t number = FY_NTFS_ROOT;
	struct wanted w;
	size_t len;
	int r;

	while (*path != '\0') {
		len = strcspn(path, "/");
		if (len == 0 || len >= sizeof(w.name))
			return 0;
		memcpy(w.name, path, len);
		w.name[len] = '\0';
		r = fy_ntfs_each_entry(nt, number, &budget, compare_entry, &w,
				       err);
		if (r != 1)
			return r;
		number = fy_ntfs_ref_number(w.ref);
		path += len;
		path += *path == '/';
	}
	*ret = number;
	return 1;
}
