/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The loop around the decoders: input in a buffer, members one after the other,
 * and what is at fault named with its place.
 *
 * zstd and lz4 share the skippable frame; pzstd begins with one.  What the
 * first frame that is none is decides.
 */
#include "common/unpack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/pieces.h"
#include "common/unpack-driver.h"

#define INPUT_BYTES (256u << 10)

static const struct fy_unpack_driver *const drivers[] = {
	&fy_unpack_gzip, &fy_unpack_zstd, &fy_unpack_lz4,
	&fy_unpack_xz,	 &fy_unpack_lzip, &fy_unpack_bzip2,
};

/* What is recognised only to be refused with the way out. */
static const struct {
	const char *name, *tool;
	const char *magic;
	size_t len;
} refused[] = {
	{ "lzop", "lzop -dc", "\x89LZO\0\r\n\x1a\n", 9 },
	{ "lrzip", "lrzip -d", "LRZI", 4 },
	{ "the old lz4 format", "lz4 -dc", "\x02\x21\x4c\x18", 4 },
};

struct fy_unpack {
	fy_unpack_input *input;
	void *ctx;
	struct fy_pieces *pieces; /* when 'ctx' is ours */
	char *name;
	const struct fy_unpack_driver *driver; /* NULL: plain */
	void *state;
	bool in_member, input_ended, ended;
	uint64_t given, taken; /* unpacked, packed */
	unsigned char *buffer;
	size_t have, used;
};

static size_t
left(const struct fy_unpack *u)
{
	return u->have - u->used;
}

/* Have at least 'want' bytes, or all until the end. */
static int
fill(struct fy_unpack *u, size_t want, struct fy_error *err)
{
	size_t n;

	if (left(u) >= want || u->input_ended)
		return 0;
	memmove(u->buffer, u->buffer + u->used, left(u));
	u->have = left(u);
	u->used = 0;
	while (u->have < want && !u->input_ended) {
		if (u->input(u->ctx, u->buffer + u->have, INPUT_BYTES - u->have,
			     &n, err) == -1)
			return -1;
		u->have += n;
		u->input_ended = n == 0;
	}
	return 0;
}

/* --- which ------------------------------------------------------------------- */

/* Where the first frame begins that is not a skippable one. */
static int
behind_skippable(struct fy_unpack *u, size_t *ret, struct fy_error *err)
{
	size_t at = 0;
	uint32_t len;

	for (;;) {
		*ret = at;
		if (fill(u, fy_min_u64(at + FY_UNPACK_MAGIC, INPUT_BYTES),
			 err) == -1)
			return -1;
		if (left(u) < at + 8 ||
		    (fy_get_le32(u->buffer + at) & ~15u) != 0x184d2a50u)
			return 0;
		len = fy_get_le32(u->buffer + at + 4);
		if (len > INPUT_BYTES - 8 - at - FY_UNPACK_MAGIC)
			return 0;
		at += 8 + len;
	}
}

static int
recognise(struct fy_unpack *u, struct fy_error *err)
{
	const unsigned char *p;
	size_t i, at, n;

	if (behind_skippable(u, &at, err) == -1)
		return -1;
	if (left(u) <= at)
		at = 0;
	p = u->buffer + at;
	n = left(u) - at;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (n >= refused[i].len &&
		    memcmp(p, refused[i].magic, refused[i].len) == 0)
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "it is packed by %s, which is not "
					    "read: unpack it with `%s` first",
					    refused[i].name, refused[i].tool);
	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (!drivers[i]->is_start(p, n))
			continue;
		u->driver = drivers[i];
		u->state = u->driver->open(err);
		return u->state == NULL ? -1 : 0;
	}
	return 0;
}

int
fy_unpack_new(fy_unpack_input *input, void *ctx, const char *name,
	      struct fy_unpack **ret, struct fy_error *err)
{
	FY_AUTO(unpack) struct fy_unpack *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return fy_error_nomem(err);
	u->input = input;
	u->ctx = ctx;
	u->name = strdup(name);
	u->buffer = malloc(INPUT_BYTES);
	if (u->name == NULL || u->buffer == NULL)
		return fy_error_nomem(err);
	if (recognise(u, err) == -1)
		return fy_error_prefix(err, "%s", name);
	*ret = fy_steal_ptr(&u);
	return 0;
}

int
fy_unpack_open(const char *path, struct fy_unpack **ret, struct fy_error *err)
{
	FY_AUTO(pieces) struct fy_pieces *p = NULL;

	if (fy_pieces_open(path, &p, err) == -1 ||
	    fy_unpack_new(fy_pieces_read, p,
			  fy_streq(path, "-") ? "standard input" : path, ret,
			  err) == -1)
		return -1;
	(*ret)->pieces = fy_steal_ptr(&p);
	return 0;
}

