#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What sshd may ask of a client: new keys every 16 MB over a gigabyte, and a
# login by keyboard-interactive only.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
requires qemu-img unshare jq
requires_root
requires_built p2v-client v2v-server

say "--- RekeyLimit 16M over 1 GB"
head -c 1G /dev/urandom >"$T/random.img"
sshd_start --root "$T" --config 'RekeyLimit 16M'
"$FY_BUILD/p2v-client" convert --server "$SSHD_SERVER" --identity "$SSHD_KEY" \
	--fingerprint "$SSHD_FINGERPRINT" --disk "$T/random.img" --name random \
	--to "$T/vms" --format raw --no-inject --progress none --quiet ||
	fail "the conversion failed"
cmp "$T/random.img" "$T/vms/random.raw" || fail "other bytes came out"
rm -rf "$T/random.img" "$T/vms"

say "--- keyboard-interactive"
word=correct-horse
sshd_password "$word"
sshd_start --no-command --in "unshare --mount $T/inside" \
	--config 'UsePAM yes' --config 'KbdInteractiveAuthentication yes' \
	--config 'AuthenticationMethods keyboard-interactive' \
	--config "ForceCommand $FY_BUILD/v2v-server serve --root $T"
head -c 20M /dev/urandom >"$T/small.img"
echo "$word" >"$T/word"
echo "wrong" >"$T/wrong"
run() {
	"$FY_BUILD/p2v-client" convert --server "fyp2v@127.0.0.1:$SSHD_PORT" \
		--fingerprint "$SSHD_FINGERPRINT" --password-file "$1" \
		--disk "$T/small.img" --name small --to "$T/vms" --format raw \
		--no-inject --progress none --quiet </dev/null
}
run "$T/word" || { tail "$SSHD_LOG"; fail "no login with the right word"; }
cmp "$T/small.img" "$T/vms/small.raw" || fail "other bytes came out"
grep -q 'Accepted keyboard-interactive' "$SSHD_LOG" ||
	fail "sshd did not log a keyboard-interactive login"
rm -rf "$T/vms"
expect_status 1 run "$T/wrong"
[ ! -e "$T/vms/small.raw" ] || fail "a result after a wrong password"
