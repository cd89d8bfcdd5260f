#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All of smoke/inject.sh: kills, an unreplayed journal and the ESP too.
set -eu
FY_INJECT_ALL=1 exec bash "$(dirname "$0")/../smoke/inject.sh"
