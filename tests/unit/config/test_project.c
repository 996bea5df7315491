#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/project.h"
#include "folder.h"

static struct project_config *load(const struct folder *folder)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	struct project_config *project = project_load(folder->path, NULL, &diags, &err);

	if (!project)
		fail_msg("%s", err.text);
	return project;
}

static void a_file_makes_a_project(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_project struct project_config *project = NULL;
	cleanup_free char *workdir = path_join(folder.path, "front");
	const struct service_config *web;

	folder_write(&folder, "locald.toml",
	             "[project]\nname = 'shop'\n"
	             "[services.web]\ncommand = 'npm start'\nworkdir = './front'\n"
	             "health_check.path = '/up'\n"
	             "[services.img]\nimage = 'redis'\n"
	             "[services.bld]\nbuild = {}\ncommand = 'x'\nmode = 'host'\n");
	project = load(&folder);
	assert_string_equal(project->root, folder.path);
	assert_string_equal(project->domain, "shop.localhost");
	assert_int_equal(project->services.len, 3);
	web = project->services.items[0];
	assert_string_equal(web->workdir, workdir);
	assert_int_equal(web->mode, MODE_HOST);
	assert_int_equal(web->command_origin, COMMAND_CONFIG);
	assert_int_equal(web->health.type, HEALTH_HTTP);
	assert_int_equal(project_service(project, "img")->mode, MODE_CONTAINER);
	assert_int_equal(project_service(project, "bld")->mode, MODE_HOST);
	assert_string_equal(service_place_of(web, "command")->file->name, "locald.toml");
	assert_null(project_service(project, "gone"));
	assert_string_equal(project_nearest_service(project, "wbe"), "web");
}

static void the_folder_names_the_project(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_free char *root = path_join(folder.path, "My Shop_2");
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = NULL;

	folder_write(&folder, "My Shop_2/locald.toml", "services.a.command = 'x'");
	project = project_load(root, NULL, &diags, &err);
	assert_string_equal(project->name, "my-shop-2");
}

static void a_procfile_is_enough(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_project struct project_config *project = NULL;
	const struct service_config *api;

	folder_write(&folder, "Procfile", "web: ./serve\napi: node a.js -p $PORT\nmail: ./mail\n");
	project = load(&folder);
	assert_int_equal(project->services.len, 3);
	assert_int_equal(project_service(project, "web")->type, SERVICE_EXEC);
	assert_int_equal(project_service(project, "mail")->type, SERVICE_WORKER);
	api = project_service(project, "api");
	assert_int_equal(api->type, SERVICE_EXEC);
	assert_int_equal(api->command_origin, COMMAND_PROCFILE);
	assert_string_equal(api->command.shell, "node a.js -p $PORT");
	assert_int_equal(service_place_of(api, "command")->pos.line, 2);
	assert_int_equal(service_place_of(api, "command")->pos.column, 6);
}

static void a_package_json_is_enough(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_project struct project_config *project = NULL;

	folder_write(&folder, "package.json", "{\"scripts\":{\"dev\":\"vite\",\"start\":\"x\"}}");
	project = load(&folder);
	assert_string_equal(project_service(project, "web")->command.shell, "npm run dev");
	assert_int_equal(project_service(project, "web")->command_origin, COMMAND_PACKAGE_JSON);
}

static void services_take_commands_from_the_procfile(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_project struct project_config *project = NULL;

	folder_write(&folder, "Procfile", "web: from-procfile\napi: no\nother: x\n");
	folder_write(&folder, "locald.toml",
	             "[services.web]\nport = 1\n[services.api]\ncommand = 'own'\n");
	project = load(&folder);
	assert_int_equal(project->services.len, 2);
	assert_string_equal(project_service(project, "web")->command.shell, "from-procfile");
	assert_string_equal(project_service(project, "api")->command.shell, "own");
}

