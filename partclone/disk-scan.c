/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of a disk, whether it counts, and a node for each place.
 *
 * A disk without a table is one volume.  A disk whose table can't be believed,
 * or that carries both a table and something that owns the whole disk (a RAID
 * member, a filesystem from sector 0 on), is copied whole: its partitions are
 * shown, but no map of theirs is used, for they may be no partitions at all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "partclone/disk-build.h"
#include "partclone/signature.h"

static bool
lies_in_partition(const struct fy_table *t, uint64_t at)
{
	size_t i;

	for (i = 0; i < t->n_partitions; i++)
		if (at >= t->partitions[i].start &&
		    at - t->partitions[i].start < t->partitions[i].length)
			return true;
	return false;
}

/*
 * What owns the disk besides its table: '*ret' is its name, or NULL.  With a
 * GPT only members of arrays count, for its own sectors lie where filesystems
 * have theirs.  A swap's old signature costs nobody anything.
 */
static int
find_owner(struct fy_disk_build *b, const struct fy_fs_info *info,
	   const char **ret, struct fy_error *err)
{
	struct fy_signature_hit hits[FY_SIGNATURE_HITS];
	bool gpt = b->table->kind == FY_TABLE_GPT;
	size_t i, n;

	*ret = NULL;
	if (fy_signatures_find(b->look, hits, &n, err) == -1)
		return -1;
	for (i = 0; i < n && *ret == NULL; i++) {
		const struct fy_signature *s = hits[i].signature;

		if (lies_in_partition(b->table, hits[i].at))
			continue;
		if (s->class == FY_SIGNATURE_MEMBER ||
		    (s->class == FY_SIGNATURE_FILESYSTEM && !gpt))
			*ret = s->name;
	}
	if (*ret == NULL && !gpt && info->driver != NULL &&
	    info->driver != &fy_fs_swap)
		*ret = info->name;
	return 0;
}

static int
distrust_lost(struct fy_disk_build *b, const char *what, struct fy_error *err)
{
	return fy_table_distrust(b->table, err,
				 "a sector that may hold a %s can't be read "
				 "(at byte %llu)",
				 what, (unsigned long long)b->lost.first);
}

/* Decide whether the table holds, or the disk is one volume. */
static int
settle_table(struct fy_disk_build *b, struct fy_error *err)
{
	struct fy_table *t = b->table;
	struct fy_fs_info info;
	uint64_t lost = b->lost.n;
	const char *owner;

	b->is_one = t->kind == FY_TABLE_NONE;
	/* A GPT has two copies with checksums; nothing else has. */
	if (lost > 0 && t->kind != FY_TABLE_GPT &&
	    distrust_lost(b, "partition table", err) == -1)
		return -1;
	if (b->is_one)
		return 0;
	/* The sector of the primary header holds nothing else. */
	if (t->kind == FY_TABLE_GPT) {
		b->lost.fine_from = t->sector_bytes;
		b->lost.fine_to = 2 * t->sector_bytes;
	}
	lost = b->lost.n;
	if (fy_fs_identify(b->look, &info, err) == -1 ||
	    find_owner(b, &info, &owner, err) == -1)
		return -1;
	if (t->n_partitions == 0 && t->kind == FY_TABLE_MBR && owner != NULL &&
	    t->distrust == NULL) {
		b->is_one = true;
		return 0;
	}
	if (owner == NULL)
		return b->lost.n == lost ? 0
					 : distrust_lost(b, "signature", err);
	return fy_table_distrust(t, err,
				 "the disk carries a partition table and the "
				 "signature of %s on the whole disk",
				 owner);
}

static int
fill_header(struct fy_disk_build *b, struct fy_error *err)
{
	static const char *const names[] = { "none", "mbr", "gpt" };
	struct fy_table *t = b->table;
	size_t i;

	for (i = 0; i < t->n_warnings; i++)
		if (fy_disk_warn(b, err, "%s", t->warnings[i]) == -1)
			return -1;
	if (t->distrust != NULL &&
	    fy_disk_warn(b, err, "the whole disk is copied: %s", t->distrust) ==
		    -1)
		return -1;
	b->map->disk_bytes = fy_volume_size(b->disk);
	b->map->sector_bytes = t->sector_bytes;
	if (fy_disk_set_text(&b->map->table,
			     names[b->is_one ? FY_TABLE_NONE : t->kind],
			     err) == -1)
		return -1;
	return b->is_one ? 0
			 : fy_disk_set_text(&b->map->table_uuid, t->uuid, err);
}

/* A node for [start, start + length), and what lies there. */
static int
add_place(struct fy_disk_build *b, struct fy_stack *s, uint64_t start,
	  uint64_t length, const char *path, const char *type,
	  struct fy_error *err)
{
	fy_autovolume struct fy_volume *look = NULL;
	struct fy_volume *part = NULL;
	struct fy_node *n;
	uint64_t lost = b->lost.n;

	if (fy_volume_slice(b->disk, start, length, path, &part, err) == -1)
		return -1;
	n = fy_stack_add(s, b, path, part, err);
	if (n == NULL)
		return -1;
	b->places[b->n_places++] = n;
	n->start = start;
	n->type = type;
	n->closed = b->table->distrust;
	if (fy_volume_slice(b->look, start, length, path, &look, err) == -1 ||
	    fy_fs_identify(look, &n->info, err) == -1)
		return -1;
	n->lost = b->lost.n > lost;
	return 0;
}

static int
add_partitions(struct fy_disk_build *b, struct fy_stack *s,
	       struct fy_error *err)
{
	char path[16];
	size_t i;

	for (i = 0; i < b->table->n_partitions; i++) {
		const struct fy_partition *p = &b->table->partitions[i];

		snprintf(path, sizeof(path), "p%u", p->number);
		if (fy_stop_check(b->options->stop, err) == -1 ||
		    add_place(b, s, p->start, p->length, path, p->type, err) ==
			    -1)
			return -1;
	}
	return 0;
}

int
fy_disk_scan(struct fy_disk_build *b, struct fy_stack *s, struct fy_error *err)
{
	uint64_t size = fy_volume_size(b->disk);

	if (fy_table_read(b->look, &b->table, err) == -1 ||
	    settle_table(b, err) == -1 || fill_header(b, err) == -1)
		return -1;
	b->places = calloc(b->table->n_partitions + 1, sizeof(*b->places));
	if (b->places == NULL)
		return fy_error_nomem(err);
	if (!b->is_one)
		return add_partitions(b, s, err);
	return size == 0 ? 0 : add_place(b, s, 0, size, "disk", NULL, err);
}
