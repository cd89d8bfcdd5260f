/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_JOBDIR_H
#define FY_JOBDIR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/json.h"
#include "common/log.h"
#include "common/stop.h"

/*
 * The directory of a job, NAME.partial in the target directory, under a lock
 * (docs/jobs.md).  Only one process at a time has it open.
 */
struct fy_jobdir {
	char *name;	    /* NAME */
	int dirfd;	    /* the target directory */
	char *dir;	    /* its absolute path */
	char *partial_name; /* "NAME.partial" */
	int fd;		    /* NAME.partial */
	char *path;	    /* its absolute path */
	int jobfd;	    /* NAME.partial/job, to become NAME.job */
	int lockfd;
};

/* How to wait for a lock that somebody else has. */
struct fy_jobdir_wait {
	unsigned ms;
	const char *client; /* the client's process by its own name, or NULL */
	int peer;	    /* the connection to it, to see it go; -1: none */
	struct fy_log *log;
	const struct fy_stop *stop;
};

/*
 * Open, making what is missing, and lock.  Takes 'dirfd', also on failure.
 * Somebody else's lock is waited for up to 'wait->ms', which the log tells;
 * then FY_E_BUSY naming its holder.  A holder that serves an earlier connection
 * of the same client is told to end (SIGTERM: it makes durable what it has and
 * lets go), unless it has all units and finishes the job: then it is waited for
 * as long as the client stays.
 */
int fy_jobdir_open(int dirfd, const char *dir, const char *name,
		   const struct fy_jobdir_wait *wait, struct fy_jobdir **ret,
		   struct fy_error *err);

/* From here on the job can be finished without its client. */
int fy_jobdir_say_finishing(struct fy_jobdir *d, struct fy_error *err);

/* Unlock.  A directory in which there is nothing of a job is removed.  Only
 * 'dirfd' stays open. */
void fy_jobdir_retire(struct fy_jobdir *d);
/* The same, and free. */
void fy_jobdir_close(struct fy_jobdir *d);
FY_DEFINE_AUTO(jobdir, struct fy_jobdir, fy_jobdir_close)

/* Remove everything in NAME.partial, and make an empty "job" again: another
 * job begins. */
int fy_jobdir_clear(struct fy_jobdir *d, struct fy_error *err);

/* Whether a file of that name is there.  dirfd is one of the above. */
bool fy_jobdir_has(int dirfd, const char *name);

/* --- the commit (commit.c) ------------------------------------------------ */

/*
 * Write down that the job is whole and is to be moved to its place:
 * NAME.partial/commit.json.  Everything in NAME.partial is synced before.
 * From then on the only way is forward.  'images' are names in NAME.partial,
 * which they keep in the target directory; 'others' may be NULL.  'replace':
 * files of that name that are there already give way.
 */
int fy_commit_write(struct fy_jobdir *d, const json_t *images,
		    const json_t *others, bool replace, struct fy_error *err);

/* Whether a commit was begun and is not done. */
bool fy_commit_is_pending(const struct fy_jobdir *d);

/*
 * Carry it out, or go on with one that was cut anywhere: the images, NAME.job,
 * other definitions, then NAME.xml as the last; then NAME.partial is emptied.
 * FY_E_EXISTS when something is in the way that may not be replaced.
 */
int fy_commit_roll(struct fy_jobdir *d, struct fy_error *err);

#endif
