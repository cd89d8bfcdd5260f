/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Clonezilla image directory says: the disk from `disk` (or from the
 * names of the table's files), the partitions from DISK-pt.sf (an sfdisk dump),
 * size and kind of table from DISK-pt.parted, and for each partition its file by
 * the file's name.  (Of LVM: clonezilla-lvm.c.)
 *
 * The directory's texts are foreign: names are those of devices (letters,
 * digits, '-', '_'), numbers are bounded, and what is not understood ends it.
 */
#include "partclone/clonezilla-dir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_PARTS 256u
#define MAX_BYTES (UINT64_C(1) << 62)

/* --- small things ------------------------------------------------------------ */

static bool
has(const struct fy_cz_image *c, const char *name)
{
	return faccessat(c->dirfd, name, F_OK, 0) == 0;
}

static bool
is_device_name(const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
	return p != name && p - name < 60;
}

int
fy_cz_read_text(const struct fy_cz_image *c, const char *name, size_t max,
		char **ret, size_t *ret_len, struct fy_error *err)
{
	struct fy_error why = { 0 };

	*ret = NULL;
	if (fy_file_read_at(c->dirfd, name, max, ret, ret_len, &why) == 0 ||
	    why.code == FY_E_NOTFOUND)
		return 0;
	*err = why;
	return fy_error_prefix(err, "%s/%s", c->dir, name);
}

static int
read_text(const struct fy_cz_image *c, const char *name, char **ret,
	  struct fy_error *err)
{
	return fy_cz_read_text(c, name, FY_CZ_TEXT_MAX, ret, NULL, err);
}

/* Whether a list file has a line that is neither empty nor a comment. */
static int
has_lines(const struct fy_cz_image *c, const char *name, bool *ret,
	  struct fy_error *err)
{
	fy_autofree char *text = NULL;
	char *save = NULL, *line;

	*ret = false;
	if (read_text(c, name, &text, err) == -1)
		return -1;
	if (text == NULL)
		return 0;
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t\r");
		*ret |= *line != '\0' && *line != '#';
	}
	return 0;
}

/* --- what is not read --------------------------------------------------------- */

int
fy_cz_refuse(const struct fy_cz_image *c, const char *what,
	     struct fy_error *err)
{
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "'%s': %s: not read yet; restore it with "
			    "Clonezilla",
			    c->dir, what);
}

static int
check_supported(const struct fy_cz_image *c, struct fy_error *err)
{
	bool luks;

	if (has(c, "ecryptfs.info") || has(c, "gocryptfs.info"))
		return fy_cz_refuse(c, "the image is encrypted", err);
	if (has(c, "THIS_IMAGE_DIR_IS_BROKEN.txt"))
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "'%s': Clonezilla has marked the image as "
				    "broken",
				    c->dir);
	if (has(c, "MD-config.env") || has(c, "dmraid.table"))
		return fy_cz_refuse(c, "the disk is part of a RAID", err);
	if (has_lines(c, "luks-dev.list", &luks, err) == -1)
		return -1;
	if (luks)
		return fy_cz_refuse(c, "the image has LUKS volumes", err);
	return 0;
}

/* --- the disk ------------------------------------------------------------------- */

static int
many_disks(const struct fy_cz_image *c, const char *a, const char *b,
	   struct fy_error *err)
{
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%s' has several disks (%s, %s, ...): choose one "
			    "with --only",
			    c->dir, a, b);
}

/* The one disk whose table's file is there. */
static int
find_disk(struct fy_cz_image *c, struct fy_error *err)
{
	static const char ending[] = "-pt.sf";
	int fd = openat(c->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	char name[64];
	size_t n;
	int r = 0;

	if (d == NULL) {
		if (fd != -1)
			close(fd);
		return fy_error_set(err, FY_E_IO, errno, "cannot read '%s'",
				    c->dir);
	}
	while (r == 0 && (e = readdir(d)) != NULL) {
		n = strlen(e->d_name);
		if (n <= strlen(ending) || n - strlen(ending) > 60 ||
		    strcmp(e->d_name + n - strlen(ending), ending) != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(n - strlen(ending)),
			 e->d_name);
		if (!is_device_name(name))
			continue;
		if (c->disk[0] != '\0')
			r = many_disks(c, c->disk, name, err);
		memcpy(c->disk, name, sizeof(name));
	}
	closedir(d);
	if (r == 0 && c->disk[0] == '\0')
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' has no partition table (DISK-pt.sf)",
				    c->dir);
	return r;
}

