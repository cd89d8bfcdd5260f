/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_INF_H
#define FY_WINDOWS_INF_H

/*
 * Windows' INF files: what a driver package serves, copies and registers.
 * Everything that is returned lives in the file's own memory until
 * fy_inf_free; texts are UTF-8.  Section names, keys and what else Windows
 * compares without case is compared so.
 *
 * Threads: one caller at a time and file.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

#define FY_INF_MAX (1024u * 1024)

struct fy_inf;

/*
 * Parse UTF-16 (with or without a byte order mark), UTF-8 or ANSI bytes.
 * FY_E_FORMAT when it is no INF file of Windows', contradicts itself, or is
 * more than FY_INF_MAX bytes or what these may unfold to.
 */
int fy_inf_parse(const void *data, size_t len, struct fy_inf **ret,
		 struct fy_error *err);
void fy_inf_free(struct fy_inf *inf); /* NULL is fine */
FY_DEFINE_AUTO(inf, struct fy_inf, fy_inf_free)
#define fy_autoinf FY_AUTO(inf)

/* --- sections and lines ---------------------------------------------------- */

struct fy_inf_line {
	const char *key; /* NULL: none */
	const char **values;
	size_t n;
};
struct fy_inf_section {
	const char *name;
	struct fy_inf_line *lines;
	size_t n;
};

/* Sections of one name are one; NULL when there is none. */
const struct fy_inf_section *fy_inf_section(const struct fy_inf *inf,
					    const char *name);
/* The next line of 's' with that key from line '*at' on, which it moves behind
 * it; NULL at the end, or when 's' is NULL. */
const struct fy_inf_line *fy_inf_next(const struct fy_inf_section *s,
				      const char *key, size_t *at);
/* The first value of the first line with that key; NULL when there is none. */
const char *fy_inf_value(const struct fy_inf *inf, const char *section,
			 const char *key);
/* Value 'i' of a line, "" when it has fewer. */
const char *fy_inf_field(const struct fy_inf_line *line, size_t i);
/* A number as Windows writes it: decimal, or hexadecimal behind 0x. */
bool fy_inf_number(const char *s, uint32_t *ret);

/* --- which Windows --------------------------------------------------------- */

enum fy_inf_arch {
	FY_INF_ANY, /* of a decoration: it names none */
	FY_INF_X86,
	FY_INF_AMD64,
	FY_INF_ARM64,
	FY_INF_OTHER, /* ia64, arm: never a target */
};
const char *fy_inf_arch_name(enum fy_inf_arch arch); /* "amd64" */

struct fy_inf_target {
	enum fy_inf_arch arch;
	uint32_t major, minor, build;
	uint32_t product; /* 1 workstation, 2 domain controller, 3 server;
			     0 not known, fits none */
	uint32_t suites;  /* VER_SUITE_*; 0 when not known */
};

/* nt[ARCH][.MAJOR[.MINOR[.PRODUCT[.SUITES[.BUILD]]]]]; what is not said is
 * 0. */
struct fy_inf_decoration {
	enum fy_inf_arch arch;
	uint32_t major, minor, product, suites, build;
};
bool fy_inf_decoration_parse(const char *s, struct fy_inf_decoration *ret);
bool fy_inf_decoration_fits(const struct fy_inf_decoration *d,
			    const struct fy_inf_target *target);
/* > 0 when 'a' is the more specific one of two that fit. */
int fy_inf_decoration_compare(const struct fy_inf_decoration *a,
			      const struct fy_inf_decoration *b);

/* --- what it is and serves ------------------------------------------------- */

struct fy_inf_version {
	const char *class_name, *class_guid; /* "" when missing, as all here */
	const char *provider;
	const char *catalog; /* for the target's architecture */
	const char *date;    /* "05/03/2010" */
	const char *version; /* "61.63.103.3000" */
	const char *package_type;
};
/* FY_E_FORMAT without [Version] or with a signature that isn't Windows'. */
int fy_inf_version(const struct fy_inf *inf, enum fy_inf_arch arch,
		   struct fy_inf_version *ret, struct fy_error *err);
/* The four numbers of a version as one that compares. */
uint64_t fy_inf_version_number(const char *version);

struct fy_inf_model {
	const char *manufacturer, *description;
	const char *install; /* as written, without suffix */
	const char **ids;    /* hardware id, then the compatible ones */
	size_t n_ids;
	struct fy_inf_decoration decoration; /* of the chosen section */
};
struct fy_inf_models {
	const struct fy_inf_model *items;
	size_t n;
};
/*
 * The devices that the file serves on that Windows: of each manufacturer's
 * models sections the one whose decoration fits best; the undecorated one on
 * x86 when none fits.  None at all is no error.
 */
int fy_inf_models(struct fy_inf *inf, const struct fy_inf_target *target,
		  struct fy_inf_models *ret, struct fy_error *err);

/* --- an installation section ----------------------------------------------- */

struct fy_inf_file {
	const char *name;   /* at its destination */
	const char *source; /* beside the INF, with '/': "amd64/viostor.sys" */
	uint32_t dirid;	    /* 12: System32\drivers; 0: not said */
	const char *subdir; /* below that, with '\', "" for none */
};

struct fy_inf_reg {
	const char *root; /* "HKR" */
	const char *subkey, *name;
	uint32_t flags; /* FLG_ADDREG_*, as written */
	uint32_t type;	/* REG_* */
	bool key_only;	/* no value, only the key */
	/* Strings are UTF-8, each with a NUL behind it; numbers are
	 * little-endian. */
	const char *data;
	size_t len;
};

struct fy_inf_regs {
	const struct fy_inf_reg *items;
	size_t n;
};

struct fy_inf_service {
	const char *name; /* "" with the flag: a device without a driver */
	uint32_t flags;	  /* SPSVCINST_* */
	const char *display_name, *group, *description; /* "" for none */
	uint32_t type, start, error_control;
	const char *binary;	 /* as written: "%12%\viostor.sys" */
	uint32_t binary_dirid;	 /* 12; 0 when it has none */
	const char *binary_tail; /* behind that: "viostor.sys" */
	const char **dependencies;
	size_t n_dependencies;
	struct fy_inf_regs regs; /* HKR is the service's key */
};
#define FY_INF_SERVICE_ASSOCIATED 0x2u

struct fy_inf_install {
	const char *section; /* as it was found: "scsi_inst.NT" */
	const struct fy_inf_file *files;
	size_t n_files;
	const struct fy_inf_service *services;
	size_t n_services;
	struct fy_inf_regs hardware; /* .HW: HKR is the device's key */
	/* Other INF files that it needs: not read, only named. */
	const char **includes;
	size_t n_includes;
};

/* The section of a model for that Windows.  FY_E_FORMAT when it or one that it
 * names is missing, or a file's place leads out of the package. */
int fy_inf_install(struct fy_inf *inf, const struct fy_inf_target *target,
		   const struct fy_inf_model *model, struct fy_inf_install *ret,
		   struct fy_error *err);
/* The service that a device gets: associated and named; NULL without. */
const struct fy_inf_service *fy_inf_device_service(
	const struct fy_inf_install *install);

#endif
