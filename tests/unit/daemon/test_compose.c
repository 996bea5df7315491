#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "daemon/compose.h"
#include "daemon/project.h"
#include "service/port_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

struct fixture {
	char *root;
	struct port_pool ports;
	struct strv shell, host, container;
	struct project_config *config;
	struct project *project;
	struct diagnostics diags;
	struct error err;
	int taken; /* a port a stranger has */
	const char *live;
	int proxy_port; /* 0: 8080 */
};

static bool is_free(int port, void *data)
{
	return port != ((struct fixture *)data)->taken;
}

static bool is_live(const char *service, void *data)
{
	const struct fixture *f = data;

	return f->live && str_eq(f->live, service);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->root = xstrdup("/tmp/test_compose.XXXXXX");
	*state = f;
	if (!mkdtemp(f->root))
		return -1;
	f->ports = (struct port_pool){.first = 20000, .last = 20009, .is_free = is_free, .data = f};
	strv_env_set(&f->shell, "PATH", "/usr/bin:/bin");
	strv_env_set(&f->shell, "SHLVL", "1");
	return 0;
}

static void forget_plans(struct fixture *f)
{
	project_destroy(take_ptr(f->project));
	project_free(take_ptr(f->config));
	diagnostics_release(&f->diags);
	error_release(&f->err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int done;

	forget_plans(f);
	done = fs_remove_tree(AT_FDCWD, f->root, &f->err);
	port_pool_release(&f->ports);
	strv_release(&f->shell);
	strv_release(&f->host);
	strv_release(&f->container);
	error_release(&f->err);
	free(f->root);
	free(f);
	return done;
}

static int compose(struct fixture *f, const char *toml, const json_t *images)
{
	cleanup_free char *path = path_join(f->root, "locald.toml");
	const struct compose_request base = {
		.shell_env = &f->shell,
		.host = &f->host,
		.container = &f->container,
		.images = images,
		.project_id = "shop-12345678",
		.self = "/bin/locald",
		.ports = &f->ports,
		.proxy_port = f->proxy_port ? f->proxy_port : 8080,
		.is_live = is_live,
		.data = f,
	};
	struct compose_request request = base;

	forget_plans(f);
	if (fs_write_atomic(path, toml, strlen(toml), 0600, &f->err) < 0)
		return -1;
	f->config = project_load(f->root, NULL, &f->diags, &f->err);
	if (!f->config)
		return -1;
	request.config = f->config;
	f->project = project_new("shop-12345678", f->root, f->config->name, f->config->domain);
	return compose_plans(&request, f->project, &f->diags, &f->err);
}

static const char toml[] = "[project]\n"
			   "name = \"shop\"\n"
			   "[env]\n"
			   "LEVEL = \"info\"\n"
			   "[services.web]\n"
			   "command = \"npm start\"\n"
			   "depends_on = [\"api\"]\n"
			   "env = { API_URL = \"${services.api.url}\" }\n"
			   "build = { builder = \"demo\" }\n"
			   "mode = \"host\"\n"
			   "[services.api]\n"
			   "command = [\"python3\", \"app.py\"]\n"
			   "port = 3000\n"
			   "[services.work]\n"
			   "type = \"worker\"\n"
			   "command = \"sleep 1000\"\n";

static const struct service_plan *plan_of(const struct fixture *f, const char *name)
{
	int i = project_index(f->project, name);

	assert_true(i >= 0);
	return &f->project->plans.items[i];
}

static void plans_say_all_a_service_needs(void **state)
{
	struct fixture *f = *state;
	const struct service_plan *web, *api, *work;

	if (compose(f, toml, NULL) < 0)
		fail_msg("%s", f->err.text);
	web = plan_of(f, "web");
	api = plan_of(f, "api");
	work = plan_of(f, "work");
	assert_int_equal(web->port, 20000);
	assert_int_equal(api->port, 3000);
	assert_false(work->has_port);
	assert_string_equal(strv_env_get(&web->env, "PORT"), "20000");
	assert_string_equal(strv_env_get(&web->env, "API_URL"), "http://127.0.0.1:3000");
	assert_string_equal(strv_env_get(&web->env, "LEVEL"), "info");
	assert_string_equal(strv_env_get(&web->env, "PATH"), "/usr/bin:/bin");
	assert_string_equal(strv_env_get(&web->env, "LOCALD_URL"),
	                    "http://web.shop.localhost:8080");
	assert_null(strv_env_get(&work->env, "PORT"));
	assert_string_equal(web->argv.items[0], "/bin/sh");
	assert_string_equal(web->argv.items[2], "npm start");
	assert_string_equal(api->argv.items[0], "python3");
	assert_int_equal(web->deps.len, 1);
	assert_string_equal(f->project->extras.items[0].hosts.items[1], "shop.localhost");
}

static void restart_policy_and_stop_command_are_in_the_plan(void **state)
{
	struct fixture *f = *state;
	const struct service_plan *web;

	assert_int_equal(compose(f,
	                         "[services.web]\ncommand = \"x\"\nrestart = \"always\"\n"
	                         "max_restarts = 3\nsuccess_exit_codes = [2, 143]\n"
	                         "stop_command = [\"ctl\", \"stop\"]\n",
	                         NULL),
	                 0);
	web = plan_of(f, "web");
	assert_int_equal(web->restart, PLAN_RESTART_ALWAYS);
	assert_int_equal(web->max_restarts, 3);
	assert_true(service_plan_is_success(web, 143) && service_plan_is_success(web, 0));
	assert_false(service_plan_is_success(web, 1));
	assert_string_equal(web->stop_argv.items[1], "stop");
}

static const char replicas[] = "[services.web]\n"
			       "command = \"x\"\n"
			       "replicas = %d\n"
			       "[services.front]\n"
			       "command = \"x\"\n"
			       "depends_on = [\"web\"]\n"
			       "env = { WEB = \"${services.web.port}\" }\n";

static void assert_port(const char *text, const struct service_plan *plan)
{
	cleanup_free char *port = xasprintf("%d", plan->port);

	assert_string_equal(text, port);
}

static void replicas_are_plans_of_their_own(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *two = xasprintf(replicas, 2), *three = xasprintf(replicas, 3);
	cleanup_free char *before = NULL;
	cleanup(strv_release) struct strv names = STRV_INIT;
	const struct service_plan *front;

	if (compose(f, two, NULL) < 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(f->project->plans.len, 3);
	assert_int_not_equal(plan_of(f, "web-1")->port, plan_of(f, "web-2")->port);
	assert_string_equal(strv_env_get(&plan_of(f, "web-2")->env, "LOCALD_SERVICE"), "web-2");
	assert_port(strv_env_get(&plan_of(f, "web-2")->env, "PORT"), plan_of(f, "web-2"));
	assert_string_equal(f->project->extras.items[1].hosts.items[0],
	                    f->project->extras.items[0].hosts.items[0]);
	front = plan_of(f, "front");
	assert_int_equal(front->deps.len, 2);
	assert_string_equal(front->deps.items[1].name, "web-2");
	assert_port(strv_env_get(&front->env, "WEB"), plan_of(f, "web-1"));
	assert_ptr_equal(plan_of(f, "web"), plan_of(f, "web-1"));
	strv_add(&names, "web");
	assert_int_equal(project_resolve(f->project, &names, &f->err), 0);
	assert_int_equal(names.len, 2);
	strv_add(&names, "wbe");
	assert_int_equal(project_resolve(f->project, &names, &f->err), -1);
	assert_string_equal(f->err.hint, "did you mean `web`?");
	/* One more is no reason to restart the others. */
	before = xstrdup(plan_of(f, "web-2")->fingerprint);
	assert_int_equal(compose(f, three, NULL), 0);
	assert_int_equal(f->project->plans.len, 4);
	assert_string_equal(plan_of(f, "web-2")->fingerprint, before);
}

static void a_replica_has_no_name_that_is_taken(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(compose(f,
	                         "[services.web]\ncommand = \"x\"\nreplicas = 2\nport = 1\n"
	                         "[services.web-2]\ncommand = \"x\"\n",
	                         NULL),
	                 -1);
	assert_int_equal(f->diags.items.len, 2);
	assert_string_equal(f->diags.items.items[0].text,
	                    "services.web: replicas cannot share a port");
	assert_string_equal(
		f->diags.items.items[1].text,
		"services.web: one of its replicas has the name of the service `web-2`");
}

static void another_terminal_is_no_reason_to_restart(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *before = NULL, *web_before = NULL;

	assert_int_equal(compose(f, toml, NULL), 0);
	before = xstrdup(plan_of(f, "api")->fingerprint);
	web_before = xstrdup(plan_of(f, "web")->fingerprint);
	strv_env_set(&f->shell, "SHLVL", "2");
	assert_int_equal(compose(f, toml, NULL), 0);
	assert_string_equal(plan_of(f, "api")->fingerprint, before);
	f->proxy_port = 80;
	assert_int_equal(compose(f, toml, NULL), 0);
	assert_string_equal(plan_of(f, "web")->fingerprint, web_before);
	strv_add(&f->container, "web");
	assert_int_equal(compose(f, toml, NULL), 0);
	assert_string_equal(plan_of(f, "api")->fingerprint, before);
	assert_string_not_equal(plan_of(f, "web")->fingerprint, web_before);
}

static void a_flipped_service_keeps_its_port(void **state)
{
	struct fixture *f = *state;
	cleanup_json json_t *images = json_pack("{s:s}", "web", "sha256:1");
	cleanup_free char *before = NULL;
	const json_t *bundle;

	assert_int_equal(compose(f, toml, NULL), 0);
	strv_add(&f->container, "web");
	assert_int_equal(compose(f, toml, images), 0);
	assert_int_equal(plan_of(f, "web")->port, 20000);
	assert_true(plan_of(f, "web")->needs_prepare);
	bundle = f->project->extras.items[0].bundle;
	assert_string_equal(json_get_str(bundle, "image", ""), "locald/shop-12345678/web:latest");
	assert_string_equal(json_string_value(json_array_get(json_object_get(bundle, "args"), 0)),
	                    "/cnb/lifecycle/launcher");
	assert_string_equal(json_get_str(json_object_get(bundle, "env"), "PORT", ""), "20000");
	/* The user's own shell stays outside. */
	assert_null(json_object_get(json_object_get(bundle, "env"), "PATH"));
	before = xstrdup(plan_of(f, "web")->fingerprint);
	json_set_str(images, "web", "sha256:2");
	assert_int_equal(compose(f, toml, images), 0);
	assert_string_not_equal(plan_of(f, "web")->fingerprint, before);
}

static void a_remembered_port_moves_only_for_a_stranger(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(compose(f, toml, NULL), 0);
	f->taken = 20000;
	f->live = "web"; /* its own listener */
	assert_int_equal(compose(f, toml, NULL), 0);
	assert_int_equal(plan_of(f, "web")->port, 20000);
	f->live = NULL;
	assert_int_equal(compose(f, toml, NULL), 0);
	assert_int_equal(plan_of(f, "web")->port, 20001);
}

static void a_missing_folder_is_shown_where_it_is_written(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		compose(f, "[services.web]\ncommand = \"x\"\nworkdir = \"nowhere\"\n", NULL), -1);
	assert_int_equal(f->err.code, ERR_CONFIG);
	assert_string_equal(f->diags.items.items[0].id, "C040");
	assert_int_equal(f->diags.items.items[0].places.items[0].pos.line, 3);
}

static const char networks[] = "[services.web]\n"
			       "image = \"web\"\n"
			       "container_port = 3000\n"
			       "env = { DB = \"${services.db.host}:${services.db.port}\", "
			       "SELF = \"${services.web.url}\" }\n"
			       "[services.db]\n"
			       "image = \"db\"\n"
			       "container_port = 5432\n"
			       "[services.twin]\n"
			       "image = \"web\"\n"
			       "container_port = 3000\n"
			       "[services.shared]\n"
			       "image = \"web\"\n"
			       "network = \"host\"\n"
			       "[services.cut]\n"
			       "image = \"web\"\n"
			       "network = \"none\"\n";

/* "web: 127.108.0.2 db 20001=20001 5432=20001, …" */
static char *peers_of(const struct fixture *f, const char *name)
{
	int i = project_index(f->project, name);
	const json_t *network = json_object_get(f->project->extras.items[i].bundle, "network");
	struct strbuf text = STRBUF_INIT;
	const json_t *peer, *port;
	size_t j, k;

	json_array_foreach(json_object_get(network, "peers"), j, peer) {
		strbuf_addf(&text, "%s%s %s", j > 0 ? ", " : "", json_get_str(peer, "address", ""),
		            json_string_value(json_array_get(json_object_get(peer, "names"), 0)));
		json_array_foreach(json_object_get(peer, "ports"), k, port)
			strbuf_addf(&text, " %lld=%lld",
			            json_integer_value(json_array_get(port, 0)),
			            json_integer_value(json_array_get(port, 1)));
	}
	return strbuf_detach(&text);
}

static const char *env_of(const struct fixture *f, const char *name, const char *variable)
{
	int i = project_index(f->project, name);

	return json_get_str(json_object_get(f->project->extras.items[i].bundle, "env"), variable,
	                    NULL);
}

static void containers_know_each_other_by_name(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *web = NULL, *cut = NULL, *twin = NULL;

	if (compose(f, networks, NULL) < 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(plan_of(f, "web")->inside_port, 3000);
	assert_true(plan_of(f, "web")->has_own_network);
	assert_false(plan_of(f, "shared")->has_own_network);
	assert_true(plan_of(f, "cut")->has_own_network);
	assert_false(plan_of(f, "cut")->has_port);
	assert_string_equal(env_of(f, "web", "PORT"), "3000");
	assert_string_equal(env_of(f, "web", "DB"), "db:20001");
	assert_string_equal(env_of(f, "web", "SELF"), "http://127.0.0.1:3000");
	assert_null(env_of(f, "cut", "PORT"));
	/* The twin's port inside is the one that web needs for itself. */
	web = peers_of(f, "web");
	assert_string_equal(web, "127.108.0.2 db 20001=20001 5432=20001, "
	                         "127.108.0.3 twin 20002=20002, 127.108.0.4 shared 20003=20003");
	twin = peers_of(f, "twin");
	assert_string_equal(twin, "127.108.0.1 web 20000=20000, "
	                          "127.108.0.2 db 20001=20001 5432=20001, "
	                          "127.108.0.4 shared 20003=20003");
	cut = peers_of(f, "cut");
	assert_string_equal(cut, "");
	assert_null(json_object_get(
		f->project->extras.items[project_index(f->project, "shared")].bundle, "network"));
}

static void a_project_survives_its_file(void **state)
{
	struct fixture *f = *state;
	cleanup_json json_t *saved = NULL, *again = NULL;
	struct project *copy;

	strv_add(&f->container, "web");
	assert_int_equal(compose(f, toml, NULL), 0);
	saved = project_to_json(f->project);
	copy = project_from_json(saved, &f->err);
	assert_non_null(copy);
	again = project_to_json(copy);
	assert_true(json_equal(saved, again));
	project_destroy(copy);
	json_set_int(saved, "version", 99);
	assert_null(project_from_json(saved, &f->err));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(plans_say_all_a_service_needs),
		TEST(restart_policy_and_stop_command_are_in_the_plan),
		TEST(replicas_are_plans_of_their_own),
		TEST(a_replica_has_no_name_that_is_taken),
		TEST(another_terminal_is_no_reason_to_restart),
		TEST(a_flipped_service_keeps_its_port),
		TEST(a_remembered_port_moves_only_for_a_stranger),
		TEST(a_missing_folder_is_shown_where_it_is_written),
		TEST(containers_know_each_other_by_name),
		TEST(a_project_survives_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
