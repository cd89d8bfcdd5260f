/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which interface names a guest configures: what the parsers share, ifupdown,
 * and the udev rules of old.  The parsers take what they need and skip the rest; a name counts as
 * Ethernet unless something says that software makes it.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "drivers-inject/linux-net-internal.h"

#define MAX_NAMES     512u
#define MAX_ADDRESSES 64u

/* Digits and colons only: sscanf's %x would take signs and spaces, too. */
static bool
has_shape_of_mac(const char *s)
{
	size_t i;

	for (i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':'
			       : isxdigit((unsigned char)s[i]) == 0)
			return false;
	return true;
}

bool
fy_net_take_mac(const char *s, char *ret)
{
	size_t i;

	if (s == NULL || !has_shape_of_mac(s))
		return false;
	for (i = 0; i < 17; i++)
		ret[i] = (char)tolower((unsigned char)s[i]);
	ret[17] = '\0';
	/* A group's, or none at all. */
	return strchr("13579bdf", ret[1]) == NULL &&
	       strcmp(ret, "00:00:00:00:00:00") != 0;
}

void
fy_net_names_release(struct fy_net_names *n)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		fy_string_set_release(&n->items[i].addresses);
	free(n->items);
	n->items = NULL;
	n->n = 0;
	fy_string_set_release(&n->notes);
	fy_string_set_release(&n->more);
}

bool
fy_net_is_name(const char *s, size_t len)
{
	size_t i;

	if (len == 0 || len >= FY_NET_NAME_BYTES || s[0] == '.')
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_' &&
		    s[i] != '-' && s[i] != '.')
			return false;
	return true;
}

/* Names that no Ethernet card has. */
static bool
is_never_ethernet(const char *s)
{
	static const char *const prefixes[] = {
		"lo",	"dummy", "tun",	  "tap",  "wg",	   "docker", "virbr",
		"br-",	"veth",	 "lxcbr", "ppp",  "sit",   "wlan",   "wlp",
		"wlx",	"wwan",	 "ib",	  "vnet", "macvt", "ipvl",   "vlan",
		"bond", "br",	 "team",  "gre",  "vxlan", "can",    "usb",
	};
	size_t i, len;

	for (i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		len = strlen(prefixes[i]);
		if (strncmp(s, prefixes[i], len) == 0 &&
		    (!isalpha((unsigned char)s[len]) || len > 3 ||
		     prefixes[i][0] == 'w'))
			return true;
	}
	return false;
}

/* The entry of that name, made when needed; NULL for what can be none (and
 * when there are too many). */
struct fy_net_name *
fy_net_entry(struct fy_net_names *n, const char *s, size_t len,
	     struct fy_error *err)
{
	struct fy_net_name *grown;
	size_t i;

	if (!fy_net_is_name(s, len))
		return NULL;
	for (i = 0; i < n->n; i++)
		if (strlen(n->items[i].name) == len &&
		    memcmp(n->items[i].name, s, len) == 0)
			return &n->items[i];
	if (n->n == MAX_NAMES)
		return NULL;
	grown = reallocarray(n->items, n->n + 1, sizeof(*grown));
	if (grown == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	n->items = grown;
	memset(&grown[n->n], 0, sizeof(*grown));
	memcpy(grown[n->n].name, s, len);
	if (is_never_ethernet(grown[n->n].name))
		grown[n->n].virtual = true;
	return &grown[n->n++];
}

/* A name in use.  "eth0.5" is a VLAN of eth0, "eth0:1" an alias. */
void
fy_net_use(struct fy_net_names *n, const char *s, size_t len,
	   struct fy_error *err)
{
	const char *colon = memchr(s, ':', len);
	const char *dot;
	struct fy_net_name *e;

