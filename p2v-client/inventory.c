/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `p2v-client inventory`: the machine for people, or as machine.json.
 */
#include "p2v-client/inventory.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "p2v-client/client.h"

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
		fy_inventory_print(inv);
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
