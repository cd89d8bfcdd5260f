/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Static addresses.  Windows keeps them by the GUID of an interface, and the
 * virtual NIC is a new one with a new GUID.  So what each interface has is
 * written into a script for the first start, which gives it to the NIC with the
 * same MAC address (the machine's definition keeps those) and then takes the
 * old interface away, which would hold the address in secret.
 *
 * Which MAC an interface has is not in the registry: it is told by --nic, by
 * the PCI address that Windows wrote down for the card, by the card's serial
 * number (which many makers build from the MAC), by the addresses, or by there
 * being only one.
 *
 * Into a script go only addresses, masks, MACs and GUIDs that were parsed as
 * such: nothing of the registry can become a command.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/windows.h"

#define INTERFACES     "Services\\Tcpip\\Parameters\\Interfaces"
#define NETWORK	       "Control\\Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}"
#define MAX_INTERFACES 256

struct interface {
	char *guid;
	char *name;	/* "Ethernet"; may be NULL */
	char *instance; /* "PCI\VEN_8086&DEV_10D3&...\3&11583659&0&E0" */
	struct fy_string_set addresses, masks, gateways, dns;
	char mac[18]; /* "52:54:00:12:34:56"; "" */
};

struct interfaces {
	struct interface *items;
	size_t n;
};

static void
release(struct interfaces *l)
{
	while (l->n > 0) {
		struct interface *i = &l->items[--l->n];

		free(i->guid);
		free(i->name);
		free(i->instance);
		fy_string_set_release(&i->addresses);
		fy_string_set_release(&i->masks);
		fy_string_set_release(&i->gateways);
		fy_string_set_release(&i->dns);
	}
	free(l->items);
}

/* --- reading ---------------------------------------------------------------------- */

static bool
is_guid(const char *s)
{
	size_t i;

	if (strlen(s) != 38 || s[0] != '{' || s[37] != '}')
		return false;
	for (i = 1; i < 37; i++)
		if (i == 9 || i == 14 || i == 19 || i == 24
			    ? s[i] != '-'
			    : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

static bool
is_address(const char *s, int family)
{
	unsigned char b[16];

	return inet_pton(family, s, b) == 1;
}

/* Addresses (of MULTI_SZ) that are some; "0.0.0.0" is none. */
static int
read_addresses(struct fy_hive *h, const char *key, const char *name,
	       struct fy_string_set *ret, struct fy_error *err)
{
	struct fy_string_set all = { 0 };
	size_t i;
	int r = 0;

	if (fy_hive_get_strings(h, key, name, &all, NULL) == 0)
		for (i = 0; r == 0 && i < all.n; i++)
			if (is_address(all.items[i], AF_INET) &&
			    strcmp(all.items[i], "0.0.0.0") != 0)
				r = fy_string_set_add(ret, all.items[i], err);
	fy_string_set_release(&all);
	return r;
}

/* Masks are a list beside the addresses: the same one may be there twice. */
static int
read_pairs(struct fy_hive *h, const char *key, struct interface *ret,
	   struct fy_error *err)
{
	fy_autofree char *masks = NULL;
	struct fy_string_set addresses = { 0 };
	uint32_t type;
	size_t len = 0, i, k, at = 0;
	int r = 0;

	if (fy_hive_get_bytes(h, key, "SubnetMask", &type, &masks, &len,
			      NULL) == -1 ||
	    fy_hive_get_strings(h, key, "IPAddress", &addresses, NULL) == -1) {
		fy_string_set_release(&addresses);
		return 0;
	}
	for (i = 0; r == 0 && i < addresses.n; i++) {
		char mask[16] = "";

		for (k = 0; at + 2 <= len && fy_get_le16(masks + at) != 0;
		     at += 2)
			if (k + 1 < sizeof(mask) && masks[at + 1] == '\0')
				mask[k++] = masks[at];
		at += 2;
		mask[k < sizeof(mask) ? k : 0] = '\0';
		if (!is_address(addresses.items[i], AF_INET) ||
		    strcmp(addresses.items[i], "0.0.0.0") == 0 ||
		    !is_address(mask, AF_INET))
			continue;
		r = fy_string_set_add(&ret->addresses, addresses.items[i], err);
		if (r == 0 && ret->masks.n < ret->addresses.n) {
			char **grown =
				reallocarray(ret->masks.items, ret->masks.n + 1,
					     sizeof(*grown));
			if (grown != NULL)
				ret->masks.items = grown;
			if (grown == NULL ||
			    (grown[ret->masks.n] = strdup(mask)) == NULL)
				r = fy_error_nomem(err);
			else
				ret->masks.n++;
		}
	}
	fy_string_set_release(&addresses);
	return r;
}

/* "192.0.2.1,192.0.2.2", or with spaces. */
static int
read_dns(struct fy_hive *h, const char *key, int family,
	 struct fy_string_set *ret, struct fy_error *err)
{
	fy_autofree char *list = NULL;
	char *p, *end;

	if (fy_hive_get_string(h, key, "NameServer", &list, NULL) == -1)
		return 0;
	for (p = list; *p != '\0'; p = end) {
		p += strspn(p, ", ");
		end = p + strcspn(p, ", ");
		if (*end != '\0')
			*end++ = '\0';
		if (*p != '\0' && is_address(p, family) &&
		    fy_string_set_add(ret, p, err) == -1)
			return -1;
	}
	return 0;
}

static int
read_connection(struct fy_windows *w, struct interface *i, struct fy_error *err)
{
	fy_autofree char *key =
		fy_windows_key(w->control_sets.items[0], err,
			       NETWORK "\\%s\\Connection", i->guid);

	if (key == NULL)
		return -1;
	(void)fy_hive_get_string(w->system, key, "Name", &i->name, NULL);
	(void)fy_hive_get_string(w->system, key, "PnpInstanceID", &i->instance,
				 NULL);
	if (i->instance == NULL)
		(void)fy_hive_get_string(w->system, key, "PnPInstanceID",
					 &i->instance, NULL);
	return 0;
}

/* Its settings, if they are static ones. */
static int
read_interface(struct fy_windows *w, const char *guid, struct interfaces *l,
	       struct fy_error *err)
{
	const char *set = w->control_sets.items[0];
	fy_autofree char *key =
		fy_windows_key(set, err, INTERFACES "\\%s", guid);
	fy_autofree char *key6 = fy_windows_key(
		set, err, "Services\\Tcpip6\\Parameters\\Interfaces\\%s", guid);
	struct interface *i, *grown;
	uint32_t dhcp = 0;

	if (key == NULL || key6 == NULL)
		return -1;
	(void)fy_hive_get_dword(w->system, key, "EnableDHCP", &dhcp, NULL);
	if (!is_guid(guid) || l->n == MAX_INTERFACES)
		return 0;
	grown = reallocarray(l->items, l->n + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	l->items = grown;
	i = &grown[l->n++];
	memset(i, 0, sizeof(*i));
	i->guid = strdup(guid);
	if (i->guid == NULL)
		return fy_error_nomem(err);
	if (dhcp == 0 && (read_pairs(w->system, key, i, err) == -1 ||
			  read_addresses(w->system, key, "DefaultGateway",
					 &i->gateways, err) == -1))
		return -1;
	if (read_dns(w->system, key, AF_INET, &i->dns, err) == -1 ||
	    read_dns(w->system, key6, AF_INET6, &i->dns, err) == -1)
		return -1;
	return read_connection(w, i, err);
}

static bool
has_settings(const struct interface *i)
{
	return i->addresses.n > 0 || i->dns.n > 0;
}

/* --- which MAC --------------------------------------------------------------------- */

static bool
set_mac(struct interface *i, const char *mac)
{
	unsigned b[6];
	char end;
	size_t k;

	if (mac == NULL ||
	    (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2],
		    &b[3], &b[4], &b[5], &end) != 6 &&
	     sscanf(mac, "%2x-%2x-%2x-%2x-%2x-%2x%c", &b[0], &b[1], &b[2],
		    &b[3], &b[4], &b[5], &end) != 6))
		return false;
	for (k = 0; k < 6; k++)
		snprintf(i->mac + k * 3, 4, k < 5 ? "%02X:" : "%02X", b[k]);
	return true;
}

static const char *
mac_of(const struct fy_machine_nic *n)
{
	return n->permanent_mac != NULL ? n->permanent_mac : n->mac;
}

/* Three numbers: of "...;(0,25,0)", else the first ones. */
static bool
location(const char *text, unsigned ret[3])
{
	const char *p = strstr(text, ";(");
	size_t n = 0;

	for (p = p == NULL ? text : p + 2; *p != '\0' && n < 3;) {
		if (!isdigit((unsigned char)*p)) {
			p++;
			continue;
		}
		ret[n++] = (unsigned)strtoul(p, (char **)&p, 10);
	}
	return n == 3;
}

static const char *
mac_by_location(struct fy_windows *w, const struct interface *i,
		const struct fy_machine *m)
{
	fy_autofree char *key = fy_windows_key(w->control_sets.items[0], NULL,
					       "Enum\\%s", i->instance);
	fy_autofree char *text = NULL;
	unsigned at[3], is[4];
	size_t k;

	if (key == NULL ||
	    fy_hive_get_string(w->system, key, "LocationInformation", &text,
			       NULL) == -1 ||
	    !location(text, at))
		return NULL;
	for (k = 0; k < m->n_nics; k++)
		if (m->nics[k].pci != NULL &&
		    sscanf(m->nics[k].pci, "%4x:%2x:%2x.%1x", &is[0], &is[1],
			   &is[2], &is[3]) == 4 &&
		    is[0] == 0 && is[1] == at[0] && is[2] == at[1] &&
		    is[3] == at[2])
			return mac_of(&m->nics[k]);
	return NULL;
}

/* "...\A0369FFFFF123456-00" and the like: a serial number made of the MAC. */
static bool
mac_by_serial(struct interface *i, const struct fy_machine *m)
{
	const char *s = strrchr(i->instance, '\\');
	char mac[18];
	size_t k, n = 0;

	s = s == NULL ? i->instance : s + 1;
	while (isxdigit((unsigned char)s[n]))
		n++;
	if (n < 16 || strncasecmp(s + 6, "FFFF", 4) != 0)
		return false;
	snprintf(mac, sizeof(mac), "%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", s, s + 2,
		 s + 4, s + 10, s + 12, s + 14);
	if (m == NULL)
		return set_mac(i, mac);
	for (k = 0; k < m->n_nics; k++)
		if (mac_of(&m->nics[k]) != NULL &&
		    strcasecmp(mac_of(&m->nics[k]), mac) == 0)
			return set_mac(i, mac);
	return false;
}

static const char *
mac_by_address(const struct interface *i, const struct fy_machine *m)
{
	size_t k, a, b, len;

	for (k = 0; k < m->n_nics; k++)
		for (a = 0; a < m->nics[k].n_addresses; a++)
			for (b = 0; b < i->addresses.n; b++) {
				len = strlen(i->addresses.items[b]);
				if (strncmp(m->nics[k].addresses[a],
					    i->addresses.items[b], len) == 0 &&
				    (m->nics[k].addresses[a][len] == '/' ||
				     m->nics[k].addresses[a][len] == '\0'))
					return mac_of(&m->nics[k]);
			}
	return NULL;
}

/* The only card of the machine, for the only interface on one. */
static const char *
only_mac(const struct interfaces *l, const struct interface *i,
	 const struct fy_machine *m)
{
	const char *mac = NULL;
	size_t k, cards = 0;

	for (k = 0; k < l->n; k++)
		if (has_settings(&l->items[k]) && &l->items[k] != i)
			return NULL;
	for (k = 0; k < m->n_nics; k++)
		if (m->nics[k].kind == NULL ||
		    strcmp(m->nics[k].kind, "ethernet") == 0) {
			mac = mac_of(&m->nics[k]);
			cards++;
		}
	return cards == 1 ? mac : NULL;
}

static bool
is_card(const struct interface *i)
{
	return i->instance == NULL || strncasecmp(i->instance, "PCI\\", 4) == 0;
}

static void
find_mac(struct fy_system *s, const struct interfaces *l, struct interface *i)
{
	const struct fy_inject_options *o = s->disks->options;
	const struct fy_machine *m = o->machine;
	size_t k;

	for (k = 0; i->name != NULL && k < o->n_nics; k++)
		if (strcasecmp(o->nics[k].name, i->name) == 0 &&
		    set_mac(i, o->nics[k].mac))
			return;
	if (i->instance != NULL && is_card(i)) {
		if (m != NULL &&
		    set_mac(i, mac_by_location(fy_windows_of(s), i, m)))
			return;
		if (mac_by_serial(i, m))
			return;
	}
	if (m != NULL && !set_mac(i, mac_by_address(i, m)) && is_card(i))
		(void)set_mac(i, only_mac(l, i, m));
}

/* --- the script --------------------------------------------------------------------------- */

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

static const char head_ps[] =
	"$ErrorActionPreference = 'Stop'\n"
	"function Find-Nic($mac) {\n"
	"  for ($i = 0; $i -lt 60; $i++) {\n"
	"    $nic = Get-NetAdapter | Where-Object {\n"
	"      $_.MacAddress -eq $mac -and $_.Status -ne 'Not Present' }\n"
	"    if ($nic) { return @($nic)[0] }\n"
	"    Start-Sleep -Seconds 5\n"
	"  }\n"
	"  throw \"no network card with the address $mac\"\n"
	"}\n"
	"$old = 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\Tcpip"
	"\\Parameters\\Interfaces'\n";

/* PowerShell, of 8 and 2012 and later. */
static void
add_ps(struct fy_text *t, const struct interface *i)
{
	char mac[18];
	size_t k;

	snprintf(mac, sizeof(mac), "%s", i->mac);
	for (k = 2; k < 17; k += 3)
		mac[k] = '-';
	fy_text_printf(t, "\n$nic = Find-Nic '%s'\n", mac);
	/* On the same card there is nothing to move. */
	fy_text_printf(t, "if ($nic.InterfaceGuid -ne '%s') {\n", i->guid);
	fy_text_printf(t,
		       "  Remove-Item -Recurse -Force "
		       "-ErrorAction SilentlyContinue \"$old\\%s\"\n",
		       i->guid);
	if (i->addresses.n > 0) {
		fy_text_add(t, "  Set-NetIPInterface -InterfaceIndex "
			       "$nic.ifIndex -AddressFamily IPv4 -Dhcp "
			       "Disabled\n"
			       "  Get-NetIPAddress -InterfaceIndex "
			       "$nic.ifIndex -AddressFamily IPv4 -ErrorAction "
			       "SilentlyContinue | Remove-NetIPAddress "
			       "-Confirm:$false\n"
			       "  Get-NetRoute -InterfaceIndex $nic.ifIndex "
			       "-DestinationPrefix 0.0.0.0/0 -ErrorAction "
			       "SilentlyContinue | Remove-NetRoute "
			       "-Confirm:$false\n");
		for (k = 0; k < i->addresses.n; k++)
			fy_text_printf(t,
				       "  $null = New-NetIPAddress "
				       "-InterfaceIndex $nic.ifIndex "
				       "-IPAddress '%s' -PrefixLength %u\n",
				       i->addresses.items[k],
				       prefix_of(i->masks.items[k]));
		for (k = 0; k < i->gateways.n; k++)
			fy_text_printf(t,
				       "  $null = New-NetRoute "
				       "-InterfaceIndex $nic.ifIndex "
				       "-DestinationPrefix 0.0.0.0/0 "
				       "-NextHop '%s'\n",
				       i->gateways.items[k]);
	}
	if (i->dns.n > 0) {
		fy_text_add(t, "  Set-DnsClientServerAddress -InterfaceIndex "
			       "$nic.ifIndex -ServerAddresses ");
		list(t, &i->dns, "'");
		fy_text_add(t, "\n");
	}
	fy_text_add(t, "}\n");
}

static const char head_cmd[] = "@echo off\n"
			       "setlocal\n"
			       "set failed=0\n";

/* wmic, of XP to 7: its only tool for this that knows MAC addresses. */
static void
add_cmd(struct fy_text *t, const struct interface *i, size_t number)
{
	size_t k;

	fy_text_printf(t,
		       "reg delete \"HKLM\\SYSTEM\\CurrentControlSet\\Services"
		       "\\Tcpip\\Parameters\\Interfaces\\%s\" /f >nul 2>&1\n",
		       i->guid);
	fy_text_printf(t,
		       "set tries=0\n"
		       ":wait%zu\n"
		       "set /a tries+=1\n"
		       "if %%tries%% gtr 60 goto next%zu\n"
		       "ping -n 6 127.0.0.1 >nul\n",
		       number, number);
	if (i->addresses.n > 0) {
		fy_text_printf(t,
			       "wmic nicconfig where \"MACAddress='%s' and "
			       "IPEnabled=TRUE\" call EnableStatic (",
			       i->mac);
		list(t, &i->addresses, "\"");
		fy_text_add(t, "),(");
		list(t, &i->masks, "\"");
		fy_text_printf(t,
			       ") <nul 2>nul | find \"ReturnValue = 0\" "
			       ">nul\n"
			       "if errorlevel 1 goto wait%zu\n",
			       number);
	}
	for (k = 0; k < i->gateways.n; k++)
		fy_text_printf(t,
			       "wmic nicconfig where \"MACAddress='%s' and "
			       "IPEnabled=TRUE\" call SetGateways "
			       "(\"%s\"),(1) <nul >nul 2>&1\n",
			       i->mac, i->gateways.items[k]);
	if (i->dns.n > 0) {
		fy_text_printf(t,
			       "wmic nicconfig where \"MACAddress='%s' and "
			       "IPEnabled=TRUE\" call "
			       "SetDNSServerSearchOrder (",
			       i->mac);
		list(t, &i->dns, "\"");
		fy_text_printf(t,
			       ") <nul 2>nul | find \"ReturnValue = 0\" >nul\n"
			       "if errorlevel 1 goto wait%zu\n",
			       number);
	}
	fy_text_printf(t,
		       "goto end%zu\n"
		       ":next%zu\n"
		       "set failed=1\n"
		       ":end%zu\n",
		       number, number, number);
}

static int
write_script(struct fy_windows *w, const struct interfaces *l,
	     struct fy_error *err)
{
	bool ps = fy_windows_is(w, 6, 2);
	struct fy_text t = { 0 };
	size_t i, n = 0;
	int r;

	fy_text_add(&t, ps ? head_ps : head_cmd);
	for (i = 0; i < l->n; i++) {
		if (!has_settings(&l->items[i]) || l->items[i].mac[0] == '\0')
			continue;
		if (ps)
			add_ps(&t, &l->items[i]);
		else
			add_cmd(&t, &l->items[i], n);
		n++;
	}
	if (!ps)
		fy_text_add(&t, "exit /b %failed%\n");
	r = fy_text_check(&t, err);
	if (r == 0 && n > 0)
		r = fy_firstboot_add(&w->scripts,
				     ps ? "10-network.ps1" : "10-network.cmd",
				     t.data, err);
	fy_text_release(&t);
	return r;
}

/* --------------------------------------------------------------------------------------------- */

static int
warn_unknown(struct fy_system *s, const struct interface *i,
	     struct fy_error *err)
{
	return fy_disks_warn(
		s->disks, err,
		"the network connection '%s' has the address %s, and which "
		"network card it is on is not known: set it on the virtual "
		"machine, or name it with --nic '%s=MAC'",
		i->name == NULL ? i->guid : i->name,
		i->addresses.n > 0 ? i->addresses.items[0] : "of its DNS",
		i->name == NULL ? i->guid : i->name);
}

/* Static IPv6 addresses are in a table of their own, in a form that is not
 * documented. */
static int
warn_ipv6(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *key = fy_windows_key(
		w->control_sets.items[0], err,
		"Control\\Nsi\\{eb004a01-9b1a-11d4-9123-0050047759bc}\\10");
	struct fy_string_set names = { 0 };
	int r = key == NULL ? -1 : fy_hive_values(w->system, key, &names, err);

	if (r == 0 && names.n > 0)
		r = fy_disks_warn(
			s->disks, err,
			"this Windows has static IPv6 addresses; they "
			"are not carried over, set them on the "
			"virtual machine");
	fy_string_set_release(&names);
	return r;
}

static int
read_all(struct fy_windows *w, struct interfaces *l, struct fy_error *err)
{
	fy_autofree char *key =
		fy_windows_key(w->control_sets.items[0], err, INTERFACES);
	struct fy_string_set guids = { 0 };
	size_t i;
	int r = key == NULL ? -1 : fy_hive_keys(w->system, key, &guids, err);

	for (i = 0; r == 0 && i < guids.n; i++)
		r = read_interface(w, guids.items[i], l, err);
	fy_string_set_release(&guids);
	return r;
}

int
fy_windows_network(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	struct interfaces l = { 0 };
	size_t i;
	int r = read_all(w, &l, err);

	for (i = 0; r == 0 && i < l.n; i++) {
		if (!has_settings(&l.items[i]))
			continue;
		find_mac(s, &l, &l.items[i]);
		if (l.items[i].mac[0] == '\0')
			r = warn_unknown(s, &l.items[i], err);
	}
	if (r == 0)
		r = write_script(w, &l, err);
	release(&l);
	return r == 0 ? warn_ipv6(s, err) : -1;
}
