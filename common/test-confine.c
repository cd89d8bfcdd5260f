/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A confined process tries, by real system calls, what it may not; and, so that
 * the attempts are known to be real ones, an unconfined one does the same.
 */
#include "common/confine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "common/test.h"

static struct fy_error err;
static char *in, *out; /* directories: within reach, and not */
static struct sockaddr_in listener;
static pid_t other; /* a process that is not confined */

static int
opens(const char *dir, const char *name, int flags)
{
	fy_autofree char *path = fy_format(&err, "%s/%s", dir, name);
	fy_autofd int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd == -1 ? errno : 0;
}

static int
connects(void)
{
	fy_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return errno;
	return connect(fd, (struct sockaddr *)&listener, sizeof(listener)) == -1
		       ? errno
		       : 0;
}

/* 'fd' was opened before the process was confined. */
static int
connects_by(int fd)
{
	return connect(fd, (struct sockaddr *)&listener, sizeof(listener)) == -1
		       ? errno
		       : 0;
}

static int
runs(const char *path)
{
	int status = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		execl(path, path, (char *)NULL);
		_exit(errno);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
errno_of(long r)
{
	return r == -1 ? errno : 0;
}

struct attempts {
	int shadow, out_read, out_write, out_make, out_list, out_run, out_chmod;
	int out_truncate, connect, connect_open, unix_socket, trace, mount;
	int namespace, signal, in_write, in_make, in_run, true_runs, own_child;
	int null, limit, nice, nice_user, cpus, policy, io;
	int own_limit, own_nice, own_cpus;
};

/* Another process as it is, and our own: by the calls themselves, since the C
 * library says 0 for the caller. */
static void
attempt_limits(struct attempts *a)
{
	struct rlimit rl = { RLIM_INFINITY, RLIM_INFINITY };
	struct sched_param none = { 0 };
	unsigned long cpus[16] = { 0 };
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(cpus), cpus);

	setpgid(0, 0); /* a group of its own, to be slowed down */
	a->own_cpus =
		n <= 0 ? -1
		       : errno_of(syscall(SYS_sched_setaffinity, 0, n, cpus));
	a->cpus = errno_of(syscall(SYS_sched_setaffinity, other, n, cpus));
	a->own_limit = errno_of(getrlimit(RLIMIT_CORE, &rl));
	a->own_limit |= errno_of(setrlimit(RLIMIT_CORE, &rl));
	a->limit =
		errno_of(syscall(SYS_prlimit64, other, RLIMIT_CORE, &rl, NULL));
	a->own_nice = errno_of(setpriority(PRIO_PROCESS, 0, 19));
	a->nice = errno_of(setpriority(PRIO_PROCESS, (id_t)other, 19));
	a->nice_user = errno_of(setpriority(PRIO_PGRP, 0, 19));
	a->policy = errno_of(sched_setscheduler(other, SCHED_BATCH, &none));
	a->io = errno_of(syscall(SYS_ioprio_set, 1, other, 3 << 13));
}

static void
attempt(struct attempts *a, int fd)
{
	fy_autofree char *prog = fy_format(&err, "%s/prog", out);
	fy_autofree char *secret = fy_format(&err, "%s/secret", out);
	fy_autofree char *in_prog = fy_format(&err, "%s/prog", in);
	int pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	a->own_child = errno_of(kill(pid, SIGKILL));
	waitpid(pid, NULL, 0);
	a->shadow = opens("/etc", "shadow", O_RDONLY);
	a->out_read = opens(out, "secret", O_RDONLY);
	a->out_write = opens(out, "secret", O_WRONLY);
	a->out_make = opens(out, "new", O_WRONLY | O_CREAT);
	a->out_list = opens(out, ".", O_RDONLY | O_DIRECTORY);
	a->out_run = runs(prog);
	a->out_chmod = errno_of(chmod(secret, 0600));
	a->out_truncate = errno_of(truncate(secret, 100));
	a->connect = connects();
	a->connect_open = connects_by(fd);
	a->unix_socket = errno_of(socket(AF_UNIX, SOCK_STREAM, 0));
	a->trace = errno_of(ptrace(PTRACE_SEIZE, other, NULL, NULL));
	/* It is no mount, so with the right to mount this is EINVAL. */
	a->mount = errno_of(mount(NULL, in, NULL, MS_REMOUNT, NULL));
	a->signal = errno_of(kill(other, 0));
	a->in_write = opens(in, "file", O_RDWR);
	a->in_make = opens(in, "made", O_WRONLY | O_CREAT);
	a->in_run = runs(in_prog);
	a->true_runs = runs("/usr/bin/true");
	a->null = opens("/dev", "null", O_RDWR);
	attempt_limits(a);
	a->namespace = errno_of(unshare(CLONE_NEWUSER));
}

