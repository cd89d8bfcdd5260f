/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS made here, byte by byte: sizes of clusters, sectors and records, the
 * states that a volume may be left in, lists of bad clusters, attributes in
 * pieces, and volumes that lie.
 */
#include "partclone/test-ntfs.h"

#include <errno.h>

static const struct layout plain = { 512, 4096, 1024 };

static int
read_map(const struct ntfs *n, bool allow_dirty, struct fy_fs_result *ret,
	 struct fy_extents *used, struct fy_error *err)
{
	const struct fy_fs_map_options options = { .allow_dirty = allow_dirty };
	struct fy_error why = { 0 };
	struct fy_fs_info info;

	CHECK_OK(fy_fs_identify(n->m.volume, &info, &why), &why);
	CHECK(info.driver == &fy_fs_ntfs && fy_streq(info.name, "ntfs"));
	CHECK(fy_streq(info.uuid, "123456789ABCDEF0"));
	return fy_fs_map(n->m.volume, &info, &options, used, ret, err);
}

/* The map besides the first regions and the end is these (offset, length). */
static void
expect(const struct ntfs *n, const uint64_t *pairs, const char *note)
{
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	uint64_t want[32] = { 0, R_FREE * n->region }, i = 2;
	uint64_t end = n->clusters * n->l.cluster;
	struct fy_fs_result result;

	for (; pairs[1] != 0; pairs += 2) {
		if (pairs[0] == want[i - 2] + want[i - 1]) {
			want[i - 1] += pairs[1];
			continue;
		}
		want[i++] = pairs[0];
		want[i++] = pairs[1];
	}
	if (want[i - 2] + want[i - 1] == end) {
		want[i - 1] += n->m.size - end;
	} else {
		want[i++] = end;
		want[i++] = n->m.size - end;
	}
	CHECK(used != NULL);
	CHECK_OK(read_map(n, false, &result, used, &err), &err);
	CHECK(!result.whole && result.bytes == n->m.size);
	if (note[0] == '\0' ? result.note[0] != '\0'
			    : strstr(result.note, note) == NULL) {
		fprintf(stderr, "the note is '%s'\n", result.note);
		CHECK(false);
	}
	CHECK(extents_are(used, want));
	fy_extents_free(used);
}

static void
expect_whole(const struct ntfs *n, const char *note)
{
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK(used != NULL);
	CHECK_OK(read_map(n, false, &result, used, &err), &err);
	if (!result.whole || strstr(result.note, note) == NULL) {
		fprintf(stderr, "the note is '%s'\n", result.note);
		CHECK(false);
	}
	CHECK(result.warn);
	CHECK(extents_are(used, (uint64_t[]){ 0, n->m.size, 0, 0 }));
	fy_extents_free(used);
}

static void
expect_dirty(const struct ntfs *n, const char *words)
{
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK(used != NULL);
	CHECK(read_map(n, false, &result, used, &err) == -1);
	CHECK(err.code == FY_E_DIRTY && strstr(err.msg, words) != NULL);
	CHECK(strstr(err.msg, "--allow-dirty") != NULL);
	CHECK(fy_extents_count(used) == 0);
	fy_error_clear(&err);
	CHECK_OK(read_map(n, true, &result, used, &err), &err);
	CHECK(result.whole && result.warn && strstr(result.note, "unclean"));
	CHECK(extents_are(used, (uint64_t[]){ 0, n->m.size, 0, 0 }));
	fy_extents_free(used);
}

static const uint64_t nothing[] = { 0, 0 };

/* --- the map --------------------------------------------------------------- */

static void
test_bits(const struct layout *l)
{
	struct ntfs n = ntfs_new(l);
	uint64_t c = l->cluster, at = lcn_of(&n, 20) + 3;

	expect(&n, nothing, "");
	mark(&n, at, 1, true);
	mark(&n, at + 2, 70, true);
	expect(&n, (uint64_t[]){ at * c, c, (at + 2) * c, 70 * c, 0, 0 }, "");
	mark(&n, n.clusters - 1, 1, true);
	expect(&n,
	       (uint64_t[]){ at * c, c, (at + 2) * c, 70 * c,
			     (n.clusters - 1) * c, c, 0, 0 },
	       "");
	image_free(&n.m);
}

/* Bits behind the volume's end say nothing; clusters behind the bitmap's end
 * are used. */
