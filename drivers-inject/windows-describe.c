/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Windows is: version, edition, architecture, name; from its hives and
 * the header of its kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/windows-root.h"
#include "drivers-inject/windows.h"

#define NT "Microsoft\\Windows NT\\CurrentVersion"

bool
fy_windows_is(const struct fy_windows *w, unsigned major, unsigned minor)
{
	return w->version.major > major ||
	       (w->version.major == major && w->version.minor >= minor);
}

char *
fy_windows_key(const char *control_set, struct fy_error *err, const char *fmt,
	       ...)
{
	fy_autofree char *rest = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&rest, fmt, ap);
	va_end(ap);
	if (n == -1) {
		rest = NULL;
		fy_error_nomem(err);
		return NULL;
	}
	return fy_format(err, "%s\\%s", control_set, rest);
}

/* --- names as they are written ------------------------------------------------ */

struct search {
	const char *want;
	size_t len;
	char *found;
};

static int
compare_entry(void *ctx, const char *name, enum fy_guest_type type,
	      struct fy_error *err)
{
	struct search *s = ctx;

	(void)type;
	if (s->found != NULL || strlen(name) != s->len ||
	    strncasecmp(name, s->want, s->len) != 0)
		return 0;
	s->found = strdup(name);
	return s->found == NULL ? fy_error_nomem(err) : 0;
}

char *
fy_windows_real(struct fy_guest *g, const char *path, struct fy_error *err)
{
	fy_autofree char *done = strdup("");

	while (done != NULL && *path != '\0') {
		struct search s = { path, strcspn(path, "/"), NULL };
		fy_autofree char *dir = done;
		int r;

		done = NULL;
		r = fy_guest_list(g, dir[0] == '\0' ? "/" : dir, compare_entry,
				  &s, err);
		if (r == -1) {
			free(s.found);
			return NULL;
		}
		if (s.found == NULL) {
			fy_error_set(err, FY_E_NOTFOUND, 0,
				     "the guest has no '%s'", path);
			return NULL;
		}
		done = fy_format(err, "%s/%s", dir, s.found);
		free(s.found);
		path += s.len;
		path += *path == '/';
	}
	return fy_steal_ptr(&done);
}

/* --- the registry --------------------------------------------------------------- */

static int
add_control_set(struct fy_windows *w, const char *which, struct fy_error *err)
{
	char name[32];
	uint32_t n = 0;

	if (fy_hive_get_dword(w->system, "Select", which, &n, NULL) == -1 ||
	    n == 0 || n > 999)
		return 0;
	snprintf(name, sizeof(name), "ControlSet%03u", n);
	if (!fy_hive_has(w->system, name) ||
	    fy_string_set_has(&w->control_sets, name))
		return 0;
	return fy_string_set_add(&w->control_sets, name, err);
}

static int
find_control_sets(struct fy_windows *w, struct fy_error *err)
{
	if (add_control_set(w, "Current", err) == -1)
		return -1;
	if (w->control_sets.n == 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the SYSTEM hive does not tell its current "
				    "control set");
	if (add_control_set(w, "Default", err) == -1 ||
	    add_control_set(w, "LastKnownGood", err) == -1)
		return -1;
	return 0;
}

static void
read_version(struct fy_windows *w)
{
	fy_autofree char *nt = fy_hive_text(w->software, NT, "CurrentVersion");
	fy_autofree char *build =
		fy_hive_text(w->software, NT, "CurrentBuildNumber");
	uint32_t major = 0, minor = 0;

	if (build == NULL)
		build = fy_hive_text(w->software, NT, "CurrentBuild");
	/* Since 10 the old value stays "6.3". */
	if (fy_hive_get_dword(w->software, NT, "CurrentMajorVersionNumber",
			      &major, NULL) == 0 &&
	    fy_hive_get_dword(w->software, NT, "CurrentMinorVersionNumber",
			      &minor, NULL) == 0) {
		w->version.major = major;
		w->version.minor = minor;
	} else if (nt != NULL) {
		(void)sscanf(nt, "%3u.%3u", &w->version.major,
			     &w->version.minor);
	}
	if (build != NULL)
		(void)sscanf(build, "%7u", &w->version.build);
}

static void
read_product(struct fy_windows *w)
{
	fy_autofree char *key = fy_windows_key(w->control_sets.items[0], NULL,
					       "Control\\ProductOptions");

	w->edition = fy_hive_text(w->software, NT, "EditionID");
	w->release = fy_hive_text(w->software, NT, "DisplayVersion");
	if (w->release == NULL)
		w->release = fy_hive_text(w->software, NT, "ReleaseId");
	if (w->release == NULL)
		w->release = fy_hive_text(w->software, NT, "CSDVersion");
	if (key != NULL)
		w->product_type = fy_hive_text(w->system, key, "ProductType");
	if (w->product_type == NULL)
		w->product_type =
			fy_hive_text(w->software, NT, "InstallationType");
	if (w->product_type != NULL) {
		w->version.server = strcasecmp(w->product_type, "WinNT") != 0 &&
				    strcasecmp(w->product_type, "Client") != 0;
		w->domain_controller =
			strcasecmp(w->product_type, "LanmanNT") == 0;
	}
}

/* Product names of 11 say 10. */
static char *
pretty_name(const struct fy_windows *w, struct fy_error *err)
{
	fy_autofree char *name = fy_hive_text(w->software, NT, "ProductName");

	if (name == NULL)
		return fy_format(err, "Windows %u.%u", w->version.major,
				 w->version.minor);
	if (!w->version.server && w->version.build >= 22000 &&
	    strncmp(name, "Windows 10", 10) == 0)
		name[9] = '1';
	return fy_steal_ptr(&name);
}

