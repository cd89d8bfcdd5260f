/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether KVM works.  Under some hypervisors /dev/kvm can be opened, but QEMU
 * does not start by it, or what it runs is a hundred times slower than by
 * emulation.  So one machine is run as libguestfs would: its boot sector counts
 * to fifty million (some 20 ms, but a minute where each instruction is emulated
 * by the hypervisor), and then ends it by the isa-debug-exit device.
 */
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/subprocess.h"
#include "drivers-inject/appliance-internal.h"

#define LIMIT_SECONDS 4
#define SAYS	      0x10
#define STATUS	      (SAYS << 1 | 1)

bool
fy_kvm_works(void)
{
	static const unsigned char code[] = {
		0x66, 0xb9, 0x80, 0xf0, 0xfa, 0x02, /* mov ecx,50000000 */
		0x66, 0x49,			    /* dec ecx */
		0x75, 0xfc,			    /* jnz -4 */
		0xb0, SAYS, 0xe6, 0xf4,		    /* mov al; out 0xf4,al */
		0xf4, 0xeb, 0xfd,		    /* hlt; jmp -3 */
	};
	static const struct fy_subprocess_options options = {
		.timeout_s = LIMIT_SECONDS,
		.accept = UINT64_C(1) << STATUS,
	};
	struct fy_subprocess_result result = { 0 };
	unsigned char disk[4096] = { 0 };
	fy_autofree char *drive = NULL;
	fy_autofd int fd = -1;
	int r;

	if (access("/dev/kvm", R_OK | W_OK) == -1)
		return false;
	memcpy(disk, code, sizeof(code));
	memcpy(disk + 510, "\x55\xaa", 2);
	fd = fy_file_temporary(NULL, NULL);
	drive = fy_format(NULL,
			  "file=/proc/%ld/fd/%d,format=raw,if=ide,snapshot=on",
			  (long)getpid(), fd);
	if (fd == -1 || drive == NULL ||
	    fy_fd_write_full(fd, disk, sizeof(disk), NULL) == -1)
		return false;
	{
		const char *const argv[] = {
			"qemu-system-x86_64",
			"-accel",
			"kvm",
			"-cpu",
			"max",
			"-machine",
			"pc",
			"-m",
			"16",
			"-display",
			"none",
			"-nodefaults",
			"-no-reboot",
			"-device",
			"isa-debug-exit,iobase=0xf4,iosize=0x04",
			"-drive",
			drive,
			NULL,
		};

		r = fy_subprocess_run(argv, &options, &result, NULL);
	}
	r = r == 0 && result.status == STATUS;
	fy_subprocess_result_release(&result);
	return r != 0;
}