static void
test_length(void)
{
	struct ntfs n = ntfs_new(&plain);
	uint64_t c = plain.cluster, known = n.clusters - 800;
	struct record r = begin(&n, 6, 1);

	put(&n.m, R_BITMAP * n.region + n.clusters / 8, "\xff\xff\xff", 3);
	expect(&n, nothing, "");
	regions(&r, &n, 0x80, "", R_BITMAP, 1, known / 8);
	finish(&n, &r);
	expect(&n, (uint64_t[]){ known * c, 800 * c, 0, 0 },
	       "800 clusters behind");
	image_free(&n.m);
}

static void
test_unmarked(void)
{
	struct ntfs n = ntfs_new(&plain);

	mark(&n, lcn_of(&n, R_MFT) + 2, 3, false);
	mark(&n, 0, 1, false);
	mark(&n, lcn_of(&n, R_ROOT), 1, false);
	expect(&n, nothing, "5 clusters of its own files are free");
	image_free(&n.m);
}

static void
test_bad_clusters(void)
{
	struct ntfs n = ntfs_new(&plain);
	uint64_t c = plain.cluster, at = lcn_of(&n, 30);
	unsigned char pairs[64];
	uint32_t len = 0;

	mark(&n, at - 1, 12, true);
	/* In the MFT, where none can be; then a hole, and ten. */
	pairs[len] = 0x04;
	fy_put_le32(pairs + 1, (uint32_t)lcn_of(&n, R_MFT));
	len += 5;
	len += code_run(pairs + len, 1, (int64_t)lcn_of(&n, R_MFT));
	pairs[len] = 0x04;
	fy_put_le32(pairs + len + 1, (uint32_t)(at - lcn_of(&n, R_MFT) - 1));
	len += 5;
	len += code_run(pairs + len, 10, (int64_t)(at - lcn_of(&n, R_MFT)));
	bad_record(&n, pairs, len);
	expect(&n, (uint64_t[]){ (at - 1) * c, c, (at + 10) * c, c, 0, 0 },
	       "10 bad clusters are not read");
	/* A list that names others than it should is not believed. */
	bad_record(&n, pairs, code_run(pairs, 10, (int64_t)at));
	expect(&n, (uint64_t[]){ (at - 1) * c, 12 * c, 0, 0 },
	       "list of bad clusters makes no sense");
	image_free(&n.m);
}

/* --- states ------------------------------------------------------------------ */

static void
test_log(void)
{
	unsigned char *empty = malloc(256 * 1024);
	struct ntfs n = ntfs_new(&plain);

	CHECK(empty != NULL);
	memset(empty, 0xff, 256 * 1024);
	restart_page(&n, 1, 101, 0, 0);
	expect_dirty(&n, "$LogFile was not closed");
	restart_page(&n, 1, 101, 0xffff, 0);
	expect(&n, nothing, "");
	restart_page(&n, 1, 101, 0, 2);
	expect(&n, nothing, "");
	/* The same number twice: both must be clean. */
	restart_page(&n, 1, 100, 0, 0);
	expect_dirty(&n, "$LogFile was not closed");
	restart_page(&n, 0, 100, 0, 0);
	restart_page(&n, 1, 100, 0xffff, 0);
	expect_dirty(&n, "$LogFile was not closed");
	restart_page(&n, 0, 100, 0xffff, 0);
	/* What looks like a third one is none. */
	restart_page(&n, 2, 500, 0, 0);
	expect(&n, nothing, "");
	restart_page(&n, 1, 100, 0, 0);
	/* A torn page does not count. */
	put_byte(&n.m, R_LOG * n.region + 4096 + 510, 0);
	expect(&n, nothing, "");
	put_byte(&n.m, R_LOG * n.region + 1022, 0);
	expect_dirty(&n, "$LogFile is damaged");
	put(&n.m, R_LOG * n.region, empty, n.region);
	expect(&n, nothing, "");
	put_byte(&n.m, R_LOG * n.region + 9000, 0);
	expect_dirty(&n, "$LogFile is damaged");
	free(empty);
	image_free(&n.m);
}

static void
test_flags(void)
{
	struct ntfs n = ntfs_new(&plain);

	volume_record(&n, 3, 1, 1);
	expect_dirty(&n, "chkdsk /f check");
	volume_record(&n, 3, 1, 0x4000);
	expect_dirty(&n, "chkdsk did not");
	volume_record(&n, 3, 1, 0x8080);
	expect(&n, nothing, "");
	volume_record(&n, 1, 2, 0);
	expect(&n, nothing, "");
	volume_record(&n, 3, 2, 0);
	expect_whole(&n, "NTFS 3.2");
	image_free(&n.m);
}

