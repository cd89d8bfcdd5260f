/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which of several driver packages fits a Windows best.
 *
 * The INF decides whether a package fits at all: its architecture, the
 * versions that it asks for, the devices that it serves.  Most INFs of
 * virtio-win name no version, though, and a program that was built for a newer
 * Windows does not load in an older one; so the folder ("w10", "2k22") breaks
 * ties, and a newer folder is used only when the INF itself names a version
 * that fits.
 */
#include "drivers-inject/virtio-win-internal.h"

#include <string.h>

#include "common/bytes.h"

/* Oldest first. */
static const struct fy_win_release releases[] = {
	{ "xp", 5, 1, 0, false, "Windows XP" },
	{ "2k3", 5, 2, 0, true, "Windows Server 2003" },
	{ "vista", 6, 0, 0, false, "Windows Vista" },
	{ "2k8", 6, 0, 0, true, "Windows Server 2008" },
	{ "w7", 6, 1, 0, false, "Windows 7" },
	{ "2k8r2", 6, 1, 0, true, "Windows Server 2008 R2" },
	{ "w8", 6, 2, 0, false, "Windows 8" },
	{ "2k12", 6, 2, 0, true, "Windows Server 2012" },
	{ "w8.1", 6, 3, 0, false, "Windows 8.1" },
	{ "2k12r2", 6, 3, 0, true, "Windows Server 2012 R2" },
	{ "w10", 10, 0, 0, false, "Windows 10" },
	{ "2k16", 10, 0, 14393, true, "Windows Server 2016" },
	{ "2k19", 10, 0, 17763, true, "Windows Server 2019" },
	{ "2k22", 10, 0, 20348, true, "Windows Server 2022" },
	{ "w11", 10, 0, 22000, false, "Windows 11" },
	{ "2k25", 10, 0, 26100, true, "Windows Server 2025" },
};
#define N_RELEASES (sizeof(releases) / sizeof(*releases))

/* What older trees call them. */
static const struct {
	const char *name, *folder;
} other_names[] = {
	{ "wxp", "xp" },       { "wnet", "2k3" },      { "2003", "2k3" },
	{ "wlh", "2k8" },      { "2008", "2k8" },      { "win7", "w7" },
	{ "2008r2", "2k8r2" }, { "win8", "w8" },       { "2012", "2k12" },
	{ "win8.1", "w8.1" },  { "2012r2", "2k12r2" }, { "win10", "w10" },
	{ "2016", "2k16" },    { "2019", "2k19" },     { "2022", "2k22" },
	{ "win11", "w11" },    { "2025", "2k25" },
};

static uint64_t
number_of(uint32_t major, uint32_t minor, uint32_t build)
{
	return (uint64_t)major << 48 | (uint64_t)(minor & 0xffff) << 32 | build;
}

static uint64_t
release_number(const struct fy_win_release *r)
{
	return number_of(r->major, r->minor, r->build);
}

const struct fy_win_release *
fy_win_release_of(const struct fy_windows_version *v)
{
	uint64_t is = number_of(v->major, v->minor, v->build);
	const struct fy_win_release *best = NULL;
	size_t i;

	for (i = 0; i < N_RELEASES; i++) {
		const struct fy_win_release *r = &releases[i];

		if (release_number(r) > is)
			continue;
		/* Of the same kernel rather the kind that it is; Windows XP
		 * on amd64 is 5.2, and has no folder but 2k3. */
		if (r->server == v->server || best == NULL ||
		    r->major != best->major || r->minor != best->minor)
			best = r;
	}
	return best;
}

static const struct fy_win_release *
release_named(const char *name, size_t len)
{
	const char *folder = NULL;
	size_t i;

	for (i = 0; i < sizeof(other_names) / sizeof(*other_names); i++)
		if (strlen(other_names[i].name) == len &&
		    strncmp(other_names[i].name, name, len) == 0)
			folder = other_names[i].folder;
	if (folder != NULL) {
		name = folder;
		len = strlen(folder);
	}
	for (i = 0; i < N_RELEASES; i++)
		if (strlen(releases[i].folder) == len &&
		    strncmp(releases[i].folder, name, len) == 0)
			return &releases[i];
	return NULL;
}

const struct fy_win_release *
fy_win_release_in(const char *lower_path)
{
	const struct fy_win_release *found = NULL, *r;
	const char *p = lower_path, *slash;

	for (; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
		r = release_named(p, (size_t)(slash - p));
		if (r != NULL)
			found = r;
	}
	return found;
}

