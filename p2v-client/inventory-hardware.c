/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine itself: SMBIOS, firmware, processors, memory, clock, graphics.
 *
 * Memory is what the modules hold (SMBIOS type 17), since MemTotal lacks what
 * the kernel and the firmware keep; where SMBIOS tells nothing believable it
 * is the sum of the kernel's memory blocks if that is near MemTotal, else
 * MemTotal rounded up to a whole MiB.
 *
 * The clock chip keeps local time if /etc/adjtime says so; without that file
 * (a live system) if it differs from the system's time by a time zone's
 * offset.  A live kernel takes the chip's time for UTC, so that its answer is
 * UTC until something has set the time.
 */
#include "p2v-client/inventory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <time.h>

#include "common/bytes.h"
#include "p2v-client/sysfs.h"

#define MAX_CPUS      8192
#define GUID_SECURE   "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define QUARTER	      (15 * 60)
#define LARGEST_ZONE  (14 * 3600)
#define ZONE_SLACK    60
#define DMI_MEMORY    17
#define DMI_END	      127
#define MIN_DMI_SIZED 0x0e

/* What vendors write where nothing was filled in. */
static char *
drop_placeholder(char *s)
{
	static const char *const placeholders[] = {
		"To Be Filled By O.E.M.",
		"To be filled by O.E.M.",
		"Default string",
		"System Serial Number",
		"System Product Name",
		"System manufacturer",
		"Not Specified",
		"Not Applicable",
		"None",
		"N/A",
		"0",
		"00000000",
		"0123456789",
		"123456789",
		"OEM",
		"Unknown",
	};
	size_t i;

	for (i = 0;
	     s != NULL && i < sizeof(placeholders) / sizeof(placeholders[0]);
	     i++) {
		if (strcasecmp(s, placeholders[i]) == 0) {
			free(s);
			return NULL;
		}
	}
	return s;
}

static void
read_smbios(const char *root, struct fy_machine *m)
{
	static const char dir[] = "/sys/class/dmi/id";

	m->uuid = fy_sys_line(root, "%s/product_uuid", dir);
	m->serial =
		drop_placeholder(fy_sys_line(root, "%s/product_serial", dir));
	m->manufacturer =
		drop_placeholder(fy_sys_line(root, "%s/sys_vendor", dir));
	m->product =
		drop_placeholder(fy_sys_line(root, "%s/product_name", dir));
}

static void
read_firmware(const char *root, struct fy_machine *m)
{
	fy_autofree char *state = NULL;
	size_t len;

	m->tpm = fy_sys_exists(root, "/sys/class/tpm/tpm0");
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

/* Bytes of one memory device (SMBIOS type 17) of 'len' bytes; 0: empty. */
static uint64_t
module_bytes(const unsigned char *s, size_t len)
{
	uint64_t size;

	if (len < MIN_DMI_SIZED)
		return 0;
	size = fy_get_le16(s + 0x0c);
	if (size == 0xffff) /* not known */
		return 0;
	if (size == 0x7fff && len >= 0x20)
		return (fy_get_le32(s + 0x1c) & 0x7fffffff) * FY_MIB;
	if ((size & 0x8000) != 0)
		return (size & 0x7fff) * FY_KIB;
	return size * FY_MIB;
}

/* Whether a module is memory that the system uses: not flash, not a
 * persistent module, whose type or technology says so. */
static bool
is_main_memory(const unsigned char *s, size_t len)
{
	unsigned type = len > 0x12 ? s[0x12] : 0;
	unsigned technology = len > 0x28 ? s[0x28] : 0;

	return type != 0x09 && (technology < 0x04 || technology > 0x07);
}

static uint64_t
memory_of_dmi(const unsigned char *table, size_t len)
{
	uint64_t sum = 0;
	size_t at = 0;

	while (len - at >= 4) {
		const unsigned char *s = table + at;
		size_t formatted = s[1];

		if (formatted < 4 || formatted > len - at || s[0] == DMI_END)
			break;
		if (s[0] == DMI_MEMORY && is_main_memory(s, formatted))
			sum += module_bytes(s, formatted);
		/* Behind the structure come its texts, ended by two NULs. */
		at += formatted;
		while (len - at >= 2 && (table[at] != 0 || table[at + 1] != 0))
			at++;
		if (len - at < 2)
			break;
		at += 2;
	}
	return sum;
}

/* Sum of the online memory blocks. */
static int
memory_of_blocks(const char *root, uint64_t *ret, struct fy_error *err)
{
	static const char dir[] = "/sys/devices/system/memory";
	fy_autofree char *block = fy_sys_line(root, "%s/block_size_bytes", dir);
	struct fy_strings names = { 0 };
	uint64_t size, n = 0;
	size_t i;

	*ret = 0;
	if (block == NULL)
		return 0;
	size = strtoull(block, NULL, 16);
	if (fy_sys_list(root, dir, &names, err) == -1) {
		fy_strings_release(&names);
		return -1;
	}
	for (i = 0; i < names.n; i++)
		if (strncmp(names.items[i], "memory", 6) == 0 &&
		    fy_sys_number(root, 1, "%s/%s/online", dir,
				  names.items[i]) == 1)
			n++;
	fy_strings_release(&names);
	if (!fy_mul_u64(size, n, ret))
		*ret = 0;
	return 0;
}

static int
read_memory(const char *root, struct fy_machine *m, struct fy_error *err)
{
	fy_autofree char *meminfo = fy_sys_text(root, "/proc/meminfo");
	fy_autofree char *total = NULL, *dmi = NULL;
	uint64_t known = 0, blocks = 0, modules = 0;
	size_t len;

	if (meminfo != NULL)
		total = colon_value(meminfo, "MemTotal");
	if (total != NULL &&
	    fy_mul_u64(strtoull(total, NULL, 10), 1024, &known))
		m->memory_bytes =
			fy_align_up(fy_min_u64(known, FY_TIB << 10), FY_MIB);
	dmi = fy_sys_bytes(root, &len, "/sys/firmware/dmi/tables/DMI");
	if (dmi != NULL)
		modules = memory_of_dmi((unsigned char *)dmi, len);
	/* Much more than the system sees is spare or wrong. */
	if (modules >= known && modules / 2 <= known) {
		m->memory_bytes = modules;
		return 0;
	}
	if (memory_of_blocks(root, &blocks, err) == -1)
		return -1;
	if (blocks >= known && blocks - known <= known / 4)
		m->memory_bytes = blocks;
	return 0;
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
	    read_memory(sysroot, m, err) == -1)
		return -1;
	return read_graphics(sysroot, m, err);
}
