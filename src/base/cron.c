#include "base/cron.h"

#include "base/array.h"
#include "base/error.h"
#include "base/str.h"

#include <ctype.h>
#include <strings.h>
#include <time.h>

#define FIELD_COUNT 5
#define TEXT_MAX    256
/* Leap days are at most eight years apart. */
#define LOOK_AHEAD_S (INT64_C(9) * 366 * 86400)
/* The longest that a clock is put forward or back, in minutes. */
#define SHIFT_MAX 180

struct field {
	const char *what;
	int first, last;
	const char *names; /* of three letters each, beginning with `first` */
};

static const struct field fields[FIELD_COUNT] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day of the month", 1, 31, NULL},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	{"day of the week", 0, 7, "sunmontuewedthufrisat"},
};

static const struct {
	const char *name, *text;
} macros[] = {
	{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"},
};

/* --- reading --- */

/* A number or a name; moves *at behind it.  -1: it is neither. */
static int read_value(const struct field *field, const char **at)
{
	int value = 0, digits = 0;

	for (; isdigit((unsigned char)**at) && digits < 4; digits++, (*at)++)
		value = value * 10 + (**at - '0');
	if (digits > 0)
		return isdigit((unsigned char)**at) ? -1 : value;
	for (int i = 0; field->names && field->names[3 * (size_t)i]; i++) {
		if (strncasecmp(*at, field->names + 3 * (size_t)i, 3) == 0) {
			*at += 3;
			return field->first + i;
		}
	}
	return -1;
}

static int out_of_range(const struct field *field, const char *text, struct error *err)
{
	return error_set(err, ERR_CONFIG, "%s: \"%s\": expected %d-%d", field->what, text,
	                 field->first, field->last);
}

/* "*", "*\/5", "1", "1-5", "mon-fri/2" */
static int read_part(const struct field *field, const char *text, uint64_t *bits, struct error *err)
{
	const struct field number = {.what = field->what};
	const char *at = text;
	int first = field->first, last = field->last, step = 1;

	if (*at == '*') {
		at++;
	} else {
		first = last = read_value(field, &at);
		if (first >= 0 && *at == '-') {
			at++;
			last = read_value(field, &at);
		} else if (*at == '/') {
			last = field->last;
		}
	}
	if (*at == '/' && first >= 0 && last >= 0) {
		at++;
		step = read_value(&number, &at);
		if (step < 1)
			return error_set(err, ERR_CONFIG, "%s: \"%s\": the step must be 1 or more",
			                 field->what, text);
	}
	if (*at || first < field->first || last < field->first || first > field->last ||
	    last > field->last)
		return out_of_range(field, text, err);
	if (first > last) {
		error_set(err, ERR_CONFIG, "%s: \"%s\" goes backwards", field->what, text);
		return error_hint(err, "write it as two ranges with a comma between them");
	}
	for (int value = first; value <= last; value += step)
		*bits |= UINT64_C(1) << value;
	return 0;
}

static int read_field(const struct field *field, char *text, uint64_t *bits, struct error *err)
{
	const char *part;

	while ((part = strsep(&text, ",")))
		if (read_part(field, part, bits, err) < 0)
			return -1;
	return 0;
}

static int read_fields(char *text, uint64_t bits[FIELD_COUNT], bool is_star[FIELD_COUNT],
                       struct error *err)
{
	int count = 0;
	char *word;

	while ((word = strsep(&text, " \t"))) {
		if (!*word)
			continue;
		if (count < FIELD_COUNT) {
			is_star[count] = word[0] == '*' && !word[1];
			if (read_field(&fields[count], word, &bits[count], err) < 0)
				return -1;
		}
		count++;
	}
	if (count == FIELD_COUNT)
		return 0;
	error_set(err, ERR_CONFIG, "expected 5 fields, got %d", count);
	return error_hint(err, "minute, hour, day of the month, month, day of the week");
}

int cron_parse(const char *text, struct cron *ret, struct error *err)
{
	uint64_t bits[FIELD_COUNT] = {0};
	bool is_star[FIELD_COUNT] = {false};
	cleanup_free char *copy = NULL;
	struct cron cron;

	if (strlen(text) > TEXT_MAX)
		return error_set(err, ERR_CONFIG, "longer than %d characters", TEXT_MAX);
	for (size_t i = 0; i < ARRAY_LEN(macros); i++)
		if (str_eq(text, macros[i].name))
			copy = xstrdup(macros[i].text);
	if (!copy && text[0] == '@')
		return error_set(err, ERR_CONFIG,
		                 "\"%s\" is none of @hourly, @daily, @weekly, "
		                 "@monthly and @yearly",
		                 text);
	if (!copy)
		copy = xstrdup(text);
	if (read_fields(copy, bits, is_star, err) < 0)
		return -1;
	cron = (struct cron){
		.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint32_t)bits[3],
		/* Both 0 and 7 are Sunday. */
		.weekdays = (uint32_t)(bits[4] | bits[4] >> 7) & 0x7f,
		.has_days = !is_star[2],
		.has_weekdays = !is_star[4],
		.has_hours = !is_star[1],
	};
	if (cron_next(&cron, 0) < 0)
		return error_set(err, ERR_CONFIG, "there is no such day");
	*ret = cron;
	return 0;
}

