/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal's header (docs/journal.md): the pinned JSON and the shape, and
 * telling in words what differs between two sets of pins.
 */
#include "imaging/journal-pins.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/hash.h"

#define MAGIC	    "FYJRNL1\n"
#define FIXED_BYTES 32u
#define VERSION	    1u
#define MAX_DISKS   64u
#define MAX_DEPTH   16u

/* --- comparing ------------------------------------------------------------ */

static void
value_text(const json_t *v, char *ret, size_t ret_size)
{
	fy_autofree char *text = NULL;

	if (v != NULL)
		text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY |
					     JSON_SORT_KEYS);
	if (text == NULL)
		snprintf(ret, ret_size, "nothing");
	else if (strlen(text) < ret_size)
		snprintf(ret, ret_size, "%s", text);
	else
		snprintf(ret, ret_size, "%.*s...", (int)ret_size - 4, text);
}

static int
differ(const char *path, const json_t *old, const json_t *now,
       struct fy_error *err)
{
	char was[96], is[96];

	value_text(old, was, sizeof(was));
	value_text(now, is, sizeof(is));
	return fy_error_set(err, FY_E_EXISTS, 0,
			    "an unfinished job is there that differs: '%s' was "
			    "%s and now is %s",
			    path, was, is);
}

static int compare(const char *path, unsigned depth, const json_t *old,
		   const json_t *now, struct fy_error *err);

static int
compare_objects(const char *path, unsigned depth, const json_t *old,
		const json_t *now, struct fy_error *err)
{
	/* jansson's iterators want it without const, but don't change it. */
	json_t *a = (json_t *)(uintptr_t)old, *b = (json_t *)(uintptr_t)now;
	const char *dot = path[0] != '\0' ? "." : "";
	const char *key;
	char below[200];
	json_t *value;

	json_object_foreach(a, key, value)
	{
		snprintf(below, sizeof(below), "%s%s%s", path, dot, key);
		if (compare(below, depth + 1, value, json_object_get(b, key),
			    err) == -1)
			return -1;
	}
	json_object_foreach(b, key, value)
	{
		snprintf(below, sizeof(below), "%s%s%s", path, dot, key);
		if (json_object_get(a, key) == NULL)
			return differ(below, NULL, value, err);
	}
	return 0;
}

static int
compare_arrays(const char *path, unsigned depth, const json_t *old,
	       const json_t *now, struct fy_error *err)
{
	size_t i, n = json_array_size(old), m = json_array_size(now);
	char below[200];

	for (i = 0; i < n || i < m; i++) {
		snprintf(below, sizeof(below), "%s[%zu]", path, i);
		if (compare(below, depth + 1, json_array_get(old, i),
			    json_array_get(now, i), err) == -1)
			return -1;
	}
	return 0;
}

static int
compare(const char *path, unsigned depth, const json_t *old, const json_t *now,
	struct fy_error *err)
{
	if (old != NULL && now != NULL && depth < MAX_DEPTH) {
		if (json_is_object(old) && json_is_object(now))
			return compare_objects(path, depth, old, now, err);
		if (json_is_array(old) && json_is_array(now))
			return compare_arrays(path, depth, old, now, err);
	}
	if (json_equal(old, now))
		return 0;
	return differ(path, old, now, err);
}

int
fy_journal_compare_pins(const json_t *old, const json_t *now,
			struct fy_error *err)
{
	return compare("", 0, old, now, err);
}

/* --- the header ------------------------------------------------------------ */

int
fy_journal_write_header(int dirfd, const json_t *pins,
			const struct fy_journal_shape *shape,
			struct fy_error *err)
{
	fy_autofree unsigned char *header = NULL;
	fy_autofree char *text = NULL;
	size_t len, body, total;
	unsigned i;

	text = fy_json_text(pins, 0, err);
	if (text == NULL)
		return -1;
	len = strlen(text);
	if (len > FY_JOURNAL_PINS_MAX)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the job's description is too long for "
				    "its journal (%zu bytes)",
				    len);
	body = shape->n_disks * 8 + len;
	total = (size_t)fy_align_up(FIXED_BYTES + body, FY_JOURNAL_RECORD);
	header = calloc(1, total);
	if (header == NULL)
		return fy_error_nomem(err);
	memcpy(header, MAGIC, 8);
	fy_put_le32(header + 8, VERSION);
	fy_put_le32(header + 12, (uint32_t)len);
	fy_put_le32(header + 16, shape->n_disks);
	for (i = 0; i < shape->n_disks; i++)
		fy_put_le64(header + FIXED_BYTES + i * 8, shape->units[i]);
	memcpy(header + FIXED_BYTES + shape->n_disks * 8, text, len);
	fy_put_le32(header + 20, fy_crc32c(header + FIXED_BYTES, body));
	fy_put_le32(header + 28, fy_crc32c(header, 28));
	return fy_file_replace_at(dirfd, "journal", header, total, 0600, err);
}

static int
not_whole(struct fy_error *err)
{
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "the journal's header is not whole");
}

int
fy_journal_read_header(int fd, json_t **ret_pins,
		       struct fy_journal_shape *ret_shape, uint64_t *ret_bytes,
		       struct fy_error *err)
{
	unsigned char fixed[FIXED_BYTES];
	fy_autofree unsigned char *body = NULL;
	uint32_t len, disks, i;
	struct stat st;
	size_t bytes;

	if (fstat(fd, &st) == -1 || st.st_size < (off_t)FIXED_BYTES)
		return not_whole(err);
	if (fy_fd_pread_full(fd, fixed, FIXED_BYTES, 0, err) == -1)
		return -1;
	if (memcmp(fixed, MAGIC, 8) != 0 ||
	    fy_crc32c(fixed, 28) != fy_get_le32(fixed + 28))
		return not_whole(err);
	if (fy_get_le32(fixed + 8) != VERSION)
		return fy_error_set(err, FY_E_VERSION, 0,
				    "the journal has version %u, this program "
				    "knows %u",
				    fy_get_le32(fixed + 8), VERSION);
	len = fy_get_le32(fixed + 12);
	disks = fy_get_le32(fixed + 16);
	if (len > FY_JOURNAL_PINS_MAX || disks == 0 || disks > MAX_DISKS)
		return not_whole(err);
	bytes = (size_t)disks * 8 + len;
	if ((uint64_t)st.st_size < FIXED_BYTES + bytes)
		return not_whole(err);
	body = malloc(bytes);
	if (body == NULL)
		return fy_error_nomem(err);
	if (fy_fd_pread_full(fd, body, bytes, FIXED_BYTES, err) == -1)
		return -1;
	if (fy_crc32c(body, bytes) != fy_get_le32(fixed + 20))
		return not_whole(err);
	*ret_pins = fy_json_parse((const char *)body + (size_t)disks * 8, len,
				  "the journal's header", err);
	if (*ret_pins == NULL)
		return -1;
	ret_shape->n_disks = disks;
	for (i = 0; i < disks; i++)
		ret_shape->units[i] = fy_get_le64(body + (size_t)i * 8);
	*ret_bytes = fy_align_up(FIXED_BYTES + bytes, FY_JOURNAL_RECORD);
	return 0;
}
