#include "cli/option.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <limits.h>
#include <math.h>

#define OPTIONS_MAX 64
#define TIME_MAX_MS 1e12

struct parser {
	const struct option_target *targets;
	size_t ntargets;
	char **argv;
	int argc, at; /* at: the next word */
};

struct found {
	const struct option *option;
	void *values;
};

void option_list_release(struct option_list *list)
{
	array_foreach(name, &list->names)
		free(*name);
	array_release(&list->names);
}

static bool is_end(const struct option *option)
{
	return option->type == OPTION_END;
}

static struct found find_name(const struct parser *parser, const char *name, size_t len)
{
	for (size_t t = 0; t < parser->ntargets; t++)
		for (const struct option *o = parser->targets[t].table; o && !is_end(o); o++)
			if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
				return (struct found){o, parser->targets[t].values};
	return (struct found){0};
}

static struct found find_letter(const struct parser *parser, char letter)
{
	for (size_t t = 0; t < parser->ntargets; t++)
		for (const struct option *o = parser->targets[t].table; o && !is_end(o); o++)
			if (o->letter && o->letter == letter)
				return (struct found){o, parser->targets[t].values};
	return (struct found){0};
}

static int unknown_name(const struct parser *parser, const char *name, struct error *err)
{
	const char *names[OPTIONS_MAX];
	const char *nearest;
	size_t n = 0;

	for (size_t t = 0; t < parser->ntargets; t++)
		for (const struct option *o = parser->targets[t].table; o && !is_end(o); o++)
			if (n < OPTIONS_MAX)
				names[n++] = o->name;
	nearest = str_nearest(name, names, n);
	error_set(err, ERR_USAGE, "unknown option `--%s`", name);
	return nearest ? error_hint(err, "did you mean `--%s`?", nearest) : -1;
}

static bool takes_value(const struct option *option)
{
	return option->type != OPTION_FLAG && option->type != OPTION_COUNT;
}

static int add_names(struct option_list *list, const char *value, const struct option *option,
                     struct error *err)
{
	for (const char *at = value;; at++) {
		size_t len = strcspn(at, ",");

		if (len == 0)
			return error_set(err, ERR_USAGE, "`--%s %s` has an empty name",
			                 option->name, value);
		*array_add(&list->names) = xstrndup(at, len);
		at += len;
		if (!*at)
			return 0;
	}
}

static int check_choice(const struct option *option, const char *value, struct error *err)
{
	cleanup_free char *text = xstrdup("");

	for (size_t i = 0; option->choices[i]; i++) {
		char *longer;

		if (str_eq(option->choices[i], value))
			return 0;
		longer = xasprintf("%s%s%s", text, i ? ", " : "", option->choices[i]);
		free(text);
		text = longer;
	}
	return error_set(err, ERR_USAGE, "`--%s` is one of %s, not `%s`", option->name, text,
	                 value);
}

static int set_time(const struct option *option, const char *value, int64_t *ret, struct error *err)
{
	bool is_bare = *value && strspn(value, "0123456789.") == strlen(value);
	cleanup_free char *seconds = xasprintf("%ss", value);
	double ms = str_duration_ms(is_bare ? seconds : value);

	if (isnan(ms) || ms > TIME_MAX_MS)
		return error_set(err, ERR_USAGE,
		                 "`--%s` needs a time such as 500ms, 10s or 2m, not `%s`",
		                 option->name, value);
	*ret = (int64_t)ms;
	return 0;
}

static int set_value(struct found found, const char *value, struct error *err)
{
	const struct option *option = found.option;
	void *field = (char *)found.values + option->offset;
	int64_t number;

	switch (option->type) {
	case OPTION_END:
		return 0;
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_COUNT:
		*(int *)field += 1;
		return 0;
	case OPTION_INT:
		if (str_to_int(value, 0, INT_MAX, &number, err) < 0)
			return error_wrap(err, "--%s", option->name);
		*(int *)field = (int)number;
		return 0;
	case OPTION_TIME:
		return set_time(option, value, field, err);
	case OPTION_LIST:
		return add_names(field, value, option, err);
	case OPTION_CHOICE:
		if (check_choice(option, value, err) < 0)
			return -1;
		*(const char **)field = value;
		return 0;
	case OPTION_STRING:
		*(const char **)field = value;
		return 0;
	}
	return 0;
}

static const char *next_value(struct parser *parser, const struct option *option, struct error *err)
{
	if (parser->at < parser->argc)
		return parser->argv[parser->at++];
	error_set(err, ERR_USAGE, "`--%s` needs a value: --%s %s", option->name, option->name,
	          option->value);
	return NULL;
}

/* word is after the "--". */
static int parse_long(struct parser *parser, const char *word, struct error *err)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;
	struct found found = find_name(parser, word, len);

	if (!found.option) {
		cleanup_free char *name = xstrndup(word, len);

		return unknown_name(parser, name, err);
	}
	if (!takes_value(found.option)) {
		if (value)
			return error_set(err, ERR_USAGE, "`--%s` takes no value",
			                 found.option->name);
		return set_value(found, NULL, err);
	}
	if (!value)
		value = next_value(parser, found.option, err);
	return value ? set_value(found, value, err) : -1;
}

/* word is after the "-", and not empty. */
static int parse_letters(struct parser *parser, const char *word, struct error *err)
{
	for (; *word; word++) {
		struct found found = find_letter(parser, *word);
		const char *value;

		if (!found.option)
			return error_set(err, ERR_USAGE, "unknown option `-%c`", *word);
		if (!takes_value(found.option)) {
			if (set_value(found, NULL, err) < 0)
				return -1;
			continue;
		}
		value = word[1] ? word + 1 : next_value(parser, found.option, err);
		return value ? set_value(found, value, err) : -1;
	}
	return 0;
}

int option_parse(int argc, char **argv, const struct option_target *targets, size_t ntargets,
                 size_t stop_at, struct option_args *args, struct error *err)
{
	struct parser parser = {targets, ntargets, argv, argc, 0};
	bool only_arguments = false;

	while (parser.at < argc) {
		char *word = argv[parser.at++];
		int r = 0;

		if (!only_arguments && str_eq(word, "--"))
			only_arguments = true;
		else if (!only_arguments && str_starts(word, "--"))
			r = parse_long(&parser, word + 2, err);
		else if (!only_arguments && word[0] == '-' && word[1])
			r = parse_letters(&parser, word + 1, err);
		else
			*array_add(&args->items) = word;
		if (r < 0)
			return -1;
		if (stop_at > 0 && args->items.len >= stop_at)
			only_arguments = true;
	}
	return 0;
}
