/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drivers for Windows, looked for before anything is sent: that there are none
 * would else be told after hours of copying.
 *
 * An image and its INF files are foreign bytes, so a confined worker reads
 * them.  Whether a Windows is a server is in no description; it is enough that
 * one of both would get its drivers.
 */
#include "v2v-server/drivers-check.h"

#include <stdio.h>

#include "common/bytes.h"
#include "common/confine.h"
#include "common/worker.h"
#include "drivers-inject/system.h"
#include "drivers-inject/text.h"
#include "drivers-inject/virtio-win.h"

struct check {
	const char *path;
	const struct fy_machine *m;
	bool signatures; /* asks for those without */
};

static bool
is_windows(const struct fy_machine_system *s)
{
	return fy_streq(s->id, "windows");
}

/* False: not all of it is known. */
static bool
version_of(const struct fy_machine_system *s, struct fy_windows_version *ret)
{
	static const char *const archs[][2] = {
		{ "x86_64", "amd64" }, { "amd64", "amd64" },
		{ "i386", "x86" },     { "i686", "x86" },
		{ "x86", "x86" },      { "aarch64", "arm64" },
		{ "arm64", "arm64" },
	};
	size_t i;

	*ret = (struct fy_windows_version){ 0 };
	for (i = 0; i < sizeof(archs) / sizeof(*archs); i++)
		if (fy_streq(s->arch, archs[i][0]))
			ret->arch = archs[i][1];
	return ret->arch != NULL && s->version != NULL &&
	       sscanf(s->version, "%5u.%5u.%9u", &ret->major, &ret->minor,
		      &ret->build) == 3;
}

static int
pick_either(struct fy_virtio_win *w, struct fy_windows_version *v,
	    struct fy_driver_set *ret, struct fy_error *err)
{
	struct fy_error why = { 0 }, ignored = { 0 };

	v->server = false;
	if (fy_virtio_win_pick(w, v, ret, &why) == 0)
		return 0;
	v->server = true;
	if (fy_virtio_win_pick(w, v, ret, &ignored) == 0)
		return 0;
	return fy_error_copy(err, &why);
}

/* The drivers for one system; 'names' gets those without a signature. */
static int
check_one(const struct check *c, struct fy_virtio_win *w,
	  const struct fy_machine_system *s, struct fy_string_set *names,
	  struct fy_error *err)
{
	struct fy_windows_version v;
	struct fy_driver_set set = { 0 };
	size_t i;
	int r = 0;

	if (!is_windows(s) || !version_of(s, &v))
		return 0;
	if (c->signatures && v.major < 10)
		return 0;
	if (pick_either(w, &v, &set, err) == -1)
		return -1;
	for (i = 0; r == 0 && i < set.n; i++)
		if (set.drivers[i].binary != NULL &&
		    !fy_driver_is_whql(&set.drivers[i]))
			r = fy_string_set_add(names, set.drivers[i].name, err);
	fy_driver_set_release(&set);
	return r;
}

static int
work(void *ctx, struct fy_worker *w, json_t **ret, struct fy_error *err)
{
	const struct check *c = ctx;
	const struct fy_confine_rule rule = { c->path, -1, FY_CONFINE_READ };
	FY_AUTO(virtio_win) struct fy_virtio_win *drivers = NULL;
	struct fy_string_set names = { 0 };
	size_t i;
	int r = 0;

	if (fy_confine(&rule, 1, 0, err) == -1)
		return fy_error_prefix(err, "sandbox");
	if (fy_worker_confined(w, err) == -1 ||
	    fy_virtio_win_open(c->path, &drivers, err) == -1)
		return -1;
	for (i = 0; r == 0 && i < c->m->n_systems; i++)
		r = check_one(c, drivers, &c->m->systems[i], &names, err);
	if (r == 0)
		*ret = fy_json_foreign_list(&names);
	fy_string_set_release(&names);
	if (r == 0 && *ret == NULL)
		return fy_error_nomem(err);
	return r;
}

static int
run(struct check *c, struct fy_log *log, const struct fy_stop *stop,
    json_t **ret, struct fy_error *err)
{
	const struct fy_worker_options o = {
		.what = "the look for drivers",
		.work = work,
		.ctx = c,
		.log = log,
		.stop = stop,
	};

	return fy_worker_run(&o, ret, err);
}

int
fy_drivers_check(const char *virtio_win, const struct fy_machine *m,
		 struct fy_log *log, const struct fy_stop *stop,
		 struct fy_error *err)
{
	struct check c = { virtio_win, m, false };
	fy_autojson json_t *done = NULL;
	size_t i = 0;

	while (i < m->n_systems && !is_windows(&m->systems[i]))
		i++;
	if (i == m->n_systems)
		return 0;
	if (virtio_win == NULL)
		return fy_error_set(
			err, FY_E_NOTFOUND, 0,
			"there is a Windows on the disks, and the "
			"server has no drivers for it: put the "
			"virtio-win package or its ISO image there "
			"(v2v-server serve --virtio-win), or use "
			"--no-inject to take the disks as they are");
	if (run(&c, log, stop, &done, err) == -1)
		return fy_error_prefix(err, "the Windows on the disks can't be "
					    "given drivers by --virtio-win "
					    "(--no-inject takes the disks as "
					    "they are)");
	return 0;
}

int
fy_drivers_unsigned(const char *virtio_win, const struct fy_machine *m,
		    struct fy_log *log, const struct fy_stop *stop, char **ret,
		    struct fy_error *err)
{
	struct check c = { virtio_win, m, true };
	fy_autojson json_t *list = NULL;
	struct fy_text names = { 0 };
	const json_t *name;
	size_t i;

	if (run(&c, log, stop, &list, err) == -1)
		return -1;
	fy_text_add(&names, "");
	json_array_foreach(list, i, name) if (json_is_string(name))
		fy_text_printf(&names, "%s%s", i == 0 ? "" : ", ",
			       json_string_value(name));
	if (fy_text_check(&names, err) == -1) {
		fy_text_release(&names);
		return -1;
	}
	*ret = names.data;
	return 0;
}
