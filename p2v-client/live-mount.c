/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mounting a target at RUN/target, and letting it go.
 *
 * The one place of the program that makes a device writable.  It is noted
 * before in RUN/targets, so that no console takes it for a source, and in
 * RUN/target-device, so that whoever lets the target go takes the permission
 * back.
 */
#include "p2v-client/live-mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "p2v-client/dialog.h"

#define ALLOW_WRITE  "/usr/lib/ironferry/allow-write"
#define MAX_PASSWORD 4096
#define COME_S	     30 /* a USB disk may come late */
#define STEP_MS	     500
#define UNMOUNT_S    3600 /* a slow stick has much to write */

static int
run_quick(const char *const *argv, unsigned seconds, struct fy_error *err)
{
	struct fy_subprocess_options options = { .timeout_s = seconds,
						 .stop = &fy_client_stop };

	return fy_subprocess_run(argv, &options, NULL, err);
}

/* --- what p2v.target says -------------------------------------------------- */

void
fy_target_release(struct fy_target *t)
{
	free(t->device);
	free(t->label);
	free(t->uuid);
	free(t->host);
	free(t->path);
	free(t->user);
	free(t->domain);
	memset(t, 0, sizeof(*t));
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

int
fy_target_set_host(struct fy_target *t, const char *text, struct fy_error *err)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	struct fy_server_name n = { 0 };
	size_t len = strlen(text);

	if (fy_server_name_parse(text, &n, &ignored) == -1)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.200s' is no HOST[:PORT]", text);
	/* That port is SSH's default, when none is given. */
	t->port = n.port;
	if (n.port == 22 && (len < 3 || strcmp(text + len - 3, ":22") != 0))
		t->port = 0;
	free(t->host);
	t->host = fy_steal_ptr(&n.host);
	fy_server_name_release(&n);
	return 0;
}

/* "DOMAIN;USER" */
static int
set_user(struct fy_target *t, const char *text, struct fy_error *err)
{
	const char *semicolon = strchr(text, ';');

	if (semicolon != NULL)
		t->domain = strndup(text, (size_t)(semicolon - text));
	t->user = strdup(semicolon != NULL ? semicolon + 1 : text);
	return t->user == NULL || (semicolon != NULL && t->domain == NULL)
		       ? fy_error_nomem(err)
		       : 0;
}

/* What follows "nfs://" and "smb://". */
static int
parse_share(const char *text, struct fy_target *t, struct fy_error *err)
{
	size_t len = strcspn(text, "/");
	fy_autofree char *host = strndup(text, len);
	char *at;

	if (host == NULL)
		return fy_error_nomem(err);
	at = strrchr(host, '@');
	if (at != NULL && t->kind == FY_TARGET_NFS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "NFS knows no user: nfs://HOST/DIR");
	if (at != NULL) {
		*at = '\0';
		if (set_user(t, host, err) == -1)
			return -1;
	}
	if (fy_target_set_host(t, at != NULL ? at + 1 : host, err) == -1)
		return -1;
	/* A share has no slash in front of it, a directory has. */
	text += len;
	if (t->kind == FY_TARGET_SMB)
		text += strspn(text, "/");
	if (text[0] == '\0')
		return fy_error_set(err, FY_E_USAGE, 0, "%s is missing",
				    t->kind == FY_TARGET_SMB
					    ? "the share: smb://HOST/SHARE"
					    : "the directory: nfs://HOST/DIR");
	t->path = strdup(text);
	return t->path == NULL ? fy_error_nomem(err) : 0;
}

static int
parse(const char *text, struct fy_target *t, struct fy_error *err)
{
	static const char by_label[] = "/dev/disk/by-label/";
	static const char by_uuid[] = "/dev/disk/by-uuid/";
	char **to = NULL;

	if (has_control(text))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "there is a control character in it");
	if (strncasecmp(text, "nfs://", 6) == 0) {
		t->kind = FY_TARGET_NFS;
		return parse_share(text + 6, t, err);
	}
	if (strncasecmp(text, "smb://", 6) == 0) {
		t->kind = FY_TARGET_SMB;
		return parse_share(text + 6, t, err);
	}
	/* Not by udev's links: two disks may have the same name, and a link
	 * shows one of them. */
	if (strncmp(text, "LABEL=", 6) == 0) {
		to = &t->label;
		text += 6;
	} else if (strncmp(text, by_label, sizeof(by_label) - 1) == 0) {
		to = &t->label;
		text += sizeof(by_label) - 1;
		if (strchr(text, '\\') != NULL)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "write the name as it is: "
					    "LABEL=NAME");
	} else if (strncmp(text, "UUID=", 5) == 0) {
		to = &t->uuid;
		text += 5;
	} else if (strncmp(text, by_uuid, sizeof(by_uuid) - 1) == 0) {
		to = &t->uuid;
		text += sizeof(by_uuid) - 1;
	} else if (strncmp(text, "/dev/", 5) == 0) {
		to = &t->device;
	}
	if (to == NULL || text[0] == '\0')
		return fy_error_set(err, FY_E_USAGE, 0,
				    "it is none of /dev/..., LABEL=NAME, "
				    "UUID=ID, nfs://HOST/DIR and "
				    "smb://USER@HOST/SHARE");
	*to = strdup(text);
	return *to == NULL ? fy_error_nomem(err) : 0;
}

