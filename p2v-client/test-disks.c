/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which disks may be converted together, and the whole inventory: image files
 * and made-up devices with partition tables, LVM, md and an ext4.
 */
#include "common/bytes.h"
#include "common/subprocess.h"
#include "p2v-client/inventory.h"
#include "p2v-client/test-tree.h"

#define SEED	 "tests/fuzz/seeds/member/lvm2"
#define PART	 (UINT64_C(1) << 20)
#define PART_LEN (UINT64_C(64) << 20)

static char warnings[4096];

static void
keep(void *ctx, enum fy_log_level level, const char *line)
{
	(void)ctx;
	if (level <= FY_LOG_WARN)
		snprintf(warnings + strlen(warnings),
			 sizeof(warnings) - strlen(warnings), "%s\n", line);
}

/* A disk of 80 MiB with an MBR of one partition at 1 MiB. */
static void
make_disk(const char *path, unsigned type)
{
	unsigned char mbr[512] = { 0 };

	tree_sparse(path, 80 << 20);
	mbr[446] = 0x80;
	mbr[446 + 4] = (unsigned char)type;
	fy_put_le32(mbr + 446 + 8, PART / 512);
	fy_put_le32(mbr + 446 + 12, PART_LEN / 512);
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	{
		int fd = open(tree_path(path), O_WRONLY);

		CHECK(fd >= 0 && pwrite(fd, mbr, 512, 0) == 512);
		close(fd);
	}
}

static void
put_at(const char *path, uint64_t at, const void *data, size_t len)
{
	int fd = open(tree_path(path), O_WRONLY);

	CHECK(fd >= 0 && pwrite(fd, data, len, (off_t)at) == (ssize_t)len);
	close(fd);
}

/* md 1.2 for an array of two, this one in 'role'. */
static void
put_md(const char *path, unsigned role)
{
	unsigned char s[256 + 4] = { 0 };
	uint64_t sum = 0;
	size_t i;

	fy_put_le32(s, 0xa92b4efc);
	fy_put_le32(s + 4, 1);
	memset(s + 16, 0x5a, 16);
	memcpy(s + 32, "srv:0", 5);
	fy_put_le32(s + 92, 2);
	fy_put_le64(s + 144, 8);
	fy_put_le32(s + 160, role);
	memset(s + 168, 0x10 + (int)role, 16);
	fy_put_le32(s + 220, 2);
	fy_put_le16(s + 258, 1);
	for (i = 0; i < sizeof(s); i += 4)
		sum += fy_get_le32(s + i);
	fy_put_le32(s + 216, (uint32_t)((sum & 0xffffffff) + (sum >> 32)));
	put_at(path, PART + 4096, s, sizeof(s));
}

/* Check these paths; the code of the failure. */
static enum fy_error_code
check(const char *root, const char *a, const char *b, const char *want)
{
	const char *const paths[] = { a, b };
	struct fy_error err = { 0 };
	struct fy_log *log = fy_log_new(FY_LOG_DEBUG, keep, NULL, &err);

	warnings[0] = '\0';
	if (fy_disks_check(root, paths, b == NULL ? 1 : 2, log, &err) == 0)
		snprintf(err.msg, sizeof(err.msg), "%s", warnings);
	if (want != NULL && strstr(err.msg, want) == NULL) {
		fprintf(stderr, "'%s' is not in '%s'\n", want, err.msg);
		CHECK(false);
	}
	if (want == NULL)
		CHECK_STR(err.msg, "");
	fy_log_free(log);
	return err.code;
}

/* Paths of images are whole. */
static char *
image(const char *path)
{
	return strdup(tree_path(path));
}

static void
test_images(const char *seed, size_t len)
{
	char *a, *b, *lvm, *md0, *md1;

	tree_new();
	make_disk("/a", 0x83);
	make_disk("/b", 0x83);
	make_disk("/lvm", 0x8e);
	put_at("/lvm", PART, seed, len);
	make_disk("/md0", 0xfd);
	put_md("/md0", 0);
	make_disk("/md1", 0xfd);
	put_md("/md1", 1);
	tree_link("/same", "a");
	a = image("/a");
	b = image("/same");
	lvm = image("/lvm");
	md0 = image("/md0");
	md1 = image("/md1");
	CHECK(check(NULL, a, NULL, NULL) == FY_E_NONE);
	CHECK(check(NULL, a, b, "same disk") == FY_E_USAGE);
	CHECK(check(NULL, a, "/no/such", "/no/such") == FY_E_NOTFOUND);
	CHECK(check(NULL, a, "/dev/null", "neither") == FY_E_USAGE);
	CHECK(check(NULL, lvm, NULL,
		    "only 1 of 2 parts of the volume group "
		    "'vg_test'") == FY_E_NONE);
	CHECK(check(NULL, md0, NULL,
		    "only 1 of 2 parts of the array 'srv:0'") == FY_E_NONE);
	CHECK(check(NULL, md0, md1, NULL) == FY_E_NONE);
	free(a);
	free(b);
	free(lvm);
	free(md0);
	free(md1);
	tree_free();
}

