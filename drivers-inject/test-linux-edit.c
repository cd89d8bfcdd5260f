/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Old device names in text files: tables of before and after, on machines of
 * one and of several disks.
 */
#include "common/test.h"

#include <stdlib.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "drivers-inject/linux-edit.h"

#define V(num, fs, id, part)                                                   \
	{                                                                      \
		.path = (char *)(uintptr_t) "p" #num, .number = num,           \
		.filesystem = (char *)(uintptr_t)fs,                           \
		.uuid = (char *)(uintptr_t)id,                                 \
		.partuuid = (char *)(uintptr_t)part                            \
	}

static struct fy_disk_volume sda[] = {
	V(1, "ext4", "aaaa-1", "1234-01"),
	V(2, "swap", "aaaa-2", "1234-02"),
	V(3, NULL, NULL, "1234-03"),
	V(5, "crypto_LUKS", "aaaa-5", "1234-05"),
	V(6, "ext4", "dddd", "1234-06"),
};
static struct fy_disk_volume sdb[] = {
	V(1, "ext4", "bbbb-1", "5678-01"),
	V(2, "ext4", "dddd", "5678-02"), /* the same UUID as sda6 */
	V(3, "vfat", "C0-FFEE", "5678-03"),
	V(4, "LVM2_member", "abcdef-0123-4567-89ab-cdef-0123-456789",
	  "5678-04"),
};
#define UPPER(name, kind, id)                                                  \
	{                                                                      \
		.path = (char *)(uintptr_t)name,                               \
		.layer = (char *)(uintptr_t)kind,                              \
		.filesystem = (char *)(uintptr_t) "ext4",                      \
		.uuid = (char *)(uintptr_t)id                                  \
	}
static struct fy_disk_volume upper[] = {
	UPPER("my-vg/lv-root", "lvm", "cccc-1"),
	UPPER("md/0", "md", "cccc-2"),
};
static struct fy_disk_map map_a = { .volumes = sda, .n_volumes = 5 };
static struct fy_disk_map map_b = {
	.volumes = sdb, .n_volumes = 4, .upper = upper, .n_upper = 2
};
static struct fy_disk_map *const both[] = { &map_a, &map_b };
static struct fy_error err;

struct row {
	enum fy_edit_kind kind;
	const char *before;
	const char *after;   /* NULL: unchanged */
	const char *unknown; /* NULL: none; else the first */
};

