/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of network interfaces: what each kind of configuration says, and what
 * is decided for them.
 */
#include "common/test.h"

#include <stdlib.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "drivers-inject/linux-net.h"

#define MAC9 "52:54:00:00:00:09"

static struct fy_error err;

/* "name", "name=mac", "name!" (ruled) of all in use that are Ethernet. */
static void
check_names(struct fy_net_names *n, const char *want)
{
	struct fy_text t = { 0 };
	size_t i;

	fy_text_add(&t, "");
	for (i = 0; i < n->n; i++) {
		const struct fy_net_name *e = &n->items[i];

		if (e->virtual || !e->used)
			continue;
		fy_text_printf(&t, "%s%s%s%s%s", t.len > 0 ? " " : "", e->name,
			       e->mac[0] != '\0' ? "=" : "", e->mac,
			       e->ruled ? "!" : "");
	}
	CHECK_STR(t.data, want);
	fy_text_release(&t);
	fy_net_names_release(n);
}

static void
test_ifupdown(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_ifupdown(
			 &n,
			 "source /etc/network/interfaces.d/*\n"
			 "auto lo enp0s5\niface lo inet loopback\n"
			 "# auto eno9\n"
			 "allow-hotplug eno1\niface eno1 inet dhcp\n"
			 "iface enp0s5 inet static\n  address 1.2.3.4/24\n"
			 "auto bond0\niface bond0 inet manual\n"
			 "\tbond-slaves enp3s0 \\\n\t enp4s0\n"
			 "\tbond-mode active-backup\n"
			 "auto bond0.5\niface bond0.5 inet static\n"
			 "iface mylan inet static\n bridge_ports eth7 none\n"
			 "iface eno2.7 inet manual\niface eno1:1 inet static\n"
			 "iface v9 inet static\n vlan-raw-device enp9s0\n"
			 "iface thisnameistoolongforlinux inet dhcp\n"
			 "iface ../evil inet dhcp\n",
			 &err),
		 &err);
	CHECK(n.more.n == 1);
	check_names(&n, "enp0s5 eno1 enp3s0 enp4s0 eth7 eno2 enp9s0");
}

static void
test_netplan(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_netplan(
			 &n,
			 "# made by hand\nnetwork:\n  version: 2\n"
			 "  renderer: networkd\n  ethernets:\n"
			 "    eno1:\n      dhcp4: true\n"
			 "    \"eno2\": {}\n"
			 "    wan:\n      match:\n"
			 "        macaddress: \"52:54:00:AA:BB:01\"\n"
			 "      set-name: wan0\n"
			 "    id7:\n      match: {name: \"en*\"}\n"
			 "    old:\n      match:\n        driver: e1000e\n"
			 "  bonds:\n    bond0:\n      interfaces:\n"
			 "      - ens3\n      - ens4\n"
			 "    team9:\n      interfaces: [ens5, \"ens6\"]\n"
			 "  vlans:\n    vlan.7:\n      id: 7\n"
			 "      link: bond0\n"
			 "  bridges:\n    br0:\n      interfaces: [vlan.7]\n",
			 &err),
		 &err);
	CHECK(n.notes.n == 1);
	check_names(&n,
		    "eno1 eno2 wan0=52:54:00:aa:bb:01! ens3 ens4 ens5 ens6");
}

static void
test_networkd(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_networkd(&n, "1.network",
				       "[Match]\nName=enp1s0 en* !enp9s0 "
				       "lan0\n\n[Network]\nBond=bond0\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "2.network",
				       "[Match]\nName=x0\n[Network]\n"
				       "Address=1.2.3.4/8\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "x0.netdev",
				       "[NetDev]\nName=x0\nKind=vlan\n", &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "10-lan.link",
				       "[Match]\nMACAddress=52:54:00:00:00:09"
				       "\n[Link]\nName=lan0\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "3.network",
				       "[Match]\nPath=pci-0000:00:05.0\n",
				       &err),
		 &err);
	CHECK(n.notes.n == 1);
	check_names(&n, "enp1s0 lan0=52:54:00:00:00:09!");
}

