/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_NET_H
#define FY_LINUX_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/machine.h"
#include "drivers-inject/guest.h"
#include "drivers-inject/inject.h"
#include "drivers-inject/text.h"

/*
 * The names of a guest's Ethernet interfaces, as its configuration uses them.
 * Each parser adds what one file says.
 */
#define FY_NET_NAME_BYTES 16
#define FY_NET_MAC_BYTES  18

struct fy_net_name {
	char name[FY_NET_NAME_BYTES];
	char mac[FY_NET_MAC_BYTES]; /* as the configuration says, or "" */
	bool virtual; /* a bond, bridge, VLAN, ...: made by software */
	bool used;    /* addresses or a membership hang on it */
	bool ruled;   /* a udev rule, a .link file or netplan's set-name gives
			 it to its MAC already */
	/* For the description of a machine; "" and 0 where nothing is said. */
	char kind[FY_NET_NAME_BYTES]; /* "bond", "bridge", "vlan", "other" */
	char master[FY_NET_NAME_BYTES];
	char parent[FY_NET_NAME_BYTES];
	unsigned vlan;
	bool dhcp;
	struct fy_string_set addresses; /* "192.0.2.7/24" */
};

struct fy_net_names {
	struct fy_net_name *items;
	size_t n;
	struct fy_string_set notes; /* for people: what breaks by itself */
	struct fy_string_set more;  /* files that ifupdown's "source" names */
};
void fy_net_names_release(struct fy_net_names *n);

int fy_net_parse_ifupdown(struct fy_net_names *n, const char *text,
			  struct fy_error *err);
int fy_net_parse_netplan(struct fy_net_names *n, const char *text,
			 struct fy_error *err);
/* 'file' is the name: its suffix (.network, .netdev, .link) tells the kind. */
int fy_net_parse_networkd(struct fy_net_names *n, const char *file,
			  const char *text, struct fy_error *err);
int fy_net_parse_keyfile(struct fy_net_names *n, const char *text,
			 struct fy_error *err);
/* Red Hat's; 'file' is the name, "ifcfg-eth0". */
int fy_net_parse_ifcfg(struct fy_net_names *n, const char *file,
		       const char *text, struct fy_error *err);
/* SUSE's, which wicked reads: the same names for other things. */
int fy_net_parse_suse(struct fy_net_names *n, const char *file,
		      const char *text, struct fy_error *err);
/* ALT's etcnet: "options" in the directory of the interface 'name'. */
int fy_net_parse_etcnet(struct fy_net_names *n, const char *name,
			const char *text, struct fy_error *err);
/* A profile of Arch's netctl. */
int fy_net_parse_netctl(struct fy_net_names *n, const char *text,
			struct fy_error *err);
int fy_net_parse_rules(struct fy_net_names *n, const char *text,
		       struct fy_error *err);

/*
 * Add what all configuration files of the guest say.  Files that are too large
 * go to the notes.  The parsers may go on without memory: 'err' tells even
 * when 0 is returned.
 */
int fy_net_read(struct fy_guest *g, struct fy_net_names *n,
		struct fy_error *err);

/* What is done for a name. */
enum fy_net_way {
	FY_NET_KEEP,	/* nothing is needed */
	FY_NET_MAC,	/* a .link that matches 'mac' */
	FY_NET_DRIVER,	/* the only NIC: a .link that matches virtio_net */
	FY_NET_UNKNOWN, /* reported */
};
struct fy_net_plan {
	const char *name;
	enum fy_net_way way;
	char mac[FY_NET_MAC_BYTES];
	const char *why; /* of KEEP and UNKNOWN */
};

/*
 * Decide for each name that is an Ethernet interface in use.  'by_order': the
 * kernel's own names (eth0) are in use, which follow the order of the NICs.
 * '*ret' is malloc'd; its names are those of 'n'.
 */
int fy_net_decide(const struct fy_net_names *n,
		  const struct fy_machine *machine,
		  const struct fy_inject_nic *nics, size_t n_nics,
		  bool by_order, struct fy_net_plan **ret, size_t *ret_n,
		  struct fy_error *err);

/* A line of udev's rules, for guests whose udev knows no .link files. */
void fy_net_rule(const struct fy_net_plan *p, struct fy_text *ret);

/* The text of a .link file; 'systemd' is the guest's version. */
int fy_net_link(const struct fy_net_plan *p, unsigned systemd,
		struct fy_text *ret, struct fy_error *err);

/* "AA:BB:..." as lower case into ret[18]; false when it is none, or not one of
 * a single card. */
bool fy_net_take_mac(const char *s, char *ret);

#endif
