#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# UEFI, GPT, UUIDs, systemd-networkd, /boot on its own; the virtual machine
# starts with empty variables, so only EFI/BOOT/BOOTX64.EFI can start it.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

entry='\EFI\debian\shimx64.efi'
pair_make --firmware uefi --fstab uuid --swap 100 --separate-boot \
	--net networkd --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --firmware uefi --efi-entry "$entry" --nic e1000
pair_iron_fails --firmware uefi --efi-entry "$entry"
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda3$'
pair_has 'test -d /sys/firmware/efi && echo is-uefi' is-uefi
pair_has 'cat /proc/swaps' '^/dev/vda4'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_back --firmware uefi --efi-entry "$entry" --nic e1000
