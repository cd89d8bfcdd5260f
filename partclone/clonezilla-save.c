/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk as a Clonezilla image directory: the table's files, one packed image
 * for each partition, lists.  It is made as DIR.partial-XXXXXX and renamed when
 * all of it is on the disk.
 *
 * A partition of which there is a map becomes a partclone image; of a swap only
 * uuid and label are kept; of everything else all bytes, as partclone.dd has
 * them.  Bytes in no partition have no place in such a directory, but for those
 * behind an MBR.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/pieces.h"
#include "partclone/clonezilla-files.h"
#include "partclone/clonezilla.h"

#define READ_BYTES  (4u << 20)
#define READ_ALIGN  4096u
#define PARTS_BYTES 8192u

struct saving {
	const struct fy_used_options *o;
	const struct fy_source *source;
	struct fy_cz_files files;
	struct fy_pack_options how;
	struct fy_progress *progress;
	struct fy_used_result result;
	char parts[PARTS_BYTES];
};

/* --- one partition ------------------------------------------------------------- */

/* All bytes, as they are. */
static int
put_raw(struct saving *s, const struct fy_disk_volume *v, struct fy_pack *pack,
	struct fy_error *err)
{
	uint64_t at, end = v->start + v->length;
	unsigned char *buf;
	size_t n;
	int r = 0;

	if (posix_memalign((void **)&buf, READ_ALIGN, READ_BYTES) != 0)
		return fy_error_nomem(err);
	for (at = v->start; r == 0 && at < end; at += n) {
		n = (size_t)fy_min_u64(end - at, READ_BYTES - at % READ_BYTES);
		if (fy_stop_check(s->o->stop, err) == -1 ||
		    fy_volume_pread(s->source->disk, buf, n, at, err) == -1 ||
		    fy_pack_write(pack, buf, n, err) == -1)
			r = -1;
		else
			fy_progress_add(s->progress, n, 0);
	}
	free(buf);
	s->result.used_bytes += v->length;
	return r;
}

static int
put_partclone(struct saving *s, const struct fy_disk_volume *v,
	      const char *filesystem, struct fy_pack *pack,
	      struct fy_error *err)
{
	uint64_t used;

	if (fy_save_range(s->o, s->source, v->start, v->length, filesystem,
			  pack, s->progress, &used, err) == -1)
		return -1;
	s->result.used_bytes += used;
	return 0;
}

static int
put_image(struct saving *s, const struct fy_disk_volume *v, const char *name,
	  struct fy_error *err)
{
	FY_AUTO(pieces_out) struct fy_pieces_out *out = NULL;
	FY_AUTO(pack) struct fy_pack *pack = NULL;
	fy_autofree char *file = NULL;
	char filesystem[17];
	bool map;
	const char *suffix = fy_pack_suffix(s->how.kind);

	if (fy_save_name(s->source, v, filesystem, err) == -1)
		return -1;
	/* What partclone has no name for (a volume group's member, of which
	 * there may be a map) Clonezilla restores as bytes. */
	map = strcmp(filesystem, "raw") != 0;
	file = fy_format(err, "%s.%s-ptcl-img.%s", name,
			 map ? v->filesystem : "dd",
			 suffix[0] != '\0' ? suffix : "uncomp");
	if (file == NULL ||
	    fy_pieces_create(s->files.dirfd, file, s->o->split, &out, err) ==
		    -1 ||
	    fy_pack_new(&s->how, fy_pieces_write, out, &pack, err) == -1)
		return -1;
	if ((map ? put_partclone(s, v, filesystem, pack, err)
		 : put_raw(s, v, pack, err)) == -1 ||
	    fy_pack_finish(pack, err) == -1 || fy_pieces_finish(out, err) == -1)
		return -1;
	s->result.stored_bytes += fy_pack_stored(pack);
	return 0;
}

static int
put_swap(struct saving *s, const struct fy_disk_volume *v, const char *name,
	 struct fy_error *err)
{
	fy_autofree char *file = fy_format(err, "swappt-%s.info", name);
	fy_autofree char *text = NULL;
	const char *label = v->label != NULL ? v->label : "";

	/* A quote in it can't be told from its end. */
	if (strpbrk(label, "\"\n\\`$") != NULL) {
		fy_used_warn("%s: the swap's label is left out", v->path);
		label = "";
	}
	text = fy_format(err, "UUID=\"%s\"\nLABEL=\"%s\"\n",
			 v->uuid != NULL ? v->uuid : "", label);
	if (file == NULL || text == NULL)
		return -1;
	return fy_file_replace_at(s->files.dirfd, file, text, strlen(text),
				  0600, err);
}

static int
put_volume(struct saving *s, const struct fy_disk_volume *v,
	   struct fy_error *err)
{
	size_t n = strlen(s->parts);
	char name[64];

	fy_cz_part_name(s->files.disk, v->number, name);
	if (v->how == FY_HOW_MAP && v->filesystem != NULL &&
	    strcmp(v->filesystem, "swap") == 0)
		return put_swap(s, v, name, err);
	if (n + 65 > sizeof(s->parts))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the disk has too many partitions");
	snprintf(s->parts + n, sizeof(s->parts) - n, "%s%s", n > 0 ? " " : "",
		 name);
	if (put_image(s, v, name, err) == -1)
		return fy_error_prefix(err, "%s", v->path);
	return 0;
}

