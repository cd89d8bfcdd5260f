/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LVM2 labels as pvcreate and vgcreate wrote them (the first 8 KiB of a 64 MiB
 * volume are the fuzzer's seed), and md superblocks that `mdadm --examine`
 * takes for correct.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/test.h"
#include "p2v-client/member.h"

#define SEED "tests/fuzz/seeds/member/lvm2"

/* A volume over an unlinked file of that size. */
static struct fy_volume *
volume(uint64_t size, int *ret_fd)
{
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;
	char path[64];

	*ret_fd = fy_file_temporary(NULL, &err);
	CHECK(*ret_fd >= 0 && ftruncate(*ret_fd, (off_t)size) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *ret_fd);
	CHECK_OK(fy_volume_open_path(path, 0, 512, &v, &err), &err);
	return v;
}

static void
put(int fd, const void *p, size_t len, uint64_t at)
{
	CHECK(pwrite(fd, p, len, (off_t)at) == (ssize_t)len);
}

static struct fy_member
member(struct fy_volume *v)
{
	struct fy_error err = { 0 };
	struct fy_member m;

	CHECK_OK(fy_member_read(v, &m, &err), &err);
	return m;
}

static void
test_lvm(const char *seed, size_t len)
{
	fy_autofd int fd = -1;
	fy_autovolume struct fy_volume *v = volume(64 * FY_MIB, &fd);
	struct fy_member m;

	put(fd, seed, len, 0);
	m = member(v);
	CHECK(m.kind == FY_MEMBER_LVM);
	CHECK_STR(m.name, "vg_test");
	CHECK_STR(m.group, "22RsO0-7JKc-jWoY-3tmI-2B7S-R5Tv-YBlKem");
	CHECK_STR(m.member, "Jnz8wP-shor-TcMw-foDb-yIEc-ChQo-ubf6xs");
	CHECK(m.members == 2);

	/* A flipped bit in the metadata: still a PV, of an unknown group. */
	put(fd, "\xff", 1, 0x1000 + 0x200 + 40);
	m = member(v);
	CHECK(m.kind == FY_MEMBER_LVM && m.group[0] == '\0' && m.members == 0);

	/* A flipped bit in the label: nothing. */
	put(fd, "x", 1, 0x220);
	CHECK(member(v).kind == FY_MEMBER_NONE);
}

static uint32_t
sum_of(const unsigned char *s, size_t len)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i + 4 <= len; i += 4)
		sum += fy_get_le32(s + i);
	if (len % 4 == 2)
		sum += fy_get_le16(s + i);
	return (uint32_t)((sum & 0xffffffff) + (sum >> 32));
}

/* Superblock 1.x at 'at' for an array of 3, this one in 'role'. */
static void
put_md1(int fd, uint64_t at, unsigned role)
{
	unsigned char s[256 + 2 * 6] = { 0 };
	size_t i;

	fy_put_le32(s, 0xa92b4efc);
	fy_put_le32(s + 4, 1);
	for (i = 0; i < 16; i++)
		s[16 + i] = (unsigned char)(0x10 + i);
	memcpy(s + 32, "host:data", 9);
	fy_put_le32(s + 72, 5);	    /* level */
	fy_put_le64(s + 80, 65536); /* size */
	fy_put_le32(s + 88, 1024);  /* chunk */
	fy_put_le32(s + 92, 3);	    /* raid disks */
	fy_put_le64(s + 128, 2048);
	fy_put_le64(s + 136, 65536);
	fy_put_le64(s + 144, at / 512);
	fy_put_le32(s + 160, 2); /* number of this device */
	memset(s + 168, 0xab, 16);
	fy_put_le32(s + 220, 6);
	for (i = 0; i < 6; i++)
		fy_put_le16(s + 256 + 2 * i, 0xffff);
	fy_put_le16(s + 256 + 4, (uint16_t)role);
	fy_put_le32(s + 216, sum_of(s, sizeof(s)));
	put(fd, s, sizeof(s), at);
}

static void
test_md1(uint64_t size, uint64_t at)
{
	fy_autofd int fd = -1;
	fy_autovolume struct fy_volume *v = volume(size, &fd);
	struct fy_member m;

	put_md1(fd, at, 1);
	m = member(v);
	CHECK(m.kind == FY_MEMBER_MD && m.members == 3 && !m.spare);
	CHECK_STR(m.group, "10111213:14151617:18191a1b:1c1d1e1f");
	CHECK_STR(m.member, "abababab:abababab:abababab:abababab");
	CHECK_STR(m.name, "host:data");
	put_md1(fd, at, 0xffff);
	CHECK(member(v).spare);
	put(fd, "\x07", 1, at + 92);
	CHECK(member(v).kind == FY_MEMBER_NONE);
}

static void
test_md0(void)
{
	const uint64_t size = 64 * FY_MIB + 4096, at = 64 * FY_MIB - 65536;
	fy_autofd int fd = -1;
	fy_autovolume struct fy_volume *v = volume(size, &fd);
	static unsigned char s[4096];
	struct fy_member m;

	fy_put_le32(s, 0xa92b4efc);
	fy_put_le32(s + 8, 90);
	fy_put_le32(s + 20, 0x11111111);
	fy_put_le32(s + 40, 2);
	fy_put_le32(s + 52, 0x22222222);
	fy_put_le32(s + 56, 0x33333333);
	fy_put_le32(s + 60, 0x44444444);
	fy_put_le32(s + 3968, 1);
	fy_put_le32(s + 3968 + 12, 1);
	fy_put_le32(s + 152, sum_of(s, sizeof(s)));
	put(fd, s, sizeof(s), at);
	m = member(v);
	CHECK(m.kind == FY_MEMBER_MD && m.members == 2 && !m.spare);
	CHECK_STR(m.group, "11111111:22222222:33333333:44444444");
	CHECK_STR(m.member, "1");
	put(fd, "\x07", 1, at + 3000);
	CHECK(member(v).kind == FY_MEMBER_NONE);
}

static void
test_nothing(void)
{
	static const uint64_t sizes[] = { 512, 2048, 4096, 12800, 131072 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fy_autofd int fd = -1;
		fy_autovolume struct fy_volume *v = volume(sizes[i], &fd);

		CHECK(member(v).kind == FY_MEMBER_NONE);
	}
}

int
main(int argc, char **argv)
{
	fy_autofree char *seed = NULL;
	struct fy_error err = { 0 };
	size_t len;

	/* For `mdadm --examine`: test-member FILE writes one. */
	if (argc == 2) {
		fy_autofd int fd = open(argv[1], O_RDWR | O_CREAT, 0600);

		CHECK(fd >= 0 && ftruncate(fd, 64 << 20) == 0);
		put_md1(fd, 4096, 1);
		return test_result();
	}
	if (fy_file_read_at(AT_FDCWD, SEED, 65536, &seed, &len, &err) == -1) {
		printf("%s is needed\n", SEED);
		return 77;
	}
	test_lvm(seed, len);
	test_md1(64 * FY_MIB, 0);
	test_md1(64 * FY_MIB, 4096);
	test_md1(64 * FY_MIB + 512, 64 * FY_MIB - 8192);
	test_md0();
	test_nothing();
	return test_result();
}
