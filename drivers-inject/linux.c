/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The family of Linux guests: the order of what is done.  Text files are
 * edited first (linux-files.c), then what needs to know the whole; network
 * names, the ESP and the kernels have files of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/family.h"
#include "drivers-inject/linux.h"

#define MAX_CONFIG (8u * 1024 * 1024)

/* With MODULES=list a later update-initramfs takes only what is named. */
static int
name_modules(struct fy_system *s, struct fy_error *err)
{
	static const char add[] = "virtio_pci\nvirtio_blk\nvirtio_scsi\n"
				  "virtio_net\n";
	static const char *const places[] = {
		"etc/initramfs-tools/initramfs.conf",
		"etc/initramfs-tools/conf.d/driver-policy",
	};
	fy_autofree char *text = NULL;
	struct fy_text out = { 0 };
	size_t len = 0, i;
	bool list = false;
	int r;

	for (i = 0; i < 2; i++) {
		fy_autofree char *conf = NULL;
		const char *line;

		if (fy_guest_read(s->guest, places[i], MAX_CONFIG, &conf, &len,
				  NULL) == -1)
			continue;
		line = strncmp(conf, "MODULES=", 8) == 0
			       ? conf - 1
			       : strstr(conf, "\nMODULES=");
		if (line != NULL)
			list = strncmp(line + 9, "list", 4) == 0;
	}
	if (!list ||
	    fy_guest_read(s->guest, "etc/initramfs-tools/modules", MAX_CONFIG,
			  &text, &len, NULL) == -1 ||
	    strstr(text, "virtio_blk") != NULL)
		return 0;
	fy_text_put(&out, text, len);
	if (len > 0 && text[len - 1] != '\n')
		fy_text_add(&out, "\n");
	fy_text_add(&out, add);
	r = fy_text_check(&out, err);
	if (r == 0)
		r = fy_system_write(s->disks, s->guest,
				    "/etc/initramfs-tools/modules", 0, out.data,
				    out.len,
				    "update-initramfs with MODULES=list shall "
				    "keep virtio",
				    NULL, err);
	fy_text_release(&out);
	return r;
}

/* A LUKS volume that the TPM opens will ask for its passphrase. */
static int
warn_tpm(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	size_t len;

	if (fy_guest_read(s->guest, "etc/crypttab", MAX_CONFIG, &text, &len,
			  NULL) == 0 &&
	    strstr(text, "tpm2-device") != NULL)
		return fy_disks_warn(s->disks, err,
				     "a volume in /etc/crypttab is opened by "
				     "the machine's TPM; the virtual machine "
				     "will ask for its passphrase");
	return 0;
}

void
fy_linux_extras_release(struct fy_linux_extras *e)
{
	while (e->n > 0) {
		free(e->items[--e->n].path);
		free(e->items[e->n].data);
	}
	free(e->items);
	e->items = NULL;
}

static int
inject(struct fy_system *s, struct fy_error *err)
{
	struct fy_linux_extras extras = { 0 };
	int r = fy_linux_edit_files(s, err);

	if (r == 0)
		r = fy_linux_look_at_ukis(s, err);
	if (r == 0)
		r = name_modules(s, err);
	if (r == 0)
		r = warn_tpm(s, err);
	if (r == 0)
		r = fy_linux_network(s, &extras, err);
	if (r == 0)
		r = fy_linux_kernels(s, &extras, err);
	if (r == 0)
		r = fy_linux_services(s, err);
	if (r == 0)
		r = fy_linux_customise(s, err);
	if (r == 0)
		r = fy_linux_label(s, err);
	fy_linux_extras_release(&extras);
	return r;
}

/* Outside of its filesystems: what boots without boot variables. */
static int
finish(struct fy_system *s, struct fy_error *err)
{
	return s->firmware == FY_FIRMWARE_UEFI ? fy_linux_esp(s, err) : 0;
}

const struct fy_family fy_family_linux = {
	.name = "linux",
	.is_root = fy_linux_is_root,
	.open = fy_linux_open,
	.json = fy_linux_json,
	.inject = inject,
	.finish = finish,
	.release = fy_linux_release,
};
