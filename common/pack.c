/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A ring of slots.  The caller fills them in order and writes out, in the same
 * order, those that are done; the workers take filled ones in order.  So memory
 * is bounded by the number of slots, and the output is the same whatever the
 * number of threads.
 *
 * The lock guards the slots' states and 'taken'; the bytes of a slot belong to
 * the caller (FREE, DONE) or to one worker (WORKING).
 */
#include "common/pack.h"

#include <ctype.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/bytes.h"
#include "common/codec.h"
#include "common/file.h"
#include "common/pipeline.h"

#define GZIP_BYTES     (1u << 20)
#define ZSTD_BYTES     (4u << 20)
#define GZIP_LEVEL     1
#define ZSTD_LEVEL     3
#define GZIP_AROUND    18u /* header and trailer of a member */
#define STORED_BYTES   65535u
#define MAX_THREADS    64u
#define ZSTD_MAX_LEVEL 22

enum slot_state { SLOT_FREE, SLOT_FILLED, SLOT_WORKING, SLOT_DONE };

struct slot {
	enum slot_state state;
	unsigned char *in, *out;
	size_t in_len, out_len;
	struct fy_error err;
};

struct worker {
	struct fy_pack *pack;
	struct fy_compressor *deflate;
	ZSTD_CCtx *zstd;
	pthread_t thread;
	bool running;
};

struct fy_pack {
	struct fy_pack_options options;
	fy_pack_output *output;
	void *ctx;
	uint64_t stored;
	struct fy_error err; /* the first one */
	size_t block, out_room;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool quit;
	struct slot *slots;
	size_t n_slots;
	uint64_t filled, taken, written; /* numbers of the next ones */
	struct worker *workers;
	size_t n_workers;
};

int
fy_pack_parse(const char *text, struct fy_pack_options *ret,
	      struct fy_error *err)
{
	static const struct {
		const char *name;
		enum fy_packing kind;
		int max;
	} kinds[] = { { "none", FY_PACK_NONE, 0 },
		      { "gzip", FY_PACK_GZIP, 3 },
		      { "zstd", FY_PACK_ZSTD, ZSTD_MAX_LEVEL } };
	size_t i, len = strcspn(text, ":");
	char *end;
	long level = 0;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].name) == len &&
		    strncmp(kinds[i].name, text, len) == 0)
			break;
	if (i == sizeof(kinds) / sizeof(kinds[0]))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is no compression (none, gzip, zstd, "
				    "zstd:LEVEL)",
				    text);
	if (text[len] == ':') {
		level = strtol(text + len + 1, &end, 10);
		if (!isdigit((unsigned char)text[len + 1]) || *end != '\0' ||
		    level < 1 || level > kinds[i].max)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "'%s': %s has the levels 1 to %d",
					    text, kinds[i].name, kinds[i].max);
	}
	ret->kind = kinds[i].kind;
	ret->level = (int)level;
	return 0;
}

const char *
fy_pack_suffix(enum fy_packing kind)
{
	static const char *const suffixes[] = { "", "gz", "zst" };

	return suffixes[kind];
}

int
fy_pack_to_fd(void *ctx, const void *buf, size_t len, struct fy_error *err)
{
	return fy_fd_write_full(*(int *)ctx, buf, len, err);
}

/* --- one block --------------------------------------------------------------- */

/* Deflate's form for what does not shrink. */
static size_t
store(const unsigned char *in, size_t len, unsigned char *out)
{
	unsigned char *p = out;
	size_t n;

	do {
		n = len < STORED_BYTES ? len : STORED_BYTES;
		len -= n;
		*p++ = len == 0;
		fy_put_le16(p, (uint16_t)n);
		fy_put_le16(p + 2, (uint16_t)~n);
		memcpy(p + 4, in, n);
		p += 4 + n;
		in += n;
	} while (len > 0);
	return (size_t)(p - out);
}

