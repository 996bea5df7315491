#include "oci/runtime_config.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/runtime_mounts.h"
#include "oci/runtime_seccomp.h"

#include <errno.h>

#define CPU_PERIOD_US 100000
#define DEFAULT_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What Docker leaves to a container, in the namespace's own terms. */
static const char *const capabilities[] = {
	"CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",     "CAP_FSETID",
	"CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",    "CAP_SETFCAP",
	"CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT",
};

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static const char *const namespaces[] = {"user", "mount", "pid", "uts", "ipc"};

void container_request_release(struct container_request *request)
{
	strv_release(&request->args);
	strv_release(&request->env);
	strv_release(&request->network_hook);
	strv_release(&request->network_end_hook);
	strv_release(&request->network_hosts);
	array_foreach(mount, &request->mounts)
		free(mount->unmapped_because);
	array_release(&request->mounts);
	array_release(&request->groups);
}

int runtime_config_map(const struct container_user *user, struct userns_map *ret, struct error *err)
{
	if (userns_map_for_caller(ret, err) < 0)
		return -1;
	if (ret->is_single)
		userns_map_single(ret, user->uid, user->gid);
	if (userns_host_uid(ret, user->uid) >= 0 && userns_host_gid(ret, user->gid) >= 0)
		return 0;
	error_set(err, EINVAL, "user %u:%u of the image is beyond your subordinate ids", user->uid,
	          user->gid);
	return error_hint(err, "give yourself a larger range in /etc/subuid and /etc/subgid");
}

static json_t *string_list(const char *const *items, size_t len)
{
	json_t *list = json_array();

	for (size_t i = 0; i < len; i++)
		json_array_append_new(list, json_string(items[i]));
	return list;
}

static int make_args(const struct container_request *request, struct strv *args, struct error *err)
{
	bool is_image = request->args.len == 0;

	if ((is_image || request->keep_entrypoint) &&
	    image_entrypoint(request->image, args, err) < 0)
		return -1;
	if (is_image && image_cmd(request->image, args, err) < 0)
		return -1;
	for (size_t i = 0; i < request->args.len; i++)
		strv_add(args, request->args.items[i]);
	if (args->len > 0)
		return 0;
	error_set(err, ERR_USAGE, "the image has neither an entrypoint nor a command");
	return error_hint(err, "say in \"command\" what to run");
}

static void set_default(struct strv *env, const char *name, const char *value)
{
	if (!strv_env_get(env, name))
		strv_env_set(env, name, value);
}

static int make_env(const struct container_request *request, const struct container_user *user,
                    struct strv *env, struct error *err)
{
	if (image_env(request->image, env, err) < 0)
		return -1;
	for (size_t i = 0; i < request->env.len; i++) {
		const char *entry = request->env.items[i];
		const char *equals = strchr(entry, '=');
		cleanup_free char *name = NULL;

		if (!equals || equals == entry)
			return error_set(err, ERR_USAGE, "\"%s\" is not NAME=value", entry);
		name = xstrndup(entry, (size_t)(equals - entry));
		strv_env_set(env, name, equals + 1);
	}
	set_default(env, "PATH", DEFAULT_PATH);
	set_default(env, "HOME", user->home ? user->home : "/");
	set_default(env, "HOSTNAME", request->hostname ? request->hostname : "locald");
	if (request->terminal)
		set_default(env, "TERM", "xterm-256color");
	return 0;
}

/* An image's or a caller's list may be empty: then it is [], not null. */
static json_t *strv_json(const struct strv *v)
{
	return v->len > 0 ? json_from_strv(v) : json_array();
}

static json_t *user_json(const struct container_request *request, const struct container_user *user,
                         const struct userns_map *map)
{
	json_t *value = json_object();
	json_t *groups = json_array();

	json_set_int(value, "uid", user->uid);
	json_set_int(value, "gid", user->gid);
	/* With one id setgroups(2) is denied, and unmapped groups cannot be had. */
	for (size_t i = 0; i < user->groups.len && !map->is_single; i++)
		if (userns_host_gid(map, user->groups.items[i]) >= 0)
			json_array_append_new(groups, json_integer(user->groups.items[i]));
	for (size_t i = 0; i < request->groups.len && !map->is_single; i++)
		json_array_append_new(groups, json_integer(request->groups.items[i]));
	if (json_array_size(groups) > 0)
		json_object_set(value, "additionalGids", groups);
	json_decref(groups);
	return value;
}

/* Only root has them from the start; for others they bound what set-id programs could get. */
static json_t *capabilities_json(const struct container_user *user)
{
	json_t *value = json_object();

	json_object_set_new(value, "bounding", string_list(capabilities, ARRAY_LEN(capabilities)));
	if (user->uid != 0)
		return value;
	json_object_set_new(value, "effective", string_list(capabilities, ARRAY_LEN(capabilities)));
	json_object_set_new(value, "permitted", string_list(capabilities, ARRAY_LEN(capabilities)));
	return value;
}

static json_t *process_json(const struct container_request *request,
                            const struct container_user *user, const struct userns_map *map,
                            struct error *err)
{
	cleanup(strv_release) struct strv args = STRV_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;
	const char *cwd = request->cwd ? request->cwd : image_working_dir(request->image);
	json_t *process;

	if (make_args(request, &args, err) < 0 || make_env(request, user, &env, err) < 0)
		return NULL;
	if (str_empty(cwd))
		cwd = "/";
	if (*cwd != '/') {
		error_set(err, ERR_USAGE, "working directory \"%s\" is not absolute", cwd);
		return NULL;
	}
	process = json_object();
	json_set_bool(process, "terminal", request->terminal);
	json_object_set_new(process, "user", user_json(request, user, map));
	json_object_set_new(process, "args", strv_json(&args));
	json_object_set_new(process, "env", strv_json(&env));
	json_set_str(process, "cwd", cwd);
	json_object_set_new(process, "capabilities", capabilities_json(user));
	json_set_bool(process, "noNewPrivileges", true);
	return process;
}

