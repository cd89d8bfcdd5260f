/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IPv4 routes of Windows Vista and later that belong to a network card: they
 * are kept in the network store as IPv6's (windows-net-ipv6.c), and not carried
 * over but told of.  A default route is taken for the card's gateway, where the
 * interface has none.  What "route -p" made is of no card, and stays.
 *
 *   16\NAME: u32, 4 bytes of prefix, u8 prefix length, 15 bytes, u64 LUID,
 *     u64 LUID, 4 bytes of next hop, u32.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/hash.h"
#include "drivers-inject/windows-net.h"

#define ROUTES	 "Control\\Nsi\\{eb004a00-9b1a-11d4-9123-0050047759bc}\\16"
#define STAYS	 "Services\\Tcpip\\Parameters\\PersistentRoutes"
#define ROW_KEY	 48
#define MAX_ROWS 1024

/* "10.0.0.0,255.0.0.0,192.0.2.1,1" is there, whatever the metric. */
static bool
stays(const struct fy_string_set *kept, const char *prefix, unsigned length,
      const char *hop)
{
	char mask[INET_ADDRSTRLEN] = "", want[3 * INET_ADDRSTRLEN + 4];
	unsigned char b[4];
	size_t i;

	fy_put_be32(b, length == 0 ? 0 : UINT32_MAX << (32 - length));
	(void)inet_ntop(AF_INET, b, mask, sizeof(mask));
	snprintf(want, sizeof(want), "%s,%s,%s,", prefix, mask, hop);
	for (i = 0; i < kept->n; i++)
		if (strncmp(kept->items[i], want, strlen(want)) == 0)
			return true;
	return false;
}

static int
look_at_route(struct fy_system *s, struct fy_windows_nics *l,
	      const struct fy_string_set *kept, const char *name,
	      struct fy_error *err)
{
	char prefix[INET_ADDRSTRLEN] = "", hop[INET_ADDRSTRLEN] = "";
	unsigned char key[ROW_KEY];
	struct fy_windows_nic *i;

	if (fy_unhex(name, key, sizeof(key)) == -1 || key[8] > 32 ||
	    fy_get_be32(key + 40) == 0)
		return 0;
	i = fy_windows_nic_of(l, fy_get_le64(key + 24));
	if (i == NULL || !i->installed)
		return 0;
	(void)inet_ntop(AF_INET, key + 4, prefix, sizeof(prefix));
	(void)inet_ntop(AF_INET, key + 40, hop, sizeof(hop));
	if (key[8] == 0)
		return i->addresses.n > 0 && i->gateways.n == 0
			       ? fy_string_set_add(&i->gateways, hop, err)
			       : 0;
	if (stays(kept, prefix, key[8], hop))
		return 0;
	return fy_disks_warn(s->disks, err,
			     "the route to %s/%u by %s is not carried over: "
			     "set it on the virtual machine",
			     prefix, key[8], hop);
}

int
fy_windows_routes(struct fy_system *s, struct fy_windows_nics *l,
		  struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	const char *set = w->control_sets.items[0];
	fy_autofree char *table = fy_windows_key(set, err, ROUTES);
	fy_autofree char *kept_key = fy_windows_key(set, err, STAYS);
	struct fy_string_set names = { 0 }, kept = { 0 };
	size_t i;
	int r = table == NULL || kept_key == NULL ? -1 : 0;

	if (r == 0)
		r = fy_hive_values(w->system, table, &names, err);
	if (r == 0)
		r = fy_hive_values(w->system, kept_key, &kept, err);
	if (r == 0 && names.n > MAX_ROWS)
		r = fy_disks_warn(s->disks, err,
				  "this Windows has %zu IPv4 routes; only the "
				  "first %d are looked at",
				  names.n, MAX_ROWS);
	for (i = 0; r == 0 && i < names.n && i < MAX_ROWS; i++)
		r = look_at_route(s, l, &kept, names.items[i], err);
	fy_string_set_release(&names);
	fy_string_set_release(&kept);
	return r;
}
