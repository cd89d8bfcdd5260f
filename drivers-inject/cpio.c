/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading and writing newc archives.
 *
 * The reader pulls bytes through a 64 KiB buffer and counts what it gave out,
 * so that the end of an archive inside a longer stream is known to the byte:
 * 'offset' counts from the start of the stream, and alignment is relative to
 * that, as in the kernel (which aligns to the start of a compressed stream, or
 * of the whole initramfs when it isn't compressed; plain archives start at
 * multiples of 4, so both are the same).
 */
#include "drivers-inject/cpio.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"

#define HEADER_BYTES 110
#define BUFFER_BYTES 65536
#define TRAILER	     "TRAILER!!!"

int
fy_cpio_reader_init(struct fy_cpio_reader *r, fy_cpio_pull pull, void *ctx,
		    struct fy_error *err)
{
	memset(r, 0, sizeof(*r));
	r->pull = pull;
	r->ctx = ctx;
	r->buffer = malloc(BUFFER_BYTES);
	return r->buffer != NULL ? 0 : fy_error_nomem(err);
}

void
fy_cpio_reader_release(struct fy_cpio_reader *r)
{
	free(r->buffer);
	r->buffer = NULL;
}

/* Make sure that the buffer holds something, unless the data has ended. */
static int
fill(struct fy_cpio_reader *r, struct fy_error *err)
{
	size_t n = 0;

	if (r->used < r->have || r->ended)
		return 0;
	r->used = 0;
	r->have = 0;
	if (r->pull(r->ctx, r->buffer, BUFFER_BYTES, &n, err) == -1)
		return -1;
	if (n == 0)
		r->ended = true;
	r->have = n;
	return 0;
}

/* Exactly 'len' bytes, or FY_E_FORMAT; 'buf' NULL passes over them. */
static int
take(struct fy_cpio_reader *r, void *buf, uint64_t len, struct fy_error *err)
{
	unsigned char *p = buf;
	size_t n;

	while (len > 0) {
		if (fill(r, err) == -1)
			return -1;
		if (r->ended)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the cpio archive is cut short");
		n = (size_t)fy_min_u64(len, r->have - r->used);
		if (p != NULL) {
			memcpy(p, r->buffer + r->used, n);
			p += n;
		}
		r->used += n;
		r->offset += n;
		len -= n;
	}
	return 0;
}

static int
take_padding(struct fy_cpio_reader *r, struct fy_error *err)
{
	return take(r, NULL, -r->offset & 3, err);
}

static int
hex_field(const unsigned char *p, uint32_t *ret)
{
	uint32_t v = 0;
	int i;

	for (i = 0; i < 8; i++) {
		unsigned c = p[i];

		if (c >= '0' && c <= '9')
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else if (c >= 'A' && c <= 'F')
			c -= 'A' - 10;
		else
			return -1;
		v = v << 4 | c;
	}
	*ret = v;
	return 0;
}

static int
decode_header(const unsigned char *h, struct fy_cpio_entry *e,
	      uint32_t *name_size, struct fy_error *err)
{
	uint32_t v[13];
	size_t i;

	if (memcmp(h, "070701", 6) != 0 && memcmp(h, "070702", 6) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "no cpio header of the newc kind");
	for (i = 0; i < 13; i++)
		if (hex_field(h + 6 + 8 * i, &v[i]) == -1)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "bad digits in a cpio header");
	e->ino = v[0];
	e->mode = v[1];
	e->uid = v[2];
	e->gid = v[3];
	e->nlink = v[4];
	e->mtime = v[5];
	e->size = v[6];
	e->major = v[7];
	e->minor = v[8];
	e->rmajor = v[9];
	e->rminor = v[10];
	*name_size = v[11];
	return 0;
}

enum fy_cpio_next
fy_cpio_read_header(struct fy_cpio_reader *r, struct fy_cpio_entry *ret,
		    struct fy_error *err)
{
	unsigned char h[HEADER_BYTES];
	uint32_t name_size = 0;

