#include "base/log.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#include <unistd.h>

/* The one place with mutable state: a program has one log. */
static struct {
	const char *program;
	enum log_level max;
} log_state = {"locald", LOG_INFO};

void log_init(const char *program, enum log_level max)
{
	log_state.program = program;
	log_state.max = max;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	cleanup_free char *text = NULL, *line = NULL;
	char when[CLOCK_TEXT_SIZE];
	va_list args;

	if (level > log_state.max)
		return;
	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	clock_format_utc(clock_real_ns(), when);
	line = xasprintf("%s %s[%d] %s: %s\n", when, log_state.program, (int)getpid(), names[level],
	                 text);
	/* A log that cannot be written must not stop what it tells about. */
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}