/* What a child, confined or not, could do. */
static struct attempts
try(bool confined)
{
	const unsigned all =
		FY_CONFINE_READ | FY_CONFINE_WRITE | FY_CONFINE_MAKE;
	struct fy_confine_rule rules[64];
	struct attempts a = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2];
	int status = -1;
	pid_t pid;

	memcpy(rules, fy_confine_programs,
	       fy_confine_n_programs * sizeof(*rules));
	rules[fy_confine_n_programs] = (struct fy_confine_rule){ in, -1, all };
	CHECK(pipe2(pair, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		if (confined && fy_confine(rules, fy_confine_n_programs + 1, 0,
					   &err) == -1) {
			fprintf(stderr, "%s\n", err.msg);
			_exit(1);
		}
		attempt(&a, fd);
		_exit(write(pair[1], &a, sizeof(a)) != sizeof(a));
	}
	close(pair[1]);
	CHECK(read(pair[0], &a, sizeof(a)) == sizeof(a));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close(pair[0]);
	close(fd);
	return a;
}

static void
test_attempts(void)
{
	struct attempts a = try(false);

	/* These are things that can be done. */
	CHECK(a.out_read == 0 && a.out_write == 0 && a.out_make == 0);
	CHECK(a.out_list == 0 && a.out_run == 42 && a.out_chmod == 0);
	CHECK(a.out_truncate == 0 && a.connect == 0 && a.connect_open == 0);
	CHECK(a.unix_socket == 0 && a.signal == 0 && a.in_run == 42);
	CHECK(a.shadow == (geteuid() == 0 ? 0 : EACCES));
	CHECK(a.mount == (geteuid() == 0 ? EINVAL : EPERM));
	CHECK(a.limit == 0 && a.cpus == 0 && a.policy == 0 && a.io == 0);
	CHECK(a.nice == 0 && a.nice_user == 0);

	a = try(true);
	CHECK(a.shadow == EACCES && a.out_read == EACCES);
	CHECK(a.out_write == EACCES && a.out_make == EACCES);
	CHECK(a.out_list == EACCES && a.out_run == EACCES);
	CHECK(a.out_chmod == EPERM && a.out_truncate == EPERM);
	CHECK(a.connect == EPERM && a.connect_open == EPERM);
	CHECK(a.unix_socket == EPERM && a.trace == EPERM);
	CHECK(a.mount == EPERM && a.namespace == EPERM);
	CHECK(a.in_run == EACCES); /* what it wrote itself */
	CHECK(a.in_write == 0 && a.in_make == 0 && a.null == 0);
	CHECK(a.true_runs == 0 && a.own_child == 0);
	CHECK(a.limit == EPERM && a.cpus == EPERM && a.policy == EPERM);
	CHECK(a.io == EPERM && a.nice == EPERM && a.nice_user == EPERM);
	CHECK(a.own_limit == 0 && a.own_nice == 0 && a.own_cpus == 0);
	/* Landlock's version 6. */
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 6)
		CHECK(a.signal == EPERM);
}

static void *
wait_for_byte(void *p)
{
	char c;

	if (read(*(int *)p, &c, 1) == -1)
		abort();
	return NULL;
}

