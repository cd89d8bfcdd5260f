/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Edits of a Linux guest's files, on a real filesystem (made by mke2fs), without
 * the disks around it.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "drivers-inject/custom.h"
#include "drivers-inject/esp.h"
#include "drivers-inject/linux.h"

static struct fy_error err;
static char *dir;

/* A guest in the making: files below "t" in 'dir', then on an image. */
struct guest {
	struct fy_volume *disk;
	struct fy_disks disks;
	struct fy_inject_options options;
	struct fy_custom custom;
	struct fy_system system;
	struct fy_linux *own;
};

static void
put(const char *path, const char *text)
{
	fy_autofree char *p = fy_format(&err, "%s/t%s", dir, path);
	char *slash;

	for (slash = strchr(p + strlen(dir) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(p, 0755);
		*slash = '/';
	}
	CHECK_OK(
		fy_file_replace_at(AT_FDCWD, p, text, strlen(text), 0644, &err),
		&err);
}

static void
put_link(const char *path, const char *target)
{
	fy_autofree char *p = fy_format(&err, "%s/t%s", dir, path);

	put(path, "");
	CHECK(unlink(p) == 0 && symlink(target, p) == 0);
}

static char *
make_image(void)
{
	fy_autofree char *tree = fy_format(&err, "%s/t", dir);
	char *image = fy_format(&err, "%s/image", dir);
	const char *argv[] = { "mke2fs", "-q", "-F", "-d", tree, image, NULL };
	struct fy_subprocess_options o = { .capture_max = 65536 };
	int fd = open(image, O_CREAT | O_TRUNC | O_RDWR, 0600);

	CHECK(fd >= 0 && ftruncate(fd, 8 << 20) == 0);
	close(fd);
	CHECK_OK(fy_subprocess_run(argv, &o, NULL, &err), &err);
	return image;
}

/* What was put becomes the guest. */
static void
start(struct guest *g)
{
	fy_autofree char *image = make_image();

	memset(g, 0, sizeof(*g));
	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &g->disk,
				     &err),
		 &err);
	g->options.dry_run = true;
	g->options.custom = &g->custom;
	g->disks.options = &g->options;
	g->disks.writable = true;
	g->disks.report =
		json_pack("{s:[],s:[],s:[]}", "changes", "warnings", "skipped");
	g->own = calloc(1, sizeof(*g->own));
	g->own->systemd = true;
	g->system.own = g->own;
	g->system.disks = &g->disks;
	g->system.guest = fy_guest_new(&err);
	CHECK_OK(fy_guest_mount(g->system.guest, "/", &fy_guest_ext, g->disk,
				true, 0, "p1", &err),
		 &err);
}

/* The next guest begins with nothing. */
static void
stop(struct guest *g)
{
	fy_autofree char *tree = fy_format(&err, "%s/t", dir);

	CHECK_OK(fy_guest_commit(g->system.guest, &err), &err);
	fy_guest_free(g->system.guest);
	fy_volume_close(g->disk);
	json_decref(g->disks.report);
	fy_linux_release(&g->system);
	fy_string_set_release(&g->system.kernels);
	fy_dir_remove_all_at(AT_FDCWD, tree, NULL);
}

static void
check_text(struct guest *g, const char *path, const char *want)
{
	fy_autofree char *is = fy_linux_text(g->system.guest, path);

	CHECK_STR(is == NULL ? "(none)" : is, want);
}

#define KEY	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@example"
#define OTHER	"ssh-rsa AAAAB3Nza other"
#define COMMAND "command=\"echo 'Please login as the user'\" "

static void
test_keys(void)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ OTHER, KEY "\n" OTHER },
		{ "#" KEY "\n", KEY "\n#" KEY "\n" },
		{ COMMAND KEY "\n", KEY "\n" COMMAND KEY "\n" },
		{ KEY "2\n", KEY "\n" KEY "2\n" },
		{ OTHER "\n \t" KEY " \r\n", OTHER "\n \t" KEY " \r\n" },
		{ KEY, KEY },
	};
	static char key[] = KEY, *keys[] = { key };
	struct guest g;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		put("/root/.ssh/authorized_keys", rows[i].before);
		start(&g);
		g.custom.ssh_keys.items = keys;
		g.custom.ssh_keys.n = 1;
		CHECK_OK(fy_linux_customise(&g.system, &err), &err);
		check_text(&g, "/root/.ssh/authorized_keys", rows[i].after);
		stop(&g);
	}
}

