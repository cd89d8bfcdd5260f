/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hive with its logs, from a guest: replayed, checked, read and changed.  The
 * input: two lengths (the hive's and the first log's, little endian), then the
 * hive, the first and the second log.
 *
 * With the first bit of the first byte set, base blocks and entries get their
 * checksums and hashes, so that what lies behind these is reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/hive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
sign_base(char *p, size_t len)
{
	uint32_t c = 0;
	size_t i;

	if (len < 512)
		return;
	for (i = 0; i < 508; i += 4)
		c ^= fy_get_le32(p + i);
	fy_put_le32(p + 508, c == UINT32_MAX ? UINT32_MAX - 1 : c == 0 ? 1 : c);
}

static void
sign_entries(char *p, size_t len)
{
	size_t at = 512;
	uint32_t n;

	while (at + 512 <= len && memcmp(p + at, "HvLE", 4) == 0) {
		n = fy_get_le32(p + at + 4);
		if (n < 512 || n % 512 != 0 || n > len - at)
			return;
		fy_put_le64(p + at + 24, fy_hive_hash(p + at + 40, n - 40));
		fy_put_le64(p + at + 32, fy_hive_hash(p + at, 32));
		at += n;
	}
}

static int
visit(struct fy_hive *h, const char *key, unsigned depth)
{
	struct fy_string_set keys = { 0 }, values = { 0 };
	size_t i;

	if (depth == 0)
		return 0;
	(void)fy_hive_values(h, key, &values, NULL);
	for (i = 0; i < values.n && i < 8; i++) {
		struct fy_string_set list = { 0 };
		char *text = NULL;

		(void)fy_hive_get_strings(h, key, values.items[i], &list, NULL);
		if (fy_hive_get_string(h, key, values.items[i], &text, NULL) ==
		    0)
			free(text);
		fy_string_set_release(&list);
	}
	(void)fy_hive_keys(h, key, &keys, NULL);
	for (i = 0; i < keys.n && i < 8; i++) {
		char path[600];
		int n = snprintf(path, sizeof(path), "%s%s%s", key,
				 key[0] == '\0' ? "" : "\\", keys.items[i]);

		if (n > 0 && (size_t)n < sizeof(path))
			visit(h, path, depth - 1);
	}
	fy_string_set_release(&keys);
	fy_string_set_release(&values);
	return 0;
}

static void
use(struct fy_hive *h)
{
	char *out = NULL;
	size_t len = 0;

	visit(h, "", 4);
	if (fy_hive_set_dword(h, "Select", "Current", 1, NULL) == 0 &&
	    fy_hive_set_string(h, "A\\B\\C", "name", "text", NULL) == 0 &&
	    fy_hive_delete_value(h, "Select", "Current", NULL) == 0)
		(void)fy_hive_delete(h, "Select", NULL);
	if (fy_hive_bytes(h, &out, &len, NULL) == 0)
		free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fy_hive_log logs[2];
	struct fy_hive *h = NULL;
	size_t one, two;
	char *copy;
	bool sign;

	if (size < 9 || size > (1u << 20))
		return 0;
	sign = data[0] & 1;
	one = fy_get_le32(data + 1);
	two = fy_get_le32(data + 5);
	data += 9;
	size -= 9;
	if (one > size || two > size - one)
		return 0;
	copy = malloc(size + 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	if (sign) {
		sign_base(copy, one);
		sign_base(copy + one, two);
		sign_entries(copy + one, two);
		sign_base(copy + one + two, size - one - two);
		sign_entries(copy + one + two, size - one - two);
	}
	logs[0] = (struct fy_hive_log){ copy + one, two };
	logs[1] = (struct fy_hive_log){ copy + one + two, size - one - two };
	if (fy_hive_parse(copy, one, logs, 2, &h, NULL) == 0)
		use(h);
	fy_hive_free(h);
	free(copy);
	return 0;
}
