/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole description: hardware and NICs, the disks with what is on them,
 * the systems found.
 *
 * Image files have no hardware: processors and memory get a modest default,
 * and the firmware is what the first disk is made for: UEFI when its GPT has
 * an EFI system partition and no BIOS boot partition, else BIOS.
 */
#include "p2v-client/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/volume.h"
#include "p2v-client/block.h"
#include "p2v-client/health.h"
#include "p2v-client/sysfs.h"
#include "p2v-client/systems.h"
#include "partclone/disk.h"

#define IMAGE_VCPUS  2
#define IMAGE_MEMORY (2 * FY_GIB)
#define MAX_PATHS    64

void
fy_inventory_free(struct fy_inventory *i)
{
	size_t n, k, count;

	if (i == NULL)
		return;
	count = i->machine == NULL ? 0 : i->machine->n_disks;
	for (n = 0; i->disks != NULL && n < count; n++) {
		struct fy_inventory_disk *d = &i->disks[n];

		free(d->kernel_name);
		free(d->in_use);
		free(d->problem);
		for (k = 0; k < d->n_notes; k++)
			free(d->notes[k]);
		free(d->notes);
	}
	free(i->disks);
	fy_machine_free(i->machine);
	free(i);
}

/* --- which disks ----------------------------------------------------------- */

static int
add_disk(struct fy_inventory *inv, const char *path, const char *name,
	 const char *root, struct fy_error *err)
{
	struct fy_machine_disk *d = fy_machine_add_disk(inv->machine, err);
	struct fy_inventory_disk *grown, *extra;
	size_t n = inv->machine->n_disks;

	if (d == NULL)
		return -1;
	grown = reallocarray(inv->disks, n, sizeof(*grown));
	if (grown == NULL) {
		inv->machine->n_disks--;
		return fy_error_nomem(err);
	}
	inv->disks = grown;
	extra = &grown[n - 1];
	memset(extra, 0, sizeof(*extra));
	d->path = strdup(path);
	if (d->path == NULL)
		return fy_error_nomem(err);
	if (name == NULL)
		return 0;
	extra->kernel_name = strdup(name);
	if (extra->kernel_name == NULL)
		return fy_error_nomem(err);
	extra->removable =
		fy_sys_number(root, 0, "/sys/block/%s/removable", name) == 1;
	extra->read_only =
		fy_sys_number(root, 0, "/sys/block/%s/ro", name) == 1;
	extra->in_use = fy_block_in_use(root, name);
	if (fy_block_describe(root, name, d, err) == -1)
		return -1;
	return fy_block_controller(root, name, d, err);
}

/* Another path to the disk; the first one is in the list, too. */
static int
add_path(struct fy_machine_disk *d, const char *path, struct fy_error *err)
{
	if (d->n_paths >= MAX_PATHS)
		return 0;
	if (d->n_paths == 0 &&
	    fy_machine_add_text(&d->paths, &d->n_paths, d->path, err) == -1)
		return -1;
	return fy_machine_add_text(&d->paths, &d->n_paths, path, err);
}

static bool
any_hardware(const struct fy_inventory *inv)
{
	size_t i;

	for (i = 0; i < inv->machine->n_disks; i++)
		if (inv->disks[i].kernel_name != NULL &&
		    fy_block_is_hardware(inv->disks[i].kernel_name))
			return true;
	return false;
}

static int
add_named_disks(const struct fy_inventory_options *o, struct fy_inventory *inv,
		struct fy_error *err)
{
	size_t i;

	for (i = 0; i < o->n_disks; i++) {
		fy_autofree char *real = NULL, *name = NULL;
		struct stat st;

		real = fy_format(err, "%s%s",
				 o->sysroot == NULL ? "" : o->sysroot,
				 o->disks[i]);
		if (real == NULL)
			return -1;
		if (stat(real, &st) == -1)
			return fy_error_set(
				err, errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO,
				errno, "cannot use '%s' as a disk",
				o->disks[i]);
		name = fy_block_name(o->sysroot, o->disks[i]);
		if (name == NULL && !S_ISREG(st.st_mode))
			return fy_error_set(err, FY_E_USAGE, 0,
					    "'%s' is neither a block device "
					    "nor a file",
					    o->disks[i]);
		if (add_disk(inv, o->disks[i], name, o->sysroot, err) == -1)
			return -1;
	}
	return 0;
}

