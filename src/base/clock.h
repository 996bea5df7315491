/* clock - the two clocks that records carry, and RFC 3339 text. */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>

int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t clock_real_ns(void); /* CLOCK_REALTIME */
int64_t clock_boot_ns(void); /* CLOCK_BOOTTIME: counts suspend too */

static inline int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

/* "2026-01-31T12:01:07.412Z" */
#define CLOCK_TEXT_SIZE 32
void clock_format_utc(int64_t real_ns, char out[CLOCK_TEXT_SIZE]);
/* Reads what clock_format_utc() writes; false when it is something else. */
bool clock_parse_utc(const char *text, int64_t *ret_real_ns);
/* "12:01:07.412", local time */
void clock_format_local_time(int64_t real_ns, char out[CLOCK_TEXT_SIZE]);
