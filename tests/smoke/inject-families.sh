#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Injection into guests of many distributions: each edit is read back by other
# programs (debugfs, mtools, cpio, kmod), e2fsck is content, every other file
# is what it was, and the undo log gives the disk back.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/initramfs.sh"
. "$(dirname "$0")/../lib/families.sh"
requires jq sfdisk e2fsck debugfs mke2fs mkfs.vfat mcopy mtype python3 cpio \
	zstd xz mkswap setsid fsck.fat
requires_built v2v-server p2v-client
kernel_get
modules_get

V2V=$FY_BUILD/v2v-server
D=$T/disk.img

# inject [OPTION]...: into $D, checked; report.json tells
inject_disk() {
	cp --sparse=always "$D" "$T/before.img"
	"$V2V" inspect --json "$D" >"$T/inspect.json" 2>"$T/log" ||
		{ cat "$T/log" >&2; fail "$NAME: can't be inspected"; }
	"$V2V" inject --json "$@" "$D" >"$T/report.json" 2>"$T/log" ||
		{ cat "$T/log" >&2; fail "$NAME: refused"; }
	[ "$(jq '.systems | length' "$T/report.json")" = 1 ] ||
		fail "$NAME: not one system"
	[ "$(jq '.skipped | length' "$T/report.json")" = 0 ] ||
		fail "$NAME: $(jq -c .skipped "$T/report.json")"
	e2fsck -fn "$D?offset=$(part_offset "$D" 4)" >"$T/fsck" 2>&1 ||
		{ cat "$T/fsck" >&2; fail "$NAME: e2fsck"; }
	unchanged 4 p4 ''
	if [ -n "${BOOT:-}" ]; then
		e2fsck -fn "$D?offset=$(part_offset "$D" 3)" >"$T/fsck" 2>&1 ||
			fail "$NAME: e2fsck of /boot"
		unchanged 3 p3 /boot
	fi
}

# unchanged NUMBER VOLUME MOUNTPOINT: nothing but what is in the report
unchanged() {
	tree_of "$T/before.img" "$1" >"$T/a"
	tree_of "$D" "$1" >"$T/b"
	[ "$(wc -l <"$T/a")" -gt 3 ] || fail "$NAME: the tree can't be read"
	jq -r --arg v "$2" --arg m "$3/" '.changes[] | select(.volume == $v)
		| .path | ltrimstr($m) | ltrimstr("/")' "$T/report.json" |
		sort -u >"$T/told"
	diff "$T/a" "$T/b" | sed -n 's/^[<>] \([^ ]*\) .*/\1/p' | sort -u |
		grep -vxFf "$T/told" >"$T/untold" || :
	# A directory's time changes with what is put into it.
	while read -r f; do
		grep -q "^$f/" "$T/told" && continue
		fail "$NAME: '$f' changed without a word"
	done <"$T/untold"
}

undone() {
	"$V2V" inject --undo "$D" 2>"$T/null"
	cmp "$D" "$T/before.img" || fail "$NAME: the undo log"
	say "$NAME: $(jq '.changes | length' "$T/report.json") changes"
}

# says FILTER: true of the report (or of what is in $WHERE)
says() {
	jq -e "$1" "${WHERE:-$T/report.json}" >"$T/null" ||
		{ cat "${WHERE:-$T/report.json}" >&2; fail "$NAME: not: $1"; }
}

warned() {
	jq -r '.warnings[]' "$T/report.json" | grep -qF -- "$1" ||
		fail "$NAME: no warning of '$1': $(jq -c .warnings "$T/report.json")"
}

# has NUMBER PATH LINE: the file has that line
has() {
	cat_from "$D" "$1" "$2" | grep -qxF -- "$3" ||
		{ cat_from "$D" "$1" "$2" >&2; fail "$NAME: '$2' has no '$3'"; }
}

# no_old NUMBER PATH: no old name in lines that are no comments
no_old() {
	! cat_from "$D" "$1" "$2" | grep -v '^#' | grep -E '/dev/(sd|nvme)' ||
		fail "$NAME: '$2' names the old disk"
}

# loads NUMBER PATH: the initramfs has virtio, found by modprobe, and ahci
loads() {
	local d=$T/unpacked m
	ir_unpack "$D" "$1" "$2" "$d"
	for m in virtio_blk virtio_scsi virtio_net ahci; do
		/sbin/modprobe -d "$d" -S "$KVER" --show-depends "$m" \
			>"$T/null" 2>&1 || fail "$NAME: '$2' has no $m"
	done
	/sbin/modprobe -d "$d" -S "$KVER" --show-depends \
		pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00 |
		grep -q virtio_pci.ko || fail "$NAME: no alias of virtio_pci"
}

