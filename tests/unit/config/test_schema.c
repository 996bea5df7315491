#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/schema.h"
#include "config/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Loads one text; the caller releases both. */
static struct project_config *load(const char *text, bool is_outer, struct diagnostics *diags)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_toml struct toml_table *root = NULL;
	struct project_config *project = xcalloc(1, sizeof(*project));
	struct config_file *file = xcalloc(1, sizeof(*file));
	struct toml_pos pos;

	*file = (struct config_file){xstrdup("/p/locald.toml"), xstrdup("locald.toml"),
	                             xstrdup(text), strlen(text)};
	*array_add(&project->files) = file;
	root = toml_parse(text, strlen(text), &pos, &err);
	if (!root)
		fail_msg("%s: %s", text, err.text);
	schema_load(project, file, root, is_outer, diags);
	return project;
}

static void every_key_is_read(void **state)
{
	static const char text[] =
		"[project]\nname = 'shop'\ndomain = 'shop.test'\nconstellation = 'acme'\n"
		"wildcard = false\n"
		"[env]\nA = 'x'\nN = 1\nT = true\n"
		"[service.web]\ntype = 'container'\ncommand = ['a', 'b']\nworkdir = 'w'\n"
		"port = 3000\nenv = { B = '${A}' }\nenv_file = ['.env', 'b.env']\n"
		"depends_on = { db = 'started', seed = 'completed', api = 'ready' }\n"
		"restart = 'no'\nlog_size = '1.5GiB'\nstop_signal = 'INT'\nstop_timeout = "
		"'1.5s'\noneshot = true\n"
		"autostart = false\nmode = 'host'\nimage = 'i'\nuser = '1:2'\nentrypoint = []\n"
		"replicas = 1\ntty = false\nexpose = 'loopback'\nnetwork = 'host'\n"
		"[service.web.health_check]\ntype = 'tcp'\npath = '/x'\ncommand = 'c'\n"
		"interval = 0.25\ntimeout = '2m'\nstart_period = 60\nretries = 7\n"
		"[service.web.build]\nbuilder = 'b'\nbuildpacks = ['p']\nexclude = ['*.o']\n"
		"cache = false\nnetwork = 'host'\nenv = { C = 'd' }\n";
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = load(text, false, &diags);
	const struct service_config *web = project_service(project, "web");

	assert_int_equal(diags.items.len, 0);
	assert_string_equal(project->name, "shop");
	assert_string_equal(project->domain, "shop.test");
	assert_string_equal(project->workspace, "acme");
	assert_string_equal(project->env.list.items[1].value, "1");
	assert_string_equal(project->env.list.items[2].value, "true");
	assert_int_equal(web->type, SERVICE_CONTAINER);
	assert_string_equal(web->command.argv.items[1], "b");
	assert_null(web->command.shell);
	assert_string_equal(web->workdir, "w");
	assert_int_equal(web->port, 3000);
	assert_string_equal(web->env.list.items[0].value, "${A}");
	assert_int_equal(web->env.list.items[0].pos.line, 15);
	assert_true(web->has_env_files);
	assert_int_equal(web->env_files.len, 2);
	assert_int_equal(web->depends_on.list.len, 3);
	assert_int_equal(web->depends_on.list.items[0].until, DEPENDENCY_STARTED);
	assert_int_equal(web->depends_on.list.items[1].until, DEPENDENCY_COMPLETED);
	assert_int_equal(web->depends_on.list.items[2].until, DEPENDENCY_READY);
	assert_int_equal(web->restart, RESTART_NO);
	assert_int_equal(web->log_bytes, INT64_C(3) << 29);
	assert_int_equal(web->stop_signal, SIGINT);
	assert_int_equal(web->stop_timeout_ms, 1500);
	assert_true(web->oneshot);
	assert_false(web->autostart);
	assert_int_equal(web->mode, MODE_HOST);
	assert_string_equal(web->image, "i");
	assert_string_equal(web->user, "1:2");
	assert_true(web->has_entrypoint);
	assert_int_equal(web->health.type, HEALTH_TCP);
	assert_string_equal(web->health.path, "/x");
	assert_string_equal(web->health.command.shell, "c");
	assert_int_equal(web->health.interval_ms, 250);
	assert_int_equal(web->health.timeout_ms, 120000);
	assert_int_equal(web->health.start_period_ms, 60000);
	assert_int_equal(web->health.retries, 7);
	assert_true(web->build.is_set);
	assert_string_equal(web->build.builder, "b");
	assert_string_equal(web->build.buildpacks.items[0], "p");
	assert_string_equal(web->build.exclude.items[0], "*.o");
	assert_false(web->build.cache);
	assert_string_equal(web->build.env.list.items[0].name, "C");
	assert_int_equal(service_place_of(web, "port")->pos.line, 14);
	assert_int_equal(service_place_of(web, "health_check.path")->pos.line, 34);
	assert_int_equal(project_place_of(project, "workspace")->pos.line, 4);
	assert_null(service_place_of(web, "nothing"));
}

