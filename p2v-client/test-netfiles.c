/* SPDX-License-Identifier: GPL-3.0-or-later */
/* systemd-networkd's files: the texts, and the words that are refused. */
#include <stdarg.h>

#include "common/cleanup.h"
#include "p2v-client/live-netfiles.h"
#include "p2v-client/test-tree.h"

static struct fy_strings
list(const char *first, ...)
{
	struct fy_strings s = { 0 };
	struct fy_error err = { 0 };
	const char *word;
	va_list ap;

	va_start(ap, first);
	for (word = first; word != NULL; word = va_arg(ap, const char *))
		CHECK_OK(fy_strings_add(&s, word, &err), &err);
	va_end(ap);
	return s;
}

static char *
dir(void)
{
	struct fy_error err = { 0 };

	return fy_format(&err, "%s/net", tree);
}

/* 'gone': the names that the kernel is to lose, each followed by a space. */
static void
write_gone(const struct fy_net *n, const char *gone)
{
	fy_autofree char *d = dir();
	struct fy_strings names = { 0 };
	struct fy_error err = { 0 };
	char text[200] = "";
	size_t i, len = 0;

	CHECK_OK(fy_net_write(d, n, &names, &err), &err);
	for (i = 0; i < names.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
					names.items[i]);
	CHECK_STR(text, gone);
	fy_strings_release(&names);
}

static void
write_it(const struct fy_net *n)
{
	write_gone(n, "");
}

static void
file_is(const char *name, const char *want)
{
	fy_autofree char *d = dir(), *path = NULL, *text = NULL;
	struct fy_error err = { 0 };
	size_t len;

	path = fy_format(&err, "%s/%s", d, name);
	if (want == NULL) {
		CHECK(access(path, F_OK) == -1);
		return;
	}
	CHECK_OK(fy_file_read_at(AT_FDCWD, path, 65536, &text, &len, &err),
		 &err);
	CHECK_STR(text, want);
}

static void
texts(void)
{
	struct fy_strings none = { 0 };
	struct fy_strings a = list("192.0.2.7/24", "2001:db8::7/64", NULL);
	struct fy_strings g = list("192.0.2.1", NULL);
	struct fy_strings dns = list("192.0.2.53", "2001:db8::53", NULL);
	struct fy_strings members = list("eth0", "eth1", NULL);
	struct fy_net n = { .name = "eth0",
			    .addresses = &none,
			    .gateways = &none,
			    .dns = &none };

	write_it(&n);
	file_is("10-ironferry-eth0.network",
		"# by p2v-client live\n[Match]\nName=eth0\n\n[Network]\n"
		"DHCP=yes\n");
	n.addresses = &a;
	n.gateways = &g;
	n.dns = &dns;
	write_it(&n);
	file_is("10-ironferry-eth0.network",
		"# by p2v-client live\n[Match]\nName=eth0\n\n[Network]\n"
		"DHCP=no\nAddress=192.0.2.7/24\nAddress=2001:db8::7/64\n"
		"Gateway=192.0.2.1\nDNS=192.0.2.53\nDNS=2001:db8::53\n");
	n.vlan = 12;
	write_it(&n);
	file_is("10-ironferry-eth0.network",
		"# by p2v-client live\n[Match]\nName=eth0\n\n[Network]\n"
		"DHCP=no\nLinkLocalAddressing=no\nVLAN=eth0.12\n");
	file_is("10-ironferry-eth0.12.netdev",
		"# by p2v-client live\n# over "
		"eth0\n[NetDev]\nName=eth0.12\nKind=vlan\n\n"
		"[VLAN]\nId=12\n");
	file_is("10-ironferry-eth0.12.network",
		"# by p2v-client live\n[Match]\nName=eth0.12\n\n[Network]\n"
		"DHCP=no\nAddress=192.0.2.7/24\nAddress=2001:db8::7/64\n"
		"Gateway=192.0.2.1\nDNS=192.0.2.53\nDNS=2001:db8::53\n");
	n = (struct fy_net){ .name = "enp129s0f1np1", .vlan = 4094 };
	write_it(&n);
	file_is("10-ironferry-vlan4094.network",
		"# by p2v-client live\n[Match]\nName=vlan4094\n\n[Network]\n"
		"DHCP=yes\n");
	n = (struct fy_net){ .name = "bond0",
			     .bond = &members,
			     .bond_mode = "802.3ad" };
	/* The VLAN on eth0 has nothing to lie on any more. */
	write_gone(&n, "eth0.12 bond0 ");
	file_is("10-ironferry-eth0.12.netdev", NULL);
	file_is("10-ironferry-eth0.12.network", NULL);
	file_is("10-ironferry-bond0.netdev",
		"# by p2v-client live\n# over eth0 "
		"eth1\n[NetDev]\nName=bond0\nKind=bond\n\n"
		"[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\n");
	file_is("10-ironferry-eth1.network",
		"# by p2v-client live\n[Match]\nName=eth1\n\n[Network]\n"
		"Bond=bond0\n");
	file_is("10-ironferry-bond0.network",
		"# by p2v-client live\n[Match]\nName=bond0\n\n[Network]\n"
		"DHCP=yes\n");
	/* An address for a bond that is there leaves it as it is. */
	n = (struct fy_net){ .name = "bond0", .addresses = &a };
	write_it(&n);
	n.vlan = 7;
	write_it(&n);
	file_is("10-ironferry-bond0.7.network",
		"# by p2v-client live\n[Match]\nName=bond0.7\n\n[Network]\n"
		"DHCP=no\nAddress=192.0.2.7/24\nAddress=2001:db8::7/64\n");
	file_is("10-ironferry-bond0.netdev",
		"# by p2v-client live\n# over eth0 eth1\n[NetDev]\n"
		"Name=bond0\nKind=bond\n\n"
		"[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\n");
	/* One of its ports by itself ends it, and what lies on it. */
	n = (struct fy_net){ .name = "eth1" };
	write_gone(&n, "bond0 bond0.7 ");
	file_is("10-ironferry-bond0.netdev", NULL);
	file_is("10-ironferry-bond0.network", NULL);
	file_is("10-ironferry-bond0.7.netdev", NULL);
	file_is("10-ironferry-eth0.network", NULL);
	file_is("10-ironferry-eth1.network",
		"# by p2v-client live\n[Match]\nName=eth1\n\n[Network]\n"
		"DHCP=yes\n");
	fy_strings_release(&a);
	fy_strings_release(&g);
	fy_strings_release(&dns);
	fy_strings_release(&members);
}