/* A .link of the guest that still fits is not to be shadowed by ours. */
static void
test_links(void)
{
	static const struct {
		const char *match, *link, *want;
	} rows[] = {
		{ "PermanentMACAddress=%s\nType=ether", "MTUBytes=9000",
		  "lan0=" MAC9 "!" },
		{ "MACAddress=%s", "NamePolicy=", "lan0=" MAC9 "!" },
		{ "MACAddress=%s", "NamePolicy=path mac", "lan0=" MAC9 },
		{ "MACAddress=%s\nDriver=tg3", "", "lan0=" MAC9 },
		{ "MACAddress=%s\nVirtualization=no", "", "lan0=" MAC9 },
		{ "MACAddress=%s\nOriginalName=eno*", "", "lan0=" MAC9 },
		{ "MACAddress=%s 52:54:00:00:00:0a", "", "lan0=" MAC9 "!" },
		{ "OriginalName=eno1", "", "lan0" },
	};
	struct fy_net_names n = { 0 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fy_text t = { 0 };
		const char *s = rows[i].match, *mac = strstr(s, "%s");

		fy_text_add(&t, "[Match]\n");
		fy_text_put(&t, s, mac == NULL ? 0 : (size_t)(mac - s));
		fy_text_printf(&t, "%s%s\n[Link]\n%s\nName=lan0\n",
			       mac == NULL ? "" : MAC9,
			       mac == NULL ? s : mac + 2, rows[i].link);
		CHECK_OK(fy_net_parse_networkd(&n, "10-lan.link", t.data, &err),
			 &err);
		CHECK_OK(fy_net_parse_networkd(&n, "1.network",
					       "[Match]\nName=lan0\n", &err),
			 &err);
		check_names(&n, rows[i].want);
		fy_text_release(&t);
	}
	/* netplan's set-name makes one, unless another condition may fail. */
	CHECK_OK(fy_net_parse_netplan(
			 &n,
			 "network:\n  ethernets:\n"
			 "    a:\n      match: {macaddress: \"" MAC9 "\"}\n"
			 "      set-name: a0\n"
			 "    b:\n      match: {macaddress: \"" MAC9
			 "\", driver: tg3}\n      set-name: b0\n"
			 "    c:\n      match:\n        name: en*\n"
			 "        macaddress: " MAC9 "\n      set-name: c0\n",
			 &err),
		 &err);
	check_names(&n, "a0=" MAC9 "! b0=" MAC9 " c0=" MAC9);
}

static void
test_others(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_keyfile(&n,
				      "[connection]\nid=x\ntype=ethernet\n"
				      "interface-name=eno1\n[ethernet]\n"
				      "mac-address=52:54:00:00:00:01\n",
				      &err),
		 &err);
	CHECK_OK(fy_net_parse_keyfile(&n,
				      "[connection]\ntype=vlan\n"
				      "interface-name=v5\n[vlan]\n"
				      "parent=eno3\n",
				      &err),
		 &err);
	check_names(&n, "eno1=52:54:00:00:00:01 eno3");
	CHECK_OK(fy_net_parse_ifupdown(&n, "auto eth0 eth1\n", &err), &err);
	CHECK_OK(fy_net_parse_rules(
			 &n,
			 "# PCI device\nSUBSYSTEM==\"net\", ACTION==\"add\", "
			 "DRIVERS==\"?*\", "
			 "ATTR{address}==\"52:54:00:00:00:02\", "
			 "ATTR{type}==\"1\", KERNEL==\"eth*\", NAME=\"eth0\"\n"
			 "SUBSYSTEM==\"net\", KERNELS==\"0000:00:05.0\", "
			 "NAME=\"eth1\"\n",
			 &err),
		 &err);
	check_names(&n, "eth0=52:54:00:00:00:02! eth1");
}

/* All that is said of each name: "name kind ^parent#vlan >master dhcp
 * addresses;". */
