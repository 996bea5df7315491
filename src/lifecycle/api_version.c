#include "lifecycle/api_version.h"

#include "base/str.h"
#include "lifecycle/exit_code.h"

#define BUILDPACK_MINOR_MIN 7
#define BUILDPACK_MINOR_MAX 12
#define PLATFORM_MINOR_MIN  12
#define PLATFORM_MINOR_MAX  13

/* -1 when it is not "0.<min..max>". */
static int minor_of(const char *api, int min, int max)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	int64_t minor;

	if (!str_starts(api, "0.") || str_to_int(api + 2, min, max, &minor, &ignored) < 0)
		return -1;
	return (int)minor;
}

int buildpack_api_minor(const char *api, const char *who, struct error *err)
{
	int minor = minor_of(api, BUILDPACK_MINOR_MIN, BUILDPACK_MINOR_MAX);

	if (minor >= 0)
		return minor;
	exit_error(err, EXIT_BUILDPACK_API,
	           "buildpack %s has Buildpack API \"%s\"; supported are 0.%d to 0.%d", who, api,
	           BUILDPACK_MINOR_MIN, BUILDPACK_MINOR_MAX);
	return error_hint(err, "use another version of the buildpack");
}

int platform_api_minor(struct error *err)
{
	const char *api = getenv("CNB_PLATFORM_API");
	int minor = minor_of(api ? api : "", PLATFORM_MINOR_MIN, PLATFORM_MINOR_MAX);

	if (minor >= 0)
		return minor;
	if (!api)
		exit_error(err, EXIT_PLATFORM_API, "CNB_PLATFORM_API is not set");
	else
		exit_error(err, EXIT_PLATFORM_API, "Platform API \"%s\" is not supported", api);
	return error_hint(err, "set CNB_PLATFORM_API to 0.%d or 0.%d", PLATFORM_MINOR_MIN,
	                  PLATFORM_MINOR_MAX);
}