/* A member: no name, no time, made on Unix. */
static int
pack_gzip(struct worker *w, struct slot *s, struct fy_error *err)
{
	static const unsigned char head[10] = { 0x1f, 0x8b, 8, 0, 0,
						0,    0,    0, 0, 3 };
	unsigned char *p = s->out;
	size_t n = 0;
	int r;

	memcpy(p, head, sizeof(head));
	p += sizeof(head);
	r = fy_compress(w->deflate, s->in, s->in_len, p, &n, err);
	if (r == -1)
		return -1;
	p += r == 1 ? n : store(s->in, s->in_len, p);
	fy_put_le32(p, crc32_gzip_refl(0, s->in, s->in_len));
	fy_put_le32(p + 4, (uint32_t)s->in_len);
	s->out_len = (size_t)(p + 8 - s->out);
	return 0;
}

static int
pack_zstd(struct worker *w, struct slot *s, struct fy_error *err)
{
	size_t n = ZSTD_compress2(w->zstd, s->out, w->pack->out_room, s->in,
				  s->in_len);

	if (ZSTD_isError(n))
		return fy_error_set(err, FY_E_NOMEM, 0,
				    "zstd cannot compress: %s",
				    ZSTD_getErrorName(n));
	s->out_len = n;
	return 0;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct fy_pack *p = w->pack;
	struct slot *s;

	FY_LOCK_SCOPE(&p->lock);
	for (;;) {
		s = &p->slots[p->taken % p->n_slots];
		if (p->quit)
			return NULL;
		if (p->taken == p->filled || s->state != SLOT_FILLED) {
			pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}
		p->taken++;
		s->state = SLOT_WORKING;
		pthread_mutex_unlock(&p->lock);
		if (w->zstd != NULL)
			pack_zstd(w, s, &s->err);
		else
			pack_gzip(w, s, &s->err);
		pthread_mutex_lock(&p->lock);
		s->state = SLOT_DONE;
		pthread_cond_broadcast(&p->changed);
	}
}

/* --- the caller's side --------------------------------------------------------- */

static int
failed(struct fy_pack *p, struct fy_error *err)
{
	if (err->code == FY_E_NONE)
		*err = p->err;
	return -1;
}

static int
put_out(struct fy_pack *p, const void *buf, size_t len)
{
	if (p->output(p->ctx, buf, len, &p->err) == -1)
		return -1;
	p->stored += len;
	return 0;
}

/* Write out what is done; with 'wait' at least the oldest slot. */
static int
drain(struct fy_pack *p, bool wait)
{
	struct slot *s;

	FY_LOCK_SCOPE(&p->lock);
	while (p->written < p->filled) {
		s = &p->slots[p->written % p->n_slots];
		while (wait && s->state != SLOT_DONE)
			pthread_cond_wait(&p->changed, &p->lock);
		if (s->state != SLOT_DONE)
			return 0;
		wait = false;
		pthread_mutex_unlock(&p->lock);
		if (s->err.code != FY_E_NONE)
			p->err = s->err;
		else
			put_out(p, s->out, s->out_len);
		pthread_mutex_lock(&p->lock);
		s->state = SLOT_FREE;
		s->in_len = 0;
		p->written++;
		if (p->err.code != FY_E_NONE)
			return -1;
	}
	return 0;
}

static void
submit(struct fy_pack *p)
{
	FY_LOCK_SCOPE(&p->lock);
	p->slots[p->filled % p->n_slots].state = SLOT_FILLED;
	p->filled++;
	pthread_cond_broadcast(&p->changed);
}

int
fy_pack_write(struct fy_pack *p, const void *buf, size_t len,
	      struct fy_error *err)
{
	const unsigned char *from = buf;
	struct slot *s;
	size_t n;

	if (p->err.code != FY_E_NONE)
		return failed(p, err);
	if (p->options.kind == FY_PACK_NONE)
		return put_out(p, buf, len) == -1 ? failed(p, err) : 0;
	while (len > 0) {
		/* The slot to fill is free when fewer than all are on the
		 * way. */
		if (drain(p, p->filled - p->written == p->n_slots) == -1)
			return failed(p, err);
		s = &p->slots[p->filled % p->n_slots];
		n = (size_t)fy_min_u64(len, p->block - s->in_len);
		memcpy(s->in + s->in_len, from, n);
		s->in_len += n;
		from += n;
		len -= n;
		if (s->in_len == p->block)
			submit(p);
	}
	return 0;
}

