/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal: docs/journal.md.  Appended records are gathered in a buffer and
 * go to the file when it is full or at a sync.  In memory: a bitmap for each
 * disk.  Digest and place are read back from the file; where a unit's record
 * lies is told by the scratch index (record number + 1, 0: none).
 *
 * When a write or sync fails, what reached the medium is unknown, so the
 * journal refuses everything from then on; it is opened anew to go on.
 */
#include "imaging/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "imaging/journal-index.h"
#include "imaging/journal-pins.h"

#define RECORD	      FY_JOURNAL_RECORD
#define BATCH_RECORDS 1024u
#define MAX_DISKS     64u
#define STAGE_BYTES   16u

enum record_type { RECORD_UNIT = 1, RECORD_FORGET = 2, RECORD_STAGE = 3 };

struct disk {
	uint64_t units, count, end;
	uint64_t base; /* of its first unit in the index */
	unsigned char *bits;
};

struct fy_journal {
	int fd;
	uint64_t header_bytes;
	uint64_t records; /* appended so far */
	uint64_t written; /* of them in the file */
	uint64_t synced;  /* of them durable */
	uint32_t forgets;
	bool failed;
	unsigned n_disks;
	struct disk disks[MAX_DISKS];
	struct fy_journal_index *index;
	char stage[STAGE_BYTES + 1];
	char note[256];
	unsigned char batch[BATCH_RECORDS * RECORD]; /* written .. records */
	/* Records read back, for fy_journal_get. */
	uint64_t window_first, window_count;
	unsigned char window[BATCH_RECORDS * RECORD];
};

/* --- records ---------------------------------------------------------------- */

static void
seal(struct fy_journal *j, unsigned char *r)
{
	uint64_t unsynced = j->records + 1 - j->synced;

	fy_put_le32(r + 48, (uint32_t)j->records);
	fy_put_le32(r + 52, j->forgets);
	fy_put_le32(r + 56, (uint32_t)fy_min_u64(unsynced, UINT32_MAX));
	fy_put_le32(r + 60, fy_crc32c(r, 60));
}

static bool
is_sealed(const unsigned char *r, uint64_t number)
{
	return fy_get_le32(r + 60) == fy_crc32c(r, 60) &&
	       fy_get_le32(r + 48) == (uint32_t)number;
}

static void
decode_place(const unsigned char *r, struct fy_place *ret)
{
	*ret = (struct fy_place){ .offset = fy_get_le64(r + 16),
				  .stored = fy_get_le32(r + 4),
				  .codec = r[1],
				  .mask = fy_get_le64(r + 24) };
}

static bool
is_set(const struct disk *d, uint64_t unit)
{
	return (d->bits[unit / 8] >> unit % 8 & 1) != 0;
}

static int
set_unit(struct fy_journal *j, struct disk *d, uint64_t unit,
	 const struct fy_place *place, uint64_t number, struct fy_error *err)
{
	if (fy_journal_index_set(j->index, d->base + unit, number + 1, err) ==
	    -1)
		return -1;
	d->bits[unit / 8] |= (unsigned char)(1u << unit % 8);
	d->count++;
	d->end = fy_max_u64(d->end, place->offset + place->stored);
	return 0;
}

static void
clear_unit(struct disk *d, uint64_t unit)
{
	d->bits[unit / 8] &= (unsigned char)~(1u << unit % 8);
	d->count--;
}

/* --- opening ---------------------------------------------------------------- */

/* Take over a sealed record: 1; 0 when it makes no sense; -1. */
static int
replay(struct fy_journal *j, const unsigned char *r, struct fy_error *err)
{
	unsigned disk = fy_get_le16(r + 2);
	uint64_t unit = fy_get_le64(r + 8), end;
	struct fy_place place;
	struct disk *d;

	if (r[0] == RECORD_STAGE) {
		if (fy_get_le32(r + 52) != j->forgets)
			return 0;
		fy_copy_field(j->stage, sizeof(j->stage), r + 32, STAGE_BYTES);
		return 1;
	}
	if (disk >= j->n_disks || unit >= j->disks[disk].units)
		return 0;
	d = &j->disks[disk];
	if (r[0] == RECORD_FORGET) {
		if (!is_set(d, unit) || fy_get_le32(r + 52) != j->forgets + 1)
			return 0;
		j->forgets++;
		clear_unit(d, unit);
		return 1;
	}
	decode_place(r, &place);
	if (r[0] != RECORD_UNIT || is_set(d, unit) ||
	    place.codec > FY_CODEC_DEFLATE ||
	    fy_get_le32(r + 52) != j->forgets ||
	    !fy_add_u64(place.offset, place.stored, &end))
		return 0;
	if (set_unit(j, d, unit, &place, j->records, err) == -1)
		return -1;
	return 1;
}

