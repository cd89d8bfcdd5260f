/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PARTCLONE_TEST_IMAGE_H
#define FY_PARTCLONE_TEST_IMAGE_H

/*
 * Disks made by the unit tests: sparse files in memory, and writers of tables
 * that are as simple as can be, so that the readers are not tested against
 * themselves.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "common/bytes.h"
#include "common/volume.h"
#include "partclone/disk.h"
#include "partclone/table.h"
#include "partclone/test-tools.h"

struct image {
	int fd;
	uint64_t size;
	struct fy_volume *volume;
};

static inline struct image
image_new(uint64_t size, uint32_t sector_bytes)
{
	struct image m = { .size = size };
	struct fy_error err = { 0 };
	char path[64];

	m.fd = memfd_create("test", MFD_CLOEXEC);
	CHECK(m.fd >= 0);
	CHECK(ftruncate(m.fd, (off_t)size) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m.fd);
	CHECK_OK(fy_volume_open_path(path, 0, sector_bytes, &m.volume, &err),
		 &err);
	return m;
}

static inline void
image_free(struct image *m)
{
	fy_volume_close(m->volume);
	close(m->fd);
}

static inline void
put(const struct image *m, uint64_t at, const void *data, size_t len)
{
	CHECK(pwrite(m->fd, data, len, (off_t)at) == (ssize_t)len);
}

static inline void
put_text(const struct image *m, uint64_t at, const char *text)
{
	put(m, at, text, strlen(text));
}

static inline void
put_le16(const struct image *m, uint64_t at, uint16_t v)
{
	unsigned char b[2];

	fy_put_le16(b, v);
	put(m, at, b, sizeof(b));
}

static inline void
put_le32(const struct image *m, uint64_t at, uint32_t v)
{
	unsigned char b[4];

	fy_put_le32(b, v);
	put(m, at, b, sizeof(b));
}

static inline void
put_byte(const struct image *m, uint64_t at, unsigned v)
{
	unsigned char b = (unsigned char)v;

	put(m, at, &b, 1);
}

/* One entry of the MBR or EBR in this sector (of 'unit' bytes). */
static inline void
put_mbr(const struct image *m, uint64_t at, int slot, unsigned flag,
	unsigned type, uint32_t start, uint32_t count)
{
	unsigned char e[16] = { 0 };

	e[0] = (unsigned char)flag;
	e[4] = (unsigned char)type;
	fy_put_le32(e + 8, start);
	fy_put_le32(e + 12, count);
	put(m, at + 446 + 16 * (uint64_t)slot, e, sizeof(e));
	put(m, at + 510, "\x55\xaa", 2);
}

struct gpt_part {
	uint64_t first, last;
	unsigned char type, id; /* all bytes of the GUIDs */
	const char *name;
};

/* The plain CRC-32, a bit at a time. */
static inline uint32_t
slow_crc32(const unsigned char *p, size_t len)
{
	uint32_t crc = UINT32_MAX;
	size_t i;
	int k;

	for (i = 0; i < len; i++) {
		crc ^= p[i];
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* A header and its entries; 'lba' is where the header goes. */
static inline void
put_gpt_copy(const struct image *m, uint32_t sector, uint64_t lba,
	     uint64_t other, uint64_t entries_lba, const struct gpt_part *parts,
	     size_t n)
{
	static unsigned char entries[128 * 128];
	unsigned char h[92] = "EFI PART";
	uint64_t sectors = m->size / sector;
	uint64_t table = sizeof(entries) / sector;
	size_t i, k;

	memset(entries, 0, sizeof(entries));
	for (i = 0; i < n; i++) {
		unsigned char *e = entries + 128 * i;

		memset(e, parts[i].type, 16);
		memset(e + 16, parts[i].id, 16);
		fy_put_le64(e + 32, parts[i].first);
		fy_put_le64(e + 40, parts[i].last);
		for (k = 0; parts[i].name[k] != '\0'; k++)
			e[56 + 2 * k] = (unsigned char)parts[i].name[k];
	}
	fy_put_le32(h + 8, 0x00010000);
	fy_put_le32(h + 12, sizeof(h));
	fy_put_le64(h + 24, lba);
	fy_put_le64(h + 32, other);
	fy_put_le64(h + 40, 2 + table);
	fy_put_le64(h + 48, sectors - 2 - table);
	memset(h + 56, 0xdd, 16);
	fy_put_le64(h + 72, entries_lba);
	fy_put_le32(h + 80, 128);
	fy_put_le32(h + 84, 128);
	fy_put_le32(h + 88, slow_crc32(entries, sizeof(entries)));
	fy_put_le32(h + 16, slow_crc32(h, sizeof(h)));
	put(m, lba * sector, h, sizeof(h));
	put(m, entries_lba * sector, entries, sizeof(entries));
}

static inline void
put_gpt(const struct image *m, uint32_t sector, const struct gpt_part *parts,
	size_t n)
{
	uint64_t last = m->size / sector - 1;
	uint64_t table = 128 * 128 / sector;

	put_mbr(m, 0, 0, 0, 0xee, 1, UINT32_MAX);
	put_gpt_copy(m, sector, 1, last, 2, parts, n);
	put_gpt_copy(m, sector, last, 1, last - table, parts, n);
}

/* A swap of this many bytes. */
static inline void
put_swap(const struct image *m, uint64_t at, uint64_t bytes, uint32_t page)
{
	put_le32(m, at + 1024, 1);
	put_le32(m, at + 1028, (uint32_t)(bytes / page - 1));
	put(m, at + 1036, "0123456789abcdef", 16);
	put_text(m, at + 1052, "paging");
	put_text(m, at + page - 10, "SWAPSPACE2");
}

/* Whether the list is exactly these (offset, length) pairs, 0 0 at the end. */
static inline bool
extents_are(const struct fy_extents *e, const uint64_t *pairs)
{
	struct fy_extents_cursor c;
	struct fy_error err = { 0 };
	struct fy_extent x;
	bool same = true;

	fy_extents_cursor_init(&c, e);
	while (fy_extents_next(&c, &x, &err) == 1) {
		if (x.offset != pairs[0] || x.length != pairs[1])
			same = false;
		if (!same)
			fprintf(stderr, "  is %llu+%llu\n",
				(unsigned long long)x.offset,
				(unsigned long long)x.length);
		if (pairs[1] != 0)
			pairs += 2;
	}
	return same && pairs[1] == 0;
}

static inline bool
has_warning(const struct fy_disk_map *m, const char *words)
{
	size_t i;

	for (i = 0; i < m->n_warnings; i++)
		if (strstr(m->warnings[i], words) != NULL)
			return true;
	return false;
}

#endif
