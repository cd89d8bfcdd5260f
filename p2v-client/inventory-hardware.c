/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine itself: SMBIOS, firmware, processors, clock, graphics.
 *
 * The clock chip keeps local time if /etc/adjtime says so; without that file
 * (a live system) if it differs from the system's time by a time zone's
 * offset.  A live kernel takes the chip's time for UTC, so that its answer is
 * UTC until something has set the time.
 */
#include "p2v-client/inventory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "common/bytes.h"
#include "p2v-client/dmi.h"
#include "p2v-client/sysfs.h"

#define MAX_CPUS     8192
#define GUID_SECURE  "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define QUARTER	     (15 * 60)
#define LARGEST_ZONE (14 * 3600)
#define ZONE_SLACK   60

/* The chassis by SMBIOS's number; NULL for those that tell nothing. */
static const char *
chassis_name(uint64_t type)
{
	static const char *const names[] = {
		[0x03] = "desktop",
		[0x04] = "low profile desktop",
		[0x05] = "pizza box",
		[0x06] = "mini tower",
		[0x07] = "tower",
		[0x08] = "portable",
		[0x09] = "laptop",
		[0x0a] = "notebook",
		[0x0d] = "all in one",
		[0x0e] = "sub notebook",
		[0x10] = "lunch box",
		[0x11] = "main server chassis",
		[0x12] = "expansion chassis",
		[0x17] = "rack mount",
		[0x18] = "sealed-case PC",
		[0x19] = "multi-system chassis",
		[0x1b] = "AdvancedTCA",
		[0x1c] = "blade",
		[0x1d] = "blade enclosure",
		[0x1e] = "tablet",
		[0x1f] = "convertible",
		[0x20] = "detachable",
		[0x21] = "IoT gateway",
		[0x22] = "embedded PC",
		[0x23] = "mini PC",
		[0x24] = "stick PC",
	};

	/* The highest bit says that there is a lock. */
	type &= 0x7f;
	return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

static void
read_smbios(const char *root, struct fy_machine *m)
{
	static const char dir[] = "/sys/class/dmi/id";
	const struct {
		const char *file;
		char **to;
	} texts[] = {
		{ "product_serial", &m->serial },
		{ "sys_vendor", &m->manufacturer },
		{ "product_name", &m->product },
		{ "product_version", &m->version },
		{ "product_family", &m->family },
		{ "product_sku", &m->sku },
		{ "board_vendor", &m->board_manufacturer },
		{ "board_name", &m->board_product },
		{ "board_version", &m->board_version },
		{ "board_serial", &m->board_serial },
		{ "chassis_serial", &m->chassis_serial },
		{ "chassis_asset_tag", &m->asset_tag },
		{ "bios_vendor", &m->bios_vendor },
		{ "bios_version", &m->bios_version },
		{ "bios_date", &m->bios_date },
	};
	const char *chassis;
	size_t i;

	m->uuid = fy_sys_line(root, "%s/product_uuid", dir);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i].to = fy_dmi_drop_placeholder(
			fy_sys_line(root, "%s/%s", dir, texts[i].file));
	chassis = chassis_name(fy_sys_number(root, 0, "%s/chassis_type", dir));
	m->chassis_type = chassis == NULL ? NULL : strdup(chassis);
}

/* "1.2" or "2.0".  Kernels before 5.6 have no attribute; there the ACPI
 * device's name or table tells, or the list of capabilities that only 1.2 has. */
static const char *
tpm_version(const char *root)
{
	static const char dir[] = "/sys/class/tpm/tpm0";
	fy_autofree char *text = NULL;

	switch (fy_sys_number(root, 0, "%s/tpm_version_major", dir)) {
	case 1:
		return "1.2";
	case 2:
		return "2.0";
	default:
		break;
	}
	text = fy_sys_line(root, "%s/device/description", dir);
	if ((text != NULL && strstr(text, "TPM 2.0") != NULL) ||
	    fy_sys_exists(root, "/sys/firmware/acpi/tables/TPM2"))
		return "2.0";
	if (fy_sys_exists(root, "%s/device/caps", dir) ||
	    fy_sys_exists(root, "%s/caps", dir))
		return "1.2";
	return NULL;
}

static void
read_firmware(const char *root, struct fy_machine *m)
{
	fy_autofree char *state = NULL;
	const char *version;
	size_t len;

	m->tpm = fy_sys_exists(root, "/sys/class/tpm/tpm0");
	version = m->tpm ? tpm_version(root) : NULL;
	m->tpm_version = version == NULL ? NULL : strdup(version);
	if (!fy_sys_exists(root, "/sys/firmware/efi")) {
		m->firmware = FY_FIRMWARE_BIOS;
		return;
	}
	m->firmware = FY_FIRMWARE_UEFI;
	/* Four bytes of attributes, then the value. */
	state = fy_sys_bytes(root, &len, "/sys/firmware/efi/efivars/%s",
			     GUID_SECURE);
	m->secure_boot = state != NULL && len == 5 && state[4] == 1;
}

/* The value of the first "NAME : VALUE" line. */
static char *
colon_value(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *line, *at;

	for (line = text; line != NULL && *line != '\0';
	     line = strchr(line, '\n'), line += line != NULL) {
		if (strncmp(line, name, len) != 0)
			continue;
		at = line + len;
		at += strspn(at, " \t");
		if (*at != ':')
			continue;
		at++;
		at += strspn(at, " \t");
		return strndup(at, strcspn(at, "\n"));
	}
	return NULL;
}

