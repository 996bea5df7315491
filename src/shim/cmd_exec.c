#include "shim/command.h"

#include "base/error.h"
#include "base/json.h"
#include "shim/console.h"
#include "shim/container.h"
#include "shim/join.h"
#include "shim/label.h"
#include "shim/node.h"
#include "shim/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/pidfd.h>

struct exec_options {
	const char *process, *cwd, *user, *pid_file, *console_socket, *apparmor, *label, *cgroup;
	struct strv env, caps, groups;
	int64_t preserve_fds;
	bool is_detached, has_tty, no_new_privs, ignores_pause, is_awaited;
};

static void release_options(struct exec_options *options)
{
	strv_release(&options->env);
	strv_release(&options->caps);
	strv_release(&options->groups);
}

static int parse(struct exec_options *options, const struct command *self, int argc, char **argv,
                 struct error *err)
{
	const struct option_row rows[] = {
		{"process", 'p', OPTION_TEXT, &options->process, "file with the process as JSON"},
		{"tty", 't', OPTION_FLAG, &options->has_tty, "with a terminal"},
		{"user", 'u', OPTION_TEXT, &options->user, "UID[:GID]"},
		{"cwd", 0, OPTION_TEXT, &options->cwd, "working directory"},
		{"env", 'e', OPTION_LIST, &options->env, "NAME=value"},
		{"cap", 'c', OPTION_LIST, &options->caps, "add a capability"},
		{"detach", 'd', OPTION_FLAG, &options->is_detached, "do not wait for its end"},
		{"pid-file", 0, OPTION_TEXT, &options->pid_file, "write the pid to a file"},
		{"console-socket", 0, OPTION_TEXT, &options->console_socket,
	         "unix socket that gets the terminal"},
		{"preserve-fds", 0, OPTION_NUMBER, &options->preserve_fds,
	         "pass N more descriptors, from 3 on"},
		{"no-new-privs", 0, OPTION_FLAG, &options->no_new_privs, "set no_new_privs"},
		{"wait", 0, OPTION_FLAG, &options->is_awaited,
	         "for a container that is about to be made"},
		{"ignore-paused", 0, OPTION_FLAG, &options->ignores_pause, "also when paused"},
		{"cgroup", 0, OPTION_TEXT, &options->cgroup, "a cgroup below the container's"},
		{"apparmor", 0, OPTION_TEXT, &options->apparmor, "AppArmor profile"},
		{"process-label", 0, OPTION_TEXT, &options->label, "SELinux label"},
		{"pidfd-socket", 0, OPTION_REFUSED, NULL, "use --pid-file"},
		{"additional-gids", 'g', OPTION_LIST, &options->groups, "a group more, by number"},
	};

	return options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);
}

/* "UID" or "UID:GID", numbers only, nothing missing: a slip must not become root. */
static int parse_user(struct spec_process *process, const char *text, struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	cleanup_free char *uid = xstrdup(text);
	char *colon = strchr(uid, ':');
	int64_t user, group = process->gid;

	if (colon)
		*colon = '\0';
	if (str_to_int(uid, 0, UINT32_MAX - 1, &user, &why) < 0 ||
	    (colon && str_to_int(colon + 1, 0, UINT32_MAX - 1, &group, &why) < 0))
		return error_set(err, ERR_USAGE,
		                 "--user must be UID or UID:GID in numbers, not `%s`", text);
	process->uid = (uint32_t)user;
	process->gid = (uint32_t)group;
	return 0;
}

static int change_process(struct spec_process *process, const struct exec_options *options,
                          int argc, char **argv, struct error *err)
{
	strv_release(&process->args);
	for (int i = 0; i < argc; i++)
		strv_add(&process->args, argv[i]);
	for (size_t i = 0; i < options->env.len; i++) {
		char *entry = options->env.items[i], *equals = strchr(entry, '=');

		if (!equals || equals == entry)
			return error_set(err, ERR_USAGE, "--env must be NAME=value, not `%s`",
			                 entry);
		*equals = '\0';
		strv_env_set(&process->env, entry, equals + 1);
	}
	for (size_t i = 0; i < options->caps.len; i++)
		if (!spec_cap_add(&process->caps.bounding, options->caps.items[i]) ||
		    !spec_cap_add(&process->caps.effective, options->caps.items[i]) ||
		    !spec_cap_add(&process->caps.permitted, options->caps.items[i]))
			return error_set(err, ERR_USAGE, "--cap: `%s` is not a capability",
			                 options->caps.items[i]);
	for (size_t i = 0; i < options->groups.len; i++) {
		int64_t gid;

		if (str_to_int(options->groups.items[i], 0, UINT32_MAX - 1, &gid, err) < 0)
			return error_wrap(err, "--additional-gids");
		*array_add(&process->groups) = (gid_t)gid;
	}
	if (options->cwd)
		process->cwd = options->cwd;
	process->terminal = options->has_tty;
	return options->user ? parse_user(process, options->user, err) : 0;
}

