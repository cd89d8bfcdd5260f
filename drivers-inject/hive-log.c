/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Registry hives that were not written whole, and their transaction logs.
 *
 * A hive is dirty when the two sequence numbers of its base block differ.  The
 * old format of logs (to Windows 8) is one set of pages of 512 bytes, marked in
 * a bitmap; it belongs to the hive when the times of both base blocks are the
 * same.  The new one (8.1 and later) is a row of entries with sequence numbers
 * and hashes, which may go on from one log to the other; Windows leaves hives
 * dirty for up to an hour.  Source of the format: "Windows registry file format
 * specification" (github.com/msuhanov/regf).
 *
 * A hive whose base block itself is damaged is refused, although Windows may
 * mend that too.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/hive.h"

#define BASE	    4096u
#define SECTOR	    512u
#define PAGE	    4096u
#define ENTRY	    40u /* the head of an entry of the new format */
#define SEED	    UINT64_C(0x82ef4d887a4e55c5)
#define SEQUENCE_1  4u
#define SEQUENCE_2  8u
#define TIME	    12u
#define FILE_TYPE   28u
#define BINS_SIZE   40u
#define FLAGS	    144u
#define CHECKSUM    508u
#define MAX_ENTRIES 65536u

static uint32_t
checksum(const char *block)
{
	uint32_t c = 0;
	size_t i;

	for (i = 0; i < CHECKSUM; i += 4)
		c ^= fy_get_le32(block + i);
	if (c == UINT32_MAX)
		return UINT32_MAX - 1;
	return c == 0 ? 1 : c;
}

static bool
is_base(const char *data, size_t len)
{
	return len >= SECTOR && memcmp(data, "regf", 4) == 0 &&
	       fy_get_le32(data + CHECKSUM) == checksum(data);
}

/* --- Marvin32 ---------------------------------------------------------------- */

static uint32_t
rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void
mix(uint32_t *lo, uint32_t *hi, uint32_t v)
{
	*lo += v;
	*hi ^= *lo;
	*lo = rotate(*lo, 20) + *hi;
	*hi = rotate(*hi, 9) ^ *lo;
	*lo = rotate(*lo, 27) + *hi;
	*hi = rotate(*hi, 19);
}

uint64_t
fy_hive_hash(const char *data, size_t len)
{
	uint32_t lo = (uint32_t)SEED, hi = (uint32_t)(SEED >> 32), last = 0x80;

	for (; len >= 4; data += 4, len -= 4)
		mix(&lo, &hi, fy_get_le32(data));
	while (len > 0)
		last = last << 8 | (unsigned char)data[--len];
	mix(&lo, &hi, last);
	mix(&lo, &hi, 0);
	return (uint64_t)hi << 32 | lo;
}

/* --- the hive ------------------------------------------------------------------ */

struct hive {
	char *data;
	size_t len;
};

static uint32_t
bins_size(const struct hive *h)
{
	return fy_get_le32(h->data + BINS_SIZE);
}

/* Room for so many bytes of bins; what is new is zeros. */
static int
resize(struct hive *h, uint32_t bins, struct fy_error *err)
{
	size_t want = (size_t)BASE + bins;
	char *grown;

	if (bins % PAGE != 0 || want > FY_HIVE_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a log wants the hive to have %u bytes",
				    bins);
	if (want > h->len) {
		grown = realloc(h->data, want);
		if (grown == NULL)
			return fy_error_nomem(err);
		memset(grown + h->len, 0, want - h->len);
		h->data = grown;
		h->len = want;
	}
	fy_put_le32(h->data + BINS_SIZE, bins);
	return 0;
}

static int
check_hive(const struct hive *h, struct fy_error *err)
{
	if (h->len < BASE + PAGE || h->len > FY_HIVE_MAX ||
	    memcmp(h->data, "regf", 4) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0, "it is no hive");
	if (!is_base(h->data, h->len))
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "the hive's first block is damaged; start "
				    "Windows and shut it down fully");
	if (fy_get_le32(h->data + 20) != 1 ||
	    fy_get_le32(h->data + FILE_TYPE) != 0 ||
	    fy_get_le32(h->data + 32) != 1)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a hive of an unknown kind");
	if (bins_size(h) % PAGE != 0 || bins_size(h) == 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a hive of %u bytes of blocks",
				    bins_size(h));
	return 0;
}

