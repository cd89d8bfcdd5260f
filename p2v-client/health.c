/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SMART, as smartctl (7.0 or later) tells it in JSON.
 *
 * The verdict is the disk's own where it has one: "failing" when the disk says
 * that it fails, or that what it stores is no longer reliable (NVMe's critical
 * warnings but temperature).  "suspect" is what disks call healthy and people
 * should know before they read it for hours: sectors that could not be read or
 * were replaced, a rated life that is over.  Nothing of the disk's texts is
 * taken, numbers only.
 *
 * Asking wakes no filesystem and writes nothing; but a dying disk may take
 * long, so that all are asked at once, while the disks' tables are read.
 */
#include "p2v-client/health.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/json.h"
#include "common/subprocess.h"

#define MAX_OUTPUT  (512u << 10)
#define MAX_THREADS 8
#define TIMEOUT_S   8

#define NVME_SPARE	 0x01
#define NVME_TEMPERATURE 0x02
#define NVME_RELIABILITY 0x04
#define NVME_READ_ONLY	 0x08
#define NVME_BACKUP	 0x10

/* --- what it says ------------------------------------------------------------ */

/* A count; -1 when there is none, or it is none. */
static int64_t
count_of(const json_t *o, const char *key)
{
	const json_t *j = json_object_get(o, key);

	return json_is_integer(j) && json_integer_value(j) >= 0
		       ? json_integer_value(j)
		       : -1;
}

/*
 * The raw value of an attribute.  What the vendor packed into its 48 bits
 * smartctl's database knows, which makes the text: "8 (0 12)" are 8.
 */
static int64_t
raw_value(const json_t *attribute)
{
	const json_t *raw = json_object_get(attribute, "raw");
	const char *text = fy_json_string_or(raw, "string", "");
	size_t digits = strspn(text, "0123456789");

	if (digits > 0 && digits < 19)
		return (int64_t)strtoull(text, NULL, 10);
	return count_of(raw, "value");
}

static void
take_attribute(const json_t *a, struct fy_machine_smart *s, unsigned *failed)
{
	int64_t id = count_of(a, "id");

	if (id == 5)
		s->reallocated_sectors = raw_value(a);
	else if (id == 197)
		s->pending_sectors = raw_value(a);
	else if (id == 198)
		s->uncorrectable_sectors = raw_value(a);
	if (id > 0 && id <= 255 && *failed == 0 &&
	    strcmp(fy_json_string_or(a, "when_failed", ""), "now") == 0)
		*failed = (unsigned)id;
}

static void
take_nvme(const json_t *n, struct fy_machine_smart *s)
{
	int64_t warning = count_of(n, "critical_warning");

	s->critical_warning = warning <= 0xff ? warning : -1;
	s->media_errors = count_of(n, "media_errors");
	s->percentage_used = count_of(n, "percentage_used");
	s->available_spare = count_of(n, "available_spare");
}

static void
take_counts(const json_t *j, struct fy_machine_smart *s, unsigned *failed)
{
	const json_t *o = json_object_get(j, "smart_status"), *a;
	const json_t *passed = json_object_get(o, "passed");
	int64_t n;
	size_t i;

	if (json_is_boolean(passed))
		s->passed = json_is_true(passed) ? FY_YES : FY_NO;
	o = json_object_get(json_object_get(j, "ata_smart_attributes"),
			    "table");
	json_array_foreach(o, i, a)
	{
		take_attribute(a, s, failed);
	}
	o = json_object_get(j, "nvme_smart_health_information_log");
	if (json_is_object(o))
		take_nvme(o, s);
	n = count_of(j, "scsi_grown_defect_list");
	if (n >= 0)
		s->reallocated_sectors = n;
	n = count_of(j, "scsi_percentage_used_endurance_indicator");
	if (n >= 0)
		s->percentage_used = n;
	s->temperature_celsius =
		count_of(json_object_get(j, "temperature"), "current");
	s->power_on_hours =
		count_of(json_object_get(j, "power_on_time"), "hours");
}

/* Whether there is an answer at all; identity alone is none. */
static bool
says_something(const struct fy_machine_smart *s)
{
	return s->passed != FY_UNKNOWN || s->reallocated_sectors >= 0 ||
	       s->pending_sectors >= 0 || s->uncorrectable_sectors >= 0 ||
	       s->media_errors >= 0 || s->critical_warning >= 0 ||
	       s->percentage_used >= 0;
}

/* --- what it means ----------------------------------------------------------- */

