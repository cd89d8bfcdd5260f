/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Image directories of Clonezilla as texts: dumps of sfdisk old and new, names
 * of disks, lines that lie; and the tables that are made of them, with logical
 * partitions in any order.  (What comes out is compared with the source by
 * tests/smoke/clonezilla.sh.)
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/file.h"
#include "partclone/clonezilla.h"

static struct fy_error err;
static char *dir;
static int dirfd_ = -1;

static void
put(const char *name, const void *data, size_t len)
{
	CHECK_OK(fy_file_replace_at(dirfd_, name, data, len, 0600, &err));
}

static void
put_text(const char *name, const char *text)
{
	put(name, text, strlen(text));
}

static void
begin(void)
{
	if (dirfd_ >= 0) {
		close(dirfd_);
		CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err));
		free(dir);
	}
	CHECK_OK(fy_dir_temporary("test-clonezilla", &dir, &err));
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK(dirfd_ >= 0);
}

/* An MBR sector: type, start, count of up to four entries. */
static void
put_mbr(const char *name, const uint32_t (*e)[3], size_t n)
{
	unsigned char sector[512] = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		sector[446 + 16 * i + 4] = (unsigned char)e[i][0];
		fy_put_le32(sector + 446 + 16 * i + 8, e[i][1]);
		fy_put_le32(sector + 446 + 16 * i + 12, e[i][2]);
	}
	sector[510] = 0x55;
	sector[511] = 0xaa;
	put(name, sector, sizeof(sector));
}

#define PARTED                                                                 \
	"Model: x\nDisk /dev/sda: 200000s\nSector size (logical/physical): "   \
	"512B/512B\nPartition Table: msdos\n"

/* A disk with p1, extended p2, logical p5 to p7 of which p6 lies last. */
static void
good(void)
{
	static const uint32_t entries[][3] = { { 0x83, 2048, 8192 },
					       { 0x05, 12288, 100000 } };

	begin();
	put_text("parts", "sda1 sda5 sda6 sda7\n");
	put_text("sda-pt.parted", PARTED);
	put_text(
		"sda-pt.sf",
		"label: dos\nunit: sectors\n\n"
		"/dev/sda1 : start=        2048, size=        8192, "
		"type=83, bootable\n"
		"/dev/sda2 : start=       12288, size=      100000, type=5\n"
		"/dev/sda5 : start=       14336, size=        8192, type=83\n"
		"/dev/sda6 : start=       60000, size=        8192, type=b\n"
		"/dev/sda7 : start=       24576, size=        8192, type=83\n");
	put_mbr("sda-mbr", entries, 2);
	put_text("sda1.ext4-ptcl-img.gz", "");
	put_text("sda5.ext3-ptcl-img.gz.aa", "");
	put_text("sda5.ext3-ptcl-img.gz.ab", "");
	put_text("sda6.vfat-ptcl-img.zst", "");
	put_text("sda7.dd-ptcl-img.uncomp", "");
}

static void
expect(enum fy_error_code code, const char *pattern)
{
	struct fy_cz_image *c = NULL;
	struct fy_cz_table t;
	int r = fy_cz_open(dir, NULL, &c, &err);

	if (r == 0) {
		r = fy_cz_table_make(c, c->bytes, &t, &err);
		if (r == 0)
			fy_cz_table_release(&t);
		fy_cz_close(c);
	}
	CHECK(r == -1);
	if (strstr(err.msg, pattern) == NULL)
		fprintf(stderr, "'%s' is not in '%s'\n", pattern, err.msg);
	CHECK(strstr(err.msg, pattern) != NULL);
	CHECK_ERROR(code);
}

static void
test_good(void)
{
	struct fy_cz_image *c = NULL;
	struct fy_cz_table t;
	unsigned ebrs = 0;
	size_t i;

	good();
	CHECK(fy_cz_is_image(dir));
	CHECK_OK(fy_cz_open(dir, NULL, &c, &err));
	CHECK(c->bytes == 200000 * 512 && !c->gpt && c->n_parts == 5);
	CHECK(strcmp(c->disk, "sda") == 0);
	CHECK(c->parts[1].extended && c->parts[1].kind == FY_CZ_NOTHING);
	CHECK(strcmp(c->parts[2].file, "sda5.ext3-ptcl-img.gz") == 0);
	CHECK(c->parts[2].kind == FY_CZ_PARTCLONE);
	CHECK(c->parts[4].kind == FY_CZ_RAW);
	/* Its own reader has found p5 to p7 where they should be. */
	CHECK_OK(fy_cz_table_make(c, c->bytes + (1 << 20), &t, &err));
	for (i = 0; i < t.n_chunks; i++) {
		CHECK(i == 0 || t.chunks[i].offset >= t.chunks[i - 1].offset);
		ebrs += t.chunks[i].offset >= 12288 * 512 &&
			t.chunks[i].length == 512;
	}
	CHECK(ebrs == 3);
	fy_cz_table_release(&t);
	fy_cz_close(c);
	CHECK(fy_cz_open(dir, "sdb", &c, &err) == -1);
	CHECK_ERROR(FY_E_NOTFOUND);
	CHECK(fy_cz_open(dir, "../sda", &c, &err) == -1);
	CHECK_ERROR(FY_E_USAGE);
	/* Two disks. */
	put_text("sdb-pt.sf", "");
	expect(FY_E_USAGE, "several disks");
	CHECK_OK(fy_cz_open(dir, "sda", &c, &err));
	fy_cz_close(c);
}