	if (colon != NULL)
		len = (size_t)(colon - s);
	dot = memchr(s, '.', len);
	if (dot != NULL) {
		e = fy_net_entry(n, s, len, err);
		if (e != NULL)
			e->virtual = true;
		if (e != NULL && e->kind[0] == '\0') {
			snprintf(e->kind, sizeof(e->kind), "vlan");
			snprintf(e->parent, sizeof(e->parent), "%.*s",
				 (int)(dot - s), s);
			e->vlan = fy_net_vlan_number(strrchr(e->name, '.') + 1);
		}
		len = (size_t)(dot - s);
	}
	e = fy_net_entry(n, s, len, err);
	if (e != NULL)
		e->used = true;
}

void
fy_net_is_virtual(struct fy_net_names *n, const char *s, size_t len,
		  struct fy_error *err)
{
	struct fy_net_name *e = fy_net_entry(n, s, len, err);

	if (e != NULL)
		e->virtual = true;
}

void
fy_net_has_mac(struct fy_net_names *n, const char *s, const char *mac,
	       struct fy_error *err)
{
	struct fy_net_name *e = fy_net_entry(n, s, strlen(s), err);

	if (e != NULL)
		fy_net_take_mac(mac, e->mac);
}

void
fy_net_is_ruled(struct fy_net_names *n, const char *s, const char *mac,
		struct fy_error *err)
{
	struct fy_net_name *e = fy_net_entry(n, s, strlen(s), err);

	if (e != NULL && fy_net_take_mac(mac, e->mac))
		e->ruled = true;
}

unsigned
fy_net_vlan_number(const char *s)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return 0;
	v = strtoul(s, &end, 10);
	return *end == '\0' && v >= 1 && v <= 4094 ? (unsigned)v : 0;
}

void
fy_net_has_kind(struct fy_net_names *n, const char *s, const char *kind,
		struct fy_error *err)
{
	static const char *const kinds[][2] = {
		{ "bond", "bond" },	 { "bonds", "bond" },
		{ "team", "bond" },	 { "bridge", "bridge" },
		{ "bridges", "bridge" }, { "vlan", "vlan" },
		{ "vlans", "vlan" },	 { "Bond", "bond" },
		{ "Bridge", "bridge" },	 { "Vlan", "vlan" },
	};
	struct fy_net_name *e = fy_net_entry(n, s, strlen(s), err);
	size_t i;

	if (e == NULL)
		return;
	e->virtual = true;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i][0], kind) == 0) {
			snprintf(e->kind, sizeof(e->kind), "%s", kinds[i][1]);
			return;
		}
	if (e->kind[0] == '\0')
		snprintf(e->kind, sizeof(e->kind), "other");
}

void
fy_net_has_master(struct fy_net_names *n, const char *s, size_t len,
		  const char *master, struct fy_error *err)
{
	struct fy_net_name *e;

	if (!fy_net_is_name(master, strlen(master)))
		return;
	e = fy_net_entry(n, s, len, err);
	if (e != NULL)
		snprintf(e->master, sizeof(e->master), "%s", master);
}

void
fy_net_has_parent(struct fy_net_names *n, const char *s, const char *parent,
		  unsigned vlan, struct fy_error *err)
{
	struct fy_net_name *e;

	fy_net_has_kind(n, s, "vlan", err);
	e = fy_net_entry(n, s, strlen(s), err);
	if (e == NULL)
		return;
	if (parent != NULL && fy_net_is_name(parent, strlen(parent)))
		snprintf(e->parent, sizeof(e->parent), "%s", parent);
	if (vlan > 0)
		e->vlan = vlan;
	else if (e->vlan == 0 && strncmp(s, "vlan", 4) == 0)
		e->vlan = fy_net_vlan_number(s + 4);
}

void
fy_net_has_dhcp(struct fy_net_names *n, const char *s, struct fy_error *err)
{
	struct fy_net_name *e = fy_net_entry(n, s, strlen(s), err);

	if (e != NULL)
		e->dhcp = true;
}

