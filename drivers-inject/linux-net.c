/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Interface names that stay.  A name that the guest configures is bound to its
 * card's MAC address, which the virtual machine keeps, by a .link file of
 * systemd-udevd: matched by PermanentMACAddress, since VLANs, bonds and bridges
 * share the MACAddress.
 *
 * The MAC of a name is told by --nic, else by the guest's own configuration,
 * else by the machine's description.  --nic comes first, unlike in the design:
 * what a person says is not to be ignored.
 */
#include "drivers-inject/linux-net.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

#define MAX_TEXT (1024u * 1024)

#define FY_NET_RULES_NAME "70-ironferry-net.rules"
#define RULES_PATH	  "/etc/udev/rules.d/" FY_NET_RULES_NAME

/* The first udev that knows .link files, and the first with names of its own
 * for network cards. */
#define UDEV_LINKS 209u
#define UDEV_NAMES 197u

/* --- deciding ------------------------------------------------------------- */

static bool
is_kernel_name(const char *s)
{
	return strncmp(s, "eth", 3) == 0 && isdigit((unsigned char)s[3]);
}

static bool
is_ethernet(const struct fy_machine_nic *nic)
{
	return nic->kind == NULL || strcmp(nic->kind, "ethernet") == 0;
}

/* How well the machine's NIC fits the name: 0 not at all; the present name
 * best, then udev's names in their order. */
static unsigned
fit(const struct fy_machine_nic *nic, const char *name)
{
	size_t i;

	if (!is_ethernet(nic))
		return 0;
	if (fy_streq(nic->name, name))
		return 1000;
	for (i = 0; i < nic->n_names && i < 900; i++)
		if (fy_streq(nic->names[i], name))
			return (unsigned)(900 - i);
	return 0;
}

/* The MAC by the machine's description; false when none or two fit. */
static bool
mac_by_machine(const struct fy_machine *m, const char *name, char *ret,
	       unsigned *ret_fit)
{
	unsigned best = 0, f;
	bool twice = false;
	size_t i;

	for (i = 0; m != NULL && i < m->n_nics; i++) {
		const struct fy_machine_nic *nic = &m->nics[i];

		f = fit(nic, name);
		if (f == 0 || f < best)
			continue;
		twice = f == best;
		if (fy_net_take_mac(nic->permanent_mac, ret) ||
		    fy_net_take_mac(nic->mac, ret))
			best = f;
	}
	*ret_fit = best;
	return best > 0 && !twice;
}

static size_t
count_ethernet(const struct fy_machine *m)
{
	size_t i, n = 0;

	for (i = 0; m != NULL && i < m->n_nics; i++)
		n += is_ethernet(&m->nics[i]);
	return n;
}

static void
decide_one(const struct fy_net_name *e, const struct fy_machine *machine,
	   const struct fy_inject_nic *nics, size_t n_nics, bool by_order,
	   struct fy_net_plan *ret, unsigned *ret_fit)
{
	size_t i;

	ret->name = e->name;
	ret->way = FY_NET_MAC;
	*ret_fit = 2000;
	for (i = 0; i < n_nics; i++)
		if (strcmp(nics[i].name, e->name) == 0 &&
		    fy_net_take_mac(nics[i].mac, ret->mac))
			return;
	*ret_fit = 1500;
	if (e->ruled) {
		ret->way = FY_NET_KEEP;
		ret->why = "the guest binds it to its MAC address itself";
		memcpy(ret->mac, e->mac, sizeof(ret->mac));
		return;
	}
	if (e->mac[0] != '\0') {
		memcpy(ret->mac, e->mac, sizeof(ret->mac));
		return;
	}
	if (by_order && is_kernel_name(e->name)) {
		ret->way = FY_NET_KEEP;
		ret->why = "the kernel's names follow the order of the NICs";
		return;
	}
	if (mac_by_machine(machine, e->name, ret->mac, ret_fit))
		return;
	ret->way = FY_NET_UNKNOWN;
	ret->mac[0] = '\0';
	ret->why = "its MAC address is not known (--nic NAME=MAC tells it)";
}

