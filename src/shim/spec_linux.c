#include "base/error.h"
#include "shim/node.h"
#include "shim/spec.h"

#include <limits.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>

#define EXTENTS_MAX 340 /* what the kernel takes; user_namespaces(7) */

static int parse_namespace(struct spec *spec, const struct node *node, struct error *err)
{
	static const char *const types[NS_COUNT] = {
		[NS_USER] = "user",     [NS_MOUNT] = "mount", [NS_PID] = "pid",
		[NS_NET] = "network",   [NS_IPC] = "ipc",     [NS_UTS] = "uts",
		[NS_CGROUP] = "cgroup", [NS_TIME] = "time",
	};
	struct spec_namespace ns = {.is_set = true};
	struct node type = node_child(node, "type");
	const char *name = NULL;
	size_t kind = 0;

	if (node_need_object(node, err) < 0 || node_as_str(&type, &name, err) < 0 ||
	    node_str(node, "path", &ns.path, err) < 0)
		return -1;
	while (kind < NS_COUNT && !str_eq(types[kind], name))
		kind++;
	if (kind == NS_COUNT)
		return node_error(&type, err, "\"%s\" is not a namespace", name);
	if (spec->ns[kind].is_set)
		return node_error(&type, err, "\"%s\" is there twice", name);
	if (ns.path && ns.path[0] != '/')
		return node_error(node, err, "path must be absolute, not \"%s\"", ns.path);
	spec->ns[kind] = ns;
	return 0;
}

static int parse_namespaces(struct spec *spec, const struct node *node, struct error *err)
{
	struct node list;

	if (node_array(node, "namespaces", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);

		if (parse_namespace(spec, &item, err) < 0)
			return -1;
	}
	return 0;
}

static bool ranges_overlap(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count)
{
	return (uint64_t)a < (uint64_t)b + b_count && (uint64_t)b < (uint64_t)a + a_count;
}

static int add_extent(struct spec_extents *map, struct spec_extent extent, const struct node *node,
                      struct error *err)
{
	if (extent.count == 0)
		return node_error(node, err, "size is 0");
	if ((uint64_t)extent.inside + extent.count > UINT32_MAX ||
	    (uint64_t)extent.outside + extent.count > UINT32_MAX)
		return node_error(node, err, "goes beyond the last id");
	array_foreach(other, map) {
		if (ranges_overlap(extent.inside, other->inside, extent.count, other->count) ||
		    ranges_overlap(extent.outside, other->outside, extent.count, other->count))
			return node_error(node, err, "overlaps another mapping");
	}
	*array_add(map) = extent;
	return 0;
}

static int parse_extent(struct spec_extents *map, const struct node *node, struct error *err)
{
	struct spec_extent extent = {0};

	if (node_need_object(node, err) < 0 || node_need(node, "containerID", err) < 0 ||
	    node_need(node, "hostID", err) < 0 || node_need(node, "size", err) < 0 ||
	    node_u32(node, "containerID", &extent.inside, err) < 0 ||
	    node_u32(node, "hostID", &extent.outside, err) < 0 ||
	    node_u32(node, "size", &extent.count, err) < 0)
		return -1;
	return add_extent(map, extent, node, err);
}

int spec_map_parse(const struct node *node, const char *key, struct spec_extents *map,
                   struct error *err)
{
	struct node list;

	if (node_array(node, key, &list, err) < 0)
		return -1;
	if (node_len(&list) > EXTENTS_MAX)
		return node_error(&list, err, "has more than %d mappings", EXTENTS_MAX);
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);

		if (parse_extent(map, &item, err) < 0)
			return -1;
	}
	return 0;
}

/* "0-1000-1", a range of crun's. */
static bool read_range(const char *text, struct spec_extent *ret)
{
	uint32_t *numbers[] = {&ret->inside, &ret->outside, &ret->count};
	cleanup_free char *copy = xstrdup(text);
	char *save = NULL, *word = strtok_r(copy, "-", &save);

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++, word = strtok_r(NULL, "-", &save)) {
		cleanup(error_release) struct error ignored = ERROR_INIT;
		int64_t number;

		if (!word || str_to_int(word, 0, UINT32_MAX, &number, &ignored) < 0)
			return false;
		*numbers[i] = (uint32_t)number;
	}
	return !word;
}

