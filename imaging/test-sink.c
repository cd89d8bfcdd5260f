/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sinks: random disks written as a server does it (random order, rewritten,
 * forgotten, cut sessions, several sessions), read back by qemu-img and
 * compared with the disk byte for byte; raw images by ourselves too.  Without
 * qemu-img the qcow2 images are written and finished, not read.
 */
#include "imaging/sink.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/subprocess.h"
#include "common/testing.h"

#define CLUSTER	  65536u
#define MAX_UNITS 4096

static struct fy_error err;
static uint64_t seed = 11;
static char *dir;
static bool have_qemu;

enum content { EMPTY, SPARSE, MIXED, RANDOM };

struct world {
	struct fy_sink_params params;
	uint32_t unit_bytes;
	enum fy_codec codec;
	int level;
	unsigned window_bits;
	uint64_t units;
	unsigned char *disk; /* padded to whole units */
	bool has[MAX_UNITS];
	struct fy_place place[MAX_UNITS];
	uint64_t end; /* as the journal would know it */
	struct fy_sink *sink;
	struct fy_compressor *compressor;
	char image[200], raw[200];
};

static void
open_sink(struct world *w)
{
	int fd = open(w->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd != -1);
	w->sink = fy_sink_open(&w->params, fd, w->end, &err);
	if (w->sink == NULL)
		fprintf(stderr, "%s\n", err.msg);
	CHECK(w->sink != NULL);
	CHECK(w->sink->unit_bytes == w->unit_bytes);
}

static void
start(struct world *w, const char *format, enum fy_codec compressed,
      uint64_t bytes)
{
	memset(w, 0, sizeof(*w));
	w->params = (struct fy_sink_params){ .format = format,
					     .compressed = compressed,
					     .disk_bytes = bytes,
					     .sector_bytes = 512 };
	CHECK_OK(fy_sink_plan(&w->params, &w->unit_bytes, &w->codec, &w->level,
			      &w->window_bits, &err));
	w->units = (bytes - 1) / w->unit_bytes + 1;
	CHECK(w->units <= MAX_UNITS);
	w->disk = calloc(w->units, w->unit_bytes);
	CHECK(w->disk != NULL);
	w->compressor = fy_compressor_new(
		w->codec != FY_CODEC_NONE ? w->codec : FY_CODEC_ZSTD, w->level,
		w->window_bits, &err);
	CHECK(w->compressor != NULL);
	snprintf(w->image, sizeof(w->image), "%s/image", dir);
	snprintf(w->raw, sizeof(w->raw), "%s/disk", dir);
	unlink(w->image);
	open_sink(w);
}

/* New content for a unit of the disk, cluster by cluster. */
static void
change(struct world *w, uint64_t unit, enum content content)
{
	uint64_t at = unit * w->unit_bytes, end = at + w->unit_bytes;

	for (; at < end; at += CLUSTER) {
		uint64_t dice = test_random(&seed) % 8;
		unsigned char *p = w->disk + at;

		memset(p, 0, CLUSTER);
		if (content == EMPTY || (content == SPARSE && dice != 0))
			continue;
		if (content == RANDOM || dice < 2)
			test_fill_random(&seed, p, CLUSTER);
		else if (dice < 6)
			test_fill_text(&seed, p, CLUSTER);
		else if (dice == 6)
			p[test_random(&seed) % CLUSTER] = 1;
		if (at + CLUSTER > w->params.disk_bytes) {
			uint64_t keep = at < w->params.disk_bytes
						? w->params.disk_bytes - at
						: 0;

			memset(p + keep, 0, CLUSTER - keep);
		}
	}
}

/* 'keep' false: written, but the journal never hears of it. */
static void
write_unit(struct world *w, uint64_t unit, bool keep)
{
	fy_autofree unsigned char *out = malloc(w->unit_bytes);
	struct fy_sink_unit u = { .index = unit };
	uint64_t dice = test_random(&seed) % 4;
	struct fy_place place;
	size_t n;

	u.raw = u.payload = w->disk + unit * w->unit_bytes;
	u.payload_bytes = w->unit_bytes;
	/* Any client may send plain bytes, and for plain images zstd. */
	if (dice != 0 && fy_compress(w->compressor, u.raw, w->unit_bytes, out,
				     &n, &err) == 1) {
		u.payload = out;
		u.payload_bytes = (uint32_t)n;
		u.codec = w->codec != FY_CODEC_NONE ? w->codec : FY_CODEC_ZSTD;
	}
	CHECK_OK(fy_sink_write(w->sink, &u, &place, &err));
	if (!keep)
		return;
	w->place[unit] = place;
	w->has[unit] = true;
	w->end = fy_max_u64(w->end, place.offset + place.stored);
}

