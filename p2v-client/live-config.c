/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the answers come from.
 *
 * The texts are taken in order, each over the one before; lists begin anew in
 * each (common/keys.h), so the kernel command line can be taken twice: first
 * for p2v.config and the network, then again over what was fetched there.
 * Whatever is wrong is kept as a sentence: with any, nothing runs unattended,
 * the menu is shown with them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/dialog.h"
#include "p2v-client/live.h"
#include "p2v-client/live-mount.h"
#include "p2v-client/live-remember.h"
#include "p2v-client/sysfs.h"

#define MAX_CONFIG (256 * 1024)
#define MAX_KEY	   (64 * 1024)

char *
fy_live_path(const struct fy_live *l, const char *name, struct fy_error *err)
{
	return fy_format(err, "%s/%s", l->run, name);
}

/* Keep 'why' for the menu. */
static int
add_problem(struct fy_live *l, const char *what, const struct fy_error *why,
	    struct fy_error *err)
{
	fy_autofree char *text = NULL;

	text = fy_format(err, "%s%s%s", what, what[0] != '\0' ? ": " : "",
			 why->msg);
	return text == NULL ? -1 : fy_strings_add(&l->problems, text, err);
}

/* --- texts ----------------------------------------------------------------- */

static int
take_remembered(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *text = NULL;

	/* Nothing there, or nothing of ours in it: nothing is remembered. */
	text = fy_remember_read(l->medium);
	if (text == NULL)
		return 0;
	if (fy_keys_from_lines(&fy_live_keys, "remembered on the medium", text,
			       l->o, &l->problems, err) == -1)
		return -1;
	return fy_dialog_set(&l->remembered, l->o->server, err);
}

static int
take_medium(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *path = NULL, *text = NULL;
	size_t len;

	path = fy_format(err, "%s/ironferry/p2v.conf", l->medium);
	if (path == NULL)
		return -1;
	if (fy_file_read_at(AT_FDCWD, path, MAX_CONFIG, &text, &len, &why) ==
	    -1)
		return why.code == FY_E_NOTFOUND
			       ? 0
			       : add_problem(l, "the medium's file", &why, err);
	return fy_keys_from_lines(&fy_live_keys, "ironferry/p2v.conf", text,
				  l->o, &l->problems, err);
}

static int
take_command_line(struct fy_live *l, struct fy_strings *problems,
		  struct fy_error *err)
{
	return fy_keys_from_command_line(&fy_live_keys,
					 "the kernel command line",
					 l->boot_line, l->o, problems, err);
}

static int
take_url(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *text = NULL, *url = NULL;
	size_t len;

	/* What is fetched must not name the next one. */
	url = fy_steal_ptr(&l->o->live.config);
	if (url == NULL)
		return 0;
	if (strstr(url, "{mac}") != NULL)
		fy_live_wait_for_port(l, NULL);
	if (fy_live_fetch(l, url, MAX_CONFIG, &text, &len, &why) == -1)
		return add_problem(l, "p2v.config", &why, err);
	if (strlen(text) != len) {
		fy_error_set(&why, FY_E_FORMAT, 0,
			     "'%.200s' is no text: it has a NUL in it", url);
		return add_problem(l, "p2v.config", &why, err);
	}
	return fy_keys_from_lines(&fy_live_keys, url, text, l->o, &l->problems,
				  err);
}

/* --- keys ------------------------------------------------------------------ */

static int
put_in_run(const struct fy_live *l, const char *name, const char *data,
	   size_t len, char **ret, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, name, err);

	if (path == NULL ||
	    fy_file_replace_at(AT_FDCWD, path, data, len, 0600, err) == -1)
		return -1;
	if (ret != NULL) {
		free(*ret);
		*ret = fy_steal_ptr(&path);
	}
	return 0;
}

/* The first private key on the medium. */
static int
take_medium_key(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *dir = NULL, *path = NULL, *data = NULL;
	struct fy_strings names = { 0 };
	size_t i, len = 0;
	int r;

	dir = fy_format(err, "%s/ironferry", l->medium);
	if (dir == NULL)
		return -1;
	r = fy_sys_list(NULL, dir, &names, err);
	for (i = 0; r == 0 && path == NULL && i < names.n; i++) {
		const char *n = names.items[i];
		size_t n_len = strlen(n);

		if (strncmp(n, "id_", 3) != 0 ||
		    (n_len > 4 && strcmp(n + n_len - 4, ".pub") == 0))
			continue;
		path = fy_format(err, "%s/%s", dir, n);
		if (path == NULL || fy_file_read_at(AT_FDCWD, path, MAX_KEY,
						    &data, &len, err) == -1)
			r = -1;
		else
			r = put_in_run(l, n, data, len, &l->o->identity, err);
	}
	if (data != NULL)
		explicit_bzero(data, len);
	fy_strings_release(&names);
	return r;
}

static int
take_identity(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *data = NULL;
	size_t len;
	int r;

	if (l->o->identity == NULL)
		return take_medium_key(l, err);
	if (l->o->identity[0] == '/')
		return 0;
	if (fy_live_fetch(l, l->o->identity, MAX_KEY, &data, &len, err) == -1)
		return fy_error_prefix(err, "p2v.identity");
	r = put_in_run(l, "identity", data, len, &l->o->identity, err);
	explicit_bzero(data, len);
	return r;
}

