/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * used-blocks map: what is used on disks, as a table for people, as JSON, or as
 * a ddrescue mapfile.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partclone/command.h"
#include "partclone/disk.h"

/* Text from a disk goes to a terminal: control characters don't. */
static void
print_foreign(const char *before, const char *text)
{
	const unsigned char *p;

	if (text == NULL)
		return;
	fputs(before, stdout);
	for (p = (const unsigned char *)text; *p != '\0'; p++)
		putchar(*p < 0x20 || *p == 0x7f ? '?' : *p);
}

static void
print_volume(const struct fy_disk_volume *v)
{
	static const char *const how[] = { "map", "whole", "ends" };
	char start[32], length[32], used[32];

	fy_format_bytes(v->start, start, sizeof(start));
	fy_format_bytes(v->length, length, sizeof(length));
	fy_format_bytes(v->used_bytes, used, sizeof(used));
	printf("%-5s %10s %10s %10s  %-5s  %s", v->path, start, length, used,
	       how[v->how], v->filesystem != NULL ? v->filesystem : "-");
	if (v->layer != NULL)
		printf(" [%s on %s]", v->layer, v->on);
	print_foreign(" ", v->label);
	if (v->boot)
		printf(" [boot]");
	print_foreign("  # ", v->note);
	putchar('\n');
}

static int
print_table(const struct fy_disk_map *m, const char *source,
	    struct fy_error *err)
{
	char size[32], used[32];
	size_t i;

	fy_format_bytes(m->disk_bytes, size, sizeof(size));
	fy_format_bytes(m->used_bytes, used, sizeof(used));
	print_foreign("", source);
	printf(": %s (%" PRIu64 " bytes), table %s", size, m->disk_bytes,
	       m->table);
	print_foreign(" ", m->table_uuid);
	printf(", sectors of %u bytes\n", m->sector_bytes);
	printf("%-5s %10s %10s %10s  %-5s  %s\n", "name", "start", "size",
	       "used", "how", "what");
	for (i = 0; i < m->n_volumes; i++)
		print_volume(&m->volumes[i]);
	for (i = 0; i < m->n_upper; i++)
		print_volume(&m->upper[i]);
	printf("used: %s (%" PRIu64 " bytes) in %" PRIu64 " extents\n", used,
	       m->used_bytes, fy_extents_count(m->used));
	if (fflush(stdout) != 0 || ferror(stdout))
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}

/* A domain mapfile: '+' is used, '?' is not. */
static int
print_ddrescue(const struct fy_disk_map *m, struct fy_error *err)
{
	struct fy_extents_cursor c;
	struct fy_extent x;
	uint64_t at = 0;
	int r;

	printf("# Mapfile. Created by used-blocks " FY_VERSION "\n"
	       "# current_pos  current_status  current_pass\n"
	       "0x%08X     ?               1\n"
	       "#      pos        size  status\n",
	       0u);
	fy_extents_cursor_init(&c, m->used);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		if (x.offset > at)
			printf("0x%08" PRIX64 "  0x%08" PRIX64 "  ?\n", at,
			       x.offset - at);
		printf("0x%08" PRIX64 "  0x%08" PRIX64 "  +\n", x.offset,
		       x.length);
		at = x.offset + x.length;
	}
	if (r == -1)
		return -1;
	if (at < m->disk_bytes)
		printf("0x%08" PRIX64 "  0x%08" PRIX64 "  ?\n", at,
		       m->disk_bytes - at);
	if (fflush(stdout) != 0 || ferror(stdout))
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}

/* A disk of the set. */
struct source {
	struct fy_volume *disk;
	struct fy_disk_map *map;
	const char **whole;
	size_t n_whole;
};

/* One object; of several disks, an object of them. */
static int
print_json(const struct source *sources, size_t n, struct fy_error *err)
{
	size_t i;

	if (n == 1)
		return fy_disk_map_write_json(sources[0].map, stdout, err);
	printf("{\"disks\":[");
	for (i = 0; i < n; i++) {
		if (i > 0)
			putchar(',');
		if (fy_disk_map_write_json(sources[i].map, stdout, err) == -1)
			return -1;
	}
	printf("]}\n");
	if (fflush(stdout) != 0 || ferror(stdout))
		return fy_error_set(err, FY_E_IO, errno, "cannot write");
	return 0;
}

