/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What p2v.target names, and what it must not. */
#include <string.h>

#include "common/stop.h"
#include "common/test.h"
#include "p2v-client/live-mount.h"

struct fy_stop fy_client_stop = { .fd = -1 };

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
test_disks(void)
{
	static const struct {
		const char *text, *device, *label, *uuid;
	} cases[] = {
		{ "/dev/sdb1", "/dev/sdb1", NULL, NULL },
		{ "/dev/disk/by-id/x", "/dev/disk/by-id/x", NULL, NULL },
		{ "/dev/disk/by-label/A B", NULL, "A B", NULL },
		{ "LABEL=A=B", NULL, "A=B", NULL },
		{ "UUID=12-34", NULL, NULL, "12-34" },
		{ "/dev/disk/by-uuid/12-34", NULL, NULL, "12-34" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fy_error err = { .code = FY_E_NONE };
		struct fy_target t = { .kind = FY_TARGET_NFS };

		CHECK_OK(fy_target_parse(cases[i].text, &t, &err), &err);
		CHECK(t.kind == FY_TARGET_DISK);
		CHECK(same(t.device, cases[i].device));
		CHECK(same(t.label, cases[i].label));
		CHECK(same(t.uuid, cases[i].uuid));
		fy_target_release(&t);
	}
}

static void
test_shares(void)
{
	static const struct {
		const char *text, *domain, *user, *host, *path;
		unsigned port;
	} cases[] = {
		{ "nfs://nas/vms", NULL, NULL, "nas", "/vms", 0 },
		{ "NFS://nas:2050/a/b", NULL, NULL, "nas", "/a/b", 2050 },
		{ "nfs://[2001:db8::1]/v", NULL, NULL, "2001:db8::1", "/v", 0 },
		{ "nfs://nas:22/", NULL, NULL, "nas", "/", 22 },
		{ "smb://nas/vms", NULL, NULL, "nas", "vms", 0 },
		{ "smb://me@nas:4450/vms/dir", NULL, "me", "nas", "vms/dir",
		  4450 },
		{ "smb://LAB;me@x@nas/v", "LAB", "me@x", "nas", "v", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fy_error err = { .code = FY_E_NONE };
		struct fy_target t = { .kind = FY_TARGET_DISK };

		CHECK_OK(fy_target_parse(cases[i].text, &t, &err), &err);
		CHECK((t.kind == FY_TARGET_NFS) ==
		      (cases[i].text[0] == 'n' || cases[i].text[0] == 'N'));
		CHECK(same(t.domain, cases[i].domain));
		CHECK(same(t.user, cases[i].user));
		CHECK(same(t.host, cases[i].host));
		CHECK(same(t.path, cases[i].path));
		CHECK(t.port == cases[i].port);
		fy_target_release(&t);
	}
}

static void
test_refused(void)
{
	static const char *const cases[] = {
		"",
		"sdb1",
		"LABEL=",
		"UUID=",
		"/dev",
		"nfs://nas",
		"nfs:///v",
		"nfs://me@nas/v",
		"smb://nas",
		"smb://nas///",
		"smb://-x/v",
		"smb://a b/v",
		"ftp://a/b",
		"smb://nas\n/v",
		"nfs://nas:0/v",
		"nfs://nas:99999/v",
		"/dev/disk/by-label/A\\x20B",
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fy_error err = { .code = FY_E_NONE };
		struct fy_target t = { .kind = FY_TARGET_DISK };

		CHECK(fy_target_parse(cases[i], &t, &err) == -1);
		CHECK(err.code == FY_E_USAGE);
	}
}

int
main(void)
{
	test_disks();
	test_shares();
	test_refused();
	return test_result();
}
