/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a hive is one: blocks and cells follow each other, and everything
 * that is reached from the root lies in an allocated cell of its own that is
 * large enough.  hivex trusts more than that, and aborts on a cell that is used
 * twice.
 *
 * Memory: two bits for each 8 bytes of the hive for the cells, one more for
 * those with security descriptors, which alone may be shared (by as many as
 * they count themselves); and the keys that are still to be looked at.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "drivers-inject/hive.h"

#define BASE	  4096u
#define PAGE	  4096u
#define NONE	  UINT32_MAX
#define MAX_DEPTH 512u
#define BIG_DATA  16344u
#define NK	  76u /* bytes before the name */
#define VK	  20u
#define SK	  20u

struct pending {
	uint32_t key, parent, depth;
};

struct check {
	char *bins;
	uint32_t size;
	uint32_t minor;
	unsigned char *cells, *claimed, *shared; /* a bit for each 8 bytes */
	struct pending *pending;
	size_t n, room;
	uint32_t *users; /* of security descriptors: one for each key */
	size_t n_users, users_room;
	struct fy_error *err;
};

static int
damaged(struct check *c, const char *what, uint32_t at)
{
	return fy_error_set(c->err, FY_E_FORMAT, 0,
			    "the hive is damaged: %s at %" PRIu32 "; start "
			    "Windows and let it mend its registry",
			    what, at);
}

/* --- cells ------------------------------------------------------------------------ */

static bool
has(const unsigned char *bits, uint32_t at)
{
	return (bits[at / 64] >> (at / 8 % 8) & 1) != 0;
}

static void
put(unsigned char *bits, uint32_t at)
{
	bits[at / 64] |= (unsigned char)(1u << (at / 8 % 8));
}

static int
read_cells(struct check *c, uint32_t from, uint32_t to)
{
	uint32_t at, n;

	for (at = from; at < to; at += n) {
		n = fy_get_le32(c->bins + at);
		if (n & 0x80000000u) {
			n = 0u - n;
			put(c->cells, at);
		}
		if (n < 8 || n % 8 != 0 || n > to - at)
			return damaged(c, "a cell", at);
	}
	return 0;
}

static int
read_bins(struct check *c)
{
	uint32_t at, size;

	for (at = 0; at < c->size; at += size) {
		size = fy_get_le32(c->bins + at + 8);
		if (memcmp(c->bins + at, "hbin", 4) != 0 ||
		    fy_get_le32(c->bins + at + 4) != at || size == 0 ||
		    size % PAGE != 0 || size > c->size - at)
			return damaged(c, "a block", at);
		if (read_cells(c, at + 32, at + size) == -1)
			return -1;
	}
	return 0;
}

/* The bytes of the allocated cell at 'at', at least 'least' of them; NULL when
 * it is none. */
static const char *
cell(const struct check *c, uint32_t at, uint32_t least, uint32_t *ret_len)
{
	uint32_t n;

	if (at % 8 != 0 || at >= c->size || !has(c->cells, at))
		return NULL;
	n = 0u - fy_get_le32(c->bins + at) - 4;
	if (n < least)
		return NULL;
	if (ret_len != NULL)
		*ret_len = n;
	return c->bins + at + 4;
}

/* The same, and it is nobody else's. */
static const char *
claim(struct check *c, uint32_t at, uint32_t least, uint32_t *ret_len)
{
	const char *p = cell(c, at, least, ret_len);

	if (p == NULL || has(c->claimed, at))
		return NULL;
	put(c->claimed, at);
	return p;
}

/* --- values ------------------------------------------------------------------------- */

static int
check_big(struct check *c, uint32_t at, const char *db)
{
	uint32_t n = fy_get_le16(db + 2), list = fy_get_le32(db + 4), i;
	const char *p = claim(c, list, n * 4, NULL);

	for (i = 0; p != NULL && i < n; i++)
		if (claim(c, fy_get_le32(p + i * 4), 1, NULL) == NULL)
			p = NULL;
	return p == NULL ? damaged(c, "a large value", at) : 0;
}

