#include "service/log_level.h"

#include "base/array.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *line;
	enum log_level level;
} cases[] = {
	{"", LOG_LEVEL_UNKNOWN},
	{"hello", LOG_LEVEL_UNKNOWN},
	{"{\"level\":\"warn\",\"msg\":\"x\"}", LOG_LEVEL_WARN},
	{"{\"msg\":\"x\",\"severity\":\"ERROR\"}\r\n", LOG_LEVEL_ERROR},
	{"{\"level\":30,\"msg\":\"ERROR: not this\"}", LOG_LEVEL_INFO},
	{"{\"level\":50}", LOG_LEVEL_ERROR},
	{"{\"level\":-1}", LOG_LEVEL_UNKNOWN},
	{"{\"level\":null}", LOG_LEVEL_UNKNOWN},
	{"{not json, level=debug }", LOG_LEVEL_DEBUG},
	{"time=2026-01-31T12:01:07Z level=warning msg=\"disk\"", LOG_LEVEL_WARN},
	{"lvl=\"dbug\" level=\"error\" x=1", LOG_LEVEL_ERROR},
	{"sublevel=error x", LOG_LEVEL_UNKNOWN},
	{"level=", LOG_LEVEL_UNKNOWN},
	{"ERROR something", LOG_LEVEL_ERROR},
	{"Error: listen EADDRINUSE", LOG_LEVEL_ERROR},
	{"TypeError: x is not a function", LOG_LEVEL_ERROR},
	{"java.io.IOException: broken", LOG_LEVEL_ERROR},
	{"[warn] slow", LOG_LEVEL_WARN},
	{"npm ERR! code 1", LOG_LEVEL_ERROR},
	{"panic: runtime error", LOG_LEVEL_FATAL},
	{"2026-11-25 12:01:07,412 WARNING root: x", LOG_LEVEL_WARN},
	{"2026-11-25T12:01:07.412Z locald[7] info: serves", LOG_LEVEL_INFO},
	{"GET /error 200", LOG_LEVEL_UNKNOWN},
	{"no error found", LOG_LEVEL_UNKNOWN},
	{"a b c d e f ERROR late", LOG_LEVEL_UNKNOWN},
	{"    at ERROR: in a stack", LOG_LEVEL_UNKNOWN},
};

static void test_levels(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (log_level_of(cases[i].line, strlen(cases[i].line)) != cases[i].level)
			fail_msg("%s", cases[i].line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
