/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One module's file: its name, its compression, and what its .modinfo says.
 *
 * Modules go into an initramfs decompressed: the tools inside may not know the
 * guest's compression (busybox and kmod are built with and without each),
 * while every loader takes plain ELF.  A signature is the tail of the plain
 * file, so it stays valid, under lockdown too.
 */
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/bytes.h"
#include "drivers-inject/modules-internal.h"

#define LZMA_MEMORY_MAX (160 * FY_MIB)

void
fy_module_normalise(char *name)
{
	for (; *name != '\0'; name++)
		if (*name == '-')
			*name = '_';
}

bool
fy_module_name_of(const char *path, char ret[FY_MODULE_NAME_MAX],
		  size_t *ret_stem)
{
	static const char *const ends[] = { ".ko", ".ko.xz", ".ko.zst",
					    ".ko.gz" };
	const char *base = strrchr(path, '/');
	size_t len, end, i;

	base = base != NULL ? base + 1 : path;
	len = strlen(base);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		end = strlen(ends[i]);
		if (len <= end || len - end >= FY_MODULE_NAME_MAX ||
		    strcmp(base + len - end, ends[i]) != 0)
			continue;
		memcpy(ret, base, len - end);
		ret[len - end] = '\0';
		fy_module_normalise(ret);
		if (ret_stem != NULL)
			*ret_stem = (size_t)(base - path) + len - end + 3;
		return true;
	}
	return false;
}

/* ELF numbers of either byte order and width. */
struct elf {
	const unsigned char *data;
	size_t len;
	bool big, wide;
};

static uint64_t
elf_number(const struct elf *e, size_t at, unsigned bytes)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < bytes; i++)
		v = v << 8 | e->data[at + (e->big ? i : bytes - 1 - i)];
	return v;
}

struct section {
	uint64_t name, offset, size;
};

/* Section header number 'i'; 'table' and 'step' were checked. */
static bool
elf_section(const struct elf *e, uint64_t table, uint64_t step, uint64_t i,
	    struct section *ret)
{
	size_t at = (size_t)(table + i * step);
	uint64_t end;

	ret->name = elf_number(e, at, 4);
	ret->offset = elf_number(e, at + (e->wide ? 24 : 16), e->wide ? 8 : 4);
	ret->size = elf_number(e, at + (e->wide ? 32 : 20), e->wide ? 8 : 4);
	return fy_add_u64(ret->offset, ret->size, &end) && end <= e->len;
}

static bool
elf_open(struct elf *e, uint64_t *table, uint64_t *step, uint64_t *count,
	 uint64_t *strings)
{
	uint64_t bytes, end;
	size_t tail;

	if (e->len < 64 || memcmp(e->data, "\177ELF", 4) != 0 ||
	    e->data[4] < 1 || e->data[4] > 2 || e->data[5] < 1 ||
	    e->data[5] > 2)
		return false;
	e->wide = e->data[4] == 2;
	e->big = e->data[5] == 2;
	*table = elf_number(e, e->wide ? 40 : 32, e->wide ? 8 : 4);
	tail = e->wide ? 58 : 46;
	*step = elf_number(e, tail, 2);
	*count = elf_number(e, tail + 2, 2);
	*strings = elf_number(e, tail + 4, 2);
	bytes = *step * *count;
	return *step >= (e->wide ? 64U : 40U) && *strings < *count &&
	       fy_add_u64(*table, bytes, &end) && end <= e->len;
}

static bool
find_modinfo(struct elf *e, struct section *ret)
{
	static const char wanted[] = ".modinfo";
	uint64_t table, step, count, strings, i;
	struct section names;

	if (!elf_open(e, &table, &step, &count, &strings) ||
	    !elf_section(e, table, step, strings, &names))
		return false;
	for (i = 0; i < count; i++)
		if (elf_section(e, table, step, i, ret) &&
		    ret->name < names.size &&
		    names.size - ret->name >= sizeof(wanted) &&
		    memcmp(e->data + names.offset + ret->name, wanted,
			   sizeof(wanted)) == 0)
			return true;
	return false;
}

int
fy_modinfo_read(const unsigned char *elf, size_t len, fy_modinfo_each each,
		void *ctx, struct fy_error *err)
{
	struct elf e = { .data = elf, .len = len };
	struct section info;
	const char *p, *end, *stop, *equals;

	if (!find_modinfo(&e, &info))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "no ELF file with a .modinfo section");
	p = (const char *)elf + info.offset;
	end = p + info.size;
	for (; p < end; p = stop + 1) {
		stop = memchr(p, '\0', (size_t)(end - p));
		if (stop == NULL)
			break; /* unterminated: ignored as modinfo does */
		equals = memchr(p, '=', (size_t)(stop - p));
		if (equals != NULL &&
		    each(ctx, p, (size_t)(equals - p), equals + 1, err) == -1)
			return -1;
	}
	return 0;
}

