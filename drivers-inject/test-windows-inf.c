/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * INF files: the text with its quotes, comments, joined lines and encodings;
 * the choice among decorations; and what drivers of several shapes install.
 */
#include "common/test.h"

#include <stdlib.h>

#include "common/bytes.h"
#include "drivers-inject/windows-inf.h"

static struct fy_error err;

static struct fy_inf *
parse(const char *text)
{
	struct fy_inf *inf = NULL;

	fy_error_clear(&err);
	CHECK_OK(fy_inf_parse(text, strlen(text), &inf, &err), &err);
	return inf;
}

static void
refused(const void *data, size_t len, const char *says)
{
	struct fy_inf *inf = NULL;

	fy_error_clear(&err);
	CHECK(fy_inf_parse(data, len, &inf, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	if (strstr(err.msg, says) == NULL)
		CHECK_STR(err.msg, says);
	fy_error_clear(&err);
}

/* --- text ------------------------------------------------------------------ */

static void
test_lines(void)
{
	struct fy_inf *inf = parse("; before\r\n"
				   "[One] ; behind\r\n"
				   "a = b , \"c, ; d\" ,e f  , \" g \"\r\n"
				   "  k=\"say \"\"hi\"\"\"x\r\n"
				   "plain,,last,\r\n"
				   "HKR,,v,0,a=b\r\n"
				   "\r\n"
				   "joined = 1, \\  ; goes on\r\n"
				   "   2, \\\n"
				   "   3\n"
				   "path = C:\\x\\y,\"z\\\"\n"
				   "open = \"never closed\n"
				   "\"\"\n"
				   "[ONE]\n"
				   "a = second\n"
				   "[Empty]\n"
				   "\x1a[After]\nx=y\n");
	const struct fy_inf_section *s;
	const struct fy_inf_line *l;
	size_t at = 0;

	s = fy_inf_section(inf, "oNe");
	CHECK(s != NULL && s->n == 9);
	if (s == NULL || s->n != 9)
		exit(1);
	CHECK_STR(s->lines[0].key, "a");
	CHECK(s->lines[0].n == 4);
	CHECK_STR(s->lines[0].values[0], "b");
	CHECK_STR(s->lines[0].values[1], "c, ; d");
	CHECK_STR(s->lines[0].values[2], "e f");
	CHECK_STR(s->lines[0].values[3], " g ");
	CHECK_STR(s->lines[1].values[0], "say \"hi\"x");
	CHECK(s->lines[2].key == NULL && s->lines[2].n == 4);
	CHECK_STR(s->lines[2].values[1], "");
	CHECK_STR(s->lines[2].values[2], "last");
	CHECK(s->lines[3].key == NULL);
	CHECK_STR(s->lines[3].values[4], "a=b");
	CHECK(s->lines[4].n == 3);
	CHECK_STR(s->lines[4].values[2], "3");
	CHECK_STR(s->lines[5].values[0], "C:\\x\\y");
	CHECK_STR(s->lines[5].values[1], "z\\");
	CHECK_STR(s->lines[6].values[0], "never closed");
	CHECK(s->lines[7].n == 1 && *s->lines[7].values[0] == '\0');
	l = fy_inf_next(s, "A", &at);
	CHECK(l == &s->lines[0]);
	l = fy_inf_next(s, "A", &at);
	CHECK(l == &s->lines[8]);
	CHECK(fy_inf_next(s, "A", &at) == NULL);
	CHECK_STR(fy_inf_value(inf, "one", "joined"), "1");
	CHECK(fy_inf_section(inf, "Empty") != NULL);
	CHECK(fy_inf_section(inf, "After") == NULL);
	CHECK_STR(fy_inf_field(&s->lines[2], 9), "");
	fy_inf_free(inf);
}

static void
test_strings(void)
{
	struct fy_inf *inf =
		parse("[Version]\nProvider=%Who%\nx=%missing%,%12%\\a.sys,\"%%"
		      "Root%%\","
		      "50%\ny=pre%WHO%post,%%%Who%\n"
		      "[%Sec%]\n%Key% = %two.words%\n"
		      "[Strings]\nWho=\"Generic\"\nsec = Named\nkey=\"k\"\n"
		      "[Strings.0407]\nWho=\"Deutsch\"\nonly=\"da\"\n"
		      "two.words=\"zwei\"\n"
		      "[strings.0409]\nWho=\"English\"\nWho=\"again\"\n"
		      "[More]\nz=%only%\n");
	size_t at = 0;
	const struct fy_inf_line *l =
		fy_inf_next(fy_inf_section(inf, "version"), "x", &at);

	CHECK_STR(fy_inf_value(inf, "Version", "Provider"), "English");
	CHECK_STR(fy_inf_field(l, 0), "%missing%");
	CHECK_STR(fy_inf_field(l, 1), "%12%\\a.sys");
	CHECK_STR(fy_inf_field(l, 2), "%Root%");
	CHECK_STR(fy_inf_field(l, 3), "50%");
	CHECK_STR(fy_inf_value(inf, "Version", "y"), "preEnglishpost");
	CHECK_STR(fy_inf_value(inf, "Named", "K"), "zwei");
	CHECK_STR(fy_inf_value(inf, "More", "z"), "da");
	fy_inf_free(inf);
}

static void
check_decoded(const void *data, size_t len, const char *want)
{
	struct fy_inf *inf = NULL;

	CHECK_OK(fy_inf_parse(data, len, &inf, &err), &err);
	if (inf != NULL)
		CHECK_STR(fy_inf_value(inf, "V", "p"), want);
	fy_inf_free(inf);
}

static void
test_encodings(void)
{
	static const unsigned char surrogates[] = {
		0xff, 0xfe, '[', 0,   'V', 0,	']',  0,   '\n', 0,    'p',
		0,    '=',  0,	 'a', 0,   'x', 0xd8, '=', 0xd8, 0x00, 0xde,
	};
	static const char plain[] = "[V]\r\np=M\xc3\xbcller \xe2\x82\xac\r\n";
	unsigned char wide[2 + 2 * sizeof(plain)];
	const char *s;
	size_t n = 2;

	check_decoded(plain, sizeof(plain) - 1, "M\xc3\xbcller \xe2\x82\xac");
	check_decoded("\xef\xbb\xbf[V]\np=x", 10, "x");
	/* Not UTF-8: Windows' ANSI. */
	check_decoded("[V]\np=M\xfcller \x80", 14,
		      "M\xc3\xbcller \xe2\x82\xac");
	wide[0] = 0xff;
	wide[1] = 0xfe;
	for (s = "[V]\r\np=M\xfcller\r\n"; *s != '\0'; s++) {
		wide[n++] = (unsigned char)*s;
		wide[n++] = 0;
	}
	check_decoded(wide, n, "M\xc3\xbcller");
	check_decoded(wide + 2, n - 2, "M\xc3\xbcller"); /* no mark */
	/* A pair, and one without its half. */
	check_decoded(surrogates, sizeof(surrogates),
		      "a\xef\xbf\xbd\xf0\x9f\x98\x80");
	refused("[V]\np=a\0b\n", 10, "NUL");
}

static void
test_limits(void)
{
	size_t len = FY_INF_MAX + 1, i;
	char *big = malloc(len);
	char *to = big;

	if (big == NULL)
		exit(1);
	memset(big, ' ', len);
	refused(big, len, "more than 1 MiB");
	/* Each mention of a long string. */
	to += snprintf(to, 200000, "[Strings]\na=\"%0100000d\"\n[S]\n", 7);
	for (i = 0; i < 200000; i++)
		to += snprintf(to, 5, "%%a%%,");
	refused(big, (size_t)(to - big), "unfolds");
	memset(big, ',', FY_INF_MAX);
	memcpy(big, "[S]\n", 4);
	refused(big, FY_INF_MAX, "unfolds");
	for (to = big, i = 0; i < 20000; i++)
		to += snprintf(to, 20, "[s%zu]\n", i);
	refused(big, (size_t)(to - big), "sections");
	refused("x=y\n[V]\n", 8, "first section");
	refused("[V\nx=y\n", 7, "']'");
	free(big);
}

/* --- decorations ----------------------------------------------------------- */

static const struct fy_inf_target xp = { FY_INF_X86, 5, 1, 2600, 1, 0 };
static const struct fy_inf_target w7 = { FY_INF_AMD64, 6, 1, 7601, 1, 0 };
static const struct fy_inf_target w7x86 = { FY_INF_X86, 6, 1, 7601, 1, 0 };
static const struct fy_inf_target s2012 = { FY_INF_AMD64, 6, 2, 9200, 3, 0x10 };
static const struct fy_inf_target w10 = { FY_INF_AMD64, 10, 0, 19045, 1, 0 };
static const struct fy_inf_target w11 = { FY_INF_AMD64, 10, 0, 26100, 1, 0 };
static const struct fy_inf_target arm = { FY_INF_ARM64, 10, 0, 22631, 1, 0 };

static void
test_decorations(void)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ "NT", true },		{ "ntAMD64", true },
		{ "NTx86.6.1", true },	{ "NTamd64.10.0...16299", true },
		{ "NT....0x80", true }, { "NT.0x6.1.0x0000003", true },
		{ "NTIA64.5.2", true }, { "", false },
		{ "WIN", false },	{ "NTfoo", false },
		{ "NT.x", false },	{ "NT.1.2.3.4.5.6", false },
		{ "NT.-1", false },	{ "NT.99999999999", false },
	};
	struct fy_inf_decoration d;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (fy_inf_decoration_parse(rows[i].text, &d) != rows[i].ok)
			CHECK_STR(rows[i].text, "judged otherwise");
	CHECK(fy_inf_decoration_parse("NTamd64.10.0...16299", &d));
	CHECK(d.arch == FY_INF_AMD64 && d.major == 10 && d.minor == 0 &&
	      d.product == 0 && d.suites == 0 && d.build == 16299);
	CHECK(fy_inf_decoration_parse("NT....0x80", &d));
	CHECK(d.arch == FY_INF_ANY && d.suites == 0x80 && d.build == 0);
}

