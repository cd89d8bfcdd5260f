/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The screens about the virtual machine: its shape, the images' format, and
 * the summary before the start.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/dialog.h"
#include "p2v-client/options.h"

enum { NAME, VCPUS, MEMORY, DIRECTORY, BRIDGE, NETWORK, FIELDS };

static const struct fy_ui_labels next_back = { .ok = "Next", .cancel = "Back" };

static bool
is_wired(const struct fy_machine_nic *n)
{
	return fy_streq(n->kind, "ethernet") &&
	       (n->permanent_mac != NULL || n->mac != NULL);
}

/* --network has MAC=NAME; a NAME for all is made of it. */
static int
set_network(struct fy_dialog *d, const char *name, struct fy_error *err)
{
	const struct fy_machine *m = d->inventory->machine;
	size_t i;

	/* Empty leaves what --network said. */
	if (name[0] == '\0' && d->network == NULL)
		return 0;
	fy_strings_release(&d->o->networks);
	if (fy_dialog_set(&d->network, name, err) == -1)
		return -1;
	if (d->network == NULL)
		return 0;
	for (i = 0; i < m->n_nics; i++) {
		const struct fy_machine_nic *n = &m->nics[i];
		fy_autofree char *word = NULL;

		if (!is_wired(n))
			continue;
		word = fy_format(err, "%s=%s",
				 n->permanent_mac != NULL ? n->permanent_mac
							  : n->mac,
				 name);
		if (word == NULL ||
		    fy_strings_add(&d->o->networks, word, err) == -1)
			return -1;
	}
	return 0;
}

static int
take_number(const char *text, const char *what, uint64_t min, uint64_t max,
	    uint64_t *ret, struct fy_error *wrong)
{
	uint64_t v;
	char *end;

	v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || v < min ||
	    v > max)
		return fy_error_set(wrong, FY_E_USAGE, 0,
				    "%s must be a whole number from %" PRIu64
				    " to %" PRIu64 ".",
				    what, min, max);
	*ret = v;
	return 0;
}

/* The fields into the options; -1 with 'wrong' when one is not right. */
static int
take_fields(struct fy_dialog *d, const struct fy_ui_field *f,
	    struct fy_error *wrong)
{
	struct fy_client_options *o = d->o;
	uint64_t vcpus, mib;

	if (fy_convert_check_name(f[NAME].value, wrong) == -1 ||
	    take_number(f[VCPUS].value, "The number of processors", 1, 288,
			&vcpus, wrong) == -1 ||
	    take_number(f[MEMORY].value, "The memory in MiB", 16,
			UINT64_C(1) << 26, &mib, wrong) == -1 ||
	    fy_dialog_set(&o->name, f[NAME].value, wrong) == -1 ||
	    fy_dialog_set(&o->to, f[DIRECTORY].value, wrong) == -1 ||
	    fy_dialog_set(&o->bridge, f[BRIDGE].value, wrong) == -1)
		return -1;
	/* Unchanged is exact: the machine's memory may not be whole MiB. */
	if (vcpus != d->inventory->machine->vcpus || o->vcpus != 0)
		o->vcpus = vcpus;
	if (mib != d->inventory->machine->memory_bytes / FY_MIB ||
	    o->memory_bytes != 0)
		o->memory_bytes = mib * FY_MIB;
	if (f[NETWORK].label != NULL)
		return set_network(d, f[NETWORK].value, wrong);
	return 0;
}

static char *
number_text(uint64_t v, struct fy_error *err)
{
	return fy_format(err, "%" PRIu64, v);
}

/* "a host name" to what may name a machine. */
static char *
propose_name(const struct fy_dialog *d, struct fy_error *err)
{
	const char *from = d->o->name;
	struct fy_error wrong = { 0 };

	if (from == NULL)
		from = d->inventory->machine->name;
	if (from == NULL || fy_convert_check_name(from, &wrong) == -1)
		from = "machine";
	return fy_format(err, "%s", from);
}

static int
fill_fields(const struct fy_dialog *d, struct fy_ui_field *f, size_t *ret_n,
	    struct fy_error *err)
{
	const struct fy_client_options *o = d->o;
	const struct fy_machine *m = d->inventory->machine;
	size_t i, n = NETWORK;

	f[NAME].value = propose_name(d, err);
	f[VCPUS].value = number_text(o->vcpus ? o->vcpus : m->vcpus, err);
	f[MEMORY].value = number_text(
		(o->memory_bytes ? o->memory_bytes : m->memory_bytes) / FY_MIB,
		err);
	f[DIRECTORY].value = fy_format(err, "%s", o->to ? o->to : "");
	f[BRIDGE].value = fy_format(err, "%s", o->bridge ? o->bridge : "");
	for (i = 0; i < m->n_nics; i++)
		if (is_wired(&m->nics[i]))
			n = FIELDS;
	if (n == FIELDS) {
		f[NETWORK].label = "libvirt network";
		f[NETWORK].value =
			fy_format(err, "%s", d->network ? d->network : "");
	}
	*ret_n = n;
	for (i = 0; i < n; i++)
		if (f[i].value == NULL)
			return -1;
	return 0;
}

