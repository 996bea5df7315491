#include "base/error.h"
#include "base/mem.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/labels.h"
#include "lifecycle/layout.h"
#include "lifecycle/phases.h"
#include "lifecycle/platform.h"
#include "lifecycle/toml_file.h"

#include <stdio.h>

/* Reads the previous image; that there is none yet is fine. */
static int read_previous(const struct platform *platform, json_t *analyzed, struct error *err)
{
	const char *name =
		platform->previous_image ? platform->previous_image : platform->images.items[0];
	cleanup(layout_image_release) struct layout_image image = {0};
	json_t *entry = json_object();
	const char *label;

	json_object_set_new(analyzed, "image", entry);
	json_set_str(entry, "reference", "");
	if (layout_open(platform->layout_dir, name, &image, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		error_release(err);
		if (platform->is_verbose)
			printf("Previous image with name \"%s\" not found\n", name);
		return 0;
	}
	json_object_set_new(entry, "reference", json_sprintf("%s@%s", image.dir, image.digest));
	label = layout_label(&image, LABEL_LIFECYCLE);
	if (label) {
		json_t *metadata = json_parse(label, strlen(label), err);

		if (!metadata)
			return error_wrap(err, "label %s of %s", LABEL_LIFECYCLE, name);
		json_object_set_new(analyzed, "metadata", metadata);
	}
	return 0;
}

static char *run_image_name(const struct platform *platform, struct error *err)
{
	cleanup_json json_t *run = NULL;
	const char *name;

	if (platform->run_image)
		return xstrdup(platform->run_image);
	if (toml_file_read(platform->run, &run, err) < 0)
		return NULL;
	name = json_get_str(json_array_get(json_object_get(run, "images"), 0), "image", NULL);
	if (!name) {
		error_set(err, ERR_CONFIG, "%s names no run image", platform->run);
		error_hint(err, "give one with -run-image");
		return NULL;
	}
	return xstrdup(name);
}

static void set_target(json_t *run, const struct layout_image *image)
{
	const char *distro = layout_label(image, "io.buildpacks.base.distro.name");
	const char *version = layout_label(image, "io.buildpacks.base.distro.version");
	json_t *target = json_object();

	json_set_str(target, "os", json_get_str(image->config, "os", "linux"));
	json_set_str(target, "arch", json_get_str(image->config, "architecture", ""));
	json_set_str(target, "arch-variant", json_get_str(image->config, "variant", NULL));
	if (distro) {
		json_t *entry = json_object();

		json_set_str(entry, "name", distro);
		json_set_str(entry, "version", version);
		json_object_set_new(target, "distro", entry);
	}
	json_object_set_new(run, "target", target);
}

static int read_run_image(const struct platform *platform, json_t *analyzed, struct error *err)
{
	cleanup_free char *name = run_image_name(platform, err);
	cleanup(layout_image_release) struct layout_image image = {0};
	json_t *run;

	if (!name)
		return -1;
	if (layout_open(platform->layout_dir, name, &image, err) < 0)
		return error_wrap(err, "run image");
	run = json_object();
	json_object_set_new(analyzed, "run-image", run);
	json_object_set_new(run, "reference", json_sprintf("%s@%s", image.dir, image.digest));
	json_set_str(run, "image", name);
	set_target(run, &image);
	return 0;
}

int phase_analyze(const struct platform *platform, struct error *err)
{
	cleanup_json json_t *analyzed = json_object();

	if (read_previous(platform, analyzed, err) < 0 ||
	    read_run_image(platform, analyzed, err) < 0)
		return -1;
	return toml_file_write(platform->analyzed, analyzed, err);
}
