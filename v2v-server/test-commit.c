/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commit, cut at each of its steps and done again; and the lock.
 *
 * A cut is played by doing the first renames by hand, in the documented order,
 * which is what a process that died there leaves behind.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "v2v-server/holder.h"
#include "v2v-server/jobdir.h"
#include "v2v-server/testing.h"

static char *top;
static int topfd;

static struct fy_jobdir *
open_for(const char *client, unsigned wait_ms, struct fy_error *err)
{
	struct fy_jobdir_wait wait = { .ms = wait_ms,
				       .client = client,
				       .peer = -1 };
	struct fy_jobdir *d = NULL;
	int fd = openat(topfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fy_jobdir_open(fd, top, "vm", &wait, &d, err) == -1)
		return NULL;
	return d;
}

static struct fy_jobdir *
open_dir(unsigned wait_ms, struct fy_error *err)
{
	return open_for(NULL, wait_ms, err);
}

/* What a whole job looks like just before its commit. */
static struct fy_jobdir *
whole_job(bool replace)
{
	fy_autojson json_t *images =
		json_pack("[s,s]", "vm.qcow2", "vm-2.qcow2");
	fy_autojson json_t *others = json_pack("[s]", "vm.ovf");
	struct fy_error err = { 0 };
	struct fy_jobdir *d = open_dir(0, &err);

	CHECK(d != NULL);
	test_write_file(d->fd, "vm.qcow2", "new1");
	test_write_file(d->fd, "vm-2.qcow2", "new2");
	test_write_file(d->fd, "vm.ovf", "new ovf");
	test_write_file(d->fd, "vm.xml", "new xml");
	test_write_file(d->fd, "journal", "new journal");
	test_write_file(d->fd, "undo.log", "new undo");
	test_write_file(d->jobfd, "report.json", "new report");
	CHECK_OK(fy_commit_write(d, images, others, replace, &err));
	return d;
}

static void
old_job(void)
{
	CHECK(mkdirat(topfd, "vm.job", 0755) == 0);
	test_write_file(topfd, "vm.job/report.json", "old report");
	test_write_file(topfd, "vm.job/only-old", "old");
	test_write_file(topfd, "vm.qcow2", "old1");
	test_write_file(topfd, "vm-2.qcow2", "old2");
	test_write_file(topfd, "vm.xml", "old xml");
}

static void
move(const char *from, const char *to)
{
	CHECK(renameat(topfd, from, topfd, to) == 0);
}

/* The steps in their order; the last ones of a replacing commit are the
 * same. */
static void
play(unsigned steps, bool replace)
{
	unsigned n = 0;

	if (replace && n++ < steps)
		move("vm.xml", "vm.partial/.old.xml");
	if (n++ < steps)
		move("vm.partial/vm.qcow2", "vm.qcow2");
	if (n++ < steps)
		move("vm.partial/vm-2.qcow2", "vm-2.qcow2");
	if (n++ < steps)
		move("vm.partial/journal", "vm.partial/job/journal");
	if (n++ < steps)
		move("vm.partial/undo.log", "vm.partial/job/undo.log");
	if (replace && n++ < steps)
		move("vm.job", "vm.partial/.old.job");
	if (n++ < steps)
		move("vm.partial/job", "vm.job");
	if (n++ < steps)
		move("vm.partial/vm.ovf", "vm.ovf");
	if (n++ < steps)
		move("vm.partial/vm.xml", "vm.xml");
	if (replace && n++ < steps)
		CHECK(unlinkat(topfd, "vm.partial/.old.xml", 0) == 0);
}

static void
committed(void)
{
	CHECK(test_file_is(topfd, "vm.qcow2", "new1"));
	CHECK(test_file_is(topfd, "vm-2.qcow2", "new2"));
	CHECK(test_file_is(topfd, "vm.ovf", "new ovf"));
	CHECK(test_file_is(topfd, "vm.xml", "new xml"));
	CHECK(test_file_is(topfd, "vm.job/report.json", "new report"));
	CHECK(test_file_is(topfd, "vm.job/journal", "new journal"));
	CHECK(test_file_is(topfd, "vm.job/undo.log", "new undo"));
	CHECK(!fy_jobdir_has(topfd, "vm.job/only-old"));
	CHECK(!fy_jobdir_has(topfd, "vm.partial"));
}

