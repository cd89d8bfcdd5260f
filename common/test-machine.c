/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine.json: a full description survives the way there and back, and what
 * is hostile or broken is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/machine.h"
#include "common/test.h"

static const char full[] =
	"{\"name\":\"web01\",\"from_hardware\":true,\"firmware\":\"uefi\","
	"\"secure_boot\":true,\"tpm\":true,\"tpm_version\":\"2.0\","
	"\"uuid\":\"4c4c4544-0042-3510-8052-b4c04f4a4e31\","
	"\"serial\":\"B5RJN1\",\"manufacturer\":\"D \\u00e9\","
	"\"product\":\"R720\",\"version\":\"v\",\"family\":\"f\","
	"\"sku\":\"k\",\"board_manufacturer\":\"Dell\","
	"\"board_product\":\"0X\",\"board_version\":\"A01\","
	"\"board_serial\":\"..CN\",\"chassis_type\":\"rack mount\","
	"\"chassis_serial\":\"c\",\"asset_tag\":\"A-77\","
	"\"bios_vendor\":\"Dell\",\"bios_version\":\"2.9.0\","
	"\"bios_date\":\"12/06/2019\",\"memory_slots\":24,"
	"\"memory_modules\":[{\"locator\":\"DIMM_A1\",\"bank\":\"1\","
	"\"size_bytes\":17179869184,\"type\":\"DDR3\",\"speed_mts\":1600,"
	"\"configured_mts\":1333,\"manufacturer\":\"H\",\"part\":\"P\","
	"\"serial\":\"S\"}],"
	"\"controllers\":[{\"pci\":\"0000:03:00.0\","
	"\"pci_id\":\"1000:005b\",\"subsystem_id\":\"1028:1f38\","
	"\"kind\":\"raid\",\"model\":\"PERC\","
	"\"driver\":\"megaraid_sas\"}],\"arch\":\"x86_64\",\"cpu_vendor\":"
	"\"V\","
	"\"cpu_model\":\"X5670\",\"vcpus\":24,\"sockets\":2,\"cores\":6,"
	"\"threads\":2,\"memory_bytes\":51539607552,\"clock\":\"localtime\","
	"\"graphics\":\"vga\",\"disks\":[{\"path\":\"/dev/sda\","
	"\"model\":\"M\",\"serial\":\"S\",\"wwn\":\"0x5000\",\"bus\":\"sata\","
	"\"size_bytes\":1000204886016,\"used_bytes\":123456789012,"
	"\"sector_bytes\":512,\"physical_sector_bytes\":4096,"
	"\"table\":\"gpt\",\"table_uuid\":\"u\",\"boot\":true,"
	"\"volumes\":[{\"path\":\"p1\",\"start\":1048576}],"
	"\"image\":\"/vms/web01.qcow2\",\"format\":\"qcow2\","
	"\"vendor\":\"ATA\",\"revision\":\"1A\",\"rotational\":true,"
	"\"removable\":false,\"controller\":\"0000:03:00.0\","
	"\"hardware_raid\":true,\"raid_level\":\"RAID-1\","
	"\"paths\":[\"/dev/sda\",\"/dev/sdc\"],\"health\":\"failing\","
	"\"health_reasons\":[\"r\"],\"smart\":{\"passed\":false,"
	"\"reallocated_sectors\":0,\"pending_sectors\":8,"
	"\"uncorrectable_sectors\":1,\"media_errors\":2,"
	"\"critical_warning\":4,\"percentage_used\":101,"
	"\"available_spare\":3,\"temperature_celsius\":40,"
	"\"power_on_hours\":9223372036854775807}},"
	"{\"path\":\"/dev/sdb\",\"boot\":false}],"
	"\"nics\":[{\"name\":\"eth0\",\"kind\":\"ethernet\","
	"\"mac\":\"52:54:00:00:00:01\","
	"\"permanent_mac\":\"52:54:00:00:00:02\",\"driver\":\"e1000\","
	"\"pci\":\"0000:00:05.0\",\"names\":[\"eno1\",\"enp0s5\"],"
	"\"addresses\":[\"192.0.2.7/24\",\"2001:db8::7/64\"],"
	"\"master\":\"bond0\",\"parent\":\"x\",\"vlan\":7,"
	"\"speed_mbit\":1000,\"link\":true,\"network\":\"n\","
	"\"bridge\":\"br0\",\"firmware\":\"1.2\",\"pci_id\":\"8086:100e\","
	"\"model\":\"82540EM\"}],"
	"\"systems\":[{\"id\":\"debian\",\"version\":\"12\","
	"\"pretty_name\":\"Debian GNU/Linux 12\",\"arch\":\"x86_64\","
	"\"hostname\":\"web01\",\"kernel\":\"6.1.0-9\",\"disk\":0,\"volume\":"
	"\"p2\","
	"\"interfaces\":[{\"name\":\"bond0.7\",\"kind\":\"vlan\","
	"\"mac\":\"52:54:00:00:00:02\",\"nic\":\"eth0\","
	"\"master\":\"br0\",\"parent\":\"bond0\",\"vlan\":7,"
	"\"dhcp\":false,\"addresses\":[\"192.0.2.7/24\"]}]}]}";

