/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TEST_MODULES_H
#define FY_TEST_MODULES_H

/*
 * For unit tests: kernel modules that are ELF files with nothing but a
 * .modinfo section, and trees of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/test.h"

#define FAKE_VERSION "6.1.0-1-test"
#define FAKE_MAX     2048

/*
 * An ELF module whose .modinfo is 'info', 'info_len' bytes of terminated
 * texts; returns its size.  'wide': 64 bits; 'big': big-endian.
 */
static inline size_t
fake_elf(unsigned char ret[FAKE_MAX], const char *info, size_t info_len,
	 bool wide, bool big)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	size_t head = wide ? 64 : 52, step = wide ? 64 : 40;
	size_t names_at = head + info_len;
	size_t table = (names_at + sizeof(names) + 7) & ~(size_t)7, i;
	struct {
		uint64_t name, type, offset, size;
	} s[3] = { { 0, 0, 0, 0 },
		   { 1, 1, head, info_len },
		   { 10, 3, names_at, sizeof(names) } };

	memset(ret, 0, FAKE_MAX);
	memcpy(ret, "\177ELF", 4);
	ret[4] = wide ? 2 : 1;
	ret[5] = big ? 2 : 1;
	ret[6] = 1;
#define PUT(at, bits, v)                                                       \
	do {                                                                   \
		if (big)                                                       \
			fy_put_be##bits(ret + (at), (uint##bits##_t)(v));      \
		else                                                           \
			fy_put_le##bits(ret + (at), (uint##bits##_t)(v));      \
	} while (0)
	PUT(16, 16, 1);	 /* relocatable */
	PUT(18, 16, 62); /* x86-64 */
	PUT(20, 32, 1);
	if (wide)
		PUT(40, 64, table);
	else
		PUT(32, 32, table);
	PUT(wide ? 52 : 40, 16, head);
	PUT(wide ? 58 : 46, 16, step);
	PUT(wide ? 60 : 48, 16, 3);
	PUT(wide ? 62 : 50, 16, 2);
	memcpy(ret + head, info, info_len);
	memcpy(ret + names_at, names, sizeof(names));
	for (i = 0; i < 3; i++) {
		size_t at = table + i * step;

		PUT(at, 32, s[i].name);
		PUT(at + 4, 32, s[i].type);
		if (wide) {
			PUT(at + 24, 64, s[i].offset);
			PUT(at + 32, 64, s[i].size);
		} else {
			PUT(at + 16, 32, s[i].offset);
			PUT(at + 20, 32, s[i].size);
		}
	}
#undef PUT
	return table + 3 * step;
}

/* A module of FAKE_VERSION that depends on 'depends' ("a,b"). */
static inline size_t
fake_module(unsigned char ret[FAKE_MAX], const char *depends,
	    const char *softdep)
{
	char info[1024];
	size_t len = 0;

#define ADD(...)                                                               \
	(len +=                                                                \
	 (size_t)snprintf(info + len, sizeof(info) - len, __VA_ARGS__) + 1)
	ADD("license=GPL");
	ADD("depends=%s", depends);
	if (softdep != NULL)
		ADD("softdep=%s", softdep);
	ADD("vermagic=" FAKE_VERSION " SMP mod_unload");
#undef ADD
	return fake_elf(ret, info, len, true, false);
}

/* Write a file below 'dirfd', its directories made. */
static inline void
put_file(int dirfd, const char *path, const void *data, size_t len)
{
	char copy[512], *slash;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	for (slash = strchr(copy, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		CHECK(mkdirat(dirfd, copy, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0);
	if (fd < 0)
		return;
	CHECK(write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static inline void
put_text(int dirfd, const char *path, const char *text)
{
	put_file(dirfd, path, text, strlen(text));
}

/* Below lib/modules/FAKE_VERSION. */
static inline void
put_module(int dirfd, const char *path, const char *depends)
{
	unsigned char elf[FAKE_MAX];
	char full[512];

	snprintf(full, sizeof(full), "lib/modules/" FAKE_VERSION "/%s", path);
	put_file(dirfd, full, elf, fake_module(elf, depends, NULL));
}

/* A guest with modular virtio, lib being a symlink if 'merged'. */
static inline void
put_guest(int dirfd, bool merged)
{
	static const char *const modules[][2] = {
		{ "kernel/drivers/virtio/virtio.ko", "virtio_ring" },
		{ "kernel/drivers/virtio/virtio_ring.ko", "" },
		{ "kernel/drivers/virtio/virtio_pci.ko",
		  "virtio,virtio_ring,virtio_pci_legacy_dev,"
		  "virtio_pci_modern_dev" },
		{ "kernel/drivers/virtio/virtio_pci_legacy_dev.ko", "" },
		{ "kernel/drivers/virtio/virtio_pci_modern_dev.ko", "" },
		{ "kernel/drivers/block/virtio_blk.ko", "virtio,virtio_ring" },
		{ "kernel/drivers/scsi/virtio_scsi.ko", "virtio,virtio_ring" },
		{ "kernel/drivers/scsi/sd_mod.ko", "" },
		{ "kernel/drivers/net/virtio_net.ko", "virtio,net_failover" },
		{ "kernel/drivers/net/net_failover.ko", "failover" },
		{ "kernel/net/core/failover.ko", "" },
		{ "kernel/drivers/char/hw_random/virtio-rng.ko", "virtio" },
	};
	size_t i;

	if (merged) {
		CHECK(mkdirat(dirfd, "usr", 0755) == 0);
		CHECK(mkdirat(dirfd, "usr/lib", 0755) == 0);
		CHECK(symlinkat("usr/lib", dirfd, "lib") == 0);
	}
	for (i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		put_module(dirfd, modules[i][0], modules[i][1]);
	put_text(dirfd, "lib/modules/" FAKE_VERSION "/modules.builtin",
		 "kernel/drivers/char/virtio_console.ko\n");
	put_text(dirfd, "lib/modules/" FAKE_VERSION "/modules.order", "");
}

/* A fresh directory, its descriptor; removed by fake_dir_remove. */
static inline int
fake_dir(char **path)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_dir_temporary("fy-test", path, &err), &err);
	return open(*path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static inline void
fake_dir_remove(char *path, int fd)
{
	close(fd);
	fy_dir_remove_all_at(AT_FDCWD, path, NULL);
	free(path);
}

#endif
