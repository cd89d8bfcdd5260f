/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: in which state a volume was left.
 *
 * $LogFile begins with two restart pages, of which the one with the higher
 * sequence number counts.  It says that the log is closed when no client is in
 * use, or by a flag.  ntfs-3g, ntfsfix and mkntfs empty the log: all 0xff.
 *
 * A hibernated Windows, and one that was shut down with "fast startup", leaves
 * hiberfil.sys in the root directory with a mark in its first bytes; parts of
 * the filesystem's metadata are in that file's memory image.
 *
 * Shadow copies are files in "System Volume Information" whose names end in the
 * GUID of their provider.
 */
#include "partclone/ntfs-state.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"

#define LOG_HEAD       (128u << 10) /* that restart pages are looked for in */
#define PAGE_MAX       (64u << 10)
#define NO_CLIENT      0xffffu
#define VOLUME_CLEAN   0x0002u
#define INDEX_BUDGET   FY_GIB
#define SHADOW_GUID    "{3808876b-c176-4e48-b7ae-04046e6cc752}"
#define GUID_UNITS     38u
#define SHADOW_HEADER  0x1e00u
#define SHADOW_CATALOG 48u /* in it: where the catalog is, 0 for nowhere */

/* --- $Volume -------------------------------------------------------------------------- */

static int
read_volume(struct fy_ntfs *nt, struct fy_ntfs_state *ret, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(nt, err);
	struct fy_ntfs_attribute a;
	uint32_t at = 0;
	int r;

	if (record == NULL)
		return -1;
	r = fy_ntfs_read_record(nt, FY_NTFS_VOLUME, record, err);
	if (r == 1 && !fy_ntfs_is_in_use(record))
		r = 0;
	while (r == 1) {
		r = fy_ntfs_next_attribute(record, &at, &a, err);
		if (r != 1 || a.type != FY_NTFS_VOLUME_INFORMATION)
			continue;
		if (!a.is_resident || a.value_len < 12)
			r = 0;
		else
			break;
	}
	if (r == 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the record of $Volume is damaged");
	if (r == -1)
		return -1;
	ret->major = a.value[8];
	ret->minor = a.value[9];
	ret->flags = fy_get_le16(a.value + 10);
	return 0;
}

/* --- $LogFile --------------------------------------------------------------------------- */

struct restart {
	bool found, clean;
	uint64_t lsn;
};

/* Take the restart page at 'at' of the log's head, if there is one. */
static void
look_at_page(const unsigned char *head, size_t len, size_t at,
	     unsigned char *page, struct restart *best)
{
	size_t size, area;
	uint64_t lsn;
	bool clean;

	if (len - at < 4096 || (memcmp(head + at, "RSTR", 4) != 0 &&
				memcmp(head + at, "CHKD", 4) != 0))
		return;
	size = fy_get_le32(head + at + 16);
	if (!fy_is_power_of_two(size) || size < 512 || size > PAGE_MAX ||
	    size > len - at || (at != 0 && at != size))
		return;
	memcpy(page, head + at, size);
	if (!fy_ntfs_fixup(page, (uint32_t)size,
			   memcmp(page, "RSTR", 4) == 0 ? "RSTR" : "CHKD"))
		return;
	area = fy_get_le16(page + 24);
	if (area < 30 || area > size - 48)
		return;
	lsn = fy_get_le64(page + area);
	clean = fy_get_le16(page + area + 12) == NO_CLIENT ||
		(fy_get_le16(page + area + 14) & VOLUME_CLEAN) != 0;
	/* Versions above 2 may mean something else by it. */
	if (fy_get_le16(page + 28) > 2)
		clean = false;
	if (!best->found || lsn > best->lsn)
		*best = (struct restart){ true, clean, lsn };
	else if (lsn == best->lsn)
		best->clean = best->clean && clean;
}

static bool
is_empty(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != 0xff)
			return false;
	return len > 0;
}

