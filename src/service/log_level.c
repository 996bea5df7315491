#include "service/log_level.h"

#include "base/array.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

#include <ctype.h>
#include <strings.h>

/* A level is written within this many bytes and words, or the line does not begin with it. */
#define LEADING_BYTES 120
#define LEADING_WORDS 5
/* A longer line is no log line that somebody's logger wrote. */
#define JSON_MAX (64UL * 1024)

static const struct level_word {
	const char *word;
	enum log_level level;
} level_words[] = {
	{"trace", LOG_LEVEL_TRACE},    {"verbose", LOG_LEVEL_TRACE},
	{"debug", LOG_LEVEL_DEBUG},    {"dbg", LOG_LEVEL_DEBUG},
	{"info", LOG_LEVEL_INFO},      {"information", LOG_LEVEL_INFO},
	{"inf", LOG_LEVEL_INFO},       {"notice", LOG_LEVEL_INFO},
	{"log", LOG_LEVEL_INFO},       {"warn", LOG_LEVEL_WARN},
	{"warning", LOG_LEVEL_WARN},   {"wrn", LOG_LEVEL_WARN},
	{"err", LOG_LEVEL_ERROR},      {"error", LOG_LEVEL_ERROR},
	{"severe", LOG_LEVEL_ERROR},   {"exception", LOG_LEVEL_ERROR},
	{"fatal", LOG_LEVEL_FATAL},    {"crit", LOG_LEVEL_FATAL},
	{"critical", LOG_LEVEL_FATAL}, {"panic", LOG_LEVEL_FATAL},
	{"alert", LOG_LEVEL_FATAL},    {"emerg", LOG_LEVEL_FATAL},
};

static enum log_level level_of_word(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(level_words); i++)
		if (strlen(level_words[i].word) == len &&
		    strncasecmp(level_words[i].word, word, len) == 0)
			return level_words[i].level;
	return LOG_LEVEL_UNKNOWN;
}

/* pino and bunyan: 10 is trace, 60 fatal. */
static enum log_level level_of_number(long long number)
{
	if (number < 10)
		return LOG_LEVEL_UNKNOWN;
	return number >= 60 ? LOG_LEVEL_FATAL : (enum log_level)(number / 10);
}

static enum log_level level_of_json(const char *line, size_t len)
{
	static const char *const keys[] = {"level", "lvl", "severity", "levelname", "log.level"};
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_json json_t *object = json_parse(line, len, &ignored);

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const json_t *value = json_object_get(object, keys[i]);

		if (json_is_string(value))
			return level_of_word(json_string_value(value), json_string_length(value));
		if (json_is_integer(value))
			return level_of_number(json_integer_value(value));
	}
	return LOG_LEVEL_UNKNOWN;
}

/* level=warn, level="warn" */
static enum log_level level_of_logfmt(const char *line, size_t len)
{
	static const char *const keys[] = {"level=", "lvl=", "severity="};
	const char *end = line + len;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *at = memmem(line, len, keys[i], strlen(keys[i]));
		size_t value = 0;

		if (!at || (at > line && at[-1] != ' '))
			continue;
		at += strlen(keys[i]);
		at += at < end && *at == '"';
		while (at + value < end && isalpha((unsigned char)at[value]))
			value++;
		return level_of_word(at, value);
	}
	return LOG_LEVEL_UNKNOWN;
}

static bool is_upper(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isupper((unsigned char)word[i]))
			return false;
	return true;
}

/* "TypeError:", "java.io.IOException:" */
static bool names_an_error(const char *word, size_t len)
{
	return (len > 5 && memcmp(word + len - 5, "Error", 5) == 0) ||
	       (len > 9 && memcmp(word + len - 9, "Exception", 9) == 0);
}

static enum log_level level_of_leading_words(const char *line, size_t len)
{
	size_t at = 0, words = 0;

	while (at < len && words < LEADING_WORDS) {
		size_t start = at;
		enum log_level level;
		char before, after;

		if (!isalpha((unsigned char)line[at])) {
			at++;
			continue;
		}
		while (at < len && isalpha((unsigned char)line[at]))
			at++;
		words++;
		before = start > 0 ? line[start - 1] : ' ';
		after = at < len ? line[at] : ' ';
		level = level_of_word(line + start, at - start);
		if (level != LOG_LEVEL_UNKNOWN &&
		    (after == ':' || before == '[' || before == '<' ||
		     (is_upper(line + start, at - start) && before != '-' && after != '-')))
			return level;
		if (after == ':' && names_an_error(line + start, at - start))
			return LOG_LEVEL_ERROR;
	}
	return LOG_LEVEL_UNKNOWN;
}

enum log_level log_level_of(const char *line, size_t len)
{
	enum log_level level = LOG_LEVEL_UNKNOWN;

	while (len > 0 && isspace((unsigned char)line[len - 1]))
		len--;
	if (len > 1 && line[0] == '{' && len <= JSON_MAX)
		level = level_of_json(line, len);
	if (level == LOG_LEVEL_UNKNOWN)
		level = level_of_logfmt(line, len);
	if (level == LOG_LEVEL_UNKNOWN && len > 0 && !isspace((unsigned char)line[0]))
		level = level_of_leading_words(line, len < LEADING_BYTES ? len : LEADING_BYTES);
	return level;
}
