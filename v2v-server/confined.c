/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Injection and inspection in a worker that is confined before it looks at the
 * first byte of a disk.
 *
 * It has the images for reading only, and may write below two directories: the
 * one for temporary files, and "originals".  What it wants changed it leaves in
 * a file that it got open; the undo log and the disks are written here, when it
 * is gone.  So whatever it does, the disks are as they were or can be undone.
 *
 * libguestfs's appliance is a machine of its own, started before the worker
 * confines itself.  That costs time, so a first worker goes without; when it
 * finds that it is needed, a second one begins anew.
 */
#include "v2v-server/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/confine.h"
#include "common/file.h"
#include "common/overlay.h"
#include "common/subprocess.h"
#include "common/worker.h"
#include "drivers-inject/text.h"

#define ORIGINALS "originals"
#define MAX_RULES 96u
#define MAX_SAID  1000u

struct task {
	const struct fy_confined *c;
	const struct fy_inject_options *o;
	bool inject;
	enum fy_inject_appliance appliance;
	const char *tmpdir; /* of this work alone */
	int changes;	    /* the file for what is to be changed; -1 */
	struct fy_worker *worker;
	struct fy_string_set said; /* by the first worker */
};

/* --- in the worker: what it may reach ---------------------------------------- */

struct rules {
	struct fy_confine_rule items[MAX_RULES];
	char *paths[MAX_RULES]; /* theirs, where we made them */
	size_t n;
};

static void
release_rules(struct rules *r)
{
	while (r->n > 0)
		free(r->paths[--r->n]);
	free(r);
}
FY_DEFINE_AUTO(rules, struct rules, release_rules)

/* Takes 'path'. */
static int
add_rule(struct rules *r, char *path, int fd, unsigned rights,
	 struct fy_error *err)
{
	if (path == NULL && fd == -1)
		return -1;
	if (r->n == MAX_RULES) {
		free(path);
		return fy_error_set(err, FY_E_USAGE, 0, "too many rules");
	}
	r->items[r->n] = (struct fy_confine_rule){ path, fd, rights };
	r->paths[r->n++] = path;
	return 0;
}

/* The helper programs, wherever PATH has them. */
static int
add_programs(struct rules *r, struct fy_error *err)
{
	static const char *const names[] = { "e2fsck", "fsck.fat", "mdir",
					     "mtype",  "mcopy",	   "mmd",
					     "depmod" };
	char path[1024];
	size_t i;

	memcpy(r->items, fy_confine_programs,
	       fy_confine_n_programs * sizeof(*r->items));
	r->n = fy_confine_n_programs;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (fy_subprocess_find(names[i], path, sizeof(path)) == 0 &&
		    add_rule(r, fy_format(err, "%s", path), -1,
			     FY_CONFINE_READ | FY_CONFINE_EXECUTE, err) == -1)
			return -1;
	return 0;
}

/* The programs for the first boot of Windows (windows-firstboot.c), and its
 * drivers. */
static int
add_windows(struct rules *r, const char *virtio_win, struct fy_error *err)
{
	static const char *const names[] = { "firstboot-amd64.exe",
					     "firstboot-x86.exe" };
	const char *share = getenv("IRONFERRY_SHARE");
	char own[4096] = "";
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	size_t i;

	own[len > 0 ? len : 0] = '\0';
	if (strrchr(own, '/') != NULL)
		*strrchr(own, '/') = '\0';
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (add_rule(r, fy_format(err, "%s/%s", own, names[i]), -1,
			     FY_CONFINE_READ, err) == -1 ||
		    add_rule(r,
			     fy_format(err, "%s/../share/ironferry/%s", own,
				       names[i]),
			     -1, FY_CONFINE_READ, err) == -1 ||
		    (share != NULL &&
		     add_rule(r, fy_format(err, "%s/%s", share, names[i]), -1,
			      FY_CONFINE_READ, err) == -1))
			return -1;
	if (virtio_win == NULL)
		return 0;
	return add_rule(r, fy_format(err, "%s", virtio_win), -1,
			FY_CONFINE_READ, err);
}

