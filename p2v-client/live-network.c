/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The live system's own network: what there is, which port is which, and
 * DHCP, fixed addresses, VLANs and bonds by files for systemd-networkd.
 */
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "p2v-client/live-netfiles.h"
#include "p2v-client/live.h"
#include "p2v-client/sysfs.h"

#define MAX_NICS   64
#define NET_DIR	   "/run/systemd/network"
#define WAIT_STEPS 30
#define STEP_MS	   500
#define PORT_STEPS 60 /* a driver may come late */

static const char *
net_dir(const struct fy_live *l)
{
	return l->o->live.network_dir != NULL ? l->o->live.network_dir
					      : NET_DIR;
}

/* --- what there is --------------------------------------------------------- */

/* Interfaces but the loopback; '*ret_text' of each is malloc'd. */
static bool
is_shown(const char *root, const char *name)
{
	/* ARPHRD_ETHER, or InfiniBand. */
	uint64_t type = fy_sys_number(root, 0, "/sys/class/net/%s/type", name);

	return type == 1 || type == 32;
}

static bool
is_port(const char *root, const char *name)
{
	return fy_sys_exists(root, "/sys/class/net/%s/device", name);
}

/* "192.0.2.7 2001:db8::7"; "" when there are none. */
static char *
addresses_of(const char *name, bool all, struct fy_error *err)
{
	char *text = strdup(""), host[NI_MAXHOST];
	struct ifaddrs *list = NULL, *a;

	(void)getifaddrs(&list);
	for (a = list; a != NULL && text != NULL; a = a->ifa_next) {
		bool v6;
		char *more;

		if (a->ifa_addr == NULL || strcmp(a->ifa_name, name) != 0)
			continue;
		v6 = a->ifa_addr->sa_family == AF_INET6;
		if ((!v6 && a->ifa_addr->sa_family != AF_INET) ||
		    getnameinfo(a->ifa_addr,
				v6 ? sizeof(struct sockaddr_in6)
				   : sizeof(struct sockaddr_in),
				host, sizeof(host), NULL, 0,
				NI_NUMERICHOST) != 0 ||
		    (!all && strncmp(host, "fe80", 4) == 0))
			continue;
		more = fy_format(err, "%s%s%s", text,
				 text[0] != '\0' ? " " : "", host);
		free(text);
		text = more;
	}
	freeifaddrs(list);
	if (text == NULL)
		fy_error_nomem(err);
	return text;
}

/* "up 1000 Mb/s  e1000  52:54:00:12:34:56  192.0.2.7" */
static char *
describe(const struct fy_live *l, const char *name, struct fy_error *err)
{
	const char *root = l->sysroot;
	fy_autofree char *mac = NULL, *driver = NULL, *addresses = NULL;
	uint64_t speed;
	char rate[32] = "";
	bool up;

	up = fy_sys_number(root, 0, "/sys/class/net/%s/carrier", name) == 1;
	speed = fy_sys_number(root, 0, "/sys/class/net/%s/speed", name);
	mac = fy_sys_line(root, "/sys/class/net/%s/address", name);
	driver = fy_sys_link(root, "/sys/class/net/%s/device/driver", name);
	addresses = addresses_of(name, false, err);
	if (addresses == NULL)
		return NULL;
	if (up && speed > 0 && speed < 10000000)
		snprintf(rate, sizeof(rate), " %llu Mb/s",
			 (unsigned long long)speed);
	return fy_format(err, "%s%s  %s  %s  %s", up ? "link up" : "no link",
			 rate, driver != NULL ? driver : "-",
			 mac != NULL ? mac : "-",
			 addresses[0] != '\0' ? addresses : "no address");
}

/* --- making it so ---------------------------------------------------------- */

