/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The end of a job: the machine's description completed with what lies on the
 * server and what was found in the images, the definitions made of it, the
 * report, and the commit (commit.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/drivers-check.h"
#include "v2v-server/session.h"
#include "v2v-server/windows-zone.h"

/* --- the machine ------------------------------------------------------------ */

static char *
copy_member(const json_t *o, const char *key)
{
	const char *text = fy_json_string_or(o, key, NULL);

	return text != NULL ? strdup(text) : NULL;
}

static char *
newest_kernel(const json_t *system)
{
	const char *text = json_string_value(
		json_array_get(json_object_get(system, "kernels"), 0));

	return text != NULL ? strdup(text) : NULL;
}

static void
drop_systems(struct fy_machine *m)
{
	size_t i;

	for (i = 0; i < m->n_systems; i++) {
		free(m->systems[i].id);
		free(m->systems[i].version);
		free(m->systems[i].pretty_name);
		free(m->systems[i].arch);
		free(m->systems[i].hostname);
		free(m->systems[i].kernel);
		free(m->systems[i].volume);
	}
	m->n_systems = 0;
}

static int
set_systems(struct fy_machine *m, const json_t *systems, struct fy_error *err)
{
	size_t i;

	/* What was found in the images is surer than what the client saw. */
	if (json_array_size(systems) > 0)
		drop_systems(m);
	for (i = 0; i < json_array_size(systems); i++) {
		const json_t *o = json_array_get(systems, i);
		struct fy_machine_system *sys = fy_machine_add_system(m, err);

		if (sys == NULL)
			return -1;
		sys->id = copy_member(o, "id");
		sys->version = copy_member(o, "version");
		sys->pretty_name = copy_member(o, "pretty_name");
		sys->arch = copy_member(o, "arch");
		sys->hostname = copy_member(o, "hostname");
		sys->kernel = newest_kernel(o);
		sys->volume = copy_member(o, "volume");
		sys->disk = (unsigned)fy_json_u64_or(o, "disk", 0);
	}
	return 0;
}

/* The machine's own first disk was chosen for the other firmware. */
static void
boot_first_system(struct fy_machine *m)
{
	size_t i, disk = m->n_systems > 0 ? m->systems[0].disk : 0;

	for (i = 0; disk < m->n_disks && i < m->n_disks; i++)
		m->disks[i].boot = i == disk;
}

/* The first that is told: by the injection, which knows what the machine says
 * and what its disks allow, by the machine, by the systems. */
static void
set_firmware(struct fy_machine *m, const json_t *report, const json_t *systems)
{
	const char *word = fy_json_string_or(report, "firmware", NULL);
	enum fy_firmware was = m->firmware;

	if (word == NULL && was != FY_FIRMWARE_UNKNOWN)
		return;
	if (word == NULL)
		word = fy_json_string_or(json_array_get(systems, 0), "firmware",
					 "");
	if (fy_streq(word, "uefi"))
		m->firmware = FY_FIRMWARE_UEFI;
	else if (fy_streq(word, "bios"))
		m->firmware = FY_FIRMWARE_BIOS;
	if (was != FY_FIRMWARE_UNKNOWN && m->firmware != was)
		boot_first_system(m);
}

/* Windows keeps the hardware's clock by its own local time, which need not be the
 * host's, unless it was told not to. */
static int
set_clock(struct fy_machine *m, const json_t *systems, struct fy_error *err)
{
	const json_t *w =
		json_object_get(json_array_get(systems, 0), "windows");
	const char *word = fy_json_string_or(w, "clock", NULL);
	const char *zone = fy_json_string_or(w, "time_zone", NULL);

	if (word != NULL)
		m->clock = fy_streq(word, "utc") ? FY_CLOCK_UTC
						 : FY_CLOCK_LOCALTIME;
	if (word == NULL || zone == NULL || m->clock == FY_CLOCK_UTC)
		return 0;
	free(m->time_zone);
	return fy_windows_zone(zone, &m->time_zone, err);
}

static char *
final_path(const struct fy_session *s, const char *file, struct fy_error *err)
{
	return fy_format(err, "%s%s%s", s->dir->dir,
			 fy_streq(s->dir->dir, "/") ? "" : "/", file);
}

static int
complete_machine(struct fy_session *s, const json_t *report,
		 const json_t *systems, struct fy_machine **ret,
		 struct fy_error *err)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	unsigned i;

	if (fy_job_machine(s->job, &m, err) == -1 ||
	    set_systems(m, systems, err) == -1)
		return -1;
	set_firmware(m, report, systems);
	if (set_clock(m, systems, err) == -1)
		return -1;
	for (i = 0; i < s->n_disks; i++) {
		free(m->disks[i].image);
		free(m->disks[i].format);
		m->disks[i].image = final_path(s, s->disks[i].file, err);
		m->disks[i].format = strdup(s->job->format);
		if (m->disks[i].image == NULL || m->disks[i].format == NULL)
			return fy_error_nomem(err);
	}
	*ret = fy_steal_ptr(&m);
	return 0;
}

