/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UTF16_H
#define FY_UTF16_H

#include <stdbool.h>
#include <stddef.h>

/*
 * 'units' UTF-16LE units up to the first NUL as UTF-8 into 'ret', always
 * terminated and cut at a whole character; what is no character becomes
 * U+FFFD.  Returns the length.
 */
size_t fy_utf16le_to_utf8(const unsigned char *field, size_t units, char *ret,
			  size_t ret_size);

/* The other way: 'ret' has room for two bytes for each byte of 'text'; no NUL
 * is put behind.  False when it is not UTF-8. */
bool fy_utf8_to_utf16le(const char *text, unsigned char *ret,
			size_t *ret_units);

#endif