static void
check_said(struct fy_net_names *n, const char *want)
{
	struct fy_text t = { 0 };
	size_t i, k;

	fy_text_add(&t, "");
	for (i = 0; i < n->n; i++) {
		const struct fy_net_name *e = &n->items[i];

		if (e->kind[0] == '\0' && e->master[0] == '\0' && !e->dhcp &&
		    e->addresses.n == 0)
			continue;
		fy_text_printf(&t, "%s%s%s%s", e->name,
			       e->kind[0] != '\0' ? " " : "", e->kind,
			       e->parent[0] != '\0' ? " ^" : "");
		fy_text_add(&t, e->parent);
		if (e->vlan > 0)
			fy_text_printf(&t, "#%u", e->vlan);
		if (e->master[0] != '\0')
			fy_text_printf(&t, " >%s", e->master);
		if (e->dhcp)
			fy_text_add(&t, " dhcp");
		for (k = 0; k < e->addresses.n; k++)
			fy_text_printf(&t, " %s", e->addresses.items[k]);
		fy_text_add(&t, ";");
	}
	CHECK_STR(t.data, want);
	fy_text_release(&t);
	fy_net_names_release(n);
}

static void
test_ifupdown_says(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_ifupdown(
			 &n,
			 "auto eth0\niface eth0 inet static\n"
			 "  netmask 255.255.254.0\n  address 10.1.2.3\n"
			 "iface eth0 inet6 static\n"
			 "  address 2001:db8::1\n  netmask 64\n"
			 "iface eth0:1 inet static\n  address 10.9.9.9/8\n"
			 "iface eth1 inet dhcp\n"
			 "iface bond0 inet manual\n"
			 "  bond-slaves eth2 none\n"
			 "iface eth3 inet manual\n  bond-master bond0\n"
			 "iface bond0.12 inet manual\n"
			 "iface vlan5 inet manual\n  vlan-raw-device bond0\n"
			 "iface br0 inet static\n"
			 "  bridge_ports bond0.12 vlan5\n"
			 "  address 192.0.2.1/33\n  address bad::address::\n"
			 "iface eth4 inet static\n"
			 "  address 192.0.2.1\n  netmask 255.0.255.0\n",
			 &err),
		 &err);
	check_said(&n, "eth0 10.1.2.3/23 2001:db8::1/64 10.9.9.9/8;"
		       "eth1 dhcp;bond0 bond;eth2 >bond0;eth3 >bond0;"
		       "bond0.12 vlan ^bond0#12 >br0;vlan5 vlan ^bond0#5 >br0;"
		       "br0 bridge;eth4 192.0.2.1;");
}

static void
test_netplan_says(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_netplan(
			 &n,
			 "network:\n  ethernets:\n    eno1:\n"
			 "      dhcp4: yes\n      dhcp6: false\n"
			 "    eno2:\n      dhcp4: false\n"
			 "      addresses:\n      - 192.0.2.5/24\n"
			 "      - \"2001:db8::5/64\"\n"
			 "      - 192.0.2.6/24:\n          label: x\n"
			 "      nameservers:\n"
			 "        addresses: [198.51.100.1]\n"
			 "    wan:\n      match:\n"
			 "        macaddress: 52:54:00:aa:bb:01\n"
			 "      set-name: wan0\n"
			 "      addresses: [198.51.100.7/30] # uplink\n"
			 "    any:\n      match: {name: \"en*\"}\n"
			 "      dhcp4: true\n"
			 "  bonds:\n    bond0:\n      interfaces: [ens3, ens4]"
			 " # both\n      parameters:\n        mode: 802.3ad\n"
			 "  vlans:\n    vlan.7:\n      id: 7\n"
			 "      link: bond0\n    storage:\n      id: 99999\n"
			 "      link: bond0\n"
			 "  bridges:\n    br0:\n      interfaces:\n"
			 "        - vlan.7\n      addresses: [10.0.0.1/24]\n"
			 "  tunnels:\n    he0:\n      mode: sit\n",
			 &err),
		 &err);
	check_said(&n, "eno1 dhcp;"
		       "eno2 192.0.2.5/24 2001:db8::5/64 192.0.2.6/24;"
		       "wan0 198.51.100.7/30;bond0 bond;ens3 >bond0;"
		       "ens4 >bond0;vlan.7 vlan ^bond0#7 >br0;"
		       "storage vlan ^bond0;br0 bridge 10.0.0.1/24;"
		       "he0 other;");
}

