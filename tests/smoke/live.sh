#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The live image boots from CD with UEFI to the first screen, on the serial
# line; kernel arguments that configure put in arrive; disks are read-only
# there, until one is named as a target; no service has failed.  (With a BIOS:
# smoke/live-story.)
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/live.sh"
live_needs
live_iso

truncate -s 64M "$T/disk"
live_configure "$T/live.iso" --timeout 1 \
	--cmdline 'p2v.name=arrived ironferry.shell=ttyS1'
live_start --cd "$T/live.iso" --firmware uefi --disk "$T/disk" --shell
live_first_screen UEFI 400
live_wait 60 'make a virtual machine of this machine'
live_run 'grep -o "p2v.name=[a-z]*" /proc/cmdline' | grep -qx p2v.name=arrived ||
	fail "the kernel argument did not arrive"
live_run '[ -d /sys/firmware/efi ]' || fail "this is no UEFI boot"
[ "$(live_run 'cat /sys/block/sda/ro')" = 1 ] || fail "the disk can be written to"
! live_run 'echo no >/dev/sda' >/dev/null 2>&1 || fail "the disk was written to"
live_run '/usr/lib/ironferry/allow-write /dev/sda && echo yes >/dev/sda &&
	sync' || fail "a target can't be written to"
live_run '/usr/lib/ironferry/allow-write --revoke /dev/sda'
[ "$(live_run 'cat /sys/block/sda/ro')" = 1 ] || fail "the target stays writable"
failed=$(live_run 'systemctl --failed --plain --no-legend')
[ -z "$failed" ] || fail "failed units: $failed"
live_stop
[ "$(head -c 3 "$T/disk")" = yes ] || fail "the target was not written to"
