#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Client, server or connection killed thirty times; see ../lib/kills.sh.
# FY_SEED gives other moments.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/job.sh"
. "$(dirname "$0")/../lib/kills.sh"
job_begin
kills 30 "${FY_SEED:-20}"
[ "$kills_resumed" -ge 5 ] ||
	fail "only $kills_resumed of 30 runs found durable units to go on with"
