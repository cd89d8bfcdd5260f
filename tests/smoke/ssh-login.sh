#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Who may log in, and who is asked: keys of an ssh-agent (several, locked, gone),
# encrypted private keys with and without a terminal, and the question for an
# unknown host key.  Each login converts a small disk, so that it counts only
# when the server did its work.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
requires expect setsid ssh-agent ssh-add ssh-keygen
requires_built p2v-client v2v-server

WORD='open sesame'
LOG=$T/log
# Nothing of the caller's: no agent, no default keys.
unset SSH_AUTH_SOCK SSH_AGENT_PID
export HOME=$T/home
mkdir -p "$HOME/.ssh" "$T/vms"
chmod 700 "$HOME/.ssh"
head -c 1M /dev/urandom >"$T/disk.img"
sshd_start --root "$T/vms"

# It answers questions on a terminal: QUESTION ANSWER ... -- COMMAND...  Another
# question than these, or one that never comes, is status 97 to 99.
cat >"$T/talk" <<'EXPECT'
set timeout 30
set cut [lsearch -exact $argv --]
spawn -noecho {*}[lrange $argv [expr {$cut + 1}] end]
foreach {question answer} [lrange $argv 0 [expr {$cut - 1}]] {
	expect {
		-re $question { send -- "$answer\r" }
		timeout { exit 99 }
		eof { exit 98 }
	}
}
expect {
	eof {}
	timeout { exit 97 }
}
exit [lindex [wait] 3]
EXPECT

client=("$FY_BUILD/p2v-client" convert --server "$SSHD_SERVER"
	--disk "$T/disk.img" --name vm --format raw --no-inject
	--progress none --quiet)
pin=(--fingerprint "$SSHD_FINGERPRINT")

# at_terminal STATUS [QUESTION ANSWER]... -- OPTION...
at_terminal() {
	local want=$1 talk=()
	shift
	while [ "$1" != -- ]; do
		talk+=("$1" "$2")
		shift 2
	done
	shift
	check "$want" expect -f "$T/talk" -- "${talk[@]}" -- "${client[@]}" "$@"
}

# alone STATUS OPTION...: nobody is there to be asked.
alone() {
	local want=$1
	shift
	check "$want" setsid -w "${client[@]}" "$@"
}