static void
test_password(void)
{
	static char hash[] = "$6$salt$hash";
	struct fy_error e = { 0 };
	struct guest g;

	put("/etc/shadow", "bin:*:1:::::\nroot:!:1:::::\n");
	start(&g);
	g.custom.root_password = hash;
	CHECK_OK(fy_linux_customise(&g.system, &err), &err);
	check_text(&g, "/etc/shadow",
		   "bin:*:1:::::\nroot:$6$salt$hash:1:::::\n");
	stop(&g);

	/* ALT's. */
	put("/etc/tcb/root/shadow", "root:!:1:::::\n");
	start(&g);
	g.custom.root_password = hash;
	CHECK_OK(fy_linux_customise(&g.system, &err), &err);
	check_text(&g, "/etc/tcb/root/shadow", "root:$6$salt$hash:1:::::\n");
	CHECK(!fy_guest_has(g.system.guest, "/etc/shadow"));
	stop(&g);

	put("/etc/shadow", "bin:*:1:::::\n");
	start(&g);
	g.custom.root_password = hash;
	CHECK(fy_linux_customise(&g.system, &e) == -1 &&
	      e.code == FY_E_UNSUPPORTED);
	stop(&g);
}

#define TOP  "/var/lib/ironferry/firstboot"
#define UNIT "/etc/systemd/system/ironferry-firstboot.service"

static struct fy_custom_script scripts[] = {
	{ (char *)(uintptr_t) "Set-Up.CMD", (char *)(uintptr_t) "echo x" },
	{ (char *)(uintptr_t) "one.sh", (char *)(uintptr_t) "echo 1\n" },
	{ (char *)(uintptr_t) "two", (char *)(uintptr_t) "#!/bin/true\n" },
};

static void
test_first_boot(void)
{
	struct guest g;

	put("/etc/fstab", "");
	start(&g);
	g.custom.first_boot = scripts;
	g.custom.n_first_boot = 3;
	CHECK_OK(fy_linux_customise(&g.system, &err), &err);
	check_text(&g, TOP "/scripts/001-one.sh", "#!/bin/sh\necho 1\n");
	check_text(&g, TOP "/scripts/002-two", "#!/bin/true\n");
	CHECK(fy_guest_has(g.system.guest, UNIT));
	stop(&g);

	/* For Windows only: nothing is made. */
	put("/etc/fstab", "");
	start(&g);
	g.custom.first_boot = scripts;
	g.custom.n_first_boot = 1;
	CHECK_OK(fy_linux_customise(&g.system, &err), &err);
	CHECK(json_array_size(json_object_get(g.disks.report, "changes")) == 0);
	stop(&g);
}

#define WANT                                                                   \
	"/etc/systemd/system/multi-user.target.wants/"                         \
	"ironferry-firstboot.service"

/* An earlier first boot that has not run to its end. */
static void
test_first_boot_again(bool systemd)
{
	static const char *const links[] = { WANT, "/etc/rc2.d/S99ironferry-"
						   "firstboot" };
	struct guest g;

	put(TOP "/scripts/001-one.sh", "mine\n");
	put(TOP "/done/002-old", "");
	put(TOP "/failed/007-bad", "");
	put(TOP "/scripts/by-hand", "");
	put("/etc/rc3.d/x", "");
	put("/etc/init.d/ironferry-firstboot", "old\n");
	put_link(links[!systemd],
		 systemd ? UNIT : "../init.d/ironferry-firstboot");
	start(&g);
	g.own->systemd = systemd;
	g.custom.first_boot = scripts + 1;
	g.custom.n_first_boot = 2;
	CHECK_OK(fy_linux_customise(&g.system, &err), &err);
	check_text(&g, TOP "/scripts/001-one.sh", "mine\n");
	check_text(&g, TOP "/scripts/008-one.sh", "#!/bin/sh\necho 1\n");
	check_text(&g, TOP "/scripts/009-two", "#!/bin/true\n");
	CHECK(fy_guest_has(g.system.guest, links[!systemd]));
	CHECK(fy_guest_has(g.system.guest,
			   "/etc/rc3.d/S99ironferry-firstboot") == !systemd);
	stop(&g);
}

