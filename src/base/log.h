/*
 * log - one line per event on standard error, with UTC time and level.
 *
 * Only the edges may log: cli/, daemon/, job mains, shim/main.c.  Below them
 * functions return errors.
 */
#pragma once

#include "base/attrs.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct error;

void log_init(const char *program, enum log_level max);
void log_line(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_err(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
