/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_ERROR_H
#define FY_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/*
 * The error object.  It is the caller's, needs no allocation (so that running
 * out of memory can be reported), and may be copied between threads and over
 * the wire.  Functions that can fail return 0/-1 or pointer/NULL and take
 * 'err' last; on success it is left untouched; the first error wins.
 */
enum fy_error_code {
	FY_E_NONE = 0,
	FY_E_IO,	  /* a system call on data failed; see sys_errno */
	FY_E_FORMAT,	  /* foreign bytes contradict themselves */
	FY_E_UNSUPPORTED, /* understood, but this program can't do it */
	FY_E_DIRTY,	  /* unclean, so the work would not be safe */
	FY_E_CANCELLED,	  /* a stop token was raised */
	FY_E_NOMEM,
	FY_E_USAGE,	 /* the user's words are wrong */
	FY_E_EXISTS,	 /* the target is there already */
	FY_E_NOTFOUND,	 /* a thing that was named is not there */
	FY_E_BUSY,	 /* locked, mounted or in use by somebody else */
	FY_E_NOSPACE,	 /* too little room on the target */
	FY_E_AUTH,	 /* login refused */
	FY_E_HOSTKEY,	 /* the server's key is unknown or has changed */
	FY_E_PROTOCOL,	 /* the peer broke the protocol */
	FY_E_VERSION,	 /* the peer speaks another version */
	FY_E_CORRUPT,	 /* a digest or checksum does not match */
	FY_E_DENIED,	 /* a role or the root forbids it */
	FY_E_CONNECTION, /* the peer or the network went away */
	FY_E_CHILD,	 /* a subprocess failed */
	FY_E_DIFFERENT,	 /* verification found a difference */
	FY_E_UNREADABLE, /* a disk has sectors that can't be read */
	FY_E_CODES	 /* the number of codes */
};

struct fy_error {
	enum fy_error_code code;
	int sys_errno; /* 0 when no system call was to blame */
	char msg[512];
};

/*
 * Fill 'err' (unless it holds an error already) and return -1.  When
 * 'sys_errno' is not 0, ": " and its text are appended to the message.
 */
int fy_error_set(struct fy_error *err, enum fy_error_code code, int sys_errno,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Another one, as it is ('err' keeps what it has).  Returns -1. */
int fy_error_copy(struct fy_error *err, const struct fy_error *from);

/* Put a formatted context before the message, ": " between.  Returns -1. */
int fy_error_prefix(struct fy_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Make 'err' empty again. */
void fy_error_clear(struct fy_error *err);

/* A stable lower-case name of the code, e.g. "format"; never NULL. */
const char *fy_error_name(enum fy_error_code code);

/* The code of that name, or FY_E_IO when there is none. */
enum fy_error_code fy_error_code_of_name(const char *name);

/* Exit statuses of all programs. */
enum fy_exit {
	FY_EXIT_DONE = 0,
	FY_EXIT_FAILED = 1,
	FY_EXIT_USAGE = 2,
	FY_EXIT_RESCUED = 3,	 /* done, unreadable sectors filled */
	FY_EXIT_DIFFERENT = 4,	 /* verification found a difference */
	FY_EXIT_INTERRUPTED = 5, /* the same command resumes */
};

/* The exit status that a code stands for. */
int fy_error_exit_status(enum fy_error_code code);

/* "out of memory", for the many places that say it.  Returns -1. */
int fy_error_nomem(struct fy_error *err);

#endif
