#include "lifecycle/platform.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "lifecycle/api_version.h"
#include "lifecycle/exit_code.h"

#include <stddef.h>

enum kind {
	KIND_PATH, /* made absolute */
	KIND_TEXT,
	KIND_SWITCH,  /* a bool */
	KIND_IGNORED, /* understood, changes nothing here; takes a value */
	KIND_IGNORED_SWITCH,
	KIND_REFUSED, /* understood, not done: takes a value */
	KIND_REFUSED_SWITCH,
};

#define ALL                                                                                        \
	(PHASE_ANALYZE | PHASE_DETECT | PHASE_RESTORE | PHASE_BUILD | PHASE_EXPORT | PHASE_CREATE)
#define IMG  (PHASE_ANALYZE | PHASE_RESTORE | PHASE_EXPORT | PHASE_CREATE)
#define RUNS (PHASE_DETECT | PHASE_BUILD | PHASE_CREATE) /* runs buildpacks */

#define FIELD(name) offsetof(struct platform, name)

/* A default that starts with '/' is a path; any other is a file of the layers directory. */
static const struct option {
	const char *flag, *env, *def;
	unsigned phases;
	enum kind kind;
	size_t field;
} options[] = {
	/* Keep alphabetized. */
	{"analyzed", "CNB_ANALYZED_PATH", "analyzed.toml", ALL, KIND_PATH, FIELD(analyzed)},
	{"app", "CNB_APP_DIR", "/workspace", RUNS | PHASE_EXPORT, KIND_PATH, FIELD(app)},
	{"build-config", "CNB_BUILD_CONFIG_DIR", "/cnb/build-config", RUNS, KIND_PATH,
         FIELD(build_config)},
	{"build-image", "CNB_BUILD_IMAGE", NULL, PHASE_RESTORE, KIND_IGNORED, 0},
	{"buildpacks", "CNB_BUILDPACKS_DIR", "/cnb/buildpacks", RUNS, KIND_PATH, FIELD(buildpacks)},
	{"cache-dir", "CNB_CACHE_DIR", NULL, PHASE_RESTORE | PHASE_EXPORT | PHASE_CREATE, KIND_PATH,
         FIELD(cache_dir)},
	{"cache-image", "CNB_CACHE_IMAGE", NULL, IMG, KIND_REFUSED, 0},
	{"daemon", "CNB_USE_DAEMON", NULL, IMG, KIND_REFUSED_SWITCH, 0},
	{"extended", "CNB_EXTENDED_DIR", NULL, PHASE_EXPORT, KIND_IGNORED, 0},
	{"extensions", "CNB_EXTENSIONS_DIR", NULL, PHASE_DETECT | PHASE_CREATE, KIND_IGNORED, 0},
	{"generated", "CNB_GENERATED_DIR", NULL, PHASE_DETECT | PHASE_RESTORE, KIND_IGNORED, 0},
	{"gid", "CNB_GROUP_ID", NULL, IMG, KIND_IGNORED, 0},
	{"group", "CNB_GROUP_PATH", "group.toml",
         PHASE_DETECT | PHASE_RESTORE | PHASE_BUILD | PHASE_EXPORT | PHASE_CREATE, KIND_PATH,
         FIELD(group)},
	{"insecure-registry", "CNB_INSECURE_REGISTRIES", NULL, IMG, KIND_IGNORED, 0},
	{"launch-cache", "CNB_LAUNCH_CACHE_DIR", NULL, PHASE_ANALYZE | PHASE_EXPORT | PHASE_CREATE,
         KIND_IGNORED, 0},
	{"launcher", NULL, "/cnb/lifecycle/launcher", PHASE_EXPORT | PHASE_CREATE, KIND_PATH,
         FIELD(launcher)},
	{"launcher-sbom", NULL, NULL, PHASE_EXPORT | PHASE_CREATE, KIND_IGNORED, 0},
	{"layers", "CNB_LAYERS_DIR", "/layers", ALL, KIND_PATH, FIELD(layers)},
	{"layout", "CNB_USE_LAYOUT", NULL, IMG, KIND_IGNORED_SWITCH, 0},
	{"layout-dir", "CNB_LAYOUT_DIR", NULL, IMG, KIND_PATH, FIELD(layout_dir)},
	{"log-level", "CNB_LOG_LEVEL", NULL, ALL, KIND_TEXT, FIELD(log_level)},
	{"no-color", "CNB_NO_COLOR", NULL, ALL, KIND_IGNORED_SWITCH, 0},
	{"order", "CNB_ORDER_PATH", NULL, PHASE_DETECT | PHASE_CREATE, KIND_PATH, FIELD(order)},
	{"parallel", "CNB_PARALLEL_EXPORT", NULL, PHASE_EXPORT | PHASE_CREATE, KIND_IGNORED_SWITCH,
         0},
	{"plan", "CNB_PLAN_PATH", "plan.toml", PHASE_DETECT | PHASE_BUILD | PHASE_CREATE, KIND_PATH,
         FIELD(plan)},
	{"platform", "CNB_PLATFORM_DIR", "/platform", RUNS, KIND_PATH, FIELD(platform_dir)},
	{"previous-image", "CNB_PREVIOUS_IMAGE", NULL, PHASE_ANALYZE | PHASE_CREATE, KIND_TEXT,
         FIELD(previous_image)},
	{"process-type", "CNB_PROCESS_TYPE", NULL, PHASE_EXPORT | PHASE_CREATE, KIND_TEXT,
         FIELD(process_type)},
	{"project-metadata", "CNB_PROJECT_METADATA_PATH", "project-metadata.toml",
         PHASE_EXPORT | PHASE_CREATE, KIND_PATH, FIELD(project_metadata)},
	{"report", "CNB_REPORT_PATH", "report.toml", PHASE_EXPORT | PHASE_CREATE, KIND_PATH,
         FIELD(report)},
	{"run", "CNB_RUN_PATH", "/cnb/run.toml",
         PHASE_ANALYZE | PHASE_DETECT | PHASE_EXPORT | PHASE_CREATE, KIND_PATH, FIELD(run)},
	{"run-image", "CNB_RUN_IMAGE", NULL, PHASE_ANALYZE | PHASE_CREATE, KIND_TEXT,
         FIELD(run_image)},
	{"skip-layers", "CNB_SKIP_LAYERS", NULL, PHASE_ANALYZE | PHASE_RESTORE, KIND_SWITCH,
         FIELD(skips_layers)},
	{"skip-restore", "CNB_SKIP_RESTORE", NULL, PHASE_CREATE, KIND_SWITCH, FIELD(skips_restore)},
	{"tag", NULL, NULL, PHASE_ANALYZE | PHASE_CREATE, KIND_REFUSED, 0},
	{"uid", "CNB_USER_ID", NULL, IMG, KIND_IGNORED, 0},
};

