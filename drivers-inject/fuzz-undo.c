/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The undo log, and what a confined process wants changed, which has the same
 * bytes: as they are, and with their checksums put right in either version, for
 * else nothing behind these would ever be reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/hash.h"
#include "drivers-inject/undo-internal.h"

#define SIZE  (1u << 20)
#define DISKS 2u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
nothing(void *h, void *buf, size_t len, uint64_t offset, struct fy_error *err)
{
	(void)h;
	(void)err;
	if (offset > SIZE || len > SIZE - offset)
		abort();
	memset(buf, 0, len);
	return 0;
}

static int
drop(void *h, const void *buf, size_t len, uint64_t offset,
     struct fy_error *err)
{
	(void)h;
	(void)buf;
	(void)err;
	if (offset > SIZE || len > SIZE - offset)
		abort();
	return 0;
}

static const struct fy_volume_ops ops = { .pread = nothing, .pwrite = drop };

/* What the disks hold is what the injection wrote, where the first byte of a
 * digest is odd. */
static void
put_digests_right(unsigned char *digests, size_t n, size_t length)
{
	static const unsigned char zeros[FY_UNDO_PIECE];
	struct fy_digest d;
	size_t i, rest;

	for (i = 0; i < n; i++) {
		rest = length - i * FY_UNDO_PIECE;
		fy_digest_xxh3(zeros,
			       rest < sizeof(zeros) ? rest : sizeof(zeros), 0,
			       &d);
		if (digests[i * FY_DIGEST_BYTES] % 2 == 1)
			memcpy(digests + i * FY_DIGEST_BYTES, &d, sizeof(d));
	}
}

static void
put_right(unsigned char *p, size_t size, uint32_t version)
{
	size_t head = 16 + 8 * DISKS + 4, at, len, n_digests = 0;
	unsigned char both[8];
	uint32_t chain = 0;
	uint64_t n = 0;

	at = version == FY_UNDO_PLAIN ? head : head + 4;
	if (size < at + 32)
		return;
	memcpy(p, "FYUNDO1\n", 8);
	fy_put_le32(p + 8, version);
	fy_put_le32(p + 12, DISKS);
	fy_put_le64(p + 16, SIZE);
	fy_put_le64(p + 24, SIZE);
	fy_put_le32(p + head - 4, fy_crc32c(p, head - 4));
	for (; size - at >= 32 + 32; n++) {
		fy_put_le32(p + at, 0x52555946);
		len = fy_get_le32(p + at + 16);
		if (version == FY_UNDO_DIGESTS)
			n_digests = (len + FY_UNDO_PIECE - 1) / FY_UNDO_PIECE;
		if (n_digests * FY_DIGEST_BYTES > size - at - 64)
			break;
		put_digests_right(p + at + 32, n_digests, len);
		if (fy_get_le32(p + at + 20) == 1)
			len = 0;
		len += n_digests * FY_DIGEST_BYTES;
		if (len > size - at - 64)
			break;
		fy_put_le32(p + at + 24, fy_crc32c(p + at + 32, len));
		fy_put_le32(p + at + 28, fy_crc32c(p + at, 28));
		fy_put_le32(both, chain);
		memcpy(both + 4, p + at + 28, 4);
		chain = fy_crc32c(both, 8);
		at += 32 + len;
	}
	p += size - 32;
	fy_put_le32(p, 0x54555946);
	fy_put_le64(p + 8, n);
	fy_put_le64(p + 16, size);
	fy_put_le32(p + 24, chain);
	fy_put_le32(p + 28, fy_crc32c(p, 28));
}

/* As a list of changes, of which an undo log is made. */
static void
apply(struct fy_volume *const *v, int fd)
{
	fy_autofd int undo_fd = fy_file_temporary("/dev/shm", NULL);
	FY_AUTO(undo_log)
	struct fy_undo_log *l =
		fy_undo_log_new("undo", undo_fd, v, DISKS, NULL);

	if (l == NULL || undo_fd == -1)
		return;
	if (fy_undo_fill(l, fd, NULL, NULL) == -1 ||
	    fy_undo_put_trailer(l, NULL) == -1 ||
	    fy_changes_apply(v, DISKS, fd, l, NULL, NULL) == -1)
		abort();
}

static void
read_it(struct fy_volume *const *v, const unsigned char *data, size_t size)
{
	struct fy_extents *x[DISKS] = { fy_extents_new(NULL),
					fy_extents_new(NULL) };
	fy_autofd int fd = fy_file_temporary("/dev/shm", NULL);
	FY_AUTO(undo_log)
	struct fy_undo_log *l = fy_undo_log_new("log", fd, v, DISKS, NULL);
	uint64_t bytes;

	if (x[0] != NULL && x[1] != NULL && fd != -1 && l != NULL &&
	    fy_fd_write_full(fd, data, size, NULL) == 0) {
		if (fy_changes_read(v, DISKS, fd, x, NULL) == 0)
			apply(v, fd);
		fy_undo_log_apply(l, NULL, &bytes, NULL);
	}
	fy_extents_free(x[0]);
	fy_extents_free(x[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fy_volume *v[DISKS] = {
		fy_volume_new(&ops, NULL, "a", SIZE, 512, NULL),
		fy_volume_new(&ops, NULL, "b", SIZE, 512, NULL),
	};
	fy_autofree unsigned char *copy = malloc(size + 1);
	uint32_t version;

	if (copy != NULL && v[0] != NULL && v[1] != NULL) {
		memcpy(copy, data, size);
		read_it(v, copy, size);
		for (version = FY_UNDO_PLAIN; version <= FY_UNDO_DIGESTS;
		     version++) {
			memcpy(copy, data, size);
			put_right(copy, size, version);
			read_it(v, copy, size);
		}
	}
	fy_volume_close(v[0]);
	fy_volume_close(v[1]);
	return 0;
}
