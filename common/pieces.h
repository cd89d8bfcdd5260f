/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PIECES_H
#define FY_PIECES_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * One stream in several files, named as split(1) does: NAME.aa, NAME.ab ...
 * NAME.zz (or with three letters and more).
 */
struct fy_pieces;

/*
 * To read.  'path' is a plain file, NAME.aa, NAME when only NAME.aa is there,
 * or "-" (standard input).  A piece that is missing between others is
 * FY_E_NOTFOUND, named.
 */
int fy_pieces_open(const char *path, struct fy_pieces **ret,
		   struct fy_error *err);
/* 'pieces' is a struct fy_pieces; as fy_unpack_input. */
int fy_pieces_read(void *pieces, void *buf, size_t len, size_t *ret_len,
		   struct fy_error *err);
/* The sum of the files' sizes; 0: unknown. */
uint64_t fy_pieces_total(const struct fy_pieces *p);
void fy_pieces_close(struct fy_pieces *p);
FY_DEFINE_AUTO(pieces, struct fy_pieces, fy_pieces_close)

/*
 * To write: BASE.aa, BASE.ab ... of 'piece_bytes' each in a directory
 * (borrowed; AT_FDCWD), or with 'piece_bytes' 0 one file BASE.  Files that
 * exist are FY_E_EXISTS.
 */
struct fy_pieces_out;
int fy_pieces_create(int dirfd, const char *base, uint64_t piece_bytes,
		     struct fy_pieces_out **ret, struct fy_error *err);
/* 'pieces' is a struct fy_pieces_out; as fy_pack_output. */
int fy_pieces_write(void *pieces, const void *buf, size_t len,
		    struct fy_error *err);
/* All is on the disk (the directory is the caller's to fsync). */
int fy_pieces_finish(struct fy_pieces_out *p, struct fy_error *err);
void fy_pieces_out_free(struct fy_pieces_out *p);
FY_DEFINE_AUTO(pieces_out, struct fy_pieces_out, fy_pieces_out_free)

#endif
