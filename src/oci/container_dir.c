#include "oci/container_dir.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/merged_tree.h"
#include "oci/owned_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define HOST_FILE_MAX (1024 * 1024)
#define BUNDLE_MAX    (4 * 1024 * 1024)

struct bundle_paths {
	const char *dir;
	char *bundle, *rootfs, *copy, *rw, *upper, *work;
	char *resolv_conf, *hosts, *hostname, *reason;
};

static void bundle_paths_init(struct bundle_paths *paths, const char *dir)
{
	paths->bundle = path_join(dir, "bundle");
	paths->rootfs = path_join(dir, "bundle/rootfs");
	paths->resolv_conf = path_join(dir, "bundle/resolv.conf");
	paths->hosts = path_join(dir, "bundle/hosts");
	paths->hostname = path_join(dir, "bundle/hostname");
	paths->reason = path_join(dir, "bundle/" CONTAINER_REASON);
	paths->dir = dir;
	paths->copy = path_join(dir, "root");
	paths->rw = path_join(dir, "rw");
	paths->upper = path_join(dir, "rw/upper");
	paths->work = path_join(dir, "rw/work");
}

static void bundle_paths_release(struct bundle_paths *paths)
{
	free(paths->bundle);
	free(paths->rootfs);
	free(paths->copy);
	free(paths->rw);
	free(paths->resolv_conf);
	free(paths->hosts);
	free(paths->hostname);
	free(paths->reason);
	free(paths->upper);
	free(paths->work);
}

char *container_dir_bundle(const char *dir)
{
	return path_join(dir, "bundle");
}

char *container_dir_pid(const char *dir)
{
	return path_join(dir, "bundle/pid");
}

/* The container's root owns its writable layer; the host's root is not in the map. */
static int make_owned_dir(const char *path, const struct userns_map *map, struct error *err)
{
	if (mkdir(path, 0700) < 0 || chown(path, map->uid[0].outside, map->gid[0].outside) < 0 ||
	    chmod(path, 0755) < 0)
		return error_errno(err, errno, "make directory %s", path);
	return 0;
}

static int write_file(const char *path, const char *text, struct error *err)
{
	return fs_write_atomic(path, text, strlen(text), 0644, err);
}

static bool is_loopback(const char *address)
{
	return str_starts(address, "127.") || str_starts(address, "::1");
}

/*
 * The host's, but a resolver on its loopback is asked through the way out.  Without a way
 * out there is nobody to ask, and what asks is told so at once.
 */
static void adapt_resolv_conf(const struct container_request *request, struct strbuf *resolv)
{
	cleanup(strbuf_release) struct strbuf own = STRBUF_INIT;
	char *rest = resolv->buf, *line;

	while (resolv->len > 0 && (line = strsep(&rest, "\n"))) {
		const char *address = line + strlen("nameserver");
		bool is_server = str_starts(line, "nameserver");

		address += strspn(address, " \t");
		if (is_server && !request->has_way_out)
			continue;
		if (is_server && is_loopback(address))
			strbuf_addf(&own, "nameserver %s\n", request->network_resolver);
		else if (*line)
			strbuf_addf(&own, "%s\n", line);
	}
	strbuf_reset(resolv);
	strbuf_add(resolv, own.buf, own.len);
}

