/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_EDIT_STATE_H
#define FY_LINUX_EDIT_STATE_H

#include "drivers-inject/linux-edit.h"

/* A text that is being edited, line by line. */
struct fy_editing {
	const struct fy_edit_context *ctx;
	struct fy_text out;
	struct fy_string_set *unknown;
	struct fy_error *err;
	bool failed;
	size_t size;	      /* of the whole text */
	bool debconf_devices; /* in a paragraph about GRUB's devices */
	const char *end;      /* of the whole text */
	size_t n_tried;	      /* patterns of lvm.conf */
	enum { OTHER, DEVICE, ARRAY, NAMELESS_ARRAY } mdadm; /* the entry */
	bool all_partitions; /* its DEVICE entry says so already */
	enum { NOT_ASKED, NONE, TAKEN } console; /* is it spoken of? */
};

/* Add a name to those that are told of. */
void fy_editing_unknown(struct fy_editing *e, const char *name);
/* Put the name, translated when it is an old one; fstab's 'type' may be NULL. */
void fy_editing_put_name(struct fy_editing *e, const char *name, size_t len,
			 const char *type, enum fy_device_form form);

/* The editors of linux-edit-storage.c, and one that others end with: put the
 * line as it is, and tell of the old names in it. */
void fy_edit_lvm_devices(struct fy_editing *e, const char *line,
			 const char *end);
void fy_edit_lvm_conf(struct fy_editing *e, const char *line, const char *end);
void fy_edit_mdadm(struct fy_editing *e, const char *line, const char *end);
void fy_edit_list_paths(struct fy_editing *e, const char *line,
			const char *end);

#endif
