/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drivers for a Windows out of trees that tests/guests/make-virtio-win makes:
 * the right one for each version, layouts, images, fallbacks, and what is
 * damaged.
 */
#include "common/test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "drivers-inject/virtio-win-internal.h"

static struct fy_error err;
static char *work;

/* A path in the work directory; a few at a time. */
static const char *
at(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *p = paths[next++ % 8];

	snprintf(p, sizeof(paths[0]), "%s/%s", work, name);
	return p;
}

/* make-virtio-win OPTIONS work/OUT; options end with NULL. */
static void
make(const char *out, const char *const *options)
{
	const char *argv[16] = { "tests/guests/make-virtio-win" };
	size_t n = 1;

	for (; *options != NULL; options++)
		argv[n++] = *options;
	argv[n] = at(out);
	fy_error_clear(&err);
	CHECK_OK(fy_subprocess_run(argv, NULL, NULL, &err), &err);
	if (err.code != FY_E_NONE)
		exit(1);
}
#define MAKE(out, ...) make(out, (const char *const[]){ __VA_ARGS__, NULL })

static void
run(const char *const *argv)
{
	fy_error_clear(&err);
	CHECK_OK(fy_subprocess_run(argv, NULL, NULL, &err), &err);
}
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static struct fy_virtio_win *
open_tree(const char *name)
{
	struct fy_virtio_win *w = NULL;

	fy_error_clear(&err);
	CHECK_OK(fy_virtio_win_open(at(name), &w, &err), &err);
	if (w == NULL)
		exit(1);
	return w;
}

static void
pick(const char *tree, const struct fy_windows_version *v,
     struct fy_driver_set *ret)
{
	FY_AUTO(virtio_win) struct fy_virtio_win *w = open_tree(tree);

	fy_error_clear(&err);
	CHECK_OK(fy_virtio_win_pick(w, v, ret, &err), &err);
	if (err.code != FY_E_NONE)
		exit(1);
}

/* The system that a driver's program was made for: "viostor w10 amd64 ..." */
static const char *
made_for(const struct fy_driver_set *s, const char *name)
{
	static char os[32];
	const struct fy_driver *d = fy_driver_set_find(s, name);
	const struct fy_driver_file *f;

	if (d == NULL || d->binary == NULL)
		return d == NULL ? NULL : "";
	f = fy_driver_file_find(d, d->binary);
	if (f == NULL || f->len < 600 ||
	    sscanf(f->data + 512, "%*s %31[^\n]", os) != 1)
		return "(no program)";
	*strrchr(os, ' ') = '\0'; /* the file's name */
	return os;
}

static bool
warned(const struct fy_driver_set *s, const char *says)
{
	size_t i;

	for (i = 0; i < s->warnings.n; i++)
		if (strstr(s->warnings.items[i], says) != NULL)
			return true;
	return false;
}

static void
show_warnings(const struct fy_driver_set *s)
{
	size_t i;

	for (i = 0; i < s->warnings.n; i++)
		fprintf(stderr, "  warning: %s\n", s->warnings.items[i]);
}

/* --- each version ---------------------------------------------------------- */

struct row {
	struct fy_windows_version v;
	const char *storage, *scsi, *net; /* made for; NULL: none */
	const char *warns;		  /* NULL: nothing */
};

static void
check_row(struct fy_virtio_win *w, const struct row *r, const char *tree)
{
	struct fy_driver_set s = { 0 };
	unsigned was = test_failures;

	fy_error_clear(&err);
	CHECK_OK(fy_virtio_win_pick(w, &r->v, &s, &err), &err);
	if (test_failures == was) {
		CHECK_STR(made_for(&s, "viostor"), r->storage);
		if (r->scsi == NULL)
			CHECK(fy_driver_set_find(&s, "vioscsi") == NULL);
		else
			CHECK_STR(made_for(&s, "vioscsi"), r->scsi);
		CHECK_STR(made_for(&s, "netkvm"), r->net);
		CHECK(r->warns == NULL ? s.warnings.n == 0
				       : warned(&s, r->warns));
	}
	if (test_failures != was) {
		fprintf(stderr, "that is %u.%u.%u %s %s of %s\n", r->v.major,
			r->v.minor, r->v.build, r->v.server ? "server" : "",
			r->v.arch, tree);
		show_warnings(&s);
	}
	fy_driver_set_release(&s);
}