void platform_release(struct platform *platform)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].kind == KIND_PATH || options[i].kind == KIND_TEXT)
			free(*(char **)((char *)platform + options[i].field));
	free(platform->api);
	strv_release(&platform->images);
}

static bool is_switch(const struct option *option)
{
	return option->kind == KIND_SWITCH || option->kind == KIND_IGNORED_SWITCH ||
	       option->kind == KIND_REFUSED_SWITCH;
}

static int switch_value(const char *name, const char *text, bool *ret, struct error *err)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", ""};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (str_eq(text, yes[i])) {
			*ret = true;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (str_eq(text, no[i])) {
			*ret = false;
			return 0;
		}
	return exit_error(err, EXIT_BAD_FLAG, "%s: expected true or false, got \"%s\"", name, text);
}

static char *absolute(const char *path)
{
	cleanup_free char *cwd = getcwd(NULL, 0);

	return path_absolute(cwd ? cwd : "/", path);
}

static int set_option(struct platform *platform, const struct option *option, const char *name,
                      const char *value, struct error *err)
{
	void *field = (char *)platform + option->field;
	bool is_on = true;

	if (is_switch(option) && switch_value(name, value, &is_on, err) < 0)
		return -1;
	switch (option->kind) {
	case KIND_PATH:
		free(*(char **)field);
		*(char **)field = absolute(value);
		break;
	case KIND_TEXT:
		free(*(char **)field);
		*(char **)field = xstrdup(value);
		break;
	case KIND_SWITCH:
		*(bool *)field = is_on;
		break;
	case KIND_REFUSED:
	case KIND_REFUSED_SWITCH:
		if (!is_on || str_empty(value))
			break;
		exit_error(err, EXIT_BAD_ARGS, "%s is not supported by this lifecycle", name);
		return error_hint(err, "export to an OCI layout with -layout and -layout-dir");
	case KIND_IGNORED:
	case KIND_IGNORED_SWITCH:
		break;
	}
	return 0;
}