bool
fy_win_target(const struct fy_windows_version *v, struct fy_inf_target *ret)
{
	static const enum fy_inf_arch all[] = { FY_INF_X86, FY_INF_AMD64,
						FY_INF_ARM64 };
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->major = v->major;
	ret->minor = v->minor;
	ret->build = v->build;
	ret->product = v->server ? 3 : 1;
	for (i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (fy_streq(v->arch, fy_inf_arch_name(all[i]))) {
			ret->arch = all[i];
			return true;
		}
	return false;
}

enum fy_win_nearness
fy_win_nearness(const struct fy_win_release *r,
		const struct fy_windows_version *v)
{
	const struct fy_win_release *is = fy_win_release_of(v);

	if (r == NULL || is == NULL)
		return FY_WIN_UNTOLD;
	if (r == is)
		return FY_WIN_SAME;
	if (release_number(r) == release_number(is))
		return FY_WIN_SAME_KERNEL;
	if (release_number(r) > number_of(v->major, v->minor, v->build))
		return FY_WIN_NEWER;
	if (r->major != is->major || r->minor != is->minor)
		return FY_WIN_OLD;
	return r->server == v->server ? FY_WIN_OLDER : FY_WIN_OLDER_OTHER;
}

bool
fy_win_suits(const struct fy_win_candidate *c,
	     const struct fy_windows_version *v)
{
	return fy_win_nearness(c->release, v) != FY_WIN_NEWER ||
	       c->decoration.major != 0;
}

static int
compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* The version that the INF asks for, without the build. */
static uint64_t
asks(const struct fy_win_candidate *c)
{
	return number_of(c->decoration.major, c->decoration.minor, 0);
}

int
fy_win_compare(const struct fy_win_candidate *a,
	       const struct fy_win_candidate *b,
	       const struct fy_windows_version *v)
{
	enum fy_win_nearness na = fy_win_nearness(a->release, v);
	enum fy_win_nearness nb = fy_win_nearness(b->release, v);
	int r = (na == FY_WIN_NEWER) - (nb == FY_WIN_NEWER);

	if (r == 0)
		r = a->null_driver - b->null_driver;
	if (r == 0)
		r = compare_u64(asks(b), asks(a));
	/* The system's own folder, before builds: servers have build numbers
	 * between those of clients. */
	if (r == 0)
		r = (na != FY_WIN_SAME) - (nb != FY_WIN_SAME);
	if (r == 0)
		r = fy_inf_decoration_compare(&b->decoration, &a->decoration);
	if (r == 0)
		r = (int)na - (int)nb;
	if (r == 0 && a->release != NULL && b->release != NULL) {
		r = compare_u64(release_number(b->release),
				release_number(a->release));
		if (na == FY_WIN_NEWER) /* the least new one */
			r = -r;
		if (r == 0)
			r = (a->release->server != v->server) -
			    (b->release->server != v->server);
	}
	if (r == 0)
		r = compare_u64(fy_inf_version_number(b->version.version),
				fy_inf_version_number(a->version.version));
	if (r == 0)
		r = strcmp(a->entry->lower, b->entry->lower);
	return r;
}

/* --- devices --------------------------------------------------------------- */

/* What a converted machine may be given.  Left out: viofs, vioinput, viosock,
 * viomem and the SM bus, which no definition of ours has, and vioprot, which
 * is for passed-through network cards. */
#define VIRTIO(n) "PCI\\VEN_1AF4&DEV_" n
#define QEMU(n)	  "PCI\\VEN_1B36&DEV_" n
const struct fy_win_kind fy_win_kinds[] = {
	{ .name = "viostor",
	  .ids = { VIRTIO("1001"), VIRTIO("1042") },
	  .defined = true },
	{ .name = "vioscsi", .ids = { VIRTIO("1004"), VIRTIO("1048") } },
	{ .name = "netkvm",
	  .ids = { VIRTIO("1000"), VIRTIO("1041") },
	  .defined = true },
	{ .name = "balloon", .ids = { VIRTIO("1002"), VIRTIO("1045") } },
	{ .name = "vioser", .ids = { VIRTIO("1003"), VIRTIO("1043") } },
	{ .name = "viorng", .ids = { VIRTIO("1005"), VIRTIO("1044") } },
	{ .name = "viogpudo", .ids = { VIRTIO("1050") } },
	{ .name = "pvpanic", .ids = { "ACPI\\QEMU0001" } },
	{ .name = "pvpanic-pci", .ids = { QEMU("0011") } },
	{ .name = "fwcfg", .ids = { "ACPI\\QEMU0002" } },
	{ .name = "qxl", .ids = { QEMU("0100") }, .below = 10 },
};
const size_t fy_win_n_kinds = sizeof(fy_win_kinds) / sizeof(*fy_win_kinds);

bool
fy_win_id_is(const char *id, const char *device)
{
	size_t n = strlen(device);

	return strncasecmp(id, device, n) == 0 &&
	       (id[n] == '\0' || id[n] == '&');
}

bool
fy_win_kind_serves(const struct fy_win_kind *k, const char *id)
{
	size_t i;

	for (i = 0; i < 3 && k->ids[i] != NULL; i++)
		if (fy_win_id_is(id, k->ids[i]))
			return true;
	return false;
}

const char *
fy_win_kind_id(const struct fy_win_kind *k, const struct fy_windows_version *v)
{
	bool old = v->major < 6 || (v->major == 6 && v->minor == 0);

	return k->ids[old ? 0 : 1];
}
