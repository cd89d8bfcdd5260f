/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which table a disk has.
 *
 * A GPT counts when sector 0 says so by a protective entry, as for Linux and
 * libblkid, or when sector 0 holds no table at all and the primary GPT is intact
 * (or sector 0 was wiped and the backup is).  Where sector 0 holds an ordinary MBR, a GPT beside it is
 * a leftover.  It is looked for with the volume's own sector size, then with
 * 512 and 4096.
 *
 * A boot sector of FAT or NTFS ends in 0x55 0xaa as an MBR does; its code is
 * no plausible table in nearly all cases, and who calls this looks for a
 * filesystem on the whole disk first.
 */
#include "partclone/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define MAX_WARNINGS 64

void
fy_table_free(struct fy_table *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->n_warnings; i++)
		free(t->warnings[i]);
	free(t->warnings);
	free(t->partitions);
	free(t->must);
	free(t->distrust);
	free(t);
}

int
fy_table_warn(struct fy_table *t, struct fy_error *err, const char *fmt, ...)
{
	char **grown;
	va_list ap;
	int r;

	if (t->n_warnings >= MAX_WARNINGS)
		return 0;
	grown = realloc(t->warnings, (t->n_warnings + 2) * sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	t->warnings = grown;
	va_start(ap, fmt);
	r = vasprintf(&grown[t->n_warnings], fmt, ap);
	va_end(ap);
	if (r == -1) {
		grown[t->n_warnings] = NULL;
		return fy_error_nomem(err);
	}
	grown[++t->n_warnings] = NULL;
	return 0;
}

int
fy_table_distrust(struct fy_table *t, struct fy_error *err, const char *fmt,
		  ...)
{
	va_list ap;
	int r;

	if (t->distrust != NULL)
		return 0;
	va_start(ap, fmt);
	r = vasprintf(&t->distrust, fmt, ap);
	va_end(ap);
	if (r == -1) {
		t->distrust = NULL;
		return fy_error_nomem(err);
	}
	return 0;
}

int
fy_table_add_must(struct fy_table *t, uint64_t offset, uint64_t length,
		  struct fy_error *err)
{
	struct fy_extent *grown;

	grown = realloc(t->must, (t->n_must + 1) * sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	t->must = grown;
	t->must[t->n_must++] = (struct fy_extent){ offset, length };
	return 0;
}

struct fy_partition *
fy_table_add_partition(struct fy_table *t, struct fy_error *err)
{
	struct fy_partition *grown;

	/* Room grows by doubling: powers of two from 4. */
	if (t->n_partitions == 0 ||
	    (t->n_partitions >= 4 && fy_is_power_of_two(t->n_partitions))) {
		size_t room = t->n_partitions == 0 ? 4 : t->n_partitions * 2;

		grown = realloc(t->partitions, room * sizeof(*grown));
		if (grown == NULL) {
			fy_error_nomem(err);
			return NULL;
		}
		t->partitions = grown;
	}
	grown = &t->partitions[t->n_partitions++];
	memset(grown, 0, sizeof(*grown));
	return grown;
}

static int
by_start(const void *a, const void *b)
{
	const struct fy_partition *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Sort, and distrust partitions that overlap each other or the table. */
static int
check_overlap(struct fy_table *t, struct fy_error *err)
{
	uint64_t end = 0;
	unsigned before = 0;
	size_t i, k;

	fy_sort(t->partitions, t->n_partitions, sizeof(*t->partitions),
		by_start);
	for (i = 0; i < t->n_partitions; i++) {
		const struct fy_partition *p = &t->partitions[i];

		if (p->start < end &&
		    fy_table_distrust(t, err, "partitions %u and %u overlap",
				      before, p->number) == -1)
			return -1;
		if (p->start + p->length > end) {
			end = p->start + p->length;
			before = p->number;
		}
		for (k = 0; k < t->n_must; k++)
			if (t->must[k].offset < p->start + p->length &&
			    p->start < t->must[k].offset + t->must[k].length &&
			    fy_table_distrust(t, err,
					      "partition %u overlaps the "
					      "partition table itself",
					      p->number) == -1)
				return -1;
	}
	return 0;
}

static int
look_for_gpt(struct fy_volume *disk, bool backup_too, struct fy_table *t,
	     struct fy_error *err)
{
	uint32_t own = fy_volume_sector_bytes(disk);
	const uint32_t sizes[] = { own, 512, 4096 };
	size_t i;
	int r;

	for (i = 0; i < 3; i++) {
		if ((sizes[i] != 512 && sizes[i] != 4096) ||
		    (i > 0 && sizes[i] == own))
			continue;
		r = fy_gpt_read(disk, sizes[i], backup_too, t, err);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
read_mbr(struct fy_volume *disk, const unsigned char *sector,
	 struct fy_table *t, struct fy_error *err)
{
	struct fy_table other = { 0 };
	fy_autofree char *ignored = NULL;
	size_t i;
	int r;

	if (fy_mbr_read(disk, sector, t, err) == -1)
		return -1;
	other.sector_bytes = t->sector_bytes;
	r = look_for_gpt(disk, false, &other, err);
	for (i = 0; i < other.n_warnings; i++)
		free(other.warnings[i]);
	free(other.warnings);
	free(other.partitions);
	free(other.must);
	ignored = other.distrust;
	if (r == 1)
		return fy_table_warn(t, err,
				     "a GPT that no protective entry points at "
				     "is left over beside the MBR");
	return r;
}

static int
choose(struct fy_volume *disk, struct fy_table *t, struct fy_error *err)
{
	unsigned char sector[FY_MBR_BYTES];
	struct fy_mbr_entry e[4];
	bool is_mbr;
	int i, r, used = 0;

	if (fy_volume_pread(disk, sector, sizeof(sector), 0, err) == -1)
		return -1;
	is_mbr = fy_mbr_decode(sector, e);
	if (is_mbr && !fy_mbr_is_protective(e)) {
		if (fy_mbr_is_plausible(e) || fy_is_zero(sector + 446, 64))
			return read_mbr(disk, sector, t, err);
		return 0;
	}
	r = look_for_gpt(disk, is_mbr || fy_is_zero(sector, sizeof(sector)), t,
			 err);
	if (r == -1)
		return -1;
	if (r == 0 && is_mbr)
		return fy_table_distrust(
			t, err,
			"sector 0 says that a GPT follows, but "
			"neither copy of it is intact");
	if (r == 1 && !is_mbr) {
		t->keep_gaps = true;
		return fy_table_warn(t, err,
				     "sector 0 lacks the entry that protects "
				     "the GPT");
	}
	for (i = 0; is_mbr && i < 4; i++)
		used += e[i].type != 0;
	if (used > 1)
		return fy_table_warn(t, err,
				     "a hybrid MBR: its own partitions are "
				     "not looked at, the GPT's are");
	return 0;
}

int
fy_table_read(struct fy_volume *disk, struct fy_table **ret,
	      struct fy_error *err)
{
	FY_AUTO(table) struct fy_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return fy_error_nomem(err);
	t->sector_bytes = fy_volume_sector_bytes(disk);
	if (fy_volume_size(disk) >= FY_MBR_BYTES && choose(disk, t, err) == -1)
		return fy_error_prefix(err, "partition table");
	if (check_overlap(t, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&t);
	return 0;
}
