/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_VIRTIO_WIN_H
#define FY_VIRTIO_WIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "drivers-inject/text.h"

/*
 * virtio-win: the drivers for Windows on virtual hardware, in an ISO image, a
 * directory with its content, or the tree of its RPM (by-driver, by-os), and
 * which of them belong into one Windows.
 *
 * Nothing of it is trusted more than the guest: names, sizes and counts are
 * bounded, and no name in a set holds "/", "\" or "..".
 *
 * Threads: one caller at a time.
 */

/* Which Windows.  'arch' is "x86", "amd64" or "arm64". */
struct fy_windows_version {
	unsigned major, minor, build; /* 10, 0, 20348 */
	bool server;		      /* or a domain controller */
	const char *arch;
};

/* A file of a package. */
struct fy_driver_file {
	char *name; /* lower case, no directory: "viostor.sys" */
	char *data; /* a NUL behind it */
	size_t len;
};

enum fy_driver_value_type {
	FY_DRIVER_SZ = 1,
	FY_DRIVER_EXPAND_SZ = 2,
	FY_DRIVER_BINARY = 3,
	FY_DRIVER_DWORD = 4,
	FY_DRIVER_MULTI_SZ = 7,
};

/* A registry value that the INF installs below Services\NAME. */
struct fy_driver_value {
	char *key;  /* below Services\NAME: "Parameters\PnpInterface"; "" */
	char *name; /* "" is the default value */
	enum fy_driver_value_type type; /* the numbers are Windows's own */
	/* SZ and EXPAND_SZ: UTF-8 text.  MULTI_SZ: UTF-8 texts, a NUL behind
	 * each.  DWORD: 4 bytes, little endian.  BINARY: bytes. */
	char *data;
	size_t len; /* of SZ and EXPAND_SZ: without the NUL that is behind it */
};

/* A device that the INF serves on this Windows. */
struct fy_driver_device {
	char *hardware_id; /* as in the INF: PCI\VEN_1AF4&DEV_1001&SUBSYS_... */
	char *description; /* "Red Hat VirtIO SCSI controller" */
	char *section;	   /* the DDInstall section that applies, decorated as
			      it is in the INF: "rhelscsi_inst.NTamd64" */
};

/* One driver package: an INF and what it copies. */
struct fy_driver {
	char *name;	  /* of the INF, without ".inf", lower case */
	char *inf_name;	  /* "viostor.inf" */
	char *class_name; /* "SCSIAdapter" */
	char *class_guid; /* "{4d36e97b-e325-11ce-bfc1-08002be10318}" */
	char *provider;	  /* "Red Hat, Inc." */
	char *date;	  /* DriverVer's, "MM/DD/YYYY" */
	char *version;	  /* DriverVer's, "100.94.104.24000" */
	char *catalog;	  /* "viostor.cat"; NULL when the INF names none */
	/* Its service is needed to reach the disk (class SCSIAdapter or
	 * HDC). */
	bool boot;
	/* The service of the INF's AddService with the flag that makes it the
	 * device's own (SPSVCINST_ASSOCSERVICE); NULL: none. */
	char *service;	    /* "viostor" */
	char *service_name; /* the DisplayName; NULL: none */
	char *binary;	    /* the service's file, lower case, in files[] */
	uint32_t start;	    /* StartType as in the INF (0: boot) */
	uint32_t type;	    /* ServiceType */
	uint32_t error;	    /* ErrorControl */
	char *group;	    /* LoadOrderGroup; NULL: none */
	struct fy_driver_value *values; /* AddReg of the service section */
	size_t n_values;
	/* HKR values of the DDInstall.HW section, which belong to the device
	 * (key "Interrupt Management\..."). */
	struct fy_driver_value *device_values;
	size_t n_device_values;
	struct fy_driver_device *devices; /* those of this Windows, in order */
	size_t n_devices;
	struct fy_driver_file *files; /* INF, CAT, SYS, DLL, ...; no .pdb */
	size_t n_files;
	/* Where in the source it was found, for messages and the report:
	 * "viostor/2k22/amd64". */
	char *origin;
};

struct fy_driver_set {
	struct fy_driver *drivers; /* sorted by name; one for each name */
	size_t n;
	/* Installers beside the drivers, e.g. qemu-ga: the MSI for 'arch'. */
	struct fy_driver_file guest_agent; /* name NULL: there is none */
	/* What is to be told the user: a package that was left out and why,
	 * a neighbour's folder that was used. */
	struct fy_string_set warnings;
};
void fy_driver_set_release(struct fy_driver_set *s); /* zeroes it */

/* The driver of that name (of the INF), or NULL. */
const struct fy_driver *fy_driver_set_find(const struct fy_driver_set *s,
					   const char *name);
/* The file of that name in the package, or NULL. */
const struct fy_driver_file *fy_driver_file_find(const struct fy_driver *d,
						 const char *name);

/* Whether its catalog or its program says that Microsoft has signed it, which
 * Windows 10 asks for with Secure Boot; the signature itself is not checked. */
bool fy_driver_is_whql(const struct fy_driver *d);

struct fy_virtio_win;

/*
 * Open 'path': a directory or an ISO image.  Only names are read here.
 * Returns: 0 with '*ret' (for fy_virtio_win_close), or -1:
 *            FY_E_NOTFOUND     nothing there
 *            FY_E_FORMAT       neither a directory nor an ISO 9660 image, or a
 *                              damaged one
 *            FY_E_UNSUPPORTED  no drivers in it
 */
int fy_virtio_win_open(const char *path, struct fy_virtio_win **ret,
		       struct fy_error *err);
void fy_virtio_win_close(struct fy_virtio_win *w); /* NULL is fine */
FY_DEFINE_AUTO(virtio_win, struct fy_virtio_win, fy_virtio_win_close)

/* Whence it came, and its version when it says so ("virtio-win-0.1.240"), for
 * the report; borrowed. */
const char *fy_virtio_win_name(const struct fy_virtio_win *w);

/*
 * The drivers for that Windows.  '*ret' is filled for fy_driver_set_release.
 * Returns: 0, or -1:
 *            FY_E_NOTFOUND     there is no driver for that Windows that serves
 *                              the disks of its machine: virtio-blk, before 7
 *                              the transitional device (the message says which
 *                              folders were looked for, and which there are)
 *            FY_E_FORMAT       an INF, or what it names, is damaged
 */
int fy_virtio_win_pick(struct fy_virtio_win *w,
		       const struct fy_windows_version *v,
		       struct fy_driver_set *ret, struct fy_error *err);

#endif
