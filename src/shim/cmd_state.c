#include "shim/command.h"

#include "base/error.h"
#include "base/json.h"
#include "shim/state.h"

int cmd_state(const struct shim *shim, const struct command *self, int argc, char **argv,
              struct error *err)
{
	cleanup(state_release) struct state state = {.dir = -1, .root = -1};
	cleanup_close int root = -1;
	cleanup_free char *document = NULL;
	int n = options_parse(self, NULL, 0, argc, argv, err);

	if (n < 0)
		return n;
	root = state_open_root(shim->root, err);
	if (root < 0 || state_load(&state, root, argv[0], err) < 0)
		return -1;
	document = state_document(&state, container_status_name(state_status(&state)));
	printf("%s\n", document);
	return 0;
}

static json_t *describe(int root, const char *id)
{
	cleanup(error_release) struct error gone = ERROR_INIT;
	cleanup(state_release) struct state state = {.dir = -1, .root = -1};
	cleanup_free char *document = NULL;

	/* One that is being made or removed right now is not listed. */
	if (state_load(&state, root, id, &gone) < 0)
		return NULL;
	document = state_document(&state, container_status_name(state_status(&state)));
	return json_loads(document, 0, NULL);
}

int cmd_list(const struct shim *shim, const struct command *self, int argc, char **argv,
             struct error *err)
{
	cleanup(strv_release) struct strv ids = STRV_INIT;
	cleanup_json json_t *list = json_array();
	cleanup_close int root = -1;
	cleanup_free char *text = NULL;
	const char *format = "table";
	bool is_quiet = false;
	const struct option_row rows[] = {
		{"format", 'f', OPTION_TEXT, &format, "table or json"},
		{"quiet", 'q', OPTION_FLAG, &is_quiet, "ids only"},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);
	json_t *item;
	size_t i;

	if (n < 0)
		return n;
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return error_set(err, ERR_USAGE, "--format must be table or json");
	root = state_open_root(shim->root, err);
	if (root < 0 || state_list(root, &ids, err) < 0)
		return -1;
	for (i = 0; i < ids.len; i++) {
		item = describe(root, ids.items[i]);
		if (item)
			json_array_append_new(list, item);
	}
	if (str_eq(format, "json")) {
		text = json_text(list);
		printf("%s\n", text);
		return 0;
	}
	if (!is_quiet)
		printf("%-24s %-8s %-8s %-26s %s\n", "NAME", "PID", "STATUS", "CREATED", "BUNDLE");
	json_array_foreach(list, i, item) {
		if (is_quiet)
			printf("%s\n", json_get_str(item, "id", ""));
		else
			printf("%-24s %-8lld %-8s %-26s %s\n", json_get_str(item, "id", ""),
			       (long long)json_get_int(item, "pid", 0),
			       json_get_str(item, "status", ""), json_get_str(item, "created", ""),
			       json_get_str(item, "bundle", ""));
	}
	return 0;
}
