#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/usedmap.sh"
requires_built used-blocks
workbench_needs
