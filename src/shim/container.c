#include "shim/container.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/userns.h"
#include "shim/console.h"
#include "shim/exec.h"
#include "shim/hooks.h"
#include "shim/idmap.h"
#include "shim/mounts.h"
#include "shim/namespaces.h"
#include "shim/net_devices.h"
#include "shim/seal.h"
#include "shim/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define KILL_WAIT_MS 10000
#define KILL_SOON_MS 500 /* dead by then, unless frozen in a cgroup that is not ours */

#define ROOT_MEMORY_ANNOTATION "locald.root-memory"

/* What is open while a container is made. */
struct making {
	struct plan plan;
	struct cgroup_host cgroups;
	int sync[2]; /* ours, the child's */
	int joined[NS_COUNT];
	int start_socket, console_socket;
	int userns; /* the child's, where the server of its root enters it */
	pid_t pid;
	bool has_run_hooks;
};

static void making_close(struct making *making)
{
	for (size_t i = 0; i < 2; i++)
		close_fd(&making->sync[i]);
	for (size_t i = 0; i < NS_COUNT; i++)
		close_fd(&making->joined[i]);
	close_fd(&making->userns);
	close_fd(&making->start_socket);
	close_fd(&making->console_socket);
}

static void making_release(struct making *making)
{
	making_close(making);
	plan_release(&making->plan);
	cgroup_host_release(&making->cgroups);
}

int write_pid_file(const char *path, pid_t pid, struct error *err)
{
	cleanup_free char *text = xasprintf("%d", pid);
	cleanup_free char *temporary = xasprintf("%s.%d", path, getpid());
	cleanup_close int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_errno(err, errno, "--pid-file %s", path);
	if (write(fd, text, strlen(text)) < 0 || rename(temporary, path) < 0) {
		error_errno(err, errno, "--pid-file %s", path);
		unlink(temporary);
		return -1;
	}
	return 0;
}

static bool has_cgroup_mount(const struct spec *spec)
{
	array_foreach(mount, &spec->mounts)
		if (str_eq_null(mount->type, "cgroup") || str_eq_null(mount->type, "cgroup2"))
			return true;
	return false;
}

static bool wants_cgroup(const struct spec *spec)
{
	return spec->cgroups_path || spec->resources.limits.len > 0 ||
	       spec->resources.devices.len > 0 || has_cgroup_mount(spec);
}

static int make_cgroup(struct container *container, const struct container_request *options,
                       struct making *making, struct error *err)
{
	const struct spec *spec = &container->spec;
	const struct cgroup_request request = {
		.id = container->state.id,
		.path = spec->cgroups_path,
		.resources = &spec->resources,
		.wants_all = has_cgroup_mount(spec),
		/* In a user namespace there are only the devices of config.json. */
		.wants_devices =
			geteuid() == 0 && (!making->plan.has_new_userns || spec->devices.len > 0),
		/* As crun: podman passes an ordinary user's limits on without a look. */
		.may_be_without = geteuid() != 0,
	};
	cleanup(error_release) struct error why = ERROR_INIT;
	int made;

	making->plan.cgroups = &making->cgroups;
	making->plan.cgroup = &container->state.cgroup;
	if (!wants_cgroup(spec))
		return 0;
	if (cgroup_host_read(&making->cgroups, err) < 0)
		return -1;
	if (options->no_cgroup)
		return 0;
	if (options->has_own_cgroup && cgroup_make_room(&making->cgroups, err) < 0)
		return -1;
	made = cgroup_make(&container->state.cgroup, &making->cgroups, &request, &why);
	if (made < 0)
		return error_move(err, &why);
	if (made == 1)
		container->no_limits = xstrdup(why.text);
	return 0;
}

static int prepare(struct container *container, const struct container_request *request,
                   struct making *making, struct error *err)
{
	struct plan *plan = &making->plan;

	if (make_cgroup(container, request, making, err) < 0 ||
	    namespaces_open(&container->spec, making->joined, err) < 0 ||
	    mounts_map_ids(plan, making->joined[NS_USER], err) < 0 ||
	    devices_make_outside(plan, err) < 0)
		return -1;
	if (request->console_socket) {
		making->console_socket = console_connect(request->console_socket, err);
		if (making->console_socket < 0)
			return error_wrap(err, "--console-socket");
	}
	if (request->is_waiting) {
		making->start_socket = state_listen_start(&container->state, err);
		if (making->start_socket < 0)
			return -1;
	}
	for (size_t i = 0; i < HOOK_COUNT && container->hook_state < 0; i++)
		if (container->spec.hooks[i].len > 0 &&
		    (container->hook_state = hooks_state_new(err)) < 0)
			return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, making->sync) < 0)
		return error_errno(err, errno, "socketpair");
	plan->sync = making->sync[1];
	plan->exec.parent = request->is_detached ? -1 : making->sync[1];
	plan->start_socket = making->start_socket;
	plan->console_socket = making->console_socket;
	plan->hook_state = container->hook_state;
	return 0;
}

