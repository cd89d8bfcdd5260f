/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * UFS1 and UFS2 made here, byte by byte and in both byte orders: three cylinder
 * groups, marks, groups that contradict themselves, and numbers that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-driver.h"

#define FRAGMENT  1024u
#define PER_GROUP 4096u
#define GROUPS	  3u
#define FRAGMENTS (2 * PER_GROUP + 1000)
#define SUMMARY	  300u /* where the groups' summaries are */
#define FREE_AT	  200u /* of a group's map in its descriptor */

struct shape {
	bool second, big;
	uint64_t super;	 /* bytes */
	uint32_t at;	 /* fragments: the copy of it in each group */
	uint32_t offset; /* UFS1: what each group is moved by */
};

static const struct shape shapes[] = {
	{ false, false, 8192, 16, 0 },	{ false, true, 8192, 16, 0 },
	{ true, false, 65536, 72, 0 },	{ true, true, 65536, 72, 0 },
	{ true, false, 8192, 16, 0 },	{ false, true, 0, 8, 0 },
	{ false, false, 8192, 16, 16 },
};

static void
put32(const struct image *m, const struct shape *s, uint64_t at, uint32_t v)
{
	unsigned char b[4];

	if (s->big)
		fy_put_be32(b, v);
	else
		fy_put_le32(b, v);
	put(m, at, b, 4);
}

static void
put64(const struct image *m, const struct shape *s, uint64_t at, uint64_t v)
{
	unsigned char b[8];

	if (s->big)
		fy_put_be64(b, v);
	else
		fy_put_le64(b, v);
	put(m, at, b, 8);
}

static uint32_t
read32(const struct image *m, const struct shape *s, uint64_t at)
{
	unsigned char b[4];

	CHECK(pread(m->fd, b, 4, (off_t)at) == 4);
	return s->big ? fy_get_be32(b) : fy_get_le32(b);
}

static uint64_t
start_of(const struct shape *s, uint32_t group)
{
	return (uint64_t)group * PER_GROUP + s->offset * (uint64_t)group;
}

/* A group's own fragments behind the copy of the superblock. */
static uint64_t
data_of(const struct shape *s, uint32_t group)
{
	return start_of(s, group) + s->at + 24;
}

static uint64_t
descriptor(const struct shape *s, uint32_t group)
{
	return (start_of(s, group) + s->at + 8) * FRAGMENT;
}

/* The counts of free blocks (28) and fragments (36): all go to the latter. */
static void
mark(const struct image *m, const struct shape *s, uint64_t fragment, bool used)
{
	uint32_t group = (uint32_t)(fragment / PER_GROUP);
	uint64_t cg = descriptor(s, group);
	uint64_t at = cg + FREE_AT + fragment % PER_GROUP / 8;
	unsigned char b, old;

	CHECK(pread(m->fd, &b, 1, (off_t)at) == 1);
	old = b;
	b = (unsigned char)(used ? b & ~(1 << fragment % 8)
				 : b | 1 << fragment % 8);
	put_byte(m, at, b);
	if (b != old)
		put32(m, s, cg + 36,
		      read32(m, s, cg + 36) + (used ? UINT32_MAX : 1));
}

static void
mark_run(const struct image *m, const struct shape *s, uint64_t first,
	 uint64_t end, bool used)
{
	for (; first < end; first++)
		mark(m, s, first, used);
}

static void
put_super(const struct image *m, const struct shape *s)
{
	uint64_t b = s->super;

	put32(m, s, b + 8, s->at);
	put32(m, s, b + 12, s->at + 8);
	put32(m, s, b + 16, s->at + 16);
	put32(m, s, b + 20, s->at + 24);
	put32(m, s, b + 24, s->offset);
	put32(m, s, b + 28, 0xfffffff0);
	put32(m, s, b + 36, FRAGMENTS);
	put32(m, s, b + 44, GROUPS);
	put32(m, s, b + 48, 8 * FRAGMENT);
	put32(m, s, b + 52, FRAGMENT);
	put32(m, s, b + 56, 8);
	put32(m, s, b + 152, SUMMARY);
	put32(m, s, b + 156, 100);
	put32(m, s, b + 160, 2048);
	put32(m, s, b + 188, PER_GROUP);
	put_byte(m, b + 209, 1);
	put_byte(m, b + 211, 0x80);
	put64(m, s, b + 1000, s->super);
	put64(m, s, b + 1080, FRAGMENTS);
	put64(m, s, b + 1096, SUMMARY);
	put32(m, s, b + 1324, 2);
	put32(m, s, b + 1372, s->second ? 0x19540119 : 0x00011954);
}

