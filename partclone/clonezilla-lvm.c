/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LVM in a Clonezilla image: lvm_vg_dev.list has a line "VG /dev/PART UUID" for
 * each PV, lvm_logv.list "/dev/VG/LV what file(1) says" for each LV, lvm_VG.conf
 * is vgcfgbackup's, and an LV's image is named VG-LV as a partition's is by its
 * device.
 *
 * What is put together is what these say with one voice: all PVs of a group are
 * partitions of this disk, all LVs are linear or striped, none lies on another,
 * and each has an image (or is a swap).  All else is refused before a byte is
 * written.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/clonezilla-dir.h"
#include "partclone/lvm.h"

#define MAX_LINES 1024u
#define MAX_LVS	  1024u
#define PV_LIST	  "lvm_vg_dev.list"
#define LV_LIST	  "lvm_logv.list"

/* A line of PV_LIST. */
struct line {
	char vg[FY_LVM_NAME + 1];
	char dev[64]; /* as in file names: "sda5" */
	char id[FY_LVM_ID + 1];
	bool met; /* in its group's metadata */
};

/* Where an LV's extents lie on the disk. */
struct place {
	uint64_t start, length;
	const char *lv;
};

struct reader {
	struct fy_cz_image *c;
	struct line *lines;
	size_t n_lines;
	struct place *places;
	size_t n_places, room_places;
	struct fy_error *err;
};

/* --- errors ------------------------------------------------------------------- */

static int
senseless(const struct reader *r, const char *file, const char *what,
	  const char *name)
{
	return fy_error_set(r->err, FY_E_FORMAT, 0, "%s/%s: LVM: %s%s%.160s",
			    r->c->dir, file, what, name[0] != '\0' ? ": " : "",
			    name);
}

static int
not_read(const struct reader *r, const char *what, const char *name)
{
	fy_autofree char *text =
		fy_format(r->err, "LVM: %s: %.200s", what, name);

	return text == NULL ? -1 : fy_cz_refuse(r->c, text, r->err);
}

/* An LV's segment of a type that is not looked into. */
static int
not_type(const struct reader *r, const char *type, const char *lv)
{
	fy_autofree char *what = fy_format(r->err, "an LV of type %.30s", type);

	return what == NULL ? -1 : not_read(r, what, lv);
}

/* --- names --------------------------------------------------------------------- */

static bool
copy_id(char ret[FY_LVM_ID + 1], const char *shown)
{
	size_t n = 0;

	for (; *shown != '\0'; shown++) {
		if (*shown == '-')
			continue;
		if (n == FY_LVM_ID || !isalnum((unsigned char)*shown))
			return false;
		ret[n++] = *shown;
	}
	ret[n] = '\0';
	return n == FY_LVM_ID;
}

static struct fy_cz_part *
find_part(const struct reader *r, const char *dev)
{
	size_t i;

	for (i = 0; i < r->c->n_parts; i++)
		if (strcmp(r->c->parts[i].name, dev) == 0)
			return &r->c->parts[i];
	return NULL;
}

/* n_vgs: none. */
static size_t
find_vg(const struct reader *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->c->lvm.n_vgs; i++)
		if (strcmp(r->c->lvm.vgs[i].name, name) == 0)
			break;
	return i;
}

bool
fy_cz_lvm_is_image(const char *rest)
{
	size_t n = strcspn(rest, ".-");

	if (n == 0)
		return false;
	rest += n;
	if (strncmp(rest, "-ptcl-img", 9) == 0)
		rest += 9;
	else if (strncmp(rest, "-img", 4) == 0)
		rest += 4;
	else
		return false;
	return *rest == '\0' || *rest == '.';
}

/* --- the list of PVs -------------------------------------------------------------- */