/* A file in the root directory: 'name' is record 'number', its data 'data'. */
static void
root_file(struct ntfs *n, uint32_t number, const char *name, const char *data)
{
	unsigned char entries[256];
	struct record r = begin(n, number, 1);

	file_name(&r, ref(5), name, 1);
	resident(&r, 0x80, "", data, (uint32_t)strlen(data));
	finish(n, &r);
	index_block(n, R_ROOT, entries,
		    index_entry(entries, ref(number), ref(5), name, 1));
}

static void
test_hibernated(void)
{
	struct ntfs n = ntfs_new(&plain);
	struct record r = begin(&n, 24, 1);
	uint32_t runs;

	root_file(&n, 24, "HiberFil.SYS", "hibr....");
	expect_dirty(&n, "powercfg /h off");
	root_file(&n, 24, "hiberfil.sys", "HIBR....");
	expect_dirty(&n, "hibernated");
	root_file(&n, 24, "hiberfil.sys", "wake");
	expect(&n, nothing, "");
	root_file(&n, 24, "hiberfil.sys", "hi");
	expect(&n, nothing, "");
	root_file(&n, 24, "hiberfil.syz", "hibr");
	expect(&n, nothing, "");
	/* With clusters of its own; and an entry of a file that has gone. */
	root_file(&n, 24, "hiberfil.sys", "");
	file_name(&r, ref(5), "hiberfil.sys", 1);
	runs = r.at;
	regions(&r, &n, 0x80, "", 40, 1, 4096);
	finish(&n, &r);
	put_text(&n.m, 40 * n.region, "RSTR");
	expect_dirty(&n, "hibernated");
	fy_put_le64(r.b + runs + 56, 0); /* none of it is initialized */
	finish(&n, &r);
	expect(&n, nothing, "");
	fy_put_le64(r.b + runs + 56, 4096);
	finish(&n, &r);
	expect_dirty(&n, "hibernated");
	put_le16(&n.m, R_MFT * n.region + 24 * 1024 + 16, 2);
	expect(&n, nothing, "");
	image_free(&n.m);
}

static void
test_shadows(void)
{
	static const char store[] = "{01234567-89AB-CDEF-0123-456789ABCDEF}"
				    "{3808876B-c176-4e48-b7ae-04046e6cc752}";
	struct ntfs n = ntfs_new(&plain);
	struct record r = begin(&n, 25, 3);
	unsigned char entries[512];
	uint32_t len;

	directory(&r, &n, R_FREE);
	finish(&n, &r);
	mark(&n, lcn_of(&n, R_FREE), n.per, true);
	len = index_entry(entries, ref(25), ref(5), "System Volume Information",
			  1);
	index_block(&n, R_ROOT, entries, len);
	len = index_entry(entries, ref(26), ref(25), store + 38, 1);
	index_block(&n, R_FREE, entries, len);
	expect(&n, (uint64_t[]){ R_FREE * n.region, n.region, 0, 0 }, "");
	len += index_entry(entries + len, ref(27), ref(25), store, 1);
	index_block(&n, R_FREE, entries, len);
	expect(&n, (uint64_t[]){ R_FREE * n.region, n.region, 0, 0 },
	       "restore points");
	image_free(&n.m);
}

/* --- records and their pieces -------------------------------------------------- */

static void
test_mirror(void)
{
	struct ntfs n = ntfs_new(&plain);
	unsigned i;

	for (i = 0; i < 4; i++) {
		put_byte(&n.m, R_MFT * n.region + i * 1024, 'B');
		expect(&n, nothing, "its copy was used");
	}
	/* A record that is another's. */
	put_byte(&n.m, R_MFT * n.region, 'F');
	put_byte(&n.m, R_MFT * n.region + 44, 7);
	expect(&n, nothing, "its copy was used");
	put_byte(&n.m, R_MIRROR * n.region + 511, 7);
	expect_whole(&n, "neither the MFT's first record nor its copy");
	image_free(&n.m);
}

/* --- sectors that can't be read ---------------------------------------------- */

struct holes {
	struct fy_volume *v;
	uint64_t from, to;
};

static int
pread_holes(void *handle, void *buf, size_t len, uint64_t offset,
	    struct fy_error *err)
{
	const struct holes *h = handle;