/* Drop the last disk if an earlier one is the same. */
static int
drop_second_path(struct fy_inventory *inv, struct fy_log *log,
		 struct fy_error *err)
{
	struct fy_machine *m = inv->machine;
	struct fy_machine_disk *last = &m->disks[m->n_disks - 1];
	struct fy_machine *gone;
	struct fy_inventory_disk *extra = &inv->disks[m->n_disks - 1];
	size_t i;

	for (i = 0; i + 1 < m->n_disks; i++)
		if (fy_block_same_disk(&m->disks[i], last))
			break;
	if (i + 1 >= m->n_disks)
		return 0;
	if (add_path(&m->disks[i], last->path, err) == -1)
		return -1;
	fy_log_info(log, "%s is another path to %s: listed once", last->path,
		    m->disks[i].path);
	gone = fy_machine_new(err);
	if (gone == NULL || fy_machine_add_disk(gone, err) == NULL) {
		fy_machine_free(gone);
		return -1;
	}
	gone->disks[0] = *last;
	m->n_disks--;
	free(extra->kernel_name);
	free(extra->in_use);
	fy_machine_free(gone);
	return 0;
}

/* "/dev/sda"; "/dev/cciss/c0d0" for "cciss!c0d0". */
static char *
device_path(const char *name, struct fy_error *err)
{
	char *path = fy_format(err, "/dev/%s", name), *p;

	for (p = path; p != NULL && *p != '\0'; p++)
		if (*p == '!')
			*p = '/';
	return path;
}

/* The other paths to disk number 'index', which was named. */
static int
find_paths(const char *root, const struct fy_strings *names,
	   struct fy_inventory *inv, size_t index, struct fy_error *err)
{
	struct fy_machine_disk *d = &inv->machine->disks[index];
	const char *own = inv->disks[index].kernel_name;
	size_t i;
	int r = 0;

	for (i = 0; own != NULL && r == 0 && i < names->n; i++) {
		FY_AUTO(machine) struct fy_machine *m = fy_machine_new(err);
		struct fy_machine_disk *other;
		fy_autofree char *path = NULL;

		if (m == NULL || (other = fy_machine_add_disk(m, err)) == NULL)
			return -1;
		if (strcmp(names->items[i], own) == 0)
			continue;
		r = fy_block_describe(root, names->items[i], other, err);
		if (r == -1 || !fy_block_same_disk(d, other))
			continue;
		path = device_path(names->items[i], err);
		r = path == NULL ? -1 : add_path(d, path, err);
	}
	return r;
}

static int
find_all_paths(const char *root, struct fy_inventory *inv, struct fy_error *err)
{
	struct fy_strings names = { 0 };
	size_t i;
	int r = 0;

	if (any_hardware(inv))
		r = fy_block_list(root, &names, err);
	for (i = 0; r == 0 && i < inv->machine->n_disks; i++)
		r = find_paths(root, &names, inv, i, err);
	fy_strings_release(&names);
	return r;
}

static int
add_all_disks(const struct fy_inventory_options *o, struct fy_inventory *inv,
	      struct fy_error *err)
{
	struct fy_strings names = { 0 };
	size_t i;
	int r;

	r = fy_block_list(o->sysroot, &names, err);
	for (i = 0; r == 0 && i < names.n && inv->machine->n_disks < 64; i++) {
		fy_autofree char *path = device_path(names.items[i], err);

		if (path == NULL)
			r = -1;
		else
			r = add_disk(inv, path, names.items[i], o->sysroot,
				     err);
		if (r == 0)
			r = drop_second_path(inv, o->log, err);
	}
	fy_strings_release(&names);
	return r;
}

/* --- what is on them ------------------------------------------------------- */

static int
take_map(const struct fy_disk_map *map, struct fy_machine_disk *d,
	 struct fy_inventory_disk *extra, struct fy_error *err)
{
	fy_autojson json_t *all = fy_disk_map_json(map, false, err);
	size_t i;

	if (all == NULL)
		return -1;
	d->volumes = json_incref(json_object_get(all, "volumes"));
	d->size_bytes = map->disk_bytes;
	d->used_bytes = map->used_bytes;
	d->sector_bytes = map->sector_bytes;
	d->table = map->table == NULL ? NULL : strdup(map->table);
	d->table_uuid =
		map->table_uuid == NULL ? NULL : strdup(map->table_uuid);
	extra->notes = calloc(map->n_warnings + 1, sizeof(*extra->notes));
	if (extra->notes == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < map->n_warnings; i++) {
		extra->notes[i] = strdup(map->warnings[i]);
		if (extra->notes[i] == NULL)
			return fy_error_nomem(err);
		extra->n_notes++;
	}
	return 0;
}

