/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables of machine.json: each member of each struct once.
 */
#include "common/machine-members.h"

#include "common/machine.h"

#define MAX_DISKS     64
#define MAX_NICS      256
#define MAX_SYSTEMS   64
#define MAX_NAMES     64
#define MAX_VOLUMES   4096
#define MAX_BYTES     (UINT64_C(1) << 60)
#define MAX_MEMORY    (UINT64_C(1) << 50)
#define MAX_PROCESSOR 8192
#define MAX_MODULES   1024
#define MAX_CONTROLS  256
#define MAX_LINKS     512

static const char *const firmware_words[] = { "unknown", "bios", "uefi", NULL };
static const char *const clock_words[] = { "utc", "localtime", NULL };
static const char *const health_words[] = { "", "good", "suspect", "failing",
					    NULL };

#define A(m) offsetof(struct fy_machine_smart, m)
#define D(m) offsetof(struct fy_machine_disk, m)
#define N(m) offsetof(struct fy_machine_nic, m)
#define I(m) offsetof(struct fy_machine_interface, m)
#define S(m) offsetof(struct fy_machine_system, m)
#define O(m) offsetof(struct fy_machine_module, m)
#define C(m) offsetof(struct fy_machine_controller, m)
#define M(m) offsetof(struct fy_machine, m)

#define T_(F, m)                                                               \
	{                                                                      \
		.name = #m, .type = TEXT, .offset = F(m)                       \
	}
#define N64_(F, m, top)                                                        \
	{                                                                      \
#m, NUMBER64, F(m), top, .words = NULL                         \
	}
#define N32_(F, m, top)                                                        \
	{                                                                      \
#m, NUMBER32, F(m), top, .words = NULL                         \
	}
#define CNT_(F, m)                                                             \
	{                                                                      \
		.name = #m, .type = COUNT64, .offset = F(m)                    \
	}
#define B_(F, m)                                                               \
	{                                                                      \
		.name = #m, .type = BOOL, .offset = F(m)                       \
	}
#define K_(F, m)                                                               \
	{                                                                      \
		.name = #m, .type = KNOWN, .offset = F(m)                      \
	}
#define W_(F, m, list)                                                         \
	{                                                                      \
#m, WORD, F(m), .words = list                                  \
	}
#define TS_(F, m, top)                                                         \
	{                                                                      \
#m, TEXTS, F(m), top, F(n_##m), .words = NULL                  \
	}
#define MANY_(F, m, top, table, type, all)                                     \
	{                                                                      \
#m, MANY, F(m), top, F(n_##m), NULL, table, sizeof(type), all  \
	}
#define END_                                                                   \
	{                                                                      \
		.name = NULL                                                   \
	}

/* clang-format off */
const struct fy_member fy_machine_smart_members[] = {
	K_(A, passed),
	CNT_(A, reallocated_sectors),
	CNT_(A, pending_sectors),
	CNT_(A, uncorrectable_sectors),
	CNT_(A, media_errors),
	CNT_(A, critical_warning),
	CNT_(A, percentage_used),
	CNT_(A, available_spare),
	CNT_(A, temperature_celsius),
	CNT_(A, power_on_hours),
	END_
};

static const struct fy_member disk_members[] = {
	T_(D, path),
	T_(D, vendor),
	T_(D, model),
	T_(D, revision),
	T_(D, serial),
	T_(D, wwn),
	T_(D, bus),
	N64_(D, size_bytes, MAX_BYTES),
	N64_(D, used_bytes, MAX_BYTES),
	N32_(D, sector_bytes, 65536),
	N32_(D, physical_sector_bytes, UINT32_C(1) << 24),
	K_(D, rotational),
	K_(D, removable),
	T_(D, controller),
	K_(D, hardware_raid),
	T_(D, raid_level),
	TS_(D, paths, MAX_NAMES),
	W_(D, health, health_words),
	TS_(D, health_reasons, MAX_NAMES),
	{ "smart", ONE, D(smart), .sub = fy_machine_smart_members,
	  .size = sizeof(struct fy_machine_smart) },
	T_(D, table),
	T_(D, table_uuid),
	B_(D, boot),
	{ "volumes", LIST, D(volumes), MAX_VOLUMES, .words = NULL },
	T_(D, image),
	T_(D, format),
	END_
};