int spec_map_parse_text(const struct node *node, const char *text, struct spec_mount *mount,
                        struct error *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *at = copy;

	for (char *part; (part = strsep(&at, ";"));) {
		struct spec_extents *map = str_starts(part, "uids=")   ? &mount->uid_map
		                           : str_starts(part, "gids=") ? &mount->gid_map
		                                                       : NULL;
		char *ranges = part + strlen("uids=");

		if (!map)
			return node_error(node, err,
			                  "must be as \"idmap=uids=0-1000-1;gids=0-1000-1\"");
		for (char *range; (range = strsep(&ranges, "#"));) {
			struct spec_extent extent;

			if (*range == '@')
				return node_unsupported(node, "a map relative to the container's",
				                        err);
			if (!read_range(range, &extent))
				return node_error(node, err, "\"%s\" must be as \"0-1000-1\"",
				                  range);
			if (add_extent(map, extent, node, err) < 0)
				return -1;
			if (map->len > EXTENTS_MAX)
				return node_error(node, err, "has more than %d mappings",
				                  EXTENTS_MAX);
		}
	}
	return 0;
}

static int parse_device(struct spec *spec, const struct node *node, struct error *err)
{
	struct spec_device device = {.type = S_IFCHR};
	int64_t mode = 0666;
	const char *type = NULL;

	if (node_need_object(node, err) < 0 || node_need_str(node, "path", &device.path, err) < 0 ||
	    node_need_str(node, "type", &type, err) < 0 ||
	    node_u32(node, "major", &device.major, err) < 0 ||
	    node_u32(node, "minor", &device.minor, err) < 0 ||
	    node_int(node, "fileMode", 0, 07777 | S_IFMT, &mode, err) < 0 ||
	    node_u32(node, "uid", &device.uid, err) < 0 ||
	    node_u32(node, "gid", &device.gid, err) < 0)
		return -1;
	if (device.path[0] != '/' || strlen(device.path) >= PATH_MAX)
		return node_error(node, err, "path must be absolute, not \"%s\"", device.path);
	if (str_eq(type, "b"))
		device.type = S_IFBLK;
	else if (str_eq(type, "p"))
		device.type = S_IFIFO;
	else if (!str_eq(type, "c") && !str_eq(type, "u"))
		return node_error(node, err, "type must be \"c\", \"u\", \"b\" or \"p\"");
	if (device.type != S_IFIFO &&
	    (node_need(node, "major", err) < 0 || node_need(node, "minor", err) < 0))
		return -1;
	device.mode = (mode_t)mode & 07777;
	*array_add(&spec->devices) = device;
	return 0;
}

static int parse_devices(struct spec *spec, const struct node *node, struct error *err)
{
	struct node list;

	if (node_array(node, "devices", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);

		if (parse_device(spec, &item, err) < 0)
			return -1;
	}
	return 0;
}

/* What `hostname` or `domainname` says already; a user namespace could not write it. */
static bool repeats_name(const struct spec *spec, const char *key, const char *value)
{
	return (str_eq(key, "kernel.hostname") && str_eq_null(spec->hostname, value)) ||
	       (str_eq(key, "kernel.domainname") && str_eq_null(spec->domainname, value));
}

static int parse_sysctl(struct spec *spec, const struct node *node, struct error *err)
{
	struct node object;
	const char *key;
	json_t *value;

	if (node_object(node, "sysctl", &object, err) < 0)
		return -1;
	json_object_foreach(object.json, key, value) {
		struct node item = node_child(&object, key);
		struct spec_pair pair = {.key = key};

		if (node_as_str(&item, &pair.value, err) < 0)
			return -1;
		if (!*key || strlen(key) > 200 || strstr(key, "..") || *key == '/' || *key == '.')
			return node_error(&item, err, "is not the name of a sysctl");
		if (!repeats_name(spec, key, pair.value))
			*array_add(&spec->sysctls) = pair;
	}
	return 0;
}

