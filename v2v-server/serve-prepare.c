/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From JOB to READY: may this client do that, is there room, is anything in the
 * way, and what did earlier sessions leave.
 *
 * A commit that was cut is carried through first.  An injection that was cut
 * (or done, but never committed) is undone before anything else, for the
 * journal speaks of the images as they were received; the client then compares
 * every unit, and the finish is done anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/drivers-check.h"
#include "v2v-server/images.h"
#include "v2v-server/session.h"

/* The silence that ends the other one, and what it needs to end. */
#define LOCK_WAIT_MS 65000u
/* What is hoped for of compression when there is little room. */
#define COMPRESSED_PART 3u

/* --- the plan -------------------------------------------------------------- */

static int
plan_disk(struct fy_session *s, unsigned i, struct fy_error *err)
{
	const struct fy_job_disk *j = &s->job->disks[i];
	struct fy_session_disk *d = &s->disks[i];

	d->params = (struct fy_sink_params){
		.format = s->job->format,
		.compressed = s->job->compressed,
		.disk_bytes = j->size_bytes,
		.sector_bytes = j->sector_bytes,
	};
	if (fy_sink_plan(&d->params, &d->unit_bytes, &d->codec, &d->level,
			 &d->window_bits, err) == -1)
		return -1;
	d->units = (j->size_bytes - 1) / d->unit_bytes + 1;
	d->file = fy_job_image_name(s->job, i, err);
	return d->file == NULL ? -1 : 0;
}

static int
plan_disks(struct fy_session *s, struct fy_error *err)
{
	uint64_t units = 0;
	unsigned i;

	for (i = 0; i < s->job->n_disks; i++) {
		s->n_disks = i + 1;
		if (plan_disk(s, i, err) == -1)
			return fy_error_prefix(err, "disk %u", i + 1);
		units += s->disks[i].units; /* each is below 2^45 */
	}
	if (units > FY_SESSION_MAX_UNITS)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the disks have %" PRIu64
				    " units, more than the %" PRIu64
				    " that one job may have",
				    units, FY_SESSION_MAX_UNITS);
	return 0;
}

static json_t *
disk_pins(const struct fy_job_disk *j, const struct fy_session_disk *d)
{
	char hex[33];

	fy_digest_hex(&j->map_digest, hex);
	return json_pack("{s:I, s:I, s:I, s:s, s:s, s:s}", "size_bytes",
			 (json_int_t)j->size_bytes, "sector_bytes",
			 (json_int_t)j->sector_bytes, "unit_bytes",
			 (json_int_t)d->unit_bytes, "wwn", j->wwn, "serial",
			 j->serial, "map_digest", hex);
}

