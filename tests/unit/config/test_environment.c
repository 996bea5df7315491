#include "base/error.h"
#include "base/str.h"
#include "config/environment.h"
#include "folder.h"

static char *url_of(const char *service, void *data)
{
	return xasprintf("http://%s.url", service);
}

static char *host_of(const char *service, void *data)
{
	return xstrdup("127.0.0.1");
}

static int port_of(const char *service, void *data)
{
	return str_eq(service, "db") ? 5432 : 0;
}

static const struct strv *injected_of(const char *service, void *data)
{
	return str_eq(service, "web") ? data : NULL;
}

struct world {
	struct folder folder;
	struct project_config *project;
	struct strv shell, injected, env;
	struct diagnostics diags;
	struct error err;
};

static struct world world_new(const char *toml)
{
	struct world w = {.folder = folder_new()};

	folder_write(&w.folder, "locald.toml", toml);
	w.project = project_load(w.folder.path, NULL, &w.diags, &w.err);
	if (!w.project)
		fail_msg("%s", w.err.text);
	strv_add(&w.shell, "HOME=/me");
	strv_add(&w.shell, "PATH=/bin");
	strv_add(&w.injected, "PORT=4000");
	return w;
}

static void world_release(struct world *w)
{
	folder_release(&w->folder);
	project_free(w->project);
	strv_release(&w->shell);
	strv_release(&w->injected);
	strv_release(&w->env);
	diagnostics_release(&w->diags);
	error_release(&w->err);
}

static int make(struct world *w, const char *service, bool with_shell)
{
	const struct environment_source source = {
		.shell = &w->shell,
		.injected = injected_of,
		.url = url_of,
		.host = host_of,
		.port = port_of,
		.data = &w->injected,
	};

	strv_release(&w->env);
	return environment_make(w->project, project_service(w->project, service), &source,
	                        with_shell, &w->env, &w->diags, &w->err);
}

static void assert_var(const struct world *w, const char *name, const char *value)
{
	const char *got = strv_env_get(&w->env, name);

	if (!str_eq_null(got, value))
		fail_msg("%s: %s", name, got ? got : "not set");
}

static void layers_are_in_order(void **state)
{
	cleanup(world_release) struct world w =
		world_new("[env]\nA = 'project'\nB = 'project'\nHOME = '${HOME}/p'\n"
	                  "[services.web]\ncommand = 'x'\n"
	                  "env = { A = 'service', HOME = '${HOME}/s', PORT = '1' }\n"
	                  "[services.db]\ncommand = 'x'\n");

	folder_write(&w.folder, ".env", "A=file\nB=file\nC=${HOME}/file\nHOME=/filehome");
	assert_int_equal(make(&w, "web", true), 0);
	assert_var(&w, "A", "service");
	assert_var(&w, "B", "project");
	assert_var(&w, "C", "/me/file");
	assert_var(&w, "HOME", "/filehome/p/s"); /* each in its turn */
	assert_var(&w, "PATH", "/bin");
	assert_var(&w, "PORT", "4000");
	assert_int_equal(make(&w, "db", false), 0);
	assert_var(&w, "A", "project");
	assert_var(&w, "HOME", "/filehome/p");
	assert_var(&w, "PATH", NULL);
}

static void references_reach_other_services(void **state)
{
	cleanup(world_release) struct world w =
		world_new("[env]\nDB = '${services.db.env.URL}'\n"
	                  "[services.web]\ncommand = 'x'\n"
	                  "env = { U = '${services.db.url}', P = '${services.db.port}',"
	                  " N = '${project.name:+yes}', H = '${env.HOME}', NAME = 'web',"
	                  " LATE = '${EARLY}', EARLY = 'e', DEF = '${services.web.port:-none}' }\n"
	                  "[services.db]\ncommand = 'x'\n"
	                  "env = { URL = '${NAME}@${services.db.host}', NAME = 'db' }\n");

	assert_int_equal(make(&w, "web", true), 0);
	assert_var(&w, "U", "http://db.url");
	assert_var(&w, "P", "5432");
	assert_var(&w, "N", "yes");
	assert_var(&w, "H", "/me");
	assert_var(&w, "LATE", "e");
	assert_var(&w, "DEF", "none");
	assert_var(&w, "DB", "db@127.0.0.1"); /* NAME is db's own */
}

static void what_is_wrong_has_its_place(void **state)
{
	static const char *const cases[][2] = {
		{"env = { A = '${NOPE}' }", "locald.toml:3:13: services.web: A: NOPE is not set"},
		{"env = { A = '${B}', B = '${A}' }",
	         "locald.toml:3:13: services.web: A: reference cycle: B → A → B (and 1 more)"},
		{"env = { A = '${services.db.env.X}' }",
	         "locald.toml:3:13: services.web: A: reference cycle: services.db.env.X → "
	         "services.web.env.A → services.db.env.X"},
		{"env = { A = '${services.web.port}' }",
	         "locald.toml:3:13: services.web: A: services.web.port: the service has no port"},
		{"env = { A = '${env.NOPE}' }",
	         "locald.toml:3:13: services.web: A: NOPE is not set in the environment of the "
	         "shell"},
		{"env_file = ['gone.env']",
	         "locald.toml:3:12: services.web.env_file: there is no gone.env"},
		{"env_file = ['bad.env']", "bad.env:2:1: expected NAME=value"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *toml =
			xasprintf("[services.web]\ncommand = 'x'\n%s\n[services.db]\n"
		                  "command = 'x'\nenv.X = '${services.web.env.A}'\n",
		                  cases[i][0]);
		cleanup(world_release) struct world w = world_new(toml);

		folder_write(&w.folder, "bad.env", "A=1\n=");
		assert_int_equal(make(&w, "web", true), -1);
		assert_string_equal(w.err.text, cases[i][1]);
		assert_int_equal(w.env.len, 0);
	}
}

static void env_files_are_those_that_were_given(void **state)
{
	cleanup(world_release) struct world w = world_new("[services.web]\ncommand = 'x'\n"
	                                                  "env_file = ['a.env', 'sub/b.env']\n"
	                                                  "[services.none]\ncommand = 'x'\n"
	                                                  "env_file = []\n"
	                                                  "[services.def]\ncommand = 'x'\n");

	folder_write(&w.folder, ".env", "D=1");
	folder_write(&w.folder, "a.env", "A=1\nB=1");
	folder_write(&w.folder, "sub/b.env", "B=2");
	assert_int_equal(make(&w, "web", false), 0);
	assert_var(&w, "A", "1");
	assert_var(&w, "B", "2");
	assert_var(&w, "D", NULL);
	assert_int_equal(make(&w, "none", false), 0);
	assert_int_equal(w.env.len, 0);
	assert_int_equal(make(&w, "def", false), 0);
	assert_var(&w, "D", "1");
}

static void a_folder_called_env_is_no_env_file(void **state)
{
	cleanup(world_release) struct world w = world_new("[services.web]\ncommand = 'x'\n");

	folder_write(&w.folder, ".env/bin/python", "");
	assert_int_equal(make(&w, "web", false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_are_in_order),
		cmocka_unit_test(references_reach_other_services),
		cmocka_unit_test(what_is_wrong_has_its_place),
		cmocka_unit_test(env_files_are_those_that_were_given),
		cmocka_unit_test(a_folder_called_env_is_no_env_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