#define SAME(s) s, s, s, NULL

static const struct row all[] = {
	{ { 5, 1, 2600, false, "x86" },
	  "xp x86",
	  NULL,
	  "xp x86",
	  "guest agent" },
	{ { 5, 2, 3790, true, "x86" },
	  "2k3 x86",
	  NULL,
	  "2k3 x86",
	  "guest agent" },
	/* XP on amd64 is 5.2 too. */
	{ { 5, 2, 3790, false, "amd64" },
	  "2k3 amd64",
	  NULL,
	  "2k3 amd64",
	  "guest agent" },
	{ { 6, 0, 6002, false, "x86" }, SAME("2k8 x86") },
	{ { 6, 0, 6002, true, "amd64" }, SAME("2k8 amd64") },
	{ { 6, 1, 7601, false, "x86" }, SAME("w7 x86") },
	{ { 6, 1, 7601, false, "amd64" }, SAME("w7 amd64") },
	{ { 6, 1, 7601, true, "amd64" }, SAME("2k8R2 amd64") },
	{ { 6, 2, 9200, false, "x86" }, SAME("w8 x86") },
	{ { 6, 2, 9200, true, "amd64" }, SAME("2k12 amd64") },
	{ { 6, 3, 9600, false, "amd64" }, SAME("w8.1 amd64") },
	{ { 6, 3, 9600, true, "amd64" }, SAME("2k12R2 amd64") },
	{ { 10, 0, 10240, false, "x86" }, SAME("w10 x86") },
	{ { 10, 0, 19045, false, "amd64" }, SAME("w10 amd64") },
	{ { 10, 0, 19045, false, "arm64" }, SAME("w10 ARM64") },
	{ { 10, 0, 14393, true, "amd64" }, SAME("2k16 amd64") },
	{ { 10, 0, 17134, true, "amd64" }, SAME("2k16 amd64") },
	{ { 10, 0, 17763, true, "amd64" }, SAME("2k19 amd64") },
	{ { 10, 0, 20348, true, "amd64" }, SAME("2k22 amd64") },
	{ { 10, 0, 25398, true, "amd64" }, SAME("2k22 amd64") },
	{ { 10, 0, 26100, true, "amd64" }, SAME("2k25 amd64") },
	{ { 10, 0, 22000, false, "amd64" }, SAME("w11 amd64") },
	{ { 10, 0, 26100, false, "amd64" }, SAME("w11 amd64") },
	{ { 10, 0, 26100, false, "arm64" }, SAME("w11 ARM64") },
};

static void
check_all(const char *tree)
{
	FY_AUTO(virtio_win) struct fy_virtio_win *w = open_tree(tree);
	size_t i;

	/* One after the other from one source. */
	for (i = 0; i < sizeof(all) / sizeof(*all); i++)
		check_row(w, &all[i], tree);
}

/* --- what is in a set ------------------------------------------------------ */

static const struct fy_windows_version w10 = { 10, 0, 19045, false, "amd64" };
static const struct fy_windows_version w11 = { 10, 0, 26100, false, "amd64" };
static const struct fy_windows_version w7 = { 6, 1, 7601, false, "amd64" };
static const struct fy_windows_version s2022 = { 10, 0, 20348, true, "amd64" };

static void
check_names(const struct fy_driver_set *s, const char *const *names)
{
	size_t i;

	for (i = 0; i < s->n && names[i] != NULL; i++)
		CHECK_STR(s->drivers[i].name, names[i]);
	CHECK(i == s->n && names[i] == NULL);
}
#define NAMES(s, ...) check_names(s, (const char *const[]){ __VA_ARGS__, NULL })

static const struct fy_driver_value *
value(const struct fy_driver_value *v, size_t n, const char *key,
      const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].key, key) == 0 && strcmp(v[i].name, name) == 0)
			return &v[i];
	CHECK_STR(name, "a value that is there");
	exit(1);
}

