/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_INVENTORY_H
#define FY_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/progress.h"
#include "common/stop.h"

/*
 * The machine that we run on, described: hardware, disks, NICs.  Everything is
 * read from files below 'sysroot' (sys, proc, dev, etc, run), so that tests
 * give a tree of their own; only addresses and permanent MACs come from the
 * kernel directly, and only when 'sysroot' is NULL.
 */
struct fy_inventory_options {
	const char *sysroot; /* NULL: "" */
	/* Asked for the disks' health; NULL: smartctl, with a 'sysroot' none */
	const char *smartctl;
	/* Only these disks, in this order, the boot disk first: devices or
	 * image files.  n_disks 0: all disks of the machine.  When all of them are image files (or loop
	 * and network block devices), the hardware that they came from is not
	 * known: from_hardware is false, and the firmware is what the first
	 * disk is made for. */
	const char *const *disks;
	size_t n_disks;
	/* Read partition tables, filesystems, used bytes and systems. */
	bool read_disks;
	bool allow_dirty; /* of the used maps */
	bool rescue;	  /* of them, too */
	struct fy_log *log;
	struct fy_progress *progress;
	const struct fy_stop *stop;
};

/* What the choice of disks needs besides machine->disks[i]. */
struct fy_inventory_disk {
	char *kernel_name; /* "sda"; NULL for an image file */
	bool removable, read_only;
	char *in_use;  /* why it must not be converted: "mounted on /", ... */
	char *problem; /* why it could not be read (table, filesystems) */
	char **notes;  /* warnings of the map, for people */
	size_t n_notes;
};

struct fy_inventory {
	struct fy_machine *machine;
	struct fy_inventory_disk *disks; /* machine->n_disks of them */
};

/*
 * Describe.  A disk that can't be read is no failure: its 'problem' says why.
 * Of several paths to the same disk (multipath) only the first is listed,
 * unless 'options->disks' names them; all are in its 'paths'.
 *
 * Returns: 0, or -1 with 'err':
 *            FY_E_NOTFOUND   a disk that was named is not there
 *            FY_E_IO, FY_E_NOMEM, FY_E_CANCELLED
 * Threads: any; blocks on I/O.
 */
int fy_inventory_read(const struct fy_inventory_options *options,
		      struct fy_inventory **ret, struct fy_error *err);
void fy_inventory_free(struct fy_inventory *i);
FY_DEFINE_AUTO(inventory, struct fy_inventory, fy_inventory_free)

/*
 * Warn in 'log' of each disk that is failing or not healthy, among 'paths'
 * (n 0: all).  -1: FY_E_NOMEM.
 */
int fy_inventory_health_warnings(const struct fy_inventory *inv,
				 const char *const *paths, size_t n,
				 struct fy_log *log, struct fy_error *err);

/* On standard output, for people. */
void fy_inventory_print(const struct fy_inventory *inv);

/* Parts of it; each fills 'm' (borrowed) with what it finds. */
int fy_inventory_hardware(const char *sysroot, struct fy_machine *m,
			  struct fy_error *err);
int fy_inventory_memory(const char *sysroot, struct fy_machine *m,
			struct fy_error *err);
int fy_inventory_controllers(const char *sysroot, struct fy_machine *m,
			     struct fy_error *err);
int fy_inventory_nics(const char *sysroot, struct fy_machine *m,
		      struct fy_error *err);

/*
 * Whether these disks (devices or image files) may be converted together.
 *
 * Returns: 0, or -1 with 'err':
 *            FY_E_BUSY      one is mounted, used as swap, or held by a device
 *                           (LVM, md, multipath); the message says where and
 *                           what to do
 *            FY_E_USAGE     one is named twice, by whatever path
 *            FY_E_NOTFOUND  one is not there
 * Warns in 'log' when only a part of a volume group or of an md array is
 * among them.
 */
int fy_disks_check(const char *sysroot, const char *const *paths, size_t n,
		   struct fy_log *log, struct fy_error *err);

#endif
