/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_FIRSTBOOT_H
#define FY_WINDOWS_FIRSTBOOT_H

#include <stddef.h>

#include "common/error.h"
#include "drivers-inject/virtio-win.h"

/*
 * What runs inside Windows when it starts on virtual hardware for the first
 * time: one service, which runs the scripts in their order, each until it
 * succeeded or was tried often enough, and then removes itself.
 *
 * The caller (windows.c) writes 'files' into the guest and makes the service
 * from 'service_*'; nothing here touches a guest.
 */
#define FY_FIRSTBOOT_SERVICE "ironferry-firstboot"

struct fy_firstboot_script {
	char *name; /* "10-network.cmd", ".ps1" for PowerShell (NT >= 6.1) */
	char *text; /* UTF-8 with "\n"; becomes "\r\n" in the guest */
};

struct fy_firstboot_scripts {
	struct fy_firstboot_script *items;
	size_t n;
};
/* Copies both. */
int fy_firstboot_add(struct fy_firstboot_scripts *s, const char *name,
		     const char *text, struct fy_error *err);
void fy_firstboot_scripts_release(struct fy_firstboot_scripts *s);

struct fy_firstboot_file {
	char *path; /* from the root of C:, with "/":
		       "Program Files/Ironferry/firstboot/run.cmd" */
	char *data;
	size_t len;
};

struct fy_firstboot {
	struct fy_firstboot_file *files;
	size_t n_files;
	/* The service: Services\NAME with Type, Start=2, ErrorControl=1,
	 * ObjectName=LocalSystem. */
	char *service, *service_name, *image_path;
	unsigned service_type; /* 0x10 */
};

/*
 * 'drivers' tells what the first boot has to install (packages in
 * Windows\Drivers\VirtIO, the guest agent); 'system_root' is "Windows" or
 * "WINDOWS", 'drive' the letter that the system knows itself by ('C').
 * Returns 0, or -1: FY_E_UNSUPPORTED (no program for that architecture),
 * FY_E_NOMEM.
 */
int fy_firstboot_build(const struct fy_windows_version *v,
		       const struct fy_driver_set *drivers, char drive,
		       const char *system_root,
		       const struct fy_firstboot_scripts *scripts,
		       struct fy_firstboot *ret, struct fy_error *err);
void fy_firstboot_release(struct fy_firstboot *f);

#endif
