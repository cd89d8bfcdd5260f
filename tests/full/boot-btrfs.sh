#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The root on a subvolume of Btrfs, /home and the snapshots on others, BIOS and
# GRUB, netplan with networkd.  The snapshot, which is read-only, stays as it was.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

pair_make --fs btrfs --fstab dev --swap 100 --net netplan \
	--nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --nic e1000
pair_iron_fails
pair_convert --nic "enp0s5=$PAIR_NIC_MAC" --compressed=zstd
pair_clean
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda1\[/@\]$'
pair_has 'findmnt -no SOURCE /home' '^/dev/vda1\[/@home\]$'
pair_has 'findmnt -no SOURCE /.snapshots' '^/dev/vda1\[/@snapshots\]$'
pair_has 'cat /proc/swaps' '^/dev/vda5'
pair_lacks 'grep -v "^#" /etc/fstab' '/dev/sd'
pair_has 'cat /.snapshots/1/snapshot/etc/fstab' '^/dev/sda1 / btrfs'
pair_has 'networkctl status enp0s5' 'netplan-enp0s5'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_clean
pair_back --nic e1000
