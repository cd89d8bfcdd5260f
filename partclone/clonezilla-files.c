/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The small files of a Clonezilla image: the partition table as sfdisk and
 * parted print it and as sectors, and lists of devices.
 */
#include "partclone/clonezilla-files.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/table.h"

#define SECTOR	    512u
#define GPT_SECTORS 34u
#define HEAD_BYTES  ((size_t)GPT_SECTORS * SECTOR)
#define MAX_HIDDEN  (UINT64_C(1024) << 20)

void
fy_cz_part_name(const char *disk, unsigned number, char ret[64])
{
	size_t n = strlen(disk);

	snprintf(ret, 64, "%.40s%s%u", disk,
		 n > 0 && isdigit((unsigned char)disk[n - 1]) ? "p" : "",
		 number);
}

int
fy_cz_put(const struct fy_cz_files *f, const char *ending, const void *data,
	  size_t len, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "%s%s", f->disk, ending);

	if (name == NULL)
		return -1;
	return fy_file_replace_at(f->dirfd, name, data, len, 0600, err);
}

/* --- text that grows ------------------------------------------------------------ */

struct text {
	FILE *to;
	char *p;
	size_t len;
};

static int
text_open(struct text *t, struct fy_error *err)
{
	*t = (struct text){ 0 };
	t->to = open_memstream(&t->p, &t->len);
	return t->to == NULL ? fy_error_nomem(err) : 0;
}

/* Puts it into a file of the directory, and ends it. */
static int
text_put(struct text *t, const struct fy_cz_files *f, const char *name,
	 struct fy_error *err)
{
	int r = -1;

	if (fclose(t->to) != 0)
		fy_error_nomem(err);
	else
		r = fy_file_replace_at(f->dirfd, name, t->p, t->len, 0600, err);
	free(t->p);
	return r;
}

static int
text_put_disk(struct text *t, const struct fy_cz_files *f, const char *ending,
	      struct fy_error *err)
{
	char name[128];

	snprintf(name, sizeof(name), "%.60s%s", f->disk, ending);
	return text_put(t, f, name, err);
}

/* --- DISK-pt.sf -------------------------------------------------------------------- */

/* Between quotes, as sfdisk reads it back. */
static void
put_quoted(FILE *to, const char *text)
{
	const unsigned char *p;

	fputc('"', to);
	for (p = (const unsigned char *)text; *p != '\0'; p++)
		if (strchr("\"\\`$", *p) != NULL || *p < 0x20 || *p == 0x7f)
			fprintf(to, "\\x%02x", *p);
		else
			fputc(*p, to);
	fputc('"', to);
}

static void
put_attributes(FILE *to, uint64_t bits)
{
	static const char *const names[] = { "RequiredPartition",
					     "NoBlockIOProtocol",
					     "LegacyBIOSBootable" };
	const char *before = "";
	unsigned i;

	if ((bits & 7) == 0 && bits >> 48 == 0)
		return;
	fputs(", attrs=\"", to);
	for (i = 0; i < 3; i++) {
		if ((bits >> i & 1) == 0)
			continue;
		fprintf(to, "%s%s", before, names[i]);
		before = " ";
	}
	if (bits >> 48 != 0)
		fprintf(to, "%sGUID:", before);
	before = "";
	for (i = 48; i < 64; i++) {
		if ((bits >> i & 1) == 0)
			continue;
		fprintf(to, "%s%u", before, i);
		before = ",";
	}
	fputc('"', to);
}

static void
put_upper(FILE *to, const char *text)
{
	for (; *text != '\0'; text++)
		fputc(toupper((unsigned char)*text), to);
}

static void
put_line(FILE *to, const struct fy_cz_files *f, const struct fy_disk_volume *v,
	 uint64_t attributes)
{
	bool gpt = strcmp(f->source->map->table, "gpt") == 0;
	char name[64];

	fy_cz_part_name(f->disk, v->number, name);
	fprintf(to, "/dev/%s : start=%12" PRIu64 ", size=%12" PRIu64 ", type=",
		name, v->start / SECTOR, v->length / SECTOR);
	if (!gpt) {
		fprintf(to, "%s%s\n",
			v->type != NULL && strncmp(v->type, "0x", 2) == 0
				? v->type + 2
				: "0",
			v->boot ? ", bootable" : "");
		return;
	}
	put_upper(to, v->type != NULL ? v->type : "");
	if (v->partuuid != NULL) {
		fputs(", uuid=", to);
		put_upper(to, v->partuuid);
	}
	if (v->part_label != NULL) {
		fputs(", name=", to);
		put_quoted(to, v->part_label);
	}
	put_attributes(to, attributes);
	fputc('\n', to);
}

