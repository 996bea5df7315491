#include "daemon/watch_rule.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/glob.h"
#include "base/mem.h"
#include "config/project.h"

/* Names that are left out below the folder that a pattern names. */
static const char *const never[] = {
	".git", ".hg",   ".svn",   "node_modules", "target", "__pycache__", ".venv", "*.pyc",
	"*~",   "*.sw?", "*.swpx", ".#*",          "#*#",    "4913",        "*.tmp", ".DS_Store",
};

static void add_patterns(struct strv *out, const struct strv *from, const char *base,
                         bool keeps_names)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strv_release) struct strv all = STRV_INIT;

	/* They were checked when the file was read. */
	for (size_t i = 0; i < from->len; i++)
		(void)glob_expand(from->items[i], PROJECT_MAX_PATTERNS, &all, &ignored);
	for (size_t i = 0; i < all.len; i++) {
		if (keeps_names && !strchr(all.items[i], '/'))
			strv_add(out, all.items[i]);
		else
			strv_add_take(out, path_absolute(base, all.items[i]));
	}
}

void watch_rule_init(struct watch_rule *rule, const struct service_config *service)
{
	add_patterns(&rule->patterns, &service->watch, service->workdir, false);
	add_patterns(&rule->ignored, &service->watch_ignore, service->workdir, true);
	rule->debounce_ms = service->debounce_ms;
}

void watch_rule_copy(struct watch_rule *dst, const struct watch_rule *src)
{
	strv_copy(&dst->patterns, &src->patterns);
	strv_copy(&dst->ignored, &src->ignored);
	dst->debounce_ms = src->debounce_ms;
}

void watch_rule_release(struct watch_rule *rule)
{
	strv_release(&rule->patterns);
	strv_release(&rule->ignored);
}

/* Is one of the names of the path, from `from` on, such a one? */
static bool has_name(const char *path, size_t from, const char *pattern)
{
	cleanup_free char *rest = xstrdup(path + from);
	char *save = NULL;

	for (char *name = strtok_r(rest, "/", &save); name; name = strtok_r(NULL, "/", &save))
		if (glob_matches(pattern, name))
			return true;
	return false;
}

static bool is_ignored(const struct watch_rule *rule, const char *pattern, const char *path)
{
	cleanup_free char *folder = glob_literal_folder(pattern);
	size_t len = strlen(folder);
	size_t from = strncmp(path, folder, len) == 0 ? len : strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (has_name(path, from, never[i]) && !str_eq(pattern, path))
			return true;
	for (size_t i = 0; i < rule->ignored.len; i++) {
		const char *ignored = rule->ignored.items[i];

		if (*ignored == '/' ? glob_matches(ignored, path) : has_name(path, from, ignored))
			return true;
	}
	return false;
}

bool watch_rule_matches(const struct watch_rule *rule, const char *path)
{
	for (size_t i = 0; i < rule->patterns.len; i++)
		if (glob_matches(rule->patterns.items[i], path) &&
		    !is_ignored(rule, rule->patterns.items[i], path))
			return true;
	return false;
}

bool watch_rule_leads_to(const struct watch_rule *rule, const char *folder)
{
	for (size_t i = 0; i < rule->patterns.len; i++)
		if (glob_leads_to(rule->patterns.items[i], folder) &&
		    !is_ignored(rule, rule->patterns.items[i], folder))
			return true;
	return false;
}

json_t *watch_rule_to_json(const struct watch_rule *rule)
{
	json_t *object = json_object();

	json_object_set_new(object, "patterns", json_from_strv(&rule->patterns));
	json_object_set_new(object, "ignored", json_from_strv(&rule->ignored));
	json_set_int(object, "debounce_ms", rule->debounce_ms);
	return object;
}

int watch_rule_from_json(const json_t *object, struct watch_rule *rule, struct error *err)
{
	rule->debounce_ms = (int)json_get_int(object, "debounce_ms", 200);
	if (json_to_strv(json_object_get(object, "patterns"), "patterns", &rule->patterns, err) < 0)
		return -1;
	return json_to_strv(json_object_get(object, "ignored"), "ignored", &rule->ignored, err);
}