/* --- definitions ------------------------------------------------------------ */

static int
emit_one(struct fy_session *s, const struct fy_emitter *e,
	 const struct fy_machine *m, char **ret, struct fy_error *err)
{
	struct fy_emit_options o = {
		.name = s->job->name,
		.virt_type = s->job->virt_type,
		.new_uuid = s->job->new_uuid,
		.default_network = "default",
		.bridge = s->job->bridge,
	};

	if (e->emit(m, &o, ret, err) == -1)
		return fy_error_prefix(err, "the %s definition", e->name);
	return 0;
}

static int
emit_all(struct fy_session *s, const struct fy_machine *m, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < s->job->n_emitters; i++) {
		const struct fy_emitter *e = s->job->emitters[i];
		fy_autofree char *text = NULL;
		fy_autofree char *file = NULL;

		file = fy_format(err, "%s%s", s->job->name, e->suffix);
		if (file == NULL || emit_one(s, e, m, &text, err) == -1 ||
		    fy_file_replace_at(s->dir->fd, file, text, strlen(text),
				       0644, err) == -1)
			return -1;
	}
	return 0;
}

int
fy_session_try_definitions(struct fy_session *s, struct fy_error *err)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	size_t i;

	if (complete_machine(s, NULL, NULL, &m, err) == -1)
		return -1;
	/* What decides is only known when the images have been looked at. */
	if (m->firmware == FY_FIRMWARE_UNKNOWN)
		return 0;
	for (i = 0; i < s->job->n_emitters; i++) {
		fy_autofree char *text = NULL;

		if (emit_one(s, s->job->emitters[i], m, &text, err) == -1)
			return -1;
	}
	return 0;
}

/* qemu:///system runs guests as a user of their own. */
static void
warn_unsearchable(struct fy_session *s)
{
	struct fy_error ignored = { 0 };
	fy_autofree char *path = fy_format(&ignored, "%s", s->dir->dir);
	char *slash;
	struct stat st;

	while (path != NULL && path[0] == '/' && path[1] != '\0') {
		if (stat(path, &st) == 0 && (st.st_mode & S_IXOTH) == 0) {
			fy_session_warn(
				s,
				"the directory '%s' can't be searched "
				"by others, so libvirt's qemu:///system "
				"can't open the images; allow it (chmod "
				"o+x) or move them, for example to "
				"/var/lib/libvirt/images",
				path);
			return;
		}
		slash = strrchr(path, '/');
		slash[slash == path ? 1 : 0] = '\0';
	}
}

/* Secure Boot is carried over, and Windows then loads no driver that Microsoft
 * has not signed. */