static int
add_line(struct reader *r, char *text)
{
	char *save = NULL, *vg, *dev, *id;
	struct line *l;
	size_t i;

	vg = strtok_r(text, " \t\r", &save);
	if (vg == NULL || *vg == '#')
		return 0;
	dev = strtok_r(NULL, " \t\r", &save);
	id = strtok_r(NULL, " \t\r", &save);
	if (strcmp(vg, "/NOT_FOUND") == 0)
		return not_read(r, "a PV in no group", dev != NULL ? dev : "");
	if (r->n_lines == MAX_LINES)
		return not_read(r, "more PVs than are looked into", vg);
	l = &r->lines[r->n_lines];
	if (!fy_lvm_is_name(vg) || dev == NULL ||
	    strncmp(dev, "/dev/", 5) != 0 ||
	    strlen(dev + 5) >= sizeof(l->dev) || id == NULL ||
	    !copy_id(l->id, id) || strtok_r(NULL, " \t\r", &save) != NULL)
		return senseless(r, PV_LIST, "a line is not understood", vg);
	snprintf(l->vg, sizeof(l->vg), "%s", vg);
	for (i = 0; dev[5 + i] != '\0'; i++)
		l->dev[i] = dev[5 + i] == '/' ? '-' : dev[5 + i];
	for (i = 0; i < r->n_lines; i++)
		if (strcmp(r->lines[i].dev, l->dev) == 0 ||
		    strcmp(r->lines[i].id, l->id) == 0)
			return senseless(r, PV_LIST, "a PV stands there twice",
					 l->dev);
	r->n_lines++;
	return 0;
}

static int
read_lines(struct reader *r, bool chosen)
{
	fy_autofree char *text = NULL;
	char *save = NULL, *line;
	size_t i;

	if (fy_cz_read_text(r->c, PV_LIST, FY_CZ_TEXT_MAX, &text, NULL,
			    r->err) == -1)
		return -1;
	if (text == NULL)
		return 0;
	r->lines = calloc(MAX_LINES, sizeof(*r->lines));
	if (r->lines == NULL)
		return fy_error_nomem(r->err);
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		if (add_line(r, line) == -1)
			return -1;
	for (i = 0; i < r->n_lines; i++)
		if (strcmp(r->lines[i].dev, r->c->disk) == 0 ||
		    (!chosen && find_part(r, r->lines[i].dev) == NULL))
			return not_read(r,
					"a PV that is no partition of the "
					"disk",
					r->lines[i].dev);
	return 0;
}

/* --- a group: its PVs ----------------------------------------------------------------- */

/* What fy_lvm_vg_parse does not tell of a PV. */
static int
check_pv_text(struct reader *r, const struct fy_lvm_text *t,
	      const struct fy_lvm_pv *pv, uint64_t length)
{
	const struct fy_lvm_item *group, *list, *s;
	uint64_t seqno, sectors, size = 0;
	const char *id;

	if (!fy_lvm_text_head(t, &group, &id, &seqno))
		return senseless(r, PV_LIST, "there is no group", pv->name);
	list = fy_lvm_find(t, group, "physical_volumes", FY_LVM_SECTION);
	s = list == NULL ? NULL
			 : fy_lvm_find(t, list, pv->name, FY_LVM_SECTION);
	if (s == NULL)
		return senseless(r, PV_LIST, "there is no PV", pv->name);
	if (fy_lvm_get_number(t, s, "ba_start", INT64_MAX, &sectors) ||
	    fy_lvm_get_number(t, s, "ba_size", INT64_MAX, &sectors))
		return not_read(r, "a PV with an area for a boot loader",
				pv->name);
	if (fy_lvm_find(t, s, "dev_size", FY_LVM_NUMBER) != NULL &&
	    (!fy_lvm_get_number(t, s, "dev_size", UINT64_MAX / 512, &sectors) ||
	     !fy_mul_u64(sectors, 512, &size) || size > length))
		return senseless(r, PV_LIST,
				 "a PV is larger than its partition", pv->name);
	return 0;
}

