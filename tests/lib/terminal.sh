# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A program in a terminal of 80x24 (tmux), driven by keys.  After common.sh.
#
#     terminal_start FILE     bash FILE in a fresh terminal
#     screen                  what it shows, as text
#     shows PATTERN           whether it shows that
#     see PATTERN [SECONDS]   until it does; fails when it never does
#     keys KEY...             tmux's names; -l -- TEXT types a text
#     type_over TEXT          into a field, in place of what is there
#     choose LETTER           the menu's next entry that begins so, and Enter

# A server for each terminal: one that ends may outlive its socket's use.
TERMINAL=0
tm() {
	tmux -S "$T/tmux$TERMINAL" -f /dev/null "$@"
}

terminal_start() {
	tm kill-server 2>/dev/null || :
	TERMINAL=$((TERMINAL + 1))
	tm new-session -d -x 80 -y 24 "bash $1"
	at_exit tmux -S "$T/tmux$TERMINAL" kill-server
}

screen() {
	tm capture-pane -p
}

shows() {
	screen | grep -qE -- "$1"
}

see() {
	wait_for "${2:-30}" shows "$1" && return 0
	screen >&2
	fail "the screen never showed '$1'"
}

# A key that comes while dialog is still drawing is thrown away by it.
keys() {
	sleep 0.3
	tm send-keys "$@"
}

type_over() {
	keys C-u
	keys -l -- "$1"
}

choose() {
	keys -l -- "$1"
	sleep 0.3
	keys Enter
}