# mode_is NUMBER PATH OCTAL: with root as the owner
mode_is() {
	local is
	is=$(debugfs -R "stat $2" "$D?offset=$(part_offset "$D" "$1")" \
		2>"$T/null" | tr '\n' ' ' | sed -n \
		's/.*Type: \([a-z]*\).*Mode: *0*\([0-7]*\).*User: *\([0-9]*\).*/\1 \2 \3/p')
	case $3 in
	40*) [ "$is" = "directory ${3#40} 0" ] ;;
	*) [ "$is" = "regular ${3#100} 0" ] ;;
	esac || fail "$NAME: '$2' is $is"
}

# label_of NUMBER PATH
label_of() {
	debugfs -R "ea_get -V $2 security.selinux" \
		"$D?offset=$(part_offset "$D" "$1")" 2>"$T/null" | tr -d '\0'
}

label_is() {
	[ "$(label_of "$1" "$2")" = "system_u:object_r:$3:s0" ] ||
		fail "$NAME: '$2' is labelled '$(label_of "$1" "$2")'"
}

# The runner, from the guest, over four boots: one script runs once, the one
# that fails three times, and then all of it is gone.
first_boot() {
	local top=$T/first i
	rm -rf "$top"
	mkdir -p "$top"
	debugfs -R "rdump /var/lib/ironferry/firstboot $top" \
		"$D?offset=$(part_offset "$D" 4)" 2>"$T/null"
	cat_from "$D" 4 /var/lib/ironferry/firstboot/run |
		sed "s|/var/lib/ironferry/firstboot|$top/firstboot|g
			s|/var/log/|$top/|; s|\([ 	]\)/etc/|\1$top/etc/|g" \
		>"$top/run"
	! grep -E '(^|[ 	=>])/(var/(log|lib/iron)|etc)' "$top/run" ||
		fail "$NAME: the runner would touch this machine"
	for i in 1 2 3 4; do
		OUT=$top/out sh "$top/run" || fail "$NAME: boot $i"
	done
	[ "$(grep -c ran "$top/out")" = 1 ] || fail "$NAME: once.sh"
	[ "$(grep -c tried "$top/out")" = 3 ] || fail "$NAME: fails.sh"
	[ -e "$top/firstboot/done/001-once.sh" ] || fail "$NAME: done"
	[ -e "$top/firstboot/failed/002-fails.sh" ] || fail "$NAME: failed"
	[ ! -e "$top/firstboot/scripts" ] || fail "$NAME: scripts are left"
	grep -q '002-fails.sh: failed with status 3' \
		"$top/ironferry-firstboot.log" || fail "$NAME: the log"
}

ROOTFS="UUID=$ROOT_UUID"
SWAPFS="UUID=$SWAP_UUID"
ARGS='root=/dev/sda4 ro crashkernel=auto resume=/dev/sda2 rhgb quiet'
NEW="root=$ROOTFS ro crashkernel=auto resume=$SWAPFS rhgb quiet"

redhat() { # VERSION NAME
	guest_new
	guest_modules
	printf 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="%s"\nPRETTY_NAME="%s"\n' \
		"$1" "$2" | put etc/os-release
	echo "$2" | put etc/redhat-release
	mkdir -p "$G/var/lib/rpm" "$G/usr/lib/systemd"
	touch "$G/usr/lib/systemd/systemd" "$G/usr/bin/dracut"
	touch "$G/usr/lib/systemd/libsystemd-shared-${3:-252}.so"
	echo kernel | put "boot/vmlinuz-$KVER"
	echo kernel | put boot/vmlinuz-0-rescue-0123
	put etc/default/grub <<-E
		GRUB_TIMEOUT=5
		GRUB_CMDLINE_LINUX="crashkernel=auto resume=/dev/sda2 rhgb quiet"
		GRUB_ENABLE_BLSCFG=true
	E
}

NAME=rhel9-uefi
ESP=1
BOOT=ext4
redhat 9.3 'Red Hat Enterprise Linux 9.3 (Plow)'
put etc/fstab <<-E
	/dev/sda4 / ext4 defaults 1 1
	/dev/sda3 /boot ext4 defaults 1 2
	/dev/sda1 /boot/efi vfat umask=0077 0 2
	/dev/sda2 none swap defaults 0 0
E
echo "$ARGS" | put etc/kernel/cmdline
put "boot/loader/entries/0123-$KVER.conf" <<-E
	title Red Hat Enterprise Linux ($KVER) 9.3 (Plow)
	version $KVER
	linux /vmlinuz-$KVER
	initrd /initramfs-$KVER.img \$tuned_initrd
	options $ARGS \$tuned_params
	grub_users \$grub_users
