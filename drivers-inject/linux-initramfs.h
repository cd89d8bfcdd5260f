/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_INITRAMFS_H
#define FY_LINUX_INITRAMFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/json.h"
#include "common/stop.h"
#include "drivers-inject/modules.h"

/*
 * virtio into a Linux initramfs by appending a cpio segment; docs/initramfs.md
 * has the reasons.  The order of use, once per kernel:
 *
 *   fy_modules_open()          the guest's modules of that kernel
 *   fy_initramfs_open()        read the initramfs
 *   fy_initramfs_each_file()   look for old device names in it
 *   fy_initramfs_build()       the bytes to append
 *
 * and then the caller cuts the file to segment.offset bytes (that only ever
 * drops zeros at its end) and writes segment.data behind them.  Nothing is
 * ever changed in the bytes before.
 */

/* The bytes of the initramfs.  'pread' reads exactly 'len' bytes. */
struct fy_initramfs_input {
	void *ctx;
	uint64_t size;
	/* The bytes that may be unpacked still, of all images that share it;
	 * NULL: only the bound of each. */
	uint64_t *budget;
	int (*pread)(void *ctx, void *buf, size_t len, uint64_t offset,
		     struct fy_error *err);
};

/* Over a buffer, or an open file; both are borrowed. */
struct fy_initramfs_buffer {
	const void *data;
	size_t len;
};
void fy_initramfs_input_of_buffer(const struct fy_initramfs_buffer *buffer,
				  struct fy_initramfs_input *ret);
int fy_initramfs_input_of_fd(const int *fd, struct fy_initramfs_input *ret,
			     struct fy_error *err);

/* What made it. */
enum fy_initramfs_kind {
	FY_INITRAMFS_UNKNOWN,
	FY_INITRAMFS_TOOLS, /* initramfs-tools */
	FY_INITRAMFS_DRACUT,
	FY_INITRAMFS_MKINITCPIO,
	FY_INITRAMFS_MAKE_INITRD, /* ALT's */
	FY_INITRAMFS_MKINITRD,	  /* SUSE's old one; only with udev in it */
	FY_INITRAMFS_NASH,	  /* Red Hat's old one; not editable */
	FY_INITRAMFS_BOOSTER,	  /* not editable */
};

struct fy_initramfs;

/*
 * Read all segments, as the kernel would unpack them.  Memory is bounded by
 * the number of entries, not by their content; modules are kept in a private
 * directory below 'tmpdir' (NULL: the usual place) until _free.
 *
 * 'version' is the kernel's; an initramfs that has modules, but only of other
 * kernels, is FY_E_FORMAT.
 * Returns: 0, or -1:
 *   FY_E_UNSUPPORTED  not editable, the message says why: a UKI, a compression
 *                     that is not known here, bootconfig at the end
 *   FY_E_FORMAT       the kernel itself would not unpack it
 *   FY_E_IO, FY_E_NOSPACE, FY_E_NOMEM, FY_E_CANCELLED
 */
int fy_initramfs_open(const struct fy_initramfs_input *input,
		      const char *version, const char *tmpdir,
		      const struct fy_stop *stop, struct fy_initramfs **ret,
		      struct fy_error *err);
void fy_initramfs_free(struct fy_initramfs *ir);
FY_DEFINE_AUTO(initramfs, struct fy_initramfs, fy_initramfs_free)

enum fy_initramfs_kind fy_initramfs_kind(const struct fy_initramfs *ir);
const char *fy_initramfs_kind_name(enum fy_initramfs_kind kind);

/*
 * Small regular files (up to 64 KiB) that tell how the system boots: all below
 * conf/, etc/, cryptroot/ and dracut's hooks, and mkinitcpio's config.  Paths have no leading "/" and
 * no symlinks in them.  In no particular order.  A file that was too large or
 * beyond the 16 MiB that are kept in all comes with 'data' NULL.
 */
typedef int (*fy_initramfs_each)(void *ctx, const char *path, uint32_t mode,
				 const void *data, size_t len,
				 struct fy_error *err);
int fy_initramfs_each_file(const struct fy_initramfs *ir,
			   fy_initramfs_each each, void *ctx,
			   struct fy_error *err);

/* One of those (symlinks followed): NULL when there is none.  NUL behind it. */
const char *fy_initramfs_file(const struct fy_initramfs *ir, const char *path,
			      size_t *ret_len);

/* Whether anything is at that path (symlinks followed). */
bool fy_initramfs_has(const struct fy_initramfs *ir, const char *path);

/* Whether a module of that name is inside. */
bool fy_initramfs_has_module(const struct fy_initramfs *ir, const char *name);

/* A regular file to be put into the initramfs, or in the place of one. */
struct fy_initramfs_override {
	const char *path;
	uint32_t mode; /* permission bits; 0: those of the file that is there,
			  else 0644 */
	const void *data;
	size_t len;
};

struct fy_initramfs_options {
	const struct fy_initramfs_override *overrides;
	size_t n_overrides;
	/* Compress the segment as the archive before it is, when gzip, xz or
	 * zstd; otherwise it is a plain cpio (behind LZ4 always LZ4). */
	bool small;
	/* Add no modules, only the overrides. */
	bool no_modules;
	/* More names to add if the guest has them; NULL-terminated, or NULL. */
	const char *const *more_modules;
	const struct fy_stop *stop;
};

struct fy_initramfs_segment {
	/* Cut the file to this, then append 'data'. */
	uint64_t offset;
	unsigned char *data;
	size_t len; /* 0: there is nothing to do, leave the file alone */
	/*
	 * {"kernel","kind","compression":[of each segment],"segment_bytes",
	 *  "added":[paths in the initramfs],"overridden":[paths],
	 *  "present":[modules that it had],"builtin":[modules],
	 *  "missing":[modules that the guest doesn't have at all],
	 *  "virtio_blk":bool,"virtio_scsi":bool,"virtio_net":bool,
	 *  "notes":[text]}
	 * The three booleans: usable before the root filesystem is there.
	 */
	json_t *report;
};
void fy_initramfs_segment_release(struct fy_initramfs_segment *s);

/*
 * Make the segment.  May be called several times, with other options (small,
 * when /boot is too full).  Called on the result of it, opened anew, it
 * finds all there and gives 'len' 0.  'modules' may be NULL with no_modules.
 * Runs the host's depmod in the private directory.
 * Returns: 0, or -1:
 *   FY_E_UNSUPPORTED  of a kind that can't be edited, or a file in it that
 *                     can't be put there without changing another
 *   FY_E_NOTFOUND     depmod is not installed
 *   FY_E_CHILD        it failed
 *   and as above
 */
int fy_initramfs_build(struct fy_initramfs *ir, struct fy_modules *modules,
		       const struct fy_initramfs_options *options,
		       struct fy_initramfs_segment *ret, struct fy_error *err);

/*
 * For a kernel that has no initramfs: '*ret' has the report's "kernel",
 * "builtin", "missing" and the three booleans, which are then only true for
 * what is built in.
 */
int fy_initramfs_report_without(struct fy_modules *modules, json_t **ret,
				struct fy_error *err);

#endif
