/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The appliance's life, and what stands for a place in it.  QEMU gets files
 * that FUSE shows, which leave the tree as soon as it has opened them; each read and write of a guest's sector
 * is one of the overlay, at once, so nothing is left in a cache when QEMU has
 * ended.  Before that all is unmounted and taken apart, since an array that is
 * just cut off would be rebuilt by the machine.
 */
#include "drivers-inject/appliance-internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/overlay.h"
#include "drivers-inject/devices.h"

#define MAX_FD 1024

/* --- errors ---------------------------------------------------------------- */

static enum fy_error_code
code_of(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
	case ENODATA:
		return FY_E_NOTFOUND;
	case EEXIST:
		return FY_E_EXISTS;
	case ENOSPC:
	case EDQUOT:
		return FY_E_NOSPACE;
	case EPERM: /* immutable, append-only */
	case EOPNOTSUPP:
	case EXDEV:
	case ENOTEMPTY:
		return FY_E_UNSUPPORTED;
	case ENOMEM:
		return FY_E_NOMEM;
	case EROFS:
		return FY_E_DIRTY;
	default:
		return FY_E_IO;
	}
}

int
fy_appliance_error(const struct fy_appliance *a, struct fy_error *err,
		   const char *fmt, ...)
{
	const char *why = a->f->last_error(a->g);
	char what[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return fy_error_set(err, code_of(a->f->last_errno(a->g)), 0,
			    "%s: %.240s (in libguestfs's appliance)", what,
			    why == NULL ? "no reason was given" : why);
}

/* --- starting -------------------------------------------------------------- */

/* As partclone/table.c decides it, by no more than the signature: nothing is
 * parsed before the process is confined. */
static bool
has_big_sectors(struct fy_volume *v)
{
	char at512[8] = "", at4096[8] = "";

	return fy_volume_sector_bytes(v) == 4096 ||
	       (fy_volume_pread(v, at512, 8, 512, NULL) == 0 &&
		fy_volume_pread(v, at4096, 8, 4096, NULL) == 0 &&
		memcmp(at512, "EFI PART", 8) != 0 &&
		memcmp(at4096, "EFI PART", 8) == 0);
}

static int
add_disk(struct fy_appliance *a, size_t i, struct fy_error *err)
{
	struct guestfs_add_drive_opts_argv o = {
		.bitmask = GUESTFS_ADD_DRIVE_OPTS_FORMAT_BITMASK |
			   GUESTFS_ADD_DRIVE_OPTS_CACHEMODE_BITMASK,
		.format = "raw",
		.cachemode = "unsafe", /* the overlay is no more durable */
		.blocksize = 4096,
	};

	if (fy_volume_expose_in_tree(a->disks[i].volume, &a->shown[i], err) ==
	    -1)
		return fy_error_prefix(err, "libguestfs's appliance needs "
					    "the disks as files");
	if (has_big_sectors(a->disks[i].volume))
		o.bitmask |= GUESTFS_ADD_DRIVE_OPTS_BLOCKSIZE_BITMASK;
	if (a->f->add_drive_opts_argv(a->g, fy_exposed_path(a->shown[i]), &o))
		return fy_appliance_error(a, err, "disk %zu", i);
	return 0;
}

static int
launch(struct fy_appliance *a, const char *tmpdir, struct fy_error *err)
{
	bool kvm = true;
	size_t i;

	a->g = a->f->create_flags(0);
	if (a->g == NULL)
		return fy_error_set(err, FY_E_CHILD, errno,
				    "libguestfs can't be used");
	a->f->set_error_handler(a->g, NULL, NULL); /* nothing is printed */
	/* libvirt's daemon could not open our files. */
	if (a->f->set_backend(a->g, "direct") == -1)
		return fy_appliance_error(a, err, "its backend");
	if (tmpdir != NULL && a->f->set_tmpdir(a->g, tmpdir) == -1)
		return fy_appliance_error(a, err, "'%s'", tmpdir);
	if (getenv("LIBGUESTFS_BACKEND_SETTINGS") == NULL) {
		kvm = fy_kvm_works();
		if (!kvm && a->f->set_backend_setting(a->g, "force_tcg", "1"))
			return fy_appliance_error(a, err, "emulation");
	}
	for (i = 0; i < a->n; i++)
		if (add_disk(a, i, err) == -1)
			return -1;
	fy_log_info(a->log, "starting libguestfs's appliance%s",
		    kvm ? "" : " without KVM, which takes its time");
	if (a->f->launch(a->g) == -1)
		return fy_appliance_error(
			a, err,
			"libguestfs's appliance does not start "
			"(libguestfs-test-tool tells more)");
	/* QEMU has opened them. */
	for (i = 0; i < a->n; i++)
		if (fy_exposed_detach(a->shown[i], err) == -1)
			return -1;
	return 0;
}

/* libguestfs doesn't tell where its sockets are; the one to the appliance's
 * daemon does. */
static void
find_sockets(struct fy_appliance *a)
{
	struct sockaddr_un sa;
	char *slash;
	int fd;

	for (fd = 3; fd < MAX_FD && a->leaves == NULL; fd++) {
		socklen_t len = sizeof(sa) - 1;

		memset(&sa, 0, sizeof(sa));
		if (getsockname(fd, (struct sockaddr *)&sa, &len) == -1 ||
		    sa.sun_family != AF_UNIX ||
		    strstr(sa.sun_path, "/libguestfs") == NULL)
			continue;
		slash = strrchr(sa.sun_path, '/');
		*slash = '\0';
		if (strstr(sa.sun_path, "/libguestfs") != NULL)
			a->leaves = strdup(sa.sun_path);
	}
}

bool
fy_appliance_is_installed(struct fy_error *err)
{
	return fy_guestfs_load(err) != NULL;
}

int
fy_appliance_launch(struct fy_volume *const *disks, size_t n,
		    const char *tmpdir, struct fy_log *log,
		    struct fy_appliance **ret, struct fy_error *err)
{
	const struct fy_guestfs *f = fy_guestfs_load(err);
	struct fy_appliance *a;
	size_t i;

	if (f == NULL)
		return -1;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return fy_error_nomem(err);
	a->f = f;
	a->log = log;
	a->n = n;
	a->disks = calloc(n + 1, sizeof(*a->disks));
	a->shown = calloc(n + 1, sizeof(*a->shown));
	if (a->disks == NULL || a->shown == NULL) {
		fy_error_nomem(err);
		goto stop;
	}
	for (i = 0; i < n; i++)
		a->disks[i].volume = disks[i];
	if (launch(a, tmpdir, err) == -1)
		goto stop;
	find_sockets(a);
	*ret = a;
	return 0;

stop:
	fy_appliance_stop(a, NULL);
	return -1;
}

int
fy_appliance_look(struct fy_appliance *a, struct fy_disk_map *const *maps,
		  const struct fy_inject_key *keys, size_t n_keys,
		  struct fy_error *err)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		a->disks[i].map = maps[i];
	return fy_appliance_find(a, keys, n_keys, err);
}

