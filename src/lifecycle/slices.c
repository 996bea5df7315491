#include "lifecycle/slices.h"

#include <fnmatch.h>

/* Does the pattern match the path, or a directory above it? */
static bool matches(const char *pattern, const char *path)
{
	while (pattern[0] == '.' && pattern[1] == '/')
		pattern += 2;
	return fnmatch(pattern, path, FNM_PATHNAME | FNM_LEADING_DIR) == 0;
}

static bool takes(const json_t *slice, const char *path)
{
	size_t i;
	json_t *pattern;

	json_array_foreach(json_object_get(slice, "paths"), i, pattern) {
		if (json_is_string(pattern) && matches(json_string_value(pattern), path))
			return true;
	}
	return false;
}

int slice_of(const struct slices *slices, const char *name)
{
	size_t len = strlen(slices->app);
	size_t i;
	json_t *slice;

	if (strncmp(name, slices->app, len) != 0 || name[len] != '/')
		return SLICE_REST;
	json_array_foreach((json_t *)slices->slices, i, slice) {
		if (takes(slice, name + len + 1))
			return (int)i;
	}
	return SLICE_REST;
}
