/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_MACHINE_H
#define FY_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/json.h"

/*
 * A machine described once: machine.json.  All strings are malloc'd, NULL when
 * unknown; 0 is "unknown" for numbers.  The JSON's members have these names
 * (enums as words); unknown members are kept out, missing ones are unknown.
 */
enum fy_firmware { FY_FIRMWARE_UNKNOWN, FY_FIRMWARE_BIOS, FY_FIRMWARE_UEFI };
enum fy_clock { FY_CLOCK_UTC, FY_CLOCK_LOCALTIME };

struct fy_machine_disk {
	char *path;			  /* on the physical machine */
	char *model, *serial, *wwn, *bus; /* bus: "sata", "nvme", "scsi", ... */
	uint64_t size_bytes, used_bytes;
	uint32_t sector_bytes, physical_sector_bytes;
	char *table; /* "gpt", "mbr", "none" */
	char *table_uuid;
	bool boot;
	json_t *volumes; /* as in `used-blocks map --json`; owned; or NULL */
	char *image;	 /* absolute path on the server; NULL before */
	char *format;	 /* of the image: "qcow2", "raw" */
};

struct fy_machine_nic {
	char *name; /* kernel's present name */
	char *kind; /* "ethernet", "bond", "vlan", "bridge", "other" */
	char *mac, *permanent_mac;
	char *driver, *pci; /* "0000:00:05.0" */
	char **names;	    /* every udev name: onboard, slot, path, mac; the
			   kernel's and biosdevname's too */
	size_t n_names;
	char **addresses; /* "192.0.2.7/24" */
	size_t n_addresses;
	char *master; /* bond or bridge it belongs to */
	char *parent; /* of a VLAN */
	unsigned vlan;
	uint64_t speed_mbit;
	bool link;
	char *network; /* libvirt network for it; NULL: the default */
	char *bridge;  /* bridge on the host; wins over network */
};

struct fy_machine_system {
	char *id, *version, *pretty_name, *arch, *hostname;
	unsigned disk;
	char *volume;
};

struct fy_machine {
	char *name;
	enum fy_firmware firmware;
	bool secure_boot, tpm;
	char *uuid, *serial, *manufacturer, *product; /* SMBIOS system */
	char *arch;				      /* "x86_64" */
	char *cpu_vendor, *cpu_model;
	unsigned vcpus, sockets, cores, threads; /* cores per socket, threads
						    per core */
	uint64_t memory_bytes;
	enum fy_clock clock;
	char *graphics;
	struct fy_machine_disk *disks;
	size_t n_disks;
	struct fy_machine_nic *nics;
	size_t n_nics;
	struct fy_machine_system *systems;
	size_t n_systems;
	bool from_hardware; /* read from the machine itself, not from an image */
};

struct fy_machine *fy_machine_new(struct fy_error *err);
void fy_machine_free(struct fy_machine *m);
FY_DEFINE_AUTO(machine, struct fy_machine, fy_machine_free)

/* Grow by one zeroed element; NULL when out of memory. */
struct fy_machine_disk *fy_machine_add_disk(struct fy_machine *m,
					    struct fy_error *err);
struct fy_machine_nic *fy_machine_add_nic(struct fy_machine *m,
					  struct fy_error *err);
struct fy_machine_system *fy_machine_add_system(struct fy_machine *m,
						struct fy_error *err);

json_t *fy_machine_to_json(const struct fy_machine *m, struct fy_error *err);
/* From foreign JSON: types and ranges are checked (at most 64 disks, 256
 * NICs).  FY_E_FORMAT. */
int fy_machine_from_json(const json_t *j, struct fy_machine **ret,
			 struct fy_error *err);

#endif
