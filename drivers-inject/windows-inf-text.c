/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The encodings of INF files: UTF-16 with a byte order mark (or without, told
 * by its NUL bytes), UTF-8, and what Windows calls ANSI, taken as its code
 * page 1252.  All become UTF-8; a lone surrogate becomes U+FFFD.
 */
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/windows-inf-internal.h"

static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | (c >> 6));
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | (c >> 12));
		to[1] = (char)(0x80 | ((c >> 6) & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | (c >> 18));
	to[1] = (char)(0x80 | ((c >> 12) & 0x3f));
	to[2] = (char)(0x80 | ((c >> 6) & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The length of the character at 's' (of 'len' bytes, at least one); 0 when it
 * is not UTF-8. */
static size_t
utf8_length(const uint8_t *s, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80		     ? 1
		   : (s[0] & 0xe0u) == 0xc0u ? 2
		   : (s[0] & 0xf0u) == 0xe0u ? 3
		   : (s[0] & 0xf8u) == 0xf0u ? 4
					     : 0;
	uint32_t c;
	size_t i;

	if (n == 0 || n > len)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0u) != 0x80u)
			return 0;
		c = (c << 6) | (s[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

static bool
is_utf8(const uint8_t *s, size_t len)
{
	size_t n;

	for (; len > 0; s += n, len -= n) {
		n = utf8_length(s, len);
		if (n == 0)
			return false;
	}
	return true;
}

/* Code page 1252 from 0x80 to 0x9f; the five holes stay as they are. */
static const uint16_t ansi[32] = {
	0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
	0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

static size_t
from_ansi(const uint8_t *data, size_t len, char *to)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += put_utf8(to + n, data[i] >= 0x80 && data[i] < 0xa0
					      ? ansi[data[i] - 0x80]
					      : data[i]);
	return n;
}

static uint32_t
unit_at(const uint8_t *data, size_t i, bool big)
{
	return big ? fy_get_be16(data + 2 * i) : fy_get_le16(data + 2 * i);
}

static size_t
from_utf16(const uint8_t *data, size_t units, bool big, char *to)
{
	size_t i, n = 0;

	for (i = 0; i < units; i++) {
		uint32_t c = unit_at(data, i, big), low = 0;

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < units)
			low = unit_at(data, i + 1, big);
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i++;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = 0xfffd;
		}
		n += put_utf8(to + n, c);
	}
	return n;
}

int
fy_inf_decode(const uint8_t *data, size_t len, char **ret, size_t *ret_len,
	      struct fy_error *err)
{
	fy_autofree char *text = malloc(len * 3 + 1);
	size_t n;

	if (text == NULL)
		return fy_error_nomem(err);
	if (len >= 2 && data[0] == 0xff && data[1] == 0xfe) {
		n = from_utf16(data + 2, len / 2 - 1, false, text);
	} else if (len >= 2 && data[0] == 0xfe && data[1] == 0xff) {
		n = from_utf16(data + 2, len / 2 - 1, true, text);
	} else if (len >= 4 && data[0] != 0 && data[1] == 0 && data[3] == 0) {
		n = from_utf16(data, len / 2, false, text);
	} else {
		if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
			data += 3;
			len -= 3;
		}
		if (is_utf8(data, len)) {
			memcpy(text, data, len);
			n = len;
		} else {
			n = from_ansi(data, len, text);
		}
	}
	if (memchr(text, '\0', n) != NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "no INF file: it has NUL characters");
	text[n] = '\0';
	*ret = fy_steal_ptr(&text);
	*ret_len = n;
	return 0;
}
