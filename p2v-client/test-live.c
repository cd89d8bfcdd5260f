/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The live system: keys and options agree, URLs, precedence, disks, names. */
#include <stdlib.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/stop.h"
#include "p2v-client/live.h"
#include "p2v-client/options.h"
#include "p2v-client/test-tree.h"

struct fy_stop fy_client_stop = { .fd = -1 };

static struct fy_client_options o;
static struct fy_live l;

static void
begin(void)
{
	static char medium[512], run[512];

	memset(&o, 0, sizeof(o));
	snprintf(medium, sizeof(medium), "%s/medium", tree);
	snprintf(run, sizeof(run), "%s/run", tree);
	l = (struct fy_live){ .o = &o,
			      .medium = medium,
			      .run = run,
			      .sysroot = tree,
			      .boot_line = (char *)(uintptr_t) "",
			      .lock_fd = -1,
			      .console_fd = -1 };
}

static void
finish(void)
{
	fy_options_release(fy_client_convert_table, &o);
	fy_options_release(fy_client_common_table, &o);
	fy_options_release(fy_live_table, &o);
	fy_options_release(fy_live_key_table, &o);
	fy_strings_release(&l.problems);
}

static void
configure(const char *line)
{
	struct fy_error err = { 0 };

	l.boot_line = (char *)(uintptr_t)line;
	CHECK_OK(fy_live_configure(&l, &err), &err);
}

/* --- keys ------------------------------------------------------------------ */

/* The value that an option takes without complaint. */
static const char *
sample(const struct fy_option *opt)
{
	if (opt->type == FY_OPT_CHOICE)
		return opt->choices[0];
	return opt->type == FY_OPT_SIZE ? "4G" : "1";
}

static void
each_option_is_a_key(const struct fy_option *t)
{
	struct fy_strings problems = { 0 };
	struct fy_error err = { 0 };
	unsigned n = 0;

	for (; t->name != NULL; t++, n++) {
		fy_autofree char *line =
			fy_format(&err, "p2v.%s=%s", t->name, sample(t));

		CHECK_OK(fy_keys_from_command_line(&fy_live_keys, "line", line,
						   &o, &problems, &err),
			 &err);
		if (problems.n > 0)
			CHECK_STR(problems.items[0], "no problem");
		fy_strings_release(&problems);
	}
	CHECK(n > 10);
}

/* Each alias leads to an option or says what to use. */
static void
aliases(void)
{
	static const char *const virt_p2v[] = {
		"server=a",
		"remote.server=a",
		"port=22",
		"remote.port=22",
		"username=u",
		"auth.username=u",
		"password=p",
		"auth.password=p",
		"auth.identity.url=http://a/b",
		"identity=http://a/b",
		"name=n",
		"guestname=n",
		"vcpu.cores=2",
		"memory=2G",
		"disks=sda,sdb",
		"output.format=raw",
		"of=qcow2",
		"output.storage=/vms",
		"os=/vms",
		"pre=a",
		"post=a",
		"fail=a",
	};
	static const char *const refused[] = {
		"auth.sudo",
		"sudo",
		"vcpu.phys_topo",
		"cpu.vendor=Intel",
		"cpu.model=x",
		"cpu.acpi=1",
		"cpu.apic=1",
		"cpu.pae=1",
		"rtc.basis=utc",
		"rtc.offset=0",
		"removable=sr0",
		"interfaces=em1",
		"network_map=em1:a",
		"output.type=local",
		"o=local",
		"output.allocation=sparse",
		"oa=sparse",
		"output.connection=x",
		"oc=x",
		"output.misc=x",
		"oo=x",
		"skip_test_connection",
		"dump_config_and_exit",
		"language=de",
	};
	struct fy_strings problems = { 0 };
	struct fy_error err = { 0 };
	char line[128];
	size_t i;

	for (i = 0; i < sizeof(virt_p2v) / sizeof(virt_p2v[0]); i++) {
		snprintf(line, sizeof(line), "p2v.%s", virt_p2v[i]);
		CHECK_OK(fy_keys_from_command_line(&fy_live_keys, "line", line,
						   &o, &problems, &err),
			 &err);
		CHECK(problems.n == 0);
	}
	CHECK(o.disks.n == 2 && o.vcpus == 2 && o.format == 0);
	CHECK(o.memory_bytes == 2 * FY_GIB);
	CHECK_STR(o.to, "/vms");
	CHECK_STR(o.name, "n");
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		snprintf(line, sizeof(line), "p2v.%s", refused[i]);
		CHECK_OK(fy_keys_from_command_line(&fy_live_keys, "line", line,
						   &o, &problems, &err),
			 &err);
		CHECK(problems.n == 1);
		if (problems.n == 1)
			CHECK(strstr(problems.items[0], "there is no such") ==
			      NULL);
		fy_strings_release(&problems);
	}
}

/* --- URLs ------------------------------------------------------------------ */

