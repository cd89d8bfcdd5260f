/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_H
#define FY_WINDOWS_H

#include "drivers-inject/hive.h"
#include "drivers-inject/system.h"
#include "drivers-inject/virtio-win.h"
#include "drivers-inject/windows-firstboot.h"

/* A setting that is another one for the first start only. */
struct fy_windows_policy {
	const char *key, *name; /* below the control set; NULL: none */
	uint32_t was;		/* FY_WINDOWS_NO_POLICY: it was not there */
};
#define FY_WINDOWS_NO_POLICY UINT32_MAX
#define FY_WINDOWS_POLICIES  2

/*
 * A Windows: what the family keeps of it ('own' of struct fy_system).
 */
struct fy_windows {
	struct fy_windows_version version;
	char *root;	/* "Windows", as it is written on the disk */
	char *system32; /* "/Windows/System32" */
	char *config;	/* "/Windows/System32/config" */
	struct fy_hive *system, *software;
	/* "ControlSet001", ...: the current one first, then those that Windows
	 * may fall back to. */
	struct fy_string_set control_sets;
	bool has_database; /* DriverDatabase, from 8 and 2012 on */
	bool domain_controller;
	bool utc; /* RealTimeIsUniversal */
	char *edition, *release, *product_type;
	char *time_zone;
	char drive; /* the letter that the system has for itself */
	struct fy_string_set warnings; /* for the report, when injected */
	struct fy_driver_set drivers;
	struct fy_firstboot_scripts scripts;
	/* INF names that the driver database got, for the script that takes
	 * them away again. */
	struct fy_string_set bridges;
	struct fy_windows_policy policies[FY_WINDOWS_POLICIES];
	/* Below Drivers\VirtIO, that hold packages. */
	struct fy_string_set folders;
};

static inline struct fy_windows *
fy_windows_of(const struct fy_system *s)
{
	return s->own;
}

/* At least major.minor. */
bool fy_windows_is(const struct fy_windows *w, unsigned major, unsigned minor);

/* A name in the control set: "ControlSet001\Services\disk"; malloc'd. */
char *fy_windows_key(const char *control_set, struct fy_error *err,
		     const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* windows-describe.c: fill in 's' and its 'own', which exists. */
int fy_windows_describe(struct fy_system *s, struct fy_error *err);
/* A path that exists in any case, as its names are written; malloc'd. */
char *fy_windows_real(struct fy_guest *g, const char *path,
		      struct fy_error *err);

/* windows-clock.c: 'time_zone' and 'utc'; may add to 'warnings'. */
int fy_windows_clock(struct fy_windows *w, struct fy_error *err);

/* windows-look.c: what is to be known before; fills 'warnings'. */
int fy_windows_look(struct fy_system *s, struct fy_error *err);

/* windows-boot.c: drivers that are needed to reach the disk. */
int fy_windows_boot_drivers(struct fy_system *s, struct fy_error *err);

/* windows-database.c: the driver database of 8 and later. */
int fy_windows_database(struct fy_system *s, const struct fy_driver *d,
			struct fy_error *err);

/* windows-services.c: other services, leftovers, policies. */
int fy_windows_services(struct fy_system *s, struct fy_error *err);
/* The commands that put the policies back, for the last script. */
void fy_windows_policies_back(const struct fy_windows *w, struct fy_text *t);
/* What they were, kept with the service of the first start for an injection
 * that comes before that. */
int fy_windows_policies_keep(struct fy_windows *w, struct fy_error *err);

/* windows-net.c: what the first boot has to set on the new NICs. */
int fy_windows_network(struct fy_system *s, struct fy_error *err);

/* windows-esp.c: whether there is an ESP with its boot manager; the fallback
 * loader there. */
bool fy_windows_is_uefi(struct fy_system *s);
int fy_windows_esp(struct fy_system *s, struct fy_error *err);

#endif