static void later_layers_win_key_by_key(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = NULL;
	cleanup_free char *user = path_join(folder.path, "user.toml");
	cleanup_free char *root = path_join(folder.path, "a/b");
	const struct service_config *web;

	folder_write(&folder, "user.toml", "[env]\nA = 'user'\nB = 'user'\nC = 'user'\nD = 'user'");
	folder_write(&folder, ".locald.toml", "[env]\nB = 'outer'\nC = 'outer'\nD = 'outer'");
	folder_write(&folder, "a/.locald.toml", "[env]\nC = 'inner'\nD = 'inner'");
	folder_write(
		&folder, "a/b/locald.toml",
		"[env]\nD = 'own'\n[services.web]\ncommand = 'x'\nport = 1\n"
		"env = { E = '1', F = '1' }\ndepends_on = ['db']\n[services.db]\ncommand = 'x'");
	folder_write(&folder, "a/b/locald.local.toml",
	             "[services.web]\nport = 2\nenv = { F = '2' }\ndepends_on = []\n");
	project = project_load(root, user, &diags, &err);
	assert_non_null(project);
	assert_int_equal(project->env.list.len, 4);
	assert_string_equal(project->env.list.items[0].value, "user");
	assert_string_equal(project->env.list.items[1].value, "outer");
	assert_string_equal(project->env.list.items[2].value, "inner");
	assert_string_equal(project->env.list.items[3].value, "own");
	web = project_service(project, "web");
	assert_int_equal(web->port, 2);
	assert_string_equal(service_place_of(web, "port")->file->name, "locald.local.toml");
	assert_string_equal(service_place_of(web, "command")->file->name, "locald.toml");
	assert_string_equal(web->env.list.items[0].value, "1");
	assert_string_equal(web->env.list.items[1].value, "2");
	assert_int_equal(web->depends_on.list.len, 0);
	assert_true(service_place_of(web, "port")->file->path[0] == '/');
}