	if (offset < h->to && offset + len > h->from)
		return fy_error_set(err, FY_E_IO, EIO, "a bad sector");
	return fy_volume_pread(h->v, buf, len, offset, err);
}

/* The driver's answer when one sector of the volume can't be read. */
static int
map_without(const struct ntfs *n, uint64_t sector, struct fy_fs_result *ret,
	    struct fy_error *err)
{
	static const struct fy_volume_ops ops = { .pread = pread_holes };
	const struct fy_fs_map_options options = { 0 };
	const struct fy_fs_info info = { .name = "ntfs",
					 .driver = &fy_fs_ntfs };
	struct holes holes = { n->m.volume, sector, sector + 512 };
	struct fy_extents *used = fy_extents_new(err);
	struct fy_volume *v;
	int r;

	v = fy_volume_new(&ops, &holes, "holes", n->m.size, 512, err);
	CHECK(used != NULL && v != NULL);
	r = fy_fs_map(v, &info, &options, used, ret, err);
	CHECK(r == 0 || fy_extents_count(used) == 0);
	fy_volume_close(v);
	fy_extents_free(used);
	return r;
}

static void
test_unreadable(void)
{
	struct ntfs n = ntfs_new(&plain);
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	uint64_t mft = R_MFT * n.region;
	unsigned i;

	for (i = 0; i < 4; i++) {
		CHECK_OK(map_without(&n, mft + i * 1024 + 512, &result, &err),
			 &err);
		CHECK(!result.whole && result.warn &&
		      strstr(result.note, "its copy was used") != NULL);
	}
	/* No copy of these; and a bitmap that ends in an error is no bitmap. */
	CHECK(map_without(&n, mft + 6 * 1024, &result, &err) == -1);
	CHECK(err.code == FY_E_IO);
	fy_error_clear(&err);
	CHECK(map_without(&n, R_BITMAP * n.region, &result, &err) == -1);
	CHECK(err.code == FY_E_IO);
	fy_error_clear(&err);
	CHECK(map_without(&n, R_LOG * n.region, &result, &err) == -1);
	CHECK(err.code == FY_E_IO);
	fy_error_clear(&err);
	/* What is not needed for the map. */
	CHECK_OK(map_without(&n, 20 * n.region, &result, &err), &err);
	CHECK(!result.whole && !result.warn);
	image_free(&n.m);
}

/* An entry of an attribute list; returns its length. */
static uint32_t
list_entry(unsigned char *p, uint32_t type, uint64_t vcn, uint64_t where)
{
	memset(p, 0, 32);
	fy_put_le32(p, type);
	fy_put_le16(p + 4, 32);
	p[7] = 26;
	fy_put_le64(p + 8, vcn);
	fy_put_le64(p + 16, where);
	return 32;
}

/* $Bitmap in two pieces, the second in record 30, which the list (resident, or
 * in region 10) names. */
static void
split_bitmap(struct ntfs *n, bool resident_list, uint64_t where, uint64_t base)
{
	struct record r = begin(n, 6, 1), x = begin(n, 30, 1);
	unsigned char list[64], pairs[16];
	uint32_t len = list_entry(list, 0x80, 0, ref(6));

	len += list_entry(list + len, 0x80, 1, where);
	if (resident_list) {
		resident(&r, 0x20, "", list, len);
	} else {
		regions(&r, n, 0x20, "", 10, 1, len);
		put(&n->m, 10 * n->region, list, len);
	}
	piece(&r, 0x80, "", 0, pairs,
	      code_run(pairs, 1, (int64_t)lcn_of(n, R_BITMAP)),
	      bitmap_bytes(n));
	finish(n, &r);
	fy_put_le64(x.b + 32, base);
	piece(&x, 0x80, "", 1, pairs,
	      code_run(pairs, n->per - 1, (int64_t)lcn_of(n, R_BITMAP) + 1), 0);
	finish(n, &x);
}