static int
check_data(struct check *c, uint32_t at, uint32_t len)
{
	uint32_t is = 0;
	const char *p = claim(c, at, 1, &is);

	if (p == NULL)
		return damaged(c, "the data of a value", at);
	if (len > BIG_DATA && c->minor > 3 && is >= 8 &&
	    memcmp(p, "db", 2) == 0)
		return check_big(c, at, p);
	return is < len ? damaged(c, "the data of a value", at) : 0;
}

static int
check_value(struct check *c, uint32_t at)
{
	uint32_t is = 0, len;
	const char *v = claim(c, at, VK, &is);

	if (v == NULL || memcmp(v, "vk", 2) != 0 ||
	    fy_get_le16(v + 2) > is - VK)
		return damaged(c, "a value", at);
	len = fy_get_le32(v + 4);
	if (len & 0x80000000u)
		return (len & 0x7fffffffu) > 4 ? damaged(c, "a value", at) : 0;
	if (len > 0)
		return check_data(c, fy_get_le32(v + 8), len);
	/* Nothing, in a cell that hivex would free though there is none:
	 * nothing, in place. */
	fy_put_le32(c->bins + at + 4 + 4, 0x80000000u);
	return 0;
}

static int
check_values(struct check *c, const char *key)
{
	uint32_t n = fy_get_le32(key + 36), at = fy_get_le32(key + 40), i;
	const char *list;

	if (n == 0)
		return 0;
	list = n > c->size / 4 ? NULL : claim(c, at, n * 4, NULL);
	if (list == NULL)
		return damaged(c, "a list of values", at);
	for (i = 0; i < n; i++)
		if (check_value(c, fy_get_le32(list + i * 4)) == -1)
			return -1;
	return 0;
}

/* --- keys --------------------------------------------------------------------------- */