/* On the host's network a container resolves names as the host does. */
static int write_network_files(const struct bundle_paths *paths,
                               const struct container_request *request, struct error *err)
{
	const char *hostname = request->hostname ? request->hostname : "locald";
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf resolv = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf hosts = STRBUF_INIT;
	cleanup_free char *name = xasprintf("%s\n", hostname);

	/* A host may have neither; then the container has them empty. */
	fs_read_file("/etc/resolv.conf", HOST_FILE_MAX, &resolv, &ignored);
	if (request->has_own_network)
		adapt_resolv_conf(request, &resolv);
	else
		fs_read_file("/etc/hosts", HOST_FILE_MAX, &hosts, &ignored);
	if (!strstr(hosts.buf, "localhost"))
		strbuf_adds(&hosts, "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
	if (hosts.buf[hosts.len - 1] != '\n')
		strbuf_addch(&hosts, '\n');
	strbuf_addf(&hosts, "%s\t%s\n", request->has_own_network ? "127.0.0.1" : "127.0.1.1",
	            hostname);
	for (size_t i = 0; i < request->network_hosts.len; i++)
		strbuf_addf(&hosts, "%s\n", request->network_hosts.items[i]);
	if (write_file(paths->resolv_conf, resolv.buf, err) < 0 ||
	    write_file(paths->hosts, hosts.buf, err) < 0)
		return -1;
	return write_file(paths->hostname, name, err);
}

static bool is_copy(const struct container_request *request)
{
	return request->root && request->root->kind == ROOT_COPY;
}

struct copying {
	struct merged_layers layers;
	int to;
};

/* As root of the namespace. */
static int copy_image(void *data, struct error *err)
{
	const struct copying *copying = data;

	return merged_tree_copy(&copying->layers, "/", copying->to, err);
}

/* With a single id the layers are root's of the caller's own map, whoever the user is. */
static int make_copy(const char *path, const struct container_request *request, struct error *err)
{
	struct copying copying = {.to = -1};
	struct userns_map map;
	int result = -1;

	if (userns_map_for_caller(&map, err) < 0 || make_owned_dir(path, &map, err) < 0 ||
	    merged_layers_open(request->store, request->image, &copying.layers, err) < 0)
		return -1;
	copying.to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copying.to < 0)
		error_errno(err, errno, "%s", path);
	else
		result = userns_run(&map, copy_image, &copying, err);
	close_fd(&copying.to);
	merged_layers_release(&copying.layers);
	return result < 0 ? error_wrap(err, "copy the image") : 0;
}

static int write_config(const struct bundle_paths *at, const struct bundle_paths *final,
                        const struct container_request *request, const struct container_user *user,
                        const struct userns_map *map, struct error *err)
{
	struct container_paths paths = {
		.dir = final->dir,
		.rootfs = is_copy(request) ? final->copy : final->rootfs,
		.resolv_conf = final->resolv_conf,
		.hosts = final->hosts,
		.hostname = final->hostname,
		.reason = final->reason,
	};
	cleanup_json json_t *config = runtime_config_new(request, &paths, user, map, err);
	cleanup_free char *text = NULL;
	cleanup_free char *path = path_join(at->bundle, "config.json");

	if (!config)
		return -1;
	text = json_text(config);
	/* It has the environment of the service in it. */
	return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static int fill(const char *temporary, const char *dir, const struct container_request *request,
                const struct container_user *user, struct error *err)
{
	cleanup(bundle_paths_release) struct bundle_paths at;
	cleanup(bundle_paths_release) struct bundle_paths final;
	struct userns_map map;

	bundle_paths_init(&at, temporary);
	bundle_paths_init(&final, dir);
	if (runtime_config_map(user, &map, err) < 0)
		return -1;
	if (mkdir(at.bundle, 0700) < 0 || mkdir(at.rootfs, 0755) < 0)
		return error_errno(err, errno, "make directory %s", at.bundle);
	if (is_copy(request)) {
		if (make_copy(at.copy, request, err) < 0)
			return -1;
	} else if (make_owned_dir(at.rw, &map, err) < 0 ||
	           make_owned_dir(at.upper, &map, err) < 0 ||
	           make_owned_dir(at.work, &map, err) < 0) {
		return -1;
	}
	if (write_network_files(&at, request, err) < 0)
		return -1;
	return write_config(&at, &final, request, user, &map, err);
}

static int create_at(const char *temporary, const char *dir,
                     const struct container_request *request, bool replace, struct error *err)
{
	cleanup(container_user_release) struct container_user user = {0};
	const char *text = request->user ? request->user : image_user(request->image);

	if (container_user_resolve(request->store, request->image, text, &user, err) < 0 ||
	    fill(temporary, dir, request, &user, err) < 0)
		return -1;
	if (replace && container_dir_remove(dir, err) < 0)
		return -1;
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, dir, RENAME_NOREPLACE) < 0)
		return error_errno(err, errno, "%s", dir);
	return 0;
}

