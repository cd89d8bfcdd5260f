/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in from afar: sshd for root, only when it is asked for.
 *
 * Keys of MEDIUM/ironferry/authorized_keys and p2v.ssh-key may log in; without
 * any a password is made up, shown on the screen only, and good until the
 * machine is switched off.  sshd's options come by a drop-in of the unit in
 * /run, so nothing of the image is changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/subprocess.h"
#include "p2v-client/live.h"

#define MAX_KEYS (256 * 1024)
#define UNIT_DIR "/run/systemd/system"

/* The keys that may log in, a line each; "" when there are none. */
static int
collect_keys(struct fy_live *l, char **ret, struct fy_error *err)
{
	fy_autofree char *path = NULL, *medium = NULL, *given = NULL;
	struct fy_error why = { .code = FY_E_NONE };
	const char *key = l->o->live.ssh_key;
	size_t len;

	path = fy_format(err, "%s/ironferry/authorized_keys", l->medium);
	if (path == NULL)
		return -1;
	if (fy_file_read_at(AT_FDCWD, path, MAX_KEYS, &medium, &len, &why) ==
		    -1 &&
	    why.code != FY_E_NOTFOUND) {
		*err = why;
		return -1;
	}
	/* The key itself has a space in it, an URL has none. */
	if (key != NULL && strchr(key, ' ') != NULL)
		given = strdup(key);
	else if (key != NULL &&
		 fy_live_fetch(l, key, MAX_KEYS, &given, &len, err) == -1)
		return fy_error_prefix(err, "p2v.ssh-key");
	*ret = fy_format(err, "%s%s%s%s", medium != NULL ? medium : "",
			 medium != NULL ? "\n" : "", given != NULL ? given : "",
			 given != NULL ? "\n" : "");
	return *ret == NULL ? -1 : 0;
}

/* Twelve letters that are not mistaken for each other. */
static int
make_password(char *ret, size_t len, struct fy_error *err)
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789abc";
	unsigned char random[16];
	size_t i;

	if (fy_random(random, sizeof(random), err) == -1)
		return -1;
	for (i = 0; i < len - 1 && i < sizeof(random); i++)
		ret[i] = letters[random[i] % 31];
	ret[i] = '\0';
	return 0;
}

static int
set_password(const char *password, struct fy_error *err)
{
	static const char *const argv[] = { "chpasswd", NULL };
	fy_autofree char *line = fy_format(err, "root:%s\n", password);
	struct fy_subprocess_options options = { .timeout_s = 30 };
	int r;

	if (line == NULL)
		return -1;
	options.stdin_data = line;
	options.stdin_len = strlen(line);
	r = fy_subprocess_run(argv, &options, NULL, err);
	explicit_bzero(line, strlen(line));
	return r;
}

static int
write_dropin(const struct fy_live *l, const char *keys_path, bool by_password,
	     struct fy_error *err)
{
	const char *units =
		l->o->live.unit_dir != NULL ? l->o->live.unit_dir : UNIT_DIR;
	fy_autofree char *text = NULL, *dir = NULL, *path = NULL;

	text = fy_format(err,
			 "[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D "
			 "-o PermitRootLogin=%s -o PasswordAuthentication=%s "
			 "-o KbdInteractiveAuthentication=no "
			 "-o AuthorizedKeysFile=%s\n",
			 by_password ? "yes" : "prohibit-password",
			 by_password ? "yes" : "no", keys_path);
	if (text == NULL)
		return -1;
	/* Its name is none that the image has in /etc, which would win. */
	dir = fy_format(err, "%s/ssh.service.d", units);
	path = fy_format(err, "%s/ssh.service.d/90-live.conf", units);
	if (dir == NULL || path == NULL)
		return -1;
	(void)mkdir(units, 0755);
	(void)mkdir(dir, 0755);
	return fy_file_replace_at(AT_FDCWD, path, text, strlen(text), 0644,
				  err);
}

static int
start_service(struct fy_error *err)
{
	static const char *const steps[][5] = {
		{ "ssh-keygen", "-A", NULL },
		{ "systemctl", "daemon-reload", NULL },
		{ "systemctl", "restart", "ssh.service", NULL },
	};
	struct fy_subprocess_options options = { .timeout_s = 60 };
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (fy_subprocess_run(steps[i], &options, NULL, err) == -1)
			return -1;
	return 0;
}