static bool
has_type(const struct fy_disk_map *map, const char *type)
{
	size_t i;

	for (i = 0; i < map->n_volumes; i++)
		if (fy_streq(map->volumes[i].type, type))
			return true;
	return false;
}

/* Whether a machine of that firmware could start from the disk. */
static bool
looks_bootable(const struct fy_disk_map *map, enum fy_firmware firmware)
{
	size_t i;

	if (firmware == FY_FIRMWARE_UEFI)
		return has_type(map, FY_GPT_ESP) || has_type(map, "0xef");
	if (has_type(map, FY_GPT_BIOS_BOOT))
		return true;
	for (i = 0; i < map->n_volumes; i++)
		if (map->volumes[i].boot)
			return true;
	return false;
}

static int
find_systems(struct fy_volume *disk, const struct fy_disk_map *map,
	     unsigned index, struct fy_machine *m, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < map->n_volumes; i++) {
		const struct fy_disk_volume *v = &map->volumes[i];
		fy_autovolume struct fy_volume *part = NULL;

		bool ntfs = fy_streq(v->filesystem, "ntfs");
		int (*look)(struct fy_volume *, unsigned, const char *,
			    struct fy_machine *, struct fy_error *) =
			ntfs ? fy_systems_look_ntfs : fy_systems_look;

		if (v->filesystem == NULL ||
		    (!ntfs && strncmp(v->filesystem, "ext", 3) != 0))
			continue;
		if (fy_volume_slice(disk, v->start, v->length, v->path, &part,
				    err) == -1 ||
		    look(part, index, v->path, m, err) == -1)
			return -1;
	}
	return 0;
}

/* The disks that can be opened, read as a set: volumes may lie on several. */
struct set {
	struct fy_volume **volumes; /* of each disk; NULL: it can't be read */
	struct fy_disk_map **maps;
	bool *allow_dirty;
	size_t n;
};

static int
set_init(struct set *s, size_t n, struct fy_error *err)
{
	s->volumes = calloc(n + 1, sizeof(*s->volumes));
	s->maps = calloc(n + 1, sizeof(*s->maps));
	s->allow_dirty = calloc(n + 1, sizeof(*s->allow_dirty));
	s->n = n;
	if (s->volumes == NULL || s->maps == NULL || s->allow_dirty == NULL)
		return fy_error_nomem(err);
	return 0;
}

static void
set_release(struct set *s)
{
	size_t i;

	for (i = 0; s->maps != NULL && i < s->n; i++)
		fy_disk_map_free(s->maps[i]);
	for (i = 0; s->volumes != NULL && i < s->n; i++)
		fy_volume_close(s->volumes[i]);
	free(s->volumes);
	free(s->maps);
	free(s->allow_dirty);
}

/* Something is wrong with a disk: the others go on.  -1 when none can. */
static int
note_problem(const struct fy_inventory_options *o, struct fy_inventory *inv,
	     size_t index, const struct fy_error *why, struct fy_error *err)
{
	if (why->code == FY_E_CANCELLED || why->code == FY_E_NOMEM) {
		*err = *why;
		return -1;
	}
	free(inv->disks[index].problem);
	inv->disks[index].problem = strdup(why->msg);
	if (inv->disks[index].problem == NULL)
		return fy_error_nomem(err);
	fy_log_info(o->log, "%s: %s", inv->machine->disks[index].path,
		    why->msg);
	return 0;
}

static int
open_disk(const struct fy_inventory_options *o, struct fy_machine_disk *d,
	  struct fy_volume **ret, struct fy_error *err)
{
	fy_autofree char *path = NULL;

	path = fy_format(err, "%s%s", o->sysroot == NULL ? "" : o->sysroot,
			 d->path);
	if (path == NULL ||
	    fy_volume_open_path(path, FY_VOLUME_SHARED, 0, ret, err) == -1)
		return -1;
	d->size_bytes = fy_volume_size(*ret);
	if (d->sector_bytes == 0)
		d->sector_bytes = fy_volume_sector_bytes(*ret);
	return 0;
}

/* One try with those that are left; '*ret_at' is the disk that it failed
 * for. */
static int
try_set(const struct fy_inventory_options *o, struct set *s, size_t *ret_at,
	struct fy_error *err)
{
	fy_autofree struct fy_disk_map_options *options =
		calloc(s->n + 1, sizeof(*options));
	fy_autofree struct fy_volume **v = calloc(s->n + 1, sizeof(*v));
	fy_autofree struct fy_disk_map **maps = calloc(s->n + 1, sizeof(*maps));
	fy_autofree size_t *index = calloc(s->n + 1, sizeof(*index));
	size_t i, n = 0, at = 0;

