/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_INF_INTERNAL_H
#define FY_WINDOWS_INF_INTERNAL_H

#include "drivers-inject/windows-inf.h"

/* Zeroed memory that lives as long as the file; NULL with FY_E_FORMAT when the
 * file unfolds to too much. */
void *fy_inf_alloc(struct fy_inf *inf, size_t len, struct fy_error *err);
char *fy_inf_strndup(struct fy_inf *inf, const char *s, size_t len,
		     struct fy_error *err);
/* printf there. */
const char *fy_inf_format(struct fy_inf *inf, struct fy_error *err,
			  const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Room for one more item behind 'n' in the array '*items', which may move. */
int fy_inf_grow(struct fy_inf *inf, void *items, size_t n, size_t item_size,
		struct fy_error *err);

/* Bytes of any of the encodings to UTF-8 without byte order mark, malloc'd
 * (windows-inf-text.c). */
int fy_inf_decode(const uint8_t *data, size_t len, char **ret, size_t *ret_len,
		  struct fy_error *err);

#endif
