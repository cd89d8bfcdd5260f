/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where images go besides a server by SSH: a filesystem of a local disk, NFS,
 * SMB, mounted at RUN/target, where `--server local` writes to.
 *
 * A local disk is read-only until the user says yes to what the screen shows
 * of it; from then on it is no source any more, in RUN/targets for the other
 * consoles too.
 */
#include <blkid.h>
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
#include "common/json.h"
#include "common/subprocess.h"
#include "p2v-client/dialog.h"
#include "p2v-client/live-remember.h"
#include "p2v-client/live.h"

#define ALLOW_WRITE  "/usr/lib/ironferry/allow-write"
#define MAX_LSBLK    (1 << 20)
#define MAX_PARTS    40
#define MAX_EXCLUDED 32

static const char *const filesystems[] = { "ext4", "ext3",  "ext2",
					   "xfs",  "btrfs", "exfat",
					   "ntfs", "vfat",  NULL };

static int
run_quick(const char *const *argv, unsigned seconds, struct fy_error *err)
{
	struct fy_subprocess_options options = { .timeout_s = seconds,
						 .stop = &fy_client_stop };

	return fy_subprocess_run(argv, &options, NULL, err);
}

/* --- the mount ------------------------------------------------------------- */

static bool
is_mounted(const char *path)
{
	char up[4096];
	struct stat st, parent;

	snprintf(up, sizeof(up), "%s/..", path);
	return stat(path, &st) == 0 && stat(up, &parent) == 0 &&
	       st.st_dev != parent.st_dev;
}

static int
make_place(const char *path, struct fy_error *err)
{
	if (mkdir(path, 0755) == -1 && errno != EEXIST)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make the directory '%s'", path);
	if (is_mounted(path))
		return fy_error_set(err, FY_E_BUSY, 0,
				    "a target is mounted already; let go of it "
				    "first");
	return 0;
}

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
let_go(struct fy_live *l, const char *path, struct fy_error *err)
{
	const char *const argv[] = { "umount", path, NULL };

	if (run_quick(argv, 120, err) == -1)
		return -1;
	if (fy_dialog_set(&l->o->server, NULL, err) == -1)
		return -1;
	return fy_dialog_set(&l->o->to, NULL, err);
}

/* --- a local disk ---------------------------------------------------------- */

struct part {
	char *path, *disk, *fs, *text, *about;
};

struct parts {
	struct part items[MAX_PARTS];
	size_t n;
};

static void
release_parts(struct parts *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		free(p->items[i].path);
		free(p->items[i].disk);
		free(p->items[i].fs);
		free(p->items[i].text);
		free(p->items[i].about);
	}
}

static bool
is_usable(const char *fs)
{
	size_t i;

	for (i = 0; filesystems[i] != NULL; i++)
		if (fy_streq(filesystems[i], fs))
			return true;
	return false;
}

static const json_t *
find_device(const json_t *devices, const char *name)
{
	const json_t *d;
	size_t i;

	json_array_foreach(devices, i, d)
	{
		if (fy_streq(fy_json_string_or(d, "name", NULL), name))
			return d;
	}
	return NULL;
}

static bool
is_excluded(const struct fy_live_excluded *list, size_t n, const char *name)
{
	size_t i;

	/* The target itself may be used again, the medium not. */
	for (i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0 &&
		    strstr(list[i].why, "booted") != NULL)
			return true;
	return false;
}

/* What is on it, looked at now: udev's notes (lsblk's source) may be missing
 * or old.  Only these three words are wanted. */
static void
look_at(const char *path, char *ret_fs, char *ret_label, size_t size)
{
	blkid_probe pr = blkid_new_probe_from_filename(path);
	const char *value = NULL;

	ret_fs[0] = ret_label[0] = '\0';
	if (pr == NULL)
		return;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE |
						      BLKID_SUBLKS_LABEL);
	if (blkid_do_safeprobe(pr) == 0) {
		if (blkid_probe_lookup_value(pr, "TYPE", &value, NULL) == 0)
			snprintf(ret_fs, size, "%s", value);
		if (blkid_probe_lookup_value(pr, "LABEL", &value, NULL) == 0)
			snprintf(ret_label, size, "%s", value);
	}
	blkid_free_probe(pr);
}