/* Only what belongs to a namespace of the container may change. */
static int check_sysctls(const struct spec *spec, struct error *err)
{
	static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
	                                  "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
	                                  "kernel.shmmni", "kernel.shm_rmid_forced"};

	array_foreach(pair, &spec->sysctls) {
		cleanup_free char *key = xstrdup(pair->key);
		bool is_ipc, is_uts;

		for (char *at = key; *at; at++)
			if (*at == '/')
				*at = '.';
		is_ipc = str_starts(key, "fs.mqueue.");
		for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
			is_ipc = is_ipc || str_eq(key, ipc[i]);
		if (str_eq(key, "kernel.hostname") ||
		    (str_eq(key, "kernel.domainname") && spec->domainname))
			return error_set(err, ERR_CONFIG,
			                 "linux.sysctl.%s: is set by `%s` of config.json",
			                 pair->key, key + strlen("kernel."));
		is_uts = str_eq(key, "kernel.domainname");
		if (is_ipc && spec->ns[NS_IPC].is_set)
			continue;
		if (is_uts && spec->ns[NS_UTS].is_set)
			continue;
		if (str_starts(key, "net.") && spec->ns[NS_NET].is_set)
			continue;
		return error_set(err, ERR_CONFIG,
		                 "linux.sysctl.%s: does not belong to a namespace of the container",
		                 pair->key);
	}
	return 0;
}

/* What the kernel takes as a name; "%d" stands for the first number that is free. */
static bool is_device_name(const char *name)
{
	const char *percent = strchr(name, '%');

	return *name && strlen(name) < IFNAMSIZ && !str_eq(name, ".") && !str_eq(name, "..") &&
	       !strpbrk(name, "/: \t\n\v\f\r") &&
	       (!percent || (percent[1] == 'd' && !strchr(percent + 1, '%')));
}

static int parse_net_devices(struct spec *spec, const struct node *node, struct error *err)
{
	const struct spec_namespace *net = &spec->ns[NS_NET];
	struct node object;
	const char *key;
	json_t *value;

	if (node_object(node, "netDevices", &object, err) < 0)
		return -1;
	json_object_foreach(object.json, key, value) {
		struct node item = node_child(&object, key);
		struct spec_pair pair = {.key = key, .value = NULL};

		if (node_need_object(&item, err) < 0 ||
		    node_str(&item, "name", &pair.value, err) < 0)
			return -1;
		if (str_empty(pair.value))
			pair.value = key;
		if (!is_device_name(key) || strchr(key, '%') || !is_device_name(pair.value))
			return node_error(&item, err, "is not the name of a network device");
		if (!net->is_set)
			return node_error(&item, err,
			                  "there is no network namespace to move it to");
		*array_add(&spec->net_devices) = pair;
	}
	return 0;
}

static int parse_propagation(struct spec *spec, const struct node *node, struct error *err)
{
	struct node item = node_child(node, "rootfsPropagation");
	const char *word = NULL;

	if (!node_exists(&item))
		return 0;
	if (node_as_str(&item, &word, err) < 0)
		return -1;
	if (!*word)
		return 0;
	spec->propagation = mount_propagation(word);
	if (!spec->propagation)
		return node_error(&item, err, "\"%s\" is not a propagation", word);
	return 0;
}

static int parse_personality(struct spec *spec, const struct node *node, struct error *err)
{
	struct node object, domain, flags;
	const char *name = NULL;

	if (node_object(node, "personality", &object, err) < 0)
		return -1;
	if (!node_exists(&object))
		return 0;
	domain = node_child(&object, "domain");
	if (node_as_str(&domain, &name, err) < 0 || node_array(&object, "flags", &flags, err) < 0)
		return -1;
	if (node_len(&flags) > 0)
		return node_unsupported(&flags, "a personality flag", err);
	if (!str_eq(name, "LINUX") && !str_eq(name, "LINUX32"))
		return node_error(&domain, err, "must be LINUX or LINUX32, not \"%s\"", name);
	spec->has_personality = true;
	spec->personality = str_eq(name, "LINUX32") ? PER_LINUX32 : PER_LINUX;
	return 0;
}

