# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A private sshd on 127.0.0.1 with keys of its own.  After common.sh.
#
#     sshd_start [--root DIR] [--serve ARGS] [--listen ADDRESS] [--in CMD]
#                [--config LINE]... [--command CMD] [--no-command]
#
# sets SSHD_PORT, SSHD_PID, SSHD_KEY (the identity file that may log in),
# SSHD_FINGERPRINT (SHA256:...), SSHD_USER, SSHD_LOG, SSHD_DIR and
# SSHD_SERVER (user@host:port).  The key's forced command is
# `v2v-server serve ARGS` of the tree under test; --root DIR is short for
# --serve "--root DIR"; --command forces another one.  --in runs sshd by a prefix (`nsenter ...`).

sshd_locked_account() {
	[ "$(id -u)" = 0 ] || return 1
	getent shadow "$(id -un)" | cut -d: -f2 | grep -q '^!'
}

# HOME is sshd's directory: what somebody's .bashrc does (and how long it takes)
# is none of a test's business.
sshd_config() {
	cat <<-CONF
	HostKey $SSHD_DIR/host_key
	AuthorizedKeysFile $SSHD_DIR/authorized_keys
	PidFile none
	StrictModes no
	PermitRootLogin yes
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	PubkeyAuthentication yes
	PrintMotd no
	SetEnv HOME=$SSHD_DIR
	LogLevel VERBOSE
	MaxStartups 100
	MaxSessions 100
	CONF
	# Without PAM, sshd turns away accounts whose password is locked.
	if sshd_locked_account; then
		echo "UsePAM yes"
	else
		echo "UsePAM no"
	fi
}

sshd_start() {
	local serve="" command="" listen=127.0.0.1 lines=() prefix=() try
	while [ $# -gt 0 ]; do
		case $1 in
		--root) serve="--root $2"; shift ;;
		--serve) serve=$2; shift ;;
		--listen) listen=$2; shift ;;
		--in) read -r -a prefix <<<"$2"; shift ;;
		--config) lines+=("$2"); shift ;;
		--command) command=$2; shift ;;
		--no-command) command=none ;;
		*) fail "sshd_start: what is '$1'?" ;;
		esac
		shift
	done
	local sshd
	sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd) ||
		skip "sshd is not installed"
	SSHD_DIR=$(mktemp -d "$T/sshd.XXXXXX")
	SSHD_KEY=$SSHD_DIR/user_key
	SSHD_LOG=$SSHD_DIR/log
	SSHD_USER=$(id -un)
	chmod 755 "$SSHD_DIR"
	ssh-keygen -q -t ed25519 -N '' -C host -f "$SSHD_DIR/host_key"
	ssh-keygen -q -t ed25519 -N '' -C user -f "$SSHD_KEY"
	SSHD_FINGERPRINT=$(ssh-keygen -l -E sha256 \
		-f "$SSHD_DIR/host_key.pub" | cut -d' ' -f2)
	[ -n "$command" ] || command="$FY_BUILD/v2v-server serve $serve"
	if [ "$command" != none ]; then
		printf 'restrict,command="%s" ' "$command"
	fi >"$SSHD_DIR/authorized_keys"
	cat "$SSHD_KEY.pub" >>"$SSHD_DIR/authorized_keys"
	# Lines given come first: for sshd the first value of a key counts.
	{
		[ ${#lines[@]} -eq 0 ] || printf '%s\n' "${lines[@]}"
		sshd_config
	} >"$SSHD_DIR/config"
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	for try in 1 2 3 4 5; do
		SSHD_PORT=$(free_port)
		"${prefix[@]}" "$sshd" -D -e -f "$SSHD_DIR/config" \
			-o "ListenAddress=$listen:$SSHD_PORT" \
			</dev/null >>"$SSHD_LOG" 2>&1 &
		SSHD_PID=$!
		if wait_for_line 20 "$SSHD_LOG" \
			"Server listening on .* port $SSHD_PORT" "$SSHD_PID"
		then
			own_pid "$SSHD_PID"
			# shellcheck disable=SC2034
			SSHD_SERVER=$SSHD_USER@$listen:$SSHD_PORT
			return 0
		fi
		end_pid "$SSHD_PID"
	done
	cat "$SSHD_LOG" >&2
	fail "the private sshd did not start (try $try)"
}

# sshd_password WORD: a user 'fyp2v' with that password, for an sshd that is
# started --in "unshare --mount $T/inside" with UsePAM.  PAM reads its own files,
# so that sshd gets a mount namespace with an /etc of ours.
sshd_password() {
	local hash
	hash=$(openssl passwd -6 "$1")
	mkdir "$T/etc"
	cp /etc/passwd /etc/shadow "$T/etc/"
	echo "fyp2v:x:0:0::$T:/bin/sh" >>"$T/etc/passwd"
	echo "fyp2v:$hash:19000:0:99999:7:::" >>"$T/etc/shadow"
	cat >"$T/etc/pam" <<'PAM'
auth required pam_unix.so
account required pam_permit.so
session required pam_permit.so
PAM
	cat >"$T/inside" <<'IN'
#!/bin/bash
set -eu
d=$(dirname "$0")
mount --make-rprivate /
mount --bind "$d/etc/passwd" /etc/passwd
mount --bind "$d/etc/shadow" /etc/shadow
mount --bind "$d/etc/pam" /etc/pam.d/sshd
exec "$@"
IN
	chmod 755 "$T/inside"
}