struct choice {
	const char *decorations; /* of [Manufacturer], with the comma */
	const struct fy_inf_target *target;
	const char *want; /* the chosen one; "" undecorated, NULL none */
};

static const struct choice choices[] = {
	{ "", &xp, "" },
	{ "", &w7, NULL }, /* other than x86 wants a decoration */
	{ ",NTamd64", &xp, "" },
	{ ",NTamd64", &w7, "NTamd64" },
	{ ",NTx86,NTamd64,NTarm64", &w11, "NTamd64" },
	{ ",NTx86,NTamd64,NTarm64", &arm, "NTarm64" },
	{ ",NTx86", &w10, NULL },
	{ ",NTia64", &w10, NULL },
	{ ",NT", &w7, "NT" },
	{ ",NT,NTx86", &xp, "NTx86" },
	/* the highest version that is not above */
	{ ",NTamd64,NTamd64.6.1,NTamd64.6.2,NTamd64.10.0", &w7, "NTamd64.6.1" },
	{ ",NTamd64.10.0,NTamd64.6.2,NTamd64.6.1", &s2012, "NTamd64.6.2" },
	{ ",NTamd64.6.0,NTamd64.6.3", &w10, "NTamd64.6.3" },
	{ ",NTamd64.6.2", &w7, NULL },
	{ ",NTx86.6.2", &w7x86, "" },
	/* a version counts more than an architecture */
	{ ",NTx86.6.0,NT.6.1", &w7x86, "NT.6.1" },
	{ ",NT.6.1,NTamd64.6.1", &w7, "NTamd64.6.1" },
	/* builds */
	{ ",NTamd64.10.0,NTamd64.10.0...22000", &w10, "NTamd64.10.0" },
	{ ",NTamd64.10.0,NTamd64.10.0...22000", &w11, "NTamd64.10.0...22000" },
	{ ",NTamd64.10.0...16299,NTamd64.10.0...22000", &w10,
	  "NTamd64.10.0...16299" },
	{ ",NTamd64.10.0...26200", &w11, NULL },
	/* product types and suites */
	{ ",NTamd64.6.1,NTamd64.6.1.3", &w7, "NTamd64.6.1" },
	{ ",NTamd64.6.1,NTamd64.6.1.3", &s2012, "NTamd64.6.1.3" },
	{ ",NT,NT.5,NT.5.5,NT....0x80", &xp, "NT.5" },
	{ ",NTamd64,NTamd64....0x10", &s2012, "NTamd64....0x10" },
	{ ",NTamd64,NTamd64....0x10", &w7, "NTamd64" },
	{ ",NTamd64....0x90", &s2012, NULL },
	/* what is none is passed over */
	{ ",bogus,NTamd64", &w7, "NTamd64" },
};

