/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening an image: its format by magic bytes, what must not be trusted when
 * nobody named the format, then by ourselves (raw) or by qemu-nbd.
 *
 * The first sector of a raw disk belongs to its guest.  A guest can make it
 * look like a qcow2 whose backing file is the host's /etc/shadow, so a probed
 * format is only believed when the header leads nowhere else.
 */
#include "imaging/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/cleanup.h"

#define HEAD_BYTES	 4096u
#define TAIL_BYTES	 512u
#define DESCRIPTOR_BYTES 65536u

struct magic {
	const char *format;
	unsigned offset;
	unsigned len;
	const char *bytes;
	bool tail; /* in the last 512 bytes instead */
};

static const struct magic magics[] = {
	{ "qcow2", 0, 4, "QFI\xfb", false }, /* version 1 is told apart below */
	{ "vmdk", 0, 4, "KDMV", false },
	{ "vmdk", 0, 4, "COWD", false },
	{ "vmdk", 0, 21, "# Disk DescriptorFile", false },
	{ "vhdx", 0, 8, "vhdxfile", false },
	{ "vdi", 64, 4, "\x7f\x10\xda\xbe", false },
	{ "qed", 0, 4, "QED\0", false },
	{ "parallels", 0, 16, "WithoutFreeSpace", false },
	{ "parallels", 0, 16, "WithouFreSpacExt", false },
	{ "vpc", 0, 8, "conectix", false },
	{ "vpc", 0, 8, "conectix", true },
};

struct edges {
	unsigned char head[HEAD_BYTES], tail[TAIL_BYTES];
	size_t head_bytes, tail_bytes;
};

static int
read_edges(struct fy_volume *v, struct edges *e, struct fy_error *err)
{
	uint64_t size = fy_volume_size(v);

	memset(e, 0, sizeof(*e));
	e->head_bytes = (size_t)fy_min_u64(size, HEAD_BYTES);
	if (fy_volume_pread(v, e->head, e->head_bytes, 0, err) == -1)
		return -1;
	if (size < TAIL_BYTES)
		return 0;
	e->tail_bytes = TAIL_BYTES;
	return fy_volume_pread(v, e->tail, TAIL_BYTES, size - TAIL_BYTES, err);
}

static const char *
find_format(const struct edges *e)
{
	size_t i;

	for (i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		const struct magic *m = &magics[i];
		const unsigned char *at = m->tail ? e->tail : e->head;
		size_t have = m->tail ? e->tail_bytes : e->head_bytes;

		if (m->offset + m->len > have ||
		    memcmp(at + m->offset, m->bytes, m->len) != 0)
			continue;
		if (fy_streq(m->format, "qcow2") &&
		    fy_get_be32(e->head + 4) == 1)
			return "qcow";
		return m->format;
	}
	return "raw";
}

int
fy_image_probe_format(const char *path, const char **ret, struct fy_error *err)
{
	fy_autovolume struct fy_volume *v = NULL;
	struct edges e;

	if (fy_volume_open_path(path, 0, 0, &v, err) == -1 ||
	    read_edges(v, &e, err) == -1)
		return -1;
	*ret = find_format(&e);
	return 0;
}

/* --- what a probed image may lead to --------------------------------------- */

static int
leads_away(const char *what, const char *name, struct fy_error *err)
{
	return fy_error_set(err, FY_E_DENIED, 0,
			    "it has %s ('%.100s'); it is opened only when its "
			    "format is named",
			    what, name);
}

static int
check_qcow2(struct fy_volume *v, const struct edges *e, struct fy_error *err)
{
	uint64_t at = fy_get_be64(e->head + 8);
	uint32_t len = fy_get_be32(e->head + 16);
	char name[1024] = "?";

	/* What is cut off is zero here, so it is no bit and no name. */
	if (fy_get_be32(e->head + 4) >= 3 &&
	    (fy_get_be64(e->head + 72) & 4) != 0)
		return leads_away("an external data file", "?", err);
	if (at == 0)
		return 0;
	if (len < sizeof(name)) {
		if (fy_volume_pread(v, name, len, at, err) == -1)
			return -1;
		name[len] = '\0';
	}
	return leads_away("a backing file", name, err);
}

static bool
contains(const char *text, size_t len, const char *what)
{
	return memmem(text, len, what, strlen(what)) != NULL;
}

/* The text of a VMDK: no parent.  NULs in it don't end the search. */
static int
check_parent(const char *text, size_t len, struct fy_error *err)
{
	static const char key[] = "parentCID=", none[] = "ffffffff";
	const char *at = text, *end = text + len;

	if (contains(text, len, "parentFileNameHint"))
		return leads_away("a parent", "parentFileNameHint", err);
	while ((at = memmem(at, (size_t)(end - at), key, strlen(key))) !=
	       NULL) {
		at += strlen(key);
		if ((size_t)(end - at) < strlen(none) ||
		    strncasecmp(at, none, strlen(none)) != 0)
			return leads_away("a parent", "parentCID", err);
	}
	return 0;
}

