/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose address goes to which network card of the virtual machine, and the
 * script that the first start gets for it.
 */
#include <stdlib.h>

#include "common/file.h"
#include "drivers-inject/test-windows.h"
#include "drivers-inject/windows-net.h"

#define CLASS SET "\\Control\\Class\\{4D36E972-E325-11CE-BFC1-08002BE10318}"

#define GUID_A "{0F1E2D3C-4B5A-4978-8796-A5B4C3D2E1F0}"
#define GUID_B "{1F1E2D3C-4B5A-4978-8796-A5B4C3D2E1F0}"
#define MAC_A  "52:54:00:12:34:56"
#define MAC_B  "52:54:00:AA:AA:AA"

#define SLOT_25 "@pci.sys,#65536;PCI bus %1, device %2, function %3;(0,25,0)"
#define SLOT_1	"PCI-Bus 1, Ger\xc3\xa4t 0, Funktion 0"

/* A Windows, a machine, and what became of them. */
static struct {
	struct fy_windows w;
	struct fy_machine *m;
	struct fy_inject_options o;
	struct fy_disks d;
	struct fy_system s;
	unsigned cards;
} all;

static void
begin(unsigned major, unsigned minor)
{
	memset(&all, 0, sizeof(all));
	all.w.version.major = major;
	all.w.version.minor = minor;
	all.w.system = test_hive();
	CHECK_OK(fy_string_set_add(&all.w.control_sets, SET, &err), &err);
	all.m = fy_machine_new(&err);
	CHECK(all.m != NULL);
	all.o.machine = all.m;
	all.d.options = &all.o;
	all.d.report = json_pack("{s:[]}", "warnings");
	all.s.disks = &all.d;
	all.s.own = &all.w;
}

static void
end(void)
{
	fy_hive_free(all.w.system);
	fy_string_set_release(&all.w.control_sets);
	fy_firstboot_scripts_release(&all.w.scripts);
	fy_machine_free(all.m);
	json_decref(all.d.report);
}

/* What stays of an interface in any case; 'address' NULL: DHCP. */
static void
add_interface(const char *guid, const char *address)
{
	fy_autofree char *key = fy_format(
		&err, SET "\\Services\\Tcpip\\Parameters\\Interfaces\\%s",
		guid);

	test_set_number(all.w.system, key, "EnableDHCP", address == NULL);
	test_set_list(all.w.system, key, "IPAddress",
		      address == NULL ? "0.0.0.0" : address);
	test_set_list(all.w.system, key, "SubnetMask", "255.255.255.0");
	if (address != NULL)
		test_set_list(all.w.system, key, "DefaultGateway", "192.0.2.1");
}

/* And of a device that Windows knows. */
static void
add_device(const char *guid, const char *name, const char *instance,
	   const char *where)
{
	fy_autofree char *key = fy_format(
		&err, SET "\\" FY_WINDOWS_CONNECTIONS "\\%s\\Connection", guid);
	fy_autofree char *device = fy_format(&err, SET "\\Enum\\%s", instance);

	test_set_text(all.w.system, key, "Name", name);
	test_set_text(all.w.system, key, "PnpInstanceID", instance);
	test_set_text(all.w.system, device, "LocationInformation",
		      where == NULL ? "" : where);
}

/* Its driver's key. */
static void
add_driver(const char *guid, uint32_t characteristics, uint32_t type)
{
	char key[sizeof(CLASS) + 6];

	snprintf(key, sizeof(key), CLASS "\\%04u", ++all.cards);
	test_set_text(all.w.system, key, "NetCfgInstanceId", guid);
	test_set_number(all.w.system, key, "Characteristics", characteristics);
	test_set_number(all.w.system, key, "*IfType", type);
}

static void
add_nic(const char *mac, const char *pci)
{
	struct fy_machine_nic *n = fy_machine_add_nic(all.m, &err);

	CHECK(n != NULL);
	n->kind = strdup("ethernet");
	n->permanent_mac = strdup(mac);
	n->pci = pci == NULL ? NULL : strdup(pci);
}

static void
run(void)
{
	CHECK_OK(fy_windows_network(&all.s, &err), &err);
}

static const char *
script(void)
{
	return all.w.scripts.n == 0 ? "" : all.w.scripts.items[0].text;
}

/* How often it is said there. */
static size_t
count(const char *text)
{
	const char *p = script();
	size_t n = 0;

	for (; (p = strstr(p, text)) != NULL; p += strlen(text))
		n++;
	return n;
}