static void
test_pieces(void)
{
	/* 128 clusters to a region: 2 KiB of bitmap. */
	static const struct layout small = { 512, 512, 1024 };
	struct ntfs n = ntfs_new(&small);
	uint64_t at = lcn_of(&n, 100);

	mark(&n, at, 5, true);
	mark(&n, lcn_of(&n, 10), n.per, true);
	split_bitmap(&n, true, ref(30), ref(6));
	expect(&n,
	       (uint64_t[]){ 10 * n.region, n.region, at * 512, 5 * 512, 0, 0 },
	       "");
	split_bitmap(&n, false, ref(30), ref(6));
	expect(&n,
	       (uint64_t[]){ 10 * n.region, n.region, at * 512, 5 * 512, 0, 0 },
	       "");
	/* Another's record, one that is not there, one that was reused. */
	split_bitmap(&n, true, ref(30), ref(7));
	expect_whole(&n, "attribute list");
	split_bitmap(&n, true, ref(31), ref(6));
	expect_whole(&n, "attribute list");
	split_bitmap(&n, true, 30 | UINT64_C(2) << 48, ref(6));
	expect_whole(&n, "attribute list");
	split_bitmap(&n, true, ref(0xffffffffffff), ref(6));
	expect_whole(&n, "attribute list");
	/* Its own record once more: no piece begins there. */
	split_bitmap(&n, true, ref(6), ref(6));
	expect_whole(&n, "attribute list");
	image_free(&n.m);
}

/* The MFT in two pieces: record 30, which tells of the second, is in the
 * first; record 40 is in the second. */
static void
test_mft_pieces(void)
{
	struct ntfs n = ntfs_new(&plain);
	struct record r = begin(&n, 0, 1), x = begin(&n, 30, 1);
	struct record last = begin(&n, 40, 1);
	unsigned char list[64], pairs[16];
	static unsigned char bytes[8 * 1024];
	uint64_t half = 32 * 1024, lcn = lcn_of(&n, R_MFT), far;
	uint32_t len = list_entry(list, 0x80, 0, ref(0));

	len += list_entry(list + len, 0x80, 8, ref(30));
	resident(&r, 0x20, "", list, len);
	piece(&r, 0x80, "", 0, pairs, code_run(pairs, 8, (int64_t)lcn),
	      RECORDS * 1024);
	finish(&n, &r);
	far = lcn_of(&n, 50);
	fy_put_le64(x.b + 32, ref(0));
	piece(&x, 0x80, "", 8, pairs, code_run(pairs, 8, (int64_t)far), 0);
	finish(&n, &x);
	/* hiberfil.sys is what is read through the second piece. */
	root_file(&n, 40, "hiberfil.sys", "none");
	file_name(&last, ref(5), "hiberfil.sys", 1);
	resident(&last, 0x80, "", "hibr", 4);
	finish(&n, &last);
	CHECK(pread(n.m.fd, bytes, sizeof(bytes),
		    (off_t)(R_MFT * n.region + half + 8 * 1024)) ==
	      sizeof(bytes));
	put(&n.m, far * 4096 + 8 * 1024, bytes, sizeof(bytes));
	mark(&n, far, 8, true);
	expect_dirty(&n, "hibernated");
	put_byte(&n.m, far * 4096 + 8 * 1024, 'X');
	expect(&n, (uint64_t[]){ far * 4096, 8 * 4096, 0, 0 }, "");
	image_free(&n.m);
}

/* --- lies ------------------------------------------------------------------------- */

/* $Bitmap with these coded runs. */
static void
lie_in_runs(const char *pairs, uint32_t len)
{
	struct ntfs n = ntfs_new(&plain);
	struct record r = begin(&n, 6, 1);

	piece(&r, 0x80, "", 0, pairs, len, bitmap_bytes(&n));
	finish(&n, &r);
	expect_whole(&n, "damaged");
	image_free(&n.m);
}

static void
test_runs(void)
{
	lie_in_runs("", 0);			    /* none */
	lie_in_runs("\x01\x01", 2);		    /* a hole */
	lie_in_runs("\x11\x00\x40", 3);		    /* length 0 */
	lie_in_runs("\x11\xff\x40", 3);		    /* length -1 */
	lie_in_runs("\x11\x01\xff\x11\x01\xfe", 6); /* below 0 */
	lie_in_runs("\x41\x01\xff\xff\xff\x7f", 6); /* outside */
	lie_in_runs("\x21\x7f\xff\x07", 4);	    /* reaches out */
	lie_in_runs("\x91\x01\x01", 3);		    /* 9 bytes */
	lie_in_runs("\x19\x01\x01", 3);
	lie_in_runs("\x88\x01\x01", 3); /* more than there are */
	lie_in_runs("\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
		    "\x11\x01\x40",
		    12); /* vcn overflows */
	lie_in_runs("\x81\x01\xff\xff\xff\xff\xff\xff\xff\x7f"
		    "\x81\x01\xff\xff\xff\xff\xff\xff\xff\x7f",
		    20); /* lcn overflows */
}