static enum fy_ntfs_log
judge_log(const unsigned char *head, size_t len, unsigned char *page)
{
	struct restart best = { 0 };
	size_t at;

	if (is_empty(head, len))
		return FY_NTFS_LOG_CLEAN;
	look_at_page(head, len, 0, page, &best);
	for (at = 512; at <= PAGE_MAX && at < len; at *= 2)
		look_at_page(head, len, at, page, &best);
	if (!best.found)
		return FY_NTFS_LOG_DAMAGED;
	return best.clean ? FY_NTFS_LOG_CLEAN : FY_NTFS_LOG_OPEN;
}

static int
read_log(struct fy_ntfs *nt, struct fy_ntfs_state *ret, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(nt, err);
	fy_autofree unsigned char *head = malloc(LOG_HEAD);
	fy_autofree unsigned char *page = malloc(PAGE_MAX);
	struct fy_ntfs_stream s = { 0 };
	size_t len;
	int r;

	if (record == NULL || head == NULL || page == NULL)
		return fy_error_nomem(err);
	r = fy_ntfs_read_record(nt, FY_NTFS_LOGFILE, record, err);
	if (r == 1 && !fy_ntfs_is_in_use(record))
		r = 0;
	if (r == 1)
		r = fy_ntfs_open_stream(nt, FY_NTFS_LOGFILE, record,
					FY_NTFS_DATA, "", &s, err);
	len = (size_t)fy_min_u64(s.size, LOG_HEAD);
	ret->log = FY_NTFS_LOG_DAMAGED;
	if (r == 1 && s.value == NULL) {
		r = fy_ntfs_stream_read(nt, &s, 0, head, len, err);
		if (r == 0)
			ret->log = judge_log(head, len, page);
	}
	fy_ntfs_stream_release(&s);
	return r == -1 ? -1 : 0;
}

/* --- directories ---------------------------------------------------------------------------- */

struct roots {
	uint64_t hiberfil, information; /* references; 0: not there */
};

static int
look_at_root_entry(const struct fy_ntfs_entry *e, void *ctx,
		   struct fy_error *err)
{
	struct roots *roots = ctx;

	(void)err;
	if (fy_ntfs_same_name(e->name, e->name_units, "hiberfil.sys"))
		roots->hiberfil = e->ref;
	if (fy_ntfs_same_name(e->name, e->name_units,
			      "system volume information"))
		roots->information = e->ref;
	return 0;
}

/* The record behind a reference.  1, 0 when it is another one by now, -1. */
static int
follow(struct fy_ntfs *nt, uint64_t ref, unsigned char *record,
       struct fy_error *err)
{
	int r = fy_ntfs_read_record(nt, fy_ntfs_ref_number(ref), record, err);

	if (r != 1)
		return r;
	return fy_ntfs_is_in_use(record) &&
	       fy_ntfs_sequence(record) == fy_ntfs_ref_sequence(ref);
}

static bool
is_hibernated(const unsigned char *mark)
{
	static const char *const marks[] = { "hibr", "HIBR", "rstr", "RSTR" };
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (memcmp(mark, marks[i], 4) == 0)
			return true;
	return false;
}

static int
read_hiberfil(struct fy_ntfs *nt, uint64_t ref, struct fy_ntfs_state *ret,
	      struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(nt, err);
	struct fy_ntfs_stream s = { 0 };
	unsigned char mark[4];
	int r;

	if (record == NULL)
		return -1;
	r = follow(nt, ref, record, err);
	if (r == 1)
		r = fy_ntfs_open_stream(nt, fy_ntfs_ref_number(ref), record,
					FY_NTFS_DATA, "", &s, err);
	if (r == 1 && s.size >= sizeof(mark)) {
		r = fy_ntfs_stream_read(nt, &s, 0, mark, sizeof(mark), err);
		if (r == 0)
			ret->hibernated = is_hibernated(mark);
	}
	fy_ntfs_stream_release(&s);
	return r == -1 ? -1 : 0;
}

/* "{...}{3808876b-...}": one copy's differences.  The GUID alone is the
 * catalog, which stays when the last copy has gone. */
