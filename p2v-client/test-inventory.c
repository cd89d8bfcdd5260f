/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hardware, NICs and block devices of made-up machines.
 */
#include <time.h>

#include "common/bytes.h"
#include "p2v-client/block.h"
#include "p2v-client/inventory.h"
#include "p2v-client/test-tree.h"

static struct fy_machine *
hardware(void)
{
	struct fy_error err = { 0 };
	struct fy_machine *m = fy_machine_new(&err);

	CHECK_OK(fy_inventory_hardware(tree, m, &err), &err);
	return m;
}

static void
cpu(unsigned n, unsigned package, unsigned first_sibling)
{
	char path[128], text[32];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%u/topology/physical_package_id",
		 n);
	snprintf(text, sizeof(text), "%u\n", package);
	tree_text(path, text);
	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
		 n);
	snprintf(text, sizeof(text), "%u,%u\n", first_sibling,
		 first_sibling + 4);
	tree_text(path, text);
}

/* One SMBIOS memory device of 'size' (its raw field) into 'at'. */
static size_t
module(unsigned char *at, unsigned size, uint32_t extended, unsigned type)
{
	static const char texts[] = "DIMM_A1\0Vendor\0";

	memset(at, 0, 0x28);
	at[0] = 17;
	at[1] = 0x28;
	fy_put_le16(at + 0x0c, (uint16_t)size);
	fy_put_le32(at + 0x1c, extended);
	at[0x12] = (unsigned char)type;
	memcpy(at + 0x28, texts, sizeof(texts));
	return 0x28 + sizeof(texts);
}

