/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The folders that a boot.ini names.
 */
#include "common/test.h"

#include <stdlib.h>

#include "drivers-inject/windows-root.h"

#define ARC "multi(0)disk(0)rdisk(0)partition(1)"

/* 'want': the names, with "|" between. */
static void
check(const char *text, bool bootmgr, const char *want)
{
	struct fy_string_set s = { 0 };
	struct fy_error err = { 0 };
	struct fy_text all = { 0 };
	size_t i;

	CHECK_OK(fy_windows_folders(text, text == NULL ? 0 : strlen(text),
				    bootmgr, &s, &err),
		 &err);
	for (i = 0; i < s.n; i++)
		fy_text_printf(&all, "%s%s", i == 0 ? "" : "|", s.items[i]);
	CHECK_STR(all.data, want);
	fy_text_release(&all);
	fy_string_set_release(&s);
}

int
main(void)
{
	static const char ini[] =
		"[boot loader]\r\ntimeout=30\r\n"
		"default=" ARC "\\XP \r\n"
		"[operating systems]\r\n" ARC
		"\\WINNT=\"2000\" /fastdetect\r\n" ARC
		"\\Old One=\"x\\y\"\r\n" ARC "\\XP=\"XP (a)\\b=c\"\r\n"
		"C:\\CMDCONS\\BOOTSECT.DAT=\"x\" /cmdcons\r\n";

	check(NULL, false, "Windows|WINNT");
	check("", true, "Windows|WINNT");
	check(ini, false, "XP|Windows|WINNT|Old One");
	check(ini, true, "Windows|WINNT|XP|Old One");
	/* A line that isn't ended, and what is no folder. */
	check("default=" ARC "\\A", false, "A|Windows|WINNT");
	check("default=" ARC "\\\n" ARC "\\a\\b=\"\"\n" ARC "\\..=\"\"\n" ARC
	      "\\\x01=\"\"\n=\n\r\n\\\n)\\",
	      false, "Windows|WINNT");
	return test_result();
}