/* The findings of a locald.toml, rendered without their source. */
static void findings_of(const char *text, struct strbuf *out)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;

	folder_write(&folder, "locald.toml", text);
	assert_null(project_load(folder.path, NULL, &diags, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	array_foreach(diag, &diags.items) {
		const struct diag_place *place = diag->places.items;

		strbuf_addf(out, "%s %d:%d %s", diag->id, place->pos.line, place->pos.column,
		            diag->text);
		if (diag->help)
			strbuf_addf(out, " (%s)", diag->help);
		strbuf_addch(out, '\n');
	}
}

static void what_one_key_does_not_tell_is_checked(void **state)
{
	static const char *const cases[][2] = {
		{"", "C023 0:0 no services (a service is written as [services.web] with "
	             "`command = \"…\"`)\n"},
		{"a = [", "C002 1:6 expected a value, got the end of the file\n"},
		{"[services.a]\nport = 1",
	         "C021 1:11 services.a: no command (add `command = \"…\"`, or `a: …` to a "
	         "Procfile)\n"},
		{"[services.a]\nimage = 'i'\nmode = 'host'",
	         "C021 3:8 services.a: no command (add `command = \"…\"`, or `a: …` to a "
	         "Procfile)\n"},
		{"[services.a]\ncommand = 'x'\nmode = 'container'",
	         "C022 3:8 services.a: container mode needs build or image (add `build = {}` or "
	         "`image = \"…\"`)\n"},
		{"[services.a]\ntype = 'container'",
	         "C022 2:8 services.a: container mode needs build or image (add `build = {}` or "
	         "`image = \"…\"`)\n"},
		{"[services.a]\nimage = 'i'\nbuild = {}",
	         "C024 2:9 services.a: build and image exclude each other\n"},
		{"[services.a]\ncommand = 'x'\nuser = '1'",
	         "C024 3:8 services.a: user needs build or image\n"},
		{"[services.a]\ntype = 'worker'\ncommand = 'x'\nport = 1",
	         "C024 4:8 services.a: a worker has no port\n"},
		{"[services.a]\ntype = 'worker'\ncommand = 'x'\nhealth_check = { type = 'tcp' }",
	         "C024 4:16 services.a: a worker has no port to check; use a command\n"},
		{"[services.a]\ncommand = 'x'\nhealth_check.type = 'command'",
	         "C021 3:1 services.a.health_check: type \"command\" needs a command\n"},
		{"[services.a]\ncommand = 'x'\nhealth_check = { type = 'tcp', path = '/' }",
	         "C024 3:39 services.a.health_check: path needs type \"http\"\n"},
		{"[services.a]\ncommand = 'x'\nhealth_check = { path = 'up' }",
	         "C011 3:25 services.a.health_check.path: must begin with /\n"},
		{"[services.web]\ncommand = 'x'\ndepends_on = ['wbe']",
	         "C030 3:15 services.web.depends_on: no service `wbe` (did you mean `web`?)\n"},
		{"[services.a]\ncommand = 'x'\ndepends_on = { b = 'completed' }\n[services.b]\n"
	         "command = 'x'",
	         "C032 3:16 services.a.depends_on: `b` never completes (set `oneshot = true` in "
	         "[services.b])\n"},
		{"[services.db]\ncommand = 'x'\nenv = { A = \"x${services.bd.url}\" }",
	         "C033 3:15 services.db.env.A: no service `bd` (did you mean `db`?)\n"},
		{"[env]\nA = \"\\u0041${services.bd.url}\"\n[services.db]\ncommand = 'x'",
	         "C033 2:5 env.A: no service `bd` (did you mean `db`?)\n"},
		{"[env]\nA = 'x ${B'\n[services.db]\ncommand = 'x'",
	         "C034 2:8 env.A: ${ without a closing }\n"},
		{"[services.w]\ntype = 'worker'\ncommand = 'x'\n[services.a]\ncommand = 'x'\n"
	         "build = { env = { A = '${services.w.port}' } }\nmode = 'host'",
	         "C033 6:24 services.a.build.env.A: `w` is a worker, it has no port\n"},
		{"[services.a]\ncomand = 'x'",
	         "C012 2:1 unknown key `comand` in [services.a] (did you mean `command`?)\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

		findings_of(cases[i][0], &out);
		assert_string_equal(out.buf, cases[i][1]);
	}
}

static void cycles_are_shown_whole(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	folder_write(&folder, "locald.toml",
	             "[services.entry]\ncommand = 'x'\ndepends_on = ['web']\n"
	             "[services.web]\ncommand = 'x'\ndepends_on = ['api']\n"
	             "[services.api]\ncommand = 'x'\ndepends_on = { worker = 'started' }\n"
	             "[services.worker]\ncommand = 'x'\ndepends_on = ['web', 'worker']\n");
	assert_null(project_load(folder.path, NULL, &diags, &err));
	diag_render_all(&diags, false, &out);
	assert_string_equal(out.buf, "error[C031]: dependency cycle: web → api → worker → web\n"
	                             "  --> locald.toml:6:15  web.depends_on · locald.toml:9:16  "
	                             "api.depends_on · locald.toml:12:15  worker.depends_on\n"
	                             "\n"
	                             "error[C031]: dependency cycle: worker → worker\n"
	                             "  --> locald.toml:12:22  worker.depends_on\n"
	                             "   |\n"
	                             "12 | depends_on = ['web', 'worker']\n"
	                             "   |                      ^^^^^^^^\n");
}

static void start_order_has_dependencies_first(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_project struct project_config *project = NULL;
	size_t order[4];

	folder_write(&folder, "locald.toml",
	             "[services.a]\ncommand = 'x'\ndepends_on = ['c', 'b']\n"
	             "[services.b]\ncommand = 'x'\ndepends_on = ['d']\n"
	             "[services.c]\ncommand = 'x'\ndepends_on = ['d']\n"
	             "[services.d]\ncommand = 'x'\n");
	project = load(&folder);
	project_start_order(project, order);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 1);
	assert_int_equal(order[3], 0);
}

static void equal_json_means_nothing_to_do(void **state)
{
	static const char *const texts[] = {
		"[services.a]\ncommand = 'x'\nport = 1",
		"# moved\n[services.a]\nport = 1\ncommand = \"x\"\n",
		"[services.a]\ncommand = 'x'\nport = 2",
		"[services.a]\ncommand = ['x']\nport = 1",
		"[services.a]\ncommand = 'x'\nport = 1\nenv_file = []",
	};
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_json json_t *first = NULL;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup_project struct project_config *project = NULL;
		cleanup_json json_t *json = NULL;

		folder_write(&folder, "locald.toml", texts[i]);
		project = load(&folder);
		json = service_to_json(project_service(project, "a"));
		if (!first)
			first = json_incref(json);
		assert_int_equal(json_equal(first, json), i < 2);
	}
}

static void assert_root(const struct folder *folder, const char *start, const char *expected)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *from = path_join(folder->path, start);
	cleanup_free char *want = expected ? path_join(folder->path, expected) : NULL;
	cleanup_free char *got = project_find_root(from, &err);

	if (!str_eq_null(got, want))
		fail_msg("%s: got %s", start, got ? got : err.text);
	if (!want)
		assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void the_root_is_found_from_below(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;

	folder_write(&folder, "shop/locald.toml", "");
	folder_write(&folder, "shop/front/package.json", "{\"scripts\":{\"dev\":\"x\"}}");
	folder_write(&folder, "shop/front/src/x", "");
	folder_write(&folder, "proc/Procfile", "");
	folder_write(&folder, "proc/a/package.json", "{\"name\":\"library\"}");
	folder_write(&folder, "node/package.json", "{\"scripts\":{\"start\":\"x\"}}");
	folder_write(&folder, "broken/package.json", "{");
	folder_write(&folder, "none/x", "");
	assert_root(&folder, "shop", "shop");
	assert_root(&folder, "shop/front/src", "shop");
	assert_root(&folder, "proc/a", "proc");
	assert_root(&folder, "node", "node");
	assert_root(&folder, "broken", "broken");
	assert_root(&folder, "none", NULL);
	assert_null(project_find_root("/nonexistent/x", &err));
}