void
fy_unpack_close(struct fy_unpack *u)
{
	if (u == NULL)
		return;
	if (u->state != NULL)
		u->driver->close(u->state);
	fy_pieces_close(u->pieces);
	free(u->buffer);
	free(u->name);
	free(u);
}

/* --- reading ----------------------------------------------------------------- */

static int
at_fault(const struct fy_unpack *u, struct fy_error *err)
{
	return fy_error_prefix(err,
			       "%s (%s): at packed byte %" PRIu64
			       ", unpacked byte %" PRIu64,
			       u->name, fy_unpack_kind(u), u->taken, u->given);
}

static int
corrupt(const struct fy_unpack *u, struct fy_error *err, const char *what)
{
	fy_error_set(err, FY_E_CORRUPT, 0, "%s", what);
	return at_fault(u, err);
}

static int
read_plain(struct fy_unpack *u, unsigned char *to, size_t len, size_t *ret_len,
	   struct fy_error *err)
{
	size_t n = left(u);

	if (n == 0 && len >= INPUT_BYTES) {
		if (u->input(u->ctx, to, len, &n, err) == -1)
			return -1;
	} else {
		if (fill(u, 1, err) == -1)
			return -1;
		n = (size_t)fy_min_u64(left(u), len);
		memcpy(to, u->buffer + u->used, n);
		u->used += n;
	}
	u->taken += n;
	u->ended = n == 0;
	*ret_len = n;
	return 0;
}

/* A further member, or the end. */
static int
next_member(struct fy_unpack *u, struct fy_error *err)
{
	if (fill(u, FY_UNPACK_MAGIC, err) == -1)
		return -1;
	if (left(u) == 0) {
		u->ended = true;
		return 0;
	}
	if (!u->driver->is_start(u->buffer + u->used, left(u)))
		return corrupt(u, err,
			       "bytes follow that are no further part of it");
	if (u->driver->begin(u->state, err) == -1)
		return at_fault(u, err);
	u->in_member = true;
	return 0;
}

static int
read_packed(struct fy_unpack *u, unsigned char *to, size_t len, size_t *ret_len,
	    struct fy_error *err)
{
	struct fy_unpack_step s;
	size_t in, out;
	int r;

	*ret_len = 0;
	if (!u->in_member) {
		if (next_member(u, err) == -1)
			return -1;
		if (u->ended)
			return 0;
	}
	if (fill(u, 1, err) == -1)
		return -1;
	s = (struct fy_unpack_step){
		.in = u->buffer + u->used,
		.in_len = left(u),
		.out = to,
		.out_len = len,
		.last = u->input_ended,
	};
	r = u->driver->step(u->state, &s, err);
	in = left(u) - s.in_len;
	out = len - s.out_len;
	u->used += in;
	u->taken += in;
	if (r == -1)
		return at_fault(u, err);
	*ret_len = out;
	u->in_member = r == 0;
	if (r == 1 || in > 0 || out > 0)
		return 0;
	if (left(u) > 0)
		return corrupt(u, err, "the data is damaged");
	return u->input_ended ? corrupt(u, err, "it ends early") : 0;
}

int
fy_unpack_read(struct fy_unpack *u, void *buf, size_t len, size_t *ret_len,
	       struct fy_error *err)
{
	unsigned char *to = buf;
	size_t n;
	int r;

	*ret_len = 0;
	while (len > 0 && !u->ended) {
		r = u->driver != NULL ? read_packed(u, to, len, &n, err)
				      : read_plain(u, to, len, &n, err);
		if (r == -1)
			return -1;
		u->given += n;
		*ret_len += n;
		to += n;
		len -= n;
	}
	return 0;
}

int
fy_unpack_read_full(struct fy_unpack *u, void *buf, size_t len,
		    const char *what, struct fy_error *err)
{
	size_t n;

	if (fy_unpack_read(u, buf, len, &n, err) == -1)
		return -1;
	if (n == len)
		return 0;
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "%s ends at byte %" PRIu64 ", in %s", u->name,
			    u->given, what);
}

const char *
fy_unpack_kind(const struct fy_unpack *u)
{
	return u->driver != NULL ? u->driver->name : "none";
}

const char *
fy_unpack_name(const struct fy_unpack *u)
{
	return u->name;
}

uint64_t
fy_unpack_bytes(const struct fy_unpack *u)
{
	return u->given;
}

uint64_t
fy_unpack_packed(const struct fy_unpack *u)
{
	return u->taken;
}

uint64_t
fy_unpack_packed_total(const struct fy_unpack *u)
{
	return u->pieces != NULL ? fy_pieces_total(u->pieces) : 0;
}