static void
test_networkd_says(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_networkd(&n, "1.network",
				       "[Match]\nName=enp1s0 enp2s0\n"
				       "[Network]\nBond=bond0\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "2.network",
				       "[Match]\nName=bond0\n[Network]\n"
				       "VLAN=v5\nVLAN=v6\nDHCP=no\n"
				       "Address=192.0.2.7/24\n[Address]\n"
				       "Address=2001:db8::7/64\nPeer=x\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "3.netdev",
				       "[NetDev]\nName=v5\nKind=vlan\n"
				       "[VLAN]\nId=5\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "4.netdev",
				       "[NetDev]\nName=bond0\nKind=bond\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_parse_networkd(&n, "5.network",
				       "[Match]\nName=v5\n[Network]\n"
				       "DHCP=ipv4\nBridge=br9\n",
				       &err),
		 &err);
	check_said(&n, "enp1s0 >bond0;enp2s0 >bond0;"
		       "bond0 bond 192.0.2.7/24 2001:db8::7/64;"
		       "v5 vlan ^bond0#5 >br9 dhcp;v6 vlan ^bond0;");
}

static void
test_keyfile_says(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_keyfile(
			 &n,
			 "[connection]\ntype=ethernet\ninterface-name=eno1\n"
			 "master=bond0\nslave-type=bond\n",
			 &err),
		 &err);
	CHECK_OK(fy_net_parse_keyfile(
			 &n,
			 "[connection]\ntype=bond\ninterface-name=bond0\n"
			 "[ipv4]\naddress1=192.0.2.9/24,192.0.2.1\n"
			 "address2=192.0.2.10/24\nmethod=manual\n"
			 "[ipv6]\naddresses=2001:db8::9/64;2001:db8::a/64,x;\n",
			 &err),
		 &err);
	CHECK_OK(fy_net_parse_keyfile(
			 &n,
			 "[connection]\ntype=vlan\ninterface-name=v8\n"
			 "master=0bd4a11c-1d31-4f0b-8a4e-3a3f6b1c0d5e\n"
			 "[vlan]\nid=8\nparent=bond0\n[ipv4]\nmethod=auto\n",
			 &err),
		 &err);
	check_said(&n, "eno1 >bond0;bond0 bond 192.0.2.9/24 192.0.2.10/24 "
		       "2001:db8::9/64 2001:db8::a/64;"
		       "v8 vlan ^bond0#8 dhcp;");
}