static int
add_key(struct check *c, uint32_t key, uint32_t parent, uint32_t depth)
{
	struct pending *grown;

	if (depth > MAX_DEPTH)
		return damaged(c, "a key that lies too deep", key);
	if (c->n == c->room) {
		c->room = c->room == 0 ? 256 : c->room * 2;
		grown = reallocarray(c->pending, c->room, sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(c->err);
		c->pending = grown;
	}
	c->pending[c->n++] = (struct pending){ key, parent, depth };
	return 0;
}

/* A list of keys, or of lists of keys; '*count' goes down. */
static int
check_list(struct check *c, uint32_t at, bool nested, uint32_t parent,
	   uint32_t depth, uint32_t *count)
{
	uint32_t is = 0, n, size, i;
	const char *list = claim(c, at, 4, &is);
	bool root;

	if (list == NULL)
		return damaged(c, "a list of keys", at);
	n = fy_get_le16(list + 2);
	root = memcmp(list, "ri", 2) == 0;
	size = memcmp(list, "lf", 2) == 0 || memcmp(list, "lh", 2) == 0 ? 8 : 4;
	if ((root && nested) ||
	    (size == 4 && !root && memcmp(list, "li", 2) != 0) ||
	    n * size > is - 4 || (!root && n > *count))
		return damaged(c, "a list of keys", at);
	for (i = 0; i < n; i++) {
		uint32_t one = fy_get_le32(list + 4 + i * size);

		if (root ? check_list(c, one, true, parent, depth, count) == -1
			 : add_key(c, one, parent, depth) == -1)
			return -1;
	}
	if (!root)
		*count -= n;
	return 0;
}

static int
add_user(struct check *c, uint32_t at)
{
	uint32_t *grown;

	if (c->n_users == c->users_room) {
		c->users_room = c->users_room == 0 ? 256 : c->users_room * 2;
		grown = reallocarray(c->users, c->users_room, sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(c->err);
		c->users = grown;
	}
	c->users[c->n_users++] = at;
	return 0;
}

static int
compare_users(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* One with more users than it counts would be freed too early. */
static int
check_users(struct check *c)
{
	size_t i, k;

	if (c->n_users > 0)
		qsort(c->users, c->n_users, sizeof(*c->users), compare_users);
	for (i = 0; i < c->n_users; i = k) {
		for (k = i; k < c->n_users && c->users[k] == c->users[i];)
			k++;
		if (fy_get_le32(c->bins + c->users[i] + 4 + 12) < k - i)
			return damaged(c, "a security descriptor", c->users[i]);
	}
	return 0;
}

static int
check_security(struct check *c, uint32_t at)
{
	uint32_t is = 0;
	const char *s = cell(c, at, SK, &is), *next, *last;

	if (s == NULL || memcmp(s, "sk", 2) != 0 ||
	    fy_get_le32(s + 16) > is - SK || fy_get_le32(s + 12) == 0)
		return damaged(c, "a security descriptor", at);
	next = cell(c, fy_get_le32(s + 4), SK, NULL);
	last = cell(c, fy_get_le32(s + 8), SK, NULL);
	if (next == NULL || last == NULL || memcmp(next, "sk", 2) != 0 ||
	    memcmp(last, "sk", 2) != 0)
		return damaged(c, "a security descriptor", at);
	put(c->shared, at);
	put(c->shared, fy_get_le32(s + 4));
	put(c->shared, fy_get_le32(s + 8));
	return add_user(c, at);
}

static int
check_key(struct check *c, struct pending p)
{
	uint32_t is = 0, n, list, class_at, class_len;
	const char *k = claim(c, p.key, NK, &is);

	if (k == NULL || memcmp(k, "nk", 2) != 0 || fy_get_le16(k + 72) == 0 ||
	    fy_get_le16(k + 72) > is - NK)
		return damaged(c, "a key", p.key);
	/* The root's parent means nothing. */
	if (p.depth > 0 && fy_get_le32(k + 16) != p.parent)
		return damaged(c, "a key of another one", p.key);
	n = fy_get_le32(k + 20);
	list = fy_get_le32(k + 28);
	if (n > c->size / 8)
		return damaged(c, "a key's number of keys", p.key);
	if (n > 0 &&
	    (check_list(c, list, false, p.key, p.depth + 1, &n) == -1 ||
	     (n != 0 && damaged(c, "a list of keys", list))))
		return -1;
	class_at = fy_get_le32(k + 48);
	class_len = fy_get_le16(k + 74);
	/* hivex frees it by its place, whatever its length says. */
	if (class_at != NONE && claim(c, class_at, class_len, NULL) == NULL)
		return damaged(c, "a key's class", class_at);
	if (check_security(c, fy_get_le32(k + 44)) == -1)
		return -1;
	return check_values(c, k);
}

static int
check_keys(struct check *c, uint32_t root)
{
	size_t i;

	if (add_key(c, root, NONE, 0) == -1)
		return -1;
	while (c->n > 0)
		if (check_key(c, c->pending[--c->n]) == -1)
			return -1;
	for (i = 0; i <= c->size / 64; i++)
		if (c->shared[i] & c->claimed[i])
			return damaged(c, "a cell of two uses",
				       (uint32_t)i * 64);
	return check_users(c);
}

int
fy_hive_check(char *data, size_t len, struct fy_error *err)
{
	struct check c = { .bins = data + BASE, .err = err };
	size_t bits;
	int r;

	c.size = fy_get_le32(data + 40);
	c.minor = fy_get_le32(data + 24);
	if (c.size > len - BASE || c.size % PAGE != 0 || c.size == 0)
		return fy_error_set(err, FY_E_FORMAT, 0, "the hive is cut");
	bits = c.size / 64 + 1;
	c.cells = calloc(bits, 1);
	c.claimed = calloc(bits, 1);
	c.shared = calloc(bits, 1);
	r = c.cells == NULL || c.claimed == NULL || c.shared == NULL
		    ? fy_error_nomem(err)
		    : read_bins(&c);
	if (r == 0)
		r = check_keys(&c, fy_get_le32(data + 36));
	free(c.cells);
	free(c.claimed);
	free(c.shared);
	free(c.pending);
	free(c.users);
	return r;
}