static void
clean(void)
{
	static const char *const names[] = { "vm.qcow2", "vm-2.qcow2", "vm.ovf",
					     "vm.xml" };
	struct fy_error err = { 0 };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(topfd, names[i], 0);
	CHECK_OK(fy_dir_remove_all_at(topfd, "vm.job", &err));
	CHECK_OK(fy_dir_remove_all_at(topfd, "vm.partial", &err));
}

static void
cut_anywhere(bool replace, unsigned steps)
{
	struct fy_error err = { 0 };
	struct fy_jobdir *d;
	unsigned i;

	for (i = 0; i <= steps; i++) {
		if (replace)
			old_job();
		fy_jobdir_close(whole_job(replace));
		CHECK(fy_jobdir_has(topfd, "vm.partial/commit.json"));
		play(i, replace);
		d = open_dir(0, &err);
		CHECK(d != NULL && fy_commit_is_pending(d));
		CHECK_OK(fy_commit_roll(d, &err));
		CHECK(!fy_commit_is_pending(d));
		fy_jobdir_close(d);
		committed();
		clean();
	}
}

/* Somebody puts a file in the way after the check: it is not replaced. */
static void
in_the_way(void)
{
	struct fy_jobdir *d = whole_job(false);
	struct fy_error err = { 0 };

	test_write_file(topfd, "vm-2.qcow2", "precious");
	CHECK(fy_commit_roll(d, &err) == -1);
	CHECK_ERROR(FY_E_EXISTS);
	CHECK(test_file_is(topfd, "vm-2.qcow2", "precious"));
	CHECK(!fy_jobdir_has(topfd, "vm.xml"));
	CHECK(unlinkat(topfd, "vm-2.qcow2", 0) == 0);
	CHECK_OK(fy_commit_roll(d, &err));
	fy_jobdir_close(d);
	committed();
	clean();

	/* A damaged intent is an error, not a path. */
	d = open_dir(0, &err);
	test_write_file(d->fd, "commit.json",
			"{\"images\":[\"../../etc/passwd\"]}");
	CHECK(fy_commit_roll(d, &err) == -1);
	CHECK_ERROR(FY_E_FORMAT);
	/* Lost images are not called a success. */
	test_write_file(d->fd, "commit.json", "{\"images\":[\"vm.qcow2\"]}");
	CHECK(fy_commit_roll(d, &err) == -1);
	CHECK_ERROR(FY_E_NOTFOUND);
	fy_jobdir_close(d);
	clean();
}

static void
locks(void)
{
	struct fy_error err = { 0 };
	struct fy_jobdir *d = open_dir(0, &err), *second;
	char word[32];
	int status;
	pid_t pid;

	CHECK(d != NULL);
	CHECK(open_dir(300, &err) == NULL);
	snprintf(word, sizeof(word), "process %ld,", (long)getpid());
	CHECK(strstr(err.msg, word) != NULL);
	CHECK_ERROR(FY_E_BUSY);
	/* What nobody needs goes with its holder. */
	fy_jobdir_close(d);
	CHECK(!fy_jobdir_has(topfd, "vm.partial"));

	/* A holder that dies without a word lets go. */
	pid = fork();
	CHECK(pid != -1);
	if (pid == 0) {
		d = open_dir(0, &err);
		test_write_file(d->fd, "journal", "x");
		pause();
		_exit(0);
	}
	while (!fy_jobdir_has(topfd, "vm.partial/journal"))
		usleep(1000);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	second = open_dir(5000, &err);
	CHECK(second != NULL && test_file_is(second->fd, "journal", "x"));
	CHECK_OK(fy_jobdir_clear(second, &err));
	CHECK(!fy_jobdir_has(second->fd, "journal"));
	fy_jobdir_close(second);
	CHECK(!fy_jobdir_has(topfd, "vm.partial"));

	/* The one that waits follows when the directory is replaced. */
	d = open_dir(0, &err);
	pid = fork();
	CHECK(pid != -1);
	if (pid == 0) {
		close(d->lockfd); /* the lock is of the open file */
		second = open_dir(20000, &err);
		_exit(second != NULL && fy_jobdir_has(topfd, "vm.partial/lock")
			      ? 0
			      : 1);
	}
	usleep(400 * 1000);
	fy_jobdir_close(d);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	clean();
}

/* --- a holder that serves a lost connection of the same client -------------- */

