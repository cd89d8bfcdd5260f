/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_INJECT_H
#define FY_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/json.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/progress.h"
#include "common/stop.h"
#include "common/volume.h"
#include "drivers-inject/custom.h"

/*
 * Make the systems on a machine's disks boot on virtual hardware.
 *
 * All edits are made on an overlay of each disk, and what is changed there is
 * written to a file (fy_inject_edit): that reads the disks, needs no right to
 * write to them, and may be a confined process's work.  Then the old content of
 * every changed cluster goes to the undo log, which is fsynced, and only then
 * are the clusters written to the disks (fy_inject_apply): that parses nothing
 * of the disks.  So a failure or a dry run leaves the disks as they were, and a
 * cut in the last step is undone by fy_undo_apply and repeated.
 */
struct fy_inject_nic { /* --nic NAME=MAC */
	const char *name, *mac;
};

struct fy_inject_key {	  /* --luks-key [UUID=]FILE */
	const char *uuid; /* of the LUKS header; NULL: any */
	const char *secret;
};

/* When libguestfs's appliance is started.  A confined process can't. */
enum fy_inject_appliance {
	FY_APPLIANCE_LATE,  /* when it is needed */
	FY_APPLIANCE_NEVER, /* that it is needed ends the work */
	FY_APPLIANCE_FIRST, /* before anything is read */
};

struct fy_inject_options {
	bool dry_run;
	/* Directory (descriptor) that gets "undo.log" and "originals/"; -1 only
	 * with dry_run. */
	int job_dirfd;
	const struct fy_machine *machine; /* NULL: only the disks are known */
	const struct fy_inject_nic *nics;
	size_t n_nics;
	const struct fy_inject_key *keys;
	size_t n_keys;
	/* What else is wanted in each system; NULL: nothing. */
	const struct fy_custom *custom;
	/* ISO image or directory; NULL: a Windows system is FY_E_NOTFOUND. */
	const char *virtio_win;
	const char *tmpdir; /* NULL: the usual */
	struct fy_log *log;
	struct fy_progress *progress;
	const struct fy_stop *stop;
	enum fy_inject_appliance appliance;
	/* With FY_APPLIANCE_NEVER: set when the call failed for want of it. */
	bool *ret_needs_appliance;
	/* Called when all is open and started, before the first byte of a disk
	 * is looked at: to confine the process, which may have no threads then.
	 * 'leaves': a directory of libguestfs that a confined process can't
	 * remove, or NULL.  NULL: nothing to do. */
	int (*confine)(void *ctx, const char *leaves, struct fy_error *err);
	void *confine_ctx;
};

/*
 * 'disks' (borrowed) in the order of the definition.  'changes_fd': an empty
 * file, or -1 with dry_run.  '*ret_report': {"systems":[...],"changes":[{"disk",
 * "volume","path","action":"modified|added|removed","why","original"}],
 * "warnings":[...],"skipped":[...],"firmware":"bios|uefi"}.  No system found is
 * not an error but a warning in the report.
 */
int fy_inject_edit(struct fy_volume *const *disks, size_t n_disks,
		   const struct fy_inject_options *options, int changes_fd,
		   json_t **ret_report, struct fy_error *err);

/* 'disks' (borrowed, writable): of 'options' count job_dirfd, progress and
 * stop.  FY_E_CORRUPT when the changes are not whole: nothing is written. */
int fy_inject_apply(struct fy_volume *const *disks, size_t n_disks,
		    const struct fy_inject_options *options, int changes_fd,
		    struct fy_error *err);

/* Both, in this process; an earlier "originals/" is removed first. */
int fy_inject(struct fy_volume *const *disks, size_t n_disks,
	      const struct fy_inject_options *options, json_t **ret_report,
	      struct fy_error *err);

/*
 * Undo: write the clusters in "undo.log" of 'job_dirfd' back to 'disks', and
 * flush.  '*ret_bytes': how many.  FY_E_NOTFOUND when there is no log.  A log
 * that is cut (its trailer is missing) was never applied: nothing is written,
 * and that is success, with 0 bytes.  FY_E_DIRTY when a disk holds something
 * else in these clusters than before the injection or after it; FY_E_BUSY when
 * somebody else is at work with the log; then nothing is written either.
 * 'log' (may be NULL) gets warnings.
 */
int fy_undo_apply(struct fy_volume *const *disks, size_t n_disks, int job_dirfd,
		  struct fy_log *log, uint64_t *ret_bytes,
		  struct fy_error *err);

/*
 * Look only: systems, firmware, filesystems.  '*ret': {"systems":[...],
 * "warnings":[...],"skipped":[...]} as above.  A system is {"disk","volume",
 * "id","version","pretty_name","arch","hostname","root","kernels":[...],
 * "bootloaders":[...],"firmware","initramfs","editable","refused"}; of Linux it
 * has "distribution","package_format","kernel_images":[{"version","image",
 * "initramfs":[...],"modules","unified"}],"separate":["/boot",...],"selinux",
 * too, and of Windows "windows":{...} (docs/windows.md).  "refused" is null, or
 * why it can't be edited.  Of the options keys, tmpdir, log, stop, and what is
 * about the appliance and confining count.
 */
int fy_inspect(struct fy_volume *const *disks, size_t n_disks,
	       const struct fy_inject_options *options, json_t **ret,
	       struct fy_error *err);

#endif
