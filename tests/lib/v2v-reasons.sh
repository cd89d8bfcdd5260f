# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# The reasons for what our injection and virt-v2v do otherwise: lines
# families (or all)|who|change, as a shell pattern|why in $REASONS.  Each change
# must have one, and each one a change, in each of its families.  Wants $FAMILY
# and an empty $T/used.

# explain WHO: each change on stdin has its reason
explain() {
	local change families who glob rest found
	rm -f "$T/unexplained"
	while IFS= read -r change; do
		found=
		while IFS='|' read -r families who glob rest; do
			reason_fits "$1" "$change" "$families" "$who" \
				"$glob" || continue
			echo "$families|$who|$glob|$rest" >>"$T/used"
			found=1
			break
		done <"$REASONS"
		[ -n "$found" ] || echo "$change" >>"$T/unexplained"
	done
	[ ! -e "$T/unexplained" ] ||
		fail "$FAMILY: of $1, without a reason: $(cat "$T/unexplained")"
}

reason_fits() { # WHO CHANGE FAMILIES WHO GLOB
	[ "$4" = "$1" ] || return 1
	[ "$3" = all ] || [[ " $3 " = *" $FAMILY "* ]] || return 1
	# shellcheck disable=SC2053
	[[ $2 = $5 ]]
}

# A reason that names this family and fits nothing is no longer true.
all_reasons_used() {
	local families rest
	while IFS='|' read -r families rest; do
		case $families in
		'' | '#'*) continue ;;
		esac
		[ "$families" = all ] || [[ " $families " = *" $FAMILY "* ]] ||
			continue
		grep -qxF -- "$families|$rest" "$T/used" ||
			fail "$FAMILY: nothing fits '$rest'"
	done <"$REASONS"
}