static void
check_viostor(const struct fy_driver *d)
{
	const struct fy_driver_value *v;

	CHECK_STR(d->inf_name, "viostor.inf");
	CHECK_STR(d->class_name, "SCSIAdapter");
	CHECK_STR(d->class_guid, "{4D36E97B-E325-11CE-BFC1-08002BE10318}");
	CHECK_STR(d->provider, "Ironferry's test drivers");
	CHECK_STR(d->date, "01/02/2025");
	CHECK_STR(d->version, "100.100.10240.1");
	CHECK_STR(d->catalog, "viostor.cat");
	CHECK(d->boot && d->start == 0 && d->type == 1 && d->error == 1);
	CHECK_STR(d->service, "viostor");
	CHECK_STR(d->service_name, "VirtIO viostor service");
	CHECK_STR(d->binary, "viostor.sys");
	CHECK_STR(d->group, "SCSI miniport");
	CHECK(d->n_files == 3); /* no .pdb */
	CHECK(fy_driver_file_find(d, "VIOSTOR.INF") != NULL);
	CHECK(fy_driver_file_find(d, "viostor.cat") != NULL);
	CHECK(d->n_devices == 4);
	CHECK_STR(d->devices[0].hardware_id,
		  "PCI\\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00");
	CHECK_STR(d->devices[3].hardware_id, "PCI\\VEN_1AF4&DEV_1042");
	CHECK_STR(d->devices[3].description, "VirtIO viostor");
	CHECK_STR(d->devices[3].section, "Inst");
	v = value(d->values, d->n_values, "Parameters\\PnpInterface", "5");
	CHECK(v->type == FY_DRIVER_DWORD && v->len == 4 &&
	      fy_get_le32(v->data) == 1);
	v = value(d->values, d->n_values, "Parameters", "BusType");
	CHECK(fy_get_le32(v->data) == 1);
	CHECK(d->n_values == 2);
	v = value(d->device_values, d->n_device_values,
		  "Interrupt Management\\MessageSignaledInterruptProperties",
		  "MSISupported");
	CHECK(v->type == FY_DRIVER_DWORD && fy_get_le32(v->data) == 1);
	CHECK(d->n_device_values == 1);
}

static void
test_content(void)
{
	struct fy_driver_set s = { 0 };
	const struct fy_driver *d;

	pick("iso", &w10, &s);
	NAMES(&s, "balloon", "fwcfg", "netkvm", "pvpanic", "viogpudo", "viorng",
	      "vioscsi", "vioser", "viostor");
	check_viostor(fy_driver_set_find(&s, "viostor"));
	d = fy_driver_set_find(&s, "vioser");
	CHECK_STR(d->service, "VirtioSerial");
	CHECK_STR(d->origin, "vioserial/w10/amd64");
	CHECK(!d->boot && d->start == 3 && d->n_files == 3);
	CHECK_STR(s.guest_agent.name, "qemu-ga-x86_64.msi");
	CHECK(s.guest_agent.len == 14);
	fy_driver_set_release(&s);

	/* Co-installers; a display driver of its time; the one without a
	 * driver, where there is no better. */
	pick("iso", &w7, &s);
	NAMES(&s, "balloon", "netkvm", "pvpanic", "qemufwcfg", "viorng",
	      "vioscsi", "vioser", "viostor");
	d = fy_driver_set_find(&s, "viorng");
	CHECK(fy_driver_file_find(d, "wdfcoinstaller01009.dll") != NULL);
	CHECK(fy_driver_file_find(d, "viorngum.dll") != NULL);
	d = fy_driver_set_find(&s, "qemufwcfg");
	CHECK(d->service == NULL && d->binary == NULL && d->n_files == 2);
	CHECK(d->n_values == 0);
	fy_driver_set_release(&s);
	pick("iso", &(struct fy_windows_version){ 6, 3, 9600, false, "x86" },
	     &s);
	CHECK_STR(made_for(&s, "qxldod"), "w8.1 x86");
	CHECK_STR(s.guest_agent.name, "qemu-ga-i386.msi");
	fy_driver_set_release(&s);
}

