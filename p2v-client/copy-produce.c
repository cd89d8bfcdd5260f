/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The producer of both passes: which units are wanted, and their bytes.  Batches are
 * aligned to their own size, so reads are large and aligned whatever the unit.
 * A range of units that hold nothing is one job without bytes, found by the
 * next used extent, so that an empty disk of 16 TiB is a handful of jobs.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "p2v-client/copy-job.h"

/* ", volume p2 (ext4)" for the place on the disk; "" when there is none. */
static void
describe_place(const struct fy_disk_map *map, uint64_t at, char *ret,
	       size_t ret_size)
{
	size_t i;

	ret[0] = '\0';
	for (i = 0; i < map->n_volumes; i++) {
		const struct fy_disk_volume *v = &map->volumes[i];

		if (at < v->start || at - v->start >= v->length)
			continue;
		snprintf(ret, ret_size, ", volume %s%s%s%s", v->path,
			 v->filesystem != NULL ? " (" : "",
			 v->filesystem != NULL ? v->filesystem : "",
			 v->filesystem != NULL ? ")" : "");
		return;
	}
}

/* Read the wanted units [from, to) of the batch, which follow each other. */
static int
read_units(struct fy_copy_producer *p, struct fy_copy_job *job, uint64_t from,
	   uint64_t to, struct fy_error *err)
{
	const struct fy_copy_disk *d = &p->copy->disks[p->disk];
	uint32_t used[FY_BATCH_UNITS] = { 0 }, unit = d->wire->unit_bytes;
	uint64_t bad = UINT64_MAX, i;
	char place[160];

	if (fy_reader_fill(&p->reader, (job->first + from) * unit,
			   job->data + from * unit, (to - from) * unit, unit,
			   used, &bad, err) == -1) {
		if (bad == UINT64_MAX)
			return fy_error_prefix(err, "cannot read the disk");
		err->code = FY_E_UNREADABLE;
		describe_place(d->map, bad, place, sizeof(place));
		return fy_error_prefix(
			err, "cannot read disk %s%s, sector %llu",
			fy_volume_name(d->volume), place,
			(unsigned long long)(bad / fy_volume_sector_bytes(
							   d->volume)));
	}
	for (i = from; i < to; i++)
		job->units[i].used_bytes = used[i - from];
	return 0;
}

static int
fill_batch(struct fy_copy_producer *p, struct fy_copy_job *job,
	   struct fy_error *err)
{
	const struct fy_copy_disk *d = &p->copy->disks[p->disk];
	const struct fy_peer_disk *w = d->wire;
	uint64_t from = 0, i, wanted = 0;

	for (i = 0; i < job->count; i++) {
		memset(&job->units[i], 0, sizeof(job->units[i]));
		job->units[i].wanted =
			fy_unit_set_has(&w->durable, job->first + i) ==
			p->checking;
		wanted += job->units[i].wanted;
		job->units[i].known = p->checking && d->known != NULL &&
				      fy_known_get(d->known, job->first + i,
						   &job->units[i].digest);
	}
	for (i = 0; i <= job->count; i++) {
		if (i < job->count && job->units[i].wanted &&
		    !job->units[i].known)
			continue;
		if (from < i && read_units(p, job, from, i, err) == -1)
			return -1;
		from = i + 1;
	}
	job->cpu_ns = 0;
	if (!p->checking && w->any_codec)
		job->choice = fy_chooser_next(p->copy->chooser,
					      wanted * w->unit_bytes);
	else
		job->choice = (struct fy_choice){ w->codec, w->level, 0 };
	return 0;
}

/* The units from 'unit' on that hold nothing and are wanted. */
static int
count_empty(struct fy_copy_producer *p, uint64_t unit, uint64_t *ret,
	    struct fy_error *err)
{
	const struct fy_peer_disk *w = p->copy->disks[p->disk].wire;
	uint64_t at, end;

	if (fy_reader_next_used(&p->reader, unit * w->unit_bytes, &at, err) ==
	    -1)
		return -1;
	end = at == UINT64_MAX ? w->units : at / w->unit_bytes;
	*ret = 0;
	if (end > unit)
		*ret = fy_min_u64(end,
				  fy_unit_set_next(&w->durable, unit, true)) -
		       unit;
	return 0;
}

/* Go to the next wanted unit, on this disk or a later one.  0: no more. */
static int
find_unit(struct fy_copy_producer *p, uint64_t *ret, struct fy_error *err)
{
	for (; p->disk < p->copy->n_disks; p->disk++, p->reading = false) {
		const struct fy_copy_disk *d = &p->copy->disks[p->disk];

		if (!p->reading) {
			if (fy_reader_init(&p->reader, d->volume, d->map->used,
					   err) == -1)
				return -1;
			p->reader.rescue = d->rescue;
			p->reading = true;
			p->next = 0;
		}
		*ret = fy_unit_set_next(&d->wire->durable, p->next,
					p->checking);
		if (*ret < d->wire->units)
			return 1;
	}
	return 0;
}

int
fy_copy_produce(struct fy_copy_producer *p, struct fy_copy_job *job,
		struct fy_error *err)
{
	uint64_t unit = 0, empty = 0, batch;
	const struct fy_peer_disk *w;
	int r = find_unit(p, &unit, err);

	if (r != 1)
		return r;
	if (!p->checking && count_empty(p, unit, &empty, err) == -1)
		return -1;
	w = p->copy->disks[p->disk].wire;
	job->disk = (uint16_t)p->disk;
	job->first = unit;
	job->empty = empty > 0;
	if (job->empty) {
		job->count = empty;
	} else {
		batch = fy_max_u64(FY_BATCH_BYTES / w->unit_bytes, 1);
		job->count = fy_min_u64(fy_align_down(unit, batch) + batch,
					w->units) -
			     unit;
		if (fill_batch(p, job, err) == -1)
			return -1;
	}
	p->next = unit + job->count;
	return 1;
}

void
fy_copy_jobs_free(struct fy_copy_job **jobs, size_t n)
{
	size_t i;

	for (i = 0; jobs != NULL && i < n; i++) {
		if (jobs[i] == NULL)
			continue;
		free(jobs[i]->data);
		free(jobs[i]->packed);
		free(jobs[i]);
	}
	free(jobs);
}

int
fy_copy_jobs_new(size_t n, size_t batch_bytes, struct fy_copy_job ***ret,
		 struct fy_error *err)
{
	struct fy_copy_job **jobs = calloc(n, sizeof(*jobs));
	size_t i;

	for (i = 0; jobs != NULL && i < n; i++) {
		void *data = NULL;

		jobs[i] = calloc(1, sizeof(*jobs[i]));
		if (jobs[i] == NULL)
			break;
		if (posix_memalign(&data, 4096, batch_bytes) != 0)
			break;
		jobs[i]->data = data;
		jobs[i]->packed = malloc(batch_bytes);
		if (jobs[i]->packed == NULL)
			break;
	}
	if (jobs == NULL || i < n) {
		fy_copy_jobs_free(jobs, n);
		return fy_error_nomem(err);
	}
	*ret = jobs;
	return 0;
}
