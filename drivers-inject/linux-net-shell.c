/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files of shell assignments: Red Hat's and SUSE's ifcfg, ALT's etcnet, Arch's
 * netctl.  The two ifcfg share a name and little else: BRIDGE is a bridge's
 * name here and "yes" there.
 */
#include "drivers-inject/linux-net-internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"

/* The value without its quotes; the rest is cut. */
static void
take_value(char to[64], const char *value)
{
	size_t len;

	if (*value == '"' || *value == '\'')
		value++;
	len = strcspn(value, "\"'");
	snprintf(to, 64, "%.*s", len < 64 ? (int)len : 63, value);
}

static bool
is_yes(const char *s)
{
	return strcasecmp(s, "yes") == 0;
}

/* --- Red Hat's ------------------------------------------------------------------ */

struct ifcfg {
	char device[64], type[64], mac[64], master[64], bridge[64];
	char vlan[64], vlan_id[64], parent[64], bootproto[64], bond[64];
	char addresses[8][64], masks[8][64]; /* IPADDR, IPADDR1, ... */
	char ipv6[64], team[64];
};

/* IPADDR is IPADDR0, and beside IPADDR1. */
static char *
ifcfg_numbered(char list[8][64], const char *key, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(key, name, len) != 0)
		return NULL;
	key += len;
	if (*key == '\0')
		return list[0];
	return *key >= '0' && *key < '8' && key[1] == '\0' ? list[*key - '0']
							   : NULL;
}

static int
ifcfg_key(void *ctx, const char *section, const char *key, const char *value,
	  struct fy_error *err)
{
	struct ifcfg *c = ctx;
	const struct {
		const char *key;
		char *to;
	} keys[] = {
		{ "DEVICE", c->device },       { "TYPE", c->type },
		{ "HWADDR", c->mac },	       { "MASTER", c->master },
		{ "BRIDGE", c->bridge },       { "VLAN", c->vlan },
		{ "VLAN_ID", c->vlan_id },     { "PHYSDEV", c->parent },
		{ "BOOTPROTO", c->bootproto }, { "BONDING_OPTS", c->bond },
		{ "BONDING_MASTER", c->bond }, { "IPV6ADDR", c->ipv6 },
		{ "TEAM_MASTER", c->master },  { "DEVICETYPE", c->team },
		{ "OVS_BRIDGE", c->bridge },
	};
	char *to = ifcfg_numbered(c->addresses, key, "IPADDR");
	size_t i;

	(void)section;
	(void)err;
	if (to == NULL)
		to = ifcfg_numbered(c->masks, key, "PREFIX");
	if (to == NULL)
		to = ifcfg_numbered(c->masks, key, "NETMASK");
	for (i = 0; to == NULL && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].key, key) == 0)
			to = keys[i].to;
	if (to == NULL)
		return 0;
	take_value(to, value);
	return 0;
}

static void
ifcfg_describe(struct fy_net_names *n, const struct ifcfg *c,
	       struct fy_error *err)
{
	const char *name = c->device;
	size_t i;

	if (strcasecmp(c->type, "Bridge") == 0)
		fy_net_has_kind(n, name, "bridge", err);
	else if (strcasecmp(c->type, "Bond") == 0 || c->bond[0] != '\0')
		fy_net_has_kind(n, name, "bond", err);
	else if (strcasecmp(c->team, "Team") == 0)
		fy_net_has_kind(n, name, "other", err);
	else if (is_yes(c->vlan) || strcasecmp(c->type, "Vlan") == 0)
		fy_net_has_parent(n, name, c->parent,
				  fy_net_vlan_number(c->vlan_id), err);
	else if (c->type[0] != '\0' && strcasecmp(c->type, "Ethernet") != 0)
		fy_net_has_kind(n, name, "other", err);
	fy_net_has_master(n, name, strlen(name),
			  c->bridge[0] != '\0' ? c->bridge : c->master, err);
	if (strcasecmp(c->bootproto, "dhcp") == 0)
		fy_net_has_dhcp(n, name, err);
	for (i = 0; i < 8; i++)
		if (c->addresses[i][0] != '\0')
			fy_net_has_address(n, name, c->addresses[i],
					   strlen(c->addresses[i]),
					   c->masks[i][0] == '\0' ? NULL
								  : c->masks[i],
					   err);
	if (c->ipv6[0] != '\0')
		fy_net_has_address(n, name, c->ipv6, strlen(c->ipv6), NULL,
				   err);
}

