/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The network interfaces, in the kernel's order.
 *
 * A guest's configuration knows a NIC by whatever name its own system gave
 * it, so every name is listed that it may have had: what udev's database says,
 * what udev would derive (onboard, slot, path, MAC; computed here too, since
 * the live system's udev may follow another naming scheme), biosdevname's, and
 * ethN by the order of the Ethernet hardware.  A name that two NICs would have
 * tells nothing and is dropped from both.
 *
 * The permanent address is ETHTOOL_GPERMADDR's; below a test's root, where
 * there is no kernel to ask, that of /proc/net/bonding or the present one when
 * the kernel says that it is permanent.
 */
#include "p2v-client/inventory.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/bytes.h"
#include "common/file.h"
#include "p2v-client/pci.h"
#include "p2v-client/sysfs.h"

#define NET "/sys/class/net"

static int add_name(struct fy_machine_nic *nic, struct fy_error *err,
		    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int
add_name(struct fy_machine_nic *nic, struct fy_error *err, const char *fmt, ...)
{
	fy_autofree char *name = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&name, fmt, ap);
	va_end(ap);
	if (r == -1) {
		name = NULL;
		return fy_error_nomem(err);
	}
	return fy_machine_add_text(&nic->names, &nic->n_names, name, err);
}

/* --- what it is ------------------------------------------------------------ */

static const char *
kind_of(const char *root, const char *name)
{
	fy_autofree char *uevent = fy_sys_text(root, NET "/%s/uevent", name);

	if (fy_sys_exists(root, NET "/%s/bonding", name))
		return "bond";
	if (fy_sys_exists(root, NET "/%s/bridge", name))
		return "bridge";
	if (uevent != NULL && strstr(uevent, "DEVTYPE=vlan") != NULL)
		return "vlan";
	/* Wireless, tunnels, virtual functions that guests would get. */
	if ((uevent != NULL && strstr(uevent, "DEVTYPE=") != NULL) ||
	    fy_sys_exists(root, NET "/%s/device/physfn", name) ||
	    fy_sys_exists(root, NET "/%s/wireless", name) ||
	    !fy_sys_exists(root, NET "/%s/device", name) ||
	    fy_sys_number(root, 0, NET "/%s/type", name) != ARPHRD_ETHER)
		return "other";
	return "ethernet";
}

static bool
is_mac(const char *s)
{
	size_t i;

	for (i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return s[17] == '\0' && strcmp(s, "00:00:00:00:00:00") != 0;
}

/* Asked of the kernel. */
static char *
permanent_by_ethtool(const char *name)
{
	unsigned char room[sizeof(struct ethtool_perm_addr) + 32] = { 0 };
	struct ethtool_perm_addr *e = (struct ethtool_perm_addr *)(void *)room;
	struct ifreq request = { 0 };
	fy_autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char mac[18];

	if (fd == -1 || strlen(name) >= sizeof(request.ifr_name))
		return NULL;
	memcpy(request.ifr_name, name, strlen(name));
	e->cmd = ETHTOOL_GPERMADDR;
	e->size = 32;
	request.ifr_data = (void *)room;
	if (ioctl(fd, SIOCETHTOOL, &request) == -1 || e->size != 6)
		return NULL;
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->data[0],
		 e->data[1], e->data[2], e->data[3], e->data[4], e->data[5]);
	return is_mac(mac) ? strdup(mac) : NULL;
}

/* The version of the card's firmware, asked of the kernel. */
static char *
firmware_by_ethtool(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { 0 };
	fy_autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || strlen(name) >= sizeof(request.ifr_name))
		return NULL;
	memcpy(request.ifr_name, name, strlen(name));
	request.ifr_data = (void *)&info;
	if (ioctl(fd, SIOCETHTOOL, &request) == -1)
		return NULL;
	info.fw_version[sizeof(info.fw_version) - 1] = '\0';
	return info.fw_version[0] == '\0' || strcmp(info.fw_version, "N/A") == 0
		       ? NULL
		       : strdup(info.fw_version);
}

