#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The live image is built, and boots from CD with a BIOS and with UEFI to the
# first screen, on the serial line; kernel arguments that configure put in
# arrive; disks are read-only there.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/live.sh"
live_needs
live_iso

truncate -s 64M "$T/disk"
live_configure "$T/live.iso" --timeout 1 --cmdline 'p2v.test=arrived'
live_start --cd "$T/live.iso" --disk "$T/disk"
live_first_screen BIOS 240
live_stop

live_start --cd "$T/live.iso" --firmware uefi --no-net
live_first_screen UEFI 300
