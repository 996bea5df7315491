/*
 * when - a time as people write it: "10m", "1h30m", "12:01", "12:01:07", "yesterday",
 * "today", "now", "@1764072000", "2026-11-25", "2026-11-25T12:01:07", and the last one
 * with a zone ("Z", "+02:00").
 *
 * A span is that long ago.  A time of day is today's, or yesterday's when today's is
 * still to come.  Without a zone it is the local one.
 */
#pragma once

#include <stdint.h>

struct error;

int when_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct error *err);
