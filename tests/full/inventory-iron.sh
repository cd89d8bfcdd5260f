#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `p2v-client inventory` on a machine whose hardware is known: SMBIOS texts, a
# SATA disk with serial and WWN, an NVMe disk that says that it is failing, one
# SCSI disk by two paths, a virtio disk, two NICs in a bond with a VLAN on it.
# What it tells is compared with what QEMU was told.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires_loop
requires qemu-system-x86_64 mmdebstrap sfdisk partx smartctl jq
requires_built p2v-client

tree=$T/tree
mkdir -p "$tree/opt/fy/lib" "$tree/etc/systemd/system/multi-user.target.wants"
cp "$FY_BUILD/p2v-client" "$(command -v smartctl)" "$tree/opt/fy/"
ldd "$tree/opt/fy/p2v-client" "$tree/opt/fy/smartctl" |
	awk '/=> \// { print $3 }' | sort -u |
	grep -vE '/(libc|libm|libpthread|libdl|ld-linux[^/]*)\.so' |
	xargs cp -Lt "$tree/opt/fy/lib"
cat >"$tree/opt/fy/go" <<'GO'
#!/bin/sh
export LD_LIBRARY_PATH=/opt/fy/lib PATH=/opt/fy:$PATH
udevadm settle
# The TTY would put the kernel's messages between the lines.
dmesg -n 1
cd /opt/fy
start=$(cut -d' ' -f1 /proc/uptime)
p2v-client inventory --json >/run/json 2>/run/errors
echo "JSON-ENDED $?" >>/run/errors
p2v-client inventory >/run/text 2>>/run/errors
end=$(cut -d' ' -f1 /proc/uptime)
exec >/dev/ttyS0 2>&1
echo JSON-BEGIN
gzip -c /run/json | base64
echo TEXT-BEGIN
gzip -c /run/text | base64
echo ERRORS-BEGIN
cat /run/errors
echo "TIMES $start $end"
echo GUEST-ENDED
GO
chmod 755 "$tree/opt/fy/go"
cat >"$tree/etc/systemd/system/go.service" <<'UNIT'
[Unit]
After=multi-user.target marker.service
[Service]
Type=oneshot
ExecStart=/opt/fy/go
UNIT
ln -s ../go.service \
	"$tree/etc/systemd/system/multi-user.target.wants/go.service"
"$FY_TOP/tests/guests/make-guest" --out "$T/disk.img" --name inventoried \
	--nic enp0s5=10.77.0.2/24 --bond bond0=enp0s6+enp0s7 \
	--vlan bond0.30=10.77.30.2/24 --tree "$tree"
truncate -s 64M "$T/nvme.img" "$T/shared.img" "$T/virtio.img"

say "starting the machine"
log=$T/serial
: >"$log"
qemu-system-x86_64 -machine q35 -m 1024 -smp 2 -accel tcg,thread=multi \
	-cpu max -display none -nodefaults -vga std -no-reboot -monitor none \
	-serial "file:$log" \
	-smbios "type=0,vendor=Firm Ware,version=F.42,date=04/01/2020" \
	-smbios "type=1,manufacturer=Iron Works,product=Anvil 9,version=v3,serial=SER-1,uuid=4c4c4544-0042-3510-8052-b4c04f4a4e31,sku=SKU-7,family=Anvils" \
	-smbios "type=2,manufacturer=Board Makers,product=B-1,version=r2,serial=BS-2,asset=x" \
	-smbios "type=3,manufacturer=Box Makers,version=1,serial=CS-3,asset=ASSET-77" \
	-smbios "type=17,loc_pfx=SLOT,bank=B0,manufacturer=Chips,serial=MS-4,asset=y,part=PART-5,speed=2133" \
	-drive "if=none,id=d0,format=raw,file=$T/disk.img" \
	-device ide-hd,drive=d0,bus=ide.0,serial=SATA-SERIAL,wwn=0x5000c50015ea71aa,model=Spinning,rotation_rate=7200 \
	-drive "if=none,id=d1,format=raw,file=$T/nvme.img" \
	-device nvme,addr=0x10,drive=d1,serial=NVME-SERIAL,smart_critical_warning=4,logical_block_size=4096,physical_block_size=4096 \
	-device virtio-scsi-pci,id=s0,addr=0x11 \
	-device virtio-scsi-pci,id=s1,addr=0x12 \
	-drive "if=none,id=m0,format=raw,readonly=on,file=$T/shared.img" \
	-drive "if=none,id=m1,format=raw,readonly=on,file=$T/shared.img" \
	-device scsi-hd,bus=s0.0,drive=m0,serial=SHARED,wwn=0x5000c50015ea71bb \
	-device scsi-hd,bus=s1.0,drive=m1,serial=SHARED,wwn=0x5000c50015ea71bb \
	-drive "if=none,id=d3,format=raw,file=$T/virtio.img" \
	-device virtio-blk-pci,addr=0x13,drive=d3,serial=VIRTIO \
	-device e1000,mac=52:54:00:77:00:01,romfile=,addr=5 \
	-device e1000,mac=52:54:00:77:00:02,romfile=,addr=6 \
	-device e1000,mac=52:54:00:77:00:03,romfile=,addr=7 \
	</dev/null >"$T/qemu.out" 2>&1 &
