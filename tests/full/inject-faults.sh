#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All of smoke/inject-faults.sh: each write, of a Linux and of a Windows guest.
set -eu
FY_FAULTS_ALL=1 exec bash "$(dirname "$0")/../smoke/inject-faults.sh"
