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
/* For what may be unknown; in JSON true, false or left out. */
enum fy_tristate { FY_UNKNOWN, FY_NO, FY_YES };

/*
 * "suspect": it works and says so, but has lost sectors or is worn out;
 * "failing": it says itself that it fails or is no longer reliable.
 */
enum fy_health {
	FY_HEALTH_UNKNOWN,
	FY_HEALTH_GOOD,
	FY_HEALTH_SUSPECT,
	FY_HEALTH_FAILING,
};

/* What a disk counts itself (SMART).  -1: it does not say. */
struct fy_machine_smart {
	enum fy_tristate passed; /* its own verdict */
	int64_t reallocated_sectors, pending_sectors, uncorrectable_sectors;
	int64_t media_errors;
	int64_t critical_warning; /* NVMe's bits */
	int64_t percentage_used;
	int64_t available_spare; /* percent */
	int64_t temperature_celsius;
	int64_t power_on_hours;
};

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
	char *vendor, *revision; /* revision: of its firmware */
	enum fy_tristate rotational, removable;
	char *controller;		/* PCI address of what it hangs on */
	enum fy_tristate hardware_raid; /* a volume that a controller makes */
	char *raid_level;		/* as the driver says: "RAID-1" */
	char **paths; /* all of them, when there are several */
	size_t n_paths;
	enum fy_health health;
	char **health_reasons; /* for people; suspect and failing have some */
	size_t n_health_reasons;
	struct fy_machine_smart *smart; /* NULL: not asked, or no answer */
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
	char *pci_id;  /* "8086:1521" */
	char *model;   /* in words */
	char *firmware;
};

/* A network interface in the configuration of a system that was found. */
struct fy_machine_interface {
	char *name;
	char *kind;   /* as of a NIC: "ethernet", "bond", ... */
	char *mac;    /* of the NIC that it is on this machine */
	char *nic;    /* that NIC's present name */
	char *master; /* bond or bridge that it belongs to */
	char *parent; /* of a VLAN */
	unsigned vlan;
	enum fy_tristate dhcp;
	char **addresses;
	size_t n_addresses;
};

struct fy_machine_system {
	char *id, *version, *pretty_name, *arch, *hostname;
	char *kernel; /* the newest one's version */
	unsigned disk;
	char *volume;
	struct fy_machine_interface *interfaces;
	size_t n_interfaces;
};

struct fy_machine_module { /* of memory, SMBIOS type 17 */
	uint64_t size_bytes;
	char *locator, *bank, *type; /* "DIMM_A1", "BANK 0", "DDR4" */
	char *manufacturer, *part, *serial;
	unsigned speed_mts, configured_mts;
};

struct fy_machine_controller { /* of storage, on PCI */
	char *pci, *pci_id;    /* "0000:02:00.0", "1000:005d" */
	char *kind;	       /* "raid", "sas", "sata", "nvme", ... */
	char *model, *driver;
	char *subsystem_id;
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
	char *time_zone; /* of the clock's local time: "Europe/Berlin" */
	char *graphics;
	struct fy_machine_disk *disks;
	size_t n_disks;
	struct fy_machine_nic *nics;
	size_t n_nics;
	struct fy_machine_system *systems;
	size_t n_systems;
	char *tpm_version;	      /* "1.2", "2.0" */
	char *version, *family, *sku; /* SMBIOS system, too */
	char *board_manufacturer, *board_product, *board_version, *board_serial;
	char *chassis_type, *chassis_serial, *asset_tag;
	char *bios_vendor, *bios_version, *bios_date;
	unsigned memory_slots; /* filled and empty */
	struct fy_machine_module *memory_modules;
	size_t n_memory_modules;
	struct fy_machine_controller *controllers;
	size_t n_controllers;
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
struct fy_machine_module *fy_machine_add_module(struct fy_machine *m,
						struct fy_error *err);
struct fy_machine_controller *fy_machine_add_controller(struct fy_machine *m,
							struct fy_error *err);
struct fy_machine_interface *fy_machine_add_interface(
	struct fy_machine_system *s, struct fy_error *err);
/* Grow a list of texts by a copy, unless it is in it. */
int fy_machine_add_text(char ***items, size_t *n, const char *text,
			struct fy_error *err);
/* All unknown. */
struct fy_machine_smart *fy_machine_smart_new(struct fy_error *err);

/* Texts of hardware and disks hold any bytes: make all of them valid UTF-8
 * without control characters and of bearable length. */
void fy_machine_clean(struct fy_machine *m);

json_t *fy_machine_to_json(const struct fy_machine *m, struct fy_error *err);
/* From foreign JSON: types and ranges are checked (at most 64 disks, 256
 * NICs).  FY_E_FORMAT. */
int fy_machine_from_json(const json_t *j, struct fy_machine **ret,
			 struct fy_error *err);

#endif
