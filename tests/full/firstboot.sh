#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The program for the first boot of Windows guests, under Wine: tries, order,
# log, reboots, the machine going down in the middle, what can't be endless;
# as a service, which removes itself.  Of the program for x86 only what it
# calls is looked at, for Debian's Wine without i386 packages can't run it.
set -eu
. "$(dirname "$0")/../lib/common.sh"

amd64=$FY_BUILD/firstboot-amd64.exe x86=$FY_BUILD/firstboot-x86.exe
if ! [ -e "$amd64" ] || ! [ -e "$x86" ]; then
	skip "built without MinGW-w64"
fi
requires objdump x86_64-w64-mingw32-gcc
wine=/usr/lib/wine/wine64
if ! [ -x $wine ]; then
	"$FY_TOP/tests/setup" wine >"$T/setup.log" 2>&1 || :
fi
[ -x $wine ] || skip "Wine is not installed (tests/setup wine)"

# --- what it calls: only these two, and nothing newer than XP -----------------
for p in "$amd64" "$x86"; do
	dlls=$(objdump -p "$p" | sed -n 's/.*DLL Name: //p' | sort | tr '\n' ' ')
	[ "$dlls" = "ADVAPI32.dll KERNEL32.dll " ] || fail "$p calls $dlls"
	objdump -p "$p" | grep -qE '^MajorSubsystemVersion\s+5$' ||
		fail "$p is for a newer Windows than XP"
done

# --- Wine ------------------------------------------------------------------------
export WINEPREFIX=$T/prefix WINEDEBUG=-all DISPLAY=
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
stop_wine() {
	timeout 60 /usr/lib/wine/wineserver64 -k >/dev/null 2>&1 || :
	timeout 60 /usr/lib/wine/wineserver64 -w >/dev/null 2>&1 || :
}
at_exit stop_wine
say "preparing Wine"
timeout 900 $wine wineboot --init >"$T/wineboot.log" 2>&1 ||
	fail "Wine does not start: $(tail -n 3 "$T/wineboot.log")"

dir="$T/first boot"
script() { # NAME LINE...
	local name=$1
	shift
	printf '%s\r\n' '@echo off' "$@" >"$dir/scripts/$name"
}
# Replaces all scripts, the state and the log.
begin() {
	rm -rf "$dir"
	mkdir -p "$dir/scripts"
}
run() { # the exit status that is wanted
	local status=0
	timeout 300 $wine "$amd64" --once "Z:${dir//\//\\}" >/dev/null 2>&1 ||
		status=$?
	# Linux has only the lower bits of 3010.
	[ "$status" = "$1" ] || {
		cat "$dir/log.txt" >&2
		fail "exit status $status, not $1"
	}
}
log_has() {
	grep -qE -- "$1" "$dir/log.txt" || {
		cat "$dir/log.txt" >&2
		fail "the log has no '$1'"
	}
}
state_has() {
	tr -d '\r' <"$dir/state.txt" | grep -qxE -- "$1" || {
		cat "$dir/state.txt" >&2
		fail "the state has no '$1'"
	}
}
count() { # how often the script began
	grep -c "begin $1" "$dir/log.txt" || :
}
reboot=$((3010 % 256))

say "order, tries, output"
begin
script 20-second.cmd 'echo two' 'echo to stderr 1>&2' 'exit /b 0'
script 10-first.cmd 'echo one is in %cd%'
script 30-third.cmd 'if exist "%~dp0..\was" exit /b 0' \
	'echo x>"%~dp0..\was"' 'exit /b 7'
script 40-never.cmd 'exit /b 9'
script 50-last.bat 'echo last'
echo 'not run' >"$dir/scripts/readme.txt"
run 1
[ "$(grep -o 'begin .*' "$dir/log.txt" | tr -d '\r' | sed 's/begin //' |
	paste -sd' ')" = "10-first.cmd 20-second.cmd 30-third.cmd 30-third.cmd \
40-never.cmd 40-never.cmd 40-never.cmd 50-last.bat" ] ||
	fail "another order: $(cat "$dir/log.txt")"
log_has 'one is in Z:.*first boot.scripts'
log_has 'to stderr'
log_has '^20[0-9-]+ [0-9:]+ end 30-third.cmd, status 7, try 1, seconds [0-9]+'
log_has 'end 30-third.cmd, status 0, try 2'
log_has 'end 40-never.cmd, status 9, try 3'
log_has 'scripts that failed: 1'
state_has 'done 1 0 10-first.cmd'
state_has 'failed 3 9 40-never.cmd'
# Another start finds nothing to do.
run 1
[ "$(count 50-last)" = 1 ] || fail "a script that was done ran again"

