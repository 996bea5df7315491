#include "oci/owned_tree.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct removal {
	int dir;
	const char *name;
};

static int remove_inside(void *data, struct error *err)
{
	const struct removal *removal = data;

	return fs_remove_tree(removal->dir, removal->name, err);
}

int owned_tree_remove(int dir, const char *name, struct error *err)
{
	struct removal removal = {dir, name};
	struct userns_map map;

	/* Root of the host may remove anything; its namespace's root could not write to `dir`. */
	if (geteuid() == 0 || faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return fs_remove_tree(dir, name, err);
	if (userns_map_for_caller(&map, err) < 0)
		return -1;
	return userns_run(&map, remove_inside, &removal, err);
}
