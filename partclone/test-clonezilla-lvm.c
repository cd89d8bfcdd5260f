/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Clonezilla's directories with LVM: a group over two partitions with an LV in
 * pieces, a striped one and a swap; where their bytes come to lie; and lists and
 * backups that lie.  (LVM's own judgement: tests/full/clonezilla-lvm.sh.)
 */
#include <fcntl.h>
#include <unistd.h>

#include "common/file.h"
#include "partclone/clonezilla.h"
#include "partclone/lvm.h"
#include "partclone/test-lvm-image.h"

#define SECTOR	  512u
#define PV_BYTES  (64 * FY_MIB)
#define PV0_START (2048 * SECTOR)
#define PV1_START (PV0_START + PV_BYTES)

static struct fy_error err;
static char *dir;
static int dirfd_ = -1;

static void
put_file(const char *name, const void *data, size_t len)
{
	CHECK_OK(fy_file_replace_at(dirfd_, name, data, len, 0600, &err), &err);
}

static void
put_string(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

static void
begin(void)
{
	if (dirfd_ >= 0) {
		close(dirfd_);
		CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
		free(dir);
	}
	CHECK_OK(fy_dir_temporary("test-clonezilla-lvm", &dir, &err), &err);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK(dirfd_ >= 0);
}

/* --- a good one ----------------------------------------------------------------- */

#define STRIPED                                                                \
	"type = \"striped\"\nstripe_count = 2\nstripe_size = 16\n"             \
	"stripes = [\n\"pv0\", 100,\n\"pv1\", 200\n]"
#define LIN                                                                    \
	LV("lin", VISIBLE,                                                     \
	   SEGMENT(1, 0, 2, LINEAR("pv1", 10))                                 \
		   SEGMENT(2, 2, 1, LINEAR("pv0", 0)),                         \
	   2)
#define STR LV("str-1", VISIBLE, SEGMENT(1, 0, 4, STRIPED), 1)
#define SWP LV("swp", VISIBLE, SEGMENT(1, 0, 16, LINEAR("pv0", 1)), 1)
#define LVS LIN STR SWP

#define PVS                                                                    \
	"vg /dev/sda1 " ID0 "\n"                                               \
	"vg /dev/sda2 " ID1 "\n"
#define LIST                                                                   \
	"/dev/vg/lin   data\n/dev/vg/str-1   Linux rev 1.0 ext4 filesystem "   \
	"data, volume name \"swap file\"\n"                                    \
	"/dev/vg/swp   Linux swap file, 4k page size\n"

static unsigned char lin[3 * PV_EXTENT], str[4 * PV_EXTENT];

static void
put_conf(const char *more, const char *lvs)
{
	char *text = vg_text(7, true, more, lvs);

	put_string("lvm_vg.conf", text);
	free(text);
}

static void
good(void)
{
	unsigned char sector[SECTOR] = { 0 };
	size_t i;

	begin();
	for (i = 0; i < 2; i++) {
		sector[446 + 16 * i + 4] = 0x8e;
		fy_put_le32(sector + 446 + 16 * i + 8,
			    (uint32_t)(i == 0 ? PV0_START : PV1_START) /
				    SECTOR);
		fy_put_le32(sector + 446 + 16 * i + 12,
			    (uint32_t)(PV_BYTES / SECTOR));
	}
	sector[510] = 0x55;
	sector[511] = 0xaa;
	put_file("sda-mbr", sector, sizeof(sector));
	put_string("parts", "sda1 sda2\n");
	put_string("sda-pt.parted",
		   "Disk /dev/sda: 280000s\nPartition Table: msdos\n");
	put_string("sda-pt.sf",
		   "/dev/sda1 : start=2048, size=131072, type=8e\n"
		   "/dev/sda2 : start=133120, size=131072, type=8e\n");
	put_string("lvm_vg_dev.list", PVS);
	put_string("lvm_logv.list", LIST);
	put_conf("", LVS);
	put_file("vg-lin.dd-ptcl-img.uncomp", lin, sizeof(lin));
	put_file("vg-str-1.dd-ptcl-img.uncomp", str, sizeof(str));
	put_string("swappt-vg-swp.info",
		   "UUID=\"6cd8a1f0-1d14-4d3f-8fdb-1ba9f3f8f2a1\"\n"
		   "LABEL=\"swp\"\n");
	/* Not of an LV: "vg-lin.old" would be. */
	put_string("vg-lin.old.ext4-ptcl-img.gz", "x");
}

static void
check_pv(struct fy_volume *disk, uint64_t start, const char *id)
{
	FY_AUTO(lvm_text) struct fy_lvm_text *t = NULL;
	fy_autovolume struct fy_volume *v = NULL;
	struct fy_lvm_label label;
	struct fy_lvm_vg vg;
	bool empty;

	CHECK_OK(fy_volume_slice(disk, start, PV_BYTES, "pv", &v, &err), &err);
	CHECK_OK(fy_lvm_label_read(v, &label, &err), &err);
	CHECK(strcmp(label.id, id) == 0 && label.device_bytes == PV_BYTES);
	CHECK(label.data_start == PV_DATA && label.n_areas == 1);
	CHECK(label.areas[0].offset + label.areas[0].length == PV_DATA);
	CHECK_OK(fy_lvm_metadata_read(v, &label, &t, &empty, &err), &err);
	CHECK(t != NULL && !empty);
	CHECK_OK(fy_lvm_vg_parse(t, &vg, &err), &err);
	CHECK(strcmp(vg.name, "vg") == 0 && vg.seqno == 7 && vg.n_lvs == 3);
	/* LVM wants the group's name first. */
	CHECK(strncmp(t->buffer, "vg", 3) == 0);
	fy_lvm_vg_release(&vg);
}

/* Byte 'in' of the LV's extents lies at byte 'at' of the disk. */
static void
check_bytes(struct fy_volume *disk, uint64_t at, const unsigned char *want,
	    size_t len)
{
	static unsigned char buf[PV_EXTENT];

	CHECK(len <= sizeof(buf));
	CHECK_OK(fy_volume_pread(disk, buf, len, at, &err), &err);
	CHECK(memcmp(buf, want, len) == 0);
}

static void
test_good(void)
{
	uint64_t data0 = PV0_START + PV_DATA, data1 = PV1_START + PV_DATA;
	fy_autovolume struct fy_volume *disk = NULL;
	FY_AUTO(cz_image) struct fy_cz_image *c = NULL;
	fy_autofree char *path = NULL;
	unsigned char swap[1076];
	size_t i;

	good();
	CHECK_OK(fy_cz_open(dir, NULL, &c, &err), &err);
	CHECK(c->lvm.n_lvs == 3 && c->lvm.n_pvs == 2 && c->lvm.n_vgs == 1);
	CHECK(c->parts[0].kind == FY_CZ_PV && c->parts[1].kind == FY_CZ_PV);
	CHECK(c->lvm.lvs[2].part.kind == FY_CZ_SWAP);
	path = fy_format(&err, "%s/disk", dir);
	CHECK(path != NULL);
	CHECK_OK(fy_cz_to_file(dir, path, NULL, NULL, &err), &err);
	CHECK_OK(fy_volume_open_path(path, 0, SECTOR, &disk, &err), &err);
	check_pv(disk, PV0_START, PV0);
	check_pv(disk, PV1_START, PV1);
	check_bytes(disk, data1 + 10 * PV_EXTENT, lin, PV_EXTENT);
	check_bytes(disk, data1 + 11 * PV_EXTENT, lin + PV_EXTENT, PV_EXTENT);
	check_bytes(disk, data0, lin + (size_t)2 * PV_EXTENT, PV_EXTENT);
	for (i = 0; i < sizeof(str) / 8192; i++)
		check_bytes(disk,
			    (i % 2 == 0 ? data0 + 100 * PV_EXTENT
					: data1 + 200 * PV_EXTENT) +
				    i / 2 * 8192,
			    str + i * 8192, 8192);
	CHECK_OK(fy_volume_pread(disk, swap, sizeof(swap), data0 + PV_EXTENT,
				 &err),
		 &err);
	CHECK(fy_get_le32(swap + 1028) == 16 * PV_EXTENT / 4096 - 1);
	CHECK(swap[1036] == 0x6c && swap[1051] == 0xa1);
	CHECK(strcmp((char *)swap + 1052, "swp") == 0);
}

/* --- lies ------------------------------------------------------------------------ */

static void
expect(enum fy_error_code code, const char *pattern)
{
	struct fy_cz_image *c = NULL;

	CHECK(fy_cz_open(dir, NULL, &c, &err) == -1);
	if (strstr(err.msg, pattern) == NULL)
		fprintf(stderr, "'%s' is not in '%s'\n", pattern, err.msg);
	CHECK(strstr(err.msg, pattern) != NULL);
	CHECK(err.code == code);
	fy_error_clear(&err);
}

/* A file of the good one that says something else. */
static void
lie(const char *file, const char *text, enum fy_error_code code,
    const char *pattern)
{
	good();
	put_string(file, text);
	expect(code, pattern);
}

static void
test_lists(void)
{
	static const char *const pvs = "lvm_vg_dev.list";
	static const char *const lvs = "lvm_logv.list";

	lie(pvs, "vg /dev/sda1\n", FY_E_FORMAT, "not understood");
	lie(pvs, "vg sda1 " ID0 "\n", FY_E_FORMAT, "not understood");
	lie(pvs, "../x /dev/sda1 " ID0 "\n", FY_E_FORMAT, "not understood");
	lie(pvs, ".. /dev/sda1 " ID0 "\n", FY_E_FORMAT, "not understood");
	lie(pvs, "vg /dev/sda1 " ID0 "0\n", FY_E_FORMAT, "not understood");
	lie(pvs, "vg /dev/sda1 " ID0 " x\n", FY_E_FORMAT, "not understood");
	lie(pvs, "/NOT_FOUND /dev/sda1 " ID0 "\n", FY_E_UNSUPPORTED,
	    "in no group");
	lie(pvs, PVS "vg /dev/sda2 " ID1 "\n", FY_E_FORMAT, "twice");
	lie(pvs, "vg /dev/sda " ID0 "\n", FY_E_UNSUPPORTED, "no partition");
	lie(pvs, "vg /dev/sdb1 " ID0 "\n", FY_E_UNSUPPORTED, "no partition");
	lie(pvs, "vg /dev/sda1 " ID0 "\n", FY_E_UNSUPPORTED, "this disk");
	lie(pvs, "vg /dev/sda1 " ID0 "\nw /dev/sda2 " ID1 "\n",
	    FY_E_UNSUPPORTED, "this disk");
	lie(pvs, "w /dev/sda1 " ID0 "\n", FY_E_FORMAT, "not there");
	lie(lvs, "", FY_E_FORMAT, "not listed");
	lie(lvs, "/dev/vg/lin data\n", FY_E_FORMAT, "not listed");
	lie(lvs, LIST "/dev/vg/lin data\n", FY_E_FORMAT, "twice");
	lie(lvs, LIST "/dev/vg/more data\n", FY_E_FORMAT, "does not have");
	lie(lvs, LIST "/dev/w/more data\n", FY_E_FORMAT, "unknown group");
	lie(lvs, LIST "vg/more\n", FY_E_FORMAT, "not understood");
	/* What has "swap file" in a label is none. */
	lie(lvs,
	    "/dev/vg/lin data\n/dev/vg/str-1 data\n/dev/vg/swp Linux rev 1.0 "
	    "ext4 filesystem data, volume name \"swap file\"\n",
	    FY_E_FORMAT, "saved as a swap");
	lie("vg-swp.dd-ptcl-img.gz", "x", FY_E_FORMAT, "but has an image");
	lie("sda2.ext4-ptcl-img.gz", "x", FY_E_FORMAT, "which is a PV");
	lie("vg-lin.ext4-ptcl-img.gz", "x", FY_E_FORMAT, "two images");
	lie("vg-lin.aa", "x", FY_E_UNSUPPORTED, "partimage");
	good();
	CHECK(unlinkat(dirfd_, "vg-lin.dd-ptcl-img.uncomp", 0) == 0);
	expect(FY_E_FORMAT, "no image of an LV");
	good();
	CHECK(unlinkat(dirfd_, lvs, 0) == 0);
	expect(FY_E_FORMAT, "not there");
}

/* A group that lies on another disk alone does not matter when one is chosen. */
static void
test_chosen(void)
{
	static const char id2[] = "222222-2222-2222-2222-2222-2222-22cccc";
	fy_autofree char *lines =
		fy_format(&err, "%sw /dev/sdb1 %s\n", PVS, id2);
	struct fy_cz_image *c = NULL;

	CHECK(lines != NULL);
	good();
	put_string("sdb-pt.sf", "");
	put_string("lvm_vg_dev.list", lines);
	put_string("lvm_logv.list", LIST "/dev/w/other data\n");
	CHECK_OK(fy_cz_open(dir, "sda", &c, &err), &err);
	CHECK(c->lvm.n_lvs == 3 && c->lvm.n_pvs == 2);
	fy_cz_close(c);
	expect(FY_E_USAGE, "several disks");
	/* But not when it is this disk, as a whole. */
	free(lines);
	lines = fy_format(&err, "%sw /dev/sda %s\n", PVS, id2);
	CHECK(lines != NULL);
	put_string("lvm_vg_dev.list", lines);
	CHECK(fy_cz_open(dir, "sda", &c, &err) == -1);
	CHECK(err.code == FY_E_UNSUPPORTED);
	fy_error_clear(&err);
}

/* The group's backup with other LVs (and 'more' of the group). */
static void
group(const char *more, const char *lvs, enum fy_error_code code,
      const char *pattern)
{
	good();
	put_conf(more, lvs);
	expect(code, pattern);
}

static void
test_groups(void)
{
	static const char *const conf = "lvm_vg.conf";
	char *text;

	lie(conf, "", FY_E_FORMAT, "no backup");
	lie(conf, "vg {", FY_E_FORMAT, "make no sense");
	lie(conf, "vg { id = \"x\" seqno = 1 }", FY_E_FORMAT, "no backup");
	good();
	put_file(conf, "vg\0x", 4);
	expect(FY_E_FORMAT, "NUL");
	good();
	text = vg_text(7, false, "", LVS);
	put_string(conf, text);
	free(text);
	expect(FY_E_UNSUPPORTED, "where it lies");
	good();
	text = vg_text(7, true, "", LVS);
	memcpy(text, "vh", 2);
	put_string(conf, text);
	memcpy(text, "vg", 2);
	expect(FY_E_FORMAT, "another group");
	/* A PV that is larger than its partition. */
	good();
	memcpy(strstr(text, "dev_size = 131072") + 11, "131073", 6);
	put_string(conf, text);
	expect(FY_E_FORMAT, "larger than its");
	memcpy(strstr(text, "dev_size = 131073") + 11, "131072", 6);
	memcpy(strstr(text, "pe_count = 1008") + 11, "1009", 4);
	put_string(conf, text);
	expect(FY_E_FORMAT, "larger than its");
	memcpy(strstr(text, "pe_count = 1009") + 11, "1008", 4);
	memcpy(strstr(text, "pe_start = 2048") + 11, "0009", 4);
	put_string(conf, text);
	expect(FY_E_UNSUPPORTED, "no room");
	free(text);
	group("lock_type = \"sanlock\"", LVS, FY_E_UNSUPPORTED, "share");
	group("", LIN STR LIN SWP, FY_E_FORMAT, "two");
	group("", STR SWP, FY_E_FORMAT, "does not have");
	group("",
	      LVS LV("more", VISIBLE, SEGMENT(1, 0, 1, LINEAR("pv0", 17)), 1),
	      FY_E_FORMAT, "not listed");
	group("",
	      LVS LV("more", VISIBLE, SEGMENT(1, 0, 2, LINEAR("pv0", 16)), 1),
	      FY_E_FORMAT, "on each other");
	group("",
	      LVS LV("more", VISIBLE, SEGMENT(1, 0, 2, LINEAR("pv0", 1007)), 1),
	      FY_E_FORMAT, "outside of its PV");
	group("",
	      LVS LV("more", HIDDEN, SEGMENT(1, 0, 2, LINEAR("pv0", 50)), 1),
	      FY_E_UNSUPPORTED, "hidden");
	group("",
	      LVS LV("more", VISIBLE,
		     SEGMENT(1, 0, 2,
			     "type = \"thin\"\nthin_pool = \"x\"\n"
			     "transaction_id = 1\ndevice_id = 1"),
		     1),
	      FY_E_UNSUPPORTED, "type thin");
	group("",
	      LVS LV("more", VISIBLE,
		     SEGMENT(1, 0, 1,
			     "type = \"striped\"\nstripe_count = 1\n"
			     "stripes = [\"lin\", 0]"),
		     1),
	      FY_E_UNSUPPORTED, "other LVs");
	group("",
	      LVS LV("more", VISIBLE,
		     SEGMENT(1, 0, 1,
			     "type = \"mirror\"\nmirror_count = 1\n"
			     "mirrors = [\"pv0\", 60]"),
		     1),
	      FY_E_UNSUPPORTED, "type mirror");
	group("",
	      LVS LV("more", "\"VISIBLE\", \"LOCKED\"",
		     SEGMENT(1, 0, 1, LINEAR("pv0", 60)), 1),
	      FY_E_UNSUPPORTED, "LOCKED");
}

/* A backup that ends early is none, wherever. */
static void
test_cut(void)
{
	fy_autofree char *text = vg_text(7, true, "", LVS);
	struct fy_cz_image *c = NULL;
	size_t n, end;

	good();
	end = (size_t)(strstr(text, "version = 1") - text);
	for (n = 0; n < end; n += 29) {
		put_file("lvm_vg.conf", text, n);
		CHECK(fy_cz_open(dir, NULL, &c, &err) == -1);
		fy_error_clear(&err);
	}
}

/* An LV of bytes with more or fewer than it has. */
static void
test_sizes(void)
{
	fy_autofree char *path = NULL;

	good();
	path = fy_format(&err, "%s/disk", dir);
	CHECK(path != NULL);
	put_file("vg-lin.dd-ptcl-img.uncomp", lin, sizeof(lin) - 1);
	CHECK(fy_cz_to_file(dir, path, NULL, NULL, &err) == -1);
	CHECK(err.code == FY_E_FORMAT && access(path, F_OK) == -1);
	fy_error_clear(&err);
	put_file("vg-lin.dd-ptcl-img.uncomp", str, sizeof(lin) + 1);
	CHECK(fy_cz_to_file(dir, path, NULL, NULL, &err) == -1);
	CHECK(err.code == FY_E_FORMAT && access(path, F_OK) == -1);
	fy_error_clear(&err);
}

int
main(void)
{
	size_t i;

	for (i = 0; i < sizeof(str); i++) {
		str[i] = (unsigned char)(i * 7 + i / 251 + i / 65536 * 31 + 1);
		if (i < sizeof(lin))
			lin[i] = (unsigned char)(i * 13 + i / 509 +
						 i / 65536 * 57 + 5);
	}
	test_good();
	test_lists();
	test_chosen();
	test_groups();
	test_cut();
	test_sizes();
	close(dirfd_);
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	free(dir);
	return 0;
}