/* The prefix's length of "24" or "255.255.255.0"; -1 when it is neither. */
static int
prefix_of(const char *mask, int most)
{
	struct in_addr a;
	uint32_t bits;
	unsigned long v;
	char *end;

	if (inet_pton(AF_INET, mask, &a) == 1) {
		bits = ntohl(a.s_addr);
		return (~bits & (~bits + 1)) == 0 ? __builtin_popcount(bits)
						  : -1;
	}
	if (!isdigit((unsigned char)*mask))
		return -1;
	v = strtoul(mask, &end, 10);
	return *end == '\0' && v <= (unsigned long)most ? (int)v : -1;
}

void
fy_net_has_address(struct fy_net_names *n, const char *s, const char *text,
		   size_t len, const char *mask, struct fy_error *err)
{
	unsigned char bytes[16];
	char copy[64], shown[INET6_ADDRSTRLEN + 8];
	struct fy_net_name *e;
	char *slash;
	int family, prefix;

	if (len >= sizeof(copy))
		return;
	memcpy(copy, text, len);
	copy[len] = '\0';
	slash = strchr(copy, '/');
	if (slash != NULL) {
		*slash = '\0';
		mask = slash + 1;
	}
	family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(family, copy, bytes) != 1 ||
	    inet_ntop(family, bytes, shown, INET6_ADDRSTRLEN) == NULL)
		return;
	prefix = mask == NULL ? -1
			      : prefix_of(mask, family == AF_INET ? 32 : 128);
	if (slash != NULL && prefix == -1)
		return;
	if (prefix >= 0)
		snprintf(shown + strlen(shown), 8, "/%d", prefix);
	e = fy_net_entry(n, s, strlen(s), err);
	if (e != NULL && e->addresses.n < MAX_ADDRESSES)
		fy_string_set_add(&e->addresses, shown, err);
}

/* The next word of 's' (in "len"), or NULL. */
const char *
fy_net_next_word(const char **s, size_t *ret_len)
{
	const char *p = *s + strspn(*s, " \t\r,[]\"'");

	*ret_len = strcspn(p, " \t\r,[]\"'");
	*s = p + *ret_len;
	return *ret_len == 0 ? NULL : p;
}

void
fy_net_use_all(struct fy_net_names *n, const char *list, const char *master,
	       struct fy_error *err)
{
	const char *w;
	size_t len;

	while ((w = fy_net_next_word(&list, &len)) != NULL)
		if (!(len == 4 && strncmp(w, "none", 4) == 0) &&
		    !(len == 3 && strncmp(w, "all", 3) == 0) &&
		    !(len == 5 && strncmp(w, "regex", 5) == 0)) {
			fy_net_use(n, w, len, err);
			if (master != NULL)
				fy_net_has_master(n, w, len, master, err);
		}
}

/* A copy of the next line without its comment and newline; continued lines
 * joined when 'join'.  NULL at the end. */
char *
fy_net_next_line(const char **text, bool join)
{
	struct fy_text t = { 0 };
	const char *p = *text;
	size_t len;

	if (*p == '\0')
		return NULL;
	for (;;) {
		len = strcspn(p, "\n");
		*text = p + len + (p[len] == '\n');
		if (join && len > 0 && p[len - 1] == '\\' && p[len] == '\n') {
			fy_text_put(&t, p, len - 1);
			p = *text;
			continue;
		}
		fy_text_put(&t, p, len);
		break;
	}
	if (t.failed) {
		fy_text_release(&t);
		return NULL;
	}
	return t.data;
}

/* --- ifupdown ------------------------------------------------------------- */

static bool
is_word(const char *w, size_t len, const char *const *any)
{
	for (; *any != NULL; any++)
		if (strlen(*any) == len && strncmp(w, *any, len) == 0)
			return true;
	return false;
}

struct ifupdown {
	struct fy_net_names *n;
	char current[FY_NET_NAME_BYTES]; /* the stanza's interface, or "" */
	/* An address may come before its netmask or after. */
	char address[64], mask[64];
	struct fy_error *err;
};

/* The end of a stanza. */
static void
ifupdown_end(struct ifupdown *u)
{
	if (u->current[0] != '\0' && u->address[0] != '\0')
		fy_net_has_address(u->n, u->current, u->address,
				   strlen(u->address),
				   u->mask[0] == '\0' ? NULL : u->mask, u->err);
	u->current[0] = u->address[0] = u->mask[0] = '\0';
}

