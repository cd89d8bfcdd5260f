/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What old names of disks meant: names of disks that were left behind must
 * never become those of one that was converted.
 */
#include "common/test.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "drivers-inject/devices.h"

static char p1[] = "p1", p2[] = "p2", ext4[] = "ext4";
static char id_a1[] = "aaaa-1", id_a2[] = "aaaa-2";
static char id_b1[] = "bbbb-1", id_b2[] = "bbbb-2";
static struct fy_disk_volume on_a[] = {
	{ .path = p1, .number = 1, .filesystem = ext4, .uuid = id_a1 },
	{ .path = p2, .number = 2, .filesystem = ext4, .uuid = id_a2 },
};
static struct fy_disk_volume on_b[] = {
	{ .path = p1, .number = 1, .filesystem = ext4, .uuid = id_b1 },
	{ .path = p2, .number = 2, .filesystem = ext4, .uuid = id_b2 },
};
static struct fy_disk_map map_a = { .volumes = on_a, .n_volumes = 2 };
static char lvm[] = "lvm", lv[] = "mpathz/part2";
static struct fy_disk_volume upper[] = { { .path = lv, .layer = lvm } };
static struct fy_disk_map map_b = {
	.volumes = on_b, .n_volumes = 2, .upper = upper, .n_upper = 1
};
static struct fy_disk_map *const both[] = { &map_a, &map_b };
static char image[] = "/x";
static struct fy_error err;

#define WWN	"600508b1001c4e0f52b3b3ec1ab16e5c"
#define OTHER	"600508b1001c4e0f52b3b3ec1ab16e5d"
#define UNKNOWN "?"

struct name {
	const char *name;
	const char *want; /* "UUID=..."; UNKNOWN; NULL: stays */
};

static void
check_names(const struct fy_devices *d, const struct name *names)
{
	for (; names->name != NULL; names++) {
		fy_autofree char *is = NULL;
		enum fy_device_kind kind = fy_devices_translate(
			d, names->name, NULL, FY_DEVICE_SPEC, &is);

		if (names->want == NULL)
			CHECK(kind == FY_DEVICE_OTHER);
		else if (kind == FY_DEVICE_UNKNOWN)
			CHECK_STR(UNKNOWN, names->want);
		else
			CHECK_STR(is, names->want);
	}
}

static struct fy_machine_disk
hardware(const char *path, const char *serial, const char *wwn)
{
	const struct fy_machine_disk h = {
		.path = (char *)(uintptr_t)path,
		.serial = (char *)(uintptr_t)serial,
		.wwn = (char *)(uintptr_t)wwn,
		.image = image,
	};

	return h;
}

/* Two disks, of which the second has this WWN or serial number. */
static void
check_identity(const char *serial, const char *wwn, const struct name *names)
{
	struct fy_machine_disk disks[] = {
		hardware("/dev/sda", "FIRST", "0x5000c50012345678"),
		hardware("/dev/sdb", serial, wwn),
	};
	struct fy_machine m = { .disks = disks, .n_disks = 2 };
	FY_AUTO(devices)
	struct fy_devices *d = fy_devices_new(both, 2, &m, &err);

	check_names(d, names);
}

static void
test_identity(void)
{
	static const struct name by_wwn[] = {
		{ "/dev/disk/by-id/scsi-3" WWN "-part2", "UUID=bbbb-2" },
		{ "/dev/disk/by-id/wwn-0x" WWN "-part1", "UUID=bbbb-1" },
		{ "/dev/disk/by-id/cciss-3" WWN "-part1", "UUID=bbbb-1" },
		{ "/dev/disk/by-id/wwn-0x5000c50012345678-part1",
		  "UUID=aaaa-1" },
		{ "/dev/disk/by-id/scsi-3" OTHER "-part1", UNKNOWN },
		{ NULL, NULL }
	};
	/* Half of it: of several LUNs of one array. */
	static const struct name by_half[] = {
		{ "/dev/disk/by-id/scsi-3" WWN "-part2", UNKNOWN },
		{ NULL, NULL }
	};
	static const struct name by_eui[] = {
		{ "/dev/disk/by-id/nvme-eui.0025385b71b00d3e-part1",
		  "UUID=bbbb-1" },
		{ "/dev/disk/by-id/nvme-Samsung_SSD_S4EV_NX-part1",
		  "UUID=bbbb-1" },
		{ NULL, NULL }
	};

	check_identity("S-1", "0x" WWN, by_wwn);
	check_identity("S-1", "naa." WWN, by_wwn);
	check_identity(NULL, WWN, by_wwn);
	check_identity(NULL, "0x600508b1001c4e0f", by_half);
	check_identity("S4EV NX ", "eui.0025385b71b00d3e", by_eui);
}

/* One disk was converted, whose root (its second partition) had this name, if
 * any; the machine, if any, has this disk and another, which was left behind. */