/* Two names for one card: the better one wins. */
static void
resolve_clashes(struct fy_net_plan *plans, const unsigned *fits, size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++) {
			if (i == k || plans[i].way != FY_NET_MAC ||
			    plans[k].mac[0] == '\0' ||
			    plans[k].way == FY_NET_UNKNOWN ||
			    strcmp(plans[i].mac, plans[k].mac) != 0)
				continue;
			if (fits[i] < fits[k] ||
			    (fits[i] == fits[k] && i > k)) {
				plans[i].way = FY_NET_UNKNOWN;
				plans[i].why = "another name of the "
					       "configuration has the same "
					       "network card";
				break;
			}
		}
}

int
fy_net_decide(const struct fy_net_names *n, const struct fy_machine *machine,
	      const struct fy_inject_nic *nics, size_t n_nics, bool by_order,
	      struct fy_net_plan **ret, size_t *ret_n, struct fy_error *err)
{
	fy_autofree struct fy_net_plan *plans =
		calloc(n->n + 1, sizeof(*plans));
	fy_autofree unsigned *fits = calloc(n->n + 1, sizeof(*fits));
	size_t i, k = 0;

	if (plans == NULL || fits == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n->n; i++) {
		const struct fy_net_name *e = &n->items[i];

		if (e->virtual || !e->used)
			continue;
		decide_one(e, machine, nics, n_nics, by_order, &plans[k],
			   &fits[k]);
		k++;
	}
	resolve_clashes(plans, fits, k);
	/* The only one, on a machine with one card: no MAC is needed. */
	if (k == 1 && plans[0].way == FY_NET_UNKNOWN &&
	    count_ethernet(machine) <= 1)
		plans[0].way = FY_NET_DRIVER;
	*ret = fy_steal_ptr(&plans);
	*ret_n = k;
	return 0;
}

int
fy_net_link(const struct fy_net_plan *p, unsigned systemd, struct fy_text *ret,
	    struct fy_error *err)
{
	fy_text_printf(ret, "# Written by Ironferry: keeps the interface's "
			    "name on virtual hardware.\n[Match]\n");
	if (p->way == FY_NET_DRIVER)
		fy_text_add(ret, "Driver=virtio_net\n");
	else if (systemd >= 245)
		fy_text_printf(ret, "PermanentMACAddress=%s\n", p->mac);
	else
		fy_text_printf(ret, "MACAddress=%s\nDriver=virtio_net\n",
			       p->mac);
	fy_text_printf(ret, "\n[Link]\nName=%s\n", p->name);
	return fy_text_check(ret, err);
}

void
fy_net_rule(const struct fy_net_plan *p, struct fy_text *ret)
{
	if (ret->len == 0)
		fy_text_add(ret, "# Written by Ironferry: keeps the names of "
				 "network interfaces on virtual hardware.\n");
	/* The driver's name leaves out VLANs and bridges, which share the
	 * MAC. */
	if (p->way == FY_NET_DRIVER)
		fy_text_printf(ret,
			       "SUBSYSTEM==\"net\", ACTION==\"add\", "
			       "DRIVERS==\"virtio_net\", NAME=\"%s\"\n",
			       p->name);
	else
		fy_text_printf(ret,
			       "SUBSYSTEM==\"net\", ACTION==\"add\", "
			       "DRIVERS==\"?*\", ATTR{address}==\"%s\", "
			       "ATTR{type}==\"1\", NAME=\"%s\"\n",
			       p->mac, p->name);
}

/* --- reading the guest ---------------------------------------------------- */

enum parser {
	IFUPDOWN,
	NETPLAN,
	NETWORKD,
	KEYFILE,
	IFCFG,
	SUSE,
	NETCTL,
	RULES
};

static int
parse_one(struct fy_guest *g, enum parser how, const char *path,
	  struct fy_net_names *n, struct fy_error *err)
{
	const char *name = strrchr(path, '/');
	fy_autofree char *text = NULL;
	struct fy_guest_stat st;
	size_t len;

