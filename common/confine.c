/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Landlock by its system calls (its header is often older than the kernel),
 * seccomp by libseccomp, capabilities by theirs.
 *
 * Landlock says which files there are.  It does not know changes of modes,
 * owners and times, nor, on older kernels, truncation by path, the network and
 * signals: seccomp refuses these, and what only attackers want of a kernel.
 * What is refused fails with EPERM and does not kill: C libraries and helper
 * programs try some of it and do without.
 */
#include "common/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"

/* --- Landlock --------------------------------------------------------------- */

/* What linux/landlock.h of 6.1 does not have yet. */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* version 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* version 5 */
#define NET_TCP	       UINT64_C(3)	   /* version 4: bind, connect */
#define SCOPE_ABSTRACT UINT64_C(1)	   /* version 6: unix sockets */
#define SCOPE_SIGNAL   UINT64_C(2)	   /* version 6 */
#define FS_FIRST       ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define FS_OF_FILES                                                            \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |          \
	 LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

/* 0: there is none. */
static int
landlock_version(void)
{
	long r = syscall(SYS_landlock_create_ruleset, NULL, 0,
			 LANDLOCK_CREATE_RULESET_VERSION);

	return r < 0 ? 0 : (int)r;
}

static uint64_t
handled_fs(int version)
{
	uint64_t fs = FS_FIRST;

	if (version >= 2)
		fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		fs |= FS_TRUNCATE;
	if (version >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

static uint64_t
access_of(unsigned rights)
{
	uint64_t fs = 0;

	if (rights & FY_CONFINE_READ)
		fs |= LANDLOCK_ACCESS_FS_READ_FILE |
		      LANDLOCK_ACCESS_FS_READ_DIR;
	if (rights & FY_CONFINE_EXECUTE)
		fs |= LANDLOCK_ACCESS_FS_EXECUTE;
	if (rights & FY_CONFINE_WRITE)
		fs |= LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	if (rights & FY_CONFINE_DEVICE)
		fs |= FS_IOCTL_DEV;
	if (rights & FY_CONFINE_MAKE)
		fs |= LANDLOCK_ACCESS_FS_REMOVE_DIR |
		      LANDLOCK_ACCESS_FS_REMOVE_FILE |
		      LANDLOCK_ACCESS_FS_MAKE_DIR |
		      LANDLOCK_ACCESS_FS_MAKE_REG |
		      LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
	return fs;
}

static int
add_rule(int ruleset, const struct fy_confine_rule *rule, uint64_t handled,
	 struct fy_error *err)
{
	struct landlock_path_beneath_attr attr = { .parent_fd = rule->fd };
	fy_autofd int fd = -1;
	long r;

	if (rule->path != NULL) {
		fd = open(rule->path, O_PATH | O_CLOEXEC);
		/* What is not there, or can't be reached, needs no rule. */
		if (fd == -1 &&
		    (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
			return 0;
		attr.parent_fd = fd;
	}
	if (attr.parent_fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    rule->path != NULL ? rule->path : "?");
	attr.allowed_access = access_of(rule->rights) & handled;
	r = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		    &attr, 0);
	/* Of a file it takes no rights of directories.  (What it is can't be
	 * asked: a FUSE of ours would not answer yet.) */
	if (r == -1 && errno == EINVAL) {
		attr.allowed_access &= FS_OF_FILES;
		r = syscall(SYS_landlock_add_rule, ruleset,
			    LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
	}
	if (r == -1)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "Landlock takes no rule for '%s'",
				    rule->path != NULL ? rule->path : "?");
	return 0;
}

int
fy_confine_ruleset(const struct fy_confine_rule *rules, size_t n,
		   enum fy_confine_flags flags, int *ret, struct fy_error *err)
{
	int version = landlock_version();
	struct ruleset_attr attr = { .fs = handled_fs(version) };
	size_t size = sizeof(attr.fs), i;
	fy_autofd int fd = -1;

	*ret = -1;
	if (version == 0)
		return 0;
	if (version >= 4) {
		attr.net = NET_TCP;
		size += sizeof(attr.net);
	}
	if (version >= 6) {
		attr.scoped = SCOPE_ABSTRACT;
		if (!(flags & FY_CONFINE_MAY_SIGNAL))
			attr.scoped |= SCOPE_SIGNAL;
		size += sizeof(attr.scoped);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd == -1)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "cannot make a Landlock ruleset");
	for (i = 0; i < n; i++)
		if (add_rule(fd, &rules[i], attr.fs, err) == -1)
			return -1;
	*ret = fy_steal_fd(&fd);
	return 0;
}

/* --- seccomp ---------------------------------------------------------------- */

/* By name, since not every architecture has all of them; 'number' for those
 * that libseccomp may be too old for (the same on all architectures). */
static const struct {
	const char *name;
	int number;
} refused[] = {
	/* the network */
	{ "socket", 0 },
	{ "bind", 0 },
	{ "listen", 0 },
	{ "accept", 0 },
	{ "accept4", 0 },
	{ "connect", 0 },
	/* other processes */
	{ "ptrace", 0 },
	{ "process_vm_readv", 0 },
	{ "process_vm_writev", 0 },
	{ "process_madvise", 440 },
	{ "process_mrelease", 448 },
	{ "pidfd_getfd", 438 },
	{ "kcmp", 0 },
	{ "shmget", 0 },
	{ "shmat", 0 },
	{ "shmctl", 0 },
	{ "msgget", 0 },
	{ "semget", 0 },
	{ "mq_open", 0 },
	/* mounts and namespaces */
	{ "mount", 0 },
	{ "umount", 0 },
	{ "umount2", 0 },
	{ "pivot_root", 0 },
	{ "chroot", 0 },
	{ "open_tree", 428 },
	{ "move_mount", 429 },
	{ "fsopen", 430 },
	{ "fsconfig", 431 },
	{ "fsmount", 432 },
	{ "fspick", 433 },
	{ "mount_setattr", 442 },
	{ "open_tree_attr", 467 },
	{ "unshare", 0 },
	{ "setns", 0 },
	/* modes, owners, times, attributes, and names of devices */
	{ "chmod", 0 },
	{ "fchmod", 0 },
	{ "fchmodat", 0 },
	{ "fchmodat2", 452 },
	{ "chown", 0 },
	{ "fchown", 0 },
	{ "lchown", 0 },
	{ "fchownat", 0 },
	{ "setxattr", 0 },
	{ "lsetxattr", 0 },
	{ "fsetxattr", 0 },
	{ "setxattrat", 463 },
	{ "removexattr", 0 },
	{ "lremovexattr", 0 },
	{ "fremovexattr", 0 },
	{ "removexattrat", 466 },
	{ "file_setattr", 469 },
	{ "utime", 0 },
	{ "utimes", 0 },
	{ "futimesat", 0 },
	{ "utimensat", 0 },
	{ "truncate", 0 },
	{ "mknod", 0 },
	{ "mknodat", 0 },
	{ "open_by_handle_at", 0 },
	{ "fanotify_init", 0 },
	/* the kernel */
	{ "init_module", 0 },
	{ "finit_module", 0 },
	{ "delete_module", 0 },
	{ "kexec_load", 0 },
	{ "kexec_file_load", 0 },
	{ "bpf", 0 },
	{ "perf_event_open", 0 },
	{ "userfaultfd", 0 },
	{ "add_key", 0 },
	{ "request_key", 0 },
	{ "keyctl", 0 },
	{ "io_uring_setup", 425 },
	{ "io_uring_enter", 426 },
	{ "io_uring_register", 427 },
	{ "lookup_dcookie", 0 },
	{ "syslog", 0 },
	{ "acct", 0 },
	{ "quotactl", 0 },
	{ "quotactl_fd", 443 },
	{ "swapon", 0 },
	{ "swapoff", 0 },
	{ "reboot", 0 },
	{ "settimeofday", 0 },
	{ "clock_settime", 0 },
	{ "clock_adjtime", 0 },
	{ "adjtimex", 0 },
	{ "sethostname", 0 },
	{ "setdomainname", 0 },
	{ "iopl", 0 },
	{ "ioperm", 0 },
	{ "modify_ldt", 0 },
	{ "vhangup", 0 },
};

static int
refuse_all(scmp_filter_ctx ctx)
{
	size_t i;
	int r = 0, number;

	for (i = 0; r == 0 && i < sizeof(refused) / sizeof(*refused); i++) {
		number = seccomp_syscall_resolve_name(refused[i].name);
		if (number == __NR_SCMP_ERROR)
			number = refused[i].number;
		/* Negative: another architecture's. */
		if (number > 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), number,
					     0);
	}
	return r;
}

/* What is refused with some arguments only. */
static int
refuse_some(scmp_filter_ctx ctx)
{
	static const uint64_t namespaces[] = { CLONE_NEWNS,   CLONE_NEWCGROUP,
					       CLONE_NEWUTS,  CLONE_NEWIPC,
					       CLONE_NEWUSER, CLONE_NEWPID,
					       CLONE_NEWNET };
	/* Typing into the terminal that stderr may be. */
	static const uint64_t typing[] = { TIOCSTI, TIOCLINUX };
	const uint64_t all = 0xffffffff;
	const uint32_t no = SCMP_ACT_ERRNO(EPERM);
	size_t i;
	int r;

	/* Its flags lie in memory, where a filter can't look; the C library
	 * then takes clone. */
	r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	for (i = 0; r == 0 && i < sizeof(namespaces) / sizeof(*namespaces); i++)
		r = seccomp_rule_add(ctx, no, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i],
					     namespaces[i]));
	for (i = 0; r == 0 && i < sizeof(typing) / sizeof(*typing); i++)
		r = seccomp_rule_add(
			ctx, no, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, all, typing[i]));
	if (r == 0) /* to all processes of the user */
		r = seccomp_rule_add(ctx, no, SCMP_SYS(kill), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, all, all));
	return r;
}

