/*
 * log_level - how grave a line of a program's log is, as far as the line says.
 *
 * Known are the level of a JSON object (level, lvl, severity, levelname, log.level;
 * names, or numbers as pino has them), logfmt's level=, and a word near the line's
 * beginning: in capitals, in brackets, or before a colon ("npm ERR!", "[warn]",
 * "TypeError: …").  A guess, for looking at logs: nothing is decided by it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum log_level {
	LOG_LEVEL_UNKNOWN,
	LOG_LEVEL_TRACE,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_FATAL,
};

enum log_level log_level_of(const char *line, size_t len);
