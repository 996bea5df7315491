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

/* "built web, api in 21s", "nothing to build", and why when the daemon says so. */
static int show(struct cli *cli, const json_t *result, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	const json_t *images = json_object_get(result, "images");
	const json_t *image;
	size_t i;

	json_array_foreach(images, i, image) {
		const char *service = json_get_str(image, "service", "?");
		const char *reason = json_get_str(image, "reason", NULL);

		strbuf_adds(&text, i > 0 ? "\n  " : "");
		style_safe(&text, service, strlen(service));
		strbuf_adds(&text, json_get_bool(image, "hit", false) ? " unchanged " : " built ");
		image_add_digest(&text, json_get_str(image, "digest", ""));
		if (reason) {
			strbuf_adds(&text, "  ");
			style_safe(&text, reason, strlen(reason));
		}
	}
	strbuf_adds(&text, json_array_size(images) > 0 ? "\n  in " : "built in ");
	style_duration(&text, json_get_int(result, "ms", 0));
	return job_done(cli, &text, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values unused_arg, struct error *err)
{
	json_t *params = json_object();
	cleanup_json json_t *result = NULL;

	json_set_str(params, "root", cli->root);
	json_object_set_new(params, "services", cli_json_names(argc, argv));
	json_object_set_new(params, "env", cli_environment(cli));
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