static void
test_xorg(void)
{
	static const struct {
		const char *text;
		bool old;
	} rows[] = {
		{ "Section \"Device\"\n\tDriver\t\"nv\"\nEndSection\n", true },
		{ " section \"device\"\n  driver \"I810\"\n", true },
		{ "Section \"Device\"\n  Driver \"vesa\"\n", false },
		{ "Section \"Device\"\n  #Driver \"nvidia\"\n", false },
		{ "#Section \"Device\"\n#Driver \"radeonhd\"\n", false },
		{ "Section \"OutputClass\"\n Driver \"nvidia\"\n", false },
		{ "Section \"Device\"\nEndSection\nSection \"X\"\n"
		  "Driver \"vboxvideo\"\n",
		  false },
		{ "Section \"Device\"\nIdentifier \"intel\"\n", false },
	};
	struct guest g;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *path = i % 2 == 0 ? "/etc/X11/xorg.conf.d/20-a.conf"
					      : "/etc/X11/xorg.conf";
		fy_autofree char *to = fy_format(&err, "%s.ironferry", path);

		put(path, rows[i].text);
		start(&g);
		CHECK_OK(fy_linux_services(&g.system, &err), &err);
		CHECK(fy_guest_has(g.system.guest, path) == !rows[i].old);
		CHECK(fy_guest_has(g.system.guest, to) == rows[i].old);
		stop(&g);
	}
}

static void
test_services(void)
{
	struct guest g;

	put("/usr/lib/systemd/system/hv_kvp_daemon.service", "");
	start(&g);
	CHECK_OK(fy_linux_services(&g.system, &err), &err);
	CHECK(fy_guest_has(g.system.guest,
			   "/etc/systemd/system/hv_kvp_daemon.service.d/"
			   "ironferry.conf"));
	stop(&g);
}

/* What is below "EFI" of the guest is an EFI system partition's. */
static void
esp_fallback(struct guest *g)
{
	static struct fy_disk_volume volume = {
		.path = (char *)(uintptr_t) "p1"
	};
	struct fy_esp on = { .s = &g->system,
			     .volume = &volume,
			     .guest = g->system.guest };

	g->system.id = (char *)(uintptr_t) "centos";
	CHECK_OK(fy_linux_esp_fallback(&on, &err), &err);
}

static size_t
count(struct guest *g, const char *list)
{
	return json_array_size(json_object_get(g->disks.report, list));
}

static void
test_esp_grub1(void)
{
	struct guest g;

	put("/EFI/redhat/grub.efi", "loader");
	put("/EFI/redhat/grub.conf", "default=0\n");
	start(&g);
	esp_fallback(&g);
	check_text(&g, "/EFI/BOOT/BOOTX64.EFI", "loader");
	check_text(&g, "/EFI/BOOT/BOOTX64.conf", "default=0\n");
	CHECK(count(&g, "warnings") == 1 && count(&g, "skipped") == 0);
	/* Again: the same; then one that is not as it was. */
	esp_fallback(&g);
	CHECK(count(&g, "skipped") == 0);
	CHECK_OK(fy_guest_write(g.system.guest, "/EFI/redhat/grub.conf", 0,
				"default=1\n", 10, &err),
		 &err);
	esp_fallback(&g);
	check_text(&g, "/EFI/BOOT/BOOTX64.conf", "default=0\n");
	CHECK(count(&g, "skipped") == 1);
	stop(&g);

	/* Another's loader is there: its menu is not ours. */
	put("/EFI/redhat/grub.efi", "loader");
	put("/EFI/redhat/grub.conf", "default=0\n");
	put("/EFI/BOOT/BOOTX64.EFI", "other");
	start(&g);
	esp_fallback(&g);
	CHECK(!fy_guest_has(g.system.guest, "/EFI/BOOT/BOOTX64.conf"));
	CHECK(count(&g, "skipped") == 1);
	stop(&g);

	/* GRUB 2 comes first, and grub.efi without its menu is none. */
	put("/EFI/centos/grub.efi", "grub2 with another name");
	put("/EFI/redhat/grubx64.efi", "grub2");
	start(&g);
	esp_fallback(&g);
	check_text(&g, "/EFI/BOOT/BOOTX64.EFI", "grub2");
	CHECK(count(&g, "warnings") == 0);
	stop(&g);
}