/* The process of --process, or the container's own with what the options change. */
static int choose_process(struct spec_process *process, json_t **document,
                          const struct exec_options *options, int argc, char **argv,
                          struct error *err)
{
	struct node node = {NULL, NULL, "process", 0};

	if (!options->process) {
		if (argc == 0)
			return error_set(err, ERR_USAGE, "exec needs a command, or --process");
		if (change_process(process, options, argc, argv, err) < 0)
			return -1;
	} else {
		*document = json_parse_file(options->process, SPEC_FILE_MAX, err);
		if (!*document)
			return error_wrap(err, "--process");
		node.json = *document;
		spec_process_release(process);
		if (spec_process_parse(process, &node, err) < 0)
			return error_wrap(err, "--process %s", options->process);
		process->terminal = process->terminal || options->has_tty;
	}
	if (options->apparmor)
		process->apparmor = options->apparmor;
	if (options->label)
		process->selinux_label = options->label;
	if (label_check(process, NULL, err) < 0)
		return -1;
	process->no_new_privileges = process->no_new_privileges || options->no_new_privs;
	if (options->is_detached && process->terminal && !options->console_socket)
		return error_set(err, ERR_USAGE, "--detach with a terminal needs --console-socket");
	if (process->cwd[0] != '/')
		return error_set(err, ERR_USAGE, "--cwd must be absolute, not `%s`", process->cwd);
	return 0;
}

static int check_running(const struct state *state, const struct exec_options *options,
                         struct error *err)
{
	enum container_status status = state_status(state);

	if (status == CONTAINER_RUNNING || (status == CONTAINER_PAUSED && options->ignores_pause))
		return 0;
	return error_set(err, ERR_CONFLICT, "container `%s` is %s, not running", state->id,
	                 container_status_name(status));
}

static int start_and_wait(const struct shim *shim, struct container *container,
                          const struct exec_options *options, const struct spec_process *process,
                          struct error *err)
{
	cleanup(plan_exec_release) struct plan_exec exec = {0};
	bool is_outside = false;
	cleanup_close int target = -1, console = -1, pidfd = -1;
	cleanup_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct join_request request = {.state = &container->state,
	                               .proc = proc,
	                               .exec = &exec,
	                               .is_detached = options->is_detached,
	                               .sub_cgroup = options->cgroup,
	                               .is_outside = &is_outside};
	const struct spec_namespace *mount = &container->spec.ns[NS_MOUNT];
	pid_t pid;

	request.enters_root = !mount->is_set || mount->path;
	if (plan_exec_init(&exec, process, &container->spec.seccomp,
	                   (unsigned)options->preserve_fds, err) < 0)
		return -1;
	exec.proc = proc;
	target = state_open_process(&container->state, err);
	if (target < 0)
		return -1;
	if (options->console_socket) {
		console = console_connect(options->console_socket, err);
		if (console < 0)
			return error_wrap(err, "--console-socket");
	}
	request.pidfd = target;
	request.console_socket = console;
	if (!options->is_detached)
		supervise_block_signals();
	pid = join_start(&request, &container->terminal, err);
	listener_release(&exec.listener);
	if (pid < 0)
		return -1;
	if (is_outside)
		report_warning(shim, "the command is outside of the container's limits: its cgroup "
		                     "cannot be entered from this session");
	if (options->pid_file && write_pid_file(options->pid_file, pid, err) < 0) {
		kill(pid, SIGKILL);
		return -1;
	}
	if (options->is_detached)
		return 0;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return error_errno(err, errno, "pidfd_open");
	return supervise(pidfd, pid, container->terminal, err);
}

int cmd_exec(const struct shim *shim, const struct command *self, int argc, char **argv,
             struct error *err)
{
	cleanup(container_release) struct container container = CONTAINER_INIT;
	cleanup(release_options) struct exec_options options = {0};
	cleanup_json json_t *document = NULL;
	cleanup_close int root = -1;
	int n = parse(&options, self, argc, argv, err);

	if (n < 0)
		return n;
	root = state_open_root(shim->root, err);
	if (root < 0 ||
	    (options.is_awaited ? state_wait_load : state_load)(&container.state, root, argv[0],
	                                                        err) < 0 ||
	    state_wait_created(&container.state, err) < 0 ||
	    check_running(&container.state, &options, err) < 0 ||
	    state_load_config(&container.state, &container.spec, err) < 0 ||
	    seal_self(&container.spec, err) < 0)
		return -1;
	if (choose_process(&container.spec.process, &document, &options, n - 1, argv + 1, err) < 0)
		return -1;
	report_unknown_caps(shim, &container.spec.process.unknown_caps);
	return start_and_wait(shim, &container, &options, &container.spec.process, err);
}