static void
test_round_trip(void)
{
	struct fy_error err = { 0 };
	fy_autojson json_t *j = fy_json_parse(full, strlen(full), "full", &err);
	fy_autojson json_t *again = NULL;
	FY_AUTO(machine) struct fy_machine *m = NULL;

	CHECK(j != NULL);
	CHECK(fy_machine_from_json(j, &m, &err) == 0);
	if (m == NULL) {
		printf("%s\n", err.msg);
		return;
	}
	CHECK(m->firmware == FY_FIRMWARE_UEFI && m->secure_boot && m->tpm);
	CHECK(m->clock == FY_CLOCK_LOCALTIME);
	CHECK(m->memory_bytes == 51539607552ULL);
	CHECK(m->n_disks == 2 && m->disks[0].boot && !m->disks[1].boot);
	CHECK(m->disks[0].physical_sector_bytes == 4096);
	CHECK(m->n_nics == 1 && m->nics[0].n_names == 2);
	CHECK(strcmp(m->nics[0].names[1], "enp0s5") == 0);
	CHECK(m->nics[0].vlan == 7);
	CHECK(m->disks[0].health == FY_HEALTH_FAILING);
	CHECK(m->disks[0].rotational == FY_YES &&
	      m->disks[0].removable == FY_NO &&
	      m->disks[1].rotational == FY_UNKNOWN);
	CHECK(m->disks[0].smart != NULL &&
	      m->disks[0].smart->reallocated_sectors == 0 &&
	      m->disks[1].smart == NULL);
	CHECK(m->systems[0].n_interfaces == 1 &&
	      m->systems[0].interfaces[0].dhcp == FY_NO);
	CHECK(m->n_memory_modules == 1 && m->n_controllers == 1);
	again = fy_machine_to_json(m, &err);
	CHECK(again != NULL && json_equal(again, j) == 1);
}

/* The text must be refused with FY_E_FORMAT. */
static void
refused(const char *text)
{
	struct fy_error err = { 0 };
	fy_autojson json_t *j = fy_json_parse(text, strlen(text), "x", &err);
	struct fy_machine *m = NULL;

	if (j == NULL) {
		printf("not JSON: %s\n", text);
		test_failures++;
		return;
	}
	if (fy_machine_from_json(j, &m, &err) != -1 ||
	    err.code != FY_E_FORMAT || m != NULL) {
		printf("not refused: %s\n", text);
		test_failures++;
		fy_machine_free(m);
	}
}