void
fy_appliance_pause(struct fy_appliance *a)
{
	size_t i;

	for (i = 0; a != NULL && i < a->n; i++)
		fy_exposed_pause(a->shown[i]);
}

int
fy_appliance_resume(struct fy_appliance *a, struct fy_error *err)
{
	size_t i;

	for (i = 0; a != NULL && i < a->n; i++)
		if (fy_exposed_resume(a->shown[i], err) == -1)
			return -1;
	return 0;
}

const char *
fy_appliance_leaves(const struct fy_appliance *a)
{
	return a == NULL ? NULL : a->leaves;
}

/* --- ending ---------------------------------------------------------------- */

/* Layer by layer from above; which one is above isn't known, so twice. */
static int
take_apart(struct fy_appliance *a, struct fy_error *err)
{
	char **arrays = NULL;
	size_t i, k;
	int r = 0;

	if (a->f->umount_all(a->g) == -1)
		r = fy_appliance_error(a, err, "unmounting");
	for (k = 0; k < 2; k++) {
		a->f->vg_activate_all(a->g, 0);
		for (i = a->n_opened; i-- > 0;)
			a->f->cryptsetup_close(a->g, a->opened[i]);
		arrays = a->f->list_md_devices(a->g);
		for (i = 0; arrays != NULL && arrays[i] != NULL; i++)
			a->f->md_stop(a->g, arrays[i]);
		fy_guestfs_free_strings(arrays);
	}
	arrays = a->f->list_md_devices(a->g);
	if (r == 0 && (arrays == NULL || arrays[0] != NULL))
		r = fy_error_set(err, FY_E_BUSY, 0,
				 "an array could not be stopped in "
				 "libguestfs's appliance");
	fy_guestfs_free_strings(arrays);
	if (a->f->sync(a->g) == -1 && r == 0)
		r = fy_appliance_error(a, err, "sync");
	if (a->f->shutdown(a->g) == -1 && r == 0)
		r = fy_appliance_error(a, err, "its end");
	return r;
}

