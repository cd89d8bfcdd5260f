/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `v2v-server inject` and `inspect`: on images in place, without a client.
 *
 * The undo log, the originals and the report of an injection go to a directory
 * of their own beside the first image.  A complete undo log that is there
 * already is never written over: it belongs to an injection that can still be
 * undone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/json.h"
#include "drivers-inject/luks-keys.h"
#include "drivers-inject/undo.h"
#include "v2v-server/confined.h"
#include "v2v-server/server.h"

#define MACHINE_MAX (8u << 20)

static struct fy_log *
new_log(const struct fy_server_options *o, struct fy_error *err)
{
	enum fy_log_level most = FY_LOG_INFO;

	if (o->quiet)
		most = FY_LOG_WARN;
	else if (o->debug)
		most = FY_LOG_DEBUG;
	return fy_log_new(most, fy_log_to_stderr,
			  (void *)(uintptr_t) "v2v-server", err);
}

static int
fail(const struct fy_error *err)
{
	fprintf(stderr, "v2v-server: %s\n", err->msg);
	return fy_error_exit_status(err->code);
}

static int
open_disks(const struct fy_server_options *o,
	   const struct fy_strings *arguments, bool writable,
	   struct fy_images **ret, struct fy_error *err)
{
	FY_AUTO(images) struct fy_images *images = fy_images_new(err);
	size_t i;

	if (images == NULL)
		return -1;
	for (i = 0; i < arguments->n; i++)
		if (fy_images_add(images, arguments->items[i], o->format, 0,
				  writable, err) == -1)
			return -1;
	*ret = fy_steal_ptr(&images);
	return 0;
}

struct opening {
	const struct fy_server_options *o;
	const struct fy_strings *arguments;
};

static int
open_again(void *ctx, bool writable, struct fy_images **ret,
	   struct fy_error *err)
{
	const struct opening *p = ctx;

	return open_disks(p->o, p->arguments, writable, ret, err);
}

static int
print_json(const json_t *j, struct fy_error *err)
{
	fy_autofree char *text = fy_json_text(j, 2, err);

	if (text == NULL)
		return -1;
	puts(text);
	if (fflush(stdout) == EOF)
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}

static void
print_systems_one(const json_t *o)
{
	printf("%s on disk %llu, %s: %s, firmware %s\n",
	       fy_json_string_or(o, "pretty_name",
				 fy_json_string_or(o, "id", "unknown")),
	       (unsigned long long)fy_json_u64_or(o, "disk", 0) + 1,
	       fy_json_string_or(o, "volume", "?"),
	       fy_json_string_or(o, "arch", "?"),
	       fy_json_string_or(o, "firmware", "unknown"));
}

static void
print_systems(const json_t *systems)
{
	const json_t *o;
	size_t i;

	json_array_foreach(systems, i, o) print_systems_one(o);
	if (json_array_size(systems) == 0)
		printf("no system was found\n");
}

/* "name: A, B" when there are any. */
static void
print_list(const char *name, const json_t *list)
{
	const json_t *o;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("  %s: ", name);
	json_array_foreach(list, i, o)
		printf("%s%s", i > 0 ? ", " : "", json_string_value(o));
	putchar('\n');
}

static void
print_text(const char *name, const json_t *o, const char *key)
{
	const char *text = fy_json_string_or(o, key, NULL);

	if (text != NULL && *text != '\0')
		printf("  %s: %s\n", name, text);
}

static void
print_kernel(const json_t *k)
{
	const json_t *o;
	size_t i;

	printf("  kernel: %s (%s)%s%s",
	       fy_json_string_or(k, "version", "unknown"),
	       fy_json_string_or(k, "image", "beside its modules"),
	       json_is_true(json_object_get(k, "unified")) ? ", unified" : "",
	       json_is_true(json_object_get(k, "modules")) ? ""
							   : ", no modules");
	json_array_foreach(json_object_get(k, "initramfs"), i, o)
		printf(", %s", json_string_value(o));
	putchar('\n');
}

