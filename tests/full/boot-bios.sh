#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# BIOS, MBR, /dev/sda1 in fstab and root=, swap on a logical partition.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

pair_make --fstab dev --swap 100 --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --nic e1000
pair_iron_fails
pair_convert --nic "enp0s5=$PAIR_NIC_MAC" --compressed=zstd
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda1$'
pair_has 'cat /proc/swaps' '^/dev/vda5'
pair_lacks 'grep -v "^#" /etc/fstab' '/dev/sd'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_back --nic e1000
# A later update of the initramfs and of grub.cfg must not undo it.  (With
# MODULES=dep, as here, it drops AHCI: the machine is a virtual one now.)
pair_start
pair_ssh_works 10.77.0.2
pair_has 'update-initramfs -u && update-grub && echo both-done' 'both-done'
pair_off
pair_start
pair_ssh_works 10.77.0.2
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