static struct image
make(const struct shape *s)
{
	struct image m = image_new((uint64_t)(FRAGMENTS + 5) * FRAGMENT, 512);
	uint32_t g;

	put_super(&m, s);
	for (g = 0; g < GROUPS; g++) {
		uint64_t cg = descriptor(s, g), first = g * PER_GROUP;
		uint32_t n = g < 2 ? PER_GROUP : FRAGMENTS - 2 * PER_GROUP;

		put32(&m, s, cg + 4, 0x00090255);
		put32(&m, s, cg + 12, g);
		put32(&m, s, cg + 20, n);
		put32(&m, s, cg + 96, FREE_AT);
		mark_run(&m, s, first, first + n, false);
		mark_run(&m, s, g == 0 ? 0 : start_of(s, g) + s->at,
			 data_of(s, g), true);
	}
	mark(&m, s, SUMMARY, true);
	/* A copy of a block counts as eight fragments. */
	put32(&m, s, descriptor(s, 0) + 36,
	      read32(&m, s, descriptor(s, 0) + 36) - 16);
	put32(&m, s, descriptor(s, 0) + 28, 2);
	return m;
}

/* All groups' own, and these (first, count) pairs behind those of 'group', in
 * order. */
static void
expect_also(const struct image *m, const struct shape *s, uint32_t group,
	    const uint64_t *also, const char *note)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *want = fy_extents_new(&err);
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	fy_autoextents struct fy_extents *over = fy_extents_new(&err);
	fy_autoextents struct fy_extents *lack = fy_extents_new(&err);
	struct fy_fs_result result;
	uint64_t first;
	uint32_t g;

	for (g = 0; g < GROUPS; g++) {
		first = g == 0 ? 0 : start_of(s, g) + s->at;
		fy_extents_append(want, first * FRAGMENT,
				  (data_of(s, g) - first) * FRAGMENT, &err);
		if (g == 0)
			fy_extents_append(want, SUMMARY * FRAGMENT, FRAGMENT,
					  &err);
		for (; g == group && also[1] != 0; also += 2)
			fy_extents_append(want, also[0] * FRAGMENT,
					  also[1] * FRAGMENT, &err);
	}
	CHECK(err.code == FY_E_NONE);
	CHECK_OK(driver_map(&fy_fs_ufs, m, false, used, &result, &err), &err);
	CHECK(!result.whole && result.bytes == FRAGMENTS * FRAGMENT);
	CHECK_OK(fy_extents_subtract(used, want, over, &err), &err);
	CHECK_OK(fy_extents_subtract(want, used, lack, &err), &err);
	CHECK(fy_extents_count(over) == 0 && fy_extents_count(lack) == 0);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(result.warn == (note[0] != '\0'));
}

static void
expect(const struct image *m, const struct shape *s)
{
	expect_also(m, s, 0, (uint64_t[]){ 0, 0 }, "");
}

static void
expect_dirty(const struct image *m, const char *say)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK(driver_map(&fy_fs_ufs, m, false, used, &result, &err) == -1);
	CHECK(err.code == FY_E_DIRTY && strstr(err.msg, say) != NULL);
	CHECK(strstr(err.msg, "fsck_ffs") != NULL);
	driver_expect_whole(&fy_fs_ufs, m, "unclean");
}

static void
test_maps(const struct shape *s)
{
	struct image m = make(s);

	expect(&m, s);
	mark_run(&m, s, PER_GROUP + 1000, PER_GROUP + 1003, true);
	mark(&m, s, 2 * PER_GROUP - 1, true);
	expect_also(
		&m, s, 1,
		(uint64_t[]){ PER_GROUP + 1000, 3, 2 * PER_GROUP - 1, 1, 0, 0 },
		"");
	mark_run(&m, s, PER_GROUP + 1000, PER_GROUP + 1003, false);
	mark(&m, s, 2 * PER_GROUP - 1, false);
	mark(&m, s, FRAGMENTS - 1, true);
	expect_also(&m, s, 2, (uint64_t[]){ FRAGMENTS - 1, 1, 0, 0 }, "");
	image_free(&m);
}

/* A group that can't be believed costs its fragments, and no more. */
static void
test_groups(const struct shape *s)
{
	static const struct {
		uint32_t at, value;
	} lies[] = { { 4, 0x90256 }, { 12, 2 },		{ 20, PER_GROUP + 1 },
		     { 28, 1 },	     { 36, 77 },	{ 96, 100 },
		     { 96, 2000 },   { 96, UINT32_MAX } };
	uint64_t after = data_of(s, 1);
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct image m = make(s);

		put32(&m, s, descriptor(s, 1) + lies[i].at, lies[i].value);
		if (s->offset == 0 && s->at < 64)
			expect_also(&m, s, 0,
				    (uint64_t[]){ PER_GROUP, PER_GROUP, 0, 0 },
				    "1 cylinder");
		image_free(&m);
	}
	if (s->offset == 0) {
		struct image m = make(s);

		mark_run(&m, s, after - 3, after, false);
		mark(&m, s, SUMMARY, false);
		mark(&m, s, 0, false);
		expect_also(&m, s, 0, (uint64_t[]){ 0, 0 }, "5 fragments");
		image_free(&m);
	}
}

