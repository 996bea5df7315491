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

/*
 * The civil date of a day since 1970: years begin in March, so that the leap day is the last.
 * gmtime(3) would read the time zone first.
 */
static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	int64_t shifted = days + 719468; /* since the first of March of the year 0 */
	int64_t era = shifted / 146097;
	unsigned of_era = (unsigned)(shifted - era * 146097);
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned from_march = (5 * of_year + 2) / 153;

	*day = of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = (unsigned)(year_of_era + era * 400) + (*month <= 2);
}

void clock_format_utc(int64_t real_ns, char out[CLOCK_TEXT_SIZE])
{
	unsigned year, month, day, of_day;
	int ms;
	int64_t sec = split_ns(real_ns, &ms);

	date_of((sec >= 0 ? sec : sec - 86399) / 86400, &year, &month, &day);
	of_day = (unsigned)((sec % 86400 + 86400) % 86400);
	snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03dZ", year % 10000,
	         month % 100, day % 100, of_day / 3600, of_day / 60 % 60, of_day % 60, ms % 1000);
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
