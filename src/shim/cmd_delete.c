#include "shim/command.h"

#include "base/error.h"
#include "shim/container.h"
#include "shim/hooks.h"

#include <errno.h>

/* The configuration is needed for poststop hooks only; without it the rest is removed. */
static int load_hooks(struct container *container, struct error *err)
{
	if (state_load_config(&container->state, &container->spec, err) < 0) {
		error_release(err);
		return 0;
	}
	if (container->spec.hooks[HOOK_POSTSTOP].len == 0)
		return 0;
	container->hook_state = hooks_state_new(err);
	return container->hook_state < 0 ? -1 : 0;
}

/* A directory without a readable state: made halfway by a shim that was killed. */
static int remove_remains(int root, const char *id, struct error *err)
{
	struct state state = {.dir = -1, .root = root, .id = xstrdup(id)};
	int done = state_remove(&state, err);

	state_release(&state);
	return done;
}

static int delete_one(const struct shim *shim, int root, const char *id, bool is_forced,
                      struct error *err)
{
	cleanup(container_release) struct container container = CONTAINER_INIT;
	enum container_status status;
	int done;

	if (state_load(&container.state, root, id, err) < 0) {
		if (!is_forced || err->code != ENOENT)
			return -1;
		error_release(err);
		return remove_remains(root, id, err);
	}
	status = state_status(&container.state);
	/* As crun and runc: one that was never started can go. */
	if (status != CONTAINER_STOPPED && status != CONTAINER_CREATED && !is_forced) {
		error_set(err, ERR_CONFLICT, "container `%s` is %s, not stopped", id,
		          container_status_name(status));
		return error_hint(err, "kill it first, or use --force");
	}
	if (container_kill(&container, err) < 0 || load_hooks(&container, err) < 0)
		return -1;
	done = container_destroy(&container, err);
	if (done == 1)
		report_warning(shim, err->text);
	return done < 0 ? -1 : 0;
}

int cmd_delete(const struct shim *shim, const struct command *self, int argc, char **argv,
               struct error *err)
{
	cleanup(strv_release) struct strv ids = STRV_INIT;
	cleanup_close int root = -1;
	bool is_forced = false, is_regex = false;
	const struct option_row rows[] = {
		{"force", 'f', OPTION_FLAG, &is_forced, "kill it first; a missing one is no error"},
		{"regex", 'r', OPTION_FLAG, &is_regex, "CONTAINER is a pattern: all that match"},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);

	if (n < 0)
		return n;
	root = state_open_root(shim->root, err);
	if (root < 0 || state_match(root, argv[0], is_regex, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++)
		if (delete_one(shim, root, ids.items[i], is_forced, err) < 0)
			return -1;
	return 0;
}
