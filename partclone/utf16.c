/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names in GPT, NTFS, exFAT and F2FS are UTF-16, by whoever wrote them: lone
 * surrogates are replaced, so that the result can go into JSON.
 */
#include "partclone/utf16.h"

#include "common/bytes.h"

/* Returns the number of units taken, 1 or 2. */
static size_t
decode(const unsigned char *p, size_t units, uint32_t *ret)
{
	uint32_t c = fy_get_le16(p), low;

	*ret = c;
	if (c < 0xd800 || c >= 0xe000)
		return 1;
	*ret = 0xfffd;
	if (c >= 0xdc00 || units < 2)
		return 1;
	low = fy_get_le16(p + 2);
	if (low < 0xdc00 || low >= 0xe000)
		return 1;
	*ret = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	return 2;
}

static size_t
encode(uint32_t c, unsigned char out[4])
{
	if (c < 0x80) {
		out[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (unsigned char)(0xc0 | c >> 6);
		out[1] = (unsigned char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (unsigned char)(0xe0 | c >> 12);
		out[1] = (unsigned char)(0x80 | (c >> 6 & 63));
		out[2] = (unsigned char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | c >> 18);
	out[1] = (unsigned char)(0x80 | (c >> 12 & 63));
	out[2] = (unsigned char)(0x80 | (c >> 6 & 63));
	out[3] = (unsigned char)(0x80 | (c & 63));
	return 4;
}

size_t
fy_utf16le_to_utf8(const unsigned char *field, size_t units, char *ret,
		   size_t ret_size)
{
	unsigned char out[4];
	size_t i, len, n = 0;
	uint32_t c;

	for (i = 0; i < units;) {
		i += decode(field + 2 * i, units - i, &c);
		if (c == 0)
			break;
		len = encode(c, out);
		if (n + len >= ret_size)
			break;
		memcpy(ret + n, out, len);
		n += len;
	}
	ret[n] = '\0';
	return n;
}

/* Returns the bytes taken, 0 when they are no UTF-8. */
static size_t
decode_utf8(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80		   ? 1
		   : (s[0] & 0xe0) == 0xc0 ? 2
		   : (s[0] & 0xf0) == 0xe0 ? 3
		   : (s[0] & 0xf8) == 0xf0 ? 4
					   : 0;
	size_t i;

	*ret = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*ret = *ret << 6 | (s[i] & 0x3fu);
	}
	if (n == 0 || *ret < least[n] || *ret > 0x10ffff ||
	    (*ret >= 0xd800 && *ret < 0xe000))
		return 0;
	return n;
}

bool
fy_utf8_to_utf16le(const char *text, unsigned char *ret, size_t *ret_units)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len, n = 0;
	uint32_t c;

	for (; *s != '\0'; s += len) {
		len = decode_utf8(s, &c);
		if (len == 0)
			return false;
		if (c >= 0x10000) {
			c -= 0x10000;
			fy_put_le16(ret + 2 * n++,
				    (uint16_t)(0xd800 + (c >> 10)));
			c = 0xdc00 + (c & 0x3ff);
		}
		fy_put_le16(ret + 2 * n++, (uint16_t)c);
	}
	*ret_units = n;
	return true;
}