static void
url_is(const char *line, const char *url, const char *want)
{
	fy_autofree char *got = NULL;
	struct fy_error err = { 0 };

	CHECK_OK(fy_live_expand_url(tree, line, url, &got, &err), &err);
	CHECK_STR(got, want);
}

static void
url_fails(const char *url, enum fy_error_code code)
{
	fy_autofree char *got = NULL;
	struct fy_error err = { 0 };

	CHECK(fy_live_expand_url(tree, "", url, &got, &err) == -1);
	CHECK(err.code == code);
}

static void
urls(void)
{
	tree_text("/sys/class/dmi/id/product_serial", "AB/12 3?&=#\n");
	tree_text("/sys/class/dmi/id/product_uuid",
		  "4c4c4544-0042-3510-8052-b7c04f4a4d32\n");
	tree_text("/sys/class/net/lo/address", "00:00:00:00:00:00\n");
	tree_text("/sys/class/net/lo/carrier", "1\n");
	tree_text("/sys/class/net/eth0/address", "52:54:00:AA:00:01\n");
	tree_text("/sys/class/net/eth0/carrier", "0\n");
	tree_dir("/sys/class/net/eth0/device");
	tree_text("/sys/class/net/eth1/address", "52:54:00:aa:00:02\n");
	tree_text("/sys/class/net/eth1/carrier", "1\n");
	tree_dir("/sys/class/net/eth1/device");

	url_is("", "http://a/x.conf", "http://a/x.conf");
	url_is("", "http://a/{uuid}.conf",
	       "http://a/4c4c4544-0042-3510-8052-b7c04f4a4d32.conf");
	url_is("", "{serial}", "AB%2F12%203%3F%26%3D%23");
	url_is("", "tftp://a/{mac}/{mac}",
	       "tftp://a/52-54-00-aa-00-02/52-54-00-aa-00-02");
	url_is("quiet BOOTIF=01-52-54-00-AA-00-09 x", "{mac}",
	       "52-54-00-aa-00-09");
	url_fails("http://a/{asset}", FY_E_NOTFOUND);
	url_fails("http://a/{name}", FY_E_USAGE);
	url_fails("http://a/{serial", FY_E_USAGE);
}

/* --- precedence ------------------------------------------------------------ */

static unsigned
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 0777u : 0;
}

static void
precedence(void)
{
	begin();
	tree_text("/medium/ironferry/p2v.conf",
		  "server=medium\nname=medium\nto=medium\nvcpus=1\n"
		  "disks=sda,sdb\nconfig=medium:more.conf\n");
	tree_text("/medium/more.conf",
		  "p2v.name=url\np2v.vcpus=2\np2v.config=medium:third.conf\n"
		  "p2v.disks=sdc\n");
	tree_text("/medium/third.conf", "p2v.name=third\n");
	tree_text("/medium/ironferry/id_ed25519", "PRIVATE\n");
	tree_text("/medium/ironferry/id_ed25519.pub", "PUBLIC\n");
	tree_text("/medium/ironferry/known_hosts", "host key\n");
	tree_text("/run/x", "");
	configure("quiet p2v.vcpus=3");
	CHECK(l.problems.n == 0);
	CHECK_STR(o.server, "medium");
	CHECK_STR(o.name, "url");
	CHECK_STR(o.to, "medium");
	CHECK(o.vcpus == 3);
	CHECK(o.disks.n == 1);
	CHECK(o.identity != NULL && strstr(o.identity, "/run/id_ed25519"));
	CHECK(mode_of(o.identity) == 0600);
	CHECK(strstr(o.known_hosts, "/run/known_hosts") != NULL);
	CHECK(mode_of(o.known_hosts) == 0600);
	finish();

	/* An URL on the command line; a key of its own; virt-p2v's server. */
	begin();
	tree_text("/medium/key", "ANOTHER\n");
	configure("p2v.config=medium:third.conf p2v.identity=medium:key "
		  "p2v.server=s p2v.port=2222 p2v.username=u p2v.disks=sdx");
	CHECK(l.problems.n == 0);
	CHECK_STR(o.name, "third");
	CHECK_STR(o.server, "u@s:2222");
	CHECK(o.disks.n == 1);
	CHECK_STR(o.disks.items[0], "sdx");
	CHECK(strstr(o.identity, "/run/identity") != NULL);
	CHECK(mode_of(o.identity) == 0600);
	finish();

	/* What is wrong is told, not fatal. */
	begin();
	configure("p2v.config=medium:none.conf p2v.foo=1 p2v.name=a");
	CHECK(l.problems.n == 2);
	CHECK_STR(o.name, "a");
	finish();
	begin();
	configure("p2v.config=gopher://x/ p2v.identity=medium:../x");
	CHECK(l.problems.n == 2);
	finish();
}

/* --- disks and names ------------------------------------------------------- */

