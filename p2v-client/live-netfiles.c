/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * systemd-networkd's files.  Every word is checked before anything is
 * written: an address that is none would be a line that networkd skips, and a
 * newline in one would be a line of its own.
 */
#include "p2v-client/live-netfiles.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"

#define MAX_NAME  15u
#define MAX_TEXT  4096u
#define MAX_WORDS 16u
#define PREFIX	  "10-ironferry-"

const char *const fy_net_bond_modes[] = { "active-backup", "802.3ad",
					  "balance-rr",	   "balance-xor",
					  "broadcast",	   "balance-tlb",
					  "balance-alb",   NULL };

/* --- checks ---------------------------------------------------------------- */

static int
check_name(const char *name, struct fy_error *err)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	if (len >= 1 && len <= MAX_NAME && name[0] != '.' &&
	    strspn(name, plain) == len)
		return 0;
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%.40s' is no name of an interface", name);
}

/* 4, 6, or 0 for what is no address. */
static int
family(const char *text)
{
	struct in6_addr ignored;

	if (inet_pton(AF_INET, text, &ignored) == 1)
		return 4;
	return inet_pton(AF_INET6, text, &ignored) == 1 ? 6 : 0;
}

static int
check_address(const char *text, struct fy_error *err)
{
	const char *slash = strchr(text, '/');
	char host[64];
	unsigned bits = 0;
	int f;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(host) ||
	    strlen(slash + 1) > 3 || slash[1] == '\0' ||
	    strspn(slash + 1, "0123456789") != strlen(slash + 1))
		goto bad;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	for (slash++; *slash != '\0'; slash++)
		bits = bits * 10 + (unsigned)(*slash - '0');
	f = family(host);
	if (f != 0 && bits >= 1 && bits <= (f == 4 ? 32 : 128))
		return 0;
bad:
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%.80s' is no address with its bits, as "
			    "192.0.2.7/24 or 2001:db8::7/64",
			    text);
}

static int
check_hosts(const struct fy_strings *list, const char *what,
	    struct fy_error *err)
{
	size_t i;

	for (i = 0; list != NULL && i < list->n; i++)
		if (family(list->items[i]) == 0)
			return fy_error_set(err, FY_E_USAGE, 0,
					    "'%.80s' is no address of a %s",
					    list->items[i], what);
	return 0;
}

static int
check_bond(const struct fy_net *n, struct fy_error *err)
{
	size_t i;

	if (n->bond == NULL)
		return 0;
	if (n->bond->n == 0 || n->bond->n > MAX_WORDS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a bond needs 1 to %u interfaces",
				    MAX_WORDS);
	for (i = 0; i < n->bond->n; i++)
		if (check_name(n->bond->items[i], err) == -1)
			return -1;
	for (i = 0; fy_net_bond_modes[i] != NULL; i++)
		if (fy_streq(fy_net_bond_modes[i], n->bond_mode))
			return 0;
	return fy_error_set(err, FY_E_USAGE, 0, "'%.40s' is no mode of a bond",
			    n->bond_mode != NULL ? n->bond_mode : "");
}

static size_t
count(const struct fy_strings *s)
{
	return s != NULL ? s->n : 0;
}

int
fy_net_check(const struct fy_net *n, struct fy_error *err)
{
	size_t i;

	if (check_name(n->name, err) == -1 || check_bond(n, err) == -1 ||
	    check_hosts(n->gateways, "gateway", err) == -1 ||
	    check_hosts(n->dns, "name server", err) == -1)
		return -1;
	if (n->vlan > 4094)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a VLAN's number is 1 to 4094, not %u",
				    n->vlan);
	if (count(n->addresses) > MAX_WORDS || count(n->dns) > MAX_WORDS ||
	    count(n->gateways) > MAX_WORDS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "more than %u addresses", MAX_WORDS);
	for (i = 0; i < count(n->addresses); i++)
		if (check_address(n->addresses->items[i], err) == -1)
			return -1;
	if (count(n->gateways) > 0 && count(n->addresses) == 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a gateway needs an address; without one "
				    "DHCP gives both");
	return 0;
}

/* --- texts ----------------------------------------------------------------- */

struct text {
	char buf[MAX_TEXT];
	size_t len;
};

static void add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, sizeof(t->buf) - t->len, fmt, ap);
	va_end(ap);
	/* The words are few and short (fy_net_check). */
	if (n > 0 && (size_t)n < sizeof(t->buf) - t->len)
		t->len += (size_t)n;
}

