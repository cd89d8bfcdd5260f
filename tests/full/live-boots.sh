#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The live image boots by every way that it is made for: Secure Boot (and with an
# unsigned kernel not), USB with BIOS and UEFI, written by write-usb, PXE; copied
# to memory and the medium gone; with SATA, NVMe and virtio disks; and with the
# least memory that the documentation promises.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/live.sh"
live_needs
requires_loop
live_iso
least=$(sed -n 's/^Least memory: \([0-9]*\) MiB.*/\1/p' \
	"$FY_TOP/docs/live-image.md")
[ -n "$least" ] || fail "docs/live-image.md does not say the least memory"

args="ironferry.shell=ttyS1 p2v.marker=arrived"
live_configure "$T/live.iso" --timeout 1 --cmdline "$args"
truncate -s 64M "$T/one" "$T/two" "$T/three"

# The kernel's words, the arguments, the disks.
inside() {
	local what=$1
	live_first_screen "$what" 400
	live_run 'grep -q p2v.marker=arrived /proc/cmdline' ||
		fail "$what: the kernel arguments have not arrived"
	live_run 'systemctl --failed --plain --no-legend | grep . && exit 1
		[ "$(systemctl is-active ironferry@tty1)" = active ] &&
		[ "$(systemctl is-active ironferry@ttyS0)" = active ]' ||
		fail "$what: services have failed"
}

ends() {
	live_run 'systemctl poweroff' || :
	live_wait_off 120
}

secure_boot() {
	live_start --cd "$T/live.iso" --firmware secure --shell \
		--disk "$T/one,ahci" --disk "$T/two,nvme" --disk "$T/three,virtio"
	inside "Secure Boot"
	live_run 'journalctl -k | grep -i "secure boot enabled" &&
		grep -q "\[\(integrity\|confidentiality\)\]" /sys/kernel/security/lockdown' ||
		fail "Secure Boot is not in force"
	live_run 'ls /dev/sda /dev/nvme0n1 /dev/vda' ||
		fail "not all of the disks are there"
	ends
}

# The same ISO, its kernel's signature taken off.
unsigned_refused() {
	xorriso -osirrox on -indev "$T/live.iso" -extract /boot/vmlinuz \
		"$T/vmlinuz" >/dev/null 2>&1
	python3 - "$T/vmlinuz" <<'PY'
import struct, sys
b = bytearray(open(sys.argv[1], "rb").read())
pe = struct.unpack_from("<I", b, 0x3c)[0]
assert b[pe:pe + 4] == b"PE\0\0"
# The optional header's fifth data directory: the certificates.
entry = pe + 24 + 112 + 4 * 8
offset, size = struct.unpack_from("<II", b, entry)
assert offset and size, "there is no signature"
struct.pack_into("<II", b, entry, 0, 0)
open(sys.argv[1], "wb").write(b[:offset])
PY
	xorriso -indev "$T/live.iso" -outdev "$T/unsigned.iso" \
		-boot_image any replay -rm /boot/vmlinuz -- \
		-map "$T/vmlinuz" /boot/vmlinuz -commit >/dev/null 2>&1
	live_start --cd "$T/unsigned.iso" --firmware secure --no-net
	live_wait 300 'bad shim signature|has invalid signature'
	sleep 5
	! grep -aqE "$LIVE_READY|Linux version" "$LIVE_LOG" ||
		fail "an unsigned kernel was started under Secure Boot"
	say "Secure Boot refuses the unsigned kernel"
	live_stop
	live_start --cd "$T/unsigned.iso" --firmware uefi --no-net
	live_first_screen "unsigned kernel without Secure Boot" 400
	live_stop
	rm -f "$T/unsigned.iso"
}

usb() {
	local loop
	truncate -s 1G "$T/stick"
	loop=$(losetup --find --show "$T/stick")
	at_exit losetup -d "$loop"
	"$FY_TOP/live-image/write-usb" "$loop" "$T/live.iso" --yes ||
		fail "write-usb failed"
	losetup -d "$loop"
	for firmware in bios uefi; do
		live_start --usb "$T/stick" --firmware $firmware --shell --no-net
		inside "USB, $firmware"
		live_run '[ "$(cat /run/ironferry/medium-device)" = sda ] &&
			[ "$(cat /sys/class/block/sda/ro)" = 1 ]' ||
			fail "the medium is not sda, or is writable"
		ends
	done
}

to_ram() {
	live_configure "$T/toram.iso" --timeout 1 --cmdline "$args toram"
	live_start --cd "$T/toram.iso" --shell --no-net --memory 1536
	inside toram
	live_monitor 'eject -f cd'
	sleep 2
	live_run 'echo 3 >/proc/sys/vm/drop_caches
		! grep -q iso9660 /proc/mounts && cat /usr/bin/* | wc -c &&
		cat /run/ironferry/medium/ironferry/version' ||
		fail "it does not live without the medium"
	ends
	rm -f "$T/toram.iso"
}

# iPXE's first file comes by TFTP, the large ones by HTTP as in practice.
pxe() {
	local port
	port=$(free_port)
	mkdir "$T/tftp"
	printf '#!ipxe\nset extra %s\nchain http://10.0.2.2:%s/boot.ipxe\n' \
		"$args" "$port" >"$T/tftp/boot.ipxe"
	python3 -m http.server --bind 127.0.0.1 --directory "$LIVE_DIR/pxe" \
		"$port" >"$T/http.log" 2>&1 &
	own_pid $!
	live_start --pxe "$T/tftp" --shell --memory 1024
	inside PXE
	ends
}

pxe_tftp() {
	live_start --pxe "$LIVE_DIR/pxe" --memory 1024
	live_first_screen "PXE, all by TFTP" 900
	live_stop
}

least_memory() {
	live_start --cd "$T/live.iso" --shell --memory "$least"
	inside "$least MiB"
	live_run 'free -m; ! journalctl -k | grep -i "out of memory"' ||
		fail "it is out of memory"
	ends
}

if [ $# -eq 0 ]; then
	set -- secure_boot unsigned_refused usb to_ram pxe pxe_tftp least_memory
fi
for part; do
	"$part"
done
