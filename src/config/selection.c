#include "config/selection.h"

#include "base/error.h"

#define COUNT_MAX 100

bool service_is_wanted(const struct service_config *service, const struct strv *profiles)
{
	if (!service->autostart || service->profiles.len == 0)
		return service->autostart;
	for (size_t i = 0; i < service->profiles.len; i++)
		if (strv_has(profiles, service->profiles.items[i]))
			return true;
	return false;
}

int profiles_check(const struct project_config *project, const struct strv *profiles,
                   struct error *err)
{
	cleanup(strv_release) struct strv known = STRV_INIT;

	array_foreach(service, &project->services)
		for (size_t i = 0; i < (*service)->profiles.len; i++)
			if (!strv_has(&known, (*service)->profiles.items[i]))
				strv_add(&known, (*service)->profiles.items[i]);
	for (size_t i = 0; i < profiles->len; i++) {
		const char *name = profiles->items[i];
		const char *nearest =
			str_nearest(name, (const char *const *)known.items, known.len);

		if (strv_has(&known, name))
			continue;
		error_set(err, ERR_NOT_FOUND, "no service of %s has the profile `%s`",
		          project->name, name);
		return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
	}
	return 0;
}

void profiles_from_env(const struct strv *env, struct strv *profiles)
{
	const char *value = strv_env_get(env, "LOCALD_PROFILES");
	cleanup_free char *copy = xstrdup(value ? value : "");
	char *rest = copy, *name;

	while ((name = strsep(&rest, ", ")))
		if (*name && !strv_has(profiles, name))
			strv_add(profiles, name);
}

static int set_count(const struct project_config *project, struct service_config *service,
                     int64_t count, struct error *err)
{
	if (count == 0)
		service->autostart = false;
	if (count <= 1)
		return 0;
	/* As the checks of `replicas`, which have been made already. */
	if (service->port || service_type_is_database(service->type))
		return error_set(err, ERR_CONFIG, "%s=%lld: its copies would share %s",
		                 service->name, (long long)count,
		                 service->port ? "a port" : "its data");
	for (int64_t i = 1; i <= count; i++) {
		cleanup_free char *name = xasprintf("%s-%lld", service->name, (long long)i);

		if (project_service(project, name))
			return error_set(err, ERR_CONFIG,
			                 "%s=%lld: one of them has the name of the service %s",
			                 service->name, (long long)count, name);
	}
	service->replicas = (int)count;
	return 0;
}

static int set_all(struct project_config *project, const struct strv *formation, int64_t count,
                   struct error *err)
{
	array_foreach(service, &project->services) {
		bool is_named = false;

		for (size_t i = 0; i < formation->len && !is_named; i++) {
			size_t len = strcspn(formation->items[i], "=");

			is_named = strlen((*service)->name) == len &&
			           strncmp((*service)->name, formation->items[i], len) == 0;
		}
		if (!is_named && set_count(project, *service, count, err) < 0)
			return -1;
	}
	return 0;
}

static int apply_item(struct project_config *project, const struct strv *formation,
                      const char *item, struct error *err)
{
	const char *equals = strchr(item, '=');
	cleanup_free char *name = xstrndup(item, strcspn(item, "="));
	struct service_config *service = project_service(project, name);
	const char *nearest = project_nearest_service(project, name);
	int64_t count;

	if (!equals)
		return error_set(err, ERR_USAGE, "formation: `%s` is not NAME=COUNT", item);
	if (str_to_int(equals + 1, 0, COUNT_MAX, &count, err) < 0)
		return error_wrap(err, "formation: %s", name);
	if (service)
		return set_count(project, service, count, err);
	if (str_eq(name, "all"))
		return set_all(project, formation, count, err);
	error_set(err, ERR_NOT_FOUND, "no service `%s` in %s", name, project->name);
	return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
}

int formation_apply(struct project_config *project, const struct strv *formation, struct error *err)
{
	for (size_t i = 0; i < formation->len; i++)
		if (apply_item(project, formation, formation->items[i], err) < 0)
			return -1;
	return 0;
}
