#include "shim/command.h"

#include "base/error.h"
#include "shim/container.h"
#include "shim/hooks.h"

#include <errno.h>
#include <poll.h>
#include <sys/pidfd.h>

#define KILL_WAIT_MS 10000

/* Kills it and waits for its end; somebody else reaps it. */
static int kill_and_wait(const struct state *state, struct error *err)
{
	cleanup(error_release) struct error gone = ERROR_INIT;
	cleanup_close int pidfd = state_open_process(state, &gone);
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0)
		return 0;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_errno(err, errno, "kill container `%s`", state->id);
	/* A frozen one dies when it thaws. */
	if (cgroup_is_frozen(&state->cgroup) && cgroup_freeze(&state->cgroup, false, err) < 0)
		return -1;
	if (poll(&poll_fd, 1, KILL_WAIT_MS) == 0)
		return error_set(err, ERR_TIMEOUT, "container `%s` did not end", state->id);
	return 0;
}

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

int cmd_delete(const struct shim *shim, const struct command *self, int argc, char **argv,
               struct error *err)
{
	cleanup(container_release) struct container container = CONTAINER_INIT;
	cleanup_close int root = -1;
	bool is_forced = false;
	const struct option_row rows[] = {
		{"force", 'f', OPTION_FLAG, &is_forced, "kill it first; a missing one is no error"},
		{"regex", 0, OPTION_REFUSED, NULL, "name the container"},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);
	enum container_status status;

	if (n < 0)
		return n;
	root = state_open_root(shim->root, err);
	if (root < 0)
		return -1;
	if (state_load(&container.state, root, argv[0], err) < 0) {
		if (!is_forced || err->code != ENOENT)
			return -1;
		error_release(err);
		return remove_remains(root, argv[0], err);
	}
	status = state_status(&container.state);
	if (status != CONTAINER_STOPPED && !is_forced) {
		error_set(err, ERR_CONFLICT, "container `%s` is %s, not stopped", argv[0],
		          container_status_name(status));
		return error_hint(err, "kill it first, or use --force");
	}
	if (kill_and_wait(&container.state, err) < 0 || load_hooks(&container, err) < 0)
		return -1;
	return container_destroy(&container, err);
}
