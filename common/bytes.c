/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small helpers on bytes that are too long for the header.
 */
#include "common/bytes.h"

bool
fy_is_zero(const void *buf, size_t len)
{
	const unsigned char *p = buf;

	/* A byte range is zero when its head is and it equals itself shifted;
	 * memcmp runs at memory speed. */
	if (len == 0)
		return true;
	if (len < 16) {
		while (len > 0)
			if (p[--len] != 0)
				return false;
		return true;
	}
	return (fy_get_le64(p) | fy_get_le64(p + 8)) == 0 &&
	       memcmp(p, p + 16, len - 16) == 0;
}

bool
fy_streq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

void
fy_copy_field(char *ret, size_t ret_size, const void *field, size_t len)
{
	size_t n = strnlen(field, len);

	if (ret_size == 0)
		return;
	if (n >= ret_size)
		n = ret_size - 1;
	memcpy(ret, field, n);
	ret[n] = '\0';
}