	if (options == NULL || v == NULL || maps == NULL || index == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < s->n; i++) {
		if (s->volumes[i] == NULL)
			continue;
		options[n] = (struct fy_disk_map_options){
			.allow_dirty = o->allow_dirty || s->allow_dirty[i],
			.rescue = o->rescue ? s->volumes[i] : NULL,
			.progress = o->progress,
			.stop = o->stop,
		};
		v[n] = s->volumes[i];
		index[n++] = i;
	}
	if (fy_disk_set_read(v, n, options, maps, &at, err) == -1) {
		*ret_at = index[at];
		return -1;
	}
	for (i = 0; i < n; i++)
		s->maps[index[i]] = maps[i];
	return 0;
}

/* What is unclean is told and used whole; a disk that can't be read is left
 * out, and the rest is tried again. */
static int
read_set(const struct fy_inventory_options *o, struct fy_inventory *inv,
	 struct set *s, struct fy_error *err)
{
	size_t at;

	for (;;) {
		struct fy_error why = { 0 };

		at = 0;
		if (try_set(o, s, &at, &why) == 0)
			return 0;
		if (note_problem(o, inv, at, &why, err) == -1)
			return -1;
		if ((why.code == FY_E_DIRTY || why.code == FY_E_UNSUPPORTED) &&
		    !o->allow_dirty && !s->allow_dirty[at]) {
			s->allow_dirty[at] = true;
			continue;
		}
		fy_volume_close(s->volumes[at]);
		s->volumes[at] = NULL;
	}
}

static int
take_disk(const struct fy_disk_map *map, struct fy_volume *v,
	  struct fy_inventory *inv, size_t index, struct fy_error *err)
{
	struct fy_machine *m = inv->machine;
	struct fy_machine_disk *d = &m->disks[index];

	if (take_map(map, d, &inv->disks[index], err) == -1)
		return -1;
	if (index == 0 && !m->from_hardware)
		m->firmware = has_type(map, FY_GPT_ESP) &&
					      !has_type(map, FY_GPT_BIOS_BOOT)
				      ? FY_FIRMWARE_UEFI
				      : FY_FIRMWARE_BIOS;
	d->boot = looks_bootable(map, m->firmware);
	return find_systems(v, map, (unsigned)index, m, err);
}

static int
read_all(const struct fy_inventory_options *o, struct fy_inventory *inv,
	 struct set *s, struct fy_error *err)
{
	struct fy_machine *m = inv->machine;
	size_t i;

	for (i = 0; i < m->n_disks; i++) {
		struct fy_error why = { 0 };

		if (open_disk(o, &m->disks[i], &s->volumes[i], &why) == -1 &&
		    note_problem(o, inv, i, &why, err) == -1)
			return -1;
	}
	if (!o->read_disks)
		return 0;
	if (read_set(o, inv, s, err) == -1)
		return -1;
	for (i = 0; i < m->n_disks; i++) {
		struct fy_error why = { 0 };

		if (s->maps[i] != NULL &&
		    take_disk(s->maps[i], s->volumes[i], inv, i, &why) == -1 &&
		    note_problem(o, inv, i, &why, err) == -1)
			return -1;
	}
	return 0;
}

static int
read_disks(const struct fy_inventory_options *o, struct fy_inventory *inv,
	   struct fy_error *err)
{
	struct fy_machine *m = inv->machine;
	struct set s = { 0 };
	bool found = false;
	size_t i;
	int r;

	r = set_init(&s, m->n_disks, err);
	if (r == 0)
		r = read_all(o, inv, &s, err);
	set_release(&s);
	if (r == -1)
		return -1;
	for (i = 0; i < m->n_disks; i++) {
		/* One disk is the boot disk: of those that were named the
		 * first, else the first that could be. */
		m->disks[i].boot =
			o->n_disks > 0 ? i == 0 : m->disks[i].boot && !found;
		found = found || m->disks[i].boot;
	}
	if (!found && m->n_disks > 0)
		m->disks[0].boot = true;
	return 0;
}

/* --- their health ---------------------------------------------------------- */

/* Whether a disk may know of SMART: not what an emulator, a controller or a
 * storage network makes. */
