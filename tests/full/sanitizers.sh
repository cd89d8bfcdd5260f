#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The unit tests and a conversion over SSH under ASan and UBSan; the unit tests
# under TSan.
set -eu
cd "$(dirname "$0")/../.."
make check-asan
make check-tsan
