/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_SCRIPTS_H
#define FY_WINDOWS_SCRIPTS_H

#include "drivers-inject/windows-firstboot.h"

/*
 * The scripts that every Windows gets at its first boot.  Their names' numbers
 * leave room: drivers are 05, the network's may be 10, disks are 20, the guest
 * agent is 50.
 */

/* Install the packages below %SystemRoot%\Drivers\VirtIO.  None before Vista:
 * there Plug and Play finds them by DevicePath alone. */
int fy_script_drivers(const struct fy_windows_version *v,
		      const struct fy_driver_set *drivers,
		      struct fy_firstboot_scripts *ret, struct fy_error *err);
/* Bring disks online that Windows took for foreign ones. */
int fy_script_disks(const struct fy_windows_version *v,
		    struct fy_firstboot_scripts *ret, struct fy_error *err);
/* Install the guest agent from the MSI beside the scripts' directory. */
int fy_script_agent(const struct fy_driver_set *drivers,
		    struct fy_firstboot_scripts *ret, struct fy_error *err);

#endif
