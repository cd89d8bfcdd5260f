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
 * IPv6 is in windows-net-ipv6.c, the script in windows-net-script.c.
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

static void
release(struct fy_windows_nics *l)
{
	while (l->n > 0) {
		struct fy_windows_nic *i = &l->items[--l->n];

		free(i->guid);
		free(i->name);
		free(i->instance);
		fy_string_set_release(&i->addresses);
		fy_string_set_release(&i->masks);
		fy_string_set_release(&i->gateways);
		fy_string_set_release(&i->dns);
		fy_string_set_release(&i->addresses6);
		fy_string_set_release(&i->routes6);
		fy_string_set_release(&i->dns6);
		fy_string_set_release(&i->nsi);
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
	    read_dns(w->system, key6, AF_INET6, &i->dns6, err) == -1)
		return -1;
	return read_connection(w, i, err);
}

/* --- which MAC --------------------------------------------------------------------- */

static bool
set_mac(struct fy_windows_nic *i, const char *mac)
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
mac_by_location(struct fy_windows *w, const struct fy_windows_nic *i,
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
mac_by_serial(struct fy_windows_nic *i, const struct fy_machine *m)
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

/* One of 'set', with or without a prefix's length in either. */
static bool
is_one_of(const struct fy_string_set *set, const char *address)
{
	size_t i, len = strcspn(address, "/");

	for (i = 0; i < set->n; i++)
		if (strcspn(set->items[i], "/") == len &&
		    strncasecmp(set->items[i], address, len) == 0)
			return true;
	return false;
}

static const char *
mac_by_address(const struct fy_windows_nic *i, const struct fy_machine *m)
{
	size_t k, a;

	for (k = 0; k < m->n_nics; k++)
		for (a = 0; a < m->nics[k].n_addresses; a++)
			if (is_one_of(&i->addresses, m->nics[k].addresses[a]) ||
			    is_one_of(&i->addresses6, m->nics[k].addresses[a]))
				return mac_of(&m->nics[k]);
	return NULL;
}

/* The only card of the machine, for the only interface on one. */
static const char *
only_mac(const struct fy_windows_nics *l, const struct fy_windows_nic *i,
	 const struct fy_machine *m)
{
	const char *mac = NULL;
	size_t k, cards = 0;

	for (k = 0; k < l->n; k++)
		if (fy_windows_nic_has_settings(&l->items[k]) &&
		    &l->items[k] != i)
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
is_card(const struct fy_windows_nic *i)
{
	return i->instance == NULL || strncasecmp(i->instance, "PCI\\", 4) == 0;
}

static void
find_mac(struct fy_system *s, const struct fy_windows_nics *l,
	 struct fy_windows_nic *i)
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

/* --------------------------------------------------------------------------------------------- */

static int
warn_unknown(struct fy_system *s, const struct fy_windows_nic *i,
	     struct fy_error *err)
{
	return fy_disks_warn(
		s->disks, err,
		"the network connection '%s' has the address %s, and which "
		"network card it is on is not known: set it on the virtual "
		"machine, or name it with --nic '%s=MAC'",
		i->name == NULL ? i->guid : i->name,
		i->addresses.n > 0    ? i->addresses.items[0]
		: i->addresses6.n > 0 ? i->addresses6.items[0]
				      : "of its DNS",
		i->name == NULL ? i->guid : i->name);
}

static int
read_all(struct fy_windows *w, struct fy_windows_nics *l, struct fy_error *err)
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
	struct fy_windows_nics l = { 0 };
	size_t i;
	int r = read_all(w, &l, err);

	if (r == 0)
		r = fy_windows_read_ipv6(s, &l, err);
	for (i = 0; r == 0 && i < l.n; i++) {
		if (!fy_windows_nic_has_settings(&l.items[i]))
			continue;
		find_mac(s, &l, &l.items[i]);
		if (l.items[i].mac[0] == '\0')
			r = warn_unknown(s, &l.items[i], err);
	}
	if (r == 0)
		r = fy_windows_net_script(w, &l, err);
	release(&l);
	return r;
}
