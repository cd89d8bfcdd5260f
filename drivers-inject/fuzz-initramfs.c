/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An initramfs from anywhere: the scanner of segments, the decompressors'
 * callers, the cpio parser, the tree, and the overrides' placement in it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "drivers-inject/linux-initramfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
each(void *ctx, const char *path, uint32_t mode, const void *data, size_t len,
     struct fy_error *err)
{
	size_t *sum = ctx;
	size_t i;

	(void)mode;
	(void)err;
	for (i = 0; data != NULL && i < len; i++)
		*sum += ((const unsigned char *)data)[i];
	*sum += (unsigned char)path[0];
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fy_initramfs_override overrides[] = {
		{ "conf/conf.d/resume", 0, "RESUME=none\n", 12 },
		{ "lib/modules/6.1/new/file", 0600, "x", 1 },
		{ "etc/a", 0, "y", 1 },
	};
	struct fy_initramfs_options o = { .overrides = overrides,
					  .no_modules = true };
	struct fy_initramfs_buffer buffer = { data, size };
	struct fy_initramfs_segment s = { 0 };
	struct fy_initramfs *ir = NULL;
	struct fy_initramfs_input in;
	struct fy_error err = { 0 };
	size_t sum = 0;

	fy_initramfs_input_of_buffer(&buffer, &in);
	if (fy_initramfs_open(&in, "6.1", NULL, NULL, &ir, &err) == -1) {
		if (err.code == FY_E_NONE)
			abort();
		return 0;
	}
	(void)fy_initramfs_each_file(ir, each, &sum, &err);
	(void)fy_initramfs_has_module(ir, "virtio");
	for (o.n_overrides = 3; o.n_overrides > 0; o.n_overrides--) {
		fy_error_clear(&err);
		if (fy_initramfs_build(ir, NULL, &o, &s, &err) == 0)
			break;
	}
	fy_initramfs_segment_release(&s);
	fy_initramfs_free(ir);
	return 0;
}
