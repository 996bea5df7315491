#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts = {0};

	clock_gettime(id, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t clock_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

/* Floor division, so that times before 1970 format too. */
static time_t split_ns(int64_t real_ns, int *ret_ms)
{
	int64_t sec = real_ns / 1000000000, rest = real_ns % 1000000000;

	if (rest < 0) {
		rest += 1000000000;
		sec--;
	}
	*ret_ms = (int)(rest / 1000000);
	return (time_t)sec;
}

void clock_format_utc(int64_t real_ns, char out[CLOCK_TEXT_SIZE])
{
	struct tm tm;
	int ms;
	time_t sec = split_ns(real_ns, &ms);

	gmtime_r(&sec, &tm);
	snprintf(out, CLOCK_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
	         (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
	         tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100, ms % 1000);
}

void clock_format_local_time(int64_t real_ns, char out[CLOCK_TEXT_SIZE])
{
	struct tm tm;
	int ms;
	time_t sec = split_ns(real_ns, &ms);

	localtime_r(&sec, &tm);
	snprintf(out, CLOCK_TEXT_SIZE, "%02d:%02d:%02d.%03d", tm.tm_hour % 100, tm.tm_min % 100,
	         tm.tm_sec % 100, ms % 1000);
}

bool clock_parse_utc(const char *text, int64_t *ret_real_ns)
{
	struct tm tm = {0};
	int ms = 0, used = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
	           &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6)
		return false;
	text += used;
	if (*text == '.') {
		used = 0;
		if (sscanf(text, ".%3d%n", &ms, &used) != 1 || used != 4)
			return false;
		text += used;
	}
	if (text[0] != 'Z' || text[1])
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_real_ns = ((int64_t)timegm(&tm) * 1000 + ms) * 1000000;
	return true;
}
