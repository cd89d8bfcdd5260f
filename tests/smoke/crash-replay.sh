#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Twenty power cuts of the server; see ../lib/crash.sh.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/job.sh"
. "$(dirname "$0")/../lib/crash.sh"
job_begin
crash 20 "${FY_SEED:-1}"