static void
is_refused(struct fy_net n, const char *says)
{
	fy_autofree char *d = dir();
	struct fy_error err = { 0 };

	CHECK(fy_net_write(d, &n, NULL, &err) == -1);
	CHECK(err.code == FY_E_USAGE);
	if (strstr(err.msg, says) == NULL)
		CHECK_STR(err.msg, says);
}

static void
one_address(const char *address, const char *says)
{
	struct fy_strings a = list(address, NULL);

	is_refused((struct fy_net){ .name = "eth0", .addresses = &a }, says);
	fy_strings_release(&a);
}

static void
refused(void)
{
	struct fy_strings host = list("not.an.address", NULL);
	struct fy_strings a = list("192.0.2.7/24", NULL);
	struct fy_strings bad = list("eth0", "eth 1", NULL);
	struct fy_strings none = { 0 };

	is_refused((struct fy_net){ .name = "" }, "no name");
	is_refused((struct fy_net){ .name = "a/b" }, "no name");
	is_refused((struct fy_net){ .name = "eth0\nDHCP=yes" }, "no name");
	is_refused((struct fy_net){ .name = "sixteen-letters-" }, "no name");
	is_refused((struct fy_net){ .name = "eth0", .vlan = 4095 }, "4095");
	one_address("192.0.2.7", "no address with its bits");
	one_address("192.0.2.7/33", "no address with its bits");
	one_address("192.0.2.7/0", "no address with its bits");
	one_address("192.0.2.7/24\nX=y", "no address with its bits");
	one_address("2001:db8::7/129", "no address with its bits");
	one_address("300.0.2.7/24", "no address with its bits");
	is_refused((struct fy_net){ .name = "eth0", .gateways = &host },
		   "gateway");
	is_refused((struct fy_net){ .name = "eth0", .dns = &host },
		   "name server");
	is_refused((struct fy_net){ .name = "b",
				    .bond = &none,
				    .bond_mode = "802.3ad" },
		   "1 to 16");
	is_refused((struct fy_net){ .name = "b",
				    .bond = &bad,
				    .bond_mode = "802.3ad" },
		   "no name");
	is_refused((struct fy_net){ .name = "b",
				    .bond = &a,
				    .bond_mode = "802.3ad" },
		   "no name");
	fy_strings_release(&host);
	fy_strings_release(&a);
	fy_strings_release(&bad);
}

int
main(void)
{
	tree_new();
	texts();
	refused();
	tree_free();
	return test_result();
}