/* known_hosts in RUN: it can be added to there. */
static int
take_known_hosts(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *path = NULL, *data = NULL, *target = NULL;
	size_t len;

	target = fy_live_path(l, "known_hosts", err);
	path = fy_format(err, "%s/ironferry/known_hosts", l->medium);
	if (target == NULL || path == NULL)
		return -1;
	if (l->o->known_hosts != NULL && l->o->known_hosts[0] != '/') {
		if (fy_live_fetch(l, l->o->known_hosts, MAX_CONFIG, &data, &len,
				  err) == -1)
			return fy_error_prefix(err, "p2v.known-hosts");
	} else if (l->o->known_hosts != NULL || access(target, F_OK) == 0) {
		if (l->o->known_hosts != NULL)
			return 0;
	} else if (fy_file_read_at(AT_FDCWD, path, MAX_CONFIG, &data, &len,
				   &why) == -1 &&
		   why.code != FY_E_NOTFOUND) {
		*err = why;
		return -1;
	}
	if (data != NULL &&
	    put_in_run(l, "known_hosts", data, len, NULL, err) == -1)
		return -1;
	free(l->o->known_hosts);
	l->o->known_hosts = fy_steal_ptr(&target);
	return 0;
}

/* "user@host:port" of virt-p2v's three keys. */
static int
join_server(struct fy_live *l, struct fy_error *err)
{
	struct fy_client_options *o = l->o;
	struct fy_server_name n = { 0 };
	const char *user;
	char *joined;
	bool v6;

	if (o->server == NULL || strcmp(o->server, "local") == 0 ||
	    (o->live.username == NULL && o->live.port == 0))
		return 0;
	if (fy_server_name_parse(o->server, &n, err) == -1)
		return -1;
	user = n.user != NULL ? n.user : o->live.username;
	v6 = strchr(n.host, ':') != NULL;
	joined = fy_format(err, "%s%s%s%s%s:%u", user != NULL ? user : "",
			   user != NULL ? "@" : "", v6 ? "[" : "", n.host,
			   v6 ? "]" : "",
			   o->live.port != 0 ? (unsigned)o->live.port : n.port);
	fy_server_name_release(&n);
	if (joined == NULL)
		return -1;
	free(o->server);
	o->server = joined;
	return 0;
}

/* A target is where --server local writes to; p2v.to is a directory of it. */
static int
take_target(struct fy_live *l, struct fy_error *err)
{
	struct fy_client_options *o = l->o;
	fy_autofree char *place = NULL, *to = NULL;
	struct fy_target t = { .kind = FY_TARGET_DISK };

	if (o->live.target == NULL)
		return 0;
	if (fy_target_parse(o->live.target, &t, err) == -1)
		return -1;
	fy_target_release(&t);
	/* What is only remembered gives way. */
	if (o->server != NULL && strcmp(o->server, "local") != 0 &&
	    !fy_streq(o->server, l->remembered))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "p2v.target and p2v.server exclude each "
				    "other: images go to the one or the other");
	place = fy_live_path(l, "target", err);
	if (place == NULL)
		return -1;
	if (o->to != NULL && o->to[0] == '/' &&
	    strncmp(o->to, place, strlen(place)) != 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "p2v.to: with p2v.target it is a directory "
				    "of the target, without '/' in front");
	if (o->to != NULL && o->to[0] == '/')
		to = fy_format(err, "%s", o->to);
	else
		to = fy_format(err, "%s%s%s", place, o->to != NULL ? "/" : "",
			       o->to != NULL ? o->to : "");
	if (to == NULL || fy_dialog_set(&o->to, to, err) == -1 ||
	    fy_dialog_set(&o->fingerprint, NULL, err) == -1)
		return -1;
	return fy_dialog_set(&o->server, "local", err);
}

/* The steps after the texts; what fails is a problem for the menu. */
static int
settle(struct fy_live *l, struct fy_error *err)
{
	int (*const steps[])(struct fy_live *, struct fy_error *) = {
		take_identity, take_known_hosts, join_server, take_target
	};
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct fy_error why = { .code = FY_E_NONE };

		if (steps[i](l, &why) == -1 &&
		    (why.code == FY_E_NOMEM ||
		     add_problem(l, "", &why, err) == -1))
			return why.code == FY_E_NOMEM ? fy_error_nomem(err)
						      : -1;
	}
	return 0;
}

int
fy_live_configure(struct fy_live *l, struct fy_error *err)
{
	struct fy_strings twice = { 0 };
	struct fy_error why = { .code = FY_E_NONE };
	int r;

	if (take_remembered(l, err) == -1 || take_medium(l, err) == -1)
		return -1;
	r = take_command_line(l, &twice, err);
	fy_strings_release(&twice);
	if (r == -1)
		return -1;
	if (fy_live_network_from_keys(l, &why) == -1 &&
	    add_problem(l, "the network", &why, err) == -1)
		return -1;
	if (take_url(l, err) == -1 ||
	    take_command_line(l, &l->problems, err) == -1)
		return -1;
	free(l->o->live.config);
	l->o->live.config = NULL;
	return settle(l, err);
}
