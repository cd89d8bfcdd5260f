/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CPIO_H
#define FY_CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * cpio archives of the "newc" kind (magic 070701, 070702), as the Linux kernel
 * takes them for an initramfs.
 */

/* Where a reader's bytes come from: up to 'len' bytes, fewer only at the end
 * of the data, which is '*ret' == 0 for len > 0. */
typedef int (*fy_cpio_pull)(void *ctx, void *buf, size_t len, size_t *ret,
			    struct fy_error *err);

#define FY_CPIO_NAME_MAX 4096 /* the kernel's PATH_MAX, the NUL included */

struct fy_cpio_entry {
	uint32_t ino, mode, uid, gid, nlink, mtime, size, major, minor;
	uint32_t rmajor, rminor;
	size_t name_len; /* of 'name', without the NUL */
	char name[FY_CPIO_NAME_MAX];
};

struct fy_cpio_reader {
	fy_cpio_pull pull;
	void *ctx;
	uint64_t offset;    /* bytes given out so far */
	uint32_t body_left; /* of the entry that was returned last */
	size_t have, used;  /* in 'buffer' */
	bool ended;	    /* the source has no more */
	unsigned char *buffer;
};

/* 'ctx' is borrowed until _release. */
int fy_cpio_reader_init(struct fy_cpio_reader *r, fy_cpio_pull pull, void *ctx,
			struct fy_error *err);
void fy_cpio_reader_release(struct fy_cpio_reader *r);

enum fy_cpio_next {
	FY_CPIO_ENTRY,
	FY_CPIO_TRAILER, /* the archive's end; another may follow */
	FY_CPIO_ERROR = -1,
};

/*
 * The next header and name; what is left of the last body is passed over.
 * Errors: FY_E_FORMAT for what is no newc, a name that is empty, too long or
 * unterminated, and data that ends too early; whatever 'pull' says.
 */
enum fy_cpio_next fy_cpio_read_header(struct fy_cpio_reader *r,
				      struct fy_cpio_entry *ret,
				      struct fy_error *err);

/* Up to 'len' bytes of the body: '*ret' == 0 when all of it was read. */
int fy_cpio_read_body(struct fy_cpio_reader *r, void *buf, size_t len,
		      size_t *ret, struct fy_error *err);

/*
 * Pass over zeros: 1 and the byte behind them in '*ret_byte' (not consumed),
 * or 0 at the end of the data.
 */
int fy_cpio_skip_zeros(struct fy_cpio_reader *r, unsigned char *ret_byte,
		       struct fy_error *err);

/* An archive being written in memory. */
struct fy_cpio_writer {
	unsigned char *data;
	size_t len, room;
	uint32_t next_ino;
};
void fy_cpio_writer_release(struct fy_cpio_writer *w);

/* 'mode' with the file's type; a symlink's body is its target.  Everything is
 * root's, dated 0, with one link. */
int fy_cpio_write(struct fy_cpio_writer *w, const char *name, uint32_t mode,
		  const void *body, size_t len, struct fy_error *err);

/* The trailer, and zeros up to a multiple of 512 bytes. */
int fy_cpio_write_end(struct fy_cpio_writer *w, struct fy_error *err);

#endif
