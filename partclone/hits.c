/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ranges that files are looked for in, and names as they are shown.
 */
#include "partclone/hits.h"

#include <stdio.h>
#include <string.h>

#include "common/bytes.h"

/* The first range that ends behind 'from'. */
static size_t
find(const struct fy_hit_ranges *r, uint64_t from)
{
	size_t low = 0, high = r->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (r->items[mid].offset + r->items[mid].length <= from)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
fy_hits_touch(const struct fy_hit_ranges *r, uint64_t from, uint64_t to)
{
	size_t i = find(r, from);

	return i < r->n && r->items[i].offset < to;
}

uint64_t
fy_hits_blocks(const struct fy_hit_ranges *r, uint64_t from, uint64_t to,
	       uint64_t size)
{
	uint64_t n = 0, done = from / size, first, end;
	size_t i;

	for (i = find(r, from); i < r->n && r->items[i].offset < to; i++) {
		first = fy_max_u64(done, r->items[i].offset / size);
		end = fy_min_u64(r->items[i].offset + r->items[i].length, to);
		end = fy_div_up(end, size);
		if (end > first)
			n += end - first;
		done = fy_max_u64(done, end);
	}
	return n;
}

/* The length of the UTF-8 sequence at 'p' that shows something, else 0. */
static size_t
utf8_bytes(const unsigned char *p)
{
	size_t n, i;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || (p[0] == 0xe0 && p[1] < 0xa0) ||
	    (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f) || (p[0] == 0xc2 && p[1] < 0xa0))
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void
fy_hits_show(const char *name, char *ret, size_t ret_size)
{
	const unsigned char *p = (const unsigned char *)name;
	size_t n = 0, len;

	while (*p != '\0' && n + 8 < ret_size) {
		len = utf8_bytes(p);
		if (len == 0) {
			n += (size_t)snprintf(ret + n, ret_size - n, "\\x%02x",
					      *p++);
			continue;
		}
		memcpy(ret + n, p, len);
		n += len;
		p += len;
	}
	if (*p != '\0')
		n += (size_t)snprintf(ret + n, ret_size - n, "...");
	ret[n] = '\0';
}