enum fy_move
fy_dialog_shape(struct fy_dialog *d, struct fy_error *err)
{
	struct fy_ui_field f[FIELDS] = {
		{ "Name", NULL, 100 },
		{ "Processors", NULL, 5 },
		{ "Memory (MiB)", NULL, 9 },
		{ "Directory on the server", NULL, 200 },
		{ "Bridge on the host", NULL, 15 },
		{ NULL, NULL, 60 },
	};
	struct fy_error wrong = { 0 };
	enum fy_ui_answer answer = FY_UI_FAILED;
	enum fy_move move;
	size_t i, n = 0;

	if (fill_fields(d, f, &n, err) == 0)
		answer = fy_ui_form(
			&d->ui, "The virtual machine",
			"Directory empty: where the server keeps machines.\n"
			"Bridge and network empty: libvirt's network "
			"\"default\".",
			f, n, &next_back, err);
	if (answer != FY_UI_OK)
		move = fy_dialog_move(d, answer, err);
	else if (take_fields(d, f, &wrong) == -1)
		move = fy_dialog_tell(d, "The virtual machine", &wrong, err);
	else
		move = FY_MOVE_NEXT;
	for (i = 0; i < n; i++)
		free(f[i].value);
	return move;
}

enum fy_move
fy_dialog_format(struct fy_dialog *d, struct fy_error *err)
{
	static const struct fy_ui_item items[] = {
		{ "qcow2", "grows as needed; the usual choice", NULL, false },
		{ "qcow2-zstd", "compressed; smaller, for QEMU 5.1 and later",
		  NULL, false },
		{ "raw", "a plain sparse file", NULL, false },
	};
	struct fy_client_options *o = d->o;
	enum fy_ui_answer answer;
	size_t choice = o->format == 1 ? 2 : o->compressed != NULL;

	/* Another one was asked for on the command line. */
	if (o->format > 1)
		return d->going_back ? FY_MOVE_BACK : FY_MOVE_NEXT;
	answer = fy_ui_menu(&d->ui, "Images",
			    "In which format shall the disks be written?",
			    items, 3, &next_back, &choice, err);
	if (answer != FY_UI_OK)
		return fy_dialog_move(d, answer, err);
	o->format = choice == 2;
	if (choice != 1 || o->compressed == NULL)
		if (fy_dialog_set(&o->compressed, choice == 1 ? "zstd" : NULL,
				  err) == -1)
			return FY_MOVE_FAILED;
	return FY_MOVE_NEXT;
}

/* A line for each disk. */
static char *
disk_lines(const struct fy_dialog *d, uint64_t *ret_used, struct fy_error *err)
{
	const struct fy_machine *m = d->inventory->machine;
	char *lines = strdup("");
	size_t i, j;

	*ret_used = 0;
	for (i = 0; lines != NULL && i < d->o->disks.n; i++) {
		for (j = 0; lines != NULL && j < m->n_disks; j++) {
			char size[32], used[32];
			char *more;

			if (strcmp(m->disks[j].path, d->o->disks.items[i]) != 0)
				continue;
			*ret_used += m->disks[j].used_bytes;
			fy_format_bytes(m->disks[j].size_bytes, size,
					sizeof(size));
			fy_format_bytes(m->disks[j].used_bytes, used,
					sizeof(used));
			more = fy_format(err, "%s  %s (%s, %s used)\n", lines,
					 m->disks[j].path, size, used);
			free(lines);
			lines = more;
		}
	}
	return lines;
}

enum fy_move
fy_dialog_summary(struct fy_dialog *d, struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Start",
						    .cancel = "Back" };
	const struct fy_client_options *o = d->o;
	const struct fy_machine *m = d->inventory->machine;
	fy_autofree char *disks = NULL, *text = NULL;
	const char *network = "libvirt's \"default\"";
	uint64_t used;
	char total[32];

	disks = disk_lines(d, &used, err);
	if (disks == NULL)
		return FY_MOVE_FAILED;
	fy_format_bytes(used, total, sizeof(total));
	if (d->network != NULL)
		network = d->network;
	else if (o->networks.n > 0)
		network = o->networks.items[0];
	text = fy_format(
		err,
		"Server:      %s%s%s\n"
		"Name:        %s\n"
		"Shape:       %" PRIu64 " processors, %" PRIu64 " MiB, %s\n"
		"Images:      %s%s\n"
		"Network:     %s%s\n"
		"Drivers:     %s\n"
		"Disks, the boot disk first:\n%s\n"
		"%s will be read and sent. Start?",
		o->server, o->to ? ", directory " : "", o->to ? o->to : "",
		o->name, o->vcpus ? o->vcpus : m->vcpus,
		(o->memory_bytes ? o->memory_bytes : m->memory_bytes) / FY_MIB,
		m->firmware == FY_FIRMWARE_UEFI ? "UEFI" : "BIOS",
		fy_client_formats[o->format],
		o->compressed ? ", compressed" : "", o->bridge ? "bridge " : "",
		o->bridge ? o->bridge : network,
		o->no_inject ? "not installed (--no-inject)"
			     : "virtio is installed",
		disks, total);
	if (text == NULL)
		return FY_MOVE_FAILED;
	return fy_dialog_move(
		d, fy_ui_question(&d->ui, "Summary", text, &labels, err), err);
}
