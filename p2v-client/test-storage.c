/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Controllers of storage by their numbers and names, and which disks are
 * volumes that a controller makes.
 */
#include "common/bytes.h"
#include "p2v-client/block.h"
#include "p2v-client/inventory.h"
#include "p2v-client/pci.h"
#include "p2v-client/test-tree.h"

static struct fy_error err;

static void
pci(const char *address, const char *class, const char *ids[4],
    const char *driver)
{
	static const char *const files[] = { "vendor", "device",
					     "subsystem_vendor",
					     "subsystem_device" };
	char path[128], text[128];
	size_t i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/class", address);
	tree_text(path, class);
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s",
			 address, files[i]);
		tree_text(path, ids[i]);
	}
	if (driver == NULL)
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	snprintf(text, sizeof(text), "../../drivers/%s", driver);
	tree_link(path, text);
}

/* As pci.ids is written. */
static const char ids[] =
	"# Syntax:\n# vendor  vendor_name\n\n"
	"0fff  Wrong vendor\n\t005d  Wrong device\n"
	"1000  Broadcom / LSI\n"
	"# a comment\n"
	"\t005b  MegaRAID SAS 2208 [Thunderbolt]\n"
	"\t\t1028 1f35  Wrong card\n"
	"\t005d  MegaRAID SAS-3 3108 [Invader]\n"
	"\t\t1028 1f41  PERC H830 Adapter\n"
	"\t\t1028 1f49  PERC H730 Mini\n"
	"\t0072  SAS2008 PCI-Express Fusion-MPT SAS-2 [Falcon]\n"
	"1028  Dell\n\t0097  Wrong device\n"
	"8086  Intel Corporation\n"
	"\t8d02  C610/X99 series chipset 6-Port SATA Controller\n"
	"C 01  Mass storage controller\n\t00  SCSI storage controller\n";

static const struct fy_machine_controller *
controller(const struct fy_machine *m, const char *address)
{
	static const struct fy_machine_controller none;
	size_t i;

	for (i = 0; i < m->n_controllers; i++)
		if (strcmp(m->controllers[i].pci, address) == 0)
			return &m->controllers[i];
	CHECK(false);
	return &none;
}

static void
make_controllers(void)
{
	const char *perc[] = { "0x1000\n", "0x005d\n", "0x1028\n", "0x1f49\n" };
	const char *hba[] = { "0x1000\n", "0x0072\n", "0x1000\n", "0x3020\n" };
	const char *ahci[] = { "0x8086\n", "0x8d02\n", "0x1028\n", "0x0600\n" };
	const char *odd[] = { "0xabcd\n", "0x0001\n", "0x0\n", "zzz\n" };
	const char *hpsa[] = { "0x103c\n", "0x3239\n", "0x103c\n", "0x21c2\n" };

	pci("0000:00:1f.2", "0x010601\n", ahci, "ahci");
	pci("0000:00:1f.3", "0x0c0500\n", odd, NULL);
	pci("0000:02:00.0", "0x010400\n", perc, "megaraid_sas");
	pci("0000:03:00.0", "0x010700\n", hba, "mpt3sas");
	/* An HBA's class, with a driver of RAID controllers. */
	pci("0000:04:00.0", "0x010700\n", hpsa, "hpsa");
	pci("10000:01:00.0", "0x010802\n", odd, "nvme");
	tree_text("/run/udev/data/+pci:0000:04:00.0",
		  "I:1\nE:ID_MODEL_FROM_DATABASE=Smart Array Gen8\n");
}