int container_run_hooks(struct container *container, enum spec_hook_kind kind, const char *name,
                        const char *status, struct error *err)
{
	cleanup_free char *json = NULL;

	if (container->spec.hooks[kind].len == 0)
		return 0;
	json = state_document(&container->state, status);
	if (hooks_set_state(container->hook_state, json, err) < 0)
		return -1;
	return hooks_run(&container->spec.hooks[kind], name, container->hook_state, err);
}

static int identify_process(struct container *container, pid_t pid, struct error *err)
{
	struct state *state = &container->state;
	struct proc_stat child;

	if (proc_read_stat(pid, &child, err) < 0)
		return -1;
	container->pidfd = pidfd_open(pid, 0);
	if (container->pidfd < 0)
		return error_errno(err, errno, "pidfd_open");
	state->pid = pid;
	state->start_ticks = child.start_ticks;
	return 0;
}

static int identify_ourselves(struct container *container, const struct container_request *request,
                              struct error *err)
{
	struct state *state = &container->state;
	struct proc_stat self;

	if (request->is_detached || request->is_kept)
		return 0;
	if (proc_read_stat(getpid(), &self, err) < 0)
		return -1;
	state->has_foreground = true;
	state->foreground_pid = getpid();
	state->foreground_ticks = self.start_ticks;
	return 0;
}

/* Where the child will be root soon, which is when an ordinary user may no longer look at it. */
static int open_userns(struct making *making, struct error *err)
{
	char path[64];

	if (!making->plan.overlay.program)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", making->pid);
	making->userns = open(path, O_RDONLY | O_CLOEXEC);
	return making->userns < 0 ? error_errno(err, errno, "%s", path) : 0;
}

static int move_net_devices(const struct making *making, struct error *err)
{
	cleanup_close int netns = -1;
	char path[64];

	if (making->plan.spec->net_devices.len == 0)
		return 0;
	snprintf(path, sizeof(path), "%d/ns/net", making->pid);
	netns = openat(making->plan.proc, path, O_RDONLY | O_CLOEXEC);
	return netns < 0 ? error_errno(err, errno, "linux.netDevices")
	                 : net_devices_move(making->plan.spec, netns, err);
}

/* What the child needs before it can begin, and what cannot be looked at later. */
static int launch(struct container *container, struct making *making, struct error *err)
{
	const struct spec *spec = &container->spec;
	cleanup_close int v2 = cgroup_open_v2(&container->state.cgroup);

	making->pid = namespaces_clone(&making->plan, making->joined, v2, making->sync[0], err);
	if (making->pid < 0)
		return -1;
	close(take_fd(making->sync[1]));
	if (identify_process(container, making->pid, err) < 0 ||
	    exec_prepare_from_outside(&spec->process, making->pid, making->plan.proc, err) < 0)
		return -1;
	if (making->plan.has_new_userns &&
	    idmap_write(&spec->uid_map, &spec->gid_map, making->pid, err) < 0)
		return -1;
	if (move_net_devices(making, err) < 0 ||
	    cgroup_join(&container->state.cgroup, NULL, making->pid, v2 >= 0, err) < 0 ||
	    open_userns(making, err) < 0)
		return -1;
	return sync_send(making->sync[0], SYNC_GO, err);
}

/* While the child makes its mounts: what must stand before anything else of the container runs. */
static int record(struct container *container, const struct container_request *request,
                  struct making *making, struct error *err)
{
	struct state *state = &container->state;
	cleanup_free char *json = NULL;

	if (identify_ourselves(container, request, err) < 0 ||
	    state_begin_creating(state, &container->spec, err) < 0 || state_save(state, err) < 0 ||
	    listener_describe(&making->plan.exec.listener, state, "creating", making->pid, err) < 0)
		return -1;
	if (container->hook_state < 0)
		return 0;
	json = state_document(state, "creating");
	return hooks_set_state(container->hook_state, json, err);
}

