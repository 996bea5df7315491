#include "config/toml_parse.h"

#include "base/error.h"
#include "base/str.h"

/* A cursor over one token. */
struct scan {
	const char *at, *end;
};

/* Exactly `count` digits. */
static bool scan_number(struct scan *s, int count, int *ret)
{
	int value = 0;

	if (s->end - s->at < count)
		return false;
	for (int i = 0; i < count; i++) {
		if (s->at[i] < '0' || s->at[i] > '9')
			return false;
		value = value * 10 + (s->at[i] - '0');
	}
	s->at += count;
	*ret = value;
	return true;
}

static bool scan_char(struct scan *s, const char *any_of)
{
	if (s->at == s->end || !*s->at || !strchr(any_of, *s->at))
		return false;
	s->at++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

static bool scan_date(struct scan *s, struct toml_datetime *ret)
{
	int year, month, day;

	if (!scan_number(s, 4, &year) || !scan_char(s, "-") || !scan_number(s, 2, &month) ||
	    !scan_char(s, "-") || !scan_number(s, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	ret->year = (int16_t)year;
	ret->month = (uint8_t)month;
	ret->day = (uint8_t)day;
	return true;
}

/* ".123…": nanoseconds, further digits are cut off. */
static bool scan_fraction(struct scan *s, struct toml_datetime *ret)
{
	const char *start = s->at;
	int32_t unit = 100000000;

	for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
		ret->nanosecond += (*s->at - '0') * unit;
		unit /= 10;
	}
	return s->at > start;
}

static bool scan_time(struct scan *s, struct toml_datetime *ret)
{
	int hour, minute, second;

	if (!scan_number(s, 2, &hour) || !scan_char(s, ":") || !scan_number(s, 2, &minute) ||
	    !scan_char(s, ":") || !scan_number(s, 2, &second))
		return false;
	/* RFC 3339: second 60 is a leap second. */
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	ret->hour = (uint8_t)hour;
	ret->minute = (uint8_t)minute;
	ret->second = (uint8_t)second;
	return !scan_char(s, ".") || scan_fraction(s, ret);
}

static bool scan_offset(struct scan *s, struct toml_datetime *ret)
{
	int hour, minute;
	bool is_west;

	if (scan_char(s, "Zz"))
		return true;
	is_west = s->at < s->end && *s->at == '-';
	if (!scan_char(s, "+-") || !scan_number(s, 2, &hour) || !scan_char(s, ":") ||
	    !scan_number(s, 2, &minute) || hour > 23 || minute > 59)
		return false;
	ret->offset_minutes = (int16_t)((hour * 60 + minute) * (is_west ? -1 : 1));
	return true;
}

/* Is the token meant as a date or time: "dddd-" or "dd:"? */
static bool looks_like(const char *token, size_t len)
{
	struct scan s = {token, token + len}, t = s;
	int ignored;

	return (scan_number(&s, 4, &ignored) && scan_char(&s, "-")) ||
	       (scan_number(&t, 2, &ignored) && scan_char(&t, ":"));
}

static bool scan_any(struct scan *s, struct toml_value *ret)
{
	ret->datetime = (struct toml_datetime){0};
	if (s->end - s->at > 2 && s->at[2] == ':') {
		ret->type = TOML_LOCAL_TIME;
		return scan_time(s, &ret->datetime);
	}
	ret->type = TOML_LOCAL_DATE;
	if (!scan_date(s, &ret->datetime))
		return false;
	if (s->at == s->end)
		return true;
	ret->type = TOML_LOCAL_DATETIME;
	if (!scan_char(s, "Tt ") || !scan_time(s, &ret->datetime))
		return false;
	if (s->at == s->end)
		return true;
	ret->type = TOML_DATETIME;
	return scan_offset(s, &ret->datetime);
}

int toml_read_datetime(struct toml_parser *p, const char *token, size_t len, struct toml_value *ret)
{
	struct scan s = {token, token + len};
	struct toml_value value = {0};

	if (!looks_like(token, len))
		return 0;
	if (!scan_any(&s, &value) || s.at != s.end)
		return error_set(p->err, ERR_CONFIG, "%.*s is not a date or time", (int)len, token);
	value.pos = ret->pos;
	*ret = value;
	return 1;
}

static int format_date(const struct toml_datetime *t, char *out, size_t size)
{
	return snprintf(out, size, "%04d-%02u-%02u", t->year, t->month, t->day);
}

static int format_time(const struct toml_datetime *t, char *out, size_t size)
{
	int len = snprintf(out, size, "%02u:%02u:%02u", t->hour, t->minute, t->second);

	if (t->nanosecond == 0)
		return len;
	len += snprintf(out + len, size - (size_t)len, ".%09d", t->nanosecond);
	while (out[len - 1] == '0')
		out[--len] = '\0';
	return len;
}

void toml_format_datetime(const struct toml_value *value, char out[TOML_DATETIME_SIZE])
{
	const struct toml_datetime *t = &value->datetime;
	int offset = abs(t->offset_minutes);
	size_t len = 0;

	if (value->type != TOML_LOCAL_TIME)
		len += (size_t)format_date(t, out, TOML_DATETIME_SIZE);
	if (value->type == TOML_LOCAL_DATE)
		return;
	if (value->type != TOML_LOCAL_TIME)
		out[len++] = 'T';
	len += (size_t)format_time(t, out + len, TOML_DATETIME_SIZE - len);
	if (value->type != TOML_DATETIME)
		return;
	if (t->offset_minutes == 0)
		str_copy(out + len, TOML_DATETIME_SIZE - len, "Z");
	else
		snprintf(out + len, TOML_DATETIME_SIZE - len, "%c%02d:%02d",
		         t->offset_minutes < 0 ? '-' : '+', offset / 60, offset % 60);
}
