/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `used-blocks save`: one volume (or, with --only disk, a whole disk) as one
 * partclone image.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/newfile.h"
#include "partclone/clonezilla.h"
#include "partclone/save.h"

const char *const fy_used_formats[] = { "partclone", "clonezilla", NULL };
const char *const fy_used_checksums[] = { "crc32", "none", "xxh64", "xxh128",
					  NULL };

/* What of the disk is asked for. */
struct part {
	char name[32];
	char filesystem[17];
	uint64_t start, length, used;
};

static int
no_choice(const struct fy_disk_map *m, const char *source, struct fy_error *err)
{
	char list[160] = "";
	size_t i, n = 0;

	for (i = 0; i < m->n_volumes && n < 100; i++)
		if (m->volumes[i].number != 0)
			n += (size_t)snprintf(list + n, sizeof(list) - n,
					      "%s%s", n > 0 ? ", " : "",
					      m->volumes[i].path);
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%s' has partitions (%s): choose one with --only, "
			    "or all in one image with --only disk, or all as "
			    "Clonezilla does with --format clonezilla",
			    source, list);
}

/* Which volume, before anything is mapped: NULL for a disk without a table and
 * for all of one. */
static int
choose(const struct fy_used_options *o, const char *source, const char **ret,
       struct fy_error *err)
{
	FY_AUTO(disk_map) struct fy_disk_map *probe = NULL;
	fy_autovolume struct fy_volume *disk = NULL;

	*ret = NULL;
	if (o->only != NULL) {
		if (strcmp(o->only, "gap") == 0)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "a gap is no volume to save");
		if (strcmp(o->only, "disk") != 0)
			*ret = o->only;
		return 0;
	}
	if (fy_volume_open_path(source, 0, (uint32_t)o->sector_bytes, &disk,
				err) == -1 ||
	    fy_disk_probe(disk, &probe, err) == -1)
		return -1;
	if (strcmp(probe->table, "none") != 0)
		return no_choice(probe, source, err);
	return 0;
}

static int
find_part(const struct fy_source *s, const char *only, struct part *ret,
	  struct fy_error *err)
{
	const struct fy_disk_volume *v;

	v = fy_source_volume(s, only != NULL ? only : "disk");
	*ret = (struct part){ .length = s->map->disk_bytes,
			      .used = s->map->used_bytes,
			      .filesystem = "raw" };
	fy_copy_field(ret->name, sizeof(ret->name),
		      only != NULL ? only : "disk", 31);
	if (v == NULL)
		return 0; /* all of a disk that has a table */
	ret->start = v->start;
	ret->length = v->length;
	ret->used = v->used_bytes;
	return fy_save_name(s, v, ret->filesystem, err);
}

static int
write_image(const struct fy_used_options *o, const struct fy_source *s,
	    const struct part *part, int fd, struct fy_progress *progress,
	    struct fy_used_result *result, struct fy_error *err)
{
	FY_AUTO(pack) struct fy_pack *pack = NULL;
	struct fy_pack_options how = { .threads = (unsigned)o->threads };

	if (fy_pack_parse(o->compress != NULL ? o->compress : "none", &how,
			  err) == -1 ||
	    fy_pack_new(&how, fy_pack_to_fd, &fd, &pack, err) == -1)
		return -1;
	fy_progress_phase(progress, "copy", part->used);
	if (fy_save_range(o, s, part->start, part->length, part->filesystem,
			  pack, progress, &result->used_bytes, err) == -1 ||
	    fy_pack_finish(pack, err) == -1)
		return -1;
	result->stored_bytes = fy_pack_stored(pack);
	return 0;
}

static int
write_to(const struct fy_used_options *o, const struct fy_source *s,
	 const struct part *part, const char *image,
	 struct fy_progress *progress, struct fy_used_result *result,
	 struct fy_error *err)
{
	FY_AUTO(newfile) struct fy_newfile *file = NULL;

	if (strcmp(image, "-") == 0)
		return write_image(o, s, part, STDOUT_FILENO, progress, result,
				   err);
	if (fy_newfile_open(image, o->force, &file, err) == -1)
		return -1;
	if (write_image(o, s, part, fy_newfile_fd(file), progress, result,
			err) == -1)
		return fy_error_prefix(err, "saving to '%s'", image);
	return fy_newfile_finish(file, err);
}

static int
save(const struct fy_used_options *o, const char *source, const char *image,
     struct fy_progress *progress, struct fy_error *err)
{
	struct fy_used_result result = { 0 };
	struct fy_source s = { .guard = -1 };
	struct fy_pack_options how;
	double begin = fy_used_now();
	struct part part;
	const char *only;
	int r = -1;

	/* Wrong words are told before anything is read. */
	if (fy_pack_parse(o->compress != NULL ? o->compress : "none", &how,
			  err) == -1 ||
	    choose(o, source, &only, err) == -1 ||
	    fy_source_open(o, source, only, progress, &s, err) == -1)
		return -1;
	if (find_part(&s, only, &part, err) == 0)
		r = write_to(o, &s, &part, image, progress, &result, err);
	fy_source_close(&s);
	if (r == -1)
		return -1;
	result.disk_bytes = part.length;
	result.seconds = fy_used_now() - begin;
	fy_progress_stop(progress);
	return fy_used_tell(o, "saved", part.filesystem, &result, err);
}

int
fy_used_save(const struct fy_used_options *o, const char *source,
	     const char *image, struct fy_error *err)
{
	struct fy_progress progress = { 0 };
	int r;

	if (o->json && strcmp(image, "-") == 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--json and an image on standard output "
				    "exclude each other");
	if (o->format != FY_USED_CLONEZILLA &&
	    (o->split != 0 || o->device_name != NULL))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--split and --disk-name are for --format "
				    "clonezilla");
	if (fy_progress_start(&progress, (enum fy_progress_mode)o->progress,
			      NULL, NULL, 500, err) == -1)
		return -1;
	r = o->format == FY_USED_CLONEZILLA
		    ? fy_cz_save(o, source, image, &progress, err)
		    : save(o, source, image, &progress, err);
	fy_progress_stop(&progress);
	return r;
}