/* sfdisk before 2.26, and a disk whose name ends in a digit. */
static void
test_old(void)
{
	static const uint32_t entries[][3] = { { 0x83, 2048, 8192 } };
	struct fy_cz_image *c = NULL;
	struct fy_cz_table t;

	begin();
	put_text("parts", "nvme0n1p1");
	put_text("nvme0n1-pt.parted",
		 "Disk /dev/nvme0n1: 200000s\nPartition Table: msdos\n");
	put_text("nvme0n1-pt.sf",
		 "# partition table of /dev/nvme0n1\nunit: sectors\n\n"
		 "/dev/nvme0n1p1 : start=     2048, size=     8192, Id=83\n"
		 "/dev/nvme0n1p2 : start=        0, size=        0, Id= 0\n");
	put_mbr("nvme0n1-mbr", entries, 1);
	put_text("nvme0n1p1.ext4-ptcl-img.gz", "");
	CHECK_OK(fy_cz_open(dir, NULL, &c, &err));
	CHECK(c->n_parts == 1 && c->parts[0].number == 1);
	CHECK_OK(fy_cz_table_make(c, c->bytes, &t, &err));
	fy_cz_table_release(&t);
	fy_cz_close(c);
}

/* A line of DISK-pt.sf that must not be believed. */
static void
lie(const char *line, const char *pattern)
{
	good();
	put_text("sda-pt.sf", line);
	expect(FY_E_FORMAT, pattern);
}

static void
test_lies(void)
{
	lie("/dev/sda1 : start=2048\n", "not understood");
	lie("/dev/sda1 : start=x, size=8192\n", "not understood");
	lie("/dev/sda1 : start=199999, size=8192\n", "not understood");
	lie("/dev/sda1 : start=18446744073709551615, size=2\n",
	    "not understood");
	lie("/dev/sda1 : start=2, size=18446744073709551615\n",
	    "not understood");
	lie("/dev/sda1 : start=99999999999999999999999, size=1\n",
	    "not understood");
	lie("/dev/sdb1 : start=2048, size=8192\n", "not understood");
	lie("/dev/sda0 : start=2048, size=8192\n", "not understood");
	lie("/dev/sda999 : start=2048, size=8192\n", "not understood");
	lie("/dev/sda1;x : start=2048, size=8192\n", "not understood");
	lie("/dev/sda1 : start=2048, size=8192, type=83\n"
	    "/dev/sda1 : start=2048, size=8192, type=83\n",
	    "not understood");
	lie("/dev/sda1 : start=2049, size=8192, type=83\n", "lies elsewhere");
	lie("", "partitions");
	lie("/dev/sda1 : start=2048, size=8192, type=83\n"
	    "/dev/sda2 : start=12288, size=100000, type=5\n"
	    "/dev/sda5 : start=12289, size=8192, type=83\n"
	    "/dev/sda6 : start=20481, size=8192, type=83\n",
	    "no room");
	good();
	put_text("sda-pt.parted", "Disk /dev/sda: 0s\n");
	expect(FY_E_UNSUPPORTED, "neither GPT nor MBR");
	put_text("sda-pt.parted",
		 "Disk /dev/sda: 99999999999999999999s\nPartition Table: "
		 "msdos\n");
	expect(FY_E_FORMAT, "size");
	put_text("sda-pt.parted", "Disk /dev/sda: 20GB\nPartition Table: "
				  "msdos\n");
	expect(FY_E_FORMAT, "size");
	put_text("sda-pt.parted",
		 "Disk /dev/sda: 2000s\nSector size (logical/physical): "
		 "4096B/4096B\nPartition Table: msdos\n");
	expect(FY_E_UNSUPPORTED, "512");
	good();
	put_text("sda-mbr", "short");
	expect(FY_E_FORMAT, "sda-mbr");
	good();
	put_text("THIS_IMAGE_DIR_IS_BROKEN.txt", "");
	expect(FY_E_CORRUPT, "broken");
}

int
main(void)
{
	test_good();
	test_old();
	test_lies();
	CHECK(!fy_cz_is_image("/dev/null"));
	close(dirfd_);
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err));
	free(dir);
	return 0;
}