static void
forget_unit(struct world *w, uint64_t unit)
{
	if (!w->has[unit])
		return;
	w->has[unit] = false;
	CHECK_OK(fy_sink_forget(w->sink, unit, &w->place[unit], &err));
}

static void
reopen(struct world *w)
{
	CHECK_OK(fy_sink_sync(w->sink, &err));
	fy_sink_free(w->sink);
	open_sink(w);
}

struct walk {
	const struct world *w;
	uint64_t unit;
	uint64_t fail_at;
};

static int
next_unit(void *ctx, uint64_t *index, struct fy_place *place,
	  struct fy_error *e)
{
	struct walk *k = ctx;

	while (k->unit < k->w->units && !k->w->has[k->unit])
		k->unit++;
	if (k->unit >= k->fail_at)
		return fy_error_set(e, FY_E_IO, 0, "as the test wants it");
	if (k->unit == k->w->units)
		return 0;
	*index = k->unit;
	*place = k->w->place[k->unit];
	k->unit++;
	return 1;
}

static int
finish(struct world *w, uint64_t fail_at)
{
	struct walk k = { .w = w, .fail_at = fail_at };

	return fy_sink_finish(w->sink, next_unit, &k, &err);
}

static void
run(const char *const *argv)
{
	const struct fy_subprocess_options o = { .capture_max = 1u << 20 };
	struct fy_subprocess_result r = { 0 };

	if (fy_subprocess_run(argv, &o, &r, &err) == -1) {
		fprintf(stderr, "%s %s: %s\n%s\n", argv[0], argv[1], err.msg,
			r.out != NULL ? r.out : "");
		CHECK(false);
	}
	fy_subprocess_result_release(&r);
}

static void
write_disk(const struct world *w)
{
	int fd = open(w->raw, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd != -1);
	CHECK_OK(fy_fd_write_full(fd, w->disk, w->params.disk_bytes, &err));
	close(fd);
}

/* No tool may take an unfinished image for a whole one. */
static void
check_unfinished(const struct world *w)
{
	fy_autofree char *data = NULL;
	size_t len;

	if (fy_streq(w->params.format, "raw"))
		return;
	CHECK_OK(fy_file_read_at(AT_FDCWD, w->image, 1u << 30, &data, &len,
				 &err));
	CHECK(len >= CLUSTER && fy_is_zero(data, CLUSTER));
}

static void
check_raw(const struct world *w)
{
	fy_autofree char *data = NULL;
	uint64_t clusters = 0, at;
	struct stat st;
	size_t len;

	CHECK_OK(fy_file_read_at(AT_FDCWD, w->image, 1u << 30, &data, &len,
				 &err));
	CHECK(len == w->params.disk_bytes);
	CHECK(memcmp(data, w->disk, len) == 0);
	for (at = 0; at < w->units * w->unit_bytes; at += CLUSTER)
		clusters += !fy_is_zero(w->disk + at, CLUSTER);
	CHECK(stat(w->image, &st) == 0);
	/* Sparse, but for what the filesystem itself wants. */
	CHECK((uint64_t)st.st_blocks * 512 <= clusters * CLUSTER + CLUSTER);
}

static void
check_qcow2(const struct world *w)
{
	fy_autofree char *back = fy_format(&err, "%s/back", dir);
	const char *check[] = { "qemu-img", "check",  "-f",
				"qcow2",    w->image, NULL };
	const char *compare[] = { "qemu-img", "compare", "-s",	  "-f",
				  "raw",      "-F",	 "qcow2", w->raw,
				  w->image,   NULL };
	const char *convert[] = { "qemu-img", "convert", "-f", "qcow2", "-O",
				  "raw",      w->image,	 back, NULL };
	const char *write[] = {
		"qemu-io", "-f", "qcow2", "-c", "write -q -P 0x77 70000 400000",
		w->image,  NULL
	};
	fy_autofree char *data = NULL;
	size_t len;

	if (!have_qemu)
		return;
	run(check); /* errors are status 2, leaks 3 */
	compare[2] = "-q";
	run(compare);
	run(convert);
	CHECK_OK(fy_file_read_at(AT_FDCWD, back, 1u << 30, &data, &len, &err));
	CHECK(len == w->params.disk_bytes);
	CHECK(memcmp(data, w->disk, len) == 0);
	if (len >= 600 * FY_KIB) {
		/* What the injection does: the tables bear writing, too. */
		run(write);
		run(check);
		run(convert);
		memset(w->disk + 70000, 0x77, 400000);
		free(fy_steal_ptr(&data));
		CHECK_OK(fy_file_read_at(AT_FDCWD, back, 1u << 30, &data, &len,
					 &err));
		CHECK(memcmp(data, w->disk, len) == 0);
	}
	unlink(back);
}