static void
warn_unsigned(struct fy_session *s, const struct fy_machine *m)
{
	fy_autofree char *names = NULL;
	struct fy_error why = { 0 };

	if (!m->secure_boot || m->firmware != FY_FIRMWARE_UEFI ||
	    !s->job->inject || s->options->virtio_win == NULL)
		return;
	if (fy_drivers_unsigned(s->options->virtio_win, m, s->log, s->stop,
				&names, &why) == -1)
		fy_session_warn(s,
				"Secure Boot is on, as it was on the machine, "
				"and whether the drivers for Windows are "
				"signed for it can't be told: %s",
				why.msg);
	else if (names[0] != '\0')
		fy_session_warn(
			s,
			"Secure Boot is on, as it was on the machine, but "
			"drivers for Windows are not signed by Microsoft (%s), "
			"so Windows may refuse them and not start: turn "
			"secure-boot and enrolled-keys off in the definition, "
			"or use a virtio-win that is certified (WHQL)",
			names);
}

/* --- the report -------------------------------------------------------------- */

static int
disk_reports(struct fy_session *s, json_t **ret, uint64_t *ret_stored,
	     struct fy_error *err)
{
	fy_autojson json_t *list = json_array();
	struct stat st;
	unsigned i;

	for (i = 0; i < s->n_disks; i++) {
		const struct fy_session_disk *d = &s->disks[i];
		fy_autofree char *path = final_path(s, d->file, err);
		uint64_t stored = 0;
		json_t *o;

		if (path == NULL)
			return -1;
		if (fstatat(s->dir->fd, d->file, &st, AT_SYMLINK_NOFOLLOW) == 0)
			stored = (uint64_t)st.st_blocks * 512;
		*ret_stored += stored;
		o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
			      "image", path, "format", s->job->format, "source",
			      s->job->disks[i].path, "size_bytes",
			      (json_int_t)d->params.disk_bytes, "used_bytes",
			      (json_int_t)s->job->disks[i].used_bytes,
			      "unit_bytes", (json_int_t)d->unit_bytes,
			      "units_total", (json_int_t)d->units,
			      "units_stored",
			      (json_int_t)fy_journal_count(s->journal, i),
			      "stored_bytes", (json_int_t)stored);
		if (o == NULL || json_array_append_new(list, o) == -1)
			return fy_error_nomem(err);
	}
	*ret = fy_steal_ptr(&list);
	return 0;
}

/* Every file that the job leaves in the target directory. */
static int
file_list(struct fy_session *s, json_t **ret_images, json_t **ret_others,
	  json_t **ret_all, struct fy_error *err)
{
	fy_autojson json_t *images = json_array();
	fy_autojson json_t *others = json_array();
	fy_autojson json_t *all = json_array();
	size_t i;

	for (i = 0; i < s->n_disks + s->job->n_emitters; i++) {
		bool image = i < s->n_disks;
		fy_autofree char *name = NULL;
		fy_autofree char *path = NULL;

		name = image ? fy_format(err, "%s", s->disks[i].file)
			     : fy_format(err, "%s%s", s->job->name,
					 s->job->emitters[i - s->n_disks]
						 ->suffix);
		path = name == NULL ? NULL : final_path(s, name, err);
		if (path == NULL)
			return -1;
		/* libvirt's, the first emitter, is the commit point. */
		if (json_array_append_new(all, json_string(path)) == -1 ||
		    (i != s->n_disks &&
		     json_array_append_new(image ? images : others,
					   json_string(name)) == -1))
			return fy_error_nomem(err);
	}
	*ret_images = fy_steal_ptr(&images);
	*ret_others = fy_steal_ptr(&others);
	*ret_all = fy_steal_ptr(&all);
	return 0;
}

static json_t *
all_warnings(const struct fy_session *s, const json_t *report)
{
	json_t *list = json_copy(s->warnings);

	if (list != NULL && json_is_array(json_object_get(report, "warnings")))
		json_array_extend(list, json_object_get(report, "warnings"));
	return list;
}

