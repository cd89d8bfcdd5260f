/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which firmware could start a disk, and which one a machine is given.
 */
#include "drivers-inject/firmware.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/test.h"

#define ESP	 "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define BIOSBOOT "21686148-6449-6e6f-744e-656564454649"
#define DATA	 "0fc63daf-8483-4772-8e79-3d69d8477de4"

/* A disk with that first sector and partitions of these types. */
static struct fy_boot_ways
ways(const char *table, bool code, unsigned sector_bytes, const char *type1,
     const char *type2, bool boot)
{
	unsigned char first[4096] = { 0 };
	char path[] = "/tmp/fy-firmware.XXXXXX";
	int fd = mkstemp(path);
	struct fy_disk_volume parts[2] = {
		{ .type = (char *)(uintptr_t)type1, .boot = boot },
		{ .type = (char *)(uintptr_t)type2 },
	};
	struct fy_disk_map map = { .table = (char *)(uintptr_t)table,
				   .disk_bytes = sizeof(first),
				   .sector_bytes = sector_bytes,
				   .volumes = parts,
				   .n_volumes = 2 };
	struct fy_boot_ways ret = { 0 };
	struct fy_volume *v = NULL;
	struct fy_error err = { 0 };

	first[0] = code ? 0xeb : 0;
	first[440] = 0x12; /* the signature is no code */
	first[510] = 0x55;
	first[511] = 0xaa;
	CHECK(fd != -1 && write(fd, first, sizeof(first)) == sizeof(first));
	close(fd);
	CHECK(fy_volume_open_path(path, 0, 0, &v, &err) == 0);
	CHECK(fy_boot_ways_read(&map, v, &ret, &err) == 0);
	fy_volume_close(v);
	unlink(path);
	return ret;
}

static bool
is(struct fy_boot_ways w, bool bios, bool uefi)
{
	return w.bios == bios && w.uefi == uefi;
}

static void
test_ways(void)
{
	CHECK(is(ways("mbr", true, 512, "0x07", NULL, true), true, false));
	CHECK(is(ways("mbr", true, 512, "0x83", NULL, false), true, false));
	CHECK(is(ways("mbr", false, 512, "0x07", NULL, true), true, false));
	CHECK(is(ways("mbr", false, 512, "0x83", NULL, false), false, false));
	CHECK(is(ways("mbr", true, 512, "0x0c", "0xef", true), true, true));
	CHECK(is(ways("mbr", false, 512, "0xEF", NULL, false), false, true));
	CHECK(is(ways("none", true, 512, NULL, NULL, false), true, false));
	CHECK(is(ways("gpt", true, 512, ESP, DATA, false), false, true));
	CHECK(is(ways("gpt", true, 512, ESP, BIOSBOOT, false), true, true));
	CHECK(is(ways("gpt", true, 512, BIOSBOOT, DATA, false), true, false));
	CHECK(is(ways("gpt", false, 512, DATA, NULL, true), true, false));
	CHECK(is(ways("gpt", true, 512, DATA, NULL, false), false, false));
	CHECK(is(ways("mbr", true, 4096, "0x83", NULL, true), false, false));
}

#define UNKNOWN FY_FIRMWARE_UNKNOWN
#define BIOS	FY_FIRMWARE_BIOS
#define UEFI	FY_FIRMWARE_UEFI

static void
test_choose(void)
{
	const struct fy_boot_ways bios = { .bios = true };
	const struct fy_boot_ways uefi = { .uefi = true };
	const struct fy_boot_ways both = { true, true }, none = { 0 };
	const struct fy_boot_ways uefi_first[] = { uefi, bios };

	/* The live system was started the other way. */
	CHECK(fy_firmware_choose(&bios, 1, 0, UEFI, BIOS) == BIOS);
	CHECK(fy_firmware_choose(&uefi, 1, 0, BIOS, UEFI) == UEFI);
	CHECK(fy_firmware_choose(&bios, 1, 0, UEFI, UNKNOWN) == BIOS);
	/* Either way is possible, or neither. */
	CHECK(fy_firmware_choose(&both, 1, 0, UEFI, BIOS) == UEFI);
	CHECK(fy_firmware_choose(&both, 1, 0, BIOS, UEFI) == BIOS);
	CHECK(fy_firmware_choose(&none, 1, 0, UEFI, BIOS) == UEFI);
	CHECK(fy_firmware_choose(&none, 1, 0, BIOS, UEFI) == BIOS);
	/* The tables alone are not enough. */
	CHECK(fy_firmware_choose(&bios, 1, 0, UEFI, UEFI) == UEFI);
	CHECK(fy_firmware_choose(&uefi, 1, 0, BIOS, BIOS) == BIOS);
	/* A second disk with code in its first sector, as Windows writes it. */
	CHECK(fy_firmware_choose(uefi_first, 2, 0, BIOS, UEFI) == UEFI);
	CHECK(fy_firmware_choose(uefi_first, 2, 0, UEFI, BIOS) == UEFI);
	CHECK(fy_firmware_choose(uefi_first, 2, 1, UEFI, BIOS) == BIOS);
	/* Nothing is told. */
	CHECK(fy_firmware_choose(&both, 1, 0, UNKNOWN, UEFI) == UEFI);
	CHECK(fy_firmware_choose(&both, 1, 0, UNKNOWN, UNKNOWN) == BIOS);
	CHECK(fy_firmware_choose(NULL, 0, 0, UNKNOWN, UNKNOWN) == BIOS);
}

int
main(void)
{
	test_ways();
	test_choose();
	return test_result();
}