static void
check_choice(const struct choice *c)
{
	char text[1024], section[80];
	struct fy_inf_models models;
	struct fy_inf *inf;
	const char *p, *was = NULL;
	int n;

	n = snprintf(text, sizeof(text),
		     "[Manufacturer]\n%%M%%=Mods%s\n[Mods]\nd=i,ID-\n",
		     c->decorations);
	for (p = c->decorations; *p == ','; p += strlen(section) + 1) {
		snprintf(section, sizeof(section), "%.*s",
			 (int)strcspn(p + 1, ","), p + 1);
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "[Mods.%s]\nd=i,ID-%s\n", section, section);
	}
	inf = parse(text);
	CHECK_OK(fy_inf_models(inf, c->target, &models, &err), &err);
	if (models.n > 0)
		was = models.items[0].ids[0] + 3;
	if (!fy_streq(was, c->want)) {
		fprintf(stderr, "'%s': ", c->decorations);
		CHECK_STR(was, c->want == NULL ? "(none)" : c->want);
	} else {
		test_checks++;
	}
	fy_inf_free(inf);
}

/* --- drivers --------------------------------------------------------------- */

/* A storage driver: boot start, an event log, values of service and device. */
static const char storage[] =
	"[Version]\n"
	"Signature = \"$Windows NT$\"\n"
	"Class = SCSIAdapter\n"
	"ClassGUID = {4D36E97B-E325-11CE-BFC1-08002BE10318}\n"
	"Provider = %Maker%\n"
	"DriverVer = 07/02/2025,100.102.104.28500 ; stamped\n"
	"CatalogFile.NTx86 = blk32.cat\n"
	"CatalogFile = blk.cat\n"
	"DriverPackageType = PlugAndPlay\n"
	"[SourceDisksNames]\n1 = %Disk%,,,\"\"\n2 = %Disk%,,,\"\\extra\\\"\n"
	"[SourceDisksFiles]\nblk.sys = 1,,\nblkhelp.dll = 2,lib\\x\n"
	"[SourceDisksFiles.x86]\nblk.sys = 1,i386\n"
	"[DestinationDirs]\nDefaultDestDir = 11\nBlk_Files = 13\n"
	"Help_Files = 11,deep\\er\n"
	"[Manufacturer]\n%Maker% = Blk,NTx86,NTamd64.10.0,NTamd64\n"
	"[Blk.NTx86]\n%Dev% = blk_inst, PCI\\VEN_1AF4&DEV_1001\n"
	"[Blk.NTamd64]\n%Dev% = blk_inst, PCI\\VEN_1AF4&DEV_1001\n"
	"[Blk.NTamd64.10.0]\n"
	"%Dev% = blk_inst, PCI\\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00, "
	"PCI\\VEN_1AF4&DEV_1001\n"
	"%Dev% = blk_inst, PCI\\VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01, "
	"PCI\\VEN_1AF4&DEV_1042\n"
	"[Blk_Files]\nblk.sys,,,2\n"
	"[Help_Files]\nrenamed.dll,blkhelp.dll\n"
	"[blk_inst]\nCopyFiles = Blk_Files, Help_Files, @blkhelp.dll\n"
	"Include = pci.inf, machine.inf\nNeeds = PCI_X\n"
	"[blk_inst.Services]\n"
	"AddService = blk, 0x00000002 , blk_Svc, blk_Log\n"
	"[blk_Svc]\n"
	"DisplayName = %Dev%\nServiceType = %KERNEL%\nStartType = %BOOT%\n"
	"ErrorControl = 1\nServiceBinary = %13%\\blk.sys\n"
	"LoadOrderGroup = SCSI miniport\nDependencies = a,+b\n"
	"AddReg = blk_params\n"
	"[blk_params]\n"
	"HKR, \"Parameters\\PnpInterface\", \"5\", %REG_DWORD%, 0x00000001\n"
	"HKR, Parameters, BusType, %REG_DWORD%, 0x0000000A\n"
	"HKR,,Path,%REG_EXPAND_SZ%,\"%%SystemRoot%%\\x\"\n"
	"HKR,,Text,,plain\n"
	"HKR,,Many,0x00010000,one,\"tw,o\",\n"
	"HKR,,Bin,1,de,AD,0\n"
	"HKR,,Wide,0x00010001,1,2,3,4\n"
	"HKR,,Quad,0x000B0001,1,0,0,0,0,0,0,0\n"
	"HKR,,Minus,0x00010001,-1\n"
	"HKR,,None,0x00020001\n"
	"HKR,,Keep,0x00010003,5\n"
	"[blk_inst.HW]\nAddReg = blk_msi\n"
	"[blk_msi]\n"
	"HKR, \"Interrupt Management\",, 0x00000010\n"
	"HKR, \"Interrupt Management\\MSI\", MSISupported, 0x00010001, 1\n"
	"[blk_Log]\nAddReg = nothing_that_is_read\n"
	"[Strings]\nMaker=\"Example\"\nDisk=\"Disk\"\nDev=\"Block "
	"\"\"device\"\"\"\n"
	"KERNEL=1\nBOOT=0x0\nREG_DWORD=0x00010001\nREG_EXPAND_SZ=0x00020000\n";

