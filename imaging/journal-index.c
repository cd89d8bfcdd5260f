/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The scratch index: blocks of 512 numbers, 1024 of them in memory (4 MiB),
 * direct-mapped, the others in an unlinked file beside the journal.
 */
#include "imaging/journal-index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"

#define BLOCK_ITEMS 512u
#define BLOCK_BYTES (BLOCK_ITEMS * sizeof(uint64_t))
#define SLOTS	    1024u
#define NO_BLOCK    UINT64_MAX

struct slot {
	uint64_t block;
	bool dirty;
	uint64_t *items; /* in memory only: native order */
};

struct fy_journal_index {
	int fd;
	uint64_t length; /* bytes that the file has */
	struct slot slots[SLOTS];
};

static int
make_file(int dirfd, struct fy_error *err)
{
	static const char name[] = "journal.index";
	int fd;

	fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Not every filesystem knows O_TMPFILE.  The directory is locked by
	 * its job, so the name is ours; a crash may have left one. */
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		fd = openat(dirfd, name,
			    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    0600);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot create a temporary file beside "
				    "the journal");
	unlinkat(dirfd, name, 0);
	return fd;
}

struct fy_journal_index *
fy_journal_index_new(int dirfd, struct fy_error *err)
{
	struct fy_journal_index *x = calloc(1, sizeof(*x));
	unsigned i;

	if (x == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	for (i = 0; i < SLOTS; i++)
		x->slots[i].block = NO_BLOCK;
	x->fd = make_file(dirfd, err);
	if (x->fd == -1) {
		free(x);
		return NULL;
	}
	return x;
}

void
fy_journal_index_free(struct fy_journal_index *x)
{
	unsigned i;

	if (x == NULL)
		return;
	for (i = 0; i < SLOTS; i++)
		free(x->slots[i].items);
	close(x->fd);
	free(x);
}

static int
write_back(struct fy_journal_index *x, struct slot *slot, struct fy_error *err)
{
	uint64_t at = slot->block * BLOCK_BYTES;

	if (!slot->dirty)
		return 0;
	if (fy_fd_pwrite_full(x->fd, slot->items, BLOCK_BYTES, at, err) == -1)
		return fy_error_prefix(err, "the journal's scratch index");
	if (at + BLOCK_BYTES > x->length)
		x->length = at + BLOCK_BYTES;
	slot->dirty = false;
	return 0;
}

static struct slot *
load(struct fy_journal_index *x, uint64_t i, struct fy_error *err)
{
	uint64_t block = i / BLOCK_ITEMS, at = block * BLOCK_BYTES;
	struct slot *slot = &x->slots[block % SLOTS];

	if (slot->block == block)
		return slot;
	if (slot->items == NULL)
		slot->items = malloc(BLOCK_BYTES);
	if (slot->items == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	if (slot->block != NO_BLOCK && write_back(x, slot, err) == -1)
		return NULL;
	slot->block = NO_BLOCK;
	if (at >= x->length)
		memset(slot->items, 0, BLOCK_BYTES);
	else if (fy_fd_pread_full(x->fd, slot->items, BLOCK_BYTES, at, err) ==
		 -1)
		return NULL;
	slot->block = block;
	return slot;
}

int
fy_journal_index_get(struct fy_journal_index *x, uint64_t i, uint64_t *ret,
		     struct fy_error *err)
{
	const struct slot *slot = load(x, i, err);

	if (slot == NULL)
		return -1;
	*ret = slot->items[i % BLOCK_ITEMS];
	return 0;
}

int
fy_journal_index_set(struct fy_journal_index *x, uint64_t i, uint64_t value,
		     struct fy_error *err)
{
	struct slot *slot = load(x, i, err);

	if (slot == NULL)
		return -1;
	slot->items[i % BLOCK_ITEMS] = value;
	slot->dirty = true;
	return 0;
}
