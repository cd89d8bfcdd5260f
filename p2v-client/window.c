/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The window of unacknowledged units.  An acknowledgement looks at each
 * outstanding unit: at most limit / least unit (4096 with the protocol's
 * numbers), once for each range that the server names, about once a second.
 */
#include "p2v-client/window.h"

#include <assert.h>
#include <stdlib.h>

int
fy_window_init(struct fy_window *w, uint64_t limit, uint32_t least_unit,
	       struct fy_error *err)
{
	w->size = (size_t)(limit / least_unit) + 1;
	w->first = w->n = 0;
	w->outstanding = 0;
	w->limit = limit;
	w->ring = calloc(w->size, sizeof(*w->ring));
	if (w->ring == NULL)
		return fy_error_nomem(err);
	return 0;
}

void
fy_window_release(struct fy_window *w)
{
	free(w->ring);
	w->ring = NULL;
	w->size = w->n = 0;
}

bool
fy_window_has_room(const struct fy_window *w, uint32_t raw_bytes)
{
	return w->n < w->size && w->outstanding + raw_bytes <= w->limit;
}

void
fy_window_push(struct fy_window *w, const struct fy_window_entry *e)
{
	assert(fy_window_has_room(w, e->raw_bytes));
	w->ring[(w->first + w->n) % w->size] = *e;
	w->n++;
	w->outstanding += e->raw_bytes;
}

void
fy_window_acknowledge(struct fy_window *w, uint16_t disk, uint64_t first,
		      uint64_t count, uint64_t *ret_units, uint64_t *ret_used)
{
	size_t i;

	for (i = 0; i < w->n; i++) {
		struct fy_window_entry *e;

		e = &w->ring[(w->first + i) % w->size];
		if (e->raw_bytes == 0 || e->disk != disk || e->unit < first ||
		    e->unit - first >= count)
			continue;
		w->outstanding -= e->raw_bytes;
		e->raw_bytes = 0;
		*ret_units += 1;
		*ret_used += e->used_bytes;
	}
	while (w->n > 0 && w->ring[w->first].raw_bytes == 0) {
		w->first = (w->first + 1) % w->size;
		w->n--;
	}
}