static void defaults_are_those_of_the_docs(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project =
		load("[services.a]\ncommand = 'x'\nbuild = {}", false, &diags);
	const struct service_config *a = project_service(project, "a");

	assert_int_equal(diags.items.len, 0);
	assert_int_equal(a->type, SERVICE_EXEC);
	assert_int_equal(a->restart, RESTART_ON_FAILURE);
	assert_int_equal(a->stop_signal, SIGTERM);
	assert_int_equal(a->stop_timeout_ms, 10000);
	assert_int_equal(a->log_bytes, 64 << 20);
	assert_true(a->autostart);
	assert_true(a->build.is_set);
	assert_true(a->build.cache);
	assert_int_equal(a->health.interval_ms, 1000);
	assert_int_equal(a->health.start_period_ms, 30000);
	assert_int_equal(a->health.retries, 3);
	assert_int_equal(a->health.type, HEALTH_DEFAULT);
}

/* Each text has exactly one finding. */
static const struct wrong_value {
	const char *text, *id, *message;
	int line, column;
	const char *help;
} wrong_values[] = {
	{"comand = 1", "C012", "unknown key `comand`", 1, 1, NULL},
	{"porject = {}", "C012", "unknown key `porject`", 1, 1, "did you mean `project`?"},
	{"[web]\nx = 1", "C012", "unknown key `web`", 1, 2,
         "a service is written as [services.web]"},
	{"[services.a]\ncomand = 'x'", "C012", "unknown key `comand` in [services.a]", 2, 1,
         "did you mean `command`?"},
	{"[services.a]\nhealth_check.pth = '/'", "C012",
         "unknown key `pth` in [services.a.health_check]", 2, 14, "did you mean `path`?"},
	{"[services.a]\n'health_check.path' = '/'", "C012",
         "unknown key `health_check.path` in [services.a]", 2, 1, NULL},
	{"[project]\nname = 'A b'", "C011",
         "project.name: expected a name of letters, digits, - and _ (at most 63, no - at the "
         "front), got \"A b\"",
         2, 8, NULL},
	{"[project]\ndomain = 'x..y'", "C011",
         "project.domain: expected a domain such as shop.localhost, got \"x..y\"", 2, 10, NULL},
	{"project = 1", "C010", "project: expected a table, got 1", 1, 11, NULL},
	{"services = []", "C010", "services: expected a table, got an array", 1, 12, NULL},
	{"services.a = 'x'", "C010", "services.a: expected a table, got \"x\"", 1, 14, NULL},
	{"[services.'My App']", "C020",
         "`My App` is not a name for a service: only letters, digits, - and _ (at most 63, no "
         "- at the front)",
         1, 11, "did you mean `my-app`?"},
	{"[services.a]\nport = 'http'", "C010", "services.a.port: expected 1-65535, got \"http\"",
         2, 8, NULL},
	{"[services.a]\nport = 0", "C011", "services.a.port: expected 1-65535, got 0", 2, 8, NULL},
	{"[services.a]\nport = 65536", "C011", "services.a.port: expected 1-65535, got 65536", 2, 8,
         NULL},
	{"[services.a]\nport = 80.5", "C010", "services.a.port: expected 1-65535, got 80.5", 2, 8,
         NULL},
	{"[services.a]\noneshot = 'yes'", "C010",
         "services.a.oneshot: expected true or false, got \"yes\"", 2, 11, NULL},
	{"[services.a]\ncommand = ''", "C011", "services.a.command: must not be empty", 2, 11,
         NULL},
	{"[services.a]\ncommand = []", "C011", "services.a.command: must not be empty", 2, 11,
         NULL},
	{"[services.a]\ncommand = 7", "C010",
         "services.a.command: expected a string or an array of strings, got 7", 2, 11, NULL},
	{"[services.a]\ncommand = ['x', 1]", "C010", "services.a.command: expected a string, got 1",
         2, 17, NULL},
	{"[services.a]\ncommand = \"a\\u0000\"", "C011",
         "services.a.command: a string with a NUL character", 2, 11, NULL},
	{"[services.a]\nenv_file = 'x'", "C010",
         "services.a.env_file: expected an array of strings, got \"x\"", 2, 12, NULL},
	{"[services.a]\nrestart = 'on-failur'", "C011",
         "services.a.restart: expected \"no\", \"on-failure\" or \"always\", got "
         "\"on-failur\"",
         2, 11, "did you mean `on-failure`?"},
	{"[services.a]\nrestart = false", "C010",
         "services.a.restart: expected \"no\", \"on-failure\" or \"always\", got false", 2, 11,
         NULL},
	{"[services.a]\nsuccess_exit_codes = [1, 256]", "C011",
         "services.a.success_exit_codes: expected 0-255, got 256", 2, 26, NULL},
	{"[services.a]\nsuccess_exit_codes = 1", "C010",
         "services.a.success_exit_codes: expected an array of integers, got 1", 2, 22, NULL},
	{"[services.a]\nmax_restarts = -1", "C011",
         "services.a.max_restarts: expected 0-1000000, got -1", 2, 16, NULL},
	{"[services.a]\nstop_signal = 'SIGTREM'", "C011",
         "services.a.stop_signal: expected a signal such as \"SIGTERM\", got \"SIGTREM\"", 2, 15,
         "did you mean `SIGTERM`?"},
	{"[services.a]\nstop_timeout = '5'", "C011",
         "services.a.stop_timeout: expected seconds, or a time such as \"500ms\", \"2s\" "
         "or "
         "\"1m\", got \"5\"",
         2, 16, NULL},
	{"[services.a]\nstop_timeout = -1", "C011",
         "services.a.stop_timeout: expected 0 to 3600 seconds, got -1", 2, 16, NULL},
	{"[services.a]\nlog_size = '1000K'", "C011",
         "services.a.log_size: expected bytes, or a size from \"1M\" on such as \"512M\" or "
         "\"1.5G\", got \"1000K\"",
         2, 12, NULL},
	{"[services.a]\nhealth_check.interval = 0", "C011",
         "services.a.health_check.interval: expected 0.05 to 3600 seconds, got 0", 2, 25, NULL},
	{"[services.a]\nhealth_check.retries = 0", "C011",
         "services.a.health_check.retries: expected 1-1000, got 0", 2, 24, NULL},
	{"[services.a]\nhealth_check = 1", "C010",
         "services.a.health_check: expected a table, got 1", 2, 16, NULL},
	{"[services.a]\nenv = ['A=1']", "C010",
         "services.a.env: expected a table such as { NAME = \"value\" }, got an array", 2, 7, NULL},
	{"[env]\n'A B' = 'x'", "C020", "env: `A B` is not the name of a variable", 2, 1, NULL},
	{"[env]\nV = 1.10", "C010", "env.V: expected a string, got 1.1", 2, 5,
         "write it in quotes"},
	{"[services.a]\ndepends_on = 'b'", "C010",
         "services.a.depends_on: expected an array of services, or a table such as { db = "
         "\"ready\" }, got \"b\"",
         2, 14, NULL},
	{"[services.a]\ndepends_on = ['b', 'b']", "C014",
         "services.a.depends_on: `b` is there twice", 2, 20, NULL},
	{"[services.a]\ndepends_on = { b = 'readi' }", "C011",
         "services.a.depends_on.b: expected \"ready\", \"started\" or \"completed\", got "
         "\"readi\"",
         2, 20, "did you mean `ready`?"},
	{"[services.a]\nport = 1\n[service.a]\nport = 2", "C014", "service.a.port is set twice", 4,
         1, NULL},
	{"[services.a]\nbuild = 7", "C010", "services.a.build: expected a table, got 7", 2, 9,
         NULL},
};