/* What must stay the same between the sessions of one job. */
static json_t *
make_pins(const struct fy_session *s, struct fy_error *err)
{
	fy_autojson json_t *disks = json_array();
	fy_autojson json_t *pins = NULL;
	char seed[17];
	unsigned i;
	int r = 0;

	for (i = 0; i < s->n_disks && r == 0; i++)
		r = json_array_append_new(
			disks, disk_pins(&s->job->disks[i], &s->disks[i]));
	snprintf(seed, sizeof(seed), "%016" PRIx64, s->seed);
	pins = json_pack("{s:i, s:s, s:s, s:s, s:s, s:O}", "version", 1, "name",
			 s->job->name, "format", s->job->format, "compressed",
			 fy_codec_name(s->job->compressed), "seed", seed,
			 "disks", disks);
	if (r == -1 || pins == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	return fy_steal_ptr(&pins);
}

/* The seed in the pins of an earlier session; false when there is none. */
static bool
seed_of_pins(const json_t *pins, uint64_t *ret)
{
	const char *text = fy_json_string_or(pins, "seed", "");
	char *end;

	if (strspn(text, "0123456789abcdef") != 16 || text[16] != '\0')
		return false;
	*ret = strtoull(text, &end, 16);
	return *end == '\0';
}

/* Whether an earlier session's pins are those of this job. */
static bool
same_pins(struct fy_session *s, const json_t *old)
{
	struct fy_error ignored = { 0 };
	fy_autojson json_t *mine = NULL;
	uint64_t seed = s->seed;
	bool same;

	if (!seed_of_pins(old, &s->seed))
		return false;
	mine = make_pins(s, &ignored);
	same = mine != NULL && json_equal(mine, old);
	s->seed = seed;
	return same;
}

/* --- what is there --------------------------------------------------------- */

static int
refuse_existing(struct fy_session *s, struct fy_error *err)
{
	fy_autofree char *job = fy_format(err, "%s.job", s->job->name);
	size_t i;

	if (job == NULL)
		return -1;
	for (i = 0; i < s->job->n_emitters + s->n_disks + 1; i++) {
		fy_autofree char *file = NULL;

		if (i < s->job->n_emitters)
			file = fy_format(err, "%s%s", s->job->name,
					 s->job->emitters[i]->suffix);
		else if (i < s->job->n_emitters + s->n_disks)
			file = fy_format(err, "%s",
					 s->disks[i - s->job->n_emitters].file);
		else
			file = fy_format(err, "%s", job);
		if (file == NULL)
			return -1;
		if (fy_jobdir_has(s->dir->dirfd, file))
			return fy_error_set(err, FY_E_EXISTS, 0,
					    "'%s/%s' is there already; give "
					    "--force to replace it, or another "
					    "--name",
					    s->dir->dir, file);
	}
	return 0;
}

static int open_journal(struct fy_session *s, int dirfd, struct fy_error *err);

/*
 * An earlier session finished this very job, and its client never heard: then
 * NAME.job has the marker, and the journal with the same pins.  Nothing is
 * written any more; but the client has to show, by comparing every unit, that
 * what lies here is still its disk.
 */
static int
find_unheard(struct fy_session *s, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "%s.job", s->job->name);
	struct fy_error ignored = { 0 };
	fy_autojson json_t *pins = NULL;
	fy_autofd int fd = -1;

	if (name == NULL)
		return -1;
	fd = openat(s->dir->dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || !fy_jobdir_has(fd, FY_UNHEARD) ||
	    fy_jobdir_has(s->dir->fd, "journal"))
		return 0;
	pins = fy_journal_read_pins(fd, &ignored);
	if (pins == NULL || !same_pins(s, pins))
		return 0;
	s->done = fy_json_read_at(fd, "done.json", 8 * FY_MIB, err);
	if (s->done == NULL)
		return -1;
	seed_of_pins(pins, &s->seed);
	s->pins = json_incref(pins);
	s->repeat = true;
	return open_journal(s, fd, err);
}

static int
read_old_pins(struct fy_session *s, json_t **ret, struct fy_error *err)
{
	struct fy_error why = { 0 };

	*ret = fy_journal_read_pins(s->dir->fd, &why);
	if (*ret != NULL || why.code == FY_E_NOTFOUND)
		return 0;
	*err = why;
	return -1;
}

/* Decide whether this is a resumed job; with --force another one's rest goes. */
static int
settle_pins(struct fy_session *s, struct fy_error *err)
{
	fy_autojson json_t *old = NULL;

	if (read_old_pins(s, &old, err) == -1 ||
	    fy_random(&s->seed, sizeof(s->seed), err) == -1)
		return -1;
	if (old != NULL && s->job->force && !same_pins(s, old)) {
		fy_log_info(s->log,
			    "'%s' is of another job; it is discarded (--force)",
			    s->dir->path);
		if (fy_jobdir_clear(s->dir, err) == -1)
			return -1;
	} else if (old != NULL) {
		seed_of_pins(old, &s->seed);
	}
	s->pins = make_pins(s, err);
	return s->pins == NULL ? -1 : 0;
}

