#include "daemon/container_run.h"

#include "api/api_error.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/project.h"
#include "daemon/container_plan.h"
#include "daemon/daemon.h"
#include "daemon/detached.h"
#include "daemon/job_child.h"
#include "daemon/reply.h"
#include "daemon/run_container.h"
#include "net/http_server.h"
#include "oci/reference.h"

#define PUBLISH_MAX 64

struct container_run {
	struct daemon *daemon;
	struct http_exchange *x;
	char *name;
	json_t *bundle;
	bool is_detached, has_stdin, is_removed_after;
	bool has_made_up_name;
	struct job_child *job; /* the pull */
};

static void forget(struct container_run *run)
{
	struct daemon *daemon = run->daemon;

	array_drop(&daemon->container_runs, run);
	job_child_cancel(run->job);
	json_decref(run->bundle);
	free(run->name);
	free(run);
}

static void on_client_gone(struct http_exchange *x, void *data)
{
	forget(data);
}

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

static void on_line(json_t *line, void *data)
{
	const struct container_run *run = data;

	reply_line(run->x, json_incref(line));
}

static void begin_detached(struct container_run *run, const json_t *defaults)
{
	const struct detached_request request = {
		.name = run->has_made_up_name ? NULL : run->name,
		.stem = run->name,
		.bundle = run->bundle,
		.defaults = defaults,
		.has_stdin = run->has_stdin,
		.is_removed_after = run->is_removed_after,
	};

	detached_begin(run->daemon, run->x, &request);
}

static void on_pulled(json_t *result, void *data)
{
	struct container_run *run = data;
	cleanup(error_release) struct error err = ERROR_INIT;

	run->job = NULL;
	if (json_get_bool(result, "ok", false) && run->is_detached) {
		begin_detached(run, json_object_get(result, "defaults"));
	} else if (json_get_bool(result, "ok", false)) {
		run_container_begin(run->daemon, run->x, CONTAINER_RUN_PROJECT, run->name,
		                    run->bundle);
	} else {
		api_error_from_json(json_object_get(result, "error"), &err);
		reply_end(run->x, reply_result(&err, NULL));
	}
	forget(run);
}

static const struct job_events job_callbacks = {.on_line = on_line, .on_result = on_pulled};

/* --- what was asked for, as the bundle job has it --- */

static int add_volumes(const struct daemon *daemon, const json_t *request, json_t *mounts,
                       struct error *err)
{
	const struct container_place place = {
		.paths = &daemon->paths,
		.project_id = CONTAINER_RUN_PROJECT,
		.root = json_get_str(request, "root", "/"),
		.home = json_get_str(request, "home", NULL),
	};
	cleanup(strv_release) struct strv texts = STRV_INIT;

	if (json_to_strv(json_object_get(request, "volumes"), "volumes", &texts, err) < 0)
		return -1;
	for (size_t i = 0; i < texts.len; i++) {
		cleanup(volume_config_release) struct volume_config volume = {0};
		json_t *mount = NULL;

		if (volume_parse(texts.items[i], &volume, err) == 0)
			mount = container_volume_mount(&place, &volume, err);
		if (!mount)
			return error_wrap(err, "--volume %s", texts.items[i]);
		json_array_append_new(mounts, mount);
	}
	return 0;
}

static int read_port(const char *text, int64_t *ret, struct error *err)
{
	return str_to_int(text, 1, 65535, ret, err);
}

/* "8080:80": the host's, then the container's; "80" is both. */
static int add_publication(const char *text, json_t *publish, struct error *err)
{
	cleanup_free char *outside = xstrdup(text);
	char *inside = strchr(outside, ':');
	int64_t from, to;

	if (inside)
		*inside++ = '\0';
	if (read_port(outside, &from, err) < 0 ||
	    read_port(inside ? inside : outside, &to, err) < 0) {
		error_wrap(err, "--publish %s", text);
		return error_hint(err, "write HOST:CONTAINER, such as 8080:80; the host's side is "
		                       "always loopback");
	}
	json_array_append_new(publish, json_pack("[i,i]", (int)from, (int)to));
	return 0;
}

/* NULL for the host's network. */
static int make_network(const json_t *request, json_t **ret, struct error *err)
{
	const char *kind = json_get_str(request, "network", "private");
	cleanup(strv_release) struct strv texts = STRV_INIT;
	cleanup_json json_t *publish = json_array();

	*ret = NULL;
	if (!str_eq(kind, "private") && !str_eq(kind, "host") && !str_eq(kind, "none"))
		return error_set(err, ERR_USAGE, "--network %s: there are private, host and none",
		                 kind);
	if (json_to_strv(json_object_get(request, "publish"), "publish", &texts, err) < 0)
		return -1;
	if (texts.len > 0 && !str_eq(kind, "private"))
		return error_set(err, ERR_USAGE, "--publish needs a private network, not %s", kind);
	if (texts.len > PUBLISH_MAX)
		return error_set(err, ERR_USAGE, "--publish: more than %d ports", PUBLISH_MAX);
	for (size_t i = 0; i < texts.len; i++)
		if (add_publication(texts.items[i], publish, err) < 0)
			return -1;
	if (!str_eq(kind, "host"))
		*ret = json_pack("{s:b, s:b, s:O, s:[]}", "alone", str_eq(kind, "none"), "open", 1,
		                 "publish", publish, "peers");
	return 0;
}