static int
choose_disk(struct fy_cz_image *c, const char *disk, struct fy_error *err)
{
	fy_autofree char *file = NULL;

	if (disk == NULL)
		return find_disk(c, err);
	if (!is_device_name(disk))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is no name of a disk", disk);
	snprintf(c->disk, sizeof(c->disk), "%s", disk);
	file = fy_format(err, "%s-pt.sf", disk);
	if (file == NULL)
		return -1;
	return has(c, file)
		       ? 0
		       : fy_error_set(err, FY_E_NOTFOUND, 0,
				      "'%s' has no disk '%s'", c->dir, disk);
}

/* --- DISK-pt.parted --------------------------------------------------------------- */

/* A whole number at 'p', its end in '*end'; false when there is none. */
static bool
number(const char *p, uint64_t *ret, const char **end)
{
	char *e;

	while (*p == ' ' || *p == '\t')
		p++;
	if (!isdigit((unsigned char)*p))
		return false;
	errno = 0;
	*ret = strtoull(p, &e, 10);
	*end = e;
	return errno == 0;
}

static int
read_parted(struct fy_cz_image *c, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "%s-pt.parted", c->disk);
	fy_autofree char *text = NULL;
	uint64_t sectors = 0, sector = 512;
	const char *p, *end;
	char prefix[90];

	if (name == NULL || read_text(c, name, &text, err) == -1)
		return -1;
	if (text == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' lacks %s",
				    c->dir, name);
	snprintf(prefix, sizeof(prefix), "Disk /dev/");
	p = strstr(text, prefix);
	if (p != NULL)
		p = strchr(p, ':');
	if (p == NULL || !number(p + 1, &sectors, &end) || *end != 's')
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s/%s does not tell the disk's size",
				    c->dir, name);
	p = strstr(text, "Sector size (logical/physical):");
	if (p != NULL &&
	    (!number(strchr(p, ':') + 1, &sector, &end) || *end != 'B'))
		sector = 0;
	c->gpt = strstr(text, "Partition Table: gpt") != NULL;
	if (!c->gpt && strstr(text, "Partition Table: msdos") == NULL)
		return fy_cz_refuse(c,
				    "a partition table that is neither GPT nor "
				    "MBR",
				    err);
	if (sector != 512)
		return fy_cz_refuse(
			c, "a disk with sectors of other than 512 bytes", err);
	if (sectors == 0 || sectors > MAX_BYTES / sector)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s/%s tells a senseless size", c->dir,
				    name);
	c->sector_bytes = (uint32_t)sector;
	c->bytes = sectors * sector;
	return 0;
}

/* --- DISK-pt.sf -------------------------------------------------------------------- */

/* The value behind "KEY=" in a line; NULL. */
static const char *
value(const char *line, const char *key)
{
	const char *p = strstr(line, key);

	return p == NULL ? NULL : p + strlen(key);
}

/* The partition's number: what follows the disk's name, behind a 'p' where
 * that ends in a digit. */
static bool
part_number(const char *disk, const char *name, unsigned *ret)
{
	size_t n = strlen(disk);
	const char *end;
	uint64_t v;

	if (strncmp(name, disk, n) != 0)
		return false;
	name += n;
	if (isdigit((unsigned char)disk[n - 1]) && *name++ != 'p')
		return false;
	if (!number(name, &v, &end) || *end != '\0' || v == 0 || v > MAX_PARTS)
		return false;
	*ret = (unsigned)v;
	return true;
}

/* An MBR's type, from "type=83" or "Id=83"; 0. */
static uint8_t
mbr_type(const char *line)
{
	const char *type = value(line, "type=");
	char *end;
	long v;

	if (type == NULL)
		type = value(line, "Id=");
	if (type == NULL)
		return 0;
	v = strtol(type, &end, 16);
	if (end == type || v < 0 || v > 255 ||
	    (*end != ',' && *end != '\0' && *end != ' ' && *end != '\r'))
		return 0;
	return (uint8_t)v;
}

static int
bad_line(const struct fy_cz_image *c, const char *line, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "%s/%s-pt.sf has a line that is not understood: "
			    "%.80s",
			    c->dir, c->disk, line);
}