static void
check_reg(const struct fy_inf_regs *regs, const char *subkey, const char *name,
	  uint32_t type, const void *data, size_t len)
{
	size_t i;

	for (i = 0; i < regs->n; i++) {
		const struct fy_inf_reg *r = &regs->items[i];

		if (strcmp(r->subkey, subkey) != 0 ||
		    strcmp(r->name, name) != 0)
			continue;
		CHECK_STR(r->root, "HKR");
		CHECK(r->type == type);
		CHECK(r->len == len);
		CHECK(r->len != len || memcmp(r->data, data, len) == 0);
		return;
	}
	CHECK_STR(name, "a value that is there");
}

static void
check_service(const struct fy_inf_service *s)
{
	const struct fy_inf_regs *r = &s->regs;

	CHECK_STR(s->name, "blk");
	CHECK_STR(s->display_name, "Block \"device\"");
	CHECK(s->type == 1 && s->start == 0 && s->error_control == 1);
	CHECK_STR(s->group, "SCSI miniport");
	CHECK_STR(s->binary, "%13%\\blk.sys");
	CHECK(s->binary_dirid == 13);
	CHECK_STR(s->binary_tail, "blk.sys");
	CHECK(s->n_dependencies == 2);
	CHECK(r->n == 11);
	check_reg(r, "Parameters\\PnpInterface", "5", 4, "\1\0\0\0", 4);
	check_reg(r, "Parameters", "BusType", 4, "\12\0\0\0", 4);
	check_reg(r, "", "Path", 2, "%SystemRoot%\\x", 15);
	check_reg(r, "", "Text", 1, "plain", 6);
	check_reg(r, "", "Many", 7, "one\0tw,o", 9);
	check_reg(r, "", "Bin", 3, "\xde\xad\0", 3);
	check_reg(r, "", "Wide", 4, "\1\2\3\4", 4);
	check_reg(r, "", "Quad", 11, "\1\0\0\0\0\0\0\0", 8);
	check_reg(r, "", "Minus", 4, "\xff\xff\xff\xff", 4);
	check_reg(r, "", "None", 0, "", 0);
	check_reg(r, "", "Keep", 4, "\5\0\0\0", 4);
}

