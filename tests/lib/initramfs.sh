# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# For the tests of the initramfs: a real kernel with its modules, and small
# initramfs trees around it.  To be sourced after common.sh.

# Unpack Debian's current kernel package into $FY_CACHE once; sets $KROOT (a
# guest's root with /boot and /lib/modules) and $KVER.
kernel_get() {
	local package lock dir
	requires apt-get apt-cache dpkg-deb flock
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: *\(linux-image-[^ ]*\)$/\1/p' | head -n 1)
	[ -n "$package" ] || skip "apt knows no linux-image-amd64"
	KVER=${package#linux-image-}
	KROOT=$FY_CACHE/kernel-$KVER
	mkdir -p "$FY_CACHE"
	exec {lock}>"$FY_CACHE/kernel.lock"
	flock "$lock"
	if ! [ -e "$KROOT/.done" ]; then
		dir=$(mktemp -d "$FY_CACHE/kernel.XXXXXX")
		at_exit rm -rf "$dir"
		(cd "$dir" && apt-get -qq download "$package" >/dev/null 2>&1) ||
			skip "the package $package can't be downloaded"
		rm -rf "$KROOT"
		dpkg-deb -x "$dir"/*.deb "$KROOT"
		touch "$KROOT/.done"
		rm -rf "$dir"
	fi
	exec {lock}>&-
}

# Copy a program and the libraries that it needs to their places below DIR.
# copy_program DIR PROGRAM TARGET
copy_program() {
	local dir=$1 from=$2 to=$3 lib
	cp -L "$from" "$dir/$to"
	for lib in $(ldd "$from" | grep -o '/[^ ]*'); do
		mkdir -p "$dir$(dirname "$lib")"
		cp -Ln "$lib" "$dir$lib" 2>/dev/null || [ -e "$dir$lib" ]
	done
}

# A small initramfs of initramfs-tools' shape, with ahci and no virtio.
# tree_make DIR merged|split [MODULES-DIRECTORY]
tree_make() {
	local dir=$1 shape=$2 from=${3:-$KROOT} m
	mkdir -p "$dir"/{conf/conf.d,scripts,etc,dev,proc,sys}
	if [ "$shape" = merged ]; then
		mkdir -p "$dir"/usr/{bin,sbin,lib,lib64}
		for m in bin sbin lib lib64; do
			ln -s "usr/$m" "$dir/$m"
		done
	else
		mkdir -p "$dir"/{bin,sbin,lib,lib64}
	fi
	: >"$dir/scripts/functions"
	: >"$dir/conf/initramfs.conf"
	printf '# loaded early\next4\n' >"$dir/conf/modules"
	printf 'RESUME=/dev/sda5\n' >"$dir/conf/conf.d/resume"
	for m in drivers/ata/{ahci,libahci,libata} crypto/crct10dif_common \
		drivers/scsi/{scsi_mod,scsi_common,sd_mod} block/t10-pi \
		lib/{crc-t10dif,crc64,crc64-rocksoft}; do
		tree_module "$dir" "kernel/$m.ko" "$from"
	done
	for m in "$from/lib/modules/$KVER"/modules.{builtin,builtin.modinfo,order}; do
		cp "$m" "$dir/lib/modules/$KVER/"
	done
	/sbin/depmod -b "$dir" "$KVER"
}

# tree_module DIR PATH [MODULES-DIRECTORY]
tree_module() {
	local to=$1/lib/modules/$KVER/$2
	mkdir -p "$(dirname "$to")"
	cp "${3:-$KROOT}/lib/modules/$KVER/$2" "$to"
}

tree_cpio() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort |
		cpio -o -H newc --quiet -R 0:0)
}

# Compress stdin as initramfs-tools and dracut do.
pack() {
	case $1 in
	none) cat ;;
	gzip) gzip -n -6 ;;
	xz) xz --check=crc32 -1 ;;
	lzma) lzma -1 ;;
	zstd) zstd -q -3 ;;
	lz4) lz4 -l -q -3 ;;
	*) fail "no such compression: $1" ;;
	esac
}

# An early microcode archive, as it stands before the main one.
early_cpio() {
	mkdir -p "$T/early/kernel/x86/microcode"
	head -c 3001 /dev/zero | tr '\0' m \
		>"$T/early/kernel/x86/microcode/AuthenticAMD.bin"
	tree_cpio "$T/early"
}

inject() {
	"$FY_BUILD/obj/drivers-inject/test-linux-initramfs-tool" "$@"
}