static int
add_writable(struct rules *r, const struct task *t, struct fy_error *err)
{
	const unsigned all =
		FY_CONFINE_READ | FY_CONFINE_WRITE | FY_CONFINE_MAKE;
	struct fy_error why = { 0 };
	int root, fd;

	if (add_rule(r, fy_format(err, "%s", t->tmpdir), -1, all, err) == -1)
		return -1;
	if (t->changes != -1) {
		fd = openat(t->o->job_dirfd, ORIGINALS,
			    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot open '" ORIGINALS "'");
		if (add_rule(r, NULL, fd, all, err) == -1)
			return -1;
	}
	/* Volumes shown as files; without FUSE they are copied, as ever. */
	if (fy_expose_prepare(&root, &why) == 0)
		return add_rule(r, NULL, root,
				FY_CONFINE_READ | FY_CONFINE_WRITE, err);
	fy_log_debug(fy_worker_log(t->worker), "%s", why.msg);
	return 0;
}

static int
confine(void *ctx, const char *leaves, struct fy_error *err)
{
	FY_AUTO(rules) struct rules *r = calloc(1, sizeof(*r));
	const struct task *t = ctx;
	enum fy_confine_flags flags = 0;

	if (r == NULL)
		return fy_error_nomem(err);
	if (t->appliance == FY_APPLIANCE_FIRST)
		flags = FY_CONFINE_MAY_SIGNAL;
	if (add_programs(r, err) == -1 ||
	    add_windows(r, t->o->virtio_win, err) == -1 ||
	    add_writable(r, t, err) == -1 ||
	    (leaves != NULL && fy_worker_leaves(t->worker, leaves, err) == -1))
		return -1;
	/* No other thread is there to read it meanwhile. */
	if (setenv("TMPDIR", t->tmpdir, 1) == -1)
		return fy_error_nomem(err);
	if (fy_confine(r->items, r->n, flags, err) == -1)
		return fy_error_prefix(err, "sandbox");
	return fy_worker_confined(t->worker, err);
}

static int
work(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *err)
{
	struct task *t = ctx;
	FY_AUTO(images) struct fy_images *images = NULL;
	struct fy_inject_options o = *t->o;
	struct fy_error why = { 0 };
	json_t *told = NULL;
	bool needs = false;
	int r;

	t->worker = w;
	o.log = fy_worker_log(w);
	o.stop = fy_worker_stop(w);
	o.progress = NULL;
	o.tmpdir = t->tmpdir;
	o.appliance = t->appliance;
	o.ret_needs_appliance = &needs;
	o.confine = confine;
	o.confine_ctx = t;
	if (t->c->open(t->c->ctx, false, &images, err) == -1)
		return -1;
	if (t->inject)
		r = fy_inject_edit(images->volumes, images->n, &o, t->changes,
				   &told, &why);
	else
		r = fy_inspect(images->volumes, images->n, &o, &told, &why);
	if (r == -1 && !needs) {
		*err = why;
		return -1;
	}
	*ret = json_pack("{s:b, s:o?}", "again", r == -1, "told", told);
	return *ret == NULL ? fy_error_nomem(err) : 0;
}

/* --- what it told -------------------------------------------------------------- */

/* Its lines, as they come; what the first worker said is not said again. */
static void
relay(void *ctx, enum fy_log_level level, const char *line)
{
	struct task *t = ctx;
	struct fy_log *log = t->o->log;

	if (t->appliance == FY_APPLIANCE_FIRST &&
	    fy_string_set_has(&t->said, line))
		return;
	if (t->appliance == FY_APPLIANCE_NEVER && t->said.n < MAX_SAID)
		fy_string_set_add(&t->said, line, NULL);
	switch (level) {
	case FY_LOG_ERROR:
		fy_log_error(log, "%s", line);
		break;
	case FY_LOG_WARN:
		fy_log_warn(log, "%s", line);
		break;
	case FY_LOG_INFO:
		fy_log_info(log, "%s", line);
		break;
	case FY_LOG_DEBUG:
		fy_log_debug(log, "%s", line);
		break;
	}
}

static bool
is_list(const json_t *o, const char *key, bool (*each)(const json_t *))
{
	const json_t *list = json_object_get(o, key), *item;
	size_t i;

	if (!json_is_array(list))
		return false;
	json_array_foreach(list, i, item) if (!each(item)) return false;
	return true;
}

static bool
is_object(const json_t *j)
{
	return json_is_object(j);
}

static bool
is_string(const json_t *j)
{
	return json_is_string(j);
}

/* Its shape, as inject.h has it; what the strings say stays foreign. */
static int
check_told(const struct task *t, const json_t *told, struct fy_error *err)
{
	bool good = is_list(told, "systems", is_object) &&
		    is_list(told, "skipped", is_object) &&
		    is_list(told, "warnings", is_string);

	if (t->inject)
		good = good && is_list(told, "changes", is_object) &&
		       json_is_string(json_object_get(told, "firmware"));

	if (good)
		return 0;
	return fy_error_set(err, FY_E_CHILD, 0,
			    "the process that reads the disks tells nonsense");
}

/* --- the parent's side ------------------------------------------------------------ */

/* An empty "originals", and an empty file. */
static int
make_room(const struct task *t, struct fy_error *err)
{
	if (t->changes == -1)
		return 0;
	if (fy_dir_remove_all_at(t->o->job_dirfd, ORIGINALS, err) == -1)
		return -1;
	if (mkdirat(t->o->job_dirfd, ORIGINALS, 0700) == -1 ||
	    ftruncate(t->changes, 0) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make the directory '" ORIGINALS
				    "'");
	return 0;
}

static int
run_worker(struct task *t, bool *ret_again, json_t **ret, struct fy_error *err)
{
	const int keep[] = { t->changes, t->o->job_dirfd };
	struct fy_log *log = fy_log_new(FY_LOG_DEBUG, relay, t, err);
	struct fy_worker_options o = {
		.what = t->inject ? "injection" : "inspection",
		.work = work,
		.ctx = t,
		.keep = keep,
		.n_keep = 2,
		.log = log,
		.stop = t->o->stop,
	};
	fy_autojson json_t *result = NULL;
	struct fy_error why = { 0 };
	int r = -1;

	if (log != NULL && make_room(t, &why) == 0)
		r = fy_worker_run(&o, &result, &why);
	fy_log_free(log);
	if (r == -1 && (why.code == FY_E_CHILD || why.code == FY_E_CANCELLED))
		return fy_error_set(err, why.code, 0,
				    "%s; the disks are as they were", why.msg);
	if (r == -1)
		return fy_error_copy(err, &why);
	*ret_again = json_is_true(json_object_get(result, "again"));
	if (*ret_again)
		return 0;
	*ret = json_incref(json_object_get(result, "told"));
	return check_told(t, *ret, err);
}

static int
run_workers(struct task *t, json_t **ret, struct fy_error *err)
{
	bool again = false;
	int r;

	t->appliance = FY_APPLIANCE_NEVER;
	r = run_worker(t, &again, ret, err);
	if (r == 0 && again) {
		t->appliance = FY_APPLIANCE_FIRST;
		r = run_worker(t, &again, ret, err);
	}
	fy_string_set_release(&t->said);
	if (r == 0 && *ret == NULL)
		return fy_error_set(err, FY_E_CHILD, 0,
				    "libguestfs's appliance can't be had");
	return r;
}

static int
apply(const struct task *t, struct fy_error *err)
{
	FY_AUTO(images) struct fy_images *images = NULL;

	if (t->c->open(t->c->ctx, true, &images, err) == -1)
		return -1;
	return fy_inject_apply(images->volumes, images->n, t->o, t->changes,
			       err);
}

static int
warn_missing(const struct fy_inject_options *o, json_t *report,
	     struct fy_error *err)
{
	const char *missing = fy_confine_missing();
	fy_autofree char *text = NULL;

	if (missing == NULL)
		return 0;
	text = fy_format(err,
			 "what reads the disks is not confined: this machine "
			 "is without %s",
			 missing);
	if (text == NULL)
		return -1;
	if (report == NULL)
		fy_log_warn(o->log, "%s", text);
	else if (json_array_append_new(json_object_get(report, "warnings"),
				       json_string(text)) == -1)
		return fy_error_nomem(err);
	return 0;
}

int
fy_confined_require(struct fy_error *err)
{
	const char *missing = fy_confine_missing();

	if (missing == NULL)
		return 0;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "--require-sandbox: this machine is without %s",
			    missing);
}