/* What is refused unless it is about the caller itself: limits (one of processor
 * time ends a process), priorities and processors of others of the same user. */
static int
refuse_for_others(scmp_filter_ctx ctx)
{
	/* 0 is the caller.  Its own number, which is another one in each helper
	 * program, is not let through: C libraries say 0. */
	static const struct {
		const char *name;
		unsigned argument;
		uint64_t own;
	} calls[] = {
		{ "prlimit64", 0, 0 },
		{ "sched_setaffinity", 0, 0 },
		{ "sched_setattr", 0, 0 },
		{ "sched_setparam", 0, 0 },
		{ "sched_setscheduler", 0, 0 },
		{ "setpriority", 0, PRIO_PROCESS },
		{ "setpriority", 1, 0 },
		{ "ioprio_set", 0, 1 }, /* IOPRIO_WHO_PROCESS */
		{ "ioprio_set", 1, 0 },
	};
	size_t i;
	int r = 0, number;

	for (i = 0; r == 0 && i < sizeof(calls) / sizeof(*calls); i++) {
		number = seccomp_syscall_resolve_name(calls[i].name);
		if (number > 0)
			r = seccomp_rule_add(
				ctx, SCMP_ACT_ERRNO(EPERM), number, 1,
				SCMP_CMP(calls[i].argument, SCMP_CMP_NE,
					 calls[i].own, 0));
	}
	return r;
}