static int reason(struct fy_machine_disk *d, enum fy_health health,
		  struct fy_error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int
reason(struct fy_machine_disk *d, enum fy_health health, struct fy_error *err,
       const char *fmt, ...)
{
	fy_autofree char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r == -1) {
		text = NULL;
		return fy_error_nomem(err);
	}
	if (health > d->health)
		d->health = health;
	return fy_machine_add_text(&d->health_reasons, &d->n_health_reasons,
				   text, err);
}

static int
judge_nvme(int64_t warning, struct fy_machine_disk *d, struct fy_error *err)
{
	static const struct {
		int64_t bit;
		enum fy_health health;
		const char *text;
	} bits[] = {
		{ NVME_SPARE, FY_HEALTH_FAILING,
		  "its spare blocks are almost used up" },
		{ NVME_RELIABILITY, FY_HEALTH_FAILING,
		  "it says that it is no longer reliable" },
		{ NVME_READ_ONLY, FY_HEALTH_FAILING,
		  "it has made itself read-only" },
		{ NVME_BACKUP, FY_HEALTH_FAILING,
		  "its backup of volatile memory has failed" },
		{ NVME_TEMPERATURE, FY_HEALTH_SUSPECT,
		  "it is too hot or too cold" },
	};
	size_t i;

	for (i = 0; warning > 0 && i < sizeof(bits) / sizeof(bits[0]); i++)
		if ((warning & bits[i].bit) != 0 &&
		    reason(d, bits[i].health, err, "%s", bits[i].text) == -1)
			return -1;
	return 0;
}

static int
judge_counts(const struct fy_machine_smart *s, struct fy_machine_disk *d,
	     struct fy_error *err)
{
	const struct {
		int64_t count;
		const char *one, *many;
	} counts[] = {
		{ s->pending_sectors, "sector can't be read",
		  "sectors can't be read" },
		{ s->uncorrectable_sectors, "sector is beyond correction",
		  "sectors are beyond correction" },
		{ s->media_errors, "error of its medium was counted",
		  "errors of its medium were counted" },
		{ s->reallocated_sectors, "sector was replaced by a spare one",
		  "sectors were replaced by spare ones" },
	};
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (counts[i].count > 0 &&
		    reason(d, FY_HEALTH_SUSPECT, err, "%" PRId64 " %s",
			   counts[i].count,
			   counts[i].count == 1 ? counts[i].one
						: counts[i].many) == -1)
			return -1;
	if (s->percentage_used < 100)
		return 0;
	return reason(d, FY_HEALTH_SUSPECT, err,
		      "%" PRId64 "%% of its rated life are used",
		      s->percentage_used);
}

static int
judge(const struct fy_machine_smart *s, unsigned failed,
      struct fy_machine_disk *d, struct fy_error *err)
{
	d->health = FY_HEALTH_GOOD;
	if (judge_nvme(s->critical_warning, d, err) == -1)
		return -1;
	/* An NVMe disk that is only too hot "fails", too. */
	if (s->passed == FY_NO && d->health == FY_HEALTH_GOOD &&
	    reason(d, FY_HEALTH_FAILING, err,
		   "its own test (SMART) says that it fails") == -1)
		return -1;
	if (failed > 0 &&
	    reason(d, FY_HEALTH_SUSPECT, err,
		   "its attribute %u is beyond its threshold", failed) == -1)
		return -1;
	return judge_counts(s, d, err);
}

int
fy_health_parse(const char *json, size_t len, struct fy_machine_disk *d,
		struct fy_error *err)
{
	struct fy_error ignored = { 0 };
	fy_autojson json_t *j = fy_json_parse(json, len, "smartctl", &ignored);
	fy_autofree struct fy_machine_smart *s = NULL;
	unsigned failed = 0;

	if (!json_is_object(j))
		return 0;
	s = fy_machine_smart_new(err);
	if (s == NULL)
		return -1;
	take_counts(j, s, &failed);
	if (!says_something(s))
		return 0;
	if (judge(s, failed, d, err) == -1)
		return -1;
	d->smart = fy_steal_ptr(&s);
	return 0;
}

char *
fy_health_warning(const struct fy_machine_disk *d, struct fy_error *err)
{
	char *text, *more;
	size_t i;

	if (d->health < FY_HEALTH_SUSPECT)
		return NULL;
	text = fy_format(err, "the disk %s %s", d->path == NULL ? "" : d->path,
			 d->health == FY_HEALTH_FAILING ? "is failing"
							: "is not healthy");
	for (i = 0; text != NULL && i < d->n_health_reasons; i++) {
		more = fy_format(err, "%s%s %s", text, i == 0 ? ":" : ",",
				 d->health_reasons[i]);
		free(text);
		text = more;
	}
	return text;
}

