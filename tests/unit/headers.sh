#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Each header compiles alone, with both compilers, as C.
set -eu
cd "$(dirname "$0")/../.."
flags="-I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=34 -std=gnu17
 -Wall -Wextra -Werror -fsyntax-only
 $(pkg-config --cflags ext2fs fuse3 jansson libxml-2.0 libssh)"
status=0
for h in */*.h; do
	for cc in gcc clang; do
		# shellcheck disable=SC2086
		echo "#include \"$h\"" | $cc $flags -Wno-unused -x c - ||
			{ echo "$h does not compile alone ($cc)"; status=1; }
	done
done
exit $status