/* The extended partition of an MBR, which the map leaves out; number 0: none. */
struct extended {
	unsigned number;
	struct fy_mbr_entry entry;
};

static int
find_extended(const struct fy_cz_files *f, struct extended *ret,
	      struct fy_error *err)
{
	struct fy_mbr_entry e[4];
	unsigned char sector[SECTOR];
	unsigned i;

	*ret = (struct extended){ 0 };
	if (fy_volume_pread(f->source->disk, sector, SECTOR, 0, err) == -1)
		return -1;
	if (!fy_mbr_decode(sector, e))
		return 0;
	for (i = 0; i < 4; i++)
		if (e[i].count != 0 && (e[i].type == 0x05 ||
					e[i].type == 0x0f || e[i].type == 0x85))
			*ret = (struct extended){ i + 1, e[i] };
	return 0;
}

/* The bits 0 to 63 that a GPT's entry has besides; 0 with an MBR. */
static uint64_t
attributes_of(const unsigned char *gpt, const struct fy_disk_volume *v)
{
	uint32_t count, size;

	if (gpt == NULL)
		return 0;
	count = fy_get_le32(gpt + SECTOR + 80);
	size = fy_get_le32(gpt + SECTOR + 84);
	if (v->number > count ||
	    (uint64_t)v->number * size > (GPT_SECTORS - 2) * SECTOR)
		return 0;
	return fy_get_le64(gpt + 2 * SECTOR + (v->number - 1) * size + 48);
}

static int
put_sfdisk(const struct fy_cz_files *f, const unsigned char *gpt,
	   const struct extended *x, struct fy_error *err)
{
	const struct fy_disk_map *m = f->source->map;
	struct text t;
	size_t i;

	if (text_open(&t, err) == -1)
		return -1;
	fprintf(t.to, "label: %s\n", gpt != NULL ? "gpt" : "dos");
	if (m->table_uuid != NULL && gpt != NULL) {
		fputs("label-id: ", t.to);
		put_upper(t.to, m->table_uuid);
		fputc('\n', t.to);
	} else if (m->table_uuid != NULL) {
		fprintf(t.to, "label-id: 0x%s\n", m->table_uuid);
	}
	fprintf(t.to, "device: /dev/%s\nunit: sectors\n", f->disk);
	if (gpt != NULL)
		fprintf(t.to, "first-lba: %" PRIu64 "\nlast-lba: %" PRIu64 "\n",
			fy_get_le64(gpt + SECTOR + 40),
			fy_get_le64(gpt + SECTOR + 48));
	fputs("sector-size: 512\n\n", t.to);
	for (i = 0; i < m->n_volumes; i++)
		if (m->volumes[i].number > 0 &&
		    (gpt != NULL || m->volumes[i].number < 5))
			put_line(t.to, f, &m->volumes[i],
				 attributes_of(gpt, &m->volumes[i]));
	if (x->number != 0)
		fprintf(t.to,
			"/dev/%s%s%u : start=%12" PRIu32 ", size=%12" PRIu32
			", type=%x\n",
			f->disk,
			isdigit((unsigned char)f->disk[strlen(f->disk) - 1])
				? "p"
				: "",
			x->number, x->entry.start, x->entry.count,
			x->entry.type);
	for (i = 0; gpt == NULL && i < m->n_volumes; i++)
		if (m->volumes[i].number >= 5)
			put_line(t.to, f, &m->volumes[i], 0);
	return text_put_disk(&t, f, "-pt.sf", err);
}

/* --- DISK-pt.parted --------------------------------------------------------------------- */

static void
put_parted_row(FILE *to, unsigned number, uint64_t start, uint64_t length,
	       const char *what, const char *filesystem)
{
	fprintf(to, " %-6u  %" PRIu64 "s  %" PRIu64 "s  %" PRIu64 "s  %s  %s\n",
		number, start / SECTOR, (start + length) / SECTOR - 1,
		length / SECTOR, what, filesystem);
}

static int
put_parted(const struct fy_cz_files *f, bool gpt, const struct extended *x,
	   struct fy_error *err)
{
	const struct fy_disk_map *m = f->source->map;
	struct text t;
	size_t i;

	if (text_open(&t, err) == -1)
		return -1;
	fprintf(t.to,
		"Model: (file)\nDisk /dev/%s: %" PRIu64
		"s\nSector size (logical/physical): 512B/512B\n"
		"Partition Table: %s\nDisk Flags: \n\n"
		"Number  Start  End  Size  %s\n",
		f->disk, m->disk_bytes / SECTOR, gpt ? "gpt" : "msdos",
		gpt ? "File system  Name  Flags" : "Type  File system  Flags");
	for (i = 0; i < m->n_volumes; i++) {
		const struct fy_disk_volume *v = &m->volumes[i];

		if (v->number > 0)
			put_parted_row(t.to, v->number, v->start, v->length,
				       gpt		? ""
				       : v->number >= 5 ? "logical"
							: "primary",
				       v->filesystem != NULL ? v->filesystem
							     : "");
	}
	if (x->number != 0)
		put_parted_row(
			t.to, x->number, (uint64_t)x->entry.start * SECTOR,
			(uint64_t)x->entry.count * SECTOR, "extended", "");
	fputc('\n', t.to);
	return text_put_disk(&t, f, "-pt.parted", err);
}