static int
add_pv(struct reader *r, size_t vg, const struct fy_lvm_text *t,
       const struct fy_lvm_vg *g, const struct fy_lvm_pv *pv)
{
	const struct fy_cz_vg *v = &r->c->lvm.vgs[vg];
	struct fy_lvm_head head = { .data_start = pv->start,
				    .text_len = v->text_len };
	struct fy_cz_part *part;
	struct fy_cz_pv *p;
	struct line *l = NULL;
	size_t i;

	for (i = 0; i < r->n_lines; i++)
		if (strcmp(r->lines[i].id, pv->id) == 0 &&
		    strcmp(r->lines[i].vg, v->name) == 0)
			l = &r->lines[i];
	part = l == NULL ? NULL : find_part(r, l->dev);
	if (part == NULL)
		return not_read(r, "a group with PVs that are not on this disk",
				v->name);
	if (l->met || part->extended || part->kind != FY_CZ_NOTHING)
		return senseless(r, PV_LIST, "a PV is something else, too",
				 l->dev);
	l->met = true;
	/* (Products and sums were checked when the text was parsed.) */
	if (pv->start + pv->extents * g->extent_bytes > part->length)
		return senseless(r, PV_LIST,
				 "a PV is larger than its partition", l->dev);
	if (check_pv_text(r, t, pv, part->length) == -1 ||
	    fy_lvm_head_check(&head, r->err) == -1)
		return fy_error_prefix(r->err, "PV %s", l->dev);
	part->kind = FY_CZ_PV;
	p = &r->c->lvm.pvs[r->c->lvm.n_pvs++];
	*p = (struct fy_cz_pv){ .start = part->start,
				.length = part->length,
				.data_start = pv->start,
				.vg = vg };
	memcpy(p->id, pv->id, sizeof(p->id));
	return 0;
}