static const struct row rows[] = {
	{ FY_EDIT_FSTAB, "/dev/sda1\t/  ext4 errors=remount-ro 0 1\n",
	  "UUID=aaaa-1\t/  ext4 errors=remount-ro 0 1\n", NULL },
	{ FY_EDIT_FSTAB, "# /dev/sda1 / ext4 x\n  /dev/sda2 none swap sw 0 0",
	  "# /dev/sda1 / ext4 x\n  UUID=aaaa-2 none swap sw 0 0", NULL },
	{ FY_EDIT_FSTAB, "UUID=x / ext4 defaults 0 0\nproc /proc proc d 0 0\n",
	  NULL, NULL },
	{ FY_EDIT_FSTAB, "/dev/mapper/vg-root / ext4 d 0 0\r\n", NULL, NULL },
	/* Both have the UUID dddd. */
	{ FY_EDIT_FSTAB, "/dev/sda6 /a ext4 d 0 2\n/dev/sdb2 /b ext4 d 0 2\n",
	  "PARTUUID=1234-06 /a ext4 d 0 2\nPARTUUID=5678-02 /b ext4 d 0 2\n",
	  NULL },
	/* Another type than it says: nothing is guessed. */
	{ FY_EDIT_FSTAB, "/dev/sda2 /x ext4 d 0 0\n", NULL, "/dev/sda2" },
	{ FY_EDIT_FSTAB, "/dev/sdc1 /x ext4 d 0 0\n", NULL, "/dev/sdc1" },
	{ FY_EDIT_FSTAB, "/dev/sr0 /media iso9660 d 0 0\n", NULL, NULL },
	{ FY_EDIT_FSTAB, "/dev/sdb3 /boot/efi vfat umask=0077 0 1\n",
	  "UUID=C0-FFEE /boot/efi vfat umask=0077 0 1\n", NULL },
	{ FY_EDIT_FSTAB, "/dev/hda1 / ext3 d 0 1\n",
	  "UUID=aaaa-1 / ext3 d 0 1\n", NULL },
	{ FY_EDIT_FSTAB, "/dev/nvme0n1p1 / ext4 d 0 1\n",
	  "UUID=aaaa-1 / ext4 d 0 1\n", NULL },
	{ FY_EDIT_FSTAB, "/dev/cciss/c0d1p1 /x ext4 d 0 1\n",
	  "UUID=bbbb-1 /x ext4 d 0 1\n", NULL },
	{ FY_EDIT_FSTAB, "/dev/mmcblk0p1 / ext4 d 0 1\n",
	  "UUID=aaaa-1 / ext4 d 0 1\n", NULL },
	{ FY_EDIT_FSTAB, "/dev/disk/by-uuid/aaaa-1 / ext4 d 0 1\n", NULL,
	  NULL },
	{ FY_EDIT_FSTAB, "", NULL, NULL },
	{ FY_EDIT_FSTAB,
	  "/dev/sda1 / xfs logdev=/dev/sdb1,ro 0 0\n"
	  "UUID=x /b btrfs ro,device=/dev/sda3,device=/dev/sdb1 0 0\n"
	  "UUID=y /c ext4 journal_path=/dev/sdb1\n",
	  "UUID=aaaa-1 / xfs logdev=/dev/disk/by-uuid/bbbb-1,ro 0 0\n"
	  "UUID=x /b btrfs ro,device=/dev/disk/by-partuuid/1234-03,"
	  "device=/dev/disk/by-uuid/bbbb-1 0 0\n"
	  "UUID=y /c ext4 journal_path=/dev/disk/by-uuid/bbbb-1\n",
	  NULL },
	{ FY_EDIT_FSTAB, "UUID=x / xfs logdev=/dev/sdq1 0 0\n", NULL,
	  "/dev/sdq1" },
	{ FY_EDIT_FSTAB, "UUID=x / xfs other=/dev/sda1 0 0\n", NULL,
	  "/dev/sda1" },
	{ FY_EDIT_FSTAB, "tmpfs /dev/shm tmpfs defaults,,x= 0 0\n", NULL,
	  NULL },

	{ FY_EDIT_CRYPTTAB, "luks /dev/sda5 none luks,discard\n",
	  "luks UUID=aaaa-5 none luks,discard\n", NULL },
	{ FY_EDIT_CRYPTTAB, "swap /dev/sda3 /dev/urandom swap,cipher=x\n",
	  "swap PARTUUID=1234-03 /dev/urandom swap,cipher=x\n", NULL },
	/* Plain dm-crypt never gets a UUID, even where one is found. */
	{ FY_EDIT_CRYPTTAB, "s\t/dev/sda2\t/dev/urandom\tswap\n",
	  "s\tPARTUUID=1234-02\t/dev/urandom\tswap\n", NULL },
	{ FY_EDIT_CRYPTTAB, "p /dev/sda5 none plain\n",
	  "p PARTUUID=1234-05 none plain\n", NULL },
	{ FY_EDIT_CRYPTTAB, "#p /dev/sda5 none plain\n", NULL, NULL },
	{ FY_EDIT_CRYPTTAB, "l UUID=x /dev/sdb1:/key luks\n", NULL,
	  "/dev/sdb1" },
	{ FY_EDIT_CRYPTTAB, "l UUID=x none luks,header=/dev/sdb1\n", NULL,
	  "/dev/sdb1" },

	{ FY_EDIT_ARGUMENTS,
	  "\tlinux\t/boot/vmlinuz root=/dev/sda1 ro  resume=/dev/sda2 quiet\n",
	  "\tlinux\t/boot/vmlinuz root=UUID=aaaa-1 ro  resume=UUID=aaaa-2 "
	  "quiet\n",
	  NULL },
	{ FY_EDIT_ARGUMENTS, "set root='hd0,msdos1'\nset root=(hd0,1)\n", NULL,
	  NULL },
	{ FY_EDIT_ARGUMENTS, "linux /vmlinuz root=UUID=1 xroot=/dev/sda1\n",
	  NULL, "/dev/sda1" },
	{ FY_EDIT_ARGUMENTS,
	  "options cryptdevice=/dev/sda5:root:allow-discards root=/dev/mapper/x"
	  " cryptkey=/dev/sdb1:ext4:/key boot=/dev/sda1\n",
	  "options cryptdevice=UUID=aaaa-5:root:allow-discards "
	  "root=/dev/mapper/x"
	  " cryptkey=UUID=bbbb-1:ext4:/key boot=UUID=aaaa-1\n",
	  NULL },
	{ FY_EDIT_ARGUMENTS,
	  "linux cryptdevice=/dev/sdz1:root cryptkey=rootfs:/key boot=live\n",
	  NULL, "/dev/sdz1" },
	{ FY_EDIT_ARGUMENTS,
	  "linux rootflags=logdev=/dev/sdb1,device=/dev/sda3,ro\n",
	  "linux rootflags=logdev=/dev/disk/by-uuid/bbbb-1,"
	  "device=/dev/disk/by-partuuid/1234-03,ro\n",
	  NULL },
	{ FY_EDIT_ARGUMENTS, "linux luks.key=/key:/dev/sda1:x x=\n", NULL,
	  "/dev/sda1" },
	{ FY_EDIT_ARGUMENTS, "add_device+=\"/dev/sda1\"\n", NULL, "/dev/sda1" },
	/* Titles, and what is no disk. */
	{ FY_EDIT_ARGUMENTS,
	  "menuentry 'Windows (on /dev/sda1)' {\nlinux x=/dev/ttyS0\n", NULL,
	  NULL },
	{ FY_EDIT_ARGUMENTS, "linux /vmlinuz root=/dev/sda2x\n", NULL, NULL },
	{ FY_EDIT_ARGUMENTS, "# linux /vmlinuz root=/dev/sda1\n", NULL, NULL },
	{ FY_EDIT_ARGUMENTS, "# kopt=root=/dev/sda1 ro\n",
	  "# kopt=root=UUID=aaaa-1 ro\n", NULL },
	{ FY_EDIT_ARGUMENTS, "RESUME=/dev/sda2\n", "RESUME=UUID=aaaa-2\n",
	  NULL },
	{ FY_EDIT_ARGUMENTS, "RESUME=none\n", NULL, NULL },
	{ FY_EDIT_ARGUMENTS,
	  "linux /v cryptopts=target=c,source=/dev/sda5,key=none\n",
	  "linux /v cryptopts=target=c,source=UUID=aaaa-5,key=none\n", NULL },
	{ FY_EDIT_ARGUMENTS, "kernel_cmdline=\"root=/dev/sda1\"",
	  "kernel_cmdline=\"root=UUID=aaaa-1\"", NULL },
	{ FY_EDIT_ARGUMENTS, "root=/dev/sdz9", NULL, "/dev/sdz9" },
	{ FY_EDIT_ARGUMENTS,
	  "kernel /v ro console=hvc0 console=tty0 console=xvc0,9600n8\n",
	  "kernel /v ro console=ttyS0 console=tty0 console=ttyS0,9600n8\n",
	  NULL },
	{ FY_EDIT_ARGUMENTS,
	  "kernel /v console=hvc01 xconsole=hvc0 console=ttyS1 console=\n",
	  NULL, NULL },
	{ FY_EDIT_ARGUMENTS, "# kernel /v console=hvc0\n", NULL, NULL },
	{ FY_EDIT_DEFAULT_GRUB, "GRUB_CMDLINE_LINUX=\"console=hvc0\"\n",
	  "GRUB_CMDLINE_LINUX=\"console=ttyS0\"\n", NULL },
	/* The filling gives the letter; a full block has none to give. */
	{ FY_EDIT_GRUBENV, "a=console=hvc0\n####", "a=console=ttyS0\n###",
	  NULL },

	{ FY_EDIT_CONSOLES,
	  "hvc0:23:respawn:/sbin/getty 38400 hvc0\n"
	  "#T0:23:respawn:/sbin/getty -L ttyS0\n1:23:respawn:/sbin/getty tty1",
	  "hvc0:23:respawn:/sbin/getty 38400 ttyS0\n"
	  "#T0:23:respawn:/sbin/getty -L ttyS0\n1:23:respawn:/sbin/getty tty1",
	  NULL },
	{ FY_EDIT_CONSOLES,
	  "co:23:respawn:/sbin/agetty xvc0 9600\n"
	  "s0:23:respawn:/sbin/agetty ttyS0 9600\n",
	  NULL, NULL },
	{ FY_EDIT_CONSOLES, "tty1\nxvc0\n", "tty1\nttyS0\n", NULL },
	{ FY_EDIT_CONSOLES, "hvc0\nhvc1\nttyS0\n", NULL, NULL },
	{ FY_EDIT_CONSOLES, "#hvc0\nxhvc0\nhvc0x", NULL, NULL },
	{ FY_EDIT_ARGUMENTS, "root=", NULL, NULL },

	{ FY_EDIT_DEFAULT_GRUB,
	  "GRUB_CMDLINE_LINUX=\"root=/dev/sda1 resume=/dev/sda2\"\n"
	  "GRUB_DISABLE_LINUX_UUID=true\n#GRUB_DISABLE_LINUX_UUID=true\n",
	  "GRUB_CMDLINE_LINUX=\"root=UUID=aaaa-1 resume=UUID=aaaa-2\"\n"
	  "GRUB_DISABLE_LINUX_UUID=false\n#GRUB_DISABLE_LINUX_UUID=true\n",
	  NULL },
	{ FY_EDIT_DEFAULT_GRUB, "GRUB_DISABLE_LINUX_UUID=\"true\" # why",
	  "GRUB_DISABLE_LINUX_UUID=\"false\" # why", NULL },

	/* BLS and what GRUB of Red Hat keeps. */
	{ FY_EDIT_ARGUMENTS, "options root=/dev/sda1 ro $tuned_params\n",
	  "options root=UUID=aaaa-1 ro $tuned_params\n", NULL },
	{ FY_EDIT_ARGUMENTS, "options $kernelopts $tuned_params\n", NULL,
	  NULL },
	{ FY_EDIT_GRUBENV,
	  "# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro \n"
	  "##########",
	  "# GRUB Environment Block\nkernelopts=root=UUID=aaaa-1 ro \n"
	  "########",
	  NULL },
	/* Shorter: filled up again. */
	{ FY_EDIT_GRUBENV, "a=resume=/dev/nvme0n1p2\n###",
	  "a=resume=UUID=aaaa-2\n######", NULL },
	{ FY_EDIT_GRUBENV, "# GRUB Environment Block\n#######", NULL, NULL },
	{ FY_EDIT_DEVICE_LINES, "/dev/sdb\nactivate\n(hd0)\n",
	  "/dev/vdb\nactivate\n(hd0)\n", NULL },
	{ FY_EDIT_DEVICE_LINES, "/dev/sda1 x\n", NULL, NULL },

	{ FY_EDIT_DEVICE_MAP, "(hd0)\t/dev/sda\n(hd1)\t/dev/sdb\n",
	  "(hd0)\t/dev/vda\n(hd1)\t/dev/vdb\n", NULL },
	{ FY_EDIT_DEVICE_MAP, "(fd0)\t/dev/fd0\n", NULL, NULL },

	{ FY_EDIT_DEBCONF,
	  "Name: grub-pc/install_devices\nTemplate: x\n"
	  "Value: /dev/sda, /dev/sdb\nOwners: grub-pc\n\n"
	  "Name: other\nValue: /dev/sda\n",
	  "Name: grub-pc/install_devices\nTemplate: x\n"
	  "Value: /dev/vda, /dev/vdb\nOwners: grub-pc\n\n"
	  "Name: other\nValue: /dev/sda\n",
	  NULL },

	{ FY_EDIT_PATHS, "What=/dev/sda1\n[ -e /dev/sdb1 ] # /dev/sda1\n",
	  "What=/dev/disk/by-uuid/aaaa-1\n[ -e /dev/disk/by-uuid/bbbb-1 ] # "
	  "/dev/disk/by-uuid/aaaa-1\n",
	  NULL },
#define PVID "abcdef0123456789abcdef0123456789"
	{ FY_EDIT_LVM_DEVICES,
	  "# IDTYPE=devname PVID=" PVID "\nVERSION=1.1.2\n"
	  "IDTYPE=sys_wwid IDNAME=naa.5 DEVNAME=/dev/sdb4 PVID=" PVID
	  " PART=4\n"
	  "IDTYPE=md_uuid IDNAME=x DEVNAME=/dev/md1 PVID=" PVID "\n",
	  "# IDTYPE=devname PVID=" PVID "\nVERSION=1.1.2\n"
	  "IDTYPE=devname IDNAME=/dev/vdb4 DEVNAME=/dev/vdb4 PVID=" PVID
	  " PART=4\n"
	  "IDTYPE=md_uuid IDNAME=x DEVNAME=/dev/md1 PVID=" PVID "\n",
	  NULL },
	{ FY_EDIT_LVM_DEVICES,
	  "IDTYPE=sys_wwid IDNAME=n DEVNAME=/dev/sdc1 PVID=a PART=1", NULL,
	  "/dev/sdc1" },
	{ FY_EDIT_LVM_DEVICES, "IDTYPE=devname", NULL, NULL },
	/* A PV's UUID is no name. */
	{ FY_EDIT_ARGUMENTS, "root=/dev/sdb4", "root=PARTUUID=5678-04", NULL },
	{ FY_EDIT_LIST, "filter = [ \"a|/dev/sda1|\" ]\n", NULL, "/dev/sda1" },
	{ FY_EDIT_LIST, "# /dev/sda1\nDEVICE partitions\n", NULL, NULL },
	{ FY_EDIT_LVM_CONF,
	  "devices {\n\tfilter = [ \"a|/dev/sda.*|\", \"r|.*|\" ]\n"
	  "  global_filter=[\"a|^/dev/sd[ab]|\", # /dev/sda\n \"r/.*/\" ]\n}\n",
	  "devices {\n\tfilter = [ \"a|^/dev/vd|\", \"a|/dev/sda.*|\", "
	  "\"r|.*|\" ]\n  global_filter=[ \"a|^/dev/vd|\",\"a|^/dev/sd[ab]|\", "
	  "# /dev/sda\n \"r/.*/\" ]\n}\n",
	  NULL },
	{ FY_EDIT_LVM_CONF,
	  "devices/filter = [ 'a(^/dev/[sh]d)', \"a|cciss/\\\"|\", "
	  "'r|/dev/.*|',\n"
	  " ]",
	  "devices/filter = [ \"a|^/dev/vd|\", 'a(^/dev/[sh]d)', "
	  "\"a|cciss/\\\"|\", 'r|/dev/.*|',\n ]",
	  NULL },
	{ FY_EDIT_LVM_CONF,
	  "filter = [ \"a|/dev/disk/by-id/scsi-.*|\", \"a|md|\", \"r|.|\" ]",
	  "filter = [ \"a|^/dev/vd|\", \"a|/dev/disk/by-id/scsi-.*|\", "
	  "\"a|md|\", \"r|.|\" ]",
	  NULL },
	/* These accept virtio, or shall see no disks. */
	{ FY_EDIT_LVM_CONF,
	  "filter = [ \"a|.*|\" ]\nfilter = [ \"a|/dev/sda1|\" ]\n"
	  "filter = [ \"r|/dev/cdrom|\", \"r|/dev/sdb|\" ]\n"
	  "filter = [ \"a|/dev/[vs]da|\", \"a|vd|\", \"r|.*|\" ]\n"
	  "filter = [ \"a|/dev/md.*|\", \"r|.*|\" ]\nfilter = [ \"r|.*|\" ]\n"
	  "filter = []\nscan = [ \"/dev\" ]\n# filter = [ \"a|sda|\", "
	  "\"r|.*|\" ]\nxfilter = \"r|.*|\"\nfilter = \"r|.*|\"\n"
	  "filter_x = [ \"a|sda|\", \"r|.*|\" ]\n"
	  "preferred_names = [ \"^/dev/mpath/\", \"^/dev/[hs]d\" ]\n",
	  NULL, NULL },
	{ FY_EDIT_LVM_CONF, "filter = [ \"a|drbd.*|\", \"a|sda|\", \"r|.*|\" ]",
	  NULL, "a|drbd.*|" },
	{ FY_EDIT_LVM_CONF, "filter = [ \"a|/dev/fioa|\", \"r|.*|\" ]", NULL,
	  "a|/dev/fioa|" },
	{ FY_EDIT_LVM_CONF, "filter = [ \"a|sd(x{2,99}){2,99}|\", \"r|.*|\" ]",
	  NULL, "a|sd(x{2,99}){2,99}|" },
	{ FY_EDIT_LVM_CONF, "filter = [ \"a\", \"r|.*|\" ]", NULL, "a" },
	{ FY_EDIT_LVM_CONF, "filter = [ \"a|sda|\", \"r|.*|\"", NULL, NULL },
	{ FY_EDIT_LVM_CONF, "x = \"/dev/sda1\"\nfilter", NULL, "/dev/sda1" },
	{ FY_EDIT_MDADM,
	  "# DEVICE /dev/sda1\nDEVICE /dev/sda1 /dev/sdb1 # two\n"
	  "ARRAY /dev/md0 UUID=a:b:c:d devices=/dev/sda1,/dev/sdb1\n",
	  "# DEVICE /dev/sda1\nDEVICE partitions # two\n"
	  "ARRAY /dev/md0 UUID=a:b:c:d\n",
	  NULL },
	{ FY_EDIT_MDADM,
	  "dev partitions\n\t/dev/sd[ab]1 /dev/md/imsm0\n"
	  "MAILADDR root\n"
	  "arr /dev/md0 level=raid1\n\n   devices=/dev/sda1\n# x\n"
	  "   Name=a:0",
	  "dev partitions\n /dev/md/imsm0\n"
	  "MAILADDR root\n"
	  "arr /dev/md0 level=raid1\n\n\n# x\n   Name=a:0",
	  NULL },
	/* Known by nothing else. */
	{ FY_EDIT_MDADM,
	  "ARRAY /dev/md0 devices=/dev/sda1,/dev/md9\nARRAY /dev/md1 UUID=a\n",
	  "ARRAY /dev/md0 devices=/dev/vda1,/dev/md9\nARRAY /dev/md1 UUID=a\n",
	  NULL },
	{ FY_EDIT_MDADM, "ARRAY /dev/md0 devices=/dev/sdq1\n", NULL,
	  "/dev/sdq1" },
	{ FY_EDIT_MDADM, "DEVICE partitions\nARRAY <ignore> UUID=a\n", NULL,
	  NULL },
	{ FY_EDIT_MDADM, "PROGRAM /dev/sda1\nDEVICE containers /dev/md9", NULL,
	  NULL },
};

