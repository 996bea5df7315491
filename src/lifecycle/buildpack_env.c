#include "lifecycle/buildpack_env.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "lifecycle/buildpack.h"
#include "lifecycle/dirs.h"
#include "lifecycle/env.h"
#include "lifecycle/platform.h"
#include "lifecycle/toml_file.h"

#include <sys/utsname.h>

#define OS_RELEASE_MAX 65536

void target_release(struct target *target)
{
	free(target->os);
	free(target->arch);
	free(target->variant);
	free(target->distro);
	free(target->distro_version);
}

/* The value of KEY= in os-release(5) text, without quotes; NULL when it is not there. */
static char *os_release_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == '=') {
			const char *value = line + len + 1;
			size_t quoted = *value == '"' || *value == '\'';

			return xstrndup(value + quoted, strcspn(value + quoted, "\"'\n"));
		}
	}
	return NULL;
}

static char *machine_arch(void)
{
	static const struct {
		const char *machine, *arch;
	} names[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"}, {"i686", "386"}};
	struct utsname uts;

	uname(&uts);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(uts.machine, names[i].machine))
			return xstrdup(names[i].arch);
	return xstrdup(uts.machine);
}

static int fill_distro(struct target *target, struct error *err)
{
	static const char path[] = "/etc/os-release";
	cleanup_free char *text = NULL;

	if (target->distro || !path_is_file(path))
		return 0;
	text = read_text(path, OS_RELEASE_MAX, err);
	if (!text)
		return -1;
	target->distro = os_release_value(text, "ID");
	target->distro_version = os_release_value(text, "VERSION_ID");
	return 0;
}

int target_read(const struct platform *platform, struct target *ret, struct error *err)
{
	cleanup_json json_t *analyzed = NULL;
	const json_t *target, *distro;

	if (toml_file_read_optional(platform->analyzed, &analyzed, err) < 0)
		return -1;
	target = json_object_get(json_object_get(analyzed, "run-image"), "target");
	distro = json_object_get(target, "distro");
	ret->os = xstrdup(json_get_str(target, "os", "linux"));
	ret->arch = xstrdup_null(json_get_str(target, "arch", NULL));
	if (!ret->arch)
		ret->arch = machine_arch();
	ret->variant = xstrdup_null(json_get_str(target, "arch-variant", NULL));
	ret->distro = xstrdup_null(json_get_str(distro, "name", NULL));
	ret->distro_version = xstrdup_null(json_get_str(distro, "version", NULL));
	return fill_distro(ret, err);
}

static bool fits(const json_t *object, const char *key, const char *have)
{
	const char *want = json_get_str(object, key, NULL);

	return str_empty(want) || (have && str_eq(want, have));
}

static bool distro_fits(const struct target *target, const json_t *distros)
{
	size_t i;
	json_t *distro;

	if (!json_array_size(distros) || !target->distro)
		return true;
	json_array_foreach((json_t *)distros, i, distro) {
		if (fits(distro, "name", target->distro) &&
		    fits(distro, "version", target->distro_version))
			return true;
	}
	return false;
}

bool target_matches(const struct target *target, const json_t *targets)
{
	size_t i;
	json_t *wanted;

	if (!json_array_size(targets))
		return true;
	json_array_foreach((json_t *)targets, i, wanted) {
		if (fits(wanted, "os", target->os) && fits(wanted, "arch", target->arch) &&
		    fits(wanted, "variant", target->variant) &&
		    distro_fits(target, json_object_get(wanted, "distros")))
			return true;
	}
	return false;
}

static void set_target(struct strv *env, const struct target *target)
{
	strv_env_set(env, "CNB_TARGET_OS", target->os);
	strv_env_set(env, "CNB_TARGET_ARCH", target->arch);
	if (target->variant)
		strv_env_set(env, "CNB_TARGET_ARCH_VARIANT", target->variant);
	if (target->distro)
		strv_env_set(env, "CNB_TARGET_DISTRO_NAME", target->distro);
	if (target->distro_version)
		strv_env_set(env, "CNB_TARGET_DISTRO_VERSION", target->distro_version);
}

int buildpack_env(const struct platform *platform, const struct buildpack *buildpack,
                  const struct target *target, const struct strv *base, struct strv *ret,
                  struct error *err)
{
	cleanup_free char *user_env = path_join(platform->platform_dir, "env");
	cleanup_free char *operator_env = path_join(platform->build_config, "env");

	strv_copy(ret, base);
	if (!buildpack->clears_env && env_apply_platform(ret, user_env, err) < 0)
		return -1;
	if (env_apply_dir(ret, operator_env, ENV_DEFAULT, err) < 0)
		return -1;
	strv_env_set(ret, "CNB_BUILDPACK_DIR", buildpack->dir);
	if (buildpack->api_minor >= 8)
		strv_env_set(ret, "CNB_PLATFORM_DIR", platform->platform_dir);
	if (buildpack->api_minor >= 10)
		set_target(ret, target);
	return 0;
}
