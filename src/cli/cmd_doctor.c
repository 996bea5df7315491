#include "cli/check.h"
#include "cli/commands.h"

#include "base/error.h"

#define ID_WIDTH 18

struct doctor_options {
	bool json;
};

static const struct option options[] = {
	OPT_FLAG(0, "json", struct doctor_options, json, "Print JSON"),
	OPT_END,
};

static const char *const level_names[] = {
	[CHECK_OK] = "ok", [CHECK_LIMITED] = "limited", [CHECK_BROKEN] = "broken"};

static const enum glyph level_glyphs[] = {
	[CHECK_OK] = GLYPH_OK, [CHECK_LIMITED] = GLYPH_WARN, [CHECK_BROKEN] = GLYPH_FAIL};

static void add_text(struct strbuf *out, const struct style *style, const char *id,
                     const struct finding *finding)
{
	style_glyph(out, style, level_glyphs[finding->level]);
	strbuf_addf(out, " %-*s  ", ID_WIDTH, id);
	style_safe(out, finding->text.buf, finding->text.len);
	strbuf_addch(out, '\n');
	if (finding->fix.len == 0)
		return;
	strbuf_adds(out, "    fix   ");
	style_safe(out, finding->fix.buf, finding->fix.len);
	strbuf_addch(out, '\n');
}

static json_t *finding_json(const char *id, const struct finding *finding)
{
	json_t *object = json_object();

	json_set_str(object, "id", id);
	json_set_str(object, "level", level_names[finding->level]);
	json_set_str(object, "text", finding->text.buf);
	if (finding->fix.len > 0)
		json_set_str(object, "fix", finding->fix.buf);
	return object;
}

static int run(struct cli *cli, int argc unused_arg, char **argv unused_arg,
               void *values unused_arg, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_json json_t *object = json_object();
	json_t *list = json_array();
	size_t counts[ARRAY_LEN(level_names)] = {0};
	int r;

	for (size_t i = 0; i < CHECK_COUNT; i++) {
		struct finding finding = {.text = STRBUF_INIT, .fix = STRBUF_INIT};

		checks[i].run(cli, &finding);
		counts[finding.level]++;
		add_text(&out, &cli->output.out, checks[i].id, &finding);
		json_array_append_new(list, finding_json(checks[i].id, &finding));
		strbuf_release(&finding.text);
		strbuf_release(&finding.fix);
	}
	strbuf_addf(&out, "%zu ok, %zu limited, %zu broken. Nothing was changed.\n",
	            counts[CHECK_OK], counts[CHECK_LIMITED], counts[CHECK_BROKEN]);
	json_set_int(object, "schema", 1);
	json_set_bool(object, "ok", counts[CHECK_BROKEN] == 0);
	json_object_set_new(object, "checks", list);
	r = cli->machine != MACHINE_OFF ? cli_print_json(cli, object, err)
	                                : output_data(&cli->output, &out, err);
	return r < 0 ? -1 : counts[CHECK_BROKEN] > 0;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "Check what locald needs on this machine (exit 1 when broken)",
	.about = "Looks only: nothing is changed.",
	.options = options,
	.options_size = sizeof(struct doctor_options),
	.machine = MACHINE_OBJECT,
	.run = run,
};