static bool
has_smart(const struct fy_machine_disk *d, const struct fy_inventory_disk *e)
{
	static const char *const buses[] = { "sata", "nvme", "sas", "scsi",
					     "usb" };
	size_t i;

	if (e->kernel_name == NULL || !fy_block_is_hardware(e->kernel_name) ||
	    d->hardware_raid == FY_YES)
		return false;
	for (i = 0; i < sizeof(buses) / sizeof(buses[0]); i++)
		if (fy_streq(d->bus, buses[i]))
			return true;
	return false;
}

/* Begin to ask them, and go on. */
static int
ask_health(const struct fy_inventory_options *o, struct fy_inventory *inv,
	   struct fy_health_query **ret, struct fy_error *err)
{
	struct fy_strings devices = { 0 };
	size_t i;
	int r = 0;

	if (o->sysroot != NULL && o->smartctl == NULL)
		return 0;
	for (i = 0; r == 0 && i < inv->machine->n_disks; i++) {
		fy_autofree char *path = NULL;

		if (!has_smart(&inv->machine->disks[i], &inv->disks[i]))
			continue;
		path = device_path(inv->disks[i].kernel_name, err);
		r = path == NULL ? -1 : fy_strings_add(&devices, path, err);
	}
	if (r == 0)
		r = fy_health_start(o->smartctl,
				    (const char *const *)devices.items,
				    devices.n, o->log, o->stop, ret, err);
	fy_strings_release(&devices);
	return r;
}

static int
take_health(struct fy_health_query *h, struct fy_inventory *inv,
	    struct fy_error *err)
{
	struct fy_machine *m = inv->machine;
	fy_autofree struct fy_machine_disk **disks =
		calloc(m->n_disks + 1, sizeof(struct fy_machine_disk *));
	size_t i, n = 0;

	if (disks == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < m->n_disks; i++)
		if (has_smart(&m->disks[i], &inv->disks[i]))
			disks[n++] = &m->disks[i];
	return h == NULL ? 0 : fy_health_finish(h, disks, err);
}

int
fy_inventory_health_warnings(const struct fy_inventory *inv,
			     const char *const *paths, size_t n,
			     struct fy_log *log, struct fy_error *err)
{
	const struct fy_machine *m = inv->machine;
	size_t i, k;

	for (i = 0; i < m->n_disks; i++) {
		fy_autofree char *text = NULL;

		for (k = 0; k < n && !fy_streq(paths[k], m->disks[i].path);)
			k++;
		if ((n > 0 && k == n) || m->disks[i].health < FY_HEALTH_SUSPECT)
			continue;
		text = fy_health_warning(&m->disks[i], err);
		if (text == NULL)
			return -1;
		fy_log_warn(log, "%s", text);
	}
	return 0;
}

static int
read_machine(const struct fy_inventory_options *o, struct fy_inventory *inv,
	     struct fy_error *err)
{
	FY_AUTO(health) struct fy_health_query *health = NULL;
	struct fy_machine *m = inv->machine;

	if (o->n_disks > 0 ? add_named_disks(o, inv, err) == -1 ||
				     find_all_paths(o->sysroot, inv, err) == -1
			   : add_all_disks(o, inv, err) == -1)
		return -1;
	if (ask_health(o, inv, &health, err) == -1)
		return -1;
	m->from_hardware = o->n_disks == 0 || any_hardware(inv);
	if (!m->from_hardware) {
		m->vcpus = IMAGE_VCPUS;
		m->memory_bytes = IMAGE_MEMORY;
		m->arch = strdup("x86_64");
	} else if (fy_inventory_hardware(o->sysroot, m, err) == -1 ||
		   fy_inventory_nics(o->sysroot, m, err) == -1) {
		return -1;
	}
	if (read_disks(o, inv, err) == -1 ||
	    take_health(health, inv, err) == -1)
		return -1;
	if (m->n_systems > 0 && m->systems[0].hostname != NULL)
		m->name = strdup(m->systems[0].hostname);
	return 0;
}

int
fy_inventory_read(const struct fy_inventory_options *options,
		  struct fy_inventory **ret, struct fy_error *err)
{
	FY_AUTO(inventory) struct fy_inventory *inv = calloc(1, sizeof(*inv));

	if (inv == NULL)
		return fy_error_nomem(err);
	inv->machine = fy_machine_new(err);
	if (inv->machine == NULL || read_machine(options, inv, err) == -1)
		return -1;
	fy_machine_clean(inv->machine);
	*ret = fy_steal_ptr(&inv);
	return 0;
}