static int tell_recorded(const struct making *making, struct error *err)
{
	if (sync_send(making->sync[0], SYNC_RECORDED, err) == 0)
		return 0;
	/* It has failed: why, is to be read. */
	if (err->code != EPIPE && err->code != ECONNRESET)
		return -1;
	error_release(err);
	return 0;
}

/* Nobody but the server keeps the descriptor: the mount ends with it. */
static int serve_root(struct container *container, struct making *making, int fuse,
                      struct error *err)
{
	int result =
		fuse_root_serve(&making->plan, making->userns, fuse, &container->root_server, err);

	if (fuse >= 0)
		close(fuse);
	return result < 0 ? error_wrap(err, "mounts[0]") : 0;
}

/* Listens to the child until it runs, or waits. */
static int follow(struct container *container, struct making *making, struct error *err)
{
	int sock = making->sync[0];

	for (;;) {
		int fd, kind = sync_receive(sock, &fd, err);

		switch (kind) {
		case -1:
			return -1;
		case SYNC_HOOKS:
			making->has_run_hooks = true;
			/* As in 1.0, where these ran after `create`. */
			if (container_run_hooks(container, HOOK_PRESTART, "prestart", "created",
			                        err) < 0 ||
			    container_run_hooks(container, HOOK_CREATE_RUNTIME, "createRuntime",
			                        "creating", err) < 0 ||
			    sync_send(sock, SYNC_GO, err) < 0)
				return -1;
			break;
		case SYNC_ROOT:
			if (serve_root(container, making, fd, err) < 0)
				return -1;
			break;
		case SYNC_CONSOLE:
			container->terminal = fd;
			break;
		case SYNC_READY:
			return 0;
		case SYNC_END:
			/* With a wait ahead the end can only be a death. */
			if (!making->plan.is_waiting)
				return 0;
			return error_set(err, ERR_FAILED, "the container's process was killed");
		default:
			return error_set(err, EPROTO, "unexpected message %d", kind);
		}
	}
}

