#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Rooms depend downwards only; names of the banned calls don't occur.
set -u
cd "$(dirname "$0")/../.." || exit 1
status=0
# room: rooms that it may include
allowed()
{
	case $1 in
	common) echo common ;;
	partclone|imaging) echo "common $1" ;;
	drivers-inject) echo "common partclone imaging $1" ;;
	p2v-client) echo "common partclone imaging drivers-inject $1" ;;
	v2v-server) echo "common partclone imaging drivers-inject $1" ;;
	esac
}
for room in common partclone imaging drivers-inject p2v-client v2v-server; do
	for f in "$room"/*.c "$room"/*.h; do
		[ -e "$f" ] || continue
		case $f in */test-*|*/fuzz-*) continue ;; esac
		for other in $(sed -n 's|^#include "\([a-z0-9-]*\)/.*|\1|p' "$f" | sort -u); do
			case " $(allowed "$room") " in
			*" $other "*) ;;
			*) echo "$f includes $other/: not allowed"; status=1 ;;
			esac
		done
	done
done
calls='\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|atoi|atol|atoll|gmtime|localtime|mktemp|tmpnam|system|popen) *\('
if grep -nE "$calls" ./*/*.c ./*/*.h; then
	echo "the calls above are banned"
	status=1
fi
exit $status
