/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_RESCUE_LIST_H
#define FY_RESCUE_LIST_H

#include "p2v-client/rescue.h"

/* The list of rescue.c: sorted, disjoint, of at most 'most' ranges. */
struct fy_bad_list {
	struct fy_bad_range *items;
	size_t n, room, most;
	uint64_t bytes;
};

void fy_bad_list_release(struct fy_bad_list *l);

/* Add a range that overlaps none.  One that touches its neighbour of the same
 * kind becomes one with it; when the list is full, the two that are nearest to
 * each other become one, with what is between them, as skipped. */
int fy_bad_list_add(struct fy_bad_list *l, const struct fy_bad_range *x,
		    struct fy_error *err);

/* Take [from, to) out of the list. */
int fy_bad_list_cut(struct fy_bad_list *l, uint64_t from, uint64_t to,
		    struct fy_error *err);

/* The index of the first range that ends behind 'at'; n when there is none. */
size_t fy_bad_list_find(const struct fy_bad_list *l, uint64_t at);

#endif
