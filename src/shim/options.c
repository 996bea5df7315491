#include "shim/command.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>

static const struct option_row *find(const struct option_row *rows, size_t count, const char *name,
                                     size_t len)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
			return &rows[i];
		if (len == 1 && rows[i].letter == *name)
			return &rows[i];
	}
	return NULL;
}

static bool takes_value(const struct option_row *row)
{
	return row->kind == OPTION_TEXT || row->kind == OPTION_LIST || row->kind == OPTION_NUMBER;
}

static int store(const struct option_row *row, const char *value, struct error *err)
{
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)row->value = !str_eq_null(value, "false");
		return 0;
	case OPTION_TEXT:
		*(const char **)row->value = value;
		return 0;
	case OPTION_LIST:
		strv_add(row->value, value);
		return 0;
	case OPTION_NUMBER:
		if (str_to_int(value, 0, INT32_MAX, row->value, err) < 0)
			return error_wrap(err, "--%s", row->name);
		return 0;
	case OPTION_IGNORED:
		return 0;
	case OPTION_REFUSED:
		if (str_eq_null(value, "false"))
			return 0;
		error_set(err, ERR_UNSUPPORTED, "--%s is not supported yet", row->name);
		return error_hint(err, "%s", row->help);
	}
	return 0;
}

static void print_help(const struct command *self, const struct option_row *rows, size_t count)
{
	/* By the name it was called with, which need not be ours; options may stand anywhere. */
	printf("Usage: %s [OPTION...] %s %s\n\n%s\n\n", program_invocation_short_name, self->name,
	       self->arguments, self->summary);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name =
			xasprintf("--%s%s", rows[i].name, takes_value(&rows[i]) ? " VALUE" : "");

		if (rows[i].kind != OPTION_REFUSED && rows[i].kind != OPTION_IGNORED)
			printf("  %c%c %-26s %s\n", rows[i].letter ? '-' : ' ',
			       rows[i].letter ? rows[i].letter : ' ', name, rows[i].help);
	}
}

int options_take(const struct option_row *rows, size_t count, int argc, char **argv, int *at,
                 struct error *err)
{
	const char *word = argv[*at] + 1 + (argv[*at][1] == '-');
	size_t len = strcspn(word, "=");
	const struct option_row *row = find(rows, count, word, len);
	const char *value = word[len] == '=' ? word + len + 1 : NULL;

	if (!row)
		return error_set(err, ERR_USAGE, "unknown option `%s`", argv[*at]);
	if (takes_value(row) && !value) {
		if (*at + 1 >= argc)
			return error_set(err, ERR_USAGE, "--%s needs a value", row->name);
		value = argv[++*at];
	}
	return store(row, value, err);
}

int options_parse(const struct command *self, const struct option_row *rows, size_t count, int argc,
                  char **argv, struct error *err)
{
	int n = 0, at = 0;

	for (; at < argc && n < self->min_args + (self->max_args == self->min_args); at++) {
		if (argv[at][0] != '-' || !argv[at][1]) {
			argv[n++] = argv[at];
			continue;
		}
		if (str_eq(argv[at], "--help") || str_eq(argv[at], "-h")) {
			print_help(self, rows, count);
			return OPTIONS_HELPED;
		}
		if (str_eq(argv[at], "--")) {
			at++;
			break;
		}
		if (options_take(rows, count, argc, argv, &at, err) < 0)
			return -1;
	}
	while (at < argc)
		argv[n++] = argv[at++];
	if (n < self->min_args || n > self->max_args) {
		error_set(err, ERR_USAGE, "%s %s arguments", self->name,
		          n < self->min_args ? "needs more" : "takes fewer");
		return error_hint(err, "locald-shim %s %s", self->name, self->arguments);
	}
	return n;
}