static int
add_pvs(struct reader *r, size_t vg, const struct fy_lvm_text *t,
	const struct fy_lvm_vg *g)
{
	struct fy_cz_lvm *l = &r->c->lvm;
	struct fy_cz_pv *grown;
	uint32_t i;
	size_t k;

	grown = reallocarray(l->pvs, l->n_pvs + g->n_pvs + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(r->err);
	l->pvs = grown;
	for (i = 0; i < g->n_pvs; i++)
		if (add_pv(r, vg, t, g, &g->pvs[i]) == -1)
			return -1;
	for (k = 0; k < r->n_lines; k++)
		if (strcmp(r->lines[k].vg, l->vgs[vg].name) == 0 &&
		    !r->lines[k].met)
			return senseless(r, PV_LIST,
					 "the group's metadata lack a PV",
					 r->lines[k].dev);
	return 0;
}

/* --- a group: its LVs ----------------------------------------------------------------- */

static int
add_place(struct reader *r, uint64_t start, uint64_t length, const char *lv)
{
	struct place *grown;
	size_t room;

	if (r->n_places == r->room_places) {
		room = r->room_places == 0 ? 64 : 2 * r->room_places;
		grown = reallocarray(r->places, room, sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(r->err);
		r->places = grown;
		r->room_places = room;
	}
	r->places[r->n_places++] = (struct place){ start, length, lv };
	return 0;
}

/* A segment to a piece of the LV's view; 'pvs' are those of the group. */
static int
add_piece(struct reader *r, struct fy_cz_lv *lv, const struct fy_lvm_vg *g,
	  const struct fy_cz_pv *pvs, const struct fy_lvm_segment *s)
{
	struct fy_target_piece *piece = &lv->pieces[lv->n_pieces];
	uint64_t *areas, count, length;
	uint32_t i;

	if (s->kind != FY_LVM_STRIPED ||
	    (strcmp(s->type, "striped") != 0 && strcmp(s->type, "linear") != 0))
		return not_type(r, s->type, lv->part.name);
	areas = calloc(s->n_areas, sizeof(*areas));
	if (areas == NULL)
		return fy_error_nomem(r->err);
	*piece = (struct fy_target_piece){ .start = s->start * g->extent_bytes,
					   .length = s->count * g->extent_bytes,
					   .areas = areas,
					   .n_areas = s->n_areas,
					   .stripe_bytes = s->stripe_bytes };
	lv->n_pieces++;
	count = s->count / s->n_areas;
	length = count * g->extent_bytes;
	for (i = 0; i < s->n_areas; i++) {
		const struct fy_lvm_area *a = &s->areas[i];

		if (a->is_lv)
			return not_read(r, "an LV made of other LVs",
					lv->part.name);
		if (a->extent > g->pvs[a->index].extents ||
		    count > g->pvs[a->index].extents - a->extent)
			return senseless(r, LV_LIST,
					 "a segment is outside of its PV",
					 lv->part.name);
		areas[i] = pvs[a->index].start + pvs[a->index].data_start +
			   a->extent * g->extent_bytes;
		if (add_place(r, areas[i], length, lv->part.name) == -1)
			return -1;
	}
	return 0;
}

/* The name of its files, which no other may have. */
static int
name_lv(struct reader *r, struct fy_cz_lv *lv, const char *vg, const char *name)
{
	size_t i, n;

	if (!fy_lvm_is_name(name))
		return senseless(r, LV_LIST, "an LV has no proper name", vg);
	snprintf(lv->lv, sizeof(lv->lv), "%s", name);
	if (strlen(vg) + 1 + strlen(name) >= sizeof(lv->part.name))
		return not_read(r, "a long name", name);
	snprintf(lv->part.name, sizeof(lv->part.name), "%.127s-%.127s", vg,
		 name);
	for (i = 0; i < r->c->lvm.n_lvs; i++)
		if (strcmp(r->c->lvm.lvs[i].part.name, lv->part.name) == 0)
			return not_read(r,
					"two LVs with the same name of files",
					lv->part.name);
	for (i = 0; i < r->c->n_parts; i++) {
		n = strlen(r->c->parts[i].name);
		if (strncmp(lv->part.name, r->c->parts[i].name, n) == 0 &&
		    (lv->part.name[n] == '.' || lv->part.name[n] == '\0'))
			return not_read(r, "an LV named like a partition",
					lv->part.name);
	}
	return 0;
}

static int
add_lv(struct reader *r, size_t vg, const struct fy_lvm_vg *g,
       const struct fy_cz_pv *pvs, const struct fy_lvm_lv *from)
{
	struct fy_cz_lvm *l = &r->c->lvm;
	struct fy_cz_lv *lv = &l->lvs[l->n_lvs];
	uint32_t i;

	*lv = (struct fy_cz_lv){ .vg = vg };
	if (name_lv(r, lv, g->name, from->name) == -1)
		return -1;
	l->n_lvs++; /* released from now on */
	for (i = 0; i < from->n_segments; i++)
		if (from->segments[i].kind != FY_LVM_STRIPED)
			return not_type(r, from->segments[i].type,
					lv->part.name);
	if (from->whole[0] != '\0')
		return not_read(r, from->whole, lv->part.name);
	if (!from->visible || from->n_segments == 0)
		return not_read(r, "an LV that is hidden or empty",
				lv->part.name);
	lv->part.length = from->extents * g->extent_bytes;
	lv->pieces = calloc(from->n_segments, sizeof(*lv->pieces));
	if (lv->pieces == NULL)
		return fy_error_nomem(r->err);
	for (i = 0; i < from->n_segments; i++)
		if (add_piece(r, lv, g, pvs, &from->segments[i]) == -1)
			return -1;
	return 0;
}

static int
add_lvs(struct reader *r, size_t vg, const struct fy_lvm_vg *g)
{
	struct fy_cz_lvm *l = &r->c->lvm;
	const struct fy_cz_pv *pvs = l->pvs + (l->n_pvs - g->n_pvs);
	uint32_t i;

	if (l->lvs == NULL) /* once: names in places point into it */
		l->lvs = calloc(MAX_LVS, sizeof(*l->lvs));
	if (l->lvs == NULL)
		return fy_error_nomem(r->err);
	if (g->n_lvs > MAX_LVS - l->n_lvs)
		return not_read(r, "more LVs than are looked into", g->name);
	for (i = 0; i < g->n_lvs; i++)
		if (add_lv(r, vg, g, pvs, &g->lvs[i]) == -1)
			return -1;
	return 0;
}

/* --- groups ---------------------------------------------------------------------------- */

static int
look_into(struct reader *r, size_t vg, const char *file,
	  const struct fy_lvm_text *t)
{
	const struct fy_lvm_item *group;
	struct fy_lvm_vg g;
	const char *id, *lock;
	uint64_t seqno;
	int status;

	if (fy_lvm_vg_parse(t, &g, r->err) == -1)
		return fy_error_prefix(r->err, "%s/%s", r->c->dir, file);
	lock = fy_lvm_text_head(t, &group, &id, &seqno)
		       ? fy_lvm_get_text(t, group, "lock_type")
		       : NULL;
	if (strcmp(g.name, r->c->lvm.vgs[vg].name) != 0)
		status = senseless(r, file, "it is of another group", g.name);
	else if (g.whole[0] != '\0')
		status = not_read(r, g.whole, g.name);
	else if (lock != NULL && strcmp(lock, "none") != 0)
		status = not_read(r, "a group that machines share", g.name);
	else if (add_pvs(r, vg, t, &g) == -1)
		status = -1;
	else
		status = add_lvs(r, vg, &g);
	fy_lvm_vg_release(&g);
	return status;
}

/* From the text that the PVs will have, not from what it is made of. */
static int
add_vg(struct reader *r, const char *name)
{
	FY_AUTO(lvm_text) struct fy_lvm_text *t = NULL;
	fy_autofree char *file = fy_format(r->err, "lvm_%s.conf", name);
	fy_autofree char *backup = NULL;
	struct fy_cz_lvm *l = &r->c->lvm;
	struct fy_cz_vg *grown;
	size_t len;
	char *copy;

	if (file == NULL || fy_cz_read_text(r->c, file, FY_LVM_TEXT_BYTES / 2,
					    &backup, &len, r->err) == -1)
		return -1;
	if (backup == NULL)
		return senseless(r, file, "it is not there", "");
	grown = reallocarray(l->vgs, l->n_vgs + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(r->err);
	l->vgs = grown;
	grown += l->n_vgs++;
	*grown = (struct fy_cz_vg){ 0 };
	snprintf(grown->name, sizeof(grown->name), "%s", name);
	if (fy_lvm_text_from_backup(backup, len, &grown->text, &grown->text_len,
				    r->err) == -1)
		return fy_error_prefix(r->err, "%s/%s", r->c->dir, file);
	copy = malloc(grown->text_len + 1);
	if (copy == NULL)
		return fy_error_nomem(r->err);
	memcpy(copy, grown->text, grown->text_len);
	if (fy_lvm_text_parse(copy, grown->text_len, &t, r->err) == -1)
		return fy_error_prefix(r->err, "%s/%s", r->c->dir, file);
	return look_into(r, l->n_vgs - 1, file, t);
}

static int
by_start(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int
check_places(struct reader *r)
{
	size_t i;

	fy_sort(r->places, r->n_places, sizeof(*r->places), by_start);
	for (i = 1; i < r->n_places; i++)
		if (r->places[i].start - r->places[i - 1].start <
		    r->places[i - 1].length)
			return senseless(r, LV_LIST, "LVs lie on each other",
					 r->places[i].lv);
	return 0;
}

/* --- the list of LVs ---------------------------------------------------------------------- */

/* What file(1) says of one: "Linux swap file", "Linux/i386 swap file".  (A
 * filesystem's label may say swap, too.) */
static bool
is_swap(const char *what)
{
	what += strspn(what, " \t");
	if (strncmp(what, "Linux", 5) != 0)
		return false;
	what += 5;
	if (*what == '/')
		what += strcspn(what, " \t");
	return strncmp(what, " swap file", 10) == 0;
}

static struct fy_cz_lv *
find_lv(const struct reader *r, size_t vg, const char *name)
{
	size_t i;

	for (i = 0; i < r->c->lvm.n_lvs; i++)
		if (r->c->lvm.lvs[i].vg == vg &&
		    strcmp(r->c->lvm.lvs[i].lv, name) == 0)
			return &r->c->lvm.lvs[i];
	return NULL;
}

/* "/dev/VG/LV what file(1) says" */
static int
list_lv(struct reader *r, char *text)
{
	char *end = text + strcspn(text, " \t\r"), *name;
	const char *what = *end == '\0' ? end : end + 1;
	struct fy_cz_lv *lv;
	size_t vg, i;

	*end = '\0';
	name = strncmp(text, "/dev/", 5) == 0 ? strchr(text + 5, '/') : NULL;
	if (name == NULL)
		return senseless(r, LV_LIST, "a line is not understood", text);
	*name++ = '\0';
	vg = find_vg(r, text + 5);
	if (vg == r->c->lvm.n_vgs) {
		/* Of a group on another disk. */
		for (i = 0; i < r->n_lines; i++)
			if (strcmp(r->lines[i].vg, text + 5) == 0)
				return 0;
		return senseless(r, LV_LIST, "an LV of an unknown group", name);
	}
	lv = find_lv(r, vg, name);
	if (lv == NULL || lv->listed)
		return senseless(r, LV_LIST,
				 "an LV that the group does not have, or twice",
				 name);
	lv->listed = true;
	lv->swap = is_swap(what);
	return 0;
}

static int
read_list(struct reader *r)
{
	fy_autofree char *text = NULL;
	char *save = NULL, *line;

	if (fy_cz_read_text(r->c, LV_LIST, FY_CZ_TEXT_MAX, &text, NULL,
			    r->err) == -1)
		return -1;
	if (text == NULL)
		return r->n_lines == 0
			       ? 0
			       : senseless(r, LV_LIST, "it is not there", "");
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		if (*line != '\r' && list_lv(r, line) == -1)
			return -1;
	return 0;
}

/* --- all ------------------------------------------------------------------------------------ */

static int
read_all(struct reader *r, bool chosen)
{
	size_t i;

	if (read_lines(r, chosen) == -1)
		return -1;
	for (i = 0; i < r->n_lines; i++)
		if (find_part(r, r->lines[i].dev) != NULL &&
		    find_vg(r, r->lines[i].vg) == r->c->lvm.n_vgs &&
		    add_vg(r, r->lines[i].vg) == -1)
			return -1;
	return check_places(r) == -1 ? -1 : read_list(r);
}

int
fy_cz_lvm_open(struct fy_cz_image *c, bool chosen, struct fy_error *err)
{
	struct reader r = { .c = c, .err = err };
	int status = read_all(&r, chosen);

	free(r.lines);
	free(r.places);
	return status;
}

int
fy_cz_lvm_check(struct fy_cz_image *c, struct fy_error *err)
{
	struct reader r = { .c = c, .err = err };
	size_t i;

	for (i = 0; i < c->lvm.n_lvs; i++) {
		struct fy_cz_lv *lv = &c->lvm.lvs[i];
		const char *name = lv->part.name;

		if (fy_cz_read_swap(c, &lv->part, err) == -1)
			return -1;
		if (!lv->listed)
			return senseless(&r, LV_LIST, "an LV is not listed",
					 name);
		if (lv->part.kind == FY_CZ_NOTHING)
			return senseless(&r, LV_LIST,
					 "there is no image of an LV", name);
		if (lv->swap && lv->part.kind != FY_CZ_SWAP)
			return senseless(&r, LV_LIST,
					 "an LV is a swap, but has an image",
					 name);
		if (!lv->swap && lv->part.kind == FY_CZ_SWAP)
			return senseless(&r, LV_LIST,
					 "an LV was saved as a swap, but is "
					 "listed as something else",
					 name);
	}
	return 0;
}

void
fy_cz_lvm_release(struct fy_cz_lvm *l)
{
	size_t i, k;

	for (i = 0; i < l->n_lvs; i++) {
		for (k = 0; k < l->lvs[i].n_pieces; k++)
			free((uint64_t *)l->lvs[i].pieces[k].areas);
		free(l->lvs[i].pieces);
		free(l->lvs[i].part.file);
	}
	for (i = 0; i < l->n_vgs; i++)
		free(l->vgs[i].text);
	free(l->lvs);
	free(l->pvs);
	free(l->vgs);
	*l = (struct fy_cz_lvm){ 0 };
}