static bool
warned(const char *text)
{
	const json_t *j = json_object_get(all.d.report, "warnings");
	size_t i;

	for (i = 0; i < json_array_size(j); i++)
		if (strstr(json_string_value(json_array_get(j, i)), text) !=
		    NULL)
			return true;
	return false;
}

static size_t
warnings(void)
{
	return json_array_size(json_object_get(all.d.report, "warnings"));
}

#define CARD_A "PCI\\VEN_8086&DEV_10D3\\3&11583659&0&C8"
#define CARD_B "PCI\\VEN_8086&DEV_1521\\4&2283F625&0&00E5"

/* One card, one interface; and what an uninstalled one has left. */
static void
test_leftover(void)
{
	begin(10, 0);
	add_interface(GUID_A, "192.0.2.7");
	add_device(GUID_A, "Ethernet", CARD_A, NULL);
	add_nic(MAC_A, NULL);
	run();
	CHECK(count("Find-Nic '52-54-00-12-34-56'") == 1 && warnings() == 0);
	CHECK(count("192.0.2.7") == 1);
	end();

	begin(10, 0); /* the card has DHCP, the old one's address stays */
	add_interface(GUID_A, NULL);
	add_device(GUID_A, "Ethernet", CARD_A, NULL);
	add_interface(GUID_B, "192.0.2.9");
	add_nic(MAC_A, NULL);
	run();
	CHECK(all.w.scripts.n == 0);
	CHECK(warnings() == 1 && warned("192.0.2.9") && warned("taken out"));
	end();

	begin(10, 0); /* the connection is left, the device is not */
	add_interface(GUID_B, "192.0.2.9");
	add_device(GUID_B, "Ethernet 2", CARD_B, NULL);
	CHECK_OK(fy_hive_delete(all.w.system, SET "\\Enum\\" CARD_B, &err),
		 &err);
	add_nic(MAC_A, NULL);
	run();
	CHECK(all.w.scripts.n == 0 && warned("taken out"));
	end();

	begin(10,
	      0); /* beside a leftover the only card is still the only one */
	add_interface(GUID_A, "192.0.2.7");
	add_device(GUID_A, "Ethernet", CARD_A, NULL);
	add_interface(GUID_B, "192.0.2.9");
	add_nic(MAC_A, NULL);
	run();
	CHECK(count("192.0.2.7") == 1 && count("192.0.2.9") == 0);
	end();
}

/* Two cards are known to Windows, one is there: which one, nobody knows. */
static void
test_only_one(void)
{
	begin(10, 0);
	add_interface(GUID_A, NULL);
	add_device(GUID_A, "Ethernet", CARD_A, NULL);
	add_interface(GUID_B, "192.0.2.9");
	add_device(GUID_B, "Ethernet 2", CARD_B, NULL);
	add_nic(MAC_A, NULL);
	run();
	CHECK(all.w.scripts.n == 0 && warned("'Ethernet 2' has the address"));
	end();

	begin(10, 0); /* Wi-Fi is none of the machine's Ethernet cards */
	add_interface(GUID_A, NULL);
	add_device(GUID_A, "Wi-Fi", CARD_A, NULL);
	add_driver(GUID_A, 0x84, 71);
	add_interface(GUID_B, "192.0.2.9");
	add_device(GUID_B, "Ethernet", CARD_B, NULL);
	add_driver(GUID_B, 0x84, 6);
	add_nic(MAC_A, NULL);
	run();
	CHECK(count("192.0.2.9") == 1 && warnings() == 0);
	end();
}

/* Cards below other buses, and what only looks like one. */
static void
test_buses(void)
{
	static const struct {
		const char *instance;
		uint32_t what; /* Characteristics; 0: no driver's key */
		bool card;
	} t[] = {
		{ "B06BDRV\\L2ND&PCI_163914E4&SUBSYS_02361028\\4&1A2B&0&2", 0,
		  true },
		{ "EBDRV\\L2ND&PCI_168E14E4\\5&1A2B&0&3", 0x84, true },
		{ "MLX4\\CONNECTX-3_ETH\\6&1A2B&0&1", 0x84, true },
		{ "VMBUS\\{F8615163-DF3E-46C5-913F-F2D2F965ED0E}\\5&1", 0x84,
		  true },
		{ "XENVIF\\VEN_XSC000&DEV_NET&REV_00000008\\0", 0x84, true },
		{ "USB\\VID_0B95&PID_1790\\0001", 0x84, true },
		{ CARD_A, 1, false },
		{ "ROOT\\NET\\0000", 0, false },
		{ "ROOT\\VMS_MP\\0000", 0x84, false },
		{ "SWD\\RADIO\\1", 0, false },
		{ "COMPOSITEBUS\\MS_IMPLAT_MP\\1", 0, false },
		{ "BTH\\MS_BTHPAN\\6&1", 4, false },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		begin(10, 0);
		add_interface(GUID_A, "192.0.2.7");
		add_device(GUID_A, "Ethernet", t[i].instance, NULL);
		if (t[i].what != 0)
			add_driver(GUID_A, t[i].what, 6);
		add_nic(MAC_A, NULL);
		run();
		if ((count("192.0.2.7") == 1) != t[i].card)
			CHECK_STR("wrong", t[i].instance);
		end();
	}
}

