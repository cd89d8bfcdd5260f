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
	check_names(&n, "eno1 eno2 wan0=52:54:00:aa:bb:01 ens3 ens4 ens5 ens6");
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
	check_names(&n, "enp1s0 lan0=52:54:00:00:00:09");
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
	CHECK(!fy_net_take_mac(NULL, mac));
}

int
main(void)
{
	test_ifupdown();
	test_netplan();
	test_networkd();
	test_others();
	test_decide();
	test_link();
	return test_result();
}
