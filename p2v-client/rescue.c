/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading around unreadable sectors.
 *
 * Units are sent in the order of the disk, each once; so all that is to be
 * tried of a range is tried when it is its turn.  A range that can't be read is
 * halved, at aligned places, down to one sector; what failed is tried again
 * afterwards, backwards and forwards by turns.  Where the time of a bad area is
 * over, it is not halved further than to a grain, which doubles with each
 * failure, so that the area is left in growing steps.
 *
 * A disk that has gone answers as one does that is bad all over.  So after a
 * stretch without one good sector, places are tried that should be readable,
 * the last good one first.
 */
#include "p2v-client/rescue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/options.h"
#include "p2v-client/rescue-list.h"

#define AREA_GAP     FY_MIB /* good bytes that end a bad area */
#define GRAIN_FIRST  (64 * FY_KIB)
#define GRAIN_LAST   (4 * FY_MIB)
#define PROBE_FIRST  (64 * FY_KIB) /* bad bytes in a row */
#define SAY_EVERY_NS UINT64_C(10000000000)

enum state { GOOD, BAD, SKIPPED };

struct fy_rescue {
	struct fy_rescue_options o;
	struct fy_volume *disk;
	uint32_t sector;
	struct fy_bad_list list;

	/* the bad area that is being read */
	bool in_area;
	uint64_t area_end; /* all before is settled */
	uint64_t area_ns;  /* when it began */
	uint64_t grain;

	uint64_t bad_run, probe_at; /* bytes without a good sector between */
	bool has_good;
	uint64_t good_at; /* a sector that could be read */
	uint64_t said_ns;
};

/* A range on its way: sector i of it begins at 'base' + i * sector, and only
 * [from, to) is read. */
struct work {
	struct fy_rescue *r;
	unsigned char *buf;
	uint64_t base, from, to;
	size_t n;
	unsigned char *state;
};

struct fy_rescue *
fy_rescue_new(const struct fy_rescue_options *options, struct fy_error *err)
{
	struct fy_rescue *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	r->o = *options;
	r->list.most = FY_RESCUE_RANGES;
	r->sector = 512;
	r->probe_at = PROBE_FIRST;
	return r;
}

void
fy_rescue_free(struct fy_rescue *r)
{
	if (r == NULL)
		return;
	fy_bad_list_release(&r->list);
	free(r);
}

void
fy_rescue_attach(struct fy_rescue *r, struct fy_volume *disk)
{
	r->disk = disk;
	r->sector = fy_volume_sector_bytes(disk);
	r->in_area = false;
	r->bad_run = 0;
	r->probe_at = PROBE_FIRST;
}

void
fy_rescue_set_max(struct fy_rescue *r, uint64_t max_bytes)
{
	r->o.max_bytes = max_bytes;
}

size_t
fy_rescue_ranges(const struct fy_rescue *r, const struct fy_bad_range **ret)
{
	*ret = r->list.items;
	return r->list.n;
}

uint64_t
fy_rescue_bytes(const struct fy_rescue *r)
{
	return r->list.bytes;
}

int
fy_rescue_forget(struct fy_rescue *r, uint64_t from, uint64_t to,
		 struct fy_error *err)
{
	return fy_bad_list_cut(&r->list, from, to, err);
}

void
fy_rescue_good(struct fy_rescue *r, uint64_t from, uint64_t to)
{
	if (from >= to)
		return;
	r->has_good = true;
	r->good_at = fy_align_down(from, r->sector);
	r->bad_run = 0;
	r->probe_at = PROBE_FIRST;
}

/* --- is it the disk, or a sector? --------------------------------------------- */

