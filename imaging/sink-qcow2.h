/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SINK_QCOW2_H
#define FY_SINK_QCOW2_H

#include "imaging/sink.h"

/* The constants of the format as we write it (version 3). */
#define QCOW2_CLUSTER_BITS  16u
#define QCOW2_CLUSTER	    (UINT64_C(1) << QCOW2_CLUSTER_BITS)
#define QCOW2_SECTOR	    512u
#define QCOW2_L2_ENTRIES    (QCOW2_CLUSTER / 8)
#define QCOW2_L2_SPAN	    (QCOW2_L2_ENTRIES * QCOW2_CLUSTER) /* 512 MiB */
#define QCOW2_BLOCK_ENTRIES (QCOW2_CLUSTER / 2)
/* QEMU opens no larger first-level table than 32 MiB. */
#define QCOW2_MAX_L1	 (UINT64_C(4) << 20)
#define QCOW2_MAX_DISK	 (QCOW2_MAX_L1 * QCOW2_L2_SPAN)
#define QCOW2_COPIED	 (UINT64_C(1) << 63)
#define QCOW2_COMPRESSED (UINT64_C(1) << 62)
/* Compressed entries: the offset below this bit, the sectors above. */
#define QCOW2_CSIZE_SHIFT  (62 - (QCOW2_CLUSTER_BITS - 8))
#define QCOW2_OFFSET_LIMIT (UINT64_C(1) << QCOW2_CSIZE_SHIFT)

/* The driver's 'finish' (sink-qcow2-finish.c). */
int fy_sink_qcow2_finish(struct fy_sink *s,
			 int (*next)(void *ctx, uint64_t *index,
				     struct fy_place *place,
				     struct fy_error *err),
			 void *ctx, struct fy_error *err);

#endif
