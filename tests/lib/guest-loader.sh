# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The boot loaders of make-guest's machines, installed as their own tools leave
# them, from its variables and functions.
#
#     guest_loader KIND        grub, extlinux, systemd-boot

cmdline="console=tty0 console=ttyS0,115200"
# An emulator on a loaded machine fails the kernel's test of its timer.
cmdline+=" no_timer_check"

grub_config() {
	local disable_uuid=
	[ "$fstab" = uuid ] || disable_uuid="GRUB_DISABLE_LINUX_UUID=true"
	mkdir -p "$root/boot/grub"
	cat >"$root/etc/default/grub" <<-CONF
	GRUB_DEFAULT=0
	GRUB_TIMEOUT=1
	GRUB_DISTRIBUTOR="Debian"
	GRUB_CMDLINE_LINUX_DEFAULT=""
	GRUB_CMDLINE_LINUX="$cmdline"
	GRUB_TERMINAL="console serial"
	GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
	GRUB_DISABLE_OS_PROBER=true
	$disable_uuid
	CONF
	quietly in_guest grub-mkconfig -o /boot/grub/grub.cfg
	# Without udev's links, grub-mkconfig names the loop device's partition.
	sed -i "s|root=[^ ]*\( ro\)|root=$(ref root)\1|" \
		"$root/boot/grub/grub.cfg"
	grep -q "root=$(ref root) " "$root/boot/grub/grub.cfg" ||
		die "grub.cfg does not name the root filesystem"
}

grub_bios() {
	local serial=/dev/disk/by-id/ata-QEMU_HARDDISK_QM0000 disks=
	disks=${serial}1
	[ "$stack" != md ] || disks+=", ${serial}2"
	printf 'grub-pc grub-pc/install_devices multiselect %s\n' "$disks" |
		in_guest debconf-set-selections
	if [ "$stack" = md ]; then
		grub_on_md
	else
		quietly in_guest grub-install --target=i386-pc "$loop"
	fi
}

# What grub-install does when /boot is on md's RAID 1, on each of its disks;
# here there is no array to look at.
grub_on_md() {
	local l lib=$root/usr/lib/grub/i386-pc
	mkdir -p "$root/boot/grub/i386-pc"
	cp "$lib"/*.mod "$lib"/*.lst "$root/boot/grub/i386-pc/"
	quietly in_guest grub-mkimage -O i386-pc -o /tmp/core.img \
		-p "(mduuid/${md_uuid//:/})/boot/grub" \
		biosdisk part_msdos diskfilter mdraid1x ext2
	[ "$(stat -c %s "$root/tmp/core.img")" -lt $((2047 * 512)) ] ||
		die "GRUB's core does not fit before the first partition"
	for l in "$loop" "$loop2"; do
		dd if="$lib/boot.img" of="$l" bs=440 count=1 conv=notrunc \
			status=none
		dd if="$root/tmp/core.img" of="$l" bs=512 seek=1 conv=notrunc \
			status=none
	done
}

# As grub-install leaves it: nothing in EFI/BOOT, the firmware's variables name
# EFI/debian/shimx64.efi.
grub_uefi() {
	local grub=$root/usr/lib/grub/x86_64-efi shim=$root/usr/lib/shim
	local bootpart=root prefix=/boot/grub
	[ -z "$separate_boot" ] || bootpart=boot prefix=/grub
	mkdir -p "$root/boot/grub/x86_64-efi"
	cp "$grub"/*.mod "$grub"/*.lst "$root/boot/grub/x86_64-efi/"
	{
		echo "search.fs_uuid $(uuid_of "$bootpart") root" \
			"hd0,gpt${number[$bootpart]}"
		echo "set prefix=(\$root)'$prefix'"
		echo "configfile \$prefix/grub.cfg"
	} >"$work/grub.cfg"
	mmd -i "$work/esp" ::/EFI ::/EFI/debian
	to_esp "$work/grub.cfg" EFI/debian/grub.cfg
	to_esp "$shim/shimx64.efi.signed" EFI/debian/shimx64.efi
	to_esp "$shim/mmx64.efi.signed" EFI/debian/mmx64.efi
	to_esp "$shim/fbx64.efi.signed" EFI/debian/fbx64.efi
	to_esp "$shim/BOOTX64.CSV" EFI/debian/BOOTX64.CSV
	to_esp "$grub-signed/grubx64.efi.signed" EFI/debian/grubx64.efi
}

to_esp() {
	mcopy -i "$work/esp" "$1" "::/$2"
}

extlinux_bios() {
	mkdir -p "$root/boot/extlinux"
	cat >"$root/boot/extlinux/extlinux.conf" <<-CONF
	serial 0 115200
	default linux
	prompt 0
	timeout 10

	label linux
		menu label Debian GNU/Linux, kernel $kver
		linux ../vmlinuz-$kver
		initrd ../initrd.img-$kver
		append root=$(ref root) ro $cmdline
	CONF
	quietly in_guest extlinux --install /boot/extlinux
	dd if="$root/usr/lib/EXTLINUX/mbr.bin" of="$loop" bs=440 count=1 \
		conv=notrunc status=none
}

# As bootctl and kernel-install leave it, but without the copy in EFI/BOOT,
# which is to be the conversion's (bootctl makes it, unless it finds another
# loader there).
systemd_boot() {
	local id entry
	id=$(cat "$root/etc/machine-id")
	entry=$id-$kver.conf
	mkdir -p "$root/etc/kernel"
	echo "root=$(ref root) ro $cmdline" >"$root/etc/kernel/cmdline"
	cat >"$work/entry" <<-CONF
	title      Debian GNU/Linux 12 (bookworm)
	version    $kver
	machine-id $id
	sort-key   debian
	options    root=$(ref root) ro $cmdline
	linux      /$id/$kver/linux
	initrd     /$id/$kver/initrd.img-$kver
	CONF
	printf 'timeout 1\ndefault %s-*\n' "$id" >"$work/loader.conf"
	mmd -i "$work/esp" ::/EFI ::/EFI/systemd ::/EFI/Linux ::/loader \
		::/loader/entries "::/$id" "::/$id/$kver"
	to_esp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" \
		EFI/systemd/systemd-bootx64.efi
	to_esp "$work/loader.conf" loader/loader.conf
	to_esp "$work/entry" "loader/entries/$entry"
	to_esp "$root/boot/vmlinuz-$kver" "$id/$kver/linux"
	to_esp "$root/boot/initrd.img-$kver" "$id/$kver/initrd.img-$kver"
}

guest_loader() {
	case $1-$firmware in
	grub-*) grub_config ;;
	esac
	case $1-$firmware in
	grub-bios) grub_bios ;;
	grub-uefi) grub_uefi ;;
	extlinux-bios) extlinux_bios ;;
	systemd-boot-uefi) systemd_boot ;;
	esac
	[ "$firmware" = bios ] ||
		dd if="$work/esp" of="$(part esp)" bs=1M conv=notrunc status=none
}
