/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The script for the first start that gives the addresses of the old network
 * cards to the virtual ones: PowerShell since Windows 8, before it cmd.exe with
 * wmic and netsh, the tools of XP to 7 that know MAC addresses and IPv6.
 *
 * Into it go only addresses, masks, MACs, GUIDs and hex digits that were parsed
 * as such, and names as numbers or of plain characters: nothing of the registry
 * can become a command.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/windows-net.h"

#define WORD_MAX (INET6_ADDRSTRLEN + 5)
#define MAX_NAME 255

bool
fy_windows_nic_has_settings(const struct fy_windows_nic *i)
{
	return i->addresses.n > 0 || i->dns.n > 0 || i->addresses6.n > 0 ||
	       i->routes6.n > 0 || i->dns6.n > 0 || i->wins.n > 0 ||
	       i->suffix != NULL || i->metric > 0 || i->netbios > 0;
}

static unsigned
prefix_of(const char *mask)
{
	unsigned char b[4] = { 0 };

	(void)inet_pton(AF_INET, mask, b);
	return (unsigned)__builtin_popcount(fy_get_be32(b));
}

static void
list(struct fy_text *t, const struct fy_string_set *s, const char *quote)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		fy_text_printf(t, "%s%s%s%s", i == 0 ? "" : ",", quote,
			       s->items[i], quote);
}

/* What is before 'end' into 'ret'; what is behind it. */
static const char *
split(const char *text, const char *end, char ret[WORD_MAX])
{
	size_t len = strcspn(text, end);

	snprintf(ret, WORD_MAX, "%.*s", (int)len, text);
	return text[len] == '\0' ? "" : text + len + 1;
}

/* "PCI\VEN_8086&DEV_10D3\3&11583659&0&E0", and nothing that a script could take
 * for something else. */
static bool
is_instance(const char *s)
{
	const char *p;
	size_t parts = 1;

	if (s == NULL)
		return false;
	for (p = s; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) &&
		    strchr("\\&_.-{}#", *p) == NULL)
			return false;
		if (*p == '\\' && (p[1] == '\\' || p[1] == '\0' || p == s))
			return false;
		parts += *p == '\\';
	}
	return parts == 3 && p - s <= 200;
}

/* May a name stand between quotes in cmd.exe's and wmic's commands? */
static bool
is_plain(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789 _-.#";

	return name[0] != '\0' && strlen(name) <= MAX_NAME &&
	       name[strspn(name, plain)] == '\0';
}

/* --- PowerShell ------------------------------------------------------------- */

/* All together wait five minutes for cards that may come; the clock may jump
 * meanwhile. */
static const char head_ps[] =
	"$ErrorActionPreference = 'Stop'\n"
	"$failed = 0\n"
	"$watch = [Diagnostics.Stopwatch]::StartNew()\n"
	"function Find-Nic($mac) {\n"
	"  while ($true) {\n"
	"    $nic = Get-NetAdapter | Where-Object {\n"
	"      $_.MacAddress -eq $mac -and $_.Status -ne 'Not Present' }\n"
	"    if ($nic) { return @($nic)[0] }\n"
	"    if ($watch.Elapsed.TotalSeconds -gt 300) { break }\n"
	"    Start-Sleep -Seconds 5\n"
	"  }\n"
	"  throw \"no network card with the address $mac\"\n"
	"}\n"
	"$set = 'HKLM:\\SYSTEM\\CurrentControlSet'\n"
	"$old = \"$set\\Services\\Tcpip\\Parameters\\Interfaces\"\n"
	"$nsi = \"$set\\" FY_WINDOWS_NSI6 "\"\n"
	"$connections = \"$set\\" FY_WINDOWS_CONNECTIONS "\"\n";