static int
add_part(struct fy_cz_image *c, const char *line, struct fy_error *err)
{
	const char *p = value(line, "start="), *q = value(line, "size=");
	struct fy_cz_part part = { 0 }, *grown;
	uint64_t start, sectors;
	size_t n, i;

	line += strlen("/dev/");
	n = strcspn(line, " :\t");
	if (n >= sizeof(part.name) || p == NULL || q == NULL ||
	    !number(p, &start, &p) || !number(q, &sectors, &q))
		return bad_line(c, line, err);
	/* cciss/c0d0p1 is written with '-' in the files' names. */
	for (i = 0; i < n; i++)
		part.name[i] = line[i] == '/' ? '-' : line[i];
	if (sectors == 0)
		return 0;
	if (!is_device_name(part.name) ||
	    !part_number(c->disk, part.name, &part.number) ||
	    start >= c->bytes / c->sector_bytes ||
	    sectors > c->bytes / c->sector_bytes - start)
		return bad_line(c, line, err);
	for (i = 0; i < c->n_parts; i++)
		if (c->parts[i].number == part.number)
			return bad_line(c, line, err);
	part.start = start * c->sector_bytes;
	part.length = sectors * c->sector_bytes;
	if (!c->gpt) {
		part.mbr_type = mbr_type(line);
		part.extended = part.mbr_type == 0x05 ||
				part.mbr_type == 0x0f || part.mbr_type == 0x85;
	}
	grown = realloc(c->parts, (c->n_parts + 1) * sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	c->parts = grown;
	c->parts[c->n_parts++] = part;
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	const struct fy_cz_part *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int
read_table(struct fy_cz_image *c, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "%s-pt.sf", c->disk);
	fy_autofree char *text = NULL;
	char *save = NULL, *line;

	if (name == NULL || read_text(c, name, &text, err) == -1)
		return -1;
	if (text == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' lacks %s",
				    c->dir, name);
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "/dev/", 5) == 0 &&
		    add_part(c, line, err) == -1)
			return -1;
	fy_sort(c->parts, c->n_parts, sizeof(*c->parts), by_number);
	return 0;
}

/* --- the partitions' files ------------------------------------------------------------ */

/* The name without ".aa" of pieces; false for later pieces. */
static bool
first_piece(char *name)
{
	char *dot = strrchr(name, '.');
	size_t n;

	if (dot == NULL)
		return true;
	n = strspn(dot + 1, "abcdefghijklmnopqrstuvwxyz");
	if (dot[1 + n] != '\0' || n < 2)
		return true;
	if (strspn(dot + 1, "a") == n) {
		*dot = '\0';
		return true;
	}
	/* ".gz", ".xz" and the like are two letters too. */
	return strstr(dot, ".gz") != NULL || strstr(dot, ".xz") != NULL ||
	       n > 2;
}

/* What a file of this partition is, by what follows "sda1.". */
static int
classify(const struct fy_cz_image *c, struct fy_cz_part *p, const char *name,
	 const char *rest, struct fy_error *err)
{
	enum fy_cz_kind kind = FY_CZ_PARTCLONE;

	if (strstr(rest, "-img") == NULL)
		return 0;
	if (strncmp(rest, "ntfs-img", 8) == 0)
		return fy_cz_refuse(c, "a partition was saved by ntfsclone",
				    err);
	if (strncmp(rest, "dd-", 3) == 0)
		kind = FY_CZ_RAW;
	if (strstr(rest, ".info") != NULL)
		return 0;
	if (p->kind == FY_CZ_PV)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' has an image of %s ('%s'), which is "
				    "a PV of LVM",
				    c->dir, p->name, name);
	if (p->file != NULL && strcmp(p->file, name) == 0)
		return 0;
	if (p->file != NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' has two images of %s: '%s' and '%s'",
				    c->dir, p->name, p->file, name);
	p->file = strdup(name);
	p->kind = kind;
	return p->file == NULL ? fy_error_nomem(err) : 0;
}

/* Of an LV: names of groups and LVs may have dots, so the rest must be known. */
static int
look_at_lvs(struct fy_cz_image *c, char *name, struct fy_error *err)
{
	size_t i, n;

	for (i = 0; i < c->lvm.n_lvs; i++) {
		struct fy_cz_part *p = &c->lvm.lvs[i].part;

		n = strlen(p->name);
		if (strncmp(name, p->name, n) != 0 || name[n] != '.')
			continue;
		if (strcmp(name + n, ".aa") == 0 ||
		    strcmp(name + n, ".000") == 0)
			return fy_cz_refuse(c, "an LV was saved by partimage",
					    err);
		if (fy_cz_lvm_is_image(name + n + 1))
			return first_piece(name)
				       ? classify(c, p, name, name + n + 1, err)
				       : 0;
	}
	return 0;
}

