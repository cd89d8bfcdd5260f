#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The live image's dialog, driven on the serial console by a test that types:
# server, unknown host key, three disks (AHCI, NVMe, virtio), shape, format,
# summary, the job, power off.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/live.sh"
. "$(dirname "$0")/../lib/terminal.sh"
. "$(dirname "$0")/../lib/disk.sh"
live_needs
live_iso
requires tmux jq qemu-img mkfs.ext4 sfdisk

disk=$T/disk.img
debian_disk "$disk" serial-iron 20M 104
truncate -s 64M "$T/nvme.img" "$T/virtio.img"
mkfs.ext4 -q "$T/virtio.img"
sums() {
	sha256sum "$disk" "$T/nvme.img" "$T/virtio.img"
}
before=$(sums)
mkdir "$T/vms"
sshd_start --root "$T/vms"

# The key is on the medium; the server is typed, its host key is not known.
live_configure "$T/live.iso" --timeout 1 --inject-key "$SSHD_KEY" \
	--cmdline 'p2v.no-inject'
live_start --cd "$T/live.iso" --disk "$disk" --disk "$T/nvme.img,nvme" \
	--disk "$T/virtio.img,virtio"
cat >"$T/terminal" <<RUN
exec python3 "$FY_TOP/tests/lib/serial-terminal.py" "$LIVE_SERIAL"
RUN
wait_for 20 test -S "$LIVE_SERIAL" || fail "QEMU has no serial line"
terminal_start "$T/terminal"

see 'convert +make a virtual machine' 400
say "menu $((SECONDS - LIVE_STARTED)) s after power-on"
see 'poweroff +switch this machine off'

say "--- the network: one port, by DHCP"
choose n
see 'link up'
see '52:54:00:77:00:01'
keys Tab Enter
see 'poweroff +switch'

say "--- the shell"
keys Home
keys -l ss
sleep 0.3
keys Enter
see 'leads back to the menu'
# The shell's arithmetic is what tells it from the echo of what is typed.
# shellcheck disable=SC2016
keys -l 'echo shell-$((40+2))'
keys Enter
see 'shell-42'
keys -l 'exit'
keys Enter
see 'poweroff +switch'

say "--- convert"
choose c
see 'Where shall the virtual machine go'
keys -l -- "root@10.0.2.2:$SSHD_PORT"
keys Enter
see 'Unknown host key' 60
see "${SSHD_FINGERPRINT//+/\\+}"
keys Left Enter
see 'Choose the disks' 120
see '/dev/sda '
see '/dev/nvme0n1 '
see '/dev/vda '
keys Enter
see 'Directory on the server' 60
see 'serial-iron'
keys Enter
see 'In which format'
keys Enter
see 'Start\?'
keys Enter
see 'Files on ' 300
see 'serial-iron.qcow2'
keys Enter
see 'poweroff +switch'
choose p
see 'Switch off this machine now'
keys Enter
live_wait_off 120

[ "$(sums)" = "$before" ] || fail "a disk is not what it was"
for f in "$disk" "$T/nvme.img" "$T/virtio.img"; do
	found=
	for i in serial-iron serial-iron-2 serial-iron-3; do
		qemu-img check -q "$T/vms/$i.qcow2"
		! qemu-img compare -q "$f" "$T/vms/$i.qcow2" || found=$i
	done
	[ -n "$found" ] || fail "no image is what ${f##*/} was"
	say "${f##*/} is $found.qcow2"
done
qemu-img compare -q "$disk" "$T/vms/serial-iron.qcow2" ||
	fail "the boot disk is not the first"
say "passed"
