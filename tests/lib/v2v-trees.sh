# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Trees of guests that virt-v2v converts: it runs the guest's own programs, so
# below each distribution's layout lies a real userland with rpm, dracut,
# initramfs-tools and GRUB, Debian's, and a database of packages that its rpm
# (or dpkg) wrote.  To be sourced after families.sh, with modules_get called.

# shellcheck source=tests/lib/apt-sources.sh
. "$FY_TOP/tests/lib/apt-sources.sh"

V2V_PACKAGES=rpm,dracut-core,initramfs-tools,grub2-common,kmod,udev,systemd,\
zstd,cpio,e2fsprogs
# Room: it wants 10 MB free in /boot, and 100 in the root.
ROOT_KIB=440000
BOOT_KIB=65536
export ROOT_KIB BOOT_KIB

# userland_get: the tarball of the userland in $USERLAND, made once
userland_get() {
	local lock options=() line
	USERLAND=$FY_CACHE/userland-$(sha256 <<<"$V2V_PACKAGES" | cut -c1-12).tar
	mkdir -p "$FY_CACHE"
	exec {lock}>"$FY_CACHE/userland.lock"
	flock "$lock"
	if ! [ -e "$USERLAND" ]; then
		[ -n "$(debian_sources)" ] || skip "apt knows no Debian sources"
		while IFS= read -r line; do
			[ -z "$line" ] || options+=(--aptopt="$line")
		done < <(apt_proxies)
		debian_sources >"$T/sources"
		mmdebstrap --quiet --variant=minbase "${options[@]}" \
			--include="$V2V_PACKAGES" \
			--dpkgopt='path-exclude=/usr/share/doc/*' \
			--dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' \
			"$(debian_suite)" "$T/userland.tar" - <"$T/sources"
		mv "$T/userland.tar" "$USERLAND.new"
		mv "$USERLAND.new" "$USERLAND"
	fi
	exec {lock}>&-
}

# tree_new: the userland in $G, with the kernel's modules, of no distribution
# yet but with Debian's database; old_initramfs makes what the old hardware left.
tree_new() {
	G=$T/guest
	rm -rf "$G"
	mkdir -p "$G"
	tar -xf "$USERLAND" -C "$G"
	rm -rf "$G"/var/{cache,lib/apt,lib/rpm,log}/* "$G"/etc/fstab \
		"$G"/etc/hostname "$G"/usr/share/{i18n,common-licenses,zoneinfo}
	mkdir -p "$G"/{var/lib/rpm,boot,etc/modprobe.d}
	guest_modules
	cp "$KROOT/boot/config-$KVER" "$G/boot/"
	cp "$KROOT/boot/vmlinuz-$KVER" "$G/boot/"
	printf 'old\n' | put etc/hostname
}

# tree_rpm ID KERNEL-PACKAGE: no Debian any more; rpm's database has the kernel
# and what package_add adds.
tree_rpm() {
	rm -rf "$G"/etc/debian_version "$G"/var/lib/dpkg "$G"/etc/dpkg \
		"$G"/etc/issue* "$G"/etc/initramfs-tools "$G"/usr/share/initramfs-tools \
		"$G"/usr/sbin/*initramfs* "$G"/etc/apt "$G"/usr/bin/{apt,dpkg}* \
		"$G"/etc/grub.d/05_debian_theme
	ln -s grub-mkconfig "$G/usr/sbin/grub2-mkconfig"
	# As distributions have it; without what only takes time in emulation.
	printf '%s\n' 'hostonly="yes"' 'omit_dracutmodules+=" systemd
		systemd-initrd dracut-systemd nvdimm qemu terminfo virtiofs
		kernel-modules-extra shutdown "' |
		put usr/lib/dracut/dracut.conf.d/01-dist.conf
	rm -f "$G"/usr/lib/dracut/dracut.conf.d/10-debian.conf
	# Debian's rpm has its database in the home directory.
	echo '%_dbpath /var/lib/rpm' | put etc/rpm/macros
	package_add "$1" "/boot/vmlinuz-$KVER" "/boot/config-$KVER" \
		"/lib/modules/$KVER"
	package_add rpm /usr/bin/rpm
}

# package_add NAME FILE...: a package of files that are there already
package_add() {
	local name=$1 version=${KVER%%-*} f
	shift
	{
		printf '%s: %s\n' Name "$name" Version "$version" Release 57 \
			Summary "$name" License GPL AutoReqProv no
		printf '%%description\n%%install\n'
		for f; do
			printf 'mkdir -p "%%{buildroot}%s"\ncp -a "%s" "%%{buildroot}%s"\n' \
				"$(dirname "$f")" "$f" "$f"
		done
		printf '%%files\n'
		printf '%s\n' "$@"
	} | put root/package.spec
	chroot "$G" sh -e >"$T/rpm.log" 2>&1 <<-'E' ||
		rpmbuild -bb --define '_topdir /root/rpm' \
			--define '__os_install_post %{nil}' \
			--define '_build_id_links none' \
			--define 'debug_package %{nil}' /root/package.spec
		rpm -i --justdb --nodeps /root/rpm/RPMS/*/*.rpm
		rm -rf /root/rpm /root/package.spec
	E
		{ cat "$T/rpm.log" >&2; fail "the package $name"; }
}

