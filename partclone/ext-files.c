/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From bytes to the names of files: all inodes are gone through for their
 * blocks, then all directories for the names of those that were hit.  What
 * debugfs's icheck and ncheck do, for many blocks at once.
 *
 * An inode that lies in the ranges itself can't be looked at; it counts as hit
 * when the inode bitmap says that it is in use.
 */
#include "partclone/ext-files.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/ext-io.h"
#include "partclone/hits.h"

struct hit {
	ext2_ino_t ino;
	ext2_ino_t parent; /* 0: no name found */
	char *name;
};

struct search {
	ext2_filsys fs;
	struct fy_hit_ranges ranges;
	const struct fy_stop *stop;
	size_t most;

	struct hit *hits; /* sorted by inode after the first pass */
	size_t n_hits, room;
	uint64_t more;
	uint64_t file_blocks; /* hit, and of a file */
	bool hit_now;
	ext2_ino_t dir; /* whose entries are gone through */
	bool failed;	/* out of memory */
};

/* --- which ---------------------------------------------------------------------- */

static bool
is_hit(const struct search *s, uint64_t from, uint64_t to)
{
	return fy_hits_touch(&s->ranges, from, to);
}

static bool
is_block_hit(struct search *s, blk64_t block)
{
	uint64_t size = s->fs->blocksize;

	return is_hit(s, block * size, (block + 1) * size);
}

static int
add_hit(struct search *s, ext2_ino_t ino)
{
	struct hit *grown;

	if (s->n_hits > 0 && s->hits[s->n_hits - 1].ino == ino)
		return 0;
	if (s->n_hits == s->most) {
		s->more++;
		return 0;
	}
	if (s->n_hits == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		grown = realloc(s->hits, s->room * sizeof(*grown));
		if (grown == NULL)
			return -1;
		s->hits = grown;
	}
	s->hits[s->n_hits++] = (struct hit){ .ino = ino };
	return 0;
}

static int
look_at_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count,
	      blk64_t ref_block, int ref_offset, void *ctx)
{
	struct search *s = ctx;

	(void)fs;
	(void)count;
	(void)ref_block;
	(void)ref_offset;
	if (is_block_hit(s, *block)) {
		s->hit_now = true;
		s->file_blocks++;
	}
	return 0;
}

/* A damaged inode's blocks are looked at as far as they go. */
static int
look_at_inode(struct search *s, ext2_ino_t ino, struct ext2_inode *inode)
{
	blk64_t acl = ext2fs_file_acl_block(s->fs, inode);

	s->hit_now = false;
	if (ext2fs_inode_has_valid_blocks2(s->fs, inode))
		(void)ext2fs_block_iterate3(s->fs, ino, BLOCK_FLAG_READ_ONLY,
					    NULL, look_at_block, s);
	if (acl != 0 && is_block_hit(s, acl)) {
		s->hit_now = true;
		s->file_blocks++;
	}
	return s->hit_now ? add_hit(s, ino) : 0;
}

static int
by_inode(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Inodes that are in the ranges themselves. */
static int
find_lost_inodes(struct search *s, struct fy_error *err)
{
	ext2_filsys fs = s->fs;
	uint64_t size = EXT2_INODE_SIZE(fs->super), base, table;
	uint32_t per_group = fs->super->s_inodes_per_group, i;
	errcode_t code = 0;
	dgrp_t g;

	for (g = 0; g < fs->group_desc_count; g++) {
		table = ext2fs_inode_table_loc(fs, g) * fs->blocksize;
		if (!is_hit(s, table, table + size * per_group))
			continue;
		if (fs->inode_map == NULL)
			code = ext2fs_read_inode_bitmap(fs);
		if (code != 0)
			return fy_ext_error(fs, code, err,
					    "cannot read the inode bitmaps");
		for (i = 0; i < per_group; i++) {
			ext2_ino_t ino = g * per_group + i + 1;

			base = table + i * size;
			if (is_hit(s, base, base + size) &&
			    ext2fs_test_inode_bitmap2(fs->inode_map, ino) &&
			    add_hit(s, ino) == -1)
				return fy_error_nomem(err);
		}
	}
	return 0;
}

/*
 * Call 'look' for each inode; it returns -1 when there is no memory.  Inodes in
 * bad sectors are passed over.  When the rest can't be read, that is an error
 * if 'all', else what was seen will do.
 */
static int
each_inode(struct search *s, bool all,
	   int (*look)(struct search *s, ext2_ino_t ino,
		       struct ext2_inode *inode),
	   struct fy_error *err)
{
	struct ext2_inode inode;
	ext2_inode_scan scan;
	ext2_ino_t ino = 0;
	errcode_t code;
	int r = 0;

	code = ext2fs_open_inode_scan(s->fs, 0, &scan);
	if (code != 0)
		return fy_ext_error(s->fs, code, err, "cannot read the inodes");
	while (r == 0) {
		r = fy_stop_check(s->stop, err);
		if (r == -1)
			break;
		code = ext2fs_get_next_inode(scan, &ino, &inode);
		if (code == EXT2_ET_BAD_BLOCK_IN_INODE_TABLE)
			continue;
		if (code != 0 && all)
			r = fy_ext_error(s->fs, code, err,
					 "cannot read the inodes");
		else if (code != 0 || ino == 0)
			break;
		else if (look(s, ino, &inode) == -1)
			r = fy_error_nomem(err);
	}
	ext2fs_close_inode_scan(scan);
	return r;
}

static int
look_at_used_inode(struct search *s, ext2_ino_t ino, struct ext2_inode *inode)
{
	if (inode->i_links_count == 0 && ino >= EXT2_ROOT_INO)
		return 0;
	return look_at_inode(s, ino, inode);
}

static int
find_inodes(struct search *s, struct fy_error *err)
{
	return each_inode(s, true, look_at_used_inode, err);
}

/* --- names ---------------------------------------------------------------------- */

static int
look_at_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset,
	      int blocksize, char *buf, void *ctx)
{
	struct search *s = ctx;
	struct hit key = { .ino = e->inode }, *h;

	(void)dir;
	(void)offset;
	(void)blocksize;
	(void)buf;
	if (entry != DIRENT_OTHER_FILE)
		return 0;
	h = bsearch(&key, s->hits, s->n_hits, sizeof(key), by_inode);
	if (h == NULL || h->parent != 0)
		return 0;
	h->name = strndup(e->name, (size_t)ext2fs_dirent_name_len(e));
	if (h->name == NULL) {
		s->failed = true;
		return DIRENT_ABORT;
	}
	h->parent = s->dir;
	return 0;
}

