/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bitmaps of blocks to extents: a window's words are scanned 64 bits at a time,
 * after the runs that are used in any case have been set in it.  Those are kept
 * sorted and joined, so that one pass over them goes with the windows.
 */
#include "partclone/block-map.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/bytes.h"

struct run {
	uint64_t first, end; /* blocks */
};

struct fy_block_map {
	struct fy_extents *used;
	uint64_t block_bytes, blocks;
	uint64_t next, denied;
	struct run *runs;
	size_t n, room;
	size_t at; /* the first that reaches behind 'next' */
	bool sorted;
};

struct fy_block_map *
fy_block_map_new(struct fy_extents *used, uint64_t block_bytes, uint64_t blocks,
		 struct fy_error *err)
{
	struct fy_block_map *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	m->used = used;
	m->block_bytes = block_bytes;
	m->blocks = blocks;
	return m;
}

void
fy_block_map_free(struct fy_block_map *m)
{
	if (m == NULL)
		return;
	free(m->runs);
	free(m);
}

uint64_t
fy_block_map_next(const struct fy_block_map *m)
{
	return m->next;
}

uint64_t
fy_block_map_denied(const struct fy_block_map *m)
{
	return m->denied;
}

int
fy_block_map_name(struct fy_block_map *m, uint64_t first, uint64_t count,
		  struct fy_error *err)
{
	struct run *runs;
	size_t room;

	assert(!m->sorted);
	if (first > m->blocks || count > m->blocks - first)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "blocks %" PRIu64 "+%" PRIu64
				    " of the metadata are outside the "
				    "filesystem",
				    first, count);
	if (count == 0)
		return 0;
	if (m->n > 0 && first >= m->runs[m->n - 1].first &&
	    first <= m->runs[m->n - 1].end) {
		m->runs[m->n - 1].end =
			fy_max_u64(m->runs[m->n - 1].end, first + count);
		return 0;
	}
	if (m->n == FY_BLOCK_RUNS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the metadata lies in more than %u pieces",
				    FY_BLOCK_RUNS);
	if (m->n == m->room) {
		room = m->room == 0 ? 16 : m->room * 2;
		runs = reallocarray(m->runs, room, sizeof(*runs));
		if (runs == NULL)
			return fy_error_nomem(err);
		m->runs = runs;
		m->room = room;
	}
	m->runs[m->n++] = (struct run){ first, first + count };
	return 0;
}

static int
compare_runs(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorted, disjoint. */
static void
sort_runs(struct fy_block_map *m)
{
	size_t i, n = 0;

	if (m->sorted)
		return;
	m->sorted = true;
	if (m->n == 0)
		return;
	fy_sort(m->runs, m->n, sizeof(*m->runs), compare_runs);
	for (i = 1; i < m->n; i++) {
		if (m->runs[i].first > m->runs[n].end)
			m->runs[++n] = m->runs[i];
		else
			m->runs[n].end =
				fy_max_u64(m->runs[n].end, m->runs[i].end);
	}
	m->n = n + 1;
}

/* --- bits --------------------------------------------------------------------- */

/* The bits from 'from' on of the word that bit 'from' is in, moved down. */
static uint64_t
rest_of_word(const unsigned char *bits, uint64_t from)
{
	return fy_get_le64(bits + from / 64 * 8) >> from % 64;
}

/* The first bit from 'from' on that is (not) set, or 'n'. */
static uint64_t
find_bit(const unsigned char *bits, uint64_t from, uint64_t n, bool set)
{
	uint64_t word;

	while (from < n) {
		word = rest_of_word(bits, from);
		if (!set)
			word = ~word & (UINT64_MAX >> from % 64);
		if (word != 0)
			return fy_min_u64(
				n, from + (uint64_t)__builtin_ctzll(word));
		from += 64 - from % 64;
	}
	return n;
}

uint64_t
fy_count_zero_bits(const unsigned char *bits, uint64_t n)
{
	uint64_t at, word, zeros = 0;

	for (at = 0; at < n; at += 64) {
		word = ~fy_get_le64(bits + at / 8);
		if (n - at < 64)
			word &= (UINT64_C(1) << (n - at)) - 1;
		zeros += (uint64_t)__builtin_popcountll(word);
	}
	return zeros;
}

/* Set the bits [from, to); how many were clear. */
static uint64_t
set_bits(unsigned char *bits, uint64_t from, uint64_t to)
{
	uint64_t word, mask, n, changed = 0;
	unsigned char *p;

	while (from < to) {
		p = bits + from / 64 * 8;
		n = fy_min_u64(64 - from % 64, to - from);
		mask = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1)
		       << from % 64;
		word = fy_get_le64(p);
		changed += (uint64_t)__builtin_popcountll(mask & ~word);
		fy_put_le64(p, word | mask);
		from += n;
	}
	return changed;
}

/* --- windows ------------------------------------------------------------------- */

static void
set_named(struct fy_block_map *m, unsigned char *bits, uint64_t n)
{
	uint64_t end = m->next + n, from, to;
	size_t i;

	while (m->at < m->n && m->runs[m->at].end <= m->next)
		m->at++;
	for (i = m->at; i < m->n && m->runs[i].first < end; i++) {
		from = fy_max_u64(m->runs[i].first, m->next) - m->next;
		to = fy_min_u64(m->runs[i].end, end) - m->next;
		m->denied += set_bits(bits, from, to);
	}
}

static int
append(struct fy_block_map *m, uint64_t first, uint64_t count,
       struct fy_error *err)
{
	return fy_extents_append(m->used, first * m->block_bytes,
				 count * m->block_bytes, err);
}

int
fy_block_map_window(struct fy_block_map *m, unsigned char *bits, uint64_t n,
		    struct fy_error *err)
{
	uint64_t at = 0, end;

	assert(n <= m->blocks - m->next);
	sort_runs(m);
	set_named(m, bits, n);
	for (;;) {
		at = find_bit(bits, at, n, true);
		if (at == n)
			break;
		end = find_bit(bits, at, n, false);
		if (append(m, m->next + at, end - at, err) == -1)
			return -1;
		at = end;
	}
	m->next += n;
	return 0;
}

int
fy_block_map_all(struct fy_block_map *m, uint64_t n, struct fy_error *err)
{
	assert(n <= m->blocks - m->next);
	sort_runs(m);
	if (append(m, m->next, n, err) == -1)
		return -1;
	m->next += n;
	return 0;
}