static void wrong_values_are_told(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong_values); i++) {
		cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
		cleanup_project struct project_config *project =
			load(wrong_values[i].text, false, &diags);
		const struct diagnostic *diag = diags.items.items;

		assert_non_null(project);
		if (diags.items.len != 1)
			fail_msg("%s: %zu findings", wrong_values[i].text, diags.items.len);
		assert_string_equal(diag->text, wrong_values[i].message);
		assert_string_equal(diag->id, wrong_values[i].id);
		assert_int_equal(diag->places.items[0].pos.line, wrong_values[i].line);
		assert_int_equal(diag->places.items[0].pos.column, wrong_values[i].column);
		if (!str_eq_null(diag->help, wrong_values[i].help))
			fail_msg("%s: help: %s", wrong_values[i].text,
			         diag->help ? diag->help : "none");
	}
}

static void limits_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t memory_bytes;
		int cpu_millis, pids;
		size_t findings;
	} cases[] = {
		{"{ memory = '512M', cpus = 1.5, pids = 9 }", 512 << 20, 1500, 9, 0},
		{"{ memory = 4194304 }", 4 << 20, 0, 0, 0},
		{"{ memory = '1.5GiB', cpus = 2 }", INT64_C(3) << 29, 2000, 0, 0},
		{"{ memory = '64k' }", 0, 0, 0, 1},
		{"{ memory = '64Q' }", 0, 0, 0, 1},
		{"{ memory = true }", 0, 0, 0, 1},
		{"{ cpus = 0 }", 0, 0, 0, 1},
		{"{ cpus = 'two' }", 0, 0, 0, 1},
		{"{ pids = 0 }", 0, 0, 0, 1},
		{"{ memroy = '1G' }", 0, 0, 0, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
		cleanup_free char *text = xasprintf("services.a.limits = %s", cases[i].text);
		cleanup_project struct project_config *project = load(text, false, &diags);
		const struct service_config *service = project_service(project, "a");

		assert_int_equal(diags.items.len, cases[i].findings);
		assert_int_equal(service->memory_bytes, cases[i].memory_bytes);
		assert_int_equal(service->cpu_millis, cases[i].cpu_millis);
		assert_int_equal(service->pids, cases[i].pids);
	}
}