/* As the bond that it is in remembers it. */
static char *
permanent_by_bond(const char *root, const char *bond, const char *name)
{
	static const char interface[] = "Slave Interface: ";
	static const char address[] = "Permanent HW addr: ";
	fy_autofree char *text =
		fy_sys_text(root, "/proc/net/bonding/%s", bond);
	char *line, *next, mac[18];
	bool mine = false;

	for (line = text; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (strncmp(line, interface, sizeof(interface) - 1) == 0)
			mine = strcmp(line + sizeof(interface) - 1, name) == 0;
		if (!mine || strncmp(line, address, sizeof(address) - 1) != 0)
			continue;
		snprintf(mac, sizeof(mac), "%s", line + sizeof(address) - 1);
		return is_mac(mac) ? strdup(mac) : NULL;
	}
	return NULL;
}

static void
find_permanent_mac(const char *root, struct fy_machine_nic *nic)
{
	if (root == NULL)
		nic->permanent_mac = permanent_by_ethtool(nic->name);
	if (nic->permanent_mac == NULL && nic->master != NULL)
		nic->permanent_mac =
			permanent_by_bond(root, nic->master, nic->name);
	if (nic->permanent_mac == NULL && nic->mac != NULL &&
	    fy_sys_number(root, 9, NET "/%s/addr_assign_type", nic->name) == 0)
		nic->permanent_mac = strdup(nic->mac);
}

/* --- where it sits --------------------------------------------------------- */

struct place {
	unsigned domain, bus, slot, function;
	char pci[16];
};

static bool
parse_pci(const char *s, struct place *ret)
{
	int end = 0;

	if (sscanf(s, "%4x:%2x:%2x.%1x%n", &ret->domain, &ret->bus, &ret->slot,
		   &ret->function, &end) != 4 ||
	    s[end] != '\0' || end != 12)
		return false;
	snprintf(ret->pci, sizeof(ret->pci), "%s", s);
	return true;
}

/* The innermost PCI function on the path of the device. */
static bool
find_place(const char *root, const char *name, struct place *ret)
{
	fy_autofree char *path = fy_sys_real(root, NET "/%s/device", name);
	char *slash;

	while (path != NULL && (slash = strrchr(path, '/')) != NULL) {
		if (parse_pci(slash + 1, ret))
			return true;
		*slash = '\0';
	}
	return false;
}

static bool
is_multifunction(const char *root, const struct place *p)
{
	fy_autofree char *config = NULL;
	size_t len;

	if (p->function > 0)
		return true;
	config = fy_sys_bytes(root, &len, "/sys/bus/pci/devices/%s/config",
			      p->pci);
	return config != NULL && len > 14 &&
	       ((unsigned char)config[14] & 0x80) != 0;
}

/* The number of the hotplug slot that the function sits in; 0: none. */
static int
find_slot(const char *root, const struct place *p, unsigned *ret,
	  struct fy_error *err)
{
	struct fy_strings slots = { 0 };
	size_t i;
	int r;

	*ret = 0;
	r = fy_sys_list(root, "/sys/bus/pci/slots", &slots, err);
	for (i = 0; r == 0 && i < slots.n && *ret == 0; i++) {
		fy_autofree char *address = fy_sys_line(
			root, "/sys/bus/pci/slots/%s/address", slots.items[i]);

		if (address != NULL && strlen(address) == 10 &&
		    strncmp(address, p->pci, 10) == 0)
			*ret = (unsigned)strtoul(slots.items[i], NULL, 10);
	}
	fy_strings_release(&slots);
	return r;
}