#define CLIENT_A "0123456789abcdef0123456789abcdef"
#define CLIENT_B "0123456789abcdef0123456789abcdee"

/* A process that holds the lock for A until it is killed, or for 'ms'. */
static pid_t
holder(bool finishing, unsigned ms)
{
	struct fy_error err = { 0 };
	struct fy_jobdir *d;
	pid_t pid = fork();

	CHECK(pid != -1);
	if (pid != 0) {
		while (!fy_jobdir_has(topfd, "vm.partial/journal"))
			usleep(1000);
		return pid;
	}
	d = open_for(CLIENT_A, 0, &err);
	if (d == NULL || (finishing && fy_jobdir_say_finishing(d, &err) == -1))
		_exit(9);
	test_write_file(d->fd, "journal", "x");
	usleep(ms * 1000);
	_exit(0);
}

/* Who wants the lock ends it or not; whether it got the lock. */
static bool
taken(pid_t pid, const char *client, unsigned wait_ms, bool *ret_killed)
{
	struct fy_error err = { 0 };
	struct fy_jobdir *d = open_for(client, wait_ms, &err);
	int status = 0;

	if (d == NULL) {
		CHECK_ERROR(FY_E_BUSY);
		CHECK(waitpid(pid, &status, WNOHANG) == 0);
		CHECK(kill(pid, SIGKILL) == 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	*ret_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
	if (d != NULL)
		CHECK_OK(fy_jobdir_clear(d, &err));
	fy_jobdir_close(d);
	clean();
	return d != NULL;
}

static void
same_client(void)
{
	struct fy_error err = { 0 };
	struct fy_holder h;
	struct fy_jobdir *d;
	bool killed;
	pid_t pid;

	/* It is told to end, and does. */
	CHECK(taken(holder(false, 60000), CLIENT_A, 20000, &killed) && killed);
	/* Not by others, nor by a client that has no name. */
	CHECK(!taken(holder(false, 60000), CLIENT_B, 600, &killed) && !killed);
	CHECK(!taken(holder(false, 60000), NULL, 600, &killed) && !killed);
	/* One that finishes the job is waited for, longer than others are. */
	CHECK(taken(holder(true, 1500), CLIENT_A, 300, &killed) && !killed);
	CHECK(!taken(holder(true, 60000), CLIENT_B, 300, &killed));

	/* Only the very process: another start, another boot, no process. */
	pid = holder(false, 60000);
	d = calloc(1, sizeof(*d));
	CHECK(d != NULL);
	d->lockfd = openat(topfd, "vm.partial/lock", O_RDWR | O_CLOEXEC);
	fy_holder_read(d->lockfd, &h);
	CHECK(h.pid == pid && h.start > 0 && !h.finishing);
	CHECK(strcmp(h.client, CLIENT_A) == 0);
	h.start++;
	CHECK(!fy_holder_end(&h, d->lockfd));
	h.start--;
	h.boot[0] ^= 1;
	CHECK(!fy_holder_end(&h, d->lockfd));
	h.boot[0] ^= 1;
	CHECK(kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) == 0);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(!fy_holder_end(&h, d->lockfd));
	/* Half a line, and nonsense, name nobody. */
	CHECK(ftruncate(d->lockfd, 80) == 0);
	fy_holder_read(d->lockfd, &h);
	CHECK(h.pid == 0 && strncmp(h.words, "process ", 8) == 0);
	CHECK(fy_holder_say_finishing(d->lockfd, &err) == -1);
	CHECK(ftruncate(d->lockfd, 0) == 0);
	fy_holder_read(d->lockfd, &h);
	CHECK(h.pid == 0 && strcmp(h.words, "an unnamed process") == 0);
	close(d->lockfd);
	free(d);
	clean();
}

/* A link in NAME.partial's place leads nowhere. */
static void
links(void)
{
	struct fy_error err = { 0 };

	CHECK(symlinkat("/tmp", topfd, "vm.partial") == 0);
	CHECK(open_dir(0, &err) == NULL);
	CHECK_ERROR(FY_E_IO);
	CHECK(unlinkat(topfd, "vm.partial", 0) == 0);
}

int
main(void)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_dir_temporary("fy-test-commit", &top, &err));
	topfd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(topfd >= 0);
	cut_anywhere(false, 7);
	cut_anywhere(true, 10);
	in_the_way();
	locks();
	same_client();
	links();
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, top, &err));
	free(top);
	return 0;
}
