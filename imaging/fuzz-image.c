/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Probing an image that nobody vouches for: whatever is let through must not
 * hold the words by which the formats lead to other files.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "imaging/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
memory_pread(void *handle, void *buf, size_t len, uint64_t offset,
	     struct fy_error *err)
{
	const uint8_t *data = handle;

	(void)err;
	memcpy(buf, data + offset, len);
	return 0;
}

static const struct fy_volume_ops memory_ops = { .pread = memory_pread };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char hint[] = "parentFileNameHint";
	fy_autovolume struct fy_volume *v = NULL;
	struct fy_error err = { 0 };
	const char *format = NULL;

	v = fy_volume_new(&memory_ops, (void *)(uintptr_t)data, "input", size,
			  512, &err);
	if (v == NULL || fy_image_probe_volume(v, &format, &err) == -1)
		return 0;
	if (fy_streq(format, "qcow2") && size >= 16 &&
	    fy_get_be64(data + 8) != 0)
		abort();
	if (fy_streq(format, "vmdk") && size > 512 &&
	    memmem(data + 512, size - 512 < 10240 ? size - 512 : 10240, hint,
		   strlen(hint)) != NULL)
		abort();
	return 0;
}
