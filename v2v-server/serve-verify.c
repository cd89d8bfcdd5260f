/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * --verify: the finished images, before injection, against the digests that
 * came with the units.  The page cache is dropped before, so that the disk is
 * read and not the memory.  What differs is forgotten: the same command sends
 * it again.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "imaging/verify.h"
#include "v2v-server/images.h"
#include "v2v-server/session.h"

static void
drop_cache(struct fy_session *s, unsigned disk)
{
	fy_autofd int fd = openat(s->dir->fd, s->disks[disk].file,
				  O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Forget each durable unit that the image does not have; their number. */
static int
forget_differing(struct fy_session *s, struct fy_volume *v, unsigned disk,
		 uint64_t *ret, struct fy_error *err)
{
	const struct fy_session_disk *d = &s->disks[disk];
	fy_autofree unsigned char *raw = malloc(d->unit_bytes);
	struct fy_digest want, is;
	struct fy_place place;
	uint64_t unit = 0, at, n;

	*ret = 0;
	if (raw == NULL)
		return fy_error_nomem(err);
	for (; fy_journal_next(s->journal, disk, &unit); unit++) {
		struct fy_error why = { 0 };

		at = unit * d->unit_bytes;
		n = fy_min_u64(d->unit_bytes, d->params.disk_bytes - at);
		memset(raw, 0, d->unit_bytes);
		if (fy_stop_check(s->stop, err) == -1 ||
		    fy_journal_get(s->journal, disk, unit, &want, &place,
				   err) == -1)
			return -1;
		if (fy_volume_pread(v, raw, n, at, &why) == 0) {
			fy_digest_xxh3(raw, d->unit_bytes, s->seed, &is);
			if (fy_digest_equal(&want, &is))
				continue;
		}
		(*ret)++;
		if (fy_journal_forget(s->journal, disk, unit, err) == -1)
			return -1;
	}
	return *ret > 0 ? fy_journal_sync(s->journal, err) : 0;
}

/* The difference stays the error; that it will be mended is told. */
static int
mend_later(struct fy_session *s, struct fy_volume *v, unsigned disk,
	   struct fy_error *err)
{
	struct fy_error why = { 0 };
	uint64_t n;

	if (forget_differing(s, v, disk, &n, &why) == -1)
		fy_session_warn(s, "%s: %s", s->disks[disk].file, why.msg);
	else if (n > 0)
		fy_session_warn(s,
				"%s: %" PRIu64
				" units differ; the same command sends them "
				"again",
				s->disks[disk].file, n);
	return fy_error_prefix(err, "verification");
}

int
fy_session_verify(struct fy_session *s, struct fy_error *err)
{
	FY_AUTO(images) struct fy_images *images = NULL;
	uint64_t total = 0;
	unsigned i;

	for (i = 0; i < s->n_disks; i++) {
		total += fy_journal_count(s->journal, i) *
			 s->disks[i].unit_bytes;
		drop_cache(s, i);
	}
	fy_progress_phase(&s->progress, "verify", total);
	if (fy_session_open_images(s, false, &images, err) == -1)
		return -1;
	for (i = 0; i < s->n_disks; i++) {
		struct fy_verify v = {
			.image = images->volumes[i],
			.journal = s->journal,
			.disk = i,
			.disk_bytes = s->disks[i].params.disk_bytes,
			.unit_bytes = s->disks[i].unit_bytes,
			.seed = s->seed,
			.progress = &s->progress,
			.stop = s->stop,
		};

		if (fy_image_verify(&v, err) == 0)
			continue;
		if (err->code == FY_E_DIFFERENT)
			return mend_later(s, images->volumes[i], i, err);
		return -1;
	}
	return 0;
}
