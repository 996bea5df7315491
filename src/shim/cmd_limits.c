#include "shim/command.h"

#include "base/error.h"
#include "base/json.h"
#include "shim/cgroup.h"
#include "shim/node.h"
#include "shim/spec.h"

#include <unistd.h>

/* Values that bind nobody. */
static const struct {
	const char *name, *resources;
} trials[] = {
	{"cpu", "{\"cpu\":{\"quota\":100000,\"period\":100000}}"},
	{"memory", "{\"memory\":{\"limit\":1073741824}}"},
	{"pids", "{\"pids\":{\"limit\":4096}}"},
};

/* A cgroup with that limit is made, nobody enters it, and it is removed. */
static int try_limit(const struct cgroup_host *host, const char *text, struct error *err)
{
	cleanup(spec_resources_release) struct spec_resources resources = {0};
	cleanup(cgroup_release) struct cgroup cgroup = {0};
	cleanup_free char *id = xasprintf("trial-%d", (int)getpid());
	const struct cgroup_request request = {.id = id, .resources = &resources};
	cleanup_json json_t *document = json_parse(text, strlen(text), err);
	const struct node node = {document, NULL, "resources", 0};
	cleanup(error_release) struct error later = ERROR_INIT;
	int made;

	if (!document || spec_resources_parse(&resources, &node, err) < 0)
		return -1;
	made = cgroup_make(&cgroup, host, &request, err);
	if (cgroup_remove(&cgroup, made < 0 ? &later : err) < 0)
		return -1;
	return made;
}

int cmd_limits(const struct shim *shim, const struct command *self, int argc, char **argv,
               struct error *err)
{
	cleanup(cgroup_host_release) struct cgroup_host host = {0};
	cleanup_json json_t *json = json_object();
	cleanup_free char *line = NULL;
	bool has_own = false;
	const struct option_row rows[] = {
		{"own-cgroup", 0, OPTION_FLAG, &has_own, CGROUP_OWN_HELP},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);

	if (n < 0)
		return n;
	if (cgroup_host_read(&host, err) < 0 || (has_own && cgroup_make_room(&host, err) < 0))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(trials); i++) {
		cleanup(error_release) struct error why = ERROR_INIT;
		bool can = try_limit(&host, trials[i].resources, &why) == 0;

		json_object_set_new(json, trials[i].name,
		                    can ? json_null() : json_string(why.text));
	}
	line = json_text(json);
	printf("%s\n", line);
	return 0;
}
