/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Metadata of thin pools, their checksums and block numbers put right, and
 * stores of snapshots: the first byte says which.
 */
#include "partclone/cow.h"
#include "partclone/fuzz-tools.h"
#include "partclone/thin.h"

#define META_BYTES  FY_MIB
#define STORE_BYTES (4 * FY_MIB)

struct walk {
	struct fy_thin *t;
	struct fy_volume *data;
	unsigned devices;
	uint64_t last;
	bool any;
};

static int
see_mapping(void *ctx, uint64_t key, uint64_t value, struct fy_error *err)
{
	struct walk *w = ctx;

	(void)err;
	if ((w->any && key <= w->last) ||
	    value >= fy_thin_info(w->t)->data_blocks)
		abort();
	w->any = true;
	w->last = key;
	return 0;
}

static int
see_device(void *ctx, uint64_t key, uint64_t value, struct fy_error *err)
{
	struct walk *w = ctx;
	struct fy_error why = { 0 };
	struct fy_volume *v = NULL;
	unsigned char buf[512];
	uint64_t root, i;

	if (w->devices++ > 16)
		return fy_error_set(err, FY_E_FORMAT, 0, "enough");
	if (fy_thin_find_device(w->t, key, &root, &why) == 1 && root != value)
		abort();
	fy_error_clear(&why);
	w->any = false;
	fy_thin_mappings(w->t, value, see_mapping, w, &why);
	if (fy_thin_volume(w->t, value, w->data, STORE_BYTES, "device", &v,
			   err) == -1)
		return -1;
	for (i = 0; i < STORE_BYTES; i += 65536 + 512) {
		fy_error_clear(&why);
		fy_volume_pread(v, buf, sizeof(buf), i, &why);
	}
	fy_volume_close(v);
	return 0;
}

static void
fuzz_thin(uint8_t *bytes, size_t size)
{
	struct fuzz_disk d = { .head = bytes,
			       .head_len = size,
			       .tail = bytes,
			       .size = META_BYTES };
	struct fuzz_disk zeros = { .head = bytes,
				   .tail = bytes,
				   .size = STORE_BYTES };
	struct fy_volume *meta = fuzz_volume(&d, 512);
	struct walk w = { .data = fuzz_volume(&zeros, 512) };
	struct fy_error err = { 0 };
	size_t at;

	for (at = 0; at + FY_THIN_BLOCK <= size; at += FY_THIN_BLOCK) {
		fy_put_le64(bytes + at + 8, at / FY_THIN_BLOCK);
		fy_put_le32(bytes + at,
			    fy_thin_checksum(bytes + at,
					     at == 0 ? FY_THIN_SALT_SUPER
						     : FY_THIN_SALT_NODE));
	}
	if (fy_thin_open(meta, NULL, &w.t, &err) == 0)
		fy_thin_devices(w.t, see_device, &w, &err);
	fy_thin_free(w.t);
	fy_volume_close(w.data);
	fy_volume_close(meta);
}

static void
fuzz_cow(uint8_t *bytes, size_t size)
{
	struct fuzz_disk d = { .head = bytes,
			       .head_len = size,
			       .tail = bytes,
			       .size = STORE_BYTES };
	struct fuzz_disk zeros = { .head = bytes,
				   .tail = bytes,
				   .size = STORE_BYTES };
	struct fy_volume *store = fuzz_volume(&d, 512);
	struct fy_volume *origin = fuzz_volume(&zeros, 512), *v = NULL;
	struct fy_cow_info info;
	struct fy_error err = { 0 };
	unsigned char buf[700];
	uint64_t i;

	if (fy_cow_open(store, origin, "snapshot", &info, &v, &err) == 0 &&
	    v != NULL)
		for (i = 0; i + sizeof(buf) <= STORE_BYTES; i += 4000) {
			fy_error_clear(&err);
			fy_volume_pread(v, buf, sizeof(buf), i, &err);
		}
	fy_volume_close(v);
	fy_volume_close(origin);
	fy_volume_close(store);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 2 || size > 256 * FY_KIB)
		return 0;
	copy = malloc(size);
	if (copy == NULL)
		abort();
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		fuzz_cow(copy, size - 1);
	else
		fuzz_thin(copy, size - 1);
	free(copy);
	return 0;
}
