/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which interface names a Debian or Ubuntu guest configures: ifupdown,
 * netplan, systemd-networkd, NetworkManager's keyfiles, and the udev rules of
 * old.  The parsers take what they need and skip the rest; a name counts as
 * Ethernet unless something says that software makes it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "drivers-inject/linux-net.h"

#define MAX_NAMES 512u
#define MAX_DEPTH 16u

bool
fy_net_take_mac(const char *s, char *ret)
{
	unsigned b[6], i;
	int used = 0;

	if (s == NULL || strlen(s) < 17 ||
	    sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3],
		   &b[4], &b[5], &used) != 6 ||
	    used != 17)
		return false;
	if ((b[0] & 1) != 0 || (b[0] | b[1] | b[2] | b[3] | b[4] | b[5]) == 0)
		return false;
	for (i = 0; i < 6; i++)
		snprintf(ret + i * 3, 4, i < 5 ? "%02x:" : "%02x", b[i]);
	return true;
}

void
fy_net_names_release(struct fy_net_names *n)
{
	free(n->items);
	n->items = NULL;
	n->n = 0;
	fy_string_set_release(&n->notes);
	fy_string_set_release(&n->more);
}

static bool
is_name(const char *s, size_t len)
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
static struct fy_net_name *
entry(struct fy_net_names *n, const char *s, size_t len, struct fy_error *err)
{
	struct fy_net_name *grown;
	size_t i;

	if (!is_name(s, len))
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
static void
use(struct fy_net_names *n, const char *s, size_t len, struct fy_error *err)
{
	const char *colon = memchr(s, ':', len);
	const char *dot;
	struct fy_net_name *e;

	if (colon != NULL)
		len = (size_t)(colon - s);
	dot = memchr(s, '.', len);
	if (dot != NULL) {
		e = entry(n, s, len, err);
		if (e != NULL)
			e->virtual = true;
		len = (size_t)(dot - s);
	}
	e = entry(n, s, len, err);
	if (e != NULL)
		e->used = true;
}

static void
is_virtual(struct fy_net_names *n, const char *s, size_t len,
	   struct fy_error *err)
{
	struct fy_net_name *e = entry(n, s, len, err);

	if (e != NULL)
		e->virtual = true;
}

static void
has_mac(struct fy_net_names *n, const char *s, const char *mac,
	struct fy_error *err)
{
	struct fy_net_name *e = entry(n, s, strlen(s), err);

	if (e != NULL)
		fy_net_take_mac(mac, e->mac);
}

/* The next word of 's' (in "len"), or NULL. */
static const char *
next_word(const char **s, size_t *ret_len)
{
	const char *p = *s + strspn(*s, " \t\r,[]\"'");

	*ret_len = strcspn(p, " \t\r,[]\"'");
	*s = p + *ret_len;
	return *ret_len == 0 ? NULL : p;
}

static void
use_all(struct fy_net_names *n, const char *list, struct fy_error *err)
{
	const char *w;
	size_t len;

	while ((w = next_word(&list, &len)) != NULL)
		if (!(len == 4 && strncmp(w, "none", 4) == 0) &&
		    !(len == 3 && strncmp(w, "all", 3) == 0) &&
		    !(len == 5 && strncmp(w, "regex", 5) == 0))
			use(n, w, len, err);
}

/* A copy of the next line without its comment and newline; continued lines
 * joined when 'join'.  NULL at the end. */
static char *
next_line(const char **text, bool join)
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

static void
ifupdown_option(struct fy_net_names *n, const char *current, const char *w,
		size_t len, const char *rest, struct fy_error *err)
{
	static const char *const members[] = {
		"bond-slaves",	   "bond_slaves",
		"slaves",	   "bridge_ports",
		"bridge-ports",	   "vlan-raw-device",
		"vlan_raw_device", NULL
	};
	static const char *const master[] = { "bond-master", "bond_master",
					      NULL };
	static const char *const ours[] = { "bond-mode", "bond_mode",
					    "bridge_stp", "bridge_fd", NULL };
	size_t n2;
	const char *w2;

	if (is_word(w, len, members)) {
		is_virtual(n, current, strlen(current), err);
		use_all(n, rest, err);
	} else if (is_word(w, len, ours)) {
		is_virtual(n, current, strlen(current), err);
	} else if (is_word(w, len, master) &&
		   (w2 = next_word(&rest, &n2)) != NULL) {
		is_virtual(n, w2, n2, err);
	}
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
	char current[FY_NET_NAME_BYTES] = "";
	char *raw;

	while ((raw = next_line(&text, true)) != NULL) {
		fy_autofree char *line = raw;
		const char *rest = line, *w, *w2;
		size_t len, len2;

		w = next_word(&rest, &len);
		if (w == NULL || *w == '#')
			continue;
		if (is_word(w, len, autos) || strncmp(w, "allow-", 6) == 0) {
			use_all(n, rest, err);
			current[0] = '\0';
		} else if (is_word(w, len, iface)) {
			current[0] = '\0';
			w2 = next_word(&rest, &len2);
			if (w2 == NULL || !is_name(w2, len2))
				continue;
			use(n, w2, len2, err);
			memcpy(current, w2, len2);
			current[len2] = '\0';
		} else if (is_word(w, len, source)) {
			w2 = next_word(&rest, &len2);
			if (w2 != NULL) {
				fy_autofree char *s = strndup(w2, len2);

				if (s == NULL ||
				    fy_string_set_add(&n->more, s, err) == -1)
					return fy_error_nomem(err);
			}
			current[0] = '\0';
		} else if (is_word(w, len, other)) {
			current[0] = '\0';
		} else if (current[0] != '\0') {
			ifupdown_option(n, current, w, len, rest, err);
		}
	}
	return 0;
}

/* --- netplan -------------------------------------------------------------- */

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
	bool matched;
	struct fy_error *err;
};