	if (r->body_left > 0 && take(r, NULL, r->body_left, err) == -1)
		return FY_CPIO_ERROR;
	r->body_left = 0;
	if (take_padding(r, err) == -1 || take(r, h, HEADER_BYTES, err) == -1 ||
	    decode_header(h, ret, &name_size, err) == -1)
		return FY_CPIO_ERROR;
	if (name_size == 0 || name_size > FY_CPIO_NAME_MAX) {
		fy_error_set(err, FY_E_FORMAT, 0, "a cpio name of %u bytes",
			     (unsigned)name_size);
		return FY_CPIO_ERROR;
	}
	if (take(r, ret->name, name_size, err) == -1 ||
	    take_padding(r, err) == -1)
		return FY_CPIO_ERROR;
	if (ret->name[name_size - 1] != '\0') {
		fy_error_set(err, FY_E_FORMAT, 0, "an unterminated cpio name");
		return FY_CPIO_ERROR;
	}
	ret->name_len = strlen(ret->name);
	r->body_left = ret->size;
	if (strcmp(ret->name, TRAILER) != 0)
		return FY_CPIO_ENTRY;
	if (r->body_left > 0 && take(r, NULL, r->body_left, err) == -1)
		return FY_CPIO_ERROR;
	r->body_left = 0;
	return FY_CPIO_TRAILER;
}

int
fy_cpio_read_body(struct fy_cpio_reader *r, void *buf, size_t len, size_t *ret,
		  struct fy_error *err)
{
	size_t n = (size_t)fy_min_u64(len, r->body_left);

	if (take(r, buf, n, err) == -1)
		return -1;
	r->body_left -= (uint32_t)n;
	*ret = n;
	return 0;
}

int
fy_cpio_skip_zeros(struct fy_cpio_reader *r, unsigned char *ret_byte,
		   struct fy_error *err)
{
	for (;;) {
		if (fill(r, err) == -1)
			return -1;
		if (r->ended)
			return 0;
		while (r->used < r->have && r->buffer[r->used] == 0) {
			r->used++;
			r->offset++;
		}
		if (r->used < r->have) {
			*ret_byte = r->buffer[r->used];
			return 1;
		}
	}
}

void
fy_cpio_writer_release(struct fy_cpio_writer *w)
{
	free(w->data);
	memset(w, 0, sizeof(*w));
}

/* 'data' NULL: zeros. */
static int
append(struct fy_cpio_writer *w, const void *data, size_t len,
       struct fy_error *err)
{
	if (len > w->room - w->len) {
		size_t room = w->room + w->room / 2 + len + 4096;
		unsigned char *grown;

		if (room < len || (grown = realloc(w->data, room)) == NULL)
			return fy_error_nomem(err);
		w->data = grown;
		w->room = room;
	}
	if (data == NULL)
		memset(w->data + w->len, 0, len);
	else
		memcpy(w->data + w->len, data, len);
	w->len += len;
	return 0;
}

static int
append_entry(struct fy_cpio_writer *w, const char *name, uint32_t ino,
	     uint32_t mode, uint32_t nlink, const void *body, size_t len,
	     struct fy_error *err)
{
	size_t name_size = strlen(name) + 1;
	char h[HEADER_BYTES + 1];

	if (len > UINT32_MAX || name_size > FY_CPIO_NAME_MAX)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%.200s' is too large for a cpio archive",
				    name);
	/* magic ino mode uid gid nlink mtime size dev rdev name check */
	snprintf(h, sizeof(h),
		 "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 ino, mode, 0u, 0u, nlink, 0u, (unsigned)len, 0u, 0u, 0u, 0u,
		 (unsigned)name_size, 0u);
	if (append(w, h, HEADER_BYTES, err) == -1 ||
	    append(w, name, name_size, err) == -1 ||
	    append(w, NULL, -w->len & 3, err) == -1)
		return -1;
	if (len > 0 && append(w, body, len, err) == -1)
		return -1;
	return append(w, NULL, -w->len & 3, err);
}

int
fy_cpio_write(struct fy_cpio_writer *w, const char *name, uint32_t mode,
	      const void *body, size_t len, struct fy_error *err)
{
	return append_entry(w, name, ++w->next_ino, mode, S_ISDIR(mode) ? 2 : 1,
			    body, len, err);
}

int
fy_cpio_write_end(struct fy_cpio_writer *w, struct fy_error *err)
{
	if (append_entry(w, TRAILER, 0, 0, 1, NULL, 0, err) == -1)
		return -1;
	return append(w, NULL, -w->len & 511, err);
}
