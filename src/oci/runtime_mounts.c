#include "oci/runtime_mounts.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/runtime_idmap.h"

#include <errno.h>

#define TTY_GID 5

struct fixed_mount {
	const char *target, *type, *source;
	const char *options[8];
};

static const struct fixed_mount before_dev[] = {
	{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
	{"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
};

static const struct fixed_mount after_dev[] = {
	{"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	{"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
};

/* A sysfs shows the interfaces of a network namespace, and is made by who owns that. */
static const struct fixed_mount own_sys = {
	"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}};
static const struct fixed_mount sys_of_host = {
	"/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "rro"}};

static json_t *mount_new(const char *target, const char *type, const char *source)
{
	json_t *mount = json_object();

	json_set_str(mount, "destination", target);
	json_set_str(mount, "type", type);
	json_set_str(mount, "source", source);
	json_object_set_new(mount, "options", json_array());
	return mount;
}

static void add_option(json_t *mount, const char *option)
{
	json_array_append_new(json_object_get(mount, "options"), json_string(option));
}

static void add_fixed(json_t *mounts, const struct fixed_mount *fixed)
{
	json_t *mount = mount_new(fixed->target, fixed->type, fixed->source);

	for (size_t i = 0; i < ARRAY_LEN(fixed->options) && fixed->options[i]; i++)
		add_option(mount, fixed->options[i]);
	json_array_append_new(mounts, mount);
}

static void add_devpts(json_t *mounts, const struct userns_map *map)
{
	json_t *mount = mount_new("/dev/pts", "devpts", "devpts");

	add_option(mount, "nosuid");
	add_option(mount, "noexec");
	add_option(mount, "newinstance");
	add_option(mount, "ptmxmode=0666");
	add_option(mount, "mode=0620");
	if (userns_host_gid(map, TTY_GID) >= 0)
		add_option(mount, "gid=5");
	json_array_append_new(mounts, mount);
}

/* The kernel's option text has no way to say these that every runtime shares. */
static int check_path(const char *path, struct error *err)
{
	if (!strpbrk(path, ":,\\\""))
		return 0;
	error_set(err, ERR_UNSUPPORTED, "%s: a path with ':', ',' or '\\' cannot hold images",
	          path);
	return error_hint(err, "choose another data directory with XDG_DATA_HOME");
}

json_t *runtime_root_mount(enum root_kind kind, const char *program, const char *layers,
                           const char *dir)
{
	json_t *mount = kind == ROOT_FUSE ? mount_new("/", "fuse-overlayfs", program)
	                                  : mount_new("/", "overlay", "overlay");
	json_t *options = json_object_get(mount, "options");

	json_array_append_new(options, json_sprintf("lowerdir=%s", layers));
	json_array_append_new(options, json_sprintf("upperdir=%s/rw/upper", dir));
	json_array_append_new(options, json_sprintf("workdir=%s/rw/work", dir));
	if (kind == ROOT_OVERLAY)
		add_option(mount, "userxattr");
	return mount;
}

static int add_root(json_t *mounts, const struct container_request *request,
                    const struct container_paths *paths, struct error *err)
{
	const struct strv *diff_ids = &request->image->diff_ids;
	enum root_kind kind = request->root ? request->root->kind : ROOT_OVERLAY;
	cleanup(strbuf_release) struct strbuf lower = STRBUF_INIT;

	if (diff_ids->len == 0)
		return error_set(err, ERR_USAGE, "the image has no layers");
	if (check_path(request->store->path, err) < 0 || check_path(paths->dir, err) < 0)
		return -1;
	/* overlayfs names the uppermost layer first. */
	for (size_t i = diff_ids->len; i-- > 0;) {
		cleanup_free char *layer = store_layer_path(request->store, diff_ids->items[i]);

		if (!store_has_layer(request->store, diff_ids->items[i]))
			return error_set(err, ERR_NOT_FOUND, "layer %s is not unpacked",
			                 diff_ids->items[i]);
		strbuf_addf(&lower, "%s%s", layer, i > 0 ? ":" : "");
	}
	/* The root is a folder then, which has them all. */
	if (kind == ROOT_COPY)
		return 0;
	json_array_append_new(
		mounts, runtime_root_mount(kind, request->root ? request->root->program : NULL,
	                                   lower.buf, paths->dir));
	return 0;
}

static json_t *add_bind(json_t *mounts, const char *source, const char *target, bool is_readonly)
{
	json_t *mount = mount_new(target, "bind", source);

	add_option(mount, "rbind");
	add_option(mount, "rprivate");
	add_option(mount, "nosuid");
	add_option(mount, "nodev");
	if (is_readonly)
		add_option(mount, "ro");
	json_array_append_new(mounts, mount);
	return mount;
}

static void map_owners(json_t *mount, const struct userns_map *of)
{
	struct userns_map map;

	if (!runtime_idmap_of(of, &map))
		return;
	add_option(mount, "ridmap");
	json_object_set_new(mount, "uidMappings", runtime_mapping_new(map.uid, map.uids));
	json_object_set_new(mount, "gidMappings", runtime_mapping_new(map.gid, map.gids));
}

static int add_tmpfs(json_t *mounts, const struct container_mount *wanted, struct error *err)
{
	json_t *mount;

	if (wanted->size < 0)
		return error_set(err, ERR_USAGE, "%s: size %lld", wanted->target,
		                 (long long)wanted->size);
	mount = mount_new(wanted->target, "tmpfs", "tmpfs");
	add_option(mount, "nosuid");
	add_option(mount, "nodev");
	add_option(mount, "mode=1777");
	if (wanted->is_readonly)
		add_option(mount, "ro");
	if (wanted->size > 0) {
		cleanup_free char *size = xasprintf("size=%lld", (long long)wanted->size);

		add_option(mount, size);
	}
	json_array_append_new(mounts, mount);
	return 0;
}

static int add_wanted(json_t *mounts, const struct container_mount *wanted,
                      const struct userns_map *map, struct error *err)
{
	json_t *mount;

	if (str_empty(wanted->target) || *wanted->target != '/' || str_eq(wanted->target, "/"))
		return error_set(err, ERR_USAGE, "mount target \"%s\" is no absolute path below /",
		                 wanted->target ? wanted->target : "");
	switch (wanted->type) {
	case CONTAINER_BIND:
	case CONTAINER_VOLUME:
		if (str_empty(wanted->source) || *wanted->source != '/')
			return error_set(err, ERR_USAGE, "mount source \"%s\" is not absolute",
			                 wanted->source ? wanted->source : "");
		mount = add_bind(mounts, wanted->source, wanted->target, wanted->is_readonly);
		if (wanted->is_mapped)
			map_owners(mount, map);
		return 0;
	case CONTAINER_TMPFS:
		return add_tmpfs(mounts, wanted, err);
	}
	return 0;
}

json_t *runtime_mounts_new(const struct container_request *request,
                           const struct container_paths *paths, const struct userns_map *map,
                           struct error *err)
{
	cleanup_json json_t *mounts = json_array();

	if (add_root(mounts, request, paths, err) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(before_dev); i++)
		add_fixed(mounts, &before_dev[i]);
	add_devpts(mounts, map);
	for (size_t i = 0; i < ARRAY_LEN(after_dev); i++)
		add_fixed(mounts, &after_dev[i]);
	add_fixed(mounts, request->has_own_network ? &own_sys : &sys_of_host);
	add_bind(mounts, paths->resolv_conf, "/etc/resolv.conf", false);
	add_bind(mounts, paths->hosts, "/etc/hosts", false);
	add_bind(mounts, paths->hostname, "/etc/hostname", false);
	array_foreach(wanted, &request->mounts)
		if (add_wanted(mounts, wanted, map, err) < 0)
			return NULL;
	return take_ptr(mounts);
}