static void
check_row(const struct row *r, const struct fy_edit_context *ctx)
{
	fy_autofree char *out = NULL;
	struct fy_string_set unknown = { 0 };
	size_t len = 0;

	CHECK_OK(fy_edit_text(r->kind, ctx, r->before, strlen(r->before), &out,
			      &len, &unknown, &err),
		 &err);
	if (r->after == NULL)
		CHECK(out == NULL);
	else
		CHECK_STR(out, r->after);
	if (r->unknown == NULL)
		CHECK(unknown.n == 0);
	else
		CHECK_STR(unknown.n > 0 ? unknown.items[0] : NULL, r->unknown);
	fy_string_set_release(&unknown);
	if (out != NULL) { /* again, it changes nothing more */
		fy_autofree char *twice = NULL;
		struct fy_string_set none = { 0 };

		CHECK_OK(fy_edit_text(r->kind, ctx, out, len, &twice, &len,
				      &none, &err),
			 &err);
		CHECK(twice == NULL || r->kind == FY_EDIT_DEVICE_MAP ||
		      (r->kind == FY_EDIT_MDADM &&
		       strstr(out, "/dev/vd") != NULL));
		fy_string_set_release(&none);
	}
}

static void
check_name(const struct fy_devices *d, const char *name, const char *want)
{
	fy_autofree char *is = NULL;
	enum fy_device_kind kind =
		fy_devices_translate(d, name, NULL, FY_DEVICE_SPEC, &is);

	if (want == NULL)
		CHECK(kind == FY_DEVICE_UNKNOWN);
	else
		CHECK_STR(is, want);
}

