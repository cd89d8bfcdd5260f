#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# systemd-boot: kernel, initramfs (of dracut) and the entry lie on the ESP, and
# the root is named /dev/nvme0n1p2.  Booted as NVMe first; the virtual machine
# starts with empty variables.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

disk=(--firmware uefi --efi-entry '\EFI\systemd\systemd-bootx64.efi')
pair_make --firmware uefi --loader systemd-boot --disk-name nvme0n1 \
	--fstab dev --swap 100 --initramfs dracut --net networkd \
	--nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron "${disk[@]}" --as nvme --nic e1000
pair_iron_fails "${disk[@]}"
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
pair_clean
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda2$'
pair_has 'cat /proc/swaps' '^/dev/vda3'
pair_lacks 'cat /proc/cmdline' nvme
pair_has 'bootctl status' 'Product: systemd-boot'
pair_lacks 'cat /boot/efi/loader/entries/*.conf /etc/kernel/cmdline' nvme
pair_lacks 'grep -v "^#" /etc/fstab' nvme
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_clean
pair_back "${disk[@]}" --as nvme --nic e1000
