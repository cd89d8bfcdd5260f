/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A direct-mapped cache of aligned lines.  A line that can't be read whole (a
 * bad sector beside what is wanted) is not kept: then just the wanted bytes are
 * read.
 */
#include "common/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define NO_LINE UINT64_MAX

struct cache {
	struct fy_volume *base;
	uint32_t line_bytes;
	unsigned lines;
	pthread_mutex_t lock; /* guards all below */
	uint64_t *numbers;    /* which line is in a slot; NO_LINE */
	unsigned char *data;
};

/* Lock held.  The line's bytes, read if they aren't there; NULL when it can't
 * be read whole. */
static const unsigned char *
get_line(struct cache *c, uint64_t number)
{
	unsigned slot = (unsigned)(number % c->lines);
	unsigned char *data = c->data + (size_t)slot * c->line_bytes;
	uint64_t start = number * c->line_bytes;
	struct fy_error ignored = { 0 };
	size_t len;

	if (c->numbers[slot] == number)
		return data;
	len = (size_t)fy_min_u64(c->line_bytes,
				 fy_volume_size(c->base) - start);
	c->numbers[slot] = NO_LINE;
	if (fy_volume_pread(c->base, data, len, start, &ignored) == -1)
		return NULL;
	c->numbers[slot] = number;
	return data;
}

static int
cache_pread(void *handle, void *buf, size_t len, uint64_t offset,
	    struct fy_error *err)
{
	struct cache *c = handle;
	unsigned char *to = buf;
	const unsigned char *line;
	size_t skip, n;

	if (len >= c->line_bytes)
		return fy_volume_pread(c->base, buf, len, offset, err);
	FY_LOCK_SCOPE(&c->lock);
	while (len > 0) {
		skip = (size_t)(offset & (c->line_bytes - 1));
		n = (size_t)fy_min_u64(len, c->line_bytes - skip);
		line = get_line(c, offset / c->line_bytes);
		if (line != NULL)
			memcpy(to, line + skip, n);
		else if (fy_volume_pread(c->base, to, n, offset, err) == -1)
			return -1;
		to += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int
cache_data(void *handle, struct fy_extents *ret, struct fy_error *err)
{
	struct cache *c = handle;

	return fy_volume_data(c->base, ret, err);
}

static void
cache_close(void *handle)
{
	struct cache *c = handle;

	pthread_mutex_destroy(&c->lock);
	free(c->numbers);
	free(c->data);
	free(c);
}

static const struct fy_volume_ops cache_ops = {
	.pread = cache_pread,
	.data = cache_data,
	.close = cache_close,
};

int
fy_cache_new(struct fy_volume *base, uint32_t line_bytes, unsigned lines,
	     struct fy_volume **ret, struct fy_error *err)
{
	struct cache *c = calloc(1, sizeof(*c));
	unsigned i;

	if (c == NULL)
		return fy_error_nomem(err);
	c->base = base;
	c->line_bytes = line_bytes;
	c->lines = lines;
	pthread_mutex_init(&c->lock, NULL);
	c->numbers = calloc(lines, sizeof(*c->numbers));
	c->data = calloc(lines, line_bytes);
	if (c->numbers == NULL || c->data == NULL) {
		cache_close(c);
		return fy_error_nomem(err);
	}
	for (i = 0; i < lines; i++)
		c->numbers[i] = NO_LINE;
	*ret = fy_volume_new(&cache_ops, c, fy_volume_name(base),
			     fy_volume_size(base), fy_volume_sector_bytes(base),
			     err);
	return *ret == NULL ? -1 : 0;
}