/* The order of sda, sdb ... is told by what is known. */
static void
test_order(void)
{
	static char sdb_path[] = "/dev/sdb", sdc_path[] = "/dev/sdc";
	static char serial[] = "WD-12345", image[] = "/x";
	struct fy_machine_disk disks[] = {
		{ .path = sdb_path, .image = image },
		{ .path = sdc_path, .serial = serial, .image = image },
	};
	struct fy_machine machine = { .disks = disks, .n_disks = 2 };
	struct fy_devices *d;

	/* The machine's paths hold: sda was not taken along. */
	d = fy_devices_new(both, 2, &machine, &err);
	check_name(d, "/dev/sdb1", "UUID=aaaa-1");
	check_name(d, "/dev/sdc1", "UUID=bbbb-1");
	check_name(d, "/dev/disk/by-id/ata-WDC_WD-12345-part1", "UUID=bbbb-1");
	check_name(d, "/dev/disk/by-id/ata-OTHER-part1", NULL);
	CHECK_OK(fy_devices_anchor(d, "/dev/sdb1", 0, 1, &err), &err);
	check_name(d, "/dev/sdc1", "UUID=bbbb-1");
	check_name(d, "/dev/sda1", NULL);
	fy_devices_free(d);
	/* They don't: the live system's stick was sda. */
	d = fy_devices_new(both, 2, &machine, &err);
	CHECK_OK(fy_devices_anchor(d, "/dev/sda1", 0, 1, &err), &err);
	check_name(d, "/dev/sda2", "UUID=aaaa-2");
	check_name(d, "/dev/sdb1", "UUID=bbbb-1");
	check_name(d, "/dev/sdc1", NULL);
	fy_devices_free(d);
	/* The root is on the second disk. */
	d = fy_devices_new(both, 2, NULL, &err);
	CHECK_OK(fy_devices_anchor(d, "/dev/sda1", 1, 1, &err), &err);
	check_name(d, "/dev/sda1", "UUID=bbbb-1");
	check_name(d, "/dev/sdb1", NULL);
	fy_devices_free(d);
	/* One disk of several: sdb was left behind. */
	d = fy_devices_new(both, 1, NULL, &err);
	check_name(d, "/dev/sda1", "UUID=aaaa-1");
	check_name(d, "/dev/sdb1", NULL);
	check_name(d, "/dev/disk/by-path/pci-0-ata-1-part2", "UUID=aaaa-2");
	fy_devices_free(d);
}

