/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where images go besides a server by SSH: a filesystem of a local disk, NFS,
 * SMB, mounted at RUN/target, where `--server local` writes to.
 *
 * A local disk is read-only until the user says yes to what the screen shows
 * of it; from then on it is no source any more, in RUN/targets for the other
 * consoles too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "p2v-client/dialog.h"
#include "p2v-client/live-mount.h"
#include "p2v-client/live-remember.h"
#include "p2v-client/live.h"

/* --- a local disk ---------------------------------------------------------- */

/* From now on images go there. */
static int
use_place(struct fy_live *l, const char *path, struct fy_error *err)
{
	if (fy_dialog_set(&l->o->server, "local", err) == -1 ||
	    fy_dialog_set(&l->o->to, path, err) == -1)
		return -1;
	return 0;
}

static int
take_part(struct fy_live *l, const struct fy_part *p, const char *place,
	  struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Write to it",
						    .cancel = "Back",
						    .default_no = true };
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;
	enum fy_ui_answer answer;

	text = fy_format(err,
			 "%s\n\nThis disk will be written to: the images are "
			 "put beside what is there, nothing is formatted. It "
			 "is not offered for conversion any more.%s\n\nIs it "
			 "the right one?",
			 p->about,
			 fy_streq(p->fs, "vfat")
				 ? "\n\nFAT holds no file above 4 GiB: most "
				   "images don't fit."
				 : "");
	if (text == NULL)
		return -1;
	answer = fy_ui_question(&l->ui, "Target", text, &labels, err);
	if (answer != FY_UI_OK)
		return answer == FY_UI_FAILED ? -1 : 0;
	if (fy_target_mount_part(l, p, &why) == -1)
		return fy_live_tell(l, "Target", &why, err);
	return use_place(l, place, err);
}

static int
local_disk(struct fy_live *l, const char *place, struct fy_error *err)
{
	struct fy_ui_item items[FY_MAX_PARTS];
	struct fy_error why = { .code = FY_E_NONE };
	struct fy_parts parts = { .n = 0 };
	enum fy_ui_answer answer;
	size_t i, choice = 0;
	int r = 0;

	if (fy_parts_list(l, &parts, &why) == -1 || parts.n == 0) {
		fy_error_set(&why, FY_E_NOTFOUND, 0,
			     "There is no filesystem on a local disk that "
			     "images can be written to.");
		fy_parts_release(&parts);
		return fy_live_tell(l, "Target", &why, err);
	}
	for (i = 0; i < parts.n; i++)
		items[i] =
			(struct fy_ui_item){ parts.items[i].path,
					     parts.items[i].text, NULL, false };
	answer = fy_ui_menu(&l->ui, "Target",
			    "On which filesystem shall the images be put?",
			    items, parts.n, NULL, &choice, err);
	if (answer == FY_UI_FAILED)
		r = -1;
	else if (answer == FY_UI_OK)
		r = take_part(l, &parts.items[choice], place, err);
	fy_parts_release(&parts);
	return r;
}

/* --- NFS and SMB ----------------------------------------------------------- */

static void
free_fields(struct fy_ui_field *f, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(f[i].value);
}

/* Mount it, and put the images there. */
static int
take_share(struct fy_live *l, struct fy_target *t, const char *server,
	   const char *password, const char *place, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };

	if (t->path == NULL || (t->kind == FY_TARGET_SMB && t->user == NULL))
		return fy_error_nomem(err);
	if (t->path[0] == '\0')
		fy_error_set(&why, FY_E_USAGE, 0, "The share is missing.");
	else if (fy_target_set_host(t, server, &why) == 0 &&
		 fy_ui_notice(&l->ui, "Mounting ...", err) == FY_UI_FAILED)
		return -1;
	if (why.code == FY_E_NONE &&
	    fy_target_mount_share(l, t, password, &why) == 0)
		return use_place(l, place, err);
	return fy_live_tell(l, t->kind == FY_TARGET_NFS ? "NFS" : "SMB", &why,
			    err);
}

