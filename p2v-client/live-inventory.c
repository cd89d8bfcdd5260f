/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine.json to the server: the protocol's job "inventory".
 */
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/json.h"
#include "p2v-client/live.h"
#include "p2v-client/peer.h"

static json_t *
make_job(const struct fy_machine *m, const char *name, const char *to,
	 bool force, struct fy_error *err)
{
	fy_autojson json_t *machine = fy_machine_to_json(m, err);
	json_t *job;

	if (machine == NULL)
		return NULL;
	job = json_pack("{s:s, s:s, s:s, s:b, s:O}", "action", "inventory",
			"name", name, "to", to != NULL ? to : ".", "force",
			(int)force, "machine", machine);
	if (job == NULL)
		fy_error_nomem(err);
	return job;
}

static int
send_job(struct fy_peer *peer, const json_t *job, char **ret_path,
	 struct fy_error *err)
{
	fy_autojson json_t *done = NULL;
	const char *path;

	if (fy_peer_job(peer, job, NULL, 0, err) == -1)
		return -1;
	if (!fy_peer_is_finished(peer))
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the server answered the inventory with a "
				    "job of disks");
	if (fy_peer_finish(peer, 0, &done, err) == -1)
		return -1;
	path = json_string_value(
		json_array_get(json_object_get(done, "files"), 0));
	if (ret_path == NULL)
		return 0;
	*ret_path = fy_format(err, "%s", path != NULL ? path : "?");
	return *ret_path == NULL ? -1 : 0;
}

int
fy_live_send_inventory(const struct fy_server_options *server,
		       const struct fy_machine *m, const char *name,
		       const char *to, bool force, char **ret_path,
		       struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autojson json_t *job = make_job(m, name, to, force, err);
	struct fy_peer *peer = NULL;
	int r;

	if (job == NULL || fy_peer_open(server, &peer, NULL, err) == -1)
		return -1;
	r = send_job(peer, job, ret_path, &why);
	fy_peer_close(peer, r == -1 ? &why : NULL);
	if (r == -1)
		*err = why;
	return r;
}
