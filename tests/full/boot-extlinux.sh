#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# extlinux, and swap in a plain dm-crypt with a random key, which formats whatever
# partition it is given: it must be the right one.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

pair_make --loader extlinux --fstab dev --swap 100 --crypt-swap \
	--nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --nic e1000
pair_iron_fails
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
pair_clean
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda1$'
pair_lacks 'cat /boot/extlinux/extlinux.conf /etc/fstab' '/dev/sd'
pair_has 'cat /etc/crypttab' '^cswap PARTUUID='
pair_has 'cryptsetup status cswap' 'device: +/dev/vda5'
pair_has 'swapon --show=NAME --noheadings' '^/dev/dm-0$'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_clean
pair_back --nic e1000
