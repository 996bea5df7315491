#include "config/volume.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

#include <ctype.h>

#define FORM "a volume is written SOURCE:TARGET or SOURCE:TARGET:ro"

static const char *const options[] = {"ro", "rw", "nocopy"};

/* Where a container's own file systems are. */
static const char *const reserved[] = {"/proc", "/sys", "/dev"};

bool volume_is_name(const char *name)
{
	if (!isalnum((unsigned char)*name) || strlen(name) > VOLUME_NAME_MAX)
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			return false;
	return true;
}

static bool has_dot_dot(const char *path)
{
	for (const char *at = strstr(path, ".."); at; at = strstr(at + 1, ".."))
		if ((at == path || at[-1] == '/') && (at[2] == '/' || !at[2]))
			return true;
	return false;
}

static int parse_source(const char *source, struct volume_config *ret, struct error *err)
{
	ret->source = xstrdup(source);
	ret->is_named = !(source[0] == '.' || source[0] == '/' || str_starts(source, "~/"));
	if (!*source) {
		error_set(err, ERR_CONFIG, "no source before the first \":\"");
		return error_hint(err, FORM);
	}
	if (!ret->is_named && has_dot_dot(source)) {
		error_set(err, ERR_CONFIG, "the source `%s` has a `..` in it", source);
		return error_hint(err, "write the path from the project's folder, or from /");
	}
	if (ret->is_named && !volume_is_name(source)) {
		error_set(err, ERR_CONFIG, "`%s` is no name for a volume", source);
		return error_hint(err, strchr(source, '/')
		                               ? "a folder of the project begins with ./"
		                               : "letters, digits, `_`, `.` and `-`, at most 64");
	}
	return 0;
}

static int parse_target(const char *target, struct volume_config *ret, struct error *err)
{
	if (*target != '/') {
		error_set(err, ERR_CONFIG, "the target `%s` is not absolute", target);
		return error_hint(err, FORM);
	}
	if (has_dot_dot(target))
		return error_set(err, ERR_CONFIG, "the target `%s` has a `..` in it", target);
	ret->target = path_absolute("/", target);
	if (str_eq(ret->target, "/"))
		return error_set(err, ERR_CONFIG, "a volume cannot be the whole file system");
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		size_t len = strlen(reserved[i]);

		if (strncmp(ret->target, reserved[i], len) == 0 &&
		    (ret->target[len] == '/' || !ret->target[len]))
			return error_set(err, ERR_CONFIG, "%s is the container's own", reserved[i]);
	}
	return 0;
}

static int parse_option(const char *option, struct volume_config *ret, struct error *err)
{
	const char *near;

	if (str_eq(option, "ro")) {
		ret->is_readonly = true;
		return 0;
	}
	if (str_eq(option, "rw"))
		return 0;
	if (str_eq(option, "nocopy")) {
		ret->no_copy = true;
		if (ret->is_named)
			return 0;
		return error_set(err, ERR_CONFIG, "\"nocopy\" is for named volumes");
	}
	near = str_nearest(option, options, ARRAY_LEN(options));
	error_set(err, ERR_CONFIG, "no option \"%s\"", option);
	if (near)
		return error_hint(err, "did you mean \"%s\"?", near);
	return error_hint(err, "there are ro, rw and nocopy");
}

int volume_parse(const char *text, struct volume_config *ret, struct error *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *source = strsep(&rest, ":"), *target = strsep(&rest, ":"), *option;

	if (!target) {
		error_set(err, ERR_CONFIG, "no target in \"%s\"", text);
		return error_hint(err, FORM);
	}
	if (parse_source(source, ret, err) < 0 || parse_target(target, ret, err) < 0)
		return -1;
	while ((option = strsep(&rest, ",")))
		if (parse_option(option, ret, err) < 0)
			return -1;
	return 0;
}

void volume_config_release(struct volume_config *volume)
{
	free(volume->source);
	free(volume->target);
}

void volume_list_release(struct volume_list *volumes)
{
	array_foreach(volume, &volumes->list)
		volume_config_release(volume);
	array_release(&volumes->list);
}

char *volume_text(const struct volume_config *volume)
{
	return xasprintf("%s:%s%s%s", volume->source, volume->target,
	                 volume->is_readonly ? ":ro" : "",
	                 !volume->no_copy      ? ""
	                 : volume->is_readonly ? ",nocopy"
	                                       : ":nocopy");
}