static int
run(struct task *t, json_t **ret, struct fy_error *err)
{
	fy_autojson json_t *told = NULL;

	if (run_workers(t, &told, err) == -1)
		return -1;
	if (t->inject && (warn_missing(t->o, told, err) == -1 ||
			  (t->changes != -1 && apply(t, err) == -1)))
		return -1;
	*ret = fy_steal_ptr(&told);
	return 0;
}

/* Without a name where that can be had; else it goes with its directory, for
 * some network filesystems can't tell the size of a file that is unlinked. */
static int
changes_file(const char *dir, struct fy_error *err)
{
	fy_autofree char *path = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	path = fy_format(err, "%s/changes", dir);
	if (path == NULL)
		return -1;
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot create '%s'",
				    path);
	return fd;
}

/* With a directory for temporary files. */
static int
run_with_room(struct task *t, json_t **ret, struct fy_error *err)
{
	fy_autofree char *made = NULL;
	fy_autofd int changes = -1;
	int r;

	t->tmpdir = t->o->tmpdir;
	if (t->tmpdir == NULL) {
		if (fy_dir_temporary("ironferry", &made, err) == -1)
			return -1;
		t->tmpdir = made;
	}
	if (t->inject && !t->o->dry_run)
		changes = changes_file(t->tmpdir, err);
	t->changes = changes;
	r = t->inject && !t->o->dry_run && changes == -1 ? -1
							 : run(t, ret, err);
	if (changes != -1) /* unless it is empty */
		unlinkat(t->o->job_dirfd, ORIGINALS, AT_REMOVEDIR);
	if (made != NULL)
		fy_dir_remove_all_at(AT_FDCWD, made, NULL);
	return r;
}

int
fy_confined_inject(const struct fy_confined *c,
		   const struct fy_inject_options *options, json_t **ret_report,
		   struct fy_error *err)
{
	struct task t = { .c = c, .o = options, .inject = true };

	if (warn_missing(options, NULL, err) == -1)
		return -1;
	return run_with_room(&t, ret_report, err);
}

int
fy_confined_inspect(const struct fy_confined *c,
		    const struct fy_inject_options *options, json_t **ret,
		    struct fy_error *err)
{
	struct task t = { .c = c, .o = options };

	if (warn_missing(options, NULL, err) == -1)
		return -1;
	return run_with_room(&t, ret, err);
}
