/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `p2v-client inventory`: the machine for people, or as machine.json.
 */
#include "p2v-client/inventory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/json.h"
#include "p2v-client/client.h"

static const char *
shown(const char *s)
{
	return s == NULL || s[0] == '\0' ? "-" : s;
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
print_hardware(const struct fy_machine *m)
{
	static const char *const firmware[] = { "unknown", "BIOS", "UEFI" };

	print_pair("Machine", m->manufacturer, m->product);
	print_pair("Serial", m->serial, NULL);
	print_pair("UUID", m->uuid, NULL);
	printf("%-12s%s%s%s\n", "Firmware", firmware[m->firmware],
	       m->secure_boot ? ", Secure Boot" : "", m->tpm ? ", TPM" : "");
	print_pair("Processor", m->cpu_model, NULL);
	printf("%-12s%u", "Processors", m->vcpus);
	if (m->sockets > 0)
		printf(" (%u sockets, %u cores each, %u threads each)",
		       m->sockets, m->cores, m->threads);
	printf("\n%-12s%" PRIu64 " MiB\n", "Memory", m->memory_bytes / FY_MIB);
	printf("%-12s%s\n", "Clock",
	       m->clock == FY_CLOCK_LOCALTIME ? "local time" : "UTC");
	print_pair("Graphics", m->graphics, NULL);
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
	printf("    model %s, serial %s, WWN %s, bus %s\n", shown(d->model),
	       shown(d->serial), shown(d->wwn), shown(d->bus));
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
	if (n->driver != NULL || n->pci != NULL)
		printf("    driver %s, PCI %s\n", shown(n->driver),
		       shown(n->pci));
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
print_systems(const struct fy_machine *m)
{
	size_t i;

	for (i = 0; i < m->n_systems; i++) {
		const struct fy_machine_system *s = &m->systems[i];

		printf("\nSystem %s  %s, host name %s, on %s of %s\n",
		       shown(s->pretty_name), shown(s->arch),
		       shown(s->hostname), shown(s->volume),
		       s->disk < m->n_disks ? m->disks[s->disk].path : "?");
	}
}

static void
print_inventory(const struct fy_inventory *inv)
{
	const struct fy_machine *m = inv->machine;
	size_t i;

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

static int
print_json(const struct fy_machine *m, struct fy_error *err)
{
	fy_autojson json_t *j = fy_machine_to_json(m, err);
	fy_autofree char *text = NULL;

	if (j == NULL)
		return -1;
	text = fy_json_text(j, 2, err);
	if (text == NULL)
		return -1;
	puts(text);
	return 0;
}

static int
show(const struct fy_client_options *o, struct fy_log *log,
     struct fy_error *err)
{
	FY_AUTO(inventory) struct fy_inventory *inv = NULL;
	struct fy_inventory_options options = {
		.disks = (const char *const *)o->disks.items,
		.n_disks = o->disks.n,
		.read_disks = true,
		.allow_dirty = o->allow_dirty,
		.log = log,
		.stop = &fy_client_stop,
	};

	if (fy_inventory_read(&options, &inv, err) == -1)
		return -1;
	if (o->memory_bytes > 0)
		inv->machine->memory_bytes = o->memory_bytes;
	if (o->vcpus > 0)
		inv->machine->vcpus = (unsigned)o->vcpus;
	if (o->json) {
		if (print_json(inv->machine, err) == -1)
			return -1;
	} else {
		print_inventory(inv);
	}
	if (fflush(stdout) == EOF || ferror(stdout))
		return fy_error_set(err, FY_E_IO, 0, "cannot write the output");
	return 0;
}

int
fy_client_inventory(const struct fy_command *command, void *options,
		    const struct fy_strings *arguments)
{
	static char program[] = "p2v-client";
	const struct fy_client_options *o = options;
	struct fy_error err = { 0 };
	struct fy_log *log;
	int r;

	(void)command;
	(void)arguments;
	log = fy_log_new(o->debug   ? FY_LOG_DEBUG
			 : o->quiet ? FY_LOG_ERROR
				    : FY_LOG_WARN,
			 fy_log_to_stderr, program, &err);
	r = log == NULL ? -1 : show(o, log, &err);
	fy_log_free(log);
	if (r == -1)
		fprintf(stderr, "p2v-client: %s\n", err.msg);
	return fy_error_exit_status(err.code);
}