/* A codec: decompress all of 'in' into at most 'room' bytes; '*full' when
 * there would be more. */
typedef int (*unpack_fn)(const unsigned char *in, size_t len,
			 unsigned char *out, size_t room, size_t *ret_len,
			 bool *full);

static int
unpack_gzip(const unsigned char *in, size_t len, unsigned char *out,
	    size_t room, size_t *ret_len, bool *full)
{
	z_stream z = { 0 };
	int r;

	if (len > UINT32_MAX || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return -1;
	z.next_in = (unsigned char *)(uintptr_t)in;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = (uInt)room;
	r = inflate(&z, Z_FINISH);
	*ret_len = room - z.avail_out;
	*full = r != Z_STREAM_END && z.avail_out == 0;
	inflateEnd(&z);
	return r == Z_STREAM_END ? 0 : -1;
}

static int
unpack_xz(const unsigned char *in, size_t len, unsigned char *out, size_t room,
	  size_t *ret_len, bool *full)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret r;

	if (lzma_stream_decoder(&s, LZMA_MEMORY_MAX, LZMA_CONCATENATED) !=
	    LZMA_OK)
		return -1;
	s.next_in = in;
	s.avail_in = len;
	s.next_out = out;
	s.avail_out = room;
	do {
		r = lzma_code(&s, LZMA_FINISH);
	} while (r == LZMA_OK && s.avail_out > 0);
	*ret_len = room - s.avail_out;
	*full = (r == LZMA_OK || r == LZMA_BUF_ERROR) && s.avail_out == 0;
	lzma_end(&s);
	return r == LZMA_STREAM_END ? 0 : -1;
}

static int
unpack_zstd(const unsigned char *in, size_t len, unsigned char *out,
	    size_t room, size_t *ret_len, bool *full)
{
	size_t n = ZSTD_decompress(out, room, in, len);

	*full = ZSTD_isError(n) &&
		strcmp(ZSTD_getErrorName(n), "Destination buffer is too "
					     "small") == 0;
	*ret_len = ZSTD_isError(n) ? 0 : n;
	return ZSTD_isError(n) ? -1 : 0;
}

/* Grow the room until it is enough. */
static int
unpack_growing(unpack_fn unpack, const char *what, const unsigned char *in,
	       size_t len, size_t max, unsigned char **ret, size_t *ret_len,
	       struct fy_error *err)
{
	size_t room = (size_t)fy_min_u64(max, len * 4 + 65536);

	for (;;) {
		fy_autofree unsigned char *out = malloc(room + 1);
		bool full = false;

		if (out == NULL)
			return fy_error_nomem(err);
		if (unpack(in, len, out, room, ret_len, &full) == 0) {
			out[*ret_len] = '\0';
			*ret = fy_steal_ptr(&out);
			return 0;
		}
		if (!full)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "damaged %s data", what);
		if (room == max)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "unpacks to more than %zu bytes",
					    max);
		room = (size_t)fy_min_u64(max, room * 4);
	}
}

int
fy_module_decompress(const void *data, size_t len, size_t max,
		     unsigned char **ret, size_t *ret_len, struct fy_error *err)
{
	const unsigned char *in = data;
	unsigned char *copy;

	if (len >= 2 && in[0] == 0x1f && in[1] == 0x8b)
		return unpack_growing(unpack_gzip, "gzip", in, len, max, ret,
				      ret_len, err);
	if (len >= 6 && memcmp(in,
			       "\xfd"
			       "7zXZ",
			       6) == 0)
		return unpack_growing(unpack_xz, "xz", in, len, max, ret,
				      ret_len, err);
	if (len >= 4 && fy_get_le32(in) == 0xfd2fb528u)
		return unpack_growing(unpack_zstd, "zstd", in, len, max, ret,
				      ret_len, err);
	if (len > max)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "larger than %zu bytes", max);
	copy = malloc(len + 1);
	if (copy == NULL)
		return fy_error_nomem(err);
	if (len > 0)
		memcpy(copy, in, len);
	copy[len] = '\0';
	*ret = copy;
	*ret_len = len;
	return 0;
}
