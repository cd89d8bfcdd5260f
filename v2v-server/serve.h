/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SERVE_H
#define FY_SERVE_H

#include <stdbool.h>

#include "common/error.h"
#include "common/stop.h"
#include "v2v-server/role.h"

struct fy_serve_options {
	struct fy_role_options role;
	const char *virtio_win; /* drivers for Windows; NULL: none */
	/* In milliseconds; 0: what the protocol says.  For tests. */
	unsigned beat_ms, quiet_ms, lock_wait_ms;
};

/*
 * Serve one client on the descriptors 'in' and 'out' (borrowed): one job, from
 * HELLO to DONE.  Messages go to the client, and to standard error when there
 * is none.  Returns the exit status of the program (enum fy_exit).
 *
 * 'stop' is raised by the caller's signal handlers, and here when the client
 * cancels.  SIGPIPE must be ignored by the caller.
 */
int fy_serve(const struct fy_serve_options *options, int in, int out,
	     struct fy_stop *stop);

#endif
