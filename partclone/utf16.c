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