/* Whether it is a name that the kernel, udev or biosdevname gives. */
static bool
looks_like_card(const char *s)
{
	if (strncmp(s, "eth", 3) == 0 || strncmp(s, "em", 2) == 0)
		s += s[1] == 't' ? 3 : 2;
	else if (strncmp(s, "en", 2) == 0 && strchr("opsx", s[2]) != NULL &&
		 s[2] != '\0')
		s += 3;
	else if (*s == 'p')
		s++;
	else
		return false;
	return isxdigit((unsigned char)*s) != 0;
}

int
fy_net_parse_ifcfg(struct fy_net_names *n, const char *file, const char *text,
		   struct fy_error *err)
{
	fy_autofree struct ifcfg *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return fy_error_nomem(err);
	if (fy_net_parse_ini(text, ifcfg_key, c, err) == -1)
		return -1;
	/* With a MAC alone the connection follows the card, whatever its
	 * name is; "ifcfg-office" is none then. */
	if (c->device[0] == '\0' && strncmp(file, "ifcfg-", 6) == 0 &&
	    (c->mac[0] == '\0' || looks_like_card(file + 6)))
		snprintf(c->device, sizeof(c->device), "%s", file + 6);
	if (!fy_net_is_name(c->device, strlen(c->device)) ||
	    strcmp(c->device, "lo") == 0)
		return 0;
	fy_net_use(n, c->device, strlen(c->device), err);
	if (c->mac[0] != '\0')
		fy_net_has_mac(n, c->device, c->mac, err);
	ifcfg_describe(n, c, err);
	return 0;
}

/* --- SUSE's --------------------------------------------------------------- */

struct suse {
	char bonding[64], bridge[64], parent[64], vlan_id[64], bootproto[64];
	char ports[1024]; /* of a bridge, a bond or a team */
	bool team;
	struct fy_string_set addresses;
	char mask[64];
};

static void
suse_port(struct suse *c, const char *value)
{
	size_t have = strlen(c->ports);
	char one[64];

	take_value(one, value);
	if (have + strlen(one) + 2 < sizeof(c->ports))
		snprintf(c->ports + have, sizeof(c->ports) - have, " %s", one);
}

static int
suse_key(void *ctx, const char *section, const char *key, const char *value,
	 struct fy_error *err)
{
	struct suse *c = ctx;
	char address[64];

	(void)section;
	if (strncmp(key, "BONDING_SLAVE", 13) == 0 &&
	    strcmp(key, "BONDING_SLAVES") != 0) {
		suse_port(c, value);
	} else if (strncmp(key, "TEAM_PORT_DEVICE", 16) == 0) {
		c->team = true;
		suse_port(c, value);
	} else if (strcmp(key, "BRIDGE_PORTS") == 0) {
		size_t len = strcspn(value + (*value == '\'' || *value == '"'),
				     "\"'");

		snprintf(c->ports, sizeof(c->ports), "%.*s",
			 (int)(len < 1000 ? len : 1000),
			 value + (*value == '\'' || *value == '"'));
	} else if (strcmp(key, "BONDING_MASTER") == 0) {
		take_value(c->bonding, value);
	} else if (strcmp(key, "BRIDGE") == 0) {
		take_value(c->bridge, value);
	} else if (strcmp(key, "ETHERDEVICE") == 0) {
		take_value(c->parent, value);
	} else if (strcmp(key, "VLAN_ID") == 0) {
		take_value(c->vlan_id, value);
	} else if (strcmp(key, "BOOTPROTO") == 0) {
		take_value(c->bootproto, value);
	} else if (strcmp(key, "NETMASK") == 0 ||
		   strcmp(key, "PREFIXLEN") == 0) {
		take_value(c->mask, value);
	} else if (strncmp(key, "IPADDR", 6) == 0 && c->addresses.n < 64) {
		take_value(address, value);
		return address[0] == '\0'
			       ? 0
			       : fy_string_set_add(&c->addresses, address, err);
	}
	return 0;
}

/* "ifcfg-eth-id-00:11:..." and "ifcfg-eth-bus-pci-..." of old name a card. */
static int
suse_by_card(struct fy_net_names *n, const char *name, struct fy_error *err)
{
	char note[256];

	if (strncmp(name, "eth-bus-", 8) != 0)
		return 0;
	snprintf(note, sizeof(note),
		 "'ifcfg-%.100s' names a network card by its place, which is "
		 "another on virtual hardware",
		 name);
	return fy_string_set_add(&n->notes, note, err);
}

static void
suse_describe(struct fy_net_names *n, const struct suse *c, const char *name,
	      struct fy_error *err)
{
	const char *mask = c->mask[0] == '\0' ? NULL : c->mask;
	size_t i;