static int parse_offset(const struct node *offsets, const char *key, struct spec_time_offset *ret,
                        struct error *err)
{
	struct node offset;
	int64_t nanosecs = 0;

	if (node_object(offsets, key, &offset, err) < 0 ||
	    node_int(&offset, "secs", INT64_MIN, INT64_MAX, &ret->secs, err) < 0 ||
	    node_int(&offset, "nanosecs", 0, 999999999, &nanosecs, err) < 0)
		return -1;
	ret->nanosecs = (uint32_t)nanosecs;
	ret->is_set = node_exists(&offset);
	return 0;
}

static int parse_time_offsets(struct spec *spec, const struct node *node, struct error *err)
{
	const struct spec_namespace *ns = &spec->ns[NS_TIME];
	struct node offsets;

	if (node_object(node, "timeOffsets", &offsets, err) < 0 ||
	    parse_offset(&offsets, "monotonic", &spec->monotonic, err) < 0 ||
	    parse_offset(&offsets, "boottime", &spec->boottime, err) < 0)
		return -1;
	if ((spec->monotonic.is_set || spec->boottime.is_set) && (!ns->is_set || ns->path))
		return node_error(&offsets, err, "there is no new time namespace");
	return 0;
}

static int refuse_unsupported(const struct node *node, struct error *err)
{
	static const struct {
		const char *key, *what;
	} refused[] = {
		{"intelRdt", "intelRdt"},
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct node item = node_child(node, refused[i].key);

		if (node_exists(&item) &&
		    !(json_is_object(item.json) && !json_object_size(item.json)))
			return node_unsupported(&item, refused[i].what, err);
	}
	return 0;
}

int spec_linux_parse(struct spec *spec, const struct node *node, struct error *err)
{
	struct node resources, seccomp, cgroups_path = node_child(node, "cgroupsPath");

	if (parse_namespaces(spec, node, err) < 0 ||
	    spec_map_parse(node, "uidMappings", &spec->uid_map, err) < 0 ||
	    spec_map_parse(node, "gidMappings", &spec->gid_map, err) < 0 ||
	    parse_devices(spec, node, err) < 0 || parse_sysctl(spec, node, err) < 0 ||
	    check_sysctls(spec, err) < 0 || parse_net_devices(spec, node, err) < 0 ||
	    node_str(node, "cgroupsPath", &spec->cgroups_path, err) < 0 ||
	    node_str(node, "mountLabel", &spec->mount_label, err) < 0 ||
	    parse_propagation(spec, node, err) < 0 ||
	    node_strv(node, "maskedPaths", &spec->masked_paths, err) < 0 ||
	    node_strv(node, "readonlyPaths", &spec->readonly_paths, err) < 0 ||
	    parse_personality(spec, node, err) < 0 || parse_time_offsets(spec, node, err) < 0 ||
	    spec_memory_policy_parse(&spec->memory_policy, node, err) < 0 ||
	    refuse_unsupported(node, err) < 0 ||
	    node_object(node, "resources", &resources, err) < 0 ||
	    node_object(node, "seccomp", &seccomp, err) < 0)
		return -1;
	if (str_eq_null(spec->cgroups_path, ""))
		spec->cgroups_path = NULL;
	if (spec->cgroups_path && strlen(spec->cgroups_path) >= PATH_MAX / 2)
		return node_error(&cgroups_path, err, "is too long");
	if (node_exists(&resources) && spec_resources_parse(&spec->resources, &resources, err) < 0)
		return -1;
	if (node_exists(&seccomp) && spec_seccomp_parse(&spec->seccomp, &seccomp, err) < 0)
		return -1;
	return 0;
}