static void
test_ifcfg(void)
{
	struct fy_net_names n = { 0 };
	static const struct {
		const char *file, *text;
	} files[] = {
		{ "ifcfg-lo", "DEVICE=lo\nIPADDR=127.0.0.1\n" },
		{ "ifcfg-eth0", "HWADDR=\"52:54:00:AA:00:01\"\nTYPE=Ethernet\n"
				"BOOTPROTO=none\nIPADDR=192.0.2.3\n"
				"PREFIX=24\nIPADDR1='192.0.2.4'\n"
				"NETMASK1=255.255.255.0\n"
				"IPV6ADDR=2001:db8::3/64\n" },
		{ "ifcfg-em1", "DEVICE=em1\nMASTER=bond0\nSLAVE=yes\n" },
		{ "ifcfg-bond0", "DEVICE=bond0\nBONDING_OPTS=\"mode=4 miimon="
				 "100\"\nBRIDGE=virbr7\n" },
		{ "ifcfg-bond0.9", "VLAN=yes\nBOOTPROTO=dhcp\n" },
		{ "ifcfg-x", "DEVICE=../../etc\nIPADDR=192.0.2.3\n" },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		CHECK_OK(fy_net_parse_ifcfg(&n, files[i].file, files[i].text,
					    &err),
			 &err);
	CHECK(n.n > 0 && strcmp(n.items[0].mac, "52:54:00:aa:00:01") == 0);
	check_said(&n, "eth0 192.0.2.3/24 192.0.2.4/24 2001:db8::3/64;"
		       "em1 >bond0;bond0 bond >virbr7;"
		       "bond0.9 vlan ^bond0#9 dhcp;");
}

/* More than there is room for, and nonsense. */
static void
test_bounds(void)
{
	struct fy_net_names n = { 0 };
	struct fy_text t = { 0 };
	unsigned i;

	fy_text_add(&t, "iface eth0 inet static\n");
	for (i = 0; i < 200; i++)
		fy_text_printf(&t,
			       "iface eth0 inet static\n address 10.0.0.%u/8\n",
			       i);
	CHECK_OK(fy_net_parse_ifupdown(&n, t.data, &err), &err);
	CHECK(n.n == 1 && n.items[0].addresses.n == 64);
	fy_net_names_release(&n);
	fy_text_release(&t);
	CHECK_OK(fy_net_parse_netplan(&n,
				      "network:\n  bonds:\n    b:\n"
				      "      interfaces: [[[[\n      id: -1\n"
				      "      addresses: [\"\", /, 1.2.3.4/, "
				      "::/129, 1.2.3.4/x]\n      - :\n - /\n",
				      &err),
		 &err);
	check_said(&n, "b bond;");
	CHECK_OK(fy_net_parse_keyfile(&n,
				      "[connection]\ninterface-name=e\n[ipv4]\n"
				      "addresses=;;;,;/\naddress1=\n"
				      "[ipv6]\naddress=::1/64;;::2/64\n",
				      &err),
		 &err);
	check_said(&n, "e other;");
}

static const struct fy_net_plan *
plan_of(const struct fy_net_plan *p, size_t n, const char *name)
{
	static const struct fy_net_plan none = { .name = "none", .why = "" };
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(p[i].name, name) == 0)
			return &p[i];
	CHECK(name == NULL);
	return &none;
}

static void
test_decide(void)
{
	static char eno1[] = "eno1", eth0[] = "eth0", enp5[] = "enp5s0";
	static char mac1[] = "52:54:00:00:00:01", mac2[] = "52:54:00:00:00:02";
	static char ethernet[] = "ethernet", bond[] = "bond", b0[] = "bond0";
	char *names1[] = { eno1, enp5 }, *names2[] = { eth0 };
	struct fy_machine_nic nics[] = {
		{ .name = eno1,
		  .kind = ethernet,
		  .permanent_mac = mac1,
		  .names = names1,
		  .n_names = 2 },
		{ .name = b0, .kind = bond, .mac = mac1 },
		{ .name = NULL,
		  .kind = ethernet,
		  .mac = mac2,
		  .names = names2,
		  .n_names = 1 },
	};
	struct fy_machine m = { .nics = nics, .n_nics = 3 };
	struct fy_inject_nic given = { "wan", "52:54:00:00:00:03" };
	struct fy_net_names n = { 0 };
	fy_autofree struct fy_net_plan *p = NULL;
	size_t k = 0;

	CHECK_OK(fy_net_parse_ifupdown(&n, "auto eno1 enp5s0 eth0 wan zz\n",
				       &err),
		 &err);
	CHECK_OK(fy_net_decide(&n, &m, &given, 1, false, &p, &k, &err), &err);
	CHECK(k == 5);
	CHECK(plan_of(p, k, "eno1")->way == FY_NET_MAC);
	CHECK_STR(plan_of(p, k, "eno1")->mac, mac1);
	/* An older name of the same card. */
	CHECK(plan_of(p, k, "enp5s0")->way == FY_NET_UNKNOWN);
	CHECK(plan_of(p, k, "eth0")->way == FY_NET_MAC);
	CHECK_STR(plan_of(p, k, "eth0")->mac, mac2);
	CHECK_STR(plan_of(p, k, "wan")->mac, "52:54:00:00:00:03");
	CHECK(plan_of(p, k, "zz")->way == FY_NET_UNKNOWN);
	free(p);
	p = NULL;
	CHECK_OK(fy_net_decide(&n, &m, NULL, 0, true, &p, &k, &err), &err);
	CHECK(plan_of(p, k, "eth0")->way == FY_NET_KEEP);
	fy_net_names_release(&n);

	/* The only one. */
	CHECK_OK(fy_net_parse_ifupdown(&n, "auto enp0s5\n", &err), &err);
	free(p);
	p = NULL;
	CHECK_OK(fy_net_decide(&n, NULL, NULL, 0, false, &p, &k, &err), &err);
	CHECK(k == 1 && p[0].way == FY_NET_DRIVER);
	free(p);
	p = NULL;
	/* But the machine has two cards. */
	CHECK_OK(fy_net_decide(&n, &m, NULL, 0, false, &p, &k, &err), &err);
	CHECK(k == 1 && p[0].way == FY_NET_UNKNOWN);
	fy_net_names_release(&n);
}