static void
test_server(void)
{
	static const unsigned char secure[] = { 6, 0, 0, 0, 1 };
	FY_AUTO(machine) struct fy_machine *m = NULL;
	unsigned char dmi[512];
	size_t len = 0;
	unsigned i;

	tree_new();
	tree_text("/sys/class/dmi/id/product_uuid",
		  "4c4c4544-0042-3510-8052-b4c04f4a4e31\n");
	tree_text("/sys/class/dmi/id/product_serial", "  B5RJN1 \n");
	tree_text("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
	tree_text("/sys/class/dmi/id/product_name", "To be filled by O.E.M.\n");
	tree_bytes("/sys/firmware/efi/efivars/"
		   "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
		   secure, sizeof(secure));
	tree_dir("/sys/class/tpm");
	tree_dir("/sys/class/tpm/tpm0");
	tree_text("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n"
				   "model name\t: Xeon  X5670\n\n"
				   "processor\t: 1\n");
	for (i = 0; i < 8; i++)
		cpu(i, i % 4 / 2, i % 4);
	tree_text("/proc/meminfo", "MemTotal:       48000000 kB\n");
	/* 16 GiB, 32 GiB by the extended size, empty, and a flash chip. */
	len += module(dmi + len, 16384, 0, 0x18);
	len += module(dmi + len, 0x7fff, 32768, 0x18);
	len += module(dmi + len, 0, 0, 0x02);
	len += module(dmi + len, 0x8000 | 16384, 0, 0x09);
	tree_bytes("/sys/firmware/dmi/tables/DMI", dmi, len);
	tree_text("/etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n");
	tree_text("/sys/bus/pci/devices/0000:00:01.0/class", "0x060400\n");
	tree_text("/sys/bus/pci/devices/0000:06:00.0/class", "0x030000\n");
	tree_text("/sys/bus/pci/devices/0000:06:00.0/vendor", "0x102b\n");
	tree_text("/sys/bus/pci/devices/0000:06:00.0/device", "0x0536\n");

	m = hardware();
	CHECK_STR(m->uuid, "4c4c4544-0042-3510-8052-b4c04f4a4e31");
	CHECK_STR(m->serial, "B5RJN1");
	CHECK_STR(m->manufacturer, "Dell Inc.");
	CHECK(m->product == NULL);
	CHECK(m->firmware == FY_FIRMWARE_UEFI && m->secure_boot && m->tpm);
	CHECK_STR(m->cpu_vendor, "GenuineIntel");
	CHECK_STR(m->cpu_model, "Xeon  X5670");
	CHECK(m->vcpus == 8 && m->sockets == 2 && m->cores == 2 &&
	      m->threads == 2);
	CHECK(m->memory_bytes == 48 * FY_GIB);
	CHECK(m->clock == FY_CLOCK_LOCALTIME);
	CHECK_STR(m->graphics, "102b:0536");
	tree_free();
}

static void
test_memory(void)
{
	FY_AUTO(machine) struct fy_machine *blocks = NULL, *total = NULL;
	unsigned char dmi[256];
	char path[64];
	size_t len;
	int i;

	tree_new();
	tree_text("/proc/meminfo", "MemTotal:       16000001 kB\n");
	/* SMBIOS that tells less than there is, cut in the middle. */
	len = module(dmi, 1024, 0, 0x18);
	dmi[len] = 17;
	dmi[len + 1] = 0x28;
	tree_bytes("/sys/firmware/dmi/tables/DMI", dmi, len + 20);
	total = hardware();
	CHECK(total->memory_bytes == UINT64_C(15626) * FY_MIB);
	CHECK(total->firmware == FY_FIRMWARE_BIOS && !total->tpm);

	tree_text("/sys/devices/system/memory/block_size_bytes", "8000000\n");
	for (i = 0; i < 129; i++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/memory/memory%d/online", i);
		tree_text(path, i == 7 ? "0\n" : "1\n");
	}
	blocks = hardware();
	CHECK(blocks->memory_bytes == 16 * FY_GIB);
	tree_free();
}

/* --- SMBIOS tables as boards have them ------------------------------------- */

struct table {
	unsigned char bytes[3072];
	size_t len;
};

/* A structure with its texts; the formatted area is 'len' bytes with zeros
 * behind what is in 'head'. */
static unsigned char *
structure(struct table *t, unsigned type, unsigned handle, size_t len,
	  const char *const *texts)
{
	unsigned char *s = t->bytes + t->len;

	memset(s, 0, len);
	s[0] = (unsigned char)type;
	s[1] = (unsigned char)len;
	fy_put_le16(s + 2, (uint16_t)handle);
	t->len += len;
	if (*texts == NULL)
		t->len++;
	for (; *texts != NULL; texts++) {
		size_t n = strlen(*texts) + 1;

		memcpy(t->bytes + t->len, *texts, n);
		t->len += n;
	}
	t->bytes[t->len++] = 0;
	return s;
}

static const char *const no_texts[] = { NULL };

static void
memory_array(struct table *t, unsigned handle, unsigned use)
{
	unsigned char *s = structure(t, 16, handle, 0x17, no_texts);

	s[4] = 3;
	s[5] = (unsigned char)use;
}

/* A DDR4 module in the array; returns the structure. */
static unsigned char *
dimm(struct table *t, unsigned array, unsigned size, const char *locator)
{
	const char *const texts[] = {
		locator,
		"NODE 1",
		" Samsung ",
		"00000000",
		"M393A2K43BB1-CRC  ",
		NULL,
	};
	unsigned char *s = structure(t, 17, 0x1100, 0x5c, texts);

	fy_put_le16(s + 4, (uint16_t)array);
	fy_put_le16(s + 0x0c, (uint16_t)size);
	s[0x10] = 1;
	s[0x11] = 2;
	s[0x12] = 0x1a;
	fy_put_le16(s + 0x15, 2666);
	s[0x17] = 3;
	s[0x18] = 4;
	s[0x1a] = 5;
	fy_put_le16(s + 0x20, 2400);
	return s;
}

static struct fy_machine *
memory_of(const struct table *t, const char *mem_total)
{
	struct fy_error err = { 0 };
	struct fy_machine *m = fy_machine_new(&err);

	tree_text("/proc/meminfo", mem_total);
	tree_bytes("/sys/firmware/dmi/tables/DMI", t->bytes, t->len);
	CHECK_OK(fy_inventory_memory(tree, m, &err), &err);
	return m;
}

/* Two boards with an array each, a flash array, video memory, a persistent
 * module, empty slots of both kinds. */
static void
test_boards(void)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	static const char *const bios[] = { "American Megatrends", "F2", NULL };
	struct table t = { .len = 0 };
	unsigned char *s;

	tree_new();
	structure(&t, 0, 0, 0x18, bios);
	memory_array(&t, 0x1000, 3);
	memory_array(&t, 0x1001, 3);
	memory_array(&t, 0x1002, 5);
	s = dimm(&t, 0x1000, 0x7fff, "P1-DIMMA1"); /* 64 GiB */
	fy_put_le32(s + 0x1c, 65536);
	dimm(&t, 0x1000, 0, "P1-DIMMA2");	  /* empty */
	s = dimm(&t, 0x1001, 32767, "P2-DIMMA1"); /* full, but not extended */
	fy_put_le16(s + 0x0c, 32766);
	dimm(&t, 0x1001, 0xffff, "P2-DIMMA2"); /* not known */
	dimm(&t, 0x1002, 0x8000 | 32768 / 2, "BIOS flash");
	s = dimm(&t, 0x1001, 16384, "VRAM");
	s[0x12] = 0x05;
	s = dimm(&t, 0x1001, 0x7fff, "Optane");
	fy_put_le32(s + 0x1c, 131072);
	s[0x28] = 0x07;
	s = dimm(&t, 0x1001, 2, "P2-DIMMB1"); /* 2 MiB, fast beyond 16 bits */
	fy_put_le16(s + 0x15, 0xffff);
	fy_put_le32(s + 0x54, 70000);
	fy_put_le16(s + 0x20, 0xffff);
	fy_put_le32(s + 0x58, 0xffffffff);
	structure(&t, 127, 0xfefe, 4, no_texts);
	dimm(&t, 0x1000, 4096, "behind the end");

	m = memory_of(&t, "MemTotal: 98000000 kB\n");
	CHECK(m->memory_bytes == 65536 * FY_MIB + 32768 * FY_MIB);
	CHECK(m->memory_slots == 5 && m->n_memory_modules == 3);
	CHECK_STR(m->memory_modules[0].locator, "P1-DIMMA1");
	CHECK_STR(m->memory_modules[0].bank, "NODE 1");
	CHECK_STR(m->memory_modules[0].manufacturer, "Samsung");
	CHECK_STR(m->memory_modules[0].part, "M393A2K43BB1-CRC");
	CHECK_STR(m->memory_modules[0].type, "DDR4");
	CHECK(m->memory_modules[0].serial == NULL);
	CHECK(m->memory_modules[0].size_bytes == 64 * FY_GIB);
	CHECK(m->memory_modules[0].speed_mts == 2666 &&
	      m->memory_modules[0].configured_mts == 2400);
	CHECK(m->memory_modules[2].size_bytes == 2 * FY_MIB &&
	      m->memory_modules[2].speed_mts == 70000 &&
	      m->memory_modules[2].configured_mts == 0);
	tree_free();
}

