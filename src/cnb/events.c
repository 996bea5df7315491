#include "cnb/events.h"

#include "base/mem.h"

void cnb_progress(const struct cnb_events *events, const char *phase, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	if (!events || !events->progress)
		return;
	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	events->progress(phase, text, events->data);
}

void cnb_done(const struct cnb_events *events, const char *phase, int64_t duration_ms)
{
	if (events && events->done)
		events->done(phase, duration_ms, events->data);
}

void cnb_log(const struct cnb_events *events, const char *stream, const char *text, size_t len)
{
	if (events && events->log)
		events->log(stream, text, len, events->data);
}