static int
read_records(struct fy_journal *j, uint64_t first, uint64_t total, size_t *ret,
	     struct fy_error *err)
{
	*ret = (size_t)fy_min_u64(BATCH_RECORDS, total - first);
	return fy_fd_pread_full(j->fd, j->window, *ret * RECORD,
				j->header_bytes + first * RECORD, err);
}

/*
 * The record number j->records is bad.  Look behind it: 1 when the journal may
 * be cut there, 0 when forget records may be lost by that, -1.
 */
static int
may_cut(struct fy_journal *j, uint64_t total, struct fy_error *err)
{
	uint64_t bad = j->records, first, number;
	bool damaged = false, forgot = false;
	size_t n, i;

	for (first = bad + 1; first < total; first += n) {
		if (read_records(j, first, total, &n, err) == -1)
			return -1;
		for (i = 0; i < n; i++) {
			const unsigned char *r = j->window + i * RECORD;
			uint32_t unsynced = fy_get_le32(r + 56);

			number = first + i;
			if (!is_sealed(r, number))
				continue;
			if (unsynced != UINT32_MAX && unsynced <= number &&
			    bad < number + 1 - unsynced)
				damaged = true;
			if (fy_get_le32(r + 52) != j->forgets)
				forgot = true;
		}
	}
	if (damaged)
		snprintf(j->note, sizeof(j->note),
			 "the journal is damaged at its record %llu of %llu: "
			 "%s",
			 (unsigned long long)bad, (unsigned long long)total,
			 forgot ? "the job starts from its beginning"
				: "what follows it is sent once more");
	return !(damaged && forgot);
}

