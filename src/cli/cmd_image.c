#include "cli/commands.h"

#include "base/error.h"
#include "cli/image_list.h"
#include "cli/job.h"

struct image_options {
	bool json;
};

static const struct option options[] = {
	OPT_FLAG(0, "json", struct image_options, json, "Print events as JSON, one a line"),
	OPT_END,
};

static const struct option list_options[] = {
	OPT_FLAG(0, "json", struct image_options, json, "Print JSON"),
	OPT_END,
};

/* "imported NAME sha256:9f3c2a1b… in 2.1s" */
static int done(struct cli *cli, const char *verb, const json_t *result, const char *name,
                struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *digest = json_get_str(result, "digest", NULL);

	strbuf_addf(&text, "%s ", verb);
	style_safe(&text, name, strlen(name));
	if (digest) {
		strbuf_addch(&text, ' ');
		image_add_digest(&text, digest);
	}
	strbuf_adds(&text, " in ");
	style_duration(&text, json_get_int(result, "ms", 0));
	return job_done(cli, &text, err);
}

static int run_import(struct cli *cli, int argc unused_arg, char **argv, void *values unused_arg,
                      struct error *err)
{
	cleanup_free char *path = cli_path(cli, argv[0], err);
	cleanup_json json_t *result = NULL;

	if (!path)
		return -1;
	result = job_run(cli, "image-import", "import",
	                 json_pack("{s:s, s:s}", "path", path, "name", argv[1]), err);
	return result ? done(cli, "imported", result, argv[1], err) : -1;
}

static int run_pull(struct cli *cli, int argc unused_arg, char **argv, void *values unused_arg,
                    struct error *err)
{
	cleanup_json json_t *result =
		job_run(cli, "image-pull", "pull", json_pack("{s:s}", "reference", argv[0]), err);

	return result ? done(cli, "pulled", result, argv[0], err) : -1;
}

static int run_list(struct cli *cli, int argc unused_arg, char **argv unused_arg,
                    void *values unused_arg, struct error *err)
{
	return image_list(cli, "image-list", "images", err);
}

static int run_rm(struct cli *cli, int argc, char **argv, void *values unused_arg,
                  struct error *err)
{
	for (int i = 0; i < argc; i++) {
		cleanup_json json_t *result = job_run(cli, "image-remove", "remove",
		                                      json_pack("{s:s}", "name", argv[i]), err);

		if (!result || done(cli, "removed", result, argv[i], err) < 0)
			return -1;
	}
	return 0;
}

static const struct command import = {
	.name = "import",
	.summary = "Make an image from a tar of a root file system",
	.usage = "TAR NAME",
	.options = options,
	.options_size = sizeof(struct image_options),
	.min_args = 2,
	.max_args = 2,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_FILES,
	.run = run_import,
};

static const struct command list = {
	.name = "list",
	.alias = "ls",
	.summary = "Show the images in the store",
	.options = list_options,
	.options_size = sizeof(struct image_options),
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_OBJECT,
	.run = run_list,
};

static const struct command pull = {
	.name = "pull",
	.summary = "Get an image from a registry",
	.usage = "REFERENCE",
	.options = options,
	.options_size = sizeof(struct image_options),
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.run = run_pull,
};

static const struct command rm = {
	.name = "rm",
	.alias = "remove",
	.summary = "Remove images from the store",
	.usage = "NAME…",
	.options = options,
	.options_size = sizeof(struct image_options),
	.min_args = 1,
	.max_args = -1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.run = run_rm,
};

static const struct command *const subcommands[] = {&import, &list, &pull, &rm, NULL};

static const char *const examples[] = {
	"locald image import rootfs.tar base",
	"make the image base from a root file system",
	"locald image list",
	"what is in the store",
	NULL,
};

const struct command cmd_image = {
	.name = "image",
	.summary = "Container images: import, list, pull, rm",
	.examples = examples,
	.commands = subcommands,
};
