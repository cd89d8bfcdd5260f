#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything builds with clang, without warnings.
set -eu
cd "$(dirname "$0")/../.."
out=$(mktemp -d "${TMPDIR:-/var/tmp}/fy-clang.XXXXXX")
trap 'rm -rf "$out"' EXIT
make -j"$(nproc)" O="$out" CC=clang OPT=-O1 WERROR=-Werror test-programs
