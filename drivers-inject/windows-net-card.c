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

#define CARDS	     "Control\\Class\\{4D36E972-E325-11CE-BFC1-08002BE10318}"
#define IF_ETHERNET  6
#define NCF_PHYSICAL 4 /* of Characteristics */

/* --- what is a card -------------------------------------------------------- */

/* The LUID that a card's driver has: 16 bits of type, 24 of index. */
static uint64_t
luid_of(struct fy_windows *w, const char *key, uint32_t type)
{
	uint32_t index;

	if (fy_hive_get_dword(w->system, key, "NetLuidIndex", &index, NULL) ==
	    -1)
		return 0;
	return (uint64_t)(type & 0xffff) << 48 | (uint64_t)(index & 0xffffff)
							 << 24;
}

/* Its driver is the one for teams. */
static bool
is_team(const char *device)
{
	return device != NULL && strcasestr(device, "ms_implat") != NULL;
}

/* What the driver's key says of the interface that it names. */
static void
read_driver(struct fy_windows *w, const char *key, struct fy_windows_nics *l)
{
	fy_autofree char *guid = NULL;
	fy_autofree char *component = NULL;
	uint32_t type = IF_ETHERNET, what = NCF_PHYSICAL;
	size_t k;

	if (fy_hive_get_string(w->system, key, "NetCfgInstanceId", &guid,
			       NULL) == -1)
		return;
	(void)fy_hive_get_dword(w->system, key, "*IfType", &type, NULL);
	(void)fy_hive_get_dword(w->system, key, "Characteristics", &what, NULL);
	(void)fy_hive_get_string(w->system, key, "ComponentId", &component,
				 NULL);
	for (k = 0; k < l->n; k++) {
		struct fy_windows_nic *i = &l->items[k];

		if (strcasecmp(i->guid, guid) != 0)
			continue;
		i->luid = luid_of(w, key, type);
		i->ethernet = type == IF_ETHERNET;
		i->card = (what & NCF_PHYSICAL) != 0;
		i->team = is_team(component);
	}
}

/* Devices of software, whatever their drivers say of themselves. */
static bool
is_software(const char *instance)
{
	static const char *const buses[] = { "ROOT\\", "SWD\\",
					     "SW\\",   "COMPOSITEBUS\\",
					     "BTH\\",  "UMB\\",
					     "{" };
	size_t i;

	for (i = 0; i < sizeof(buses) / sizeof(*buses); i++)
		if (strncasecmp(instance, buses[i], strlen(buses[i])) == 0)
			return true;
	return false;
}

/* A card that was uninstalled leaves its interface's settings behind, but
 * neither a connection nor a device. */
static int
read_device(struct fy_windows *w, struct fy_windows_nic *i,
	    struct fy_error *err)
{
	fy_autofree char *key = NULL;

	if (i->instance != NULL && i->instance[0] != '\0') {
		key = fy_windows_key(w->control_sets.items[0], err, "Enum\\%s",
				     i->instance);
		if (key == NULL)
			return -1;
		i->installed = fy_hive_has(w->system, key);
		i->team = i->team || is_team(i->instance);
	}
	i->card = i->card && i->installed && !i->team &&
		  !is_software(i->instance);
	return 0;
}

int
fy_windows_read_cards(struct fy_windows *w, struct fy_windows_nics *l,
		      struct fy_error *err)
{
	const char *set = w->control_sets.items[0];
	fy_autofree char *cards = fy_windows_key(set, err, CARDS);
	struct fy_string_set keys = { 0 };
	size_t i;
	int r = cards == NULL ? -1 : fy_hive_keys(w->system, cards, &keys, err);

	/* Where no driver's key says otherwise. */
	for (i = 0; i < l->n; i++)
		l->items[i].ethernet = l->items[i].card = true;
	for (i = 0; r == 0 && i < keys.n; i++) {
		fy_autofree char *key =
			fy_windows_key(set, err, CARDS "\\%s", keys.items[i]);

		if (key == NULL)
			r = -1;
		else
			read_driver(w, key, l);
	}
	for (i = 0; r == 0 && i < l->n; i++)
		r = read_device(w, &l->items[i], err);
	fy_string_set_release(&keys);
	return r;
}

struct fy_windows_nic *
fy_windows_nic_of(const struct fy_windows_nics *l, uint64_t luid)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->items[i].luid != 0 && l->items[i].luid == luid)
			return &l->items[i];
	return NULL;
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

/* The one network card there; of two (the ports of one function) none. */
static const char *
mac_at(const struct fy_machine *m, const unsigned at[3])
{
	const char *mac = NULL;
	unsigned is[4];
	size_t k, n = 0;

	for (k = 0; k < m->n_nics; k++)
		if (m->nics[k].pci != NULL &&
		    sscanf(m->nics[k].pci, "%4x:%2x:%2x.%1x", &is[0], &is[1],
			   &is[2], &is[3]) == 4 &&
		    is[0] == 0 && is[1] == at[0] && is[2] == at[1] &&
		    is[3] == at[2]) {
			mac = mac_of(&m->nics[k]);
			n++;
		}
	return n == 1 ? mac : NULL;
}