/* Old and broken tables: short structures, numbers of texts that are not
 * there, a table that is cut everywhere. */
static void
test_broken_tables(void)
{
	struct table t = { .len = 0 }, cut;
	static const char *const texts[] = { "A", NULL };
	unsigned char *s;
	size_t i, second;

	tree_new();
	s = structure(&t, 17, 1, 0x15, texts); /* SMBIOS 2.1 */
	fy_put_le16(s + 0x0c, 512);
	s[0x10] = 200;
	second = t.len;
	s = structure(&t, 17, 2, 0x15, no_texts);
	fy_put_le16(s + 0x0c, 512);
	s[0x10] = 1;
	s = structure(&t, 17, 3, 0x0d, texts); /* too short for a size */
	s[0x0c] = 0xff;
	{
		FY_AUTO(machine)
		struct fy_machine *m = memory_of(&t, "MemTotal: 1000000 kB\n");

		CHECK(m->memory_bytes == 1024 * FY_MIB);
		CHECK(m->memory_slots == 3 && m->n_memory_modules == 2);
		CHECK(m->memory_modules[0].locator == NULL &&
		      m->memory_modules[1].locator == NULL);
	}
	for (i = 0; i < t.len; i++) {
		FY_AUTO(machine) struct fy_machine *m = NULL;

		/* The bytes end where the table does, for the sanitizers. */
		cut = t;
		cut.len = i;
		m = memory_of(&cut, "MemTotal: 1000000 kB\n");
		/* A structure counts once its formatted area is whole. */
		CHECK(m->n_memory_modules ==
		      (size_t)(i >= 0x15) + (size_t)(i >= second + 0x15));
		CHECK(m->memory_bytes >= 512 * FY_MIB);
	}
	tree_free();
}