/* "f0", "n3", "d1" as udev appends them. */
static void
suffixes(const char *root, const char *name, const struct place *p,
	 char function[16], char port[32])
{
	fy_autofree char *port_name =
		fy_sys_line(root, NET "/%s/phys_port_name", name);
	uint64_t dev_port = fy_sys_number(root, 0, NET "/%s/dev_port", name);

	function[0] = port[0] = '\0';
	if (is_multifunction(root, p))
		snprintf(function, 16, "f%u", p->function);
	if (port_name != NULL)
		snprintf(port, 32, "n%.15s", port_name);
	else if (dev_port > 0)
		snprintf(port, 32, "d%" PRIu64, dev_port);
}

static int
add_derived_names(const char *root, struct fy_machine_nic *nic,
		  const struct place *p, struct fy_error *err)
{
	char function[16], port[32], domain[16] = "";
	uint64_t index;
	unsigned slot;

	suffixes(root, nic->name, p, function, port);
	if (p->domain > 0)
		snprintf(domain, sizeof(domain), "P%u", p->domain);
	index = fy_sys_number(root, 0, NET "/%s/device/acpi_index", nic->name);
	if (index == 0)
		index = fy_sys_number(root, 0, NET "/%s/device/index",
				      nic->name);
	if (index > 0 && index < 16384 &&
	    (add_name(nic, err, "eno%" PRIu64 "%s", index, port) == -1 ||
	     add_name(nic, err, "em%" PRIu64, index) == -1))
		return -1;
	if (find_slot(root, p, &slot, err) == -1)
		return -1;
	if (slot > 0 &&
	    (add_name(nic, err, "en%ss%u%s%s", domain, slot, function, port) ==
		     -1 ||
	     add_name(nic, err, "p%up%u", slot, p->function + 1) == -1))
		return -1;
	return add_name(nic, err, "en%sp%us%u%s%s", domain, p->bus, p->slot,
			function, port);
}

/* "E:ID_NET_NAME_PATH=enp0s5" and the like of udev's database. */
static int
add_udev_names(const char *root, struct fy_machine_nic *nic,
	       struct fy_error *err)
{
	static const char key[] = "E:ID_NET_NAME";
	fy_autofree char *text = NULL;
	char *line, *next, *value;
	uint64_t index;

	index = fy_sys_number(root, 0, NET "/%s/ifindex", nic->name);
	text = fy_sys_text(root, "/run/udev/data/n%" PRIu64, index);
	for (line = text; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(line, '=');
		if (strncmp(line, key, sizeof(key) - 1) != 0 || value == NULL ||
		    value[1] == '\0' || strlen(value + 1) >= IFNAMSIZ)
			continue;
		if (fy_machine_add_text(&nic->names, &nic->n_names, value + 1,
					err) == -1)
			return -1;
	}
	return 0;
}

static int
add_names(const char *root, struct fy_machine_nic *nic, unsigned nth,
	  struct fy_error *err)
{
	const char *mac =
		nic->permanent_mac != NULL ? nic->permanent_mac : nic->mac;
	struct place place;

	if (fy_machine_add_text(&nic->names, &nic->n_names, nic->name, err) ==
		    -1 ||
	    add_udev_names(root, nic, err) == -1)
		return -1;
	if (find_place(root, nic->name, &place)) {
		nic->pci = strdup(place.pci);
		if (add_derived_names(root, nic, &place, err) == -1)
			return -1;
	}
	if (mac != NULL && is_mac(mac) &&
	    add_name(nic, err, "enx%.2s%.2s%.2s%.2s%.2s%.2s", mac, mac + 3,
		     mac + 6, mac + 9, mac + 12, mac + 15) == -1)
		return -1;
	return add_name(nic, err, "eth%u", nth);
}

/* --- what it belongs to ---------------------------------------------------- */

