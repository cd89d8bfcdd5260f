#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All of smoke/inject-hostile.sh.
set -eu
FY_HOSTILE_ALL=1 exec bash "$(dirname "$0")/../smoke/inject-hostile.sh"