/* What was gathered about one of "ethernets". */
static void
netplan_end(struct netplan *p)
{
	const char *name = p->id;

	if (p->id[0] == '\0')
		return;
	if (p->matched) {
		/* Without set-name the name comes from match or udev. */
		name = p->set_name[0] != '\0' ? p->set_name : p->match_name;
	}
	if (name[0] != '\0' && strpbrk(name, "*?[") == NULL) {
		use(p->n, name, strlen(name), p->err);
		if (p->match_mac[0] != '\0')
			has_mac(p->n, name, p->match_mac, p->err);
	}
	p->id[0] = p->match_mac[0] = p->match_name[0] = p->set_name[0] = '\0';
	p->matched = false;
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
}

static int
netplan_key(struct netplan *p, const char *value)
{
	const char *key = p->path[p->depth - 1].name;
	bool ethernet = at(p, 0, "network") && at(p, 1, "ethernets");

	if (p->depth == 3 && at(p, 0, "network")) {
		netplan_end(p);
		if (ethernet)
			copy_value(p->id, sizeof(p->id), key);
		else if (!at(p, 1, "renderer") && !at(p, 1, "version"))
			is_virtual(p->n, key, strlen(key), p->err);
	}
	if (p->depth == 4 && !ethernet &&
	    (strcmp(key, "interfaces") == 0 || strcmp(key, "link") == 0))
		use_all(p->n, value, p->err);
	if (!ethernet)
		return 0;
	if (p->depth == 4 && strcmp(key, "set-name") == 0)
		copy_value(p->set_name, sizeof(p->set_name), value);
	if (p->depth == 4 && strcmp(key, "match") == 0) {
		p->matched = true;
		netplan_flow(p, value);
	}
	if (p->depth == 5 && at(p, 3, "match")) {
		if (strcmp(key, "macaddress") == 0)
			copy_value(p->match_mac, sizeof(p->match_mac), value);
		else if (strcmp(key, "name") == 0)
			copy_value(p->match_name, sizeof(p->match_name), value);
		else if (strcmp(key, "driver") == 0 &&
			 fy_string_set_add(
				 &p->n->notes,
				 "netplan matches a network card by "
				 "its driver, which is another one on "
				 "virtual hardware",
				 p->err) == -1)
			return -1;
	}
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
			use_all(p->n, s + 1, p->err);
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
	while ((raw = next_line(&text, false)) != NULL) {
		fy_autofree char *line = raw;

		if (netplan_line(p, line) == -1)
			return -1;
	}
	netplan_end(p);
	return 0;
}

/* --- ini files ------------------------------------------------------------ */

/* Called for each KEY=VALUE. */
typedef int (*ini_each)(void *ctx, const char *section, const char *key,
			const char *value, struct fy_error *err);

