/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_HEALTH_H
#define FY_HEALTH_H

#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/stop.h"

/*
 * The health of disks, asked of smartmontools.
 */

/* What smartctl's JSON says, into 'd' (health, health_reasons, smart).  JSON
 * that is broken or says nothing leaves it unknown.  -1: FY_E_NOMEM. */
int fy_health_parse(const char *json, size_t len, struct fy_machine_disk *d,
		    struct fy_error *err);

/*
 * Ask all of them in the background: 'devices' are n paths, copied.  'program'
 * NULL: smartctl.  At most a few at a time, each for a few seconds.
 */
struct fy_health_query;
int fy_health_start(const char *program, const char *const *devices, size_t n,
		    struct fy_log *log, const struct fy_stop *stop,
		    struct fy_health_query **ret, struct fy_error *err);
/* Wait for the answers and move them to 'disks', n pointers; NULL in it: not
 * wanted.  A disk that can't answer stays unknown.  -1: FY_E_NOMEM. */
int fy_health_finish(struct fy_health_query *h,
		     struct fy_machine_disk *const *disks,
		     struct fy_error *err);
/* Waits, too.  NULL is fine. */
void fy_health_free(struct fy_health_query *h);
FY_DEFINE_AUTO(health, struct fy_health_query, fy_health_free)

/* "/dev/sda is failing: its own test says so", or NULL when there is nothing to
 * warn of.  malloc'd. */
char *fy_health_warning(const struct fy_machine_disk *d, struct fy_error *err);

#endif