static void
finish(struct hive *h, uint32_t sequence)
{
	fy_put_le32(h->data + SEQUENCE_1, sequence);
	fy_put_le32(h->data + SEQUENCE_2, sequence);
	fy_put_le32(h->data + CHECKSUM, checksum(h->data));
}

/* --- the old format --------------------------------------------------------------- */

/* Whether this log is of that hive, and whole. */
static bool
is_old_log(const struct hive *h, const struct fy_hive_log *l)
{
	uint32_t type;

	if (!is_base(l->data, l->len) || l->len < 2 * SECTOR)
		return false;
	type = fy_get_le32(l->data + FILE_TYPE);
	return (type == 1 || type == 2) &&
	       fy_get_le32(l->data + SEQUENCE_1) ==
		       fy_get_le32(l->data + SEQUENCE_2) &&
	       fy_get_le64(l->data + TIME) == fy_get_le64(h->data + TIME) &&
	       fy_get_le32(l->data + 44) <= 1 &&
	       memcmp(l->data + SECTOR, "DIRT", 4) == 0;
}

static int
apply_old(struct hive *h, const struct fy_hive_log *l, struct fy_error *err)
{
	uint32_t bins = fy_get_le32(l->data + BINS_SIZE), pages, i;
	const char *bitmap = l->data + SECTOR + 4;
	uint64_t from;

	if (resize(h, bins, err) == -1)
		return -1;
	pages = bins / SECTOR;
	from = SECTOR + fy_align_up(4 + (uint64_t)pages / 8, SECTOR);
	if (from > l->len)
		return fy_error_set(err, FY_E_DIRTY, 0, "a log is cut");
	for (i = 0; i < pages; i++) {
		if (((unsigned char)bitmap[i / 8] >> (i % 8) & 1) == 0)
			continue;
		if (l->len - from < SECTOR)
			return fy_error_set(err, FY_E_DIRTY, 0, "a log is cut");
		memcpy(h->data + BASE + (size_t)i * SECTOR, l->data + from,
		       SECTOR);
		from += SECTOR;
	}
	return 0;
}

static int
recover_old(struct hive *h, const struct fy_hive_log *logs, size_t n,
	    bool *ret_done, struct fy_error *err)
{
	const struct fy_hive_log *best = NULL;
	uint32_t sequence, best_sequence = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!is_old_log(h, &logs[i]))
			continue;
		sequence = fy_get_le32(logs[i].data + SEQUENCE_1);
		if (best == NULL || sequence > best_sequence) {
			best = &logs[i];
			best_sequence = sequence;
		}
	}
	if (best == NULL)
		return 0;
	*ret_done = true;
	sequence = fy_get_le32(h->data + SEQUENCE_1);
	if (apply_old(h, best, err) == -1)
		return -1;
	finish(h, sequence > best_sequence ? sequence : best_sequence);
	return 0;
}

/* --- the new format ----------------------------------------------------------------- */

static bool
is_new_log(const struct fy_hive_log *l)
{
	return is_base(l->data, l->len) &&
	       fy_get_le32(l->data + FILE_TYPE) == 6;
}

/* The size of a good entry at 'at'; 0: there is none. */
static uint32_t
entry_at(const struct fy_hive_log *l, size_t at, uint32_t sequence)
{
	const char *e = l->data + at;
	uint32_t size;

	if (at > l->len || l->len - at < SECTOR || memcmp(e, "HvLE", 4) != 0)
		return 0;
	size = fy_get_le32(e + 4);
	if (size < SECTOR || size % SECTOR != 0 || size > l->len - at ||
	    fy_get_le32(e + 12) != sequence ||
	    fy_get_le32(e + 16) % PAGE != 0 ||
	    fy_get_le64(e + 32) != fy_hive_hash(e, 32) ||
	    fy_get_le64(e + 24) != fy_hive_hash(e + ENTRY, size - ENTRY))
		return 0;
	return size;
}