static void
ifupdown_members(struct ifupdown *u, const char *kind, const char *rest)
{
	fy_net_has_kind(u->n, u->current, kind, u->err);
	fy_net_use_all(u->n, rest, u->current, u->err);
}

static void
copy_word(char ret[64], const char *rest)
{
	size_t len;
	const char *w = fy_net_next_word(&rest, &len);

	snprintf(ret, 64, "%.*s", w == NULL ? 0 : (int)(len < 64 ? len : 63),
		 w == NULL ? "" : w);
}

static void
ifupdown_option(struct ifupdown *u, const char *w, size_t len, const char *rest)
{
	static const char *const slaves[] = { "bond-slaves", "bond_slaves",
					      "slaves", NULL };
	static const char *const ports[] = { "bridge_ports", "bridge-ports",
					     NULL };
	static const char *const raw[] = { "vlan-raw-device", "vlan_raw_device",
					   NULL };
	static const char *const number[] = { "vlan-id", "vlan_id", NULL };
	static const char *const master[] = { "bond-master", "bond_master",
					      NULL };
	static const char *const bond[] = { "bond-mode", "bond_mode", NULL };
	static const char *const bridge[] = { "bridge_stp", "bridge_fd", NULL };
	static const char *const address[] = { "address", NULL };
	static const char *const mask[] = { "netmask", NULL };
	char word[64];

	copy_word(word, rest);
	if (is_word(w, len, slaves)) {
		ifupdown_members(u, "bond", rest);
	} else if (is_word(w, len, ports)) {
		ifupdown_members(u, "bridge", rest);
	} else if (is_word(w, len, raw)) {
		fy_net_use_all(u->n, rest, NULL, u->err);
		fy_net_has_parent(u->n, u->current, word, 0, u->err);
	} else if (is_word(w, len, number)) {
		fy_net_has_parent(u->n, u->current, NULL,
				  fy_net_vlan_number(word), u->err);
	} else if (is_word(w, len, bond)) {
		fy_net_has_kind(u->n, u->current, "bond", u->err);
	} else if (is_word(w, len, bridge)) {
		fy_net_has_kind(u->n, u->current, "bridge", u->err);
	} else if (is_word(w, len, master) && word[0] != '\0') {
		fy_net_has_kind(u->n, word, "bond", u->err);
		fy_net_has_master(u->n, u->current, strlen(u->current), word,
				  u->err);
	} else if (is_word(w, len, address)) {
		memcpy(u->address, word, sizeof(word));
	} else if (is_word(w, len, mask)) {
		memcpy(u->mask, word, sizeof(word));
	}
}

/* "iface NAME FAMILY METHOD" */
static void
ifupdown_iface(struct ifupdown *u, const char *rest)
{
	size_t len, len2;
	const char *w = fy_net_next_word(&rest, &len), *w2;

	if (w == NULL)
		return;
	fy_net_use(u->n, w, len, u->err);
	/* An alias' addresses are the interface's. */
	if (memchr(w, ':', len) != NULL)
		len = (size_t)((const char *)memchr(w, ':', len) - w);
	if (!fy_net_is_name(w, len))
		return;
	memcpy(u->current, w, len);
	u->current[len] = '\0';
	fy_net_next_word(&rest, &len2);
	w2 = fy_net_next_word(&rest, &len2);
	if (w2 != NULL && len2 == 4 && strncmp(w2, "dhcp", 4) == 0)
		fy_net_has_dhcp(u->n, u->current, u->err);
}

static int
ifupdown_source(struct ifupdown *u, const char *rest)
{
	fy_autofree char *s = NULL;
	size_t len;
	const char *w = fy_net_next_word(&rest, &len);

	if (w == NULL)
		return 0;
	s = strndup(w, len);
	if (s == NULL || fy_string_set_add(&u->n->more, s, u->err) == -1)
		return fy_error_nomem(u->err);
	return 0;
}