/* "docker.io/library/redis:7" is `redis`. */
static char *name_of(const char *image)
{
	cleanup(error_release) struct error none = ERROR_INIT;
	cleanup(reference_release) struct reference reference = REFERENCE_INIT;
	cleanup_free char *label = NULL;

	if (reference_parse(image, &reference, &none) == 0 && reference.repository)
		label = config_make_label(path_base(reference.repository));
	return label ? take_ptr(label) : xstrdup("container");
}

static int copy_list(const json_t *request, const char *key, const char *as, json_t *bundle,
                     struct error *err)
{
	cleanup(strv_release) struct strv items = STRV_INIT;
	json_t *list = json_object_get(request, key);

	if (!list)
		return 0;
	if (json_to_strv(list, key, &items, err) < 0)
		return -1;
	if (items.len > 0)
		json_object_set(bundle, as, list);
	return 0;
}

/* --entrypoint comes before the words; without words and without it the image says what runs. */
static int set_args(const json_t *request, json_t *bundle, struct error *err)
{
	const char *entrypoint = json_get_str(request, "entrypoint", NULL);
	json_t *args;

	if (copy_list(request, "argv", "args", bundle, err) < 0)
		return -1;
	json_set_bool(bundle, "keep_entrypoint", !entrypoint);
	if (str_empty(entrypoint))
		return 0;
	args = json_pack("[s]", entrypoint);
	json_array_extend(args, json_object_get(bundle, "args"));
	json_object_set_new(bundle, "args", args);
	return 0;
}

static int make_bundle(const struct daemon *daemon, const json_t *request, json_t *bundle,
                       struct error *err)
{
	static const char *const texts[] = {"image", "user", "cwd"};
	json_t *mounts = json_array(), *env = json_object_get(request, "env"), *network;

	json_object_set_new(bundle, "mounts", mounts);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (json_get_str(request, texts[i], NULL))
			json_set_str(bundle, texts[i], json_get_str(request, texts[i], NULL));
	json_object_set(bundle, "env", json_is_object(env) ? env : json_object());
	json_set_bool(bundle, "terminal", json_get_bool(request, "terminal", false));
	if (set_args(request, bundle, err) < 0 || add_volumes(daemon, request, mounts, err) < 0 ||
	    make_network(request, &network, err) < 0)
		return -1;
	if (network)
		json_object_set_new(bundle, "network", network);
	return 0;
}

static int start(struct container_run *run, const json_t *request, struct error *err)
{
	const char *name = json_get_str(request, "name", NULL), *image;
	cleanup_free char *store = paths_image_store(&run->daemon->paths);
	cleanup_json json_t *params = NULL;

	if (json_need_str(request, "image", &image, err) < 0)
		return -1;
	if (name && !config_is_name(name))
		return error_set(err, ERR_USAGE, "--name %s: letters, digits, - and _ make a name",
		                 name);
	run->name = name ? xstrdup(name) : name_of(image);
	run->has_made_up_name = !name;
	run->is_detached = json_get_bool(request, "detach", false);
	run->has_stdin = json_get_bool(request, "stdin", false);
	run->is_removed_after = json_get_bool(request, "rm", false);
	if (make_bundle(run->daemon, request, run->bundle, err) < 0 ||
	    (run->is_detached && detached_check(run->daemon, name, run->bundle, err) < 0))
		return -1;
	params = json_pack("{s:s, s:s, s:b}", "store", store, "reference", image, "if_missing", 1);
	run->job =
		job_child_start(&run->daemon->jobs, "image-pull", params, &job_callbacks, run, err);
	return run->job ? 0 : -1;
}

void container_run_begin(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	struct container_run *run = xcalloc(1, sizeof(*run));
	cleanup(error_release) struct error err = ERROR_INIT;

	run->daemon = daemon;
	run->x = x;
	run->bundle = json_object();
	*array_add(&daemon->container_runs) = run;
	if (start(run, request, &err) < 0) {
		forget(run);
		reply_error(x, &err, NULL);
		return;
	}
	http_exchange_watch(x, &exchange_callbacks, run);
	reply_stream_begin(x);
}

void container_runs_release(struct daemon *daemon)
{
	while (daemon->container_runs.len > 0)
		forget(daemon->container_runs.items[0]);
	array_release(&daemon->container_runs);
}