/* Finish and compare; what has no place must be zero on the disk. */
static void
finish_and_check(struct world *w)
{
	uint64_t unit;

	check_unfinished(w);
	for (unit = 0; unit < w->units; unit++)
		if (!w->has[unit])
			memset(w->disk + unit * w->unit_bytes, 0,
			       w->unit_bytes);
	write_disk(w);
	CHECK_OK(finish(w, UINT64_MAX));
	fy_sink_free(w->sink);
	w->sink = NULL;
	if (fy_streq(w->params.format, "raw"))
		check_raw(w);
	else
		check_qcow2(w);
}

static void
end(struct world *w)
{
	fy_sink_free(w->sink);
	fy_compressor_free(w->compressor);
	free(w->disk);
	unlink(w->image);
	unlink(w->raw);
}

static void
test_simple(const char *format, enum fy_codec compressed, uint64_t bytes,
	    enum content content)
{
	static struct world w;
	uint64_t unit;

	start(&w, format, compressed, bytes);
	for (unit = 0; unit < w.units; unit++) {
		change(&w, unit, content);
		if (content != EMPTY)
			write_unit(&w, unit, true);
	}
	finish_and_check(&w);
	end(&w);
}

/* Sessions that are cut, with bytes behind the journal's end; units written
 * anew and forgotten; a finish that fails and one that is repeated. */
static void
test_sessions(const char *format, enum fy_codec compressed, uint64_t bytes)
{
	static struct world w;
	uint64_t i, unit;
	int session;

	start(&w, format, compressed, bytes);
	for (session = 0; session < 4; session++) {
		for (i = 0; i < w.units; i++) {
			unit = test_random(&seed) % w.units;
			forget_unit(&w, unit);
			change(&w, unit, MIXED);
			if (test_random(&seed) % 5 != 0)
				write_unit(&w, unit, true);
		}
		/* Lost by the crash: written, but not in the journal. */
		for (i = 0; i < w.units / 4 + 1; i++) {
			unit = test_random(&seed) % w.units;
			if (w.has[unit])
				continue;
			change(&w, unit, RANDOM);
			write_unit(&w, unit, false);
		}
		if (session == 2) {
			CHECK(finish(&w, w.units / 2) == -1);
			CHECK_ERROR(FY_E_IO);
		}
		if (session == 3)
			CHECK_OK(finish(&w, UINT64_MAX));
		reopen(&w);
		check_unfinished(&w);
	}
	finish_and_check(&w);
	end(&w);
}

struct huge {
	uint64_t at[4];
	struct fy_place place[4];
	unsigned n;
};

static int
next_huge(void *ctx, uint64_t *index, struct fy_place *place,
	  struct fy_error *e)
{
	struct huge *h = ctx;

	(void)e;
	if (h->n == 4)
		return 0;
	*index = h->at[h->n];
	*place = h->place[h->n++];
	return 1;
}

/* A disk of 40 TiB with a few units here and there, its last sector too. */
static void
test_huge(enum fy_codec compressed)
{
	struct fy_sink_params params = { .format = "qcow2",
					 .compressed = compressed,
					 .disk_bytes = 40 * FY_TIB + 512,
					 .sector_bytes = 512 };
	struct huge h = { .at = { 0, 1, 5000000, 41943040 } };
	fy_autofree char *image = fy_format(&err, "%s/huge", dir);
	const char *check[] = { "qemu-img", "check", "-q", "-f",
				"qcow2",    image,   NULL };
	const char *io[] = { "qemu-io", "-r", "-f",
			     "qcow2",	"-c", "read -P 1 43980465111040 1",
			     image,	NULL };
	fy_autofree unsigned char *raw = calloc(1, 1u << 20);
	int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct fy_sink *s = fy_sink_open(&params, fd, 0, &err);
	struct stat st;
	unsigned i;

	CHECK(s != NULL);
	raw[0] = 1;
	for (i = 0; i < 4; i++) {
		struct fy_sink_unit u = { .raw = raw,
					  .payload = raw,
					  .payload_bytes = 1u << 20 };

		if (compressed != FY_CODEC_NONE) {
			h.at[i] *= 16;
			u.payload_bytes = CLUSTER;
		}
		u.index = h.at[i];
		CHECK_OK(fy_sink_write(s, &u, &h.place[i], &err));
	}
	CHECK_OK(fy_sink_finish(s, next_huge, &h, &err));
	fy_sink_free(s);
	CHECK(stat(image, &st) == 0);
	CHECK((uint64_t)st.st_blocks * 512 < 2 * FY_MIB);
	if (have_qemu) {
		run(check);
		run(io);
	}
	unlink(image);
}

