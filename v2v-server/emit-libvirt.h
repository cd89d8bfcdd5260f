/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EMIT_LIBVIRT_H
#define FY_EMIT_LIBVIRT_H

#include "v2v-server/emit.h"

/*
 * libvirt's domain XML.  FY_E_USAGE for a name, a network or a bridge that
 * libvirt can't take; FY_E_UNSUPPORTED for a machine that it or QEMU can't
 * run (a BIOS machine that boots from a disk with 4096-byte sectors, another
 * architecture, too many processors).  Threads: any.
 */
extern const struct fy_emitter fy_emitter_libvirt;

#endif