# old_initramfs FILE: what dracut makes for the old disk: AHCI and no virtio
old_initramfs() {
	if ! [ -e "$T/old-initramfs" ]; then
		chroot "$G" dracut --force --quiet --no-early-microcode \
			--kver "$KVER" --hostonly --no-hostonly-cmdline \
			--no-hostonly-default-device \
			--kernel-cmdline 'root=/dev/sda4 rootfstype=ext4' \
			--modules 'base udev-rules kernel-modules rootfs-block fs-lib' \
			--drivers 'ahci sd_mod ext4' --gzip /boot/old \
			>"$T/log" 2>&1 || { cat "$T/log" >&2; fail dracut; }
		mv "$G/boot/old" "$T/old-initramfs"
	fi
	cp "$T/old-initramfs" "$G/boot/$1"
}

# os_release ID VERSION NAME [LINE]...
os_release() {
	rm -f "$G/etc/os-release" "$G/usr/lib/os-release"
	printf 'ID="%s"\nVERSION_ID="%s"\nPRETTY_NAME="%s"\nNAME="%s"\n' \
		"$1" "$2" "$3" "$3" | put etc/os-release
	shift 3
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$G/etc/os-release"
}

OLD_ARGS='root=/dev/sda4 ro resume=/dev/sda2 quiet'

tree_rhel9() { # UEFI, BLS, SELinux, tools of VMware as a package
	ESP=1 BOOT=ext4
	tree_new
	os_release rhel 9.3 'Red Hat Enterprise Linux 9.3 (Plow)' \
		'ID_LIKE="fedora"'
	echo 'Red Hat Enterprise Linux release 9.3 (Plow)' |
		put etc/redhat-release
	for f in usr/bin/vmtoolsd usr/lib/systemd/system/vmtoolsd.service; do
		echo '[Service]' | put "$f"
	done
	tree_rpm kernel-core
	package_add open-vm-tools /usr/bin/vmtoolsd \
		/usr/lib/systemd/system/vmtoolsd.service
	put etc/fstab <<-E
		/dev/sda4 / ext4 defaults 1 1
		/dev/sda3 /boot ext4 defaults 1 2
		/dev/sda1 /boot/efi vfat umask=0077 0 2
		/dev/sda2 none swap defaults 0 0
	E
	bls_entry "$OLD_ARGS"
	echo "$OLD_ARGS" | put etc/kernel/cmdline
	default_grub resume=/dev/sda2
	echo 'set timeout=5' | put boot/grub2/grub.cfg
	mkdir -p "$G/boot/efi" "$T/esp-root/EFI/redhat"
	echo shim >"$T/esp-root/EFI/redhat/shimx64.efi"
	echo grub >"$T/esp-root/EFI/redhat/grubx64.efi"
	cat >"$T/esp-root/EFI/redhat/grub.cfg" <<-E
		search --fs-uuid --set=dev $BOOT_UUID
		configfile (\$dev)/grub2/grub.cfg
	E
	put etc/NetworkManager/system-connections/eno1.nmconnection <<-E
		[connection]
		id=eno1
		type=ethernet
		interface-name=eno1
		[ethernet]
		mac-address=52:54:00:AA:00:01
	E
	printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' |
		put etc/selinux/config
	put etc/selinux/targeted/contexts/files/file_contexts <<-'E'
		/.*	system_u:object_r:default_t:s0
		/etc(/.*)?	system_u:object_r:etc_t:s0
		/etc/systemd/network(/.*)?	system_u:object_r:net_conf_t:s0
	E
	cp -L /bin/true "$G/usr/sbin/load_policy"
	old_initramfs "initramfs-$KVER.img"
}

bls_entry() { # OPTIONS
	put "boot/loader/entries/0123-$KVER.conf" <<-E
		title Red Hat ($KVER)
		version $KVER
		linux /vmlinuz-$KVER
		initrd /initramfs-$KVER.img
		options $1
	E
}

default_grub() { # ARGS
	put etc/default/grub <<-E
		GRUB_TIMEOUT=5
		GRUB_CMDLINE_LINUX="crashkernel=auto $1 quiet"
		GRUB_ENABLE_BLSCFG=true
	E
}