	if (fy_guest_stat(g, path, &st, NULL) == -1 || st.type != FY_GUEST_FILE)
		return 0;
	if (st.size > MAX_TEXT) {
		fy_autofree char *note =
			fy_format(err, "'%.200s' is too large", path);

		return note == NULL ? -1
				    : fy_string_set_add(&n->notes, note, err);
	}
	if (fy_guest_read(g, path, MAX_TEXT, &text, &len, err) == -1)
		return -1;
	switch (how) {
	case IFUPDOWN:
		return fy_net_parse_ifupdown(n, text, err);
	case NETPLAN:
		return fy_net_parse_netplan(n, text, err);
	case NETWORKD:
		return fy_net_parse_networkd(n, name == NULL ? path : name + 1,
					     text, err);
	case KEYFILE:
		return fy_net_parse_keyfile(n, text, err);
	case IFCFG:
		return fy_net_parse_ifcfg(n, name == NULL ? path : name + 1,
					  text, err);
	case SUSE:
		return fy_net_parse_suse(n, name == NULL ? path : name + 1,
					 text, err);
	case NETCTL:
		return fy_net_parse_netctl(n, text, err);
	case RULES:
		break;
	}
	return fy_net_parse_rules(n, text, err);
}

/* What the network scripts pass over. */
static bool
is_leftover(const char *name)
{
	static const char *const ends[] = { "~",       ".bak",	   ".orig",
					    ".rpmnew", ".rpmsave", ".rpmorig",
					    ".old",    ".dpkg-old" };
	size_t i, len = strlen(name), n;

	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		n = strlen(ends[i]);
		if (len > n && strcmp(name + len - n, ends[i]) == 0)
			return true;
	}
	return false;
}

static int
parse_dir(struct fy_guest *g, enum parser how, const char *dir,
	  const char *pattern, struct fy_net_names *n, struct fy_error *err)
{
	char **names = NULL;
	size_t count = 0, i;
	int r;

	r = fy_guest_names(g, dir, &names, &count, err);
	for (i = 0; r == 0 && i < count; i++) {
		fy_autofree char *path = NULL;

		/* Our own, of an injection that was not undone. */
		if (fnmatch(pattern, names[i], FNM_PERIOD) != 0 ||
		    strncmp(names[i], "10-ironferry-", 13) == 0 ||
		    strcmp(names[i], FY_NET_RULES_NAME) == 0 ||
		    is_leftover(names[i]))
			continue;
		path = fy_format(err, "%s/%s", dir, names[i]);
		r = path == NULL ? -1 : parse_one(g, how, path, n, err);
	}
	fy_guest_names_free(names, count);
	return r;
}

/* "source": a file, a pattern or a directory; at most two levels. */
static int
parse_sources(struct fy_guest *g, struct fy_net_names *n, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < n->more.n && i < 64; i++) {
		fy_autofree char *path = NULL;
		char *slash;

		path = n->more.items[i][0] == '/'
			       ? strdup(n->more.items[i])
			       : fy_format(err, "/etc/network/%s",
					   n->more.items[i]);
		if (path == NULL)
			return fy_error_nomem(err);
		slash = strrchr(path, '/');
		if (fy_guest_is_dir(g, path)) {
			if (parse_dir(g, IFUPDOWN, path, "*", n, err) == -1)
				return -1;
		} else if (strpbrk(path, "*?[") == NULL) {
			if (parse_one(g, IFUPDOWN, path, n, err) == -1)
				return -1;
		} else {
			*slash = '\0';
			if (parse_dir(g, IFUPDOWN, path, slash + 1, n, err))
				return -1;
		}
	}
	return 0;
}

/* ALT's: a directory for each interface, with its options. */
static int
parse_etcnet(struct fy_guest *g, struct fy_net_names *n, struct fy_error *err)
{
	char **names = NULL;
	size_t count = 0, i;
	int r;

	r = fy_guest_names(g, "/etc/net/ifaces", &names, &count, err);
	for (i = 0; r == 0 && i < count; i++) {
		fy_autofree char *path =
			fy_format(err, "/etc/net/ifaces/%s/options", names[i]);
		fy_autofree char *text =
			path == NULL ? NULL : fy_linux_text(g, path);

		if (path == NULL)
			r = -1;
		else if (text != NULL)
			r = fy_net_parse_etcnet(n, names[i], text, err);
	}
	fy_guest_names_free(names, count);
	return r;
}

