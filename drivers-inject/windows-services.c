/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Settings besides the boot drivers: no restart that hides a stop screen, data
 * disks online, where Windows looks for drivers, and what other hypervisors
 * left behind.
 */
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/windows.h"

#define CV	  "Microsoft\\Windows\\CurrentVersion"
#define CLASSES	  "Control\\Class"
#define MY_FOLDER "%SystemRoot%\\Drivers\\VirtIO"

/* --- what other hypervisors left ------------------------------------------------- */

/* Services that only make sense on another hypervisor.  Not those of Hyper-V:
 * they are Windows's own, and do no harm. */
static const char *const leftovers[] = {
	/* VMware */
	"VMTools",
	"VGAuthService",
	"vm3dservice",
	"VMUpgradeHelper",
	"VMwareCAFCommAmqpListener",
	"VMwareCAFManagementAgentHost",
	"vmci",
	"vmhgfs",
	"VMMEMCTL",
	"vmmouse",
	"vmusbmouse",
	"vmrawdsk",
	"vmvss",
	"vmxnet",
	"vmxnet3ndis6",
	"vm3dmp",
	"vm3dmp_loader",
	"vsock",
	"vsepflt",
	"vnetflt",
	"vnetWFP",
	"glxgi",
	"giappdef",
	"pvscsi",
	/* VirtualBox */
	"VBoxGuest",
	"VBoxMouse",
	"VBoxService",
	"VBoxSF",
	"VBoxVideo",
	"VBoxVideoW8",
	"VBoxWddm",
	/* Xen */
	"xenagent",
	"xenbus",
	"xenfilt",
	"xenhid",
	"xeniface",
	"xennet",
	"xensvc",
	"xenvbd",
	"xenvif",
	"xenvkbd",
	"xendisk",
	"XenGfx",
	"rhelfltr",
	"rhelnet",
	"rhelscsi",
	/* Parallels and Nutanix */
	"prl_boot",
	"prl_dd",
	"prl_eth5",
	"prl_fs",
	"prl_memdev",
	"prl_mouf",
	"prl_strg",
	"prl_sound",
	"prl_tg",
	"prl_time",
	"prl_tools",
};

static bool
is_leftover(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(leftovers) / sizeof(*leftovers); i++)
		if (strcasecmp(leftovers[i], name) == 0)
			return true;
	return false;
}

/* A filter that is named but does not start keeps its devices from starting. */
static int
clean_filters(struct fy_hive *h, const char *key, const char *name,
	      struct fy_error *err)
{
	struct fy_string_set was = { 0 }, now = { 0 };
	size_t i;
	int r = 0;

	if (fy_hive_get_strings(h, key, name, &was, NULL) == -1) {
		fy_string_set_release(&was);
		return 0;
	}
	for (i = 0; r == 0 && i < was.n; i++)
		if (!is_leftover(was.items[i]))
			r = fy_string_set_add(&now, was.items[i], err);
	if (r == 0 && now.n == 0 && was.n > 0)
		r = fy_hive_delete_value(h, key, name, err);
	else if (r == 0 && now.n < was.n)
		r = fy_hive_set_strings(h, key, name, &now, err);
	fy_string_set_release(&was);
	fy_string_set_release(&now);
	return r;
}

static int
clean_classes(struct fy_hive *h, const char *control_set, struct fy_error *err)
{
	fy_autofree char *classes = fy_windows_key(control_set, err, CLASSES);
	struct fy_string_set names = { 0 };
	size_t i;
	int r = classes == NULL ? -1 : fy_hive_keys(h, classes, &names, err);

	for (i = 0; r == 0 && i < names.n; i++) {
		fy_autofree char *key =
			fy_format(err, "%s\\%s", classes, names.items[i]);

		r = key == NULL ? -1
				: clean_filters(h, key, "UpperFilters", err);
		if (r == 0)
			r = clean_filters(h, key, "LowerFilters", err);
	}
	fy_string_set_release(&names);
	return r;
}

static int
disable(struct fy_windows *w, const char *control_set, const char *name,
	struct fy_string_set *disabled, struct fy_error *err)
{
	fy_autofree char *key =
		fy_windows_key(control_set, err, "Services\\%s", name);
	uint32_t start = 4;

	if (key == NULL)
		return -1;
	if (fy_hive_get_dword(w->system, key, "Start", &start, NULL) == -1 ||
	    start == 4)
		return 0;
	if (fy_hive_set_dword(w->system, key, "Start", 4, err) == -1)
		return -1;
	return fy_string_set_has(disabled, name)
		       ? 0
		       : fy_string_set_add(disabled, name, err);
}

static int
disable_leftovers(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	struct fy_string_set disabled = { 0 };
	struct fy_text t = { 0 };
	size_t i, k;
	int r = 0;

	for (k = 0; r == 0 && k < w->control_sets.n; k++) {
		const char *set = w->control_sets.items[k];

		for (i = 0;
		     r == 0 && i < sizeof(leftovers) / sizeof(*leftovers); i++)
			r = disable(w, set, leftovers[i], &disabled, err);
		if (r == 0 && disabled.n > 0)
			r = clean_classes(w->system, set, err);
	}
	for (i = 0; i < disabled.n; i++)
		fy_text_printf(&t, "%s%s", i == 0 ? "" : ", ",
			       disabled.items[i]);
	if (r == 0 && disabled.n > 0)
		r = fy_text_check(&t, err);
	if (r == 0 && disabled.n > 0)
		r = fy_disks_warn(s->disks, err,
				  "services of another hypervisor were "
				  "disabled (uninstall their program in "
				  "Windows): %s",
				  t.data);
	fy_text_release(&t);
	fy_string_set_release(&disabled);
	return r;
}

