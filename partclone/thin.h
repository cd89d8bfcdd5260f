/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_THIN_H
#define FY_THIN_H

#include "common/stop.h"
#include "common/volume.h"

/*
 * The metadata of device-mapper's thin pools, read from the volume that holds
 * them: which devices there are, and which block of the pool's data each block
 * of a device is.
 */
struct fy_thin;

struct fy_thin_info {
	uint64_t transaction;
	uint64_t block_bytes; /* of the data */
	uint64_t data_blocks; /* that the pool has */
	bool needs_check;     /* the kernel found fault with it */
	bool has_held_root;   /* a snapshot of the metadata is kept */
	bool has_unknown;     /* features that are not known */
};

/* FY_E_FORMAT when it can't be believed.  'meta' is borrowed. */
int fy_thin_open(struct fy_volume *meta, const struct fy_stop *stop,
		 struct fy_thin **ret, struct fy_error *err);
void fy_thin_free(struct fy_thin *t);
FY_DEFINE_AUTO(thin, struct fy_thin, fy_thin_free)

const struct fy_thin_info *fy_thin_info(const struct fy_thin *t);

/* Called for each entry in rising order of 'key'; -1 ends the walk. */
typedef int (*fy_thin_visit)(void *ctx, uint64_t key, uint64_t value,
			     struct fy_error *err);

/* All devices: key is the device, value the root of its mappings. */
int fy_thin_devices(struct fy_thin *t, fy_thin_visit visit, void *ctx,
		    struct fy_error *err);

/* All mappings of the device whose root that is: key is its block, value the
 * data's block (which is inside the pool). */
int fy_thin_mappings(struct fy_thin *t, uint64_t root, fy_thin_visit visit,
		     void *ctx, struct fy_error *err);

/* The root of a device: 1, 0 when there is none, -1. */
int fy_thin_find_device(struct fy_thin *t, uint64_t device, uint64_t *ret_root,
			struct fy_error *err);

/* A device as a volume of 'size' bytes; blocks without a mapping are zeros.
 * Borrows 't' and 'data'.  One pread at a time. */
int fy_thin_volume(struct fy_thin *t, uint64_t root, struct fy_volume *data,
		   uint64_t size, const char *name, struct fy_volume **ret,
		   struct fy_error *err);

/* A block's checksum as it must stand in its first four bytes. */
uint32_t fy_thin_checksum(const unsigned char *block, uint32_t salt);

#define FY_THIN_BLOCK	   4096u
#define FY_THIN_SALT_SUPER 160774u
#define FY_THIN_SALT_NODE  121107u

#endif
