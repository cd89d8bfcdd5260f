#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real kernel unpacks what we append, for every compression, with an early
# archive and without, usrmerged and not; the real modprobe finds the modules
# by the index that we made; the disk on virtio appears, and the one on AHCI,
# whose modules were in the archive, still does.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/initramfs.sh"
requires qemu-system-x86_64 cpio gzip xz lzma zstd lz4 gcc ldd jq
requires_built obj/drivers-inject/test-linux-initramfs-tool
kernel_get

cat >"$T/init.c" <<'END'
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void cat(const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");
	printf("FILE %s:\n", path);
	while (f && fgets(line, sizeof(line), f))
		printf("  %s", line);
	if (f)
		fclose(f);
}

static void probe(const char *name)
{
	pid_t p = fork();
	if (p == 0) {
		execl("/sbin/modprobe", "modprobe", "-q", name, (char *)NULL);
		_exit(127);
	}
	waitpid(p, NULL, 0);
}

/* What udev's coldplug does: every modalias to modprobe. */
static void coldplug(const char *bus)
{
	char path[512], alias[512];
	struct dirent *e;
	DIR *d;
	snprintf(path, sizeof(path), "/sys/bus/%s/devices", bus);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		FILE *f;
		snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/modalias",
			 bus, e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(alias, sizeof(alias), f)) {
			alias[strcspn(alias, "\n")] = 0;
			probe(alias);
		}
		fclose(f);
	}
	if (d)
		closedir(d);
}

static void list(const char *dir, const char *tag)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			printf("%s %s\n", tag, e->d_name);
	if (d)
		closedir(d);
}

int main(void)
{
	struct stat st;
	int i, fd = open("/dev/console", O_RDWR);
	if (fd >= 0)
		for (i = 0; i < 3; i++)
			dup2(fd, i);
	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	printf("INIT\n");
	printf("LINK lib %d\n", lstat("/lib", &st) == 0 && S_ISLNK(st.st_mode));
	for (i = 0; i < 3; i++) {
		coldplug("pci");
		coldplug("virtio");
		coldplug("scsi");
	}
	for (i = 0; i < 50 && (access("/sys/block/vda", F_OK) ||
			       access("/sys/block/sda", F_OK)); i++)
		usleep(100000);
	list("/sys/block", "BLOCK");
	list("/sys/class/net", "NET");
	list("/sys/module", "MODULE");
	cat("/conf/modules");
	cat("/conf/conf.d/resume");
	cat("/conf/other");
	cat("/etc/systemd/network/10-a.link");
	printf("END\n");
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
END
gcc -O1 -static -o "$T/init" "$T/init.c"
truncate -s 8M "$T/disk.raw"

# A tree that boots.
bootable() {
	tree_make "$1" "$2"
	cp "$T/init" "$1/init"
	copy_program "$1" /bin/kmod sbin/kmod
	ln -s kmod "$1/sbin/modprobe"
	# Two names for one file: only conf/conf.d/resume may change.
	printf 'RESUME=/dev/sda5\n' >"$1/conf/other"
	ln -f "$1/conf/other" "$1/conf/conf.d/resume"
	mknod "$1/dev/console" c 5 1 2>/dev/null || :
}

boot() { # INITRD LOG
	timeout 240 qemu-system-x86_64 -accel tcg,thread=multi -M q35 -m 512 \
		-nodefaults -display none -no-reboot -serial "file:$2" \
		-kernel "$KROOT/boot/vmlinuz-$KVER" -initrd "$1" \
		-append "console=ttyS0 panic=-1 quiet loglevel=4 tsc=unstable" \
		-drive "if=none,id=a,format=raw,snapshot=on,file=$T/disk.raw" \
		-device virtio-blk-pci,drive=a \
		-drive "if=none,id=b,format=raw,snapshot=on,file=$T/disk.raw" \
		-device ahci,id=ahci -device ide-hd,drive=b,bus=ahci.0 \
		-device virtio-net-pci </dev/null
	tr -d '\r' <"$2" >"$2.text"
}

has() { # LOG LINE
	grep -qxF -- "$2" "$1.text" ||
		{ cat "$1.text" >&2; fail "$NAME: no line '$2'"; }
}
has_no() {
	! grep -qE -- "$2" "$1.text" ||
		{ cat "$1.text" >&2; fail "$NAME: a line like '$2'"; }
}

printf 'RESUME=UUID=1234\n' >"$T/resume"
printf '[Match]\nDriver=virtio_net\n' >"$T/link"
bootable "$T/merged" merged
bootable "$T/split" split
for shape in merged split; do
	tree_cpio "$T/$shape" >"$T/$shape.cpio"
done

# Without the segment there must be no virtio, else this proves nothing.
NAME=before
gzip -n -1 <"$T/merged.cpio" >"$T/initrd"
boot "$T/initrd" "$T/before"
has "$T/before" END
has "$T/before" 'BLOCK sda'
has_no "$T/before" '^BLOCK vda'

one() { # NAME SHAPE METHOD EARLY [OPTION]...
	local shape=$2 method=$3 early=$4 link=1
	NAME=$1
	shift 4
	: >"$T/initrd"
	[ "$early" = no ] || early_cpio >>"$T/initrd"
	pack "$method" <"$T/$shape.cpio" >>"$T/initrd"
	inject "$KROOT" "$KVER" "$T/initrd" "$T/out" \
		--override=conf/conf.d/resume="$T/resume" \
		--override=/etc/systemd/network/10-a.link="$T/link" "$@" \
		>"$T/report.json"
	boot "$T/out" "$T/log"
	[ "$shape" = merged ] || link=0
	has "$T/log" INIT
	has "$T/log" "LINK lib $link"
	has "$T/log" 'BLOCK vda'
	has "$T/log" 'BLOCK sda'
	has "$T/log" 'NET eth0'
	has "$T/log" 'MODULE virtio_blk'
	has "$T/log" 'MODULE ahci'
	has "$T/log" '  virtio_blk'
	has "$T/log" '  ext4'
	has "$T/log" '  RESUME=UUID=1234'
	has "$T/log" '  RESUME=/dev/sda5' # the other name's file
	has "$T/log" '  Driver=virtio_net'
	has "$T/log" END
	has_no "$T/log" 'nitramfs unpacking failed|junk|invalid magic'
	say "$NAME: boots, $(jq .segment_bytes "$T/report.json") bytes added"
}

one none merged none no
one none-early split none yes
one gzip merged gzip yes
one gzip-small split gzip yes --small
one xz merged xz yes
one xz-small merged xz no --small
one zstd split zstd no
one zstd-small merged zstd yes --small
one lzma merged lzma yes
one lz4 merged lz4 yes
one lz4-split split lz4 no
# LZ4 whose plain bytes end at no multiple of 4, and zeros behind it.
truncate -s 3 "$T/zeros"
cat "$T/zeros" >>"$T/merged.cpio"
one lz4-unaligned merged lz4 yes