/* --- sectors ------------------------------------------------------------------------------ */

/* Bytes of the disk as a file. */
static int
put_bytes(const struct fy_cz_files *f, const char *ending, uint64_t offset,
	  size_t len, struct fy_error *err)
{
	fy_autofree unsigned char *p = malloc(len);

	if (p == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(f->source->disk, p, len, offset, err) == -1)
		return -1;
	return fy_cz_put(f, ending, p, len, err);
}

/* As sgdisk -b: protective MBR, both headers, entries. */
static int
put_gdisk(const struct fy_cz_files *f, const unsigned char *gpt,
	  struct fy_error *err)
{
	size_t entries = (GPT_SECTORS - 2) * SECTOR;
	fy_autofree unsigned char *p = malloc(3 * SECTOR + entries);

	if (p == NULL)
		return fy_error_nomem(err);
	memcpy(p, gpt, (size_t)2 * SECTOR);
	if (fy_volume_pread(f->source->disk, p + 2 * SECTOR, SECTOR,
			    f->source->map->disk_bytes - SECTOR, err) == -1)
		return -1;
	memcpy(p + 3 * SECTOR, gpt + 2 * SECTOR, entries);
	return fy_cz_put(f, "-gpt.gdisk", p, 3 * SECTOR + entries, err);
}

static int
put_gpt(const struct fy_cz_files *f, const unsigned char *gpt,
	struct fy_error *err)
{
	if (fy_cz_put(f, "-gpt-1st", gpt, (size_t)GPT_SECTORS * SECTOR, err) ==
		    -1 ||
	    put_bytes(f, "-gpt-2nd",
		      f->source->map->disk_bytes - (uint64_t)32 * SECTOR,
		      (size_t)32 * SECTOR, err) == -1)
		return -1;
	return put_gdisk(f, gpt, err);
}

/* Of an MBR disk: what lies before the first partition, and the first EBR. */
static int
put_hidden(const struct fy_cz_files *f, const struct extended *x,
	   struct fy_error *err)
{
	const struct fy_disk_map *m = f->source->map;
	uint64_t first = m->disk_bytes;
	char ending[32];
	size_t i;

	for (i = 0; i < m->n_volumes; i++)
		if (m->volumes[i].number > 0)
			first = fy_min_u64(first, m->volumes[i].start);
	if (x->number != 0)
		first = fy_min_u64(first, (uint64_t)x->entry.start * SECTOR);
	if (first > SECTOR && first < MAX_HIDDEN &&
	    put_bytes(f, "-hidden-data-after-mbr", SECTOR,
		      (size_t)(first - SECTOR), err) == -1)
		return -1;
	if (x->number == 0)
		return 0;
	snprintf(ending, sizeof(ending), "%s%u-ebr",
		 isdigit((unsigned char)f->disk[strlen(f->disk) - 1]) ? "p"
								      : "",
		 x->number);
	return put_bytes(f, ending, (uint64_t)x->entry.start * SECTOR, SECTOR,
			 err);
}

/* --- all of the table ------------------------------------------------------------------------ */

static int
check_table(const struct fy_cz_files *f, struct fy_error *err)
{
	const struct fy_disk_map *m = f->source->map;

	if (strcmp(m->table, "none") == 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the disk has no partition table: save it "
				    "as a partclone image");
	if (m->sector_bytes != SECTOR || m->disk_bytes % SECTOR != 0 ||
	    m->disk_bytes < 128 * SECTOR)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "--format clonezilla is for disks with "
				    "sectors of 512 bytes");
	return 0;
}

