#include "cli/when.h"

#include "base/array.h"
#include "base/error.h"
#include "base/str.h"

#include <ctype.h>
#include <time.h>

#define NS_PER_SECOND 1000000000LL
#define DAY_SECONDS   86400

static const struct unit {
	const char *name;
	int64_t seconds;
} units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", DAY_SECONDS}, {"w", 7 * DAY_SECONDS}};

/* A number of at most nine digits; the end of it, or NULL. */
static const char *digits(const char *at, int64_t *ret)
{
	int count = 0;

	*ret = 0;
	for (; isdigit((unsigned char)*at) && count < 9; at++, count++)
		*ret = *ret * 10 + (*at - '0');
	return count > 0 && !isdigit((unsigned char)*at) ? at : NULL;
}

/* "10m", "1h30m", "500ms": how many ns, or false. */
static bool parse_span(const char *text, int64_t *ret_ns)
{
	*ret_ns = 0;
	do {
		int64_t number;
		const struct unit *found = NULL;

		text = digits(text, &number);
		if (!text)
			return false;
		if (str_starts(text, "ms")) {
			*ret_ns += number * 1000000;
			text += 2;
			continue;
		}
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (*text && *text == units[i].name[0])
				found = &units[i];
		if (!found)
			return false;
		*ret_ns += number * found->seconds * NS_PER_SECOND;
		text++;
	} while (*text);
	return true;
}

/* Midnight, local, of the day `days` after now. */
static int64_t midnight(int64_t now_ns, int days)
{
	time_t seconds = (time_t)(now_ns / NS_PER_SECOND);
	struct tm tm;

	localtime_r(&seconds, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday += days;
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * NS_PER_SECOND;
}

/* "12:01", "12:01:07", "12:01:07.412": what is left of the text, or NULL. */
static const char *parse_clock(const char *text, struct tm *tm, int64_t *ret_ns)
{
	const char *end = strptime(text, "%H:%M", tm);
	int64_t scale = NS_PER_SECOND / 10;

	*ret_ns = 0;
	tm->tm_sec = 0;
	if (!end || *end != ':')
		return end;
	end = strptime(end, ":%S", tm);
	if (!end || *end != '.')
		return end;
	for (end++; isdigit((unsigned char)*end); end++, scale /= 10)
		*ret_ns += scale * (*end - '0');
	return end;
}

/* "Z", "+02:00", "-0530": seconds east of Greenwich. */
static bool parse_zone(const char *text, long *ret_seconds)
{
	struct tm tm = {0};
	const char *end;

	*ret_seconds = 0;
	if (str_eq(text, "Z"))
		return true;
	if (*text != '+' && *text != '-')
		return false;
	end = strptime(text, "%z", &tm);
	*ret_seconds = tm.tm_gmtoff;
	return end && !*end;
}

static bool parse_date(const char *text, int64_t *ret_ns)
{
	struct tm tm = {.tm_isdst = -1};
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	int64_t fraction = 0;
	long east;

	if (!end)
		return false;
	if (*end == 'T' || *end == ' ')
		end = parse_clock(end + 1, &tm, &fraction);
	if (!end)
		return false;
	if (!*end)
		*ret_ns = (int64_t)mktime(&tm) * NS_PER_SECOND + fraction;
	else if (parse_zone(end, &east))
		*ret_ns = ((int64_t)timegm(&tm) - east) * NS_PER_SECOND + fraction;
	else
		return false;
	return true;
}

static bool parse_time_of_day(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	time_t seconds = (time_t)(now_ns / NS_PER_SECOND);
	struct tm tm;
	int64_t fraction;
	const char *end;

	localtime_r(&seconds, &tm);
	tm.tm_isdst = -1;
	end = parse_clock(text, &tm, &fraction);
	if (!end || *end)
		return false;
	*ret_ns = (int64_t)mktime(&tm) * NS_PER_SECOND + fraction;
	if (*ret_ns > now_ns) {
		tm.tm_mday--;
		tm.tm_isdst = -1;
		*ret_ns = (int64_t)mktime(&tm) * NS_PER_SECOND + fraction;
	}
	return true;
}

int when_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct error *err)
{
	static const struct {
		const char *word;
		int days;
	} days[] = {{"today", 0}, {"yesterday", -1}};
	int64_t value;
	const char *end;

	for (size_t i = 0; i < ARRAY_LEN(days); i++)
		if (str_eq(text, days[i].word)) {
			*ret_ns = midnight(now_ns, days[i].days);
			return 0;
		}
	if (str_eq(text, "now")) {
		*ret_ns = now_ns;
		return 0;
	}
	if (text[0] == '@' && isdigit((unsigned char)text[1]) && strlen(text) < 13) {
		*ret_ns = strtoll(text + 1, (char **)&end, 10) * NS_PER_SECOND;
		if (!*end)
			return 0;
	} else if (parse_span(text, &value)) {
		*ret_ns = now_ns - value;
		return 0;
	} else if (parse_date(text, ret_ns) || parse_time_of_day(text, now_ns, ret_ns)) {
		return 0;
	}
	error_set(err, ERR_USAGE, "`%s` is no time", text);
	return error_hint(err, "write 10m, 2h, 12:01, 2026-11-25T12:01:07 or yesterday");
}