static int
read_vlan(const char *root, struct fy_machine_nic *nic, struct fy_error *err)
{
	fy_autofree char *path = fy_format(err, NET "/%s", nic->name);
	fy_autofree char *text = NULL;
	struct fy_strings entries = { 0 };
	const char *vid;
	size_t i;
	int r;

	if (path == NULL)
		return -1;
	r = fy_sys_list(root, path, &entries, err);
	for (i = 0; r == 0 && i < entries.n; i++) {
		if (strncmp(entries.items[i], "lower_", 6) != 0)
			continue;
		free(nic->parent);
		nic->parent = strdup(entries.items[i] + 6);
	}
	fy_strings_release(&entries);
	text = fy_sys_text(root, "/proc/net/vlan/%s", nic->name);
	vid = text == NULL ? NULL : strstr(text, "VID: ");
	if (vid != NULL) {
		unsigned long id = strtoul(vid + 5, NULL, 10);

		nic->vlan = id <= 4094 ? (unsigned)id : 0;
	}
	return r;
}

static int
read_nic(const char *root, const char *name, struct fy_machine_nic *nic,
	 struct fy_error *err)
{
	uint64_t speed;

	nic->name = strdup(name);
	nic->kind = strdup(kind_of(root, name));
	if (nic->name == NULL || nic->kind == NULL)
		return fy_error_nomem(err);
	nic->mac = fy_sys_line(root, NET "/%s/address", name);
	if (nic->mac != NULL && !is_mac(nic->mac)) {
		free(nic->mac);
		nic->mac = NULL;
	}
	nic->driver = fy_sys_link(root, NET "/%s/device/driver", name);
	nic->master = fy_sys_link(root, NET "/%s/master", name);
	nic->link = fy_sys_number(root, 0, NET "/%s/carrier", name) == 1;
	/* Unknown reads as an error, -1 or 2^32-1. */
	speed = fy_sys_number(root, 0, NET "/%s/speed", name);
	nic->speed_mbit = speed <= 10000000 ? speed : 0;
	if (strcmp(nic->kind, "vlan") == 0)
		return read_vlan(root, nic, err);
	return 0;
}

/* --- all of them ----------------------------------------------------------- */

/* Count how many NICs have the name. */
static unsigned
owners(const struct fy_machine *m, const char *name)
{
	unsigned n = 0;
	size_t i, j;

	for (i = 0; i < m->n_nics; i++)
		for (j = 0; j < m->nics[i].n_names; j++)
			n += strcmp(m->nics[i].names[j], name) == 0;
	return n;
}

static void
drop_name(struct fy_machine_nic *nic, size_t at)
{
	free(nic->names[at]);
	memmove(&nic->names[at], &nic->names[at + 1],
		(nic->n_names - at - 1) * sizeof(*nic->names));
	nic->n_names--;
}

static void
drop_ambiguous_names(struct fy_machine *m)
{
	size_t i, j, k, l;

	for (i = 0; i < m->n_nics; i++) {
		for (j = 0; j < m->nics[i].n_names;) {
			fy_autofree char *name = strdup(m->nics[i].names[j]);

			if (name == NULL || owners(m, name) < 2 ||
			    strcmp(name, m->nics[i].name) == 0) {
				j++;
				continue;
			}
			for (k = 0; k < m->n_nics; k++)
				for (l = m->nics[k].n_names; l-- > 0;)
					if (strcmp(m->nics[k].names[l], name) ==
						    0 &&
					    strcmp(m->nics[k].name, name) != 0)
						drop_name(&m->nics[k], l);
		}
	}
}

static struct fy_machine_nic *
find_nic(struct fy_machine *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->n_nics; i++)
		if (strcmp(m->nics[i].name, name) == 0)
			return &m->nics[i];
	return NULL;
}

static unsigned
prefix_bits(const unsigned char *mask, size_t len)
{
	unsigned bits = 0;
	size_t i;

	for (i = 0; i < len; i++)
		bits += (unsigned)__builtin_popcount(mask[i]);
	return bits;
}

static int
add_address(struct fy_machine_nic *nic, const struct ifaddrs *a,
	    struct fy_error *err)
{
	char text[INET6_ADDRSTRLEN + 8];
	const void *address, *mask;
	size_t len;