int
fy_cz_put_table(const struct fy_cz_files *f, struct fy_error *err)
{
	static const char chs[] = "cylinders=1024\nheads=255\nsectors=63\n";
	bool gpt = strcmp(f->source->map->table, "gpt") == 0;
	fy_autofree unsigned char *head = malloc(HEAD_BYTES);
	struct extended x = { 0 };

	if (head == NULL)
		return fy_error_nomem(err);
	if (check_table(f, err) == -1 ||
	    fy_volume_pread(f->source->disk, head, HEAD_BYTES, 0, err) == -1 ||
	    fy_cz_put(f, "-mbr", head, SECTOR, err) == -1 ||
	    fy_cz_put(f, "-chs.sf", chs, sizeof(chs) - 1, err) == -1)
		return -1;
	if (gpt && (memcmp(head + SECTOR, "EFI PART", 8) != 0 ||
		    fy_get_le64(head + SECTOR + 72) != 2 ||
		    (uint64_t)fy_get_le32(head + SECTOR + 80) *
				    fy_get_le32(head + SECTOR + 84) >
			    HEAD_BYTES - 2 * SECTOR))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the first copy of the GPT is damaged, or "
				    "has more than 128 entries: repair it, or "
				    "save the disk as a partclone image");
	if (!gpt && find_extended(f, &x, err) == -1)
		return -1;
	if (put_sfdisk(f, gpt ? head : NULL, &x, err) == -1 ||
	    put_parted(f, gpt, &x, err) == -1)
		return -1;
	return gpt ? put_gpt(f, head, err) : put_hidden(f, &x, err);
}

/* --- lists -------------------------------------------------------------------------------------- */

static int
put_dev_fs(const struct fy_cz_files *f, struct fy_error *err)
{
	const struct fy_disk_map *m = f->source->map;
	char name[64];
	struct text t;
	size_t i;

	if (text_open(&t, err) == -1)
		return -1;
	fputs("# <Device name>   <File system>   <Size>\n"
	      "# made by used-blocks\n",
	      t.to);
	for (i = 0; i < m->n_volumes; i++) {
		const struct fy_disk_volume *v = &m->volumes[i];

		if (v->number == 0)
			continue;
		fy_cz_part_name(f->disk, v->number, name);
		fprintf(t.to, "/dev/%s %s %" PRIu64 "MB\n", name,
			v->filesystem != NULL ? v->filesystem : "unknown",
			v->length / 1000000);
	}
	return text_put(&t, f, "dev-fs.list", err);
}

static int
put_blkdev(const struct fy_cz_files *f, struct fy_error *err)
{
	const struct fy_disk_map *m = f->source->map;
	char name[64], size[32];
	struct text t;
	size_t i;

	if (text_open(&t, err) == -1)
		return -1;
	fy_format_bytes(m->disk_bytes, size, sizeof(size));
	fprintf(t.to,
		"KNAME NAME SIZE TYPE FSTYPE MOUNTPOINT MODEL\n%s %s %" PRIu64
		"M disk\n",
		f->disk, f->disk, m->disk_bytes >> 20);
	for (i = 0; i < m->n_volumes; i++) {
		const struct fy_disk_volume *v = &m->volumes[i];

		if (v->number == 0)
			continue;
		fy_cz_part_name(f->disk, v->number, name);
		fprintf(t.to, "%s |-%s %" PRIu64 "M part %s\n", name, name,
			v->length >> 20,
			v->filesystem != NULL ? v->filesystem : "");
	}
	return text_put(&t, f, "blkdev.list", err);
}

static int
put_blkid(const struct fy_cz_files *f, struct fy_error *err)
{
	const struct fy_disk_map *m = f->source->map;
	char name[64];
	struct text t;
	size_t i;

	if (text_open(&t, err) == -1)
		return -1;
	for (i = 0; i < m->n_volumes; i++) {
		const struct fy_disk_volume *v = &m->volumes[i];

		if (v->number == 0 || v->filesystem == NULL)
			continue;
		fy_cz_part_name(f->disk, v->number, name);
		fprintf(t.to, "/dev/%s:", name);
		if (v->uuid != NULL)
			fprintf(t.to, " UUID=\"%s\"", v->uuid);
		fprintf(t.to, " TYPE=\"%s\"\n", v->filesystem);
	}
	return text_put(&t, f, "blkid.list", err);
}

int
fy_cz_put_lists(const struct fy_cz_files *f, const char *parts,
		struct fy_error *err)
{
	fy_autofree char *list = fy_format(err, "%s\n", parts);
	fy_autofree char *disk = fy_format(err, "%s\n", f->disk);
	static const char note[] = "This image was saved by used-blocks.\n";

	if (list == NULL || disk == NULL)
		return -1;
	if (put_dev_fs(f, err) == -1 || put_blkdev(f, err) == -1 ||
	    put_blkid(f, err) == -1 ||
	    fy_file_replace_at(f->dirfd, "Info-saved-by-cmd.txt", note,
			       sizeof(note) - 1, 0600, err) == -1 ||
	    fy_file_replace_at(f->dirfd, "clonezilla-img", note,
			       sizeof(note) - 1, 0600, err) == -1 ||
	    fy_file_replace_at(f->dirfd, "parts", list, strlen(list), 0600,
			       err) == -1)
		return -1;
	return fy_file_replace_at(f->dirfd, "disk", disk, strlen(disk), 0600,
				  err);
}