check() {
	local want=$1 got=0
	shift
	timeout 90 "$@" >"$LOG" 2>&1 </dev/null || got=$?
	[ "$got" = "$want" ] || {
		cat "$LOG" >&2
		tail -n 5 "$SSHD_LOG" >&2
		fail "status $got, not $want"
	}
	if [ "$want" = 0 ]; then
		cmp "$T/disk.img" "$T/vms/vm.raw" || fail "other bytes came out"
	fi
	[ "$want" = 0 ] || [ ! -e "$T/vms/vm.raw" ] || fail "a result of a failure"
	rm -rf "$T"/vms/*
}

# Lines of a terminal may be cut anywhere.
told() {
	tr -d '\r\n' <"$LOG" | grep -qF -- "$1" || {
		cat "$LOG" >&2
		fail "it doesn't say '$1'"
	}
}

key() {
	ssh-keygen -q -t "$1" -N "$2" -C "$3" -f "$T/$3"
}

# ---- the agent ----------------------------------------------------------------

say "--- an agent"
# Keys that want to be confirmed are never confirmed.
eval "$(SSH_ASKPASS=/bin/false ssh-agent -s)" >/dev/null
own_pid "$SSH_AGENT_PID"
key ed25519 '' stranger1
key ecdsa '' stranger2
alone 1 "${pin[@]}"
told 'refuses the login'
told 'agent'
ssh-add -q "$T/stranger1" "$T/stranger2"
alone 1 "${pin[@]}"
told 'refuses the login'
ssh-add -q "$SSHD_KEY"
[ "$(ssh-add -l | wc -l)" = 3 ] || fail "not three keys in the agent"
alone 0 "${pin[@]}"
grep -q 'Accepted publickey' "$SSHD_LOG" || fail "no key was accepted"

say "--- an agent that signs nothing"
ssh-add -q -d "$SSHD_KEY" 2>/dev/null
ssh-add -q -c "$SSHD_KEY"
alone 1 "${pin[@]}"
told 'refuses the login'
cp "$SSHD_KEY" "$HOME/.ssh/id_ed25519"
alone 0 "${pin[@]}"
rm "$HOME/.ssh/id_ed25519"

say "--- a locked agent, and none"
SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force
printf '#!/bin/sh\necho x\n' >"$T/askpass"
chmod 755 "$T/askpass"
export SSH_ASKPASS SSH_ASKPASS_REQUIRE
ssh-add -x >/dev/null 2>&1 || fail "the agent can't be locked"
alone 1 "${pin[@]}"
told 'refuses the login'
# It is no reason to give up: the other keys are tried.
cp "$SSHD_KEY" "$HOME/.ssh/id_ed25519"
alone 0 "${pin[@]}"
ssh-add -X >/dev/null 2>&1 || fail "the agent can't be unlocked"
unset SSH_ASKPASS SSH_ASKPASS_REQUIRE
end_pid "$SSH_AGENT_PID"
alone 0 "${pin[@]}"
rm "$HOME/.ssh/id_ed25519"
alone 1 "${pin[@]}"
told 'refuses the login'
unset SSH_AUTH_SOCK SSH_AGENT_PID

# ---- encrypted keys -------------------------------------------------------------

say "--- an encrypted key"
key ed25519 "$WORD" locked
cp "$SSHD_DIR/authorized_keys" "$T/authorized"
sed "s|ssh-ed25519 .*|$(cut -d' ' -f1,2 "$T/locked.pub")|" "$T/authorized" \
	>"$SSHD_DIR/authorized_keys"
lock=("${pin[@]}" --identity "$T/locked")
at_terminal 0 "Passphrase of $T/locked" "$WORD" -- "${lock[@]}"
! grep -qF "$WORD" "$LOG" || fail "the passphrase is shown"
at_terminal 0 Passphrase wrong Passphrase "$WORD" -- "${lock[@]}"
at_terminal 1 Passphrase a Passphrase b Passphrase c -- "${lock[@]}"
told 'passphrase of the key file'
told 'is wrong'
alone 1 "${lock[@]}"
told "'$T/locked' is encrypted, and there is no terminal"
told 'ssh-add'

say "--- an encrypted key in its usual place"
cp "$T/locked" "$HOME/.ssh/id_ed25519"
at_terminal 0 Passphrase "$WORD" -- "${pin[@]}"
alone 1 "${pin[@]}"
told 'but it is encrypted'
rm "$HOME/.ssh/id_ed25519"

say "--- a key that the server wouldn't take is not asked for"
key ed25519 "$WORD" useless
at_terminal 1 -- "${pin[@]}" --identity "$T/useless"
told 'refuses the login'
echo nonsense >"$T/nonsense"
at_terminal 1 -- "${pin[@]}" --identity "$T/nonsense"
told 'no private key'
alone 1 "${pin[@]}" --identity "$T/nowhere"
told "'$T/nowhere'"
cp "$T/authorized" "$SSHD_DIR/authorized_keys"

# ---- the host key -----------------------------------------------------------------

say "--- an unknown host key"
ask=(--identity "$SSHD_KEY" --known-hosts "$T/known")
at_terminal 1 'y/n' n -- "${ask[@]}"
told "$SSHD_FINGERPRINT"
told 'was not accepted'
[ ! -s "$T/known" ] || fail "a refused key was remembered"
alone 1 "${ask[@]}"
told "$SSHD_FINGERPRINT"
told --fingerprint
[ ! -s "$T/known" ] || fail "a key was remembered without a word"
at_terminal 0 'y/n' perhaps 'y/n' y -- "${ask[@]}"
told "$SSHD_FINGERPRINT"
ssh-keygen -F "[127.0.0.1]:$SSHD_PORT" -f "$T/known" -l -E sha256 |
	grep -qF "$SSHD_FINGERPRINT" || fail "the key was not remembered"
cp "$T/known" "$T/known.before"
at_terminal 0 -- "${ask[@]}"
alone 0 "${ask[@]}"
cmp "$T/known" "$T/known.before" || fail "known_hosts changed again"
say "passed"
