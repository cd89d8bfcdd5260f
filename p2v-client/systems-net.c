/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The network as a system that was found has it configured: which interfaces,
 * with which addresses and memberships, and which of this machine's NICs each
 * of them is.  The files are read and the NICs found as the injection does it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "drivers-inject/guest.h"
#include "drivers-inject/linux-net.h"
#include "p2v-client/systems.h"

#define MAX_INTERFACES 512

static bool
is_configured(const struct fy_net_name *e)
{
	return strcmp(e->name, "lo") != 0 &&
	       (e->used || e->kind[0] != '\0' || e->master[0] != '\0' ||
		e->dhcp || e->addresses.n > 0);
}

/* The NIC that has the address, or NULL. */
static const struct fy_machine_nic *
nic_with_mac(const struct fy_machine *m, const char *mac)
{
	char other[FY_NET_MAC_BYTES];
	size_t i;

	for (i = 0; i < m->n_nics; i++) {
		const struct fy_machine_nic *nic = &m->nics[i];

		if (fy_streq(nic->kind, "ethernet") &&
		    (fy_net_take_mac(nic->permanent_mac, other) ||
		     fy_net_take_mac(nic->mac, other)) &&
		    strcmp(other, mac) == 0)
			return nic;
	}
	return NULL;
}

/* The machine's only NIC, or NULL. */
static const struct fy_machine_nic *
only_nic(const struct fy_machine *m)
{
	const struct fy_machine_nic *found = NULL;
	size_t i;

	for (i = 0; i < m->n_nics; i++) {
		if (!fy_streq(m->nics[i].kind, "ethernet"))
			continue;
		if (found != NULL)
			return NULL;
		found = &m->nics[i];
	}
	return found;
}

static void
fill_nic(const struct fy_machine *m, const struct fy_net_plan *plans, size_t n,
	 struct fy_machine_interface *f)
{
	const struct fy_machine_nic *nic = NULL;
	const struct fy_net_plan *p = NULL;
	const char *mac;
	size_t i;

	for (i = 0; i < n && p == NULL; i++)
		if (strcmp(plans[i].name, f->name) == 0)
			p = &plans[i];
	if (p == NULL)
		return;
	mac = p->mac[0] == '\0' ? NULL : p->mac;
	if (mac != NULL) {
		nic = nic_with_mac(m, mac);
	} else if (p->way == FY_NET_DRIVER) {
		nic = only_nic(m);
		if (nic != NULL)
			mac = nic->permanent_mac != NULL ? nic->permanent_mac
							 : nic->mac;
	}
	f->mac = mac == NULL ? NULL : strdup(mac);
	f->nic = nic == NULL ? NULL : strdup(nic->name);
}

static char *
copy_or_null(const char *s)
{
	return s[0] == '\0' ? NULL : strdup(s);
}

static int
add_interface(const struct fy_net_name *e, struct fy_machine_system *s,
	      struct fy_machine_interface **ret, struct fy_error *err)
{
	struct fy_machine_interface *f = fy_machine_add_interface(s, err);
	size_t i;

	if (f == NULL)
		return -1;
	*ret = f;
	f->name = strdup(e->name);
	if (f->name == NULL)
		return fy_error_nomem(err);
	f->kind = e->virtual ? copy_or_null(e->kind) : strdup("ethernet");
	f->master = copy_or_null(e->master);
	f->parent = copy_or_null(e->parent);
	f->vlan = e->vlan;
	if (e->dhcp)
		f->dhcp = FY_YES;
	else if (e->addresses.n > 0)
		f->dhcp = FY_NO;
	for (i = 0; i < e->addresses.n; i++)
		if (fy_machine_add_text(&f->addresses, &f->n_addresses,
					e->addresses.items[i], err) == -1)
			return -1;
	return 0;
}

static int
add_interfaces(const struct fy_net_names *names, const struct fy_machine *m,
	       struct fy_machine_system *s, struct fy_error *err)
{
	fy_autofree struct fy_net_plan *plans = NULL;
	size_t n = 0, i;

	/* With names by the order of the cards (eth0), too: the machine's list
	 * has those. */
	if (fy_net_decide(names, m, NULL, 0, false, &plans, &n, err) == -1)
		return -1;
	for (i = 0; i < names->n && s->n_interfaces < MAX_INTERFACES; i++) {
		struct fy_machine_interface *f;

		if (!is_configured(&names->items[i]))
			continue;
		if (add_interface(&names->items[i], s, &f, err) == -1)
			return -1;
		fill_nic(m, plans, n, f);
	}
	return 0;
}

int
fy_systems_network(struct fy_volume *v, const struct fy_machine *m,
		   struct fy_machine_system *s, struct fy_error *err)
{
	fy_autoguest struct fy_guest *g = fy_guest_new(err);
	struct fy_net_names names = { 0 };
	struct fy_error why = { 0 };
	int r = 0;

	if (g == NULL)
		return -1;
	/* What can't be read is not known. */
	if (fy_guest_mount(g, "/", &fy_guest_ext, v, false, s->disk, s->volume,
			   &why) == 0)
		(void)fy_net_read(g, &names, &why);
	if (why.code == FY_E_NOMEM)
		r = fy_error_nomem(err);
	if (r == 0)
		r = add_interfaces(&names, m, s, err);
	fy_net_names_release(&names);
	return r;
}
