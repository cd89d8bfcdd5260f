/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_NET_H
#define FY_WINDOWS_NET_H

#include "drivers-inject/windows.h"

/*
 * What a Windows has set for its network cards.  Everything but names was
 * parsed as what it is: addresses, masks, MACs, GUIDs, hex digits.
 */
struct fy_windows_nic {
	char *guid;
	char *name;	/* "Ethernet"; may be NULL */
	char *instance; /* "PCI\VEN_8086&DEV_10D3&...\3&11583659&0&E0" */
	struct fy_string_set addresses, masks, gateways, dns;
	struct fy_string_set addresses6; /* "2001:db8::7/64" */
	struct fy_string_set routes6;	 /* "::/0 2001:db8::1" */
	struct fy_string_set dns6;
	struct fy_string_set wins; /* two at most */
	char *suffix;		   /* of DNS: "example.com"; NULL */
	uint32_t metric;	   /* 0: Windows' own */
	uint32_t netbios;	   /* 1: on, 2: off; 0: as DHCP says */
	/* Where these are in the registry: "10\NAME", "16\NAME". */
	struct fy_string_set nsi;
	bool installed; /* Windows has its device among those that it knows */
	bool card;	/* and it is hardware, present or not */
	bool ethernet;
	bool team;     /* Windows' own kind, of several cards */
	uint64_t luid; /* what these tables call it; 0: not known */
	char mac[18];  /* "52:54:00:12:34:56"; "" */
	/* One that seemed to have the same; NULL. */
	const struct fy_windows_nic *rival;
};

struct fy_windows_nics {
	struct fy_windows_nic *items;
	size_t n;
};

/* Below a control set: what IPv6 has been told to keep. */
#define FY_WINDOWS_NSI6 "Control\\Nsi\\{eb004a01-9b1a-11d4-9123-0050047759bc}"

/* The same: by GUID, what a connection is called and whose it is. */
#define FY_WINDOWS_CONNECTIONS                                                 \
	"Control\\Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}"

/* windows-net-card.c: which are cards, by their drivers' keys and
 * devices. */
int fy_windows_read_cards(struct fy_windows *w, struct fy_windows_nics *l,
			  struct fy_error *err);
/* The one with this LUID, or NULL. */
struct fy_windows_nic *fy_windows_nic_of(const struct fy_windows_nics *l,
					 uint64_t luid);
/* Their MACs, and of those that are no cards but have settings; "" where it
 * can't be told, or is another one's as much. */
void fy_windows_find_macs(struct fy_system *s, const struct fy_windows_nics *l);

/* windows-net-ipv6.c: static IPv6 addresses and routes, added to 'l', which
 * has all interfaces; warns of those that are of none of them. */
int fy_windows_read_ipv6(struct fy_system *s, struct fy_windows_nics *l,
			 struct fy_error *err);

/* windows-net-routes.c: warns of IPv4 routes that will be missing. */
int fy_windows_routes(struct fy_system *s, struct fy_windows_nics *l,
		      struct fy_error *err);

/* windows-net-script.c: the script for the first start, of the interfaces
 * whose MAC is known. */
bool fy_windows_nic_has_settings(const struct fy_windows_nic *i);
int fy_windows_net_script(struct fy_windows *w, const struct fy_windows_nics *l,
			  struct fy_error *err);

#endif
