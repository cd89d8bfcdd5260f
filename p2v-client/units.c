/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of units: plain bitmaps of 64-bit words.  The bits behind 'n' in the
 * last word are always 0.
 */
#include "p2v-client/units.h"

#include <stdlib.h>

#include "common/bytes.h"

int
fy_unit_set_init(struct fy_unit_set *s, uint64_t n, struct fy_error *err)
{
	size_t words;

	s->n = n;
	s->words = NULL;
	if (n / 64 >= SIZE_MAX / 16)
		return fy_error_nomem(err);
	words = (size_t)(n / 64 + 1);
	s->words = calloc(words, sizeof(*s->words));
	if (s->words == NULL)
		return fy_error_nomem(err);
	return 0;
}

void
fy_unit_set_release(struct fy_unit_set *s)
{
	free(s->words);
	s->words = NULL;
	s->n = 0;
}

bool
fy_unit_set_has(const struct fy_unit_set *s, uint64_t unit)
{
	return unit < s->n && ((s->words[unit / 64] >> (unit % 64)) & 1) != 0;
}

void
fy_unit_set_put(struct fy_unit_set *s, uint64_t unit, bool in)
{
	uint64_t bit = UINT64_C(1) << (unit % 64);

	if (unit >= s->n)
		return;
	if (in)
		s->words[unit / 64] |= bit;
	else
		s->words[unit / 64] &= ~bit;
}

uint64_t
fy_unit_set_count(const struct fy_unit_set *s)
{
	uint64_t sum = 0, i;

	for (i = 0; i < (s->n + 63) / 64; i++)
		sum += (uint64_t)__builtin_popcountll(s->words[i]);
	return sum;
}

uint64_t
fy_unit_set_count_without(const struct fy_unit_set *s,
			  const struct fy_unit_set *other)
{
	uint64_t sum = 0, i, n = (s->n + 63) / 64, word;

	for (i = 0; i < n; i++) {
		word = s->words[i];
		if (i < (other->n + 63) / 64)
			word &= ~other->words[i];
		sum += (uint64_t)__builtin_popcountll(word);
	}
	return sum;
}

uint64_t
fy_unit_set_next(const struct fy_unit_set *s, uint64_t from, bool in)
{
	uint64_t flip = in ? 0 : ~UINT64_C(0), word, found;

	while (from < s->n) {
		word = (s->words[from / 64] ^ flip) >> (from % 64);
		if (word != 0) {
			found = from + (uint64_t)__builtin_ctzll(word);
			return fy_min_u64(found, s->n);
		}
		from = (from / 64 + 1) * 64;
	}
	return s->n;
}

void
fy_unit_set_subtract(struct fy_unit_set *s, const struct fy_unit_set *other)
{
	uint64_t i;

	for (i = 0; i < (s->n + 63) / 64 && i < (other->n + 63) / 64; i++)
		s->words[i] &= ~other->words[i];
}

int
fy_unit_set_load(struct fy_unit_set *s, uint64_t first,
		 const unsigned char *bits, size_t len, struct fy_error *err)
{
	uint64_t unit;
	size_t i;
	unsigned b;

	if (first % 8 != 0 || first > s->n)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the server lists unit %llu of %llu",
				    (unsigned long long)first,
				    (unsigned long long)s->n);
	for (i = 0; i < len; i++) {
		for (b = 0; bits[i] != 0 && b < 8; b++) {
			if (((bits[i] >> b) & 1) == 0)
				continue;
			unit = first + (uint64_t)i * 8 + b;
			if (unit >= s->n)
				return fy_error_set(
					err, FY_E_PROTOCOL, 0,
					"the server lists unit %llu of %llu",
					(unsigned long long)unit,
					(unsigned long long)s->n);
			fy_unit_set_put(s, unit, true);
		}
	}
	return 0;
}