static int
apply_entry(struct hive *h, const char *e, uint32_t size, struct fy_error *err)
{
	uint32_t n = fy_get_le32(e + 20), bins = fy_get_le32(e + 16), i;
	uint64_t from = ENTRY + (uint64_t)n * 8, flags;

	if (from > size || resize(h, bins, err) == -1)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "an entry of a log is damaged");
	for (i = 0; i < n; i++) {
		const char *ref = e + ENTRY + (size_t)i * 8;
		uint32_t to = fy_get_le32(ref), len = fy_get_le32(ref + 4);

		if (len > size - from || to > bins || len > bins - to)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "an entry of a log is damaged");
		memcpy(h->data + BASE + to, e + from, len);
		from += len;
	}
	flags = fy_get_le32(h->data + FLAGS) & ~1u;
	fy_put_le32(h->data + FLAGS,
		    (uint32_t)(flags | (fy_get_le32(e + 8) & 1u)));
	return 0;
}

/* Entries of one log from '*sequence' on; moves it to the one that is next. */
static int
apply_log(struct hive *h, const struct fy_hive_log *l, uint32_t *sequence,
	  unsigned *applied, struct fy_error *err)
{
	size_t at = SECTOR;
	uint32_t size;

	while (*applied < MAX_ENTRIES &&
	       (size = entry_at(l, at, *sequence)) != 0) {
		if (apply_entry(h, l->data + at, size, err) == -1)
			return -1;
		at += size;
		(*sequence)++;
		(*applied)++;
	}
	return 0;
}

static int
recover_new(struct hive *h, const struct fy_hive_log *logs, size_t n,
	    bool *ret_done, struct fy_error *err)
{
	uint32_t least = fy_get_le32(h->data + SEQUENCE_2), next = 0, s;
	const struct fy_hive_log *first = NULL;
	unsigned applied = 0;
	size_t i;

	/* The one with the earlier entries, of those the hive lacks. */
	for (i = 0; i < n; i++) {
		if (!is_new_log(&logs[i]))
			continue;
		*ret_done = true;
		s = fy_get_le32(logs[i].data + SEQUENCE_1);
		if (s >= least && entry_at(&logs[i], SECTOR, s) != 0 &&
		    (first == NULL || s < next)) {
			first = &logs[i];
			next = s;
		}
	}
	if (first == NULL)
		return 0;
	if (apply_log(h, first, &next, &applied, err) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (&logs[i] != first && is_new_log(&logs[i]) &&
		    fy_get_le32(logs[i].data + SEQUENCE_1) == next &&
		    apply_log(h, &logs[i], &next, &applied, err) == -1)
			return -1;
	finish(h, next - 1);
	return 0;
}

/* ------------------------------------------------------------------------------------- */

static int
recover(struct hive *h, const struct fy_hive_log *logs, size_t n,
	bool *ret_replayed, struct fy_error *err)
{
	bool found = false;

	if (check_hive(h, err) == -1)
		return -1;
	*ret_replayed = false;
	if (fy_get_le32(h->data + SEQUENCE_1) !=
	    fy_get_le32(h->data + SEQUENCE_2)) {
		if (recover_new(h, logs, n, &found, err) == -1 ||
		    (!found && recover_old(h, logs, n, &found, err) == -1))
			return -1;
		if (fy_get_le32(h->data + SEQUENCE_1) !=
		    fy_get_le32(h->data + SEQUENCE_2))
			return fy_error_set(
				err, FY_E_DIRTY, 0,
				"the hive was not written whole, and its logs "
				"don't have the rest; start Windows and shut "
				"it down fully (shutdown /s /f /t 0)");
		*ret_replayed = true;
	}
	return fy_hive_check(h->data, h->len, err);
}

int
fy_hive_recover(char **data, size_t *len, const struct fy_hive_log *logs,
		size_t n_logs, bool *ret_replayed, struct fy_error *err)
{
	struct hive h = { .data = *data, .len = *len };
	int r = recover(&h, logs, n_logs, ret_replayed, err);

	*data = h.data;
	*len = h.len;
	return r;
}
