#include "cli/commands.h"

#include "base/error.h"
#include "cli/image_list.h"
#include "cli/job.h"

struct build_options {
	bool json;
};

static const struct option options[] = {
	OPT_FLAG(0, "json", struct build_options, json, "Print events as JSON, one a line"),
	OPT_END,
};

/* "web built sha256:9f3c… in 21s  package-lock.json changed", or "web unchanged sha256:9f3c…" */
static void add_image(struct strbuf *out, const json_t *image)
{
	const json_t *result = json_object_get(image, "result");
	bool is_hit = json_get_bool(result, "hit", false);
	const char *service = json_get_str(image, "service", "?");
	const char *reason = json_get_str(result, "reason", NULL);

	style_safe(out, service, strlen(service));
	strbuf_adds(out, is_hit ? " unchanged " : " built ");
	image_add_digest(out, json_get_str(result, "digest", ""));
	if (is_hit)
		return;
	strbuf_adds(out, " in ");
	style_duration(out, json_get_int(result, "duration_ms", 0));
	if (reason) {
		strbuf_adds(out, "  ");
		style_safe(out, reason, strlen(reason));
	}
}

static int show(struct cli *cli, const json_t *result, struct error *err)
{
	const json_t *image;
	size_t i;

	json_array_foreach(json_object_get(result, "images"), i, image) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

		add_image(&text, image);
		if (job_done(cli, &text, err) < 0)
			return -1;
	}
	return 0;
}

static int run(struct cli *cli, int argc, char **argv, void *values unused_arg, struct error *err)
{
	json_t *params = json_object();
	cleanup_json json_t *result = NULL;

	json_set_str(params, "root", cli->root);
	json_object_set_new(params, "services", cli_json_names(argc, argv));
	json_object_set_new(params, "env", cli_environment());
	result = job_run(cli, "build", "build", params, err);
	return result ? show(cli, result, err) : -1;
}

static const char *const examples[] = {
	"locald build",
	"build the image of every service that has `build`",
	"locald build -v web",
	"build web's, with all that the buildpacks say",
	NULL,
};

const struct command cmd_build = {
	.name = "build",
	.summary = "Build images of services with buildpacks",
	.usage = "[SERVICE…]",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct build_options),
	.max_args = -1,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run,
};
