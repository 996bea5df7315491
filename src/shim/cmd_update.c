#include "shim/command.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "shim/node.h"
#include "shim/spec.h"
#include "shim/state.h"

/* The options that are short for a resources document. */
struct limit_option {
	const char *name, *object, *key;
	bool is_text, is_refused;
};

static const struct limit_option limit_options[] = {
	{"memory", "memory", "limit", false},
	{"memory-swap", "memory", "swap", false},
	{"memory-reservation", "memory", "reservation", false},
	{"cpu-share", "cpu", "shares", false},
	{"cpu-quota", "cpu", "quota", false},
	{"cpu-period", "cpu", "period", false},
	{"cpuset-cpus", "cpu", "cpus", true},
	{"cpuset-mems", "cpu", "mems", true},
	{"pids-limit", "pids", "limit", false},
	{"blkio-weight", "blockIO", "weight", false},
	{"cpu-burst", "cpu", "burst", false},
	{"cpu-idle", "cpu", "idle", false},
	{"cpu-rt-period", "cpu", "realtimePeriod", false},
	{"cpu-rt-runtime", "cpu", "realtimeRuntime", false},
	{"kernel-memory", "memory", "kernel", .is_refused = true},
	{"kernel-memory-tcp", "memory", "kernelTCP", .is_refused = true},
	{"l3-cache-schema", "intelRdt", "l3CacheSchema", .is_refused = true},
	{"mem-bw-schema", "intelRdt", "memBwSchema", .is_refused = true},
};

#define LIMITS ARRAY_LEN(limit_options)

static json_t *read_document(const char *path, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (!str_eq(path, "-"))
		return json_parse_file(path, SPEC_FILE_MAX, err);
	if (fd_read_to_end(STDIN_FILENO, &text, SPEC_FILE_MAX, err) < 0)
		return NULL;
	return json_parse(text.buf, text.len, err);
}

static int add_limit(json_t *document, const struct limit_option *option, const char *value,
                     struct error *err)
{
	json_t *object = json_object_get(document, option->object);
	int64_t number;

	if (!object) {
		object = json_object();
		json_object_set_new(document, option->object, object);
	}
	if (option->is_text) {
		json_set_str(object, option->key, value);
		return 0;
	}
	if (str_to_int(value, -1, INT64_MAX, &number, err) < 0)
		return error_wrap(err, "--%s", option->name);
	json_set_int(object, option->key, number);
	return 0;
}

static json_t *build_document(const char *path, const char *const values[LIMITS], struct error *err)
{
	cleanup_json json_t *document = path ? read_document(path, err) : json_object();

	if (!document)
		return NULL;
	for (size_t i = 0; i < LIMITS; i++)
		if (values[i] && add_limit(document, &limit_options[i], values[i], err) < 0)
			return NULL;
	return json_incref(document);
}

static int apply(struct state *state, json_t *document, struct error *err)
{
	cleanup(spec_resources_release) struct spec_resources resources = {0};
	const struct node node = {document, NULL, "resources", 0};

	if (node_need_object(&node, err) < 0 || spec_resources_parse(&resources, &node, err) < 0)
		return -1;
	if (!cgroup_has_limits(&state->cgroup, &resources) &&
	    state_extend_cgroup(state, &resources, false, err) < 0)
		return -1;
	return cgroup_set_limits(&state->cgroup, &resources, err);
}

int cmd_update(const struct shim *shim, const struct command *self, int argc, char **argv,
               struct error *err)
{
	cleanup(state_release) struct state state = {.dir = -1, .root = -1};
	cleanup_json json_t *document = NULL;
	cleanup_close int root = -1;
	const char *path = NULL, *values[LIMITS] = {NULL};
	struct option_row rows[LIMITS + 1] = {
		{"resources", 'r', OPTION_TEXT, &path, "file with resources as JSON, - for stdin"},
	};
	int n;

	for (size_t i = 0; i < LIMITS; i++)
		rows[i + 1] = (struct option_row){
			limit_options[i].name, 0,
			limit_options[i].is_refused ? OPTION_REFUSED : OPTION_TEXT, &values[i],
			limit_options[i].is_refused ? "kernels and hosts rarely have it"
						    : "a limit"};
	n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);
	if (n < 0)
		return n;
	root = state_open_root(shim->root, err);
	if (root < 0 || state_load(&state, root, argv[0], err) < 0)
		return -1;
	if (state_status(&state) == CONTAINER_STOPPED)
		return error_set(err, ERR_CONFLICT, "container `%s` is stopped", argv[0]);
	document = build_document(path, values, err);
	return document ? apply(&state, document, err) : -1;
}
