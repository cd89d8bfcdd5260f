/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files of KEY=VALUE in sections: systemd-networkd and NetworkManager.
 */
#include "drivers-inject/linux-net-internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"

/* --- ini files ------------------------------------------------------------ */

int
fy_net_parse_ini(const char *text, fy_net_ini_each each, void *ctx,
		 struct fy_error *err)
{
	char section[64] = "";
	char *raw;

	while ((raw = fy_net_next_line(&text, true)) != NULL) {
		fy_autofree char *line = raw;
		char *s = line + strspn(line, " \t"), *eq, *end;

		end = s + strlen(s);
		while (end > s && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (*s == '[' && end > s && end[-1] == ']') {
			end[-1] = '\0';
			snprintf(section, sizeof(section), "%s", s + 1);
			continue;
		}
		eq = strchr(s, '=');
		if (*s == '#' || *s == ';' || eq == NULL)
			continue;
		end = eq;
		while (end > s && isspace((unsigned char)end[-1]))
			end--;
		*end = '\0';
		eq += 1 + strspn(eq + 1, " \t");
		if (each(ctx, section, s, eq, err) == -1)
			return -1;
	}
	return 0;
}

struct unit {
	const char *suffix;
	char names[1024]; /* [Match] Name= of .network */
	char mac[64];
	char name[64]; /* [NetDev] Name=, [Link] Name= */
	bool hardware; /* matches by path or driver */
	bool other;    /* matches by more than a MAC */
	bool policy;   /* NamePolicy=, which goes before Name= */
	char master[64], kind[64];
	char vlans[1024]; /* made on it */
	char id[64];	  /* of a VLAN */
	struct fy_string_set addresses;
	bool dhcp;
};

static void
unit_match(struct unit *u, const char *key, const char *value)
{
	if (strcmp(key, "Name") == 0)
		snprintf(u->names, sizeof(u->names), "%s", value);
	else if (strcmp(key, "MACAddress") == 0 ||
		 strcmp(key, "PermanentMACAddress") == 0)
		snprintf(u->mac, sizeof(u->mac), "%s", value);
	else if (strcmp(key, "Path") == 0 || strcmp(key, "Driver") == 0 ||
		 strncmp(key, "Property", 8) == 0)
		u->hardware = true;
	else if (strcmp(key, "Type") != 0 || strcmp(value, "ether") != 0)
		u->other = true;
}

static int
unit_network(struct unit *u, const char *key, const char *value,
	     struct fy_error *err)
{
	size_t have = strlen(u->vlans);

	if (strcmp(key, "Address") == 0 && u->addresses.n < 64)
		return fy_string_set_add(&u->addresses, value, err);
	if (strcmp(key, "DHCP") == 0)
		u->dhcp = strcmp(value, "no") != 0 &&
			  strcmp(value, "false") != 0 &&
			  strcmp(value, "none") != 0;
	else if (strcmp(key, "Bond") == 0 || strcmp(key, "Bridge") == 0)
		snprintf(u->master, sizeof(u->master), "%s", value);
	else if (strcmp(key, "VLAN") == 0 &&
		 have + strlen(value) + 2 < sizeof(u->vlans))
		snprintf(u->vlans + have, sizeof(u->vlans) - have, " %s",
			 value);
	return 0;
}

static int
unit_key(void *ctx, const char *section, const char *key, const char *value,
	 struct fy_error *err)
{
	struct unit *u = ctx;

