/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an injection changes goes to the disks: the undo log first, then the
 * clusters.  Until the undo log is complete nothing is written to the disks.
 * Nothing on them is understood here.
 */
#include <stdlib.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/inject.h"
#include "drivers-inject/undo.h"

#define MAX_DISKS 64u

static int
apply(struct fy_volume *const *disks, size_t n,
      const struct fy_inject_options *o, int fd,
      struct fy_extents *const *changed, struct fy_error *err)
{
	FY_AUTO(undo_log) struct fy_undo_log *undo = NULL;
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < n; i++)
		total += fy_extents_bytes(changed[i]);
	fy_progress_phase(o->progress, "inject", total);
	if (fy_undo_write(disks, n, fd, o->job_dirfd, o->stop, &undo, err) ==
	    -1)
		return -1;
	if (fy_changes_apply(disks, n, fd, undo, o->progress, err) == -1 ||
	    fy_undo_mark_applied(undo, err) == -1)
		return fy_error_prefix(err,
				       "writing the changes (undo.log has the "
				       "old content)");
	return 0;
}

int
fy_inject_apply(struct fy_volume *const *disks, size_t n,
		const struct fy_inject_options *options, int changes_fd,
		struct fy_error *err)
{
	struct fy_extents *changed[MAX_DISKS] = { 0 };
	size_t i;
	int r = 0;

	if (n == 0 || n > MAX_DISKS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "1 to 64 disks can be injected");
	for (i = 0; r == 0 && i < n; i++) {
		changed[i] = fy_extents_new(err);
		if (changed[i] == NULL)
			r = -1;
		else if (!fy_volume_is_writable(disks[i]))
			r = fy_error_set(err, FY_E_UNSUPPORTED, 0,
					 "%s is open for reading only",
					 fy_volume_name(disks[i]));
	}
	if (r == 0)
		r = fy_changes_read(disks, n, changes_fd, changed, err);
	if (r == 0)
		r = apply(disks, n, options, changes_fd, changed, err);
	for (i = 0; i < n; i++)
		fy_extents_free(changed[i]);
	return r == 0 ? 0 : fy_error_prefix(err, "injection");
}

int
fy_inject(struct fy_volume *const *disks, size_t n_disks,
	  const struct fy_inject_options *options, json_t **ret_report,
	  struct fy_error *err)
{
	fy_autojson json_t *report = NULL;
	fy_autofd int fd = -1;

	if (!options->dry_run) {
		fd = fy_file_temporary(options->tmpdir, err);
		if (fd == -1 || fy_dir_remove_all_at(options->job_dirfd,
						     "originals", err) == -1)
			return -1;
	}
	if (fy_inject_edit(disks, n_disks, options, fd, &report, err) == -1 ||
	    (!options->dry_run &&
	     fy_inject_apply(disks, n_disks, options, fd, err) == -1))
		return -1;
	*ret_report = fy_steal_ptr(&report);
	return 0;
}
