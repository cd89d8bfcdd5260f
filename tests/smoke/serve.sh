#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# v2v-server as a program: what its options forbid, alone and as a forced
# command behind a real sshd; commands that aren't there; a directory that can't
# be written.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
requires python3

server=$FY_BUILD/v2v-server
say_job=$FY_TOP/tests/lib/say-job.py
root=$T/root
mkdir "$root"

# refused STATUS WORDS COMMAND...: it ends so, and says that.
refused() {
	local want=$1 words=$2 status=0
	shift 2
	"$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
	[ "$status" = "$want" ] || {
		cat "$T/out" "$T/err" >&2
		fail "exit status $status, not $want: $*"
	}
	grep -qF -- "$words" "$T/out" "$T/err" || {
		cat "$T/out" "$T/err" >&2
		fail "'$words' is not said by: $*"
	}
}

# accepted COMMAND...: READY comes.
accepted() {
	"$@" >"$T/out" 2>"$T/err" || { cat "$T/out" "$T/err" >&2; fail "$*"; }
	grep -q '^READY ' "$T/out" || { cat "$T/out" >&2; fail "no READY: $*"; }
}

say "options"
refused 2 "need --root" "$server" serve --allow convert
refused 2 "need --root" "$server" serve --machine web01
refused 2 "need --root" "$server" serve --append-only
refused 2 "everything" "$server" serve --root "$root" --allow everything
refused 1 "nowhere" "$server" serve --root "$T/nowhere"
refused 1 "not in this version" "$server" convert x.vmdk
refused 1 "not in this version" "$server" batch jobs.json
refused 1 "not in this version" "$server" repository list x
refused 1 "not there yet" "$server" convert --to /vms x.vmdk
refused 0 "(not there yet)" "$server" --help
refused 2 "Windows" "$server" serve --virtio-win /x
refused 2 "Windows" "$server" inject --virtio-win /x disk
refused 1 "missing.img" "$server" inspect "$T/missing.img"

say "roles"
job() {
	python3 "$say_job" "$@"
}
accepted job -- "$server" serve --root "$root"
[ -e "$root/vm.partial/journal" ] || fail "no job was begun"
rm -r "$root/vm.partial"
refused 1 '"denied"' job 'to=".."' -- "$server" serve --root "$root"
refused 1 '"denied"' job 'to="/etc"' -- "$server" serve --root "$root"
refused 1 '"denied"' job 'name="web02"' -- \
	"$server" serve --root "$root" --machine web01
refused 1 '"denied"' job 'force=true' -- \
	"$server" serve --root "$root" --append-only
refused 1 '"denied"' job -- "$server" serve --root "$root" --allow backup
refused 1 '"unsupported"' job 'action="backup"' -- \
	"$server" serve --root "$root"
refused 2 '"usage"' job 'name="../x"' -- "$server" serve --root "$root"
ln -s /etc "$root/link"
refused 1 '"denied"' job 'to="link"' -- "$server" serve --root "$root"
[ "$(ls -A "$root")" = link ] || fail "something was left: $(ls -A "$root")"

say "a directory that can't be written"
mkdir "$root/closed"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null &&
	getent passwd nobody >/dev/null; then
	chmod 711 "$T"
	chmod 755 "$root" "$root/closed"
	cp "$server" "$T/v2v-server"
	refused 1 'Permission denied' job 'to="closed"' -- \
		setpriv --reuid nobody --regid nogroup --clear-groups \
		"$T/v2v-server" serve --root "$root"
elif [ "$(id -u)" != 0 ]; then
	chmod 555 "$root/closed"
	refused 1 'Permission denied' job 'to="closed"' -- \
		"$server" serve --root "$root"
fi

say "forced command"
mkdir "$root/ssh"
sshd_start --serve "--root $root/ssh --allow convert --machine web01"
over_ssh=(ssh -F none -p "$SSHD_PORT" -i "$SSHD_KEY" -o BatchMode=yes
	-o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new
	-o UserKnownHostsFile="$T/known" "$SSHD_USER@127.0.0.1")
# What the client asks for is not what runs.
refused 1 '"denied"' job 'to="../.."' 'name="web01"' -- \
	"${over_ssh[@]}" v2v-server serve --root /
refused 1 '"denied"' job 'name="web02"' -- "${over_ssh[@]}" id
accepted job 'name="web01"' 'to="vms"' -- "${over_ssh[@]}" v2v-server serve
[ -e "$root/ssh/vms/web01.partial/journal" ] || fail "no job over ssh"
say "passed"
