/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All segments of an initramfs into the tree, in one pass.
 *
 * The loop is the kernel's unpack_to_rootfs: zeros are passed over, a '0' at a
 * multiple of 4 starts a plain archive, anything else must be a compression.
 * What it would refuse is refused here, too, for a segment that is appended
 * behind such a place would never be reached.
 *
 * Content is dropped but for symlinks' targets, small files that tell how the
 * system boots, and modules, which go to files in the private directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux-initramfs-internal.h"

#define PIECE_BYTES  65536
#define KEEP_FILE    (256 * FY_KIB) /* Debian's lvm.conf: 110 */
#define KEEP_ALL     (16 * FY_MIB)
#define STORED_BYTES (2 * FY_GIB)
#define STORED_FILES 30000
#define FILE_BYTES   (2 * FY_GIB)
#define PLAIN_BYTES  (4 * FY_GIB) /* of all segments: a bomb's bound */

static bool
is_kept(const char *path)
{
	static const char *const below[] = { "conf/", "etc/", "cryptroot/" };
	size_t i;

	for (i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		if (strncmp(path, below[i], strlen(below[i])) == 0)
			return true;
	/* mkinitcpio's */
	return strcmp(path, "config") == 0 ||
	       strstr(path, "dracut/hooks/") != NULL;
}

/* Whether the path is that of a kernel's module.  Not of this kernel only:
 * links below weak-updates/ lead to modules of other versions. */
static bool
is_module(const char *path)
{
	char name[FY_MODULE_NAME_MAX];
	const char *p;

	if (!fy_module_name_of(path, name, NULL))
		return false;
	p = strstr(path, "modules/");
	return p != NULL && strchr(p + 8, '/') != NULL;
}

void
fy_initramfs_store_name(int64_t number, char ret[FY_IR_STORE_NAME_MAX])
{
	snprintf(ret, FY_IR_STORE_NAME_MAX, "file%lld", (long long)number);
}

/* The whole body in memory, NUL behind it. */
static int
read_body(struct fy_cpio_reader *r, size_t size, char **ret,
	  struct fy_error *err)
{
	fy_autofree char *data = malloc(size + 1);
	size_t used = 0, n;

	if (data == NULL)
		return fy_error_nomem(err);
	while (used < size) {
		if (fy_cpio_read_body(r, data + used, size - used, &n, err) ==
		    -1)
			return -1;
		used += n;
	}
	data[used] = '\0';
	*ret = fy_steal_ptr(&data);
	return 0;
}

static int
copy_body(struct fy_cpio_reader *r, int fd, struct fy_error *err)
{
	fy_autofree unsigned char *piece = malloc(PIECE_BYTES);
	size_t n;

	if (piece == NULL)
		return fy_error_nomem(err);
	for (;;) {
		if (fy_cpio_read_body(r, piece, PIECE_BYTES, &n, err) == -1)
			return -1;
		if (n == 0)
			return 0;
		if (fy_fd_write_full(fd, piece, n, err) == -1)
			return -1;
	}
}

static int
store(struct fy_initramfs *ir, struct fy_cpio_reader *r, struct fy_irfile *f,
      uint32_t size, struct fy_error *err)
{
	char name[FY_IR_STORE_NAME_MAX];
	fy_autofd int fd = -1;

	ir->stored_bytes += size;
	if (ir->n_stored >= STORED_FILES || ir->stored_bytes > STORED_BYTES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the initramfs has too many modules");
	fy_initramfs_store_name(ir->n_stored, name);
	fd = openat(ir->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot create a temporary file");
	if (copy_body(r, fd, err) == -1 ||
	    fy_fd_close(fy_steal_fd(&fd), err) == -1)
		return -1;
	fy_irfile_set(f, size, NULL);
	f->stored = ir->n_stored++;
	return 0;
}

static int
add_file(struct fy_initramfs *ir, struct fy_cpio_reader *r, struct fy_irnode *n,
	 uint32_t size, struct fy_error *err)
{
	char path[FY_CPIO_NAME_MAX], *data = NULL;

	if (fy_irtree_path(n, path) == -1)
		path[0] = '\0';
	if (is_module(path))
		return store(ir, r, n->file, size, err);
	fy_irfile_set(n->file, size, NULL);
	if (!is_kept(path))
		return 0;
	if (size <= KEEP_FILE && ir->kept_bytes + size <= KEEP_ALL) {
		if (read_body(r, size, &data, err) == -1)
			return -1;
		fy_irfile_set(n->file, size, data);
		ir->kept_bytes += size;
	}
	n->file->small = true;
	return 0;
}

static int
add_entry(struct fy_initramfs *ir, struct fy_cpio_reader *r,
	  const struct fy_cpio_entry *e, struct fy_error *err)
{
	struct fy_irnode *n;

	if (fy_irtree_add(ir->tree, e, &n, err) == -1)
		return -1;
	if (n == NULL)
		return 0;
	if (S_ISLNK(e->mode))
		return read_body(r, e->size, &n->target, err);
	return add_file(ir, r, n, e->size, err);
}

/* Bodies are at most 4 GiB, so to look before each is enough. */
static int
check_plain(const struct fy_initramfs *ir, uint64_t bytes, struct fy_error *err)
{
	if (bytes > PLAIN_BYTES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the initramfs is too large: more than "
				    "%llu GiB unpacked",
				    (unsigned long long)(PLAIN_BYTES / FY_GIB));
	if (ir->budget != NULL && bytes > *ir->budget)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "all initramfs together are too large "
				    "unpacked");
	return 0;
}

static int
scan_archive(struct fy_initramfs *ir, struct fy_cpio_reader *r,
	     struct fy_error *err)
{
	fy_autofree struct fy_cpio_entry *e = malloc(sizeof(*e));
	enum fy_cpio_next next;

	if (e == NULL)
		return fy_error_nomem(err);
	for (;;) {
		next = fy_cpio_read_header(r, e, err);
		if (next == FY_CPIO_ERROR)
			return -1;
		if (next == FY_CPIO_TRAILER)
			return 0;
		if (fy_stop_check(ir->stop, err) == -1 ||
		    check_plain(ir, ir->plain_bytes + r->offset + e->size,
				err) == -1 ||
		    add_entry(ir, r, e, err) == -1)
			return -1;
	}
}

/* All archives of one segment. */
static int
scan_archives(struct fy_initramfs *ir, struct fy_cpio_reader *r, bool plain,
	      struct fy_error *err)
{
	unsigned char byte = 0;
	int more;

	for (;;) {
		if (scan_archive(ir, r, err) == -1)
			return -1;
		fy_irtree_archive_end(ir->tree);
		ir->last_plain_bytes = r->offset;
		more = fy_cpio_skip_zeros(r, &byte, err);
		if (more <= 0)
			return more;
		if ((r->offset & 3) != 0)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "broken padding behind a cpio "
					    "archive");
		if (byte == '0')
			continue;
		if (plain)
			return 0;
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "junk behind a cpio archive");
	}
}

