/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The holder of a lock.
 *
 * The file is read while another process may be writing it, and it may be left
 * over from one that is gone: so nothing is believed of it that /proc does not
 * say, too.  The process is taken hold of (pidfd) before it is looked at, so
 * that the signal can't meet another one that got its number.
 */
#include "v2v-server/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"

#define STAGE_RECEIVING "receiving"
#define STAGE_FINISHING "finishing" /* as long as the other one */

static void
read_boot(char ret[40])
{
	struct fy_error ignored = { 0 };
	fy_autofree char *text = NULL;
	size_t len;

	snprintf(ret, 40, "-");
	if (fy_file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64,
			    &text, &len, &ignored) == -1)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) == 36)
		snprintf(ret, 40, "%s", text);
}

/* The 22nd number of /proc/PID/stat: when it began, in ticks since the boot.
 * 0: there is no such process. */
static unsigned long long
read_start(pid_t pid)
{
	struct fy_error ignored = { 0 };
	fy_autofree char *text = NULL;
	unsigned field = 2;
	char path[64], *p;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (fy_file_read_at(AT_FDCWD, path, 4096, &text, &len, &ignored) == -1)
		return 0;
	/* Its name, the 2nd, is in parentheses and may contain anything. */
	p = strrchr(text, ')');
	while (p != NULL && field < 22) {
		p = strchr(p + 1, ' ');
		field++;
	}
	return p == NULL ? 0 : strtoull(p, NULL, 10);
}

int
fy_holder_write(int lockfd, const char *client, struct fy_error *err)
{
	char text[384], stamp[32], boot[40];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	read_boot(boot);
	n = snprintf(text, sizeof(text),
		     "process %ld, started %s\n"
		     "pid %ld start %llu boot %s client %s "
		     "stage " STAGE_RECEIVING "\n",
		     (long)getpid(), stamp, (long)getpid(),
		     read_start(getpid()), boot, client != NULL ? client : "-");
	if (ftruncate(lockfd, 0) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot write the lock");
	return fy_fd_pwrite_full(lockfd, text, (size_t)n, 0, err);
}

int
fy_holder_say_finishing(int lockfd, struct fy_error *err)
{
	char text[512], *at;
	ssize_t n = pread(lockfd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "stage " STAGE_RECEIVING "\n");
	if (at == NULL)
		return fy_error_set(err, FY_E_IO, 0,
				    "the lock's file has been changed");
	at += strlen("stage ");
	return fy_fd_pwrite_full(lockfd, STAGE_FINISHING,
				 strlen(STAGE_FINISHING), (uint64_t)(at - text),
				 err);
}

static void
read_second_line(const char *line, struct fy_holder *ret)
{
	char stage[16] = "", end = '\0';
	long pid = 0;

	if (sscanf(line,
		   "pid %10ld start %20llu boot %36s client %32s stage "
		   "%15s%c",
		   &pid, &ret->start, ret->boot, ret->client, stage,
		   &end) != 6 ||
	    end != '\n' || pid <= 1 || ret->start == 0)
		return;
	ret->finishing = fy_streq(stage, STAGE_FINISHING);
	if (ret->finishing || fy_streq(stage, STAGE_RECEIVING))
		ret->pid = (pid_t)pid;
}

void
fy_holder_read(int lockfd, struct fy_holder *ret)
{
	char text[512], *line, *p;
	ssize_t n = pread(lockfd, text, sizeof(text) - 1, 0);

	memset(ret, 0, sizeof(*ret));
	text[n > 0 ? n : 0] = '\0';
	line = strchr(text, '\n');
	if (line != NULL)
		read_second_line(line + 1, ret);
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '\0';
	snprintf(ret->words, sizeof(ret->words), "%.*s",
		 (int)sizeof(ret->words) - 1,
		 text[0] != '\0' ? text : "an unnamed process");
}

bool
fy_holder_end(const struct fy_holder *h, int lockfd)
{
	char path[64], boot[40];
	fy_autofd int fd = -1;
	struct stat file, process;

	if (h->pid <= 1 || h->pid == getpid())
		return false;
	read_boot(boot);
	fd = (int)syscall(SYS_pidfd_open, h->pid, 0);
	snprintf(path, sizeof(path), "/proc/%ld", (long)h->pid);
	if (fd == -1 || fy_streq(boot, "-") || !fy_streq(boot, h->boot) ||
	    read_start(h->pid) != h->start || fstat(lockfd, &file) == -1 ||
	    stat(path, &process) == -1 || file.st_uid != geteuid() ||
	    process.st_uid != geteuid())
		return false;
	return syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0;
}
