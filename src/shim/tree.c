#include "shim/tree.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

int tree_begin(const char *type, struct error *err)
{
	int context = fsopen(type, FSOPEN_CLOEXEC);

	if (context >= 0)
		return context;
	if (errno == ENODEV)
		return error_set(err, ENODEV, "the kernel has no file system `%s`", type);
	error_errno(err, errno, "fsopen %s", type);
	if (err->code == ENOSYS)
		error_hint(err, "Linux 5.12 or newer is needed, and a sandbox that allows fsopen");
	return -1;
}

/* The kernel says why in the context: "e overlay: …". */
static int context_error(int context, int code, const char *what, struct error *err)
{
	char line[256];
	ssize_t len = read(context, line, sizeof(line) - 1);

	if (len <= 0)
		return error_errno(err, code, "%s", what);
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return error_set(err, code, "%s: %s: %s", what, str_starts(line, "e ") ? line + 2 : line,
	                 strerror(code));
}

int tree_param(int context, const char *key, const char *value, struct error *err)
{
	int done = value ? fsconfig(context, FSCONFIG_SET_STRING, key, value, 0)
	                 : fsconfig(context, FSCONFIG_SET_FLAG, key, NULL, 0);

	return done < 0 ? context_error(context, errno, key, err) : 0;
}

int tree_finish(int context, uint64_t attr, struct error *err)
{
	int tree;

	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return context_error(context, errno, "make file system", err);
	tree = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attr);
	return tree < 0 ? error_errno(err, errno, "fsmount") : tree;
}

static int add_word(int context, const char *word, struct error *err)
{
	const char *equals = strchr(word, '=');
	char key[64];

	if (!equals)
		return tree_param(context, word, NULL, err);
	if ((size_t)(equals - word) >= sizeof(key))
		return error_set(err, EINVAL, "mount option `%s` is too long", word);
	memcpy(key, word, (size_t)(equals - word));
	key[equals - word] = '\0';
	return tree_param(context, key, equals + 1, err);
}

int tree_make(const char *type, const char *source, const struct strv *data, uint64_t attr,
              struct error *err)
{
	cleanup_close int context = tree_begin(type, err);

	if (context < 0)
		return -1;
	if (!str_empty(source) && tree_param(context, "source", source, err) < 0)
		return -1;
	for (size_t i = 0; data && i < data->len; i++)
		if (add_word(context, data->items[i], err) < 0)
			return -1;
	return tree_finish(context, attr, err);
}

int tree_clone(int dirfd, const char *path, bool recursive, struct error *err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int tree;

	if (recursive)
		flags |= AT_RECURSIVE;
	if (!*path)
		flags |= AT_EMPTY_PATH;
	tree = open_tree(dirfd, path, flags);
	return tree < 0 ? error_errno(err, errno, "open `%s` to mount it", path) : tree;
}

int tree_attach(int tree, int target, struct error *err)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, errno, "move_mount");
	return 0;
}

static int set_attr(int tree, unsigned flags, struct mount_attr *attr)
{
	return mount_setattr(tree, "", AT_EMPTY_PATH | flags, attr, sizeof(*attr));
}

int tree_set_attr(int tree, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive,
                  struct error *err)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
	};
	unsigned flags = recursive ? AT_RECURSIVE : 0;

	if (!set && !clear && !propagation)
		return 0;
	/* "Any atime" is cleared before one is set. */
	if (set & MOUNT_ATTR__ATIME || clear & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (set_attr(tree, flags, &attr) == 0)
		return 0;
	/*
	 * In a user namespace what the host's mount forbids stays forbidden:
	 * what was to be added is added, and the rest is kept as it is.
	 */
	if (errno == EPERM && clear & ~(uint64_t)MOUNT_ATTR__ATIME) {
		attr.attr_clr &= MOUNT_ATTR__ATIME;
		if (set_attr(tree, flags, &attr) == 0)
			return 0;
	}
	return error_errno(err, errno, "set mount attributes");
}

int tree_map_ids(int tree, int userns, bool recursive, struct error *err)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	if (set_attr(tree, recursive ? AT_RECURSIVE : 0, &attr) < 0)
		return error_errno(err, errno, "map its ids");
	return 0;
}