static int
look_at_shadow(const struct fy_ntfs_entry *e, void *ctx, struct fy_error *err)
{
	(void)ctx;
	(void)err;
	if (e->name_units != 2 * GUID_UNITS)
		return 0;
	return fy_ntfs_same_name(e->name + (size_t)2 * GUID_UNITS, GUID_UNITS,
				 SHADOW_GUID);
}

/* The header that the provider of shadow copies keeps in the boot area. */
static int
has_shadow_header(struct fy_ntfs *nt, bool *ret, struct fy_error *err)
{
	static const unsigned char guid[] = { 0x6b, 0x87, 0x08, 0x38,
					      0x76, 0xc1, 0x48, 0x4e,
					      0xb7, 0xae, 0x04, 0x04,
					      0x6e, 0x6c, 0xc7, 0x52 };
	unsigned char header[64];

	*ret = false;
	if (nt->total_bytes < SHADOW_HEADER + sizeof(header))
		return 0;
	if (fy_volume_pread(nt->volume, header, sizeof(header), SHADOW_HEADER,
			    err) == -1)
		return -1;
	*ret = memcmp(header, guid, sizeof(guid)) == 0 &&
	       fy_get_le64(header + SHADOW_CATALOG) != 0;
	return 0;
}

/* When the directory can't be gone through, the header alone tells. */
static int
read_shadows(struct fy_ntfs *nt, uint64_t ref, uint64_t *budget,
	     struct fy_ntfs_state *ret, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(nt, err);
	struct fy_error why = { 0 };
	int r;

	if (record == NULL)
		return -1;
	r = follow(nt, ref, record, err);
	if (r != 1)
		return r;
	r = fy_ntfs_each_entry(nt, fy_ntfs_ref_number(ref), budget,
			       look_at_shadow, NULL, &why);
	if (r != -1) {
		ret->shadows = r == 1;
		return 0;
	}
	if (why.code == FY_E_FORMAT)
		return has_shadow_header(nt, &ret->shadows, err);
	*err = why;
	return -1;
}

/* ------------------------------------------------------------------------------------------------ */

int
fy_ntfs_read_state(struct fy_ntfs *nt, struct fy_ntfs_state *ret,
		   struct fy_error *err)
{
	struct roots roots = { 0 };
	uint64_t budget = fy_min_u64(nt->total_bytes, INDEX_BUDGET);

	memset(ret, 0, sizeof(*ret));
	if (read_volume(nt, ret, err) == -1 || read_log(nt, ret, err) == -1 ||
	    fy_ntfs_each_entry(nt, FY_NTFS_ROOT, &budget, look_at_root_entry,
			       &roots, err) == -1)
		return -1;
	if (roots.hiberfil != 0 &&
	    read_hiberfil(nt, roots.hiberfil, ret, err) == -1)
		return -1;
	if (roots.information != 0 &&
	    read_shadows(nt, roots.information, &budget, ret, err) == -1)
		return -1;
	return 0;
}

const char *
fy_ntfs_unclean(const struct fy_ntfs_state *s, const char **ret_cure)
{
	if (s->hibernated) {
		*ret_cure = "start Windows, switch hibernation and fast "
			    "startup off (powercfg /h off), and shut it down";
		return "Windows is hibernated, or was shut down with fast "
		       "startup";
	}
	if (s->flags & FY_NTFS_FLAG_CHKDSK) {
		*ret_cure = "start Windows, let chkdsk /f end, and shut it "
			    "down";
		return "chkdsk did not come to its end";
	}
	if (s->flags & FY_NTFS_FLAG_DIRTY) {
		*ret_cure = "start Windows, let chkdsk /f check the volume, "
			    "and shut it down";
		return "it is marked dirty";
	}
	if (s->log == FY_NTFS_LOG_CLEAN)
		return NULL;
	*ret_cure = "start Windows and shut it down fully (shutdown /s /f /t "
		    "0)";
	return s->log == FY_NTFS_LOG_OPEN
		       ? "its $LogFile was not closed: the system that used "
			 "it crashed, is hibernated, or was shut down with "
			 "fast startup"
		       : "its $LogFile is damaged";
}