int
fy_pack_finish(struct fy_pack *p, struct fy_error *err)
{
	if (p->err.code != FY_E_NONE)
		return failed(p, err);
	if (p->options.kind == FY_PACK_NONE)
		return 0;
	if (drain(p, p->filled - p->written == p->n_slots) == -1)
		return failed(p, err);
	/* Of nothing comes a member of nothing. */
	if (p->slots[p->filled % p->n_slots].in_len > 0 || p->filled == 0)
		submit(p);
	while (p->written < p->filled)
		if (drain(p, true) == -1)
			return failed(p, err);
	return 0;
}

uint64_t
fy_pack_stored(const struct fy_pack *p)
{
	return p->stored;
}

/* --- making and freeing ---------------------------------------------------------- */

static int
start_zstd(struct worker *w, int level, struct fy_error *err)
{
	w->zstd = ZSTD_createCCtx();
	if (w->zstd == NULL ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(
		    w->zstd, ZSTD_c_compressionLevel, level)) ||
	    ZSTD_isError(
		    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1)))
		return fy_error_nomem(err);
	return 0;
}

static int
start_worker(struct fy_pack *p, struct worker *w, struct fy_error *err)
{
	int level = p->options.level, r;

	w->pack = p;
	if (p->options.kind == FY_PACK_ZSTD) {
		if (start_zstd(w, level != 0 ? level : ZSTD_LEVEL, err) == -1)
			return -1;
	} else {
		w->deflate = fy_compressor_new(FY_CODEC_DEFLATE,
					       level != 0 ? level : GZIP_LEVEL,
					       0, err);
		if (w->deflate == NULL)
			return -1;
	}
	r = pthread_create(&w->thread, NULL, work, w);
	if (r != 0)
		return fy_error_set(err, FY_E_NOMEM, r,
				    "cannot start a thread");
	w->running = true;
	return 0;
}

static int
make_slots(struct fy_pack *p, struct fy_error *err)
{
	size_t i;

	p->slots = calloc(p->n_slots, sizeof(*p->slots));
	p->workers = calloc(p->n_workers, sizeof(*p->workers));
	if (p->slots == NULL || p->workers == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < p->n_slots; i++) {
		p->slots[i].in = malloc(p->block);
		p->slots[i].out = malloc(p->out_room);
		if (p->slots[i].in == NULL || p->slots[i].out == NULL)
			return fy_error_nomem(err);
	}
	for (i = 0; i < p->n_workers; i++)
		if (start_worker(p, &p->workers[i], err) == -1)
			return -1;
	return 0;
}

int
fy_pack_new(const struct fy_pack_options *options, fy_pack_output *output,
	    void *ctx, struct fy_pack **ret, struct fy_error *err)
{
	FY_AUTO(pack) struct fy_pack *p = calloc(1, sizeof(*p));
	unsigned threads = options->threads;

	if (p == NULL)
		return fy_error_nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->options = *options;
	p->output = output;
	p->ctx = ctx;
	if (options->kind != FY_PACK_NONE) {
		if (threads == 0)
			threads = fy_processors();
		p->n_workers = threads < MAX_THREADS ? threads : MAX_THREADS;
		p->n_slots = p->n_workers + 2;
		p->block =
			options->kind == FY_PACK_ZSTD ? ZSTD_BYTES : GZIP_BYTES;
		p->out_room = ZSTD_compressBound(p->block) + GZIP_AROUND +
			      5 * (p->block / STORED_BYTES + 1);
		if (make_slots(p, err) == -1)
			return -1;
	}
	*ret = fy_steal_ptr(&p);
	return 0;
}

static void
stop_workers(struct fy_pack *p)
{
	size_t i;

	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->n_workers; i++) {
		if (p->workers[i].running)
			pthread_join(p->workers[i].thread, NULL);
		fy_compressor_free(p->workers[i].deflate);
		ZSTD_freeCCtx(p->workers[i].zstd);
	}
}

void
fy_pack_free(struct fy_pack *p)
{
	size_t i;

	if (p == NULL)
		return;
	if (p->workers != NULL)
		stop_workers(p);
	for (i = 0; p->slots != NULL && i < p->n_slots; i++) {
		free(p->slots[i].in);
		free(p->slots[i].out);
	}
	free(p->slots);
	free(p->workers);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