static void
check_one(const char *root, const struct fy_machine_disk *h,
	  const struct name *names)
{
	struct fy_machine_disk disks[2];
	struct fy_machine m = { .disks = disks, .n_disks = 2 };
	struct fy_devices *d;

	if (h != NULL) {
		disks[0] = *h;
		disks[1] = hardware(NULL, "LEFT-BEHIND", NULL);
		disks[1].image = NULL;
	}
	d = fy_devices_new(both, 1, h == NULL ? NULL : &m, &err);
	if (root != NULL)
		CHECK_OK(fy_devices_anchor(d, root, 0, 2, &err), &err);
	check_names(d, names);
	fy_devices_free(d);
}

static void
test_left_behind(void)
{
	static const struct name by_id[] = {
		{ "/dev/disk/by-id/scsi-3" WWN "-part1", "UUID=aaaa-1" },
		{ "/dev/disk/by-id/wwn-0x" WWN "-part1", "UUID=aaaa-1" },
		{ "/dev/disk/by-id/scsi-3" OTHER "-part1", UNKNOWN },
		{ "/dev/disk/by-id/usb-WD_Elements-0:0-part1", UNKNOWN },
		{ "/dev/sda1", "UUID=aaaa-1" },
		{ NULL, NULL }
	};
	static const struct name by_path[] = {
		{ "/dev/disk/by-path/pci-0-ata-1-part1", "UUID=aaaa-1" },
		{ "/dev/disk/by-path/pci-0-ata-2-part1", UNKNOWN },
		{ NULL, NULL }
	};
	static const struct name unknown[] = {
		{ "/dev/disk/by-path/pci-0-ata-1-part1", "UUID=aaaa-1" },
		{ "/dev/disk/by-id/ata-X_Y-part1", "UUID=aaaa-1" },
		{ "/dev/disk/by-id/usb-WD_Elements-0:0-part1", UNKNOWN },
		{ "/dev/sda1", "UUID=aaaa-1" },
		{ "/dev/nvme0n1p1", "UUID=aaaa-1" },
		{ NULL, NULL }
	};
	static const struct name nvme[] = { { "/dev/nvme0n1p1", "UUID=aaaa-1" },
					    { "/dev/sda1", UNKNOWN },
					    { "/dev/mmcblk0p1", UNKNOWN },
					    { "/dev/cciss/c0d0p1", UNKNOWN },
					    { "/dev/disk/by-id/ata-X_Y-part1",
					      UNKNOWN },
					    { NULL, NULL } };
	static const struct name sata[] = {
		{ "/dev/sda1", "UUID=aaaa-1" },
		{ "/dev/hda1", "UUID=aaaa-1" },
		{ "/dev/nvme0n1p1", UNKNOWN },
		{ "/dev/disk/by-id/ata-WDC_WD10-00_WD-77-part1",
		  "UUID=aaaa-1" },
		{ "/dev/disk/by-id/ata-WDC_WD10-00_WD-78-part1", UNKNOWN },
		{ "/dev/disk/by-id/wwn-0x5000c50012345678-part1",
		  "UUID=aaaa-1" },
		{ "/dev/disk/by-id/scsi-0_LEFT-BEHIND-part1", UNKNOWN },
		{ NULL, NULL }
	};
	const struct fy_machine_disk ssd = hardware("/dev/nvme0n1", NULL, NULL);
	const struct fy_machine_disk disk = hardware("/dev/sda", "WD-77", NULL);

	check_one("/dev/disk/by-id/scsi-3" WWN "-part2", NULL, by_id);
	check_one("/dev/disk/by-path/pci-0-ata-1-part2", NULL, by_path);
	check_one(NULL, NULL, unknown);
	check_one("/dev/nvme0n1p2", NULL, nvme);
	check_one(NULL, &ssd, nvme);
	check_one(NULL, &disk, sata);
}

/* The disks of each controller are counted from 0. */
static void
test_controllers(void)
{
	static const struct name first[] = {
		{ "/dev/cciss/c0d0p1", "UUID=aaaa-1" },
		{ "/dev/cciss/c0d1p1", "UUID=bbbb-1" },
		{ "/dev/cciss/c1d0p1", UNKNOWN },
		{ "/dev/cciss/c1d1p1", UNKNOWN },
		{ NULL, NULL }
	};
	static const struct name second[] = {
		{ "/dev/cciss/c1d0p1", "UUID=aaaa-1" },
		{ "/dev/cciss/c1d1p1", "UUID=bbbb-1" },
		{ "/dev/cciss/c0d0p1", UNKNOWN },
		{ NULL, NULL }
	};
	struct fy_devices *d = fy_devices_new(both, 2, NULL, &err);

	check_names(d, first);
	CHECK_OK(fy_devices_anchor(d, "/dev/cciss/c0d0p2", 0, 2, &err), &err);
	check_names(d, first);
	fy_devices_free(d);
	d = fy_devices_new(both, 2, NULL, &err);
	CHECK_OK(fy_devices_anchor(d, "/dev/cciss/c1d0p2", 0, 2, &err), &err);
	check_names(d, second);
	fy_devices_free(d);
}