int
fy_target_parse(const char *text, struct fy_target *ret, struct fy_error *err)
{
	struct fy_target t = { .kind = FY_TARGET_DISK };

	if (parse(text, &t, err) == -1) {
		fy_target_release(&t);
		return fy_error_prefix(err, "p2v.target=%.200s", text);
	}
	*ret = t;
	return 0;
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

bool
fy_target_is_mounted(const struct fy_live *l)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *place = fy_live_path(l, "target", &ignored);

	return place != NULL && is_mounted(place);
}

/* The directory, on which nothing is mounted yet. */
static char *
make_place(const struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, "target", err);

	if (path == NULL)
		return NULL;
	if (mkdir(path, 0755) == -1 && errno != EEXIST) {
		fy_error_set(err, FY_E_IO, errno,
			     "cannot make the directory '%s'", path);
		return NULL;
	}
	if (is_mounted(path)) {
		fy_error_set(err, FY_E_BUSY, 0,
			     "a target is mounted already; let go of it first");
		return NULL;
	}
	return fy_steal_ptr(&path);
}

static int
unmount(const char *place, struct fy_error *err)
{
	const char *const argv[] = { "umount", place, NULL };
	struct fy_subprocess_options options = { .timeout_s = UNMOUNT_S };

	return fy_subprocess_run(argv, &options, NULL, err);
}

/* mount(8) is content with a read-only mount of what can't be written to. */
static int
check_writable(const char *place, struct fy_error *err)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	struct statvfs st;

	if (statvfs(place, &st) == 0 && (st.f_flag & ST_RDONLY) == 0)
		return 0;
	(void)unmount(place, &ignored);
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "the target can only be mounted read-only: is it "
			    "write-protected, or was it not cleanly removed?");
}

/* --- a local disk ---------------------------------------------------------- */

/* A file of RUN with a device's name in it. */
static int
note(const struct fy_live *l, const char *file, int flags, const char *device,
     struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, file, err);
	fy_autofree char *line = fy_format(err, "%s\n", device);
	fy_autofd int fd = -1;

	if (path == NULL || line == NULL)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags,
		  0600);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	return fy_fd_write_full(fd, line, strlen(line), err);
}

static int
set_writable(const struct fy_live *l, const char *device, bool writable,
	     struct fy_error *err)
{
	const char *program = l->o->live.allow_write != NULL
				      ? l->o->live.allow_write
				      : ALLOW_WRITE;
	const char *const allow[] = { program, device, NULL };
	const char *const revoke[] = { program, "--revoke", device, NULL };
	struct fy_subprocess_options options = { .timeout_s = 60 };

	return fy_subprocess_run(writable ? allow : revoke, &options, NULL,
				 err);
}

/* Read-only again, what RUN/target-device names; nothing when it is not
 * there. */
static int
take_back(const struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, "target-device", err);
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *device = NULL;
	size_t len;

	if (path == NULL)
		return -1;
	if (fy_file_read_at(AT_FDCWD, path, 4096, &device, &len, &why) == -1) {
		if (why.code == FY_E_NOTFOUND)
			return 0;
		*err = why;
		return -1;
	}
	device[strcspn(device, "\n")] = '\0';
	/* A disk that was pulled out needs no mark any more. */
	if (access(device, F_OK) == 0 &&
	    set_writable(l, device, false, err) == -1)
		return -1;
	unlink(path);
	return 0;
}

