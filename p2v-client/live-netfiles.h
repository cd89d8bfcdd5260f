/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LIVE_NETFILES_H
#define FY_LIVE_NETFILES_H

#include <stddef.h>

#include "common/error.h"
#include "common/options.h"

/*
 * The files of systemd-networkd for one connection of the live system: an
 * interface or a bond of several, on it perhaps a VLAN, there DHCP or fixed
 * addresses.
 */
struct fy_net {
	const char *name;	       /* interface, or the bond's name */
	const struct fy_strings *bond; /* its interfaces; NULL: no bond */
	const char *bond_mode;	       /* "active-backup", "802.3ad", ... */
	unsigned vlan;		       /* 1 to 4094; 0: none */
	const struct fy_strings *addresses; /* "192.0.2.7/24"; none: DHCP */
	const struct fy_strings *gateways, *dns;
};

extern const char *const fy_net_bond_modes[]; /* NULL-terminated */

/* Whether all words are what they should be.  FY_E_USAGE. */
int fy_net_check(const struct fy_net *n, struct fy_error *err);

/*
 * Write 10-ironferry-*.network and .netdev into 'dir', which is made when it
 * is missing; those that an earlier call wrote for the same interfaces are
 * replaced or removed.  'gone' gets the names of VLANs and bonds that the
 * kernel must lose for it: on an interface that is set otherwise now, or a
 * bond that is made anew.
 */
int fy_net_write(const char *dir, const struct fy_net *n,
		 struct fy_strings *gone, struct fy_error *err);

#endif
