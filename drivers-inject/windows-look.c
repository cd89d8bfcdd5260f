/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a person should know of a Windows before it is started on other
 * hardware: unfinished updates, policies and programs that may keep drivers
 * out, disks that Windows describes in its own way.
 */
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/skipped.h"
#include "drivers-inject/windows.h"

#define CV "Microsoft\\Windows\\CurrentVersion"

static int
warn(struct fy_windows *w, const char *text, struct fy_error *err)
{
	return fy_string_set_add(&w->warnings, text, err);
}

static int
look_at_updates(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *pending =
		fy_format(err, "/%s/WinSxS/pending.xml", w->root);
	fy_autofree char *key = fy_windows_key(w->control_sets.items[0], err,
					       "Control\\Session Manager");

	if (pending == NULL || key == NULL)
		return -1;
	if (fy_guest_has(s->guest, pending))
		return warn(w,
			    "updates are half installed (WinSxS/pending.xml); "
			    "they go on when Windows starts, which may fail on "
			    "other hardware: start the machine once more and "
			    "let them end before it is converted",
			    err);
	if (fy_hive_has(w->software, CV "\\Component Based Servicing"
					"\\RebootPending") ||
	    fy_hive_has(w->software,
			CV "\\WindowsUpdate\\Auto Update\\RebootRequired") ||
	    fy_hive_has_value(w->system, key, "PendingFileRenameOperations"))
		return warn(w,
			    "Windows waits for a restart to end an "
			    "installation; it will do so on the virtual "
			    "machine",
			    err);
	return 0;
}

static int
look_at_policies(struct fy_windows *w, struct fy_error *err)
{
	static const char *const denied[] = {
		"DenyUnspecified", "DenyDeviceIDs",	   "DenyDeviceClasses",
		"DenyInstanceIDs", "DenyRemovableDevices",
	};
	uint32_t v;
	size_t i;

	for (i = 0; i < sizeof(denied) / sizeof(*denied); i++)
		if (fy_hive_get_dword(w->software,
				      "Policies\\Microsoft\\Windows"
				      "\\DeviceInstall\\Restrictions",
				      denied[i], &v, NULL) == 0 &&
		    v != 0)
			return warn(w,
				    "a policy restricts the installation of "
				    "devices (DeviceInstall\\Restrictions); "
				    "the first start may stop with 0x7B or "
				    "without a network: allow them before the "
				    "conversion",
				    err);
	if (fy_hive_has(w->software, CV "\\Group Policy\\History"))
		return warn(w,
			    "Group Policy applies to this Windows; one that "
			    "restricts drivers or services may undo what was "
			    "done",
			    err);
	return 0;
}

/* Programs that are known to guard the registry or filter disks. */
static bool
is_guard(const char *name)
{
	static const char *const makers[] = {
		"Avast",	"AVG ",	       "Avira",	       "Bitdefender",
		"Carbon Black", "CrowdStrike", "Cylance",      "ESET ",
		"F-Secure",	"Kaspersky",   "Malwarebytes", "McAfee",
		"Norton ",	"Panda ",      "SentinelOne",  "Sophos",
		"Symantec",	"Trellix",     "Trend Micro",  "Webroot",
	};
	size_t i;

	for (i = 0; i < sizeof(makers) / sizeof(*makers); i++)
		if (strncasecmp(name, makers[i], strlen(makers[i])) == 0)
			return true;
	return false;
}

static int
look_at_programs_in(struct fy_windows *w, const char *key, struct fy_error *err)
{
	struct fy_string_set names = { 0 };
	size_t i;
	int r = fy_hive_keys(w->software, key, &names, err);

	for (i = 0; r == 0 && i < names.n; i++) {
		fy_autofree char *k =
			fy_format(err, "%s\\%s", key, names.items[i]);
		fy_autofree char *name = NULL;
		fy_autofree char *text = NULL;

		if (k == NULL) {
			r = -1;
		} else if (fy_hive_get_string(w->software, k, "DisplayName",
					      &name, NULL) == 0 &&
			   is_guard(name)) {
			text = fy_format(err,
					 "'%s' is installed; programs of its "
					 "kind are known to keep new drivers "
					 "out",
					 name);
			r = text == NULL ? -1 : warn(w, text, err);
		}
	}
	fy_string_set_release(&names);
	return r;
}

static int
look_at_programs(struct fy_windows *w, struct fy_error *err)
{
	if (look_at_programs_in(w, CV "\\Uninstall", err) == -1)
		return -1;
	return look_at_programs_in(w, "WOW6432Node\\" CV "\\Uninstall", err);
}

static int
look_at_disks(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	size_t i, k;

	for (i = 0; i < s->disks->n; i++)
		for (k = 0; k < s->disks->maps[i]->n_volumes; k++)
			if (fy_volume_is_dynamic(
				    &s->disks->maps[i]->volumes[k]))
				return warn(
					w,
					"there are dynamic disks; their "
					"volumes "
					"are copied, but not looked into, and "
					"Windows may show them as foreign "
					"(Disk Management imports them)",
					err);
	return 0;
}

int
fy_windows_look(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);

	if (look_at_updates(s, err) == -1 || look_at_policies(w, err) == -1 ||
	    look_at_programs(w, err) == -1 || look_at_disks(s, err) == -1)
		return -1;
	if (w->domain_controller)
		return warn(w,
			    "it is a domain controller: never let the old "
			    "machine and the virtual one run at the same time, "
			    "nor the old one again afterwards",
			    err);
	return 0;
}