static int
reload(const struct fy_live *l, struct fy_error *err)
{
	static const char *const argv[] = { "networkctl", "reload", NULL };
	struct fy_subprocess_options options = { .timeout_s = 30 };

	/* Somebody else's directory is for tests. */
	if (l->o->live.network_dir != NULL)
		return 0;
	return fy_subprocess_run(argv, &options, NULL, err);
}

/*
 * Write it down and let networkd do it.  A VLAN or bond that is to go is
 * removed from the kernel by us, for networkd leaves it; and networkd is
 * started anew then, for it knows the name still.
 */
static int
make_so(const struct fy_live *l, const struct fy_net *n, struct fy_error *err)
{
	static const char *const restart[] = { "systemctl", "restart",
					       "systemd-networkd", NULL };
	struct fy_subprocess_options options = { .timeout_s = 60 };
	struct fy_error ignored = { .code = FY_E_NONE };
	struct fy_strings gone = { 0 };
	size_t i;
	int r;

	r = fy_net_write(net_dir(l), n, &gone, err);
	for (i = 0; r == 0 && l->o->live.network_dir == NULL && i < gone.n;
	     i++) {
		const char *const del[] = { "ip",  "link",	  "delete",
					    "dev", gone.items[i], NULL };

		if (fy_sys_exists(l->sysroot, "/sys/class/net/%s",
				  gone.items[i]))
			(void)fy_subprocess_run(del, &options, NULL, &ignored);
	}
	if (r == 0 && gone.n > 0 && l->o->live.network_dir == NULL)
		r = fy_subprocess_run(restart, &options, NULL, err);
	else if (r == 0)
		r = reload(l, err);
	fy_strings_release(&gone);
	return r;
}

/* By name or MAC; malloc'd.  NULL: the first port with a link, else the
 * first. */
static char *
find_port(const struct fy_live *l, const char *word, struct fy_error *err)
{
	struct fy_strings names = { 0 };
	char *found = NULL;
	size_t i, round;

	if (fy_sys_list(l->sysroot, "/sys/class/net", &names, err) == -1)
		return NULL;
	for (round = 0; round < 2 && found == NULL; round++) {
		for (i = 0; i < names.n && found == NULL; i++) {
			const char *n = names.items[i];
			fy_autofree char *mac = fy_sys_line(
				l->sysroot, "/sys/class/net/%s/address", n);
			bool up = fy_sys_number(l->sysroot, 0,
						"/sys/class/net/%s/carrier",
						n) == 1;

			if (!is_port(l->sysroot, n))
				continue;
			if (word == NULL ? up || round == 1
					 : strcmp(word, n) == 0 ||
						   (mac != NULL &&
						    strcasecmp(word, mac) == 0))
				found = strdup(n);
		}
	}
	fy_strings_release(&names);
	if (found == NULL)
		fy_error_set(err, FY_E_NOTFOUND, 0,
			     "p2v.interface: there is no interface '%s'",
			     word != NULL ? word : "at all");
	return found;
}

void
fy_live_wait_for_port(const struct fy_live *l, const char *word)
{
	int i;

	/* A tree for tests does not change by itself. */
	for (i = 0; l->sysroot == NULL && i < PORT_STEPS; i++) {
		struct fy_error ignored = { .code = FY_E_NONE };
		fy_autofree char *name = find_port(l, word, &ignored);

		if (name != NULL || fy_stop_is_raised(&fy_client_stop))
			return;
		fy_live_pause(STEP_MS);
	}
}

int
fy_live_network_from_keys(struct fy_live *l, struct fy_error *err)
{
	const struct fy_live_options *lo = &l->o->live;
	fy_autofree char *name = NULL;
	struct fy_net n = { .vlan = (unsigned)lo->vlan,
			    .addresses = &lo->addresses,
			    .gateways = &lo->gateways,
			    .dns = &lo->dns };

	if (lo->addresses.n == 0 && lo->vlan == 0 && lo->dns.n == 0 &&
	    lo->gateways.n == 0 && lo->interface == NULL)
		return 0;
	fy_live_wait_for_port(l, lo->interface);
	name = find_port(l, lo->interface, err);
	if (name == NULL)
		return -1;
	n.name = name;
	return make_so(l, &n, err);
}

