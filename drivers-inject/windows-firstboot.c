/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Windows guest gets for its first boot: our service program (built
 * from firstboot/ for Windows, and found beside the running program or in its
 * share directory), the scripts, and the guest agent's installer.
 */
#include "drivers-inject/windows-firstboot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/custom.h"
#include "drivers-inject/windows-scripts.h"

#define FOLDER		"Program Files/Ironferry/Firstboot"
#define PROGRAM_MAX	(4u * 1024 * 1024)
#define SCRIPTS_MAX	64u /* as many as the program runs (firstboot/plan.h) */
#define SCRIPT_NAME_MAX 100u

/* --- scripts --------------------------------------------------------------- */

/* A name that is one on every Windows, and runs. */
static bool
is_script_name(const char *name)
{
	const char *p;

	if (!fy_custom_is_for_windows(name) || strlen(name) > SCRIPT_NAME_MAX)
		return false;
	for (p = name; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') ||
		      (p > name && strchr("-_.", *p) != NULL)))
			return false;
	return true;
}

int
fy_firstboot_add(struct fy_firstboot_scripts *s, const char *name,
		 const char *text, struct fy_error *err)
{
	struct fy_firstboot_script *grown;
	size_t i;

	if (!is_script_name(name))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is no name of a script for the first "
				    "boot (letters, digits, '-', '_'; .cmd, "
				    ".bat or .ps1)",
				    name);
	for (i = 0; i < s->n; i++)
		if (strcasecmp(s->items[i].name, name) == 0)
			return fy_error_set(err, FY_E_EXISTS, 0,
					    "the script '%s' is there already",
					    name);
	if (s->n == SCRIPTS_MAX)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "more than %u scripts for the first boot",
				    SCRIPTS_MAX);
	grown = reallocarray(s->items, s->n + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	s->items = grown;
	grown[s->n].name = strdup(name);
	grown[s->n].text = strdup(text);
	s->n++;
	if (grown[s->n - 1].name == NULL || grown[s->n - 1].text == NULL)
		return fy_error_nomem(err);
	return 0;
}

void
fy_firstboot_scripts_release(struct fy_firstboot_scripts *s)
{
	while (s->n > 0) {
		s->n--;
		free(s->items[s->n].name);
		free(s->items[s->n].text);
	}
	free(s->items);
	s->items = NULL;
}

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* As Windows wants it: its ends of lines; and where there is more than ASCII,
 * the mark or the code page that says UTF-8. */
static void
put_script(struct fy_text *t, const struct fy_firstboot_script *s)
{
	bool power = strcasecmp(strrchr(s->name, '.'), ".ps1") == 0;
	const char *p = s->text;
	size_t n;

	if (!is_ascii(s->text))
		fy_text_add(t, power ? "\xef\xbb\xbf" : "@chcp 65001 >nul\r\n");
	while (*p != '\0') {
		n = strcspn(p, "\r\n");
		fy_text_put(t, p, n);
		p += n;
		if (*p == '\r' && p[1] == '\n')
			p++;
		if (*p != '\0') {
			fy_text_add(t, "\r\n");
			p++;
		}
	}
}

/* --- files ----------------------------------------------------------------- */

/* Takes 'data', also when it fails. */
static int
add_file(struct fy_firstboot *f, const char *path, char *data, size_t len,
	 struct fy_error *err)
{
	fy_autofree char *taken = data;
	struct fy_firstboot_file *grown;

	grown = reallocarray(f->files, f->n_files + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	f->files = grown;
	grown += f->n_files;
	grown->path = fy_format(err, FOLDER "/%s", path);
	if (grown->path == NULL)
		return -1;
	grown->data = fy_steal_ptr(&taken);
	grown->len = len;
	f->n_files++;
	return 0;
}

static int
add_script(struct fy_firstboot *f, const struct fy_firstboot_script *s,
	   struct fy_error *err)
{
	fy_autofree char *path = fy_format(err, "scripts/%s", s->name);
	struct fy_text t = { 0 };
	int r = path == NULL ? -1 : 0;

	put_script(&t, s);
	fy_text_add(&t, ""); /* not NULL when there is nothing */
	if (r == 0)
		r = fy_text_check(&t, err);
	if (r == 0)
		r = add_file(f, path, fy_steal_ptr(&t.data), t.len, err);
	fy_text_release(&t);
	return r;
}

/* The directory of the running program; malloc'd. */
static char *
own_directory(struct fy_error *err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash != NULL) {
			*slash = '\0';
			return fy_format(err, "%s", path);
		}
	}
	return fy_format(err, ".");
}

