#include "base/fs.h"
#include "cli/command.c"
#include "cli/explain.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Runs a command line in a folder of its own; what it wrote is in `out` and `errors`. */
static char dir[] = "/tmp/test_command.XXXXXX";
static struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;

static int redirect(int fd, const char *path)
{
	int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	dup2(file, fd);
	close(file);
	return saved;
}

static void restore(int fd, int saved, struct strbuf *text)
{
	char buf[65536];
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	strbuf_reset(text);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(text, buf, (size_t)n);
	dup2(saved, fd);
	close(saved);
}

static int run_line(const char *first, ...)
{
	char *argv[16] = {(char *)"locald", (char *)first};
	int argc = first ? 2 : 1, code, saved_out, saved_err;
	va_list list;

	va_start(list, first);
	while (first && (argv[argc] = va_arg(list, char *)))
		argc++;
	va_end(list);
	saved_out = redirect(STDOUT_FILENO, "out");
	saved_err = redirect(STDERR_FILENO, "err");
	code = command_main(argc, argv);
	restore(STDOUT_FILENO, saved_out, &out);
	restore(STDERR_FILENO, saved_err, &errors);
	return code;
}

static void write_config(const char *text)
{
	FILE *file = fopen("locald.toml", "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const char good[] = "[project]\nname = \"shop\"\n[services.web]\ncommand = \"x\"\n"
			   "[services.worker]\ntype = \"worker\"\ncommand = \"y\"\n";

static int set_up(void **state unused_arg)
{
	write_config(good);
	return 0;
}

#define LINE(...) run_line(__VA_ARGS__, NULL)

static void test_unknown(void **state unused_arg)
{
	assert_int_equal(LINE("statsu"), 2);
	assert_string_equal(errors.buf, "error[E400]: unknown command `statsu`\n"
	                                "help: did you mean `locald status`?\n");
	assert_int_equal(out.len, 0);
	assert_int_equal(LINE("image", "pul"), 2);
	assert_non_null(strstr(errors.buf, "did you mean `locald image pull`?"));
	assert_int_equal(LINE("status", "--al"), 2);
	assert_non_null(strstr(errors.buf, "did you mean `--all`?"));
	assert_int_equal(LINE("\033[31m"), 2);
	assert_null(strchr(errors.buf, '\033'));
}

static void test_counts(void **state unused_arg)
{
	assert_int_equal(LINE("image", "import", "x"), 2);
	assert_non_null(strstr(errors.buf, "`locald image import` needs TAR NAME"));
	assert_int_equal(LINE("status", "web"), 2);
	assert_non_null(strstr(errors.buf, "takes no arguments"));
	assert_int_equal(LINE("image"), 2);
	assert_int_equal(LINE("--sandbox", "UP", "status"), 2);
	assert_non_null(strstr(errors.buf, "sandbox name"));
}

/* Every command, as a path of names. */
static void each_help(const struct command *const *list, const char *parent)
{
	for (; *list; list++) {
		cleanup_free char *path =
			xasprintf("%s%s%s", parent, *parent ? " " : "", (*list)->name);
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
		const struct style style = {.unicode = true};

		help_render(*list, path, &style, &text);
		assert_non_null(strstr(text.buf, path));
		assert_non_null((*list)->summary);
		assert_true((*list)->run || (*list)->commands);
		assert_true((*list)->min_args == 0 || (*list)->usage);
		assert_true((*list)->max_args == -1 || (*list)->max_args >= (*list)->min_args);
		if ((*list)->commands)
			each_help((*list)->commands, path);
	}
}

static void test_help(void **state unused_arg)
{
	each_help(commands, "");
	assert_int_equal(LINE("up", "--help"), 0);
	assert_non_null(strstr(out.buf, "--container SERVICE"));
	assert_non_null(strstr(out.buf, "locald up [OPTIONS] [SERVICE…]"));
	assert_int_equal(errors.len, 0);
	assert_int_equal(LINE("help", "image", "pull"), 0);
	assert_non_null(strstr(out.buf, "locald image pull"));
	assert_int_equal(LINE("help", "nonsense"), 2);
	assert_int_equal(LINE("--help"), 0);
	assert_non_null(strstr(out.buf, "  logs "));
	assert_null(strstr(out.buf, "__surface"));
}

static void test_tables_sorted(void **state unused_arg)
{
	for (size_t c = 0; commands[c]; c++)
		for (const struct option *o = commands[c]->options; o && o->type && o[1].type; o++)
			assert_true(strcmp(o[0].name, o[1].name) < 0);
}

/* -C and -v of `logs` are grep's, as everybody knows them; before the command they are ours. */
static bool is_of_grep(const struct command *command, char letter)
{
	return str_eq(command->name, "logs") && (letter == 'C' || letter == 'v');
}

/* Letters and names of a command never hide those of all commands. */
static void test_options_distinct(void **state unused_arg)
{
	for (size_t c = 0; commands[c]; c++)
		for (const struct option *o = commands[c]->options; o && o->type; o++)
			for (const struct option *g = global_options; g->type; g++) {
				assert_string_not_equal(o->name, g->name);
				assert_true(!o->letter || o->letter != g->letter ||
				            is_of_grep(commands[c], o->letter));
			}
}

static void test_version(void **state unused_arg)
{
	assert_int_equal(LINE("version"), 0);
	assert_string_equal(out.buf, "locald " LOCALD_VERSION "\n");
	assert_int_equal(LINE("--version"), 0);
	assert_string_equal(out.buf, "locald " LOCALD_VERSION "\n");
	assert_int_equal(LINE("version", "--json"), 0);
	assert_string_equal(out.buf, "{\"schema\":1,\"version\":\"" LOCALD_VERSION "\"}\n");
}

static void test_surface(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *surface = NULL;
	size_t visible = 0;

	for (size_t i = 0; commands[i]; i++)
		visible += !commands[i]->is_hidden;
	assert_int_equal(LINE("__surface"), 0);
	surface = json_parse(out.buf, out.len, &err);
	assert_int_equal(json_array_size(json_object_get(surface, "commands")), visible);
	assert_true(json_array_size(json_object_get(surface, "options")) >= 7);
}

static void test_completion(void **state unused_arg)
{
	assert_int_equal(LINE("__complete", "--", "st"), 0);
	assert_non_null(strstr(out.buf, "status\t"));
	assert_non_null(strstr(out.buf, "stop\t"));
	assert_null(strstr(out.buf, "up\t"));
	assert_int_equal(LINE("__complete", "--", "stop", "w"), 0);
	assert_string_equal(out.buf, "web\thost\nworker\thost\n");
	assert_int_equal(LINE("__complete", "--", "up", "--host", "wo"), 0);
	assert_string_equal(out.buf, "worker\thost\n");
	assert_int_equal(LINE("__complete", "--", "--color", "al"), 0);
	assert_string_equal(out.buf, "always\t\n");
	assert_int_equal(LINE("__complete", "--", "-C", ""), 0);
	assert_string_equal(out.buf, ":dirs\n");
	assert_int_equal(LINE("__complete", "--", "image", "p"), 0);
	assert_non_null(strstr(out.buf, "pull\t"));
	assert_int_equal(LINE("__complete", "--", "logs", "--fol"), 0);
	assert_non_null(strstr(out.buf, "--follow\t"));
	assert_int_equal(LINE("completion", "bash"), 0);
	assert_non_null(strstr(out.buf, "__complete"));
	assert_int_equal(LINE("completion", "csh"), 2);
}

static void test_explain(void **state unused_arg)
{
	for (size_t n = 0; diag_id_at(n); n++)
		if (!explain_text(diag_id_at(n)))
			fail_msg("no page for %s", diag_id_at(n));
	for (int code = 1; code < ERR_INTERRUPTED; code++)
		if (!explain_title(error_code_id(code)) || !explain_text(error_code_id(code)))
			fail_msg("no page for %s", error_code_id(code));
	assert_int_equal(LINE("explain", "c012"), 0);
	assert_int_equal(strncmp(out.buf, "C012: unknown key\n", 18), 0);
	assert_int_equal(LINE("explain", "C999"), 2);
	assert_int_equal(LINE("explain"), 0);
	assert_non_null(strstr(out.buf, "C031"));
}

static void test_config(void **state unused_arg)
{
	assert_int_equal(LINE("config", "check"), 0);
	assert_string_equal(out.buf, "✔ shop: 2 services, no problems\n");
	assert_int_equal(LINE("config", "show", "-p"), 0);
	assert_non_null(strstr(out.buf, "services.web.command = "));
	assert_non_null(strstr(out.buf, "# locald.toml:4"));
	write_config("[services.web]\ncomand = \"x\"\n");
	assert_int_equal(LINE("config", "check"), 2);
	assert_non_null(strstr(errors.buf, "error[C012]"));
	assert_non_null(strstr(errors.buf, "locald.toml:2:1"));
	assert_int_equal(LINE("config", "check", "--json"), 2);
	assert_non_null(strstr(out.buf, "\"id\":\"C012\""));
}

static void test_status_without_daemon(void **state unused_arg)
{
	assert_int_equal(LINE("status"), 0);
	assert_non_null(strstr(out.buf, "daemon not running"));
	assert_non_null(strstr(out.buf, "  web      stopped\n"));
	assert_int_equal(LINE("status", "--check"), 1);
	assert_int_equal(LINE("status", "--json"), 0);
	assert_non_null(strstr(out.buf, "\"daemon\":null"));
	assert_int_equal(LINE("stop"), 0);
	assert_string_equal(out.buf, "✔ nothing was running\n");
	assert_int_equal(LINE("server", "status"), 3);
	assert_int_equal(LINE("server", "shutdown"), 0);
	assert_int_equal(run_line(NULL), 0);
	assert_non_null(strstr(out.buf, "locald up "));
}

static void test_no_project(void **state unused_arg)
{
	assert_int_equal(unlink("locald.toml"), 0);
	assert_int_equal(LINE("-C", "/", "status"), 4);
	assert_int_equal(LINE("-C", "/", "stop", "--json"), 4);
	assert_non_null(strstr(out.buf, "{\"event\":\"result\",\"ok\":false,\"error\":{"));
	assert_non_null(strstr(out.buf, "\"not_found\""));
	assert_int_equal(LINE("-C", "/nonexistent", "status"), 1);
	assert_int_equal(LINE("-C", "/"), 0);
	assert_non_null(strstr(out.buf, "no project here"));
}

static void remove_dir(void)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (fs_remove_tree(AT_FDCWD, dir, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_unknown, set_up),
		cmocka_unit_test_setup(test_counts, set_up),
		cmocka_unit_test_setup(test_help, set_up),
		cmocka_unit_test_setup(test_tables_sorted, set_up),
		cmocka_unit_test_setup(test_options_distinct, set_up),
		cmocka_unit_test_setup(test_version, set_up),
		cmocka_unit_test_setup(test_surface, set_up),
		cmocka_unit_test_setup(test_completion, set_up),
		cmocka_unit_test_setup(test_explain, set_up),
		cmocka_unit_test_setup(test_config, set_up),
		cmocka_unit_test_setup(test_status_without_daemon, set_up),
		cmocka_unit_test_setup(test_no_project, set_up),
	};
	int failed;

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	setenv("HOME", dir, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("CLICOLOR_FORCE");
	setenv("LOCALD_SANDBOX", "unit", 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_dir();
	strbuf_release(&out);
	strbuf_release(&errors);
	return failed;
}
