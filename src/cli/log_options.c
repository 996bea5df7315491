#include "cli/log_options.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/when.h"

#define DEFAULT_LINES 200
#define CONTEXT_MAX   1000
#define PATTERN_MAX   1000
#define RUNS_BACK_MAX 1000000

static const char *const streams[] = {"out", "err", NULL};
static const char *const levels[] = {"trace", "debug", "info", "warn", "error", "fatal", NULL};

#define S struct log_options
const struct option log_options_table[] = {
	OPT_INT('C', "context", S, context, "N", "With --grep: N lines before and after, too"),
	OPT_FLAG('f', "follow", S, follow, "Go on with what comes, until Ctrl-C"),
	OPT_STRING(0, "grep", S, grep, "RE", "Lines that match (extended regular expression)",
                   COMPLETE_NOTHING),
	OPT_FLAG('i', "ignore-case", S, ignore_case, "With --grep: capitals or not"),
	OPT_FLAG('v', "invert", S, invert, "With --grep: lines that do not match"),
	OPT_FLAG(0, "json", S, json, "Print records as JSON, one a line"),
	OPT_CHOICE(0, "level", S, level, "LEVEL", "Lines of this level and graver ones", levels),
	OPT_INT('n', "lines", S, lines, "N", "The last N lines (200, all with a time, run or RE)"),
	OPT_FLAG(0, "no-prefix", S, no_prefix, "Without time and service"),
	OPT_FLAG(0, "raw", S, raw, "The bytes as they were, of one service"),
	OPT_STRING(0, "run", S, run, "N", "Only run N; -1 is the one before the last",
                   COMPLETE_NOTHING),
	OPT_STRING(0, "since", S, since, "TIME", "From then on: 10m, 12:01, yesterday, a date",
                   COMPLETE_NOTHING),
	OPT_FLAG(0, "since-start", S, since_start, "Since the last start of each service"),
	OPT_CHOICE(0, "stream", S, stream, "STREAM", "out or err only", streams),
	OPT_FLAG(0, "system", S, system, "The daemon's own log"),
	OPT_STRING(0, "until", S, until, "TIME", "Up to then", COMPLETE_NOTHING),
	OPT_END,
};
#undef S

/* regcomp(3) does not say where: the place is behind the longest part that is good. */
static size_t bad_place(const char *text, int flags)
{
	for (size_t len = strlen(text); len-- > 0;) {
		cleanup_free char *part = xstrndup(text, len);
		regex_t ignored;

		if (regcomp(&ignored, part, flags) != 0)
			continue;
		regfree(&ignored);
		return len;
	}
	return 0;
}

static int compile(const struct log_options *options, regex_t *ret, struct error *err)
{
	int flags = REG_EXTENDED | (options->ignore_case ? REG_ICASE : 0);
	char why[128];
	int failure;

	if (strlen(options->grep) > PATTERN_MAX)
		return error_set(err, ERR_USAGE, "--grep: more than %d characters", PATTERN_MAX);
	failure = regcomp(ret, options->grep, flags);
	if (failure == 0)
		return 0;
	regerror(failure, ret, why, sizeof(why));
	error_set(err, ERR_USAGE, "--grep: %s, at character %zu of `%s`", why,
	          bad_place(options->grep, flags) + 1, options->grep);
	return error_hint(err, "a character that has a meaning is taken as it is after \\");
}

static int parse_run(const char *text, int *ret, struct error *err)
{
	int64_t run;

	if (str_to_int(text[0] == '-' ? text + 1 : text, 1, RUNS_BACK_MAX, &run, err) < 0)
		return error_wrap(err, "--run");
	*ret = text[0] == '-' ? -(int)run : (int)run;
	return 0;
}

static int check(const struct log_options *options, struct error *err)
{
	const struct {
		bool is_wrong;
		const char *text;
	} rules[] = {
		{!options->grep && (options->ignore_case || options->invert || options->context),
	         "-i, -v and -C go with --grep"},
		{options->raw && options->json, "--raw and --json cannot go together"},
		{options->follow && options->until, "--follow and --until cannot go together"},
		{options->run && options->since_start,
	         "--run and --since-start cannot go together"},
		{options->context > CONTEXT_MAX, "-C: at most 1000 lines"},
		{options->system && (options->json || options->raw || options->stream ||
	                             options->run || options->since_start || options->context),
	         "--system takes --follow, --lines, --since, --until, --level and --grep only"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].is_wrong)
			return error_set(err, ERR_USAGE, "%s", rules[i].text);
	return 0;
}

static int set_times(const struct log_options *options, struct log_filter *ret, struct error *err)
{
	int64_t now = clock_real_ns();

	if (options->since && when_parse(options->since, now, &ret->since_ns, err) < 0)
		return error_wrap(err, "--since");
	if (options->until && when_parse(options->until, now, &ret->until_ns, err) < 0)
		return error_wrap(err, "--until");
	if (ret->until_ns && ret->since_ns > ret->until_ns)
		return error_set(err, ERR_USAGE, "--since is later than --until");
	return 0;
}

void log_options_defaults(void *values)
{
	struct log_options *options = values;

	options->lines = -1;
}

int log_options_filter(const struct log_options *options, regex_t *pattern, struct log_filter *ret,
                       struct error *err)
{
	bool is_bounded = options->since || options->until || options->run ||
	                  options->since_start || options->grep;

	*ret = (struct log_filter){
		.last = options->lines >= 0 ? (uint64_t)options->lines
	                : is_bounded        ? LOG_QUERY_ALL
	                                    : DEFAULT_LINES,
		.is_inverted = options->invert,
		.context = (unsigned int)options->context,
		.since_start = options->since_start,
	};
	if (check(options, err) < 0 || set_times(options, ret, err) < 0)
		return -1;
	if (options->run && parse_run(options->run, &ret->run, err) < 0)
		return -1;
	if (options->stream)
		ret->stream = str_eq(options->stream, "err") ? LOG_ERR : LOG_OUT;
	for (size_t i = 0; options->level && levels[i]; i++)
		if (str_eq(options->level, levels[i]))
			ret->level = LOG_LEVEL_TRACE + (enum log_level)i;
	if (!options->grep)
		return 0;
	if (compile(options, pattern, err) < 0)
		return -1;
	ret->pattern = pattern;
	ret->pattern_text = options->ignore_case ? NULL : options->grep;
	return 0;
}
