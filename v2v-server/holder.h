/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_HOLDER_H
#define FY_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * Who has the lock of NAME.partial, as the lock's file tells: a line for
 * people, and one by which a server finds the process again that serves the
 * lost connection of its own client.
 */
struct fy_holder {
	char words[128]; /* "process 12, started 2026-01-02T03:04:05Z" */
	pid_t pid;	 /* 0: the second line is not there, or not whole */
	unsigned long long start; /* of the process, as /proc tells it */
	char boot[40];		  /* the kernel's boot id */
	char client[40];	  /* "-": none */
	bool finishing;
};

/* Write that it is us.  'client' may be NULL. */
int fy_holder_write(int lockfd, const char *client, struct fy_error *err);
/* We have all units now and finish the job. */
int fy_holder_say_finishing(int lockfd, struct fy_error *err);
void fy_holder_read(int lockfd, struct fy_holder *ret);

/*
 * Tell it to end, if it is this process for certain: the same boot, pid and
 * time of start, of the same user, who also owns the lock's file.  Whether the
 * signal was sent.
 */
bool fy_holder_end(const struct fy_holder *h, int lockfd);

#endif
