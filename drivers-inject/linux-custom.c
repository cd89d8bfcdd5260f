/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a person wants changed in a Linux guest: hostname, root's password,
 * keys of SSH, scripts of the first boot.  What can't be done fails the
 * injection: it was asked for.
 *
 * The scripts lie in /var/lib/ironferry/firstboot/scripts and are run, one by
 * one, by a runner that is started beside the boot and never holds it up.  A
 * script that was successful is never run again; one that fails is tried at
 * three boots.  When none is left the runner removes itself.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/custom.h"
#include "drivers-inject/linux.h"

#define TOP  "/var/lib/ironferry/firstboot"
#define UNIT "/etc/systemd/system/ironferry-firstboot.service"
#define UNIT_WANT                                                              \
	"/etc/systemd/system/multi-user.target.wants/"                         \
	"ironferry-firstboot.service"
#define WHY_BOOT "scripts that run once, at the first boot"

static const char runner[] =
	"#!/bin/sh\n"
	"# Written by Ironferry: runs each script in scripts/ once.  One that\n"
	"# fails is tried again at the next boots, three times in all.\n"
	"top=" TOP "\n"
	"exec >>/var/log/ironferry-firstboot.log 2>&1 </dev/null\n"
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	"export PATH\n"
	"mkdir -p \"$top/done\" \"$top/failed\" \"$top/tries\"\n"
	"limit=\n"
	"if command -v timeout >/dev/null; then\n"
	"	limit='timeout 3600'\n"
	"fi\n"
	"for s in \"$top\"/scripts/*; do\n"
	"	[ -f \"$s\" ] || continue\n"
	"	name=${s##*/}\n"
	"	tries=$(cat \"$top/tries/$name\" 2>/dev/null)\n"
	"	tries=$((${tries:-0} + 1))\n"
	"	echo \"$tries\" >\"$top/tries/$name\"\n"
	"	sync\n"
	"	echo \"$(date) $name: try $tries\"\n"
	"	if $limit \"$s\"; then\n"
	"		echo \"$(date) $name: done\"\n"
	"		mv \"$s\" \"$top/done/\"\n"
	"	else\n"
	"		echo \"$(date) $name: failed with status $?\"\n"
	"		if [ \"$tries\" -ge 3 ]; then\n"
	"			mv \"$s\" \"$top/failed/\"\n"
	"		fi\n"
	"	fi\n"
	"done\n"
	"for s in \"$top\"/scripts/*; do\n"
	"	if [ -f \"$s\" ]; then\n"
	"		exit 0\n"
	"	fi\n"
	"done\n"
	"rm -f " UNIT " \\\n"
	"	" UNIT_WANT " \\\n"
	"	/etc/init.d/ironferry-firstboot \\\n"
	"	/etc/rc.d/init.d/ironferry-firstboot \\\n"
	"	/etc/rc[0-9].d/S99ironferry-firstboot \\\n"
	"	/etc/rc.d/rc[0-9].d/S99ironferry-firstboot \\\n"
	"	/etc/init.d/rc[0-9].d/S99ironferry-firstboot\n"
	"rm -rf \"$top/scripts\" \"$top/tries\" \"$top/run\"\n"
	"echo \"$(date) all done\"\n";

/* Not oneshot: multi-user.target would wait for it. */
static const char unit[] = "# Written by Ironferry.\n"
			   "[Unit]\n"
			   "Description=Scripts of the first boot\n"
			   "Wants=network-online.target\n"
			   "After=network-online.target local-fs.target\n"
			   "ConditionPathExists=" TOP "/run\n"
			   "\n"
			   "[Service]\n"
			   "Type=simple\n"
			   "ExecStart=/bin/sh " TOP "/run\n"
			   "StandardInput=null\n"
			   "TimeoutStopSec=30\n"
			   "\n"
			   "[Install]\n"
			   "WantedBy=multi-user.target\n";