	if (is_yes(c->bonding))
		fy_net_has_kind(n, name, "bond", err);
	else if (is_yes(c->bridge))
		fy_net_has_kind(n, name, "bridge", err);
	else if (c->team)
		fy_net_has_kind(n, name, "other", err);
	else if (c->parent[0] != '\0') {
		fy_net_has_parent(n, name, c->parent,
				  fy_net_vlan_number(c->vlan_id), err);
		fy_net_use(n, c->parent, strlen(c->parent), err);
	}
	fy_net_use_all(n, c->ports, name, err);
	if (strncasecmp(c->bootproto, "dhcp", 4) == 0)
		fy_net_has_dhcp(n, name, err);
	for (i = 0; i < c->addresses.n; i++) {
		const char *a = c->addresses.items[i];

		fy_net_has_address(n, name, a, strlen(a),
				   strchr(a, '/') == NULL ? mask : NULL, err);
	}
}

int
fy_net_parse_suse(struct fy_net_names *n, const char *file, const char *text,
		  struct fy_error *err)
{
	fy_autofree struct suse *c = calloc(1, sizeof(*c));
	const char *name = file;
	int r;

	if (c == NULL)
		return fy_error_nomem(err);
	if (strncmp(file, "ifcfg-", 6) == 0)
		name += 6;
	if (!fy_net_is_name(name, strlen(name)) || strchr(name, ':') != NULL)
		return suse_by_card(n, name, err);
	if (strcmp(name, "lo") == 0)
		return 0;
	r = fy_net_parse_ini(text, suse_key, c, err);
	if (r == 0) {
		fy_net_use(n, name, strlen(name), err);
		suse_describe(n, c, name, err);
	}
	fy_string_set_release(&c->addresses);
	return r;
}

/* --- ALT's and Arch's ----------------------------------------------------- */

struct simple {
	char type[64], host[64], vlan_id[64], bootproto[64], interface[64];
};

static int
simple_key(void *ctx, const char *section, const char *key, const char *value,
	   struct fy_error *err)
{
	struct simple *c = ctx;
	const struct {
		const char *key;
		char *to;
	} keys[] = {
		{ "TYPE", c->type },	       { "HOST", c->host },
		{ "VID", c->vlan_id },	       { "BOOTPROTO", c->bootproto },
		{ "Interface", c->interface }, { "Connection", c->type },
		{ "IP", c->bootproto },
	};
	size_t i;

	(void)section;
	(void)err;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].key, key) == 0)
			take_value(keys[i].to, value);
	return 0;
}

int
fy_net_parse_etcnet(struct fy_net_names *n, const char *name, const char *text,
		    struct fy_error *err)
{
	struct simple c = { 0 };
	bool card;

	if (!fy_net_is_name(name, strlen(name)) || strcmp(name, "lo") == 0 ||
	    strcmp(name, "default") == 0 || strcmp(name, "unknown") == 0)
		return 0;
	if (fy_net_parse_ini(text, simple_key, &c, err) == -1)
		return -1;
	card = c.type[0] == '\0' || strcmp(c.type, "eth") == 0;
	if (strcmp(c.type, "bri") == 0)
		fy_net_has_kind(n, name, "bridge", err);
	else if (strcmp(c.type, "bond") == 0)
		fy_net_has_kind(n, name, "bond", err);
	else if (strcmp(c.type, "vlan") == 0)
		fy_net_has_parent(n, name, c.host,
				  fy_net_vlan_number(c.vlan_id), err);
	else if (!card)
		fy_net_has_kind(n, name, "other", err);
	fy_net_use(n, name, strlen(name), err);
	/* A bridge's and a bond's ports, a VLAN's parent. */
	if (!card)
		fy_net_use_all(n, c.host,
			       strcmp(c.type, "vlan") == 0 ? NULL : name, err);
	if (strncmp(c.bootproto, "dhcp", 4) == 0)
		fy_net_has_dhcp(n, name, err);
	return 0;
}

int
fy_net_parse_netctl(struct fy_net_names *n, const char *text,
		    struct fy_error *err)
{
	struct simple c = { 0 };

	if (fy_net_parse_ini(text, simple_key, &c, err) == -1)
		return -1;
	if (!fy_net_is_name(c.interface, strlen(c.interface)))
		return 0;
	fy_net_use(n, c.interface, strlen(c.interface), err);
	if (strcmp(c.type, "ethernet") != 0)
		fy_net_has_kind(n, c.interface,
				strcmp(c.type, "bond") == 0	? "bond"
				: strcmp(c.type, "bridge") == 0 ? "bridge"
				: strcmp(c.type, "vlan") == 0	? "vlan"
								: "other",
				err);
	if (strcmp(c.bootproto, "dhcp") == 0)
		fy_net_has_dhcp(n, c.interface, err);
	return 0;
}
