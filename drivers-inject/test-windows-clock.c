/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time zones, of Windows that name them and of those that show them.
 */
#include <stdlib.h>

#include "drivers-inject/test-windows.h"
#include "drivers-inject/windows.h"

#define ZONE  SET "\\Control\\TimeZoneInformation"
#define ZONES "Microsoft\\Windows NT\\CurrentVersion\\Time Zones\\"

/* With a key name and a shown one, either may be NULL; 'want' NULL: a warning,
 * "": none at all. */
static void
check(const char *name, const char *shown, bool utc, const char *want)
{
	struct fy_windows w = { .system = test_hive(),
				.software = test_hive() };

	CHECK_OK(fy_string_set_add(&w.control_sets, SET, &err), &err);
	test_set_text(w.software, ZONES "Romance Standard Time", "Std",
		      "Romanische Normalzeit");
	test_set_text(w.software, ZONES "W. Europe Standard Time", "Std",
		      "Westeurop\xc3\xa4ische Normalzeit");
	test_set_text(w.software, ZONES "W. Europe Standard Time", "MUI_Std",
		      "@tzres.dll,-322");
	test_set_text(w.software, ZONES "Singapore Standard Time", "Std",
		      "Malay Peninsula Standard Time");
	test_set_text(w.software, ZONES "UTC", "Display", "UTC");
	if (name != NULL)
		test_set_text(w.system, ZONE, "TimeZoneKeyName", name);
	if (shown != NULL)
		test_set_text(w.system, ZONE, "StandardName", shown);
	if (utc)
		test_set_number(w.system, ZONE, "RealTimeIsUniversal", 1);
	CHECK_OK(fy_windows_clock(&w, &err), &err);
	CHECK(w.utc == utc);
	CHECK((w.warnings.n == 1) == (want == NULL && !utc));
	if (want != NULL && want[0] != '\0')
		CHECK_STR(w.time_zone, want);
	else
		CHECK(w.time_zone == NULL);
	free(w.time_zone);
	fy_hive_free(w.system);
	fy_hive_free(w.software);
	fy_string_set_release(&w.control_sets);
	fy_string_set_release(&w.warnings);
}

int
main(void)
{
	test_hives_init();
	check("Tokyo Standard Time", "Tokio Normalzeit", false,
	      "Tokyo Standard Time");
	check(NULL, "Westeurop\xc3\xa4ische Normalzeit", false,
	      "W. Europe Standard Time");
	check("", "@tzres.dll,-322", false, "W. Europe Standard Time");
	check(NULL, "Malay Peninsula Standard Time", false,
	      "Singapore Standard Time");
	check(NULL, "UTC", false, "UTC");
	check(NULL, "Mondzeit", false, NULL);
	check(NULL, "Mondzeit", true, NULL);
	check(NULL, NULL, false, "");
	test_hives_release();
	return test_result();
}
