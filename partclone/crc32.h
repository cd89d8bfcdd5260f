/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CRC32_H
#define FY_CRC32_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32 (the polynomial of zlib and Ethernet, reflected) from a state to the
 * next, with neither of the usual inversions: as F2FS and NILFS2 use it, each
 * with a seed of its own.
 */
uint32_t fy_crc32_raw(uint32_t crc, const void *data, size_t len);

#endif