/* Sets of small numbers, for counting different ones. */
struct numbers {
	uint64_t items[MAX_CPUS];
	unsigned n;
};

static void
add_number(struct numbers *s, uint64_t v)
{
	unsigned i;

	for (i = 0; i < s->n; i++)
		if (s->items[i] == v)
			return;
	if (s->n < MAX_CPUS)
		s->items[s->n++] = v;
}

static int
read_topology(const char *root, const struct fy_strings *cpus,
	      struct fy_machine *m, struct fy_error *err)
{
	fy_autofree struct numbers *packages = calloc(1, sizeof(*packages));
	fy_autofree struct numbers *cores = calloc(1, sizeof(*cores));
	unsigned online = 0;
	size_t i;

	if (packages == NULL || cores == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < cpus->n && online < MAX_CPUS; i++) {
		const char *cpu = cpus->items[i];
		fy_autofree char *siblings = NULL;

		if (strncmp(cpu, "cpu", 3) != 0 || cpu[3] < '0' || cpu[3] > '9')
			continue;
		/* An offline one has no topology. */
		siblings = fy_sys_line(root,
				       "/sys/devices/system/cpu/%s/topology/"
				       "thread_siblings_list",
				       cpu);
		if (siblings == NULL)
			continue;
		online++;
		add_number(packages,
			   fy_sys_number(root, 0,
					 "/sys/devices/system/cpu/%s/topology/"
					 "physical_package_id",
					 cpu));
		/* A core is named by its first thread. */
		add_number(cores, strtoull(siblings, NULL, 10));
	}
	if (online == 0)
		return 0;
	m->vcpus = online;
	/* Processors with unequal cores have no such topology. */
	if (cores->n % packages->n == 0 && online % cores->n == 0) {
		m->sockets = packages->n;
		m->cores = cores->n / packages->n;
		m->threads = online / cores->n;
	}
	return 0;
}

static int
read_processors(const char *root, struct fy_machine *m, struct fy_error *err)
{
	fy_autofree char *text = fy_sys_text(root, "/proc/cpuinfo");
	struct fy_strings cpus = { 0 };
	struct utsname name;
	const char *at;
	int r;

	if (uname(&name) == 0)
		m->arch = strdup(name.machine);
	if (text != NULL) {
		m->cpu_vendor = colon_value(text, "vendor_id");
		m->cpu_model = colon_value(text, "model name");
		for (at = text; (at = strstr(at, "processor\t")) != NULL; at++)
			if (at == text || at[-1] == '\n')
				m->vcpus++;
	}
	r = fy_sys_list(root, "/sys/devices/system/cpu", &cpus, err);
	if (r == 0)
		r = read_topology(root, &cpus, m, err);
	fy_strings_release(&cpus);
	return r;
}

static void
read_clock(const char *root, struct fy_machine *m)
{
	fy_autofree char *adjtime = fy_sys_text(root, "/etc/adjtime");
	uint64_t rtc, now = (uint64_t)time(NULL), apart;

	if (adjtime != NULL) {
		if (strstr(adjtime, "LOCAL") != NULL)
			m->clock = FY_CLOCK_LOCALTIME;
		return;
	}
	rtc = fy_sys_number(root, 0, "/sys/class/rtc/rtc0/since_epoch");
	if (rtc == 0)
		return;
	apart = rtc > now ? rtc - now : now - rtc;
	if (apart >= QUARTER - ZONE_SLACK &&
	    apart <= LARGEST_ZONE + ZONE_SLACK &&
	    (apart + ZONE_SLACK) % QUARTER <= 2 * ZONE_SLACK)
		m->clock = FY_CLOCK_LOCALTIME;
}

/* "VENDOR:DEVICE" of the first display controller. */
static int
read_graphics(const char *root, struct fy_machine *m, struct fy_error *err)
{
	static const char dir[] = "/sys/bus/pci/devices";
	struct fy_strings names = { 0 };
	size_t i;
	int r;

	r = fy_sys_list(root, dir, &names, err);
	for (i = 0; r == 0 && m->graphics == NULL && i < names.n; i++) {
		const char *name = names.items[i];

		if (fy_sys_number(root, 0, "%s/%s/class", dir, name) >> 16 !=
		    0x03)
			continue;
		if (asprintf(&m->graphics, "%04x:%04x",
			     (unsigned)fy_sys_number(root, 0, "%s/%s/vendor",
						     dir, name),
			     (unsigned)fy_sys_number(root, 0, "%s/%s/device",
						     dir, name)) == -1) {
			m->graphics = NULL;
			r = fy_error_nomem(err);
		}
	}
	fy_strings_release(&names);
	return r;
}

int
fy_inventory_hardware(const char *sysroot, struct fy_machine *m,
		      struct fy_error *err)
{
	read_smbios(sysroot, m);
	read_firmware(sysroot, m);
	read_clock(sysroot, m);
	if (read_processors(sysroot, m, err) == -1 ||
	    fy_inventory_memory(sysroot, m, err) == -1)
		return -1;
	if (read_graphics(sysroot, m, err) == -1)
		return -1;
	return fy_inventory_controllers(sysroot, m, err);
}
