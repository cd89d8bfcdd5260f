/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Workers: results, errors, lines, the stop, and those that misbehave. */
#include "common/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "common/test.h"

static struct fy_error err;
static struct fy_stop stop;
static char said[10000];
static unsigned n_said;
static char *dir;
static unsigned patience_s;	     /* 0: as usual */
static int pid_pipe[2] = { -1, -1 }; /* to tell a number to the test */

static void
note(void *ctx, enum fy_log_level level, const char *line)
{
	size_t len = strlen(said);

	(void)ctx;
	n_said++;
	snprintf(said + len, sizeof(said) - len, "%d:%s;", (int)level, line);
}

typedef int (*job)(void *ctx, struct fy_worker *w, json_t **ret,
		   struct fy_error *e);

static int
run(job work, json_t **ret, struct fy_error *e)
{
	struct fy_log *log = fy_log_new(FY_LOG_DEBUG, note, NULL, &err);
	fy_autofd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int kept[] = { null, pid_pipe[1] };
	struct fy_worker_options o = { .what = "the test",
				       .patience_s = patience_s,
				       .work = work,
				       .ctx = (void *)(uintptr_t)kept,
				       .keep = kept,
				       .n_keep = 2,
				       .log = log,
				       .stop = &stop };
	int r;

	said[0] = '\0';
	n_said = 0;
	fy_error_clear(e);
	r = fy_worker_run(&o, ret, e);
	fy_log_free(log);
	return r;
}

/* --- those that behave ------------------------------------------------------ */

static int secret_fd;

static int
works(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	const int *kept = ctx;

	(void)e;
	fy_log_warn(fy_worker_log(w), "one %d", 1);
	fy_log_debug(fy_worker_log(w), "two");
	*ret = json_pack("{s:i, s:b, s:b}", "pid", (int)getpid(), "kept",
			 fcntl(*kept, F_GETFD) != -1, "secret",
			 fcntl(secret_fd, F_GETFD) != -1);
	return 0;
}

static int
fails(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	(void)ctx;
	(void)w;
	(void)ret;
	return fy_error_set(e, FY_E_BUSY, EBUSY, "it is so");
}

static int
tells_much(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	fy_autofree char *big = malloc((1 << 20) + 1);

	(void)ctx;
	(void)w;
	if (big == NULL)
		return fy_error_nomem(e);
	memset(big, 'x', 1 << 20);
	big[1 << 20] = '\0';
	*ret = json_pack("[s]", big);
	return 0;
}

static int
leaves(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	(void)ctx;
	*ret = json_array();
	if (fy_worker_leaves(w, dir, e) == -1 || fy_worker_confined(w, e) == -1)
		return -1;
	return 0;
}

static int
waits(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	(void)ctx;
	(void)ret;
	while (!fy_stop_is_raised(fy_worker_stop(w)))
		usleep(1000);
	return fy_stop_check(fy_worker_stop(w), e);
}

/* A program that would go on for long, which ends with the stop. */
static int
runs_program(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct fy_subprocess_options o = { .stop = fy_worker_own_stop() };

	(void)ctx;
	(void)ret;
	return fy_worker_confined(w, e) == -1
		       ? -1
		       : fy_subprocess_run(argv, &o, NULL, e);
}

/* Longer than it may take once it is confined, which it isn't yet. */
static int
starts_slowly(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	(void)ctx;
	(void)ret;
	sleep(3);
	if (fy_worker_confined(w, e) == -1)
		return -1;
	usleep(100000);
	return fy_error_set(e, FY_E_CANCELLED, 0, "by itself");
}

static void *
raise_soon(void *arg)
{
	(void)arg;
	usleep(100000);
	fy_stop_raise(&stop);
	return NULL;
}

/* Cancelled while it runs; '*ret_ms': so long after the start it was over. */
static void
stopped(job work, unsigned *ret_ms)
{
	struct timespec from, to;
	json_t *j = NULL;
	pthread_t thread;

	clock_gettime(CLOCK_MONOTONIC, &from);
	CHECK(pthread_create(&thread, NULL, raise_soon, NULL) == 0);
	CHECK(run(work, &j, &err) == -1 && err.code == FY_E_CANCELLED);
	pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (ret_ms != NULL)
		*ret_ms = (unsigned)((to.tv_sec - from.tv_sec) * 1000 +
				     (to.tv_nsec - from.tv_nsec) / 1000000);
	fy_stop_release(&stop);
	CHECK_OK(fy_stop_init(&stop, &err), &err);
}

static void
test_good(void)
{
	json_t *j = NULL;

	secret_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	CHECK_OK(run(works, &j, &err), &err);
	CHECK(json_integer_value(json_object_get(j, "pid")) != getpid());
	CHECK(json_is_true(json_object_get(j, "kept")));
	CHECK(json_is_false(json_object_get(j, "secret")));
	CHECK_STR(said, "1:one 1;3:two;");
	json_decref(j);
	close(secret_fd);

	j = NULL;
	CHECK(run(fails, &j, &err) == -1 && err.code == FY_E_BUSY && j == NULL);
	CHECK(strncmp(err.msg, "it is so: ", 10) == 0);
	CHECK_OK(run(tells_much, &j, &err), &err);
	CHECK(json_string_length(json_array_get(j, 0)) == 1 << 20);
	json_decref(j);

	CHECK_OK(fy_dir_temporary("fy-test-worker", &dir, &err), &err);
	CHECK_OK(run(leaves, &j, &err), &err);
	json_decref(j);
	CHECK(access(dir, F_OK) == -1);
	free(dir);

	stopped(waits, NULL);
	CHECK_STR(err.msg, "cancelled");
	CHECK(fy_worker_own_stop() == NULL);
	stopped(runs_program, NULL);
	CHECK(strstr(err.msg, "sleep") != NULL);
	patience_s = 1;
	stopped(starts_slowly, NULL);
	patience_s = 0;
	CHECK_STR(err.msg, "by itself");
}

