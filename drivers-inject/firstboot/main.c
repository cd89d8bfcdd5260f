/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first boot inside Windows: a service that runs the scripts beside it,
 * one after the other, and then removes itself.
 *
 *     firstboot.exe               as a service; its directory is the program's
 *     firstboot.exe --once DIR    at a console, for tests: the same without a
 *                                 service, a reboot or a pause; the exit status
 *                                 is 0, 1 (a script failed) or 3010
 *
 * DIR\scripts\*.cmd, *.bat (by cmd.exe) and *.ps1 (by PowerShell) run in the
 * order of their names.  PowerShell gets a script's text and not its file, which
 * a policy may forbid (AllSigned); where the file is, is in the environment,
 * for whatever is in a path could be taken for a quote.  DIR\state.txt says what is done and is replaced as a
 * whole before and after each try (see plan.c for what is counted);
 * DIR\log.txt gets each start, status, time and output.
 *
 * One program for Windows XP to 11: it calls only kernel32 and advapi32 as they
 * were in XP, and has no C library.
 */
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0501
#include <windows.h>

#include "drivers-inject/firstboot/plan.h"

#define SERVICE		    L"ironferry-firstboot"
#define STATE_MAX	    (16u * 1024)
#define PATH_CHARS	    512
#define SCRIPT_MS	    (30u * 60 * 1000) /* the longest that one may take */
#define PAUSE_MS	    20000u	      /* before it is tried again */
#define REBOOT_S	    5u
#define REBOOT_MS	    (10u * 60 * 1000) /* how long to wait for it */
#define STILL_ACTIVE_STATUS 1460u	      /* ERROR_TIMEOUT, for the log */

static struct {
	struct fb_plan plan;
	WCHAR dir[PATH_CHARS];
	HANDLE log;
	HANDLE stop; /* event: the service is to end */
	bool once;
	SERVICE_STATUS_HANDLE service;
	SERVICE_STATUS status;
	char state[STATE_MAX];
	WCHAR path[PATH_CHARS], command[2 * PATH_CHARS];
} all;

/* What the compiler calls by itself. */
void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *
memset(void *to, int c, size_t n)
{
	volatile unsigned char *p = to;

	while (n-- > 0)
		*p++ = (unsigned char)c;
	return to;
}

void *
memcpy(void *to, const void *from, size_t n)
{
	volatile unsigned char *p = to;
	const unsigned char *s = from;

	while (n-- > 0)
		*p++ = *s++;
	return to;
}

/* --- text ------------------------------------------------------------------ */

/* Append; false (and nothing appended) when there is no room. */
static bool
append(WCHAR *to, size_t size, const WCHAR *s)
{
	size_t n = (size_t)lstrlenW(to), k = (size_t)lstrlenW(s);

	if (n + k >= size)
		return false;
	memcpy(to + n, s, (k + 1) * sizeof(*s));
	return true;
}

/* DIR\NAME in all.path. */
static const WCHAR *
in_dir(const WCHAR *name)
{
	all.path[0] = L'\0';
	if (!append(all.path, PATH_CHARS, all.dir) ||
	    !append(all.path, PATH_CHARS, L"\\") ||
	    !append(all.path, PATH_CHARS, name))
		all.path[0] = L'\0'; /* too long: nothing is found there */
	return all.path;
}