int container_dir_create(const char *dir, const struct container_request *request, bool replace,
                         struct error *err)
{
	cleanup_free char *temporary = xasprintf("%s.new-XXXXXX", dir);

	if (*dir != '/')
		return error_set(err, ERR_USAGE, "container directory %s is not absolute", dir);
	if (!replace && fs_exists(dir))
		return error_set(err, EEXIST, "%s is there already", dir);
	if (!mkdtemp(temporary))
		return error_errno(err, errno, "make a container directory for %s", dir);
	if (create_at(temporary, dir, request, replace, err) < 0) {
		cleanup(error_release) struct error ignored = ERROR_INIT;

		container_dir_remove(temporary, &ignored);
		return -1;
	}
	return 0;
}

int container_dir_remove(const char *dir, struct error *err)
{
	cleanup_free char *above = path_dir(dir);
	cleanup_close int parent = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0 && errno == ENOENT)
		return 0;
	if (parent < 0)
		return error_errno(err, errno, "%s", above);
	return owned_tree_remove(parent, path_base(dir), err);
}

/* ".../layers/<hex>" of a lowerdir list. */
static void add_layers(const char *lower, struct strv *out)
{
	cleanup_free char *copy = xstrdup(lower);
	char *rest = copy, *path;

	while ((path = strsep(&rest, ":"))) {
		cleanup_free char *diff_id = xasprintf("sha256:%s", path_base(path));

		if (digest_is_valid(diff_id))
			strv_add(out, diff_id);
	}
}

int container_dir_layers(const char *dir, struct strv *out, struct error *err)
{
	cleanup_free char *path = path_join(dir, "bundle/config.json");
	cleanup_json json_t *config = json_parse_file(path, BUNDLE_MAX, err);
	const json_t *options, *option;
	size_t i;

	if (!config)
		return -1;
	options = json_object_get(json_array_get(json_object_get(config, "mounts"), 0), "options");
	json_array_foreach(options, i, option) {
		const char *text = json_string_value(option);

		if (text && str_starts(text, "lowerdir="))
			add_layers(text + strlen("lowerdir="), out);
	}
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* The entries of a directory, without dot files; none when it is not there. */
static int list_entries(const char *path, struct strv *out, struct error *err)
{
	cleanup(close_dir) DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!dir)
		return error_errno(err, errno, "%s", path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strv_add_take(out, path_join(path, entry->d_name));
	return 0;
}

int container_dirs_list(const char *top, struct strv *out, struct error *err)
{
	cleanup(strv_release) struct strv projects = STRV_INIT, dirs = STRV_INIT;

	if (list_entries(top, &projects, err) < 0)
		return -1;
	for (size_t i = 0; i < projects.len; i++)
		if (list_entries(projects.items[i], &dirs, err) < 0)
			return -1;
	for (size_t i = 0; i < dirs.len; i++) {
		cleanup_free char *bundle = path_join(dirs.items[i], "bundle/config.json");

		if (fs_exists(bundle))
			strv_add(out, dirs.items[i]);
	}
	return 0;
}

int container_dirs_with_mount(const char *top, const char *source, struct strv *out,
                              struct error *err)
{
	cleanup(strv_release) struct strv dirs = STRV_INIT;

	if (container_dirs_list(top, &dirs, err) < 0)
		return -1;
	for (size_t i = 0; i < dirs.len; i++) {
		cleanup_free char *path = path_join(dirs.items[i], "bundle/config.json");
		cleanup_json json_t *config = json_parse_file(path, BUNDLE_MAX, err);
		const json_t *mount;
		size_t n;

		if (!config)
			return -1;
		json_array_foreach(json_object_get(config, "mounts"), n, mount) {
			if (!str_eq(json_get_str(mount, "source", ""), source))
				continue;
			strv_add(out, path_base(dirs.items[i]));
			break;
		}
	}
	return 0;
}
