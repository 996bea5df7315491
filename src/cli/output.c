#include "cli/output.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <strings.h>
#include <sys/ioctl.h>

static bool env_is(const char *name, const char *value)
{
	const char *set = getenv(name);

	return set && str_eq(set, value);
}

static bool env_is_set(const char *name)
{
	return !str_empty(getenv(name));
}

/* https://no-color.org and https://bixense.com/clicolors; what the user typed comes first. */
static bool wants_colour(const char *when, int fd)
{
	if (str_eq(when, "always"))
		return true;
	if (str_eq(when, "never") || env_is_set("NO_COLOR"))
		return false;
	if (env_is_set("CLICOLOR_FORCE") && !env_is("CLICOLOR_FORCE", "0"))
		return true;
	return !env_is("CLICOLOR", "0") && !env_is("TERM", "dumb") && isatty(fd);
}

/* A locale that says something else than UTF-8 gets ASCII; none at all is not a statement. */
static bool wants_unicode(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *locale = getenv(names[i]);

		if (!str_empty(locale))
			return strcasestr(locale, "utf-8") || strcasestr(locale, "utf8");
	}
	return true;
}

static void screen_size(int fd, int *ret_width, int *ret_height)
{
	struct winsize size;

	*ret_width = 80;
	*ret_height = 24;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
		*ret_width = size.ws_col;
		*ret_height = size.ws_row;
	}
}

static struct style style_of(const char *when, int fd)
{
	struct style style = {
		.colour = wants_colour(when, fd),
		.unicode = wants_unicode(),
	};
	int height;

	if (isatty(fd)) {
		screen_size(fd, &style.width, &height);
		style.links = style.colour && !env_is("TERM", "linux");
	}
	return style;
}

void output_init(struct output *output, const char *when)
{
	int width;

	output->out = style_of(when, STDOUT_FILENO);
	output->err = style_of(when, STDERR_FILENO);
	screen_size(STDERR_FILENO, &width, &output->height);
	output->is_live = isatty(STDERR_FILENO) && !env_is("TERM", "dumb") && !env_is_set("CI") &&
	                  env_is_set("TERM");
}

/* What cannot be shown on stderr cannot be reported either. */
static void to_stderr(const struct strbuf *text)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;

	if (fd_write_all(STDERR_FILENO, text->buf, text->len, &ignored) < 0)
		return;
}

static void erase(const struct output *output, struct strbuf *out)
{
	if (output->live_lines > 0)
		strbuf_addf(out, "\033[%dA\r\033[J", output->live_lines);
}

void output_live(struct output *output, const struct strbuf *lines)
{
	cleanup(strbuf_release) struct strbuf frame = STRBUF_INIT;
	const char *line = lines->buf, *end;
	int width, height, count = 0;

	if (!output->is_live || output->is_quiet)
		return;
	screen_size(STDERR_FILENO, &width, &height);
	erase(output, &frame);
	while ((end = strchr(line, '\n')) && count < height - 1) {
		cleanup_free char *text = xstrndup(line, (size_t)(end - line));

		style_cut(&frame, &output->err, text, (size_t)width - 1);
		strbuf_addch(&frame, '\n');
		line = end + 1;
		count++;
	}
	output->live_lines = count;
	to_stderr(&frame);
}

void output_live_end(struct output *output)
{
	cleanup(strbuf_release) struct strbuf frame = STRBUF_INIT;

	erase(output, &frame);
	output->live_lines = 0;
	to_stderr(&frame);
}

int output_data(struct output *output, const struct strbuf *text, struct error *err)
{
	output_live_end(output);
	if (fd_write_all(STDOUT_FILENO, text->buf, text->len, err) < 0)
		return error_wrap(err, "standard output");
	return 0;
}

int output_done(struct output *output, const struct strbuf *text, struct error *err)
{
	return output->is_quiet ? 0 : output_data(output, text, err);
}

void output_say(struct output *output, const char *fmt, ...)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(&out, fmt, args);
	va_end(args);
	strbuf_addch(&out, '\n');
	output_note(output, &out);
}

void output_error(struct output *output, const struct strbuf *text)
{
	cleanup(strbuf_release) struct strbuf all = STRBUF_INIT;

	erase(output, &all);
	output->live_lines = 0;
	strbuf_add(&all, text->buf, text->len);
	to_stderr(&all);
}

void output_note(struct output *output, const struct strbuf *text)
{
	if (!output->is_quiet)
		output_error(output, text);
}