static const char sysv[] = "#!/bin/sh\n"
			   "# Written by Ironferry.\n"
			   "# chkconfig: 2345 99 01\n"
			   "# description: scripts of the first boot\n"
			   "### BEGIN INIT INFO\n"
			   "# Provides:          ironferry-firstboot\n"
			   "# Required-Start:    $remote_fs $network\n"
			   "# Required-Stop:\n"
			   "# Default-Start:     2 3 4 5\n"
			   "# Default-Stop:\n"
			   "# Short-Description: scripts of the first boot\n"
			   "### END INIT INFO\n"
			   "if [ \"$1\" = start ] && [ -f " TOP "/run ]; then\n"
			   "	/bin/sh " TOP "/run &\n"
			   "fi\n"
			   "exit 0\n";

static const char agent[] =
	"#!/bin/sh\n"
	"# Written by Ironferry: the guest agent, from the guest's own "
	"package\n"
	"# sources.\n"
	"command -v qemu-ga >/dev/null && exit 0\n"
	"p=qemu-guest-agent\n"
	"if command -v apt-get >/dev/null; then\n"
	"	export DEBIAN_FRONTEND=noninteractive\n"
	"	apt-get -q update\n"
	"	apt-get -q -y install $p || exit 1\n"
	"elif command -v dnf >/dev/null; then\n"
	"	dnf -y install $p || exit 1\n"
	"elif command -v yum >/dev/null; then\n"
	"	yum -y install $p || exit 1\n"
	"elif command -v zypper >/dev/null; then\n"
	"	zypper -n install $p || exit 1\n"
	"elif command -v pacman >/dev/null; then\n"
	"	pacman -Sy --noconfirm $p || exit 1\n"
	"elif command -v apk >/dev/null; then\n"
	"	apk add $p || exit 1\n"
	"else\n"
	"	echo 'no package manager is known here' && exit 1\n"
	"fi\n"
	"if command -v systemctl >/dev/null; then\n"
	"	systemctl enable $p\n"
	"	systemctl start $p\n"
	"elif command -v rc-service >/dev/null; then\n"
	"	rc-update add $p && rc-service $p start\n"
	"elif [ -x /etc/init.d/qemu-ga ]; then\n"
	"	/etc/init.d/qemu-ga start\n"
	"fi\n"
	"command -v qemu-ga >/dev/null\n";

/* --- hostname ------------------------------------------------------------- */

static int
write_text(struct fy_system *s, const char *path, const char *text,
	   const char *why, struct fy_error *err)
{
	return fy_system_create(s->disks, s->guest, path, text, strlen(text),
				why, err);
}

/* The name of every machine, and no one's own: Red Hat's installer leaves
 * "localhost.localdomain" as the hostname. */
static bool
is_localhost(const char *name)
{
	return strncasecmp(name, "localhost", 9) == 0 &&
	       (name[9] == '\0' || name[9] == '.');
}

/* "old" and "old.domain" become the new name, whole words only. */
static bool
is_name(const char *word, size_t len, const char *name)
{
	size_t n = strlen(name), shorter = strcspn(name, ".");

	return (len == n && strncmp(word, name, n) == 0) ||
	       (len == shorter && strncmp(word, name, shorter) == 0);
}

char *
fy_linux_edit_hosts(const char *text, const char *old, const char *new)
{
	struct fy_text out = { 0 };
	bool changed = false, first = true, comment = false;
	size_t n;

	if (is_localhost(old))
		return NULL;
	for (; *text != '\0'; text += n) {
		n = strcspn(text, " \t\r\n");
		if (n == 0) {
			n = 1;
			if (*text == '\n') {
				first = true;
				comment = false;
			}
			fy_text_put(&out, text, 1);
			continue;
		}
		comment = comment || *text == '#';
		if (!comment && !first && is_name(text, n, old)) {
			/* The short form stays a short one. */
			fy_text_put(&out, new,
				    memchr(text, '.', n) == NULL
					    ? strcspn(new, ".")
					    : strlen(new));
			changed = true;
		} else {
			fy_text_put(&out, text, n);
		}
		first = false;
	}
	if (!changed || out.failed) {
		fy_text_release(&out);
		return NULL;
	}
	return out.data;
}