/* NULL: it is none. */
static void
print_windows(const json_t *w)
{
	const json_t *o;
	size_t i;

	if (w == NULL)
		return;
	printf("  build: %llu\n",
	       (unsigned long long)fy_json_u64_or(w, "build", 0));
	print_text("edition", w, "edition");
	if (json_is_true(json_object_get(w, "domain_controller")))
		printf("  role: domain controller\n");
	json_array_foreach(json_object_get(w, "warnings"), i, o)
		printf("  warning: %s\n", json_string_value(o));
}

/* All that is known of each system. */
static void
print_details(const json_t *report)
{
	const json_t *systems = json_object_get(report, "systems"), *o, *k;
	size_t i, n;

	json_array_foreach(systems, i, o)
	{
		print_systems_one(o);
		print_text("hostname", o, "hostname");
		print_text("version", o, "version");
		print_text("distribution", o, "distribution");
		print_text("packages", o, "package_format");
		print_text("root", o, "root");
		print_list("other filesystems", json_object_get(o, "separate"));
		print_list("boot loaders", json_object_get(o, "bootloaders"));
		print_text("initramfs by", o, "initramfs");
		json_array_foreach(json_object_get(o, "kernel_images"), n, k)
			print_kernel(k);
		print_text("SELinux", o, "selinux");
		print_windows(json_object_get(o, "windows"));
		printf("  can be edited: %s\n",
		       json_is_true(json_object_get(o, "editable"))
			       ? "yes"
			       : fy_json_string_or(o, "refused", "no"));
	}
	if (json_array_size(systems) == 0)
		printf("no system was found\n");
}

/* What was left alone, and the warnings, are in the log. */
static void
print_report(const json_t *report, bool dry_run)
{
	const json_t *list, *o;
	size_t i;

	print_systems(json_object_get(report, "systems"));
	list = json_object_get(report, "changes");
	json_array_foreach(list, i, o)
		printf("%s%s %s: %s\n", dry_run ? "would be " : "",
		       fy_json_string_or(o, "action", "changed"),
		       fy_json_string_or(o, "path", "?"),
		       fy_json_string_or(o, "why", ""));
}

/* --- what goes in ------------------------------------------------------------ */

static int
read_machine(const char *path, struct fy_machine **ret, struct fy_error *err)
{
	fy_autojson json_t *j = NULL;

	if (path == NULL)
		return 0;
	j = fy_json_read_at(AT_FDCWD, path, MACHINE_MAX, err);
	if (j == NULL)
		return -1;
	if (fy_machine_from_json(j, ret, err) == -1)
		return fy_error_prefix(err, "'%s'", path);
	return 0;
}

/* "NAME=MAC", cut in place. */
static int
read_nics(const struct fy_strings *list, struct fy_inject_nic **ret,
	  struct fy_error *err)
{
	size_t i;

	*ret = calloc(list->n + 1, sizeof(**ret));
	if (*ret == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < list->n; i++) {
		char *equals = strchr(list->items[i], '=');

		if (equals == NULL || equals == list->items[i] ||
		    equals[1] == '\0')
			return fy_error_set(err, FY_E_USAGE, 0,
					    "--nic: '%s' is not NAME=MAC",
					    list->items[i]);
		*equals = '\0';
		(*ret)[i].name = list->items[i];
		(*ret)[i].mac = equals + 1;
	}
	return 0;
}

static int
read_keys(const struct fy_strings *list, struct fy_luks_keys **ret,
	  struct fy_error *err)
{
	return fy_luks_keys_load((const char *const *)list->items, list->n, ret,
				 err);
}

/* DISK.job, but not of a device: what is in /dev is lost with the power, just
 * when the undo log is needed. */
static char *
job_dir_of(const struct fy_server_options *o, const char *first_disk,
	   struct fy_error *err)
{
	struct stat st;

	if (o->job_dir != NULL)
		return fy_format(err, "%s", o->job_dir);
	if (stat(first_disk, &st) == 0 && S_ISBLK(st.st_mode)) {
		fy_error_set(
			err, FY_E_USAGE, 0,
			"'%s' is a block device: say with --job-dir where "
			"the undo log is to be, which must outlive a power "
			"cut",
			first_disk);
		return NULL;
	}
	return fy_format(err, "%s.job", first_disk);
}

