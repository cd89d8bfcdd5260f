/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Controllers of storage, and which disks are volumes that one of them makes.
 *
 * A RAID controller's driver shows its volumes and, where it passes them
 * through, single disks, on different SCSI channels; which ones is the driver's
 * affair and listed here.  Some drivers say it themselves (raid_level).  Where
 * neither tells, the model that the controller invents does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "p2v-client/block.h"
#include "p2v-client/inventory.h"
#include "p2v-client/pci.h"
#include "p2v-client/sysfs.h"

#define DEVICES	     "/sys/bus/pci/devices"
#define CLASS	     "/sys/class/block"
#define ANY_CHANNEL  0xffffffffu
#define BY_MODEL     0u
#define MAX_CONTROLS 256

/* Drivers of RAID controllers, by the name of the SCSI host; bit N of
 * 'volumes' for channel N. */
static const struct raid_driver {
	const char *name;
	unsigned volumes;
} raid_drivers[] = {
	{ "megaraid_sas", 0xfffffffcu }, /* 0 and 1 have single disks */
	{ "megaraid", ANY_CHANNEL },
	{ "megaraid_legacy", ANY_CHANNEL },
	{ "hpsa", 0x6 },     /* 1 own volumes, 2 external ones */
	{ "smartpqi", 0xa }, /* 1 own volumes, 3 external ones */
	{ "cciss", ANY_CHANNEL },
	{ "aacraid", 0x1 },
	{ "mpt2sas", 0x2 },
	{ "mpt3sas", 0x2 },
	{ "mptsas", 0x2 },
	{ "mptspi", 0x2 },
	{ "mpi3mr", BY_MODEL },
	{ "mvumi", BY_MODEL },
	{ "3w-xxxx", ANY_CHANNEL },
	{ "3w-9xxx", ANY_CHANNEL },
	{ "3w-sas", ANY_CHANNEL },
	{ "arcmsr", ANY_CHANNEL },
	{ "ips", ANY_CHANNEL },
	{ "ServeRAID", ANY_CHANNEL },
	{ "gdth", ANY_CHANNEL },
	{ "hptiop", ANY_CHANNEL },
	{ "stex", ANY_CHANNEL },
	{ "pmcraid", BY_MODEL },
	{ "ipr", BY_MODEL },
};

static const struct raid_driver *
find_raid_driver(const char *name)
{
	size_t i;

	for (i = 0;
	     name != NULL && i < sizeof(raid_drivers) / sizeof(raid_drivers[0]);
	     i++)
		if (strcmp(raid_drivers[i].name, name) == 0)
			return &raid_drivers[i];
	return NULL;
}

/* --- controllers ------------------------------------------------------------ */

/* By class and subclass of PCI; NULL: no controller of storage. */
static const char *
kind_of(uint64_t class)
{
	switch (class >> 8) {
	case 0x0100:
		return "scsi";
	case 0x0101:
		return "ide";
	case 0x0104:
		return "raid";
	case 0x0105:
	case 0x0106:
		return "sata";
	case 0x0107:
		return "sas";
	case 0x0108:
		return "nvme";
	case 0x0c04:
		return "fc";
	default:
		return class >> 16 == 0x01 ? "other" : NULL;
	}
}

/* Whether the driver is for RAID controllers only (mpt3sas and the like are
 * for plain ones too, and the class tells). */
static bool
only_raid(const char *driver)
{
	return find_raid_driver(driver) != NULL &&
	       strncmp(driver, "mpt", 3) != 0;
}

static int
add_controller(const char *root, const char *address, const char *kind,
	       struct fy_pci_names *names, struct fy_machine *m,
	       struct fy_error *err)
{
	struct fy_machine_controller *c = fy_machine_add_controller(m, err);

	if (c == NULL)
		return -1;
	c->driver = fy_sys_link(root, DEVICES "/%s/driver", address);
	if (only_raid(c->driver))
		kind = "raid";
	c->pci = strdup(address);
	c->kind = strdup(kind);
	if (c->pci == NULL || c->kind == NULL)
		return fy_error_nomem(err);
	c->pci_id = fy_pci_id(root, address, "");
	c->subsystem_id = fy_pci_id(root, address, "subsystem_");
	c->model = fy_pci_name(names, address);
	return 0;
}

int
fy_inventory_controllers(const char *sysroot, struct fy_machine *m,
			 struct fy_error *err)
{
	FY_AUTO(pci_names)
	struct fy_pci_names *names = fy_pci_names_new(sysroot, err);
	struct fy_strings all = { 0 };
	size_t i;
	int r;