static void broken_files_are_findings(void **state)
{
	static const struct {
		const char *name, *text, *id;
	} cases[] = {
		{"package.json", "{", "C043"},       {"package.json", "{\"scripts\":{}}", "C023"},
		{"Procfile", "web\n", "C042"},       {"Procfile", "a: x\nA: x\n", "C025"},
		{"locald.toml", "a = \xff", "C002"}, {"locald.local.toml", "a", "C002"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(folder_release) struct folder folder = folder_new();
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;

		folder_write(&folder, cases[i].name, cases[i].text);
		assert_null(project_load(folder.path, NULL, &diags, &err));
		assert_int_equal(diags.items.len, 1);
		assert_string_equal(diags.items.items[0].id, cases[i].id);
		assert_string_equal(diags.items.items[0].places.items[0].file, cases[i].name);
	}
}

static void check_a_stranger_s_outer_file(void)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup_free char *root = path_join(folder.path, "a");
	cleanup_free char *outer = path_join(folder.path, ".locald.toml");
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = NULL;

	folder_write(&folder, "a/locald.toml", "services.a.command = 'x'");
	folder_write(&folder, ".locald.toml", "env.LD_PRELOAD = '/tmp/evil.so'");
	assert_int_equal(chown(outer, 65534, 65534), 0);
	project = project_load(root, NULL, &diags, &err);
	assert_non_null(project);
	assert_int_equal(project->env.list.len, 0);
	assert_int_equal(diags.items.len, 1);
	assert_string_equal(diags.items.items[0].id, "W001");
}

/* skip() leaves by longjmp, so nothing may be held where it is called. */
static void a_stranger_s_outer_file_is_ignored(void **state)
{
	if (geteuid() != 0)
		skip(); /* only root can give a file away */
	check_a_stranger_s_outer_file();
}

static void names_have_a_label(void **state)
{
	static const char *const bad[] = {"", "-a", "_", "-", "__-", "a.b", "a/b", "a b", "\u00e9"};
	static const char *const good[] = {"a", "A", "a_b", "_a", "a-", "My_App-2", "0"};
	char name[65];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(config_is_name(bad[i]));
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup_free char *label = config_make_label(good[i]);

		assert_true(config_is_name(good[i]));
		assert_true(config_is_label(label));
	}
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	assert_false(config_is_name(name));
	name[63] = '\0';
	assert_true(config_is_name(name));
}

/* Loads a project of one locald.toml; the caller releases both. */
static struct project_config *load_toml(const char *text, struct diagnostics *diags)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;

	folder_write(&folder, "locald.toml", text);
	return project_load(folder.path, NULL, diags, &err);
}

static void a_container_port_is_the_port_on_the_hosts_network(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = load_toml(
		"[services.Redis_1]\ntype = 'container'\nimage = 'redis:7'\ncontainer_port = 6379\n"
		"workdir = '/data'\n[services.shared]\nimage = 'redis:7'\ncontainer_port = 6380\n"
		"network = 'host'\n",
		&diags);

	assert_int_equal(diags.items.len, 0);
	assert_int_equal(project_service(project, "Redis_1")->network, NETWORK_PRIVATE);
	assert_int_equal(project_service(project, "Redis_1")->container_port, 6379);
	assert_int_equal(project_service(project, "Redis_1")->port, 0);
	assert_string_equal(project_service(project, "Redis_1")->workdir, "/data");
	assert_int_equal(project_service(project, "shared")->port, 6380);
}

