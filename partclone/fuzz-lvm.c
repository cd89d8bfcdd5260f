/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A volume group on two disks out of hostile metadata: the input is a text (up
 * to a NUL), and what follows is the first disk's data from its first extent
 * on.  Labels, areas and checksums around the text are right, for no mutation
 * would find them; the PVs' ids are those that the text has for pv0 and pv1.
 */
#include "partclone/fuzz-tools.h"
#include "partclone/test-lvm-image.h"

#define DISK_BYTES (64 * FY_MIB)

/* The id of "NAME {" in the text, without dashes. */
static void
find_id(const char *text, const char *name, char ret[33])
{
	const char *at = strstr(text, name);
	size_t n = 0;

	memset(ret, 'x', 32);
	ret[32] = '\0';
	if (at == NULL || (at = strstr(at, "id = \"")) == NULL)
		return;
	for (at += 6; *at != '\0' && *at != '"' && n < 32; at++)
		if (*at != '-')
			ret[n++] = *at;
}

static bool
may_be_ext(const uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i++)
		if (p[i] == 0x53 && p[i + 1] == 0xef)
			return true;
	return false;
}

static uint8_t *
make_head(const char *text, size_t len, const char *name, const uint8_t *data,
	  size_t data_len)
{
	uint8_t *head = calloc(1, PV_DATA + data_len + 1);
	char id[33];

	if (head == NULL)
		abort();
	find_id(text, name, id);
	make_label(head + 512, id, DISK_BYTES, PV_DATA - PV_AREA);
	make_area(head + PV_AREA, PV_AREA, PV_DATA - PV_AREA, 512, text, len,
		  0);
	memcpy(head + PV_AREA + 512, text, len);
	memcpy(head + PV_DATA, data, data_len);
	return head;
}

/* What lies on them can be had as long as it is said to be, and no further. */
static void
open_set(struct fy_volume *const *v)
{
	struct fy_disk_set *set = NULL;
	unsigned char end[512];
	size_t i, k;

	if (fy_disk_set_open(v, 2, &set, NULL) == -1)
		return;
	for (i = 0; i < 2; i++) {
		const struct fy_disk_map *m = fy_disk_set_map(set, i);

		for (k = 0; k < fy_disk_map_rows(m); k++) {
			const struct fy_disk_volume *row =
				fy_disk_map_row(m, k);
			struct fy_volume *of = fy_disk_set_volume(set, i, row);

			if (of != NULL && row->length >= sizeof(end) &&
			    fy_volume_pread(of, end, sizeof(end),
					    row->length - sizeof(end),
					    NULL) == -1)
				abort();
		}
	}
	fy_disk_set_free(set);
}

static void
map(struct fuzz_disk *disks)
{
	const struct fy_disk_map_options options[2] = {
		{ .allow_dirty = true },
		{ .allow_dirty = true },
	};
	struct fy_volume *v[2] = { fuzz_volume(&disks[0], 512),
				   fuzz_volume(&disks[1], 512) };
	struct fy_disk_map *maps[2] = { NULL };
	struct fy_error err = { 0 };
	size_t i;

	if (fy_disk_set_read(v, 2, options, maps, NULL, &err) == 0)
		for (i = 0; i < 2; i++) {
			json_t *j;

			fuzz_check_extents(maps[i]->used, DISK_BYTES);
			j = fy_disk_map_json(maps[i], true, &err);
			if (j == NULL)
				abort();
			json_decref(j);
			fy_disk_map_free(maps[i]);
		}
	open_set(v);
	fy_volume_close(v[0]);
	fy_volume_close(v[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_disk disks[2] = { { .size = DISK_BYTES },
				      { .size = DISK_BYTES } };
	const uint8_t *rest;
	size_t len;
	char *text;

	if (size > PV_DATA / 2)
		return 0;
	len = strnlen((const char *)data, size);
	rest = data + len + (len < size);
	text = strndup((const char *)data, len);
	if (text == NULL)
		abort();
	/* Its map could start e2fsck. */
	if (!may_be_ext(data, size)) {
		disks[0].head = make_head(text, len, "pv0 {", rest,
					  (size_t)(data + size - rest));
		disks[0].head_len = PV_DATA + (size_t)(data + size - rest);
		disks[1].head = make_head(text, len, "pv1 {", rest, 0);
		disks[1].head_len = PV_DATA;
		disks[0].tail = disks[0].head;
		disks[1].tail = disks[1].head;
		map(disks);
		free((void *)(uintptr_t)disks[0].head);
		free((void *)(uintptr_t)disks[1].head);
	}
	free(text);
	return 0;
}
