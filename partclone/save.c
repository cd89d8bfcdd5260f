/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk, or a part of it, as partclone images: what the map says is used,
 * rounded outwards to blocks.
 *
 * partclone takes the filesystem's own blocks; here they are 4096 bytes, or
 * fewer where the volume's size is no multiple of that, so that nothing of the
 * volume is left out: what lies behind the filesystem's end (NTFS's second boot
 * sector) is in the image too.  Readers take any size of blocks.
 */
#include "partclone/save.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"

#define MAX_BLOCK   4096u
#define MIN_BLOCK   512u
#define STRIP_BYTES (1u << 20)

/* --- the source ------------------------------------------------------------------ */

/* A block device is held, so that nobody mounts it meanwhile. */
static int
guard(const struct fy_used_options *o, const char *path, int *ret,
      struct fy_error *err)
{
	struct stat st;

	if (o->allow_busy || stat(path, &st) == -1 || !S_ISBLK(st.st_mode))
		return 0;
	*ret = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	if (*ret == -1 && errno == EBUSY)
		return fy_error_set(err, FY_E_BUSY, 0,
				    "'%s' is in use (mounted, swap, or part of "
				    "something that is): what changes while it "
				    "is read is worth nothing; unmount it, or "
				    "with --allow-busy see to it yourself that "
				    "nothing writes",
				    path);
	return 0;
}

/* All volumes but 'only' (and all that --whole names) are taken whole. */
static int
list_whole(const struct fy_used_options *o, const struct fy_disk_map *probe,
	   const char *only, const char ***ret, size_t *ret_n,
	   struct fy_error *err)
{
	const char **list;
	size_t i, n = 0;

	list = calloc(probe->n_volumes + o->whole.n + 1, sizeof(*list));
	if (list == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < o->whole.n; i++)
		list[n++] = o->whole.items[i];
	for (i = 0; only != NULL && i < probe->n_volumes; i++)
		if (strcmp(probe->volumes[i].path, only) != 0)
			list[n++] = probe->volumes[i].path;
	*ret = list;
	*ret_n = n;
	return 0;
}

static int
read_map(const struct fy_used_options *o, const char *path, const char *only,
	 struct fy_progress *progress, struct fy_source *s,
	 struct fy_error *err)
{
	FY_AUTO(disk_map) struct fy_disk_map *probe = NULL;
	fy_autofree const char **whole = NULL;
	struct fy_disk_map_options options = {
		.allow_dirty = o->allow_dirty,
		.all_gaps = o->all_gaps,
		.progress = progress,
		.stop = o->stop,
	};
	size_t i;

	if (fy_disk_probe(s->disk, &probe, err) == -1)
		return -1;
	for (i = 0; only != NULL && i < probe->n_volumes; i++)
		if (strcmp(probe->volumes[i].path, only) == 0)
			break;
	if (only != NULL && i == probe->n_volumes)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "there is no volume '%s' on %s: "
				    "`used-blocks map` shows them",
				    only, path);
	if (list_whole(o, probe, only, &whole, &options.n_whole, err) == -1)
		return -1;
	options.whole = whole;
	if (fy_disk_map_read(s->disk, &options, &s->map, err) == -1)
		return -1;
	for (i = 0; i < s->map->n_warnings; i++)
		fy_used_warn("%s", s->map->warnings[i]);
	return 0;
}

int
fy_source_open(const struct fy_used_options *o, const char *path,
	       const char *only, struct fy_progress *progress,
	       struct fy_source *ret, struct fy_error *err)
{
	struct fy_source s = { .guard = -1 };

	if (guard(o, path, &s.guard, err) == -1 ||
	    fy_volume_open_path(path, FY_VOLUME_DIRECT,
				(uint32_t)o->sector_bytes, &s.disk,
				err) == -1 ||
	    read_map(o, path, only, progress, &s, err) == -1) {
		fy_source_close(&s);
		return -1;
	}
	*ret = s;
	return 0;
}

