#include "cnb/scratch.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cnb/source.h"
#include "oci/owned_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define WORK_PREFIX      "work-"
#define HOST_CERTS       "/etc/ssl/certs/ca-certificates.crt"
#define CERTS_MAX        (4 * 1024 * 1024)
#define BINDING          "platform/bindings/ca-certificates"
#define BINDING_IN_BUILD "/platform/bindings/ca-certificates/ca-certificates.crt"

/* A file or directory (text NULL) to make for the builder's user. */
struct item {
	char *path; /* relative */
	char *text;
	size_t len;
};

struct items {
	ARRAY(struct item) list;
	int dir;
};

static void items_release(struct items *items)
{
	array_foreach(item, &items->list) {
		free(item->path);
		free(item->text);
	}
	array_release(&items->list);
}

static void add_dir(struct items *items, const char *path)
{
	*array_add(&items->list) = (struct item){xstrdup(path), NULL, 0};
}

static void add_file(struct items *items, const char *path, const char *text, size_t len)
{
	*array_add(&items->list) = (struct item){xstrdup(path), xmemdup(text, len), len};
}

static int make_dir(const struct items *items, const struct item *item, const struct owner_ids *ids,
                    struct error *err)
{
	if (mkdirat(items->dir, item->path, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make %s", item->path);
	if (fchmodat(items->dir, item->path, 0755, 0) < 0 ||
	    fchownat(items->dir, item->path, ids->uid, ids->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "prepare %s", item->path);
	return 0;
}

static int make_file(const struct items *items, const struct item *item,
                     const struct owner_ids *ids, struct error *err)
{
	cleanup_close int fd = openat(items->dir, item->path,
	                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_errno(err, errno, "make %s", item->path);
	if (fchown(fd, ids->uid, ids->gid) < 0 || fchmod(fd, 0644) < 0)
		return error_errno(err, errno, "prepare %s", item->path);
	return fd_write_all(fd, item->text, item->len, err);
}

static int make_items(const struct owner_ids *ids, void *data, struct error *err)
{
	const struct items *items = data;

	array_foreach(item, &items->list) {
		if ((item->text ? make_file : make_dir)(items, item, ids, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- what goes into it ---- */

static int add_blob(struct items *items, const struct store *store, const char *layout,
                    const struct descriptor *blob, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *path =
		xasprintf("%s/blobs/sha256/%s", layout, blob->digest + strlen("sha256:"));

	if (store_read_blob(store, blob->digest, &text, err) < 0)
		return -1;
	add_file(items, path, text.buf, text.len);
	return 0;
}

/* An image without its layers: index, manifest, config. */
static int add_image(struct items *items, const struct store *store, const char *name,
                     const struct image *image, struct error *err)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	static const char *const parts[] = {"", "/latest", "/latest/blobs", "/latest/blobs/sha256"};
	cleanup_free char *base = xasprintf("layout/%s", name);
	cleanup_free char *layout = xasprintf("%s/latest", base);
	cleanup_free char *index_path = xasprintf("%s/index.json", layout);
	cleanup_free char *version_path = xasprintf("%s/oci-layout", layout);
	cleanup_free char *index = xasprintf(
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
		"\"size\":%lld}]}",
		MEDIA_MANIFEST, image->manifest.digest, (long long)image->manifest.size);

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		cleanup_free char *path = xasprintf("%s%s", base, parts[i]);

		add_dir(items, path);
	}
	add_file(items, version_path, version, strlen(version));
	add_file(items, index_path, index, strlen(index));
	if (add_blob(items, store, layout, &image->manifest, err) < 0)
		return -1;
	return add_blob(items, store, layout, &image->config_desc, err);
}

/* The host's certificates, for networks that bring their own. */
static int add_certificates(struct items *items, struct strv *env, struct error *err)
{
	static const char *const names[] = {"NODE_EXTRA_CA_CERTS", "PIP_CERT", "SSL_CERT_FILE"};
	cleanup(strbuf_release) struct strbuf certs = STRBUF_INIT;

	if (!fs_exists(HOST_CERTS))
		return 0;
	if (fs_read_file(HOST_CERTS, CERTS_MAX, &certs, err) < 0)
		return -1;
	add_dir(items, "platform/bindings");
	add_dir(items, BINDING);
	add_file(items, BINDING "/type", "ca-certificates", strlen("ca-certificates"));
	add_file(items, BINDING "/ca-certificates.crt", certs.buf, certs.len);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strv_env_get(env, names[i]))
			strv_env_set(env, names[i], BINDING_IN_BUILD);
	return 0;
}

static int add_env(struct items *items, const struct strv *env, struct error *err)
{
	for (size_t i = 0; i < env->len; i++) {
		const char *entry = env->items[i];
		const char *equals = strchr(entry, '=');
		cleanup_free char *name = equals ? xstrndup(entry, (size_t)(equals - entry)) : NULL;
		cleanup_free char *path = NULL;

		if (!name || !*name || strpbrk(name, "/") || *name == '.')
			return error_set(err, ERR_CONFIG,
			                 "\"%s\" is not the name of a build variable",
			                 name ? name : entry);
		path = xasprintf("platform/env/%s", name);
		add_file(items, path, equals + 1, strlen(equals + 1));
	}
	return 0;
}

static int collect(struct items *items, const struct scratch_content *content, struct error *err)
{
	static const char *const dirs[] = {"layers",       "workspace", "platform",
	                                   "platform/env", "layout",    "layout/locald.local"};
	cleanup(strv_release) struct strv env = STRV_INIT;

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		add_dir(items, dirs[i]);
	strv_copy(&env, content->env);
	if (add_certificates(items, &env, err) < 0 || add_env(items, &env, err) < 0 ||
	    add_image(items, content->store, SCRATCH_RUN_IMAGE, content->run, err) < 0)
		return -1;
	if (content->previous &&
	    add_image(items, content->store, SCRATCH_PREVIOUS_IMAGE, content->previous, err) < 0)
		return -1;
	if (content->order)
		add_file(items, "layers/order.toml", content->order, strlen(content->order));
	return 0;
}

/* ---- life ---- */

static int open_dir(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "open %s", path) : fd;
}

static int make_cache(const char *cache, const struct owner *owner, struct error *err)
{
	cleanup(items_release) struct items items = {.dir = open_dir(cache, err)};
	int result;

	if (items.dir < 0)
		return -1;
	add_dir(&items, "cache");
	result = owner_run(owner, make_items, &items, err);
	close(items.dir);
	return result;
}

int scratch_create(struct scratch *scratch, const char *cache, const struct owner *owner,
                   const struct scratch_content *content, struct error *err)
{
	cleanup(items_release) struct items items = {.dir = -1};
	cleanup_close int dir = -1;

	scratch->cache = cache;
	scratch->owner = owner;
	if (make_cache(cache, owner, err) < 0 || collect(&items, content, err) < 0)
		return -1;
	scratch->dir = xasprintf("%s/" WORK_PREFIX "XXXXXX", cache);
	if (!mkdtemp(scratch->dir)) {
		error_errno(err, errno, "make %s", scratch->dir);
		free(take_ptr(scratch->dir));
		return -1;
	}
	dir = open_dir(scratch->dir, err);
	if (dir < 0)
		return -1;
	items.dir = dir;
	return owner_run(owner, make_items, &items, err);
}

int scratch_add_source(const struct scratch *scratch, int folder, const struct source *source,
                       struct error *err)
{
	cleanup_free char *path = path_join(scratch->dir, "workspace");
	cleanup_close int to = open_dir(path, err);

	return to < 0 ? -1 : source_copy(folder, source, to, scratch->owner, err);
}

static int remove_in(const char *cache, const char *name, struct error *err)
{
	cleanup_close int dir = open_dir(cache, err);

	return dir < 0 ? -1 : owned_tree_remove(dir, name, err);
}

int scratch_forget_cache(const char *cache, struct error *err)
{
	return remove_in(cache, "cache", err);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int scratch_sweep(const char *cache, struct error *err)
{
	cleanup(close_dir) DIR *dir = opendir(cache);
	cleanup(strv_release) struct strv found = STRV_INIT;
	struct dirent *entry;

	if (!dir)
		return error_errno(err, errno, "open %s", cache);
	while ((entry = readdir(dir)))
		if (str_starts(entry->d_name, WORK_PREFIX))
			strv_add(&found, entry->d_name);
	for (size_t i = 0; i < found.len; i++)
		if (remove_in(cache, found.items[i], err) < 0)
			return -1;
	return 0;
}

int scratch_remove(struct scratch *scratch, struct error *err)
{
	int result;

	if (!scratch->dir)
		return 0;
	result = remove_in(scratch->cache, path_base(scratch->dir), err);
	free(take_ptr(scratch->dir));
	return result;
}
