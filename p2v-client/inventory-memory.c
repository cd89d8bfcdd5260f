/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory: how much, and the modules.
 *
 * It is what the modules hold (SMBIOS type 17), since MemTotal lacks what the
 * kernel and the firmware keep; where SMBIOS tells nothing believable it is
 * the sum of the kernel's memory blocks if that is near MemTotal, else
 * MemTotal rounded up to a whole MiB.
 *
 * Firmware lists other things among the modules: flash chips, video memory,
 * persistent modules.  Their type or technology tells, or the use of the array
 * (type 16) that they belong to.  Boards with several arrays (one for each
 * processor, or memory on risers) are added up.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "p2v-client/dmi.h"
#include "p2v-client/inventory.h"
#include "p2v-client/sysfs.h"

#define DMI_ARRAY   16
#define DMI_MODULE  17
#define MAX_ARRAYS  256
#define MAX_MODULES 1024
#define MAX_BYTES   (UINT64_C(1) << 50)

/* Arrays that hold something else than the system's memory. */
struct arrays {
	unsigned others[MAX_ARRAYS];
	size_t n;
};

static void
find_arrays(const unsigned char *table, size_t len, struct arrays *ret)
{
	struct fy_dmi d = { .table = table, .len = len };
	struct fy_dmi_structure s;

	ret->n = 0;
	while (fy_dmi_next(&d, &s) && ret->n < MAX_ARRAYS) {
		uint64_t use = fy_dmi_number(&s, 0x05, 1, 0);

		/* 4 video, 5 flash, 6 non-volatile, 7 cache; 1 and 2 are
		 * "other" and "unknown", which boards say of their memory. */
		if (s.type == DMI_ARRAY && use >= 4)
			ret->others[ret->n++] = s.handle;
	}
}

/* Bytes of one memory device; 0: empty, or not known. */
static uint64_t
module_bytes(const struct fy_dmi_structure *s)
{
	uint64_t size = fy_dmi_number(s, 0x0c, 2, 0);
	uint64_t extended = fy_dmi_number(s, 0x1c, 4, 0) & 0x7fffffff;

	if (size == 0xffff)
		return 0;
	/* The field is full; its value is elsewhere, in MiB. */
	if (size == 0x7fff && extended > 0)
		return extended * FY_MIB;
	if ((size & 0x8000) != 0)
		return (size & 0x7fff) * FY_KIB;
	return size * FY_MIB;
}

/* Whether a module is memory that the system uses: not video memory, ROM,
 * flash or a logical non-volatile device, nor a persistent module. */
static bool
is_main_memory(const struct fy_dmi_structure *s, const struct arrays *arrays)
{
	uint64_t type = fy_dmi_number(s, 0x12, 1, 0);
	uint64_t technology = fy_dmi_number(s, 0x28, 1, 0);
	uint64_t array = fy_dmi_number(s, 0x04, 2, 0xffff);
	size_t i;

	for (i = 0; i < arrays->n; i++)
		if (arrays->others[i] == array)
			return false;
	return type != 0x05 && (type < 0x08 || type > 0x0c) && type != 0x1f &&
	       (technology < 0x04 || technology > 0x07);
}

static const char *
type_name(uint64_t type)
{
	static const char *const names[] = {
		[0x03] = "DRAM",   [0x0f] = "SDRAM",	    [0x12] = "DDR",
		[0x13] = "DDR2",   [0x14] = "DDR2 FB-DIMM", [0x18] = "DDR3",
		[0x19] = "FBD2",   [0x1a] = "DDR4",	    [0x1b] = "LPDDR",
		[0x1c] = "LPDDR2", [0x1d] = "LPDDR3",	    [0x1e] = "LPDDR4",
		[0x20] = "HBM",	   [0x21] = "HBM2",	    [0x22] = "DDR5",
		[0x23] = "LPDDR5", [0x24] = "HBM3",
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

/* MT/s in a word, which points to a longer field when it is full. */
static unsigned
speed(const struct fy_dmi_structure *s, size_t at, size_t extended)
{
	uint64_t v = fy_dmi_number(s, at, 2, 0);

	if (v == 0xffff)
		v = fy_dmi_number(s, extended, 4, 0) & 0x7fffffff;
	return v <= 1000000 ? (unsigned)v : 0;
}

static char *
text_of(const struct fy_dmi_structure *s, size_t at)
{
	return fy_dmi_drop_placeholder(fy_dmi_text(s, at));
}

static int
add_module(const struct fy_dmi_structure *s, uint64_t bytes,
	   struct fy_machine *m, struct fy_error *err)
{
	const char *type = type_name(fy_dmi_number(s, 0x12, 1, 0));
	struct fy_machine_module *module = fy_machine_add_module(m, err);

	if (module == NULL)
		return -1;
	module->size_bytes = bytes;
	module->locator = text_of(s, 0x10);
	module->bank = text_of(s, 0x11);
	module->type = type == NULL ? NULL : strdup(type);
	module->speed_mts = speed(s, 0x15, 0x54);
	module->configured_mts = speed(s, 0x20, 0x58);
	module->manufacturer = text_of(s, 0x17);
	module->serial = text_of(s, 0x18);
	module->part = text_of(s, 0x1a);
	return 0;
}

/* The modules, and the sum of what they hold. */
static int
read_modules(const unsigned char *table, size_t len, struct fy_machine *m,
	     uint64_t *ret_sum, struct fy_error *err)
{
	struct fy_dmi d = { .table = table, .len = len };
	struct fy_dmi_structure s;
	struct arrays arrays;

	*ret_sum = 0;
	find_arrays(table, len, &arrays);
	while (fy_dmi_next(&d, &s)) {
		uint64_t bytes = module_bytes(&s);

		if (s.type != DMI_MODULE || !is_main_memory(&s, &arrays) ||
		    m->memory_slots == MAX_MODULES)
			continue;
		m->memory_slots++;
		if (bytes == 0)
			continue;
		if (bytes > MAX_BYTES - *ret_sum)
			break;
		*ret_sum += bytes;
		if (add_module(&s, bytes, m, err) == -1)
			return -1;
	}
	return 0;
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

/* "MemTotal:  123 kB" in bytes; 0: not known. */
static uint64_t
mem_total(const char *root)
{
	fy_autofree char *meminfo = fy_sys_text(root, "/proc/meminfo");
	const char *at = meminfo == NULL ? NULL : strstr(meminfo, "MemTotal:");
	uint64_t known;

	if (at == NULL || !fy_mul_u64(strtoull(at + 9, NULL, 10), 1024, &known))
		return 0;
	return known;
}

int
fy_inventory_memory(const char *root, struct fy_machine *m,
		    struct fy_error *err)
{
	uint64_t known = mem_total(root), blocks = 0, modules = 0;
	fy_autofree char *dmi = NULL;
	size_t len;

	m->memory_bytes = fy_align_up(fy_min_u64(known, MAX_BYTES), FY_MIB);
	dmi = fy_sys_bytes(root, &len, "/sys/firmware/dmi/tables/DMI");
	if (dmi != NULL &&
	    read_modules((unsigned char *)dmi, len, m, &modules, err) == -1)
		return -1;
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
