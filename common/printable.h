/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PRINTABLE_H
#define FY_PRINTABLE_H

#include <stdbool.h>

/*
 * Foreign bytes for a terminal, in place: a newline or tab becomes a space, and
 * '?' each byte of other control characters (C0, DEL, C1), of marks that turn
 * the direction of writing or end a line, and of what is no UTF-8.
 */
void fy_make_printable(char *s);

/*
 * Of the character at 's' (not "") its number of bytes; '*ret_code' is its code
 * point, or 0 when the byte is no UTF-8.
 */
unsigned fy_utf8_next(const char *s, unsigned *ret_code);

/* Whether a terminal would act on it. */
bool fy_is_control(unsigned code);

#endif
