/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * netplan's YAML, as far as interfaces go.
 */
#include "drivers-inject/linux-net-internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define MAX_DEPTH 16u

struct yaml_key {
	size_t indent;
	char name[64];
};

struct netplan {
	struct fy_net_names *n;
	struct yaml_key path[MAX_DEPTH]; /* where we are */
	size_t depth;
	/* Of the present entry of "ethernets". */
	char id[64], match_mac[64], match_name[64], set_name[64];
	bool matched, match_driver;
	/* Of the present entry of any section. */
	char section[64];
	struct fy_string_set addresses;
	char interfaces[1024], link[64];
	bool dhcp;
	unsigned vlan;
	struct fy_error *err;
};

/* What it says of the interface that it turned out to be. */
static void
netplan_describe(struct netplan *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->addresses.n; i++)
		fy_net_has_address(p->n, name, p->addresses.items[i],
				   strlen(p->addresses.items[i]), NULL, p->err);
	if (p->dhcp)
		fy_net_has_dhcp(p->n, name, p->err);
	if (strcmp(p->section, "ethernets") == 0)
		return;
	fy_net_has_kind(p->n, name, p->section, p->err);
	fy_net_use_all(p->n, p->interfaces, name, p->err);
	if (strcmp(p->section, "vlans") == 0)
		fy_net_has_parent(p->n, name, p->link, p->vlan, p->err);
}

/* Of set-name and a MAC netplan makes a .link file at each boot. */
static void
netplan_mac(struct netplan *p, const char *name)
{
	if (p->set_name[0] != '\0' && p->match_name[0] == '\0' &&
	    !p->match_driver)
		fy_net_is_ruled(p->n, name, p->match_mac, p->err);
	else
		fy_net_has_mac(p->n, name, p->match_mac, p->err);
}

/* What was gathered about one entry. */
static void
netplan_end(struct netplan *p)
{
	bool ethernet = strcmp(p->section, "ethernets") == 0;
	const char *name = p->id;

	if (p->id[0] == '\0')
		return;
	if (p->matched) {
		/* Without set-name the name comes from match or udev. */
		name = p->set_name[0] != '\0' ? p->set_name : p->match_name;
	}
	if (name[0] != '\0' && strpbrk(name, "*?[") == NULL) {
		if (ethernet)
			fy_net_use(p->n, name, strlen(name), p->err);
		if (ethernet && p->match_mac[0] != '\0')
			netplan_mac(p, name);
		netplan_describe(p, name);
	}
	p->id[0] = p->match_mac[0] = p->match_name[0] = p->set_name[0] = '\0';
	p->interfaces[0] = p->link[0] = '\0';
	p->matched = p->match_driver = p->dhcp = false;
	p->vlan = 0;
	fy_string_set_release(&p->addresses);
}