/* --- those that don't --------------------------------------------------------- */

/* Its socket, by what a socket is. */
static int
own_socket(void)
{
	int fd, type;
	socklen_t len = sizeof(type);

	for (fd = 3; fd < 100; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
			return fd;
	return -1;
}

static void
frame(uint32_t type, uint32_t len, const void *data, size_t have)
{
	unsigned char head[8];
	int fd = own_socket();

	fy_put_le32(head, type);
	fy_put_le32(head + 4, len);
	if (fy_fd_write_full(fd, head, 8, NULL) == -1 ||
	    fy_fd_write_full(fd, data, have, NULL) == -1)
		_exit(3);
}

static int variant;

static int
misbehaves(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	unsigned i;

	(void)ctx;
	*ret = json_array();
	switch (variant) {
	case 0: /* dies */
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		break;
	case 1: /* ends without a word */
		_exit(0);
	case 2: /* no such frame */
		frame(77, 0, "", 0);
		break;
	case 3: /* a length to run out of memory by */
		frame(4, UINT32_MAX, "x", 1);
		break;
	case 4: /* cut in a frame */
		frame(4, 100, "[1", 2);
		_exit(0);
	case 5: /* no JSON */
		frame(4, 3, "][!", 3);
		break;
	case 6: /* two results */
		frame(4, 2, "[]", 2);
		break;
	case 7: /* no such error */
		frame(5, 8, "\xff\xff\xff\xff\0\0\0\0", 8);
		break;
	case 8: /* an error of no kind */
		frame(5, 9, "\0\0\0\0\0\0\0\0x", 9);
		break;
	case 9: /* a line that is too short */
		frame(1, 2, "xx", 2);
		break;
	case 10: /* wants a directory removed later on */
		if (fy_worker_confined(w, e) == -1)
			return -1;
		frame(2, 4, "/etc", 4);
		break;
	case 11: /* relative */
		frame(2, 3, "etc", 3);
		break;
	case 12: /* talks without end */
		for (i = 0; i < 200000; i++)
			fy_log_debug(fy_worker_log(w), "x");
		break;
	case 13: /* leaves somebody behind who holds the socket */
		if (fork() == 0) {
			sleep(20);
			_exit(0);
		}
		_exit(0);
	}
	return 0;
}

static void
test_bad(void)
{
	struct fy_error e = { 0 };
	json_t *j = NULL;

	for (variant = 0; variant <= 13; variant++) {
		CHECK(run(misbehaves, &j, &e) == -1 && j == NULL);
		CHECK(e.code == FY_E_CHILD ||
		      (variant == 5 && e.code == FY_E_FORMAT));
		if (variant == 0)
			CHECK(strstr(e.msg, "signal 11") != NULL);
		CHECK(strstr(e.msg, "the test") != NULL);
	}
	CHECK(access("/etc/passwd", F_OK) == 0);
}

/* --- those that hang ------------------------------------------------------------ */

static int
hangs(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *e)
{
	static const char *const argv[] = { "sh", "-c",
					    "echo $$; exec sleep 1000", NULL };
	struct fy_subprocess child = { 0 };

	(void)ctx;
	*ret = json_array();
	if (fy_worker_confined(w, e) == -1)
		return -1;
	switch (variant) {
	case 0: /* in a loop */
		for (;;)
			;
	case 1: /* waits for a program */
		if (fy_subprocess_start(argv, -1, pid_pipe[1], -1, &child, e) ==
		    -1)
			return -1;
		return fy_subprocess_wait(&child, e);
	case 2: /* lies about having been told */
		atomic_store(&((struct fy_stop *)(uintptr_t)fy_worker_stop(w))
				      ->raised,
			     true);
		for (;;)
			pause();
	case 3: /* goes on talking */
		for (;; usleep(50000))
			fy_log_debug(fy_worker_log(w), "x");
	default: /* says no more */
		close(own_socket());
		for (;;)
			pause();
	}
}

static void
test_hung(void)
{
	struct fy_error e = { 0 };
	json_t *j = NULL;
	char number[32] = "";
	unsigned ms = 0, i;

	CHECK(pipe(pid_pipe) == 0);
	patience_s = 1;
	for (variant = 0; variant <= 4; variant++) {
		fy_error_clear(&err);
		stopped(hangs, &ms);
		CHECK(ms >= 1000 && ms < 20000);
		CHECK(strstr(err.msg, "the test: cancelled; ") == err.msg &&
		      strstr(err.msg, "within 1 seconds and was killed"));
	}
	/* What it ran is gone, too. */
	CHECK(read(pid_pipe[0], number, sizeof(number) - 1) > 1);
	for (i = 0; i < 100 && kill((pid_t)strtol(number, NULL, 10), 0) == 0;
	     i++)
		usleep(100000);
	CHECK(i < 100);
	/* Without a stop only this one is known to be of no use any more. */
	CHECK(run(hangs, &j, &e) == -1 && e.code == FY_E_CHILD);
	CHECK(strstr(e.msg, "it does not end") != NULL);
	close(pid_pipe[0]);
	close(pid_pipe[1]);
}

int
main(void)
{
	CHECK_OK(fy_stop_init(&stop, &err), &err);
	test_good();
	test_bad();
	test_hung();
	fy_stop_release(&stop);
	return test_result();
}