say "PowerShell gets the text, not the file"
# Wine has none: this one tells what it was given.
cat >"$T/powershell.c" <<'EOF'
#include <windows.h>
int main(void)
{
	WCHAR path[512] = L"";
	char text[64] = "";
	DWORD n = 0;
	HANDLE f, out = GetStdHandle(STD_OUTPUT_HANDLE);

	GetEnvironmentVariableW(L"IRONFERRY_SCRIPT", path, 512);
	f = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL,
			OPEN_EXISTING, 0, NULL);
	ReadFile(f, text, sizeof(text) - 1, &n, NULL);
	WriteFile(out, text, n, &n, NULL);
	WriteFile(out, GetCommandLineA(), lstrlenA(GetCommandLineA()), &n,
		  NULL);
	WriteFile(out, "\r\n", 2, &n, NULL);
	return 3010;
}
EOF
power=$WINEPREFIX/drive_c/windows/system32/WindowsPowerShell/v1.0
mkdir -p "$power"
rm -f "$power/powershell.exe"
x86_64-w64-mingw32-gcc -o "$power/powershell.exe" "$T/powershell.c"
begin
printf 'the text of it\r\n' >"$dir/scripts/1 it's.ps1"
run $reboot
log_has '^the text of it'
log_has 'powershell.exe" -NoProfile -NonInteractive -ExecutionPolicy Bypass'
log_has '-Command "& \(.*::ReadAllText\(.env:IRONFERRY_SCRIPT\)\)\); exit 0"'
state_has "done 1 3010 1 it's.ps1"
! grep -q -e '-File' "$dir/log.txt" || fail "the file itself is named"

say "reboots: three, and no more"
begin
for i in 1 2 3 4 5; do
	script "$i.cmd" "echo $i" 'exit /b 3010'
done
run $reboot
[ "$(count 2)" = 0 ] || fail "the next script ran before the reboot"
run $reboot
run $reboot
run 0
log_has 'wants a reboot, but there were enough'
state_has 'reboots 3'
state_has 'done 1 3010 5.cmd'

say "the machine goes down in the middle"
begin
script 1-done.cmd 'exit /b 0'
script 2-down.cmd 'if exist "%~dp0..\down" exit /b 0' \
	'echo x>"%~dp0..\down"' ':loop' 'goto loop'
script 3-next.cmd 'exit /b 0'
timeout 300 $wine "$amd64" --once "Z:${dir//\//\\}" >/dev/null 2>&1 &
pid=$!
for ((i = 0; i < 600; i++)); do
	[ -e "$dir/down" ] && break
	sleep 0.2
done
[ -e "$dir/down" ] || fail "the script did not begin"
stop_wine
wait "$pid" && fail "it ended well, though all was killed"
state_has 'waiting 1 0 2-down.cmd'
# What a crash between writing and renaming leaves.
echo garbage >"$dir/state.new"
run 0
[ "$(count 1-done)" = 1 ] || fail "what was done ran again"
state_has 'done 2 0 2-down.cmd'
state_has 'done 1 0 3-next.cmd'
state_has 'runs 2'

say "each try takes the machine down"
rm -f "$dir/log.txt"
printf 'runs 3\r\nreboots 0\r\nwaiting 3 0 2-down.cmd\r\n' >"$dir/state.txt"
script 2-down.cmd ':loop' 'goto loop'
run 1
[ "$(count 2-down)" = 0 ] || fail "it ran a fourth time"
state_has 'failed 3 0 2-down.cmd'
state_has 'done 1 0 3-next.cmd'

say "a lost state is not a new beginning for ever"
script 2-down.cmd 'exit /b 0'
for i in 1 2; do
	rm "$dir/state.txt"
	run 0
	state_has 'runs 19'
done
sed -i 's/^runs .*/runs 20\r/' "$dir/state.txt"
run 1
log_has 'started too often'

say "as a service"
begin
cp "$amd64" "$dir/firstboot.exe"
script 1.cmd 'echo in the service'
script 2.cmd ':loop' 'goto loop'
# Wine's service manager gives up after seconds, which a loaded machine takes.
sc() {
	local i
	for ((i = 0; i < 10; i++)); do
		timeout 120 $wine sc "$@" >"$T/sc.log" 2>&1 && return
		sleep 2
	done
	fail "sc $1: $(cat "$T/sc.log")"
}
wait_log() {
	local i
	for ((i = 0; i < 900; i++)); do
		grep -q -- "$1" "$dir/log.txt" 2>/dev/null && return
		sleep 0.2
	done
	log_has "$1"
}
sc create ironferry-firstboot \
	binPath= "\"Z:${dir//\//\\}\\firstboot.exe\"" type= own start= demand
sc start ironferry-firstboot
wait_log 'begin 2.cmd'
log_has 'in the service'
for ((i = 0; i < 10; i++)); do
	grep -q 'stopped from outside' "$dir/log.txt" && break
	timeout 120 $wine sc stop ironferry-firstboot >"$T/sc.log" 2>&1 || :
	sleep 2
done
wait_log 'stopped from outside: 2.cmd'
sleep 2
state_has 'waiting 0 0 2.cmd'
sc query ironferry-firstboot # it is still there
script 2.cmd 'exit /b 0'
sc start ironferry-firstboot
wait_log 'all is over'
log_has 'scripts that failed: 0'
[ "$(count 1.cmd)" = 1 ] || fail "a script ran again"
if grep -q "can't be removed" "$dir/log.txt"; then
	fail "it says that it can't be removed"
fi
# The registry, as Wine has it in a file at its end.
sleep 5
stop_wine
grep -qi 'Services.*PlugPlay' "$WINEPREFIX/system.reg" ||
	fail "Wine's registry has no services"
if grep -q 'Services.*ironferry-firstboot' "$WINEPREFIX/system.reg"; then
	fail "the service is still there"
fi
say "all right"