static void undo(struct container *container, struct making *making)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;

	/* Removing takes descriptors, of which there may be none left. */
	making_close(making);
	close_fd(&making->plan.proc);
	close_fd(&making->plan.exe);
	/* The first error is the one to report; what is undone is ours alone. */
	if (making->pid > 0) {
		kill(making->pid, SIGKILL);
		while (waitpid(making->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fuse_root_end(&container->root_server);
	/* A `delete --force` may be at it, too. */
	if (state_lock(&container->state, &ignored) != 1)
		return;
	if (cgroup_remove(&container->state.cgroup, &ignored) < 0)
		error_release(&ignored);
	/* What the hooks of the start began, those of the end are to end. */
	if (making->has_run_hooks &&
	    container_run_hooks(container, HOOK_POSTSTOP, "poststop", "stopped", &ignored) < 0)
		error_release(&ignored);
	if (state_remove(&container->state, &ignored) < 0)
		error_release(&ignored);
}

static int make(struct container *container, const struct container_request *request,
                struct making *making, struct error *err)
{
	struct state *state = &container->state;

	state->bundle = xstrdup(request->bundle);
	state->rootfs = xstrdup(making->plan.rootfs);
	state->annotations = json_incref(container->spec.annotations);
	if (prepare(container, request, making, err) < 0 || launch(container, making, err) < 0 ||
	    record(container, request, making, err) < 0)
		return -1;
	/* Before the program may run: whoever hears of it finds its pid. */
	if (request->pid_file && write_pid_file(request->pid_file, making->pid, err) < 0)
		return -1;
	if (tell_recorded(making, err) == 0 && follow(container, making, err) == 0 &&
	    state_end_creating(state, err) == 0)
		return 0;
	fuse_root_explain(&container->root_server, &making->plan, err);
	if (request->pid_file)
		unlink(request->pid_file);
	return -1;
}

static void take_extents(struct spec_extents *map, const struct userns_extent *extents, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*array_add(map) = (struct spec_extent){extents[i].inside, extents[i].outside,
		                                       extents[i].count};
}

/*
 * Without one an ordinary user can make no container: as crun does, the caller is root inside, also
 * where config.json has the namespace and no maps.
 */
static int add_user_namespace(struct container *container, struct error *err)
{
	struct spec *spec = &container->spec;
	struct spec_namespace *user = &spec->ns[NS_USER];
	struct userns_map map;

	if (user->path || spec->uid_map.len > 0)
		return 0;
	if (geteuid() == 0)
		return user->is_set ? error_set(err, ERR_CONFIG,
		                                "linux.namespaces: a user namespace needs "
		                                "linux.uidMappings and linux.gidMappings")
		                    : 0;
	if (userns_map_for_caller(&map, err) < 0)
		return -1;
	user->is_set = true;
	container->has_one_id = map.is_single;
	take_extents(&spec->uid_map, map.uid, map.uids);
	take_extents(&spec->gid_map, map.gid, map.gids);
	return 0;
}

/* sd_listen_fds(3): the program is process 1 of its namespace. */
static void tell_listen_fds(struct spec *spec, unsigned count)
{
	char text[16];

	if (count == 0 || strv_env_get(&spec->process.env, "LISTEN_FDS"))
		return;
	snprintf(text, sizeof(text), "%u", count);
	strv_env_set(&spec->process.env, "LISTEN_FDS", text);
	if (!strv_env_get(&spec->process.env, "LISTEN_PID"))
		strv_env_set(&spec->process.env, "LISTEN_PID", "1");
}

/* locald's choice of a root file system does not work (any more): it is to be made again. */
static void forget_root(const struct plan *plan, const struct error *err)
{
	const char *memory = json_get_str(plan->spec->annotations, ROOT_MEMORY_ANNOTATION, NULL);

	if (plan->overlay.is_set && memory && str_starts(err->text, "mounts[0]"))
		unlink(memory);
}

int container_create(struct container *container, const struct container_request *request,
                     struct error *err)
{
	cleanup(making_release) struct making making = {.sync = {-1, -1},
	                                                .start_socket = -1,
	                                                .console_socket = -1,
	                                                .userns = -1,
	                                                .pid = -1};
	const struct plan_options options = {
		.id = request->id,
		.bundle = request->bundle,
		.has_init = request->has_init,
		.no_pivot = request->no_pivot,
		.no_new_keyring = request->no_new_keyring,
		.is_waiting = request->is_waiting,
		.preserve_fds = request->preserve_fds,
	};

	cleanup_free char *config = request->config
	                                    ? path_absolute(request->bundle, request->config)
	                                    : path_join(request->bundle, "config.json");

	for (size_t i = 0; i < NS_COUNT; i++)
		making.joined[i] = -1;
	if (spec_load(&container->spec, config, err) < 0 ||
	    add_user_namespace(container, err) < 0 || seal_self(&container->spec, err) < 0)
		return -1;
	tell_listen_fds(&container->spec, request->listen_fds);
	if (plan_init(&making.plan, &container->spec, &options, err) < 0)
		return -1;
	if (request->console_socket && !container->spec.process.terminal)
		return error_set(err, ERR_USAGE,
		                 "--console-socket: process.terminal is false in config.json");
	if (request->is_detached && container->spec.process.terminal && !request->console_socket)
		return error_set(err, ERR_USAGE,
		                 "process.terminal: needs --console-socket where "
		                 "nobody waits for the container");
	if (state_new(&container->state, request->root, request->id, err) < 0)
		return -1;
	if (make(container, request, &making, err) == 0)
		return 0;
	forget_root(&making.plan, err);
	undo(container, &making);
	return -1;
}

int container_kill(const struct container *container, struct error *err)
{
	const struct state *state = &container->state;
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
	if (poll(&poll_fd, 1, KILL_SOON_MS) == 0)
		cgroup_take_back(&state->cgroup, state->pid);
	if (poll(&poll_fd, 1, KILL_WAIT_MS) == 0)
		return error_set(err, ERR_TIMEOUT, "container `%s` did not end", state->id);
	return 0;
}

int container_destroy(struct container *container, struct error *err)
{
	cleanup(error_release) struct error failed = ERROR_INIT;
	struct state *state = &container->state;
	int is_there = state_lock(state, err);

	/* `run` and `delete` may both come to remove it; one does. */
	if (is_there <= 0)
		return is_there;
	if (state_reload_cgroup(state, err) < 0 || cgroup_remove(&state->cgroup, err) < 0)
		return -1;
	if (container_run_hooks(container, HOOK_POSTSTOP, "poststop", "stopped", &failed) < 0) {
		if (state_remove(state, err) < 0)
			return -1;
		error_move(err, &failed);
		return 1;
	}
	return state_remove(state, err);
}

void container_release(struct container *container)
{
	close_fd(&container->terminal);
	close_fd(&container->pidfd);
	close_fd(&container->hook_state);
	free(container->no_limits);
	state_release(&container->state);
	spec_release(&container->spec);
}
