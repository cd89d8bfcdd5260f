/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLIENT_OPTIONS_H
#define FY_CLIENT_OPTIONS_H

#include "common/options.h"

/* The tables of p2v-client's options, all for struct fy_client_options. */
extern const char *const fy_client_formats[];	 /* of --format */
extern const char *const fy_client_virt_types[]; /* of --virt-type */

extern const struct fy_option fy_client_convert_table[];
extern const struct fy_option fy_client_inventory_table[];
/* Of every command that talks to a server. */
extern const struct fy_option fy_client_common_table[];

#endif
