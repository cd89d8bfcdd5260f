/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the instances on the consoles share: one lock, the lines of the one
 * that has it, and the others that show them.
 *
 * The lock is the kernel's, so an instance that dies lets go, and the next one
 * resumes its job.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/live.h"

#define MAX_LINE 2048
#define POLL_MS	 300

void
fy_live_pause(int ms)
{
	struct pollfd p = { .fd = fy_client_stop.fd, .events = POLLIN };

	(void)poll(&p, 1, ms);
}

/* Texts may come from afar: no control characters to a terminal. */
static void
clean(char *line)
{
	for (; *line != '\0'; line++)
		if (((unsigned char)*line < 0x20 && *line != '\n' &&
		     *line != '\t') ||
		    *line == 0x7f)
			*line = '?';
}

void
fy_live_say(struct fy_live *l, const char *fmt, ...)
{
	char line[MAX_LINE];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	clean(line);
	len = strlen(line);
	line[len++] = '\n';
	/* A console that takes nothing must not end the job. */
	if (write(STDOUT_FILENO, line, len) == -1)
		len += 0;
	if (l->console_fd >= 0 && write(l->console_fd, line, len) == -1)
		len += 0;
}

static int
open_lock(const struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, "job.lock", err);
	int fd;

	if (path == NULL)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		fy_error_set(err, FY_E_IO, errno, "cannot open '%s'", path);
	return fd;
}

int
fy_live_lock(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *path = NULL;
	fy_autofd int fd = open_lock(l, err);

	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			return 0;
		return fy_error_set(err, FY_E_IO, errno, "cannot lock a file");
	}
	path = fy_live_path(l, "console", err);
	if (path == NULL)
		return -1;
	l->console_fd = open(path,
			     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND |
				     O_CLOEXEC | O_NOFOLLOW,
			     0600);
	if (l->console_fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	l->lock_fd = fy_steal_fd(&fd);
	return 1;
}

void
fy_live_unlock(struct fy_live *l)
{
	if (l->console_fd >= 0)
		close(fy_steal_fd(&l->console_fd));
	if (l->lock_fd >= 0)
		close(fy_steal_fd(&l->lock_fd));
}

bool
fy_live_is_locked(const struct fy_live *l)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofd int fd = open_lock(l, &ignored);

	return fd != -1 && flock(fd, LOCK_SH | LOCK_NB) == -1;
}

/* What was added to the file since. */
static void
show_more(int fd)
{
	char buf[4096];
	ssize_t n;

	for (;;) {
		n = read(fd, buf, sizeof(buf));
		if (n <= 0 || write(STDOUT_FILENO, buf, (size_t)n) == -1)
			return;
	}
}

int
fy_live_watch(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, "console", err);
	fy_autofd int fd = -1;

	if (path == NULL)
		return -1;
	fy_live_say(l, "The job runs on another console, which says:");
	for (;;) {
		bool runs = fy_live_is_locked(l);

		if (fd == -1)
			fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd != -1)
			show_more(fd);
		if (!runs)
			return 0;
		if (fy_stop_check(&fy_client_stop, err) == -1)
			return -1;
		fy_live_pause(POLL_MS);
	}
}