/* --- the directory ---------------------------------------------------------------- */

/* Bytes in no partition that are not all zero and are left out. */
static void
warn_of_gaps(const struct saving *s)
{
	const struct fy_disk_map *m = s->source->map;
	bool gpt = strcmp(m->table, "gpt") == 0;
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < m->n_volumes; i++)
		if (m->volumes[i].number == 0 &&
		    m->volumes[i].start >= (gpt ? 1u : 512u) &&
		    m->volumes[i].how != FY_HOW_SKIPPED)
			bytes += m->volumes[i].length;
	if (bytes > 16 * FY_MIB)
		fy_used_warn("%" PRIu64 " bytes lie in no partition; a "
			     "Clonezilla image has no place for them",
			     bytes);
}

static int
fill(struct saving *s, struct fy_error *err)
{
	const struct fy_disk_map *m = s->source->map;
	size_t i;

	if (fy_cz_put_table(&s->files, err) == -1)
		return -1;
	warn_of_gaps(s);
	fy_progress_phase(s->progress, "copy", m->used_bytes);
	for (i = 0; i < m->n_volumes; i++)
		if (m->volumes[i].number > 0 &&
		    put_volume(s, &m->volumes[i], err) == -1)
			return -1;
	if (s->parts[0] == '\0')
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the disk has no partition with data");
	if (fy_cz_put_lists(&s->files, s->parts, err) == -1)
		return -1;
	return fy_dir_sync(s->files.dirfd, err);
}

static int
sync_parent(const char *path, struct fy_error *err)
{
	fy_autofree char *copy = strdup(path);
	fy_autofd int fd = -1;

	if (copy == NULL)
		return fy_error_nomem(err);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot open the directory of '%s'", path);
	return fy_dir_sync(fd, err);
}

/* Make, fill and name it; what fails goes away. */
static int
make_directory(struct saving *s, const char *dir, struct fy_error *err)
{
	fy_autofree char *being = fy_format(err, "%s.partial-XXXXXX", dir);
	struct fy_error why = { 0 };
	fy_autofd int fd = -1;

	if (being == NULL)
		return -1;
	if (mkdtemp(being) == NULL)
		return fy_error_set(err, FY_E_IO, errno, "cannot make '%s'",
				    dir);
	fd = open(being, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->files.dirfd = fd;
	if (fd == -1)
		fy_error_set(err, FY_E_IO, errno, "cannot open '%s'", being);
	else if (fill(s, err) == 0) {
		if (rename(being, dir) == 0)
			return sync_parent(dir, err);
		fy_error_set(err, FY_E_IO, errno, "cannot rename '%s' to '%s'",
			     being, dir);
	}
	fy_dir_remove_all_at(AT_FDCWD, being, &why);
	return -1;
}

/* "sda" of /dev/sda, also by another path; "sda" for a file. */
static int
disk_name(const struct fy_used_options *o, const char *source, char ret[64],
	  struct fy_error *err)
{
	fy_autofree char *real = realpath(source, NULL);
	const char *name = "sda", *p;
	struct stat st;

	if (o->device_name != NULL)
		name = o->device_name;
	else if (real != NULL && stat(real, &st) == 0 && S_ISBLK(st.st_mode))
		name = strrchr(real, '/') + 1;
	for (p = name; isalnum((unsigned char)*p); p++)
		;
	if (*p != '\0' || p == name || p - name > 40)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is no name for a disk: give one with "
				    "--disk-name (sda)",
				    name);
	snprintf(ret, 64, "%s", name);
	return 0;
}

int
fy_cz_save(const struct fy_used_options *o, const char *source, const char *dir,
	   struct fy_progress *progress, struct fy_error *err)
{
	fy_autofree struct saving *s = calloc(1, sizeof(*s));
	struct fy_source from = { .guard = -1 };
	double begin = fy_used_now();
	char name[64];
	struct stat st;
	int r;

	if (s == NULL)
		return fy_error_nomem(err);
	if (o->only != NULL || strcmp(dir, "-") == 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--format clonezilla saves all of a disk "
				    "to a directory");
	if (lstat(dir, &st) == 0)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "'%s' is there already", dir);
	*s = (struct saving){ .o = o,
			      .source = &from,
			      .how = { .threads = (unsigned)o->threads },
			      .progress = progress };
	if (fy_pack_parse(o->compress != NULL ? o->compress : "zstd", &s->how,
			  err) == -1 ||
	    disk_name(o, source, name, err) == -1 ||
	    fy_source_open(o, source, NULL, progress, &from, err) == -1)
		return -1;
	s->files.disk = name;
	s->files.source = &from;
	r = make_directory(s, dir, err);
	s->result.disk_bytes = from.map->disk_bytes;
	fy_source_close(&from);
	if (r == -1)
		return fy_error_prefix(err, "saving to '%s'", dir);
	s->result.seconds = fy_used_now() - begin;
	fy_progress_stop(progress);
	return fy_used_tell(o, "saved", name, &s->result, err);
}
