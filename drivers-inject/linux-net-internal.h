/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_NET_INTERNAL_H
#define FY_LINUX_NET_INTERNAL_H

#include "drivers-inject/linux-net.h"

/*
 * What the parsers of network configuration share.  Names are counted texts;
 * one that can't be an interface's is passed over.  Running out of memory
 * fills 'err', and the parser goes on.
 */
bool fy_net_is_name(const char *s, size_t len);

/* The entry of that name, made when needed; NULL for what can be none (and
 * when there are too many).  Valid until the next one is made. */
struct fy_net_name *fy_net_entry(struct fy_net_names *n, const char *s,
				 size_t len, struct fy_error *err);

/* A name in use.  "eth0.5" is a VLAN of eth0, "eth0:1" an alias. */
void fy_net_use(struct fy_net_names *n, const char *s, size_t len,
		struct fy_error *err);
/* All names in a list; with 'master' (or NULL) they belong to it. */
void fy_net_use_all(struct fy_net_names *n, const char *list,
		    const char *master, struct fy_error *err);
void fy_net_is_virtual(struct fy_net_names *n, const char *s, size_t len,
		       struct fy_error *err);
void fy_net_has_mac(struct fy_net_names *n, const char *s, const char *mac,
		    struct fy_error *err);
/* The same, when the guest gives the name to that MAC by itself. */
void fy_net_is_ruled(struct fy_net_names *n, const char *s, const char *mac,
		     struct fy_error *err);

/* It is software's, of this kind: one of ours or another's word for it. */
void fy_net_has_kind(struct fy_net_names *n, const char *s, const char *kind,
		     struct fy_error *err);
void fy_net_has_master(struct fy_net_names *n, const char *s, size_t len,
		       const char *master, struct fy_error *err);
/* A VLAN on 'parent' ("" or NULL: unknown) with that number (0: unknown). */
void fy_net_has_parent(struct fy_net_names *n, const char *s,
		       const char *parent, unsigned vlan, struct fy_error *err);
/* "192.0.2.7/24", or with the prefix in 'mask' ("24", "255.255.255.0"; may be
 * NULL).  What is no address is passed over. */
void fy_net_has_address(struct fy_net_names *n, const char *s, const char *text,
			size_t len, const char *mask, struct fy_error *err);
void fy_net_has_dhcp(struct fy_net_names *n, const char *s,
		     struct fy_error *err);

/* The next word of '*s' (in "len"), or NULL. */
const char *fy_net_next_word(const char **s, size_t *ret_len);

/* A copy of the next line without its newline; continued lines joined when
 * 'join'.  NULL at the end. */
char *fy_net_next_line(const char **text, bool join);

/* Called for each KEY=VALUE of an ini file. */
typedef int (*fy_net_ini_each)(void *ctx, const char *section, const char *key,
			       const char *value, struct fy_error *err);
int fy_net_parse_ini(const char *text, fy_net_ini_each each, void *ctx,
		     struct fy_error *err);

/* 1 to 4094, else 0. */
unsigned fy_net_vlan_number(const char *s);

#endif
