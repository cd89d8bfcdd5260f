/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which system is installed: os-release, hostname, and the architecture of
 * its first program, read through libext2fs.  This is for people and for the
 * proposed name; what the injection needs it finds out on the server.
 */
#include "p2v-client/systems.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "partclone/ext-io.h"

#define MAX_FILE 16384

/* At most MAX_FILE bytes of a file, NUL-terminated; NULL when not there. */
static char *
read_file(ext2_filsys fs, const char *path, unsigned *ret_len)
{
	fy_autofree char *text = calloc(1, MAX_FILE + 1);
	struct ext2_inode inode;
	ext2_file_t file;
	ext2_ino_t ino;
	errcode_t r;

	*ret_len = 0;
	if (text == NULL ||
	    ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino) !=
		    0 ||
	    ext2fs_read_inode(fs, ino, &inode) != 0 ||
	    !LINUX_S_ISREG(inode.i_mode) ||
	    ext2fs_file_open(fs, ino, 0, &file) != 0)
		return NULL;
	r = ext2fs_file_read(file, text, MAX_FILE, ret_len);
	ext2fs_file_close(file);
	return r == 0 ? fy_steal_ptr(&text) : NULL;
}

/* "KEY=value" or "KEY="value"" on a line of its own. */
static char *
shell_value(const char *text, const char *key)
{
	size_t len = strlen(key), n;
	const char *line;

	for (line = text; line != NULL && *line != '\0';
	     line = strchr(line, '\n'), line += line != NULL) {
		char quote;

		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		line += len + 1;
		quote = *line == '"' || *line == '\'' ? *line++ : '\n';
		for (n = 0; line[n] != '\0' && line[n] != quote &&
			    line[n] != '\n' && n < 200;
		     n++)
			;
		return n == 0 ? NULL : strndup(line, n);
	}
	return NULL;
}

static char *
find_hostname(ext2_filsys fs)
{
	fy_autofree char *text = NULL;
	unsigned len;
	size_t n = 0;

	text = read_file(fs, "/etc/hostname", &len);
	while (text != NULL && n < 64 &&
	       (isalnum((unsigned char)text[n]) || text[n] == '-' ||
		text[n] == '.'))
		n++;
	return n == 0 ? NULL : strndup(text, n);
}

/* By the machine that an installed program is for. */
static char *
find_arch(ext2_filsys fs)
{
	static const char *const programs[] = { "/usr/bin/env", "/bin/sh",
						"/bin/bash", "/bin/busybox" };
	size_t i;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		unsigned len;
		fy_autofree char *elf = read_file(fs, programs[i], &len);

		if (elf == NULL || len < 20 || memcmp(elf, "\177ELF", 4) != 0)
			continue;
		switch (fy_get_le16(elf + 18)) {
		case 3:
			return strdup("i686");
		case 62:
			return strdup("x86_64");
		case 183:
			return strdup("aarch64");
		default:
			return NULL;
		}
	}
	return NULL;
}

int
fy_systems_look(struct fy_volume *v, unsigned disk, const char *path,
		struct fy_machine *m, struct fy_error *err)
{
	FY_AUTO(ext) ext2_filsys fs = NULL;
	fy_autofree char *release = NULL;
	struct fy_machine_system *s;
	struct fy_error why = { 0 };
	unsigned len;

	if (fy_ext_open(v, FY_EXT_IGNORE_CHECKSUMS | FY_EXT_ANY_FEATURES, &fs,
			&why) == -1)
		return 0;
	release = read_file(fs, "/etc/os-release", &len);
	if (release == NULL)
		release = read_file(fs, "/usr/lib/os-release", &len);
	if (release == NULL)
		return 0;
	s = fy_machine_add_system(m, err);
	if (s == NULL)
		return -1;
	s->id = shell_value(release, "ID");
	s->version = shell_value(release, "VERSION_ID");
	s->pretty_name = shell_value(release, "PRETTY_NAME");
	s->hostname = find_hostname(fs);
	s->arch = find_arch(fs);
	s->disk = disk;
	s->volume = strdup(path);
	if (s->volume == NULL)
		return fy_error_nomem(err);
	return fy_systems_network(v, m, s, err);
}