static void
test_threads(void)
{
	struct fy_error e = { 0 };
	pthread_t thread;
	int pair[2];

	CHECK(pipe(pair) == 0);
	CHECK(pthread_create(&thread, NULL, wait_for_byte, &pair[0]) == 0);
	CHECK(fy_confine(NULL, 0, 0, &e) == -1 && e.code == FY_E_BUSY);
	CHECK(write(pair[1], "x", 1) == 1);
	pthread_join(thread, NULL);
	close(pair[0]);
	close(pair[1]);
	/* It was refused before anything was done. */
	CHECK(opens(out, "secret", O_RDONLY) == 0);
}

/* Root's children in the sandbox are root by name only. */
static void
test_capabilities(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };
	struct fy_subprocess_options o = { .capture_max = 1000 };
	const char *const argv[] = { "grep", "^CapEff", "/proc/self/status",
				     NULL };
	struct fy_subprocess_result r = { 0 };
	struct fy_confine_rule rules[64];
	int status = -1;
	pid_t pid;

	memcpy(rules, fy_confine_programs,
	       fy_confine_n_programs * sizeof(*rules));
	rules[fy_confine_n_programs] =
		(struct fy_confine_rule){ "/proc", -1, FY_CONFINE_READ };
	pid = fork();
	if (pid == 0) {
		CHECK_OK(fy_confine(rules, fy_confine_n_programs + 1, 0, &err),
			 &err);
		CHECK(syscall(SYS_capget, &h, d) == 0);
		CHECK((d[0].permitted & ~(1u << CAP_DAC_OVERRIDE)) == 0);
		CHECK(d[1].permitted == 0 && d[0].inheritable == 0);
		CHECK_OK(fy_subprocess_run(argv, &o, &r, &err), &err);
		CHECK(r.out != NULL &&
		      (strstr(r.out, "0000000000000002") != NULL ||
		       strstr(r.out, "0000000000000000") != NULL));
		_exit(test_result());
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* A child with a ruleset alone. */
static void
test_ruleset(void)
{
	fy_autofree char *secret = fy_format(&err, "%s/secret", out);
	const char *const read_out[] = { "cat", secret, NULL };
	fy_autofd int none = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct fy_subprocess child = { 0 };
	fy_autofd int ruleset = -1;

	CHECK_OK(fy_confine_ruleset(fy_confine_programs, fy_confine_n_programs,
				    0, &ruleset, &err),
		 &err);
	CHECK(ruleset != -1);
	CHECK_OK(fy_subprocess_start_listening(read_out, none, none, -1, &child,
					       &err),
		 &err);
	CHECK_OK(fy_subprocess_wait(&child, &err), &err);
	CHECK_OK(fy_subprocess_start_listening(read_out, none, none, ruleset,
					       &child, &err),
		 &err);
	CHECK(fy_subprocess_wait(&child, NULL) == -1);
}

static void
put(const char *dir, const char *name, const char *text, mode_t mode)
{
	fy_autofree char *path = fy_format(&err, "%s/%s", dir, name);
	fy_autofd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	CHECK(fd != -1 && fy_fd_write_full(fd, text, strlen(text), &err) == 0);
}

int
main(void)
{
	fy_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(listener);

	if (fy_confine_missing() != NULL) {
		fprintf(stderr, "needs %s\n", fy_confine_missing());
		return 77;
	}
	listener.sin_family = AF_INET;
	listener.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd != -1 &&
	      bind(fd, (struct sockaddr *)&listener, sizeof(listener)) == 0 &&
	      listen(fd, 8) == 0 &&
	      getsockname(fd, (struct sockaddr *)&listener, &len) == 0);
	CHECK_OK(fy_dir_temporary("fy-test-confine", &in, &err), &err);
	CHECK_OK(fy_dir_temporary("fy-test-confine", &out, &err), &err);
	put(in, "file", "x", 0600);
	put(out, "secret", "secret", 0600);
	put(in, "prog", "#!/bin/sh\nexit 42\n", 0700);
	put(out, "prog", "#!/bin/sh\nexit 42\n", 0700);
	other = fork();
	if (other == 0) {
		pause();
		_exit(0);
	}
	test_attempts();
	test_threads();
	test_capabilities();
	test_ruleset();
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	fy_dir_remove_all_at(AT_FDCWD, in, &err);
	fy_dir_remove_all_at(AT_FDCWD, out, &err);
	free(in);
	free(out);
	return test_result();
}
