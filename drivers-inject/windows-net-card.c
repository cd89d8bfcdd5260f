/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The network cards of a Windows, and which MAC each has.  That is not in the
 * registry: it is told by --nic, by the PCI address that Windows wrote down for
 * the card, by the card's serial number (which many makers build from the MAC),
 * by the addresses, or by there being only one.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/file.h"
#include "drivers-inject/windows-net.h"

#define CARDS	    "Control\\Class\\{4D36E972-E325-11CE-BFC1-08002BE10318}"
#define IF_ETHERNET 6

/* The LUID that a card's driver has: 16 bits of type, 24 of index. */
static uint64_t
luid_of(struct fy_windows *w, const char *key)
{
	uint32_t index, type = IF_ETHERNET;

	if (fy_hive_get_dword(w->system, key, "NetLuidIndex", &index, NULL) ==
	    -1)
		return 0;
	(void)fy_hive_get_dword(w->system, key, "*IfType", &type, NULL);
	return (uint64_t)(type & 0xffff) << 48 | (uint64_t)(index & 0xffffff)
							 << 24;
}

/* The interface that has this LUID, by its driver's key. */
int
fy_windows_read_cards(struct fy_windows *w, struct fy_windows_nics *l,
		      struct fy_error *err)
{
	const char *set = w->control_sets.items[0];
	fy_autofree char *cards = fy_windows_key(set, err, CARDS);
	struct fy_string_set keys = { 0 };
	size_t i, k;
	int r = cards == NULL ? -1 : fy_hive_keys(w->system, cards, &keys, err);

	for (i = 0; r == 0 && i < keys.n; i++) {
		fy_autofree char *key =
			fy_windows_key(set, err, CARDS "\\%s", keys.items[i]);
		fy_autofree char *guid = NULL;

		if (key == NULL) {
			r = -1;
			break;
		}
		if (fy_hive_get_string(w->system, key, "NetCfgInstanceId",
				       &guid, NULL) == -1)
			continue;
		for (k = 0; k < l->n; k++)
			if (strcasecmp(l->items[k].guid, guid) == 0)
				l->items[k].luid = luid_of(w, key);
	}
	fy_string_set_release(&keys);
	return r;
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

void
fy_windows_find_mac(struct fy_system *s, const struct fy_windows_nics *l,
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