static void
test_marks(const struct shape *s)
{
	uint64_t b = s->super;
	struct image m = make(s);

	put_byte(&m, b + 209, 0);
	expect_dirty(&m, "not cleanly unmounted");
	put_byte(&m, b + 209, 2);
	expect_dirty(&m, "not cleanly unmounted");
	put_byte(&m, b + 209, 1);
	put32(&m, s, b + 1312, 1);
	expect_dirty(&m, "not cleanly unmounted");
	put32(&m, s, b + 1312, 4);
	expect_dirty(&m, "in need of fsck");
	put_byte(&m, b + 211,
		 4); /* the old flags, if the new ones don't count */
	put32(&m, s, b + 1312, 0);
	expect_dirty(&m, "in need of fsck");
	put_byte(&m, b + 211, 0);
	put32(&m, s, b + 1312, UINT32_MAX);
	expect(&m, s);
	put_byte(&m, b + 211, 0x80);
	driver_expect_whole(&fy_fs_ufs, &m, "GEOM");
	put32(&m, s, b + 1312, 0x1000);
	driver_expect_whole(&fy_fs_ufs, &m, "feature");
	put32(&m, s, b + 1312, 0x20a);
	expect(&m, s);
	image_free(&m);
}

/* A journal may be behind the filesystem. */
static void
test_journal(void)
{
	const struct shape *s = &shapes[2];
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;
	struct image m = make(s);

	put32(&m, s, s->super + 1312, 0x100);
	CHECK_OK(driver_map(&fy_fs_ufs, &m, false, used, &result, &err), &err);
	CHECK(!result.whole && result.bytes == m.size);
	CHECK(fy_extents_end(used) == m.size);
	image_free(&m);
}

static void
test_lies(const struct shape *s)
{
	static const struct {
		uint32_t at, value;
		const char *note;
	} lies[] = {
		{ 8, 99, "damaged" },
		{ 12, 0, "damaged" },
		{ 16, 5, "damaged" },
		{ 20, 5, "damaged" },
		{ 20, PER_GROUP + 1, "damaged" },
		{ 20, 1001, "outside" },
		{ 44, 4, "damaged" },
		{ 44, UINT32_MAX, "damaged" },
		{ 48, 2048, "damaged" },
		{ 48, 131072, "damaged" },
		{ 52, 500, "damaged" },
		{ 52, 256, "damaged" },
		{ 56, 0, "damaged" },
		{ 56, 16, "damaged" },
		{ 160, 100, "damaged" },
		{ 160, 16384, "damaged" },
		{ 188, 0, "damaged" },
		{ 188, UINT32_MAX, "damaged" },
		{ 156, UINT32_MAX, "outside" },
	};
	struct image m;
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		m = make(s);
		put32(&m, s, s->super + lies[i].at, lies[i].value);
		driver_expect_whole(&fy_fs_ufs, &m, lies[i].note);
		image_free(&m);
	}
	m = make(s);
	put32(&m, s, s->super + 36, FRAGMENTS + 6);
	put64(&m, s, s->super + 1080, FRAGMENTS + 6);
	driver_expect_whole(&fy_fs_ufs, &m, "behind the end");
	put32(&m, s, s->super + 36, 0);
	put64(&m, s, s->super + 1080, UINT64_MAX);
	driver_expect_whole(&fy_fs_ufs, &m,
			    s->second ? "behind the end" : "damaged");
	image_free(&m);
}

/* Superblocks that are not the one, and ones that are too many. */
static void
test_supers(void)
{
	static const struct shape second_old = { true, false, 65536, 72, 0 };
	const struct shape *s = &shapes[0];
	struct image m = make(s);

	put32(&m, s, 8192 + 1324, 0);
	driver_expect_whole(&fy_fs_ufs, &m, "Sun");
	put32(&m, s, 8192 + 1324, 2);
	put_super(&m, &second_old);
	driver_expect_whole(&fy_fs_ufs, &m, "or two");
	put64(&m, s, 65536 + 1000, 8192); /* it says that it is a copy */
	expect_also(&m, s, 0, (uint64_t[]){ 0, 0 }, "");
	put32(&m, s, 8192 + 1372, 0);
	driver_expect_whole(&fy_fs_ufs, &m, "no superblock");
	image_free(&m);
}

int
main(void)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		test_maps(&shapes[i]);
		test_groups(&shapes[i]);
		test_marks(&shapes[i]);
		test_lies(&shapes[i]);
	}
	test_journal();
	test_supers();
	return 0;
}
