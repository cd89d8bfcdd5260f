/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job "inventory": the client's machine.json is kept as NAME.machine.json.
 *
 * There are no disks, so there is no READY: the answer to JOB is DONE.  What is
 * written is what was understood, not what was sent.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/session.h"

#define MAX_TO 4095u

bool
fy_session_is_inventory(const json_t *job)
{
	return fy_streq(fy_json_string_or(job, "action", NULL), "inventory");
}

static int
check_text(const char *to, struct fy_error *err)
{
	const char *p;

	if (strlen(to) > MAX_TO)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the job's 'to' is too long");
	for (p = to; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the job's 'to' has control "
					    "characters");
	return 0;
}

static int
keep(struct fy_session *s, const char *name, const char *to, bool force,
     const json_t *machine, char **ret_path, struct fy_error *err)
{
	fy_autofree char *dir = NULL, *file = NULL;
	fy_autofd int fd = -1;

	file = fy_format(err, "%s.machine.json", name);
	if (file == NULL || fy_role_open_dir(s->role, to, &fd, &dir, err) == -1)
		return -1;
	if (!force && fy_jobdir_has(fd, file))
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "'%s/%s' is there already; give --force to "
				    "replace it, or another --name",
				    dir, file);
	if (fy_json_write_at(fd, file, machine, err) == -1)
		return fy_error_prefix(err, "%s/%s", dir, file);
	*ret_path = fy_format(err, "%s/%s", dir, file);
	return *ret_path == NULL ? -1 : 0;
}

int
fy_session_inventory(struct fy_session *s, const json_t *job,
		     struct fy_error *err)
{
	const char *name = fy_json_string_or(job, "name", "");
	const char *to = fy_json_string_or(job, "to", ".");
	bool force = fy_json_bool_or(job, "force", false);
	FY_AUTO(machine) struct fy_machine *machine = NULL;
	fy_autojson json_t *json = NULL;
	fy_autojson json_t *done = NULL;
	fy_autofree char *path = NULL, *text = NULL;

	if (!fy_name_is_valid(name))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.100s' is not a name", name);
	if (check_text(to, err) == -1 ||
	    fy_role_check(s->role, "inventory", name, force, err) == -1)
		return -1;
	if (fy_machine_from_json(json_object_get(job, "machine"), &machine,
				 err) == -1)
		return fy_error_prefix(err, "the job's 'machine'");
	json = fy_machine_to_json(machine, err);
	if (json == NULL || keep(s, name, to, force, json, &path, err) == -1)
		return -1;
	text = fy_json_text(json, 2, err);
	if (text == NULL)
		return -1;
	done = json_pack("{s:s, s:[s], s:I, s:O, s:n, s:n}", "result", "done",
			 "files", path, "stored_bytes",
			 (json_int_t)strlen(text) + 1, "warnings", s->warnings,
			 "report", "xml");
	if (done == NULL)
		return fy_error_nomem(err);
	return fy_link_send_json(&s->link, FY_WIRE_DONE, done, err);
}