static void
test_link(void)
{
	struct fy_net_plan p = { .name = "eno1",
				 .way = FY_NET_MAC,
				 .mac = "52:54:00:00:00:01" };
	struct fy_text t = { 0 };
	char mac[18];

	CHECK_OK(fy_net_link(&p, 252, &t, &err), &err);
	CHECK(strstr(t.data, "[Match]\nPermanentMACAddress=52:54:00:00:00:01\n"
			     "\n[Link]\nName=eno1\n") != NULL);
	fy_text_release(&t);
	CHECK_OK(fy_net_link(&p, 241, &t, &err), &err);
	CHECK(strstr(t.data, "[Match]\nMACAddress=52:54:00:00:00:01\n"
			     "Driver=virtio_net\n") != NULL);
	fy_text_release(&t);
	p.way = FY_NET_DRIVER;
	CHECK_OK(fy_net_link(&p, 252, &t, &err), &err);
	CHECK(strstr(t.data, "[Match]\nDriver=virtio_net\n") != NULL);
	fy_text_release(&t);
	CHECK(fy_net_take_mac("52:54:00:AA:00:01", mac));
	CHECK_STR(mac, "52:54:00:aa:00:01");
	CHECK(!fy_net_take_mac("01:00:5e:00:00:01", mac)); /* multicast */
	CHECK(!fy_net_take_mac("00:00:00:00:00:00", mac));
	CHECK(!fy_net_take_mac("52:54:00", mac));
	/* What sscanf would have taken for numbers. */
	CHECK(!fy_net_take_mac("52:54:00:00:00:-1", mac));
	CHECK(!fy_net_take_mac("52:54:00:00: 0:01", mac));
	CHECK(!fy_net_take_mac("52:54:00:0x:00:01", mac));
	CHECK(!fy_net_take_mac(NULL, mac));
}