static void
ps_ipv4(struct fy_text *t, const struct fy_windows_nic *i)
{
	size_t k;

	fy_text_add(t, "  Set-NetIPInterface -InterfaceIndex $nic.ifIndex "
		       "-AddressFamily IPv4 -Dhcp Disabled\n"
		       "  Get-NetIPAddress -InterfaceIndex $nic.ifIndex "
		       "-AddressFamily IPv4 -ErrorAction SilentlyContinue | "
		       "Remove-NetIPAddress -Confirm:$false\n"
		       "  Get-NetRoute -InterfaceIndex $nic.ifIndex "
		       "-DestinationPrefix 0.0.0.0/0 -ErrorAction "
		       "SilentlyContinue | Remove-NetRoute -Confirm:$false\n");
	for (k = 0; k < i->addresses.n; k++)
		fy_text_printf(t,
			       "  $null = New-NetIPAddress -InterfaceIndex "
			       "$nic.ifIndex -IPAddress '%s' -PrefixLength "
			       "%u\n",
			       i->addresses.items[k],
			       prefix_of(i->masks.items[k]));
	for (k = 0; k < i->gateways.n; k++)
		fy_text_printf(t,
			       "  $null = New-NetRoute -InterfaceIndex "
			       "$nic.ifIndex -DestinationPrefix 0.0.0.0/0 "
			       "-NextHop '%s'\n",
			       i->gateways.items[k]);
}

/* What a try before this one has set is set anew. */
static void
ps_ipv6(struct fy_text *t, const struct fy_windows_nic *i)
{
	char word[WORD_MAX];
	const char *rest;
	size_t k;

	for (k = 0; k < i->nsi.n; k++) {
		rest = split(i->nsi.items[k], "\\", word);
		fy_text_printf(t,
			       "  Remove-ItemProperty -ErrorAction "
			       "SilentlyContinue -Path \"$nsi\\%s\" -Name "
			       "'%s'\n",
			       word, rest);
	}
	for (k = 0; k < i->addresses6.n; k++) {
		rest = split(i->addresses6.items[k], "/", word);
		fy_text_printf(t,
			       "  Get-NetIPAddress -InterfaceIndex "
			       "$nic.ifIndex -IPAddress '%s' -ErrorAction "
			       "SilentlyContinue | Remove-NetIPAddress "
			       "-Confirm:$false\n"
			       "  $null = New-NetIPAddress -InterfaceIndex "
			       "$nic.ifIndex -IPAddress '%s' -PrefixLength "
			       "%s\n",
			       word, word, rest);
	}
	for (k = 0; k < i->routes6.n; k++) {
		rest = split(i->routes6.items[k], " ", word);
		fy_text_printf(t,
			       "  Get-NetRoute -InterfaceIndex $nic.ifIndex "
			       "-DestinationPrefix '%s' -NextHop '%s' "
			       "-ErrorAction SilentlyContinue | "
			       "Remove-NetRoute -Confirm:$false\n"
			       "  $null = New-NetRoute -InterfaceIndex "
			       "$nic.ifIndex -DestinationPrefix '%s' -NextHop "
			       "'%s'\n",
			       word, rest, word, rest);
	}
}

static void
ps_dns(struct fy_text *t, const struct fy_windows_nic *i)
{
	if (i->dns.n == 0 && i->dns6.n == 0)
		return;
	fy_text_add(t, "  Set-DnsClientServerAddress -InterfaceIndex "
		       "$nic.ifIndex -ServerAddresses ");
	list(t, &i->dns, "'");
	if (i->dns.n > 0 && i->dns6.n > 0)
		fy_text_add(t, ",");
	list(t, &i->dns6, "'");
	fy_text_add(t, "\n");
}