static void
test_controllers(void)
{
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	const struct fy_machine_controller *c;

	tree_new();
	make_controllers();
	tree_text("/usr/share/misc/pci.ids", ids);
	CHECK_OK(fy_inventory_controllers(tree, m, &err), &err);
	CHECK(m->n_controllers == 5);
	c = controller(m, "0000:02:00.0");
	CHECK_STR(c->kind, "raid");
	CHECK_STR(c->pci_id, "1000:005d");
	CHECK_STR(c->subsystem_id, "1028:1f49");
	CHECK_STR(c->driver, "megaraid_sas");
	CHECK_STR(c->model, "Broadcom / LSI MegaRAID SAS-3 3108 [Invader] "
			    "(PERC H730 Mini)");
	c = controller(m, "0000:03:00.0");
	CHECK_STR(c->kind, "sas");
	CHECK_STR(c->model, "Broadcom / LSI SAS2008 PCI-Express Fusion-MPT "
			    "SAS-2 [Falcon]");
	c = controller(m, "0000:00:1f.2");
	CHECK_STR(c->kind, "sata");
	CHECK_STR(c->model, "Intel Corporation C610/X99 series chipset 6-Port "
			    "SATA Controller");
	c = controller(m, "0000:04:00.0");
	CHECK_STR(c->kind, "raid");
	CHECK_STR(c->model, "Smart Array Gen8");
	c = controller(m, "10000:01:00.0");
	CHECK_STR(c->kind, "nvme");
	CHECK_STR(c->pci_id, "abcd:0001");
	CHECK(c->model == NULL && c->subsystem_id == NULL);
	tree_free();
}

/* Without the list, and with lists that are no lists. */
static void
test_no_names(void)
{
	static const char *const texts[] = {
		"",
		"\n",
		"\t",
		"1000",
		"1000  X",
		"1000  X\n\t",
		"1000  X\n\t005d",
		"1000  X\n\t\t1028 1f49  Y\n",
		"\t005d  lost\n1000  X\n\n\n",
	};
	char name[64];
	size_t i;

	tree_new();
	make_controllers();
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);

		tree_text("/usr/share/hwdata/pci.ids", texts[i]);
		CHECK_OK(fy_inventory_controllers(tree, m, &err), &err);
		CHECK(controller(m, "0000:02:00.0")->model == NULL);
	}
	CHECK(!fy_pci_on_path("/sys/devices/pci0000:00/virtio1", name));
	CHECK(!fy_pci_on_path("0000:02:00.0", name));
	CHECK(!fy_pci_on_path("/x/0000:02:00.0.1", name));
	CHECK(fy_pci_on_path("/x/0000:00:01.0/10000:02:00.7/ata1", name));
	CHECK_STR(name, "10000:02:00.7");
	tree_free();
}

/* A SCSI disk of 'host' at the address, by a driver. */
static void
scsi_disk(const char *name, const char *host, const char *address,
	  const char *driver, const char *model)
{
	char path[256], text[256];

	snprintf(path, sizeof(path),
		 "/sys/devices/pci0000:00/0000:02:00.0/%s/target/%s/block/%s/"
		 "size",
		 host, address, name);
	tree_text(path, "4096\n");
	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	snprintf(text, sizeof(text),
		 "../../devices/pci0000:00/0000:02:00.0/%s/target/%s/block/%s",
		 host, address, name);
	tree_link(path, text);
	snprintf(path, sizeof(path), "/sys/class/block/%s/device", name);
	snprintf(text, sizeof(text), "../../../%s", address);
	tree_link(path, text);
	snprintf(path, sizeof(path), "/sys/class/block/%s/device/model", name);
	tree_text(path, model);
	snprintf(path, sizeof(path), "/sys/class/scsi_host/%s/proc_name", host);
	tree_text(path, driver);
}

/* Whether the disk is a volume; "" or the level that its driver tells. */
static void
is_volume(const char *name, enum fy_tristate want, const char *level)
{
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	struct fy_machine_disk *d = fy_machine_add_disk(m, &err);

	CHECK_OK(fy_block_describe(tree, name, d, &err), &err);
	CHECK_OK(fy_block_controller(tree, name, d, &err), &err);
	if (d->hardware_raid != want)
		fprintf(stderr, "%s\n", name);
	CHECK(d->hardware_raid == want);
	CHECK_STR(d->raid_level == NULL ? "" : d->raid_level, level);
	CHECK_STR(d->controller, "0000:02:00.0");
}

