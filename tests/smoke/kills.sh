#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Client, server or connection killed three times; see ../lib/kills.sh.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/job.sh"
. "$(dirname "$0")/../lib/kills.sh"
job_begin
kills 3 "${FY_SEED:-1}"