static void
check_lookup(const struct fy_devices *d, const char *spec, const char *want)
{
	unsigned disk = 9;
	const struct fy_disk_volume *v = fy_devices_lookup(d, spec, &disk);

	if (want == NULL)
		CHECK(v == NULL);
	else
		CHECK(v != NULL && strcmp(v->path, want) == 0 && disk == 1);
}

/* LVs and arrays keep their names, and are found by them. */
static void
test_upper(void)
{
	struct fy_devices *d = fy_devices_new(both, 2, NULL, &err);
	fy_autofree char *lv = fy_devices_name(d, 1, &upper[0], FY_DEVICE_SPEC);
	fy_autofree char *md = fy_devices_name(d, 1, &upper[1], FY_DEVICE_SPEC);

	check_lookup(d, "/dev/mapper/my--vg-lv--root", "my-vg/lv-root");
	check_lookup(d, "/dev/my-vg/lv-root", "my-vg/lv-root");
	check_lookup(d, "UUID=CCCC-1", "my-vg/lv-root");
	check_lookup(d, "/dev/disk/by-uuid/cccc-1", "my-vg/lv-root");
	check_lookup(d, "/dev/md0", "md/0");
	check_lookup(d, "/dev/md/0", "md/0");
	check_lookup(d, "UUID=cccc-2", "md/0");
	check_lookup(d, "/dev/mapper/my-vg-lv-root", NULL);
	check_lookup(d, "/dev/md1", NULL);
	check_lookup(d, "/dev", NULL);
	CHECK_STR(lv, "/dev/mapper/my--vg-lv--root");
	CHECK_STR(md, "UUID=cccc-2");
	CHECK(fy_devices_name(d, 1, &upper[1], FY_DEVICE_VIRTIO) == NULL);
	fy_devices_free(d);
}

