#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# An image of which nothing is known but its bytes: no description of the
# machine, no MAC; one NIC, which must keep its name and address.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

pair_make --fstab uuid --nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --nic e1000
pair_iron_fails
pair_convert
pair_start
pair_ssh_works 10.77.0.2
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_back --nic e1000
