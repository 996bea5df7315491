#include "shim/command.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"
#include "shim/container.h"
#include "shim/oom.h"

#include <errno.h>
#include <limits.h>

/* How many descriptors beyond standard error a container gets at most. */
#define PRESERVE_MAX 1024

/* What create and run have in common: the same options, and a container. */
struct making_options {
	const char *bundle;
	int64_t preserve_fds;
	struct container_request request;
};

/* systemd's sockets (LISTEN_FDS) count as asked for. */
static int64_t listen_fds(void)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	const char *text = getenv("LISTEN_FDS");
	int64_t n = 0;

	if (!text || str_to_int(text, 0, PRESERVE_MAX, &n, &ignored) < 0)
		return 0;
	return n;
}

static int parse(struct making_options *making, bool is_waiting, const struct shim *shim,
                 const struct command *self, int argc, char **argv, struct error *err)
{
	struct container_request *request = &making->request;
	const struct option_row rows[] = {
		{"bundle", 'b', OPTION_TEXT, &making->bundle, "folder with config.json (.)"},
		{"pid-file", 0, OPTION_TEXT, &request->pid_file, "write the pid to a file"},
		{"console-socket", 0, OPTION_TEXT, &request->console_socket,
	         "unix socket that gets the terminal"},
		{"preserve-fds", 0, OPTION_NUMBER, &making->preserve_fds,
	         "pass N more descriptors, from 3 on"},
		{"no-pivot", 0, OPTION_FLAG, &request->no_pivot, "chroot instead of pivot_root"},
		{"no-new-keyring", 0, OPTION_FLAG, &request->no_new_keyring,
	         "keep the session keyring"},
		{"init", 0, OPTION_FLAG, &request->has_init,
	         "a small process 1 that reaps and forwards signals"},
		{"config", 'f', OPTION_TEXT, &request->config,
	         "file in place of config.json, seen from the bundle"},
		{"detach", 'd', OPTION_FLAG, &request->is_detached, "do not wait for its end"},
		{"keep", 0, OPTION_FLAG, &request->is_kept, "leave it, stopped, for delete"},
		{"own-cgroup", 0, OPTION_FLAG, &request->has_own_cgroup, CGROUP_OWN_HELP},
		{"pidfd-socket", 0, OPTION_REFUSED, NULL, "use --pid-file"},
		{"no-subreaper", 0, OPTION_IGNORED, NULL, NULL},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);

	if (n < 0)
		return n;
	request->listen_fds = (unsigned)listen_fds();
	making->preserve_fds += request->listen_fds;
	if (making->preserve_fds > PRESERVE_MAX)
		return error_set(err, ERR_USAGE, "--preserve-fds: at most %d", PRESERVE_MAX);
	request->preserve_fds = (unsigned)making->preserve_fds;
	request->is_waiting = is_waiting;
	request->is_detached = request->is_detached || is_waiting;
	request->no_cgroup = shim->has_no_cgroup;
	request->id = argv[0];
	if (state_check_id(request->id, err) < 0)
		return -1;
	making->bundle = path_real(making->bundle ? making->bundle : ".", err);
	if (!making->bundle)
		return error_wrap(err, "--bundle");
	request->bundle = making->bundle;
	request->root = state_open_root(shim->root, err);
	return request->root < 0 ? -1 : 0;
}

static void release(struct making_options *making)
{
	free((char *)(uintptr_t)making->request.bundle);
	close_fd(&making->request.root);
}

static void report_limits(const struct shim *shim, const struct container *container)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (!container->no_limits)
		return;
	array_foreach(limit, &container->spec.resources.limits)
		strbuf_addf(&text, "%s%s",
		            text.len > 0 ? ", " : "linux.resources: not limited: ", limit->what);
	strbuf_addf(&text, ": %s; limits need root, or a cgroup that is delegated to you",
	            container->no_limits);
	report_warning(shim, text.buf);
}

static void report_warnings(const struct shim *shim, const struct container *container)
{
	report_unknown_caps(shim, &container->spec.process.unknown_caps);
	report_limits(shim, container);
	if (container->has_one_id)
		report_warning(shim,
		               "one user id: you have no ranges in /etc/subuid and /etc/subgid, "
		               "so programs that change user, and images whose files have "
		               "several owners, fail; get them with: sudo usermod "
		               "--add-subuids 100000-165535 --add-subgids 100000-165535 "
		               "$USER (package uidmap)");
}

int cmd_create(const struct shim *shim, const struct command *self, int argc, char **argv,
               struct error *err)
{
	cleanup(release) struct making_options making = {.request.root = -1};
	cleanup(container_release) struct container container = CONTAINER_INIT;
	int parsed = parse(&making, true, shim, self, argc, argv, err);

	if (parsed < 0)
		return parsed;
	if (container_create(&container, &making.request, err) < 0)
		return -1;
	report_warnings(shim, &container);
	return 0;
}

int cmd_run(const struct shim *shim, const struct command *self, int argc, char **argv,
            struct error *err)
{
	cleanup(release) struct making_options making = {.request.root = -1};
	cleanup(container_release) struct container container = CONTAINER_INIT;
	cleanup(error_release) struct error after = ERROR_INIT;
	int status = parse(&making, false, shim, self, argc, argv, err), destroyed;

	if (status < 0)
		return status;
	/* Signals wait until the container is there to get them. */
	if (!making.request.is_detached)
		supervise_block_signals();
	if (container_create(&container, &making.request, err) < 0)
		return -1;
	report_warnings(shim, &container);
	if (container_run_hooks(&container, HOOK_POSTSTART, "poststart", "running", &after) < 0) {
		kill(container.state.pid, SIGKILL);
		status = error_move(err, &after);
		supervise(container.pidfd, container.state.pid, -1, &after);
	} else if (making.request.is_detached) {
		return 0;
	} else {
		status = supervise(container.pidfd, container.state.pid, container.terminal, err);
	}
	fuse_root_end(&container.root_server);
	oom_report(shim, &container, status);
	if (making.request.is_kept)
		return status;
	destroyed = container_destroy(&container, &after);
	if (destroyed == 1)
		report_warning(shim, after.text);
	return destroyed < 0 && status >= 0 ? error_move(err, &after) : status;
}