static void
test_fstab(void)
{
	static const char text[] =
		"# x\nUUID=1 / ext4\n/dev/sda1 /a\\040b ext4 "
		"ro 0 0\nshort line\n\n";
	struct fy_fstab_line *lines = NULL;
	size_t n = 0;

	CHECK_OK(fy_fstab_parse(text, sizeof(text) - 1, &lines, &n, &err),
		 &err);
	CHECK(n == 2);
	if (n == 2) {
		CHECK_STR(lines[0].fields[3], "defaults");
		CHECK_STR(lines[1].fields[1], "/a b");
		CHECK_STR(lines[1].fields[3], "ro");
	}
	fy_fstab_free(lines, n);
}

/* A full block of GRUB's has no room for a longer name. */
static void
check_full_grubenv(void)
{
	struct fy_devices *d = fy_devices_new(both, 2, NULL, &err);
	struct fy_edit_context ctx = { .devices = d };
	struct fy_string_set unknown = { 0 };
	struct fy_error e = { 0 };
	static const char text[] = "kernelopts=root=/dev/sda1\n#";
	char *out = NULL;
	size_t len;

	CHECK(fy_edit_text(FY_EDIT_GRUBENV, &ctx, text, strlen(text), &out,
			   &len, &unknown, &e) == -1);
	CHECK(e.code == FY_E_NOSPACE && out == NULL);
	fy_string_set_release(&unknown);
	fy_devices_free(d);
}

int
main(void)
{
	struct fy_devices *d = fy_devices_new(both, 2, NULL, &err);
	struct fy_edit_context ctx = { .devices = d,
				       .root_spec = "UUID=aaaa-1" };
	struct row no_uuid = { FY_EDIT_DEFAULT_GRUB,
			       "GRUB_DISABLE_LINUX_UUID=true",
			       "GRUB_DISABLE_LINUX_UUID=true\n"
			       "GRUB_DISABLE_LINUX_PARTUUID=false\n",
			       NULL };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(&rows[i], &ctx);
	ctx.root_spec = "PARTUUID=1234-06";
	{
		fy_autofree char *out = NULL;
		struct fy_string_set u = { 0 };
		size_t len;

		CHECK_OK(fy_edit_text(no_uuid.kind, &ctx, no_uuid.before,
				      strlen(no_uuid.before), &out, &len, &u,
				      &err),
			 &err);
		CHECK_STR(out, no_uuid.after);
	}
	fy_devices_free(d);
	test_order();
	test_upper();
	test_fstab();
	check_full_grubenv();
	return test_result();
}