static const struct option *find_option(enum phase phase, const char *flag, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if ((options[i].phases & phase) && strlen(options[i].flag) == len &&
		    strncmp(options[i].flag, flag, len) == 0)
			return &options[i];
	return NULL;
}

/* Takes the flag at *args, and its value; moves *args behind both. */
static int parse_flag(struct platform *platform, const char *const **args, struct error *err)
{
	const char *word = *(*args)++;
	const char *flag = word + (str_starts(word, "--") ? 2 : 1);
	size_t len = strcspn(flag, "=");
	const struct option *option = find_option(platform->phase, flag, len);
	const char *value = flag[len] ? flag + len + 1 : NULL;

	if (!option)
		return exit_error(err, EXIT_BAD_FLAG, "unknown flag %.*s",
		                  (int)(flag - word + (ptrdiff_t)len), word);
	if (!value && is_switch(option))
		value = "true";
	if (!value && !(value = **args))
		return exit_error(err, EXIT_BAD_FLAG, "flag %s needs a value", word);
	if (!flag[len] && !is_switch(option))
		(*args)++;
	return set_option(platform, option, word, value, err);
}

static int parse_args(struct platform *platform, const char *const *args, struct error *err)
{
	bool wants_image = platform->phase & (PHASE_ANALYZE | PHASE_EXPORT | PHASE_CREATE);

	while (*args && (*args)[0] == '-' && (*args)[1]) {
		if (str_eq(*args, "--")) {
			args++;
			break;
		}
		if (parse_flag(platform, &args, err) < 0)
			return -1;
	}
	for (; *args; args++)
		strv_add(&platform->images, *args);
	if (wants_image && !platform->images.len)
		return exit_error(err, EXIT_BAD_ARGS, "the name of the image to make is missing");
	if (platform->images.len > wants_image)
		return exit_error(err, EXIT_BAD_ARGS, "unexpected argument \"%s\"",
		                  platform->images.items[wants_image]);
	return 0;
}

static void set_defaults(struct platform *platform)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		char **field = (char **)((char *)platform + options[i].field);

		if (options[i].kind != KIND_PATH || *field || !options[i].def)
			continue;
		*field = options[i].def[0] == '/' ? xstrdup(options[i].def)
		                                  : path_join(platform->layers, options[i].def);
	}
	if (!platform->order) {
		platform->order = path_join(platform->layers, "order.toml");
		if (!fs_exists(platform->order)) {
			free(platform->order);
			platform->order = xstrdup("/cnb/order.toml");
		}
	}
}

int platform_parse(struct platform *platform, enum phase phase, const char *const *args,
                   struct error *err)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	platform->phase = phase;
	platform->created = PLATFORM_EPOCH;
	if (platform_api_minor(err) < 0)
		return -1;
	platform->api = xstrdup(getenv("CNB_PLATFORM_API"));
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const char *value = options[i].env ? getenv(options[i].env) : NULL;

		if (!str_empty(value) && (options[i].phases & phase) &&
		    set_option(platform, &options[i], options[i].env, value, err) < 0)
			return -1;
	}
	if (parse_args(platform, args, err) < 0)
		return -1;
	if (!platform->layers)
		platform->layers = xstrdup("/layers");
	set_defaults(platform);
	if (!str_empty(epoch) && str_to_int(epoch, 0, INT32_MAX, &platform->created, err) < 0)
		return error_wrap(err, "SOURCE_DATE_EPOCH");
	if ((phase & (PHASE_ANALYZE | PHASE_EXPORT | PHASE_CREATE)) && !platform->layout_dir) {
		exit_error(err, EXIT_BAD_ARGS, "-layout-dir is missing");
		return error_hint(err, "this lifecycle exports to an OCI layout only");
	}
	platform->is_verbose = str_eq_null(platform->log_level, "debug");
	return 0;
}