static int
nfs(struct fy_live *l, const char *place, struct fy_error *err)
{
	struct fy_ui_field f[2] = { { "Server[:port]", strdup(""), 200 },
				    { "Directory", strdup("/"), 200 } };
	struct fy_target t = { .kind = FY_TARGET_NFS };
	enum fy_ui_answer answer;
	int r = 0;

	answer = fy_ui_form(&l->ui, "NFS", "Where shall the images be put?", f,
			    2, NULL, err);
	if (answer == FY_UI_FAILED)
		r = -1;
	if (answer == FY_UI_OK) {
		t.path = strdup(f[1].value);
		r = take_share(l, &t, f[0].value, NULL, place, err);
	}
	fy_target_release(&t);
	free_fields(f, 2);
	return r;
}

static int
smb(struct fy_live *l, const char *place, struct fy_error *err)
{
	struct fy_ui_field f[4] = { { "Server[:port]", strdup(""), 200 },
				    { "Share", strdup(""), 200 },
				    { "User", strdup("guest"), 200 },
				    { "Domain (may be empty)", strdup(""),
				      200 } };
	struct fy_target t = { .kind = FY_TARGET_SMB };
	fy_autofree char *password = NULL;
	enum fy_ui_answer answer;
	int r = 0;

	answer = fy_ui_form(&l->ui, "SMB", "Where shall the images be put?", f,
			    4, NULL, err);
	if (answer == FY_UI_OK)
		answer = fy_ui_input(&l->ui, "SMB",
				     "Password (what you type is not shown):",
				     NULL, true, NULL, &password, err);
	if (answer == FY_UI_FAILED)
		r = -1;
	if (answer == FY_UI_OK) {
		t.path = strdup(f[1].value);
		t.user = strdup(f[2].value);
		t.domain = strdup(f[3].value);
		r = take_share(l, &t, f[0].value, password, place, err);
	}
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	fy_target_release(&t);
	free_fields(f, 4);
	return r;
}

/* --- a server, and remembering it ------------------------------------------ */

static int
ssh_server(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	struct fy_server_name name = { 0 };
	fy_autofree char *server = NULL;
	enum fy_ui_answer answer;
	bool was_local = fy_streq(l->o->server, "local");

	answer = fy_ui_input(&l->ui, "Conversion server",
			     "[user@]host[:port] of a server with v2v-server:",
			     was_local ? NULL : l->o->server, false, NULL,
			     &server, err);
	if (answer != FY_UI_OK || server[0] == '\0')
		return answer == FY_UI_FAILED ? -1 : 0;
	if (fy_server_name_parse(server, &name, &why) == -1)
		return fy_live_tell(l, "Conversion server", &why, err);
	fy_server_name_release(&name);
	/* The place of the mount is none on a server. */
	if (was_local && fy_dialog_set(&l->o->to, NULL, err) == -1)
		return -1;
	return fy_dialog_set(&l->o->server, server, err);
}

/* "SHA256:..." of the server's key in known_hosts, or NULL. */
static char *
known_fingerprint(const struct fy_live *l)
{
	struct fy_subprocess_options options = { .capture_max = 65536,
						 .timeout_s = 20 };
	struct fy_error ignored = { .code = FY_E_NONE };
	struct fy_subprocess_result r = { 0 };
	struct fy_server_name n = { 0 };
	fy_autofree char *host = NULL;
	char *found = NULL, *at;

	if (l->o->fingerprint != NULL)
		return strdup(l->o->fingerprint);
	if (fy_server_name_parse(l->o->server, &n, &ignored) == -1)
		return NULL;
	host = n.port == 22 ? fy_format(&ignored, "%s", n.host)
			    : fy_format(&ignored, "[%s]:%u", n.host, n.port);
	fy_server_name_release(&n);
	if (host != NULL && l->o->known_hosts != NULL) {
		const char *const argv[] = { "ssh-keygen", "-l",
					     "-E",	   "sha256",
					     "-F",	   host,
					     "-f",	   l->o->known_hosts,
					     NULL };

		if (fy_subprocess_run(argv, &options, &r, &ignored) == 0 &&
		    (at = strstr(r.out, "SHA256:")) != NULL)
			found = strndup(at, strcspn(at, " \n"));
	}
	fy_subprocess_result_release(&r);
	return found;
}