/* What the firmware says of its own, and what it left at the factory's. */
static void
test_dmi(void)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;

	tree_new();
	tree_text("/sys/class/dmi/id/board_vendor", "Supermicro\n");
	tree_text("/sys/class/dmi/id/board_name", "X10DRi\n");
	tree_text("/sys/class/dmi/id/board_serial", "Default string\n");
	tree_text("/sys/class/dmi/id/chassis_type", "23\n");
	tree_text("/sys/class/dmi/id/chassis_asset_tag", " INV-0042\n");
	tree_text("/sys/class/dmi/id/chassis_serial", "Not Specified\n");
	tree_text("/sys/class/dmi/id/product_version", "To be filled by "
						       "O.E.M.\n");
	tree_text("/sys/class/dmi/id/product_family", "\033[2Jfamily\n");
	tree_text("/sys/class/dmi/id/bios_vendor", "American Megatrends Inc."
						   "\n");
	tree_text("/sys/class/dmi/id/bios_version", "3.2\n");
	tree_text("/sys/class/dmi/id/bios_date", "11/22/2019\n");
	tree_text("/sys/class/tpm/tpm0/tpm_version_major", "2\n");
	m = hardware();
	CHECK_STR(m->board_manufacturer, "Supermicro");
	CHECK_STR(m->board_product, "X10DRi");
	CHECK(m->board_serial == NULL && m->chassis_serial == NULL);
	CHECK_STR(m->chassis_type, "rack mount");
	CHECK_STR(m->asset_tag, "INV-0042");
	CHECK(m->version == NULL);
	CHECK_STR(m->bios_vendor, "American Megatrends Inc.");
	CHECK_STR(m->bios_version, "3.2");
	CHECK_STR(m->bios_date, "11/22/2019");
	CHECK(m->tpm && m->firmware == FY_FIRMWARE_BIOS);
	CHECK_STR(m->tpm_version, "2.0");
	fy_machine_clean(m);
	CHECK_STR(m->family, "?[2Jfamily");
	tree_free();
}

/* The TPM's version on kernels without the attribute. */
static const char *
tpm_with(const char *file, const char *text)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	const char *found;

	tree_new();
	tree_dir("/sys/class/tpm");
	tree_dir("/sys/class/tpm/tpm0");
	if (file != NULL)
		tree_text(file, text);
	m = hardware();
	CHECK(m->tpm);
	found = m->tpm_version == NULL		     ? ""
		: strcmp(m->tpm_version, "1.2") == 0 ? "1.2"
		: strcmp(m->tpm_version, "2.0") == 0 ? "2.0"
						     : "another";
	tree_free();
	return found;
}

static void
test_tpm(void)
{
	CHECK_STR(tpm_with(NULL, NULL), "");
	CHECK_STR(tpm_with("/sys/class/tpm/tpm0/tpm_version_major", "1\n"),
		  "1.2");
	CHECK_STR(tpm_with("/sys/class/tpm/tpm0/tpm_version_major", "9\n"), "");
	CHECK_STR(tpm_with("/sys/class/tpm/tpm0/device/description",
			   "TPM 2.0 Device\n"),
		  "2.0");
	CHECK_STR(tpm_with("/sys/firmware/acpi/tables/TPM2", "TPM2"), "2.0");
	CHECK_STR(tpm_with("/sys/class/tpm/tpm0/device/caps",
			   "Manufacturer: 0x49465800\nTCG version: 1.2\n"),
		  "1.2");
}