int
fy_net_parse_ifupdown(struct fy_net_names *n, const char *text,
		      struct fy_error *err)
{
	static const char *const autos[] = { "auto", NULL };
	static const char *const iface[] = { "iface", NULL };
	static const char *const source[] = { "source", "source-directory",
					      NULL };
	static const char *const other[] = { "mapping",	     "template",
					     "rename",	     "no-scripts",
					     "no-auto-down", NULL };
	struct ifupdown u = { .n = n, .err = err };
	char *raw;

	while ((raw = fy_net_next_line(&text, true)) != NULL) {
		fy_autofree char *line = raw;
		const char *rest = line, *w;
		size_t len;

		w = fy_net_next_word(&rest, &len);
		if (w == NULL || *w == '#')
			continue;
		if (is_word(w, len, autos) || strncmp(w, "allow-", 6) == 0) {
			ifupdown_end(&u);
			fy_net_use_all(n, rest, NULL, err);
		} else if (is_word(w, len, iface)) {
			ifupdown_end(&u);
			ifupdown_iface(&u, rest);
		} else if (is_word(w, len, source)) {
			ifupdown_end(&u);
			if (ifupdown_source(&u, rest) == -1)
				return -1;
		} else if (is_word(w, len, other)) {
			ifupdown_end(&u);
		} else if (u.current[0] != '\0') {
			ifupdown_option(&u, w, len, rest);
		}
	}
	ifupdown_end(&u);
	return 0;
}

/* --- udev's rules of old -------------------------------------------------- */

/* Whether the rule asks for more than the MAC: the card's place or driver,
 * which are others on virtual hardware. */
static bool
asks_for_hardware(const char *rule)
{
	const char *p = strstr(rule, "DRIVERS==\"");

	return strstr(rule, "KERNELS==") != NULL ||
	       strstr(rule, "ID==") != NULL ||
	       strstr(rule, "ID_PATH") != NULL ||
	       (p != NULL && strncmp(p + 10, "?*", 2) != 0 &&
		strncmp(p + 10, "virtio", 6) != 0);
}

static int
note_rule(struct fy_net_names *n, const char *name, struct fy_error *err)
{
	char note[256];

	snprintf(note, sizeof(note),
		 "a udev rule gives the name '%.15s' by the network card's "
		 "place or driver, which are others on virtual hardware",
		 name);
	return fy_string_set_add(&n->notes, note, err);
}

/* The value of KEY=="..." or KEY="...", or "" . */
static void
rule_value(const char *line, const char *key, char ret[64])
{
	const char *s = strstr(line, key);
	size_t len;

	ret[0] = '\0';
	if (s == NULL)
		return;
	s += strlen(key);
	s += strspn(s, "=\"");
	len = strcspn(s, "\"");
	if (len < 64) {
		memcpy(ret, s, len);
		ret[len] = '\0';
	}
}

int
fy_net_parse_rules(struct fy_net_names *n, const char *text,
		   struct fy_error *err)
{
	char *raw;

	while ((raw = fy_net_next_line(&text, true)) != NULL) {
		fy_autofree char *line = raw;
		char name[64], mac[64], fixed[FY_NET_MAC_BYTES];
		const char *s = line + strspn(line, " \t"), *set;
		struct fy_net_name *e;

		/* NAME="x" sets, NAME=="x" compares. */
		set = strstr(s, "NAME=\"");
		if (*s == '#' || strstr(s, "SUBSYSTEM==\"net\"") == NULL ||
		    set == NULL)
			continue;
		rule_value(set, "NAME=", name);
		rule_value(s, "ATTR{address}==", mac);
		e = fy_net_entry(n, name, strlen(name), err);
		if (e == NULL)
			continue;
		if (fy_net_take_mac(mac, fixed)) {
			memcpy(e->mac, fixed, sizeof(e->mac));
			e->ruled = e->ruled || !asks_for_hardware(s);
		} else if (asks_for_hardware(s) &&
			   note_rule(n, name, err) == -1) {
			return -1;
		}
	}
	return 0;
}
