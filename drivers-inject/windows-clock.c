/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the hardware's clock shows: UTC, or the time of which zone.  Since Vista
 * the registry has the zone's English name.  Before, only what the user sees:
 * "Westeuropäische Normalzeit", whose zone is the one of Windows' list with
 * that text.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/file.h"
#include "drivers-inject/windows.h"

#define ZONES "Microsoft\\Windows NT\\CurrentVersion\\Time Zones"

/* Whether the zone of that name shows 'shown'. */
static bool
shows(struct fy_windows *w, const char *zone, const char *shown)
{
	static const char *const names[] = { "Std", "MUI_Std" };
	fy_autofree char *key = fy_format(NULL, ZONES "\\%s", zone);
	size_t i;

	for (i = 0; i < 2 && key != NULL; i++) {
		fy_autofree char *is = fy_hive_text(w->software, key, names[i]);

		if (is != NULL && strcasecmp(is, shown) == 0)
			return true;
	}
	return false;
}

/* '*ret' (malloc'd) NULL: none. */
static int
find_zone(struct fy_windows *w, const char *shown, char **ret,
	  struct fy_error *err)
{
	struct fy_string_set zones = { 0 };
	size_t i;
	int r = fy_hive_keys(w->software, ZONES, &zones, err);

	for (i = 0; r == 0 && i < zones.n && *ret == NULL; i++)
		if (shows(w, zones.items[i], shown)) {
			*ret = zones.items[i];
			zones.items[i] = NULL;
		}
	/* Without texts of its own, a zone is what it is called. */
	for (i = 0; r == 0 && i < zones.n && *ret == NULL; i++)
		if (strcasecmp(zones.items[i], shown) == 0) {
			*ret = zones.items[i];
			zones.items[i] = NULL;
		}
	fy_string_set_release(&zones);
	return r;
}

/* The zone, of what the registry shows. */
static int
name_zone(struct fy_windows *w, char *shown, struct fy_error *err)
{
	fy_autofree char *warning = NULL;

	if (find_zone(w, shown, &w->time_zone, err) == -1)
		return -1;
	if (w->time_zone != NULL || w->utc)
		return 0;
	warning = fy_format(err,
			    "its time zone is '%s', which is none that it "
			    "lists; its clock will show the host's local time",
			    shown);
	return warning == NULL ? -1
			       : fy_string_set_add(&w->warnings, warning, err);
}

int
fy_windows_clock(struct fy_windows *w, struct fy_error *err)
{
	fy_autofree char *key = fy_windows_key(w->control_sets.items[0], err,
					       "Control\\TimeZoneInformation");
	fy_autofree char *data = NULL;
	fy_autofree char *shown = NULL;
	uint32_t type;
	size_t len = 0;

	if (key == NULL)
		return -1;
	/* A DWORD, or a QWORD. */
	if (fy_hive_get_bytes(w->system, key, "RealTimeIsUniversal", &type,
			      &data, &len, NULL) == 0)
		w->utc = (type == 4 || type == 11) && len > 0 && data[0] == 1;
	w->time_zone = fy_hive_text(w->system, key, "TimeZoneKeyName");
	if (w->time_zone != NULL && w->time_zone[0] != '\0')
		return 0;
	free(w->time_zone);
	w->time_zone = NULL;
	shown = fy_hive_text(w->system, key, "StandardName");
	return shown == NULL ? 0 : name_zone(w, shown, err);
}