static int
cut(struct fy_journal *j, struct fy_error *err)
{
	off_t length = (off_t)(j->header_bytes + j->records * RECORD);
	struct stat st;

	if (fstat(j->fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot look at the journal");
	if (st.st_size == length)
		return 0;
	if (ftruncate(j->fd, length) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot cut the journal");
	return fy_fd_sync(j->fd, err);
}

/* Replay the file.  1: done; 0: nothing of it may be believed; -1. */
static int
load(struct fy_journal *j, struct fy_error *err)
{
	uint64_t total, first;
	struct stat st;
	size_t n, i;
	int r = 1;

	if (fstat(j->fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot look at the journal");
	total = (uint64_t)st.st_size < j->header_bytes
			? 0
			: ((uint64_t)st.st_size - j->header_bytes) / RECORD;
	for (first = 0; r == 1 && first < total; first += n) {
		if (read_records(j, first, total, &n, err) == -1)
			return -1;
		for (i = 0; r == 1 && i < n; i++) {
			const unsigned char *record = j->window + i * RECORD;

			r = is_sealed(record, j->records)
				    ? replay(j, record, err)
				    : 0;
			if (r == 1)
				j->records++;
		}
	}
	if (r == 0)
		r = may_cut(j, total, err);
	if (r != 1)
		return r;
	if (cut(j, err) == -1)
		return -1;
	j->written = j->synced = j->records;
	return 1;
}

static int
make_disks(struct fy_journal *j, const struct fy_journal_shape *shape,
	   struct fy_error *err)
{
	uint64_t base = 0;
	unsigned i;

	for (i = 0; i < shape->n_disks; i++) {
		struct disk *d = &j->disks[i];

		d->units = shape->units[i];
		d->base = base;
		if (!fy_add_u64(base, d->units, &base) ||
		    base > UINT64_MAX / 16)
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "the disks have too many units");
		d->bits = calloc(1, (size_t)(d->units / 8 + 1));
		if (d->bits == NULL)
			return fy_error_nomem(err);
		j->n_disks++;
	}
	return 0;
}

static struct fy_journal *
journal_new(int dirfd, const struct fy_journal_shape *shape,
	    struct fy_error *err)
{
	struct fy_journal *j = calloc(1, sizeof(*j));

	if (j == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	j->fd = -1;
	j->index = fy_journal_index_new(dirfd, err);
	if (j->index == NULL || make_disks(j, shape, err) == -1) {
		fy_journal_close(j);
		return NULL;
	}
	return j;
}

static int
check_shape(const struct fy_journal_shape *old,
	    const struct fy_journal_shape *now, struct fy_error *err)
{
	unsigned i;

	if (old->n_disks != now->n_disks)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "an unfinished job is there that differs: "
				    "it has %u disks, not %u",
				    old->n_disks, now->n_disks);
	for (i = 0; i < old->n_disks; i++)
		if (old->units[i] != now->units[i])
			return fy_error_set(
				err, FY_E_EXISTS, 0,
				"an unfinished job is there that differs: its "
				"disk %u has %llu units, not %llu",
				i, (unsigned long long)old->units[i],
				(unsigned long long)now->units[i]);
	return 0;
}

/* Open what is there.  1, 0: there is nothing to go on with, -1. */
static int
open_old(int dirfd, const json_t *pins, const struct fy_journal_shape *shape,
	 struct fy_journal **ret, char note[256], struct fy_error *err)
{
	struct fy_error header_err = { 0 };
	fy_autojson json_t *old = NULL;
	struct fy_journal_shape old_shape;
	struct fy_journal *j;
	uint64_t header_bytes;
	fy_autofd int fd = -1;
	int r;

	fd = openat(dirfd, "journal", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot open the journal");
	if (fy_journal_read_header(fd, &old, &old_shape, &header_bytes,
				   &header_err) == -1) {
		if (header_err.code == FY_E_CORRUPT ||
		    header_err.code == FY_E_FORMAT) {
			snprintf(note, 256,
				 "the journal's header is damaged: the job "
				 "starts from its beginning");
			return 0;
		}
		*err = header_err;
		return -1;
	}
	if (fy_journal_compare_pins(old, pins, err) == -1 ||
	    check_shape(&old_shape, shape, err) == -1)
		return -1;
	j = journal_new(dirfd, shape, err);
	if (j == NULL)
		return -1;
	j->fd = fy_steal_fd(&fd);
	j->header_bytes = header_bytes;
	r = load(j, err);
	snprintf(note, 256, "%s", j->note);
	if (r == 1)
		*ret = j;
	else
		fy_journal_close(j);
	return r;
}

static int
create(int dirfd, const json_t *pins, const struct fy_journal_shape *shape,
       struct fy_journal **ret, struct fy_error *err)
{
	struct fy_journal *j = journal_new(dirfd, shape, err);
	fy_autojson json_t *back = NULL;
	struct fy_journal_shape same;

	if (j == NULL)
		return -1;
	if (fy_journal_write_header(dirfd, pins, shape, err) == -1)
		goto fail;
	j->fd = openat(dirfd, "journal", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd == -1) {
		fy_error_set(err, FY_E_IO, errno, "cannot open the journal");
		goto fail;
	}
	if (fy_journal_read_header(j->fd, &back, &same, &j->header_bytes,
				   err) == -1)
		goto fail;
	*ret = j;
	return 0;

fail:
	fy_journal_close(j);
	return -1;
}

int
fy_journal_open(int dirfd, const json_t *pins,
		const struct fy_journal_shape *shape, struct fy_journal **ret,
		bool *ret_resumed, struct fy_error *err)
{
	char note[256] = "";
	int r;

	if (shape->n_disks == 0 || shape->n_disks > MAX_DISKS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a journal for %u disks", shape->n_disks);
	r = open_old(dirfd, pins, shape, ret, note, err);
	if (r == 0 && create(dirfd, pins, shape, ret, err) == -1)
		r = -1;
	if (r == -1)
		return -1;
	memcpy((*ret)->note, note, sizeof(note));
	*ret_resumed = r == 1;
	return 0;
}

json_t *
fy_journal_read_pins(int dirfd, struct fy_error *err)
{
	struct fy_error header_err = { 0 };
	struct fy_journal_shape shape;
	fy_autofd int fd = -1;
	uint64_t header_bytes;
	json_t *pins = NULL;

	fd = openat(dirfd, "journal", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1) {
		fy_error_set(err, errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO,
			     errno, "cannot open the journal");
		return NULL;
	}
	if (fy_journal_read_header(fd, &pins, &shape, &header_bytes,
				   &header_err) == 0)
		return pins;
	if (header_err.code == FY_E_CORRUPT || header_err.code == FY_E_FORMAT)
		header_err.code = FY_E_NOTFOUND;
	*err = header_err;
	return NULL;
}

void
fy_journal_close(struct fy_journal *j)
{
	unsigned i;

	if (j == NULL)
		return;
	for (i = 0; i < MAX_DISKS; i++)
		free(j->disks[i].bits);
	fy_journal_index_free(j->index);
	if (j->fd != -1)
		close(j->fd);
	free(j);
}

/* --- questions -------------------------------------------------------------- */

const char *
fy_journal_note(const struct fy_journal *j)
{
	return j->note[0] != '\0' ? j->note : NULL;
}

bool
fy_journal_has(const struct fy_journal *j, unsigned disk, uint64_t unit)
{
	return disk < j->n_disks && unit < j->disks[disk].units &&
	       is_set(&j->disks[disk], unit);
}

uint64_t
fy_journal_count(const struct fy_journal *j, unsigned disk)
{
	return disk < j->n_disks ? j->disks[disk].count : 0;
}

uint64_t
fy_journal_end(const struct fy_journal *j, unsigned disk)
{
	return disk < j->n_disks ? j->disks[disk].end : 0;
}

void
fy_journal_bitmap(const struct fy_journal *j, unsigned disk, uint64_t first,
		  unsigned char *ret, size_t len)
{
	uint64_t from = first / 8, have;
	size_t n = 0;

	assert(first % 8 == 0);
	if (disk < j->n_disks) {
		have = (j->disks[disk].units + 7) / 8;
		if (from < have)
			n = (size_t)fy_min_u64(have - from, len);
		memcpy(ret, j->disks[disk].bits + (n > 0 ? from : 0), n);
	}
	memset(ret + n, 0, len - n);
}

bool
fy_journal_next(const struct fy_journal *j, unsigned disk, uint64_t *unit)
{
	const struct disk *d;
	uint64_t u = *unit;

	if (disk >= j->n_disks)
		return false;
	d = &j->disks[disk];
	while (u < d->units) {
		if (u % 8 == 0 && d->bits[u / 8] == 0) {
			u += 8;
			continue;
		}
		if (is_set(d, u)) {
			*unit = u;
			return true;
		}
		u++;
	}
	return false;
}

/* The record of that number, from the batch or the file. */
static const unsigned char *
find_record(struct fy_journal *j, uint64_t number, struct fy_error *err)
{
	uint64_t first = number - number % BATCH_RECORDS;
	size_t n;

	if (number >= j->written)
		return j->batch + (number - j->written) * RECORD;
	if (number < j->window_first ||
	    number - j->window_first >= j->window_count) {
		j->window_count = 0;
		if (read_records(j, first, j->written, &n, err) == -1)
			return NULL;
		j->window_first = first;
		j->window_count = n;
	}
	return j->window + (number - j->window_first) * RECORD;
}

int
fy_journal_get(struct fy_journal *j, unsigned disk, uint64_t unit,
	       struct fy_digest *ret_digest, struct fy_place *ret_place,
	       struct fy_error *err)
{
	const unsigned char *r;
	uint64_t number;

	if (!fy_journal_has(j, disk, unit))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "unit %llu of disk %u is not durable",
				    (unsigned long long)unit, disk);
	if (fy_journal_index_get(j->index, j->disks[disk].base + unit, &number,
				 err) == -1)
		return -1;
	assert(number > 0 && number <= j->records);
	r = find_record(j, number - 1, err);
	if (r == NULL)
		return -1;
	if (!is_sealed(r, number - 1) || r[0] != RECORD_UNIT ||
	    fy_get_le16(r + 2) != disk || fy_get_le64(r + 8) != unit)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the journal's record %llu was changed",
				    (unsigned long long)(number - 1));
	decode_place(r, ret_place);
	memcpy(ret_digest->bytes, r + 32, FY_DIGEST_BYTES);
	return 0;
}

/* --- appending -------------------------------------------------------------- */

static int
flush(struct fy_journal *j, struct fy_error *err)
{
	size_t bytes = (size_t)(j->records - j->written) * RECORD;

	if (j->failed)
		return fy_error_set(err, FY_E_IO, 0,
				    "the journal could not be written before");
	if (bytes == 0)
		return 0;
	if (fy_fd_pwrite_full(j->fd, j->batch, bytes,
			      j->header_bytes + j->written * RECORD,
			      err) == -1) {
		j->failed = true;
		return fy_error_prefix(err, "the journal");
	}
	j->written = j->records;
	return 0;
}

/* Room for one more record, all zero. */
static unsigned char *
begin(struct fy_journal *j, struct fy_error *err)
{
	unsigned char *r;

	if ((j->failed || j->records - j->written == BATCH_RECORDS) &&
	    flush(j, err) == -1)
		return NULL;
	r = j->batch + (j->records - j->written) * RECORD;
	memset(r, 0, RECORD);
	return r;
}

static int
check_unit(const struct fy_journal *j, unsigned disk, uint64_t unit,
	   struct fy_error *err)
{
	if (disk < j->n_disks && unit < j->disks[disk].units)
		return 0;
	return fy_error_set(err, FY_E_PROTOCOL, 0,
			    "there is no unit %llu on disk %u",
			    (unsigned long long)unit, disk);
}

int
fy_journal_append(struct fy_journal *j, unsigned disk, uint64_t unit,
		  const struct fy_digest *digest, const struct fy_place *place,
		  struct fy_error *err)
{
	unsigned char *r;

	if (check_unit(j, disk, unit, err) == -1)
		return -1;
	if (is_set(&j->disks[disk], unit))
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "unit %llu of disk %u is durable already",
				    (unsigned long long)unit, disk);
	r = begin(j, err);
	if (r == NULL)
		return -1;
	r[0] = RECORD_UNIT;
	r[1] = place->codec;
	fy_put_le16(r + 2, (uint16_t)disk);
	fy_put_le32(r + 4, place->stored);
	fy_put_le64(r + 8, unit);
	fy_put_le64(r + 16, place->offset);
	fy_put_le64(r + 24, place->mask);
	memcpy(r + 32, digest->bytes, FY_DIGEST_BYTES);
	seal(j, r);
	if (set_unit(j, &j->disks[disk], unit, place, j->records, err) == -1)
		return -1;
	j->records++;
	return 0;
}

int
fy_journal_forget(struct fy_journal *j, unsigned disk, uint64_t unit,
		  struct fy_error *err)
{
	unsigned char *r;

	if (!fy_journal_has(j, disk, unit))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "unit %llu of disk %u is not durable",
				    (unsigned long long)unit, disk);
	r = begin(j, err);
	if (r == NULL)
		return -1;
	r[0] = RECORD_FORGET;
	fy_put_le16(r + 2, (uint16_t)disk);
	fy_put_le64(r + 8, unit);
	j->forgets++;
	seal(j, r);
	clear_unit(&j->disks[disk], unit);
	j->records++;
	return 0;
}

int
fy_journal_sync(struct fy_journal *j, struct fy_error *err)
{
	if (flush(j, err) == -1)
		return -1;
	if (j->synced == j->written)
		return 0;
	if (fy_fd_datasync(j->fd, err) == -1) {
		j->failed = true;
		return fy_error_prefix(err, "the journal");
	}
	j->synced = j->written;
	return 0;
}

int
fy_journal_set_stage(struct fy_journal *j, const char *stage,
		     struct fy_error *err)
{
	size_t len = strlen(stage);
	unsigned char *r;

	if (len > STAGE_BYTES)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.40s' is too long for a stage", stage);
	r = begin(j, err);
	if (r == NULL)
		return -1;
	r[0] = RECORD_STAGE;
	memcpy(r + 32, stage, len);
	seal(j, r);
	j->records++;
	if (fy_journal_sync(j, err) == -1)
		return -1;
	fy_copy_field(j->stage, sizeof(j->stage), stage, len);
	return 0;
}

const char *
fy_journal_stage(const struct fy_journal *j)
{
	return j->stage;
}
