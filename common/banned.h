/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_BANNED_H
#define FY_BANNED_H

/*
 * Calls that lead to overflows, races or shells.  The Makefile includes this
 * before every source (-include), after the C library's own headers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok
#pragma GCC poison atoi atol atoll gmtime localtime ctime asctime
#pragma GCC poison mktemp tmpnam system popen

#endif
