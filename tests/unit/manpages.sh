#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every option of a program is in its man page (as B<--option>), and the page
# has no option that the program doesn't know.
set -u
cd "$(dirname "$0")/../.." || exit 1
status=0
for p in used-blocks v2v-server p2v-client; do
	page=docs/man/$p.pod
	[ -e "$page" ] || { echo "$page is missing"; status=1; continue; }
	podchecker "$page" >/dev/null 2>&1 || { podchecker "$page"; status=1; }
	options=$("$FY_BUILD/$p" --long-options | sort -u)
	for o in $options; do
		grep -qE -- "B<$o(=|>|\[| )" "$page" ||
			{ echo "$page does not tell of $o"; status=1; }
	done
	for o in $(grep -oE '^=item B<--[a-z0-9-]+' "$page" | sed 's/.*B<//' | sort -u); do
		case $o in --help|--version|--completion|--long-options) continue ;; esac
		grep -qx -- "$o" <<<"$options" ||
			{ echo "$page tells of $o, which $p does not know"; status=1; }
	done
done
exit $status