static void
test_volumes(void)
{
	tree_new();
	scsi_disk("sda", "host0", "0:2:0:0", "megaraid_sas\n", "PERC H730\n");
	scsi_disk("sdb", "host0", "0:0:5:0", "megaraid_sas\n", "ST600MM0006\n");
	scsi_disk("sdc", "host1", "1:1:0:0", "hpsa\n", "LOGICAL VOLUME\n");
	scsi_disk("sdd", "host1", "1:0:2:0", "hpsa\n", "EG0600FBVFP\n");
	scsi_disk("sde", "host2", "2:0:1:0", "hpsa\n", "LOGICAL VOLUME\n");
	tree_text("/sys/class/block/sde/device/raid_level", "RAID 1(+0)\n");
	scsi_disk("sdf", "host2", "2:1:3:0", "hpsa\n", "EG0600FBVFP\n");
	tree_text("/sys/class/block/sdf/device/raid_level", "N/A\n");
	scsi_disk("sdg", "host3", "3:1:0:0", "mpt3sas\n", "Logical Volume\n");
	scsi_disk("sdh", "host3", "3:0:0:0", "mpt3sas\n", "ST4000NM0023\n");
	scsi_disk("sdi", "host4", "4:0:0:0", "aacraid\n", "data\n");
	scsi_disk("sdj", "host4", "4:1:0:0", "aacraid\n", "ST4000NM0023\n");
	scsi_disk("sdk", "host5", "5:0:0:0", "mpi3mr\n", "MR9660-16i\n");
	scsi_disk("sdl", "host5", "5:0:1:0", "mpi3mr\n", "ST4000NM0023\n");
	scsi_disk("sdm", "host6", "6:0:0:0", "virtio_scsi\n", "QEMU\n");
	scsi_disk("sdn", "host7", "7:4000000000:0:0", "megaraid_sas\n", "x\n");
	is_volume("sda", FY_YES, "");
	is_volume("sdb", FY_NO, "");
	is_volume("sdc", FY_YES, "");
	is_volume("sdd", FY_NO, "");
	is_volume("sde", FY_YES, "RAID 1(+0)");
	is_volume("sdf", FY_NO, "");
	is_volume("sdg", FY_YES, "");
	is_volume("sdh", FY_NO, "");
	is_volume("sdi", FY_YES, "");
	is_volume("sdj", FY_NO, "");
	is_volume("sdk", FY_YES, "");
	is_volume("sdl", FY_NO, "");
	is_volume("sdm", FY_UNKNOWN, "");
	is_volume("sdn", FY_NO, "");
	tree_free();
}

/* The virtual head of an NVMe device with several controllers, and what it
 * says of itself. */
static void
test_nvme_head(void)
{
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	struct fy_machine_disk *d = fy_machine_add_disk(m, &err);

	tree_new();
	tree_text("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/"
		  "size",
		  "4096\n");
	tree_text("/sys/devices/pci0000:00/0000:05:00.0/nvme/nvme0/address",
		  "0000:05:00.0\n");
	tree_link("/sys/class/block/nvme0n1",
		  "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1");
	tree_link("/sys/class/block/nvme0n1/device", "..");
	tree_link("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
		  "../../../pci0000:00/0000:05:00.0/nvme/nvme0");
	tree_text("/sys/class/block/nvme0n1/device/firmware_rev",
		  "5L2QEXH7 \n");
	tree_text("/sys/class/block/nvme0n1/queue/rotational", "0\n");
	tree_text("/sys/class/block/nvme0n1/removable", "7\n");
	CHECK_OK(fy_block_describe(tree, "nvme0n1", d, &err), &err);
	CHECK_OK(fy_block_controller(tree, "nvme0n1", d, &err), &err);
	CHECK_STR(d->bus, "nvme");
	CHECK_STR(d->controller, "0000:05:00.0");
	CHECK_STR(d->revision, "5L2QEXH7");
	CHECK(d->rotational == FY_NO && d->removable == FY_UNKNOWN &&
	      d->hardware_raid == FY_NO);
	tree_free();
}

int
main(void)
{
	test_controllers();
	test_no_names();
	test_volumes();
	test_nvme_head();
	return test_result();
}