static int
scan_segment(struct fy_initramfs *ir, const struct fy_initramfs_input *input,
	     uint64_t start, uint64_t *ret_next, struct fy_error *err)
{
	FY_AUTO(istream) struct fy_istream *s = NULL;
	struct fy_cpio_reader r;
	bool plain;
	int res;

	if (ir->n_segments == FY_IR_SEGMENTS_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the initramfs has too many segments");
	if (fy_istream_open(input, start, &s, err) == -1)
		return -1;
	plain = fy_istream_method(s) == FY_ISTREAM_PLAIN;
	if (plain && (start & 3) != 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a cpio archive at byte %llu, which is no "
				    "multiple of 4",
				    (unsigned long long)start);
	ir->methods[ir->n_segments++] = fy_istream_method(s);
	if (fy_cpio_reader_init(&r, fy_istream_pull, s, err) == -1)
		return -1;
	res = scan_archives(ir, &r, plain, err);
	ir->plain_bytes += r.offset;
	*ret_next = plain ? start + r.offset : fy_istream_end(s);
	ir->end = plain ? start + ir->last_plain_bytes : *ret_next;
	if (!plain)
		ir->last_plain_bytes = r.offset;
	fy_cpio_reader_release(&r);
	return res;
}

/* Move '*at' to the next byte that isn't 0, or to the input's end. */
static int
skip_zeros(const struct fy_initramfs_input *input, uint64_t *at,
	   struct fy_error *err)
{
	fy_autofree unsigned char *piece = malloc(PIECE_BYTES);
	size_t n, i;

	if (piece == NULL)
		return fy_error_nomem(err);

	while (*at < input->size) {
		n = (size_t)fy_min_u64(PIECE_BYTES, input->size - *at);
		if (input->pread(input->ctx, piece, n, *at, err) == -1)
			return -1;
		for (i = 0; i < n && piece[i] == 0; i++)
			;
		*at += i;
		if (i < n)
			return 0;
	}
	return 0;
}

/* bootconfig must be the last thing in the file, and what is behind it would
 * make the kernel not see it. */
static int
refuse_bootconfig(const struct fy_initramfs_input *input, struct fy_error *err)
{
	static const char magic[] = "#BOOTCONFIG\n";
	char tail[16] = { 0 };
	size_t n = (size_t)fy_min_u64(sizeof(tail), input->size);

	if (n > 0 &&
	    input->pread(input->ctx, tail, n, input->size - n, err) == -1)
		return -1;
	if (memmem(tail, n, magic, sizeof(magic) - 1) != NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "an initramfs with a bootconfig at its end "
				    "can't be edited");
	return 0;
}

static int
scan_all(struct fy_initramfs *ir, const struct fy_initramfs_input *input,
	 struct fy_error *err)
{
	bool lz4 = false;
	uint64_t at = 0;

	/* Holes cost nothing on a disk, but time here. */
	if (input->size > FILE_BYTES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the initramfs is larger than %llu GiB",
				    (unsigned long long)(FILE_BYTES / FY_GIB));
	if (refuse_bootconfig(input, err) == -1)
		return -1;
	for (;;) {
		if (skip_zeros(input, &at, err) == -1)
			return -1;
		if (at >= input->size || lz4)
			break;
		if (scan_segment(ir, input, at, &at, err) == -1)
			return fy_error_prefix(err, "segment %zu",
					       ir->n_segments);
		lz4 = ir->methods[ir->n_segments - 1] == FY_ISTREAM_LZ4;
	}
	if (ir->n_segments == 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the initramfs is empty");
	return 0;
}

int
fy_initramfs_scan(struct fy_initramfs *ir,
		  const struct fy_initramfs_input *input, struct fy_error *err)
{
	int r;

	ir->budget = input->budget;
	r = scan_all(ir, input, err);
	if (ir->budget != NULL)
		*ir->budget -= fy_min_u64(*ir->budget, ir->plain_bytes);
	ir->budget = NULL;
	return r;
}
