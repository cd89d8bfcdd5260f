/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A partclone image to its place.  Only the used blocks are written.  Checksums
 * are checked on the way; with a verification the digest of what was written is
 * compared with that of what is read back.
 */
#include "partclone/restore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/bytes.h"

#define READ_BYTES (1u << 20)
#define MAX_TOLD   20u

int
fy_damage_add(void *damage, uint64_t from, uint64_t to, struct fy_error *err)
{
	struct fy_damage *d = damage;

	(void)err;
	d->n++;
	if (d->n <= MAX_TOLD)
		fy_used_warn("a checksum does not match: used blocks between "
			     "bytes %" PRIu64 " and %" PRIu64
			     " of the volume are damaged",
			     from, to);
	if (d->n == MAX_TOLD + 1)
		fy_used_warn("further damage is not shown one by one");
	/* Strips follow each other, so the list stays in order. */
	if (d->ranges == NULL || from < d->last_end)
		return 0;
	d->last_end = to;
	return fy_extents_append(d->ranges, from, to - from, err);
}

static int
write_all(const struct fy_used_options *o, struct fy_ptcl_reader *r,
	  struct fy_target *t, uint64_t shift, struct fy_damage *damage,
	  XXH3_state_t *digest, uint64_t *ret_written,
	  struct fy_progress *progress, struct fy_error *err)
{
	const unsigned char *data;
	uint64_t offset;
	size_t n;
	int status;

	*ret_written = 0;
	while ((status = fy_ptcl_next(r, &offset, &data, &n, err)) == 1) {
		if (fy_target_write(t, data, n, shift + offset, err) == -1)
			return -1;
		if (digest != NULL)
			XXH3_128bits_update(digest, data, n);
		if (offset == 0 && n >= sizeof(damage->first)) {
			memcpy(damage->first, data, sizeof(damage->first));
			damage->has_first = true;
		}
		*ret_written += n;
		fy_progress_add(progress, n, 0);
	}
	if (status == 0)
		return 0;
	if (!o->keep_going || err->code != FY_E_CORRUPT)
		return -1;
	fy_used_warn("%s: what comes behind is lost", err->msg);
	fy_error_clear(err);
	damage->n++;
	return 0;
}

/* The first 'bytes' of the used ones, read back. */
static int
read_back(const struct fy_used_options *o, const struct fy_extents *used,
	  struct fy_target *t, uint64_t shift, uint64_t bytes,
	  XXH3_state_t *digest, struct fy_progress *progress,
	  struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc(READ_BYTES);
	struct fy_extents_cursor c;
	struct fy_extent x;
	size_t n;
	int r;

	if (buf == NULL)
		return fy_error_nomem(err);
	fy_progress_phase(progress, "verify", bytes);
	fy_extents_cursor_init(&c, used);
	while (bytes > 0 && (r = fy_extents_next(&c, &x, err)) != 0) {
		if (r == -1)
			return -1;
		x.length = fy_min_u64(x.length, bytes);
		bytes -= x.length;
		for (; x.length > 0; x.offset += n, x.length -= n) {
			n = (size_t)fy_min_u64(x.length, READ_BYTES);
			if (fy_stop_check(o->stop, err) == -1 ||
			    fy_target_read(t, buf, n, shift + x.offset, err) ==
				    -1)
				return -1;
			XXH3_128bits_update(digest, buf, n);
			fy_progress_add(progress, n, 0);
		}
	}
	return 0;
}

static int
verify(const struct fy_used_options *o, struct fy_ptcl_reader *r,
       struct fy_target *t, uint64_t shift, uint64_t bytes,
       XXH3_state_t *digest, struct fy_progress *progress, struct fy_error *err)
{
	XXH128_hash_t want = XXH3_128bits_digest(digest);

	XXH3_128bits_reset(digest);
	if (fy_target_sync(t, err) == -1 ||
	    read_back(o, fy_ptcl_used(r), t, shift, bytes, digest, progress,
		      err) == -1)
		return -1;
	if (XXH128_isEqual(want, XXH3_128bits_digest(digest)))
		return 0;
	return fy_error_set(err, FY_E_DIFFERENT, 0,
			    "what is read back from the target is not what was "
			    "written: do not trust the device");
}

int
fy_restore_image(const struct fy_used_options *o, struct fy_ptcl_reader *r,
		 struct fy_target *t, uint64_t shift, struct fy_damage *damage,
		 struct fy_progress *progress, struct fy_error *err)
{
	XXH3_state_t *digest = NULL;
	uint64_t written;
	int status;

	if (o->keep_going)
		fy_ptcl_tolerate(r, fy_damage_add, damage);
	if (o->verify) {
		digest = XXH3_createState();
		if (digest == NULL)
			return fy_error_nomem(err);
		XXH3_128bits_reset(digest);
	}
	status = write_all(o, r, t, shift, damage, digest, &written, progress,
			   err);
	if (status == 0 && digest != NULL)
		status = verify(o, r, t, shift, written, digest, progress, err);
	XXH3_freeState(digest);
	return status;
}

/* Whether the image has the bytes [at, at + 512). */
static int
holds(const struct fy_extents *used, uint64_t at, bool *ret,
      struct fy_error *err)
{
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	*ret = false;
	fy_extents_cursor_init(&c, used);
	while ((r = fy_extents_next(&c, &x, err)) == 1)
		if (at < x.offset + x.length && at + 512 > x.offset) {
			*ret = true;
			return 0;
		}
	return r;
}

int
fy_restore_ntfs_copy(struct fy_ptcl_reader *r, const struct fy_damage *damage,
		     struct fy_target *t, uint64_t shift, struct fy_error *err)
{
	const struct fy_ptcl_header *h = fy_ptcl_header(r);
	const unsigned char *p = damage->first;
	uint64_t at;
	bool there;

	if (!damage->has_first || strcmp(h->filesystem, "NTFS") != 0 ||
	    memcmp(p + 3, "NTFS    ", 8) != 0 ||
	    !fy_mul_u64(fy_get_le64(p + 40), fy_get_le16(p + 11), &at) ||
	    at < h->block_bytes || h->device_bytes < sizeof(damage->first) ||
	    at > h->device_bytes - sizeof(damage->first))
		return 0;
	if (holds(fy_ptcl_used(r), at, &there, err) == -1)
		return -1;
	return there ? 0
		     : fy_target_write(t, p, sizeof(damage->first), shift + at,
				       err);
}