/* --- screens --------------------------------------------------------------- */

/* The words of a field. */
static int
words(const char *text, struct fy_strings *ret, struct fy_error *err)
{
	fy_autofree char *copy = strdup(text);
	char *word, *rest = NULL;

	if (copy == NULL)
		return fy_error_nomem(err);
	for (word = strtok_r(copy, " ,;", &rest); word != NULL;
	     word = strtok_r(NULL, " ,;", &rest))
		if (fy_strings_add(ret, word, err) == -1)
			return -1;
	return 0;
}

static int
parse_vlan(const char *text, unsigned *ret, struct fy_error *err)
{
	size_t len = strlen(text);

	*ret = 0;
	if (len > 4 || strspn(text, "0123456789") != len)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.20s' is no number of a VLAN", text);
	for (; *text != '\0'; text++)
		*ret = *ret * 10 + (unsigned)(*text - '0');
	if (len > 0 && *ret == 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a VLAN's number is 1 to 4094, not 0");
	return 0;
}

/* Write, reload, and give it some seconds to get an address. */
static int
apply(struct fy_live *l, const struct fy_net *n, struct fy_error *err)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	int i;

	if (make_so(l, n, err) == -1)
		return -1;
	if (l->o->live.network_dir != NULL)
		return 0;
	(void)fy_ui_notice(&l->ui, "Waiting for an address ...", &ignored);
	for (i = 0; i < WAIT_STEPS; i++) {
		fy_autofree char *now = addresses_of(n->name, false, &ignored);

		if (n->vlan != 0 || (now != NULL && now[0] != '\0'))
			return 0;
		fy_live_pause(STEP_MS);
	}
	return 0;
}

static int
take_form(struct fy_live *l, const struct fy_ui_field *f, struct fy_net *n,
	  struct fy_error *err)
{
	struct fy_strings addresses = { 0 }, gateways = { 0 }, dns = { 0 };
	int r = -1;

	n->addresses = &addresses;
	n->gateways = &gateways;
	n->dns = &dns;
	if (words(f[0].value, &addresses, err) == 0 &&
	    words(f[1].value, &gateways, err) == 0 &&
	    words(f[2].value, &dns, err) == 0 &&
	    parse_vlan(f[3].value, &n->vlan, err) == 0)
		r = apply(l, n, err);
	fy_strings_release(&addresses);
	fy_strings_release(&gateways);
	fy_strings_release(&dns);
	return r;
}

#define N_FIELDS 4

/* Addresses for an interface or a new bond. */
static int
configure(struct fy_live *l, const char *name, const struct fy_strings *bond,
	  const char *mode, struct fy_error *err)
{
	static const char *const labels[N_FIELDS] = { "Addresses (none: DHCP)",
						      "Gateways",
						      "Name servers",
						      "VLAN (none: untagged)" };
	struct fy_ui_field fields[N_FIELDS];
	fy_autofree char *title = fy_format(err, "Network: %s", name);
	enum fy_ui_answer answer;
	size_t i;

	if (title == NULL)
		return -1;
	for (i = 0; i < N_FIELDS; i++)
		fields[i] = (struct fy_ui_field){ labels[i], strdup(""), 200 };
	for (;;) {
		struct fy_net n = { .name = name,
				    .bond = bond,
				    .bond_mode = mode };
		struct fy_error why = { .code = FY_E_NONE };

		answer = fy_ui_form(
			&l->ui, title,
			"With all fields empty the addresses come by DHCP. A "
			"fixed address has its bits: 192.0.2.7/24, "
			"2001:db8::7/64. Several are separated by spaces.",
			fields, N_FIELDS, NULL, err);
		if (answer != FY_UI_OK || take_form(l, fields, &n, &why) == 0)
			break;
		if (fy_live_tell(l, title, &why, err) == -1) {
			answer = FY_UI_FAILED;
			break;
		}
	}
	for (i = 0; i < N_FIELDS; i++)
		free(fields[i].value);
	return answer == FY_UI_FAILED ? -1 : 0;
}

