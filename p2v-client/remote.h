/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_REMOTE_H
#define FY_REMOTE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"
#include "p2v-client/convert.h"

/*
 * A link: a running `v2v-server serve` and the bytes to and from it.  Nothing
 * blocks.  One thread at a time: first the one that opens it, then the
 * transport's, then the one that closes it.
 */
#define FY_REMOTE_POLLFDS 3
#define FY_REMOTE_EOF	  (-2)

struct fy_remote_ops {
	/* Fill 'fds' with what to wait for; returns how many. */
	int (*poll_fds)(void *handle, bool want_write,
			struct pollfd fds[FY_REMOTE_POLLFDS]);
	/* Bytes taken or given, 0: none now, FY_REMOTE_EOF (reads), -1. */
	ssize_t (*read)(void *handle, void *buf, size_t len,
			struct fy_error *err);
	ssize_t (*read_stderr)(void *handle, void *buf, size_t len,
			       struct fy_error *err);
	ssize_t (*write)(void *handle, const void *buf, size_t len,
			 struct fy_error *err);
	/* How the server's program ended, after FY_REMOTE_EOF: its exit status,
	 * or -1 when that is not known (yet). */
	int (*exit_status)(void *handle);
	void (*close)(void *handle);
};

struct fy_remote {
	const struct fy_remote_ops *ops;
	void *handle;
};

/* `v2v-server serve` as a child: beside this program, else in PATH. */
int fy_remote_open_local(const struct fy_server_options *options,
			 struct fy_remote *ret, struct fy_error *err);

/* By SSH: connect, check the key, log in, request "v2v-server serve". */
int fy_remote_open_ssh(const struct fy_server_options *options,
		       struct fy_remote *ret, struct fy_error *err);

/* The one or the other. */
int fy_remote_open(const struct fy_server_options *options,
		   struct fy_remote *ret, struct fy_error *err);

#endif