static enum fy_clock
clock_with_rtc(int64_t apart)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	char text[32];

	snprintf(text, sizeof(text), "%lld\n", (long long)(time(NULL) + apart));
	tree_text("/sys/class/rtc/rtc0/since_epoch", text);
	m = hardware();
	return m->clock;
}

static void
test_clock(void)
{
	tree_new();
	CHECK(clock_with_rtc(0) == FY_CLOCK_UTC);
	CHECK(clock_with_rtc(2 * 3600 + 3) == FY_CLOCK_LOCALTIME);
	CHECK(clock_with_rtc(-5 * 3600 - 1800 + 20) == FY_CLOCK_LOCALTIME);
	CHECK(clock_with_rtc(500) == FY_CLOCK_UTC);
	CHECK(clock_with_rtc(2 * 3600 + 400) == FY_CLOCK_UTC);
	CHECK(clock_with_rtc(86400 * 30) == FY_CLOCK_UTC);
	tree_text("/etc/adjtime", "0.0 0 0.0\n0\nUTC\n");
	CHECK(clock_with_rtc(3600) == FY_CLOCK_UTC);
	tree_free();
}

/* A network interface at 'device' (below /sys/devices; NULL: virtual). */
static void
interface(const char *name, const char *device, int index, const char *mac)
{
	char path[256], text[256];

	snprintf(path, sizeof(path), "/sys/devices/%s/net/%s/ifindex",
		 device == NULL ? "virtual" : device, name);
	snprintf(text, sizeof(text), "%d\n", index);
	tree_text(path, text);
	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	snprintf(text, sizeof(text), "../../devices/%s/net/%s",
		 device == NULL ? "virtual" : device, name);
	tree_link(path, text);
	snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
	snprintf(text, sizeof(text), "%s\n", mac);
	tree_text(path, text);
	snprintf(path, sizeof(path), "/sys/class/net/%s/type", name);
	tree_text(path, "1\n");
	if (device == NULL)
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	tree_link(path, "../..");
}

static const struct fy_machine_nic *
nic(const struct fy_machine *m, const char *name)
{
	static const struct fy_machine_nic none;
	size_t i;

	for (i = 0; i < m->n_nics; i++)
		if (strcmp(m->nics[i].name, name) == 0)
			return &m->nics[i];
	CHECK(false);
	return &none;
}

static bool
named(const struct fy_machine_nic *n, const char *name)
{
	size_t i;

	for (i = 0; i < n->n_names; i++)
		if (strcmp(n->names[i], name) == 0)
			return true;
	return false;
}