static int
blink(struct fy_live *l, const char *name, struct fy_error *err)
{
	const char *const argv[] = { "ethtool", "-p", name, "10", NULL };
	struct fy_subprocess_options options = { .timeout_s = 20 };
	struct fy_error why = { .code = FY_E_NONE };
	fy_autofree char *text = NULL;

	text = fy_format(err,
			 "The light at the port of %s blinks for 10 seconds.",
			 name);
	if (text == NULL || fy_ui_notice(&l->ui, text, err) == FY_UI_FAILED)
		return -1;
	if (fy_subprocess_run(argv, &options, NULL, &why) == 0)
		return 0;
	return fy_live_tell(l, "Blink", &why, err);
}

static int
one_interface(struct fy_live *l, const char *name, struct fy_error *err)
{
	static const struct fy_ui_item items[] = {
		{ "addresses", "DHCP or fixed addresses, VLAN", NULL, false },
		{ "blink", "make the port's light blink, to find it", NULL,
		  false },
	};
	fy_autofree char *text = describe(l, name, err);
	size_t choice = 0;
	enum fy_ui_answer answer;

	if (text == NULL)
		return -1;
	answer = fy_ui_menu(&l->ui, name, text, items,
			    is_port(l->sysroot, name) ? 2 : 1, NULL, &choice,
			    err);
	if (answer == FY_UI_FAILED)
		return -1;
	if (answer != FY_UI_OK)
		return 0;
	return choice == 0 ? configure(l, name, NULL, NULL, err)
			   : blink(l, name, err);
}

static int
make_bond(struct fy_live *l, const struct fy_ui_item *nics, size_t n,
	  struct fy_error *err)
{
	struct fy_ui_item modes[8];
	struct fy_strings chosen = { 0 };
	enum fy_ui_answer answer;
	size_t i, mode = 0;
	int r = 0;

	answer = fy_ui_check(&l->ui, "Bond",
			     "Choose the interfaces that work together (space "
			     "bar).",
			     nics, n, NULL, &chosen, err);
	if (answer == FY_UI_OK && chosen.n > 0) {
		for (i = 0; fy_net_bond_modes[i] != NULL; i++)
			modes[i] = (struct fy_ui_item){
				fy_net_bond_modes[i],
				i == 0	 ? "one works, the others wait"
				: i == 1 ? "LACP; the switch must do it, too"
					 : "",
				NULL, false
			};
		answer = fy_ui_menu(&l->ui, "Bond", "How?", modes, i, NULL,
				    &mode, err);
		if (answer == FY_UI_OK)
			r = configure(l, "bond0", &chosen,
				      fy_net_bond_modes[mode], err);
	}
	fy_strings_release(&chosen);
	return answer == FY_UI_FAILED ? -1 : r;
}

