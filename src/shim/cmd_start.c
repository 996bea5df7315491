#include "shim/command.h"

#include "base/error.h"
#include "shim/container.h"
#include "shim/hooks.h"
#include "shim/sync.h"

#include <errno.h>

static int run_poststart(struct container *container, struct error *err)
{
	if (state_load_config(&container->state, &container->spec, err) < 0)
		return -1;
	if (container->spec.hooks[HOOK_POSTSTART].len == 0)
		return 0;
	container->hook_state = hooks_state_new(err);
	return container->hook_state < 0 ? -1
	                                 : container_run_hooks(container, HOOK_POSTSTART,
	                                                       "poststart", "running", err);
}

int cmd_start(const struct shim *shim, const struct command *self, int argc, char **argv,
              struct error *err)
{
	cleanup(container_release) struct container container = CONTAINER_INIT;
	cleanup(error_release) struct error after = ERROR_INIT;
	cleanup_close int root = -1, sock = -1;
	int n = options_parse(self, NULL, 0, argc, argv, err);
	enum container_status status;

	if (n < 0)
		return n;
	root = state_open_root(shim->root, err);
	if (root < 0 || state_load(&container.state, root, argv[0], err) < 0)
		return -1;
	status = state_status(&container.state);
	if (status != CONTAINER_CREATED)
		return error_set(err, ERR_CONFLICT, "container `%s` is %s, not created", argv[0],
		                 container_status_name(status));
	sock = state_connect_start(&container.state, err);
	if (sock < 0)
		return -1;
	state_remove_start(&container.state);
	/* The other end closes when the program runs, and says why when it cannot. */
	n = sync_receive(sock, NULL, err);
	if (n < 0)
		return error_wrap(err, "start container `%s`", argv[0]);
	if (n != SYNC_END)
		return error_set(err, EPROTO, "unexpected message %d", n);
	if (run_poststart(&container, err) == 0)
		return 0;
	/* As the specification says, its failure ends the container. */
	if (container_kill(&container, &after) == 0 && container_destroy(&container, &after) == 1)
		report_warning(shim, after.text);
	return -1;
}