static const char *
mac_by_location(struct fy_windows *w, const struct fy_windows_nic *i,
		const struct fy_machine *m)
{
	fy_autofree char *key = fy_windows_key(w->control_sets.items[0], NULL,
					       "Enum\\%s", i->instance);
	fy_autofree char *text = NULL;
	unsigned at[3];

	/* Other buses' words have numbers of another kind. */
	if (key == NULL ||
	    fy_hive_get_string(w->system, key, "LocationInformation", &text,
			       NULL) == -1 ||
	    strcasestr(text, "PCI") == NULL || !location(text, at))
		return NULL;
	return mac_at(m, at);
}

/* "...\A0369FFFFF123456-00" and the like: a serial number made of the MAC.  The
 * functions of a card have one number, and other MACs from the second on. */
static bool
mac_by_serial(struct fy_windows_nic *i, const struct fy_machine *m)
{
	const char *s = strrchr(i->instance, '\\');
	char mac[18];
	size_t k, n = 0;

	s = s == NULL ? i->instance : s + 1;
	while (n < 16 && isxdigit((unsigned char)s[n]))
		n++;
	if (n < 16 || strncasecmp(s + 6, "FFFF", 4) != 0 ||
	    (s[16] != '\0' && strcmp(s + 16, "00") != 0 &&
	     strcmp(s + 16, "-00") != 0))
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

/* The only card of the machine, for the only one that Windows knows. */
static const char *
only_mac(const struct fy_windows_nics *l, const struct fy_windows_nic *i,
	 const struct fy_machine *m)
{
	const char *mac = NULL;
	size_t k, cards = 0;

	for (k = 0; k < l->n; k++)
		if (l->items[k].card && l->items[k].ethernet &&
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

/* --nic says so. */
static const char *
mac_by_name(const struct fy_windows_nic *i, const struct fy_inject_options *o)
{
	size_t k;

	for (k = 0; i->name != NULL && k < o->n_nics; k++)
		if (strcasecmp(o->nics[k].name, i->name) == 0)
			return o->nics[k].mac;
	return NULL;
}

static void
find_mac(struct fy_system *s, const struct fy_windows_nics *l,
	 struct fy_windows_nic *i)
{
	const struct fy_inject_options *o = s->disks->options;
	const struct fy_machine *m = o->machine;

	if (set_mac(i, mac_by_name(i, o)))
		return;
	if (i->card && m != NULL &&
	    set_mac(i, mac_by_location(fy_windows_of(s), i, m)))
		return;
	if (i->card && mac_by_serial(i, m))
		return;
	if (m == NULL || !i->installed || set_mac(i, mac_by_address(i, m)))
		return;
	if (i->card && i->ethernet)
		(void)set_mac(i, only_mac(l, i, m));
}

/* Whether a person or an address says it, and not only where a card is. */
static unsigned
certainty(const struct fy_windows_nic *i, const struct fy_inject_options *o)
{
	const char *mac;

	if (mac_by_name(i, o) != NULL)
		return 2;
	mac = o->machine == NULL ? NULL : mac_by_address(i, o->machine);
	return mac != NULL && strcasecmp(mac, i->mac) == 0;
}

/* A card that replaced another one in its slot is where that was: of those with
 * the MAC of 'first' only one that is surer than all others keeps it. */
static void
settle(const struct fy_windows_nics *l, struct fy_windows_nic *first,
       const struct fy_inject_options *o)
{
	struct fy_windows_nic *best = first, *i;
	unsigned most = certainty(first, o), c;
	size_t n = 1;

	for (i = first + 1; i < l->items + l->n; i++) {
		if (strcmp(i->mac, first->mac) != 0)
			continue;
		first->rival = i;
		i->rival = first;
		c = certainty(i, o);
		n = c == most ? n + 1 : c > most ? 1 : n;
		best = c > most ? i : best;
		most = c > most ? c : most;
	}
	if (first->rival == NULL)
		return;
	if (n > 1 || most == 0)
		best = NULL;
	/* 'first' is compared with, so it comes last. */
	for (i = l->items + l->n; i-- > first;)
		if (i != best && strcmp(i->mac, first->mac) == 0)
			i->mac[0] = '\0';
}

void
fy_windows_find_macs(struct fy_system *s, const struct fy_windows_nics *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (fy_windows_nic_has_settings(&l->items[i]) ||
		    l->items[i].card)
			find_mac(s, l, &l->items[i]);
	for (i = 0; i < l->n; i++)
		if (l->items[i].mac[0] != '\0')
			settle(l, &l->items[i], s->disks->options);
}
