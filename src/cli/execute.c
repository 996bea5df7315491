#include "cli/execute.h"

#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "cli/cli.h"

#include <errno.h>

/* Standard error, which nothing else is written to by us, says what runs. */
static void tell(struct cli *cli, const struct strv *argv, const char *cwd)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (cli->output.verbose == 0)
		return;
	for (size_t i = 0; i < argv->len; i++) {
		strbuf_adds(&out, i > 0 ? " " : "run: ");
		style_safe(&out, argv->items[i], strlen(argv->items[i]));
	}
	if (cwd) {
		strbuf_adds(&out, " in ");
		cli_add_folder(&out, cwd);
	}
	strbuf_addch(&out, '\n');
	output_error(&cli->output, &out);
}

static int refuse(struct cli *cli, int code, const char *what)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	error_errno(&err, code, "%s", what);
	cli_report(cli, &err);
	return code == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

int execute(struct cli *cli, const struct strv *argv, const struct strv *env, const char *cwd)
{
	char **own = environ;
	int code;

	output_live_end(&cli->output);
	tell(cli, argv, cwd);
	if (cwd && chdir(cwd) < 0) {
		refuse(cli, errno, cwd);
		return EXIT_CANNOT_EXECUTE;
	}
	/* A name without a slash is looked up in the PATH that the command gets. */
	if (env)
		environ = env->items;
	cli_release_interrupt(cli);
	execvp(argv->items[0], argv->items);
	code = errno;
	environ = own;
	return refuse(cli, code, argv->items[0]);
}
