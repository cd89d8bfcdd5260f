/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The texts of the scripts for the first boot.  Each ends with 0 when it is
 * done, with 3010 to ask for a reboot, else it is tried again; one that fails
 * for one thing (a driver of several) goes on with the rest and says so in its
 * output, which is logged.
 */
#include "drivers-inject/windows-scripts.h"

#include <string.h>

#include "drivers-inject/text.h"

static int
add_text(struct fy_firstboot_scripts *ret, const char *name,
	 struct fy_text *text, struct fy_error *err)
{
	int r = fy_text_check(text, err);

	if (r == 0)
		r = fy_firstboot_add(ret, name, text->data, err);
	fy_text_release(text);
	return r;
}

/* pnputil's status: 259 when no device wants the driver now, or has a newer
 * one; 3010 and 1641 ask for a reboot. */
int
fy_script_drivers(const struct fy_windows_version *v,
		  const struct fy_driver_set *drivers,
		  struct fy_firstboot_scripts *ret, struct fy_error *err)
{
	/* The words of pnputil changed with Windows 10, version 1607. */
	bool modern = v->major >= 10 && v->build >= 14393;
	struct fy_text t = { 0 };

	if (v->major < 6 || drivers == NULL || drivers->n == 0)
		return 0;
	fy_text_add(&t,
		    "@echo off\n"
		    "rem Give every driver package to Windows.\n"
		    "setlocal\n"
		    "set tool=%SystemRoot%\\System32\\pnputil.exe\n"
		    "if exist \"%SystemRoot%\\Sysnative\\pnputil.exe\" "
		    "set tool=%SystemRoot%\\Sysnative\\pnputil.exe\n"
		    "set good=0\n"
		    "set bad=0\n"
		    "set reboot=0\n"
		    "for /r \"%SystemRoot%\\Drivers\\VirtIO\" %%I in (*.inf) "
		    "do call :one \"%%I\"\n"
		    "echo packages: %good% taken, %bad% refused\n"
		    "if %good% == 0 exit /b 1\n"
		    "if %reboot% == 1 exit /b 3010\n"
		    "exit /b 0\n"
		    "\n"
		    ":one\n"
		    "echo == %~1\n");
	fy_text_printf(&t, "\"%%tool%%\" %s\n",
		       modern ? "/add-driver %1 /install" : "-i -a %1");
	fy_text_add(&t, "set status=%errorlevel%\n"
			"if %status% == 0 goto good\n"
			"if %status% == 259 goto good\n"
			"if %status% == 3010 goto reboot\n"
			"if %status% == 1641 goto reboot\n"
			"echo refused with status %status%\n"
			"set /a bad+=1\n"
			"goto :eof\n"
			":reboot\n"
			"set reboot=1\n"
			":good\n"
			"set /a good+=1\n"
			"goto :eof\n");
	return add_text(ret, "05-drivers.cmd", &t, err);
}

/* Since 8 there are cmdlets, which name the disks that are offline. */
static const char disks_cmdlets[] =
	"# Disks that Windows keeps offline, for it does not know their new\n"
	"# controller.\n"
	"$ErrorActionPreference = 'Stop'\n"
	"try {\n"
	"    foreach ($disk in @(Get-Disk | Where-Object { $_.IsOffline })) {\n"
	"        \"disk $($disk.Number) is offline: $($disk.OfflineReason)\"\n"
	"        Set-Disk -Number $disk.Number -IsOffline $false\n"
	"        if ((Get-Disk -Number $disk.Number).IsReadOnly) {\n"
	"            Set-Disk -Number $disk.Number -IsReadOnly $false\n"
	"        }\n"
	"    }\n"
	"} catch {\n"
	"    \"failed: $_\"\n"
	"    exit 1\n"
	"}\n"
	"exit 0\n";

/* Before, diskpart: disk by disk, for it ends at the first that is not
 * there.  A disk that is online already stays as it is. */
static const char disks_diskpart[] =
	"@echo off\n"
	"rem Disks that Windows keeps offline, for it does not know their new\n"
	"rem controller.\n"
	"setlocal\n"
	"set script=%TEMP%\\ironferry-disk.txt\n"
	"for /l %%N in (1,1,31) do call :one %%N\n"
	"del \"%script%\" 2>nul\n"
	"exit /b 0\n"
	"\n"
	":one\n"
	">\"%script%\" echo select disk %1\n"
	"diskpart /s \"%script%\" >nul\n"
	"if errorlevel 1 goto :eof\n"
	">>\"%script%\" echo %word%\n"
	"diskpart /s \"%script%\" >nul\n"
	"if errorlevel 1 goto :eof\n"
	"echo disk %1 was offline\n"
	">\"%script%\" echo select disk %1\n"
	">>\"%script%\" echo attributes disk clear readonly\n"
	"diskpart /s \"%script%\"\n"
	"goto :eof\n";

int
fy_script_disks(const struct fy_windows_version *v,
		struct fy_firstboot_scripts *ret, struct fy_error *err)
{
	const char *word = v->minor == 0 ? "online" : "online disk";
	struct fy_text t = { 0 };
	const char *at;

	if (v->major < 6)
		return 0;
	if (v->major > 6 || v->minor >= 2)
		return fy_firstboot_add(ret, "20-disks.ps1", disks_cmdlets,
					err);
	at = strstr(disks_diskpart, "set script");
	fy_text_put(&t, disks_diskpart, (size_t)(at - disks_diskpart));
	fy_text_printf(&t, "set word=%s\n", word);
	fy_text_add(&t, at);
	return add_text(ret, "20-disks.cmd", &t, err);
}

/* 1638: another version is there, 1618: another installation runs (which is
 * tried again), 3010 and 1641: it would like a reboot, which can wait. */
int
fy_script_agent(const struct fy_driver_set *drivers,
		struct fy_firstboot_scripts *ret, struct fy_error *err)
{
	struct fy_text t = { 0 };

	if (drivers == NULL || drivers->guest_agent.name == NULL)
		return 0;
	fy_text_add(&t, "@echo off\n"
			"rem The guest agent, by its own installer.\n"
			"setlocal\n");
	fy_text_printf(&t,
		       "start /wait \"\" msiexec.exe /i \"%%~dp0..\\%s\" /qn "
		       "/norestart /l* \"%%~dp0..\\guest-agent.log\"\n",
		       drivers->guest_agent.name);
	fy_text_add(&t, "set status=%errorlevel%\n"
			"echo msiexec ended with status %status%\n"
			"if %status% == 3010 exit /b 0\n"
			"if %status% == 1641 exit /b 0\n"
			"if %status% == 1638 exit /b 0\n"
			"exit /b %status%\n");
	return add_text(ret, "50-guest-agent.cmd", &t, err);
}