/* Without the right to read the parent its fsync is left to time. */
static int
sync_parent(int dirfd, struct fy_error *err)
{
	fy_autofd int parent =
		openat(dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return parent == -1 ? 0 : fy_dir_sync(parent, err);
}

static int
open_job_dir(const struct fy_server_options *o, const char *first_disk,
	     bool create, char **ret_path, int *ret, struct fy_error *err)
{
	fy_autofree char *path = job_dir_of(o, first_disk, err);

	if (path == NULL)
		return -1;
	if (create && mkdir(path, 0700) == -1 && errno != EEXIST)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot create the directory '%s'", path);
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret == -1)
		return fy_error_set(
			err, errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO, errno,
			"cannot open the directory '%s'", path);
	if (create && sync_parent(*ret, err) == -1)
		return fy_error_prefix(err, "the directory of '%s'", path);
	*ret_path = fy_steal_ptr(&path);
	return 0;
}

/* --- the commands ------------------------------------------------------------ */

/* An option that was given and means nothing with --undo; NULL: none. */
static const char *
option_without_undo(const struct fy_server_options *o)
{
	const struct {
		bool given;
		const char *name;
	} all[] = {
		{ o->dry_run, "--dry-run" },
		{ o->machine_json != NULL, "--machine-json" },
		{ o->nics.n > 0, "--nic" },
		{ o->luks_keys.n > 0, "--luks-key" },
		{ o->virtio_win != NULL, "--virtio-win" },
		{ o->custom.keep_hostname, "--keep-hostname" },
		{ o->custom.set_hostname != NULL, "--set-hostname" },
		{ o->custom.first_boot.n > 0, "--first-boot" },
		{ o->custom.root_password_file != NULL,
		  "--root-password-file" },
		{ o->custom.ssh_keys.n > 0, "--ssh-key" },
		{ o->custom.install_agent, "--install-agent" },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].given)
			return all[i].name;
	return NULL;
}

static int
tell_undone(const struct fy_server_options *o, uint64_t bytes,
	    struct fy_log *log, struct fy_error *err)
{
	fy_autojson json_t *j = NULL;

	if (bytes > 0)
		fy_log_info(log, "the injection was undone");
	else
		fy_log_info(log, "the injection had written nothing");
	if (!o->json)
		return 0;
	j = json_pack("{s:s, s:I}", "result",
		      bytes > 0 ? "undone" : "nothing to undo",
		      "restored_bytes", (json_int_t)bytes);
	return j == NULL ? fy_error_nomem(err) : print_json(j, err);
}

static int
undo(const struct fy_server_options *o, const struct fy_strings *arguments,
     struct fy_log *log, struct fy_error *err)
{
	FY_AUTO(images) struct fy_images *images = NULL;
	const char *other = option_without_undo(o);
	fy_autofree char *path = NULL;
	fy_autofd int fd = -1;
	uint64_t bytes;

	if (other != NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--undo and %s exclude each other", other);
	if (open_job_dir(o, arguments->items[0], false, &path, &fd, err) ==
		    -1 ||
	    open_disks(o, arguments, true, &images, err) == -1)
		return -1;
	if (fy_undo_apply(images->volumes, images->n, fd, log, &bytes, err) ==
	    -1)
		return fy_error_prefix(err, "'%s'", path);
	/* Only when the images have it. */
	if (unlinkat(fd, FY_UNDO_NAME, 0) == -1 || fy_dir_sync(fd, err) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot remove '%s/" FY_UNDO_NAME "'",
				    path);
	return tell_undone(o, bytes, log, err);
}

static int
run_inject(const struct fy_server_options *o,
	   const struct fy_strings *arguments, struct fy_log *log,
	   struct fy_error *err)
{
	struct opening opening = { o, arguments };
	const struct fy_confined c = { .open = open_again, .ctx = &opening };
	FY_AUTO(images) struct fy_images *images = NULL;
	FY_AUTO(machine) struct fy_machine *machine = NULL;
	FY_AUTO(custom) struct fy_custom *custom = NULL;
	fy_autofree struct fy_inject_nic *nics = NULL;
	FY_AUTO(luks_keys) struct fy_luks_keys *keys = NULL;
	fy_autojson json_t *report = NULL;
	fy_autofree char *path = NULL;
	fy_autofd int fd = -1;
	bool pending = false;
	struct fy_inject_options io = { .log = log,
					.dry_run = o->dry_run,
					.n_nics = o->nics.n,
					.virtio_win = fy_server_virtio_win(o),
					.stop = &fy_server_stop };