void
fy_source_close(struct fy_source *s)
{
	fy_disk_map_free(s->map);
	fy_volume_close(s->disk);
	if (s->guard != -1)
		close(s->guard);
	*s = (struct fy_source){ .guard = -1 };
}

const struct fy_disk_volume *
fy_source_volume(const struct fy_source *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->map->n_volumes; i++)
		if (strcmp(s->map->volumes[i].path, name) == 0)
			return &s->map->volumes[i];
	return NULL;
}

/* --- a range ----------------------------------------------------------------------- */

/* The used extents in [start, end), from its start on. */
static int
cut_out(const struct fy_extents *all, uint64_t start, uint64_t end,
	struct fy_extents *ret, struct fy_error *err)
{
	struct fy_extents_cursor c;
	struct fy_extent x;
	uint64_t from, to;
	int r;

	fy_extents_cursor_init(&c, all);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		if (x.offset >= end)
			return 0;
		from = fy_max_u64(x.offset, start);
		to = fy_min_u64(x.offset + x.length, end);
		if (from < to &&
		    fy_extents_append(ret, from - start, to - from, err) == -1)
			return -1;
	}
	return r;
}

static int
choose_block(uint64_t length, uint32_t *ret, struct fy_error *err)
{
	uint32_t size = MAX_BLOCK;

	while (size > MIN_BLOCK && length % size != 0)
		size /= 2;
	if (length % size != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%" PRIu64 " bytes are not whole sectors: "
				    "partclone's images have none such",
				    length);
	*ret = size;
	return 0;
}

static void
fill_header(const struct fy_used_options *o, uint64_t length, uint32_t block,
	    const char *filesystem, struct fy_ptcl_header *h)
{
	static const enum fy_ptcl_sum_kind sums[] = { FY_PTCL_SUM_CRC32,
						      FY_PTCL_SUM_NONE,
						      FY_PTCL_SUM_XXH64,
						      FY_PTCL_SUM_XXH128 };

	memset(h, 0, sizeof(*h));
	memcpy(h->creator, "ironferry", 10);
	fy_copy_field(h->filesystem, sizeof(h->filesystem), filesystem, 16);
	h->device_bytes = length;
	h->block_bytes = block;
	h->blocks = length / block;
	h->sum = sums[o->checksum];
	h->reseed = !o->no_reseed;
	if (h->sum != FY_PTCL_SUM_NONE)
		h->strip_blocks = o->strip != 0 ? (uint32_t)o->strip
						: STRIP_BYTES / block;
}

int
fy_save_range(const struct fy_used_options *o, const struct fy_source *s,
	      uint64_t start, uint64_t length, const char *filesystem,
	      struct fy_pack *out, struct fy_progress *progress,
	      uint64_t *ret_used, struct fy_error *err)
{
	fy_autoextents struct fy_extents *cut = fy_extents_new(err);
	fy_autoextents struct fy_extents *blocks = fy_extents_new(err);
	fy_autovolume struct fy_volume *part = NULL;
	struct fy_ptcl_header h;
	uint32_t block = 0;

	if (cut == NULL || blocks == NULL ||
	    choose_block(length, &block, err) == -1 ||
	    fy_volume_slice(s->disk, start, length, fy_volume_name(s->disk),
			    &part, err) == -1 ||
	    cut_out(s->map->used, start, start + length, cut, err) == -1 ||
	    fy_ptcl_round(cut, block, blocks, err) == -1)
		return -1;
	fill_header(o, length, block, filesystem, &h);
	*ret_used = fy_extents_bytes(blocks);
	return fy_ptcl_write(part, blocks, &h, out, progress, o->stop, err);
}

int
fy_save_name(const struct fy_source *s, const struct fy_disk_volume *v,
	     char ret[17], struct fy_error *err)
{
	fy_autovolume struct fy_volume *part = NULL;

	if (v->how != FY_HOW_MAP || v->filesystem == NULL) {
		memcpy(ret, "raw", 4);
		return 0;
	}
	if (fy_volume_slice(s->disk, v->start, v->length, v->path, &part,
			    err) == -1)
		return -1;
	return fy_ptcl_filesystem(part, v->filesystem, ret, err);
}
