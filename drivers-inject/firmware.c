/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * BIOS or UEFI.
 *
 * A machine says how the live system was started that looked at it; on most
 * machines that is a choice in a menu, and need not be how its own system
 * starts.  UEFI needs an EFI system partition.  A BIOS needs code in the first
 * sector, which on a GPT disk proves nothing (some tools always write it): there
 * a BIOS boot partition (GRUB) or the legacy boot flag (SYSLINUX) counts, on an
 * MBR disk an active partition, too.  From disks with 4096-byte sectors it
 * starts nothing.
 */
#include "drivers-inject/firmware.h"

#include <strings.h>

#include "common/bytes.h"

#define CODE_BYTES 440 /* before the disk's signature */
#define SECTOR	   512

static int
has_code(struct fy_volume *v, bool *ret, struct fy_error *err)
{
	unsigned char sector[SECTOR];

	*ret = false;
	if (fy_volume_pread(v, sector, sizeof(sector), 0, err) == -1)
		return -1;
	*ret = !fy_is_zero(sector, CODE_BYTES) && sector[510] == 0x55 &&
	       sector[511] == 0xaa;
	return 0;
}

int
fy_boot_ways_read(const struct fy_disk_map *map, struct fy_volume *v,
		  struct fy_boot_ways *ret, struct fy_error *err)
{
	bool gpt = fy_streq(map->table, "gpt");
	size_t i;

	*ret = (struct fy_boot_ways){ 0 };
	for (i = 0; i < map->n_volumes; i++) {
		const struct fy_disk_volume *p = &map->volumes[i];

		if (p->type == NULL)
			continue;
		ret->uefi |= strcasecmp(p->type, FY_GPT_ESP) == 0 ||
			     strcasecmp(p->type, "0xef") == 0;
		ret->bios |=
			p->boot || strcasecmp(p->type, FY_GPT_BIOS_BOOT) == 0;
	}
	if (map->sector_bytes == 4096) {
		ret->bios = false;
		return 0;
	}
	if (ret->bios || gpt || map->disk_bytes < SECTOR)
		return 0;
	return has_code(v, &ret->bios, err);
}

static bool
is_only(struct fy_boot_ways w, enum fy_firmware f)
{
	return f == FY_FIRMWARE_UEFI ? w.uefi && !w.bios : w.bios && !w.uefi;
}

enum fy_firmware
fy_firmware_choose(const struct fy_boot_ways *ways, size_t n, size_t disk,
		   enum fy_firmware word, enum fy_firmware found)
{
	struct fy_boot_ways all = { 0 };
	size_t i;

	if (found == FY_FIRMWARE_UNKNOWN)
		found = FY_FIRMWARE_BIOS;
	if (word == FY_FIRMWARE_UNKNOWN || word == found)
		return found;
	for (i = 0; i < n; i++) {
		all.bios |= ways[i].bios;
		all.uefi |= ways[i].uefi;
	}
	if (is_only(all, found) || (disk < n && is_only(ways[disk], found)))
		return found;
	return word;
}