/* The line "NAME=..." replaced, or added. */
static char *
with_line(const char *text, const char *name, const char *value)
{
	struct fy_text out = { 0 };
	size_t len = strlen(name), n;
	bool found = false;

	for (; *text != '\0'; text += n) {
		n = strcspn(text, "\n");
		n += text[n] == '\n';
		if (strncmp(text, name, len) == 0 && text[len] == '=') {
			if (!found)
				fy_text_printf(&out, "%s=%s\n", name, value);
			found = true;
		} else {
			fy_text_put(&out, text, n);
		}
	}
	if (out.len > 0 && out.data[out.len - 1] != '\n')
		fy_text_add(&out, "\n");
	if (!found)
		fy_text_printf(&out, "%s=%s\n", name, value);
	if (out.failed)
		fy_text_release(&out);
	return out.data;
}

static int
set_hostname(struct fy_system *s, const char *name, struct fy_error *err)
{
	static const char why[] = "the hostname that was asked for";
	static const char *const files[] = { "/etc/hostname", "/etc/HOSTNAME" };
	fy_autofree char *line = fy_format(err, "%s\n", name);
	fy_autofree char *hosts = fy_linux_text(s->guest, "/etc/hosts");
	fy_autofree char *network =
		fy_linux_text(s->guest, "/etc/sysconfig/network");
	bool done = false;
	size_t i;

	if (line == NULL)
		return -1;
	for (i = 0; i < 2; i++) {
		if (!fy_guest_has(s->guest, files[i]))
			continue;
		if (write_text(s, files[i], line, why, err) == -1)
			return -1;
		done = true;
	}
	if (network != NULL && strstr(network, "HOSTNAME=") != NULL) {
		fy_autofree char *new = with_line(network, "HOSTNAME", name);

		if (new == NULL)
			return fy_error_nomem(err);
		if (write_text(s, "/etc/sysconfig/network", new, why, err))
			return -1;
		done = true;
	}
	if (!done && write_text(s, "/etc/hostname", line, why, err) == -1)
		return -1;
	if (hosts != NULL && s->hostname != NULL && s->hostname[0] != '\0') {
		fy_autofree char *new =
			fy_linux_edit_hosts(hosts, s->hostname, name);

		if (new != NULL &&
		    write_text(s, "/etc/hosts", new, why, err) == -1)
			return -1;
	}
	return 0;
}

/* --- root ----------------------------------------------------------------- */

char *
fy_linux_edit_shadow(const char *text, const char *hash)
{
	const char *line = text, *rest;
	struct fy_text out = { 0 };

	while (strncmp(line, "root:", 5) != 0) {
		line = strchr(line, '\n');
		if (line == NULL)
			return NULL;
		line++;
	}
	line += 5;
	rest = line + strcspn(line, ":\n");
	if (*rest != ':')
		return NULL;
	fy_text_put(&out, text, (size_t)(line - text));
	fy_text_add(&out, hash);
	fy_text_add(&out, rest);
	if (out.failed)
		fy_text_release(&out);
	return out.data;
}

/* ALT keeps each hash in a file of its own (tcb). */
static int
set_password(struct fy_system *s, const char *hash, struct fy_error *err)
{
	static const char *const files[] = { "/etc/tcb/root/shadow",
					     "/etc/shadow" };
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		fy_autofree char *text = fy_linux_text(s->guest, files[i]);
		fy_autofree char *new =
			text == NULL ? NULL : fy_linux_edit_shadow(text, hash);

		if (new != NULL)
			return fy_system_write(s->disks, s->guest, files[i], 0,
					       new, strlen(new),
					       "root's password", NULL, err);
	}
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "root's password can't be set: /etc/shadow of the "
			    "guest has no line for root");
}

/* Root's home by /etc/passwd. */
static char *
home_of_root(struct fy_system *s)
{
	fy_autofree char *text = fy_linux_text(s->guest, "/etc/passwd");
	const char *p = text;
	int i;

	while (p != NULL && strncmp(p, "root:", 5) != 0) {
		p = strchr(p, '\n');
		p += p != NULL;
	}
	for (i = 0; i < 5 && p != NULL; i++) {
		p = strchr(p, ':');
		p += p != NULL;
	}
	if (p == NULL || *p != '/')
		return strdup("/root");
	return strndup(p, strcspn(p, ":\r\n"));
}

