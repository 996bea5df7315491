#include "config/import_common.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/interpolate.h"

#include <math.h>

struct draft_origin import_at(const struct importer *in, struct toml_pos pos)
{
	return (struct draft_origin){in->source, pos};
}

/* Where nothing else fits, a comment goes to the head of the file. */
static struct draft_section *section_of(const struct importer *in)
{
	return in->section ? in->section : &in->draft->project;
}

void import_leave_out(struct importer *in, const struct yaml_entry *entry, const char *fmt, ...)
{
	cleanup_free char *why = NULL;
	va_list args;

	va_start(args, fmt);
	why = xvasprintf(fmt, args);
	va_end(args);
	draft_leave_out(in->draft, section_of(in), import_at(in, entry->pos), "%s%s%s: %s",
	                in->path ? in->path : "", in->path ? "." : "", entry->key, why);
}

void import_expected(struct importer *in, const struct yaml_entry *entry, const char *what)
{
	import_leave_out(in, entry, "expected %s, got %s", what,
	                 yaml_type_name(entry->value->type));
}

void import_walk(struct importer *in, const struct import_key *table)
{
	array_foreach(entry, &in->map->map) {
		const struct import_key *key = table;

		while (key->key && !str_eq(key->key, entry->key))
			key++;
		if (!key->key && !str_starts(entry->key, "x-"))
			import_leave_out(in, entry, "not known to the import");
		else if (key->key && key->fn)
			key->fn(in, entry);
		else if (key->key && key->why)
			import_leave_out(in, entry, "%s", key->why);
	}
}

/* --- texts --- */

static int look_up(const struct reference *ref, struct reference_value *ret, void *data,
                   struct error *err)
{
	const struct importer *in = data;
	const char *value = ref->kind == REFERENCE_VAR ? strv_env_get(in->env, ref->name) : NULL;

	if (!value)
		return 0;
	*ret = (struct reference_value){.text = xstrdup(value)};
	return 1;
}

char *import_text(struct importer *in, const struct yaml_entry *entry,
                  const struct yaml_value *value)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct interpolation how = {
		.lookup = look_up, .data = in, .bare = true, .unset_is_empty = true};
	const char *text = yaml_text(value);
	size_t at, len;

	if (!text) {
		import_expected(in, entry, "a text");
		return NULL;
	}
	if (in->is_literal || !strchr(text, '$'))
		return xstrdup(text);
	if (interpolate(&how, NULL, text, &out, &at, &len, &err) < 0) {
		import_leave_out(in, entry, "%s", err.text);
		return NULL;
	}
	return strbuf_detach(&out);
}

bool import_strings(struct importer *in, const struct yaml_entry *entry, struct strv *out)
{
	const struct yaml_value *value = entry->value;

	if (value->type != YAML_LIST) {
		char *text = import_text(in, entry, value);

		if (text)
			strv_add_take(out, text);
		return text != NULL;
	}
	array_foreach(item, &value->list) {
		char *text = import_text(in, entry, *item);

		if (!text)
			return false;
		strv_add_take(out, text);
	}
	return true;
}

bool import_int(struct importer *in, const struct yaml_entry *entry, int64_t min, int64_t max,
                int64_t *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *text = import_text(in, entry, entry->value);

	if (!text)
		return false;
	if (str_to_int(text, min, max, ret, &err) == 0)
		return true;
	import_leave_out(in, entry, "expected a number from %lld to %lld, got \"%s\"",
	                 (long long)min, (long long)max, text);
	return false;
}

bool import_bool(struct importer *in, const struct yaml_entry *entry, bool *ret)
{
	if (yaml_to_bool(entry->value, ret))
		return true;
	import_expected(in, entry, "true or false");
	return false;
}

/* Sums of Go's durations, "1h2m3.5s"; NAN when it is none. */
static double duration_ms(const char *text)
{
	double sum = 0;

	if (!*text)
		return NAN;
	if (strspn(text, "0123456789.") == strlen(text)) {
		cleanup_free char *seconds = xasprintf("%ss", text);

		return str_duration_ms(seconds);
	}
	while (*text) {
		size_t number = strspn(text, "0123456789.");
		size_t unit = strcspn(text + number, "0123456789.");
		cleanup_free char *part = xstrndup(text, number + unit);

		sum += str_duration_ms(part);
		text += number + unit;
	}
	return sum;
}

bool import_duration(struct importer *in, const struct yaml_entry *entry, int64_t *ret_ms)
{
	cleanup_free char *text = import_text(in, entry, entry->value);
	double ms = text ? duration_ms(text) : NAN;

	if (!text)
		return false;
	if (!(ms >= 0 && ms <= 366.0 * 24 * 3600 * 1000)) {
		import_leave_out(in, entry, "expected a time such as 30s, got \"%s\"", text);
		return false;
	}
	*ret_ms = (int64_t)(ms + 0.5);
	return true;
}

void import_add_duration(struct strbuf *out, int64_t ms)
{
	if (ms % 1000 == 0)
		strbuf_addf(out, "%lld", (long long)(ms / 1000));
	else
		strbuf_addf(out, "\"%lldms\"", (long long)ms);
}

char *import_path(const struct importer *in, const char *path)
{
	static const char root[] = "/project"; /* any: the path is cleaned, not looked at */
	cleanup_free char *dir = NULL, *clean = NULL;

	if (!in->dir || *path == '/' || *path == '~')
		return xstrdup(path);
	dir = path_absolute(root, in->dir);
	clean = path_absolute(dir, path);
	if (*in->dir == '/')
		return take_ptr(clean);
	if (str_eq(clean, root))
		return xstrdup(".");
	if (str_starts(clean, root) && clean[strlen(root)] == '/')
		return xstrdup(clean + strlen(root) + 1);
	return path_join(in->dir, path); /* it leads out of the project */
}

