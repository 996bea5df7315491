#include "cli/last_try.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/service_add.h"

#define LAST_MAX_BYTES (1u << 20)

void last_try_release(struct last_try *last)
{
	strv_release(&last->argv);
	free(last->dir);
}

static char *last_path(const struct cli *cli)
{
	cleanup_free char *dir = paths_try_dir(&cli->paths);

	return path_join(dir, "last.json");
}

int last_try_save(const struct cli *cli, const struct last_try *last, struct error *err)
{
	cleanup_free char *path = last_path(cli), *text = NULL;
	cleanup_json json_t *object = json_object();

	json_object_set_new(object, "argv", json_from_raw_strv(&last->argv));
	json_set_str(object, "dir", last->dir);
	json_set_int(object, "port", last->port);
	text = json_text(object);
	return fs_write_atomic(path, text, strlen(text), 0600, err);
}

int last_try_load(const struct cli *cli, struct last_try *ret, struct error *err)
{
	cleanup_free char *path = last_path(cli);
	cleanup_json json_t *object = NULL;
	const char *dir;

	if (!fs_exists(path)) {
		error_set(err, ERR_NOT_FOUND, "nothing was tried yet");
		return error_hint(err, "locald try COMMAND");
	}
	object = json_parse_file(path, LAST_MAX_BYTES, err);
	if (!object || json_need_str(object, "dir", &dir, err) < 0 ||
	    json_to_strv(json_object_get(object, "argv"), "argv", &ret->argv, err) < 0)
		return -1;
	ret->dir = xstrdup(dir);
	ret->port = (int)json_get_int(object, "port", 0);
	return 0;
}

int last_try_add(struct cli *cli, const struct last_try *last, const char *name, struct error *err)
{
	cleanup_free char *root = service_add_root(last->dir, err);
	const struct service_add add = {
		.root = root,
		.name = name ? name : "web",
		.argv = &last->argv,
		.dir = last->dir,
		.port = last->port,
	};
	int r;

	if (!root)
		return -1;
	r = service_add(cli, &add, err);
	if (r < 0 && err->code == ERR_CONFLICT && !name)
		error_hint(err, "choose another: locald add last --name NAME");
	return r;
}
