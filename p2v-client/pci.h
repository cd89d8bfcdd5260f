/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PCI_H
#define FY_PCI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"

#define FY_PCI_BYTES 20 /* "10000:02:00.0" and its NUL */

/*
 * PCI functions as sysfs shows them.  'root' as in sysfs.h.
 */

/* The innermost PCI function on a path of sysfs; false when there is none. */
bool fy_pci_on_path(const char *path, char ret[FY_PCI_BYTES]);

/* "8086:1521" by the files PREFIXvendor and PREFIXdevice of the function;
 * prefix "" or "subsystem_".  NULL when not known.  malloc'd. */
char *fy_pci_id(const char *root, const char *address, const char *prefix);

/*
 * The function's name in words, "Intel Corporation I350 Gigabit Network
 * Connection": of udev's database, which takes it from its hardware database,
 * else of pci.ids.  NULL when neither knows.  malloc'd.
 */
struct fy_pci_names;
struct fy_pci_names *fy_pci_names_new(const char *root, struct fy_error *err);
void fy_pci_names_free(struct fy_pci_names *n);
FY_DEFINE_AUTO(pci_names, struct fy_pci_names, fy_pci_names_free)
char *fy_pci_name(struct fy_pci_names *n, const char *address);

#endif