/* --- fallbacks ------------------------------------------------------------- */

static void
test_fallback(void)
{
	static const struct row rows[] = {
		/* A server's, then a client's. */
		{ { 10, 0, 20348, true, "amd64" },
		  "2k19 amd64",
		  "2k19 amd64",
		  "2k19 amd64",
		  "no drivers for Windows Server 2022 (2k22)" },
		{ { 10, 0, 26100, false, "amd64" },
		  "w10 amd64",
		  "w10 amd64",
		  "w10 amd64",
		  "those for Windows 10 (w10) are taken: viostor, vioscsi" },
		{ { 10, 0, 14393, true, "amd64" },
		  "w10 amd64",
		  "w10 amd64",
		  "w10 amd64",
		  "w10" },
		{ { 10, 0, 22631, false, "arm64" },
		  "w10 ARM64",
		  "w10 ARM64",
		  "w10 ARM64",
		  "w10" },
		/* Of the same kernel, which is nothing to tell. */
		{ { 6, 1, 7601, false, "amd64" }, SAME("2k8R2 amd64") },
	};
	FY_AUTO(virtio_win) struct fy_virtio_win *w = NULL;
	struct fy_driver_set s = { 0 };
	struct fy_windows_version v = { 6, 1, 7601, false, "x86" };
	size_t i;

	MAKE("few", "--os", "2k8R2,w10,2k19", "--layout", "arch");
	w = open_tree("few");
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(w, &rows[i], "few");
	/* Nothing but newer ones. */
	CHECK(fy_virtio_win_pick(w, &v, &s, &err) == -1);
	CHECK(err.code == FY_E_NOTFOUND);
	CHECK(strstr(err.msg, "Windows 7 x86") != NULL);
	CHECK(strstr(err.msg, "2k8r2, w10, 2k19") != NULL ||
	      strstr(err.msg, "2k19") != NULL);
	fy_error_clear(&err);
	v.arch = "mips";
	CHECK(fy_virtio_win_pick(w, &v, &s, &err) == -1);
	CHECK(err.code == FY_E_NOTFOUND);
	fy_error_clear(&err);
}

/* INFs that name a version are believed, a folder that is too new as well. */
static void
test_decorated(void)
{
	static const struct row rows[] = {
		{ { 10, 0, 20348, true, "amd64" }, SAME("2k22 amd64") },
		{ { 10, 0, 19045, false, "amd64" },
		  "2k19 amd64",
		  "2k19 amd64",
		  "2k19 amd64",
		  "2k19" },
		{ { 10, 0, 26100, true, "amd64" },
		  "w11 amd64",
		  "w11 amd64",
		  "w11 amd64",
		  "w11" },
	};
	FY_AUTO(virtio_win) struct fy_virtio_win *w = NULL;
	struct fy_driver_set s = { 0 };
	size_t i;

	MAKE("deco", "--decorate", "--os", "w8,2k19,2k22,w11");
	w = open_tree("deco");
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(w, &rows[i], "deco");
	fy_virtio_win_close(fy_steal_ptr(&w));
	/* The folder's name says newer, the INF says that it fits. */
	RUN("mv", at("deco/viostor/w8/amd64"), at("deco/viostor/old"));
	RUN("rm", "-r", at("deco/viostor/2k19"), at("deco/amd64"),
	    at("deco/x86"), at("deco/viostor/w8"));
	RUN("sed", "-i", "s/NTamd64/NTamd64.6.2/",
	    at("deco/viostor/old/"
	       "viostor.inf"));
	RUN("mkdir", "-p", at("deco/viostor/w8.1"));
	RUN("mv", at("deco/viostor/old"), at("deco/viostor/w8.1/amd64"));
	w = open_tree("deco");
	CHECK_OK(fy_virtio_win_pick(w,
				    &(struct fy_windows_version){
					    6, 2, 9200, false, "amd64" },
				    &s, &err),
		 &err);
	CHECK_STR(made_for(&s, "viostor"), "w8 amd64");
	CHECK(warned(&s, "whose INF files allow it"));
	fy_driver_set_release(&s);
}

