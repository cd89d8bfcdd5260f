/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An INF file from a driver package: its text, the devices that it serves on
 * several Windows, and what it installs for them. */
#include <stdint.h>
#include <string.h>

#include "drivers-inject/windows-inf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fy_inf_target targets[] = {
	{ .arch = FY_INF_X86, .major = 5, .minor = 1, .build = 2600 },
	{ .arch = FY_INF_AMD64, .major = 6, .minor = 1, .product = 3 },
	{ .arch = FY_INF_AMD64, .major = 10, .build = 26100, .product = 1 },
	{ .arch = FY_INF_ARM64, .major = 10, .build = 22631, .suites = 0x100 },
};

static void
one_target(struct fy_inf *inf, const struct fy_inf_target *t)
{
	struct fy_inf_models models;
	struct fy_inf_version version;
	struct fy_inf_install install;
	size_t i;

	if (fy_inf_version(inf, t->arch, &version, NULL) == -1 ||
	    fy_inf_models(inf, t, &models, NULL) == -1)
		return;
	(void)fy_inf_version_number(version.version);
	for (i = 0; i < models.n && i < 4; i++)
		if (fy_inf_install(inf, t, &models.items[i], &install, NULL) ==
		    0)
			(void)fy_inf_device_service(&install);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fy_inf *inf = NULL;
	size_t i;

	if (fy_inf_parse(data, size, &inf, NULL) == -1)
		return 0;
	for (i = 0; i < sizeof(targets) / sizeof(*targets); i++)
		one_target(inf, &targets[i]);
	fy_inf_free(inf);
	return 0;
}
