#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Debian machine with a BIOS, an MBR and /dev/sda1 in fstab and root= is
# converted over SSH and boots on virtio from the emitted definition.  The
# quick form of ../full/boot-bios.sh.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

pair_make --fstab dev --swap 100 --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda1$'
pair_has 'cat /proc/swaps' '^/dev/vda5'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