static void
test_records(void)
{
	struct ntfs n = ntfs_new(&plain);
	uint64_t at = R_MFT * n.region + 6 * 1024;
	static const struct {
		uint64_t at;
		uint32_t value;
	} lies[] = {
		{ 0, 0x44414142 },  /* BAAD */
		{ 4, 0x000303fc },  /* fixups at the end */
		{ 4, 0x00040030 },  /* too many of them */
		{ 22, 0 },	    /* not in use */
		{ 20, 0x00010ff0 }, /* attributes outside */
		{ 24, 0xffffffff }, /* used bytes */
		{ 24, 76 },	    /* too few of them */
		{ 72 + 4, 0 },	    /* length of the attribute */
		{ 72 + 4, 0x20 },   /* too short for runs */
		{ 72 + 4, 0x7ffff8 },
		{ 72 + 8, 0x0000ff01 },	 /* a long name */
		{ 72 + 8, 0x00000002 },	 /* neither resident nor not */
		{ 72 + 32, 0xffff },	 /* runs outside */
		{ 72 + 52, 0xffffffff }, /* size */
		{ 72 + 12, 0x00000001 }, /* compressed */
		{ 72 + 12, 0x00004000 }, /* encrypted */
		{ 72 + 16, 1 },		 /* begins in its middle */
	};
	unsigned char was[1024];
	size_t i;

	CHECK(pread(n.m.fd, was, sizeof(was), (off_t)at) == sizeof(was));
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		put_le32(&n.m, at + lies[i].at, lies[i].value);
		expect_whole(&n, "damaged");
		put(&n.m, at, was, sizeof(was));
	}
	expect(&n, nothing, "");
	image_free(&n.m);
}

static void
test_boot(void)
{
	struct ntfs n = ntfs_new(&plain);
	static const struct {
		unsigned at, value;
	} lies[] = {
		{ 12, 3 },    { 12, 32 },   { 13, 0 },	  { 13, 3 },
		{ 13, 0xe0 }, { 13, 0x81 }, { 16, 2 },	  { 22, 1 },
		{ 64, 0 },    { 64, 3 },    { 64, 0xf8 }, { 64, 0xc0 },
		{ 41, 0xff }, { 47, 0x7f }, { 50, 0xff }, { 58, 0xff },
	};
	unsigned char was[512];
	size_t i;

	CHECK(pread(n.m.fd, was, sizeof(was), 0) == sizeof(was));
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		put_byte(&n.m, lies[i].at, lies[i].value);
		expect_whole(&n, "damaged");
		put(&n.m, 0, was, sizeof(was));
	}
	/* The MFT is not where the boot sector says. */
	put_byte(&n.m, 48, 0x70);
	put_byte(&n.m, 56, 0x70);
	expect_whole(&n, "neither");
	image_free(&n.m);
}

/* What looks alike is not taken for it. */
static void
test_others(void)
{
	static const struct {
		uint64_t at;
		const char *magic;
		size_t len;
		const char *name;
	} others[] = {
		{ 3, "-FVE-FS-", 8, "BitLocker" },
		{ 3, "EXFAT   ", 8, "exfat" },
		{ 0, "\0\0\0ReFS\0\0\0\0", 11, "ReFS" },
	};
	struct fy_fs_info info;
	struct fy_error err = { 0 };
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct ntfs n = ntfs_new(&plain);

		put(&n.m, others[i].at, others[i].magic, others[i].len);
		CHECK_OK(fy_fs_identify(n.m.volume, &info, &err), &err);
		CHECK(fy_streq(info.name, others[i].name));
		CHECK(info.driver != &fy_fs_ntfs);
		image_free(&n.m);
	}
}

int
main(void)
{
	static const struct layout layouts[] = {
		{ 512, 512, 1024 },	{ 512, 1024, 1024 },
		{ 512, 4096, 1024 },	{ 512, 4096, 4096 },
		{ 512, 65536, 1024 },	{ 512, 131072, 1024 },
		{ 512, 2097152, 1024 }, { 1024, 2048, 2048 },
		{ 4096, 4096, 4096 },	{ 4096, 2097152, 4096 },
	};
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		test_bits(&layouts[i]);
	test_length();
	test_unmarked();
	test_bad_clusters();
	test_log();
	test_flags();
	test_hibernated();
	test_shadows();
	test_mirror();
	test_unreadable();
	test_pieces();
	test_mft_pieces();
	test_runs();
	test_records();
	test_boot();
	test_others();
	return 0;
}
