/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_VIRTIO_WIN_INTERNAL_H
#define FY_VIRTIO_WIN_INTERNAL_H

#include "drivers-inject/virtio-win.h"
#include "drivers-inject/windows-inf.h"

/* --- where the files come from (virtio-win-source.c) ----------------------- */

#define FY_WIN_FILE_MAX (64u * 1024 * 1024)  /* of one file */
#define FY_WIN_READ_MAX (512u * 1024 * 1024) /* of all that is read at once */

struct fy_win_entry {
	char *path;  /* from the top, with '/' */
	char *lower; /* the same in lower case: what is looked for */
	/* The path of another entry with the same content (a hard link in an
	 * ISO image), and its place; NULL and SIZE_MAX: none. */
	char *link;
	size_t same_as;
	bool wanted; /* by fy_win_source_read */
	char *data;  /* NULL: not read; a NUL behind it */
	size_t len;
};

struct fy_win_source {
	char *path; /* as given, or of the image found in it */
	char *name; /* for reports */
	int dirfd;  /* -1: an ISO image */
	struct fy_win_entry *entries; /* sorted by 'lower' */
	size_t n;
	struct fy_string_set notes; /* what was passed over */
};

int fy_win_source_open(const char *path, struct fy_win_source *ret,
		       struct fy_error *err);
/* Read all that is wanted and not read yet.  One that can't be (too large)
 * stays without data, with a note. */
int fy_win_source_read(struct fy_win_source *s, struct fy_error *err);
/* Forget the content of all but the INF files, and what is wanted. */
void fy_win_source_drop(struct fy_win_source *s);
void fy_win_source_release(struct fy_win_source *s);
/* The entry of that path (in lower case), or NULL. */
struct fy_win_entry *fy_win_source_find(const struct fy_win_source *s,
					const char *lower);
int fy_win_note(struct fy_string_set *notes, struct fy_error *err,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool fy_win_has_suffix(const char *name, const char *suffix);

/* --- which fits best (virtio-win-rank.c) ----------------------------------- */

/* A release of Windows as folders call it. */
struct fy_win_release {
	const char *folder; /* "2k22" */
	uint32_t major, minor, build;
	bool server;
	const char *title; /* "Windows Server 2022" */
};
/* The release that a system is of, or NULL for one that is older than all. */
const struct fy_win_release *fy_win_release_of(
	const struct fy_windows_version *v);
/* The release that a path's folders speak of; NULL when none does. */
const struct fy_win_release *fy_win_release_in(const char *lower_path);
/* The target of INF files for that system; false: no such architecture. */
bool fy_win_target(const struct fy_windows_version *v,
		   struct fy_inf_target *ret);

/* An INF that serves one of our devices on the system. */
struct fy_win_candidate {
	const struct fy_win_entry *entry;
	struct fy_inf *inf; /* owned by the list */
	struct fy_inf_models models;
	struct fy_inf_version version;
	size_t kind;			      /* of fy_win_kinds */
	const struct fy_win_release *release; /* of its folder; may be NULL */
	struct fy_inf_decoration decoration;
	bool null_driver;
};
/* How near the folder's release is: */
enum fy_win_nearness {
	FY_WIN_SAME,
	FY_WIN_SAME_KERNEL, /* client for server, or the other way round */
	FY_WIN_OLDER,	    /* of the same version, an older build */
	FY_WIN_OLDER_OTHER, /* and client for server */
	FY_WIN_OLD,	    /* of an older version */
	FY_WIN_UNTOLD,	    /* no folder's name says */
	FY_WIN_NEWER,
};
enum fy_win_nearness fy_win_nearness(const struct fy_win_release *release,
				     const struct fy_windows_version *v);
/* Whether it may be used at all, by its folder's release. */
bool fy_win_suits(const struct fy_win_candidate *c,
		  const struct fy_windows_version *v);
/* < 0 when 'a' is the better one. */
int fy_win_compare(const struct fy_win_candidate *a,
		   const struct fy_win_candidate *b,
		   const struct fy_windows_version *v);

struct fy_win_kind {
	const char *name;
	const char *ids[3]; /* of devices, without SUBSYS and REV */
	unsigned below;	    /* only for a major version below this; 0: any */
	/* Of virtio, and what a machine's definition has for disks and NICs: it
	 * is ids[0] before virtio 1.0, ids[1] since. */
	bool defined;
};
extern const struct fy_win_kind fy_win_kinds[];
extern const size_t fy_win_n_kinds;
/* Whether an INF's hardware id is of a device of that kind. */
bool fy_win_kind_serves(const struct fy_win_kind *k, const char *id);
/* Whether an INF's hardware id is that device, or some of that kind. */
bool fy_win_id_is(const char *id, const char *device);
/* The one that the definition has for that Windows, when it is 'defined': the
 * transitional device before 7 (v2v-server/emit-hardware.h). */
const char *fy_win_kind_id(const struct fy_win_kind *k,
			   const struct fy_windows_version *v);

/* --- a package (virtio-win-driver.c) --------------------------------------- */

/* Mark the files of the candidate's package as wanted.  FY_E_FORMAT when the
 * INF is damaged or a file is not there. */
int fy_win_driver_want(struct fy_win_source *s,
		       const struct fy_win_candidate *c,
		       const struct fy_inf_target *target,
		       struct fy_error *err);
/* The package, from what was read.  FY_E_FORMAT when its files are not what
 * the INF says. */
int fy_win_driver_make(const struct fy_win_source *s,
		       const struct fy_win_candidate *c,
		       const struct fy_inf_target *target,
		       struct fy_driver *ret, struct fy_string_set *notes,
		       struct fy_error *err);
void fy_win_driver_release(struct fy_driver *d);
/* The bytes of a driver's program: FY_E_FORMAT when it is none, is of another
 * architecture, or ('newest' not 0: MAJOR << 16 | MINOR) for a newer
 * Windows. */
int fy_win_check_program(const char *data, size_t len, enum fy_inf_arch arch,
			 uint32_t newest, struct fy_error *err);

#endif