static void
make_nics(void)
{
	interface("lo", NULL, 1, "00:00:00:00:00:00");
	interface("eno1", "pci0000:00/0000:00:1c.0/0000:02:00.0", 3,
		  "02:aa:aa:aa:aa:aa");
	interface("enp2s0f1", "pci0000:00/0000:00:1c.0/0000:02:00.1", 2,
		  "02:aa:aa:aa:aa:aa");
	interface("ens3", "pci0000:00/0000:00:03.0/virtio2", 4,
		  "52:54:00:00:00:03");
	interface("bond0", NULL, 5, "02:aa:aa:aa:aa:aa");
	interface("bond0.7", NULL, 6, "02:aa:aa:aa:aa:aa");
	interface("br0", NULL, 7, "52:54:00:00:00:03");
	tree_text("/sys/class/net/bonding_masters", "bond0\n");
	tree_dir("/sys/devices/virtual/net/bond0/bonding");
	tree_dir("/sys/devices/virtual/net/br0/bridge");
	tree_text("/sys/class/net/bond0.7/uevent", "DEVTYPE=vlan\n");
	tree_link("/sys/class/net/bond0.7/lower_bond0", "../bond0");
	tree_text("/proc/net/vlan/bond0.7", "bond0.7  VID: 7\t REORDER\n");
	tree_link("/sys/class/net/eno1/master", "../../x/bond0");
	tree_link("/sys/class/net/enp2s0f1/master", "../../x/bond0");
	tree_link("/sys/class/net/ens3/master", "../../x/br0");
	tree_text("/proc/net/bonding/bond0",
		  "Slave Interface: eno1\n"
		  "Permanent HW addr: 00:1b:21:00:00:01\n\n"
		  "Slave Interface: enp2s0f1\n"
		  "Permanent HW addr: 00:1b:21:00:00:02\n");
	tree_text("/sys/class/net/ens3/addr_assign_type", "0\n");
	tree_text("/sys/class/net/eno1/addr_assign_type", "3\n");
	tree_text("/sys/class/net/eno1/device/acpi_index", "1\n");
	tree_text("/sys/class/net/eno1/speed", "1000\n");
	tree_text("/sys/class/net/eno1/carrier", "1\n");
	tree_text("/sys/class/net/enp2s0f1/speed", "-1\n");
	tree_link("/sys/class/net/eno1/device/driver",
		  "../../../bus/pci/drivers/igb");
	tree_bytes("/sys/bus/pci/devices/0000:02:00.0/config",
		   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\0", 16);
	tree_text("/sys/bus/pci/slots/3/address", "0000:00:03\n");
	tree_text("/run/udev/data/n3",
		  "E:ID_NET_NAME_ONBOARD=eno1\nE:ID_NET_NAME_PATH=enp2s0f0\n"
		  "E:ID_NET_LABEL_ONBOARD=NIC1\nE:ID_NET_NAME_X=same\n");
	tree_text("/run/udev/data/n2", "E:ID_NET_NAME_X=same\n");
	tree_text("/sys/bus/pci/devices/0000:02:00.0/vendor", "0x8086\n");
	tree_text("/sys/bus/pci/devices/0000:02:00.0/device", "0x1521\n");
	tree_text("/run/udev/data/+pci:0000:02:00.0",
		  "E:ID_MODEL_FROM_DATABASE=I350 Gigabit\n"
		  "E:ID_VENDOR_FROM_DATABASE=Intel Corporation\n");
}

static void
test_nics(void)
{
	struct fy_error err = { 0 };
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	const struct fy_machine_nic *n;

	tree_new();
	make_nics();
	CHECK_OK(fy_inventory_nics(tree, m, &err), &err);
	CHECK(m->n_nics == 6);
	CHECK_STR(m->nics[0].name, "enp2s0f1");
	CHECK_STR(m->nics[1].name, "eno1");
	n = nic(m, "eno1");
	CHECK_STR(n->kind, "ethernet");
	CHECK_STR(n->mac, "02:aa:aa:aa:aa:aa");
	CHECK_STR(n->permanent_mac, "00:1b:21:00:00:01");
	CHECK_STR(n->pci, "0000:02:00.0");
	CHECK_STR(n->driver, "igb");
	CHECK_STR(n->pci_id, "8086:1521");
	CHECK_STR(n->model, "Intel Corporation I350 Gigabit");
	CHECK_STR(n->master, "bond0");
	CHECK(n->link && n->speed_mbit == 1000);
	CHECK(named(n, "eno1") && named(n, "enp2s0f0") && named(n, "em1") &&
	      named(n, "enx001b21000001") && named(n, "eth1"));
	CHECK(!named(n, "NIC1") && !named(n, "same"));
	n = nic(m, "enp2s0f1");
	CHECK_STR(n->permanent_mac, "00:1b:21:00:00:02");
	CHECK(n->speed_mbit == 0 && !n->link);
	CHECK(named(n, "enp2s0f1") && named(n, "eth0") && !named(n, "same"));
	n = nic(m, "ens3");
	CHECK_STR(n->permanent_mac, "52:54:00:00:00:03");
	CHECK_STR(n->pci, "0000:00:03.0");
	CHECK(named(n, "ens3") && named(n, "enp0s3") && named(n, "p3p1"));
	CHECK_STR(nic(m, "bond0")->kind, "bond");
	CHECK_STR(nic(m, "br0")->kind, "bridge");
	n = nic(m, "bond0.7");
	CHECK_STR(n->kind, "vlan");
	CHECK_STR(n->parent, "bond0");
	CHECK(n->vlan == 7 && n->n_names == 0);
	tree_free();
}

/* A disk at 'device' below /sys/devices with a dev number. */
static void
disk(const char *name, const char *device, const char *dev, const char *size)
{
	char path[256], text[256];

	snprintf(path, sizeof(path), "/sys/devices/%s/block/%s/size", device,
		 name);
	tree_text(path, size);
	snprintf(text, sizeof(text), "../devices/%s/block/%s", device, name);
	snprintf(path, sizeof(path), "/sys/block/%s", name);
	tree_link(path, text);
	snprintf(text, sizeof(text), "../../devices/%s/block/%s", device, name);
	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	tree_link(path, text);
	snprintf(path, sizeof(path), "/sys/block/%s/dev", name);
	tree_text(path, dev);
}

static void
partition(const char *of, const char *name, const char *dev)
{
	char path[256], text[256];

	snprintf(path, sizeof(path), "/sys/block/%s/%s/partition", of, name);
	tree_text(path, "1\n");
	snprintf(path, sizeof(path), "/sys/block/%s/%s/dev", of, name);
	tree_text(path, dev);
	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	snprintf(text, sizeof(text), "../../block/%s/%s", of, name);
	tree_link(path, text);
}

static void
make_disks(void)
{
	disk("sda", "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0",
	     "8:0\n", "1953525168\n");
	partition("sda", "sda1", "8:1\n");
	partition("sda", "sda2", "8:2\n");
	disk("sdb", "pci0000:00/0000:03:00.0/rport-1/target1:0:0/1:0:0:0",
	     "8:16\n", "4096\n");
	disk("sdc", "pci0000:00/0000:03:00.0/rport-2/target2:0:0/2:0:0:0",
	     "8:32\n", "4096\n");
	disk("sdaa", "pci0000:00/0000:03:00.0/usb1/target3:0:0/3:0:0:0",
	     "65:160\n", "8192\n");
	disk("nvme0n1", "pci0000:00/0000:05:00.0/nvme/nvme0", "259:0\n",
	     "4096\n");
	disk("loop0", "virtual", "7:0\n", "4096\n");
	disk("dm-0", "virtual", "253:0\n", "4096\n");
	disk("sr0", "pci0000:00/ata2/target", "11:0\n", "4096\n");
	disk("sdd", "pci0000:00/usb2/target4", "8:48\n", "0\n");
	tree_text("/sys/block/sda/device/model", "WDC WD10EZEX    \n");
	tree_bytes("/sys/block/sda/device/vpd_pg80",
		   "\0\x80\0\x0c"
		   "  WD-12345  junk",
		   20);
	tree_text("/sys/block/sda/device/wwid", "naa.50014ee2b1234567\n");
	tree_text("/sys/block/sda/queue/logical_block_size", "512\n");
	tree_text("/sys/block/sda/queue/physical_block_size", "4096\n");
	tree_text("/sys/block/sdb/device/wwid", "naa.600a\n");
	tree_text("/sys/block/sdc/device/wwid", "naa.600a\n");
	tree_text("/sys/block/nvme0n1/device/serial", "S4X\n");
	tree_text("/sys/block/nvme0n1/wwid", "eui.0025\n");
	tree_text("/sys/block/nvme0n1/queue/logical_block_size", "4096\n");
	tree_text("/sys/block/sdaa/device/wwid", "t10.ATA     Stick 77\n");
	tree_text("/run/udev/data/b65:160",
		  "E:ID_WWN=nvme.1b36-51454d55-00000001\n"
		  "E:ID_SERIAL=Stick_77\nE:ID_SERIAL_SHORT=77\n");
}

static void
test_disks(void)
{
	struct fy_error err = { 0 };
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	struct fy_strings names = { 0 };
	size_t i;

	tree_new();
	make_disks();
	CHECK_OK(fy_block_list(tree, &names, &err), &err);
	CHECK(names.n == 5);
	CHECK_STR(names.items[0], "nvme0n1");
	CHECK_STR(names.items[1], "sda");
	CHECK_STR(names.items[4], "sdaa");
	for (i = 0; i < names.n; i++) {
		struct fy_machine_disk *d = fy_machine_add_disk(m, &err);

		CHECK_OK(fy_block_describe(tree, names.items[i], d, &err),
			 &err);
	}
	CHECK_STR(m->disks[0].bus, "nvme");
	CHECK_STR(m->disks[0].serial, "S4X");
	CHECK_STR(m->disks[0].wwn, "eui.0025");
	CHECK(m->disks[0].sector_bytes == 4096);
	CHECK_STR(m->disks[1].bus, "sata");
	CHECK_STR(m->disks[1].model, "WDC WD10EZEX");
	CHECK_STR(m->disks[1].serial, "WD-12345");
	CHECK_STR(m->disks[1].wwn, "0x50014ee2b1234567");
	CHECK(m->disks[1].size_bytes == UINT64_C(1000204886016));
	CHECK(m->disks[1].physical_sector_bytes == 4096);
	CHECK_STR(m->disks[4].bus, "usb");
	CHECK_STR(m->disks[4].serial, "77");
	CHECK(m->disks[4].wwn == NULL);
	CHECK(fy_block_same_disk(&m->disks[2], &m->disks[3]));
	CHECK(!fy_block_same_disk(&m->disks[1], &m->disks[2]));
	fy_strings_release(&names);
	tree_free();
}

/* What fy_block_in_use says about sda, "" for nothing. */
static void
used_as(const char *want)
{
	fy_autofree char *use = fy_block_in_use(tree, "sda");

	CHECK_STR(use == NULL ? "" : use, want);
}

static void
test_use(void)
{
	static const char root[] = "21 1 259:9 / / rw - ext4 /dev/root rw\n"
				   "22 21 8:3 / /boot rw - ext4 /dev/sda3 rw\n";
	char *name;

	tree_new();
	make_disks();
	tree_text("/proc/self/mountinfo", root);
	used_as("");
	tree_text("/proc/self/mountinfo",
		  "1 1 8:2 / /mnt/my\\040disk rw - ext4 /dev/sda2 rw\n");
	used_as("partition sda2 is mounted on /mnt/my disk");
	tree_text("/proc/self/mountinfo",
		  "1 1 0:44 / /data rw master:1 - btrfs /dev/sda1 rw\n");
	used_as("partition sda1 is mounted on /data");
	tree_text("/proc/self/mountinfo", root);
	tree_text("/proc/swaps", "Filename Type\n/dev/sda1 partition 1\n");
	used_as("partition sda1 is used as swap");
	tree_text("/proc/swaps", "Filename Type\n");
	tree_dir("/sys/block/sda/sda2/holders");
	tree_link("/sys/block/sda/sda2/holders/dm-0", "../../../dm-0");
	tree_text("/sys/class/block/dm-0/dm/uuid", "LVM-xyz\n");
	tree_text("/sys/class/block/dm-0/dm/name", "vg-root\n");
	used_as("partition sda2 is held by the LVM volume 'vg-root' "
		"(deactivate its group: vgchange -an)");
	tree_text("/proc/self/mountinfo",
		  "1 1 253:0 / / rw - ext4 /dev/mapper/vg-root rw\n");
	used_as("partition sda2 is held by 'vg-root', which is mounted on /");
	name = fy_block_disk(tree, "sda2");
	CHECK_STR(name, "sda");
	free(name);
	tree_free();
}

/* The real machine, whatever it is: must not fail. */
static void
test_here(void)
{
	struct fy_error err = { 0 };
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);

	CHECK_OK(fy_inventory_hardware(NULL, m, &err), &err);
	CHECK_OK(fy_inventory_nics(NULL, m, &err), &err);
	CHECK(m->vcpus > 0 && m->memory_bytes > 0);
}

int
main(void)
{
	test_server();
	test_memory();
	test_boards();
	test_broken_tables();
	test_dmi();
	test_tpm();
	test_clock();
	test_nics();
	test_disks();
	test_use();
	test_here();
	return test_result();
}