/* A card was replaced by another one in the same slot: both are there. */
static void
two_in_a_slot(const char *live_address)
{
	begin(10, 0);
	add_interface(GUID_A, "192.0.2.7");
	add_device(GUID_A, "Old", CARD_A, SLOT_25);
	add_interface(GUID_B, live_address);
	add_device(GUID_B, "New", CARD_B, SLOT_25);
	add_nic(MAC_A, "0000:00:19.0");
	add_nic(MAC_B, "0000:01:00.0");
}

static void
test_same_slot(void)
{
	static const struct fy_inject_nic name = { "New", MAC_A };

	two_in_a_slot(NULL);
	run();
	CHECK(all.w.scripts.n == 0 && warnings() == 1);
	CHECK(warned("'Old' has the address 192.0.2.7") &&
	      warned("that of 'New', too"));
	end();

	two_in_a_slot("192.0.2.9");
	run();
	CHECK(all.w.scripts.n == 0 && warnings() == 2);
	CHECK(warned("'New' has the address 192.0.2.9"));
	end();

	two_in_a_slot("192.0.2.9"); /* an address that it really had */
	CHECK_OK(fy_machine_add_text(&all.m->nics[0].addresses,
				     &all.m->nics[0].n_addresses,
				     "192.0.2.9/24", &err),
		 &err);
	run();
	CHECK(count("Find-Nic '52-54-00-12-34-56'") == 1);
	CHECK(count("192.0.2.9") == 1 && count("192.0.2.7") == 0);
	CHECK(warnings() == 1 && warned("'Old' has the address"));
	end();

	two_in_a_slot("192.0.2.9"); /* or --nic, which is more */
	CHECK_OK(fy_machine_add_text(&all.m->nics[0].addresses,
				     &all.m->nics[0].n_addresses,
				     "192.0.2.7/24", &err),
		 &err);
	all.o.nics = &name;
	all.o.n_nics = 1;
	run();
	CHECK(count("192.0.2.9") == 1 && count("192.0.2.7") == 0);
	end();

	two_in_a_slot(NULL); /* the new one has DHCP, and --nic names it */
	all.o.nics = &name;
	all.o.n_nics = 1;
	run();
	CHECK(all.w.scripts.n == 0 && warned("'Old' has the address"));
	end();
}

/* Two slots, two cards; and two ports of one function. */
static void
test_slots(void)
{
	begin(6, 3);
	add_interface(GUID_A, "192.0.2.7");
	add_device(GUID_A, "One", CARD_A, SLOT_25);
	add_interface(GUID_B, "192.0.2.9");
	add_device(GUID_B, "Two", CARD_B, SLOT_1);
	add_nic(MAC_A, "0000:00:19.0");
	add_nic(MAC_B, "0000:01:00.0");
	run();
	CHECK(count("Find-Nic '52-54-00-12-34-56'") == 1 &&
	      count("Find-Nic '52-54-00-AA-AA-AA'") == 1 && warnings() == 0);
	end();

	begin(6, 3);
	add_interface(GUID_A, "192.0.2.7");
	add_device(GUID_A, "One", "MLX4\\CONNECTX-3_ETH\\6&1A2B&0&1", SLOT_25);
	add_nic(MAC_A, "0000:00:19.0");
	add_nic(MAC_B, "0000:00:19.0");
	run();
	CHECK(all.w.scripts.n == 0 && warned("is not known"));
	end();
}

/* Serial numbers: those of a card's second function are the first one's. */
static void
test_serial(void)
{
	static const struct {
		const char *serial;
		bool told;
	} t[] = {
		{ "525400FFFF123456", true },
		{ "525400FFFF12345600", true },
		{ "525400FFFF123456-00", true },
		{ "525400FFFF12345601", false },
		{ "525400FFFF123456-01", false },
		{ "525400FFFE123456", false },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		fy_autofree char *instance = fy_format(
			&err, "PCI\\VEN_8086&DEV_1521\\%s", t[i].serial);

		begin(10, 0);
		add_interface(GUID_A, "192.0.2.7");
		add_device(GUID_A, "Ethernet", instance, NULL);
		add_nic(MAC_B, NULL);
		add_nic(MAC_A, NULL);
		run();
		if ((count("Find-Nic '52-54-00-12-34-56'") == 1) != t[i].told)
			CHECK_STR("wrong", t[i].serial);
		end();
	}
}