static bool
has_seccomp(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static int
filter_calls(struct fy_error *err)
{
	scmp_filter_ctx ctx;
	int r;

	if (!has_seccomp())
		return 0;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (ctx == NULL)
		return fy_error_nomem(err);
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0) /* a tree, for there are many */
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = refuse_all(ctx);
	if (r == 0)
		r = refuse_some(ctx);
	if (r == 0)
		r = refuse_for_others(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r < 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, -r,
				    "cannot filter system calls (seccomp)");
	return 0;
}

/* --- capabilities ------------------------------------------------------------- */

/* Root keeps one: the job's directory may be another user's. */
#define KEPT (1u << CAP_DAC_OVERRIDE)

static int
drop_capabilities(struct fy_error *err)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };
	int i;

	if (syscall(SYS_capget, &h, d) == -1)
		return fy_error_set(err, FY_E_IO, errno, "capget");
	if (d[0].effective & (1u << CAP_SETPCAP))
		for (i = 0; i < 64; i++)
			if (i != CAP_DAC_OVERRIDE &&
			    prctl(PR_CAPBSET_DROP, i) == -1 && errno != EINVAL)
				return fy_error_set(err, FY_E_IO, errno,
						    "PR_CAPBSET_DROP");
	d[0].effective &= KEPT;
	d[0].permitted &= KEPT;
	d[1].effective = d[1].permitted = 0;
	d[0].inheritable = d[1].inheritable = 0;
	if (syscall(SYS_capset, &h, d) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot drop capabilities");
	return 0;
}