/* --- images ---------------------------------------------------------------- */

static void
check_same(const char *a, const char *b, const struct fy_windows_version *v)
{
	struct fy_driver_set sa = { 0 }, sb = { 0 };
	size_t i, j;

	pick(a, v, &sa);
	pick(b, v, &sb);
	CHECK(sa.n > 0 && sa.n == sb.n);
	for (i = 0; i < sa.n && i < sb.n; i++) {
		const struct fy_driver *d = &sa.drivers[i];

		CHECK_STR(sb.drivers[i].name, d->name);
		CHECK_STR(sb.drivers[i].origin, d->origin);
		CHECK(d->n_files == sb.drivers[i].n_files);
		for (j = 0; j < d->n_files; j++) {
			const struct fy_driver_file *f = fy_driver_file_find(
				&sb.drivers[i], d->files[j].name);

			CHECK(f != NULL && f->len == d->files[j].len &&
			      memcmp(f->data, d->files[j].data, f->len) == 0);
		}
	}
	CHECK(sa.guest_agent.len == sb.guest_agent.len);
	fy_driver_set_release(&sa);
	fy_driver_set_release(&sb);
}

static void
test_images(void)
{
	struct fy_virtio_win *w = NULL;
	struct fy_driver_set s = { 0 };
	struct stat st;

	RUN("xorriso", "-as", "mkisofs", "-quiet", "-J", "-joliet-long", "-R",
	    "-V", "virtio-win-0.1.999", "-o", at("vw.iso"), at("iso"));
	check_same("iso", "vw.iso", &w10);
	check_same("iso", "vw.iso", &w7);
	w = open_tree("vw.iso");
	CHECK(strncmp(fy_virtio_win_name(w), "virtio-win-0.1.999 (", 20) == 0);
	fy_virtio_win_close(w);

	/* Equal files are hard links there. */
	MAKE("linked", "--os", "w10", "--drivers", "viostor,vioscsi");
	RUN("rm", "-r", at("linked/amd64"));
	RUN("cp", "-al", at("linked/viostor"), at("linked/a-viostor"));
	RUN("xorriso", "-hardlinks", "on", "-outdev", at("linked.iso"), "-map",
	    at("linked"), "/");
	check_same("linked", "linked.iso", &w10);

	/* As a package installs it: an image in a directory without drivers,
	 * with a link beside. */
	RUN("mkdir", at("share"));
	RUN("mv", at("vw.iso"), at("share/virtio-win-0.1.999.iso"));
	RUN("ln", "-s", "virtio-win-0.1.999.iso", at("share/virtio-win.iso"));
	check_same("iso", "share", &w10);
	check_same("iso", "share/virtio-win.iso", &w10);

	/* Cut off: an error, not fewer drivers. */
	CHECK(stat(at("share/virtio-win.iso"), &st) == 0);
	CHECK(truncate(at("share/virtio-win.iso"), st.st_size / 2) == 0);
	w = NULL;
	if (fy_virtio_win_open(at("share/virtio-win.iso"), &w, &err) == 0) {
		CHECK(fy_virtio_win_pick(w, &w10, &s, &err) == -1);
		fy_virtio_win_close(w);
	}
	CHECK(err.code == FY_E_FORMAT);
	fy_error_clear(&err);
}

/* --- damage ---------------------------------------------------------------- */

static void
refused(const char *name, enum fy_error_code code)
{
	struct fy_virtio_win *w = NULL;

	CHECK(fy_virtio_win_open(at(name), &w, &err) == -1);
	if (err.code != code)
		CHECK_STR(err.msg, fy_error_name(code));
	fy_error_clear(&err);
}