/* "  ssh root@192.0.2.7" for each address that others can reach. */
static char *
address_lines(struct fy_error *err)
{
	char *text = strdup(""), host[NI_MAXHOST];
	struct ifaddrs *list = NULL, *a;

	(void)getifaddrs(&list);
	for (a = list; a != NULL && text != NULL; a = a->ifa_next) {
		socklen_t size;
		char *more;

		if (a->ifa_addr == NULL || (a->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		if (a->ifa_addr->sa_family == AF_INET)
			size = sizeof(struct sockaddr_in);
		else if (a->ifa_addr->sa_family == AF_INET6)
			size = sizeof(struct sockaddr_in6);
		else
			continue;
		if (getnameinfo(a->ifa_addr, size, host, sizeof(host), NULL, 0,
				NI_NUMERICHOST) != 0 ||
		    strncmp(host, "fe80", 4) == 0)
			continue;
		more = fy_format(err, "%s  ssh root@%s\n", text, host);
		free(text);
		text = more;
	}
	freeifaddrs(list);
	if (text == NULL)
		fy_error_nomem(err);
	else if (text[0] == '\0') {
		free(text);
		text = fy_format(err, "  (no address yet: see Network)\n");
	}
	return text;
}

/* '*ret_how' is what logs in. */
static int
start_sshd(struct fy_live *l, char **ret_how, struct fy_error *err)
{
	fy_autofree char *keys = NULL, *path = NULL;
	char password[13] = "";
	bool by_password;

	path = fy_live_path(l, "authorized_keys", err);
	if (path == NULL || collect_keys(l, &keys, err) == -1)
		return -1;
	by_password = strspn(keys, " \t\n") == strlen(keys);
	if (by_password &&
	    (make_password(password, sizeof(password), err) == -1 ||
	     set_password(password, err) == -1))
		return -1;
	if (fy_file_replace_at(AT_FDCWD, path, keys, strlen(keys), 0600, err) ==
		    -1 ||
	    write_dropin(l, path, by_password, err) == -1 ||
	    start_service(err) == -1)
		return -1;
	*ret_how = fy_format(
		err, "%s%s",
		by_password ? "Password, until it is switched off: "
			    : "with the private key to the one that was given.",
		password);
	explicit_bzero(password, sizeof(password));
	return *ret_how == NULL ? -1 : 0;
}

/* The addresses are those of now: at the start there may have been none. */
static int
tell(const char *how, char **ret_text, struct fy_error *err)
{
	fy_autofree char *where = address_lines(err);

	if (where == NULL)
		return -1;
	*ret_text = fy_format(err, "This machine can be logged in to:\n%s%s",
			      where, how);
	return *ret_text == NULL ? -1 : 0;
}

char *
fy_live_ssh_words(const struct fy_live *l, struct fy_error *err)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *path = fy_live_path(l, "ssh.txt", err);
	fy_autofree char *how = NULL, *where = NULL;
	size_t len;

	if (path == NULL)
		return NULL;
	if (fy_file_read_at(AT_FDCWD, path, 65536, &how, &len, &ignored) == -1)
		return fy_format(err, "%s", "");
	where = address_lines(err);
	if (where == NULL)
		return NULL;
	/* The first address is enough here; the entry tells all. */
	where[strcspn(where, "\n")] = '\0';
	return fy_format(err, "%s\n%s\n", where + strspn(where, " "), how);
}

/* What the first console found out is true for the others, too: a second
 * password would make the first one wrong. */
int
fy_live_start_sshd(struct fy_live *l, char **ret_text, struct fy_error *err)
{
	fy_autofree char *lock = NULL, *path = NULL, *how = NULL;
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofd int fd = -1;
	size_t len;

	lock = fy_live_path(l, "ssh.lock", err);
	path = fy_live_path(l, "ssh.txt", err);
	if (lock == NULL || path == NULL)
		return -1;
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 || flock(fd, LOCK_EX) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot lock '%s'",
				    lock);
	if (fy_file_read_at(AT_FDCWD, path, 65536, &how, &len, &ignored) ==
	    -1) {
		if (start_sshd(l, &how, err) == -1 ||
		    fy_file_replace_at(AT_FDCWD, path, how, strlen(how), 0600,
				       err) == -1)
			return -1;
	}
	return tell(how, ret_text, err);
}