/* One that does not come does not keep the next from its address. */
static void
test_each_by_itself(void)
{
	const char *p, *q;
	size_t len;

	two_in_a_slot("192.0.2.9");
	test_set_text(all.w.system, SET "\\Enum\\" CARD_B,
		      "LocationInformation", SLOT_1);
	run();
	p = strstr(script(), "try {\n$nic = Find-Nic '52-54-00-12-34-56'");
	q = p == NULL ? NULL : strstr(p, "} catch {\n");
	CHECK(q != NULL);
	p = q == NULL ? NULL
		      : strstr(q, "try {\n$nic = Find-Nic '52-54-00-AA-AA-AA'");
	q = p == NULL ? NULL : strstr(p, "} catch {\n");
	CHECK(q != NULL && strstr(q, "$failed = 1") != NULL);
	len = strlen(script());
	CHECK(len > 13 && strcmp(script() + len - 13, "exit $failed\n") == 0);
	end();
}

/* Before 8; nothing is taken away before it is known that the card is another
 * one. */
static void
test_cmd(void)
{
	const char *p;

	two_in_a_slot("192.0.2.9");
	all.w.version.major = 6;
	all.w.version.minor = 1;
	test_set_text(all.w.system, SET "\\Enum\\" CARD_B,
		      "LocationInformation", SLOT_1);
	run();
	CHECK(count("reg delete \"HKLM\\SYSTEM\\CurrentControlSet\\Services"
		    "\\Tcpip\\Parameters\\Interfaces\\" GUID_A) == 1);
	p = strstr(script(), "MACAddress='" MAC_A "'");
	p = p == NULL ? NULL
		      : strstr(p, "find /i \"" GUID_A "\" >nul\n"
				  "if not errorlevel 1 goto end0\n"
				  "reg delete ");
	p = p == NULL ? NULL : strstr(p, "call EnableStatic (\"192.0.2.7\")");
	CHECK(p != NULL);
	p = strstr(script(), ":end0\n");
	CHECK(p != NULL && strstr(p, "find /i \"" GUID_B "\"") != NULL &&
	      strstr(p, "(\"192.0.2.9\")") != NULL);
	CHECK(strstr(script(), "reg delete") > strstr(script(), "SettingID"));
	end();
}

/* Suffix, metric and WINS servers, by PowerShell and by wmic. */
static void
test_more(void)
{
	static const char key[] =
		SET "\\Services\\Tcpip\\Parameters\\Interfaces\\" GUID_A;
	static const char netbt[] =
		SET "\\Services\\NetBT\\Parameters\\Interfaces\\Tcpip_" GUID_A;
	unsigned i;

	for (i = 0; i < 2; i++) {
		begin(i == 0 ? 10 : 6, i);
		add_interface(GUID_A, NULL);
		add_device(GUID_A, "Ethernet", CARD_A, NULL);
		add_nic(MAC_A, NULL);
		test_set_text(all.w.system, key, "Domain", "a.example.com");
		test_set_number(all.w.system, key, "InterfaceMetric", 7);
		test_set_list(all.w.system, netbt, "NameServerList",
			      "192.0.2.8");
		test_set_number(all.w.system, netbt, "NetbiosOptions", 2);
		run();
		CHECK(warnings() == 0);
		CHECK(count(i == 0 ? "-ConnectionSpecificSuffix "
				     "'a.example.com'\n"
				   : "call SetDNSDomain \"a.example.com\" ") ==
		      1);
		CHECK(count(i == 0 ? "-InterfaceMetric 7\n"
				   : "call SetIPConnectionMetric 7 ") == 1);
		CHECK(count(i == 0 ? "SetWINSServer('192.0.2.8', '')"
				   : "call SetWINSServer "
				     "\"192.0.2.8\",\"\" ") == 1);
		CHECK(count(i == 0 ? "SetTcpipNetbios(2)"
				   : "call SetTcpipNetbios 2 ") == 1);
		CHECK(count("Disabled") == 0 && count("EnableStatic") == 0);
		end();
	}

	begin(10, 0); /* what is no suffix; what is no card's */
	add_interface(GUID_A, NULL);
	add_device(GUID_A, "Ethernet", CARD_A, NULL);
	test_set_text(all.w.system, key, "Domain", "a'; calc; '");
	add_interface(GUID_B, NULL);
	add_device(GUID_B, "VPN", "ROOT\\NET\\0000", NULL);
	test_set_number(all.w.system,
			SET "\\Services\\Tcpip\\Parameters\\Interfaces"
			    "\\" GUID_B,
			"InterfaceMetric", 1);
	add_nic(MAC_A, NULL);
	run();
	CHECK(all.w.scripts.n == 0 && warnings() == 1 &&
	      warned("DNS suffix of the network connection 'Ethernet'"));
	end();

	begin(10, 0); /* settings, but of which card? */
	add_interface(GUID_A, NULL);
	add_device(GUID_A, "Ethernet", CARD_A, NULL);
	test_set_number(all.w.system, key, "InterfaceMetric", 7);
	run();
	CHECK(warned("'Ethernet' has settings of its own, and which"));
	end();
}