static int
add_part(struct parts *p, const json_t *d, const json_t *disk, const char *fs,
	 const char *label, struct fy_error *err)
{
	struct part *part = &p->items[p->n];
	char size[32], whole[32];

	fy_format_bytes(fy_json_u64_or(d, "size", 0), size, sizeof(size));
	fy_format_bytes(fy_json_u64_or(disk, "size", 0), whole, sizeof(whole));
	p->n++;
	part->path = fy_format(err, "%s", fy_json_string_or(d, "path", "?"));
	part->disk = fy_format(err, "%s", fy_json_string_or(disk, "path", "?"));
	part->fs = fy_format(err, "%s", fs);
	part->text = fy_format(err, "%s %s %s  on %s %s %s", size, fs, label,
			       whole, fy_json_string_or(disk, "tran", ""),
			       fy_json_string_or(disk, "model", ""));
	part->about = fy_format(
		err,
		"Filesystem:  %s, %s, %s, name \"%s\"\n"
		"On the disk: %s, %s, %s %s",
		part->path, size, fs, label, part->disk, whole,
		fy_json_string_or(disk, "tran", ""),
		fy_json_string_or(disk, "model", "(model not known)"));
	return part->path == NULL || part->disk == NULL || part->fs == NULL ||
			       part->text == NULL || part->about == NULL
		       ? -1
		       : 0;
}

static int
list_parts(const struct fy_live *l, struct parts *p, struct fy_error *err)
{
	static const char *const argv[] = {
		"lsblk",    "--json",
		"--list",   "--bytes",
		"--output", "NAME,PATH,TYPE,SIZE,MODEL,TRAN,MOUNTPOINT,PKNAME",
		NULL
	};
	struct fy_subprocess_options options = { .capture_max = MAX_LSBLK,
						 .timeout_s = 60 };
	struct fy_live_excluded out[MAX_EXCLUDED];
	struct fy_subprocess_result r = { 0 };
	fy_autojson json_t *j = NULL;
	const json_t *devices, *d, *disk;
	size_t i, n_out;
	int result = 0;

	if (fy_live_excluded(l, out, MAX_EXCLUDED, &n_out, err) == -1)
		return -1;
	if (fy_subprocess_run(argv, &options, &r, err) == 0)
		j = fy_json_parse(r.out, r.out_len, "lsblk's output", err);
	fy_subprocess_result_release(&r);
	if (j == NULL)
		return -1;
	devices = json_object_get(j, "blockdevices");
	json_array_foreach(devices, i, d)
	{
		const char *type = fy_json_string_or(d, "type", "");
		char fs[64], label[64];

		if (p->n == MAX_PARTS || result == -1)
			break;
		disk = find_device(devices,
				   fy_json_string_or(d, "pkname", NULL));
		if (disk == NULL)
			disk = d;
		if (fy_json_string_or(d, "mountpoint", NULL) != NULL ||
		    (!fy_streq(type, "part") && !fy_streq(type, "disk") &&
		     !fy_streq(type, "loop")) ||
		    is_excluded(out, n_out,
				fy_json_string_or(disk, "name", "")))
			continue;
		look_at(fy_json_string_or(d, "path", ""), fs, label,
			sizeof(fs));
		if (is_usable(fs))
			result = add_part(p, d, disk, fs, label, err);
	}
	return result;
}

/* Its line in RUN/targets. */
static int
note_target(const struct fy_live *l, const char *disk, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, "targets", err);
	fy_autofree char *line = fy_format(err, "%s\n", disk);
	fy_autofd int fd = -1;

	if (path == NULL || line == NULL)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	return fy_fd_write_full(fd, line, strlen(line), err);
}

static int
mount_part(struct fy_live *l, const struct part *p, const char *place,
	   struct fy_error *err)
{
	const char *program = l->o->live.allow_write != NULL
				      ? l->o->live.allow_write
				      : ALLOW_WRITE;
	const char *const allow[] = { program, p->disk, NULL };
	const char *const revoke[] = { program, "--revoke", p->disk, NULL };
	const char *const mount[] = { "mount",
				      "-t",
				      fy_streq(p->fs, "ntfs") ? "ntfs3" : p->fs,
				      "-o",
				      "rw,nosuid,nodev,noexec",
				      p->path,
				      place,
				      NULL };
	struct fy_error ignored = { .code = FY_E_NONE };

	/* Noted first: from here on it is no source, whatever follows. */
	if (make_place(place, err) == -1 ||
	    note_target(l, p->disk, err) == -1 ||
	    run_quick(allow, 60, err) == -1)
		return -1;
	if (run_quick(mount, 120, err) == 0)
		return 0;
	(void)run_quick(revoke, 60, &ignored);
	return -1;
}

static int
take_part(struct fy_live *l, const struct part *p, const char *place,
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
	if (mount_part(l, p, place, &why) == -1)
		return fy_live_tell(l, "Target", &why, err);
	return use_place(l, place, err);
}

