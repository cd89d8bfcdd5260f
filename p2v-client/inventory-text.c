/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inventory for people.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/json.h"
#include "common/options.h"
#include "p2v-client/health.h"
#include "p2v-client/inventory.h"

static const char *
shown(const char *s)
{
	return s == NULL || s[0] == '\0' ? "-" : s;
}

static const char *
word(const char *s)
{
	return s == NULL ? "" : s;
}

/* "a", "a b" without what is not known. */
static void
print_pair(const char *title, const char *a, const char *b)
{
	if (a == NULL && b == NULL)
		return;
	printf("%-12s%s%s%s\n", title, a == NULL ? "" : a,
	       a != NULL && b != NULL ? " " : "", b == NULL ? "" : b);
}

static void
print_modules(const struct fy_machine *m)
{
	size_t i;

	if (m->n_memory_modules == 0)
		return;
	printf("%-12s%zu modules in %u slots\n", "", m->n_memory_modules,
	       m->memory_slots);
	for (i = 0; i < m->n_memory_modules; i++) {
		const struct fy_machine_module *o = &m->memory_modules[i];

		printf("    %-16s %8" PRIu64 " MiB  %s", shown(o->locator),
		       o->size_bytes / FY_MIB, shown(o->type));
		if (o->configured_mts > 0 || o->speed_mts > 0)
			printf("  %u MT/s", o->configured_mts > 0
						    ? o->configured_mts
						    : o->speed_mts);
		printf("  %s %s\n", word(o->manufacturer), word(o->part));
	}
}

static void
print_controllers(const struct fy_machine *m)
{
	size_t i;

	for (i = 0; i < m->n_controllers; i++) {
		const struct fy_machine_controller *c = &m->controllers[i];

		printf("%-12s%s %s, %s, driver %s\n", i == 0 ? "Storage" : "",
		       c->pci, c->kind,
		       c->model != NULL ? c->model : shown(c->pci_id),
		       shown(c->driver));
	}
}

static void
print_hardware(const struct fy_machine *m)
{
	static const char *const firmware[] = { "unknown", "BIOS", "UEFI" };

	print_pair("Machine", m->manufacturer, m->product);
	print_pair("Serial", m->serial, NULL);
	print_pair("Asset tag", m->asset_tag, NULL);
	print_pair("Board", m->board_manufacturer, m->board_product);
	print_pair("Chassis", m->chassis_type, m->chassis_serial);
	if (m->bios_version != NULL)
		printf("%-12s%s%s%s%s%s\n", "BIOS", word(m->bios_vendor),
		       m->bios_vendor == NULL ? "" : " ", m->bios_version,
		       m->bios_date == NULL ? "" : ", ", word(m->bios_date));
	print_pair("UUID", m->uuid, NULL);
	printf("%-12s%s%s%s%s%s\n", "Firmware", firmware[m->firmware],
	       m->secure_boot ? ", Secure Boot" : "", m->tpm ? ", TPM" : "",
	       m->tpm_version == NULL ? "" : " ", word(m->tpm_version));
	print_pair("Processor", m->cpu_model, NULL);
	printf("%-12s%u", "Processors", m->vcpus);
	if (m->sockets > 0)
		printf(" (%u sockets, %u cores each, %u threads each)",
		       m->sockets, m->cores, m->threads);
	printf("\n%-12s%" PRIu64 " MiB\n", "Memory", m->memory_bytes / FY_MIB);
	print_modules(m);
	printf("%-12s%s\n", "Clock",
	       m->clock == FY_CLOCK_LOCALTIME ? "local time" : "UTC");
	print_pair("Graphics", m->graphics, NULL);
	print_controllers(m);
}

static void
print_volumes(const json_t *volumes)
{
	char length[32], used[32];
	const json_t *v;
	size_t i;

	if (json_array_size(volumes) > 0)
		printf("    %-6s %10s %10s  %-12s %-8s %s\n", "VOLUME", "SIZE",
		       "USED", "FILESYSTEM", "COPIED", "NOTE");
	json_array_foreach(volumes, i, v)
	{
		fy_format_bytes(fy_json_u64_or(v, "length", 0), length,
				sizeof(length));
		fy_format_bytes(fy_json_u64_or(v, "used_bytes", 0), used,
				sizeof(used));
		printf("    %-6s %10s %10s  %-12s %-8s %s\n",
		       fy_json_string_or(v, "path", "?"), length, used,
		       fy_json_string_or(v, "filesystem", "-"),
		       fy_json_string_or(v, "how", "-"),
		       fy_json_string_or(v, "note", ""));
	}
}

static void
print_health(const struct fy_machine_disk *d)
{
	static const char *const words[] = { "not known", "good", "SUSPECT",
					     "FAILING" };
	const struct fy_machine_smart *s = d->smart;
	size_t i;

	printf("    health %s", words[d->health]);
	for (i = 0; i < d->n_health_reasons; i++)
		printf("%s %s", i == 0 ? ":" : ",", d->health_reasons[i]);
	if (s != NULL && s->percentage_used >= 0)
		printf("; %" PRId64 "%% of its life used", s->percentage_used);
	if (s != NULL && s->temperature_celsius >= 0)
		printf("; %" PRId64 " degrees Celsius", s->temperature_celsius);
	if (s != NULL && s->power_on_hours >= 0)
		printf("; on for %" PRId64 " hours", s->power_on_hours);
	printf("\n");
}

/* What it hangs on, and by which ways. */
static void
print_way(const struct fy_machine_disk *d)
{
	size_t i;

	if (d->controller != NULL || d->hardware_raid == FY_YES)
		printf("    controller %s%s%s%s\n", shown(d->controller),
		       d->hardware_raid == FY_YES ? ", a volume of its RAID"
						  : "",
		       d->raid_level == NULL ? "" : ", ", word(d->raid_level));
	for (i = 0; i < d->n_paths; i++)
		printf("%s%s%s", i == 0 ? "    paths " : ", ", d->paths[i],
		       i + 1 == d->n_paths ? "\n" : "");
}

