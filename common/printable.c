/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is safe to show on a terminal.
 */
#include "common/printable.h"

#include <string.h>

unsigned
fy_utf8_next(const char *s, unsigned *ret_code)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	unsigned n, i, code;

	*ret_code = p[0];
	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	code = p[0] & (0x7fu >> n);
	*ret_code = 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 1;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 1;
	*ret_code = code;
	return n;
}

bool
fy_is_control(unsigned code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
	       (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void
fy_make_printable(char *s)
{
	unsigned n, code;

	for (; *s != '\0'; s += n) {
		n = fy_utf8_next(s, &code);
		if (*s == '\n' || *s == '\t')
			*s = ' ';
		else if (fy_is_control(code))
			memset(s, '?', n);
	}
}
