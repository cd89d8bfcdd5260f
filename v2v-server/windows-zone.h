/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_ZONE_H
#define FY_WINDOWS_ZONE_H

#include "common/error.h"

/*
 * The time zone that Windows calls so ("W. Europe Standard Time") by the name
 * that the rest of the world knows ("Europe/Berlin"), by CLDR's table in ICU;
 * malloc'd.  '*ret' is NULL when there is none of that name.
 */
int fy_windows_zone(const char *name, char **ret, struct fy_error *err);

#endif