	if (strcmp(section, "Match") == 0)
		unit_match(u, key, value);
	else if (strcmp(section, "Network") == 0)
		return unit_network(u, key, value, err);
	else if (strcmp(section, "Address") == 0 && strcmp(key, "Address") == 0)
		return unit_network(u, key, value, err);
	else if (strcmp(section, "VLAN") == 0 && strcmp(key, "Id") == 0)
		snprintf(u->id, sizeof(u->id), "%s", value);
	else if (strcmp(section, "NetDev") == 0 && strcmp(key, "Kind") == 0)
		snprintf(u->kind, sizeof(u->kind), "%s", value);
	else if (strcmp(section, "Link") == 0 && strcmp(key, "NamePolicy") == 0)
		u->policy = *value != '\0';
	else if (strcmp(key, "Name") == 0 && (strcmp(section, "NetDev") == 0 ||
					      strcmp(section, "Link") == 0))
		snprintf(u->name, sizeof(u->name), "%s", value);
	return 0;
}

/* What a .network says of the interface 'name'. */
static void
unit_describe(struct fy_net_names *n, const struct unit *u, const char *name,
	      struct fy_error *err)
{
	const char *list = u->vlans, *w;
	size_t i, len;

	for (i = 0; i < u->addresses.n; i++)
		fy_net_has_address(n, name, u->addresses.items[i],
				   strlen(u->addresses.items[i]), NULL, err);
	if (u->dhcp)
		fy_net_has_dhcp(n, name, err);
	fy_net_has_master(n, name, strlen(name), u->master, err);
	while ((w = fy_net_next_word(&list, &len)) != NULL) {
		fy_autofree char *vlan = strndup(w, len);

		if (vlan != NULL && fy_net_is_name(vlan, len))
			fy_net_has_parent(n, vlan, name, 0, err);
	}
}

static int
unit_to_names(struct fy_net_names *n, const char *file, const struct unit *u,
	      struct fy_error *err)
{
	const char *list, *w;
	char note[256];
	size_t len;

	for (list = u->names; (w = fy_net_next_word(&list, &len)) != NULL;) {
		char name[FY_NET_NAME_BYTES];

		if (*w == '!' || memchr(w, '*', len) != NULL)
			continue;
		fy_net_use(n, w, len, err);
		if (!fy_net_is_name(w, len))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len, w);
		unit_describe(n, u, name, err);
	}
	if (u->mac[0] != '\0' && fy_net_is_name(u->names, strlen(u->names)))
		fy_net_has_mac(n, u->names, u->mac, err);
	if (!u->hardware || u->mac[0] != '\0')
		return 0;
	snprintf(note, sizeof(note),
		 "'%.100s' matches a network card by its path or driver, which "
		 "are others on virtual hardware",
		 file);
	return fy_string_set_add(&n->notes, note, err);
}

int
fy_net_parse_networkd(struct fy_net_names *n, const char *file,
		      const char *text, struct fy_error *err)
{
	fy_autofree struct unit *u = calloc(1, sizeof(*u));
	const char *suffix = strrchr(file, '.');
	int r;

	if (u == NULL)
		return fy_error_nomem(err);
	if (suffix == NULL)
		return 0;
	r = fy_net_parse_ini(text, unit_key, u, err);
	if (r == 0 && strcmp(suffix, ".netdev") == 0) {
		fy_net_has_kind(n, u->name, u->kind, err);
		if (u->id[0] != '\0')
			fy_net_has_parent(n, u->name, NULL,
					  fy_net_vlan_number(u->id), err);
	} else if (r == 0 && strcmp(suffix, ".link") == 0 &&
		   u->name[0] != '\0') {
		/* Ours would come first, and take away what else it sets. */
		if (u->hardware || u->other || u->policy)
			fy_net_has_mac(n, u->name, u->mac, err);
		else
			fy_net_is_ruled(n, u->name, u->mac, err);
	} else if (r == 0 && strcmp(suffix, ".network") == 0) {
		r = unit_to_names(n, file, u, err);
	}
	fy_string_set_release(&u->addresses);
	return r;
}

struct keyfile {
	bool hardware; /* matches by path or driver */
	char type[64], name[64], mac[64], parent[64], master[64], id[64];
	struct fy_string_set addresses;
	bool dhcp;
};

/* "address1=192.0.2.7/24,192.0.2.1", and "addresses=A;B;" of old. */
static int
keyfile_ip(struct keyfile *k, const char *key, const char *value,
	   struct fy_error *err)
{
	bool many = strncmp(key, "addresses", 9) == 0;

