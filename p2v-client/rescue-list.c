/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of ranges that could not be read: an array, sorted by offset.  It
 * grows at its end nearly always, for a disk is read forwards; only what is
 * read again is in the middle.
 */
#include "p2v-client/rescue-list.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

static uint64_t
end_of(const struct fy_bad_range *x)
{
	return x->offset + x->length;
}

void
fy_bad_list_release(struct fy_bad_list *l)
{
	free(l->items);
	l->items = NULL;
	l->n = l->room = 0;
	l->bytes = 0;
}

size_t
fy_bad_list_find(const struct fy_bad_list *l, uint64_t at)
{
	size_t low = 0, high = l->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (end_of(&l->items[mid]) <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
remove_at(struct fy_bad_list *l, size_t i)
{
	l->n--;
	memmove(&l->items[i], &l->items[i + 1], (l->n - i) * sizeof(*l->items));
}

static int
insert_at(struct fy_bad_list *l, size_t i, const struct fy_bad_range *x,
	  struct fy_error *err)
{
	struct fy_bad_range *grown;

	if (l->n == l->room) {
		size_t room = l->room == 0 ? 64 : l->room * 2;

		grown = realloc(l->items, room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		l->items = grown;
		l->room = room;
	}
	memmove(&l->items[i + 1], &l->items[i], (l->n - i) * sizeof(*l->items));
	l->items[i] = *x;
	l->n++;
	return 0;
}

/* Make one of items i and i + 1. */
static void
join(struct fy_bad_list *l, size_t i)
{
	struct fy_bad_range *a = &l->items[i], *b = &l->items[i + 1];
	uint64_t gap = b->offset - end_of(a);

	a->skipped = a->skipped || b->skipped || gap > 0;
	a->length += gap + b->length;
	l->bytes += gap;
	remove_at(l, i + 1);
}

static void
join_nearest(struct fy_bad_list *l)
{
	uint64_t gap, best = UINT64_MAX;
	size_t i, at = 0;

	for (i = 0; i + 1 < l->n; i++) {
		gap = l->items[i + 1].offset - end_of(&l->items[i]);
		if (gap < best) {
			best = gap;
			at = i;
		}
	}
	join(l, at);
}

static bool
touch(const struct fy_bad_range *a, const struct fy_bad_range *b)
{
	return end_of(a) == b->offset && a->skipped == b->skipped;
}

int
fy_bad_list_add(struct fy_bad_list *l, const struct fy_bad_range *x,
		struct fy_error *err)
{
	size_t i = fy_bad_list_find(l, x->offset);

	if (x->length == 0)
		return 0;
	if (insert_at(l, i, x, err) == -1)
		return -1;
	l->bytes += x->length;
	if (i + 1 < l->n && touch(&l->items[i], &l->items[i + 1]))
		join(l, i);
	if (i > 0 && touch(&l->items[i - 1], &l->items[i]))
		join(l, i - 1);
	if (l->n > l->most)
		join_nearest(l);
	return 0;
}

int
fy_bad_list_cut(struct fy_bad_list *l, uint64_t from, uint64_t to,
		struct fy_error *err)
{
	size_t i = fy_bad_list_find(l, from);
	struct fy_bad_range behind;

	while (i < l->n && l->items[i].offset < to) {
		struct fy_bad_range *x = &l->items[i];
		uint64_t a = fy_max_u64(x->offset, from);
		uint64_t b = fy_min_u64(end_of(x), to);

		behind = (struct fy_bad_range){ b, end_of(x) - b, x->skipped };
		l->bytes -= b - a;
		x->length = a - x->offset;
		if (x->length == 0)
			remove_at(l, i);
		else
			i++;
		if (behind.length == 0)
			continue;
		return insert_at(l, i, &behind, err);
	}
	return 0;
}