static void
test_damage(void)
{
	FY_AUTO(virtio_win) struct fy_virtio_win *w = NULL;
	struct fy_driver_set s = { 0 };

	MAKE("bad", "--os", "w10,w11", "--layout", "rpm");
	RUN("rm", "-r", at("bad/drivers/by-os"));
	/* Not what the folder says. */
	RUN("cp", at("bad/drivers/by-driver/viostor/w11/ARM64/viostor.sys"),
	    at("bad/drivers/by-driver/viostor/w11/amd64/viostor.sys"));
	RUN("rm", at("bad/drivers/by-driver/vioscsi/w11/amd64/vioscsi.sys"));
	RUN("truncate", "-s", "100",
	    at("bad/drivers/by-driver/Balloon/w11/amd64/balloon.sys"));
	RUN("rm", at("bad/drivers/by-driver/vioserial/w11/amd64/vioser.cat"));
	RUN("truncate", "-s", "1100000",
	    at("bad/drivers/by-driver/viorng/w11/amd64/viorng.inf"));
	/* Links: one leads out, one stays inside. */
	RUN("rm", at("bad/drivers/by-driver/pvpanic/w11/amd64/pvpanic.sys"));
	RUN("ln", "-s", "/etc/hostname",
	    at("bad/drivers/by-driver/pvpanic/w11/amd64/pvpanic.sys"));
	RUN("mv", at("bad/drivers/by-driver/fwcfg/w11/amd64/fwcfg.sys"),
	    at("bad/drivers/by-driver/fwcfg/kept.sys"));
	RUN("ln", "-s", "../../kept.sys",
	    at("bad/drivers/by-driver/fwcfg/w11/amd64/fwcfg.sys"));
	RUN("ln", "-s", "..", at("bad/drivers/loop"));
	pick("bad", &w11, &s);
	CHECK_STR(made_for(&s, "viostor"), "w10 amd64");
	CHECK_STR(made_for(&s, "vioscsi"), "w10 amd64");
	CHECK_STR(made_for(&s, "balloon"), "w10 amd64");
	CHECK_STR(made_for(&s, "viorng"), "w10 amd64");
	CHECK_STR(made_for(&s, "pvpanic"), "w10 amd64");
	CHECK_STR(made_for(&s, "fwcfg"), "w11 amd64");
	CHECK_STR(made_for(&s, "vioser"), "w11 amd64");
	CHECK_STR(made_for(&s, "netkvm"), "w11 amd64");
	CHECK(warned(&s, "another architecture (0xaa64), not for amd64"));
	CHECK(warned(&s, "its file 'vioscsi.sys' is not there"));
	CHECK(warned(&s, "catalog 'vioser.cat' is not there"));
	CHECK(warned(&s, "more than 1 MiB") || warned(&s, "NUL"));
	CHECK(warned(&s, "link that leads out"));
	CHECK(warned(&s, "(w10) are taken: viostor, vioscsi, balloon"));
	if (test_failures > 0)
		show_warnings(&s);
	fy_driver_set_release(&s);

	/* No storage driver is left. */
	RUN("find", at("bad/drivers"), "-name", "vios*.sys", "-delete");
	w = open_tree("bad");
	CHECK(fy_virtio_win_pick(w, &w11, &s, &err) == -1 &&
	      err.code == FY_E_NOTFOUND);
	CHECK(strstr(err.msg, "is not there") != NULL);
	fy_error_clear(&err);

	refused("nothing", FY_E_NOTFOUND);
	RUN("mkdir", at("empty"));
	refused("empty", FY_E_UNSUPPORTED);
	refused("iso/virtio-win_license.txt", FY_E_FORMAT);
}

/* A program for a newer Windows in a folder that does not say whose. */
static void
test_untold(void)
{
	FY_AUTO(virtio_win) struct fy_virtio_win *w = NULL;
	struct fy_driver_set s = { 0 };

	MAKE("plain", "--os", "w11", "--drivers", "viostor,netkvm");
	RUN("mv", at("plain/viostor/w11/amd64"), at("plain/mine"));
	RUN("rm", "-r", at("plain/amd64"), at("plain/ARM64"),
	    at("plain/"
	       "viostor"));
	pick("plain", &w10, &s);
	CHECK_STR(made_for(&s, "viostor"), "w11 amd64");
	CHECK(fy_driver_set_find(&s, "netkvm") == NULL);
	CHECK(s.warnings.n == 1 && warned(&s, "no network driver"));
	fy_driver_set_release(&s);
	w = open_tree("plain");
	CHECK(fy_virtio_win_pick(w, &w7, &s, &err) == -1 &&
	      err.code == FY_E_NOTFOUND);
	CHECK(strstr(err.msg, "built for Windows 10.0") != NULL);
	fy_error_clear(&err);
}

