#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The Debian packages: they build, hold what they should, lintian finds no
# error, their dependencies can be had, and the programs in them start.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires dpkg-deb lintian dpkg-buildpackage

cd "$FY_TOP"
FY_BUILD=$T/build tests/make-deb >"$T/log" 2>&1 || {
	tail -n 40 "$T/log"
	fail "make deb failed"
}
client=$(echo "$T"/build/deb/ironferry-client_*.deb)
server=$(echo "$T"/build/deb/ironferry-server_*.deb)

has() {
	dpkg-deb -c "$1" | awk '{ print $6 }' | grep -qx "\./$2" ||
		fail "$(basename "$1") has no /$2"
}
for p in p2v-client used-blocks; do
	has "$client" "usr/bin/$p"
	has "$client" "usr/share/man/man1/$p.1.gz"
	has "$client" "usr/share/bash-completion/completions/$p"
done
has "$server" usr/bin/v2v-server
has "$server" usr/share/man/man1/v2v-server.1.gz
for d in dialog e2fsprogs fuse3 libssh; do
	dpkg-deb -f "$client" Depends | grep -q "$d" ||
		fail "the client's package does not depend on $d"
done
for d in qemu-utils mtools e2fsprogs kmod fuse3 libnbd0; do
	dpkg-deb -f "$server" Depends | grep -q "$d" ||
		fail "the server's package does not depend on $d"
done
dpkg-deb -f "$server" Recommends | grep -q openssh-server ||
	fail "the server's package does not recommend openssh-server"

lintian --fail-on error "$client" "$server" || fail "lintian finds errors"
apt-get install -s -q --no-install-recommends "$client" "$server" \
	>"$T/apt" 2>&1 || {
	cat "$T/apt"
	fail "apt cannot satisfy the dependencies"
}

for d in "$client" "$server"; do
	dpkg-deb -x "$d" "$T/root"
done
for p in p2v-client used-blocks v2v-server; do
	"$T/root/usr/bin/$p" --version | grep -q '[0-9]\.[0-9]' ||
		fail "$p --version says no version"
done
say "packages are good"