E
echo 'set timeout=5' | put boot/grub2/grub.cfg
mkdir -p "$G/boot/efi" "$G/boot/grub2/x86_64-efi"
ir_dracut
ir_pack zstd early "boot/initramfs-$KVER.img"
put etc/NetworkManager/system-connections/eno1.nmconnection <<-E
	[connection]
	id=eno1
	type=ethernet
	interface-name=eno1
	[ethernet]
	mac-address=52:54:00:AA:00:01
	[ipv4]
	method=auto
E
rm -rf "$T/esp-root"
mkdir -p "$T/esp-root/EFI/redhat"
echo shim >"$T/esp-root/EFI/redhat/shimx64.efi"
echo grub >"$T/esp-root/EFI/redhat/grubx64.efi"
printf 'linux /vmlinuz root=/dev/sda4\n' >"$T/esp-root/EFI/redhat/grub.cfg"
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' | put etc/selinux/config
put etc/selinux/targeted/contexts/files/file_contexts <<-'E'
	/.*	system_u:object_r:default_t:s0
	/etc(/.*)?	system_u:object_r:etc_t:s0
	/etc/systemd/network(/.*)?	system_u:object_r:net_conf_t:s0
	/var/lib(/.*)?	system_u:object_r:var_lib_t:s0
	/var/lib/ironferry/firstboot/run	--	system_u:object_r:bin_t:s0
E
echo '/root/\.ssh(/.*)?	system_u:object_r:ssh_home_t:s0' |
	put etc/selinux/targeted/contexts/files/file_contexts.homedirs
for f in mcelog ipmi vmtoolsd sshd; do
	echo '[Service]' | put "usr/lib/systemd/system/$f.service"
done
echo old9.example | put etc/hostname
printf '127.0.0.1 localhost\n192.0.2.9 old9.example old9\n' | put etc/hosts
printf 'Section "Device"\n Driver "mga"\nEndSection\n' | put etc/X11/xorg.conf
echo 'correct horse' >"$T/password"
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustATest me@example' >"$T/key.pub"
printf '#!/bin/sh\necho ran >>"$OUT"\n' >"$T/once.sh"
printf 'echo tried >>"$OUT"\nexit 3\n' >"$T/fails.sh"
guest_disk "$D"
inject_disk --set-hostname new9.example --root-password-file "$T/password" \
	--ssh-key "$T/key.pub" --first-boot "$T/once.sh" \
	--first-boot "$T/fails.sh"