	if (names == NULL)
		return -1;
	r = fy_sys_list(sysroot, DEVICES, &all, err);
	for (i = 0; r == 0 && i < all.n && m->n_controllers < MAX_CONTROLS;
	     i++) {
		const char *kind = kind_of(fy_sys_number(
			sysroot, 0, DEVICES "/%s/class", all.items[i]));

		if (kind != NULL)
			r = add_controller(sysroot, all.items[i], kind, names,
					   m, err);
	}
	fy_strings_release(&all);
	return r;
}

/* --- a disk's controller ----------------------------------------------------- */

static bool
invented_model(const struct fy_machine_disk *d)
{
	static const char *const models[] = {
		"PERC",	      "MR9",	"MR ",		"ServeRAID",
		"LOGICAL",    "RAID",	"Logical",	"MegaRAID",
		"SmartArray", "VOLUME", "Virtual Disk",
	};
	size_t i;

	for (i = 0; d->model != NULL && i < sizeof(models) / sizeof(models[0]);
	     i++)
		if (strncmp(d->model, models[i], strlen(models[i])) == 0)
			return true;
	return false;
}

/* Host and channel of a SCSI disk ("0:2:0:0"). */
static bool
scsi_place(const char *root, const char *name, unsigned *host,
	   unsigned *channel)
{
	fy_autofree char *address = fy_sys_link(root, CLASS "/%s/device", name);

	return address != NULL && sscanf(address, "%u:%u:", host, channel) == 2;
}

static void
find_raid(const char *root, const char *name, struct fy_machine_disk *d)
{
	fy_autofree char *driver = NULL;
	const struct raid_driver *raid;
	unsigned host, channel;
	bool volume;

	if (strncmp(name, "cciss!", 6) == 0) {
		d->hardware_raid = FY_YES;
		return;
	}
	if (fy_streq(d->bus, "nvme") || fy_streq(d->bus, "mmc") ||
	    fy_streq(d->bus, "sata"))
		d->hardware_raid = FY_NO;
	if (fy_streq(d->bus, "sata") ||
	    !scsi_place(root, name, &host, &channel))
		return;
	driver = fy_sys_line(root, "/sys/class/scsi_host/host%u/proc_name",
			     host);
	raid = find_raid_driver(driver);
	if (raid == NULL)
		return;
	volume = raid->volumes == BY_MODEL
			 ? invented_model(d)
			 : channel < 32 && (raid->volumes >> channel & 1) != 0;
	d->raid_level = fy_sys_line(root, CLASS "/%s/device/raid_level", name);
	if (d->raid_level != NULL) {
		/* What the driver says of single disks. */
		volume = strcmp(d->raid_level, "N/A") != 0;
		if (!volume) {
			free(d->raid_level);
			d->raid_level = NULL;
		}
	}
	d->hardware_raid = volume ? FY_YES : FY_NO;
}

/* The head of an NVMe device with several controllers is virtual: one of the
 * controllers is below its subsystem. */
static bool
nvme_controller(const char *root, const char *name, char ret[FY_PCI_BYTES],
		struct fy_error *err)
{
	fy_autofree char *dir = fy_format(err, CLASS "/%s/device", name);
	struct fy_strings all = { 0 };
	bool found = false;
	size_t i;

	if (dir == NULL || fy_sys_list(root, dir, &all, err) == -1) {
		fy_strings_release(&all);
		return false;
	}
	for (i = 0; !found && i < all.n; i++) {
		fy_autofree char *path = NULL;

		if (strncmp(all.items[i], "nvme", 4) != 0)
			continue;
		path = fy_sys_real(root, "%s/%s", dir, all.items[i]);
		found = path != NULL && fy_pci_on_path(path, ret);
	}
	fy_strings_release(&all);
	return found;
}

int
fy_block_controller(const char *root, const char *name,
		    struct fy_machine_disk *ret, struct fy_error *err)
{
	fy_autofree char *path = fy_sys_real(root, CLASS "/%s", name);
	struct fy_error failure = { 0 };
	char address[FY_PCI_BYTES];

	if (path != NULL && (fy_pci_on_path(path, address) ||
			     nvme_controller(root, name, address, &failure))) {
		ret->controller = strdup(address);
		if (ret->controller == NULL)
			return fy_error_nomem(err);
	}
	if (failure.code == FY_E_NOMEM)
		return fy_error_nomem(err);
	find_raid(root, name, ret);
	return 0;
}