static void what_is_not_supported_yet_says_so(void **state)
{
	static const char *const cases[][2] = {
		{"routes = {}", "routes is not supported yet"},
		{"project.wildcard = true", "project.wildcard: true is not supported yet"},
		{"services.a.dev = {}", "services.a.dev is not supported yet"},
		{"services.a.start_on_request = true",
	         "services.a.start_on_request: true is not supported yet"},
		{"services.a.expose = 'lan'", "services.a.expose: \"lan\" is not supported yet"},
		{"services.a.dev.mount = true", "services.a.dev is not supported yet"},
		{"services.a = { type = 'mysql', version = '8', nonsense = 1 }",
	         "services.a.type: \"mysql\" is not supported yet"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
		cleanup_project struct project_config *project = load(cases[i][0], false, &diags);

		assert_non_null(project);
		if (diags.items.len != 1)
			fail_msg("%s: %zu findings", cases[i][0], diags.items.len);
		assert_string_equal(diags.items.items[0].id, "C013");
		assert_string_equal(diags.items.items[0].text, cases[i][1]);
	}
}

static void what_the_rust_version_had_is_a_warning(void **state)
{
	static const char *const cases[][2] = {
		{"[plugins]\nx = 1", "plugins has no effect"},
		{"[worktrees]\nx = 1", "worktrees has no effect"},
		{"[server]\nprivileged_ports = true", "server has no effect"},
		{"[project]\nname = 'x'",
	         "project.name has no effect outside of the project's folder"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
		cleanup_project struct project_config *project = load(cases[i][0], true, &diags);

		assert_null(project->name);
		assert_int_equal(diags.items.len, 1);
		assert_string_equal(diags.items.items[0].id, "W002");
		assert_string_equal(diags.items.items[0].text, cases[i][1]);
	}
}

static void all_errors_are_collected(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = load(
		"x = 1\n[services.a]\nport = 0\ncomand = 1\nwatch = 1\nenv = 1\n", false, &diags);

	assert_int_equal(project->services.len, 1);
	assert_int_equal(diags.items.len, 5);
}

static void outer_files_have_no_services(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project =
		load("env.A = '1'\nproject.workspace = 'w'\nproject.name = 'x'\n[services.a]\n",
	             true, &diags);

	assert_int_equal(diags.items.len, 2);
	assert_string_equal(diags.items.items[0].text,
	                    "project.name has no effect outside of the project's folder");
	assert_string_equal(diags.items.items[1].text, "services belongs in locald.toml");
	assert_int_equal(project->services.len, 0);
	assert_int_equal(project->env.list.len, 1);
}

static void services_are_bounded(void **state)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = NULL;

	for (unsigned i = 0; i <= PROJECT_MAX_SERVICES; i++)
		strbuf_addf(&text, "[services.s%u]\n", i);
	project = load(text.buf, false, &diags);
	assert_int_equal(project->services.len, PROJECT_MAX_SERVICES);
	assert_int_equal(diags.items.len, 1);
	assert_string_equal(diags.items.items[0].id, "C016");
}

/* Parents stand in the table, and no path stands there twice. */
static void the_table_is_sound(void **state)
{
	const struct config_key *key;

	for (size_t i = 0; (key = schema_key_at(i)); i++) {
		cleanup_free char *parent = xstrdup(key->path);
		char *dot = strrchr(parent, '.');

		assert_ptr_equal(schema_find(key->path), key);
		assert_true(strlen(key->summary) > 0);
		assert_true(!key->alias || schema_find(key->alias));
		if (key->type == CFG_ENUM)
			assert_non_null(key->choices);
		if (key->type == CFG_INT || key->type == CFG_DURATION)
			assert_true(key->max > key->min);
		if (!dot)
			continue;
		*dot = '\0';
		assert_true(str_eq(parent, "services.*") || schema_find(parent));
	}
	assert_null(schema_find("services.*.nothing"));
}

static void the_json_schema_follows_the_table(void **state)
{
	cleanup_json json_t *schema = schema_to_json_schema();
	const json_t *services, *port;

	assert_false(json_get_bool(schema, "additionalProperties", true));
	services = json_object_get(json_object_get(schema, "properties"), "services");
	services = json_object_get(json_object_get(services, "additionalProperties"), "properties");
	port = json_object_get(services, "port");
	assert_int_equal(json_get_int(port, "maximum", 0), 65535);
	assert_non_null(json_get_str(port, "description", NULL));
	assert_non_null(json_object_get(services, "health_check"));
	assert_null(json_object_get(services, "dev")); /* not supported yet */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(defaults_are_those_of_the_docs),
		cmocka_unit_test(wrong_values_are_told),
		cmocka_unit_test(limits_are_read),
		cmocka_unit_test(what_is_not_supported_yet_says_so),
		cmocka_unit_test(what_the_rust_version_had_is_a_warning),
		cmocka_unit_test(all_errors_are_collected),
		cmocka_unit_test(outer_files_have_no_services),
		cmocka_unit_test(services_are_bounded),
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(the_json_schema_follows_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