static int
look_at_directory(struct search *s, ext2_ino_t ino, struct ext2_inode *inode)
{
	if (inode->i_links_count == 0 || !LINUX_S_ISDIR(inode->i_mode))
		return 0;
	s->dir = ino;
	(void)ext2fs_dir_iterate2(s->fs, ino, 0, NULL, look_at_entry, s);
	return s->failed ? -1 : 0;
}

static int
find_names(struct search *s, struct fy_error *err)
{
	return each_inode(s, false, look_at_directory, err);
}

static int
add_path(struct search *s, const struct hit *h, struct fy_strings *to,
	 struct fy_error *err)
{
	uint32_t first = EXT2_FIRST_INODE(s->fs->super);
	char shown[FY_HITS_SHOWN];
	fy_autofree char *path = NULL;
	char *dir = NULL;

	if (h->ino == EXT2_ROOT_INO) {
		path = strdup("/");
	} else if (h->ino < first) {
		path = fy_format(
			err, "inode %u, the filesystem's own%s", h->ino,
			h->ino == EXT2_JOURNAL_INO ? " (its journal)" : "");
	} else if (h->parent == 0) {
		path = fy_format(err, "inode %u, whose name was not found",
				 h->ino);
	} else {
		(void)ext2fs_get_pathname(s->fs, h->parent, 0, &dir);
		path = fy_format(err, "%s%s%s", dir != NULL ? dir : "...",
				 dir != NULL && fy_streq(dir, "/") ? "" : "/",
				 h->name);
		ext2fs_free_mem(&dir);
	}
	if (path == NULL)
		return fy_error_nomem(err);
	fy_hits_show(path, shown, sizeof(shown));
	return fy_strings_add(to, shown, err);
}

/* --- all of it -------------------------------------------------------------------- */

/* Inodes that are hit twice over (lost, and by a block) are one hit. */
static void
sort_hits(struct search *s)
{
	size_t i, n = 0;

	fy_sort(s->hits, s->n_hits, sizeof(*s->hits), by_inode);
	for (i = 0; i < s->n_hits; i++)
		if (n == 0 || s->hits[n - 1].ino != s->hits[i].ino)
			s->hits[n++] = s->hits[i];
	s->n_hits = n;
}

static int
run(struct search *s, struct fy_fs_hits *ret, struct fy_error *err)
{
	uint64_t size = s->fs->blocksize, blocks;
	size_t i;

	if (find_lost_inodes(s, err) == -1 || find_inodes(s, err) == -1)
		return -1;
	sort_hits(s);
	if (s->n_hits > 0 && find_names(s, err) == -1)
		return -1;
	for (i = 0; i < s->n_hits; i++)
		if (add_path(s, &s->hits[i], &ret->paths, err) == -1)
			return -1;
	ret->more = s->more;
	blocks = fy_hits_blocks(&s->ranges, 0, UINT64_MAX, size);
	ret->other_blocks =
		blocks > s->file_blocks ? blocks - s->file_blocks : 0;
	return 0;
}

int
fy_ext_files(struct fy_volume *v, const struct fy_extent *ranges, size_t n,
	     size_t most, const struct fy_stop *stop, struct fy_fs_hits *ret,
	     struct fy_error *err)
{
	FY_AUTO(ext) ext2_filsys fs = NULL;
	struct search s = { .ranges = { ranges, n },
			    .most = most,
			    .stop = stop };
	size_t i;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (fy_ext_open(v, FY_EXT_IGNORE_CHECKSUMS | FY_EXT_ANY_FEATURES, &fs,
			err) == -1)
		return -1;
	s.fs = fs;
	r = run(&s, ret, err);
	for (i = 0; i < s.n_hits; i++)
		free(s.hits[i].name);
	free(s.hits);
	return r;
}