	if (strcmp(key, "method") == 0)
		k->dhcp = k->dhcp || strcmp(value, "auto") == 0 ||
			  strcmp(value, "dhcp") == 0;
	if (strncmp(key, "address", 7) != 0 || strncmp(key, "address-", 8) == 0)
		return 0;
	while (*value != '\0' && k->addresses.n < 64) {
		size_t len = strcspn(value, ";");
		fy_autofree char *one =
			strndup(value, strcspn(value, many ? ",;" : ","));

		if (one == NULL)
			return fy_error_nomem(err);
		if (fy_string_set_add(&k->addresses, one, err) == -1)
			return -1;
		if (!many)
			break;
		value += len + (value[len] == ';');
	}
	return 0;
}

static int
keyfile_key(void *ctx, const char *section, const char *key, const char *value,
	    struct fy_error *err)
{
	struct keyfile *k = ctx;
	char *to = NULL;

	if (strcmp(section, "ipv4") == 0 || strcmp(section, "ipv6") == 0)
		return keyfile_ip(k, key, value, err);
	if (strcmp(section, "match") == 0 &&
	    (strcmp(key, "path") == 0 || strcmp(key, "driver") == 0))
		k->hardware = true;
	else if (strcmp(section, "connection") == 0 && strcmp(key, "type") == 0)
		to = k->type;
	else if (strcmp(section, "connection") == 0 &&
		 strcmp(key, "interface-name") == 0)
		to = k->name;
	else if (strcmp(section, "connection") == 0 &&
		 (strcmp(key, "master") == 0 || strcmp(key, "controller") == 0))
		to = k->master;
	else if (strcmp(key, "mac-address") == 0)
		to = k->mac;
	else if (strcmp(section, "vlan") == 0 && strcmp(key, "parent") == 0)
		to = k->parent;
	else if (strcmp(section, "vlan") == 0 && strcmp(key, "id") == 0)
		to = k->id;
	if (to != NULL)
		snprintf(to, 64, "%s", value);
	return 0;
}

static void
keyfile_describe(struct fy_net_names *n, const struct keyfile *k,
		 struct fy_error *err)
{
	size_t i;

	for (i = 0; i < k->addresses.n; i++)
		fy_net_has_address(n, k->name, k->addresses.items[i],
				   strlen(k->addresses.items[i]), NULL, err);
	if (k->dhcp)
		fy_net_has_dhcp(n, k->name, err);
	fy_net_has_master(n, k->name, strlen(k->name), k->master, err);
	if (strcmp(k->type, "vlan") == 0)
		fy_net_has_parent(n, k->name, k->parent,
				  fy_net_vlan_number(k->id), err);
}

int
fy_net_parse_keyfile(struct fy_net_names *n, const char *text,
		     struct fy_error *err)
{
	struct keyfile k;
	int r;

	memset(&k, 0, sizeof(k));
	r = fy_net_parse_ini(text, keyfile_key, &k, err);
	if (r == 0 && k.name[0] != '\0') {
		if (strcmp(k.type, "ethernet") == 0 ||
		    strcmp(k.type, "802-3-ethernet") == 0) {
			fy_net_use(n, k.name, strlen(k.name), err);
			fy_net_has_mac(n, k.name, k.mac, err);
		} else {
			fy_net_has_kind(n, k.name, k.type, err);
		}
		keyfile_describe(n, &k, err);
	}
	if (r == 0 && k.hardware)
		r = fy_string_set_add(&n->notes,
				      "a connection of NetworkManager matches "
				      "a network card by its path or driver, "
				      "which are others on virtual hardware",
				      err);
	if (r == 0 && k.parent[0] != '\0' && strlen(k.parent) < 16)
		fy_net_use(n, k.parent, strlen(k.parent), err);
	fy_string_set_release(&k.addresses);
	return r;
}