static void
begin(struct text *t)
{
	t->len = 0;
	add(t, "# by p2v-client live\n");
}

static int
put(int dirfd, const struct text *t, const char *name, const char *suffix,
    struct fy_error *err)
{
	fy_autofree char *file = fy_format(err, PREFIX "%s%s", name, suffix);

	if (file == NULL)
		return -1;
	return fy_file_replace_at(dirfd, file, t->buf, t->len, 0644, err);
}

static void
add_list(struct text *t, const char *key, const struct fy_strings *list)
{
	size_t i;

	for (i = 0; i < count(list); i++)
		add(t, "%s=%s\n", key, list->items[i]);
}

/* Of the interface that has the addresses. */
static void
add_addresses(struct text *t, const struct fy_net *n)
{
	if (count(n->addresses) == 0) {
		add(t, "DHCP=yes\n");
	} else {
		add(t, "DHCP=no\n");
		add_list(t, "Address", n->addresses);
		add_list(t, "Gateway", n->gateways);
	}
	add_list(t, "DNS", n->dns);
}

/* "NAME.ID", or "vlanID" where that is too long for the kernel. */
static void
vlan_name(const struct fy_net *n, char *ret, size_t size)
{
	if (snprintf(ret, size, "%s.%u", n->name, n->vlan) > (int)MAX_NAME)
		snprintf(ret, size, "vlan%u", n->vlan);
}

/* --- what an earlier call left -------------------------------------------- */

/* Which interfaces a VLAN or bond lies on: a line of its .netdev file. */
#define OVER "# over "

static bool
has_word(const struct fy_strings *s, const char *word)
{
	size_t i;

	for (i = 0; i < count(s); i++)
		if (strcmp(s->items[i], word) == 0)
			return true;
	return false;
}

/* The rest of the line that begins with 'key'; malloc'd, NULL: none. */
static char *
line_of(int dirfd, const char *file, const char *key)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;
	char *line, *rest = NULL;
	size_t len;

	if (fy_file_read_at(dirfd, file, MAX_TEXT, &text, &len, &ignored) == -1)
		return NULL;
	for (line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		if (strncmp(line, key, strlen(key)) == 0)
			return strdup(line + strlen(key));
	return NULL;
}

/* "eth0" of "10-ironferry-eth0SUFFIX"; malloc'd, NULL: another file. */
static char *
name_of_file(const char *file, const char *suffix)
{
	size_t len = strlen(file), tail = strlen(suffix);
	size_t head = sizeof(PREFIX) - 1;

	if (len <= head + tail || strncmp(file, PREFIX, head) != 0 ||
	    strcmp(file + len - tail, suffix) != 0)
		return NULL;
	return strndup(file + head, len - head - tail);
}

static void
remove_file(int dirfd, const char *name, const char *suffix)
{
	char file[sizeof(PREFIX) + 64];

	snprintf(file, sizeof(file), PREFIX "%s%s", name, suffix);
	(void)unlinkat(dirfd, file, 0);
}

/* Does the VLAN or bond of 'file' lie on one of 'taken'? */
static bool
lies_on(int dirfd, const char *file, const struct fy_strings *taken)
{
	fy_autofree char *over = line_of(dirfd, file, OVER);
	char *word, *rest = NULL;

	for (word = over == NULL ? NULL : strtok_r(over, " ", &rest);
	     word != NULL; word = strtok_r(NULL, " ", &rest))
		if (has_word(taken, word))
			return true;
	return false;
}

/* Ports that said they belong to bond 'name' are free again. */
static void
free_ports(int dirfd, const struct fy_strings *files, const char *name)
{
	size_t i;

	for (i = 0; i < files->n; i++) {
		fy_autofree char *bond =
			line_of(dirfd, files->items[i], "Bond=");

		if (fy_streq(bond, name))
			(void)unlinkat(dirfd, files->items[i], 0);
	}
}

/* Take down everything that lies on 'taken', and what lies on that; what goes
 * is added to 'taken' and 'gone'. */
static int
take_down(int dirfd, const struct fy_strings *files, struct fy_strings *taken,
	  struct fy_strings *gone, struct fy_error *err)
{
	bool more = true;
	size_t i;