json_t *runtime_mapping_new(const struct userns_extent *extents, size_t len)
{
	json_t *list = json_array();

	for (size_t i = 0; i < len; i++) {
		json_t *entry = json_object();

		json_set_int(entry, "containerID", extents[i].inside);
		json_set_int(entry, "hostID", extents[i].outside);
		json_set_int(entry, "size", extents[i].count);
		json_array_append_new(list, entry);
	}
	return list;
}

static void add_namespace(json_t *list, const char *type)
{
	json_t *entry = json_object();

	json_set_str(entry, "type", type);
	json_array_append_new(list, entry);
}

static json_t *namespaces_json(const struct container_request *request)
{
	json_t *list = json_array();

	if (request->has_own_network)
		add_namespace(list, "network");

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		add_namespace(list, namespaces[i]);
	if (fs_exists("/proc/self/ns/cgroup"))
		add_namespace(list, "cgroup");
	return list;
}

static json_t *limit_json(const char *key, int64_t limit)
{
	json_t *value = json_object();

	json_set_int(value, key, limit);
	return value;
}

static json_t *resources_json(const struct container_request *request)
{
	json_t *resources = json_object();

	if (request->memory_bytes > 0)
		json_object_set_new(resources, "memory",
		                    limit_json("limit", request->memory_bytes));
	if (request->pids > 0)
		json_object_set_new(resources, "pids", limit_json("limit", request->pids));
	if (request->cpu_millis > 0) {
		json_t *cpu = limit_json("quota", request->cpu_millis * CPU_PERIOD_US / 1000);

		json_set_int(cpu, "period", CPU_PERIOD_US);
		json_object_set_new(resources, "cpu", cpu);
	}
	return resources;
}

static json_t *linux_json(const struct container_request *request, const struct userns_map *map)
{
	json_t *value = json_object();

	json_object_set_new(value, "uidMappings", runtime_mapping_new(map->uid, map->uids));
	json_object_set_new(value, "gidMappings", runtime_mapping_new(map->gid, map->gids));
	json_object_set_new(value, "namespaces", namespaces_json(request));
	json_object_set_new(value, "seccomp", runtime_seccomp_new());
	json_object_set_new(value, "maskedPaths",
	                    string_list(masked_paths, ARRAY_LEN(masked_paths)));
	json_object_set_new(value, "readonlyPaths",
	                    string_list(readonly_paths, ARRAY_LEN(readonly_paths)));
	if (request->memory_bytes > 0 || request->pids > 0 || request->cpu_millis > 0)
		json_object_set_new(value, "resources", resources_json(request));
	/* Ports are the container's own, so that any user in it may have any. */
	if (request->has_own_network)
		json_object_set_new(value, "sysctl",
		                    json_pack("{s:s}", "net.ipv4.ip_unprivileged_port_start", "0"));
	return value;
}

static void add_hook(json_t *hooks, const char *when, const struct strv *args)
{
	json_t *hook, *list;

	if (args->len == 0)
		return;
	hook = json_object();
	list = json_array();
	json_set_str(hook, "path", args->items[0]);
	json_object_set_new(hook, "args", json_from_strv(args));
	json_array_append_new(list, hook);
	json_object_set_new(hooks, when, list);
}

static json_t *hooks_json(const struct container_request *request)
{
	json_t *hooks = json_object();

	add_hook(hooks, "createRuntime", &request->network_hook);
	add_hook(hooks, "poststop", &request->network_end_hook);
	return hooks;
}

static int check_hostname(const char *hostname, struct error *err)
{
	size_t len = strlen(hostname);

	if (len > 0 && len <= 63 &&
	    strspn(hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
	            len)
		return 0;
	return error_set(err, ERR_USAGE, "\"%s\" is no host name", hostname);
}

json_t *runtime_config_new(const struct container_request *request,
                           const struct container_paths *paths, const struct container_user *user,
                           const struct userns_map *map, struct error *err)
{
	const char *hostname = request->hostname ? request->hostname : "locald";
	cleanup_json json_t *config = json_object();
	json_t *process, *mounts, *root, *annotations;

	if (check_hostname(hostname, err) < 0)
		return NULL;
	process = process_json(request, user, map, err);
	if (!process)
		return NULL;
	/* Nothing in it is newer, and runtimes of 2022 take no later one. */
	json_set_str(config, "ociVersion", "1.0.2");
	json_object_set_new(config, "process", process);
	root = json_object();
	json_set_str(root, "path", paths->rootfs);
	json_set_bool(root, "readonly", request->is_readonly);
	json_object_set_new(config, "root", root);
	json_set_str(config, "hostname", hostname);
	mounts = runtime_mounts_new(request, paths, map, err);
	if (!mounts)
		return NULL;
	json_object_set_new(config, "mounts", mounts);
	annotations = json_object();
	json_set_str(annotations, "org.opencontainers.image.manifest.digest",
	             request->image->manifest.digest);
	json_set_str(annotations, "locald.reason", paths->reason);
	if (request->root && request->root->memory)
		json_set_str(annotations, "locald.root-memory", request->root->memory);
	json_object_set_new(config, "annotations", annotations);
	json_object_set_new(config, "linux", linux_json(request, map));
	if (request->network_hook.len > 0)
		json_object_set_new(config, "hooks", hooks_json(request));
	return take_ptr(config);
}
