/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MBR: four primary entries, and the chain of extended boot records (EBR) in
 * each extended one.
 *
 * Numbers are Linux's: 1 to 4 by slot, logical ones from 5 in the order of the
 * chain.  In an EBR, partitions count from the EBR itself and the link to the
 * next one from the start of the extended partition.  A chain that leaves its
 * extended partition, comes back to a sector, or is longer than MAX_LOGICAL
 * can't be followed to its end: the table is distrusted, so that whatever lies
 * behind is copied.
 */
#include "partclone/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"

#define MAX_LOGICAL 256

struct chain {
	struct fy_volume *disk;
	struct fy_table *table;
	uint64_t first, count; /* the extended partition, sectors */
	uint64_t seen[MAX_LOGICAL];
	size_t n_seen;
	unsigned *next_number;
};

bool
fy_mbr_decode(const unsigned char *sector, struct fy_mbr_entry ret[4])
{
	const unsigned char *p = sector + 446;
	int i;

	if (sector[510] != 0x55 || sector[511] != 0xaa)
		return false;
	for (i = 0; i < 4; i++, p += 16) {
		ret[i].flag = p[0];
		ret[i].type = p[4];
		ret[i].start = fy_get_le32(p + 8);
		ret[i].count = fy_get_le32(p + 12);
	}
	return true;
}

static bool
is_used(const struct fy_mbr_entry *e)
{
	return e->type != 0 && e->count != 0;
}

static bool
is_extended(const struct fy_mbr_entry *e)
{
	return e->type == 0x05 || e->type == 0x0f || e->type == 0x85;
}

bool
fy_mbr_is_plausible(const struct fy_mbr_entry e[4])
{
	bool any = false;
	int i;

	for (i = 0; i < 4; i++) {
		if (e[i].flag != 0 && e[i].flag != 0x80)
			return false;
		if (!is_used(&e[i]))
			continue;
		if (e[i].start == 0 && e[i].type != 0xee)
			return false;
		any = true;
	}
	return any;
}

bool
fy_mbr_is_protective(const struct fy_mbr_entry e[4])
{
	int i;

	for (i = 0; i < 4; i++)
		if (e[i].type == 0xee)
			return true;
	return false;
}

/* Append a partition; one that reaches outside the disk is distrusted, and cut
 * so that it can still be shown. */
static int
add_partition(struct fy_volume *disk, struct fy_table *t, unsigned number,
	      uint64_t start, const struct fy_mbr_entry *e,
	      struct fy_error *err)
{
	uint64_t size = fy_volume_size(disk);
	struct fy_partition *p;

	if (start >= size / t->sector_bytes)
		return fy_table_distrust(t, err,
					 "partition %u begins behind the end "
					 "of the disk",
					 number);
	p = fy_table_add_partition(t, err);
	if (p == NULL)
		return -1;
	p->number = number;
	p->start = start * t->sector_bytes;
	p->length = (uint64_t)e->count * t->sector_bytes;
	p->boot = e->flag == 0x80;
	snprintf(p->type, sizeof(p->type), "0x%02x", e->type);
	if (t->uuid[0] != '\0')
		snprintf(p->partuuid, sizeof(p->partuuid), "%.8s-%02x", t->uuid,
			 number);
	if (p->length > size - p->start) {
		p->length = size - p->start;
		return fy_table_distrust(t, err,
					 "partition %u reaches behind the end "
					 "of the disk",
					 number);
	}
	return 0;
}

static int
check_link(struct chain *c, uint64_t at, struct fy_error *err)
{
	size_t i;

	if (at < c->first || at >= c->first + c->count)
		return fy_table_distrust(c->table, err,
					 "the chain of logical partitions "
					 "leaves its extended partition");
	for (i = 0; i < c->n_seen; i++)
		if (c->seen[i] == at)
			return fy_table_distrust(c->table, err,
						 "the chain of logical "
						 "partitions is a loop");
	if (c->n_seen == MAX_LOGICAL)
		return fy_table_distrust(c->table, err,
					 "more than %d logical partitions",
					 MAX_LOGICAL);
	c->seen[c->n_seen++] = at;
	return 0;
}

/* The partitions of one EBR; '*ret_next' is the sector of the next, 0: none. */
static int
read_ebr(struct chain *c, uint64_t at, const struct fy_mbr_entry e[4],
	 uint64_t *ret_next, struct fy_error *err)
{
	int i;

	*ret_next = 0;
	for (i = 0; i < 4; i++) {
		if (!is_used(&e[i]))
			continue;
		if (is_extended(&e[i])) {
			if (*ret_next == 0)
				*ret_next = c->first + e[i].start;
			continue;
		}
		/* The last two slots hold rubbish now and then; what doesn't
		 * fit there is no partition for Linux either. */
		if (i >= 2 && (uint64_t)e[i].start + e[i].count > c->count)
			continue;
		if (add_partition(c->disk, c->table, *c->next_number,
				  at + e[i].start, &e[i], err) == -1)
			return -1;
		++*c->next_number;
	}
	return 0;
}

static int
read_chain(struct chain *c, struct fy_error *err)
{
	uint32_t sector = c->table->sector_bytes;
	unsigned char buf[FY_MBR_BYTES];
	struct fy_mbr_entry e[4];
	uint64_t at = c->first, next;

	for (;;) {
		if (check_link(c, at, err) == -1)
			return -1;
		if (c->table->distrust != NULL)
			return 0;
		if (at >= fy_volume_size(c->disk) / sector)
			return fy_table_distrust(c->table, err,
						 "an extended boot record is "
						 "behind the end of the disk");
		if (fy_volume_pread(c->disk, buf, sizeof(buf), at * sector,
				    err) == -1)
			return -1;
		if (fy_table_add_must(c->table, at * sector, sector, err) == -1)
			return -1;
		if (!fy_mbr_decode(buf, e)) {
			/* Freshly made and still empty. */
			if (c->n_seen == 1 && fy_is_zero(buf, sizeof(buf)))
				return 0;
			return fy_table_distrust(c->table, err,
						 "the extended boot record in "
						 "sector %" PRIu64
						 " is damaged",
						 at);
		}
		if (read_ebr(c, at, e, &next, err) == -1)
			return -1;
		if (next == 0)
			return 0;
		at = next;
	}
}

int
fy_mbr_read(struct fy_volume *disk, const unsigned char *sector,
	    struct fy_table *t, struct fy_error *err)
{
	uint32_t signature = fy_get_le32(sector + 440);
	struct fy_mbr_entry e[4];
	unsigned number = 5;
	unsigned i;

	if (!fy_mbr_decode(sector, e))
		return 0;
	t->kind = FY_TABLE_MBR;
	if (signature != 0)
		snprintf(t->uuid, sizeof(t->uuid), "%08" PRIx32, signature);
	if (fy_table_add_must(t, 0, t->sector_bytes, err) == -1)
		return -1;
	for (i = 0; i < 4; i++)
		if (is_used(&e[i]) && !is_extended(&e[i]) &&
		    add_partition(disk, t, i + 1, e[i].start, &e[i], err) == -1)
			return -1;
	for (i = 0; i < 4; i++) {
		struct chain c = {
			.disk = disk,
			.table = t,
			.first = e[i].start,
			.count = e[i].count,
			.next_number = &number,
		};

		if (is_used(&e[i]) && is_extended(&e[i]) &&
		    read_chain(&c, err) == -1)
			return -1;
	}
	return 0;
}