static struct fy_inventory *
disks(void)
{
	static const struct {
		const char *name, *path, *serial, *wwn, *bus;
		bool boot, removable, busy;
	} all[] = {
		{ "sda", "/dev/sda", "SER1", "0x5000c500a", "sata", false,
		  false, false },
		{ "sdb", "/dev/sdb", "SER2", NULL, "usb", false, false, false },
		{ "sdc", "/dev/sdc", "SER3", NULL, "sata", false, false, true },
		{ "sdd", "/dev/sdd", "SER3", NULL, "scsi", false, true, false },
		{ "nvme0n1", "/dev/nvme0n1", "N1", "eui.0025", "nvme", true,
		  false, false },
		{ "sde", "/dev/sde", "T", NULL, "sata", false, false, false },
	};
	struct fy_inventory *inv = calloc(1, sizeof(*inv));
	struct fy_error err = { 0 };
	size_t i, n = sizeof(all) / sizeof(all[0]);

	inv->machine = fy_machine_new(&err);
	inv->disks = calloc(n, sizeof(*inv->disks));
	for (i = 0; i < n; i++) {
		struct fy_machine_disk *d =
			fy_machine_add_disk(inv->machine, &err);

		d->path = strdup(all[i].path);
		d->serial = strdup(all[i].serial);
		d->wwn = all[i].wwn != NULL ? strdup(all[i].wwn) : NULL;
		d->bus = strdup(all[i].bus);
		d->boot = all[i].boot;
		inv->disks[i].kernel_name = strdup(all[i].name);
		inv->disks[i].removable = all[i].removable;
		inv->disks[i].in_use =
			all[i].busy ? strdup("mounted on /") : NULL;
	}
	return inv;
}

static void
chosen(const struct fy_inventory *inv, const char *words, const char *want,
       enum fy_error_code code)
{
	struct fy_strings w = { 0 }, got = { 0 };
	struct fy_error err = { 0 };
	char list[256] = "", copy[128], *word, *rest = NULL;
	size_t i, used = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest))
		CHECK_OK(fy_strings_add(&w, word, &err), &err);
	CHECK(fy_live_choose_disks(&l, inv, &w, &got, &err) ==
	      (code == FY_E_NONE ? 0 : -1));
	CHECK(err.code == code);
	for (i = 0; code == FY_E_NONE && i < got.n; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 "%s%s", i > 0 ? "," : "",
					 got.items[i]);
	if (code == FY_E_NONE)
		CHECK_STR(list, want);
	fy_strings_release(&w);
	fy_strings_release(&got);
}

static void
choosing(void)
{
	struct fy_inventory *inv = disks();

	begin();
	tree_text("/sys/class/block/sde/size", "8\n");
	tree_text("/run/targets", "/dev/sde\n");
	tree_text("/run/medium-device", "/dev/sdf\n");
	chosen(inv, "", "/dev/nvme0n1,/dev/sda", FY_E_NONE);
	chosen(inv, "all", "/dev/nvme0n1,/dev/sda", FY_E_NONE);
	chosen(inv, "sda,nvme0n1", "/dev/sda,/dev/nvme0n1", FY_E_NONE);
	chosen(inv, "SER2", "/dev/sdb", FY_E_NONE);
	chosen(inv, "wwn-0x5000C500A,nvme-eui.0025", "/dev/sda,/dev/nvme0n1",
	       FY_E_NONE);
	chosen(inv, "/some/image", "/some/image", FY_E_NONE);
	chosen(inv, "SER3", NULL, FY_E_USAGE);
	chosen(inv, "all,sda", NULL, FY_E_USAGE);
	chosen(inv, "nothing", NULL, FY_E_NOTFOUND);
	fy_inventory_free(inv);
	finish();
}

static void
name_is(const char *hostname, const char *serial, const char *want)
{
	struct fy_error err = { 0 };
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	fy_autofree char *got = NULL;

	if (hostname != NULL) {
		struct fy_machine_system *s = fy_machine_add_system(m, &err);

		s->hostname = strdup(hostname);
	}
	m->serial = serial != NULL ? strdup(serial) : NULL;
	got = fy_live_name(m, &err);
	if (want == NULL)
		CHECK(got == NULL && err.code == FY_E_USAGE);
	else
		CHECK_STR(got, want);
}

static void
names(void)
{
	name_is("web01.example.org", "S", "web01");
	name_is("localhost.localdomain", "7XK/ 12", "7XK--12");
	name_is(NULL, "..Z9-", "Z9");
	name_is("we\xc3\xa9"
		"b",
		NULL, "we--b");
	name_is(NULL, NULL, NULL);
	name_is("...", "///", NULL);
}

int
main(void)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_stop_init(&fy_client_stop, &err), &err);
	tree_new();
	begin();
	each_option_is_a_key(fy_client_convert_table);
	each_option_is_a_key(fy_client_common_table);
	each_option_is_a_key(fy_live_key_table);
	finish();
	begin();
	aliases();
	finish();
	urls();
	precedence();
	choosing();
	names();
	tree_free();
	fy_stop_release(&fy_client_stop);
	return test_result();
}
