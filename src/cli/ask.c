#include "cli/ask.h"

#include "base/str.h"
#include "base/strbuf.h"
#include "cli/cli.h"

#include <unistd.h>

#define ANSWER_MAX 1000

bool ask_is_possible(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool ask_line(struct cli *cli, const char *question, struct strbuf *answer)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char line[ANSWER_MAX];

	strbuf_addf(&text, "%s ", question);
	output_error(&cli->output, &text);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	strbuf_adds(answer, line);
	return true;
}

bool ask_yes(struct cli *cli, const char *question, bool otherwise)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, answer = STRBUF_INIT;

	strbuf_addf(&text, "%s %s", question, otherwise ? "[Y/n]" : "[y/N]");
	if (!ask_line(cli, text.buf, &answer))
		return false;
	if (answer.len == 0)
		return otherwise;
	return str_eq(answer.buf, "y") || str_eq(answer.buf, "Y") || str_eq(answer.buf, "yes");
}