/* IPv4 routes of a card: u32, prefix, its length and 15 bytes, the LUID twice,
 * next hop, u32. */
#define LUID	 "0000000901000600"
#define OTHER	 "0000000777000600"
#define NOTHING4 "00000000"
#define NOTHING	 NOTHING4 NOTHING4 NOTHING4 "000000"
#define ROUTE(prefix, length, luid, hop)                                       \
	NOTHING4 prefix length NOTHING luid luid hop NOTHING4

static void
test_routes(void)
{
	static const char table[] = SET "\\Control\\Nsi\\{eb004a00-9b1a-11d4-"
					"9123-0050047759bc}\\16";
	static const char *const rows[] = {
		ROUTE("0a000000", "08", LUID, "c0000203"),
		ROUTE("0a010000", "10", LUID, "c0000203"),  /* stays */
		ROUTE("0a020000", "10", OTHER, "c0000203"), /* of no card */
		ROUTE("0a030000", "10", LUID, NOTHING4),    /* by no router */
		ROUTE(NOTHING4, "00", LUID, "c00002fe"),
		"none",
	};
	size_t i;

	begin(10, 0);
	add_interface(GUID_A, "192.0.2.7");
	add_device(GUID_A, "Ethernet", CARD_A, NULL);
	add_driver(GUID_A, 0x84, 6);
	test_set_number(all.w.system, CLASS "\\0001", "NetLuidIndex", 0x109);
	CHECK_OK(fy_hive_delete_value(
			 all.w.system,
			 SET "\\Services\\Tcpip\\Parameters\\Interfaces"
			     "\\" GUID_A,
			 "DefaultGateway", &err),
		 &err);
	add_nic(MAC_A, NULL);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		test_set_number(all.w.system, table, rows[i], 0);
	test_set_text(all.w.system,
		      SET "\\Services\\Tcpip\\Parameters\\PersistentRoutes",
		      "10.1.0.0,255.255.0.0,192.0.2.3,1", "");
	run();
	CHECK(warnings() == 1 && warned("route to 10.0.0.0/8 by 192.0.2.3 is"));
	CHECK(count("-NextHop '192.0.2.254'") == 1 && count("NextHop") == 1);
	end();
}

static void
test_teams(void)
{
	static const struct fy_inject_nic name = { "Team 1", MAC_A };
	unsigned i;

	for (i = 0; i < 3; i++) {
		begin(6, 3);
		add_interface(GUID_A, i == 0 ? NULL : "192.0.2.7");
		add_device(GUID_A, "Team 1", "COMPOSITEBUS\\MS_IMPLAT_MP\\{1}",
			   NULL);
		add_nic(MAC_A, NULL);
		all.o.nics = &name;
		all.o.n_nics = i == 2;
		run();
		CHECK(warnings() == 1 &&
		      warned("'Team 1' is a team of network cards"));
		CHECK(warned(i == 0   ? "uses DHCP"
			     : i == 1 ? "it has the address 192.0.2.7"
				      : "go to the card " MAC_A));
		CHECK(count("192.0.2.7") == (i == 2));
		end();
	}
}

static void
test_many(void)
{
	char guid[sizeof(GUID_A)];
	unsigned i;

	begin(10, 0);
	for (i = 0; i < 300; i++) {
		snprintf(guid, sizeof(guid), "{%08X%s", i, &GUID_A[9]);
		add_interface(guid, NULL);
	}
	run();
	CHECK(warnings() == 1 && warned("settings of 300 network interfaces"));
	end();
}

int
main(void)
{
	test_hives_init();
	test_leftover();
	test_only_one();
	test_buses();
	test_same_slot();
	test_slots();
	test_serial();
	test_each_by_itself();
	test_cmd();
	test_more();
	test_routes();
	test_teams();
	test_many();
	test_hives_release();
	return test_result();
}