	if (read_machine(o->machine_json, &machine, err) == -1 ||
	    read_nics(&o->nics, &nics, err) == -1 ||
	    read_keys(&o->luks_keys, &keys, err) == -1 ||
	    fy_custom_load(&o->custom, &custom, err) == -1 ||
	    open_disks(o, arguments, !o->dry_run, &images, err) == -1 ||
	    (!o->dry_run &&
	     open_job_dir(o, arguments->items[0], true, &path, &fd, err) == -1))
		return -1;
	/* That they can be had was to be seen before the work. */
	fy_images_close(fy_steal_ptr(&images));
	if (fd >= 0 && fy_undo_is_pending(fd, &pending, err) == -1)
		return fy_error_prefix(err, "'%s'", path);
	if (pending)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "'%s/undo.log' is of an earlier injection: "
				    "undo that with --undo, or give another "
				    "--job-dir",
				    path);
	io.job_dirfd = fd;
	io.machine = machine;
	io.nics = nics;
	io.keys = keys->items;
	io.n_keys = keys->n;
	io.custom = custom;
	if (fy_confined_inject(&c, &io, &report, err) == -1)
		return -1;
	if (fd >= 0 && fy_json_write_at(fd, "report.json", report, err) == -1)
		return -1;
	if (o->json)
		return print_json(report, err);
	if (o->quiet)
		return 0;
	if (fy_json_make_printable(report, err) == -1)
		return -1;
	print_report(report, o->dry_run);
	return 0;
}

/* A command with a log of its own; the exit status. */
static int
run_logged(const struct fy_server_options *o,
	   const struct fy_strings *arguments,
	   int (*run)(const struct fy_server_options *o,
		      const struct fy_strings *arguments, struct fy_log *log,
		      struct fy_error *err))
{
	struct fy_error err = { 0 };
	struct fy_log *log = new_log(o, &err);
	int r = -1;

	if (log != NULL)
		r = run(o, arguments, log, &err);
	fy_log_free(log);
	return r == 0 ? FY_EXIT_DONE : fail(&err);
}

int
fy_server_inject(const struct fy_command *command, void *options,
		 const struct fy_strings *arguments)
{
	const struct fy_server_options *o = options;

	(void)command;
	return run_logged(o, arguments, o->undo ? undo : run_inject);
}

static int
run_inspect(const struct fy_server_options *o,
	    const struct fy_strings *arguments, struct fy_log *log,
	    struct fy_error *err)
{
	struct opening opening = { o, arguments };
	const struct fy_confined c = { .open = open_again, .ctx = &opening };
	fy_autojson json_t *report = NULL;
	FY_AUTO(luks_keys) struct fy_luks_keys *keys = NULL;
	struct fy_inject_options io = { .job_dirfd = -1,
					.log = log,
					.stop = &fy_server_stop };

	if (read_keys(&o->luks_keys, &keys, err) == -1)
		return -1;
	io.keys = keys->items;
	io.n_keys = keys->n;
	if (fy_confined_inspect(&c, &io, &report, err) == -1)
		return -1;
	if (o->json)
		return print_json(report, err);
	if (fy_json_make_printable(report, err) == -1)
		return -1;
	print_details(report);
	return 0;
}

int
fy_server_inspect(const struct fy_command *command, void *options,
		  const struct fy_strings *arguments)
{
	(void)command;
	return run_logged(options, arguments, run_inspect);
}