	while (more) {
		more = false;
		for (i = 0; i < files->n; i++) {
			fy_autofree char *name =
				name_of_file(files->items[i], ".netdev");

			if (name == NULL || has_word(gone, name) ||
			    !lies_on(dirfd, files->items[i], taken))
				continue;
			if (fy_strings_add(taken, name, err) == -1 ||
			    fy_strings_add(gone, name, err) == -1)
				return -1;
			remove_file(dirfd, name, ".netdev");
			remove_file(dirfd, name, ".network");
			free_ports(dirfd, files, name);
			more = true;
		}
	}
	return 0;
}

static int
list_files(int dirfd, struct fy_strings *ret, struct fy_error *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (dir == NULL) {
		if (fd != -1)
			close(fd);
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot list networkd's files");
	}
	while (r == 0 && (e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1) == 0)
			r = fy_strings_add(ret, e->d_name, err);
	closedir(dir);
	return r;
}

/* A port that is set by itself leaves its bond, and a bond that is made anew
 * begins without its old ports; VLANs on either go. */
static int
remove_old(int dirfd, const struct fy_net *n, struct fy_strings *gone,
	   struct fy_error *err)
{
	struct fy_strings files = { 0 }, taken = { 0 };
	size_t i;
	int r;

	r = list_files(dirfd, &files, err);
	if (r == 0)
		r = fy_strings_add(&taken, n->name, err);
	for (i = 0; r == 0 && i < count(n->bond); i++)
		r = fy_strings_add(&taken, n->bond->items[i], err);
	if (r == 0)
		r = take_down(dirfd, &files, &taken, gone, err);
	if (r == 0 && n->bond != NULL && !has_word(gone, n->name)) {
		free_ports(dirfd, &files, n->name);
		r = fy_strings_add(gone, n->name, err);
	}
	fy_strings_release(&files);
	fy_strings_release(&taken);
	return r;
}

/* --- files ----------------------------------------------------------------- */

static int
write_vlan(int dirfd, const struct fy_net *n, const char *vlan,
	   struct fy_error *err)
{
	struct text t;

	begin(&t);
	add(&t, OVER "%s\n[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%u\n",
	    n->name, vlan, n->vlan);
	if (put(dirfd, &t, vlan, ".netdev", err) == -1)
		return -1;
	begin(&t);
	add(&t, "[Match]\nName=%s\n\n[Network]\n", vlan);
	add_addresses(&t, n);
	return put(dirfd, &t, vlan, ".network", err);
}

static int
write_bond(int dirfd, const struct fy_net *n, struct fy_error *err)
{
	struct text t;
	size_t i;

	begin(&t);
	add(&t, OVER "%s", n->bond->items[0]);
	for (i = 1; i < n->bond->n; i++)
		add(&t, " %s", n->bond->items[i]);
	add(&t,
	    "\n[NetDev]\nName=%s\nKind=bond\n\n[Bond]\nMode=%s\n"
	    "MIIMonitorSec=100ms\n",
	    n->name, n->bond_mode);
	if (put(dirfd, &t, n->name, ".netdev", err) == -1)
		return -1;
	for (i = 0; i < n->bond->n; i++) {
		begin(&t);
		add(&t, "[Match]\nName=%s\n\n[Network]\nBond=%s\n",
		    n->bond->items[i], n->name);
		if (put(dirfd, &t, n->bond->items[i], ".network", err) == -1)
			return -1;
	}
	return 0;
}

static int
write_main(int dirfd, const struct fy_net *n, const char *vlan,
	   struct fy_error *err)
{
	struct text t;

	begin(&t);
	add(&t, "[Match]\nName=%s\n\n[Network]\n", n->name);
	if (n->vlan != 0)
		add(&t, "DHCP=no\nLinkLocalAddressing=no\nVLAN=%s\n", vlan);
	else
		add_addresses(&t, n);
	return put(dirfd, &t, n->name, ".network", err);
}

int
fy_net_write(const char *dir, const struct fy_net *n, struct fy_strings *gone,
	     struct fy_error *err)
{
	char vlan[48] = "";
	fy_autofd int fd = -1;

	if (fy_net_check(n, err) == -1)
		return -1;
	if (mkdir(dir, 0755) == -1 && errno != EEXIST)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make the directory '%s'", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    dir);
	if (remove_old(fd, n, gone, err) == -1)
		return -1;
	if (n->vlan != 0) {
		vlan_name(n, vlan, sizeof(vlan));
		if (write_vlan(fd, n, vlan, err) == -1)
			return -1;
	}
	if (n->bond != NULL && write_bond(fd, n, err) == -1)
		return -1;
	return write_main(fd, n, vlan, err);
}