/* wicked's files: the same names as Red Hat's for other things. */
static void
test_suse(void)
{
	struct fy_net_names n = { 0 };
	static const struct {
		const char *file, *text;
	} files[] = {
		{ "ifcfg-eth0", "BOOTPROTO='none'\nSTARTMODE='auto'\n" },
		{ "ifcfg-em2",
		  "BOOTPROTO='static'\nIPADDR='192.0.2.3/24'\n"
		  "IPADDR_1='192.0.2.4'\nNETMASK='255.255.0.0'\n" },
		{ "ifcfg-bond0", "BONDING_MASTER='yes'\n"
				 "BONDING_SLAVE0='eth0'\n"
				 "BONDING_SLAVE_1='eth1'\n"
				 "BOOTPROTO='dhcp4'\n" },
		{ "ifcfg-br0", "BRIDGE='yes'\nBRIDGE_PORTS='bond0 eth2'\n" },
		{ "ifcfg-v7", "ETHERDEVICE='em2'\nVLAN_ID='7'\n" },
		{ "ifcfg-lo", "IPADDR=127.0.0.1/8\n" },
		{ "ifcfg-eth-bus-pci-0000:02:00.0", "BOOTPROTO=dhcp\n" },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		CHECK_OK(fy_net_parse_suse(&n, files[i].file, files[i].text,
					   &err),
			 &err);
	CHECK(n.notes.n == 1 && strstr(n.notes.items[0], "its place") != NULL);
	check_said(&n, "eth0 >bond0;em2 192.0.2.3/24 192.0.2.4/16;"
		       "bond0 bond >br0 dhcp;eth1 >bond0;br0 bridge;"
		       "eth2 >br0;v7 vlan ^em2#7;");
}

static void
test_alt_and_arch(void)
{
	struct fy_net_names n = { 0 };

	CHECK_OK(fy_net_parse_etcnet(&n, "eth0", "TYPE=eth\nBOOTPROTO=dhcp\n",
				     &err),
		 &err);
	CHECK_OK(fy_net_parse_etcnet(&n, "br0", "TYPE=bri\nHOST='eth1 eth2'\n",
				     &err),
		 &err);
	CHECK_OK(fy_net_parse_etcnet(&n, "v5", "TYPE=vlan\nHOST=eth0\nVID=5\n",
				     &err),
		 &err);
	CHECK_OK(fy_net_parse_etcnet(&n, "default", "TYPE=eth\n", &err), &err);
	CHECK_OK(fy_net_parse_netctl(&n,
				     "Description='x'\nInterface=enp3s0\n"
				     "Connection=ethernet\nIP=dhcp\n",
				     &err),
		 &err);
	check_said(&n, "eth0 dhcp;br0 bridge;eth1 >br0;eth2 >br0;"
		       "v5 vlan ^eth0#5;enp3s0 dhcp;");
}

/* Rules that ask for more than the MAC don't hold on virtual hardware. */
static void
test_rules(void)
{
	struct fy_net_names n = { 0 };
	struct fy_text t = { 0 };
	struct fy_net_plan p = { .name = "em1",
				 .way = FY_NET_MAC,
				 .mac = "52:54:00:00:00:01" };

	CHECK_OK(fy_net_parse_rules(
			 &n,
			 "SUBSYSTEM==\"net\", DRIVERS==\"?*\", "
			 "ATTR{address}==\"52:54:00:00:00:01\", "
			 "NAME=\"eth0\"\n"
			 "SUBSYSTEM==\"net\", DRIVERS==\"tg3\", "
			 "ATTR{address}==\"52:54:00:00:00:02\", "
			 "NAME=\"eth1\"\n"
			 "SUBSYSTEM==\"net\", KERNELS==\"0000:02:00.0\", "
			 "NAME=\"eth2\"\n",
			 &err),
		 &err);
	CHECK(n.n == 3 && n.items[0].ruled && !n.items[1].ruled &&
	      !n.items[2].ruled);
	CHECK(n.notes.n == 1 && strstr(n.notes.items[0], "'eth2'") != NULL);
	fy_net_names_release(&n);
	fy_net_rule(&p, &t);
	p.way = FY_NET_DRIVER;
	p.name = "em2";
	fy_net_rule(&p, &t);
	CHECK_STR(strchr(t.data, '\n') + 1,
		  "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
		  "ATTR{address}==\"52:54:00:00:00:01\", ATTR{type}==\"1\", "
		  "NAME=\"em1\"\n"
		  "SUBSYSTEM==\"net\", ACTION==\"add\", "
		  "DRIVERS==\"virtio_net\", NAME=\"em2\"\n");
	fy_text_release(&t);
}

int
main(void)
{
	test_suse();
	test_alt_and_arch();
	test_rules();
	test_ifupdown();
	test_netplan();
	test_networkd();
	test_links();
	test_others();
	test_ifupdown_says();
	test_netplan_says();
	test_networkd_says();
	test_keyfile_says();
	test_ifcfg();
	test_bounds();
	test_decide();
	test_link();
	return test_result();
}