static int
open_journal(struct fy_session *s, int dirfd, struct fy_error *err)
{
	struct fy_journal_shape shape = { .n_disks = s->n_disks };
	unsigned i;

	for (i = 0; i < s->n_disks; i++)
		shape.units[i] = s->disks[i].units;
	if (fy_journal_open(dirfd, s->pins, &shape, &s->journal, &s->resumed,
			    err) == 0) {
		if (fy_journal_note(s->journal) != NULL)
			fy_session_warn(s, "%s", fy_journal_note(s->journal));
		return 0;
	}
	if (err->code == FY_E_EXISTS)
		fy_error_prefix(err,
				"'%s' is of a job that differs from this one "
				"(give the same options and disks again, or "
				"--force to begin anew)",
				s->dir->path);
	return -1;
}

/* --- undoing an injection -------------------------------------------------- */

/* Read a unit back from where the journal says it is, and compare. */
static int
place_is_good(struct fy_session *s, int fd, unsigned disk, uint64_t unit,
	      struct fy_decompressor *dec, unsigned char *stored,
	      unsigned char *raw, bool *ret, struct fy_error *err)
{
	const struct fy_session_disk *d = &s->disks[disk];
	struct fy_error why = { 0 };
	struct fy_digest want, got;
	const unsigned char *data = stored;
	struct fy_place p;

	*ret = false;
	if (fy_journal_get(s->journal, disk, unit, &want, &p, err) == -1)
		return -1;
	if (p.stored == 0 || p.stored > d->unit_bytes ||
	    (p.codec == FY_CODEC_NONE && p.stored != d->unit_bytes) ||
	    fy_fd_pread_full(fd, stored, p.stored, p.offset, &why) == -1)
		return 0;
	if (p.codec != FY_CODEC_NONE) {
		if (fy_decompress(dec, (enum fy_codec)p.codec, stored, p.stored,
				  raw, d->unit_bytes, &why) == -1)
			return 0;
		data = raw;
	}
	fy_digest_xxh3(data, d->unit_bytes, s->seed, &got);
	*ret = fy_digest_equal(&want, &got);
	return 0;
}

/*
 * When a compressed cluster is written to, it moves, and the room where it was
 * may be used for something else; undoing restores the content, but not there.
 * So the places of a compressed image are looked at, each; what is lost there
 * is forgotten, and the client sends it again.
 */
static int
recheck_places(struct fy_session *s, unsigned disk, struct fy_error *err)
{
	struct fy_session_disk *d = &s->disks[disk];
	FY_AUTO(decompressor) struct fy_decompressor *dec = NULL;
	fy_autofree unsigned char *stored = malloc(d->unit_bytes);
	fy_autofree unsigned char *raw = malloc(d->unit_bytes);
	uint64_t unit = 0, lost = 0;
	fy_autofd int fd = -1;
	bool good;

	dec = fy_decompressor_new(err);
	if (dec == NULL || stored == NULL || raw == NULL)
		return fy_error_nomem(err);
	fd = openat(s->dir->fd, d->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s/%s'",
				    s->dir->path, d->file);
	for (; fy_journal_next(s->journal, disk, &unit); unit++) {
		if (place_is_good(s, fd, disk, unit, dec, stored, raw, &good,
				  err) == -1 ||
		    fy_stop_check(s->stop, err) == -1)
			return -1;
		if (good)
			continue;
		lost++;
		if (fy_journal_forget(s->journal, disk, unit, err) == -1)
			return -1;
	}
	if (lost > 0)
		fy_log_info(s->log, "%s: %" PRIu64 " units are sent again",
			    d->file, lost);
	return lost > 0 ? fy_journal_sync(s->journal, err) : 0;
}