WHERE=$T/inspect.json says ".systems[0] | .id == \"rhel\" and
	.distribution == \"redhat\" and .package_format == \"rpm\" and
	.firmware == \"uefi\" and (.bootloaders | contains([\"grub2\", \"bls\"]))
	and .kernels == [\"$KVER\"] and (.separate | contains([\"/boot\"]))
	and .kernel_images[0].initramfs == [\"/boot/initramfs-$KVER.img\"]"
has 4 /etc/fstab "$ROOTFS / ext4 defaults 1 1"
has 4 /etc/fstab "UUID=$BOOT_UUID /boot ext4 defaults 1 2"
has 4 /etc/fstab "UUID=$ESP_UUID /boot/efi vfat umask=0077 0 2"
has 4 /etc/kernel/cmdline "$NEW"
has 4 /etc/default/grub \
	"GRUB_CMDLINE_LINUX=\"crashkernel=auto resume=$SWAPFS rhgb quiet\""
has 3 "/loader/entries/0123-$KVER.conf" "options $NEW \$tuned_params"
has 4 /etc/systemd/network/10-ironferry-eno1.link \
	PermanentMACAddress=52:54:00:aa:00:01
loads 3 "/initramfs-$KVER.img"
grep -qF "root=$ROOTFS" "$T/unpacked/etc/cmdline.d/95root-dev.conf" ||
	fail "$NAME: the arguments inside of the initramfs"
grep -qF "/dev/disk/by-uuid/$ROOT_UUID" \
	"$T/unpacked/usr/lib/dracut/hooks/initqueue/finished/devexists-1.sh" ||
	fail "$NAME: a hook inside of the initramfs"
mtype -i "$D@@1M" ::/EFI/redhat/grub.cfg | grep -qF "root=$ROOTFS" ||
	fail "$NAME: GRUB's file on the ESP"
[ "$(mtype -i "$D@@1M" ::/EFI/BOOT/BOOTX64.EFI)" = shim ] ||
	fail "$NAME: no fallback loader"
has 4 /etc/hostname new9.example
has 4 /etc/hosts '192.0.2.9 new9.example new9'
has 4 /root/.ssh/authorized_keys "$(cat "$T/key.pub")"
mode_is 4 /root/.ssh 40700
mode_is 4 /root/.ssh/authorized_keys 100600
mode_is 4 /etc/shadow 100640
hash=$(cat_from "$D" 4 /etc/shadow | sed -n 's/^root:\([^:]*\):19000:0:99999:7:::$/\1/p')
python3 - "$hash" <<'PY' || fail "$NAME: root's password"
import crypt, sys
assert crypt.crypt("correct horse", sys.argv[1]) == sys.argv[1]
PY
has 4 /etc/systemd/system/mcelog.service.d/ironferry.conf \
	ConditionVirtualization=no
has 4 /etc/systemd/system/ipmi.service.d/ironferry.conf \
	ConditionVirtualization=no
says '[.changes[].path | select(test("sshd|vmtoolsd"))] | length == 0'
warned "the service 'vmtoolsd' was left"
cat_from "$D" 4 /etc/X11/xorg.conf.ironferry | grep -q mga ||
	fail "$NAME: xorg.conf was not kept aside"
label_is 4 /etc/systemd/network/10-ironferry-eno1.link net_conf_t
label_is 4 /etc/systemd/system/mcelog.service.d etc_t
label_is 4 /root/.ssh ssh_home_t
label_is 4 /root/.ssh/authorized_keys ssh_home_t
label_is 4 /var/lib/ironferry/firstboot/run bin_t
label_is 4 /var/lib/ironferry/firstboot/scripts/001-once.sh var_lib_t
[ -z "$(label_of 4 /etc/hostname)" ] || fail "$NAME: a label that was not there"
cat_from "$D" 4 /etc/systemd/system/ironferry-firstboot.service |
	grep -qx Type=simple || fail "$NAME: the first boot's unit"
first_boot
undone

NAME=rhel8-grubenv
ESP=
redhat 8.9 'Red Hat Enterprise Linux 8.9 (Ootpa)' 239
mkdir -p "$G/boot/grub2/i386-pc"
put etc/fstab <<-E
	/dev/sda4 / ext4 defaults 1 1
	/dev/sda3 /boot ext4 defaults 1 2
	/dev/sda2 none swap defaults 0 0
E
python3 - "$ARGS" >"$G/boot/grub2/grubenv" <<-'PY'
	import sys
	t = "# GRUB Environment Block\nsaved_entry=0123\nkernelopts=%s \n" % sys.argv[1]
	sys.stdout.write(t + "#" * (1024 - len(t)))
PY
put "boot/loader/entries/0123-$KVER.conf" <<-E
	title Red Hat Enterprise Linux ($KVER) 8.9 (Ootpa)
	version $KVER
	linux /vmlinuz-$KVER
	initrd /initramfs-$KVER.img \$tuned_initrd
	options \$kernelopts \$tuned_params
E
echo '(hd0) /dev/sda' | put boot/grub2/device.map
put etc/sysconfig/network-scripts/ifcfg-ens3 <<-E
	TYPE=Ethernet
	DEVICE=ens3
	HWADDR="52:54:00:AA:00:02"
	BOOTPROTO=none
	IPADDR=192.0.2.2
	PREFIX=24
E
# As it comes, lvm.conf is mostly comments, and too large to be kept.
{
	printf 'devices {\n\tfilter = [ "a|^/dev/sd.*|", "r|.*|" ]\n}\n'
	seq -f '# comment %.0f' 6000
} | put etc/lvm/lvm.conf
ir_dracut
mkdir -p "$I/etc/lvm"
cp "$G/etc/lvm/lvm.conf" "$I/etc/lvm/"
ir_pack gzip early "boot/initramfs-$KVER.img"
guest_disk "$D"
inject_disk
cat_from "$D" 3 /grub2/grubenv >"$T/grubenv"
[ "$(stat -c %s "$T/grubenv")" = 1024 ] || fail "$NAME: grubenv's size"
python3 - "$T/grubenv" "$NEW" <<'PY' || fail "grubenv"
import sys
t = open(sys.argv[1]).read()
lines = t.split("\n")
assert lines[0] == "# GRUB Environment Block", lines
assert lines[1] == "saved_entry=0123", lines
assert lines[2] == "kernelopts=" + sys.argv[2] + " ", lines
assert set(lines[3]) == {"#"} and len(lines) == 4, lines
PY
has 3 /grub2/device.map '(hd0) /dev/vda'
has 4 /etc/systemd/network/10-ironferry-ens3.link \
	MACAddress=52:54:00:aa:00:02
loads 3 "/initramfs-$KVER.img"
cat_from "$D" 4 /etc/lvm/lvm.conf >"$T/lvm.conf"
sed -n 2p "$T/lvm.conf" | grep -qxF \
	'	filter = [ "a|^/dev/vd|", "a|^/dev/sd.*|", "r|.*|" ]' ||
	fail "$NAME: lvm.conf"
cmp "$T/lvm.conf" "$T/unpacked/etc/lvm/lvm.conf" ||
	fail "$NAME: lvm.conf in the initramfs"
undone

NAME=rhel6
BOOT=
guest_new
guest_modules
echo 'CentOS release 6.10 (Final)' | put etc/redhat-release
cp "$G/etc/redhat-release" "$G/etc/centos-release"
mkdir -p "$G/var/lib/rpm" "$G/etc/rc.d/rc3.d" "$G/etc/init"
printf 'NETWORKING=yes\nHOSTNAME=old6.example\n' | put etc/sysconfig/network
touch "$G/sbin/dracut"
echo 'co:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav' | put etc/inittab
printf 'tty1\nxvc0\n' | put etc/securetty
echo kernel | put "boot/vmlinuz-$KVER"
# It boots from a SAN; a disk of another one stays there.
put etc/fstab <<-E
	/dev/mapper/mpathap4 / ext4 defaults 1 1
	/dev/mapper/mpathap2 swap swap defaults 0 0
	/dev/mapper/mpathbp1 /data ext4 defaults 1 2
E
echo 'filter = [ "a|/dev/mapper/mpath.*|", "r|.*|" ]' | put etc/lvm/lvm.conf
put boot/grub/grub.conf <<-E
	default=0
	#boot=/dev/sda
	title CentOS ($KVER)
		root (hd0,3)
		kernel /boot/vmlinuz-$KVER ro root=/dev/mapper/mpathap4 rd_NO_LUKS console=hvc0 quiet
		initrd /boot/initramfs-$KVER.img
E
ln -s grub.conf "$G/boot/grub/menu.lst"
ln -s ../boot/grub/grub.conf "$G/etc/grub.conf"
echo '(hd0) /dev/sda' | put boot/grub/device.map
put etc/udev/rules.d/70-persistent-net.rules <<-'E'
	SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="52:54:00:aa:00:03", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"
E
put etc/sysconfig/network-scripts/ifcfg-eth0 <<-E
	DEVICE=eth0
	HWADDR=52:54:00:AA:00:03
	BOOTPROTO=dhcp
E
put etc/sysconfig/network-scripts/ifcfg-em2 <<-E
	DEVICE=em2
	HWADDR=52:54:00:AA:00:33
E
for f in openipmi mcelogd sshd; do
	echo '#!/bin/sh' | put "etc/rc.d/init.d/$f"
	ln -s "../init.d/$f" "$G/etc/rc.d/rc3.d/S13$f"
done
ln -s rc.d/init.d "$G/etc/init.d"
ln -s rc.d/rc3.d "$G/etc/rc3.d"
ir_new
touch "$I/lib/dracut-lib.sh"
mkdir -p "$I/etc/lvm"
cp "$G/etc/lvm/lvm.conf" "$I/etc/lvm/"
ir_pack gzip no "boot/initramfs-$KVER.img"
guest_disk "$D"
inject_disk --first-boot "$T/once.sh" --set-hostname new6
says '.systems[0] | .id == "centos" and .version == "6.10" and
	.hostname == "old6.example" and .bootloaders == ["grub1"]'
cat_from "$D" 4 /boot/grub/grub.conf |
	grep -qF "ro root=$ROOTFS rd_NO_LUKS console=ttyS0 quiet" ||
	fail "$NAME: grub.conf"
has 4 /etc/fstab "$ROOTFS / ext4 defaults 1 1"
has 4 /etc/fstab "$SWAPFS swap swap defaults 0 0"
has 4 /etc/fstab '/dev/mapper/mpathbp1 /data ext4 defaults 1 2'
warned "'/etc/fstab' names '/dev/mapper/mpathbp1', and it is not known"
has 4 /etc/inittab 'co:2345:respawn:/sbin/agetty ttyS0 9600 vt100-nav'
has 4 /etc/securetty ttyS0
says '[.warnings[] | select(test("hvc0|xvc0"))] == []'
has 4 /boot/grub/grub.conf '#boot=/dev/sda'
has 4 /boot/grub/device.map '(hd0) /dev/vda'
loads 4 "/boot/initramfs-$KVER.img"
cat_from "$D" 4 /etc/lvm/lvm.conf >"$T/lvm.conf"
for f in "$T/lvm.conf" "$T/unpacked/etc/lvm/lvm.conf"; do
	grep -qF '[ "a|^/dev/vd|", "a|/dev/mapper/mpath' "$f" ||
		fail "$NAME: lvm.conf: $f"
done
has 4 /etc/sysconfig/network HOSTNAME=new6
cat_from "$D" 4 /etc/udev/rules.d/70-ironferry-net.rules |
	grep -qF 'ATTR{address}=="52:54:00:aa:00:33"' || fail "$NAME: em2's rule"
debugfs -R 'ls -p /etc/rc.d/rc3.d' "$D?offset=$(part_offset "$D" 4)" \
	2>"$T/null" | awk -F/ '$6 != "." && $6 != ".." { print $6 }' |
	sort | xargs >"$T/links"
[ "$(cat "$T/links")" = 'K87mcelogd K87openipmi S13sshd S99ironferry-firstboot' ] ||
	fail "$NAME: the runlevel: $(cat "$T/links")"
undone

NAME=rhel6-uefi
ESP=1
rm -rf "$T/esp-root"
mkdir -p "$T/esp-root/EFI/redhat" "$G/boot/efi"
echo grub1 >"$T/esp-root/EFI/redhat/grub.efi"
sed 's/console=hvc0 //' "$G/boot/grub/grub.conf" \
	>"$T/esp-root/EFI/redhat/grub.conf"
rm -rf "$G/boot/grub"
ln -sf ../boot/efi/EFI/redhat/grub.conf "$G/etc/grub.conf"
echo "UUID=$ESP_UUID /boot/efi vfat umask=0077 0 0" >>"$G/etc/fstab"
guest_disk "$D"
inject_disk
says '.systems[0] | .firmware == "uefi" and .bootloaders == ["grub1"]'
[ "$(mtype -i "$D@@1M" ::/EFI/BOOT/BOOTX64.EFI)" = grub1 ] ||
	fail "$NAME: no fallback loader"
mtype -i "$D@@1M" ::/EFI/BOOT/BOOTX64.conf |
	grep -qF "ro root=$ROOTFS rd_NO_LUKS quiet" || fail "$NAME: its menu"
warned "'/EFI/BOOT/BOOTX64.conf'"
loads 4 "/boot/initramfs-$KVER.img"
undone
ESP=

NAME=suse
BOOT=ext4
guest_new
guest_modules
put etc/os-release <<-E
	NAME="openSUSE Leap"
	ID="opensuse-leap"
	ID_LIKE="suse opensuse"
	VERSION_ID="15.5"
	PRETTY_NAME="openSUSE Leap 15.5"
E
mkdir -p "$G/usr/lib/sysimage/rpm" "$G/usr/lib/systemd" "$G/boot/grub2/i386-pc"
touch "$G/usr/lib/systemd/"{systemd,libsystemd-shared-249.so} "$G/usr/bin/dracut"
echo kernel >"$G/usr/lib/modules/$KVER/vmlinuz"
ln -s "../usr/lib/modules/$KVER/vmlinuz" "$G/boot/vmlinuz-$KVER"
put etc/fstab <<-E
	$ROOTFS / ext4 defaults 0 1
	/dev/disk/by-id/ata-DISK_S1234-part3 /boot ext4 defaults 0 2
	/dev/disk/by-id/ata-DISK_S1234-part2 swap swap defaults 0 0
E
echo "linux /vmlinuz-$KVER root=$ROOTFS resume=/dev/disk/by-id/ata-DISK_S1234-part2 quiet" |
	put boot/grub2/grub.cfg
printf '/dev/disk/by-id/ata-DISK_S1234\nactivate\ngeneric_mbr\n' |
	put etc/default/grub_installdevice
echo 'GRUB_CMDLINE_LINUX_DEFAULT="resume=/dev/disk/by-id/ata-DISK_S1234-part2 quiet"' |
	put etc/default/grub
put etc/sysconfig/network/ifcfg-em1 <<-E
	BOOTPROTO='static'
	IPADDR='192.0.2.3/24'
	STARTMODE='auto'
	LLADDR='52:54:00:aa:00:04'
E
put etc/sysconfig/network/ifcfg-em1.20 <<-E
	BOOTPROTO='static'
	IPADDR='192.0.3.3/24'
	ETHERDEVICE='em1'
	VLAN_ID='20'
E
ir_dracut
rm "$I"/etc/cmdline.d/* "$I"/usr/lib/dracut/hooks/initqueue/finished/*
ir_pack xz early "boot/initrd-$KVER"
guest_disk "$D"
inject_disk --nic em1=52:54:00:aa:00:04
says '.systems[0] | .distribution == "suse" and .package_format == "rpm"'
has 4 /etc/fstab "UUID=$BOOT_UUID /boot ext4 defaults 0 2"
has 4 /etc/fstab "$SWAPFS swap swap defaults 0 0"
has 3 /grub2/grub.cfg "linux /vmlinuz-$KVER root=$ROOTFS resume=$SWAPFS quiet"
has 4 /etc/default/grub_installdevice /dev/vda
has 4 /etc/default/grub_installdevice generic_mbr
has 4 /etc/default/grub "GRUB_CMDLINE_LINUX_DEFAULT=\"resume=$SWAPFS quiet\""
has 4 /etc/systemd/network/10-ironferry-em1.link Name=em1
says '[.changes[].path | select(contains("em1.20"))] | length == 0'
loads 3 "/initrd-$KVER"
undone

NAME=arch
ESP=
BOOT=
guest_new
guest_modules
printf 'ID=arch\nPRETTY_NAME="Arch Linux"\n' | put etc/os-release
mkdir -p "$G/var/lib/pacman/local" "$G/usr/lib/systemd" "$G/boot/grub/i386-pc"
touch "$G/usr/lib/systemd/"{systemd,libsystemd-shared-254.so}
touch "$G/usr/bin/mkinitcpio"
echo linux >"$G/usr/lib/modules/$KVER/pkgbase"
echo kernel >"$G/usr/lib/modules/$KVER/vmlinuz"
echo kernel | put boot/vmlinuz-linux
echo "/dev/nvme0n1p4 / ext4 rw 0 1" | put etc/fstab
echo "linux /boot/vmlinuz-linux root=/dev/nvme0n1p4 rw quiet" |
	put boot/grub/grub.cfg
put etc/systemd/network/20-wired.network <<-E
	[Match]
	Name=enp4s0
	[Network]
	DHCP=yes
E
ir_mkinitcpio
ir_pack zstd early boot/initramfs-linux.img
ir_pack zstd early boot/initramfs-linux-fallback.img
guest_disk "$D"
inject_disk
says ".systems[0] | .distribution == \"arch\" and .package_format == \"pacman\"
	and .kernels == [\"$KVER\"] and .kernel_images[0].image ==
	\"/boot/vmlinuz-linux\" and (.kernel_images[0].initramfs | length) == 2"
has 4 /boot/grub/grub.cfg "linux /boot/vmlinuz-linux root=$ROOTFS rw quiet"
for f in initramfs-linux.img initramfs-linux-fallback.img; do
	loads 4 "/boot/$f"
	tail -n 1 "$T/unpacked/config" | grep -qxF \
		"MODULES=\"\$MODULES virtio_pci virtio_blk virtio_scsi\"" ||
		fail "$NAME: config: $(cat "$T/unpacked/config")"
	# As its init reads it.
	[ "$(. "$T/unpacked/config"; echo "$MODULES")" = \
		'ahci virtio_pci virtio_blk virtio_scsi' ] || fail "$NAME: MODULES"
done
has 4 /etc/systemd/network/10-ironferry-enp4s0.link Driver=virtio_net
undone

NAME=systemd-boot
ESP=1
rm -rf "$T/esp-root"
mkdir -p "$T/esp-root/"{loader/entries,EFI/systemd,EFI/Linux}
echo 'default arch.conf' >"$T/esp-root/loader/loader.conf"
printf 'title Arch\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\noptions root=/dev/nvme0n1p4 rw\n' \
	>"$T/esp-root/loader/entries/arch.conf"
echo sd-boot >"$T/esp-root/EFI/systemd/systemd-bootx64.efi"
cp "$G/boot/vmlinuz-linux" "$G/boot/initramfs-linux.img" "$T/esp-root/"
python3 "$FY_TOP/tests/lib/make-uki.py" "$KVER" 'root=/dev/nvme0n1p4 rw' \
	"$G/boot/initramfs-linux.img" "$T/esp-root/EFI/Linux/arch.efi"
rm -rf "$G/boot"
mkdir "$G/boot"
echo "UUID=$ESP_UUID /boot vfat defaults 0 2" >>"$G/etc/fstab"
guest_disk "$D"
inject_disk
says '.systems[0] | .firmware == "uefi" and
	(.bootloaders | contains(["systemd-boot", "uki"]))'
mtype -i "$D@@1M" ::/loader/entries/arch.conf |
	grep -qxF "options root=$ROOTFS rw" || fail "$NAME: the entry"
mtype -i "$D@@1M" ::/initramfs-linux.img >"$T/ir.img"
rm -rf "$T/unpacked"
mkdir "$T/unpacked"
python3 "$FY_TOP/tests/lib/unpack-initramfs.py" "$T/ir.img" "$T/unpacked"
[ -e "$T/unpacked/usr/lib/modules/$KVER/kernel/drivers/block/virtio_blk.ko" ] ||
	fail "$NAME: the initramfs on the ESP"
[ "$(mtype -i "$D@@1M" ::/EFI/BOOT/BOOTX64.EFI)" = sd-boot ] ||
	fail "$NAME: no fallback loader"
warned "holds the arguments 'root=/dev/nvme0n1p4 rw'"
warned "unified kernel image '/boot/EFI/Linux/arch.efi' has no virtio_blk"
fsck.fat -n "$D@@1M" >"$T/null" 2>&1 || {
	dd if="$D" of="$T/part" bs=1M skip=1 count=32 status=none
	fsck.fat -n "$T/part" >"$T/fsck" 2>&1 ||
		{ cat "$T/fsck" >&2; fail "$NAME: fsck.fat"; }
}
undone
ESP=

NAME=alt
guest_new
guest_modules
printf 'ID=altlinux\nVERSION_ID=p10\nPRETTY_NAME="ALT Server 10"\n' |
	put etc/os-release
mkdir -p "$G/var/lib/rpm" "$G/usr/lib/systemd" "$G/boot/grub/i386-pc"
touch "$G/usr/lib/systemd/"{systemd,libsystemd-shared-249.so}
touch "$G/usr/sbin/make-initrd"
echo kernel | put "boot/vmlinuz-$KVER"
ln -s "vmlinuz-$KVER" "$G/boot/vmlinuz"
echo '/dev/sda4 / ext4 relatime 1 1' | put etc/fstab
echo "linux /boot/vmlinuz root=/dev/sda4 ro" | put boot/grub/grub.cfg
put etc/sysconfig/grub2 <<-E
	GRUB_CMDLINE_LINUX_DEFAULT='quiet resume=/dev/sda2 panic=30'
E
ir_make_initrd
ir_pack gzip no "boot/initrd-$KVER.img"
guest_disk "$D"
inject_disk
says '.systems[0] | .distribution == "alt" and .initramfs == "make-initrd"'
has 4 /boot/grub/grub.cfg "linux /boot/vmlinuz root=$ROOTFS ro"
has 4 /etc/sysconfig/grub2 \
	"GRUB_CMDLINE_LINUX_DEFAULT='quiet resume=$SWAPFS panic=30'"
loads 4 "/boot/initrd-$KVER.img"
grep -qx virtio_blk "$T/unpacked/etc/modules-load.d/ironferry-virtio.conf" ||
	fail "$NAME: what is loaded by name"
undone

NAME=wire
convert() {
	PATH=$FY_BUILD:$PATH setsid -w "$FY_BUILD/p2v-client" convert \
		--server local --disk "$D" --name wire --to "$T/vms" \
		--format raw --progress none --json "$@" >"$T/out.json" \
		2>"$T/log"
}
expect_status 2 convert --no-inject --set-hostname wired
expect_status 2 convert --set-hostname 'no name'
[ ! -e "$T/vms" ] || fail "$NAME: something was begun"
convert --set-hostname wired --ssh-key "$T/key.pub" \
	--root-password-file "$T/password" --first-boot "$T/once.sh" ||
	{ cat "$T/log" >&2; fail "$NAME: the conversion"; }
D=$T/vms/wire.raw
has 4 /etc/hostname wired
has 4 /root/.ssh/authorized_keys "$(cat "$T/key.pub")"
cat_from "$D" 4 /etc/shadow | grep -q '^root:\$6\$.*:19000:0:99999:7:::$' ||
	fail "$NAME: root's password"
cat_from "$D" 4 /var/lib/ironferry/firstboot/scripts/001-once.sh |
	cmp - "$T/once.sh" || fail "$NAME: the script"
! grep -rq 'correct horse' "$T/vms" --include='*.json' --include='*.xml' ||
	fail "$NAME: the password is in a file"
say "$NAME"
D=$T/disk.img

NAME=lilo
rm -rf "$G/boot/grub"
echo 'boot=/dev/sda' | put etc/lilo.conf
guest_disk "$D"
sha256 <"$D" >"$T/before"
! "$V2V" inject --json "$D" >"$T/report.json" 2>"$T/log" ||
	fail "$NAME: what can't boot on virtio is no success"
grep -q 'can be edited.*LILO.*--no-inject' "$T/log" ||
	fail "$NAME: $(cat "$T/log")"
[ "$(sha256 <"$D")" = "$(cat "$T/before")" ] ||
	fail "$NAME: the disk was changed"
say "$NAME"