	if (a->ifa_addr->sa_family == AF_INET) {
		address =
			&((const struct sockaddr_in *)(const void *)a->ifa_addr)
				 ->sin_addr;
		mask = &((const struct sockaddr_in *)(const void *)
				 a->ifa_netmask)
				->sin_addr;
		len = 4;
	} else {
		address = &((const struct sockaddr_in6 *)(const void *)
				    a->ifa_addr)
				   ->sin6_addr;
		mask = &((const struct sockaddr_in6 *)(const void *)
				 a->ifa_netmask)
				->sin6_addr;
		len = 16;
	}
	if (inet_ntop(a->ifa_addr->sa_family, address, text,
		      INET6_ADDRSTRLEN) == NULL)
		return 0;
	snprintf(text + strlen(text), 8, "/%u", prefix_bits(mask, len));
	return fy_machine_add_text(&nic->addresses, &nic->n_addresses, text,
				   err);
}

static int
read_addresses(struct fy_machine *m, struct fy_error *err)
{
	struct ifaddrs *list, *a;
	int r = 0;

	if (getifaddrs(&list) == -1)
		return 0;
	for (a = list; r == 0 && a != NULL; a = a->ifa_next) {
		struct fy_machine_nic *nic = find_nic(m, a->ifa_name);

		if (nic == NULL || a->ifa_addr == NULL ||
		    a->ifa_netmask == NULL || nic->n_addresses >= 64 ||
		    (a->ifa_addr->sa_family != AF_INET &&
		     a->ifa_addr->sa_family != AF_INET6))
			continue;
		r = add_address(nic, a, err);
	}
	freeifaddrs(list);
	return r;
}

struct ordered {
	uint64_t index;
	const char *name;
};

static int
by_index(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static int
read_all(const char *root, const struct ordered *order, size_t n,
	 struct fy_machine *m, struct fy_error *err)
{
	FY_AUTO(pci_names) struct fy_pci_names *pci = NULL;
	unsigned nth = 0;
	size_t i;

	pci = fy_pci_names_new(root, err);
	if (pci == NULL)
		return -1;

	for (i = 0; i < n; i++) {
		struct fy_machine_nic *nic = fy_machine_add_nic(m, err);

		if (nic == NULL ||
		    read_nic(root, order[i].name, nic, err) == -1)
			return -1;
		if (strcmp(nic->kind, "ethernet") != 0)
			continue;
		find_permanent_mac(root, nic);
		if (add_names(root, nic, nth++, err) == -1)
			return -1;
		if (root == NULL)
			nic->firmware = firmware_by_ethtool(nic->name);
		if (nic->pci == NULL)
			continue;
		nic->pci_id = fy_pci_id(root, nic->pci, "");
		nic->model = fy_pci_name(pci, nic->pci);
	}
	return 0;
}

int
fy_inventory_nics(const char *sysroot, struct fy_machine *m,
		  struct fy_error *err)
{
	fy_autofree struct ordered *order = NULL;
	struct fy_strings names = { 0 };
	size_t i, n = 0;
	int r;

	r = fy_sys_list(sysroot, NET, &names, err);
	order = calloc(names.n + 1, sizeof(*order));
	if (order == NULL)
		r = fy_error_nomem(err);
	for (i = 0; r == 0 && i < names.n && n < 256; i++) {
		/* Files like bonding_masters are no interfaces. */
		if (strcmp(names.items[i], "lo") == 0 ||
		    !fy_sys_exists(sysroot, NET "/%s/ifindex", names.items[i]))
			continue;
		order[n].name = names.items[i];
		order[n++].index = fy_sys_number(
			sysroot, UINT64_MAX, NET "/%s/ifindex", names.items[i]);
	}
	if (r == 0) {
		fy_sort(order, n, sizeof(*order), by_index);
		r = read_all(sysroot, order, n, m, err);
	}
	if (r == 0)
		drop_ambiguous_names(m);
	if (r == 0 && sysroot == NULL)
		r = read_addresses(m, err);
	fy_strings_release(&names);
	return r;
}