static int
check_text_at(struct fy_volume *v, uint64_t at, uint64_t bytes,
	      struct fy_error *err)
{
	fy_autofree char *text = NULL;
	uint64_t size = fy_volume_size(v);

	if (at >= size)
		return 0;
	bytes = fy_min_u64(bytes, fy_min_u64(DESCRIPTOR_BYTES, size - at));
	text = malloc((size_t)bytes + 1);
	if (text == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(v, text, (size_t)bytes, at, err) == -1)
		return -1;
	return check_parent(text, (size_t)bytes, err);
}

static int
check_vmdk(struct fy_volume *v, const struct edges *e, struct fy_error *err)
{
	uint64_t at, bytes;

	if (memcmp(e->head, "# Disk", 6) == 0)
		return leads_away("extents in other files",
				  "Disk DescriptorFile", err);
	if (memcmp(e->head, "KDMV", 4) != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "an ESX sparse extent ('COWD') is opened "
				    "only when its format is named");
	/* Without a size of its own it is a text with extents all the same. */
	if (e->head_bytes < 512 || fy_get_le64(e->head + 12) == 0)
		return leads_away("extents in other files", "KDMV", err);
	at = fy_get_le64(e->head + 28);
	bytes = fy_get_le64(e->head + 36);
	if (!fy_mul_u64(at, 512, &at) || !fy_mul_u64(bytes, 512, &bytes))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the VMDK header contradicts itself");
	/* QEMU takes the text from the second sector wherever the header says
	 * that it is. */
	if (check_text_at(v, 512, DESCRIPTOR_BYTES, err) == -1)
		return -1;
	return check_text_at(v, at, bytes, err);
}

static int
check_probed(struct fy_volume *v, const struct edges *e, const char *format,
	     struct fy_error *err)
{
	if (fy_streq(format, "qcow2"))
		return check_qcow2(v, e, err);
	if (fy_streq(format, "vmdk"))
		return check_vmdk(v, e, err);
	/* These have no way to name another file that QEMU would follow. */
	if (fy_streq(format, "vhdx") || fy_streq(format, "vdi") ||
	    fy_streq(format, "vpc") || fy_streq(format, "raw"))
		return 0;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "it looks like a %s image, which is opened only "
			    "when its format is named",
			    format);
}

int
fy_image_probe_volume(struct fy_volume *v, const char **ret,
		      struct fy_error *err)
{
	const char *format;
	struct edges e;

	if (read_edges(v, &e, err) == -1)
		return -1;
	format = find_format(&e);
	if (check_probed(v, &e, format, err) == -1)
		return fy_error_prefix(err, "'%s'", fy_volume_name(v));
	*ret = format;
	return 0;
}

/* --- opening ---------------------------------------------------------------- */

/* The name goes into qemu-nbd's arguments. */
static int
check_name(const char *format, struct fy_error *err)
{
	size_t n = strspn(format, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (n > 0 && n < 32 && format[n] == '\0' && format[0] != '-')
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0, "'%.40s' is no image format",
			    format);
}

int
fy_image_open_sectors(const char *path, const char *format, bool writable,
		      uint32_t sector_bytes, struct fy_volume **ret,
		      struct fy_error *err)
{
	enum fy_volume_flags flags = writable ? FY_VOLUME_WRITABLE : 0;
	fy_autovolume struct fy_volume *v = NULL;
	fy_autofree char *absolute = NULL;

	if (format != NULL && check_name(format, err) == -1)
		return -1;
	if (fy_volume_open_path(path, flags, sector_bytes, &v, err) == -1)
		return -1;
	if (format == NULL && fy_image_probe_volume(v, &format, err) == -1)
		return -1;
	if (fy_streq(format, "raw")) {
		*ret = fy_steal_ptr(&v);
		return 0;
	}
	/* Without a '/' in front QEMU may take it for a protocol. */
	absolute = realpath(path, NULL);
	if (absolute == NULL)
		return fy_error_set(err, FY_E_IO, errno, "cannot find '%s'",
				    path);
	fy_volume_close(fy_steal_ptr(&v));
	return fy_source_nbd_open(absolute, format, writable,
				  sector_bytes != 0 ? sector_bytes : 512, ret,
				  err);
}

int
fy_image_open(const char *path, const char *format, bool writable,
	      struct fy_volume **ret, struct fy_error *err)
{
	return fy_image_open_sectors(path, format, writable, 0, ret, err);
}

void
fy_image_drop_cache(const char *path)
{
	fy_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd != -1)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
