#include "cli/commands.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

struct why_options {
	bool json;
};

static const struct option options[] = {
	OPT_FLAG(0, "json", struct why_options, json, "Print JSON"),
	OPT_END,
};

static void render(const json_t *why, const struct style *style, struct strbuf *out)
{
	const char *text = json_get_str(why, "text", ""), *fix = json_get_str(why, "fix", NULL);
	const json_t *line;
	size_t i;

	style_safe(out, text, strlen(text));
	strbuf_addch(out, '\n');
	json_array_foreach(json_object_get(why, "last_lines"), i, line) {
		const char *last = json_string_value(line);

		strbuf_adds(out, "    ");
		style_safe_sgr(out, style, last ? last : "", last ? strlen(last) : 0);
		strbuf_addch(out, '\n');
	}
	if (!fix)
		return;
	strbuf_adds(out, "  fix  ");
	style_safe(out, fix, strlen(fix));
	strbuf_addch(out, '\n');
}

static int run(struct cli *cli, int argc unused_arg, char **argv, void *values unused_arg,
               struct error *err)
{
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT, out = STRBUF_INIT;
	cleanup_json json_t *why = NULL;

	strbuf_adds(&target, "/v1/why");
	cli_add_query(&target, "root", cli->root);
	cli_add_query(&target, "service", argv[0]);
	why = cli_call(cli, "GET", target.buf, NULL, err);
	if (!why)
		return -1;
	if (cli->machine != MACHINE_OFF)
		return cli_print_json(cli, why, err);
	render(why, &cli->output.out, &out);
	return output_data(&cli->output, &out, err);
}

static const char *const examples[] = {
	"locald why web",
	"what web waits for, or how it ended",
	NULL,
};

const struct command cmd_why = {
	.name = "why",
	.summary = "Say why a service is as it is",
	.usage = "SERVICE",
	.about = "In one sentence: for whom it waits, what its probe sees, how it ended, when it "
		 "is\n"
		 "is tried again, and what to do about it.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct why_options),
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.machine = MACHINE_OBJECT,
	.complete = COMPLETE_SERVICES,
	.run = run,
};