/* --- settings ---------------------------------------------------------------------- */

static int
set_dword(struct fy_windows *w, const char *control_set, const char *key,
	  const char *name, uint32_t value, struct fy_error *err)
{
	fy_autofree char *k = fy_windows_key(control_set, err, "%s", key);

	return k == NULL ? -1
			 : fy_hive_set_dword(w->system, k, name, value, err);
}

#define KEPT "Services\\" FY_FIRSTBOOT_SERVICE "\\Parameters"

/* The value of a policy, and what it was before an injection whose first start
 * is still to come. */
static int
set_policy(struct fy_windows *w, struct fy_windows_policy *p, const char *key,
	   const char *name, uint32_t value, struct fy_error *err)
{
	const char *set = w->control_sets.items[0];
	fy_autofree char *now = fy_windows_key(set, err, "%s", key);
	fy_autofree char *kept = fy_windows_key(set, err, KEPT);
	size_t i;

	if (now == NULL || kept == NULL)
		return -1;
	p->key = key;
	p->name = name;
	p->was = FY_WINDOWS_NO_POLICY;
	if (fy_hive_get_dword(w->system, kept, name, &p->was, NULL) == -1)
		(void)fy_hive_get_dword(w->system, now, name, &p->was, NULL);
	for (i = 0; i < w->control_sets.n; i++)
		if (set_dword(w, w->control_sets.items[i], key, name, value,
			      err) == -1)
			return -1;
	return 0;
}

void
fy_windows_policies_back(const struct fy_windows *w, struct fy_text *t)
{
	size_t i;

	for (i = 0; i < FY_WINDOWS_POLICIES; i++) {
		const struct fy_windows_policy *p = &w->policies[i];

		if (p->key == NULL)
			continue;
		fy_text_printf(t,
			       "reg %s \"HKLM\\SYSTEM\\CurrentControlSet\\%s\" "
			       "/v %s ",
			       p->was == FY_WINDOWS_NO_POLICY ? "delete"
							      : "add",
			       p->key, p->name);
		if (p->was != FY_WINDOWS_NO_POLICY)
			fy_text_printf(t, "/t REG_DWORD /d %u ",
				       (unsigned)p->was);
		fy_text_add(t, "/f >nul 2>&1\n");
	}
}

static int
keep_in(struct fy_windows *w, const char *set, struct fy_error *err)
{
	fy_autofree char *kept = fy_windows_key(set, err, KEPT);
	size_t i;

	if (kept == NULL)
		return -1;
	for (i = 0; i < FY_WINDOWS_POLICIES; i++)
		if (w->policies[i].key != NULL &&
		    fy_hive_set_dword(w->system, kept, w->policies[i].name,
				      w->policies[i].was, err) == -1)
			return -1;
	return 0;
}

/* In each, for the next injection may find another one to be the current. */
int
fy_windows_policies_keep(struct fy_windows *w, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < w->control_sets.n; i++)
		if (keep_in(w, w->control_sets.items[i], err) == -1)
			return -1;
	return 0;
}

static int
set_policies(struct fy_windows *w, struct fy_error *err)
{
	size_t i;

	/* A stop screen stays to be read. */
	if (set_policy(w, &w->policies[0], "Control\\CrashControl",
		       "AutoReboot", 0, err) == -1)
		return -1;
	/* "Online all": on servers new disks are offline else, and on another
	 * bus all of them are new. */
	if (fy_windows_is(w, 6, 0) &&
	    set_policy(w, &w->policies[1], "Services\\partmgr\\Parameters",
		       "SanPolicy", 1, err) == -1)
		return -1;
	for (i = 0; i < w->control_sets.n; i++) {
		const char *set = w->control_sets.items[i];

		/* No dialogs for new hardware, where these come before the
		 * service has put the drivers in. */
		if (w->version.major == 5 && w->version.minor == 2 &&
		    set_dword(w, set, "Services\\PlugPlay\\Parameters",
			      "SuppressUI", 1, err) == -1)
			return -1;
	}
	if (w->version.major == 5)
		return fy_hive_set_dword(w->software,
					 "Policies\\Microsoft\\Windows"
					 "\\DeviceInstall\\Settings",
					 "SuppressNewHWUI", 1, err);
	return 0;
}

/* Also look for drivers in the folders that have them. */
static int
set_device_path(struct fy_windows *w, struct fy_error *err)
{
	fy_autofree char *was = NULL;
	struct fy_error e = { 0 };
	struct fy_text t = { 0 };
	size_t i;
	int r;

	if (fy_hive_get_string(w->software, CV, "DevicePath", &was, &e) == -1 &&
	    e.code != FY_E_NOTFOUND)
		return fy_error_copy(err, &e);
	if (was != NULL && strcasestr(was, MY_FOLDER) != NULL)
		return 0;
	fy_text_add(&t,
		    was == NULL || was[0] == '\0' ? "%SystemRoot%\\inf" : was);
	fy_text_add(&t, ";" MY_FOLDER);
	for (i = 0; i < w->folders.n; i++) {
		fy_text_add(&t, ";" MY_FOLDER "\\");
		fy_text_add(&t, w->folders.items[i]);
	}
	r = fy_text_check(&t, err);
	if (r == 0)
		r = fy_hive_set_expand(w->software, CV, "DevicePath", t.data,
				       err);
	fy_text_release(&t);
	return r;
}

int
fy_windows_services(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);

	if (set_policies(w, err) == -1 || set_device_path(w, err) == -1)
		return -1;
	return disable_leftovers(s, err);
}