static const struct fy_member nic_members[] = {
	T_(N, name),
	T_(N, kind),
	T_(N, mac),
	T_(N, permanent_mac),
	T_(N, driver),
	T_(N, firmware),
	T_(N, pci),
	T_(N, pci_id),
	T_(N, model),
	TS_(N, names, MAX_NAMES),
	TS_(N, addresses, MAX_NAMES),
	T_(N, master),
	T_(N, parent),
	N32_(N, vlan, 4094),
	N64_(N, speed_mbit, 100000000),
	B_(N, link),
	T_(N, network),
	T_(N, bridge),
	END_
};

static const struct fy_member interface_members[] = {
	T_(I, name),
	T_(I, kind),
	T_(I, mac),
	T_(I, nic),
	T_(I, master),
	T_(I, parent),
	N32_(I, vlan, 4094),
	K_(I, dhcp),
	TS_(I, addresses, MAX_NAMES),
	END_
};

static const struct fy_member system_members[] = {
	T_(S, id),
	T_(S, version),
	T_(S, pretty_name),
	T_(S, arch),
	T_(S, hostname),
	T_(S, kernel),
	{ "disk", NUMBER32, S(disk), MAX_DISKS - 1, .always = true },
	T_(S, volume),
	MANY_(S, interfaces, MAX_LINKS, interface_members,
	      struct fy_machine_interface, false),
	END_
};

static const struct fy_member module_members[] = {
	T_(O, locator),
	T_(O, bank),
	N64_(O, size_bytes, MAX_MEMORY),
	T_(O, type),
	N32_(O, speed_mts, 1000000),
	N32_(O, configured_mts, 1000000),
	T_(O, manufacturer),
	T_(O, part),
	T_(O, serial),
	END_
};

static const struct fy_member controller_members[] = {
	T_(C, pci),
	T_(C, pci_id),
	T_(C, subsystem_id),
	T_(C, kind),
	T_(C, model),
	T_(C, driver),
	END_
};

const struct fy_member fy_machine_members[] = {
	T_(M, name),
	B_(M, from_hardware),
	W_(M, firmware, firmware_words),
	B_(M, secure_boot),
	B_(M, tpm),
	T_(M, tpm_version),
	T_(M, uuid),
	T_(M, serial),
	T_(M, manufacturer),
	T_(M, product),
	T_(M, version),
	T_(M, family),
	T_(M, sku),
	T_(M, board_manufacturer),
	T_(M, board_product),
	T_(M, board_version),
	T_(M, board_serial),
	T_(M, chassis_type),
	T_(M, chassis_serial),
	T_(M, asset_tag),
	T_(M, bios_vendor),
	T_(M, bios_version),
	T_(M, bios_date),
	T_(M, arch),
	T_(M, cpu_vendor),
	T_(M, cpu_model),
	N32_(M, vcpus, MAX_PROCESSOR),
	N32_(M, sockets, MAX_PROCESSOR),
	N32_(M, cores, MAX_PROCESSOR),
	N32_(M, threads, MAX_PROCESSOR),
	N64_(M, memory_bytes, MAX_MEMORY),
	N32_(M, memory_slots, MAX_MODULES),
	MANY_(M, memory_modules, MAX_MODULES, module_members,
	      struct fy_machine_module, false),
	W_(M, clock, clock_words),
	T_(M, time_zone),
	T_(M, graphics),
	MANY_(M, controllers, MAX_CONTROLS, controller_members,
	      struct fy_machine_controller, false),
	MANY_(M, disks, MAX_DISKS, disk_members, struct fy_machine_disk, true),
	MANY_(M, nics, MAX_NICS, nic_members, struct fy_machine_nic, true),
	MANY_(M, systems, MAX_SYSTEMS, system_members,
	      struct fy_machine_system, true),
	END_
};
/* clang-format on */
