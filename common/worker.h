/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WORKER_H
#define FY_WORKER_H

#include <stddef.h>

#include "common/error.h"
#include "common/json.h"
#include "common/log.h"
#include "common/stop.h"

/*
 * Work on foreign bytes in a process of its own: a fork of this one, without
 * its descriptors, that is to confine itself (common/confine.h) before it looks
 * at the first of these bytes.  It tells log lines and one result over a
 * socket; what comes is checked and bounded, and nothing of it is believed.
 */
struct fy_worker;

struct fy_worker_options {
	const char *what; /* "the injection", for messages */
	/*
	 * In the worker: do it and return 0 with a result, or -1.  It may use
	 * what was made before, but no lock that another thread of the parent
	 * may hold at the fork: no log, no progress, no connection of theirs.
	 */
	int (*work)(void *ctx, struct fy_worker *w, json_t **ret,
		    struct fy_error *err);
	void *ctx;
	/* Descriptors that it keeps besides standard error; -1 is none. */
	const int *keep;
	size_t n_keep;
	struct fy_log *log;	    /* gets its lines */
	const struct fy_stop *stop; /* NULL: it is never stopped */
	/* After so long from the stop it is killed; 0: 15.  Eight times that
	 * until fy_worker_confined. */
	unsigned patience_s;
};

/*
 * Run it to its end.  '*ret' is its result, a JSON value of at most 64 MiB as
 * text, of which only that is known.  An error of its own comes as it is;
 * FY_E_CHILD when it died, FY_E_CANCELLED when it did not end by itself after
 * the stop.  It dies with the thread that called this.
 */
int fy_worker_run(const struct fy_worker_options *o, json_t **ret,
		  struct fy_error *err);

/* --- in the worker ---------------------------------------------------------- */

struct fy_log *fy_worker_log(struct fy_worker *w);
/* Raised when the parent's is. */
const struct fy_stop *fy_worker_stop(const struct fy_worker *w);
/* The same for what can't be given a worker: NULL in any other process. */
const struct fy_stop *fy_worker_own_stop(void);
/* A directory that the parent removes when the worker is gone, however that
 * comes.  Only before fy_worker_confined. */
int fy_worker_leaves(struct fy_worker *w, const char *path,
		     struct fy_error *err);
/* From here on it reads foreign bytes. */
int fy_worker_confined(struct fy_worker *w, struct fy_error *err);

#endif
