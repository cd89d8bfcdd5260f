/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into a program, this counts what it does to files (writes, syncs,
 * names made, changed and removed) and lets one of these fail, or kills the
 * process in its place:
 *
 *     WRITE_FAULT_PROGRAM=NAME   only in programs of that name
 *     WRITE_FAULT_STATE=FILE     64 bytes: the count, shared by all processes,
 *                                and the name of the function that was hit
 *     WRITE_FAULT_AT=N           the N-th, from 1; 0 only counts
 *     WRITE_FAULT_DO=EIO|ENOSPC|kill
 *
 * Writes to anything but regular files are let be and not counted.  With
 * WRITE_FAULT_TIME=SECONDS the clock stands there (NTFS's times are those of
 * the clock, and results are compared).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct state {
	_Atomic uint64_t count;
	char hit[56];
};

static struct state *state;
static uint64_t fail_at;
static int fail_errno; /* 0: kill */

static void __attribute__((constructor)) begin(void)
{
	const char *program = getenv("WRITE_FAULT_PROGRAM");
	const char *file = getenv("WRITE_FAULT_STATE");
	const char *at = getenv("WRITE_FAULT_AT");
	const char *what = getenv("WRITE_FAULT_DO");
	const char *name = strrchr(program_invocation_name, '/');
	int fd;

	name = name == NULL ? program_invocation_name : name + 1;
	if (program == NULL || file == NULL || at == NULL || what == NULL ||
	    strcmp(name, program) != 0)
		return;
	fail_at = strtoull(at, NULL, 10);
	fail_errno = strcmp(what, "EIO") == 0	   ? EIO
		     : strcmp(what, "ENOSPC") == 0 ? ENOSPC
						   : 0;
	fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
	if (fd == -1)
		abort();
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (state == MAP_FAILED)
		abort();
	close(fd);
}

/* Whether this one fails. */
static bool
hit(const char *what)
{
	if (state == NULL || atomic_fetch_add(&state->count, 1) + 1 != fail_at)
		return false;
	strncpy(state->hit, what, sizeof(state->hit) - 1);
	if (fail_errno == 0) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	errno = fail_errno;
	return true;
}

static bool
hit_fd(const char *what, int fd)
{
	struct stat st;

	return state != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       hit(what);
}

#define NEXT(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))

/* A function of a regular file, or of any descriptor or names. */
#define FILE_ONLY(name) hit_fd(#name, fd)
#define ANY(name)	hit(#name)
#define WRAP(ret, name, guard, arguments, ...)                                 \
	ret name arguments;                                                    \
	ret name arguments                                                     \
	{                                                                      \
		return guard(name)                                             \
			       ? -1                                            \
			       : NEXT(ret(*) arguments, #name)(__VA_ARGS__);   \
	}

WRAP(ssize_t, write, FILE_ONLY, (int fd, const void *p, size_t n), fd, p, n)
WRAP(ssize_t, pwrite, FILE_ONLY, (int fd, const void *p, size_t n, off_t at),
     fd, p, n, at)
WRAP(ssize_t, pwrite64, FILE_ONLY,
     (int fd, const void *p, size_t n, off64_t at), fd, p, n, at)
WRAP(ssize_t, writev, FILE_ONLY, (int fd, const struct iovec *v, int n), fd, v,
     n)
WRAP(ssize_t, pwritev, FILE_ONLY,
     (int fd, const struct iovec *v, int n, off_t at), fd, v, n, at)
WRAP(ssize_t, pwritev64, FILE_ONLY,
     (int fd, const struct iovec *v, int n, off64_t at), fd, v, n, at)
WRAP(int, fsync, ANY, (int fd), fd)
WRAP(int, fdatasync, ANY, (int fd), fd)
WRAP(int, ftruncate, FILE_ONLY, (int fd, off_t n), fd, n)
WRAP(int, ftruncate64, FILE_ONLY, (int fd, off64_t n), fd, n)
WRAP(int, fallocate, FILE_ONLY, (int fd, int mode, off_t at, off_t n), fd, mode,
     at, n)
WRAP(int, fallocate64, FILE_ONLY, (int fd, int mode, off64_t at, off64_t n), fd,
     mode, at, n)
WRAP(int, mkdir, ANY, (const char *a, mode_t m), a, m)
WRAP(int, mkdirat, ANY, (int d, const char *a, mode_t m), d, a, m)
WRAP(int, unlink, ANY, (const char *a), a)
WRAP(int, unlinkat, ANY, (int d, const char *a, int f), d, a, f)
WRAP(int, rmdir, ANY, (const char *a), a)
WRAP(int, rename, ANY, (const char *a, const char *b), a, b)
WRAP(int, renameat, ANY, (int d, const char *a, int e, const char *b), d, a, e,
     b)
WRAP(int, linkat, ANY, (int d, const char *a, int e, const char *b, int f), d,
     a, e, b, f)
WRAP(int, symlinkat, ANY, (const char *a, int d, const char *b), a, d, b)

int
clock_gettime(clockid_t clock, struct timespec *ret)
{
	const char *fixed = getenv("WRITE_FAULT_TIME");

	if (fixed == NULL || clock != CLOCK_REALTIME || state == NULL)
		return NEXT(int (*)(clockid_t, struct timespec *),
			    "clock_gettime")(clock, ret);
	ret->tv_sec = strtoll(fixed, NULL, 10);
	ret->tv_nsec = 0;
	return 0;
}

time_t
time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret != NULL)
		*ret = now.tv_sec;
	return now.tv_sec;
}

static bool
makes(int flags)
{
	return (flags & (O_CREAT | O_TRUNC)) != 0 ||
	       (flags & O_TMPFILE) == O_TMPFILE;
}

#define WRAP_OPEN(name, head, ...)                                             \
	int name(head const char *path, int flags, ...)                        \
	{                                                                      \
		mode_t mode = 0;                                               \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, flags);                                           \
		if (makes(flags))                                              \
			mode = va_arg(ap, mode_t);                             \
		va_end(ap);                                                    \
		if (makes(flags) && hit(#name))                                \
			return -1;                                             \
		return NEXT(int (*)(head const char *, int, ...),              \
			    #name)(__VA_ARGS__);                               \
	}
#define NOTHING
#define AT int dir,

WRAP_OPEN(open, NOTHING, path, flags, mode)
WRAP_OPEN(open64, NOTHING, path, flags, mode)
WRAP_OPEN(openat, AT, dir, path, flags, mode)
WRAP_OPEN(openat64, AT, dir, path, flags, mode)