static int
next_far(void *ctx, uint64_t *index, struct fy_place *place, struct fy_error *e)
{
	uint64_t *n = ctx;
	/* From one end of the file to the other: each falls in the same slot
	 * of the cache of refcount blocks as the one before. */
	uint64_t at = (*n % 3) * 256 * FY_GIB + *n / 3 * FY_MIB + CLUSTER;

	(void)e;
	if (*n == 3000)
		return 0;
	*index = *n * 7;
	*place = (struct fy_place){ .offset = at,
				    .stored = 2 * CLUSTER,
				    .mask = 0x8001 };
	(*n)++;
	return 1;
}

/* An image file of 514 GiB (of holes), so with many refcount blocks. */
static void
test_far(void)
{
	struct fy_sink_params params = { .format = "qcow2",
					 .disk_bytes = FY_TIB };
	fy_autofree char *image = fy_format(&err, "%s/far", dir);
	const char *check[] = { "qemu-img", "check", "-q", "-f",
				"qcow2",    image,   NULL };
	int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct fy_sink *s;
	uint64_t n = 0;

	CHECK(ftruncate(fd, 514 * (off_t)FY_GIB) == 0);
	s = fy_sink_open(&params, fd, 514 * FY_GIB, &err);
	CHECK(s != NULL);
	CHECK_OK(fy_sink_finish(s, next_far, &n, &err));
	fy_sink_free(s);
	if (have_qemu)
		run(check);
	unlink(image);
}

static void
expect_bad_place(struct world *w, uint64_t unit, struct fy_place place)
{
	struct fy_place good = w->place[unit];

	w->place[unit] = place;
	CHECK(finish(w, UINT64_MAX) == -1);
	CHECK_ERROR(FY_E_CORRUPT);
	w->place[unit] = good;
}

static void
test_bad_places(void)
{
	static struct world w;
	struct fy_place p;

	start(&w, "qcow2", FY_CODEC_ZSTD, 10 * CLUSTER);
	change(&w, 0, RANDOM);
	test_fill_text(&seed, w.disk + CLUSTER, CLUSTER);
	write_unit(&w, 0, true);
	do
		write_unit(&w, 1, true);
	while (w.place[1].codec == FY_CODEC_NONE);
	p = w.place[1];
	p.offset = w.end;
	expect_bad_place(&w, 1, p);
	p.offset = UINT64_MAX;
	expect_bad_place(&w, 1, p);
	p.offset = 512;
	expect_bad_place(&w, 1, p);
	p = w.place[1];
	p.codec = FY_CODEC_DEFLATE;
	expect_bad_place(&w, 1, p);
	p.codec = FY_CODEC_NONE;
	expect_bad_place(&w, 1, p);
	p = w.place[1];
	p.mask = 2;
	expect_bad_place(&w, 1, p);
	p = w.place[1];
	p.stored = CLUSTER;
	expect_bad_place(&w, 1, p);
	expect_bad_place(&w, 1, w.place[0]);
	write_unit(&w, 2, true);
	p = w.place[0];
	expect_bad_place(&w, 2, p);
	p.offset += 512;
	expect_bad_place(&w, 0, p);
	finish_and_check(&w);
	end(&w);
}

static void
refuse(const char *format, enum fy_codec compressed, uint64_t bytes)
{
	struct fy_sink_params params = { .format = format,
					 .compressed = compressed,
					 .disk_bytes = bytes };
	int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	CHECK(fy_sink_open(&params, fd, 0, &err) == NULL);
	CHECK_ERROR(FY_E_UNSUPPORTED);
	CHECK(fcntl(fd, F_GETFD) == -1); /* it was taken */
}

