#include "cnb/builder_user.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cnb/new_layer.h"
#include "oci/tar_tree.h"

#include <errno.h>
#include <fcntl.h>

#define ACCOUNTS_MAX (4 * 1024 * 1024)
#define HOME         "/home/cnb"

struct accounts {
	struct builder_user user;
	struct strbuf passwd, group;
	bool has_user, has_group;
};

static void accounts_release(struct accounts *accounts)
{
	strbuf_release(&accounts->passwd);
	strbuf_release(&accounts->group);
}

int builder_user_read(const struct image *image, struct builder_user *ret, struct error *err)
{
	cleanup(strv_release) struct strv env = STRV_INIT;
	const char *uid_text, *gid_text;
	int64_t uid, gid;

	if (image_env(image, &env, err) < 0)
		return -1;
	uid_text = strv_env_get(&env, "CNB_USER_ID");
	gid_text = strv_env_get(&env, "CNB_GROUP_ID");
	if (!uid_text || !gid_text)
		return error_set(err, ERR_NOT_FOUND, "it has no CNB_USER_ID and CNB_GROUP_ID");
	if (str_to_int(uid_text, 1, UINT32_MAX - 1, &uid, err) < 0)
		return error_wrap(err, "CNB_USER_ID");
	if (str_to_int(gid_text, 1, UINT32_MAX - 1, &gid, err) < 0)
		return error_wrap(err, "CNB_GROUP_ID");
	*ret = (struct builder_user){(uint32_t)uid, (uint32_t)gid};
	return 0;
}

/* A file of the image, from the uppermost layer that has it; none is an empty one. */
static int read_file(const struct store *store, const struct image *image, const char *path,
                     struct strbuf *ret, struct error *err)
{
	for (size_t i = image->diff_ids.len; i > 0; i--) {
		cleanup_close int layer =
			store_open_layer(store, image->diff_ids.items[i - 1], err);
		cleanup_close int fd = -1;

		if (layer < 0)
			return -1;
		fd = fs_open_in_root(layer, path, O_RDONLY | O_NONBLOCK, 0, err);
		if (fd >= 0)
			return fd_read_to_end(fd, ret, ACCOUNTS_MAX, err);
		if (err->code != ENOENT)
			return error_wrap(err, "%s of the image", path);
		error_release(err);
	}
	return 0;
}

/* Has a passwd(5) or group(5) file an entry with this number? */
static bool has_id(const char *text, uint32_t id)
{
	cleanup_free char *field = xasprintf("%u", id);

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		const char *at = memchr(line, ':', len);

		at = at ? memchr(at + 1, ':', len - (size_t)(at + 1 - line)) : NULL;
		if (at && strncmp(at + 1, field, strlen(field)) == 0 &&
		    strchr(":\n", at[1 + strlen(field)]))
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}

static void add_line(struct strbuf *text, const char *line)
{
	if (text->len && text->buf[text->len - 1] != '\n')
		strbuf_addch(text, '\n');
	strbuf_adds(text, line);
}

static int fill(struct tar_writer *tar, void *data, struct error *err)
{
	struct accounts *accounts = data;
	const struct builder_user *user = &accounts->user;

	if (tar_tree_add_dir(tar, "/etc", 0755, 0, 0, err) < 0)
		return -1;
	if (!accounts->has_group &&
	    tar_tree_add_bytes(tar, "/etc/group", 0644, 0, 0, accounts->group.buf,
	                       accounts->group.len, err) < 0)
		return -1;
	if (accounts->has_user)
		return 0;
	if (tar_tree_add_bytes(tar, "/etc/passwd", 0644, 0, 0, accounts->passwd.buf,
	                       accounts->passwd.len, err) < 0 ||
	    tar_tree_add_dir(tar, "/home", 0755, 0, 0, err) < 0)
		return -1;
	return tar_tree_add_dir(tar, HOME, 0755, user->uid, user->gid, err);
}

static int read_accounts(const struct store *store, const struct image *image,
                         struct accounts *accounts, struct error *err)
{
	const struct builder_user *user = &accounts->user;
	cleanup_free char *passwd = NULL;
	cleanup_free char *group = NULL;

	if (read_file(store, image, "etc/passwd", &accounts->passwd, err) < 0 ||
	    read_file(store, image, "etc/group", &accounts->group, err) < 0)
		return -1;
	accounts->has_user = has_id(accounts->passwd.buf, user->uid);
	accounts->has_group = has_id(accounts->group.buf, user->gid);
	passwd = xasprintf("cnb:x:%u:%u:buildpacks:" HOME ":/bin/sh\n", user->uid, user->gid);
	group = xasprintf("cnb:x:%u:\n", user->gid);
	add_line(&accounts->passwd, passwd);
	add_line(&accounts->group, group);
	return 0;
}

static void set_ids(struct image *image, const struct strv *old_env,
                    const struct builder_user *user)
{
	cleanup(strv_release) struct strv env = STRV_INIT;
	cleanup_free char *uid = xasprintf("%u", user->uid);
	cleanup_free char *gid = xasprintf("%u", user->gid);
	cleanup_free char *both = xasprintf("%s:%s", uid, gid);

	strv_copy(&env, old_env);
	strv_env_set(&env, "CNB_USER_ID", uid);
	strv_env_set(&env, "CNB_GROUP_ID", gid);
	image_set_env(image, &env);
	image_set_user(image, both);
}

int builder_user_ensure(struct store *store, const struct userns_map *map, struct image *image,
                        struct builder_user *ret, bool *ret_changed, struct error *err)
{
	cleanup(accounts_release) struct accounts accounts = {
		.user = {BUILDER_UID, BUILDER_GID}, .passwd = STRBUF_INIT, .group = STRBUF_INIT};
	cleanup(strv_release) struct strv env = STRV_INIT;
	char diff_id[SHA256_DIGEST_SIZE];

	*ret_changed = false;
	if (builder_user_read(image, ret, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	error_release(err);
	if (image_env(image, &env, err) < 0 || read_accounts(store, image, &accounts, err) < 0)
		return -1;
	if ((!accounts.has_user || !accounts.has_group) &&
	    new_layer_add(store, map, image, "User of the buildpacks", fill, &accounts, diff_id,
	                  err) < 0)
		return -1;
	set_ids(image, &env, &accounts.user);
	*ret = accounts.user;
	*ret_changed = true;
	return 0;
}
