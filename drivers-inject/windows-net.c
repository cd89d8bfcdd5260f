/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Static addresses.  Windows keeps them by the GUID of an interface, and the
 * virtual NIC is a new one with a new GUID.  So what each interface has is
 * written into a script for the first start, which gives it to the NIC with the
 * same MAC address (the machine's definition keeps those) and then takes the
 * old interface away, which would hold the address in secret.
 *
 * Which MAC an interface has is found in windows-net-card.c, IPv6 is in
 * windows-net-ipv6.c, the script in windows-net-script.c.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/windows-net.h"

#define INTERFACES     "Services\\Tcpip\\Parameters\\Interfaces"
#define MAX_INTERFACES 256
#define MAX_METRIC     9999

static void
release(struct fy_windows_nics *l)
{
	while (l->n > 0) {
		struct fy_windows_nic *i = &l->items[--l->n];

		free(i->guid);
		free(i->name);
		free(i->instance);
		free(i->suffix);
		fy_string_set_release(&i->addresses);
		fy_string_set_release(&i->masks);
		fy_string_set_release(&i->gateways);
		fy_string_set_release(&i->dns);
		fy_string_set_release(&i->addresses6);
		fy_string_set_release(&i->routes6);
		fy_string_set_release(&i->dns6);
		fy_string_set_release(&i->nsi);
		fy_string_set_release(&i->wins);
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
read_pairs(struct fy_hive *h, const char *key, struct fy_windows_nic *ret,
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
		if (fy_string_set_has(&ret->addresses, addresses.items[i]))
			continue;
		r = fy_string_set_add(&ret->addresses, addresses.items[i], err);
		if (r == 0)
			r = fy_string_set_append(&ret->masks, mask, err);
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
read_connection(struct fy_windows *w, struct fy_windows_nic *i,
		struct fy_error *err)
{
	fy_autofree char *key = fy_windows_key(
		w->control_sets.items[0], err,
		FY_WINDOWS_CONNECTIONS "\\%s\\Connection", i->guid);

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
read_interface(struct fy_windows *w, const char *guid,
	       struct fy_windows_nics *l, struct fy_error *err)
{
	const char *set = w->control_sets.items[0];
	fy_autofree char *key =
		fy_windows_key(set, err, INTERFACES "\\%s", guid);
	fy_autofree char *key6 = fy_windows_key(
		set, err, "Services\\Tcpip6\\Parameters\\Interfaces\\%s", guid);
	struct fy_windows_nic *i, *grown;
	uint32_t dhcp = 0;

	if (key == NULL || key6 == NULL)
		return -1;
	(void)fy_hive_get_dword(w->system, key, "EnableDHCP", &dhcp, NULL);
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
	    read_dns(w->system, key6, AF_INET6, &i->dns6, err) == -1)
		return -1;
	return read_connection(w, i, err);
}

/* --------------------------------------------------------------------------------------------- */

static const char *
name_of(const struct fy_windows_nic *i)
{
	return i->name == NULL ? i->guid : i->name;
}

/* "has the address 192.0.2.7", of 'ret'. */
static const char *
what_of(const struct fy_windows_nic *i, char ret[64])
{
	const char *address = i->addresses.n > 0    ? i->addresses.items[0]
			      : i->addresses6.n > 0 ? i->addresses6.items[0]
						    : NULL;

	snprintf(ret, 64, "%s%s",
		 address == NULL ? "settings of its own" : "the address ",
		 address == NULL ? "" : address);
	return ret;
}

static int
warn_team(struct fy_system *s, const struct fy_windows_nic *i,
	  struct fy_error *err)
{
	char what[64];

	if (i->mac[0] != '\0')
		return fy_disks_warn(s->disks, err,
				     "'%s' is a team of network cards, and "
				     "teams are not carried over: its settings "
				     "go to the card %s alone",
				     name_of(i), i->mac);
	if (!fy_windows_nic_has_settings(i))
		return fy_disks_warn(s->disks, err,
				     "'%s' is a team of network cards, and "
				     "teams are not carried over: every card "
				     "of the virtual machine uses DHCP",
				     name_of(i));
	return fy_disks_warn(s->disks, err,
			     "'%s' is a team of network cards, and teams are "
			     "not carried over; it has %s: set it on the "
			     "virtual machine, or give it a card with --nic "
			     "'%s=MAC'",
			     name_of(i), what_of(i, what), name_of(i));
}

static int
warn_unknown(struct fy_system *s, const struct fy_windows_nic *i,
	     struct fy_error *err)
{
	char what[64];

	if (!i->installed)
		return fy_disks_warn(s->disks, err,
				     "a network card (%s) that was taken out "
				     "of Windows has left %s; it stays where "
				     "it is",
				     name_of(i), what_of(i, what));
	return fy_disks_warn(
		s->disks, err,
		"the network connection '%s' has %s, and %s%s%s: set it on the "
		"virtual machine, or name it with --nic '%s=MAC'",
		name_of(i), what_of(i, what),
		i->rival == NULL ? "which network card it is on is not known"
				 : "where its network card is there is that "
				   "of '",
		i->rival == NULL ? "" : name_of(i->rival),
		i->rival == NULL ? "" : "', too", name_of(i));
}

static int
read_all(struct fy_system *s, struct fy_windows_nics *l, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *key =
		fy_windows_key(w->control_sets.items[0], err, INTERFACES);
	struct fy_string_set guids = { 0 };
	size_t i, n = 0;
	int r = key == NULL ? -1 : fy_hive_keys(w->system, key, &guids, err);

	for (i = 0; r == 0 && i < guids.n; i++)
		if (is_guid(guids.items[i]) && n++ < MAX_INTERFACES)
			r = read_interface(w, guids.items[i], l, err);
	if (r == 0 && n > MAX_INTERFACES)
		r = fy_disks_warn(s->disks, err,
				  "this Windows has settings of %zu network "
				  "interfaces; only %d of them are looked at",
				  n, MAX_INTERFACES);
	fy_string_set_release(&guids);
	return r;
}

/* --- what else a card may have --------------------------------------------------- */

static int
read_suffix(struct fy_system *s, const char *key, struct fy_windows_nic *i,
	    struct fy_error *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.";
	fy_autofree char *suffix = NULL;

	if (fy_hive_get_string(fy_windows_of(s)->system, key, "Domain", &suffix,
			       NULL) == -1 ||
	    suffix[0] == '\0')
		return 0;
	if (strlen(suffix) > 253 || suffix[strspn(suffix, plain)] != '\0')
		return fy_disks_warn(s->disks, err,
				     "the DNS suffix of the network connection "
				     "'%s' is not carried over: '%s'",
				     name_of(i), suffix);
	i->suffix = fy_steal_ptr(&suffix);
	return 0;
}

static int
read_netbios(struct fy_system *s, struct fy_windows_nic *i,
	     struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *key = fy_windows_key(
		w->control_sets.items[0], err,
		"Services\\NetBT\\Parameters\\Interfaces\\Tcpip_%s", i->guid);

	if (key == NULL || read_addresses(w->system, key, "NameServerList",
					  &i->wins, err) == -1)
		return -1;
	if (fy_hive_get_dword(w->system, key, "NetbiosOptions", &i->netbios,
			      NULL) == -1 ||
	    i->netbios > 2)
		i->netbios = 0;
	if (i->wins.n <= 2)
		return 0;
	while (i->wins.n > 2)
		free(i->wins.items[--i->wins.n]);
	return fy_disks_warn(s->disks, err,
			     "the network connection '%s' has more than two "
			     "WINS servers; only two are carried over",
			     name_of(i));
}

/* Of cards only: a VPN's have a metric that is none of the machine's. */
static int
read_more(struct fy_system *s, struct fy_windows_nic *i, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *key = fy_windows_key(w->control_sets.items[0], err,
					       INTERFACES "\\%s", i->guid);

	if (key == NULL)
		return -1;
	if (!i->card && !i->team)
		return 0;
	if (fy_hive_get_dword(w->system, key, "InterfaceMetric", &i->metric,
			      NULL) == -1 ||
	    i->metric > MAX_METRIC)
		i->metric = 0;
	if (read_suffix(s, key, i, err) == -1)
		return -1;
	return read_netbios(s, i, err);
}

static int
tell(struct fy_system *s, const struct fy_windows_nic *i, struct fy_error *err)
{
	if (i->team && i->installed)
		return warn_team(s, i, err);
	return fy_windows_nic_has_settings(i) && i->mac[0] == '\0'
		       ? warn_unknown(s, i, err)
		       : 0;
}

int
fy_windows_network(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	struct fy_windows_nics l = { 0 };
	size_t i;
	int r = read_all(s, &l, err);

	if (r == 0)
		r = fy_windows_read_cards(w, &l, err);
	if (r == 0)
		r = fy_windows_read_ipv6(s, &l, err);
	if (r == 0)
		r = fy_windows_routes(s, &l, err);
	for (i = 0; r == 0 && i < l.n; i++)
		r = read_more(s, &l.items[i], err);
	if (r == 0)
		fy_windows_find_macs(s, &l);
	for (i = 0; r == 0 && i < l.n; i++)
		r = tell(s, &l.items[i], err);
	if (r == 0)
		r = fy_windows_net_script(w, &l, err);
	release(&l);
	return r;
}
