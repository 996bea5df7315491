#include "shim/command.h"

#include "base/error.h"
#include "shim/spec.h"
#include "shim/state.h"

static int set_frozen(const struct shim *shim, const struct command *self, int argc, char **argv,
                      bool frozen, struct error *err)
{
	cleanup(state_release) struct state state = {.dir = -1, .root = -1};
	const struct spec_resources no_limits = {0};
	cleanup_close int root = -1;
	int n = options_parse(self, NULL, 0, argc, argv, err);
	enum container_status status;

	if (n < 0)
		return n;
	root = state_open_root(shim->root, err);
	if (root < 0 || state_load(&state, root, argv[0], err) < 0)
		return -1;
	status = state_status(&state);
	if (status == CONTAINER_STOPPED || (!frozen && status != CONTAINER_PAUSED))
		return error_set(err, ERR_CONFLICT, "container `%s` is %s", argv[0],
		                 container_status_name(status));
	if (frozen && !cgroup_can_freeze(&state.cgroup) &&
	    state_extend_cgroup(&state, &no_limits, true, err) < 0)
		return error_wrap(err, "the container has no cgroup that can be frozen");
	return cgroup_freeze(&state.cgroup, frozen, err);
}

int cmd_pause(const struct shim *shim, const struct command *self, int argc, char **argv,
              struct error *err)
{
	return set_frozen(shim, self, argc, argv, true, err);
}

int cmd_resume(const struct shim *shim, const struct command *self, int argc, char **argv,
               struct error *err)
{
	return set_frozen(shim, self, argc, argv, false, err);
}
