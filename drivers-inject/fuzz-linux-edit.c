/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzz target: every text edit, every parser of network configuration, what a
 * job wants changed, and the head of a unified kernel image, on the same
 * foreign text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "drivers-inject/custom.h"
#include "drivers-inject/linux-net.h"
#include "drivers-inject/linux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
edit_all(const char *text, size_t len)
{
	static char ext4[] = "ext4", uuid[] = "aaaa-1", part[] = "1234-01";
	static char p1[] = "p1";
	static char lvm[] = "LVM2_member", pv[] = "aa-bb", p2[] = "p2";
	struct fy_disk_volume v[] = {
		{ .path = p1,
		  .number = 1,
		  .filesystem = ext4,
		  .uuid = uuid,
		  .partuuid = part },
		{ .path = p2, .number = 2, .filesystem = lvm, .uuid = pv },
	};
	struct fy_disk_map map = { .volumes = v, .n_volumes = 2 };
	struct fy_disk_map *const maps[] = { &map };
	struct fy_devices *d = fy_devices_new(maps, 1, NULL, NULL);
	struct fy_edit_context ctx = { .devices = d, .root_spec = "UUID=a" };
	struct fy_fstab_line *lines = NULL;
	size_t n = 0, out_len;
	int kind;

	for (kind = FY_EDIT_FSTAB; kind <= FY_EDIT_LIST; kind++) {
		struct fy_string_set unknown = { 0 };
		char *out = NULL;

		fy_edit_text((enum fy_edit_kind)kind, &ctx, text, len, &out,
			     &out_len, &unknown, NULL);
		free(out);
		fy_string_set_release(&unknown);
	}
	if (fy_fstab_parse(text, len, &lines, &n, NULL) == 0)
		fy_fstab_free(lines, n);
	fy_devices_free(d);
}

static void
edit_whole(const char *text, size_t len)
{
	FY_AUTO(custom) struct fy_custom *c = NULL;
	fy_autojson json_t *j = json_loadb(text, len, JSON_DECODE_ANY, NULL);
	struct fy_uki u;

	free(fy_linux_edit_hosts(text, "old.example", "new"));
	free(fy_linux_edit_shadow(text, "$6$x"));
	free(fy_linux_value(text, "ID"));
	fy_uki_parse((const unsigned char *)text, len, UINT64_C(1) << 20, &u);
	if (j != NULL)
		fy_custom_from_json(j, &c, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct fy_net_names n = { 0 };
	struct fy_net_plan *plans = NULL;
	size_t k;

	if (text == NULL || size > 65536) {
		free(text);
		return 0;
	}
	memcpy(text, data, size);
	text[size] = '\0';
	edit_all(text, size);
	edit_whole(text, size);
	fy_net_parse_ifcfg(&n, "ifcfg-eth0", text, NULL);
	fy_net_parse_suse(&n, "ifcfg-eth1", text, NULL);
	fy_net_parse_etcnet(&n, "eth2", text, NULL);
	fy_net_parse_netctl(&n, text, NULL);
	fy_net_parse_ifupdown(&n, text, NULL);
	fy_net_parse_netplan(&n, text, NULL);
	fy_net_parse_networkd(&n, "x.network", text, NULL);
	fy_net_parse_networkd(&n, "x.netdev", text, NULL);
	fy_net_parse_networkd(&n, "x.link", text, NULL);
	fy_net_parse_keyfile(&n, text, NULL);
	fy_net_parse_rules(&n, text, NULL);
	if (fy_net_decide(&n, NULL, NULL, 0, false, &plans, &k, NULL) == 0)
		free(plans);
	fy_net_names_release(&n);
	free(text);
	return 0;
}