/* --- all ------------------------------------------------------------------------ */

const struct fy_confine_rule fy_confine_programs[] = {
	{ "/usr", -1, FY_CONFINE_READ | FY_CONFINE_EXECUTE },
	{ "/bin", -1, FY_CONFINE_READ | FY_CONFINE_EXECUTE },
	{ "/sbin", -1, FY_CONFINE_READ | FY_CONFINE_EXECUTE },
	{ "/lib", -1, FY_CONFINE_READ | FY_CONFINE_EXECUTE },
	{ "/lib32", -1, FY_CONFINE_READ | FY_CONFINE_EXECUTE },
	{ "/lib64", -1, FY_CONFINE_READ | FY_CONFINE_EXECUTE },
	{ "/etc/ld.so.cache", -1, FY_CONFINE_READ },
	{ "/etc/ld.so.conf", -1, FY_CONFINE_READ },
	{ "/etc/ld.so.conf.d", -1, FY_CONFINE_READ },
	{ "/etc/ld.so.preload", -1, FY_CONFINE_READ },
	{ "/etc/alternatives", -1, FY_CONFINE_READ },
	{ "/etc/locale.alias", -1, FY_CONFINE_READ },
	{ "/etc/localtime", -1, FY_CONFINE_READ },
	{ "/etc/e2fsck.conf", -1, FY_CONFINE_READ },
	{ "/etc/mtools.conf", -1, FY_CONFINE_READ },
	{ "/etc/selinux", -1, FY_CONFINE_READ },
	{ "/etc/ssl/openssl.cnf", -1, FY_CONFINE_READ },
	{ "/proc/self", -1, FY_CONFINE_READ },
	{ "/proc/filesystems", -1, FY_CONFINE_READ },
	{ "/sys/devices/system/cpu", -1, FY_CONFINE_READ },
	{ "/dev/null", -1, FY_CONFINE_READ | FY_CONFINE_WRITE },
	{ "/dev/zero", -1, FY_CONFINE_READ },
	{ "/dev/random", -1, FY_CONFINE_READ },
	{ "/dev/urandom", -1, FY_CONFINE_READ },
};
const size_t fy_confine_n_programs =
	sizeof(fy_confine_programs) / sizeof(*fy_confine_programs);

const char *
fy_confine_missing(void)
{
	bool landlock = landlock_version() > 0, seccomp = has_seccomp();

	if (landlock && seccomp)
		return NULL;
	if (!landlock && !seccomp)
		return "Landlock and seccomp, which its kernel does not have "
		       "or has switched off";
	return landlock ? "seccomp, which its kernel does not have"
			: "Landlock, which its kernel does not have or has "
			  "switched off (lsm= on its command line)";
}

/* Landlock holds the calling thread alone. */
static int
check_alone(struct fy_error *err)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	unsigned n = 0, most = 1;

#ifdef __SANITIZE_THREAD__
	most = 2; /* its own */
#endif
	if (dir == NULL)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot list the threads in /proc");
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	if (n > most)
		return fy_error_set(err, FY_E_BUSY, 0,
				    "%u threads can't be confined", n);
	return 0;
}

int
fy_confine(const struct fy_confine_rule *rules, size_t n,
	   enum fy_confine_flags flags, struct fy_error *err)
{
	fy_autofd int ruleset = -1;

	if (check_alone(err) == -1 ||
	    fy_confine_ruleset(rules, n, flags, &ruleset, err) == -1 ||
	    drop_capabilities(err) == -1)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return fy_error_set(err, FY_E_IO, errno, "PR_SET_NO_NEW_PRIVS");
	if (ruleset != -1 &&
	    syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "cannot confine the process (Landlock)");
	return filter_calls(err);
}