int
fy_net_read(struct fy_guest *g, struct fy_net_names *n, struct fy_error *err)
{
	static const struct {
		enum parser how;
		const char *dir, *pattern;
	} places[] = {
		{ NETPLAN, "/etc/netplan", "*.yaml" },
		{ NETWORKD, "/etc/systemd/network", "*.network" },
		{ NETWORKD, "/etc/systemd/network", "*.netdev" },
		{ NETWORKD, "/etc/systemd/network", "*.link" },
		{ KEYFILE, "/etc/NetworkManager/system-connections", "*" },
		{ IFCFG, "/etc/sysconfig/network-scripts", "ifcfg-*" },
		{ SUSE, "/etc/sysconfig/network", "ifcfg-*" },
		{ NETCTL, "/etc/netctl", "*" },
		{ RULES, "/etc/udev/rules.d", "*.rules" },
	};
	size_t i;

	if (parse_one(g, IFUPDOWN, "/etc/network/interfaces", n, err) == -1 ||
	    parse_sources(g, n, err) == -1 || parse_etcnet(g, n, err) == -1)
		return -1;
	for (i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (parse_dir(g, places[i].how, places[i].dir,
			      places[i].pattern, n, err) == -1)
			return -1;
	return 0;
}

/* --- systemd -------------------------------------------------------------- */

static unsigned
number_of(const char *s)
{
	unsigned v = 0;

	for (; isdigit((unsigned char)*s) && v < 100000; s++)
		v = v * 10 + (unsigned)(*s - '0');
	return v;
}

/* The version of the package, from dpkg's status. */
static unsigned
package_version(const char *status, const char *package)
{
	fy_autofree char *start = fy_format(NULL, "\nPackage: %s\n", package);
	const char *p = start == NULL ? NULL : strstr(status, start), *end, *v;

	if (p == NULL)
		return 0;
	end = strstr(p + 1, "\n\n");
	v = strstr(p, "\nVersion: ");
	if (v == NULL || (end != NULL && v > end))
		return 0;
	v += 10;
	if (strncmp(v, "1:", 2) == 0)
		v += 2;
	return number_of(v);
}

static unsigned
systemd_version(struct fy_system *s)
{
	static const char *const dirs[] = { "/usr/lib/systemd", "/lib/systemd",
					    "/usr/lib/x86_64-linux-gnu/"
					    "systemd",
					    "/usr/lib/aarch64-linux-gnu/"
					    "systemd" };
	fy_autofree char *status = NULL;
	unsigned version = 0;
	size_t len, i, k;

	if (fy_guest_read(s->guest, "/var/lib/dpkg/status", 64u << 20, &status,
			  &len, NULL) == 0)
		version = package_version(status, "udev");
	if (version == 0 && status != NULL)
		version = package_version(status, "systemd");
	for (i = 0; version == 0 && i < 4; i++) {
		char **names = NULL;
		size_t n = 0;

		fy_guest_names(s->guest, dirs[i], &names, &n, NULL);
		for (k = 0; k < n; k++)
			if (strncmp(names[k], "libsystemd-shared-", 18) == 0)
				version = number_of(names[k] + 18);
		fy_guest_names_free(names, n);
	}
	return version;
}

/* Whether eth0 is eth0 because udev was told to leave names alone, or knows no
 * better. */
static bool
names_by_order(struct fy_system *s, unsigned systemd)
{
	fy_autofree char *text = fy_linux_boot_text(s, NULL);
	fy_autofree char *to = NULL;

	if (systemd < UDEV_NAMES ||
	    (text != NULL && strstr(text, "net.ifnames=0") != NULL))
		return true;
	if (fy_guest_readlink(s->guest, "/etc/systemd/network/99-default.link",
			      &to, NULL) == 0 &&
	    strcmp(to, "/dev/null") == 0)
		return true;
	return fy_guest_readlink(s->guest,
				 "/etc/udev/rules.d/80-net-setup-link.rules",
				 &to, NULL) == 0;
}

/* --- writing -------------------------------------------------------------- */

static int
add_extra(struct fy_linux_extras *x, const char *path, const char *data,
	  size_t len, struct fy_error *err)
{
	struct fy_linux_extra *grown;

	grown = reallocarray(x->items, x->n + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	x->items = grown;
	grown[x->n].path = strdup(path + (path[0] == '/'));
	grown[x->n].data = strndup(data, len);
	grown[x->n].len = len;
	if (grown[x->n].path == NULL || grown[x->n].data == NULL) {
		free(grown[x->n].path);
		free(grown[x->n].data);
		return fy_error_nomem(err);
	}
	x->n++;
	return 0;
}

static int
write_link(struct fy_system *s, const struct fy_net_plan *p, unsigned systemd,
	   struct fy_linux_extras *extras, struct fy_error *err)
{
	fy_autofree char *path = fy_format(
		err, "/etc/systemd/network/10-ironferry-%s.link", p->name);
	struct fy_text text = { 0 };
	int r = -1;

	if (path != NULL)
		r = fy_net_link(p, systemd, &text, err);
	if (r == 0)
		r = fy_system_create(
			s->disks, s->guest, path, text.data, text.len,
			"the network interface keeps its name", err);
	if (r == 0)
		r = add_extra(extras, path, text.data, text.len, err);
	fy_text_release(&text);
	return r;
}

/* For a udev without .link files: rules of its own, before biosdevname's. */
static int
write_rules(struct fy_system *s, const struct fy_text *rules,
	    struct fy_linux_extras *extras, struct fy_error *err)
{
	if (fy_text_check(rules, err) == -1)
		return -1;
	if (rules->len == 0)
		return 0;
	if (fy_system_create(
		    s->disks, s->guest, RULES_PATH, rules->data, rules->len,
		    "the network interfaces keep their names", err) == -1)
		return -1;
	return add_extra(extras, RULES_PATH, rules->data, rules->len, err);
}

static int
carry_out(struct fy_system *s, const struct fy_net_plan *plans, size_t n,
	  unsigned systemd, struct fy_linux_extras *extras,
	  struct fy_error *err)
{
	struct fy_text rules = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < n; i++) {
		const struct fy_net_plan *p = &plans[i];

		if (p->way == FY_NET_UNKNOWN)
			r = fy_disks_warn(s->disks, err,
					  "the network interface '%s' may get "
					  "another name: %s",
					  p->name, p->why);
		else if (p->way == FY_NET_KEEP)
			fy_log_info(s->disks->log, "interface '%s': %s",
				    p->name, p->why);
		else if (systemd < UDEV_LINKS)
			fy_net_rule(p, &rules);
		else
			r = write_link(s, p, systemd, extras, err);
	}
	if (r == 0)
		r = write_rules(s, &rules, extras, err);
	fy_text_release(&rules);
	return r;
}

int
fy_linux_network(struct fy_system *s, struct fy_linux_extras *extras,
		 struct fy_error *err)
{
	const struct fy_inject_options *o = s->disks->options;
	struct fy_net_names names = { 0 };
	struct fy_error e = { 0 };
	fy_autofree struct fy_net_plan *plans = NULL;
	unsigned systemd = systemd_version(s);
	size_t n = 0, i;
	int r;

	r = fy_net_read(s->guest, &names, &e);
	if (e.code != FY_E_NONE) /* parsers may go on without memory */
		r = fy_error_copy(err, &e);
	for (i = 0; r == 0 && i < names.notes.n; i++)
		r = fy_disks_warn(s->disks, err, "%s", names.notes.items[i]);
	if (r == 0)
		r = fy_net_decide(&names, o->machine, o->nics, o->n_nics,
				  names_by_order(s, systemd), &plans, &n, err);
	if (r == 0)
		r = carry_out(s, plans, n, systemd, extras, err);
	fy_net_names_release(&names);
	return r;
}