static int
make_done(struct fy_session *s, const json_t *report, json_t *files,
	  uint64_t stored, uint64_t lost, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "%s.xml", s->job->name);
	fy_autofree char *xml = NULL;
	fy_autojson json_t *null = json_null();

	xml = name == NULL ? NULL : final_path(s, name, err);
	if (xml == NULL)
		return -1;
	s->done = json_pack("{s:s, s:O, s:I, s:I, s:o, s:O, s:s}", "result",
			    "done", "files", files, "stored_bytes",
			    (json_int_t)stored, "unreadable_bytes",
			    (json_int_t)lost, "warnings",
			    all_warnings(s, report), "report",
			    report != NULL ? (json_t *)(uintptr_t)report : null,
			    "xml", xml);
	return s->done == NULL ? fy_error_nomem(err) : 0;
}

static int
write_report(struct fy_session *s, const json_t *report, json_t *disks,
	     json_t *lost, struct fy_error *err)
{
	fy_autojson json_t *r = json_deep_copy(s->done);
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (r == NULL || json_object_del(r, "report") == -1 ||
	    json_object_set_new(r, "name", json_string(s->job->name)) == -1 ||
	    json_object_set_new(r, "finished", json_string(stamp)) == -1 ||
	    json_object_set(r, "disks", disks) == -1 ||
	    json_object_set(r, "unreadable", lost) == -1 ||
	    json_object_set_new(r, "injection",
				report != NULL ? json_deep_copy(report)
					       : json_null()) == -1)
		return fy_error_nomem(err);
	return fy_json_write_at(s->dir->jobfd, "report.json", r, err);
}

static int
write_machine(struct fy_session *s, const struct fy_machine *m,
	      struct fy_error *err)
{
	fy_autojson json_t *j = fy_machine_to_json(m, err);

	if (j == NULL)
		return -1;
	return fy_json_write_at(s->dir->jobfd, "machine.json", j, err);
}

int
fy_session_commit(struct fy_session *s, const json_t *inject_report,
		  const json_t *systems, struct fy_error *err)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	fy_autojson json_t *disks = NULL;
	fy_autojson json_t *images = NULL;
	fy_autojson json_t *others = NULL;
	fy_autojson json_t *files = NULL;
	fy_autojson json_t *lost = NULL;
	uint64_t stored = 0, lost_bytes = 0;

	fy_progress_phase(&s->progress, "commit", 0);
	if (complete_machine(s, inject_report, systems, &m, err) == -1 ||
	    emit_all(s, m, err) == -1)
		return -1;
	warn_unsearchable(s);
	warn_unsigned(s, m);
	if (fy_session_report_lost(s, &lost, &lost_bytes, err) == -1 ||
	    disk_reports(s, &disks, &stored, err) == -1 ||
	    file_list(s, &images, &others, &files, err) == -1 ||
	    make_done(s, inject_report, files, stored, lost_bytes, err) == -1 ||
	    write_machine(s, m, err) == -1 ||
	    write_report(s, inject_report, disks, lost, err) == -1 ||
	    fy_json_write_at(s->dir->jobfd, "done.json", s->done, err) == -1 ||
	    fy_file_replace_at(s->dir->jobfd, FY_UNHEARD, "", 0, 0600, err) ==
		    -1 ||
	    fy_stop_check(s->stop, err) == -1 ||
	    fy_commit_write(s->dir, images, others, s->job->force, err) == -1)
		return -1;
	/* The journal and the log go to NAME.job: nothing is read from the one
	 * any more, and SMB renames no directory with an open file in it. */
	fy_journal_close(s->journal);
	s->journal = NULL;
	fy_log_debug(s->log, "'%s' is whole: moved to its place", s->job->name);
	fy_session_close_log(s);
	if (fy_commit_roll(s->dir, err) == -1)
		return -1;
	fy_log_debug(s->log, "'%s' is done", s->job->name);
	return 0;
}
