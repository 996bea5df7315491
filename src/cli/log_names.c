#include "cli/log_names.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "config/project.h"

#include <fnmatch.h>

void log_names_release(struct log_names *names)
{
	strv_release(&names->services);
	free(names->project_dir);
}

/* When the files do not say the project's name: the folder whose id has the hash of our root. */
static char *find_id(const struct cli *cli, const char *logs)
{
	cleanup_free char *any = paths_project_id("", cli->root);
	cleanup(strv_release) struct strv ids = STRV_INIT;

	fs_names(logs, &ids);
	for (size_t i = 0; i < ids.len; i++)
		if (str_ends(ids.items[i], any))
			return xstrdup(ids.items[i]);
	return NULL;
}

/* What has a log; `services` has the name of the service at the same index, `web` of `web-2`. */
struct known {
	struct strv logs, services;
};

static void known_release(struct known *known)
{
	strv_release(&known->logs);
	strv_release(&known->services);
}

/* Adds the services of the files; a file that does not load shows in `up`. */
static char *read_files(struct cli *cli, struct known *known)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_free char *user_config = paths_user_config(&cli->paths);
	cleanup_project struct project_config *config =
		project_load(cli->root, user_config, &diags, &ignored);

	if (!config)
		return NULL;
	array_foreach(service, &config->services) {
		for (int i = 0; i < (*service)->replicas; i++) {
			strv_add_take(&known->logs, service_replica_name(*service, i));
			strv_add(&known->services, (*service)->name);
		}
	}
	return paths_project_id(config->name, config->root);
}

static bool add_folders(const char *dir, struct known *known)
{
	cleanup(strv_release) struct strv found = STRV_INIT;

	if (!fs_is_dir(dir))
		return false;
	fs_names(dir, &found);
	for (size_t i = 0; i < found.len; i++) {
		if (strv_has(&known->logs, found.items[i]))
			continue;
		strv_add(&known->logs, found.items[i]);
		strv_add(&known->services, found.items[i]);
	}
	return true;
}

static int choose(const struct known *known, const char *pattern, struct strv *chosen,
                  struct error *err)
{
	bool has_match = false;
	const char *nearest;

	for (size_t i = 0; i < known->logs.len; i++) {
		const char *log = known->logs.items[i];

		if (fnmatch(pattern, log, 0) != 0 &&
		    fnmatch(pattern, known->services.items[i], 0) != 0)
			continue;
		has_match = true;
		if (!strv_has(chosen, log))
			strv_add(chosen, log);
	}
	if (has_match)
		return 0;
	error_set(err, ERR_NOT_FOUND, "no service `%s` in this project", pattern);
	nearest = str_nearest(pattern, (const char *const *)known->services.items,
	                      known->services.len);
	return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
}

int log_names_find(struct cli *cli, int argc, char **argv, struct log_names *ret, struct error *err)
{
	cleanup(known_release) struct known known = {0};
	cleanup_free char *logs = path_join(cli->paths.state, "logs");
	cleanup_free char *by_name = read_files(cli, &known);
	cleanup_free char *by_root = by_name ? NULL : find_id(cli, logs);
	const char *id = by_name ? by_name : by_root;

	ret->project_dir = id ? path_join(logs, id) : NULL;
	if (!id || !add_folders(ret->project_dir, &known)) {
		error_set(err, ERR_NOT_FOUND, "nothing of %s has been started", cli->root);
		return error_hint(err, "locald up");
	}
	for (int i = 0; i < argc; i++)
		if (choose(&known, argv[i], &ret->services, err) < 0)
			return -1;
	if (argc == 0)
		strv_copy(&ret->services, &known.logs);
	return 0;
}
