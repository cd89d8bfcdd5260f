#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Sources: licence line, formatting, length of files.
set -u
cd "$(dirname "$0")/../.." || exit 1
status=0
list()
{
	git ls-files "$@" 2>/dev/null || ls -- "$@"
}
for f in $(list '*.c' '*.h' '*.sh' Makefile .ci/run tests/run); do
	[ -e "$f" ] || continue
	head -n 5 "$f" | grep -q 'SPDX-License-Identifier: GPL-3.0-or-later' ||
		{ echo "$f has no licence line"; status=1; }
done
for f in $(list '*.c' '*.h'); do
	[ -e "$f" ] || continue
	[ "$(wc -l <"$f")" -le 800 ] || { echo "$f has over 800 lines"; status=1; }
	clang-format --dry-run --Werror "$f" 2>/dev/null ||
		{ echo "$f is not formatted (make format)"; status=1; }
done
exit $status
