#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Five hundred power cuts of the server; see ../lib/crash.sh.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/job.sh"
. "$(dirname "$0")/../lib/crash.sh"
job_begin
crash 500 "${FY_SEED:-20}"
