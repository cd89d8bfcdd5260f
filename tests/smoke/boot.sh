#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Debian machine with a BIOS and an MBR: the root an LV, /boot and a swap of
# plain dm-crypt named by their devices, NetworkManager.  It is converted over
# SSH and boots on virtio from the emitted definition.  (Other mechanisms, and
# the boots before and after: ../full/boot-*.sh; the root on /dev/sda1:
# live-story.sh.)
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

pair_make --stack lvm --fstab dev --swap 100 --crypt-swap \
	--net networkmanager --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/mapper/sys-root$'
pair_has 'findmnt -no SOURCE /boot' '^/dev/vda1$'
pair_has 'swapon --show=NAME --noheadings' '^/dev/dm-'
pair_has 'cryptsetup status cswap' 'device: +/dev/vda5'
pair_has 'nmcli -g NAME,DEVICE connection show --active' '^Wired enp0s5:enp0s5$'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