static void
device(const char *name, const char *dev, const char *wwn)
{
	char path[256], text[256];

	snprintf(path, sizeof(path), "/sys/devices/pci0000:00/ata1/%s/size",
		 name);
	tree_text(path, "163840\n");
	snprintf(path, sizeof(path), "/sys/devices/pci0000:00/ata1/%s/dev",
		 name);
	tree_text(path, dev);
	snprintf(path, sizeof(path), "/sys/block/%s", name);
	snprintf(text, sizeof(text), "../devices/pci0000:00/ata1/%s", name);
	tree_link(path, text);
	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	snprintf(text, sizeof(text), "../../devices/pci0000:00/ata1/%s", name);
	tree_link(path, text);
	snprintf(path, sizeof(path), "/sys/block/%s/wwid", name);
	tree_text(path, wwn);
	snprintf(path, sizeof(path), "/dev/%s", name);
	make_disk(path, 0x83);
}

static void
make_machine(void)
{
	device("sda", "8:0\n", "naa.1\n");
	device("sdb", "8:16\n", "naa.2\n");
	device("sdc", "8:32\n", "naa.2\n");
	tree_sparse("/dev/sda1", 1 << 20);
	tree_text("/sys/block/sda/sda1/partition", "1\n");
	tree_text("/sys/block/sda/sda1/dev", "8:1\n");
	tree_link("/sys/class/block/sda1", "../../block/sda/sda1");
	tree_text("/proc/self/mountinfo",
		  "1 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n");
}

static void
test_devices(void)
{
	struct fy_inventory_options o = { .read_disks = true };
	FY_AUTO(inventory) struct fy_inventory *inv = NULL;
	struct fy_error err = { 0 };

	tree_new();
	make_machine();
	CHECK(check(tree, "/dev/sda", NULL, "mounted on /srv") == FY_E_BUSY);
	CHECK(check(tree, "/dev/sda", "/dev/sda1", "same disk") == FY_E_USAGE);
	CHECK(check(tree, "/dev/sdb", "/dev/sdc", "two paths") == FY_E_USAGE);
	CHECK(check(tree, "/dev/sdb", NULL, NULL) == FY_E_NONE);

	o.sysroot = tree;
	CHECK_OK(fy_inventory_read(&o, &inv, &err), &err);
	CHECK(inv->machine->from_hardware && inv->machine->n_disks == 2);
	CHECK_STR(inv->machine->disks[0].path, "/dev/sda");
	CHECK_STR(inv->machine->disks[1].path, "/dev/sdb");
	CHECK_STR(inv->disks[0].in_use, "partition sda1 is mounted on /srv");
	CHECK(inv->disks[1].in_use == NULL && inv->disks[1].problem == NULL);
	CHECK(inv->machine->disks[0].boot && !inv->machine->disks[1].boot);
	CHECK_STR(inv->machine->disks[1].table, "mbr");
	CHECK(json_array_size(inv->machine->disks[1].volumes) >= 1);
	CHECK(inv->machine->disks[1].used_bytes >= PART_LEN);
	CHECK(inv->machine->disks[0].n_paths == 0);
	CHECK(inv->machine->disks[1].n_paths == 2);
	CHECK_STR(inv->machine->disks[1].paths[0], "/dev/sdb");
	CHECK_STR(inv->machine->disks[1].paths[1], "/dev/sdc");
	tree_free();
}

/* The second path alone, named; and health, asked of a program that says that
 * sdc fails. */