#define STANZA "  label = x\n  append = \"root=/dev/sda2 image=y\"\n"

static void
test_esp_elilo(void)
{
	struct guest g;
	fy_autofree char *same = fy_linux_edit_elilo("", "EFI/SuSE");

	CHECK_STR(same, "");
	put("/EFI/SuSE/elilo.efi", "loader");
	put("/EFI/SuSE/elilo.conf",
	    "timeout = 80\nimage = vmlinuz-3\n" STANZA
	    "\tinitrd=\"initrd-3\"\nimage=/EFI/x/vmlinuz\n" STANZA
	    "initrd = dev002:/initrd\nimage =\n#image = old\ninitrd=last");
	start(&g);
	esp_fallback(&g);
	check_text(&g, "/EFI/BOOT/BOOTX64.EFI", "loader");
	check_text(&g, "/EFI/BOOT/elilo.conf",
		   "timeout = 80\nimage = /EFI/SuSE/vmlinuz-3\n" STANZA
		   "\tinitrd=\"/EFI/SuSE/initrd-3\"\n"
		   "image=/EFI/x/vmlinuz\n" STANZA
		   "initrd = dev002:/initrd\nimage =\n#image = old\n"
		   "initrd=/EFI/SuSE/last");
	CHECK(count(&g, "warnings") == 1);
	stop(&g);
}

/* A kernel that says its version, as fy_linux_image_version reads it. */
static void
put_kernel(const char *path, const char *version)
{
	fy_autofree char *p = fy_format(&err, "%s/t%s", dir, path);
	char h[0x400] = { 0 };

	memcpy(h + 0x202, "HdrS", 4);
	h[0x20f] = 1; /* at 0x200 + 0x100 */
	snprintf(h + 0x300, sizeof(h) - 0x300, "%s (me@here)", version);
	put(path, "");
	CHECK_OK(fy_file_replace_at(AT_FDCWD, p, h, sizeof(h), 0644, &err),
		 &err);
}

static void
test_elilo_kernels(void)
{
	const struct fy_linux_kernel *k;
	struct guest g;

	put_kernel("/boot/vmlinuz-3.0-1-default", "3.0-1-default");
	put("/boot/initrd-3.0-1-default", "x");
	put("/lib/modules/3.0-1-default/modules.dep", "");
	put_kernel("/boot/efi/EFI/SuSE/vmlinuz-3.0-1-default", "3.0-1-default");
	put("/boot/efi/EFI/SuSE/initrd-3.0-1-default", "x");
	put_kernel("/boot/efi/k/vmlinuz", "2.6-0-old");
	put("/boot/efi/EFI/SuSE/initrd-old", "x");
	put("/boot/efi/EFI/SuSE/elilo.conf",
	    "image = vmlinuz-3.0-1-default\n" STANZA
	    "initrd = initrd-3.0-1-default\n"
	    "image=\"/boot/efi/k/vmlinuz\"\n" STANZA
	    "\tinitrd=\"initrd-old\"\nimage = gone\ninitrd = initrd-old");
	start(&g);
	CHECK_OK(fy_linux_find_kernels(&g.system, &err), &err);
	CHECK(g.own->n_kernels == 2);
	k = &g.own->kernels[0];
	CHECK_STR(k->version, "3.0-1-default");
	CHECK(k->initramfs.n == 2 && k->two_ways);
	CHECK_STR(k->initramfs.items[1],
		  "/boot/efi/EFI/SuSE/initrd-3.0-1-default");
	k = &g.own->kernels[1];
	CHECK_STR(k->version, "2.6-0-old");
	CHECK(k->initramfs.n == 1 && !k->two_ways);
	CHECK_STR(k->initramfs.items[0], "/boot/efi/EFI/SuSE/initrd-old");
	stop(&g);
}

int
main(void)
{
	CHECK_OK(fy_dir_temporary("test-linux-system", &dir, &err), &err);
	test_esp_grub1();
	test_esp_elilo();
	test_elilo_kernels();
	test_xorg();
	test_services();
	test_keys();
	test_password();
	test_first_boot();
	test_first_boot_again(true);
	test_first_boot_again(false);
	fy_dir_remove_all_at(AT_FDCWD, dir, NULL);
	free(dir);
	return test_result();
}
