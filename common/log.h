/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LOG_H
#define FY_LOG_H

#include "common/error.h"

/*
 * Where messages for people go.  The program makes one and hands it down;
 * library code never prints.  NULL is a valid log that drops everything.
 * Threads: any; each message is one call of the sink, under a lock.
 */
enum fy_log_level { FY_LOG_ERROR, FY_LOG_WARN, FY_LOG_INFO, FY_LOG_DEBUG };

struct fy_log;

/* 'sink' gets a whole line without newline. */
typedef void (*fy_log_sink)(void *ctx, enum fy_log_level level,
			    const char *line);

struct fy_log *fy_log_new(enum fy_log_level most, fy_log_sink sink, void *ctx,
			  struct fy_error *err);
void fy_log_free(struct fy_log *log);

/* A ready sink: "PROGRAM: warning: LINE" on standard error; ctx = PROGRAM. */
void fy_log_to_stderr(void *ctx, enum fy_log_level level, const char *line);

/* Besides the sink, append every message, dated, to this descriptor (borrowed;
 * -1 ends it). */
void fy_log_also_fd(struct fy_log *log, int fd);

/* All keep errno. */
void fy_log_error(struct fy_log *log, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void fy_log_warn(struct fy_log *log, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void fy_log_info(struct fy_log *log, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void fy_log_debug(struct fy_log *log, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
