#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The whole story, with nobody there: a machine (AHCI disk with a Debian, e1000)
# is booted from the ISO with kernel arguments, converts itself over SSH, and
# powers off.  Not a bit of its disk has changed; the virtual machine boots from
# the XML that was emitted, unedited, and is reached at the old address.
#
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
. "$(dirname "$0")/../lib/live.sh"
pair_begin
requires jq
live_needs
live_iso

pair_make --fstab dev --swap 100 --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
before=$(sha256 <"$PAIR_DISK")
sshd_start --root "$T"

live_configure "$T/live.iso" --inject-key "$SSHD_KEY" --timeout 1 \
	--cmdline "p2v.action=convert p2v.server=root@10.0.2.2:$SSHD_PORT \
p2v.fingerprint=$SSHD_FINGERPRINT p2v.name=machine p2v.to=vms \
p2v.virt-type=qemu p2v.bridge=$LV_BRIDGE p2v.then=poweroff"
live_start --cd "$T/live.iso" --disk "$PAIR_DISK" --nic-at 5
live_first_screen BIOS 240
live_wait_off 600
say "powered off $((SECONDS - LIVE_STARTED)) s after power-on"
grep -aqE '[0-9]+ %' "$LIVE_LOG" ||
	fail "no progress was shown on the serial line"

[ "$(sha256 <"$PAIR_DISK")" = "$before" ] ||
	fail "the machine's disk is not what it was"
json=$PAIR_TO/machine.job/machine.json
[ -s "$json" ] || fail "there is no machine.json in machine.job"
jq -e '.from_hardware and .firmware == "bios" and .vcpus == 2 and
	(.disks | length == 1) and .disks[0].bus == "sata"' "$json" \
	>/dev/null || fail "machine.json does not describe the machine"
grep -q "<mac address=\"$PAIR_NIC_MAC\"/>" "$PAIR_TO/machine.xml" ||
	fail "machine.xml has no NIC with $PAIR_NIC_MAC"
wait_for 10 test ! -e "$PAIR_TO/machine.partial" ||
	fail "machine.partial is left"

pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda1$'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
