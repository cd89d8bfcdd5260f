#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `p2v-client inventory` of image files and of loop devices, compared with what
# sfdisk and mke2fs made, and the disks that must not be converted: mounted,
# behind a mounted loop device, named twice.  A volume group of two disks, made
# by LVM's own tools where they are installed, of which one is chosen.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires mke2fs mkfs.vfat sfdisk jq
requires_built p2v-client v2v-server

DISK=$T/disk.img
CLIENT=$FY_BUILD/p2v-client

make_disk() {
	mkdir -p "$T/tree/etc" "$T/tree/bin"
	printf 'ID=debian\nPRETTY_NAME="Debian 12"\n' >"$T/tree/etc/os-release"
	echo inventory-guest >"$T/tree/etc/hostname"
	mkdir -p "$T/tree/etc/netplan" "$T/tree/etc/network"
	cat >"$T/tree/etc/netplan/01.yaml" <<-'YAML'
	network:
	  ethernets:
	    lan:
	      match: {macaddress: "52:54:00:aa:00:01"}
	      set-name: lan0
	    eno2: {}
	  bonds:
	    bond0:
	      interfaces: [lan0, eno2]
	  vlans:
	    office:
	      id: 30
	      link: bond0
	      addresses: [192.0.2.30/24]
	YAML
	printf 'iface eno3 inet dhcp\n' >"$T/tree/etc/network/interfaces"
	cp "$CLIENT" "$T/tree/bin/sh"
	mke2fs -q -t ext4 -U 11111111-2222-3333-4444-555555555555 \
		-d "$T/tree" "$T/root.img" 64M >/dev/null
	truncate -s 40M "$T/esp.img"
	mkfs.vfat -F 16 "$T/esp.img" >/dev/null
	truncate -s 120M "$DISK"
	printf 'label: gpt\nlabel-id: %s\nsize=40M, type=U\nsize=64M, type=L\n' \
		AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE | sfdisk -q "$DISK"
	dd if="$T/esp.img" of="$DISK" bs=1M seek=1 conv=notrunc status=none
	dd if="$T/root.img" of="$DISK" bs=1M seek=41 conv=notrunc status=none
}

# jq's expression must hold for the inventory.
holds() {
	jq -e "$1" "$T/inventory.json" >/dev/null ||
		{ cat "$T/inventory.json" >&2; fail "does not hold: $1"; }
}

# refused PATTERN ARGS...: by convert, without anything written.
refused() {
	local pattern=$1 status=0
	shift
	"$CLIENT" convert --server local --to "$T/vms" --name x --no-inject \
		"$@" >"$T/out" 2>&1 </dev/null || status=$?
	[ "$status" != 0 ] || fail "not refused: $*"
	grep -qE -- "$pattern" "$T/out" ||
		{ cat "$T/out" >&2; fail "no word of '$pattern'"; }
	[ ! -e "$T/vms" ] || fail "something was written"
}

say "--- an image file"
make_disk
"$CLIENT" inventory --json --disk "$DISK" >"$T/inventory.json"
holds '.from_hardware == false and .firmware == "uefi"'
holds '.name == "inventory-guest" and .vcpus == 2'
holds '.memory_bytes == 2147483648'
holds '.disks[0].size_bytes == 125829120 and .disks[0].table == "gpt"'
holds '.disks[0].table_uuid | ascii_downcase |
	. == "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"'
holds '[.disks[0].volumes[] | select(.path != "gap") | .filesystem] ==
	["vfat", "ext4"]'
holds '.disks[0].volumes[] | select(.path == "p2") |
	.start == 41 * 1048576 and .length == 64 * 1048576'
holds '.systems[0].pretty_name == "Debian 12" and .systems[0].volume == "p2"'
holds '.systems[0].arch != null'
holds '[.systems[0].interfaces[] | select(.kind == "ethernet") | .name] |
	sort == ["eno2", "eno3", "lan0"]'
holds '.systems[0].interfaces[] | select(.name == "lan0") |
	.mac == "52:54:00:aa:00:01" and .master == "bond0" and .nic == null'