int
fy_target_mount_part(const struct fy_live *l, const struct fy_part *p,
		     struct fy_error *err)
{
	fy_autofree char *place = make_place(l, err);
	struct fy_error ignored = { .code = FY_E_NONE };
	const char *const argv[] = { "mount",
				     "-t",
				     fy_streq(p->fs, "ntfs") ? "ntfs-3g"
							     : p->fs,
				     "-o",
				     "rw,nosuid,nodev,noexec",
				     p->path,
				     place,
				     NULL };

	/* Noted first: from here on it is no source, whatever follows. */
	if (place == NULL || note(l, "targets", O_APPEND, p->disk, err) == -1 ||
	    note(l, "target-device", O_TRUNC, p->path, err) == -1)
		return -1;
	if (set_writable(l, p->path, true, err) == 0 &&
	    run_quick(argv, 600, err) == 0 && check_writable(place, err) == 0)
		return 0;
	(void)take_back(l, &ignored);
	return -1;
}

/* --- NFS and SMB ----------------------------------------------------------- */

#define MOUNT_OPTIONS "rw,nosuid,nodev,noexec"

static int
mount_nfs(const struct fy_target *t, const char *place, struct fy_error *err)
{
	bool v6 = strchr(t->host, ':') != NULL;
	fy_autofree char *source = NULL, *options = NULL;
	char port[32] = "";

	if (t->path[0] != '/')
		return fy_error_set(err, FY_E_USAGE, 0,
				    "NFS: a directory that begins with '/' is "
				    "needed");
	if (t->port != 0)
		snprintf(port, sizeof(port), ",port=%u", t->port);
	source = fy_format(err, "%s%s%s:%s", v6 ? "[" : "", t->host,
			   v6 ? "]" : "", t->path);
	options = fy_format(err, MOUNT_OPTIONS ",nolock%s", port);
	if (source == NULL || options == NULL)
		return -1;
	{
		const char *const argv[] = { "mount", "-t",   "nfs", "-o",
					     options, source, place, NULL };

		return run_quick(argv, 180, err);
	}
}

/* The password goes by a file that only root reads, and then away. */
static int
mount_smb(const struct fy_live *l, const struct fy_target *t,
	  const char *password, const char *place, struct fy_error *err)
{
	fy_autofree char *path = fy_live_path(l, "smb-login", err);
	fy_autofree char *login = NULL, *source = NULL, *options = NULL;
	const char *user = t->user != NULL ? t->user : "guest";
	const char *domain = t->domain != NULL ? t->domain : "";
	char port[32] = "";
	int r = -1;

	if (has_control(user) || has_control(password) || has_control(domain))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "SMB: there is a control character in "
				    "user, password or domain");
	if (t->port != 0)
		snprintf(port, sizeof(port), ",port=%u", t->port);
	login = fy_format(err, "username=%s\npassword=%s\n%s%s%s", user,
			  password, domain[0] != '\0' ? "domain=" : "", domain,
			  domain[0] != '\0' ? "\n" : "");
	source = fy_format(err, "//%s/%s", t->host, t->path);
	options = fy_format(err, MOUNT_OPTIONS ",credentials=%s%s", path, port);
	if (path != NULL && login != NULL && source != NULL &&
	    options != NULL &&
	    fy_file_replace_at(AT_FDCWD, path, login, strlen(login), 0600,
			       err) == 0) {
		const char *const argv[] = { "mount", "-t",   "cifs", "-o",
					     options, source, place,  NULL };

		r = run_quick(argv, 180, err);
		unlink(path);
	}
	if (login != NULL)
		explicit_bzero(login, strlen(login));
	return r;
}

int
fy_target_mount_share(const struct fy_live *l, const struct fy_target *t,
		      const char *password, struct fy_error *err)
{
	fy_autofree char *place = make_place(l, err);

	if (place == NULL)
		return -1;
	if ((t->kind == FY_TARGET_NFS
		     ? mount_nfs(t, place, err)
		     : mount_smb(l, t, password != NULL ? password : "", place,
				 err)) == -1)
		return -1;
	return check_writable(place, err);
}

/* --- p2v.target ------------------------------------------------------------ */

static bool
is_meant(const struct fy_part *p, const struct fy_target *t, const char *device)
{
	if (t->label != NULL)
		return strcmp(p->label, t->label) == 0;
	if (t->uuid != NULL)
		return strcasecmp(p->uuid, t->uuid) == 0;
	return device != NULL && strcmp(p->path, device) == 0;
}

/* The one that is meant; NULL without an error when it is not there. */
static const struct fy_part *
find_part(const struct fy_parts *parts, const struct fy_target *t,
	  struct fy_error *err)
{
	fy_autofree char *device = NULL;
	const struct fy_part *found = NULL;
	size_t i;