/* A method of WMI's; 1 wants a restart. */
static void __attribute__((format(printf, 2, 3)))
ps_wmi(struct fy_text *t, const char *fmt, ...)
{
	char call[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(call, sizeof(call), fmt, ap);
	va_end(ap);
	fy_text_printf(t,
		       "  $status = (Get-WmiObject "
		       "Win32_NetworkAdapterConfiguration -Filter "
		       "\"InterfaceIndex=$($nic.ifIndex)\").%s.ReturnValue\n"
		       "  if ($status -gt 1) { throw \"%.*s: $status\" }\n",
		       call, (int)strcspn(call, "("), call);
}

static void
ps_more(struct fy_text *t, const struct fy_windows_nic *i)
{
	if (i->suffix != NULL)
		fy_text_printf(t,
			       "  Set-DnsClient -InterfaceIndex $nic.ifIndex "
			       "-ConnectionSpecificSuffix '%s'\n",
			       i->suffix);
	if (i->metric > 0)
		fy_text_printf(t,
			       "  Set-NetIPInterface -InterfaceIndex "
			       "$nic.ifIndex -AddressFamily IPv4 "
			       "-InterfaceMetric %u\n",
			       (unsigned)i->metric);
	/* There are no cmdlets for these. */
	if (i->wins.n > 0)
		ps_wmi(t, "SetWINSServer('%s', '%s')", i->wins.items[0],
		       i->wins.n > 1 ? i->wins.items[1] : "");
	if (i->netbios > 0)
		ps_wmi(t, "SetTcpipNetbios(%u)", (unsigned)i->netbios);
}

/* The connection is called what it was called; its name is free now. */
static void
ps_name(struct fy_text *t, const struct fy_windows_nic *i)
{
	const char *p;

	if (i->name == NULL || i->name[0] == '\0' || strlen(i->name) > MAX_NAME)
		return;
	fy_text_printf(t,
		       "    Remove-Item -Recurse -Force -ErrorAction "
		       "SilentlyContinue \"$connections\\%s\"\n"
		       "    $name = [Text.Encoding]::UTF8.GetString([byte[]](",
		       i->guid);
	for (p = i->name; *p != '\0'; p++)
		fy_text_printf(t, "%s%u", p == i->name ? "" : ",",
			       (unsigned char)*p);
	fy_text_add(t, "))\n"
		       "    if ($nic.Name -ne $name) {\n"
		       "      Rename-NetAdapter -InputObject $nic -NewName "
		       "$name -ErrorAction SilentlyContinue\n"
		       "    }\n");
}

/* The old card's device, which would stay hidden with its name and settings.
 * pnputil can do it since build 19041. */
static void
ps_ghost(struct fy_text *t, const struct fy_windows_nic *i)
{
	if (!is_instance(i->instance))
		return;
	fy_text_printf(t,
		       "  $ghost = '%s'\n"
		       "  if (-not (Get-WmiObject Win32_PnPEntity | "
		       "Where-Object { $_.DeviceID -eq $ghost })) {\n"
		       "    $null = pnputil.exe /remove-device $ghost\n"
		       "    if ($LASTEXITCODE -ne 0) {\n"
		       "      Remove-Item -Recurse -Force -ErrorAction "
		       "SilentlyContinue \"$set\\Enum\\$ghost\"\n"
		       "    }\n",
		       i->instance);
	ps_name(t, i);
	fy_text_add(t, "  }\n");
}

static void
add_ps(struct fy_text *t, const struct fy_windows_nic *i)
{
	char mac[18];
	size_t k;

	snprintf(mac, sizeof(mac), "%s", i->mac);
	for (k = 2; k < 17; k += 3)
		mac[k] = '-';
	fy_text_printf(t, "\ntry {\n$nic = Find-Nic '%s'\n", mac);
	/* On the same card there is nothing to move. */
	fy_text_printf(t, "if ($nic.InterfaceGuid -ne '%s') {\n", i->guid);
	fy_text_printf(t,
		       "  Remove-Item -Recurse -Force "
		       "-ErrorAction SilentlyContinue \"$old\\%s\"\n",
		       i->guid);
	if (i->addresses.n > 0)
		ps_ipv4(t, i);
	ps_ipv6(t, i);
	ps_dns(t, i);
	ps_more(t, i);
	ps_ghost(t, i);
	/* The others get theirs; a failure has it all done again. */
	fy_text_printf(t,
		       "}\n"
		       "} catch {\n"
		       "  \"%s: $_\"\n"
		       "  $failed = 1\n"
		       "}\n",
		       mac);
}

/* --- cmd.exe ---------------------------------------------------------------- */

static const char head_cmd[] = "@echo off\n"
			       "setlocal\n"
			       "set failed=0\n"
			       "set tries=0\n";

/* The card with the MAC, when it is up: the start of a wmic command. */
static void
of_card(struct fy_text *t, const struct fy_windows_nic *i)
{
	fy_text_printf(t,
		       "wmic nicconfig where \"MACAddress='%s' and "
		       "IPEnabled=TRUE\" ",
		       i->mac);
}

/* Ends a call of a method: not done, so wait and try again. */
static void
or_wait(struct fy_text *t, size_t number)
{
	fy_text_printf(t,
		       ") <nul 2>nul | find \"ReturnValue = 0\" >nul\n"
		       "if errorlevel 1 goto wait%zu\n",
		       number);
}

static void
cmd_ipv4(struct fy_text *t, const struct fy_windows_nic *i, size_t number)
{
	size_t k;

	if (i->addresses.n > 0) {
		of_card(t, i);
		fy_text_add(t, "call EnableStatic (");
		list(t, &i->addresses, "\"");
		fy_text_add(t, "),(");
		list(t, &i->masks, "\"");
		or_wait(t, number);
	}
	for (k = 0; k < i->gateways.n; k++) {
		of_card(t, i);
		fy_text_printf(t,
			       "call SetGateways (\"%s\"),(1) <nul >nul "
			       "2>&1\n",
			       i->gateways.items[k]);
	}
	if (i->dns.n > 0) {
		of_card(t, i);
		fy_text_add(t, "call SetDNSServerSearchOrder (");
		list(t, &i->dns, "\"");
		or_wait(t, number);
	}
}

/* Ends a call that is not waited for; 1 wants a restart. */
static void
or_fail(struct fy_text *t)
{
	fy_text_add(t, " <nul 2>nul | findstr /c:\"ReturnValue = 0;\" "
		       "/c:\"ReturnValue = 1;\" >nul\n"
		       "if errorlevel 1 set failed=1\n");
}

static void
cmd_more(struct fy_text *t, const struct fy_windows_nic *i)
{
	if (i->suffix != NULL) {
		of_card(t, i);
		fy_text_printf(t, "call SetDNSDomain \"%s\"", i->suffix);
		or_fail(t);
	}
	if (i->metric > 0) {
		of_card(t, i);
		fy_text_printf(t, "call SetIPConnectionMetric %u",
			       (unsigned)i->metric);
		or_fail(t);
	}
	if (i->wins.n > 0) {
		of_card(t, i);
		fy_text_printf(t, "call SetWINSServer \"%s\",\"%s\"",
			       i->wins.items[0],
			       i->wins.n > 1 ? i->wins.items[1] : "");
		or_fail(t);
	}
	if (i->netbios > 0) {
		of_card(t, i);
		fy_text_printf(t, "call SetTcpipNetbios %u",
			       (unsigned)i->netbios);
		or_fail(t);
	}
}

/* "netsh interface ipv6 delete WHAT" and "add WHAT store=persistent". */
static void
netsh_again(struct fy_text *t, const char *kind, const char *what,
	    const char *more, size_t number)
{
	fy_text_printf(t,
		       "netsh interface ipv6 delete %s %s >nul 2>&1\n"
		       "netsh interface ipv6 add %s %s%s >nul 2>&1\n"
		       "if errorlevel 1 goto wait%zu\n",
		       kind, what, kind, what, more, number);
}

static void
cmd_ipv6(struct fy_text *t, const struct fy_windows_nic *i, size_t number)
{
	char word[WORD_MAX], what[2 * WORD_MAX + 8], more[32];
	const char *rest;
	size_t k;

	if (i->addresses6.n == 0 && i->routes6.n == 0 && i->dns6.n == 0)
		return;
	/* wmic ends its lines with two carriage returns: the inner loop drops
	 * them. */
	fy_text_add(t, "set nic=\nfor /f \"tokens=2 delims==\" %%a in ('");
	of_card(t, i);
	fy_text_printf(t,
		       "get InterfaceIndex /value ^<nul 2^>nul') do "
		       "for /f %%%%b in (\"%%%%a\") do set nic=%%%%b\n"
		       "if not defined nic goto wait%zu\n",
		       number);
	for (k = 0; k < i->nsi.n; k++) {
		rest = split(i->nsi.items[k], "\\", word);
		fy_text_printf(t,
			       "reg delete \"HKLM\\SYSTEM\\CurrentControlSet"
			       "\\" FY_WINDOWS_NSI6
			       "\\%s\" /v %s /f >nul 2>&1\n",
			       word, rest);
	}
	for (k = 0; k < i->addresses6.n; k++) {
		rest = split(i->addresses6.items[k], "/", word);
		snprintf(what, sizeof(what), "%%nic%% %s", word);
		snprintf(more, sizeof(more), "/%.3s store=persistent", rest);
		netsh_again(t, "address", what, more, number);
	}
	for (k = 0; k < i->routes6.n; k++) {
		rest = split(i->routes6.items[k], " ", word);
		snprintf(what, sizeof(what), "%s %%nic%% %s", word, rest);
		netsh_again(t, "route", what, " store=persistent", number);
	}
	for (k = 0; k < i->dns6.n; k++) {
		snprintf(what, sizeof(what), "%%nic%% %s", i->dns6.items[k]);
		netsh_again(t, "dnsserver", what, "", number);
	}
}

/* The same, where Windows does not list it among the devices that are there. */
static void
cmd_ghost(struct fy_text *t, const struct fy_windows_nic *i, size_t number)
{
	const char *p;

	if (!is_instance(i->instance))
		return;
	fy_text_add(t, "wmic path Win32_PnPEntity where \"DeviceID='");
	for (p = i->instance; *p != '\0'; p++)
		fy_text_printf(t, "%s%c", *p == '\\' ? "\\" : "", *p);
	fy_text_printf(t,
		       "'\" get DeviceID <nul 2>nul | find \"_\" >nul\n"
		       "if not errorlevel 1 goto end%zu\n"
		       "reg delete \"HKLM\\SYSTEM\\CurrentControlSet\\Enum"
		       "\\%s\" /f >nul 2>&1\n",
		       number, i->instance);
	if (i->name == NULL || !is_plain(i->name))
		return;
	fy_text_printf(t,
		       "reg delete \"HKLM\\SYSTEM\\CurrentControlSet"
		       "\\" FY_WINDOWS_CONNECTIONS "\\%s\" /f >nul 2>&1\n"
		       "wmic nic where \"MACAddress='%s' and "
		       "NetConnectionStatus=2\" set NetConnectionID=\"%s\" "
		       "<nul >nul 2>&1\n",
		       i->guid, i->mac, i->name);
}

/* On the same card there is nothing to move. */
static void
cmd_same(struct fy_text *t, const struct fy_windows_nic *i, size_t number)
{
	of_card(t, i);
	fy_text_printf(t,
		       "get SettingID <nul 2>nul | find \"{\" >nul\n"
		       "if errorlevel 1 goto wait%zu\n",
		       number);
	of_card(t, i);
	fy_text_printf(t,
		       "get SettingID <nul 2>nul | find /i \"%s\" >nul\n"
		       "if not errorlevel 1 goto end%zu\n"
		       "reg delete \"HKLM\\SYSTEM\\CurrentControlSet\\Services"
		       "\\Tcpip\\Parameters\\Interfaces\\%s\" /f >nul 2>&1\n",
		       i->guid, number, i->guid);
}

/* Each gets some tries, all together hardly more than one. */
static void
add_cmd(struct fy_text *t, const struct fy_windows_nic *i, size_t number)
{
	fy_text_printf(t,
		       "if %%tries%% gtr 55 set tries=55\n"
		       ":wait%zu\n"
		       "set /a tries+=1\n"
		       "if %%tries%% gtr 60 goto next%zu\n"
		       "ping -n 6 127.0.0.1 >nul\n",
		       number, number);
	cmd_same(t, i, number);
	cmd_ipv4(t, i, number);
	cmd_ipv6(t, i, number);
	cmd_more(t, i);
	cmd_ghost(t, i, number);
	fy_text_printf(t,
		       "goto end%zu\n"
		       ":next%zu\n"
		       "echo %s: not set\n"
		       "set failed=1\n"
		       ":end%zu\n",
		       number, number, i->mac, number);
}

/* ----------------------------------------------------------------------------- */

int
fy_windows_net_script(struct fy_windows *w, const struct fy_windows_nics *l,
		      struct fy_error *err)
{
	bool ps = fy_windows_is(w, 6, 2);
	struct fy_text t = { 0 };
	size_t i, n = 0;
	int r;

	fy_text_add(&t, ps ? head_ps : head_cmd);
	for (i = 0; i < l->n; i++) {
		if (!fy_windows_nic_has_settings(&l->items[i]) ||
		    l->items[i].mac[0] == '\0')
			continue;
		if (ps)
			add_ps(&t, &l->items[i]);
		else
			add_cmd(&t, &l->items[i], n);
		n++;
	}
	fy_text_add(&t, ps ? "exit $failed\n" : "exit /b %failed%\n");
	r = fy_text_check(&t, err);
	if (r == 0 && n > 0)
		r = fy_firstboot_add(&w->scripts,
				     ps ? "10-network.ps1" : "10-network.cmd",
				     t.data, err);
	fy_text_release(&t);
	return r;
}