static void
test_path_and_health(void)
{
	static const char *const paths[] = { "/dev/sdc", "/dev/sda" };
	struct fy_inventory_options o = { .disks = paths,
					  .n_disks = 2,
					  .read_disks = true };
	FY_AUTO(inventory) struct fy_inventory *inv = NULL;
	struct fy_error err = { 0 };
	fy_autofree char *program = NULL;
	struct fy_log *log = fy_log_new(FY_LOG_DEBUG, keep, NULL, &err);

	tree_new();
	make_machine();
	tree_text("/smartctl", "#!/bin/sh\ncase $5 in\n/dev/sdc) p=false ;;\n"
			       "*) p=true ;;\nesac\n"
			       "echo '{\"smart_status\":{\"passed\":'$p'}}'\n");
	CHECK(chmod(tree_path("/smartctl"), 0755) == 0);
	program = strdup(tree_path("/smartctl"));
	o.sysroot = tree;
	o.smartctl = program;
	CHECK_OK(fy_inventory_read(&o, &inv, &err), &err);
	CHECK(inv->machine->n_disks == 2);
	CHECK(inv->machine->disks[0].n_paths == 2);
	CHECK_STR(inv->machine->disks[0].paths[0], "/dev/sdc");
	CHECK_STR(inv->machine->disks[0].paths[1], "/dev/sdb");
	CHECK(inv->machine->disks[0].health == FY_HEALTH_FAILING);
	CHECK(inv->machine->disks[1].health == FY_HEALTH_GOOD);
	warnings[0] = '\0';
	CHECK_OK(fy_inventory_health_warnings(inv, &paths[1], 1, log, &err),
		 &err);
	CHECK_STR(warnings, "");
	CHECK_OK(fy_inventory_health_warnings(inv, NULL, 0, log, &err), &err);
	CHECK_STR(warnings, "the disk /dev/sdc is failing: its own test "
			    "(SMART) says that it fails\n");
	fy_log_free(log);
	tree_free();
}

/* A NIC of the machine. */
static void
machine_nic(const char *name, const char *index, const char *mac)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
	tree_text(path, mac);
	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", name);
	tree_text(path, index);
	snprintf(path, sizeof(path), "/sys/class/net/%s/type", name);
	tree_text(path, "1\n");
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	tree_dir(path);
}

static const struct fy_machine_interface *
interface_of(const struct fy_machine_system *s, const char *name)
{
	static const struct fy_machine_interface none;
	size_t i;

	for (i = 0; i < s->n_interfaces; i++)
		if (strcmp(s->interfaces[i].name, name) == 0)
			return &s->interfaces[i];
	fprintf(stderr, "no interface %s\n", name);
	CHECK(false);
	return &none;
}

/* A disk of a machine with NICs: which of them the system's names are. */
static void
test_system_network(void)
{
	const char *words[] = {
		"mke2fs",	  "-q", "-F", "-t", "ext4", "-E",
		"offset=1048576", "-d", NULL, NULL, "64M",  NULL
	};
	struct fy_inventory_options o = { .read_disks = true };
	FY_AUTO(inventory) struct fy_inventory *inv = NULL;
	const struct fy_machine_interface *f;
	const struct fy_machine_system *s;
	struct fy_error err = { 0 };
	fy_autofree char *disk = NULL, *dir = NULL;

	tree_new();
	device("sda", "8:0\n", "naa.1\n");
	machine_nic("live0", "2\n", "52:54:00:00:00:01\n");
	machine_nic("live1", "3\n", "52:54:00:00:00:02\n");
	machine_nic("live2", "4\n", "52:54:00:00:00:03\n");
	tree_text("/run/udev/data/n2", "E:ID_NET_NAME_PATH=enp1s0\n");
	tree_text("/run/udev/data/n3", "E:ID_NET_NAME_PATH=enp2s0\n");
	tree_text("/root/etc/os-release", "ID=debian\n");
	tree_text("/root/etc/network/interfaces",
		  "auto lo enp1s0 bond0 bond0.7\niface lo inet loopback\n"
		  "iface bond0 inet manual\n  bond-slaves enp1s0 enp2s0\n"
		  "iface bond0.7 inet static\n  address 192.0.2.7\n"
		  "  netmask 255.255.255.0\niface enp9s0 inet dhcp\n");
	tree_text("/root/etc/systemd/network/9.network",
		  "[Match]\nName=lan0\nMACAddress=52:54:00:00:00:03\n"
		  "[Network]\nAddress=2001:db8::7/64\n");
	disk = image("/dev/sda");
	dir = image("/root");
	words[8] = dir;
	words[9] = disk;
	if (fy_subprocess_run(words, NULL, NULL, &err) == -1) {
		CHECK(err.code == FY_E_NOTFOUND);
		tree_free();
		return;
	}
	o.sysroot = tree;
	CHECK_OK(fy_inventory_read(&o, &inv, &err), &err);
	CHECK(inv->machine->n_systems == 1 && inv->machine->n_nics == 3);
	if (inv->machine->n_systems != 1)
		return;
	s = &inv->machine->systems[0];
	CHECK(s->n_interfaces == 6);
	f = interface_of(s, "enp1s0");
	CHECK_STR(f->kind, "ethernet");
	CHECK_STR(f->mac, "52:54:00:00:00:01");
	CHECK_STR(f->nic, "live0");
	CHECK_STR(f->master, "bond0");
	f = interface_of(s, "enp2s0");
	CHECK_STR(f->nic, "live1");
	CHECK_STR(f->master, "bond0");
	f = interface_of(s, "bond0");
	CHECK_STR(f->kind, "bond");
	CHECK(f->mac == NULL && f->nic == NULL && f->dhcp == FY_UNKNOWN);
	f = interface_of(s, "bond0.7");
	CHECK_STR(f->kind, "vlan");
	CHECK_STR(f->parent, "bond0");
	CHECK(f->vlan == 7 && f->n_addresses == 1 && f->dhcp == FY_NO);
	CHECK_STR(f->addresses[0], "192.0.2.7/24");
	f = interface_of(s, "enp9s0");
	CHECK(f->mac == NULL && f->dhcp == FY_YES);
	f = interface_of(s, "lan0");
	CHECK_STR(f->nic, "live2");
	CHECK_STR(f->addresses[0], "2001:db8::7/64");
	tree_free();
}