static int
parse_ini(const char *text, ini_each each, void *ctx, struct fy_error *err)
{
	char section[64] = "";
	char *raw;

	while ((raw = next_line(&text, true)) != NULL) {
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
};

static int
unit_key(void *ctx, const char *section, const char *key, const char *value,
	 struct fy_error *err)
{
	struct unit *u = ctx;

	(void)err;
	if (strcmp(section, "Match") == 0) {
		if (strcmp(key, "Name") == 0)
			snprintf(u->names, sizeof(u->names), "%s", value);
		else if (strcmp(key, "MACAddress") == 0 ||
			 strcmp(key, "PermanentMACAddress") == 0)
			snprintf(u->mac, sizeof(u->mac), "%s", value);
		else if (strcmp(key, "Path") == 0 ||
			 strcmp(key, "Driver") == 0 ||
			 strncmp(key, "Property", 8) == 0)
			u->hardware = true;
	} else if (strcmp(key, "Name") == 0 &&
		   (strcmp(section, "NetDev") == 0 ||
		    strcmp(section, "Link") == 0)) {
		snprintf(u->name, sizeof(u->name), "%s", value);
	}
	return 0;
}

int
fy_net_parse_networkd(struct fy_net_names *n, const char *file,
		      const char *text, struct fy_error *err)
{
	fy_autofree struct unit *u = calloc(1, sizeof(*u));
	const char *suffix = strrchr(file, '.'), *list, *w;
	size_t len;

	if (u == NULL)
		return fy_error_nomem(err);
	if (suffix == NULL || parse_ini(text, unit_key, u, err) == -1)
		return suffix == NULL ? 0 : -1;
	if (strcmp(suffix, ".netdev") == 0) {
		is_virtual(n, u->name, strlen(u->name), err);
	} else if (strcmp(suffix, ".link") == 0 && u->name[0] != '\0') {
		has_mac(n, u->name, u->mac, err);
	} else if (strcmp(suffix, ".network") == 0) {
		for (list = u->names; (w = next_word(&list, &len)) != NULL;)
			if (*w != '!' && memchr(w, '*', len) == NULL)
				use(n, w, len, err);
		if (u->mac[0] != '\0' && is_name(u->names, strlen(u->names)))
			has_mac(n, u->names, u->mac, err);
		if (u->hardware && u->mac[0] == '\0') {
			char note[256];

			snprintf(note, sizeof(note),
				 "'%.100s' matches a network card by its path "
				 "or driver, which are others on virtual "
				 "hardware",
				 file);
			return fy_string_set_add(&n->notes, note, err);
		}
	}
	return 0;
}

struct keyfile {
	char type[64], name[64], mac[64], parent[64];
};

static int
keyfile_key(void *ctx, const char *section, const char *key, const char *value,
	    struct fy_error *err)
{
	struct keyfile *k = ctx;
	char *to = NULL;

	(void)err;
	if (strcmp(section, "connection") == 0 && strcmp(key, "type") == 0)
		to = k->type;
	else if (strcmp(section, "connection") == 0 &&
		 strcmp(key, "interface-name") == 0)
		to = k->name;
	else if (strcmp(key, "mac-address") == 0)
		to = k->mac;
	else if (strcmp(section, "vlan") == 0 && strcmp(key, "parent") == 0)
		to = k->parent;
	if (to != NULL)
		snprintf(to, 64, "%s", value);
	return 0;
}

int
fy_net_parse_keyfile(struct fy_net_names *n, const char *text,
		     struct fy_error *err)
{
	struct keyfile k;

	memset(&k, 0, sizeof(k));
	if (parse_ini(text, keyfile_key, &k, err) == -1)
		return -1;
	if (strcmp(k.type, "ethernet") == 0 ||
	    strcmp(k.type, "802-3-ethernet") == 0) {
		if (k.name[0] != '\0') {
			use(n, k.name, strlen(k.name), err);
			has_mac(n, k.name, k.mac, err);
		}
	} else if (k.name[0] != '\0') {
		is_virtual(n, k.name, strlen(k.name), err);
	}
	if (k.parent[0] != '\0' && strlen(k.parent) < 16)
		use(n, k.parent, strlen(k.parent), err);
	return 0;
}

/* --- udev's rules of old -------------------------------------------------- */

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

	while ((raw = next_line(&text, true)) != NULL) {
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
		e = entry(n, name, strlen(name), err);
		if (e == NULL)
			continue;
		if (fy_net_take_mac(mac, fixed)) {
			memcpy(e->mac, fixed, sizeof(e->mac));
			e->ruled = strstr(s, "KERNELS==") == NULL &&
				   strstr(s, "ID==") == NULL &&
				   strstr(s, "DRIVERS==\"e1000") == NULL;
		}
	}
	return 0;
}
