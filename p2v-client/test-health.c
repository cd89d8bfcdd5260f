/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What smartctl's JSON says of disks of all kinds, of disks that can't answer,
 * and of those that lie; and the asking itself, with a program that stands in.
 */
#include <time.h>

#include "common/bytes.h"
#include "p2v-client/health.h"
#include "p2v-client/test-tree.h"

static struct fy_error err;

static void
release(struct fy_machine_disk *d)
{
	size_t i;

	for (i = 0; i < d->n_health_reasons; i++)
		free(d->health_reasons[i]);
	free(d->health_reasons);
	free(d->smart);
	memset(d, 0, sizeof(*d));
}

/* Parse JSON that is written with single quotes. */
static void
parse(const char *quoted, struct fy_machine_disk *d)
{
	fy_autofree char *text = strdup(quoted);
	char *p;

	release(d);
	for (p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	CHECK_OK(fy_health_parse(text, strlen(text), d, &err), &err);
}

/* The health, and its reasons with ", " between. */
static void
judged(const struct fy_machine_disk *d, enum fy_health health,
       const char *reasons)
{
	char all[1024] = "";
	size_t i, n = 0;

	for (i = 0; i < d->n_health_reasons; i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
				      i == 0 ? "" : ", ", d->health_reasons[i]);
	CHECK(d->health == health);
	CHECK_STR(all, reasons);
}

#define HEAD(status)                                                           \
	"{'json_format_version':[1,0],'smartctl':{'version':[7,3],"            \
	"'platform_info':'x86_64-linux-6.1.0-18-amd64','argv':['smartctl',"    \
	"'--json=c','-i','-H','-A','/dev/sda'],'exit_status':" status "},"
#define ATTRIBUTE(id, name, value, worst, thresh, failed, raw, text)           \
	"{'id':" id ",'name':'" name "','value':" value ",'worst':" worst      \
	",'thresh':" thresh ",'when_failed':'" failed "','flags':{'value':51," \
	"'string':'PO--CK ','prefailure':true},'raw':{'value':" raw            \
	",'string':'" text "'}}"

/* clang-format off */
static const char sata_good[] = HEAD("0")
	"'device':{'name':'/dev/sda','type':'sat','protocol':'ATA'},"
	"'model_name':'WDC WD10EZEX-08WN4A0',"
	"'serial_number':'WD-WCC6Y1234567',"
	"'wwn':{'naa':5,'oui':5358,'id':11111111111},'rotation_rate':7200,"
	"'smart_support':{'available':true,'enabled':true},"
	"'smart_status':{'passed':true},"
	"'ata_smart_attributes':{'revision':16,'table':["
	ATTRIBUTE("1", "Raw_Read_Error_Rate", "200", "200", "51", "", "0", "0")
	"," ATTRIBUTE("5", "Reallocated_Sector_Ct", "200", "200", "140", "",
		      "0", "0")
	"," ATTRIBUTE("197", "Current_Pending_Sector", "200", "200", "0", "",
		      "0", "0")
	"," ATTRIBUTE("198", "Offline_Uncorrectable", "100", "253", "0", "",
		      "0", "0")
	"]},'power_on_time':{'hours':21345},'power_cycle_count':1184,"
	"'temperature':{'current':34}}";

/* Exit status: failing, and attributes at their thresholds. */
static const char sata_failing[] = HEAD("24")
	"'device':{'name':'/dev/sda','type':'sat','protocol':'ATA'},"
	"'model_name':'ST2000DM001-1CH164','smart_status':{'passed':false},"
	"'ata_smart_attributes':{'revision':10,'table':["
	/* Seagate packs more into the raw value than the count. */
	ATTRIBUTE("5", "Reallocated_Sector_Ct", "5", "5", "36", "now",
		  "51539632896", "24832 (0 12)")
	"," ATTRIBUTE("187", "Reported_Uncorrect", "1", "1", "0", "", "611",
		      "611")
	"," ATTRIBUTE("197", "Current_Pending_Sector", "88", "85", "0", "",
		      "2032", "2032")
	"," ATTRIBUTE("198", "Offline_Uncorrectable", "88", "85", "0", "", "1",
		      "1")
	"]},'power_on_time':{'hours':41002},'temperature':{'current':41}}";

static const char nvme_warning[] = HEAD("8")
	"'device':{'name':'/dev/nvme0n1','type':'nvme','protocol':'NVMe'},"
	"'model_name':'SAMSUNG MZVLB512HBJQ-000L7',"
	"'smart_status':{'passed':false,'nvme':{'value':5}},"
	"'nvme_smart_health_information_log':{'critical_warning':5,"
	"'temperature':46,'available_spare':4,'available_spare_threshold':10,"
	"'percentage_used':107,'data_units_read':94237821,"
	"'data_units_written':180112345,'host_reads':1543212345,"
	"'controller_busy_time':9123,'power_cycles':812,"
	"'power_on_hours':17650,'unsafe_shutdowns':41,'media_errors':3,"
	"'num_err_log_entries':2011,'warning_temp_time':0,"
	"'temperature_sensors':[46,51]},'temperature':{'current':46},"
	"'power_cycle_count':812,'power_on_time':{'hours':17650}}";

static const char nvme_hot[] = HEAD("8")
	"'smart_status':{'passed':false,'nvme':{'value':2}},"
	"'nvme_smart_health_information_log':{'critical_warning':2,"
	"'available_spare':100,'percentage_used':0,'media_errors':0}}";

static const char sas_good[] = HEAD("0")
	"'device':{'name':'/dev/sdb','type':'scsi','protocol':'SCSI'},"
	"'vendor':'SEAGATE','product':'ST600MM0006','revision':'LS0A',"
	"'rotation_rate':10500,'smart_support':{'available':true,"
	"'enabled':true},'temperature_warning':{'enabled':true},"
	"'smart_status':{'passed':true},'temperature':{'current':30,"
	"'drive_trip':68},'power_on_time':{'hours':50211,'minutes':13},"
	"'scsi_grown_defect_list':0}";

static const char sas_failing[] = HEAD("8")
	"'smart_status':{'passed':false,'scsi':{'asc':93,'ascq':50,"
	"'ie_string':'DATA CHANNEL IMPENDING FAILURE TOO MANY BLOCK "
	"REASSIGNS'}},'scsi_grown_defect_list':1,"
	"'scsi_percentage_used_endurance_indicator':12}";

static const char usb_bridge[] = HEAD("1")
	"'local_time':{'time_t':1700000000},'messages':[{'string':"
	"'/dev/sdc: Unknown USB bridge [0x0bda:0x9210 (0x2001)]',"
	"'severity':'error'}]}";

/* Identified, but SMART is not there (QEMU's SCSI disk, a RAID volume). */
static const char identity_only[] = HEAD("4")
	"'scsi_vendor':'QEMU','scsi_product':'QEMU HARDDISK',"
	"'smart_support':{'available':false},"
	"'temperature':{'current':0},'power_on_time':{'hours':7}}";
/* clang-format on */

static void
test_kinds(void)
{
	struct fy_machine_disk d = { 0 };

	parse(sata_good, &d);
	judged(&d, FY_HEALTH_GOOD, "");
	CHECK(d.smart->passed == FY_YES && d.smart->reallocated_sectors == 0 &&
	      d.smart->pending_sectors == 0 &&
	      d.smart->uncorrectable_sectors == 0);
	CHECK(d.smart->media_errors == -1 && d.smart->critical_warning == -1);
	CHECK(d.smart->temperature_celsius == 34 &&
	      d.smart->power_on_hours == 21345);

	parse(sata_failing, &d);
	judged(&d, FY_HEALTH_FAILING,
	       "its own test (SMART) says that it fails, its attribute 5 is "
	       "beyond its threshold, 2032 sectors can't be read, 1 sector is "
	       "beyond correction, 24832 sectors were replaced by spare ones");

	parse(nvme_warning, &d);
	judged(&d, FY_HEALTH_FAILING,
	       "its spare blocks are almost used up, it says that it is no "
	       "longer reliable, 3 errors of its medium were counted, 107% of "
	       "its rated life are used");
	CHECK(d.smart->critical_warning == 5 && d.smart->available_spare == 4);

	parse(nvme_hot, &d);
	judged(&d, FY_HEALTH_SUSPECT, "it is too hot or too cold");

	parse("{'nvme_smart_health_information_log':{'critical_warning':1}}",
	      &d);
	judged(&d, FY_HEALTH_FAILING, "its spare blocks are almost used up");
	parse("{'nvme_smart_health_information_log':{'critical_warning':8}}",
	      &d);
	judged(&d, FY_HEALTH_FAILING, "it has made itself read-only");
	parse("{'smart_status':{'passed':false},"
	      "'nvme_smart_health_information_log':{'critical_warning':32}}",
	      &d);
	judged(&d, FY_HEALTH_FAILING,
	       "its own test (SMART) says that it fails");

	parse(sas_good, &d);
	judged(&d, FY_HEALTH_GOOD, "");
	CHECK(d.smart->reallocated_sectors == 0);
	parse(sas_failing, &d);
	judged(&d, FY_HEALTH_FAILING,
	       "its own test (SMART) says that it fails, 1 sector was replaced "
	       "by a spare one");
	CHECK(d.smart->percentage_used == 12);

	parse(usb_bridge, &d);
	judged(&d, FY_HEALTH_UNKNOWN, "");
	CHECK(d.smart == NULL);
	parse(identity_only, &d);
	judged(&d, FY_HEALTH_UNKNOWN, "");
	CHECK(d.smart == NULL);
	release(&d);
}

/* Wrong types and sizes count as nothing said, whatever else is true. */
static void
test_hostile(void)
{
	struct fy_machine_disk d = { 0 };

	parse("", &d);
	judged(&d, FY_HEALTH_UNKNOWN, "");
	parse("[]", &d);
	judged(&d, FY_HEALTH_UNKNOWN, "");
	parse("{'smart_status':7,'ata_smart_attributes':[],"
	      "'nvme_smart_health_information_log':'x','temperature':[3],"
	      "'power_on_time':null,'scsi_grown_defect_list':-4}",
	      &d);
	judged(&d, FY_HEALTH_UNKNOWN, "");
	parse("{'smart_status':{'passed':'false'},'ata_smart_attributes':"
	      "{'table':[7,{'id':'5'},{'id':5,'raw':9},{'id':197,'raw':"
	      "{'value':1e300}},{'id':198,'raw':{'value':-1,'string':"
	      "'-9'}}]}}",
	      &d);
	judged(&d, FY_HEALTH_UNKNOWN, "");
	/* A text too long for a number: the number itself counts. */
	parse("{'ata_smart_attributes':{'table':[{'id':5,'raw':{'value':3,"
	      "'string':'99999999999999999999999999'}}]}}",
	      &d);
	judged(&d, FY_HEALTH_SUSPECT, "3 sectors were replaced by spare ones");
	parse("{'nvme_smart_health_information_log':{'critical_warning':256,"
	      "'media_errors':9223372036854775807}}",
	      &d);
	judged(&d, FY_HEALTH_SUSPECT,
	       "9223372036854775807 errors of its medium were counted");
	CHECK(d.smart->critical_warning == -1);
	/* Beyond what JSON's numbers hold here. */
	parse("{'smart_status':{'passed':false},'x':18446744073709551616}", &d);
	judged(&d, FY_HEALTH_UNKNOWN, "");
	/* Texts of the disk come nowhere. */
	parse("{'smart_status':{'passed':true},'model_name':'\\u001b[2J',"
	      "'ata_smart_attributes':{'table':[{'id':9,'name':'\\u001b[2J',"
	      "'when_failed':'now'},{'id':900,'when_failed':'now'}]}}",
	      &d);
	judged(&d, FY_HEALTH_SUSPECT,
	       "its attribute 9 is beyond its threshold");
	release(&d);
}

static void
test_warning(void)
{
	static char path[] = "/dev/sda";
	struct fy_machine_disk d = { 0 };
	char *text;

	parse(sata_good, &d);
	CHECK(fy_health_warning(&d, &err) == NULL && err.code == FY_E_NONE);
	parse(sas_failing, &d);
	d.path = path;
	text = fy_health_warning(&d, &err);
	CHECK_STR(text, "the disk /dev/sda is failing: its own test (SMART) "
			"says that it fails, 1 sector was replaced by a spare "
			"one");
	free(text);
	parse(nvme_hot, &d);
	d.path = path;
	text = fy_health_warning(&d, &err);
	CHECK_STR(text, "the disk /dev/sda is not healthy: it is too hot or "
			"too cold");
	free(text);
	release(&d);
}

/* Stands in for smartctl: each device's answer is in a file of its name. */
static void
make_program(void)
{
	char script[512];

	snprintf(script, sizeof(script),
		 "#!/bin/sh\n[ \"$1 $2 $3 $4\" = '--json=c -i -H -A' ] || exit "
		 "1\necho \"$5\" >>%s/asked\n"
		 "case $5 in\n"
		 "/dev/slow) exec sleep 60 ;;\n"
		 "/dev/long) exec head -c 2000000 /dev/zero ;;\n"
		 "esac\n"
		 "cat %s$5\nexit 200\n",
		 tree, tree);
	tree_text("/smartctl", script);
	CHECK(chmod(tree_path("/smartctl"), 0755) == 0);
}

static void
answer(const char *device, const char *quoted)
{
	fy_autofree char *text = strdup(quoted);
	char *p;

	for (p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	tree_text(device, text);
}

static void
test_asking(void)
{
	static const char *const devices[] = {
		"/dev/sda",  "/dev/sdb",  "/dev/slow",
		"/dev/long", "/dev/gone", "/dev/bad",
	};
	struct fy_machine_disk d[6] = { 0 };
	struct fy_machine_disk *to[6] = { &d[0], &d[1], &d[2],
					  &d[3], NULL,	&d[5] };
	FY_AUTO(health) struct fy_health_query *h = NULL;
	fy_autofree char *program = NULL, *asked = NULL;
	time_t start = time(NULL);
	size_t i;

	tree_new();
	make_program();
	answer("/dev/sda", sata_failing);
	answer("/dev/sdb", sas_good);
	answer("/dev/bad", "{'smart_status':{'passed':fal");
	program = strdup(tree_path("/smartctl"));
	CHECK_OK(fy_health_start(program, devices, 6, NULL, NULL, &h, &err),
		 &err);
	CHECK_OK(fy_health_finish(h, to, &err), &err);
	CHECK(d[0].health == FY_HEALTH_FAILING);
	CHECK(d[0].n_health_reasons > 0 && d[0].smart != NULL);
	CHECK(d[1].health == FY_HEALTH_GOOD);
	for (i = 2; i < 6; i++)
		CHECK(d[i].health == FY_HEALTH_UNKNOWN && d[i].smart == NULL);
	/* The one that hangs was given up, and the others did not wait. */
	CHECK(time(NULL) - start < 30);
	CHECK_OK(fy_file_read_at(AT_FDCWD, tree_path("/asked"), 4096, &asked,
				 NULL, &err),
		 &err);
	CHECK(asked != NULL && strstr(asked, "/dev/gone\n") != NULL);
	for (i = 0; i < 6; i++)
		release(&d[i]);
	tree_free();
}

static void
test_no_program(void)
{
	static const char *const devices[] = { "/dev/sda" };
	struct fy_machine_disk d = { 0 }, *to = &d;
	FY_AUTO(health) struct fy_health_query *h = NULL;

	CHECK_OK(fy_health_start("/nowhere/smartctl", devices, 1, NULL, NULL,
				 &h, &err),
		 &err);
	CHECK_OK(fy_health_finish(h, &to, &err), &err);
	CHECK(d.health == FY_HEALTH_UNKNOWN);
}

int
main(void)
{
	test_kinds();
	test_hostile();
	test_warning();
	test_asking();
	test_no_program();
	return test_result();
}
