/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JOB from hostile JSON, to the machine that would be defined.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "v2v-server/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FY_AUTO(machine) struct fy_machine *m = NULL;
	FY_AUTO(job) struct fy_job *job = NULL;
	fy_autojson json_t *j = NULL;
	struct fy_error err = { 0 };
	unsigned i;

	j = fy_json_parse((const char *)data, size, "JOB", &err);
	if (j == NULL || fy_job_parse(j, &job, &err) == -1)
		return 0;
	for (i = 0; i < job->n_disks; i++) {
		fy_autofree char *name = fy_job_image_name(job, i, &err);

		if (name == NULL)
			return 0;
	}
	fy_job_machine(job, &m, &err);
	return 0;
}
