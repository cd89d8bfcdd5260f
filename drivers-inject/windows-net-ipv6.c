/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Static IPv6 addresses of Windows Vista and later.  They are not with the
 * interfaces, but in the tables that the network store interface keeps over a
 * restart: one value for each row, whose name is the row's key in hex.  An
 * interface is named in there by its LUID, which is made of two values that
 * its driver's key has.
 *
 * Sources: MSDN's NET_LUID and MIB_UNICASTIPADDRESS_ROW; the layout of the keys
 * as Wine's include/wine/nsi.h has it; that names are the keys' bytes, from
 * Xen's network drivers for Windows, which copy them from card to card.
 *
 *   10\NAME, an address: u64 LUID, 16 bytes of address.  Its data: u32 valid
 *     and preferred lifetime, u32 origin of prefix and suffix, u8 prefix length.
 *   16\NAME, a route: u32, 16 bytes of prefix, u8 prefix length, 19 bytes,
 *     u64 LUID, u64 LUID, 16 bytes of next hop.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/hash.h"
#include "drivers-inject/windows-net.h"

#define ADDRESS_KEY 24
#define ROUTE_KEY   72
#define MAX_ROWS    1024
#define IF_LOOPBACK 24
#define IF_TUNNEL   131

static const unsigned char nothing[16];

/* "ADDRESS/LENGTH". */
static void
with_length(const unsigned char address[16], unsigned length,
	    char ret[INET6_ADDRSTRLEN + 5])
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET6, address, text, sizeof(text));
	snprintf(ret, INET6_ADDRSTRLEN + 5, "%s/%u", text, length);
}

static int
add_row(struct fy_windows_nic *i, struct fy_string_set *to, const char *text,
	const char *table, const char *name, struct fy_error *err)
{
	char at[3 + 2 * ROUTE_KEY + 1];

	snprintf(at, sizeof(at), "%s\\%s", table, name);
	return fy_string_set_add(to, text, err) == -1
		       ? -1
		       : fy_string_set_add(&i->nsi, at, err);
}

/* Of what is no network card: Windows makes it anew. */
static bool
is_software(uint64_t luid)
{
	return luid >> 48 == IF_LOOPBACK || luid >> 48 == IF_TUNNEL;
}

static int
warn_address(struct fy_system *s, const char *text, const char *why,
	     struct fy_error *err)
{
	return fy_disks_warn(s->disks, err,
			     "the static IPv6 address %s is not carried over "
			     "(%s): set it on the virtual machine",
			     text, why);
}

static int
read_address(struct fy_system *s, struct fy_windows_nics *l, const char *table,
	     const char *name, struct fy_error *err)
{
	struct fy_windows_nic *i;
	fy_autofree char *data = NULL;
	char text[INET6_ADDRSTRLEN + 5];
	unsigned char key[ADDRESS_KEY];
	uint32_t type;
	size_t len = 0;

	if (fy_unhex(name, key, sizeof(key)) == -1 ||
	    is_software(fy_get_le64(key)))
		return 0;
	with_length(key + 8, 128, text);
	if (fy_hive_get_bytes(fy_windows_of(s)->system, table, name, &type,
			      &data, &len, NULL) == -1 ||
	    len < 17 || (unsigned char)data[16] > 128)
		return warn_address(s, text, "its prefix is not known", err);
	with_length(key + 8, (unsigned char)data[16], text);
	i = fy_windows_nic_of(l, fy_get_le64(key));
	if (i == NULL)
		return warn_address(s, text, "its network card is not known",
				    err);
	return add_row(i, &i->addresses6, text, "10", name, err);
}

static int
read_route(struct fy_windows_nics *l, const char *name, struct fy_error *err)
{
	struct fy_windows_nic *i;
	unsigned char key[ROUTE_KEY];
	char text[2 * INET6_ADDRSTRLEN + 6], hop[INET6_ADDRSTRLEN] = "";

	/* What has no next hop comes with the addresses. */
	if (fy_unhex(name, key, sizeof(key)) == -1 || key[20] > 128 ||
	    memcmp(key + 56, nothing, 16) == 0)
		return 0;
	i = fy_windows_nic_of(l, fy_get_le64(key + 40));
	if (i == NULL)
		return 0;
	with_length(key + 4, key[20], text);
	(void)inet_ntop(AF_INET6, key + 56, hop, sizeof(hop));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s", hop);
	return add_row(i, &i->routes6, text, "16", name, err);
}

static int
read_table(struct fy_system *s, struct fy_windows_nics *l, bool routes,
	   struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *table =
		fy_windows_key(w->control_sets.items[0], err,
			       FY_WINDOWS_NSI6 "\\%s", routes ? "16" : "10");
	struct fy_string_set names = { 0 };
	size_t i;
	int r = table == NULL ? -1
			      : fy_hive_values(w->system, table, &names, err);

	if (r == 0 && names.n > MAX_ROWS)
		r = fy_disks_warn(s->disks, err,
				  "this Windows has %zu static IPv6 %s; only "
				  "the first %d are looked at",
				  names.n, routes ? "routes" : "addresses",
				  MAX_ROWS);
	for (i = 0; r == 0 && i < names.n && i < MAX_ROWS; i++)
		r = routes ? read_route(l, names.items[i], err)
			   : read_address(s, l, table, names.items[i], err);
	fy_string_set_release(&names);
	return r;
}

int
fy_windows_read_ipv6(struct fy_system *s, struct fy_windows_nics *l,
		     struct fy_error *err)
{
	if (read_table(s, l, false, err) == -1)
		return -1;
	return read_table(s, l, true, err);
}
