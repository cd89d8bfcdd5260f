#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Each fuzz target with clang's engine for FUZZ_SECONDS (120), under ASan and
# UBSan.
set -eu
cd "$(dirname "$0")/../.."
make fuzz FUZZ_SECONDS="${FUZZ_SECONDS:-120}"
