/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages for people: formatted here, made printable (they quote foreign
 * names), shown by the program's sink.
 */
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/printable.h"

struct fy_log {
	enum fy_log_level most;
	fy_log_sink sink;
	void *ctx;
	pthread_mutex_t lock; /* held while the sink runs */
	int fd;
};

static const char *const level_names[] = { "error", "warning", "info",
					   "debug" };

struct fy_log *
fy_log_new(enum fy_log_level most, fy_log_sink sink, void *ctx,
	   struct fy_error *err)
{
	struct fy_log *log = calloc(1, sizeof(*log));

	if (log == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	log->most = most;
	log->sink = sink;
	log->ctx = ctx;
	log->fd = -1;
	pthread_mutex_init(&log->lock, NULL);
	return log;
}

void
fy_log_free(struct fy_log *log)
{
	if (log == NULL)
		return;
	pthread_mutex_destroy(&log->lock);
	free(log);
}

void
fy_log_also_fd(struct fy_log *log, int fd)
{
	if (log == NULL)
		return;
	FY_LOCK_SCOPE(&log->lock);
	log->fd = fd;
}

void
fy_log_to_stderr(void *ctx, enum fy_log_level level, const char *line)
{
	if (level == FY_LOG_INFO)
		fprintf(stderr, "%s: %s\n", (const char *)ctx, line);
	else
		fprintf(stderr, "%s: %s: %s\n", (const char *)ctx,
			level_names[level], line);
}

static void
log_to_fd(int fd, enum fy_log_level level, const char *line)
{
	struct tm tm;
	time_t now = time(NULL);
	char stamp[32];

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	dprintf(fd, "%s %s %s\n", stamp, level_names[level], line);
}

static void __attribute__((format(printf, 3, 0)))
log_message(struct fy_log *log, enum fy_log_level level, const char *fmt,
	    va_list ap)
{
	int saved = errno;
	char line[2048];

	if (log == NULL)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	fy_make_printable(line);
	{
		FY_LOCK_SCOPE(&log->lock);
		if (log->fd >= 0)
			log_to_fd(log->fd, level, line);
		if (level <= log->most && log->sink != NULL)
			log->sink(log->ctx, level, line);
	}
	errno = saved;
}

#define DEFINE_LEVEL(name, level)                                              \
	void fy_log_##name(struct fy_log *log, const char *fmt, ...)           \
	{                                                                      \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, fmt);                                             \
		log_message(log, level, fmt, ap);                              \
		va_end(ap);                                                    \
	}

DEFINE_LEVEL(error, FY_LOG_ERROR)
DEFINE_LEVEL(warn, FY_LOG_WARN)
DEFINE_LEVEL(info, FY_LOG_INFO)
DEFINE_LEVEL(debug, FY_LOG_DEBUG)
