#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The root on XFS (which takes libguestfs to write to), /boot on ext4, UEFI,
# device names everywhere, NetworkManager with a keyfile.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

entry='\EFI\debian\shimx64.efi'
pair_make --firmware uefi --fs xfs --separate-boot --fstab dev --swap 100 \
	--net networkmanager --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --firmware uefi --efi-entry "$entry" --nic e1000
pair_iron_fails --firmware uefi --efi-entry "$entry"
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
pair_clean
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE,FSTYPE /' '^/dev/vda3 +xfs$'
pair_has 'findmnt -no SOURCE,FSTYPE /boot' '^/dev/vda2 +ext4$'
pair_has 'cat /proc/swaps' '^/dev/vda4'
pair_lacks 'grep -v "^#" /etc/fstab' '/dev/sd'
pair_has 'nmcli -g NAME,DEVICE connection show --active' '^Wired enp0s5:enp0s5$'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_clean
pair_back --firmware uefi --efi-entry "$entry" --nic e1000
