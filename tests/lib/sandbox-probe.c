/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A library for LD_PRELOAD that plays the attacker who has taken over what reads
 * the disks: at the first read of a file after the process was confined it tries
 * what it should not be able to do, and says on standard error how that went
 * ("probe: NAME ERRNO", 0 for what worked).
 *
 *   FY_PROBE=try      so
 *   FY_PROBE=always   at the first read of any process, confined or not: the
 *                     attempts are real ones
 *   FY_PROBE=crash    it dies instead, by SIGSEGV
 *   FY_PROBE=hang     it waits for ever, and says its number
 *
 * FY_PROBE_DIR has "secret", "program" and "image"; FY_PROBE_PORT listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t pread(int fd, void *buf, size_t len, off_t offset);
ssize_t pread64(int fd, void *buf, size_t len, off64_t offset);

static void
tell(const char *name, bool good)
{
	dprintf(2, "probe: %s %d\n", name, good ? 0 : errno);
}

static void
try_open(const char *name, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	tell(name, fd != -1);
	if (fd != -1)
		close(fd);
}

static void
try_below(const char *name, const char *file, int flags)
{
	const char *dir = getenv("FY_PROBE_DIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "", file);
	try_open(name, path, flags);
}

static void
try_connect(void)
{
	const char *port = getenv("FY_PROBE_PORT");
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_port = htons((uint16_t)strtoul(port ? port : "0", NULL, 10));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	tell("connect",
	     fd != -1 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	if (fd != -1)
		close(fd);
}

static void
try_program(void)
{
	const char *dir = getenv("FY_PROBE_DIR");
	char path[4096];
	int status = 0;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/program", dir != NULL ? dir : "");
	pid = fork();
	if (pid == 0) {
		execl(path, path, (char *)NULL);
		_exit(errno);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		status = 255 << 8;
	errno = WEXITSTATUS(status);
	tell("program", errno == 0);
}

/* Where libguestfs's sockets are, if it has any here. */
static void
tell_sockets(void)
{
	struct sockaddr_un sa;
	int fd;

	for (fd = 3; fd < 1024; fd++) {
		socklen_t len = sizeof(sa) - 1;

		memset(&sa, 0, sizeof(sa));
		if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
		    sa.sun_family == AF_UNIX &&
		    strstr(sa.sun_path, "guestfsd") != NULL) {
			*strrchr(sa.sun_path, '/') = '\0';
			dprintf(2, "probe: sockets %s\n", sa.sun_path);
		}
	}
}

/* A limit of our parent's, to what it is: of processor time it would be a kill. */
static void
try_limit(void)
{
	struct rlimit rl;

	tell("limit", getrlimit(RLIMIT_CPU, &rl) == 0 &&
			      prlimit(getppid(), RLIMIT_CPU, &rl, NULL) == 0);
}

static void
attack(void)
{
	tell_sockets();
	try_open("shadow", "/etc/shadow", O_RDONLY);
	try_open("home", getenv("HOME"), O_RDONLY | O_DIRECTORY);
	try_below("read", "secret", O_RDONLY);
	try_below("write", "secret", O_WRONLY);
	try_below("image", "image", O_WRONLY);
	try_below("create", "planted", O_WRONLY | O_CREAT);
	try_below("undo-log", "image.job/undo.log", O_WRONLY | O_CREAT);
	try_connect();
	try_program();
	tell("parent", kill(getppid(), 0) == 0);
	try_limit();
	tell("trace", ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == 0);
}

static void
look(void)
{
	static bool done;
	const char *what = getenv("FY_PROBE");
	int saved = errno;
	bool confined = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
			prctl(PR_GET_SECCOMP) == 2;

	if (done || what == NULL || (!confined && strcmp(what, "always") != 0))
		return;
	done = true;
	/* Helper programs inherit the library: once is enough. */
	unsetenv("LD_PRELOAD");
	if (strcmp(what, "crash") == 0) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	} else if (strcmp(what, "hang") == 0) {
		dprintf(2, "probe: hangs %ld\n", (long)getpid());
		for (;;)
			pause();
	} else {
		attack();
	}
	errno = saved;
}

ssize_t
pread64(int fd, void *buf, size_t len, off64_t offset)
{
	ssize_t (*real)(int, void *, size_t, off64_t);

	*(void **)&real = dlsym(RTLD_NEXT, "pread64");
	look();
	return real(fd, buf, len, offset);
}

ssize_t
pread(int fd, void *buf, size_t len, off_t offset)
{
	return pread64(fd, buf, len, offset);
}
