/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LIVE_MOUNT_H
#define FY_LIVE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "p2v-client/live.h"

/*
 * Targets that are mounted at RUN/target: a filesystem of a local disk, NFS,
 * SMB.  RUN/target-device names what was made writable for it.
 */
#define FY_MAX_PARTS 40

/* A filesystem that images could be put on. */
struct fy_part {
	char *path, *disk, *fs, *label, *uuid;
	char *text, *about; /* for a person: a line, and more */
};

struct fy_parts {
	struct fy_part items[FY_MAX_PARTS];
	size_t n;
};

/* All there are, without what is mounted and the medium. */
int fy_parts_list(const struct fy_live *l, struct fy_parts *ret,
		  struct fy_error *err);
void fy_parts_release(struct fy_parts *p);

/* What p2v.target says. */
enum fy_target_kind { FY_TARGET_DISK, FY_TARGET_NFS, FY_TARGET_SMB };

struct fy_target {
	enum fy_target_kind kind;
	char *device;	     /* a disk: its path, or NULL ... */
	char *label, *uuid;  /* ... and one of these */
	char *host, *path;   /* "/vms"; SMB: "share/dir" */
	char *user, *domain; /* SMB; may be NULL */
	unsigned port;	     /* 0: the usual one */
};

/*
 * "/dev/...", "LABEL=...", "UUID=...", "nfs://HOST[:PORT]/DIR",
 * "smb://[[DOMAIN;]USER@]HOST[:PORT]/SHARE[/DIR]".  FY_E_USAGE.
 */
int fy_target_parse(const char *text, struct fy_target *ret,
		    struct fy_error *err);
void fy_target_release(struct fy_target *t);

/* HOST[:PORT] into 't' (no user); FY_E_USAGE. */
int fy_target_set_host(struct fy_target *t, const char *text,
		       struct fy_error *err);

/* Whether RUN/target is mounted. */
bool fy_target_is_mounted(const struct fy_live *l);

/*
 * Mount at RUN/target; FY_E_BUSY when something is mounted there.  A disk is
 * noted in RUN/targets first, and made writable.  What can only be mounted
 * read-only is refused.  'password' may be NULL.
 */
int fy_target_mount_part(const struct fy_live *l, const struct fy_part *p,
			 struct fy_error *err);
int fy_target_mount_share(const struct fy_live *l, const struct fy_target *t,
			  const char *password, struct fy_error *err);

#endif