/* --- asking ------------------------------------------------------------------- */

struct fy_health_query {
	const char *program;
	char **devices;
	size_t n;
	struct fy_log *log;
	const struct fy_stop *stop;
	/* Written by the thread that took the number; read after the join. */
	struct fy_machine_disk *found;
	atomic_size_t next;
	atomic_bool no_memory;
	pthread_t threads[MAX_THREADS];
	size_t n_threads;
};

static void
ask(struct fy_health_query *h, size_t i)
{
	const char *argv[] = { h->program, "--json=c",	  "-i", "-H",
			       "-A",	   h->devices[i], NULL };
	/* The exit status is a set of bits that say what the JSON says. */
	struct fy_subprocess_options o = { .capture_max = MAX_OUTPUT,
					   .timeout_s = TIMEOUT_S,
					   .stop = h->stop,
					   .accept = UINT64_MAX };
	struct fy_subprocess_result result = { 0 };
	struct fy_error why = { 0 };

	if (fy_subprocess_run(argv, &o, &result, &why) == -1)
		fy_log_debug(h->log, "%s: no SMART: %s", h->devices[i],
			     why.msg);
	if (result.out != NULL && fy_health_parse(result.out, result.out_len,
						  &h->found[i], &why) == -1)
		h->no_memory = true;
	fy_subprocess_result_release(&result);
}

static void *
ask_some(void *arg)
{
	struct fy_health_query *h = arg;
	size_t i;

	while ((i = atomic_fetch_add(&h->next, 1)) < h->n)
		ask(h, i);
	return NULL;
}

static void
wait_for_all(struct fy_health_query *h)
{
	while (h->n_threads > 0)
		pthread_join(h->threads[--h->n_threads], NULL);
}

static struct fy_health_query *
health_new(const char *const *devices, size_t n, struct fy_error *err)
{
	FY_AUTO(health) struct fy_health_query *h = calloc(1, sizeof(*h));
	size_t i;

	if (h == NULL)
		goto failed;
	h->devices = calloc(n + 1, sizeof(*h->devices));
	h->found = calloc(n + 1, sizeof(*h->found));
	if (h->devices == NULL || h->found == NULL)
		goto failed;
	for (i = 0; i < n; i++) {
		h->devices[i] = strdup(devices[i]);
		if (h->devices[i] == NULL)
			goto failed;
		h->n++;
	}
	return fy_steal_ptr(&h);
failed:
	fy_error_nomem(err);
	return NULL;
}

int
fy_health_start(const char *program, const char *const *devices, size_t n,
		struct fy_log *log, const struct fy_stop *stop,
		struct fy_health_query **ret, struct fy_error *err)
{
	struct fy_health_query *h = health_new(devices, n, err);
	char path[4096];

	if (h == NULL)
		return -1;
	h->program = program == NULL ? "smartctl" : program;
	h->log = log;
	h->stop = stop;
	*ret = h;
	if (n > 0 && fy_subprocess_find(h->program, path, sizeof(path)) == -1) {
		fy_log_info(log,
			    "the disks' health is not known: %s is not "
			    "installed",
			    h->program);
		return 0;
	}
	/* Without a thread the disk stays unknown. */
	while (h->n_threads < MAX_THREADS && h->n_threads < n &&
	       pthread_create(&h->threads[h->n_threads], NULL, ask_some, h) ==
		       0)
		h->n_threads++;
	return 0;
}

int
fy_health_finish(struct fy_health_query *h,
		 struct fy_machine_disk *const *disks, struct fy_error *err)
{
	size_t i;

	wait_for_all(h);
	if (h->no_memory)
		return fy_error_nomem(err);
	for (i = 0; i < h->n; i++) {
		struct fy_machine_disk *from = &h->found[i], *to = disks[i];

		if (to == NULL)
			continue;
		to->health = from->health;
		to->smart = fy_steal_ptr(&from->smart);
		to->health_reasons = fy_steal_ptr(&from->health_reasons);
		to->n_health_reasons = from->n_health_reasons;
		from->n_health_reasons = 0;
	}
	return 0;
}

void
fy_health_free(struct fy_health_query *h)
{
	size_t i, k;

	if (h == NULL)
		return;
	wait_for_all(h);
	for (i = 0; i < h->n; i++) {
		free(h->devices[i]);
		free(h->found[i].smart);
		for (k = 0; k < h->found[i].n_health_reasons; k++)
			free(h->found[i].health_reasons[k]);
		free(h->found[i].health_reasons);
	}
	free(h->devices);
	free(h->found);
	free(h);
}
