#include "cli/job.h"

#include "base/error.h"
#include "cli/cli.h"
#include "cli/progress.h"

json_t *job_run(struct cli *cli, const char *kind, const char *label, json_t *params,
                struct error *err)
{
	cleanup(progress_release) struct progress progress;
	cleanup_json json_t *body = json_object();

	progress_init(&progress, cli, label);
	if (!params) {
		error_set(err, ERR_USAGE, "a name or a path is not UTF-8");
		return NULL;
	}
	json_set_str(body, "kind", kind);
	json_object_set_new(body, "params", params);
	if (progress_run(&progress, "/v1/jobs", body, err) < 0) {
		if (err->code != ERR_INTERRUPTED)
			progress_show_tails(&progress);
		return NULL;
	}
	if (json_array_size(progress.images) > 0)
		json_object_set(progress.result, "images", progress.images);
	if (!json_object_get(progress.result, "ms"))
		json_set_int(progress.result, "ms", progress_elapsed_ms(&progress));
	return json_incref(progress.result);
}

int job_list(struct cli *cli, const char *kind, const char *key, job_show_fn *show,
             struct error *err)
{
	enum machine_output machine = cli->machine;
	cleanup_json json_t *result = NULL, *object = NULL;
	json_t *items;

	cli->machine = MACHINE_OFF; /* one object, not the job's events */
	result = job_run(cli, kind, "list", json_object(), err);
	cli->machine = machine;
	if (!result)
		return -1;
	items = json_object_get(result, key);
	if (machine == MACHINE_OFF)
		return show(cli, items, key, err);
	object = json_object();
	json_set_int(object, "schema", 1);
	json_object_set(object, key, items);
	return cli_print_json(cli, object, err);
}

int job_done(struct cli *cli, const struct strbuf *text, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (cli->machine != MACHINE_OFF)
		return 0;
	style_glyph(&out, &cli->output.out, GLYPH_OK);
	strbuf_addf(&out, " %s\n", text->buf);
	return output_done(&cli->output, &out, err);
}