static int
look_at_file(struct fy_cz_image *c, const char *entry, struct fy_error *err)
{
	char name[256];
	size_t i, n;

	snprintf(name, sizeof(name), "%s", entry);
	for (i = 0; i < c->n_parts; i++) {
		struct fy_cz_part *p = &c->parts[i];

		n = strlen(p->name);
		if (strncmp(name, p->name, n) != 0 || name[n] != '.')
			continue;
		if (strcmp(name + n, ".aa") == 0 ||
		    strcmp(name + n, ".000") == 0)
			return fy_cz_refuse(
				c, "a partition was saved by partimage", err);
		if (!first_piece(name))
			return 0;
		return classify(c, p, name, name + n + 1, err);
	}
	return look_at_lvs(c, name, err);
}

static int
find_files(struct fy_cz_image *c, struct fy_error *err)
{
	int fd = openat(c->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (d == NULL) {
		if (fd != -1)
			close(fd);
		return fy_error_set(err, FY_E_IO, errno, "cannot read '%s'",
				    c->dir);
	}
	while (r == 0 && (e = readdir(d)) != NULL)
		r = look_at_file(c, e->d_name, err);
	closedir(d);
	return r;
}

/* KEY="VALUE" lines. */
static void
quoted(const char *text, const char *key, char *ret, size_t size)
{
	const char *p = value(text, key), *end;

	ret[0] = '\0';
	if (p == NULL || *p != '"')
		return;
	end = strchr(++p, '"');
	if (end != NULL)
		snprintf(ret, size, "%.*s", (int)(end - p), p);
}

int
fy_cz_read_swap(struct fy_cz_image *c, struct fy_cz_part *p,
		struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "swappt-%s.info", p->name);
	fy_autofree char *text = NULL;

	if (name == NULL || read_text(c, name, &text, err) == -1)
		return -1;
	if (text == NULL || p->file != NULL || p->kind == FY_CZ_PV)
		return 0;
	p->kind = FY_CZ_SWAP;
	quoted(text, "UUID=", p->uuid, sizeof(p->uuid));
	quoted(text, "LABEL=", p->label, sizeof(p->label));
	return 0;
}

/* Mark those that `parts` lists; what it lists must have something. */
static int
read_parts(struct fy_cz_image *c, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	char *save = NULL, *word;
	size_t i;

	if (read_text(c, "parts", &text, err) == -1)
		return -1;
	if (text == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' lacks the file `parts`: it is no "
				    "image of Clonezilla",
				    c->dir);
	for (word = strtok_r(text, " \t\r\n", &save); word != NULL;
	     word = strtok_r(NULL, " \t\r\n", &save))
		for (i = 0; i < c->n_parts; i++)
			if (strcmp(c->parts[i].name, word) == 0)
				c->parts[i].listed = true;
	for (i = 0; i < c->n_parts; i++) {
		if (fy_cz_read_swap(c, &c->parts[i], err) == -1)
			return -1;
		if (c->parts[i].listed && c->parts[i].kind == FY_CZ_NOTHING)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%s' lists %s, but has no image "
					    "of it",
					    c->dir, c->parts[i].name);
	}
	return 0;
}

/* --- all ---------------------------------------------------------------------------- */

bool
fy_cz_is_image(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int
fy_cz_open(const char *path, const char *disk, struct fy_cz_image **ret,
	   struct fy_error *err)
{
	FY_AUTO(cz_image) struct fy_cz_image *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return fy_error_nomem(err);
	c->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dirfd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	c->dir = strdup(path);
	if (c->dir == NULL)
		return fy_error_nomem(err);
	if (!has(c, "parts"))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' lacks the file `parts`: it is no "
				    "image of Clonezilla",
				    path);
	if (check_supported(c, err) == -1 || choose_disk(c, disk, err) == -1 ||
	    read_parted(c, err) == -1 || read_table(c, err) == -1 ||
	    fy_cz_lvm_open(c, disk != NULL, err) == -1 ||
	    find_files(c, err) == -1 || read_parts(c, err) == -1 ||
	    fy_cz_lvm_check(c, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&c);
	return 0;
}

void
fy_cz_close(struct fy_cz_image *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->n_parts; i++)
		free(c->parts[i].file);
	free(c->parts);
	fy_cz_lvm_release(&c->lvm);
	free(c->dir);
	if (c->dirfd > 0)
		close(c->dirfd);
	free(c);
}