/* Whether a line of the file is that key and nothing else: not one that is
 * commented out, or bound to a command. */
static bool
has_line(const char *text, const char *key)
{
	const char *end = key + strlen(key), *last;
	size_t n;

	key += strspn(key, " \t");
	while (end > key && strchr(" \t\r", end[-1]) != NULL)
		end--;
	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		text += strspn(text, " \t");
		n = strcspn(text, "\n");
		last = text + n;
		while (last > text && strchr(" \t\r", last[-1]) != NULL)
			last--;
		if (last - text == end - key &&
		    memcmp(text, key, (size_t)(end - key)) == 0)
			return true;
	}
	return false;
}

static int
add_keys(struct fy_system *s, const struct fy_custom *c, struct fy_error *err)
{
	static const char why[] = "keys that log in as root";
	fy_autofree char *home = home_of_root(s);
	fy_autofree char *dir = NULL;
	fy_autofree char *path = NULL;
	fy_autofree char *old = NULL;
	struct fy_text out = { 0 };
	size_t i;
	int r;

	if (home == NULL)
		return fy_error_nomem(err);
	dir = fy_format(err, "%s/.ssh", home);
	path = fy_format(err, "%s/.ssh/authorized_keys", home);
	if (dir == NULL || path == NULL)
		return -1;
	old = fy_linux_text(s->guest, path);
	if (old == NULL && fy_guest_has(s->guest, path))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' of the guest can't be read", path);
	/* In front: of two lines with one key sshd takes the first, which may
	 * be bound to a command. */
	for (i = 0; i < c->ssh_keys.n; i++)
		if (old == NULL || !has_line(old, c->ssh_keys.items[i]))
			fy_text_printf(&out, "%s\n", c->ssh_keys.items[i]);
	if (out.len == 0) /* all are there */
		return 0;
	if (old != NULL)
		fy_text_add(&out, old);
	r = fy_text_check(&out, err);
	if (r == 0)
		r = fy_system_mkdir(s->disks, s->guest, dir, 0700, why, err);
	if (r == 0)
		r = fy_system_create_as(s->disks, s->guest, path, 0600,
					out.data, out.len, why, err);
	fy_text_release(&out);
	return r;
}

/* --- the first boot ------------------------------------------------------- */

/* The highest number of a script of an earlier first boot, run or not: the
 * runner moves them to these directories by their names. */
static int
last_number(struct fy_system *s, size_t *ret, struct fy_error *err)
{
	static const char *const dirs[] = { TOP "/scripts", TOP "/done",
					    TOP "/failed" };
	char **names = NULL;
	size_t i, k, n = 0, number;
	int r = 0;

	*ret = 0;
	for (i = 0; r == 0 && i < 3; i++) {
		r = fy_guest_names(s->guest, dirs[i], &names, &n, err);
		for (k = 0; r == 0 && k < n; k++) {
			const char *d = names[k];

			if (strspn(d, "0123456789") != 3 || d[3] != '-')
				continue;
			number = (size_t)((d[0] - '0') * 100 +
					  (d[1] - '0') * 10 + d[2] - '0');
			*ret = number > *ret ? number : *ret;
		}
		fy_guest_names_free(names, n);
		names = NULL;
		n = 0;
	}
	return r;
}

static int
add_script(struct fy_system *s, size_t number, const char *name,
	   const char *text, struct fy_error *err)
{
	fy_autofree char *path =
		fy_format(err, TOP "/scripts/%03zu-%s", number, name);
	fy_autofree char *whole = NULL;

	if (path == NULL)
		return -1;
	/* With a number that is not one of ours. */
	if (fy_guest_has(s->guest, path))
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "the guest has '%s' already", path);
	/* A script without an interpreter is one of the shell. */
	whole = fy_format(err, "%s%s",
			  strncmp(text, "#!", 2) == 0 ? "" : "#!/bin/sh\n",
			  text);
	if (whole == NULL)
		return -1;
	return fy_system_create_as(s->disks, s->guest, path, 0700, whole,
				   strlen(whole), WHY_BOOT, err);
}