static int
make_wifi(struct fy_live *l, const char *device, struct fy_error *err)
{
	fy_autofree char *ssid = NULL, *secret = NULL, *option = NULL;
	struct fy_subprocess_options options = { .timeout_s = 60 };
	struct fy_error why = { .code = FY_E_NONE };
	enum fy_ui_answer answer;
	const char *argv[8] = { "iwctl" };
	size_t n = 1;

	answer = fy_ui_input(&l->ui, "Wi-Fi", "Name of the network:", NULL,
			     false, NULL, &ssid, err);
	if (answer == FY_UI_OK && ssid[0] != '\0')
		answer =
			fy_ui_input(&l->ui, "Wi-Fi",
				    "Passphrase (none: an open network):", NULL,
				    true, NULL, &secret, err);
	if (answer != FY_UI_OK || ssid[0] == '\0')
		return answer == FY_UI_FAILED ? -1 : 0;
	if (secret[0] != '\0') {
		option = fy_format(err, "--passphrase=%s", secret);
		if (option == NULL)
			return -1;
		argv[n++] = option;
	}
	argv[n++] = "station";
	argv[n++] = device;
	argv[n++] = "connect";
	argv[n++] = ssid;
	if (fy_ui_notice(&l->ui, "Connecting ...", err) == FY_UI_FAILED)
		return -1;
	if (fy_subprocess_run(argv, &options, NULL, &why) == 0)
		return 0;
	return fy_live_tell(l, "Wi-Fi", &why, err);
}

/* --- the list -------------------------------------------------------------- */

struct list {
	struct fy_strings names;
	struct fy_ui_item items[MAX_NICS + 2];
	size_t n_nics, n;
	char *wireless; /* borrowed name, or NULL */
};

static void
release_list(struct list *list)
{
	size_t i;

	for (i = 0; i < list->n_nics; i++)
		free((char *)(uintptr_t)list->items[i].text);
	fy_strings_release(&list->names);
}

static int
make_list(struct fy_live *l, struct list *list, struct fy_error *err)
{
	size_t i, ports = 0;
	char path[256];

	if (fy_sys_list(l->sysroot, "/sys/class/net", &list->names, err) == -1)
		return -1;
	for (i = 0; i < list->names.n && list->n < MAX_NICS; i++) {
		char *name = list->names.items[i];
		char *text;

		if (!is_shown(l->sysroot, name))
			continue;
		text = describe(l, name, err);
		if (text == NULL)
			return -1;
		list->items[list->n++] =
			(struct fy_ui_item){ name, text, NULL, false };
		list->n_nics++;
		ports += is_port(l->sysroot, name);
		if (fy_sys_exists(l->sysroot, "/sys/class/net/%s/wireless",
				  name))
			list->wireless = name;
	}
	if (ports > 1)
		list->items[list->n++] = (struct fy_ui_item){
			"bond", "let several interfaces work as one", NULL,
			false
		};
	if (list->wireless != NULL &&
	    fy_subprocess_find("iwctl", path, sizeof(path)) == 0)
		list->items[list->n++] = (struct fy_ui_item){
			"wifi", "connect to a wireless network", NULL, false
		};
	return 0;
}

/* 1: show the list again. */
static int
show_list(struct fy_live *l, struct list *list, struct fy_error *err)
{
	static const struct fy_ui_labels labels = { .ok = "Configure",
						    .cancel = "Back" };
	enum fy_ui_answer answer;
	const char *tag;
	size_t choice = 0;
	int r;

	if (list->n == 0) {
		struct fy_error none = { .code = FY_E_NONE };

		fy_error_set(&none, FY_E_NOTFOUND, 0,
			     "This system sees no network interface.");
		return fy_live_tell(l, "Network", &none, err);
	}
	answer = fy_ui_menu(&l->ui, "Network", "Which interface?", list->items,
			    list->n, &labels, &choice, err);
	if (answer != FY_UI_OK)
		return answer == FY_UI_FAILED ? -1 : 0;
	tag = list->items[choice].tag;
	if (choice < list->n_nics)
		r = one_interface(l, tag, err);
	else if (strcmp(tag, "bond") == 0)
		r = make_bond(l, list->items, list->n_nics, err);
	else
		r = make_wifi(l, list->wireless, err);
	return r == -1 ? -1 : 1;
}

int
fy_live_network_screen(struct fy_live *l, struct fy_error *err)
{
	int r;

	do {
		struct list list = { .n = 0 };

		r = make_list(l, &list, err);
		if (r == 0)
			r = show_list(l, &list, err);
		release_list(&list);
	} while (r == 1);
	return r;
}
