/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Codecs: a table of drivers by their number on the wire.  Deflate is ISA-L's
 * where that has hand-written code (x86-64, arm64), else zlib's.  A
 * decompressor serves all codecs and makes a codec's state at its first use.
 */
#include "common/codec.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/codec-driver.h"

#define N_CODECS (FY_CODEC_DEFLATE + 1)

struct codec_row {
	const char *name;
	const struct fy_codec_driver *driver; /* NULL: copies */
};

static const struct codec_row rows[N_CODECS] = {
	[FY_CODEC_NONE] = { "none", NULL },
	[FY_CODEC_ZSTD] = { "zstd", &fy_codec_driver_zstd },
#if defined(__x86_64__) || defined(__aarch64__)
	[FY_CODEC_DEFLATE] = { "deflate", &fy_codec_driver_isal },
#else
	[FY_CODEC_DEFLATE] = { "deflate", &fy_codec_driver_zlib },
#endif
};

struct fy_compressor {
	const struct fy_codec_driver *driver;
	void *state;
};

struct fy_decompressor {
	void *states[N_CODECS];
	unsigned window_bits;
};

const char *
fy_codec_name(enum fy_codec codec)
{
	return (unsigned)codec < N_CODECS ? rows[codec].name : "unknown";
}

int
fy_codec_from_name(const char *name, enum fy_codec *ret, struct fy_error *err)
{
	unsigned i;

	for (i = 0; i < N_CODECS; i++) {
		if (!fy_streq(rows[i].name, name))
			continue;
		*ret = (enum fy_codec)i;
		return 0;
	}
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "there is no codec '%.40s' (there are none, zstd, "
			    "deflate)",
			    name != NULL ? name : "");
}

static int
check_codec(enum fy_codec codec, struct fy_error *err)
{
	if ((unsigned)codec < N_CODECS)
		return 0;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0, "there is no codec %u",
			    (unsigned)codec);
}

struct fy_compressor *
fy_compressor_new(enum fy_codec codec, int level, unsigned window_bits,
		  struct fy_error *err)
{
	struct fy_compressor *c;

	if (check_codec(codec, err) == -1)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	c->driver = rows[codec].driver;
	if (c->driver == NULL)
		return c;
	c->state = c->driver->compressor_new(level, window_bits, err);
	if (c->state == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void
fy_compressor_free(struct fy_compressor *c)
{
	if (c == NULL)
		return;
	if (c->driver != NULL)
		c->driver->compressor_free(c->state);
	free(c);
}

int
fy_compress(struct fy_compressor *c, const void *data, size_t len, void *out,
	    size_t *ret_len, struct fy_error *err)
{
	/* One byte can't become less. */
	if (c->driver == NULL || len < 2)
		return 0;
	return c->driver->compress(c->state, data, len, out, ret_len, err);
}

struct fy_decompressor *
fy_decompressor_new(struct fy_error *err)
{
	struct fy_decompressor *d = calloc(1, sizeof(*d));

	if (d == NULL)
		fy_error_nomem(err);
	return d;
}

void
fy_decompressor_limit_window(struct fy_decompressor *d, unsigned window_bits)
{
	d->window_bits = window_bits;
}

void
fy_decompressor_free(struct fy_decompressor *d)
{
	unsigned i;

	if (d == NULL)
		return;
	for (i = 0; i < N_CODECS; i++)
		if (d->states[i] != NULL)
			rows[i].driver->decompressor_free(d->states[i]);
	free(d);
}

int
fy_decompress(struct fy_decompressor *d, enum fy_codec codec, const void *data,
	      size_t len, void *out, size_t out_len, struct fy_error *err)
{
	const struct fy_codec_driver *driver;

	if (check_codec(codec, err) == -1)
		return -1;
	driver = rows[codec].driver;
	if (driver == NULL) {
		if (len != out_len)
			return fy_error_set(err, FY_E_CORRUPT, 0,
					    "%zu plain bytes where %zu are "
					    "expected",
					    len, out_len);
		if (len > 0)
			memmove(out, data, len);
		return 0;
	}
	if (d->states[codec] == NULL)
		d->states[codec] = driver->decompressor_new(err);
	if (d->states[codec] == NULL)
		return -1;
	return driver->decompress(d->states[codec], d->window_bits, data, len,
				  out, out_len, err);
}