/* A link to something of that name, as an earlier injection or the guest's own
 * tools made it, is what is wanted. */
static int
add_link(struct fy_system *s, const char *path, const char *target,
	 struct fy_error *err)
{
	fy_autofree char *to = NULL;
	const char *last;

	if (fy_guest_readlink(s->guest, path, &to, NULL) == 0) {
		last = strrchr(to, '/');
		if (strcmp(last == NULL ? to : last + 1,
			   strrchr(target, '/') + 1) == 0)
			return 0;
	}
	return fy_system_symlink(s->disks, s->guest, path, target, WHY_BOOT,
				 err);
}

/* Links in the runlevels, where the guest has them. */
static int
start_by_sysv(struct fy_system *s, struct fy_error *err)
{
	static const char *const tops[] = { "/etc/rc.d", "/etc/init.d",
					    "/etc" };
	const char *script = fy_guest_is_dir(s->guest, "/etc/rc.d/init.d")
				     ? "/etc/rc.d/init.d/ironferry-firstboot"
				     : "/etc/init.d/ironferry-firstboot";
	size_t i, found = 0;
	char level;

	if (fy_system_create_as(s->disks, s->guest, script, 0755, sysv,
				sizeof(sysv) - 1, WHY_BOOT, err) == -1)
		return -1;
	for (i = 0; i < 3 && found == 0; i++)
		for (level = '2'; level <= '5'; level++) {
			fy_autofree char *dir =
				fy_format(err, "%s/rc%c.d", tops[i], level);
			fy_autofree char *path = fy_format(
				err, "%s/rc%c.d/S99ironferry-firstboot",
				tops[i], level);

			if (dir == NULL || path == NULL)
				return -1;
			if (!fy_guest_is_dir(s->guest, dir))
				continue;
			if (add_link(s, path, script, err) == -1)
				return -1;
			found++;
		}
	if (found == 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "scripts of the first boot: the guest has "
				    "neither systemd nor runlevels");
	return 0;
}

/* Those for Windows guests are not ours; 'ret' counts what was added. */
static int
add_scripts(struct fy_system *s, const struct fy_custom *c, size_t *ret,
	    struct fy_error *err)
{
	size_t i, first, n;

	if (last_number(s, &first, err) == -1)
		return -1;
	n = first;
	for (i = 0; i < c->n_first_boot; i++) {
		const struct fy_custom_script *one = &c->first_boot[i];

		if (fy_custom_is_for_windows(one->name))
			continue;
		if (add_script(s, ++n, one->name, one->text, err) == -1)
			return -1;
	}
	if (c->agent && add_script(s, ++n, "qemu-guest-agent", agent, err))
		return -1;
	*ret = n - first;
	return 0;
}

static int
add_first_boot(struct fy_system *s, const struct fy_custom *c,
	       struct fy_error *err)
{
	size_t added = 0;

	if (add_scripts(s, c, &added, err) == -1)
		return -1;
	if (added == 0)
		return 0;
	if (fy_system_create_as(s->disks, s->guest, TOP "/run", 0700, runner,
				sizeof(runner) - 1, WHY_BOOT, err) == -1)
		return -1;
	if (!fy_linux_of(s)->systemd)
		return start_by_sysv(s, err);
	if (fy_system_create(s->disks, s->guest, UNIT, unit, sizeof(unit) - 1,
			     WHY_BOOT, err) == -1)
		return -1;
	return add_link(s, UNIT_WANT, "../ironferry-firstboot.service", err);
}

int
fy_linux_customise(struct fy_system *s, struct fy_error *err)
{
	const struct fy_custom *c = s->disks->options->custom;

	if (c == NULL)
		return 0;
	s->disks->customised.on_linux = true;
	if ((c->hostname != NULL && set_hostname(s, c->hostname, err) == -1) ||
	    (c->root_password != NULL &&
	     set_password(s, c->root_password, err) == -1) ||
	    (c->ssh_keys.n > 0 && add_keys(s, c, err) == -1))
		return -1;
	return add_first_boot(s, c, err);
}