tree_rhel8() { # BIOS, kernelopts in grubenv, device.map, ifcfg
	ESP='' BOOT=ext4
	tree_new
	os_release rhel 8.9 'Red Hat Enterprise Linux 8.9 (Ootpa)' \
		'ID_LIKE="fedora"'
	echo 'Red Hat Enterprise Linux release 8.9 (Ootpa)' |
		put etc/redhat-release
	tree_rpm kernel-core
	put etc/fstab <<-E
		UUID=$ROOT_UUID / ext4 defaults 1 1
		/dev/sda3 /boot ext4 defaults 1 2
		/dev/sda2 none swap defaults 0 0
	E
	python3 - "$OLD_ARGS" <<-'PY' | put boot/grub2/grubenv
		import sys
		t = "# GRUB Environment Block\nkernelopts=%s \n" % sys.argv[1]
		sys.stdout.write(t + "#" * (1024 - len(t)))
	PY
	bls_entry "\$kernelopts"
	default_grub resume=/dev/sda2
	echo 'set timeout=5' | put boot/grub2/grub.cfg
	echo '(hd0) /dev/sda' | put boot/grub2/device.map
	put etc/sysconfig/network-scripts/ifcfg-ens3 <<-E
		DEVICE=ens3
		HWADDR=52:54:00:AA:00:02
		BOOTPROTO=dhcp
	E
	old_initramfs "initramfs-$KVER.img"
}

tree_centos6() { # GRUB legacy, Xen's console, aliases of modprobe, Xorg
	ESP='' BOOT=''
	tree_new
	rm -f "$G/usr/lib/os-release" "$G/etc/os-release"
	echo 'CentOS release 6.10 (Final)' | put etc/redhat-release
	cp "$G/etc/redhat-release" "$G/etc/centos-release"
	tree_rpm kernel
	# Upstart's time: of systemd there is only udev.
	rm -rf "$G"/usr/lib/systemd/{systemd,system} "$G/etc/systemd"
	echo '#!/bin/sh' | put etc/rc.d/init.d/xe-linux-distribution
	chmod 755 "$G/etc/rc.d/init.d/xe-linux-distribution"
	mkdir -p "$G/etc/rc.d/rc3.d"
	ln -s ../init.d/xe-linux-distribution \
		"$G/etc/rc.d/rc3.d/S14xe-linux-distribution"
	rm -rf "$G"/etc/{init.d,rc?.d}
	ln -s rc.d/init.d "$G/etc/init.d"
	ln -s rc.d/rc3.d "$G/etc/rc3.d"
	package_add xe-guest-utilities /etc/rc.d/init.d/xe-linux-distribution
	printf '%s\n' '/dev/sda4 / ext4 defaults 1 1' \
		'/dev/sda2 swap swap defaults 0 0' | put etc/fstab
	put boot/grub/grub.conf <<-E
		default=0
		#boot=/dev/sda
		title CentOS ($KVER)
			root (hd0,3)
			kernel /boot/vmlinuz-$KVER $OLD_ARGS console=hvc0
			initrd /boot/initramfs-$KVER.img
	E
	ln -s grub.conf "$G/boot/grub/menu.lst"
	ln -s ../boot/grub/grub.conf "$G/etc/grub.conf"
	echo '(hd0) /dev/sda' | put boot/grub/device.map
	printf '%s\n' 'co:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav' \
		'1:2345:respawn:/sbin/mingetty tty1' | put etc/inittab
	printf '%s\n' tty1 xvc0 | put etc/securetty
	printf '%s\n' 'alias eth0 e1000e' 'alias scsi_hostadapter ahci' \
		'alias scsi_hostadapter1 megaraid_sas' |
		put etc/modprobe.d/old.conf
	put etc/udev/rules.d/70-persistent-net.rules <<-'E'
		SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="52:54:00:aa:00:03", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"
	E
	printf '%s\n' DEVICE=eth0 HWADDR=52:54:00:AA:00:03 |
		put etc/sysconfig/network-scripts/ifcfg-eth0
	printf 'Section "Device"\n\tIdentifier "card"\n\tDriver "mga"\nEndSection\n' |
		put etc/X11/xorg.conf
	old_initramfs "initramfs-$KVER.img"
}

