/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unified kernel images: a PE file whose sections are the kernel, its
 * initramfs and its arguments.  It may be signed, so nothing in it is changed:
 * what its arguments name is reported, and whether the initramfs inside finds
 * a disk on virtio is looked up like that of any kernel (linux-kernels.c).
 */
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

#define MAX_SECTIONS  96u
#define SECTION_BYTES 40u
#define MAX_CMDLINE   65536u

static void
take_section(const unsigned char *s, uint64_t size, struct fy_uki *ret)
{
	static const char names[][8] = { ".cmdline", ".initrd", ".uname",
					 ".linux" };
	uint64_t virtual = fy_get_le32(s + 8), stored = fy_get_le32(s + 16);
	uint64_t at = fy_get_le32(s + 20);
	uint64_t len = virtual != 0 && virtual < stored ? virtual : stored;
	uint64_t *const to[][2] = { { &ret->cmdline, &ret->cmdline_len },
				    { &ret->initrd, &ret->initrd_len },
				    { &ret->uname, &ret->uname_len },
				    { &ret->kernel, &ret->kernel_len } };
	size_t i;

	if (at > size || len > size - at)
		return;
	for (i = 0; i < 4; i++)
		if (strncmp((const char *)s, names[i], 8) == 0 &&
		    *to[i][0] == 0) {
			*to[i][0] = at;
			*to[i][1] = len;
		}
}

bool
fy_uki_parse(const unsigned char *head, size_t len, uint64_t size,
	     struct fy_uki *ret)
{
	size_t pe, n, i, table;

	memset(ret, 0, sizeof(*ret));
	if (len < 0x40 || memcmp(head, "MZ", 2) != 0)
		return false;
	pe = fy_get_le32(head + 0x3c);
	if (pe > len || len - pe < 24 || memcmp(head + pe, "PE\0\0", 4) != 0)
		return false;
	n = fy_get_le16(head + pe + 6);
	table = pe + 24 + fy_get_le16(head + pe + 20);
	for (i = 0; i < n && i < MAX_SECTIONS; i++) {
		if (table > len || len - table < SECTION_BYTES)
			break;
		take_section(head + table, size, ret);
		table += SECTION_BYTES;
	}
	return ret->kernel != 0;
}

/* --- what their arguments name -------------------------------------------- */

/* Whether the arguments name what will have another name: the old text is
 * edited as any would be, and what that would change is told. */
static int
look_at(struct fy_system *s, const struct fy_linux_kernel *k,
	struct fy_error *err)
{
	const struct fy_edit_context ctx = { .devices = s->disks->devices };
	fy_autofree unsigned char *head = calloc(1, FY_UKI_HEAD);
	fy_autofree char *text = NULL;
	fy_autofree char *new = NULL;
	struct fy_string_set unknown = { 0 };
	struct fy_guest_stat st;
	struct fy_uki u;
	size_t n, new_len;
	int r;

	if (head == NULL)
		return fy_error_nomem(err);
	if (fy_guest_stat(s->guest, k->image, &st, err) == -1)
		return -1;
	n = (size_t)fy_min_u64(st.size, FY_UKI_HEAD);
	if (fy_guest_pread(s->guest, k->image, head, n, 0, err) == -1)
		return -1;
	if (!fy_uki_parse(head, n, st.size, &u) || u.cmdline_len == 0 ||
	    u.cmdline_len > MAX_CMDLINE)
		return 0;
	text = calloc(1, (size_t)u.cmdline_len + 1);
	if (text == NULL)
		return fy_error_nomem(err);
	if (fy_guest_pread(s->guest, k->image, text, (size_t)u.cmdline_len,
			   u.cmdline, err) == -1)
		return -1;
	r = fy_edit_text(FY_EDIT_ARGUMENTS, &ctx, text, strlen(text), &new,
			 &new_len, &unknown, err);
	if (r == 0 && (new != NULL || unknown.n > 0))
		r = fy_disks_warn(
			s->disks, err,
			"the unified kernel image '%s' holds the "
			"arguments '%.300s', which name a disk (or "
			"Xen's console) as it was called and can't be "
			"edited: build the image anew with names that "
			"stay",
			k->image, text);
	fy_string_set_release(&unknown);
	return r;
}

int
fy_linux_look_at_ukis(struct fy_system *s, struct fy_error *err)
{
	const struct fy_linux *l = fy_linux_of(s);
	size_t i;

	for (i = 0; i < l->n_kernels; i++)
		if (l->kernels[i].unified &&
		    look_at(s, &l->kernels[i], err) == -1)
			return -1;
	return 0;
}