	if (t->device != NULL)
		device = realpath(t->device, NULL);
	for (i = 0; i < parts->n; i++) {
		if (!is_meant(&parts->items[i], t, device))
			continue;
		if (found != NULL) {
			fy_error_set(err, FY_E_USAGE, 0,
				     "p2v.target may be %s or %s", found->path,
				     parts->items[i].path);
			return NULL;
		}
		found = &parts->items[i];
	}
	return found;
}

/* As before; it may come late.  'parts' are those that are there then. */
static const struct fy_part *
wait_for_part(struct fy_live *l, const struct fy_target *t,
	      struct fy_parts *parts, struct fy_error *err)
{
	uint64_t wait = l->o->live.wait_s != 0 ? l->o->live.wait_s : COME_S;
	uint64_t end = fy_clock_ms() + wait * 1000;
	const struct fy_part *p = NULL;
	bool said = false;

	for (;;) {
		if (fy_parts_list(l, parts, err) == 0)
			p = find_part(parts, t, err);
		if (p != NULL || err->code != FY_E_NONE ||
		    fy_clock_ms() >= end || fy_stop_is_raised(&fy_client_stop))
			return p;
		if (!said)
			fy_live_say(l,
				    "p2v.target: the disk is not there yet; "
				    "waiting for it (%llu seconds)",
				    (unsigned long long)wait);
		said = true;
		fy_parts_release(parts);
		fy_live_pause(STEP_MS);
	}
}

static int
mount_disk(struct fy_live *l, const struct fy_target *t, struct fy_error *err)
{
	struct fy_parts parts = { .n = 0 };
	const struct fy_part *p = wait_for_part(l, t, &parts, err);
	int r;

	if (p == NULL && err->code == FY_E_NONE)
		fy_error_set(err, FY_E_NOTFOUND, 0,
			     "p2v.target: no local disk has such a filesystem "
			     "that images can be written to "
			     "(%s); the medium is none",
			     "ext4, xfs, btrfs, exfat, ntfs, vfat");
	if (p == NULL) {
		r = -1;
	} else {
		fy_live_say(l, "Target: %s, %s", p->path, p->text);
		r = fy_target_mount_part(l, p, err);
	}
	fy_parts_release(&parts);
	return r;
}

static int
get_password(struct fy_live *l, char **ret, struct fy_error *err)
{
	size_t len;

	if (l->o->live.target_password_file == NULL)
		return 0;
	if (fy_live_fetch(l, l->o->live.target_password_file, MAX_PASSWORD, ret,
			  &len, err) == -1)
		return fy_error_prefix(err, "p2v.target-password-file");
	(*ret)[strcspn(*ret, "\r\n")] = '\0';
	return 0;
}

int
fy_live_mount_target(struct fy_live *l, struct fy_error *err)
{
	struct fy_target t = { .kind = FY_TARGET_DISK };
	fy_autofree char *password = NULL;
	int r;

	if (l->o->live.target == NULL || fy_target_is_mounted(l))
		return 0;
	if (fy_target_parse(l->o->live.target, &t, err) == -1)
		return -1;
	if (t.kind == FY_TARGET_DISK) {
		r = mount_disk(l, &t, err);
	} else {
		fy_live_say(l, "Target: %s", l->o->live.target);
		r = get_password(l, &password, err);
		if (r == 0)
			r = fy_target_mount_share(l, &t, password, err);
		if (r == -1)
			fy_error_prefix(err, "p2v.target");
		if (password != NULL)
			explicit_bzero(password, strlen(password));
	}
	fy_target_release(&t);
	return r;
}

int
fy_live_release_target(struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *place = fy_live_path(l, "target", err);

	if (place == NULL)
		return -1;
	/* A mount over a mount is none of ours, but is undone, too. */
	while (is_mounted(place))
		if (unmount(place, err) == -1)
			return fy_error_prefix(err,
					       "the target is not unmounted");
	return take_back(l, err);
}

/* What was written is there: errors of the medium come now. */
int
fy_live_sync_target(const struct fy_live *l, struct fy_error *err)
{
	fy_autofree char *place = fy_live_path(l, "target", err);
	fy_autofd int fd = -1;

	if (place == NULL)
		return -1;
	if (!is_mounted(place))
		return 0;
	fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || syncfs(fd) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "the target could not take what was "
				    "written to it");
	return 0;
}