/* An image with an ext4 in its partition: what is on it is found. */
static void
test_system(void)
{
	const char *const argv[] = {
		"mke2fs",	  "-q", "-F", "-t", "ext4", "-E",
		"offset=1048576", "-d", NULL, NULL, "64M",  NULL
	};
	const char *words[12];
	struct fy_inventory_options o = { .read_disks = true };
	FY_AUTO(inventory) struct fy_inventory *inv = NULL;
	struct fy_error err = { 0 };
	fy_autofree char *disk = NULL, *dir = NULL;
	const struct fy_machine *m;

	tree_new();
	make_disk("/disk", 0x83);
	tree_text("/root/usr/lib/os-release",
		  "NAME=x\nID=debian\nVERSION_ID=\"12\"\n"
		  "PRETTY_NAME=\"Debian 12\"\n");
	tree_link("/root/etc", "usr/etc");
	tree_text("/root/usr/etc/hostname", "web01\nrest\n");
	tree_link("/root/usr/etc/os-release", "../lib/os-release");
	tree_bytes("/root/usr/bin/env",
		   "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0"
		   "\x3e\0\1\0\0\0",
		   24);
	disk = image("/disk");
	dir = image("/root");
	memcpy(words, argv, sizeof(words));
	words[8] = dir;
	words[9] = disk;
	if (fy_subprocess_run(words, NULL, NULL, &err) == -1) {
		fprintf(stderr, "%s\n", err.msg);
		CHECK(err.code == FY_E_NOTFOUND);
		tree_free();
		return;
	}
	o.disks = (const char *const *)&disk;
	o.n_disks = 1;
	CHECK_OK(fy_inventory_read(&o, &inv, &err), &err);
	m = inv->machine;
	CHECK(!m->from_hardware && m->firmware == FY_FIRMWARE_BIOS);
	CHECK(m->vcpus == 2 && m->memory_bytes == 2 * FY_GIB);
	CHECK(m->n_nics == 0 && m->n_systems == 1);
	CHECK_STR(m->name, "web01");
	CHECK_STR(m->systems[0].id, "debian");
	CHECK_STR(m->systems[0].pretty_name, "Debian 12");
	CHECK_STR(m->systems[0].version, "12");
	CHECK_STR(m->systems[0].arch, "x86_64");
	CHECK_STR(m->systems[0].volume, "p1");
	CHECK(m->disks[0].used_bytes > 0 &&
	      m->disks[0].used_bytes < PART_LEN / 2);
	tree_free();
}

int
main(void)
{
	fy_autofree char *seed = NULL;
	struct fy_error err = { 0 };
	size_t len;

	if (fy_file_read_at(AT_FDCWD, SEED, 65536, &seed, &len, &err) == -1) {
		printf("%s is needed\n", SEED);
		return 77;
	}
	test_images(seed, len);
	test_devices();
	test_path_and_health();
	test_system();
	test_system_network();
	return test_result();
}