static void
test_too_many(const char *list, unsigned n)
{
	char text[4096];
	size_t used;
	unsigned i;

	used = (size_t)snprintf(text, sizeof(text), "{\"%s\":[", list);
	for (i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s{}", i == 0 ? "" : ",");
	snprintf(text + used, sizeof(text) - used, "]}");
	refused(text);
}

static void
test_refused(void)
{
	char big[6000];

	refused("[]");
	refused("{\"name\":7}");
	refused("{\"name\":\"a\\nb\"}");
	refused("{\"firmware\":\"openboot\"}");
	refused("{\"firmware\":2}");
	refused("{\"clock\":\"\"}");
	refused("{\"vcpus\":-1}");
	refused("{\"vcpus\":4294967297}");
	refused("{\"vcpus\":1.5}");
	refused("{\"memory_bytes\":\"2G\"}");
	refused("{\"memory_bytes\":9223372036854775807}");
	refused("{\"tpm\":1}");
	refused("{\"disks\":{}}");
	refused("{\"disks\":[7]}");
	refused("{\"disks\":[{\"size_bytes\":9223372036854775807}]}");
	refused("{\"disks\":[{\"sector_bytes\":513}]}");
	refused("{\"disks\":[{\"sector_bytes\":256}]}");
	refused("{\"disks\":[{\"volumes\":[1]}]}");
	refused("{\"disks\":[{\"volumes\":{}}]}");
	refused("{\"nics\":[{\"names\":[1]}]}");
	refused("{\"nics\":[{\"names\":[\"ok\",\"a\\u0001\"]}]}");
	refused("{\"nics\":[{\"vlan\":4095}]}");
	refused("{\"systems\":[{\"disk\":64}]}");
	refused("{\"systems\":[{\"interfaces\":{}}]}");
	refused("{\"systems\":[{\"interfaces\":[{\"vlan\":4095}]}]}");
	refused("{\"systems\":[{\"interfaces\":[{\"dhcp\":\"yes\"}]}]}");
	refused("{\"disks\":[{\"smart\":[]}]}");
	refused("{\"disks\":[{\"smart\":{\"passed\":1}}]}");
	refused("{\"disks\":[{\"smart\":{\"pending_sectors\":-1}}]}");
	refused("{\"disks\":[{\"smart\":{\"pending_sectors\":1.0}}]}");
	refused("{\"disks\":[{\"health\":\"\"}]}");
	refused("{\"disks\":[{\"health\":\"fine\"}]}");
	refused("{\"disks\":[{\"rotational\":0}]}");
	refused("{\"memory_modules\":[{\"size_bytes\":-1}]}");
	refused("{\"controllers\":[{\"model\":\"a\\u001bb\"}]}");
	test_too_many("disks", 65);
	test_too_many("nics", 257);
	test_too_many("systems", 65);
	test_too_many("controllers", 257);
	test_too_many("memory_modules", 1025);
	memset(big, 'x', sizeof(big));
	memcpy(big, "{\"name\":\"", 9);
	memcpy(big + sizeof(big) - 3, "\"}", 3);
	refused(big);
}

static void
test_bytes_from_hardware(void)
{
	struct fy_error err = { 0 };
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	FY_AUTO(machine) struct fy_machine *back = NULL;
	fy_autojson json_t *j = NULL;

	m->serial = strdup("A\xff\x01 B");
	m->product = strdup("\xc3\xa9");
	j = fy_machine_to_json(m, &err);
	CHECK(j != NULL && fy_machine_from_json(j, &back, &err) == 0);
	CHECK(back != NULL && strcmp(back->serial, "A?? B") == 0);
	CHECK(back != NULL && strcmp(back->product, "\xc3\xa9") == 0);
	CHECK(back != NULL && back->firmware == FY_FIRMWARE_UNKNOWN);
}

static void
test_unknown_is_kept_out(void)
{
	static const char text[] =
		"{\"later\":[1,2],\"name\":null,\"disks\":null}";
	struct fy_error err = { 0 };
	fy_autojson json_t *j = fy_json_parse(text, strlen(text), "x", &err);
	FY_AUTO(machine) struct fy_machine *m = NULL;

	CHECK(fy_machine_from_json(j, &m, &err) == 0);
	CHECK(m != NULL && m->name == NULL && m->n_disks == 0);
}

/* 0 is said, nothing is not; and only what is known is written again. */
static void
test_counts(void)
{
	static const char text[] =
		"{\"disks\":[{\"smart\":{\"pending_sectors\":0}}]}";
	struct fy_error err = { 0 };
	fy_autojson json_t *j = fy_json_parse(text, strlen(text), "x", &err);
	fy_autojson json_t *again = NULL;
	FY_AUTO(machine) struct fy_machine *m = NULL;
	json_t *smart;

	CHECK(fy_machine_from_json(j, &m, &err) == 0);
	if (m == NULL)
		return;
	CHECK(m->disks[0].smart->pending_sectors == 0);
	CHECK(m->disks[0].smart->reallocated_sectors == -1);
	again = fy_machine_to_json(m, &err);
	smart = json_object_get(
		json_array_get(json_object_get(again, "disks"), 0), "smart");
	CHECK(json_object_size(smart) == 1);
}

/* Texts of all depths, before they are printed. */
static void
test_clean(void)
{
	struct fy_error err = { 0 };
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	struct fy_machine_system *s = fy_machine_add_system(m, &err);
	struct fy_machine_interface *f = fy_machine_add_interface(s, &err);
	char *big = malloc(10000);

	memset(big, 'x', 9999);
	big[9999] = '\0';
	m->product = big;
	f->name = strdup("e\033[2J\x7f");
	CHECK(fy_machine_add_text(&f->addresses, &f->n_addresses, "\xff\n",
				  &err) == 0);
	fy_machine_clean(m);
	CHECK(strlen(m->product) == 4096);
	CHECK(strcmp(f->name, "e?[2J?") == 0);
	CHECK(strcmp(f->addresses[0], "??") == 0);
}

int
main(void)
{
	test_round_trip();
	test_refused();
	test_bytes_from_hardware();
	test_unknown_is_kept_out();
	test_counts();
	test_clean();
	return test_result();
}