int
fy_appliance_stop(struct fy_appliance *a, struct fy_error *err)
{
	size_t i;
	int r = 0;

	if (a == NULL)
		return 0;
	if (a->g != NULL && err != NULL)
		r = take_apart(a, err);
	if (a->g != NULL)
		a->f->close(a->g);
	for (i = 0; a->shown != NULL && i < a->n; i++)
		if (fy_exposed_close(a->shown[i], r == 0 ? err : NULL) == -1)
			r = -1;
	for (i = 0; i < a->n_found; i++) {
		free(a->found[i].path);
		free(a->found[i].device);
	}
	for (i = 0; i < a->n_opened; i++)
		free(a->opened[i]);
	free(a->found);
	free(a->opened);
	free(a->shown);
	free(a->leaves);
	free(a->disks);
	free(a);
	return r;
}

/* --- places ---------------------------------------------------------------- */

static int
no_bytes(void *handle, void *buf, size_t len, uint64_t offset,
	 struct fy_error *err)
{
	(void)handle;
	(void)buf;
	(void)len;
	(void)offset;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "only libguestfs's appliance can read it");
}

static int
no_writes(void *handle, const void *buf, size_t len, uint64_t offset,
	  struct fy_error *err)
{
	(void)buf;
	return no_bytes(handle, NULL, len, offset, err);
}

static void
free_place(void *handle)
{
	struct fy_place *p = handle;

	free(p->device);
	free(p->subvolume);
	free(p->filesystem);
	free(p);
}

static const struct fy_volume_ops place_ops = {
	.pread = no_bytes,
	.pwrite = no_writes,
	.close = free_place,
};

struct fy_place *
fy_place_of(const struct fy_volume *v)
{
	return fy_volume_handle(v, &place_ops);
}

static const struct fy_appliance_found *
find(const struct fy_appliance *a, const struct fy_disk_volume *v)
{
	size_t i;

	for (i = 0; a != NULL && v->layer != NULL && i < a->n_found; i++)
		if (strcmp(a->found[i].path, v->path) == 0)
			return &a->found[i];
	return NULL;
}

bool
fy_appliance_owns(const struct fy_appliance *a, const struct fy_disk_volume *v)
{
	return find(a, v) != NULL;
}

/* The array that holds that filesystem. */
static char *
find_array(struct fy_appliance *a, const char *uuid)
{
	char **arrays = a->f->list_md_devices(a->g), *ret = NULL;
	size_t i;

	for (i = 0; arrays != NULL && arrays[i] != NULL; i++) {
		fy_autofree char *is = a->f->vfs_uuid(a->g, arrays[i]);

		if (ret == NULL && fy_streq(is, uuid))
			ret = strdup(arrays[i]);
	}
	fy_guestfs_free_strings(arrays);
	return ret;
}

static char *
device_of(struct fy_appliance *a, unsigned disk, const struct fy_disk_volume *v,
	  struct fy_error *err)
{
	const struct fy_appliance_found *f = find(a, v);
	char *device;

	if (f != NULL)
		return fy_format(err, "%s", f->device);
	if (v->layer == NULL)
		return fy_devices_disk_name("sd", disk, v->number, err);
	if (strcmp(v->layer, "lvm") == 0)
		return fy_format(err, "/dev/%s", v->path);
	device = v->uuid == NULL ? NULL : find_array(a, v->uuid);
	if (device == NULL)
		fy_error_set(err, FY_E_NOTFOUND, 0,
			     "libguestfs's appliance has no %s", v->path);
	return device;
}

int
fy_appliance_place(struct fy_appliance *a, unsigned disk,
		   const struct fy_disk_volume *v, const char *subvolume,
		   struct fy_volume **ret, struct fy_error *err)
{
	fy_autofree char *name = NULL;
	struct fy_place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return fy_error_nomem(err);
	p->appliance = a;
	p->device = device_of(a, disk, v, err);
	p->filesystem =
		strdup(v->filesystem == NULL ? "unknown" : v->filesystem);
	if (subvolume != NULL)
		p->subvolume = strdup(subvolume);
	name = fy_format(err, "disk %u, %s", disk, v->path);
	if (p->device == NULL || p->filesystem == NULL || name == NULL ||
	    (subvolume != NULL && p->subvolume == NULL)) {
		if (p->device != NULL)
			fy_error_nomem(err);
		free_place(p);
		return -1;
	}
	*ret = fy_volume_new(&place_ops, p, name, v->length, 512, err);
	return *ret == NULL ? -1 : 0;
}