/* Put the images back to what was received. */
static int
undo_injection(struct fy_session *s, struct fy_error *err)
{
	FY_AUTO(images) struct fy_images *images = NULL;
	uint64_t bytes;
	unsigned i;

	fy_log_info(s->log,
		    "an earlier injection was not committed; undoing it");
	if (fy_session_open_images(s, true, &images, err) == -1 ||
	    fy_undo_apply(images->volumes, images->n, s->dir->fd, s->log,
			  &bytes, err) == -1)
		return fy_error_prefix(err, "cannot undo the injection");
	fy_images_close(fy_steal_ptr(&images));
	for (i = 0; i < s->n_disks; i++)
		if (s->job->compressed != FY_CODEC_NONE &&
		    recheck_places(s, i, err) == -1)
			return -1;
	return 0;
}

/*
 * Back to "receiving".  The order: undone, then the stage, then the undo log
 * goes, then the sinks may take the images' tables away.
 */
static int
rewind_stage(struct fy_session *s, struct fy_error *err)
{
	bool undo = fy_jobdir_has(s->dir->fd, "undo.log");

	if (undo && undo_injection(s, err) == -1)
		return -1;
	if (fy_journal_stage(s->journal)[0] != '\0' &&
	    fy_journal_set_stage(s->journal, "", err) == -1)
		return -1;
	if (undo && unlinkat(s->dir->fd, "undo.log", 0) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot remove the undo log");
	if (fy_dir_remove_all_at(s->dir->fd, "originals", err) == -1)
		return -1;
	return fy_dir_sync(s->dir->fd, err);
}

/* --- room and images ------------------------------------------------------- */

/* What the images may still take: nothing is known of how well it compresses. */
static uint64_t
bytes_to_come(const struct fy_session *s)
{
	uint64_t need = 0, have, durable;
	unsigned i;

	for (i = 0; i < s->n_disks; i++) {
		durable = fy_journal_count(s->journal, i);
		if (!fy_mul_u64(durable, s->disks[i].unit_bytes, &have))
			have = UINT64_MAX;
		if (have < s->job->disks[i].used_bytes)
			need += s->job->disks[i].used_bytes - have;
	}
	return need;
}

/*
 * Too little room is an error before anything is sent.  Compressed images may
 * well fit into a part of it: down to a third that is tried, with a warning; a
 * full disk on the way keeps what has arrived.
 */
static int
check_space(struct fy_session *s, struct fy_error *err)
{
	uint64_t need = bytes_to_come(s), free_bytes;
	bool compressed = s->job->compressed != FY_CODEC_NONE;
	char text_need[32], text_free[32];
	struct statvfs v;

	if (fstatvfs(s->dir->dirfd, &v) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot ask for the free space of '%s'",
				    s->dir->dir);
	if (!fy_mul_u64(v.f_bavail, v.f_frsize, &free_bytes) ||
	    need <= free_bytes)
		return 0;
	fy_format_bytes(need, text_need, sizeof(text_need));
	fy_format_bytes(free_bytes, text_free, sizeof(text_free));
	if (compressed && free_bytes >= need / COMPRESSED_PART) {
		fy_session_warn(s,
				"%s are still to be stored, and '%s' has only "
				"%s free: it is enough only if they compress "
				"to that",
				text_need, s->dir->dir, text_free);
		return 0;
	}
	return fy_error_set(err, FY_E_NOSPACE, 0,
			    "%s (%" PRIu64
			    " bytes) are still to be stored, but '%s' has only "
			    "%s (%" PRIu64 " bytes) free%s",
			    text_need, need, s->dir->dir, text_free, free_bytes,
			    compressed ? ", less than a third of that" : "");
}

static int
open_sink(struct fy_session *s, unsigned i, struct fy_error *err)
{
	struct fy_session_disk *d = &s->disks[i];
	int fd;

	fd = openat(s->dir->fd, d->file,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return fy_error_set(
			err, errno == ENOSPC ? FY_E_NOSPACE : FY_E_IO, errno,
			"cannot open '%s/%s'", s->dir->path, d->file);
	d->sink = fy_sink_open(&d->params, fd, fy_journal_end(s->journal, i),
			       err);
	if (d->sink == NULL)
		return fy_error_prefix(err, "'%s/%s'", s->dir->path, d->file);
	return 0;
}

static int
open_log(struct fy_session *s, struct fy_error *err)
{
	s->log_fd = openat(
		s->dir->fd, "log",
		O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->log_fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s/log'",
				    s->dir->path);
	fy_log_also_fd(s->log, s->log_fd);
	return 0;
}

static int
open_dir(struct fy_session *s, struct fy_error *err)
{
	struct fy_jobdir_wait wait = { .ms = s->options->lock_wait_ms,
				       .client = s->job->client,
				       .peer = s->link.in,
				       .log = s->log,
				       .stop = s->stop };
	fy_autofree char *path = NULL;
	int fd;

	if (fy_role_open_dir(s->role, s->job->to, &fd, &path, err) == -1)
		return -1;
	if (wait.ms == 0)
		wait.ms = LOCK_WAIT_MS;
	if (fy_jobdir_open(fd, path, s->job->name, &wait, &s->dir, err) == -1)
		return -1;
	if (!fy_commit_is_pending(s->dir))
		return 0;
	fy_log_info(s->log, "finishing an earlier session's commit of '%s'",
		    s->job->name);
	return fy_commit_roll(s->dir, err);
}

/* A job that was refused before it began leaves nothing. */
static void
leave_nothing(struct fy_session *s)
{
	struct fy_error ignored = { 0 };
	unsigned i;

	if (s->journal == NULL || s->resumed)
		return;
	for (i = 0; i < s->n_disks; i++) {
		fy_sink_free(s->disks[i].sink);
		s->disks[i].sink = NULL;
	}
	fy_journal_close(s->journal);
	s->journal = NULL;
	fy_jobdir_clear(s->dir, &ignored);
}

static int
prepare_images(struct fy_session *s, struct fy_error *err)
{
	unsigned i;

	if (open_journal(s, s->dir->fd, err) == -1 ||
	    rewind_stage(s, err) == -1 || check_space(s, err) == -1)
		return -1;
	for (i = 0; i < s->n_disks; i++)
		if (open_sink(s, i, err) == -1)
			return -1;
	fy_log_debug(
		s->log,
		"job '%s' by v2v-server %s, process %ld: %u disks to %s%s%s, "
		"%s; %" PRIu64 " units of the first are durable",
		s->job->name, FY_VERSION, (long)getpid(), s->n_disks,
		s->job->format,
		s->job->compressed != FY_CODEC_NONE ? " by " : "",
		s->job->compressed != FY_CODEC_NONE
			? fy_codec_name(s->job->compressed)
			: "",
		s->resumed ? "resumed" : "new",
		fy_journal_count(s->journal, 0));
	return fy_dir_sync(s->dir->fd, err);
}

/* A Windows that can't be injected at the end is told of before the first
 * byte: when the machine's description says that there is one. */
static int
check_drivers(struct fy_session *s, struct fy_error *err)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;

	if (!s->job->inject || s->job->machine == NULL)
		return 0;
	if (fy_job_machine(s->job, &m, err) == -1)
		return -1;
	return fy_drivers_check(s->options->virtio_win, m, s->log, s->stop,
				err);
}

int
fy_session_prepare(struct fy_session *s, const json_t *job_json,
		   struct fy_error *err)
{
	if (fy_job_parse(job_json, &s->job, err) == -1 ||
	    fy_role_check(s->role, s->job->action, s->job->name, s->job->force,
			  err) == -1 ||
	    plan_disks(s, err) == -1 || open_dir(s, err) == -1)
		return -1;
	if (find_unheard(s, err) == -1)
		return -1;
	if (s->repeat)
		return 0;
	if (check_drivers(s, err) == -1)
		return -1;
	if (fy_session_try_definitions(s, err) == -1 ||
	    (!s->job->force && refuse_existing(s, err) == -1) ||
	    settle_pins(s, err) == -1 || open_log(s, err) == -1)
		return -1;
	if (prepare_images(s, err) == 0)
		return 0;
	leave_nothing(s);
	return -1;
}
