/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Policies that are others for the first start, and come back after it.
 */
#include <stdlib.h>

#include "drivers-inject/test-windows.h"
#include "drivers-inject/windows.h"

#define CRASH SET "\\Control\\CrashControl"
#define DISKS SET "\\Services\\partmgr\\Parameters"

#define BACK(verb, key, more)                                                  \
	"reg " verb " \"HKLM\\SYSTEM\\CurrentControlSet\\" key "\" /v " more   \
	" /f >nul 2>&1\n"

static struct fy_windows w;
static struct fy_disks d;
static struct fy_system s = { .own = &w, .disks = &d };

static void
begin(unsigned major, unsigned minor)
{
	memset(&w, 0, sizeof(w));
	w.version.major = major;
	w.version.minor = minor;
	w.system = test_hive();
	w.software = test_hive();
	CHECK_OK(fy_string_set_add(&w.control_sets, SET, &err), &err);
}

static void
end(void)
{
	fy_hive_free(w.system);
	fy_hive_free(w.software);
	fy_string_set_release(&w.control_sets);
}

static void
check(const char *key, const char *name, uint32_t want)
{
	uint32_t v = UINT32_MAX;

	CHECK_OK(fy_hive_get_dword(w.system, key, name, &v, &err), &err);
	CHECK(v == want);
}

/* An injection, and what its last script says then. */
static void
inject(const char *want)
{
	struct fy_text t = { 0 };

	CHECK_OK(fy_windows_services(&s, &err), &err);
	CHECK_OK(fy_windows_policies_keep(&w, &err), &err);
	check(CRASH, "AutoReboot", 0);
	if (w.version.major > 5)
		check(DISKS, "SanPolicy", 1);
	fy_windows_policies_back(&w, &t);
	CHECK_STR(t.data, want);
	fy_text_release(&t);
}

static void
test_policies(void)
{
	static const char found[] = BACK("add", "Control\\CrashControl",
					 "AutoReboot /t REG_DWORD /d 1")
		BACK("add", "Services\\partmgr\\Parameters",
		     "SanPolicy /t REG_DWORD /d 3");
	static const char none[] = BACK("delete", "Control\\CrashControl",
					"AutoReboot")
		BACK("delete", "Services\\partmgr\\Parameters", "SanPolicy");

	begin(10, 0);
	test_set_number(w.system, CRASH, "AutoReboot", 1);
	test_set_number(w.system, DISKS, "SanPolicy", 3);
	inject(found);
	inject(found); /* before the first start */
	/* After it, with the service gone: what is there counts. */
	CHECK_OK(fy_hive_delete(w.system,
				SET "\\Services\\" FY_FIRSTBOOT_SERVICE, &err),
		 &err);
	test_set_number(w.system, DISKS, "SanPolicy", 2);
	inject(BACK("add", "Control\\CrashControl",
		    "AutoReboot /t REG_DWORD /d 0")
		       BACK("add", "Services\\partmgr\\Parameters",
			    "SanPolicy /t REG_DWORD /d 2"));
	end();

	begin(6, 1);
	inject(none);
	inject(none);
	end();

	begin(5, 1);
	test_set_number(w.system, CRASH, "AutoReboot", 1);
	inject(BACK("add", "Control\\CrashControl",
		    "AutoReboot /t REG_DWORD /d 1"));
	CHECK(!fy_hive_has(w.system, DISKS));
	end();
}

int
main(void)
{
	test_hives_init();
	test_policies();
	test_hives_release();
	return test_result();
}