/* Two disks, of which the second holds the root. */
static void
check_mpath(const char *root, const struct name *names)
{
	FY_AUTO(devices)
	struct fy_devices *d = fy_devices_new(both, 2, NULL, &err);

	if (root != NULL)
		CHECK_OK(fy_devices_anchor(d, root, 1, 2, &err), &err);
	check_names(d, names);
}

static void
test_mpath(void)
{
	static const struct name friendly[] = {
		{ "/dev/mapper/mpatha1", "UUID=bbbb-1" },
		{ "/dev/mapper/mpathap1", "UUID=bbbb-1" },
		{ "/dev/mapper/mpatha-part1", "UUID=bbbb-1" },
		{ "/dev/mapper/mpatha_part1", "UUID=bbbb-1" },
		{ "/dev/mpath/mpathap1", "UUID=bbbb-1" },
		{ "/dev/disk/by-id/dm-name-mpatha-part1", "UUID=bbbb-1" },
		{ "/dev/mapper/mpathb1", UNKNOWN },
		{ "/dev/mapper/mpathaa1", UNKNOWN },
		{ "/dev/mapper/mpatha9", UNKNOWN },
		{ "/dev/mapper/3" WWN "p1", UNKNOWN },
		{ "/dev/mapper/mpatha-lv", NULL },
		{ "/dev/mapper/mpath", NULL },
		{ "/dev/mapper/mpathA1", NULL },
		{ "/dev/mapper/vg-root", NULL },
		{ "/dev/mapper/luks-12345678", NULL },
		{ "/dev/mapper/control", NULL },
		/* An LV. */
		{ "/dev/mapper/mpathz-part2", NULL },
		{ "/dev/disk/by-id/dm-name-mpathz-part2", NULL },
		{ "/dev/disk/by-id/dm-name-vg-root", NULL },
		{ "/dev/disk/by-id/dm-uuid-LVM-abc", NULL },
		{ NULL, NULL }
	};
	static const struct name wwid[] = {
		{ "/dev/mapper/3" WWN "p1", "UUID=bbbb-1" },
		{ "/dev/mapper/3" WWN "1", "UUID=bbbb-1" },
		{ "/dev/mapper/3" WWN "-part1", "UUID=bbbb-1" },
		{ "/dev/disk/by-id/dm-uuid-part1-mpath-3" WWN, "UUID=bbbb-1" },
		{ "/dev/disk/by-id/dm-name-3" WWN "-part1", "UUID=bbbb-1" },
		{ "/dev/disk/by-id/scsi-3" WWN "-part1", "UUID=bbbb-1" },
		{ "/dev/mapper/3" OTHER "p1", UNKNOWN },
		{ "/dev/disk/by-id/dm-uuid-part1-mpath-3" OTHER, UNKNOWN },
		{ "/dev/mapper/mpatha1", UNKNOWN },
		{ NULL, NULL }
	};
	static const struct name numbers[] = {
		{ "/dev/mapper/mpath0p1", "UUID=bbbb-1" },
		{ "/dev/mapper/mpath1p1", UNKNOWN },
		{ NULL, NULL }
	};
	/* Of a machine whose disk is known, and has several paths or one. */
	static const struct name paths[] = {
		{ "/dev/mapper/mpatha1", "UUID=aaaa-1" },
		{ "/dev/mapper/mpathb1", UNKNOWN },
		{ "/dev/mapper/3" WWN "p1", "UUID=aaaa-1" },
		{ "/dev/mapper/3" OTHER "p1", UNKNOWN },
		{ NULL, NULL }
	};
	static const struct name one_path[] = {
		{ "/dev/mapper/mpatha1", UNKNOWN },
		{ "/dev/mapper/3" WWN "p1", "UUID=aaaa-1" },
		{ NULL, NULL }
	};
	/* Nothing is known, or that the root is on a local disk. */
	static const struct name alone[] = { { "/dev/mapper/mpatha1",
					       "UUID=aaaa-1" },
					     { "/dev/mapper/mpathb1", UNKNOWN },
					     { NULL, NULL } };
	static const struct name local[] = { { "/dev/mapper/mpatha1", UNKNOWN },
					     { NULL, NULL } };
	struct fy_machine_disk lun = hardware("/dev/sda", NULL, "0x" WWN);

	check_mpath("/dev/mapper/mpathap2", friendly);
	check_mpath("/dev/mapper/mpatha2", friendly);
	check_mpath("/dev/disk/by-id/dm-name-mpatha-part2", friendly);
	check_mpath("/dev/mapper/3" WWN "p2", wwid);
	check_mpath("/dev/disk/by-id/dm-uuid-part2-mpath-3" WWN, wwid);
	check_mpath("/dev/mapper/mpath0p2", numbers);
	check_mpath(NULL, &wwid[6]);
	check_one(NULL, NULL, alone);
	check_one("/dev/sda2", NULL, local);
	check_one(NULL, &lun, one_path);
	lun.n_paths = 2;
	check_one(NULL, &lun, paths);
}

int
main(void)
{
	test_identity();
	test_left_behind();
	test_controllers();
	test_mpath();
	return test_result();
}