static void
test_storage(void)
{
	struct fy_inf *inf = parse(storage);
	struct fy_inf_version v = { 0 };
	struct fy_inf_models m = { 0 };
	struct fy_inf_install in = { 0 };
	const struct fy_inf_service *s;

	CHECK_OK(fy_inf_version(inf, FY_INF_AMD64, &v, &err), &err);
	CHECK_STR(v.class_name, "SCSIAdapter");
	CHECK_STR(v.provider, "Example");
	CHECK_STR(v.catalog, "blk.cat");
	CHECK_STR(v.date, "07/02/2025");
	CHECK_STR(v.version, "100.102.104.28500");
	CHECK_STR(v.package_type, "PlugAndPlay");
	CHECK_OK(fy_inf_version(inf, FY_INF_X86, &v, &err), &err);
	CHECK_STR(v.catalog, "blk32.cat");
	CHECK(fy_inf_version_number("100.102.104.28500") >
	      fy_inf_version_number("100.99.104.99999"));
	CHECK(fy_inf_version_number("") == 0);
	CHECK(fy_inf_version_number("1") == fy_inf_version_number("1.0.0.0"));

	CHECK_OK(fy_inf_models(inf, &w11, &m, &err), &err);
	CHECK(m.n == 2 && m.items[0].n_ids == 2);
	CHECK_STR(m.items[1].ids[1], "PCI\\VEN_1AF4&DEV_1042");
	CHECK_STR(m.items[0].manufacturer, "Example");
	CHECK(m.items[0].decoration.major == 10);
	CHECK_OK(fy_inf_install(inf, &w11, &m.items[0], &in, &err), &err);
	CHECK_STR(in.section, "blk_inst");
	CHECK(in.n_files == 3 && in.n_includes == 2);
	CHECK_STR(in.files[0].name, "blk.sys");
	CHECK_STR(in.files[0].source, "blk.sys");
	CHECK(in.files[0].dirid == 13);
	CHECK_STR(in.files[1].name, "renamed.dll");
	CHECK_STR(in.files[1].source, "extra/lib/x/blkhelp.dll");
	CHECK(in.files[1].dirid == 11);
	CHECK_STR(in.files[1].subdir, "deep\\er");
	CHECK_STR(in.files[2].name, "blkhelp.dll");
	CHECK(in.files[2].dirid == 11);
	CHECK(in.hardware.n == 2 && in.hardware.items[0].key_only);
	check_reg(&in.hardware, "Interrupt Management\\MSI", "MSISupported", 4,
		  "\1\0\0\0", 4);
	s = fy_inf_device_service(&in);
	CHECK(s != NULL);
	if (s != NULL)
		check_service(s);

	CHECK_OK(fy_inf_models(inf, &xp, &m, &err), &err);
	CHECK_OK(fy_inf_install(inf, &xp, &m.items[0], &in, &err), &err);
	CHECK_STR(in.files[0].source, "i386/blk.sys");
	fy_inf_free(inf);
}

