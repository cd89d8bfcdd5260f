/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CONFINED_H
#define FY_CONFINED_H

#include "drivers-inject/inject.h"
#include "v2v-server/images.h"

/*
 * fy_inject and fy_inspect, with all that reads the disks in a confined process
 * (docs/sandbox.md).  This one only relays, and writes what is to be changed.
 */
struct fy_confined {
	/* Open the images: for reading in the worker, before it is confined;
	 * for writing here, once it has ended. */
	int (*open)(void *ctx, bool writable, struct fy_images **ret,
		    struct fy_error *err);
	void *ctx;
};

/* FY_E_UNSUPPORTED when this machine can't confine a process: --require-sandbox
 * says so before anything is read. */
int fy_confined_require(struct fy_error *err);

/*
 * As in inject.h; of 'options' all but the appliance and 'confine' count, and
 * 'tmpdir' must be of this work alone (NULL: one is made for it).  Where the
 * process can't be confined, the log and the report warn of it.  When the
 * worker dies that is FY_E_CHILD, and the disks are as they were.
 */
int fy_confined_inject(const struct fy_confined *c,
		       const struct fy_inject_options *options,
		       json_t **ret_report, struct fy_error *err);
int fy_confined_inspect(const struct fy_confined *c,
			const struct fy_inject_options *options, json_t **ret,
			struct fy_error *err);

#endif