/* Windows on ARM runs the program for x86, which calls the system's own
 * programs from there. */
static const char *
program_name(const struct fy_windows_version *v)
{
	if (fy_streq(v->arch, "amd64"))
		return "firstboot-amd64.exe";
	if (fy_streq(v->arch, "x86") || fy_streq(v->arch, "arm64"))
		return "firstboot-x86.exe";
	return NULL;
}

static int
read_program(const struct fy_windows_version *v, char **ret, size_t *ret_len,
	     struct fy_error *err)
{
	const char *name = program_name(v), *share = getenv("IRONFERRY_SHARE");
	fy_autofree char *own = own_directory(err);
	const char *const below[] = { "", "../share/ironferry/" };
	size_t i;

	if (own == NULL)
		return -1;
	if (name == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "there is no program for the first boot of "
				    "Windows on '%s'",
				    v->arch);
	for (i = 0; i < 2; i++) {
		fy_autofree char *path =
			share != NULL && *share != '\0'
				? fy_format(err, "%s/%s", share, name)
				: fy_format(err, "%s/%s%s", own, below[i],
					    name);
		struct fy_error why = { 0 };

		if (path == NULL)
			return -1;
		if (fy_file_read_at(AT_FDCWD, path, PROGRAM_MAX, ret, ret_len,
				    &why) == 0)
			return 0;
		if (why.code != FY_E_NOTFOUND)
			return fy_error_set(err, why.code, 0, "'%s': %s", path,
					    why.msg);
	}
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "'%s' is not installed, without which nothing can "
			    "run at the first boot of Windows (it was built "
			    "without MinGW-w64; $IRONFERRY_SHARE may name its "
			    "directory)",
			    name);
}

static int
add_agent(struct fy_firstboot *f, const struct fy_driver_set *drivers,
	  struct fy_error *err)
{
	const struct fy_driver_file *a = &drivers->guest_agent;
	char *copy;

	if (a->name == NULL)
		return 0;
	copy = malloc(a->len + 1);
	if (copy == NULL)
		return fy_error_nomem(err);
	memcpy(copy, a->data, a->len);
	copy[a->len] = '\0';
	return add_file(f, a->name, copy, a->len, err);
}

static int
add_all(struct fy_firstboot *f, const struct fy_windows_version *v,
	const struct fy_driver_set *drivers,
	const struct fy_firstboot_scripts *scripts, struct fy_error *err)
{
	struct fy_firstboot_scripts own = { 0 };
	const struct fy_firstboot_scripts *lists[] = { &own, scripts };
	char *program = NULL;
	size_t len, i, k;
	int r = read_program(v, &program, &len, err);

	if (r == 0)
		r = add_file(f, "firstboot.exe", program, len, err);
	if (r == 0)
		r = fy_script_drivers(v, drivers, &own, err);
	if (r == 0)
		r = fy_script_disks(v, &own, err);
	if (r == 0)
		r = fy_script_agent(drivers, &own, err);
	for (k = 0; k < 2; k++)
		for (i = 0; r == 0 && lists[k] != NULL && i < lists[k]->n; i++)
			r = add_script(f, &lists[k]->items[i], err);
	if (r == 0 && drivers != NULL)
		r = add_agent(f, drivers, err);
	fy_firstboot_scripts_release(&own);
	return r;
}

int
fy_firstboot_build(const struct fy_windows_version *v,
		   const struct fy_driver_set *drivers, char drive,
		   const char *system_root,
		   const struct fy_firstboot_scripts *scripts,
		   struct fy_firstboot *ret, struct fy_error *err)
{
	(void)system_root; /* the scripts ask Windows for it */
	memset(ret, 0, sizeof(*ret));
	ret->service_type = 0x10;
	ret->service = fy_format(err, FY_FIRSTBOOT_SERVICE);
	ret->service_name = fy_format(err, "Ironferry first boot");
	ret->image_path = fy_format(err,
				    "\"%c:\\Program Files\\Ironferry\\"
				    "Firstboot\\firstboot.exe\"",
				    drive);
	if (ret->service == NULL || ret->service_name == NULL ||
	    ret->image_path == NULL ||
	    add_all(ret, v, drivers, scripts, err) == -1) {
		fy_firstboot_release(ret);
		return -1;
	}
	return 0;
}

void
fy_firstboot_release(struct fy_firstboot *f)
{
	while (f->n_files > 0) {
		f->n_files--;
		free(f->files[f->n_files].path);
		free(f->files[f->n_files].data);
	}
	free(f->files);
	free(f->service);
	free(f->service_name);
	free(f->image_path);
	memset(f, 0, sizeof(*f));
}
