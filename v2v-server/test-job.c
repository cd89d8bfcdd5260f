/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JOB descriptions: a good one is understood, each way of lying is refused, and
 * so is what a later client wants.
 */
#include "common/json.h"
#include "v2v-server/job.h"
#include "v2v-server/testing.h"

static const char good[] =
	"{\"action\":\"convert\",\"name\":\"web01\",\"to\":\"vms\","
	"\"format\":\"qcow2\",\"compressed\":\"zstd\",\"emit\":[\"libvirt\"],"
	"\"inject\":true,\"force\":false,\"verify\":true,"
	"\"virt_type\":\"qemu\",\"vcpus\":2,\"memory_bytes\":1073741824,"
	"\"networks\":{\"52:54:00:00:00:01\":\"lan\"},\"bridge\":\"br0\","
	"\"nics\":{\"enp0s5\":\"52:54:00:00:00:01\"},\"new_uuid\":true,"
	"\"later\":{},\"later2\":false,\"later3\":null,"
	"\"machine\":{\"firmware\":\"uefi\",\"vcpus\":8,\"sockets\":2,"
	"\"nics\":[{\"name\":\"enp0s5\",\"mac\":\"52:54:00:00:00:01\"}],"
	"\"disks\":[{\"path\":\"/dev/sdz\",\"model\":\"other\"},"
	"{\"path\":\"/dev/sda\",\"model\":\"chosen\"}]},"
	"\"disks\":[{\"path\":\"/dev/sda\",\"size_bytes\":1048576,"
	"\"sector_bytes\":512,\"serial\":\"S1\",\"wwn\":\"\","
	"\"used_bytes\":4096,"
	"\"map_digest\":\"00112233445566778899aabbccddeeff\","
	"\"table\":\"gpt\"},"
	"{\"path\":\"/dev/sdb\",\"size_bytes\":4096,\"sector_bytes\":4096,"
	"\"used_bytes\":0,"
	"\"map_digest\":\"00112233445566778899aabbccddeeff\"}]}";

static struct fy_job *
parse(const json_t *j, struct fy_error *err)
{
	struct fy_job *job = NULL;

	if (fy_job_parse(j, &job, err) == -1)
		CHECK(job == NULL);
	return job;
}

static json_t *
good_json(void)
{
	struct fy_error err = { 0 };
	json_t *j = fy_json_parse(good, strlen(good), "job", &err);

	CHECK(j != NULL);
	return j;
}

static void
understood(void)
{
	fy_autojson json_t *j = good_json();
	struct fy_error err = { 0 };
	FY_AUTO(job) struct fy_job *job = parse(j, &err);
	FY_AUTO(machine) struct fy_machine *m = NULL;
	fy_autofree char *one = NULL, *two = NULL;

	CHECK(job != NULL);
	CHECK(fy_streq(job->name, "web01") && fy_streq(job->to, "vms"));
	CHECK(job->compressed == FY_CODEC_ZSTD && job->inject && job->verify);
	CHECK(job->n_emitters == 1 && job->n_disks == 2);
	CHECK(job->n_nics == 1 && fy_streq(job->nics[0].key, "enp0s5"));
	CHECK(job->disks[1].sector_bytes == 4096);
	one = fy_job_image_name(job, 0, &err);
	two = fy_job_image_name(job, 1, &err);
	CHECK(fy_streq(one, "web01.qcow2") && fy_streq(two, "web01-2.qcow2"));

	CHECK_OK(fy_job_machine(job, &m, &err));
	CHECK(m->n_disks == 2 && m->vcpus == 2 && m->sockets == 0);
	CHECK(fy_streq(m->disks[0].model, "chosen"));
	CHECK(fy_streq(m->disks[0].serial, "S1"));
	CHECK(fy_streq(m->disks[1].path, "/dev/sdb"));
	CHECK(m->firmware == FY_FIRMWARE_UEFI && fy_streq(m->name, "web01"));
	CHECK(fy_streq(m->nics[0].network, "lan"));
	CHECK(m->memory_bytes == UINT64_C(1073741824));
}

/* Of an image only the disks are known: --nic makes the NICs. */
static void
nics_of_an_image(void)
{
	fy_autojson json_t *j = good_json();
	struct fy_error err = { 0 };
	FY_AUTO(job) struct fy_job *job = NULL;
	FY_AUTO(job) struct fy_job *odd = NULL;
	FY_AUTO(machine) struct fy_machine *m = NULL;
	FY_AUTO(machine) struct fy_machine *none = NULL;

	json_object_del(j, "machine");
	job = parse(j, &err);
	CHECK(job != NULL);
	CHECK_OK(fy_job_machine(job, &m, &err));
	CHECK(m->n_nics == 1 && fy_streq(m->nics[0].name, "enp0s5"));
	CHECK(fy_streq(m->nics[0].permanent_mac, "52:54:00:00:00:01"));
	CHECK(fy_streq(m->nics[0].network, "lan"));

	CHECK(json_object_set_new(j, "nics", json_pack("{s:s}", "a", "b")) ==
	      0);
	odd = parse(j, &err);
	CHECK(odd != NULL);
	CHECK(fy_job_machine(odd, &none, &err) == -1 &&
	      err.code == FY_E_USAGE && none == NULL);
}