/* --- the next time --- */

static bool matches_day(const struct cron *cron, const struct tm *tm)
{
	bool day = cron->days >> tm->tm_mday & 1;
	bool weekday = cron->weekdays >> tm->tm_wday & 1;

	if (!(cron->months >> (tm->tm_mon + 1) & 1))
		return false;
	return cron->has_days && cron->has_weekdays ? day || weekday : day && weekday;
}

static bool matches(const struct cron *cron, const struct tm *tm)
{
	return matches_day(cron, tm) && cron->hours >> tm->tm_hour & 1 &&
	       cron->minutes >> tm->tm_min & 1;
}

static struct tm local(int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;

	localtime_r(&t, &tm);
	return tm;
}

/* What the wall shows, as seconds that go on evenly. */
static int64_t wall(int64_t at)
{
	struct tm tm = local(at);

	return (int64_t)timegm(&tm);
}

/* Does one of the minutes match that the wall left out just before `at`? */
static bool matches_gap(const struct cron *cron, int64_t at)
{
	int64_t now = wall(at), left_out = now - wall(at - 60) - 60;

	if (left_out <= 0 || left_out > SHIFT_MAX * 60)
		return false;
	for (int64_t w = now - left_out; w < now; w += 60) {
		time_t t = (time_t)w;
		struct tm tm;

		gmtime_r(&t, &tm);
		if (matches(cron, &tm))
			return true;
	}
	return false;
}

/* Has the wall shown this minute before, half an hour or an hour ago? */
static bool is_repeated(int64_t at)
{
	int64_t now = wall(at);

	return wall(at - 1800) == now || wall(at - 3600) == now;
}

/* From here to where the next match may be: the next day, hour or minute. */
static int64_t step_from(const struct cron *cron, int64_t at, struct tm *tm)
{
	int64_t midnight;

	if (!matches_day(cron, tm)) {
		struct tm next = {.tm_year = tm->tm_year,
		                  .tm_mon = tm->tm_mon,
		                  .tm_mday = tm->tm_mday + 1,
		                  .tm_isdst = -1};

		midnight = (int64_t)mktime(&next);
		if (midnight > at)
			return midnight;
	}
	return cron->hours >> tm->tm_hour & 1 ? at + 60 : at + (60 - tm->tm_min) * INT64_C(60);
}

int64_t cron_next(const struct cron *cron, int64_t after)
{
	int64_t at = after - after % 60 + 60;

	while (at <= after + LOOK_AHEAD_S) {
		struct tm tm = local(at);
		bool is_due = matches(cron, &tm) && !(cron->has_hours && is_repeated(at));

		if (is_due || (cron->has_hours && matches_gap(cron, at)))
			return at - tm.tm_sec;
		at = step_from(cron, at, &tm);
	}
	return -1;
}