static int
print_maps(const struct fy_used_options *o, const struct source *sources,
	   const struct fy_strings *names, struct fy_error *err)
{
	size_t i, k;

	for (i = 0; i < names->n; i++)
		for (k = 0; k < sources[i].map->n_warnings; k++)
			fprintf(stderr, "used-blocks: warning: %s%s%s\n",
				names->n > 1 ? names->items[i] : "",
				names->n > 1 ? ": " : "",
				sources[i].map->warnings[k]);
	if (o->json)
		return print_json(sources, names->n, err);
	if (o->ddrescue)
		return print_ddrescue(sources[0].map, err);
	for (i = 0; i < names->n; i++)
		if (print_table(sources[i].map, names->items[i], err) == -1)
			return -1;
	return 0;
}

static int
check_options(const struct fy_used_options *o, size_t n_sources,
	      struct fy_error *err)
{
	if (o->json && o->ddrescue)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--json and --ddrescue exclude each "
				    "other");
	if (o->ddrescue && n_sources > 1)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a ddrescue mapfile is of one SOURCE");
	if (o->sector_bytes != 0 && o->sector_bytes != 512 &&
	    o->sector_bytes != 4096)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--sector-size is 512 or 4096");
	return 0;
}

/* Those of --whole that are for this source: "p2", or "SOURCE:p2". */
static int
select_whole(const struct fy_strings *all, const char *name, struct source *ret,
	     struct fy_error *err)
{
	size_t i, len = strlen(name);

	ret->whole = calloc(all->n + 1, sizeof(*ret->whole));
	if (ret->whole == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < all->n; i++) {
		const char *w = all->items[i];

		if (strncmp(w, name, len) == 0 && w[len] == ':')
			ret->whole[ret->n_whole++] = w + len + 1;
		else if (strchr(w, ':') == NULL)
			ret->whole[ret->n_whole++] = w;
	}
	return 0;
}

/* Each "SOURCE:p2" is for a source. */
static int
check_whole(const struct fy_strings *all, const struct fy_strings *names,
	    struct fy_error *err)
{
	size_t i, k;

	for (i = 0; i < all->n; i++) {
		const char *w = all->items[i];

		if (strchr(w, ':') == NULL)
			continue;
		for (k = 0; k < names->n; k++)
			if (strncmp(w, names->items[k],
				    strlen(names->items[k])) == 0 &&
			    w[strlen(names->items[k])] == ':')
				break;
		if (k == names->n)
			return fy_error_set(err, FY_E_NOTFOUND, 0,
					    "there is no volume '%s'", w);
	}
	return 0;
}

static int
read_maps(const struct fy_used_options *o, const struct fy_strings *names,
	  struct source *sources, struct fy_error *err)
{
	size_t n = names->n, i, at = 0;
	fy_autofree struct fy_disk_map_options *options =
		calloc(n, sizeof(*options));
	fy_autofree struct fy_volume **disks = calloc(n, sizeof(*disks));
	fy_autofree struct fy_disk_map **maps = calloc(n, sizeof(*maps));

	if (options == NULL || disks == NULL || maps == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n; i++) {
		if (fy_volume_open_path(names->items[i], 0,
					(uint32_t)o->sector_bytes,
					&sources[i].disk, err) == -1 ||
		    select_whole(&o->whole, names->items[i], &sources[i],
				 err) == -1)
			return -1;
		disks[i] = sources[i].disk;
		options[i] = (struct fy_disk_map_options){
			.allow_dirty = o->allow_dirty,
			.all_gaps = o->all_gaps,
			.whole = sources[i].whole,
			.n_whole = sources[i].n_whole,
			.stop = o->stop,
		};
	}
	if (fy_disk_set_read(disks, n, options, maps, &at, err) == -1)
		return n == 1 ? -1
			      : fy_error_prefix(err, "%s", names->items[at]);
	for (i = 0; i < n; i++)
		sources[i].map = maps[i];
	return 0;
}

int
fy_used_map(const struct fy_used_options *o, const struct fy_strings *names,
	    struct fy_error *err)
{
	struct source *sources;
	size_t i;
	int r;

	if (check_options(o, names->n, err) == -1 ||
	    check_whole(&o->whole, names, err) == -1)
		return -1;
	sources = calloc(names->n, sizeof(*sources));
	if (sources == NULL)
		return fy_error_nomem(err);
	r = read_maps(o, names, sources, err);
	if (r == 0)
		r = print_maps(o, sources, names, err);
	for (i = 0; i < names->n; i++) {
		fy_disk_map_free(sources[i].map);
		fy_volume_close(sources[i].disk);
		free(sources[i].whole);
	}
	free(sources);
	return r;
}
