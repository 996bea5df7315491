/*
 * cron - a schedule of five fields, as crontab(5) has it, and when it is due next.
 *
 * Minute, hour, day of the month, month and day of the week; numbers, names (jan,
 * mon), lists, ranges and steps; `@hourly` and the like.  When both kinds of day are
 * given, either will do.  Times are local: what would fall into an hour that the
 * clock leaves out is due right after it, and what names its hours is due once in an
 * hour that comes twice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Bits of the values that match. */
struct cron {
	uint64_t minutes;
	uint32_t hours, days, months, weekdays;
	bool has_days, has_weekdays; /* are they restricted? */
	bool has_hours;
};

/* ERR_CONFIG says what is wrong.  One that can never be due is an error, too. */
int cron_parse(const char *text, struct cron *ret, struct error *err);

/* The first time after `after`, in seconds since 1970; -1: none within nine years. */
int64_t cron_next(const struct cron *cron, int64_t after);