/* 'path' of members ("disks.0.size_bytes") set to the JSON in 'value'. */
static void
refused(const char *path, const char *value, enum fy_error_code code)
{
	fy_autojson json_t *j = good_json();
	struct fy_error err = { 0 };
	json_t *at = j, *v;
	char word[64];
	size_t len;

	v = json_loads(value, JSON_DECODE_ANY, NULL);
	CHECK(v != NULL);
	for (;; path += len + 1) {
		len = strcspn(path, ".");
		memcpy(word, path, len);
		word[len] = '\0';
		if (path[len] == '\0')
			break;
		at = json_is_array(at)
			     ? json_array_get(at, strtoul(word, NULL, 10))
			     : json_object_get(at, word);
		CHECK(at != NULL);
	}
	if (json_is_array(at))
		CHECK(json_array_set_new(at, strtoul(word, NULL, 10), v) == 0);
	else
		CHECK(json_object_set_new(at, word, v) == 0);
	if (parse(j, &err) != NULL || err.code != code) {
		fprintf(stderr, "%s = %s: %s (%s)\n", word, value, err.msg,
			fy_error_name(err.code));
		exit(1);
	}
}

static void
lies(void)
{
	refused("action", "\"backup\"", FY_E_UNSUPPORTED);
	refused("action", "\"explode\"", FY_E_UNSUPPORTED);
	refused("action", "null", FY_E_FORMAT);
	refused("action", "7", FY_E_FORMAT);
	refused("sync", "true", FY_E_UNSUPPORTED);
	refused("later", "{\"unknown\":1}", FY_E_UNSUPPORTED);
	refused("later", "\"word\"", FY_E_UNSUPPORTED);
	refused("later", "[0]", FY_E_UNSUPPORTED);
	refused("later", "7", FY_E_UNSUPPORTED);
	refused("name", "\"../x\"", FY_E_USAGE);
	refused("name", "\"\"", FY_E_USAGE);
	refused("name", "null", FY_E_USAGE);
	refused("name", "[]", FY_E_FORMAT);
	refused("to", "\"a\\nb\"", FY_E_FORMAT);
	refused("to", "{}", FY_E_FORMAT);
	refused("format", "\"../../etc\"", FY_E_FORMAT);
	refused("format", "\"\"", FY_E_FORMAT);
	refused("compressed", "true", FY_E_FORMAT);
	refused("emit", "[\"ovf2000\"]", FY_E_UNSUPPORTED);
	refused("emit", "\"libvirt\"", FY_E_FORMAT);
	refused("emit", "[1]", FY_E_FORMAT);
	refused("force", "\"yes\"", FY_E_FORMAT);
	refused("virt_type", "\"xen\"", FY_E_FORMAT);
	refused("vcpus", "-1", FY_E_FORMAT);
	refused("vcpus", "1.5", FY_E_FORMAT);
	refused("vcpus", "100000", FY_E_FORMAT);
	refused("memory_bytes", "9000000000000000000", FY_E_FORMAT);
	refused("networks", "[]", FY_E_FORMAT);
	refused("networks", "{\"a\":1}", FY_E_FORMAT);
	refused("nics", "{\"a\":\"b\\u0007\"}", FY_E_FORMAT);
	refused("machine", "[]", FY_E_FORMAT);
	refused("disks", "[]", FY_E_FORMAT);
	refused("disks", "{}", FY_E_FORMAT);
	refused("disks.0", "null", FY_E_FORMAT);
	refused("disks.0.size_bytes", "0", FY_E_FORMAT);
	refused("disks.0.size_bytes", "1000", FY_E_FORMAT);
	refused("disks.0.size_bytes", "-512", FY_E_FORMAT);
	refused("disks.0.size_bytes", "1152921504606847488", FY_E_FORMAT);
	refused("disks.0.size_bytes", "\"1048576\"", FY_E_FORMAT);
	refused("disks.0.used_bytes", "1048577", FY_E_FORMAT);
	refused("disks.0.sector_bytes", "513", FY_E_FORMAT);
	refused("disks.0.map_digest", "\"zz\"", FY_E_FORMAT);
	refused("disks.0.map_digest", "null", FY_E_FORMAT);
	refused("disks.1.serial", "3", FY_E_FORMAT);
}

static void
too_many(void)
{
	fy_autojson json_t *j = good_json();
	struct fy_error err = { 0 };
	json_t *disks = json_object_get(j, "disks");

	while (json_array_size(disks) < 65)
		json_array_append(disks, json_array_get(disks, 0));
	CHECK(parse(j, &err) == NULL);
	CHECK_ERROR(FY_E_FORMAT);
	CHECK(parse(NULL, &err) == NULL);
	CHECK_ERROR(FY_E_FORMAT);
}

static void
unknown_nic(void)
{
	fy_autojson json_t *j = good_json();
	FY_AUTO(machine) struct fy_machine *m = NULL;
	FY_AUTO(job) struct fy_job *job = NULL;
	struct fy_error err = { 0 };

	json_object_set_new(json_object_get(j, "networks"), "52:54:00:00:00:99",
			    json_string("lan"));
	job = parse(j, &err);
	CHECK(job != NULL);
	CHECK(fy_job_machine(job, &m, &err) == -1);
	CHECK_ERROR(FY_E_NOTFOUND);
}

int
main(void)
{
	understood();
	nics_of_an_image();
	lies();
	too_many();
	unknown_nic();
	return 0;
}