static void
copy_value(char *to, size_t size, const char *from)
{
	size_t len;

	from += strspn(from, " \t\"'");
	len = strcspn(from, " \t\"',}#\r");
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

static bool
at(const struct netplan *p, size_t level, const char *name)
{
	return p->depth > level && strcmp(p->path[level].name, name) == 0;
}

/* match: {macaddress: "..", name: ..} on one line. */
static void
netplan_flow(struct netplan *p, const char *value)
{
	const char *s = strstr(value, "macaddress:");

	if (s != NULL)
		copy_value(p->match_mac, sizeof(p->match_mac), s + 11);
	s = strstr(value, "name:");
	if (s != NULL)
		copy_value(p->match_name, sizeof(p->match_name), s + 5);
	p->match_driver = p->match_driver || strstr(value, "driver:") != NULL;
}

/* Addresses in a list; their options may follow after a ':'. */
static void
netplan_addresses(struct netplan *p, const char *list)
{
	const char *w;
	size_t len;

	while ((w = fy_net_next_word(&list, &len)) != NULL) {
		fy_autofree char *copy = strndup(w, len);

		if (copy == NULL)
			return;
		if (strchr(copy, '/') != NULL && len > 0 &&
		    copy[len - 1] == ':')
			copy[len - 1] = '\0';
		if (*copy == '#')
			return;
		if (p->addresses.n < 64)
			fy_string_set_add(&p->addresses, copy, p->err);
	}
}

/* Names in a list; they go to what was gathered. */
static void
netplan_members(struct netplan *p, const char *list)
{
	size_t have = strlen(p->interfaces), room, len = strcspn(list, "#");

	room = sizeof(p->interfaces) - have;
	if (len + 2 <= room)
		snprintf(p->interfaces + have, room, " %.*s", (int)len, list);
}

/* What all kinds of entries may have. */
static void
netplan_common(struct netplan *p, const char *key, const char *value)
{
	char word[64];

	copy_value(word, sizeof(word), value);
	if (strcmp(key, "addresses") == 0)
		netplan_addresses(p, value);
	else if (strcmp(key, "dhcp4") == 0 || strcmp(key, "dhcp6") == 0)
		p->dhcp = p->dhcp || strcmp(word, "true") == 0 ||
			  strcmp(word, "yes") == 0;
	else if (strcmp(key, "interfaces") == 0)
		netplan_members(p, value);
	else if (strcmp(key, "link") == 0)
		memcpy(p->link, word, sizeof(p->link));
	else if (strcmp(key, "id") == 0)
		p->vlan = fy_net_vlan_number(word);
}

/* What only hardware has. */
static int
netplan_ethernet(struct netplan *p, const char *key, const char *value)
{
	if (p->depth == 4 && strcmp(key, "set-name") == 0)
		copy_value(p->set_name, sizeof(p->set_name), value);
	if (p->depth == 4 && strcmp(key, "match") == 0) {
		p->matched = true;
		netplan_flow(p, value);
	}
	if (p->depth != 5 || !at(p, 3, "match"))
		return 0;
	if (strcmp(key, "macaddress") == 0)
		copy_value(p->match_mac, sizeof(p->match_mac), value);
	else if (strcmp(key, "name") == 0)
		copy_value(p->match_name, sizeof(p->match_name), value);
	if (strcmp(key, "driver") != 0)
		return 0;
	p->match_driver = true;
	return fy_string_set_add(
		&p->n->notes,
		"netplan matches a network card by its driver, which is "
		"another one on virtual hardware",
		p->err);
}

static int
netplan_key(struct netplan *p, const char *value)
{
	const char *key = p->path[p->depth - 1].name;

	if (p->depth <= 3)
		netplan_end(p);
	if (!at(p, 0, "network"))
		return 0;
	if (p->depth == 3 && !at(p, 1, "renderer") && !at(p, 1, "version")) {
		copy_value(p->id, sizeof(p->id), key);
		memcpy(p->section, p->path[1].name, sizeof(p->section));
		if (!at(p, 1, "ethernets"))
			fy_net_is_virtual(p->n, key, strlen(key), p->err);
	}
	if (p->depth == 4)
		netplan_common(p, key, value);
	if (at(p, 1, "ethernets"))
		return netplan_ethernet(p, key, value);
	/* A VLAN's parent is in use. */
	if (p->depth == 4 && strcmp(key, "link") == 0)
		fy_net_use_all(p->n, value, NULL, p->err);
	return 0;
}

static int
netplan_line(struct netplan *p, const char *line)
{
	size_t indent = strspn(line, " "), len;
	const char *s = line + indent, *colon;
	struct yaml_key *k;

	if (*s == '\0' || *s == '#' || *s == '\r' || strncmp(s, "---", 3) == 0)
		return 0;
	if (*s == '-') { /* an item: members of a bond or bridge */
		while (p->depth > 0 && p->path[p->depth - 1].indent > indent)
			p->depth--;
		if (p->depth == 4 && at(p, 3, "interfaces") &&
		    !at(p, 1, "ethernets"))
			netplan_members(p, s + 1);
		if (p->depth == 4 && at(p, 3, "addresses"))
			netplan_addresses(p, s + 1);
		return 0;
	}
	while (p->depth > 0 && p->path[p->depth - 1].indent >= indent)
		p->depth--;
	colon = strchr(s, ':');
	if (*s == '"' || *s == '\'') {
		colon = strchr(s + 1, *s);
		colon = colon == NULL ? NULL : strchr(colon, ':');
	}
	if (colon == NULL || p->depth == MAX_DEPTH)
		return 0;
	k = &p->path[p->depth++];
	k->indent = indent;
	copy_value(k->name, sizeof(k->name), s);
	len = strlen(k->name);
	if (len > 0 && k->name[len - 1] == ':')
		k->name[len - 1] = '\0';
	return netplan_key(p, colon + 1);
}

int
fy_net_parse_netplan(struct fy_net_names *n, const char *text,
		     struct fy_error *err)
{
	fy_autofree struct netplan *p = calloc(1, sizeof(*p));
	char *raw;

	if (p == NULL)
		return fy_error_nomem(err);
	p->n = n;
	p->err = err;
	while ((raw = fy_net_next_line(&text, false)) != NULL) {
		fy_autofree char *line = raw;

		if (netplan_line(p, line) == -1) {
			fy_string_set_release(&p->addresses);
			return -1;
		}
	}
	netplan_end(p);
	return 0;
}