QEMU=$!
own_pid "$QEMU"
has_ended() {
	grep -aq '^GUEST-ENDED' "$log" || ! kill -0 "$QEMU" 2>/dev/null
}
wait_for 600 has_ended || :
grep -aq '^GUEST-ENDED' "$log" || {
	cat "$T/qemu.out"
	tail -c 2000 "$log"
	fail "the machine did not tell its inventory"
}
end_pid "$QEMU"
tr -d '\r' <"$log" >"$T/lines"
sed -n '/^JSON-BEGIN/,/^TEXT-BEGIN/p' "$T/lines" | grep -v -- '-BEGIN' |
	base64 -d | gunzip >"$T/inventory.json"
sed -n '/^TEXT-BEGIN/,/^ERRORS-BEGIN/p' "$T/lines" | grep -v -- '-BEGIN' |
	base64 -d | gunzip >"$T/text"
sed -n '/^ERRORS-BEGIN/,$p' "$T/lines" >"$T/errors"
grep -q '^JSON-ENDED 0$' "$T/errors" || {
	cat "$T/errors"
	fail "the inventory failed"
}
sed -n 's/^TIMES \(.*\) \(.*\)/two inventories took from \1 to \2 s/p' \
	"$T/errors"

# jq's expression must hold for the inventory.
holds() {
	jq -e "$1" "$T/inventory.json" >/dev/null ||
		{ cat "$T/inventory.json" >&2; fail "does not hold: $1"; }
}
shows() {
	grep -qE -- "$1" "$T/text" ||
		{ cat "$T/text" >&2; fail "the text does not show '$1'"; }
}

say "--- the machine"
holds '.firmware == "bios" and .tpm == false and (has("tpm_version") | not)'
holds '.manufacturer == "Iron Works" and .product == "Anvil 9" and
	.version == "v3" and .serial == "SER-1" and .sku == "SKU-7" and
	.family == "Anvils"'
holds '.uuid == "4c4c4544-0042-3510-8052-b4c04f4a4e31"'
holds '.board_manufacturer == "Board Makers" and .board_product == "B-1" and
	.board_version == "r2" and .board_serial == "BS-2"'
holds '.asset_tag == "ASSET-77" and .chassis_serial == "CS-3"'
holds '.bios_vendor == "Firm Ware" and .bios_version == "F.42" and
	.bios_date == "04/01/2020"'
holds '.memory_bytes == 1073741824 and .memory_slots == 1'
holds '.memory_modules | length == 1'
holds '.memory_modules[0] | .size_bytes == 1073741824 and
	.manufacturer == "Chips" and .part == "PART-5" and .serial == "MS-4" and
	.bank == "B0" and .speed_mts == 2133 and (.locator | startswith("SLOT"))'
holds '[.controllers[].kind] | (index("sata") != null) and
	(index("nvme") != null) and (index("scsi") != null)'
holds '.controllers[] | select(.kind == "sata") | .driver == "ahci" and
	.pci_id == "8086:2922"'

say "--- the disks"
# The bus of the SCSI disk is that of its controller.
holds '[.disks[].bus] | sort == ["nvme", "sata", "virtio", "virtio"]'
holds '.disks[] | select(.bus == "sata") | .serial == "SATA-SERIAL" and
	.wwn == "0x5000c50015ea71aa" and .model == "Spinning" and
	.rotational and .removable == false and .hardware_raid == false and
	.boot and .health == "good" and .smart.passed and
	.smart.reallocated_sectors == 0'
holds '.disks[] | select(.bus == "nvme") | .serial == "NVME-SERIAL" and
	.sector_bytes == 4096 and .rotational == false and
	(has("wwn") | not) and .health == "failing" and
	.smart.critical_warning == 4'
holds '.disks[] | select(.serial == "SHARED") |
	.wwn == "0x5000c50015ea71bb" and (.paths | length == 2) and
	.paths[0] == .path and (has("health") | not)'
holds '.disks[] | select(.serial == "VIRTIO") |
	(has("health") | not) and (has("paths") | not)'
head -n 1 "$T/text" | grep -q '^WARNING: the disk /dev/nvme0n1 is failing' ||
	{ cat "$T/text"; fail "the failing disk does not come first"; }

say "--- the network"
holds '[.nics[] | select(.kind == "ethernet") | .permanent_mac] ==
	["52:54:00:77:00:01", "52:54:00:77:00:02", "52:54:00:77:00:03"]'
holds '.nics[] | select(.permanent_mac == "52:54:00:77:00:01") |
	.pci == "0000:00:05.0" and .pci_id == "8086:100e" and
	.driver == "e1000"'
holds '.systems | length == 1'
holds '.systems[0].hostname == "inventoried"'
holds '.systems[0].interfaces[] | select(.name == "enp0s5") |
	.mac == "52:54:00:77:00:01" and .nic == "enp0s5" and
	.addresses == ["10.77.0.2/24"] and .dhcp == false'
for n in 2:enp0s6 3:enp0s7; do
	holds ".systems[0].interfaces[] | select(.name == \"${n#*:}\") |
		.mac == \"52:54:00:77:00:0${n%:*}\" and .master == \"bond0\""
done
holds '.systems[0].interfaces[] | select(.name == "bond0.30") |
	.kind == "vlan" and .vlan == 30 and .parent == "bond0" and
	.addresses == ["10.77.30.2/24"]'
shows '^    interface bond0.30, vlan 30 on bond0, 10.77.30.2/24'
shows '^    paths /dev/sd., /dev/sd.$'
shows 'health good'
say "passed"