/* .NT and .NTarch sections, co-installers, several CopyFiles lines. */
static void
test_suffixes(void)
{
	struct fy_inf *inf =
		parse("[Version]\nSignature=\"$WINDOWS NT$\"\n"
		      "[DestinationDirs]\nDefaultDestDir=12\nCo=11\n"
		      "[Manufacturer]\nm=Std,NTx86,NTamd64\n"
		      "[Std.NTx86]\nd=Dev,ACPI\\QEMU0001\n"
		      "[Std.NTamd64]\nd=Dev,ACPI\\QEMU0001\n"
		      "[Dev]\nCopyFiles=@plain.sys\n"
		      "[Dev.NT]\nCopyFiles=F\nCopyFiles=G\n"
		      "[Dev.NT.Services]\nAddService=Ser,2,Svc\n"
		      "[Dev.NT.CoInstallers]\nCopyFiles=Co\n"
		      "[Dev.NTamd64]\nCopyFiles=@only64.sys\n"
		      "[F]\na.sys\n[G]\nb.dll\n[Co]\nWdfCoInstaller01009.dll\n"
		      "[Svc]\nServiceBinary=%12%\\a.sys\nStartType=3\n");
	struct fy_inf_models m = { 0 };
	struct fy_inf_install in = { 0 };

	CHECK_OK(fy_inf_models(inf, &w7x86, &m, &err), &err);
	CHECK_OK(fy_inf_install(inf, &w7x86, &m.items[0], &in, &err), &err);
	CHECK_STR(in.section, "Dev.NT");
	CHECK(in.n_files == 3 && in.files[2].dirid == 11);
	CHECK_STR(in.files[1].name, "b.dll");
	CHECK(fy_inf_device_service(&in) != NULL);
	CHECK_OK(fy_inf_models(inf, &w7, &m, &err), &err);
	CHECK_OK(fy_inf_install(inf, &w7, &m.items[0], &in, &err), &err);
	CHECK_STR(in.section, "Dev.NTamd64");
	CHECK(in.n_files == 1 && in.n_services == 0);
	fy_inf_free(inf);
}