static int
remember(struct fy_live *l, struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *print = known_fingerprint(l), *lines = NULL;
	fy_autofree char *text = NULL;
	int r;

	lines = fy_format(err, "server=%s\n%s%s%s", l->o->server,
			  print != NULL ? "fingerprint=" : "",
			  print != NULL ? print : "",
			  print != NULL ? "\n" : "");
	if (lines == NULL)
		return -1;
	if (fy_remember_write(l->medium, lines, &why) == -1)
		return fy_live_tell(l, "Remember", &why, err);
	text = fy_format(err,
			 "The medium remembers now:\n\n%s\nA password is never "
			 "written there.",
			 lines);
	if (text == NULL)
		return -1;
	r = fy_ui_message(&l->ui, "Remember", text, err) == FY_UI_FAILED;
	return r ? -1 : 0;
}

/* --- the screen ------------------------------------------------------------ */

struct way {
	const char *tag, *text;
	bool there;
};

static int
take_way(struct fy_live *l, const char *tag, const char *place,
	 struct fy_error *err)
{
	struct fy_error why = { .code = FY_E_NONE };

	if (strcmp(tag, "ssh") == 0)
		return ssh_server(l, err);
	if (strcmp(tag, "disk") == 0)
		return local_disk(l, place, err);
	if (strcmp(tag, "nfs") == 0)
		return nfs(l, place, err);
	if (strcmp(tag, "smb") == 0)
		return smb(l, place, err);
	if (strcmp(tag, "remember") == 0)
		return remember(l, err);
	if (fy_ui_notice(&l->ui, "Writing what is left, unmounting ...", err) ==
	    FY_UI_FAILED)
		return -1;
	if (fy_live_release_target(l, &why) == -1)
		return fy_live_tell(l, "Target", &why, err);
	/* Not again by itself, as p2v.target says. */
	if (fy_dialog_set(&l->o->live.target, NULL, err) == -1 ||
	    fy_dialog_set(&l->o->server, NULL, err) == -1)
		return -1;
	return fy_dialog_set(&l->o->to, NULL, err);
}

int
fy_live_target_screen(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *place = fy_live_path(l, "target", err);
	char path[256];
	const char *server = l->o->server;
	bool remote = server != NULL && !fy_streq(server, "local");
	bool mounted = fy_target_is_mounted(l);
	const struct way ways[] = {
		{ "ssh", "a server with v2v-server, by SSH", true },
		{ "disk", "a local disk, as one on USB", !mounted },
		{ "nfs", "a directory of an NFS server",
		  !mounted && fy_subprocess_find("mount.nfs", path,
						 sizeof(path)) == 0 },
		{ "smb", "a share of Windows or Samba",
		  !mounted && fy_subprocess_find("mount.cifs", path,
						 sizeof(path)) == 0 },
		{ "release", "unmount the target", mounted },
		{ "remember", "write the server's name to this medium",
		  remote && fy_remember_is_possible(l->medium) },
	};
	struct fy_ui_item items[sizeof(ways) / sizeof(ways[0])];
	fy_autofree char *text = NULL;
	enum fy_ui_answer answer;
	size_t i, n = 0, choice = 0;

	if (place == NULL)
		return -1;
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (ways[i].there)
			items[n++] =
				(struct fy_ui_item){ ways[i].tag, ways[i].text,
						     NULL, false };
	text = fy_format(err, "Where shall images go? Now: %s",
			 remote	   ? server
			 : mounted ? place
				   : "not chosen");
	if (text == NULL)
		return -1;
	answer = fy_ui_menu(&l->ui, "Target", text, items, n, NULL, &choice,
			    err);
	if (answer != FY_UI_OK)
		return answer == FY_UI_FAILED ? -1 : 0;
	return take_way(l, items[choice].tag, place, err);
}