holds '.systems[0].interfaces[] | select(.name == "office") |
	.kind == "vlan" and .vlan == 30 and .parent == "bond0" and
	.addresses == ["192.0.2.30/24"] and .dhcp == false'
holds '.systems[0].interfaces[] | select(.name == "eno3") | .dhcp == true'
"$CLIENT" inventory --disk "$DISK" >"$T/out"
grep -q 'interface office, vlan 30 on bond0, 192.0.2.30/24' "$T/out" ||
	fail "the table has no VLAN"
grep -q 'Debian 12' "$T/out" || fail "the table has no system"
grep -qE 'p2 +67.1 MB .*ext4 +map' "$T/out" || fail "the table has no p2"
expect_status 1 "$CLIENT" inventory --disk "$T/nothing" 2>"$T/out"
grep -q "$T/nothing" "$T/out" || fail "the missing disk is not named"

say "--- twice"
ln -s disk.img "$T/other"
refused 'same disk' --disk "$DISK" --disk "$T/other"

say "--- this machine"
"$CLIENT" inventory --json >"$T/inventory.json"
holds '.from_hardware and .vcpus > 0 and .memory_bytes > 0'
total=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) * 1024))
holds ".memory_bytes >= $total and .memory_bytes <= 2 * $total"
holds ".vcpus == $(getconf _NPROCESSORS_ONLN)"
for n in /sys/class/net/*/device; do
	[ -e "$n" ] || continue
	n=$(basename "$(dirname "$n")")
	holds "[.nics[].name] | index(\"$n\") != null"
done
for n in /sys/bus/pci/devices/*; do
	grep -q '^0x01' "$n/class" 2>/dev/null || continue
	holds "[.controllers[].pci] | index(\"$(basename "$n")\") != null"
done

if [ "$(id -u)" != 0 ] || ! losetup -f >/dev/null 2>&1; then
	say "no loop devices: the rest is left out"
	exit 0
fi

say "--- mounted"
LOOP=$(losetup -P -f --show "$T/root.img")
at_exit losetup -d "$LOOP"
"$CLIENT" inventory --json --disk "$LOOP" >"$T/inventory.json"
holds '.from_hardware == false and .disks[0].size_bytes == 67108864'
mkdir "$T/mnt"
mount "$LOOP" "$T/mnt"
at_exit umount "$T/mnt"
refused "mounted on $T/mnt" --disk "$LOOP"
refused "mounted on $T/mnt" --disk "$T/root.img"
"$CLIENT" inventory --disk "$LOOP" | grep -q "IN USE: mounted on $T/mnt" ||
	fail "the inventory does not tell that it is mounted"

say "--- half a volume group"
if command -v vgcreate >/dev/null; then
	truncate -s 64M "$T/pv0" "$T/pv1"
	PV0=$(losetup -f --show "$T/pv0")
	at_exit losetup -d "$PV0"
	PV1=$(losetup -f --show "$T/pv1")
	at_exit losetup -d "$PV1"
	quiet=(--driverloaded n --config
		"devices { scan_lvs=0 use_devicesfile=0 filter=[\"a|^$PV0\$|\",\"a|^$PV1\$|\",\"r|.*|\"] } backup { backup=0 archive=0 }")
	vgcreate "${quiet[@]}" -y half_group "$PV0" "$PV1" >"$T/out" 2>&1 ||
		{ cat "$T/out"; fail "vgcreate"; }
	"$CLIENT" convert --server local --to "$T/vms" --name pv --no-inject \
		--disk "$T/pv0" >"$T/out" 2>&1
	grep -q "only 1 of 2 parts of the volume group 'half_group'" "$T/out" ||
		{ cat "$T/out"; fail "no warning of half a group"; }
	"$CLIENT" convert --server local --to "$T/vms" --name both --no-inject \
		--disk "$T/pv0" --disk "$T/pv1" >"$T/out" 2>&1
	grep -q 'parts of the' "$T/out" && fail "a warning of a whole group"
else
	say "no LVM tools: left out"
fi
say "passed"
