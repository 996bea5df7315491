#include "cli/commands.h"
#include "cli/explain.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>

#define IDS_MAX 128

static int unknown(const char *id, struct error *err)
{
	const char *ids[IDS_MAX], *nearest;
	size_t n = 0;

	while (n < IDS_MAX && (ids[n] = explain_id_at(n)))
		n++;
	nearest = str_nearest(id, ids, n);
	error_set(err, ERR_USAGE, "no error has the code `%s`", id);
	return error_hint(err, "did you mean `%s`?", nearest ? nearest : "C012");
}

static int list(struct cli *cli, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	for (size_t n = 0; explain_id_at(n); n++)
		strbuf_addf(&out, "%s  %s\n", explain_id_at(n), explain_title(explain_id_at(n)));
	return output_data(&cli->output, &out, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values unused_arg, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_free char *id = NULL;
	const char *title, *text;

	if (argc == 0)
		return list(cli, err);
	id = xstrdup(argv[0]);
	for (char *c = id; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	title = explain_title(id);
	text = explain_text(id);
	if (!title || !text)
		return unknown(id, err);
	strbuf_addf(&out, "%s: %s\n\n%s\n", id, title, text);
	return output_data(&cli->output, &out, err);
}

const struct command cmd_explain = {
	.name = "explain",
	.summary = "Explain the code of an error, or list them",
	.usage = "[CODE]",
	.max_args = 1,
	.run = run,
};