/* What the kernel says of a sector, or of a request that was given up. */
static bool
is_bad_sector(const struct fy_error *why)
{
	if (why->code != FY_E_IO)
		return false;
	switch (why->sys_errno) {
	case EIO:
	case ENODATA:	/* medium error */
	case EREMOTEIO: /* the target's own error */
	case EILSEQ:	/* protection information */
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static bool
can_read(struct fy_rescue *r, uint64_t at)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	unsigned char sector[4096];
	uint64_t size = fy_volume_size(r->disk);
	size_t len = fy_min_u64(r->sector, sizeof(sector));

	return at + len <= size &&
	       fy_volume_pread(r->disk, sector, len, at, &ignored) == 0;
}

/* A long stretch could not be read: is the disk still there? */
static int
probe(struct fy_rescue *r, uint64_t at, struct fy_error *err)
{
	uint64_t size = fy_volume_size(r->disk);
	uint64_t last = fy_align_down(size - 1, r->sector);
	uint64_t places[] = { r->good_at, 0, fy_align_down(size / 2, r->sector),
			      last };
	size_t i;

	if (fy_volume_reopen(r->disk, err) == -1)
		return fy_error_prefix(err, "the disk has gone");
	for (i = r->has_good ? 0 : 1; i < 4; i++)
		if (can_read(r, places[i]))
			return 0;
	return fy_error_set(err, FY_E_IO, EIO,
			    "%s: nothing of it can be read any more (at byte "
			    "%llu, nor where it could be read before): the "
			    "disk, its cable or its controller has failed",
			    fy_volume_name(r->disk), (unsigned long long)at);
}

/* --- areas ---------------------------------------------------------------------- */

static void
enter_area(struct fy_rescue *r, uint64_t at)
{
	uint64_t now = fy_clock_ns();
	char bytes[24];

	if (!r->in_area || at > r->area_end + AREA_GAP ||
	    at + AREA_GAP < r->area_end) {
		r->in_area = true;
		r->area_end = at;
		r->area_ns = now;
		r->grain = 0;
	}
	if (r->said_ns != 0 && now - r->said_ns < SAY_EVERY_NS)
		return;
	r->said_ns = now;
	fy_format_bytes(r->list.bytes, bytes, sizeof(bytes));
	fy_log_warn(r->o.log,
		    "%s: cannot read at byte %llu; reading around it (%s "
		    "unreadable before it)",
		    fy_volume_name(r->disk), (unsigned long long)at, bytes);
}

static bool
is_late(const struct fy_rescue *r)
{
	return r->o.area_s != 0 &&
	       fy_clock_ns() - r->area_ns >= r->o.area_s * 1000000000u;
}

/* --- a range ---------------------------------------------------------------------- */

static uint64_t
start_of(const struct work *w, size_t i)
{
	return fy_max_u64(w->from, w->base + i * w->r->sector);
}

static uint64_t
end_of(const struct work *w, size_t i)
{
	return fy_min_u64(w->to, w->base + i * w->r->sector);
}

/* Read sectors [a, b): 1, 0 (unreadable), -1. */
static int
attempt(struct work *w, size_t a, size_t b, struct fy_error *err)
{
	uint64_t from = start_of(w, a), to = end_of(w, b);
	struct fy_error why = { .code = FY_E_NONE };
	struct fy_rescue *r = w->r;

	if (fy_stop_check(r->o.stop, err) == -1)
		return -1;
	if (fy_volume_pread(r->disk, w->buf + (from - w->from),
			    (size_t)(to - from), from, &why) == 0) {
		fy_rescue_good(r, from, to);
		return 1;
	}
	if (!is_bad_sector(&why)) {
		*err = why;
		return fy_error_prefix(err, "the disk has gone, or fails "
					    "otherwise than by a bad sector");
	}
	enter_area(r, from);
	return 0;
}

/* Give up sectors [a, b), for now. */
static int
give_up(struct work *w, size_t a, size_t b, enum state state,
	struct fy_error *err)
{
	uint64_t from = start_of(w, a), to = end_of(w, b);
	struct fy_rescue *r = w->r;

	memset(w->buf + (from - w->from), 0, (size_t)(to - from));
	memset(w->state + a, (int)state, b - a);
	r->area_end = to;
	r->bad_run += to - from;
	if (r->bad_run < r->probe_at)
		return 0;
	r->probe_at *= 2;
	return probe(r, from, err);
}

/* [a, b) can't be read as a whole: once its parts are settled, 0. */
static int
split(struct work *w, size_t a, size_t b, struct fy_error *err)
{
	struct fy_rescue *r = w->r;
	uint64_t first = w->base / r->sector + a, half = (b - a) / 2, step = 1;
	size_t mid, part[3];
	int i, got;

	if (b - a == 1)
		return give_up(w, a, b, BAD, err);
	if (is_late(r)) {
		r->grain = fy_max_u64(r->grain, GRAIN_FIRST);
		if ((b - a) * r->sector <= r->grain) {
			r->grain = fy_min_u64(r->grain * 2, GRAIN_LAST);
			return give_up(w, a, b, SKIPPED, err);
		}
	}
	while (step * 2 <= half)
		step *= 2;
	mid = a + (size_t)(fy_align_down(first + half, step) - first);
	part[0] = a;
	part[1] = mid;
	part[2] = b;
	for (i = 0; i < 2; i++) {
		got = attempt(w, part[i], part[i + 1], err);
		if (got == -1 ||
		    (got == 0 && split(w, part[i], part[i + 1], err) == -1))
			return -1;
	}
	return 0;
}

/* Once more over the bad sectors, in one direction. */
static int
try_again(struct work *w, bool backwards, struct fy_error *err)
{
	size_t i, at;
	int got;

	for (i = 0; i < w->n && !is_late(w->r); i++) {
		at = backwards ? w->n - 1 - i : i;
		if (w->state[at] != BAD)
			continue;
		got = attempt(w, at, at + 1, err);
		if (got == -1)
			return -1;
		if (got == 1)
			w->state[at] = GOOD;
		else /* what the failed read left there */
			memset(w->buf + (start_of(w, at) - w->from), 0,
			       (size_t)(end_of(w, at + 1) - start_of(w, at)));
	}
	return 0;
}

static int
note_bad(struct work *w, struct fy_error *err)
{
	struct fy_bad_range x;
	size_t i, end;

	for (i = 0; i < w->n; i = end) {
		for (end = i + 1; end < w->n && w->state[end] == w->state[i];)
			end++;
		if (w->state[i] == GOOD)
			continue;
		x.offset = start_of(w, i);
		x.length = end_of(w, end) - x.offset;
		x.skipped = w->state[i] == SKIPPED;
		if (fy_bad_list_add(&w->r->list, &x, err) == -1)
			return -1;
	}
	return 0;
}

static int
check_limit(const struct fy_rescue *r, struct fy_error *err)
{
	char bytes[24], most[24];

	if (r->list.bytes <= r->o.max_bytes)
		return 0;
	fy_format_bytes(r->list.bytes, bytes, sizeof(bytes));
	fy_format_bytes(r->o.max_bytes, most, sizeof(most));
	return fy_error_set(err, FY_E_UNREADABLE, 0,
			    "%s: %s can't be read, more than the %s that "
			    "--rescue-max allows",
			    fy_volume_name(r->disk), bytes, most);
}

int
fy_rescue_read(struct fy_rescue *r, unsigned char *buf, uint64_t from,
	       uint64_t to, struct fy_error *err)
{
	fy_autofree unsigned char *state = NULL;
	struct work w = { .r = r, .buf = buf, .from = from, .to = to };
	unsigned i;

	w.base = fy_align_down(from, r->sector);
	w.n = (size_t)((fy_align_up(to, r->sector) - w.base) / r->sector);
	state = calloc(w.n, 1);
	if (state == NULL)
		return fy_error_nomem(err);
	w.state = state;
	enter_area(r, from);
	/* A sector by itself may have been read by now; all others are split
	 * at once. */
	if (w.n == 1) {
		int got = attempt(&w, 0, 1, err);

		if (got != 0)
			return got == -1 ? -1 : 0;
	}
	if (split(&w, 0, w.n, err) == -1)
		return -1;
	for (i = 0; i < r->o.tries; i++) {
		if (memchr(state, BAD, w.n) == NULL || is_late(r))
			break;
		if (fy_volume_reopen(r->disk, err) == -1)
			return fy_error_prefix(err, "the disk has gone");
		if (try_again(&w, i % 2 == 0, err) == -1)
			return -1;
	}
	if (fy_volume_reopen(r->disk, err) == -1)
		return fy_error_prefix(err, "the disk has gone");
	return note_bad(&w, err) == -1 ? -1 : check_limit(r, err);
}

/* --- the view ----------------------------------------------------------------------- */

struct view {
	const struct fy_rescue *r;
	struct fy_volume *disk;
};

static int
view_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	const struct view *v = handle;
	const struct fy_bad_list *l = &v->r->list;
	size_t i = fy_bad_list_find(l, offset);
	uint64_t at = offset, end = offset + len, next;
	unsigned char *to = buf;

	while (at < end) {
		const struct fy_bad_range *x = i < l->n ? &l->items[i] : NULL;

		if (x != NULL && x->offset <= at) {
			next = fy_min_u64(end, x->offset + x->length);
			memset(to + (at - offset), 0, (size_t)(next - at));
			i++;
		} else {
			next = x != NULL ? fy_min_u64(end, x->offset) : end;
			if (fy_volume_pread(v->disk, to + (at - offset),
					    (size_t)(next - at), at, err) == -1)
				return -1;
		}
		at = next;
	}
	return 0;
}

static const struct fy_volume_ops view_ops = {
	.pread = view_pread,
	.close = free,
};

int
fy_rescue_view(const struct fy_rescue *r, struct fy_volume *disk,
	       struct fy_volume **ret, struct fy_error *err)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return fy_error_nomem(err);
	v->r = r;
	v->disk = disk;
	*ret = fy_volume_new(&view_ops, v, fy_volume_name(disk),
			     fy_volume_size(disk), fy_volume_sector_bytes(disk),
			     err);
	return *ret == NULL ? -1 : 0;
}