static int
local_disk(struct fy_live *l, const char *place, struct fy_error *err)
{
	struct fy_ui_item items[MAX_PARTS];
	struct fy_error why = { .code = FY_E_NONE };
	struct parts parts = { .n = 0 };
	enum fy_ui_answer answer;
	size_t i, choice = 0;
	int r = 0;

	if (list_parts(l, &parts, &why) == -1 || parts.n == 0) {
		fy_error_set(&why, FY_E_NOTFOUND, 0,
			     "There is no filesystem on a local disk that "
			     "images can be written to.");
		release_parts(&parts);
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
	release_parts(&parts);
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

static int
mount_nfs(const char *server, const char *dir, const char *place,
	  struct fy_error *err)
{
	bool v6 = strchr(server, ':') != NULL;
	fy_autofree char *source = NULL;

	if (server[0] == '\0' || server[0] == '-' || dir[0] != '/')
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a server and a directory that begins "
				    "with '/' are needed");
	source = fy_format(err, "%s%s%s:%s", v6 ? "[" : "", server,
			   v6 ? "]" : "", dir);
	if (source == NULL || make_place(place, err) == -1)
		return -1;
	{
		const char *const argv[] = { "mount",
					     "-t",
					     "nfs",
					     "-o",
					     "rw,nosuid,nodev,noexec,nolock",
					     source,
					     place,
					     NULL };

		return run_quick(argv, 180, err);
	}
}

static int
nfs(struct fy_live *l, const char *place, struct fy_error *err)
{
	struct fy_ui_field f[2] = { { "Server", strdup(""), 200 },
				    { "Directory", strdup("/"), 200 } };
	struct fy_error why = { .code = FY_E_NONE };
	enum fy_ui_answer answer;
	int r = 0;

	answer = fy_ui_form(&l->ui, "NFS", "Where shall the images be put?", f,
			    2, NULL, err);
	if (answer == FY_UI_FAILED)
		r = -1;
	else if (answer == FY_UI_OK &&
		 mount_nfs(f[0].value, f[1].value, place, &why) == -1)
		r = fy_live_tell(l, "NFS", &why, err);
	else if (answer == FY_UI_OK)
		r = use_place(l, place, err);
	free_fields(f, 2);
	return r;
}

/* The password goes by a file that only root reads, and then away. */
static int
mount_smb(struct fy_live *l, const struct fy_ui_field *f, const char *password,
	  const char *place, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, "smb-login", err);
	fy_autofree char *login = NULL, *source = NULL, *options = NULL;
	int r;

	if (f[0].value[0] == '\0' || f[1].value[0] == '\0')
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a server and a share are needed");
	login = fy_format(err, "username=%s\npassword=%s\n%s%s%s", f[2].value,
			  password, f[3].value[0] != '\0' ? "domain=" : "",
			  f[3].value, f[3].value[0] != '\0' ? "\n" : "");
	source = fy_format(err, "//%s/%s", f[0].value, f[1].value);
	options = fy_format(err, "rw,nosuid,nodev,noexec,credentials=%s", path);
	if (path == NULL || login == NULL || source == NULL ||
	    options == NULL || make_place(place, err) == -1 ||
	    fy_file_replace_at(AT_FDCWD, path, login, strlen(login), 0600,
			       err) == -1)
		return -1;
	{
		const char *const argv[] = { "mount", "-t",   "cifs", "-o",
					     options, source, place,  NULL };

		r = run_quick(argv, 180, err);
	}
	unlink(path);
	explicit_bzero(login, strlen(login));
	return r;
}

static int
smb(struct fy_live *l, const char *place, struct fy_error *err)
{
	struct fy_ui_field f[4] = { { "Server", strdup(""), 200 },
				    { "Share", strdup(""), 200 },
				    { "User", strdup("guest"), 200 },
				    { "Domain (may be empty)", strdup(""),
				      200 } };
	struct fy_error why = { .code = FY_E_NONE };
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
	else if (answer == FY_UI_OK &&
		 mount_smb(l, f, password, place, &why) == -1)
		r = fy_live_tell(l, "SMB", &why, err);
	else if (answer == FY_UI_OK)
		r = use_place(l, place, err);
	if (password != NULL)
		explicit_bzero(password, strlen(password));
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
	if (let_go(l, place, &why) == -1)
		return fy_live_tell(l, "Target", &why, err);
	return 0;
}

int
fy_live_target_screen(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *place = fy_live_path(l, "target", err);
	char path[256];
	const char *server = l->o->server;
	bool remote = server != NULL && !fy_streq(server, "local");
	bool mounted = place != NULL && is_mounted(place);
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