static void
number_text(unsigned v, unsigned digits, char *to)
{
	char s[12];
	unsigned n = 0, i;

	do {
		s[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	while (n < digits)
		s[n++] = '0';
	for (i = 0; i < n; i++)
		to[i] = s[n - 1 - i];
	to[n] = '\0';
}

/* --- the log --------------------------------------------------------------- */

static void
write_log(const char *s)
{
	DWORD done;

	if (all.log != INVALID_HANDLE_VALUE)
		WriteFile(all.log, s, (DWORD)lstrlenA(s), &done, NULL);
}

static void
write_number(unsigned v, unsigned digits)
{
	char s[16];

	number_text(v, digits, s);
	write_log(s);
}

/* "2026-01-31 12:00:00 " */
static void
write_time(void)
{
	SYSTEMTIME t;

	GetLocalTime(&t);
	write_number(t.wYear, 4);
	write_log("-");
	write_number(t.wMonth, 2);
	write_log("-");
	write_number(t.wDay, 2);
	write_log(" ");
	write_number(t.wHour, 2);
	write_log(":");
	write_number(t.wMinute, 2);
	write_log(":");
	write_number(t.wSecond, 2);
	write_log(" ");
}

static void
say(const char *text, const char *name)
{
	write_time();
	write_log(text);
	write_log(name);
	write_log("\r\n");
}

static void
say_number(const char *text, unsigned v)
{
	char s[16];

	number_text(v, 1, s);
	say(text, s);
}

/* Whether there was one before; it only grows, and children write to it. */
static bool
open_log(void)
{
	SECURITY_ATTRIBUTES inherit = { sizeof(inherit), NULL, TRUE };

	all.log =
		CreateFileW(in_dir(L"log.txt"), FILE_APPEND_DATA | SYNCHRONIZE,
			    FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
			    OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
	return all.log != INVALID_HANDLE_VALUE &&
	       GetLastError() == ERROR_ALREADY_EXISTS;
}

/* --- the state ------------------------------------------------------------- */

static void
load_state(void)
{
	DWORD n = 0;
	HANDLE f =
		CreateFileW(in_dir(L"state.txt"), GENERIC_READ, FILE_SHARE_READ,
			    NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);

	if (f != INVALID_HANDLE_VALUE) {
		if (!ReadFile(f, all.state, sizeof(all.state), &n, NULL))
			n = 0;
		CloseHandle(f);
	}
	fb_plan_parse(&all.plan, all.state, n);
}

/* A crash leaves the old state or the new one. */
static bool
save_state(void)
{
	static WCHAR temporary[PATH_CHARS];
	size_t n = fb_plan_format(&all.plan, all.state, sizeof(all.state));
	DWORD done = 0;
	bool ok;
	HANDLE f;

	temporary[0] = L'\0';
	append(temporary, PATH_CHARS, in_dir(L"state.new"));
	f = CreateFileW(temporary, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
			FILE_ATTRIBUTE_NORMAL | FILE_FLAG_WRITE_THROUGH, NULL);
	if (f == INVALID_HANDLE_VALUE)
		return false;
	ok = WriteFile(f, all.state, (DWORD)n, &done, NULL) && done == n;
	ok = FlushFileBuffers(f) && ok;
	CloseHandle(f);
	return ok &&
	       MoveFileExW(temporary, in_dir(L"state.txt"),
			   MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
}

/* --- scripts --------------------------------------------------------------- */

static bool
ends_with(const WCHAR *s, const WCHAR *end)
{
	int n = lstrlenW(s), k = lstrlenW(end);

	return n > k && lstrcmpiW(s + n - k, end) == 0;
}

static void
find_scripts(void)
{
	WIN32_FIND_DATAW found;
	char name[3 * FB_NAME_MAX + 1];
	HANDLE h = FindFirstFileW(in_dir(L"scripts\\*"), &found);

	if (h == INVALID_HANDLE_VALUE)
		return;
	do {
		if ((found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ||
		    (!ends_with(found.cFileName, L".cmd") &&
		     !ends_with(found.cFileName, L".bat") &&
		     !ends_with(found.cFileName, L".ps1")))
			continue;
		if (WideCharToMultiByte(CP_UTF8, 0, found.cFileName, -1, name,
					(int)sizeof(name), NULL, NULL) == 0 ||
		    !fb_plan_add(&all.plan, name))
			say("a script is left out: ", "its name, or too many");
	} while (FindNextFileW(h, &found));
	FindClose(h);
}

/* %SystemRoot%\Sysnative is there for 32-bit programs on a 64-bit Windows
 * only, and leads to the system's own programs. */
static bool
system_program(const WCHAR *name, WCHAR *to, size_t size)
{
	static const WCHAR *const dirs[] = { L"\\Sysnative\\",
					     L"\\System32\\" };
	static WCHAR root[PATH_CHARS];
	size_t i;

	if (GetWindowsDirectoryW(root, PATH_CHARS - 1) == 0)
		return false;
	for (i = 0; i < 2; i++) {
		to[0] = L'\0';
		if (append(to, size, root) && append(to, size, dirs[i]) &&
		    append(to, size, name) &&
		    GetFileAttributesW(to) != INVALID_FILE_ATTRIBUTES)
			return true;
	}
	return false;
}

/* The path of a script in the environment, as '%IRONFERRY_SCRIPT%'. */
static bool
name_script(const WCHAR *script)
{
	static WCHAR path[PATH_CHARS];

	path[0] = L'\0';
	return append(path, PATH_CHARS, all.dir) &&
	       append(path, PATH_CHARS, L"\\scripts\\") &&
	       append(path, PATH_CHARS, script) &&
	       SetEnvironmentVariableW(L"IRONFERRY_SCRIPT", path);
}

/* The command line in all.command.  PowerShell 2 has no Get-Content -Raw.  The
 * script's own exit ends PowerShell, as does what it doesn't catch. */
static bool
make_command(const WCHAR *script)
{
	static const WCHAR read[] =
		L"\" -NoProfile -NonInteractive -ExecutionPolicy Bypass "
		L"-Command \"& ([ScriptBlock]::Create([IO.File]::ReadAllText("
		L"$env:IRONFERRY_SCRIPT))); exit 0\"";
	static WCHAR program[PATH_CHARS];
	const size_t size = sizeof(all.command) / sizeof(*all.command);
	bool power = ends_with(script, L".ps1");

	if (!name_script(script) ||
	    !system_program(power ? L"WindowsPowerShell\\v1.0\\powershell.exe"
				  : L"cmd.exe",
			    program, PATH_CHARS))
		return false;
	all.command[0] = L'\0';
	if (!append(all.command, size, L"\"") ||
	    !append(all.command, size, program))
		return false;
	if (power)
		return append(all.command, size, read);
	/* cmd takes off the outer quotes. */
	return append(all.command, size, L"\" /d /c \"\"") &&
	       append(all.command, size, all.dir) &&
	       append(all.command, size, L"\\scripts\\") &&
	       append(all.command, size, script) &&
	       append(all.command, size, L"\"\"");
}

static HANDLE
open_nul(void)
{
	SECURITY_ATTRIBUTES inherit = { sizeof(inherit), NULL, TRUE };

	return CreateFileW(L"NUL", GENERIC_READ,
			   FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
			   OPEN_EXISTING, 0, NULL);
}

enum ended {
	ENDED,	 /* by itself, or by the time limit */
	STOPPED, /* with the service */
	NOT_RUN,
};

/* Wait for the script and, if it must end, for all that it started. */
static enum ended
wait_for(const PROCESS_INFORMATION *pi, HANDLE job, unsigned *ret_status)
{
	HANDLE handles[2] = { pi->hProcess, all.stop };
	DWORD code = 0;
	DWORD w = WaitForMultipleObjects(2, handles, FALSE, SCRIPT_MS);

	if (w == WAIT_OBJECT_0) {
		*ret_status =
			GetExitCodeProcess(pi->hProcess, &code) ? code : 1;
		return ENDED;
	}
	if (job == NULL || !TerminateJobObject(job, 1))
		TerminateProcess(pi->hProcess, 1);
	WaitForSingleObject(pi->hProcess, 10000);
	if (w == WAIT_OBJECT_0 + 1)
		return STOPPED;
	say_number("it takes too long, and was ended after minutes: ",
		   SCRIPT_MS / 60000);
	*ret_status = STILL_ACTIVE_STATUS;
	return ENDED;
}

static enum ended
run_script(const char *name, unsigned *ret_status)
{
	static WCHAR script[FB_NAME_MAX + 1], scripts[PATH_CHARS];
	STARTUPINFOW si = { .cb = sizeof(si), .dwFlags = STARTF_USESTDHANDLES };
	PROCESS_INFORMATION pi = { 0 };
	HANDLE job, nul;
	enum ended ended;
	BOOL ok;

	if (MultiByteToWideChar(CP_UTF8, 0, name, -1, script,
				FB_NAME_MAX + 1) == 0 ||
	    !make_command(script))
		return NOT_RUN;
	scripts[0] = L'\0';
	append(scripts, PATH_CHARS, in_dir(L"scripts"));
	nul = open_nul();
	si.hStdInput = nul;
	si.hStdOutput = si.hStdError = all.log;
	ok = CreateProcessW(NULL, all.command, NULL, NULL, TRUE,
			    CREATE_SUSPENDED | CREATE_NO_WINDOW, NULL, scripts,
			    &si, &pi);
	if (nul != INVALID_HANDLE_VALUE)
		CloseHandle(nul);
	if (!ok)
		return NOT_RUN;
	job = CreateJobObjectW(NULL, NULL);
	if (job != NULL && !AssignProcessToJobObject(job, pi.hProcess)) {
		CloseHandle(job);
		job = NULL;
	}
	ResumeThread(pi.hThread);
	ended = wait_for(&pi, job, ret_status);
	CloseHandle(pi.hThread);
	CloseHandle(pi.hProcess);
	if (job != NULL)
		CloseHandle(job);
	return ended;
}

/* --- the end --------------------------------------------------------------- */

static bool
may_shut_down(void)
{
	TOKEN_PRIVILEGES p = { .PrivilegeCount = 1 };
	HANDLE token;
	bool ok;

	if (!OpenProcessToken(GetCurrentProcess(),
			      TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token))
		return false;
	p.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
	ok = LookupPrivilegeValueW(NULL, L"SeShutdownPrivilege",
				   &p.Privileges[0].Luid) &&
	     AdjustTokenPrivileges(token, FALSE, &p, 0, NULL, NULL) &&
	     GetLastError() == ERROR_SUCCESS;
	CloseHandle(token);
	return ok;
}

/* True: the machine goes down, or (at a console) would. */
static bool
reboot(void)
{
	static WCHAR why[] = L"Ironferry: the first start on virtual hardware "
			     L"goes on after a restart.";

	say("rebooting", "");
	if (all.once)
		return true;
	if (!may_shut_down() ||
	    !InitiateSystemShutdownExW(NULL, why, REBOOT_S, TRUE, TRUE,
				       SHTDN_REASON_MAJOR_OTHER |
					       SHTDN_REASON_FLAG_PLANNED)) {
		say_number("the reboot failed, error ", GetLastError());
		return false;
	}
	if (WaitForSingleObject(all.stop, REBOOT_MS) == WAIT_TIMEOUT) {
		say("the reboot does not come", "");
		return false;
	}
	return true;
}

/* The service is not started again; the log stays. */
static void
remove_service(void)
{
	SC_HANDLE manager, service;
	BOOL ok = FALSE;

	if (all.once)
		return;
	manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
	service = manager == NULL
			  ? NULL
			  : OpenServiceW(manager, SERVICE,
					 DELETE | SERVICE_CHANGE_CONFIG);
	if (service != NULL) {
		ok = DeleteService(service);
		if (!ok) /* then never again by itself */
			ok = ChangeServiceConfigW(service, SERVICE_NO_CHANGE,
						  SERVICE_DISABLED,
						  SERVICE_NO_CHANGE, NULL, NULL,
						  NULL, NULL, NULL, NULL, NULL);
		CloseServiceHandle(service);
	}
	if (manager != NULL)
		CloseServiceHandle(manager);
	if (!ok)
		say_number("the service can't be removed, error ",
			   GetLastError());
}

/* --- all of it ------------------------------------------------------------- */

/* One try of a script; false: the run ends here. */
static bool
try_script(struct fb_script *s, bool *ret_reboot)
{
	unsigned status = 1;
	DWORD from;

	fb_plan_begin(s);
	if (!save_state()) {
		/* Without it a crash would go uncounted. */
		say_number("the state can't be written, error ",
			   GetLastError());
		s->state = FB_FAILED;
		return true;
	}
	say("begin ", s->name);
	from = GetTickCount();
	switch (run_script(s->name, &status)) {
	case STOPPED:
		say("stopped from outside: ", s->name);
		fb_plan_take_back(s);
		save_state();
		return false;
	case NOT_RUN:
		say_number("it can't be run, error ", GetLastError());
		status = 1;
		break;
	case ENDED:
		break;
	}
	write_time();
	write_log("end ");
	write_log(s->name);
	write_log(", status ");
	write_number(status, 1);
	write_log(", try ");
	write_number(s->tries, 1);
	write_log(", seconds ");
	write_number((GetTickCount() - from) / 1000, 1);
	write_log("\r\n");
	switch (fb_plan_end(&all.plan, s, status)) {
	case FB_GO_ON:
		break;
	case FB_AGAIN:
		if (!all.once)
			WaitForSingleObject(all.stop, PAUSE_MS);
		break;
	case FB_REBOOT:
		*ret_reboot = true;
		break;
	case FB_NO_REBOOT:
		say("it wants a reboot, but there were enough", "");
		break;
	}
	save_state();
	return true;
}

static unsigned
run_all(void)
{
	struct fb_script *s;
	bool had_log = open_log(), wants_reboot = false;

	load_state();
	find_scripts();
	if (!fb_plan_start(&all.plan, had_log)) {
		say("started too often; no script is run any more", "");
		remove_service();
		return 1;
	}
	say_number("firstboot starts, run ", all.plan.runs);
	save_state();
	while ((s = fb_plan_next(&all.plan)) != NULL) {
		if (WaitForSingleObject(all.stop, 0) == WAIT_OBJECT_0)
			return 1;
		if (!try_script(s, &wants_reboot))
			return 1;
		if (wants_reboot && reboot())
			return FB_STATUS_REBOOT;
		wants_reboot = false;
	}
	save_state();
	say_number("all is over; scripts that failed: ",
		   fb_plan_failed(&all.plan));
	remove_service();
	return fb_plan_failed(&all.plan) > 0 ? 1 : 0;
}

static void
set_status(DWORD state)
{
	all.status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
	all.status.dwCurrentState = state;
	all.status.dwControlsAccepted =
		state == SERVICE_RUNNING
			? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN
			: 0;
	all.status.dwWaitHint = state == SERVICE_STOP_PENDING ? 15000 : 0;
	SetServiceStatus(all.service, &all.status);
}

static DWORD WINAPI
control(DWORD what, DWORD type, LPVOID data, LPVOID ctx)
{
	(void)type;
	(void)data;
	(void)ctx;
	if (what == SERVICE_CONTROL_STOP || what == SERVICE_CONTROL_SHUTDOWN) {
		set_status(SERVICE_STOP_PENDING);
		SetEvent(all.stop);
		return NO_ERROR;
	}
	return what == SERVICE_CONTROL_INTERROGATE ? NO_ERROR
						   : ERROR_CALL_NOT_IMPLEMENTED;
}

static void WINAPI
service_main(DWORD argc, LPWSTR *argv)
{
	(void)argc;
	(void)argv;
	all.service = RegisterServiceCtrlHandlerExW(SERVICE, control, NULL);
	if (all.service == NULL)
		return;
	set_status(SERVICE_RUNNING);
	run_all();
	set_status(SERVICE_STOPPED);
}

/* The word behind "--once " in the command line; NULL: none. */
static const WCHAR *
once_dir(void)
{
	static const WCHAR option[] = L" --once ";
	const WCHAR *c = GetCommandLineW(), *end;
	size_t k = sizeof(option) / sizeof(*option) - 1, i;

	for (;; c++) {
		for (i = 0; i < k && c[i] == option[i]; i++)
			;
		if (i == k)
			break;
		if (*c == L'\0')
			return NULL;
	}
	c += k;
	if (*c == L'"')
		c++;
	for (end = c; *end != L'\0' && *end != L'"'; end++)
		;
	if ((size_t)(end - c) >= PATH_CHARS - FB_NAME_MAX - 20)
		return NULL;
	memcpy(all.dir, c, (size_t)(end - c) * sizeof(*c));
	return all.dir;
}

/* The program's own directory. */
static bool
own_dir(void)
{
	DWORD n = GetModuleFileNameW(NULL, all.dir, PATH_CHARS);

	if (n == 0 || n >= PATH_CHARS - FB_NAME_MAX - 20)
		return false;
	while (n > 0 && all.dir[n] != L'\\')
		n--;
	all.dir[n] = L'\0';
	return n > 0;
}

void start(void);
void
start(void)
{
	static WCHAR name[] = SERVICE;
	static SERVICE_TABLE_ENTRYW table[] = { { name, service_main },
						{ NULL, NULL } };
	unsigned status = 1;

	all.stop = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (once_dir() != NULL) {
		all.once = true;
		status = run_all();
	} else if (own_dir()) {
		status = StartServiceCtrlDispatcherW(table) ? 0 : 1;
	}
	ExitProcess(status);
}