static void
test_refusals(void)
{
	struct fy_sink_params params = { .format = "qcow2",
					 .disk_bytes = FY_MIB + 512 };
	int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	fy_autofree unsigned char *raw = calloc(1, 1u << 20);
	struct fy_sink_unit u = { .index = 2, .raw = raw, .payload = raw };
	struct fy_place place;
	struct fy_sink *s;

	refuse("vmdk", FY_CODEC_NONE, FY_MIB);
	refuse("raw", FY_CODEC_ZSTD, FY_MIB);
	refuse("raw", FY_CODEC_NONE, 0);
	refuse("qcow2", FY_CODEC_NONE, FY_MIB + 1);
	refuse("qcow2", (enum fy_codec)9, FY_MIB);
	refuse("qcow2", FY_CODEC_NONE, UINT64_C(1) << 52);
	/* Shorter than the journal says. */
	CHECK(fy_sink_open(&params, fd, 1 << 20, &err) == NULL);
	CHECK_ERROR(FY_E_CORRUPT);
	fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	s = fy_sink_open(&params, fd, 0, &err);
	CHECK(s != NULL);
	CHECK(fy_sink_write(s, &u, &place, &err) == -1);
	CHECK_ERROR(FY_E_PROTOCOL);
	u.index = 1;
	raw[512] = 1;
	CHECK(fy_sink_write(s, &u, &place, &err) == -1);
	CHECK_ERROR(FY_E_PROTOCOL);
	fy_sink_free(s);
}

/* The file may grow no further, as on a full medium: every write, and the
 * finish, says so; nothing that looks finished is left. */
static void
test_full(const char *format, enum fy_codec compressed)
{
	struct rlimit limit, old;
	struct fy_sink_unit u = { 0 };
	static struct world w;
	struct fy_place place;

	start(&w, format, compressed, 5 * FY_MIB);
	change(&w, 0, RANDOM);
	change(&w, w.units - 1, RANDOM);
	write_unit(&w, 0, true);
	CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
	limit = old;
	limit.rlim_cur = w.end + 1000;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	u.index = w.units - 1;
	u.raw = u.payload = w.disk + u.index * w.unit_bytes;
	u.payload_bytes = w.unit_bytes;
	CHECK(fy_sink_write(w.sink, &u, &place, &err) == -1);
	CHECK_ERROR(FY_E_IO);
	if (!fy_streq(format, "raw")) { /* which writes nothing there */
		CHECK(finish(&w, UINT64_MAX) == -1);
		CHECK_ERROR(FY_E_IO);
	}
	CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
	check_unfinished(&w);
	/* With room again it goes on. */
	reopen(&w);
	write_unit(&w, w.units - 1, true);
	finish_and_check(&w);
	end(&w);
}

int
main(void)
{
	static const struct {
		const char *format;
		enum fy_codec compressed;
	} kinds[] = { { "raw", FY_CODEC_NONE },
		      { "qcow2", FY_CODEC_NONE },
		      { "qcow2", FY_CODEC_ZSTD },
		      { "qcow2", FY_CODEC_DEFLATE } };
	static const uint64_t sizes[] = { 512, CLUSTER, 5 * FY_MIB + 1536,
					  8 * FY_MIB };
	unsigned i, j;
	char path[200];

	have_qemu = fy_subprocess_find("qemu-img", path, sizeof(path)) == 0;
	if (!have_qemu)
		fprintf(stderr, "qemu-img is missing: qcow2 images are not "
				"read back\n");
	signal(SIGXFSZ, SIG_IGN);
	CHECK_OK(fy_dir_temporary("test-sink", &dir, &err));
	for (i = 0; i < 4; i++) {
		for (j = 0; j < 4; j++) {
			test_simple(kinds[i].format, kinds[i].compressed,
				    sizes[j], j < 2 ? RANDOM : MIXED);
			test_simple(kinds[i].format, kinds[i].compressed,
				    sizes[j], EMPTY);
		}
		test_simple(kinds[i].format, kinds[i].compressed, sizes[2],
			    SPARSE);
		test_simple(kinds[i].format, kinds[i].compressed, sizes[2],
			    RANDOM);
		test_sessions(kinds[i].format, kinds[i].compressed, sizes[2]);
		test_sessions(kinds[i].format, kinds[i].compressed,
			      600 * FY_KIB);
		test_full(kinds[i].format, kinds[i].compressed);
	}
	test_huge(FY_CODEC_NONE);
	test_huge(FY_CODEC_ZSTD);
	test_far();
	test_bad_places();
	test_refusals();
	CHECK(rmdir(dir) == 0);
	free(dir);
	return 0;
}
