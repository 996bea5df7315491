#include "cli/service_add.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "config/project.h"
#include "config/toml_write.h"

#include <errno.h>
#include <sys/stat.h>

#define FILE_NAME "locald.toml"

/* --- the command --- */

static bool is_safe_word(const char *word)
{
	return *word && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                             "0123456789@%+=:,./_-") == strlen(word);
}

/* For sh: variables are expanded, nothing else is. */
static void add_word(struct strbuf *out, const char *word)
{
	bool has_variable = strchr(word, '$');

	if (is_safe_word(word)) {
		strbuf_adds(out, word);
		return;
	}
	strbuf_addch(out, has_variable ? '"' : '\'');
	for (; *word; word++) {
		if (!has_variable && *word == '\'')
			strbuf_adds(out, "'\\'");
		else if (has_variable && strchr("\"\\`", *word))
			strbuf_addch(out, '\\');
		strbuf_addch(out, *word);
	}
	strbuf_addch(out, has_variable ? '"' : '\'');
}

void service_add_command(struct strbuf *out, const struct strv *argv)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	bool is_safe = true, has_variable = false;

	for (size_t i = 0; i < argv->len; i++) {
		is_safe = is_safe && is_safe_word(argv->items[i]);
		has_variable = has_variable || strchr(argv->items[i], '$');
	}
	if (argv->len == 1) {
		toml_put_str(out, "command", argv->items[0]);
		return;
	}
	if (!is_safe && !has_variable) {
		toml_put_strv(out, "command", argv);
		return;
	}
	for (size_t i = 0; i < argv->len; i++) {
		strbuf_adds(&text, i > 0 ? " " : "");
		add_word(&text, argv->items[i]);
	}
	toml_put_str(out, "command", text.buf);
}

void service_add_argv(struct strbuf *out, const struct strv *argv)
{
	bool is_plain = argv->len > 1 || is_safe_word(argv->items[0]);

	for (size_t i = 0; i < argv->len; i++)
		is_plain = is_plain && !strchr(argv->items[i], '$');
	if (is_plain)
		toml_put_strv(out, "command", argv);
	else
		service_add_command(out, argv);
}

/* --- the file --- */

char *service_add_root(const char *dir, struct error *err)
{
	char *root = project_find_root(dir, err);

	if (root || err->code != ERR_NOT_FOUND)
		return root;
	error_release(err);
	*err = (struct error)ERROR_INIT;
	return path_real(dir, err);
}

static void add_section(const struct service_add *add, bool is_below, struct strbuf *out)
{
	size_t len = strlen(add->root);
	bool is_inside = strncmp(add->dir, add->root, len) == 0 && add->dir[len] == '/';
	cleanup(strbuf_release) struct strbuf head = STRBUF_INIT;

	toml_put_table(&head, "services", add->name, NULL);
	strbuf_addf(out, "%s%s", is_below ? "\n" : "", head.buf);
	service_add_command(out, add->argv);
	if (add->is_worker)
		toml_put_str(out, "type", "worker");
	if (add->port > 0)
		toml_put_int(out, "port", add->port);
	if (!str_eq(add->dir, add->root))
		toml_put_str(out, "workdir", is_inside ? add->dir + len + 1 : add->dir);
}

static int count_lines(const char *text)
{
	int lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* The lines end as those of the file do. */
static void append(struct strbuf *file, const struct strbuf *section)
{
	const char *newline = strchr(file->buf, '\n');
	bool is_dos = newline && newline > file->buf && newline[-1] == '\r';

	for (const char *c = section->buf; *c; c++) {
		if (*c == '\n' && is_dos)
			strbuf_addch(file, '\r');
		strbuf_addch(file, *c);
	}
}

/* A locald.toml with services hides a Procfile and package.json: nothing may vanish by that. */
static int check_kept(const struct project_config *before, const struct project_config *after,
                      struct error *err)
{
	array_foreach(service, &before->services) {
		if (project_service(after, (*service)->name))
			continue;
		error_set(err, ERR_CONFLICT,
		          "%s would not run any more: its file counts only while locald.toml has "
		          "no services",
		          (*service)->name);
		return error_hint(err, "`locald init` writes a locald.toml from what is there");
	}
	return 0;
}

static int check(struct cli *cli, const struct service_add *add, bool is_new,
                 const struct strbuf *text, struct error *err)
{
	cleanup_free char *user_config = paths_user_config(&cli->paths);
	cleanup(diagnostics_release) struct diagnostics ignored = DIAGNOSTICS_INIT;
	cleanup(error_release) struct error none = ERROR_INIT;
	cleanup_project struct project_config *before =
		project_load(add->root, user_config, is_new ? &ignored : &cli->diagnostics,
	                     is_new ? &none : err);
	cleanup_project struct project_config *after = NULL;

	/* What has no services yet is no error here. */
	if (!before && !is_new && !diag_has(&cli->diagnostics, "C023"))
		return -1;
	if (before && project_service(before, add->name)) {
		error_set(err, ERR_CONFLICT, "there is a service `%s` already", add->name);
		return error_hint(err, "choose another name");
	}
	error_release(err);
	*err = (struct error)ERROR_INIT;
	diagnostics_release(&cli->diagnostics);
	after = project_load_text(add->root, user_config, text->buf, text->len, &cli->diagnostics,
	                          err);
	if (!after)
		return -1;
	return before ? check_kept(before, after, err) : 0;
}

static int tell(struct cli *cli, int lines, int at, bool is_new, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	strbuf_addf(&out, "+ " FILE_NAME ": added %d line%s at %d", lines, lines == 1 ? "" : "s",
	            at);
	strbuf_adds(&out, is_new ? " of a new file\n" : " (comments and order kept)\n");
	return output_done(&cli->output, &out, err);
}

/* Empty where there is no file; it ends with a line's end. */
static int read_file(const char *path, struct strbuf *text, mode_t *ret_mode, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, errno, "%s", path);
	if (fs_read_file(path, TOML_MAX_BYTES, text, err) < 0)
		return -1;
	if (text->len > 0 && text->buf[text->len - 1] != '\n')
		strbuf_addch(text, '\n');
	*ret_mode = st.st_mode & 07777;
	return 0;
}

int service_add(struct cli *cli, const struct service_add *add, struct error *err)
{
	cleanup_free char *path = path_join(add->root, FILE_NAME), *real = NULL;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, section = STRBUF_INIT;
	bool is_new = !fs_exists(path);
	mode_t mode = 0644;
	int at;

	if (!config_is_name(add->name))
		return error_set(err, ERR_USAGE, "`%s` is not a name for a service", add->name);
	/* A link stays one. */
	real = is_new ? xstrdup(path) : path_real(path, err);
	if (!real || (!is_new && read_file(real, &text, &mode, err) < 0))
		return -1;
	at = count_lines(text.buf) + 1;
	add_section(add, text.len > 0, &section);
	append(&text, &section);
	cli->unchanged = "nothing was changed";
	if (check(cli, add, is_new, &text, err) < 0)
		return -1;
	if (is_new ? fs_write_new(real, text.buf, text.len, mode, err) < 0
	           : fs_write_atomic(real, text.buf, text.len, mode, err) < 0)
		return -1;
	return tell(cli, count_lines(section.buf), at, is_new, err);
}
