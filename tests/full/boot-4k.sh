#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A disk with 4096-byte sectors (NVMe on the iron), UEFI.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

entry='\EFI\debian\shimx64.efi'
disk=(--sector 4096 --firmware uefi --efi-entry "$entry")
pair_make --firmware uefi --sector 4096 --disk-name nvme0n1 --fstab dev \
	--swap 100 --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron "${disk[@]}" --as nvme --nic e1000
pair_iron_fails "${disk[@]}"
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda2$'
pair_has 'cat /sys/block/vda/queue/logical_block_size' '^4096$'
pair_has 'cat /proc/swaps' '^/dev/vda3'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_back "${disk[@]}" --as nvme --nic e1000