static void
no_disk(const char *tree, const struct fy_windows_version *v, const char *says)
{
	FY_AUTO(virtio_win) struct fy_virtio_win *w = open_tree(tree);
	struct fy_driver_set s = { 0 };

	CHECK(fy_virtio_win_pick(w, v, &s, &err) == -1 &&
	      err.code == FY_E_NOTFOUND);
	if (strstr(err.msg, says) == NULL)
		CHECK_STR(err.msg, says);
	fy_error_clear(&err);
}

/* The device that the definition has must be served, not just any disk. */
static void
test_served(void)
{
	static const struct fy_windows_version xp = { 5, 1, 2600, false,
						      "x86" };
	static const struct fy_windows_version s2008 = { 6, 0, 6002, true,
							 "amd64" };
	struct fy_driver_set s = { 0 };

	MAKE("scsi", "--os", "w7,w10", "--drivers", "vioscsi,netkvm");
	no_disk("scsi", &w10, "no storage driver (viostor)");
	/* From before virtio 1.0. */
	MAKE("first", "--os", "xp,2k8,w7", "--virtio", "old");
	no_disk("first", &w7, "does not serve PCI\\VEN_1AF4&DEV_1042");
	pick("first", &xp, &s);
	CHECK_STR(made_for(&s, "viostor"), "xp x86");
	CHECK_STR(made_for(&s, "netkvm"), "xp x86");
	fy_driver_set_release(&s);
	pick("first", &s2008, &s);
	CHECK_STR(made_for(&s, "viostor"), "2k8 amd64");
	CHECK(!warned(&s, "network driver"));
	fy_driver_set_release(&s);
	/* Only virtio 1.0: not for a transitional device. */
	MAKE("second", "--os", "xp,w7", "--virtio", "new");
	no_disk("second", &xp, "does not serve PCI\\VEN_1AF4&DEV_1001");
	MAKE("mute", "--os", "w10", "--drivers", "viostor,vioscsi");
	pick("mute", &w10, &s);
	CHECK(warned(&s, "no network driver (netkvm)") &&
	      warned(&s, "e1000 instead of virtio"));
	fy_driver_set_release(&s);
}

static void
test_layouts(void)
{
	MAKE("rpm", "--layout", "rpm", "--drivers", "viostor,vioscsi,netkvm");
	check_all("rpm");
	RUN("rm", "-r", at("rpm/drivers/by-driver"));
	check_all("rpm");
	MAKE("arch", "--layout", "arch", "--no-agent", "--os", "2k22,w11");
	{
		struct fy_driver_set s = { 0 };

		pick("arch", &s2022, &s);
		CHECK_STR(made_for(&s, "viogpudo"), "2k22 amd64");
		CHECK(s.guest_agent.name == NULL && s.guest_agent.len == 0);
		fy_driver_set_release(&s);
	}
}

int
main(void)
{
	static const char *const needs[] = { "python3", "xorriso" };
	char path[512];
	size_t i;

	for (i = 0; i < sizeof(needs) / sizeof(*needs); i++)
		if (fy_subprocess_find(needs[i], path, sizeof(path)) == -1) {
			printf("needs %s\n", needs[i]);
			return 77;
		}
	CHECK_OK(fy_dir_temporary("virtio-win", &work, &err), &err);
	MAKE("iso", "--layout", "iso");
	check_all("iso");
	test_content();
	test_fallback();
	test_decorated();
	test_images();
	test_damage();
	test_untold();
	test_served();
	test_layouts();
	(void)fy_dir_remove_all_at(AT_FDCWD, work, &err);
	free(work);
	return test_result();
}