/* --- entries under another key --- */

void import_put_text(struct importer *in, const struct yaml_entry *entry, const char *key)
{
	cleanup_free char *text = import_text(in, entry, entry->value);

	if (text)
		draft_put_str(in->section, import_at(in, entry->pos), NULL, key, text);
}

void import_put_int(struct importer *in, const struct yaml_entry *entry, const char *key,
                    int64_t min, int64_t max)
{
	int64_t number;

	if (import_int(in, entry, min, max, &number))
		draft_put_int(in->section, import_at(in, entry->pos), key, number);
}

void import_put_bool(struct importer *in, const struct yaml_entry *entry, const char *key)
{
	bool is_on;

	if (import_bool(in, entry, &is_on))
		draft_put_bool(in->section, import_at(in, entry->pos), key, is_on);
}

void import_put_duration(struct importer *in, const struct yaml_entry *entry, const char *key)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	int64_t ms;

	if (!import_duration(in, entry, &ms))
		return;
	strbuf_addf(&text, "%s = ", key);
	import_add_duration(&text, ms);
	draft_put_toml(in->section, import_at(in, entry->pos), text.buf);
}

void import_put_strings(struct importer *in, const struct yaml_entry *entry, const char *key)
{
	cleanup(strv_release) struct strv items = STRV_INIT;

	if (import_strings(in, entry, &items))
		draft_put_strv(in->section, import_at(in, entry->pos), key, &items);
}

/* --- environments --- */

static void one_variable(struct importer *in, const struct yaml_entry *entry,
                         const struct yaml_value *item, import_variable_fn *fn)
{
	const char *text = yaml_text(item), *equals = text ? strchr(text, '=') : NULL;
	cleanup_free char *name = NULL;

	if (!text) {
		import_expected(in, entry, "a list of NAME=value");
		return;
	}
	name = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text);
	fn(in, entry, item->pos, name, equals ? equals + 1 : NULL);
}

void import_variables(struct importer *in, const struct yaml_entry *entry, import_variable_fn *fn)
{
	if (entry->value->type == YAML_LIST) {
		array_foreach(item, &entry->value->list)
			one_variable(in, entry, *item, fn);
	} else if (entry->value->type == YAML_MAP) {
		array_foreach(variable, &entry->value->map) {
			const struct yaml_value *value = variable->value;

			if (value->type == YAML_TEXT || value->type == YAML_NULL)
				fn(in, entry, variable->pos, variable->key, value->text);
			else
				import_expected(in, variable, "a text");
		}
	} else if (entry->value->type != YAML_NULL) {
		import_expected(in, entry, "a list of NAME=value");
	}
}

static size_t name_len(const char *text)
{
	if (strspn(text, "0123456789"))
		return 0;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
}

/* What is unset is empty there, and an error here unless it is said. */
char *import_template(const struct importer *in, const char *value)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	while (*value) {
		size_t braces = value[0] == '$' && value[1] == '{' ? name_len(value + 2) : 0;
		size_t bare = value[0] == '$' ? name_len(value + 1) : 0;

		if (in->is_literal && *value == '$') {
			strbuf_adds(&out, "$$");
			value++;
		} else if (value[0] == '$' && value[1] == '$') {
			strbuf_adds(&out, "$$");
			value += 2;
		} else if (braces > 0 && value[2 + braces] == '}') {
			strbuf_addf(&out, "${%.*s:-}", (int)braces, value + 2);
			value += braces + 3;
		} else if (bare > 0) {
			strbuf_addf(&out, "${%.*s:-}", (int)bare, value + 1);
			value += bare + 1;
		} else {
			strbuf_addch(&out, *value++);
		}
	}
	return strbuf_detach(&out);
}

/* --- a file --- */

static int refuse(const struct diag_source *source, struct toml_pos pos,
                  struct diagnostics *refused, struct error *err, const char *fmt, ...)
	printf_like(5, 6);

static int refuse(const struct diag_source *source, struct toml_pos pos,
                  struct diagnostics *refused, struct error *err, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	diag_at(diag_add(refused, "C046", "%s", text), source, pos, NULL);
	return diag_to_error(refused, err);
}

int import_services(struct draft *draft, const struct diag_source *source, const struct strv *env,
                    bool only_images, enum import_kind *ret_kind, struct diagnostics *refused,
                    struct error *err)
{
	cleanup(error_release) struct error wrong = ERROR_INIT;
	struct toml_pos pos;
	cleanup_yaml struct yaml_document *document =
		yaml_parse(source->text, source->len, &pos, &wrong);
	cleanup_free char *dir = path_dir(source->name);
	struct importer in = {
		.draft = draft,
		.source = source,
		.env = env,
		.only_images = only_images,
		.dir = str_eq(dir, ".") ? NULL : dir,
	};
	const struct yaml_value *root;

	if (!document)
		return refuse(source, pos, refused, err, "%s", wrong.text);
	root = yaml_root(document);
	in.map = root;
	if (yaml_find(root, "processes")) {
		*ret_kind = IMPORT_PROCESS_COMPOSE;
		import_process_compose(&in, root);
	} else if (yaml_find(root, "services")) {
		*ret_kind = IMPORT_COMPOSE;
		import_compose(&in, root);
	} else {
		return refuse(source, root->pos, refused, err,
		              "neither `processes` (process-compose) nor `services` (compose)");
	}
	return 0;
}