static void
print_disk(const struct fy_machine_disk *d,
	   const struct fy_inventory_disk *extra)
{
	char size[32], used[32];
	size_t i;

	fy_format_bytes(d->size_bytes, size, sizeof(size));
	fy_format_bytes(d->used_bytes, used, sizeof(used));
	printf("\nDisk %s  %s, %s used, %u-byte sectors, table: %s%s%s\n",
	       d->path, size, used, d->sector_bytes, shown(d->table),
	       d->boot ? ", boot disk" : "",
	       extra->removable ? ", removable" : "");
	printf("    model %s, serial %s, WWN %s, bus %s%s\n", shown(d->model),
	       shown(d->serial), shown(d->wwn), shown(d->bus),
	       d->rotational == FY_YES	? ", rotating"
	       : d->rotational == FY_NO ? ", not rotating"
					: "");
	print_way(d);
	if (extra->kernel_name != NULL)
		print_health(d);
	if (extra->in_use != NULL)
		printf("    IN USE: %s\n", extra->in_use);
	if (extra->problem != NULL)
		printf("    PROBLEM: %s\n", extra->problem);
	for (i = 0; i < extra->n_notes; i++)
		printf("    note: %s\n", extra->notes[i]);
	print_volumes(d->volumes);
}

static void
print_nic(const struct fy_machine_nic *n)
{
	size_t i;

	printf("\nNetwork %s  %s, MAC %s", n->name, shown(n->kind),
	       shown(n->mac));
	if (n->permanent_mac != NULL && !fy_streq(n->permanent_mac, n->mac))
		printf(" (permanent %s)", n->permanent_mac);
	printf(", link %s", n->link ? "up" : "down");
	if (n->speed_mbit > 0)
		printf(", %" PRIu64 " Mb/s", n->speed_mbit);
	printf("\n");
	if (n->model != NULL || n->pci_id != NULL)
		printf("    %s\n", n->model != NULL ? n->model : n->pci_id);
	if (n->driver != NULL || n->pci != NULL)
		printf("    driver %s, PCI %s%s%s\n", shown(n->driver),
		       shown(n->pci), n->firmware == NULL ? "" : ", firmware ",
		       word(n->firmware));
	if (n->master != NULL)
		printf("    member of %s\n", n->master);
	if (n->parent != NULL)
		printf("    VLAN %u on %s\n", n->vlan, n->parent);
	for (i = 0; i < n->n_names; i++)
		printf("%s%s%s", i == 0 ? "    names " : ", ", n->names[i],
		       i + 1 == n->n_names ? "\n" : "");
	for (i = 0; i < n->n_addresses; i++)
		printf("%s%s%s", i == 0 ? "    addresses " : ", ",
		       n->addresses[i], i + 1 == n->n_addresses ? "\n" : "");
}

static void
print_interface(const struct fy_machine_interface *f)
{
	size_t i;

	printf("    interface %s", f->name);
	if (f->kind != NULL && strcmp(f->kind, "ethernet") != 0)
		printf(", %s", f->kind);
	if (f->vlan > 0)
		printf(" %u", f->vlan);
	if (f->parent != NULL)
		printf(" on %s", f->parent);
	if (f->nic != NULL)
		printf(", is %s here", f->nic);
	if (f->mac != NULL)
		printf(", MAC %s", f->mac);
	if (f->master != NULL)
		printf(", member of %s", f->master);
	if (f->dhcp == FY_YES)
		printf(", DHCP");
	for (i = 0; i < f->n_addresses; i++)
		printf(", %s", f->addresses[i]);
	if (fy_streq(f->kind, "ethernet") && f->mac == NULL)
		printf(", its NIC is not known");
	printf("\n");
}

static void
print_systems(const struct fy_machine *m)
{
	size_t i, k;

	for (i = 0; i < m->n_systems; i++) {
		const struct fy_machine_system *s = &m->systems[i];

		printf("\nSystem %s  %s, host name %s, on %s of %s\n",
		       shown(s->pretty_name), shown(s->arch),
		       shown(s->hostname), shown(s->volume),
		       s->disk < m->n_disks ? m->disks[s->disk].path : "?");
		for (k = 0; k < s->n_interfaces; k++)
			print_interface(&s->interfaces[k]);
	}
}

/* First of all: what may be lost soon. */
static void
print_warnings(const struct fy_machine *m)
{
	size_t i;
	int level;

	for (level = FY_HEALTH_FAILING; level >= FY_HEALTH_SUSPECT; level--)
		for (i = 0; i < m->n_disks; i++) {
			struct fy_error err = { 0 };
			fy_autofree char *text = NULL;

			if ((int)m->disks[i].health == level)
				text = fy_health_warning(&m->disks[i], &err);
			if (text != NULL)
				printf("WARNING: %s\n", text);
		}
}

void
fy_inventory_print(const struct fy_inventory *inv)
{
	const struct fy_machine *m = inv->machine;
	size_t i;

	print_warnings(m);
	if (m->from_hardware)
		print_hardware(m);
	else
		printf("Image files: the hardware they came from is not "
		       "known; firmware by the first disk: %s\n",
		       m->firmware == FY_FIRMWARE_UEFI ? "UEFI" : "BIOS");
	for (i = 0; i < m->n_disks; i++)
		print_disk(&m->disks[i], &inv->disks[i]);
	for (i = 0; i < m->n_nics; i++)
		print_nic(&m->nics[i]);
	print_systems(m);
}
