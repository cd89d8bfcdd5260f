/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A module's file from a guest: its compression, its ELF, its .modinfo. */
#include <stdint.h>
#include <string.h>

#include "drivers-inject/modules-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
each(void *ctx, const char *key, size_t key_len, const char *value,
     struct fy_error *err)
{
	size_t *sum = ctx;

	(void)err;
	if (key_len > 0)
		*sum += (unsigned char)key[key_len - 1];
	*sum += strlen(value);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *plain = NULL;
	size_t len = 0, sum = 0;

	if (fy_module_decompress(data, size, 1 << 20, &plain, &len, NULL) == 0)
		(void)fy_modinfo_read(plain, len, each, &sum, NULL);
	free(plain);
	return 0;
}