static char *
host_name(const struct fy_windows *w)
{
	static const char *const places[][2] = {
		{ "Services\\Tcpip\\Parameters", "Hostname" },
		{ "Services\\Tcpip\\Parameters", "NV Hostname" },
		{ "Control\\ComputerName\\ComputerName", "ComputerName" },
	};
	char *name = NULL;
	size_t i;

	for (i = 0; i < 3 && name == NULL; i++) {
		fy_autofree char *key = fy_windows_key(
			w->control_sets.items[0], NULL, "%s", places[i][0]);

		if (key != NULL)
			name = fy_hive_text(w->system, key, places[i][1]);
	}
	return name;
}

/* --- the architecture ---------------------------------------------------------------- */

static const char *
pe_arch(struct fy_guest *g, const char *path)
{
	unsigned char head[64], pe[6];
	struct fy_guest_stat st;
	uint32_t at;

	if (fy_guest_stat(g, path, &st, NULL) == -1 || st.size < sizeof(head) ||
	    fy_guest_pread(g, path, head, sizeof(head), 0, NULL) == -1 ||
	    memcmp(head, "MZ", 2) != 0)
		return NULL;
	at = fy_get_le32(head + 60);
	if (at > st.size || st.size - at < sizeof(pe) ||
	    fy_guest_pread(g, path, pe, sizeof(pe), at, NULL) == -1 ||
	    memcmp(pe, "PE\0\0", 4) != 0)
		return NULL;
	switch (fy_get_le16(pe + 4)) {
	case 0x014c:
		return "x86";
	case 0x8664:
		return "amd64";
	case 0xaa64:
		return "arm64";
	default:
		return NULL;
	}
}

/* By the kernel's header; it may be packed, so the registry is asked, too. */
static const char *
find_arch(const struct fy_system *s)
{
	static const char *const files[] = { "ntoskrnl.exe", "cmd.exe" };
	static const char *const names[] = { "x86", "amd64", "arm64" };
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *key = NULL;
	fy_autofree char *value = NULL;
	const char *arch = NULL;
	size_t i;

	for (i = 0; i < 2 && arch == NULL; i++) {
		fy_autofree char *path =
			fy_format(NULL, "%s/%s", w->system32, files[i]);

		if (path != NULL)
			arch = pe_arch(s->guest, path);
	}
	key = fy_windows_key(w->control_sets.items[0], NULL,
			     "Control\\Session Manager\\Environment");
	if (arch == NULL && key != NULL)
		value = fy_hive_text(w->system, key, "PROCESSOR_ARCHITECTURE");
	for (i = 0; i < 3 && value != NULL; i++)
		if (strcasecmp(value, names[i]) == 0)
			arch = names[i];
	return arch;
}

static const char *
arch_name(const char *arch)
{
	if (arch == NULL)
		return NULL;
	return strcmp(arch, "x86") == 0	    ? "i386"
	       : strcmp(arch, "amd64") == 0 ? "x86_64"
					    : "aarch64";
}

/* --- letters ------------------------------------------------------------------ */

/* SystemRoot is "C:\Windows". */
static char
own_drive(const struct fy_windows *w)
{
	fy_autofree char *root = fy_hive_text(w->software, NT, "SystemRoot");
	char c = root == NULL || root[0] == '\0' || root[1] != ':' ? 'C'
								   : root[0];

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	return c >= 'A' && c <= 'Z' ? c : 'C';
}

/* ------------------------------------------------------------------------------------------- */

/* As it is written on the disk. */
static char *
hive_path(struct fy_guest *g, const char *folder, const char *name,
	  struct fy_error *err)
{
	fy_autofree char *path =
		fy_format(err, "%s/System32/config/%s", folder, name);

	return path == NULL ? NULL : fy_windows_real(g, path, err);
}

static int
open_hives(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *folder = fy_windows_folder(s->guest, err);
	fy_autofree char *system = NULL;
	fy_autofree char *software = NULL;

	if (folder == NULL)
		return -1;
	system = hive_path(s->guest, folder, "SYSTEM", err);
	software = hive_path(s->guest, folder, "SOFTWARE", err);
	if (system == NULL || software == NULL)
		return -1;
	w->config = strndup(system, strlen(system) - strlen("/SYSTEM"));
	w->system32 = w->config == NULL
			      ? NULL
			      : strndup(w->config,
					strlen(w->config) - strlen("/config"));
	w->root = w->system32 == NULL
			  ? NULL
			  : strndup(w->system32 + 1, strlen(folder));
	if (w->root == NULL)
		return fy_error_nomem(err);
	if (fy_hive_open(s->guest, system, &w->system, err) == -1 ||
	    fy_hive_open(s->guest, software, &w->software, err) == -1)
		return -1;
	return 0;
}

int
fy_windows_describe(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	const char *arch;

	if (open_hives(s, err) == -1 || find_control_sets(w, err) == -1 ||
	    fy_windows_clock(w, err) == -1)
		return -1;
	w->has_database = fy_hive_has(w->system, "DriverDatabase");
	read_version(w);
	read_product(w);
	w->drive = own_drive(w);
	w->version.arch = find_arch(s);
	arch = arch_name(w->version.arch);
	s->id = strdup("windows");
	s->version = fy_format(err, "%u.%u.%u", w->version.major,
			       w->version.minor, w->version.build);
	s->pretty_name = pretty_name(w, err);
	s->arch = arch == NULL ? NULL : strdup(arch);
	s->hostname = host_name(w);
	if (s->id == NULL || s->version == NULL || s->pretty_name == NULL)
		return fy_error_nomem(err);
	return fy_string_set_add(&s->bootloaders, "bootmgr", err);
}