/* Devices that get no driver at all. */
static void
test_null_driver(void)
{
	struct fy_inf *inf =
		parse("[Version]\nSignature=\"$Windows NT$\"\nClass=System\n"
		      "[Manufacturer]\n%Q%=Q,NTx86,NTAMD64\n"
		      "[Q.NTx86]\nd=N,ACPI\\QEMU0002\n[Q.NTAMD64]\nd=N,"
		      "ACPI\\QEMU0002\n"
		      "[N.NT]\n[N.NT.Services]\nAddService = ,2   ; none\n"
		      "[Strings]\nQ=\"Q\"\n");
	struct fy_inf_models m = { 0 };
	struct fy_inf_install in = { 0 };

	CHECK_OK(fy_inf_models(inf, &w10, &m, &err), &err);
	CHECK_OK(fy_inf_install(inf, &w10, &m.items[0], &in, &err), &err);
	CHECK(in.n_files == 0 && in.n_services == 1);
	CHECK(fy_inf_device_service(&in) == NULL);
	fy_inf_free(inf);
}

static void
check_bad_install(const char *rest, const char *says)
{
	struct fy_inf_models m = { 0 };
	struct fy_inf_install in;
	struct fy_inf *inf;
	char text[1024];

	snprintf(text, sizeof(text),
		 "[Manufacturer]\nm=M,NTamd64\n[M.NTamd64]\nd=I,ID\n%s", rest);
	inf = parse(text);
	CHECK_OK(fy_inf_models(inf, &w10, &m, &err), &err);
	CHECK(m.n == 1 &&
	      fy_inf_install(inf, &w10, &m.items[0], &in, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	if (strstr(err.msg, says) == NULL)
		CHECK_STR(err.msg, says);
	fy_error_clear(&err);
	fy_inf_free(inf);
}

static void
test_bad(void)
{
	struct fy_inf *inf = parse("[Version]\nSignature=x\n");
	struct fy_inf_version v;

	CHECK(fy_inf_version(inf, FY_INF_X86, &v, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_error_clear(&err);
	fy_inf_free(inf);
	check_bad_install("", "[I] is missing");
	check_bad_install("[I]\nCopyFiles=L\n", "CopyFiles names [L]");
	check_bad_install("[I]\nCopyFiles=@..\\x.sys\n", "leads out");
	check_bad_install("[I]\nCopyFiles=@C:\\x.sys\n", "leads out");
	check_bad_install("[I]\nCopyFiles=L\n[L]\na\\b.sys,b.sys\n",
			  "no name of a file");
	check_bad_install("[I]\nCopyFiles=@x.sys\n[SourceDisksFiles]\n"
			  "x.sys=1,a\\..\\..\\b\n",
			  "leads out");
	check_bad_install("[I]\nCopyFiles=@x.sys\n[SourceDisksNames]\n"
			  "1=d,,,\\\\..\\y\n[SourceDisksFiles]\nx.sys=1\n",
			  "leads out");
	check_bad_install("[I]\n[I.Services]\nAddService=a,2,S\n", "wants [S]");
	check_bad_install("[I]\n[I.Services]\nAddService=a,z,S\n[S]\n",
			  "no flags");
	check_bad_install("[I]\n[I.Services]\nAddService=a\\b,2,S\n[S]\n",
			  "name of a service");
	check_bad_install("[I]\n[I.Services]\nAddService=a,2,S\n[S]\n"
			  "StartType=soon\n",
			  "is no StartType");
	check_bad_install("[I]\n[I.HW]\nAddReg=R\n[R]\nHKR,,x,0x10001,q\n",
			  "no number");
	check_bad_install("[I]\n[I.HW]\nAddReg=R\n[R]\nHKR,,x,1,1,fff\n",
			  "no byte");
}

int
main(void)
{
	size_t i;

	test_lines();
	test_strings();
	test_encodings();
	test_limits();
	test_decorations();
	for (i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		check_choice(&choices[i]);
	test_storage();
	test_suffixes();
	test_null_driver();
	test_bad();
	return test_result();
}