tree_leap() { # SUSE: /dev/disk/by-id, its GRUB's own file of devices, wicked
	ESP='' BOOT=ext4
	tree_new
	os_release opensuse-leap 15.5 'openSUSE Leap 15.5' \
		'ID_LIKE="suse opensuse"'
	tree_rpm kernel-default
	put etc/fstab <<-E
		/dev/sda4 / ext4 defaults 0 1
		/dev/disk/by-id/ata-DISK_S1234-part3 /boot ext4 defaults 0 2
		/dev/disk/by-id/ata-DISK_S1234-part2 swap swap defaults 0 0
	E
	echo "linux /vmlinuz-$KVER root=/dev/sda4 resume=/dev/disk/by-id/ata-DISK_S1234-part2" |
		put boot/grub2/grub.cfg
	echo '(hd0) /dev/disk/by-id/ata-DISK_S1234' |
		put boot/grub2/device.map
	printf '/dev/disk/by-id/ata-DISK_S1234\ngeneric_mbr\n' |
		put etc/default/grub_installdevice
	echo 'GRUB_CMDLINE_LINUX_DEFAULT="resume=/dev/sda2 quiet"' |
		put etc/default/grub
	printf '%s\n' "BOOTPROTO='dhcp'" "LLADDR='52:54:00:aa:00:04'" |
		put etc/sysconfig/network/ifcfg-em1
	old_initramfs "initrd-$KVER"
}

tree_alt() { # with dracut, which ALT has beside make-initrd
	ESP='' BOOT=''
	tree_new
	os_release altlinux p10 'ALT Server 10'
	echo 'ALT Server 10.1 (Mendelevium)' | put etc/altlinux-release
	tree_rpm kernel-image-std-def
	echo '/dev/sda4 / ext4 relatime 1 1' | put etc/fstab
	echo "linux /boot/vmlinuz-$KVER root=/dev/sda4 ro" |
		put boot/grub/grub.cfg
	echo "GRUB_CMDLINE_LINUX_DEFAULT='quiet resume=/dev/sda2 panic=30'" |
		put etc/sysconfig/grub2
	old_initramfs "initrd-$KVER.img"
}

tree_alt_qga() { # without an agent virt-v2v adds a first boot, and fails at ALT's
	tree_alt
	package_add qemu-guest-agent /usr/bin/true
}

tree_debian() { # the control: initramfs-tools, dpkg, names in all places
	ESP='' BOOT=''
	tree_new
	rm -f "$G"/usr/bin/dracut
	printf '%s\n' "Package: linux-image-$KVER" 'Status: install ok installed' \
		'Architecture: amd64' 'Version: 6.1.0-1' 'Maintainer: nobody' \
		'Description: the kernel' '' >>"$G/var/lib/dpkg/status"
	printf '%s\n' /. /boot "/boot/vmlinuz-$KVER" /lib \
		"/lib/modules/$KVER" | put "var/lib/dpkg/info/linux-image-$KVER.list"
	printf '%s\n' '/dev/sda4 / ext4 defaults 0 1' \
		'/dev/sda2 none swap sw 0 0' | put etc/fstab
	echo "linux /boot/vmlinuz-$KVER root=/dev/sda4 ro quiet" |
		put boot/grub/grub.cfg
	printf '%s\n' 'GRUB_DISABLE_LINUX_UUID=true' \
		'GRUB_CMDLINE_LINUX_DEFAULT="resume=/dev/sda2 quiet"' |
		put etc/default/grub
	echo 'RESUME=/dev/sda2' | put etc/initramfs-tools/conf.d/resume
	printf '%s\n' 'auto enp0s5' 'iface enp0s5 inet dhcp' |
		put etc/network/interfaces
	sed -i 's/^MODULES=.*/MODULES=list/' "$G/etc/initramfs-tools/initramfs.conf"
	cp "$G/etc/initramfs-tools/modules" "$T/modules.list"
	printf '%s\n' ahci sd_mod ext4 >>"$G/etc/initramfs-tools/modules"
	chroot "$G" update-initramfs -c -k "$KVER" >"$T/log" 2>&1 ||
		{ cat "$T/log" >&2; fail update-initramfs; }
	cp "$T/modules.list" "$G/etc/initramfs-tools/modules"
	sed -i 's/^MODULES=.*/MODULES=dep/' "$G/etc/initramfs-tools/initramfs.conf"
}

tree_arch() { # which virt-v2v refuses
	ESP='' BOOT=''
	tree_new
	rm -rf "$G"/etc/debian_version "$G"/var/lib/dpkg
	rm -f "$G"/usr/lib/os-release
	os_release arch rolling 'Arch Linux'
	touch "$G/etc/arch-release"
	mkdir -p "$G/var/lib/pacman/local"
	touch "$G/usr/bin/mkinitcpio"
	echo '/dev/sda4 / ext4 rw 0 1' | put etc/fstab
	echo "linux /boot/vmlinuz-$KVER root=/dev/sda4 rw" |
		put boot/grub/grub.cfg
	old_initramfs "initramfs-$KVER.img"
}