static void findings_about_containers(void **state)
{
	static const struct {
		const char *text, *id;
	} cases[] = {
		{"image = 'x'\nnetwork = 'host'\nport = 80\ncontainer_port = 81", "C024"},
		{"image = 'x'\nnetwork = 'none'\nport = 80", "C024"},
		{"image = 'x'\nnetwork = 'none'\ncontainer_port = 80", "C024"},
		{"command = 'x'\nnetwork = 'private'", "C024"},
		{"command = 'x'\ncontainer_port = 81", "W002"},
		{"image = 'x'\nworkdir = 'a'", "C011"},
		{"command = 'x'\nbuild = 'make'", "C024"},
		{"command = 'x'\npath = '.'", "C024"},
		{"type = 'site'", "C021"},
		{"type = 'site'\npath = '.'\ncommand = 'x'", "C024"},
		{"type = 'site'\npath = '.'\nbuild = {}", "C024"},
		{"command = 'x'\n[services.A]\ncommand = 'y'", "C025"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
		cleanup_free char *text = xasprintf("[services.a]\n%s\n", cases[i].text);
		cleanup_project struct project_config *project = load_toml(text, &diags);

		assert_int_equal(diags.items.len, 1);
		assert_string_equal(diags.items.items[0].id, cases[i].id);
		assert_int_equal(project != NULL, cases[i].id[0] == 'W');
	}
}

static void the_build_of_a_site_is_a_service_before_it(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *project = load_toml(
		"[services.db]\ncommand = 'x'\n[services.docs]\ntype = 'site'\npath = 'out'\n"
		"build = 'make'\ndepends_on = ['db']\nenv = { A = '1' }\n",
		&diags);
	const struct service_config *docs, *build;

	assert_non_null(project);
	docs = project_service(project, "docs");
	build = project_service(project, "docs-build");
	assert_true(build->oneshot);
	assert_string_equal(build->command.shell, "make");
	assert_string_equal(build->env.list.items[0].value, "1");
	assert_string_equal(build->depends_on.list.items[0].service, "db");
	assert_string_equal(docs->depends_on.list.items[1].service, "docs-build");
	assert_int_equal(docs->depends_on.list.items[1].until, DEPENDENCY_COMPLETED);
	assert_string_equal(path_base(docs->path), "out");
}

static void a_locald_toml_without_services_leaves_them_to_the_procfile(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_project struct project_config *project = NULL;

	folder_write(&folder, "locald.toml", "[project]\nname = 'My_Shop'\n");
	folder_write(&folder, "Procfile", "web: run\nclock_1: tick\n");
	project = project_load(folder.path, NULL, &diags, &err);
	assert_non_null(project);
	assert_string_equal(project->name, "My_Shop");
	assert_string_equal(project->domain, "my-shop.localhost");
	assert_int_equal(project->services.len, 2);
	assert_int_equal(project_service(project, "clock_1")->type, SERVICE_WORKER);
}

static void labels_are_dns_labels(void **state)
{
	static const char *const bad[] = {"", "-a", "a-", "A", "a_b", "a.b", "\u00e9"};
	static const char long_name[] = "a12345678901234567890123456789012345678901234567890123456"
					"7890123";
	static const char *const made[][2] = {
		{"My App", "my-app"}, {"__x__", "x"}, {"a--b", "a-b"}, {"\u00e9t\u00e9", "t"}};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(config_is_label(bad[i]));
	assert_int_equal(strlen(long_name), 64);
	assert_false(config_is_label(long_name));
	assert_true(config_is_label(long_name + 1));
	assert_true(config_is_label("a"));
	assert_true(config_is_label("0-9"));
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		cleanup_free char *name = config_make_label(made[i][0]);

		assert_string_equal(name, made[i][1]);
	}
	assert_null(config_make_label("_"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_makes_a_project),
		cmocka_unit_test(the_folder_names_the_project),
		cmocka_unit_test(a_procfile_is_enough),
		cmocka_unit_test(a_package_json_is_enough),
		cmocka_unit_test(services_take_commands_from_the_procfile),
		cmocka_unit_test(later_layers_win_key_by_key),
		cmocka_unit_test(what_one_key_does_not_tell_is_checked),
		cmocka_unit_test(cycles_are_shown_whole),
		cmocka_unit_test(start_order_has_dependencies_first),
		cmocka_unit_test(equal_json_means_nothing_to_do),
		cmocka_unit_test(the_root_is_found_from_below),
		cmocka_unit_test(broken_files_are_findings),
		cmocka_unit_test(a_stranger_s_outer_file_is_ignored),
		cmocka_unit_test(names_have_a_label),
		cmocka_unit_test(labels_are_dns_labels),
		cmocka_unit_test(a_container_port_is_the_port_on_the_hosts_network),
		cmocka_unit_test(findings_about_containers),
		cmocka_unit_test(the_build_of_a_site_is_a_service_before_it),
		cmocka_unit_test(a_locald_toml_without_services_leaves_them_to_the_procfile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
